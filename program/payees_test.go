package program_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/memstore"
)

// An account that replaced another rests, and is looked at by a second person, before
// anything is paid to it. The same account again is no change.
func TestAChangedAccountRestsAndIsSeenTwice(t *testing.T) {
	s := newStory(memstore.New())
	s.payees = program.Payees{Cooling: 3 * 24 * time.Hour, SecondLook: true}
	s.until = 19
	require.NoError(t, s.run(t))
	s.now = day(20)
	ctx, e := t.Context(), s.engine(t)
	var payees []uuid.UUID
	rows, _, err := s.store.Page(ctx, program.Scan{Table: program.TableEntitlements, Equal: []any{"cash", int64(1)}, Limit: 3})
	require.NoError(t, err)
	for _, row := range rows.Rows {
		payees = append(payees, uuid.UUID(row.Values[3].([]byte)))
	}
	relink := func(who uuid.UUID, number string) {
		report := program.Report{Event: "relink", Account: &program.Payout{Provider: "BANK", Account: identity.NewSecret(number)}}
		require.NoError(t, e.Fire(ctx, actor("desk"), 1, who, report))
	}
	relink(payees[0], "account-new")
	relink(payees[1], "account-also-new")
	same, err := e.Applicant(ctx, payees[2])
	require.NoError(t, err)
	relink(payees[2], same.Person.Payout.Account.Reveal())

	batch, paid := int64(0), int64(0)
	prepare := func() program.Counts {
		batch++
		counts, err := e.PrepareBatch(ctx, actor("preparer"), program.BatchOrder{Number: batch, Wave: 1, Benefit: "cash", Instalment: 1})
		require.NoError(t, err)
		paid += counts["payments"]
		return counts
	}
	require.Equal(t, int64(2), prepare()["cooling"])
	require.Positive(t, paid, "others are paid")
	s.now = day(23).Add(time.Hour)
	counts := prepare()
	require.Equal(t, int64(2), counts["second-look"])
	require.Zero(t, counts["payments"])

	var field *program.FieldError
	require.ErrorAs(t, e.ConfirmAccount(ctx, actor("officer"), payees[0], ""), &field)
	var hands *payment.SameHandsError
	for _, by := range []program.By{actor("desk"), {Actor: "officer", OnBehalf: "desk"}} {
		require.ErrorAs(t, e.ConfirmAccount(ctx, by, payees[0], "passbook"), &hands)
	}
	var state *program.StateError
	require.ErrorAs(t, e.ConfirmAccount(ctx, actor("officer"), payees[2], "passbook"), &state, "it was not changed")
	by := program.By{Actor: "officer", Key: "confirm-1"}
	for range 2 {
		require.NoError(t, e.ConfirmAccount(ctx, by, payees[0], "passbook"))
	}
	require.ErrorAs(t, e.ConfirmAccount(ctx, actor("another"), payees[0], "passbook"), &state, "it was confirmed")
	counts = prepare()
	require.Equal(t, int64(1), counts["payments"])
	require.Equal(t, int64(1), counts["second-look"])
	relink(payees[0], "account-newest")
	after, err := e.Applicant(ctx, payees[0])
	require.NoError(t, err)
	require.Equal(t, program.Relinked{At: s.now, By: "desk"}, after.Relinked, "a new change is not confirmed")
	s.verify(t)
}
