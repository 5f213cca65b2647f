package lifecycle_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/program/wording"
)

// tableFile is a table in testdata with the faults it has: the rule that a busted_*
// file breaks stands in its name, its faults are read by people.
type tableFile struct {
	About    string              `json:"about"`
	Guards   []string            `json:"guards"`
	Effects  []string            `json:"effects"`
	Holdings []lifecycle.Holding `json:"holdings"`
	Texts    wording.Texts       `json:"texts,omitempty"`
	Table    table               `json:"table"`
	Faults   []string            `json:"faults"`
}

func (f tableFile) compile(t testing.TB) error {
	guards := map[string]lifecycle.Guard[int]{}
	for _, name := range f.Guards {
		guards[name] = agrees
	}
	options := lifecycle.CompileOptions{Effects: f.Effects, Holdings: f.Holdings}
	if f.Texts != nil {
		texts, err := wording.Compile(f.Texts)
		require.NoError(t, err)
		options.Texts = texts
	}
	_, err := lifecycle.Compile(f.Table, guards, options)
	return err
}

func agrees(_ int, _ lifecycle.Moment, why []lifecycle.Reason) []lifecycle.Reason { return why }

func readTables(t testing.TB, pattern string) map[string]tableFile {
	paths, err := filepath.Glob(filepath.Join("testdata", pattern))
	require.NoError(t, err)
	files := map[string]tableFile{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		var f tableFile
		require.NoError(t, json.Unmarshal(data, &f), path)
		files[strings.TrimSuffix(filepath.Base(path), ".json")] = f
	}
	return files
}

func TestWorkingTablesCompile(t *testing.T) {
	files := readTables(t, "working_*.json")
	require.NotEmpty(t, files)
	for name, f := range files {
		require.NoError(t, f.compile(t), name)
	}
}

// Every rule has a busted table, and each table's faults are all there and no more.
func TestEveryFaultIsFound(t *testing.T) {
	missing := map[string]bool{}
	for _, rule := range tableRules {
		missing[string(rule)] = true
	}
	for name, f := range readTables(t, "busted_*.json") {
		var faults lifecycle.Faults
		require.ErrorAs(t, f.compile(t), &faults, name)
		rule, _, _ := strings.Cut(strings.TrimPrefix(name, "busted_"), "_")
		delete(missing, rule)
		var got []string
		found := false
		for _, fault := range faults {
			got = append(got, fault.String())
			found = found || string(fault.Rule) == rule
		}
		require.True(t, found, "%s: %s", name, got)
		if *update {
			f.Faults = got
			data, err := json.MarshalIndent(f, "", " ")
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join("testdata", name+".json"), append(data, '\n'), 0o644))
		}
		require.Equal(t, f.Faults, got, name)
	}
	require.Empty(t, missing, "rules without a busted table")
}

var tableRules = []lifecycle.FaultRule{
	lifecycle.FaultName, lifecycle.FaultDuplicate, lifecycle.FaultUnnamed, lifecycle.FaultUnreachable, lifecycle.FaultDeadEnd,
	lifecycle.FaultAfterFinal, lifecycle.FaultAmbiguous, lifecycle.FaultShadowed, lifecycle.FaultGuard, lifecycle.FaultEffect, lifecycle.FaultHolding,
	lifecycle.FaultDeadline, lifecycle.FaultClock, lifecycle.FaultClockByHands, lifecycle.FaultClockCycle, lifecycle.FaultKeeps,
	lifecycle.FaultCheck, lifecycle.FaultApproval, lifecycle.FaultWording,
}

// One fault hides no other, whichever rule it breaks: names, guards, terms, paths.
func TestFaultsAreReportedAllAtOnce(t *testing.T) {
	b := permit()
	b.Version = 0
	b.Sets["spare"] = []state{"review"}
	b.States = append(b.States, lifecycle.State[state, event]{State: "island", Final: true}, lifecycle.State[state, event]{State: "pit"})
	b.Moves = append(b.Moves, lifecycle.Move[state, event]{On: "fall", From: []state{"filed"}, To: "pit"})
	b.Moves[1].Needs = []string{"nobody"}
	b.Moves[9].Do = nil // silence grants without a signature
	b.States[3].Keeps = false
	b.States[1].Within.Term.Days = 3
	b.States[0].Check.Pending = ""
	_, err := lifecycle.Compile(b, permitGuards(), lifecycle.CompileOptions{})
	var faults lifecycle.Faults
	require.ErrorAs(t, err, &faults)
	rules := map[lifecycle.FaultRule]int{}
	for _, fault := range faults {
		rules[fault.Rule]++
	}
	require.Equal(t, map[lifecycle.FaultRule]int{
		lifecycle.FaultName: 2, lifecycle.FaultUnreachable: 1, lifecycle.FaultDeadEnd: 1, lifecycle.FaultGuard: 1, lifecycle.FaultApproval: 1,
		lifecycle.FaultKeeps: 1, lifecycle.FaultDeadline: 1, lifecycle.FaultCheck: 2,
	}, rules, "%v", faults)

	// A state that is unknown hides the faults of paths, and only these.
	b.Moves[12].To = "nowhere"
	_, err = lifecycle.Compile(b, permitGuards(), lifecycle.CompileOptions{})
	require.ErrorAs(t, err, &faults)
	found := map[lifecycle.FaultRule]int{}
	for _, fault := range faults {
		found[fault.Rule]++
	}
	for rule, n := range rules {
		switch rule {
		case lifecycle.FaultUnreachable, lifecycle.FaultDeadEnd, lifecycle.FaultApproval:
			require.Zero(t, found[rule], rule)
		case lifecycle.FaultName:
			require.Equal(t, n+1, found[rule])
		case lifecycle.FaultCheck: // whether guards leave a way open is one of paths
			require.Equal(t, n-1, found[rule])
		default:
			require.Equal(t, n, found[rule], rule)
		}
	}
}

