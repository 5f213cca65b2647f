package main

import (
	"context"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/quota"
)

// This file is the officer's desk. Whatever an officer does has a reason from a list, and a
// document's number where there is one; both land in the journal, so neither is free text.

// reasons by kind of action.
var reasons = map[string][]string{
	"wave":    {"schedule", "instruction", "correction"},
	"case":    {"partner-report", "citizen-request", "correction"},
	"search":  {"citizen-here", "complaint", "audit"},
	"code":    {"card-seen", "card-and-family-card-seen"},
	"appeal":  {"evidence-shown", "evidence-missing", "register-corrected", "rule-applies"},
	"payment": {"due", "again", "checked", "bank-asks"},
	// A referral is judged for the first, and looked for for the others.
	"referral":        {"one-person", "different-people", "shared-in-family", "evidence-shown", "evidence-missing"},
	"referral-search": {"schedule", "complaint", "audit"},
}

var documentShape = regexp.MustCompile(`\A[A-Za-z0-9./-]{0,40}\z`)

// because reads the reason of an action and writes it into the journal. It returns false, with
// the faults of the form, if there is none.
func (c *call) because(kind, action, subject string, more ...any) (map[string]string, error) {
	faults := map[string]string{}
	reason, document := c.form("reason"), c.form("document")
	if !slices.Contains(reasons[kind], reason) {
		faults["reason"] = "form.reason"
	}
	if !documentShape.MatchString(document) || manyDigits(document) {
		faults["document"] = "form.document"
	}
	if len(faults) > 0 {
		return faults, nil
	}
	data := map[string]any{"action": action, "subject": subject, "reason": reason}
	if document != "" {
		data["document"] = document
	}
	for i := 0; i+1 < len(more); i += 2 {
		data[fmt.Sprint(more[i])] = more[i+1]
	}
	return nil, c.note(c.ctx(), c.me.ID, "reason", data)
}

// manyDigits reports sixteen digits in a row: a number of a person, not of a document.
func manyDigits(s string) bool {
	run := 0
	for _, r := range s {
		if r < '0' || r > '9' {
			run = 0
			continue
		}
		if run++; run >= 16 {
			return true
		}
	}
	return false
}

func (p *portal) officerSignIn(c *call) error {
	return c.signInAs("officer", "officer-signin", "/petugas")
}

func (p *portal) desk(c *call) error {
	waves, err := p.waves(c.ctx())
	if err != nil {
		return err
	}
	appeals, err := c.engine.OpenAppeals(c.ctx(), 1000)
	if err != nil {
		return err
	}
	running, err := p.jobs.list(c.ctx(), true)
	if err != nil {
		return err
	}
	items := 0
	if err := c.engine.OpenItems(c.ctx(), func(program.OpenItem) error { items++; return nil }); err != nil {
		return err
	}
	referrals := 0
	if err := c.engine.Referrals(c.ctx(), program.ReferralOpen, func(program.Referral) error { referrals++; return nil }); err != nil {
		return err
	}
	return c.page(http.StatusOK, "desk", map[string]any{"Waves": waves, "Appeals": len(appeals), "Referrals": referrals, "Running": len(running), "Items": items})
}

