package lifecycle_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/lifecycle"
)

var update = flag.Bool("update", false, "write the golden files anew")

type (
	state string
	event string
	file  struct{ hours int }
	table = lifecycle.Table[state, event]
)

// permit is a table from another field: a building permit with suspension and
// appeal.
func permit() table {
	term := func(days int, fires event) *lifecycle.Deadline[event] {
		return &lifecycle.Deadline[event]{Fires: fires, Term: calendar.Term{Days: days, Zone: "Asia/Jakarta"}}
	}
	place := []lifecycle.Holding{"slot"}
	return table{
		Name: "permit", Version: 2, Start: "filed", Approval: "sign",
		States: []lifecycle.State[state, event]{
			{State: "filed", Next: lifecycle.Engine, Check: &lifecycle.Check[event]{At: "screen", Eligible: "complete", Ineligible: "reject", Pending: lifecycle.Stay}},
			{State: "review", Holds: place, Next: lifecycle.Officer, Within: term(14, "silent")},
			{State: "suspended", Holds: place, Next: lifecycle.Applicant},
			{State: "granted", Holds: place, Final: true, Keeps: true, Payable: true},
			{State: "rejected", Next: lifecycle.Applicant, Within: term(30, "appeal-lapsed")},
			{State: "closed", Final: true},
		},
		Moves: []lifecycle.Move[state, event]{
			{On: "complete", From: []state{"filed"}, To: "review"},
			{On: "reject", From: []state{"filed", "review", "suspended"}, To: "rejected"},
			{On: "suspend", From: []state{"review"}, To: "suspended"},
			{On: "resume", From: []state{"suspended"}, To: "review"},
			{On: "decide", From: []state{"review"}, To: "granted", Needs: []string{"inspected", "long-enough"}, Do: []lifecycle.Effect{{Name: "sign", Arg: "seal"}}, Order: 1},
			{On: "decide", From: []state{"review"}, To: "rejected", Needs: []string{"hopeless"}, Order: 2},
			{On: "silent", From: []state{"review"}, To: "granted", Do: []lifecycle.Effect{{Name: "sign"}}},
			{On: "appeal", From: []state{"rejected"}, To: "review"},
			{On: "appeal-lapsed", From: []state{"rejected"}, To: "closed"},
		},
	}
}

func guards() map[string]lifecycle.Guard[file] {
	atLeast := func(hours int, code string) lifecycle.Guard[file] {
		return func(c file, _ lifecycle.Moment, why []lifecycle.Reason) []lifecycle.Reason {
			if c.hours < hours {
				why = append(why, lifecycle.Reason{Code: code})
			}
			return why
		}
	}
	return map[string]lifecycle.Guard[file]{
		"inspected":   atLeast(1, "not-inspected"),
		"long-enough": atLeast(8, "too-short"),
		"hopeless": func(_ file, _ lifecycle.Moment, why []lifecycle.Reason) []lifecycle.Reason {
			return append(why, lifecycle.Reason{Code: "not-hopeless"})
		},
	}
}

func compiled(t testing.TB) *lifecycle.Machine[state, event, file] {
	t.Helper()
	m, err := lifecycle.Compile(permit(), guards(), lifecycle.CompileOptions{})
	require.NoError(t, err)
	return m
}

var noon = time.Date(2020, time.August, 8, 5, 0, 0, 0, time.UTC) // 12:00 WIB

func TestAMoveIsDecidedWithAllThatFollows(t *testing.T) {
	step, why := compiled(t).Fire("filed", "complete", file{}, lifecycle.Moment{At: noon}, nil)
	require.Empty(t, why)
	require.Equal(t, lifecycle.Step[state, event]{
		From: "filed", To: "review", Event: "complete", Version: 2,
		Takes: []lifecycle.Holding{"slot"},
		Due:   time.Date(2020, time.August, 22, 17, 0, 0, 0, time.UTC),
	}, step)
	step, why = compiled(t).Fire("review", "reject", file{}, lifecycle.Moment{At: noon}, nil)
	require.Empty(t, why)
	require.Equal(t, []lifecycle.Holding{"slot"}, step.Releases)
	step, why = compiled(t).Fire("suspended", "resume", file{}, lifecycle.Moment{At: noon}, nil)
	require.Empty(t, why)
	require.Empty(t, step.Takes, "what both states hold is neither taken nor released")
	require.Empty(t, step.Releases)
}

