package program

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/program/lifecycle"
)

// Fund appropriates money to the program's budget. Entitlements can never add
// up to more than what was appropriated.
func (e *Engine[T]) Fund(ctx context.Context, by By, amount payment.Money) error {
	cmd := command{by, "fund", amount}
	if done, err := e.answered(ctx, cmd); done || err != nil {
		return err
	}
	if amount.Units <= 0 || amount.Units > 1<<60 {
		return &FieldError{"amount", "is above zero and at most 2^60 minor units"}
	}
	id, err := e.ids.next(e.clock())
	if err != nil {
		return err
	}
	_, err = e.carryOut(ctx, cmd, Change{Postings: []ledger.Posting{{ID: "fund/" + id.String(), Legs: []ledger.Leg{
		{Account: budgetGiven, Amount: -amount.Units, Bounds: ledger.Free()},
		{Account: budgetLeft, Amount: amount.Units, Bounds: ledger.AtLeast(0)},
	}}}}, "funded", map[string]any{"units": amount.Units, "currency": amount.Currency})
	return err
}

// Batch is a set of payments that is approved as a whole or not at all.
type Batch struct {
	Number     int64
	State      BatchState
	Benefit    string
	Instalment int
	Wave       int64
	Count      int64
	Total      payment.Money
	// Digest covers every payment of the batch, in order: reference, amount
	// and destination. It is what the approver approves.
	Digest             [32]byte
	Preparer, Approver string

	version int64
}

// BatchState is the state of a batch.
type BatchState string

// The states of a batch.
const (
	BatchPreparing BatchState = "preparing"
	BatchPrepared  BatchState = "prepared"
	BatchApproved  BatchState = "approved"
	BatchSubmitted BatchState = "submitted"
	BatchClosed    BatchState = "closed"
)

type batchEvent string

// BatchTable is the fixed lifecycle of a batch.
func BatchTable() lifecycle.Table[BatchState, batchEvent] {
	state := func(s BatchState, final bool) lifecycle.State[BatchState, batchEvent] {
		return lifecycle.State[BatchState, batchEvent]{State: s, Final: final, Next: lifecycle.Officer}
	}
	move := func(on batchEvent, to BatchState, from ...BatchState) lifecycle.Move[BatchState, batchEvent] {
		return lifecycle.Move[BatchState, batchEvent]{On: on, From: from, To: to}
	}
	return lifecycle.Table[BatchState, batchEvent]{
		Name: "batch", Version: 1, Start: BatchPreparing,
		States: []lifecycle.State[BatchState, batchEvent]{
			state(BatchPreparing, false), state(BatchPrepared, false), state(BatchApproved, false),
			state(BatchSubmitted, false), state(BatchClosed, true),
		},
		Moves: []lifecycle.Move[BatchState, batchEvent]{
			move("prepare", BatchPrepared, BatchPreparing), move("approve", BatchApproved, BatchPrepared),
			move("submit", BatchSubmitted, BatchApproved), move("close", BatchClosed, BatchSubmitted),
		},
	}
}

func (b *Batch) row() Row {
	return Row{Table: TableBatches, Version: b.version, Values: []any{
		b.Number, string(b.State), b.Benefit, int64(b.Instalment), b.Wave, b.Count, b.Total.Units, b.Total.Currency,
		b.Preparer, textValue(b.Approver), append([]byte(nil), b.Digest[:]...),
	}}
}

func batchOf(row Row) Batch {
	v := row.Values
	b := Batch{Number: intOf(v[0]), State: BatchState(textOf(v[1])), Benefit: textOf(v[2]), Instalment: int(intOf(v[3])), Wave: intOf(v[4]),
		Count: intOf(v[5]), Total: payment.Money{Units: intOf(v[6]), Currency: textOf(v[7])}, Preparer: textOf(v[8]), Approver: textOf(v[9]),
		version: row.Version}
	copy(b.Digest[:], bytesOf(v[10]))
	return b
}

