// Command portal is a whole service around the library: the citizen's site, the officer's desk,
// the public's window and an API, for a demonstration program. See README.md in this folder.
package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/sqlstore"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "portal:", err)
		os.Exit(1)
	}
}

// settings are the flags.
type settings struct {
	config
	listen, db, worker       string
	people                   int
	oidcIssuer, oidcClient   string
	oidcRedirect, oidcSecret string
	logTo                    string
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	f := flag.NewFlagSet("portal", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&s.listen, "listen", "127.0.0.1:8080", "`address` to listen on")
	f.StringVar(&s.db, "db", "portal.db", "SQLite `file`, or postgres://...")
	f.BoolVar(&s.demo, "demo", true, "demonstration data, a clock that officers can move, and a simulated bank")
	f.IntVar(&s.people, "people", 400, "how many made people take part in the demonstration")
	f.BoolVar(&s.https, "https", false, "the portal is reached over TLS (by way of a proxy): cookies are for TLS only")
	f.BoolVar(&s.behindProxy, "behind-proxy", false, "believe the last address in X-Forwarded-For")
	f.Float64Var(&s.rate, "rate", 20, "requests a second that one address may send; 0: any number")
	f.IntVar(&s.most, "most", 256, "requests that are answered at once; others hear at once that it is too much")
	f.StringVar(&s.worker, "worker", "", "`name` of this process among those that share a database")
	f.StringVar(&s.oidcIssuer, "oidc-issuer", "", "`URL` of the OpenID provider by which officers sign in; PORTAL_OIDC_SECRET has the client's secret")
	f.StringVar(&s.oidcClient, "oidc-client", "", "client `id` at the OpenID provider")
	f.StringVar(&s.oidcRedirect, "oidc-redirect", "", "`URL` of /petugas/oidc/kembali as the provider knows it")
	f.StringVar(&s.logTo, "log", "", "log to this `file`; empty: to standard error")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	s.oidcSecret = os.Getenv("PORTAL_OIDC_SECRET")
	if f.NArg() > 0 {
		return s, fmt.Errorf("%q is not a flag; see -help", f.Arg(0))
	}
	if s.people < 100 || s.people > 100_000 {
		return s, errors.New("-people is 100 to 100000")
	}
	host, _, err := net.SplitHostPort(s.listen)
	if err != nil {
		return s, fmt.Errorf("-listen: %w", err)
	}
	if ip := net.ParseIP(host); s.demo && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return s, errors.New("the demonstration has passwords that everybody knows: it listens on loopback only; see -demo")
	}
	return s, nil
}

