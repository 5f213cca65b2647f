package dbtest_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/program/sqlstore"
	"github.com/gelombang/gelombang/program/sqlstore/dbtest"
)

// A program is killed with SIGKILL while it runs a year: at each of its changes, before
// and after, and at any moment. It is this test's own binary, started again. It writes
// what was acknowledged to its standard output, line by line; the test opens the database
// after it and looks for that, and lets the year go on to its end.

// childOrder is what a child is told.
type childOrder struct {
	Driver, Source, Bank string
	// KillAt is the change at which it kills itself, counted from 1; 0 for none. After says
	// whether that is when the change is written.
	KillAt int
	After  bool
	// Hasty says that it acknowledges that change before it writes it.
	Hasty bool
	// KillStatement is the statement of SQL at which it kills itself.
	KillStatement int
}

// acknowledgement is what a child says of a change.
type acknowledgement struct {
	Entries int      // of the journal
	Keys    []string // of commands
}

const yearOfChildren = 12

func (o *childOrder) year(db *sql.DB) (*year, func() error, error) {
	database := sqlstore.SQLite
	if o.Driver == "pgx" {
		database = sqlstore.PostgreSQL
	}
	clock := newClock()
	store, err := sqlstore.Open(context.Background(), db, database, &sqlstore.Options{Clock: clock.now})
	if err != nil {
		return nil, nil, err
	}
	return &year{store: store, clock: clock, bank: &fileBank{path: o.Bank}, people: yearOfChildren, chunk: 4, worker: "year"}, store.Close, nil
}

// runChild is the program that is killed.
func runChild(order string) error {
	var o childOrder
	if err := json.Unmarshal([]byte(order), &o); err != nil {
		return err
	}
	plain, err := sql.Open(o.Driver, o.Source)
	if err != nil {
		return err
	}
	w := &wire{Connector: dsnConnector{o.Source, plain.Driver()}}
	statements := 0
	var mu sync.Mutex
	w.around = func(_ string, send func() error, _ func(string) error) (bool, error) {
		mu.Lock()
		statements++
		if statements == o.KillStatement {
			killSelf()
		}
		mu.Unlock()
		return false, send()
	}
	y, _, err := o.year(sql.OpenDB(w))
	if err != nil {
		return err
	}
	y.store = &mortal{Store: y.store, order: o}
	return y.run(context.Background())
}

func killSelf() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL); select {} }

// mortal is a store that acknowledges, and kills its process.
type mortal struct {
	program.Store
	mu    sync.Mutex
	order childOrder
	calls int
}

func (m *mortal) Apply(ctx context.Context, changes []program.Change) ([]program.Outcome, error) {
	m.mu.Lock()
	m.calls++
	now := m.calls == m.order.KillAt
	m.mu.Unlock()
	if now && m.order.Hasty {
		if err := acknowledge(changes, make([]program.Outcome, len(changes))); err != nil {
			return nil, err
		}
	}
	if now && !m.order.After {
		killSelf()
	}
	out, err := m.Store.Apply(ctx, changes)
	if err != nil {
		return nil, err
	}
	if now {
		killSelf()
	}
	return out, acknowledge(changes, out)
}

func acknowledge(changes []program.Change, out []program.Outcome) error {
	var a acknowledgement
	for i, c := range changes {
		if out[i].Refusal != nil || out[i].Replayed {
			continue
		}
		if c.Entry != nil {
			a.Entries++
		}
		if c.Key != "" {
			a.Keys = append(a.Keys, c.Key)
		}
	}
	line, err := json.Marshal(a)
	if err == nil {
		_, err = os.Stdout.Write(append(line, '\n'))
	}
	return err
}

// killed runs a child until it is dead, and returns what it acknowledged. With a wait it
// is killed from outside.
func killed(o childOrder, wait time.Duration) (all acknowledgement, finished bool, err error) {
	order, err := json.Marshal(o)
	if err != nil {
		return all, false, err
	}
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "GELOMBANG_CHILD="+string(order))
	var faults bytes.Buffer
	c.Stderr = &faults
	out, err := c.StdoutPipe()
	if err != nil {
		return all, false, err
	}
	if err := c.Start(); err != nil {
		return all, false, err
	}
	if wait > 0 {
		timer := time.AfterFunc(wait, func() { _ = c.Process.Kill() })
		defer timer.Stop()
	}
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break // a line without an end was not acknowledged
		} else if err != nil {
			return all, false, err
		}
		var a acknowledgement
		if err := json.Unmarshal(line, &a); err != nil {
			return all, false, err
		}
		all.Entries += a.Entries
		all.Keys = append(all.Keys, a.Keys...)
	}
	err = c.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return all, false, nil
	}
	if err != nil {
		return all, false, fmt.Errorf("the child: %w: %s", err, faults.String())
	}
	return all, true, nil
}

