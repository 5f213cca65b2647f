package dbtest_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/sqlstore"
	"github.com/gelombang/gelombang/program/sqlstore/dbtest"
)

// journalKeys are what the logs of these tests are opened with.
func journalKeys(t testing.TB) (program.Keyring, note.Signer, note.Verifier) {
	t.Helper()
	keys, err := program.NewLocalKeyring(bytes.Repeat([]byte{7}, 32), rand.NewChaCha8([32]byte{2}))
	require.NoError(t, err)
	secret, public, err := note.GenerateKey(rand.NewChaCha8([32]byte{8}), "journal.example.go.id/test")
	require.NoError(t, err)
	signer, err := note.NewSigner(secret)
	require.NoError(t, err)
	verifier, err := note.NewVerifier(public)
	require.NoError(t, err)
	return keys, signer, verifier
}

func openLog(t testing.TB, store program.Store, owner byte, shown []byte) (*program.Log, error) {
	t.Helper()
	keys, signer, verifier := journalKeys(t)
	around := program.Surroundings{Clock: func() time.Time { return journalDay }, Random: rand.NewChaCha8([32]byte{owner})}
	return program.OpenLog(t.Context(), store, keys, signer, verifier, around, shown)
}

var journalDay = time.Date(2020, time.August, 8, 5, 0, 0, 0, time.UTC)

func onJournalDay() time.Time { return journalDay }

func writeEntries(ctx context.Context, store program.Store, from, to int) error {
	var changes []program.Change
	for n := from; n < to; n++ {
		changes = append(changes, program.Change{At: journalDay, Entry: &program.Entry{At: journalDay.Add(time.Duration(n) * time.Second),
			Actor: fmt.Sprint("officer ", n%7), Kind: "stepped", Data: fmt.Appendf(nil, `{"steps":[{"wave":1,"event":"buy","from":"accepted","to":"bought","cases":["AXOn9j-Ac1eM8H6gJ%06d"]}]}`, n)}})
	}
	_, err := store.Apply(ctx, changes)
	return err
}

