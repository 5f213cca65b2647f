package eligibility

import (
	"math"
	"slices"

	"github.com/gelombang/gelombang/program/calendar"
)

// checkConstant refuses a rule that can never fail or never pass whatever is known
// of a person. It is exact: parts of a combination that share no fact are looked at
// one by one, and of those that do all relevant values are tried.
func (d *dictionaries) checkConstant(p *Policy, rule int) []Fault {
	r := &p.Rules[rule]
	path := "rules" + at(rule) + ".require"
	var last Fault
	constant := 0
	days := p.samples(r)
	for _, day := range days {
		settled, used, ok := p.settled(r.Require, day, calendar.Date{})
		if !ok {
			continue // an edition that another has replaced by then
		}
		b := newBuilder()
		roots := []int32{b.add(d, settled, day, false)}
		b.finish(roots)
		x := explorer{d, &b.program}
		fewest, most, fine := x.holds(roots)
		switch {
		case !fine:
			return []Fault{{path, "size", "its parts share too many facts to be checked; make it several rules"}}
		case most == 0:
			last = Fault{path, "constant", "can never pass"}
		case fewest == 1:
			last = Fault{path, "constant", "can never fail"}
		default:
			if len(used) == 0 {
				return nil
			}
			continue
		}
		if len(used) > 0 {
			last.Detail += " with its parameters on " + day.String()
			return []Fault{last}
		}
		constant++
	}
	if constant > 0 {
		return []Fault{last}
	}
	return nil
}

// samples are the days on which a rule is looked at: its first and last, and those on
// which a parameter changes.
func (p *Policy) samples(r *Rule) []calendar.Date {
	first, last := calendar.Of(2000, 1, 1), calendar.Of(2199, 12, 31)
	if !r.From.IsZero() {
		first = r.From
	}
	if !r.Until.IsZero() {
		last = r.Until.AddDays(-1)
		if r.From.IsZero() {
			first = last
		}
	}
	days := []calendar.Date{first, last}
	r.Require.leaves(func(leaf *Condition) {
		editions, _ := p.editionsOf(leaf.param)
		for _, e := range editions {
			if first.Before(e.from) && e.from.Before(last) {
				days = append(days, e.from)
			}
		}
	})
	return days
}

// explorer finds what a program can come to when everything is known.
type explorer struct {
	d *dictionaries
	*program
}

// holds returns the least and the greatest number of the nodes that can hold together.
// fine is false when there is too much to try.
func (x explorer) holds(nodes []int32) (fewest, most int, fine bool) {
	for _, group := range x.entangled(nodes) {
		low, high, ok := 0, 0, true
		switch {
		case len(group) == 1 && int(group[0]) < len(x.tests):
			low, high, ok = x.tryAll(group)
		case len(group) == 1:
			c := &x.combos[int(group[0])-len(x.tests)]
			few, many, fineParts := x.holds(c.of)
			low, high, ok = int(asNumber(few >= c.need)), int(asNumber(many >= c.need)), fineParts
		default:
			low, high, ok = x.tryAll(group)
		}
		if !ok {
			return 0, 0, false
		}
		fewest, most = fewest+low, most+high
	}
	return fewest, most, true
}

// entangled puts nodes that share a fact, also by way of others, together.
func (x explorer) entangled(nodes []int32) [][]int32 {
	type group struct {
		nodes []int32
		facts map[int32]bool
	}
	var groups []group
	for _, n := range nodes {
		now := group{[]int32{n}, map[int32]bool{}}
		x.factsOf(n, now.facts)
		var rest []group
		for _, g := range groups {
			if !share(g.facts, now.facts) {
				rest = append(rest, g)
				continue
			}
			now.nodes = append(g.nodes, now.nodes...)
			for f := range g.facts {
				now.facts[f] = true
			}
		}
		groups = append(rest, now)
	}
	out := make([][]int32, len(groups))
	for i := range groups {
		out[i] = groups[i].nodes
	}
	return out
}

func share(a, b map[int32]bool) bool {
	for f := range a {
		if b[f] {
			return true
		}
	}
	return false
}

func (x explorer) factsOf(node int32, facts map[int32]bool) {
	x.testsOf(node, func(t *test) { facts[t.fact] = true })
}

func (x explorer) testsOf(node int32, each func(*test)) {
	if int(node) < len(x.tests) {
		each(&x.tests[node])
		return
	}
	for _, part := range x.combos[int(node)-len(x.tests)].of {
		x.testsOf(part, each)
	}
}

const mostTried = 1 << 15

