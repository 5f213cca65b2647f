package eligibility

import (
	"encoding/binary"
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
	of     *identity
	facts  []about
	lost   bool               // there was a fact of another schema
	states [maxFacts + 8]byte // by fact, each a state; eight are read at once
	n      [maxFacts]int64    // by fact, its value as in a cell; of truth values it is in the state
	on     [maxFacts]int32    // by fact, order of the day on which the source was asked, if answers grow old
}

// identity tells one schema's facts from another's.
type identity struct{ _ byte }

// begin makes it a row of some facts of which nothing is known.
func (r *Row) begin(d *dictionaries) {
	r.facts, r.of = d.facts, d.of
	r.forget()
}

// forget makes all facts unknown.
func (r *Row) forget() {
	for i := 0; i < len(r.facts); i += 8 { // quicker than clear for so few
		binary.LittleEndian.PutUint64(r.states[i:], 0)
	}
}

// Format writes that there are facts, never what is known of them.
func (r Row) Format(s fmt.State, _ rune) { printMask(s) }

// set leaves alone when the source was asked.
func (r *Row) set(i uint8, n int64, s state) { r.n[i], r.states[i] = n, byte(s) }

func (r *Row) setTruth(i uint8, yes bool, s state) {
	r.states[i] = byte(s | state(asNumber(yes))*truth)
}

// put sets all that is known of a fact.
func (r *Row) put(i uint8, c cell) {
	r.set(i, c.n, c.state|state(c.n&1)*truth)
	r.on[i] = c.on
}

// cell returns what is known of a fact.
func (r *Row) cell(i uint8) cell {
	s := state(r.states[i])
	c := cell{on: r.on[i], state: s &^ truth}
	switch {
	case c.state != known: // what is in n may be another person's
	case r.facts[i].isTruth():
		c.n = int64(s / truth)
	default:
		c.n = r.n[i]
	}
	return c
}

func (r *Row) unknown(i uint8) bool { return state(r.states[i]).unknown() }

// Bool sets a fact.
func (r *Row) Bool(f BoolFact, v Value[bool]) {
	if f.of != r.of {
		r.lost = true
		return
	}
	r.setTruth(f.at, v.value, v.state)
}

// Int sets a fact.
func (r *Row) Int(f IntFact, v Value[int64]) {
	if f.of != r.of {
		r.lost = true
		return
	}
	r.set(f.at, v.value, v.state)
}

// Money sets a fact to an amount in minor units of its currency.
func (r *Row) Money(f MoneyFact, v Value[int64]) {
	if f.of != r.of {
		r.lost = true
		return
	}
	r.set(f.at, v.value, v.state)
}

// Date sets a fact. A day that does not exist is read as unknown (Conflicting).
func (r *Row) Date(f DateFact, v Value[calendar.Date]) {
	if f.of != r.of {
		r.lost = true
		return
	}
	d := &v.value
	if v.state == known && uint(d.Day-1) < 28 && uint(d.Month-1) < 12 && uint(d.Year-1) < 9999 { // every month has that day
		r.set(f.at, int64(d.Year)<<9|int64(d.Month)<<5|int64(d.Day), known)
		return
	}
	c := dateCell(nil, v)
	r.set(f.at, c.n, c.state)
}

// Code sets a fact. A value that is not one of its codes is read as unknown
// (Conflicting).
func (r *Row) Code(f CodeFact, v Value[string]) {
	if f.of != r.of || int(f.at) >= len(r.facts) {
		r.lost = true
		return
	}
	a := &r.facts[f.at]
	if v.state == known {
		if at := a.positionOf(v.value); at >= 0 {
			r.set(f.at, int64(at), known)
			return
		}
	}
	c := codeCell(a, v)
	r.set(f.at, c.n, c.state)
}

// Codes sets a fact. A set with a value that is not one of its codes is read as
// unknown (Conflicting).
func (r *Row) Codes(f CodesFact, v Value[[]string]) {
	if f.of != r.of || int(f.at) >= len(r.facts) {
		r.lost = true
		return
	}
	c := setCell(&r.facts[f.at], v)
	r.set(f.at, c.n, c.state)
}

// Asked sets the day on which a fact's source was asked, in the program's own zone.
// An answer without it is expired where the source's answers grow old.
func (r *Row) Asked(f Fact, on calendar.Date) {
	if f.of != r.of {
		r.lost = true
		return
	}
	r.on[f.at] = dayOrder(on)
}

// expire lets an answer of a day before fresh be unknown.
func (r *Row) expire(i uint8, fresh int32) {
	if r.on[i] < fresh && !r.unknown(i) {
		r.states[i] = byte(unknown(Expired))
	}
}

// bornBy lets a birth after the latest be unknown.
func (r *Row) bornBy(i uint8, latest int32) {
	if state(r.states[i])&status == known && r.n[i] > int64(latest) {
		r.states[i] = byte(unknown(Conflicting))
	}
}

// What is in a row before anything is set.
const (
	notRead    = 255
	notAskedOn = int32(-1) // no date has this order
)

// checkReading: each fact is read by a function of its own or by that of Read.
func (s *Schema[E]) checkReading() []Fault {
	d := s.known()
	var row Row
	row.begin(d)
	for i := range s.facts {
		row.states[i], row.on[i] = notRead, notAskedOn
	}
	if s.read != nil && !s.tryReader(&row) {
		return []Fault{{"facts", "reader", "panics for a zero value"}}
	}
	var faults []Fault
	if row.lost {
		faults = append(faults, Fault{"facts", "reader", "sets a fact of another schema"})
	}
	for i := range s.facts {
		faults = append(faults, s.facts[i].checkRead(row.states[i] != notRead, row.on[i] != notAskedOn)...)
	}
	return faults
}

func (s *Schema[E]) tryReader(row *Row) (fine bool) {
	defer func() { fine = recover() == nil }()
	var nobody E
	s.read(&nobody, row)
	return
}

func (f *fact[E]) checkRead(set, asked bool) []Fault {
	path := "facts." + f.name
	switch {
	case f.kind == goKind:
		return nil
	case f.alone && (set || asked):
		return []Fault{{path, "reader", "the fact has a getter of its own"}}
	case f.alone:
		return nil
	case !set:
		return []Fault{{path, "getter", "is missing, and no reader sets the fact"}}
	case f.maxDays > 0 && !asked:
		return []Fault{{path, "reader", "does not say when the source was asked"}}
	}
	return nil
}
