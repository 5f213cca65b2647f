package main

import (
	_ "embed"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/program/wording"
)

// This file is what an agency writes: its own details of an applicant, its
// lifecycle, its rules with their basis, its benefits.

// Jobseeker is what the program knows of an applicant besides the identity.
type Jobseeker struct {
	// Ref is the position in the input.
	Ref int64 `json:"ref"`
	// Regency is the code of the domicile, "31.71". It is declared, never read
	// from the NIK, which keeps the place of the first registration.
	Regency string `json:"regency"`
	// Category is "seeker", "laid_off", "worker", "own_account" or "none"; empty if not asked.
	Category string `json:"category"`
	// Affected: on the ministry's list of affected workers.
	Affected bool `json:"affected"`
	// Joins: presses "join" in this wave.
	Joins bool `json:"joins"`
	// Habits says how a made person behaves later.
	Habits string `json:"habits"`
}

const wave4 = 4

// The states of an application.
const (
	joined     program.State = "joined"
	pending    program.State = "pending_evidence"
	inRoll     program.State = "in_roll"
	leftOut    program.State = "left_out"
	ineligible program.State = "ineligible"
	notDrawn   program.State = "not_drawn"
	selected   program.State = "selected"
	lapsed     program.State = "lapsed"
	accepted   program.State = "accepted"
	revoked    program.State = "revoked"
	training   program.State = "in_training"
	certified  program.State = "certified"
	unfinished program.State = "unfinished"
	reviewed   program.State = "reviewed"
	done       program.State = "done"
	recovering program.State = "recovering"
	recovered  program.State = "recovered"
	referred   program.State = "referred"
)

// The events of an application, besides those of the draw.
const (
	passed       program.Event = "passed"
	failed       program.Event = "failed"
	missing      program.Event = "missing"
	leave        program.Event = "leave_out"
	unconfirmed  program.Event = "confirmation_overdue"
	buy          program.Event = "buy"
	overdue      program.Event = "purchase_overdue"
	certify      program.Event = "certify"
	untrained    program.Event = "training_overdue"
	review       program.Event = "review"
	unreviewed   program.Event = "review_overdue"
	survey       program.Event = "survey"
	relink       program.Event = "relink"
	finish       program.Event = "finish"
	foundOut     program.Event = "found_ineligible"
	repaid       program.Event = "repaid"
	recoveryOver program.Event = "recovery_overdue"
)

// afterAcceptance names a set of states.
const afterAcceptance program.State = "after_acceptance"

const jakarta = "Asia/Jakarta"

func from(states ...program.State) []program.State { return states }

func within(days int, fires program.Event) *program.Deadline {
	return &program.Deadline{Fires: fires, Term: calendar.Term{Days: days, CountStart: true, Until: "23:59", Zone: jakarta}}
}

func effect(name, arg string) program.Effect { return program.Effect{Name: name, Arg: arg} }

func notify(template string) program.Effect { return effect(program.EffectNotify, template) }

