package program

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/gelombang/gelombang/payment"
)

// Channels are how payments are sent by calls.
type Channels struct {
	// Providers by the name that is in the payees' Payout.Provider.
	Providers map[string]payment.Provider
	// Parallel is how many calls to one provider are under way at once. Zero: one.
	Parallel int
}

// SendBatch sends the payments of a submitted batch by calls, those that were not sent
// before. Before a byte leaves, the whole batch is held against what was approved
// (*NotApprovedError), and each payment is marked as submitted in the store. Whatever
// dies in between, and whoever else sends the same batch at the same time, no payment
// is sent twice by this command: one that was marked and has no answer is for
// AskBatch. A payment of which not one byte left is sent by the next call.
//
// It counts payments by what became of them, "not-sent" among them, and under
// "no-channel" those whose provider is not among the channels. A batch that was
// released as a file is not sent by calls: that is a *StateError.
func (e *Engine[T]) SendBatch(ctx context.Context, by By, number int64, channels Channels) (Counts, error) {
	b, err := e.callable(ctx, by, number)
	if err != nil {
		return nil, err
	}
	if err := e.approved(ctx, b, func(*sealedOrder, Order) error { return nil }); err != nil {
		return nil, err
	}
	counts := Counts{}
	return counts, e.eachOrders(ctx, number, func(orders []sealedOrder) error {
		return (&sender[T]{engine: e, by: by, batch: b, channels: channels, counts: counts, first: true}).send(ctx, orders)
	})
}

// AskBatch goes after the payments of a batch that were sent and have no final answer:
// payment.Capabilities.Next says of each whether the same order is sent again, the
// provider is asked, or only the statement can tell ("await"). Accepted payments are
// asked about too, because what was accepted may still fail. Proof is what the
// statements show that were taken: without it nothing is rejected because the provider
// does not know it. An enquiry that fails is counted under "unanswered".
func (e *Engine[T]) AskBatch(ctx context.Context, by By, number int64, channels Channels, proof payment.Proof) (Counts, error) {
	b, err := e.callable(ctx, by, number)
	if err != nil {
		return nil, err
	}
	counts := Counts{}
	return counts, e.eachOrders(ctx, number, func(orders []sealedOrder) error {
		return (&sender[T]{engine: e, by: by, batch: b, channels: channels, counts: counts, proof: proof}).ask(ctx, orders)
	})
}

// TakeNotice takes one call of a provider's, after the provider has verified it. It
// reports what became of the payment: its new state, "unchanged", "incident", or
// "orphan" for a reference that is not ours.
func (e *Engine[T]) TakeNotice(ctx context.Context, by By, from payment.Notifier, header map[string][]string, body []byte) (string, error) {
	if by.Actor == "" {
		return "", &FieldError{"By.Actor", "is missing"}
	}
	answer, err := from.Notice(header, body)
	if err != nil {
		return "", err
	}
	batch, _, _, err := payment.ParseReference(answer.Reference)
	if err != nil {
		return "orphan", nil
	}
	s := sender[T]{engine: e, by: by, batch: Batch{Number: batch}, counts: Counts{}}
	if err := s.store(ctx, []judged{{answer: answer, promised: from.Capabilities()}}); err != nil {
		return "", err
	}
	for became := range s.counts {
		return became, nil
	}
	return "orphan", nil
}

// callable reads a batch whose payments are sent by calls.
func (e *Engine[T]) callable(ctx context.Context, by By, number int64) (Batch, error) {
	if by.Actor == "" {
		return Batch{}, &FieldError{"By.Actor", "is missing"}
	}
	b, err := e.Batch(ctx, number)
	switch {
	case err != nil:
		return Batch{}, err
	case b.State != BatchSubmitted:
		return Batch{}, &StateError{What: "batch " + b.name(), State: string(b.State), Event: "send"}
	case b.File != [32]byte{}:
		return Batch{}, &StateError{What: "batch " + b.name(), State: "released as a file", Event: "send"}
	}
	return b, nil
}

