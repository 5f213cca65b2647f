package program

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/gelombang/gelombang/payment"
)

// Channels are how payments are sent by calls.
type Channels struct {
	// Providers by the name that is in the payees' Payout.Provider.
	Providers map[string]payment.Provider
	// Files are the banks that files are uploaded to, by the name in Release.To.
	Files map[string]payment.FileProvider
	// Parallel is how many calls to one provider are under way at once. Zero: one.
	Parallel int
}

// SendBatch sends the payments of a submitted batch by calls, those that were not sent
// before. Before a byte leaves, the whole batch is held against what was approved
// (*NotApprovedError), and so is each page of it again as it is sent. Before each call its
// payments are marked in the store as handed over. Whatever
// dies in between, and whoever else sends the same batch at the same time, no payment
// is sent twice by this command: one that was marked and has no answer is for
// AskBatch. A payment of which not one byte left is sent by the next call.
//
// It counts payments by what became of them, "not-sent" among them, under
// "no-channel" those whose provider is not among the channels, under "blocked" those whose
// entitlement must not be paid, and under "taken" those that another process has. A batch that was
// released as a file is not sent by calls: that is a *StateError.
func (e *Engine[T]) SendBatch(ctx context.Context, by By, number int64, channels Channels) (Counts, error) {
	b, err := e.callable(ctx, by, number)
	if err != nil {
		return nil, err
	}
	digests, err := e.approved(ctx, b, func(*sealedOrder, Order) error { return nil })
	if err != nil {
		return nil, err
	}
	s := &sender[T]{engine: e, by: by, batch: b, channels: channels, counts: Counts{}}
	return s.counts, s.eachPage(ctx, digests, s.unsent)
}

// AskBatch goes after the payments of a batch that were sent and have no final answer:
// payment.Capabilities.Next says of each whether the same order is sent again, the
// provider is asked, or only the statement can tell ("await"). Accepted payments are
// asked about too, because what was accepted may still fail. Of a batch whose file was
// uploaded it asks about the file, and counts that once. What a provider does not know
// is rejected only on the statements that were matched of its account
// (Statement.Channel): they reach without a gap beyond the last instant at which it may be
// executed (Statement.Until), and no debit of its amount without a payment stands in
// suspense. An enquiry that fails is counted under "unanswered".
func (e *Engine[T]) AskBatch(ctx context.Context, by By, number int64, channels Channels) (Counts, error) {
	if file, bank, err := e.uploadable(ctx, by, number, channels); err == nil && file.upload.Handed > 0 {
		f := filer[T]{engine: e, by: by, bank: bank}
		became, err := f.ask(ctx, &file)
		if became == "" {
			return nil, err
		}
		return Counts{became: 1}, err
	}
	b, err := e.callable(ctx, by, number)
	if err != nil {
		return nil, err
	}
	s := &sender[T]{engine: e, by: by, batch: b, channels: channels, counts: Counts{}}
	var digests [][32]byte
	for _, p := range channels.Providers {
		if p.Capabilities().ReplaySafe && digests == nil { // some may be sent again
			if digests, err = e.approved(ctx, b, func(*sealedOrder, Order) error { return nil }); err != nil {
				return nil, err
			}
		}
	}
	if s.proofs, err = e.proofs(ctx); err != nil {
		return nil, err
	}
	return s.counts, s.eachPage(ctx, digests, s.open)
}

// TakeNotice takes one call of a provider's, after the provider has verified it. Channel
// is the provider's name, as in Channels. It
// reports what became of the payment: its new state, "unchanged", "incident",
// "foreign" for a payment that was not given to this provider, or
// "orphan" for a reference that is not ours.
func (e *Engine[T]) TakeNotice(ctx context.Context, by By, channel string, from payment.Notifier, header map[string][]string, body []byte) (string, error) {
	if by.Actor == "" {
		return "", &FieldError{"By.Actor", "is missing"}
	}
	if channel == "" {
		return "", &FieldError{"channel", "is missing"}
	}
	answer, err := from.Notice(header, body)
	if err != nil {
		return "", err
	}
	s := sender[T]{engine: e, by: by, counts: Counts{}}
	if err := s.store(ctx, []judged{{channel: channel, answer: answer, promised: from.Capabilities()}}); err != nil {
		return "", err
	}
	for became := range s.counts {
		return became, nil
	}
	return "orphan", nil
}

