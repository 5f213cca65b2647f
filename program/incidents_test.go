package program_test

import (
	"context"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/payment/paymenttest"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/identity"
)

// paydesk is a story whose payments go out as files and whose statements are written by
// hand.
type paydesk struct {
	*story
	*program.Engine[details]
	t       *testing.T
	said    int
	balance payment.Money
}

func newPaydesk(t *testing.T) *paydesk {
	s, e, _ := prepared(t, nil)
	return &paydesk{story: s, Engine: e, t: t, balance: payment.Rupiah(50_000)}
}

// prepare prepares another batch of the first instalment.
func (d *paydesk) prepare(number int64) program.Counts {
	counts, err := d.PrepareBatch(d.t.Context(), actor("preparer"), program.BatchOrder{Number: number, Wave: 1, Benefit: "cash", Instalment: 1, Again: true})
	require.NoError(d.t, err)
	return counts
}

func (d *paydesk) approve(number int64) {
	b, err := d.Batch(d.t.Context(), number)
	require.NoError(d.t, err)
	require.NoError(d.t, d.ApproveBatch(d.t.Context(), actor("approver"), number, b.Digest))
}

func (d *paydesk) release(number int64) []payment.Line {
	d.approve(number)
	lines := d.orders(number)
	require.NoError(d.t, d.SubmitBatch(d.t.Context(), actor("releaser"), number, byFile))
	return lines
}

func (d *paydesk) orders(number int64) []payment.Line {
	var lines []payment.Line
	require.NoError(d.t, d.WriteBatch(d.t.Context(), number, func(o program.Order) error {
		lines = append(lines, payment.Line{Reference: o.Reference, Amount: o.Amount})
		return nil
	}))
	return lines
}

func (d *paydesk) answer(reference string, standing payment.Standing) program.Counts {
	d.said++
	counts, err := d.TakeAnswers(d.t.Context(), actor("clerk"), fmt.Sprint("answers ", d.said), program.Answers{From: "BANK", Digest: [32]byte{2, byte(d.said)},
		Each: each([]payment.Answer{{Reference: reference, Standing: standing, Code: "AC04"}})})
	require.NoError(d.t, err)
	return counts
}

func (d *paydesk) next(lines ...payment.Line) program.Statement {
	sequence := int64(1)
	rows, _, err := d.store.Page(d.t.Context(), program.Scan{Table: program.TableBankAccounts, Limit: 1})
	require.NoError(d.t, err)
	if len(rows.Rows) > 0 {
		sequence += rows.Rows[0].Values[1].(int64)
	}
	st := program.Statement{Account: "treasury", Channel: "BANK", Sequence: sequence, Opening: d.balance, Closing: d.balance,
		Until: d.now, Digest: [32]byte{1, byte(sequence)}, Lines: each(lines)}
	for _, l := range lines {
		units := l.Amount.Units
		if l.Credit {
			units = -units
		}
		st.Closing.Units -= units
	}
	return st
}

// statement takes the next statement.
func (d *paydesk) statement(lines ...payment.Line) program.Counts {
	st := d.next(lines...)
	counts, err := d.Reconcile(d.t.Context(), actor("clerk"), fmt.Sprint("statement ", st.Sequence), st)
	require.NoError(d.t, err)
	d.balance = st.Closing
	return counts
}

func back(l payment.Line) payment.Line {
	l.Credit = true
	return l
}

// A debit of an earlier payment stops the entitlement, and with it the next payment,
// which is not written, not released, and not made again.
func TestABlockStopsTheNextGeneration(t *testing.T) {
	d := newPaydesk(t)
	ctx := t.Context()
	first := d.release(1)
	d.answer(first[0].Reference, payment.Refused)
	require.Equal(t, int64(1), d.prepare(2)["payments"])
	d.approve(2)
	second := d.orders(2)
	counts := d.statement(first[0])
	require.Equal(t, int64(1), counts["class.rejected-but-paid"])
	d.verify(t)
	var state *program.StateError
	require.ErrorAs(t, d.WriteBatch(ctx, 2, func(program.Order) error { return nil }), &state)
	require.Equal(t, "blocked", state.State)
	require.ErrorAs(t, d.SubmitBatch(ctx, actor("releaser"), 2, byFile), &state)
	require.ErrorAs(t, d.SubmitBatch(ctx, actor("releaser"), 2, program.Release{}), &state)
	require.Len(t, second, 1)

	// It is taken out, and not paid again while the first stands.
	_, err := d.HoldPayments(ctx, actor("auditor"), 2, []int64{1}, "paid by the first")
	require.NoError(t, err)
	require.Zero(t, d.prepare(3)["payments"])
	resolveByTwo(ctx, t, d.Engine, program.Resolve{Batch: 2, Item: 1, As: program.ReleaseEntitlement, Evidence: "letter 1"})
	require.Equal(t, int64(1), d.prepare(4)["blocked"], "the first still blocks it")
	d.verify(t)
	// Two people find that it was rightly paid: the books are even, and it is never paid again.
	resolveByTwo(ctx, t, d.Engine, program.Resolve{Batch: 1, Item: 1, As: program.WasPaid, Account: "treasury", Sequence: 1, Line: 1, Evidence: "letter 2"})
	d.verify(t)
	held, err := d.store.Balances(ctx, "suspense/treasury")
	require.NoError(t, err)
	require.Zero(t, held[0].Posted)
	counts = d.prepare(5)
	require.Zero(t, counts["payments"]+counts["blocked"])
	require.Equal(t, int64(len(first)), counts["paid-before"])
	_, err = d.Resolve(ctx, actor("one"), program.Resolve{Batch: 1, Item: 1, As: program.ReleaseEntitlement, Evidence: "letter 3"})
	require.ErrorAs(t, err, &state)
}

