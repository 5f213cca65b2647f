package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/ledger"
)

// postgres writes many rows with one statement, as arrays, because each
// statement is a journey to the server.
type postgres struct{}

func (postgres) sql(query string) string {
	var b strings.Builder
	n := 0
	for _, r := range query {
		if r != '?' {
			b.WriteRune(r)
			continue
		}
		n++
		b.WriteString("$" + strconv.Itoa(n))
	}
	return b.String()
}

func (postgres) schema(ddl string) string {
	return strings.NewReplacer("{bytes}", "BYTEA", "{int}", "BIGINT", "{keyed}", "").Replace(ddl)
}

func (postgres) oneWriter() bool       { return false }
func (postgres) writerSetup() []string { return nil }
func (postgres) begin() string         { return "BEGIN ISOLATION LEVEL READ COMMITTED" }
func (postgres) beginRead() string     { return "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" }

// forget has nothing to do: what its log keeps, and how long, is the server's to say.
func (postgres) forget(context.Context, *sql.Conn) error { return nil }

func (postgres) lockSchema() string { return "SELECT pg_advisory_xact_lock(5108712302837)" }

func (postgres) clock() string {
	return "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"
}

func (postgres) keep() string { return " FOR SHARE" }

func (postgres) hasTable() string {
	return "SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = $1"
}

func (d postgres) write(tx *transaction, t *table, rows []program.Row, exactly bool) (int, error) {
	if rows[0].Gone {
		return d.remove(tx, t, rows)
	}
	query := t.arrayInsert()
	if rows[0].Version > 0 {
		query = t.arrayUpdate(&rows[0])
	}
	args, err := arrays(t, rows)
	if err != nil {
		return 0, err
	}
	exactly = exactly && len(rows) > 1
	if exactly {
		if err := tx.run("SAVEPOINT rows"); err != nil {
			return 0, err
		}
	}
	n, err := tx.exec(query, args...)
	if err != nil {
		return 0, err
	}
	if n == int64(len(rows)) {
		if exactly {
			return -1, tx.run("RELEASE SAVEPOINT rows")
		}
		return -1, nil
	}
	if !exactly {
		return 0, nil
	}
	return d.firstBad(tx, t, rows)
}

// firstBad finds the row that a refused statement could not write: the change
// is lost, but whoever decides again wants to know where to look. The others
// were written by the statement, which is taken back first.
func (d postgres) firstBad(tx *transaction, t *table, rows []program.Row) (int, error) {
	if err := tx.run("ROLLBACK TO SAVEPOINT rows"); err != nil {
		return 0, err
	}
	for i := range rows {
		if bad, err := d.write(tx, t, rows[i:i+1], true); err != nil || bad >= 0 {
			return i, err
		}
	}
	return 0, nil
}

func (postgres) remove(tx *transaction, t *table, rows []program.Row) (int, error) {
	var keys, types []string
	for i, c := range t.spec.Columns[:t.spec.Key] {
		keys = append(keys, "t."+c.Name+" = v."+c.Name)
		types = append(types, arrayType(i+1, c.Kind))
	}
	names := make([]string, t.spec.Key)
	for i := range names {
		names[i] = t.spec.Columns[i].Name
	}
	args, err := arrays(&table{spec: program.TableSpec{Name: t.spec.Name, Columns: t.spec.Columns[:t.spec.Key]}}, rows)
	if err != nil {
		return 0, err
	}
	query := fmt.Sprintf("DELETE FROM %s AS t USING unnest(%s, %s) AS v (%s, version) WHERE %s AND t.version = v.version - 1",
		t.spec.Name, strings.Join(types, ", "), arrayType(t.spec.Key+1, program.Int), strings.Join(names, ", "), strings.Join(keys, " AND "))
	n, err := tx.exec(query, args...)
	if err != nil || n == int64(len(rows)) {
		return -1, err
	}
	return 0, nil
}

func (postgres) insert(tx *transaction, t *table, rows []program.Row) (int64, error) {
	args, err := columns(t, rows)
	if err != nil {
		return 0, err
	}
	return tx.exec(fmt.Sprintf("INSERT INTO %s (%s) SELECT * FROM unnest(%s) ON CONFLICT DO NOTHING", t.spec.Name, t.columns, t.bareArrays()), args...)
}

// bareArrays are the parameters of a table without versions.
func (t *table) bareArrays() string {
	types := make([]string, len(t.spec.Columns))
	for i, c := range t.spec.Columns {
		types[i] = arrayType(i+1, c.Kind)
	}
	return strings.Join(types, ", ")
}

func arrayType(n int, kind program.Kind) string {
	return "$" + strconv.Itoa(n) + [...]string{program.Int: "::bigint[]", program.Text: "::text[]", program.Bytes: "::bytea[]"}[kind]
}

