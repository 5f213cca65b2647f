package dbtest_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/quota"
)

// This file is what the tests of faults run: a year of a small program, with commands
// and jobs of most kinds. Whoever runs it again from its beginning goes on where it
// ended: commands have keys, and jobs have names.

type details struct {
	Pool string `json:"pool"`
	Late bool   `json:"late,omitempty"` // buys nothing in time
}

func yearTable() program.Table {
	in := func(s ...program.State) []program.State { return s }
	seat := program.Holds{program.Seat}
	do := func(name, arg string) program.Effect { return program.Effect{Name: name, Arg: arg} }
	return program.Table{
		Name: "year", Version: 1, Start: "joined",
		States: program.States{
			{State: "joined", Next: lifecycle.Engine, Check: &program.Check{At: "screen", Eligible: "passed", Ineligible: "failed", Pending: lifecycle.Stay}},
			{State: "in_roll", Next: lifecycle.Engine},
			{State: "objecting", Next: lifecycle.Officer},
			{State: "waiting", Next: lifecycle.Engine},
			{State: "out", Final: true},
			{State: "refused", Next: lifecycle.Applicant},
			{State: "accepted", Holds: seat, Next: lifecycle.Applicant,
				Within: &program.Deadline{Fires: "overdue", Term: calendar.Term{Days: 10, Zone: "Asia/Jakarta"}}},
			{State: "bought", Holds: seat, Payable: true, Next: lifecycle.Partner},
			{State: "done", Holds: seat, Final: true, Keeps: true},
			{State: "revoked", Final: true},
		},
		Moves: program.Moves{
			{On: "passed", From: in("joined"), To: "in_roll"},
			{On: "failed", From: in("joined"), To: "refused", Do: []program.Effect{do("notify", "ineligible")}},
			{On: "objected", From: in("refused"), To: "objecting"},
			{On: "upheld", From: in("objecting"), To: "accepted", Do: []program.Effect{do("entitle", "balance")}},
			{On: "dismissed", From: in("objecting"), To: "out"},
			{On: "leave", From: in("joined", "refused", "waiting", "accepted"), To: "out"},
			{On: program.Drawn, From: in("in_roll"), To: "accepted", Do: []program.Effect{do("entitle", "balance")}},
			{On: program.NotSelected, From: in("in_roll"), To: "waiting"},
			{On: program.Promoted, From: in("waiting"), To: "accepted", Do: []program.Effect{do("entitle", "balance")}},
			{On: "buy", From: in("accepted"), To: "bought", Do: []program.Effect{do("spend", "balance"), do("confirm-seat", ""), do("entitle", "cash")}},
			{On: "overdue", From: in("accepted"), To: "revoked", Do: []program.Effect{do("lapse", "balance"), do("bar", "")}},
			{On: "finish", From: in("bought"), To: "done"},
		},
	}
}

func yearProgram() *program.Program[details] {
	f := program.NewFacts[details]()
	official := f.Observed("official", "bkn", 0)
	return &program.Program[details]{
		ID: "year", Lifecycle: yearTable(), Facts: f, Zone: "Asia/Jakarta",
		Policy: eligibility.Policy{Name: "year", Rules: []eligibility.Rule{
			{Code: "adult", Require: f.BirthDate.AgeAtLeast(18), Basis: eligibility.Article("Law 1", "2"), At: []string{"screen"}},
			{Code: "not-an-official", Require: official.Is(false), Basis: eligibility.Article("Law 1", "3"), At: []string{"screen"}},
		}},
		Place: func(c *program.Case[details]) program.Placement {
			return program.Placement{Pool: c.Applicant.Details.Pool}
		},
		Limits: []program.Limit{{Name: "once", Per: program.PerPerson, Max: 1, Ever: true}, {Name: "household", Per: program.PerHousehold, Max: 1}},
		Benefits: payment.Benefits{
			payment.Balance("balance", payment.Rupiah(1000)),
			payment.Instalments("cash", 2, payment.Rupiah(600)).Monthly(),
		},
		Retention: program.Retention{Years: 1, Basis: eligibility.Article("Law 2", "1"), Bars: []program.Bar{{Limit: "once", Basis: eligibility.Article("Law 1", "9")}}},
		Appeals: program.Appeals{Against: []program.State{"refused"}, File: calendar.Term{Days: 60, Zone: "Asia/Jakarta"},
			Decide: calendar.Term{Days: 60, Zone: "Asia/Jakarta"}, Filed: "objected", Upheld: "upheld", Dismissed: "dismissed"},
	}
}

