package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/ledger"
)

// This file carries out many small changes with a few statements, whatever their
// number: that is what makes commands that share a transaction cheap. What the
// accounts allow is decided in memory, in the order of the changes, on balances that
// are locked; rows are written table by table.

// group is a set of changes that is carried out together.
type group struct {
	tx       *transaction
	now      time.Time // zero if there are no postings
	changes  []program.Change
	outcomes []program.Outcome

	answers  map[string]program.Outcome // by key, with the fingerprint in prints
	prints   map[string][]byte
	balances map[ledger.Account]ledger.Balance
	before   map[ledger.Account]ledger.Balance
	names    []string // of all accounts
	known    map[string]*knownPosting
	writes   []int // positions of the changes that are written

	hasRows, hasPostings bool
	looked               bool // known has every posting of the changes that is there

	moves    []ledger.Movement // of those, in order
	resolved []string
	made     []program.Row // postings
}

type knownPosting struct {
	ledger.Posting
	open bool
}

// errMisfit says that a row is not what a change of a group expects, or that an account
// changed meanwhile. Nothing was written; each change is then carried out by itself.
var errMisfit = errors.New("sqlstore: a group does not fit")

var errJournal = errors.New("sqlstore: the journal has an entry that it should not have")

// errExpired says that something has expired that still holds accounts. It is given up in a
// transaction of its own, before the accounts of the group are locked: locked the other way
// round, two could wait for each other.
var errExpired = errors.New("sqlstore: something has expired")

// together carries out changes as a group.
func (s *Store) together(ctx context.Context, changes []program.Change) ([]program.Outcome, error) {
	for {
		outcomes, err := s.groupOf(ctx, changes)
		if !errors.Is(err, errExpired) {
			return outcomes, err
		}
		if err := s.transaction(ctx, (*transaction).expire); err != nil {
			return nil, err
		}
	}
}

func (s *Store) groupOf(ctx context.Context, changes []program.Change) ([]program.Outcome, error) {
	var outcomes []program.Outcome
	err := s.transaction(ctx, func(tx *transaction) error {
		g := &group{tx: tx, changes: changes, outcomes: make([]program.Outcome, len(changes)), known: map[string]*knownPosting{}}
		outcomes = g.outcomes
		if err := g.read(); err != nil {
			return err
		}
		for i := range changes {
			written, err := g.decide(i)
			if err != nil {
				return err
			}
			if written {
				g.writes = append(g.writes, i)
			}
		}
		return g.write()
	})
	if err != nil {
		return nil, err
	}
	return outcomes, nil
}

// read reads all that decides about the changes.
func (g *group) read() (err error) {
	var keys, ids []string
	accounts := map[string]bool{}
	for i := range g.changes {
		c := &g.changes[i]
		if c.Key != "" {
			keys = append(keys, c.Key)
		}
		g.hasRows = g.hasRows || len(c.Rows) > 0
		for _, p := range c.Postings {
			g.hasPostings = true
			if p.Kind == ledger.Direct && p.Of != "" {
				return errMisfit // a reversal is held against what it reverses, by itself
			}
			if p.Of != "" { // others are new, or do not fit
				ids = append(ids, p.ID, p.Of)
			}
			for _, leg := range p.Legs {
				accounts[string(leg.Account)] = true
			}
		}
	}
	if err := g.readAnswers(keys); err != nil || !g.hasPostings {
		return err
	}
	seen, err := g.look(ids, accounts)
	if err == nil && seen.expired {
		return errExpired
	}
	g.now, g.before, g.balances = seen.now, seen.balances, maps.Clone(seen.balances)
	return err
}

// look reads postings, and then accounts with those that these postings name. Where
// nothing is written before the accounts they are held at once.
func (g *group) look(ids []string, accounts map[string]bool) (look, error) {
	if err := g.readPostings(ids); err != nil {
		return look{}, err
	}
	for _, p := range g.known {
		for _, leg := range p.Legs {
			accounts[string(leg.Account)] = true
		}
	}
	g.names = slices.Sorted(maps.Keys(accounts))
	return g.tx.store.dialect.look(g.tx, g.names, !g.hasRows)
}

func (g *group) readAnswers(keys []string) error {
	g.answers, g.prints = map[string]program.Outcome{}, map[string][]byte{}
	return g.tx.list("SELECT command, fingerprint, answer FROM commands WHERE command", keys, func(rows *sql.Rows) error {
		var key string
		var print, answer []byte
		err := rows.Scan(&key, &print, &answer)
		g.answers[key], g.prints[key] = program.Outcome{Replayed: true, Answer: answer}, print
		return err
	})
}

