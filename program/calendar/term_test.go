package calendar_test

import (
	"fmt"
	"testing"
	"time"
	_ "time/tzdata" // the zones with clock changes, for the tests alone

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/calendar"
)

// The published purchase deadlines of waves 18 and 19 (22 and 30 September 2021,
// 23:59 WIB, 30 days) come out of either announcement day, by the convention.
func TestPurchaseDeadlines(t *testing.T) {
	jakarta, err := calendar.Zone("Asia/Jakarta")
	require.NoError(t, err)
	for _, c := range []struct {
		wave       int
		announced  calendar.Date
		countStart bool
		want       string
	}{
		{18, calendar.Of(2021, 8, 24), true, "2021-09-22T17:00:00Z"},
		{18, calendar.Of(2021, 8, 23), false, "2021-09-22T17:00:00Z"},
		{19, calendar.Of(2021, 9, 1), true, "2021-09-30T17:00:00Z"},
		{19, calendar.Of(2021, 8, 31), false, "2021-09-30T17:00:00Z"},
		// The control: the other convention is a day off.
		{18, calendar.Of(2021, 8, 24), false, "2021-09-23T17:00:00Z"},
		{19, calendar.Of(2021, 8, 31), true, "2021-09-29T17:00:00Z"},
	} {
		term := calendar.Term{Days: 30, CountStart: c.countStart, Until: "23:59", Zone: "Asia/Jakarta"}
		for _, hour := range []int{0, 12, 23} { // the hour of the announcement does not matter
			start := time.Date(c.announced.Year, c.announced.Month, c.announced.Day, hour, 30, 0, 0, jakarta)
			due, err := term.Due(start, calendar.Holidays{})
			require.NoError(t, err)
			require.Equal(t, c.want, due.Format(time.RFC3339), "wave %d", c.wave)
		}
	}
}

func TestDue(t *testing.T) {
	holidays := calendar.NewHolidays(calendar.Of(2021, 8, 17), calendar.Of(2021, 8, 20))
	for _, c := range []struct {
		name  string
		term  calendar.Term
		start string
		want  string
	}{
		{"end of the day", calendar.Term{Days: 1, CountStart: true}, "2021-08-01T10:00:00Z", "2021-08-02T00:00:00Z"},
		{"the second is inside", calendar.Term{Days: 1, Until: "12:00:00"}, "2021-08-01T10:00:00Z", "2021-08-02T12:00:01Z"},
		{"the minute is inside", calendar.Term{Days: 1, Until: "12:00"}, "2021-08-01T10:00:00Z", "2021-08-02T12:01:00Z"},
		{"23:59 is midnight", calendar.Term{Days: 1, Until: "23:59"}, "2021-08-01T10:00:00Z", "2021-08-03T00:00:00Z"},
		{"23:59:59 is midnight", calendar.Term{Days: 1, Until: "23:59:59"}, "2021-08-01T10:00:00Z", "2021-08-03T00:00:00Z"},
		{"Friday plus one business day", calendar.Term{BusinessDays: 1}, "2021-08-13T10:00:00Z", "2021-08-17T00:00:00Z"},
		{"holiday and weekend skipped", calendar.Term{BusinessDays: 4}, "2021-08-13T10:00:00Z", "2021-08-24T00:00:00Z"},
		{"start counted on a business day", calendar.Term{BusinessDays: 1, CountStart: true}, "2021-08-13T10:00:00Z", "2021-08-14T00:00:00Z"},
		{"start on a Saturday cannot count", calendar.Term{BusinessDays: 1, CountStart: true}, "2021-08-14T10:00:00Z", "2021-08-17T00:00:00Z"},
		{"no time left on the only day", calendar.Term{Days: 1, CountStart: true, Until: "12:00"}, "2021-08-01T15:00:00Z", "2021-08-02T12:01:00Z"},
		{"nor on the only business day", calendar.Term{BusinessDays: 1, CountStart: true, Until: "12:00"}, "2021-08-13T15:00:00Z", "2021-08-16T12:01:00Z"},
		{"month", calendar.Term{Months: 1}, "2021-01-15T10:00:00Z", "2021-02-16T00:00:00Z"},
		{"month, start counted", calendar.Term{Months: 1, CountStart: true}, "2021-01-15T10:00:00Z", "2021-02-15T00:00:00Z"},
		{"short month", calendar.Term{Months: 1}, "2021-01-31T10:00:00Z", "2021-03-01T00:00:00Z"},
		{"short month, start counted", calendar.Term{Months: 1, CountStart: true}, "2021-01-31T10:00:00Z", "2021-03-01T00:00:00Z"},
		{"leap day", calendar.Term{Months: 12}, "2020-02-29T10:00:00Z", "2021-03-01T00:00:00Z"},
		{"duration", calendar.Term{For: 72 * time.Hour}, "2021-08-01T10:00:01+07:00", "2021-08-04T03:00:01Z"},
		{"jayapura", calendar.Term{Days: 1, Zone: "Asia/Jayapura"}, "2021-08-01T16:00:00Z", "2021-08-03T15:00:00Z"},
		// Clocks went back at 24:00 on 17 February 2018: 23:30 happened twice.
		{"time that happens twice", calendar.Term{Days: 1, Until: "23:29", Zone: "America/Sao_Paulo"}, "2018-02-16T12:00:00Z", "2018-02-18T02:30:00Z"},
		// Clocks went forward at 00:00 on 4 November 2018: that midnight never was.
		{"midnight that never was", calendar.Term{Days: 1, Zone: "America/Sao_Paulo"}, "2018-11-02T12:00:00Z", "2018-11-04T03:00:00Z"},
		{"time inside a skip", calendar.Term{Days: 1, Until: "00:29", Zone: "America/Sao_Paulo"}, "2018-11-03T12:00:00Z", "2018-11-04T03:00:00Z"},
		// Samoa had no 30 December 2011.
		{"day that never was", calendar.Term{Days: 1, Until: "12:00", Zone: "Pacific/Apia"}, "2011-12-29T20:00:00Z", "2011-12-30T10:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			start, err := time.Parse(time.RFC3339, c.start)
			require.NoError(t, err)
			due, err := c.term.Due(start, holidays)
			require.NoError(t, err)
			require.Equal(t, c.want, due.Format(time.RFC3339))
		})
	}
}

