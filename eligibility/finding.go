package eligibility

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/wording"
)

// Decision is the answer about one person at one stage, with every rule's finding. It
// can be printed, logged and written as JSON: personal values are left out.
type Decision struct {
	Policy   string
	Digest   string // of the policy and its facts, see Compiled.Digest
	Stage    string
	AsOf     calendar.Date // the legal date: rules and ages are those of this day
	Verdict  Verdict
	Findings []Finding

	missing []Missing
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

	rule      *ruleInfo
	number    int64
	code      string
	hasActual bool
}

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
	return f.rule.basis
}

// ReasonKey returns the key under which the agency may word the rule, "rule.CODE".
func (f Finding) ReasonKey() string { return "rule." + f.Rule() }

// Limit returns the rule's condition; it writes itself as JSON.
func (f Finding) Limit() Condition {
	if f.rule == nil {
		return Condition{}
	}
	return f.rule.require
}

// Actual returns the person's value in words that a machine can read: "true", "17",
// "Rp50.000", "2002-08-08", "seeker". It is personal data. ok is false when it is
// not known, and for rules that combine several facts.
func (f Finding) Actual() (value string, ok bool) {
	if !f.hasActual || f.rule == nil {
		return "", false
	}
	switch f.rule.kind {
	case boolKind, evidenceKind:
		return strconv.FormatBool(f.number == 1), true
	case moneyKind:
		return wording.Rupiah(f.number), true
	case dateKind:
		return calendar.Of(int(f.number>>9), time.Month(f.number>>5&15), int(f.number&31)).String(), true
	case codeKind:
		return f.code, true
	}
	return strconv.FormatInt(f.number, 10), true
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
		Missing []missing `json:"missing,omitempty"`
	}{Rule: f.Rule(), Outcome: f.Outcome, Basis: f.Basis().tree(), Limit: f.Limit()}
	for _, m := range f.Missing {
		out.Missing = append(out.Missing, missing(m))
	}
	return json.Marshal(out)
}

// String returns the verdict and the findings that did not pass.
func (d Decision) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s as of %s: %s", d.Policy, d.Stage, d.AsOf, d.Verdict)
	for _, f := range d.Findings {
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
	}{d.Policy, d.Digest, d.Stage, d.AsOf, d.Verdict, d.Findings})
}

// Missing returns the evidence to ask for, each once, in the order of the rules.
func (d Decision) Missing() []Missing {
	var all []Missing
	for _, f := range d.Findings {
		for _, m := range f.Missing {
			if !slices.Contains(all, m) {
				all = append(all, m)
			}
		}
	}
	return all
}
