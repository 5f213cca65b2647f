package program

import (
	"context"
	"time"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/lifecycle"
)

// OpenItem is a payment, or a line of a statement, that somebody must act on.
type OpenItem struct {
	// Batch and Item name the payment; zero for a line that belongs to none.
	Batch, Item int64
	State       payment.State
	Amount      payment.Money
	// Account, Sequence and Line name a line that stands in suspense, from 1, and Class
	// what it is. Its Amount is what the account lost; below zero what it got.
	Account        string
	Sequence, Line int64
	Class          payment.Class
	// Owner is who must act next: the partner while an answer or a statement is
	// awaited, whoever can mend a Failure, an officer where only people can resolve it.
	Owner lifecycle.Party
	// Why is "not-sent", "in-transit", "missing" where statements of its bank reach beyond
	// when it left and do not show it, "unknown", "blocked", "held", "rejected" or "returned" where no other
	// payment of the entitlement follows, "suspense", "claimed" and "claim-overdue" where it
	// is to be paid back, or "proposed" where one
	// person has proposed a resolution.
	Why string
	// Failure is why a bank rejected or returned it; empty for other items.
	Failure payment.Failure
	// Since is when it came to be so.
	Since time.Time
}

// OpenItems gives every payment of the batches that were released of which the outcome
// is open, every one that is blocked or held back, every one that failed and is not
// followed by another, and then every line that stands in suspense. Payments come in the
// order of their entitlements. What is in transit
// and what the bank's account shows make up the difference between the books.
func (e *Engine[T]) OpenItems(ctx context.Context, each func(OpenItem) error) error {
	o := opener[T]{engine: e, batches: map[int64]*Batch{}, until: map[string]time.Time{}, each: each}
	banks, err := e.banks(ctx)
	if err != nil {
		return err
	}
	for _, b := range banks {
		if before, seen := o.until[b.channel]; !seen || b.until.Before(before) {
			o.until[b.channel] = b.until
		}
	}
	var after Cursor
	for {
		rows, next, err := e.store.Page(ctx, Scan{Table: TablePayments, Index: 1, After: after, Limit: e.chunk})
		if err != nil {
			return err
		}
		for _, row := range rows.Rows {
			if err := o.payment(ctx, paymentOf(row)); err != nil {
				return err
			}
		}
		if after = next; next == nil {
			break
		}
	}
	if err := o.settle(ctx); err != nil {
		return err
	}
	return e.standing(ctx, "", func(r suspenseRow) error {
		return each(OpenItem{Batch: r.of.batch, Item: r.of.item, Amount: r.amount, Account: r.account, Sequence: r.sequence, Line: r.line,
			Class: r.class, Owner: lifecycle.Officer, Why: "suspense", Since: r.since})
	})
}

// opener goes through payments entitlement by entitlement.
type opener[T any] struct {
	engine  *Engine[T]
	batches map[int64]*Batch
	until   map[string]time.Time // up to which statements reach, by channel
	last    *paymentRow          // of the entitlement
	each    func(OpenItem) error
}

func (o *opener[T]) payment(ctx context.Context, p paymentRow) error {
	if o.last != nil && o.last.key != p.key {
		if err := o.settle(ctx); err != nil {
			return err
		}
	}
	o.last = &p
	b := o.batches[p.batch]
	if b == nil {
		read, err := o.engine.Batch(ctx, p.batch)
		if err != nil {
			return err
		}
		b = &read
		o.batches[p.batch] = b
	}
	item := OpenItem{Batch: p.batch, Item: p.item, State: p.with(b), Amount: p.amount, Since: p.changed}
	if !o.open(&item, &p, b, o.engine.clock()) {
		return nil
	}
	return o.each(item)
}

func (o *opener[T]) open(item *OpenItem, p *paymentRow, b *Batch, now time.Time) bool {
	_, asked := p.asked()
	claimed := !p.claimDue.IsZero() && !p.marks.has(markRepaid) && (p.state == payment.Settled || p.marks.has(markHonoured))
	item.Owner = lifecycle.Officer
	switch {
	case asked:
		item.Why = "proposed"
	case p.marks.has(markStopped) && !p.marks.has(markHonoured):
		item.Why = p.marks.why()
	case claimed && now.After(p.claimDue):
		item.Why, item.Since = "claim-overdue", p.claimDue
	case claimed:
		item.Why, item.Owner = "claimed", lifecycle.Applicant
	case item.State == payment.Unknown:
		item.Why = string(payment.Unknown)
		if p.state == payment.Created { // as its file
			item.Since = b.upload.Changed
		}
	case item.State == payment.Submitted && b.File == [32]byte{} && p.handed == 0:
		item.Why, item.Since = notSent, b.Released
	case item.State == payment.Submitted, item.State == payment.Accepted:
		item.Why, item.Owner = "in-transit", lifecycle.Partner
		channel, left := p.channel, p.sent
		if channel == "" {
			channel, left = b.To, b.Released
		}
		if item.State == payment.Submitted {
			item.Since = left
		}
		if o.until[channel].After(left) {
			item.Why = "missing"
		}
	default:
		return false
	}
	return true
}

// settle gives the last payment of an entitlement if it failed: nothing follows it.
func (o *opener[T]) settle(ctx context.Context) error {
	p := o.last
	if p == nil || p.state != payment.Rejected && p.state != payment.Returned || p.marks.has(markStopped) {
		return nil
	}
	set := payments[T]{engine: o.engine}
	if err := set.loadEntitlements(ctx, []*paymentRow{p}); err != nil {
		return err
	}
	if !set.entitlements[p.key].payable() {
		return nil
	}
	failure := payment.FailureOf(p.code)
	return o.each(OpenItem{Batch: p.batch, Item: p.item, State: p.state, Amount: p.amount, Owner: failure.Actor(), Why: string(p.state),
		Failure: failure, Since: p.changed})
}

// Candidates gives the payments that a debit in suspense without a payment might be: open
// ones of its amount. It is for two people to judge (Resolve, WasPaid): nothing is matched.
// The error is ErrNotFound if no such line stands in suspense.
func (e *Engine[T]) Candidates(ctx context.Context, account string, sequence, line int64, each func(OpenItem) error) error {
	r, err := e.standingLine(ctx, lineID{account, sequence, line})
	if err != nil {
		return err
	}
	if r.of != (paymentID{}) {
		return ErrNotFound
	}
	return e.OpenItems(ctx, func(o OpenItem) error {
		open := o.State == payment.Submitted || o.State == payment.Accepted || o.State == payment.Unknown
		if o.Why == "suspense" || !open || o.Amount != r.amount {
			return nil
		}
		return each(o)
	})
}