// Whoever can write the database can change what it says, but not so that nobody
// finds out.
func TestEveryChangeInSQLIsFound(t *testing.T) {
	both(t, func(t *testing.T, store *sqlstore.Store, db *sql.DB, _ sqlstore.Database) {
		const size = 6
		require.NoError(t, writeEntries(t.Context(), store, 0, size))
		log, err := openLog(t, store, 1, nil)
		require.NoError(t, err)
		_, err = log.Seal(t.Context())
		require.NoError(t, err)
		run := func(statements ...string) {
			t.Helper()
			tx, err := db.Begin()
			require.NoError(t, err)
			for _, s := range statements {
				_, err := tx.Exec(s)
				require.NoError(t, err, s)
			}
			require.NoError(t, tx.Commit())
		}
		tables := []string{"journal", "journal_head", "log_hashes", "log_head"}
		var restore []string
		for _, table := range tables {
			run("CREATE TABLE saved_" + table + " AS SELECT * FROM " + table)
			restore = append(restore, "DELETE FROM "+table, "INSERT INTO "+table+" SELECT * FROM saved_"+table)
		}
		find := func() []program.Breach {
			t.Helper()
			breaches, err := log.Verify(t.Context())
			require.NoError(t, err)
			return breaches
		}
		require.Empty(t, find(), "control")
		try := func(statements ...string) {
			t.Helper()
			run(statements...)
			require.NotEmpty(t, find(), "%v", statements)
			run(restore...)
		}
		for n := 1; n <= size; n++ {
			at := fmt.Sprintf(" WHERE seq = %d", n)
			next := n%size + 1
			try("UPDATE journal SET at = at + 1" + at)
			try("UPDATE journal SET actor = 'somebody else'" + at)
			try("UPDATE journal SET kind = 'noted'" + at)
			try("UPDATE journal SET data = (SELECT data FROM saved_journal WHERE seq = " + fmt.Sprint(next) + ")" + at)
			try("UPDATE journal SET seq = 1000" + at)
			try("DELETE FROM journal" + at)
			try(fmt.Sprintf("DELETE FROM journal WHERE seq >= %d", n), fmt.Sprintf("UPDATE journal_head SET seq = %d", n-1))
			try("UPDATE journal SET seq = 1000"+at, fmt.Sprintf("UPDATE journal SET seq = %d WHERE seq = %d", n, next), fmt.Sprintf("UPDATE journal SET seq = %d WHERE seq = 1000", next))
			if n < size { // taken out, and the gap closed
				statements := []string{"DELETE FROM journal" + at}
				for later := n + 1; later <= size; later++ {
					statements = append(statements, fmt.Sprintf("UPDATE journal SET seq = %d WHERE seq = %d", later-1, later))
				}
				try(append(statements, "UPDATE journal_head SET seq = seq - 1")...)
			}
		}
		rows, err := db.Query("SELECT position FROM log_hashes ORDER BY position")
		require.NoError(t, err)
		var positions []int
		for rows.Next() {
			var p int
			require.NoError(t, rows.Scan(&p))
			positions = append(positions, p)
		}
		require.NoError(t, rows.Close())
		for i, p := range positions {
			other := positions[(i+1)%len(positions)]
			try(fmt.Sprintf("UPDATE log_hashes SET hash = (SELECT hash FROM saved_log_hashes WHERE position = %d) WHERE position = %d", other, p))
			try(fmt.Sprintf("DELETE FROM log_hashes WHERE position = %d", p))
		}
		try("UPDATE log_hashes SET position = 1000 WHERE position = 3")
		try("INSERT INTO log_hashes SELECT 1000, hash, 1 FROM saved_log_hashes WHERE position = 0")
		try("DELETE FROM log_head")
		try("DELETE FROM log_head", "DELETE FROM log_hashes")
		for _, table := range tables {
			run("DELETE FROM "+table, "INSERT INTO "+table+" SELECT * FROM saved_"+table)
		}
		require.Empty(t, find(), "control: all is as it was")
	})
}

// A restored backup is refused by whoever has seen a later checkpoint.
func TestARestoredBackupIsRefused(t *testing.T) {
	ctx := t.Context()
	store, db := dbtest.OpenSQLite(t, onJournalDay)
	log, err := openLog(t, store, 1, nil)
	require.NoError(t, err)
	require.NoError(t, writeEntries(ctx, store, 0, 40))
	older, err := log.Seal(ctx)
	require.NoError(t, err)
	backup := filepath.Join(t.TempDir(), "backup.db")
	_, err = db.Exec("VACUUM INTO '" + backup + "'")
	require.NoError(t, err)
	require.NoError(t, writeEntries(ctx, store, 40, 60))
	later, err := log.Seal(ctx)
	require.NoError(t, err)
	_, err = openLog(t, store, 2, later)
	require.NoError(t, err, "control")

	restored, err := sql.Open("sqlite", backup)
	require.NoError(t, err)
	defer restored.Close()
	old, err := sqlstore.Open(ctx, restored, sqlstore.SQLite, &sqlstore.Options{Clock: onJournalDay})
	require.NoError(t, err)
	defer old.Close()
	_, err = openLog(t, old, 3, older)
	require.NoError(t, err, "control: it is good for who has seen no more")
	var rollback *program.RollbackError
	_, err = openLog(t, old, 3, later)
	require.ErrorAs(t, err, &rollback)
	require.Equal(t, program.RollbackError{Shown: 60, Stored: 40}, *rollback)
}

