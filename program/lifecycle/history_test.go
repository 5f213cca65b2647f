package lifecycle_test

import (
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/lifecycle"
)

// histories are two recorded cases: one granted by silence, one decided late.
func histories(t testing.TB) [][]lifecycle.Record[state, event] {
	m := permitMachine(t)
	silent := begin(t, m, wib(9, 1, 9))
	require.Empty(t, silent.fire(wib(9, 1, 9), "screening", "complete", permitFile{}))
	require.Empty(t, silent.tick(wib(9, 22, 3), permitFile{}))
	late := begin(t, m, wib(9, 1, 9))
	for _, on := range []event{"complete", "ask", "answer", "reject", "appeal", "uphold"} {
		require.Empty(t, late.fire(wib(9, 13+len(late.history), 9), "officer-7", on, permitFile{}), on)
	}
	return [][]lifecycle.Record[state, event]{silent.history, late.history}
}

func replay(t testing.TB, draft table, history []lifecycle.Record[state, event]) []lifecycle.Difference[state, event] {
	m, err := lifecycle.Compile(draft, permitGuards(), lifecycle.CompileOptions{})
	require.NoError(t, err)
	return m.Replay(history, func(lifecycle.Record[state, event]) permitFile { return permitFile{} })
}

func TestHistoriesReplayOnTheirOwnTableWithoutDifference(t *testing.T) {
	for _, history := range histories(t) {
		require.Empty(t, replay(t, permit(), history))
	}
}

// What a case remembers of its steps is enough to tell all of them.
func TestABareHistoryIsRetraced(t *testing.T) {
	for _, history := range histories(t) {
		bare := make([]lifecycle.Record[state, event], len(history))
		for i, r := range history {
			bare[i] = lifecycle.Record[state, event]{At: r.At, Actor: r.Actor, Event: r.Event, To: r.To}
		}
		permitMachine(t).Retrace(bare)
		require.Equal(t, history, bare)
	}
	// A late report is told as what it was decided for, and when it came.
	late := histories(t)[1]
	late[2].Noted = late[2].At.AddDate(0, 0, 1)
	bare := []lifecycle.Record[state, event]{}
	for _, r := range late {
		bare = append(bare, lifecycle.Record[state, event]{At: r.At, Noted: r.Noted, Actor: r.Actor, Event: r.Event, To: r.To})
	}
	permitMachine(t).Retrace(bare)
	require.Equal(t, late, bare)
	odd := []lifecycle.Record[state, event]{{At: noon, To: "filed"}, {At: noon, Event: "dance", To: "lost"}, {At: noon, Event: "complete", To: "granted"}}
	permitMachine(t).Retrace(odd)
	require.Equal(t, state("granted"), odd[2].To, "what the table does not have stays as it is")
}

func TestADraftTableIsTriedOnHistories(t *testing.T) {
	both := histories(t)
	for name, try := range map[string]struct {
		edit    func(*table)
		history int
		index   int
		to      state
		code    string
	}{
		"a longer term: the silence would not have granted": {func(b *table) { b.States[1].Within.Term.BusinessDays = 20 }, 0, 2, "", lifecycle.CodeNotDue},
		"a shorter appeal: it would have come too late": {func(b *table) {
			b.States[4].Within = &lifecycle.Deadline[event]{Fires: "appeal-lapsed", Term: calendar.Term{Days: 1, CountStart: true, Until: "12:00", Zone: "Asia/Jakarta"}}
		}, 1, 5, "", lifecycle.CodePassed},
		"no appeal any more": {func(b *table) { b.Moves[10].On = "plead" }, 1, 5, "", lifecycle.CodeUnknown},
		"silence is no deadline any more": {func(b *table) {
			b.States[1].Within = nil
			b.Moves = slices.DeleteFunc(b.Moves, func(v lifecycle.Move[state, event]) bool { return v.Clock != lifecycle.Restart })
			b.States = slices.Delete(b.States, 2, 3)
			b.Sets["pending"] = b.Sets["pending"][:2]
		}, 0, 2, "", lifecycle.CodeNoDeadline},
		"an appeal goes back":    {func(b *table) { b.Moves[12].To = "closed" }, 1, 6, "closed", ""},
		"a new guard for asking": {func(b *table) { b.Moves[3].Needs = []string{"inspected"} }, 1, 2, "", "not-inspected"},
		"another beginning": {func(b *table) {
			b.Start = "review"
			b.States = b.States[1:]
			b.Sets["pending"] = b.Sets["pending"][1:]
			b.Moves = b.Moves[1:]
		}, 1, 0, "review", ""},
	} {
		draft := permit()
		try.edit(&draft)
		found := replay(t, draft, both[try.history])
		require.NotEmpty(t, found, name)
		require.Equal(t, try.index, found[0].Index, name)
		require.Equal(t, try.to, found[0].To, name)
		if try.code != "" {
			require.Equal(t, try.code, found[0].Why[0].Code, name)
		}
		if name != "another beginning" { // there the state "filed" is gone, and its move with it
			require.Len(t, found, 1, "%s: one difference hides no other, and makes none", name)
		}
	}
}

