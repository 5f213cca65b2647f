package program_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/program/memstore"
)

// Nobody is paid more than the cap of a person, whatever the entitlements say; what
// did not reach a payee does not count.
func TestNobodyIsPaidAboveTheCap(t *testing.T) {
	s := newStory(memstore.New())
	s.caps.Person = payment.Rupiah(1000) // one instalment of 600, not two
	s.until = 19
	require.NoError(t, s.run(t))
	s.now = day(20)
	ctx, e := t.Context(), s.engine(t)
	order := program.BatchOrder{Number: 1, Wave: 1, Benefit: "cash", Instalment: 1}
	first, err := e.PrepareBatch(ctx, actor("preparer"), order)
	require.NoError(t, err)
	require.Positive(t, first["payments"])

	_, err = e.HoldPayments(ctx, actor("auditor"), 1, []int64{1}, "a letter")
	require.NoError(t, err)
	s.now = day(25).AddDate(0, 1, 0)
	second := program.BatchOrder{Number: 2, Wave: 1, Benefit: "cash", Instalment: 2}
	counts, err := e.PrepareBatch(ctx, actor("preparer"), second)
	require.NoError(t, err)
	require.Equal(t, int64(1), counts["payments"], "only to the one whose first was held back")
	require.Equal(t, first["payments"]-1, counts["refused.bounds"])

	_, err = e.CancelBatch(ctx, actor("approver"), 1, "wrong month")
	require.NoError(t, err)
	second.Number = 3
	counts, err = e.PrepareBatch(ctx, actor("preparer"), second)
	require.NoError(t, err)
	require.Equal(t, first["payments"]-1, counts["payments"], "the first was cancelled, and counts no more")
	s.verify(t)
}

// No more than a day's cap leaves in a day.
func TestADayHasACap(t *testing.T) {
	s, e, b := prepared(t, nil)
	ctx := t.Context()
	require.NoError(t, e.ApproveBatch(ctx, actor("approver"), 1, b.Digest))
	s.caps.Day = payment.Money{Units: b.Total.Units - 1, Currency: payment.IDR}
	var bound *ledger.BoundError
	require.ErrorAs(t, s.engine(t).SubmitBatch(ctx, actor("releaser"), 1, byFile), &bound)
	s.caps.Day = b.Total
	require.NoError(t, s.engine(t).SubmitBatch(ctx, actor("releaser"), 1, byFile))
	s.verify(t)

	p := testProgram()
	p.Caps = program.PaymentCaps{Day: payment.Rupiah(-1)}
	_, err := newStory(memstore.New()).engineOf(t, p)
	var field *program.FieldError
	require.ErrorAs(t, err, &field)
	require.Equal(t, "Caps.Day", field.Field)
}

// What the bank refuses or returns, and what two people find was never paid, does not
// count against a person's cap.
func TestTheCapCountsWhatReachedThePayee(t *testing.T) {
	s := newStory(memstore.New())
	s.caps.Person = payment.Rupiah(1000)
	s.until = 19
	require.NoError(t, s.run(t))
	s.now = day(20)
	ctx, e := t.Context(), s.engine(t)
	_, err := e.PrepareBatch(ctx, actor("preparer"), program.BatchOrder{Number: 1, Wave: 1, Benefit: "cash", Instalment: 1})
	require.NoError(t, err)
	b, err := e.Batch(ctx, 1)
	require.NoError(t, err)
	require.NoError(t, e.ApproveBatch(ctx, actor("approver"), 1, b.Digest))
	require.NoError(t, e.SubmitBatch(ctx, actor("releaser"), 1, byFile))
	var lines []payment.Line
	require.NoError(t, e.WriteBatch(ctx, 1, func(o program.Order) error {
		lines = append(lines, payment.Line{Reference: o.Reference, Amount: o.Amount})
		return nil
	}))
	_, err = e.TakeAnswers(ctx, actor("clerk"), "answers", program.Answers{From: "BANK", Digest: [32]byte{1},
		Each: each([]payment.Answer{{Reference: lines[0].Reference, Standing: payment.Refused, Code: "AC04"}})})
	require.NoError(t, err)
	resolveByTwo(ctx, t, e, program.Resolve{Batch: 1, Item: 2, As: program.NeverPaid, Evidence: "letter 8"})
	back := lines[2]
	back.Credit = true
	lines = append(lines[2:], back)
	st := program.Statement{ID: "1", Account: "treasury", Sequence: 1, Digest: [32]byte{9}, Opening: payment.Rupiah(50_000), Lines: each(lines)}
	st.Closing = payment.Money{Units: st.Opening.Units - int64(len(lines)-2)*back.Amount.Units, Currency: payment.IDR}
	_, err = e.Reconcile(ctx, actor("clerk"), "statement", st)
	require.NoError(t, err)
	s.verify(t)
	counted, err := s.store.Balances(ctx, "cap/person")
	require.NoError(t, err)
	require.Equal(t, -(b.Count-3)*back.Amount.Units, counted[0].Posted)
	s.now = day(25).AddDate(0, 1, 0)
	counts, err := e.PrepareBatch(ctx, actor("preparer"), program.BatchOrder{Number: 2, Wave: 1, Benefit: "cash", Instalment: 2})
	require.NoError(t, err)
	require.Equal(t, int64(3), counts["payments"])
}
