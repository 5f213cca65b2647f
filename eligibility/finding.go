package eligibility

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/wording"
)

// Decision is the answer about one person at one stage, with every rule's finding. It
// can be printed, logged and written as JSON: personal values are left out.
//
// A Decision keeps what was read of the person, and findings are made from it when
// they are asked for. A copy shares that with the original: deciding into one
// overwrites both.
type Decision struct {
	Policy  string
	Digest  string // of the policy and its facts, see Compiled.Digest
	Stage   string
	AsOf    calendar.Date // the legal date: rules and ages are those of this day
	Verdict Verdict

	plan *plan
	row  veil[Row]
	bits []outcomes // by slot of the plan's nodes
}

// Len returns the number of rules that were asked.
func (d *Decision) Len() int {
	if d.plan == nil {
		return 0
	}
	return len(d.plan.roots)
}

// Rule returns the code of a rule, from 0 to Len()-1, in the order of the policy.
func (d *Decision) Rule(i int) string { return d.plan.rules[i].code }

// Outcome returns what a rule says.
func (d *Decision) Outcome(i int) Outcome { return d.node(d.plan.roots[i]) }

func (d *Decision) node(n int32) Outcome {
	slot := d.plan.slots[n]
	return d.bits[slot/64].at(slot % 64)
}

// Finding returns what a rule says, with its reasons.
func (d *Decision) Finding(i int) Finding {
	root := d.plan.roots[i]
	f := Finding{Outcome: d.node(root), rule: d.plan.rules[i]}
	if f.Outcome == Undecided {
		f.Missing = d.missing(root, nil)
	}
	k := &kept{rule: f.rule, facts: d.plan.facts, cells: make([]cell, len(f.rule.facts))}
	for i, fact := range f.rule.facts {
		k.cells[i] = d.row.get().cell(fact)
	}
	f.kept = veiled(k)
	return f
}

// missing walks down the undecided parts of an undecided node.
func (d *Decision) missing(node int32, all []Missing) []Missing {
	if combo := int(node) - len(d.plan.tests); combo >= 0 {
		for _, part := range d.plan.combos[combo].of {
			if d.node(part) == Undecided {
				all = d.missing(part, all)
			}
		}
		return all
	}
	t := &d.plan.tests[node]
	f := &d.plan.facts.facts[t.fact]
	if f.kind == goKind {
		return d.missingInGo(f, all)
	}
	return addMissing(all, f, d.row.get().cell(t.fact).state)
}

// missingInGo: what is unknown of the facts that a rule in Go looks at; all of them
// when they are known, since it could not decide with what they say.
func (d *Decision) missingInGo(f *about, all []Missing) []Missing {
	before := len(all)
	for _, i := range f.asks {
		if c := d.row.get().cell(i); c.state.unknown() {
			all = addMissing(all, &d.plan.facts.facts[i], c.state)
		}
	}
	if len(all) > before {
		return all
	}
	for _, i := range f.asks {
		all = addMissing(all, &d.plan.facts.facts[i], unknown(Conflicting))
	}
	return all
}

func addMissing(all []Missing, f *about, s state) []Missing {
	m := Missing{f.name, f.source, s.cause()}
	if slices.Contains(all, m) {
		return all
	}
	return append(all, m)
}

// Findings returns what every rule says, in the order of the policy.
func (d *Decision) Findings() []Finding {
	all := make([]Finding, d.Len())
	for i := range all {
		all[i] = d.Finding(i)
	}
	return all
}

// Missing returns the evidence to ask for, each once, in the order of the rules.
func (d *Decision) Missing() []Missing {
	var all []Missing
	for i := range d.Len() {
		if d.plan.rules[i].severity == Bar && d.Outcome(i) == Undecided {
			all = d.missing(d.plan.roots[i], all)
		}
	}
	return all
}

// Verdict is the outcome of a decision. The zero Verdict is Pending.
type Verdict uint8

// The verdicts.
const (
	Pending    Verdict = iota // evidence is missing, or no rule was asked
	Eligible                  // every rule passed
	Ineligible                // a rule failed
)

// String returns "pending", "eligible" or "ineligible".
func (v Verdict) String() string {
	switch v {
	case Eligible:
		return "eligible"
	case Ineligible:
		return "ineligible"
	}
	return "pending"
}

// MarshalText writes what String writes.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// Outcome is what one rule says. The zero Outcome is Undecided.
type Outcome uint8

// The outcomes.
const (
	Undecided Outcome = iota
	Pass
	Fail
)

// String returns "unknown", "pass" or "fail".
func (o Outcome) String() string {
	switch o {
	case Pass:
		return "pass"
	case Fail:
		return "fail"
	}
	return "unknown"
}

// MarshalText writes what String writes.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// Missing is evidence that a rule still needs.
type Missing struct {
	Fact   string
	Source string // who is asked; empty for facts that are not evidence
	Cause  Cause
}

// MarshalText writes the cause's code.
func (c Cause) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Finding is one rule's outcome for one person. Printing it leaves the person's value
// out; Actual gives it.
type Finding struct {
	Outcome Outcome
	Missing []Missing // what an undecided rule still needs

	rule *ruleInfo
	kept veil[kept]
}

// kept is what is known of a rule's facts, copied from the decision.
type kept struct {
	rule  *ruleInfo
	facts *dictionaries
	cells []cell
}

func (k *kept) about(i int) *about { return &k.facts.facts[k.rule.facts[i]] }

