package main

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gelombang/gelombang/program/wording"
)

// report is what a run has to tell. It is plain data: whoever fills it decides,
// writeReport and writeSummary only show.
type report struct {
	Title text   // "Kartu Prakerja, gelombang 4"
	Input text   // "100.000 orang buatan dari benih 4"
	Made  bool   // the people are made up
	Store string // "SQLite", "PostgreSQL"
	Seats int64
	// Unchanged: everything had been done by an earlier run.
	Unchanged bool
	// Verified: the database keeps all its invariants.
	Verified bool

	Funnel    []countRow
	Ends      []countRow   // in which state everybody who joined is at the end
	Refused   []refusedRow // registrations refused
	Reasons   []reasonRow
	Provinces []provinceRow
	Payments  []paymentRow
	Proof     proofOf
	Stages    []stageTime
	Total     time.Duration
}

// text is for readers of Indonesian and of English.
type text struct{ ID, EN string }

// countRow is a step of the way from registering to the last payment.
type countRow struct {
	Label text
	Count int64
}

// refusedRow counts who could not be registered.
type refusedRow struct {
	Field, Rule string
	Count       int64
}

// reasonRow counts those of whom a rule said no, or who lack what it needs.
type reasonRow struct {
	Code    string
	Verdict string // "ineligible", "pending"
	Text    text
	Basis   string
	Count   int64
}

// provinceRow is about the seats of one province.
type provinceRow struct {
	Code, Name string
	Seats      int64 // of its regencies
	Affected   int64 // of these, set aside for affected workers
	// Reserve and Open were accepted on seats of that kind, SpilledIn on seats that
	// another place could not fill.
	Reserve, Open, SpilledIn int64
	Returned                 int64 // seats returned later: revoked, lapsed, found ineligible
}

// Taken is the number of those accepted.
func (p provinceRow) Taken() int64 { return p.Reserve + p.Open + p.SpilledIn }

// paymentRow is about one instalment of one benefit.
type paymentRow struct {
	Benefit    text
	Instalment int
	Count      int64
	Amount     int64 // rupiah, all payments together
	Paid       int64 // rupiah, those settled and not returned
	// Settled, Returned and Rejected count payments.
	Settled, Returned, Rejected int64
}

// proofOf is what anyone needs to check the draw.
type proofOf struct {
	Folder                     string // "draw"
	Plan, Roll, Manifest, Seed string // digests, in hexadecimal
	Commands                   []string
}

//go:embed templates
var templates embed.FS

// writeReport writes one HTML file that needs no other: no script, no request to
// any host, which its content security policy also forbids.
func writeReport(w io.Writer, r report) error {
	page, err := template.New("report.html").Funcs(template.FuncMap{
		"n": thousands, "rp": wording.Rupiah, "seconds": seconds,
		"rate":  func(s stageTime) string { return thousands(int64(s.Rate())) },
		"share": share,
	}).ParseFS(templates, "templates/report.html")
	if err != nil {
		return err
	}
	charts, err := drawCharts(r)
	if err != nil {
		return fmt.Errorf("charts of the report: %w", err)
	}
	return page.Execute(w, struct {
		report
		Charts chartSet
		Sum    sums
	}{r, charts, r.sums()})
}

// sums are the totals under the tables.
type sums struct {
	Province provinceRow
	Payment  paymentRow
}

func (r report) sums() sums {
	var s sums
	for _, p := range r.Provinces {
		s.Province.Seats += p.Seats
		s.Province.Affected += p.Affected
		s.Province.Reserve += p.Reserve
		s.Province.Open += p.Open
		s.Province.SpilledIn += p.SpilledIn
		s.Province.Returned += p.Returned
	}
	for _, p := range r.Payments {
		s.Payment.Count += p.Count
		s.Payment.Amount += p.Amount
		s.Payment.Settled += p.Settled
		s.Payment.Returned += p.Returned
		s.Payment.Rejected += p.Rejected
		s.Payment.Paid += p.Paid
	}
	return s
}

// share writes a part of the whole, "74,2%".
func share(part, whole int64) string {
	if whole == 0 {
		return ""
	}
	return strings.Replace(strconv.FormatFloat(100*float64(part)/float64(whole), 'f', 1, 64), ".", ",", 1) + "%"
}

// thousands writes a number with points between thousands, as in Indonesian.
func thousands(n int64) string { return strings.Replace(wording.Rupiah(n), "Rp", "", 1) }

const (
	madeNotice = "Orang-orangnya buatan: tidak ada yang nyata. / The people are made up: nobody is real."
	weightNote = "Bobot wilayah adalah ilustrasi; rumus resminya tidak diumumkan. / The regional weights are an illustration; the official formula is not public."
	mostShown  = 8 // rows of a list in the summary
)

