package eligibility

import (
	"math/bits"
	"slices"

	"github.com/gelombang/gelombang/program/calendar"
)

// Plan is the rules of one stage in force on one day, with every age, every freshness
// and every parameter turned into a number. It decides without allocating. It may
// be used by any number of goroutines, each with its own Decision.
type Plan[E any] struct {
	*plan
	schema *Schema[E]
	read   *readers[E]
}

// Plan returns the rules of the stage that are in force on the legal date, as they
// are known last. Without any, as for a stage or a date that does not exist, its
// decisions are Pending without findings.
func (c *Compiled[E]) Plan(stage string, legal calendar.Date) *Plan[E] {
	return c.PlanKnown(stage, legal, calendar.Date{})
}

// PlanKnown is Plan with the editions of rules and parameters that were known on a
// day. A zero known is the last of all. It chooses rules, not evidence: what sources
// have said since counts, unless the decision is made from a snapshot (DecideFacts).
func (c *Compiled[E]) PlanKnown(stage string, legal, known calendar.Date) *Plan[E] {
	p := c.plan(stage, legal, known)
	return &Plan[E]{p, c.schema, newReaders(c.facts, c.read, p.reads, legal)}
}

// Decide asks every rule of a stage that is in force on the legal date. To decide
// about many people make a Plan once.
func (c *Compiled[E]) Decide(e *E, stage string, legal calendar.Date) Decision {
	var d Decision
	c.Plan(stage, legal).Decide(e, &d)
	return d
}

// Decide overwrites d with the decision about e, and uses its buffers again. With a
// nil e every rule is undecided.
//
// Any rule that fails makes it Ineligible; otherwise any undecided rule makes it
// Pending; otherwise it is Eligible. Notices do not count.
func (p *Plan[E]) Decide(e *E, d *Decision) {
	if d.plan != p.plan {
		d.begin(p.plan)
	}
	row := d.row.get()
	if e == nil {
		clear(row.cells)
	} else {
		p.read.read(e, row)
	}
	d.decide()
}

func (d *Decision) begin(p *plan) {
	d.Policy, d.Digest, d.Stage, d.AsOf = p.policy, p.digest, p.stage, p.asOf
	d.plan = p
	if d.row.get() == nil {
		d.row = veiled(new(Row))
	}
	row := d.row.get()
	row.begin(p.facts, slices.Grow(row.cells[:0], len(p.facts.facts))[:len(p.facts.facts)])
	words := p.nodes()/64 + 1
	d.pass = slices.Grow(d.pass[:0], words)[:words]
	d.fail = slices.Grow(d.fail[:0], words)[:words]
}

// decide decides from what was read.
func (d *Decision) decide() {
	row := d.row.get()
	d.plan.settle(row)
	d.Verdict = d.plan.run(row.cells, d.pass, d.fail)
}

// run evaluates every node for one person's cells, into two bitsets of the nodes.
func (p *plan) run(cells []cell, pass, fail []uint64) Verdict {
	for i := range p.words {
		w := &p.words[i]
		hit, miss := compareAll(w.tests, cells)
		pass[i], fail[i] = hit&w.plain|miss&w.negated, miss&w.plain|hit&w.negated
	}
	for i := range p.combos {
		node := uint(len(p.tests) + i)
		o := uint64(p.combos[i].outcome(pass, fail))
		pass[node/64] |= o & 1 << (node % 64)
		fail[node/64] |= o >> 1 << (node % 64)
	}
	return p.verdict(pass, fail)
}

// testWord is 64 nodes, laid out for one person: their comparisons, and which of
// them pass where they hold, or where they do not.
type testWord struct {
	tests          []comparison
	plain, negated uint64
}

type comparison struct {
	low  int64
	span uint64
	fact int32
	odd  *test // not a range
}

// words lays the tests out. There is a word for every 64 nodes.
func (p *program) testWords() []testWord {
	words := make([]testWord, p.nodes()/64+1)
	for i := range p.tests {
		t, w := &p.tests[i], &words[i/64]
		c := comparison{t.low, t.span, t.fact, nil}
		if t.kind != inRange {
			c.odd = t
		}
		w.tests = append(w.tests, c)
		switch t.out[holds] {
		case Pass:
			w.plain |= 1 << (i % 64)
		case Fail:
			w.negated |= 1 << (i % 64)
		}
	}
	return words
}

// compareAll says of up to 64 comparisons which hold, and which do not: those of a
// fact that is unknown do neither.
func compareAll(tests []comparison, cells []cell) (hit, miss uint64) {
	for i := len(tests) - 1; i >= 0; i-- {
		t := &tests[i]
		c := &cells[t.fact]
		var in uint64
		if uint64(c.n-t.low) <= t.span {
			in = 1
		}
		if t.odd != nil {
			in = uint64(asNumber(t.odd.holds(c.n)))
		}
		is := uint64(c.state)
		in &= is & 1
		hit, miss = hit<<1|in, miss<<1|(is&1^in)|is>>1
	}
	return hit, miss
}

func (c *combo) outcome(pass, fail []uint64) Outcome {
	hold, not := 0, 0
	for _, m := range c.set {
		hold += bits.OnesCount64(pass[m.word] & m.mask)
		not += bits.OnesCount64(fail[m.word] & m.mask)
	}
	if hold >= c.need {
		return Pass
	}
	if len(c.of)-not < c.need {
		return Fail
	}
	return Undecided
}

func (p *plan) verdict(pass, fail []uint64) Verdict {
	var failed, missing uint64
	for _, m := range p.bars {
		failed |= fail[m.word] & m.mask
		missing |= m.mask &^ pass[m.word]
	}
	switch {
	case failed != 0:
		return Ineligible
	case missing == 0 && len(p.bars) > 0:
		return Eligible
	}
	return Pending
}
