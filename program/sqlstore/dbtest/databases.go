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
	s, missing, err := NewServer(dir)
	if s == nil {
		return "", missing, nothing, err
	}
	if err := s.Start(); err != nil {
		return "", "", nothing, err
	}
	return s.URL, "", s.Stop, nil
}

// Server is a PostgreSQL server of a test's own.
type Server struct {
	// URL is its address.
	URL string

	dir, program, data string
	port               int
	as                 *syscall.SysProcAttr
	run                *exec.Cmd
	ended              chan error // of run
	log                *os.File
}

// NewServer makes a database in a folder, for a server that is not started yet. If the
// machine has no PostgreSQL it returns nil and the reason.
func NewServer(dir string) (s *Server, missing string, err error) {
	initdb, server := find("initdb"), find("postgres")
	if initdb == "" || server == "" {
		return nil, "PostgreSQL is not on this machine (postgres and initdb), and TEST_DATABASE_URL is not set", nil
	}
	as, err := unprivileged(dir)
	if err != nil {
		return nil, "", err
	}
	data := filepath.Join(dir, "data")
	init := exec.Command(initdb, "-D", data, "-U", "gelombang", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
	init.SysProcAttr, init.Dir = as, dir
	if out, err := init.CombinedOutput(); err != nil {
		return nil, "", fmt.Errorf("initdb: %w: %s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return nil, "", err
	}
	return &Server{URL: fmt.Sprintf("postgres://gelombang@127.0.0.1:%d/postgres?sslmode=disable", port),
		dir: dir, program: server, data: data, port: port, as: as}, "", nil
}

// Start starts the server, and returns when it answers.
func (s *Server) Start() error {
	soon, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.Restart(soon); err != nil {
		return fmt.Errorf("the server does not answer: %w: %w", err, s.Stop())
	}
	return nil
}

func (s *Server) launch() (err error) {
	if s.log == nil {
		if s.log, err = os.Create(filepath.Join(s.dir, "server.log")); err != nil {
			return err
		}
	}
	s.run = exec.Command(s.program, "-D", s.data, "-c", "listen_addresses=127.0.0.1", "-p", strconv.Itoa(s.port),
		"-c", "unix_socket_directories=", "-c", "max_connections=120", "-c", "shared_buffers=128MB")
	s.run.SysProcAttr, s.run.Dir = s.as, s.dir
	s.run.Stdout, s.run.Stderr = s.log, s.log
	if err := s.run.Start(); err != nil {
		return err
	}
	run, ended := s.run, make(chan error, 1)
	s.ended = ended
	go func() { ended <- run.Wait() }()
	return nil
}

// Stop lets the server shut down.
func (s *Server) Stop() error {
	if err := s.run.Process.Signal(syscall.SIGINT); err != nil { // fast shutdown
		return err
	}
	return joinClose(<-s.ended, s.log)
}

// Kill kills the server's first process with SIGKILL, whatever it is doing. Its others
// notice, and end by themselves.
func (s *Server) Kill() error {
	if err := s.run.Process.Kill(); err != nil {
		return err
	}
	<-s.ended
	return nil
}

// Restart starts a server that was killed, and returns when it answers. While processes of
// the killed one are still there, or somebody else has its port for a moment, it refuses to
// start; so it is started until it does.
func (s *Server) Restart(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := s.launch(); err != nil {
			return err
		}
		alive, cancel := context.WithCancel(ctx)
		answers := make(chan error, 1)
		go func() { answers <- waitIn(alive, s.URL) }()
		select {
		case <-s.ended:
			cancel()
			<-answers
		case err := <-answers:
			cancel()
			return err
		}
	}
	return ctx.Err()
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

// waitIn asks the server until it answers.
func waitIn(ctx context.Context, url string) error {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return err
	}
	defer db.Close()
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
