package eligibility

import (
	"math/bits"
	"slices"

	"github.com/gelombang/gelombang/program/calendar"
)

// Difference says who is decided otherwise by a new plan than by an old one.
type Difference struct {
	Old, New Tally
	// Moved[from][to] counts people by their old and new verdict; the diagonal
	// counts those who stay.
	Moved [3][3]int
	// Rules are those of both plans, the new plan's first.
	Rules []RuleDifference
}

// RuleDifference counts, of the people whose verdict changes, those in whom one rule's
// outcome differs. A rule that a plan does not have, or only as a notice, passes there.
type RuleDifference struct {
	Rule     string
	Fails    int // failed newly
	Unknown  int // is undecided newly
	Passes   int // passes newly
	ByItself int // is the only rule that differs
}

// Change is one person whose verdict differs.
type Change struct {
	Row   int // the person's place in the population, from 0
	From  Verdict
	To    Verdict
	Rules []string // those whose outcome differs; overwritten with the next change
}

// Diff decides about people by two plans of one schema, comparisons that both ask
// once, and counts whose verdict differs. each is called for every one of them, in
// order; it may be nil. The error is ErrSchema.
func Diff[E any](old, new *Plan[E], people []*Block[E], each func(Change)) (Difference, error) {
	for _, b := range people {
		if !b.suits(old) || !b.suits(new) {
			return Difference{}, ErrSchema
		}
	}
	d := newDiffer(old.plan, new.plan)
	first := 0
	for _, b := range people {
		d.nodes.run(b.inside.get().of, b.n)
		d.old.decide()
		d.new.decide()
		d.count()
		if each != nil {
			d.tell(first, each)
		}
		first += b.n
	}
	m := &d.sum.Moved
	d.sum.Old = Tally{Pending: sum(m[Pending]), Eligible: sum(m[Eligible]), Ineligible: sum(m[Ineligible])}
	for _, to := range m {
		d.sum.New.add(Tally{Pending: to[Pending], Eligible: to[Eligible], Ineligible: to[Ineligible]})
	}
	return d.sum, nil
}

func sum(of [3]int) int { return of[0] + of[1] + of[2] }

type differ struct {
	nodes    *sheet
	old, new Outcomes
	pairs    [][2]int32 // the nodes of a rule in both plans; -1: it does not decide there
	varying  []int      // the rules whose nodes differ
	sum      Difference
	changed  [blockWords]uint64
	differs  [][blockWords]uint64 // by rule
	codes    []string             // of one Change
	named    [][]string           // the codes of every set of few varying rules
}

func newDiffer(old, new *plan) *differ {
	b := newBuilder()
	oldPlace, newPlace := b.merge(&old.program), b.merge(&new.program)
	program := b.finish(oldPlace, newPlace)
	d := &differ{nodes: newSheet(&program, new.facts)}
	d.old.begin(old, d.nodes, oldPlace)
	d.new.begin(new, d.nodes, newPlace)
	for _, r := range new.rules {
		d.add(r.code, [2]int32{d.old.deciding(r.code), d.new.deciding(r.code)})
	}
	for _, r := range old.rules {
		if !slices.ContainsFunc(new.rules, func(n *ruleInfo) bool { return n.code == r.code }) {
			d.add(r.code, [2]int32{d.old.deciding(r.code), -1})
		}
	}
	d.differs = make([][blockWords]uint64, len(d.pairs))
	d.codes = make([]string, 0, len(d.varying))
	if len(d.varying) <= 6 {
		d.named = make([][]string, 1<<len(d.varying))
		for set := range d.named {
			for k, i := range d.varying {
				if set>>k&1 == 1 {
					d.named[set] = append(d.named[set], d.sum.Rules[i].Rule)
				}
			}
		}
	}
	return d
}

// deciding returns the node of a rule, or -1 if the plan has none or it is a notice.
func (o *Outcomes) deciding(code string) int32 {
	for i, r := range o.plan.rules {
		if r.code == code && r.severity == Bar {
			return o.roots[i]
		}
	}
	return -1
}

func (d *differ) add(code string, pair [2]int32) {
	if pair[0] != pair[1] {
		d.varying = append(d.varying, len(d.pairs))
	}
	d.pairs = append(d.pairs, pair)
	d.sum.Rules = append(d.sum.Rules, RuleDifference{Rule: code})
}

// count adds the block that both have decided.
func (d *differ) count() {
	words := d.nodes.words()
	any := uint64(0)
	for w := range words {
		d.changed[w] = (d.old.eligible[w] ^ d.new.eligible[w]) | (d.old.ineligible[w] ^ d.new.ineligible[w])
		any |= d.changed[w]
		d.countMoves(w)
	}
	if any == 0 {
		return
	}
	for _, i := range d.varying {
		d.countRule(i, d.pairs[i], words)
	}
	d.countAlone(words)
}

func (d *differ) countMoves(w int) {
	from := [3]uint64{0, d.old.eligible[w], d.old.ineligible[w]}
	to := [3]uint64{0, d.new.eligible[w], d.new.ineligible[w]}
	from[Pending], to[Pending] = d.nodes.live(w)&^(from[1]|from[2]), d.nodes.live(w)&^(to[1]|to[2])
	for i := range from {
		for j := range to {
			d.sum.Moved[i][j] += bits.OnesCount64(from[i] & to[j])
		}
	}
}