func (t *table) arrayTypes() string {
	types := make([]string, len(t.spec.Columns)+1)
	for i, c := range t.spec.Columns {
		types[i] = arrayType(i+1, c.Kind)
	}
	types[len(types)-1] = arrayType(len(types), program.Int)
	return strings.Join(types, ", ")
}

func (t *table) arrayInsert() string {
	return fmt.Sprintf("INSERT INTO %s (%s, version) SELECT * FROM unnest(%s) ON CONFLICT DO NOTHING",
		t.spec.Name, t.columns, t.arrayTypes())
}

func (t *table) arrayUpdate(like *program.Row) string {
	var sets, keys []string
	for i, c := range t.spec.Columns {
		if i < t.spec.Key {
			keys = append(keys, "t."+c.Name+" = v."+c.Name)
		} else if like.Changes(i) {
			sets = append(sets, c.Name+" = v."+c.Name)
		}
	}
	return fmt.Sprintf("UPDATE %s AS t SET %s, version = v.version FROM unnest(%s) AS v (%s, version) WHERE %s AND t.version = v.version - 1",
		t.spec.Name, strings.Join(sets, ", "), t.arrayTypes(), t.columns, strings.Join(keys, " AND "))
}

// arrays turns rows into one array for each column, and one for the version
// that the rows will have.
func arrays(t *table, rows []program.Row) ([]any, error) {
	args, err := columns(t, rows)
	versions := make([]int64, len(rows))
	for i, row := range rows {
		versions[i] = row.Version + 1
	}
	return append(args, versions), err
}

// columns turns rows into one array for each column.
func columns(t *table, rows []program.Row) ([]any, error) {
	args := make([]any, 0, len(t.spec.Columns)+1)
	for c, column := range t.spec.Columns {
		var array any
		var err error
		switch column.Kind {
		case program.Int:
			array, err = gather[int64](rows, c)
		case program.Text:
			array, err = gather[string](rows, c)
		default:
			array, err = gatherBytes(rows, c)
		}
		if err != nil {
			return nil, fmt.Errorf("sqlstore: %s.%s: %w", t.spec.Name, column.Name, err)
		}
		args = append(args, array)
	}
	return args, nil
}

func gather[V any](rows []program.Row, c int) ([]*V, error) {
	all := make([]*V, len(rows))
	for i, row := range rows {
		if row.Values[c] == nil {
			continue
		}
		v, ok := row.Values[c].(V)
		if !ok {
			return nil, fmt.Errorf("row %d has a value of another kind (%T)", i, row.Values[c])
		}
		all[i] = &v
	}
	return all, nil
}

func gatherBytes(rows []program.Row, c int) ([][]byte, error) {
	all := make([][]byte, len(rows))
	for i, row := range rows {
		if row.Values[c] == nil {
			continue
		}
		v, ok := row.Values[c].([]byte)
		if !ok {
			return nil, fmt.Errorf("row %d has a value of another kind (%T)", i, row.Values[c])
		}
		if v == nil {
			continue
		}
		all[i] = v
	}
	return all, nil
}

func (postgres) move(tx *transaction, moves []ledger.Movement) (ledger.Account, error) {
	names, posted, out, in := make([]string, len(moves)), make([]int64, len(moves)), make([]int64, len(moves)), make([]int64, len(moves))
	low, high, frees := make([]int64, len(moves)), make([]int64, len(moves)), make([]bool, len(moves))
	for i, m := range moves {
		names[i], posted[i], out[i], in[i] = string(m.Account), m.Posted, m.Out, m.In
		low[i], high[i], frees[i] = m.Bounds.Min, m.Bounds.Max, m.Frees
	}
	// The accounts come into being, then are locked in the order of their
	// names, then changed: so the bounds are held against balances that nobody
	// else can change meanwhile.
	if _, err := tx.exec(postgresOpen, names); err != nil {
		return "", err
	}
	if _, err := tx.exec(`SELECT account FROM accounts WHERE account = ANY($1::text[]) ORDER BY account COLLATE "C" FOR UPDATE`, names); err != nil {
		return "", err
	}
	rows, err := tx.query(`UPDATE accounts AS t SET posted = t.posted + v.p, outgoing = t.outgoing + v.o, incoming = t.incoming + v.i, minimum = v.lo, maximum = v.hi
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::boolean[]) AS v (a, p, o, i, lo, hi, frees)
WHERE t.account = v.a AND (v.frees OR (t.posted::numeric + v.p - t.outgoing - v.o >= v.lo AND t.posted::numeric + v.p + t.incoming + v.i <= v.hi))
RETURNING t.account`, names, posted, out, in, low, high, frees)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	changed := make(map[string]bool, len(moves))
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return "", err
		}
		changed[name] = true
	}
	for _, name := range names {
		if !changed[name] {
			return ledger.Account(name), rows.Err()
		}
	}
	return "", rows.Err()
}

