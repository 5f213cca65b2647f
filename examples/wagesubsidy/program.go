package main

import (
	_ "embed"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/lifecycle"
)

// This file and employers.go are what an agency writes: its applicant is a firm.

// Firm is what the program knows of an applicant besides its name, number and account.
type Firm struct {
	Workers []Worker `json:"workers"`
}

// Worker is one line of an employer's file.
type Worker struct {
	Member  string `json:"member"` // number in the social security fund
	Wage    int64  `json:"wage"`   // monthly, in rupiah; zero: not given
	Insured bool   `json:"insured"`
	// Elsewhere: an earlier file has the same worker.
	Elsewhere bool `json:"elsewhere,omitempty"`
}

// The states of a firm's application.
const (
	received   program.State = "received"
	refused    program.State = "refused"
	granted    program.State = "granted"
	closed     program.State = "closed"
	recovering program.State = "recovering"
	recovered  program.State = "recovered"
	referred   program.State = "referred"
)

// claimDays is how long a firm has to pay back.
const claimDays = 60

func table() program.Table {
	from := func(s ...program.State) []program.State { return s }
	do := func(name, arg string) program.Effect { return program.Effect{Name: name, Arg: arg} }
	return program.Table{
		Name: "wage-subsidy", Version: 1, Start: received,
		States: program.States{
			{State: received, Next: lifecycle.Engine, Check: &program.Check{At: "join", Eligible: "passed", Ineligible: "failed", Pending: lifecycle.Stay}},
			{State: refused, Final: true},
			{State: granted, Payable: true, Next: lifecycle.Engine, Check: &program.Check{At: "payout", Eligible: lifecycle.Stay, Ineligible: "found-out", Pending: lifecycle.Stay}},
			{State: closed, Final: true},
			{State: recovering, Next: lifecycle.Applicant, Within: &program.Deadline{Fires: "overdue", Term: calendar.Term{Days: claimDays, Zone: "Asia/Jakarta"}}},
			{State: recovered, Final: true},
			{State: referred, Final: true},
		},
		Moves: program.Moves{
			{On: "passed", From: from(received), To: granted, Do: []program.Effect{do(program.EffectEntitle, "wages"), do(program.EffectNotify, "granted")}},
			{On: "failed", From: from(received), To: refused, Do: []program.Effect{do(program.EffectNotify, "refused")}},
			{On: "new-account", From: from(granted), To: granted},
			{On: "found-out", From: from(granted), To: recovering, Do: []program.Effect{do(program.EffectBar, ""), do(program.EffectNotify, "claim")}},
			{On: "repaid", From: from(recovering), To: recovered},
			{On: "overdue", From: from(recovering), To: referred, Do: []program.Effect{do(program.EffectNotify, "referred")}},
			{On: "finish", From: from(granted), To: closed},
		},
	}
}

var (
	//go:embed policies/firms.json
	firmsJSON []byte
	//go:embed policies/workers.json
	workersJSON []byte
)

// month is the one whose wages count.
var month = calendar.Of(2026, 6, 30)

// workerRules decide about each worker, with package eligibility alone.
func workerRules() (*eligibility.Compiled[Worker], error) {
	s := eligibility.NewSchema[Worker]()
	s.Money("wage", eligibility.IDR(), func(w *Worker) eligibility.Value[int64] {
		if w.Wage == 0 {
			return eligibility.Unknown[int64](eligibility.NotAsked)
		}
		return eligibility.Known(payment.Rupiah(w.Wage).Units)
	})
	s.Bool("insured", func(w *Worker) eligibility.Value[bool] { return eligibility.Known(w.Insured) })
	s.Bool("elsewhere", func(w *Worker) eligibility.Value[bool] { return eligibility.Known(w.Elsewhere) })
	return eligibility.Load(s, workersJSON, nil)
}

// definition is the whole program.
func definition() (*program.Program[Firm], error) {
	workers, err := workerRules()
	if err != nil {
		return nil, err
	}
	covered := func(c *program.Case[Firm]) (n int64) {
		for i := range c.Applicant.Details.Workers {
			if workers.Decide(&c.Applicant.Details.Workers[i], "join", month).Verdict == eligibility.Eligible {
				n++
			}
		}
		return n
	}
	f := program.NewFacts[Firm]()
	f.Int("covered-workers", func(c *program.Case[Firm]) eligibility.Value[int64] { return eligibility.Known(covered(c)) })
	f.Observed("arrears", "social-security", 90)
	policy, err := f.Load(firmsJSON)
	if err != nil {
		return nil, err
	}
	return &program.Program[Firm]{
		ID: "wage-subsidy", Lifecycle: table(), Facts: f, Policy: policy, Zone: "Asia/Jakarta",
		Benefits:  payment.Benefits{payment.PerHead("wages", payment.Rupiah(600_000), 500)},
		Heads:     map[string]func(*program.Case[Firm]) int64{"wages": covered},
		Payees:    program.Payees{SecondLook: true},
		ClaimDays: claimDays,
	}, nil
}
