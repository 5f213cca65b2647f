package eligibility

import (
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/gelombang/gelombang/program/calendar"
)

// plan is the rules of one stage in force on one day, resolved: every age, every
// freshness and every parameter is a number. It knows nothing of E.
type plan struct {
	policy, digest, stage string
	asOf                  calendar.Date
	facts                 *dictionaries
	rules                 []*ruleInfo
	roots                 []int32 // the node of each rule
	reads                 []uint8 // the facts that are read, in the order of the schema
	named                 [8]byte // names them in a snapshot
	latest                int32   // the order of asOf: a birth is not later
	births                []uint8 // the facts of which an age is asked
	byGo                  []uint8 // the rules in Go
	program
	layout
}

// ruleInfo is what a finding needs of its rule.
type ruleInfo struct {
	code     string
	severity Severity
	basis    Basis
	params   []Param
	facts    []uint8   // those that it looks at, also by a rule in Go
	require  Condition // with the values of its parameters
	texts    map[string]ruleTexts
}

// program is conditions resolved. Nodes are numbered: first the tests, then the
// combinations, each after its parts. Equal nodes are there once.
type program struct {
	tests  []test
	combos []combo
}

func (p *program) nodes() int { return len(p.tests) + len(p.combos) }

// test compares one fact. Dates, ages and freshness are dates' orders, codes are
// positions.
type test struct {
	fact   uint8
	limits // of the fact, in columns; a cell knows already
	low    int64
	span   uint64     // high minus low; of codes their mask
	out    [4]Outcome // by way
	kind   testKind
	age    bool
	words  []uint64 // the mask of a dictionary of more than 64 codes
	rule   *about   // a rule in Go, with the limits of the facts that it looks at
	asks   []limits
}

// limits are those beyond which a fact's value counts as unknown: an answer of a day
// before fresh is expired, a birth after latest cannot be.
type limits struct{ fresh, latest int32 }

// way is how a test can come out: the fact's status, but for a value that does not
// hold.
type way uint

const (
	unsettled    = way(0)
	holds        = way(known)
	doesNotApply = way(notApplicable)
	holdsNot     = holds | doesNotApply
)

type testKind uint8

const (
	inRange testKind = iota // low <= n <= low+span
	inMask                  // n is a position in the mask
	inWords                 // n is a position in words
	hasAny                  // n and the mask share a position
	hasAll                  // n has every position of the mask
)

// combo holds when need or more of its parts hold. No part comes twice.
type combo struct {
	need int
	of   []int32
}

// builder makes a program. A node is a test's position, or -1 minus a combination's.
type builder struct {
	program
	seen map[string]int32
}

func newBuilder() *builder { return &builder{seen: map[string]int32{}} }

// finish numbers the combinations after the tests, in the program and in nodes.
func (b *builder) finish(nodes ...[]int32) program {
	for i := range b.combos {
		nodes = append(nodes, b.combos[i].of)
	}
	for _, some := range nodes {
		for i, n := range some {
			if n < 0 {
				some[i] = int32(len(b.tests)) - 1 - n
			}
		}
	}
	return b.program
}

// add resolves a condition for a day. A negation is carried down to the tests: not
// all of k is at least one not; not n of k is at least k-n+1 not.
func (b *builder) add(d *dictionaries, c Condition, asOf calendar.Date, negated bool) int32 {
	if c.op == opNot {
		return b.add(d, c.of[0], asOf, !negated)
	}
	if c.op < opAll {
		return b.addTest(resolve(d, c, asOf, negated))
	}
	k := len(c.of)
	need := k
	switch c.op {
	case opAny:
		need = 1
	case opNOf:
		need = int(c.low)
	}
	if negated {
		need = k - need + 1
	}
	var parts []int32
	for _, part := range c.of {
		n := b.add(d, part, asOf, negated)
		switch {
		case !slices.Contains(parts, n):
			parts = append(parts, n)
		case need == k: // all: once more says nothing
			need, k = need-1, k-1
		case need > 1: // it counts once more
			parts = append(parts, b.again(n))
		}
	}
	return b.addCombo(need, parts)
}

