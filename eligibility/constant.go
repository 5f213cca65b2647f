package eligibility

import (
	"math"
	"slices"

	"github.com/gelombang/gelombang/program/calendar"
)

// checkConstant refuses a rule that can never fail or never pass whatever is known
// of a person, in its whole period or in that of one edition of its parameters. A period
// is looked at on its first and last day, and where the ages in it meet its dates: in
// between nothing new comes up. On a day parts of a combination that share no fact are
// looked at one by one, and of those that do all relevant values are tried.
func (d *dictionaries) checkConstant(p *Policy, rule int) []Fault {
	r := &p.Rules[rule]
	path := "rules" + at(rule) + ".require"
	for _, period := range p.periods(r) {
		settled, used, ok := p.settled(r.Require, period.from, calendar.Date{})
		if !ok {
			continue // an edition that another has replaced by then
		}
		detail := ""
		days, all := meetings(settled, period)
		for _, day := range days {
			b := newBuilder()
			roots := []int32{b.add(d, settled, day, false)}
			b.finish(roots)
			b.noneBornLater(day)
			x := explorer{d, &b.program}
			fewest, most, fine := x.holds(roots)
			if !fine {
				return []Fault{{path, "size", "its parts share too many facts to be checked; make it several rules"}}
			}
			if most == 1 && fewest == 0 {
				detail = ""
				break
			}
			detail = "can never pass"
			if fewest == 1 {
				detail = "can never fail"
			}
		}
		if detail == "" || !all {
			continue
		}
		if len(used) > 0 {
			detail += " with its parameters from " + period.from.String()
		}
		return []Fault{{path, "constant", detail}}
	}
	return nil
}

// periods cut a rule's period where one of its parameters changes. A rule without a
// beginning or an end is looked at for two hundred years. (until is the last day here.)
func (p *Policy) periods(r *Rule) []edition {
	first, last := r.From, calendar.Of(2199, 12, 31)
	if !r.Until.IsZero() {
		last = r.Until.AddDays(-1)
	}
	if first.IsZero() {
		first = earlier(calendar.Of(2000, 1, 1), last.AddMonths(-12*200))
	}
	starts := []calendar.Date{first}
	r.Require.leaves(func(leaf *Condition) {
		editions, _ := p.editionsOf(leaf.param)
		for _, e := range editions {
			for _, day := range []calendar.Date{e.from, e.until} {
				if first.Before(day) && !last.Before(day) {
					starts = append(starts, day)
				}
			}
		}
	})
	slices.SortFunc(starts, calendar.Date.Compare)
	starts = slices.Compact(starts)
	periods := make([]edition, len(starts))
	for i, start := range starts {
		periods[i] = edition{from: start, until: last}
		if i+1 < len(starts) {
			periods[i].until = starts[i+1].AddDays(-1)
		}
	}
	return periods
}

func earlier(a, b calendar.Date) calendar.Date {
	if b.Valid() && b.Before(a) {
		return b
	}
	return a
}

// meetings are the days of a period on which it may change what a condition can come
// to: the first and the last, and those on which somebody born at one of its dates reaches
// one of its ages. all is false when those are too many to look at.
func meetings(c Condition, period edition) (days []calendar.Date, all bool) {
	days = []calendar.Date{period.from, period.until}
	ages, dates := map[int]bool{0: true}, map[calendar.Date]bool{}
	c.leaves(func(leaf *Condition) {
		switch leaf.op {
		case opAgeAtLeast:
			ages[int(leaf.low)] = true
		case opAgeAtMost:
			ages[int(leaf.high)+1] = true
		case opOnOrAfter, opOnOrBefore:
			dates[leaf.day] = true
		}
	})
	if len(ages) == 1 { // no age is asked: every day is like another
		return days, true
	}
	if len(dates)*len(ages) > 1000 {
		return days, false
	}
	for date := range dates {
		for age := range ages {
			reached := date.AddMonths(12 * age)
			for _, near := range []int{-2, -1, 0, 1, 2} {
				day := reached.AddDays(near)
				if !day.Before(period.from) && !period.until.Before(day) {
					days = append(days, day)
				}
			}
		}
	}
	return days, true
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
		facts map[uint8]bool
	}
	var groups []group
	for _, n := range nodes {
		now := group{[]int32{n}, map[uint8]bool{}}
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

func share(a, b map[uint8]bool) bool {
	for f := range a {
		if b[f] {
			return true
		}
	}
	return false
}

func (x explorer) factsOf(node int32, facts map[uint8]bool) {
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
	asked := map[uint8][]*test{}
	for _, n := range nodes {
		x.testsOf(n, func(t *test) { asked[t.fact] = append(asked[t.fact], t) })
	}
	var facts []uint8
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
	latest := int64(math.MaxInt64)
	if f.kind == dateKind {
		latest = int64(tests[0].latest)
		cells = append(cells, cell{n: min(latest, int64(dayOrder(calendar.Of(2000, 1, 1)))), on: afterAllDays, state: known})
	}
	add := func(n int64) {
		if n <= latest {
			cells = append(cells, cell{n: n, on: afterAllDays, state: known})
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
	case codesKind:
		addSets(f, tests, add)
	default:
		add(0)
		for _, t := range tests {
			addEdges(f.kind, t, add)
		}
	}
	cells = distinct(cells, tests)
	if slices.ContainsFunc(tests, func(t *test) bool { return t.kind == inRange && t.span == math.MaxUint64 }) {
		cells = append(cells, cell{on: afterAllDays, state: notApplicable})
	}
	return cells
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