// A term that begins later never ends earlier, in zones with and without clock changes.
func TestDueIsMonotone(t *testing.T) {
	for _, zone := range []string{"Asia/Jakarta", "America/Sao_Paulo", "Australia/Lord_Howe"} {
		for _, term := range []calendar.Term{
			{Days: 30, Zone: zone}, {BusinessDays: 5, Zone: zone, Until: "15:00"}, {Months: 1, Zone: zone},
		} {
			at := time.Date(2017, 12, 1, 0, 0, 0, 0, time.UTC)
			var last time.Time
			for range 4000 {
				due, err := term.Due(at, calendar.Holidays{})
				require.NoError(t, err)
				require.False(t, due.Before(last))
				require.True(t, due.After(at))
				last = due
				at = at.Add(3 * time.Hour)
			}
		}
	}
}

func TestValidateReportsEveryFault(t *testing.T) {
	for _, c := range []struct {
		term  calendar.Term
		wants []string
	}{
		{calendar.Term{}, []string{"exactly one"}},
		{calendar.Term{Days: 1, Months: 1}, []string{"exactly one"}},
		{calendar.Term{Days: -1, Until: "24:00", Zone: "Mars/Base"}, []string{"Days is from", "Until", "Zone"}},
		{calendar.Term{Days: 1, Zone: "Local"}, []string{"Zone"}},
		{calendar.Term{Days: 1, Until: "9:00"}, []string{"Until"}},
		{calendar.Term{Days: 1, Until: "09-00"}, []string{"Until"}},
		{calendar.Term{For: time.Hour, Until: "09:00"}, []string{"For stands alone"}},
		{calendar.Term{Months: 1201}, []string{"Months"}},
	} {
		err := c.term.Validate()
		var fault *calendar.TermError
		require.ErrorAs(t, err, &fault)
		for _, want := range c.wants {
			require.ErrorContains(t, err, want)
		}
		_, err = c.term.Due(time.Unix(0, 0), calendar.Holidays{})
		require.Error(t, err)
	}
	_, err := (calendar.Term{Months: 1}).Due(time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), calendar.Holidays{})
	require.Error(t, err)
}

// The built-in zones are fixed ones, which know no database: such a zone bears its
// abbreviation, one from a database its IANA name.
func TestZonesNeedNoDatabase(t *testing.T) {
	for name, want := range map[string]struct {
		name  string
		hours int
	}{
		"Asia/Jakarta": {"WIB", 7}, "Asia/Pontianak": {"WIB", 7}, "Asia/Makassar": {"WITA", 8}, "Asia/Jayapura": {"WIT", 9}, "UTC": {"UTC", 0}, "": {"UTC", 0},
	} {
		loc, err := calendar.Zone(name)
		require.NoError(t, err)
		require.Equal(t, want.name, loc.String(), "not from a database")
		_, offset := time.Unix(1_600_000_000, 0).In(loc).Zone()
		require.Equal(t, want.hours*3600, offset, name)
	}
	loc, err := time.LoadLocation("Asia/Jakarta")
	require.NoError(t, err)
	require.Equal(t, "Asia/Jakarta", loc.String(), "control: the same zone from the database")
}

func FuzzDue(f *testing.F) {
	f.Add(30, 0, 0, int64(0), true, "23:59", "Asia/Jakarta", int64(1_629_800_000))
	f.Add(0, 5, 0, int64(0), false, "", "", int64(0))
	f.Fuzz(func(t *testing.T, days, business, months int, length int64, count bool, until, zone string, start int64) {
		term := calendar.Term{Days: days, BusinessDays: business, Months: months, For: time.Duration(length), CountStart: count, Until: until, Zone: zone}
		due, err := term.Due(time.Unix(start%200_000_000_000, 0), calendar.Holidays{})
		if err == nil && term.Validate() != nil {
			t.Fatal("due of a faulty term", due)
		}
	})
}

func ExampleTerm_Due() {
	announced := time.Date(2021, 8, 24, 9, 0, 0, 0, time.UTC)
	window := calendar.Term{Days: 30, CountStart: true, Until: "23:59", Zone: "Asia/Jakarta"}
	due, err := window.Due(announced, calendar.Holidays{})
	fmt.Println(due.Format(time.RFC3339), err)
	// Output: 2021-09-22T17:00:00Z <nil>
}
