// Command scholarship selects students by score with guarantees, and pays them term by
// term as long as their grades are good, on a SQLite file. See README.md in this folder.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gelombang/gelombang/examples/internal/demo"
	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/quota"
)

func main() {
	demo.Main(func(ctx context.Context, db string, out io.Writer) error {
		_, err := tell(ctx, db, out)
		return err
	})
}

const year = 2026 // the number of the wave

// story is the demonstration around the program.
type story struct {
	demo.Teller
	engine *program.Engine[Student]
	clock  *demo.Clock
	bank   *demo.Bank
	counts map[string]program.Counts
	groups map[string]map[string]int // holders of seats by group, at some points
	batch  int64
}

var officer, policy, university = program.By{Actor: "officer"}, program.By{Actor: "policy"}, program.By{Actor: "universities"}

func tell(ctx context.Context, db string, out io.Writer) (*story, error) {
	p, err := definition()
	if err != nil {
		return nil, err
	}
	s := &story{Teller: demo.Teller{Writer: out}, clock: &demo.Clock{}, bank: demo.NewBank(payment.Rupiah(2_500_000_000)), counts: map[string]program.Counts{}, groups: map[string]map[string]int{}}
	s.clock.On(year, time.May, 1)
	engine, _, done, err := demo.Engine(ctx, p, db, s.clock)
	if err != nil {
		return nil, err
	}
	s.engine = engine
	for _, chapter := range []func(context.Context) error{s.apply, s.choose, s.offer, s.study, s.end} {
		if err = chapter(ctx); err != nil {
			break
		}
	}
	return s, errors.Join(err, done())
}

// job keeps what a job did under its name.
func (s *story) job(name string, work func(name string) (program.Counts, error)) (c program.Counts, err error) {
	c, err = work(name)
	s.counts[name] = c
	return c, err
}

// apply: everybody registers and joins the wave; the rules decide after it has closed.
func (s *story) apply(ctx context.Context) error {
	s.Step(s.clock.Now, "applications")
	e, closes := s.engine, s.clock.Now.AddDate(0, 2, 0)
	for _, do := range []func() error{
		func() error { return e.Fund(ctx, officer, payment.Rupiah(2_500_000_000)) },
		func() error {
			return e.PlanWave(ctx, officer, program.WaveOrder{Number: year, Opens: s.clock.Now, Closes: closes, Plan: plan()})
		},
		func() error { return e.OpenWave(ctx, officer, year) },
	} {
		if err := do(); err != nil {
			return err
		}
	}
	if _, err := s.job("register", func(name string) (program.Counts, error) { return e.RegisterAll(ctx, officer, name, people()) }); err != nil {
		return err
	}
	c, err := s.job("join", func(name string) (program.Counts, error) { return e.JoinAll(ctx, officer, name, year, nil) })
	if err != nil {
		return err
	}
	s.Say("  %d students apply for %d scholarships.", c["state.applied"], plan().Pools[0].Seats)
	s.clock.Now = closes
	if err := e.CloseWave(ctx, officer, year); err != nil {
		return err
	}
	c, err = s.job("screen", func(name string) (program.Counts, error) { return e.CheckAll(ctx, policy, name, year, applied) })
	if err != nil {
		return err
	}
	s.Say("  %d are ranked; %d are refused (%d too old, %d with a score too low, %d above the ceiling of income).", c["state.ranked"], c["state.refused"], c["failed.age"], c["failed.score"], c["failed.income"])
	s.Say("  Of %d something is missing (score: %d, income: %d). They are left out and told so.", c["stay.pending"], c["missing.score.not-asked"], c["missing.income.not-asked"])
	_, err = s.report(ctx, "leave out", officer, applied, func(*program.Case[Student]) (program.Report, bool) { return program.Report{Event: "leave-out"}, true })
	return err
}

func (s *story) report(ctx context.Context, name string, by program.By, of program.State, what func(*program.Case[Student]) (program.Report, bool)) (program.Counts, error) {
	return s.job(name, func(name string) (program.Counts, error) {
		return s.engine.FireAll(ctx, by, name, program.FireOrder[Student]{Wave: year, States: []program.State{of}, Report: what})
	})
}

