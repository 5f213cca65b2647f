package program

import (
	"encoding/binary"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/program/calendar"
)

// Case is what facts, guards and effects see of one application: the
// applicant, the application and the wave.
type Case[T any] struct {
	Applicant   Applicant[T]
	Application Application
	Wave        Wave
	// Report is what came with the event that is being decided.
	Report Report

	awards   map[string]int64   // balances of the limits without this case's own
	balances map[string]int64   // what is left of the balance benefits, where it was read
	surveys  map[surveyKey]bool // entitlements to surveys with the report's number, where they were read
	rewrite  bool               // the applicant was changed by a step
	zone     *time.Location
}

// Application is one applicant in one wave. Its key is the pair of both: there
// is no second one.
type Application struct {
	Wave      int64
	Applicant uuid.UUID
	State     State
	// Edition is the version of the lifecycle table that the case is pinned to.
	Edition int
	// Entered is when the present state was entered; Due when the deadline
	// passes, zero if there is none; Paused since when the deadline stands still,
	// zero while it runs. UTC.
	Entered, Due, Paused time.Time
	// Receipt is the random label under which the case is drawn.
	Receipt [16]byte
	// Household is the applicant's at the time of joining.
	Household uuid.UUID
	Placement Placement
	// Placed says that Placement was computed.
	Placed bool
	// Seat is where the seat is that the case has or had: "31.71/open".
	Seat string
	// SeatState is "", "held", "granted" or "returned".
	SeatState string
	// Trail lists the steps so far, oldest first.
	Trail []TrailStep

	held       int64 // seats of the household when it was placed
	commitment []byte
	decision   []byte
	version    int64
	stored     []any // the row as it was read
}

// TrailStep is one step of a case as the case remembers it. Who did it is in
// the journal.
type TrailStep struct {
	// Event is empty for the first step, joining.
	Event Event
	To    State
	At    time.Time
}

// Version counts the steps and corrections of the application.
func (a *Application) Version() int64 { return a.version }

// Decision is the record of the last policy decision as JSON, without
// personal values; nil if there was none.
func (a *Application) Decision() []byte { return a.decision }

// Count returns how often an event happened to the case.
func (a *Application) Count(event Event) int {
	n := 0
	for _, s := range a.Trail {
		if s.Event == event {
			n++
		}
	}
	return n
}

// stateAt returns the state at an instant, "" before the case began.
func (a *Application) stateAt(at time.Time) State {
	var state State
	for _, s := range a.Trail {
		if s.At.After(at) {
			break
		}
		state = s.To
	}
	return state
}

// Report is what somebody reports about a case: an event with its details.
type Report struct {
	Event Event
	// At is when it happened, if that is not now. A report that comes after the
	// case's deadline is refused, unless it happened before.
	At time.Time
	// Amount is a number that goes with the event, such as a price in minor
	// units or an attendance in per cent.
	Amount int64
	// Number tells repetitions apart: the first survey, the second.
	Number int
	// Party is who the money goes to, or who reports.
	Party string
	// Account, if given, becomes the applicant's payout account. Without a
	// holder it is in the applicant's own name.
	Account *Payout
}

// Today is the civil date of an instant in the program's zone.
func (c *Case[T]) Today(at time.Time) calendar.Date { return calendar.DateOf(at, c.zone) }

// trailCodec turns trails into a few bytes a step: positions in the table, and
// microseconds since the step before.
type trailCodec struct {
	edition    int
	states     []State
	events     []Event
	stateIndex map[State]uint64
	eventIndex map[Event]uint64
}

func newTrailCodec(t Table) trailCodec {
	c := trailCodec{edition: t.Version, events: []Event{""}, stateIndex: map[State]uint64{}, eventIndex: map[Event]uint64{"": 0}}
	for _, s := range t.States {
		c.stateIndex[s.State] = uint64(len(c.states))
		c.states = append(c.states, s.State)
	}
	for _, m := range t.Moves {
		if _, known := c.eventIndex[m.On]; !known {
			c.eventIndex[m.On] = uint64(len(c.events))
			c.events = append(c.events, m.On)
		}
	}
	return c
}

func (c trailCodec) encode(trail []TrailStep) []byte {
	b := make([]byte, 0, 8+len(trail)*10)
	var last int64
	for _, s := range trail {
		b = binary.AppendUvarint(b, c.eventIndex[s.Event])
		b = binary.AppendUvarint(b, c.stateIndex[s.To])
		at := s.At.UnixMicro()
		b = binary.AppendVarint(b, at-last)
		last = at
	}
	return b
}

func (c trailCodec) decode(b []byte) ([]TrailStep, error) {
	r := textReader{b, nil}
	trail := make([]TrailStep, 0, 12)
	var last int64
	for len(r.rest) > 0 {
		event, state := r.uvarint(), r.uvarint()
		last += r.varint()
		if r.err != nil || event >= uint64(len(c.events)) || state >= uint64(len(c.states)) {
			return nil, errTrail
		}
		trail = append(trail, TrailStep{c.events[event], c.states[state], time.UnixMicro(last).UTC()})
	}
	return trail, nil
}
