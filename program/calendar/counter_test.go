package calendar_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/calendar"
)

func counter(t testing.TB, term calendar.Term, holidays ...calendar.Date) *calendar.Counter {
	c, err := calendar.NewCounter(term, calendar.NewHolidays(holidays...))
	require.NoError(t, err)
	return c
}

func zone(t testing.TB, name string) *time.Location {
	loc, err := calendar.Zone(name)
	require.NoError(t, err)
	return loc
}

func instant(t testing.TB, s string) time.Time {
	at, err := time.Parse(time.RFC3339, s)
	require.NoError(t, err)
	return at
}

// Wave 18's deadline of 22 September 2021, put off by a decree.
func TestExtend(t *testing.T) {
	due := instant(t, "2021-09-22T17:00:00Z") // midnight in Jakarta: 22 September is the last day
	for name, c := range map[string]struct {
		term calendar.Term
		want string
	}{
		"seven days":                    {calendar.Term{Days: 7, Zone: "Asia/Jakarta"}, "2021-09-29T17:00:00Z"},
		"the old last day never counts": {calendar.Term{Days: 7, CountStart: true, Zone: "Asia/Jakarta"}, "2021-09-29T17:00:00Z"},
		"until noon":                    {calendar.Term{Days: 7, Until: "11:59", Zone: "Asia/Jakarta"}, "2021-09-29T05:00:00Z"},
		"business days":                 {calendar.Term{BusinessDays: 3, Zone: "Asia/Jakarta"}, "2021-09-27T17:00:00Z"},
		"a month":                       {calendar.Term{Months: 1, Zone: "Asia/Jakarta"}, "2021-10-22T17:00:00Z"},
		"hours":                         {calendar.Term{For: 72 * time.Hour}, "2021-09-25T17:00:00Z"},
	} {
		got, err := counter(t, c.term).Extend(due)
		require.NoError(t, err, name)
		require.Equal(t, c.want, got.Format(time.RFC3339), name)
	}
	_, err := counter(t, calendar.Term{Days: 9}).Extend(instant(t, "9999-12-30T00:00:00Z"))
	require.Error(t, err)
}

func TestResume(t *testing.T) {
	jakarta := "Asia/Jakarta"
	days := calendar.Term{Days: 30, Zone: jakarta}
	for name, c := range map[string]struct {
		term                   calendar.Term
		due, suspended, resume string
		want                   string
	}{
		"five days left, a week later": {days, "2021-09-22T17:00:00Z", "2021-09-17T03:00:00Z", "2021-09-24T03:00:00Z", "2021-09-29T17:00:00Z"},
		"within a day":                 {days, "2021-09-22T17:00:00Z", "2021-09-17T03:00:00Z", "2021-09-17T09:00:00Z", "2021-09-22T17:00:00Z"},
		"on the last day":              {days, "2021-09-22T17:00:00Z", "2021-09-22T03:00:00Z", "2021-09-25T03:00:00Z", "2021-09-25T17:00:00Z"},
		"on the last day, too late in the day": {calendar.Term{Days: 30, Until: "11:59", Zone: jakarta},
			"2021-09-22T05:00:00Z", "2021-09-22T03:00:00Z", "2021-09-25T09:00:00Z", "2021-09-26T05:00:00Z"},
		"on the last day, back the same day, too late": {calendar.Term{Days: 30, Until: "11:59", Zone: jakarta},
			"2021-09-22T05:00:00Z", "2021-09-22T03:00:00Z", "2021-09-22T09:00:00Z", "2021-09-23T05:00:00Z"},
		"business days: none left, back on a Saturday": {calendar.Term{BusinessDays: 14, Zone: jakarta}, "2021-09-17T17:00:00Z", "2021-09-17T03:00:00Z", "2021-09-18T03:00:00Z", "2021-09-20T17:00:00Z"},
		"business days: Friday to Sunday":              {calendar.Term{BusinessDays: 14, Zone: jakarta}, "2021-09-21T17:00:00Z", "2021-09-17T03:00:00Z", "2021-09-26T03:00:00Z", "2021-09-28T17:00:00Z"},
		"business days over a holiday":                 {calendar.Term{BusinessDays: 14, Zone: jakarta}, "2021-09-21T17:00:00Z", "2021-09-17T03:00:00Z", "2021-10-19T03:00:00Z", "2021-10-22T17:00:00Z"},
		"a duration":                                   {calendar.Term{For: 48 * time.Hour}, "2021-09-22T17:00:00Z", "2021-09-22T16:00:00Z", "2021-09-23T16:30:00Z", "2021-09-23T17:30:00Z"},
		"months":                                       {calendar.Term{Months: 2, Zone: jakarta}, "2024-02-29T17:00:00Z", "2024-02-27T03:00:00Z", "2024-03-01T03:00:00Z", "2024-03-03T17:00:00Z"},
	} {
		got, err := counter(t, c.term, calendar.Of(2021, time.October, 20)).Resume(instant(t, c.due), instant(t, c.suspended), instant(t, c.resume))
		require.NoError(t, err, name)
		require.Equal(t, c.want, got.Format(time.RFC3339), name)
	}
	_, err := counter(t, days).Resume(instant(t, "2021-09-22T17:00:00Z"), instant(t, "2021-09-18T17:00:00Z"), instant(t, "2021-09-17T17:00:00Z"))
	require.Error(t, err, "a suspension does not end before it begins")
	var fault *calendar.TermError
	for _, term := range []calendar.Term{days, {For: time.Hour}} {
		_, err = counter(t, term).Resume(instant(t, "2021-09-22T17:00:00Z"), instant(t, "2021-09-22T17:00:00Z"), instant(t, "2021-09-23T17:00:00Z"))
		require.ErrorAs(t, err, &fault, "what has passed does not come alive again")
		require.Equal(t, "suspended", fault.Field)
	}
}

