package quota

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// Outcome is what a draw decided for one candidate, 20 bytes in memory.
type Outcome struct {
	// Rank is the place in the global order of (tier, key, label), from 1.
	Rank uint32
	// Position is the place on the waiting list of the home pool, from 1. 0
	// means not waiting.
	Position uint32
	// Pool has the seat; for others, it is the home pool.
	Pool int32
	// Group is the group of the reserve that was filled, as a position in
	// Plan.Groups. -1 is an open seat.
	Group  int8
	Reason Reason
}

// Accepted says whether the candidate has a seat.
func (o Outcome) Accepted() bool { return o.Reason >= DrawnOpen && o.Reason <= DrawnSpilled }

// Reason says why an outcome is what it is.
type Reason uint8

const (
	// SeatsExhausted: everybody who got a seat or a place on the waiting list
	// of the pool came before.
	SeatsExhausted Reason = iota
	// HouseholdFull: the household has as many seats as the plan allows.
	HouseholdFull
	// Waiting: on the waiting list, at Position.
	Waiting
	// DrawnOpen: an open seat of the home pool.
	DrawnOpen
	// DrawnGuarantee: an open seat of the home pool that fills a guarantee.
	DrawnGuarantee
	// DrawnSetAside: a set-aside seat of the home pool.
	DrawnSetAside
	// DrawnReleased: a set-aside seat of the home pool that its group left.
	DrawnReleased
	// DrawnSpilled: a seat that another pool could not fill.
	DrawnSpilled
)

// String is the code of the reason, as in result.tsv.
func (r Reason) String() string {
	codes := [...]string{"seats-exhausted", "household-full", "waiting", "drawn-open", "drawn-guarantee",
		"drawn-set-aside", "drawn-released", "drawn-spilled"}
	if int(r) >= len(codes) {
		return "unknown"
	}
	return codes[r]
}

// Move is a movement of unfilled seats, to be posted to a ledger.
type Move struct {
	// Round is 0 inside a pool, and n for the n-th pool of a spill list.
	Round int
	// Origin is the pool of the plan whose seats they are.
	Origin int32
	// From and To are pools; they are equal in round 0.
	From, To int32
	// Group is the set-aside that the seats leave, -1 for open seats. They are
	// open seats where they go.
	Group int8
	Seats int64
}

// Result is a draw.
type Result struct {
	// Outcomes are in the order of the roll.
	Outcomes []Outcome
	// Moves are in the order in which they happened.
	Moves []Move
	// Unfilled is the number of seats of each pool that nobody took, counted
	// where they ended.
	Unfilled []int64
}

// Accepted is the number of candidates with a seat.
func (r *Result) Accepted() int64 {
	var n int64
	for i := range r.Outcomes {
		if r.Outcomes[i].Accepted() {
			n++
		}
	}
	return n
}

// Draw checks that plan, roll and seed are those of the manifest, and selects.
// The roll must have been made for this plan. Errors: Faults.
func Draw(p *Plan, r *Roll, m *Manifest, s *Seed) (*Result, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	frozen, err := Freeze(p, r, *m)
	if err != nil {
		return nil, err
	}
	var f Faults
	if frozen.Plan != m.Plan {
		f.add("manifest.plan", "is not the digest of the plan")
	}
	if frozen.Roll != m.Roll || frozen.Count != m.Count {
		f.add("manifest.roll", "is not the digest, or the count, of the roll")
	}
	if len(f) > 0 {
		return nil, f
	}
	keys, err := m.keys(s)
	if err != nil {
		return nil, err
	}
	return Select(p, r, keys), nil
}

// Select ranks the roll and applies the plan. The plan must be valid, and the
// roll made for it. Use Draw for a draw that anyone shall check: Select alone
// takes any keys.
func Select(p *Plan, r *Roll, keys *Keys) *Result {
	s := newSelection(p, r.candidates)
	s.rest = rank(r.candidates, p.Ticket, keys)
	for i, c := range s.rest {
		s.outcomes[c].Rank = uint32(i + 1)
	}
	s.guarantees()
	s.pass(s.home)
	s.release()
	for round := 1; s.spill(round); round++ {
		s.pass(s.spilled)
	}
	s.wait()
	return s.result()
}

