package program_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/quota"
)

// Seats that came back fill the guarantees that lack holders first and the rest in the
// order of rank, until no seat is left or nobody waits; nothing is left for a second
// call.
func TestRefill(t *testing.T) {
	plan := waitingPlan(60)
	plan.Pools = []quota.Pool{{ID: "all"}, {ID: "north", Parent: "all", Seats: 8, Reserves: []quota.Reserve{{Group: "g", Seats: 4, Kind: quota.Guarantee}}},
		{ID: "south", Parent: "all", Seats: 3, Reserves: []quota.Reserve{{Group: "g", Seats: 2, Kind: quota.SetAside, Unfilled: quota.Keep}}}}
	s, e := drawnStory(t, plan)
	ctx, by := t.Context(), program.By{Actor: "clerk", Key: "not used"}
	held := func() (g, others, southG int) {
		for _, a := range seats(t, e, 1) {
			if a.State != "accepted" {
				continue
			}
			member := slices.Contains(a.Placement.Groups, "g")
			switch {
			case a.Seat == "south/g":
				southG++
			case a.Placement.Pool == "north" && member:
				g++
			case a.Placement.Pool == "north":
				others++
			}
		}
		return
	}
	g, others, _ := held()
	require.Equal(t, 8, g+others)
	require.GreaterOrEqual(t, g, 4)
	s.now = s.now.AddDate(0, 0, 12) // all offers end
	_, err := e.Tick(ctx, program.By{Actor: "clock"}, "overdue", 1)
	require.NoError(t, err)
	promoted, err := e.Refill(ctx, by, 1)
	require.NoError(t, err)
	g, others, southG := held()
	require.Equal(t, 8, g+others, "every seat of the north is given")
	require.GreaterOrEqual(t, g, 4, "the guarantee is full again")
	require.Equal(t, 2, southG)
	require.Len(t, promoted, 11)
	again, err := e.Refill(ctx, by, 1)
	require.NoError(t, err)
	require.Empty(t, again)
	clean(t, e)
	var state *program.StateError
	require.NoError(t, e.PlanWave(ctx, program.By{Actor: "planner"}, program.WaveOrder{Number: 2, Opens: s.now, Closes: s.now.AddDate(0, 0, 1), Plan: plan}))
	_, err = e.Refill(ctx, by, 2)
	require.ErrorAs(t, err, &state)
}