// writeSummary writes the report for a terminal, in about 70 lines.
func writeSummary(w io.Writer, r report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s / %s\n%s / %s. %s, %s\n", r.Title.ID, r.Title.EN, r.Input.ID, r.Input.EN, r.Store, seats(r.Seats))
	if r.Made {
		b.WriteString(madeNotice + "\n")
	}
	b.WriteString(weightNote + "\n")
	if r.Unchanged {
		b.WriteString("Semua sudah selesai sebelumnya; tidak ada yang berubah. / Everything was done before; nothing changed.\n")
	}
	r.summaryOfPeople(&b)
	r.summaryOfSeats(&b)
	r.summaryOfPayments(&b)
	r.summaryOfRun(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func seats(n int64) string { return thousands(n) + " kursi / seats" }

// columned writes rows of cells separated by tabs under a heading, numbers to
// the right.
func columned(b *strings.Builder, heading string, rows []string) {
	if len(rows) == 0 {
		return
	}
	b.WriteString("\n" + heading + "\n")
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range rows {
		fmt.Fprintln(t, row+"\t") // a strings.Builder takes everything
	}
	t.Flush()
}

// left pads the first cell, which is text among numbers.
func left(s string, width int) string {
	if n := len([]rune(s)); n < width {
		return "  " + s + strings.Repeat(" ", width-n)
	}
	return "  " + s
}

func (r report) summaryOfPeople(b *strings.Builder) {
	var rows []string
	for _, f := range r.Funnel {
		of := ""
		if r.Funnel[0].Count > 0 {
			of = share(f.Count, r.Funnel[0].Count)
		}
		rows = append(rows, left(f.Label.ID+" / "+f.Label.EN, 44)+"\t"+thousands(f.Count)+"\t"+of)
	}
	columned(b, "Perjalanan / The way", rows)
	rows = nil
	for _, f := range r.Ends {
		rows = append(rows, left(f.Label.ID+" / "+f.Label.EN, 44)+"\t"+thousands(f.Count))
	}
	columned(b, "Di akhir / At the end", rows)
	rows = nil
	for _, f := range r.Refused {
		rows = append(rows, left(f.Field+": "+f.Rule, 44)+"\t"+thousands(f.Count))
	}
	columned(b, "Pendaftaran ditolak / Registrations refused", capped(rows))
	rows = nil
	for _, f := range r.Reasons {
		rows = append(rows, left(f.Verdict+": "+f.Code, 44)+"\t"+thousands(f.Count))
	}
	columned(b, "Alasan / Reasons (one person may have several)", rows)
}

// capped keeps the summary short.
func capped(rows []string) []string {
	if len(rows) <= mostShown {
		return rows
	}
	more := left(fmt.Sprintf("and %d more in report.html", len(rows)-mostShown), 44) + "\t"
	return append(rows[:mostShown:mostShown], more)
}

func (r report) summaryOfSeats(b *strings.Builder) {
	rows := []string{left("", 28) + "\tkursi/seats\tcadangan/reserve\tumum/open\tlimpahan/spilled\tkembali/returned"}
	line := func(name string, p provinceRow) {
		rows = append(rows, left(name, 28)+"\t"+strings.Join([]string{thousands(p.Seats), thousands(p.Reserve), thousands(p.Open), thousands(p.SpilledIn), thousands(p.Returned)}, "\t"))
	}
	// The provinces with the most seats, and all others together.
	shown := largest(r.Provinces, mostShown)
	others := provinceRow{}
	for i, p := range r.Provinces {
		if shown[i] {
			line(p.Code+" "+p.Name, p)
			continue
		}
		others.Seats += p.Seats
		others.Reserve += p.Reserve
		others.Open += p.Open
		others.SpilledIn += p.SpilledIn
		others.Returned += p.Returned
	}
	if n := len(r.Provinces) - len(shown); n > 0 {
		line(fmt.Sprintf("   %d lainnya / others", n), others)
	}
	if len(r.Provinces) > 0 {
		line("   Indonesia", r.sums().Province)
		columned(b, "Terpilih per provinsi / Selected by province", rows)
	}
}

// largest says which n provinces have the most seats.
func largest(of []provinceRow, n int) map[int]bool {
	chosen := map[int]bool{}
	for len(chosen) < min(n, len(of)) {
		best := -1
		for i, p := range of {
			if !chosen[i] && (best < 0 || p.Seats > of[best].Seats) {
				best = i
			}
		}
		chosen[best] = true
	}
	return chosen
}

func (r report) summaryOfPayments(b *strings.Builder) {
	if len(r.Payments) == 0 {
		return
	}
	rows := []string{left("", 28) + "\tjumlah/count\tnilai/amount\tberhasil/settled\tkembali/returned\tditolak/rejected"}
	line := func(name string, p paymentRow) {
		rows = append(rows, left(name, 28)+"\t"+strings.Join([]string{thousands(p.Count), wording.Rupiah(p.Amount), thousands(p.Settled), thousands(p.Returned), thousands(p.Rejected)}, "\t"))
	}
	for _, p := range r.Payments {
		line(fmt.Sprintf("%s %d", p.Benefit.ID, p.Instalment), p)
	}
	sum := r.sums()
	line("Semua / all", sum.Payment)
	columned(b, "Pembayaran / Payments", rows)
	fmt.Fprintf(b, "  Dibayarkan / paid out: %s\n", wording.Rupiah(sum.Payment.Paid))
}

func (r report) summaryOfRun(b *strings.Builder) {
	if r.Proof.Roll != "" {
		fmt.Fprintf(b, "\nBukti undian / Proof of the draw: %s\n", r.Proof.Folder)
		fmt.Fprintf(b, "  roll %s\n  manifest %s\n", r.Proof.Roll, r.Proof.Manifest)
	}
	if r.Verified {
		b.WriteString("\nDiperiksa: kursi, batas, jurnal dan uang cocok / Verified: seats, limits, journal and money add up\n")
	}
	if r.Total <= 0 {
		return
	}
	fmt.Fprintf(b, "\nSelesai dalam / Finished in %s. Tahap per detik / Stages a second:\n", strings.TrimSpace(seconds(r.Total)))
	var row []string
	for i, s := range r.Stages {
		row = append(row, fmt.Sprintf("%-18s %8s", s.Name, thousands(int64(s.Rate()))))
		if len(row) == 4 || i == len(r.Stages)-1 {
			fmt.Fprintf(b, "  %s\n", strings.Join(row, "   "))
			row = row[:0]
		}
	}
}