func (d *differ) countRule(i int, pair [2]int32, words int) {
	r, differs := &d.sum.Rules[i], &d.differs[i]
	for w := range words {
		oldPass, oldFail := d.outcome(pair[0], w)
		newPass, newFail := d.outcome(pair[1], w)
		differs[w] = ((oldPass ^ newPass) | (oldFail ^ newFail)) & d.changed[w]
		r.Fails += bits.OnesCount64(differs[w] & newFail)
		r.Passes += bits.OnesCount64(differs[w] & newPass)
		r.Unknown += bits.OnesCount64(differs[w] &^ (newFail | newPass))
	}
}

func (d *differ) outcome(node int32, w int) (pass, fail uint64) {
	if node < 0 {
		return d.nodes.live(w), 0
	}
	return d.nodes.pass[node][w], d.nodes.fail[node][w]
}

// countAlone finds those in whom one rule alone differs.
func (d *differ) countAlone(words int) {
	for w := range words {
		var once, twice uint64
		for _, i := range d.varying {
			twice |= once & d.differs[i][w]
			once |= d.differs[i][w]
		}
		for _, i := range d.varying {
			d.sum.Rules[i].ByItself += bits.OnesCount64(d.differs[i][w] &^ twice)
		}
	}
}

func (d *differ) tell(first int, each func(Change)) {
	for w, word := range d.changed[:d.nodes.words()] {
		for ; word != 0; word &= word - 1 {
			bit := bits.TrailingZeros64(word) & 63
			row := 64*w + bit
			each(Change{first + row, d.old.Verdict(row), d.new.Verdict(row), d.differing(w, bit)})
		}
	}
}

// differing returns the codes of the rules that differ in a row, which the next row
// may overwrite.
func (d *differ) differing(w, bit int) []string {
	if d.named != nil {
		set := uint64(0)
		for k, i := range d.varying {
			set |= d.differs[i][w] >> bit & 1 << k
		}
		return d.named[set]
	}
	codes := d.codes[:0]
	for _, i := range d.varying {
		if d.differs[i][w]>>bit&1 == 1 {
			codes = append(codes, d.sum.Rules[i].Rule)
		}
	}
	return codes
}

// RuleCoverage says how often a rule came out in each way on a population.
type RuleCoverage struct {
	Rule                string
	Pass, Fail, Unknown int
	// Alone counts those whom no other rule that decides refuses.
	Alone int
}

// Coverage counts how the rules of a plan come out on people. A rule with Fail 0 never
// fires there, and one with Alone 0 refuses nobody whom another does not refuse. The
// error is ErrSchema.
func Coverage[E any](p *Plan[E], people []*Block[E]) ([]RuleCoverage, error) {
	all := make([]RuleCoverage, len(p.rules))
	for i, r := range p.rules {
		all[i].Rule = r.code
	}
	var o Outcomes
	for _, b := range people {
		if err := p.DecideBlock(b, &o); err != nil {
			return nil, err
		}
		for w := range o.nodes.words() {
			var once, twice uint64
			for _, n := range o.bars {
				fail := o.nodes.fail[n][w]
				twice |= once & fail
				once |= fail
			}
			for i, n := range o.roots {
				pass, fail := o.nodes.pass[n][w], o.nodes.fail[n][w]
				all[i].Pass += bits.OnesCount64(pass)
				all[i].Fail += bits.OnesCount64(fail)
				all[i].Unknown += bits.OnesCount64(o.nodes.live(w) &^ (pass | fail))
				if p.rules[i].severity == Bar {
					all[i].Alone += bits.OnesCount64(fail &^ twice)
				}
			}
		}
	}
	return all, nil
}

// Impact decides about people with other values of one parameter, in place of those
// of all its editions, and counts verdicts for each value. The errors are ErrSchema
// and those of Compile for a value that the rules cannot have.
func Impact[E any](c *Compiled[E], stage string, legal calendar.Date, param string, values []int64, people []*Block[E]) ([]Tally, error) {
	tallies := make([]Tally, len(values))
	for i, value := range values {
		changed, err := c.with(param, value)
		if err != nil {
			return nil, err
		}
		plan := changed.Plan(stage, legal)
		var o Outcomes
		for _, b := range people {
			if err := plan.DecideBlock(b, &o); err != nil {
				return nil, err
			}
			tallies[i].add(o.Tally())
		}
	}
	return tallies, nil
}

// with returns the policy with another value of a parameter.
func (c *Compiled[E]) with(param string, value int64) (*Compiled[E], error) {
	other := *c
	other.policy.Params = slices.Clone(c.policy.Params)
	found := false
	for i := range other.policy.Params {
		if p := &other.policy.Params[i]; p.Name == param {
			p.Value, found = value, true
		}
	}
	if !found {
		return nil, joined([]Fault{{"params", "param", "there is no parameter " + quote(param)}})
	}
	if faults := c.about.checkPolicy(&other.policy, c.stages); len(faults) > 0 {
		return nil, joined(faults)
	}
	other.infos = nil
	return &other, other.prepare()
}