func (g *group) readPostings(ids []string) error {
	return g.tx.list("SELECT id, kind, of_id, expires, open, legs FROM postings WHERE id", ids, func(rows *sql.Rows) error {
		var p knownPosting
		var kind, open int64
		var expires sql.NullInt64
		var legs []byte
		if err := rows.Scan(&p.ID, &kind, &p.Of, &expires, &open, &legs); err != nil {
			return err
		}
		p.Kind, p.open = ledger.Kind(kind), open == 1
		if expires.Valid {
			p.Expires = time.UnixMicro(expires.Int64)
		}
		var err error
		p.Legs, err = ledger.ParseLegs(legs)
		g.known[p.ID] = &p
		return err
	})
}

// decide says whether change i is written; otherwise it has its outcome.
func (g *group) decide(i int) (written bool, err error) {
	c := &g.changes[i]
	if before, ok := g.answered(c); ok {
		g.outcomes[i] = before
		return false, nil
	}
	err = g.post(c)
	if err != nil && !g.looked {
		// Maybe it is not new: what was carried out before is not refused.
		if err := g.lookAll(); err != nil {
			return false, err
		}
		err = g.post(c)
	}
	if err != nil {
		g.outcomes[i] = program.Outcome{Refusal: err}
		return false, nil
	}
	g.outcomes[i] = program.Outcome{Answer: c.Answer}
	if c.Key != "" {
		g.answers[c.Key], g.prints[c.Key] = program.Outcome{Replayed: true, Answer: c.Answer}, c.Fingerprint
	}
	return true, nil
}

// answered says what was answered before under the key of a change.
func (g *group) answered(c *program.Change) (program.Outcome, bool) {
	before, ok := g.answers[c.Key]
	if ok && !bytes.Equal(g.prints[c.Key], c.Fingerprint) {
		before = program.Outcome{Refusal: &program.KeyConflictError{Key: c.Key}}
	}
	return before, ok && c.Key != ""
}

// lookAll looks for every posting of the group among those that are there already. Most
// groups need not: postings that are new are all carried out, and one that is not new
// does not fit when it is written.
func (g *group) lookAll() error {
	g.looked = true
	var ids []string
	for i := range g.changes {
		for _, p := range g.changes[i].Postings {
			if g.known[p.ID] == nil {
				ids = append(ids, p.ID)
			}
		}
	}
	return g.readPostings(ids)
}

// post carries out the postings of a change in memory, all of them or none.
func (g *group) post(c *program.Change) error {
	if len(c.Postings) == 0 {
		return nil
	}
	trial := &trial{group: g, balances: map[ledger.Account]ledger.Balance{}, known: map[string]*knownPosting{}}
	for _, p := range c.Postings {
		if err := trial.post(c.At, p); err != nil {
			return err
		}
	}
	maps.Copy(g.balances, trial.balances)
	maps.Copy(g.known, trial.known)
	g.moves, g.resolved, g.made = append(g.moves, trial.moves...), append(g.resolved, trial.resolved...), append(g.made, trial.made...)
	return nil
}

// trial is what one change would do.
type trial struct {
	*group
	balances map[ledger.Account]ledger.Balance
	known    map[string]*knownPosting
	moves    []ledger.Movement
	resolved []string
	made     []program.Row
}

func (t *trial) find(id string) *knownPosting {
	if p := t.known[id]; p != nil {
		return p
	}
	return t.group.known[id]
}

func (t *trial) post(at time.Time, p ledger.Posting) error {
	if err := p.Validate(); err != nil {
		return err
	}
	if before := t.find(p.ID); before != nil {
		if !before.Equal(p) {
			return &ledger.ConflictError{ID: p.ID}
		}
		return nil
	}
	if !p.Expires.IsZero() && t.now.UnixMicro() >= p.Expires.UnixMicro() {
		return &ledger.ResolvedError{ID: p.ID, Of: p.ID}
	}
	var pending []ledger.Leg
	if p.Kind == ledger.Post || p.Kind == ledger.Void {
		of := t.find(p.Of)
		if of == nil || !of.open || !of.Expires.IsZero() && !t.now.Before(of.Expires) {
			return &ledger.ResolvedError{ID: p.ID, Of: p.Of}
		}
		closed := *of
		closed.open = false
		t.known[p.Of], pending = &closed, of.Legs
		t.resolved = append(t.resolved, p.Of)
	}
	for _, m := range p.Movements(pending) {
		b, moved := t.balances[m.Account]
		if !moved {
			b = t.group.balances[m.Account]
		}
		next, ok := m.On(b)
		if !ok {
			return &ledger.BoundError{Posting: p.ID, Account: m.Account}
		}
		t.balances[m.Account] = next
		t.moves = append(t.moves, m)
	}
	t.known[p.ID] = &knownPosting{p, p.Kind == ledger.Pending}
	t.made = append(t.made, postingRow(at, p))
	return nil
}