// yearPerson is person i: every fifth is a minor, every seventh an official, of some it is
// not known, three share a family, and one family in four buys nothing in time.
func yearPerson(i int) program.Registration[details] {
	r := program.Registration[details]{
		Person: program.Person{
			Name: identity.NewName(fmt.Sprint("Orang ", i)), National: identity.NewSecret(fmt.Sprintf("3171%012d", i)),
			Family: identity.NewSecret(fmt.Sprint("family ", i/3*3)), Birth: calendar.Of(1990, time.March, 1),
			Payout: program.Payout{Provider: "BANK", Account: identity.NewSecret(fmt.Sprint("account-", i)), Holder: identity.NewName("Orang")},
		},
		Details:  details{Pool: []string{"north", "south"}[i%2], Late: i/3%4 == 1},
		Evidence: map[string]program.Evidence{"official": {Source: "bkn", Seen: yearDay(1), Value: i%7 == 6}},
	}
	switch {
	case i%5 == 4:
		r.Person.Birth = calendar.Of(2010, time.March, 1)
	case i%11 == 10:
		r.Evidence = nil
	}
	return r
}

type yearPeople struct{ from, to int }

func (p yearPeople) Next(_ context.Context, done int64, limit int) ([]program.Registration[details], error) {
	var some []program.Registration[details]
	for i := p.from + int(done); i < p.to && len(some) < limit; i++ {
		some = append(some, yearPerson(i))
	}
	return some, nil
}

func yearDay(n int) time.Time { return time.Date(2020, time.August, n, 3, 0, 0, 0, time.UTC) }

func yearPlan() *quota.Plan {
	return &quota.Plan{Name: "year-1", Ticket: quota.PerPerson, Tiers: 1, HouseholdCap: 1, Waiting: 20, Pools: []quota.Pool{
		{ID: "all"}, {ID: "north", Parent: "all", Seats: 3, Spill: []string{"all"}}, {ID: "south", Parent: "all", Seats: 9, Spill: []string{"all"}},
	}}
}

// year runs a year of the program on a store.
type year struct {
	store  program.Store
	clock  *movedClock
	bank   *fileBank
	people int
	chunk  int
	worker string
	// after, if not nil, is called when step i is over; an error ends the run.
	after func(i int) error
}

// movedClock is the clock of the engine and of its store. Only the year moves it.
type movedClock struct{ at atomic.Int64 }

func newClock() *movedClock {
	c := &movedClock{}
	c.set(yearDay(1))
	return c
}

func (c *movedClock) now() time.Time  { return time.UnixMicro(c.at.Load()).UTC() }
func (c *movedClock) set(t time.Time) { c.at.Store(t.UnixMicro()) }

func yearEngine(store program.Store, clock func() time.Time, o program.Options) (*program.Engine[details], error) {
	return yearEngineOf(store, clock, rand.Reader, o)
}

func yearEngineOf(store program.Store, clock func() time.Time, random io.Reader, o program.Options) (*program.Engine[details], error) {
	keys, err := program.NewLocalKeyring(bytes.Repeat([]byte{7}, 32), random)
	if err != nil {
		return nil, err
	}
	return program.NewEngine(yearProgram(), store, keys, program.Surroundings{Clock: clock, Random: random}, &o)
}

func (y *year) engine() (*program.Engine[details], error) {
	return yearEngine(y.store, y.clock.now, program.Options{Chunk: y.chunk, Worker: y.worker, Lease: 50 * time.Millisecond})
}