// tryAll tries every combination of the values that matter.
func (x explorer) tryAll(nodes []int32) (fewest, most int, fine bool) {
	asked := map[int32][]*test{}
	for _, n := range nodes {
		x.testsOf(n, func(t *test) { asked[t.fact] = append(asked[t.fact], t) })
	}
	var facts []int32
	var values [][]cell
	tries := 1
	for f, tests := range asked {
		facts, values = append(facts, f), append(values, valuesFor(&x.d.facts[f], tests))
		if tries *= len(values[len(values)-1]); tries > mostTried {
			return 0, 0, false
		}
	}
	cells := make([]cell, len(x.d.facts))
	fewest = math.MaxInt
	for try := range tries {
		for i, f := range facts {
			cells[f] = values[i][try%len(values[i])]
			try /= len(values[i])
		}
		hold := 0
		for _, n := range nodes {
			if x.outcome(n, cells) == Pass {
				hold++
			}
		}
		fewest, most = min(fewest, hold), max(most, hold)
	}
	return fewest, most, true
}

func (x explorer) outcome(node int32, cells []cell) Outcome {
	if int(node) < len(x.tests) {
		return x.tests[node].outcome(&cells[x.tests[node].fact])
	}
	c := &x.combos[int(node)-len(x.tests)]
	hold := 0
	for _, part := range c.of {
		if x.outcome(part, cells) == Pass {
			hold++
		}
	}
	if hold >= c.need {
		return Pass
	}
	return Fail
}

// valuesFor returns values of a fact, one at least for every way in which the tests
// can come out. That the fact does not apply matters where a test asks for no more
// than that it is known.
func valuesFor(f *about, tests []*test) []cell {
	var cells []cell
	add := func(n int64) {
		c := cell{n: n, on: afterAllDays, state: known}
		if !slices.Contains(cells, c) {
			cells = append(cells, c)
		}
	}
	switch f.kind {
	case boolKind, goKind:
		add(0)
		add(1)
	case codeKind:
		for i := range f.codes {
			add(int64(i))
		}
		cells = distinct(cells, tests)
	case codesKind:
		addSets(f, tests, add)
		cells = distinct(cells, tests)
	default:
		add(middle(f.kind))
		for _, t := range tests {
			addEdges(f.kind, t, add)
		}
	}
	if slices.ContainsFunc(tests, func(t *test) bool { return t.kind == inRange && t.span == math.MaxUint64 }) {
		cells = append(cells, cell{on: afterAllDays, state: notApplicable})
	}
	return cells
}

func middle(k kind) int64 {
	if k == dateKind {
		return int64(dayOrder(calendar.Of(2000, 1, 1)))
	}
	return 0
}

// addEdges adds the values at and beside both ends of a test's range.
func addEdges(k kind, t *test, add func(int64)) {
	low, high := t.low, int64(uint64(t.low)+t.span)
	for _, end := range []int64{low, high} {
		if k == dateKind {
			addDays(end, add)
			continue
		}
		add(end)
		if end > math.MinInt64 {
			add(end - 1)
		}
		if end < math.MaxInt64 {
			add(end + 1)
		}
	}
}

func addDays(order int64, add func(int64)) {
	day := dayOf(order)
	for _, n := range []int{-2, -1, 0, 1, 2} {
		if near := day.AddDays(n); near.Valid() {
			add(int64(dayOrder(near)))
		}
	}
}

// addSets adds sets of codes: of each group of codes that all tests treat alike
// none, one, or all.
func addSets(f *about, tests []*test, add func(int64)) {
	alike := map[string]uint64{}
	for i := range f.codes {
		var in []byte
		for _, t := range tests {
			in = append(in, byte('0'+t.span>>i&1))
		}
		alike[string(in)] |= 1 << i
	}
	sets := []uint64{0}
	for _, group := range alike {
		for _, set := range sets[:len(sets):len(sets)] {
			sets = append(sets, set|group, set|group&-group)
		}
		if len(sets) > mostTried {
			break // tryAll finds it too much
		}
	}
	for _, set := range sets {
		add(int64(set))
	}
}

// distinct keeps one of the values with which all tests come out alike.
func distinct(cells []cell, tests []*test) []cell {
	seen := map[string]bool{}
	var kept []cell
	for _, c := range cells {
		var outcomes []byte
		for _, t := range tests {
			outcomes = append(outcomes, byte(t.outcome(&c)))
		}
		if !seen[string(outcomes)] {
			seen[string(outcomes)] = true
			kept = append(kept, c)
		}
	}
	return kept
}
