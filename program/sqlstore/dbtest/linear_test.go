package dbtest_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/program/memstore"
	"github.com/gelombang/gelombang/program/sqlstore"
	"github.com/gelombang/gelombang/quota"
)

// Histories of live seats, recorded by several workers at once, are checked for
// linearizability with porcupine: there must be an order of the operations, in
// which each falls between its call and its answer, that gives these answers on
// a desk with one clerk.

const deskSeats = 3

// A history has many desks, each a pool of its own: porcupine looks at each by itself.
func deskPlace(desk int) quota.Place { return quota.Place{Wave: "1", Pool: fmt.Sprint("d", desk)} }

var deskNow = time.Date(2021, 10, 25, 5, 0, 0, 0, time.UTC)

// phases are how often the clock moves in a history, an hour each time: short holds
// are over by then. All workers wait for each other before it does.
const phases = 3

// errand is one operation: its postings, and when it is made.
type errand struct {
	desk     int
	kind     string // of its postings; or read
	at       time.Time
	postings []ledger.Posting
}

// answer is what became of an errand: done, bound, resolved or conflict; and for a
// read the seats that are left.
type answer struct {
	what string
	left int64
}

// deskState is a desk with one clerk: seats left and granted, holds that are open,
// and every posting that was made.
type deskState struct {
	left, granted int64
	open          map[string]ledger.Posting
	made          map[string]ledger.Posting
}

func (s deskState) clone() deskState {
	return deskState{s.left, s.granted, maps.Clone(s.open), maps.Clone(s.made)}
}

func (s deskState) step(e errand) (answer, deskState) {
	next := s.clone()
	next.expire(e.at)
	if e.kind == "read" {
		return answer{"done", next.left}, next
	}
	before := next.clone()
	for _, p := range e.postings {
		if what := next.post(p, e.at); what != "done" {
			return answer{what: what}, before
		}
	}
	return answer{what: "done"}, next
}

func (s *deskState) expire(at time.Time) {
	for id, p := range s.open {
		if !at.Before(p.Expires) {
			s.left += p.Legs[1].Amount
			delete(s.open, id)
		}
	}
}

func (s *deskState) post(p ledger.Posting, at time.Time) string {
	if before, made := s.made[p.ID]; made {
		if before.Equal(p) {
			return "done"
		}
		return "conflict"
	}
	switch p.Kind {
	case ledger.Post, ledger.Void:
		hold, open := s.open[p.Of]
		if !open {
			return "resolved"
		}
		delete(s.open, p.Of)
		if p.Kind == ledger.Post {
			s.granted += hold.Legs[1].Amount
		} else {
			s.left += hold.Legs[1].Amount
		}
	case ledger.Pending:
		if !at.Before(p.Expires) {
			return "resolved"
		}
		if s.left < p.Legs[1].Amount {
			return "bound"
		}
		s.left -= p.Legs[1].Amount
		s.open[p.ID] = p
	default: // from the first leg to the second: a grant, or a revocation
		n := p.Legs[1].Amount
		if strings.HasSuffix(string(p.Legs[0].Account), "/"+string(quota.Granted)) {
			n = -n
		}
		if s.left < n || s.granted < -n {
			return "bound"
		}
		s.left, s.granted = s.left-n, s.granted+n
	}
	s.made[p.ID] = p
	return "done"
}

func deskModel() porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			desks := map[int][]porcupine.Operation{}
			for _, op := range history {
				desk := op.Input.(errand).desk
				desks[desk] = append(desks[desk], op)
			}
			return slices.Collect(maps.Values(desks))
		},
		Init: func() any {
			return deskState{left: deskSeats, open: map[string]ledger.Posting{}, made: map[string]ledger.Posting{}}
		},
		Step: func(state, input, output any) (bool, any) {
			want, next := state.(deskState).step(input.(errand))
			return want == output.(answer), next
		},
		Equal: func(a, b any) bool {
			x, y := a.(deskState), b.(deskState)
			return x.left == y.left && x.granted == y.granted &&
				maps.EqualFunc(x.open, y.open, ledger.Posting.Equal) && maps.EqualFunc(x.made, y.made, ledger.Posting.Equal)
		},
	}
}

// deskClock is the store's clock, which moves between phases.
type deskClock struct{ phase atomic.Int64 }

func (c *deskClock) now() time.Time { return deskNow.Add(time.Duration(c.phase.Load()) * time.Hour) }

// openStore opens a store of its own for a history, and says how it is closed after it.
type openStore func(t *testing.T, clock func() time.Time) (program.Store, func() error)

