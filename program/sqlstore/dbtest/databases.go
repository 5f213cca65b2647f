package dbtest

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/gelombang/gelombang/program/sqlstore"
)

// OpenSQLite opens an empty SQLite store in a file of the test's own. The clock is the
// store's; nil means the database's own.
func OpenSQLite(t testing.TB, clock func() time.Time) (*sqlstore.Store, *sql.DB) {
	t.Helper()
	return open(t, "sqlite", filepath.Join(t.TempDir(), "test.db"), sqlstore.SQLite, clock)
}

// OpenPostgreSQL opens an empty PostgreSQL store in a schema of the test's own,
// on the given server. The clock is the store's; nil means the server's.
func OpenPostgreSQL(t testing.TB, server string, clock func() time.Time) (*sqlstore.Store, *sql.DB) {
	t.Helper()
	admin, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	schema := fmt.Sprintf("gelombang_test_%d_%d", os.Getpid(), schemas.Add(1))
	if _, err := admin.Exec("CREATE SCHEMA " + schema); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		admin, err := sql.Open("pgx", server)
		if err != nil {
			t.Error(err)
			return
		}
		defer admin.Close()
		if _, err := admin.Exec("DROP SCHEMA " + schema + " CASCADE"); err != nil {
			t.Error(err)
		}
	})
	separator := "?"
	if strings.Contains(server, "?") {
		separator = "&"
	}
	return open(t, "pgx", server+separator+"search_path="+schema, sqlstore.PostgreSQL, clock)
}

var schemas atomic.Int64

func open(t testing.TB, driver, source string, database sqlstore.Database, clock func() time.Time) (*sqlstore.Store, *sql.DB) {
	t.Helper()
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlstore.Open(t.Context(), db, database, &sqlstore.Options{Clock: clock})
	if err != nil {
		db.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return store, db
}

// StartPostgreSQL starts a throwaway server on the loopback address, as a user
// without privileges, and returns its address and how to stop it. If the
// machine has no PostgreSQL it returns "" and the reason. TEST_DATABASE_URL
// names a server to use instead.
func StartPostgreSQL(dir string) (url, missing string, stop func() error, err error) {
	nothing := func() error { return nil }
	if url := os.Getenv("TEST_DATABASE_URL"); url != "" {
		return url, "", nothing, nil
	}
	initdb, server := find("initdb"), find("postgres")
	if initdb == "" || server == "" {
		return "", "PostgreSQL is not on this machine (postgres and initdb), and TEST_DATABASE_URL is not set", nothing, nil
	}
	as, err := unprivileged(dir)
	if err != nil {
		return "", "", nothing, err
	}
	data := filepath.Join(dir, "data")
	init := exec.Command(initdb, "-D", data, "-U", "gelombang", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
	init.SysProcAttr, init.Dir = as, dir
	if out, err := init.CombinedOutput(); err != nil {
		return "", "", nothing, fmt.Errorf("initdb: %w: %s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return "", "", nothing, err
	}
	run := exec.Command(server, "-D", data, "-c", "listen_addresses=127.0.0.1", "-p", strconv.Itoa(port),
		"-c", "unix_socket_directories=", "-c", "max_connections=120", "-c", "shared_buffers=128MB")
	run.SysProcAttr, run.Dir = as, dir
	log, err := os.Create(filepath.Join(dir, "server.log"))
	if err != nil {
		return "", "", nothing, err
	}
	run.Stdout, run.Stderr = log, log
	if err := run.Start(); err != nil {
		return "", "", nothing, err
	}
	stop = func() error {
		if err := run.Process.Signal(syscall.SIGINT); err != nil { // fast shutdown
			return err
		}
		err := run.Wait()
		return joinClose(err, log)
	}
	url = fmt.Sprintf("postgres://gelombang@127.0.0.1:%d/postgres?sslmode=disable", port)
	if err := waitFor(url); err != nil {
		return "", "", nothing, fmt.Errorf("the server does not answer: %w: %w", err, stop())
	}
	return url, "", stop, nil
}

func joinClose(err error, f *os.File) error {
	if closing := f.Close(); err == nil {
		return closing
	}
	return err
}

// find looks for a program on the path and where Debian keeps it.
func find(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) == 0 {
		return ""
	}
	return found[len(found)-1]
}

// unprivileged makes the folder another user's if the tests run as root, since
// PostgreSQL refuses to run as root.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	as := &syscall.SysProcAttr{}
	if os.Getuid() != 0 {
		return as, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 != nil || err2 != nil {
			continue
		}
		if err := os.Chown(dir, int(uid), int(gid)); err != nil {
			return nil, err
		}
		as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return as, nil
	}
	return nil, fmt.Errorf("running as root, and there is no user postgres or nobody to run PostgreSQL as")
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// waitFor asks the server until it answers, for at most 30 seconds.
func waitFor(url string) error {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}
