package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/quota"
)

const (
	reportFile  = "report.html"
	rejectsFile = "rejects.csv"
	proofFolder = "draw"
)

// results checks the books, writes the folder of results, the report last, and
// prints the summary. If everything had been done before it only prints.
func (r *run) results(ctx context.Context, s settings, in *input, w io.Writer) error {
	rep, err := r.findings(ctx, s, in)
	if err != nil {
		return err
	}
	if err := r.verify(ctx); err != nil {
		return err
	}
	rep.Verified = true
	rep.Unchanged = !r.fresh && exists(filepath.Join(s.out, reportFile)) && exists(filepath.Join(s.out, rejectsFile)) &&
		exists(filepath.Join(s.out, proofFolder, quota.MovesFile))
	if rep.Unchanged {
		return writeSummary(w, rep)
	}
	if err := sweep(s.out); err != nil {
		return err
	}
	if err := r.writeProof(ctx, s.out); err != nil {
		return fmt.Errorf("the proof of the draw: %w", err)
	}
	if err := r.writeRejects(ctx, filepath.Join(s.out, rejectsFile), in.first); err != nil {
		return fmt.Errorf("%s: %w", rejectsFile, err)
	}
	rep.Stages, rep.Total = r.progress.done, time.Since(r.started)
	if err := writeFile(filepath.Join(s.out, reportFile), func(w io.Writer) error { return writeReport(w, rep) }); err != nil {
		return fmt.Errorf("%s: %w", reportFile, err)
	}
	return writeSummary(w, rep)
}

// verify holds the whole database against its own invariants.
func (r *run) verify(ctx context.Context) error {
	if r.fresh {
		r.progress.stage("verify", -1)
		defer r.progress.finish()
	}
	breaches, err := r.engine.Verify(ctx)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	r.progress.advance(r.counts["join"]["state.joined"])
	if len(breaches) > 0 {
		return fmt.Errorf("the database breaks %d invariants, the first: %s", len(breaches), breaches[0])
	}
	return nil
}

func (r *run) writeProof(ctx context.Context, folder string) error {
	return r.engine.WriteProof(ctx, wave4, func(name string) (io.WriteCloser, error) {
		return createFile(filepath.Join(folder, proofFolder, name))
	})
}

func (r *run) writeRejects(ctx context.Context, path string, first int64) error {
	return writeFile(path, func(w io.Writer) error {
		out, err := newRejects(w, first)
		if err != nil {
			return err
		}
		if err := r.engine.Refusals(ctx, out.add); err != nil {
			return err
		}
		return out.flush()
	})
}

// findings are what there is to tell of a wave that is over.
func (r *run) findings(ctx context.Context, s settings, in *input) (report, error) {
	rep := report{
		Title: text{"Kartu Prakerja, gelombang 4 (demonstrasi)", "Kartu Prakerja, wave 4 (demonstration)"},
		Input: in.about, Made: in.made, Store: storeName(s.db), Seats: s.seats,
		Funnel: r.funnel(), Reasons: r.reasons(), Payments: r.paid(),
	}
	for _, read := range []func(context.Context, *report) error{r.refusals, r.places} {
		if err := read(ctx, &rep); err != nil {
			return rep, err
		}
	}
	var err error
	rep.Proof, err = r.proofOf(ctx, s.out)
	return rep, err
}

func storeName(db string) string {
	if isPostgres(db) {
		return "PostgreSQL"
	}
	return "SQLite"
}

func (r *run) funnel() []countRow {
	count := func(job, key string) int64 { return r.counts[job][key] }
	first, again := r.counts["batch/1/reconcile"], r.counts["batch/2/reconcile"]
	return []countRow{
		{text{"terdaftar", "registered"}, count("register", "registered")},
		{text{"bergabung", "joined"}, count("join", "state.joined")},
		{text{"memenuhi syarat", "eligible"}, count("screen", "state.in_roll")},
		{text{"terpilih", "selected"}, count("announce", "state.selected")},
		{text{"diterima", "accepted"}, count("accept", "state.accepted")},
		{text{"membeli pelatihan", "bought a training"}, count("buy training", "state.in_training")},
		{text{"bersertifikat", "certified"}, count("certify", "state.certified")},
		{text{"memberi ulasan", "reviewed"}, count("review", "state.reviewed")},
		{text{"menerima insentif", "received the incentive"}, first["settled"] - first["returned"] + again["settled"] - again["returned"]},
	}
}

