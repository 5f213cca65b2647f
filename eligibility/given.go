package eligibility

import (
	"fmt"
	"io"
	"slices"

	"github.com/gelombang/gelombang/program/calendar"
)

// Given is what a rule in Go decides from: what is known of the facts that it names,
// as the plan sees them. An answer that is too old is unknown, and so is any fact
// that the rule does not name. It is of use only until the rule returns.
type Given struct {
	row  *Row
	rule *about
}

// askGo lets a rule in Go decide, unless nothing is known of what it looks at.
func (a *about) askGo(row *Row) cell {
	if !slices.ContainsFunc(a.asks, func(k uint8) bool { return !row.unknown(k) }) {
		return cell{}
	}
	switch a.decide(Given{row, a}) {
	case Pass:
		return cell{n: 1, state: known}
	case Fail:
		return cell{n: 0, state: known}
	}
	return cell{}
}

func (g Given) cell(f *Fact) cell {
	if g.row == nil || f.of != g.row.of || !slices.Contains(g.rule.asks, f.at) {
		return cell{}
	}
	return g.row.cell(f.at)
}

func given[T any](c cell, v func(n int64) T) Value[T] {
	switch c.state {
	case known:
		return Known(v(c.n))
	case notApplicable:
		return NotApplicable[T]()
	}
	return Value[T]{} // columns do not know the cause
}

func same(n int64) int64 { return n }

// Bool returns what is known of a fact.
func (g Given) Bool(f BoolFact) Value[bool] {
	return given(g.cell(&f.Fact), func(n int64) bool { return n == 1 })
}

// Int returns what is known of a fact.
func (g Given) Int(f IntFact) Value[int64] { return given(g.cell(&f.Fact), same) }

// Money returns what is known of a fact, in minor units of its currency.
func (g Given) Money(f MoneyFact) Value[int64] { return given(g.cell(&f.Fact), same) }

// Date returns what is known of a fact.
func (g Given) Date(f DateFact) Value[calendar.Date] { return given(g.cell(&f.Fact), dayOf) }

// Code returns what is known of a fact.
func (g Given) Code(f CodeFact) Value[string] {
	return given(g.cell(&f.Fact), func(n int64) string { return g.row.facts[f.at].codes[n] })
}

// Codes returns what is known of a fact, in the order of its dictionary.
func (g Given) Codes(f CodesFact) Value[[]string] {
	return given(g.cell(&f.Fact), func(n int64) []string { return g.row.facts[f.at].codesIn(n) })
}

// Format writes that there are facts, never what is known of them.
func (g Given) Format(s fmt.State, _ rune) { printMask(s) }

func printMask(s fmt.State) {
	_, _ = io.WriteString(s, "facts(****)") // fmt.State keeps no error that a formatter could report
}
