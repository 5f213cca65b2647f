package program

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/quota"
)

// Admitted gives a free seat to somebody who waits, without a draw: see Admit. A table
// that has a move for it admits as people come, and its cases in the move's From states
// are the waiting list.
const Admitted Event = "admitted"

// CodeAdmitOnly: it happens by Admit only.
const CodeAdmitOnly = "admit-only"

// Admit gives seats of an open or closed wave's plan that nobody has to those who wait, without a
// draw, and returns who got one, in order: at most so many as are asked for, from 1 to
// the engine's chunk, and fewer where no seat is left that fits anybody who waits. It
// fires Admitted for each. Whoever finds no seat stays where they are: that is the
// waiting list, and there is no other. So the same command serves whoever comes, and
// gives seats that came back to the next; give it again after either. With a wave that
// does not close (WaveOrder) a program admits all year.
//
// The order is the plan's: the lower tier first; then the higher Placement.Number where
// the plan's Key is quota.Score, the lower where it is quota.Arrival; then whoever joined
// first; the receipt decides between those who joined at one instant. A place is looked for in
// the home pool and then in each pool above it; in a pool, open seats and set-asides of
// the person's own groups come as the plan's Order says. Nothing spills by itself.
//
// Passed over is who is at a limit, whom a guard refuses, and who had a seat in this wave
// before. A command that is repeated under its key has the first answer. It reads every
// case that waits. Errors: a *FieldError, a *StateError if the wave is neither open nor
// closed, *StaleError or *ledger.BoundError where a case or the seats changed meanwhile:
// give it again.
func (e *Engine[T]) Admit(ctx context.Context, by By, wave int64, most int) ([]uuid.UUID, error) {
	cmd := command{by, "admit", []any{wave, most}}
	var admitted []uuid.UUID
	if done, err := e.firstAnswer(ctx, cmd, &admitted); done || err != nil {
		return admitted, err
	}
	w, err := e.Wave(ctx, wave)
	if err != nil {
		return nil, err
	}
	switch {
	case most < 1 || most > e.chunk:
		return nil, &FieldError{"most", "is 1 to the engine's chunk"}
	case w.State != WaveOpen && w.State != WaveClosed:
		return nil, &StateError{What: "wave " + w.name(), State: string(w.State), Event: "admit"}
	case w.body.Plan == nil:
		return nil, &FieldError{"Plan", "is missing: the wave has no seats"}
	}
	d, err := e.newDesk(ctx, &w)
	if err != nil {
		return nil, err
	}
	queue, err := d.queue(ctx)
	if err != nil {
		return nil, err
	}
	s := e.newSteps(ctx, by.Actor, &w)
	taken := map[ledger.Account]int64{} // by limit, with the seats given here
	for len(admitted) < most {
		var some []*Case[T]
		if some, queue, err = d.next(ctx, queue, most-len(admitted)); err != nil {
			return nil, err
		}
		if len(some) == 0 {
			break
		}
		for _, c := range some {
			at, free := d.place(&c.Application.Placement)
			if !free || s.full(c, taken) {
				continue
			}
			given, err := s.give(c, at, Admitted, taken)
			if err != nil {
				return nil, err
			}
			if given {
				d.left[at]--
				admitted = append(admitted, c.Application.Applicant)
			}
		}
	}
	if len(admitted) == 0 {
		return nil, nil
	}
	err = s.answer(cmd, uuid.Nil, &admitted)
	return admitted, err
}

// desk knows the free seats of a wave.
type desk[T any] struct {
	engine *Engine[T]
	wave   *Wave
	pools  map[string]*quota.Pool
	left   map[quota.Place]int64
}

func (e *Engine[T]) newDesk(ctx context.Context, w *Wave) (*desk[T], error) {
	plan := w.body.Plan
	d := &desk[T]{engine: e, wave: w, pools: make(map[string]*quota.Pool, len(plan.Pools)), left: map[quota.Place]int64{}}
	for i := range plan.Pools {
		d.pools[plan.Pools[i].ID] = &plan.Pools[i]
	}
	all := places(w)
	accounts := make([]ledger.Account, len(all))
	for i, at := range all {
		accounts[i] = at.Account(quota.Left)
	}
	balances, err := e.store.Balances(ctx, accounts...)
	if err != nil {
		return nil, err
	}
	for i, at := range all {
		if at.Pool != appealPool {
			d.left[at] = balances[i].Available()
		}
	}
	return d, nil
}

