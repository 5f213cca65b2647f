package program_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/program/memstore"
	"github.com/gelombang/gelombang/program/wording"
)

// office is a program whose office must decide within ten days, unless papers are
// missing or the term was extended. It has no draw.
func office() *program.Program[details] {
	facts := program.NewFacts[details]()
	in := func(s ...program.State) []program.State { return s }
	return &program.Program[details]{
		ID: "office", Facts: facts, Zone: "Asia/Jakarta",
		Policy: eligibility.Policy{Name: "office", Rules: []eligibility.Rule{{
			Code: "adult", Require: facts.BirthDate.AgeAtLeast(18), At: []string{"screen"}, Basis: eligibility.WithoutArticle("adults"),
		}}},
		Texts: officeTexts(),
		Lifecycle: program.Table{
			Name: "office", Version: 1, Start: "filed",
			States: program.States{
				{State: "filed", Next: lifecycle.Officer, Within: &program.Deadline{Fires: "silent", Term: calendar.Term{Days: 10, Zone: "Asia/Jakarta"}}},
				{State: "waiting", Next: lifecycle.Applicant},
				{State: "granted", Final: true},
				{State: "refused", Final: true},
			},
			Sets: program.Sets{"open": {"filed", "waiting"}},
			Moves: program.Moves{
				{On: "ask", From: in("filed"), To: "waiting", Clock: lifecycle.Suspend},
				{On: "answer", From: in("waiting"), To: "filed", Clock: lifecycle.Continue},
				{On: "extend", From: in("filed"), To: "filed", Clock: lifecycle.Continue, Extend: &calendar.Term{Days: 5, Zone: "Asia/Jakarta"}},
				{On: "refuse", From: in("open"), To: "refused"},
				{On: "silent", From: in("filed"), To: "granted"},
			},
		},
	}
}

func officeTexts() wording.Texts {
	return wording.Texts{"id": {
		"state.filed": "Permohonan diperiksa sampai {due}.", "state.waiting": "Kami menunggu dokumen Anda.",
		"state.granted": "Permohonan dikabulkan.", "state.refused": "Permohonan ditolak.",
		"event.ask": "Dokumen diminta.", "event.answer": "Dokumen diterima.", "event.extend": "Batas waktu diperpanjang.",
		"event.refuse": "Diputuskan.", "event.silent": "Batas waktu lewat.",
		"rule.adult": "Pemohon dewasa. Dasar: {basis}.", "fact.birth-date": "tanggal lahir",
	}, "en": {
		"state.filed": "The application is checked until {due}.", "state.waiting": "We wait for your papers.",
		"state.granted": "The application is granted.", "state.refused": "The application is refused.",
		"event.ask": "Papers were asked for.", "event.answer": "The papers arrived.", "event.extend": "The term was extended.",
		"event.refuse": "It was decided.", "event.silent": "The term has passed.",
		"rule.adult": "The applicant is an adult. Basis: {basis}.", "fact.birth-date": "date of birth",
	}}
}

// file is one case in the office, on a clock that the test moves.
type file struct {
	t     testing.TB
	e     *program.Engine[details]
	store program.Store
	id    uuid.UUID
	at    *time.Time
}

func openFile(t testing.TB) *file { return openFileOf(t, office()) }

func openFileOf(t testing.TB, p *program.Program[details]) *file {
	t.Helper()
	now := day(1)
	f := openFileAt(t, p, func() time.Time { return now })
	f.at = &now
	return f
}

func openFileAt(t testing.TB, p *program.Program[details], clock func() time.Time) *file {
	t.Helper()
	keys, err := program.NewLocalKeyring(bytes.Repeat([]byte{7}, 32), rand.NewChaCha8([32]byte{2}))
	require.NoError(t, err)
	store := memstore.New()
	e, err := program.NewEngine(p, store, keys, program.Surroundings{Clock: clock, Random: rand.NewChaCha8([32]byte{1})}, nil)
	require.NoError(t, err)
	ctx, by := t.Context(), program.By{Actor: "counter"}
	require.NoError(t, e.PlanWave(ctx, by, program.WaveOrder{Number: 1, Opens: clock(), Legal: calendar.Of(2020, time.August, 1)}))
	require.NoError(t, e.OpenWave(ctx, by, 1))
	id, err := e.Register(ctx, by, madePerson(0))
	require.NoError(t, err)
	_, err = e.Join(ctx, by, 1, id)
	require.NoError(t, err)
	return &file{t: t, e: e, store: store, id: id}
}