type yearStep struct {
	name string
	day  int
	do   func() error
}

func by(actor, key string) program.By { return program.By{Actor: actor, Key: key} }

// run runs the year from its beginning to its end.
func (y *year) run(ctx context.Context) error {
	e, err := y.engine()
	if err != nil {
		return err
	}
	steps, err := y.steps(ctx, e)
	if err != nil {
		return err
	}
	for i, s := range steps {
		y.clock.set(yearDay(s.day))
		if err := s.do(); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if y.after != nil {
			if err := y.after(i); err != nil {
				return err
			}
		}
	}
	return nil
}

func (y *year) steps(ctx context.Context, e *program.Engine[details]) ([]yearStep, error) {
	job := func(_ program.Counts, err error) error { return err }
	var steps []yearStep
	// A year that begins again meets people whom it has erased: what was done for them is done.
	add := func(day int, name string, do func() error) {
		steps = append(steps, yearStep{name, day, func() error {
			err := do()
			if gone := new(program.ErasedError); errors.As(err, &gone) {
				return nil
			}
			return err
		}})
	}
	add(1, "plan", func() error {
		return e.PlanWave(ctx, by("planner", "plan"), program.WaveOrder{Number: 1, Opens: yearDay(2), Closes: yearDay(5), Plan: yearPlan(), AppealSeats: 2})
	})
	add(1, "fund", func() error { return e.Fund(ctx, by("treasury", "fund"), payment.Rupiah(100_000)) })
	add(1, "register many", func() error {
		return job(e.RegisterAll(ctx, by("registrar", ""), "register", yearPeople{0, y.people}))
	})
	// People who come by themselves.
	const alone = 8
	ids := make([]uuid.UUID, alone)
	for i := range alone {
		add(2, fmt.Sprint("register ", i), func() (err error) {
			ids[i], err = e.Register(ctx, by("desk", fmt.Sprint("register ", i)), yearPerson(y.people+i))
			if gone := new(program.ErasedError); errors.As(err, &gone) {
				ids[i] = gone.Applicant
			}
			return err
		})
	}
	add(2, "open", func() error { return e.OpenWave(ctx, by("planner", "open"), 1) })
	for i := range alone {
		add(3, fmt.Sprint("join ", i), func() error {
			_, err := e.Join(ctx, by("desk", fmt.Sprint("join ", i)), 1, ids[i])
			return err
		})
	}
	add(3, "join many", func() error {
		return job(e.JoinAll(ctx, by("registrar", ""), "join", 1, func(*program.Applicant[details]) bool { return true }))
	})
	add(4, "observe", func() error {
		return e.Observe(ctx, by("bkn", "observe"), ids[2], map[string]program.Evidence{"official": {Source: "bkn", Seen: yearDay(4), Value: false}})
	})
	add(4, "amend", func() error {
		err := e.Amend(ctx, by("officer", "amend"), ids[1], program.Correction[details]{
			Correct: func(p *program.Person, _ *details) { p.Name = identity.NewName("Orang Lain") }, Reason: "name as on the identity card"})
		if a, readErr := e.Applicant(ctx, ids[1]); readErr == nil && a.State == program.Erased {
			return nil // what was corrected is not known any more
		}
		return err
	})
	add(4, "leave", func() error { return e.Fire(ctx, by("desk", "leave"), 1, ids[3], program.Report{Event: "leave"}) })
	add(4, "withdraw", func() error { return e.Withdraw(ctx, by("desk", "withdraw"), ids[3]) })
	add(5, "close", func() error { return e.CloseWave(ctx, by("planner", "close"), 1) })
	add(5, "screen", func() error { return job(e.CheckAll(ctx, by("policy", ""), "screen", 1, "joined")) })
	add(6, "appeal", func() error { return y.appeals(ctx, e, 1) })
	add(6, "freeze", func() error {
		return e.Freeze(ctx, by("planner", "freeze"), 1, program.FreezeOrder{Number: 1, Source: quota.Source{Beacon: &quota.Beacon{Name: "test", Chain: "test", Round: 7}}})
	})
	add(7, "draw", func() error {
		w, err := e.Wave(ctx, 1)
		if err != nil {
			return err
		}
		digest, err := w.Manifest().Digest()
		if err != nil {
			return err
		}
		return e.Draw(ctx, by("planner", "draw"), 1, program.DrawOrder{Seed: &quota.Seed{Manifest: digest, Beacon: strings.Repeat("5a", 32)}})
	})
	add(7, "announce", func() error { return job(e.Announce(ctx, by("planner", ""), "announce", 1)) })
	add(8, "decide", func() error { return y.decide(ctx, e, 1) })
	add(9, "buy", func() error {
		return job(e.FireAll(ctx, by("shop", ""), "buy", program.FireOrder[details]{Wave: 1, States: []program.State{"accepted"},
			Report: func(c *program.Case[details]) (program.Report, bool) {
				return program.Report{Event: "buy", Amount: payment.Rupiah(400).Units, Party: "shop"}, !c.Applicant.Details.Late
			}}))
	})
	add(19, "overdue", func() error { return job(e.Tick(ctx, by("clock", ""), "overdue", 1)) })
	add(19, "promote", func() error {
		_, err := e.Promote(ctx, by("planner", "promote"), 1, program.PromoteOrder{Pool: "south", Seats: 1})
		var full *ledger.BoundError // nobody lost a seat there
		if errors.As(err, &full) {
			return nil
		}
		return err
	})
	for n := range int64(2) {
		y.payBatch(ctx, e, 20+3*int(n), n+1, add)
	}
	add(29, "finish", func() error {
		return job(e.FireAll(ctx, by("planner", ""), "finish", program.FireOrder[details]{Wave: 1, States: []program.State{"bought"}, Sealed: true,
			Report: func(*program.Case[details]) (program.Report, bool) { return program.Report{Event: "finish"}, true }}))
	})
	add(800, "erase", func() error { return e.Erase(ctx, by("officer", "erase"), ids[3]) })
	add(800, "erase all", func() error { return job(e.EraseAll(ctx, by("officer", ""), "erase")) })
	return steps, nil
}