// Whatever the term and however often it stands still: nobody loses time, the
// deadline never comes before the case goes on, and a later return is never due
// earlier.
func TestNobodyLosesTimeToASuspension(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	zones := []string{"Asia/Jakarta", "Asia/Jayapura", "America/Sao_Paulo", ""}
	for range 4000 {
		term := calendar.Term{Zone: zones[r.IntN(len(zones))], CountStart: r.IntN(2) == 0, Until: []string{"", "11:59", "17:00:00"}[r.IntN(3)]}
		switch r.IntN(3) {
		case 0:
			term.Days = 1 + r.IntN(60)
		case 1:
			term.BusinessDays = 1 + r.IntN(40)
		case 2:
			term.Months = 1 + r.IntN(4)
		}
		holidays := calendar.NewHolidays(calendar.Of(2018, time.January, 1), calendar.Of(2018, time.March, 30)).
			Covering(calendar.Of(2017, time.December, 31), calendar.Of(2020, time.December, 31))
		c, err := calendar.NewCounter(term, holidays)
		require.NoError(t, err)
		start := time.Unix(1514764800+r.Int64N(86400*300), 0) // 2018
		due, err := c.Due(start)
		require.NoError(t, err)
		require.True(t, start.Before(due), "%+v", term)
		suspended := start.Add(time.Duration(r.Int64N(int64(due.Sub(start)))))
		back := suspended.Add(time.Duration(r.Int64N(int64(40 * 24 * time.Hour))))
		got, err := c.Resume(due, suspended, back)
		require.NoError(t, err)
		require.False(t, got.Before(due), "%+v", term)
		require.True(t, got.After(back), "%+v", term)
		if last := calendar.DateOf(got.Add(-1), zone(t, term.Zone)); term.BusinessDays > 0 && !got.Equal(due) {
			require.True(t, holidays.BusinessDay(last), "%+v ends on %v", term, last)
		}
		later, err := c.Resume(due, suspended, back.Add(time.Duration(r.Int64N(int64(10*24*time.Hour)))))
		require.NoError(t, err)
		require.False(t, later.Before(got), "%+v", term)
		same, err := c.Resume(due, suspended, suspended)
		require.NoError(t, err)
		require.Equal(t, due, same)
	}
}

// A term in business days is not counted where the holidays are not known: they would
// be taken for business days.
func TestBusinessDaysEndWhereTheHolidaysAreKnown(t *testing.T) {
	term := calendar.Term{BusinessDays: 14, Zone: "Asia/Jakarta"}
	known := []calendar.Date{calendar.Of(2021, time.May, 13), calendar.Of(2021, time.December, 24)}
	late, early := instant(t, "2021-12-20T03:00:00Z"), instant(t, "2020-12-31T03:00:00Z")
	for name, count := range map[string]func(*calendar.Counter) error{
		"into the next year":   func(c *calendar.Counter) error { _, err := c.Due(late); return err },
		"from the year before": func(c *calendar.Counter) error { _, err := c.Due(early); return err },
		"extended":             func(c *calendar.Counter) error { _, err := c.Extend(late); return err },
		"going on next year": func(c *calendar.Counter) error {
			_, err := c.Resume(late, late.AddDate(0, 0, -5), late.AddDate(0, 1, 0))
			return err
		},
		"stood since last year": func(c *calendar.Counter) error {
			_, err := c.Resume(early.AddDate(0, 0, 9), early, early.AddDate(0, 1, 0))
			return err
		},
	} {
		var fault *calendar.TermError
		require.ErrorAs(t, count(counter(t, term, known...)), &fault, name)
		require.Equal(t, calendar.FieldHolidays, fault.Field, name)
		require.NoError(t, count(counter(t, term)), "control: a program may choose weekends only")
		declared, err := calendar.NewCounter(term, calendar.NewHolidays(known...).Covering(calendar.Of(2020, time.January, 1), calendar.Of(2022, time.December, 31)))
		require.NoError(t, err)
		require.NoError(t, count(declared), "control: or declare that no more holidays come")
		days, err := calendar.NewCounter(calendar.Term{Days: 14, Zone: "Asia/Jakarta"}, calendar.NewHolidays(known...))
		require.NoError(t, err)
		require.NoError(t, count(days), "calendar days need no holidays")
	}
}
