package main

import (
	_ "embed"
	"fmt"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/program/wording"
	"github.com/gelombang/gelombang/quota"
)

// This file is the program that the portal serves: a demonstration. An agency puts its
// own here, and changes little else.

// Jobseeker is what the program knows of an applicant besides the identity.
type Jobseeker struct {
	// Province is the code of the domicile, "31". It is declared, never read from the NIK.
	Province string `json:"province"`
	// Category is "seeker", "laid_off", "worker", "own_account" or "none".
	Category string `json:"category"`
}

// categories are the values of Jobseeker.Category, in the order of the form.
var categories = []string{"seeker", "laid_off", "worker", "own_account", "none"}

type engine = program.Engine[Jobseeker]

// The states of an application.
const (
	joined     program.State = "joined"
	pending    program.State = "pending_evidence"
	inRoll     program.State = "in_roll"
	leftOut    program.State = "left_out"
	ineligible program.State = "ineligible"
	appealed   program.State = "appealed"
	refused    program.State = "refused"
	notDrawn   program.State = "not_drawn"
	accepted   program.State = "accepted"
	revoked    program.State = "revoked"
	training   program.State = "in_training"
	unfinished program.State = "unfinished"
	graduated  program.State = "graduated"
	done       program.State = "done"
	gone       program.State = "left"
)

// The events of an application, besides those of the draw.
const (
	passed     program.Event = "passed"
	failed     program.Event = "failed"
	missing    program.Event = "missing"
	leaveOut   program.Event = "leave_out"
	filed      program.Event = "appeal_filed"
	upheld     program.Event = "appeal_upheld"
	dismissed  program.Event = "appeal_dismissed"
	appealOver program.Event = "appeal_overdue"
	buy        program.Event = "buy"
	overdue    program.Event = "purchase_overdue"
	certify    program.Event = "certify"
	untrained  program.Event = "training_overdue"
	relink     program.Event = "relink"
	finish     program.Event = "finish"
	leave      program.Event = "leave"
)

const (
	programID = "pelatihan-demo"
	jakarta   = "Asia/Jakarta"
	nation    = "id"
	laidOff   = "laid-off" // the group with reserved seats
)

func term(days int) calendar.Term {
	return calendar.Term{Days: days, CountStart: true, Until: "23:59", Zone: jakarta}
}

func within(days int, fires program.Event) *program.Deadline {
	return &program.Deadline{Fires: fires, Term: term(days)}
}

// table is the lifecycle: one person's way through the program.
func table() program.Table {
	seat := program.Holds{program.Seat}
	from := func(states ...program.State) []program.State { return states }
	do := func(effects ...program.Effect) []program.Effect { return effects }
	effect := func(name, arg string) program.Effect { return program.Effect{Name: name, Arg: arg} }
	notify := func(template string) program.Effect { return effect(program.EffectNotify, template) }
	screen := &program.Check{At: "screen", Eligible: passed, Ineligible: failed, Pending: missing}
	again := &program.Check{At: "screen", Eligible: passed, Ineligible: failed, Pending: lifecycle.Stay}
	return program.Table{
		Name: programID, Version: 1, Start: joined,
		States: program.States{
			{State: joined, Next: lifecycle.Engine, Check: screen},
			{State: pending, Next: lifecycle.Applicant, Check: again},
			{State: inRoll, Next: lifecycle.Engine},
			{State: leftOut, Final: true},
			{State: ineligible, Next: lifecycle.Applicant, Within: within(14, appealOver)},
			{State: appealed, Next: lifecycle.Officer},
			{State: refused, Final: true},
			{State: notDrawn, Final: true},
			{State: accepted, Holds: seat, Next: lifecycle.Applicant, Within: within(30, overdue)},
			{State: revoked, Final: true},
			{State: training, Holds: seat, Next: lifecycle.Partner, Within: within(120, untrained)},
			{State: unfinished, Holds: seat, Final: true, Keeps: true},
			{State: graduated, Holds: seat, Payable: true, Next: lifecycle.Engine},
			{State: done, Holds: seat, Final: true, Keeps: true},
			{State: gone, Final: true},
		},
		Moves: program.Moves{
			{On: passed, From: from(joined, pending), To: inRoll},
			{On: missing, From: from(joined), To: pending, Do: do(notify("evidence-missing"))},
			{On: failed, From: from(joined, pending), To: ineligible, Do: do(notify("ineligible"))},
			{On: leaveOut, From: from(pending), To: leftOut, Do: do(notify("left-out"))},
			{On: filed, From: from(ineligible), To: appealed},
			{On: upheld, From: from(appealed), To: accepted, Do: do(effect(program.EffectEntitle, "training"), notify("accepted"))},
			{On: dismissed, From: from(appealed), To: refused, Do: do(notify("appeal-dismissed"))},
			{On: appealOver, From: from(ineligible), To: refused},
			{On: program.Drawn, From: from(inRoll), To: accepted, Do: do(effect(program.EffectEntitle, "training"), notify("accepted"))},
			{On: program.NotSelected, From: from(inRoll), To: notDrawn, Do: do(notify("not-drawn"))},
			{On: buy, From: from(accepted), To: training, Do: do(effect(program.EffectSpend, "training"), effect(program.EffectConfirmSeat, ""))},
			{On: overdue, From: from(accepted), To: revoked, Do: do(effect(program.EffectLapse, "training"), notify("revoked"))},
			{On: certify, From: from(training), To: graduated, Needs: []string{"completed"}, Do: do(effect(program.EffectEntitle, "incentive"))},
			{On: untrained, From: from(training), To: unfinished},
			{On: relink, From: from(accepted), To: accepted},
			{On: relink, From: from(training), To: training},
			{On: relink, From: from(graduated), To: graduated},
			{On: finish, From: from(graduated), To: done},
			{On: leave, From: from(joined, pending, inRoll), To: gone, Needs: []string{"roll-open"}},
			{On: leave, From: from(accepted), To: gone, Do: do(effect(program.EffectLapse, "training"))},
		},
	}
}

