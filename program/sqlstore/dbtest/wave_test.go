package dbtest_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/program/sqlstore"
	"github.com/gelombang/gelombang/program/sqlstore/dbtest"
	"github.com/gelombang/gelombang/quota"
)

// This file measures a whole wave on PostgreSQL with four worker processes, from joining to
// entitlements. WAVE_PEOPLE says how many people there are: a million unless it is set.

const (
	wavePools   = 500
	waveWorkers = 4
)

// waveProgram: join, be screened, be drawn, be entitled.
func waveProgram() *program.Program[canary] {
	facts := program.NewFacts[canary]()
	seat := program.Holds{program.Seat}
	in := func(s ...program.State) []program.State { return s }
	return &program.Program[canary]{
		ID: "wave", Facts: facts, Zone: "Asia/Jakarta",
		Policy: eligibility.Policy{Name: "wave", Rules: []eligibility.Rule{{
			Code: "adult", Require: facts.BirthDate.AgeAtLeast(18), At: []string{"screen"}, Basis: eligibility.WithoutArticle("adults")}}},
		Place: func(c *program.Case[canary]) program.Placement {
			national := c.Applicant.Person.National.Reveal()
			n, _ := strconv.Atoi(national[len(national)-9:])
			return program.Placement{Pool: fmt.Sprint("pool-", n%wavePools)}
		},
		Limits:   []program.Limit{{Name: "once", Per: program.PerPerson, Max: 1, Ever: true}, {Name: "household", Per: program.PerHousehold, Max: 2}},
		Benefits: payment.Benefits{payment.Instalments("grant", 1, payment.Rupiah(600_000))},
		Lifecycle: program.Table{Name: "wave", Version: 1, Start: "joined",
			States: program.States{
				{State: "joined", Check: &program.Check{At: "screen", Eligible: "passed", Ineligible: "failed", Pending: lifecycle.Stay}},
				{State: "in_roll"}, {State: "out", Final: true},
				{State: "accepted", Holds: seat, Payable: true}, {State: "done", Holds: seat, Keeps: true, Final: true},
			},
			Moves: program.Moves{
				{On: "passed", From: in("joined"), To: "in_roll"},
				{On: "failed", From: in("joined"), To: "out"},
				{On: program.Drawn, From: in("in_roll"), To: "accepted", Do: []program.Effect{
					{Name: program.EffectConfirmSeat}, {Name: program.EffectEntitle, Arg: "grant"}, {Name: program.EffectNotify, Arg: "accepted"}}},
				{On: program.NotSelected, From: in("in_roll"), To: "out", Do: []program.Effect{{Name: program.EffectNotify, Arg: "not-drawn"}}},
				{On: "finish", From: in("accepted"), To: "done"},
			}},
	}
}

func waveEngine(store program.Store) (*program.Engine[canary], error) {
	keys, err := program.NewLocalKeyring(bytes.Repeat([]byte{9}, 32), rand.Reader)
	if err != nil {
		return nil, err
	}
	return program.NewEngine(waveProgram(), store, keys, program.Surroundings{Clock: time.Now, Random: rand.Reader}, &program.Options{Chunk: 5000})
}

// workOrder is what a worker process is told to work on.
type workOrder struct{ Source, Job string }

// runWorker works on one job to its end.
func runWorker(order string) error {
	var o workOrder
	if err := json.Unmarshal([]byte(order), &o); err != nil {
		return err
	}
	db, err := sql.Open("pgx", o.Source)
	if err != nil {
		return err
	}
	defer db.Close()
	store, err := sqlstore.Open(context.Background(), db, sqlstore.PostgreSQL, nil)
	if err != nil {
		return err
	}
	defer store.Close()
	e, err := waveEngine(store)
	if err != nil {
		return err
	}
	ctx, by := context.Background(), program.By{Actor: "worker"}
	switch o.Job {
	case "join":
		_, err = e.JoinAll(ctx, by, o.Job, 1, nil)
	case "screen":
		_, err = e.CheckAll(ctx, by, o.Job, 1, "joined")
	case "announce":
		_, err = e.Announce(ctx, by, o.Job, 1)
		if state, is := err.(*program.StateError); is && state.State == string(program.WaveAnnounced) {
			err = nil // another worker was first
		}
	}
	return err
}

