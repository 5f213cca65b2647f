package program_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/program/memstore"
)

// officeV2 is the office after a reform: silence refuses instead of granting, cases may
// be looked at, and "waiting" is called "paused". The new move stands first, so that
// every name has another place than before.
func officeV2() *program.Program[details] {
	p := office()
	v1 := p.Lifecycle
	in := func(s ...program.State) []program.State { return s }
	p.Earlier = []program.Table{v1}
	p.Lifecycle = program.Table{
		Name: "office", Version: 2, Start: "filed",
		States: program.States{
			{State: "looked-at", Next: lifecycle.Officer},
			{State: "refused", Final: true},
			{State: "granted", Final: true},
			{State: "paused", Next: lifecycle.Applicant, Wording: "state.waiting"},
			{State: "filed", Next: lifecycle.Officer, Within: &program.Deadline{Fires: "silent", Term: calendar.Term{Days: 20, Zone: "Asia/Jakarta"}}},
		},
		Moves: program.Moves{
			{On: "look", From: in("filed"), To: "looked-at"},
			{On: "silent", From: in("filed"), To: "refused"},
			{On: "grant", From: in("looked-at"), To: "granted"},
			{On: "ask", From: in("filed"), To: "paused", Clock: lifecycle.Suspend},
			{On: "answer", From: in("paused"), To: "filed", Clock: lifecycle.Continue},
			{On: "refuse", From: in("filed", "looked-at", "paused"), To: "refused"},
		},
	}
	p.Texts = officeTexts()
	for lang, text := range map[string]string{"id": "Dilihat.", "en": "It is looked at."} {
		p.Texts[lang]["state.looked-at"], p.Texts[lang]["event.look"], p.Texts[lang]["event.grant"] = text, text, text
	}
	return p
}

func toV2() program.Migration {
	return program.Migration{From: 1, To: 2, States: map[program.State]program.State{
		"filed": "filed", "waiting": "paused", "granted": "granted", "refused": "refused"}}
}

// desk is an office on one store, whose program and clock the test changes.
type desk struct {
	t     testing.TB
	store program.Store
	now   time.Time
	chunk int
	e     *program.Engine[details]
}

func newDesk(t testing.TB, store program.Store) *desk {
	d := &desk{t: t, store: store, now: day(1), chunk: 3}
	d.use(office())
	return d
}

func (d *desk) open(p *program.Program[details]) (*program.Engine[details], error) {
	keys, err := program.NewLocalKeyring(bytes.Repeat([]byte{7}, 32), rand.NewChaCha8([32]byte{2}))
	require.NoError(d.t, err)
	return program.NewEngine(p, d.store, keys, program.Surroundings{Clock: func() time.Time { return d.now }, Random: rand.NewChaCha8([32]byte{byte(d.now.Day())})}, &program.Options{Chunk: d.chunk})
}

func (d *desk) use(p *program.Program[details]) {
	var err error
	d.e, err = d.open(p)
	require.NoError(d.t, err)
}

func (d *desk) begin(wave int64) {
	by := program.By{Actor: "counter"}
	require.NoError(d.t, d.e.PlanWave(d.t.Context(), by, program.WaveOrder{Number: wave, Opens: d.now, Legal: calendar.Of(2020, time.August, 1)}))
	require.NoError(d.t, d.e.OpenWave(d.t.Context(), by, wave))
}

func (d *desk) file(wave int64, i int) uuid.UUID {
	by := program.By{Actor: "counter"}
	r := madePerson(0)
	r.Person.National = madePerson(i).Person.National
	id, err := d.e.Register(d.t.Context(), by, r)
	require.NoError(d.t, err)
	_, err = d.e.Join(d.t.Context(), by, wave, id)
	require.NoError(d.t, err)
	return id
}

func (d *desk) fire(wave int64, id uuid.UUID, on program.Event) error {
	return d.e.Fire(d.t.Context(), program.By{Actor: "officer"}, wave, id, program.Report{Event: on})
}

func (d *desk) tick(wave int64) program.Counts {
	counts, err := d.e.Tick(d.t.Context(), program.By{Actor: "clock"}, fmt.Sprint("tick ", wave, d.now), wave)
	require.NoError(d.t, err)
	return counts
}

func (d *desk) state(wave int64, id uuid.UUID) program.State {
	a, err := d.e.Application(d.t.Context(), wave, id)
	require.NoError(d.t, err)
	return a.State
}

func (d *desk) verify() {
	breaches, err := d.e.Verify(d.t.Context())
	require.NoError(d.t, err)
	require.Empty(d.t, breaches)
}

