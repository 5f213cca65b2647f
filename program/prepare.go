package program

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/calendar"
)

// BatchOrder says which entitlements to pay: those of one benefit and number
// in a wave that are due.
type BatchOrder struct {
	Number     int64
	Wave       int64
	Benefit    string
	Instalment int
	// Again includes entitlements whose last payment was rejected or returned.
	// Without it only those that were never paid are taken.
	Again bool
}

// PrepareBatch makes a batch of the payments that are due, as a job under the
// batch's number: for every entitlement of the order whose case is payable and
// passes the payout check, and which no live payment settles already. Whoever is
// found ineligible goes the way of the check's branch and is not paid.
func (e *Engine[T]) PrepareBatch(ctx context.Context, by By, order BatchOrder) (Counts, error) {
	benefit, ok := e.program.Benefits.Find(order.Benefit)
	if !ok || benefit.Kind == payment.BalanceKind || order.Number < 1 || order.Instalment < 1 {
		return nil, &FieldError{"order", "names a cash benefit, one of its instalments, and a batch number of 1 or more"}
	}
	w, err := e.Wave(ctx, order.Wave)
	if err != nil {
		return nil, err
	}
	b := Batch{Number: order.Number, State: BatchPreparing, Benefit: order.Benefit, Instalment: order.Instalment, Wave: order.Wave,
		Total: payment.Money{Currency: benefit.Amount.Currency}}
	b.sign(rolePrepare, by)
	if before, err := e.Batch(ctx, order.Number); err == nil {
		b.Signatures = before.Signatures // who began it stays its preparer; who goes on is one too
		if hand := (payment.Signature{Role: rolePrepare, Actor: by.Actor, OnBehalf: by.OnBehalf}); !slices.Contains(b.Signatures, hand) {
			b.sign(rolePrepare, by)
		}
	} else if !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	job := "batch/" + b.name() + "/prepare"
	pages := newAhead(func(ctx context.Context, a ask) (duePage[T], Cursor, error) { return e.duePage(ctx, w, order, a) })
	defer pages.stop()
	return e.runJob(ctx, by, job, "prepare", order, func(ctx context.Context, ask ask) (chunk, error) {
		pages.drop(ask)
		if err := e.again(ctx, ask, &w); err != nil {
			return chunk{}, err
		}
		return e.prepareChunk(ctx, by, &w, b, order, ask, pages)
	})
}

// duePage is a page of entitlements with what must be known to pay them.
type duePage[T any] struct {
	entitlements []Row
	cases        []*Case[T]
	paid         map[uuid.UUID]paymentRow // the last payment of each, if it has any
}

func (e *Engine[T]) duePage(ctx context.Context, w Wave, order BatchOrder, a ask) (duePage[T], Cursor, error) {
	equal := []any{order.Benefit, int64(order.Instalment), order.Wave}
	due, next, err := e.store.Page(ctx, Scan{Table: TableEntitlements, Equal: equal, After: a.after, Limit: a.limit})
	if err != nil {
		return duePage[T]{}, nil, err
	}
	p := duePage[T]{entitlements: due.Rows}
	err = both(
		func() (err error) { p.cases, err = e.entitled(ctx, w, due.Rows); return err },
		func() (err error) { p.paid, err = e.payments(ctx, equal, due.Rows); return err },
	)
	return p, next, err
}

