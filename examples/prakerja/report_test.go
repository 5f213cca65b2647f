package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/wording"
)

var update = flag.Bool("update", false, "write the golden files")

// sampleReport is a run of a size that people read.
func sampleReport(t testing.TB) report {
	t.Helper()
	g := places(t)
	plan, err := buildPlan(48_000, g)
	require.NoError(t, err)
	r := report{
		Title: text{"Kartu Prakerja, gelombang 4", "Kartu Prakerja, wave 4"},
		Input: text{"100.000 orang buatan dari benih 4", "100,000 made people from seed 4"},
		Made:  true, Store: "SQLite", Seats: 48_000,
		Funnel: []countRow{
			{text{"terdaftar", "registered"}, 97_013}, {text{"bergabung", "joined"}, 77_604}, {text{"memenuhi syarat", "eligible"}, 65_911},
			{text{"terpilih", "selected"}, 47_984}, {text{"membeli pelatihan", "bought a training"}, 44_102}, {text{"bersertifikat", "certified"}, 43_668},
			{text{"memberi ulasan", "reviewed"}, 42_777}, {text{"menerima insentif", "received the incentive"}, 41_532}},
		Ends: []countRow{{text{"bukti belum lengkap", "pending, left out"}, 3_903}, {text{"tidak memenuhi syarat", "ineligible"}, 7_790}, {text{"tidak terpilih", "not drawn"}, 17_927},
			{text{"dicabut", "revoked"}, 3_882}, {text{"tidak selesai", "unfinished"}, 1_325}, {text{"selesai", "done"}, 42_777}},
		Verified: true,
		Refused:  []refusedRow{{"National", "registered-before", 1_187}, {"nik", "sixteen-digits", 803}, {"kk", "sixteen-digits", 398}, {"nik", "birth-date", 301}, {"nik", "province-code", 298}},
		Reasons: []reasonRow{
			{"adult", "ineligible", text{"Usia di bawah 18 tahun", "Under 18 years of age"}, "Permenko 11/2020 Pasal 2(4)b", 1_571},
			{"not-a-student", "ineligible", text{"Masih bersekolah", "In formal education"}, "Permenko 11/2020 Pasal 2(4)c", 1_938},
			{"not-a-student", "pending", text{"Status sekolah belum diketahui", "Education status not known"}, "Permenko 11/2020 Pasal 2(4)c", 1_009},
			{"not-an-official", "ineligible", text{"Pejabat atau pegawai negeri", "An official"}, "Permenko 11/2020 Pasal 2(5)", 925},
			{"never-revoked", "ineligible", text{"Pernah dicabut", "Was revoked before"}, "dicabut / revoked (kebijakan) / policy", 4_655},
			{"category", "pending", text{"Kategori belum ditanyakan", "Category not asked"}, "Permenko 11/2020 Pasal 2(2)-(3)", 1_544}},
		Proof: proofOf{Folder: "out/draw", Plan: strings.Repeat("0a", 32), Roll: strings.Repeat("1b", 32), Manifest: strings.Repeat("2c", 32), Seed: strings.Repeat("3d", 32),
			Commands: []string{"go run ./examples/verifydraw out/draw", "python3 examples/verifydraw/verify_draw.py out/draw"}},
		Stages: []stageTime{{"register", 100_000, 4200 * time.Millisecond}, {"join", 77_604, 2100 * time.Millisecond}, {"draw", 65_911, 300 * time.Millisecond}},
		Total:  21_700 * time.Millisecond,
	}
	at := map[string]int{}
	for i, p := range g.Provinces {
		at[p.Code] = i
		r.Provinces = append(r.Provinces, provinceRow{Code: p.Code, Name: p.Name})
	}
	for i, p := range plan.Pools {
		if len(p.Spill) == 0 {
			continue
		}
		row := &r.Provinces[at[p.Spill[0]]]
		row.Seats += p.Seats
		row.Affected += p.Reserves[0].Seats
		row.Reserve += p.Reserves[0].Seats * 9 / 10
		row.Open += p.Seats - p.Reserves[0].Seats - int64(i%3)
		row.SpilledIn += int64(i % 4)
		row.Returned += p.Seats / 12
	}
	for i := range 4 {
		n := int64(42_777 - 90*i)
		r.Payments = append(r.Payments, paymentRow{text{"insentif", "incentive"}, i + 1, n, n * 600_000, (n - 921) * 600_000, n - 921, 811, 110})
	}
	for i := range 3 {
		n := int64(39_001 - 1300*i)
		r.Payments = append(r.Payments, paymentRow{text{"survei", "survey"}, i + 1, n, n * 50_000, (n - 12) * 50_000, n - 12, 12, 0})
	}
	return r
}

