package dbtest_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/program/memstore"
	"github.com/gelombang/gelombang/program/sqlstore"
	"github.com/gelombang/gelombang/quota"
)

// A model says what a program is: people and the states of their cases, seats, households
// and money, in plain maps. Random commands are given to the engine and to it, and both
// must say the same.

// modelMoves is the table of the year's program, written down a second time.
var modelMoves = map[program.State]map[program.Event]program.State{
	"joined":   {"leave": "out"},
	"refused":  {"leave": "out"},
	"waiting":  {"leave": "out"},
	"accepted": {"leave": "out", "buy": "bought"},
	"bought":   {"finish": "done"},
}

var modelEvents = []program.Event{"leave", "buy", "finish", "overdue", "passed", "objected", "upheld", program.Drawn, "nothing"}

type modelPerson struct {
	n          int // of yearPerson
	id         uuid.UUID
	state      program.ApplicantState
	caseState  program.State // "" without a case
	entered    time.Time     // into that state
	evidence   bool          // that an official is known, or not
	official   bool
	appeals    int64
	household  int
	pool       string
	entitled   bool // to the instalments
	paid       bool // the first
	appealSeat bool
	hadSeat    bool // ever: it bars who was erased
	late       bool // passed screening after the freeze: not on the roll, and never promoted
	renamed    int
}

func (p *modelPerson) seated() bool {
	return slices.Contains([]program.State{"accepted", "bought", "done"}, p.caseState)
}

func (p *modelPerson) over() bool {
	return slices.Contains([]program.State{"", "out", "done", "revoked"}, p.caseState)
}

type model struct {
	ctx     context.Context
	e       *program.Engine[details]
	store   program.Store
	clock   *movedClock
	people  []*modelPerson
	wave    program.WaveState
	seats   map[string]int
	appeals int // seats kept for them
	names   int // of jobs and keys
	batches int64
	paidOut int64
	again   []func(*rapid.T) // earlier commands, to be repeated
}

const modelWave = 1

// lockedRandom is randomness that comes again, for several goroutines.
type lockedRandom struct {
	mu sync.Mutex
	r  *rand.ChaCha8
}

func (l *lockedRandom) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(p)
}

// newModel plans a wave of few seats.
func newModel(t *rapid.T, store program.Store, clock *movedClock) *model {
	m := &model{ctx: context.Background(), store: store, clock: clock, wave: program.WavePlanned,
		seats:   map[string]int{"north": rapid.IntRange(1, 4).Draw(t, "north"), "south": rapid.IntRange(1, 4).Draw(t, "south")},
		appeals: rapid.IntRange(0, 2).Draw(t, "appeals")}
	var err error
	m.e, err = yearEngineOf(store, clock.now, &lockedRandom{r: rand.NewChaCha8([32]byte{byte(rapid.IntRange(0, 255).Draw(t, "random"))})}, program.Options{Chunk: rapid.IntRange(1, 8).Draw(t, "chunk"), Worker: "model"})
	require.NoError(t, err)
	plan := &quota.Plan{Name: "model", Ticket: quota.PerPerson, Tiers: 1, HouseholdCap: 1, Waiting: 100, Pools: []quota.Pool{
		{ID: "north", Seats: int64(m.seats["north"])}, {ID: "south", Seats: int64(m.seats["south"])}}}
	require.NoError(t, m.e.PlanWave(m.ctx, by("planner", ""), program.WaveOrder{Number: modelWave, Opens: clock.now(), Closes: yearDay(5), Plan: plan, AppealSeats: int64(m.appeals)}))
	require.NoError(t, m.e.Fund(m.ctx, by("treasury", ""), payment.Rupiah(1_000_000)))
	return m
}

// key makes a key, or none.
func (m *model) key(t *rapid.T) program.By {
	m.names++
	if rapid.Bool().Draw(t, "keyed") {
		return by("officer", fmt.Sprint("key ", m.names))
	}
	return by("officer", "")
}

func (m *model) job() string {
	m.names++
	return fmt.Sprint("job ", m.names)
}

// given remembers a command that was carried out, if it has a key.
func (m *model) given(key program.By, again func(*rapid.T)) {
	if key.Key != "" {
		m.again = append(m.again, again)
	}
}

func (m *model) state(id uuid.UUID) program.ApplicantState {
	i := slices.IndexFunc(m.people, func(p *modelPerson) bool { return p.id == id })
	return m.people[i].state
}