func (p *portal) plans(c *call) error {
	waves, err := p.waves(c.ctx())
	if err != nil {
		return err
	}
	next := int64(1)
	if len(waves) > 0 {
		next = waves[0].Number + 1
	}
	data := map[string]any{"Waves": waves, "Next": next, "Reasons": reasons["wave"], "Opens": c.time.now().In(wib).Format("2006-01-02"), "Closes": c.time.now().In(wib).AddDate(0, 0, 7).Format("2006-01-02")}
	if c.r.Method == http.MethodGet {
		return c.page(http.StatusOK, "plans", data)
	}
	faults := map[string]string{}
	day := func(field string) time.Time {
		at, err := time.ParseInLocation("2006-01-02", c.form(field), wib)
		if err != nil {
			faults[field] = "form.date"
		}
		return at.UTC()
	}
	opens, closes := day("opens"), day("closes")
	if len(faults) == 0 && !closes.After(opens) {
		faults["closes"] = "form.closes"
	}
	seats, err := strconv.ParseInt(c.form("seats"), 10, 64)
	if err != nil || seats < 38 || seats > 10_000_000 {
		faults["seats"] = "form.seats"
	}
	kept, err := strconv.ParseInt(c.form("kept"), 10, 64)
	if err != nil || kept < 0 || kept > 100_000 {
		faults["kept"] = "form.kept"
	}
	if len(faults) > 0 {
		return c.pageWith(http.StatusUnprocessableEntity, "plans", data, faults)
	}
	if faults, err := c.because("wave", "wave.plan", fmt.Sprintf("wave %d", next)); err != nil {
		return err
	} else if len(faults) > 0 {
		return c.pageWith(http.StatusUnprocessableEntity, "plans", data, faults)
	}
	plan, err := buildPlan(next, seats)
	if err != nil {
		return err
	}
	if err := c.engine.Fund(c.ctx(), program.By{Actor: c.me.ID, Key: fmt.Sprintf("fund-wave-%d", next)}, payment.Rupiah((seats+kept)*perRecipient)); err != nil {
		return err
	}
	if err := c.engine.PlanWave(c.ctx(), c.by(), program.WaveOrder{Number: next, Opens: opens, Closes: closes, Plan: plan, AppealSeats: kept}); err != nil {
		return err
	}
	return c.redirect(fmt.Sprintf("/petugas/gelombang/%d", next))
}

// deskWave is a wave as officers see it.
func (c *call) deskWave() (map[string]any, program.Wave, error) {
	w, err := c.aWave()
	if err != nil {
		return nil, w, err
	}
	states := map[program.State]int64{}
	var every []program.State
	for _, s := range table().States {
		every = append(every, s.State)
	}
	if err := c.engine.Cases(c.ctx(), w.Number, every, false, func(one *program.Case[Jobseeker]) error {
		states[one.Application.State]++
		return nil
	}); err != nil {
		return nil, w, err
	}
	var rows []cell
	for _, s := range every {
		if states[s] > 0 {
			rows = append(rows, cell{Name: string(s), N: states[s]})
		}
	}
	seats, err := c.seatsOf(c.ctx(), w)
	if err != nil {
		return nil, w, err
	}
	jobs, err := c.jobs.list(c.ctx(), false)
	if err != nil {
		return nil, w, err
	}
	jobs = slices.DeleteFunc(jobs, func(j jobView) bool { return j.Args.Wave != w.Number || !j.Running })
	if err := c.jobs.known(c.ctx(), jobs); err != nil {
		return nil, w, err
	}
	return map[string]any{"Wave": w, "States": rows, "Seats": seats, "Reasons": reasons["wave"], "Jobs": jobs,
		"Screened": states[joined] == 0, "Pending": states[pending] > 0, "Pools": w.Plan() != nil}, w, nil
}

func (p *portal) waveDesk(c *call) error {
	data, _, err := c.deskWave()
	if err != nil {
		return err
	}
	return c.page(http.StatusOK, "wave-desk", data)
}

// waveAct carries out one step of a wave.
func (p *portal) waveAct(c *call) error {
	act := c.r.PathValue("act")
	if !slices.Contains([]string{"open", "close", "screen", "leave-out", "freeze", "announce", "tick"}, act) {
		return errNoPage
	}
	data, w, err := c.deskWave()
	if err != nil {
		return err
	}
	if faults, err := c.because("wave", "wave."+act, fmt.Sprintf("wave %d", w.Number)); err != nil {
		return err
	} else if len(faults) > 0 {
		return c.pageWith(http.StatusUnprocessableEntity, "wave-desk", data, faults)
	}
	back := fmt.Sprintf("/petugas/gelombang/%d", w.Number)
	job := fmt.Sprintf("wave-%d-%s", w.Number, act)
	switch act {
	case "open":
		err = c.engine.OpenWave(c.ctx(), c.by(), w.Number)
	case "close":
		err = c.engine.CloseWave(c.ctx(), c.by(), w.Number)
	case "freeze":
		err = c.engine.Freeze(c.ctx(), c.by(), w.Number, freezeOrder(p.time.now()))
		back = fmt.Sprintf("/petugas/gelombang/%d/undian", w.Number)
	case "screen", "announce", "leave-out":
		err = p.jobs.start(c.ctx(), job, act, c.me.ID, jobArgs{Wave: w.Number})
	case "tick":
		err = p.jobs.start(c.ctx(), fmt.Sprintf("%s-%d", job, p.time.now().Unix()), act, c.me.ID, jobArgs{Wave: w.Number})
	}
	if err != nil {
		return err
	}
	return c.redirect(back)
}