// completed: the platform reports the whole course as attended.
func completed(c *program.Case[Jobseeker], _ program.Moment, why []program.Reason) []program.Reason {
	if c.Report.Amount < 100 {
		return append(why, program.Reason{Code: "course-not-completed"})
	}
	return why
}

// rollOpen: nobody leaves between the freezing of the roll and the announcement.
func rollOpen(c *program.Case[Jobseeker], _ program.Moment, why []program.Reason) []program.Reason {
	switch c.Wave.State {
	case program.WaveFreezing, program.WaveFrozen, program.WaveDrawn:
		return append(why, program.Reason{Code: "roll-frozen"})
	}
	return why
}

// policy is the rules. The instrument is made up, as the program is.
func policy(f *program.Facts[Jobseeker]) eligibility.Policy {
	const instrument = "Peraturan Demonstrasi 1/2026"
	category := f.Code("category", categories, func(c *program.Case[Jobseeker]) eligibility.Value[string] {
		return eligibility.Known(c.Applicant.Details.Category)
	})
	citizen := f.Observed("citizen", "dukcapil", 0)
	student := f.Observed("student", "dapodik", 180)
	official := f.Observed("official", "bkn", 180)
	awards := f.Taken("awards", "once")
	at := []string{"join", "screen"}
	return eligibility.Policy{Name: "pelatihan-demo-2026", Zone: jakarta, Rules: []eligibility.Rule{
		{Code: "citizen", Require: citizen.Is(true), At: at, Basis: eligibility.Article(instrument, "3(1)a")},
		{Code: "adult", Require: f.BirthDate.AgeAtLeast(18), At: at, Basis: eligibility.Article(instrument, "3(1)b")},
		{Code: "not-a-student", Require: student.Is(false), At: at, Basis: eligibility.Article(instrument, "3(1)c")},
		{Code: "category", Require: category.In("seeker", "laid_off", "worker", "own_account"), At: at, Basis: eligibility.Article(instrument, "3(2)")},
		{Code: "not-an-official", Require: official.Is(false), At: at, Basis: eligibility.Article(instrument, "4")},
		{Code: "first-time", Require: awards.AtMost(0), At: at, Basis: eligibility.Article(instrument, "5")},
	}}
}

//go:embed texts/program.json
var programTexts []byte

