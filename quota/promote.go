package quota

import (
	"cmp"
	"slices"
)

// Vacancy is a seat that came back.
type Vacancy struct {
	// Pool is where the seat is, as a position in Plan.Pools. Candidates whose
	// home is that pool or a pool below it may have it.
	Pool int32
	// Group is the group of a set-aside, as a position in Plan.Groups; -1 is an
	// open seat. To refill a guarantee, ask for the group first and, if nobody
	// fits, for an open seat.
	//
	// Whoever waits on the list of the home pool may have either; whoever waits on
	// that of a group only, a reserved seat.
	Group int8
}

// Holders is who has what today.
type Holders struct {
	// Household says how many seats a household holds now, of all waves. nil is
	// what the roll and the draw say.
	Household func(household uint32) int
	// Gone says that the candidate at a place of the roll has a seat by now, or
	// may have none any more. nil is nobody.
	Gone func(at int) bool
	// Unseated are the places in the roll of those whom the draw gave a seat that
	// they did not get, as when their household became full before the draw was
	// announced. They come before all others, in the order of rank.
	Unseated []int
}

// Promote returns the place in the roll of whoever gets a seat that came back:
// of today's Unseated, and then of those who wait or were passed over because their
// household was full, the first in rank who fits given today's holders. It changes nothing, so
// it displaces nobody. It returns false where nobody fits, and for a result of
// DrawStream.
func (r *Result) Promote(v Vacancy, today Holders) (at int, ok bool) {
	if r.draw == nil {
		return 0, false
	}
	s := r.draw
	held := func(e *entry) int { return int(e.held) + s.households.of(e.household) }
	if today.Household != nil {
		held = func(e *entry) int { return today.Household(e.household) }
	}
	if today.Gone == nil {
		today.Gone = func(int) bool { return false }
	}
	queue := s.queue
	if v.Group >= 0 {
		queue = s.reserved
	}
	for _, list := range [][]uint32{s.inRank(today.Unseated), queue} {
		for _, i := range list {
			e := &s.kept[i]
			full := s.plan.HouseholdCap > 0 && e.household != 0 && held(e) >= s.plan.HouseholdCap
			member := v.Group < 0 || e.groups>>v.Group&1 == 1
			if !full && member && s.below(e.pool, v.Pool) && !today.Gone(int(e.at)) {
				return int(e.at), true
			}
		}
	}
	return 0, false
}

// inRank orders places of the roll by rank, as positions in kept. It leaves out whom
// the draw did not accept.
func (s *selection) inRank(places []int) []uint32 {
	if len(places) == 0 {
		return nil
	}
	var some []entry
	var of []uint32
	for _, at := range places {
		if i, found := s.find(at); found && s.kept[i].outcome().Accepted() {
			some, of = append(some, s.kept[i]), append(of, uint32(i))
		}
	}
	order := s.order.sort(some, func(i uint32) Label { return s.order.roll[some[i].at].Label })
	for k, i := range order {
		order[k] = of[i]
	}
	return order
}

func (s *selection) find(at int) (int, bool) {
	return slices.BinarySearchFunc(s.kept, at, func(e entry, at int) int { return cmp.Compare(int(e.at), at) })
}

// below says whether a pool is another or below it.
func (s *selection) below(pool, other int32) bool {
	for ; pool >= 0; pool = s.pools[pool].parent {
		if pool == other {
			return true
		}
	}
	return false
}
