package quota

import "math/bits"

// guarantees accepts, in the order of rank, whoever raises the number of
// filled guarantees of the home pool, each person counting for one. This is the
// first step of the meritorious horizontal choice rule of Sönmez and Yenmez,
// Affirmative Action in India via Vertical and Horizontal Reservations
// (Econometrica 90, 2022): no other choice fills more guarantees, and none that
// fills as many takes candidates of better rank. That holds where no household
// cap binds. Under a cap, whoever was accepted early can keep a relative out who
// alone could have filled another guarantee: the choice then is still by rank,
// but not the one that fills the most.
func (s *selection) guarantees() {
	if !s.plan.has(Guarantee) {
		return
	}
	if s.plan.Counting == CountAll {
		s.nested()
		return
	}
	matchers := make([]*matcher, len(s.pools))
	groups := s.plan.groupBits()
	for i := range s.plan.Pools {
		matchers[i] = newMatcher(&s.plan.Pools[i], groups)
	}
	s.pass(func(e *entry) bool {
		m := matchers[e.pool]
		if m == nil || !m.offer(e) {
			return false
		}
		s.pools[e.pool].open.left--
		s.accept(e, e.pool, 0, DrawnGuarantee)
		m.placed = append(m.placed, e)
		return true
	}, func(c *cell) bool {
		m := matchers[c.pool]
		return m == nil || m.gone(c)
	})
	for _, m := range matchers {
		if m != nil {
			for _, e := range m.placed {
				e.group = m.groups[e.fills]
			}
		}
	}
}

// nested counts each person for the guarantees of all their groups, which nest.
// The innermost groups come first: who fills their guarantees fills those
// around them too.
func (s *selection) nested() {
	around := s.plan.around()
	groups := s.plan.groupBits()
	need := make([][]counter, len(s.pools)) // by pool and group
	depth := 0
	for i := range s.plan.Pools {
		need[i] = make([]counter, len(s.plan.Groups))
		for _, r := range s.plan.Pools[i].Reserves {
			if r.Kind == Guarantee {
				need[i][groups[r.Group]].left = r.Seats
				depth = max(depth, bits.OnesCount32(around[groups[r.Group]]))
			}
		}
	}
	for ; depth >= 0; depth-- {
		var level uint32
		for g, up := range around {
			if bits.OnesCount32(up) == depth {
				level |= 1 << g
			}
		}
		s.nestedLevel(need, level)
	}
}

// nestedLevel fills the guarantees of the groups in level.
func (s *selection) nestedLevel(need [][]counter, level uint32) {
	for _, pool := range need {
		for g := range pool {
			pool[g].begin()
		}
	}
	s.pass(func(e *entry) bool {
		fills := int8(-1)
		for rest := e.groups & level; rest != 0; rest &= rest - 1 {
			if g := int8(bits.TrailingZeros32(rest)); need[e.pool][g].left > 0 {
				fills = g
			}
		}
		if fills < 0 {
			return false
		}
		for rest := e.groups; rest != 0; rest &= rest - 1 {
			need[e.pool][bits.TrailingZeros32(rest)].take(e)
		}
		s.pools[e.pool].open.left--
		s.accept(e, e.pool, fills, DrawnGuarantee)
		return true
	}, func(c *cell) bool {
		for rest := c.groups & level; rest != 0; rest &= rest - 1 {
			if g := bits.TrailingZeros32(rest); g < len(need[c.pool]) && !need[c.pool][g].before(c.limit) {
				return false
			}
		}
		return true
	})
}

// matcher matches the candidates of one pool to its guarantees, by augmenting
// paths.
type matcher struct {
	groups []int8
	free   []int64
	placed []*entry // those who were matched; entry.fills is the guarantee
	// closed guarantees can never be filled further: they are full, and nobody
	// who fills one of them could fill another that is not closed. since is the
	// head of whoever was refused first.
	closed uint32
	since  [maxGroups]uint64
	// movable[r][x] are candidates who filled r and could fill x, the latest
	// last. Entries of those who have moved away are dropped when met.
	movable [][][]*entry
}

func newMatcher(p *Pool, groups map[string]int8) *matcher {
	m := &matcher{}
	for _, r := range p.Reserves {
		if r.Kind == Guarantee {
			m.groups = append(m.groups, groups[r.Group])
			m.free = append(m.free, r.Seats)
		}
	}
	if m.groups == nil {
		return nil
	}
	m.movable = make([][][]*entry, len(m.groups))
	for r := range m.movable {
		m.movable[r] = make([][]*entry, len(m.groups))
	}
	return m
}

// mask has bit r set if a member of the groups could fill guarantee r.
func (m *matcher) mask(groups uint32) uint32 {
	var mask uint32
	for r, g := range m.groups {
		mask |= groups >> g & 1 << r
	}
	return mask
}

// gone says whether whoever is behind the limit of the cell would have been
// refused.
func (m *matcher) gone(c *cell) bool {
	for rest := m.mask(c.groups); rest != 0; rest &= rest - 1 {
		r := bits.TrailingZeros32(rest)
		if m.closed>>r&1 == 0 || m.since[r] >= c.limit {
			return false
		}
	}
	return true
}

// offer matches a candidate if that fills one more guarantee. It looks for the
// guarantee with room that the fewest others have to move for, trying
// guarantees in the order of the plan; the one who moves is the latest who can.
func (m *matcher) offer(e *entry) bool {
	mask := m.mask(e.groups) &^ m.closed
	if mask == 0 {
		return false
	}
	queue := make([]int8, 0, maxGroups)
	var from [maxGroups]int8
	seen := mask
	for rest := mask; rest != 0; rest &= rest - 1 {
		r := int8(bits.TrailingZeros32(rest))
		queue, from[r] = append(queue, r), -1
	}
	for head := 0; head < len(queue); head++ {
		r := queue[head]
		if m.free[r] > 0 {
			m.free[r]--
			m.shift(e, r, &from)
			return true
		}
		for x := range int8(len(m.groups)) {
			if seen>>x&1 == 0 && m.top(r, x) {
				seen |= 1 << x
				queue, from[x] = append(queue, x), r
			}
		}
	}
	m.closed |= seen
	for rest := seen; rest != 0; rest &= rest - 1 {
		m.since[bits.TrailingZeros32(rest)] = e.head
	}
	return false
}

// shift moves one candidate along each step of the path that ends at r, and
// puts e at its start.
func (m *matcher) shift(e *entry, r int8, from *[maxGroups]int8) {
	for from[r] >= 0 {
		before := from[r]
		list := m.movable[before][r]
		mover := list[len(list)-1]
		m.movable[before][r] = list[:len(list)-1]
		m.put(mover, r)
		r = before
	}
	m.put(e, r)
}

func (m *matcher) put(e *entry, r int8) {
	e.fills = r
	mask := m.mask(e.groups)
	for x := range int8(len(m.groups)) {
		if x != r && mask>>x&1 == 1 {
			m.movable[r][x] = append(m.movable[r][x], e)
		}
	}
}

// top drops stale entries, and says whether anybody can move from r to x.
func (m *matcher) top(r, x int8) bool {
	list := m.movable[r][x]
	for len(list) > 0 && list[len(list)-1].fills != r {
		list = list[:len(list)-1]
	}
	m.movable[r][x] = list
	return len(list) > 0
}
