package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/ledger"
)

// Apply implements program.Store.
func (s *Store) Apply(ctx context.Context, changes []program.Change) ([]program.Outcome, error) {
	outcomes := make([]program.Outcome, len(changes))
	if len(changes) == 0 {
		return outcomes, nil
	}
	fits, err := s.alone(ctx, changes)
	if err != nil {
		return nil, err
	}
	if fits {
		for i := range changes {
			outcomes[i].Answer = changes[i].Answer
		}
		return outcomes, nil
	}
	// On a server, where each statement is a journey, one change of rows is a group too.
	if len(changes) > 1 || !s.dialect.oneWriter() && len(changes[0].Rows) > 0 {
		outcomes, err := s.together(ctx, changes)
		if !errors.Is(err, errMisfit) {
			return outcomes, err
		}
	}
	err = s.transaction(ctx, func(tx *transaction) error {
		var entries []*program.Entry
		for i := range changes {
			outcome, err := tx.apply(&changes[i], len(changes) == 1)
			if err != nil {
				return err
			}
			outcomes[i] = outcome
			if outcome.Refusal == nil && !outcome.Replayed && changes[i].Entry != nil {
				entries = append(entries, changes[i].Entry)
			}
		}
		return tx.finish(changes, entries)
	})
	if u, byIntent := err.(*undone); byIntent {
		return []program.Outcome{{Refusal: u.refusal}}, nil
	}
	if err != nil {
		return nil, err
	}
	return outcomes, nil
}

// undone ends a transaction whose only change was refused.
type undone struct{ refusal error }

func (u *undone) Error() string { return u.refusal.Error() }

// apply carries out one change, in a savepoint unless it is alone: then the
// whole transaction is rolled back if it is refused, which saves the copies
// that a savepoint makes.
func (tx *transaction) apply(c *program.Change, alone bool) (program.Outcome, error) {
	if c.Key != "" {
		outcome, found, err := tx.answered(c)
		if err != nil || found {
			return outcome, err
		}
	}
	if alone {
		err := tx.write(c)
		if refused(err) {
			return program.Outcome{}, &undone{err}
		}
		return program.Outcome{Answer: c.Answer}, err
	}
	if err := tx.run("SAVEPOINT one_change"); err != nil {
		return program.Outcome{}, err
	}
	err := tx.write(c)
	if refused(err) {
		undo := tx.run("ROLLBACK TO SAVEPOINT one_change")
		return program.Outcome{Refusal: err}, errors.Join(undo, tx.run("RELEASE SAVEPOINT one_change"))
	}
	if err != nil {
		return program.Outcome{}, err
	}
	return program.Outcome{Answer: c.Answer}, tx.run("RELEASE SAVEPOINT one_change")
}

func refused(err error) bool {
	var (
		invalid  *ledger.InvalidError
		bound    *ledger.BoundError
		conflict *ledger.ConflictError
		resolved *ledger.ResolvedError
		reversal *ledger.ReversalError
		stale    *program.StaleError
	)
	return errors.As(err, &stale) || errors.As(err, &invalid) || errors.As(err, &bound) || errors.As(err, &conflict) || errors.As(err, &resolved) || errors.As(err, &reversal)
}

func (tx *transaction) answered(c *program.Change) (program.Outcome, bool, error) {
	var fingerprint, answer []byte
	row := tx.conn.QueryRowContext(tx.ctx, tx.store.dialect.sql("SELECT fingerprint, answer FROM commands WHERE command = ?"), c.Key)
	switch err := row.Scan(&fingerprint, &answer); {
	case errors.Is(err, sql.ErrNoRows):
		return program.Outcome{}, false, nil
	case err != nil:
		return program.Outcome{}, false, err
	case !bytes.Equal(fingerprint, c.Fingerprint):
		return program.Outcome{Refusal: &program.KeyConflictError{Key: c.Key}}, true, nil
	}
	return program.Outcome{Replayed: true, Answer: answer}, true, nil
}