const postgresOpen = `INSERT INTO accounts (account, posted, outgoing, incoming, minimum, maximum)
SELECT a, 0, 0, 0, 0, 0 FROM unnest($1::text[]) WITH ORDINALITY AS v (a, n) ORDER BY n ON CONFLICT DO NOTHING`

func (postgres) make(tx *transaction, accounts []string) error {
	_, err := tx.exec(postgresOpen, accounts)
	return err
}

func (postgres) among(values []string, each func(condition string, args []any) error) error {
	if len(values) == 0 {
		return nil
	}
	return each(" = ANY(?::text[])", []any{values})
}

// look is one statement. The time is taken when all rows of "seen" are there, and so all
// locks; what has expired is counted by that time.
func (postgres) look(tx *transaction, accounts []string, held bool) (look, error) {
	lock := ""
	if held {
		lock = ` ORDER BY account COLLATE "C" FOR UPDATE`
	}
	now, args := tx.store.clockSQL()
	rows, err := tx.query(tx.store.dialect.sql(`WITH seen AS MATERIALIZED (SELECT account, posted, outgoing, incoming FROM accounts WHERE account = ANY(?::text[])`+lock+`),
moment AS MATERIALIZED (SELECT `+now+` AS now FROM (SELECT count(*) FROM seen) AS every)
SELECT now, EXISTS (SELECT FROM postings WHERE open = 1 AND expires IS NOT NULL AND expires <= (SELECT now FROM moment)), account, posted, outgoing, incoming
FROM moment LEFT JOIN seen ON true`), append([]any{accounts}, args...)...)
	if err != nil {
		return look{}, err
	}
	defer rows.Close()
	all := look{balances: make(map[ledger.Account]ledger.Balance, len(accounts))}
	for rows.Next() {
		var micros int64
		var account sql.NullString
		var posted, outgoing, incoming sql.NullInt64
		if err := rows.Scan(&micros, &all.expired, &account, &posted, &outgoing, &incoming); err != nil {
			return look{}, err
		}
		all.now = time.UnixMicro(micros).UTC()
		if account.Valid {
			all.balances[ledger.Account(account.String)] = ledger.Balance{Posted: posted.Int64, Out: outgoing.Int64, In: incoming.Int64}
		}
	}
	return all, rows.Err()
}

func (postgres) post(tx *transaction, postings []program.Row, all []demand) (bool, []heldAccount, error) {
	return postgresPost(tx.query, "", nil, postings, all)
}

// postAlone is the same as a transaction of its own, if the store's time is between two.
func (d postgres) postAlone(ctx context.Context, s *Store, after, before int64, postings []program.Row, all []demand) (bool, error) {
	now, args := s.clockSQL()
	n := len(postingsTable.spec.Columns) + 8
	if len(args) > 0 {
		now = fmt.Sprintf("CAST($%d AS BIGINT)", n+3)
	}
	fits, _, err := postgresPost(func(query string, args ...any) (*sql.Rows, error) { return s.db.QueryContext(ctx, query, args...) },
		fmt.Sprintf(" AND %s BETWEEN $%d AND $%d", now, n+1, n+2), append([]any{after, before}, args...), postings, all)
	return fits, err
}

// postgresPost is one statement. It locks the accounts in the order of their names, so that
// two never wait for each other in a ring; whatever else it does depends on what they are
// then, and on a condition.
func postgresPost(ask func(string, ...any) (*sql.Rows, error), condition string, more []any, postings []program.Row, all []demand) (bool, []heldAccount, error) {
	args, err := columns(&postingsTable, postings)
	if err != nil {
		return false, nil, err
	}
	names, posted, out, in := make([]string, len(all)), make([]int64, len(all)), make([]int64, len(all)), make([]int64, len(all))
	low, high, minimum, maximum := make([]int64, len(all)), make([]int64, len(all)), make([]int64, len(all)), make([]int64, len(all))
	for i, d := range all {
		names[i], posted[i], out[i], in[i] = string(d.account), d.posted, d.out, d.in
		low[i], high[i], minimum[i], maximum[i] = d.low, d.high, d.bounds.Min, d.bounds.Max
	}
	rows, err := ask(`WITH wanted (account, posted, outgoing, incoming, low, high, minimum, maximum) AS MATERIALIZED (
SELECT * FROM unnest($8::text[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[])),
seen AS MATERIALIZED (SELECT account, posted, outgoing, incoming FROM accounts WHERE account = ANY($8::text[]) ORDER BY account COLLATE "C" FOR UPDATE),
verdict (fits) AS MATERIALIZED (SELECT found = cardinality($8::text[]) AND allowed`+condition+`
FROM (SELECT count(*) AS found, bool_and(s.posted - s.outgoing >= w.low AND s.posted + s.incoming <= w.high) AS allowed FROM seen AS s JOIN wanted AS w USING (account)) AS every),
made AS (INSERT INTO postings (`+postingsTable.columns+`) SELECT * FROM unnest(`+postingsTable.bareArrays()+`) WHERE (SELECT fits FROM verdict)),
moved AS (UPDATE accounts AS t SET posted = t.posted + w.posted, outgoing = t.outgoing + w.outgoing, incoming = t.incoming + w.incoming, minimum = w.minimum, maximum = w.maximum
FROM wanted AS w WHERE t.account = w.account AND (SELECT fits FROM verdict))
SELECT fits, account, posted, outgoing, incoming FROM verdict LEFT JOIN seen ON true`, slices.Concat(args, []any{names, posted, out, in, low, high, minimum, maximum}, more)...)
	if err != nil {
		return false, nil, unfit(err)
	}
	defer rows.Close()
	var fits bool
	var held []heldAccount
	for rows.Next() {
		var account sql.NullString
		var posted, outgoing, incoming sql.NullInt64
		if err := rows.Scan(&fits, &account, &posted, &outgoing, &incoming); err != nil {
			return false, nil, err
		}
		held = append(held, heldAccount{ledger.Account(account.String), ledger.Balance{Posted: posted.Int64, Out: outgoing.Int64, In: incoming.Int64}})
	}
	if err := rows.Err(); err != nil {
		return false, nil, unfit(err)
	}
	return fits, held, nil
}

