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
// combination is unknown when its unknown parts could still turn it. A comparison
// with a fact that does not apply fails.
type Condition struct {
	op        op
	fact      string
	yes       bool
	low, high int64
	currency  string // of a limit in money
	param     string // the limit is that of a parameter
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
	opHasAny
	opHasAll
	opKnown
	opOnOrAfter
	opOnOrBefore
	opAgeAtLeast
	opAgeAtMost
	opHolds
	opAll
	opAny
	opNot
	opNOf
)

var opNames = [...]string{"", "is", "equals", "at_least", "at_most", "between", "in", "has_any", "has_all", "known",
	"on_or_after", "on_or_before", "age_at_least", "age_at_most", "holds", "all", "any", "not", "n_of"}

// Facts returns the names of the facts that the condition asks, each once.
func (c Condition) Facts() []string {
	var names []string
	c.leaves(func(leaf *Condition) {
		if !slices.Contains(names, leaf.fact) {
			names = append(names, leaf.fact)
		}
	})
	return names
}

// leaves calls each for every comparison in the condition.
func (c *Condition) leaves(each func(*Condition)) {
	if c.op < opAll {
		each(c)
	}
	for i := range c.of {
		c.of[i].leaves(each)
	}
}

// Fact is the part that the facts of all kinds share.
type Fact struct {
	name string
	at   uint8 // its position among the facts of its schema
	of   *identity
}

// Known holds when the fact has a value. It is unknown while the fact is, and fails
// when the fact does not apply.
func (f Fact) Known() Condition { return Condition{op: opKnown, fact: f.name} }

// BoolFact builds conditions on a yes or no.
type BoolFact struct{ Fact }

// Is holds when the fact has the value want.
func (f BoolFact) Is(want bool) Condition { return Condition{op: opIs, fact: f.name, yes: want} }

// IntFact builds conditions on a number.
type IntFact struct{ Fact }

// Equals holds when the value is n.
func (f IntFact) Equals(n int64) Condition { return compare(f.Fact, "", opEquals, n, n) }

// AtLeast holds when the value is n or more.
func (f IntFact) AtLeast(n int64) Condition { return compare(f.Fact, "", opAtLeast, n, math.MaxInt64) }

// AtMost holds when the value is n or less.
func (f IntFact) AtMost(n int64) Condition { return compare(f.Fact, "", opAtMost, math.MinInt64, n) }

// Between holds when the value is from low to high, both included.
func (f IntFact) Between(low, high int64) Condition {
	return compare(f.Fact, "", opBetween, low, high)
}

// AtLeastParam holds when the value is that of the parameter or more.
func (f IntFact) AtLeastParam(name string) Condition { return byParam(f.Fact, opAtLeast, name) }

// AtMostParam holds when the value is that of the parameter or less.
func (f IntFact) AtMostParam(name string) Condition { return byParam(f.Fact, opAtMost, name) }

// MoneyFact builds conditions on an amount, in minor units of the fact's currency.
type MoneyFact struct {
	Fact
	currency string
}

// Equals holds when the amount is units.
func (f MoneyFact) Equals(units int64) Condition {
	return compare(f.Fact, f.currency, opEquals, units, units)
}

// AtLeast holds when the amount is units or more.
func (f MoneyFact) AtLeast(units int64) Condition {
	return compare(f.Fact, f.currency, opAtLeast, units, math.MaxInt64)
}

// AtMost holds when the amount is units or less.
func (f MoneyFact) AtMost(units int64) Condition {
	return compare(f.Fact, f.currency, opAtMost, math.MinInt64, units)
}

// Between holds when the amount is from low to high, both included.
func (f MoneyFact) Between(low, high int64) Condition {
	return compare(f.Fact, f.currency, opBetween, low, high)
}

// AtLeastParam holds when the amount is that of the parameter or more.
func (f MoneyFact) AtLeastParam(name string) Condition { return byParam(f.Fact, opAtLeast, name) }

// AtMostParam holds when the amount is that of the parameter or less.
func (f MoneyFact) AtMostParam(name string) Condition { return byParam(f.Fact, opAtMost, name) }

func compare(f Fact, currency string, o op, low, high int64) Condition {
	return Condition{op: o, fact: f.name, low: low, high: high, currency: currency}
}

func byParam(f Fact, o op, name string) Condition {
	return Condition{op: o, fact: f.name, param: name}
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
// decision's legal date (see calendar.Date.AgeAt). A plan that asks an age of a date
// takes a day after its legal date as unknown (Conflicting), in all its rules.
func (f DateFact) AgeAtLeast(years int) Condition {
	return Condition{op: opAgeAtLeast, fact: f.name, low: int64(years)}
}

// AgeAtMost holds when someone born on the date is years old or younger on the
// legal date. Of later births see AgeAtLeast.
func (f DateFact) AgeAtMost(years int) Condition {
	return Condition{op: opAgeAtMost, fact: f.name, high: int64(years)}
}

// AgeAtLeastParam is AgeAtLeast with the years of the parameter.
func (f DateFact) AgeAtLeastParam(name string) Condition { return byParam(f.Fact, opAgeAtLeast, name) }

// AgeAtMostParam is AgeAtMost with the years of the parameter.
func (f DateFact) AgeAtMostParam(name string) Condition { return byParam(f.Fact, opAgeAtMost, name) }

// CodeFact builds conditions on a code.
type CodeFact struct{ Fact }

// In holds when the value is one of the codes.
func (f CodeFact) In(codes ...string) Condition {
	return Condition{op: opIn, fact: f.name, codes: codeSet(codes)}
}

// CodesFact builds conditions on a set of codes.
type CodesFact struct{ Fact }

// HasAny holds when one or more of the codes are in the set.
func (f CodesFact) HasAny(codes ...string) Condition {
	return Condition{op: opHasAny, fact: f.name, codes: codeSet(codes)}
}

// HasAll holds when all of the codes are in the set.
func (f CodesFact) HasAll(codes ...string) Condition {
	return Condition{op: opHasAll, fact: f.name, codes: codeSet(codes)}
}

// GoFact builds the one condition on a rule in Go.
type GoFact struct{ Fact }

// Holds holds when the rule in Go says Pass.
func (f GoFact) Holds() Condition { return Condition{op: opHolds, fact: f.name} }

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
