// Command wagesubsidy pays firms a subsidy for the wages of their workers, on a SQLite
// file: no draw, no seats and no training. See README.md in this folder.
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/examples/internal/demo"
	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
)

//go:embed employers.csv
var employersCSV string

func main() {
	demo.Main(func(ctx context.Context, db string, out io.Writer) error {
		_, err := tell(ctx, db, out)
		return err
	})
}

// intake is the one standing intake: firms are taken up as their files come.
const intake = 1

// story is the demonstration around the program.
type story struct {
	demo.Teller
	engine *program.Engine[Firm]
	clock  *demo.Clock
	bank   *demo.Bank
	firms  map[string]uuid.UUID // by name
	counts map[string]program.Counts
}

var officer, social, policy = program.By{Actor: "officer"}, program.By{Actor: "social-security"}, program.By{Actor: "policy"}

func tell(ctx context.Context, db string, out io.Writer) (*story, error) {
	p, err := definition()
	if err != nil {
		return nil, err
	}
	s := &story{Teller: demo.Teller{Writer: out}, clock: &demo.Clock{}, bank: demo.NewBank(payment.Rupiah(500_000_000)), firms: map[string]uuid.UUID{}, counts: map[string]program.Counts{}}
	s.clock.On(2026, time.July, 1)
	engine, _, done, err := demo.Engine(ctx, p, db, s.clock)
	if err != nil {
		return nil, err
	}
	s.engine = engine
	for _, chapter := range []func(context.Context) error{s.receive, s.decide, s.pay, s.payAgain, s.audit, s.end} {
		if err = chapter(ctx); err != nil {
			break
		}
	}
	return s, errors.Join(err, done())
}

// more are firms of which nothing is to be told: n of them, with two workers each.
func more(n int) string {
	var b strings.Builder
	for i := range n {
		for w := range 2 {
			fmt.Fprintf(&b, "81300000%05d,PT Contoh %d,BNI,20000%05d,71%08d%d,yes,%d\n", i, i+1, i, i, w, 3_000_000+1000*i)
		}
	}
	return b.String()
}

// receive takes up the employers' files. There is no joining: every firm that can be
// read is taken into the intake.
func (s *story) receive(ctx context.Context) error {
	s.Step(s.clock.Now, "the employers' files")
	e := s.engine
	if err := e.Fund(ctx, officer, payment.Rupiah(500_000_000)); err != nil {
		return err
	}
	if err := e.PlanWave(ctx, officer, program.WaveOrder{Number: intake, Opens: s.clock.Now, Legal: calendar.DateOf(s.clock.Now, time.UTC)}); err != nil {
		return err
	}
	if err := e.OpenWave(ctx, officer, intake); err != nil {
		return err
	}
	files, err := readEmployers(strings.NewReader(employersCSV + more(300)))
	if err != nil {
		return err
	}
	if s.counts["register"], err = e.RegisterAll(ctx, officer, "register", files); err != nil {
		return err
	}
	s.Say("  %d firms sent a file; %d are registered.", len(files), s.counts["register"]["registered"])
	if err := e.Refusals(ctx, func(r program.Refusal) error {
		s.Say("  Firm %d of the files is sent back: %s is %s.", r.Position+1, r.Field, r.Rule)
		return nil
	}); err != nil {
		return err
	}
	if s.counts["join"], err = e.JoinAll(ctx, officer, "take up", intake, nil); err != nil {
		return err
	}
	return e.Cases(ctx, intake, nil, true, func(c *program.Case[Firm]) error {
		s.firms[c.Applicant.Person.Name.Reveal()] = c.Applicant.ID
		return nil
	})
}

// ask asks the social security fund about every firm in some states. The owing ones owe
// contributions, and of those that are down nobody answers.
func (s *story) ask(ctx context.Context, job string, states []program.State, owing, down []string) error {
	_, err := s.engine.ObserveAll(ctx, social, job, intake, states, func(a *program.Applicant[Firm]) map[string]program.Evidence {
		name := a.Person.Name.Reveal()
		e := program.Evidence{Source: "social-security", Seen: s.clock.Now, Value: slices.Contains(owing, name)}
		if slices.Contains(down, name) {
			e.Unknown = "source-down"
		}
		return map[string]program.Evidence{"arrears": e}
	})
	return err
}

