package program

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/payment"
)

type entitlementKey struct {
	benefit string
	number  int64
	wave    int64
	person  uuid.UUID
}

func (k entitlementKey) key() Key {
	return Key{TableEntitlements, []any{k.benefit, k.number, k.wave, idValue(k.person)}}
}

// entitlementRow is an entitlement as it is stored.
type entitlementRow struct {
	key     entitlementKey
	amount  payment.Money
	due     int64
	created time.Time
	// stopped counts the payments that keep it from being paid: those that were held
	// back or are blocked, whatever their generation.
	stopped int64
	lapsed  time.Time // when it went back to the budget; zero if it did not
	version int64
	touched bool
	stored  []any
}

func (r *entitlementRow) row() Row {
	return changedRow(TableEntitlements, []any{
		r.key.benefit, r.key.number, r.key.wave, idValue(r.key.person), r.amount.Units, r.amount.Currency, r.due, r.created.UnixMicro(),
		r.stopped, micros(r.lapsed),
	}, r.stored, r.version)
}

func entitlementOf(row Row) entitlementRow {
	v := row.Values
	return entitlementRow{key: entitlementKey{textOf(v[0]), intOf(v[1]), intOf(v[2]), idOf(v[3])},
		amount: payment.Money{Units: intOf(v[4]), Currency: textOf(v[5])}, due: intOf(v[6]), created: moment(v[7]),
		stopped: intOf(v[8]), lapsed: moment(v[9]), version: row.Version, stored: v}
}

// payable reports whether it may be paid now.
func (r *entitlementRow) payable() bool { return r.stopped == 0 && r.lapsed.IsZero() }

// expected is what is decided on the entitlement as it was read.
func (r *entitlementRow) expected() Expected { return Expected{Key: r.key.key(), Version: r.version} }

func (s *payments[T]) setEntitlement(k entitlementKey, row *entitlementRow) {
	if s.entitlements == nil {
		s.entitlements = map[entitlementKey]*entitlementRow{}
	}
	s.entitlements[k] = row
}

// loadEntitlements reads the entitlements of payments.
func (s *payments[T]) loadEntitlements(ctx context.Context, of []*paymentRow) error {
	var keys []Key
	for _, p := range of {
		if _, known := s.entitlements[p.key]; !known {
			keys = append(keys, p.key.key())
		}
	}
	if len(keys) == 0 {
		return nil
	}
	rows, err := s.engine.store.Load(ctx, Query{Keys: keys})
	if err != nil {
		return err
	}
	for _, row := range rows.Rows {
		r := entitlementOf(row)
		s.setEntitlement(r.key, &r)
	}
	for _, p := range of {
		if s.entitlements[p.key] == nil {
			return ErrNotFound
		}
	}
	return nil
}

// stop keeps the entitlement of a payment from being paid until two people decide.
// The batches of its payments that have not left are fenced.
func (s *payments[T]) stop(ctx context.Context, p *paymentRow, why marks) error {
	s.touch(p)
	before := p.marks
	p.marks |= why | markStopped
	if before.has(markStopped) {
		return nil
	}
	if err := s.loadEntitlements(ctx, []*paymentRow{p}); err != nil {
		return err
	}
	r := s.entitlements[p.key]
	r.stopped, r.touched = r.stopped+1, true
	others, err := s.engine.generations(ctx, p.key)
	if err != nil {
		return err
	}
	for i := range others {
		if why == markHeld && others[i].batch == p.batch {
			continue // its own batch is being written
		}
		if err := s.loadIDs(ctx, []paymentID{{others[i].batch, others[i].item}}); err != nil {
			return err
		}
		if b := s.batches[others[i].batch]; others[i].state.Live() && (b.State == BatchPrepared || b.rewritten()) {
			b.fenced = true
		}
	}
	return nil
}

// start takes back what one payment stopped.
func (s *payments[T]) start(ctx context.Context, p *paymentRow) error {
	s.touch(p)
	p.marks &^= markStopped
	if err := s.loadEntitlements(ctx, []*paymentRow{p}); err != nil {
		return err
	}
	r := s.entitlements[p.key]
	r.stopped, r.touched = r.stopped-1, true
	return nil
}

// generations reads all payments of an entitlement.
func (e *Engine[T]) generations(ctx context.Context, k entitlementKey) ([]paymentRow, error) {
	var all []paymentRow
	var after Cursor
	for {
		rows, next, err := e.store.Page(ctx, Scan{Table: TablePayments, Index: 1, Equal: k.key().Values, After: after, Limit: 100})
		if err != nil {
			return nil, err
		}
		for _, row := range rows.Rows {
			all = append(all, paymentOf(row))
		}
		if after = next; next == nil {
			return all, nil
		}
	}
}
