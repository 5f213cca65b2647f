package lifecycle_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/lifecycle"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t testing.TB, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got, name)
}

var noon = time.Date(2020, time.August, 8, 5, 0, 0, 0, time.UTC) // 12:00 WIB

func TestAMoveIsDecidedWithAllThatFollows(t *testing.T) {
	m := permitMachine(t)
	at := lifecycle.Moment{At: noon, Actor: "screening", Entry: 1}
	step, why := m.Fire("filed", "complete", permitFile{}, at, nil)
	require.Empty(t, why)
	due := time.Date(2020, time.August, 27, 17, 0, 0, 0, time.UTC) // fourteen business days
	require.Equal(t, row{From: "filed", To: "review", Event: "complete", Version: 2, Takes: []lifecycle.Holding{"slot"}}, *step.Row)
	require.Equal(t, lifecycle.Running{Entry: 2, Due: due}, step.Running(at))
	require.Equal(t, lifecycle.Record[state, event]{Entry: 2, At: noon, Actor: "screening", Version: 2, Event: "complete", From: "filed", To: "review",
		Takes: []lifecycle.Holding{"slot"}, Due: due}, step.Record(at))

	step, why = m.Fire("review", "decide", permitFile{visits: 1, hours: 8}, at, nil)
	require.Empty(t, why)
	require.Equal(t, []string{"inspected", "long-enough"}, step.Needs)
	require.Equal(t, []lifecycle.Effect{{Name: "sign", Arg: "seal"}}, step.Do)
	step, why = m.Fire("review", "reject", permitFile{}, at, nil)
	require.Empty(t, why)
	require.Equal(t, []lifecycle.Holding{"slot"}, step.Releases)
	step, why = m.Fire("appealed", "uphold", permitFile{}, at, nil)
	require.Empty(t, why)
	require.Zero(t, step.Running(at))
	require.Zero(t, lifecycle.Step[state, event]{}.Record(at), "a step that was never decided leaves no record")
}

func TestARefusalGivesEveryReason(t *testing.T) {
	m, kept := permitMachine(t), []lifecycle.Reason{{Code: "earlier"}}
	step, why := m.Fire("review", "decide", permitFile{}, lifecycle.Moment{At: noon}, kept)
	require.Zero(t, *step.Row)
	require.Equal(t, []lifecycle.Reason{{Code: "earlier"}, {Guard: "inspected", Code: "not-inspected"},
		{Guard: "long-enough", Code: "too-short"}, {Guard: "hopeless", Code: "not-hopeless"}}, why)
	step, why = m.Fire("review", "decide", permitFile{visits: 1, hours: 8}, lifecycle.Moment{At: noon}, kept)
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
		"no state":      {"", "appeal", lifecycle.CodeUnknown},
		"no deadline":   {"review", "ask", lifecycle.CodeNoDeadline},
		"the clock's":   {"review", "silent", lifecycle.CodeClockOnly},
	} {
		_, why := m.Fire(refused.s, refused.e, permitFile{}, lifecycle.Moment{At: noon}, nil)
		require.Equal(t, []lifecycle.Reason{{Code: refused.code}}, why, name)
	}
	for _, at := range [][2]int{{-1, 0}, {0, -1}, {99, 0}, {0, 99}, {m.StateAt("lost"), m.EventAt("hope")}} {
		_, why := m.FireAt(at[0], at[1], permitFile{}, lifecycle.Moment{At: noon}, nil)
		require.Equal(t, []lifecycle.Reason{{Code: lifecycle.CodeUnknown}}, why, at)
	}
	_, why = m.Fire("filed", "complete", permitFile{}, lifecycle.Moment{At: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}, nil)
	require.Equal(t, []lifecycle.Reason{{Code: lifecycle.CodeOutOfTime}}, why, "no case is left without its deadline")
}

