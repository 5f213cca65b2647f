package program

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/calendar"
)

// Entitlement is what a case is entitled to, and what became of it: one instalment, term or
// survey of a benefit.
type Entitlement struct {
	Benefit string
	Number  int
	Amount  payment.Money
	Due     calendar.Date
	// Lapsed is when it went back to the budget; zero if it did not.
	Lapsed time.Time
	// Payments are the attempts to settle it, oldest first.
	Payments []Payment
}

// Payment is one attempt to settle an entitlement.
type Payment struct {
	// Batch and Item name the payment, as in Resolve.
	Batch, Item int64
	State       payment.State
	// Failure is why the bank rejected or returned it; empty if it did not.
	Failure payment.Failure
	// ClaimDue is until when it is to be paid back; zero if it was not claimed back.
	ClaimDue time.Time
	// Repaid says that what was claimed back has come.
	Repaid bool
	// Since is when it came to be so.
	Since time.Time
}

// Entitlements reads what a case is entitled to and was paid, in the order of the program's
// benefits. Balances are not among them. It says nothing of where the money goes. The
// error is ErrNotFound if there is no such application.
func (e *Engine[T]) Entitlements(ctx context.Context, wave int64, applicant uuid.UUID) ([]Entitlement, error) {
	if _, err := e.Application(ctx, wave, applicant); err != nil {
		return nil, err
	}
	var keys []Key
	for _, name := range e.program.Benefits.Names() {
		most := 1
		for _, b := range e.program.Benefits {
			if b.Name == name && b.Kind != payment.BalanceKind && b.Kind != payment.HeadKind {
				most = max(most, b.Count)
			}
		}
		for number := range most {
			keys = append(keys, entitlementKey{name, int64(number + 1), wave, applicant}.key())
		}
	}
	if len(keys) == 0 {
		return nil, nil
	}
	rows, err := e.store.Load(ctx, Query{Keys: keys})
	if err != nil {
		return nil, err
	}
	found := make(map[entitlementKey]entitlementRow, len(rows.Rows))
	for _, row := range rows.Rows {
		r := entitlementOf(row)
		found[r.key] = r
	}
	var all []Entitlement
	for _, key := range keys {
		r, ok := found[entitlementKey{textOf(key.Values[0]), intOf(key.Values[1]), wave, applicant}]
		if !ok {
			continue
		}
		owed := Entitlement{Benefit: r.key.benefit, Number: int(r.key.number), Amount: r.amount, Due: dayOf(r.due), Lapsed: r.lapsed}
		if owed.Payments, err = e.attempts(ctx, r.key); err != nil {
			return nil, err
		}
		all = append(all, owed)
	}
	return all, nil
}

func (e *Engine[T]) attempts(ctx context.Context, key entitlementKey) ([]Payment, error) {
	paid, err := e.generations(ctx, key)
	if err != nil {
		return nil, err
	}
	var all []Payment
	for i := range paid {
		p := &paid[i]
		b, err := e.Batch(ctx, p.batch)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name(), err)
		}
		a := Payment{Batch: p.batch, Item: p.item, State: p.with(&b), ClaimDue: p.claimDue, Repaid: p.marks.has(markRepaid), Since: p.changed}
		if p.state == payment.Rejected || p.state == payment.Returned {
			a.Failure = payment.FailureOf(p.code)
		}
		all = append(all, a)
	}
	return all, nil
}
