package program_test

import (
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/memstore"
)

func each[V any](all []V) func() iter.Seq2[V, error] {
	return func() iter.Seq2[V, error] {
		return func(yield func(V, error) bool) {
			for _, v := range all {
				if !yield(v, nil) {
					return
				}
			}
		}
	}
}

// What a bank rejects before its statement is free to be paid again, and the batch
// closes; what its answer does not prove stays reserved until the statement tells.
func TestAnswersComeBeforeTheStatement(t *testing.T) {
	s := newStory(memstore.New())
	s.until = 19
	require.NoError(t, s.run(t))
	s.now = day(20)
	ctx, e, by := t.Context(), s.engine(t), program.By{Actor: "preparer"}
	_, err := e.PrepareBatch(ctx, by, program.BatchOrder{Number: 1, Wave: 1, Benefit: "cash", Instalment: 1})
	require.NoError(t, err)
	b, err := e.Batch(ctx, 1)
	require.NoError(t, err)
	require.GreaterOrEqual(t, b.Count, int64(8))
	require.NoError(t, e.ApproveBatch(ctx, program.By{Actor: "approver"}, 1, b.Digest))
	require.NoError(t, e.SubmitBatch(ctx, program.By{Actor: "releaser"}, 1, byFile))
	var lines []payment.Line
	require.NoError(t, e.WriteBatch(ctx, 1, func(o program.Order) error {
		lines = append(lines, payment.Line{Reference: o.Reference, Amount: o.Amount})
		return nil
	}))
	said := func(i int, standing payment.Standing) payment.Answer {
		return payment.Answer{Reference: lines[i].Reference, Standing: standing, Code: "AC04"}
	}
	other, err := payment.Reference(7, 7, 1)
	require.NoError(t, err)
	answers := program.Answers{From: "BANK", Digest: [32]byte{1}, Each: each([]payment.Answer{
		said(0, payment.Refused), said(1, payment.Taken), said(2, payment.Unclear), said(3, payment.Absent),
		said(0, payment.Refused), // the same again
		said(0, payment.Paid),    // and the opposite
		{Reference: other, Standing: payment.Refused},
		said(7, payment.Refused), // in the next chunk
		said(7, payment.Taken),
		said(6, payment.Paid),    // the bank says that it has paid,
		said(6, payment.Refused), // and cannot take that back by a word
	})}
	for range 2 { // the second time changes nothing
		counts, err := e.TakeAnswers(ctx, by, "pain.002 1", answers)
		require.NoError(t, err)
		require.Equal(t, program.Counts{"done": 11, "rejected": 2, "accepted": 2, "unknown": 2, "unchanged": 1, "incident": 3, "orphan": 1}, counts)
		s.verify(t)
	}
	var conflict *program.KeyConflictError
	_, err = e.TakeAnswers(ctx, by, "pain.002 1", program.Answers{From: "BANK", Digest: [32]byte{2}, Each: answers.Each})
	require.ErrorAs(t, err, &conflict)

	// The statement shows all but the second that was refused, and one that was refused.
	// One is debited twice, and the second debit is taken back.
	lines = append(lines[:7], lines[8:]...)
	twice := lines[4]
	twice.Credit = true
	lines = append(lines, lines[4], twice)
	st := program.Statement{ID: "1", Account: "treasury", Sequence: 1, Digest: [32]byte{9}, Opening: payment.Rupiah(50_000), Lines: each(lines)}
	st.Closing = payment.Money{Units: st.Opening.Units - int64(len(lines)-2)*lines[0].Amount.Units, Currency: payment.IDR}
	counts, err := e.Reconcile(ctx, by, "statement", st)
	require.NoError(t, err)
	require.Equal(t, int64(1), counts["class.rejected-but-paid"])
	require.Equal(t, b.Count-2, counts["class.matched"])
	require.NoError(t, e.CloseBatch(ctx, by, 1), "nothing of it is open")
	s.verify(t)

	again, err := e.PrepareBatch(ctx, by, program.BatchOrder{Number: 2, Wave: 1, Benefit: "cash", Instalment: 1, Again: true})
	require.NoError(t, err)
	require.NotZero(t, again["done"])
	second, err := e.Batch(ctx, 2)
	require.NoError(t, err)
	require.Equal(t, int64(1), second.Count, "who was rejected, and nobody else")
	require.Equal(t, int64(2), again["blocked"], "who was paid though rejected, or twice, is for a person to look at")
	s.verify(t)
}
