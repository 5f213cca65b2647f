package quota

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Pseudonyms are names only: great ones, which are counted in a map, give the
// same draw as small ones, which are not.
func TestGreatPseudonymsDrawTheSame(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 1))
	full := 0
	for range 100 {
		p := randomPlan(r)
		p.Ticket, p.HouseholdCap = PerPerson, 1+r.IntN(2)
		small, err := NewRoll(p, randomCandidates(r, p, 60))
		require.NoError(t, err)
		others := slices.Clone(small.candidates)
		for i := range others {
			if others[i].Household > 0 {
				others[i].Household = math.MaxUint32 - others[i].Household
			}
		}
		great, err := NewRoll(p, others)
		require.NoError(t, err)
		keys := NewKeys(nil, []byte{byte(r.Uint32())})
		a, b := Select(p, small, keys), Select(p, great, keys)
		require.Nil(t, b.draw.households.dense)
		require.NotNil(t, a.draw.households.dense)
		same(t, a, b)
		for i := range others {
			if a.Outcome(i).Reason == HouseholdFull {
				full++
			}
		}
	}
	require.Greater(t, full, 100)
}
