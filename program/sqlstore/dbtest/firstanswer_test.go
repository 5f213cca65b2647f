package dbtest_test

import (
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/memstore"
)

func yearInMemory(t *testing.T) *year {
	c := newClock()
	return &year{store: memstore.NewAt(c.now), clock: c, bank: &fileBank{path: filepath.Join(t.TempDir(), "bank")}, people: 24, chunk: 7, worker: "year"}
}

// A year that is run again from its beginning changes nothing, even where the people of
// its first commands are erased by then.
func TestAYearAgainChangesNothing(t *testing.T) {
	y := yearInMemory(t)
	require.NoError(t, y.run(t.Context()))
	require.NoError(t, y.verified(t.Context()))
	all, err := y.totals(t.Context())
	require.NoError(t, err)
	require.Positive(t, all["announce"]["state.accepted"])
	require.Positive(t, all["overdue"]["seat.returned"])
	require.Positive(t, all["statement 1"]["settled"])
	require.Positive(t, all["erase"]["erased"])
	before, err := y.store.Journal(t.Context(), 0, 10_000)
	require.NoError(t, err)
	require.NoError(t, y.run(t.Context()))
	after, err := y.store.Journal(t.Context(), 0, 10_000)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

// A command that is repeated under its key has its first answer, whatever happened since;
// where that would need the key of somebody who was erased it says so, with the applicant.
func TestTheFirstAnswerStays(t *testing.T) {
	y, ctx := yearInMemory(t), t.Context()
	e, err := y.engine()
	require.NoError(t, err)
	y.clock.set(yearDay(2))
	require.NoError(t, e.PlanWave(ctx, by("planner", ""), program.WaveOrder{Number: 1, Opens: yearDay(2), Closes: yearDay(5), Plan: yearPlan()}))
	require.NoError(t, e.OpenWave(ctx, by("planner", ""), 1))
	id, err := e.Register(ctx, by("desk", "register"), yearPerson(4))
	require.NoError(t, err)
	_, err = e.Join(ctx, by("desk", ""), 1, id)
	require.NoError(t, err)
	y.clock.set(yearDay(5))
	require.NoError(t, e.CloseWave(ctx, by("planner", ""), 1))
	_, err = e.CheckAll(ctx, by("policy", ""), "screen", 1, "joined")
	require.NoError(t, err)
	first, err := e.FileAppeal(ctx, by("desk", "appeal"), 1, id, "not so")
	require.NoError(t, err)
	require.NoError(t, e.DecideAppeal(ctx, by("judge", ""), 1, id, first, false, "so it is"))
	again := func() {
		n, err := e.FileAppeal(ctx, by("desk", "appeal"), 1, id, "not so")
		require.NoError(t, err)
		require.Equal(t, first, n)
		same, err := e.Register(ctx, by("desk", "register"), yearPerson(4))
		require.NoError(t, err)
		require.Equal(t, id, same)
	}
	again()
	y.clock.set(yearDay(800))
	require.NoError(t, e.Erase(ctx, by("officer", ""), id))
	var gone *program.ErasedError
	_, err = e.FileAppeal(ctx, by("desk", "appeal"), 1, id, "not so")
	require.ErrorAs(t, err, &gone, "nobody can tell any more what was said")
	_, err = e.Register(ctx, by("desk", "register"), yearPerson(4))
	require.ErrorAs(t, err, &gone)
	require.Equal(t, id, gone.Applicant)
	other, err := e.Register(ctx, by("desk", "another"), yearPerson(4))
	require.NoError(t, err)
	require.NotEqual(t, id, other)
	require.NotEqual(t, uuid.Nil, other)
}
