package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/calendar"
)

// The two schemes amount to what was announced, on every day of their periods, and a day
// after the last nothing is promised.
func TestSchemes(t *testing.T) {
	all := benefits()
	require.NoError(t, all.Validate())
	for day, want := range map[calendar.Date]string{
		calendar.Of(2020, time.August, 11): "Rp3.550.000", normalMode.AddDays(-1): "Rp3.550.000",
		normalMode: "Rp4.200.000", calendar.Of(2024, time.December, 31): "Rp4.200.000",
	} {
		scheme := all.On(day)
		require.Len(t, scheme, 3)
		total, err := scheme.Total()
		require.NoError(t, err)
		require.Equal(t, want, total.String(), day)
		for _, b := range scheme {
			require.NotEmpty(t, b.Basis)
		}
	}
	require.Empty(t, all.On(calendar.Of(2025, time.January, 1)))
}

// An order that is written after the bank's cut-off, or on a day on which it rests, asks for
// its next business day.
func TestTheDayThatTheBankIsAskedFor(t *testing.T) {
	for at, want := range map[string]string{
		"2020-10-28T14:59:00+07:00": "2020-10-28",
		"2020-10-28T15:00:00+07:00": "2020-10-30", // over the Prophet's birthday
		"2020-10-31T09:00:00+07:00": "2020-11-02", // a Saturday
		"2020-12-24T16:00:00+07:00": "2020-12-28", // over Christmas and a weekend
	} {
		instant, err := time.Parse(time.RFC3339, at)
		require.NoError(t, err)
		require.Equal(t, want, executes(instant).String(), at)
	}
}
