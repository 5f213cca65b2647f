package program_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/memstore"
)

// unfenced is a store to which a preparation does not say that it has seen the entitlements.
type unfenced struct{ program.Store }

func (u unfenced) Apply(ctx context.Context, changes []program.Change) ([]program.Outcome, error) {
	changes = slices.Clone(changes)
	for i, c := range changes {
		if writes(program.TablePayments)(c) {
			changes[i].Rows = slices.DeleteFunc(slices.Clone(c.Rows), func(r program.Row) bool { return r.Table == program.TableEntitlements })
		}
	}
	return u.Store.Apply(ctx, changes)
}

func writes(table program.TableID) func(program.Change) bool {
	return func(c program.Change) bool {
		return slices.ContainsFunc(c.Rows, func(r program.Row) bool { return r.Table == table })
	}
}

// An entitlement lapses or is paid, not both, however the two commands cross: in one chunk
// of a lapse a payment may be prepared, approved and released, and the other way round. Without
// the fence, the control, both happen.
func TestALapseAndAPaymentCross(t *testing.T) {
	order := program.BatchOrder{Number: 1, Wave: 1, Benefit: "cash", Instalment: 1}
	lapsed := func(s *story) (n int) {
		for _, row := range tableRows(t, s.store, program.TableEntitlements) {
			if row.Values[9] != nil {
				n++
			}
		}
		return n
	}
	start := func(before func(*program.Engine[details]), table program.TableID, wrap func(program.Store) program.Store) (*story, *program.Engine[details], int) {
		s, owed := payable(t)
		s.now = s.now.AddDate(0, 0, 100)
		s.change = func(p *program.Program[details]) { p.UnclaimedDays = 60 }
		s.chunk = 1000
		s.store = wrap(s.store)
		other := s.engine(t)
		s.store = &unguarded{Store: s.store, before: func() { before(other) }, when: writes(table)}
		return s, s.engine(t), len(owed)
	}
	whole := func(s program.Store) program.Store { return s }
	release := func(e *program.Engine[details]) {
		_, err := e.PrepareBatch(t.Context(), actor("preparer"), order)
		require.NoError(t, err)
		b, err := e.Batch(t.Context(), 1)
		require.NoError(t, err)
		require.NoError(t, e.ApproveBatch(t.Context(), actor("approver"), 1, b.Digest))
		require.NoError(t, e.SubmitBatch(t.Context(), actor("releaser"), 1, byFile))
	}
	s, e, n := start(release, program.TableEntitlements, whole)
	counts, err := e.LapseEntitlements(t.Context(), actor("clock"), "lapse", order)
	require.NoError(t, err)
	require.Equal(t, int64(n), counts["left"])
	require.Zero(t, lapsed(s), "what was released does not lapse")
	s.verify(t)

	lapse := func(e *program.Engine[details]) {
		counts, err := e.LapseEntitlements(t.Context(), actor("clock"), "lapse", order)
		require.NoError(t, err)
		require.Equal(t, int64(n), counts["lapsed"])
	}
	s, e, _ = start(lapse, program.TablePayments, whole)
	counts, err = e.PrepareBatch(t.Context(), actor("preparer"), order)
	require.NoError(t, err)
	require.Equal(t, int64(n), counts["lapsed"])
	require.Zero(t, counts["payments"], "what has lapsed is not listed")
	s.verify(t)

	s, e, _ = start(lapse, program.TablePayments, func(s program.Store) program.Store { return unfenced{s} })
	counts, err = e.PrepareBatch(t.Context(), actor("preparer"), order)
	require.NoError(t, err)
	require.Equal(t, n, lapsed(s))
	require.Equal(t, int64(n), counts["payments"], "control")
}

// A change that waits too long to be written was decided too long ago: nothing is written,
// the error says that giving it again can help, and it does.
func TestWhatWaitedTooLongIsGivenAgain(t *testing.T) {
	s := newStory(nil)
	s.now = day(1)
	hook := &meanwhile{Store: memstore.NewAt(func() time.Time { return s.now })}
	s.store = hook
	e := s.engine(t)
	ctx := t.Context()
	_, err := e.RegisterAll(ctx, by, "register", people{n: 3}) // the tables of the lifecycle are kept by now
	require.NoError(t, err)
	late := func() { s.now = s.now.Add(program.ClockTolerance + time.Second) }
	key := program.By{Actor: "treasury", Key: "fund"}
	var wait *program.ClockError
	hook.happens = late
	require.ErrorAs(t, e.Fund(ctx, key, payment.Rupiah(1)), &wait)
	require.Equal(t, -61*time.Second, wait.Ahead)
	require.ErrorContains(t, wait, "it waited to be written, and can be given again")
	require.NoError(t, e.Fund(ctx, key, payment.Rupiah(1)))
	hook.happens = late
	_, err = e.RegisterAll(ctx, by, "more", &some{[]program.Registration[details]{madePerson(200)}})
	require.ErrorAs(t, err, &wait)
	counts, err := e.RegisterAll(ctx, by, "more", &some{[]program.Registration[details]{madePerson(200)}})
	require.NoError(t, err)
	require.Equal(t, int64(1), counts["registered"])
}