// What was sent by calls is held against its entitlement just before it leaves.
func TestABlockStopsACall(t *testing.T) {
	w := newWallet(t, 1, payment.Capabilities{BatchSize: 100}, nil)
	ctx := t.Context()
	b := w.release(ctx, t)
	reference, err := payment.Reference(1, 2, 1)
	require.NoError(t, err)
	unit := payment.Money{Units: b.Total.Units / b.Count, Currency: b.Total.Currency}
	closing, err := payment.Rupiah(50_000).Sub(unit)
	require.NoError(t, err)
	st := program.Statement{Account: "wallet", Sequence: 1, Opening: payment.Rupiah(50_000), Closing: closing, Digest: [32]byte{9},
		Lines: each([]payment.Line{{Reference: reference, Amount: unit}})}
	counts, err := w.engine.Reconcile(ctx, actor("clerk"), "statement", st)
	require.NoError(t, err)
	require.Equal(t, int64(1), counts["class.rejected-but-paid"], "nothing had been sent")
	counts, err = w.engine.SendBatch(ctx, actor("sender"), 1, w.channels())
	require.NoError(t, err)
	require.Equal(t, int64(1), counts["blocked"])
	out, _ := w.far.Moved(reference)
	require.Zero(t, out)
	w.verify(t)
}

// An answer does not take a block away: a bank that has paid and then refuses is looked
// at by people.
func TestAnAnswerDoesNotUnblock(t *testing.T) {
	d := newPaydesk(t)
	lines := d.release(1)
	wrong := lines[0]
	wrong.Amount = payment.Rupiah(602) // the bank kept a fee
	require.Equal(t, int64(1), d.statement(wrong)["class.wrong-amount"])
	require.Equal(t, program.Counts{"done": 1, "incident": 1}, d.answer(lines[0].Reference, payment.Refused))
	require.Zero(t, d.prepare(2)["payments"])
	var state *program.StateError
	_, err := d.Resolve(t.Context(), actor("one"), program.Resolve{Batch: 1, Item: 1, As: program.NeverPaid, Evidence: "letter 1"})
	require.ErrorAs(t, err, &state, "a statement shows its debit")
	d.verify(t)
	resolveByTwo(t.Context(), t, d.Engine, program.Resolve{Batch: 1, Item: 1, As: program.WasPaid, Account: "treasury", Sequence: 1, Line: 1, Evidence: "letter 2"})
	d.verify(t)
	held, err := d.store.Balances(t.Context(), "suspense/treasury")
	require.NoError(t, err)
	require.Equal(t, payment.Rupiah(2).Units, held[0].Posted, "the fee is left")

	// Control: the same refusal of what no statement shows rejects.
	require.Equal(t, program.Counts{"done": 1, "rejected": 1}, d.answer(lines[1].Reference, payment.Refused))
}

// A line that names another account than the payment's is not its debit; one that
// names the payment's own is.
func TestALineThatNamesAnAccount(t *testing.T) {
	d := newPaydesk(t)
	ctx := t.Context()
	var lines []payment.Line
	d.approve(1)
	require.NoError(t, d.WriteBatch(ctx, 1, func(o program.Order) error {
		lines = append(lines, payment.Line{Reference: o.Reference, Amount: o.Amount, Destination: d.Destination(o.Payout.Account)})
		return nil
	}))
	require.NoError(t, d.SubmitBatch(ctx, actor("releaser"), 1, byFile))
	wrong := lines[1]
	wrong.Destination = d.Destination(identity.NewSecret("a thief's"))
	counts := d.statement(lines[0], wrong)
	require.Equal(t, int64(1), counts["class.matched"])
	require.Equal(t, int64(1), counts["class.wrong-account"])
	require.Equal(t, program.Counts{"done": 1, "incident": 1}, d.answer(lines[1].Reference, payment.Refused))
	d.verify(t)
}

// A payment that is debited twice and comes back once was paid; it is returned when
// the second comes back as well.
func TestTwiceDebitedOnceBack(t *testing.T) {
	d := newPaydesk(t)
	lines := d.release(1)
	counts := d.statement(lines[0], lines[0])
	require.Equal(t, int64(1), counts["class.duplicate"])
	counts = d.statement(back(lines[0]))
	require.Zero(t, counts["returned"], "the payee has the money")
	d.verify(t)
	held, err := d.store.Balances(t.Context(), "suspense/treasury")
	require.NoError(t, err)
	require.Zero(t, held[0].Posted)
	require.Zero(t, d.prepare(2)["payments"])
	require.Equal(t, int64(1), d.statement(back(lines[0]))["returned"])
	d.verify(t)
	require.NoError(t, d.OpenItems(t.Context(), func(o program.OpenItem) error {
		require.NotEqual(t, "suspense", o.Why, "both lines took each other out")
		return nil
	}))
}