// definition is the whole program.
func definition() (*program.Program[Jobseeker], error) {
	texts, err := wording.ParseTexts(programTexts)
	if err != nil {
		return nil, err
	}
	f := program.NewFacts[Jobseeker]()
	return &program.Program[Jobseeker]{
		ID: programID, Lifecycle: table(), Facts: f, Policy: policy(f), Zone: jakarta, Texts: texts,
		Place: func(c *program.Case[Jobseeker]) program.Placement {
			p := program.Placement{Pool: c.Applicant.Details.Province}
			if c.Applicant.Details.Category == "laid_off" {
				p.Groups = []string{laidOff}
			}
			return p
		},
		Limits: []program.Limit{
			{Name: "once", Per: program.PerPerson, Max: 1, Ever: true, Basis: eligibility.Article("Peraturan Demonstrasi 1/2026", "5")},
			{Name: "household", Per: program.PerHousehold, Max: 2, Basis: eligibility.Article("Peraturan Demonstrasi 1/2026", "6")},
		},
		Benefits: payment.Benefits{
			payment.Balance("training", payment.Rupiah(3_500_000)),
			payment.Instalments("incentive", 1, payment.Rupiah(600_000)),
		},
		Guards: map[string]program.Guard[Jobseeker]{"completed": completed, "roll-open": rollOpen},
		Appeals: program.Appeals{Against: []program.State{ineligible}, File: term(14), Decide: calendar.Term{BusinessDays: 10, Zone: jakarta},
			Filed: filed, Upheld: upheld, Dismissed: dismissed},
		Retention: program.Retention{Years: 5, Basis: eligibility.Article("Peraturan Demonstrasi 1/2026", "12")},
	}, nil
}

// perRecipient is the most that one recipient costs, in rupiah.
const perRecipient = 4_100_000

// province is one pool of seats.
type province struct {
	Code, Name string
	// Weight is by what the seats are divided: about the population in ten thousands.
	// It is an illustration.
	Weight int64
}

var provinces = []province{
	{"11", "Aceh", 527}, {"12", "Sumatera Utara", 1480}, {"13", "Sumatera Barat", 553}, {"14", "Riau", 639}, {"15", "Jambi", 355},
	{"16", "Sumatera Selatan", 847}, {"17", "Bengkulu", 201}, {"18", "Lampung", 901}, {"19", "Kepulauan Bangka Belitung", 146}, {"21", "Kepulauan Riau", 206},
	{"31", "DKI Jakarta", 1056}, {"32", "Jawa Barat", 4827}, {"33", "Jawa Tengah", 3652}, {"34", "DI Yogyakarta", 367}, {"35", "Jawa Timur", 4067},
	{"36", "Banten", 1190}, {"51", "Bali", 432}, {"52", "Nusa Tenggara Barat", 532}, {"53", "Nusa Tenggara Timur", 533}, {"61", "Kalimantan Barat", 541},
	{"62", "Kalimantan Tengah", 267}, {"63", "Kalimantan Selatan", 407}, {"64", "Kalimantan Timur", 377}, {"65", "Kalimantan Utara", 70}, {"71", "Sulawesi Utara", 262},
	{"72", "Sulawesi Tengah", 299}, {"73", "Sulawesi Selatan", 907}, {"74", "Sulawesi Tenggara", 262}, {"75", "Gorontalo", 117}, {"76", "Sulawesi Barat", 142},
	{"81", "Maluku", 185}, {"82", "Maluku Utara", 128}, {"91", "Papua", 104}, {"92", "Papua Barat", 56}, {"93", "Papua Selatan", 52},
	{"94", "Papua Tengah", 143}, {"95", "Papua Pegunungan", 143}, {"96", "Papua Barat Daya", 60},
}

func provinceName(code string) string {
	for _, p := range provinces {
		if p.Code == code {
			return p.Name
		}
	}
	return code
}

// buildPlan divides the seats of a wave over the provinces. In each, a fifth is set aside for
// people who were laid off; what they leave is open to everybody in the province, and
// then in the nation.
func buildPlan(wave, seats int64) (*quota.Plan, error) {
	shares := make([]quota.Share, len(provinces))
	for i, p := range provinces {
		shares[i] = quota.Share{Key: p.Code, Weight: p.Weight, Min: 1}
	}
	got, err := quota.Apportion(seats, shares, &quota.ApportionOptions{Tie: quota.TieRule{ByKey: true}})
	if err != nil {
		return nil, err
	}
	pools := []quota.Pool{{ID: nation}}
	for i, p := range provinces {
		pools = append(pools, quota.Pool{ID: p.Code, Parent: nation, Seats: got[i], Spill: []string{nation},
			Reserves: []quota.Reserve{{Group: laidOff, Seats: got[i] / 5, Kind: quota.SetAside, Unfilled: quota.ToOpen}}})
	}
	plan := &quota.Plan{
		Name: fmt.Sprintf("%s-%d", programID, wave), Order: quota.ReservedFirst, Ticket: quota.PerPerson, Tiers: 1,
		Groups:       []quota.Group{{Code: laidOff, Meaning: quota.ForPublic, Public: "Pekerja yang terkena PHK / people who were laid off"}},
		HouseholdCap: 2, Waiting: 20, Pools: pools,
	}
	return plan, plan.Validate()
}
