package eligibility

import (
	"fmt"
	"io"

	"github.com/gelombang/gelombang/program/calendar"
)

// Value is what is known of one fact about one person: a value, nothing with the
// cause why, or that the fact does not apply. The zero Value is unknown because
// nobody asked. A Value never prints what it holds, with one exception: fmt asks no
// methods of an unexported field, and shows what it holds. Give a type with such
// fields a Format method of its own, or keep its values in exported fields.
type Value[T any] struct {
	value T
	state state
}

// state is what is known of a fact apart from its value: known, notApplicable, or
// unknown for a cause.
type state uint8

const (
	known         state = 1
	notApplicable state = 2
	status        state = 3  // the bits of these; none of them is set: unknown
	truth         state = 16 // in a Row: the value, of a fact that is true or false
)

func unknown(why Cause) state { return state(why) << 2 }

func (s state) unknown() bool { return s&status == 0 }

func (s state) cause() Cause { return Cause(s >> 2 & 3) }

// Known is a fact with a value.
func Known[T any](v T) Value[T] { return Value[T]{value: v, state: known} }

// Unknown is a fact without a value, and why.
func Unknown[T any](why Cause) Value[T] {
	if why > Conflicting {
		why = NotAsked
	}
	return Value[T]{state: unknown(why)}
}

// NotApplicable is a fact that makes no sense for this person, as the employer of
// someone who never worked. No comparison with it holds, and Known is false.
func NotApplicable[T any]() Value[T] { return Value[T]{state: notApplicable} }

// Get returns the value, and whether it is known.
func (v Value[T]) Get() (T, bool) { return v.value, v.state == known }

// Format writes whether the value is known, never the value.
func (v Value[T]) Format(f fmt.State, _ rune) {
	text := "known(****)"
	switch {
	case v.state.unknown():
		text = "unknown(" + v.state.cause().String() + ")"
	case v.state == notApplicable:
		text = "not-applicable"
	}
	_, _ = io.WriteString(f, text) // fmt.State keeps no error that a formatter could report
}

// Cause is why a fact is unknown.
type Cause uint8

// The causes.
const (
	NotAsked    Cause = iota // nobody has asked yet
	SourceDown               // the source could not be reached
	Expired                  // the last answer is too old
	Conflicting              // sources disagree, or a code is not in the dictionary
)

var causes = [...]string{"not-asked", "source-down", "expired", "conflicting"}

// String returns the cause's code.
func (c Cause) String() string {
	if int(c) < len(causes) {
		return causes[c]
	}
	return causes[NotAsked]
}

// Observation is a value with the day on which a source was asked, in the program's
// own zone. The zero Observation is unknown because nobody asked.
type Observation[T any] struct {
	Value Value[T]
	On    calendar.Date
}
