package quota

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Merging changes what is published and nothing else: with the same keys
// everybody has the same outcome, every cell is large enough, and a group with
// a reserve in the pool or above it stays.
func TestMergingDecidesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 1))
	merged, refused := 0, 0
	for range 200 {
		p := randomPlan(r)
		for i := range p.Pools { // fewer reserves, so that there is something to merge
			if r.IntN(4) > 0 {
				p.Pools[i].Reserves = nil
			}
		}
		cs := randomCandidates(r, p, 300+r.IntN(300))
		whole, err := NewRoll(p, slices.Clone(cs))
		require.NoError(t, err)
		with := *p
		with.SmallestCell, with.SmallCells = 2+r.IntN(9), MergeSmall
		require.NoError(t, with.Validate())
		roll, err := NewRoll(&with, slices.Clone(cs))
		if err != nil {
			var e *RollError
			require.ErrorAs(t, err, &e)
			refused++
			continue
		}
		cells := map[[2]uint32]int{}
		deciding := p.deciding()
		for i, c := range roll.candidates {
			cells[[2]uint32{uint32(c.Pool), c.Groups}]++
			was := whole.candidates[i].Groups
			require.Equal(t, was&deciding[c.Pool], c.Groups&deciding[c.Pool])
			require.Zero(t, c.Groups&^was, "nobody gains a group")
			if c.Groups != was {
				merged++
			}
		}
		for _, n := range cells {
			require.GreaterOrEqual(t, n, with.SmallestCell)
		}
		keys := NewKeys(nil, []byte{byte(r.Uint32())})
		same(t, Select(p, whole, keys), Select(&with, roll, keys))
	}
	require.Greater(t, merged, 500)
	require.Positive(t, refused)
}

// A cell whose groups have reserves is not merged: the roll is refused. The
// control is the same roll under a plan without the reserve.
func TestGroupsWithReservesAreNotMerged(t *testing.T) {
	plan := func(reserves ...Reserve) *Plan {
		return &Plan{Name: "x", Tiers: 1, Ticket: PerPerson, SmallestCell: 2, SmallCells: MergeSmall,
			Groups: []Group{{Code: "g", Meaning: ForAuditors}}, Pools: []Pool{{ID: "up", Seats: 1, Reserves: reserves}, {ID: "a", Parent: "up"}}}
	}
	three := func() []Candidate {
		return []Candidate{{Label: Label{1}, Pool: 1}, {Label: Label{2}, Pool: 1}, {Label: Label{3}, Pool: 1, Groups: 1}}
	}
	var e *RollError
	_, err := NewRoll(plan(Reserve{"g", 1, Guarantee, ""}), three())
	require.ErrorAs(t, err, &e)
	roll, err := NewRoll(plan(), three())
	require.NoError(t, err)
	require.Zero(t, roll.candidates[2].Groups)
	refuse := plan()
	refuse.SmallCells = RefuseSmall
	_, err = NewRoll(refuse, three())
	require.ErrorAs(t, err, &e)
}

// A plan that is not valid is an error wherever a roll is made or read, never a
// panic.
func TestRollOfABadPlan(t *testing.T) {
	p := &Plan{Groups: make([]Group, 200), Pools: []Pool{{}}}
	var f Faults
	_, err := NewRoll(p, []Candidate{{Groups: 1}})
	require.ErrorAs(t, err, &f)
	_, err = NewRoll(p, nil)
	require.ErrorAs(t, err, &f)
}
