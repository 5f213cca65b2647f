package quota

import "math/bits"

// guarantees accepts, in the order of rank, whoever raises the number of
// filled guarantees of the home pool, each person counting for one. This is the
// first step of the meritorious horizontal choice rule of Sönmez and Yenmez,
// Affirmative Action in India via Vertical and Horizontal Reservations
// (Econometrica 90, 2022): no other choice fills more guarantees, and none that
// fills as many takes candidates of better rank.
func (s *selection) guarantees() {
	if !s.plan.has(Guarantee) {
		return
	}
	at := make([]int8, len(s.candidates))
	matchers := make([]*matcher, len(s.pools))
	groups := s.plan.groupBits()
	for i := range s.plan.Pools {
		matchers[i] = newMatcher(&s.plan.Pools[i], groups, at)
	}
	s.pass(func(i uint32, c *Candidate) bool {
		m := matchers[c.Pool]
		if m == nil || !m.offer(i, s.candidates) {
			return false
		}
		s.pools[c.Pool].open--
		s.accept(i, c.Pool, 0, DrawnGuarantee)
		return true
	})
	for i := range s.outcomes {
		if o := &s.outcomes[i]; o.Reason == DrawnGuarantee {
			o.Group = matchers[o.Pool].groups[at[i]]
		}
	}
}

// matcher matches the candidates of one pool to its guarantees, by augmenting
// paths.
type matcher struct {
	groups []int8
	free   []int64
	at     []int8 // the guarantee that a matched candidate fills
	// closed guarantees can never be filled further: they are full, and nobody
	// who fills one of them could fill another that is not closed.
	closed uint32
	// movable[r][x] are candidates who filled r and could fill x, the latest
	// last. Entries of those who have moved away are dropped when met.
	movable [][][]uint32
}

func newMatcher(p *Pool, groups map[string]int8, at []int8) *matcher {
	m := &matcher{at: at}
	for _, r := range p.Reserves {
		if r.Kind == Guarantee {
			m.groups = append(m.groups, groups[r.Group])
			m.free = append(m.free, r.Seats)
		}
	}
	if m.groups == nil {
		return nil
	}
	m.movable = make([][][]uint32, len(m.groups))
	for r := range m.movable {
		m.movable[r] = make([][]uint32, len(m.groups))
	}
	return m
}

// mask has bit r set if the candidate could fill guarantee r.
func (m *matcher) mask(c *Candidate) uint32 {
	var mask uint32
	for r, g := range m.groups {
		mask |= c.Groups >> g & 1 << r
	}
	return mask
}

// offer matches candidate i if that fills one more guarantee. It looks for the
// guarantee with room that the fewest others have to move for, trying
// guarantees in the order of the plan; the one who moves is the latest who can.
func (m *matcher) offer(i uint32, candidates []Candidate) bool {
	mask := m.mask(&candidates[i]) &^ m.closed
	var queue []int8
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
			m.shift(i, r, &from, candidates)
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
	return false
}

// shift moves one candidate along each step of the path that ends at r, and
// puts i at its start.
func (m *matcher) shift(i uint32, r int8, from *[maxGroups]int8, candidates []Candidate) {
	for from[r] >= 0 {
		before := from[r]
		list := m.movable[before][r]
		mover := list[len(list)-1]
		m.movable[before][r] = list[:len(list)-1]
		m.put(mover, r, candidates)
		r = before
	}
	m.put(i, r, candidates)
}

func (m *matcher) put(i uint32, r int8, candidates []Candidate) {
	m.at[i] = r
	mask := m.mask(&candidates[i])
	for x := range int8(len(m.groups)) {
		if x != r && mask>>x&1 == 1 {
			m.movable[r][x] = append(m.movable[r][x], i)
		}
	}
}

// top drops stale entries, and says whether anybody can move from r to x.
func (m *matcher) top(r, x int8) bool {
	list := m.movable[r][x]
	for len(list) > 0 && m.at[list[len(list)-1]] != r {
		list = list[:len(list)-1]
	}
	m.movable[r][x] = list
	return len(list) > 0
}
