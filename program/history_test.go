package program_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/payment/paymenttest"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/program/memstore"
)

// history makes random histories of payments over both channels: files that a bank
// executes, refuses, forgets, executes twice or returns, calls to a faulty wallet, notices,
// holds, cancellations, double bookings, resolutions, and crashes at any write.
type history struct {
	*wallet
	t       *testing.T
	r       *rand.Rand
	bank    *fileBank
	batch   int64
	paying  []int64 // batches that pay somebody
	met     map[string]int
	said    int
	wallets int
	banks   int
}

// fileBank is the far side of the files: what it has moved, by reference.
type fileBank struct {
	balance int64
	lines   []payment.Line // not on a statement yet
	out     map[string]int
	back    map[string]int
}

func (b *fileBank) move(l payment.Line) {
	b.lines = append(b.lines, l)
	if l.Credit {
		b.balance += l.Amount.Units
		b.back[l.Reference]++
	} else {
		b.balance -= l.Amount.Units
		b.out[l.Reference]++
	}
}

func newHistory(t *testing.T, seed uint64) *history {
	rates := map[paymenttest.Fault]int{paymenttest.RequestLost: 100, paymenttest.AnswerLost: 100, paymenttest.NoConnection: 100,
		paymenttest.Garbage: 50, paymenttest.PartialAnswer: 50, paymenttest.Refusal: 100, paymenttest.RefusedLater: 50, paymenttest.Late: 100,
		paymenttest.Comeback: 100, paymenttest.EnquiryLost: 100}
	promised := payment.Capabilities{ReplaySafe: seed%2 == 0, KeyMemory: 24 * time.Hour, StatusMemory: 10 * 24 * time.Hour, Finality: 48 * time.Hour, BatchSize: 3}
	w := newWallet(t, seed, promised, rates)
	return &history{wallet: w, t: t, r: rand.New(rand.NewPCG(seed, 1)), met: map[string]int{},
		bank: &fileBank{balance: payment.Rupiah(50_000).Units, out: map[string]int{}, back: map[string]int{}}}
}

// do carries out a command that may be refused, or die.
func (h *history) do(name string, err error) bool {
	var state *program.StateError
	var hands *payment.SameHandsError
	var stale *program.StaleError
	var field *program.FieldError
	switch {
	case err == nil:
		h.met[name]++
		return true
	case errors.Is(err, errPower):
		h.met["died"]++
		h.engine = h.story.engine(h.t)
	case errors.As(err, &state), errors.As(err, &hands), errors.As(err, &stale), errors.As(err, &field), errors.Is(err, program.ErrNotFound):
		h.met["refused"]++
	default:
		require.NoError(h.t, err, name)
	}
	return false
}

// anyBatch is one of the last that pay somebody.
func (h *history) anyBatch() int64 {
	if len(h.paying) == 0 {
		return 1
	}
	return h.paying[len(h.paying)-1-h.r.IntN(min(4, len(h.paying)))]
}

func (h *history) step(ctx context.Context) {
	e, n := h.engine, h.anyBatch()
	h.store.calls, h.store.at, h.store.written = 0, 0, h.r.IntN(2) == 0
	if h.r.IntN(10) == 0 {
		h.store.at = 1 + h.r.IntN(4)
	}
	switch h.r.IntN(15) {
	case 0, 1:
		counts, err := e.PrepareBatch(ctx, actor("preparer"), program.BatchOrder{Number: h.batch + 1, Wave: 1, Benefit: "cash", Instalment: 1, Again: h.batch > 0})
		if h.do("prepare", err) {
			if h.batch++; counts["payments"] > 0 {
				h.paying = append(h.paying, h.batch)
			}
		}
	case 2:
		if b, err := e.Batch(ctx, n); err == nil {
			h.do("approve", e.ApproveBatch(ctx, actor("approver"), n, b.Digest))
		}
	case 3:
		release := program.Release{}
		if h.r.IntN(3) > 0 {
			release = program.Release{File: [32]byte{byte(n)}, To: "FILES"}
		}
		h.do("release", e.SubmitBatch(ctx, actor("releaser"), n, release))
	case 4:
		_, err := e.SendBatch(ctx, actor("sender"), n, h.oneByOne())
		h.do("send", err)
	case 5:
		_, err := e.AskBatch(ctx, actor("asker"), n, h.oneByOne())
		h.do("ask", err)
	case 6, 13, 14:
		h.execute(ctx, n)
	case 7:
		h.walletStatement(ctx)
	case 8:
		h.bankStatement(ctx)
	case 9:
		h.hold(ctx, n)
	case 10:
		h.answer(ctx, n)
	case 11:
		h.resolve(ctx, n)
	case 12:
		if h.r.IntN(8) == 0 {
			_, err := e.CancelBatch(ctx, actor("auditor"), n, "a mistake")
			h.do("cancel", err)
		}
	}
	h.store.at = 0
	h.wait(time.Duration(h.r.IntN(10)) * time.Hour)
}

