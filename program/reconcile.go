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
// returned. One that was made twice, or although it was dead or not submitted, is blocked: its
// entitlement is not paid again. Every line is posted to the bank's account in the ledger, against
// what is cleared or, if it is of another class, in suspense. All are
// counted under "class.CLASS", and those that are not matched are listed in the journal. A statement that does not pass as a
// whole is a *payment.GateError or a *SeenError, and nothing of it is taken.
func (e *Engine[T]) Reconcile(ctx context.Context, by By, job string, st Statement) (Counts, error) {
	if _, finished, err := e.JobStatus(ctx, job); errors.Is(err, ErrNotFound) {
		if err := e.gate(ctx, st); err != nil {
			return nil, err
		}
	} else if err != nil || finished {
		return e.runJob(ctx, by, job, "reconcile", st.Digest, nil)
	}
	lines := &onward[payment.Line]{each: st.Lines}
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
		m := matcher[T]{payments: payments[T]{engine: e}, st: st, first: done, posts: postings{}, counts: Counts{doneCount: int64(len(some))}}
		references := make([]string, len(some))
		for i, line := range some {
			references[i] = line.Reference
		}
		if err := m.load(ctx, references); err != nil {
			return chunk{}, err
		}
		if !a.first && before != nil && before.last == done {
			m.follow(&before.payments)
		}
		if done == 0 {
			if err := m.open(ctx); err != nil {
				return chunk{}, err
			}
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

// ClassRefused is the class of a line that the ledger refused to post.
const ClassRefused payment.Class = "refused"

// matcher puts the lines of a chunk into classes.
type matcher[T any] struct {
	payments[T]
	st     Statement
	first  int64
	last   int64
	posts  postings
	counts Counts
	others []lineNote
}

// lineNote lists a line that is not simply matched.
type lineNote struct {
	Line  int64         `json:"line"`
	Class payment.Class `json:"class"`
	Batch int64         `json:"batch,omitempty"`
	Item  int64         `json:"item,omitempty"`
}

func (m *matcher[T]) match(lines []payment.Line, refused error) error {
	for i, line := range lines {
		p := m.find(line.Reference)
		var known *payment.Found
		if p != nil {
			known = &payment.Found{State: m.state(p), Amount: p.amount}
		}
		class := payment.Classify(line, known)
		if refused != nil {
			class = ClassRefused
		}
		m.counts["class."+string(class)]++
		m.book(class, line)
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

// Accounts of an account at a bank. What the bank holds is what it opened with, less
// what was cleared, which is what was paid net of returns, less what stands in
// suspense: the lines that belong to no payment of ours.
func bankAccount(name string) ledger.Account     { return ledger.Account("bank/" + name) }
func openedAccount(name string) ledger.Account   { return ledger.Account("opened/" + name) }
func clearedAccount(name string) ledger.Account  { return ledger.Account("cleared/" + name) }
func suspenseAccount(name string) ledger.Account { return ledger.Account("suspense/" + name) }

// open posts what an account holds before its first statement.
func (m *matcher[T]) open(ctx context.Context) error {
	bank := bankAccount(m.st.Account)
	held, err := m.engine.store.Balances(ctx, bank)
	if err != nil {
		return err
	}
	opening := m.st.Opening.Units - held[0].Posted
	m.posts.add(bank, opening, ledger.Free())
	m.posts.add(openedAccount(m.st.Account), -opening, ledger.Free())
	return nil
}

// book posts a line to the bank's account.
func (m *matcher[T]) book(class payment.Class, line payment.Line) {
	units, other := line.Amount.Units, suspenseAccount(m.st.Account)
	if class == payment.Matched || class == payment.ReturnedLine {
		other = clearedAccount(m.st.Account)
	}
	if line.Credit {
		units = -units
	}
	m.posts.add(bankAccount(m.st.Account), -units, ledger.Free())
	m.posts.add(other, units, ledger.Free())
}

// carryOut settles or returns a payment; other classes change nothing.
func (m *matcher[T]) carryOut(class payment.Class, p *paymentRow, line payment.Line) error {
	var event payment.Event
	var from, to ledger.Account
	switch class {
	case payment.Matched:
		event = payment.Settle
		from, to = payingAccount(p.key.benefit, p.batch), paidAccount(p.key.benefit)
	case payment.ReturnedLine:
		event = payment.Return
		if p.mark() != markBlocked {
			p.code = line.Code
		}
		from, to = paidAccount(p.key.benefit), entitledAccount(p.key.benefit)
	case payment.RejectedButPaid, payment.Duplicate:
		if !line.Credit {
			p.code = string(markBlocked)
			m.touch(p)
		}
		return nil
	default:
		return nil
	}
	p.state = m.state(p)
	if err := m.engine.movePayment(p, m.engine.clock().UTC(), event); err != nil {
		return err
	}
	m.posts.move(from, to, p.amount.Units)
	if event == payment.Return {
		m.engine.program.Caps.dead(p, m.posts)
	}
	m.counts[string(p.state)]++
	m.counts[string(p.state)+"_amount"] += p.amount.Units
	m.touch(p)
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
	changed, items := m.written()
	rows = append(rows, changed...)
	data := struct {
		Statement string        `json:"statement"`
		Batches   []*movedItems `json:"batches,omitempty"`
		Others    []lineNote    `json:"others,omitempty"`
	}{Statement: hex.EncodeToString(m.st.Digest[:]), Batches: items, Others: m.others}
	return chunk{rows: sorted(rows), posts: m.posts.posting(), kind: "statement.matched", data: data,
		counts: m.counts, next: Cursor{next}, last: last}
}