func TestADeadlineIsTheClocksAndOfOneEntry(t *testing.T) {
	m := permitMachine(t)
	due := noon.AddDate(0, 0, 14)
	fire := func(at time.Time, entry int64, fired *lifecycle.Running) string {
		_, why := m.Fire("review", "silent", permitFile{}, lifecycle.Moment{At: at, Entry: entry, Fired: fired}, nil)
		if len(why) == 0 {
			return ""
		}
		return why[0].Code
	}
	require.Equal(t, lifecycle.CodeClockOnly, fire(due, 3, nil))
	require.Equal(t, lifecycle.CodeStale, fire(due, 3, &lifecycle.Running{Entry: 1, Due: due}))
	require.Equal(t, lifecycle.CodeNotDue, fire(due.Add(-1), 3, &lifecycle.Running{Entry: 3, Due: due}))
	require.Equal(t, lifecycle.CodeSuspended, fire(due, 3, &lifecycle.Running{Entry: 3, Due: due, Since: noon}))
	require.Equal(t, lifecycle.CodeNoDeadline, fire(due, 3, &lifecycle.Running{Entry: 3}), "no deadline is no deadline that has passed")
	require.Empty(t, fire(due, 3, &lifecycle.Running{Entry: 3, Due: due}))
	for code, running := range map[string]lifecycle.Running{
		lifecycle.CodeStale:     {Entry: 3, Due: due.AddDate(0, 0, 1)}, // it was extended since
		lifecycle.CodeSuspended: {Entry: 3, Due: due, Since: noon},
	} {
		_, why := m.Fire("review", "silent", permitFile{}, lifecycle.Moment{At: due, Entry: 3, Running: &running, Fired: &lifecycle.Running{Entry: 3, Due: due}}, nil)
		require.Equal(t, []lifecycle.Reason{{Code: code}}, why)
	}
	_, why := m.Fire("review", "ask", permitFile{}, lifecycle.Moment{At: noon, Entry: 3, Running: &lifecycle.Running{Entry: 2, Due: due}}, nil)
	require.Equal(t, []lifecycle.Reason{{Code: lifecycle.CodeStale}}, why, "an old deadline cannot be suspended either")
}

func TestOptionsSayWhatIsPossibleAndWhyNot(t *testing.T) {
	m := permitMachine(t)
	running := lifecycle.Running{Entry: 2, Due: noon.AddDate(0, 0, 14)}
	at := lifecycle.Moment{At: noon, Entry: 2, Running: &running}
	options := m.Options("review", permitFile{visits: 1, hours: 2}, at, nil)
	want := []lifecycle.Option[event]{
		{Event: "reject"}, {Event: "withdraw"}, {Event: "ask"}, {Event: "extend"},
		{Event: "decide", Reasons: []lifecycle.Reason{{Guard: "long-enough", Code: "too-short"}, {Guard: "hopeless", Code: "not-hopeless"}}},
	}
	require.Len(t, options, len(want))
	for i := range want {
		require.Equal(t, want[i].Event, options[i].Event)
		require.ElementsMatch(t, want[i].Reasons, options[i].Reasons)
	}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		options = m.Options("review", permitFile{visits: 1, hours: 2}, at, options)
	}))
	require.Empty(t, m.Options("lost", permitFile{}, at, nil))
}

// ticketOf is a table of two states, whose only move needs the given guards.
func ticketOf(t testing.TB, guards map[string]lifecycle.Guard[int], needs ...string) *lifecycle.Machine[state, event, int] {
	b := table{Name: "ticket", Version: 1, Start: "open",
		States: []lifecycle.State[state, event]{{State: "open"}, {State: "answered", Final: true}},
		Moves:  []lifecycle.Move[state, event]{{On: "answer", From: []state{"open"}, To: "answered", Needs: needs}}}
	m, err := lifecycle.Compile(b, guards, lifecycle.CompileOptions{})
	require.NoError(t, err)
	return m
}