// choose selects by score. The dice decide among equal scores only; a real program names a
// public beacon or witnesses, and lets them sign.
func (s *story) choose(ctx context.Context) error {
	s.clock.On(year, time.July, 10)
	s.Step(s.clock.Now, "the selection")
	e := s.engine
	dice := quota.Source{Witnessed: []quota.Drawer{{Name: "ten-sided-dice", Count: 60, Low: 0, High: 9, Ordered: true, Bits: 190}}}
	if err := e.Freeze(ctx, officer, year, program.FreezeOrder{Number: 1, Source: dice}); err != nil {
		return err
	}
	w, err := e.Wave(ctx, year)
	if err != nil {
		return err
	}
	digest, err := w.Manifest().Digest()
	if err != nil {
		return err
	}
	s.Say("  The ranking is frozen: its digest is %s...", digest.String()[:16])
	s.clock.Now = s.clock.Now.Add(time.Hour)
	read := make([]uint32, 60)
	for i := range read {
		read[i] = uint32(i*i+3*i) % 10
	}
	seed := &quota.Seed{Manifest: digest, Witnessed: []quota.Reading{{Numbers: read, Witnesses: []string{"Inspectorate (made up)", "Notary (made up)"}}}}
	if err := e.Draw(ctx, officer, year, program.DrawOrder{Seed: seed}); err != nil {
		return err
	}
	c, err := s.job("announce", func(name string) (program.Counts, error) { return e.Announce(ctx, officer, name, year) })
	if err != nil {
		return err
	}
	s.Say("  %d are offered a scholarship, %d of them because of a guarantee; %d wait.", c["state.offered"], c["draw.drawn-guarantee"], c["state.waiting"])
	return s.holders(ctx, "offered")
}

// holders counts who has a seat.
func (s *story) holders(ctx context.Context, when string) error {
	n := map[string]int{}
	err := s.engine.Cases(ctx, year, []program.State{offered, studying, suspended, graduated}, false, func(c *program.Case[Student]) error {
		n["all"]++
		for _, g := range c.Application.Placement.Groups {
			n[g]++
		}
		return nil
	})
	s.groups[when] = n
	s.Say("  Seats held: %d, by students of the frontier %d (at least 15), by students with a disability %d (at least 4).", n["all"], n["frontier"], n["g2"])
	return err
}

// offer: who does not accept in fourteen days loses the seat to the next who waits,
// guarantees first.
func (s *story) offer(ctx context.Context) error {
	s.clock.On(year, time.July, 15)
	s.Step(s.clock.Now, "offers and the waiting list")
	accepts := func(c *program.Case[Student]) (program.Report, bool) {
		n := number(c)
		r := program.Report{Event: accept, Number: 1, Account: account(n)}
		if n%9 == 5 { // forgets the account
			r.Account = nil
		}
		return r, n%5 != 1 // some never answer
	}
	for round := 1; ; round++ {
		c, err := s.report(ctx, fmt.Sprint("accept ", round), program.By{Actor: "applicant"}, offered, accepts)
		if err != nil {
			return err
		}
		s.Say("  Round %d: %d accept; %d are refused, since they give no account.", round, c["state.studying"], c["refused.no-account"])
		s.clock.Now = s.clock.Now.AddDate(0, 0, 15)
		if c, err = s.job(fmt.Sprint("lapse ", round), func(name string) (program.Counts, error) {
			return s.engine.Tick(ctx, program.By{Actor: "clock"}, name, year)
		}); err != nil {
			return err
		}
		if c["state.lapsed"] == 0 {
			break
		}
		promoted, err := s.engine.Refill(ctx, officer, year)
		if err != nil {
			return err
		}
		s.Say("  Fourteen days later %d offers have lapsed; %d who waited are offered the seats.", c["state.lapsed"], len(promoted))
	}
	return s.holders(ctx, "accepted")
}

