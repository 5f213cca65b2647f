package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/ledger"
)

// sqlite writes row by row with prepared statements: there is no network
// between, and a row that does not fit is known at once.
type sqlite struct{}

func (sqlite) sql(query string) string { return query }

func (sqlite) schema(ddl string) string {
	return strings.NewReplacer("{bytes}", "BLOB", "{int}", "INTEGER", "{keyed}", "WITHOUT ROWID").Replace(ddl)
}

func (sqlite) oneWriter() bool { return true }

func (sqlite) writerSetup() []string {
	return []string{
		busyTimeout,
		"PRAGMA journal_mode = WAL",
		"PRAGMA synchronous = FULL",
		"PRAGMA foreign_keys = ON",
		"PRAGMA secure_delete = ON", // what is erased is overwritten
		"PRAGMA cache_size = -131072",
		"PRAGMA wal_autocheckpoint = 20000",
	}
}

func (sqlite) begin() string      { return "BEGIN IMMEDIATE" }
func (sqlite) clock() string      { return "CAST(unixepoch('subsec') * 1000000 AS INTEGER)" }
func (sqlite) beginRead() string  { return "BEGIN" }
func (sqlite) lockSchema() string { return "" }
func (sqlite) keep() string       { return "" } // the writer is alone

func (sqlite) hasTable() string {
	return "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?"
}

func (d sqlite) write(tx *transaction, t *table, rows []program.Row, _ bool) (int, error) {
	if rows[0].Gone {
		return d.remove(tx, t, rows)
	}
	args := make([]any, 0, len(t.spec.Columns)+1)
	for i := range rows {
		row, query := &rows[i], t.insert
		args = append(args[:0], row.Values...)
		if row.Version > 0 {
			query, args = t.update(row, d), args[:0]
			for c := t.spec.Key; c < len(row.Values); c++ {
				if row.Changes(c) {
					args = append(args, row.Values[c])
				}
			}
			args = append(append(args, row.Values[:t.spec.Key]...), row.Version)
		} else {
			args = append(args, int64(1))
		}
		if n, err := tx.exec(query, args...); err != nil || n != 1 {
			return i, err
		}
	}
	return -1, nil
}

func (sqlite) remove(tx *transaction, t *table, rows []program.Row) (int, error) {
	query := "DELETE FROM " + t.spec.Name + " WHERE "
	for _, c := range t.spec.Columns[:t.spec.Key] {
		query += c.Name + " = ? AND "
	}
	query += "version = ?"
	for i := range rows {
		args := append(slices.Clone(rows[i].Values[:t.spec.Key]), rows[i].Version)
		if n, err := tx.exec(query, args...); err != nil || n != 1 {
			return i, err
		}
	}
	return -1, nil
}

// forget waits for nobody: a reader may take long.
func (sqlite) forget(ctx context.Context, conn *sql.Conn) error {
	if _, err := conn.ExecContext(ctx, "PRAGMA busy_timeout = 0"); err != nil {
		return err
	}
	var busy, frames, written int
	err := conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &written)
	_, back := conn.ExecContext(ctx, busyTimeout)
	if busy != 0 && err == nil {
		err = errors.New("sqlstore: somebody reads an older snapshot")
	}
	return errors.Join(err, back)
}

const busyTimeout = "PRAGMA busy_timeout = 10000"

// atOnce is how many rows one statement of SQLite inserts.
const atOnce = 16

func (sqlite) insert(tx *transaction, t *table, rows []program.Row) (int64, error) {
	one := "(?" + strings.Repeat(", ?", len(t.spec.Columns)-1) + ")"
	start := "INSERT INTO " + t.spec.Name + " (" + t.columns + ") VALUES " + one
	var all int64
	args := make([]any, 0, atOnce*len(t.spec.Columns))
	for len(rows) > 0 {
		n := 1
		if len(rows) >= atOnce {
			n = atOnce
		}
		args = args[:0]
		for _, row := range rows[:n] {
			args = append(args, row.Values...)
		}
		done, err := tx.exec(start+strings.Repeat(", "+one, n-1)+" ON CONFLICT DO NOTHING", args...)
		if err != nil {
			return 0, err
		}
		all, rows = all+done, rows[n:]
	}
	return all, nil
}

// look needs no lock: the writer is alone.
func (d sqlite) look(tx *transaction, accounts []string, _ bool) (look, error) {
	seen := look{balances: make(map[ledger.Account]ledger.Balance, len(accounts))}
	now, args := tx.store.clockSQL()
	var micros, expired int64
	if err := tx.row("SELECT "+now+", (SELECT count(*) FROM postings WHERE open = 1 AND expires IS NOT NULL AND expires <= "+now+")",
		slices.Concat(args, args)...).Scan(&micros, &expired); err != nil {
		return look{}, fmt.Errorf("sqlstore: clock: %w", err)
	}
	seen.now, seen.expired = time.UnixMicro(micros).UTC(), expired > 0
	return seen, d.balances(tx, accounts, func(name string, b ledger.Balance) { seen.balances[ledger.Account(name)] = b })
}

func (sqlite) make(*transaction, []string) error { return nil } // post makes them

func (sqlite) among(values []string, each func(condition string, args []any) error) error {
	for part := range slices.Chunk(values, together) {
		args := make([]any, len(part))
		for i, v := range part {
			args[i] = v
		}
		if err := each(" IN (?"+strings.Repeat(", ?", len(part)-1)+")", args); err != nil {
			return err
		}
	}
	return nil
}