// permitV3 merges two states and adds one with a deadline of its own.
func permitV3() table {
	b := permit()
	b.Version = 3
	for i := range b.States {
		if b.States[i].State == "appealed" {
			b.States[i].State = "board"
			b.States[i].Within = &lifecycle.Deadline[event]{Fires: "board-silent", Term: calendar.Term{Days: 60, Zone: "Asia/Jakarta"}}
		}
	}
	b.Moves = slices.DeleteFunc(b.Moves, func(v lifecycle.Move[state, event]) bool { return slices.Contains(v.From, "appealed") })
	for i := range b.Moves {
		if b.Moves[i].To == "appealed" {
			b.Moves[i].To = "board"
		}
	}
	b.Moves = append(b.Moves,
		lifecycle.Move[state, event]{On: "withdraw", From: []state{"pending", "board"}, To: "closed"},
		lifecycle.Move[state, event]{On: "uphold", From: []state{"board"}, To: "granted", Do: []lifecycle.Effect{{Name: "sign"}}},
		lifecycle.Move[state, event]{On: "dismiss", From: []state{"board"}, To: "closed"},
		lifecycle.Move[state, event]{On: "board-silent", From: []state{"board"}, To: "closed"})
	return b
}

func toV3() lifecycle.Migration[state] {
	return lifecycle.Migration[state]{From: 2, To: 3, States: map[state]state{
		"filed": "filed", "review": "review", "suspended": "suspended", "granted": "granted",
		"rejected": "rejected", "appealed": "board", "closed": "closed",
	}}
}

func permitV3Machine(t testing.TB) *lifecycle.Machine[state, event, permitFile] {
	m, err := lifecycle.Compile(permitV3(), permitGuards(), lifecycle.CompileOptions{})
	require.NoError(t, err)
	return m
}

func TestAMigrationIsCheckedTotal(t *testing.T) {
	m := permitV3Machine(t)
	_, err := lifecycle.CompileMigration(toV3(), permit(), m)
	require.NoError(t, err, "control")
	for name, bust := range map[string]func(*lifecycle.Migration[state]){
		`state "appealed": migration: has no new state`:                                       func(g *lifecycle.Migration[state]) { delete(g.States, "appealed") },
		`state "review": migration: its new state "lost" is not in version 3`:                 func(g *lifecycle.Migration[state]) { g.States["review"] = "lost" },
		`state "closed": migration: a final state becomes a final one, and only a final one`:  func(g *lifecycle.Migration[state]) { g.States["closed"] = "review" },
		`state "appealed": migration: a final state becomes a final one, and only a final`:    func(g *lifecycle.Migration[state]) { g.States["appealed"] = "granted" },
		`state "closed": migration: would become payable without effect "sign"`:               func(g *lifecycle.Migration[state]) { g.States["closed"] = "granted" },
		`state "dream": migration: is not in version 2`:                                       func(g *lifecycle.Migration[state]) { g.States["dream"] = "review" },
		`migration: migration: it leads from version 1 to 3, the tables are "permit" of vers`: func(g *lifecycle.Migration[state]) { g.From = 1 },
	} {
		g := toV3()
		bust(&g)
		_, err := lifecycle.CompileMigration(g, permit(), m)
		var faults lifecycle.Faults
		require.ErrorAs(t, err, &faults)
		require.Len(t, faults, 1)
		require.Contains(t, faults[0].String(), name)
	}
}

// standing is a case before the migration.
type standing struct {
	lifecycle.Instance[state]
	entry   int64
	running lifecycle.Running
}

func cases() []standing {
	due := wib(9, 22, 0)
	at := func(id string, s state, version int) lifecycle.Instance[state] {
		return lifecycle.Instance[state]{ID: id, State: s, Version: version}
	}
	return []standing{
		{at("a", "review", 2), 4, lifecycle.Running{Entry: 4, Due: due}},
		{at("b", "review", 2), 2, lifecycle.Running{Entry: 2, Due: due}},
		{at("c", "appealed", 2), 5, lifecycle.Running{}},
		{at("d", "suspended", 2), 3, lifecycle.Running{Entry: 3, Due: due, Since: wib(9, 10, 9)}},
		{at("e", "review", 1), 2, lifecycle.Running{}},
		{at("f", "lost", 2), 2, lifecycle.Running{}},
	}
}

