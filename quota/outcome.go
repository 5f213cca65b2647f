package quota

// Outcome is what a draw decided for one candidate.
type Outcome struct {
	// Position is the place on the waiting list, from 1: on that of the home pool,
	// or for WaitingReserve on that of the first group in the plan's order that had
	// room. 0 means not waiting.
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
	// SeatsExhausted: everybody who got a seat or a place on a waiting list came
	// before.
	SeatsExhausted Reason = iota
	// HouseholdFull: the household has as many seats as the plan allows.
	HouseholdFull
	// Waiting: on the waiting list of the home pool, at Position.
	Waiting
	// WaitingReserve: too late for that list, but on the one of a group that has a
	// reserve in the home pool or above it, at Position: for reserved seats only.
	WaitingReserve
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
	// Removed: taken out after the roll was frozen, for a published reason.
	Removed
)

// String is the code of the reason, as in result.tsv.
func (r Reason) String() string {
	codes := [...]string{"seats-exhausted", "household-full", "waiting", "waiting-reserve", "drawn-open", "drawn-guarantee",
		"drawn-set-aside", "drawn-released", "drawn-spilled", "removed"}
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
	// Seated is the number of candidates with a seat.
	Seated int64
	// Moves are in the order in which they happened.
	Moves []Move
	// Unfilled is the number of seats of each pool that nobody took, counted
	// where they ended.
	Unfilled []int64

	roll *Roll
	draw *selection
}

// Outcome is that of the candidate at a place of the roll, from 0. DrawStream
// gives the outcomes itself: for its results, and for a place that the roll
// does not have, this is the zero Outcome.
func (r *Result) Outcome(at int) Outcome {
	if r.draw == nil || at < 0 || at >= len(r.roll.candidates) {
		return Outcome{}
	}
	s := r.draw
	i, found := s.find(at)
	if !found {
		return s.left(&r.roll.candidates[at])
	}
	return s.kept[i].outcome()
}