// A held payment that the bank pays all the same is no part of its batch again.
func TestAHeldPaymentThatIsPaid(t *testing.T) {
	d := newPaydesk(t)
	ctx := t.Context()
	reference, err := payment.Reference(1, 1, 1)
	require.NoError(t, err)
	_, err = d.HoldPayments(ctx, actor("auditor"), 1, []int64{1}, "a letter")
	require.NoError(t, err)
	lines := d.release(1)
	d.statement(payment.Line{Reference: reference, Amount: lines[0].Amount})
	d.verify(t)
}

// Statements of an account come one after another. The next waits for the one before,
// another of the same number never passes, and neither does another currency.
func TestStatementsComeOneAfterAnother(t *testing.T) {
	d := newPaydesk(t)
	ctx := t.Context()
	lines := d.release(1)
	store := &faulty{Store: d.story.store}
	d.story.store = store
	e := d.engine(t)
	st := d.next(append(lines, lines...)...) // more than a chunk
	require.Greater(t, 2*len(lines), d.chunk)
	store.at = 4 // behind the job's plan, its part and the first chunk
	_, err := e.Reconcile(ctx, actor("clerk"), "one", st)
	require.ErrorIs(t, err, errPower)
	next := d.next()
	next.Sequence, next.Opening, next.Closing, next.Digest = 2, st.Closing, st.Closing, [32]byte{7}
	var state *program.StateError
	_, err = e.Reconcile(ctx, actor("clerk"), "two", next)
	require.ErrorAs(t, err, &state, "the first is not done")
	_, err = e.Reconcile(ctx, actor("clerk"), "one", st)
	require.NoError(t, err)
	var gate *payment.GateError
	other := st
	other.Digest = [32]byte{8}
	_, err = e.Reconcile(ctx, actor("clerk"), "the same number", other)
	require.ErrorAs(t, err, &gate)
	foreign := next
	foreign.Opening.Currency, foreign.Closing.Currency = "USD", "USD"
	_, err = e.Reconcile(ctx, actor("clerk"), "dollars", foreign)
	require.ErrorAs(t, err, &gate)
	require.Equal(t, payment.GateCurrency, gate.Rule)
	_, err = e.Reconcile(ctx, actor("clerk"), "two", next)
	require.NoError(t, err, "what was put aside passes when it passes")
	d.verify(t)
	var kinds []string
	entries, err := store.Journal(ctx, 0, 10_000)
	require.NoError(t, err)
	for _, entry := range entries {
		if entry.Kind == "statement.quarantined" {
			kinds = append(kinds, string(entry.Data))
		}
	}
	require.Len(t, kinds, 2)
	require.Contains(t, kinds[1], "currency")
}

// Two statements of one number that are taken at the same time: one passes.
func TestTwoStatementsOfOneNumber(t *testing.T) {
	d := newPaydesk(t)
	ctx := t.Context()
	lines := d.release(1)
	one, two := d.next(lines[:4]...), d.next(lines[:4]...)
	two.Digest = [32]byte{77}
	// The second is taken as a whole between the gate of the first and its first line.
	plain, calls := one.Lines, 0
	one.Lines = func() iter.Seq2[payment.Line, error] {
		if calls++; calls == 2 {
			_, err := d.Reconcile(ctx, actor("clerk"), "two", two)
			require.NoError(t, err)
		}
		return plain()
	}
	_, err := d.Reconcile(ctx, actor("clerk"), "one", one)
	var gate *payment.GateError
	require.ErrorAs(t, err, &gate)
	d.verify(t)
}

// An id of a posting derives from the line of the statement: whatever job takes it, the
// same line posts the same.
func TestPostingsAreNamedByTheirLines(t *testing.T) {
	d := newPaydesk(t)
	lines := d.release(1)
	d.statement(lines[0], payment.Line{Reference: "nobody's", Amount: payment.Rupiah(7)})
	rows, _, err := d.store.Page(t.Context(), program.Scan{Table: program.TablePostings, Limit: 10_000})
	require.NoError(t, err)
	names := map[string]bool{}
	for _, row := range rows.Rows {
		names[row.Values[0].(string)] = true
	}
	require.True(t, names["statement/treasury/1/1-2"], "what was cleared")
	require.True(t, names["statement/treasury/1/2"], "what stands in suspense")
}

// A payment whose line has lost our reference is found by the provider's own, and one
// that the provider gave to two payments finds neither.
func TestLinesAreFoundByTheProvidersReference(t *testing.T) {
	d := newPaydesk(t)
	lines := d.release(1)
	said := func(i int, theirs string) payment.Answer {
		return payment.Answer{Reference: lines[i].Reference, Standing: payment.Taken, Theirs: theirs}
	}
	_, err := d.TakeAnswers(t.Context(), actor("clerk"), "answers", program.Answers{From: "BANK", Digest: [32]byte{3},
		Each: each([]payment.Answer{said(0, "A"), said(1, "B"), said(2, "B")})})
	require.NoError(t, err)
	lost := func(theirs string) payment.Line {
		return payment.Line{Reference: "NOTPROVIDED", Theirs: theirs, Amount: lines[0].Amount}
	}
	counts := d.statement(lost("A"), lost("B"), lost("C"))
	require.Equal(t, int64(1), counts["class.matched"])
	require.Equal(t, int64(2), counts["class.orphan-debit"])
	d.verify(t)
}

