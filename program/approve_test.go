package program_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/program/memstore"
)

// byFile releases a batch as a file.
var byFile = program.Release{File: [32]byte{1}, To: "BANK"}

func actor(name string) program.By { return program.By{Actor: name} }

// prepared is a story whose first batch is prepared, under bands of approval.
func prepared(t *testing.T, bands payment.Bands) (*story, *program.Engine[details], program.Batch) {
	s := newStory(memstore.New())
	s.bands = bands
	s.until = 19
	require.NoError(t, s.run(t))
	s.now = day(20)
	e := s.engine(t)
	_, err := e.PrepareBatch(t.Context(), actor("preparer"), program.BatchOrder{Number: 1, Wave: 1, Benefit: "cash", Instalment: 1})
	require.NoError(t, err)
	b, err := e.Batch(t.Context(), 1)
	require.NoError(t, err)
	require.Greater(t, b.Count, int64(4))
	return s, e, b
}

// Preparer, approvers and releaser are different people, also through delegation, and
// a large batch takes two approvers.
func TestThreeRolesAndBandsOfApproval(t *testing.T) {
	s, e, b := prepared(t, payment.Bands{{Above: payment.Rupiah(0), Approvers: 2}})
	ctx := t.Context()
	var same *payment.SameHandsError
	var state *program.StateError
	for _, by := range []program.By{actor("preparer"), {Actor: "deputy", OnBehalf: "preparer"}} {
		require.ErrorAs(t, e.ApproveBatch(ctx, by, 1, b.Digest), &same)
	}
	require.NoError(t, e.ApproveBatch(ctx, actor("first"), 1, b.Digest))
	require.ErrorAs(t, e.SubmitBatch(ctx, actor("releaser"), 1, byFile), &state, "one approval is not enough")
	require.ErrorAs(t, e.WriteBatch(ctx, 1, func(program.Order) error { return nil }), &state)
	require.ErrorAs(t, e.ApproveBatch(ctx, actor("first"), 1, b.Digest), &same)
	require.ErrorAs(t, e.ApproveBatch(ctx, program.By{Actor: "deputy", OnBehalf: "first"}, 1, b.Digest), &same)
	s.verify(t)
	require.NoError(t, e.ApproveBatch(ctx, actor("second"), 1, b.Digest))
	s.verify(t)
	for _, name := range []string{"preparer", "first", "second"} {
		require.ErrorAs(t, e.SubmitBatch(ctx, actor(name), 1, byFile), &same, name)
	}
	release := program.By{Actor: "releaser", Key: "release-1"}
	require.NoError(t, e.SubmitBatch(ctx, release, 1, byFile))
	require.NoError(t, e.SubmitBatch(ctx, release, 1, byFile), "the same file again")
	var conflict *program.KeyConflictError
	require.ErrorAs(t, e.SubmitBatch(ctx, release, 1, program.Release{File: [32]byte{2}, To: "BANK"}), &conflict, "another file for the same batch")
	b, err := e.Batch(ctx, 1)
	require.NoError(t, err)
	require.Equal(t, [32]byte{1}, b.File)
	require.Equal(t, []payment.Signature{{Role: "prepare", Actor: "preparer"}, {Role: "approve", Actor: "first"},
		{Role: "approve", Actor: "second"}, {Role: "release", Actor: "releaser"}}, b.Signatures)
	s.verify(t)
}

func TestBandsAreChecked(t *testing.T) {
	p := testProgram()
	p.Approvals = payment.Bands{{Above: payment.Rupiah(-1), Approvers: 0}}
	var faults program.Faults
	_, err := newStory(memstore.New()).engineOf(t, p)
	require.ErrorAs(t, err, &faults)
	var band *payment.BandError
	require.ErrorAs(t, faults, &band)
}

