package calendar_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/calendar"
)

// Every civil computation agrees with the standard library over four centuries.
func TestDateAgreesWithTime(t *testing.T) {
	start := time.Date(1799, 12, 28, 0, 0, 0, 0, time.UTC)
	first := calendar.DateOf(start, nil)
	for i := 0; i < 150_000; i++ {
		want := start.AddDate(0, 0, i)
		got := first.AddDays(i)
		require.Equal(t, calendar.DateOf(want, nil), got)
		require.Equal(t, want.Weekday(), got.Weekday())
		require.Equal(t, i, got.DaysSince(first))
		require.True(t, got.Valid())
	}
}

func TestParse(t *testing.T) {
	d, err := calendar.Parse("2020-02-29")
	require.NoError(t, err)
	require.Equal(t, calendar.Of(2020, 2, 29), d)
	require.Equal(t, "2020-02-29", d.String())
	for _, bad := range []string{"", "2021-02-29", "1900-02-29", "2020-13-01", "2020-00-10", "2020-01-00", "0000-01-01", "20200101", "2020-1-01", "+020-01-01", "2020-01-1x"} {
		_, err := calendar.Parse(bad)
		var fault *calendar.DateError
		require.ErrorAs(t, err, &fault, bad)
		if bad != "" {
			require.NotContains(t, err.Error(), bad)
		}
	}
}

func TestDateInJSON(t *testing.T) {
	type row struct{ From, Until calendar.Date }
	in := row{From: calendar.Of(2020, 7, 8)}
	data, err := json.Marshal(in)
	require.NoError(t, err)
	require.JSONEq(t, `{"From":"2020-07-08","Until":""}`, string(data))
	var out row
	require.NoError(t, json.Unmarshal(data, &out))
	require.Equal(t, in, out)
	require.Error(t, json.Unmarshal([]byte(`{"From":"yesterday"}`), &out))
	var fault *calendar.DateError
	_, err = json.Marshal(row{From: calendar.Of(2021, 2, 30)})
	require.ErrorAs(t, err, &fault, "what could not be read again is not written")
}

func TestAddMonthsClamps(t *testing.T) {
	for _, c := range []struct {
		from string
		n    int
		want string
	}{
		{"2021-01-31", 1, "2021-02-28"},
		{"2020-01-31", 1, "2020-02-29"},
		{"2020-02-29", 12, "2021-02-28"},
		{"2021-12-15", 1, "2022-01-15"},
		{"2021-01-15", -1, "2020-12-15"},
		{"2021-01-15", -13, "2019-12-15"},
		{"2021-10-31", 4, "2022-02-28"},
	} {
		from, err := calendar.Parse(c.from)
		require.NoError(t, err)
		require.Equal(t, c.want, from.AddMonths(c.n).String(), c.from)
	}
}

func TestAge(t *testing.T) {
	for _, c := range []struct {
		birth, at string
		want      int
	}{
		{"2002-08-08", "2020-08-07", 17},
		{"2002-08-08", "2020-08-08", 18},
		{"2004-02-29", "2022-02-28", 17}, // the eighteenth year is not full before 1 March
		{"2004-02-29", "2022-03-01", 18},
		{"2004-02-29", "2024-02-28", 19},
		{"2004-02-29", "2024-02-29", 20},
		{"2020-01-02", "2020-01-01", -1},
		{"1999-12-31", "2000-01-01", 0},
	} {
		birth, err := calendar.Parse(c.birth)
		require.NoError(t, err)
		at, err := calendar.Parse(c.at)
		require.NoError(t, err)
		require.Equal(t, c.want, birth.AgeAt(at), "%s at %s", c.birth, c.at)
	}
}

func TestDateOfDependsOnTheZone(t *testing.T) {
	jakarta, err := calendar.Zone("Asia/Jakarta")
	require.NoError(t, err)
	at := time.Date(2021, 8, 23, 18, 0, 0, 0, time.UTC)
	require.Equal(t, calendar.Of(2021, 8, 23), calendar.DateOf(at, nil))
	require.Equal(t, calendar.Of(2021, 8, 24), calendar.DateOf(at, jakarta))
}

func FuzzParse(f *testing.F) {
	f.Add("2020-02-29")
	f.Add("0001-01-01")
	f.Add("9999-12-31")
	f.Add("2020-2-29")
	f.Fuzz(func(t *testing.T, s string) {
		d, err := calendar.Parse(s)
		if err != nil {
			return
		}
		require.True(t, d.Valid())
		require.Equal(t, s, d.String())
		want, err := time.Parse(time.DateOnly, s)
		require.NoError(t, err)
		require.Equal(t, calendar.DateOf(want, nil), d)
	})
}