// What a bank says of a payment that it was not given is nothing.
func TestOnlyWhoWasGivenAPaymentSpeaksOfIt(t *testing.T) {
	w := newWallet(t, 1, payment.Capabilities{BatchSize: 100}, nil)
	ctx := t.Context()
	w.release(ctx, t)
	w.far.Fault(paymenttest.AnswerLost)
	_, err := w.engine.SendBatch(ctx, actor("sender"), 1, w.oneByOne())
	require.NoError(t, err)
	reference, err := payment.Reference(1, 1, 1)
	require.NoError(t, err)
	w.wait(2 * time.Hour)
	header, body := w.far.CallBack(reference)
	became, err := w.engine.TakeNotice(ctx, actor("provider"), "ANOTHER", w.far, header, body)
	require.NoError(t, err)
	require.Equal(t, "foreign", became)
	refused := each([]payment.Answer{{Reference: reference, Standing: payment.Refused}})
	counts, err := w.engine.TakeAnswers(ctx, actor("clerk"), "theirs", program.Answers{From: "ANOTHER", Digest: [32]byte{1}, Each: refused})
	require.NoError(t, err)
	require.Equal(t, program.Counts{"done": 1, "foreign": 1}, counts)
	var field *program.FieldError
	_, err = w.engine.TakeAnswers(ctx, actor("clerk"), "nobody's", program.Answers{Digest: [32]byte{1}, Each: refused})
	require.ErrorAs(t, err, &field)
	counts, err = w.engine.TakeAnswers(ctx, actor("clerk"), "ours", program.Answers{From: "BANK", Digest: [32]byte{2}, Each: refused})
	require.NoError(t, err)
	require.Equal(t, int64(1), counts["rejected"], "control: who was given it")
	w.verify(t)
}

// The statements of one bank prove nothing about another, nor do those that do not say
// how far they reach, nor any while a debit of the amount belongs to nobody.
func TestWhatStatementsProve(t *testing.T) {
	for name, c := range map[string]struct {
		channel string
		until   bool
		orphan  bool
		want    string
	}{
		"its own":              {"BANK", true, false, "rejected"},
		"another bank's":       {"ANOTHER", true, false, "unknown"},
		"nobody says how far":  {"BANK", false, false, "unknown"},
		"a debit without name": {"BANK", true, true, "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWallet(t, 1, payment.Capabilities{StatusMemory: 100 * time.Hour, Finality: time.Hour, BatchSize: 100}, nil)
			ctx := t.Context()
			b := w.release(ctx, t)
			w.far.Fault(paymenttest.RequestLost)
			_, err := w.engine.SendBatch(ctx, actor("sender"), 1, w.oneByOne())
			require.NoError(t, err)
			w.wait(3 * time.Hour)
			st := program.Statement{Account: "wallet", Channel: c.channel, Sequence: 1, Opening: payment.Rupiah(50_000), Closing: payment.Rupiah(50_000),
				Digest: [32]byte{9}, Lines: each[payment.Line](nil)}
			if c.until {
				st.Until = w.now
			}
			if c.orphan {
				amount := payment.Money{Units: b.Total.Units / b.Count, Currency: b.Total.Currency}
				st.Closing.Units -= amount.Units
				st.Lines = each([]payment.Line{{Reference: "lost", Amount: amount}})
			}
			_, err = w.engine.Reconcile(ctx, actor("clerk"), "statement", st)
			require.NoError(t, err)
			_, err = w.engine.AskBatch(ctx, actor("asker"), 1, w.channels())
			require.NoError(t, err)
			require.Equal(t, c.want, stateOf(ctx, t, w, 1))
			w.verify(t)
		})
	}
}

// oneByOne are the channels without calls at the same time.
func (w *wallet) oneByOne() program.Channels {
	return program.Channels{Providers: map[string]payment.Provider{"BANK": w.far}}
}

// slow is a provider with whom every call takes an hour.
type slow struct {
	*paymenttest.Faulty
	w        *wallet
	resent   map[string]int
	tooLate  int
	memory   time.Duration
	firstOut map[string]time.Time
}

func (s *slow) Submit(ctx context.Context, orders []payment.Transfer) ([]payment.Answer, error) {
	for _, o := range orders {
		if first, ok := s.firstOut[o.Reference]; !ok {
			s.firstOut[o.Reference] = s.w.now
		} else if s.resent[o.Reference]++; s.w.now.Sub(first) >= s.memory/2 {
			s.tooLate++
		}
	}
	s.w.wait(time.Hour)
	return nil, context.DeadlineExceeded
}

func (s *slow) Enquire(context.Context, string) (payment.Answer, error) {
	s.w.wait(time.Hour)
	return payment.Answer{}, context.DeadlineExceeded
}

