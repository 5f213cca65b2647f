package program

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/quota"
)

// PromoteOrder says which seats that came back are given to whoever waits.
type PromoteOrder struct {
	// Pool is where the seats are. Whoever has it, or a pool below it, as their
	// home may have one.
	Pool string
	// Group is the code of a set-aside's group; empty for open seats. To refill a
	// guarantee, order for nobody but its group (Only), and then for anybody.
	Group string
	// Only, if given, is a group that everybody who is given one of these open
	// seats must belong to.
	Only string
	// Seats is how many to give at most, from 1 to the engine's chunk.
	Seats int
}

// Promote gives seats that came back to the first in rank of those who wait, or
// were passed over because their household was full, who fit given who has what
// today: quota.Result.Promote. It displaces nobody. It fires Promoted for each, and
// passes over whoever a guard refuses. It returns who got a seat, in the order of
// rank: fewer than ordered where nobody else fits. A command that is repeated under
// its key has the first answer.
//
// It redoes the draw and reads the cases that could be promoted: order for many
// seats at once. Errors: a *FieldError, a *StateError before the wave is announced,
// *ledger.BoundError for more seats than are left, *StaleError where the wave or a
// case changed meanwhile.
func (e *Engine[T]) Promote(ctx context.Context, by By, wave int64, order PromoteOrder) ([]uuid.UUID, error) {
	cmd := command{by, "promote", []any{wave, order}}
	var promoted []uuid.UUID
	if done, err := e.firstAnswer(ctx, cmd, &promoted); done || err != nil {
		return promoted, err
	}
	w, err := e.Wave(ctx, wave)
	if err != nil {
		return nil, err
	}
	if w.State != WaveAnnounced {
		return nil, &StateError{What: "wave " + w.name(), State: string(w.State), Event: "promote"}
	}
	if order.Seats < 1 || order.Seats > e.chunk {
		return nil, &FieldError{"Seats", "are 1 to the engine's chunk"}
	}
	vacancy, at, err := order.vacancy(&w)
	if err != nil {
		return nil, err
	}
	d, err := e.redraw(ctx, w, w.body.Seed)
	if err != nil {
		return nil, err
	}
	waiting, unseated, err := e.whoWaits(ctx, &w, d)
	if err != nil {
		return nil, err
	}
	s := e.newSteps(ctx, by.Actor, &w)
	taken := map[ledger.Account]int64{} // by limit, with the seats given here
	today := quota.Holders{
		Household: func(uint32) int { return 0 }, // fits looks at what it holds today
		Gone:      func(at int) bool { return waiting[at] == nil },
		Unseated:  unseated,
	}
	for len(promoted) < order.Seats {
		place, ok := d.result.Promote(vacancy, today)
		if !ok {
			break
		}
		c := waiting[place]
		delete(waiting, place)
		given, err := s.promote(c, at, taken)
		if err != nil {
			return nil, err
		}
		if given {
			promoted = append(promoted, c.Application.Applicant)
		}
	}
	if len(promoted) == 0 {
		return nil, nil
	}
	err = s.answer(cmd, uuid.Nil, &promoted)
	return promoted, err
}

// vacancy is the seat in the plan and in the ledger.
func (o *PromoteOrder) vacancy(w *Wave) (quota.Vacancy, quota.Place, error) {
	plan := w.body.Plan
	group := func(code string) int {
		return slices.IndexFunc(plan.Groups, func(g quota.Group) bool { return g.Code == code })
	}
	v := quota.Vacancy{Group: -1}
	pool := slices.IndexFunc(plan.Pools, func(p quota.Pool) bool { return p.ID == o.Pool })
	if pool < 0 {
		return v, quota.Place{}, &FieldError{"Pool", "is not in the wave's plan"}
	}
	v.Pool = int32(pool)
	kind := o.Group
	switch {
	case o.Group != "" && o.Only != "":
		return v, quota.Place{}, &FieldError{"Only", "is for open seats"}
	case o.Group != "":
		v.Group = int8(group(o.Group))
	case o.Only != "":
		// Whoever waits for a reserved seat of the group may have an open one that
		// refills its guarantee.
		v.Group = int8(group(o.Only))
	}
	if v.Group < 0 && o.Group+o.Only != "" {
		return v, quota.Place{}, &FieldError{"Group, Only", "are not in the wave's plan"}
	}
	return v, quota.Place{Wave: w.name(), Pool: o.Pool, Kind: kind}, nil
}

// whoWaits reads the cases that could be promoted, by their place in the roll, and of
// these the places whom the draw gave a seat: their household was full when it was
// announced, by an appeal since the roll was frozen.
func (e *Engine[T]) whoWaits(ctx context.Context, w *Wave, d *drawn) (waiting map[int]*Case[T], unseated []int, err error) {
	var states []State
	for _, state := range e.program.Lifecycle.States {
		for row := range e.machine.Rows(state.State) {
			if row.Event == Promoted {
				states = append(states, state.State)
			}
		}
	}
	if len(states) == 0 {
		return nil, nil, &FieldError{"Lifecycle", "has no move for " + string(Promoted)}
	}
	waiting = map[int]*Case[T]{}
	a := ask{limit: e.chunk}
	for {
		p, err := e.scanCases(ctx, *w, states, a)
		if err != nil {
			return nil, nil, err
		}
		for _, c := range p.cases {
			at, found := d.find(c.Application.Receipt)
			if !found || c.Application.SeatState != "" {
				continue
			}
			switch o := d.result.Outcome(at); {
			case o.Accepted():
				waiting[at], unseated = c, append(unseated, at)
			case o.Reason == quota.Waiting, o.Reason == quota.WaitingReserve, o.Reason == quota.HouseholdFull:
				waiting[at] = c
			}
		}
		if p.next == nil {
			return waiting, unseated, nil
		}
		a.after = p.next
	}
}

// promote gives a seat to a case, if it fits: it is under every limit and the
// plan's cap with all that counts today, and the lifecycle lets it.
func (s *steps[T]) promote(c *Case[T], at quota.Place, taken map[ledger.Account]int64) (given bool, err error) {
	e := s.engine
	cases := []*Case[T]{c}
	if err := e.countAwards(s.ctx, cases); err != nil || s.full(c, taken) {
		return false, err
	}
	if err := e.openPeople(s.ctx, cases); err != nil {
		return false, err
	}
	if err := e.readBalances(s.ctx, cases); err != nil {
		return false, err
	}
	return s.give(c, at, Promoted, taken)
}

// firstAnswer reads the answer of a command that was carried out before.
func (e *Engine[T]) firstAnswer(ctx context.Context, cmd command, answer any) (done bool, err error) {
	if done, err = e.answered(ctx, cmd); !done || err != nil {
		return done, err
	}
	rows, err := e.store.Load(ctx, Query{Command: cmd.Key})
	if err != nil {
		return true, err
	}
	return true, json.Unmarshal(rows.Answer, answer)
}
