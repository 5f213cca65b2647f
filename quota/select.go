package quota

import "math/bits"

// selection is a draw at work, on the candidates that order has kept.
type selection struct {
	order      *order
	plan       *Plan
	kept       []entry  // in the order of the roll
	rest       []uint32 // kept candidates without a seat, in the order of rank
	pools      []poolState
	households tally    // seats accepted now, by household
	filled     []uint64 // a bit for the low bits of households that became full
	queue      []uint32 // who may be promoted to an open seat, in the order of rank
	reserved   []uint32 // who may be promoted to a reserved seat, if of its group
	moves      []Move
	seated     int64
}

// poolState is what a pool has left.
type poolState struct {
	parent   int32
	spill    []int32
	open     counter
	asides   []aside
	incoming []lot   // spilled seats, in the order in which they are used
	held     counter // seats in incoming
	spilling int64   // own seats that are on their way along the spill list
	at       int32   // where they are now
	waiting  counter // places of the waiting list that are left
	lists    []list  // waiting lists of groups
}

// list is the waiting list of a pool's people of one group.
type list struct {
	group   int8
	waiting counter
}

// counter is a number of seats, and from which head on there were none: 0 if
// there were none when the pass began, noLimit if some are left.
type counter struct {
	left int64
	gone uint64
}

func (c *counter) begin() {
	c.gone = 0
	if c.left > 0 {
		c.gone = noLimit
	}
}

func (c *counter) take(e *entry) bool {
	if c.left == 0 {
		return false
	}
	if c.left--; c.left == 0 {
		c.gone = e.head
	}
	return true
}

// before says whether nothing was left when those behind the limit came.
func (c *counter) before(limit uint64) bool { return c.gone < limit }

// aside is a set-aside of a pool.
type aside struct {
	group    int8
	seats    counter
	unfilled Unfilled
}

// lot is spilled seats of one origin.
type lot struct {
	origin int32
	seats  int64
}

// filledBits is how many bits tell most households apart.
const filledBits = 1 << 22

func newSelection(d *order, room int64) *selection {
	p := d.plan
	s := &selection{
		order: d, plan: p, pools: make([]poolState, len(p.Pools)), kept: make([]entry, 0, room),
	}
	byID := make(map[string]int32, len(p.Pools))
	for i := range p.Pools {
		byID[p.Pools[i].ID] = int32(i)
	}
	groups, reserving := p.groupBits(), p.reserving()
	for i := range p.Pools {
		pool, state := &p.Pools[i], &s.pools[i]
		state.parent, state.open.left, state.at, state.waiting.left = -1, pool.Seats, int32(i), p.Waiting
		if pool.Parent != "" {
			state.parent = byID[pool.Parent]
		}
		if p.Waiting > 0 {
			for rest := reserving[i]; rest != 0; rest &= rest - 1 {
				state.lists = append(state.lists, list{int8(bits.TrailingZeros32(rest)), counter{left: p.Waiting}})
			}
		}
		for _, to := range pool.Spill {
			state.spill = append(state.spill, byID[to])
		}
		for _, r := range pool.Reserves {
			if r.Kind == SetAside {
				state.open.left -= r.Seats
				state.asides = append(state.asides, aside{groups[r.Group], counter{left: r.Seats}, r.Unfilled})
			}
		}
	}
	return s
}

func (p *Plan) groupBits() map[string]int8 {
	bits := make(map[string]int8, len(p.Groups))
	for i, g := range p.Groups {
		bits[g.Code] = int8(i)
	}
	return bits
}

func (s *selection) run() {
	if s.plan.HouseholdCap > 0 {
		s.households.begin(len(s.kept))
		s.filled = make([]uint64, filledBits/64)
	}
	s.guarantees()
	s.pass(s.home, s.homeGone)
	s.release()
	for round := 1; s.spill(round); round++ {
		s.pass(s.spilled, s.spilledGone)
	}
	s.wait()
}

// full says whether the household may have no more seats. All lines of a
// household say the same in held.
func (s *selection) full(household uint32, held uint8) bool {
	if s.plan.HouseholdCap == 0 || household == 0 {
		return false
	}
	if int(held) >= s.plan.HouseholdCap {
		return true
	}
	at := household % filledBits
	return s.filled[at/64]>>(at%64)&1 == 1 && int(held)+s.households.of(household) >= s.plan.HouseholdCap
}

