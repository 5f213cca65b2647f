package program

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/identity"
)

// Payees are the program's rules for the accounts that it pays to.
type Payees struct {
	// Cooling is how long nothing is paid to an account after it replaced another. A
	// payee's first account is paid to at once: a stolen case shows in a changed one.
	Cooling time.Duration
	// SecondLook says that an account that replaced another is paid to only after
	// somebody has confirmed it who did not report the change (ConfirmAccount).
	SecondLook bool
	// LeastScore, 1 to 1000, says that an account is paid to only after its provider
	// was asked (CheckAccounts), if the holder's name is at least so much like the
	// payee's (identity.Name.Similarity), or somebody has confirmed it. Zero: no
	// provider is asked.
	LeastScore int
	// Identity says that an account is paid to only if its provider says that the
	// holder's national identifier is the payee's (payment.Resolution.Identity), or
	// somebody has confirmed it.
	Identity bool
	// Of says whom an applicant is paid as, where Program.Payee says nothing else:
	// PerPerson, which zero means, or PerHousehold, where those without a household
	// count as themselves.
	Of Per
	// PerAccount is how many payees may ever be paid to one account or wallet, and
	// Accounts to how many accounts one payee may ever be paid. A payment above either is not
	// prepared, and counted under "refused.bounds". Zero does not limit.
	PerAccount, Accounts int
}

// Payee is who is paid for an applicant: a guardian, or the firm that somebody works
// for. It never prints.
type Payee struct {
	// National is the payee's national identifier, or the firm's registration number,
	// in its canonical form. Whoever has the same is the same payee, and counts once for
	// what limits a payee.
	National identity.Secret
	// Name is what the account's holder is held against.
	Name identity.Name
}

// Format keeps a payee out of every print.
func (p Payee) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "Payee(****)") }

// LogValue keeps a payee out of every log.
func (p Payee) LogValue() slog.Value { return slog.StringValue("Payee(****)") }

// asksProviders reports whether the providers must have been asked about an account.
func (p Payees) asksProviders() bool { return p.LeastScore > 0 || p.Identity }

// payeeOf is the internal id of whom an applicant is paid as. A payee that the program
// names is known by a mark of the national identifier, an applicant among them.
func (e *Engine[T]) payeeOf(a *Applicant[T]) uuid.UUID {
	if e.program.Payee != nil {
		mark := e.keys.Mark("payee-national", e.payee(a).National.Reveal())
		return uuid.UUID(mark[:16])
	}
	if e.program.Payees.Of == PerHousehold && a.Household != uuid.Nil {
		return a.Household
	}
	return a.ID
}

// payee is who is paid for an applicant: the applicant, unless the program says otherwise.
func (e *Engine[T]) payee(a *Applicant[T]) Payee {
	own := Payee{National: a.Person.National, Name: a.Person.Name}
	if e.program.Payee == nil {
		return own
	}
	if p := e.program.Payee(a); !p.National.IsZero() {
		return p
	}
	return own
}

// AccountTrust is what is known of the payout account that an applicant has now.
type AccountTrust struct {
	// Replaced is when the account took the place of another, and ReplacedBy who
	// reported it; zero for the first account.
	Replaced   time.Time
	ReplacedBy payment.Signature
	// Checked is when the provider named CheckedBy was asked; zero if it was not.
	Checked   time.Time
	CheckedBy string
	// Exists says that the provider knows the account and that it can receive.
	Exists bool
	// Score is how much the holder's name is like the applicant's, 0 to 1000; -1 if
	// the provider gave no name.
	Score int
	// Identity is what the provider says of the holder's national identifier.
	Identity payment.Match
	// Confirmed is who has looked at the account; empty if nobody did.
	Confirmed string
}

// withheld says why nothing is paid to an account now; empty if nothing is in the way.
func (p Payees) withheld(t AccountTrust, now time.Time) string {
	switch {
	case !t.Replaced.IsZero() && now.Before(t.Replaced.Add(p.Cooling)):
		return "cooling"
	case p.SecondLook && !t.Replaced.IsZero() && t.Confirmed == "":
		return "second-look"
	case !p.asksProviders():
		return ""
	case t.Checked.IsZero():
		return "account-unchecked"
	case !t.Exists:
		return "account-unknown"
	case t.Score < p.LeastScore && t.Confirmed == "":
		return "name-mismatch"
	case p.Identity && t.Identity != payment.SamePerson && t.Confirmed == "":
		return "identity-mismatch"
	}
	return ""
}

// relink keeps an account that came with a report. The same account again changes
// nothing but the holder's name. No report has an account without a number, so that
// only the first one takes nobody's place.
func (a *Applicant[T]) relink(payout Payout, by payment.Signature, at time.Time) {
	before := a.Person.Payout
	a.Person.Payout = payout
	if before.Provider == payout.Provider && before.Account.Equal(payout.Account) {
		return
	}
	a.Account = AccountTrust{}
	if !before.Account.IsZero() {
		a.Account = AccountTrust{Replaced: at, ReplacedBy: by}
	}
}