// gone says that a command cannot be compared any more: its person was erased.
func (m *model) gone(t *rapid.T, err error, id uuid.UUID) {
	var gone *program.ErasedError
	require.ErrorAs(t, err, &gone)
	require.Equal(t, id, gone.Applicant)
}

func (m *model) person(t *rapid.T) *modelPerson {
	if len(m.people) == 0 {
		t.Skip("nobody yet")
	}
	return rapid.SampledFrom(m.people).Draw(t, "person")
}

// full says whether somebody of the household has a seat.
func (m *model) full(household int) bool {
	return slices.ContainsFunc(m.people, func(p *modelPerson) bool { return p.household == household && p.seated() })
}

func (m *model) taken(pool string) (n int) {
	for _, p := range m.people {
		if p.pool == pool && p.seated() && !p.appealSeat {
			n++
		}
	}
	return n
}

func (m *model) takenByAppeal() (n int) {
	for _, p := range m.people {
		if p.seated() && p.appealSeat {
			n++
		}
	}
	return n
}

func (m *model) set(p *modelPerson, s program.State) {
	p.caseState, p.entered = s, m.clock.now()
	if p.hadSeat = p.hadSeat || p.seated(); !p.seated() {
		p.appealSeat = false
	}
}

func (m *model) register(t *rapid.T) {
	n := rapid.IntRange(0, 40).Draw(t, "n")
	key := m.key(t)
	i := slices.IndexFunc(m.people, func(p *modelPerson) bool { return p.n == n && p.state != program.Erased })
	id, err := m.e.Register(m.ctx, key, yearPerson(n))
	if i >= 0 {
		var before *program.RegistrationError
		require.ErrorAs(t, err, &before)
		require.Equal(t, "registered-before", before.Rule)
		return
	}
	if slices.ContainsFunc(m.people, func(p *modelPerson) bool { return p.n == n && p.hadSeat }) { // of somebody erased
		var barred *program.RegistrationError
		require.ErrorAs(t, err, &barred)
		require.Equal(t, "barred", barred.Rule)
		return
	}
	require.NoError(t, err)
	r := yearPerson(n)
	m.people = append(m.people, &modelPerson{n: n, id: id, state: program.Registered, evidence: r.Evidence != nil, official: n%7 == 6, household: n / 3, pool: r.Details.Pool})
	m.given(key, func(t *rapid.T) {
		again, err := m.e.Register(m.ctx, key, yearPerson(n))
		if m.state(id) == program.Erased {
			m.gone(t, err, id)
			return
		}
		require.NoError(t, err)
		require.Equal(t, id, again)
		_, err = m.e.Register(m.ctx, key, yearPerson(n+1))
		var conflict *program.KeyConflictError
		require.ErrorAs(t, err, &conflict)
	})
}

func (m *model) join(t *rapid.T) {
	p, key := m.person(t), m.key(t)
	a, err := m.e.Join(m.ctx, key, modelWave, p.id)
	if m.wave == program.WaveOpen && p.state == program.Registered && p.caseState == "" {
		require.NoError(t, err)
		m.set(p, "joined")
		m.given(key, func(t *rapid.T) {
			again, err := m.e.Join(m.ctx, key, modelWave, p.id)
			require.NoError(t, err)
			require.Equal(t, a.Receipt, again.Receipt)
		})
		return
	}
	var no *program.JoinError
	require.ErrorAs(t, err, &no)
}

// onward moves the wave to its next state.
func (m *model) onward(t *rapid.T) {
	if rapid.IntRange(0, 4).Draw(t, "wait") > 0 {
		t.Skip("not yet")
	}
	key := m.key(t)
	switch m.wave {
	case program.WavePlanned:
		require.NoError(t, m.e.OpenWave(m.ctx, key, modelWave))
		m.wave = program.WaveOpen
	case program.WaveOpen:
		if len(m.people) < 12 {
			t.Skip("too few")
		}
		m.clock.set(yearDay(5))
		require.NoError(t, m.e.CloseWave(m.ctx, key, modelWave))
		m.wave = program.WaveClosed
		m.given(key, func(t *rapid.T) { require.NoError(t, m.e.CloseWave(m.ctx, key, modelWave)) })
	case program.WaveClosed:
		err := m.e.Freeze(m.ctx, key, modelWave, program.FreezeOrder{Number: 1, Source: quota.Source{Beacon: &quota.Beacon{Name: "test", Chain: "test", Round: 7}}})
		require.NoError(t, err)
		m.wave = program.WaveFrozen
	case program.WaveFrozen:
		w, err := m.e.Wave(m.ctx, modelWave)
		require.NoError(t, err)
		digest, err := w.Manifest().Digest()
		require.NoError(t, err)
		require.NoError(t, m.e.Draw(m.ctx, key, modelWave, program.DrawOrder{Seed: &quota.Seed{Manifest: digest, Beacon: strings.Repeat("5a", 32)}}))
		m.wave = program.WaveDrawn
	case program.WaveDrawn:
		m.announce(t)
	default:
		require.Error(t, m.e.OpenWave(m.ctx, by("planner", ""), modelWave))
	}
}

