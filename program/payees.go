package program

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/payment"
)

// Payees are the program's rules for accounts that replace others. A payee's first
// account is paid to at once; a stolen case shows in a changed one.
type Payees struct {
	// Cooling is how long nothing is paid to an account after it replaced another.
	Cooling time.Duration
	// SecondLook says that an account that replaced another is paid to only after
	// somebody has confirmed it who did not report the change (ConfirmAccount).
	SecondLook bool
}

// Relinked tells of the last change of a payout account.
type Relinked struct {
	// At is when the account replaced another; zero if it is the first.
	At time.Time
	// By is who reported it, and Confirmed who confirmed it; empty if nobody did.
	By, Confirmed string
}

// withheld says why nothing is paid to the applicant's account now; empty if nothing
// is in the way.
func (p Payees) withheld(r Relinked, now time.Time) string {
	switch {
	case r.At.IsZero():
		return ""
	case now.Before(r.At.Add(p.Cooling)):
		return "cooling"
	case p.SecondLook && r.Confirmed == "":
		return "second-look"
	}
	return ""
}

// relink keeps an account that came with a report. The same account again changes
// nothing but the holder's name.
func (a *Applicant[T]) relink(payout Payout, actor string, at time.Time) {
	before := a.Person.Payout
	same := before.Provider == payout.Provider && before.Account.Equal(payout.Account)
	if !before.Account.IsZero() && !same {
		a.Relinked = Relinked{At: at, By: actor}
	}
	a.Person.Payout = payout
}

// ConfirmAccount confirms that the account that an applicant has now, in place of
// another, is the payee's own: somebody has looked who did not report the change
// (*payment.SameHandsError). Evidence names what was seen, not its text. Without a
// change there is nothing to confirm: that is a *StateError.
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
	if a.Relinked.At.IsZero() || a.Relinked.Confirmed != "" {
		return &StateError{What: "applicant " + applicant.String(), State: "account not changed since it was seen", Event: "confirm"}
	}
	if err := payment.Separate(payment.Signature{Role: "report", Actor: a.Relinked.By},
		payment.Signature{Role: "confirm", Actor: by.Actor, OnBehalf: by.OnBehalf}); err != nil {
		return err
	}
	a.Relinked.Confirmed = by.Actor
	row, err := e.applicantRow(&a)
	if err != nil {
		return err
	}
	_, err = e.carryOut(ctx, cmd, Change{Home: applicant, Rows: []Row{row}}, "account.confirmed", map[string]any{"applicant": applicant, "evidence": evidence})
	return err
}