// prepareChunk carries the batch's running sums in the cursor: the row of the
// batch itself is written with each chunk.
func (e *Engine[T]) prepareChunk(ctx context.Context, by By, w *Wave, b Batch, order BatchOrder, a ask, pages *ahead[duePage[T]]) (chunk, error) {
	var after Cursor
	if a.after != nil {
		n := len(a.after) - 4
		after = a.after[:n]
		b.Count, b.Total.Units, b.version = intOf(a.after[n]), intOf(a.after[n+1]), intOf(a.after[n+2])
		copy(b.Digest[:], bytesOf(a.after[n+3]))
	}
	due, next, err := pages.get(ctx, ask{after: after, limit: a.limit, first: a.first})
	if err != nil {
		return chunk{}, err
	}
	s := e.newSteps(ctx, by.Actor, w)
	p := preparer[T]{steps: s, decider: decider[T]{engine: e, at: s.at}, batch: &b, order: order, paid: due.paid, today: calendar.DateOf(s.at, e.zone)}
	if p.accounts, err = e.accountBook(ctx, due.cases); err != nil {
		return chunk{}, err
	}
	for i, row := range due.entitlements {
		if a.refused != nil {
			s.counts["refused.bounds"]++
			continue
		}
		if err := p.pay(row, due.cases[i]); err != nil {
			return chunk{}, err
		}
	}
	if next == nil {
		b.State = BatchPrepared
	}
	row, err := b.row()
	if err != nil {
		return chunk{}, err
	}
	s.rows = append(s.rows, row)
	c := s.chunk(next, next == nil, len(due.entitlements))
	if next != nil {
		c.next = append(append(Cursor{}, next...), b.Count, b.Total.Units, b.version+1, append([]byte(nil), b.Digest[:]...))
	}
	if c.kind == "" {
		c.kind, c.data = "batch.prepared", batchNote(&b)
	} else {
		c.data = struct {
			stepData
			Batch int64 `json:"batch"`
			Count int64 `json:"count"`
		}{s.data(), b.Number, b.Count}
	}
	return c, nil
}

// entitled reads the cases to which entitlements belong, in their order, and
// their applicants.
func (e *Engine[T]) entitled(ctx context.Context, w Wave, rows []Row) ([]*Case[T], error) {
	keys, ids := make([]Key, len(rows)), make([]uuid.UUID, len(rows))
	for i, row := range rows {
		ids[i] = idOf(row.Values[3])
		keys[i] = applicationKey(intOf(row.Values[2]), ids[i])
	}
	var found Rows
	var people map[uuid.UUID]*Applicant[T]
	if err := both(
		func() (err error) { found, err = e.store.Load(ctx, Query{Keys: keys}); return err },
		func() (err error) { people, err = e.people(ctx, ids); return err },
	); err != nil {
		return nil, err
	}
	byID := make(map[uuid.UUID]*Case[T], len(rows))
	for _, row := range found.Rows {
		a, err := applicationOf(row, e.trail)
		if err != nil {
			return nil, err
		}
		byID[a.Applicant] = &Case[T]{Application: a, Wave: w, zone: e.zone}
	}
	cases := make([]*Case[T], len(rows))
	for i, id := range ids {
		c, person := byID[id], people[id]
		if c == nil || person == nil {
			return nil, errors.New("program: an entitlement has no application or no applicant")
		}
		c.Applicant = *person
		cases[i] = c
	}
	if slices.ContainsFunc(e.payoutStages(), e.asksLimits) {
		return cases, e.countAwards(ctx, cases)
	}
	return cases, nil
}

// payoutStages are the stages of the checks in payable states.
func (e *Engine[T]) payoutStages() []string {
	var stages []string
	for _, s := range e.program.Lifecycle.States {
		if s.Payable && s.Check != nil {
			stages = append(stages, s.Check.At)
		}
	}
	return stages
}

// payments reads the last payment of each entitlement, if it has any: both are
// in the same order.
func (e *Engine[T]) payments(ctx context.Context, equal []any, due []Row) (map[uuid.UUID]paymentRow, error) {
	last := map[uuid.UUID]paymentRow{}
	if len(due) == 0 {
		return last, nil
	}
	first, end := bytesOf(due[0].Values[3]), string(bytesOf(due[len(due)-1].Values[3]))
	// The cursor just before the first: generation 0 does not exist.
	cursor := append(append(Cursor{}, equal...), first, int64(0), int64(0), int64(0))
	for {
		rows, next, err := e.store.Page(ctx, Scan{Table: TablePayments, Index: 1, Equal: equal, After: cursor, Limit: len(due)})
		if err != nil {
			return nil, err
		}
		for _, row := range rows.Rows {
			p := paymentOf(row)
			if string(bytesOf(row.Values[6])) > end {
				return last, nil
			}
			if before := last[p.key.person]; before.marks.has(markStopped) { // it is stopped, whatever came after
				p.marks |= before.marks & (markStopped | markBlocked | markHonoured)
			}
			last[p.key.person] = p
		}
		if next == nil {
			return last, nil
		}
		cursor = next
	}
}