// causes are why a fact is not known.
func causes() []struct {
	cause eligibility.Cause
	text  text
} {
	return []struct {
		cause eligibility.Cause
		text  text
	}{
		{eligibility.NotAsked, text{"belum ditanyakan", "not asked"}},
		{eligibility.SourceDown, text{"sumber tidak menjawab", "source down"}},
		{eligibility.Expired, text{"kedaluwarsa", "expired"}},
		{eligibility.Conflicting, text{"bertentangan", "conflicting"}},
	}
}

// reasons adds up, over all checks, what each rule refused and what each fact
// left open: most frequent first, those refused before those pending.
func (r *run) reasons() []reasonRow {
	var refused, pending []reasonRow
	shown := map[string]bool{}
	for _, rule := range r.definition.Policy.Rules {
		if n := r.over("failed." + rule.Code); n > 0 {
			refused = append(refused, reasonRow{rule.Code, "ineligible", r.ruleText(rule.Code), basisText(rule.Basis), n})
		}
		for _, fact := range rule.Require.Facts() {
			if row := r.missing(fact, rule); row.Count > 0 && !shown[fact] {
				shown[fact] = true
				pending = append(pending, row)
			}
		}
	}
	most := func(a, b reasonRow) int { return cmp.Compare(b.Count, a.Count) }
	slices.SortStableFunc(refused, most)
	slices.SortStableFunc(pending, most)
	return append(refused, pending...)
}

// missing counts those of whom a fact is not known, by cause. One that two
// rules ask for is shown with the first of them.
func (r *run) missing(fact string, rule eligibility.Rule) reasonRow {
	row := reasonRow{Code: fact, Verdict: "pending", Basis: basisText(rule.Basis)}
	var why text
	for _, c := range causes() {
		n := r.over("missing." + fact + "." + c.cause.String())
		if n == 0 {
			continue
		}
		row.Count += n
		why.ID += fmt.Sprintf(", %s: %s", c.text.ID, thousands(n))
		why.EN += fmt.Sprintf(", %s: %s", c.text.EN, thousands(n))
	}
	texts := r.definition.Texts
	row.Text = text{"Belum diketahui: " + texts["id"]["fact."+fact] + " (" + strings.TrimPrefix(why.ID, ", ") + ")",
		"Not known: " + texts["en"]["fact."+fact] + " (" + strings.TrimPrefix(why.EN, ", ") + ")"}
	return row
}

// over adds up one kind of count over all jobs.
func (r *run) over(kind string) int64 {
	var n int64
	for _, counts := range r.counts {
		n += counts[kind]
	}
	return n
}

// ruleText is the citizens' text of a rule without its basis, which has a column
// of its own.
func (r *run) ruleText(code string) text {
	id, _, _ := strings.Cut(r.definition.Texts["id"]["rule."+code], " Dasar:")
	en, _, _ := strings.Cut(r.definition.Texts["en"]["rule."+code], " Basis:")
	return text{id, en}
}

func basisText(b eligibility.Basis) string {
	policy := b.Policy
	if b.Policies != nil {
		policy = b.Policies["id"] + " / " + b.Policies["en"]
	}
	if policy != "" {
		return "kebijakan tanpa pasal yang diketahui / policy without a known article: " + policy
	}
	return b.Instrument + ", Pasal / Article " + b.Article
}

// paid adds up the batches of each instalment: a second try belongs to the
// same one.
func (r *run) paid() []paymentRow {
	names := map[string]text{"incentive": {"insentif", "incentive"}, "survey": {"survei", "survey"}}
	var rows []paymentRow
	for _, o := range batches() {
		made, settled := r.counts[fmt.Sprintf("batch/%d/prepare", o.Number)], r.counts[fmt.Sprintf("batch/%d/reconcile", o.Number)]
		i := slices.IndexFunc(rows, func(p paymentRow) bool { return p.Benefit == names[o.Benefit] && p.Instalment == o.Instalment })
		if i < 0 {
			i = len(rows)
			rows = append(rows, paymentRow{Benefit: names[o.Benefit], Instalment: o.Instalment})
		}
		p := &rows[i]
		p.Count += made["payments"]
		p.Amount += made["payments_amount"] / sen
		p.Settled += settled["settled"] - settled["returned"]
		p.Returned += settled["returned"]
		p.Paid += (settled["settled_amount"] - settled["returned_amount"]) / sen
	}
	slices.SortStableFunc(rows, func(a, b paymentRow) int { return cmp.Compare(a.Benefit.ID, b.Benefit.ID) })
	return rows
}

