package main

import (
	"crypto/ed25519"
	_ "embed"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/program/training"
	"github.com/gelombang/gelombang/quota"
)

// This file is what an agency writes.

// Official is what the program knows of a civil servant besides the identity.
type Official struct {
	Agency string `json:"agency"` // a pool of the plan
	Group  string `json:"group"`  // the rank group, "II", "III" or "IV"
}

// The states of an application.
const (
	nominated program.State = "nominated"
	refused   program.State = "refused"
	waiting   program.State = "waiting"
	admitted  program.State = "admitted"
	lapsed    program.State = "lapsed"
	enrolled  program.State = "enrolled"
	dropped   program.State = "dropped"
	completed program.State = "completed"
	certified program.State = "certified"
)

func within(days int, fires program.Event) *program.Deadline {
	return &program.Deadline{Fires: fires, Term: calendar.Term{Days: days, Zone: "Asia/Jakarta"}}
}

func table() program.Table {
	from := func(s ...program.State) []program.State { return s }
	tell := func(what string) program.Effect { return program.Effect{Name: program.EffectNotify, Arg: what} }
	seat := program.Holds{program.Seat}
	return program.Table{
		Name: "asn-training", Version: 1, Start: nominated,
		States: program.States{
			{State: nominated, Next: lifecycle.Officer, Check: &program.Check{At: "join", Eligible: "passed", Ineligible: "failed", Pending: lifecycle.Stay}},
			{State: refused, Final: true},
			{State: waiting, Next: lifecycle.Engine},
			{State: admitted, Holds: seat, Next: lifecycle.Applicant, Within: within(10, "not-enrolled")},
			{State: lapsed, Final: true},
			{State: enrolled, Holds: seat, Next: lifecycle.Partner, Within: within(60, "not-finished")},
			{State: dropped, Final: true},
			{State: completed, Holds: seat, Next: lifecycle.Officer},
			{State: certified, Holds: seat, Final: true, Keeps: true},
		},
		Moves: program.Moves{
			{On: "passed", From: from(nominated), To: waiting},
			{On: "failed", From: from(nominated), To: refused, Do: []program.Effect{tell("refused")}},
			{On: program.Admitted, From: from(waiting), To: admitted, Do: []program.Effect{tell("admitted")}},
			{On: "not-enrolled", From: from(admitted), To: lapsed, Do: []program.Effect{tell("lapsed")}},
			{On: "enrol", From: from(admitted), To: enrolled, Do: []program.Effect{{Name: program.EffectConfirmSeat}}},
			{On: "complete", From: from(enrolled), To: completed},
			{On: "not-finished", From: from(enrolled), To: dropped, Do: []program.Effect{tell("dropped")}},
			{On: "certify", From: from(completed), To: certified, Do: []program.Effect{tell("certificate")}},
		},
	}
}

//go:embed policies/asn.json
var policyJSON []byte

func definition() (*program.Program[Official], error) {
	f := program.NewFacts[Official]()
	f.Observed("active", "personnel-register", 30)
	f.Observed("nominated", "superior", 0)
	policy, err := f.Load(policyJSON)
	if err != nil {
		return nil, err
	}
	return &program.Program[Official]{
		ID: "asn-training", Lifecycle: table(), Facts: f, Policy: policy, Zone: "Asia/Jakarta",
		Place: func(c *program.Case[Official]) program.Placement {
			p := program.Placement{Pool: c.Applicant.Details.Agency}
			if c.Applicant.Details.Group == "II" {
				p.Groups = []string{"group-2"}
			}
			return p
		},
		Limits: []program.Limit{{Name: "once", Per: program.PerPerson, Max: 1}},
	}, nil
}

// plan: seats by agency, one in each of two set aside for rank group II. Of one tier,
// whoever was nominated first comes first.
func plan() *quota.Plan {
	group2 := []quota.Reserve{{Group: "group-2", Seats: 1, Kind: quota.SetAside, Unfilled: quota.Keep}}
	return &quota.Plan{
		Name: "asn-training-2026", Ticket: quota.PerPerson, Tiers: 1, Order: quota.ReservedFirst, Limits: []string{"once"},
		Groups: []quota.Group{{Code: "group-2", Meaning: quota.ForPublic, Public: "Rank group II"}},
		Pools:  []quota.Pool{{ID: "health", Seats: 3, Reserves: group2}, {ID: "religion", Seats: 2, Reserves: group2}, {ID: "statistics", Seats: 1}},
	}
}

// partners are a platform, whose call-backs the key verifies, and two institutions, of
// which it owns one: that one's courses it must not sell.
func partners(key ed25519.PublicKey) training.Setup {
	return training.Setup{
		Zone:   "Asia/Jakarta",
		Events: training.Events{Bought: "enrol", Completed: "complete", Certified: "certify"},
		Rules:  training.Rules{MinHours: 15, MinReview: 600, Control: 250},
		Partners: []training.Partner{
			{ID: "belajar", Kind: training.PlatformKind, Name: "Belajar", Key: key},
			{ID: "academy", Kind: training.Institution, Name: "Academy"},
			{ID: "daughter", Kind: training.Institution, Name: "Daughter"},
		},
		Stakes: []training.Stake{{Owner: "belajar", Owned: "daughter", PerMille: 400}},
	}
}

// literacy is the course that everybody takes.
func literacy(institution string) training.Course {
	return training.Course{ID: "digital-literacy-" + institution, Platform: "belajar", Institution: institution, Title: "Digital literacy for civil servants", Mode: training.Online,
		Hours: 20, Sessions: 4, Capacity: 100, Review: 800, From: calendar.Of(2026, 1, 1), Until: calendar.Of(2026, 12, 31)}
}
