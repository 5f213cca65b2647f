package quota

import (
	"fmt"
	"math"
	"slices"
	"unicode/utf8"
)

const (
	maxGroups = 32
	maxPools  = 100_000
	maxSpill  = 100
	maxNamed  = 100 // witnesses, limits
	maxTiers  = math.MaxUint16 + 1
	maxSeats  = 1 << 40
	maxID     = 64
	maxText   = 4096
	openSeat  = "open"
)

// Validate returns nil or Faults: everything that is wrong with the plan.
func (p *Plan) Validate() error {
	v := planCheck{plan: p, pools: map[string]int{}, groups: map[string]bool{}}
	v.heads()
	v.groupList()
	v.poolIDs()
	for i := range p.Pools {
		v.pool(i)
	}
	v.cycles()
	return v.faults.err()
}

type planCheck struct {
	plan   *Plan
	pools  map[string]int
	groups map[string]bool
	faults Faults
}

func (v *planCheck) heads() {
	p, f := v.plan, &v.faults
	if !validID(p.Name) {
		f.add("name", idRule)
	}
	if p.Order != "" && p.Order != OpenFirst && p.Order != ReservedFirst {
		f.add("order", "must be open-first or reserved-first")
	}
	if p.Order == "" && p.has(SetAside) {
		f.add("order", "missing: a plan with set-asides says open-first or reserved-first")
	}
	if p.HouseholdCap < 0 || p.HouseholdCap > math.MaxUint8 {
		f.add("household_cap", "must be 0 to 255")
	}
	seen := map[string]bool{}
	for i, name := range p.Limits {
		if !validID(name) || seen[name] || i >= maxNamed {
			f.add(fmt.Sprintf("limits[%d]", i), "names one of at most 100, once; "+idRule)
		}
		seen[name] = true
	}
	if p.Ticket != PerPerson && p.Ticket != PerHousehold {
		f.add("ticket", "must be person or household")
	}
	if p.Ticket == PerHousehold && p.HouseholdCap < 1 {
		f.add("household_cap", "must be 1 or more where each household has one ticket: its members stand next to each other, and would all be drawn")
	}
	if p.Tiers < 1 || p.Tiers > maxTiers {
		f.add("tiers", "must be 1 to 65536")
	}
	if p.Key != "" && p.Key != Lottery && p.Key != Score && p.Key != Arrival {
		f.add("key", "must be lottery, score or arrival")
	}
	if p.Key != "" && p.Key != Lottery && p.Ticket == PerHousehold {
		f.add("key", "must be lottery where each household has one ticket")
	}
	if p.Counting != "" && p.Counting != CountOnce && p.Counting != CountAll {
		f.add("counting", "must be once or all")
	}
	if p.Waiting < 0 || p.Waiting > math.MaxUint32 {
		f.add("waiting", "must be 0 to 4294967295")
	}
	if p.SmallestCell < 0 || p.SmallestCell > math.MaxInt32 {
		f.add("smallest_cell", "must be 0 to 2147483647")
	}
	if p.SmallCells != "" && p.SmallCells != RefuseSmall && p.SmallCells != MergeSmall {
		f.add("small_cells", "must be refuse or merge")
	}
	if p.SmallCells != "" && p.SmallestCell < 2 {
		f.add("small_cells", "needs smallest_cell of 2 or more")
	}
	if p.Witnesses < 0 || p.Witnesses > maxNamed {
		f.add("witnesses", "must be 0 to 100")
	}
	if len(p.Pools) == 0 || len(p.Pools) > maxPools {
		f.add("pools", "must be 1 to 100000")
	}
}

func (p *Plan) has(kind Kind) bool {
	for i := range p.Pools {
		for _, r := range p.Pools[i].Reserves {
			if r.Kind == kind {
				return true
			}
		}
	}
	return false
}

func (v *planCheck) groupList() {
	if len(v.plan.Groups) > maxGroups {
		v.faults.add("groups", "more than 32")
		return
	}
	for i, g := range v.plan.Groups {
		field := fmt.Sprintf("groups[%d]", i)
		if !validID(g.Code) || g.Code == openSeat {
			v.faults.add(field+".code", idRule+", and not the word open")
		}
		if v.groups[g.Code] {
			v.faults.add(field+".code", "used twice")
		}
		v.groups[g.Code] = true
		if g.Meaning != ForPublic && g.Meaning != ForAuditors {
			v.faults.add(field+".meaning", "must be public or auditors")
		}
		if (g.Meaning == ForPublic) != (g.Public != "") || !validText(g.Public) {
			v.faults.add(field+".public", "must be given where, and only where, meaning is public")
		}
	}
	for i, g := range v.plan.Groups {
		if g.Within != "" && !slices.ContainsFunc(v.plan.Groups[:i], func(o Group) bool { return o.Code == g.Within }) {
			v.faults.add(fmt.Sprintf("groups[%d].within", i), "is not a group before this one")
		}
	}
}

