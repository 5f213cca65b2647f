package program_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/memstore"
)

// payable is a story up to its first payments, with those who are owed one, in order.
func payable(t *testing.T) (*story, []uuid.UUID) {
	s := newStory(memstore.New())
	s.until = 19
	require.NoError(t, s.run(t))
	s.now = day(20)
	var owed []uuid.UUID
	rows, _, err := s.store.Page(t.Context(), program.Scan{Table: program.TableEntitlements, Equal: []any{"cash", int64(1)}, Limit: 1000})
	require.NoError(t, err)
	for _, row := range rows.Rows {
		owed = append(owed, uuid.UUID(row.Values[3].([]byte)))
	}
	require.Greater(t, len(owed), 4)
	return s, owed
}

// pays prepares the n-th batch of an instalment.
func pays(t *testing.T, e *program.Engine[details], n int64, instalment int) program.Counts {
	counts, err := e.PrepareBatch(t.Context(), actor("preparer"), program.BatchOrder{Number: n, Wave: 1, Benefit: "cash", Instalment: instalment})
	require.NoError(t, err)
	return counts
}

func relinked(t *testing.T, e *program.Engine[details], who uuid.UUID, number string) {
	report := program.Report{Event: "relink", Account: &program.Payout{Provider: "BANK", Account: identity.NewSecret(number)}}
	require.NoError(t, e.Fire(t.Context(), actor("desk"), 1, who, report))
}

// A payee is paid to only so many accounts, ever: another one is not paid to, the one before
// still is. Without the limit, the control, everybody is paid.
func TestAPayeeHasSoManyAccounts(t *testing.T) {
	for accounts, refused := range map[int]int64{0: 0, 1: 2, 2: 1} {
		s, owed := payable(t)
		s.payees.Accounts = accounts
		e := s.engine(t)
		n := int64(len(owed))
		require.Equal(t, n, pays(t, e, 1, 1)["payments"], "the first account of each")
		s.now = s.now.AddDate(0, 1, 1)
		one, err := e.Applicant(t.Context(), owed[0])
		require.NoError(t, err)
		relinked(t, e, owed[0], "second")
		relinked(t, e, owed[1], "second")
		// The third of one payee is one too many even for two accounts.
		_, err = e.CancelBatch(t.Context(), actor("x"), 1, "to pay again")
		require.NoError(t, err)
		if accounts == 2 {
			again := program.BatchOrder{Number: 2, Wave: 1, Benefit: "cash", Instalment: 1, Again: true}
			counts, err := e.PrepareBatch(t.Context(), actor("preparer"), again)
			require.NoError(t, err)
			require.Equal(t, n, counts["payments"])
			relinked(t, e, owed[0], "third")
		}
		counts := pays(t, e, 3, 2)
		require.Equal(t, refused, counts["refused.bounds"], accounts)
		require.Equal(t, n-refused, counts["payments"], accounts)
		if accounts == 1 { // the account from before is no new one
			relinked(t, e, owed[0], one.Person.Payout.Account.Reveal())
			counts, err := e.PrepareBatch(t.Context(), actor("preparer"), program.BatchOrder{Number: 4, Wave: 1, Benefit: "cash", Instalment: 2})
			require.NoError(t, err)
			require.Equal(t, int64(1), counts["payments"])
		}
		s.verify(t)
	}
}

// Who a payee is, is the program's to say: each person, a household, a guardian, a firm. What
// limits a payee counts all that are paid as one.
func TestWhoAPayeeIs(t *testing.T) {
	guardian := func(*program.Applicant[details]) program.Payee {
		return program.Payee{National: identity.NewSecret("3171010101900099"), Name: identity.NewName("Wali")}
	}
	firms := func(a *program.Applicant[details]) program.Payee {
		if a.Details.Pool == "north" {
			return program.Payee{National: identity.NewSecret("9120001"), Name: identity.NewName("PT Utara")}
		}
		return program.Payee{} // paid themselves
	}
	for name, c := range map[string]struct {
		set  func(*program.Program[details])
		paid func(all []program.Applicant[details]) int64
	}{
		"person":    {func(*program.Program[details]) {}, func(all []program.Applicant[details]) int64 { return int64(len(all)) }},
		"household": {func(p *program.Program[details]) { p.Payees.Of = program.PerHousehold }, func(all []program.Applicant[details]) int64 { return int64(len(all)) - 1 }},
		"guardian":  {func(p *program.Program[details]) { p.Payee = guardian }, func([]program.Applicant[details]) int64 { return 1 }},
		"firm": {func(p *program.Program[details]) { p.Payee = firms }, func(all []program.Applicant[details]) int64 {
			north := int64(0)
			for _, a := range all {
				if a.Details.Pool == "north" {
					north++
				}
			}
			return int64(len(all)) - max(0, north-1)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s, owed := payable(t)
			ctx, e := t.Context(), s.engine(t)
			for _, who := range owed[:2] { // who marry become a household
				require.NoError(t, e.Amend(ctx, actor("desk"), who, program.Correction[details]{Reason: "married",
					Correct: func(p *program.Person, _ *details) { p.Family = identity.NewSecret("family of two") }}))
			}
			var all []program.Applicant[details]
			for _, who := range owed {
				a, err := e.Applicant(ctx, who)
				require.NoError(t, err)
				all = append(all, a)
			}
			p := testProgram()
			p.Caps.Person = payment.Rupiah(900) // one instalment of 600
			c.set(p)
			e, err := s.engineOf(t, p)
			require.NoError(t, err)
			counts := pays(t, e, 1, 1)
			require.Equal(t, c.paid(all), counts["payments"])
			require.Equal(t, int64(len(all))-c.paid(all), counts["refused.bounds"])
			breaches, err := e.Verify(ctx)
			require.NoError(t, err)
			require.Empty(t, breaches)
		})
	}
	p := testProgram()
	p.Payee, p.Payees.Of = guardian, program.PerHousehold
	_, err := newStory(memstore.New()).engineOf(t, p)
	var field *program.FieldError
	require.ErrorAs(t, err, &field)
	require.Equal(t, "Payee", field.Field)
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", guardian(nil), guardian(nil), guardian(nil)), "3171")
}