// place finds a free seat for whoever stands there.
func (d *desk[T]) place(p *Placement) (quota.Place, bool) {
	for pool := d.pools[p.Pool]; pool != nil; pool = d.pools[pool.Parent] {
		kinds := []string{""}
		for _, r := range pool.Reserves {
			if r.Kind == quota.SetAside && slices.Contains(p.Groups, r.Group) {
				kinds = append(kinds, r.Group)
			}
		}
		if d.wave.body.Plan.Order == quota.ReservedFirst {
			kinds = append(kinds[1:], "")
		}
		for _, kind := range kinds {
			at := quota.Place{Wave: d.wave.name(), Pool: pool.ID, Kind: kind}
			if d.left[at] > 0 {
				return at, true
			}
		}
	}
	return quota.Place{}, false
}

// waits is what the queue keeps of a case.
type waits struct {
	applicant uuid.UUID
	receipt   [16]byte
	joined    time.Time
	placement Placement
}

// queue reads who waits and could have a seat now, in order.
func (d *desk[T]) queue(ctx context.Context) ([]waits, error) {
	e := d.engine
	var states []State
	for state := range e.waiting {
		if !slices.Contains(states, state.state) {
			states = append(states, state.state)
		}
	}
	if len(states) == 0 {
		return nil, &FieldError{"Lifecycle", "has no move for " + string(Admitted)}
	}
	slices.Sort(states)
	var queue []waits
	a := ask{limit: e.chunk}
	for {
		p, err := e.scanCases(ctx, *d.wave, states, a)
		if err != nil {
			return nil, err
		}
		for _, c := range p.cases {
			app := &c.Application
			if !e.waiting[editionState{app.Edition, app.State}] || !app.Placed || app.SeatState != "" {
				continue
			}
			if _, free := d.place(&app.Placement); free {
				queue = append(queue, waits{app.Applicant, app.Receipt, app.Trail[0].At, app.Placement})
			}
		}
		if a.after = p.next; p.next == nil {
			break
		}
	}
	key := d.wave.body.Plan.Key
	slices.SortFunc(queue, func(a, b waits) int { return a.compare(&b, key) })
	return queue, nil
}

func (w *waits) compare(other *waits, key quota.Key) int {
	number := 0
	switch key {
	case quota.Score:
		number = cmp.Compare(other.placement.Number, w.placement.Number)
	case quota.Arrival:
		number = cmp.Compare(w.placement.Number, other.placement.Number)
	}
	return cmp.Or(cmp.Compare(w.placement.Tier, other.placement.Tier), number, w.joined.Compare(other.joined),
		bytes.Compare(w.receipt[:], other.receipt[:]))
}

// next reads the next of the queue who could have a seat now, with all that limits and
// guards look at. It returns who comes after them.
func (d *desk[T]) next(ctx context.Context, queue []waits, most int) ([]*Case[T], []waits, error) {
	var keys []Key
	var order []uuid.UUID
	for len(queue) > 0 && len(keys) < min(most, 500) {
		if _, free := d.place(&queue[0].placement); free {
			keys = append(keys, applicationKey(d.wave.Number, queue[0].applicant))
			order = append(order, queue[0].applicant)
		}
		queue = queue[1:]
	}
	if len(keys) == 0 {
		return nil, nil, nil
	}
	rows, err := d.engine.store.Load(ctx, Query{Keys: keys})
	if err != nil {
		return nil, nil, err
	}
	found := make(map[uuid.UUID]*Case[T], len(rows.Rows))
	for _, row := range rows.Rows {
		a, err := applicationOf(row, d.engine.trail)
		if err != nil {
			return nil, nil, err
		}
		found[a.Applicant] = &Case[T]{Application: a, Wave: *d.wave, zone: d.engine.zone}
	}
	var some []*Case[T]
	for _, id := range order {
		c := found[id]
		// Somebody may have moved it since the queue was read.
		if c != nil && d.engine.waiting[editionState{c.Application.Edition, c.Application.State}] && c.Application.SeatState == "" {
			some = append(some, c)
		}
	}
	for _, read := range []func(context.Context, []*Case[T]) error{d.engine.countAwards, d.engine.openPeople, d.engine.readBalances} {
		if err := read(ctx, some); err != nil {
			return nil, nil, err
		}
	}
	return some, queue, nil
}

