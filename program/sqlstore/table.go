package sqlstore

import (
	"fmt"
	"slices"
	"strings"

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
	// beginRead begins a transaction that reads one snapshot.
	beginRead() string
	// keep ends a SELECT whose rows nobody may change until the commit.
	keep() string
	// lockSchema keeps other processes from migrating until the commit.
	lockSchema() string
	hasTable() string
	// write inserts rows (those with version 0) or updates them, all of one
	// kind. It returns the position of the first row that could not be
	// written, or -1.
	write(tx *transaction, t *table, rows []program.Row) (int, error)
	// move carries out movements and returns the account that refused.
	move(tx *transaction, moves []ledger.Movement) (ledger.Account, error)
	// find reads the rows with the given keys.
	find(r reader, t *table, keys []program.Key) ([]program.Row, error)
	// balances reads accounts, each named once; unused ones are left out.
	balances(r reader, accounts []string, each func(name string, b ledger.Balance)) error
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