// rank returns the positions of candidates in the order of (tier, key, label).
func rank(candidates []Candidate, t Ticket, keys *Keys) []uint32 {
	// The head has the tier and the first 48 bits of the key. Equal heads,
	// which are rare, are decided by the whole key, made again.
	type entry struct {
		head uint64
		at   uint32
	}
	entries := make([]entry, len(candidates))
	for i := range candidates {
		c := &candidates[i]
		key := keys.of(c, t)
		entries[i] = entry{uint64(c.Tier)<<48 | binary.BigEndian.Uint64(key[:])>>16, uint32(i)}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		if a.head != b.head {
			return cmp.Compare(a.head, b.head)
		}
		x, y := &candidates[a.at], &candidates[b.at]
		if t != PerHousehold || x.Household == 0 || x.Household != y.Household {
			p, q := keys.of(x, t), keys.of(y, t)
			if order := bytes.Compare(p[:], q[:]); order != 0 {
				return order
			}
		}
		return bytes.Compare(x.Label[:], y.Label[:])
	})
	order := make([]uint32, len(entries))
	for i, e := range entries {
		order[i] = e.at
	}
	return order
}

// selection is a draw at work.
type selection struct {
	plan       *Plan
	candidates []Candidate
	outcomes   []Outcome
	rest       []uint32 // candidates without a seat, in the order of rank
	pools      []poolState
	households map[uint32]int // seats accepted now, by household
	moves      []Move
}

// poolState is what a pool has left.
type poolState struct {
	parent   int32
	spill    []int32
	open     int64
	asides   []aside
	incoming []lot // spilled seats, in the order in which they are used
	held     int64 // seats in incoming
	spilling int64 // own seats that are on their way along the spill list
	at       int32 // where they are now
}

// aside is a set-aside of a pool.
type aside struct {
	group    int8
	left     int64
	unfilled Unfilled
}

// lot is spilled seats of one origin.
type lot struct {
	origin int32
	seats  int64
}

