package eligibility

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	"github.com/gelombang/gelombang/program/calendar"
)

// Case is an example that a policy carries: what one rule says of someone of whom
// only the given facts are known. A file of rules is only as good as its cases.
//
// Facts are values by name, as JSON has them: true, 17 (a number, or minor units),
// "2002-08-08", "seeker", ["a", "b"]. A rule in Go is asked, from the facts that it
// names. An object
// {"value": true, "on": "2020-08-01"} says when the source was asked (otherwise on
// the legal date), {"unknown": "source-down"} why there is no value,
// {"not_applicable": true} that there is none to have.
type Case struct {
	Rule  string
	At    string        // the stage
	AsOf  calendar.Date // the legal date
	Known calendar.Date // see Compiled.PlanKnown
	Facts map[string]any
	Want  Outcome
}

func (c *Case) tree() any {
	tree := map[string]any{"rule": c.Rule, "at": c.At, "as_of": c.AsOf.String(), "facts": c.Facts, "want": c.Want.String()}
	if c.Facts == nil {
		tree["facts"] = map[string]any{}
	}
	if !c.Known.IsZero() {
		tree["known"] = c.Known.String()
	}
	return tree
}

// Load reads a policy file: ParsePolicy, then Compile, and then its cases. Each edition of
// each rule has at least one case that passes, one that fails and one that is
// unknown, each edition of a parameter in each edition of a rule that names it has one
// that passes and one that fails, and all cases come out as they say. All faults of
// the first of these steps that finds any are reported, each a *Fault, joined.
func Load[E any](s *Schema[E], data []byte, o *Options) (*Compiled[E], error) {
	p, err := ParsePolicy(data)
	if err != nil {
		return nil, err
	}
	c, err := Compile(s, p, o)
	if err != nil {
		return nil, err
	}
	if faults := c.runCases(p.Cases); len(faults) > 0 {
		return nil, joined(faults)
	}
	return c, nil
}

func (c *Compiled[E]) runCases(cases []Case) []Fault {
	var faults []Fault
	proved := map[proof]bool{}
	for i := range cases {
		path := "cases" + at(i)
		rule, got, fault := c.runCase(&cases[i], path)
		switch {
		case fault != nil:
			faults = append(faults, *fault)
		case got != cases[i].Want:
			faults = append(faults, Fault{path, "case", quote(cases[i].Rule) + " comes out as " + got.String() + ", not " + cases[i].Want.String()})
		default:
			proved[proof{rule, -1, got}] = true
			for _, param := range c.policy.chosen(rule, cases[i].AsOf, cases[i].Known) {
				proved[proof{rule, param, got}] = true
			}
		}
	}
	for i := range c.policy.Rules {
		if !c.policy.Rules[i].Repeal {
			faults = append(faults, c.policy.unproved(i, proved)...)
		}
	}
	return faults
}

// proof is that an edition of a rule, with an edition of a parameter or (-1) with any,
// comes out in one way.
type proof struct {
	rule, param int
	got         Outcome
}

// chosen returns the editions of the parameters of a rule that are in force.
func (p *Policy) chosen(rule int, legal, known calendar.Date) []int {
	var params []int
	p.Rules[rule].Require.leaves(func(leaf *Condition) {
		editions, which := p.editionsOf(leaf.param)
		if i := choose(editions, legal, known); i >= 0 {
			params = append(params, which[i])
		}
	})
	return params
}

// unproved reports what no case shows of an edition of a rule.
func (p *Policy) unproved(rule int, proved map[proof]bool) []Fault {
	var faults []Fault
	path, r := "rules"+at(rule), &p.Rules[rule]
	for _, o := range []Outcome{Pass, Fail, Undecided} {
		if !proved[proof{rule, -1, o}] {
			faults = append(faults, Fault{path, "case", quote(r.Code) + " has no case that is " + o.String()})
		}
	}
	if len(faults) > 0 {
		return faults
	}
	var seen []int
	own := r.edition()
	r.Require.leaves(func(leaf *Condition) {
		editions, which := p.editionsOf(leaf.param)
		for i, param := range which {
			if slices.Contains(seen, param) || !own.meets(&editions[i]) {
				continue
			}
			seen = append(seen, param)
			for _, o := range []Outcome{Pass, Fail} {
				if !proved[proof{rule, param, o}] {
					faults = append(faults, Fault{"params" + at(param), "case", quote(r.Code) + " has no case with this edition that is " + o.String()})
				}
			}
		}
	})
	return faults
}

