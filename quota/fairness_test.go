package quota

import (
	"crypto/ed25519"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The exact chances of a plain pool, and simulated ones next to them: the same
// pool with a household cap that binds nobody has the same chances.
func TestFairness(t *testing.T) {
	p := &Plan{Name: "f", Ticket: PerPerson, Tiers: 2, Pools: []Pool{{ID: "a", Seats: 30}, {ID: "b", Seats: 90}}}
	r := rand.New(rand.NewPCG(11, 11))
	cs := randomCandidates(r, p, 100)
	for i := range cs {
		cs[i].Pool, cs[i].Tier, cs[i].Household, cs[i].Held = int32(i%2), uint16(i%2*(i/2%2)), 0, 0
		if i%2 == 0 && i < 40 {
			cs[i].Tier = 1
		}
	}
	roll, err := NewRoll(p, cs)
	require.NoError(t, err)
	exact, err := Fairness(p, roll, 1, nil)
	require.NoError(t, err)
	for _, c := range exact {
		require.True(t, c.Exact)
		want := int64(1_000_000) // pool b has room for all, and so has tier 0 of pool a
		if c.Pool == 0 && c.Tier == 1 {
			want = 0 // 30 of tier 0 take the 30 seats
			require.EqualValues(t, 20, c.People)
		}
		require.Equal(t, want, c.Millionths())
	}
	p.Tiers, p.Pools[0].Seats = 1, 20
	for i := range cs {
		cs[i].Tier = 0
	}
	roll, err = NewRoll(p, cs)
	require.NoError(t, err)
	exact, err = Fairness(p, roll, 1, nil)
	require.NoError(t, err)
	p.HouseholdCap = 2
	roll, err = NewRoll(p, cs)
	require.NoError(t, err)
	seen, err := Fairness(p, roll, 4000, []byte("report"))
	require.NoError(t, err)
	require.Len(t, seen, len(exact))
	for i, c := range seen {
		require.False(t, c.Exact)
		require.InDelta(t, exact[i].Millionths(), c.Millionths(), float64(c.Error))
		require.Less(t, c.Error, int64(26_000))
	}
	p.Key = Score
	_, err = Fairness(p, roll, 1, nil)
	require.Error(t, err)
}

// For small rolls the report is held against every order that the lottery can make:
// the chance of each cell, with set-asides, guarantees, spill lists, tiers and a
// household cap that binds, is what it says, within its error; and exact where it
// says so.
func TestFairnessEqualsAllOrders(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 13))
	seen := map[string]int{}
	for round := range 12 {
		p := randomPlan(r)
		p.Ticket, p.Key = PerPerson, Lottery
		for i := range p.Pools { // few seats, so that chance decides
			pool := &p.Pools[i]
			pool.Seats = min(pool.Seats, 2)
			for k := range pool.Reserves {
				pool.Reserves[k].Seats = 0
			}
			if len(pool.Reserves) > 0 {
				pool.Reserves[0].Seats = min(1, pool.Seats)
			}
			if round%3 == 0 { // plain pools, whose chances are exact
				pool.Reserves, pool.Spill, p.HouseholdCap = nil, nil, 0
			}
		}
		cs := randomCandidates(r, p, 6)
		for i := range cs {
			cs[i].Pool, cs[i].Household, cs[i].Held = int32(3+r.IntN(2)), uint32(r.IntN(3)), 0
		}
		roll, err := NewRoll(p, cs)
		require.NoError(t, err)
		report, err := Fairness(p, roll, 1000, []byte("report"))
		require.NoError(t, err)

		// The same plan by arrival, once for each order of arrival.
		byArrival := *p
		byArrival.Key = Arrival
		won, orders := map[[3]uint32]int64{}, int64(0)
		permute([]uint32{1, 2, 3, 4, 5, 6}, 0, func(order []uint32) {
			orders++
			again := slices.Clone(roll.candidates)
			for i := range again {
				again[i].Number = order[i]
			}
			result := Select(&byArrival, &Roll{candidates: again}, NewKeys(nil, nil))
			for i, c := range again {
				o := result.Outcome(i)
				seen[o.Reason.String()]++
				if o.Accepted() {
					won[[3]uint32{uint32(c.Pool), uint32(c.Tier), c.Groups}]++
				}
			}
		})
		require.EqualValues(t, 720, orders)
		for _, c := range report {
			of := orders * c.People
			got := won[[3]uint32{uint32(c.Pool), uint32(c.Tier), c.Groups}]
			if c.Exact {
				seen["exact"]++
				require.Equal(t, got*c.Of, c.Seats*of)
				continue
			}
			require.InDelta(t, float64(got)/float64(of), float64(c.Millionths())/1e6, float64(c.Error)/1e6, "%+v", c)
		}
	}
	for _, reason := range []string{"drawn-open", "drawn-set-aside", "drawn-guarantee", "drawn-spilled", "household-full", "exact"} {
		require.Positive(t, seen[reason], "%s was not among the cases", reason)
	}
}

