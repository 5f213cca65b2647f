package lifecycle_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/lifecycle"
)

func TestPathsAreEveryWayUpToTheBound(t *testing.T) {
	m := teacherMachine(t)
	all := map[string]int{}
	for p := range m.Paths(4) {
		at := state("unsubmitted")
		key := ""
		for _, r := range p {
			require.Equal(t, at, r.From)
			at = r.To
			key += string(r.Event) + ">" + string(r.To) + " "
		}
		require.LessOrEqual(t, len(p), 4)
		all[key]++
	}
	for key, times := range all {
		require.Equal(t, 1, times, key)
	}
	// Counted by hand: 1 empty, 1 submit; from awaiting-decision 5 ways; of these interviewing
	// has 4 ways on and offered has 4; after a second offer 4 more, after accept 4 more.
	require.Len(t, all, 1+1+5+(4+4)+(4+4))
	n := 0
	for range m.Paths(4) {
		if n++; n == 3 {
			break
		}
	}
	require.Equal(t, 3, n, "whoever has seen enough stops")
}

// holding is an invariant that every table keeps: nothing is taken twice, and
// nothing is given back that was not taken.
func holding[C any](m *lifecycle.Machine[state, event, C]) lifecycle.Exploration[state, event] {
	return lifecycle.Explore(m, 0, func(held int, r *row) (int, error) {
		held += len(r.Takes) - len(r.Releases)
		if held < 0 || held > 1 {
			return held, fmt.Errorf("%d are held", held)
		}
		return held, nil
	}, 50)
}

func TestWhatIsHeldIsHeldOnce(t *testing.T) {
	for _, found := range []lifecycle.Exploration[state, event]{holding(permitMachine(t)), holding(teacherMachine(t))} {
		require.Nil(t, found.Counterexample)
		require.True(t, found.Complete)
		require.Greater(t, found.Seen, 6)
	}
}

func TestTheShortestCounterexampleIsGiven(t *testing.T) {
	found := lifecycle.Explore(permitMachine(t), false, func(appealed bool, r *row) (bool, error) {
		appealed = appealed || r.Event == "appeal"
		if appealed && r.To == "granted" {
			return appealed, fmt.Errorf("granted after an appeal")
		}
		return appealed, nil
	}, 50)
	require.NotNil(t, found.Counterexample)
	var events []event
	for _, r := range found.Counterexample.Path {
		events = append(events, r.Event)
	}
	require.Equal(t, []event{"reject", "appeal", "uphold"}, events)
	require.EqualError(t, found.Counterexample.Err, "granted after an appeal")

	// A memory that never repeats: the bound ends it, and says so.
	found = lifecycle.Explore(permitMachine(t), 0, func(n int, _ *row) (int, error) { return n + 1, nil }, 6)
	require.Nil(t, found.Counterexample)
	require.False(t, found.Complete)
	require.Equal(t, 6, found.Depth)
}

// A machine agrees with a model that knows only the table: along every path the
// recorded event leads where the row says, if no guard objects.
func TestAMachineFollowsEveryPath(t *testing.T) {
	m, err := lifecycle.Compile(permit(), map[string]lifecycle.Guard[string]{
		"inspected": agreesTo("granted"), "long-enough": agreesTo("granted"), "hopeless": agreesTo("rejected"),
	}, lifecycle.CompileOptions{})
	require.NoError(t, err)
	paths := 0
	for p := range m.Paths(6) {
		paths++
		s := begin(t, m, wib(9, 1, 9))
		for i, r := range p {
			at := wib(9, 1, 9+i)
			if r.Clock {
				require.Empty(t, s.tick(s.running.Due, string(r.To)))
				break // time has leapt: what follows would come too late
			}
			require.Empty(t, s.fire(at, "x", r.Event, string(r.To)), "%v", r)
			require.Equal(t, r.To, s.state)
		}
	}
	require.Greater(t, paths, 100)
}

// agreesTo agrees if the case, which here is the state it wants to reach, is
// that one, or if the move leads back to where it was.
func agreesTo(to string) lifecycle.Guard[string] {
	return func(c string, _ lifecycle.Moment, why []lifecycle.Reason) []lifecycle.Reason {
		if c != to && c != "review" {
			return append(why, lifecycle.Reason{Code: "elsewhere"})
		}
		return why
	}
}