// What is held back makes another list, which is approved anew and paid without it;
// what was held back is paid only when two people have released it.
func TestAHeldPaymentMakesAnotherList(t *testing.T) {
	for name, approved := range map[string]bool{"prepared": false, "approved": true} {
		s, e, b := prepared(t, nil)
		ctx := t.Context()
		if approved {
			require.NoError(t, e.ApproveBatch(ctx, actor("approver"), 1, b.Digest))
		}
		var field *program.FieldError
		_, err := e.HoldPayments(ctx, actor("auditor"), 1, []int64{2, 3}, "")
		require.ErrorAs(t, err, &field)
		_, err = e.HoldPayments(ctx, actor("auditor"), 1, []int64{99}, "a letter")
		require.ErrorIs(t, err, program.ErrNotFound)
		for range 2 { // the second time changes nothing
			_, err = e.HoldPayments(ctx, actor("auditor"), 1, []int64{3, 2, 3}, "a letter")
			require.NoError(t, err, name)
		}
		_, err = e.HoldPayments(ctx, actor("auditor"), 1, []int64{2, 4}, "a letter")
		require.ErrorAs(t, err, &field, "one of them is held back already")
		s.verify(t)
		rest, err := e.Batch(ctx, 1)
		require.NoError(t, err)
		require.Equal(t, program.BatchPrepared, rest.State)
		require.Equal(t, b.Count-2, rest.Count)
		require.Equal(t, int64(1), rest.Revision)
		require.NotEqual(t, b.Digest, rest.Digest)

		require.ErrorAs(t, e.ApproveBatch(ctx, actor("approver"), 1, b.Digest), &field, "the list of before is not approved any more")
		var same *payment.SameHandsError
		require.ErrorAs(t, e.ApproveBatch(ctx, actor("auditor"), 1, rest.Digest), &same, "who held back had a hand in it")
		require.NoError(t, e.ApproveBatch(ctx, actor("approver"), 1, rest.Digest))
		s.verify(t)
		written := int64(0)
		require.NoError(t, e.WriteBatch(ctx, 1, func(program.Order) error { written++; return nil }))
		require.Equal(t, rest.Count, written)
		require.NoError(t, e.SubmitBatch(ctx, actor("releaser"), 1, byFile))
		var state *program.StateError
		_, err = e.HoldPayments(ctx, actor("auditor"), 1, []int64{1}, "too late")
		require.ErrorAs(t, err, &state)

		order := program.BatchOrder{Number: 2, Wave: 1, Benefit: "cash", Instalment: 1, Again: true}
		counts, err := e.PrepareBatch(ctx, actor("preparer"), order)
		require.NoError(t, err)
		require.Equal(t, int64(2), counts["held"])
		require.Zero(t, counts["payments"])
		resolveByTwo(ctx, t, e, program.Resolve{Batch: 1, Item: 2, As: program.ReleaseEntitlement, Evidence: "letter 7"})
		order.Number = 3
		counts, err = e.PrepareBatch(ctx, actor("preparer"), order)
		require.NoError(t, err)
		require.Equal(t, int64(1), counts["payments"], "the one that two people released")
		s.verify(t)
	}
}

// A batch of which something was held back can still be cancelled as a whole.
func TestABatchWithAHoldIsCancelled(t *testing.T) {
	s, e, _ := prepared(t, nil)
	ctx := t.Context()
	_, err := e.HoldPayments(ctx, actor("auditor"), 1, []int64{1}, "a letter")
	require.NoError(t, err)
	_, err = e.CancelBatch(ctx, actor("approver"), 1, "wrong month")
	require.NoError(t, err)
	s.verify(t)
	counts, err := e.PrepareBatch(ctx, actor("preparer"), program.BatchOrder{Number: 2, Wave: 1, Benefit: "cash", Instalment: 1, Again: true})
	require.NoError(t, err)
	require.Equal(t, int64(1), counts["held"])
	s.verify(t)
}

func resolveByTwo(ctx context.Context, t *testing.T, e *program.Engine[details], order program.Resolve) {
	t.Helper()
	done, err := e.Resolve(ctx, actor("one"), order)
	require.NoError(t, err)
	require.False(t, done, "one person decides nothing")
	var same *payment.SameHandsError
	for _, by := range []program.By{actor("one"), {Actor: "deputy", OnBehalf: "one"}} {
		_, err = e.Resolve(ctx, by, order)
		require.ErrorAs(t, err, &same)
	}
	done, err = e.Resolve(ctx, actor("two"), order)
	require.NoError(t, err)
	require.True(t, done)
}