func postingRow(at time.Time, p ledger.Posting) program.Row {
	var expires any
	if !p.Expires.IsZero() {
		expires = p.Expires.UnixMicro()
	}
	open := int64(0)
	if p.Kind == ledger.Pending {
		open = 1
	}
	return program.Row{Values: []any{p.ID, int64(p.Kind), p.Of, expires, open, at.UnixMicro(), ledger.FormatLegs(p.Legs)}}
}

// write writes the changes that are carried out, and the journal.
func (g *group) write() error {
	if err := g.stale(); err != nil {
		return err
	}
	for _, step := range []func() (bool, error){g.commands, g.expected, g.rows, g.postings} {
		fits, err := step()
		if err != nil {
			return err
		}
		if !fits {
			return errMisfit
		}
	}
	var entries []*program.Entry
	for _, i := range g.writes {
		if e := g.changes[i].Entry; e != nil {
			entries = append(entries, e)
		}
	}
	if len(entries) == 0 && !g.hasRows && !g.now.IsZero() { // every lock was there when it was read
		return program.CheckClock(g.changes, g.now)
	}
	return g.tx.finish(g.changes, entries)
}

// stale looks again at the changes that their accounts refuse. Where a key is answered by
// now, or a row has another version, that is said instead: somebody was first, and whoever
// reads again may find that it was the same command.
func (g *group) stale() error {
	refused := func(i int) bool {
		var conflict *program.KeyConflictError
		err := g.outcomes[i].Refusal
		return err != nil && !errors.As(err, &conflict)
	}
	var keys []string
	rows := map[program.TableID][]program.Key{}
	for i := range g.changes {
		if !refused(i) {
			continue
		}
		if c := &g.changes[i]; c.Key != "" {
			keys = append(keys, c.Key)
		}
		for _, x := range g.wants(&g.changes[i]) {
			if len(x.Values) == g.tx.store.tables[x.Table].spec.Key {
				rows[x.Table] = append(rows[x.Table], x.Key)
			}
		}
	}
	if len(keys)+len(rows) == 0 {
		return nil
	}
	if err := g.readAnswers(keys); err != nil {
		return err
	}
	versions := map[string]int64{}
	name := func(k program.Key) string { return fmt.Sprintf("%d %q", k.Table, k.Values) }
	for id, keys := range rows {
		t := &g.tx.store.tables[id]
		found, err := g.tx.store.dialect.find(g.tx, t, keys)
		if err != nil {
			return err
		}
		for _, row := range found {
			versions[name(program.Key{Table: id, Values: row.Values[:t.spec.Key]})] = row.Version
		}
	}
	for i := range g.changes {
		wants := g.wants(&g.changes[i])
		if !refused(i) {
			if !g.outcomes[i].Replayed { // those behind it find its rows
				for n, row := range g.changes[i].Rows {
					key := name(wants[len(g.changes[i].Expect)+n].Key)
					if versions[key] = row.Version + 1; row.Gone {
						delete(versions, key)
					}
				}
			}
			continue
		}
		if before, ok := g.answered(&g.changes[i]); ok {
			g.outcomes[i] = before
			continue
		}
		for n, x := range wants {
			if versions[name(x.Key)] != x.Version {
				g.outcomes[i] = program.Outcome{Refusal: &program.StaleError{Table: g.tx.store.tables[x.Table].spec.Name, Row: n}}
				break
			}
		}
	}
	return nil
}

// wants lists the rows on which a change was decided: those that it expects, and those that
// it writes.
func (g *group) wants(c *program.Change) []program.Expected {
	all := slices.Clone(c.Expect)
	for _, row := range c.Rows {
		key := min(g.tx.store.tables[row.Table].spec.Key, len(row.Values))
		all = append(all, program.Expected{Key: program.Key{Table: row.Table, Values: row.Values[:key]}, Version: row.Version})
	}
	return all
}

