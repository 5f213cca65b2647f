package program_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/memstore"
	"github.com/gelombang/gelombang/quota"
)

// replay gives commands under keys, remembers their answers, and gives all of them again
// once each has changed the world of those before.
type replay struct {
	t     *testing.T
	given []givenOnce
}

type givenOnce struct {
	name   string
	again  func(program.By) (any, error)
	by     program.By
	answer any
}

// give gives a command: what it is called begins with the engine's method.
func (r *replay) give(actor, name string, do func(program.By) (any, error)) any {
	r.t.Helper()
	by := program.By{Actor: actor, Key: name}
	answer, err := do(by)
	require.NoError(r.t, err, name)
	r.given = append(r.given, givenOnce{name, do, by, answer})
	return answer
}

// none is give for a command without an answer.
func (r *replay) none(actor, name string, do func(program.By) error) {
	r.t.Helper()
	r.give(actor, name, func(by program.By) (any, error) { return nil, do(by) })
}

// repeat gives everything again, in order: the answers are the same, and nothing is written.
func (r *replay) repeat(store program.Store, covered map[string]bool) {
	r.t.Helper()
	entries := func() int {
		all, err := store.Journal(r.t.Context(), 0, 100_000)
		require.NoError(r.t, err)
		return len(all)
	}
	before := entries()
	for _, g := range r.given {
		answer, err := g.again(g.by)
		require.NoError(r.t, err, "%s, again", g.name)
		require.Equal(r.t, g.answer, answer, g.name)
		name, _, _ := strings.Cut(g.name, " ")
		covered[name] = true
	}
	require.Equal(r.t, before, entries(), "what is repeated writes nothing")
}

// notRepeated are the engine's methods that are no commands under a key, and why.
var notRepeated = map[string]string{
	"Refill": "several commands, without a key", "ReferAlike": "several commands, without a key", "OwnFile": "each time is a new one, and in the journal",
	"SendBatch": "calls a provider, whose answers count", "AskBatch": "calls a provider, whose answers count", "UploadBatch": "calls a bank, whose answers count",
	"TakeNotice": "what a provider says, which is judged by itself", "TakeFileAnswer": "what a bank says, which is judged by itself",
	// Jobs are known by their names, and a finished one gives its counts:
	// TestTheSecondRunChangesNothing.
	"RegisterAll": "job", "JoinAll": "job", "CheckAll": "job", "Announce": "job", "FireAll": "job", "Tick": "job", "PrepareBatch": "job", "Reconcile": "job",
	"EraseAll": "job", "DropBars": "job", "RotateKeys": "job", "RetireKeys": "job", "ObserveAll": "job", "CheckAccounts": "job", "AskVerifier": "job",
	"CollectVerifier": "job", "TakeAnswers": "job", "Migrate": "job", "LapseBalances": "job", "LapseEntitlements": "job", "MarkUnknown": "job",
}

// A command that was carried out is answered as the first time, whatever became of the
// world since: before anything else is looked at.
func TestEveryCommandIsAnsweredAsTheFirstTime(t *testing.T) {
	covered := map[string]bool{}
	t.Run("a wave and its payments", func(t *testing.T) { repeatAWave(t, covered) })
	t.Run("people", func(t *testing.T) { repeatPeople(t, covered) })
	t.Run("seats", func(t *testing.T) { repeatSeats(t, covered) })
	t.Run("a verifier", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { repeatQuestions(t, covered) })
	})
	var missing []string
	engine := reflect.TypeFor[*program.Engine[details]]()
	for i := range engine.NumMethod() {
		m := engine.Method(i)
		for in := range m.Type.NumIn() {
			if m.Type.In(in) == reflect.TypeFor[program.By]() && !covered[m.Name] && notRepeated[m.Name] == "" {
				missing = append(missing, m.Name)
			}
		}
	}
	require.Empty(t, missing, "commands that are not repeated here")
}

