// Command prakerja runs a whole wave of a program under the rules of Kartu
// Prakerja's wave 4 of August 2020, on a real database: from registration to the
// bank's statements. See README.md in this folder.
package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"golang.org/x/term"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/sqlstore"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := command(ctx, os.Args[1:], os.Stdout, os.Stderr, term.IsTerminal(int(os.Stdout.Fd())))
	switch {
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "Stopped. Nothing is lost: the same command continues where it stopped.")
		os.Exit(130)
	case err != nil:
		fmt.Fprintln(os.Stderr, "prakerja:", err)
		os.Exit(1)
	}
}

type settings struct {
	applicants string
	n          int64
	seed       uint64
	seats      int64
	db, out    string
	chunk      int
	writeTo    string
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	f := flag.NewFlagSet("prakerja", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&s.applicants, "applicants", "", "read people from this CSV `file` instead of making them")
	f.Int64Var(&s.n, "n", 100_000, "how many people to make")
	f.Uint64Var(&s.seed, "seed", 4, "the made people and the demonstration's dice follow from it")
	f.Int64Var(&s.seats, "seats", 0, "seats of the wave; 0: 40 for every 100 people, about two for three who join, as in wave 4")
	f.StringVar(&s.db, "db", "prakerja.db", "SQLite `file`, or postgres://...")
	f.StringVar(&s.out, "out", "out", "`folder` for the report, the proof and the files")
	f.IntVar(&s.chunk, "chunk", 0, "people in one transaction; 0: as many as the library takes")
	f.StringVar(&s.writeTo, "write-people", "", "only write the made people to this CSV `file`")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		f.SetOutput(stderr)
		f.Usage()
		return s, err
	} else if err != nil {
		return s, fmt.Errorf("%w; see -help", err)
	}
	if f.NArg() > 0 {
		return s, fmt.Errorf("%q is not a flag; see -help", f.Arg(0))
	}
	if s.n < 1 {
		return s, errors.New("-n is 1 or more")
	}
	if s.seats < 0 {
		return s, errors.New("-seats is not below zero")
	}
	if s.chunk < 0 {
		return s, errors.New("-chunk is not below zero")
	}
	return s, nil
}

func command(ctx context.Context, args []string, stdout, stderr io.Writer, terminal bool) error {
	s, err := parse(args, stderr)
	if err != nil {
		return err
	}
	geo, err := loadGeography()
	if err != nil {
		return err
	}
	if s.writeTo != "" {
		return writeMadePeople(s, geo)
	}
	in, err := openInput(ctx, s, geo)
	if err != nil {
		return err
	}
	defer in.close()
	if err := s.check(in.total); err != nil {
		return err
	}
	plan, err := buildPlan(s.seats, geo)
	if err != nil {
		return err
	}
	// The plan's name tells runs apart: a database keeps to its first settings.
	plan.Name += "-" + in.mark(s)
	definition, err := definition()
	if err != nil {
		return err
	}
	clock := &movedClock{}
	store, closeStore, err := openStore(ctx, s.db, clock.tell)
	if err != nil {
		return err
	}
	defer closeStore()
	keys, err := keyring(ctx, s.db, store)
	if err != nil {
		return err
	}
	r := &run{clock: clock, people: in.people, total: in.total, seed: s.seed, plan: plan,
		progress: newProgress(stdout, terminal, time.Now), counts: map[string]program.Counts{},
		definition: definition, geo: geo, started: time.Now()}
	// Chunks are short-lived: collecting less often is faster, within a bound that
	// grows with the roll.
	debug.SetGCPercent(400)
	debug.SetMemoryLimit(340<<20 + in.total*350)
	r.engine, err = program.NewEngine(definition, store, keys, program.Surroundings{Clock: r.clock.tell, Random: rand.Reader},
		&program.Options{Chunk: s.chunk, Worker: "prakerja", Progress: func(p program.Progress) { r.progress.advance(p.Done) }})
	if err != nil {
		return err
	}
	r.bank = &bank{folder: s.out, run: r, opened: payment.Rupiah(s.seats * perRecipient)}
	err = r.all(ctx)
	if err == nil {
		err = r.results(ctx, s, in, stdout)
	}
	if err != nil && ctx.Err() != nil { // whatever was interrupted, in its own words
		return ctx.Err()
	}
	return explain(err)
}

