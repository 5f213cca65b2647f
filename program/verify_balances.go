package program

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/ledger"
)

// heldBalance is a balance that a case was given, and what its steps say of it.
type heldBalance struct {
	account ledger.Account
	benefit string
	wave    int64
	person  uuid.UUID
	given   int64
	// spent and lapsed: it has a step that spends, or gives back what is left. Ended: its
	// last day has passed. Refunded: all of what was spent may have come back.
	spent, lapsed, ended, refunded bool
}

// balanceSums are what the balances of a benefit add up to.
type balanceSums struct{ given, left, spent, lapsed int64 }

// balancesOf reads from a case's steps which balances it was given.
func (v *verifier[T]) balancesOf(ctx context.Context, a *Application) error {
	e := v.engine
	for _, name := range e.program.Benefits.Names() {
		if b, _ := e.program.Benefits.Find(name); b.Kind != payment.BalanceKind {
			continue
		}
		h := heldBalance{account: balanceAccount(a, name), benefit: name, wave: a.Wave, person: a.Applicant}
		given := false
		for i := 1; i < len(a.Trail); i++ {
			ed := e.editions[a.Trail[i].Edition]
			if ed == nil {
				continue
			}
			step := edge{a.Trail[i-1].To, a.Trail[i].Event, a.Trail[i].To}
			given = given || slices.Contains(ed.entitles[step], name)
			h.spent = h.spent || slices.Contains(ed.spends[step], name)
			h.refunded = h.refunded || slices.Contains(ed.refunds[step], name)
			h.lapsed = given && (h.lapsed || slices.Contains(ed.lapses[step], name))
		}
		if !given {
			continue
		}
		legal, known := v.legal[a.Wave]
		if !known {
			w, err := e.Wave(ctx, a.Wave)
			if err != nil {
				return err
			}
			if v.legal == nil {
				v.legal = map[int64]calendar.Date{}
			}
			legal = w.body.Legal
			v.legal[a.Wave] = legal
		}
		b, _ := e.program.Benefits.On(legal).Find(name)
		h.given = b.Amount.Units
		last, ends := e.lastDay(a, name)
		h.ended = ends && last.Before(calendar.DateOf(e.clock(), e.zone))
		v.held = append(v.held, h)
	}
	if len(v.held) < 2000 {
		return nil
	}
	return v.lookAtBalances(ctx)
}

// lookAtBalances holds balances against what the steps of their cases say.
func (v *verifier[T]) lookAtBalances(ctx context.Context) error {
	accounts := make([]ledger.Account, len(v.held))
	for i := range v.held {
		accounts[i] = v.held[i].account
	}
	got, err := v.engine.store.Balances(ctx, accounts...)
	if err != nil {
		return err
	}
	if v.sums == nil {
		v.sums = map[string]balanceSums{}
	}
	for i, h := range v.held {
		left := got[i].Posted
		s := v.sums[h.benefit]
		s.given, s.left = s.given+h.given, s.left+left
		v.sums[h.benefit] = s
		switch {
		case h.lapsed && left != 0:
			v.breach("money", string(h.account), "%d units are left of a balance that has lapsed", left)
		case h.lapsed, h.ended && left == 0:
		case h.spent && (left > h.given || left == h.given && !h.refunded):
			v.breach("money", string(h.account), "%d units are left of %d, but it was spent from", left, h.given)
		case !h.spent && left != h.given:
			v.breach("money", string(h.account), "%d units are left of %d, but no step spends from it", left, h.given)
		}
	}
	v.held = v.held[:0]
	return nil
}

// sumBalances adds up what was spent, and what has lapsed, of each benefit.
func (v *verifier[T]) sumBalances(class, rest string, units int64) {
	if class != "spent" && class != "lapsed" || rest == "" {
		return
	}
	if v.sums == nil {
		v.sums = map[string]balanceSums{}
	}
	name, _, _ := strings.Cut(rest, "/")
	s := v.sums[name]
	if class == "spent" {
		s.spent += units
	} else {
		s.lapsed += units
	}
	v.sums[name] = s
}

// spent holds what the cases were given against what is left to them, what was spent and
// what has lapsed, which the other half has added up.
func (v *verifier[T]) spent(money *verifier[T]) {
	for _, name := range v.engine.program.Benefits.Names() {
		cases, ledger := v.sums[name], money.sums[name]
		if cases.given != cases.left+ledger.spent+ledger.lapsed {
			v.breach("money", "balances of "+name, "%d units were given, but %d are left, %d were spent and %d have lapsed",
				cases.given, cases.left, ledger.spent, ledger.lapsed)
		}
	}
}
