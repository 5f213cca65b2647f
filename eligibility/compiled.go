package eligibility

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/wording"
)

// Compiled is a policy ready to decide about an E. It keeps copies of all that it was
// made from, but for the functions that read facts, and may be used by any number of goroutines.
type Compiled[E any] struct {
	policy   Policy
	digest   string
	stages   []string
	zone     *time.Location
	schema   *Schema[E]
	facts    []fact[E]
	read     func(*E, *Row)
	about    *dictionaries
	editions []edition
	groups   [][]int
	infos    []*ruleInfo // of the rules without parameters
	texts    *wording.Catalogue
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
// reported, each a *Fault, joined. The policy's cases are not run: see Load.
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
	c := &Compiled[E]{policy: p, stages: slices.Clone(stages), schema: s, facts: slices.Clone(s.facts), read: s.read, about: s.known()}
	c.policy = p.clone()
	faults := append(slices.Concat(s.faults, s.checkReading()), c.about.checkPolicy(&p, stages)...)
	var textFaults []Fault
	c.texts, textFaults = compileTexts(c.about, &p, o.Texts)
	faults = append(faults, textFaults...)
	if c.texts != nil {
		faults = append(faults, p.checkBasisTexts(c.texts.Languages())...)
	}
	if len(faults) > 0 {
		return nil, joined(faults)
	}
	if err := c.prepare(); err != nil {
		return nil, err
	}
	return c, nil
}

// clone copies what the caller could change, without the cases.
func (p Policy) clone() Policy {
	p.Rules, p.Params, p.Cases = slices.Clone(p.Rules), slices.Clone(p.Params), nil
	for i := range p.Rules {
		p.Rules[i].At, p.Rules[i].Basis = slices.Clone(p.Rules[i].At), p.Rules[i].Basis.clone()
	}
	for i := range p.Params {
		p.Params[i].Basis = p.Params[i].Basis.clone()
	}
	return p
}

// checkBasisTexts: a policy without article that is worded by language is so in all of
// them.
func (p *Policy) checkBasisTexts(languages []string) []Fault {
	var faults []Fault
	check := func(b Basis, path string) {
		if b.Policies == nil {
			return
		}
		for _, lang := range languages {
			if b.Policies[lang] == "" {
				faults = append(faults, Fault{path + ".basis.policy", "texts", "is missing in " + quote(lang)})
			}
		}
		for lang := range b.Policies {
			if !slices.Contains(languages, lang) {
				faults = append(faults, Fault{path + ".basis.policy", "texts", quote(lang) + " is not a language of the texts"})
			}
		}
	}
	for i := range p.Rules {
		check(p.Rules[i].Basis, "rules"+at(i))
	}
	for i := range p.Params {
		check(p.Params[i].Basis, "params"+at(i))
	}
	return faults
}

// prepare does what is the same for every plan.
func (c *Compiled[E]) prepare() error {
	var err error
	if c.digest, err = c.about.digest(&c.policy); err != nil {
		return joined([]Fault{{"policy", "json", err.Error()}})
	}
	if c.zone, err = calendar.Zone(c.policy.Zone); err != nil {
		return joined([]Fault{{"zone", "zone", err.Error()}})
	}
	c.editions = c.policy.ruleEditions()
	c.groups = byCode(c.editions)
	var faults []Fault
	for i := range c.policy.Rules {
		if c.policy.Rules[i].Repeal {
			c.infos = append(c.infos, &ruleInfo{})
			continue
		}
		info, err := c.info(i, calendar.Date{}, calendar.Date{})
		if err != nil {
			faults = append(faults, Fault{"rules" + at(i), "texts", err.Error()})
		}
		c.infos = append(c.infos, info)
	}
	return joined(faults)
}

