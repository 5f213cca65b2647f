package main

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
)

// The whole story comes out figure by figure: who is ranked, offered, promoted, paid,
// suspended and returned; the guarantees hold after every refill.
func TestStory(t *testing.T) {
	var out bytes.Buffer
	s, err := tell(t.Context(), filepath.Join(t.TempDir(), "program.db"), &out)
	require.NoError(t, err, out.String())
	for job, want := range map[string]program.Counts{
		"screen":         {"state.ranked": 208, "state.refused": 30, "stay.pending": 2, "failed.age": 1, "failed.score": 28, "failed.income": 1},
		"announce":       {"state.offered": 60, "draw.drawn-guarantee": 19, "state.waiting": 148},
		"accept 1":       {"state.studying": 42, "refused.no-account": 6},
		"lapse 1":        {"state.lapsed": 18},
		"accept 2":       {"state.studying": 12, "refused.no-account": 2},
		"lapse 2":        {"state.lapsed": 6},
		"accept 3":       {"state.studying": 6},
		"lapse 3":        {"state.lapsed": 0},
		"grades 2":       {"state.studying": 53, "state.suspended": 6, "state.ended": 0},
		"grades again 2": {"state.studying": 1, "refused.not-the-next-term": 59},
		"grades 3":       {"state.studying": 56, "state.ended": 4},
		"pay 4":          {"payments": 55, "state.ended": 1},
		"grades 5":       {"state.studying": 51, "state.suspended": 4},
		"graduate":       {"state.graduated": 55},
	} {
		for kind, n := range want {
			require.Equal(t, n, s.counts[job][kind], "%s: %s\n%s", job, kind, out.String())
		}
	}
	var stipends int64
	for _, n := range []int64{60, 60, 54, 55, 55, 51, 55, 55} {
		stipends += n
	}
	require.Equal(t, payment.Rupiah(4_200_000*stipends).Units, s.counts["books"]["paid/stipend"])
	for _, when := range []string{"offered", "accepted"} {
		require.Equal(t, map[string]int{"all": 60, "frontier": 15, "g2": 4}, s.groups[when])
	}
	require.Contains(t, out.String(), "Checked: seats, limits, journal and money add up.")
}
