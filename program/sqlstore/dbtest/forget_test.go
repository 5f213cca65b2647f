package dbtest_test

import (
	"bytes"
	"database/sql"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/sqlstore"
)

// The wrapped key of somebody who was erased is in no file of SQLite any more: neither in
// the database nor in its log. While somebody reads an older snapshot the log keeps it, and
// the next erasure, or Close, takes it out; if the process dies before, Open does.
func TestAnErasedKeyIsInNoFileOfSQLite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "erased.db")
	db, err := sql.Open("sqlite", "file:"+path)
	require.NoError(t, err)
	defer db.Close()
	clock := newClock()
	ctx := t.Context()
	store, err := sqlstore.Open(ctx, db, sqlstore.SQLite, &sqlstore.Options{Clock: clock.now})
	require.NoError(t, err)
	e, err := yearEngineOf(store, clock.now, rand.NewChaCha8([32]byte{4}), program.Options{})
	require.NoError(t, err)
	var ids []uuid.UUID
	var keys [][]byte
	for n := range 3 {
		id, err := e.Register(ctx, by("officer", ""), yearPerson(n))
		require.NoError(t, err)
		rows, err := store.Load(ctx, program.Query{Keys: []program.Key{{Table: program.TablePersonKeys, Values: []any{id[:]}}}})
		require.NoError(t, err)
		ids, keys = append(ids, id), append(keys, rows.Rows[0].Values[1].([]byte))
	}
	found := func(n int) bool {
		for _, name := range []string{path, path + "-wal"} {
			data, err := os.ReadFile(name)
			if !os.IsNotExist(err) {
				require.NoError(t, err)
			}
			if bytes.Contains(data, keys[n]) {
				return true
			}
		}
		return false
	}
	erase := func(n int) {
		clock.set(clock.now().AddDate(3, 0, 0))
		require.NoError(t, e.Erase(ctx, by("officer", ""), ids[n]))
	}
	// reads holds a snapshot, as a backup or a report does.
	reads := func() (done func()) {
		conn, err := db.Conn(ctx)
		require.NoError(t, err)
		_, err = conn.ExecContext(ctx, "BEGIN")
		require.NoError(t, err)
		var rows int
		require.NoError(t, conn.QueryRowContext(ctx, "SELECT count(*) FROM person_keys").Scan(&rows))
		return func() {
			_, err := conn.ExecContext(ctx, "COMMIT")
			require.NoError(t, err)
			require.NoError(t, conn.Close())
		}
	}
	for n := range ids {
		require.True(t, found(n), "control: it is there before")
	}
	erase(0)
	require.False(t, found(0))
	require.True(t, found(1), "control: of the others it stays")

	done := reads()
	erase(1)
	require.True(t, found(1), "control: somebody reads what was there before")
	done()
	erase(2)
	require.False(t, found(1))
	require.False(t, found(2))

	id, err := e.Register(ctx, by("officer", ""), yearPerson(3))
	require.NoError(t, err)
	rows, err := store.Load(ctx, program.Query{Keys: []program.Key{{Table: program.TablePersonKeys, Values: []any{id[:]}}}})
	require.NoError(t, err)
	ids, keys = append(ids, id), append(keys, rows.Rows[0].Values[1].([]byte))
	done = reads()
	erase(3)
	require.True(t, found(3))
	dead := filepath.Join(t.TempDir(), "dead.db") // as the machine finds it after a death here
	for _, end := range []string{"", "-wal"} {
		data, err := os.ReadFile(path + end)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(dead+end, data, 0o600))
	}
	done()
	other, err := db.Conn(ctx) // the file stays open: SQLite does nothing by itself
	require.NoError(t, err)
	defer other.Close()
	require.NoError(t, other.PingContext(ctx))
	require.NoError(t, store.Close())
	require.False(t, found(3))

	path = dead
	require.True(t, found(3), "control: it died before")
	db, err = sql.Open("sqlite", "file:"+dead)
	require.NoError(t, err)
	defer db.Close()
	store, err = sqlstore.Open(ctx, db, sqlstore.SQLite, &sqlstore.Options{Clock: clock.now})
	require.NoError(t, err)
	require.False(t, found(3))
	require.NoError(t, store.Close())
}