// survived opens the database of a child that was killed. It returns how long it took
// until a command was carried out, and what is not as it should be.
func survived(ctx context.Context, o childOrder, acknowledged acknowledgement) (recovery time.Duration, err error) {
	began := time.Now()
	db, err := sql.Open(o.Driver, o.Source)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	y, shut, err := o.year(db)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, shut()) }()
	stored, err := y.store.Apply(ctx, []program.Change{{Key: "first after", At: y.clock.now(), Postings: []ledger.Posting{{ID: "first after", Legs: []ledger.Leg{
		{Account: "test/a", Amount: -1, Bounds: ledger.Free()}, {Account: "test/b", Amount: 1, Bounds: ledger.Free()}}}}}})
	if err != nil || stored[0].Refusal != nil {
		return 0, errors.Join(err, stored[0].Refusal)
	}
	recovery = time.Since(began)

	entries, err := y.store.Journal(ctx, 0, 100_000)
	if err != nil {
		return recovery, err
	}
	if len(entries) < acknowledged.Entries {
		return recovery, fmt.Errorf("%d entries were acknowledged, %d are there", acknowledged.Entries, len(entries))
	}
	for _, key := range acknowledged.Keys {
		rows, err := y.store.Load(ctx, program.Query{Command: key})
		if err != nil || !rows.Answered {
			return recovery, errors.Join(err, fmt.Errorf("the command %s was acknowledged, and is lost", key))
		}
	}
	if err := y.verified(ctx); err != nil {
		return recovery, fmt.Errorf("after the kill: %w", err)
	}
	if err := y.run(ctx); err != nil {
		return recovery, fmt.Errorf("to its end: %w", err)
	}
	if err := y.verified(ctx); err != nil {
		return recovery, fmt.Errorf("at its end: %w", err)
	}
	totals, err := y.totals(ctx)
	if err != nil {
		return recovery, err
	}
	if totals["register"]["registered"] != yearOfChildren || totals["join"]["done"] != yearOfChildren+8 || totals["statement 1"]["settled"] == 0 {
		return recovery, fmt.Errorf("the year has another end: %v", totals)
	}
	return recovery, nil
}

// killing kills children in all these ways, two at a time, each with a database of its
// own.
func killing(t *testing.T, loops int, source func(i int) (driver, source string)) {
	t.Helper()
	dir := quickDir(t)
	random := rand.New(rand.NewPCG(3, 4))
	order := func(i int) childOrder {
		driver, source := source(i)
		return childOrder{Driver: driver, Source: source, Bank: filepath.Join(dir, fmt.Sprint("bank", i))}
	}
	whole := order(0)
	began := time.Now()
	all, finished, err := killed(whole, 0)
	lasts := time.Since(began)
	require.NoError(t, err)
	require.True(t, finished)
	require.NotZero(t, all.Entries)
	changes := 140 // and a few more
	type job struct {
		order childOrder
		wait  time.Duration
	}
	jobs := make([]job, 0, loops)
	stride := max(1, 2*2*changes/loops) // half of the loops at least are for each change
	for i := range loops {
		j := job{order: order(i + 1)}
		switch at := i * stride; {
		case at < 2*changes:
			j.order.KillAt, j.order.After = 1+at/2, (at+i/2)%2 == 1
		case i%2 == 0:
			j.order.KillStatement = 1 + random.IntN(4000)
		default:
			j.wait = time.Duration(1 + random.Int64N(int64(lasts)))
		}
		jobs = append(jobs, j)
	}
	var mu sync.Mutex
	var recoveries []time.Duration
	var faults []string
	early := 0 // children that were dead before their end
	queue := make(chan job)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for j := range queue {
				acknowledged, finished, err := killed(j.order, j.wait)
				var took time.Duration
				if err == nil {
					took, err = survived(t.Context(), j.order, acknowledged)
				}
				mu.Lock()
				if recoveries = append(recoveries, took); !finished {
					early++
				}
				if err != nil {
					faults = append(faults, fmt.Sprintf("%+v after %s: %v", j.order, j.wait, err))
				}
				mu.Unlock()
				if files, _ := filepath.Glob(strings.TrimPrefix(j.order.Source, "file:") + "*"); j.order.Driver == "sqlite" {
					for _, name := range files {
						_ = os.Remove(name)
					}
				}
			}
		})
	}
	for _, j := range jobs {
		queue <- j
	}
	close(queue)
	wg.Wait()
	t.Logf("%d loops, %d killed before the end, slowest recovery %s", loops, early, slices.Max(recoveries).Round(time.Millisecond))
	require.Empty(t, faults)
	require.Greater(t, early, loops/3, "most children were killed")
	require.Less(t, nearly(recoveries), 5*time.Second)
}