// info describes a rule with its parameters of a day. A rule without any is
// described once.
func (c *Compiled[E]) info(i int, legal, known calendar.Date) (*ruleInfo, error) {
	r := &c.policy.Rules[i]
	if i < len(c.infos) && !c.infos[i].byParam() {
		return c.infos[i], nil
	}
	info := &ruleInfo{code: r.Code, severity: r.Severity, basis: r.Basis, require: r.Require}
	if settled, used, ok := c.policy.settled(r.Require, legal, known); ok {
		info.require, info.params = settled, used
	}
	info.facts = c.about.lookedAt(r.Require)
	var err error
	info.texts, err = renderRule(c.about, c.texts, info)
	return info, err
}

// lookedAt returns the facts that a condition looks at, each once.
func (d *dictionaries) lookedAt(c Condition) []uint8 {
	var facts []uint8
	add := func(i uint8) {
		if !slices.Contains(facts, i) {
			facts = append(facts, i)
		}
	}
	c.leaves(func(leaf *Condition) {
		i := uint8(d.index[leaf.fact])
		if d.facts[i].kind != goKind {
			add(i)
		}
		for _, asked := range d.facts[i].asks {
			add(asked)
		}
	})
	return facts
}

func (r *ruleInfo) byParam() bool {
	found := len(r.params) > 0
	r.require.leaves(func(leaf *Condition) { found = found || leaf.param != "" })
	return found
}

// Digest is the SHA-256, in hex, of the canonical JSON of the policy without its cases
// and of the facts it uses, with their sources and how old an answer may be. Two
// policies with one digest decide alike, given getters that do.
func (c *Compiled[E]) Digest() string { return c.digest }

// LegalDate returns the day that a calendar in the policy's zone shows at an instant.
func (c *Compiled[E]) LegalDate(at time.Time) calendar.Date { return calendar.DateOf(at, c.zone) }

func (d *dictionaries) digest(p *Policy) (string, error) {
	facts := map[string]any{}
	for i := range p.Rules {
		if p.Rules[i].Repeal {
			continue
		}
		p.Rules[i].Require.leaves(func(leaf *Condition) { d.describe(d.index[leaf.fact], facts) })
	}
	tree := p.tree()
	delete(tree, "cases")
	data, err := canonical(map[string]any{"facts": facts, "policy": tree})
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), err
}

func (d *dictionaries) describe(i int, facts map[string]any) {
	f := &d.facts[i]
	about := map[string]any{"kind": kinds[f.kind]}
	if len(f.codes) > 0 {
		about["codes"] = codeSet(f.codes)
	}
	if f.currency.Code != "" {
		about["currency"], about["digits"] = f.currency.Code, f.currency.Digits
	}
	if f.source != "" {
		about["source"], about["max_days"] = f.source, f.maxDays
	}
	facts[f.name] = about
	asks := []string{}
	for _, named := range f.asks {
		asks = append(asks, d.facts[named].name)
		d.describe(int(named), facts)
	}
	if f.kind == goKind {
		about["facts"] = asks
	}
}

// plan resolves the rules of a stage for a day.
func (c *Compiled[E]) plan(stage string, legal, known calendar.Date) *plan {
	p := &plan{policy: c.policy.Name, digest: c.digest, stage: stage, asOf: legal, facts: c.about}
	if !legal.Valid() {
		return p
	}
	b := newBuilder()
	for _, group := range c.groups {
		i := choose(pick(c.editions, group), legal, known)
		if i < 0 {
			continue
		}
		if !slices.Contains(c.policy.Rules[group[i]].At, stage) { // a repeal is at none
			continue
		}
		info, _ := c.info(group[i], legal, known) // only its texts can fail, and prepare has tried them
		node := b.add(c.about, info.require, legal, false)
		p.rules, p.roots = append(p.rules, info), append(p.roots, node)
	}
	p.program = b.finish(p.roots)
	p.births = p.noneBornLater(legal)
	p.latest = dayOrder(legal)
	var bars []int32
	for i, info := range p.rules {
		if info.severity == Bar {
			bars = append(bars, p.roots[i])
		}
	}
	p.layout = newLayout(&p.program, c.about, bars)
	p.reads = p.readBy(c.about)
	p.named = c.about.factsName(p.reads)
	for _, i := range p.reads {
		if c.about.facts[i].kind == goKind {
			p.byGo = append(p.byGo, i)
		}
	}
	return p
}
