package quota

// mergeSmall takes groups off the lines of each pool that has a cell too small
// to publish: all groups that decide nothing there. Everybody of the pool loses
// them, so that nobody stands out.
func (p *Plan) mergeSmall(candidates []Candidate) {
	count := map[[2]uint32]int{} // people by pool and groups
	for i := range candidates {
		c := &candidates[i]
		count[[2]uint32{uint32(c.Pool), c.Groups}]++
	}
	small := map[int32]bool{}
	for cell, n := range count {
		if n < p.SmallestCell {
			small[int32(cell[0])] = true
		}
	}
	if len(small) == 0 {
		return
	}
	deciding := p.deciding()
	for i := range candidates {
		// Whatever else is wrong with a line stays, to be refused as it is.
		if c := &candidates[i]; small[c.Pool] && int(c.Pool) < len(deciding) && c.Pool >= 0 {
			c.Groups &= deciding[c.Pool] | ^uint32(0)<<len(p.Groups)
		}
	}
}

// reserving returns for each pool the groups that have a reserve in it or in one
// above it.
func (p *Plan) reserving() []uint32 {
	own, bit := make([]uint32, len(p.Pools)), p.groupBits()
	for i := range p.Pools {
		for _, r := range p.Pools[i].Reserves {
			own[i] |= 1 << bit[r.Group]
		}
	}
	return p.withAbove(own)
}

// deciding returns for each pool the groups that decide something for those
// whose home it is: groups with a reserve in the pool or in one above it, from
// which a returned seat may come, and the groups around those.
func (p *Plan) deciding() []uint32 {
	bit, around := p.groupBits(), p.around()
	own := make([]uint32, len(p.Pools))
	for i := range p.Pools {
		for _, r := range p.Pools[i].Reserves {
			own[i] |= 1<<bit[r.Group] | around[bit[r.Group]]
		}
	}
	return p.withAbove(own)
}

// withAbove returns for each pool its own groups and those of all pools above it.
func (p *Plan) withAbove(own []uint32) []uint32 {
	byID := make(map[string]int, len(p.Pools))
	for i := range p.Pools {
		byID[p.Pools[i].ID] = i
	}
	all := make([]uint32, len(p.Pools))
	for i := range p.Pools {
		all[i] = own[i]
		for up := p.Pools[i].Parent; up != ""; up = p.Pools[byID[up]].Parent {
			all[i] |= own[byID[up]]
		}
	}
	return all
}
