package main

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
)

// The whole story comes out figure by figure, in the order of nomination.
func TestStory(t *testing.T) {
	var out bytes.Buffer
	s, err := tell(t.Context(), filepath.Join(t.TempDir(), "program.db"), &out)
	require.NoError(t, err, out.String())
	for job, want := range map[string]program.Counts{
		"check":        {"state.waiting": 10, "state.refused": 1, "stay.pending": 1, "failed.active": 1, "missing.nominated.not-asked": 1},
		"not enrolled": {"state.lapsed": 1, "seat.returned": 1},
		"not finished": {"state.dropped": 1, "seat.returned": 1},
	} {
		for kind, n := range want {
			require.Equal(t, n, s.counts[job][kind], "%s: %s\n%s", job, kind, out.String())
		}
	}
	require.Equal(t, map[string]int{"Ani": 20, "Cici": 20, "Dodi": 20, "Hana": 20, "Imam": 20}, s.hours)
	for _, line := range []string{
		"Dodi has a seat: health/group-2.", "Waiting: Cici, Eka, Gani, Joko.", "Cici has a seat: health/open.",
		"Gani has a seat: religion/open.", "Waiting: Eka, Joko.", "Checked: seats, limits, journal and money add up.",
	} {
		require.Contains(t, out.String(), line)
	}
}
