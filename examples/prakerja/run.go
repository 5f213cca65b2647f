package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/quota"
)

// The officers and partners of the demonstration.
const (
	registrar = "registrar"
	planner   = "officer.planning"
	preparer  = "officer.payments"
	approver  = "officer.treasury"
	releaser  = "officer.cashier"
	partner   = "platform.pijar"
	source    = "source.bkn"
	clockwork = "clock"
)

// perRecipient is what one recipient can get, in rupiah: the training, four
// instalments and three surveys.
const perRecipient = 1_000_000 + 4*600_000 + 3*50_000

// run carries out a whole wave. Every step is a command or a job that knows
// whether it was done before: so after a crash the same run continues.
type run struct {
	engine   *program.Engine[Jobseeker]
	clock    *movedClock
	people   program.Source[Jobseeker]
	total    int64 // people in the source, -1 if unknown
	seed     uint64
	plan     *quota.Plan
	progress *progress
	bank     *bank
	habits   map[uuid.UUID]string
	counts   map[string]program.Counts // by job
	fresh    bool                      // whether this run did anything

	definition *program.Program[Jobseeker]
	geo        *geography
	started    time.Time
}

// movedClock tells the time of the story, which the run moves from step to
// step.
type movedClock struct{ now time.Time }

func (c *movedClock) tell() time.Time { return c.now }

func wib(month time.Month, day, hour int) time.Time {
	year := 2020
	if month < time.June {
		year = 2021
	}
	return time.Date(year, month, day, hour, 0, 0, 0, time.FixedZone("WIB", 7*3600)).UTC()
}

// step is one line of the story: when it happens, and what.
type step struct {
	name string
	at   time.Time
	do   func(context.Context, string) error
}

func (r *run) steps() []step {
	story := []step{
		{"register", wib(time.August, 7, 9), r.register},
		{"plan the wave", wib(time.August, 7, 20), r.planWave},
		{"open the wave", wib(time.August, 8, 12), r.command(program.By{Actor: planner, Key: "open-4"}, r.engine.OpenWave)},
		{"join", wib(time.August, 10, 12), r.join},
		{"close the wave", wib(time.August, 13, 0), r.command(program.By{Actor: planner, Key: "close-4"}, r.engine.CloseWave)},
		{"screen", wib(time.August, 13, 9), r.check(joined)},
		{"leave out", wib(time.August, 14, 9), r.leaveOut},
		{"freeze the roll", wib(time.August, 14, 12), r.freeze},
		{"draw", wib(time.August, 15, 12), r.draw},
		{"announce", wib(time.August, 15, 18), r.announce},
		{"accept", wib(time.August, 16, 9), r.check(selected)},
		{"buy training", wib(time.August, 25, 9), r.buy},
		{"revoke", wib(time.September, 16, 1), r.tick("revoke")},
		{"certify", wib(time.October, 1, 9), r.certify},
		{"review", wib(time.October, 5, 9), r.review},
		{"ask sources again", wib(time.October, 12, 9), r.askAgain},
	}
	story = append(story, r.payments()...)
	return append(story,
		step{"finish", wib(time.February, 15, 9), r.finish},
		step{"overdue trainings", wib(time.March, 15, 9), r.tick("overdue trainings")},
	)
}

