package calendar_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/calendar"
)

func counter(t testing.TB, term calendar.Term, holidays ...calendar.Date) *calendar.Counter {
	c, err := calendar.NewCounter(term, calendar.NewHolidays(holidays...))
	require.NoError(t, err)
	return c
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
		"business days: Friday to Sunday": {calendar.Term{BusinessDays: 14, Zone: jakarta}, "2021-09-21T17:00:00Z", "2021-09-17T03:00:00Z", "2021-09-26T03:00:00Z", "2021-09-28T17:00:00Z"},
		"business days over a holiday":    {calendar.Term{BusinessDays: 14, Zone: jakarta}, "2021-09-21T17:00:00Z", "2021-09-17T03:00:00Z", "2021-10-19T03:00:00Z", "2021-10-22T17:00:00Z"},
		"a duration":                      {calendar.Term{For: 48 * time.Hour}, "2021-09-22T17:00:00Z", "2021-09-22T16:00:00Z", "2021-09-23T16:30:00Z", "2021-09-23T17:30:00Z"},
		"months":                          {calendar.Term{Months: 2, Zone: jakarta}, "2024-02-29T17:00:00Z", "2024-02-27T03:00:00Z", "2024-03-01T03:00:00Z", "2024-03-03T17:00:00Z"},
	} {
		got, err := counter(t, c.term, calendar.Of(2021, time.October, 20)).Resume(instant(t, c.due), instant(t, c.suspended), instant(t, c.resume))
		require.NoError(t, err, name)
		require.Equal(t, c.want, got.Format(time.RFC3339), name)
	}
	_, err := counter(t, days).Resume(instant(t, "2021-09-22T17:00:00Z"), instant(t, "2021-09-18T17:00:00Z"), instant(t, "2021-09-17T17:00:00Z"))
	require.Error(t, err, "a suspension does not end before it begins")
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
		c := counter(t, term, calendar.Of(2018, time.January, 1), calendar.Of(2018, time.March, 30))
		start := time.Unix(1514764800+r.Int64N(86400*300), 0) // 2018
		due, err := c.Due(start)
		require.NoError(t, err)
		if !start.Before(due) {
			continue // a start day after its own end time
		}
		suspended := start.Add(time.Duration(r.Int64N(int64(due.Sub(start)))))
		back := suspended.Add(time.Duration(r.Int64N(int64(40 * 24 * time.Hour))))
		got, err := c.Resume(due, suspended, back)
		require.NoError(t, err)
		require.False(t, got.Before(due), "%+v", term)
		require.True(t, got.After(back) || got.Equal(due), "%+v", term)
		later, err := c.Resume(due, suspended, back.Add(time.Duration(r.Int64N(int64(10*24*time.Hour)))))
		require.NoError(t, err)
		require.False(t, later.Before(got), "%+v", term)
		same, err := c.Resume(due, suspended, suspended)
		require.NoError(t, err)
		require.Equal(t, due, same)
	}
}

// Fifty programs live through ten years of deadlines, each setting the next when
// one has passed. The clock is testing/synctest's: ten years go by at once.
func TestTenYearsOfDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := time.Now().AddDate(10, 0, 0)
		fired := make(chan int)
		for p := range 50 {
			term := calendar.Term{Zone: []string{"Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura"}[p%3], Until: []string{"", "23:59", "12:00"}[p%3]}
			switch p % 3 {
			case 0:
				term.Days = 1 + p
			case 1:
				term.BusinessDays = 5 + p
			case 2:
				term.Months = 1 + p%4
			}
			go func() {
				c, n := counter(t, term), 0
				for due, err := c.Due(time.Now()); err == nil && due.Before(end); due, err = c.Due(time.Now()) {
					time.Sleep(time.Until(due))
					if !time.Now().Equal(due) {
						break
					}
					n++
				}
				fired <- n
			}()
		}
		total := 0
		for range 50 {
			n := <-fired
			require.GreaterOrEqual(t, n, 29, "four months at most between two")
			total += n
		}
		require.Greater(t, total, 5000)
	})
}