func inMemory(_ *testing.T, clock func() time.Time) (program.Store, func() error) {
	return memstore.NewAt(clock), func() error { return nil }
}

// record lets workers run errands against a store, and writes down when each
// was called and answered.
func record(t *testing.T, open openStore, desks int, seed uint64) []porcupine.Operation {
	ctx, clock := t.Context(), &deskClock{}
	store, shut := open(t, clock.now)
	defer func() { require.NoError(t, shut()) }()
	plan := &quota.Plan{Name: "x", Tiers: 1, Ticket: quota.PerPerson}
	for desk := range desks {
		plan.Pools = append(plan.Pools, quota.Pool{ID: deskPlace(desk).Pool, Seats: deskSeats})
	}
	issue, err := quota.Issue("issue", plan, "1")
	require.NoError(t, err)
	outcomes, err := store.Apply(ctx, []program.Change{{At: deskNow, Postings: []ledger.Posting{issue}}})
	require.NoError(t, err)
	require.NoError(t, outcomes[0].Refusal)

	const workers, errands = 4, 12
	var history []porcupine.Operation
	var mu sync.Mutex
	start := time.Now()
	errs := make([]error, workers)
	for phase := range phases {
		clock.phase.Store(int64(phase))
		var wg sync.WaitGroup
		for w := range workers {
			r := rand.New(rand.NewPCG(seed, uint64(phase*workers+w)))
			wg.Go(func() {
				for i := range desks * errands {
					e, err := randomErrand(r, i/errands, phase, i%errands)
					if err != nil {
						errs[w] = err
						return
					}
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
	}
	for _, err := range errs {
		require.NoError(t, err)
	}
	return history
}

// randomErrand takes ids that other workers use too, and some that were used an
// hour ago, so that they meet. Now and then it says something else under an id.
func randomErrand(r *rand.Rand, desk, phase, i int) (errand, error) {
	made := phase - r.IntN(phase+1)/2 // the phase in which the hold was made
	id := i/2 + r.IntN(3)
	place, name := deskPlace(desk), fmt.Sprintf("%d.h%d.%d", desk, made, id)
	n, until := 1+int64(id%2), deskNow.Add(time.Duration(made+1)*time.Hour)
	if id%3 == 0 {
		until = until.Add(24 * time.Hour)
	}
	e := errand{desk: desk, at: deskNow.Add(time.Duration(phase) * time.Hour)}
	if r.IntN(8) == 0 {
		n = 3 - n // a conflict, if the other was first
	}
	one := func(p ledger.Posting, err error) ([]ledger.Posting, error) { return []ledger.Posting{p}, err }
	hold, err := quota.Hold(name, place, n, until)
	if err != nil {
		return e, err
	}
	kinds := []string{"hold", "hold", "hold", "confirm", "release", "release", "part", "extend", "revoke", "revoke", "read"}
	e.kind = kinds[r.IntN(len(kinds))]
	switch e.kind {
	case "hold":
		e.postings = []ledger.Posting{hold}
	case "confirm":
		e.postings, err = one(quota.Confirm("c"+name, name))
	case "release":
		e.postings, err = one(quota.Release("r"+name, name))
	case "part":
		e.postings, err = quota.ConfirmPart("p"+name, hold, 1)
	case "extend":
		e.postings, err = quota.Extend("e"+name, hold, until.Add(time.Hour))
	case "revoke":
		e.postings, err = one(quota.Revoke(fmt.Sprintf("%d.v%d.%d", desk, phase, id), place, 1))
	}
	return e, err
}

func runErrand(ctx context.Context, store program.Store, e errand) (answer, error) {
	if e.kind == "read" {
		balances, err := store.Balances(ctx, deskPlace(e.desk).Account(quota.Left))
		if err != nil {
			return answer{}, err
		}
		return answer{"done", balances[0].Available()}, nil
	}
	outcomes, err := store.Apply(ctx, []program.Change{{At: e.at, Postings: e.postings}})
	if err != nil {
		return answer{}, err
	}
	var bound *ledger.BoundError
	var resolved *ledger.ResolvedError
	var conflict *ledger.ConflictError
	switch refusal := outcomes[0].Refusal; {
	case refusal == nil:
		return answer{what: "done"}, nil
	case errors.As(refusal, &bound):
		return answer{what: "bound"}, nil
	case errors.As(refusal, &resolved):
		return answer{what: "resolved"}, nil
	case errors.As(refusal, &conflict):
		return answer{what: "conflict"}, nil
	default:
		return answer{}, refusal
	}
}

// The errands of the histories come to every answer that there is, of every kind.
func TestHistoriesHaveEveryAnswer(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(20) {
		for _, op := range record(t, inMemory, 3, seed) {
			seen[op.Input.(errand).kind+" "+op.Output.(answer).what]++
		}
	}
	for _, what := range []string{"hold done", "hold bound", "hold conflict", "confirm done", "confirm resolved", "release done", "release resolved",
		"part done", "part resolved", "part conflict", "extend done", "extend resolved", "extend conflict", "revoke done", "revoke bound", "read done"} {
		require.Positive(t, seen[what], "%s: %v", what, seen)
	}
}

// checkHistories records so many histories of so many desks. A desk has 144 operations:
// 70 desks have 10,080.
func checkHistories(t *testing.T, open openStore, histories, desks int) (linear, not int) {
	t.Helper()
	for seed := range uint64(histories) {
		switch porcupine.CheckOperationsTimeout(deskModel(), record(t, open, desks, seed), 5*time.Minute) {
		case porcupine.Ok:
			linear++
		case porcupine.Illegal:
			not++
		}
	}
	return linear, not
}

func TestSeatHistoriesAreLinearizable(t *testing.T) {
	histories, desks := tier(3, 20, 2000), tier(2, 70, 70)
	// What is on the disk is not asked here: so it is written when the database likes.
	for name, open := range map[string]openStore{
		"memory": inMemory,
		"SQLite": func(t *testing.T, clock func() time.Time) (program.Store, func() error) {
			dir := quickDir(t)
			store, shut, err := openFor("sqlite", "file:"+filepath.Join(dir, "desk.db"), sqlstore.SQLite, clock)
			require.NoError(t, err)
			return store, func() error { return errors.Join(shut(), os.RemoveAll(dir)) }
		},
		"PostgreSQL": func(t *testing.T, clock func() time.Time) (program.Store, func() error) {
			store, shut, err := openFor("pgx", ownSchema(t, fmt.Sprint("desk_", deskSchemas.Add(1)))+"&synchronous_commit=off", sqlstore.PostgreSQL, clock)
			require.NoError(t, err)
			return store, shut
		},
	} {
		histories := histories
		if name == "PostgreSQL" {
			histories = tier(1, 20, 500) // each operation is a few journeys
		}
		t.Run(name, func(t *testing.T) {
			linear, _ := checkHistories(t, open, histories, desks)
			require.Equal(t, histories, linear)
		})
		if name != "memory" {
			t.Run(name+", in groups", func(t *testing.T) {
				linear, _ := checkHistories(t, func(t *testing.T, clock func() time.Time) (program.Store, func() error) {
					store, shut := open(t, clock)
					return program.Grouped(store), shut
				}, tier(1, 3, 300), desks)
				require.Equal(t, tier(1, 3, 300), linear)
			})
		}
	}
}

var deskSchemas atomic.Int64

// racy is a counter that is read, and then written as if nobody could have come between.
type racy struct{ program.Store }

func (s *racy) Apply(ctx context.Context, changes []program.Change) ([]program.Outcome, error) {
	for i, c := range changes {
		for k, p := range c.Postings {
			if p.Kind != ledger.Pending {
				continue
			}
			for _, leg := range p.Legs {
				b, err := s.Balances(ctx, leg.Account)
				if err != nil {
					return nil, err
				}
				if leg.Bounds != ledger.Free() && b[0].Available()+leg.Amount < 0 {
					return []program.Outcome{{Refusal: &ledger.BoundError{Posting: p.ID, Account: leg.Account}}}, nil
				}
			}
			free := slices.Clone(p.Legs)
			for l := range free {
				free[l].Bounds = ledger.Free()
			}
			changes[i].Postings[k].Legs = free
		}
	}
	runtime.Gosched()
	return s.Store.Apply(ctx, changes)
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

// The controls: a store that loses what it acknowledged is caught, and so is a counter that
// two may change at once.
func TestABrokenStoreIsCaught(t *testing.T) {
	_, not := checkHistories(t, func(t *testing.T, clock func() time.Time) (program.Store, func() error) {
		store, shut := inMemory(t, clock)
		return &forgetful{Store: store}, shut
	}, 5, 2)
	require.Equal(t, 5, not)
	_, not = checkHistories(t, func(t *testing.T, clock func() time.Time) (program.Store, func() error) {
		store, shut := inMemory(t, clock)
		return &racy{store}, shut
	}, 5, 70)
	require.Positive(t, not)
}