func (f *file) fire(on time.Time, report program.Report) error {
	*f.at = on
	return f.e.Fire(f.t.Context(), program.By{Actor: "officer"}, 1, f.id, report)
}

func (f *file) tick(on time.Time) program.State {
	*f.at = on
	_, err := f.e.Tick(f.t.Context(), program.By{Actor: "clock"}, "tick "+on.String(), 1)
	require.NoError(f.t, err)
	return f.application().State
}

func (f *file) application() program.Application {
	a, err := f.e.Application(f.t.Context(), 1, f.id)
	require.NoError(f.t, err)
	return a
}

// end is the end of a day of August 2020 in Jakarta.
func end(d int) time.Time { return time.Date(2020, time.August, d, 17, 0, 0, 0, time.UTC) }

func TestADeadlineStandsStillAndGoesOn(t *testing.T) {
	f := openFile(t)
	require.Equal(t, end(11), f.application().Due)
	require.NoError(t, f.fire(day(4), program.Report{Event: "ask"}))
	require.Equal(t, day(4), f.application().Paused)
	_, running, err := f.e.NextDue(t.Context())
	require.NoError(t, err)
	require.False(t, running, "what stands still is not for the clock")
	require.Equal(t, program.State("waiting"), f.tick(day(20)))

	require.NoError(t, f.fire(day(20), program.Report{Event: "answer"}))
	require.Equal(t, end(27), f.application().Due, "seven days were left")
	require.Zero(t, f.application().Paused)
	require.NoError(t, f.fire(day(21), program.Report{Event: "extend"}))
	require.Equal(t, end(31).AddDate(0, 0, 1), f.application().Due)
	require.Equal(t, program.State("filed"), f.tick(day(31)))
	require.Equal(t, program.State("granted"), f.tick(end(31).AddDate(0, 0, 1)))
}

// What becomes of a case does not depend on how soon the clock comes by.
func TestAfterItsDeadlineACaseAnswersToTheClockAlone(t *testing.T) {
	f := openFile(t)
	var refused *program.RefusedError
	require.ErrorAs(t, f.fire(day(12), program.Report{Event: "refuse"}), &refused)
	require.Equal(t, lifecycle.CodePassed, refused.Reasons[0].Code)
	require.ErrorAs(t, f.fire(day(12), program.Report{Event: "refuse", At: end(11)}), &refused, "nor a moment late")
	require.ErrorAs(t, f.fire(day(12), program.Report{Event: "refuse", At: day(1).Add(-1)}), &refused, "nor before there was a case")
	require.Equal(t, program.State("granted"), f.tick(day(12)))

	f = openFile(t)
	require.NoError(t, f.fire(day(12), program.Report{Event: "refuse", At: end(11).Add(-1)}), "control: it was in time, and reported late")
	require.Equal(t, program.State("refused"), f.tick(day(12)))
}

