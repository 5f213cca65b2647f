package sqlstore

import (
	"cmp"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/gelombang/gelombang/program/ledger"
)

// postings carries out the postings of a change, as ledger.Book does.
func (tx *transaction) postings(at time.Time, all []ledger.Posting) error {
	if len(all) == 0 {
		return nil
	}
	if err := tx.expire(); err != nil {
		return err
	}
	for _, p := range all {
		if err := tx.post(at, p); err != nil {
			return err
		}
	}
	return nil
}

func (tx *transaction) post(at time.Time, p ledger.Posting) error {
	if err := p.Validate(); err != nil {
		return err
	}
	var expires any
	if !p.Expires.IsZero() {
		expires = p.Expires.UnixMicro()
		now, err := tx.now()
		if err != nil {
			return err
		}
		if !now.Before(p.Expires) {
			return &ledger.ResolvedError{ID: p.ID, Of: p.ID}
		}
	}
	open := 0
	if p.Kind == ledger.Pending {
		open = 1
	}
	n, err := tx.exec(tx.store.dialect.sql(
		"INSERT INTO postings (id, kind, of_id, expires, open, at, legs) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"),
		p.ID, int64(p.Kind), p.Of, expires, open, at.UnixMicro(), ledger.FormatLegs(p.Legs))
	if err != nil {
		return err
	}
	if n == 0 {
		return tx.repeated(p)
	}
	var pending []ledger.Leg
	if p.Kind == ledger.Post || p.Kind == ledger.Void {
		if pending, err = tx.resolve(p); err != nil {
			return err
		}
	}
	return tx.move(p.ID, p.Movements(pending))
}

// repeated says whether a posting under a known ID is the same one.
func (tx *transaction) repeated(p ledger.Posting) error {
	before := ledger.Posting{ID: p.ID}
	var kind int64
	var expires sql.NullInt64
	var legs []byte
	row := tx.conn.QueryRowContext(tx.ctx, tx.store.dialect.sql("SELECT kind, of_id, expires, legs FROM postings WHERE id = ?"), p.ID)
	if err := row.Scan(&kind, &before.Of, &expires, &legs); err != nil {
		return err
	}
	before.Kind = ledger.Kind(kind)
	if expires.Valid {
		before.Expires = time.UnixMicro(expires.Int64)
	}
	var err error
	if before.Legs, err = ledger.ParseLegs(legs); err != nil {
		return err
	}
	if !before.Equal(p) {
		return &ledger.ConflictError{ID: p.ID}
	}
	return nil
}

// resolve closes the pending posting that a Post or Void names, if it has not
// expired by the time that its row is locked.
func (tx *transaction) resolve(p ledger.Posting) ([]ledger.Leg, error) {
	now, args := tx.store.clockSQL()
	return tx.close(p, " AND (expires IS NULL OR expires > "+now+")", args...)
}

func (tx *transaction) close(p ledger.Posting, only string, args ...any) ([]ledger.Leg, error) {
	n, err := tx.exec(tx.store.dialect.sql("UPDATE postings SET open = 0 WHERE id = ? AND open = 1"+only), append([]any{p.Of}, args...)...)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, &ledger.ResolvedError{ID: p.ID, Of: p.Of}
	}
	var legs []byte
	row := tx.conn.QueryRowContext(tx.ctx, tx.store.dialect.sql("SELECT legs FROM postings WHERE id = ?"), p.Of)
	if err := row.Scan(&legs); err != nil {
		return nil, err
	}
	return ledger.ParseLegs(legs)
}

// expired asks for the pending postings that have expired and were not closed yet.
func (s *Store) expired(columns string) (string, []any) {
	now, args := s.clockSQL()
	return s.dialect.sql("SELECT " + columns + " FROM postings WHERE open = 1 AND expires IS NOT NULL AND expires <= " + now + " ORDER BY id"), args
}

func (tx *transaction) expire() error {
	query, args := tx.store.expired("id")
	rows, err := tx.query(query, args...)
	if err != nil {
		return err
	}
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return errors.Join(err, rows.Close())
		}
		ids = append(ids, id)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, id := range ids {
		void := ledger.Posting{ID: id + "/expired", Kind: ledger.Void, Of: id}
		legs, err := tx.close(void, "")
		var resolved *ledger.ResolvedError
		if errors.As(err, &resolved) {
			continue // another process was first
		}
		if err != nil {
			return err
		}
		if err := tx.move(id, void.Movements(legs)); err != nil {
			return err
		}
	}
	return nil
}

// move changes the accounts, in the order of their names so that two
// processes never wait for each other in a ring.
func (tx *transaction) move(id string, moves []ledger.Movement) error {
	slices.SortFunc(moves, func(a, b ledger.Movement) int { return cmp.Compare(a.Account, b.Account) })
	refused, err := tx.store.dialect.move(tx, moves)
	if err != nil {
		return err
	}
	if refused != "" {
		return &ledger.BoundError{Posting: id, Account: refused}
	}
	return nil
}