// Random tables never panic, and whatever compiles can be explored and lived through.
func TestRandomTables(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	good, seen := 0, map[string]int{}
	for range 6000 {
		b := randomTable(r)
		if tryTable(t, b, r.Uint64()) {
			good++
			countFeatures(b, seen)
		}
	}
	require.Greater(t, good, 1500, "control: many random tables are good")
	require.Less(t, good, 5500, "control: and many are not")
	for _, feature := range []string{"needs", "order", "check", "holds", "keeps", "payable", "approval", "deadline", "guarded deadline", "suspend", "continue", "extend", "sets"} {
		require.Greater(t, seen[feature], 60, "control: good tables have %s: %v", feature, seen)
	}
}

// FuzzTable: a table read from bytes never panics, and whatever compiles can be
// explored, drawn and lived through.
func FuzzTable(f *testing.F) {
	for _, seed := range []table{permit(), teacher()} {
		data, err := json.Marshal(seed)
		require.NoError(f, err)
		f.Add(data)
	}
	for _, file := range readTables(f, "*_*.json") {
		data, err := json.Marshal(file.Table)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var b table
		if json.Unmarshal(data, &b) == nil {
			tryTable(t, b, uint64(len(data)))
			_, _, _ = b.Mermaid(), b.DOT(), b.Markdown()
		}
	})
}

// tryGuards agree or refuse by a bit of the case.
func tryGuards() map[string]lifecycle.Guard[uint64] {
	guards := map[string]lifecycle.Guard[uint64]{}
	for i, name := range []string{"read", "seated", "inspected", "long-enough", "hopeless", "has-degree", "has-referees", "conditions-met"} {
		guards[name] = func(bits uint64, at lifecycle.Moment, why []lifecycle.Reason) []lifecycle.Reason {
			if bits>>((uint64(i)+uint64(at.Entry))%64)&1 == 0 {
				why = append(why, lifecycle.Reason{Code: "bit"})
			}
			return why
		}
	}
	return guards
}

func tryTable(t *testing.T, b table, bits uint64) bool {
	m, err := lifecycle.Compile(b, tryGuards(), lifecycle.CompileOptions{})
	if err != nil {
		var faults lifecycle.Faults
		require.ErrorAs(t, err, &faults)
		require.NotEmpty(t, faults)
		return false
	}
	found := lifecycle.Explore(m, 0, func(n int, r *row) (int, error) {
		_, ok := m.State(r.To)
		require.True(t, ok)
		return n, nil
	}, 1000)
	require.True(t, found.Complete)
	require.Equal(t, len(b.States), found.Seen, "every state is reached")
	steps := 0
	for p := range m.Paths(12) {
		if steps += len(p); steps > 300 {
			break
		}
	}
	for _, s := range b.States {
		for _, o := range m.Options(s.State, 0, lifecycle.Moment{At: noon}, nil) {
			require.False(t, s.Final, "%s", o.Event)
		}
	}
	live(t, m, bits)
	return true
}