func (g *group) commands() (bool, error) {
	var rows []program.Row
	for _, i := range g.writes {
		if c := &g.changes[i]; c.Key != "" {
			rows = append(rows, program.Row{Values: []any{c.Key, notNil(c.Fingerprint), bytesOrNil(c.Answer)}})
		}
	}
	return g.insert(&commandsTable, rows)
}

func (g *group) insert(t *table, rows []program.Row) (bool, error) {
	if len(rows) == 0 {
		return true, nil
	}
	n, err := g.tx.store.dialect.insert(g.tx, t, rows)
	return n == int64(len(rows)), err
}

func bytesOrNil(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

// expected holds each row that several changes expect once. A row that one change
// expects and another writes has an order that only one by one keeps.
func (g *group) expected() (bool, error) {
	var all []program.Expected
	written := map[program.TableID][]int{}
	for _, i := range g.writes {
		for _, row := range g.changes[i].Rows {
			written[row.Table] = append(written[row.Table], i)
		}
	}
	for _, i := range g.writes {
		for _, x := range g.changes[i].Expect {
			for _, j := range written[x.Table] {
				if j != i && slices.ContainsFunc(g.changes[j].Rows, func(r program.Row) bool {
					return r.Table == x.Table && sameRow(x.Key, program.Key{Table: r.Table, Values: r.Values[:len(x.Values)]})
				}) {
					return false, nil
				}
			}
			if !slices.ContainsFunc(all, func(y program.Expected) bool { return sameRow(x.Key, y.Key) && x.Version == y.Version }) {
				all = append(all, x)
			}
		}
	}
	return fitted(g.tx.expect(all))
}

func sameRow(a, b program.Key) bool {
	return a.Table == b.Table && slices.EqualFunc(a.Values, b.Values, func(x, y any) bool {
		p, ok := x.([]byte)
		q, also := y.([]byte)
		return ok && also && bytes.Equal(p, q) || !ok && !also && x == y
	})
}

// fitted turns a stale row into false.
func fitted(err error) (bool, error) {
	var stale *program.StaleError
	if errors.As(err, &stale) {
		return false, nil
	}
	return err == nil, err
}

func (g *group) rows() (bool, error) {
	var all []program.Row
	for _, i := range g.writes {
		all = append(all, g.changes[i].Rows...)
	}
	if len(all) == 0 {
		return true, nil
	}
	// Rows of one kind stand together, and a row comes after those that it refers to.
	slices.SortStableFunc(all, func(a, b program.Row) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(min(a.Version, 1), min(b.Version, 1)), cmp.Compare(a.Changed, b.Changed))
	})
	return fitted(g.tx.rows(0, all, false))
}

func (g *group) postings() (bool, error) {
	if len(g.resolved) > 0 {
		now, args := g.tx.store.clockSQL()
		done := int64(0)
		err := g.tx.store.dialect.among(g.resolved, func(among string, values []any) error {
			n, err := g.tx.exec(g.tx.store.dialect.sql("UPDATE postings SET open = 0 WHERE open = 1 AND (expires IS NULL OR expires > "+now+") AND id"+among), append(slices.Clone(args), values...)...)
			done += n
			return err
		})
		if err != nil || done != int64(len(g.resolved)) {
			return false, err
		}
	}
	return g.accounts()
}

// accounts writes the postings, and what they do together to each account. It does not
// fit if an account changed since it was read, and does not allow it any more.
func (g *group) accounts() (bool, error) {
	if len(g.made) == 0 {
		return true, nil
	}
	all, ok := demands(g.moves)
	if !ok {
		return false, nil
	}
	if len(g.before) < len(g.names) {
		if err := g.tx.store.dialect.make(g.tx, g.names); err != nil {
			return false, err
		}
	}
	fits, held, err := g.tx.store.dialect.post(g.tx, g.made, all)
	if err != nil || !fits {
		return false, err
	}
	// What was refused might fit now.
	changed := slices.ContainsFunc(held, func(h heldAccount) bool { return h.balance != g.before[h.account] })
	return !changed || !slices.ContainsFunc(g.outcomes, func(o program.Outcome) bool { return o.Refusal != nil }), nil
}

// list asks for rows whose column is one of the values; the query ends with the column.
func (tx *transaction) list(query string, values []string, each func(*sql.Rows) error) error {
	return tx.store.dialect.among(values, func(among string, args []any) error {
		rows, err := tx.query(tx.store.dialect.sql(query+among), args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := each(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}
