package dbtest_test

import (
	"database/sql"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/program/sqlstore"
)

func seat(id, pool string) ledger.Posting {
	return ledger.Posting{ID: id, Legs: []ledger.Leg{
		{Account: ledger.Account(pool + "/left"), Amount: -1, Bounds: ledger.AtLeast(0)}, {Account: ledger.Account(pool + "/held"), Amount: 1, Bounds: ledger.AtLeast(0)}}}
}

// Two processes that take seats of two pools while holds of both expire never wait for each
// other in a ring: what has expired is given up before anything else is locked.
func TestExpiryIsNoDeadlock(t *testing.T) {
	url := ownSchema(t, "expiry") + "&application_name=expiry"
	clock := newClock()
	var stores []program.Store
	var shut []func() error
	for range 2 {
		store, closeStore, err := openFor("pgx", url, sqlstore.PostgreSQL, clock.now)
		require.NoError(t, err)
		stores, shut = append(stores, store), append(shut, closeStore)
	}
	admin, err := sql.Open("pgx", strings.Replace(url, "&application_name=expiry", "", 1))
	require.NoError(t, err)
	defer admin.Close()
	deadlocks := func() (n int) {
		require.NoError(t, admin.QueryRow("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").Scan(&n))
		return n
	}
	before := deadlocks()
	apply := func(s program.Store, postings ...ledger.Posting) error {
		outcomes, err := s.Apply(t.Context(), []program.Change{{At: clock.now(), Postings: postings}})
		if err == nil {
			err = outcomes[0].Refusal
		}
		return err
	}
	pools := []string{"a", "b"}
	for _, pool := range pools {
		require.NoError(t, apply(stores[0], ledger.Posting{ID: "issue " + pool, Legs: []ledger.Leg{
			{Account: ledger.Account(pool + "/issued"), Amount: -1000, Bounds: ledger.Free()}, {Account: ledger.Account(pool + "/left"), Amount: 1000, Bounds: ledger.AtLeast(0)}}}))
	}
	for round := range tier(20, 100, 2000) {
		for _, pool := range pools {
			hold := seat(fmt.Sprint("hold ", pool, round), pool)
			hold.Kind, hold.Expires = ledger.Pending, clock.now().Add(time.Second)
			require.NoError(t, apply(stores[0], hold))
		}
		clock.set(clock.now().Add(time.Second))
		var all sync.WaitGroup
		errs := make([]error, 2)
		for i, s := range stores {
			all.Go(func() {
				hold := seat(fmt.Sprint("mine ", pools[i], round), pools[i])
				hold.Kind = ledger.Pending
				// A posting about another goes the way of a group.
				c := program.Change{At: clock.now(), Postings: []ledger.Posting{hold, {ID: hold.ID + " taken", Kind: ledger.Post, Of: hold.ID}}}
				outcomes, err := s.Apply(t.Context(), []program.Change{c, {At: clock.now(), Postings: []ledger.Posting{seat(fmt.Sprint("too ", pools[i], round), pools[i])}}})
				if errs[i] = err; err == nil {
					for _, o := range outcomes {
						if o.Refusal != nil {
							errs[i] = o.Refusal
						}
					}
				}
			})
		}
		all.Wait()
		require.Equal(t, []error{nil, nil}, errs)
	}
	balances, err := stores[1].Balances(t.Context(), "a/left", "b/left")
	require.NoError(t, err)
	taken := int64(2 * tier(20, 100, 2000))
	require.Equal(t, []int64{1000 - taken, 1000 - taken}, []int64{balances[0].Available(), balances[1].Available()})
	for _, closeStore := range shut {
		require.NoError(t, closeStore())
	}
	require.Eventually(t, func() bool { // what a process has counted is known once it is gone
		var left int
		require.NoError(t, admin.QueryRow("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'expiry'").Scan(&left))
		return left == 0
	}, time.Minute, 10*time.Millisecond)
	require.Equal(t, before, deadlocks())
}

// One change whose values a database cannot take hurts nobody who shares its transaction.
func TestAValueThatIsTooLargeFailsAlone(t *testing.T) {
	for name, open := range everyStore() {
		t.Run(name, func(t *testing.T) {
			clock := newClock()
			store := program.Grouped(open(t, clock.now))
			outcomes, err := store.Apply(t.Context(), []program.Change{{At: clock.now(), Postings: []ledger.Posting{{ID: "issue", Legs: []ledger.Leg{
				{Account: "a/issued", Amount: -1000, Bounds: ledger.Free()}, {Account: "a/left", Amount: 1000, Bounds: ledger.AtLeast(0)}}}}}})
			require.NoError(t, err)
			require.NoError(t, outcomes[0].Refusal)
			_, err = store.Apply(t.Context(), []program.Change{{At: clock.now(), Postings: []ledger.Posting{seat("first", "a")}}}) // all accounts are there
			require.NoError(t, err)
			errs := make([]error, 40)
			var all sync.WaitGroup
			for i := range errs {
				all.Go(func() {
					id := fmt.Sprint("seat ", i)
					if i == 7 { // more than an index of PostgreSQL takes, and not to be compressed
						large := make([]byte, 10_000)
						_, _ = rand.NewChaCha8([32]byte{}).Read(large)
						id += hex.EncodeToString(large)
					}
					outcomes, err := store.Apply(t.Context(), []program.Change{{At: clock.now(), Postings: []ledger.Posting{seat(id, "a")}}})
					if errs[i] = err; err == nil {
						errs[i] = outcomes[0].Refusal
					}
				})
			}
			all.Wait()
			for i, err := range errs {
				if i != 7 {
					require.NoError(t, err)
				}
			}
			if name == "PostgreSQL" {
				require.Error(t, errs[7], "control")
			}
		})
	}
}
