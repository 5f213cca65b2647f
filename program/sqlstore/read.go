package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/ledger"
)

// readers is how many reads one store makes at once; further ones wait.
const readers = 4

// readConn is a connection for reading, with the statements that are run over
// and over.
type readConn struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

func (c *readConn) close() error {
	var all error
	for _, stmt := range c.stmts {
		all = errors.Join(all, stmt.Close())
	}
	return errors.Join(all, discard(c.conn))
}

type reader struct {
	ctx context.Context
	*readConn
}

func (r reader) query(text string, args ...any) (*sql.Rows, error) {
	return r.conn.QueryContext(r.ctx, text, args...)
}

// again runs a statement that is run over and over: it is prepared once on each
// connection.
func (r reader) again(text string, args ...any) (*sql.Rows, error) {
	stmt, ok := r.stmts[text]
	if !ok {
		var err error
		if stmt, err = r.conn.PrepareContext(r.ctx, text); err != nil {
			return nil, err
		}
		r.stmts[text] = stmt
	}
	return stmt.QueryContext(r.ctx, args...)
}

// read runs work in one snapshot. One statement has a snapshot of its own, and needs no
// transaction.
func (s *Store) read(ctx context.Context, oneStatement bool, work func(reader) error) (err error) {
	var c *readConn
	select {
	case c = <-s.reading:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { s.reading <- c }()
	if c == nil {
		conn, err := s.db.Conn(ctx)
		if err != nil {
			return fmt.Errorf("sqlstore: connect: %w", err)
		}
		c = &readConn{conn, map[string]*sql.Stmt{}}
	}
	if oneStatement {
		err = work(reader{ctx, c})
	} else {
		err = inSnapshot(ctx, c, s.dialect.beginRead(), work)
	}
	if err != nil {
		err = errors.Join(fmt.Errorf("sqlstore: read: %w", err), c.close())
		c = nil
	}
	return err
}

func inSnapshot(ctx context.Context, c *readConn, begin string, work func(reader) error) error {
	if _, err := c.conn.ExecContext(ctx, begin); err != nil {
		return err
	}
	if err := work(reader{ctx, c}); err != nil {
		return err // the connection is given up, and its transaction with it
	}
	_, err := c.conn.ExecContext(ctx, "COMMIT")
	return err
}

// Load implements program.Store.
func (s *Store) Load(ctx context.Context, q program.Query) (program.Rows, error) {
	var found program.Rows
	oneStatement := q.Command == "" && len(q.Keys) == 1 || len(q.Keys) == 0
	err := s.read(ctx, oneStatement, func(r reader) error {
		if q.Command != "" {
			row := r.conn.QueryRowContext(ctx, s.dialect.sql("SELECT fingerprint, answer FROM commands WHERE command = ?"), q.Command)
			err := row.Scan(&found.Fingerprint, &found.Answer)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			found.Answered = err == nil
		}
		for from := 0; from < len(q.Keys); {
			to := from + 1
			for to < len(q.Keys) && q.Keys[to].Table == q.Keys[from].Table {
				to++
			}
			rows, err := s.dialect.find(r, &s.tables[q.Keys[from].Table], q.Keys[from:to])
			if err != nil {
				return err
			}
			found.Rows = append(found.Rows, rows...)
			from = to
		}
		return nil
	})
	return found, err
}

// Page implements program.Store.
func (s *Store) Page(ctx context.Context, scan program.Scan) (program.Rows, program.Cursor, error) {
	t := &s.tables[scan.Table]
	index, err := t.index(scan.Index)
	if err != nil {
		return program.Rows{}, nil, err
	}
	query, args, err := pageQuery(t, index, scan)
	if err != nil {
		return program.Rows{}, nil, err
	}
	var found []program.Row
	err = s.read(ctx, true, func(r reader) error {
		rows, err := r.query(s.dialect.sql(query), args...)
		if err == nil {
			found, err = t.scan(rows)
		}
		return err
	})
	if err != nil || len(found) < scan.Limit {
		return program.Rows{Rows: found}, nil, err
	}
	cursor := make(program.Cursor, len(index))
	for i, name := range index {
		cursor[i] = found[len(found)-1].Values[t.column(name)]
	}
	return program.Rows{Rows: found}, cursor, nil
}

func pageQuery(t *table, index []string, scan program.Scan) (string, []any, error) {
	fault := func(what string) error { return fmt.Errorf("sqlstore: scan of %s: %s", t.spec.Name, what) }
	if scan.Limit < 1 || len(scan.Equal) > len(index) || scan.Below != nil && len(scan.Equal) == len(index) {
		return "", nil, fault("its limit or its values do not fit the index")
	}
	if scan.After != nil && len(scan.After) != len(index) || scan.Through != nil && len(scan.Through) != len(index) {
		return "", nil, fault("the cursor is of another index")
	}
	var where []string
	var args []any
	for i, v := range scan.Equal {
		where, args = append(where, index[i]+" = ?"), append(args, v)
	}
	rest := index[len(scan.Equal):]
	if scan.Index > 0 && len(scan.Equal) == 0 {
		where = append(where, index[0]+" IS NOT NULL")
	}
	if scan.Below != nil {
		where, args = append(where, rest[0]+" < ?"), append(args, scan.Below)
	}
	if len(scan.Only) > 0 {
		if t.column(scan.Column) < 0 {
			return "", nil, fault("no such column")
		}
		where = append(where, scan.Column+" IN (?"+strings.Repeat(", ?", len(scan.Only)-1)+")")
		args = append(args, scan.Only...)
	}
	if scan.After != nil && len(rest) > 0 {
		where = append(where, fmt.Sprintf("(%s) > (?%s)", strings.Join(rest, ", "), strings.Repeat(", ?", len(rest)-1)))
		args = append(args, scan.After[len(scan.Equal):]...)
	}
	if scan.Through != nil && len(rest) > 0 {
		where = append(where, fmt.Sprintf("(%s) <= (?%s)", strings.Join(rest, ", "), strings.Repeat(", ?", len(rest)-1)))
		args = append(args, scan.Through[len(scan.Equal):]...)
	}
	query := fmt.Sprintf("SELECT %s, version FROM %s", t.columns, t.spec.Name)
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	query += fmt.Sprintf(" ORDER BY %s LIMIT %d", strings.Join(index, ", "), scan.Limit)
	if scan.Skip > 0 {
		query += fmt.Sprintf(" OFFSET %d", scan.Skip)
	}
	return query, args, nil
}

// scan reads all rows and closes them.
func (t *table) scan(rows *sql.Rows) ([]program.Row, error) {
	defer rows.Close()
	var found []program.Row
	n := len(t.spec.Columns)
	targets := make([]any, n+1)
	for rows.Next() {
		row := program.Row{Table: t.spec.ID, Values: make([]any, n)}
		for i := range n {
			targets[i] = &row.Values[i]
		}
		targets[n] = &row.Version
		if err := rows.Scan(targets...); err != nil {
			return nil, err
		}
		for i, c := range t.spec.Columns {
			row.Values[i] = asKind(c.Kind, row.Values[i])
		}
		found = append(found, row)
	}
	return found, rows.Err()
}

// asKind gives a value the type that its column promises, whatever the driver
// makes of it.
func asKind(kind program.Kind, v any) any {
	switch x := v.(type) {
	case string:
		if kind == program.Bytes {
			return []byte(x)
		}
	case []byte:
		if kind == program.Text {
			return string(x)
		}
	}
	return v
}

// Journal implements program.Store.
func (s *Store) Journal(ctx context.Context, after int64, limit int) ([]program.Entry, error) {
	var entries []program.Entry
	err := s.read(ctx, true, func(r reader) error {
		rows, err := r.query(s.dialect.sql("SELECT seq, at, actor, kind, data FROM journal WHERE seq > ? ORDER BY seq LIMIT ?"), after, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var e program.Entry
			var at int64
			if err := rows.Scan(&e.Seq, &at, &e.Actor, &e.Kind, &e.Data); err != nil {
				return err
			}
			e.At = time.UnixMicro(at).UTC()
			entries = append(entries, e)
		}
		return rows.Err()
	})
	return entries, err
}

// Balances implements program.Store.
func (s *Store) Balances(ctx context.Context, accounts ...ledger.Account) ([]ledger.Balance, error) {
	balances := make([]ledger.Balance, len(accounts))
	places := make(map[string][]int, len(accounts))
	names := make([]string, 0, len(accounts))
	for i, a := range accounts {
		if places[string(a)] == nil {
			names = append(names, string(a))
		}
		places[string(a)] = append(places[string(a)], i)
	}
	if len(names) == 0 {
		return balances, nil
	}
	err := s.read(ctx, false, func(r reader) error {
		if err := s.dialect.balances(r, names, func(name string, b ledger.Balance) {
			for _, i := range places[name] {
				balances[i] = b
			}
		}); err != nil {
			return err
		}
		return s.withoutExpired(r, func(m ledger.Movement) {
			for _, i := range places[string(m.Account)] {
				balances[i], _ = m.On(balances[i])
			}
		})
	})
	return balances, err
}

// withoutExpired gives the movements that the next change will make: what has expired
// holds nothing, whether or not somebody has written since.
func (s *Store) withoutExpired(r reader, each func(ledger.Movement)) error {
	query, args := s.expired("legs")
	rows, err := r.again(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var data []byte
		if err := rows.Scan(&data); err != nil {
			return err
		}
		legs, err := ledger.ParseLegs(data)
		if err != nil {
			return err
		}
		for _, m := range (ledger.Posting{Kind: ledger.Void}).Movements(legs) {
			each(m)
		}
	}
	return rows.Err()
}

func scanBalances(rows *sql.Rows, each func(name string, b ledger.Balance)) error {
	defer rows.Close()
	for rows.Next() {
		var name string
		var b ledger.Balance
		if err := rows.Scan(&name, &b.Posted, &b.Out, &b.In); err != nil {
			return err
		}
		each(name, b)
	}
	return rows.Err()
}
