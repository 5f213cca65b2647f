package lifecycle_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/lifecycle"
)

// The benchmarks move a case through ten moves of a lifecycle with twelve
// states. Each move has one guard and one effect. The state is loaded from
// outside for every move, as a service loads a row, and what was decided is
// added to a sum, so that nothing can be optimised away.

const (
	benchJoined     state = "joined"
	benchInRoll     state = "in_roll"
	benchPending    state = "pending_evidence"
	benchSelected   state = "selected"
	benchAccepted   state = "accepted"
	benchTraining   state = "in_training"
	benchCertified  state = "certified"
	benchReviewed   state = "reviewed"
	benchPaid       state = "paid"
	benchSurveyed   state = "surveyed"
	benchDone       state = "done"
	benchIneligible state = "ineligible"
)

const (
	benchMissing event = "missing"
	benchPassed  event = "passed"
	benchDrawn   event = "drawn"
	benchAccept  event = "accept"
	benchBuy     event = "buy"
	benchCertify event = "certify"
	benchReview  event = "review"
	benchPay     event = "pay"
	benchSurvey  event = "survey"
	benchFinish  event = "finish"
	benchFail    event = "fail"
)

// benchCase is what the guard looks at.
type benchCase struct{ score, needed int }

type benchMove struct {
	from state
	on   event
	to   state
}

var benchMoves = []benchMove{
	{benchJoined, benchMissing, benchPending},
	{benchPending, benchPassed, benchInRoll},
	{benchInRoll, benchDrawn, benchSelected},
	{benchSelected, benchAccept, benchAccepted},
	{benchAccepted, benchBuy, benchTraining},
	{benchTraining, benchCertify, benchCertified},
	{benchCertified, benchReview, benchReviewed},
	{benchReviewed, benchPay, benchPaid},
	{benchPaid, benchSurvey, benchSurveyed},
	{benchSurveyed, benchFinish, benchDone},
}

func benchMachine(tb testing.TB) *lifecycle.Machine[state, event, *benchCase] {
	t := table{Name: "bench", Version: 1, Start: benchJoined}
	for _, v := range benchMoves {
		t.States = append(t.States, lifecycle.State[state, event]{State: v.from})
		t.Moves = append(t.Moves, lifecycle.Move[state, event]{
			On: v.on, From: []state{v.from}, To: v.to, Needs: []string{"enough"}, Do: []lifecycle.Effect{{Name: "notify", Arg: string(v.to)}},
		})
	}
	t.States = append(t.States, lifecycle.State[state, event]{State: benchDone, Final: true},
		lifecycle.State[state, event]{State: benchIneligible, Final: true})
	t.Moves = append(t.Moves, lifecycle.Move[state, event]{On: benchFail, From: []state{benchPending}, To: benchIneligible})
	m, err := lifecycle.Compile(t, map[string]lifecycle.Guard[*benchCase]{"enough": benchEnough}, lifecycle.CompileOptions{})
	require.NoError(tb, err)
	return m
}

func benchEnough(c *benchCase, _ lifecycle.Moment, why []lifecycle.Reason) []lifecycle.Reason {
	if c.score < c.needed {
		why = append(why, lifecycle.Reason{Code: "too-few-points"})
	}
	return why
}

func BenchmarkFireByName(b *testing.B) {
	m, c := benchMachine(b), &benchCase{score: 9, needed: 7}
	at := lifecycle.Moment{At: noon}
	why := make([]lifecycle.Reason, 0, 8)
	sum := 0
	b.ReportAllocs()
	for b.Loop() {
		for i := range benchMoves {
			step, _ := m.Fire(benchMoves[i].from, benchMoves[i].on, c, at, why[:0])
			sum += len(step.To) + len(step.Do[0].Arg)
		}
	}
	benchSum(b, sum)
}

func BenchmarkFire(b *testing.B) {
	m, c := benchMachine(b), &benchCase{score: 9, needed: 7}
	at := lifecycle.Moment{At: noon}
	why := make([]lifecycle.Reason, 0, 8)
	rows := make([][2]int, len(benchMoves))
	for i, v := range benchMoves {
		rows[i] = [2]int{m.StateAt(v.from), m.EventAt(v.on)}
	}
	sum := 0
	b.ReportAllocs()
	for b.Loop() {
		for i := range rows {
			step, _ := m.FireAt(rows[i][0], rows[i][1], c, at, why[:0])
			sum += len(step.To) + len(step.Do[0].Arg)
		}
	}
	benchSum(b, sum)
}

// BenchmarkFireWithDeadline: a case with a deadline that runs, which every decision
// has to look at; one guarded move of it, resolved.
func BenchmarkFireWithDeadline(b *testing.B) {
	m := permitMachine(b)
	running := lifecycle.Running{Entry: 2, Due: noon.AddDate(0, 0, 14)}
	at := lifecycle.Moment{At: noon, Entry: 2, Running: &running}
	why := make([]lifecycle.Reason, 0, 8)
	s, e := m.StateAt("review"), m.EventAt("decide")
	file := permitFile{visits: 1, hours: 8}
	b.ReportAllocs()
	for b.Loop() {
		if step, _ := m.FireAt(s, e, file, at, why[:0]); step.To != "granted" {
			b.Fatal("refused")
		}
	}
}

