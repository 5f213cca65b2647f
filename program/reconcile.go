package program

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/ledger"
)

// Statement is what a bank or wallet says happened on the agency's account.
type Statement struct {
	ID string
	// Account is the agency's own name for its account, not the number.
	Account string
	// Channel names the provider or bank whose statement it is, as in Channels.Providers
	// and Release.To. Empty: it proves nothing about what is missing, and no line is
	// found by the provider's own reference.
	Channel string
	// Sequence counts the account's statements, without gaps.
	Sequence         int64
	Opening, Closing payment.Money
	// Until is the instant up to which the statement tells all that was booked. Zero: it
	// proves nothing about what is missing.
	Until time.Time
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
// exactly with a payment, by its reference or failing that by the provider's own
// (Statement.Channel), and put into one class. Payments are settled or
// returned. A debit for one that was made twice, of another amount, to another account, or although
// it was dead or not sent, blocks its entitlement: no generation of it is paid until two
// people decide (Resolve). Every line is posted to the bank's account in the ledger, under
// an id that derives from the line, against what is cleared or, if it is of another class, in suspense (OpenItems). All are
// counted under "class.CLASS", and those that are not matched are listed in the journal.
//
// A statement that does not pass as a whole is a *payment.GateError: nothing of it is
// taken, and it is kept as quarantined, with an entry in the journal; it is taken later if it passes then. So is a file that
// is not what it must be: Lines gives an error that wraps payment.ErrBadFile, and of the rest the Account and the Digest
// are enough. Any other error of Lines is returned, and nothing is kept. One that was
// taken before is a *SeenError. While the one before is being taken it is a *StateError.
func (e *Engine[T]) Reconcile(ctx context.Context, by By, job string, st Statement) (Counts, error) {
	if by.Actor == "" {
		return nil, &FieldError{"By.Actor", "is missing"}
	}
	if st.Account == "" || strings.Contains(st.Account, "/") {
		return nil, &FieldError{"Statement.Account", "is a name without a slash"}
	}
	switch _, finished, err := e.JobStatus(ctx, job); {
	case errors.Is(err, ErrNotFound):
		if err := e.gate(ctx, by, st); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	case finished:
		return e.runJob(ctx, by, job, "reconcile", st.Digest, nil)
	}
	lines := &onward[payment.Line]{each: st.Lines}
	defer lines.close()
	var before *matcher[T] // of the chunk before, which may not be written yet
	return e.runJob(ctx, by, job, "reconcile", st.Digest, func(ctx context.Context, a ask) (chunk, error) {
		m := matcher[T]{ctx: ctx, payments: payments[T]{engine: e}, st: st, posts: postings{}}
		if a.after != nil {
			m.first, m.bankVersion, m.version = intOf(a.after[0]), intOf(a.after[1]), intOf(a.after[2])
		}
		some, err := lines.from(m.first, a.limit)
		if err != nil {
			return chunk{}, err
		}
		m.counts, m.last = Counts{doneCount: int64(len(some))}, m.first+int64(len(some))
		if a.first || before == nil || before.last != m.first {
			before = nil
		}
		if err := m.read(some, before); err != nil {
			return chunk{}, err
		}
		if m.first == 0 {
			if err := m.open(); err != nil {
				return chunk{}, err
			}
		}
		if err := m.match(some, a.refused); err != nil {
			return chunk{}, err
		}
		before = &m
		return m.chunk(len(some) < a.limit)
	})
}

// gate checks a statement as a whole. The first statement of an account begins
// the books: its own opening and number are taken.
func (e *Engine[T]) gate(ctx context.Context, by By, st Statement) error {
	seen, err := e.store.Load(ctx, Query{Keys: []Key{{TableStatements, []any{st.Digest[:]}}}})
	if err != nil {
		return err
	}
	var version int64
	for _, row := range seen.Rows {
		if textOf(row.Values[5]) != quarantined {
			return &SeenError{Statement: st.ID}
		}
		version = row.Version
	}
	sums := payment.Statement{Sequence: st.Sequence, Opening: st.Opening, Closing: st.Closing, Net: payment.Money{Currency: st.Opening.Currency}}
	for line, err := range st.Lines() {
		if errors.Is(err, payment.ErrBadFile) {
			return e.quarantine(ctx, by, st, version, errors.Join(&payment.GateError{Rule: payment.GateFile}, err))
		}
		if err != nil {
			return err
		}
		if line.Credit {
			sums.Net, err = sums.Net.Add(line.Amount)
		} else {
			sums.Net, err = sums.Net.Sub(line.Amount)
		}
		if err != nil {
			return e.quarantine(ctx, by, st, version, &payment.GateError{Rule: payment.GateCurrency})
		}
	}
	bank, err := e.bank(ctx, st.Account)
	if err != nil {
		return err
	}
	if bank.matching {
		return &StateError{What: fmt.Sprintf("statement %d of %s", bank.sequence, st.Account), State: "matching", Event: "reconcile"}
	}
	last := payment.Last{Sequence: bank.sequence, Closing: bank.closing}
	if bank.version == 0 {
		last = payment.Last{Sequence: st.Sequence - 1, Closing: st.Opening}
	}
	if err := last.Gate(sums); err != nil {
		return e.quarantine(ctx, by, st, version, err)
	}
	return nil
}

const quarantined = "quarantined"

// quarantine puts a statement aside, once, and returns why.
func (e *Engine[T]) quarantine(ctx context.Context, by By, st Statement, version int64, why error) error {
	if version > 0 {
		return why
	}
	var rules []payment.GateRule
	all := []error{why}
	if joined, ok := why.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for _, err := range all {
		var rule *payment.GateError
		if errors.As(err, &rule) {
			rules = append(rules, rule.Rule)
		}
	}
	row := Row{Table: TableStatements, Values: []any{st.Digest[:], st.Account, st.Sequence, st.Opening.Units, st.Closing.Units, quarantined, []byte(st.ID)}}
	cmd := command{By{Actor: by.Actor, OnBehalf: by.OnBehalf}, "statement.quarantine", st.Digest}
	_, err := e.carryOut(ctx, cmd, Change{Rows: []Row{row}}, "statement.quarantined",
		map[string]any{"statement": hex.EncodeToString(st.Digest[:]), "account": st.Account, "sequence": st.Sequence, "rules": rules})
	var stale *StaleError
	if err != nil && !errors.As(err, &stale) { // stale: another process was first
		return err
	}
	return why
}

// ClassRefused is the class of a line that the ledger refused to post.
const ClassRefused payment.Class = "refused"

// matcher puts the lines of a chunk into classes.
type matcher[T any] struct {
	payments[T]
	ctx         context.Context // of the chunk
	st          Statement
	first, last int64
	// Versions of the account's row and the statement's, after the chunk before.
	bankVersion, version int64
	bank                 bankRow                    // as it was before the statement
	suspense             map[lineID]*suspenseRow    // of this chunk, and those that stand once they were read
	carried              map[lineID]*suspenseRow    // what the chunk before leaves
	wrapped              map[paymentID]*sealedOrder // where a line names an account
	whole                bool                       // what stands in suspense was read
	posts                postings
	single               []ledger.Posting // of lines in suspense
	counts               Counts
	others               []lineNote
}

// lineNote lists a line that is not simply matched.
type lineNote struct {
	Line  int64         `json:"line"`
	Class payment.Class `json:"class"`
	Batch int64         `json:"batch,omitempty"`
	Item  int64         `json:"item,omitempty"`
}

// read loads what the lines are about.
func (m *matcher[T]) read(lines []payment.Line, before *matcher[T]) error {
	m.suspense, m.carried = map[lineID]*suspenseRow{}, map[lineID]*suspenseRow{}
	references, theirs := make([]string, len(lines)), make([]theirsKey, 0)
	for i, line := range lines {
		references[i] = line.Reference
		if line.Theirs != "" && m.st.Channel != "" {
			theirs = append(theirs, theirsKey{m.st.Channel, line.Theirs})
		}
	}
	if err := m.load(m.ctx, references); err != nil {
		return err
	}
	if err := m.loadTheirs(m.ctx, theirs); err != nil {
		return err
	}
	var ids []paymentID
	for _, line := range lines {
		if row := m.theirs[theirsKey{m.st.Channel, line.Theirs}]; row != nil && row.of != (paymentID{}) && m.find(line.Reference) == nil {
			ids = append(ids, row.of)
		}
	}
	if err := m.loadIDs(m.ctx, ids); err != nil {
		return err
	}
	if before != nil {
		m.follow(&before.payments)
		for id, row := range before.suspense {
			if row.touched {
				next := *row
				next.version, next.touched = row.version+1, false
				m.carried[id] = &next
			}
		}
	}
	return m.readDestinations(lines)
}

// locate finds the payment of a line.
func (m *matcher[T]) locate(line payment.Line) *paymentRow {
	if p := m.find(line.Reference); p != nil {
		return p
	}
	if row := m.theirs[theirsKey{m.st.Channel, line.Theirs}]; row != nil {
		return m.known[row.of]
	}
	return nil
}

// readDestinations reads what is needed to see where payments go, for the lines that
// name an account.
func (m *matcher[T]) readDestinations(lines []payment.Line) error {
	m.wrapped = map[paymentID]*sealedOrder{}
	var keys []Key
	for _, line := range lines {
		if p := m.locate(line); p != nil && line.Destination != [32]byte{} {
			m.wrapped[paymentID{p.batch, p.item}] = &sealedOrder{paymentRow: *p}
			keys = append(keys, Key{TablePersonKeys, []any{idValue(p.key.person)}})
		}
	}
	if len(keys) == 0 {
		return nil
	}
	rows, err := m.engine.store.Load(m.ctx, Query{Keys: keys})
	byPerson := map[uuid.UUID][]byte{}
	for _, row := range rows.Rows {
		byPerson[idOf(row.Values[0])] = bytesOf(row.Values[1])
	}
	for _, o := range m.wrapped {
		o.wrapped = byPerson[o.key.person]
	}
	return err
}

// destination is where a payment goes, in the form of a line. Whose person was erased
// goes wherever the line says.
func (m *matcher[T]) destination(p *paymentRow, line payment.Line) ([32]byte, error) {
	o := m.wrapped[paymentID{p.batch, p.item}]
	if o == nil || o.wrapped == nil {
		return line.Destination, nil
	}
	order, _, err := m.engine.openOrder(o)
	if err != nil {
		return [32]byte{}, fmt.Errorf("%s: %w", p.name(), err)
	}
	return m.engine.Destination(order.Payout.Account), nil
}

func (m *matcher[T]) match(lines []payment.Line, refused error) error {
	for i, line := range lines {
		p := m.locate(line)
		var known *payment.Found
		if p != nil {
			found := p.found(&m.batches[p.batch].Batch)
			var err error
			if found.Destination, err = m.destination(p, line); err != nil {
				return err
			}
			known = &found
		}
		class := payment.Classify(line, known)
		if refused != nil {
			class = ClassRefused
		}
		m.counts["class."+string(class)]++
		at := m.first + int64(i)
		if class != payment.Matched {
			note := lineNote{Line: at, Class: class}
			if p != nil {
				note.Batch, note.Item = p.batch, p.item
			}
			m.others = append(m.others, note)
		}
		cleared, err := m.carryOut(class, p, line)
		if err != nil {
			return err
		}
		if err := m.book(lineID{m.st.Account, m.st.Sequence, at + 1}, class, cleared, p, line); err != nil {
			return err
		}
	}
	return nil
}

// open reads where the account stands, which the gate has seen, and posts what it holds
// before its first statement.
func (m *matcher[T]) open() error {
	bank, err := m.engine.bank(m.ctx, m.st.Account)
	if err != nil {
		return err
	}
	next := !bank.matching && bank.sequence == m.st.Sequence-1 && bank.closing == m.st.Opening
	if bank.version > 0 && !next && bank.digest != m.st.Digest { // another statement came first
		return &payment.GateError{Rule: payment.GateSequence}
	}
	m.bank, m.bankVersion = bank, bank.version
	seen, err := m.engine.store.Load(m.ctx, Query{Keys: []Key{{TableStatements, []any{m.st.Digest[:]}}}})
	if err != nil {
		return err
	}
	for _, row := range seen.Rows { // it was quarantined
		m.version = row.Version
	}
	account := bankAccount(m.st.Account)
	held, err := m.engine.store.Balances(m.ctx, account)
	if err != nil {
		return err
	}
	opening := m.st.Opening.Units - held[0].Posted
	m.posts.add(account, opening, ledger.Free())
	m.posts.add(openedAccount(m.st.Account), -opening, ledger.Free())
	return nil
}

// book posts a line to the bank's account, and keeps it if it stands in suspense.
func (m *matcher[T]) book(id lineID, class payment.Class, cleared bool, p *paymentRow, line payment.Line) error {
	units := line.Amount.Units
	if line.Credit {
		units = -units
	}
	if cleared {
		m.posts.add(bankAccount(m.st.Account), -units, ledger.Free())
		m.posts.add(clearedAccount(m.st.Account), units, ledger.Free())
		return nil
	}
	own := postings{}
	own.add(bankAccount(m.st.Account), -units, ledger.Free())
	own.add(suspenseAccount(m.st.Account), units, ledger.Free())
	for _, posting := range own.posting() {
		posting.ID = id.posting()
		m.single = append(m.single, posting)
	}
	if units == 0 {
		return nil
	}
	row := &suspenseRow{lineID: id, standing: true, class: class, amount: payment.Money{Units: units, Currency: line.Amount.Currency},
		since: m.engine.clock().UTC(), touched: true}
	m.suspense[id] = row
	if p == nil {
		return nil
	}
	row.of = paymentID{p.batch, p.item}
	return m.pair(row)
}

// pair takes a credit and the debit of the same payment that it takes back out of
// suspense.
func (m *matcher[T]) pair(credit *suspenseRow) error {
	if credit.amount.Units > 0 {
		return nil
	}
	if !m.whole {
		m.whole = true
		if err := m.engine.standing(m.ctx, m.st.Account, func(r suspenseRow) error {
			if m.suspense[r.lineID] == nil {
				m.suspense[r.lineID] = &r
			}
			return nil
		}); err != nil {
			return err
		}
		for id, row := range m.carried {
			m.suspense[id] = row
		}
	}
	var debit *suspenseRow
	for _, r := range m.suspense {
		if !r.standing || r.of != credit.of || r.amount.Units != -credit.amount.Units || r.amount.Currency != credit.amount.Currency {
			continue
		}
		if debit == nil || cmp.Or(cmp.Compare(r.sequence, debit.sequence), cmp.Compare(r.line, debit.line)) < 0 {
			debit = r
		}
	}
	if debit != nil {
		debit.standing, debit.touched, credit.standing = false, true, false
	}
	return nil
}

// carryOut settles, returns or blocks a payment. It reports whether the line is cleared.
func (m *matcher[T]) carryOut(class payment.Class, p *paymentRow, line payment.Line) (cleared bool, err error) {
	if p == nil || class == payment.OrphanCredit {
		return false, nil
	}
	defer func() {
		m.touch(p)
		if line.Credit {
			p.credits = min(p.credits+1, p.debits) // what was never debited takes nothing back
		} else {
			p.debits++
		}
	}()
	switch {
	case class == payment.Matched:
		return true, m.fire(p, payment.Settle, payingAccount(p.key.benefit, p.batch), paidAccount(p.key.benefit))
	case class == payment.ReturnedLine && p.state == payment.Settled:
		p.code = line.Code
		return true, m.fire(p, payment.Return, paidAccount(p.key.benefit), entitledAccount(p.key.benefit))
	case line.Credit && (class == payment.ReturnedLine || class == payment.Duplicate):
		return false, nil // a debit that stands in suspense came back
	}
	return false, m.stop(m.ctx, p, markBlocked)
}

func (m *matcher[T]) fire(p *paymentRow, event payment.Event, from, to ledger.Account) error {
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
	return nil
}

func (m *matcher[T]) chunk(last bool) (chunk, error) {
	w, err := m.written()
	if err != nil {
		return chunk{}, err
	}
	rows := w.rows
	if m.first == 0 || last {
		state, version := "matching", m.version
		bank := bankRow{account: m.st.Account, sequence: m.st.Sequence, closing: m.st.Closing, matching: true,
			until: m.bank.until, digest: m.st.Digest, channel: m.st.Channel, version: m.bankVersion}
		if last {
			state, bank.matching, bank.until = "matched", false, m.st.Until
		}
		m.bankVersion, m.version = m.bankVersion+1, m.version+1
		rows = append(rows, bank.row(), Row{Table: TableStatements, Version: version, Values: []any{m.st.Digest[:], m.st.Account,
			m.st.Sequence, m.st.Opening.Units, m.st.Closing.Units, state, []byte(m.st.ID)}})
	}
	for _, row := range m.suspense {
		if row.touched {
			rows = append(rows, row.row())
		}
	}
	posts := m.posts.posting()
	for i := range posts {
		posts[i].ID = lineID{m.st.Account, m.st.Sequence, m.first + 1}.posting() + "-" + strconv.FormatInt(m.last, 10)
	}
	data := struct {
		Statement string        `json:"statement"`
		Batches   []*movedItems `json:"batches,omitempty"`
		Others    []lineNote    `json:"others,omitempty"`
	}{Statement: hex.EncodeToString(m.st.Digest[:]), Batches: w.moved, Others: m.others}
	return chunk{expect: w.expect, rows: sorted(rows), posts: append(posts, m.single...), kind: "statement.matched", data: data,
		counts: m.counts, next: Cursor{m.last, m.bankVersion, m.version}, last: last}, nil
}