// post finds the accounts as they were looked at: the writer is alone.
func (d sqlite) post(tx *transaction, postings []program.Row, all []demand) (bool, []heldAccount, error) {
	made, err := d.insert(tx, &postingsTable, postings)
	if err != nil || made != int64(len(postings)) {
		return false, nil, err
	}
	for _, x := range all {
		if _, err := tx.exec(sqliteSet, x.posted, x.out, x.in, x.bounds.Min, x.bounds.Max, string(x.account)); err != nil {
			return false, nil, err
		}
	}
	return true, nil, nil
}

// postAlone never fits: nothing is saved by it.
func (sqlite) postAlone(context.Context, *Store, int64, int64, []program.Row, []demand) (bool, error) {
	return false, nil
}

func (d sqlite) journal(tx *transaction, entries []*program.Entry) (time.Time, error) {
	expression, args := tx.store.clockSQL()
	var head, micros int64
	if err := tx.row("UPDATE journal_head SET seq = seq + ? RETURNING seq, "+expression, append([]any{len(entries)}, args...)...).Scan(&head, &micros); err != nil {
		return time.Time{}, fmt.Errorf("sqlstore: journal: %w", err)
	}
	rows := make([]program.Row, len(entries))
	for i, e := range entries {
		rows[i].Values = []any{head - int64(len(entries)-i-1), e.At.UnixMicro(), e.Actor, e.Kind, notNil(e.Data)}
	}
	n, err := d.insert(tx, &journalTable, rows)
	if err == nil && n != int64(len(rows)) {
		err = errJournal
	}
	return time.UnixMicro(micros).UTC(), err
}

const (
	sqliteSet = `INSERT INTO accounts (posted, outgoing, incoming, minimum, maximum, account) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (account) DO UPDATE SET posted = posted + ?1, outgoing = outgoing + ?2, incoming = incoming + ?3, minimum = ?4, maximum = ?5`
	sqliteMove = `UPDATE accounts SET posted = posted + ?1, outgoing = outgoing + ?2, incoming = incoming + ?3, minimum = ?4, maximum = ?5
WHERE account = ?6 AND (?7 OR (posted + ?1 - outgoing - ?2 >= ?4 AND posted + ?1 + incoming + ?3 <= ?5))`
	sqliteOpen = `INSERT INTO accounts (posted, outgoing, incoming, minimum, maximum, account) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (account) DO UPDATE SET posted = posted + ?1, outgoing = outgoing + ?2, incoming = incoming + ?3, minimum = ?4, maximum = ?5
WHERE posted + ?1 - outgoing - ?2 >= ?4 AND posted + ?1 + incoming + ?3 <= ?5`
)

func (sqlite) move(tx *transaction, moves []ledger.Movement) (ledger.Account, error) {
	for _, m := range moves {
		args := []any{m.Posted, m.Out, m.In, m.Bounds.Min, m.Bounds.Max, string(m.Account)}
		// What an unused account allows can open it; what only an existing
		// balance or reservation allows cannot.
		query := sqliteOpen
		if _, fresh := m.On(ledger.Balance{}); !fresh || m.Frees || m.Out < 0 || m.In < 0 {
			query, args = sqliteMove, append(args, m.Frees)
		}
		n, err := tx.exec(query, args...)
		if err != nil {
			return "", err
		}
		if n != 1 {
			return m.Account, nil
		}
	}
	return "", nil
}

// together is how many keys one statement of SQLite looks up.
const together = 100

func (sqlite) find(r querier, t *table, keys []program.Key) ([]program.Row, error) {
	found := make([]program.Row, 0, len(keys))
	for part := range slices.Chunk(keys, together) {
		args := make([]any, 0, len(part)*t.spec.Key)
		for _, key := range part {
			args = append(args, key.Values...)
		}
		query := r.query
		if len(part) == together {
			query = r.again
		}
		rows, err := query(t.selectMany(len(part)), args...)
		if err != nil {
			return nil, err
		}
		some, err := t.scan(rows)
		if err != nil {
			return nil, err
		}
		found = append(found, some...)
	}
	return found, nil
}

// selectMany looks up n keys; CROSS JOIN keeps SQLite from reading the table
// first.
func (t *table) selectMany(n int) string {
	one := "(" + strings.Repeat("?, ", t.spec.Key-1) + "?)"
	var on, columns []string
	for i, c := range t.spec.Columns {
		if i < t.spec.Key {
			on = append(on, fmt.Sprintf("t.%s = v.column%d", c.Name, i+1))
		}
		columns = append(columns, "t."+c.Name)
	}
	return fmt.Sprintf("SELECT %s, t.version FROM (VALUES %s%s) AS v CROSS JOIN %s AS t ON %s",
		strings.Join(columns, ", "), strings.Repeat(one+", ", n-1), one, t.spec.Name, strings.Join(on, " AND "))
}

func (sqlite) balances(r querier, accounts []string, each func(name string, b ledger.Balance)) error {
	for part := range slices.Chunk(accounts, together) {
		args := make([]any, len(part))
		for i, a := range part {
			args[i] = a
		}
		query := r.query
		if len(part) == together {
			query = r.again
		}
		rows, err := query("SELECT account, posted, outgoing, incoming FROM accounts WHERE account IN (?"+strings.Repeat(", ?", len(part)-1)+")", args...)
		if err != nil {
			return err
		}
		if err := scanBalances(rows, each); err != nil {
			return err
		}
	}
	return nil
}