// announce takes over whom the draw selected, and holds it against the plan.
func (m *model) announce(t *rapid.T) {
	_, err := m.e.Announce(m.ctx, by("planner", ""), "announce", modelWave)
	require.NoError(t, err)
	m.wave = program.WaveAnnounced
	early := map[int]bool{} // households that had a seat before the announcement
	for _, p := range m.people {
		early[p.household] = early[p.household] || p.hadSeat
	}
	for _, p := range m.people {
		if p.caseState != "in_roll" {
			continue
		}
		a, err := m.e.Application(m.ctx, modelWave, p.id)
		require.NoError(t, err)
		require.Contains(t, []program.State{"accepted", "waiting"}, a.State)
		if a.State == "accepted" {
			require.False(t, m.full(p.household), "one of each household")
		}
		m.set(p, a.State)
	}
	// Nobody waits beside an open seat, but for households that had a seat before, by an
	// appeal: the draw and the announcement knew less of them than is known now, so what
	// they leave or could take stays open until somebody is promoted.
	for pool, seats := range m.seats {
		open := seats - m.taken(pool)
		for _, p := range m.people {
			if p.pool == pool && p.caseState == "waiting" && early[p.household] {
				open--
			}
		}
		require.False(t, open > 0 && slices.ContainsFunc(m.people, func(p *modelPerson) bool {
			return p.pool == pool && p.caseState == "waiting" && !p.late && !early[p.household] && !m.full(p.household)
		}), "nobody waits beside an open seat")
	}
}

func (m *model) check(t *rapid.T) {
	_, err := m.e.CheckAll(m.ctx, by("policy", ""), m.job(), modelWave, "joined")
	require.NoError(t, err)
	for _, p := range m.people {
		switch {
		case p.caseState != "joined":
		case p.n%5 == 4 || p.evidence && p.official:
			m.set(p, "refused")
		case p.evidence:
			m.set(p, "in_roll")
			p.late = m.wave == program.WaveFrozen || m.wave == program.WaveDrawn
		}
	}
}

func (m *model) observe(t *rapid.T) {
	p, official, key := m.person(t), rapid.Bool().Draw(t, "official"), m.key(t)
	seen := map[string]program.Evidence{"official": {Source: "bkn", Seen: m.clock.now(), Value: official}}
	err := m.e.Observe(m.ctx, key, p.id, seen)
	if p.state == program.Erased {
		require.Error(t, err)
		return
	}
	require.NoError(t, err)
	p.evidence, p.official = true, official
	m.given(key, func(t *rapid.T) {
		err := m.e.Observe(m.ctx, key, p.id, seen)
		if p.state == program.Erased {
			m.gone(t, err, p.id)
			return
		}
		require.NoError(t, err)
		var conflict *program.KeyConflictError
		require.ErrorAs(t, m.e.Observe(m.ctx, key, p.id, map[string]program.Evidence{}), &conflict)
	})
}