// nearly is the time within which nine of ten end: a machine that stands still once is no
// fault of what it runs.
func nearly(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[(len(all)-1)*9/10]
}

// A killed program loses nothing that it acknowledged, gives no seat twice and pays nobody
// twice; its database is ready at once.
func TestKilledOnSQLite(t *testing.T) {
	dir := quickDir(t)
	killing(t, tier(40, 500, 50_000), func(i int) (string, string) {
		return "sqlite", "file:" + filepath.Join(dir, fmt.Sprint("year", i, ".db"))
	})
}

func TestKilledOnPostgreSQL(t *testing.T) {
	url := postgres(t)
	admin, err := sql.Open("pgx", url)
	require.NoError(t, err)
	t.Cleanup(func() { admin.Close() })
	killing(t, tier(10, 30, 5000), func(i int) (string, string) {
		schema := fmt.Sprintf("gelombang_killed_%d_%d", os.Getpid(), i)
		_, err := admin.Exec("CREATE SCHEMA " + schema)
		require.NoError(t, err)
		t.Cleanup(func() {
			_, err := admin.Exec("DROP SCHEMA " + schema + " CASCADE")
			require.NoError(t, err)
		})
		return "pgx", withSchema(url, schema)
	})
}

func withSchema(url, schema string) string {
	if strings.Contains(url, "?") {
		return url + "&search_path=" + schema
	}
	return url + "?search_path=" + schema
}

// The control: a program that acknowledges before it writes is caught.
func TestKillsFindWhatWasNotWritten(t *testing.T) {
	dir := quickDir(t)
	o := childOrder{Driver: "sqlite", Source: "file:" + filepath.Join(dir, "year.db"), Bank: filepath.Join(dir, "bank"), KillAt: 40, Hasty: true}
	acknowledged, finished, err := killed(o, 0)
	require.NoError(t, err)
	require.False(t, finished)
	_, err = survived(t.Context(), o, acknowledged)
	require.ErrorContains(t, err, "acknowledged")
}