// decide lets the rules decide: what is unknown waits, and is neither granted nor refused.
func (s *story) decide(ctx context.Context) (err error) {
	s.clock.On(2026, time.July, 8)
	s.Step(s.clock.Now, "the rules decide")
	all := []program.State{received}
	if err := s.ask(ctx, "ask", all, []string{"CV Kayu Wijaya"}, []string{"PT Logistik Teratai"}); err != nil {
		return err
	}
	if s.counts["decide"], err = s.engine.CheckAll(ctx, policy, "decide", intake, received); err != nil {
		return err
	}
	c := s.counts["decide"]
	s.Say("  %d firms are granted %s for their workers, %d are refused, %d wait.", c["state.granted"], money(c["entitled_amount.wages"]), c["state.refused"], c["stay.pending"])
	for _, name := range []string{"PT Baja Anggrek", "CV Kayu Wijaya", "PT Logistik Teratai"} {
		if err := s.why(ctx, name, "join"); err != nil {
			return err
		}
	}
	s.clock.On(2026, time.July, 10)
	if err := s.ask(ctx, "ask again", all, nil, nil); err != nil {
		return err
	}
	if s.counts["decide again"], err = s.engine.CheckAll(ctx, policy, "decide again", intake, received); err != nil {
		return err
	}
	s.Say("  Two days later the fund answers: %d more firm is granted.", s.counts["decide again"]["state.granted"])
	for _, name := range []string{"PT Tenun Cempaka", "CV Roti Melati", "UD Batik Kenanga", "PT Logistik Teratai"} {
		owed, err := s.engine.Entitlements(ctx, intake, s.firms[name])
		if err != nil {
			return err
		}
		a, err := s.engine.Applicant(ctx, s.firms[name])
		if err != nil {
			return err
		}
		s.Say("  %s: %s, for %d of %d workers.", name, owed[0].Amount, owed[0].Amount.Units/payment.Rupiah(600_000).Units, len(a.Details.Workers))
	}
	return nil
}

// why tells what the rules find about a firm, and on which basis.
func (s *story) why(ctx context.Context, name, stage string) error {
	return s.engine.Cases(ctx, intake, nil, true, func(c *program.Case[Firm]) error {
		if c.Applicant.ID != s.firms[name] {
			return nil
		}
		d, err := s.engine.Explain(ctx, c, stage, c.Today(s.clock.Now))
		for i := range d.Len() {
			if d.Outcome(i) != eligibility.Pass {
				s.Say("  %s: %s", name, s.engine.Policy().Reason("en", d.Finding(i)))
			}
		}
		return err
	})
}

// pay pays all in one batch.
func (s *story) pay(ctx context.Context) (err error) {
	s.clock.On(2026, time.July, 15)
	s.Step(s.clock.Now, "one bulk payment")
	s.bank.Closed["1000000002"], s.bank.Closed["1000000004"] = true, true
	return s.batch(ctx, 1)
}

func (s *story) batch(ctx context.Context, number int64) error {
	order := program.BatchOrder{Number: number, Wave: intake, Benefit: "wages", Instalment: 1, Again: number > 1}
	prepared, settled, err := demo.Pay(ctx, s.engine, s.bank, s.clock, order)
	if err != nil {
		return err
	}
	s.counts[fmt.Sprint("prepare ", number)], s.counts[fmt.Sprint("settle ", number)] = prepared, settled
	s.Say("  Batch %d: %d payments of %s. The bank returns %d of them.", number, prepared["payments"], money(prepared["payments_amount"]), settled["returned"])
	if n := prepared["second-look"]; n > 0 {
		s.Say("  %d payment is left out: nobody has confirmed the new account.", n)
	}
	return s.engine.OpenItems(ctx, func(o program.OpenItem) error {
		s.Say("  Open: payment %d of batch %d, %s, %s (%s); next: the %s.", o.Item, o.Batch, o.Amount, o.Why, o.Failure, o.Owner)
		return nil
	})
}

// payAgain: two accounts were closed. A new account is paid to once a second person has
// looked at it.
func (s *story) payAgain(ctx context.Context) error {
	s.clock.On(2026, time.July, 20)
	s.Step(s.clock.Now, "returned transfers are fixed and paid again")
	clerk, second := program.By{Actor: "dewi"}, program.By{Actor: "agus"}
	for name, account := range map[string]string{"CV Roti Melati": "3000000002", "UD Batik Kenanga": "3000000004"} {
		payout := program.Payout{Provider: "BRI", Account: identity.NewSecret(account)}
		if err := s.engine.Fire(ctx, clerk, intake, s.firms[name], program.Report{Event: "new-account", Account: &payout}); err != nil {
			return err
		}
	}
	if err := s.engine.ConfirmAccount(ctx, second, s.firms["CV Roti Melati"], "bank letter 17"); err != nil {
		return err
	}
	var same *payment.SameHandsError
	if err := s.engine.ConfirmAccount(ctx, clerk, s.firms["UD Batik Kenanga"], "bank letter 18"); !errors.As(err, &same) {
		return fmt.Errorf("one person has reported and confirmed an account: %w", err)
	}
	s.Say("  Dewi reports two new accounts. Agus confirms one; Dewi may not confirm what she reported.")
	if err := s.batch(ctx, 2); err != nil {
		return err
	}
	s.clock.On(2026, time.July, 27)
	if err := s.engine.ConfirmAccount(ctx, second, s.firms["UD Batik Kenanga"], "bank letter 18"); err != nil {
		return err
	}
	s.Say("  A week later Agus confirms the other one.")
	return s.batch(ctx, 3)
}

