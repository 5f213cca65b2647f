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

// Kiosk is what the agency knows of an applicant besides the identity.
type Kiosk struct {
	District string `json:"district"`
	Turnover int64  `json:"turnover"` // a month, in rupiah; zero: not shown
}

func table() program.Table {
	from := func(s ...program.State) []program.State { return s }
	seat := program.Holds{program.Seat}
	return program.Table{
		Name: "kiosk-grant", Version: 1, Start: "joined",
		States: program.States{
			{State: "joined", Next: lifecycle.Engine,
				Check: &program.Check{At: "join", Eligible: "passed", Ineligible: "failed", Pending: lifecycle.Stay}},
			{State: "refused", Final: true},
			{State: "waiting", Next: lifecycle.Engine},
			{State: "admitted", Holds: seat, Next: lifecycle.Officer,
				Within: &program.Deadline{Fires: "not-seen", Term: calendar.Term{Days: 30, Zone: "Asia/Jakarta"}}},
			{State: "missed", Final: true},
			{State: "granted", Holds: seat, Payable: true, Final: true, Keeps: true},
		},
		Moves: program.Moves{
			{On: "passed", From: from("joined"), To: "waiting"},
			{On: "failed", From: from("joined"), To: "refused"},
			{On: program.Admitted, From: from("waiting"), To: "admitted"},
			{On: "visit", From: from("admitted"), To: "granted", Needs: []string{"two-photos"},
				Do: []program.Effect{{Name: program.EffectConfirmSeat}, {Name: program.EffectEntitle, Arg: "grant"}}},
			{On: "not-seen", From: from("admitted"), To: "missed"},
		},
	}
}

// twoPhotos: whoever visits a kiosk brings two photos of it.
func twoPhotos(c *program.Case[Kiosk], _ program.Moment, why []program.Reason) []program.Reason {
	if c.Report.Amount < 2 {
		why = append(why, program.Reason{Code: "photos-missing"})
	}
	return why
}

//go:embed policy.json
var policyJSON []byte

func policy(f *program.Facts[Kiosk]) (eligibility.Policy, error) {
	f.Money("turnover", eligibility.IDR(), func(c *program.Case[Kiosk]) eligibility.Value[int64] {
		if c.Applicant.Details.Turnover == 0 {
			return eligibility.Unknown[int64](eligibility.NotAsked)
		}
		return eligibility.Known(payment.Rupiah(c.Applicant.Details.Turnover).Units)
	})
	return f.Load(policyJSON)
}

func plan() *quota.Plan {
	return &quota.Plan{Name: "kiosk-grant-2026", Ticket: quota.PerPerson, Tiers: 1,
		Pools: []quota.Pool{{ID: "north", Seats: 1}, {ID: "south", Seats: 1}}}
}

func kioskGrant() (*program.Program[Kiosk], error) {
	f := program.NewFacts[Kiosk]()
	rules, err := policy(f)
	if err != nil {
		return nil, err
	}
	return &program.Program[Kiosk]{
		ID: "kiosk-grant", Lifecycle: table(), Facts: f, Policy: rules, Zone: "Asia/Jakarta",
		Place: func(c *program.Case[Kiosk]) program.Placement {
			return program.Placement{Pool: c.Applicant.Details.District}
		},
		Limits:   []program.Limit{{Name: "once", Per: program.PerPerson, Max: 1, Ever: true}},
		Benefits: payment.Benefits{payment.Instalments("grant", 2, payment.Rupiah(750_000)).Monthly()},
		Guards:   map[string]program.Guard[Kiosk]{"two-photos": twoPhotos},
	}, nil
}
