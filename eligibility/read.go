package eligibility

import (
	"math"
	"time"

	"github.com/gelombang/gelombang/program/calendar"
)

// cell is one fact of one person, as a number: 0 or 1, the number itself, a date's
// order, a code's position, a set of positions, a Go rule's 1 for pass.
type cell struct {
	n     int64
	on    int32 // order of the day on which the source was asked
	state state
}

// fact is a declared fact with the one getter of its kind.
type fact[E any] struct {
	about
	b     getter[E, bool]
	n     getter[E, int64]
	d     getter[E, calendar.Date]
	c     getter[E, string]
	cs    getter[E, []string]
	alone bool // one of these is set; otherwise the schema's Read reads the fact
}

// getter reads a fact; one of its two functions is set.
type getter[E, T any] struct {
	value func(*E) Value[T]
	seen  func(*E) Observation[T]
}

// readers read facts: first those without a getter, together, then those of one kind after the other: that is quicker than to ask
// each fact for its kind.
type readers[E any] struct {
	together  func(*E, *Row)
	aging     []aging // of these, whose answers grow old
	bools     []reader[E, Value[bool]]
	boolsSeen []reader[E, Observation[bool]]
	ints      []reader[E, Value[int64]]
	intsSeen  []reader[E, Observation[int64]]
	dates     []reader[E, Value[calendar.Date]]
	datesSeen []reader[E, Observation[calendar.Date]]
	codes     []reader[E, Value[string]]
	codesSeen []reader[E, Observation[string]]
	sets      []reader[E, Value[[]string]]
	setsSeen  []reader[E, Observation[[]string]]
	alone     bool // there are some with a getter
	rare      bool // there are some that readRest reads
}

// aging is a fact and the first day whose answers are not too old.
type aging struct {
	at    uint8
	fresh int32
}

// reader reads one fact into the cell of its position.
type reader[E, V any] struct {
	at    uint8
	fresh int32 // an answer of an earlier day is expired
	get   func(*E) V
	about *about
}

// newReaders returns readers of some facts. A zero legal date lets no answer expire.
func newReaders[E any](facts []fact[E], together func(*E, *Row), which []uint8, legal calendar.Date) *readers[E] {
	r := &readers[E]{}
	for _, i := range which {
		f := &facts[i]
		fresh := f.freshFrom(legal)
		if f.kind == goKind {
			continue // it is asked when what it looks at is read
		}
		if !f.alone {
			r.together = together
			if f.maxDays > 0 {
				r.aging = append(r.aging, aging{i, fresh})
			}
			continue
		}
		r.alone = true
		addReader(&r.bools, &r.boolsSeen, i, fresh, &f.about, f.b)
		addReader(&r.ints, &r.intsSeen, i, fresh, &f.about, f.n)
		addReader(&r.dates, &r.datesSeen, i, fresh, &f.about, f.d)
		addReader(&r.codes, &r.codesSeen, i, fresh, &f.about, f.c)
		addReader(&r.sets, &r.setsSeen, i, fresh, &f.about, f.cs)
	}
	r.rare = len(r.sets)+len(r.intsSeen)+len(r.datesSeen)+len(r.codesSeen)+len(r.setsSeen) > 0
	return r
}

func addReader[E, T any](values *[]reader[E, Value[T]], seen *[]reader[E, Observation[T]], at uint8, fresh int32, a *about, g getter[E, T]) {
	if g.value != nil {
		*values = append(*values, reader[E, Value[T]]{at, fresh, g.value, a})
	}
	if g.seen != nil {
		*seen = append(*seen, reader[E, Observation[T]]{at, fresh, g.seen, a})
	}
}

// freshFrom is the first day whose answers are not too old on the legal date.
func (a *about) freshFrom(legal calendar.Date) int32 {
	if a.maxDays == 0 || legal.IsZero() {
		return beforeAllDays
	}
	return dayOrder(legal.AddDays(-a.maxDays))
}

