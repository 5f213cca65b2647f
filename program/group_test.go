package program_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/program/memstore"
)

// slowStore lets one Apply through at a time, when the test says so, and cannot take a
// set with a poisoned change in it.
type slowStore struct {
	program.Store
	gate chan struct{}

	mu    sync.Mutex
	sizes []int
}

var errPoison = errors.New("the database cannot take a value")

func (s *slowStore) Apply(ctx context.Context, changes []program.Change) ([]program.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.gate != nil {
		<-s.gate
	}
	s.mu.Lock()
	s.sizes = append(s.sizes, len(changes))
	s.mu.Unlock()
	for _, c := range changes {
		if c.Key == "poison" {
			return nil, errPoison
		}
	}
	return s.Store.Apply(ctx, changes)
}

func takeSeat(i int) []program.Change {
	return []program.Change{{Key: fmt.Sprint("take ", i), At: day(1), Answer: fmt.Append(nil, i), Postings: []ledger.Posting{{ID: fmt.Sprint(i), Legs: []ledger.Leg{
		{Account: "left", Amount: -1, Bounds: ledger.AtLeast(0)}, {Account: "held", Amount: 1, Bounds: ledger.AtLeast(0)},
	}}}}}
}

func issueSeats(t *testing.T, store program.Store, n int64) {
	outcomes, err := store.Apply(t.Context(), []program.Change{{At: day(1), Postings: []ledger.Posting{{ID: "issue", Legs: []ledger.Leg{
		{Account: "issued", Amount: -n, Bounds: ledger.Free()}, {Account: "left", Amount: n, Bounds: ledger.AtLeast(0)},
	}}}}})
	require.NoError(t, err)
	require.NoError(t, outcomes[0].Refusal)
}

// Callers who come while a transaction is under way share the next one, and each has its
// own outcome; one whose values the store cannot take fails alone.
func TestCallersShareATransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slowStore{Store: memstore.New()}
		issueSeats(t, slow, 10)
		slow.gate, slow.sizes = make(chan struct{}), nil
		store := program.Grouped(slow)
		const callers = 20
		outcomes, errs := make([]program.Outcome, callers), make([]error, callers)
		call := func(i int) {
			change := takeSeat(i)
			if i == 7 {
				change[0].Key = "poison"
			}
			var out []program.Outcome
			if out, errs[i] = store.Apply(t.Context(), change); errs[i] == nil {
				outcomes[i] = out[0]
			}
		}
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() { call(i) })
			if i == 0 {
				synctest.Wait() // it is at the gate
			}
		}
		synctest.Wait() // and all others wait for their turn
		close(slow.gate)
		wg.Wait()
		taken := 0
		for i, o := range outcomes {
			switch {
			case i == 7:
				require.ErrorIs(t, errs[i], errPoison)
			case o.Refusal == nil:
				require.NoError(t, errs[i])
				require.Equal(t, fmt.Sprint(i), string(o.Answer))
				taken++
			default:
				var bound *ledger.BoundError
				require.ErrorAs(t, o.Refusal, &bound)
			}
		}
		require.Equal(t, 10, taken, "there were ten seats")
		require.Contains(t, slow.sizes, callers-1, "those who waited shared a transaction")
	})
}

// A caller who gives up while waiting has changed nothing; the caller who writes for others
// does not take them along when giving up.
func TestACallerMayGiveUp(t *testing.T) {
	slow := &slowStore{Store: memstore.New()}
	issueSeats(t, slow, 10)
	slow.gate = make(chan struct{})
	store := program.Grouped(slow)
	first := make(chan error, 1)
	firstCtx, cancelFirst := context.WithCancel(t.Context())
	started := make(chan struct{})
	go func() {
		close(started)
		_, err := store.Apply(firstCtx, takeSeat(1))
		first <- err
	}()
	<-started
	slow.gate <- struct{}{} // the first is being carried out, or was
	require.NoError(t, <-first)
	cancelFirst()
	_, err := store.Apply(firstCtx, takeSeat(2))
	require.ErrorIs(t, err, context.Canceled)
	b, err := slow.Balances(t.Context(), "left")
	require.NoError(t, err)
	require.EqualValues(t, 9, b[0].Posted)
}

// Callers come and give up at random: whoever was told yes has a seat, whoever was not has
// none, and nobody waits for ever.
func TestNobodyWaitsForEver(t *testing.T) {
	base := memstore.New()
	issueSeats(t, base, 1_000_000)
	store := program.Grouped(base)
	var wg sync.WaitGroup
	var mu sync.Mutex
	yes, unknown := int64(0), int64(0)
	for caller := range 16 {
		wg.Go(func() {
			for i := range 200 {
				ctx, cancel := context.WithCancel(t.Context())
				if (caller+i)%3 == 0 {
					go cancel()
				}
				out, err := store.Apply(ctx, takeSeat(caller*1000+i))
				cancel()
				mu.Lock()
				if err != nil {
					unknown++
				} else if out[0].Refusal == nil {
					yes++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	b, err := base.Balances(t.Context(), "held")
	require.NoError(t, err)
	require.EqualValues(t, 16*200, yes+unknown)
	require.EqualValues(t, yes, b[0].Posted, "a caller who gave up in the queue has changed nothing")
}