func (m *model) fire(t *rapid.T) {
	p, event, key := m.person(t), rapid.SampledFrom(modelEvents).Draw(t, "event"), m.key(t)
	report := program.Report{Event: event}
	if event == "buy" {
		report.Amount, report.Party = payment.Rupiah(int64(rapid.SampledFrom([]int{400, 1001}).Draw(t, "amount"))).Units, "shop"
	}
	err := m.e.Fire(m.ctx, key, modelWave, p.id, report)
	to, allowed := modelMoves[p.caseState][event]
	switch {
	case p.caseState == "":
		require.ErrorIs(t, err, program.ErrNotFound)
	case p.state == program.Erased:
		require.Error(t, err)
	case !allowed:
		var refused *program.RefusedError
		require.ErrorAs(t, err, &refused)
	case event == "buy" && report.Amount > payment.Rupiah(1000).Units && m.overdueNow(p) == no:
		var bound *ledger.BoundError
		require.ErrorAs(t, err, &bound, "nobody spends more than the balance")
	case m.overdueNow(p) != no: // the clock decides
		require.False(t, err == nil && m.overdueNow(p) == yes)
		if err == nil {
			m.set(p, to)
			p.entitled = p.entitled || event == "buy"
		}
	default:
		require.NoError(t, err)
		m.set(p, to)
		p.entitled = p.entitled || event == "buy"
		m.given(key, func(t *rapid.T) { require.NoError(t, m.e.Fire(m.ctx, key, modelWave, p.id, report)) })
	}
}

type maybe int

const (
	no maybe = iota
	perhaps
	yes
)

// overdueNow says whether somebody's ten days are over. At their last day it does not say:
// the calendar is tested elsewhere.
func (m *model) overdueNow(p *modelPerson) maybe {
	switch days := m.clock.now().Sub(p.entered).Hours() / 24; {
	case p.caseState != "accepted" || days < 9:
		return no
	case days > 12:
		return yes
	}
	return perhaps
}

func (m *model) days(t *rapid.T) {
	if m.wave == program.WavePlanned || m.wave == program.WaveOpen {
		t.Skip("the wave is open")
	}
	days := rapid.IntRange(1, 6).Draw(t, "days")
	if m.wave == program.WaveAnnounced && rapid.IntRange(0, 9).Draw(t, "long") == 0 {
		days = 400
	}
	m.clock.set(m.clock.now().AddDate(0, 0, days))
}

func (m *model) tick(t *rapid.T) {
	_, err := m.e.Tick(m.ctx, by("clock", ""), m.job(), modelWave)
	require.NoError(t, err)
	for _, p := range m.people {
		late := m.overdueNow(p)
		if late == perhaps {
			a, err := m.e.Application(m.ctx, modelWave, p.id)
			require.NoError(t, err)
			if a.State == "revoked" {
				late = yes
			}
		}
		if late == yes {
			m.set(p, "revoked")
			p.state = program.Barred
		}
	}
}

func (m *model) appeal(t *rapid.T) {
	p, key := m.person(t), m.key(t)
	if days := m.clock.now().Sub(p.entered).Hours() / 24; p.caseState == "refused" && days > 58 {
		t.Skip("about the last day")
	}
	n, err := m.e.FileAppeal(m.ctx, key, modelWave, p.id, "not so")
	if p.caseState != "refused" || p.state == program.Erased {
		require.Error(t, err)
		return
	}
	require.NoError(t, err)
	p.appeals++
	require.Equal(t, p.appeals, n)
	m.set(p, "objecting")
	m.given(key, func(t *rapid.T) {
		again, err := m.e.FileAppeal(m.ctx, key, modelWave, p.id, "not so")
		if p.state == program.Erased {
			m.gone(t, err, p.id)
			return
		}
		require.NoError(t, err)
		require.Equal(t, n, again)
	})
}

func (m *model) decide(t *rapid.T) {
	p, uphold := m.person(t), rapid.Bool().Draw(t, "uphold")
	err := m.e.DecideAppeal(m.ctx, m.key(t), modelWave, p.id, max(1, p.appeals), uphold, "so it is")
	switch {
	case p.caseState != "objecting":
		require.Error(t, err)
	case !uphold:
		require.NoError(t, err)
		m.set(p, "out")
	case m.takenByAppeal() == m.appeals:
		var none *program.AppealError
		var bound *ledger.BoundError
		require.True(t, errors.As(err, &none) || m.full(p.household) && errors.As(err, &bound), "%v", err)
	case m.full(p.household):
		var bound *ledger.BoundError
		require.ErrorAs(t, err, &bound)
	default:
		require.NoError(t, err)
		m.set(p, "accepted")
		p.appealSeat = true
	}
}

