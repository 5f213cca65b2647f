package program

import (
	"encoding/binary"
	"slices"
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
	// Entered is when the present state was entered, as it was decided; Due when the
	// deadline passes, zero if there is none; Paused since when the deadline stands
	// still, zero while it runs. UTC.
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
	// Event is empty for the first step, joining, and for a migration.
	Event Event
	To    State
	// At is when the step was recorded. AsOf is the instant for which it was decided:
	// before At if the report of it was late.
	At, AsOf time.Time
	// Edition is the version of the table that decided it.
	Edition int

	due, since time.Time // after a migration: its table alone cannot tell them
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

// last is the event of the last step that was decided: a migration decides nothing.
func (a *Application) last() Event {
	for _, s := range slices.Backward(a.Trail) {
		if s.Event != "" {
			return s.Event
		}
	}
	return ""
}

// stateAt returns the state that was recorded by an instant, and its edition; none
// before the case began.
func (a *Application) stateAt(at time.Time) editionState {
	var state editionState
	for _, s := range a.Trail {
		if s.At.After(at) {
			break
		}
		state = editionState{s.Edition, s.To}
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
	// Attached is written with the step: all of it, or neither.
	Attached Attached
}

// Today is the civil date of an instant in the program's zone.
func (c *Case[T]) Today(at time.Time) calendar.Date { return calendar.DateOf(at, c.zone) }

// trailCodecs turn trails into a few bytes a step: positions in the table of the
// step's edition, microseconds since the step before, and how late it was
// reported. A step without an event names the edition that the case enters.
type trailCodecs map[int]trailCodec

// trailCodec has the positions of one edition.
type trailCodec struct {
	states     []State
	events     []Event
	stateIndex map[State]uint64
	eventIndex map[Event]uint64
}

func newTrailCodec(t Table) trailCodec {
	c := trailCodec{events: []Event{""}, stateIndex: map[State]uint64{}, eventIndex: map[Event]uint64{"": 0}}
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

func (all trailCodecs) encode(trail []TrailStep) []byte {
	b := make([]byte, 0, 12+len(trail)*11)
	var last int64
	var c trailCodec
	for i, s := range trail {
		b = binary.AppendUvarint(b, c.eventIndex[s.Event])
		if s.Event == "" {
			c = all[s.Edition]
			b = binary.AppendUvarint(b, uint64(s.Edition))
		}
		b = binary.AppendUvarint(b, c.stateIndex[s.To])
		at := s.At.UnixMicro()
		b = binary.AppendVarint(b, at-last)
		b = binary.AppendVarint(b, at-s.AsOf.UnixMicro())
		if s.Event == "" && i > 0 {
			b = appendMoment(appendMoment(b, s.due), s.since)
		}
		last = at
	}
	return b
}

func (all trailCodecs) decode(b []byte) ([]TrailStep, error) {
	r := textReader{b, nil}
	trail := make([]TrailStep, 0, 12)
	var last int64
	var c trailCodec
	edition := 0
	for len(r.rest) > 0 {
		event := r.uvarint()
		if event == 0 {
			edition = int(r.uvarint())
			var known bool
			if c, known = all[edition]; r.err == nil && !known {
				return nil, &EditionError{Edition: edition, Rule: "unknown"}
			}
		}
		state := r.uvarint()
		last += r.varint()
		late := r.varint()
		if r.err != nil || event >= uint64(len(c.events)) || state >= uint64(len(c.states)) {
			return nil, errTrail
		}
		s := TrailStep{Event: c.events[event], To: c.states[state], At: time.UnixMicro(last).UTC(), AsOf: time.UnixMicro(last - late).UTC(), Edition: edition}
		if event == 0 && len(trail) > 0 {
			s.due, s.since = r.moment(), r.moment()
		}
		trail = append(trail, s)
	}
	if r.err != nil {
		return nil, errTrail
	}
	return trail, nil
}
