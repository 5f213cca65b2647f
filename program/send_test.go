package program_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/payment/paymenttest"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/memstore"
)

// wallet is a story whose payments go through a faulty provider, by calls.
type wallet struct {
	*story
	far     *paymenttest.Faulty
	store   *faulty
	engine  *program.Engine[details]
	batches int64
}

func newWallet(t *testing.T, seed uint64, promised payment.Capabilities, rates map[paymenttest.Fault]int) *wallet {
	store := &faulty{Store: memstore.New()}
	s := newStory(store)
	s.until = 19
	require.NoError(t, s.run(t))
	s.now = day(20)
	w := &wallet{story: s, store: store, engine: s.engine(t)}
	w.far = paymenttest.NewFaulty(s.now, payment.Rupiah(50_000), seed, &paymenttest.FaultyOptions{Capabilities: promised, Rates: rates})
	return w
}

func (w *wallet) channels() program.Channels {
	return program.Channels{Providers: map[string]payment.Provider{"BANK": w.far}, Parallel: 3}
}

// release prepares, approves and releases the next batch.
func (w *wallet) release(ctx context.Context, t *testing.T) program.Batch {
	w.batches++
	n := w.batches
	_, err := w.engine.PrepareBatch(ctx, actor("preparer"), program.BatchOrder{Number: n, Wave: 1, Benefit: "cash", Instalment: 1, Again: n > 1})
	require.NoError(t, err)
	b, err := w.engine.Batch(ctx, n)
	require.NoError(t, err)
	require.NoError(t, w.engine.ApproveBatch(ctx, actor("approver"), n, b.Digest))
	require.NoError(t, w.engine.SubmitBatch(ctx, actor("releaser"), n, program.Release{}))
	return b
}

// statement reconciles what the far side has booked.
func (w *wallet) statement(ctx context.Context, t *testing.T, n int) {
	sums, lines := w.far.CloseBooks()
	_, err := w.engine.Reconcile(ctx, actor("clerk"), fmt.Sprint("statement ", n), program.Statement{ID: fmt.Sprint(n), Account: "wallet", Channel: "BANK", Until: w.now,
		Sequence: sums.Sequence, Opening: sums.Opening, Closing: sums.Closing, Digest: [32]byte{byte(n), byte(n >> 8)}, Lines: each(lines)})
	require.NoError(t, err)
}

func (w *wallet) wait(d time.Duration) {
	w.now = w.now.Add(d)
	w.far.Advance(d)
}

// paidTwice counts the entitlements that were paid more than once, net of returns, and
// those that were paid.
func (w *wallet) paidTwice(ctx context.Context, t *testing.T) (twice, paid int) {
	net := map[string]int{}
	var after program.Cursor
	for {
		rows, next, err := w.store.Page(ctx, program.Scan{Table: program.TablePayments, After: after, Limit: 100})
		require.NoError(t, err)
		for _, row := range rows.Rows {
			v := row.Values
			reference, err := payment.Reference(v[0].(int64), v[1].(int64), int(v[7].(int64)))
			require.NoError(t, err)
			out, back := w.far.Moved(reference)
			net[fmt.Sprint(v[3:7]...)] += out - back
		}
		if after = next; next == nil {
			break
		}
	}
	for _, n := range net {
		if n > 1 {
			twice++
		}
		if n > 0 {
			paid++
		}
	}
	return twice, paid
}

