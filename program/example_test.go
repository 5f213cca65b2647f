package program_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/program/memstore"
)

// The seed grant: a program of one page.

// Farmer is what this agency knows of an applicant besides the identity.
type Farmer struct {
	Hectares int `json:"hectares"`
}

// seedGrant is a whole program: adults get a grant once they show their field.
func seedGrant() *program.Program[Farmer] {
	facts := program.NewFacts[Farmer]()
	return &program.Program[Farmer]{
		ID: "seed-grant", Facts: facts, Zone: "Asia/Jakarta",
		Policy: eligibility.Policy{Name: "seed-grant-2026", Rules: []eligibility.Rule{{
			Code: "adult", Require: facts.BirthDate.AgeAtLeast(18), At: []string{"screen"},
			Basis: eligibility.WithoutArticle("applicants are adults"),
		}}},
		Benefits: payment.Benefits{payment.Instalments("grant", 1, payment.Rupiah(500_000))},
		Guards: map[string]program.Guard[Farmer]{
			"has-field": func(c *program.Case[Farmer], _ program.Moment, why []program.Reason) []program.Reason {
				if c.Applicant.Details.Hectares == 0 {
					why = append(why, program.Reason{Code: "no-field"})
				}
				return why
			},
		},
		Lifecycle: program.Table{
			Name: "seed-grant", Version: 1, Start: "joined",
			States: program.States{
				{State: "joined", Check: &program.Check{At: "screen", Eligible: "passed", Ineligible: "failed", Pending: lifecycle.Stay}},
				{State: "screened"},
				{State: "granted", Final: true, Payable: true},
				{State: "refused", Final: true},
			},
			Moves: program.Moves{
				{On: "passed", From: []program.State{"joined"}, To: "screened"},
				{On: "failed", From: []program.State{"joined"}, To: "refused"},
				{On: "visit", From: []program.State{"screened"}, To: "granted", Needs: []string{"has-field"},
					Do: []program.Effect{{Name: program.EffectEntitle, Arg: "grant"}}},
			},
		},
	}
}

func Example() {
	ctx, now := context.Background(), time.Date(2026, time.March, 2, 2, 0, 0, 0, time.UTC)
	keys, err := program.NewLocalKeyring(make([]byte, 32), rand.Reader) // a real master key is secret
	must(err)
	engine, err := program.NewEngine(seedGrant(), memstore.New(), keys,
		program.Surroundings{Clock: func() time.Time { return now }, Random: rand.Reader}, nil)
	must(err)

	officer := program.By{Actor: "officer"}
	must(engine.Fund(ctx, officer, payment.Rupiah(10_000_000)))
	must(engine.PlanWave(ctx, officer, program.WaveOrder{Number: 1, Opens: now, Closes: now.AddDate(0, 1, 0)}))
	must(engine.OpenWave(ctx, officer, 1))

	// Ani and Budi register and join; Budi has no field.
	ani, err := engine.Register(ctx, officer, farmer("Ani", "3171014101900001", 2))
	must(err)
	budi, err := engine.Register(ctx, officer, farmer("Budi", "3171010101900002", 0))
	must(err)
	_, err = engine.Join(ctx, officer, 1, ani)
	must(err)
	_, err = engine.Join(ctx, officer, 1, budi)
	must(err)

	counts, err := engine.CheckAll(ctx, officer, "screen wave 1", 1, "joined")
	must(err)
	fmt.Println("screened:", counts["state.screened"])

	visit := program.Report{Event: "visit"}
	must(engine.Fire(ctx, officer, 1, ani, visit))
	application, err := engine.Application(ctx, 1, ani)
	must(err)
	fmt.Println("Ani:", application.State)

	err = engine.Fire(ctx, officer, 1, budi, visit)
	var refused *program.RefusedError
	if errors.As(err, &refused) {
		fmt.Println("Budi:", refused.Reasons[0].Code, "says guard", refused.Reasons[0].Guard)
	}
	_, err = engine.Register(ctx, officer, farmer("Ani", "3171014101900001", 2))
	fmt.Println(err)
	// Output:
	// screened: 2
	// Ani: granted
	// Budi: no-field says guard has-field
	// program: registration: National: registered-before
}

func farmer(name, nik string, hectares int) program.Registration[Farmer] {
	return program.Registration[Farmer]{
		Person:  program.Person{Name: identity.NewName(name), National: identity.NewSecret(nik), Birth: calendar.Of(1990, time.January, 1)},
		Details: Farmer{Hectares: hectares},
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
