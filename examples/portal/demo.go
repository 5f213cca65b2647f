package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/quota"
)

// This file makes the demonstration: a wave that was drawn and paid, one that is open, and
// accounts to look at both. Nobody in it exists.

const (
	demoPassword = "demonstrasi-2026"
	demoToken    = "demo-token-for-the-interface"
	// firstFree is the first made person who never takes part: for trying to register.
	firstFree = 200_000
)

type demoAccount struct {
	Login, Is, Kind, ID string
	Roles               []string
}

var demoAccounts = []demoAccount{
	{"siti@contoh.test", "warga: diterima / citizen: accepted, has to buy a course", "citizen", "c-siti", nil},
	{"agus@contoh.test", "warga: ditolak / citizen: not eligible, can object", "citizen", "c-agus", nil},
	{"wati@contoh.test", "warga: pembayaran gagal / citizen: a payment came back", "citizen", "c-wati", nil},
	{"sari@contoh.test", "petugas / officer: waves, cases, prepares payments", "officer", "sari", []string{roleWaves, roleCases, rolePrepare}},
	{"budi@contoh.test", "petugas / officer: waves, cases, approves payments", "officer", "budi", []string{roleWaves, roleCases, roleApprove}},
	{"rahma@contoh.test", "bendahara / officer: releases payments to the bank", "officer", "rahma", []string{roleRelease}},
}

// seedDemo makes the demonstration's data, once for each database: of several processes that start together the first
// makes it, and the others wait. The clock is moved back, and
// goes through the first wave to today.
func (p *portal) seedDemo(ctx context.Context, people int) (fault error) {
	p.tokens[tokenHash(demoToken)] = machineToken{"demo-partner", []string{scopeRead, scopeCases, scopePay}}
	over, err := p.alone(ctx)
	if err != nil {
		return err
	}
	defer func() { fault = errors.Join(fault, over()) }()
	if state, err := p.accounts.setting(ctx, "seeded"); err != nil || state == "yes" {
		return err
	}
	for _, a := range demoAccounts {
		if _, err := p.accounts.signUp(ctx, a.Login, demoPassword, a.Kind, a.ID, a.Roles...); err != nil && err != errLoginTaken {
			return err
		}
	}
	s := &seeding{p: p, ctx: ctx, people: int64(people)}
	defer p.time.moved.Store(0)
	for _, step := range []struct {
		before time.Duration
		do     func() error
	}{
		{20 * day, s.begin}, {19 * day, s.joinFirst}, {12 * day, s.screenFirst}, {11 * day, s.freezeFirst}, {10*day - receiptsFor, s.drawFirst},
		{8 * day, s.buyFirst}, {5 * day, s.certifyFirst}, {3 * day, s.payFirst}, {2 * day, s.settleFirst}, {1 * day, s.openSecond},
	} {
		p.time.moved.Store(int64(-step.before))
		if err := step.do(); err != nil {
			return err
		}
	}
	p.time.moved.Store(0)
	if err := p.seal(ctx); err != nil {
		return err
	}
	return p.accounts.set(ctx, "seeded", "yes")
}

const day = 24 * time.Hour

type seeding struct {
	p      *portal
	ctx    context.Context
	people int64
	// siti has still to buy a course; wati's payment will come back.
	siti, wati uuid.UUID
}

func (s *seeding) by(actor, key string) program.By {
	return program.By{Actor: actor, Key: "demo/" + key}
}

// source gives the made people of a wave.
type madeSource struct {
	from, n int64
	at      time.Time
}

func (m madeSource) Next(ctx context.Context, done int64, limit int) ([]program.Registration[Jobseeker], error) {
	var some []program.Registration[Jobseeker]
	for i := done; i < m.n && len(some) < limit; i++ {
		some = append(some, demoRegistration(m.from+i, m.at))
	}
	return some, ctx.Err()
}

// secondWave is the first made person of the second wave.
const secondWave = 100_000

// demoRegistration is that of a made person. Of the first four of the second wave two share a telephone, and
// two may be one person under two numbers: what the list of referrals is for.
func demoRegistration(i int64, at time.Time) program.Registration[Jobseeker] {
	r := made(i).registration(at)
	switch i {
	case secondWave, secondWave + 1:
		r.Person.Phone = identity.NewSecret("+6280000000001") // no such number
	case secondWave + 3:
		twin := made(secondWave + 2)
		r.Person.Name, r.Person.Birth = identity.NewName("H. "+strings.ToUpper(twin.Name)), twin.Birth
	}
	return r
}

