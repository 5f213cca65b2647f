package eligibility

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"

	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/wording"
)

// Compiled is a policy ready to decide about an E. It never changes and may be used
// by any number of goroutines.
type Compiled[E any] struct {
	policy string
	digest string
	stages []string
	facts  []fact[E]
	index  map[string]int
	rules  []compiledRule
	texts  *wording.Catalogue
}

type compiledRule struct {
	info *ruleInfo
	rule Rule
}

// ruleInfo is what a finding needs of its rule.
type ruleInfo struct {
	code    string
	basis   Basis
	require Condition
	kind    kind // of the fact, when the rule is one comparison
	texts   map[string]ruleTexts
}

// Options are what a policy may add. The zero Options are useful.
type Options struct {
	// Stages are the stages at which rules may be asked; nil: those of Stages.
	Stages []string
	// Texts are the agency's own words, under the keys "rule.CODE" (the reason when
	// the rule fails; it may use {basis}), "fact.NAME", "code.FACT.CODE" and
	// "source.NAME" (their names for citizens). They are given in every language or in none; a language
	// other than id and en also brings the keys of DefaultTexts.
	Texts wording.Texts
}

// Compile checks a policy against a schema and makes it ready. All faults are
// reported, each a *Fault, joined.
func Compile[E any](s *Schema[E], p Policy, o *Options) (*Compiled[E], error) {
	if o == nil {
		o = &Options{}
	}
	if s == nil {
		s = NewSchema[E]()
	}
	stages := o.Stages
	if stages == nil {
		stages = Stages()
	}
	faults := append(slices.Clone(s.faults), checkRules(s, p, stages)...)
	texts, textFaults := compileTexts(s, p, o.Texts)
	faults = append(faults, textFaults...)
	if len(faults) > 0 {
		return nil, joined(faults)
	}
	c := &Compiled[E]{policy: p.Name, stages: slices.Clone(stages), facts: slices.Clone(s.facts), index: maps.Clone(s.index), texts: texts}
	c.digest = digest(s, p)
	for i, r := range p.Rules {
		info := &ruleInfo{code: r.Code, basis: r.Basis, require: r.Require}
		if f, ok := s.index[r.Require.fact]; ok {
			info.kind = s.facts[f].kind
		}
		var err error
		if info.texts, err = renderRule(s, texts, r); err != nil {
			faults = append(faults, Fault{"rules" + at(i), "texts", err.Error()})
		}
		r.At = slices.Clone(r.At)
		c.rules = append(c.rules, compiledRule{info, r})
	}
	if len(faults) > 0 {
		return nil, joined(faults)
	}
	return c, nil
}

// Digest is the SHA-256, in hex, of the canonical JSON of the policy and of the facts
// it uses, with their sources and how old an answer may be. Two policies with one
// digest decide alike, given getters that do.
func (c *Compiled[E]) Digest() string { return c.digest }

func digest[E any](s *Schema[E], p Policy) string {
	facts := map[string]any{}
	for _, r := range p.Rules {
		s.describe(r.Require, facts)
	}
	sum := sha256.Sum256(canonical(map[string]any{"facts": facts, "policy": p.tree()}))
	return hex.EncodeToString(sum[:])
}

func (s *Schema[E]) describe(c Condition, facts map[string]any) {
	for _, part := range c.of {
		s.describe(part, facts)
	}
	i, ok := s.index[c.fact]
	if !ok || c.op >= opAll {
		return
	}
	f := &s.facts[i]
	about := map[string]any{"kind": kinds[f.kind]}
	if f.kind == codeKind {
		about["codes"] = codeSet(f.codes)
	}
	if f.kind == evidenceKind {
		about["source"], about["max_days"] = f.source, f.maxDays
	}
	facts[f.name] = about
}

// Plan is the rules of one stage in force on one day, with every age and every
// freshness turned into a date. It decides without allocating. It may be used by
// any number of goroutines, each with its own Decision.
type Plan[E any] struct {
	policy, digest, stage string
	asOf                  calendar.Date
	rules                 []*ruleInfo
	roots                 []node[E]
}

// Plan returns the rules of the stage that are in force on asOf. Without any, as for a
// stage or a date that does not exist, its decisions are Pending without findings.
func (c *Compiled[E]) Plan(stage string, asOf calendar.Date) *Plan[E] {
	p := &Plan[E]{policy: c.policy, digest: c.digest, stage: stage, asOf: asOf}
	if !asOf.Valid() {
		return p
	}
	for i := range c.rules {
		r := &c.rules[i]
		if r.rule.inForce(asOf) && slices.Contains(r.rule.At, stage) {
			p.rules = append(p.rules, r.info)
			p.roots = append(p.roots, resolve(c.facts, c.index, r.rule.Require, asOf))
		}
	}
	return p
}
