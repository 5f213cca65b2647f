package lifecycle

import (
	"time"

	"github.com/gelombang/gelombang/program/calendar"
)

// Guard refuses a move by appending its reasons to why, and agrees by
// returning why as it is. A guard is a pure function.
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
	// Fired is set only when the clock asks.
	Fired *Fired
}

// Fired is a deadline that the clock found to have passed.
type Fired struct {
	// Entry is the entry into the state for which the deadline was set.
	Entry int64
	// Due is the instant at which it passed.
	Due time.Time
}

// Step is one decided move. Nothing has happened yet.
type Step[S, E ~string] struct {
	From, To S
	Event    E
	// Version of the table that decided.
	Version int
	// Do lists the effects to carry out, in order. It is shared: read only.
	Do []Effect
	// Takes and Releases follow from what the two states hold.
	Takes, Releases []Holding
	// Due is the instant at which the new state's deadline passes; zero if it
	// has none.
	Due time.Time
}

// Machine is a compiled table. It holds no case: one machine serves all cases
// from any goroutine.
type Machine[S, E ~string, C any] struct {
	table    Table[S, E]
	holidays calendar.Holidays
	states   map[S]int
	events   map[E]int
	names    []E
	clock    []bool // by event: fired by a deadline only
	cells    [][]compiledMove[S, C]
}

type compiledMove[S ~string, C any] struct {
	to              int
	needs           []namedGuard[C]
	do              []Effect
	takes, releases []Holding
}

type namedGuard[C any] struct {
	name  string
	guard Guard[C]
}

// Fire decides what happens to a case in the given state when the event
// occurs. If the move is refused it returns every reason, appended to why,
// and a zero Step; otherwise why comes back as it was given.
func (m *Machine[S, E, C]) Fire(state S, event E, c C, at Moment, why []Reason) (Step[S, E], []Reason) {
	s, knownState := m.states[state]
	e, knownEvent := m.events[event]
	if !knownState || !knownEvent {
		return Step[S, E]{}, append(why, Reason{Code: CodeUnknown})
	}
	return m.FireAt(s, e, c, at, why)
}

// FireAt is Fire for positions that were resolved once with StateAt and
// EventAt. A position out of range is refused.
func (m *Machine[S, E, C]) FireAt(state, event int, c C, at Moment, why []Reason) (Step[S, E], []Reason) {
	if state < 0 || state >= len(m.table.States) || event < 0 || event >= len(m.clock) {
		return Step[S, E]{}, append(why, Reason{Code: CodeUnknown})
	}
	before := len(why)
	if m.clock[event] {
		if why = m.clockReasons(at, why); len(why) > before {
			return Step[S, E]{}, why
		}
	}
	moves := m.cells[state*len(m.clock)+event]
	if len(moves) == 0 {
		return Step[S, E]{}, append(why, Reason{Code: CodeNoMove})
	}
	for i := range moves {
		mark := len(why)
		why = moves[i].refusals(c, at, why)
		if len(why) == mark {
			return m.step(state, event, &moves[i], at), why[:before]
		}
	}
	return Step[S, E]{}, why
}

func (m *Machine[S, E, C]) clockReasons(at Moment, why []Reason) []Reason {
	switch {
	case at.Fired == nil:
		return append(why, Reason{Code: CodeClockOnly})
	case at.Fired.Entry != at.Entry:
		return append(why, Reason{Code: CodeStale})
	case at.At.Before(at.Fired.Due):
		return append(why, Reason{Code: CodeNotDue})
	}
	return why
}

func (v *compiledMove[S, C]) refusals(c C, at Moment, why []Reason) []Reason {
	for i := range v.needs {
		mark := len(why)
		why = v.needs[i].guard(c, at, why)
		for j := mark; j < len(why); j++ {
			why[j].Guard = v.needs[i].name
		}
	}
	return why
}

func (m *Machine[S, E, C]) step(state, event int, v *compiledMove[S, C], at Moment) Step[S, E] {
	to := &m.table.States[v.to]
	step := Step[S, E]{
		From:     m.table.States[state].State,
		To:       to.State,
		Event:    m.names[event],
		Version:  m.table.Version,
		Do:       v.do,
		Takes:    v.takes,
		Releases: v.releases,
	}
	if to.Within != nil {
		// Compile has tried the term: it cannot fail here.
		step.Due, _ = to.Within.Term.Due(at.At, m.holidays)
	}
	return step
}

// Table returns the table that was compiled.
func (m *Machine[S, E, C]) Table() Table[S, E] { return m.table }

// State returns the attributes of a state, and whether the table has it.
func (m *Machine[S, E, C]) State(state S) (State[S, E], bool) {
	i, ok := m.states[state]
	if !ok {
		return State[S, E]{}, false
	}
	return m.table.States[i], true
}

// StateAt returns the position of a state for FireAt, or -1.
func (m *Machine[S, E, C]) StateAt(state S) int { return position(m.states, state) }

// EventAt returns the position of an event for FireAt, or -1.
func (m *Machine[S, E, C]) EventAt(event E) int { return position(m.events, event) }

func position[K comparable](in map[K]int, key K) int {
	if i, ok := in[key]; ok {
		return i
	}
	return -1
}

// Option is an event of a state: possible now, or refused for the reasons.
type Option[E ~string] struct {
	Event   E
	Reasons []Reason
}

// Options lists the events that the table has for a state, except those of
// the clock, and says of each whether it is possible now or why not.
func (m *Machine[S, E, C]) Options(state S, c C, at Moment) []Option[E] {
	s, ok := m.states[state]
	if !ok {
		return nil
	}
	var options []Option[E]
	for e, name := range m.names {
		if m.clock[e] || len(m.cells[s*len(m.clock)+e]) == 0 {
			continue
		}
		_, why := m.FireAt(s, e, c, at, nil)
		options = append(options, Option[E]{Event: name, Reasons: why})
	}
	return options
}