// execute is the bank's work on a file that has reached it, whole or in part: it
// pays, pays twice, forgets, returns, or pays what it has refused.
func (h *history) execute(ctx context.Context, n int64) {
	b, err := h.engine.Batch(ctx, n)
	if err != nil || b.State != program.BatchSubmitted || b.To == "" {
		return
	}
	h.do("write", h.engine.WriteBatch(ctx, n, func(o program.Order) error {
		line := payment.Line{Reference: o.Reference, Amount: o.Amount}
		switch dice := h.r.IntN(20); {
		case h.bank.out[o.Reference] > 0:
			if dice == 0 && h.bank.back[o.Reference] < h.bank.out[o.Reference] {
				h.bank.move(back(line))
				h.met["returned"]++
			}
		case dice < 4:
			h.bank.move(line)
		case dice == 4:
			line.Amount.Units++ // a fee
			h.bank.move(line)
			h.met["wrong amount"]++
		case dice == 5:
			h.bank.move(line)
			h.bank.move(line)
			h.bank.move(back(line))
			h.met["double booking"]++
		}
		return nil
	}))
}

func (h *history) walletStatement(ctx context.Context) {
	sums, lines := h.far.CloseBooks()
	h.wallets++
	h.takeStatement(ctx, program.Statement{ID: "w", Account: "wallet", Channel: "BANK", Until: h.now, Sequence: sums.Sequence,
		Opening: sums.Opening, Closing: sums.Closing, Digest: [32]byte{1, byte(h.wallets), byte(h.wallets >> 8)}, Lines: each(lines)})
}

func (h *history) bankStatement(ctx context.Context) {
	lines := slices.Clone(h.bank.lines)
	h.bank.lines = nil
	h.banks++
	closing := h.bank.balance
	opening := closing
	for _, l := range lines {
		if l.Credit {
			opening -= l.Amount.Units
		} else {
			opening += l.Amount.Units
		}
	}
	money := func(units int64) payment.Money { return payment.Money{Units: units, Currency: payment.IDR} }
	h.takeStatement(ctx, program.Statement{ID: "b", Account: "files", Channel: "FILES", Until: h.now, Sequence: int64(h.banks),
		Opening: money(opening), Closing: money(closing), Digest: [32]byte{2, byte(h.banks), byte(h.banks >> 8)}, Lines: each(lines)})
}

// takeStatement takes a statement, until it is taken.
func (h *history) takeStatement(ctx context.Context, st program.Statement) {
	for range 3 {
		_, err := h.engine.Reconcile(ctx, actor("clerk"), fmt.Sprintf("statement %s %x", st.ID, st.Digest[:3]), st)
		if h.do("statement", err) {
			return
		}
		h.store.at = 0
	}
	h.t.Fatal("a statement was not taken")
}

