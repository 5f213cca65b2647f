package program_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
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
	require.Equal(t, program.AccountTrust{Replaced: s.now, ReplacedBy: payment.Signature{Role: "report", Actor: "desk"}}, after.Account, "a new change is not confirmed")
	s.verify(t)
}

// bankOf knows accounts by their numbers; the others do not exist, and "silent" has no
// answer.
type bankOf struct {
	payment.Provider
	holders map[string]string
	asked   atomic.Int64
}

func (b *bankOf) Resolve(_ context.Context, to payment.Account) (payment.Resolution, error) {
	b.asked.Add(1)
	holder, ok := b.holders[to.Number.Reveal()]
	if holder == "silent" {
		return payment.Resolution{}, errors.New("the bank does not answer")
	}
	return payment.Resolution{Exists: ok, Holder: identity.NewName(holder)}, nil
}

// An account is paid to only if its bank knows it and its holder has the payee's name,
// or somebody has looked.
func TestAccountsAreCheckedWithTheirBanks(t *testing.T) {
	s := newStory(memstore.New())
	s.payees = program.Payees{LeastScore: 800}
	s.until = 19
	require.NoError(t, s.run(t))
	s.now = day(20)
	ctx, e := t.Context(), s.engine(t)
	rows, _, err := s.store.Page(ctx, program.Scan{Table: program.TableEntitlements, Equal: []any{"cash", int64(1)}, Limit: 100})
	require.NoError(t, err)
	require.Greater(t, len(rows.Rows), 4)
	bank := &bankOf{holders: map[string]string{}}
	var payees []program.Applicant[details]
	for i, row := range rows.Rows {
		a, err := e.Applicant(ctx, uuid.UUID(row.Values[3].([]byte)))
		require.NoError(t, err)
		payees = append(payees, a)
		number, name := a.Person.Payout.Account.Reveal(), a.Person.Name.Reveal()
		switch i {
		case 0: // no such account
		case 1:
			bank.holders[number] = "Somebody Else"
		case 2:
			bank.holders[number] = "silent"
		case 3:
			bank.holders[number] = "" // the bank gives no name
		default:
			bank.holders[number] = strings.ToUpper(name)
		}
	}
	order := program.BatchOrder{Number: 1, Wave: 1, Benefit: "cash", Instalment: 1}
	counts, err := e.PrepareBatch(ctx, actor("preparer"), order)
	require.NoError(t, err)
	require.Equal(t, int64(len(payees)), counts["account-unchecked"], "nobody was asked")

	channels := program.Channels{Providers: map[string]payment.Provider{"BANK": bank}, Parallel: 3}
	counts, err = e.CheckAccounts(ctx, actor("clerk"), "check 1", 1, []program.State{"bought"}, channels)
	require.NoError(t, err)
	require.Equal(t, program.Counts{"done": counts["done"], "checked": counts["done"] - 1, "unanswered": 1}, counts)
	asked := bank.asked.Load()
	counts, err = e.CheckAccounts(ctx, actor("clerk"), "check 2", 1, []program.State{"bought"}, channels)
	require.NoError(t, err)
	require.Equal(t, int64(1), counts["unanswered"])
	require.Equal(t, asked+1, bank.asked.Load(), "only the one without an answer is asked about again")

	order.Number = 2
	counts, err = e.PrepareBatch(ctx, actor("preparer"), order)
	require.NoError(t, err)
	require.Equal(t, int64(1), counts["account-unknown"])
	require.Equal(t, int64(2), counts["name-mismatch"])
	require.Equal(t, int64(1), counts["account-unchecked"])
	require.Equal(t, int64(len(payees)-4), counts["payments"])

	var state *program.StateError
	require.ErrorAs(t, e.ConfirmAccount(ctx, actor("officer"), payees[0].ID, "a letter"), &state, "nobody can confirm what does not exist")
	require.NoError(t, e.ConfirmAccount(ctx, actor("officer"), payees[1].ID, "passbook of the spouse"))
	order.Number = 3
	counts, err = e.PrepareBatch(ctx, actor("preparer"), order)
	require.NoError(t, err)
	require.Equal(t, int64(1), counts["payments"])

	// Another account is not known, whatever was known of the one before.
	report := program.Report{Event: "relink", Account: &program.Payout{Provider: "BANK", Account: identity.NewSecret("another")}}
	require.NoError(t, e.Fire(ctx, actor("desk"), 1, payees[4].ID, report))
	again, err := e.Applicant(ctx, payees[4].ID)
	require.NoError(t, err)
	require.Equal(t, program.AccountTrust{Replaced: s.now, ReplacedBy: payment.Signature{Role: "report", Actor: "desk"}}, again.Account)
	s.verify(t)
}