// A case keeps the version under which it began, and is decided by it to its end;
// what begins after the reform is decided by the new one.
func TestAnOldCaseFinishesUnderItsVersionWhileNewOnesRunTheNext(t *testing.T) {
	d := newDesk(t, memstore.New())
	d.begin(1)
	silent, asked := d.file(1, 1), d.file(1, 2)
	require.NoError(t, d.fire(1, asked, "ask"))

	d.now = day(3)
	d.use(officeV2())
	fresh := d.file(1, 3)
	require.NoError(t, d.fire(1, asked, "answer"))
	require.NoError(t, d.fire(1, asked, "extend"), "a move of the old version only")
	var refused *program.RefusedError
	require.ErrorAs(t, d.fire(1, silent, "look"), &refused, "a move of the new version only")
	require.ErrorAs(t, d.fire(1, fresh, "extend"), &refused)
	require.NoError(t, d.fire(1, d.file(1, 5), "look"))

	d.now = day(28)
	require.Equal(t, int64(3), d.tick(1)["done"])
	require.Equal(t, program.State("granted"), d.state(1, silent), "silence granted in the first version")
	require.Equal(t, program.State("granted"), d.state(1, asked))
	require.Equal(t, program.State("refused"), d.state(1, fresh), "and refuses in the second")
	history, err := d.e.History(t.Context(), 1, asked)
	require.NoError(t, err)
	for _, r := range history {
		require.Equal(t, 1, r.Version)
	}
	lines, err := d.e.Timeline(t.Context(), 1, asked, "en", lifecycle.Officer)
	require.NoError(t, err)
	require.Equal(t, "extend: filed → filed. Version 1 of the table.", lines[3].Text)
	d.verify()
}

// A program that forgets a version can do nothing with its cases, and says so; all
// others go on.
func TestACaseOfAForgottenVersionStopsNobodyElse(t *testing.T) {
	d := newDesk(t, memstore.New())
	d.begin(1)
	d.begin(2)
	old := d.file(1, 1)
	d.now = day(2)
	forgetful := officeV2()
	forgetful.Earlier = nil
	d.use(forgetful)
	fresh, other := d.file(1, 2), d.file(2, 3)
	var unknown *program.EditionError
	require.ErrorAs(t, d.fire(1, old, "refuse"), &unknown)
	require.Equal(t, program.EditionError{Edition: 1, Rule: "unknown"}, *unknown)
	due, running, err := d.e.NextDue(t.Context())
	require.NoError(t, err)
	require.True(t, running)
	require.Equal(t, end(11), due)

	d.now = day(30)
	require.Equal(t, int64(1), d.tick(1)["refused.unknown-edition"])
	require.Zero(t, d.tick(2)["refused.unknown-edition"], "an old case of another wave is none of its business")
	require.Equal(t, program.State("refused"), d.state(1, fresh))
	require.Equal(t, program.State("refused"), d.state(2, other))
	d.use(officeV2())
	d.now = day(31)
	d.tick(1)
	require.Equal(t, program.State("granted"), d.state(1, old), "control: with its table it goes on")
}

// One version is one table: stored trails have the places of its rows.
func TestAnotherTableUnderTheSameVersionIsRefused(t *testing.T) {
	d := newDesk(t, memstore.New())
	d.begin(1)
	id := d.file(1, 1)
	changed := office()
	changed.Lifecycle.Moves = slices.Insert(changed.Lifecycle.Moves, 0, program.Moves{{On: "grant", From: []program.State{"filed"}, To: "granted"}}...)
	for lang := range changed.Texts {
		changed.Texts[lang]["event.grant"] = "Ya."
	}
	e, err := d.open(changed)
	require.NoError(t, err, "the store is asked at the first use")
	var other *program.EditionError
	_, err = e.Application(t.Context(), 1, id)
	require.ErrorAs(t, err, &other)
	require.Equal(t, program.EditionError{Edition: 1, Rule: "changed"}, *other)
	require.ErrorAs(t, e.Fund(t.Context(), program.By{Actor: "treasury"}, testProgram().Benefits[0].Amount), &other, "nor does it write")
	_, err = e.Verify(t.Context())
	require.ErrorAs(t, err, &other)

	changed.Lifecycle.Version = 2
	changed.Earlier = []program.Table{office().Lifecycle}
	d.use(changed)
	_, err = d.e.Application(t.Context(), 1, id)
	require.NoError(t, err, "control: as a version of its own it is welcome")
	require.NoError(t, d.fire(1, d.file(1, 2), "grant"))
	changed.Earlier[0].Moves[0].On = "demand"
	for lang := range changed.Texts {
		changed.Texts[lang]["event.demand"] = "Ya."
	}
	e, err = d.open(changed)
	require.NoError(t, err)
	_, err = e.Application(t.Context(), 1, id)
	require.ErrorAs(t, err, &other, "an earlier table does not change either")
}

