package lifecycle

import "time"

// Record is one step of a case as it is kept for good: what happened, when, by
// whom, under which version, and what followed from it. It has no personal data
// if actors and events have none.
type Record[S, E ~string] struct {
	// Entry is the number of the step: 1 for the entry into the start state.
	Entry int64 `json:"entry"`
	// At is the instant for which the step was decided.
	At time.Time `json:"at"`
	// Noted is when it was recorded, if that was later: the report of it was late.
	Noted   time.Time `json:"noted,omitzero"`
	Actor   string    `json:"actor,omitempty"`
	Version int       `json:"version"`
	// Event and From are empty for the entry into the start state. A step with From
	// and without an Event is a migration to the version.
	Event E `json:"event,omitempty"`
	From  S `json:"from,omitempty"`
	To    S `json:"to"`
	// Clock says that a deadline fired the event.
	Clock bool `json:"clock,omitempty"`
	// Needs lists the guards that agreed.
	Needs    []string  `json:"needs,omitempty"`
	Do       []Effect  `json:"do,omitempty"`
	Takes    []Holding `json:"takes,omitempty"`
	Releases []Holding `json:"releases,omitempty"`
	// Due and Since are those of the deadline after the step.
	Due   time.Time `json:"due,omitzero"`
	Since time.Time `json:"since,omitzero"`
}

// Record returns the step as it is kept. The moment is the one for which it was
// decided.
func (s Step[S, E]) Record(at Moment) Record[S, E] {
	if s.Row == nil {
		return Record[S, E]{}
	}
	running := s.Running(at)
	return Record[S, E]{
		Entry: at.Entry + 1, At: at.At.UTC(), Actor: at.Actor, Version: s.Version,
		Event: s.Event, From: s.From, To: s.To, Clock: s.Clock, Needs: s.Needs, Do: s.Do, Takes: s.Takes, Releases: s.Releases,
		Due: running.Due, Since: running.Since,
	}
}

// Retrace fills in what a bare history leaves out. Such a history has of each step,
// oldest first, when and by whom it was made, its event and where it led; the
// table of the same version tells the rest, deadlines included. Steps that the table
// does not have stay as they are.
//
// Of a case that was migrated each step has its Version as well, and a migration
// its deadline. The machine fills in the steps of its own version only: the machine
// of every version in turn, in any order, fills in all.
func (m *Machine[S, E, C]) Retrace(history []Record[S, E]) {
	var running Running
	for i := range history {
		r := &history[i]
		r.Entry = int64(i + 1)
		if i > 0 {
			r.From = history[i-1].To
		}
		if r.Version == 0 {
			r.Version = m.table.Version
		}
		switch {
		case r.Version != m.table.Version, i > 0 && r.Event == "":
			running = Running{Entry: r.Entry, Due: r.Due, Since: r.Since}
			continue
		case i == 0:
			running = m.entered(*r)
		default:
			running = m.follow(r, Moment{At: r.At, Actor: r.Actor, Entry: int64(i), Running: &running})
		}
		r.Due, r.Since = running.Due, running.Since
	}
}

// follow fills in the row of one step, and returns the deadline after it.
func (m *Machine[S, E, C]) follow(r *Record[S, E], at Moment) Running {
	s, e := m.states.at(r.From), m.events.at(r.Event)
	if s < 0 || e < 0 {
		return Running{}
	}
	for v := m.cells[s*m.width+e]; v != nil; v = v.next {
		if v.row.To != r.To {
			continue
		}
		due, code := v.timed.due(at)
		if code != "" {
			return Running{}
		}
		step := Step[S, E]{&v.row, due, v.timed.clock == Suspend}
		noted := r.Noted
		*r = step.Record(at)
		r.Noted = noted
		return step.Running(at)
	}
	return Running{}
}

// Difference is a recorded move that this machine would not have made, or that
// it would have ended elsewhere.
type Difference[S, E ~string] struct {
	// Index of the record in the history.
	Index  int
	Record Record[S, E]
	// To is where the move would end; empty if it is refused.
	To S
	// Why lists the reasons of a refusal.
	Why []Reason
}

// Replay decides a recorded history of one case again and lists what would now
// be different: for trying a draft table on real histories. Every record is
// judged from the state that was recorded, so one difference hides no other.
// Deadlines are those of this machine: a move that was made after a deadline
// that is now shorter is refused with CodePassed, and a deadline that is now
// longer, and was recorded as passed, with CodeNotDue. What a deadline fired, and
// none fires now, is refused with CodeNoDeadline; what somebody fired, and a
// deadline fires now, with CodeClockOnly. A migration is taken as it was. caseAt
// returns the case as the guards saw it at a record.
func (m *Machine[S, E, C]) Replay(history []Record[S, E], caseAt func(Record[S, E]) C) []Difference[S, E] {
	var all []Difference[S, E]
	var running Running
	for i, r := range history {
		if r.Event == "" && r.From != "" {
			running = Running{Entry: r.Entry, Due: r.Due, Since: r.Since}
			continue
		}
		if r.Event == "" {
			if r.To != m.table.Start {
				all = append(all, Difference[S, E]{Index: i, Record: r, To: m.table.Start})
			}
			running = m.entered(r)
			continue
		}
		at := Moment{At: r.At, Actor: r.Actor, Entry: r.Entry - 1, Running: &running}
		step, why := m.again(r, caseAt(r), at)
		if len(why) > 0 || step.To != r.To {
			all = append(all, Difference[S, E]{Index: i, Record: r, To: step.To, Why: why})
			running = m.entered(r)
			continue
		}
		running = step.Running(at)
	}
	return all
}

// again decides a record once more, with the deadline that would have run.
func (m *Machine[S, E, C]) again(r Record[S, E], c C, at Moment) (Step[S, E], []Reason) {
	e := m.events.at(r.Event)
	if e >= 0 && r.Clock && !m.clock[e] {
		return Step[S, E]{Row: &m.none}, []Reason{{Code: CodeNoDeadline}}
	}
	if e >= 0 && r.Clock {
		at.Fired = at.Running
	}
	return m.Fire(r.From, r.Event, c, at, nil)
}

// entered returns the deadline that runs after a record, as if its state had
// been entered anew.
func (m *Machine[S, E, C]) entered(r Record[S, E]) Running {
	s := m.states.at(r.To)
	if s < 0 || m.starts[s] == nil {
		return Running{Entry: r.Entry, Due: r.Due, Since: r.Since}
	}
	due, err := m.starts[s].Due(r.At)
	if err != nil {
		return Running{}
	}
	return Running{Entry: r.Entry, Due: due}
}