// again adds a node a second time.
func (b *builder) again(n int32) int32 {
	if n >= 0 {
		b.tests = append(b.tests, b.tests[n])
		return int32(len(b.tests)) - 1
	}
	b.combos = append(b.combos, b.combos[-1-n])
	last := &b.combos[len(b.combos)-1]
	last.of = slices.Clone(last.of)
	return -int32(len(b.combos))
}

func (b *builder) addTest(t test) int32 {
	key := t.key()
	if n, ok := b.seen[key]; ok {
		b.tests[n].age = b.tests[n].age || t.age // a date can be the limit of an age
		return n
	}
	n := int32(len(b.tests))
	b.tests = append(b.tests, t)
	b.seen[key] = n
	return n
}

func (b *builder) addCombo(need int, parts []int32) int32 {
	if len(parts) == 1 {
		return parts[0]
	}
	var key strings.Builder
	key.WriteString("c" + strconv.Itoa(need))
	for _, n := range parts {
		key.WriteString(" " + strconv.Itoa(int(n)))
	}
	if n, ok := b.seen[key.String()]; ok {
		return n
	}
	n := -1 - int32(len(b.combos))
	b.combos = append(b.combos, combo{need: need, of: parts})
	b.seen[key.String()] = n
	return n
}

// merge adds another program and returns its nodes' places here.
func (b *builder) merge(other *program) []int32 {
	place := make([]int32, 0, other.nodes())
	for i := range other.tests {
		place = append(place, b.addTest(other.tests[i]))
	}
	for _, c := range other.combos {
		var parts []int32
		for _, n := range c.of {
			if slices.Contains(parts, place[n]) {
				parts = append(parts, b.again(place[n]))
				continue
			}
			parts = append(parts, place[n])
		}
		place = append(place, b.addCombo(c.need, parts))
	}
	return place
}

func (t *test) key() string {
	var b strings.Builder
	for _, n := range []int64{int64(t.fact), int64(t.kind), int64(t.out[holds]), int64(t.out[holdsNot]), int64(t.out[doesNotApply]), int64(t.fresh), int64(t.latest), t.low, int64(t.span)} {
		b.WriteString(strconv.FormatInt(n, 36) + " ")
	}
	for _, w := range t.words {
		b.WriteString(strconv.FormatUint(w, 36) + " ")
	}
	for _, a := range t.asks {
		b.WriteString(strconv.Itoa(int(a.fresh)) + " " + strconv.Itoa(int(a.latest)) + " ")
	}
	return b.String()
}

func resolve(d *dictionaries, c Condition, asOf calendar.Date, negated bool) test {
	i := d.index[c.fact]
	f := &d.facts[i]
	t := test{fact: uint8(i), out: [4]Outcome{holds: Pass, holdsNot: Fail, doesNotApply: Fail}}
	t.limits = limits{f.freshFrom(asOf), afterAllDays}
	if negated {
		t.out = [4]Outcome{holds: Fail, holdsNot: Pass, doesNotApply: Pass}
	}
	if c.param != "" { // without a limit nothing is decided; checkParams has refused it
		t.out = [4]Outcome{}
		return t
	}
	low, high := c.low, c.high
	t.age = c.op == opAgeAtLeast || c.op == opAgeAtMost
	switch c.op {
	case opIs:
		low, high = asNumber(c.yes), asNumber(c.yes)
	case opHolds:
		low, high = 1, 1
		t.rule = f
		for _, k := range f.asks {
			t.asks = append(t.asks, limits{d.facts[k].freshFrom(asOf), afterAllDays})
		}
	case opKnown:
		low, high = math.MinInt64, math.MaxInt64
	case opOnOrAfter:
		low, high = int64(dayOrder(c.day)), afterAllDays
	case opOnOrBefore:
		low, high = beforeAllDays, int64(dayOrder(c.day))
	case opAgeAtLeast: // born so many years before, or earlier
		low, high = beforeAllDays, int64(dayOrder(yearsBefore(asOf, c.low)))
	case opAgeAtMost: // born after the day that makes one year more
		low, high = int64(dayOrder(yearsBefore(asOf, c.high+1)))+1, afterAllDays
	case opIn, opHasAny, opHasAll:
		t.codes(c, f)
		return t
	}
	t.low, t.span = low, uint64(high)-uint64(low)
	return t
}

