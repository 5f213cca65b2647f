// Package memstore keeps a program in memory: for tests, for trying a program
// out, and for programs that need no more. What it holds ends with the
// process.
//
//	store := memstore.New()
//	engine, err := program.NewEngine(p, store, keyring, around, nil)
//
// It passes the same conformance suite as the SQL stores
// (program/programtest).
package memstore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/ledger"
)

// Store keeps a program in memory. It implements program.Store and is safe
// for use by several goroutines.
type Store struct {
	clock func() time.Time // nil: the changes' own
	last  time.Time        // of the changes

	mu       sync.RWMutex
	tables   []table
	commands map[string]answer
	journal  []program.Entry
	book     ledger.Book
}

type answer struct{ fingerprint, answer []byte }

type table struct {
	spec   program.TableSpec
	rows   map[string]program.Row // by encoded key
	sorted []program.Row          // in key order; nil when it must be made anew
	unique []map[string]string    // unique value to the key that has it
}

// New returns an empty store. A store in memory belongs to one process, so the
// time of a change is the store's own.
func New() *Store { return NewAt(nil) }

// NewAt returns an empty store with a clock of its own, like that of a database
// that several processes share.
func NewAt(clock func() time.Time) *Store {
	s := &Store{clock: clock, commands: map[string]answer{}}
	for _, spec := range program.Tables() {
		t := table{spec: spec, rows: map[string]program.Row{}}
		for range spec.Unique {
			t.unique = append(t.unique, map[string]string{})
		}
		s.tables = append(s.tables, t)
	}
	return s
}

// Apply implements program.Store.
func (s *Store) Apply(ctx context.Context, changes []program.Change) ([]program.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clock != nil {
		if err := program.CheckClock(changes, s.clock()); err != nil {
			return nil, err
		}
	}
	for i := range changes {
		for _, row := range changes[i].Rows {
			if spec := s.tables[row.Table].spec; !row.Gone && len(row.Values) != len(spec.Columns) {
				return nil, fmt.Errorf("memstore: a row of table %s has %d values, not %d", spec.Name, len(row.Values), len(spec.Columns))
			}
		}
	}
	outcomes := make([]program.Outcome, len(changes))
	for i, c := range changes {
		now := c.At
		if s.last.Before(c.At) {
			s.last = c.At
		}
		if s.clock != nil {
			now = s.clock()
		}
		outcomes[i] = s.apply(c, now)
	}
	return outcomes, nil
}

func (s *Store) apply(c program.Change, now time.Time) program.Outcome {
	if before, ok := s.commands[c.Key]; ok && c.Key != "" {
		if !bytes.Equal(before.fingerprint, c.Fingerprint) {
			return program.Outcome{Refusal: &program.KeyConflictError{Key: c.Key}}
		}
		return program.Outcome{Replayed: true, Answer: slices.Clone(before.answer)}
	}
	var undo []func()
	revert := func(err error) program.Outcome {
		for _, u := range slices.Backward(undo) {
			u()
		}
		return program.Outcome{Refusal: err}
	}
	for i, x := range c.Expect {
		if s.tables[x.Table].rows[encode(x.Values)].Version != x.Version {
			return revert(&program.StaleError{Table: s.tables[x.Table].spec.Name, Row: i})
		}
	}
	for i, row := range c.Rows {
		if s.tables[row.Table].spec.ReadOnly {
			return revert(&program.StaleError{Table: s.tables[row.Table].spec.Name, Row: len(c.Expect) + i})
		}
		back, ok := s.tables[row.Table].write(row)
		if !ok {
			return revert(&program.StaleError{Table: s.tables[row.Table].spec.Name, Row: len(c.Expect) + i})
		}
		undo = append(undo, back)
	}
	if err := s.book.Apply(now, c.Postings...); err != nil {
		return revert(err)
	}
	for _, p := range c.Postings { // one that was made before is there already
		s.tables[program.TablePostings].write(program.Row{Table: program.TablePostings, Values: []any{p.ID, int64(p.Kind), p.Of, c.At.UnixMicro(), ledger.FormatLegs(p.Legs)}})
	}
	if c.Key != "" {
		s.commands[c.Key] = answer{slices.Clone(c.Fingerprint), slices.Clone(c.Answer)}
	}
	if c.Entry != nil {
		e := *c.Entry
		e.Seq, e.Data = int64(len(s.journal))+1, slices.Clone(e.Data)
		s.journal = append(s.journal, e)
	}
	return program.Outcome{Answer: c.Answer}
}