// MarkUnknown makes the payments of a submitted batch that have no answer unknown, as a
// job: after whoever sent them has died, or when nobody can say whether a file
// arrived. They keep their reservation, and no other payment of their entitlements is made. What
// was never handed over by a call is left.
func (e *Engine[T]) MarkUnknown(ctx context.Context, by By, job string, number int64) (Counts, error) {
	b, err := e.Batch(ctx, number)
	if err != nil {
		return nil, err
	}
	if b.State != BatchSubmitted {
		return nil, &StateError{What: "batch " + b.name(), State: string(b.State), Event: string(payment.Doubt)}
	}
	return e.runJob(ctx, by, job, "mark-unknown", number, func(ctx context.Context, a ask) (chunk, error) {
		found, next, err := e.store.Page(ctx, Scan{Table: TablePayments, Equal: []any{number}, After: a.after, Limit: a.limit})
		if err != nil {
			return chunk{}, err
		}
		c := chunk{kind: "payments.unknown", next: next, last: next == nil, counts: Counts{doneCount: int64(len(found.Rows))}}
		now, moved := e.clock().UTC(), movedItems{Batch: number}
		for _, row := range found.Rows {
			p := paymentOf(row)
			if p.with(&b) != payment.Submitted || b.File == [32]byte{} && p.handed == 0 || a.refused != nil {
				continue
			}
			p.state = payment.Submitted
			proposed := p.proposal
			if err := e.movePayment(&p, now, payment.Doubt); err != nil {
				return chunk{}, err
			}
			p.proposal = proposed // nothing new is known
			c.rows = append(c.rows, p.row())
			moved.add(string(p.state), p.item)
			c.counts[string(p.state)]++
		}
		c.rows, c.data = sorted(c.rows), moved
		return c, nil
	})
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

// sender sends, or asks about, the payments of a batch.
type sender[T any] struct {
	engine   *Engine[T]
	by       By
	batch    Batch
	channels Channels
	proofs   map[string]proofs
	digests  [][32]byte // after each page, as approved; nil: nothing is sent
	counts   Counts
}

// eachPage goes through the batch and carries out what is to be done about each
// page, provider by provider.
func (s *sender[T]) eachPage(ctx context.Context, digests [][32]byte, choose func(*sealedOrder, payment.Capabilities) action) error {
	s.digests = digests
	a := ask{limit: s.engine.chunk}
	var digest [32]byte
	for page := 0; ; page++ {
		orders, next, err := s.engine.sealedOrders(ctx, s.batch.Number, a)
		if err != nil {
			return err
		}
		if s.digests == nil {
			orders = slices.DeleteFunc(orders, func(o sealedOrder) bool { return o.state == payment.Settled || o.state.Dead() })
		}
		if digest, err = s.engine.openOrders(orders, digest); err != nil {
			return err
		}
		if s.digests != nil && (page >= len(s.digests) || s.digests[page] != digest) {
			return &NotApprovedError{Batch: s.batch.Number}
		}
		if err := s.page(ctx, orders, choose); err != nil || next == nil {
			return err
		}
		a.after = next
	}
}

// action is what is to be done about a payment.
type action uint8

const (
	nothing action = iota
	await
	send // for the first time
	resend
	enquire
)

// unsent chooses what SendBatch does about a payment.
func (s *sender[T]) unsent(o *sealedOrder, _ payment.Capabilities) action {
	if o.handed == 0 && (o.state == payment.Created || o.state == payment.Submitted || o.state == payment.Unknown) {
		return send
	}
	return nothing
}

// open chooses what AskBatch does about a payment.
func (s *sender[T]) open(o *sealedOrder, promised payment.Capabilities) action {
	if o.handed == 0 {
		return nothing
	}
	attempt := o.attempt("", o.state)
	switch o.state {
	case payment.Submitted, payment.Unknown:
	case payment.Accepted:
		attempt.State = payment.Unknown // to learn whether it can still be asked
	default:
		return nothing
	}
	next := promised.Next(attempt, s.engine.clock())
	switch {
	case next == payment.Resend && o.state != payment.Accepted && s.digests != nil && o.claim.payable():
		return resend
	case next == payment.Resend, next == payment.Ask:
		return enquire
	}
	return await
}

// page does what is to be done about a page, a round of calls after another: what is
// marked leaves at once.
func (s *sender[T]) page(ctx context.Context, orders []sealedOrder, choose func(*sealedOrder, payment.Capabilities) action) error {
	queues := map[string][]*sealedOrder{}
	for i := range orders {
		o := &orders[i]
		if o.state == payment.Cancelled || o.state.Dead() || o.state == payment.Settled {
			continue
		}
		name := o.order.Payout.Provider
		provider := s.channels.Providers[name]
		if provider == nil {
			if o.state != payment.Accepted {
				s.counts["no-channel"]++
			}
			continue
		}
		switch choose(o, provider.Capabilities()) {
		case nothing:
		case await:
			s.counts[string(payment.Await)]++
		default:
			queues[name] = append(queues[name], o)
		}
	}
	for _, name := range sortedKeys(queues) {
		provider := s.channels.Providers[name]
		size := max(1, provider.Capabilities().BatchSize) * max(1, s.channels.Parallel)
		for queue := queues[name]; len(queue) > 0; {
			if err := ctx.Err(); err != nil {
				return err
			}
			n := min(size, len(queue))
			if err := s.round(ctx, name, provider, queue[:n], choose); err != nil {
				return err
			}
			queue = queue[n:]
		}
	}
	return nil
}

// round reads some payments again, marks those that are handed over, makes the calls, and
// stores what was said.
func (s *sender[T]) round(ctx context.Context, name string, provider payment.Provider, orders []*sealedOrder, choose func(*sealedOrder, payment.Capabilities) action) error {
	set := payments[T]{engine: s.engine}
	ids, rows := make([]paymentID, len(orders)), make([]*paymentRow, 0, len(orders))
	for i, o := range orders {
		ids[i] = paymentID{o.batch, o.item}
	}
	if err := set.loadIDs(ctx, ids); err != nil {
		return err
	}
	for _, id := range ids {
		if p := set.known[id]; p != nil {
			rows = append(rows, p)
		}
	}
	if err := set.loadEntitlements(ctx, rows); err != nil {
		return err
	}
	promised, now := provider.Capabilities(), s.engine.clock().UTC()
	var calls []call
	var expect []Expected
	for i, o := range orders {
		p := set.known[ids[i]]
		if p == nil {
			continue
		}
		// The order is as it was held against what was approved; the rest is as it is now.
		o.paymentRow, o.claim = *p, *set.entitlements[p.key]
		c := call{action: choose(o, promised), order: o, transfer: payment.Transfer{Reference: o.order.Reference, Amount: o.order.Amount,
			To: payment.Account{Institution: name, Number: o.order.Payout.Account, Holder: o.order.Payout.Holder}}}
		switch {
		case c.action == nothing, c.action == await:
			continue
		case c.action == enquire:
			calls = append(calls, c)
			continue
		case !o.claim.payable():
			s.counts["blocked"]++
			continue
		case !promised.Accepts(c.transfer.Amount):
			s.counts[notSent]++
			continue
		}
		if p.handed == 0 {
			p.submitted = now
		}
		if p.state == payment.Created {
			p.state, p.changed = payment.Submitted, now
		}
		p.channel, p.sent, p.handed = name, now, p.handed+1
		set.touch(p)
		expect = append(expect, o.claim.expected())
		calls = append(calls, c)
	}
	if err := s.write(ctx, &set, postings{}, expect, "payments.sending"); err != nil {
		var stale *StaleError
		if errors.As(err, &stale) { // another process has these
			s.counts["taken"] += int64(len(calls))
			return nil
		}
		return err
	}
	return s.store(ctx, s.carry(ctx, name, provider, calls))
}

const notSent = "not-sent"

// call is what a provider is to do about one payment.
type call struct {
	action   action
	order    *sealedOrder
	transfer payment.Transfer
}

// judged is an answer of a provider with the promises by which it is judged.
type judged struct {
	channel  string
	answer   payment.Answer
	promised payment.Capabilities
	notSent  bool // nothing of a hand-over that was marked has left
	failed   bool // the enquiry failed
}

// carry makes the calls, several at once, and waits for them.
func (s *sender[T]) carry(ctx context.Context, name string, provider payment.Provider, calls []call) []judged {
	var all []judged
	var mu sync.Mutex
	var wait sync.WaitGroup
	promised := provider.Capabilities()
	parallel := max(1, s.channels.Parallel)
	for part := range parallel {
		wait.Go(func() {
			from, to := share(len(calls), part, parallel)
			some := s.some(ctx, provider, promised, calls[from:to])
			mu.Lock()
			defer mu.Unlock()
			for _, j := range some {
				j.channel, j.promised = name, promised
				all = append(all, j)
			}
		})
	}
	wait.Wait()
	return all
}

// some makes the calls of one goroutine. Whether an order may still be sent again is
// asked once more, just before it leaves.
func (s *sender[T]) some(ctx context.Context, provider payment.Provider, promised payment.Capabilities, calls []call) []judged {
	var said []judged
	var orders []payment.Transfer
	now := s.engine.clock().UTC()
	for _, c := range calls {
		reference := c.transfer.Reference
		switch {
		case c.action == enquire: // after what is marked has left
		case c.action == resend && promised.Next(c.order.attempt(reference, payment.Unknown), s.engine.clock()) != payment.Resend:
			said = append(said, judged{answer: payment.Answer{Reference: reference}, notSent: true})
		default:
			orders = append(orders, c.transfer)
		}
	}
	for _, out := range payment.Dispatch(ctx, provider, orders, now, now) {
		out.Answer.Reference = out.Reference // no answer is an unclear one
		said = append(said, judged{answer: out.Answer, notSent: out.NotSent})
	}
	for _, c := range calls {
		if c.action != enquire || ctx.Err() != nil {
			continue
		}
		answer, err := provider.Enquire(ctx, c.transfer.Reference)
		failed := err != nil || answer.Reference != c.transfer.Reference
		answer.Reference = c.transfer.Reference
		said = append(said, judged{answer: answer, failed: failed})
	}
	return said
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
	references, theirs := make([]string, len(said)), make([]theirsKey, len(said))
	for i, j := range said {
		references[i], theirs[i] = j.answer.Reference, theirsKey{j.channel, j.answer.Theirs}
	}
	for tries := 0; ; tries++ {
		set, posts, counts := payments[T]{engine: s.engine}, postings{}, Counts{}
		if err := set.load(ctx, references); err != nil {
			return err
		}
		if err := set.loadTheirs(ctx, theirs); err != nil {
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
		err := s.write(ctx, &set, posts, nil, "payments.answered")
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
	case j.notSent:
		if p.handed--; p.handed < 0 {
			return "", errors.New("program: a hand-over was taken back that was not marked")
		}
		set.touch(p)
		return notSent, nil
	case j.failed && set.state(p) == payment.Submitted:
		j.answer.Standing = payment.Unclear
	case j.failed:
		return "unanswered", nil
	}
	return set.take(p, j.channel, j.answer, j.promised, s.proofs[j.channel].of(p.amount), posts)
}

// write stores the payments that changed.
func (s *sender[T]) write(ctx context.Context, set *payments[T], posts postings, expect []Expected, kind string) error {
	w, err := set.written()
	if err != nil || len(w.rows) == 0 {
		return err
	}
	c := Change{Rows: sorted(w.rows), Expect: append(w.expect, expect...), Postings: posts.posting()}
	if len(c.Postings) > 0 {
		id, err := s.engine.ids.next(s.engine.clock())
		if err != nil {
			return err
		}
		c.Postings[0].ID = "answers/" + id.String()
	}
	cmd := command{By{Actor: s.by.Actor}, kind, nil}
	_, err = s.engine.carryOut(ctx, cmd, c, kind, map[string]any{"batches": w.moved})
	return err
}