func instances() iter.Seq[lifecycle.Instance[state]] {
	return func(yield func(lifecycle.Instance[state]) bool) {
		for _, c := range cases() {
			if !yield(c.Instance) {
				return
			}
		}
	}
}

func TestAMigrationIsPreviewed(t *testing.T) {
	g := toV3()
	delete(g.States, "suspended") // a draft that is not total
	require.Equal(t, lifecycle.Preview[state]{
		Flows: []lifecycle.Flow[state]{{Version: 2, From: "appealed", To: "board", Cases: 1}, {Version: 2, From: "review", To: "review", Cases: 2}},
		Stranded: []lifecycle.Flow[state]{{Version: 1, From: "review", Cases: 1}, {Version: 2, From: "lost", Cases: 1},
			{Version: 2, From: "suspended", Cases: 1}},
		Cases: []string{"d", "e", "f"},
	}, g.Preview(instances()))
}

func TestAMigrationMovesCasesWithTheirDeadlines(t *testing.T) {
	x, err := lifecycle.CompileMigration(toV3(), permit(), permitV3Machine(t))
	require.NoError(t, err)
	moved := map[string]lifecycle.Running{}
	for _, c := range cases() {
		at := lifecycle.Moment{At: wib(9, 15, 9), Actor: "migration", Entry: c.entry, Running: &c.running}
		step, why := x.Step(c.Instance, at)
		if len(why) > 0 {
			require.Equal(t, []lifecycle.Reason{{Code: lifecycle.CodeUnknown}}, why)
			require.Contains(t, []string{"e", "f"}, c.ID)
			continue
		}
		require.Equal(t, 3, step.Version)
		require.Equal(t, toV3().States[c.State], step.To)
		moved[c.ID] = step.Running(at)
	}
	require.Equal(t, map[string]lifecycle.Running{
		"a": {Entry: 5, Due: wib(9, 22, 0)}, // a deadline that runs goes on
		"b": {Entry: 3, Due: wib(9, 22, 0)},
		"c": {Entry: 6, Due: wib(11, 15, 0)},                      // a case without one gets the new state's
		"d": {Entry: 4, Due: wib(9, 22, 0), Since: wib(9, 10, 9)}, // one that stands still goes on standing
	}, moved)
}

