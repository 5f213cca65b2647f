package quota

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

// The order of a draw is (tier, key, label). Nobody needs the order of all: who
// comes too late for every seat can be left out, once it is sure that they do.
// So candidates are sorted into cells, one for each pool and each set of
// groups, and of a cell only those before a limit are kept. The selection then
// checks, pass by pass, that every seat which those behind the limit could have
// taken was gone before their turn. If one was not, the limit of that cell is
// moved back and everything is done again. A limit is a guess; the result
// never depends on it.

// cell is a pool and a set of groups.
type cell struct {
	pool   int32
	groups uint32
	count  []int64 // candidates by tier
	total  int64
	keep   int64  // how many to keep, about
	limit  uint64 // those whose head is below are kept
	tail   bool   // somebody was not kept
	short  bool   // somebody who was not kept might have had a seat
}

// entry is a kept candidate and what becomes of it, in 32 bytes.
type entry struct {
	head      uint64
	household uint32
	groups    uint32
	at        uint32 // place in the roll
	pool      int32
	number    uint32 // the pool of the seat, or the position of who waits
	held      uint8
	fills     int8 // the guarantee, while those are filled
	group     int8
	reason    Reason
}

func (e *entry) outcome() Outcome {
	o := Outcome{Pool: e.pool, Group: -1, Reason: e.reason}
	if o.Accepted() {
		o.Pool, o.Group = int32(e.number), e.group
	} else if o.Reason == Waiting || o.Reason == WaitingReserve {
		o.Position = e.number
	}
	return o
}

// order finds who matters to a draw, and in which order.
type order struct {
	plan    *Plan
	keys    *Keys
	roll    []Candidate // nil where it is not in memory
	removed map[Label]bool
	bits    int // groups that cells tell apart
	cells   []cell
	start   func(*cell) int64 // how many to keep at first; nil for the usual
}

const (
	maxCellGroups = 6
	maxCellTiers  = 64
	maxCells      = 1 << 18
	maxCounts     = 1 << 22
	noLimit       = math.MaxUint64
)

func newOrder(p *Plan, roll []Candidate, keys *Keys, removed map[Label]bool) *order {
	d := &order{plan: p, roll: roll, keys: keys, removed: removed, bits: len(p.Groups)}
	if d.bits > maxCellGroups || len(p.Pools)<<d.bits > maxCells {
		d.bits = 0
	}
	d.cells = make([]cell, len(p.Pools)<<d.bits)
	for i := range d.cells {
		c := &d.cells[i]
		c.pool, c.groups = int32(i>>d.bits), uint32(i)&(1<<d.bits-1)
		if d.bits == 0 {
			c.groups = math.MaxUint32 // anybody: take all groups to be theirs
		}
		if d.prunes() {
			c.count = make([]int64, p.Tiers)
		}
	}
	return d
}

// prunes says whether limits can be set: the heads of a tier are spread evenly
// only where the lottery makes them. A plan of very many pools and tiers is not
// counted: its counts would be larger than a roll.
func (d *order) prunes() bool {
	lottery := d.plan.Key == "" || d.plan.Key == Lottery
	return lottery && d.plan.Tiers <= maxCellTiers && len(d.cells)*d.plan.Tiers <= maxCounts
}

func (d *order) cell(c *Candidate) *cell {
	return &d.cells[int(c.Pool)<<d.bits|int(c.Groups&(1<<d.bits-1))]
}

// run selects, with limits moved back until they are far enough.
func (d *order) run(read scan) (*selection, error) {
	if err := d.count(read); err != nil {
		return nil, err
	}
	for {
		d.setLimits()
		s, err := d.collect(read)
		if err != nil {
			return nil, err
		}
		s.run()
		if !d.widen() {
			return s, nil
		}
	}
}

func (d *order) count(read scan) error {
	err := read(func(_ uint32, c *Candidate) error {
		k := d.cell(c)
		k.total++
		if k.count != nil {
			k.count[c.Tier]++
		}
		return nil
	})
	d.guess()
	return err
}

