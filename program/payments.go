package program

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/ledger"
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
	submitted   time.Time // when it was first marked to be sent by a call; zero if it was not
	version     int64
	touched     bool // is among what a chunk writes
	stored      []any
}

func (p *paymentRow) name() string { return fmt.Sprintf("payment %d/%d", p.batch, p.item) }

type entitlementKey struct {
	benefit string
	number  int64
	wave    int64
	person  uuid.UUID
}

func (p *paymentRow) row() Row {
	var ended, submitted any
	if !p.state.Live() {
		ended = p.changed.UnixMicro()
	}
	if !p.submitted.IsZero() {
		submitted = p.submitted.UnixMicro()
	}
	return changedRow(TablePayments, []any{
		p.batch, p.item, string(p.state), p.key.benefit, p.key.number, p.key.wave, idValue(p.key.person),
		p.generation, p.amount.Units, p.amount.Currency, p.destination, textValue(p.code), p.changed.UnixMicro(), ended, submitted,
	}, p.stored, p.version)
}

func paymentOf(row Row) paymentRow {
	v := row.Values
	p := paymentRow{batch: intOf(v[0]), item: intOf(v[1]), state: payment.State(textOf(v[2])),
		key:        entitlementKey{textOf(v[3]), intOf(v[4]), intOf(v[5]), idOf(v[6])},
		generation: intOf(v[7]), amount: payment.Money{Units: intOf(v[8]), Currency: textOf(v[9])},
		destination: bytesOf(v[10]), code: textOf(v[11]), changed: moment(v[12]), version: row.Version, stored: v}
	if v[14] != nil {
		p.submitted = moment(v[14])
	}
	return p
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
			return &StateError{What: p.name(), State: string(p.state), Event: string(event)}
		}
		p.state, p.changed = step.To, now
	}
	return nil
}

// payments are those that a chunk of lines or answers is about.
type payments[T any] struct {
	engine  *Engine[T]
	known   map[paymentID]*paymentRow
	batches map[int64]BatchState
	changed []*paymentRow
}

type paymentID struct{ batch, item int64 }

// load reads the payments with the references; others are left out.
func (s *payments[T]) load(ctx context.Context, references []string) error {
	s.known = make(map[paymentID]*paymentRow, len(references))
	var keys []Key
	for _, reference := range references {
		batch, item, _, err := payment.ParseReference(reference)
		if err != nil {
			continue
		}
		if _, asked := s.known[paymentID{batch, item}]; !asked {
			s.known[paymentID{batch, item}] = nil
			keys = append(keys, Key{TablePayments, []any{batch, item}})
		}
	}
	rows, err := s.engine.store.Load(ctx, Query{Keys: keys})
	if err != nil {
		return err
	}
	s.batches = map[int64]BatchState{}
	var batches []Key
	for _, row := range rows.Rows {
		p := paymentOf(row)
		s.known[paymentID{p.batch, p.item}] = &p
		if _, asked := s.batches[p.batch]; !asked {
			s.batches[p.batch] = ""
			batches = append(batches, Key{TableBatches, []any{p.batch}})
		}
	}
	rows, err = s.engine.store.Load(ctx, Query{Keys: batches})
	if err != nil {
		return err
	}
	for _, row := range rows.Rows {
		s.batches[intOf(row.Values[0])] = BatchState(textOf(row.Values[1]))
	}
	return nil
}

// find returns the payment with the reference, nil if there is none.
func (s *payments[T]) find(reference string) *paymentRow {
	batch, item, generation, err := payment.ParseReference(reference)
	p := s.known[paymentID{batch, item}]
	if err != nil || p == nil || p.generation != int64(generation) {
		return nil
	}
	return p
}

// state is a payment's state: until something is known of it alone, it goes
// with its batch.
func (s *payments[T]) state(p *paymentRow) payment.State { return p.with(s.batches[p.batch]) }

// follow takes over the payments as the chunk before leaves them.
func (s *payments[T]) follow(before *payments[T]) {
	for _, p := range before.changed {
		id := paymentID{p.batch, p.item}
		if _, asked := s.known[id]; asked {
			next := *p
			next.version, next.touched, next.stored = p.version+1, false, p.row().Values
			s.known[id] = &next
		}
	}
}

// take judges an answer about a payment and carries out what follows. It returns what
// became of it: "incident", "unchanged", or its new state.
func (s *payments[T]) take(p *paymentRow, answer payment.Answer, promised payment.Capabilities, proof payment.Proof, posts postings) (string, error) {
	now, state := s.engine.clock().UTC(), s.state(p)
	attempt := payment.Attempt{Reference: answer.Reference, State: state, Submitted: p.submitted, Paid: p.mark() == markSaidPaid}
	out := promised.Judge(attempt, answer, proof, now)
	if out.Incident {
		return "incident", nil
	}
	if answer.Standing == payment.Paid && (p.mark() == "" || p.mark() == markNotSent) && state.Live() {
		p.code = string(markSaidPaid) // which ends what one person may have proposed
		s.touch(p)
	}
	if out.Event == "" {
		return "unchanged", nil
	}
	p.state = state
	if err := s.engine.movePayment(p, now, out.Event); err != nil {
		return "", err
	}
	if out.Event == payment.Reject {
		p.code = answer.Code
		posts.move(payingAccount(p.key.benefit, p.batch), entitledAccount(p.key.benefit), p.amount.Units)
		s.engine.program.Caps.dead(p, posts)
	}
	s.touch(p)
	return string(p.state), nil
}

func (s *payments[T]) touch(p *paymentRow) {
	if !p.touched {
		p.touched = true
		s.changed = append(s.changed, p)
	}
}

// written returns the rows of the payments that changed, and what the journal says
// of them.
func (s *payments[T]) written() (rows []Row, moved []*movedItems) {
	items := map[int64]*movedItems{}
	for _, p := range s.changed {
		rows = append(rows, p.row())
		if items[p.batch] == nil {
			items[p.batch] = &movedItems{Batch: p.batch}
			moved = append(moved, items[p.batch])
		}
		became := string(p.state)
		if p.mark() == markBlocked {
			became = string(markBlocked)
		}
		items[p.batch].add(became, p.item)
	}
	return rows, moved
}
