package program_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
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
	"github.com/gelombang/gelombang/program/memstore"
	"github.com/gelombang/gelombang/quota"
)

// The tests' program: join, be screened, be drawn, buy within ten days, be paid.

type details struct {
	Pool  string `json:"pool"`
	Joins bool   `json:"joins"`
}

func testTable() program.Table {
	in := func(s ...program.State) []program.State { return s }
	seat := program.Holds{program.Seat}
	do := func(name, arg string) []program.Effect { return []program.Effect{{Name: name, Arg: arg}} }
	return program.Table{
		Name: "test", Version: 1, Start: "joined",
		States: program.States{
			{State: "joined", Next: lifecycle.Engine, Check: &program.Check{At: "screen", Eligible: "passed", Ineligible: "failed", Pending: lifecycle.Stay}},
			{State: "in_roll", Next: lifecycle.Engine},
			{State: "out", Final: true},
			{State: "accepted", Holds: seat, Next: lifecycle.Applicant,
				Within: &program.Deadline{Fires: "overdue", Term: calendar.Term{Days: 10, Zone: "Asia/Jakarta"}}},
			{State: "bought", Holds: seat, Payable: true, Next: lifecycle.Partner,
				Check: &program.Check{At: "payout", Eligible: lifecycle.Stay, Ineligible: "found", Pending: lifecycle.Stay}},
			{State: "done", Holds: seat, Final: true, Keeps: true},
			{State: "revoked", Final: true},
		},
		Moves: program.Moves{
			{On: "passed", From: in("joined"), To: "in_roll"},
			{On: "failed", From: in("joined"), To: "out", Do: do("notify", "ineligible")},
			{On: program.Drawn, From: in("in_roll"), To: "accepted", Do: do("entitle", "balance")},
			{On: program.NotSelected, From: in("in_roll"), To: "out"},
			{On: "buy", From: in("accepted"), To: "bought", Do: []program.Effect{{Name: "spend", Arg: "balance"}, {Name: "confirm-seat"}, {Name: "entitle", Arg: "cash"}}},
			{On: "overdue", From: in("accepted"), To: "revoked", Do: []program.Effect{{Name: "lapse", Arg: "balance"}, {Name: "bar"}}},
			{On: "relink", From: in("bought"), To: "bought"},
			{On: "found", From: in("bought"), To: "revoked"},
			{On: "finish", From: in("bought"), To: "done"},
		},
	}
}

func testProgram() *program.Program[details] {
	f := program.NewFacts[details]()
	official := f.Observed("official", "bkn", 0)
	household := f.Taken("household-awards", "household")
	at := []string{"screen", "payout"}
	return &program.Program[details]{
		ID: "test", Lifecycle: testTable(), Facts: f, Zone: "Asia/Jakarta",
		Policy: eligibility.Policy{Name: "test", Rules: []eligibility.Rule{
			{Code: "adult", Require: f.BirthDate.AgeAtLeast(18), Basis: eligibility.Article("Law 1", "2"), At: at},
			{Code: "not-an-official", Require: official.Is(false), Basis: eligibility.Article("Law 1", "3"), At: at},
			{Code: "household", Require: household.AtMost(0), Basis: eligibility.WithoutArticle("one of each household"), At: []string{"screen"}},
		}},
		Place: func(c *program.Case[details]) program.Placement {
			return program.Placement{Pool: c.Applicant.Details.Pool}
		},
		Limits: []program.Limit{
			{Name: "once", Per: program.PerPerson, Max: 1, Ever: true},
			{Name: "household", Per: program.PerHousehold, Max: 1},
		},
		Benefits: payment.Benefits{
			payment.Balance("balance", payment.Rupiah(1000)),
			payment.Instalments("cash", 2, payment.Rupiah(600)).Monthly(),
		},
	}
}

// people are 40 made persons: every fifth is a minor, every seventh an
// official, every eleventh unknown, every third shares a family.
type people struct {
	n      int
	shared bool // one account for all
}

func (p people) Next(_ context.Context, done int64, limit int) ([]program.Registration[details], error) {
	var some []program.Registration[details]
	for i := int(done); i < p.n && len(some) < limit; i++ {
		r := madePerson(i)
		if p.shared {
			r.Person.Payout.Account = identity.NewSecret("shared")
		}
		some = append(some, r)
	}
	return some, nil
}

