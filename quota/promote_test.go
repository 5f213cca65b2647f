package quota

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// A seat that comes back goes to the first who fits, by a plain second way, and
// nobody who has a seat loses it.
func TestPromotionNeverDisplaces(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 10))
	promoted, passed := 0, 0
	for range 300 {
		p := randomPlan(r)
		p.Waiting = 1 + r.Int64N(6)
		roll, err := NewRoll(p, randomCandidates(r, p, r.IntN(60)))
		require.NoError(t, err)
		keys := NewKeys(nil, []byte{3})
		result := Select(p, roll, keys)
		order := ranks(p, roll, keys)
		seats, gone, homes := map[uint32]int{}, map[int]bool{}, map[int]Outcome{}
		for i, o := range outcomes(result) {
			c := &roll.candidates[i]
			if _, seen := seats[c.Household]; !seen {
				seats[c.Household] = int(c.Held)
			}
			if o.Accepted() {
				seats[c.Household]++
				gone[i], homes[i] = true, o
			}
		}
		today := Holders{Household: func(h uint32) int { return seats[h] }, Gone: func(at int) bool { return gone[at] }}
		for range 10 {
			// Somebody gives a seat back, for good.
			var holders []int
			for at := range homes {
				holders = append(holders, at)
			}
			if len(holders) == 0 {
				break
			}
			slices.Sort(holders)
			back := holders[r.IntN(len(holders))]
			o := homes[back]
			delete(homes, back)
			seats[roll.candidates[back].Household]--
			v := Vacancy{o.Pool, -1}
			if o.Reason == DrawnSetAside {
				v.Group = o.Group
			}
			before := maps.Clone(homes)
			at, ok := result.Promote(v, today)
			require.Equal(t, before, homes)
			want, found := firstWho(p, roll, result, order, v, today)
			require.Equal(t, found, ok)
			if !ok {
				continue
			}
			require.Equal(t, want, at)
			require.NotContains(t, homes, at)
			if result.Outcome(at).Reason == HouseholdFull {
				passed++
			}
			promoted++
			household := roll.candidates[at].Household
			seats[household]++
			gone[at], homes[at] = true, o
			if p.HouseholdCap > 0 && household != 0 {
				require.LessOrEqual(t, seats[household], p.HouseholdCap)
			}
		}
	}
	require.Greater(t, promoted, 100)
	require.Positive(t, passed, "somebody whose household was full has fitted later")
}

// A reserved seat finds somebody of its group though the list of the pool is full of
// others; an open one does not go to whoever waits for reserved seats only.
func TestAReservedSeatFindsItsGroup(t *testing.T) {
	p := &Plan{Name: "p", Ticket: PerPerson, Tiers: 1, Order: OpenFirst, Key: Arrival, Waiting: 2, Groups: []Group{{Code: "g", Meaning: ForAuditors}},
		Pools: []Pool{{ID: "n", Seats: 1, Reserves: []Reserve{{"g", 1, SetAside, Keep}}}, {ID: "a", Parent: "n", Seats: 1}}}
	var cs []Candidate
	for i := range 12 {
		c := Candidate{Label: Label{byte(i + 1)}, Pool: 1, Number: uint32(i)}
		if i >= 5 && i < 9 {
			c.Groups = 1
		}
		cs = append(cs, c)
	}
	roll, err := NewRoll(p, cs)
	require.NoError(t, err)
	result := Select(p, roll, NewKeys(nil, nil))
	want := []Reason{DrawnOpen, Waiting, Waiting, SeatsExhausted, SeatsExhausted, WaitingReserve, WaitingReserve, SeatsExhausted}
	for i, reason := range want {
		require.Equal(t, reason, result.Outcome(i).Reason, i)
	}
	require.EqualValues(t, 2, result.Outcome(6).Position)
	gone := map[int]bool{}
	today := Holders{Gone: func(at int) bool { return gone[at] }}
	for _, at := range []int{5, 6} {
		got, ok := result.Promote(Vacancy{0, 0}, today)
		require.True(t, ok)
		require.Equal(t, at, got)
		gone[got] = true
	}
	_, ok := result.Promote(Vacancy{0, 0}, today)
	require.False(t, ok)
	got, ok := result.Promote(Vacancy{Pool: 1, Group: -1}, Holders{})
	require.True(t, ok, "without Holders: nobody is gone, and households hold what the draw gave them")
	require.Equal(t, 1, got)
	gone[1], gone[2] = true, true
	_, ok = result.Promote(Vacancy{1, -1}, today)
	require.False(t, ok)
}