// write puts a row in its place and returns how to take that back, or false
// if the row is not as expected.
func (t *table) write(row program.Row) (func(), bool) {
	key := encode(row.Values[:t.spec.Key])
	old, exists := t.rows[key]
	if exists != (row.Version > 0) || old.Version != row.Version || row.Gone && !exists {
		return nil, false
	}
	if row.Gone {
		t.put(key, old, true, program.Row{}, false)
		return func() { t.put(key, program.Row{}, false, old, true) }, true
	}
	row.Values = cloneValues(row.Values)
	if exists {
		for i := t.spec.Key; i < len(row.Values); i++ {
			if !row.Changes(i) {
				row.Values[i] = old.Values[i]
			}
		}
	}
	row.Changed = 0
	for u, columns := range t.spec.Unique {
		if value, live := t.uniqueValue(columns, row); live {
			if owner, taken := t.unique[u][value]; taken && owner != key {
				return nil, false
			}
		}
	}
	row.Version++
	t.put(key, old, exists, row, true)
	return func() { t.put(key, row, true, old, exists) }, true
}

func (t *table) put(key string, old program.Row, had bool, next program.Row, has bool) {
	for u, columns := range t.spec.Unique {
		if had {
			if value, live := t.uniqueValue(columns, old); live {
				delete(t.unique[u], value)
			}
		}
		if has {
			if value, live := t.uniqueValue(columns, next); live {
				t.unique[u][value] = key
			}
		}
	}
	t.sorted = nil
	if has {
		t.rows[key] = next
		return
	}
	delete(t.rows, key)
}

func (t *table) uniqueValue(columns []string, row program.Row) (string, bool) {
	values := make([]any, len(columns))
	for i, name := range columns {
		values[i] = row.Values[t.column(name)]
	}
	if t.spec.Ended == "" {
		return encode(values), true
	}
	return encode(values), row.Values[t.column(t.spec.Ended)] == nil
}

func (t *table) column(name string) int {
	return slices.IndexFunc(t.spec.Columns, func(c program.Column) bool { return c.Name == name })
}

// encode makes a map key of values: kinds and lengths are part of it.
func encode(values []any) string {
	var b strings.Builder
	for _, v := range values {
		switch x := v.(type) {
		case []byte:
			fmt.Fprintf(&b, "b%d:%s", len(x), x)
		case string:
			fmt.Fprintf(&b, "s%d:%s", len(x), x)
		default:
			fmt.Fprintf(&b, "i%v:", x)
		}
	}
	return b.String()
}

func cloneValues(values []any) []any {
	out := slices.Clone(values)
	for i, v := range out {
		if b, ok := v.([]byte); ok {
			if b == nil {
				out[i] = nil
				continue
			}
			out[i] = slices.Clone(b)
		}
	}
	return out
}

