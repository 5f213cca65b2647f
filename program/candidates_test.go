package program_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
)

// A debit without a reference of ours is matched with nothing: the open payments of its amount
// are proposed, and two people decide. What is settled or dead, is of another amount, or
// was taken out of suspense is not proposed.
func TestWhatADebitMightBeIsOnlyProposed(t *testing.T) {
	d := newPaydesk(t)
	ctx := t.Context()
	lines := d.release(1)
	n := len(lines)
	require.Greater(t, n, 4)
	candidates := func(sequence, line int64) (items []int64) {
		require.NoError(t, d.Candidates(ctx, "treasury", sequence, line, func(o program.OpenItem) error {
			require.Equal(t, int64(1), o.Batch)
			require.Equal(t, lines[0].Amount, o.Amount)
			items = append(items, o.Item)
			return nil
		}))
		return items
	}
	d.answer(lines[0].Reference, payment.Refused)
	nobodys := payment.Line{Reference: "NOTPROVIDED", Amount: lines[0].Amount}
	other := payment.Line{Reference: "NOTPROVIDED", Amount: payment.Rupiah(7)}
	counts := d.statement(lines[1], nobodys, other, back(nobodys), lines[0])
	require.Equal(t, int64(2), counts["class.orphan-debit"])
	require.Equal(t, int64(1), counts["settled"], "nothing is matched by its amount")
	open := candidates(1, 2)
	require.Len(t, open, n-2, "all that are open and of its amount")
	require.NotContains(t, open, int64(1), "one that is dead is not")
	require.NotContains(t, open, int64(2), "one that is settled is not")
	require.Empty(t, candidates(1, 3), "nothing is of this amount")
	for _, line := range []int64{1, 5, 6} { // matched, with a payment of its own, not there
		require.ErrorIs(t, d.Candidates(ctx, "treasury", 1, line, func(program.OpenItem) error { return nil }), program.ErrNotFound, line)
	}
	held, err := d.store.Balances(ctx, "suspense/treasury")
	require.NoError(t, err)
	require.Equal(t, lines[0].Amount.Units+other.Amount.Units, held[0].Posted, "the proposal changes nothing")

	one := errors.New("enough")
	require.ErrorIs(t, d.Candidates(ctx, "treasury", 1, 2, func(program.OpenItem) error { return one }), one)
	d.verify(t)
}

// The debit that two people took for a payment is proposed no more, and neither is the payment.
func TestWhatWasTakenIsNotProposed(t *testing.T) {
	d := newPaydesk(t)
	ctx := t.Context()
	lines := d.release(1)
	nobodys := payment.Line{Reference: "NOTPROVIDED", Amount: lines[0].Amount}
	d.statement(nobodys, nobodys)
	resolveByTwo(ctx, t, d.Engine, program.Resolve{Batch: 1, Item: 3, As: program.WasPaid, Account: "treasury", Sequence: 1, Line: 1, Evidence: "letter"})
	require.ErrorIs(t, d.Candidates(ctx, "treasury", 1, 1, func(program.OpenItem) error { return nil }), program.ErrNotFound)
	seen := 0
	require.NoError(t, d.Candidates(ctx, "treasury", 1, 2, func(o program.OpenItem) error {
		require.NotEqual(t, int64(3), o.Item)
		seen++
		return nil
	}))
	require.Equal(t, len(lines)-1, seen)
	d.verify(t)
}
