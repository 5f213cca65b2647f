package program

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/ledger"
)

// page is a page of cases of one wave, in the order of the applicants.
type page[T any] struct {
	cases []*Case[T]
	next  Cursor
}

// scanCases reads a page of a wave's applications in the given states.
func (e *Engine[T]) scanCases(ctx context.Context, w Wave, states []State, a ask) (page[T], error) {
	only := make([]any, len(states))
	for i, s := range states {
		only[i] = string(s)
	}
	rows, next, err := e.store.Page(ctx, Scan{Table: TableApplications, Equal: []any{w.Number},
		Column: "state", Only: only, After: a.after, Through: a.until, Limit: a.limit})
	if err != nil {
		return page[T]{}, err
	}
	p := page[T]{cases: make([]*Case[T], len(rows.Rows)), next: next}
	for i, row := range rows.Rows {
		application, err := applicationOf(row, e.trail)
		if err != nil {
			return page[T]{}, err
		}
		p.cases[i] = &Case[T]{Application: application, Wave: w, zone: e.zone}
	}
	return p, nil
}

// everyCase is the scan of a wave's applications, to be cut into parts.
func everyCase(wave int64) *Scan { return &Scan{Table: TableApplications, Equal: []any{wave}} }

// again reads a job's wave again where the job begins or begins anew: it may
// have changed. Nothing is being read ahead then.
func (e *Engine[T]) again(ctx context.Context, a ask, w *Wave) (err error) {
	if a.first {
		*w, err = e.Wave(ctx, w.Number)
	}
	return err
}

// casesAhead reads pages of cases ahead, and makes each ready.
func (e *Engine[T]) casesAhead(w *Wave, states []State, ready func(context.Context, []*Case[T]) error) *ahead[[]*Case[T]] {
	return newAhead(func(ctx context.Context, a ask) ([]*Case[T], Cursor, error) {
		p, err := e.scanCases(ctx, *w, states, a)
		if err == nil && ready != nil {
			err = ready(ctx, p.cases)
		}
		return p.cases, p.next, err
	})
}

// openPeople reads the applicants of cases.
func (e *Engine[T]) openPeople(ctx context.Context, cases []*Case[T]) error {
	if len(cases) == 0 {
		return nil
	}
	ids := make([]uuid.UUID, len(cases))
	for i, c := range cases {
		ids[i] = c.Application.Applicant
	}
	people, err := e.people(ctx, ids)
	if err != nil {
		return err
	}
	for _, c := range cases {
		a := people[c.Application.Applicant]
		if a == nil {
			return errors.New("program: an application has no applicant")
		}
		c.Applicant = *a
	}
	return nil
}

// countAwards reads what the program's limits count for each case, the case's
// own seat left out.
func (e *Engine[T]) countAwards(ctx context.Context, cases []*Case[T]) error {
	limits := e.program.Limits
	if len(limits) == 0 {
		return nil
	}
	var accounts []ledger.Account
	for _, c := range cases {
		for _, l := range limits {
			if account, ok := l.account(&c.Application); ok {
				accounts = append(accounts, account)
			}
		}
	}
	balances, err := e.store.Balances(ctx, accounts...)
	if err != nil {
		return err
	}
	i := 0
	for _, c := range cases {
		c.awards = make(map[string]int64, len(limits))
		for _, l := range limits {
			if _, ok := l.account(&c.Application); !ok {
				c.awards[l.Name] = 0
				continue
			}
			n := balances[i].Posted
			if c.Application.SeatState == "held" || c.Application.SeatState == "granted" || l.Ever && c.Application.SeatState != "" {
				n--
			}
			c.awards[l.Name] = n
			i++
		}
	}
	return nil
}

// asksLimits reports whether a rule of a stage asks what the limits count.
func (e *Engine[T]) asksLimits(stage string) bool {
	for _, rule := range e.program.Policy.Rules {
		if !slices.Contains(rule.At, stage) {
			continue
		}
		for _, fact := range rule.Require.Facts() {
			if slices.Contains(e.program.Facts.taken, fact) {
				return true
			}
		}
	}
	return false
}

// readBalances reads what is left on the cases' balances.
func (e *Engine[T]) readBalances(ctx context.Context, cases []*Case[T]) error {
	var names []string
	for _, b := range e.program.Benefits {
		if b.Kind == payment.BalanceKind {
			names = append(names, b.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	accounts := make([]ledger.Account, 0, len(names)*len(cases))
	for _, c := range cases {
		for _, name := range names {
			accounts = append(accounts, balanceAccount(&c.Application, name))
		}
	}
	balances, err := e.store.Balances(ctx, accounts...)
	if err != nil {
		return err
	}
	for i, c := range cases {
		c.balances = make(map[string]int64, len(names))
		for j, name := range names {
			c.balances[name] = balances[i*len(names)+j].Available()
		}
	}
	return nil
}

// Cases gives every case of a wave in the given states to each, in the order of
// the applicants. With open the applicants are opened as well.
func (e *Engine[T]) Cases(ctx context.Context, wave int64, states []State, open bool, each func(*Case[T]) error) error {
	w, err := e.Wave(ctx, wave)
	if err != nil {
		return err
	}
	a := ask{limit: e.chunk}
	for {
		p, err := e.scanCases(ctx, w, states, a)
		if err != nil {
			return err
		}
		if open {
			if err := e.openPeople(ctx, p.cases); err != nil {
				return err
			}
		}
		for _, c := range p.cases {
			if err := each(c); err != nil {
				return err
			}
		}
		if p.next == nil {
			return nil
		}
		a.after = p.next
	}
}
