package quota

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a pool's guarantees lack is the least that any way of counting its holders
// leaves: all ways are tried.
func TestShort(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 8))
	for range 300 {
		p := &Plan{Counting: CountOnce, Groups: []Group{{Code: "a"}, {Code: "b"}, {Code: "c"}}, Pools: []Pool{{ID: "x", Reserves: []Reserve{
			{Group: "c", Seats: random.Int64N(3), Kind: Guarantee}, {Group: "a", Seats: random.Int64N(3), Kind: Guarantee},
			{Group: "b", Seats: 1, Kind: SetAside},
		}}}}
		holders := make([]uint32, random.IntN(6))
		for i := range holders {
			holders[i] = random.Uint32N(8)
		}
		var lacking int64
		for _, n := range p.Short("x", holders) {
			lacking += n
		}
		require.Equal(t, fewest(holders, p.Pools[0].Reserves[1].Seats, p.Pools[0].Reserves[0].Seats), lacking, "%v of %v", holders, p.Pools[0].Reserves)
	}
	all := &Plan{Counting: CountAll, Groups: []Group{{Code: "a"}, {Code: "b", Within: "a"}}, Pools: []Pool{{ID: "x", Reserves: []Reserve{
		{Group: "a", Seats: 3, Kind: Guarantee}, {Group: "b", Seats: 1, Kind: Guarantee}}}}}
	require.Equal(t, map[string]int64{"a": 2}, all.Short("x", []uint32{3, 0}), "a member of both counts for both")
	require.Nil(t, all.Short("y", nil))
}

// fewest tries for each holder a (bit 0), c (bit 2) and nothing.
func fewest(holders []uint32, a, c int64) int64 {
	if len(holders) == 0 {
		return max(a, 0) + max(c, 0)
	}
	best := fewest(holders[1:], a, c)
	if holders[0]&1 != 0 && a > 0 {
		best = min(best, fewest(holders[1:], a-1, c))
	}
	if holders[0]&4 != 0 && c > 0 {
		best = min(best, fewest(holders[1:], a, c-1))
	}
	return best
}
