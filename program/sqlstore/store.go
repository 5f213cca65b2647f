package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gelombang/gelombang/program"
)

// Database says which database a *sql.DB speaks to.
type Database uint8

// The databases that the store knows.
const (
	SQLite Database = iota + 1
	PostgreSQL
)

// Store keeps a program in an SQL database. It implements program.Store and
// is safe for use by several goroutines, and by several processes at once.
type Store struct {
	db      *sql.DB
	dialect dialect
	tables  []table
	clock   func() time.Time // nil: the database's

	writing sync.Mutex // SQLite has one writer; waiting here is cheaper than there
	writer  *sql.Conn  // SQLite only: kept, with its statements
	ready   map[string]*sql.Stmt
	owed    bool // keys of people that were deleted may still be in SQLite's log

	reading chan *readConn // a place for each reader; nil where no connection is open
}

// Options are what a store may be given beyond what it needs.
type Options struct {
	// Clock tells the store's time; nil means the database's own clock, which is one
	// for all processes. Tests and simulations give one that they move.
	Clock func() time.Time
}

// Open prepares the database for use: it brings the schema up to date, safely
// when several processes start together, and refuses a database that a newer
// release has written (*TooNewError). The caller keeps db and closes it after
// the store.
//
// On SQLite the store switches the file to write-ahead logging and writes with
// synchronous=FULL, so that an acknowledged change survives a power cut.
//
// What is deleted is overwritten on SQLite (secure_delete). The write-ahead log still has
// the pages of before, so after a commit that deletes keys of people the store writes the
// log back and cuts it to nothing. While somebody reads an older snapshot, in this process
// or another, that is not possible, and nobody is made to wait: the next such commit does
// it, or Close, or after a death Open. On PostgreSQL what was deleted goes with VACUUM, and from its log and copies
// with these.
//
// The store keeps up to five connections: one that writes, on SQLite, and four
// that read. It refuses a db that allows fewer.
func Open(ctx context.Context, db *sql.DB, database Database, options *Options) (*Store, error) {
	if n := db.Stats().MaxOpenConnections; n > 0 && n < readers+1 {
		return nil, fmt.Errorf("sqlstore: the database allows %d connections, the store needs %d", n, readers+1)
	}
	if options == nil {
		options = &Options{}
	}
	s := &Store{db: db, clock: options.Clock, ready: map[string]*sql.Stmt{}, reading: make(chan *readConn, readers)}
	for range readers {
		s.reading <- nil
	}
	switch database {
	case SQLite:
		s.dialect = sqlite{}
	case PostgreSQL:
		s.dialect = postgres{}
	default:
		return nil, fmt.Errorf("sqlstore: unknown database %d", database)
	}
	for _, spec := range program.Tables() {
		s.tables = append(s.tables, newTable(spec, s.dialect))
	}
	if err := s.migrate(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.forget(ctx) // a process may have died before it did
	return s, nil
}

// Close releases what the store holds of the database.
func (s *Store) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	var all error
	for range readers {
		if c := <-s.reading; c != nil {
			all = errors.Join(all, c.close())
		}
		s.reading <- nil
	}
	if s.owed {
		s.forget(context.Background())
	}
	return errors.Join(all, s.dropWriter())
}

// forget cuts the write-ahead log to nothing, if nobody reads what is in it.
func (s *Store) forget(ctx context.Context) {
	conn := s.writer
	if conn == nil {
		own, err := s.db.Conn(ctx)
		if err != nil {
			return
		}
		defer own.Close()
		conn = own
	}
	s.owed = s.dialect.forget(ctx, conn) != nil
}

func (s *Store) dropWriter() error {
	if s.writer == nil {
		return nil
	}
	var all error
	for _, stmt := range s.ready {
		all = errors.Join(all, stmt.Close())
	}
	clear(s.ready)
	all = errors.Join(all, discard(s.writer))
	s.writer = nil
	if errors.Is(all, sql.ErrConnDone) {
		return nil
	}
	return all
}

// transaction runs work in one durable transaction. On SQLite it begins as a
// writer, so that it cannot fail half way for want of the lock. A transaction that
// the database broke off in favour of another is run again: nothing of it was kept.
func (s *Store) transaction(ctx context.Context, work func(*transaction) error) error {
	err := s.transact(ctx, work)
	for range givenWay {
		if !brokenOff(err) {
			break
		}
		err = s.transact(ctx, work)
	}
	return err
}

// givenWay is how often one transaction gives way to others.
const givenWay = 20

// brokenOff reports whether a database says that it has undone a transaction
// because of another: a serialization failure (40001) or a deadlock (40P01).
func brokenOff(err error) bool {
	var coded interface{ SQLState() string }
	return errors.As(err, &coded) && (coded.SQLState() == "40001" || coded.SQLState() == "40P01")
}

func (s *Store) transact(ctx context.Context, work func(*transaction) error) error {
	// A transaction that began is finished: a cancelled context stops the
	// next one, not this one.
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	if s.dialect.oneWriter() {
		s.writing.Lock()
		defer s.writing.Unlock()
		return s.singleWriter(ctx, work)
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("sqlstore: connect: %w", err)
	}
	clean, err := inTransaction(ctx, &transaction{store: s, ctx: ctx, conn: conn}, work)
	if !clean {
		return errors.Join(err, discard(conn))
	}
	_ = conn.Close() // back to the pool: what is committed is committed
	return err
}

