package eligibility

import (
	"math"
	"slices"

	"github.com/gelombang/gelombang/program/calendar"
)

// settled returns a condition with the values of its parameters in force in place
// of their names, and those parameters. ok is false if one is not in force.
func (p *Policy) settled(c Condition, legal, known calendar.Date) (out Condition, used []Param, ok bool) {
	out, ok = c, true
	if len(c.of) > 0 {
		out.of = make([]Condition, len(c.of))
	}
	for i, part := range c.of {
		var more []Param
		var fine bool
		out.of[i], more, fine = p.settled(part, legal, known)
		ok = ok && fine
		for _, each := range more {
			if !slices.ContainsFunc(used, func(p Param) bool { return p.Name == each.Name }) {
				used = append(used, each)
			}
		}
	}
	if c.param == "" {
		return out, used, ok
	}
	editions, which := p.editionsOf(c.param)
	i := choose(editions, legal, known)
	if i < 0 {
		return out, nil, false
	}
	param := p.Params[which[i]]
	return withLimit(c, param.Value, param.Currency), []Param{param}, ok
}

func (p *Policy) editionsOf(name string) (editions []edition, which []int) {
	for i := range p.Params {
		if p.Params[i].Name == name {
			editions, which = append(editions, p.Params[i].edition()), append(which, i)
		}
	}
	return editions, which
}

// withLimit puts a limit in the place of a parameter's name.
func withLimit(c Condition, n int64, currency string) Condition {
	c.param, c.currency = "", currency
	c.low, c.high = n, n
	switch c.op {
	case opAtLeast:
		c.high = math.MaxInt64
	case opAtMost:
		c.low = math.MinInt64
	case opAgeAtLeast:
		c.high = 0
	case opAgeAtMost:
		c.low = 0
	}
	return c
}

// checkParams: the parameters that a rule names exist, fit where they stand, and are
// in force as long as the rule is, at every day at which something became known.
func (d *dictionaries) checkParams(p *Policy, rule int) []Fault {
	var faults []Fault
	path := "rules" + at(rule)
	var names []string
	p.Rules[rule].Require.leaves(func(leaf *Condition) {
		if leaf.param == "" {
			return
		}
		_, which := p.editionsOf(leaf.param)
		if len(which) == 0 {
			faults = append(faults, Fault{path + ".require", "param", "there is no parameter " + quote(leaf.param)})
			return
		}
		for _, i := range which {
			limit := withLimit(*leaf, p.Params[i].Value, p.Params[i].Currency)
			for _, f := range d.checkForm(limit, "params"+at(i)+".value", 0) {
				f.Detail += ", asked by " + quote(p.Rules[rule].Code)
				faults = append(faults, f)
			}
		}
		if !slices.Contains(names, leaf.param) {
			names = append(names, leaf.param)
		}
	})
	for _, name := range names {
		if p.hasGap(rule, name) {
			faults = append(faults, Fault{path, "gap", "the parameter " + quote(name) + " is not in force for as long as the rule"})
		}
	}
	return faults
}

func (p *Policy) hasGap(rule int, name string) bool {
	editions, _ := p.editionsOf(name)
	own := p.Rules[rule].edition()
	legals, knowns := []calendar.Date{own.from}, []calendar.Date{orFirst(own.known)}
	for _, e := range editions {
		legals = append(legals, e.from, e.until)
		knowns = append(knowns, orFirst(e.known))
	}
	for _, known := range knowns {
		if known.Before(own.known) {
			continue
		}
		for _, legal := range legals {
			inForce := !legal.Before(own.from) && (own.until.IsZero() || legal.Before(own.until))
			if inForce && choose(editions, legal, known) < 0 {
				return true
			}
		}
	}
	return false
}

// orFirst: a zero day at which something became known stands for the first of all.
func orFirst(d calendar.Date) calendar.Date {
	if d.IsZero() {
		return calendar.Of(1, 1, 1)
	}
	return d
}