// unfit turns the error of a statement that one of its values has ended into nil: a unique
// value that is there already (23505), a sum that overflows (22003), a text that is none.
// Whoever reads no row then has nothing that fits. To ask first, by ON CONFLICT, makes every
// row half as dear again.
func unfit(err error) error {
	var coded interface{ SQLState() string }
	if errors.As(err, &coded) && (strings.HasPrefix(coded.SQLState(), "22") || strings.HasPrefix(coded.SQLState(), "23")) {
		return nil
	}
	return err
}

func (postgres) journal(tx *transaction, entries []*program.Entry) (time.Time, error) {
	at, actors, kinds, data := make([]int64, len(entries)), make([]string, len(entries)), make([]string, len(entries)), make([][]byte, len(entries))
	for i, e := range entries {
		at[i], actors[i], kinds[i], data[i] = e.At.UnixMicro(), e.Actor, e.Kind, notNil(e.Data)
	}
	now, args := tx.store.clockSQL()
	var micros, made int64
	err := tx.row(`WITH head AS (UPDATE journal_head SET seq = seq + cardinality(?::bigint[]) RETURNING seq, `+now+` AS now),
made AS (INSERT INTO journal (seq, at, actor, kind, data)
SELECT head.seq - cardinality(?::bigint[]) + v.n, v.at, v.actor, v.kind, v.data
FROM head, unnest(?::bigint[], ?::text[], ?::text[], ?::bytea[]) WITH ORDINALITY AS v (at, actor, kind, data, n) ON CONFLICT DO NOTHING RETURNING 1)
SELECT now, (SELECT count(*) FROM made) FROM head`, slices.Concat([]any{at}, args, []any{at, at, actors, kinds, data})...).Scan(&micros, &made)
	if err != nil {
		return time.Time{}, fmt.Errorf("sqlstore: journal: %w", err)
	}
	if made != int64(len(entries)) {
		return time.Time{}, errJournal
	}
	return time.UnixMicro(micros).UTC(), nil
}

func (d postgres) find(r querier, t *table, keys []program.Key) ([]program.Row, error) {
	rows := make([]program.Row, len(keys))
	for i, key := range keys {
		rows[i].Values = key.Values
	}
	var types, names, args = []string{}, []string{}, []any{}
	all, err := arrays(&table{spec: program.TableSpec{Name: t.spec.Name, Columns: t.spec.Columns[:t.spec.Key]}}, rows)
	if err != nil {
		return nil, err
	}
	for i, c := range t.spec.Columns[:t.spec.Key] {
		types = append(types, arrayType(i+1, c.Kind))
		names = append(names, c.Name)
		args = append(args, all[i])
	}
	found, err := r.query(fmt.Sprintf("SELECT %s, version FROM %s WHERE (%s) IN (SELECT * FROM unnest(%s))",
		t.columns, t.spec.Name, strings.Join(names, ", "), strings.Join(types, ", ")), args...)
	if err != nil {
		return nil, err
	}
	return t.scan(found)
}

func (postgres) balances(r querier, accounts []string, each func(name string, b ledger.Balance)) error {
	rows, err := r.query("SELECT account, posted, outgoing, incoming FROM accounts WHERE account = ANY($1::text[])", accounts)
	if err != nil {
		return err
	}
	return scanBalances(rows, each)
}