func TestATimelineIsToldInWords(t *testing.T) {
	f := openFile(t)
	require.NoError(t, f.fire(day(4), program.Report{Event: "ask"}))
	lines, err := f.e.Timeline(t.Context(), 1, f.id, "id-ID", lifecycle.Applicant)
	require.NoError(t, err)
	require.Equal(t, []lifecycle.Line{
		{When: "1 Agustus 2020 pukul 10.00 WIB", Text: "Permohonan diperiksa sampai 11 Agustus 2020 pukul 23.59 WIB. Langkah berikutnya: petugas.",
			Due: "Batas waktu: 11 Agustus 2020 pukul 23.59 WIB."},
		{When: "4 Agustus 2020 pukul 10.00 WIB", Text: "Dokumen diminta. Kami menunggu dokumen Anda.",
			Due: "Batas waktu dihentikan sementara sejak 4 Agustus 2020 pukul 10.00 WIB."},
	}, lines)
	lines, err = f.e.Timeline(t.Context(), 1, f.id, "en", lifecycle.Officer)
	require.NoError(t, err)
	require.Equal(t, "ask: filed → waiting. Version 1 of the table.", lines[1].Text)

	_, err = f.e.Timeline(t.Context(), 1, uuid.New(), "en", lifecycle.Officer)
	require.ErrorIs(t, err, program.ErrNotFound)
	s := newStory(memstore.New())
	_, err = s.engine(t).Timeline(t.Context(), 1, f.id, "en", lifecycle.Officer)
	require.ErrorIs(t, err, program.ErrNoTexts)
}

// A late report leaves both instants: when it happened decides, when it was recorded
// is told. Retraced and replayed the history is the one that was decided.
func TestALateReportLeavesBothInstants(t *testing.T) {
	f := openFile(t)
	happened, noted := end(11).Add(-time.Hour), day(14)
	require.NoError(t, f.fire(noted, program.Report{Event: "extend", At: happened}))
	a := f.application()
	require.Equal(t, end(16), a.Due)
	require.Equal(t, program.TrailStep{Event: "extend", To: "filed", At: noted, AsOf: happened, Edition: 1}, a.Trail[1])
	require.Equal(t, happened, a.Entered)
	require.NoError(t, f.fire(day(15), program.Report{Event: "ask"}))

	history, err := f.e.History(t.Context(), 1, f.id)
	require.NoError(t, err)
	require.Equal(t, []time.Time{happened, noted, end(16)}, []time.Time{history[1].At, history[1].Noted, history[1].Due})
	require.Zero(t, history[0].Noted)
	require.Equal(t, end(11), history[0].Due)
	replayed := f.e.Lifecycle().Replay(history, func(lifecycle.Record[program.State, program.Event]) *program.Case[details] { return nil })
	require.Empty(t, replayed, "on its own table no history differs")
	history[1].At = noted
	replayed = f.e.Lifecycle().Replay(history, func(lifecycle.Record[program.State, program.Event]) *program.Case[details] { return nil })
	require.NotEmpty(t, replayed, "control: by when it was recorded it came too late")

	entries, err := f.store.Journal(t.Context(), 0, 100)
	require.NoError(t, err)
	late := entries[len(entries)-2]
	require.Equal(t, noted, late.At)
	require.Contains(t, string(late.Data), `"as_of":"`+happened.Format(time.RFC3339)+`"`)
	require.NotContains(t, string(entries[len(entries)-1].Data), "as_of")
	lines, err := f.e.Timeline(t.Context(), 1, f.id, "en", lifecycle.Officer)
	require.NoError(t, err)
	require.Equal(t, "extend: filed → filed. Recorded 14 August 2020, 10:00 WIB. Version 1 of the table.", lines[1].Text)
	breaches, err := f.e.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, breaches)
}

// A deadline that follows another counts from when the clock came by, so that a
// late clock takes no days from anybody.
func TestALateClockTakesNoDays(t *testing.T) {
	p := office()
	p.Lifecycle.States[2].Final, p.Lifecycle.States[2].Within = false, &program.Deadline{Fires: "expire", Term: calendar.Term{Days: 5, Zone: "Asia/Jakarta"}}
	p.Lifecycle.States = append(p.Lifecycle.States, program.States{{State: "expired", Final: true}}...)
	p.Lifecycle.Moves = append(p.Lifecycle.Moves, program.Moves{{On: "expire", From: []program.State{"granted"}, To: "expired"}}...)
	p.Texts = nil
	f := openFileOf(t, p)
	require.Equal(t, program.State("granted"), f.tick(day(20)), "nine days late")
	require.Equal(t, end(25), f.application().Due)
}

