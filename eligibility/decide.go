package eligibility

import (
	"math"
	"slices"

	"github.com/gelombang/gelombang/program/calendar"
)

// Decide asks every rule of a stage that is in force on asOf, the legal date. To
// decide about many people make a Plan once.
func (c *Compiled[E]) Decide(e *E, stage string, asOf calendar.Date) Decision {
	var d Decision
	c.Plan(stage, asOf).Decide(e, &d)
	return d
}

// Decide overwrites d with the decision about e, and uses its buffers again: what an
// earlier decision in d held is lost. With a nil e every rule is undecided.
//
// Any rule that fails makes it Ineligible; otherwise any undecided rule makes it
// Pending; otherwise it is Eligible.
func (p *Plan[E]) Decide(e *E, d *Decision) {
	d.Policy, d.Digest, d.Stage, d.AsOf = p.policy, p.digest, p.stage, p.asOf
	d.missing = d.missing[:0]
	if cap(d.Findings) < len(p.roots) {
		d.Findings = make([]Finding, len(p.roots))
	}
	d.Findings = d.Findings[:len(p.roots)]
	fails, undecided := 0, 0
	for i := range p.roots {
		f := &d.Findings[i]
		*f = Finding{rule: p.rules[i]}
		if e != nil {
			p.find(i, e, d, f)
		}
		switch f.Outcome {
		case Fail:
			fails++
		case Undecided:
			undecided++
		}
	}
	d.Verdict = verdict(len(p.roots), fails, undecided)
}

func (p *Plan[E]) find(i int, e *E, d *Decision, f *Finding) {
	start := len(d.missing)
	f.Outcome = p.roots[i].eval(e, d, f)
	if end := len(d.missing); end > start {
		f.Missing = d.missing[start:end:end]
	}
}

func verdict(rules, fails, undecided int) Verdict {
	switch {
	case fails > 0:
		return Ineligible
	case undecided > 0 || rules == 0:
		return Pending
	}
	return Eligible
}

// node is a condition resolved for one date: dates, ages and freshness are ranges
// of day numbers, codes are bits.
type node[E any] struct {
	op        op
	kind      kind
	fact      *fact[E]
	yes       bool
	low, high int64
	fresh     int64 // evidence observed before this day is expired; 0: never
	bits      []uint64
	of        []node[E]
}

func resolve[E any](facts []fact[E], index map[string]int, c Condition, asOf calendar.Date) node[E] {
	n := node[E]{op: c.op, yes: c.yes, low: c.low, high: c.high}
	for _, part := range c.of {
		n.of = append(n.of, resolve(facts, index, part, asOf))
	}
	if c.op >= opAll {
		return n
	}
	n.fact = &facts[index[c.fact]]
	n.kind = n.fact.kind
	if n.fact.kind == evidenceKind && n.fact.maxDays > 0 {
		n.fresh = dayOrder(asOf.AddDays(-n.fact.maxDays))
	}
	switch c.op {
	case opOnOrAfter:
		n.low, n.high = dayOrder(c.day), math.MaxInt64
	case opOnOrBefore:
		n.low, n.high = math.MinInt64, dayOrder(c.day)
	case opAgeAtLeast: // born so many years before, or earlier
		n.low, n.high = math.MinInt64, dayOrder(yearsBefore(asOf, c.low))
	case opAgeAtMost: // born after the day that makes one year more
		n.low, n.high = dayOrder(yearsBefore(asOf, c.high+1))+1, math.MaxInt64
	case opIn:
		n.bits = make([]uint64, len(n.fact.codes)/64+1)
		for _, code := range c.codes {
			i := n.fact.position[code]
			n.bits[i/64] |= 1 << (i % 64)
		}
	}
	return n
}

// yearsBefore keeps month and day, also for a 29 February that the year lacks: only
// the order counts, and there it lies between 28 February and 1 March.
func yearsBefore(d calendar.Date, years int64) calendar.Date {
	d.Year -= int(years)
	return d
}

func dayOrder(d calendar.Date) int64 {
	return int64(d.Year)<<9 | int64(d.Month)<<5 | int64(d.Day)
}

