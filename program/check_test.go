package program_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/memstore"
)

// A check has three ways out, and each case takes one: eligible, ineligible, or it
// stays pending. None of them is a refused event.
func TestACheckHasThreeWaysOut(t *testing.T) {
	s := newStory(memstore.New())
	s.until = 4
	require.NoError(t, s.run(t))
	ctx, e := t.Context(), s.engine(t)
	s.now = day(5)
	require.NoError(t, e.CloseWave(ctx, program.By{Actor: "planner", Key: "close"}, 1))
	counts, err := e.CheckAll(ctx, program.By{Actor: "policy"}, "screen", 1, "joined")
	require.NoError(t, err)
	ways := int64(0)
	for _, verdict := range []string{"eligible", "ineligible", "pending"} {
		n := int64(counts["verdict.screen."+verdict])
		require.Positive(t, n, "%s: %v", verdict, counts)
		ways += n
	}
	require.Equal(t, counts["verdict.screen.pending"], counts["stay.pending"])
	require.Positive(t, counts["missing.official.not-asked"], "%v", counts)
	for name, n := range counts {
		require.NotContains(t, name, "refused", "%s %d", name, n)
	}
	require.Equal(t, int64(counts["done"]), ways, "%v", counts)
}