func (t *test) codes(c Condition, f *about) {
	t.kind = inMask
	switch {
	case c.op == opHasAny:
		t.kind = hasAny
	case c.op == opHasAll:
		t.kind = hasAll
	case len(f.codes) > 64:
		t.kind, t.words = inWords, make([]uint64, len(f.codes)/64+1)
	}
	for _, code := range c.codes {
		i := f.position[code]
		if t.kind == inWords {
			t.words[i/64] |= 1 << (i % 64)
			continue
		}
		t.span |= 1 << (i % 64)
	}
	first := bits.TrailingZeros64(t.span)
	if t.kind == inMask && bits.OnesCount64(t.span) == bits.Len64(t.span>>first) { // neighbours
		t.kind, t.low, t.span = inRange, int64(first), uint64(bits.OnesCount64(t.span)-1)
	}
}

// yearsBefore keeps month and day, also for a 29 February that the year lacks: only
// the order counts, and there it lies between 28 February and 1 March. Before the
// first year is before all days.
func yearsBefore(d calendar.Date, years int64) calendar.Date {
	d.Year -= int(years)
	return d
}

// holds is the comparison with a value.
func (t *test) holds(n int64) bool {
	switch t.kind {
	case inRange:
		return uint64(n-t.low) <= t.span
	case inMask:
		return t.span>>(uint64(n)&63)&1 != 0
	case inWords:
		return t.words[uint64(n)/64%uint64(len(t.words))]>>(uint64(n)&63)&1 != 0
	case hasAny:
		return uint64(n)&t.span != 0
	}
	return uint64(n)&t.span == t.span
}

// way compares what is known of the fact.
func (t *test) way(c *cell) way {
	if c.state == known && !t.holds(c.n) {
		return holdsNot
	}
	return way(c.state & status)
}

func (t *test) outcome(c *cell) Outcome { return t.out[t.way(c)] }

// noneBornLater lets what is known of a fact be unknown for all tests when an age is
// asked of it and it is a day after asOf. It returns these facts.
func (p *program) noneBornLater(asOf calendar.Date) (births []uint8) {
	for i := range p.tests {
		if t := &p.tests[i]; t.age && !slices.Contains(births, t.fact) {
			births = append(births, t.fact)
		}
	}
	for i := range p.tests {
		t := &p.tests[i]
		if slices.Contains(births, t.fact) {
			t.latest = dayOrder(asOf)
		}
		for k := range t.asks {
			if slices.Contains(births, t.rule.asks[k]) {
				t.asks[k].latest = dayOrder(asOf)
			}
		}
	}
	return births
}

// settle says what reading alone cannot: that a birth is still to come, and what rules
// in Go find.
func (p *plan) settle(row *Row) {
	for _, i := range p.births {
		row.bornBy(i, p.latest)
	}
	for _, i := range p.byGo {
		row.put(i, p.facts.facts[i].askGo(row))
	}
}

func (c *cell) bornBy(latest int32) {
	if latest < afterAllDays && c.state == known && c.n > int64(latest) {
		c.state = unknown(Conflicting)
	}
}

// readBy returns the facts that tests ask, with those that rules in Go look at.
func (p *program) readBy(d *dictionaries) []uint8 {
	asked := make([]bool, len(d.facts))
	for i := range p.tests {
		f := p.tests[i].fact
		asked[f] = true
		for _, named := range d.facts[f].asks {
			asked[named] = true
		}
	}
	var reads []uint8
	for i := range asked {
		if asked[i] {
			reads = append(reads, uint8(i))
		}
	}
	return slices.Clip(reads)
}