func (tx *transaction) write(c *program.Change) error {
	if c.Key != "" {
		n, err := tx.exec(tx.store.dialect.sql("INSERT INTO commands (command, fingerprint, answer) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"),
			c.Key, notNil(c.Fingerprint), c.Answer)
		if err != nil {
			return err
		}
		if n == 0 { // another process was first, and has committed by now
			return &program.StaleError{Table: "commands"}
		}
	}
	if err := tx.expect(c.Expect); err != nil {
		return err
	}
	if err := tx.rows(len(c.Expect), c.Rows, true); err != nil {
		return err
	}
	return tx.postings(c.At, c.Postings)
}

// finish writes the journal, and holds the clock of the process against the store's:
// last, so that the clock is read after every lock.
func (tx *transaction) finish(changes []program.Change, entries []*program.Entry) error {
	var now time.Time
	var err error
	if len(entries) > 0 {
		now, err = tx.store.dialect.journal(tx, entries)
	} else {
		now, err = tx.now()
	}
	if err != nil {
		return err
	}
	return program.CheckClock(changes, now)
}

// clockSQL is the store's time as an expression, with its values. It is read where it
// stands: behind a row's lock, where a row is locked.
func (s *Store) clockSQL() (string, []any) {
	if s.clock != nil {
		return "CAST(? AS BIGINT)", []any{s.clock().UnixMicro()}
	}
	return s.dialect.clock(), nil
}

func (tx *transaction) now() (time.Time, error) {
	expression, args := tx.store.clockSQL()
	var micros int64
	if err := tx.row("SELECT "+expression, args...).Scan(&micros); err != nil {
		return time.Time{}, fmt.Errorf("sqlstore: clock: %w", err)
	}
	return time.UnixMicro(micros).UTC(), nil
}

// expect holds rows at the version on which the change was decided: until the
// commit nobody else can write them.
func (tx *transaction) expect(rows []program.Expected) error {
	for i, x := range rows {
		t := &tx.store.tables[x.Table]
		var version int64
		err := tx.conn.QueryRowContext(tx.ctx, t.expect, x.Values...).Scan(&version)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("sqlstore: expect %s: %w", t.spec.Name, err)
		}
		if version != x.Version {
			return &program.StaleError{Table: t.spec.Name, Row: i}
		}
	}
	return nil
}

// rows writes the rows of a change, runs of the same table and kind together. Exactly, the
// error says which row is stale; otherwise it is one of its run.
func (tx *transaction) rows(behind int, rows []program.Row, exactly bool) error {
	for from := 0; from < len(rows); {
		to := from + 1
		for to < len(rows) && alike(&rows[to], &rows[from]) {
			to++
		}
		t := &tx.store.tables[rows[from].Table]
		if t.spec.ReadOnly {
			return &program.StaleError{Table: t.spec.Name, Row: behind + from}
		}
		for _, row := range rows[from:to] {
			if row.Gone {
				tx.forgets = tx.forgets || t.spec.ID == program.TablePersonKeys
				if len(row.Values) < t.spec.Key || row.Version == 0 {
					return fmt.Errorf("sqlstore: a row of %s that goes has a key and a version", t.spec.Name)
				}
				continue
			}
			if len(row.Values) != len(t.spec.Columns) {
				return fmt.Errorf("sqlstore: a row of %s has %d values, the table has %d columns", t.spec.Name, len(row.Values), len(t.spec.Columns))
			}
		}
		bad, err := tx.store.dialect.write(tx, t, rows[from:to], exactly)
		if err != nil {
			return err
		}
		if bad >= 0 {
			return &program.StaleError{Table: t.spec.Name, Row: behind + from + bad}
		}
		from = to
	}
	return nil
}

// alike reports whether one statement can write both rows.
func alike(a, b *program.Row) bool {
	return a.Table == b.Table && a.Changed == b.Changed && a.Gone == b.Gone && (a.Version == 0) == (b.Version == 0)
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