func (v *planCheck) poolIDs() {
	for i := range v.plan.Pools {
		id := v.plan.Pools[i].ID
		field := fmt.Sprintf("pools[%d].id", i)
		if !validID(id) {
			v.faults.add(field, idRule)
		}
		if _, twice := v.pools[id]; twice {
			v.faults.add(field, "used twice")
			continue
		}
		v.pools[id] = i
	}
}

func (v *planCheck) pool(i int) {
	p := &v.plan.Pools[i]
	field := fmt.Sprintf("pools[%d]", i)
	if _, known := v.pools[p.Parent]; p.Parent != "" && !known {
		v.faults.add(field+".parent", "unknown pool")
	}
	if p.Seats < 0 || p.Seats > maxSeats {
		v.faults.add(field+".seats", "must be 0 to 2^40")
	}
	v.reserves(field, p)
	if len(p.Spill) > maxSpill {
		v.faults.add(field+".spill", "more than 100 pools")
	}
	seen := map[string]bool{p.ID: true}
	for j, to := range p.Spill {
		at := fmt.Sprintf("%s.spill[%d]", field, j)
		if _, known := v.pools[to]; !known {
			v.faults.add(at, "unknown pool")
		}
		if seen[to] {
			v.faults.add(at, "the pool itself, or named twice")
		}
		seen[to] = true
	}
}

func (v *planCheck) reserves(field string, p *Pool) {
	seen := map[string]bool{}
	left := p.Seats
	for j, r := range p.Reserves {
		at := fmt.Sprintf("%s.reserves[%d]", field, j)
		if !v.groups[r.Group] {
			v.faults.add(at+".group", "unknown group")
		}
		if seen[r.Group] {
			v.faults.add(at+".group", "used twice")
		}
		seen[r.Group] = true
		if r.Seats < 0 {
			v.faults.add(at+".seats", "negative")
		}
		if r.Seats > left {
			v.faults.add(at+".seats", "the reserves have more seats than the pool")
		}
		left -= max(0, min(r.Seats, left))
		v.unfilled(at, r, len(p.Spill) > 0)
	}
}

func (v *planCheck) unfilled(at string, r Reserve, spills bool) {
	switch r.Kind {
	case Guarantee:
		if r.Unfilled != "" {
			v.faults.add(at+".unfilled", "not for a guarantee: its seats are open to all when the group has no more candidates")
		}
		return
	case SetAside:
	default:
		v.faults.add(at+".kind", "must be guarantee or set-aside")
		return
	}
	if r.Unfilled != Keep && r.Unfilled != ToOpen && r.Unfilled != ToSpill {
		v.faults.add(at+".unfilled", "must be keep, open or spill")
	}
	if r.Unfilled == ToSpill && !spills {
		v.faults.add(at+".unfilled", "spill needs a spill list")
	}
}

// cycles reports each pool that is its own ancestor.
func (v *planCheck) cycles() {
	const fresh, open, done = 0, 1, 2
	state := make([]uint8, len(v.plan.Pools))
	for start := range v.plan.Pools {
		var path []int
		i := start
		for state[i] == fresh {
			state[i] = open
			path = append(path, i)
			up, known := v.pools[v.plan.Pools[i].Parent]
			if !known {
				break
			}
			i = up
			if state[i] == open {
				v.faults.add(fmt.Sprintf("pools[%d].parent", i), "cycle")
			}
		}
		for _, i := range path {
			state[i] = done
		}
	}
}

const idRule = "must be 1 to 64 of a-z A-Z 0-9 . _ -, with a letter or digit first"

// validID holds for names that go into files and account names as they are.
func validID(s string) bool {
	if len(s) == 0 || len(s) > maxID {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && (i == 0 || c != '.' && c != '_' && c != '-') {
			return false
		}
	}
	return true
}

// validText holds for free text: one line of UTF-8.
func validText(s string) bool {
	if len(s) > maxText || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' {
			return false
		}
	}
	return true
}