// live takes a case through a table in time, and holds at every step what the rules of
// a table promise: a deadline is there where the table says so, the clock can always
// fire it, and nothing that needs one is refused for want of one.
func live(t *testing.T, m *lifecycle.Machine[state, event, uint64], bits uint64) {
	b := m.Table()
	stands := map[state]bool{}
	for _, v := range b.Moves {
		stands[v.To] = stands[v.To] || v.Clock == lifecycle.Suspend
	}
	next := b
	next.Version++
	m2, err := lifecycle.Compile(next, tryGuards(), lifecycle.CompileOptions{})
	require.NoError(t, err)
	same := lifecycle.Migration[state]{From: b.Version, To: next.Version, States: map[state]state{}}
	for _, s := range b.States {
		same.States[s.State] = s.State
	}
	migrator, err := lifecycle.CompileMigration(same, b, m2)
	require.NoError(t, err, "to itself every table can be migrated")

	running, err := m.Begin(noon)
	if err != nil {
		return // a term of centuries
	}
	at, now, entry := noon, b.Start, int64(1)
	for range 24 {
		s, ok := m.State(now)
		require.True(t, ok)
		require.Equal(t, s.Within != nil || stands[now], !running.Due.IsZero(), "a deadline where the table has one: %s", now)
		require.Equal(t, stands[now], !running.Since.IsZero(), now)
		moment := lifecycle.Moment{At: at, Entry: entry, Running: &running}
		moved, why := migrator.Step(lifecycle.Instance[state]{State: now, Version: b.Version}, moment)
		require.Empty(t, why)
		kept := moved.Running(moment)
		require.Equal(t, []any{now, running.Due, running.Since}, []any{moved.To, kept.Due, kept.Since})

		bits = bits*6364136223846793005 + 1442695040888963407
		var on event
		if s.Within != nil && bits>>60 < 6 { // time goes by: the clock alone is left
			late := moment
			late.At = running.Due
			for _, o := range m.Options(now, ^uint64(0), late, nil) {
				require.Equal(t, []lifecycle.Reason{{Code: lifecycle.CodePassed}}, o.Reasons, o.Event)
			}
			fired := running
			late.Fired = &fired
			on, moment = s.Within.Fires, late
		} else {
			options := m.Options(now, bits, moment, nil)
			var possible []event
			for _, o := range options {
				for _, reason := range o.Reasons {
					require.NotContains(t, []string{"", lifecycle.CodeNoDeadline, lifecycle.CodeStale, lifecycle.CodeSuspended, lifecycle.CodeNoMove}, reason.Code, "%s in %s", o.Event, now)
				}
				if len(o.Reasons) == 0 {
					possible = append(possible, o.Event)
				}
			}
			if len(possible) == 0 {
				at = at.Add(time.Minute)
				if !running.Due.IsZero() && running.Since.IsZero() && !at.Before(running.Due) {
					at = running.Due.Add(-1)
				}
				continue
			}
			on = possible[bits>>33%uint64(len(possible))]
		}
		step, why := m.Fire(now, on, bits, moment, nil)
		if len(why) > 0 {
			require.Contains(t, []string{lifecycle.CodeOutOfTime}, why[0].Code, "%s in %s: the clock can always fire", on, now)
			return
		}
		require.Equal(t, step.Clock, moment.Fired != nil)
		running, now, entry = step.Running(moment), step.To, entry+1
		if at = moment.At.Add(time.Duration(bits>>44) * time.Second / 8); !running.Due.IsZero() && running.Since.IsZero() && !at.Before(running.Due) {
			at = moment.At
		}
		if !running.Due.IsZero() {
			require.True(t, running.Due.After(moment.At), "no deadline has passed when it begins: %s", now)
		}
	}
}

// randomTable is mostly a good table: a way from the first state to the last, with
// deadlines, checks, alternatives and suspensions on the way, and now and then a
// mistake.
func randomTable(r *rand.Rand) table {
	chance := func(n int) bool { return r.IntN(n) == 0 }
	name := func(i int) state { return state(fmt.Sprint("s", i)) }
	n := 3 + r.IntN(4)
	b := table{Name: "random", Version: 1 + r.IntN(2), Start: "s0"}
	if chance(30) {
		b.Version = 0
	}
	if chance(3) {
		b.Approval = "sign"
	}
	add := func(on string, from, to state) *lifecycle.Move[state, event] {
		b.Moves = append(b.Moves, lifecycle.Move[state, event]{On: event(on), From: []state{from}, To: to})
		return &b.Moves[len(b.Moves)-1]
	}
	guards := []string{"read", "seated", "inspected"}
	for i := range n {
		s := lifecycle.State[state, event]{State: name(i), Final: i == n-1}
		if i > 0 && !chance(3) {
			s.Holds = []lifecycle.Holding{"desk"}
			s.Keeps = s.Final != chance(20)
		}
		s.Payable = i == n-1 && chance(2)
		b.States = append(b.States, s)
	}
	for i := range n - 1 {
		last := name(n - 1)
		v := add(fmt.Sprint("e", i), name(i), name(i+1))
		if b.Approval != "" && !chance(3) {
			v.Do = []lifecycle.Effect{{Name: "sign"}}
		}
		if chance(3) {
			v.Needs = []string{guards[r.IntN(3)]}
			if chance(2) { // an alternative
				v.Order = 1
				w := add(fmt.Sprint("e", i), name(i), name(r.IntN(n)))
				w.Order = 2
				if chance(2) {
					w.Needs = []string{guards[r.IntN(3)]}
				}
			}
		}
		if chance(2) {
			randomDeadline(r, &b, i, n)
		}
		if chance(4) {
			add(fmt.Sprint("no", i), name(i), last)
			b.States[i].Check = &lifecycle.Check[event]{At: "screen", Eligible: event(fmt.Sprint("e", i)), Ineligible: event(fmt.Sprint("no", i)), Pending: lifecycle.Stay}
			if chance(8) {
				b.States[i].Check.Ineligible = b.States[i].Check.Eligible
			}
		}
	}
	if chance(3) {
		b.Sets = map[state][]state{"some": {name(r.IntN(n - 1)), name(0)}}
		add("leave", "some", name(n-1))
	}
	if chance(3) { // noise
		v := add(fmt.Sprint("e", r.IntN(n)), name(r.IntN(n)), name(r.IntN(n+1)))
		v.Clock = []lifecycle.Clock{lifecycle.Restart, lifecycle.Suspend, lifecycle.Continue}[r.IntN(3)]
	}
	return b
}

