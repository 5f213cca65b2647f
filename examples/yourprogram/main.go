package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/google/uuid"
	_ "modernc.org/sqlite"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/sqlstore"
)

func main() {
	if err := run(context.Background(), "kiosk.db", os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// open wires the program: a database, the keys, the clock and randomness.
func open(ctx context.Context, path string) (*program.Engine[Kiosk], func() error, error) {
	master, err := masterKey(path + ".key")
	if err != nil {
		return nil, nil, err
	}
	keys, err := program.NewLocalKeyring(master, rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	definition, err := kioskGrant()
	if err != nil {
		return nil, nil, err
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return nil, nil, err
	}
	store, err := sqlstore.Open(ctx, db, sqlstore.SQLite, nil)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	done := func() error { return errors.Join(store.Close(), db.Close()) }
	engine, err := program.NewEngine(definition, store, keys, program.Surroundings{Clock: time.Now, Random: rand.Reader}, nil)
	if err != nil {
		return nil, nil, errors.Join(err, done())
	}
	return engine, done, nil
}

// masterKey reads the key under which personal data is sealed, and makes it the first
// time. In production it comes from a key service.
func masterKey(path string) ([]byte, error) {
	key, err := os.ReadFile(path)
	if !errors.Is(err, os.ErrNotExist) {
		return key, err
	}
	key = make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	return key, os.WriteFile(path, key, 0o600)
}

// kiosk is one owner who asks to be registered.
func kiosk(name, nik, district string, turnover int64) program.Registration[Kiosk] {
	return program.Registration[Kiosk]{
		Person:  program.Person{Name: identity.NewName(name), National: identity.NewSecret(nik), Birth: calendar.Of(1985, time.May, 20)},
		Details: Kiosk{District: district, Turnover: turnover},
	}
}

// run is a first day of the program. Every command has a key: run it again, and nothing
// happens a second time.
func run(ctx context.Context, path string, out io.Writer) error {
	e, done, err := open(ctx, path)
	if err != nil {
		return err
	}
	return errors.Join(firstDay(ctx, e, out), done())
}

func firstDay(ctx context.Context, e *program.Engine[Kiosk], out io.Writer) error {
	by := func(actor, key string) program.By { return program.By{Actor: actor, Key: key} }
	if err := e.Fund(ctx, by("treasury", "fund"), payment.Rupiah(10_000_000)); err != nil {
		return err
	}
	// A wave without an end: people join all year.
	intake := program.WaveOrder{Number: 1, Opens: time.Date(2026, time.March, 1, 17, 0, 0, 0, time.UTC), Legal: calendar.Of(2026, time.March, 2), Plan: plan()}
	if err := e.PlanWave(ctx, by("planner", "plan"), intake); err != nil {
		return err
	}
	if err := e.OpenWave(ctx, by("planner", "open"), 1); err != nil {
		return err
	}
	owners := []program.Registration[Kiosk]{
		kiosk("Sari", "3171016005850001", "north", 8_000_000),
		kiosk("Joko", "3171012005850002", "north", 6_000_000),
		kiosk("Hadi", "3171012005850003", "south", 90_000_000),
		kiosk("Rina", "3171016005850004", "south", 0),
	}
	ids := make([]uuid.UUID, len(owners))
	for i, owner := range owners {
		var err error
		if ids[i], err = e.Register(ctx, by("counter", fmt.Sprint("register-", i)), owner); err != nil {
			return err
		}
		if _, err = e.Join(ctx, by("counter", fmt.Sprint("join-", i)), 1, ids[i]); err != nil {
			return err
		}
	}
	counts, err := e.CheckAll(ctx, by("policy", ""), "check 1", 1, "joined")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "checked: %d may wait for a seat, %d refused, %d not decided\n", counts["state.waiting"], counts["state.refused"], counts["stay.pending"])

	admitted, err := e.Admit(ctx, by("counter", "admit-1"), 1, 100)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "admitted: %d\n", len(admitted))

	err = e.Fire(ctx, by("visitor", ""), 1, ids[0], program.Report{Event: "visit", Amount: 1})
	var refused *program.RefusedError
	if errors.As(err, &refused) && refused.State == "admitted" {
		fmt.Fprintln(out, "the visit is refused:", refused.Reasons[0].Code)
	}
	if err := e.Fire(ctx, by("visitor", "visit-1"), 1, ids[0], program.Report{Event: "visit", Amount: 2}); err != nil {
		return err
	}
	for i, owner := range owners {
		a, err := e.Application(ctx, 1, ids[i])
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s: %s\n", owner.Person.Name.Reveal(), a.State)
	}
	breaches, err := e.Verify(ctx)
	if err == nil {
		fmt.Fprintf(out, "verified: %d breaches\n", len(breaches))
	}
	return err
}
