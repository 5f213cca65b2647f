package lifecycle

import (
	"time"

	"github.com/gelombang/gelombang/program/calendar"
)

// Guard refuses a move by appending its reasons to why, which is empty when the
// guard is called, and agrees by returning it empty. What it returns are its own
// reasons: it can erase none of another guard. A guard is a pure function.
type Guard[C any] func(c C, at Moment, why []Reason) []Reason

// Reason says why a move is refused. Code is a key for wording, such as
// "attendance-too-low"; it holds no personal value. Guard is filled in by the
// machine.
type Reason struct {
	Guard string `json:"guard,omitempty"`
	Code  string `json:"code"`
}

// Codes of the machine's own reasons.
const (
	// CodeNoMove: the table has no move for this state and event.
	CodeNoMove = "no-move"
	// CodeUnknown: the state or the event is not in the table.
	CodeUnknown = "unknown-name"
	// CodeClockOnly: the event is fired by a deadline, not by anybody.
	CodeClockOnly = "clock-only"
	// CodeNotDue: the deadline has not passed yet.
	CodeNotDue = "not-due"
	// CodeStale: the deadline belongs to an earlier entry into the state.
	CodeStale = "stale-deadline"
	// CodeSuspended: the deadline stands still.
	CodeSuspended = "deadline-suspended"
	// CodeNoDeadline: the move suspends, continues or extends a deadline, but
	// the Moment has none that runs.
	CodeNoDeadline = "no-deadline"
	// CodePassed: the deadline has passed, even if the clock has not come by yet.
	CodePassed = "deadline-passed"
	// CodeOutOfTime: the new deadline would be outside the years 1 to 9999.
	CodeOutOfTime = "out-of-time"
	// CodeHolidays: the new deadline is in business days, and the holidays are not
	// known for all of them.
	CodeHolidays = "holidays-unknown"
)

// Moment is when, by whom and in what standing a move is decided.
type Moment struct {
	// At is the instant of the decision.
	At time.Time
	// Actor is who asks, for the record.
	Actor string
	// Entry counts the steps of the case so far: it identifies the entry into
	// the present state.
	Entry int64
	// Running is the deadline of the case, as its last step returned it; nil or
	// zero if it has none. Once it has passed the case answers to the clock
	// alone: how soon the clock comes by decides nothing about the present state.
	// The deadline of the next state counts from when the clock came by, so that
	// a late clock takes no days from anybody.
	Running *Running
	// Fired is set only when the clock asks: the deadline that it found to
	// have passed.
	Fired *Running
}

// Running is the deadline of one case. Its caller stores it with the state.
type Running struct {
	// Entry is the entry into the state for which it was set.
	Entry int64
	// Due is the first instant after it.
	Due time.Time
	// Since is the instant at which it was suspended; zero while it runs.
	Since time.Time
}

// Row is one row of the compiled table: what a move from one state does. Rows
// are shared by all cases: read only.
type Row[S, E ~string] struct {
	From, To S
	Event    E
	// Version of the table that decided.
	Version int
	// Needs lists the guards that must agree.
	Needs []string
	// Do lists the effects to carry out, in order.
	Do []Effect
	// Takes and Releases follow from what the two states hold.
	Takes, Releases []Holding
	// Clock says that a deadline fires the move, and nobody else.
	Clock bool
}

// Step is one decided move: the row of the table that applies, and the deadline
// that runs from now on. Nothing has happened yet.
type Step[S, E ~string] struct {
	*Row[S, E]
	due       int64 // microseconds since the year 1; zero without a deadline
	suspended bool
}

// Running returns the deadline of the case after the step, with a zero Due if
// there is none. The moment is the one for which the step was decided.
func (s Step[S, E]) Running(at Moment) Running {
	if s.due == 0 {
		return Running{}
	}
	r := Running{Entry: at.Entry + 1, Due: fromMicros(s.due)}
	if s.suspended {
		r.Since = at.At
		if at.Running != nil && !at.Running.Since.IsZero() {
			r.Since = at.Running.Since
		}
	}
	return r
}

// Machine is a compiled table. It holds no case: one machine serves all cases
// from any goroutine.
type Machine[S, E ~string, C any] struct {
	table  Table[S, E]
	states *names[S]
	events *names[E]
	clock  []bool // by event: fired by a deadline only
	width  int    // events, the width of cells
	cells  []*cell[S, E, C]
	starts []*calendar.Counter // by state: its deadline
	stands []bool              // by state: a deadline may stand still
	none   Row[S, E]           // of a refused Step
}

// cell is the compiled move of one state on one event; several are linked in
// their declared order.
type cell[S, E ~string, C any] struct {
	row    Row[S, E]
	guards []Guard[C]
	next   *cell[S, E, C]
	timed  timing
	plain  bool // alone, and nothing to do with time
}

// Fire decides what happens to a case in the given state when the event
// occurs. If the move is refused it returns every reason, appended to why,
// and a Step whose Row is empty; otherwise why comes back as it was given.
func (m *Machine[S, E, C]) Fire(state S, event E, c C, at Moment, why []Reason) (Step[S, E], []Reason) {
	// What follows stands in FireAt as well: to hand a Moment on costs a third
	// of the time. Guards get an empty buffer; decide sees to one that is not.
	s, e := m.states.at(state), m.events.at(event)
	if s < 0 || e < 0 {
		return Step[S, E]{Row: &m.none}, append(why, Reason{Code: CodeUnknown})
	}
	v := m.cells[s*m.width+e]
	if v == nil || !v.plain || at.Running != nil || len(why) > 0 {
		return m.decide(v, e, c, at, why)
	}
	for _, guard := range v.guards {
		if len(guard(c, at, why)) > 0 {
			return m.decide(v, e, c, at, why)
		}
	}
	return Step[S, E]{Row: &v.row}, why
}

