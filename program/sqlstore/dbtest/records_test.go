package dbtest_test

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/sqlstore"
	"github.com/gelombang/gelombang/program/training"
)

// On both databases many buy the last seats of a course at once, one of them under one
// number twenty times: seats, balances and vouchers agree, and what they share is counted.
func TestVouchersOnDatabases(t *testing.T) {
	both(t, func(t *testing.T, store *sqlstore.Store, _ *sql.DB, _ sqlstore.Database) {
		facts := program.NewFacts[struct{}]()
		do := func(name string) []program.Effect { return []program.Effect{{Name: name, Arg: "training"}} }
		in := func(s ...program.State) []program.State { return s }
		p := &program.Program[struct{}]{ID: "card", Facts: facts, Zone: "Asia/Jakarta",
			Policy: eligibility.Policy{Name: "card", Rules: []eligibility.Rule{{Code: "adult", Require: facts.BirthDate.AgeAtLeast(18), At: []string{"payout"},
				Basis: eligibility.WithoutArticle("adults")}}},
			Benefits: payment.Benefits{payment.Balance("training", payment.Rupiah(1_000_000))},
			Sharing:  []program.Sharing{{Name: "phone", Of: program.OfPhone, Max: 1}},
			Lifecycle: program.Table{Name: "card", Version: 1, Start: "joined", States: program.States{{State: "joined"}, {State: "holder"}, {State: "over", Final: true}},
				Moves: program.Moves{
					{On: "admit", From: in("joined"), To: "holder", Do: do("entitle")},
					{On: "buy", From: in("holder"), To: "holder", Do: do("spend")},
					{On: "refund", From: in("holder"), To: "holder", Do: do("refund")},
					{On: "end", From: in("holder"), To: "over", Do: do("lapse")},
				}}}
		ctx, by := t.Context(), program.By{Actor: "officer"}
		clock := onJournalDay
		around := program.Surroundings{Clock: clock, Random: rand.Reader}
		keys, err := program.NewLocalKeyring(make([]byte, 32), rand.Reader)
		require.NoError(t, err)
		engine, err := program.NewEngine(p, store, keys, around, nil)
		require.NoError(t, err)
		desk, err := training.NewDesk(engine, keys, around, training.Setup{Benefit: "training", Zone: "Asia/Jakarta", Events: training.Events{Bought: "buy", Refunded: "refund"},
			Partners: []training.Partner{{ID: "pijar", Kind: training.PlatformKind}, {ID: "lpk", Kind: training.Institution}}})
		require.NoError(t, err)
		require.NoError(t, engine.Fund(ctx, by, payment.Rupiah(100_000_000)))
		require.NoError(t, engine.PlanWave(ctx, by, program.WaveOrder{Number: 1, Opens: clock(), Closes: clock().AddDate(0, 1, 0)}))
		require.NoError(t, engine.OpenWave(ctx, by, 1))
		today := calendar.DateOf(clock(), time.UTC)
		require.NoError(t, desk.Offer(ctx, by, training.Course{ID: "barista", Platform: "pijar", Institution: "lpk", Title: "Barista", Mode: training.Online, Hours: 20,
			Sessions: 1, Price: payment.Rupiah(300_000), Capacity: 5, From: today.AddDays(-1), Until: today.AddDays(1)}))
		var people []uuid.UUID
		for i := range 4 {
			r := program.Registration[struct{}]{Person: program.Person{Name: identity.NewName("Ani"), National: identity.NewSecret(fmt.Sprint("n", i)), Phone: identity.NewSecret(fmt.Sprint("0811", i))}}
			id, err := engine.Register(ctx, by, r)
			require.NoError(t, err)
			r.Person.National = identity.NewSecret(fmt.Sprint("again", i))
			var no *program.RegistrationError
			_, err = engine.Register(ctx, by, r)
			require.ErrorAs(t, err, &no)
			require.Equal(t, "shared", no.Rule)
			_, err = engine.Join(ctx, by, 1, id)
			require.NoError(t, err)
			require.NoError(t, engine.Fire(ctx, by, 1, id, program.Report{Event: "admit"}))
			people = append(people, id)
		}
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				number := fmt.Sprint("V-", i/2)
				v, err := desk.Buy(ctx, by, training.Order{Voucher: number, Wave: 1, Applicant: people[i/2%len(people)], Course: "barista"})
				if err == nil && i%7 == 0 {
					_, err = desk.Refund(ctx, by, v.Number, "ill")
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		sold, bought := 0, 0
		for i, id := range people {
			all, err := desk.Vouchers(ctx, id)
			require.NoError(t, err)
			left := int64(1_000_000)
			bought += len(all)
			for _, v := range all {
				if v.State == training.Sold {
					sold++
					left -= 300_000
				}
			}
			got, err := engine.Left(ctx, 1, id, "training")
			require.NoError(t, err)
			require.Equal(t, left, got/100, "holder %d", i)
		}
		require.Positive(t, bought)
		require.LessOrEqual(t, sold, 5)
		for _, verify := range []func() ([]program.Breach, error){
			func() ([]program.Breach, error) { return engine.Verify(ctx) }, func() ([]program.Breach, error) { return desk.Verify(ctx) },
		} {
			breaches, err := verify()
			require.NoError(t, err)
			require.Empty(t, breaches)
		}
	})
}