// Whatever a guard returns, it cannot take another guard's refusal away.
func TestAGuardErasesNoReason(t *testing.T) {
	guards := map[string]lifecycle.Guard[int]{
		"refuses": func(_ int, _ lifecycle.Moment, why []lifecycle.Reason) []lifecycle.Reason {
			return append(why, lifecycle.Reason{Code: "no"})
		},
		"forgets": func(int, lifecycle.Moment, []lifecycle.Reason) []lifecycle.Reason { return nil },
		"own": func(int, lifecycle.Moment, []lifecycle.Reason) []lifecycle.Reason {
			return []lifecycle.Reason{{Code: "mine"}}
		},
		"agrees": agrees,
	}
	no, mine := lifecycle.Reason{Guard: "refuses", Code: "no"}, lifecycle.Reason{Guard: "own", Code: "mine"}
	earlier := lifecycle.Reason{Code: "earlier"}
	for _, c := range []struct {
		needs []string
		want  []lifecycle.Reason
	}{
		{[]string{"refuses", "forgets"}, []lifecycle.Reason{no}},
		{[]string{"forgets", "refuses"}, []lifecycle.Reason{no}},
		{[]string{"own"}, []lifecycle.Reason{mine}},
		{[]string{"refuses", "own", "forgets", "agrees"}, []lifecycle.Reason{no, mine}},
		{[]string{"forgets", "agrees"}, nil}, // control: no guard has a reason
	} {
		m := ticketOf(t, guards, c.needs...)
		for _, given := range [][]lifecycle.Reason{nil, {earlier}, append(make([]lifecycle.Reason, 0, 9), earlier)} {
			for _, running := range []*lifecycle.Running{nil, {}} { // the short way and the long one
				at := lifecycle.Moment{At: noon, Running: running}
				step, why := m.Fire("open", "answer", 0, at, given)
				require.Equal(t, append(slices.Clone(given), c.want...), why, c.needs)
				require.Equal(t, c.want == nil, step.To == "answered", c.needs)
				again, whyAgain := m.FireAt(m.StateAt("open"), m.EventAt("answer"), 0, at, given)
				require.Equal(t, []any{step.To, why}, []any{again.To, whyAgain})
			}
		}
	}
}

// A machine has its own table: what becomes of the caller's is nothing to it.
func TestAMachineKeepsItsOwnTable(t *testing.T) {
	b := permit()
	m, err := lifecycle.Compile(b, permitGuards(), lifecycle.CompileOptions{})
	require.NoError(t, err)
	spoil := func(b table) {
		b.Moves[7].Needs[0], b.Moves[7].Do[0].Name, b.Moves[0].To = "hopeless", "burn", "closed"
		b.States[1].Within.Term.BusinessDays, b.States[1].Holds[0], b.States[0].Check.Eligible = 1, "nothing", "reject"
		b.Sets["pending"][0], b.Moves[6].Extend.BusinessDays = "closed", 99
	}
	spoil(b)
	spoil(m.Table())
	require.Equal(t, permit(), m.Table())
	step, why := m.Fire("review", "decide", permitFile{visits: 1, hours: 8}, lifecycle.Moment{At: noon}, nil)
	require.Empty(t, why)
	require.Equal(t, []string{"inspected", "long-enough"}, step.Needs)
	require.Equal(t, []lifecycle.Effect{{Name: "sign", Arg: "seal"}}, step.Do)
	require.Equal(t, []lifecycle.Holding{"slot"}, m.Table().States[1].Holds)
}