// study goes through the terms: a stipend is paid, grades come, and what they open or
// suspend follows.
func (s *story) study(ctx context.Context) error {
	for t := 1; t <= terms; t++ {
		s.clock.On(year+t/2, []time.Month{time.March, time.September}[t%2], 20)
		s.Step(s.clock.Now, fmt.Sprintf("term %d", t))
		if err := s.enrolled(ctx, t); err != nil {
			return err
		}
		s.batch++
		prepared, _, err := demo.Pay(ctx, s.engine, s.bank, s.clock, program.BatchOrder{Number: s.batch, Wave: year, Benefit: "stipend", Instalment: t})
		if err != nil {
			return err
		}
		s.counts[fmt.Sprint("pay ", t)] = prepared
		s.Say("  %d stipends are paid.", prepared["payments"])
		if n := prepared["state.ended"]; n > 0 {
			s.Say("  %d student has left university, the register says: nothing is paid, and the scholarship ends.", n)
		}
		if t == terms {
			return nil
		}
		s.clock.Now = s.clock.Now.AddDate(0, 4, 0)
		of := []program.State{studying, suspended}
		c, err := s.job(fmt.Sprint("grades ", t), func(name string) (program.Counts, error) {
			return s.engine.FireAll(ctx, university, name, program.FireOrder[Student]{Wave: year, States: of, Report: func(c *program.Case[Student]) (program.Report, bool) {
				return program.Report{Event: grades, Number: t + 1, Amount: gradePoints(number(c), t)}, true
			}})
		})
		if err != nil {
			return err
		}
		s.Say("  Grades: term %d opens for %d; %d are suspended, the scholarship of %d ends.", t+1, c["state.studying"], c["state.suspended"], c["state.ended"])
		if n := c["refused.not-a-grade"] + c["refused.grades-too-low"]; n > 0 {
			s.Say("  %d report is refused: it is above the highest grade. It comes again, corrected.", n)
			if err := s.again(ctx, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// again: a university sends all grades of the term a second time. What was taken before is refused; what was
// wrong is right now.
func (s *story) again(ctx context.Context, t int) error {
	c, err := s.job(fmt.Sprint("grades again ", t), func(name string) (program.Counts, error) {
		return s.engine.FireAll(ctx, university, name, program.FireOrder[Student]{Wave: year, States: []program.State{studying, suspended}, Report: func(c *program.Case[Student]) (program.Report, bool) {
			return program.Report{Event: grades, Number: t + 1, Amount: min(gradePoints(number(c), t), 400)}, true
		}})
	})
	s.Say("  The corrected file opens it for %d; its other %d lines change nothing: they were taken before.", c["state.studying"], c["refused.not-the-next-term"])
	return err
}

// gradePoints follow from the applicant's number, in hundredths.
func gradePoints(n, t int) int64 {
	switch {
	case n == 12 && t == 2: // a slip of the keyboard
		return 3900
	case n%10 == 4 && (t == 2 || t == 3 && n%20 == 4): // one bad term, or two
		return 210
	case n%17 == 0 && t == 5:
		return 260
	}
	return 280 + int64((n*7+t*13)%120)
}

// enrolled asks the register before each payment.
func (s *story) enrolled(ctx context.Context, t int) error {
	_, err := s.engine.ObserveAll(ctx, program.By{Actor: "university-register"}, fmt.Sprint("enrolled ", t), year, []program.State{studying}, func(a *program.Applicant[Student]) map[string]program.Evidence {
		left := t == 4 && a.Person.Name.Reveal() == "Siswa 012"
		return map[string]program.Evidence{"enrolled": {Source: "university-register", Seen: s.clock.Now, Value: !left}}
	})
	return err
}

// end: who has all terms behind them graduates.
func (s *story) end(ctx context.Context) error {
	s.clock.On(year+4, time.August, 31)
	s.Step(s.clock.Now, "the end")
	c, err := s.report(ctx, "graduate", university, studying, func(*program.Case[Student]) (program.Report, bool) { return program.Report{Event: graduate}, true })
	if err != nil {
		return err
	}
	s.Say("  %d graduate.", c["state.graduated"])
	lines, err := s.engine.TrialBalance(ctx, time.Time{})
	if err != nil {
		return err
	}
	s.counts["books"] = program.Counts{}
	for _, l := range lines {
		s.counts["books"][l.Account] = l.Units
	}
	paid := payment.Money{Units: s.counts["books"]["paid/stipend"], Currency: payment.IDR}
	s.Say("  Paid in eight terms: %s.", paid)
	for _, name := range []string{"Siswa 034", "Siswa 024"} {
		if err := s.history(ctx, name); err != nil {
			return err
		}
	}
	return demo.Verified(ctx, s.Teller, s.engine)
}

// history tells one case from its records.
func (s *story) history(ctx context.Context, name string) error {
	return s.engine.Cases(ctx, year, nil, true, func(c *program.Case[Student]) error {
		if c.Applicant.Person.Name.Reveal() != name {
			return nil
		}
		s.Say("  %s, score %d:", name, c.Applicant.Details.Score)
		for _, step := range c.Application.Trail {
			s.Say("    %s  %s", step.At.Format(time.DateOnly), step.To)
		}
		return nil
	})
}