// appeals lets everybody who was refused object; decide upholds the first few.
func (y *year) appeals(ctx context.Context, e *program.Engine[details], wave int64) error {
	var who []uuid.UUID
	err := e.Cases(ctx, wave, []program.State{"refused"}, false, func(c *program.Case[details]) error {
		who = append(who, c.Application.Applicant)
		return nil
	})
	for _, id := range who {
		if err == nil {
			_, err = e.FileAppeal(ctx, by("desk", "appeal "+id.String()), wave, id, "not so")
		}
	}
	return err
}

func (y *year) decide(ctx context.Context, e *program.Engine[details], wave int64) error {
	for {
		open, err := e.OpenAppeals(ctx, 10)
		if err != nil || len(open) == 0 {
			return err
		}
		for _, a := range open {
			err := e.DecideAppeal(ctx, by("judge", ""), wave, a.Applicant, a.Number, true, "so it is")
			var none *program.AppealError
			var full *ledger.BoundError // their household has a seat
			if errors.As(err, &none) || errors.As(err, &full) {
				err = e.DecideAppeal(ctx, by("judge", ""), wave, a.Applicant, a.Number, false, "not so")
			}
			if err != nil {
				return err
			}
		}
	}
}

// payBatch pays the first instalment to everybody who has it open, by calls.
func (y *year) payBatch(ctx context.Context, e *program.Engine[details], day int, n int64, add func(int, string, func() error)) {
	named := func(s string) string { return fmt.Sprint(s, " ", n) }
	done := func() (bool, error) {
		b, err := e.Batch(ctx, n)
		return err == nil && b.State != program.BatchSubmitted, err
	}
	channels := program.Channels{Providers: map[string]payment.Provider{"BANK": y.bank}, Parallel: 2}
	add(day, named("prepare"), func() error {
		_, err := e.PrepareBatch(ctx, by("preparer", ""), program.BatchOrder{Number: n, Wave: 1, Benefit: "cash", Instalment: 1, Again: n > 1})
		return err
	})
	add(day, named("approve"), func() error {
		b, err := e.Batch(ctx, n)
		if err != nil {
			return err
		}
		return e.ApproveBatch(ctx, by("approver", named("approve")), n, b.Digest)
	})
	add(day, named("submit"), func() error { return e.SubmitBatch(ctx, by("releaser", named("submit")), n, program.Release{}) })
	add(day, named("send"), func() error {
		if over, err := done(); over || err != nil {
			return err
		}
		_, err := e.SendBatch(ctx, by("sender", ""), n, channels)
		return err
	})
	add(day+2, named("statement"), func() error { // the bank has taken by now what it will ever take
		_, err := e.Reconcile(ctx, by("clerk", ""), named("statement"), y.bank.statement(n, y.clock.now()))
		return err
	})
	add(day+2, named("ask"), func() error {
		if over, err := done(); over || err != nil {
			return err
		}
		_, err := e.AskBatch(ctx, by("sender", ""), n, channels)
		return err
	})
	add(day+2, named("close"), func() error { return e.CloseBatch(ctx, by("clerk", named("close")), n) })
}

