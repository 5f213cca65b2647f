package payment

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/calendar"
)

// What is given to a bank after its cut-off, or on a day on which it rests, is executed
// on its next business day.
func TestCutOff(t *testing.T) {
	zone, err := calendar.Zone("Asia/Jakarta")
	require.NoError(t, err)
	// 1 June 2021 (Tuesday) was a public holiday.
	c := CutOff{Hour: 15, Minute: 30, Zone: zone, Holidays: calendar.NewHolidays(calendar.Of(2021, time.June, 1))}
	for at, want := range map[string]string{
		"2021-05-28T15:29:59+07:00": "2021-05-28", // Friday, in time
		"2021-05-28T15:30:00+07:00": "2021-05-31", // over the weekend
		"2021-05-29T09:00:00+07:00": "2021-05-31", // Saturday
		"2021-05-31T16:00:00+07:00": "2021-06-02", // over the holiday
		"2021-06-01T09:00:00+07:00": "2021-06-02",
		"2021-06-02T22:00:00Z":      "2021-06-03", // 05:00 of the next day in Jakarta
	} {
		instant, err := time.Parse(time.RFC3339, at)
		require.NoError(t, err)
		require.Equal(t, want, c.Execution(instant).String(), at)
	}
	every := make([]calendar.Date, 0, 800)
	for d := calendar.Of(2021, time.January, 1); len(every) < 800; d = d.AddDays(1) {
		every = append(every, d)
	}
	c.Holidays = calendar.NewHolidays(every...)
	require.True(t, c.Execution(time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)).Valid(), "it ends on any calendar")
}
