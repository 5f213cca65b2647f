package dbtest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/memstore"
	"github.com/gelombang/gelombang/program/sqlstore"
	"github.com/gelombang/gelombang/program/sqlstore/dbtest"
)

// Each statement of a command fails once, in each of these ways. The same command, given
// again under its key, then has one answer, and its effect once.
var statementFaults = []string{
	"40001", "40P01", "XX000", "53100", // what the server answers; the statement did nothing
	"lost before", "lost after", // the connection; after: the statement did what it does
}

// breaker fails the n-th statement from when it is set.
type breaker struct {
	mu     sync.Mutex
	in     int // statements until then; 0 for never
	fault  string
	broken string // the statement that failed
}

func (b *breaker) set(n int, fault string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.in, b.fault, b.broken = n, fault, ""
}

func (b *breaker) failed() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.in = 0
	return b.broken
}

func (b *breaker) around(query string, send func() error, other func(string) error) (lost bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.in--; b.in != 0 {
		b.in = max(b.in, 0)
		return false, send()
	}
	b.broken = query
	switch b.fault {
	case "lost before":
		return true, io.ErrUnexpectedEOF
	case "lost after":
		return true, errors.Join(send(), io.ErrUnexpectedEOF)
	}
	// The server leaves the transaction as it would: undone, or waiting to be.
	if query == "COMMIT" {
		_ = other("ROLLBACK")
	} else {
		_ = other("SELECT no_such_function()")
	}
	return false, &pgconn.PgError{Code: b.fault, Message: "injected"}
}

// openBroken opens a store whose statements a breaker can fail.
func openBroken(t *testing.T, driver, source string, database sqlstore.Database, clock func() time.Time) (*sqlstore.Store, *breaker) {
	t.Helper()
	w, db := newWire(t, driver, source)
	b := &breaker{}
	w.around = b.around
	store, err := sqlstore.Open(t.Context(), db, database, &sqlstore.Options{Clock: clock})
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	return store, b
}

// trialCommand is a command that is tried on a person, or a wave, of its own.
type trialCommand struct {
	name string
	// ready makes what the command needs.
	ready func(x *bench) error
	// give gives the command, and returns its answer.
	give func(x *bench) (any, error)
	// entries are those of the journal that it writes.
	entries int
}

// bench is one trial: n is its number.
type bench struct {
	ctx context.Context
	*program.Engine[details]
	n    int
	id   uuid.UUID
	wave int64
	now  time.Time
}

func (x *bench) key(name string) program.By { return by("officer", fmt.Sprint(name, " ", x.n)) }

func (x *bench) registered() (err error) {
	x.id, err = x.Register(x.ctx, by("desk", ""), yearPerson(5*x.n)) // no minor, each of another household
	return err
}

func (x *bench) joined() error {
	if err := x.registered(); err != nil {
		return err
	}
	_, err := x.Join(x.ctx, by("desk", ""), x.wave, x.id)
	return err
}

func trialCommands() []trialCommand {
	none := func(err error) (any, error) { return nil, err }
	return []trialCommand{
		{"register", func(*bench) error { return nil }, func(x *bench) (any, error) { return x.Register(x.ctx, x.key("register"), yearPerson(5*x.n)) }, 1},
		{"join", (*bench).registered, func(x *bench) (any, error) {
			a, err := x.Join(x.ctx, x.key("join"), x.wave, x.id)
			return a.Receipt, err
		}, 1},
		{"fire", (*bench).joined, func(x *bench) (any, error) {
			return none(x.Fire(x.ctx, x.key("leave"), x.wave, x.id, program.Report{Event: "leave"}))
		}, 1},
		{"observe", (*bench).registered, func(x *bench) (any, error) {
			return none(x.Observe(x.ctx, x.key("observe"), x.id, map[string]program.Evidence{"official": {Source: "bkn", Seen: x.now, Value: true}}))
		}, 1},
		{"amend", (*bench).registered, func(x *bench) (any, error) {
			return none(x.Amend(x.ctx, x.key("amend"), x.id, program.Correction[details]{Reason: "as on the card",
				Correct: func(p *program.Person, _ *details) { p.Name = identity.NewName("Orang Lain") }}))
		}, 1},
		{"withdraw", (*bench).registered, func(x *bench) (any, error) { return none(x.Withdraw(x.ctx, x.key("withdraw"), x.id)) }, 1},
		{"fund", func(*bench) error { return nil }, func(x *bench) (any, error) {
			return none(x.Fund(x.ctx, x.key("fund"), payment.Rupiah(1)))
		}, 1},
		{"plan", func(*bench) error { return nil }, func(x *bench) (any, error) {
			return none(x.PlanWave(x.ctx, x.key("plan"), program.WaveOrder{Number: int64(100 + x.n), Opens: x.now, Closes: x.now.AddDate(0, 0, 1), Plan: yearPlan()}))
		}, 1},
		// A job of two chunks.
		{"register many", func(*bench) error { return nil }, func(x *bench) (any, error) {
			counts, err := x.RegisterAll(x.ctx, by("registrar", ""), fmt.Sprint("register ", x.n), yearPeople{1_000_000 + 5*x.n, 1_000_000 + 5*x.n + 5})
			return counts, err
		}, 2},
	}
}

