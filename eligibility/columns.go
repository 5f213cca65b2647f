package eligibility

import (
	"errors"
	"math/bits"
	"slices"
)

// ErrSchema says that a block or a plan belongs to another schema, or that the block
// was made before all its facts were declared.
var ErrSchema = errors.New("eligibility: the block is not one of the plan's schema")

// Outcomes is what a plan says of the people in a block: for every rule two bitsets of
// its rows, 64 to a word, the first row in the lowest bit. Row i is the i-th
// person that was added. The zero Outcomes is ready for use.
type Outcomes struct {
	plan                 *plan
	nodes                *sheet
	roots, bars          []int32 // nodes of the sheet
	ineligible, eligible []uint64
}

// Len returns the number of people.
func (o *Outcomes) Len() int {
	if o.nodes == nil {
		return 0
	}
	return o.nodes.rows
}

// Rules returns the number of rules that were asked.
func (o *Outcomes) Rules() int { return len(o.roots) }

// Rule returns the code of a rule, from 0 to Rules()-1, in the order of the policy.
func (o *Outcomes) Rule(i int) string { return o.plan.rules[i].code }

// Fail returns the rows that fail a rule. The next decision overwrites it.
func (o *Outcomes) Fail(rule int) []uint64 { return o.nodes.fail[o.roots[rule]][:o.nodes.words()] }

// Pass returns the rows that pass a rule. The next decision overwrites it.
func (o *Outcomes) Pass(rule int) []uint64 { return o.nodes.pass[o.roots[rule]][:o.nodes.words()] }

// AppendUnknown appends the rows of which a rule is undecided.
func (o *Outcomes) AppendUnknown(dst []uint64, rule int) []uint64 {
	pass, fail := o.Pass(rule), o.Fail(rule)
	for w := range pass {
		dst = append(dst, o.nodes.live(w)&^(pass[w]|fail[w]))
	}
	return dst
}

// Outcome returns what a rule says of one person.
func (o *Outcomes) Outcome(rule, row int) Outcome {
	w, bit := row/64, row%64
	return Outcome(o.Pass(rule)[w]>>bit&1 | o.Fail(rule)[w]>>bit&1<<1)
}

// Verdict returns the decision about one person.
func (o *Outcomes) Verdict(row int) Verdict {
	w, bit := row/64, row%64
	return Verdict(o.eligible[w]>>bit&1 | o.ineligible[w]>>bit&1<<1)
}

// Tally is a number of people by verdict.
type Tally struct {
	Pending, Eligible, Ineligible int
}

// Tally counts the people by verdict.
func (o *Outcomes) Tally() Tally {
	t := Tally{Eligible: count(o.eligible), Ineligible: count(o.ineligible)}
	t.Pending = o.Len() - t.Eligible - t.Ineligible
	return t
}

func (t *Tally) add(more Tally) {
	t.Pending += more.Pending
	t.Eligible += more.Eligible
	t.Ineligible += more.Ineligible
}

func count(set []uint64) int {
	n := 0
	for _, w := range set {
		n += bits.OnesCount64(w)
	}
	return n
}

// DecideBlock overwrites o with what the plan says of the people in a block, and uses
// its buffers again. The error is ErrSchema.
func (p *Plan[E]) DecideBlock(b *Block[E], o *Outcomes) error {
	if !b.suits(p) {
		return ErrSchema
	}
	if o.plan != p.plan {
		o.begin(p.plan, newSheet(&p.program, p.facts), nil)
	}
	o.nodes.run(b.inside.get().of, b.n)
	o.decide()
	return nil
}

func (b *Block[E]) suits(p *Plan[E]) bool {
	return p.schema == b.schema && len(p.facts.facts) <= len(b.inside.get().of)
}

// begin makes o one of a plan whose nodes have the given places on a sheet; nil: the
// sheet is the plan's own.
func (o *Outcomes) begin(p *plan, nodes *sheet, place []int32) {
	*o = Outcomes{plan: p, nodes: nodes, roots: slices.Clone(p.roots), ineligible: make([]uint64, blockWords), eligible: make([]uint64, blockWords)}
	for i, n := range o.roots {
		if place != nil {
			o.roots[i] = place[n]
		}
		if p.rules[i].severity == Bar {
			o.bars = append(o.bars, o.roots[i])
		}
	}
}

