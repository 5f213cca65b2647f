package program

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/ledger"
)

// proposal is kept with a payment until a second person confirms it.
type proposal struct {
	As       Resolution        `json:"as"`
	Account  string            `json:"account,omitempty"`
	Sequence int64             `json:"sequence,omitempty"`
	Line     int64             `json:"line,omitempty"`
	By       payment.Signature `json:"by"`
}

func (p *paymentRow) asked() (proposal, bool) {
	var asked proposal
	if p.proposal == nil || json.Unmarshal(p.proposal, &asked) != nil {
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
	// NeverPaid: a payment was not executed, and never will be. It is rejected. If its
	// provider took it on, or said that it paid, Resolve.Account names the account whose
	// statements must reach beyond that and show no debit of its amount without a payment.
	// It is refused while a statement shows a debit for it.
	NeverPaid Resolution = "never-paid"
	// WasPaid: a line that stands in suspense is the debit of the payment: one without a
	// reference of ours and of its amount, or one with its own reference that was not
	// simply matched, of which what is above its amount stays in suspense. A payment that is
	// open is settled. For one that is dead the entitlement is paid, and never again; it is
	// refused while another payment of the entitlement is alive.
	WasPaid Resolution = "was-paid"
	// ClaimBack: what was paid must be paid back, within Program.ClaimDays. The
	// entitlement stays paid.
	ClaimBack Resolution = "claim-back"
	// Repaid: a credit that stands in suspense, without a reference of ours and of the
	// payment's amount, is what was claimed back. It goes to the budget.
	Repaid Resolution = "repaid"
)

// Resolve is one person's word on a payment that only people can resolve.
type Resolve struct {
	Batch, Item int64
	As          Resolution
	// Account, Sequence and Line name the line in suspense, for WasPaid and Repaid. NeverPaid may
	// name an Account.
	Account        string
	Sequence, Line int64
	// Evidence names what both have seen: a letter's number, not its text. It goes
	// into the journal.
	Evidence string
}

func (r Resolve) line() lineID { return lineID{r.Account, r.Sequence, r.Line} }

func (r Resolve) fault() error {
	line := r.As == WasPaid || r.As == Repaid
	named := r.Account != "" && r.Sequence > 0 && r.Line > 0
	switch {
	case r.Evidence == "":
		return &FieldError{"Resolve.Evidence", "is missing"}
	case line && !named:
		return &FieldError{"Resolve.Line", "is missing, or its account or sequence"}
	case !line && (r.Sequence != 0 || r.Line != 0), !line && r.As != NeverPaid && r.Account != "":
		return &FieldError{"Resolve.Account", "is for was-paid, repaid and never-paid, and a line for the first two"}
	}
	return nil
}

// Resolve decides on a payment that no answer and no statement resolves. It takes two
// people: the first proposes, and nothing changes; when another one gives the same
// order it is carried out, and Resolve reports true. Another proposal replaces the
// first. Neither may stand behind the other (*payment.SameHandsError). What a bank or
// a statement says in between comes first. A line that does not stand in suspense is
// ErrNotFound; what the payment's state does not allow is a *StateError.
func (e *Engine[T]) Resolve(ctx context.Context, by By, order Resolve) (done bool, err error) {
	if err := order.fault(); err != nil {
		return false, err
	}
	cmd := command{by, "payment.resolve", order}
	if before, err := e.firstAnswer(ctx, cmd, &done); before || err != nil {
		return done, err
	}
	set := payments[T]{engine: e}
	if err := set.loadIDs(ctx, []paymentID{{order.Batch, order.Item}}); err != nil {
		return false, err
	}
	p := set.known[paymentID{order.Batch, order.Item}]
	if p == nil {
		return false, ErrNotFound
	}
	r := resolver[T]{payments: set, ctx: ctx, p: p, batch: &set.batches[order.Batch].Batch, order: order, posts: postings{}}
	if err := r.allowed(); err != nil {
		return false, err
	}
	hand, done, err := r.word(by)
	if err != nil {
		return false, err
	}
	w, err := r.written()
	if err != nil {
		return false, err
	}
	c := Change{Rows: append(w.rows, r.rows...), Expect: append(w.expect, r.expect...), Postings: r.posts.posting()}
	c.Rows = sorted(c.Rows)
	c.Answer = strconv.AppendBool(nil, done)
	if len(c.Postings) > 0 {
		id, err := e.ids.next(e.clock())
		if err != nil {
			return false, err
		}
		c.Postings[0].ID = "resolve/" + id.String()
	}
	kind := map[bool]string{false: "payment.proposed", true: "payment.resolved"}[done]
	_, err = e.carryOut(ctx, cmd, c, kind, map[string]any{
		"batch": order.Batch, "item": order.Item, "as": order.As, "evidence": order.Evidence, "account": order.Account,
		"sequence": order.Sequence, "line": order.Line, "by": hand, "state": p.state,
	})
	return done && err == nil, err
}

// resolver carries out what two people have decided.
type resolver[T any] struct {
	payments[T]
	ctx    context.Context
	p      *paymentRow
	batch  *Batch
	order  Resolve
	line   suspenseRow
	rows   []Row
	expect []Expected
	posts  postings
}

// word takes one person's word: the second one that agrees carries it out, any other
// is a proposal.
func (r *resolver[T]) word(by By) (payment.Signature, bool, error) {
	hand := payment.Signature{Role: "confirm", Actor: by.Actor, OnBehalf: by.OnBehalf}
	now := proposal{As: r.order.As, Account: r.order.Account, Sequence: r.order.Sequence, Line: r.order.Line}
	r.touch(r.p)
	if asked, ok := r.p.asked(); ok {
		first := asked.By
		if asked.By = (payment.Signature{}); asked == now {
			if err := payment.Separate(first, hand); err != nil {
				return hand, false, err
			}
			r.p.proposal = nil
			return hand, true, r.resolve()
		}
	}
	hand.Role = "propose"
	now.By = hand
	text, err := json.Marshal(now)
	r.p.proposal = text
	return hand, false, err
}

// allowed reports whether the payment can be resolved so.
func (r *resolver[T]) allowed() error {
	p, state := r.p, r.p.with(r.batch)
	open := state == payment.Unknown || state == payment.Submitted || state == payment.Accepted
	refused := &StateError{What: p.name(), State: string(state), Event: string(r.order.As)}
	switch r.order.As {
	case ReleaseEntitlement:
		if !p.marks.has(markStopped) || p.marks.has(markHonoured) {
			return refused
		}
	case NeverPaid:
		if !open || p.debits > 0 {
			return refused
		}
		if state == payment.Accepted || p.marks.has(markSaidPaid) {
			not, err := r.notShown()
			if err != nil {
				return err
			}
			if !not {
				return refused
			}
		}
	case WasPaid:
		if !open && !state.Dead() || p.marks.has(markHonoured) {
			return refused
		}
		return r.findLine(state)
	case ClaimBack:
		if r.engine.program.ClaimDays == 0 {
			return &FieldError{"Program.ClaimDays", "is missing"}
		}
		if state != payment.Settled && !p.marks.has(markHonoured) || !p.claimDue.IsZero() {
			return refused
		}
	case Repaid:
		if p.claimDue.IsZero() || p.marks.has(markRepaid) || state != payment.Settled && !p.marks.has(markHonoured) {
			return refused
		}
		return r.findCredit()
	default:
		return &FieldError{"Resolve.As", "is release, never-paid, was-paid, claim-back or repaid"}
	}
	return nil
}

// findCredit reads the line that is to be what was claimed back.
func (r *resolver[T]) findCredit() (err error) {
	if r.line, err = r.engine.standingLine(r.ctx, r.order.line()); err != nil {
		return err
	}
	if r.line.of != (paymentID{}) || r.line.amount.Currency != r.p.amount.Currency || r.line.amount.Units != -r.p.amount.Units {
		return &FieldError{"Resolve.Line", "is a credit of the payment's amount, and nobody's"}
	}
	return nil
}

// notShown reports whether the statements of the account reach beyond the last that is
// known of the payment, and show no debit that might be it.
func (r *resolver[T]) notShown() (bool, error) {
	bank, err := r.engine.bank(r.ctx, r.order.Account)
	if err != nil || bank.version == 0 {
		return false, err
	}
	orphans, err := r.engine.orphans(r.ctx, r.order.Account)
	r.expect = append(r.expect, Expected{Key: Key{TableBankAccounts, []any{bank.account}}, Version: bank.version})
	last := r.p.changed
	for _, at := range []time.Time{r.p.sent, r.batch.upload.Last, r.batch.upload.Changed} {
		if at.After(last) {
			last = at
		}
	}
	return !bank.matching && bank.until.After(last) && orphans[r.p.amount] == 0, err
}

// findLine reads the line that is to be the payment's debit.
func (r *resolver[T]) findLine(state payment.State) (err error) {
	if r.line, err = r.engine.standingLine(r.ctx, r.order.line()); err != nil {
		return err
	}
	own, amount := r.line.of == paymentID{r.p.batch, r.p.item}, r.line.amount
	if !own && r.line.of != (paymentID{}) || amount.Currency != r.p.amount.Currency || amount.Units <= 0 || !own && amount != r.p.amount {
		return &FieldError{"Resolve.Line", "is a debit of the payment, or of its amount and nobody's"}
	}
	if !state.Dead() {
		return nil
	}
	all, err := r.engine.generations(r.ctx, r.p.key)
	if err != nil {
		return err
	}
	for i := range all {
		if all[i].state.Live() || all[i].marks.has(markHonoured) {
			return &StateError{What: r.p.name(), State: "followed by " + all[i].name(), Event: string(r.order.As)}
		}
	}
	return nil
}

func (r *resolver[T]) resolve() error {
	p, now := r.p, r.engine.clock().UTC()
	entitled, paid := entitledAccount(p.key.benefit), paidAccount(p.key.benefit)
	if r.order.As == ReleaseEntitlement {
		p.marks &^= markBlocked
		return r.start(r.ctx, p)
	}
	state := p.with(r.batch)
	switch r.order.As {
	case ClaimBack:
		p.claimDue = now.AddDate(0, 0, r.engine.program.ClaimDays)
		return nil
	case Repaid:
		p.marks |= markRepaid
		r.line.standing = false
		r.rows = append(r.rows, r.line.row())
		r.posts.add(suspenseAccount(r.order.Account), p.amount.Units, ledger.Free())
		r.posts.add(clearedAccount(r.order.Account), -p.amount.Units, ledger.Free())
		r.posts.move(paid, budgetLeft, p.amount.Units)
		r.engine.program.Caps.dead(p, r.posts)
		return nil
	case NeverPaid:
		p.state = state
		r.posts.move(r.batch.paying(), entitled, p.amount.Units)
		r.engine.program.Caps.dead(p, r.posts)
		return r.engine.movePayment(p, now, payment.Reject)
	}
	own := r.line.of == paymentID{p.batch, p.item}
	if !own {
		p.debits++
	}
	r.line.amount.Units -= p.amount.Units
	if r.line.amount.Units == 0 {
		r.line.amount.Units, r.line.standing = p.amount.Units, false
	}
	r.rows = append(r.rows, r.line.row())
	r.posts.add(suspenseAccount(r.order.Account), -p.amount.Units, ledger.Free())
	r.posts.add(clearedAccount(r.order.Account), p.amount.Units, ledger.Free())
	if state.Dead() {
		r.posts.move(entitled, paid, p.amount.Units)
		r.engine.program.Caps.honoured(p, r.posts)
		return r.stop(r.ctx, p, markHonoured)
	}
	p.marks &^= markBlocked
	if p.marks.has(markStopped) {
		if err := r.start(r.ctx, p); err != nil {
			return err
		}
	}
	p.state = state
	r.posts.move(r.batch.paying(), paid, p.amount.Units)
	return r.engine.movePayment(p, now, payment.Settle)
}
