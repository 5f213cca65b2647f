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
	"strings"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"golang.org/x/term"

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
	writeTo    string
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	f := flag.NewFlagSet("prakerja", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&s.applicants, "applicants", "", "read people from this CSV `file` instead of making them")
	f.Int64Var(&s.n, "n", 100_000, "how many people to make")
	f.Uint64Var(&s.seed, "seed", 4, "the made people and the demonstration's dice follow from it")
	f.Int64Var(&s.seats, "seats", 0, "seats of the wave; 0: 48 for every 100 people")
	f.StringVar(&s.db, "db", "prakerja.db", "SQLite `file`, or postgres://...")
	f.StringVar(&s.out, "out", "out", "`folder` for the report, the proof and the files")
	f.StringVar(&s.writeTo, "write-people", "", "only write the made people to this CSV `file`")
	if err := f.Parse(args); err != nil {
		return s, err
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
	if s.seats == 0 {
		s.seats = in.total * 48 / 100
	}
	plan, err := buildPlan(s.seats, geo)
	if err != nil {
		return err
	}
	// The plan's name tells runs apart: a database keeps to its first settings.
	plan.Name += "-" + in.mark(s)
	store, closeStore, err := openStore(ctx, s.db)
	if err != nil {
		return err
	}
	defer closeStore()
	keys, err := keyring(s.db)
	if err != nil {
		return err
	}
	definition, err := definition()
	if err != nil {
		return err
	}
	r := &run{clock: &movedClock{}, people: in.people, total: in.total, seed: s.seed, plan: plan,
		progress: newProgress(stdout, terminal, time.Now), counts: map[string]program.Counts{}}
	r.engine, err = program.NewEngine(definition, store, keys, program.Surroundings{Clock: r.clock.tell, Random: rand.Reader},
		&program.Options{Progress: func(p program.Progress) { r.progress.advance(p.Done) }})
	if err != nil {
		return err
	}
	r.bank = &bank{folder: s.out, run: r}
	if err := r.all(ctx); err != nil {
		return explain(err)
	}
	return r.results(ctx, s, in, geo, stdout)
}

// explain says in one sentence what an operator can do about an error.
func explain(err error) error {
	var conflict *program.KeyConflictError
	if errors.As(err, &conflict) {
		return errors.New("the database holds a run with other settings (-n, -seed, -seats or -applicants); use the same ones, or another -db")
	}
	return err
}

func openStore(ctx context.Context, address string) (program.Store, func(), error) {
	driver, database := "sqlite", sqlstore.SQLite
	if strings.HasPrefix(address, "postgres://") || strings.HasPrefix(address, "postgresql://") {
		driver, database = "pgx", sqlstore.PostgreSQL
	} else if info, err := os.Stat(filepath.Dir(address)); err != nil || !info.IsDir() {
		return nil, nil, fmt.Errorf("the folder of -db %s does not exist", address)
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		return nil, nil, errors.New("the address in -db cannot be read")
	}
	store, err := sqlstore.Open(ctx, db, database)
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

// keyring keeps the demonstration's master key in a file beside the database.
// An agency keeps it in a key service.
func keyring(db string) (*program.LocalKeyring, error) {
	path := db + ".key"
	if strings.Contains(db, "://") {
		sum := sha256.Sum256([]byte(db))
		path = "prakerja-" + hex.EncodeToString(sum[:4]) + ".db.key"
	}
	key, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		key = make([]byte, 32)
		if _, err := rand.Read(key); err != nil {
			return nil, err
		}
		err = os.WriteFile(path, key, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("the key file %s: %w", path, err)
	}
	if len(key) != 32 {
		return nil, fmt.Errorf("the key file %s does not have 32 bytes", path)
	}
	return program.NewLocalKeyring(key, rand.Reader)
}
