package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/ledger"
)

// Apply implements program.Store.
func (s *Store) Apply(ctx context.Context, changes []program.Change) ([]program.Outcome, error) {
	outcomes := make([]program.Outcome, len(changes))
	err := s.transaction(ctx, func(tx *transaction) error {
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
		return tx.journal(entries)
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
	if err := tx.rows(len(c.Expect), c.Rows); err != nil {
		return err
	}
	return tx.postings(c.At, c.Postings)
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

// rows writes the rows of a change, runs of the same table and kind together.
func (tx *transaction) rows(behind int, rows []program.Row) error {
	for from := 0; from < len(rows); {
		to := from + 1
		for to < len(rows) && rows[to].Table == rows[from].Table && rows[to].Changed == rows[from].Changed &&
			(rows[to].Version == 0) == (rows[from].Version == 0) {
			to++
		}
		t := &tx.store.tables[rows[from].Table]
		if t.spec.ReadOnly {
			return &program.StaleError{Table: t.spec.Name, Row: behind + from}
		}
		for _, row := range rows[from:to] {
			if len(row.Values) != len(t.spec.Columns) {
				return fmt.Errorf("sqlstore: a row of %s has %d values, the table has %d columns", t.spec.Name, len(row.Values), len(t.spec.Columns))
			}
		}
		bad, err := tx.store.dialect.write(tx, t, rows[from:to])
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

func (tx *transaction) journal(entries []*program.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	sqlText := tx.store.dialect.sql
	if _, err := tx.exec(sqlText("UPDATE journal_head SET seq = seq + ?"), len(entries)); err != nil {
		return err
	}
	var head int64
	if err := tx.conn.QueryRowContext(tx.ctx, "SELECT seq FROM journal_head").Scan(&head); err != nil {
		return err
	}
	for i, e := range entries {
		seq := head - int64(len(entries)) + int64(i) + 1
		if _, err := tx.exec(sqlText("INSERT INTO journal (seq, at, actor, kind, data) VALUES (?, ?, ?, ?, ?)"),
			seq, e.At.UnixMicro(), e.Actor, e.Kind, notNil(e.Data)); err != nil {
			return err
		}
	}
	return nil
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