// runCase returns which edition of the rule was asked, and what it says.
func (c *Compiled[E]) runCase(k *Case, path string) (rule int, got Outcome, fault *Fault) {
	plan := c.plan(k.At, k.AsOf, k.Known)
	var d Decision
	d.begin(plan)
	row := d.row.get()
	for name, value := range k.Facts {
		f, ok := c.about.index[name]
		if !ok {
			return 0, 0, &Fault{path + ".facts", "fact", "there is no fact " + quote(name)}
		}
		var read cell
		if err := c.about.facts[f].readValue(value, k.AsOf, &read); err != nil {
			return 0, 0, &Fault{path + ".facts." + name, "value", err.Error()}
		}
		row.put(uint8(f), read)
	}
	d.decide(row)
	for i := range d.Len() {
		if d.Rule(i) == k.Rule {
			return c.editionAt(k), d.Outcome(i), nil
		}
	}
	return 0, 0, &Fault{path + ".rule", "rule", quote(k.Rule) + " is not asked at that stage on that day"}
}

func (c *Compiled[E]) editionAt(k *Case) int {
	for _, group := range c.groups {
		if c.editions[group[0]].code == k.Rule {
			return group[choose(pick(c.editions, group), k.AsOf, k.Known)]
		}
	}
	return 0
}

// readValue reads a fact's value of a case.
func (a *about) readValue(tree any, asOf calendar.Date, to *cell) error {
	if a.kind == goKind {
		return errors.New("a rule in Go decides from the facts that it names")
	}
	on := dayOrder(asOf)
	fresh := a.freshFrom(asOf)
	if object, ok := tree.(map[string]any); ok {
		if done, err := readState(object, on, to); done || err != nil {
			return err
		}
		day, ok := object["on"].(string)
		date, err := calendar.Parse(day)
		if !ok || err != nil || object["value"] == nil || len(object) != 2 {
			return errors.New(`an object has "value" and "on", or "unknown", or "not_applicable"`)
		}
		tree, on = object["value"], dayOrder(date)
	}
	n, err := a.number(tree)
	*to = cell{n: n, on: on, state: known}
	if errors.Is(err, errConflicting) {
		*to, err = cell{on: on, state: unknown(Conflicting)}, nil
	}
	to.expire(fresh)
	return err
}

func readState(object map[string]any, on int32, to *cell) (done bool, err error) {
	if why, ok := object["unknown"].(string); ok && len(object) == 1 {
		for i, cause := range causes {
			if cause == why {
				*to = cell{on: on, state: unknown(Cause(i))}
				return true, nil
			}
		}
		return false, errors.New("there is no cause " + quote(why))
	}
	if object["not_applicable"] == true && len(object) == 1 {
		*to = cell{on: on, state: notApplicable}
		return true, nil
	}
	return false, nil
}

var errConflicting = errors.New("a code is not in the dictionary")

// number reads a value of the fact's kind as a cell keeps it.
func (a *about) number(tree any) (int64, error) {
	wrong := errors.New("is not a " + kinds[a.kind])
	switch v := tree.(type) {
	case bool:
		if a.kind == boolKind {
			return asNumber(v), nil
		}
	case json.Number:
		if a.kind == intKind || a.kind == moneyKind {
			return v.Int64()
		}
	case int:
		if a.kind == intKind || a.kind == moneyKind {
			return int64(v), nil
		}
	case string:
		return a.text(v, wrong)
	case []any:
		return a.set(v, wrong)
	}
	return 0, wrong
}

func (a *about) text(text string, wrong error) (int64, error) {
	switch a.kind {
	case dateKind:
		day, err := calendar.Parse(text)
		return int64(dayOrder(day)), err
	case codeKind:
		if i := a.positionOf(text); i >= 0 {
			return int64(i), nil
		}
		return 0, errConflicting
	}
	return 0, wrong
}

func (a *about) set(list []any, wrong error) (int64, error) {
	if a.kind != codesKind {
		return 0, wrong
	}
	var set uint64
	for i, item := range list {
		code, ok := item.(string)
		if !ok {
			return 0, errors.New("code " + strconv.Itoa(i) + " is not a text")
		}
		at := a.positionOf(code)
		if at < 0 {
			return 0, errConflicting
		}
		set |= 1 << (at & 63)
	}
	return int64(set), nil
}
