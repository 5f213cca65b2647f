package eligibility

import (
	"math"
	"slices"

	"github.com/gelombang/gelombang/program/calendar"
)

// Condition is what a rule requires: a comparison with one fact, or a combination of
// conditions. It is data: built from a schema's facts or read from JSON, with the
// same result. The zero Condition is refused by Compile.
//
// Conditions follow Kleene's logic: a comparison with an unknown fact is unknown, and a
// combination is unknown when its unknown parts could still turn it.
type Condition struct {
	op        op
	fact      string
	yes       bool
	low, high int64
	day       calendar.Date
	codes     []string
	of        []Condition
}

type op uint8

const (
	noOp op = iota
	opIs
	opEquals
	opAtLeast
	opAtMost
	opBetween
	opIn
	opKnown
	opOnOrAfter
	opOnOrBefore
	opAgeAtLeast
	opAgeAtMost
	opAll
	opAny
	opNot
	opNOf
)

var opNames = [...]string{"", "is", "equals", "at_least", "at_most", "between", "in", "known", "on_or_after", "on_or_before", "age_at_least", "age_at_most", "all", "any", "not", "n_of"}

// Facts returns the names of the facts that the condition asks, each once.
func (c Condition) Facts() []string {
	var names []string
	if c.fact != "" {
		names = append(names, c.fact)
	}
	for _, part := range c.of {
		for _, name := range part.Facts() {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// Fact is the part that the facts of all kinds share.
type Fact struct {
	name string
}

// Known holds when the fact has a value. It is unknown while the fact is, and fails
// when the fact does not apply.
func (f Fact) Known() Condition { return Condition{op: opKnown, fact: f.name} }

// BoolFact builds conditions on a yes or no.
type BoolFact struct{ Fact }

// Is holds when the fact has the value want.
func (f BoolFact) Is(want bool) Condition { return Condition{op: opIs, fact: f.name, yes: want} }

// IntFact builds conditions on a number or an amount.
type IntFact struct{ Fact }

// Equals holds when the value is n.
func (f IntFact) Equals(n int64) Condition { return f.compare(opEquals, n, n) }

// AtLeast holds when the value is n or more.
func (f IntFact) AtLeast(n int64) Condition { return f.compare(opAtLeast, n, math.MaxInt64) }

// AtMost holds when the value is n or less.
func (f IntFact) AtMost(n int64) Condition { return f.compare(opAtMost, math.MinInt64, n) }

// Between holds when the value is from low to high, both included.
func (f IntFact) Between(low, high int64) Condition { return f.compare(opBetween, low, high) }

func (f IntFact) compare(o op, low, high int64) Condition {
	return Condition{op: o, fact: f.name, low: low, high: high}
}

// DateFact builds conditions on a date.
type DateFact struct{ Fact }

// OnOrAfter holds when the date is day or later.
func (f DateFact) OnOrAfter(day calendar.Date) Condition {
	return Condition{op: opOnOrAfter, fact: f.name, day: day}
}

// OnOrBefore holds when the date is day or earlier.
func (f DateFact) OnOrBefore(day calendar.Date) Condition {
	return Condition{op: opOnOrBefore, fact: f.name, day: day}
}

// AgeAtLeast holds when someone born on the date has completed the years on the
// decision's as-of date (see calendar.Date.AgeAt).
func (f DateFact) AgeAtLeast(years int) Condition {
	return Condition{op: opAgeAtLeast, fact: f.name, low: int64(years)}
}

// AgeAtMost holds when someone born on the date is years old or younger on the
// as-of date.
func (f DateFact) AgeAtMost(years int) Condition {
	return Condition{op: opAgeAtMost, fact: f.name, high: int64(years)}
}

// CodeFact builds conditions on a code.
type CodeFact struct{ Fact }

// In holds when the value is one of the codes.
func (f CodeFact) In(codes ...string) Condition {
	return Condition{op: opIn, fact: f.name, codes: codeSet(codes)}
}

func codeSet(codes []string) []string {
	set := slices.Clone(codes)
	slices.Sort(set)
	return slices.Compact(set)
}

// All holds when every condition holds. At least one is given.
func All(of ...Condition) Condition { return Condition{op: opAll, of: slices.Clone(of)} }

// Any holds when one or more of the conditions hold. At least one is given.
func Any(of ...Condition) Condition { return Condition{op: opAny, of: slices.Clone(of)} }

// Not holds when the condition fails.
func Not(c Condition) Condition { return Condition{op: opNot, of: []Condition{c}} }

// AtLeastN holds when n or more of the conditions hold; n is from 1 to their number.
func AtLeastN(n int, of ...Condition) Condition {
	return Condition{op: opNOf, low: int64(n), of: slices.Clone(of)}
}

const (
	oldest = 150 // years; an age limit beyond it decides nothing
	deep   = 32  // conditions inside conditions
)

// check reports the faults of a condition against the facts it names.
func (s *Schema[E]) check(c Condition, path string, depth int) []Fault {
	if depth > deep {
		return []Fault{{path, "deep", "more than 32 conditions inside one another"}}
	}
	if c.op == noOp {
		return []Fault{{path, "condition", "is missing"}}
	}
	if c.op >= opAll {
		return s.checkCombination(c, path, depth)
	}
	i, ok := s.index[c.fact]
	if !ok {
		return []Fault{{path, "fact", "the schema has no fact " + quote(c.fact)}}
	}
	f := &s.facts[i]
	if !suits(c.op, f.kind) {
		return []Fault{{path, "kind", opNames[c.op] + " cannot be asked of " + quote(f.name) + ", a " + kinds[f.kind]}}
	}
	return checkLimit(c, f.codes, path)
}

func (s *Schema[E]) checkCombination(c Condition, path string, depth int) []Fault {
	var faults []Fault
	path += "." + opNames[c.op]
	if len(c.of) == 0 {
		faults = append(faults, Fault{path, "empty", "has no condition"})
	}
	if c.op == opNOf && (c.low < 1 || c.low > int64(len(c.of))) {
		faults = append(faults, Fault{path, "range", "the number is from 1 to the number of conditions"})
	}
	for i, part := range c.of {
		faults = append(faults, s.check(part, path+at(i), depth+1)...)
	}
	return faults
}

func suits(o op, k kind) bool {
	switch o {
	case opIs:
		return k == boolKind || k == evidenceKind
	case opEquals, opAtLeast, opAtMost, opBetween:
		return k == intKind || k == moneyKind
	case opIn:
		return k == codeKind
	case opOnOrAfter, opOnOrBefore, opAgeAtLeast, opAgeAtMost:
		return k == dateKind
	}
	return o == opKnown
}

// checkLimit refuses limits that no value or every value meets: such a rule decides
// nothing, and is a slip of the pen.
func checkLimit(c Condition, codes []string, path string) []Fault {
	switch c.op {
	case opEquals, opAtLeast, opAtMost, opBetween:
		if c.low > c.high {
			return []Fault{{path, "range", "is empty"}}
		}
		if c.low == math.MinInt64 && c.high == math.MaxInt64 {
			return []Fault{{path, "constant", "every number is in the range"}}
		}
	case opAgeAtLeast:
		if c.low < 1 || c.low > oldest {
			return []Fault{{path, "range", "an age is from 1 to 150"}}
		}
	case opAgeAtMost:
		if c.high < 0 || c.high >= oldest {
			return []Fault{{path, "range", "a greatest age is from 0 to 149"}}
		}
	case opOnOrAfter, opOnOrBefore:
		if !c.day.Valid() {
			return []Fault{{path, "date", "does not exist"}}
		}
	case opIn:
		return checkCodes(c, codes, path)
	}
	return nil
}

func checkCodes(c Condition, codes []string, path string) []Fault {
	var faults []Fault
	for _, code := range c.codes {
		if !slices.Contains(codes, code) {
			faults = append(faults, Fault{path, "code", quote(code) + " is not a code of " + quote(c.fact)})
		}
	}
	if len(c.codes) == 0 {
		faults = append(faults, Fault{path, "empty", "has no code"})
	}
	if len(faults) == 0 && len(c.codes) == len(codes) {
		faults = append(faults, Fault{path, "constant", "every code is in the list; use known"})
	}
	return faults
}