func (h *history) hold(ctx context.Context, n int64) {
	b, err := h.engine.Batch(ctx, n)
	if err != nil || b.Count < 2 || h.r.IntN(3) > 0 {
		return
	}
	_, err = h.engine.HoldPayments(ctx, actor("auditor"), n, []int64{1 + h.r.Int64N(b.Count)}, "a letter")
	h.do("hold", err)
	h.store.at = 0
	if b, _ = h.engine.Batch(ctx, n); b.State == program.BatchRevising { // it died in the middle
		rows, _, err := h.store.Page(ctx, program.Scan{Table: program.TablePayments, Equal: []any{n}, Limit: 1000})
		require.NoError(h.t, err)
		for _, row := range rows.Rows {
			if row.Values[15].(int64)&1 == 1 {
				_, err := h.engine.HoldPayments(ctx, actor("auditor"), n, []int64{row.Values[1].(int64)}, "a letter")
				h.do("hold", err)
				break
			}
		}
	}
}

// answer is a word of the bank on a file, right or wrong, or a notice of the wallet.
func (h *history) answer(ctx context.Context, n int64) {
	b, err := h.engine.Batch(ctx, n)
	if err != nil || b.Count == 0 {
		return
	}
	item := 1 + h.r.Int64N(b.Count)
	reference, generation := "", 0
	rows, err := h.store.Load(ctx, program.Query{Keys: []program.Key{{Table: program.TablePayments, Values: []any{n, item}}}})
	require.NoError(h.t, err)
	if len(rows.Rows) == 0 {
		return
	}
	generation = int(rows.Rows[0].Values[7].(int64))
	if reference, err = payment.Reference(n, item, generation); err != nil {
		return
	}
	if header, body := h.far.CallBack(reference); body != nil {
		_, err := h.engine.TakeNotice(ctx, actor("wallet"), "BANK", h.far, header, body)
		h.do("notice", err)
		return
	}
	standings := []payment.Standing{payment.Taken, payment.Paid, payment.Unclear, payment.Absent}
	if h.bank.out[reference] == 0 && b.To != "" { // and it holds to it, but for its debits of dead payments
		standings = append(standings, payment.Refused)
	}
	standing := standings[h.r.IntN(len(standings))]
	h.said++
	counts, err := h.engine.TakeAnswers(ctx, actor("clerk"), fmt.Sprint("answers ", h.said), program.Answers{From: "FILES", Digest: [32]byte{3, byte(h.said), byte(h.said >> 8)},
		Each: each([]payment.Answer{{Reference: reference, Standing: standing}})})
	if h.do("answer", err) && counts["rejected"] > 0 && h.r.IntN(2) == 0 {
		// The bank pays what it has refused: nothing of the program's can prevent that, and it
		// must not be paid again.
		h.bank.move(payment.Line{Reference: reference, Amount: payment.Money{Units: rows.Rows[0].Values[8].(int64), Currency: payment.IDR}})
		h.met["refused and paid"]++
		h.bankStatement(ctx)
	}
}

// resolve is what two people decide, who look at what the far side has really done.
func (h *history) resolve(ctx context.Context, n int64) {
	b, err := h.engine.Batch(ctx, n)
	if err != nil || b.Count == 0 {
		return
	}
	item := 1 + h.r.Int64N(b.Count)
	rows, err := h.store.Load(ctx, program.Query{Keys: []program.Key{{Table: program.TablePayments, Values: []any{n, item}}}})
	require.NoError(h.t, err)
	if len(rows.Rows) == 0 {
		return
	}
	reference, err := payment.Reference(n, item, int(rows.Rows[0].Values[7].(int64)))
	require.NoError(h.t, err)
	order := program.Resolve{Batch: n, Item: item, As: program.ReleaseEntitlement, Evidence: "seen"}
	if h.bank.out[reference] > h.bank.back[reference] {
		order.As, order.Account = program.WasPaid, "files"
		require.NoError(h.t, h.engine.OpenItems(ctx, func(o program.OpenItem) error {
			if o.Batch == n && o.Item == item && o.Why == "suspense" && o.Amount.Units > 0 {
				order.Sequence, order.Line = o.Sequence, o.Line
			}
			return nil
		}))
	}
	for _, who := range []string{"one", "two"} {
		_, err := h.engine.Resolve(ctx, actor(who), order)
		if !h.do("resolve", err) {
			return
		}
	}
	h.met[string(order.As)]++
}