// audit: the fund finds that two firms owed contributions. What they got is claimed back.
func (s *story) audit(ctx context.Context) (err error) {
	s.clock.On(2026, time.September, 1)
	s.Step(s.clock.Now, "the audit")
	found := []string{"PT Garmen Dahlia", "PT Plastik Flamboyan"}
	if err := s.ask(ctx, "ask for the audit", []program.State{granted}, found, nil); err != nil {
		return err
	}
	if s.counts["audit"], err = s.engine.CheckAll(ctx, policy, "audit", intake, granted); err != nil {
		return err
	}
	for _, name := range found {
		if err := s.why(ctx, name, "payout"); err != nil {
			return err
		}
		owed, err := s.engine.Entitlements(ctx, intake, s.firms[name])
		if err != nil {
			return err
		}
		paid := owed[0].Payments[len(owed[0].Payments)-1]
		if err := s.resolve(ctx, program.Resolve{Batch: paid.Batch, Item: paid.Item, As: program.ClaimBack, Evidence: "audit report 4"}); err != nil {
			return err
		}
		s.Say("  %s has %d days to pay back %s; it is barred.", name, claimDays, owed[0].Amount)
	}
	s.clock.On(2026, time.September, 20)
	return s.repaid(ctx, found[0])
}

// repaid: a firm pays back. The line of the bank's statement has no reference of ours:
// two people say what it is.
func (s *story) repaid(ctx context.Context, name string) error {
	owed, err := s.engine.Entitlements(ctx, intake, s.firms[name])
	if err != nil {
		return err
	}
	s.bank.Receive(owed[0].Amount)
	if _, err := demo.Reconcile(ctx, s.engine, s.bank, s.clock); err != nil {
		return err
	}
	var line program.OpenItem
	if err := s.engine.OpenItems(ctx, func(o program.OpenItem) error {
		if o.Why == "suspense" {
			line = o
		}
		return nil
	}); err != nil {
		return err
	}
	paid := owed[0].Payments[0]
	if err := s.resolve(ctx, program.Resolve{Batch: paid.Batch, Item: paid.Item, As: program.Repaid, Account: line.Account,
		Sequence: line.Sequence, Line: line.Line, Evidence: "letter of 19 September"}); err != nil {
		return err
	}
	s.Say("  19 days later %s has paid back; it is in the budget again.", name)
	return s.engine.Fire(ctx, officer, intake, s.firms[name], program.Report{Event: "repaid"})
}

// resolve takes the word of two people.
func (s *story) resolve(ctx context.Context, order program.Resolve) error {
	if _, err := s.engine.Resolve(ctx, program.By{Actor: "siti"}, order); err != nil {
		return err
	}
	done, err := s.engine.Resolve(ctx, program.By{Actor: "budi"}, order)
	if err == nil && !done {
		err = errors.New("two people have agreed, and nothing was done")
	}
	return err
}

// end: the term passes, the rest is closed, and what is left goes back to the treasury.
func (s *story) end(ctx context.Context) (err error) {
	s.clock.On(2026, time.November, 2)
	s.Step(s.clock.Now, "the end")
	if s.counts["overdue"], err = s.engine.Tick(ctx, program.By{Actor: "clock"}, "overdue", intake); err != nil {
		return err
	}
	s.Say("  %d firm did not pay back in time: it is referred to the receivables office.", s.counts["overdue"]["state.referred"])
	if s.counts["finish"], err = s.engine.FireAll(ctx, officer, "finish", program.FireOrder[Firm]{Wave: intake, States: []program.State{granted}, Sealed: true,
		Report: func(*program.Case[Firm]) (program.Report, bool) { return program.Report{Event: "finish"}, true }}); err != nil {
		return err
	}
	lines, err := s.engine.TrialBalance(ctx, time.Time{})
	if err != nil {
		return err
	}
	s.counts["books"] = program.Counts{}
	for _, l := range lines {
		s.counts["books"][l.Account] = l.Units
		if strings.HasPrefix(l.Account, "budget/") || strings.HasPrefix(l.Account, "paid/") {
			s.Say("  %-22s %s", l.Account, money(l.Units))
		}
	}
	left := payment.Money{Units: s.counts["books"]["budget/available"], Currency: payment.IDR}
	if err := s.engine.ReturnFunds(ctx, officer, 2026, left); err != nil {
		return err
	}
	s.Say("  %s goes back to the treasury.", left)
	return demo.Verified(ctx, s.Teller, s.engine)
}

func money(units int64) payment.Money { return payment.Money{Units: units, Currency: payment.IDR} }
