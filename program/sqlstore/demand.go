package sqlstore

import (
	"cmp"
	"math"
	"slices"

	"github.com/gelombang/gelombang/program/ledger"
)

// demand is what movements, one after another, do to an account together, and what they
// need of it beforehand so that its bounds allow each of them.
type demand struct {
	account         ledger.Account
	posted, out, in int64
	bounds          ledger.Bounds // of the last
	// low is what must be available beforehand at least, and high what may be posted and
	// coming in at most.
	low, high int64
}

// heldAccount is an account that is locked, as it was before the statement that did so.
type heldAccount struct {
	account ledger.Account
	balance ledger.Balance
}

// demands adds movements up, by account in the order of the names. It is false if a sum
// overflows, or nearly: that is for somebody who looks at each.
func demands(moves []ledger.Movement) ([]demand, bool) {
	var all []demand
	at := map[ledger.Account]int{}
	for _, m := range moves {
		i, known := at[m.Account]
		if !known {
			i = len(all)
			at[m.Account] = i
			all = append(all, demand{account: m.Account, low: math.MinInt64, high: math.MaxInt64})
		}
		d := &all[i]
		var sums [5]int64
		ok := true
		add := func(n int, a, b int64) {
			sums[n] = a + b
			ok = ok && (b >= 0) == (sums[n] >= a)
		}
		add(0, d.posted, m.Posted)
		add(1, d.out, m.Out)
		add(2, d.in, m.In)
		add(3, sums[0], -sums[1])
		add(4, sums[0], sums[2])
		if !ok || max(sums[1], sums[2]) > math.MaxInt64/2 {
			return nil, false
		}
		d.posted, d.out, d.in, d.bounds = sums[0], sums[1], sums[2], m.Bounds
		if !m.Frees {
			d.low = max(d.low, less(m.Bounds.Min, sums[3]))
			d.high = min(d.high, less(m.Bounds.Max, sums[4]))
			if d.low == math.MaxInt64 || d.high == math.MinInt64 {
				return nil, false // or beyond: no account has that
			}
		}
	}
	slices.SortFunc(all, func(a, b demand) int { return cmp.Compare(a.account, b.account) })
	return all, true
}

// less is a - b, or the end of the numbers that it would go over.
func less(a, b int64) int64 {
	switch d := a - b; {
	case b > 0 && d > a:
		return math.MinInt64
	case b < 0 && d < a:
		return math.MaxInt64
	default:
		return d
	}
}
