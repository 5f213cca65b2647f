package lifecycle_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
	require.Empty(t, fire(due, 3, &lifecycle.Running{Entry: 3, Due: due}))
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

func TestDrawings(t *testing.T) {
	for name, got := range map[string]string{
		"permit.mmd": permit().Mermaid(), "permit.dot": permit().DOT(), "permit.md": permit().Markdown(),
		"teacher.mmd": teacher().Mermaid(), "teacher.dot": teacher().DOT(), "teacher.md": teacher().Markdown(),
	} {
		golden(t, name, got)
	}
}

func TestDecidingAllocatesNothing(t *testing.T) {
	m := permitMachine(t)
	why := make([]lifecycle.Reason, 0, 8)
	running := lifecycle.Running{Due: noon.AddDate(0, 0, 14)}
	at := lifecycle.Moment{At: noon, Running: &running}
	for _, on := range []event{"reject", "decide", "ask", "silent"} {
		require.Zero(t, testing.AllocsPerRun(100, func() {
			_, why = m.Fire("review", on, permitFile{}, at, why[:0])
		}), on)
	}
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
