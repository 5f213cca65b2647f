package main

import (
	_ "embed"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/quota"
)

// This file is what an agency writes.

// Student is what the program knows of an applicant besides the identity.
type Student struct {
	// Score of the national test, 0 to 1000; zero: the result is not there.
	Score int64 `json:"score"`
	// Income of the household a month, in rupiah; zero: not shown.
	Income int64 `json:"income"`
	// Frontier: the home is in a region of the frontier list.
	Frontier bool `json:"frontier"`
	// Disability: the student has shown one.
	Disability bool `json:"disability"`
}

// The states of an application.
const (
	applied   program.State = "applied"
	refused   program.State = "refused"
	leftOut   program.State = "left-out"
	ranked    program.State = "ranked"
	waiting   program.State = "waiting"
	offered   program.State = "offered"
	lapsed    program.State = "lapsed"
	studying  program.State = "studying"
	suspended program.State = "suspended"
	ended     program.State = "ended"
	graduated program.State = "graduated"
)

// The events that people report.
const (
	accept   program.Event = "accept"
	grades   program.Event = "grades"
	graduate program.Event = "graduate"
)

const (
	terms    = 8   // a scholarship has eight terms
	passMark = 275 // hundredths of a grade point
)

func within(days int, fires program.Event) *program.Deadline {
	return &program.Deadline{Fires: fires, Term: calendar.Term{Days: days, CountStart: true, Until: "23:59", Zone: "Asia/Jakarta"}}
}

func table() program.Table {
	from := func(s ...program.State) []program.State { return s }
	do := func(name, arg string) program.Effect { return program.Effect{Name: name, Arg: arg} }
	stipend, seat := do(program.EffectEntitle, "stipend"), program.Holds{program.Seat}
	return program.Table{
		Name: "scholarship", Version: 1, Start: applied,
		States: program.States{
			{State: applied, Next: lifecycle.Engine, Check: &program.Check{At: "screen", Eligible: "passed", Ineligible: "failed", Pending: lifecycle.Stay}},
			{State: refused, Final: true},
			{State: leftOut, Final: true},
			{State: ranked, Next: lifecycle.Engine},
			{State: waiting, Next: lifecycle.Engine},
			{State: offered, Holds: seat, Next: lifecycle.Applicant, Within: within(14, "offer-lapsed")},
			{State: lapsed, Final: true},
			{State: studying, Holds: seat, Payable: true, Next: lifecycle.Partner, Check: &program.Check{At: "payout", Eligible: lifecycle.Stay, Ineligible: "left", Pending: lifecycle.Stay}},
			{State: suspended, Holds: seat, Next: lifecycle.Partner, Within: within(400, "not-returned")},
			{State: ended, Final: true},
			{State: graduated, Holds: seat, Final: true, Keeps: true},
		},
		Moves: program.Moves{
			{On: "passed", From: from(applied), To: ranked},
			{On: "failed", From: from(applied), To: refused, Do: []program.Effect{do(program.EffectNotify, "refused")}},
			{On: "leave-out", From: from(applied), To: leftOut, Do: []program.Effect{do(program.EffectNotify, "left-out")}},
			{On: program.Drawn, From: from(ranked), To: offered, Do: []program.Effect{do(program.EffectNotify, "offer")}},
			{On: program.NotSelected, From: from(ranked), To: waiting, Do: []program.Effect{do(program.EffectNotify, "waiting")}},
			{On: program.Promoted, From: from(waiting), To: offered, Do: []program.Effect{do(program.EffectNotify, "offer")}},
			{On: accept, From: from(offered), To: studying, Needs: []string{"has-account", "next-term"}, Do: []program.Effect{do(program.EffectConfirmSeat, ""), stipend}},
			{On: "offer-lapsed", From: from(offered), To: lapsed, Do: []program.Effect{do(program.EffectNotify, "lapsed")}},
			// Grades open the next term, or suspend; two bad terms in a row end it.
			{On: grades, From: from(studying), To: studying, Order: 1, Needs: []string{"next-term", "good-grades"}, Do: []program.Effect{stipend}},
			{On: grades, From: from(studying), To: suspended, Order: 2, Needs: []string{"next-term", "are-grades"}, Do: []program.Effect{do(program.EffectNotify, "suspended")}},
			{On: grades, From: from(suspended), To: studying, Order: 1, Needs: []string{"next-term", "good-grades"}, Do: []program.Effect{stipend, do(program.EffectNotify, "returned")}},
			{On: grades, From: from(suspended), To: ended, Order: 2, Needs: []string{"next-term", "are-grades"}, Do: []program.Effect{do(program.EffectNotify, "ended")}},
			{On: "not-returned", From: from(suspended), To: ended, Do: []program.Effect{do(program.EffectNotify, "ended")}},
			{On: "left", From: from(studying), To: ended},
			{On: graduate, From: from(studying), To: graduated, Needs: []string{"all-terms"}},
		},
	}
}