// full reports whether a case is at a limit, or its household at the plan's cap, with
// all that counts today.
func (s *steps[T]) full(c *Case[T], taken map[ledger.Account]int64) bool {
	for _, l := range s.engine.program.Limits {
		account, counts := l.account(&c.Application)
		limit := l.Max
		if householdCap := int64(c.Wave.body.Plan.HouseholdCap); l.Per == PerHousehold && householdCap > 0 {
			limit = min(limit, householdCap)
		}
		if counts && c.awards[l.Name]+taken[account] >= limit {
			return true
		}
	}
	return false
}

// give gives a seat to a case that is not full by an event of the engine's, if the
// lifecycle lets it.
func (s *steps[T]) give(c *Case[T], at quota.Place, event Event, taken map[ledger.Account]int64) (given bool, err error) {
	a := &c.Application
	a.Seat, a.SeatState = seatName(at), "held"
	why, err := s.fire(c, Report{Event: event}, nil)
	if err != nil || len(why) > 0 {
		return false, err
	}
	for _, l := range s.engine.program.Limits {
		if account, counts := l.account(a); counts {
			taken[account]++
		}
	}
	return true, s.put(c)
}

// admits reports whether a lifecycle of the program admits without a draw.
func (p *Program[T]) admits() bool {
	admits := func(m move) bool { return m.On == Admitted }
	return slices.ContainsFunc(p.tables(), func(t Table) bool { return slices.ContainsFunc(t.Moves, admits) })
}

// admitFaults: whoever is admitted waits without a seat, comes to wait by a check, and
// gets a seat.
func admitFaults(t Table) (rules []string) {
	if !slices.ContainsFunc(t.Moves, func(m move) bool { return m.On == Admitted }) {
		return nil
	}
	if slices.ContainsFunc(t.Moves, func(m move) bool { return m.On == Drawn }) {
		rules = append(rules, "either draws or admits: there are moves for both")
	}
	states := map[State]lifecycle.State[State, Event]{}
	for _, s := range t.States {
		states[s.State] = s
	}
	holds := func(s State) bool { return slices.Contains(states[s].Holds, Seat) }
	waiting := map[State]bool{}
	for _, m := range t.Moves {
		if m.On != Admitted {
			continue
		}
		for _, from := range t.Sources(m) {
			waiting[from] = true
			if holds(from) {
				rules = append(rules, "whoever is admitted must come from a state without a seat, not \""+string(from)+"\"")
			}
		}
		if !holds(m.To) {
			rules = append(rules, "whoever is admitted must come into a state that holds a seat, not \""+string(m.To)+"\"")
		}
	}
	if waiting[t.Start] {
		rules = append(rules, "nobody waits for a seat in the first state: a check comes before")
	}
	for _, m := range t.Moves {
		for _, from := range t.Sources(m) {
			if check := states[from].Check; waiting[m.To] && !waiting[from] && (check == nil || check.Eligible != m.On) {
				rules = append(rules, "\""+string(m.On)+"\" from \""+string(from)+"\" leads to waiting for a seat without a check")
			}
		}
	}
	return rules
}

// planAdmits holds a plan against what Admit can do.
func (p *Program[T]) planAdmits(plan *quota.Plan) error {
	if !p.admits() {
		return nil
	}
	for i := range plan.Pools {
		for _, r := range plan.Pools[i].Reserves {
			if r.Kind == quota.Guarantee {
				return &FieldError{"Plan", "has a guarantee, which only a draw can keep: where people are admitted as they come, set seats aside"}
			}
		}
	}
	if plan.Ticket == quota.PerHousehold {
		return &FieldError{"Plan", "has a ticket for each household, which is for a draw"}
	}
	return nil
}