func (s *Store) singleWriter(ctx context.Context, work func(*transaction) error) error {
	if s.writer == nil {
		conn, err := s.db.Conn(ctx)
		if err != nil {
			return fmt.Errorf("sqlstore: open: %w", err)
		}
		s.writer = conn
		for _, pragma := range s.dialect.writerSetup() {
			if err := setUp(ctx, conn, pragma); err != nil {
				return errors.Join(fmt.Errorf("sqlstore: set up: %w", err), s.dropWriter())
			}
		}
	}
	tx := &transaction{store: s, ctx: ctx, conn: s.writer, prepare: true}
	clean, err := inTransaction(ctx, tx, work)
	if tx.forgets { // kept or not: a log that is cut once too often is no harm
		s.owed = true
	}
	if clean {
		if tx.forgets && err == nil {
			s.forget(ctx)
		}
		return err
	}
	return errors.Join(err, s.dropWriter())
}

// setUp runs one statement of a writer's set-up. When several processes start
// together on a new file, SQLite answers that the file is locked without
// waiting, because the switch of the journal goes from a reader's lock to a
// writer's. It then waits as a writer, which SQLite does in turn, and goes on.
func setUp(ctx context.Context, conn *sql.Conn, pragma string) error {
	_, err := conn.ExecContext(ctx, pragma)
	for range startTogether {
		if err == nil || !strings.Contains(err.Error(), "database is locked") {
			return err
		}
		for _, wait := range []string{"BEGIN IMMEDIATE", "COMMIT"} {
			if _, err := conn.ExecContext(ctx, wait); err != nil {
				return err
			}
		}
		_, err = conn.ExecContext(ctx, pragma)
	}
	return err
}

// startTogether is how many times a writer that starts gives way to others.
const startTogether = 100

// inTransaction reports whether it leaves the connection without a transaction: otherwise
// it has to be discarded.
func inTransaction(ctx context.Context, tx *transaction, work func(*transaction) error) (clean bool, err error) {
	if err := tx.run(tx.store.dialect.begin()); err != nil {
		return false, err
	}
	if err := work(tx); err != nil {
		if _, undo := tx.conn.ExecContext(ctx, "ROLLBACK"); undo != nil {
			return false, fmt.Errorf("sqlstore: rollback: %w", errors.Join(undo, err))
		}
		if _, byIntent := err.(*undone); byIntent {
			return true, err
		}
		return true, &program.UndoneError{Err: err}
	}
	err = tx.run("COMMIT")
	return err == nil, err
}

// discard closes a connection for good. Given back to the pool it would have its
// transaction, and its locks, for whoever gets it next.
func discard(conn *sql.Conn) error {
	err := conn.Raw(func(any) error { return driver.ErrBadConn })
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) {
		return nil
	}
	return err
}

// transaction is the open transaction of one Apply.
type transaction struct {
	store   *Store
	ctx     context.Context
	conn    *sql.Conn
	prepare bool
	forgets bool // it deletes keys of people
}

// exec runs a statement and returns the number of rows it touched.
func (tx *transaction) exec(query string, args ...any) (int64, error) {
	res, err := tx.result(query, args)
	if err != nil {
		return 0, fmt.Errorf("sqlstore: %s: %w", firstWords(query), err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("sqlstore: %s: %w", firstWords(query), err)
	}
	return n, nil
}

func (tx *transaction) result(query string, args []any) (sql.Result, error) {
	if !tx.prepare {
		return tx.conn.ExecContext(tx.ctx, query, args...)
	}
	stmt, err := tx.statement(query)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(tx.ctx, args...)
}

func (tx *transaction) query(query string, args ...any) (*sql.Rows, error) {
	rows, err := tx.rowsOf(query, args)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: %s: %w", firstWords(query), err)
	}
	return rows, nil
}

func (tx *transaction) rowsOf(query string, args []any) (*sql.Rows, error) {
	if !tx.prepare {
		return tx.conn.QueryContext(tx.ctx, query, args...)
	}
	stmt, err := tx.statement(query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(tx.ctx, args...)
}

func (tx *transaction) again(query string, args ...any) (*sql.Rows, error) {
	return tx.query(query, args...)
}

// row asks for one row. The query has ? for its values.
func (tx *transaction) row(query string, args ...any) *sql.Row {
	query = tx.store.dialect.sql(query)
	if tx.prepare {
		if stmt, err := tx.statement(query); err == nil {
			return stmt.QueryRowContext(tx.ctx, args...)
		}
	}
	return tx.conn.QueryRowContext(tx.ctx, query, args...)
}

func (tx *transaction) statement(query string) (*sql.Stmt, error) {
	if stmt, ok := tx.store.ready[query]; ok {
		return stmt, nil
	}
	stmt, err := tx.conn.PrepareContext(tx.ctx, query)
	if err != nil {
		return nil, err
	}
	tx.store.ready[query] = stmt
	return stmt, nil
}

func (tx *transaction) run(query string) error {
	if _, err := tx.conn.ExecContext(tx.ctx, query); err != nil {
		return fmt.Errorf("sqlstore: %s: %w", firstWords(query), err)
	}
	return nil
}

// firstWords names a statement in an error without its values.
func firstWords(query string) string {
	words := bytes.Fields([]byte(query))
	return string(bytes.Join(words[:min(3, len(words))], []byte(" ")))
}
