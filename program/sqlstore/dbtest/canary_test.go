package dbtest_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/program/sqlstore"
	"github.com/gelombang/gelombang/program/sqlstore/dbtest"
)

// A thousand planted people go through a program: nothing that identifies them is in the
// database's files, its write-ahead log, what the engine logs, its errors, or the journal.

// planted is one person, of whom every value is found nowhere else.
type planted struct{ name, national, family, phone, account, detail string }

func plant(i int) planted {
	r := rand.New(rand.NewPCG(11, uint64(i)))
	letters := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('a' + r.IntN(26))
		}
		return string(b)
	}
	digits := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('0' + r.IntN(10))
		}
		return string(b)
	}
	return planted{"Canary " + letters(12), digits(16), digits(16), "0812" + digits(10), digits(14), letters(14)}
}

func (p planted) secrets() []string {
	return []string{p.name[7:], p.national, p.family, p.phone, p.account, p.detail}
}

type canary struct {
	Village string `json:"village"`
}

func canaryProgram() *program.Program[canary] {
	facts := program.NewFacts[canary]()
	return &program.Program[canary]{
		ID: "canary", Facts: facts, Zone: "Asia/Jakarta",
		Policy: eligibility.Policy{Name: "canary", Rules: []eligibility.Rule{{
			Code: "adult", Require: facts.BirthDate.AgeAtLeast(18), At: []string{"screen"}, Basis: eligibility.WithoutArticle("adults")}}},
		Benefits: payment.Benefits{payment.Instalments("grant", 1, payment.Rupiah(500_000))},
		Lifecycle: program.Table{Name: "canary", Version: 1, Start: "joined",
			States: program.States{
				{State: "joined", Check: &program.Check{At: "screen", Eligible: "passed", Ineligible: "failed", Pending: lifecycle.Stay}},
				{State: "granted", Final: true, Payable: true}, {State: "objected"}, {State: "refused"}, {State: "closed", Final: true},
			},
			Moves: program.Moves{
				{On: "passed", From: []program.State{"joined"}, To: "granted", Do: []program.Effect{{Name: program.EffectEntitle, Arg: "grant"}}},
				{On: "failed", From: []program.State{"joined"}, To: "refused"},
				{On: "object", From: []program.State{"refused"}, To: "objected"},
				{On: "upheld", From: []program.State{"objected"}, To: "closed"},
				{On: "dismissed", From: []program.State{"objected"}, To: "closed"},
			}},
		Appeals: program.Appeals{Against: []program.State{"refused"}, Filed: "object", Upheld: "upheld", Dismissed: "dismissed",
			File: calendar.Term{Days: 9}, Decide: calendar.Term{Days: 9}},
		Retention: program.Retention{Years: 1},
		Payees:    program.Payees{PerAccount: 3, Accounts: 1}, // so that accounts are counted in SQL too
	}
}

func canaryRegistration(i int) program.Registration[canary] {
	p := plant(i)
	birth := calendar.Of(1990, time.January, 1)
	if i%4 == 3 {
		birth = calendar.Of(2015, time.January, 1)
	}
	return program.Registration[canary]{Details: canary{Village: p.detail}, Person: program.Person{Name: identity.NewName(p.name),
		National: identity.NewSecret(p.national), Family: identity.NewSecret(p.family), Phone: identity.NewSecret(p.phone), Birth: birth,
		Payout: program.Payout{Provider: "BANK", Account: identity.NewSecret(p.account), Holder: identity.NewName(p.name)}}}
}

type canaries struct{ n int }

func (c canaries) Next(_ context.Context, done int64, limit int) ([]program.Registration[canary], error) {
	var some []program.Registration[canary]
	for i := int(done); i < c.n && len(some) < limit; i++ {
		some = append(some, canaryRegistration(i))
	}
	return some, nil
}

const canariesPlanted = 1000