// FireAt is Fire for positions that were resolved once with StateAt and
// EventAt. A position out of range is refused.
func (m *Machine[S, E, C]) FireAt(state, event int, c C, at Moment, why []Reason) (Step[S, E], []Reason) {
	i := state*m.width + event
	if uint(event) >= uint(m.width) || uint(i) >= uint(len(m.cells)) {
		return Step[S, E]{Row: &m.none}, append(why, Reason{Code: CodeUnknown})
	}
	v := m.cells[i]
	if v == nil || !v.plain || at.Running != nil || len(why) > 0 {
		return m.decide(v, event, c, at, why)
	}
	for _, guard := range v.guards {
		if len(guard(c, at, why)) > 0 {
			return m.decide(v, event, c, at, why)
		}
	}
	return Step[S, E]{Row: &v.row}, why
}

// decide is FireAt at leisure: with alternatives, deadlines and refusals.
func (m *Machine[S, E, C]) decide(v *cell[S, E, C], event int, c C, at Moment, why []Reason) (Step[S, E], []Reason) {
	before := len(why)
	refused := Step[S, E]{Row: &m.none}
	if m.clock[event] {
		if why = clockReasons(at, why); len(why) > before {
			return refused, why
		}
	}
	if v == nil {
		return refused, append(why, Reason{Code: CodeNoMove})
	}
	if !m.clock[event] && at.overdue() {
		return refused, append(why, Reason{Code: CodePassed})
	}
	for ; v != nil; v = v.next {
		mark := len(why)
		if why = v.refusals(c, at, why); len(why) > mark {
			continue
		}
		due, code := v.timed.due(at)
		if code != "" { // another alternative is not what the guards chose
			return refused, append(why[:before], Reason{Code: code})
		}
		return Step[S, E]{&v.row, due, v.timed.clock == Suspend}, why[:before]
	}
	return refused, why
}

// overdue reports whether the case's deadline has passed.
func (at *Moment) overdue() bool {
	r := at.Running
	return r != nil && r.Entry == at.Entry && r.Since.IsZero() && !r.Due.IsZero() && !at.At.Before(r.Due)
}

func clockReasons(at Moment, why []Reason) []Reason {
	switch {
	case at.Fired == nil:
		return append(why, Reason{Code: CodeClockOnly})
	case at.Fired.Due.IsZero():
		return append(why, Reason{Code: CodeNoDeadline})
	case at.Fired.Entry != at.Entry:
		return append(why, Reason{Code: CodeStale})
	case at.Running != nil && !at.Running.Due.Equal(at.Fired.Due):
		return append(why, Reason{Code: CodeStale})
	case !at.Fired.Since.IsZero(), at.Running != nil && !at.Running.Since.IsZero():
		return append(why, Reason{Code: CodeSuspended})
	case at.At.Before(at.Fired.Due):
		return append(why, Reason{Code: CodeNotDue})
	}
	return why
}

func (v *cell[S, E, C]) refusals(c C, at Moment, why []Reason) []Reason {
	for i, guard := range v.guards {
		mark := len(why)
		why = append(why, guard(c, at, why[mark:])...)
		for j := mark; j < len(why); j++ {
			why[j].Guard = v.row.Needs[i]
		}
	}
	return why
}

// Begin returns the deadline of a case that enters the start state at the
// given instant, as its first entry. The error is a *calendar.TermError.
func (m *Machine[S, E, C]) Begin(at time.Time) (Running, error) {
	starts := m.starts[m.states.at(m.table.Start)]
	if starts == nil {
		return Running{}, nil
	}
	due, err := starts.Due(at)
	return Running{Entry: 1, Due: due}, err
}

// Table returns a copy of the table that was compiled.
func (m *Machine[S, E, C]) Table() Table[S, E] { return m.table.clone() }

// State returns the attributes of a state, and whether the table has it. They are
// shared by all: read only.
func (m *Machine[S, E, C]) State(state S) (State[S, E], bool) {
	i := m.states.at(state)
	if i < 0 {
		return State[S, E]{}, false
	}
	return m.table.States[i], true
}

// StateAt returns the position of a state for FireAt, or -1.
func (m *Machine[S, E, C]) StateAt(state S) int { return m.states.at(state) }

// EventAt returns the position of an event for FireAt, or -1.
func (m *Machine[S, E, C]) EventAt(event E) int { return m.events.at(event) }

// Option is an event of a state: possible now, or refused for the reasons.
type Option[E ~string] struct {
	Event   E
	Reasons []Reason
}

// Options lists the events that the table has for a state, except those of
// the clock, and says of each whether it is possible now or why not. It writes
// into the slice that it is given, whose old contents, reasons included, are
// used again; nil is a good start.
func (m *Machine[S, E, C]) Options(state S, c C, at Moment, into []Option[E]) []Option[E] {
	s := m.states.at(state)
	into = into[:0]
	if s < 0 {
		return into
	}
	for e, v := range m.cells[s*m.width : (s+1)*m.width] {
		if v == nil || m.clock[e] {
			continue
		}
		if len(into) < cap(into) {
			into = into[:len(into)+1]
		} else {
			into = append(into, Option[E]{})
		}
		o := &into[len(into)-1]
		o.Event = v.row.Event
		_, o.Reasons = m.FireAt(s, e, c, at, o.Reasons[:0])
	}
	return into
}