func (m *model) promote(t *rapid.T) {
	pool := rapid.SampledFrom([]string{"north", "south"}).Draw(t, "pool")
	given, err := m.e.Promote(m.ctx, m.key(t), modelWave, program.PromoteOrder{Pool: pool, Seats: 1})
	open := m.seats[pool] - m.taken(pool)
	waits := func(p *modelPerson) bool {
		return p.caseState == "waiting" && !p.late && p.pool == pool && !m.full(p.household)
	}
	switch {
	case m.wave != program.WaveAnnounced:
		require.Error(t, err)
	case !slices.ContainsFunc(m.people, waits):
		require.NoError(t, err)
		require.Empty(t, given)
	case open < 1:
		var bound *ledger.BoundError
		require.ErrorAs(t, err, &bound)
	default:
		require.NoError(t, err)
		require.Len(t, given, 1)
		i := slices.IndexFunc(m.people, func(p *modelPerson) bool { return p.id == given[0] })
		require.True(t, waits(m.people[i]))
		m.set(m.people[i], "accepted")
	}
}

func (m *model) amend(t *rapid.T) {
	p, key := m.person(t), m.key(t)
	name := fmt.Sprint("Orang Baru ", p.n, p.renamed)
	correction := program.Correction[details]{Reason: "as on the card", Correct: func(x *program.Person, _ *details) { x.Name = identity.NewName(name) }}
	err := m.e.Amend(m.ctx, key, p.id, correction)
	if p.state == program.Erased {
		require.Error(t, err)
		return
	}
	require.NoError(t, err)
	p.renamed++
	a, err := m.e.Applicant(m.ctx, p.id)
	require.NoError(t, err)
	require.Equal(t, name, a.Person.Name.Reveal())
	// Whatever was corrected since, and whether or not the person is still known.
	m.given(key, func(t *rapid.T) { require.NoError(t, m.e.Amend(m.ctx, key, p.id, correction)) })
}

func (m *model) withdraw(t *rapid.T) {
	p, key := m.person(t), m.key(t)
	err := m.e.Withdraw(m.ctx, key, p.id)
	if p.state != program.Registered || !p.over() {
		var state *program.StateError
		require.ErrorAs(t, err, &state)
		return
	}
	require.NoError(t, err)
	p.state = program.Withdrawn
	m.given(key, func(t *rapid.T) { require.NoError(t, m.e.Withdraw(m.ctx, key, p.id)) })
}

func (m *model) comeBack(t *rapid.T) {
	p := m.person(t)
	from, give := program.Withdrawn, m.e.Return
	if rapid.Bool().Draw(t, "barred") {
		from, give = program.Barred, m.e.Reinstate
	}
	err := give(m.ctx, m.key(t), p.id)
	if p.state == from {
		require.NoError(t, err)
		p.state = program.Registered
		return
	}
	require.Error(t, err)
}

// erase succeeds only where nothing is open and the term is over.
func (m *model) erase(t *rapid.T) {
	p := m.person(t)
	err := m.e.Erase(m.ctx, m.key(t), p.id)
	if p.state == program.Erased {
		return
	}
	if !p.over() || m.clock.now().Before(yearDay(360)) {
		var kept *program.RetentionError
		require.ErrorAs(t, err, &kept)
		return
	}
	var kept *program.RetentionError
	if errors.As(err, &kept) {
		return // its term began later, or money is on its way
	}
	require.NoError(t, err)
	p.state = program.Erased
}

var errSource = errors.New("the source broke off")

type brokenSource struct{ yearPeople }

func (s brokenSource) Next(ctx context.Context, done int64, limit int) ([]program.Registration[details], error) {
	if done > 0 {
		return nil, errSource
	}
	return s.yearPeople.Next(ctx, done, limit)
}

// jobs breaks a job off, pauses it, lets it go on or stops it for good.
func (m *model) jobs(t *rapid.T) {
	name := m.job()
	source := yearPeople{1_000_000 + 100*m.names, 1_000_000 + 100*m.names + 20}
	run := func(s program.Source[details]) (program.Counts, error) {
		return m.e.RegisterAll(m.ctx, by("registrar", ""), name, s)
	}
	require.ErrorIs(t, m.e.PauseJob(m.ctx, by("officer", ""), name), program.ErrNotFound)
	_, err := run(brokenSource{source})
	require.ErrorIs(t, err, errSource)
	require.NoError(t, m.e.PauseJob(m.ctx, m.key(t), name))
	_, err = run(source)
	require.ErrorIs(t, err, program.ErrPaused)
	var state *program.StateError
	require.ErrorAs(t, m.e.PauseJob(m.ctx, by("officer", ""), name), &state)
	if rapid.Bool().Draw(t, "stop") {
		require.NoError(t, m.e.StopJob(m.ctx, m.key(t), name))
		_, err = run(source)
		require.ErrorIs(t, err, program.ErrStopped)
		require.ErrorAs(t, m.e.ResumeJob(m.ctx, by("officer", ""), name), &state)
		return
	}
	require.NoError(t, m.e.ResumeJob(m.ctx, m.key(t), name))
	counts, err := run(source)
	require.NoError(t, err)
	require.Equal(t, int64(20), counts["registered"])
	require.ErrorAs(t, m.e.StopJob(m.ctx, by("officer", ""), name), &state)
}

