package eligibility

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/gelombang/gelombang/program/calendar"
)

// Policy is a named set of rules.
type Policy struct {
	Name   string // letters a to z, digits, _ and -
	Zone   string // whose days the legal dates are, "Asia/Jakarta"; "" is UTC
	Params []Param
	Rules  []Rule
	Cases  []Case // see Load; they are not part of the digest
}

// Rule is one requirement with its legal basis, asked at the stages in At, in force
// from From up to and not including Until.
//
// One code may come again as another edition with a later period: that is how a
// requirement changes. Editions that became known on the same day may not
// overlap. An edition that became known later takes the place of earlier ones
// in its period, for all decisions as they are known from that day; decisions as they
// were known before stay as they were. Outside its period the earlier ones stand.
//
// A rule ends with its Until, or by a repeal: an edition that says, with the basis of
// the repeal, that in its period the rule is not asked.
type Rule struct {
	Code     string // letters a to z, digits, _ and -
	Require  Condition
	Basis    Basis
	From     calendar.Date // the first day; zero: since ever
	Until    calendar.Date // the first day no longer; zero: without end
	Known    calendar.Date // the day on which the edition became known (was published); zero: since ever
	At       []string      // at least one of the policy's stages
	Severity Severity
	Repeal   bool // in this period the rule is not asked; Require, At and Severity are empty
}

// Severity is what a rule's failure does. The zero Severity is Bar.
type Severity uint8

// The severities.
const (
	Bar    Severity = iota // the rule decides
	Notice                 // the rule is asked and reported; it never decides
)

// String returns "bar" or "notice".
func (s Severity) String() string {
	if s == Notice {
		return "notice"
	}
	return "bar"
}

// Param is a number that rules name instead of writing it, with a basis and periods of
// its own: a limit that a decree adjusts while the rule stays. Editions follow
// the same dates as a Rule's. Wherever a rule that names it is in force, an
// edition must be.
type Param struct {
	Name     string // letters a to z, digits, _ and -
	Value    int64  // years, a number, or minor units of Currency
	Currency string // of an amount; else ""
	Basis    Basis
	From     calendar.Date
	Until    calendar.Date
	Known    calendar.Date
}

// edition is when something holds.
type edition struct {
	code               string
	from, until, known calendar.Date
}

func (r *Rule) edition() edition  { return edition{r.Code, r.From, r.Until, r.Known} }
func (p *Param) edition() edition { return edition{p.Name, p.From, p.Until, p.Known} }

// choose returns which edition is in force on the legal date as it was known on
// known (zero: as it is known last), or -1.
func choose(editions []edition, legal, known calendar.Date) int {
	best := -1
	for i := range editions {
		e := &editions[i]
		if !e.covers(legal) || !known.IsZero() && known.Before(e.known) {
			continue
		}
		if best < 0 || later(e, &editions[best]) {
			best = i
		}
	}
	return best
}

func (e *edition) covers(day calendar.Date) bool {
	return !day.Before(e.from) && (e.until.IsZero() || day.Before(e.until))
}

// meets: there is a day in both periods.
func (e *edition) meets(other *edition) bool {
	return e.covers(other.from) || other.covers(e.from)
}

func later(a, b *edition) bool {
	if a.known != b.known {
		return b.known.Before(a.known)
	}
	return b.from.Before(a.from)
}

// byCode groups positions by code, in the order of first appearance.
func byCode(editions []edition) [][]int {
	var groups [][]int
	group := map[string]int{}
	for i := range editions {
		g, ok := group[editions[i].code]
		if !ok {
			g = len(groups)
			group[editions[i].code] = g
			groups = append(groups, nil)
		}
		groups[g] = append(groups[g], i)
	}
	return groups
}

func pick(editions []edition, which []int) []edition {
	some := make([]edition, len(which))
	for i, k := range which {
		some[i] = editions[k]
	}
	return some
}

func (p *Policy) ruleEditions() []edition {
	all := make([]edition, len(p.Rules))
	for i := range p.Rules {
		all[i] = p.Rules[i].edition()
	}
	return all
}

func (p *Policy) paramEditions() []edition {
	all := make([]edition, len(p.Params))
	for i := range p.Params {
		all[i] = p.Params[i].edition()
	}
	return all
}

// Basis is where a rule comes from. Make it with Article, WithoutArticle or
// WithoutArticleIn.
type Basis struct {
	Instrument string            // "Perpres 76/2020"
	Article    string            // "3(4)a"
	Policy     string            // instead of both: the policy, when no article is known for it
	Policies   map[string]string // instead of all: the policy in each language of the texts
}

// Article is a basis in a legal instrument.
func Article(instrument, article string) Basis {
	return Basis{Instrument: instrument, Article: article}
}

// WithoutArticle is a rule that is applied as policy and whose article is not known.
func WithoutArticle(policy string) Basis { return Basis{Policy: policy} }

// WithoutArticleIn is WithoutArticle in the words of each language: "id", "en" and what
// other languages the policy's texts have.
func WithoutArticleIn(policies map[string]string) Basis {
	return Basis{Policies: maps.Clone(policies)}
}

func (b Basis) clone() Basis {
	b.Policies = maps.Clone(b.Policies)
	return b
}

const basisForm = "is an instrument with its article, or a policy without a known article"