// Batch reads a batch. The error is ErrNotFound if there is none.
func (e *Engine[T]) Batch(ctx context.Context, number int64) (Batch, error) {
	rows, err := e.store.Load(ctx, Query{Keys: []Key{{TableBatches, []any{number}}}})
	if err != nil {
		return Batch{}, err
	}
	if len(rows.Rows) == 0 {
		return Batch{}, fmt.Errorf("batch %d: %w", number, ErrNotFound)
	}
	return batchOf(rows.Rows[0]), nil
}

func (b *Batch) name() string { return strconv.FormatInt(b.Number, 10) }

// paying holds what an approved batch has reserved and not settled yet.
func (b *Batch) paying() ledger.Account {
	return ledger.Account("paying/" + b.Benefit + "/" + b.name())
}

func paidAccount(benefit string) ledger.Account { return ledger.Account("paid/" + benefit) }

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

// paymentRow is a payment as it is stored.
type paymentRow struct {
	batch, item int64
	state       payment.State
	key         entitlementKey
	generation  int64
	amount      payment.Money
	destination []byte
	code        string
	changed     time.Time
	version     int64
	touched     bool // is among what a chunk writes
	stored      []any
}

type entitlementKey struct {
	benefit string
	number  int64
	wave    int64
	person  uuid.UUID
}

func (p *paymentRow) row() Row {
	var ended any
	if !p.state.Live() {
		ended = p.changed.UnixMicro()
	}
	return changedRow(TablePayments, []any{
		p.batch, p.item, string(p.state), p.key.benefit, p.key.number, p.key.wave, idValue(p.key.person),
		p.generation, p.amount.Units, p.amount.Currency, p.destination, textValue(p.code), p.changed.UnixMicro(), ended,
	}, p.stored, p.version)
}