func TestARefusalGivesEveryReason(t *testing.T) {
	kept := []lifecycle.Reason{{Code: "earlier"}}
	step, why := compiled(t).Fire("review", "decide", file{}, lifecycle.Moment{At: noon}, kept)
	require.Zero(t, step)
	require.Equal(t, []lifecycle.Reason{{Code: "earlier"}, {Guard: "inspected", Code: "not-inspected"},
		{Guard: "long-enough", Code: "too-short"}, {Guard: "hopeless", Code: "not-hopeless"}}, why)
	step, why = compiled(t).Fire("review", "decide", file{hours: 8}, lifecycle.Moment{At: noon}, kept)
	require.Equal(t, state("granted"), step.To)
	require.Equal(t, kept, why, "reasons are given back as they came")
	for name, refused := range map[string]struct {
		s    state
		e    event
		code string
	}{
		"no move":       {"closed", "appeal", lifecycle.CodeNoMove},
		"unknown state": {"lost", "appeal", lifecycle.CodeUnknown},
		"unknown event": {"closed", "hope", lifecycle.CodeUnknown},
	} {
		_, why := compiled(t).Fire(refused.s, refused.e, file{}, lifecycle.Moment{At: noon}, nil)
		require.Equal(t, []lifecycle.Reason{{Code: refused.code}}, why, name)
	}
}

func TestADeadlineIsTheClocksAndOfOneEntry(t *testing.T) {
	m := compiled(t)
	due := noon.AddDate(0, 0, 14)
	fire := func(at lifecycle.Moment) string {
		_, why := m.Fire("review", "silent", file{}, at, nil)
		if len(why) == 0 {
			return ""
		}
		return why[0].Code
	}
	require.Equal(t, lifecycle.CodeClockOnly, fire(lifecycle.Moment{At: due, Entry: 3}))
	require.Equal(t, lifecycle.CodeStale, fire(lifecycle.Moment{At: due, Entry: 3, Fired: &lifecycle.Fired{Entry: 1, Due: due}}))
	require.Equal(t, lifecycle.CodeNotDue, fire(lifecycle.Moment{At: due.Add(-1), Entry: 3, Fired: &lifecycle.Fired{Entry: 3, Due: due}}))
	require.Empty(t, fire(lifecycle.Moment{At: due, Entry: 3, Fired: &lifecycle.Fired{Entry: 3, Due: due}}))
}

func TestOptionsSayWhatIsPossibleAndWhyNot(t *testing.T) {
	options := compiled(t).Options("review", file{hours: 2}, lifecycle.Moment{At: noon})
	require.Equal(t, []lifecycle.Option[event]{
		{Event: "reject"},
		{Event: "suspend"},
		{Event: "decide", Reasons: []lifecycle.Reason{{Guard: "long-enough", Code: "too-short"}, {Guard: "hopeless", Code: "not-hopeless"}}},
	}, options)
}

// Every busted table has one fault more than a good one, named by its file.
func TestCompileFindsEveryFault(t *testing.T) {
	busted := map[lifecycle.FaultRule]func(*table){
		lifecycle.FaultName:      func(b *table) { b.Moves[0].To = "nowhere" },
		lifecycle.FaultDuplicate: func(b *table) { b.States = append(b.States, b.States[5]) },
		lifecycle.FaultUnreachable: func(b *table) {
			b.States = append(b.States, lifecycle.State[state, event]{State: "island", Final: true})
		},
		lifecycle.FaultDeadEnd:      func(b *table) { b.States[5].Final = false },
		lifecycle.FaultAfterFinal:   func(b *table) { b.States[2].Final, b.States[2].Keeps = true, true },
		lifecycle.FaultAmbiguous:    func(b *table) { b.Moves[5].Order = 1 },
		lifecycle.FaultUnnamed:      func(b *table) { b.Moves[4].Do[0].Name = "" },
		lifecycle.FaultGuard:        func(b *table) { b.Moves[0].Needs = []string{"nobody"} },
		lifecycle.FaultEffect:       func(b *table) { b.Moves[0].Do = []lifecycle.Effect{{Name: "dance"}} },
		lifecycle.FaultHolding:      func(b *table) { b.States[4].Holds = []lifecycle.Holding{"breath"} },
		lifecycle.FaultDeadline:     func(b *table) { b.States[1].Within.Fires = "resume" },
		lifecycle.FaultClockCycle:   func(b *table) { b.Moves[8].To, b.Moves[6].To = "review", "rejected" },
		lifecycle.FaultKeeps:        func(b *table) { b.States[3].Keeps = false },
		lifecycle.FaultCheck:        func(b *table) { b.States[0].Check.Pending = "" },
		lifecycle.FaultApproval:     func(b *table) { b.Moves[6].Do = nil },
		lifecycle.FaultWording:      func(b *table) { b.States[0].Wording = "untold" },
		lifecycle.FaultClockByHands: func(b *table) { b.Moves[6].From = append(b.Moves[6].From, "suspended") },
	}
	options := lifecycle.CompileOptions{
		Effects: []string{"sign"}, Holdings: []lifecycle.Holding{"slot"},
		Untold: func(key string) []string {
			if key == "untold" {
				return []string{"id", "en"}
			}
			return nil
		},
	}
	_, err := lifecycle.Compile(permit(), guards(), options)
	require.NoError(t, err, "control: the table itself is good")
	for rule, bust := range busted {
		b := permit()
		bust(&b)
		_, err := lifecycle.Compile(b, guards(), options)
		var faults lifecycle.Faults
		require.ErrorAs(t, err, &faults, rule)
		var rules []lifecycle.FaultRule
		for _, f := range faults {
			rules = append(rules, f.Rule)
			require.NotEmpty(t, f.Where)
		}
		require.Contains(t, rules, rule, err)
	}
}