func newSelection(p *Plan, candidates []Candidate) *selection {
	s := &selection{
		plan: p, candidates: candidates, outcomes: make([]Outcome, len(candidates)),
		pools: make([]poolState, len(p.Pools)), households: map[uint32]int{},
	}
	for i := range candidates {
		s.outcomes[i].Pool, s.outcomes[i].Group = candidates[i].Pool, -1
	}
	byID := make(map[string]int32, len(p.Pools))
	for i := range p.Pools {
		byID[p.Pools[i].ID] = int32(i)
	}
	groups := p.groupBits()
	for i := range p.Pools {
		pool, state := &p.Pools[i], &s.pools[i]
		state.parent, state.open, state.at = -1, pool.Seats, int32(i)
		if pool.Parent != "" {
			state.parent = byID[pool.Parent]
		}
		for _, to := range pool.Spill {
			state.spill = append(state.spill, byID[to])
		}
		for _, r := range pool.Reserves {
			if r.Kind == SetAside {
				state.open -= r.Seats
				state.asides = append(state.asides, aside{groups[r.Group], r.Seats, r.Unfilled})
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

// fits says whether the household may have one more seat.
func (s *selection) fits(c *Candidate) bool {
	if s.plan.HouseholdCap == 0 || c.Household == 0 {
		return true
	}
	return int(c.Held)+s.households[c.Household] < s.plan.HouseholdCap
}

func (s *selection) accept(i uint32, pool int32, group int8, reason Reason) {
	o := &s.outcomes[i]
	o.Pool, o.Group, o.Reason = pool, group, reason
	if h := s.candidates[i].Household; h != 0 && s.plan.HouseholdCap != 0 {
		s.households[h]++
	}
}

// pass offers seats to everybody without one, in the order of rank.
func (s *selection) pass(offer func(i uint32, c *Candidate) bool) {
	left := s.rest[:0]
	for _, i := range s.rest {
		c := &s.candidates[i]
		if !s.fits(c) || !offer(i, c) {
			left = append(left, i)
		}
	}
	s.rest = left
}

// home offers the seats of the home pool, in the order that the plan says.
func (s *selection) home(i uint32, c *Candidate) bool {
	if s.plan.Order == ReservedFirst {
		return s.setAside(i, c) || s.open(i, c, DrawnOpen)
	}
	return s.open(i, c, DrawnOpen) || s.setAside(i, c)
}

func (s *selection) open(i uint32, c *Candidate, reason Reason) bool {
	pool := &s.pools[c.Pool]
	if pool.open == 0 {
		return false
	}
	pool.open--
	s.accept(i, c.Pool, -1, reason)
	return true
}

// setAside offers the first set-aside of the pool, in the order of the plan,
// that has room and is for a group of the candidate.
func (s *selection) setAside(i uint32, c *Candidate) bool {
	asides := s.pools[c.Pool].asides
	for k := range asides {
		a := &asides[k]
		if a.left > 0 && c.Groups>>a.group&1 == 1 {
			a.left--
			s.accept(i, c.Pool, a.group, DrawnSetAside)
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
			if a.unfilled != ToOpen || a.left == 0 {
				continue
			}
			s.moves = append(s.moves, Move{0, int32(i), int32(i), int32(i), a.group, a.left})
			pool.open += a.left
			a.left = 0
			released = true
		}
	}
	if released {
		s.pass(func(i uint32, c *Candidate) bool { return s.open(i, c, DrawnReleased) })
	}
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
		target.held += pool.spilling
		pool.spilling = 0
		moved = true
	}
	return moved
}

// leave takes the unfilled seats of a pool out of it.
func (s *selection) leave(from, to int32) {
	pool := &s.pools[from]
	if pool.open > 0 {
		s.moves = append(s.moves, Move{1, from, from, to, -1, pool.open})
		pool.spilling, pool.open = pool.open, 0
	}
	for k := range pool.asides {
		a := &pool.asides[k]
		if a.unfilled == ToSpill && a.left > 0 {
			s.moves = append(s.moves, Move{1, from, from, to, a.group, a.left})
			pool.spilling += a.left
			a.left = 0
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
		s.pools[i].incoming, s.pools[i].held = s.pools[i].incoming[:0], 0
	}
}

// spilled offers spilled seats of the home pool, or else of the nearest pool
// above it that has any. The seats of the origin that comes first in the plan
// are used first.
func (s *selection) spilled(i uint32, c *Candidate) bool {
	for at := c.Pool; at >= 0; at = s.pools[at].parent {
		pool := &s.pools[at]
		if pool.held == 0 {
			continue
		}
		for pool.incoming[0].seats == 0 {
			pool.incoming = pool.incoming[1:]
		}
		pool.incoming[0].seats--
		pool.held--
		s.accept(i, at, -1, DrawnSpilled)
		return true
	}
	return false
}

// wait makes the waiting list of each pool, and gives the others a reason.
func (s *selection) wait() {
	waiting := make([]int64, len(s.pools))
	for _, i := range s.rest {
		c, o := &s.candidates[i], &s.outcomes[i]
		if !s.fits(c) {
			o.Reason = HouseholdFull
			continue
		}
		if waiting[c.Pool] == s.plan.Waiting {
			continue
		}
		waiting[c.Pool]++
		o.Reason, o.Position = Waiting, uint32(waiting[c.Pool])
	}
}

func (s *selection) result() *Result {
	unfilled := make([]int64, len(s.pools))
	for i := range s.pools {
		pool := &s.pools[i]
		unfilled[i] += pool.open
		for _, a := range pool.asides {
			unfilled[i] += a.left
		}
		unfilled[pool.at] += pool.spilling
	}
	return &Result{s.outcomes, s.moves, unfilled}
}
