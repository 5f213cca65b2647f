package program

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/quota"
)

// Refill gives every seat of an announced wave that nobody has to those who wait, with
// Promote: in each pool first the set-asides to their groups, then as many open seats to
// the group of each guarantee as the guarantee lacks today, then the rest in the order of rank. It
// returns who got a seat. Give it again whenever seats have come back.
//
// It is several commands, each whole: after an error some may have been carried out, and
// another call goes on. By.Key is not used. Errors: those of Promote.
func (e *Engine[T]) Refill(ctx context.Context, by By, wave int64) ([]uuid.UUID, error) {
	w, err := e.Wave(ctx, wave)
	if err != nil {
		return nil, err
	}
	if w.State != WaveAnnounced || w.body.Plan == nil {
		return nil, &StateError{What: "wave " + w.name(), State: string(w.State), Event: "refill"}
	}
	by.Key = ""
	var all []uuid.UUID
	give := func(order PromoteOrder) (given bool, err error) {
		for {
			if order.Seats, err = e.seatsLeft(ctx, &w, &order); err != nil || order.Seats == 0 {
				return given, err
			}
			some, err := e.Promote(ctx, by, wave, order)
			if err != nil || len(some) == 0 {
				return given, err
			}
			given, all = true, append(all, some...)
		}
	}
	for _, pool := range w.body.Plan.Pools {
		for _, r := range pool.Reserves {
			if r.Kind == quota.SetAside {
				if _, err := give(PromoteOrder{Pool: pool.ID, Group: r.Group}); err != nil {
					return all, err
				}
			}
		}
		for _, r := range pool.Reserves {
			if r.Kind == quota.Guarantee {
				if err := e.refillGuarantee(ctx, by, &w, pool.ID, r.Group, &all); err != nil {
					return all, err
				}
			}
		}
		if _, err := give(PromoteOrder{Pool: pool.ID}); err != nil {
			return all, err
		}
	}
	return all, nil
}

// refillGuarantee gives open seats to a group as long as its guarantee lacks any.
func (e *Engine[T]) refillGuarantee(ctx context.Context, by By, w *Wave, pool, group string, all *[]uuid.UUID) error {
	for {
		order := PromoteOrder{Pool: pool, Only: group}
		left, err := e.seatsLeft(ctx, w, &order)
		if err != nil || left == 0 {
			return err
		}
		holders, err := e.holders(ctx, w, pool)
		if err != nil {
			return err
		}
		if order.Seats = min(left, int(w.body.Plan.Short(pool, holders)[group])); order.Seats == 0 {
			return nil
		}
		some, err := e.Promote(ctx, by, w.Number, order)
		if err != nil || len(some) == 0 {
			return err
		}
		*all = append(*all, some...)
	}
}

// seatsLeft is how many of the ordered seats nobody has, at most the engine's chunk.
func (e *Engine[T]) seatsLeft(ctx context.Context, w *Wave, order *PromoteOrder) (int, error) {
	at := quota.Place{Wave: w.name(), Pool: order.Pool, Kind: order.Group}
	b, err := e.store.Balances(ctx, []ledger.Account{at.Account(quota.Left)}...)
	if err != nil {
		return 0, err
	}
	return int(min(b[0].Available(), int64(e.chunk))), nil
}

// holders are the groups of everybody who has an open seat of a pool, as bits.
func (e *Engine[T]) holders(ctx context.Context, w *Wave, pool string) ([]uint32, error) {
	var holders []uint32
	open := quota.Place{Wave: w.name(), Pool: pool}
	a := ask{limit: e.chunk}
	for {
		p, err := e.scanCases(ctx, *w, nil, a)
		if err != nil {
			return nil, err
		}
		for _, c := range p.cases {
			app := &c.Application
			if app.SeatState != "held" && app.SeatState != "granted" || place(app) != open {
				continue
			}
			var bits uint32
			for _, code := range app.Placement.Groups {
				bits |= 1 << slices.IndexFunc(w.body.Plan.Groups, func(g quota.Group) bool { return g.Code == code })
			}
			holders = append(holders, bits)
		}
		if a.after = p.next; p.next == nil {
			return holders, nil
		}
	}
}
