package eligibility

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// layout is a program laid out for one person. Every node has a slot, which is a bit
// in two bitsets: the nodes that pass and those that fail. The first test of a fact
// has the fact's position for its slot, so that the states of eight facts answer
// eight tests at once. After all facts come the other tests, then the combinations.
type layout struct {
	slots  []int32 // by node
	words  []slotWord
	groups []slotGroup
	bars   slotSet // of the rules that decide
}

// slotWord is how the tests of 64 slots are answered.
type slotWord struct {
	eights  []uint8      // the first of eight facts, each the first test's of its fact
	others  []otherTest  // those of facts that have another test
	numbers []comparison // those that ask whether a number is in a range
	odd     []oddTest    // those that ask something else of a number
	truths  uint64       // those that ask a truth value,
	untrue  uint64       // whether it is false
	// Those that pass where they hold, and those that pass where they do not. A test
	// that is never decided is in neither.
	plain, negated uint64
}

type otherTest struct{ slot, fact uint8 }

type comparison struct {
	low        int64
	span       uint64
	slot, fact uint8
}

type oddTest struct {
	*test
	slot uint8
}

// slotGroup passes when need or more of its parts pass, and fails when too many fail.
// All, and any, of the parts in one word need no counting.
type slotGroup struct {
	slot          uint32
	all, any      bool
	need, tooMany uint64
	of            slotSet
}

// slotSet is a set of slots, as the words of a bitset that are not zero.
type slotSet []maskWord

type maskWord struct {
	word int
	mask uint64
}

func newLayout(p *program, d *dictionaries, bars []int32) layout {
	facts := len(d.facts)
	l := layout{slots: make([]int32, 0, p.nodes()), words: make([]slotWord, (facts+p.nodes()+7)/64+1)}
	taken := make([]bool, facts)
	next := int32(facts+7) &^ 7 // the last eight states may be of fewer facts
	for i := range p.tests {
		t := &p.tests[i]
		slot := int32(t.fact)
		if taken[t.fact] {
			slot, next = next, next+1
		}
		taken[t.fact] = true
		l.slots = append(l.slots, slot)
		l.words[slot/64].add(t, slot, d.facts[t.fact].isTruth())
	}
	for range p.combos {
		l.slots = append(l.slots, next)
		next++
	}
	for i, c := range p.combos {
		of := l.setOf(c.of)
		l.groups = append(l.groups, slotGroup{uint32(l.slots[len(p.tests)+i]), len(of) == 1 && c.need == len(c.of), len(of) == 1 && c.need == 1,
			uint64(c.need), uint64(len(c.of) - c.need + 1), of})
	}
	l.bars = l.setOf(bars)
	return l
}

func (w *slotWord) add(t *test, slot int32, truth bool) {
	at := uint8(slot % 64)
	bit := uint64(1) << at
	eight := t.fact &^ 7
	switch {
	case slot != int32(t.fact):
		w.others = append(w.others, otherTest{at, t.fact})
	case !slices.Contains(w.eights, eight):
		w.eights = append(w.eights, eight)
	}
	switch {
	case t.kind != inRange:
		w.odd = append(w.odd, oddTest{t, at})
	case truth && t.span == 0:
		w.truths |= bit
		if t.low == 0 {
			w.untrue |= bit
		}
	default:
		w.numbers = append(w.numbers, comparison{t.low, t.span, at, t.fact})
	}
	switch t.out[holds] {
	case Pass:
		w.plain |= bit
	case Fail:
		w.negated |= bit
	}
}

func (l *layout) setOf(nodes []int32) slotSet {
	var set slotSet
	for _, n := range nodes {
		slot := l.slots[n]
		i := slices.IndexFunc(set, func(m maskWord) bool { return m.word == int(slot)/64 })
		if i < 0 {
			i = len(set)
			set = append(set, maskWord{word: int(slot) / 64})
		}
		set[i].mask |= 1 << (slot % 64)
	}
	return set
}

