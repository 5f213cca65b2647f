package formats

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/program/sqlstore"
	"github.com/gelombang/gelombang/quota"
)

var write = flag.String("write", "", "write the files of today into this folder of testdata, such as v1.0.0")

// Details are the agency's own; a later one has a field more (see TestDetailsGrow).
type Details struct {
	Pool string `json:"pool"`
}

var began = time.Date(2026, time.March, 2, 3, 0, 0, 0, time.UTC)

// definition never changes: it is what the files were written by.
func definition[T any](pool func(*T) string) (*program.Program[T], error) {
	from := func(s ...program.State) []program.State { return s }
	seat := program.Holds{program.Seat}
	f := program.NewFacts[T]()
	policy, err := f.Load([]byte(`{"name":"formats","rules":[{"code":"adult","require":{"fact":"birth-date","age_at_least":18},"basis":{"policy":"x"},"at":["screen"]}],"cases":[
		{"rule":"adult","at":"screen","as_of":"2026-01-01","facts":{"birth-date":"2000-01-01"},"want":"pass"},
		{"rule":"adult","at":"screen","as_of":"2026-01-01","facts":{"birth-date":"2020-01-01"},"want":"fail"},
		{"rule":"adult","at":"screen","as_of":"2026-01-01","facts":{},"want":"unknown"}]}`))
	return &program.Program[T]{
		ID: "formats", Facts: f, Policy: policy, Zone: "Asia/Jakarta",
		Place:    func(c *program.Case[T]) program.Placement { return program.Placement{Pool: pool(&c.Applicant.Details)} },
		Limits:   []program.Limit{{Name: "once", Per: program.PerPerson, Max: 1}},
		Benefits: payment.Benefits{payment.Instalments("grant", 1, payment.Rupiah(500_000))},
		Lifecycle: program.Table{
			Name: "formats", Version: 1, Start: "joined",
			States: program.States{
				{State: "joined", Check: &program.Check{At: "screen", Eligible: "passed", Ineligible: "failed", Pending: lifecycle.Stay}},
				{State: "roll"}, {State: "out", Final: true}, {State: "in", Holds: seat, Final: true, Keeps: true, Payable: true},
			},
			Moves: program.Moves{
				{On: "passed", From: from("joined"), To: "roll"}, {On: "failed", From: from("joined"), To: "out"},
				{On: program.Drawn, From: from("roll"), To: "in", Do: []program.Effect{{Name: program.EffectEntitle, Arg: "grant"}}},
				{On: program.NotSelected, From: from("roll"), To: "out"},
			},
		},
	}, err
}

func details(d *Details) string { return d.Pool }

// open opens the database of a folder with the key that all of them have.
func open[T any](t *testing.T, path string, clock func() time.Time, pool func(*T) string) (*program.Engine[T], program.Store, func()) {
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	store, err := sqlstore.Open(t.Context(), db, sqlstore.SQLite, &sqlstore.Options{Clock: clock})
	require.NoError(t, err)
	keys, err := program.NewLocalKeyring(bytes.Repeat([]byte{7}, 32), rand.Reader)
	require.NoError(t, err)
	p, err := definition(pool)
	require.NoError(t, err)
	e, err := program.NewEngine(p, store, keys, program.Surroundings{Clock: clock, Random: rand.Reader}, nil)
	require.NoError(t, err)
	return e, store, func() { require.NoError(t, errors.Join(store.Close(), db.Close())) }
}

