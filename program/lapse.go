package program

import (
	"context"
	"slices"
	"time"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/program/lifecycle"
)

// CodeBalanceLapsed is the reason why a balance is not spent after its last day.
const CodeBalanceLapsed = "balance-lapsed"

// edge is a move as a trail remembers it.
type edge struct {
	from  State
	event Event
	to    State
}

// movesThat finds the moves with an effect, and of what.
func movesThat[T any](effect string, table Table, m *lifecycle.Machine[State, Event, *Case[T]]) map[edge][]string {
	all := map[edge][]string{}
	if m == nil {
		return all
	}
	for _, s := range table.States {
		for row := range m.Rows(s.State) {
			for _, e := range row.Do {
				if e.Name == effect {
					all[edge{row.From, row.Event, row.To}] = append(all[edge{row.From, row.Event, row.To}], e.Arg)
				}
			}
		}
	}
	return all
}

// entitledOn tells from its steps when a case was first entitled to a benefit.
func (e *Engine[T]) entitledOn(edition int, trail []TrailStep, benefit string) (time.Time, bool) {
	entitles := e.editions[edition].entitles
	for i := 1; i < len(trail); i++ {
		if slices.Contains(entitles[edge{trail[i-1].To, trail[i].Event, trail[i].To}], benefit) {
			return trail[i].At, true
		}
	}
	return time.Time{}, false
}

// lastDay is the last day on which the balance of a case can be spent.
func (e *Engine[T]) lastDay(a *Application, name string) (calendar.Date, bool) {
	benefit, _ := e.program.Benefits.Find(name)
	granted, ok := e.entitledOn(a.Edition, a.Trail, name)
	if !ok {
		return calendar.Date{}, false
	}
	return benefit.Lapses(calendar.DateOf(granted, e.zone))
}

// lapsed reports whether what is reported was bought after the last day of the balance.
func (s *steps[T]) lapsed(a *Application, report Report, name string) bool {
	last, lapses := s.engine.lastDay(a, name)
	when := s.at
	if report.At.Before(when) && !report.At.Before(a.Entered) {
		when = report.At
	}
	return lapses && last.Before(calendar.DateOf(when, s.engine.zone))
}

// surveyKey is a part of a benefit that is given for each survey.
type surveyKey struct {
	benefit string
	number  int
}

// entitledBefore reports whether the case has what it is to be entitled to. Its last step
// is the one that is being made.
func (s *steps[T]) entitledBefore(c *Case[T], b payment.Benefit) bool {
	if b.Kind == payment.SurveyKind {
		return c.surveys[surveyKey{b.Name, c.Report.Number}]
	}
	_, before := s.engine.entitledOn(c.Application.Edition, c.Application.Trail[:len(c.Application.Trail)-1], b.Name)
	return before
}

// readSurveys reads which of the reported surveys cases are entitled for already.
func (e *Engine[T]) readSurveys(ctx context.Context, cases []*Case[T]) error {
	var keys []Key
	byKey := map[entitlementKey]*Case[T]{}
	for _, b := range e.program.Benefits {
		if b.Kind != payment.SurveyKind {
			continue
		}
		for _, c := range cases {
			if c.Report.Number > 0 {
				k := entitlementKey{b.Name, int64(c.Report.Number), c.Application.Wave, c.Application.Applicant}
				byKey[k] = c
				keys = append(keys, k.key())
			}
		}
	}
	if len(keys) == 0 {
		return nil
	}
	rows, err := e.store.Load(ctx, Query{Keys: keys})
	for _, row := range rows.Rows {
		k := entitlementOf(row).key
		c := byKey[k]
		if c.surveys == nil {
			c.surveys = map[surveyKey]bool{}
		}
		c.surveys[surveyKey{k.benefit, int(k.number)}] = true
	}
	return err
}

// lapse gives what is left of a balance back to the budget, and keeps how much was.
func (p postings) lapse(balance ledger.Account, benefit string, units int64) {
	p.move(balance, budgetLeft, units)
	p.add(lapsedAccount(benefit), units, ledger.AtLeast(0))
	p.add("lapsed", -units, ledger.Free())
}

func lapsedAccount(benefit string) ledger.Account { return ledger.Account("lapsed/" + benefit) }