func paymentOf(row Row) paymentRow {
	v := row.Values
	return paymentRow{batch: intOf(v[0]), item: intOf(v[1]), state: payment.State(textOf(v[2])),
		key:        entitlementKey{textOf(v[3]), intOf(v[4]), intOf(v[5]), idOf(v[6])},
		generation: intOf(v[7]), amount: payment.Money{Units: intOf(v[8]), Currency: textOf(v[9])},
		destination: bytesOf(v[10]), code: textOf(v[11]), changed: moment(v[12]), version: row.Version, stored: v}
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
		Total: payment.Money{Currency: benefit.Amount.Currency}, Preparer: by.Actor}
	if before, err := e.Batch(ctx, order.Number); err == nil {
		b.Preparer = before.Preparer // who began it stays its preparer
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
	s.rows = append(s.rows, b.row())
	c := s.chunk(next, next == nil, len(due.entitlements))
	if next != nil {
		c.next = append(append(Cursor{}, next...), b.Count, b.Total.Units, b.version+1, append([]byte(nil), b.Digest[:]...))
	}
	if c.kind == "" {
		c.kind, c.data = "batch.prepared", map[string]any{"batch": b.Number, "count": b.Count, "units": b.Total.Units, "digest": hex.EncodeToString(b.Digest[:])}
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
}

// pay makes the payment of one entitlement, or counts why not.
func (p *preparer[T]) pay(row Row, c *Case[T]) error {
	a := &c.Application
	before, paidBefore := p.paid[a.Applicant]
	state, _ := p.engine.machine.State(a.State)
	switch {
	case dayOf(intOf(row.Values[6])).Compare(p.today) > 0:
		p.counts["not-due"]++
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
	if check := state.Check; check != nil {
		verdict := p.decider.decide(c, check.At).Verdict
		if verdict == eligibility.Ineligible {
			return p.check(c, check, &p.decider)
		}
		if verdict != eligibility.Eligible {
			p.counts["withheld"]++
			return nil
		}
	}
	return p.add(row, c, before.generation+1)
}

func (p *preparer[T]) add(row Row, c *Case[T], generation int64) error {
	b, payout := p.batch, &c.Applicant.Person.Payout
	amount := payment.Money{Units: intOf(row.Values[4]), Currency: textOf(row.Values[5])}
	item := paymentRow{batch: b.Number, item: b.Count + 1, state: payment.Created, generation: generation, amount: amount, changed: p.at,
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
	b.Count, b.Total = b.Count+1, total
	b.Digest = payment.NextDigest(b.Digest, payment.BatchItem{Reference: reference, Amount: amount,
		Destination: p.engine.keys.Index("destination", string(destination))})
	p.rows = append(p.rows, item.row())
	p.counts["payments"]++
	p.counts["payments_amount"] += amount.Units
	return nil
}

// ApproveBatch approves a prepared batch. The approver is not the preparer, and
// names the digest of what is approved. The batch's total is reserved out of
// what is entitled.
func (e *Engine[T]) ApproveBatch(ctx context.Context, by By, number int64, digest [32]byte) error {
	return e.moveBatch(ctx, by, number, "approve", digest, func(b *Batch, c *Change) error {
		if b.Preparer == by.Actor {
			return &FieldError{"By.Actor", "prepared the batch and cannot approve it"}
		}
		if b.Digest != digest {
			return &FieldError{"digest", "is not that of the prepared batch"}
		}
		b.Approver = by.Actor
		if b.Total.Units > 0 {
			posts := postings{}
			posts.move(entitledAccount(b.Benefit), b.paying(), b.Total.Units)
			c.Postings = posts.posting()
			c.Postings[0].ID = "batch/" + b.name() + "/approve"
		}
		return nil
	})
}

// moveBatch fires an event of the batch's lifecycle.
func (e *Engine[T]) moveBatch(ctx context.Context, by By, number int64, event batchEvent, payload any, change func(*Batch, *Change) error) error {
	cmd := command{by, "batch." + string(event), []any{number, payload}}
	if done, err := e.answered(ctx, cmd); done || err != nil {
		return err
	}
	b, err := e.Batch(ctx, number)
	if err != nil {
		return err
	}
	step, why := e.batches.Fire(b.State, event, nil, Moment{At: e.clock(), Actor: by.Actor}, nil)
	if len(why) > 0 {
		return &StateError{What: "batch " + b.name(), State: string(b.State), Event: string(event)}
	}
	b.State = step.To
	c := Change{}
	if change != nil {
		if err := change(&b, &c); err != nil {
			return err
		}
	}
	c.Rows = append(c.Rows, b.row())
	_, err = e.carryOut(ctx, cmd, c, "batch."+string(step.To), map[string]any{"batch": number, "count": b.Count, "units": b.Total.Units})
	return err
}

// SubmitBatch records that the payments of an approved batch are submitted. Only
// then may a file or a call with these payments leave: WriteBatch gives them.
func (e *Engine[T]) SubmitBatch(ctx context.Context, by By, number int64) error {
	return e.moveBatch(ctx, by, number, "submit", nil, nil)
}

// with returns the state of a payment whose batch is in the given state. What is
// approved and submitted as a batch is so as its payments: the row of a payment
// says "created" until something is known of it alone.
func (p *paymentRow) with(batch BatchState) payment.State {
	if p.state != payment.Created {
		return p.state
	}
	switch batch {
	case BatchApproved:
		return payment.Approved
	case BatchSubmitted, BatchClosed:
		return payment.Submitted
	}
	return payment.Created
}

// movedItems is how the journal writes what became of the items of a batch.
type movedItems struct {
	Batch int64              `json:"batch,omitempty"`
	Items map[string][]int64 `json:"items,omitempty"`
}

func (m *movedItems) add(state string, item int64) {
	if m.Items == nil {
		m.Items = map[string][]int64{}
	}
	m.Items[state] = append(m.Items[state], item)
}

// movePayment fires events of the payment's fixed lifecycle.
func (e *Engine[T]) movePayment(p *paymentRow, now time.Time, events ...payment.Event) error {
	for _, event := range events {
		step, why := e.payTable.Fire(p.state, event, nil, Moment{At: now}, nil)
		if len(why) > 0 {
			return &StateError{What: fmt.Sprintf("payment %d/%d", p.batch, p.item), State: string(p.state), Event: string(event)}
		}
		p.state, p.changed = step.To, now
	}
	return nil
}

// Order is one payment as it goes to a provider.
type Order struct {
	// Applicant is the internal id of the payee.
	Applicant uuid.UUID
	Reference string
	Amount    payment.Money
	Payout    Payout
}

// WriteBatch gives the submitted payments of a batch to write, in order: the
// same each time. What write does with the destination is its own
// responsibility: it is not sealed any more. After an error nothing that was
// written may be used: at the end it is a *NotApprovedError if what was given is
// not what was approved.
func (e *Engine[T]) WriteBatch(ctx context.Context, number int64, write func(Order) error) error {
	b, err := e.Batch(ctx, number)
	if err != nil {
		return err
	}
	if b.State != BatchSubmitted && b.State != BatchClosed {
		return &StateError{What: "batch " + b.name(), State: string(b.State), Event: "write"}
	}
	pages := newAhead(func(ctx context.Context, a ask) ([]sealedOrder, Cursor, error) { return e.sealedOrders(ctx, number, a) })
	defer pages.stop()
	var digest [32]byte
	a := ask{limit: e.chunk, first: true}
	for {
		orders, next, err := pages.get(ctx, a)
		if err != nil {
			return err
		}
		for _, o := range orders {
			order, destination, err := e.openOrder(&o)
			if err != nil {
				return fmt.Errorf("payment %d/%d: %w", o.batch, o.item, err)
			}
			digest = payment.NextDigest(digest, payment.BatchItem{Reference: order.Reference, Amount: order.Amount, Destination: destination})
			if err := write(order); err != nil {
				return err
			}
		}
		if next == nil {
			break
		}
		a = ask{after: next, limit: e.chunk}
	}
	if digest != b.Digest {
		return &NotApprovedError{Batch: number}
	}
	return nil
}

// NotApprovedError says that the stored payments of a batch are not those that
// were approved. Nothing that was written of them may be used.
type NotApprovedError struct{ Batch int64 }

func (e *NotApprovedError) Error() string {
	return fmt.Sprintf("program: batch %d: its payments are not those that were approved", e.Batch)
}

// sealedOrder is a payment with its person's wrapped key.
type sealedOrder struct {
	paymentRow
	wrapped []byte
}

func (e *Engine[T]) sealedOrders(ctx context.Context, batch int64, a ask) ([]sealedOrder, Cursor, error) {
	rows, next, err := e.store.Page(ctx, Scan{Table: TablePayments, Equal: []any{batch}, After: a.after, Limit: a.limit})
	if err != nil {
		return nil, nil, err
	}
	orders, keys := make([]sealedOrder, len(rows.Rows)), make([]Key, len(rows.Rows))
	for i, row := range rows.Rows {
		orders[i].paymentRow = paymentOf(row)
		keys[i] = Key{TablePersonKeys, []any{row.Values[6]}}
	}
	found, err := e.store.Load(ctx, Query{Keys: keys})
	if err != nil {
		return nil, nil, err
	}
	wrapped := make(map[uuid.UUID][]byte, len(rows.Rows))
	for _, row := range found.Rows {
		wrapped[idOf(row.Values[0])] = bytesOf(row.Values[1])
	}
	for i := range orders {
		orders[i].wrapped = wrapped[orders[i].key.person]
	}
	return orders, next, nil
}

// openOrder unseals where a payment goes, and returns the keyed digest of it.
func (e *Engine[T]) openOrder(o *sealedOrder) (Order, [32]byte, error) {
	reference, err := payment.Reference(o.batch, o.item, int(o.generation))
	if err != nil {
		return Order{}, [32]byte{}, err
	}
	key, err := e.keys.Unwrap(o.key.person, o.wrapped)
	if err != nil {
		return Order{}, [32]byte{}, err
	}
	aead, err := newAEAD(key)
	if err != nil {
		return Order{}, [32]byte{}, err
	}
	plain, err := unseal(aead, o.destination, boundTo(o.key.person, "destination/"+reference))
	if err != nil {
		return Order{}, [32]byte{}, err
	}
	r := textReader{plain, nil}
	order := Order{Applicant: o.key.person, Reference: reference, Amount: o.amount, Payout: payoutOf(&r)}
	return order, e.keys.Index("destination", string(plain)), r.err
}