// randomDeadline gives a state a deadline, which may stand still and be extended.
func randomDeadline(r *rand.Rand, b *table, i, n int) {
	chance := func(n int) bool { return r.IntN(n) == 0 }
	from, late, to := b.States[i].State, event(fmt.Sprint("late", i)), b.States[i+1+r.IntN(n-1-i)].State
	term := calendar.Term{Zone: []string{"", "Asia/Jakarta"}[r.IntN(2)], Until: []string{"", "11:59"}[r.IntN(2)], CountStart: chance(2)}
	extend := calendar.Term{}
	switch r.IntN(3) {
	case 0:
		term.Days, extend.Days = 1+r.IntN(9), 1+r.IntN(9)
	case 1:
		term.BusinessDays, extend.BusinessDays = 1+r.IntN(9), 1+r.IntN(9)
	case 2:
		term, extend.For = calendar.Term{For: time.Duration(1+r.IntN(99)) * time.Hour}, time.Hour
	}
	b.States[i].Within = &lifecycle.Deadline[event]{Fires: late, Term: term}
	v := lifecycle.Move[state, event]{On: late, From: []state{from}, To: to}
	if b.Approval != "" {
		v.Do = []lifecycle.Effect{{Name: "sign"}}
	}
	if chance(4) {
		again := v
		again.To, again.Needs, again.Order = b.States[r.IntN(n)].State, []string{"read"}, 1
		b.Moves, v.Order = append(b.Moves, again), 2
	}
	if chance(12) {
		v.Needs = []string{"seated"}
	}
	b.Moves = append(b.Moves, v)
	if chance(2) {
		rest := state(fmt.Sprint("rest", i))
		b.States = append(b.States, lifecycle.State[state, event]{State: rest, Holds: b.States[i].Holds})
		back := lifecycle.Move[state, event]{On: "back", From: []state{rest}, To: from, Clock: lifecycle.Continue}
		if chance(3) {
			back.Extend = &extend
		}
		b.Moves = append(b.Moves, lifecycle.Move[state, event]{On: "rest", From: []state{from}, To: rest, Clock: lifecycle.Suspend}, back)
	}
	if chance(3) {
		b.Moves = append(b.Moves, lifecycle.Move[state, event]{On: "extend", From: []state{from}, To: from, Clock: lifecycle.Continue, Extend: &extend})
	}
}

func countFeatures(b table, seen map[string]int) {
	count := func(feature string, has bool) {
		if has {
			seen[feature]++
		}
	}
	count("approval", b.Approval != "")
	count("sets", b.Sets != nil)
	clock := map[event]bool{}
	for _, s := range b.States {
		count("check", s.Check != nil)
		count("holds", len(s.Holds) > 0)
		count("keeps", s.Keeps)
		count("payable", s.Payable)
		count("deadline", s.Within != nil)
		if s.Within != nil {
			clock[s.Within.Fires] = true
		}
	}
	for _, v := range b.Moves {
		count("needs", len(v.Needs) > 0)
		count("order", v.Order > 0)
		count("suspend", v.Clock == lifecycle.Suspend)
		count("continue", v.Clock == lifecycle.Continue)
		count("extend", v.Extend != nil)
		count("guarded deadline", clock[v.On] && len(v.Needs) > 0)
	}
}

func TestPathsOfOneTableAreClonedToBeKept(t *testing.T) {
	var kept [][]*row
	for p := range teacherMachine(t).Paths(3) {
		kept = append(kept, slices.Clone(p))
	}
	for _, p := range kept {
		at := state("unsubmitted")
		for _, r := range p {
			require.Equal(t, at, r.From)
			at = r.To
		}
	}
}