// Each order is held against its time as it leaves, however long the ones before took.
func TestNothingIsSentAgainAfterItsTime(t *testing.T) {
	promised := payment.Capabilities{ReplaySafe: true, KeyMemory: 24 * time.Hour, StatusMemory: 1000 * time.Hour, BatchSize: 1}
	w := newWallet(t, 1, promised, nil)
	w.chunk = 1000
	w.engine = w.story.engine(t)
	ctx := t.Context()
	b := w.release(ctx, t)
	far := &slow{Faulty: w.far, w: w, resent: map[string]int{}, firstOut: map[string]time.Time{}, memory: 24 * time.Hour}
	channels := program.Channels{Providers: map[string]payment.Provider{"BANK": far}}
	_, err := w.engine.SendBatch(ctx, actor("sender"), 1, channels)
	require.NoError(t, err)
	require.Len(t, far.firstOut, int(b.Count))
	for range 4 {
		_, err = w.engine.AskBatch(ctx, actor("asker"), 1, channels)
		require.NoError(t, err)
	}
	require.NotEmpty(t, far.resent, "control: some were sent again")
	require.Zero(t, far.tooLate)
	rows, _, err := w.store.Page(ctx, program.Scan{Table: program.TablePayments, Equal: []any{int64(1)}, Limit: 1000})
	require.NoError(t, err)
	for _, row := range rows.Rows {
		reference, err := payment.Reference(1, row.Values[1].(int64), 1)
		require.NoError(t, err)
		require.Equal(t, far.firstOut[reference].UnixMicro(), row.Values[14], "it is submitted when it leaves")
	}
}

// What is sent is what was approved, even if the table is changed between the check and
// the call, and again when it is sent again.
func TestWhatIsSentIsWhatWasApproved(t *testing.T) {
	promised := payment.Capabilities{ReplaySafe: true, KeyMemory: 24 * time.Hour, StatusMemory: 100 * time.Hour, BatchSize: 100}
	for name, again := range map[string]bool{"sent": false, "sent again": true} {
		w := newWallet(t, 1, promised, nil)
		w.chunk = 1000
		w.engine = w.story.engine(t)
		ctx := t.Context()
		w.release(ctx, t)
		forge := func() {
			rows, _, err := w.store.Page(ctx, program.Scan{Table: program.TablePayments, Equal: []any{int64(1)}, Limit: 1})
			require.NoError(t, err)
			rows.Rows[0].Values[8] = rows.Rows[0].Values[8].(int64) * 10
			outcomes, err := w.store.Apply(ctx, []program.Change{{Rows: rows.Rows}})
			require.NoError(t, err)
			require.NoError(t, outcomes[0].Refusal)
		}
		var not *program.NotApprovedError
		if again {
			w.far.Fault(paymenttest.RequestLost)
			_, err := w.engine.SendBatch(ctx, actor("sender"), 1, w.channels())
			require.NoError(t, err)
			forge()
			_, err = w.engine.AskBatch(ctx, actor("asker"), 1, w.channels())
			require.ErrorAs(t, err, &not, name)
			continue
		}
		// It is forged after the first reading of the batch.
		spy := &forger{Store: w.store.Store, forge: forge}
		w.store.Store = spy
		_, err := w.engine.SendBatch(ctx, actor("sender"), 1, w.channels())
		require.ErrorAs(t, err, &not, name)
		require.True(t, spy.done)
		_, lines := w.far.CloseBooks()
		require.Empty(t, lines)
	}
}

// forger changes the payments of the first batch once they were read.
type forger struct {
	program.Store
	forge func()
	pages int
	done  bool
}

func (f *forger) Page(ctx context.Context, scan program.Scan) (program.Rows, program.Cursor, error) {
	rows, next, err := f.Store.Page(ctx, scan)
	if scan.Table == program.TablePayments && !f.done {
		if f.pages++; f.pages == 1 {
			f.done = true
			f.forge()
		}
	}
	return rows, next, err
}

// crossing is a provider to whom a second process hands the same orders over while the
// first still dials, and whose dialling then fails.
type crossing struct {
	*paymenttest.Faulty
	between func()
}

func (c *crossing) Submit(ctx context.Context, orders []payment.Transfer) ([]payment.Answer, error) {
	if c.between != nil {
		between := c.between
		c.between = nil
		between()
		return nil, payment.ErrNotSent
	}
	_, _ = c.Faulty.Submit(ctx, orders)
	return nil, context.DeadlineExceeded // its answer is lost
}

// A dial that fails says nothing of what another process has sent meanwhile.
func TestAFailedDialIsNotAnothersCall(t *testing.T) {
	promised := payment.Capabilities{ReplaySafe: true, KeyMemory: 24 * time.Hour, StatusMemory: 1000 * time.Hour, BatchSize: 100}
	w := newWallet(t, 1, promised, nil)
	ctx := t.Context()
	b := w.release(ctx, t)
	far := &crossing{Faulty: w.far}
	channels := program.Channels{Providers: map[string]payment.Provider{"BANK": far}}
	second := w.story.engine(t)
	far.between = func() {
		_, err := second.AskBatch(ctx, actor("asker"), 1, channels)
		require.NoError(t, err)
	}
	_, err := w.engine.SendBatch(ctx, actor("sender"), 1, channels)
	require.NoError(t, err)
	w.wait(100 * time.Hour) // its memory of keys is over
	_, err = w.engine.SendBatch(ctx, actor("sender"), 1, channels)
	require.NoError(t, err)
	twice, paid := w.paidTwice(ctx, t)
	require.Zero(t, twice)
	require.Equal(t, int(b.Count), paid)
}