// LapseBalances gives what is left of balances after their last day (payment.Benefit.LastDay)
// back to the budget, as a job over the cases of a wave, whose name is new each time. Nobody can spend it by
// then. It counts the balances under "lapsed.BENEFIT" and their units under
// "lapsed_amount.BENEFIT". ReturnFunds then gives to the treasury what is not carried over.
func (e *Engine[T]) LapseBalances(ctx context.Context, by By, job string, wave int64) (Counts, error) {
	w, err := e.Wave(ctx, wave)
	if err != nil {
		return nil, err
	}
	return e.runJob(ctx, by, job, "lapse-balances", wave, func(ctx context.Context, a ask) (chunk, error) {
		p, err := e.scanCases(ctx, w, nil, a)
		if err != nil {
			return chunk{}, err
		}
		if err := e.readBalances(ctx, p.cases); err != nil {
			return chunk{}, err
		}
		c := chunk{kind: "balances.lapsed", next: p.next, last: p.next == nil, counts: Counts{doneCount: int64(len(p.cases))}}
		posts, lapsed := postings{}, map[string][]string{}
		today := calendar.DateOf(e.clock(), e.zone)
		for _, one := range p.cases {
			for _, name := range sortedKeys(one.balances) {
				left := one.balances[name]
				last, lapses := e.lastDay(&one.Application, name)
				switch {
				case !lapses || left <= 0 || !last.Before(today):
				case a.refused != nil:
					c.counts["refused.bounds"]++
				default:
					posts.lapse(balanceAccount(&one.Application, name), name, left)
					lapsed[name] = append(lapsed[name], shortID(one.Application.Applicant))
					c.counts["lapsed."+name]++
					c.counts["lapsed_amount."+name] += left
				}
			}
		}
		c.posts, c.data = posts.posting(), map[string]any{"wave": wave, "balances": lapsed}
		return c, nil
	})
}

// mayLapse reports whether an entitlement has been waiting too long on a day.
func (e *Engine[T]) mayLapse(r *entitlementRow, today calendar.Date) bool {
	days := e.program.UnclaimedDays
	return days > 0 && dayOf(r.due).AddDays(days).Before(today)
}

// LapseEntitlements gives entitlements that nobody could be paid within
// Program.UnclaimedDays after they fell due back to the budget, as a job whose name is new each time: those of one
// benefit and number in a wave (BatchOrder.Number and Again are not used). What a payment is alive of, and what is blocked or
// held back, is left. What has lapsed is not paid any more. Whoever prepares a payment of one at the
// same time is first, or finds it lapsed.
func (e *Engine[T]) LapseEntitlements(ctx context.Context, by By, job string, order BatchOrder) (Counts, error) {
	if e.program.UnclaimedDays == 0 {
		return nil, &FieldError{"Program.UnclaimedDays", "is missing"}
	}
	equal := []any{order.Benefit, int64(order.Instalment), order.Wave}
	return e.runJob(ctx, by, job, "lapse-entitlements", equal, func(ctx context.Context, a ask) (chunk, error) {
		due, next, err := e.store.Page(ctx, Scan{Table: TableEntitlements, Equal: equal, After: a.after, Limit: a.limit})
		if err != nil {
			return chunk{}, err
		}
		paid, err := e.payments(ctx, equal, due.Rows)
		if err != nil {
			return chunk{}, err
		}
		c := chunk{kind: "entitlements.lapsed", next: next, last: next == nil, counts: Counts{doneCount: int64(len(due.Rows))}}
		now := e.clock().UTC()
		today, posts := calendar.DateOf(now, e.zone), postings{}
		var lapsed []string
		for _, row := range due.Rows {
			r := entitlementOf(row)
			last, ok := paid[r.key.person]
			switch {
			case !r.lapsed.IsZero(), !e.mayLapse(&r, today):
				continue
			case r.stopped > 0, ok && last.state.Live():
				c.counts["left"]++
				continue
			case a.refused != nil:
				c.counts["refused.bounds"]++
				continue
			}
			r.lapsed = now
			c.rows = append(c.rows, r.row())
			posts.move(entitledAccount(r.key.benefit), budgetLeft, r.amount.Units)
			lapsed = append(lapsed, shortID(r.key.person))
			c.counts["lapsed"]++
			c.counts["lapsed_amount"] += r.amount.Units
		}
		c.posts, c.data = posts.posting(), map[string]any{"benefit": order.Benefit, "number": order.Instalment, "wave": order.Wave, "applicants": lapsed}
		return c, nil
	})
}