func (r *run) all(ctx context.Context) error {
	for _, s := range r.steps() {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.clock.now = s.at
		if err := s.do(ctx, s.name); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// job runs one job of the story with a progress stage.
func (r *run) job(ctx context.Context, name string, total int64, work func() (program.Counts, error)) (program.Counts, error) {
	before, finished, err := r.engine.JobStatus(ctx, name)
	if err != nil && !errors.Is(err, program.ErrNotFound) {
		return nil, err
	}
	if finished {
		r.counts[name] = before
		return before, nil
	}
	if err := r.begin(); err != nil {
		return nil, err
	}
	r.progress.stage(name, total)
	counts, err := work()
	if err != nil {
		return counts, err
	}
	r.progress.advance(counts["done"])
	r.progress.finish()
	r.counts[name] = counts
	return counts, nil
}

// begin notes that there is work to do: the report of an earlier run no longer
// holds.
func (r *run) begin() error {
	if r.fresh {
		return nil
	}
	r.fresh = true
	err := os.Remove(filepath.Join(r.bank.folder, reportFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func (r *run) command(by program.By, do func(context.Context, program.By, int64) error) func(context.Context, string) error {
	return func(ctx context.Context, _ string) error { return do(ctx, by, wave4) }
}

func (r *run) register(ctx context.Context, name string) error {
	_, err := r.job(ctx, name, r.total, func() (program.Counts, error) {
		return r.engine.RegisterAll(ctx, program.By{Actor: registrar}, name, r.people)
	})
	return err
}

func (r *run) planWave(ctx context.Context, _ string) error {
	order := program.WaveOrder{Number: wave4, Opens: wib(time.August, 8, 12), Closes: wib(time.August, 13, 0), Plan: r.plan}
	if err := r.engine.PlanWave(ctx, program.By{Actor: planner, Key: "plan-4"}, order); err != nil {
		return err
	}
	var seats int64
	for _, p := range r.plan.Pools {
		seats += p.Seats
	}
	return r.engine.Fund(ctx, program.By{Actor: approver, Key: "fund-4"}, payment.Rupiah(seats*perRecipient))
}

func (r *run) join(ctx context.Context, name string) error {
	_, err := r.job(ctx, name, r.counts["register"]["registered"], func() (program.Counts, error) {
		return r.engine.JoinAll(ctx, program.By{Actor: registrar}, name, wave4, func(a *program.Applicant[Jobseeker]) bool { return a.Details.Joins })
	})
	return err
}

func (r *run) check(state program.State) func(context.Context, string) error {
	return func(ctx context.Context, name string) error {
		_, err := r.job(ctx, name, r.in(state), func() (program.Counts, error) {
			return r.engine.CheckAll(ctx, program.By{Actor: "policy"}, name, wave4, state)
		})
		return err
	}
}

// in says how many cases came into a state so far, for the progress bar.
func (r *run) in(state program.State) int64 {
	var n int64
	for _, counts := range r.counts {
		n += counts["state."+string(state)]
	}
	return n
}

// report tells what somebody reports about the cases in some states.
func (r *run) report(ctx context.Context, name, actor string, of []program.State, sealed bool, what func(*program.Case[Jobseeker]) (program.Report, bool)) error {
	var total int64
	for _, s := range of {
		total += r.in(s)
	}
	_, err := r.job(ctx, name, total, func() (program.Counts, error) {
		return r.engine.FireAll(ctx, program.By{Actor: actor}, name, program.FireOrder[Jobseeker]{Wave: wave4, States: of, Sealed: sealed, Report: what})
	})
	return err
}

func (r *run) leaveOut(ctx context.Context, name string) error {
	return r.report(ctx, name, planner, []program.State{pending}, true, func(*program.Case[Jobseeker]) (program.Report, bool) {
		return program.Report{Event: leave}, true
	})
}

// freeze names the randomness in advance: numbers that two witnesses will
// read. In the demonstration they follow from -seed.
func (r *run) freeze(ctx context.Context, name string) error {
	return r.engine.Freeze(ctx, program.By{Actor: planner, Key: "freeze-4"}, wave4, program.FreezeOrder{
		Number: 1,
		Source: quota.Source{
			Witnessed: []quota.Drawer{{Name: "ten-sided-dice", Count: 60, Low: 0, High: 9, Ordered: true, Bits: 190}},
		},
	})
}

func (r *run) draw(ctx context.Context, name string) error {
	w, err := r.engine.Wave(ctx, wave4)
	if err != nil {
		return err
	}
	digest, err := w.Manifest().Digest()
	if err != nil {
		return err
	}
	return r.engine.Draw(ctx, program.By{Actor: planner, Key: "draw-4"}, wave4, program.DrawOrder{Seed: &quota.Seed{
		Manifest:  digest,
		Witnessed: []quota.Reading{{Numbers: dice(r.seed, 60), Witnesses: []string{"Inspektorat (demonstration)", "Notaris (demonstration)"}}},
	}})
}

// dice stands for the witnesses' reading: it follows from the run's seed, so
// that the demonstration can be repeated. A real seed must not exist before the
// roll is frozen.
func dice(seed uint64, n int) []uint32 {
	numbers := make([]uint32, 0, n)
	for block := uint64(0); len(numbers) < n; block++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "demonstration dice %d %d", seed, block))
		for _, b := range sum {
			if b < 250 && len(numbers) < n {
				numbers = append(numbers, uint32(b%10))
			}
		}
	}
	return numbers
}

func (r *run) announce(ctx context.Context, name string) error {
	tell := func() (program.Counts, error) { return r.engine.Announce(ctx, program.By{Actor: planner}, name, wave4) }
	if _, err := r.job(ctx, name, r.in(inRoll), tell); err != nil {
		return err
	}
	// Everybody may have been told, and the wave itself not be closed yet.
	w, err := r.engine.Wave(ctx, wave4)
	if err == nil && w.State != program.WaveAnnounced {
		_, err = tell()
	}
	return err
}

// learn reads once how the made people behave. A real agency's partners would
// tell it.
func (r *run) learn(ctx context.Context) error {
	if r.habits != nil {
		return nil
	}
	habits := map[uuid.UUID]string{}
	after := []program.State{accepted, training, certified, reviewed, done, unfinished, recovering, recovered, referred}
	err := r.engine.Cases(ctx, wave4, after, true, func(c *program.Case[Jobseeker]) error {
		if h := c.Applicant.Details.Habits; h != "" {
			habits[c.Applicant.ID] = h
		}
		return nil
	})
	if err == nil {
		r.habits = habits
	}
	return err
}

func (r *run) has(c *program.Case[Jobseeker], habit byte) bool {
	habits := r.habits[c.Application.Applicant]
	for i := range habits {
		if habits[i] == habit {
			return true
		}
	}
	return false
}

// reported is report for what depends on the people's habits.
func (r *run) reported(ctx context.Context, name, actor string, of program.State, what func(*program.Case[Jobseeker]) (program.Report, bool)) error {
	if _, finished, err := r.engine.JobStatus(ctx, name); err != nil || !finished {
		if err := r.learn(ctx); err != nil {
			return err
		}
	}
	return r.report(ctx, name, actor, []program.State{of}, true, what)
}

func (r *run) buy(ctx context.Context, name string) error {
	return r.reported(ctx, name, partner, accepted, func(c *program.Case[Jobseeker]) (program.Report, bool) {
		price := 300_000 + 50_000*int64(mark(c)%15)
		return program.Report{Event: buy, Party: partner, Amount: payment.Rupiah(price).Units}, !r.has(c, 'L')
	})
}

// mark is a number that belongs to a case.
func mark(c *program.Case[Jobseeker]) uint64 {
	return binary.BigEndian.Uint64(c.Application.Receipt[:8])
}

func (r *run) certify(ctx context.Context, name string) error {
	return r.reported(ctx, name, partner, training, func(c *program.Case[Jobseeker]) (program.Report, bool) {
		if r.has(c, 'D') {
			return program.Report{Event: certify, Amount: 40}, true // refused: not completed
		}
		return program.Report{Event: certify, Amount: 100}, true
	})
}

func (r *run) review(ctx context.Context, name string) error {
	return r.reported(ctx, name, partner, certified, func(c *program.Case[Jobseeker]) (program.Report, bool) {
		return program.Report{Event: review}, !r.has(c, 'N')
	})
}

// askAgain renews the evidence before the first payout: of every thousand, two
// have become officials meanwhile.
func (r *run) askAgain(ctx context.Context, name string) error {
	now := r.clock.now
	_, err := r.job(ctx, name, r.counts["review"]["state.reviewed"], func() (program.Counts, error) {
		return r.engine.ObserveAll(ctx, program.By{Actor: source}, name, wave4, []program.State{reviewed}, func(a *program.Applicant[Jobseeker]) map[string]program.Evidence {
			official := binary.BigEndian.Uint32(sha256Of(r.seed, a.Details.Ref))%1000 < 2
			return map[string]program.Evidence{"official": {Source: "bkn", Seen: now, Value: official}}
		})
	})
	return err
}

func sha256Of(seed uint64, ref int64) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d/%d", seed, ref))
	return sum[:]
}

func (r *run) tick(name string) func(context.Context, string) error {
	return func(ctx context.Context, _ string) error {
		_, err := r.job(ctx, name, -1, func() (program.Counts, error) {
			return r.engine.Tick(ctx, program.By{Actor: clockwork}, name, wave4)
		})
		return err
	}
}

func (r *run) finish(ctx context.Context, name string) error {
	return r.report(ctx, name, planner, []program.State{reviewed}, true, func(*program.Case[Jobseeker]) (program.Report, bool) {
		return program.Report{Event: finish}, true
	})
}

// payments is the part of the story about money: four instalments, three
// surveys, and a second try for wallets that bounced.
func (r *run) payments() []step {
	return []step{
		r.pay(1),
		{"link other accounts", wib(time.October, 25, 9), r.relink},
		r.pay(2),
		{"survey 1", wib(time.November, 1, 9), r.survey(1)},
		r.pay(3),
		r.pay(4),
		{"survey 2", wib(time.December, 1, 9), r.survey(2)},
		r.pay(5),
		r.pay(6),
		{"survey 3", wib(time.January, 4, 9), r.survey(3)},
		r.pay(7),
		r.pay(8),
	}
}

// batches are the payments in their order, on their days.
func batches() []batchPlan {
	order := func(number int64, benefit string, instalment int, at time.Time) batchPlan {
		return batchPlan{program.BatchOrder{Number: number, Wave: wave4, Benefit: benefit, Instalment: instalment}, at}
	}
	all := []batchPlan{
		order(1, "incentive", 1, wib(time.October, 20, 9)),
		order(2, "incentive", 1, wib(time.October, 28, 9)),
		order(3, "incentive", 2, wib(time.November, 20, 9)),
		order(4, "survey", 1, wib(time.November, 25, 9)),
		order(5, "incentive", 3, wib(time.December, 20, 9)),
		order(6, "survey", 2, wib(time.December, 25, 9)),
		order(7, "incentive", 4, wib(time.January, 20, 9)),
		order(8, "survey", 3, wib(time.January, 25, 9)),
	}
	all[1].Again = true
	return all
}

type batchPlan struct {
	program.BatchOrder
	at time.Time
}

// pay takes one batch from preparing to the bank's statement.
func (r *run) pay(number int) step {
	plan := batches()[number-1]
	order := plan.BatchOrder
	name := fmt.Sprintf("pay %s %d", order.Benefit, order.Instalment)
	if order.Again {
		name += " again"
	}
	return step{name, plan.at, func(ctx context.Context, _ string) error {
		expected := r.counts["review"]["state.reviewed"]
		_, err := r.job(ctx, fmt.Sprintf("batch/%d/prepare", order.Number), expected, func() (program.Counts, error) {
			return r.engine.PrepareBatch(ctx, program.By{Actor: preparer}, order)
		})
		if err != nil {
			return err
		}
		b, err := r.engine.Batch(ctx, order.Number)
		if err != nil {
			return err
		}
		key := fmt.Sprintf("approve-batch-%d", order.Number)
		if err := r.engine.ApproveBatch(ctx, program.By{Actor: approver, Key: key}, order.Number, b.Digest); err != nil {
			return err
		}
		var orders []sent
		if b.State == program.BatchPrepared || b.State == program.BatchApproved {
			var file [32]byte
			if orders, file, err = r.bank.send(ctx, r.engine, b, r.clock.now); err != nil {
				return err
			}
			submit := program.By{Actor: releaser, Key: fmt.Sprintf("submit-batch-%d", order.Number)}
			release := program.Release{File: file}
			if file != [32]byte{} { // a batch of nobody has none
				release.To = "BNI"
			}
			if err := r.engine.SubmitBatch(ctx, submit, order.Number, release); err != nil {
				return err
			}
			b.File = file
		}
		return r.settle(ctx, b, orders)
	}}
}

// settle takes the bank's statement of a batch's file and reconciles it. Orders are
// those of the file if it was written just now.
func (r *run) settle(ctx context.Context, b program.Batch, orders []sent) error {
	name := fmt.Sprintf("batch/%d/reconcile", b.Number)
	if _, finished, err := r.engine.JobStatus(ctx, name); err == nil && finished {
		if err := r.bank.complete(ctx, r.engine, b, r.clock.now); err != nil {
			return err
		}
	}
	_, err := r.job(ctx, name, b.Count, func() (program.Counts, error) {
		statement, err := r.bank.exchange(ctx, r.engine, b, orders, r.clock.now)
		if err != nil {
			return nil, err
		}
		return r.engine.Reconcile(ctx, program.By{Actor: preparer}, name, statement)
	})
	if err != nil || b.State == program.BatchClosed {
		return err
	}
	return r.engine.CloseBatch(ctx, program.By{Actor: preparer, Key: fmt.Sprintf("close-batch-%d", b.Number)}, b.Number)
}

// relink: whose wallet bounced links a bank account instead.
func (r *run) relink(ctx context.Context, name string) error {
	return r.reported(ctx, name, "applicant", reviewed, func(c *program.Case[Jobseeker]) (program.Report, bool) {
		account := identity.NewSecret(fmt.Sprintf("2%09d", mark(c)%1_000_000_000))
		return program.Report{Event: relink, Account: &program.Payout{Provider: "BNI", Account: account}}, r.has(c, 'W')
	})
}

func (r *run) survey(number int) func(context.Context, string) error {
	return func(ctx context.Context, name string) error {
		return r.reported(ctx, name, "applicant", reviewed, func(c *program.Case[Jobseeker]) (program.Report, bool) {
			return program.Report{Event: survey, Number: number}, !r.has(c, 'S') || mark(c)%3 > uint64(number)
		})
	}
}