// Whoever dies while sending leaves payments that a command makes unknown; what was not
// handed over is left.
func TestWhatHasNoAnswerIsMadeUnknown(t *testing.T) {
	w := newWallet(t, 1, payment.Capabilities{BatchSize: 2}, nil)
	ctx := t.Context()
	b := w.release(ctx, t)
	w.store.calls, w.store.at = 0, 2 // it dies after the first call, before it stores what was said
	_, err := w.engine.SendBatch(ctx, actor("sender"), 1, w.oneByOne())
	require.ErrorIs(t, err, errPower)
	w.store.at = 0
	for range 2 {
		counts, err := w.engine.MarkUnknown(ctx, actor("operator"), "start-up", 1)
		require.NoError(t, err)
		require.Equal(t, program.Counts{"done": b.Count, "unknown": 2}, counts)
	}
	require.Equal(t, "unknown", stateOf(ctx, t, w, 1))
	_, err = w.engine.SendBatch(ctx, actor("sender"), 1, w.channels())
	require.NoError(t, err)
	w.wait(2 * time.Hour)
	twice, _ := w.paidTwice(ctx, t)
	require.Zero(t, twice)
	w.verify(t)

	d := newPaydesk(t)
	lines := d.release(1)
	counts, err := d.MarkUnknown(ctx, actor("operator"), "a lost file", 1)
	require.NoError(t, err)
	require.Equal(t, int64(len(lines)), counts["unknown"])
	require.Equal(t, lines, d.orders(1), "and is written again as it was")
	d.verify(t)
}

// A batch that was released for calls is not written as a file.
func TestWhatIsReleasedForCallsIsNotWritten(t *testing.T) {
	d := newPaydesk(t)
	ctx := t.Context()
	d.approve(1)
	d.orders(1)
	var field *program.FieldError
	require.ErrorAs(t, d.SubmitBatch(ctx, actor("releaser"), 1, program.Release{File: [32]byte{1}}), &field)
	require.NoError(t, d.SubmitBatch(ctx, actor("releaser"), 1, program.Release{}))
	var state *program.StateError
	require.ErrorAs(t, d.WriteBatch(ctx, 1, func(program.Order) error { return nil }), &state)
}

// An account without a number does not pass for a first one.
func TestAnEmptyAccountHidesNoChange(t *testing.T) {
	d := newPaydesk(t)
	ctx := t.Context()
	rows, _, err := d.store.Page(ctx, program.Scan{Table: program.TableEntitlements, Equal: []any{"cash", int64(1)}, Limit: 1})
	require.NoError(t, err)
	who := uuid.UUID(rows.Rows[0].Values[3].([]byte))
	report := func(number string) program.Report {
		return program.Report{Event: "relink", Account: &program.Payout{Provider: "BANK", Account: identity.NewSecret(number)}}
	}
	by := program.By{Actor: "desk", OnBehalf: "chief"}
	var field *program.FieldError
	require.ErrorAs(t, d.Fire(ctx, by, 1, who, report("")), &field)
	counts, err := d.FireAll(ctx, by, "clear", program.FireOrder[details]{Wave: 1, States: []program.State{"bought"},
		Report: func(*program.Case[details]) (program.Report, bool) { return report(""), true }})
	require.NoError(t, err)
	require.Equal(t, counts["done"], counts["refused.account"])
	require.NoError(t, d.Fire(ctx, by, 1, who, report("thief")))
	a, err := d.Applicant(ctx, who)
	require.NoError(t, err)
	require.Equal(t, program.AccountTrust{Replaced: d.now, ReplacedBy: payment.Signature{Role: "report", Actor: "desk", OnBehalf: "chief"}}, a.Account)
	var hands *payment.SameHandsError
	require.ErrorAs(t, d.ConfirmAccount(ctx, actor("chief"), who, "seen"), &hands, "who stands behind the report does not confirm it")
}

// Caps that are set in the middle of a program refuse nothing that only goes back.
func TestCapsThatComeLater(t *testing.T) {
	d := newPaydesk(t)
	lines := d.release(1)
	d.statement(lines...)
	d.caps.Person = payment.Rupiah(100)
	d.Engine = d.engine(t)
	counts := d.statement(back(lines[0]))
	require.Equal(t, int64(1), counts["returned"])
	require.Zero(t, counts["class.refused"])
	d.verify(t)
	d.caps.Person = payment.Rupiah(10_000)
	d.Engine = d.engine(t)
	require.Equal(t, int64(1), d.prepare(2)["payments"])
	d.caps.Person = payment.Rupiah(1)
	d.Engine = d.engine(t)
	second := d.release(2)
	d.answer(second[0].Reference, payment.Refused)
	held, err := d.store.Balances(t.Context(), "cap/person")
	require.NoError(t, err)
	require.Zero(t, held[0].Posted)
	d.verify(t)
}