// dice is how many numbers two people read: 60 throws of a ten-sided die.
const dice = 60

// receiptsFor is how long citizens can fetch their receipts before the numbers may be read.
const receiptsFor = 10 * time.Minute

func freezeOrder(now time.Time) program.FreezeOrder {
	return program.FreezeOrder{Number: 1, Due: now.UTC().Truncate(time.Second).Add(receiptsFor),
		Source: quota.Source{Witnessed: []quota.Drawer{{Name: "dadu-sepuluh-sisi", Count: dice, Low: 0, High: 9, Ordered: true, Bits: 190}}}}
}

// ceremony is the draw. Two people read the numbers, each types what was read, and only
// when both have typed the same is drawn.
func (p *portal) ceremony(c *call) error {
	w, err := c.aWave()
	if err != nil {
		return err
	}
	m := w.Manifest()
	if m == nil {
		return errNoPage
	}
	digest, err := m.Digest()
	if err != nil {
		return err
	}
	act := fmt.Sprintf("draw/%d/%s", w.Number, digest)
	first, read, err := c.accounts.firstHand(c.ctx(), act)
	if err != nil {
		return err
	}
	data := map[string]any{"Wave": w, "Digest": digest.String(), "Due": m.Due, "Early": p.time.now().Before(m.Due), "First": first, "Same": first == c.me.ID, "Reasons": reasons["wave"], "Drawn": drawn(w)}
	if c.r.Method == http.MethodGet {
		return c.page(http.StatusOK, "ceremony", data)
	}
	numbers := strings.Join(strings.Fields(c.form("numbers")), "")
	faults := map[string]string{}
	if len(numbers) != dice || strings.Trim(numbers, "0123456789") != "" {
		faults["numbers"] = "form.dice"
	}
	if p.time.now().Before(m.Due) {
		faults["numbers"] = "form.dice.early"
	}
	second := first != "" && first != c.me.ID
	if second && len(faults) == 0 && numbers != read {
		faults["numbers"] = "form.dice.differ"
	}
	if len(faults) > 0 {
		return c.pageWith(http.StatusUnprocessableEntity, "ceremony", data, faults)
	}
	if faults, err := c.because("wave", "wave.draw", fmt.Sprintf("wave %d", w.Number), "numbers", numbers); err != nil {
		return err
	} else if len(faults) > 0 {
		return c.pageWith(http.StatusUnprocessableEntity, "ceremony", data, faults)
	}
	if !second {
		if err := c.accounts.keepFirstHand(c.ctx(), act, c.me.ID, numbers); err != nil {
			return err
		}
		return c.redirect(fmt.Sprintf("/petugas/gelombang/%d/undian", w.Number))
	}
	seed := &quota.Seed{Manifest: digest, Witnessed: []quota.Reading{{Numbers: digits(numbers), Witnesses: []string{first, c.me.ID}}}}
	if err := c.engine.Draw(c.ctx(), c.by(), w.Number, program.DrawOrder{Seed: seed}); err != nil {
		return err
	}
	return c.redirect(fmt.Sprintf("/petugas/gelombang/%d", w.Number))
}

func digits(s string) []uint32 {
	all := make([]uint32, len(s))
	for i := range s {
		all[i] = uint32(s[i] - '0')
	}
	return all
}

// caseRow is one line of a list of cases. It holds nothing personal.
type caseRow struct {
	Wave      int64
	Applicant uuid.UUID
	State     string
	Entered   time.Time
	Due       time.Time
	Pool      string
	Seat      string
}

const casesAtOnce = 50

