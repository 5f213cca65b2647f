package ledger_test

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/ledger"
)

func TestLegsSurviveBeingStored(t *testing.T) {
	legs := []ledger.Leg{
		{Account: "seat/4/31.71/open/left", Amount: -3, Bounds: ledger.AtLeast(0)},
		{Account: "budget/appropriated", Amount: 3, Bounds: ledger.Free()},
	}
	back, err := ledger.ParseLegs(ledger.FormatLegs(legs))
	require.NoError(t, err)
	require.Equal(t, legs, back)
	var format *ledger.FormatError
	for _, bad := range []string{"a\t1\t2\n", "a\tx\t0\t0\n", "a\t1\t0\t99999999999999999999\n"} {
		_, err := ledger.ParseLegs([]byte(bad))
		require.ErrorAs(t, err, &format, bad)
	}
}

func FuzzLegs(f *testing.F) {
	f.Add([]byte("a\t1\t2\t3\n"))
	f.Add([]byte("a\t-1\t-9223372036854775808\t9223372036854775807\nb\t1\t0\t0\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var legs []ledger.Leg
		var err error
		bounded(t, len(b), func() { legs, err = ledger.ParseLegs(b) })
		if err != nil {
			return
		}
		again, err := ledger.ParseLegs(ledger.FormatLegs(legs))
		require.NoError(t, err)
		require.Equal(t, legs, again)
	})
}

// Added up in any order, the postings that a book took are what it holds.
func TestSumsAreTheBook(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 3))
		var book ledger.Book
		var taken []ledger.Posting
		at := now
		require.NoError(t, book.Apply(at, issue("issue", "a", 20)))
		taken = append(taken, issue("issue", "a", 20))
		for step := range 200 {
			p := randomPosting(r, step, at)
			if book.Apply(at, p) == nil {
				taken = append(taken, p)
			}
			at = at.Add(time.Duration(r.IntN(3)) * time.Second)
		}
		r.Shuffle(len(taken), func(i, j int) { taken[i], taken[j] = taken[j], taken[i] })
		var sums ledger.Sums
		seen := map[string]bool{}
		for _, p := range taken {
			if !seen[p.ID] { // the same posting again changes nothing
				require.NoError(t, sums.Add(p))
			}
			seen[p.ID] = true
		}
		total := int64(0)
		got := map[ledger.Account]int64{}
		for account, n := range sums.Each {
			total += n
			got[account] = n
		}
		require.Zero(t, total, "seed %d", seed)
		for _, account := range book.Accounts() {
			require.Equal(t, book.Balance(account).Posted, got[account], "seed %d, %s", seed, account)
		}
	}
}

// bounded fails if work on an input allocates more than a megabyte and 256 bytes for
// each of its bytes: all that was ever allocated is more than what was in use at once.
func bounded(t *testing.T, input int, work func()) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	work()
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20+256*uint64(input) {
		t.Fatalf("%d bytes are allocated for an input of %d", used, input)
	}
}