func (n *node[E]) eval(e *E, d *Decision, f *Finding) Outcome {
	if n.op < opAll {
		return n.compare(e, d, f)
	}
	if n.op == opNot {
		return opposite(n.of[0].eval(e, d, nil))
	}
	return n.count(e, d)
}

func opposite(o Outcome) Outcome {
	switch o {
	case Pass:
		return Fail
	case Fail:
		return Pass
	}
	return Undecided
}

// count decides all, any and at least n: each is a number of parts that must hold. It
// keeps the missing evidence only while that could still turn the outcome.
func (n *node[E]) count(e *E, d *Decision) Outcome {
	start := len(d.missing)
	hold, fail := 0, 0
	for i := range n.of {
		switch n.of[i].eval(e, d, nil) {
		case Pass:
			hold++
		case Fail:
			fail++
		}
	}
	need := len(n.of)
	switch n.op {
	case opAny:
		need = 1
	case opNOf:
		need = int(n.low)
	}
	switch {
	case hold >= need:
		d.missing = d.missing[:start]
		return Pass
	case len(n.of)-fail < need:
		d.missing = d.missing[:start]
		return Fail
	}
	return Undecided
}

func (n *node[E]) compare(e *E, d *Decision, f *Finding) Outcome {
	switch n.kind {
	case boolKind:
		v := n.fact.readBool(e)
		if v.status == known {
			return n.settle(f, v.value == n.yes, asNumber(v.value))
		}
		return n.without(d, v.status, v.cause)
	case evidenceKind:
		o := n.fact.readEvidence(e)
		if o.Value.status != unknown && n.fresh != 0 && dayOrder(o.On) < n.fresh {
			return n.without(d, unknown, Expired)
		}
		if o.Value.status == known {
			return n.settle(f, o.Value.value == n.yes, asNumber(o.Value.value))
		}
		return n.without(d, o.Value.status, o.Value.cause)
	case intKind, moneyKind:
		v := n.fact.readInt(e)
		if v.status == known {
			return n.settle(f, n.low <= v.value && v.value <= n.high, v.value)
		}
		return n.without(d, v.status, v.cause)
	case dateKind:
		v := n.fact.readDate(e)
		if v.status == known && !v.value.Valid() {
			return n.without(d, unknown, Conflicting)
		}
		if v.status == known {
			order := dayOrder(v.value)
			return n.settle(f, n.low <= order && order <= n.high, order)
		}
		return n.without(d, v.status, v.cause)
	}
	return n.compareCode(e, d, f)
}

func (n *node[E]) compareCode(e *E, d *Decision, f *Finding) Outcome {
	v := n.fact.readCode(e)
	if v.status != known {
		return n.without(d, v.status, v.cause)
	}
	at := n.position(v.value)
	if at < 0 {
		return n.without(d, unknown, Conflicting)
	}
	if f != nil {
		f.code = v.value
	}
	return n.settle(f, n.op == opIn && n.bits[at/64]&(1<<(at%64)) != 0, 0)
}

// settle is the outcome for a known value; f keeps the value of a rule that is one comparison.
func (n *node[E]) settle(f *Finding, holds bool, number int64) Outcome {
	if f != nil {
		f.number, f.hasActual = number, true
	}
	if holds || n.op == opKnown {
		return Pass
	}
	return Fail
}

// without is the outcome for a fact without a value.
func (n *node[E]) without(d *Decision, st status, why Cause) Outcome {
	if st == notApplicable {
		return Fail
	}
	d.missing = append(d.missing, Missing{Fact: n.fact.name, Source: n.fact.source, Cause: why})
	return Undecided
}

// position looks a code up, and returns -1 for one outside the dictionary. Short
// dictionaries are quicker to read through.
func (n *node[E]) position(code string) int {
	if len(n.fact.codes) <= 12 {
		return slices.Index(n.fact.codes, code)
	}
	if i, ok := n.fact.position[code]; ok {
		return i
	}
	return -1
}

func asNumber(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
