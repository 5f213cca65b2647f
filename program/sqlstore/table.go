package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/ledger"
)

// dialect is what differs between the databases.
type dialect interface {
	// sql turns a statement with ? for its values into the database's own.
	sql(query string) string
	// schema fills the words of a migration that differ.
	schema(ddl string) string
	oneWriter() bool
	writerSetup() []string
	begin() string
	// forget takes out of the database's log what was deleted, if it can.
	forget(ctx context.Context, conn *sql.Conn) error
	// beginRead begins a transaction that reads one snapshot.
	beginRead() string
	// keep ends a SELECT whose rows nobody may change until the commit.
	keep() string
	// lockSchema keeps other processes from migrating until the commit.
	lockSchema() string
	hasTable() string
	// clock is the database's time in microseconds since 1970, as an expression.
	clock() string
	// write inserts rows (those with version 0) or updates them, all of one
	// kind. It returns the position of a row that could not be written, or -1: exactly, of
	// the first.
	write(tx *transaction, t *table, rows []program.Row, exactly bool) (int, error)
	// insert writes rows without a version and returns how many were new.
	insert(tx *transaction, t *table, rows []program.Row) (int64, error)
	// remove deletes rows of one table, and returns the position of the first that did not
	// have its version, or -1.
	remove(tx *transaction, t *table, rows []program.Row) (int, error)
	// among calls each with a condition that a column is one of the values, and its
	// arguments: all at once, or some at a time.
	among(values []string, each func(condition string, args []any) error) error
	// look returns the balances of the accounts that exist; held, they are locked until
	// the commit. It takes the store's time after that.
	look(tx *transaction, accounts []string, held bool) (look, error)
	// make lets accounts come into being that do not exist.
	make(tx *transaction, accounts []string) error
	// post inserts postings that are new, and moves accounts if all of them are there and
	// give what is demanded; it does both or neither. It returns the accounts as it found
	// them, where somebody else could have changed them since they were looked at.
	post(tx *transaction, postings []program.Row, all []demand) (fits bool, held []heldAccount, err error)
	// postAlone does the same in a transaction of its own, if the store's time, in
	// microseconds, is from after to before.
	postAlone(ctx context.Context, s *Store, after, before int64, postings []program.Row, all []demand) (fits bool, err error)
	// journal locks the journal's head until the commit, and writes entries behind it.
	// It takes the store's time after that.
	journal(tx *transaction, entries []*program.Entry) (time.Time, error)
	// move carries out movements and returns the account that refused.
	move(tx *transaction, moves []ledger.Movement) (ledger.Account, error)
	// find reads the rows with the given keys.
	find(r querier, t *table, keys []program.Key) ([]program.Row, error)
	// balances reads accounts, each named once; unused ones are left out.
	balances(r querier, accounts []string, each func(name string, b ledger.Balance)) error
}

// look is what accounts are seen to be.
type look struct {
	now      time.Time
	expired  bool // some pending posting has expired by then
	balances map[ledger.Account]ledger.Balance
}

// Tables that no Change names.
var (
	commandsTable = bare("commands", program.Column{Name: "command", Kind: program.Text}, program.Column{Name: "fingerprint", Kind: program.Bytes},
		program.Column{Name: "answer", Kind: program.Bytes})
	postingsTable = bare("postings", program.Column{Name: "id", Kind: program.Text}, program.Column{Name: "kind", Kind: program.Int},
		program.Column{Name: "of_id", Kind: program.Text}, program.Column{Name: "expires", Kind: program.Int}, program.Column{Name: "open", Kind: program.Int},
		program.Column{Name: "at", Kind: program.Int}, program.Column{Name: "legs", Kind: program.Bytes})
	journalTable = bare("journal", program.Column{Name: "seq", Kind: program.Int}, program.Column{Name: "at", Kind: program.Int},
		program.Column{Name: "actor", Kind: program.Text}, program.Column{Name: "kind", Kind: program.Text}, program.Column{Name: "data", Kind: program.Bytes})
)

func bare(name string, columns ...program.Column) table {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	return table{spec: program.TableSpec{Name: name, Columns: columns}, columns: strings.Join(names, ", ")}
}

// querier asks questions: a reader, or a transaction.
type querier interface {
	query(text string, args ...any) (*sql.Rows, error)
	// again asks what is asked over and over.
	again(text string, args ...any) (*sql.Rows, error)
}

// table is a table's statements.
type table struct {
	spec    program.TableSpec
	columns string            // "a, b, c"
	expect  string            // the version of one row
	insert  string            // one row, ? for values
	updates map[uint32]string // by Row.Changed; guarded by the store's writer
}

func newTable(spec program.TableSpec, d dialect) table {
	names := make([]string, len(spec.Columns))
	for i, c := range spec.Columns {
		names[i] = c.Name
	}
	t := table{spec: spec, columns: strings.Join(names, ", "), updates: map[uint32]string{}}
	t.expect = d.sql("SELECT version FROM " + spec.Name + " WHERE " + strings.Join(names[:spec.Key], " = ? AND ") + " = ?" + d.keep())
	t.insert = d.sql(fmt.Sprintf("INSERT INTO %s (%s, version) VALUES (%s?) ON CONFLICT DO NOTHING",
		spec.Name, t.columns, strings.Repeat("?, ", len(names))))
	return t
}

// update is the statement that writes the changed columns of one row: the
// changed values, the key, and the version that the row must have.
func (t *table) update(row *program.Row, d dialect) string {
	if query, ok := t.updates[row.Changed]; ok {
		return query
	}
	sets, keys := []string{"version = version + 1"}, []string{}
	for i, c := range t.spec.Columns {
		switch {
		case i < t.spec.Key:
			keys = append(keys, c.Name+" = ?")
		case row.Changes(i):
			sets = append(sets, c.Name+" = ?")
		}
	}
	query := d.sql(fmt.Sprintf("UPDATE %s SET %s WHERE %s AND version = ?",
		t.spec.Name, strings.Join(sets, ", "), strings.Join(keys, " AND ")))
	t.updates[row.Changed] = query
	return query
}

// index returns the columns in whose order a scan reads.
func (t *table) index(n int) ([]string, error) {
	var keys []string
	for _, c := range t.spec.Columns[:t.spec.Key] {
		keys = append(keys, c.Name)
	}
	if n == 0 {
		return keys, nil
	}
	if n < 0 || n > len(t.spec.Scans) {
		return nil, fmt.Errorf("sqlstore: table %s has no index %d", t.spec.Name, n)
	}
	columns := slices.Clone(t.spec.Scans[n-1])
	for _, k := range keys {
		if !slices.Contains(columns, k) {
			columns = append(columns, k)
		}
	}
	return columns, nil
}

func (t *table) column(name string) int {
	return slices.IndexFunc(t.spec.Columns, func(c program.Column) bool { return c.Name == name })
}
