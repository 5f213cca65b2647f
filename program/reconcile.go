package program

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/ledger"
)

// Statement is what a bank or wallet says happened on the agency's account.
type Statement struct {
	ID string
	// Account is the agency's own name for its account, not the number.
	Account string
	// Sequence counts the account's statements, without gaps.
	Sequence         int64
	Opening, Closing payment.Money
	// Digest is the SHA-256 of the file: a file is taken once.
	Digest [32]byte
	// Lines gives the lines in order; each call gives them from the start.
	Lines func() iter.Seq2[payment.Line, error]
}

// SeenError says that a statement with the same digest was taken before, under
// another job.
type SeenError struct{ Statement string }

func (e *SeenError) Error() string {
	return fmt.Sprintf("program: statement %s was taken before", e.Statement)
}

// Reconcile takes a statement, as a job: first the whole is checked (the sums,
// the opening against the last closing, the sequence), then every line is matched
// exactly with a payment and put into one class. Payments are settled or
// returned; lines of every other class change nothing and are counted under
// "class.CLASS" and listed in the journal. A statement that does not pass as a
// whole is a *payment.GateError or a *SeenError, and nothing of it is taken.
func (e *Engine[T]) Reconcile(ctx context.Context, by By, job string, st Statement) (Counts, error) {
	if _, finished, err := e.JobStatus(ctx, job); errors.Is(err, ErrNotFound) {
		if err := e.gate(ctx, st); err != nil {
			return nil, err
		}
	} else if err != nil || finished {
		return e.runJob(ctx, by, job, "reconcile", st.Digest, nil)
	}
	lines := &lineReader{st: st}
	defer lines.close()
	var before *matcher[T] // of the chunk before, which may not be written yet
	return e.runJob(ctx, by, job, "reconcile", st.Digest, func(ctx context.Context, a ask) (chunk, error) {
		var done int64
		if a.after != nil {
			done = intOf(a.after[0])
		}
		some, err := lines.from(done, a.limit)
		if err != nil {
			return chunk{}, err
		}
		m := matcher[T]{engine: e, st: st, first: done, posts: postings{}, counts: Counts{doneCount: int64(len(some))}}
		if err := m.load(ctx, some); err != nil {
			return chunk{}, err
		}
		if !a.first && before != nil && before.last == done {
			m.follow(before)
		}
		if err := m.match(some, a.refused); err != nil {
			return chunk{}, err
		}
		m.last, before = done+int64(len(some)), &m
		return m.chunk(m.last, len(some) < a.limit), nil
	})
}

// gate checks a statement as a whole. The first statement of an account begins
// the books: its own opening and number are taken.
func (e *Engine[T]) gate(ctx context.Context, st Statement) error {
	sums := payment.Statement{Sequence: st.Sequence, Opening: st.Opening, Closing: st.Closing, Net: payment.Money{Currency: st.Opening.Currency}}
	for line, err := range st.Lines() {
		if err != nil {
			return err
		}
		if line.Credit {
			sums.Net, err = sums.Net.Add(line.Amount)
		} else {
			sums.Net, err = sums.Net.Sub(line.Amount)
		}
		if err != nil {
			return err
		}
	}
	last := payment.Last{Sequence: st.Sequence - 1, Closing: st.Opening}
	seen := false
	var after Cursor
	for {
		rows, next, err := e.store.Page(ctx, Scan{Table: TableStatements, After: after, Limit: e.chunk})
		if err != nil {
			return err
		}
		for _, row := range rows.Rows {
			if string(bytesOf(row.Values[0])) == string(st.Digest[:]) {
				return &SeenError{Statement: st.ID}
			}
			if textOf(row.Values[1]) == st.Account && (!seen || intOf(row.Values[2]) > last.Sequence) {
				seen = true
				last = payment.Last{Sequence: intOf(row.Values[2]), Closing: payment.Money{Units: intOf(row.Values[4]), Currency: st.Opening.Currency}}
			}
		}
		if next == nil {
			return last.Gate(sums)
		}
		after = next
	}
}

// lineReader reads a statement's lines onwards, and anew when a job goes back.
type lineReader struct {
	st   Statement
	at   int64
	next func() (payment.Line, error, bool)
	stop func()
}

func (r *lineReader) from(position int64, limit int) ([]payment.Line, error) {
	if r.next == nil || position != r.at {
		r.close()
		r.next, r.stop = iter.Pull2(r.st.Lines())
		for r.at = 0; r.at < position; r.at++ {
			if _, err, ok := r.next(); err != nil || !ok {
				return nil, errors.Join(err, errShort)
			}
		}
	}
	some := make([]payment.Line, 0, limit)
	for len(some) < limit {
		line, err, ok := r.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		some = append(some, line)
		r.at++
	}
	return some, nil
}

func (r *lineReader) close() {
	if r.stop != nil {
		r.stop()
	}
	r.next, r.stop, r.at = nil, nil, 0
}

// ClassRefused is the class of a line that the ledger refused to post.
const ClassRefused payment.Class = "refused"

type paymentID struct{ batch, item int64 }

// matcher puts the lines of a chunk into classes.
type matcher[T any] struct {
	engine   *Engine[T]
	st       Statement
	first    int64
	last     int64
	payments map[paymentID]*paymentRow
	batches  map[int64]BatchState
	changed  []*paymentRow
	posts    postings
	counts   Counts
	others   []lineNote
}