// A deadline that cannot be set refuses the event: the next alternative, which is for
// other cases, is not taken instead.
func TestADeadlineThatCannotBeSetTakesNoOtherWay(t *testing.T) {
	b := permit()
	b.Moves = append(b.Moves,
		lifecycle.Move[state, event]{On: "settle", From: []state{"filed"}, To: "review", Needs: []string{"inspected"}, Order: 1},
		lifecycle.Move[state, event]{On: "settle", From: []state{"filed"}, To: "rejected", Order: 2})
	m, err := lifecycle.Compile(b, permitGuards(), lifecycle.CompileOptions{Holidays: calendar.NewHolidays(calendar.Of(2021, time.May, 13))})
	require.NoError(t, err)
	_, why := m.Fire("filed", "settle", permitFile{visits: 1}, lifecycle.Moment{At: time.Date(2021, time.December, 20, 5, 0, 0, 0, time.UTC)}, nil)
	require.Equal(t, []lifecycle.Reason{{Code: lifecycle.CodeHolidays}}, why)
	step, why := m.Fire("filed", "settle", permitFile{visits: 1}, lifecycle.Moment{At: time.Date(2021, time.June, 1, 5, 0, 0, 0, time.UTC)}, nil)
	require.Empty(t, why, "control: the holidays of June are known")
	require.Equal(t, state("review"), step.To)
	step, why = m.Fire("filed", "settle", permitFile{}, lifecycle.Moment{At: noon}, nil)
	require.Empty(t, why, "control: whom the guard refuses goes the other way")
	require.Equal(t, state("rejected"), step.To)
}

// Two machines' clocks differ by a second: the case is not refused for it.
func TestASuspensionThatEndsBeforeItBeganIsNone(t *testing.T) {
	m := permitMachine(t)
	running := lifecycle.Running{Entry: 2, Due: noon.AddDate(0, 0, 14), Since: noon}
	at := lifecycle.Moment{At: noon.Add(-time.Second), Entry: 2, Running: &running}
	step, why := m.Fire("suspended", "answer", permitFile{}, at, nil)
	require.Empty(t, why)
	require.Equal(t, running.Due, step.Running(at).Due)
}

func TestDrawings(t *testing.T) {
	for name, got := range map[string]string{
		"permit.mmd": permit().Mermaid(), "permit.dot": permit().DOT(), "permit.md": permit().Markdown(),
		"teacher.mmd": teacher().Mermaid(), "teacher.dot": teacher().DOT(), "teacher.md": teacher().Markdown(),
	} {
		golden(t, name, got)
	}
}

// Names that mean something to a drawing language, or would end a label or a cell.
func TestHostileNamesAreDrawn(t *testing.T) {
	b := table{Name: "hostile", Version: 1, Start: "note",
		States: []lifecycle.State[state, event]{{State: "note"}, {State: "s1"}, {State: "a|b\n\"c\""}, {State: "class", Final: true}},
		Moves: []lifecycle.Move[state, event]{
			{On: "go: on; #now", From: []state{"note"}, To: "s1"},
			{On: "x\n[*] --> s9", From: []state{"s1"}, To: "a|b\n\"c\"", Do: []lifecycle.Effect{{Name: "tell", Arg: "a|b"}}},
			{On: "end", From: []state{"a|b\n\"c\""}, To: "class"},
		}}
	_, err := lifecycle.Compile(b, map[string]lifecycle.Guard[int]{}, lifecycle.CompileOptions{})
	require.NoError(t, err)
	golden(t, "hostile.mmd", b.Mermaid())
	golden(t, "hostile.md", b.Markdown())
	golden(t, "hostile.dot", b.DOT())
	for _, line := range strings.Split(strings.TrimSpace(b.Markdown()), "\n") {
		if line != "" {
			require.Contains(t, []int{7}, strings.Count(strings.ReplaceAll(line, "\\|", ""), "|"), line)
		}
	}
}

