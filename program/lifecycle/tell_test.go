package lifecycle_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/program/wording"
)

func permitTexts(t testing.TB) *wording.Catalogue {
	data, err := os.ReadFile(filepath.Join("testdata", "permit_texts.json"))
	require.NoError(t, err)
	agency, err := wording.ParseTexts(data)
	require.NoError(t, err)
	own, err := lifecycle.DefaultTexts()
	require.NoError(t, err)
	texts, err := wording.Compile(own, agency)
	require.NoError(t, err)
	return texts
}

// timelines tells a history to the citizen and to the officer, in both languages.
func timelines(t testing.TB, b table, texts *wording.Catalogue, history []lifecycle.Record[state, event]) string {
	teller, err := lifecycle.NewTeller(b, texts, "Asia/Jakarta")
	require.NoError(t, err)
	var out strings.Builder
	for _, reader := range []lifecycle.Party{lifecycle.Applicant, lifecycle.Officer} {
		for _, lang := range []string{"id", "en"} {
			out.WriteString("== " + string(reader) + ", " + lang + "\n")
			lines, err := teller.Timeline(lang, reader, history)
			require.NoError(t, err)
			for _, line := range lines {
				out.WriteString(line.When + "\n  " + line.Text + "\n")
				if line.Due != "" {
					out.WriteString("  " + line.Due + "\n")
				}
			}
		}
	}
	return out.String()
}

func TestWhatIsPossibleIsToldInWords(t *testing.T) {
	m := permitMachine(t)
	teller, err := lifecycle.NewTeller(permit(), permitTexts(t), "Asia/Jakarta")
	require.NoError(t, err)
	options := m.Options("review", permitFile{visits: 1}, lifecycle.Moment{At: noon}, nil)
	said := func(lang string, on event) lifecycle.Answer[event] {
		answers, err := teller.Explain(lang, options)
		require.NoError(t, err)
		for _, a := range answers {
			if a.Event == on {
				return a
			}
		}
		t.Fatal("not among the answers")
		return lifecycle.Answer[event]{}
	}
	require.Equal(t, lifecycle.Answer[event]{Event: "reject", Possible: true, Title: "Permohonan tidak dapat diproses.", Text: "Dapat dilakukan sekarang."}, said("id", "reject"))
	require.Equal(t, "Not possible yet: The inspection has not reached 8 hours. An application is rejected only if it clearly cannot be met.", said("en-GB", "decide").Text,
		"a reason's own text, or that of its guard")
	require.Equal(t, "Belum dapat dilakukan: Tidak ada batas waktu yang berjalan.", said("id", "ask").Text)
	require.Equal(t, "Belum dapat dilakukan: Tidak ada batas waktu yang berjalan.", said("fr", "ask").Text, "Indonesian for readers of another language")
}

// A machine's own reasons have texts in every language that the package has.
func TestEveryCodeHasItsText(t *testing.T) {
	own, err := lifecycle.DefaultTexts()
	require.NoError(t, err)
	for _, code := range []string{lifecycle.CodeNoMove, lifecycle.CodeUnknown, lifecycle.CodeClockOnly, lifecycle.CodeNotDue, lifecycle.CodeStale,
		lifecycle.CodeSuspended, lifecycle.CodeNoDeadline, lifecycle.CodePassed, lifecycle.CodeOutOfTime, lifecycle.CodeHolidays} {
		require.NotEmpty(t, own["id"]["reason."+code], code)
		require.NotEmpty(t, own["en"]["reason."+code], code)
	}
	for _, party := range []lifecycle.Party{lifecycle.Applicant, lifecycle.Officer, lifecycle.Partner, lifecycle.Engine} {
		require.NotEmpty(t, own["id"]["party."+string(party)])
	}
}

// A late report and a migration are told as what they are.
func TestLateAndMigratedStepsAreTold(t *testing.T) {
	teller, err := lifecycle.NewTeller(permit(), permitTexts(t), "Asia/Jakarta")
	require.NoError(t, err)
	lines, err := teller.Timeline("en", lifecycle.Officer, []lifecycle.Record[state, event]{
		{Entry: 1, At: wib(9, 1, 9), Version: 1, To: "filed"},
		{Entry: 2, At: wib(9, 2, 9), Noted: wib(9, 4, 9), Version: 1, Event: "appeal", From: "filed", To: "appealed"},
		{Entry: 3, At: wib(9, 5, 9), Version: 2, From: "appealed", To: "review"},
	})
	require.NoError(t, err)
	require.Equal(t, []lifecycle.Line{
		{When: "1 September 2021, 09:00 WIB", Text: "Begun: filed. Version 1 of the table."},
		{When: "2 September 2021, 09:00 WIB", Text: "appeal: filed → appealed. Recorded 4 September 2021, 09:00 WIB. Version 1 of the table."},
		{When: "5 September 2021, 09:00 WIB", Text: "Moved to version 2 of the table: appealed → review."},
	}, lines)
}

func TestATellerNeedsAllTexts(t *testing.T) {
	var faults lifecycle.Faults
	_, err := lifecycle.NewTeller(permit(), nil, "Asia/Jakarta")
	require.ErrorAs(t, err, &faults)
	own, err := lifecycle.DefaultTexts()
	require.NoError(t, err)
	require.Len(t, faults, len(own["en"]))
	_, err = lifecycle.NewTeller(permit(), permitTexts(t), "Local")
	require.Error(t, err)
	// Control: without the agency's texts a timeline is an error, not a gap.
	bare, err := wording.Compile(own)
	require.NoError(t, err)
	teller, err := lifecycle.NewTeller(permit(), bare, "Asia/Jakarta")
	require.NoError(t, err)
	var missing *wording.TextError
	_, err = teller.Timeline("id", lifecycle.Applicant, []lifecycle.Record[state, event]{{To: "filed"}})
	require.ErrorAs(t, err, &missing)
}