// makeFiles runs a small wave and writes every format into a folder.
func makeFiles(t *testing.T, folder string) {
	ctx, by, now := t.Context(), program.By{Actor: "officer"}, began
	e, store, done := open(t, filepath.Join(folder, "program.db"), func() time.Time { return now }, details)
	defer done()
	plan := &quota.Plan{Name: "formats", Ticket: quota.PerPerson, Tiers: 1, Waiting: 2, Groups: []quota.Group{}, Pools: []quota.Pool{{ID: "north", Seats: 3}, {ID: "south", Seats: 2}}}
	require.NoError(t, e.Fund(ctx, by, payment.Rupiah(10_000_000)))
	require.NoError(t, e.PlanWave(ctx, by, program.WaveOrder{Number: 1, Opens: now, Closes: now.Add(time.Hour), Plan: plan}))
	require.NoError(t, e.OpenWave(ctx, by, 1))
	var people program.Registrations[Details]
	for i := range 12 {
		birth := calendar.Of(1990, 1, 1+i)
		if i == 11 {
			birth = calendar.Of(2015, 1, 1+i)
		}
		people = append(people, program.Registration[Details]{Details: Details{Pool: []string{"north", "south"}[i%2]},
			Person: program.Person{Name: identity.NewName(fmt.Sprint("Orang ", i)), National: identity.NewSecret(fmt.Sprintf("31710101019000%02d", i)), Birth: birth}})
	}
	_, err := e.RegisterAll(ctx, by, "register", people)
	require.NoError(t, err)
	_, err = e.JoinAll(ctx, by, "join", 1, nil)
	require.NoError(t, err)
	now = now.Add(time.Hour)
	require.NoError(t, e.CloseWave(ctx, by, 1))
	_, err = e.CheckAll(ctx, by, "screen", 1, "joined")
	require.NoError(t, err)
	now = now.Add(time.Hour)
	require.NoError(t, e.Freeze(ctx, by, 1, program.FreezeOrder{Number: 1, Source: quota.Source{Witnessed: []quota.Drawer{{Name: "dice", Count: 60, Low: 0, High: 9, Ordered: true, Bits: 190}}}}))
	w, err := e.Wave(ctx, 1)
	require.NoError(t, err)
	digest, err := w.Manifest().Digest()
	require.NoError(t, err)
	read := make([]uint32, 60)
	for i := range read {
		read[i] = uint32(sha256.Sum256([]byte{byte(i)})[0]) % 10
	}
	require.NoError(t, e.Draw(ctx, by, 1, program.DrawOrder{Seed: &quota.Seed{Manifest: digest, Witnessed: []quota.Reading{{Numbers: read, Witnesses: []string{"a", "b"}}}}}))
	_, err = e.Announce(ctx, by, "announce", 1)
	require.NoError(t, err)

	create := func(name string) (io.WriteCloser, error) { return os.Create(filepath.Join(folder, name)) }
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "draw"), 0o755))
	require.NoError(t, e.WriteProof(ctx, 1, func(name string) (io.WriteCloser, error) { return create(filepath.Join("draw", name)) }))
	p, err := definition(details)
	require.NoError(t, err)
	put := func(name string, data []byte, err error) {
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), data, 0o644))
	}
	table, err := json.MarshalIndent(p.Lifecycle, "", "  ")
	put("lifecycle.json", table, err)
	policy, err := json.Marshal(p.Policy)
	put("policy.json", policy, err)
	encoded, err := plan.Encode()
	put("plan.json", encoded, err)
	entries, err := store.Journal(ctx, 0, 1000)
	require.NoError(t, err)
	var journal bytes.Buffer
	for _, entry := range entries {
		line, err := json.Marshal(entry)
		require.NoError(t, err)
		journal.Write(append(line, '\n'))
	}
	put("journal.jsonl", journal.Bytes(), nil)
}