func repeatAWave(t *testing.T, covered map[string]bool) {
	ctx, r := t.Context(), &replay{t: t}
	s := newStory(memstore.New())
	s.until = 19
	s.payees.SecondLook = true
	require.NoError(t, s.run(t))
	s.now = day(20)
	e := s.engine(t)
	cash := func(n int64) program.BatchOrder {
		return program.BatchOrder{Number: n, Wave: 1, Benefit: "cash", Instalment: 1, Again: n > 1}
	}
	prepare := func(n int64) program.Batch {
		_, err := e.PrepareBatch(ctx, actor("preparer"), cash(n))
		require.NoError(t, err)
		b, err := e.Batch(ctx, n)
		require.NoError(t, err)
		return b
	}
	prepare(1)
	hold := func(items ...int64) {
		r.give("auditor", fmt.Sprint("HoldPayments ", items), func(by program.By) (any, error) { return e.HoldPayments(ctx, by, 1, items, "a letter") })
	}
	hold(1)
	hold(2, 3)
	b, err := e.Batch(ctx, 1)
	require.NoError(t, err)
	r.none("approver", "ApproveBatch", func(by program.By) error { return e.ApproveBatch(ctx, by, 1, b.Digest) })
	for _, who := range []string{"one", "two"} {
		r.give(who, "Resolve "+who, func(by program.By) (any, error) {
			return e.Resolve(ctx, by, program.Resolve{Batch: 1, Item: 2, As: program.ReleaseEntitlement, Evidence: "letter 7"})
		})
	}
	r.give("approver", "CancelBatch", func(by program.By) (any, error) { return e.CancelBatch(ctx, by, 1, "wrong month") })
	second := prepare(2)
	require.Positive(t, second.Count)
	require.NoError(t, e.ApproveBatch(ctx, actor("approver"), 2, second.Digest))
	release := program.Release{File: [32]byte{1}, To: "BANK"}
	r.none("releaser", "SubmitBatch", func(by program.By) error { return e.SubmitBatch(ctx, by, 2, release) })
	require.NoError(t, s.pay(ctx, e, program.BatchOrder{Number: 9, Wave: 1, Benefit: "cash", Instalment: 1, Again: true}, 0))
	r.given = append(r.given, givenOnce{name: "CloseBatch", by: program.By{Actor: "preparer", Key: "close-9"}, // by pay
		again: func(by program.By) (any, error) { return nil, e.CloseBatch(ctx, by, 9) }})

	r.none("treasury", "Fund", func(by program.By) error { return e.Fund(ctx, by, payment.Rupiah(1)) })
	r.none("treasury", "ReturnFunds", func(by program.By) error { return e.ReturnFunds(ctx, by, 2020, payment.Rupiah(1)) })
	r.none("desk", "CountCall", func(by program.By) error {
		return e.CountCall(ctx, by, program.Call{Source: "bkn", Purpose: "official", People: 1, Cost: payment.Rupiah(1)})
	})
	record := program.Record{Kind: "note", Name: "one", Body: []byte(`{}`)}
	r.none("desk", "Attach", func(by program.By) error {
		return e.Attach(ctx, by, program.Attached{Records: []program.Record{record}})
	})

	// A job that broke off.
	_, err = e.RegisterAll(ctx, by, "late", brokenSource{})
	require.ErrorIs(t, err, errPower)
	r.none("officer", "PauseJob", func(by program.By) error { return e.PauseJob(ctx, by, "late") })
	r.none("officer", "ResumeJob", func(by program.By) error { return e.ResumeJob(ctx, by, "late") })
	r.none("officer", "StopJob", func(by program.By) error { return e.StopJob(ctx, by, "late") })
	r.repeat(s.store, covered)
	s.verify(t)
}