// cases lists cases of a wave in the order of their ids, from after a cursor.
func (p *portal) cases(ctx context.Context, wave int64, state string, after uuid.UUID, limit int) ([]caseRow, uuid.UUID, error) {
	scan := program.Scan{Table: program.TableApplications, Equal: []any{wave}, Limit: limit}
	if after != uuid.Nil {
		scan.After = program.Cursor{wave, after[:]}
	}
	if state != "" {
		scan.Only, scan.Column = []any{state}, "state"
	}
	rows, next, err := p.store.Page(ctx, scan)
	if err != nil {
		return nil, uuid.Nil, err
	}
	var all []caseRow
	for _, r := range rows.Rows {
		v := r.Values
		one := caseRow{Wave: wave, Applicant: uuid.UUID(v[1].([]byte)), State: v[2].(string), Entered: time.UnixMicro(v[4].(int64))}
		if due, ok := v[5].(int64); ok {
			one.Due = time.UnixMicro(due)
		}
		one.Pool, _ = v[8].(string)
		one.Seat, _ = v[14].(string)
		all = append(all, one)
	}
	last := uuid.Nil
	if next != nil {
		if id, ok := next[1].([]byte); ok {
			last = uuid.UUID(id)
		}
	}
	return all, last, nil
}

func (p *portal) caseList(c *call) error {
	w, err := c.aWave()
	if err != nil {
		return err
	}
	state := c.r.URL.Query().Get("keadaan")
	var states []string
	for _, s := range table().States {
		states = append(states, string(s.State))
	}
	if state != "" && !slices.Contains(states, state) {
		return errNoPage
	}
	after, err := uuid.Parse(c.r.URL.Query().Get("setelah"))
	if err != nil {
		after = uuid.Nil
	}
	rows, next, err := p.cases(c.ctx(), w.Number, state, after, casesAtOnce)
	if err != nil {
		return err
	}
	data := map[string]any{"Wave": w, "Rows": rows, "State": state, "States": states}
	if next != uuid.Nil {
		data["Next"] = next.String()
	}
	return c.page(http.StatusOK, "cases", data)
}

// caseExport writes the list as CSV for a spreadsheet.
func (p *portal) caseExport(c *call) error {
	w, err := c.aWave()
	if err != nil {
		return err
	}
	if err := p.note(c.ctx(), c.me.ID, "export", map[string]any{"what": "cases", "wave": w.Number}); err != nil {
		return err
	}
	c.download("text/csv; charset=utf-8", fmt.Sprintf("kasus-%d.csv", w.Number))
	out := csv.NewWriter(c.w)
	out.Write([]string{"wave", "applicant", "state", "entered", "due", "pool", "seat"})
	for after := uuid.Nil; ; {
		rows, next, err := p.cases(c.ctx(), w.Number, "", after, 1000)
		if err != nil {
			return err
		}
		for _, r := range rows {
			due := ""
			if !r.Due.IsZero() {
				due = r.Due.UTC().Format(time.RFC3339)
			}
			out.Write(cellsOf(strconv.FormatInt(r.Wave, 10), r.Applicant.String(), r.State, r.Entered.UTC().Format(time.RFC3339), due, r.Pool, r.Seat))
		}
		if next == uuid.Nil {
			break
		}
		after = next
	}
	out.Flush()
	return out.Error()
}

// cellsOf makes texts that no spreadsheet takes for a formula.
func cellsOf(texts ...string) []string {
	for i, s := range texts {
		if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
			texts[i] = "'" + s
		}
	}
	return texts
}

// person reads the applicant in the path.
func (c *call) person() (int64, uuid.UUID, error) {
	wave, err := c.wave()
	if err != nil {
		return 0, uuid.Nil, err
	}
	id, err := uuid.Parse(c.r.PathValue("applicant"))
	if err != nil {
		return 0, uuid.Nil, errNoPage
	}
	return wave, id, nil
}