// Whoever was drawn and could not be seated comes before those who wait, in the order of
// rank, whatever the order in which they are named. Nobody else comes by that way.
func TestWhoWasDrawnAndNotSeatedComesFirst(t *testing.T) {
	p := &Plan{Name: "p", Ticket: PerPerson, Tiers: 1, Order: OpenFirst, Key: Arrival, HouseholdCap: 1, Waiting: 9, Groups: []Group{{Code: "g", Meaning: ForAuditors}},
		Pools: []Pool{{ID: "n", Seats: 2, Reserves: []Reserve{{"g", 1, SetAside, Keep}}}, {ID: "m", Seats: 1}}}
	var cs []Candidate
	for i := range 6 {
		cs = append(cs, Candidate{Label: Label{byte(9 - i)}, Number: uint32(i), Household: uint32(i + 1), Groups: uint32(i) & 1})
	}
	cs = append(cs, Candidate{Label: Label{1}, Pool: 1, Number: 9, Household: 99})
	roll, err := NewRoll(p, cs)
	require.NoError(t, err)
	result := Select(p, roll, NewKeys(nil, nil))
	place := func(number uint32) int {
		return slices.IndexFunc(roll.candidates, func(c Candidate) bool { return c.Number == number })
	}
	for number, reason := range []Reason{DrawnOpen, DrawnSetAside, Waiting, Waiting} {
		require.Equal(t, reason, result.Outcome(place(uint32(number))).Reason, number)
	}
	seated := map[int]bool{}
	today := Holders{Household: func(uint32) int { return 0 }, Gone: func(at int) bool { return seated[at] },
		Unseated: []int{place(9), place(1), place(3), -1, 100, place(0)}}
	var got []uint32
	for range 4 {
		at, ok := result.Promote(Vacancy{0, -1}, today)
		require.True(t, ok)
		got, seated[at] = append(got, roll.candidates[at].Number), true
	}
	require.Equal(t, []uint32{0, 1, 2, 3}, got, "3 only waits, and 9 is of another pool")
	clear(seated)
	at, ok := result.Promote(Vacancy{0, 0}, today)
	require.True(t, ok)
	require.EqualValues(t, 1, roll.candidates[at].Number, "a reserved seat is for its group")
}

// Without Holders.Household, a household holds what it held before and what the draw
// gave it.
func TestPromotionByTheDrawAlone(t *testing.T) {
	p := &Plan{Name: "p", Ticket: PerPerson, Tiers: 1, Key: Arrival, HouseholdCap: 2, Waiting: 9, Pools: []Pool{{ID: "n", Seats: 1}}}
	roll, err := NewRoll(p, []Candidate{
		{Label: Label{1}, Number: 1, Household: 1, Held: 1}, {Label: Label{2}, Number: 2, Household: 1, Held: 1},
		{Label: Label{3}, Number: 3, Household: 2, Held: 2}, {Label: Label{4}, Number: 4, Household: 3, Held: 1},
	})
	require.NoError(t, err)
	result := Select(p, roll, NewKeys(nil, nil))
	require.True(t, result.Outcome(0).Accepted())
	at, ok := result.Promote(Vacancy{0, -1}, Holders{})
	require.True(t, ok)
	require.Equal(t, 3, at, "the first two households are full")
	_, ok = result.Promote(Vacancy{0, -1}, Holders{Gone: func(at int) bool { return at == 3 }})
	require.False(t, ok)
	at, ok = result.Promote(Vacancy{0, -1}, Holders{Household: func(uint32) int { return 0 }})
	require.True(t, ok)
	require.Equal(t, 1, at)
}

// firstWho looks through everybody in the order of rank.
func firstWho(p *Plan, roll *Roll, result *Result, order []uint32, v Vacancy, today Holders) (int, bool) {
	waiting := map[[2]int32]int64{}
	reserving := p.reserving()
	for _, i := range order {
		c, o := &roll.candidates[i], result.Outcome(int(i))
		if o.Accepted() || o.Reason == Removed {
			continue
		}
		lists := [][2]int32{{c.Pool, -1}} // the list of the home pool, and those of the groups
		for g := range int32(len(p.Groups)) {
			if c.Groups&reserving[c.Pool]>>g&1 == 1 {
				lists = append(lists, [2]int32{c.Pool, g})
			}
		}
		may, homeHad := false, waiting[lists[0]] < p.Waiting
		for _, l := range lists {
			had := waiting[l] < p.Waiting
			may = may || had && (l[1] < 0 || v.Group >= 0)
			if had && o.Reason != HouseholdFull {
				waiting[l]++
			}
		}
		if (o.Reason == Waiting) != (homeHad && o.Reason != HouseholdFull) {
			panic("the list of the home pool is not as it should be")
		}
		if !may || today.Gone(int(i)) {
			continue
		}
		if p.HouseholdCap > 0 && c.Household != 0 && today.Household(c.Household) >= p.HouseholdCap {
			continue
		}
		for at := p.Pools[c.Pool].ID; at != ""; {
			here := slices.IndexFunc(p.Pools, func(q Pool) bool { return q.ID == at })
			if int32(here) == v.Pool && (v.Group < 0 || c.Groups>>v.Group&1 == 1) {
				return int(i), true
			}
			at = p.Pools[here].Parent
		}
	}
	return 0, false
}