// Rule returns the rule's code.
func (f Finding) Rule() string {
	if f.rule == nil {
		return ""
	}
	return f.rule.code
}

// Basis returns where the rule comes from.
func (f Finding) Basis() Basis {
	if f.rule == nil {
		return Basis{}
	}
	return f.rule.basis.clone()
}

// ReasonKey returns the key under which the agency may word the rule, "rule.CODE".
func (f Finding) ReasonKey() string { return "rule." + f.Rule() }

// Severity says whether the rule decides.
func (f Finding) Severity() Severity {
	if f.rule == nil {
		return Bar
	}
	return f.rule.severity
}

// Params returns the editions of the parameters that set the rule's limits.
func (f Finding) Params() []Param {
	if f.rule == nil {
		return nil
	}
	params := slices.Clone(f.rule.params)
	for i := range params {
		params[i].Basis = params[i].Basis.clone()
	}
	return params
}

// Limit returns the rule's condition, with the values of its parameters; it writes
// itself as JSON.
func (f Finding) Limit() Condition {
	if f.rule == nil {
		return Condition{}
	}
	return f.rule.require
}

// Facts returns the names of the facts that the rule looks at, each once.
func (f Finding) Facts() []string {
	k := f.kept.get()
	if k == nil {
		return nil
	}
	names := make([]string, len(k.cells))
	for i := range names {
		names[i] = k.about(i).name
	}
	return names
}

// Actual returns the person's value of one of the rule's facts in words that a machine
// can read: "true", "17", "Rp50.000", "2002-08-08", "seeker", "a,b". It is personal
// data. ok is false when it is not known, does not apply, or the rule does not look
// at the fact.
func (f Finding) Actual(fact string) (value string, ok bool) {
	k := f.kept.get()
	if k == nil {
		return "", false
	}
	for i := range k.cells {
		if a := k.about(i); a.name == fact && k.cells[i].state == known {
			return a.words(k.cells[i].n), true
		}
	}
	return "", false
}

// words writes a value.
func (a *about) words(n int64) string {
	switch a.kind {
	case boolKind:
		return strconv.FormatBool(n == 1)
	case moneyKind:
		return wording.Amount(a.currency.Code, a.currency.Digits, n)
	case dateKind:
		return dayOf(n).String()
	case codeKind:
		return a.codes[n]
	case codesKind:
		return strings.Join(a.codesIn(n), ",")
	}
	return strconv.FormatInt(n, 10)
}

// codesIn returns the codes of a set, in the order of the dictionary.
func (a *about) codesIn(n int64) []string {
	var codes []string
	for i, code := range a.codes {
		if n>>i&1 == 1 {
			codes = append(codes, code)
		}
	}
	return codes
}

// String returns the rule, the outcome and what is missing.
func (f Finding) String() string {
	var b strings.Builder
	b.WriteString(f.Rule() + ": " + f.Outcome.String())
	for _, m := range f.Missing {
		b.WriteString(" " + m.String())
	}
	return b.String()
}

// String returns the fact, the cause and the source.
func (m Missing) String() string {
	if m.Source == "" {
		return m.Fact + "(" + m.Cause.String() + ")"
	}
	return m.Fact + "(" + m.Cause.String() + ", " + m.Source + ")"
}

// Format writes what String returns, with every verb.
func (f Finding) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, f.String()) // fmt.State keeps no error that a formatter could report
}

// LogValue logs what String returns.
func (f Finding) LogValue() slog.Value { return slog.StringValue(f.String()) }

// MarshalJSON writes everything but the person's value.
func (f Finding) MarshalJSON() ([]byte, error) {
	type missing struct {
		Fact   string `json:"fact"`
		Source string `json:"source,omitempty"`
		Cause  Cause  `json:"cause"`
	}
	out := struct {
		Rule    string    `json:"rule"`
		Outcome Outcome   `json:"outcome"`
		Basis   any       `json:"basis"`
		Limit   Condition `json:"limit"`
		Notice  bool      `json:"notice,omitempty"`
		Missing []missing `json:"missing,omitempty"`
	}{Rule: f.Rule(), Outcome: f.Outcome, Basis: f.Basis().tree(), Limit: f.Limit(), Notice: f.Severity() == Notice}
	for _, m := range f.Missing {
		out.Missing = append(out.Missing, missing(m))
	}
	return json.Marshal(out)
}

// String returns the verdict and the findings that did not pass.
func (d Decision) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s as of %s: %s", d.Policy, d.Stage, d.AsOf, d.Verdict)
	for _, f := range d.Findings() {
		if f.Outcome != Pass {
			b.WriteString("; " + f.String())
		}
	}
	return b.String()
}

// Format writes what String returns, with every verb.
func (d Decision) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, d.String()) // fmt.State keeps no error that a formatter could report
}

// LogValue logs what String returns.
func (d Decision) LogValue() slog.Value { return slog.StringValue(d.String()) }

// MarshalJSON writes everything but the person's values.
func (d Decision) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Policy   string        `json:"policy"`
		Digest   string        `json:"digest"`
		Stage    string        `json:"stage"`
		AsOf     calendar.Date `json:"as_of"`
		Verdict  Verdict       `json:"verdict"`
		Findings []Finding     `json:"findings"`
	}{d.Policy, d.Digest, d.Stage, d.AsOf, d.Verdict, d.Findings()})
}
