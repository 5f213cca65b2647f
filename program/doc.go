// Package program runs a government program: people register, join a wave, are
// checked against the rules, perhaps drawn, followed through a lifecycle, and
// paid. It is the engine; rules, seats and money are in packages eligibility,
// quota and payment.
//
// # The idea
//
// An agency writes data: a [Program] is a table of states and moves, a policy,
// benefits, limits, and texts. [NewEngine] checks it as a whole and reports every
// fault at once. The [Engine] then carries out commands. Each command reads,
// decides with pure functions, and writes one [Change] to a [Store]: rows,
// ledger postings and a journal entry together, or nothing.
//
// A tiny program, without a draw. Its guard, "has-field", is a function that
// appends its reasons when it refuses:
//
//	facts := program.NewFacts[Farmer]()
//	p := &program.Program[Farmer]{
//		ID: "seed-grant", Facts: facts, Zone: "Asia/Jakarta",
//		Policy: eligibility.Policy{Name: "seed-grant-2026", Rules: []eligibility.Rule{{
//			Code: "adult", Require: facts.BirthDate.AgeAtLeast(18), At: []string{"screen"},
//			Basis: eligibility.WithoutArticle("applicants are adults"),
//		}}},
//		Benefits: payment.Benefits{payment.Instalments("grant", 1, payment.Rupiah(500_000))},
//		Guards:   map[string]program.Guard[Farmer]{"has-field": hasField},
//		Lifecycle: program.Table{
//			Name: "seed-grant", Version: 1, Start: "joined",
//			States: program.States{
//				{State: "joined", Check: &program.Check{At: "screen", Eligible: "passed", Ineligible: "failed", Pending: lifecycle.Stay}},
//				{State: "screened"},
//				{State: "granted", Final: true, Payable: true},
//				{State: "refused", Final: true},
//			},
//			Moves: program.Moves{
//				{On: "passed", From: []program.State{"joined"}, To: "screened"},
//				{On: "failed", From: []program.State{"joined"}, To: "refused"},
//				{On: "visit", From: []program.State{"screened"}, To: "granted", Needs: []string{"has-field"},
//					Do: []program.Effect{{Name: program.EffectEntitle, Arg: "grant"}}},
//			},
//		},
//	}
//	engine, err := program.NewEngine(p, memstore.New(), keys, around, nil)
//
// and one person's way through it, with errors left out:
//
//	officer := program.By{Actor: "officer"}
//	engine.Fund(ctx, officer, payment.Rupiah(10_000_000))
//	engine.PlanWave(ctx, officer, program.WaveOrder{Number: 1, Opens: opens, Closes: closes})
//	engine.OpenWave(ctx, officer, 1)
//	ani, err := engine.Register(ctx, officer, registration)
//	application, err := engine.Join(ctx, officer, 1, ani)
//	counts, err := engine.CheckAll(ctx, officer, "screen wave 1", 1, "joined")
//	err = engine.Fire(ctx, officer, 1, ani, program.Report{Event: "visit"})
//
// When a move is refused, the error is a [RefusedError] with every reason:
//
//	program: visit is not possible in state screened: no-field
//
// The example of this package is this program, whole and runnable.
//
// # Checks decide, and branch
//
// A state may have a [Check]: a stage at which the policy decides. The case then
// goes one of three ways: eligible, ineligible or pending. What is unknown is
// never eligible and never ineligible. [Engine.CheckAll] decides all cases of a
// wave.
//
// # Changing the lifecycle
//
// A changed table gets a new Version, and the old one goes into Earlier: cases that
// stand go on under the version that they began with. [Engine.PreviewMigration]
// counts what moving them would do, [Engine.Migrate] moves them. The store keeps
// every version and refuses another table under its number ([EditionError]).
// [Engine.Options] says what is possible for a case now, and why the rest is not.
//
// # When the process dies
//
// A command is one transaction. Either all of it was written or none: a seat is
// never taken without its case, nor money moved without its journal entry. An
// error that is no refusal means that nobody knows which. Give the command again
// under the same key ([By]); if it was carried out, it is not carried out again.
//
// What concerns many cases is a job: [Engine.RegisterAll], [Engine.JoinAll],
// [Engine.CheckAll], [Engine.Announce], [Engine.FireAll], [Engine.Tick],
// [Engine.PrepareBatch], [Engine.Reconcile], [Engine.Migrate]. A job writes chunks of some
// thousand cases. Each chunk writes the job's own place in the same transaction,
// so it is written once. Call the method again with the same job name, from any
// process: it goes on after the last chunk that was written. A finished job
// returns its counts and does nothing. A job name belongs to one set of
// arguments: with others it is a [KeyConflictError].
//
// # People
//
// What identifies a person, and the agency's own details, are sealed with a key
// for that person, which a [Keyring] wraps. Applicants and cases are named by
// internal ids: in the journal, in accounts, in errors. The pool and the groups
// in which somebody is drawn, the rules that somebody failed, and amounts are
// stored in the clear; so are actors, keys and job names, which therefore should
// say nothing about a person.
//
// # Who knows something of people
//
// A [Verifier] is a partner that is asked about people: a population register. A job asks
// about all whose evidence is missing or old, through a [Caller] that tries again and
// leaves a dead partner in peace:
//
//	caller, err := program.NewCaller(register, time.Now, nil)
//	counts, err := engine.AskVerifier(ctx, officer, "ask the register 1",
//		program.VerifyOrder{Wave: 1, States: []program.State{"joined"}, Caller: caller})
//	fmt.Println("answered:", counts["answered"])
//
// prints, of two people of whom the register knows one,
//
//	answered: 2
//
// The other's evidence is unknown, and a check leaves that case pending. While the
// partner is dead people go on to join. What each call costs is counted before it is made
// ([Engine.Costs], [Called]).
//
// # Duplicates
//
// [Program.Sharing] limits how many registrations share a phone, a device or an officer.
// [Engine.FindAlike] finds people who may be one, [Engine.ReferAlike] puts them on a list
// and [Engine.JudgeReferral] is how an officer judges them.
//
// # Beside the cases
//
// A [Record] is what the agency keeps beside the cases, without personal data. Records are
// written with a step ([Report.Attached]) or by themselves ([Engine.Attach]). Package
// training is built on them.
//
// # The journal
//
// Every change writes an entry to the journal. [Follow] hands entries to a reader,
// at least once and in order; [CloudEvent] makes events of them. [OpenLog] seals
// them in a transparency log, whose signed checkpoints let anybody find out later
// whether history was changed.
//
// # Time and chance
//
// The engine takes the time and randomness from the [Surroundings] that it is
// given. A deadline passes when [Engine.Tick] is called after it: the engine
// starts no timers. [Engine.NextDue] says when the next one is.
package program