func (b Basis) check(path string) []Fault {
	forms := 0
	for _, there := range []bool{b.Instrument != "" || b.Article != "", b.Policy != "", b.Policies != nil} {
		forms += int(asNumber(there))
	}
	whole := (b.Instrument == "") == (b.Article == "")
	for _, text := range b.Policies {
		whole = whole && text != ""
	}
	if forms != 1 || !whole || b.Policies != nil && len(b.Policies) == 0 {
		return []Fault{{path, "basis", basisForm}}
	}
	for _, text := range append(slices.Collect(maps.Values(b.Policies)), b.Instrument, b.Article, b.Policy) {
		if !utf8.ValidString(text) {
			return []Fault{{path, "text", "is not UTF-8"}}
		}
	}
	return nil
}

// Stages are the stages at which rules are asked when Options name no others.
func Stages() []string { return []string{"join", "screen", "accept", "payout"} }

// Fault is one defect of a schema, a policy or its texts: where, which rule of
// this package it breaks, and how.
type Fault struct {
	Path   string // "rules[2].require.any[0]"
	Rule   string // "fact", "kind", "code", "range", "constant", "empty", "basis", "period", "overlap", "gap", "stage", "case", "texts", ...
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

// checkPolicy reports the faults of a policy against the facts and stages.
func (d *dictionaries) checkPolicy(p *Policy, stages []string) []Fault {
	var faults []Fault
	if !isCode(p.Name) {
		faults = append(faults, Fault{"name", "name", "has the letters a to z, digits, _ and -"})
	}
	if _, err := calendar.Zone(p.Zone); err != nil {
		faults = append(faults, Fault{"zone", "zone", err.Error()})
	}
	if len(p.Rules) == 0 {
		faults = append(faults, Fault{"rules", "empty", "a policy has at least one rule"})
	}
	for i := range p.Params {
		faults = append(faults, checkParam(&p.Params[i], "params"+at(i))...)
	}
	for i := range p.Rules {
		path := "rules" + at(i)
		faults = append(faults, checkRule(&p.Rules[i], path, stages)...)
		if p.Rules[i].Repeal {
			continue
		}
		faults = append(faults, d.checkForm(p.Rules[i].Require, path+".require", 0)...)
	}
	faults = append(faults, checkOverlaps("params", p.paramEditions())...)
	faults = append(faults, checkOverlaps("rules", p.ruleEditions())...)
	if len(faults) > 0 {
		return faults // what follows takes the form for granted
	}
	for i := range p.Rules {
		if !p.Rules[i].Repeal {
			faults = append(faults, d.checkParams(p, i)...)
		}
	}
	if len(faults) > 0 {
		return faults
	}
	for i := range p.Rules {
		if !p.Rules[i].Repeal {
			faults = append(faults, d.checkConstant(p, i)...)
		}
	}
	return faults
}

func checkParam(p *Param, path string) []Fault {
	var faults []Fault
	if !isCode(p.Name) {
		faults = append(faults, Fault{path + ".name", "name", "has the letters a to z, digits, _ and -"})
	}
	faults = append(faults, p.Basis.check(path+".basis")...)
	return append(faults, checkPeriod(p.edition(), path)...)
}

func checkRule(r *Rule, path string, stages []string) []Fault {
	var faults []Fault
	if !isCode(r.Code) {
		faults = append(faults, Fault{path + ".code", "name", "has the letters a to z, digits, _ and -"})
	}
	faults = append(faults, r.Basis.check(path+".basis")...)
	if r.Severity > Notice {
		faults = append(faults, Fault{path + ".severity", "severity", "is bar or notice"})
	}
	faults = append(faults, checkPeriod(r.edition(), path)...)
	if r.Repeal {
		if r.Require.op != noOp || len(r.At) > 0 || r.Severity != Bar {
			faults = append(faults, Fault{path + ".repeal", "repeal", "has no condition, stages or severity"})
		}
		return faults
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

func checkPeriod(e edition, path string) []Fault {
	var faults []Fault
	for _, each := range []struct {
		field string
		day   calendar.Date
	}{{"from", e.from}, {"until", e.until}, {"known", e.known}} {
		if !each.day.IsZero() && !each.day.Valid() {
			faults = append(faults, Fault{path + "." + each.field, "date", "does not exist"})
		}
	}
	if !e.from.IsZero() && !e.until.IsZero() && !e.from.Before(e.until) {
		faults = append(faults, Fault{path + ".until", "period", "is empty: until is not after from"})
	}
	return faults
}

// checkOverlaps: of the editions of one code that became known on one day, each
// begins when all before have ended.
func checkOverlaps(room string, editions []edition) []Fault {
	var faults []Fault
	for _, group := range byCode(editions) {
		slices.SortStableFunc(group, func(a, b int) int {
			if c := editions[a].known.Compare(editions[b].known); c != 0 {
				return c
			}
			return editions[a].from.Compare(editions[b].from)
		})
		last := 0 // of those before, the one that ends last
		for k := 1; k < len(group); k++ {
			before, after := &editions[group[last]], &editions[group[k]]
			if before.known == after.known && (before.until.IsZero() || after.from.Before(before.until)) {
				faults = append(faults, Fault{room + at(group[k]), "overlap", quote(after.code) + " is already in force through " + room + at(group[last])})
			}
			if before.known != after.known || !before.until.IsZero() && (after.until.IsZero() || before.until.Before(after.until)) {
				last = k
			}
		}
	}
	return faults
}