func (s *selection) accept(e *entry, pool int32, group int8, reason Reason) {
	e.number, e.group, e.reason = uint32(pool), group, reason
	s.seated++
	if h := e.household; h != 0 && s.plan.HouseholdCap != 0 {
		if int(e.held)+s.households.add(h) >= s.plan.HouseholdCap {
			s.filled[h%filledBits/64] |= 1 << (h % 64)
		}
	}
}

// pass offers seats to everybody without one, in the order of rank. Then it
// marks the cells whose tail could have had one: gone says for a pool, groups
// and a limit that nothing was left for those behind it.
func (s *selection) pass(offer func(e *entry) bool, gone func(c *cell) bool) {
	for i := range s.pools {
		pool := &s.pools[i]
		pool.open.begin()
		pool.held.begin()
		for k := range pool.asides {
			pool.asides[k].seats.begin()
		}
	}
	left := s.rest[:0]
	for _, i := range s.rest {
		e := &s.kept[i]
		if s.full(e.household, e.held) || !offer(e) {
			left = append(left, i)
		}
	}
	s.rest = left
	s.mark(gone)
}

func (s *selection) mark(gone func(c *cell) bool) {
	for i := range s.order.cells {
		if c := &s.order.cells[i]; c.tail && !gone(c) {
			c.short = true
		}
	}
}

// home offers the seats of the home pool, in the order that the plan says.
func (s *selection) home(e *entry) bool {
	if s.plan.Order == ReservedFirst {
		return s.setAside(e) || s.open(e, DrawnOpen)
	}
	return s.open(e, DrawnOpen) || s.setAside(e)
}

func (s *selection) homeGone(c *cell) bool {
	pool := &s.pools[c.pool]
	for k := range pool.asides {
		if a := &pool.asides[k]; c.groups>>a.group&1 == 1 && !a.seats.before(c.limit) {
			return false
		}
	}
	return pool.open.before(c.limit)
}

func (s *selection) open(e *entry, reason Reason) bool {
	if !s.pools[e.pool].open.take(e) {
		return false
	}
	s.accept(e, e.pool, -1, reason)
	return true
}

// setAside offers the first set-aside of the pool, in the order of the plan,
// that has room and is for a group of the candidate.
func (s *selection) setAside(e *entry) bool {
	asides := s.pools[e.pool].asides
	for k := range asides {
		a := &asides[k]
		if e.groups>>a.group&1 == 1 && a.seats.take(e) {
			s.accept(e, e.pool, a.group, DrawnSetAside)
			return true
		}
	}
	return false
}

// release opens the set-aside seats that may be opened, and offers them.
func (s *selection) release() {
	released := false
	for i := range s.pools {
		pool := &s.pools[i]
		for k := range pool.asides {
			a := &pool.asides[k]
			if a.unfilled != ToOpen || a.seats.left == 0 {
				continue
			}
			s.moves = append(s.moves, Move{0, int32(i), int32(i), int32(i), a.group, a.seats.left})
			pool.open.left += a.seats.left
			a.seats.left = 0
			released = true
		}
	}
	if !released {
		return
	}
	s.pass(
		func(e *entry) bool { return s.open(e, DrawnReleased) },
		func(c *cell) bool { return s.pools[c.pool].open.before(c.limit) },
	)
}

// spill moves what each pool could not fill to the next pool of its list. It
// returns whether anything moved.
func (s *selection) spill(round int) bool {
	s.collect()
	moved := false
	for i := range s.pools {
		pool := &s.pools[i]
		if len(pool.spill) < round {
			continue
		}
		to := pool.spill[round-1]
		if round == 1 {
			s.leave(int32(i), to)
		} else if pool.spilling > 0 {
			s.moves = append(s.moves, Move{round, int32(i), pool.at, to, -1, pool.spilling})
		}
		if pool.spilling == 0 {
			continue
		}
		pool.at = to
		target := &s.pools[to]
		target.incoming = append(target.incoming, lot{int32(i), pool.spilling})
		target.held.left += pool.spilling
		pool.spilling = 0
		moved = true
	}
	return moved
}