// allWork lets four processes work on a job.
func allWork(b *testing.B, source, job string) {
	b.Helper()
	order, err := json.Marshal(workOrder{source, job})
	require.NoError(b, err)
	var wg sync.WaitGroup
	began := time.Now()
	for range waveWorkers {
		wg.Go(func() {
			worker := exec.Command(os.Args[0])
			worker.Env = append(os.Environ(), "GELOMBANG_WORKER="+string(order))
			var said bytes.Buffer
			worker.Stdout, worker.Stderr = &said, &said
			if err := worker.Run(); err != nil {
				b.Errorf("%s: %v: %s", job, err, said.String())
			}
		})
	}
	wg.Wait()
	b.Logf("%-10s %6.1f s", job, time.Since(began).Seconds())
}

func BenchmarkWave1M(b *testing.B) {
	people := 1_000_000
	if n, err := strconv.Atoi(os.Getenv("WAVE_PEOPLE")); err == nil {
		people = n
	}
	source := postgres(b)
	for range b.N {
		b.StopTimer()
		store, db := dbtest.OpenPostgreSQL(b, source, nil)
		var schema string
		require.NoError(b, db.QueryRow("SELECT current_schema()").Scan(&schema))
		mine := source + map[bool]string{true: "&", false: "?"}[strings.Contains(source, "?")] + "search_path=" + schema
		e, err := waveEngine(store)
		require.NoError(b, err)
		ctx, by := b.Context(), program.By{Actor: "desk"}
		plan := &quota.Plan{Name: "wave", Ticket: quota.PerPerson, Tiers: 1, HouseholdCap: 2}
		for i := range wavePools {
			plan.Pools = append(plan.Pools, quota.Pool{ID: fmt.Sprint("pool-", i), Seats: int64(people * 4 / 10 / wavePools)})
		}
		now := time.Now()
		require.NoError(b, e.Fund(ctx, by, payment.Rupiah(int64(people)*600_000)))
		require.NoError(b, e.PlanWave(ctx, by, program.WaveOrder{Number: 1, Opens: now.Add(-time.Hour), Closes: now.Add(24 * time.Hour), Legal: calendar.Of(2026, time.January, 1), Plan: plan}))
		require.NoError(b, e.OpenWave(ctx, by, 1))
		_, err = e.RegisterAll(ctx, by, "register", crowd{people})
		require.NoError(b, err)
		b.StartTimer()

		allWork(b, mine, "join")
		require.NoError(b, e.CloseWave(ctx, by, 1))
		allWork(b, mine, "screen")
		began := time.Now()
		require.NoError(b, e.Freeze(ctx, by, 1, program.FreezeOrder{Number: 1, Source: quota.Source{Beacon: &quota.Beacon{Name: "test", Chain: "test", Round: 7}}}))
		w, err := e.Wave(ctx, 1)
		require.NoError(b, err)
		digest, err := w.Manifest().Digest()
		require.NoError(b, err)
		require.NoError(b, e.Draw(ctx, by, 1, program.DrawOrder{Seed: &quota.Seed{Manifest: digest, Beacon: strings.Repeat("5a", 32)}}))
		b.Logf("%-10s %6.1f s", "draw", time.Since(began).Seconds())
		allWork(b, mine, "announce")

		b.StopTimer()
		counts, finished, err := e.JobStatus(ctx, "announce")
		require.NoError(b, err)
		require.True(b, finished)
		require.Equal(b, int64(people), counts["state.accepted"]+counts["state.out"])
		require.Equal(b, counts["state.accepted"], counts["entitled.grant"])
		require.Positive(b, counts["state.accepted"])
		breaches, err := e.Verify(ctx)
		require.NoError(b, err)
		require.Empty(b, breaches)
		b.StartTimer()
	}
	b.ReportMetric(float64(people)*float64(b.N)/b.Elapsed().Seconds(), "people/s")
}