// Where a deadline is concerned a migration is as strict as a move.
func TestAMigrationKeepsTheRulesOfTheClock(t *testing.T) {
	old, m := permit(), permitV3Machine(t)
	toOther := permitV3() // of version 3, where review's deadline fires another event in other days
	toOther.States[1].Within = &lifecycle.Deadline[event]{Fires: "lapsed", Term: calendar.Term{Days: 14, Zone: "Asia/Jakarta"}}
	for i := range toOther.Moves {
		if toOther.Moves[i].On == "silent" {
			toOther.Moves[i].On = "lapsed"
		}
		if toOther.Moves[i].Extend != nil {
			toOther.Moves[i].Extend = &calendar.Term{Days: 5}
		}
	}
	other, err := lifecycle.Compile(toOther, permitGuards(), lifecycle.CompileOptions{})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		edit func(*lifecycle.Migration[state])
		to   *lifecycle.Machine[state, event, permitFile]
		want string
	}{
		"nothing stands still yet": {func(g *lifecycle.Migration[state]) { g.States["filed"] = "suspended" }, m,
			`state "filed": migration: comes without a deadline that stands still to "suspended", where one does`},
		"a running one is dropped where one stands still": {func(g *lifecycle.Migration[state]) { g.States["review"] = "suspended" }, m,
			`state "review": migration: comes without a deadline that stands still to "suspended", where one does`},
		"a running one is dropped": {func(g *lifecycle.Migration[state]) { g.States["rejected"] = "filed" }, m,
			`state "rejected": migration: its deadline goes on, but "filed" has none`},
		"one that stands still runs": {func(g *lifecycle.Migration[state]) { g.States["suspended"] = "review" }, m,
			`state "suspended": migration: its deadline stands still, which it cannot in "review"`},
		"it fires another event": {func(g *lifecycle.Migration[state]) { g.States["rejected"] = "review" }, m,
			`state "rejected": migration: its deadline cannot go on as the new one: one fires "appeal-lapsed" in calendar days of Asia/Jakarta, the other "silent" in business days of Asia/Jakarta`},
		"one that stands still would fire another event": {func(g *lifecycle.Migration[state]) { g.Anew = []state{"review"} }, other,
			`state "suspended": migration: its deadline cannot go on as the new one: one fires "silent" in business days of Asia/Jakarta, the other "lapsed" in calendar days of Asia/Jakarta`},
		"none could begin anew": {func(g *lifecycle.Migration[state]) { g.Anew = []state{"filed"} }, m,
			`state "filed": migration: has no deadline that could begin anew`},
		"anew, of a state that is not": {func(g *lifecycle.Migration[state]) { g.Anew = []state{"dream"} }, m,
			`state "dream": migration: is not in version 2`},
	} {
		g := toV3()
		c.edit(&g)
		_, err := lifecycle.CompileMigration(g, old, c.to)
		var faults lifecycle.Faults
		require.ErrorAs(t, err, &faults, name)
		require.Len(t, faults, 1, "%s: %v", name, faults)
		require.Equal(t, c.want, faults[0].String(), name)
	}

	// What ends because the migration says so begins anew.
	g := toV3()
	g.States["rejected"], g.Anew = "filed", []state{"rejected", "review"}
	x, err := lifecycle.CompileMigration(g, old, m)
	require.NoError(t, err)
	due := wib(9, 22, 0)
	at := lifecycle.Moment{At: wib(9, 15, 9), Entry: 4, Running: &lifecycle.Running{Entry: 4, Due: due}}
	step, why := x.Step(lifecycle.Instance[state]{State: "rejected", Version: 2}, at)
	require.Empty(t, why)
	require.Zero(t, step.Running(at))
	step, why = x.Step(lifecycle.Instance[state]{State: "review", Version: 2}, at)
	require.Empty(t, why)
	require.Equal(t, lifecycle.Running{Entry: 5, Due: wib(10, 6, 0)}, step.Running(at), "fourteen business days after the 15th")

	// A deadline of an earlier entry does not come alive, and none is made up.
	x, err = lifecycle.CompileMigration(toV3(), old, m)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		from    state
		running lifecycle.Running
		code    string
	}{
		"stale":                {"review", lifecycle.Running{Entry: 3, Due: due}, lifecycle.CodeStale},
		"none stands still":    {"suspended", lifecycle.Running{}, lifecycle.CodeNoDeadline},
		"runs, and should not": {"suspended", lifecycle.Running{Entry: 4, Due: due}, lifecycle.CodeNoDeadline},
	} {
		at.Running = &c.running
		step, why := x.Step(lifecycle.Instance[state]{State: c.from, Version: 2}, at)
		require.Equal(t, []lifecycle.Reason{{Code: c.code}}, why, name)
		require.Zero(t, *step.Row, name)
	}
}

// A case that was migrated is retraced by the machines of both versions, and replayed
// without a difference.
func TestAMigratedHistoryIsRetraced(t *testing.T) {
	old, next := permitMachine(t), permitV3Machine(t)
	s := begin(t, old, wib(9, 1, 9))
	require.Empty(t, s.fire(wib(9, 1, 9), "screening", "complete", permitFile{}))
	x, err := lifecycle.CompileMigration(toV3(), permit(), next)
	require.NoError(t, err)
	moment := s.moment(wib(9, 6, 9), "migration")
	step, why := x.Step(lifecycle.Instance[state]{State: s.state, Version: 2}, moment)
	require.Empty(t, why)
	s.history = append(s.history, step.Record(moment))
	s.m, s.running = next, step.Running(moment)
	require.Empty(t, s.fire(wib(9, 7, 9), "officer-7", "reject", permitFile{}))
	require.Empty(t, s.fire(wib(9, 8, 9), "applicant", "appeal", permitFile{}))
	require.Equal(t, wib(11, 8, 0), s.running.Due, "the board's sixty days")
	bare := make([]lifecycle.Record[state, event], len(s.history))
	for i, r := range s.history {
		bare[i] = lifecycle.Record[state, event]{At: r.At, Actor: r.Actor, Event: r.Event, To: r.To, Version: r.Version}
		if r.Event == "" && i > 0 {
			bare[i].Due, bare[i].Since = r.Due, r.Since
		}
	}
	next.Retrace(bare)
	old.Retrace(bare)
	require.Equal(t, s.history, bare)
	require.Empty(t, next.Replay(bare[2:], func(lifecycle.Record[state, event]) permitFile { return permitFile{} }))
}