// Load implements program.Store.
func (s *Store) Load(ctx context.Context, q program.Query) (program.Rows, error) {
	if err := ctx.Err(); err != nil {
		return program.Rows{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found program.Rows
	if before, ok := s.commands[q.Command]; ok && q.Command != "" {
		found.Answered = true
		found.Answer, found.Fingerprint = slices.Clone(before.answer), slices.Clone(before.fingerprint)
	}
	for _, key := range q.Keys {
		if row, ok := s.tables[key.Table].rows[encode(key.Values)]; ok {
			found.Rows = append(found.Rows, copied(row))
		}
	}
	return found, nil
}

func copied(row program.Row) program.Row {
	row.Values = cloneValues(row.Values)
	return row
}

// Page implements program.Store.
func (s *Store) Page(ctx context.Context, scan program.Scan) (program.Rows, program.Cursor, error) {
	if err := ctx.Err(); err != nil {
		return program.Rows{}, nil, err
	}
	s.mu.Lock() // the order of the rows may have to be made anew
	defer s.mu.Unlock()
	t := &s.tables[scan.Table]
	index, err := t.index(scan)
	if err != nil {
		return program.Rows{}, nil, err
	}
	only := t.column(scan.Column)
	rows := t.ordered(index, scan.Index)
	start := 0
	if scan.Index == 0 && scan.After != nil {
		start, _ = slices.BinarySearchFunc(rows, scan.After, func(row program.Row, at program.Cursor) int {
			return compare(pick(row, index), at)
		})
	}
	var found program.Rows
	skip := scan.Skip
	for _, row := range rows[start:] {
		at := pick(row, index)
		if !within(at, scan) || len(scan.Only) > 0 && !slices.ContainsFunc(scan.Only, func(v any) bool { return compareValue(row.Values[only], v) == 0 }) {
			continue
		}
		if skip > 0 {
			skip--
			continue
		}
		found.Rows = append(found.Rows, copied(row))
		if len(found.Rows) == scan.Limit {
			return found, program.Cursor(cloneValues(at)), nil
		}
	}
	return found, nil, nil
}

func (t *table) index(scan program.Scan) ([]int, error) {
	if scan.Index < 0 || scan.Index > len(t.spec.Scans) || scan.Limit < 1 {
		return nil, fmt.Errorf("memstore: scan of %s: no such index, or no limit", t.spec.Name)
	}
	if len(scan.Only) > 0 && t.column(scan.Column) < 0 {
		return nil, fmt.Errorf("memstore: scan of %s: no such column", t.spec.Name)
	}
	var columns []int
	if scan.Index > 0 {
		for _, name := range t.spec.Scans[scan.Index-1] {
			columns = append(columns, t.column(name))
		}
	}
	for k := range t.spec.Key {
		if !slices.Contains(columns, k) {
			columns = append(columns, k)
		}
	}
	if len(scan.Equal) > len(columns) || scan.Below != nil && len(scan.Equal) == len(columns) ||
		scan.After != nil && len(scan.After) != len(columns) || scan.Through != nil && len(scan.Through) != len(columns) {
		return nil, errors.New("memstore: the scan's values do not fit the index")
	}
	return columns, nil
}

func (t *table) ordered(index []int, n int) []program.Row {
	if n == 0 && t.sorted != nil {
		return t.sorted
	}
	rows := make([]program.Row, 0, len(t.rows))
	for _, row := range t.rows {
		if n == 0 || row.Values[index[0]] != nil {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b program.Row) int { return compare(pick(a, index), pick(b, index)) })
	if n == 0 {
		t.sorted = rows
	}
	return rows
}

func pick(row program.Row, columns []int) []any {
	values := make([]any, len(columns))
	for i, c := range columns {
		values[i] = row.Values[c]
	}
	return values
}

func within(at []any, scan program.Scan) bool {
	if compare(at[:len(scan.Equal)], scan.Equal) != 0 {
		return false
	}
	if scan.Below != nil && compareValue(at[len(scan.Equal)], scan.Below) >= 0 {
		return false
	}
	if scan.Through != nil && compare(at, scan.Through) > 0 {
		return false
	}
	return scan.After == nil || compare(at, scan.After) > 0
}

func compare(a, b []any) int {
	for i := range min(len(a), len(b)) {
		if c := compareValue(a[i], b[i]); c != 0 {
			return c
		}
	}
	return 0
}

func compareValue(a, b any) int {
	switch x := a.(type) {
	case int64:
		y, _ := b.(int64)
		return cmp.Compare(x, y)
	case string:
		y, _ := b.(string)
		return cmp.Compare(x, y)
	case []byte:
		y, _ := b.([]byte)
		return bytes.Compare(x, y)
	}
	if b == nil {
		return 0
	}
	return -1
}

// Journal implements program.Store.
func (s *Store) Journal(ctx context.Context, after int64, limit int) ([]program.Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	from := min(max(after, 0), int64(len(s.journal)))
	entries := slices.Clone(s.journal[from:min(from+int64(max(limit, 0)), int64(len(s.journal)))])
	for i := range entries {
		entries[i].Data = slices.Clone(entries[i].Data)
	}
	return entries, nil
}

// Balances implements program.Store.
func (s *Store) Balances(ctx context.Context, accounts ...ledger.Account) ([]ledger.Balance, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock() // what has expired is given up
	defer s.mu.Unlock()
	now := s.last
	if s.clock != nil {
		now = s.clock()
	}
	if err := s.book.Apply(now); err != nil {
		return nil, err
	}
	balances := make([]ledger.Balance, len(accounts))
	for i, a := range accounts {
		balances[i] = s.book.Balance(a)
	}
	return balances, nil
}