// paid counts, by entitlement, what both far sides have moved, net of what came back.
func (h *history) paid(ctx context.Context) map[string]int {
	net := map[string]int{}
	rows, _, err := h.store.Page(ctx, program.Scan{Table: program.TablePayments, Limit: 100_000})
	require.NoError(h.t, err)
	for _, row := range rows.Rows {
		v := row.Values
		reference, err := payment.Reference(v[0].(int64), v[1].(int64), int(v[7].(int64)))
		require.NoError(h.t, err)
		out, back := h.far.Moved(reference)
		net[fmt.Sprint(v[3:7]...)] += out - back + h.bank.out[reference] - h.bank.back[reference]
	}
	return net
}

// Over random histories with faults, of both channels: at every step everything adds up
// (Verify), and nobody is paid twice, but by a bank that pays what it has refused before anybody
// can know.
func TestRandomHistoriesOfPayments(t *testing.T) {
	met := map[string]int{}
	seeds := uint64(16)
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		h := newHistory(t, seed)
		ctx := t.Context()
		for n := range 250 {
			h.step(ctx)
			if n%5 == 0 {
				h.verify(t)
			}
			for who, times := range h.paid(ctx) {
				require.LessOrEqual(t, times, 1, "seed %d step %d: %s", seed, n, who)
			}
		}
		h.verify(t)
		for what, n := range h.met {
			met[what] += n
		}
	}
	for _, what := range []string{"prepare", "approve", "release", "send", "ask", "write", "statement", "hold", "answer", "notice", "resolve", "cancel", "died",
		"wrong amount", "double booking", "returned", "refused and paid", "release", "was-paid"} {
		if testing.Short() {
			break
		}
		require.Positive(t, met[what], "control: %s was met", what)
	}
}

// unguarded is a store without one of its guards.
type unguarded struct {
	program.Store
	live, key, bound bool // which guard is missing
	before           func()
	when             func(program.Change) bool // before which change; nil for the first
}

func (u *unguarded) Apply(ctx context.Context, changes []program.Change) ([]program.Outcome, error) {
	if before := u.before; before != nil && (u.when == nil || u.when(changes[0])) {
		u.before = nil
		before()
	}
	changes = slices.Clone(changes)
	for i := range changes {
		c := &changes[i]
		if u.key {
			c.Key = ""
		}
		c.Rows, c.Postings = slices.Clone(c.Rows), slices.Clone(c.Postings)
		for j, row := range c.Rows {
			if u.live && row.Table == program.TablePayments && row.Version == 0 {
				c.Rows[j].Values = slices.Clone(row.Values)
				c.Rows[j].Values[13] = int64(1) // the index does not see it
			}
		}
		for j := range c.Postings {
			c.Postings[j].Legs = slices.Clone(c.Postings[j].Legs)
			for k := range c.Postings[j].Legs {
				if u.bound {
					c.Postings[j].Legs[k].Bounds = ledger.Free()
				}
			}
		}
	}
	return u.Store.Apply(ctx, changes)
}

func (u *unguarded) Load(ctx context.Context, q program.Query) (program.Rows, error) {
	if u.key {
		q.Command = ""
	}
	return u.Store.Load(ctx, q)
}