func TestCompileReportsAllFaultsAtOnce(t *testing.T) {
	b := permit()
	b.States[3].Keeps = false
	b.Moves[0].Needs = []string{"nobody"}
	b.States[5].Final = false
	_, err := lifecycle.Compile(b, guards(), lifecycle.CompileOptions{})
	var faults lifecycle.Faults
	require.ErrorAs(t, err, &faults)
	require.Len(t, faults, 3, err)
}

func TestDrawings(t *testing.T) {
	for name, got := range map[string]string{
		"permit.mmd": permit().Mermaid(),
		"permit.dot": permit().DOT(),
		"permit.md":  permit().Markdown(),
	} {
		path := filepath.Join("testdata", name)
		if *update {
			require.NoError(t, os.MkdirAll("testdata", 0o755))
			require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), got, name)
	}
}

func TestATableIsPureData(t *testing.T) {
	data, err := json.Marshal(permit())
	require.NoError(t, err)
	var back table
	require.NoError(t, json.Unmarshal(data, &back))
	require.Equal(t, permit(), back)
}

// Random tables never panic, and whatever compiles can be walked at random
// without an unknown name.
func TestRandomTables(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	good := 0
	for range 3000 {
		m, err := lifecycle.Compile(randomTable(r), guards(), lifecycle.CompileOptions{})
		if err != nil {
			continue
		}
		good++
		walk(t, r, m)
	}
	require.Greater(t, good, 20, "control: some random tables are good")
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
	for range 1 + r.IntN(3*n) {
		b.Moves = append(b.Moves, lifecycle.Move[state, event]{On: event(fmt.Sprint("e", r.IntN(6))), From: []state{name(n)}, To: name(n)})
	}
	return b
}

func walk(t *testing.T, r *rand.Rand, m *lifecycle.Machine[state, event, file]) {
	s := m.Table().Start
	for entry := range int64(20) {
		at, ok := m.State(s)
		require.True(t, ok)
		options := m.Options(s, file{}, lifecycle.Moment{At: noon})
		if at.Within != nil {
			step, why := m.Fire(s, at.Within.Fires, file{}, lifecycle.Moment{At: noon, Entry: entry, Fired: &lifecycle.Fired{Entry: entry, Due: noon}}, nil)
			require.Empty(t, why)
			s = step.To
			continue
		}
		if len(options) == 0 {
			require.True(t, at.Final, "only a final state has no way on")
			return
		}
		step, why := m.Fire(s, options[r.IntN(len(options))].Event, file{}, lifecycle.Moment{At: noon}, nil)
		require.Empty(t, why)
		s = step.To
	}
}

func TestDecidingAllocatesNothing(t *testing.T) {
	m := compiled(t)
	why := make([]lifecycle.Reason, 0, 8)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, why = m.Fire("review", "suspend", file{}, lifecycle.Moment{At: noon}, why[:0])
		_, why = m.Fire("review", "decide", file{}, lifecycle.Moment{At: noon}, why[:0])
	}))
}

func BenchmarkFire(b *testing.B) {
	m := compiled(b)
	why := make([]lifecycle.Reason, 0, 8)
	b.ReportAllocs()
	for b.Loop() {
		_, why = m.Fire("review", "suspend", file{}, lifecycle.Moment{At: noon}, why[:0])
	}
}

func BenchmarkDenied(b *testing.B) {
	m := compiled(b)
	why := make([]lifecycle.Reason, 0, 8)
	b.ReportAllocs()
	for b.Loop() {
		_, why = m.Fire("review", "decide", file{}, lifecycle.Moment{At: noon}, why[:0])
	}
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		if _, err := lifecycle.Compile(permit(), guards(), lifecycle.CompileOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleCompile() {
	t := table{
		Name: "ticket", Version: 1, Start: "open",
		States: []lifecycle.State[state, event]{
			{State: "open", Next: lifecycle.Officer},
			{State: "answered", Final: true},
		},
		Moves: []lifecycle.Move[state, event]{
			{On: "answer", From: []state{"open"}, To: "answered", Needs: []string{"read"}},
		},
	}
	read := func(hours int, _ lifecycle.Moment, why []lifecycle.Reason) []lifecycle.Reason {
		if hours == 0 {
			why = append(why, lifecycle.Reason{Code: "not-read"})
		}
		return why
	}
	m, err := lifecycle.Compile(t, map[string]lifecycle.Guard[int]{"read": read}, lifecycle.CompileOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, why := m.Fire("open", "answer", 0, lifecycle.Moment{}, nil)
	fmt.Println(why)
	step, _ := m.Fire("open", "answer", 1, lifecycle.Moment{}, nil)
	fmt.Println(step.From, "to", step.To)
	fmt.Print(strings.SplitAfter(t.Mermaid(), "\n")[2])
	// Output:
	// [{read not-read}]
	// open to answered
	//     open --> answered: answer [read]
}
