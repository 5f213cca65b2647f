package sqlstore

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/ledger"
)

// Postings fit a balance, one after another, exactly if the balance gives what they demand
// together; and then they come to the same. The numbers are small, or near the ends of what
// an int64 holds.
func TestADemandIsItsPostings(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	number := func() int64 {
		n := r.Int64N(13) - 6
		switch {
		case r.IntN(20) > 0:
			return n
		case n > 0:
			return math.MaxInt64 - n
		default:
			return math.MinInt64 - n + 1
		}
	}
	var fitted, refused, large int
	for range 300_000 {
		before := ledger.Balance{Posted: number(), Out: r.Int64N(4), In: r.Int64N(4)}
		after, allowed := before, true
		var open []ledger.Leg
		var moves []ledger.Movement
		for range 1 + r.IntN(5) {
			leg := ledger.Leg{Account: "a", Amount: number(), Bounds: ledger.Bounds{Min: number(), Max: number()}}
			switch r.IntN(4) {
			case 0:
				leg.Bounds = ledger.Free()
			case 1:
				leg.Bounds = ledger.AtLeast(leg.Bounds.Min)
			case 2:
				leg.Bounds.Max = math.MaxInt64 - max(0, leg.Bounds.Max)
			}
			p := ledger.Posting{Kind: ledger.Kind(r.IntN(4)), Legs: []ledger.Leg{leg}}
			if p.Kind == ledger.Post || p.Kind == ledger.Void {
				if len(open) == 0 {
					continue
				}
				leg, open = open[0], open[1:]
				p.Legs = nil
			} else if leg.Amount == 0 {
				continue
			} else if p.Kind == ledger.Pending {
				open = append(open, leg)
			}
			m := p.Movements([]ledger.Leg{leg})[0]
			if allowed {
				after, allowed = m.On(after)
			}
			moves = append(moves, m)
		}
		all, possible := demands(moves)
		if !possible || len(moves) == 0 {
			continue // then nobody asks
		}
		require.Len(t, all, 1)
		d := all[0]
		available, most := new(big.Int).Sub(big.NewInt(before.Posted), big.NewInt(before.Out)), new(big.Int).Add(big.NewInt(before.Posted), big.NewInt(before.In))
		if !available.IsInt64() || !most.IsInt64() {
			continue // no store has such a balance
		}
		require.Equal(t, allowed, available.Int64() >= d.low && most.Int64() <= d.high, "%+v %+v", before, moves)
		if !allowed {
			refused++
			continue
		}
		fitted++
		if d.posted > 1<<40 || d.posted < -1<<40 {
			large++
		}
		require.Equal(t, after, ledger.Balance{Posted: before.Posted + d.posted, Out: before.Out + d.out, In: before.In + d.in})
		require.Equal(t, moves[len(moves)-1].Bounds, d.bounds)
	}
	require.Greater(t, fitted, 20_000)
	require.Greater(t, refused, 20_000)
	require.Positive(t, large)
}