func national(i int) string { return fmt.Sprintf("31710101019%05d", i) }

func madePerson(i int) program.Registration[details] {
	r := program.Registration[details]{
		Person: program.Person{
			Name: identity.NewName(fmt.Sprint("Orang ", i)), National: identity.NewSecret(national(i)),
			Family: identity.NewSecret(fmt.Sprint("family ", i/3*3)), Birth: calendar.Of(1990, time.March, 1),
			Payout: program.Payout{Provider: "BANK", Account: identity.NewSecret(fmt.Sprint("account-", i)), Holder: identity.NewName("Orang")},
		},
		Details:  details{Pool: []string{"north", "south"}[i%2], Joins: i%10 != 9},
		Evidence: map[string]program.Evidence{"official": {Source: "bkn", Seen: day(1), Value: i%7 == 6}},
	}
	switch {
	case i%5 == 4:
		r.Person.Birth = calendar.Of(2010, time.March, 1)
	case i%11 == 10:
		r.Evidence = nil
	case i%13 == 12:
		r.Person.National = identity.NewSecret(national(0)) // registered before
	case i%17 == 16:
		r.Fault = &program.RegistrationError{Field: "nik", Rule: "length"}
	}
	return r
}

func day(n int) time.Time { return time.Date(2020, time.August, n, 3, 0, 0, 0, time.UTC) }

func testPlan() *quota.Plan {
	return &quota.Plan{Name: "test-1", Ticket: quota.PerPerson, Tiers: 1, HouseholdCap: 1, Pools: []quota.Pool{
		{ID: "all"}, {ID: "north", Parent: "all", Seats: 4, Spill: []string{"all"}}, {ID: "south", Parent: "all", Seats: 40, Spill: []string{"all"}},
	}}
}

// story runs the whole program on a store, each time from the beginning: what
// was done before is not done again.
type story struct {
	store  program.Store
	now    time.Time
	made   *rand.ChaCha8
	chunk  int
	worker string // "" for a name of its own
	until  int    // the last day of the story; 0 for all of it
	bands  payment.Bands
	payees program.Payees
	caps   program.PaymentCaps
	fund   payment.Money
	change func(*program.Program[details]) // nil for the program as it is
	ears   program.Observer
	keys   program.Keyring // nil for one of its own

	sharedAccount bool // everybody is paid to one account
}

func newStory(store program.Store) *story {
	return &story{store: store, made: rand.NewChaCha8([32]byte{1}), chunk: 7, worker: "story", fund: payment.Rupiah(100_000)}
}

func (s *story) engine(t testing.TB) *program.Engine[details] {
	t.Helper()
	p := testProgram()
	if s.change != nil {
		s.change(p)
	}
	p.Approvals, p.Payees, p.Caps = s.bands, s.payees, s.caps
	e, err := s.engineOf(t, p)
	require.NoError(t, err)
	return e
}

func (s *story) engineOf(t testing.TB, p *program.Program[details]) (*program.Engine[details], error) {
	t.Helper()
	keys := s.keys
	if keys == nil {
		own, err := program.NewLocalKeyring(bytes.Repeat([]byte{7}, 32), rand.NewChaCha8([32]byte{2}))
		require.NoError(t, err)
		keys = own
	}
	return program.NewEngine(p, s.store, keys, program.Surroundings{Clock: func() time.Time { return s.now }, Random: s.made}, &program.Options{Chunk: s.chunk, Worker: s.worker, Lease: 50 * time.Millisecond, Observer: s.ears})
}