// Two moves with one fault each are two faults.
func TestAFaultSaysWhichMove(t *testing.T) {
	b := permit()
	b.Moves[1].Needs, b.Moves[2].Needs = []string{"nobody"}, []string{"nobody"}
	b.Moves[2].On, b.Moves[2].To = b.Moves[1].On, b.Moves[1].To
	b.Moves[1].From, b.Moves[2].From = []state{"filed"}, []state{"review", "suspended", "appealed"}
	b.States[0].Check, b.Sets = nil, nil
	_, err := lifecycle.Compile(b, permitGuards(), lifecycle.CompileOptions{})
	require.EqualError(t, err, `lifecycle: move 2 on "reject" from "filed" to "rejected": unknown-guard: guard "nobody" is not given; `+
		`move 3 on "reject" from "review", "suspended", "appealed" to "rejected": unknown-guard: guard "nobody" is not given`)
}

// A reminder three times, then the end: the loop is the clock's, but its guard ends
// it, and the last move needs none.
func TestALoopThatAGuardEndsCompiles(t *testing.T) {
	within := &lifecycle.Deadline[event]{Fires: "late", Term: calendar.Term{Days: 7}}
	b := table{Name: "reminder", Version: 1, Start: "waiting",
		States: []lifecycle.State[state, event]{{State: "waiting", Within: within}, {State: "closed", Final: true}},
		Moves: []lifecycle.Move[state, event]{
			{On: "late", From: []state{"waiting"}, To: "waiting", Needs: []string{"reminded-less-than-three-times"}, Order: 1},
			{On: "late", From: []state{"waiting"}, To: "closed", Order: 2},
		}}
	guards := map[string]lifecycle.Guard[int]{"reminded-less-than-three-times": func(_ int, at lifecycle.Moment, why []lifecycle.Reason) []lifecycle.Reason {
		if at.Entry > 3 {
			why = append(why, lifecycle.Reason{Code: "reminded"})
		}
		return why
	}}
	m, err := lifecycle.Compile(b, guards, lifecycle.CompileOptions{})
	require.NoError(t, err)
	s := begin(t, m, noon)
	for s.state == "waiting" {
		require.Empty(t, s.tick(s.running.Due, 0))
		require.Less(t, len(s.history), 9)
	}
	require.Len(t, s.history, 5, "begun, three reminders, the end")
	b.Moves[0].Needs = nil
	_, err = lifecycle.Compile(b, guards, lifecycle.CompileOptions{})
	require.ErrorContains(t, err, "clock-cycle", "control: without the guard it goes on for ever")
}

func TestTextsOfEveryLanguageAreThere(t *testing.T) {
	b := table{Name: "ticket", Version: 1, Start: "open", EventTexts: "ticket.event.",
		States: []lifecycle.State[state, event]{{State: "open", Wording: "ticket.is-open"}, {State: "answered", Final: true}},
		Moves:  []lifecycle.Move[state, event]{{On: "answer", From: []state{"open"}, To: "answered"}}}
	texts := wording.Texts{
		"id": {"ticket.is-open": "Terbuka.", "state.answered": "Dijawab.", "ticket.event.answer": "Jawaban dikirim."},
		"en": {"ticket.is-open": "Open.", "state.answered": "Answered.", "ticket.event.answer": "An answer was sent."},
	}
	compile := func() error {
		catalogue, err := wording.Compile(texts)
		if err != nil {
			return err
		}
		_, err = lifecycle.Compile(b, map[string]lifecycle.Guard[int]{}, lifecycle.CompileOptions{Texts: catalogue})
		return err
	}
	require.NoError(t, compile(), "a state's own key and the events' own beginning")

	delete(texts["en"], "ticket.is-open")
	var missing *wording.Fault
	require.ErrorAs(t, compile(), &missing, "one language lacks one text")
	require.Equal(t, wording.Fault{Lang: "en", Key: "ticket.is-open", Rule: "missing", Detail: "another language has this key"}, *missing)

	delete(texts["id"], "ticket.is-open")
	delete(texts["id"], "ticket.event.answer")
	delete(texts["en"], "ticket.event.answer")
	var faults lifecycle.Faults
	require.ErrorAs(t, compile(), &faults)
	require.Equal(t, `lifecycle: event "answer": wording: no text "ticket.event.answer" in en; event "answer": wording: no text "ticket.event.answer" in id; `+
		`state "open": wording: no text "ticket.is-open" in en; state "open": wording: no text "ticket.is-open" in id`, faults.Error())

	texts = wording.Texts{}
	require.ErrorAs(t, compile(), &faults)
	require.Len(t, faults, 1, "a catalogue without a language has no text of anything")
}

func TestATableIsPureData(t *testing.T) {
	for _, original := range []table{permit(), teacher()} {
		data, err := json.Marshal(original)
		require.NoError(t, err)
		var back table
		require.NoError(t, json.Unmarshal(data, &back))
		require.Equal(t, original, back)
	}
}

func TestTheEmptyTableIsRefused(t *testing.T) {
	_, err := lifecycle.Compile(table{}, map[string]lifecycle.Guard[int]{}, lifecycle.CompileOptions{})
	var faults lifecycle.Faults
	require.ErrorAs(t, err, &faults, "the empty table is a fault, never a panic")
	require.Len(t, faults, 2)
}