// lineNote lists a line that is not simply matched.
type lineNote struct {
	Line  int64         `json:"line"`
	Class payment.Class `json:"class"`
	Batch int64         `json:"batch,omitempty"`
	Item  int64         `json:"item,omitempty"`
}

func (m *matcher[T]) load(ctx context.Context, lines []payment.Line) error {
	m.payments = make(map[paymentID]*paymentRow, len(lines))
	var keys []Key
	for _, line := range lines {
		batch, item, _, err := payment.ParseReference(line.Reference)
		if err != nil {
			continue
		}
		if _, asked := m.payments[paymentID{batch, item}]; !asked {
			m.payments[paymentID{batch, item}] = nil
			keys = append(keys, Key{TablePayments, []any{batch, item}})
		}
	}
	rows, err := m.engine.store.Load(ctx, Query{Keys: keys})
	if err != nil {
		return err
	}
	m.batches = map[int64]BatchState{}
	var batches []Key
	for _, row := range rows.Rows {
		p := paymentOf(row)
		m.payments[paymentID{p.batch, p.item}] = &p
		if _, asked := m.batches[p.batch]; !asked {
			m.batches[p.batch] = ""
			batches = append(batches, Key{TableBatches, []any{p.batch}})
		}
	}
	rows, err = m.engine.store.Load(ctx, Query{Keys: batches})
	for _, row := range rows.Rows {
		b := batchOf(row)
		m.batches[b.Number] = b.State
	}
	return err
}

// state is a payment's state: until something is known of it alone, it goes
// with its batch.
func (m *matcher[T]) state(p *paymentRow) payment.State { return p.with(m.batches[p.batch]) }

// follow takes over the payments as the chunk before leaves them.
func (m *matcher[T]) follow(before *matcher[T]) {
	for _, p := range before.changed {
		id := paymentID{p.batch, p.item}
		if _, asked := m.payments[id]; asked {
			next := *p
			next.version, next.touched, next.stored = p.version+1, false, p.row().Values
			m.payments[id] = &next
		}
	}
}

func (m *matcher[T]) match(lines []payment.Line, refused error) error {
	for i, line := range lines {
		batch, item, generation, err := payment.ParseReference(line.Reference)
		p := m.payments[paymentID{batch, item}]
		if err != nil || p != nil && p.generation != int64(generation) {
			p = nil
		}
		var known *payment.Found
		if p != nil {
			known = &payment.Found{State: m.state(p), Amount: p.amount}
		}
		class := payment.Classify(line, known)
		if refused != nil {
			class = ClassRefused
		}
		m.counts["class."+string(class)]++
		if class != payment.Matched {
			note := lineNote{Line: m.first + int64(i), Class: class}
			if p != nil {
				note.Batch, note.Item = p.batch, p.item
			}
			m.others = append(m.others, note)
		}
		if err := m.carryOut(class, p, line); err != nil {
			return err
		}
	}
	return nil
}

// carryOut settles or returns a payment; other classes change nothing.
func (m *matcher[T]) carryOut(class payment.Class, p *paymentRow, line payment.Line) error {
	var event payment.Event
	var from, to ledger.Account
	switch class {
	case payment.Matched:
		event = payment.Settle
		from, to = ledger.Account(fmt.Sprintf("paying/%s/%d", p.key.benefit, p.batch)), paidAccount(p.key.benefit)
	case payment.ReturnedLine:
		event, p.code = payment.Return, line.Code
		from, to = paidAccount(p.key.benefit), entitledAccount(p.key.benefit)
	default:
		return nil
	}
	p.state = m.state(p)
	if err := m.engine.movePayment(p, m.engine.clock().UTC(), event); err != nil {
		return err
	}
	m.posts.move(from, to, p.amount.Units)
	m.counts[string(p.state)]++
	m.counts[string(p.state)+"_amount"] += p.amount.Units
	if !p.touched {
		p.touched = true
		m.changed = append(m.changed, p)
	}
	return nil
}

func (m *matcher[T]) chunk(next int64, last bool) chunk {
	state, version := "matching", int64(0)
	if last {
		state = "matched"
	}
	if m.first > 0 {
		version = 1
	}
	var rows []Row
	if m.first == 0 || last {
		rows = append(rows, Row{Table: TableStatements, Version: version, Values: []any{append([]byte(nil), m.st.Digest[:]...), m.st.Account,
			m.st.Sequence, m.st.Opening.Units, m.st.Closing.Units, state, []byte(m.st.ID)}})
	}
	items := map[int64]*movedItems{}
	for _, p := range m.changed {
		rows = append(rows, p.row())
		if items[p.batch] == nil {
			items[p.batch] = &movedItems{Batch: p.batch}
		}
		items[p.batch].add(string(p.state), p.item)
	}
	data := struct {
		Statement string        `json:"statement"`
		Batches   []*movedItems `json:"batches,omitempty"`
		Others    []lineNote    `json:"others,omitempty"`
	}{Statement: hex.EncodeToString(m.st.Digest[:]), Others: m.others}
	for _, batch := range items {
		data.Batches = append(data.Batches, batch)
	}
	return chunk{rows: sorted(rows), posts: m.posts.posting(), kind: "statement.matched", data: data,
		counts: m.counts, next: Cursor{next}, last: last}
}