// ofEight returns eight bits, of the states that have a flag.
func ofEight(states uint64, flag state) uint64 {
	const each = 1<<0 | 1<<8 | 1<<16 | 1<<24 | 1<<32 | 1<<40 | 1<<48 | 1<<56
	const sideBySide = 1<<7 | 1<<14 | 1<<21 | 1<<28 | 1<<35 | 1<<42 | 1<<49 | 1<<56
	return states / uint64(flag) & each * sideBySide >> 56
}

// outcomes are two bitsets of 64 slots: the nodes that pass and those that fail.
type outcomes struct{ pass, fail uint64 }

func (o outcomes) at(slot int32) Outcome { return Outcome(o.pass>>slot&1 | o.fail>>slot&1<<1) }

// run evaluates every node for one person.
func (l *layout) run(row *Row, bits []outcomes) Verdict {
	bits = bits[:len(l.words)]
	for i := range l.words {
		bits[i] = l.words[i].ask(row)
	}
	for i := range l.groups {
		g := &l.groups[i]
		var pass, fail uint64
		switch {
		case g.all:
			pass, fail = g.of[0].all(&bits[g.of[0].word])
		case g.any: // it fails when all fail
			o := &bits[g.of[0].word]
			fail, pass = g.of[0].all(&outcomes{o.fail, o.pass})
		default:
			pass, fail = g.of.count(bits)
			pass, fail = within(g.need, pass), within(g.tooMany, fail)
		}
		o := &bits[g.slot/64]
		o.pass |= pass << (g.slot % 64)
		o.fail |= fail << (g.slot % 64)
	}
	return l.verdict(bits)
}

// ask answers the tests of a word. Those of a fact that is unknown neither pass nor
// fail, whatever its value seems to be.
func (w *slotWord) ask(row *Row) outcomes {
	var hit uint64
	for i := range w.numbers {
		t := &w.numbers[i]
		hit |= within(uint64(row.n[t.fact]-t.low), t.span) << (t.slot & 63)
	}
	for i := range w.odd {
		t := &w.odd[i]
		hit |= uint64(asNumber(t.holds(row.n[t.fact]))) << (t.slot & 63)
	}
	var isKnown, without, yes uint64
	for _, first := range w.eights {
		states := binary.LittleEndian.Uint64(row.states[first:])
		isKnown |= ofEight(states, known) << (first & 63)
		without |= ofEight(states, notApplicable) << (first & 63)
		yes |= ofEight(states, truth) << (first & 63)
	}
	for _, t := range w.others {
		s := uint64(row.states[t.fact])
		isKnown |= s / uint64(known) & 1 << (t.slot & 63)
		without |= s / uint64(notApplicable) & 1 << (t.slot & 63)
		yes |= s / uint64(truth) & 1 << (t.slot & 63)
	}
	hit |= (yes ^ w.untrue) & w.truths
	hit &= isKnown
	miss := isKnown&^hit | without
	return outcomes{hit&w.plain | miss&w.negated, miss&w.plain | hit&w.negated}
}

// all returns 1 for pass when all of the mask pass, and for fail when any fails.
func (m *maskWord) all(o *outcomes) (pass, fail uint64) {
	return within(m.mask&^o.pass, 0), 1 - within(m.mask&o.fail, 0)
}

// count returns how many of the set pass and fail.
func (s slotSet) count(of []outcomes) (pass, fail uint64) {
	for _, m := range s {
		o := &of[m.word]
		pass += uint64(bits.OnesCount64(o.pass & m.mask))
		fail += uint64(bits.OnesCount64(o.fail & m.mask))
	}
	return pass, fail
}

func (l *layout) verdict(bits []outcomes) Verdict {
	var failed, missing uint64
	for _, m := range l.bars {
		o := &bits[m.word]
		failed |= o.fail & m.mask
		missing |= m.mask &^ o.pass
	}
	switch {
	case failed != 0:
		return Ineligible
	case missing == 0 && len(l.bars) > 0:
		return Eligible
	}
	return Pending
}
