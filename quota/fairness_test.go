package quota

import (
	"crypto/ed25519"
	"math/rand/v2"
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
