package lifecycle

import (
	"errors"
	"slices"
	"time"

	"github.com/gelombang/gelombang/program/calendar"
)

// Clock says what a move does to the deadline that runs.
type Clock string

const (
	// Restart, the default: the deadline of the new state starts; if it has
	// none, none runs.
	Restart Clock = ""
	// Suspend: the deadline stands still in the new state, which has none of
	// its own. A move from such a state to another with Suspend leaves it
	// standing.
	Suspend Clock = "suspend"
	// Continue: the deadline goes on in the new state, after a suspension with
	// the days that were left, and later by the move's Extend if it has one. The
	// new state's deadline fires the same event and counts in the same manner.
	Continue Clock = "continue"
)

// timing is what a compiled move does to the deadline.
type timing struct {
	clock  Clock
	starts *calendar.Counter // of the new state; nil if it has no deadline
	extend *calendar.Counter
}

// due returns the deadline after the move, in microseconds since the year 1, or
// the code of the reason why there can be none.
func (t *timing) due(at Moment) (int64, string) {
	if t.clock == Restart {
		if t.starts == nil {
			return 0, ""
		}
		return micros(t.starts.Due(at.At))
	}
	was := at.Running
	switch {
	case was == nil || was.Due.IsZero():
		return 0, CodeNoDeadline
	case was.Entry != at.Entry:
		return 0, CodeStale
	case t.clock == Suspend:
		return micros(was.Due, nil)
	}
	return micros(t.goOn(*was, at.At))
}

// goOn returns when a deadline passes that is continued at an instant. Clocks
// differ a little: one that goes on before it stood still has not stood still.
func (t *timing) goOn(was Running, at time.Time) (due time.Time, err error) {
	due = was.Due
	if !was.Since.IsZero() {
		if at.Before(was.Since) {
			at = was.Since
		}
		due, err = t.starts.Resume(due, was.Since, at)
	}
	if err == nil && t.extend != nil {
		due, err = t.extend.Extend(due)
	}
	return due, err
}

// manner is how a deadline counts: two deadlines of one manner may take over from
// each other. Days and months are both calendar days.
type manner[E ~string] struct {
	fires       E
	unit        string
	zone, until string
}

func (d *Deadline[E]) manner() manner[E] {
	return manner[E]{d.Fires, unit(d.Term), d.Term.Zone, d.Term.Until}
}

func (m manner[E]) String() string {
	text := m.unit
	if m.until != "" {
		text += " until " + m.until
	}
	if m.zone != "" {
		text += " of " + m.zone
	}
	return text
}

func unit(t calendar.Term) string {
	switch {
	case t.For != 0:
		return "a duration"
	case t.BusinessDays != 0:
		return "business days"
	}
	return "calendar days"
}

// standing returns the states in which a deadline stands still, each with the
// states whose deadlines can stand there.
func (t Table[S, E]) standing() map[S][]S {
	all := map[S][]S{}
	within := map[S]bool{}
	for _, s := range t.States {
		within[s.State] = s.Within != nil
	}
	for grown := true; grown; {
		grown = false
		for _, v := range t.Moves {
			if v.Clock != Suspend {
				continue
			}
			if _, known := all[v.To]; !known {
				all[v.To], grown = nil, true
			}
			for _, from := range t.Sources(v) {
				sources := all[from]
				if within[from] {
					sources = []S{from}
				}
				for _, s := range sources {
					if !slices.Contains(all[v.To], s) {
						all[v.To], grown = append(all[v.To], s), true
					}
				}
			}
		}
	}
	return all
}

// micros counts an instant in microseconds since the year 1, a part of one
// counted as a whole, so that a deadline is never early.
func micros(t time.Time, err error) (int64, string) {
	if err != nil {
		return 0, termCode(err)
	}
	return (t.Unix()-yearOne)*1e6 + int64(t.Nanosecond()+999)/1e3, ""
}

// termCode is the code of the reason why a deadline cannot be counted.
func termCode(err error) string {
	var fault *calendar.TermError
	if errors.As(err, &fault) && fault.Field == calendar.FieldHolidays {
		return CodeHolidays
	}
	return CodeOutOfTime
}

func fromMicros(n int64) time.Time {
	return time.Unix(n/1e6+yearOne, n%1e6*1e3).UTC()
}

const yearOne = -62135596800 // 1 January of the year 1 in Unix time