func command(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	s, err := parse(args, stderr)
	if err != nil {
		return err
	}
	to := stderr
	if s.logTo != "" {
		f, err := os.OpenFile(s.logTo, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		to = f
	}
	logger := slog.New(slog.NewTextHandler(to, nil))
	p, closeAll, err := open(ctx, s, logger)
	if err != nil {
		return err
	}
	defer func() {
		if err := closeAll(); err != nil {
			logger.Error("closing", "error", err.Error())
		}
	}()
	if s.demo {
		fmt.Fprintln(stdout, "DEMONSTRATION: nobody here exists, and nothing is paid. Do not enter real data.")
		if err := p.seedDemo(ctx, s.people); err != nil {
			return fmt.Errorf("demonstration data: %w", err)
		}
	}
	if s.oidcIssuer != "" {
		if p.signing, err = newOIDC(ctx, s.oidcIssuer, s.oidcClient, s.oidcSecret, s.oidcRedirect); err != nil {
			return err
		}
	}
	if err := p.jobs.resume(ctx); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Listening on http://%s\n", listener.Addr())
	if s.demo {
		for _, a := range demoAccounts {
			fmt.Fprintf(stdout, "  %-22s password %s   %s\n", a.Login, demoPassword, a.Is)
		}
		fmt.Fprintf(stdout, "  API token %s\n", demoToken)
	}
	background, stop := context.WithCancel(ctx)
	defer stop()
	go p.keepSealing(background, 20*time.Second)
	go p.keepFollowing(background, 5*time.Second)
	err = p.serveUntil(ctx, listener)
	fmt.Fprintln(stdout, "Stopped: every request that was begun was answered.")
	return err
}

// keepSealing seals the journal from time to time.
func (p *portal) keepSealing(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := p.seal(ctx); err != nil && ctx.Err() == nil {
			p.logger.Error("sealing the journal", "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// keepFollowing does what another process began: it works on its jobs, and follows a clock that was moved there.
func (p *portal) keepFollowing(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := errors.Join(p.readClock(ctx), p.jobs.resume(ctx)); err != nil && ctx.Err() == nil {
			p.logger.Error("following other processes", "error", err.Error())
		}
	}
}

// open makes the portal and all it stands on.
func open(ctx context.Context, s settings, logger *slog.Logger) (*portal, func() error, error) {
	t := &clock{base: time.Now}
	driver, database := "sqlite", sqlstore.SQLite
	postgres := strings.HasPrefix(s.db, "postgres://") || strings.HasPrefix(s.db, "postgresql://")
	own := s.db + ".accounts?_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)&_pragma=synchronous(full)&_txlock=immediate"
	if postgres {
		driver, database, own = "pgx", sqlstore.PostgreSQL, s.db
	}
	var closers []func() error
	closeAll := func() error {
		var all error
		for i := len(closers) - 1; i >= 0; i-- {
			all = errors.Join(all, closers[i]())
		}
		return all
	}
	fail := func(err error) (*portal, func() error, error) {
		return nil, nil, errors.Join(err, closeAll())
	}
	db, err := sql.Open(driver, s.db)
	if err != nil {
		return fail(errors.New("the address in -db cannot be read"))
	}
	closers = append(closers, db.Close)
	store, err := sqlstore.Open(ctx, db, database, &sqlstore.Options{Clock: t.now})
	if err != nil {
		return fail(fmt.Errorf("the database in -db cannot be opened: %w", err))
	}
	closers = append(closers, store.Close)
	ownDB, err := sql.Open(driver, own)
	if err != nil {
		return fail(err)
	}
	closers = append(closers, ownDB.Close)
	alone := func(ctx context.Context) (func() error, error) { return alone(ctx, ownDB, postgres, s.db) }
	over, err := alone(ctx)
	if err != nil {
		return fail(err)
	}
	closers = append(closers, over)
	keys, err := keyring(s.db, postgres)
	if err != nil {
		return fail(err)
	}
	a, err := openAccounts(ctx, ownDB, postgres, keys, t.now)
	if err != nil {
		return fail(err)
	}
	definition, err := definition()
	if err != nil {
		return fail(err)
	}
	var p *portal
	e, err := program.NewEngine(definition, store, keys, program.Surroundings{Clock: t.now, Random: rand.Reader},
		&program.Options{Logger: logger, Worker: s.worker, Chunk: 500, Progress: func(done program.Progress) { p.jobs.progress(done) }})
	if err != nil {
		return fail(err)
	}
	if p, err = newPortal(s.config, definition, e, store, a, keys, t, logger); err != nil {
		return fail(err)
	}
	p.alone = alone
	if err := p.readClock(ctx); err != nil {
		return fail(err)
	}
	if err := p.openLog(ctx); err != nil {
		return fail(err)
	}
	closers = closers[:len(closers)-1]
	if err := over(); err != nil {
		return fail(err)
	}
	return p, closeAll, nil
}

// alone waits until no other process sets up the same database, and keeps others waiting until the function that it returns is
// called, or this process ends. On SQLite the lock is on a file of its own, which stays empty.
func alone(ctx context.Context, own *sql.DB, postgres bool, file string) (func() error, error) {
	db, begin, end, closeDB := own, "SELECT pg_advisory_lock(7305118203)", "SELECT pg_advisory_unlock(7305118203)", func() error { return nil }
	if !postgres {
		var err error
		if db, err = sql.Open("sqlite", file+".starting?_pragma=busy_timeout(600000)"); err != nil {
			return nil, err
		}
		begin, end, closeDB = "BEGIN EXCLUSIVE", "ROLLBACK", db.Close
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, closeDB())
	}
	if _, err := conn.ExecContext(ctx, begin); err != nil {
		return nil, errors.Join(err, conn.Close(), closeDB())
	}
	return func() error {
		_, err := conn.ExecContext(context.WithoutCancel(ctx), end)
		return errors.Join(err, conn.Close(), closeDB())
	}, nil
}

func (p *portal) around() program.Surroundings {
	return program.Surroundings{Clock: p.time.now, Random: rand.Reader}
}

// readClock follows the demonstration's clock, which is one for all processes.
func (p *portal) readClock(ctx context.Context) error {
	if !p.config.demo {
		return nil
	}
	text, err := p.accounts.setting(ctx, "clock")
	if err != nil || text == "" {
		return err
	}
	moved, err := strconv.ParseInt(text, 10, 64)
	p.time.moved.Store(moved)
	return err
}

// keyring keeps the master key in a file beside the database. An agency keeps it in a key service.
func keyring(db string, postgres bool) (*program.LocalKeyring, error) {
	path := db + ".key"
	if postgres {
		path = "portal-postgres.key"
	}
	key, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		key = make([]byte, 32)
		rand.Read(key)
		err = os.WriteFile(path, key, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("the key file %s: %w", path, err)
	}
	return program.NewLocalKeyring(key, rand.Reader)
}