// Money of another currency does not enter the budget, or leave it.
func TestTheBudgetHasOneCurrency(t *testing.T) {
	d := newPaydesk(t)
	var field *program.FieldError
	require.ErrorAs(t, d.Fund(t.Context(), actor("treasury"), payment.Money{Units: 5, Currency: "USD"}), &field)
	require.ErrorAs(t, d.ReturnFunds(t.Context(), actor("treasury"), 2020, payment.Money{Units: 5, Currency: "USD"}), &field)
	p := testProgram()
	p.Benefits[1].Amount.Currency = "USD"
	_, err := d.engineOf(t, p)
	require.ErrorAs(t, err, &field)
}

// Whoever goes on with the preparation of a batch has prepared it.
func TestWhoGoesOnPreparingIsAPreparer(t *testing.T) {
	s, _, _ := prepared(t, nil)
	ctx := t.Context()
	store := &faulty{Store: s.store, at: 2}
	s.store, s.chunk = store, 2
	e := s.engine(t)
	_, err := e.CancelBatch(ctx, actor("x"), 1, "again")
	require.ErrorIs(t, err, errPower)
	store.calls, store.at = 0, 0
	_, err = e.CancelBatch(ctx, actor("x"), 1, "again")
	require.NoError(t, err)
	order := program.BatchOrder{Number: 2, Wave: 1, Benefit: "cash", Instalment: 1, Again: true}
	store.calls, store.at = 0, 4 // behind the job's plan, its part and the first chunk
	_, err = e.PrepareBatch(ctx, actor("first"), order)
	require.ErrorIs(t, err, errPower)
	store.at = 0
	_, err = e.PrepareBatch(ctx, actor("second"), order)
	require.NoError(t, err)
	b, err := e.Batch(ctx, 2)
	require.NoError(t, err)
	var hands *payment.SameHandsError
	for _, name := range []string{"first", "second"} {
		require.ErrorAs(t, e.ApproveBatch(ctx, actor(name), 2, b.Digest), &hands, name)
	}
}

// That something was never paid is believed of what a bank has taken on only when its
// statements reach beyond that and show nothing that might be it.
func TestNeverPaidAfterTheBankTookIt(t *testing.T) {
	d := newPaydesk(t)
	ctx := t.Context()
	lines := d.release(1)
	d.answer(lines[0].Reference, payment.Paid)
	never := program.Resolve{Batch: 1, Item: 1, As: program.NeverPaid, Account: "treasury", Evidence: "letter 1"}
	var state *program.StateError
	_, err := d.Resolve(ctx, actor("one"), never)
	require.ErrorAs(t, err, &state, "there is no statement")
	d.now = d.now.Add(24 * time.Hour)
	d.statement(payment.Line{Reference: "lost", Amount: lines[0].Amount})
	_, err = d.Resolve(ctx, actor("one"), never)
	require.ErrorAs(t, err, &state, "an orphan may be it")
	resolveByTwo(ctx, t, d.Engine, program.Resolve{Batch: 1, Item: 2, As: program.WasPaid, Account: "treasury", Sequence: 1, Line: 1, Evidence: "letter 2"})
	resolveByTwo(ctx, t, d.Engine, never)
	d.verify(t)
	require.Equal(t, int64(1), d.prepare(2)["payments"])
}

// A debit is taken as a payment's only if it stands in suspense, is nobody's else, and of
// its amount; and only once.
func TestWasPaidNamesTheLine(t *testing.T) {
	d := newPaydesk(t)
	ctx := t.Context()
	lines := d.release(1)
	d.statement(lines[0], payment.Line{Reference: "lost", Amount: payment.Rupiah(7)}, payment.Line{Reference: "lost", Amount: lines[0].Amount}, lines[0])
	was := func(item, line int64) error {
		_, err := d.Resolve(ctx, actor("one"), program.Resolve{Batch: 1, Item: item, As: program.WasPaid, Account: "treasury", Sequence: 1, Line: line, Evidence: "x"})
		return err
	}
	var field *program.FieldError
	require.ErrorIs(t, was(2, 1), program.ErrNotFound, "it is cleared")
	require.ErrorAs(t, was(2, 2), &field, "another amount")
	require.ErrorAs(t, was(2, 4), &field, "another payment's")
	resolveByTwo(ctx, t, d.Engine, program.Resolve{Batch: 1, Item: 2, As: program.WasPaid, Account: "treasury", Sequence: 1, Line: 3, Evidence: "x"})
	require.ErrorIs(t, was(3, 3), program.ErrNotFound, "it is taken")
	d.verify(t)
}