// totals are what the jobs of the year did.
func (y *year) totals(ctx context.Context) (map[string]program.Counts, error) {
	e, err := y.engine()
	if err != nil {
		return nil, err
	}
	all := map[string]program.Counts{}
	for _, job := range []string{"register", "join", "screen", "announce", "buy", "overdue", "batch/1/prepare", "batch/2/prepare", "statement 1", "statement 2", "finish", "erase"} {
		counts, finished, err := e.JobStatus(ctx, job)
		if err != nil {
			return nil, err
		}
		if !finished {
			return nil, fmt.Errorf("job %s is not finished", job)
		}
		all[job] = counts
	}
	return all, nil
}

// verified checks the year's store: what it holds together, and that nobody was paid
// twice.
func (y *year) verified(ctx context.Context) error {
	e, err := y.engine()
	if err != nil {
		return err
	}
	breaches, err := e.Verify(ctx)
	if err != nil {
		return err
	}
	if len(breaches) > 0 {
		return fmt.Errorf("%d breaches: %v", len(breaches), breaches)
	}
	return y.paidOnce(ctx)
}

func (y *year) paidOnce(ctx context.Context) error {
	taken, _, err := y.bank.read()
	if err != nil {
		return err
	}
	paid := map[string]int{}
	var after program.Cursor
	for {
		rows, next, err := y.store.Page(ctx, program.Scan{Table: program.TablePayments, After: after, Limit: 1000})
		if err != nil {
			return err
		}
		for _, row := range rows.Rows {
			v := row.Values
			reference, err := payment.Reference(v[0].(int64), v[1].(int64), int(v[7].(int64)))
			if err != nil {
				return err
			}
			entitlement := fmt.Sprint(v[3:7]...)
			if paid[entitlement] += taken[reference]; paid[entitlement] > 1 {
				return fmt.Errorf("entitlement %s is paid %d times", entitlement, paid[entitlement])
			}
			delete(taken, reference)
		}
		if after = next; next == nil {
			break
		}
	}
	if len(taken) > 0 {
		return fmt.Errorf("the bank has paid %d orders that nobody knows", len(taken))
	}
	return nil
}

// fileBank is a bank that outlives the program: it executes each order that comes, also
// one that came before, and writes it into a file.
type fileBank struct {
	path string
	// lose, if not nil, says that the answer to a call is lost.
	lose func() bool
}

func (b *fileBank) Capabilities() payment.Capabilities {
	return payment.Capabilities{StatusMemory: 240 * time.Hour, Finality: 24 * time.Hour, BatchSize: 2}
}

func (b *fileBank) Resolve(context.Context, payment.Account) (payment.Resolution, error) {
	return payment.Resolution{Exists: true}, nil
}