func repeatPeople(t *testing.T, covered map[string]bool) {
	ctx, r := t.Context(), &replay{t: t}
	s, e, out := appealStory(t, 1, false)
	who := out[0]
	ann := r.give("desk", "Register", func(by program.By) (any, error) { return e.Register(ctx, by, madePerson(200)) }).(uuid.UUID)
	amend := func(name string, correct func(*program.Person, *details)) {
		r.none("desk", "Amend "+name, func(by program.By) error {
			return e.Amend(ctx, by, ann, program.Correction[details]{Reason: "as on the card", Correct: correct})
		})
	}
	amend("the name", func(p *program.Person, _ *details) { p.Name = identity.NewName("Ann") })
	amend("the name again", func(p *program.Person, _ *details) { p.Name = identity.NewName("Anna") })
	amend("details", func(_ *program.Person, d *details) { d.Pool = "south" })
	amend("the birth", func(p *program.Person, _ *details) { p.Birth = calendar.Of(1991, 5, 2) })
	for i, official := range []bool{true, false} {
		seen := s.now
		r.none("desk", fmt.Sprint("Observe ", i), func(by program.By) error {
			return e.Observe(ctx, by, ann, map[string]program.Evidence{"official": {Source: "bkn", Seen: seen, Value: official}})
		})
	}
	appeal := r.give("desk", "FileAppeal", func(by program.By) (any, error) { return e.FileAppeal(ctx, by, 1, who, "not so") }).(int64)
	r.none("judge", "DecideAppeal", func(by program.By) error { return e.DecideAppeal(ctx, by, 1, who, appeal, true, "so it is") })
	_, err := e.FileAppeal(ctx, by, 1, out[1], "not so")
	require.NoError(t, err)
	r.none("desk", "WithdrawAppeal", func(by program.By) error { return e.WithdrawAppeal(ctx, by, 1, out[1], 1) })
	buy := program.Report{Event: "buy", Amount: payment.Rupiah(400).Units, Party: "shop", Account: &program.Payout{Provider: "BANK", Account: identity.NewSecret("first")}}
	r.none("shop", "Fire", func(by program.By) error { return e.Fire(ctx, by, 1, who, buy) })
	r.none("desk", "Fire another account", func(by program.By) error {
		return e.Fire(ctx, by, 1, who, program.Report{Event: "relink", Account: &program.Payout{Provider: "BANK", Account: identity.NewSecret("second")}})
	})
	r.none("clerk", "ConfirmAccount", func(by program.By) error { return e.ConfirmAccount(ctx, by, who, "a letter") })
	require.NoError(t, e.Fire(ctx, by, 1, who, program.Report{Event: "finish"}))

	referral := r.give("desk", "Refer", func(by program.By) (any, error) {
		got, err := e.Refer(ctx, by, []uuid.UUID{ann, who}, []string{"phone"}, 1)
		return got.ID, err
	}).(string)
	r.none("judge", "JudgeReferral", func(by program.By) error {
		return e.JudgeReferral(ctx, by, referral, program.ReferralDismissed, "brothers")
	})
	r.none("desk", "Withdraw", func(by program.By) error { return e.Withdraw(ctx, by, ann) })
	r.none("desk", "Return", func(by program.By) error { return e.Return(ctx, by, ann) })

	// Somebody who does not buy in time is barred, and may come again.
	late := r.give("desk", "Register another", func(by program.By) (any, error) { return e.Register(ctx, by, madePerson(300)) }).(uuid.UUID)
	require.NoError(t, e.Withdraw(ctx, by, late))
	s.now = day(6)
	draws(t, s, e, 1)
	s.now = s.now.AddDate(0, 0, 12)
	_, err = e.Tick(ctx, by, "overdue", 1)
	require.NoError(t, err)
	var barred uuid.UUID
	for _, id := range everybody(t, s.store) {
		if a, err := e.Applicant(ctx, id); err == nil && a.State == program.Barred {
			barred = id
		}
	}
	require.NotZero(t, barred)
	r.none("officer", "Reinstate", func(by program.By) error { return e.Reinstate(ctx, by, barred) })

	s.now = day(21)
	r.none("planner", "OpenWave", func(by program.By) error { return e.OpenWave(ctx, by, 2) })
	r.give("desk", "Join", func(by program.By) (any, error) {
		a, err := e.Join(ctx, by, 2, ann)
		return a.Receipt, err
	})
	s.now = day(25)
	r.none("planner", "CloseWave", func(by program.By) error { return e.CloseWave(ctx, by, 2) })
	r.none("desk", "Erase", func(by program.By) error { return e.Erase(ctx, by, late) })
	// Of who was erased nothing can be compared any more: see TestNoGuessCanBeTriedAboutWhoWasErased.
	r.given = slices.DeleteFunc(r.given, func(g givenOnce) bool { return g.name == "Register another" })
	r.repeat(s.store, covered)
}

// draws freezes, draws and announces a wave.
func draws(t *testing.T, s *story, e *program.Engine[details], wave int64) {
	ctx := t.Context()
	require.NoError(t, e.Freeze(ctx, by, wave, program.FreezeOrder{Number: 1, Source: quota.Source{Beacon: &quota.Beacon{Name: "test", Chain: "test", Round: 7}}}))
	s.now = s.now.AddDate(0, 0, 1)
	require.NoError(t, s.draw(ctx, e, by))
	_, err := e.Announce(ctx, by, "announce", wave)
	require.NoError(t, err)
}