func (s *seeding) begin() error {
	e, now := s.p.engine, s.p.time.now().UTC().Truncate(time.Second)
	seats := s.people * 2 / 5
	plan, err := buildPlan(1, seats)
	if err != nil {
		return err
	}
	if err := e.Fund(s.ctx, s.by("budi", "fund-1"), payment.Rupiah((seats+5)*perRecipient)); err != nil {
		return err
	}
	if err := e.PlanWave(s.ctx, s.by("sari", "plan-1"), program.WaveOrder{Number: 1, Opens: now, Closes: now.Add(8 * day), Plan: plan, AppealSeats: 5}); err != nil {
		return err
	}
	if err := e.OpenWave(s.ctx, s.by("sari", "open-1"), 1); err != nil {
		return err
	}
	_, err = e.RegisterAll(s.ctx, program.By{Actor: "demo"}, "demo register 1", madeSource{0, s.people, now})
	return err
}

func (s *seeding) joinFirst() error {
	_, err := s.p.engine.JoinAll(s.ctx, program.By{Actor: "demo"}, "demo join 1", 1, func(*program.Applicant[Jobseeker]) bool { return true })
	return err
}

func (s *seeding) screenFirst() error {
	if err := s.p.engine.CloseWave(s.ctx, s.by("sari", "close-1"), 1); err != nil {
		return err
	}
	return s.p.jobs.work(s.ctx, "wave-1-screen", "screen", program.By{Actor: "sari"}, jobArgs{Wave: 1})
}

func (s *seeding) freezeFirst() error {
	if err := s.p.jobs.work(s.ctx, "wave-1-leave-out", "leave-out", program.By{Actor: "sari"}, jobArgs{Wave: 1}); err != nil {
		return err
	}
	return s.p.engine.Freeze(s.ctx, s.by("sari", "freeze-1"), 1, freezeOrder(s.p.time.now()))
}

func (s *seeding) drawFirst() error {
	w, err := s.p.engine.Wave(s.ctx, 1)
	if err != nil {
		return err
	}
	digest, err := w.Manifest().Digest()
	if err != nil {
		return err
	}
	seed := &quota.Seed{Manifest: digest, Witnessed: []quota.Reading{{Numbers: madeDice("wave 1"), Witnesses: []string{"sari", "budi"}}}}
	if err := s.p.engine.Draw(s.ctx, s.by("budi", "draw-1"), 1, program.DrawOrder{Seed: seed}); err != nil {
		return err
	}
	return s.p.jobs.work(s.ctx, "wave-1-announce", "announce", program.By{Actor: "sari"}, jobArgs{Wave: 1})
}

// madeDice stands for numbers that two people read. Real ones must not exist before the roll is
// frozen.
func madeDice(name string) []uint32 {
	var numbers []uint32
	for block := 0; len(numbers) < dice; block++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "demonstration dice %s %d", name, block))
		for _, b := range sum {
			if b < 250 && len(numbers) < dice {
				numbers = append(numbers, uint32(b%10))
			}
		}
	}
	return numbers
}

// pick finds a case of the first wave for an account.
func (s *seeding) pick(account string, state program.State, want func(*program.Case[Jobseeker]) bool) (uuid.UUID, error) {
	found := uuid.Nil
	err := s.p.engine.Cases(s.ctx, 1, []program.State{state}, true, func(c *program.Case[Jobseeker]) error {
		if found == uuid.Nil && want(c) {
			found = c.Application.Applicant
		}
		return nil
	})
	if err != nil || found == uuid.Nil {
		return found, err
	}
	have, err := s.p.accounts.byID(s.ctx, account)
	if err != nil || have.Applicant != uuid.Nil {
		return have.Applicant, err
	}
	return found, s.p.accounts.attach(s.ctx, account, found)
}

