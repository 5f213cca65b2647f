package eligibility

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/gelombang/gelombang/program/calendar"
)

// Policy is a named set of rules.
type Policy struct {
	Name  string // letters a to z, digits, _ and -
	Rules []Rule
}

// Rule is one requirement with its legal basis, in force from From up to and not
// including Until, asked at the stages in At.
//
// One code may come again with another, later period: that is how a requirement
// changes. Two periods of one code may not overlap.
type Rule struct {
	Code    string // letters a to z, digits, _ and -
	Require Condition
	Basis   Basis
	From    calendar.Date // the first day; zero: since ever
	Until   calendar.Date // the first day no longer; zero: without end
	At      []string      // at least one of the policy's stages
}

func (r Rule) inForce(day calendar.Date) bool {
	return !day.Before(r.From) && (r.Until.IsZero() || day.Before(r.Until))
}

// Basis is where a rule comes from. Make it with Article or WithoutArticle.
type Basis struct {
	Instrument string // "Perpres 76/2020"
	Article    string // "3(4)b"
	Policy     string // instead of both: the policy, when no article is known for it
}

// Article is a basis in a legal instrument.
func Article(instrument, article string) Basis {
	return Basis{Instrument: instrument, Article: article}
}

// WithoutArticle is a rule that is applied as policy and whose article is not known.
func WithoutArticle(policy string) Basis { return Basis{Policy: policy} }

func (b Basis) valid() bool {
	if b.Policy != "" {
		return b.Instrument == "" && b.Article == ""
	}
	return b.Instrument != "" && b.Article != ""
}

// Stages are the stages at which rules are asked when Options name no others.
func Stages() []string { return []string{"join", "screen", "accept", "payout"} }

// Fault is one defect of a schema, a policy or its texts: where, which rule of
// this package it breaks, and how.
type Fault struct {
	Path   string // "rules[2].require.any[0]"
	Rule   string // "fact", "kind", "code", "range", "constant", "empty", "basis", "period", "overlap", "stage", "texts", ...
	Detail string
}

func (f *Fault) Error() string {
	return fmt.Sprintf("eligibility: %s: %s: %s", f.Path, f.Rule, f.Detail)
}

func joined(faults []Fault) error {
	if len(faults) == 0 {
		return nil
	}
	errs := make([]error, len(faults))
	for i := range faults {
		errs[i] = &faults[i]
	}
	return errors.Join(errs...)
}

func at(i int) string { return "[" + strconv.Itoa(i) + "]" }

func quote(s string) string { return strconv.QuoteToASCII(s) }

// checkRules reports the faults of the rules themselves.
func checkRules[E any](s *Schema[E], p Policy, stages []string) []Fault {
	var faults []Fault
	if !isCode(p.Name) {
		faults = append(faults, Fault{"name", "name", "has the letters a to z, digits, _ and -"})
	}
	if len(p.Rules) == 0 {
		faults = append(faults, Fault{"rules", "empty", "a policy has at least one rule"})
	}
	for i, r := range p.Rules {
		path := "rules" + at(i)
		faults = append(faults, checkRule(r, path, stages)...)
		faults = append(faults, s.check(r.Require, path+".require", 0)...)
	}
	return append(faults, checkPeriods(p.Rules)...)
}

func checkRule(r Rule, path string, stages []string) []Fault {
	var faults []Fault
	if !isCode(r.Code) {
		faults = append(faults, Fault{path + ".code", "name", "has the letters a to z, digits, _ and -"})
	}
	if !r.Basis.valid() {
		faults = append(faults, Fault{path + ".basis", "basis", "is an instrument with its article, or a policy without a known article"})
	}
	for field, day := range map[string]calendar.Date{"from": r.From, "until": r.Until} {
		if !day.IsZero() && !day.Valid() {
			faults = append(faults, Fault{path + "." + field, "date", "does not exist"})
		}
	}
	if !r.From.IsZero() && !r.Until.IsZero() && !r.From.Before(r.Until) {
		faults = append(faults, Fault{path + ".until", "period", "is empty: until is not after from"})
	}
	if len(r.At) == 0 {
		faults = append(faults, Fault{path + ".at", "empty", "a rule is asked at one stage at least"})
	}
	for i, stage := range r.At {
		if !slices.Contains(stages, stage) {
			faults = append(faults, Fault{path + ".at" + at(i), "stage", "there is no stage " + quote(stage)})
		}
		if slices.Contains(r.At[:i], stage) {
			faults = append(faults, Fault{path + ".at" + at(i), "stage", quote(stage) + " comes twice"})
		}
	}
	return faults
}

// checkPeriods: of the rules with one code, each begins when the one before has ended.
func checkPeriods(rules []Rule) []Fault {
	order := make([]int, len(rules))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(rules[a].Code, rules[b].Code), rules[a].From.Compare(rules[b].From))
	})
	var faults []Fault
	for k := 1; k < len(order); k++ {
		before, after := rules[order[k-1]], rules[order[k]]
		if before.Code == after.Code && (before.Until.IsZero() || after.From.Before(before.Until)) {
			faults = append(faults, Fault{"rules" + at(order[k]), "overlap", quote(after.Code) + " is already in force through rules" + at(order[k-1])})
		}
	}
	return faults
}
