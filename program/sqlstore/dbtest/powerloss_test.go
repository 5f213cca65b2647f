package dbtest_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"hash"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/sqlstore"
)

// The power fails under SQLite, at every kind of point: while the schema is made, between
// commands, in a commit, in a checkpoint, while the store closes and opens again. What the
// disk holds then is opened, and must be what the program had written up to some change:
// the last that was acknowledged, or the one that was being written.

// yearOnDisk is a year on a simulated disk, and what the database said after each change.
type yearOnDisk struct {
	disk   *disk
	states [][32]byte // after change i; 0 is before the first
}

// recorded runs the year on a disk, closing and opening the store on the way. Level is
// that of PRAGMA synchronous; the store's own is FULL.
func recorded(t *testing.T, seed uint64, level string) *yearOnDisk {
	t.Helper()
	d := newDisk(t)
	path := filepath.Join(quickDir(t), "year.db")
	source := "file:" + path + "?vfs=" + d.name
	rec := &recorder{disk: d, random: rand.New(rand.NewPCG(seed, 2)), rec: &yearOnDisk{disk: d}}
	rec.rec.states = append(rec.rec.states, [32]byte{}) // no database yet
	var err error
	rec.plain, err = sql.Open("sqlite", "file:"+path)
	require.NoError(t, err)
	defer func() { rec.plain.Close() }()
	clock := newClock()
	y := &year{clock: clock, bank: &fileBank{path: filepath.Join(t.TempDir(), "bank")}, people: 12, chunk: 4, worker: "year"}
	open := func() (shut func()) {
		w, db := newWire(t, "sqlite", source)
		w.rewrite = func(query string) string {
			query = strings.Replace(query, "wal_autocheckpoint = 20000", fmt.Sprint("wal_autocheckpoint = ", 20+rec.random.IntN(100)), 1)
			return strings.Replace(query, "synchronous = FULL", "synchronous = "+level, 1)
		}
		store, err := sqlstore.Open(t.Context(), db, sqlstore.SQLite, &sqlstore.Options{Clock: clock.now})
		require.NoError(t, err)
		rec.Store = store
		// Somebody else checkpoints now and then.
		rec.other, err = db.Conn(t.Context())
		require.NoError(t, err)
		_, err = rec.other.ExecContext(t.Context(), "PRAGMA synchronous = "+level)
		require.NoError(t, err)
		return func() {
			require.NoError(t, rec.other.Close())
			require.NoError(t, store.Close())
			require.NoError(t, db.Close())
		}
	}
	shut := open()
	require.NoError(t, rec.acknowledged())
	y.store = rec
	for next := 8; ; next += 8 {
		y.after = func(i int) error {
			if i == next {
				return errRestart
			}
			return nil
		}
		err := y.run(t.Context())
		if err == nil {
			break
		}
		require.ErrorIs(t, err, errRestart)
		// Without a reader of our own the last connection takes the log away.
		require.NoError(t, rec.plain.Close())
		shut()
		rec.plain, err = sql.Open("sqlite", "file:"+path)
		require.NoError(t, err)
		shut = open()
	}
	require.NoError(t, y.verified(t.Context()))
	shut()
	return rec.rec
}

var errRestart = errors.New("the program starts again")

// recorder is a store that writes down what the database says after each change, and
// marks the disk's log when it is acknowledged.
type recorder struct {
	program.Store
	mu     sync.Mutex
	disk   *disk
	rec    *yearOnDisk
	random *rand.Rand
	plain  *sql.DB   // not through the disk
	other  *sql.Conn // through it
}

func (r *recorder) Apply(ctx context.Context, changes []program.Change) ([]program.Outcome, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if kind := r.random.IntN(24); kind < 4 {
		query := "PRAGMA wal_checkpoint(" + []string{"PASSIVE", "FULL", "RESTART", "TRUNCATE"}[kind] + ")"
		if _, err := r.other.ExecContext(ctx, query); err != nil {
			return nil, err
		}
	}
	out, err := r.Store.Apply(ctx, changes)
	return out, errors.Join(err, r.acknowledged())
}

func (r *recorder) acknowledged() error {
	state, err := contents(r.plain)
	r.rec.states = append(r.rec.states, state)
	r.disk.mark(len(r.rec.states) - 1)
	return err
}

