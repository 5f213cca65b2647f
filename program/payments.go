package program

import (
	"cmp"
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
	if err := e.program.inCurrency(amount); err != nil {
		return err
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
	code        string // the bank's, of a rejection or a return
	changed     time.Time
	marks       marks
	proposal    []byte
	// What was sent by calls: through which channel, when it was first and last marked
	// to be handed over, and how many hand-overs may have left.
	channel         string
	submitted, sent time.Time
	handed          int64
	// Lines of statements that have shown a debit or a credit with its reference.
	debits, credits int64
	account, payee  uuid.UUID // internal ids of the account it goes to and of whom the caps count, where they do
	claimDue        time.Time // until when it is to be paid back; zero: it was not claimed
	version         int64
	touched         bool // is among what a chunk writes
	stored          []any
}

func (p *paymentRow) name() string { return fmt.Sprintf("payment %d/%d", p.batch, p.item) }

func (p *paymentRow) row() Row {
	var ended any
	if !p.state.Live() {
		ended = p.changed.UnixMicro()
	}
	return changedRow(TablePayments, []any{
		p.batch, p.item, string(p.state), p.key.benefit, p.key.number, p.key.wave, idValue(p.key.person),
		p.generation, p.amount.Units, p.amount.Currency, p.destination, textValue(p.code), p.changed.UnixMicro(), ended, micros(p.submitted),
		int64(p.marks), bytesValue(p.proposal), textValue(p.channel), micros(p.sent), p.handed, p.debits, p.credits, idValue(p.account), idValue(p.payee), micros(p.claimDue),
	}, p.stored, p.version)
}

func paymentOf(row Row) paymentRow {
	v := row.Values
	return paymentRow{batch: intOf(v[0]), item: intOf(v[1]), state: payment.State(textOf(v[2])),
		key:        entitlementKey{textOf(v[3]), intOf(v[4]), intOf(v[5]), idOf(v[6])},
		generation: intOf(v[7]), amount: payment.Money{Units: intOf(v[8]), Currency: textOf(v[9])},
		destination: bytesOf(v[10]), code: textOf(v[11]), changed: moment(v[12]), submitted: moment(v[14]),
		marks: marks(intOf(v[15])), proposal: bytesOf(v[16]), channel: textOf(v[17]), sent: moment(v[18]), handed: intOf(v[19]),
		debits: intOf(v[20]), credits: intOf(v[21]), account: idOf(v[22]), payee: idOf(v[23]), claimDue: moment(v[24]), version: row.Version, stored: v}
}

// found is what a line of a statement is held against. What is sent by calls, and was
// not, the bank cannot rightly pay.
func (p *paymentRow) found(b *Batch) payment.Found {
	f := payment.Found{State: p.with(b), Amount: p.amount, Debited: p.debits > 0, Credited: p.credits > 0 && p.credits >= p.debits,
		Twice: p.debits-p.credits > 1}
	if f.State == payment.Submitted && b.File == [32]byte{} && p.handed == 0 {
		f.State = payment.Approved
	}
	return f
}

// attempt is what answers are judged by.
func (p *paymentRow) attempt(reference string, state payment.State) payment.Attempt {
	return payment.Attempt{Reference: reference, State: state, Submitted: p.submitted, Last: p.sent,
		Paid: p.marks.has(markSaidPaid), Blocked: p.marks.has(markBlocked)}
}

// marks are what the engine keeps of a payment beside its state.
type marks int64

const (
	// markHeld: it was held back, and is no part of its batch any more.
	markHeld marks = 1 << iota
	// markStopped: it keeps its entitlement from being paid until two people decide
	// (entitlementRow.stopped counts it).
	markStopped
	// markBlocked: a statement shows a debit for it that is not simply its own: one
	// too many, of another amount, to another account, or of what was dead or not sent.
	markBlocked
	// markSaidPaid: the bank has said once that it executed the order.
	markSaidPaid
	// markHonoured: it is dead, but two people took a debit for it as rightly paid.
	markHonoured
	// markRepaid: what was claimed back has come.
	markRepaid
	// markCapPerson and markCapAccount: it counts against these caps.
	markCapPerson
	markCapAccount
)

func (m marks) has(some marks) bool { return m&some == some }

// why names what stops an entitlement.
func (m marks) why() string {
	switch {
	case m.has(markHonoured):
		return "paid-before"
	case m.has(markBlocked):
		return "blocked"
	}
	return "held"
}

// with returns the state of a payment whose batch is in the given state. What is
// approved and submitted as a batch is so as its payments: the row of a payment
// says "created" until something is known of it alone, and what is known of a batch's file
// is known of its payments.
func (p *paymentRow) with(b *Batch) payment.State {
	if p.state != payment.Created {
		return p.state
	}
	switch b.State {
	case BatchApproved:
		return payment.Approved
	case BatchSubmitted, BatchClosed:
		return b.ofOrders()
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
		p.state, p.changed, p.proposal = step.To, now, nil
	}
	return nil
}

// payments are those that a chunk of lines or answers is about.
type payments[T any] struct {
	engine       *Engine[T]
	known        map[paymentID]*paymentRow
	batches      map[int64]*batchSeen
	entitlements map[entitlementKey]*entitlementRow
	theirs       map[theirsKey]*theirsRow
	changed      []*paymentRow
}

type paymentID struct{ batch, item int64 }

// batchSeen is a batch that a chunk has read. Fenced: nobody releases it, or uploads its file,
// on what was read before the chunk. One that is approved, or whose file is yet to be uploaded, is
// written as it is; one that is not approved must still not be.
type batchSeen struct {
	Batch
	fenced bool
}

func (b *batchSeen) rewritten() bool { return b.State == BatchApproved || b.unsent() }

type theirsKey struct{ channel, theirs string }

// theirsRow says which payment a provider's reference is of; a zero one is of several.
type theirsRow struct {
	of      paymentID
	version int64
	touched bool
}

// load reads the payments with the references; others are left out.
func (s *payments[T]) load(ctx context.Context, references []string) error {
	ids := make([]paymentID, 0, len(references))
	for _, reference := range references {
		if batch, item, _, err := payment.ParseReference(reference); err == nil {
			ids = append(ids, paymentID{batch, item})
		}
	}
	return s.loadIDs(ctx, ids)
}

// loadIDs reads payments that were not read yet, and their batches.
func (s *payments[T]) loadIDs(ctx context.Context, ids []paymentID) error {
	if s.known == nil {
		s.known, s.batches = make(map[paymentID]*paymentRow, len(ids)), map[int64]*batchSeen{}
	}
	var keys, batches []Key
	for _, id := range ids {
		if _, asked := s.known[id]; !asked {
			s.known[id] = nil
			keys = append(keys, Key{TablePayments, []any{id.batch, id.item}})
		}
	}
	if len(keys) == 0 {
		return nil
	}
	rows, err := s.engine.store.Load(ctx, Query{Keys: keys})
	if err != nil {
		return err
	}
	for _, row := range rows.Rows {
		p := paymentOf(row)
		s.known[paymentID{p.batch, p.item}] = &p
		if _, asked := s.batches[p.batch]; !asked {
			s.batches[p.batch] = nil
			batches = append(batches, Key{TableBatches, []any{p.batch}})
		}
	}
	if rows, err = s.engine.store.Load(ctx, Query{Keys: batches}); err != nil {
		return err
	}
	for _, row := range rows.Rows {
		b, err := batchOf(row)
		if err != nil {
			return err
		}
		s.batches[b.Number] = &batchSeen{Batch: b}
	}
	for _, key := range batches {
		if n := intOf(key.Values[0]); s.batches[n] == nil {
			return fmt.Errorf("batch %d: %w", n, ErrNotFound)
		}
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
func (s *payments[T]) state(p *paymentRow) payment.State { return p.with(&s.batches[p.batch].Batch) }

// loadTheirs reads whose a channel's own references are.
func (s *payments[T]) loadTheirs(ctx context.Context, wanted []theirsKey) error {
	if s.theirs == nil {
		s.theirs = map[theirsKey]*theirsRow{}
	}
	var keys []Key
	for _, k := range wanted {
		if _, asked := s.theirs[k]; !asked && k.channel != "" && k.theirs != "" {
			s.theirs[k] = &theirsRow{}
			keys = append(keys, Key{TableProviderReferences, []any{k.channel, k.theirs}})
		}
	}
	if len(keys) == 0 {
		return nil
	}
	rows, err := s.engine.store.Load(ctx, Query{Keys: keys})
	for _, row := range rows.Rows {
		v := row.Values
		*s.theirs[theirsKey{textOf(v[0]), textOf(v[1])}] = theirsRow{of: paymentID{intOf(v[2]), intOf(v[3])}, version: row.Version}
	}
	return err
}

// refer keeps a channel's own reference of a payment, which was loaded before. One that
// two payments have is nobody's.
func (s *payments[T]) refer(k theirsKey, p *paymentRow) {
	row := s.theirs[k]
	id := paymentID{p.batch, p.item}
	if row == nil || row.of == id || row.of == (paymentID{}) && (row.version > 0 || row.touched) {
		return
	}
	if row.of != (paymentID{}) {
		id = paymentID{}
	}
	row.of, row.touched = id, true
}

// follow takes over what the chunk before leaves behind.
func (s *payments[T]) follow(before *payments[T]) {
	for _, p := range before.changed {
		id := paymentID{p.batch, p.item}
		if _, asked := s.known[id]; asked {
			next := *p
			next.version, next.touched, next.stored = p.version+1, false, p.row().Values
			s.known[id] = &next
		}
	}
	for k, row := range before.entitlements {
		if row.touched {
			next := *row
			next.version, next.touched, next.stored = row.version+1, false, row.row().Values
			s.setEntitlement(k, &next)
		}
	}
	for n, b := range before.batches {
		if own := s.batches[n]; b != nil && b.fenced && b.rewritten() && own != nil {
			own.version = b.version + 1
		}
	}
	for k, row := range before.theirs {
		if own := s.theirs[k]; row.touched && own != nil {
			*own = theirsRow{of: row.of, version: row.version + 1}
		}
	}
}

// take judges an answer about a payment and carries out what follows. It returns what
// became of it: "incident", "unchanged", or its new state. From is who has answered: what
// was not given to them, they say nothing of, which is "foreign".
func (s *payments[T]) take(p *paymentRow, from string, answer payment.Answer, promised payment.Capabilities, proof payment.Proof, posts postings) (string, error) {
	b := s.batches[p.batch]
	if given := cmp.Or(p.channel, b.To); given != from || given == "" {
		return foreign, nil
	}
	now, state := s.engine.clock().UTC(), s.state(p)
	out := promised.Judge(p.attempt(answer.Reference, state), answer, proof, now)
	if answer.Standing != payment.Absent && answer.Standing != payment.Unclear {
		s.refer(theirsKey{from, answer.Theirs}, p)
	}
	if out.Incident {
		return incident, nil
	}
	if answer.Standing == payment.Paid && !p.marks.has(markSaidPaid) && state.Live() {
		p.marks |= markSaidPaid
		p.proposal = nil // what one person may have proposed, without knowing
		s.touch(p)
	}
	if out.Event == "" {
		if state != payment.Accepted || p.state == payment.Accepted || answer.Standing != payment.Taken && answer.Standing != payment.Paid {
			return "unchanged", nil
		}
		p.state, p.changed = state, now // known of its file before, and now of itself
		s.touch(p)
		return string(state), nil
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

const (
	incident = "incident"
	foreign  = "foreign"
)

func (s *payments[T]) touch(p *paymentRow) {
	if !p.touched {
		p.touched = true
		s.changed = append(s.changed, p)
	}
}

// written is what a set of payments writes.
type written struct {
	rows   []Row
	expect []Expected
	moved  []*movedItems // what the journal says of it
}

func (s *payments[T]) written() (w written, err error) {
	items := map[int64]*movedItems{}
	for _, p := range s.changed {
		w.rows = append(w.rows, p.row())
		if items[p.batch] == nil {
			items[p.batch] = &movedItems{Batch: p.batch}
			w.moved = append(w.moved, items[p.batch])
		}
		became := string(p.state)
		if p.marks.has(markBlocked | markStopped) {
			became = "blocked"
		}
		items[p.batch].add(became, p.item)
	}
	for _, row := range s.entitlements {
		if row.touched {
			w.rows = append(w.rows, row.row())
		}
	}
	for _, b := range s.batches {
		switch {
		case b == nil || !b.fenced:
		case b.rewritten():
			row, err := b.row()
			if err != nil {
				return written{}, err
			}
			w.rows = append(w.rows, row)
		default:
			w.expect = append(w.expect, Expected{Key: Key{TableBatches, []any{b.Number}}, Version: b.version})
		}
	}
	for k, row := range s.theirs {
		if row.touched {
			w.rows = append(w.rows, Row{Table: TableProviderReferences, Version: row.version, Values: []any{k.channel, k.theirs, row.of.batch, row.of.item}})
		}
	}
	return w, nil
}
