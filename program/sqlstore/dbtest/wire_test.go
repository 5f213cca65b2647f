package dbtest_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// wire stands between database/sql and a driver. Each statement goes through it, and a
// test can have another sent, or have one fail.
type wire struct {
	driver.Connector
	// rewrite, if not nil, gives the statement that is sent.
	rewrite func(query string) string
	// around, if not nil, carries out a statement by calling send once or not at all. If
	// it says that the connection is lost, the connection is closed.
	around func(query string, send func() error) (lost bool, err error)
}

// newWire returns a database that is reached through a wire.
func newWire(t testing.TB, driverName, source string) (*wire, *sql.DB) {
	t.Helper()
	plain, err := sql.Open(driverName, source)
	require.NoError(t, err)
	defer plain.Close()
	w := &wire{Connector: dsnConnector{source, plain.Driver()}}
	if d, ok := plain.Driver().(driver.DriverContext); ok {
		w.Connector, err = d.OpenConnector(source)
		require.NoError(t, err)
	}
	db := sql.OpenDB(w)
	t.Cleanup(func() { db.Close() })
	return w, db
}

type dsnConnector struct {
	source string
	d      driver.Driver
}

func (c dsnConnector) Connect(context.Context) (driver.Conn, error) { return c.d.Open(c.source) }
func (c dsnConnector) Driver() driver.Driver                        { return c.d }

func (w *wire) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := w.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &wireConn{Conn: c, wire: w}, nil
}

func (w *wire) text(query string) string {
	if w.rewrite != nil {
		return w.rewrite(query)
	}
	return query
}

type wireConn struct {
	driver.Conn
	wire *wire
	lost atomic.Bool
}

// do sends a statement.
func (c *wireConn) do(query string, send func() error) error {
	if c.lost.Load() {
		return driver.ErrBadConn
	}
	if c.wire.around == nil {
		return send()
	}
	lost, err := c.wire.around(query, send)
	if lost && c.lost.CompareAndSwap(false, true) {
		c.Conn.Close()
	}
	return err
}

func (c *wireConn) Close() error {
	if c.lost.Load() {
		return nil
	}
	return c.Conn.Close()
}

func (c *wireConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (res driver.Result, err error) {
	query = c.wire.text(query)
	err = c.do(query, func() (err error) {
		res, err = c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
		return err
	})
	return res, err
}

func (c *wireConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (rows driver.Rows, err error) {
	query = c.wire.text(query)
	err = c.do(query, func() (err error) {
		rows, err = c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
		return err
	})
	if err != nil && rows != nil {
		rows.Close()
		rows = nil
	}
	return rows, err
}

func (c *wireConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	query = c.wire.text(query)
	s, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return &wireStmt{Stmt: s, conn: c, query: query}, nil
}

func (c *wireConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
}

func (c *wireConn) CheckNamedValue(v *driver.NamedValue) error {
	if k, ok := c.Conn.(driver.NamedValueChecker); ok {
		return k.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c *wireConn) ResetSession(ctx context.Context) error {
	if c.lost.Load() {
		return driver.ErrBadConn
	}
	if r, ok := c.Conn.(driver.SessionResetter); ok {
		return r.ResetSession(ctx)
	}
	return nil
}

func (c *wireConn) IsValid() bool {
	if v, ok := c.Conn.(driver.Validator); ok && !v.IsValid() {
		return false
	}
	return !c.lost.Load()
}

type wireStmt struct {
	driver.Stmt
	conn  *wireConn
	query string
}

func (s *wireStmt) Close() error {
	if s.conn.lost.Load() {
		return nil
	}
	return s.Stmt.Close()
}

func (s *wireStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (res driver.Result, err error) {
	err = s.conn.do(s.query, func() (err error) {
		res, err = s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
		return err
	})
	return res, err
}

func (s *wireStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (rows driver.Rows, err error) {
	err = s.conn.do(s.query, func() (err error) {
		rows, err = s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
		return err
	})
	if err != nil && rows != nil {
		rows.Close()
		rows = nil
	}
	return rows, err
}