func (e *Engine[T]) eachOrders(ctx context.Context, number int64, each func([]sealedOrder) error) error {
	a := ask{limit: e.chunk}
	for {
		orders, next, err := e.sealedOrders(ctx, number, a)
		if err != nil {
			return err
		}
		if err := each(orders); err != nil || next == nil {
			return err
		}
		a.after = next
	}
}

// sender sends, or asks about, a page of payments.
type sender[T any] struct {
	engine   *Engine[T]
	by       By
	batch    Batch
	channels Channels
	proof    payment.Proof
	first    bool // nothing of the page was sent before
	counts   Counts
}

// call is what one provider is to do for a page.
type call struct {
	provider payment.Provider
	send     []payment.Transfer
	ask      []string
}

// judged is an answer of a provider with the promises by which it is judged.
type judged struct {
	answer   payment.Answer
	promised payment.Capabilities
	notSent  bool
	failed   bool // the enquiry failed
}

func (s *sender[T]) send(ctx context.Context, orders []sealedOrder) error {
	calls, now := map[string]*call{}, s.engine.clock().UTC()
	set := payments[T]{engine: s.engine, batches: map[int64]BatchState{s.batch.Number: s.batch.State}}
	for i := range orders {
		o := &orders[i]
		if o.state != payment.Created && (o.state != payment.Submitted || o.mark() != markNotSent) {
			continue
		}
		if o.mark() == markBlocked {
			continue
		}
		c, transfer, err := s.route(calls, o)
		if err != nil {
			return err
		}
		if c == nil {
			s.counts["no-channel"]++
			continue
		}
		c.send = append(c.send, transfer)
		o.state, o.code, o.submitted, o.changed = payment.Submitted, "", now, now
		set.touch(&o.paymentRow)
	}
	if len(set.changed) == 0 {
		return nil
	}
	if err := s.write(ctx, &set, postings{}, "payments.sending"); err != nil {
		var stale *StaleError
		if errors.As(err, &stale) { // another process has these
			s.counts["taken"] += int64(len(set.changed))
			return nil
		}
		return err
	}
	return s.store(ctx, s.carry(ctx, calls, now))
}

// ask goes after what has no final answer.
func (s *sender[T]) ask(ctx context.Context, orders []sealedOrder) error {
	calls, now := map[string]*call{}, s.engine.clock().UTC()
	for i := range orders {
		o := &orders[i]
		open := o.state == payment.Submitted || o.state == payment.Unknown || o.state == payment.Accepted
		if !open || o.mark() == markNotSent || o.submitted.IsZero() {
			continue
		}
		c, transfer, err := s.route(calls, o)
		if err != nil {
			return err
		}
		if c == nil {
			s.counts["no-channel"]++
			continue
		}
		attempt := payment.Attempt{Reference: transfer.Reference, State: o.state, Submitted: o.submitted}
		promised := c.provider.Capabilities()
		action := promised.Next(attempt, now)
		if o.state == payment.Accepted {
			attempt.State = payment.Unknown // to learn whether it can still be asked
			if action = promised.Next(attempt, now); action == payment.Resend {
				action = payment.Ask
			}
		}
		switch action {
		case payment.Resend:
			c.send = append(c.send, transfer)
		case payment.Ask:
			c.ask = append(c.ask, transfer.Reference)
		default:
			s.counts[string(payment.Await)]++
		}
	}
	return s.store(ctx, s.carry(ctx, calls, now))
}

// route finds the call that an order belongs to; nil if there is no channel.
func (s *sender[T]) route(calls map[string]*call, o *sealedOrder) (*call, payment.Transfer, error) {
	order, _, err := s.engine.openOrder(o)
	if err != nil {
		return nil, payment.Transfer{}, err
	}
	name := order.Payout.Provider
	provider := s.channels.Providers[name]
	if provider == nil {
		return nil, payment.Transfer{}, nil
	}
	c := calls[name]
	if c == nil {
		c = &call{provider: provider}
		calls[name] = c
	}
	to := payment.Account{Institution: name, Number: order.Payout.Account, Holder: order.Payout.Holder}
	return c, payment.Transfer{Reference: order.Reference, Amount: order.Amount, To: to}, nil
}