// Every line in suspense is an open item with an owner and an age, what failed says who must act, and what nobody
// can be asked to send says that nothing left.
func TestOpenItemsSayWhoMustAct(t *testing.T) {
	d := newPaydesk(t)
	lines := d.release(1)
	d.answer(lines[0].Reference, payment.Refused) // AC04: the applicant's account is closed
	d.statement(payment.Line{Reference: "lost", Amount: payment.Rupiah(7)}, lines[1], back(lines[1]))
	items := map[string]program.OpenItem{}
	require.NoError(t, d.OpenItems(t.Context(), func(o program.OpenItem) error {
		items[fmt.Sprint(o.Batch, "/", o.Item, "/", o.Line)] = o
		return nil
	}))
	require.Equal(t, "suspense", items["0/0/1"].Why)
	require.Equal(t, payment.OrphanDebit, items["0/0/1"].Class)
	require.False(t, items["0/0/1"].Since.IsZero())
	require.Equal(t, "rejected", items["1/1/0"].Why)
	require.Equal(t, payment.AccountUnusable, items["1/1/0"].Failure)
	require.Equal(t, payment.AccountUnusable.Actor(), items["1/1/0"].Owner)
	require.Equal(t, "returned", items["1/2/0"].Why)
	d.now = d.now.Add(48 * time.Hour)
	d.statement()
	require.Equal(t, int64(2), d.prepare(2)["payments"])
	require.NoError(t, d.OpenItems(t.Context(), func(o program.OpenItem) error {
		require.False(t, o.Why == "rejected" || o.Why == "returned", "another payment is on its way")
		if o.Batch == 1 {
			require.Equal(t, "missing", o.Why, "the statements reach beyond it")
		}
		return nil
	}))

	w := newWallet(t, 1, payment.Capabilities{BatchSize: 2}, nil)
	w.release(t.Context(), t)
	require.NoError(t, w.engine.OpenItems(t.Context(), func(o program.OpenItem) error {
		require.Equal(t, "not-sent officer", o.Why+" "+string(o.Owner))
		return nil
	}))
}

// One account is paid to only so many payees, and gets no more than its cap.
func TestAnAccountHasLimits(t *testing.T) {
	for name, set := range map[string]func(*story){
		"payees": func(s *story) { s.payees.PerAccount = 2 },
		"amount": func(s *story) { s.caps.Account = payment.Rupiah(1200) },
	} {
		s, e, b := prepared(t, nil)
		ctx := t.Context()
		_, err := e.CancelBatch(ctx, actor("x"), 1, "again")
		require.NoError(t, err)
		set(s)
		e = s.engine(t)
		_, err = e.FireAll(ctx, actor("desk"), "share", program.FireOrder[details]{Wave: 1, States: []program.State{"bought"},
			Report: func(*program.Case[details]) (program.Report, bool) {
				return program.Report{Event: "relink", Account: &program.Payout{Provider: "BANK", Account: identity.NewSecret("the broker's")}}, true
			}})
		require.NoError(t, err)
		counts, err := e.PrepareBatch(ctx, actor("preparer"), program.BatchOrder{Number: 2, Wave: 1, Benefit: "cash", Instalment: 1, Again: true})
		require.NoError(t, err)
		require.Equal(t, int64(2), counts["payments"], name)
		require.Equal(t, b.Count-2, counts["refused.bounds"], name)
		s.verify(t)
	}
}

// A batch that is being released is released on what is known then: a statement that
// blocks one of its entitlements between the look and the release comes first.
func TestABlockComesBeforeARelease(t *testing.T) {
	d := newPaydesk(t)
	ctx := t.Context()
	first := d.release(1)
	d.answer(first[0].Reference, payment.Refused)
	d.prepare(2)
	d.approve(2)
	store := &unguarded{Store: d.story.store, before: func() { d.statement(first[0]) }}
	d.story.store = store
	var stale *program.StaleError
	require.ErrorAs(t, d.engine(t).SubmitBatch(ctx, actor("releaser"), 2, byFile), &stale)
	var state *program.StateError
	require.ErrorAs(t, d.engine(t).SubmitBatch(ctx, actor("releaser"), 2, byFile), &state)
	d.verify(t)
}

// What waited too long for the store is not sent again either, and is not counted as
// handed over.
func TestASlowStoreSendsNothingTooLate(t *testing.T) {
	promised := payment.Capabilities{ReplaySafe: true, KeyMemory: 24 * time.Hour, StatusMemory: 1000 * time.Hour, BatchSize: 100}
	w := newWallet(t, 1, promised, nil)
	ctx := t.Context()
	w.release(ctx, t)
	w.far.Fault(paymenttest.RequestLost)
	_, err := w.engine.SendBatch(ctx, actor("sender"), 1, w.oneByOne())
	require.NoError(t, err)
	w.wait(11 * time.Hour)
	store := &unguarded{Store: w.store.Store, before: func() { w.wait(2 * time.Hour) }}
	w.store.Store = store
	counts, err := w.engine.AskBatch(ctx, actor("asker"), 1, w.oneByOne())
	require.NoError(t, err)
	require.Positive(t, counts["not-sent"])
	out, _ := w.far.Moved(mustReference(t, 1, 1, 1))
	require.Zero(t, out)
	require.Equal(t, "unknown", stateOf(ctx, t, w, 1), "the first time it may have been executed")
	rows, err := w.store.Load(ctx, program.Query{Keys: []program.Key{{Table: program.TablePayments, Values: []any{int64(1), int64(1)}}}})
	require.NoError(t, err)
	require.Equal(t, int64(1), rows.Rows[0].Values[19])
	w.verify(t)
}

func mustReference(t *testing.T, batch, item int64, generation int) string {
	reference, err := payment.Reference(batch, item, generation)
	require.NoError(t, err)
	return reference
}