// leave takes the unfilled seats of a pool out of it.
func (s *selection) leave(from, to int32) {
	pool := &s.pools[from]
	if pool.open.left > 0 {
		s.moves = append(s.moves, Move{1, from, from, to, -1, pool.open.left})
		pool.spilling, pool.open.left = pool.open.left, 0
	}
	for k := range pool.asides {
		a := &pool.asides[k]
		if a.unfilled == ToSpill && a.seats.left > 0 {
			s.moves = append(s.moves, Move{1, from, from, to, a.group, a.seats.left})
			pool.spilling += a.seats.left
			a.seats.left = 0
		}
	}
}

// collect takes the seats that are still unfilled where they spilled, so that
// those with a next pool can move on. The others stay there.
func (s *selection) collect() {
	for i := range s.pools {
		for _, l := range s.pools[i].incoming {
			s.pools[l.origin].spilling += l.seats
		}
		s.pools[i].incoming, s.pools[i].held.left = s.pools[i].incoming[:0], 0
	}
}

// spilled offers spilled seats of the home pool, or else of the nearest pool
// above it that has any. The seats of the origin that comes first in the plan
// are used first.
func (s *selection) spilled(e *entry) bool {
	for at := e.pool; at >= 0; at = s.pools[at].parent {
		pool := &s.pools[at]
		if !pool.held.take(e) {
			continue
		}
		for pool.incoming[0].seats == 0 {
			pool.incoming = pool.incoming[1:]
		}
		pool.incoming[0].seats--
		s.accept(e, at, -1, DrawnSpilled)
		return true
	}
	return false
}

func (s *selection) spilledGone(c *cell) bool {
	for at := c.pool; at >= 0; at = s.pools[at].parent {
		if !s.pools[at].held.before(c.limit) {
			return false
		}
	}
	return true
}

// wait makes the waiting list of each pool, and of each group that has a reserve
// there or above, and gives the others a reason.
func (s *selection) wait() {
	for i := range s.pools {
		pool := &s.pools[i]
		pool.waiting.begin()
		for k := range pool.lists {
			pool.lists[k].waiting.begin()
		}
	}
	for _, i := range s.rest {
		e := &s.kept[i]
		pool := &s.pools[e.pool]
		open, reserved := pool.waiting.left > 0, false
		for k := range pool.lists {
			reserved = reserved || e.groups>>pool.lists[k].group&1 == 1 && pool.lists[k].waiting.left > 0
		}
		if open {
			s.queue = append(s.queue, i)
		}
		if open || reserved {
			s.reserved = append(s.reserved, i)
		}
		if s.full(e.household, e.held) {
			e.reason = HouseholdFull
			continue
		}
		if pool.waiting.take(e) {
			e.reason, e.number = Waiting, uint32(s.plan.Waiting-pool.waiting.left)
		}
		for k := range pool.lists {
			l := &pool.lists[k]
			if e.groups>>l.group&1 == 1 && l.waiting.take(e) && e.reason == SeatsExhausted {
				e.reason, e.number = WaitingReserve, uint32(s.plan.Waiting-l.waiting.left)
			}
		}
	}
	s.mark(func(c *cell) bool {
		pool := &s.pools[c.pool]
		for k := range pool.lists {
			if l := &pool.lists[k]; c.groups>>l.group&1 == 1 && !l.waiting.before(c.limit) {
				return false
			}
		}
		return pool.waiting.before(c.limit)
	})
}

// left is the outcome of a candidate who was not kept.
func (s *selection) left(c *Candidate) Outcome {
	o := Outcome{Pool: c.Pool, Group: -1, Reason: SeatsExhausted}
	switch {
	case s.order.removed != nil && s.order.removed[c.Label]:
		o.Reason = Removed
	case s.full(c.Household, c.Held):
		o.Reason = HouseholdFull
	}
	return o
}

// each visits every candidate of the roll with the outcome, in its order.
func (s *selection) each(read scan, visit func(c *Candidate, o Outcome) error) error {
	next := 0
	return read(func(at uint32, c *Candidate) error {
		if next < len(s.kept) && s.kept[next].at == at {
			next++
			return visit(c, s.kept[next-1].outcome())
		}
		return visit(c, s.left(c))
	})
}

func (s *selection) result() *Result {
	unfilled := make([]int64, len(s.pools))
	for i := range s.pools {
		pool := &s.pools[i]
		unfilled[i] += pool.open.left
		for _, a := range pool.asides {
			unfilled[i] += a.seats.left
		}
		unfilled[pool.at] += pool.spilling
	}
	return &Result{Seated: s.seated, Moves: s.moves, Unfilled: unfilled}
}