// guess sets how many of each cell to keep at first: as many as would get a
// seat or wait if ranks were spread evenly, and a margin.
func (d *order) guess() {
	inPool := make([]int64, len(d.plan.Pools))
	inGroup := make([][]int64, len(d.plan.Pools))
	for i := range inGroup {
		inGroup[i] = make([]int64, len(d.plan.Groups))
	}
	var all, surplus int64
	for i := range d.cells {
		c := &d.cells[i]
		inPool[c.pool] += c.total
		all += c.total
		for g := range d.plan.Groups {
			if c.groups>>g&1 == 1 {
				inGroup[c.pool][g] += c.total
			}
		}
	}
	for i := range d.plan.Pools {
		if p := &d.plan.Pools[i]; len(p.Spill) > 0 {
			surplus += max(0, p.Seats-inPool[i])
		}
	}
	groups := d.plan.groupBits()
	open := make([]int64, len(d.plan.Pools)) // what anybody may take, or wait for
	for i := range d.plan.Pools {
		aside := false
		open[i] = d.plan.Pools[i].Seats + d.plan.Waiting
		for _, r := range d.plan.Pools[i].Reserves {
			if r.Kind == SetAside {
				open[i] -= min(r.Seats, inGroup[i][groups[r.Group]])
				aside = true
			}
		}
		if aside { // fewer come to wait while some take set-asides
			open[i] += d.plan.Waiting
		}
	}
	waiting := d.waiting(inPool, inGroup)
	for i := range d.cells {
		c := &d.cells[i]
		c.keep = part(c.total, open[c.pool], inPool[c.pool])
		var behind int64 // those who wait for reserved seats only
		for g := range d.plan.Groups {
			if c.groups>>g&1 == 1 && waiting[c.pool] != nil {
				behind = max(behind, part(c.total, waiting[c.pool][g], inGroup[c.pool][g]))
			}
		}
		c.keep += behind
		// Those who fill a guarantee come first; most of them have an open seat
		// anyhow. They may move on to another one, so the last to fill counts.
		var guaranteed int64
		member := false
		for _, r := range d.plan.Pools[c.pool].Reserves {
			g := groups[r.Group]
			n := part(c.total, r.Seats, inGroup[c.pool][g])
			in := c.groups>>g&1 == 1
			if r.Kind == Guarantee {
				member = member || in
				if in || n < c.total {
					guaranteed = max(guaranteed, n)
				}
			} else if in {
				c.keep += n
			}
		}
		if member {
			c.keep = max(c.keep, guaranteed)
		}
		c.keep += part(c.total, surplus, all)
		if d.start != nil {
			c.keep = d.start(c)
		}
	}
}

// waiting returns for each pool and group about how many of its people come by until
// the group's waiting list is full: those who wait, and those who take a set-aside of
// another group meanwhile, if groups have nothing to do with each other.
func (d *order) waiting(inPool []int64, inGroup [][]int64) [][]int64 {
	all := make([][]int64, len(d.plan.Pools))
	if d.plan.Waiting == 0 {
		return all
	}
	groups := d.plan.groupBits()
	for i, reserving := range d.plan.reserving() {
		if reserving == 0 {
			continue
		}
		all[i] = make([]int64, len(d.plan.Groups))
		for g := range all[i] {
			if reserving>>g&1 == 0 {
				continue
			}
			all[i][g] = d.plan.Waiting
			for _, r := range d.plan.Pools[i].Reserves {
				if r.Kind == SetAside && int(groups[r.Group]) != g {
					all[i][g] += part(min(r.Seats, inGroup[i][groups[r.Group]]), inGroup[i][g], inPool[i])
				}
			}
		}
	}
	return all
}

// part is the part of total that n of all would take, with a margin for chance.
func part(total, n, all int64) int64 {
	if n == 0 || all == 0 {
		return 0
	}
	n += n/32 + 5*root(n) + 8
	if n >= all {
		return total
	}
	hi, lo := bits.Mul64(uint64(total), uint64(n))
	share, _ := bits.Div64(hi, lo, uint64(all))
	return int64(share) + 1
}

// root is the integer square root, from above.
func root(n int64) int64 {
	if n == 0 {
		return 0
	}
	r := int64(1) << ((bits.Len64(uint64(n)) + 1) / 2)
	for {
		next := (r + n/r) / 2
		if next >= r {
			return r
		}
		r = next
	}
}