// decide adds the rules up.
func (o *Outcomes) decide() {
	clear(o.ineligible)
	clear(o.eligible)
	words := o.nodes.words()
	ineligible, eligible := o.ineligible[:words], o.eligible[:words]
	if len(o.bars) == 0 {
		return
	}
	for w := range eligible {
		eligible[w] = o.nodes.live(w)
	}
	for _, n := range o.bars {
		pass, fail := o.nodes.pass[n][:words], o.nodes.fail[n][:words]
		for w := range pass {
			ineligible[w] |= fail[w]
			eligible[w] &= pass[w]
		}
	}
}

// sheet holds what every node of a program says of a block's rows.
type sheet struct {
	*program
	pass, fail []*[blockWords]uint64
	reached    [][blockWords]uint64 // scratch of atLeast
	rows       int
	row        veil[Row] // scratch of rules in Go
}

func newSheet(p *program, facts *dictionaries) *sheet {
	s := &sheet{program: p, row: veiled(new(Row)), pass: make([]*[blockWords]uint64, p.nodes()), fail: make([]*[blockWords]uint64, p.nodes())}
	for i := range s.pass {
		s.pass[i], s.fail[i] = new([blockWords]uint64), new([blockWords]uint64)
	}
	s.row.get().begin(facts)
	widest := 0
	for i := range p.combos {
		widest = max(widest, len(p.combos[i].of))
	}
	s.reached = make([][blockWords]uint64, widest+1)
	return s
}

func (s *sheet) words() int { return (s.rows + 63) / 64 }

// live has a bit for each row that is there.
func (s *sheet) live(word int) uint64 {
	if rows := s.rows - 64*word; rows < 64 {
		return 1<<max(rows, 0) - 1
	}
	return ^uint64(0)
}

// run evaluates every node.
func (s *sheet) run(columns []column, rows int) {
	s.rows = rows
	words := s.words()
	for i := range s.tests {
		t := &s.tests[i]
		if t.rule != nil {
			s.askGo(t, columns, s.pass[i][:words], s.fail[i][:words])
			continue
		}
		t.column(&columns[t.fact], s.pass[i][:words], s.fail[i][:words])
	}
	if words > 0 {
		for i := range s.tests {
			s.pass[i][words-1] &= s.live(words - 1)
			s.fail[i][words-1] &= s.live(words - 1)
		}
	}
	for i := range s.combos {
		s.combine(len(s.tests)+i, &s.combos[i], words)
	}
}

// askGo asks a rule in Go about one row after the other.
func (s *sheet) askGo(t *test, columns []column, pass, fail []uint64) {
	clear(pass)
	clear(fail)
	scratch := s.row.get()
	for row := range s.rows {
		for k, fact := range t.rule.asks {
			scratch.put(fact, columns[fact].cell(row, t.asks[k]))
		}
		c := t.rule.askGo(scratch)
		o := uint64(t.outcome(&c))
		pass[row/64] |= o & 1 << (row % 64)
		fail[row/64] |= o >> 1 << (row % 64)
	}
}

// combine: need or more hold, or so many fail that they cannot.
func (s *sheet) combine(node int, c *combo, words int) {
	s.atLeast(s.pass[node][:words], c.need, c.of, s.pass)
	s.atLeast(s.fail[node][:words], len(c.of)-c.need+1, c.of, s.fail)
}

// atLeast sets the rows that have n or more of the nodes' bits. Between one and all,
// reached[k] has the rows with k or more of the nodes so far.
func (s *sheet) atLeast(out []uint64, n int, nodes []int32, of []*[blockWords]uint64) {
	copy(out, of[nodes[0]][:])
	switch n {
	case 1:
		for _, node := range nodes[1:] {
			in := of[node][:len(out)]
			for w := range out {
				out[w] |= in[w]
			}
		}
		return
	case len(nodes):
		for _, node := range nodes[1:] {
			in := of[node][:len(out)]
			for w := range out {
				out[w] &= in[w]
			}
		}
		return
	}
	for k := 1; k <= n; k++ {
		clear(s.reached[k][:len(out)])
	}
	for _, node := range nodes {
		in := of[node][:len(out)]
		for k := n; k > 1; k-- {
			for w := range in {
				s.reached[k][w] |= s.reached[k-1][w] & in[w]
			}
		}
		for w := range in {
			s.reached[1][w] |= in[w]
		}
	}
	copy(out, s.reached[n][:])
}