func TestSummaryIsReadable(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, writeSummary(&out, sampleReport(t)))
	golden := filepath.Join("testdata", "summary.txt")
	if *update {
		require.NoError(t, os.WriteFile(golden, out.Bytes(), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), out.String())
	require.LessOrEqual(t, strings.Count(out.String(), "\n"), 76)
}

func TestSummaryAndReportOfNothing(t *testing.T) {
	var summary, page bytes.Buffer
	require.NoError(t, writeSummary(&summary, report{Unchanged: true}))
	require.Contains(t, summary.String(), "nothing changed")
	require.NoError(t, writeReport(&page, report{Unchanged: true}))
	require.Contains(t, page.String(), "nothing changed")
	require.NotContains(t, page.String(), "<svg")
}

func TestReportAsksNoHost(t *testing.T) {
	page := htmlOf(t, sampleReport(t))
	require.Contains(t, page, `content="default-src 'none'; style-src 'unsafe-inline'`)
	require.NotRegexp(t, regexp.MustCompile(`(?i)(src|href|srcset|action)\s*=`), page)
	require.NotRegexp(t, regexp.MustCompile(`(?i)<script|<link|<iframe|<img|@import|url\(|https?:`), page)
	require.Equal(t, 4, strings.Count(page, "<svg "), "four charts")
	require.NotContains(t, page, "rgb(", "every colour follows the reader's scheme")
}

func TestReportShowsEveryNumber(t *testing.T) {
	r := sampleReport(t)
	page := htmlOf(t, r)
	has := func(s string) { t.Helper(); require.Contains(t, page, ">"+s+"<") }
	for _, f := range r.Funnel {
		has(thousands(f.Count))
	}
	for _, f := range r.Ends {
		has(thousands(f.Count))
	}
	for _, f := range r.Refused {
		has(thousands(f.Count))
	}
	for _, f := range r.Reasons {
		has(thousands(f.Count))
		require.Contains(t, page, f.Basis)
		require.Contains(t, page, f.Text.ID)
		require.Contains(t, page, f.Text.EN)
	}
	for _, p := range r.Provinces {
		require.Contains(t, page, p.Name)
		for _, n := range []int64{p.Seats, p.Affected, p.Reserve, p.Open, p.SpilledIn, p.Returned} {
			has(thousands(n))
		}
	}
	for _, p := range r.Payments {
		has(wording.Rupiah(p.Amount))
		has(wording.Rupiah(p.Paid))
		for _, n := range []int64{p.Count, p.Settled, p.Returned, p.Rejected} {
			has(thousands(n))
		}
	}
	for _, s := range r.Stages {
		has(thousands(s.Items))
		has(thousands(int64(s.Rate())))
	}
	for _, digest := range []string{r.Proof.Plan, r.Proof.Roll, r.Proof.Manifest, r.Proof.Seed} {
		has(digest)
	}
	has(thousands(48_000))
	require.Contains(t, page, "nobody is real")
	require.Contains(t, page, "an illustration")
}

// Text in the data stays text: nothing in it becomes a part of the page.
func TestReportEscapes(t *testing.T) {
	r := sampleReport(t)
	evil := `<script>"&'`
	r.Title.ID, r.Reasons[0].Code, r.Reasons[0].Basis, r.Funnel[0].Label.ID = evil, evil, evil, evil
	r.Provinces[0].Name, r.Payments[0].Benefit.ID = evil, evil
	require.NotContains(t, htmlOf(t, r), "<script")
}

func TestNumbersAreWrittenAsInIndonesian(t *testing.T) {
	require.Equal(t, "1.234.567", thousands(1_234_567))
	require.Equal(t, "0", thousands(0))
	require.Equal(t, "74,2%", share(742, 1000))
	require.Empty(t, share(1, 0))
}

func htmlOf(t testing.TB, r report) string {
	t.Helper()
	var page bytes.Buffer
	require.NoError(t, writeReport(&page, r))
	if to := os.Getenv("REPORT_TO"); to != "" {
		require.NoError(t, os.WriteFile(to, page.Bytes(), 0o644))
	}
	return page.String()
}