// BenchmarkSwitch is the yardstick: the same ten moves as a service without a
// library writes them.
func BenchmarkSwitch(b *testing.B) {
	c := &benchCase{score: 9, needed: 7}
	why := make([]lifecycle.Reason, 0, 8)
	sum := 0
	b.ReportAllocs()
	for b.Loop() {
		for i := range benchMoves {
			to, do, _ := benchSwitch(benchMoves[i].from, benchMoves[i].on, c, noon, why[:0])
			sum += len(to) + len(do.Arg)
		}
	}
	benchSum(b, sum)
}

//go:noinline
func benchSwitch(from state, on event, c *benchCase, at time.Time, why []lifecycle.Reason) (state, lifecycle.Effect, []lifecycle.Reason) {
	var to state
	switch from {
	case benchJoined:
		if on == benchMissing {
			to = benchPending
		}
	case benchPending:
		switch on {
		case benchPassed:
			to = benchInRoll
		case benchFail:
			return benchIneligible, lifecycle.Effect{}, why
		}
	case benchInRoll:
		if on == benchDrawn {
			to = benchSelected
		}
	case benchSelected:
		if on == benchAccept {
			to = benchAccepted
		}
	case benchAccepted:
		if on == benchBuy {
			to = benchTraining
		}
	case benchTraining:
		if on == benchCertify {
			to = benchCertified
		}
	case benchCertified:
		if on == benchReview {
			to = benchReviewed
		}
	case benchReviewed:
		if on == benchPay {
			to = benchPaid
		}
	case benchPaid:
		if on == benchSurvey {
			to = benchSurveyed
		}
	case benchSurveyed:
		if on == benchFinish {
			to = benchDone
		}
	}
	if to == "" {
		return "", lifecycle.Effect{}, append(why, lifecycle.Reason{Code: lifecycle.CodeNoMove})
	}
	if c.score < c.needed {
		return "", lifecycle.Effect{}, append(why, lifecycle.Reason{Code: "too-few-points"})
	}
	return to, lifecycle.Effect{Name: "notify", Arg: string(to)}, why
}

func benchSum(b *testing.B, sum int) {
	if sum == 0 {
		b.Fatal("nothing was decided")
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(benchMoves)), "ns/move")
}

// BenchmarkDenied: every reason, as codes.
func BenchmarkDenied(b *testing.B) {
	m := permitMachine(b)
	at := lifecycle.Moment{At: noon}
	why := make([]lifecycle.Reason, 0, 8)
	b.ReportAllocs()
	for b.Loop() {
		_, why = m.Fire("review", "decide", permitFile{}, at, why[:0])
	}
	if len(why) != 3 {
		b.Fatal(why)
	}
}

// BenchmarkAvailable: what is possible now, of five events.
func BenchmarkAvailable(b *testing.B) {
	m := permitMachine(b)
	running := lifecycle.Running{Entry: 2, Due: noon.AddDate(0, 0, 14)}
	at := lifecycle.Moment{At: noon, Entry: 2, Running: &running}
	var options []lifecycle.Option[event]
	b.ReportAllocs()
	for b.Loop() {
		options = m.Options("review", permitFile{}, at, options)
	}
	if len(options) != 5 {
		b.Fatal(options)
	}
}

// BenchmarkExplain: the same five events of the same case, in Indonesian sentences.
func BenchmarkExplain(b *testing.B) {
	m := permitMachine(b)
	teller, err := lifecycle.NewTeller(permit(), permitTexts(b), "Asia/Jakarta")
	require.NoError(b, err)
	running := lifecycle.Running{Entry: 2, Due: noon.AddDate(0, 0, 14)}
	at := lifecycle.Moment{At: noon, Entry: 2, Running: &running}
	var options []lifecycle.Option[event]
	b.ReportAllocs()
	for b.Loop() {
		options = m.Options("review", permitFile{}, at, options)
		if _, err := teller.Explain("id", options); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDue: a move whose new state has a deadline in business days.
func BenchmarkDue(b *testing.B) {
	m := permitMachine(b)
	at := lifecycle.Moment{At: noon}
	b.ReportAllocs()
	for b.Loop() {
		if step, _ := m.Fire("filed", "complete", permitFile{}, at, nil); step.Running(at).Due.IsZero() {
			b.Fatal("no deadline")
		}
	}
}

// BenchmarkCompile: a table of forty states, half with deadlines, and 134 moves.
func BenchmarkCompile(b *testing.B) {
	t := table{Name: "forty", Version: 1, Start: "state-0"}
	name := func(i int) state { return state(fmt.Sprint("state-", i)) }
	for i := range 40 {
		s := lifecycle.State[state, event]{State: name(i), Final: i == 39, Next: lifecycle.Officer}
		if i%2 == 0 {
			s.Within = &lifecycle.Deadline[event]{Fires: "overdue", Term: calendar.Term{BusinessDays: 14, Zone: "Asia/Jakarta"}}
			t.Moves = append(t.Moves, lifecycle.Move[state, event]{On: "overdue", From: []state{name(i)}, To: name(39)})
		}
		t.States = append(t.States, s)
		for j := 1; j <= 3 && i+j < 40; j++ {
			t.Moves = append(t.Moves, lifecycle.Move[state, event]{On: event(fmt.Sprint("event-", j)), From: []state{name(i)}, To: name(i + j),
				Needs: []string{"enough"}, Do: []lifecycle.Effect{{Name: "notify"}}})
		}
	}
	guards := map[string]lifecycle.Guard[*benchCase]{"enough": benchEnough}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := lifecycle.Compile(t, guards, lifecycle.CompileOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