// Whatever a provider loses, refuses, executes late or returns, and wherever the engine
// dies, nobody is paid twice, and everything is resolved in the end. The control sends
// anew what has no answer, and pays somebody twice.
func TestPaymentsByCalls(t *testing.T) {
	harsh := map[paymenttest.Fault]int{paymenttest.RequestLost: 100, paymenttest.AnswerLost: 100, paymenttest.NoConnection: 100,
		paymenttest.ServerError: 50, paymenttest.Garbage: 50, paymenttest.PartialAnswer: 50, paymenttest.WrongReference: 50, paymenttest.Refusal: 100,
		paymenttest.RefusedLater: 50, paymenttest.Late: 100, paymenttest.Comeback: 100, paymenttest.EnquiryLost: 200}
	for name, promised := range map[string]payment.Capabilities{
		"replay-safe": {ReplaySafe: true, KeyMemory: 24 * time.Hour, StatusMemory: 10 * 24 * time.Hour, Finality: 48 * time.Hour, BatchSize: 3},
		"ask only":    {StatusMemory: 10 * 24 * time.Hour, Finality: 48 * time.Hour, BatchSize: 2},
	} {
		t.Run(name, func(t *testing.T) {
			paid := 0
			for seed := range uint64(12) {
				paid += simulate(t, seed, promised, harsh)
			}
			require.Greater(t, paid, 70, "and nearly everybody of 96 is paid: who that is depends on the order of the calls")
		})
	}
	t.Run("control", func(t *testing.T) {
		twice := 0
		for seed := range uint64(12) {
			w := newWallet(t, seed, payment.Capabilities{Finality: 48 * time.Hour, BatchSize: 2}, harsh)
			ctx := t.Context()
			w.release(ctx, t)
			for range 2 {
				_, err := w.engine.SendBatch(ctx, actor("sender"), 1, w.channels())
				require.NoError(t, err)
				forget(ctx, t, w)
				w.wait(50 * time.Hour)
			}
			n, _ := w.paidTwice(ctx, t)
			twice += n
		}
		require.Positive(t, twice, "a sender that does not remember must pay twice, or the simulation is wrong")
	})
}

// forget makes every payment of the first batch look as if it had never been sent.
func forget(ctx context.Context, t *testing.T, w *wallet) {
	rows, _, err := w.store.Page(ctx, program.Scan{Table: program.TablePayments, Equal: []any{int64(1)}, Limit: 1000})
	require.NoError(t, err)
	for _, row := range rows.Rows {
		row.Values[2], row.Values[11], row.Values[13], row.Values[14], row.Values[19] = "created", nil, nil, nil, int64(0)
		outcomes, err := w.store.Apply(ctx, []program.Change{{Rows: []program.Row{row}}})
		require.NoError(t, err)
		require.NoError(t, outcomes[0].Refusal)
	}
}

// simulate pays one instalment to everybody, over three batches and their days. It
// returns how many were paid.
func simulate(t *testing.T, seed uint64, promised payment.Capabilities, rates map[paymenttest.Fault]int) int {
	w := newWallet(t, seed, promised, rates)
	ctx, statements := t.Context(), 0
	for round := range 3 {
		b := w.release(ctx, t)
		for tick := range 40 {
			// It dies at one of the next writes, before or after it, or at none.
			w.store.calls, w.store.at, w.store.written = 0, (int(seed)+tick+2*round)%5, tick%2 == 0
			_, err := w.engine.SendBatch(ctx, actor("sender"), b.Number, w.channels())
			if err == nil {
				_, err = w.engine.AskBatch(ctx, actor("sender"), b.Number, w.channels())
			}
			w.store.at = 0
			if err != nil {
				require.ErrorIs(t, err, errPower)
				w.engine = w.story.engine(t)
			}
			w.wait(3 * time.Hour)
			if tick%4 == 3 {
				statements++
				w.statement(ctx, t, statements)
				w.verify(t)
			}
			twice, _ := w.paidTwice(ctx, t)
			require.Zero(t, twice, "seed %d round %d tick %d", seed, round, tick)
		}
		statements++
		w.statement(ctx, t, statements)
		require.NoError(t, w.engine.CloseBatch(ctx, actor("clerk"), b.Number), "seed %d round %d: everything is resolved", seed, round)
	}
	w.verify(t)
	_, paid := w.paidTwice(ctx, t)
	return paid
}