func (r *readers[E]) read(e *E, row *Row) {
	if r.together != nil {
		row.forget()
		for _, a := range r.aging {
			row.on[a.at] = notAskedOn
		}
		r.together(e, row)
		for _, a := range r.aging {
			row.expire(a.at, a.fresh)
		}
		if !r.alone {
			return
		}
	}
	for i := range r.bools {
		f := &r.bools[i]
		v := f.get(e)
		row.setTruth(f.at, v.value, v.state)
	}
	for i := range r.boolsSeen {
		f := &r.boolsSeen[i]
		o := f.get(e)
		row.setTruth(f.at, o.Value.value, o.Value.state)
		if f.about.maxDays > 0 {
			row.on[f.at] = dayOrder(o.On)
			row.expire(f.at, f.fresh)
		}
	}
	for i := range r.ints {
		f := &r.ints[i]
		v := f.get(e)
		row.set(f.at, v.value, v.state)
	}
	for i := range r.dates {
		f := &r.dates[i]
		v := f.get(e)
		if v.state == known && v.value.Valid() {
			row.set(f.at, int64(dayOrder(v.value)), known)
			continue
		}
		row.put(f.at, dateCell(f.about, v))
	}
	for i := range r.codes {
		f := &r.codes[i]
		row.put(f.at, codeCell(f.about, f.get(e)))
	}
	if r.rare {
		r.readRest(e, row)
	}
}

// readRest reads the kinds that are rare.
func (r *readers[E]) readRest(e *E, row *Row) {
	for i := range r.sets {
		f := &r.sets[i]
		row.put(f.at, setCell(f.about, f.get(e)))
	}
	readSeen(r.intsSeen, e, row, intCell)
	readSeen(r.datesSeen, e, row, dateCell)
	readSeen(r.codesSeen, e, row, codeCell)
	readSeen(r.setsSeen, e, row, setCell)
}

func readSeen[E, T any](list []reader[E, Observation[T]], e *E, row *Row, from func(*about, Value[T]) cell) {
	for i := range list {
		o := list[i].get(e)
		c := from(list[i].about, o.Value)
		c.on = dayOrder(o.On)
		c.expire(list[i].fresh)
		row.put(list[i].at, c)
	}
}

// expire: the source was asked too long ago, and nothing is known.
func (c *cell) expire(fresh int32) {
	if c.on < fresh && !c.state.unknown() {
		c.state = unknown(Expired)
	}
}

func intCell(_ *about, v Value[int64]) cell { return cell{v.value, 0, v.state} }

func dateCell(_ *about, v Value[calendar.Date]) cell {
	if v.state == known && !v.value.Valid() {
		return cell{state: unknown(Conflicting)}
	}
	return cell{int64(dayOrder(v.value)), 0, v.state}
}

func codeCell(a *about, v Value[string]) cell {
	if v.state != known {
		return cell{0, 0, v.state}
	}
	at := a.positionOf(v.value)
	if at < 0 {
		return cell{state: unknown(Conflicting)}
	}
	return cell{int64(at), 0, known}
}

func setCell(a *about, v Value[[]string]) cell {
	var set uint64
	for _, code := range v.value {
		at := a.positionOf(code)
		if at < 0 {
			return cell{state: unknown(Conflicting)}
		}
		set |= 1 << (at & 63)
	}
	return cell{int64(set), 0, v.state}
}

// positionOf looks a code up, and returns -1 for one outside the dictionary. Short
// dictionaries are quicker to read through.
func (a *about) positionOf(code string) int {
	if len(a.codes) <= 12 {
		for i, c := range a.codes {
			if c == code {
				return i
			}
		}
		return -1
	}
	if i, ok := a.position[code]; ok {
		return i
	}
	return -1
}

// dayOrder is a number that orders dates as they follow one another. It is no count
// of days, and quicker to have. What is far from a date is before all dates.
func dayOrder(d calendar.Date) int32 {
	if uint(d.Year) > 9999 || uint(d.Month) > 12 || uint(d.Day) > 31 {
		return 0
	}
	return int32(d.Year)<<9 | int32(d.Month)<<5 | int32(d.Day)
}

func dayOf(order int64) calendar.Date {
	return calendar.Date{Year: int(order >> 9), Month: time.Month(order >> 5 & 15), Day: int(order & 31)}
}

const (
	beforeAllDays = math.MinInt32
	afterAllDays  = math.MaxInt32
	lastDay       = 1<<23 - 1 // no day is after it
)

func asNumber(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
