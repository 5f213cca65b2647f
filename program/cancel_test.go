package program_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/memstore"
)

// A batch is cancelled before anything of it leaves; what it was to pay is then paid
// by another, once.
func TestACancelledBatchIsPaidByAnother(t *testing.T) {
	for name, approve := range map[string]bool{"prepared": false, "approved": true} {
		s := newStory(memstore.New())
		s.until = 19
		require.NoError(t, s.run(t))
		s.now = day(20)
		ctx, e := t.Context(), s.engine(t)
		by := func(actor string) program.By { return program.By{Actor: actor} }
		prepared, err := e.PrepareBatch(ctx, by("preparer"), program.BatchOrder{Number: 1, Wave: 1, Benefit: "cash", Instalment: 1})
		require.NoError(t, err)
		b, err := e.Batch(ctx, 1)
		require.NoError(t, err)
		require.Positive(t, b.Count)
		if approve {
			require.NoError(t, e.ApproveBatch(ctx, by("approver"), 1, b.Digest))
		}
		var field *program.FieldError
		_, err = e.CancelBatch(ctx, by("approver"), 1, "")
		require.ErrorAs(t, err, &field, "a reason is asked for")
		for range 2 { // the second time changes nothing
			counts, err := e.CancelBatch(ctx, by("approver"), 1, "wrong account list")
			require.NoError(t, err, name)
			require.Equal(t, b.Count, counts["done"])
		}
		s.verify(t)
		var state *program.StateError
		require.ErrorAs(t, e.SubmitBatch(ctx, by("releaser"), 1, byFile), &state)
		require.ErrorAs(t, e.WriteBatch(ctx, 1, func(program.Order) error { return nil }), &state, "nothing of it leaves")
		require.NoError(t, s.pay(ctx, e, program.BatchOrder{Number: 2, Wave: 1, Benefit: "cash", Instalment: 1, Again: true}, 0), name)
		again, _, err := e.JobStatus(ctx, "batch/2/prepare")
		require.NoError(t, err)
		require.Equal(t, prepared["done"], again["done"])
		paid, err := e.Batch(ctx, 2)
		require.NoError(t, err)
		require.Equal(t, b.Total, paid.Total)
		s.verify(t)
		_, err = e.CancelBatch(ctx, by("approver"), 2, "too late")
		require.ErrorAs(t, err, &state, "what was submitted cannot be cancelled")
	}
}
