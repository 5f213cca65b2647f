package program

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/quota"
)

// CarryOver carries all seats that are left of an announced wave into a pool of a
// later one, as open seats: those that nobody used, those whose offers expired and
// those that were revoked. The later wave must not be frozen yet: its plan then has
// so many seats more. It returns how many were carried, and does nothing where none
// is left. If seats come back later, carry again. A command that is repeated under
// its key has the first answer.
//
// The seats are moved by quota.CloseWave, so that each is traced to the wave that
// lost it. Errors: a *FieldError, quota.Faults for a plan that would be too large, a
// *StateError, *StaleError where a wave changed meanwhile.
func (e *Engine[T]) CarryOver(ctx context.Context, by By, from, to int64, pool string) (int64, error) {
	cmd := command{by, "wave.carry", []any{from, to, pool}}
	var seats int64
	if done, err := e.firstAnswer(ctx, cmd, &seats); done || err != nil {
		return seats, err
	}
	if to <= from {
		return 0, &FieldError{"to", "is a later wave"}
	}
	source, err := e.Wave(ctx, from)
	if err != nil {
		return 0, err
	}
	target, err := e.Wave(ctx, to)
	if err != nil {
		return 0, err
	}
	if source.State != WaveAnnounced || source.body.Plan == nil {
		return 0, &StateError{What: "wave " + source.name(), State: string(source.State), Event: "carry over"}
	}
	open := target.State == WavePlanned || target.State == WaveOpen || target.State == WaveClosed
	if !open || target.body.Plan == nil {
		return 0, &StateError{What: "wave " + target.name(), State: string(target.State), Event: "carry over to"}
	}
	at := quota.Place{Wave: target.name(), Pool: pool}
	postings, err := e.closing(ctx, &source, at)
	if err != nil {
		return 0, err
	}
	notes := map[string]int64{} // by the place that the seats leave
	for _, p := range postings {
		seats += -p.Legs[0].Amount
		notes[string(p.Legs[0].Account)] = -p.Legs[0].Amount
	}
	if seats == 0 {
		return 0, nil
	}
	row, err := target.withSeats(pool, seats)
	if err != nil {
		return 0, err
	}
	answer := strconv.AppendInt(nil, seats, 10)
	c := Change{Expect: []Expected{{Key: Key{TableWaves, []any{from}}, Version: source.version}}, Rows: []Row{row}, Postings: postings, Answer: answer}
	out, err := e.carryOut(ctx, cmd, c, "wave.carried", map[string]any{"from": from, "to": to, "pool": pool, "seats": seats, "places": notes})
	if err == nil && out.Replayed { // another call was first
		err = json.Unmarshal(out.Answer, &seats)
	}
	return seats, err
}

// closing returns the postings that carry what is left of a wave.
func (e *Engine[T]) closing(ctx context.Context, w *Wave, to quota.Place) ([]ledger.Posting, error) {
	all := places(w)
	var accounts []ledger.Account
	for _, at := range all {
		accounts = append(accounts, at.Account(quota.Left), at.Account(quota.CarriedOut))
	}
	found, err := e.store.Balances(ctx, accounts...)
	if err != nil {
		return nil, err
	}
	balances := map[ledger.Account]ledger.Balance{}
	for i, a := range accounts {
		balances[a] = found[i]
	}
	return quota.CloseWave("wave/"+w.name()+"/carry", all, func(a ledger.Account) ledger.Balance { return balances[a] },
		func(quota.Place) quota.Place { return to })
}

// withSeats is the row of a wave whose plan has more seats in a pool.
func (w *Wave) withSeats(pool string, seats int64) (Row, error) {
	plan := *w.body.Plan
	i := slices.IndexFunc(plan.Pools, func(p quota.Pool) bool { return p.ID == pool })
	if i < 0 {
		return Row{}, &FieldError{"pool", "is not in the plan of the later wave"}
	}
	plan.Pools = slices.Clone(plan.Pools)
	plan.Pools[i].Seats += seats
	if err := plan.Validate(); err != nil {
		return Row{}, err
	}
	w.body.Plan = &plan
	return w.row()
}
