package program_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/memstore"
	"github.com/gelombang/gelombang/quota"
)

// crowd are people of whom nobody fails.
type crowd struct{ n int }

func (c crowd) Next(_ context.Context, done int64, limit int) ([]program.Registration[details], error) {
	var some []program.Registration[details]
	for i := int(done); i < c.n && len(some) < limit; i++ {
		some = append(some, program.Registration[details]{
			Person: program.Person{Name: identity.NewName(fmt.Sprint("Orang ", i)), National: identity.NewSecret(national(i)), Birth: calendar.Of(1990, time.March, 1),
				Payout: program.Payout{Provider: "BANK", Account: identity.NewSecret(fmt.Sprint("account-", i))}},
			Details: details{Pool: "north", Joins: true}, Evidence: map[string]program.Evidence{"official": {Source: "bkn", Seen: day(1)}},
		})
	}
	return some, nil
}

// paidCrowd is a store with a batch of n payments that was released as a file, and the lines
// of the statement that settles them.
func paidCrowd(b *testing.B, n int) (*program.Engine[details], []payment.Line) {
	s := newStory(memstore.New())
	s.chunk = 4000
	ctx, e := b.Context(), s.engine(b)
	must := func(_ any, err error) { require.NoError(b, err) }
	plan := &quota.Plan{Name: "test-1", Ticket: quota.PerPerson, Tiers: 1, Pools: []quota.Pool{{ID: "north", Seats: int64(n)}}}
	s.now = day(1)
	require.NoError(b, e.PlanWave(ctx, actor("planner"), program.WaveOrder{Number: 1, Opens: day(2), Closes: day(5), Plan: plan}))
	require.NoError(b, e.Fund(ctx, actor("treasury"), payment.Rupiah(10_000*int64(n))))
	must(e.RegisterAll(ctx, actor("registrar"), "register", crowd{n}))
	s.now = day(2)
	require.NoError(b, e.OpenWave(ctx, actor("planner"), 1))
	must(e.JoinAll(ctx, actor("registrar"), "join", 1, nil))
	s.now = day(5)
	require.NoError(b, e.CloseWave(ctx, actor("planner"), 1))
	must(e.CheckAll(ctx, actor("policy"), "screen", 1, "joined"))
	s.now = day(6)
	require.NoError(b, e.Freeze(ctx, actor("planner"), 1, program.FreezeOrder{Number: 1, Source: quota.Source{Beacon: &quota.Beacon{Name: "test", Chain: "test", Round: 7}}}))
	s.now = day(7)
	require.NoError(b, s.draw(ctx, e, actor("planner")))
	must(e.Announce(ctx, actor("planner"), "announce", 1))
	must(e.FireAll(ctx, actor("shop"), "buy", program.FireOrder[details]{Wave: 1, States: []program.State{"accepted"}, Sealed: true,
		Report: func(*program.Case[details]) (program.Report, bool) {
			return program.Report{Event: "buy", Amount: payment.Rupiah(400).Units, Party: "shop"}, true
		}}))
	s.now = day(20)
	must(e.PrepareBatch(ctx, actor("preparer"), program.BatchOrder{Number: 1, Wave: 1, Benefit: "cash", Instalment: 1}))
	batch, err := e.Batch(ctx, 1)
	require.NoError(b, err)
	require.Equal(b, int64(n), batch.Count)
	require.NoError(b, e.ApproveBatch(ctx, actor("approver"), 1, batch.Digest))
	var lines []payment.Line
	require.NoError(b, e.WriteBatch(ctx, 1, func(o program.Order) error {
		lines = append(lines, payment.Line{Reference: o.Reference, Amount: o.Amount})
		return nil
	}))
	require.NoError(b, e.SubmitBatch(ctx, actor("releaser"), 1, byFile))
	return e, lines
}

// BenchmarkReconcile takes a statement of 20,000 lines, each of which settles a payment, on a
// store in memory.
func BenchmarkReconcile(b *testing.B) {
	const n = 20_000
	var took time.Duration
	for range b.N {
		b.StopTimer()
		e, lines := paidCrowd(b, n)
		st := program.Statement{Account: "treasury", Channel: "BANK", Sequence: 1, Opening: payment.Rupiah(100_000_000), Closing: payment.Rupiah(100_000_000),
			Digest: [32]byte{1}, Lines: each(lines)}
		for _, l := range lines {
			st.Closing.Units -= l.Amount.Units
		}
		b.StartTimer()
		from := time.Now()
		counts, err := e.Reconcile(b.Context(), actor("clerk"), "statement", st)
		took += time.Since(from)
		require.NoError(b, err)
		require.Equal(b, int64(n), counts["settled"])
	}
	b.ReportMetric(float64(n*b.N)/took.Seconds(), "lines/s")
}