type preparer[T any] struct {
	*steps[T]
	decider decider[T]
	batch   *Batch
	order   BatchOrder
	paid    map[uuid.UUID]paymentRow
	today   calendar.Date
	// accounts are those that the chunk pays to, where accounts are counted.
	accounts *accountBook
}

// pay makes the payment of one entitlement, or counts why not.
func (p *preparer[T]) pay(row Row, c *Case[T]) error {
	a, claim := &c.Application, entitlementOf(row)
	before, paidBefore := p.paid[a.Applicant]
	state := p.engine.stateOf(a)
	switch {
	case dayOf(intOf(row.Values[6])).Compare(p.today) > 0:
		p.counts["not-due"]++
		return nil
	case claim.stopped > 0:
		p.counts[before.marks.why()]++
		return nil
	case !claim.lapsed.IsZero():
		p.counts["lapsed"]++
		return nil
	case paidBefore && (before.state.Live() || !p.order.Again):
		p.counts["paid-before"]++
		return nil
	case !state.Payable:
		p.counts["not-payable"]++
		return nil
	case c.Applicant.Person.Payout.Account.IsZero():
		p.counts["no-account"]++
		return nil
	}
	if why := p.engine.program.Payees.withheld(c.Applicant.Account, p.at); why != "" {
		p.counts[why]++
		return nil
	}
	if check := state.Check; check != nil {
		decision := p.decider.decide(c, check.At)
		if decision.Verdict == eligibility.Ineligible {
			return p.check(c, check, &p.decider)
		}
		if decision.Verdict != eligibility.Eligible {
			p.counts["withheld"]++
			return nil
		}
		if err := p.keep(c, decision, -p.batch.Number, decisionRecord(decision)); err != nil {
			return err
		}
	}
	return p.add(row, c, before.generation+1)
}

func (p *preparer[T]) add(row Row, c *Case[T], generation int64) error {
	b, payout := p.batch, &c.Applicant.Person.Payout
	amount := payment.Money{Units: intOf(row.Values[4]), Currency: textOf(row.Values[5])}
	item := paymentRow{payee: p.engine.payeeOf(&c.Applicant), batch: b.Number, item: b.Count + 1, state: payment.Created, generation: generation, amount: amount, changed: p.at,
		key: entitlementKey{p.order.Benefit, int64(p.order.Instalment), c.Application.Wave, c.Application.Applicant}}
	reference, err := payment.Reference(item.batch, item.item, int(generation))
	if err != nil {
		return err
	}
	var destination []byte
	for _, s := range []string{payout.Provider, payout.Account.Reveal(), payout.Holder.Reveal()} {
		destination = appendText(destination, s)
	}
	if item.destination, err = seal(c.Applicant.aead, p.engine.random, destination, boundTo(item.key.person, "destination/"+reference)); err != nil {
		return err
	}
	total, err := b.Total.Add(amount)
	if err != nil {
		return err
	}
	digest, err := ownMark(c.Applicant.key, "destination", string(destination))
	if err != nil {
		return err
	}
	b.Count, b.Total = b.Count+1, total
	b.Digest = payment.NextDigest(b.Digest, payment.BatchItem{Reference: reference, Amount: amount, Destination: digest})
	if err := p.countAccount(&item, payout); err != nil {
		return err
	}
	p.engine.program.Caps.prepared(&item, p.posts)
	p.rows = append(p.rows, item.row())
	if claim := entitlementOf(row); p.engine.mayLapse(&claim, p.today.AddDays(1)) {
		p.rows = append(p.rows, claim.row()) // of a lapse at the same time one is first
	}
	p.counts["payments"]++
	p.counts["payments_amount"] += amount.Units
	return nil
}