// Every guard is needed: what it keeps is broken once it is taken away.
func TestEveryGuardIsNeeded(t *testing.T) {
	invariants := func(s *story) []string {
		breaches, err := s.engine(t).Verify(t.Context())
		require.NoError(t, err)
		var all []string
		for _, b := range breaches {
			all = append(all, b.Note)
		}
		return all
	}
	t.Run("one live payment", func(t *testing.T) {
		for _, off := range []bool{false, true} {
			s := newStory(memstore.New())
			s.until = 19
			require.NoError(t, s.run(t))
			s.now = day(20)
			store := &unguarded{Store: s.store, live: off, when: func(c program.Change) bool {
				return slices.ContainsFunc(c.Rows, func(r program.Row) bool { return r.Table == program.TablePayments })
			}}
			s.store = store
			s.chunk = 1000
			e, order := s.engine(t), program.BatchOrder{Number: 1, Wave: 1, Benefit: "cash", Instalment: 1}
			// Another officer prepares the same at the same time.
			store.before = func() {
				other := order
				other.Number = 2
				_, err := s.engine(t).PrepareBatch(t.Context(), actor("another"), other)
				require.NoError(t, err)
			}
			_, err := e.PrepareBatch(t.Context(), actor("preparer"), order)
			require.NoError(t, err)
			if off {
				require.Contains(t, invariants(s), "a second live payment of one entitlement")
			} else {
				require.Empty(t, invariants(s))
			}
		}
	})
	t.Run("a command's key", func(t *testing.T) {
		for _, off := range []bool{false, true} {
			s := newStory(&unguarded{Store: memstore.New(), key: off})
			e, by := s.engine(t), program.By{Actor: "treasury", Key: "fund"}
			for range 2 { // its answer was lost
				require.NoError(t, e.Fund(t.Context(), by, payment.Rupiah(5)))
			}
			b, err := s.store.Balances(t.Context(), "budget/available")
			require.NoError(t, err)
			want := payment.Rupiah(5)
			if off {
				want = payment.Rupiah(10)
			}
			require.Equal(t, want.Units, b[0].Posted)
		}
	})
	t.Run("the envelope's bound", func(t *testing.T) {
		for _, off := range []bool{false, true} {
			s := newStory(&unguarded{Store: memstore.New(), bound: off})
			s.until = 7
			s.fund = payment.Rupiah(12_000) // for the balances of twelve, and nothing else
			require.NoError(t, s.run(t))
			s.until = 9
			require.NoError(t, s.run(t))
			counts, _, err := s.engine(t).JobStatus(t.Context(), "buy")
			require.NoError(t, err)
			if off {
				require.NotEmpty(t, invariants(s))
				continue
			}
			require.Positive(t, counts["refused.bounds"], "the envelope ran out")
			require.Empty(t, invariants(s))
			b, err := s.store.Balances(t.Context(), "budget/available")
			require.NoError(t, err)
			require.GreaterOrEqual(t, b[0].Posted, int64(0))
		}
	})
}

// Verify names each thing that somebody has changed in the store.
func TestVerifyFindsForgedMoney(t *testing.T) {
	for name, forge := range map[string]func(*testing.T, *paydesk){
		"an entitlement's amount": func(t *testing.T, d *paydesk) { d.forge(program.TableEntitlements, 4, int64(1)) },
		"a stop":                  func(t *testing.T, d *paydesk) { d.forge(program.TableEntitlements, 8, int64(1)) },
		"a payment's state":       func(t *testing.T, d *paydesk) { d.forge(program.TablePayments, 2, "accepted") },
		"a payment's amount":      func(t *testing.T, d *paydesk) { d.forge(program.TablePayments, 8, int64(1)) },
		"a payment's mark":        func(t *testing.T, d *paydesk) { d.forge(program.TablePayments, 15, int64(2)) },
		"a batch's count":         func(t *testing.T, d *paydesk) { d.forge(program.TableBatches, 5, int64(1)) },
		"a batch's total":         func(t *testing.T, d *paydesk) { d.forge(program.TableBatches, 6, int64(1)) },
		"a batch's state":         func(t *testing.T, d *paydesk) { d.forge(program.TableBatches, 1, "prepared") },
		"a statement's number":    func(t *testing.T, d *paydesk) { d.forge(program.TableStatements, 2, int64(7)) },
		"a statement's closing":   func(t *testing.T, d *paydesk) { d.forge(program.TableStatements, 4, int64(7)) },
		"an account's closing":    func(t *testing.T, d *paydesk) { d.forge(program.TableBankAccounts, 2, int64(7)) },
		"an account's number":     func(t *testing.T, d *paydesk) { d.forge(program.TableBankAccounts, 1, int64(7)) },
		"a line in suspense":      func(t *testing.T, d *paydesk) { d.forge(program.TableSuspense, 5, int64(1)) },
		"a line out of suspense":  func(t *testing.T, d *paydesk) { d.forge(program.TableSuspense, 3, nil) },
		"money from nowhere": func(t *testing.T, d *paydesk) {
			d.post("budget/available", "own/x")
		},
		"a balance above its benefit": func(t *testing.T, d *paydesk) {
			d.post("balance/balance/1/nobody", "budget/appropriated")
		},
		"a payment by hand":  func(t *testing.T, d *paydesk) { d.post("paid/cash", "entitled/cash") },
		"a line by hand":     func(t *testing.T, d *paydesk) { d.post("bank/treasury", "suspense/treasury") },
		"a budget overdrawn": func(t *testing.T, d *paydesk) { d.post("budget/appropriated", "budget/available") },
	} {
		t.Run(name, func(t *testing.T) {
			d := newPaydesk(t)
			lines := d.release(1)
			d.statement(append(lines[:3], payment.Line{Reference: "nobody's", Amount: payment.Rupiah(7)})...)
			d.verify(t)
			forge(t, d)
			breaches, err := d.Verify(t.Context())
			require.NoError(t, err)
			require.NotEmpty(t, breaches)
			for _, b := range breaches {
				require.Equal(t, "money", b.Invariant)
			}
		})
	}
}