func (s *story) run(t testing.TB) error {
	ctx, e := t.Context(), s.engine(t)
	by := func(actor, key string) program.By { return program.By{Actor: actor, Key: key} }
	job := func(_ program.Counts, err error) error { return err }
	for _, step := range []struct {
		day int
		do  func() error
	}{
		{1, func() error {
			return e.PlanWave(ctx, by("planner", "plan"), program.WaveOrder{Number: 1, Opens: day(2), Closes: day(5), Plan: testPlan()})
		}},
		{1, func() error { return e.Fund(ctx, by("treasury", "fund"), s.fund) }},
		{1, func() error {
			return job(e.RegisterAll(ctx, by("registrar", ""), "register", people{60, s.sharedAccount}))
		}},
		{2, func() error { return e.OpenWave(ctx, by("planner", "open"), 1) }},
		{3, func() error {
			return job(e.JoinAll(ctx, by("registrar", ""), "join", 1, func(a *program.Applicant[details]) bool { return a.Details.Joins }))
		}},
		{5, func() error { return e.CloseWave(ctx, by("planner", "close"), 1) }},
		{5, func() error { return job(e.CheckAll(ctx, by("policy", ""), "screen", 1, "joined")) }},
		{6, func() error {
			return e.Freeze(ctx, by("planner", "freeze"), 1, program.FreezeOrder{Number: 1, Source: quota.Source{Beacon: &quota.Beacon{Name: "test", Chain: "test", Round: 7}}})
		}},
		{7, func() error { return s.draw(ctx, e, by("planner", "draw")) }},
		{7, func() error { return job(e.Announce(ctx, by("planner", ""), "announce", 1)) }},
		{9, func() error {
			return job(e.FireAll(ctx, by("shop", ""), "buy", program.FireOrder[details]{Wave: 1, States: []program.State{"accepted"}, Sealed: true, Report: buys}))
		}},
		{19, func() error { return job(e.Tick(ctx, by("clock", ""), "overdue", 1)) }},
		{20, func() error {
			return s.pay(ctx, e, program.BatchOrder{Number: 1, Wave: 1, Benefit: "cash", Instalment: 1}, 3)
		}},
		{21, func() error {
			return s.pay(ctx, e, program.BatchOrder{Number: 2, Wave: 1, Benefit: "cash", Instalment: 1, Again: true}, 0)
		}},
		{22, func() error {
			return job(e.FireAll(ctx, by("planner", ""), "finish", program.FireOrder[details]{Wave: 1, States: []program.State{"bought"}, Sealed: true,
				Report: func(*program.Case[details]) (program.Report, bool) { return program.Report{Event: "finish"}, true }}))
		}},
	} {
		if s.until > 0 && step.day > s.until {
			break
		}
		s.now = day(step.day)
		if err := step.do(); err != nil {
			return err
		}
	}
	return nil
}

// buys: most buy for 400; some never, and some ask for more than they have.
func buys(c *program.Case[details]) (program.Report, bool) {
	switch mark := c.Application.Receipt[0]; {
	case mark < 50:
		return program.Report{}, false
	case mark < 130:
		return program.Report{Event: "buy", Amount: payment.Rupiah(1001).Units, Party: "shop"}, true
	}
	return program.Report{Event: "buy", Amount: payment.Rupiah(400).Units, Party: "shop"}, true
}

func (s *story) draw(ctx context.Context, e *program.Engine[details], by program.By) error {
	w, err := e.Wave(ctx, 1)
	if err != nil {
		return err
	}
	digest, err := w.Manifest().Digest()
	if err != nil {
		return err
	}
	return e.Draw(ctx, by, 1, program.DrawOrder{Seed: &quota.Seed{Manifest: digest, Beacon: strings.Repeat("5a", 32)}})
}