// A payment that nobody answers for is resolved by two people on evidence, and by
// nothing else.
func TestTwoPeopleResolveWhatNobodyAnswersFor(t *testing.T) {
	s, e, b := prepared(t, nil)
	ctx := t.Context()
	require.NoError(t, e.ApproveBatch(ctx, actor("approver"), 1, b.Digest))
	never := program.Resolve{Batch: 1, Item: 1, As: program.NeverPaid, Evidence: "letter 8"}
	var state *program.StateError
	_, err := e.Resolve(ctx, actor("one"), never)
	require.ErrorAs(t, err, &state, "nothing of it has left")
	require.NoError(t, e.SubmitBatch(ctx, actor("releaser"), 1, byFile))
	var lines []payment.Line
	require.NoError(t, e.WriteBatch(ctx, 1, func(o program.Order) error {
		lines = append(lines, payment.Line{Reference: o.Reference, Amount: o.Amount})
		return nil
	}))

	// The bank writes the second under no reference of ours, and never made the first;
	// it says that it has paid the third, after one person has proposed the opposite.
	_, err = e.Resolve(ctx, actor("one"), program.Resolve{Batch: 1, Item: 3, As: program.NeverPaid, Evidence: "a rumour"})
	require.NoError(t, err)
	_, err = e.TakeAnswers(ctx, actor("clerk"), "answers", program.Answers{From: "BANK", Digest: [32]byte{1},
		Each: each([]payment.Answer{{Reference: lines[2].Reference, Standing: payment.Paid}})})
	require.NoError(t, err)
	_, err = e.Resolve(ctx, actor("two"), program.Resolve{Batch: 1, Item: 3, As: program.NeverPaid, Evidence: "a rumour"})
	require.ErrorAs(t, err, &state, "what the bank has said comes first")
	lines[1].Reference = "UNREADABLE"
	lines = lines[1:]
	st := program.Statement{ID: "1", Account: "treasury", Sequence: 1, Digest: [32]byte{9}, Opening: payment.Rupiah(50_000), Lines: each(lines)}
	st.Closing = payment.Money{Units: st.Opening.Units - int64(len(lines))*lines[0].Amount.Units, Currency: payment.IDR}
	_, err = e.Reconcile(ctx, actor("clerk"), "statement", st)
	require.NoError(t, err)
	s.verify(t)
	require.ErrorAs(t, e.CloseBatch(ctx, actor("clerk"), 1), &state)

	balances := func(names ...string) []int64 {
		var all []int64
		for _, name := range names {
			b, err := s.store.Balances(ctx, ledger.Account(name))
			require.NoError(t, err)
			all = append(all, b[0].Posted)
		}
		return all
	}
	unit := lines[0].Amount.Units
	require.Equal(t, []int64{st.Closing.Units, unit}, balances("bank/treasury", "suspense/treasury"))
	resolveByTwo(ctx, t, e, never)
	resolveByTwo(ctx, t, e, program.Resolve{Batch: 1, Item: 2, As: program.WasPaid, Account: "treasury", Sequence: 1, Line: 1, Evidence: "the bank's letter 9"})
	require.Equal(t, []int64{st.Closing.Units, 0}, balances("bank/treasury", "suspense/treasury"))
	s.verify(t)
	require.NoError(t, e.CloseBatch(ctx, actor("clerk"), 1))
	counts, err := e.PrepareBatch(ctx, actor("preparer"), program.BatchOrder{Number: 2, Wave: 1, Benefit: "cash", Instalment: 1, Again: true})
	require.NoError(t, err)
	require.Equal(t, int64(1), counts["payments"], "who was never paid, and nobody else")

	var field *program.FieldError
	for _, wrong := range []program.Resolve{
		{Batch: 1, Item: 2, As: program.NeverPaid},
		{Batch: 1, Item: 2, As: program.WasPaid, Evidence: "x"},
		{Batch: 1, Item: 2, As: program.NeverPaid, Account: "treasury", Line: 1, Evidence: "x"},
		{Batch: 1, Item: 2, As: "lost", Evidence: "x"},
	} {
		_, err = e.Resolve(ctx, actor("one"), wrong)
		require.ErrorAs(t, err, &field)
	}
}