var errNoAnswer = errors.New("the bank does not answer")

func (b *fileBank) Submit(_ context.Context, orders []payment.Transfer) ([]payment.Answer, error) {
	f, err := os.OpenFile(b.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var answers []payment.Answer
	for _, o := range orders {
		if _, err := fmt.Fprintf(f, "%s %d\n", o.Reference, o.Amount.Units); err != nil {
			return nil, err
		}
		answers = append(answers, payment.Answer{Reference: o.Reference, Standing: payment.Paid})
	}
	if b.lose != nil && b.lose() {
		return nil, errNoAnswer
	}
	return answers, nil
}

// read returns how often each order was executed, and the orders in their order.
func (b *fileBank) read() (times map[string]int, lines []payment.Line, err error) {
	times = map[string]int{}
	data, err := os.ReadFile(b.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, err
	}
	for text := range strings.Lines(string(data)) {
		var l payment.Line
		var units int64
		if _, err := fmt.Sscanf(text, "%s %d\n", &l.Reference, &units); err != nil {
			return nil, nil, fmt.Errorf("the bank's book: %q: %w", text, err)
		}
		l.Amount = payment.Money{Units: units, Currency: payment.Rupiah(0).Currency}
		times[l.Reference]++
		lines = append(lines, l)
	}
	return times, lines, nil
}

func (b *fileBank) Enquire(_ context.Context, reference string) (payment.Answer, error) {
	times, _, err := b.read()
	if err != nil {
		return payment.Answer{}, err
	}
	if times[reference] == 0 {
		return payment.Answer{Reference: reference, Standing: payment.Absent}, nil
	}
	return payment.Answer{Reference: reference, Standing: payment.Paid}, nil
}

func (b *fileBank) Statement(context.Context, int64, func(payment.Line) error) (payment.Statement, error) {
	return payment.Statement{}, payment.ErrNoStatement
}

// statement has the orders of a batch, and tells all until then: what is not in it was not executed.
func (b *fileBank) statement(batch int64, until time.Time) program.Statement {
	_, all, err := b.read()
	st := program.Statement{ID: fmt.Sprint("statement ", batch), Account: "treasury", Channel: "BANK", Until: until, Sequence: batch, Digest: [32]byte{byte(batch)}, Opening: payment.Rupiah(50_000)}
	var lines []payment.Line
	for _, l := range all {
		n, _, _, parsed := payment.ParseReference(l.Reference)
		err = errors.Join(err, parsed)
		if n < batch {
			st.Opening.Units -= l.Amount.Units
		}
		if n == batch {
			lines = append(lines, l)
		}
	}
	st.Closing = st.Opening
	for _, l := range lines {
		st.Closing.Units -= l.Amount.Units
	}
	if st.Lines = linesOf(lines); err != nil {
		st.Lines = func() iter.Seq2[payment.Line, error] {
			return func(yield func(payment.Line, error) bool) { yield(payment.Line{}, err) }
		}
	}
	return st
}

func linesOf(lines []payment.Line) func() iter.Seq2[payment.Line, error] {
	return func() iter.Seq2[payment.Line, error] {
		return func(yield func(payment.Line, error) bool) {
			for _, l := range lines {
				if !yield(l, nil) {
					return
				}
			}
		}
	}
}

// tier is how much the tests of faults do: GELOMBANG_FAULTS is empty for the short form,
// "ci" for the counts that .ci/run holds, or "campaign" for hours.
func tier(short, ci, campaign int) int {
	switch os.Getenv("GELOMBANG_FAULTS") {
	case "ci":
		return ci
	case "campaign":
		return campaign
	}
	return short
}

// quickDir is a folder in memory, where there is one: for tests in which nothing hangs on
// when the disk has written.
func quickDir(t testing.TB) string {
	t.Helper()
	if dir, err := os.MkdirTemp("/dev/shm", "gelombang-"); err == nil {
		t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
		return dir
	}
	return t.TempDir()
}