// deskCase is everything about a case but who it is about.
func (c *call) deskCase(wave int64, id uuid.UUID) (map[string]any, error) {
	a, err := c.engine.Application(c.ctx(), wave, id)
	if err != nil {
		return nil, err
	}
	lines, err := c.engine.Timeline(c.ctx(), wave, id, c.lang, lifecycle.Officer)
	if err != nil {
		return nil, err
	}
	history, err := c.engine.History(c.ctx(), wave, id)
	if err != nil {
		return nil, err
	}
	options, err := c.engine.Options(c.ctx(), wave, id, c.lang, program.Report{Amount: 100})
	if err != nil {
		return nil, err
	}
	options = slices.DeleteFunc(options, func(o program.Option) bool { return !slices.Contains(deskEvents, o.Event) })
	appeals, err := c.engine.Appeals(c.ctx(), wave, id)
	if err != nil {
		return nil, err
	}
	payments, err := c.payments(c.ctx(), id)
	if err != nil {
		return nil, err
	}
	kept, err := c.engine.Decisions(c.ctx(), wave, id)
	if err != nil {
		return nil, err
	}
	var why []map[string]any
	for _, k := range kept {
		one := map[string]any{"Stage": k.Stage, "Number": k.Number, "Commitment": hex.EncodeToString(k.Commitment[:])}
		if d, err := c.engine.Redecide(c.ctx(), k); err == nil {
			one["Findings"], one["Verdict"], one["AsOf"], one["Policy"] = c.told(d), d.Verdict.String(), d.AsOf, d.Policy
		}
		why = append(why, one)
	}
	return map[string]any{"A": a, "Lines": lines, "History": history, "Options": options, "Appeals": appeals, "Payments": payments, "Why": why, "Reasons": reasons["case"]}, nil
}

// deskEvents are what officers report about a case.
var deskEvents = []program.Event{certify, finish}

func (p *portal) caseDesk(c *call) error {
	wave, id, err := c.person()
	if err != nil {
		return err
	}
	data, err := c.deskCase(wave, id)
	if err != nil {
		return err
	}
	return c.page(http.StatusOK, "case-desk", data)
}

func (p *portal) caseAct(c *call) error {
	wave, id, err := c.person()
	if err != nil {
		return err
	}
	event := program.Event(c.r.PathValue("event"))
	if !slices.Contains(deskEvents, event) {
		return errNoPage
	}
	data, err := c.deskCase(wave, id)
	if err != nil {
		return err
	}
	if faults, err := c.because("case", "case."+string(event), fmt.Sprintf("wave %d", wave), "applicant", id); err != nil {
		return err
	} else if len(faults) > 0 {
		return c.pageWith(http.StatusUnprocessableEntity, "case-desk", data, faults)
	}
	if err := c.engine.Fire(c.ctx(), c.by(), wave, id, program.Report{Event: event, Amount: 100}); err != nil {
		return err
	}
	return c.redirect(fmt.Sprintf("/petugas/kasus/%d/%s", wave, id))
}

func (p *portal) appealList(c *call) error {
	open, err := c.engine.OpenAppeals(c.ctx(), 200)
	if err != nil {
		return err
	}
	return c.page(http.StatusOK, "appeals", map[string]any{"Open": open})
}

func (p *portal) appealDesk(c *call) error {
	wave, id, err := c.person()
	if err != nil {
		return err
	}
	number, err := strconv.ParseInt(c.r.PathValue("number"), 10, 64)
	if err != nil {
		return errNoPage
	}
	all, err := c.engine.Appeals(c.ctx(), wave, id)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(a program.Appeal) bool { return a.Number == number })
	if i < 0 {
		return errNoPage
	}
	text, err := c.engine.AppealText(c.ctx(), all[i])
	if err != nil && !errors.Is(err, program.ErrSealed) {
		return err
	}
	data, err := c.deskCase(wave, id)
	if err != nil {
		return err
	}
	data["Appeal"], data["Text"], data["Reasons"] = all[i], text, reasons["appeal"]
	if c.r.Method == http.MethodGet {
		if err := p.note(c.ctx(), c.me.ID, "read", map[string]any{"what": "appeal", "applicant": id, "wave": wave}); err != nil {
			return err
		}
		return c.page(http.StatusOK, "appeal-desk", data)
	}
	verdict := c.form("verdict")
	if verdict != "uphold" && verdict != "dismiss" {
		return c.pageWith(http.StatusUnprocessableEntity, "appeal-desk", data, map[string]string{"verdict": "form.verdict.choose"})
	}
	if faults, err := c.because("appeal", "appeal."+verdict, fmt.Sprintf("wave %d", wave), "applicant", id); err != nil {
		return err
	} else if len(faults) > 0 {
		return c.pageWith(http.StatusUnprocessableEntity, "appeal-desk", data, faults)
	}
	reason := c.form("reason")
	if d := c.form("document"); d != "" {
		reason += " " + d
	}
	err = c.engine.DecideAppeal(c.ctx(), c.by(), wave, id, number, verdict == "uphold", reason)
	var why *program.AppealError
	if errors.As(err, &why) {
		return &fault{http.StatusConflict, "fault.appeal." + why.Rule}
	}
	if err != nil {
		return err
	}
	return c.redirect("/petugas/keberatan")
}