// pay pays a batch; the bank returns every so many-th payment.
func (s *story) pay(ctx context.Context, e *program.Engine[details], order program.BatchOrder, bounces int64) error {
	if _, err := e.PrepareBatch(ctx, program.By{Actor: "preparer"}, order); err != nil {
		return err
	}
	b, err := e.Batch(ctx, order.Number)
	if err != nil {
		return err
	}
	key := fmt.Sprint("approve-", order.Number)
	if err := e.ApproveBatch(ctx, program.By{Actor: "approver", Key: key}, order.Number, b.Digest); err != nil {
		return err
	}
	if err := e.SubmitBatch(ctx, program.By{Actor: "releaser", Key: fmt.Sprint("submit-", order.Number)}, order.Number, byFile); err != nil {
		return err
	}
	st := program.Statement{ID: fmt.Sprint("statement ", order.Number), Account: "treasury", Sequence: order.Number, Digest: [32]byte{byte(order.Number)}}
	var lines []payment.Line
	if err := e.WriteBatch(ctx, order.Number, func(o program.Order) error {
		lines = append(lines, payment.Line{Reference: o.Reference, Amount: o.Amount})
		if bounces > 0 && int64(len(lines))%bounces == 0 {
			lines = append(lines, payment.Line{Reference: o.Reference, Amount: o.Amount, Credit: true, Code: "AC04"})
		}
		return nil
	}); err != nil {
		return err
	}
	st.Opening = payment.Rupiah(50_000)
	if order.Number > 1 {
		counts, _, err := e.JobStatus(ctx, "statement-1")
		if err != nil && !errors.Is(err, program.ErrNotFound) {
			return err
		}
		st.Opening.Units -= counts["settled_amount"] - counts["returned_amount"]
	}
	st.Closing = st.Opening
	for _, l := range lines {
		if l.Credit {
			st.Closing.Units += l.Amount.Units
		} else {
			st.Closing.Units -= l.Amount.Units
		}
	}
	st.Lines = func() iter.Seq2[payment.Line, error] {
		return func(yield func(payment.Line, error) bool) {
			for _, l := range lines {
				if !yield(l, nil) {
					return
				}
			}
		}
	}
	if _, err := e.Reconcile(ctx, program.By{Actor: "preparer"}, fmt.Sprint("statement-", order.Number), st); err != nil {
		return err
	}
	return e.CloseBatch(ctx, program.By{Actor: "preparer", Key: fmt.Sprint("close-", order.Number)}, order.Number)
}

// totals sums what every job of the story did.
func (s *story) totals(t testing.TB) map[string]program.Counts {
	t.Helper()
	all := map[string]program.Counts{}
	for _, job := range []string{"register", "join", "screen", "announce", "buy", "overdue", "batch/1/prepare", "batch/2/prepare", "statement-1", "statement-2", "finish"} {
		counts, finished, err := s.engine(t).JobStatus(t.Context(), job)
		require.NoError(t, err, job)
		require.True(t, finished, job)
		all[job] = counts
	}
	return all
}

func (s *story) verify(t testing.TB) {
	t.Helper()
	breaches, err := s.engine(t).Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, breaches)
}

func TestAWholeProgram(t *testing.T) {
	s := newStory(memstore.New())
	require.NoError(t, s.run(t))
	s.verify(t)
	all := s.totals(t)
	require.Equal(t, int64(60), all["register"]["done"])
	require.Equal(t, all["register"]["done"], all["register"]["registered"]+all["register"]["refused.length"]+all["register"]["refused.registered-before"])
	require.Positive(t, all["register"]["refused.length"])
	require.Positive(t, all["register"]["refused.registered-before"])
	require.Positive(t, all["screen"]["stay.pending"], "unknown is neither eligible nor ineligible")
	require.Positive(t, all["screen"]["failed.adult"])
	require.Positive(t, all["announce"]["draw.household-full"], "the second of a household is not drawn")
	require.Positive(t, all["announce"]["draw.drawn-spilled"], "unfilled seats move")
	require.Positive(t, all["buy"]["refused.bounds"], "nobody spends more than the balance")
	require.Equal(t, all["announce"]["state.accepted"], all["buy"]["state.bought"]+all["overdue"]["state.revoked"])
	require.Equal(t, all["overdue"]["state.revoked"], all["overdue"]["seat.returned"])
	require.Equal(t, all["batch/1/prepare"]["payments"], all["statement-1"]["settled"]+0)
	require.Equal(t, all["statement-1"]["returned"], all["batch/2/prepare"]["payments"], "who was returned is paid again, and nobody else")
}

func TestTheSecondRunChangesNothing(t *testing.T) {
	s := newStory(memstore.New())
	require.NoError(t, s.run(t))
	before, err := s.store.Journal(t.Context(), 0, 10_000)
	require.NoError(t, err)
	require.NoError(t, s.run(t))
	after, err := s.store.Journal(t.Context(), 0, 10_000)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

// stride is how many places a test that tries all of them goes on by: with -short it tries one
// in nine, which is for runs that look for something else, such as races.
func stride() int {
	if testing.Short() {
		return 9
	}
	return 1
}

var errPower = errors.New("the power failed")

// faulty fails one call of Apply: before anything is written, or after all of
// it is.
type faulty struct {
	program.Store
	mu        sync.Mutex // several engines may write
	calls, at int
	written   bool
}

func (f *faulty) Apply(ctx context.Context, changes []program.Change) ([]program.Outcome, error) {
	f.mu.Lock()
	f.calls++
	now := f.calls == f.at
	f.mu.Unlock()
	if !now {
		return f.Store.Apply(ctx, changes)
	}
	if f.written {
		if _, err := f.Store.Apply(ctx, changes); err != nil {
			return nil, err
		}
	}
	return nil, errPower
}

// blind fails one read.
type blind struct {
	program.Store
	mu        sync.Mutex // a job reads while it writes
	reads, at int
}

func (b *blind) look() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reads++; b.reads == b.at {
		return errPower
	}
	return nil
}