func TestEarlierTablesAreCheckedToo(t *testing.T) {
	d := newDesk(t, memstore.New())
	for name, bust := range map[string]func(*program.Program[details]){
		"each of another version": func(p *program.Program[details]) { p.Earlier[0].Version = 2 },
		"of the lifecycle's name": func(p *program.Program[details]) { p.Earlier[0].Name = "shop" },
		"unreachable": func(p *program.Program[details]) {
			p.Earlier[0].States = append(p.Earlier[0].States, lifecycle.State[program.State, program.Event]{State: "granted-twice", Final: true})
		},
		"which is no benefit": func(p *program.Program[details]) {
			p.Earlier[0].Moves[4].Do = []program.Effect{{Name: program.EffectEntitle, Arg: "gold"}}
		},
	} {
		p := officeV2()
		bust(p)
		_, err := d.open(p)
		require.ErrorContains(t, err, name)
	}
}

// filed returns a desk with ten cases in all states of version 1, and what the same
// cases are under version 2.
func filed(t testing.TB, store program.Store) *desk {
	d := newDesk(t, store)
	d.begin(1)
	for i := range 10 {
		id := d.file(1, []int{1, 2, 3, 5, 6, 7, 8, 11, 13, 15}[i])
		switch i % 5 {
		case 1:
			require.NoError(t, d.fire(1, id, "ask"))
		case 2:
			require.NoError(t, d.fire(1, id, "refuse"))
		}
	}
	d.now = day(3)
	d.use(officeV2())
	d.file(1, 18)
	return d
}

func TestAMigrationIsPreviewedAndRun(t *testing.T) {
	d := filed(t, memstore.New())
	ctx := t.Context()
	before, err := d.store.Journal(ctx, 0, 1000)
	require.NoError(t, err)
	draft := toV2()
	delete(draft.States, "waiting")
	preview, err := d.e.PreviewMigration(ctx, 1, draft)
	require.NoError(t, err)
	require.Equal(t, []lifecycle.Flow[program.State]{{Version: 1, From: "filed", To: "filed", Cases: 6}, {Version: 1, From: "refused", To: "refused", Cases: 2}}, preview.Flows)
	require.Equal(t, []lifecycle.Flow[program.State]{{Version: 1, From: "waiting", Cases: 2}, {Version: 2, From: "filed", Cases: 1}}, preview.Stranded)
	require.Len(t, preview.Cases, 3)
	after, err := d.store.Journal(ctx, 0, 1000)
	require.NoError(t, err)
	require.Equal(t, before, after, "a preview changes nothing")

	var faults lifecycle.Faults
	_, err = d.e.Migrate(ctx, program.By{Actor: "reform"}, "draft", 1, draft)
	require.ErrorAs(t, err, &faults, "a draft that is not total does not run")
	var unknown *program.EditionError
	_, err = d.e.Migrate(ctx, program.By{Actor: "reform"}, "to 3", 1, program.Migration{From: 1, To: 3})
	require.ErrorAs(t, err, &unknown)

	dues := map[uuid.UUID]program.Application{}
	require.NoError(t, d.e.Cases(ctx, 1, nil, false, func(c *program.Case[details]) error {
		dues[c.Application.Applicant] = c.Application
		return nil
	}))
	counts, err := d.e.Migrate(ctx, program.By{Actor: "reform"}, "to 2", 1, toV2())
	require.NoError(t, err)
	require.Equal(t, program.Counts{"done": 11, "migrated": 10, "already": 1, "state.filed": 6, "state.paused": 2, "state.refused": 2}, counts)
	d.verify()
	require.NoError(t, d.e.Cases(ctx, 1, nil, false, func(c *program.Case[details]) error {
		a, was := c.Application, dues[c.Application.Applicant]
		require.Equal(t, 2, a.Edition)
		require.Equal(t, []time.Time{was.Due, was.Paused}, []time.Time{a.Due, a.Paused}, "deadlines go on as they were")
		if was.Edition == 1 {
			require.Equal(t, toV2().States[was.State], a.State)
			require.Equal(t, slices.Concat(was.Trail, a.Trail[len(was.Trail):]), a.Trail, "the old steps are as they were")
			require.Len(t, a.Trail, len(was.Trail)+1)
		}
		return nil
	}))
	again, err := d.e.Migrate(ctx, program.By{Actor: "reform"}, "to 2", 1, toV2())
	require.NoError(t, err)
	require.Equal(t, counts, again)

	// The story of a migrated case is whole: in data, in words, and replayed.
	id := anyIn(t, d.e, "paused")
	d.now = day(8)
	require.NoError(t, d.fire(1, id, "answer"))
	require.NoError(t, d.fire(1, id, "look"))
	history, err := d.e.History(ctx, 1, id)
	require.NoError(t, err)
	require.Equal(t, []int{1, 1, 2, 2, 2}, []int{history[0].Version, history[1].Version, history[2].Version, history[3].Version, history[4].Version})
	require.Equal(t, lifecycle.Record[program.State, program.Event]{Entry: 3, At: day(3), Version: 2, From: "waiting", To: "paused", Due: end(11), Since: day(1)}, history[2])
	require.Equal(t, end(18), history[3].Due, "ten days were left on the day it was asked")
	lines, err := d.e.Timeline(ctx, 1, id, "en", lifecycle.Officer)
	require.NoError(t, err)
	require.Equal(t, "Moved to version 2 of the table: waiting → paused.", lines[2].Text)
	require.Empty(t, d.e.Lifecycle().Replay(history[2:], func(lifecycle.Record[program.State, program.Event]) *program.Case[details] { return nil }))
	d.verify()
}

