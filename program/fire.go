package program

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/lifecycle"
)

// Codes of the engine's own reasons.
const (
	// CodeCheckOnly: only the policy passes a check.
	CodeCheckOnly = "check-only"
	// CodeDrawOnly: only a draw gives this result.
	CodeDrawOnly = "draw-only"
	// CodeAppealOnly: it happens by an appeal only.
	CodeAppealOnly = "appeal-only"
)

// RefusedError says why an event is not possible for a case.
type RefusedError struct {
	Event   Event
	State   State
	Reasons []Reason
}

func (e *RefusedError) Error() string {
	text := fmt.Sprintf("program: %s is not possible in state %s:", e.Event, e.State)
	for _, r := range e.Reasons {
		text += " " + r.Code
	}
	return text
}

// Fire reports an event about one case. The error is a *RefusedError with every
// reason if the lifecycle does not allow it, or one of package ledger if an
// account would leave its bounds.
func (e *Engine[T]) Fire(ctx context.Context, by By, wave int64, applicant uuid.UUID, report Report) error {
	account, err := e.payoutMark(ctx, by, applicant, report.Account)
	if err != nil {
		return err
	}
	cmd := command{by, "fire", []any{wave, applicant, report.Event, report.At, report.Amount, report.Number, report.Party, account, report.Attached}}
	if done, err := e.answered(ctx, cmd); done || err != nil {
		return err
	}
	if report.Account != nil && report.Account.Account.IsZero() {
		return &FieldError{"Report.Account", "has no number"}
	}
	c, err := e.readCase(ctx, wave, applicant)
	if err != nil {
		return err
	}
	c.Report = report
	if err := e.readSurveys(ctx, []*Case[T]{c}); err != nil {
		return err
	}
	s := e.newSteps(ctx, by.Actor, &c.Wave)
	s.behalf = by.OnBehalf
	state := c.Application.State
	if why := s.reserved(&c.Application, report.Event); why != nil {
		return &RefusedError{Event: report.Event, State: state, Reasons: why}
	}
	why, err := s.fire(c, report, nil)
	if err != nil {
		return err
	}
	if len(why) > 0 {
		return &RefusedError{Event: report.Event, State: state, Reasons: slices.Clone(why)}
	}
	s.linkAccount(c)
	if err := s.put(c); err != nil {
		return err
	}
	_, err = s.single(cmd, applicant)
	return err
}

// readCase reads one case with all that guards may look at.
func (e *Engine[T]) readCase(ctx context.Context, wave int64, applicant uuid.UUID) (*Case[T], error) {
	w, err := e.Wave(ctx, wave)
	if err != nil {
		return nil, err
	}
	a, err := e.Application(ctx, wave, applicant)
	if err != nil {
		return nil, err
	}
	c := &Case[T]{Application: a, Wave: w, zone: e.zone}
	cases := []*Case[T]{c}
	return c, errors.Join(e.openPeople(ctx, cases), e.readBalances(ctx, cases))
}

// engineOnly reports whether an event is one that only the draw, or what follows
// from it, decides.
func (e Event) engineOnly() bool { return e == Drawn || e == NotSelected || e == Promoted }

// checkOnly reports whether an event is what only the policy may decide: that a
// case passes a check.
func (e *Engine[T]) checkOnly(a *Application, event Event) bool {
	state := e.stateOf(a)
	return state.Check != nil && event == state.Check.Eligible
}

// payoutMark stands for an account in a fingerprint.
func (e *Engine[T]) payoutMark(ctx context.Context, by By, applicant uuid.UUID, p *Payout) ([32]byte, error) {
	if p == nil {
		return [32]byte{}, nil
	}
	return e.personal(ctx, by, applicant, "payout", p.Provider+"/"+p.Account.Reveal()+"/"+p.Holder.Reveal())
}

// linkAccount keeps a payout account that came with the report.
func (s *steps[T]) linkAccount(c *Case[T]) {
	if c.Report.Account == nil {
		return
	}
	payout := *c.Report.Account
	if payout.Holder.IsZero() {
		payout.Holder = c.Applicant.Person.Name
	}
	c.Applicant.relink(payout, payment.Signature{Role: roleReport, Actor: s.actor, OnBehalf: s.behalf}, s.at)
	c.rewrite = true
}

// FireOrder says which cases of a wave to report about.
type FireOrder[T any] struct {
	Wave   int64
	States []State
	// Report says what to report about a case; no report for false.
	Report func(*Case[T]) (Report, bool)
	// Sealed leaves the applicants unopened, which is faster: neither Report,
	// nor the guards and effects of the reported events, look at them. Those
	// whose report links an account are opened all the same.
	Sealed bool
}