func (b *blind) Load(ctx context.Context, q program.Query) (program.Rows, error) {
	if err := b.look(); err != nil {
		return program.Rows{}, err
	}
	return b.Store.Load(ctx, q)
}

func (b *blind) Page(ctx context.Context, scan program.Scan) (program.Rows, program.Cursor, error) {
	if err := b.look(); err != nil {
		return program.Rows{}, nil, err
	}
	return b.Store.Page(ctx, scan)
}

func (b *blind) Journal(ctx context.Context, after int64, limit int) ([]program.Entry, error) {
	if err := b.look(); err != nil {
		return nil, err
	}
	return b.Store.Journal(ctx, after, limit)
}

func (b *blind) Balances(ctx context.Context, accounts ...ledger.Account) ([]ledger.Balance, error) {
	if err := b.look(); err != nil {
		return nil, err
	}
	return b.Store.Balances(ctx, accounts...)
}

// goesOn holds a run that had been cut off against one that was not.
func (s *story) goesOn(t *testing.T, want map[string]program.Counts, where string) {
	t.Helper()
	require.NoError(t, s.run(t), where)
	s.verify(t)
	got := s.totals(t)
	for _, job := range []string{"register", "join", "screen"} { // before receipts, which are random
		require.Equal(t, want[job], got[job], where)
	}
	require.Equal(t, want["announce"]["done"], got["announce"]["done"])
	require.Equal(t, got["announce"]["state.accepted"], got["buy"]["state.bought"]+got["overdue"]["state.revoked"])
	require.Equal(t, got["statement-1"]["returned"], got["batch/2/prepare"]["payments"])
}

// Whatever call dies, before or after its write, the same run continues and
// ends as if nothing had happened: nobody is drawn, paid or counted twice.
func TestARunThatDiesAnywhereContinues(t *testing.T) {
	good := newStory(memstore.New())
	count := &faulty{Store: good.store}
	good.store = count
	require.NoError(t, good.run(t))
	want := good.totals(t)
	for _, written := range []bool{false, true} {
		for at := 1; at <= count.calls; at += stride() {
			s := newStory(&faulty{Store: memstore.New(), at: at, written: written})
			require.ErrorIs(t, s.run(t), errPower)
			s.goesOn(t, want, fmt.Sprintf("call %d, written %v", at, written))
		}
	}
}

// A read that fails ends the command or the job with its error, never with an answer: the
// same run continues and ends as if nothing had happened.
func TestARunThatCannotReadContinues(t *testing.T) {
	good := newStory(memstore.New())
	require.NoError(t, good.run(t))
	want := good.totals(t)
	failed := 0
	for at := 1; ; at += stride() {
		store := &blind{Store: memstore.New(), at: at}
		s := newStory(store)
		err := s.run(t)
		if store.reads < at {
			require.NoError(t, err)
			break
		}
		// What is prepared ahead of a job that ends meanwhile need not be read.
		if err != nil {
			require.ErrorIs(t, err, errPower, "read %d", at)
			failed++
		}
		s.goesOn(t, want, fmt.Sprintf("read %d", at))
	}
	t.Logf("%d reads failed", failed)
	require.Greater(t, failed, 200/stride())
}

func TestVerifyFindsWhatIsWrong(t *testing.T) {
	s := newStory(memstore.New())
	require.NoError(t, s.run(t))
	s.verify(t)
	rows, _, err := s.store.Page(t.Context(), program.Scan{Table: program.TableApplications, Column: "seat_state", Only: []any{"granted"}, Limit: 1})
	require.NoError(t, err)
	row := rows.Rows[0]
	row.Values[14] = "returned"
	outcomes, err := s.store.Apply(t.Context(), []program.Change{{Rows: []program.Row{row}}})
	require.NoError(t, err)
	require.NoError(t, outcomes[0].Refusal)
	breaches, err := s.engine(t).Verify(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, breaches)
}