// term is the next one that a case has not come to: the first opens with acceptance, each
// other with the grades of the one before.
func term(c *program.Case[Student]) int {
	return 1 + c.Application.Count(accept) + c.Application.Count(grades)
}

// guard refuses with a code unless what it says is so.
func guard(code string, ok func(c *program.Case[Student]) bool) program.Guard[Student] {
	return func(c *program.Case[Student], _ program.Moment, why []program.Reason) []program.Reason {
		if !ok(c) {
			return append(why, program.Reason{Code: code})
		}
		return why
	}
}

func guards() map[string]program.Guard[Student] {
	return map[string]program.Guard[Student]{
		"has-account": guard("no-account", func(c *program.Case[Student]) bool {
			return c.Report.Account != nil || !c.Applicant.Person.Payout.Account.IsZero()
		}),
		"next-term":   guard("not-the-next-term", func(c *program.Case[Student]) bool { return c.Report.Number == term(c) && term(c) <= terms }),
		"are-grades":  guard("not-a-grade", func(c *program.Case[Student]) bool { return c.Report.Amount >= 0 && c.Report.Amount <= 400 }),
		"good-grades": guard("grades-too-low", func(c *program.Case[Student]) bool { return c.Report.Amount >= passMark && c.Report.Amount <= 400 }),
		"all-terms":   guard("terms-are-left", func(c *program.Case[Student]) bool { return term(c) > terms }),
	}
}

//go:embed policies/scholarship.json
var policyJSON []byte

func definition() (*program.Program[Student], error) {
	f := program.NewFacts[Student]()
	f.Int("score", func(c *program.Case[Student]) eligibility.Value[int64] { return shown(c.Applicant.Details.Score) })
	f.Money("income", eligibility.IDR(), func(c *program.Case[Student]) eligibility.Value[int64] {
		return shown(payment.Rupiah(c.Applicant.Details.Income).Units)
	})
	f.Observed("enrolled", "university-register", 200)
	policy, err := f.Load(policyJSON)
	if err != nil {
		return nil, err
	}
	return &program.Program[Student]{
		ID: "scholarship", Lifecycle: table(), Facts: f, Policy: policy, Zone: "Asia/Jakarta", Guards: guards(),
		Place: func(c *program.Case[Student]) program.Placement {
			p := program.Placement{Pool: "nation", Number: uint32(c.Applicant.Details.Score)}
			if c.Applicant.Details.Frontier {
				p.Groups = append(p.Groups, "frontier")
			}
			if c.Applicant.Details.Disability {
				p.Groups = append(p.Groups, "g2")
			}
			return p
		},
		Limits:   []program.Limit{{Name: "once", Per: program.PerPerson, Max: 1}},
		Benefits: payment.Benefits{payment.PerTerm("stipend", terms, payment.Rupiah(4_200_000))},
	}, nil
}

func shown(n int64) eligibility.Value[int64] {
	if n == 0 {
		return eligibility.Unknown[int64](eligibility.NotAsked)
	}
	return eligibility.Known(n)
}

// plan: sixty seats by score. At least fifteen go to the frontier and at least four to
// students with a disability, whose group has a code that says nothing: only auditors
// are told what it means.
func plan() *quota.Plan {
	return &quota.Plan{
		Name: "scholarship-2026", Ticket: quota.PerPerson, Tiers: 1, Key: quota.Score, Waiting: 60, Limits: []string{"once"},
		Groups: []quota.Group{{Code: "frontier", Meaning: quota.ForPublic, Public: "Home in a region of the frontier list"}, {Code: "g2", Meaning: quota.ForAuditors}},
		Pools: []quota.Pool{{ID: "nation", Seats: 60, Reserves: []quota.Reserve{
			{Group: "frontier", Seats: 15, Kind: quota.Guarantee}, {Group: "g2", Seats: 4, Kind: quota.Guarantee}}}},
	}
}