// registry is a bank that compares national identifiers, of those that it was told.
type registry struct {
	payment.Provider
	nationals map[string]string // by account
	holders   map[string]string
}

func (r *registry) Resolve(_ context.Context, to payment.Account) (payment.Resolution, error) {
	number := to.Number.Reveal()
	found := payment.Resolution{Exists: true, Holder: identity.NewName(r.holders[number])}
	if national, ok := r.nationals[number]; ok {
		found.Identity = payment.OtherPerson
		if national == to.National.Reveal() {
			found.Identity = payment.SamePerson
		}
	}
	return found, nil
}

// Whether the holder is the payee is held against the payee that the program names, by
// identifier as by name; who is not shown to be is seen by a person first.
func TestTheHolderIsThePayee(t *testing.T) {
	s, owed := payable(t)
	ctx := t.Context()
	p := testProgram()
	p.Payees = program.Payees{LeastScore: 800, Identity: true}
	p.Payee = func(a *program.Applicant[details]) program.Payee {
		return program.Payee{National: identity.NewSecret("wali " + a.Person.National.Reveal()), Name: identity.NewName("Wali " + a.Person.Name.Reveal())}
	}
	e, err := s.engineOf(t, p)
	require.NoError(t, err)
	bank := &registry{nationals: map[string]string{}, holders: map[string]string{}}
	for i, who := range owed {
		a, err := e.Applicant(ctx, who)
		require.NoError(t, err)
		number := a.Person.Payout.Account.Reveal()
		bank.holders[number] = "WALI " + a.Person.Name.Reveal()
		switch i {
		case 0:
			bank.nationals[number] = "somebody's"
		case 1: // the bank says nothing
		case 2:
			bank.nationals[number] = a.Person.National.Reveal() // the child's, not the guardian's
		default:
			bank.nationals[number] = "wali " + a.Person.National.Reveal()
		}
	}
	require.Equal(t, int64(len(owed)), pays(t, e, 1, 1)["account-unchecked"])
	channels := program.Channels{Providers: map[string]payment.Provider{"BANK": bank}}
	_, err = e.CheckAccounts(ctx, actor("clerk"), "check", 1, []program.State{"bought"}, channels)
	require.NoError(t, err)
	counts := pays(t, e, 2, 1)
	require.Equal(t, int64(3), counts["identity-mismatch"])
	require.Equal(t, int64(len(owed)-3), counts["payments"], "names are held against the guardians'")
	kept, err := e.Applicant(ctx, owed[0])
	require.NoError(t, err)
	require.Equal(t, payment.OtherPerson, kept.Account.Identity)
	require.NoError(t, e.ConfirmAccount(ctx, actor("officer"), owed[0], "a court's letter"))
	var state *program.StateError
	require.ErrorAs(t, e.ConfirmAccount(ctx, actor("officer"), owed[3], "a letter"), &state, "there is nothing to confirm")
	require.Equal(t, int64(1), pays(t, e, 3, 1)["payments"])
}

// What was paid to an account is known after a rotation of the keys.
func TestAccountsAreKnownAfterARotation(t *testing.T) {
	s, owed := payable(t)
	under := func(secrets program.Secrets) *program.Engine[details] {
		p := testProgram()
		p.Payees.Accounts = 1
		keys, err := secrets.Keyring(rand.NewChaCha8([32]byte{2}))
		require.NoError(t, err)
		e, err := program.NewEngine(p, s.store, keys, program.Surroundings{Clock: func() time.Time { return s.now }, Random: s.made}, nil)
		require.NoError(t, err)
		return e
	}
	old := under(program.Secrets{Master: bytes.Repeat([]byte{7}, 32)})
	require.Equal(t, int64(len(owed)), pays(t, old, 1, 1)["payments"])
	_, err := under(program.Secrets{Master: secret(8), Former: secret(7), Marks: secret(7)}).RotateKeys(t.Context(), actor("security"), "rotate")
	require.NoError(t, err)
	fresh := under(program.Secrets{Master: secret(8), Marks: secret(7)})
	_, err = fresh.RetireKeys(t.Context(), actor("security"), "retire")
	require.NoError(t, err)
	s.now = s.now.AddDate(0, 1, 1)
	relinked(t, fresh, owed[0], "another")
	counts := pays(t, fresh, 2, 2)
	require.Equal(t, int64(1), counts["refused.bounds"])
	require.Equal(t, int64(len(owed)-1), counts["payments"])
}