// carry makes the calls, each provider's in parallel, and waits for them.
func (s *sender[T]) carry(ctx context.Context, calls map[string]*call, now time.Time) []judged {
	var all []judged
	var mu sync.Mutex
	var wait sync.WaitGroup
	parallel := max(1, s.channels.Parallel)
	for _, c := range calls {
		promised := c.provider.Capabilities()
		for part := range parallel {
			wait.Go(func() {
				var some []judged
				from, to := share(len(c.send), part, parallel)
				for _, out := range payment.Dispatch(ctx, c.provider, c.send[from:to], now, now) {
					out.Answer.Reference = out.Reference // no answer is an unclear one
					some = append(some, judged{answer: out.Answer, promised: promised, notSent: out.NotSent})
				}
				from, to = share(len(c.ask), part, parallel)
				for _, reference := range c.ask[from:to] {
					if ctx.Err() != nil {
						break
					}
					answer, err := c.provider.Enquire(ctx, reference)
					failed := err != nil || answer.Reference != reference
					answer.Reference = reference
					some = append(some, judged{answer: answer, promised: promised, failed: failed})
				}
				mu.Lock()
				all = append(all, some...)
				mu.Unlock()
			})
		}
	}
	wait.Wait()
	return all
}

// share is the part of n items that one of so many takes.
func share(n, part, of int) (from, to int) { return n * part / of, n * (part + 1) / of }

// store writes what was said of payments, each judged in the state that it is in now:
// a notice or a statement may have come first. What a call has brought is written
// even if the context has ended.
func (s *sender[T]) store(ctx context.Context, said []judged) error {
	if len(said) == 0 {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	references := make([]string, len(said))
	for i, j := range said {
		references[i] = j.answer.Reference
	}
	for tries := 0; ; tries++ {
		set, posts, counts := payments[T]{engine: s.engine}, postings{}, Counts{}
		if err := set.load(ctx, references); err != nil {
			return err
		}
		for _, j := range said {
			p := set.find(j.answer.Reference)
			if p == nil {
				counts["orphan"]++
				continue
			}
			became, err := s.judge(&set, p, j, posts)
			if err != nil {
				return err
			}
			counts[became]++
		}
		err := s.write(ctx, &set, posts, "payments.answered")
		var stale *StaleError
		if errors.As(err, &stale) && tries < 100 {
			continue
		}
		if err == nil {
			for what, n := range counts {
				s.counts[what] += n
			}
		}
		return err
	}
}

func (s *sender[T]) judge(set *payments[T], p *paymentRow, j judged, posts postings) (string, error) {
	switch {
	case j.notSent && s.first && set.state(p) == payment.Submitted && p.code == "":
		p.code = string(markNotSent)
		set.touch(p)
		return string(markNotSent), nil
	case j.failed && set.state(p) == payment.Submitted:
		j.answer.Standing = payment.Unclear
	case j.notSent, j.failed:
		return "unanswered", nil
	}
	return set.take(p, j.answer, j.promised, s.proof, posts)
}

// write stores the payments that changed.
func (s *sender[T]) write(ctx context.Context, set *payments[T], posts postings, kind string) error {
	if len(set.changed) == 0 {
		return nil
	}
	rows, moved := set.written()
	c := Change{Rows: sorted(rows), Postings: posts.posting()}
	if len(c.Postings) > 0 {
		id, err := s.engine.ids.next(s.engine.clock())
		if err != nil {
			return err
		}
		c.Postings[0].ID = "answers/" + id.String()
	}
	cmd := command{By{Actor: s.by.Actor}, kind, nil}
	_, err := s.engine.carryOut(ctx, cmd, c, kind, map[string]any{"batches": moved})
	return err
}