func TestTheProofIsAsTheDrawWas(t *testing.T) {
	s := newStory(memstore.New())
	require.NoError(t, s.run(t))
	files := map[string]*bytes.Buffer{}
	create := func(name string) (io.WriteCloser, error) {
		files[name] = &bytes.Buffer{}
		return nopCloser{files[name]}, nil
	}
	require.NoError(t, s.engine(t).WriteProof(t.Context(), 1, create))
	dir := t.TempDir()
	writeFiles(t, dir, files)
	require.NoError(t, quota.VerifyProof(dirFS(dir)))
}

func TestNoPersonInErrorsOrTheJournal(t *testing.T) {
	s := newStory(memstore.New())
	require.NoError(t, s.run(t))
	entries, err := s.store.Journal(t.Context(), 0, 10_000)
	require.NoError(t, err)
	for _, e := range entries {
		for i := range 60 {
			require.NotContains(t, string(e.Data), national(i))
		}
	}
	_, err = s.engine(t).Register(t.Context(), program.By{Actor: "a"}, madePerson(0))
	require.Error(t, err)
	require.NotContains(t, err.Error(), national(0))
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", madePerson(0), madePerson(0), madePerson(0).Person), national(0))
}

func TestARepeatedCommandHasTheFirstAnswer(t *testing.T) {
	s := newStory(memstore.New())
	s.now = day(1)
	e, ctx := s.engine(t), t.Context()
	by := program.By{Actor: "registrar", Key: "register-1"}
	id, err := e.Register(ctx, by, madePerson(1))
	require.NoError(t, err)
	again, err := e.Register(ctx, by, madePerson(1))
	require.NoError(t, err)
	require.Equal(t, id, again)
	_, err = e.Register(ctx, by, madePerson(2))
	var conflict *program.KeyConflictError
	require.ErrorAs(t, err, &conflict)
	_, err = e.Register(ctx, program.By{Actor: "registrar"}, madePerson(1))
	var refused *program.RegistrationError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "registered-before", refused.Rule)
}

func TestMakerAndCheckerDiffer(t *testing.T) {
	s := newStory(memstore.New())
	s.until = 21
	require.NoError(t, s.run(t))
	s.now = day(31).AddDate(0, 1, 0)
	e, ctx := s.engine(t), t.Context()
	_, err := e.PrepareBatch(ctx, program.By{Actor: "preparer"}, program.BatchOrder{Number: 3, Wave: 1, Benefit: "cash", Instalment: 2})
	require.NoError(t, err)
	b, err := e.Batch(ctx, 3)
	require.NoError(t, err)
	require.Positive(t, b.Count)
	var field *program.FieldError
	var same *payment.SameHandsError
	require.ErrorAs(t, e.ApproveBatch(ctx, program.By{Actor: "preparer"}, 3, b.Digest), &same)
	require.ErrorAs(t, e.ApproveBatch(ctx, program.By{Actor: "approver"}, 3, [32]byte{}), &field)
	require.NoError(t, e.ApproveBatch(ctx, program.By{Actor: "approver"}, 3, b.Digest))
}

func TestFireSaysWhyNot(t *testing.T) {
	s := newStory(memstore.New())
	require.NoError(t, s.run(t))
	e, ctx := s.engine(t), t.Context()
	var done uuid.UUID
	require.NoError(t, e.Cases(ctx, 1, []program.State{"done"}, false, func(c *program.Case[details]) error {
		done = c.Application.Applicant
		return nil
	}))
	err := e.Fire(ctx, program.By{Actor: "shop"}, 1, done, program.Report{Event: "buy"})
	var refused *program.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, []program.Reason{{Code: lifecycle.CodeNoMove}}, refused.Reasons)
	require.ErrorAs(t, e.Fire(ctx, program.By{Actor: "planner"}, 1, done, program.Report{Event: program.Drawn}), &refused)
	require.ErrorAs(t, e.Fire(ctx, program.By{Actor: "planner"}, 1, done, program.Report{Event: "overdue"}), &refused)
	require.Equal(t, lifecycle.CodeClockOnly, refused.Reasons[0].Code, "a deadline is the clock's")
}