// FireAll reports events about many cases, as a job: it goes through the cases
// of a wave in the given states. Cases that refuse are counted under
// "refused.CODE" and stay as they are.
func (e *Engine[T]) FireAll(ctx context.Context, by By, job string, order FireOrder[T]) (Counts, error) {
	w, err := e.Wave(ctx, order.Wave)
	if err != nil {
		return nil, err
	}
	ready := e.openPeople
	if order.Sealed {
		ready = nil
	}
	pages := e.casesAhead(&w, order.States, ready)
	defer pages.stop()
	return e.runParts(ctx, by, job, "fire", []any{order.Wave, order.States}, everyCase(order.Wave), func(ctx context.Context, ask ask) (chunk, error) {
		pages.drop(ask)
		if err := e.again(ctx, ask, &w); err != nil {
			return chunk{}, err
		}
		cases, next, err := pages.get(ctx, ask)
		if err != nil {
			return chunk{}, err
		}
		s := e.newSteps(ctx, by.Actor, &w)
		s.behalf = by.OnBehalf
		var reported, toOpen []*Case[T]
		for _, c := range cases {
			var ok bool
			if c.Report, ok = order.Report(c); !ok {
				continue
			}
			reported = append(reported, c)
			if order.Sealed && c.Report.Account != nil {
				toOpen = append(toOpen, c)
			}
		}
		if err := errors.Join(e.openPeople(ctx, toOpen), e.readSurveys(ctx, reported)); err != nil {
			return chunk{}, err
		}
		for _, c := range reported {
			if err := s.reported(c, c.Report, nil, ask.refused); err != nil {
				return chunk{}, err
			}
		}
		return s.chunk(next, next == nil, len(cases)), nil
	})
}

func (s *steps[T]) reported(c *Case[T], r Report, fired *lifecycle.Running, refused error) error {
	if refused != nil {
		s.refused(&c.Application, "bounds")
		return nil
	}
	if r.Account != nil && r.Account.Account.IsZero() {
		s.refused(&c.Application, "account")
		return nil
	}
	if why := s.reserved(&c.Application, r.Event); why != nil {
		s.refused(&c.Application, why[0].Code)
		return nil
	}
	why, err := s.fire(c, r, fired)
	if err != nil {
		return err
	}
	if len(why) > 0 {
		s.refused(&c.Application, why[0].Code)
		return nil
	}
	s.linkAccount(c)
	return s.put(c)
}

// Tick fires every deadline of a wave that has passed, as a job, whose name is
// new each time. Each deadline is fired once, for the entry into the state that
// it was set for. Cases of a version of the lifecycle that the program does not
// have are counted under "refused.unknown-edition" and stay as they are.
func (e *Engine[T]) Tick(ctx context.Context, by By, job string, wave int64) (Counts, error) {
	w, err := e.Wave(ctx, wave)
	if err != nil {
		return nil, err
	}
	now := e.clock().UTC()
	due := Scan{Table: TableApplications, Index: 1, Below: now.UnixMicro() + 1}
	return e.runParts(ctx, by, job, "tick", wave, &due, func(ctx context.Context, ask ask) (chunk, error) {
		if err := e.again(ctx, ask, &w); err != nil {
			return chunk{}, err
		}
		rows, next, err := e.store.Page(ctx, Scan{Table: due.Table, Index: due.Index, Below: due.Below, After: ask.after, Through: ask.until, Limit: ask.limit})
		if err != nil {
			return chunk{}, err
		}
		var cases []*Case[T]
		unknown := int64(0)
		for _, row := range rows.Rows {
			if intOf(row.Values[0]) != wave {
				continue
			}
			a, err := applicationOf(row, e.trail)
			var edition *EditionError
			if errors.As(err, &edition) {
				unknown++
				continue
			}
			if err != nil {
				return chunk{}, err
			}
			cases = append(cases, &Case[T]{Application: a, Wave: w, zone: e.zone})
		}
		if err := errors.Join(e.openPeople(ctx, cases), e.readBalances(ctx, cases)); err != nil {
			return chunk{}, err
		}
		s := e.newSteps(ctx, by.Actor, &w)
		if unknown > 0 {
			s.counts["refused.unknown-edition"] += unknown
		}
		for _, c := range cases {
			if err := s.tick(c, ask.refused); err != nil {
				return chunk{}, err
			}
		}
		return s.chunk(next, next == nil, len(cases)), nil
	})
}

func (s *steps[T]) tick(c *Case[T], refused error) error {
	a := &c.Application
	state := s.engine.stateOf(a)
	if state.Within == nil || s.at.Before(a.Due) {
		return nil
	}
	fired := &lifecycle.Running{Entry: int64(len(a.Trail)), Due: a.Due}
	return s.reported(c, Report{Event: state.Within.Fires, At: a.Due}, fired, refused)
}

// NextDue returns the earliest deadline that is running, and false if there is
// none: when to call Tick next.
func (e *Engine[T]) NextDue(ctx context.Context) (time.Time, bool, error) {
	rows, _, err := e.store.Page(ctx, Scan{Table: TableApplications, Index: 1, Limit: 1})
	if err != nil || len(rows.Rows) == 0 {
		return time.Time{}, false, err
	}
	return moment(rows.Rows[0].Values[5]), true, nil
}