func repeatSeats(t *testing.T, covered map[string]bool) {
	ctx, r := t.Context(), &replay{t: t}
	s := newStory(memstore.New())
	s.now = day(1)
	e, err := s.engineOf(t, waitingProgram())
	require.NoError(t, err)
	job := func(_ program.Counts, err error) { require.NoError(t, err) }
	require.NoError(t, e.Fund(ctx, by, payment.Rupiah(100_000)))
	job(e.RegisterAll(ctx, by, "register", people{n: 120}))
	r.none("planner", "PlanWave", func(by program.By) error {
		return e.PlanWave(ctx, by, program.WaveOrder{Number: 1, Opens: day(1), Closes: day(2), Plan: waitingPlan(100)})
	})
	require.NoError(t, e.OpenWave(ctx, by, 1))
	job(e.JoinAll(ctx, by, "join", 1, nil))
	s.now = day(3)
	require.NoError(t, e.CloseWave(ctx, by, 1))
	job(e.CheckAll(ctx, by, "screen", 1, "joined"))
	r.none("planner", "Freeze", func(by program.By) error {
		return e.Freeze(ctx, by, 1, program.FreezeOrder{Number: 1, Source: quota.Source{Beacon: &quota.Beacon{Name: "test", Chain: "test", Round: 7}}})
	})
	s.now = day(4)
	r.none("planner", "Draw", func(by program.By) error { return s.draw(ctx, e, by) })
	job(e.Announce(ctx, by, "announce", 1))
	s.now = day(16)
	job(e.Tick(ctx, by, "overdue", 1))
	r.give("clerk", "Promote", func(by program.By) (any, error) {
		return e.Promote(ctx, by, 1, program.PromoteOrder{Pool: "north", Seats: 2})
	})
	later := waitingPlan(0)
	require.NoError(t, e.PlanWave(ctx, by, program.WaveOrder{Number: 2, Opens: day(16), Closes: day(17), Plan: later}))
	r.give("planner", "CarryOver", func(by program.By) (any, error) { return e.CarryOver(ctx, by, 1, 2, "south") })
	require.NoError(t, e.OpenWave(ctx, by, 2))
	s.now = day(20)
	require.NoError(t, e.CloseWave(ctx, by, 2))
	r.repeat(s.store, covered)

	s = newStory(memstore.New())
	s.now, r.given = day(1), nil
	desk, err := s.engineOf(t, admittingProgram())
	require.NoError(t, err)
	require.NoError(t, desk.PlanWave(ctx, by, program.WaveOrder{Number: 1, Opens: day(1), Legal: calendar.Of(2026, 1, 1), Plan: admittingPlan(quota.OpenFirst, "")}))
	require.NoError(t, desk.OpenWave(ctx, by, 1))
	job(desk.RegisterAll(ctx, by, "register", people{n: 40}))
	job(desk.JoinAll(ctx, by, "join", 1, nil))
	job(desk.CheckAll(ctx, by, "check", 1, "joined"))
	for n := range 2 {
		r.give("clerk", fmt.Sprint("Admit ", n), func(by program.By) (any, error) { return desk.Admit(ctx, by, 1, 2) })
	}
	require.NoError(t, desk.CloseWave(ctx, by, 1))
	r.repeat(s.store, covered)
}

func repeatQuestions(t *testing.T, covered map[string]bool) {
	ctx, r, q := t.Context(), &replay{t: t}, newInquiry(t, 6)
	who := everybody(t, q.store)[1]
	first := r.give("desk", "AskVerifierAbout", func(by program.By) (any, error) { return q.e.AskVerifierAbout(ctx, by, who, q.caller) })
	require.NotEmpty(t, first)
	q.now = q.now.AddDate(0, 0, 3)
	q.joinAll()
	_, err := q.sweep("ask")
	require.NoError(t, err)
	r.repeat(q.store, covered)
}

// brokenSource gives nobody.
type brokenSource struct{}

func (brokenSource) Next(context.Context, int64, int) ([]program.Registration[details], error) {
	return nil, errPower
}