// Options agrees with Fire, event by event, in every state and before and after the
// deadline.
func TestOptionsAreWhatFireDoes(t *testing.T) {
	tried := map[bool]int{}
	for _, way := range [][]program.Event{{}, {"ask"}, {"ask", "answer"}, {"refuse"}} {
		for _, last := range []int{9, 28} {
			for i := 0; ; i++ {
				f := openFile(t)
				for j, on := range way {
					require.NoError(t, f.fire(day(2+j), program.Report{Event: on}))
				}
				*f.at = day(last)
				options, err := f.e.Options(t.Context(), 1, f.id, "en", program.Report{})
				require.NoError(t, err)
				if i == len(options) {
					break
				}
				o := options[i]
				require.NotEmpty(t, o.Title)
				require.NotEmpty(t, o.Text)
				err = f.fire(day(last), program.Report{Event: o.Event})
				tried[o.Possible]++
				require.Equal(t, o.Possible, err == nil, "%s after %v", o.Event, way)
				var refused *program.RefusedError
				if err != nil {
					require.ErrorAs(t, err, &refused)
					require.Equal(t, o.Reasons, refused.Reasons)
				}
			}
		}
	}
	require.Positive(t, tried[true])
	require.Positive(t, tried[false])

	f := openFile(t)
	*f.at = day(12)
	options, err := f.e.Options(t.Context(), 1, f.id, "id", program.Report{})
	require.NoError(t, err)
	require.Equal(t, program.Option{Event: "ask", Reasons: []program.Reason{{Code: lifecycle.CodePassed}}, Title: "Dokumen diminta.",
		Text: "Belum dapat dilakukan: Batas waktunya sudah lewat."}, options[0])
	options, err = f.e.Options(t.Context(), 1, f.id, "id", program.Report{At: end(11).Add(-1)})
	require.NoError(t, err)
	require.True(t, options[0].Possible, "a late report of what was in time")
	_, err = f.e.Options(t.Context(), 1, uuid.New(), "id", program.Report{})
	require.ErrorIs(t, err, program.ErrNotFound)
}

// What only a check or a draw may do is told so, in both languages.
func TestOptionsOfChecksAndDraws(t *testing.T) {
	s := newStory(memstore.New())
	s.until = 5
	require.NoError(t, s.run(t))
	p := testProgram()
	texts, err := program.DefaultTexts()
	require.NoError(t, err)
	p.Texts = wording.Texts{}
	for lang := range texts {
		p.Texts[lang] = map[string]string{}
		for _, state := range p.Lifecycle.States {
			p.Texts[lang]["state."+string(state.State)] = "."
		}
		for _, move := range p.Lifecycle.Moves {
			p.Texts[lang]["event."+string(move.On)] = "."
		}
		for _, rule := range p.Policy.Rules {
			p.Texts[lang]["rule."+rule.Code] = ". {basis}"
		}
		for _, fact := range []string{"birth-date", "official", "household-awards"} {
			p.Texts[lang]["fact."+fact] = "."
		}
	}
	e, err := s.engineOf(t, p)
	require.NoError(t, err)
	reasons := map[program.Event]string{}
	for state, lang := range map[program.State]string{"joined": "id", "in_roll": "en"} {
		options, err := e.Options(t.Context(), 1, anyIn(t, e, state), lang, program.Report{})
		require.NoError(t, err)
		for _, o := range options {
			if !o.Possible {
				reasons[o.Event] = o.Reasons[0].Code + ": " + o.Text
			}
		}
	}
	require.Equal(t, map[program.Event]string{
		"passed":            "check-only: Belum dapat dilakukan: Langkah ini hanya diputuskan oleh pemeriksaan syarat.",
		program.Drawn:       "draw-only: Not possible yet: This step happens by the draw only.",
		program.NotSelected: "draw-only: Not possible yet: This step happens by the draw only.",
	}, reasons)
	bare, err := s.engine(t).Options(t.Context(), 1, anyIn(t, e, "joined"), "id", program.Report{})
	require.NoError(t, err)
	require.Len(t, bare, 2)
	require.Empty(t, bare[0].Text, "a program without texts has codes")
}