func (p *portal) jobList(c *call) error {
	all, err := p.jobs.list(c.ctx(), false)
	if err != nil {
		return err
	}
	if err := p.jobs.known(c.ctx(), all); err != nil {
		return err
	}
	return c.page(http.StatusOK, "jobs", map[string]any{"Jobs": all, "Running": slices.ContainsFunc(all, func(j jobView) bool { return j.Running })})
}

// jobStatus is what the page of jobs asks for while one runs.
func (p *portal) jobStatus(c *call) error {
	all, err := p.jobs.list(c.ctx(), false)
	if err != nil {
		return err
	}
	if err := p.jobs.known(c.ctx(), all); err != nil {
		return err
	}
	type state struct {
		Name    string `json:"name"`
		Running bool   `json:"running"`
		Done    int64  `json:"done"`
		Text    string `json:"text"`
	}
	out := []state{}
	for _, j := range all {
		key := "job.ended"
		if j.Running {
			key = "job.running"
		} else if j.Fault != "" {
			key = "job.failed"
		}
		out = append(out, state{j.Name, j.Running, j.Done, c.text(key)})
	}
	c.w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(c.w).Encode(out)
}

// journalDesk shows the journal as it is: who did what, and why.
func (p *portal) journalDesk(c *call) error {
	after, err := strconv.ParseInt(c.r.URL.Query().Get("setelah"), 10, 64)
	if err != nil || after < 0 {
		after = -1
	}
	lag, err := program.ReaderLag(c.ctx(), p.store, "portal-desk")
	if err != nil {
		return err
	}
	if after < 0 {
		after = max(0, lag.Entries-30)
	}
	entries, err := p.store.Journal(c.ctx(), after, 30)
	if err != nil {
		return err
	}
	type line struct {
		program.Entry
		Text string
	}
	var lines []line
	for _, e := range entries {
		text := string(e.Data)
		if len(text) > 400 {
			text = text[:400] + "…"
		}
		lines = append(lines, line{e, text})
	}
	slices.Reverse(lines)
	data := map[string]any{"Lines": lines, "Before": max(0, after-30), "Older": after > 0}
	if len(entries) == 30 {
		data["After"] = after + 30
	}
	return c.page(http.StatusOK, "journal-desk", data)
}

// moveClock moves the demonstration's clock forward.
func (p *portal) moveClock(c *call) error {
	if !c.config.demo {
		return errNoPage
	}
	by, ok := map[string]time.Duration{"10m": 10 * time.Minute, "1d": 24 * time.Hour, "7d": 7 * 24 * time.Hour, "31d": 31 * 24 * time.Hour}[c.form("by")]
	if !ok {
		return errForm
	}
	if err := p.note(c.ctx(), c.me.ID, "demo.clock", map[string]any{"by": by.String()}); err != nil {
		return err
	}
	if err := p.setClock(c.ctx(), time.Duration(p.time.moved.Load())+by); err != nil {
		return err
	}
	// Nobody is signed out by it.
	if _, err := c.accounts.exec(c.ctx(), `UPDATE portal_sessions SET seen = ?, created = ?`, p.time.now().Unix(), p.time.now().Unix()); err != nil {
		return err
	}
	return c.redirect("/petugas")
}

func (p *portal) setClock(ctx context.Context, moved time.Duration) error {
	if err := p.accounts.set(ctx, "clock", strconv.FormatInt(int64(moved), 10)); err != nil {
		return err
	}
	p.time.moved.Store(int64(moved))
	return nil
}