// Whatever write dies, before or after it, the migration goes on and ends the same.
func TestAMigrationThatDiesAnywhereContinues(t *testing.T) {
	migrate := func(store *faulty, at int, written bool) (*desk, program.Counts, error) {
		d := filed(t, store)
		store.calls, store.at, store.written = 0, at, written
		counts, err := d.e.Migrate(t.Context(), program.By{Actor: "reform"}, "to 2", 1, toV2())
		return d, counts, err
	}
	store := &faulty{Store: memstore.New()}
	_, want, err := migrate(store, 0, false)
	require.NoError(t, err)
	writes := store.calls
	require.Equal(t, 7, writes, "the plan of the job, its part taken, four chunks of three, its end")
	for at := 1; at <= writes; at++ {
		for _, written := range []bool{false, true} {
			d, _, err := migrate(&faulty{Store: memstore.New()}, at, written)
			require.ErrorIs(t, err, errPower, "control")
			d.use(officeV2())
			counts, err := d.e.Migrate(t.Context(), program.By{Actor: "reform"}, "to 2", 1, toV2())
			require.NoError(t, err)
			require.Equal(t, want, counts)
			d.verify()
		}
	}
}

// Seats and the roll come from draws and checks, not from migrations; and while a
// draw is on nobody is moved.
func TestAMigrationGivesNoSeat(t *testing.T) {
	s := newStory(memstore.New())
	s.until = 6
	require.NoError(t, s.run(t))
	p := testProgram()
	p.Earlier = []program.Table{testTable()}
	p.Lifecycle.Version = 2
	same := program.Migration{From: 1, To: 2, States: map[program.State]program.State{}}
	for _, state := range p.Lifecycle.States {
		same.States[state.State] = state.State
	}
	e, err := s.engineOf(t, p)
	require.NoError(t, err)
	ctx, by := t.Context(), program.By{Actor: "reform"}
	for from, to := range map[program.State]program.State{"joined": "in_roll", "in_roll": "bought"} {
		g := program.Migration{From: 1, To: 2, States: maps.Clone(same.States)}
		g.States[from] = to
		_, err = e.Migrate(ctx, by, "sneak", 1, g)
		var faults program.Faults
		require.ErrorAs(t, err, &faults)
		require.Len(t, faults, 1)
	}
	var not *program.StateError
	_, err = e.Migrate(ctx, by, "now", 1, same)
	require.ErrorAs(t, err, &not, "the roll is frozen")
	s.now = day(7)
	require.NoError(t, s.draw(ctx, e, program.By{Actor: "planner", Key: "draw"}), "cases of the first version are drawn by the second program")
	counts, err := e.Announce(ctx, program.By{Actor: "planner"}, "announce", 1)
	require.NoError(t, err)
	require.Positive(t, counts["state.accepted"])
	proof := func() string {
		var all bytes.Buffer
		require.NoError(t, e.WriteProof(ctx, 1, func(string) (io.WriteCloser, error) { return nopCloser{&all}, nil }))
		return all.String()
	}
	before := proof()
	require.NotEmpty(t, before)
	counts, err = e.Migrate(ctx, by, "later", 1, same)
	require.NoError(t, err)
	require.Positive(t, counts["migrated"])
	e, err = s.engineOf(t, p) // which has read no roll yet
	require.NoError(t, err)
	require.Equal(t, before, proof(), "the roll was what it was")
	breaches, err := e.Verify(ctx)
	require.NoError(t, err)
	require.Empty(t, breaches)
}
