package dbtest_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/quota"
)

// Whoever was drawn, but whose household won an appeal between the freezing of the roll and
// the announcement, waits beside the seat; once the household is free again the seat is
// theirs. (The model found that nobody could ever have it.)
func TestADrawnSeatWaitsForItsHousehold(t *testing.T) {
	y, ctx := yearInMemory(t), t.Context()
	e, err := y.engine()
	require.NoError(t, err)
	plan := &quota.Plan{Name: "seats", Ticket: quota.PerPerson, Tiers: 1, HouseholdCap: 1, Waiting: 20, Pools: []quota.Pool{{ID: "north", Seats: 4}, {ID: "south", Seats: 4}}}
	y.clock.set(yearDay(2))
	require.NoError(t, e.PlanWave(ctx, by("planner", ""), program.WaveOrder{Number: 1, Opens: yearDay(2), Closes: yearDay(5), Plan: plan, AppealSeats: 1}))
	require.NoError(t, e.Fund(ctx, by("treasury", ""), payment.Rupiah(1_000_000)))
	require.NoError(t, e.OpenWave(ctx, by("planner", ""), 1))
	enrol := func(n int) uuid.UUID {
		id, err := e.Register(ctx, by("desk", ""), yearPerson(n))
		require.NoError(t, err)
		_, err = e.Join(ctx, by("desk", ""), 1, id)
		require.NoError(t, err)
		return id
	}
	drawn, refused := enrol(3), enrol(4) // of one household
	y.clock.set(yearDay(5))
	require.NoError(t, e.CloseWave(ctx, by("planner", ""), 1))
	_, err = e.CheckAll(ctx, by("policy", ""), "screen", 1, "joined")
	require.NoError(t, err)
	require.NoError(t, e.Freeze(ctx, by("planner", ""), 1, program.FreezeOrder{Number: 1, Source: quota.Source{Beacon: &quota.Beacon{Name: "test", Chain: "test", Round: 7}}}))
	n, err := e.FileAppeal(ctx, by("desk", ""), 1, refused, "not so")
	require.NoError(t, err)
	require.NoError(t, e.DecideAppeal(ctx, by("judge", ""), 1, refused, n, true, "so it is"))
	w, err := e.Wave(ctx, 1)
	require.NoError(t, err)
	digest, err := w.Manifest().Digest()
	require.NoError(t, err)
	require.NoError(t, e.Draw(ctx, by("planner", ""), 1, program.DrawOrder{Seed: &quota.Seed{Manifest: digest, Beacon: strings.Repeat("5a", 32)}}))
	_, err = e.Announce(ctx, by("planner", ""), "announce", 1)
	require.NoError(t, err)
	state := func(id uuid.UUID) program.State {
		a, err := e.Application(ctx, 1, id)
		require.NoError(t, err)
		return a.State
	}
	require.Equal(t, program.State("waiting"), state(drawn))
	promote := func() []uuid.UUID {
		given, err := e.Promote(ctx, by("planner", ""), 1, program.PromoteOrder{Pool: yearPerson(3).Details.Pool, Seats: 1})
		require.NoError(t, err)
		return given
	}
	require.Empty(t, promote(), "the household has its seat")
	require.NoError(t, e.Fire(ctx, by("desk", ""), 1, refused, program.Report{Event: "leave"}))
	require.Equal(t, []uuid.UUID{drawn}, promote())
	require.Equal(t, program.State("accepted"), state(drawn))
	breaches, err := e.Verify(ctx)
	require.NoError(t, err)
	require.Empty(t, breaches)
}