// breakAll gives every command with each of its statements failing. It returns how many
// statements failed, and how many commands had been carried out nevertheless.
func breakAll(t *testing.T, store program.Store, b *breaker, clock *movedClock, faults []string) (failed, done int) {
	t.Helper()
	ctx := t.Context()
	e, err := yearEngine(store, clock.now, program.Options{Chunk: 3, Worker: "one"})
	require.NoError(t, err)
	require.NoError(t, e.PlanWave(ctx, by("planner", ""), program.WaveOrder{Number: 1, Opens: clock.now(), Closes: clock.now().AddDate(0, 0, 9), Plan: yearPlan()}))
	require.NoError(t, e.OpenWave(ctx, by("planner", ""), 1))
	n, last := 0, 0
	stride := tier(7, 1, 1)
	for k, c := range trialCommands() {
		for f, fault := range faults {
			for at := 1 + (k+f)%stride; ; at += stride {
				n++
				x := &bench{ctx: ctx, Engine: e, n: n, wave: 1, now: clock.now()}
				where := fmt.Sprintf("%s, %s at statement %d", c.name, fault, at)
				require.NoError(t, c.ready(x), where)
				entries := func() int {
					some, err := store.Journal(ctx, int64(last), 10_000)
					require.NoError(t, err)
					last += len(some)
					return len(some)
				}
				entries()
				b.set(at, fault)
				first, err := c.give(x)
				broken := b.failed()
				where += " " + broken
				if err == nil {
					done++
				}
				again, secondErr := c.give(x)
				require.NoError(t, secondErr, "%s: first %v", where, err)
				if err == nil {
					require.Equal(t, first, again, where)
				}
				third, err := c.give(x)
				require.NoError(t, err, where)
				require.Equal(t, again, third, where)
				require.Equal(t, c.entries, entries(), "%s: entries of the journal", where)
				if broken == "" {
					break
				}
				failed++
				require.Less(t, at, 1000, where)
			}
		}
	}
	breaches, err := e.Verify(ctx)
	require.NoError(t, err)
	require.Empty(t, breaches)
	return failed, done
}

// head is the number of the journal's last entry.
func head(t *testing.T, store program.Store) int {
	t.Helper()
	n := 0
	for {
		some, err := store.Journal(t.Context(), int64(n), 10_000)
		require.NoError(t, err)
		if n += len(some); len(some) < 10_000 {
			return n
		}
	}
}

func TestEveryStatementFails(t *testing.T) {
	check := func(t *testing.T, failed, done int) {
		t.Helper()
		t.Logf("%d statements failed; %d commands were answered at once", failed, done)
		require.Greater(t, failed, tier(70, 500, 500))
		require.Positive(t, done)
	}
	t.Run("SQLite", func(t *testing.T) {
		clock := newClock()
		store, b := openBroken(t, "sqlite", "file:"+filepath.Join(quickDir(t), "test.db"), sqlstore.SQLite, clock.now)
		failed, done := breakAll(t, store, b, clock, []string{"XX000", "lost before", "lost after"})
		check(t, failed, done)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		clock := newClock()
		store, b := openBroken(t, "pgx", ownSchema(t, "statements"), sqlstore.PostgreSQL, clock.now)
		failed, done := breakAll(t, store, b, clock, statementFaults)
		check(t, failed, done)
	})
}