// live carries the planted people through a program, and writes what it hears to log.
func live(t *testing.T, store program.Store, log io.Writer) {
	t.Helper()
	ctx, now := t.Context(), journalDay
	keys, err := program.NewLocalKeyring(bytes.Repeat([]byte{9}, 32), rand.NewChaCha8([32]byte{1}))
	require.NoError(t, err)
	e, err := program.NewEngine(canaryProgram(), store, keys, program.Surroundings{Clock: func() time.Time { return now }, Random: rand.NewChaCha8([32]byte{2})},
		&program.Options{Chunk: 100, Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	require.NoError(t, err)
	by := program.By{Actor: "officer"}
	require.NoError(t, e.Fund(ctx, by, payment.Rupiah(1_000_000_000)))
	require.NoError(t, e.PlanWave(ctx, by, program.WaveOrder{Number: 1, Opens: now, Legal: calendar.Of(2020, time.August, 8)}))
	require.NoError(t, e.OpenWave(ctx, by, 1))
	_, err = e.RegisterAll(ctx, by, "register", canaries{canariesPlanted})
	require.NoError(t, err)
	_, err = e.Register(ctx, program.By{Actor: "officer", Key: "again"}, canaryRegistration(1))
	require.Error(t, err)
	fmt.Fprintf(log, "%v %+v %#v\n", err, err, err)
	_, err = e.JoinAll(ctx, by, "join", 1, nil)
	require.NoError(t, err)
	_, err = e.CheckAll(ctx, by, "screen", 1, "joined")
	require.NoError(t, err)
	var refused, granted []uuid.UUID
	require.NoError(t, e.Cases(ctx, 1, []program.State{"refused", "granted"}, true, func(c *program.Case[canary]) error {
		fmt.Fprintf(log, "%v %+v %#v\n", c, *c, c.Applicant)
		slog.New(slog.NewJSONHandler(log, nil)).Info("case", "case", c, "person", c.Applicant.Person, "registration", canaryRegistration(0))
		if c.Application.State == "refused" {
			refused = append(refused, c.Application.Applicant)
		} else {
			granted = append(granted, c.Application.Applicant)
		}
		return nil
	}))
	_, err = e.FileAppeal(ctx, by, 1, refused[0], "says "+plant(3).detail)
	require.NoError(t, err)
	require.NoError(t, e.Amend(ctx, by, granted[0], program.Correction[canary]{Reason: "as on the card",
		Correct: func(p *program.Person, d *canary) { d.Village = plant(5).detail }}))
	_, err = e.PrepareBatch(ctx, by, program.BatchOrder{Number: 1, Wave: 1, Benefit: "grant", Instalment: 1})
	require.NoError(t, err)
	_, err = e.OwnFile(ctx, by, granted[1], "id")
	require.NoError(t, err)
	entries, err := store.Journal(ctx, 0, 100_000)
	require.NoError(t, err)
	for _, entry := range entries {
		fmt.Fprintf(log, "%s %s %s\n", entry.Actor, entry.Kind, entry.Data)
		event, err := program.CloudEvent("urn:gelombang:canary", "id.go.canary", entry)
		require.NoError(t, err)
		log.Write(event)
	}
}

// plantedIn searches files, and says how many of the planted values each has.
func plantedIn(t *testing.T, files map[string][]byte) map[string]int {
	t.Helper()
	// All windows of the lengths that are planted are looked up in one set.
	secrets := map[string]bool{}
	lengths := map[int]bool{}
	for i := range canariesPlanted {
		for _, s := range plant(i).secrets() {
			secrets[s], lengths[len(s)] = true, true
			bare := hex.EncodeToString([]byte(s))
			secrets[bare], lengths[len(bare)] = true, true
		}
	}
	hits := map[string]int{}
	for name, data := range files {
		text := string(data)
		for n := range lengths {
			for i := 0; i+n <= len(text); i++ {
				if secrets[text[i:i+n]] {
					hits[name]++
				}
			}
		}
	}
	return hits
}

func filesUnder(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	require.NoError(t, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		all[path] = data
		return err
	}))
	return all
}

func TestNoPlantedPersonIsFoundInSQLite(t *testing.T) {
	folder := t.TempDir()
	db, err := sql.Open("sqlite", filepath.Join(folder, "canary.db"))
	require.NoError(t, err)
	store, err := sqlstore.Open(t.Context(), db, sqlstore.SQLite, &sqlstore.Options{Clock: onJournalDay})
	require.NoError(t, err)
	var log bytes.Buffer
	live(t, store, &log)
	files := filesUnder(t, folder) // with the write-ahead log, before it is emptied
	var names []string
	for name := range files {
		names = append(names, filepath.Base(name))
	}
	require.Contains(t, names, "canary.db-wal")
	files["log"] = log.Bytes()
	require.Empty(t, plantedIn(t, files))
	require.NoError(t, store.Close())
	require.NoError(t, db.Close())
	require.Empty(t, plantedIn(t, filesUnder(t, folder)))

	// Control: what is written in the clear is found, in a file of the same kind.
	plain, err := sql.Open("sqlite", filepath.Join(folder, "plain.db"))
	require.NoError(t, err)
	_, err = plain.Exec("CREATE TABLE people (name TEXT, national BLOB)")
	require.NoError(t, err)
	_, err = plain.Exec("INSERT INTO people VALUES (?, ?)", plant(7).name, []byte(plant(7).national))
	require.NoError(t, err)
	require.NoError(t, plain.Close())
	require.Equal(t, map[string]int{filepath.Join(folder, "plain.db"): 2}, plantedIn(t, filesUnder(t, folder)))
}

func TestNoPlantedPersonIsFoundInPostgreSQL(t *testing.T) {
	store, db := dbtest.OpenPostgreSQL(t, postgres(t), onJournalDay)
	var log bytes.Buffer
	live(t, store, &log)
	all := map[string][]byte{"log": log.Bytes()}
	rows, err := db.Query("SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()")
	require.NoError(t, err)
	var tables []string
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		tables = append(tables, name)
	}
	require.NoError(t, rows.Err())
	require.Greater(t, len(tables), 10)
	dump := func(table string) []byte {
		var text strings.Builder
		rows, err := db.Query("SELECT t::text FROM " + table + " AS t")
		require.NoError(t, err)
		defer rows.Close()
		for rows.Next() {
			var line string
			require.NoError(t, rows.Scan(&line))
			text.WriteString(line + "\n")
		}
		require.NoError(t, rows.Err())
		return []byte(text.String())
	}
	for _, table := range tables {
		all[table] = dump(table)
	}
	require.Empty(t, plantedIn(t, all))
	// Control: a byte column shows as hexadecimal digits, and is searched so.
	_, err = db.Exec("CREATE TABLE plain (name TEXT, national BYTEA)")
	require.NoError(t, err)
	_, err = db.Exec("INSERT INTO plain VALUES ($1, $2)", plant(7).name, []byte(plant(7).national))
	require.NoError(t, err)
	require.Equal(t, map[string]int{"plain": 2}, plantedIn(t, map[string][]byte{"plain": dump("plain")}))
}