const sen = 100 // in a rupiah

// refusals counts who was not registered.
func (r *run) refusals(ctx context.Context, rep *report) error {
	at := map[refusedRow]int{}
	err := r.engine.Refusals(ctx, func(why program.Refusal) error {
		key := refusedRow{Field: why.Field, Rule: why.Rule}
		i, known := at[key]
		if !known {
			i = len(rep.Refused)
			at[key] = i
			rep.Refused = append(rep.Refused, key)
		}
		rep.Refused[i].Count++
		return nil
	})
	slices.SortFunc(rep.Refused, func(a, b refusedRow) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Rule, b.Rule))
	})
	return err
}

// places counts the seats of each province by who got them, and where everybody
// is at the end. No personal data is opened.
func (r *run) places(ctx context.Context, rep *report) error {
	g := r.geo
	for _, p := range g.Provinces {
		rep.Provinces = append(rep.Provinces, provinceRow{Code: p.Code, Name: p.Name})
	}
	for _, p := range r.plan.Pools {
		if i, known := g.find(p.ID); known {
			row := &rep.Provinces[g.Regencies[i].Province]
			row.Seats += p.Seats
			row.Affected += p.Reserves[0].Seats
		}
	}
	ends := map[program.State]int64{}
	err := r.engine.Cases(ctx, wave4, nil, false, func(c *program.Case[Jobseeker]) error {
		a := &c.Application
		ends[a.State]++
		if i, known := g.find(a.Placement.Pool); known && a.SeatState != "" {
			rep.Provinces[g.Regencies[i].Province].take(a)
		}
		return nil
	})
	for _, state := range r.definition.Lifecycle.States {
		if n := ends[state.State]; n > 0 {
			rep.Ends = append(rep.Ends, countRow{r.stateName(state.State), n})
		}
	}
	return err
}

// take counts a seat that somebody of the province got.
func (p *provinceRow) take(a *program.Application) {
	switch a.Seat {
	case a.Placement.Pool + "/" + affectedGroup:
		p.Reserve++
	case a.Placement.Pool + "/open":
		p.Open++
	default:
		p.SpilledIn++
	}
	if a.SeatState == "returned" {
		p.Returned++
	}
}

// stateName is a state's name in a table.
func (r *run) stateName(s program.State) text {
	names := map[program.State]text{
		ineligible: {"tidak memenuhi syarat", "ineligible"}, leftOut: {"bukti belum lengkap", "pending, left out"},
		notDrawn: {"tidak terpilih", "not drawn"}, lapsed: {"tidak dapat dipastikan", "could not be confirmed"},
		revoked: {"dicabut", "revoked"}, unfinished: {"tidak selesai", "unfinished"}, done: {"selesai", "done"},
		recovering: {"pengembalian dana", "recovering"}, recovered: {"dana kembali", "recovered"},
		referred: {"diteruskan", "referred"},
	}
	if name, known := names[s]; known {
		return name
	}
	return text{string(s), string(s)}
}

func (r *run) proofOf(ctx context.Context, folder string) (proofOf, error) {
	var p proofOf
	w, err := r.engine.Wave(ctx, wave4)
	if err != nil {
		return p, err
	}
	manifest, err := w.Manifest().Digest()
	if err != nil {
		return p, err
	}
	seed, err := w.Seed().Encode()
	if err != nil {
		return p, err
	}
	draw := filepath.Join(folder, proofFolder)
	return proofOf{Folder: draw, Plan: w.Manifest().Plan.String(), Roll: w.Manifest().Roll.String(), Manifest: manifest.String(),
		Seed:     quota.Digest(sha256.Sum256(seed)).String(),
		Commands: []string{"go run ./examples/verifydraw " + draw, "python3 examples/verifydraw/verify_draw.py " + draw}}, nil
}

// sweep removes what a run that was killed left unfinished.
func sweep(folder string) error {
	for _, pattern := range []string{".unfinished-*", "*/.unfinished-*"} {
		found, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			return err
		}
		for _, path := range found {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}
