package program_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/memstore"
)

// A balance is spent until its last day, and not after it; what is left then goes back
// to the budget, and to the treasury if it is not carried over.
func TestABalanceEndsOnItsLastDay(t *testing.T) {
	s := newStory(memstore.New())
	s.until = 7
	s.change = func(p *program.Program[details]) {
		p.Benefits[0] = p.Benefits[0].Expires("08-12")
		p.Lifecycle.States[3].Within = nil // nobody is revoked
		p.Lifecycle.Moves = append(p.Lifecycle.Moves[:5], p.Lifecycle.Moves[6:]...)
	}
	require.NoError(t, s.run(t))
	e, ctx := s.engine(t), t.Context()
	buy := func(at time.Time) error {
		return e.Fire(ctx, actor("shop"), 1, anyIn(t, e, "accepted"), program.Report{Event: "buy", Amount: payment.Rupiah(400).Units, Party: "shop", At: at})
	}
	s.now = day(12)
	counts, err := e.LapseBalances(ctx, actor("clock"), "lapse early", 1)
	require.NoError(t, err)
	require.Zero(t, counts["lapsed.balance"], "the last day is not over")
	require.NoError(t, buy(time.Time{}), "on the last day")
	s.now = day(13)
	var refused *program.RefusedError
	require.ErrorAs(t, buy(time.Time{}), &refused)
	require.Equal(t, program.CodeBalanceLapsed, refused.Reasons[0].Code)
	require.ErrorAs(t, buy(day(13)), &refused)
	require.NoError(t, buy(day(12)), "it was bought in time, and is reported late")
	job, err := e.FireAll(ctx, actor("shop"), "late", program.FireOrder[details]{Wave: 1, States: []program.State{"accepted"}, Sealed: true,
		Report: func(*program.Case[details]) (program.Report, bool) {
			return program.Report{Event: "buy", Amount: 1, Party: "shop"}, true
		}})
	require.NoError(t, err)
	require.Equal(t, job["done"], job["refused."+program.CodeBalanceLapsed])

	available := func() int64 {
		b, err := s.store.Balances(ctx, "budget/available")
		require.NoError(t, err)
		return b[0].Posted
	}
	before := available()
	for range 2 {
		counts, err = e.LapseBalances(ctx, actor("clock"), "lapse", 1)
		require.NoError(t, err)
		require.Positive(t, counts["lapsed.balance"])
		require.Equal(t, before+counts["lapsed_amount.balance"], available())
	}
	counts, err = e.LapseBalances(ctx, actor("clock"), "lapse again", 1)
	require.NoError(t, err)
	require.Zero(t, counts["lapsed.balance"])
	require.Error(t, buy(day(12)), "what went back is not spent")
	carried := payment.Rupiah(1000)
	require.NoError(t, e.ReturnFunds(ctx, actor("treasurer"), 2020, payment.Money{Units: available() - carried.Units, Currency: payment.IDR}))
	require.Equal(t, carried.Units, available(), "what is carried over")
	breaches, err := e.Verify(ctx)
	require.NoError(t, err)
	require.Empty(t, breaches)
}

// Whoever is entitled to something is entitled to it once: the second time changes
// nothing, and is no error.
func TestAnEntitlementIsMadeOnce(t *testing.T) {
	s := newStory(memstore.New())
	s.until = 9
	s.change = func(p *program.Program[details]) {
		p.Benefits = append(p.Benefits, payment.PerSurvey("survey", 2, payment.Rupiah(50)))
		do := []program.Effect{{Name: "entitle", Arg: "balance"}, {Name: "entitle", Arg: "cash"}, {Name: "entitle", Arg: "survey"}}
		p.Lifecycle.Moves = append(p.Lifecycle.Moves, program.Moves{{On: "again", From: []program.State{"bought"}, To: "bought", Do: do}}...)
	}
	require.NoError(t, s.run(t))
	e, ctx := s.engine(t), t.Context()
	who := anyIn(t, e, "bought")
	rows := func() int {
		all, _, err := s.store.Page(ctx, program.Scan{Table: program.TableEntitlements, Limit: 1000})
		require.NoError(t, err)
		return len(all.Rows)
	}
	left := func() int64 {
		b, err := s.store.Balances(ctx, "budget/available")
		require.NoError(t, err)
		return b[0].Posted
	}
	n, budget := rows(), left()
	for range 2 {
		require.NoError(t, e.Fire(ctx, actor("desk"), 1, who, program.Report{Event: "again", Number: 1}))
		require.Equal(t, n+1, rows(), "the first survey, once; not the balance that was used, not the cash")
		require.Equal(t, budget-payment.Rupiah(50).Units, left())
	}
	require.NoError(t, e.Fire(ctx, actor("desk"), 1, who, program.Report{Event: "again", Number: 2}))
	require.Equal(t, n+2, rows())
	for _, job := range []string{"all", "all again"} {
		counts, err := e.FireAll(ctx, actor("desk"), job, program.FireOrder[details]{Wave: 1, States: []program.State{"bought"},
			Report: func(*program.Case[details]) (program.Report, bool) {
				return program.Report{Event: "again", Number: 1}, true
			}})
		require.NoError(t, err)
		require.Zero(t, counts["refused.bounds"])
		require.Equal(t, counts["done"], counts["state.bought"])
	}
	breaches, err := e.Verify(ctx)
	require.NoError(t, err)
	require.Empty(t, breaches)
}

