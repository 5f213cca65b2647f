package dbtest_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/programtest"
	"github.com/gelombang/gelombang/program/sqlstore/dbtest"
)

var server, noServer string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if order := os.Getenv("GELOMBANG_WORKER"); order != "" {
		if err := runWorker(order); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
	if child := os.Getenv("GELOMBANG_CHILD"); child != "" {
		if err := runChild(child); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
	dir, err := os.MkdirTemp("", "gelombang-postgres-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	url, missing, stop, err := dbtest.StartPostgreSQL(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	server, noServer = url, missing
	code := m.Run()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stopping PostgreSQL:", err)
		return 1
	}
	return code
}

// postgres skips the test where there is no PostgreSQL.
func postgres(t testing.TB) string {
	t.Helper()
	if server == "" {
		t.Skip(noServer)
	}
	return server
}

func TestSQLite(t *testing.T) {
	programtest.TestStore(t, func(t *testing.T, clock func() time.Time) program.Store {
		store, _ := dbtest.OpenSQLite(t, clock)
		return store
	})
}

func TestPostgreSQL(t *testing.T) {
	url := postgres(t)
	programtest.TestStore(t, func(t *testing.T, clock func() time.Time) program.Store {
		store, _ := dbtest.OpenPostgreSQL(t, url, clock)
		return store
	})
}
