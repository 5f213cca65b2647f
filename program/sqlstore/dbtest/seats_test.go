package dbtest_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/program/sqlstore/dbtest"
)

// BenchmarkSeats gives seats of one pool to 64 callers at once, each with a durable
// answer of its own. "together" shares transactions; its yardsticks do not: on SQLite
// "each" is the same change in a transaction of its own, on PostgreSQL "hot-row" is one
// statement that takes the seat and keeps who has it. They report the 99th percentile
// of a caller's wait besides.
func BenchmarkSeats(b *testing.B) {
	b.Run("sqlite/64", func(b *testing.B) {
		b.Run("each", func(b *testing.B) {
			store, _ := dbtest.OpenSQLite(b, nil)
			benchmarkTakers(b, storeTaker(b, store))
		})
		b.Run("together", func(b *testing.B) {
			store, _ := dbtest.OpenSQLite(b, nil)
			benchmarkTakers(b, storeTaker(b, program.Grouped(store)))
		})
	})
	b.Run("postgres/64", func(b *testing.B) {
		url := postgres(b)
		b.Run("hot-row", func(b *testing.B) {
			_, db := dbtest.OpenPostgreSQL(b, url, nil)
			benchmarkTakers(b, hotRowTaker(b, db))
		})
		b.Run("each", func(b *testing.B) {
			store, _ := dbtest.OpenPostgreSQL(b, url, nil)
			benchmarkTakers(b, storeTaker(b, store))
		})
		b.Run("together", func(b *testing.B) {
			store, _ := dbtest.OpenPostgreSQL(b, url, nil)
			benchmarkTakers(b, storeTaker(b, program.Grouped(store)))
		})
	})
}

// benchmarkTakers lets 64 callers take b.N seats.
func benchmarkTakers(b *testing.B, take func(ctx context.Context, n int64) error) {
	b.Helper()
	const callers = 64
	var next atomic.Int64
	waits := make([][]time.Duration, callers)
	var wg sync.WaitGroup
	b.ResetTimer()
	for c := range callers {
		wg.Go(func() {
			for {
				n := next.Add(1)
				if n > int64(b.N) {
					return
				}
				began := time.Now()
				if err := take(b.Context(), n); err != nil {
					b.Error(err)
					return
				}
				waits[c] = append(waits[c], time.Since(began))
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	all := slices.Concat(waits...)
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "seats/s")
}

func storeTaker(b *testing.B, store program.Store) func(context.Context, int64) error {
	b.Helper()
	issue := ledger.Posting{ID: "issue", Legs: []ledger.Leg{
		{Account: "seats/issued", Amount: -1 << 40, Bounds: ledger.Free()}, {Account: "seats/left", Amount: 1 << 40, Bounds: ledger.AtLeast(0)}}}
	if _, err := store.Apply(b.Context(), []program.Change{{At: time.Now(), Postings: []ledger.Posting{issue}}}); err != nil {
		b.Fatal(err)
	}
	return func(ctx context.Context, n int64) error {
		outcomes, err := store.Apply(ctx, []program.Change{{At: time.Now(), Postings: []ledger.Posting{{ID: fmt.Sprintf("seat %d", n), Legs: []ledger.Leg{
			{Account: "seats/left", Amount: -1, Bounds: ledger.AtLeast(0)}, {Account: "seats/held", Amount: 1, Bounds: ledger.AtLeast(0)},
		}}}}})
		if err == nil {
			err = outcomes[0].Refusal
		}
		return err
	}
}

func hotRowTaker(b *testing.B, db *sql.DB) func(context.Context, int64) error {
	b.Helper()
	db.SetMaxOpenConns(64)
	db.SetMaxIdleConns(64)
	for _, statement := range []string{
		"CREATE TABLE hot_pool (pool TEXT PRIMARY KEY, left_over BIGINT NOT NULL CHECK (left_over >= 0))",
		"CREATE TABLE hot_seats (id TEXT PRIMARY KEY, pool TEXT NOT NULL, at TIMESTAMPTZ NOT NULL)",
		"INSERT INTO hot_pool VALUES ('a', 1099511627776)",
	} {
		if _, err := db.Exec(statement); err != nil {
			b.Fatal(err)
		}
	}
	return func(ctx context.Context, n int64) error {
		res, err := db.ExecContext(ctx, `WITH taken AS (UPDATE hot_pool SET left_over = left_over - 1 WHERE pool = 'a' AND left_over > 0 RETURNING pool)
INSERT INTO hot_seats SELECT $1, pool, now() FROM taken`, fmt.Sprintf("seat %d", n))
		if err != nil {
			return err
		}
		if got, err := res.RowsAffected(); err != nil || got != 1 {
			return fmt.Errorf("%d seats: %w", got, err)
		}
		return nil
	}
}
