package lifecycle

import (
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
	// the days that were left, and later by the move's Extend if it has one.
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

// goOn returns when a deadline passes that is continued at an instant.
func (t *timing) goOn(was Running, at time.Time) (due time.Time, err error) {
	due = was.Due
	if !was.Since.IsZero() {
		due, err = t.starts.Resume(due, was.Since, at)
	}
	if err == nil && t.extend != nil {
		due, err = t.extend.Extend(due)
	}
	return due, err
}

// micros counts an instant in microseconds since the year 1, a part of one
// counted as a whole, so that a deadline is never early.
func micros(t time.Time, err error) (int64, string) {
	if err != nil {
		return 0, CodeOutOfTime
	}
	return (t.Unix()-yearOne)*1e6 + int64(t.Nanosecond()+999)/1e3, ""
}

func fromMicros(n int64) time.Time {
	return time.Unix(n/1e6+yearOne, n%1e6*1e3).UTC()
}

const yearOne = -62135596800 // 1 January of the year 1 in Unix time