// pay pays the first instalment to everybody who is entitled to it and was not paid.
func (m *model) pay(t *rapid.T) {
	m.batches++
	n := m.batches
	counts, err := m.e.PrepareBatch(m.ctx, by("preparer", ""), program.BatchOrder{Number: n, Wave: modelWave, Benefit: "cash", Instalment: 1, Again: n > 1})
	require.NoError(t, err)
	var due []*modelPerson
	for _, p := range m.people {
		if p.entitled && !p.paid && p.caseState == "bought" {
			due = append(due, p)
		}
	}
	require.Equal(t, int64(len(due)), counts["payments"])
	b, err := m.e.Batch(m.ctx, n)
	require.NoError(t, err)
	var same *payment.SameHandsError
	require.ErrorAs(t, m.e.ApproveBatch(m.ctx, by("preparer", ""), n, b.Digest), &same)
	require.NoError(t, m.e.ApproveBatch(m.ctx, by("approver", ""), n, b.Digest))
	require.NoError(t, m.e.SubmitBatch(m.ctx, by("releaser", ""), n, program.Release{File: [32]byte{1}, To: "BANK"}))
	opening := payment.Rupiah(1_000_000)
	opening.Units -= m.paidOut
	st := program.Statement{ID: fmt.Sprint(n), Account: "treasury", Sequence: n, Digest: sha256.Sum256(fmt.Append(nil, n)), Opening: opening, Closing: opening}
	var lines []payment.Line
	require.NoError(t, m.e.WriteBatch(m.ctx, n, func(o program.Order) error {
		lines = append(lines, payment.Line{Reference: o.Reference, Amount: o.Amount})
		st.Closing.Units -= o.Amount.Units
		return nil
	}))
	require.Len(t, lines, len(due))
	st.Lines = linesOf(lines)
	counts, err = m.e.Reconcile(m.ctx, by("clerk", ""), fmt.Sprint("statement ", n), st)
	require.NoError(t, err)
	require.Equal(t, int64(len(due)), counts["settled"])
	m.paidOut += opening.Units - st.Closing.Units
	require.NoError(t, m.e.CloseBatch(m.ctx, by("clerk", ""), n))
	for _, p := range due {
		p.paid = true
	}
}

func (m *model) repeat(t *rapid.T) {
	if len(m.again) == 0 {
		t.Skip("nothing yet")
	}
	before := m.seq(t)
	m.again[rapid.IntRange(0, len(m.again)-1).Draw(t, "which")](t)
	require.Equal(t, before, m.seq(t), "a repeated command writes nothing")
}

func (m *model) seq(t *rapid.T) int64 {
	n := int64(0)
	for {
		some, err := m.store.Journal(m.ctx, n, 1000)
		require.NoError(t, err)
		if n += int64(len(some)); len(some) < 1000 {
			return n
		}
	}
}

// same holds one person, and the seats, against the engine.
func (m *model) same(t *rapid.T) {
	if len(m.people) == 0 {
		return
	}
	p := m.people[m.names%len(m.people)]
	if p.caseState != "" {
		a, err := m.e.Application(m.ctx, modelWave, p.id)
		require.NoError(t, err)
		require.Equal(t, p.caseState, a.State, "person %d", p.n)
	}
	var accounts []ledger.Account
	for _, pool := range []string{"north", "south"} {
		accounts = append(accounts, quota.Place{Wave: "1", Pool: pool}.Account(quota.Left))
	}
	balances, err := m.store.Balances(m.ctx, accounts...)
	require.NoError(t, err)
	if m.wave == program.WaveAnnounced {
		for i, pool := range []string{"north", "south"} {
			require.Equal(t, int64(m.seats[pool]-m.taken(pool)), balances[i].Available(), "seats left in %s", pool)
		}
	}
}

