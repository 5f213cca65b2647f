package eligibility

import (
	"fmt"

	"github.com/gelombang/gelombang/program/calendar"
)

// Read declares one function that reads several facts of a person at once, which is
// quicker than a function for each fact. Facts that it reads are declared with a nil
// function:
//
//	citizen := s.Bool("citizen", nil)
//	student := s.Source("dapodik", 180).Bool("student", nil)
//	s.Read(func(p *Person, row *eligibility.Row) {
//		row.Bool(citizen, p.Citizen)
//		row.Bool(student, p.Student.Value)
//		row.Asked(student.Fact, p.Student.On)
//	})
//
// The function sets all of these facts for everybody, and must be pure. Compile
// tries it on a zero E, and reports a fact that it leaves out or that has a function
// of its own, a source whose answers grow old without the day on which it was
// asked, and a panic. A fact that is left out for somebody later is unknown (NotAsked).
func (s *Schema[E]) Read(read func(e *E, row *Row)) {
	switch {
	case read == nil:
		s.faults = append(s.faults, Fault{"facts", "reader", "is missing"})
	case s.read != nil:
		s.faults = append(s.faults, Fault{"facts", "reader", "there are two"})
	default:
		s.read = read
	}
}

// Row takes what is known of one person. It is given to the function of Schema.Read,
// and of use only until that returns. A fact of another schema is not taken.
type Row struct {
	cells []cell
	facts []about
	of    *identity
	stray cell // where facts of other schemas go
	lost  bool // there was one
}

// identity tells one schema's facts from another's.
type identity struct{ _ byte }

func (r *Row) begin(d *dictionaries, cells []cell) {
	r.cells, r.facts, r.of = cells, d.facts, d.of
}

// Format writes that there are facts, never what is known of them.
func (r Row) Format(s fmt.State, _ rune) { printMask(s) }

func (r *Row) cell(f *Fact) *cell {
	if f.of == r.of && uint(f.at) < uint(len(r.cells)) {
		return &r.cells[f.at]
	}
	r.lost = true
	return &r.stray
}

// set leaves alone when the source was asked.
func (c *cell) set(n int64, s status, why Cause) { c.n, c.state, c.cause = n, s, why }

// Bool sets a fact.
func (r *Row) Bool(f BoolFact, v Value[bool]) {
	r.cell(&f.Fact).set(asNumber(v.value), v.status, v.cause)
}

// Int sets a fact.
func (r *Row) Int(f IntFact, v Value[int64]) { r.cell(&f.Fact).set(v.value, v.status, v.cause) }

// Money sets a fact to an amount in minor units of its currency.
func (r *Row) Money(f MoneyFact, v Value[int64]) { r.cell(&f.Fact).set(v.value, v.status, v.cause) }

// Date sets a fact. A day that does not exist is read as unknown (Conflicting).
func (r *Row) Date(f DateFact, v Value[calendar.Date]) {
	to, d := r.cell(&f.Fact), &v.value
	if v.status == known && uint(d.Day-1) < 28 && uint(d.Month-1) < 12 && uint(d.Year-1) < 9999 { // every month has that day
		to.set(int64(d.Year)<<9|int64(d.Month)<<5|int64(d.Day), known, 0)
		return
	}
	c := dateCell(nil, v)
	to.set(c.n, c.state, c.cause)
}

// Code sets a fact. A value that is not one of its codes is read as unknown
// (Conflicting).
func (r *Row) Code(f CodeFact, v Value[string]) {
	if to := r.cell(&f.Fact); to != &r.stray {
		c := codeCell(&r.facts[f.at], v)
		to.set(c.n, c.state, c.cause)
	}
}

// Codes sets a fact. A set with a value that is not one of its codes is read as
// unknown (Conflicting).
func (r *Row) Codes(f CodesFact, v Value[[]string]) {
	if to := r.cell(&f.Fact); to != &r.stray {
		c := setCell(&r.facts[f.at], v)
		to.set(c.n, c.state, c.cause)
	}
}

// Asked sets the day on which a fact's source was asked, in the program's own zone.
// An answer without it is expired where the source's answers grow old.
func (r *Row) Asked(f Fact, on calendar.Date) { r.cell(&f).on = dayOrder(on) }

// What is in a cell before anything is set.
const (
	notRead    = status(255)
	notAskedOn = int32(-1) // no date has this order
)

// checkReading: each fact is read by a function of its own or by that of Read.
func (s *Schema[E]) checkReading() []Fault {
	d := s.known()
	cells := make([]cell, len(s.facts))
	for i := range cells {
		cells[i] = cell{state: notRead, on: notAskedOn}
	}
	var row Row
	row.begin(d, cells)
	if s.read != nil && !s.tryReader(&row) {
		return []Fault{{"facts", "reader", "panics for a zero value"}}
	}
	var faults []Fault
	if row.lost {
		faults = append(faults, Fault{"facts", "reader", "sets a fact of another schema"})
	}
	for i := range s.facts {
		faults = append(faults, s.facts[i].checkRead(&cells[i])...)
	}
	return faults
}

func (s *Schema[E]) tryReader(row *Row) (fine bool) {
	defer func() { fine = recover() == nil }()
	var nobody E
	s.read(&nobody, row)
	return
}

func (f *fact[E]) checkRead(c *cell) []Fault {
	path := "facts." + f.name
	switch {
	case f.kind == goKind:
		return nil
	case f.alone && (c.state != notRead || c.on != notAskedOn):
		return []Fault{{path, "reader", "the fact has a getter of its own"}}
	case f.alone:
		return nil
	case c.state == notRead:
		return []Fault{{path, "getter", "is missing, and no reader sets the fact"}}
	case f.maxDays > 0 && c.on == notAskedOn:
		return []Fault{{path, "reader", "does not say when the source was asked"}}
	}
	return nil
}
