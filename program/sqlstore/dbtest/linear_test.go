package dbtest_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/program/memstore"
	"github.com/gelombang/gelombang/program/sqlstore/dbtest"
	"github.com/gelombang/gelombang/quota"
)

// Histories of live seats, recorded by several workers at once, are checked for
// linearizability with porcupine: there must be an order of the operations, in
// which each falls between its call and its answer, that gives these answers on
// a desk with one clerk.

const deskSeats = 3

var (
	deskPlace = quota.Place{Wave: "1", Pool: "a"}
	deskNow   = time.Date(2021, 10, 25, 5, 0, 0, 0, time.UTC)
)

// errand is one operation: the posting, and what the model needs of it.
type errand struct {
	kind     string // hold, confirm, release, read
	id, hold string
	n        int64
}

// answer is whether it was carried out, and for a read the seats that are left.
type answer struct {
	done bool
	left int64
}

// deskState is a desk with one clerk: seats left, holds that are open, and what
// was done.
type deskState struct {
	left int64
	open map[string]int64
	done map[string]bool
}

func (s deskState) step(e errand) (answer, deskState) {
	if e.kind == "read" {
		return answer{true, s.left}, s
	}
	if s.done[e.id] {
		return answer{done: true}, s
	}
	n, open := s.open[e.hold]
	if e.kind == "hold" && s.left < e.n || e.kind != "hold" && !open {
		return answer{}, s
	}
	next := deskState{s.left, maps.Clone(s.open), maps.Clone(s.done)}
	next.done[e.id] = true
	switch e.kind {
	case "hold":
		next.left -= e.n
		next.open[e.id] = e.n
	case "release":
		next.left += n
		delete(next.open, e.hold)
	case "confirm":
		delete(next.open, e.hold)
	}
	return answer{done: true}, next
}

func deskModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return deskState{deskSeats, map[string]int64{}, map[string]bool{}} },
		Step: func(state, input, output any) (bool, any) {
			want, next := state.(deskState).step(input.(errand))
			return want == output.(answer), next
		},
		Equal: func(a, b any) bool {
			x, y := a.(deskState), b.(deskState)
			return x.left == y.left && maps.Equal(x.open, y.open) && maps.Equal(x.done, y.done)
		},
	}
}

// record lets workers run errands against a store, and writes down when each
// was called and answered.
func record(t *testing.T, store program.Store, seed uint64) []porcupine.Operation {
	ctx := t.Context()
	plan := &quota.Plan{Name: "x", Tiers: 1, Ticket: quota.PerPerson, Pools: []quota.Pool{{ID: "a", Seats: deskSeats}}}
	issue, err := quota.Issue("issue", plan, "1")
	require.NoError(t, err)
	outcomes, err := store.Apply(ctx, []program.Change{{At: deskNow, Postings: []ledger.Posting{issue}}})
	require.NoError(t, err)
	require.NoError(t, outcomes[0].Refusal)

	const workers, errands = 4, 30
	var history []porcupine.Operation
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := time.Now()
	errs := make([]error, workers)
	for w := range workers {
		r := rand.New(rand.NewPCG(seed, uint64(w)))
		wg.Go(func() {
			for i := range errands {
				e := randomErrand(r, i)
				call := time.Since(start).Nanoseconds()
				got, err := runErrand(ctx, store, e)
				end := time.Since(start).Nanoseconds()
				if err != nil {
					errs[w] = err
					return
				}
				mu.Lock()
				history = append(history, porcupine.Operation{ClientId: w, Input: e, Call: call, Output: got, Return: end})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	return history
}

// randomErrand takes ids that other workers use too, so that they meet.
func randomErrand(r *rand.Rand, i int) errand {
	id := i/2 + r.IntN(3)
	hold := fmt.Sprint("h", id)
	switch r.IntN(6) {
	case 0, 1:
		return errand{kind: "hold", id: hold, n: 1 + int64(id%2)}
	case 2:
		return errand{kind: "confirm", id: "c" + hold, hold: hold}
	case 3, 4:
		return errand{kind: "release", id: "r" + hold, hold: hold}
	}
	return errand{kind: "read"}
}

func runErrand(ctx context.Context, store program.Store, e errand) (answer, error) {
	var p ledger.Posting
	var err error
	switch e.kind {
	case "read":
		balances, err := store.Balances(ctx, deskPlace.Account(quota.Left))
		if err != nil {
			return answer{}, err
		}
		return answer{true, balances[0].Available()}, nil
	case "hold":
		p, err = quota.Hold(e.id, deskPlace, e.n, deskNow.Add(time.Hour))
	case "confirm":
		p, err = quota.Confirm(e.id, e.hold)
	case "release":
		p, err = quota.Release(e.id, e.hold)
	}
	if err != nil {
		return answer{}, err
	}
	outcomes, err := store.Apply(ctx, []program.Change{{At: deskNow, Postings: []ledger.Posting{p}}})
	if err != nil {
		return answer{}, err
	}
	return answer{done: outcomes[0].Refusal == nil}, nil
}

func checkHistories(t *testing.T, open func(t *testing.T) program.Store) (linear, not int) {
	for seed := range uint64(5) {
		switch porcupine.CheckOperationsTimeout(deskModel(), record(t, open(t), seed), 20*time.Second) {
		case porcupine.Ok:
			linear++
		case porcupine.Illegal:
			not++
		}
	}
	return linear, not
}

func TestSeatHistoriesAreLinearizable(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		linear, _ := checkHistories(t, func(*testing.T) program.Store { return memstore.New() })
		require.Equal(t, 5, linear)
	})
	t.Run("SQLite", func(t *testing.T) {
		linear, _ := checkHistories(t, func(t *testing.T) program.Store {
			store, _ := dbtest.OpenSQLite(t, func() time.Time { return deskNow })
			return store
		})
		require.Equal(t, 5, linear)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		url := postgres(t)
		linear, _ := checkHistories(t, func(t *testing.T) program.Store {
			store, _ := dbtest.OpenPostgreSQL(t, url, func() time.Time { return deskNow })
			return store
		})
		require.Equal(t, 5, linear)
	})
}

// forgetful is a store that says yes to every fifth change without making it.
type forgetful struct {
	program.Store
	mu sync.Mutex
	n  int
}

func (s *forgetful) Apply(ctx context.Context, changes []program.Change) ([]program.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n++; s.n%5 == 0 {
		return make([]program.Outcome, len(changes)), nil
	}
	return s.Store.Apply(ctx, changes)
}

// The control: a store that loses what it acknowledged is caught.
func TestABrokenStoreIsCaught(t *testing.T) {
	_, not := checkHistories(t, func(*testing.T) program.Store { return &forgetful{Store: memstore.New()} })
	require.Equal(t, 5, not)
}