func table() program.Table {
	seat := program.Holds{program.Seat}
	screen := &program.Check{At: "screen", Eligible: passed, Ineligible: failed, Pending: missing}
	again := &program.Check{At: "screen", Eligible: passed, Ineligible: failed, Pending: lifecycle.Stay}
	accept := &program.Check{At: "accept", Eligible: passed, Ineligible: failed, Pending: lifecycle.Stay}
	payout := &program.Check{At: "payout", Eligible: lifecycle.Stay, Ineligible: foundOut, Pending: lifecycle.Stay}
	do := func(effects ...program.Effect) []program.Effect { return effects }
	return program.Table{
		Name: "prakerja", Version: 1, Start: joined,
		States: program.States{
			{State: joined, Next: lifecycle.Engine, Check: screen},
			{State: pending, Next: lifecycle.Applicant, Check: again},
			{State: inRoll, Next: lifecycle.Engine},
			{State: leftOut, Final: true},
			{State: ineligible, Final: true},
			{State: notDrawn, Final: true},
			{State: selected, Holds: seat, Next: lifecycle.Engine, Within: within(7, unconfirmed), Check: accept},
			{State: lapsed, Final: true},
			{State: accepted, Holds: seat, Next: lifecycle.Applicant, Within: within(30, overdue)},
			{State: revoked, Final: true},
			{State: training, Holds: seat, Next: lifecycle.Partner, Within: within(120, untrained)},
			{State: certified, Holds: seat, Next: lifecycle.Applicant, Within: within(120, unreviewed)},
			{State: unfinished, Holds: seat, Final: true, Keeps: true},
			{State: reviewed, Holds: seat, Payable: true, Next: lifecycle.Applicant, Check: payout},
			{State: done, Holds: seat, Final: true, Keeps: true},
			{State: recovering, Next: lifecycle.Applicant, Within: within(60, recoveryOver)},
			{State: recovered, Final: true},
			{State: referred, Final: true},
		},
		Sets: program.Sets{afterAcceptance: {accepted, training, certified, reviewed}},
		Moves: program.Moves{
			{On: passed, From: from(joined, pending), To: inRoll},
			{On: missing, From: from(joined), To: pending, Do: do(notify("evidence-missing"))},
			{On: failed, From: from(joined, pending), To: ineligible, Do: do(notify("ineligible"))},
			{On: leave, From: from(pending), To: leftOut, Do: do(notify("left-out"))},
			{On: program.Drawn, From: from(inRoll), To: selected},
			{On: program.NotSelected, From: from(inRoll), To: notDrawn, Do: do(notify("not-drawn"))},
			{On: passed, From: from(selected), To: accepted, Do: do(effect(program.EffectEntitle, "training"), notify("accepted"), effect("issue-card", ""))},
			{On: failed, From: from(selected), To: ineligible, Do: do(notify("ineligible"))},
			{On: unconfirmed, From: from(selected), To: lapsed, Do: do(notify("lapsed"))},
			{On: buy, From: from(accepted), To: training, Do: do(effect(program.EffectSpend, "training"), effect(program.EffectConfirmSeat, ""))},
			{On: overdue, From: from(accepted), To: revoked, Do: do(effect(program.EffectLapse, "training"), effect(program.EffectBar, ""), notify("revoked"))},
			{On: certify, From: from(training), To: certified, Needs: []string{"completed"}},
			{On: untrained, From: from(training), To: unfinished},
			{On: review, From: from(certified), To: reviewed, Do: do(effect(program.EffectEntitle, "incentive"))},
			{On: unreviewed, From: from(certified), To: unfinished},
			{On: survey, From: from(reviewed), To: reviewed, Needs: []string{"next-survey"}, Do: do(effect(program.EffectEntitle, "survey"))},
			{On: relink, From: from(reviewed), To: reviewed},
			{On: finish, From: from(reviewed), To: done},
			{On: foundOut, From: from(afterAcceptance), To: recovering, Do: do(effect(program.EffectBar, ""), notify("recovery"))},
			{On: repaid, From: from(recovering), To: recovered},
			{On: recoveryOver, From: from(recovering), To: referred},
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

// nextSurvey: surveys are filled in order, each once.
func nextSurvey(c *program.Case[Jobseeker], _ program.Moment, why []program.Reason) []program.Reason {
	if c.Report.Number != c.Application.Count(survey)+1 {
		return append(why, program.Reason{Code: "survey-out-of-order"})
	}
	return why
}

// issueCard leaves a note in the journal for the service that makes cards.
func issueCard(_ *program.Case[Jobseeker], _ string, out *program.Writer) error {
	out.Note("card")
	return nil
}

//go:embed policies/prakerja-2020.json
var policyJSON []byte

// policy declares the facts that the rules of wave 4 ask about, and loads the rules
// from their file, which carries its own cases.
func policy(f *program.Facts[Jobseeker]) (eligibility.Policy, error) {
	f.Code("category", []string{"seeker", "laid_off", "worker", "own_account", "none"}, func(c *program.Case[Jobseeker]) eligibility.Value[string] {
		if c.Applicant.Details.Category == "" {
			return eligibility.Unknown[string](eligibility.NotAsked)
		}
		return eligibility.Known(c.Applicant.Details.Category)
	})
	f.Observed("citizen", "dukcapil", 0)
	f.Observed("student", "dapodik", 180)
	f.Observed("official", "bkn", 180)
	f.Taken("awards", "once")
	f.Bool("revoked", func(c *program.Case[Jobseeker]) eligibility.Value[bool] {
		return eligibility.Known(c.Applicant.State == program.Barred)
	})
	// The register answers about the citizenship of somebody whose NIK, family card and
	// name it has found together.
	f.Source("dukcapil", 0).Bool("matched", func(c *program.Case[Jobseeker]) eligibility.Observation[bool] {
		switch e := c.Applicant.Evidence["citizen"]; {
		case e.Source != "dukcapil":
			return eligibility.Observation[bool]{}
		case e.Unknown != "":
			return eligibility.Observation[bool]{Value: eligibility.Unknown[bool](eligibility.SourceDown)}
		}
		return eligibility.Observation[bool]{Value: eligibility.Known(true)}
	})
	if _, err := eligibility.Load(f.Schema, policyJSON, nil); err != nil {
		return eligibility.Policy{}, err
	}
	return eligibility.ParsePolicy(policyJSON)
}

//go:embed texts.json
var textsJSON []byte

func definition() (*program.Program[Jobseeker], error) {
	texts, err := wording.ParseTexts(textsJSON)
	if err != nil {
		return nil, err
	}
	f := program.NewFacts[Jobseeker]()
	rules, err := policy(f)
	if err != nil {
		return nil, err
	}
	return &program.Program[Jobseeker]{
		ID: "prakerja", Lifecycle: table(), Facts: f, Policy: rules, Zone: jakarta, Texts: texts,
		Place: func(c *program.Case[Jobseeker]) program.Placement {
			p := program.Placement{Pool: c.Applicant.Details.Regency}
			if c.Applicant.Details.Affected {
				p.Groups = []string{"affected"}
			}
			return p
		},
		Limits: []program.Limit{
			{Name: "once", Per: program.PerPerson, Max: 1, Ever: true, Basis: eligibility.Article("Permenko 11/2020", "17")},
			{Name: "household", Per: program.PerHousehold, Max: 2, Basis: eligibility.WithoutArticle("two recipients per family card")},
		},
		Benefits: benefits(),
		Guards:   map[string]program.Guard[Jobseeker]{"completed": completed, "next-survey": nextSurvey},
		Effects: map[string]program.EffectFunc[Jobseeker]{
			"issue-card": issueCard,
		},
	}, nil
}