// runModel gives so many random commands to stores of one kind.
func runModel(t *testing.T, steps int, open func(clock func() time.Time) (program.Store, func() error, error)) {
	t.Helper()
	const each = 250 // on one store, with those that are passed over
	require.NoError(t, flag.Set("rapid.steps", fmt.Sprint(each)))
	require.NoError(t, flag.Set("rapid.nofailfile", "true"))
	require.NoError(t, flag.Set("rapid.shrinktime", "10s"))
	seed := flag.Lookup("rapid.seed")
	given := seed.Value.String()
	defer func() { require.NoError(t, seed.Value.Set(given)) }()
	done := 0
	for round := 1; done < steps && !t.Failed(); round++ {
		// A red run is of the change, not of luck: only a campaign searches at random.
		if given == "0" && tier(0, 0, 1) == 0 {
			require.NoError(t, seed.Value.Set(fmt.Sprint(round)))
		}
		require.NoError(t, flag.Set("rapid.checks", fmt.Sprint(1+(steps-done)/each)))
		done += modelled(t, open)
	}
	t.Logf("%d steps", done)
}

func modelled(t *testing.T, open func(clock func() time.Time) (program.Store, func() error, error)) (done int) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		clock := newClock()
		store, shut, err := open(clock.now)
		require.NoError(t, err)
		defer func() { require.NoError(t, shut()) }()
		m := newModel(t, store, clock)
		actions := map[string]func(*rapid.T){}
		for name, act := range map[string]func(*rapid.T){
			"register": m.register, "register too": m.register, "join": m.join, "join too": m.join, "onward": m.onward, "check": m.check, "observe": m.observe,
			"fire": m.fire, "fire too": m.fire, "days": m.days, "tick": m.tick, "appeal": m.appeal, "decide": m.decide, "promote": m.promote, "amend": m.amend,
			"withdraw": m.withdraw, "come back": m.comeBack, "erase": m.erase, "jobs": m.jobs, "pay": m.pay, "repeat": m.repeat,
		} {
			actions[name] = func(t *rapid.T) {
				act(t)
				done++
			}
		}
		actions[""] = m.same
		t.Repeat(actions)
		breaches, err := m.e.Verify(m.ctx)
		require.NoError(t, err)
		require.Empty(t, breaches)
	})
	return done
}

func TestTheEngineIsItsModel(t *testing.T) {
	steps := tier(1500, 100_000, 5_000_000)
	journeys := tier(500, 100_000, 1_000_000) // on PostgreSQL each command is several of them
	t.Run("memory", func(t *testing.T) {
		runModel(t, steps, func(clock func() time.Time) (program.Store, func() error, error) {
			return memstore.NewAt(clock), func() error { return nil }, nil
		})
	})
	// Nothing here hangs on when the disk has written: so it need not.
	n := 0
	t.Run("SQLite", func(t *testing.T) {
		dir := quickDir(t)
		runModel(t, steps, func(clock func() time.Time) (program.Store, func() error, error) {
			n++
			path := filepath.Join(dir, fmt.Sprint(n, ".db"))
			store, shut, err := openFor("sqlite", "file:"+path, sqlstore.SQLite, clock)
			return store, func() error { return errors.Join(shut(), os.Remove(path)) }, err
		})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		url := ownSchema(t, "model") + "&synchronous_commit=off"
		admin, err := sql.Open("pgx", url)
		require.NoError(t, err)
		defer admin.Close()
		runModel(t, journeys, func(clock func() time.Time) (program.Store, func() error, error) {
			store, shut, err := openFor("pgx", url, sqlstore.PostgreSQL, clock)
			return store, func() error {
				_, err := admin.Exec("DROP SCHEMA gelombang_model CASCADE; CREATE SCHEMA gelombang_model")
				return errors.Join(shut(), err)
			}, err
		})
	})
}

func openFor(driver, source string, database sqlstore.Database, clock func() time.Time) (program.Store, func() error, error) {
	db, err := sql.Open(driver, source)
	if err != nil {
		return nil, nil, err
	}
	store, err := sqlstore.Open(context.Background(), db, database, &sqlstore.Options{Clock: clock})
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return store, func() error { return errors.Join(store.Close(), db.Close()) }, nil
}
