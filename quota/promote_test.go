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
		today := Holders{func(h uint32) int { return seats[h] }, func(at int) bool { return gone[at] }}
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