// PostgreSQL itself is killed with SIGKILL while eight callers register people, let them
// join and take seats, and starts again. Each caller gives a command again until it is
// answered.
func TestPostgreSQLKilled(t *testing.T) {
	postgres(t)
	dir, err := os.MkdirTemp("", "gelombang-killed-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	server, missing, err := dbtest.NewServer(dir)
	require.NoError(t, err)
	if server == nil {
		t.Skip(missing)
	}
	require.NoError(t, server.Start())
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	clock := newClock()
	store, _ := dbtest.OpenPostgreSQL(t, server.URL, clock.now)
	e, err := yearEngine(store, clock.now, program.Options{})
	require.NoError(t, err)
	ctx := t.Context()
	require.NoError(t, e.PlanWave(ctx, by("planner", ""), program.WaveOrder{Number: 1, Opens: yearDay(1), Closes: yearDay(9), Plan: yearPlan()}))
	require.NoError(t, e.OpenWave(ctx, by("planner", ""), 1))
	const seats = 200
	left, taken := ledger.Account("hall/left"), ledger.Account("hall/taken")
	_, err = store.Apply(ctx, []program.Change{{At: clock.now(), Postings: []ledger.Posting{{ID: "hall", Legs: []ledger.Leg{
		{Account: "hall/issued", Amount: -seats, Bounds: ledger.Free()}, {Account: left, Amount: seats, Bounds: ledger.AtLeast(0)}}}}}})
	require.NoError(t, err)

	const callers = 8
	done, stop := make(chan struct{}, 1), make(chan struct{})
	callersOf := make([]caller, callers)
	var wg sync.WaitGroup
	grouped := program.Grouped(store)
	for c := range callers {
		callersOf[c] = caller{engine: e, store: grouped, at: clock.now, left: left, taken: taken, done: done, stop: stop, first: (c + 1) * 100_000}
		wg.Go(func() { callersOf[c].run(ctx) })
	}
	oneDone := func() {
		select {
		case <-done:
		case <-time.After(time.Minute):
			require.Fail(t, "nobody gets an answer")
		}
	}
	random := rand.New(rand.NewPCG(5, 6))
	var recoveries []time.Duration
	for range tier(3, 30, 2000) {
		for range 1 + random.IntN(30) { // so many commands, and a little
			oneDone()
		}
		<-time.After(time.Duration(random.IntN(3000)) * time.Microsecond)
		require.NoError(t, server.Kill())
		began := time.Now()
		soon, cancel := context.WithTimeout(ctx, time.Minute)
		require.NoError(t, server.Restart(soon))
		cancel()
		select { // what was done before
		case <-done:
		default:
		}
		oneDone()
		recoveries = append(recoveries, time.Since(began))
	}
	close(stop)
	wg.Wait()
	t.Logf("slowest recovery %s", slices.Max(recoveries).Round(time.Millisecond))
	require.Less(t, nearly(recoveries), 10*time.Second)

	people, granted, again := 0, int64(0), 0
	for _, c := range callersOf {
		require.NoError(t, c.err)
		people, granted, again = people+len(c.people), granted+c.seats, again+c.again
		for key, id := range c.people {
			got, err := e.Register(ctx, by("desk", key), yearPerson(c.number(key)))
			require.NoError(t, err)
			require.Equal(t, id, got, "what was acknowledged is there")
			a, err := e.Application(ctx, 1, id)
			require.NoError(t, err)
			require.Equal(t, c.receipts[key], a.Receipt)
		}
	}
	require.Positive(t, again, "some commands were cut off")
	balances, err := store.Balances(ctx, left, taken)
	require.NoError(t, err)
	require.Equal(t, granted, balances[1].Posted, "no seat is lost or given twice")
	require.Equal(t, seats-granted, balances[0].Posted)
	breaches, err := e.Verify(ctx)
	require.NoError(t, err)
	require.Empty(t, breaches)
	counted := 0
	require.NoError(t, e.Cases(ctx, 1, []program.State{"joined"}, false, func(*program.Case[details]) error { counted++; return nil }))
	require.Equal(t, people, counted)
	t.Logf("%d people, %d seats, %d commands given again", people, granted, again)
}

// caller gives commands, each again under its key until it has an answer.
type caller struct {
	engine      *program.Engine[details]
	store       program.Store
	at          func() time.Time
	left, taken ledger.Account
	first       int // number of the caller's first person
	done        chan<- struct{}
	stop        <-chan struct{}

	people   map[string]uuid.UUID
	receipts map[string][16]byte
	seats    int64
	again    int
	err      error
}

func (c *caller) number(key string) (n int) {
	_, _ = fmt.Sscanf(key, "person %d", &n)
	return n
}

// until gives a command again while the server is away.
func (c *caller) until(ctx context.Context, give func() error) error {
	for n := 0; ; n++ {
		err := give()
		var bound *ledger.BoundError
		if err == nil || errors.As(err, &bound) {
			select {
			case c.done <- struct{}{}:
			default:
			}
			return err
		}
		c.again++
		var fault *pgconn.PgError
		if errors.As(err, &fault) && fault.Code[:2] != "57" && fault.Code[:2] != "08" && fault.Code != "58000" {
			return err // not because the server ends
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *caller) run(ctx context.Context) {
	c.people, c.receipts = map[string]uuid.UUID{}, map[string][16]byte{}
	for n := c.first; ; n++ {
		select {
		case <-c.stop:
			return
		default:
		}
		key := fmt.Sprint("person ", n)
		var id uuid.UUID
		c.err = c.until(ctx, func() (err error) {
			id, err = c.engine.Register(ctx, by("desk", key), yearPerson(n))
			return err
		})
		if c.err == nil {
			c.err = c.until(ctx, func() error {
				a, err := c.engine.Join(ctx, by("desk", "join "+key), 1, id)
				c.receipts[key] = a.Receipt
				return err
			})
		}
		if c.err != nil {
			return
		}
		c.people[key] = id
		err := c.until(ctx, func() error {
			out, err := c.store.Apply(ctx, []program.Change{{Key: "seat " + key, At: c.at(), Postings: []ledger.Posting{{ID: "seat " + key, Legs: []ledger.Leg{
				{Account: c.left, Amount: -1, Bounds: ledger.AtLeast(0)}, {Account: c.taken, Amount: 1, Bounds: ledger.AtLeast(0)}}}}}})
			if err != nil {
				return err
			}
			return out[0].Refusal
		})
		var bound *ledger.BoundError
		if err == nil {
			c.seats++
		} else if !errors.As(err, &bound) {
			c.err = err
			return
		}
	}
}