// ConfirmAccount confirms that the account that an applicant has now is the payee's
// own, where it replaced another, or where its holder's name or national identifier is not the payee's:
// somebody has looked who did not report the change (*payment.SameHandsError). Evidence
// names what was seen, not its text. Where there is nothing to confirm it is a
// *StateError.
func (e *Engine[T]) ConfirmAccount(ctx context.Context, by By, applicant uuid.UUID, evidence string) error {
	if evidence == "" {
		return &FieldError{"evidence", "is missing"}
	}
	cmd := command{by, "account.confirm", []any{applicant, evidence}}
	if done, err := e.answered(ctx, cmd); done || err != nil {
		return err
	}
	a, err := e.Applicant(ctx, applicant)
	if err != nil {
		return err
	}
	t := &a.Account
	rules := e.program.Payees
	mismatch := !t.Checked.IsZero() && t.Exists && (t.Score < rules.LeastScore || rules.Identity && t.Identity != payment.SamePerson)
	if t.Confirmed != "" || t.Replaced.IsZero() && !mismatch {
		return &StateError{What: "account of applicant " + applicant.String(), State: "not in doubt", Event: "confirm"}
	}
	second := payment.Signature{Role: "confirm", Actor: by.Actor, OnBehalf: by.OnBehalf}
	if !t.Replaced.IsZero() {
		if err := payment.Separate(t.ReplacedBy, second); err != nil {
			return err
		}
	}
	t.Confirmed = by.Actor
	row, err := e.applicantRow(&a)
	if err != nil {
		return err
	}
	_, err = e.carryOut(ctx, cmd, Change{Home: applicant, Rows: []Row{row}}, "account.confirmed", map[string]any{"applicant": applicant, "evidence": evidence})
	return err
}

// CheckAccounts asks the providers about the payout accounts of a wave's cases in the
// given states, as a job, and keeps what they say as evidence: whether the account
// exists, how much its holder's name is like the payee's, and whether the national identifier
// is. Accounts that were checked before, and those without a channel, are left. A provider that does not
// answer leaves the account unchecked, counted under "unanswered": another job asks
// again. No name is kept or shown.
func (e *Engine[T]) CheckAccounts(ctx context.Context, by By, job string, wave int64, states []State, channels Channels) (Counts, error) {
	w, err := e.Wave(ctx, wave)
	if err != nil {
		return nil, err
	}
	pages := e.casesAhead(&w, states, e.openPeople)
	defer pages.stop()
	return e.runParts(ctx, by, job, "check-accounts", []any{wave, states}, everyCase(wave), func(ctx context.Context, ask ask) (chunk, error) {
		cases, next, err := pages.get(ctx, ask)
		if err != nil {
			return chunk{}, err
		}
		out := chunk{kind: "accounts.checked", next: next, last: next == nil, counts: Counts{doneCount: int64(len(cases))}}
		said := e.resolveAll(ctx, cases, channels)
		if err := ctx.Err(); err != nil {
			return chunk{}, err
		}
		var ids []string
		for i, c := range cases {
			out.counts[said[i]]++
			if said[i] != "checked" {
				continue
			}
			row, err := e.applicantRow(&c.Applicant)
			if err != nil {
				return chunk{}, err
			}
			out.rows, ids = append(out.rows, row), append(ids, shortID(c.Applicant.ID))
		}
		out.data = map[string]any{"applicants": ids}
		return out, nil
	})
}

// resolveAll asks about the accounts of cases, several at once, and says of each what
// became of it.
func (e *Engine[T]) resolveAll(ctx context.Context, cases []*Case[T], channels Channels) []string {
	said, now := make([]string, len(cases)), e.clock().UTC()
	var wait sync.WaitGroup
	parallel := max(1, channels.Parallel)
	for part := range parallel {
		wait.Go(func() {
			from, to := share(len(cases), part, parallel)
			for i := from; i < to && ctx.Err() == nil; i++ {
				said[i] = e.resolveOne(ctx, &cases[i].Applicant, channels, now)
			}
		})
	}
	wait.Wait()
	return said
}

func (e *Engine[T]) resolveOne(ctx context.Context, a *Applicant[T], channels Channels, now time.Time) string {
	payout := a.Person.Payout
	provider := channels.Providers[payout.Provider]
	switch {
	case payout.Account.IsZero():
		return "no-account"
	case !a.Account.Checked.IsZero():
		return "checked-before"
	case provider == nil:
		return "no-channel"
	}
	payee := e.payee(a)
	found, err := provider.Resolve(ctx, payment.Account{Institution: payout.Provider, Number: payout.Account, Holder: payout.Holder, National: payee.National})
	if err != nil {
		return "unanswered"
	}
	a.Account.Checked, a.Account.CheckedBy, a.Account.Exists, a.Account.Score = now, payout.Provider, found.Exists, -1
	a.Account.Identity = found.Identity
	if !found.Holder.IsZero() {
		a.Account.Score = found.Holder.Similarity(payee.Name)
	}
	return "checked"
}