// check settles the number of seats and refuses, before anything is written, what
// cannot work.
func (s *settings) check(people int64) error {
	if s.seats == 0 {
		s.seats = people * 40 / 100
	}
	switch {
	case s.seats == 0:
		return fmt.Errorf("%d people are too few for a wave: 48 seats for every 100 would be none; say -seats", people)
	case s.seats > people:
		return fmt.Errorf("%d seats cannot be filled by %d people", s.seats, people)
	}
	if info, err := os.Stat(s.out); err == nil && !info.IsDir() {
		return fmt.Errorf("-out %s is a file, not a folder", s.out)
	}
	return nil
}

// explain says in one sentence what an operator can do about an error.
func explain(err error) error {
	var conflict *program.KeyConflictError
	if errors.As(err, &conflict) {
		return errors.New("the database holds a run with other settings (-n, -seed, -seats or -applicants); use the same ones, or another -db")
	}
	return err
}

func isPostgres(address string) bool {
	return strings.HasPrefix(address, "postgres://") || strings.HasPrefix(address, "postgresql://")
}

func openStore(ctx context.Context, address string, clock func() time.Time) (program.Store, func(), error) {
	driver, database := "sqlite", sqlstore.SQLite
	if isPostgres(address) {
		driver, database = "pgx", sqlstore.PostgreSQL
	} else if err := checkFile(address); err != nil {
		return nil, nil, err
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		return nil, nil, errors.New("the address in -db cannot be read")
	}
	if isPostgres(address) {
		if err := answers(ctx, db); err != nil {
			db.Close()
			return nil, nil, err
		}
	}
	store, err := sqlstore.Open(ctx, db, database, &sqlstore.Options{Clock: clock})
	if err != nil {
		db.Close()
		return nil, nil, fmt.Errorf("the database in -db cannot be opened: %w", err)
	}
	return store, func() {
		if err := errors.Join(store.Close(), db.Close()); err != nil {
			fmt.Fprintln(os.Stderr, "prakerja: closing the database:", err)
		}
	}, nil
}

func checkFile(path string) error {
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return fmt.Errorf("the folder of -db %s does not exist", path)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("-db %s is a folder, not a file", path)
	}
	return nil
}

// answers gives the server ten seconds. The driver's own words are several
// lines and name the user, so they are not shown.
func answers(ctx context.Context, db *sql.DB) error {
	limited, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	err := db.PingContext(limited)
	var refused *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &refused):
		return fmt.Errorf("the database in -db refuses the connection: %s (%s)", refused.Message, refused.Code)
	}
	return errors.New("the database in -db does not answer; is the address right, and is it running?")
}

// keyring keeps the demonstration's master key in a file beside the database.
// An agency keeps it in a key service.
func keyring(ctx context.Context, db string, store program.Store) (*program.LocalKeyring, error) {
	path := db + ".key"
	if isPostgres(db) {
		sum := sha256.Sum256([]byte(db))
		path = "prakerja-" + hex.EncodeToString(sum[:4]) + ".db.key"
	}
	key, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		key, err = newKey(ctx, path, store)
	}
	if err != nil {
		return nil, fmt.Errorf("the key file %s: %w", path, err)
	}
	if len(key) != 32 {
		return nil, fmt.Errorf("the key file %s does not have 32 bytes", path)
	}
	return program.NewLocalKeyring(key, rand.Reader)
}

// newKey makes the key of a database that is empty still.
func newKey(ctx context.Context, path string, store program.Store) ([]byte, error) {
	entries, err := store.Journal(ctx, 0, 1)
	if err != nil {
		return nil, err
	}
	if len(entries) > 0 {
		return nil, errors.New("is missing, and what the database holds cannot be read without it")
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	unfinished := path + ".new"
	if err := os.WriteFile(unfinished, key, 0o600); err != nil {
		return nil, err
	}
	return key, os.Rename(unfinished, path)
}