// ownSchema makes an empty schema, and returns the address of its own.
func ownSchema(t *testing.T, name string) string {
	t.Helper()
	url := postgres(t)
	admin, err := sql.Open("pgx", url)
	require.NoError(t, err)
	schema := "gelombang_" + name
	_, err = admin.Exec("DROP SCHEMA IF EXISTS " + schema + " CASCADE; CREATE SCHEMA " + schema)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := admin.Exec("DROP SCHEMA " + schema + " CASCADE")
		require.NoError(t, err)
		require.NoError(t, admin.Close())
	})
	return withSchema(url, schema)
}

// A disk that is full, again and again, at any page that a year needs, loses nothing; when
// there is room the year goes on.
func TestSQLiteOnAFullDisk(t *testing.T) {
	clock := newClock()
	w, db := newWire(t, "sqlite", "file:"+filepath.Join(quickDir(t), "test.db"))
	pages := 20
	w.rewrite = func(query string) string {
		return strings.Replace(query, "PRAGMA cache_size = -131072", fmt.Sprint("PRAGMA max_page_count = ", pages), 1)
	}
	var store *sqlstore.Store
	full := 0
	for {
		var err error
		store, err = sqlstore.Open(t.Context(), db, sqlstore.SQLite, &sqlstore.Options{Clock: clock.now})
		if err == nil {
			break
		}
		require.ErrorContains(t, err, "full")
		full++
		pages++
	}
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	y := &year{store: store, clock: clock, bank: &fileBank{path: filepath.Join(t.TempDir(), "bank")}, people: 24, chunk: 4, worker: "year"}
	for {
		err := y.run(t.Context())
		if err == nil {
			break
		}
		require.ErrorContains(t, err, "full")
		full++
		pages++
		require.NoError(t, y.verified(t.Context()))
	}
	require.Greater(t, full, 20, "the disk was full at many points")
	require.NoError(t, y.verified(t.Context()))
}

// A process whose clock is an hour off writes nothing, by no command and no job, and is
// told so. Set right, it can give the same command.
func TestAClockAnHourOff(t *testing.T) {
	for name, open := range everyStore() {
		t.Run(name, func(t *testing.T) {
			right, ctx := newClock(), t.Context()
			store := open(t, right.now)
			for _, off := range []time.Duration{time.Hour, -time.Hour} {
				wrong := func() time.Time { return right.now().Add(off) }
				e, err := yearEngine(store, right.now, program.Options{})
				require.NoError(t, err)
				n := int64(off / time.Hour)
				require.NoError(t, e.PlanWave(ctx, by("planner", ""), program.WaveOrder{Number: 2 + n, Opens: right.now().Add(-2 * time.Hour), Closes: right.now().AddDate(0, 0, 9), Plan: yearPlan()}))
				require.NoError(t, e.OpenWave(ctx, by("planner", ""), 2+n))
				id, err := e.Register(ctx, by("desk", ""), yearPerson(int(10+n)))
				require.NoError(t, err)
				before := head(t, store)
				bad, err := yearEngine(store, wrong, program.Options{})
				require.NoError(t, err)
				give := func(e *program.Engine[details]) []error {
					_, joined := e.Join(ctx, by("desk", fmt.Sprint("join", n)), 2+n, id)
					_, ran := e.RegisterAll(ctx, by("registrar", ""), fmt.Sprint("register", n), yearPeople{1000 + 100*int(n), 1010 + 100*int(n)})
					return []error{joined, ran, e.Fund(ctx, by("treasury", fmt.Sprint("fund", n)), payment.Rupiah(1)),
						e.Withdraw(ctx, by("desk", fmt.Sprint("withdraw", n)), id)}
				}
				for i, err := range give(bad)[:3] {
					var clock *program.ClockError
					require.ErrorAs(t, err, &clock, "command %d", i)
					require.Equal(t, off, clock.Ahead)
				}
				require.Equal(t, before, head(t, store), "nothing is written")
				for _, err := range give(e)[:3] {
					require.NoError(t, err)
				}
			}
		})
	}
}

// everyStore opens an empty store of each kind.
func everyStore() map[string]func(*testing.T, func() time.Time) program.Store {
	return map[string]func(*testing.T, func() time.Time) program.Store{
		"memory": func(_ *testing.T, clock func() time.Time) program.Store { return memstore.NewAt(clock) },
		"SQLite": func(t *testing.T, clock func() time.Time) program.Store {
			store, _ := dbtest.OpenSQLite(t, clock)
			return store
		},
		"PostgreSQL": func(t *testing.T, clock func() time.Time) program.Store {
			store, _ := dbtest.OpenPostgreSQL(t, postgres(t), clock)
			return store
		},
	}
}