// Nothing is allocated: by name and resolved, on the short way and on the long one,
// refused or not, and where a deadline begins, stands still, goes on or fires.
func TestDecidingAllocatesNothing(t *testing.T) {
	m := permitMachine(t)
	why := make([]lifecycle.Reason, 0, 8)
	due := noon.AddDate(0, 0, 14)
	free := lifecycle.Moment{At: noon}
	within := lifecycle.Moment{At: noon, Running: &lifecycle.Running{Due: due}}
	stands := lifecycle.Moment{At: noon, Running: &lifecycle.Running{Due: due, Since: noon.AddDate(0, 0, -1)}}
	passed := lifecycle.Moment{At: due, Running: &lifecycle.Running{Due: due}, Fired: &lifecycle.Running{Due: due}}
	good := permitFile{visits: 1, hours: 8}
	for name, c := range map[string]struct {
		from  state
		on    event
		file  permitFile
		at    lifecycle.Moment
		moves bool
	}{
		"plain":                 {"appealed", "uphold", good, free, true},
		"plain, with a guard":   {"review", "decide", good, free, true},
		"a deadline begins":     {"filed", "complete", good, free, true},
		"with a deadline":       {"review", "decide", good, within, true},
		"it stands still":       {"review", "ask", good, within, true},
		"it goes on":            {"suspended", "answer", good, stands, true},
		"it is extended":        {"review", "extend", good, within, true},
		"the clock":             {"review", "silent", good, passed, true},
		"refused by guards":     {"review", "decide", permitFile{}, free, false},
		"refused by the clock":  {"review", "silent", good, within, false},
		"refused, it is passed": {"review", "ask", good, lifecycle.Moment{At: due, Running: &lifecycle.Running{Due: due}}, false},
	} {
		step, refused := m.Fire(c.from, c.on, c.file, c.at, nil)
		require.Equal(t, c.moves, len(refused) == 0, "%s: %v", name, refused)
		require.Equal(t, c.moves, step.To != "", name)
		require.Zero(t, testing.AllocsPerRun(100, func() {
			_, why = m.Fire(c.from, c.on, c.file, c.at, why[:0])
		}), name)
		s, e := m.StateAt(c.from), m.EventAt(c.on)
		require.Zero(t, testing.AllocsPerRun(100, func() {
			step, why = m.FireAt(s, e, c.file, c.at, why[:0])
			_ = step.Running(c.at)
		}), name)
	}
	require.NotZero(t, testing.AllocsPerRun(100, func() {
		_, _ = m.Fire("review", "decide", permitFile{}, free, nil)
	}), "control: without a buffer the reasons are allocated")
}

// The race detector looks on.
func TestOneMachineServesAllGoroutines(t *testing.T) {
	m := permitMachine(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			s := begin(t, m, noon)
			for range 50 {
				_ = s.fire(noon, fmt.Sprint("officer-", i), "complete", permitFile{})
				_ = s.fire(noon, fmt.Sprint("officer-", i), "extend", permitFile{visits: 1})
			}
		})
	}
	all.Wait()
}

// Names that differ little, that share their ends, and that are many.
func TestNamesAreFound(t *testing.T) {
	b := table{Name: "many", Version: 1, Start: "aaaa"}
	var list []state
	for i := range 120 {
		list = append(list, state(fmt.Sprintf("a%s%daa", strings.Repeat("b", i%7), i)))
	}
	list = append(list, "aaaa", "a-same-end", "b-same-end", "axbya", "aybxa") // the last two cannot be told apart by three bytes
	for i, s := range list {
		b.States = append(b.States, lifecycle.State[state, event]{State: s, Final: s != "aaaa"})
		if s != "aaaa" {
			b.Moves = append(b.Moves, lifecycle.Move[state, event]{On: event(fmt.Sprint("e", i)), From: []state{"aaaa"}, To: s})
		}
	}
	m, err := lifecycle.Compile(b, map[string]lifecycle.Guard[int]{}, lifecycle.CompileOptions{})
	require.NoError(t, err)
	for i, s := range list {
		require.Equal(t, i, m.StateAt(s))
		require.Equal(t, -1, m.StateAt(s+"x"))
	}
	require.Equal(t, -1, m.StateAt(""))
	require.Equal(t, -1, m.StateAt("a-same-enD"))
}
