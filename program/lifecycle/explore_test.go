package lifecycle_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

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

// Random tables never panic, and whatever compiles can be explored.
func TestRandomTables(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	good := 0
	for range 12000 {
		if tryTable(t, randomTable(r)) {
			good++
		}
	}
	require.Greater(t, good, 40, "control: some random tables are good")
}

// FuzzTable: a table read from bytes never panics, and whatever compiles can be
// explored and drawn.
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
			tryTable(t, b)
			_, _, _ = b.Mermaid(), b.DOT(), b.Markdown()
		}
	})
}

func tryTable(t *testing.T, b table) bool {
	guards := map[string]lifecycle.Guard[int]{"read": agrees, "inspected": agrees, "long-enough": agrees, "hopeless": agrees,
		"has-degree": agrees, "has-referees": agrees, "conditions-met": agrees}
	m, err := lifecycle.Compile(b, guards, lifecycle.CompileOptions{})
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
		if steps += len(p); steps > 2000 {
			break
		}
	}
	for _, s := range b.States {
		for _, o := range m.Options(s.State, 0, lifecycle.Moment{At: noon}, nil) {
			require.False(t, s.Final, "%s", o.Event)
		}
	}
	return true
}

func randomTable(r *rand.Rand) table {
	name := func(n int) state { return state(fmt.Sprint("s", r.IntN(n))) }
	n := 2 + r.IntN(4)
	b := table{Name: "random", Version: 1, Start: "s0"}
	for i := range n {
		s := lifecycle.State[state, event]{State: state(fmt.Sprint("s", i)), Final: i == n-1 || r.IntN(6) == 0}
		if r.IntN(4) == 0 {
			s.Within = &lifecycle.Deadline[event]{Fires: event(fmt.Sprint("e", r.IntN(4))), Term: calendar.Term{Days: 1 + r.IntN(9)}}
		}
		b.States = append(b.States, s)
	}
	if r.IntN(3) == 0 {
		b.Sets = map[state][]state{"some": {name(n), name(n)}}
	}
	for range 1 + r.IntN(3*n) {
		v := lifecycle.Move[state, event]{On: event(fmt.Sprint("e", r.IntN(6))), From: []state{name(n)}, To: name(n)}
		if b.Sets != nil && r.IntN(4) == 0 {
			v.From = append(v.From, "some")
		}
		if r.IntN(8) == 0 {
			v.Clock = []lifecycle.Clock{lifecycle.Suspend, lifecycle.Continue}[r.IntN(2)]
		}
		b.Moves = append(b.Moves, v)
	}
	return b
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
