package program

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/ledger"
)

// mark is what the engine keeps of a payment in its code, where the bank gave none.
type mark string

const (
	// markBlocked: the bank made the payment twice, or although it was dead or not
	// submitted. Its entitlement is not paid again until two people release it.
	markBlocked mark = "blocked"
	markCleared mark = "cleared"
	// markHeld: it was held back before its batch left.
	markHeld         mark = "held"
	markHeldReleased mark = "held-released"
	// markNotSent: the order was to be sent, and not one byte of it left. It may be sent.
	markNotSent mark = "not-sent"
	// markSaidPaid: the bank has said once that it executed the order.
	markSaidPaid mark = "said-paid"
)

// stops reports whether the entitlement is not paid again for now.
func (m mark) stops() bool { return m == markBlocked || m == markHeld }

// heldBack reports whether the payment is no part of its batch any more.
func (m mark) heldBack() bool { return m == markHeld || m == markHeldReleased }

// mark returns what is kept of the payment, under what may have been proposed since.
func (p *paymentRow) mark() mark {
	if asked, ok := p.asked(); ok {
		return mark(asked.Was)
	}
	return mark(p.code)
}

// proposal is kept in a payment's code until a second person confirms it.
type proposal struct {
	As      Resolution        `json:"as"`
	Account string            `json:"account,omitempty"`
	By      payment.Signature `json:"by"`
	Was     string            `json:"was,omitempty"`
}

const proposed = "proposed "

func (p *paymentRow) asked() (proposal, bool) {
	text, ok := strings.CutPrefix(p.code, proposed)
	var asked proposal
	if !ok || json.Unmarshal([]byte(text), &asked) != nil {
		return proposal{}, false
	}
	return asked, true
}

// Resolution is what two people decide of a payment on evidence.
type Resolution string

// The resolutions.
const (
	// ReleaseEntitlement: a payment that was blocked or held back no longer keeps its
	// entitlement from being paid.
	ReleaseEntitlement Resolution = "release"
	// NeverPaid: a payment without an answer was not executed, and never will be. It
	// is rejected.
	NeverPaid Resolution = "never-paid"
	// WasPaid: a payment without an answer was executed, and the statement shows it
	// under no reference of ours, so that it stands in suspense. It is settled.
	WasPaid Resolution = "was-paid"
)

// Resolve is one person's word on a payment that only people can resolve.
type Resolve struct {
	Batch, Item int64
	As          Resolution
	// Account is where the debit stands in suspense, for WasPaid.
	Account string
	// Evidence names what both have seen: a letter's number, not its text. It goes
	// into the journal.
	Evidence string
}

// Resolve decides on a payment that no answer and no statement resolves. It takes two
// people: the first proposes, and nothing changes; when another one gives the same
// order it is carried out, and Resolve reports true. Under its key it reports whether the
// payment is resolved by now. Another proposal replaces the
// first. Neither may stand behind the other (*payment.SameHandsError). What a bank or
// a statement says in between comes first.
func (e *Engine[T]) Resolve(ctx context.Context, by By, order Resolve) (done bool, err error) {
	if order.Evidence == "" {
		return false, &FieldError{"Resolve.Evidence", "is missing"}
	}
	if (order.As == WasPaid) != (order.Account != "") {
		return false, &FieldError{"Resolve.Account", "is for was-paid, and only for it"}
	}
	cmd := command{by, "payment.resolve", order}
	before, err := e.answered(ctx, cmd)
	if err != nil {
		return false, err
	}
	found, err := e.items(ctx, order.Batch, []int64{order.Item})
	if err != nil {
		return false, err
	}
	if before {
		_, open := found[0].asked()
		return !open, nil
	}
	b, err := e.Batch(ctx, order.Batch)
	if err != nil {
		return false, err
	}
	if order.As == WasPaid {
		books, err := e.store.Balances(ctx, openedAccount(order.Account), bankAccount(order.Account))
		if err != nil {
			return false, err
		}
		if books[0].Posted == 0 && books[1].Posted == 0 {
			return false, &FieldError{"Resolve.Account", "has no statement"}
		}
	}
	p := &found[0]
	if err := order.allowed(p, p.with(b.State)); err != nil {
		return false, err
	}
	posts := postings{}
	hand, done, err := e.word(by, p, &b, order, posts)
	if err != nil {
		return false, err
	}
	c := Change{Rows: []Row{p.row()}, Postings: posts.posting()}
	if len(c.Postings) > 0 {
		id, err := e.ids.next(e.clock())
		if err != nil {
			return false, err
		}
		c.Postings[0].ID = "resolve/" + id.String()
	}
	kind := map[bool]string{false: "payment.proposed", true: "payment.resolved"}[done]
	_, err = e.carryOut(ctx, cmd, c, kind, map[string]any{
		"batch": order.Batch, "item": order.Item, "as": order.As, "evidence": order.Evidence, "account": order.Account, "by": hand, "state": p.state,
	})
	return done && err == nil, err
}

// word takes one person's word: the second one that agrees carries it out, any other
// is a proposal.
func (e *Engine[T]) word(by By, p *paymentRow, b *Batch, order Resolve, posts postings) (payment.Signature, bool, error) {
	hand := payment.Signature{Role: "confirm", Actor: by.Actor, OnBehalf: by.OnBehalf}
	if asked, ok := p.asked(); ok && asked.As == order.As && asked.Account == order.Account {
		if err := payment.Separate(asked.By, hand); err != nil {
			return hand, false, err
		}
		return hand, true, e.resolve(p, b, order, posts)
	}
	hand.Role = "propose"
	text, err := json.Marshal(proposal{As: order.As, Account: order.Account, By: hand, Was: string(p.mark())})
	p.code = proposed + string(text)
	return hand, false, err
}

// allowed reports whether a payment in a state can be resolved so.
func (r Resolve) allowed(p *paymentRow, state payment.State) error {
	var ok bool
	switch r.As {
	case ReleaseEntitlement:
		ok = p.mark().stops()
	case NeverPaid:
		ok = (state == payment.Unknown || state == payment.Submitted) && p.mark() != markSaidPaid
	case WasPaid:
		ok = state == payment.Unknown || state == payment.Submitted || state == payment.Accepted
	default:
		return &FieldError{"Resolve.As", "is release, never-paid or was-paid"}
	}
	if !ok {
		return &StateError{What: p.name(), State: string(state), Event: string(r.As)}
	}
	return nil
}

func (e *Engine[T]) resolve(p *paymentRow, b *Batch, order Resolve, posts postings) error {
	now := e.clock().UTC()
	was := p.mark()
	p.code = ""
	switch order.As {
	case ReleaseEntitlement:
		p.code = string(markCleared)
		if was == markHeld {
			p.code = string(markHeldReleased)
		}
		return nil
	case NeverPaid:
		p.state = p.with(b.State)
		posts.move(b.paying(), entitledAccount(b.Benefit), p.amount.Units)
		e.program.Caps.dead(p, posts)
		return e.movePayment(p, now, payment.Reject)
	}
	p.state = p.with(b.State)
	posts.move(b.paying(), paidAccount(b.Benefit), p.amount.Units)
	posts.add(suspenseAccount(order.Account), -p.amount.Units, ledger.Free())
	posts.add(clearedAccount(order.Account), p.amount.Units, ledger.Free())
	return e.movePayment(p, now, payment.Settle)
}
