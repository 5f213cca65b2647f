package quota

import "slices"

// Short says how many seats each guarantee of a pool lacks, by the group's code, given the
// groups of everybody who has a seat of the pool, bits in the order of Plan.Groups.
// Guarantees that lack none are left out. Where a person counts for one guarantee
// (CountOnce) each holder is counted for the one that leaves the fewest lacking in all.
func (p *Plan) Short(pool string, holders []uint32) map[string]int64 {
	at := slices.IndexFunc(p.Pools, func(q Pool) bool { return q.ID == pool })
	if at < 0 {
		return nil
	}
	groups, short := p.groupBits(), map[string]int64{}
	m := newMatcher(&p.Pools[at], groups)
	if m == nil {
		return nil
	}
	for i := range holders {
		if p.Counting != CountAll {
			m.offer(&entry{groups: holders[i]})
			continue
		}
		for r, g := range m.groups {
			if holders[i]>>g&1 == 1 {
				m.free[r]--
			}
		}
	}
	for r, g := range m.groups {
		if m.free[r] > 0 {
			short[p.Groups[g].Code] = m.free[r]
		}
	}
	return short
}