// contents is a digest of every row of every table; of nothing, where there is no table.
func contents(db *sql.DB) (sum [32]byte, err error) {
	tables, err := texts(db, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
	if err != nil || len(tables) == 0 {
		return sum, err
	}
	h := sha256.New()
	for _, table := range tables {
		fmt.Fprintln(h, table)
		if err := hashRows(h, db, "SELECT * FROM "+table+" ORDER BY 1, 2"); err != nil && strings.Contains(err.Error(), "2nd ORDER BY term out of range") {
			err = hashRows(h, db, "SELECT * FROM "+table+" ORDER BY 1")
			if err != nil {
				return sum, err
			}
		} else if err != nil {
			return sum, err
		}
	}
	return [32]byte(h.Sum(nil)), nil
}

func hashRows(h hash.Hash, db *sql.DB, query string) error {
	rows, err := db.Query(query)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range into {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		fmt.Fprintln(h, values...)
	}
	return rows.Err()
}

func texts(db *sql.DB, query string) ([]string, error) {
	rows, err := db.Query(query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

// found says what is in the files that a power cut left.
func found(dir string, left map[string][]byte) (state [32]byte, err error) {
	old, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return state, err
	}
	for _, name := range old {
		if err := os.Remove(name); err != nil {
			return state, err
		}
	}
	for name, data := range left {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return state, err
		}
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "year.db")+"?_pragma=synchronous(off)")
	if err != nil {
		return state, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	faults, err := texts(db, "PRAGMA integrity_check")
	if err != nil {
		return state, err
	}
	if !slices.Equal(faults, []string{"ok"}) {
		return state, fmt.Errorf("not whole: %v", faults)
	}
	return contents(db)
}

// goesOn says whether an engine finds everything in order, and can be given a command.
func goesOn(ctx context.Context, dir string) error {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "year.db"))
	if err != nil {
		return err
	}
	defer db.Close()
	clock := newClock()
	store, err := sqlstore.Open(ctx, db, sqlstore.SQLite, &sqlstore.Options{Clock: clock.now})
	if err != nil {
		return err
	}
	e, err := yearEngine(store, clock.now, program.Options{})
	if err != nil {
		return errors.Join(err, store.Close())
	}
	breaches, err := e.Verify(ctx)
	if err == nil && len(breaches) > 0 {
		err = fmt.Errorf("%d breaches, the first %v", len(breaches), breaches[0])
	}
	return errors.Join(err, e.Fund(ctx, by("treasury", ""), payment.Rupiah(1)), store.Close())
}

// losses cuts the power at so many points, and counts what is not as it should be.
func (y *yearOnDisk) losses(t *testing.T, points int, seed uint64) (lost, corrupt int, first string) {
	t.Helper()
	const workers = 2
	type point struct {
		i, mark int
		left    map[string][]byte
	}
	queue := make(chan point, 4)
	var mu sync.Mutex
	var wg sync.WaitGroup
	known := map[[32]byte][32]byte{} // what files that were looked at before hold
	for range workers {
		dir := quickDir(t)
		wg.Go(func() {
			for p := range queue {
				key := digestOf(p.left)
				mu.Lock()
				state, seen := known[key]
				mu.Unlock()
				var err error
				if !seen {
					state, err = found(dir, p.left)
				}
				if err == nil && p.i%100 == 0 && state != [32]byte{} {
					err = goesOn(t.Context(), dir)
				}
				mu.Lock()
				note := ""
				switch {
				case err != nil:
					corrupt++
					note = fmt.Sprintf("point %d, change %d: %v", p.i, p.mark, err)
				case state != y.states[p.mark] && (p.mark+1 == len(y.states) || state != y.states[p.mark+1]):
					lost++
					note = fmt.Sprintf("point %d: change %d was acknowledged, the database is as after %d", p.i, p.mark, slices.Index(y.states, state))
				}
				if err == nil {
					known[key] = state
				}
				if first == "" {
					first = note
				}
				mu.Unlock()
			}
		})
	}
	err := cuts(y.disk.log, points, seed, func(i, mark int, left map[string][]byte) error {
		queue <- point{i, mark, left}
		return nil
	})
	close(queue)
	wg.Wait()
	require.NoError(t, err)
	t.Logf("%d changes, %d operations of the disk; %d points, %d different disks: %d lost, %d corrupt", len(y.states)-1, len(y.disk.log), points, len(known), lost, corrupt)
	return lost, corrupt, first
}

func digestOf(left map[string][]byte) [32]byte {
	h := sha256.New()
	for _, name := range []string{"year.db", "year.db-wal", "year.db-journal"} {
		data, ok := left[name]
		fmt.Fprintln(h, name, ok, len(data))
		h.Write(data)
	}
	return [32]byte(h.Sum(nil))
}

// Nothing that was acknowledged is lost when the power fails, and nothing is corrupt.
func TestPowerFailsUnderSQLite(t *testing.T) {
	points, each := tier(400, 20_000, 2_000_000), 10_000
	for seed := uint64(1); points > 0; seed++ {
		lost, corrupt, first := recorded(t, seed, "FULL").losses(t, min(points, each), seed)
		require.Zero(t, lost+corrupt, "seed %d: %d lost, %d corrupt; %s", seed, lost, corrupt, first)
		points -= each
	}
}

// The controls: where commits are not synced the same cuts find losses, and nothing
// corrupt; where nothing is, they find both.
func TestPowerCutsFindWhatIsNotSynced(t *testing.T) {
	points := tier(200, 1000, 10_000)
	lost, corrupt, first := recorded(t, 1, "NORMAL").losses(t, points, 1)
	require.Positive(t, lost)
	require.Zero(t, corrupt, first)
	lost, corrupt, _ = recorded(t, 1, "OFF").losses(t, points, 1)
	require.Positive(t, lost)
	require.Positive(t, corrupt)
}
