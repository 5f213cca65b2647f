package program_test

import (
	"bytes"
	"math/rand/v2"
	"testing"
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
	t  *testing.T
	e  *program.Engine[details]
	id uuid.UUID
	at *time.Time
}

func openFile(t *testing.T) *file {
	t.Helper()
	now := day(1)
	keys, err := program.NewLocalKeyring(bytes.Repeat([]byte{7}, 32), rand.NewChaCha8([32]byte{2}))
	require.NoError(t, err)
	e, err := program.NewEngine(office(), memstore.New(), keys,
		program.Surroundings{Clock: func() time.Time { return now }, Random: rand.NewChaCha8([32]byte{1})}, nil)
	require.NoError(t, err)
	ctx, by := t.Context(), program.By{Actor: "counter"}
	require.NoError(t, e.PlanWave(ctx, by, program.WaveOrder{Number: 1, Opens: now, Legal: calendar.Of(2020, time.August, 1)}))
	require.NoError(t, e.OpenWave(ctx, by, 1))
	id, err := e.Register(ctx, by, madePerson(0))
	require.NoError(t, err)
	_, err = e.Join(ctx, by, 1, id)
	require.NoError(t, err)
	return &file{t, e, id, &now}
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
