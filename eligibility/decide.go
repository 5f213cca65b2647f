package eligibility

import (
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
		row.forget()
	} else {
		p.read.read(e, row)
	}
	d.decide(row)
}

func (d *Decision) begin(p *plan) {
	d.Policy, d.Digest, d.Stage, d.AsOf = p.policy, p.digest, p.stage, p.asOf
	d.plan = p
	if d.row.get() == nil {
		d.row = veiled(new(Row))
	}
	d.row.get().begin(p.facts)
	d.bits = slices.Grow(d.bits[:0], len(p.words))[:len(p.words)]
}

// decide decides from what was read.
func (d *Decision) decide(row *Row) {
	d.plan.settle(row)
	d.Verdict = d.plan.run(row, d.bits)
}