// readFiles reads all that a folder has, with the library of today.
func readFiles(t *testing.T, folder string) {
	get := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		return data
	}
	require.NoError(t, quota.VerifyProof(os.DirFS(filepath.Join(folder, "draw"))))
	_, err := quota.ParsePlan(get("plan.json"))
	require.NoError(t, err)
	policy, err := eligibility.ParsePolicy(get("policy.json"))
	require.NoError(t, err)
	require.Equal(t, "adult", policy.Rules[0].Code)
	var table program.Table
	require.NoError(t, json.Unmarshal(get("lifecycle.json"), &table))
	p, err := definition(details)
	require.NoError(t, err)
	require.Equal(t, p.Lifecycle.Moves[0].On, table.Moves[0].On)
	_, err = lifecycle.Compile(table, map[string]lifecycle.Guard[any]{}, lifecycle.CompileOptions{})
	require.NoError(t, err)
	n := int64(0)
	for lines := bufio.NewScanner(bytes.NewReader(get("journal.jsonl"))); lines.Scan(); {
		var entry program.Entry
		require.NoError(t, json.Unmarshal(lines.Bytes(), &entry))
		n++
		require.Equal(t, n, entry.Seq)
		require.NotEmpty(t, entry.Kind)
	}
	require.NotZero(t, n)

	// The database is read in a copy: opening it may bring it up to date.
	path := filepath.Join(t.TempDir(), "program.db")
	require.NoError(t, os.WriteFile(path, get("program.db"), 0o600))
	e, _, done := open(t, path, func() time.Time { return began.AddDate(0, 0, 1) }, details)
	defer done()
	breaches, err := e.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, breaches)
	seats := 0
	require.NoError(t, e.Cases(t.Context(), 1, nil, true, func(c *program.Case[Details]) error {
		require.Equal(t, c.Applicant.Details.Pool, []string{"north", "south"}[c.Applicant.Person.Birth.Day%2^1])
		if c.Application.SeatState == "held" {
			seats++
		}
		return nil
	}))
	require.Equal(t, 5, seats)
}

// What the library writes today it reads today: the reader of old files is right.
func TestTodaysFiles(t *testing.T) {
	folder := t.TempDir()
	makeFiles(t, folder)
	readFiles(t, folder)
	// A control that must fail: a seed of which one number is another.
	seed := filepath.Join(folder, "draw", "seed.json")
	data, err := os.ReadFile(seed)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(seed, bytes.Replace(data, []byte("0,"), []byte("1,"), 1), 0o600))
	require.Error(t, quota.VerifyProof(os.DirFS(filepath.Join(folder, "draw"))))
}

// The files of every release are read for ever. A folder of testdata is written once, when
// its release is made, and never again: go test ./examples/formats -write v1.0.0
func TestFilesOfEveryRelease(t *testing.T) {
	if *write != "" {
		folder := filepath.Join("testdata", *write)
		_, err := os.Stat(folder)
		require.ErrorIs(t, err, fs.ErrNotExist, "the files of a release are never written again")
		require.NoError(t, os.MkdirAll(folder, 0o755))
		makeFiles(t, folder)
	}
	folders, err := filepath.Glob("testdata/*")
	require.NoError(t, err)
	for _, folder := range folders {
		t.Run(filepath.Base(folder), func(t *testing.T) { readFiles(t, folder) })
	}
	if len(folders) == 0 {
		t.Log("there is no release yet")
	}
}

// Grown is Details with a field more: what was sealed before has its zero value.
type Grown struct {
	Pool  string `json:"pool"`
	Phone bool   `json:"phone"`
}

// An agency's details type may grow by a field: what was stored before is read.
func TestDetailsGrow(t *testing.T) {
	folder := t.TempDir()
	makeFiles(t, folder)
	path := filepath.Join(t.TempDir(), "program.db")
	data, err := os.ReadFile(filepath.Join(folder, "program.db"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, data, 0o600))
	e, _, done := open(t, path, func() time.Time { return began.AddDate(0, 0, 1) }, func(d *Grown) string { return d.Pool })
	defer done()
	n := 0
	require.NoError(t, e.Cases(t.Context(), 1, nil, true, func(c *program.Case[Grown]) error {
		require.NotEmpty(t, c.Applicant.Details.Pool)
		require.False(t, c.Applicant.Details.Phone)
		n++
		return nil
	}))
	require.Equal(t, 12, n)
}