// Many processes seal while others write: one of them at a time, and nothing is
// left out.
func TestManySealers(t *testing.T) {
	both(t, func(t *testing.T, store *sqlstore.Store, _ *sql.DB, _ sqlstore.Database) {
		ctx := t.Context()
		require.NoError(t, writeEntries(ctx, store, 0, 1))
		var writing atomic.Bool
		writing.Store(true)
		var sealers, writers sync.WaitGroup
		for n := range 3 {
			log, err := openLog(t, store, byte(10+n), nil)
			require.NoError(t, err)
			sealers.Go(func() {
				for writing.Load() {
					if _, err := log.Seal(ctx); err != nil && !errors.Is(err, program.ErrSealing) {
						t.Error(err)
						return
					}
				}
			})
			writers.Go(func() {
				for i := range 30 {
					if err := writeEntries(ctx, store, i, i+3); err != nil {
						t.Error(err)
					}
				}
			})
		}
		writers.Wait()
		writing.Store(false)
		sealers.Wait()
		log, err := openLog(t, store, 1, nil)
		require.NoError(t, err)
		signed, err := log.Seal(ctx)
		require.NoError(t, err)
		_, _, verifier := journalKeys(t)
		c, err := program.OpenCheckpoint(signed, verifier)
		require.NoError(t, err)
		require.Equal(t, int64(271), c.Size)
		breaches, err := log.Verify(ctx)
		require.NoError(t, err)
		require.Empty(t, breaches)
	})
}

func benchmarkBoth(b *testing.B, run func(b *testing.B, store *sqlstore.Store)) {
	b.Run("sqlite", func(b *testing.B) {
		store, _ := dbtest.OpenSQLite(b, onJournalDay)
		run(b, store)
	})
	b.Run("postgres", func(b *testing.B) {
		store, _ := dbtest.OpenPostgreSQL(b, postgres(b), onJournalDay)
		run(b, store)
	})
}

const some = 20_000

// BenchmarkSeal seals 20,000 entries that wait.
func BenchmarkSeal(b *testing.B) {
	benchmarkBoth(b, func(b *testing.B, store *sqlstore.Store) {
		log, err := openLog(b, store, 1, nil)
		require.NoError(b, err)
		for b.Loop() {
			b.StopTimer()
			require.NoError(b, writeEntries(b.Context(), store, 0, some))
			b.StartTimer()
			_, err := log.Seal(b.Context())
			require.NoError(b, err)
		}
		b.ReportMetric(some*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	})
}

// BenchmarkSealOne seals one entry that waits behind 20,000.
func BenchmarkSealOne(b *testing.B) {
	benchmarkBoth(b, func(b *testing.B, store *sqlstore.Store) {
		log, err := openLog(b, store, 1, nil)
		require.NoError(b, err)
		require.NoError(b, writeEntries(b.Context(), store, 0, some))
		_, err = log.Seal(b.Context())
		require.NoError(b, err)
		for b.Loop() {
			b.StopTimer()
			require.NoError(b, writeEntries(b.Context(), store, 0, 1))
			b.StartTimer()
			_, err := log.Seal(b.Context())
			require.NoError(b, err)
		}
	})
}

// BenchmarkVerifyLog holds 20,000 entries against their log.
func BenchmarkVerifyLog(b *testing.B) {
	benchmarkBoth(b, func(b *testing.B, store *sqlstore.Store) {
		log, err := openLog(b, store, 1, nil)
		require.NoError(b, err)
		require.NoError(b, writeEntries(b.Context(), store, 0, some))
		_, err = log.Seal(b.Context())
		require.NoError(b, err)
		for b.Loop() {
			breaches, err := log.Verify(b.Context())
			require.NoError(b, err)
			require.Empty(b, breaches)
		}
		b.ReportMetric(some*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	})
}

// BenchmarkFollow hands 20,000 entries to a new reader.
func BenchmarkFollow(b *testing.B) {
	benchmarkBoth(b, func(b *testing.B, store *sqlstore.Store) {
		require.NoError(b, writeEntries(b.Context(), store, 0, some))
		readers := 0
		for b.Loop() {
			readers++
			got := 0
			require.NoError(b, program.Follow(b.Context(), store, fmt.Sprint("reader ", readers), func(_ context.Context, entries []program.Entry) error {
				got += len(entries)
				return nil
			}))
			require.Equal(b, some, got)
		}
		b.ReportMetric(some*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	})
}