// NewEngine says which text is missing in which language, with all other faults.
func TestATextThatOneLanguageLacksIsAFault(t *testing.T) {
	d := newDesk(t, memstore.New())
	p := office()
	delete(p.Texts["en"], "state.waiting")
	p.Lifecycle.Moves[0].Needs = []string{"nobody"}
	_, err := d.open(p)
	var text *wording.Fault
	require.ErrorAs(t, err, &text)
	require.Equal(t, []string{"en", "state.waiting", "missing"}, []string{text.Lang, text.Key, text.Rule})
	var faults lifecycle.Faults
	require.ErrorAs(t, err, &faults)
	require.ErrorContains(t, err, `guard "nobody" is not given`)
}

// tenYears lets fifty programs live through ten years, each on a store of its own and
// by the clock of the process: a case is decided late, again and again.
func tenYears(t *testing.T) {
	until := time.Now().AddDate(10, 0, 0)
	passed := make(chan int)
	for i := range 50 {
		go func() { passed <- officeFor(t, i, until) }()
	}
	total := 0
	for range 50 {
		total += <-passed
	}
	require.Greater(t, total, 2000, "deadlines that have passed")
	t.Logf("%d deadlines", total)
}

// officeFor is one program's ten years; it returns how many deadlines passed.
func officeFor(t *testing.T, i int, until time.Time) int {
	p := office()
	p.Texts = nil
	term := calendar.Term{Zone: []string{"Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura"}[i%3], Until: []string{"", "23:59", "12:00"}[i%3]}
	switch i % 3 {
	case 0:
		term.Days = 60 + i
	case 1:
		term.BusinessDays = 40 + i
	case 2:
		term.Months = 2 + i%2
	}
	p.Lifecycle = program.Table{Name: "office", Version: 1, Start: "due",
		States: program.States{{State: "due", Within: &program.Deadline{Fires: "pass", Term: term}}, {State: "late"}, {State: "closed", Final: true}},
		Moves: program.Moves{
			{On: "pass", From: []program.State{"due"}, To: "late"},
			{On: "again", From: []program.State{"late"}, To: "due"},
			{On: "close", From: []program.State{"late"}, To: "closed"},
		}}
	f := openFileAt(t, p, time.Now)
	for n := 0; ; n++ {
		due, running, err := f.e.NextDue(t.Context())
		require.NoError(t, err)
		require.True(t, running)
		if due.After(until) {
			return n
		}
		time.Sleep(time.Until(due) - 1)
		job := fmt.Sprint("early ", n)
		counts, err := f.e.Tick(t.Context(), program.By{Actor: "clock"}, job, 1)
		require.NoError(t, err)
		require.Zero(t, counts["state.late"], "control: not a moment early")
		time.Sleep(time.Nanosecond)
		counts, err = f.e.Tick(t.Context(), program.By{Actor: "clock"}, fmt.Sprint("tick ", n), 1)
		require.NoError(t, err)
		require.Equal(t, int64(1), counts["state.late"])
		require.NoError(t, f.e.Fire(t.Context(), program.By{Actor: "officer"}, 1, f.id, program.Report{Event: "again"}))
	}
}

// Ten years of fifty programs go by at once: the clock is testing/synctest's.
func TestTenYearsOfDeadlines(t *testing.T) { synctest.Test(t, tenYears) }

// BenchmarkTenYearsOfDeadlines measures the same by the clock on the wall, which a
// bubble does not show. It is not for -count: RunTests counts as well.
func BenchmarkTenYearsOfDeadlines(b *testing.B) {
	all := func(string, string) (bool, error) { return true, nil }
	for b.Loop() {
		if !testing.RunTests(all, []testing.InternalTest{{Name: "ten years", F: func(t *testing.T) { synctest.Test(t, tenYears) }}}) {
			b.Fatal("it failed")
		}
	}
}