func permute(order []uint32, from int, visit func([]uint32)) {
	if from == len(order) {
		visit(order)
		return
	}
	for i := from; i < len(order); i++ {
		order[from], order[i] = order[i], order[from]
		permute(order, from+1, visit)
		order[from], order[i] = order[i], order[from]
	}
}

// A roll of another plan is refused.
func TestFairnessOfAnotherPlan(t *testing.T) {
	r := rand.New(rand.NewPCG(14, 1))
	p := randomPlan(r)
	p.Key = Lottery
	roll, err := NewRoll(p, randomCandidates(r, p, 9))
	require.NoError(t, err)
	other := *p
	other.Pools = other.Pools[:1]
	other.Pools = []Pool{{ID: "n"}}
	_, err = Fairness(&other, roll, 1, nil)
	require.ErrorContains(t, err, "another plan")
}

// Divisor methods never take a seat from a share when the total grows; the
// control is Hamilton, which does (the Alabama paradox).
func TestMonotone(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 12))
	paradoxes := 0
	for range 60 {
		shares := make([]Share, 3+r.IntN(4))
		for i := range shares {
			shares[i] = Share{Key: string(rune('a' + i)), Weight: 1 + r.Int64N(60)}
		}
		for _, m := range []Method{Webster, Jefferson, Adams, HuntingtonHill} {
			require.NoError(t, Monotone(10, 80, shares, &ApportionOptions{Method: m, Tie: TieRule{ByKey: true}}))
		}
		var e *MonotoneError
		if err := Monotone(10, 80, shares, &ApportionOptions{Method: Hamilton, Tie: TieRule{ByKey: true}}); err != nil {
			require.ErrorAs(t, err, &e)
			paradoxes++
		}
	}
	require.Positive(t, paradoxes)
}

// A receipt is good for its key and its content only, and its commitment opens
// to the record and the salt.
func TestReceipt(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.NewChaCha8([32]byte{2}))
	require.NoError(t, err)
	salt := [32]byte{9}
	receipt := &Receipt{Program: "prakerja", Wave: "4", Label: Label{1}, Commitment: Commit(salt, []byte("record")), Issued: time.Date(2020, 8, 10, 0, 0, 0, 0, time.UTC)}
	require.NoError(t, SignReceipt(private, receipt))
	require.NoError(t, VerifyReceipt(public, receipt))
	data, err := receipt.Encode()
	require.NoError(t, err)
	again, err := ParseReceipt(data)
	require.NoError(t, err)
	require.Equal(t, receipt, again)
	require.Equal(t, receipt.Commitment, Commit(salt, []byte("record")))
	require.NotEqual(t, receipt.Commitment, Commit(salt, []byte("another")))
	require.NotEqual(t, receipt.Commitment, Commit([32]byte{}, []byte("record")))
	other := *receipt
	other.Label[0]++
	require.Error(t, VerifyReceipt(public, &other))
	require.Error(t, VerifyReceipt(public[1:], receipt))
	other = *receipt
	other.Signature = other.Signature[2:]
	require.Error(t, VerifyReceipt(public, &other))
	require.Error(t, SignReceipt(nil, receipt))
	receipt.Issued = time.Time{}
	require.Error(t, SignReceipt(private, receipt))
}