// Two processes that send one batch at the same time send each payment once.
func TestTwoMaySendOneBatch(t *testing.T) {
	w := newWallet(t, 1, payment.Capabilities{BatchSize: 2}, nil)
	ctx := t.Context()
	b := w.release(ctx, t)
	var wait sync.WaitGroup
	for range 4 {
		e := w.story.engine(t)
		wait.Go(func() {
			_, err := e.SendBatch(ctx, actor("sender"), 1, w.channels())
			assert.NoError(t, err)
		})
	}
	wait.Wait()
	w.wait(2 * time.Hour)
	twice, paid := w.paidTwice(ctx, t)
	require.Zero(t, twice)
	require.Equal(t, b.Count, int64(paid))
}

// A notice is judged like any other answer, and only when it is the provider's.
func TestANoticeIsTaken(t *testing.T) {
	w := newWallet(t, 1, payment.Capabilities{BatchSize: 100}, nil)
	ctx := t.Context()
	w.release(ctx, t)
	w.far.Fault(paymenttest.AnswerLost)
	_, err := w.engine.SendBatch(ctx, actor("sender"), 1, w.channels())
	require.NoError(t, err)
	w.wait(2 * time.Hour)
	told := 0
	for item := range int64(40) {
		reference, err := payment.Reference(1, item+1, 1)
		require.NoError(t, err)
		header, body := w.far.CallBack(reference)
		if body == nil { // its request was lost
			continue
		}
		_, err = w.engine.TakeNotice(ctx, actor("provider"), "BANK", w.far, map[string][]string{}, body)
		require.Error(t, err, "nobody signed it")
		before := stateOf(ctx, t, w, item+1)
		became, err := w.engine.TakeNotice(ctx, actor("provider"), "BANK", w.far, header, body)
		require.NoError(t, err)
		if before == "unknown" {
			require.Equal(t, "accepted", became)
			told++
		}
		became, err = w.engine.TakeNotice(ctx, actor("provider"), "BANK", w.far, header, body)
		require.NoError(t, err)
		require.Equal(t, "unchanged", became, "the same notice again")
	}
	require.Positive(t, told)
	w.verify(t)
}

func stateOf(ctx context.Context, t *testing.T, w *wallet, item int64) string {
	rows, err := w.store.Load(ctx, program.Query{Keys: []program.Key{{Table: program.TablePayments, Values: []any{int64(1), item}}}})
	require.NoError(t, err)
	return rows.Rows[0].Values[2].(string)
}

// What is released as a file is not sent by calls, and the other way round.
func TestABatchLeavesOneWay(t *testing.T) {
	w := newWallet(t, 1, payment.Capabilities{BatchSize: 100}, nil)
	ctx := t.Context()
	var state *program.StateError
	_, err := w.engine.PrepareBatch(ctx, actor("preparer"), program.BatchOrder{Number: 1, Wave: 1, Benefit: "cash", Instalment: 1})
	require.NoError(t, err)
	b, err := w.engine.Batch(ctx, 1)
	require.NoError(t, err)
	require.NoError(t, w.engine.ApproveBatch(ctx, actor("approver"), 1, b.Digest))
	_, err = w.engine.SendBatch(ctx, actor("sender"), 1, w.channels())
	require.ErrorAs(t, err, &state, "it is not released")
	require.NoError(t, w.engine.SubmitBatch(ctx, actor("releaser"), 1, byFile))
	_, err = w.engine.SendBatch(ctx, actor("sender"), 1, w.channels())
	require.ErrorAs(t, err, &state, "it is released as a file")

	w = newWallet(t, 1, payment.Capabilities{BatchSize: 100}, nil)
	w.release(ctx, t)
	counts, err := w.engine.SendBatch(ctx, actor("sender"), 1, program.Channels{})
	require.NoError(t, err)
	require.Equal(t, b.Count, counts["no-channel"])
	_, err = w.engine.SendBatch(ctx, actor("sender"), 1, w.channels())
	require.NoError(t, err)
	require.ErrorAs(t, w.engine.WriteBatch(ctx, 1, func(program.Order) error { return nil }), &state, "they were sent by calls")
}