// forge changes a column of the first row of a table.
func (d *paydesk) forge(table program.TableID, column int, value any) {
	rows, _, err := d.store.Page(d.t.Context(), program.Scan{Table: table, Limit: 1})
	require.NoError(d.t, err)
	rows.Rows[0].Values[column] = value
	outcomes, err := d.store.Apply(d.t.Context(), []program.Change{{Rows: rows.Rows}})
	require.NoError(d.t, err)
	require.NoError(d.t, outcomes[0].Refusal)
}

// post moves a great amount by hand.
func (d *paydesk) post(to, from ledger.Account) {
	outcomes, err := d.store.Apply(d.t.Context(), []program.Change{{At: d.now, Postings: []ledger.Posting{{ID: "by hand", Legs: []ledger.Leg{
		{Account: from, Amount: -1 << 40, Bounds: ledger.Free()}, {Account: to, Amount: 1 << 40, Bounds: ledger.Free()},
	}}}}})
	require.NoError(d.t, err)
	require.NoError(d.t, outcomes[0].Refusal)
}

// The engine puts every line into the class that the matcher in memory does, over
// statements and their chunks.
func TestTheEngineClassifiesAsTheMatcher(t *testing.T) {
	met := map[payment.Class]int{}
	for seed := range uint64(20) {
		d := newPaydesk(t)
		orders := d.release(1)
		var expected []payment.Expected
		for _, o := range orders {
			expected = append(expected, payment.Expected{Reference: o.Reference, State: payment.Submitted, Amount: o.Amount, Destination: [32]byte{1}})
		}
		m, err := payment.NewMatcher(payment.IDR, slices.Values(expected))
		require.NoError(t, err)
		r := rand.New(rand.NewPCG(seed, 9))
		for range 4 {
			var lines []payment.Line
			for range r.IntN(25) {
				l := orders[r.IntN(len(orders))]
				l.Credit = r.IntN(3) == 0
				switch r.IntN(8) {
				case 0:
					l.Amount.Units += 5
				case 1:
					l.Reference = "nobody's"
				case 2:
					l.Destination = [32]byte{2}
				}
				lines = append(lines, l)
			}
			want := map[payment.Class]int64{}
			for _, l := range lines {
				class, _ := m.Match(l)
				want[class]++
				met[class]++
			}
			counts := d.statement(lines...)
			for class := range met {
				require.Equal(t, want[class], counts["class."+string(class)], "seed %d: %s", seed, class)
			}
			d.verify(t)
		}
	}
	for _, class := range []payment.Class{payment.Matched, payment.ReturnedLine, payment.WrongAmount, payment.WrongAccount, payment.Duplicate,
		payment.OrphanDebit, payment.OrphanCredit} {
		require.Positive(t, met[class], "control: %s was met", class)
	}
}