// What nobody could be paid in time goes back to the budget, and is not paid any more;
// what a payment is alive of, or people must look at, is left.
func TestUnclaimedEntitlementsLapse(t *testing.T) {
	d := newPaydesk(t)
	ctx := t.Context()
	lines := d.release(1)
	d.answer(lines[0].Reference, payment.Refused)
	d.answer(lines[1].Reference, payment.Refused)
	d.statement(lines[1]) // and paid all the same
	order := program.BatchOrder{Wave: 1, Benefit: "cash", Instalment: 1}
	var field *program.FieldError
	_, err := d.LapseEntitlements(ctx, actor("clock"), "lapse", order)
	require.ErrorAs(t, err, &field)
	p := testProgram()
	p.UnclaimedDays = 60
	d.Engine, err = d.engineOf(t, p)
	require.NoError(t, err)
	counts, err := d.LapseEntitlements(ctx, actor("clock"), "lapse early", order)
	require.NoError(t, err)
	require.Zero(t, counts["lapsed"])
	d.now = d.now.AddDate(0, 0, 61)
	for range 2 {
		counts, err = d.LapseEntitlements(ctx, actor("clock"), "lapse", order)
		require.NoError(t, err)
		require.Equal(t, int64(1), counts["lapsed"])
		require.Equal(t, int64(len(lines)-1), counts["left"])
		d.verify(t)
	}
	require.Equal(t, int64(1), d.prepare(2)["lapsed"])
	d.verify(t)
}

// What is claimed back has a term and an owner; when it comes it goes to the budget, and
// the entitlement is not paid again.
func TestAClawBackHasItsOwnTerm(t *testing.T) {
	d := newPaydesk(t)
	ctx := t.Context()
	lines := d.release(1)
	d.statement(lines...)
	claim := program.Resolve{Batch: 1, Item: 1, As: program.ClaimBack, Evidence: "letter 1"}
	var field *program.FieldError
	_, err := d.Resolve(ctx, actor("one"), claim)
	require.ErrorAs(t, err, &field)
	p := testProgram()
	p.ClaimDays = 60
	d.Engine, err = d.engineOf(t, p)
	require.NoError(t, err)
	resolveByTwo(ctx, t, d.Engine, claim)
	why := func() string {
		all := ""
		require.NoError(t, d.OpenItems(ctx, func(o program.OpenItem) error {
			all += o.Why + " " + string(o.Owner)
			return nil
		}))
		return all
	}
	require.Equal(t, "claimed applicant", why())
	d.now = d.now.AddDate(0, 0, 60).Add(time.Minute)
	require.Equal(t, "claim-overdue officer", why())
	repaid := program.Resolve{Batch: 1, Item: 1, As: program.Repaid, Account: "treasury", Sequence: 2, Line: 1, Evidence: "letter 2"}
	_, err = d.Resolve(ctx, actor("one"), repaid)
	require.ErrorIs(t, err, program.ErrNotFound)
	d.statement(payment.Line{Reference: "a teller", Amount: lines[0].Amount, Credit: true})
	resolveByTwo(ctx, t, d.Engine, repaid)
	d.verify(t)
	require.Empty(t, why())
	require.Zero(t, d.prepare(2)["payments"])
	var state *program.StateError
	_, err = d.Resolve(ctx, actor("one"), claim)
	require.ErrorAs(t, err, &state)
}