func (s *seeding) buyFirst() error {
	var err error
	if s.siti, err = s.pick("c-siti", accepted, func(*program.Case[Jobseeker]) bool { return true }); err != nil {
		return err
	}
	if _, err := s.pick("c-agus", ineligible, func(*program.Case[Jobseeker]) bool { return true }); err != nil {
		return err
	}
	siti := s.siti
	if s.wati, err = s.pick("c-wati", accepted, func(c *program.Case[Jobseeker]) bool { return c.Application.Applicant != siti }); err != nil {
		return err
	}
	wati := s.wati
	number := func(c *program.Case[Jobseeker]) string {
		ending := []int{21, 34, 45, 57, 68, 72, 86, 91, 20, 11}[c.Application.Receipt[2]%10]
		if c.Application.Applicant == wati {
			ending = 13
		}
		return fmt.Sprintf("88%06d%02d", int(c.Application.Receipt[0])*3001, ending)
	}
	if _, err := s.p.engine.FireAll(s.ctx, program.By{Actor: "demo"}, "demo link 1", program.FireOrder[Jobseeker]{Wave: 1, States: []program.State{accepted},
		Report: func(c *program.Case[Jobseeker]) (program.Report, bool) {
			return program.Report{Event: relink, Account: &program.Payout{Provider: institutions[c.Application.Receipt[1]%4],
				Account: identity.NewSecret(number(c))}}, c.Application.Applicant != siti
		}}); err != nil {
		return err
	}
	_, err = s.p.engine.FireAll(s.ctx, program.By{Actor: "demo"}, "demo buy 1", program.FireOrder[Jobseeker]{Wave: 1, States: []program.State{accepted}, Sealed: true,
		Report: func(c *program.Case[Jobseeker]) (program.Report, bool) {
			x := courses[int(c.Application.Receipt[3])%len(courses)]
			return program.Report{Event: buy, Party: x.Partner, Amount: payment.Rupiah(x.Price).Units}, c.Application.Applicant == wati || c.Application.Applicant != siti && c.Application.Receipt[4]%5 != 0
		}})
	return err
}

func (s *seeding) certifyFirst() error {
	wati := s.wati
	_, err := s.p.engine.FireAll(s.ctx, program.By{Actor: "kelas-kode"}, "demo certify 1", program.FireOrder[Jobseeker]{Wave: 1, States: []program.State{training}, Sealed: true,
		Report: func(c *program.Case[Jobseeker]) (program.Report, bool) {
			return program.Report{Event: certify, Amount: 100}, c.Application.Applicant == wati || c.Application.Receipt[5]%3 != 0
		}})
	return err
}

func (s *seeding) payFirst() error {
	e := s.p.engine
	order := &program.BatchOrder{Number: 1, Wave: 1, Benefit: "incentive", Instalment: 1}
	if err := s.p.jobs.work(s.ctx, "batch/1/prepare", "prepare", program.By{Actor: "sari"}, jobArgs{Order: order}); err != nil {
		return err
	}
	b, err := e.Batch(s.ctx, 1)
	if err != nil {
		return err
	}
	if err := e.ApproveBatch(s.ctx, s.by("budi", "approve-1"), 1, b.Digest); err != nil {
		return err
	}
	_, sum, err := s.p.bankFile(s.ctx, b)
	if err != nil {
		return err
	}
	return e.SubmitBatch(s.ctx, s.by("rahma", "submit-1"), 1, program.Release{File: sum, To: bankName})
}

func (s *seeding) settleFirst() error {
	b, err := s.p.engine.Batch(s.ctx, 1)
	if err != nil {
		return err
	}
	data, err := s.p.simulateBank(s.ctx, b)
	if err != nil {
		return err
	}
	st, err := readStatement(data)
	if err != nil {
		return err
	}
	_, err = s.p.engine.Reconcile(s.ctx, program.By{Actor: "sari"}, "demo statement 1", st)
	return err
}

func (s *seeding) openSecond() error {
	e, now := s.p.engine, s.p.time.now().UTC().Truncate(time.Second)
	plan, err := buildPlan(2, s.people/2)
	if err != nil {
		return err
	}
	if err := e.Fund(s.ctx, s.by("budi", "fund-2"), payment.Rupiah((s.people/2+5)*perRecipient)); err != nil {
		return err
	}
	if err := e.PlanWave(s.ctx, s.by("sari", "plan-2"), program.WaveOrder{Number: 2, Opens: now, Closes: now.Add(14 * day), Plan: plan, AppealSeats: 5}); err != nil {
		return err
	}
	if err := e.OpenWave(s.ctx, s.by("sari", "open-2"), 2); err != nil {
		return err
	}
	if _, err := e.RegisterAll(s.ctx, program.By{Actor: "demo"}, "demo register 2", madeSource{secondWave, s.people / 2, now}); err != nil {
		return err
	}
	second := map[string]bool{}
	for i := range s.people / 2 {
		second[made(secondWave+i).NIK] = true
	}
	if _, err = e.JoinAll(s.ctx, program.By{Actor: "demo"}, "demo join 2", 2, func(a *program.Applicant[Jobseeker]) bool { return second[a.Person.National.Reveal()] }); err != nil {
		return err
	}
	return s.p.jobs.work(s.ctx, "", jobReferAlike, program.By{Actor: "demo"}, jobArgs{})
}
