package payment

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/calendar"
)

// A benefit per head is one entitlement of the amount times the heads, up to its most;
// nobody gets anything for no head.
func TestPerHead(t *testing.T) {
	start := calendar.Of(2026, 3, 2)
	b := PerHead("wages", Rupiah(600_000), 2000)
	require.NoError(t, Benefits{b}.Validate(), "a firm has more than 1000 workers")
	for heads, want := range map[int]int64{1: 600_000, 7: 4_200_000, 2000: 1_200_000_000, 2001: 1_200_000_000} {
		due, err := b.Schedule(start, heads)
		require.NoError(t, err)
		require.Equal(t, []Due{{1, start, Rupiah(want)}}, due)
	}
	due, err := b.Schedule(start, 0)
	require.NoError(t, err)
	require.Empty(t, due)
	var schedule *ScheduleError
	_, err = b.Schedule(start, -1)
	require.ErrorAs(t, err, &schedule)
	require.Error(t, Benefits{PerHead("wages", Rupiah(1), 1_000_001)}.Validate())
	require.Error(t, Benefits{PerSurvey("survey", 1001, Rupiah(1))}.Validate(), "the others keep their bound")
}

// A term is unlocked by the report of its number, and by no other.
func TestPerTerm(t *testing.T) {
	b := PerTerm("stipend", 8, Rupiah(4_200_000))
	due, err := b.Schedule(calendar.Of(2026, 9, 1), 3)
	require.NoError(t, err)
	require.Equal(t, []Due{{3, calendar.Of(2026, 9, 1), Rupiah(4_200_000)}}, due)
	_, err = b.Schedule(calendar.Of(2026, 9, 1), 9)
	require.Error(t, err)
}