func (d *order) setLimits() {
	for i := range d.cells {
		c := &d.cells[i]
		c.tail, c.short = false, false
		c.limit = c.limitFor(c.keep)
	}
}

// limitFor is the head below which about n candidates of the cell are.
func (c *cell) limitFor(n int64) uint64 {
	if n >= c.total || c.count == nil {
		return noLimit
	}
	for tier, count := range c.count {
		if n < count {
			hi, lo := bits.Mul64(uint64(n), 1<<48)
			at, _ := bits.Div64(hi, lo, uint64(count))
			return uint64(tier)<<48 | at
		}
		n -= count
	}
	return noLimit
}

func (d *order) widen() bool {
	again := false
	for i := range d.cells {
		if c := &d.cells[i]; c.short {
			c.keep = 4*c.keep + 16
			again = true
		}
	}
	return again
}

// collect keeps the candidates before the limit of their cell.
func (d *order) collect(read scan) (*selection, error) {
	var room int64
	for i := range d.cells {
		room += min(d.cells[i].total, d.cells[i].keep+d.cells[i].keep/64)
	}
	s := newSelection(d, room)
	var labels []Label // where the roll is not in memory
	err := read(func(at uint32, c *Candidate) error {
		if d.removed != nil && d.removed[c.Label] {
			return nil
		}
		k, head := d.cell(c), d.head(c)
		if head >= k.limit && k.limit != noLimit {
			k.tail = true
			return nil
		}
		s.kept = append(s.kept, entry{
			head: head, household: c.Household, groups: c.Groups, at: at, pool: c.Pool, held: c.Held,
		})
		s.households.note(c.Household)
		if d.roll == nil {
			labels = append(labels, c.Label)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.rest = d.sort(s.kept, func(i uint32) Label {
		if d.roll == nil {
			return labels[i]
		}
		return d.roll[s.kept[i].at].Label
	})
	return s, nil
}

// head is the first part of (tier, key): for a lottery the tier and 48 bits of
// the key, otherwise tier, number and 16 bits of the key.
func (d *order) head(c *Candidate) uint64 {
	key := d.keys.of(c.Label, c.Household, d.plan.Ticket)
	random := binary.BigEndian.Uint64(key[:])
	switch d.plan.Key {
	case Score:
		return uint64(c.Tier)<<48 | uint64(math.MaxUint32-c.Number)<<16 | random>>48
	case Arrival:
		return uint64(c.Tier)<<48 | uint64(c.Number)<<16 | random>>48
	}
	return uint64(c.Tier)<<48 | random>>16
}

// sort returns the places of the kept in the order of rank. Heads are spread
// evenly by the lottery, so they are first dealt into buckets of a few. Equal
// heads, which are rare, are decided by the whole key, made again, and then by
// the label.
func (d *order) sort(kept []entry, label func(i uint32) Label) []uint32 {
	compare := func(i, j uint32) int {
		a, b := &kept[i], &kept[j]
		if a.head != b.head {
			return cmp.Compare(a.head, b.head)
		}
		x, y := label(i), label(j)
		p, q := d.keys.of(x, a.household, d.plan.Ticket), d.keys.of(y, b.household, d.plan.Ticket)
		return cmp.Or(bytes.Compare(p[:], q[:]), bytes.Compare(x[:], y[:]))
	}
	low, high := uint64(math.MaxUint64), uint64(0)
	for i := range kept {
		low, high = min(low, kept[i].head), max(high, kept[i].head)
	}
	width := min(16, bits.Len(uint(len(kept))))
	buckets, shift := 1<<width, max(0, bits.Len64(max(high, low)-low)-width)
	ends := make([]uint32, buckets+1)
	for i := range kept {
		ends[(kept[i].head-low)>>shift+1]++
	}
	for i := range buckets {
		ends[i+1] += ends[i]
	}
	ranked, next := make([]uint32, len(kept)), slices.Clone(ends)
	for i := range kept {
		bucket := (kept[i].head - low) >> shift
		ranked[next[bucket]] = uint32(i)
		next[bucket]++
	}
	for i := range buckets {
		if ends[i+1]-ends[i] > 1 {
			slices.SortFunc(ranked[ends[i]:ends[i+1]], compare)
		}
	}
	return ranked
}
