package calendar

import "time"

// Counter counts one term: its zone has been found and its holidays are known,
// so that counting does no I/O. It never changes and may be used by any number of
// goroutines.
type Counter struct {
	term     Term
	zone     *time.Location
	until    time.Duration
	holidays Holidays
}

// NewCounter makes a term ready to count. Errors are those of Term.Validate.
func NewCounter(t Term, holidays Holidays) (*Counter, error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	zone, err := Zone(t.Zone)
	if err != nil {
		return nil, err
	}
	until, err := parseUntil(t.Until)
	return &Counter{t, zone, until, holidays}, err
}

// Due returns the first instant, in UTC, after a term that begins at start has
// passed. It is after start. The error is a *TermError for a date outside the
// years 1 to 9999, and for business days beyond what the holidays cover.
//
// Where a clock change makes the end time happen twice, the later one counts;
// where it skips the end time, the term ends with the skip.
func (c *Counter) Due(start time.Time) (time.Time, error) {
	if c.term.For != 0 {
		return inRange(start.Add(c.term.For))
	}
	first, err := c.dateOf(start, "start")
	if err != nil {
		return time.Time{}, err
	}
	last := c.lastDay(first)
	due, err := c.end(first, last)
	if err == nil && !start.Before(due) {
		due, err = c.end(first, c.later(last, 1))
	}
	return due, err
}

func (c *Counter) lastDay(first Date) Date {
	t := c.term
	switch {
	case t.Months > 0:
		return t.lastDayOfMonths(first)
	case t.BusinessDays > 0 && t.CountStart:
		return c.holidays.nth(first, t.BusinessDays)
	case t.BusinessDays > 0:
		return c.holidays.nth(first.AddDays(1), t.BusinessDays)
	case t.CountStart:
		return first.AddDays(t.Days - 1)
	}
	return first.AddDays(t.Days)
}

// lastDayOfMonths: a month counted from the 15th runs to the 14th of the next.
// When the next month has no such day it runs to that month's end.
func (t Term) lastDayOfMonths(start Date) Date {
	end := start.AddMonths(t.Months)
	if t.CountStart && end.Day == start.Day {
		return end.AddDays(-1)
	}
	return end
}

// Extend returns a deadline that is later than due by the term, in UTC: the day
// after the last day of the old deadline is day one, whatever CountStart says.
// The errors are those of Due.
func (c *Counter) Extend(due time.Time) (time.Time, error) {
	after := *c
	after.term.CountStart = false
	if c.term.For != 0 {
		return after.Due(due)
	}
	return after.Due(due.Add(-1)) // due is the first instant after the old deadline
}

// Resume returns when a deadline passes that stood still from one instant to
// another, in UTC. A duration is later by as long as it stood. Of a term in days,
// the days that were left after the day on which it was suspended (business days
// for a term in business days) are counted from the day after the one on which it
// goes on; its time of day stays. If none was left, the day on which it goes on is
// the last (for business days that day or the next business day). A suspension
// that ends on the same day, before the deadline, changes nothing, and no deadline
// becomes earlier. The deadline is always after the instant at which it goes on:
// if the last day's end time is over by then, the next day (for business days the
// next business day) is the last.
//
// The errors are those of Due, and a *TermError if the instants are not in the
// order suspended, resumed, or if the deadline had passed when it was suspended.
func (c *Counter) Resume(due, suspended, resumed time.Time) (time.Time, error) {
	if resumed.Before(suspended) {
		return time.Time{}, &TermError{"resumed", "is not before suspended"}
	}
	if !suspended.Before(due) {
		return time.Time{}, &TermError{"suspended", "is before due"}
	}
	if c.term.For != 0 {
		return inRange(due.Add(resumed.Sub(suspended)))
	}
	last, err1 := c.dateOf(due.Add(-1), "due")
	from, err2 := c.dateOf(suspended, "suspended")
	to, err3 := c.dateOf(resumed, "resumed")
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			return time.Time{}, err
		}
	}
	if from == to && resumed.Before(due) {
		return due.UTC(), nil
	}
	if c.term.BusinessDays > 0 && !(c.holidays.Covers(from) && c.holidays.Covers(last)) {
		return time.Time{}, errUncovered()
	}
	day := c.later(to, c.left(from, last))
	end, err := c.end(to, day)
	if err == nil && !resumed.Before(end) {
		end, err = c.end(to, c.later(day, 1))
	}
	if err == nil && end.Before(due) { // a last day that was no business day
		end = due.UTC()
	}
	return end, err
}

// left counts the days of the term after one day, up to and with another.
func (c *Counter) left(after, last Date) int {
	if c.term.BusinessDays == 0 {
		return max(0, last.DaysSince(after))
	}
	n := 0
	for day := after.AddDays(1); !last.Before(day); day = day.AddDays(1) {
		if c.holidays.BusinessDay(day) {
			n++
		}
	}
	return n
}

// later returns the n-th day of the term after a day; for none the day itself, or
// for business days the first that is one.
func (c *Counter) later(day Date, n int) Date {
	switch {
	case c.term.BusinessDays == 0:
		return day.AddDays(n)
	case n == 0:
		return c.holidays.nth(day, 1)
	}
	return c.holidays.nth(day.AddDays(1), n)
}

func (c *Counter) dateOf(t time.Time, field string) (Date, error) {
	d := DateOf(t, c.zone)
	if !d.Valid() {
		return Date{}, &TermError{field, "is in the years 1 to 9999"}
	}
	return d, nil
}

// end returns the first instant after the term's time of day on its last day. Its
// days were counted from the given one on.
func (c *Counter) end(from, last Date) (time.Time, error) {
	if !last.Valid() {
		return time.Time{}, &TermError{"end", "is in the years 1 to 9999"}
	}
	if c.term.BusinessDays > 0 && !(c.holidays.Covers(from) && c.holidays.Covers(last)) {
		return time.Time{}, errUncovered()
	}
	return instant(last, c.until, c.zone), nil
}

func errUncovered() error {
	return &TermError{FieldHolidays, "are not known for all the days that are counted"}
}

func inRange(t time.Time) (time.Time, error) {
	if y := t.UTC().Year(); y < 1 || y > 9999 {
		return time.Time{}, &TermError{"end", "is in the years 1 to 9999"}
	}
	return t.UTC(), nil
}

// instant returns when a clock in loc shows the time of day on the date.
func instant(d Date, at time.Duration, loc *time.Location) time.Time {
	wall := time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).Add(at)
	before := wall.Add(-24 * time.Hour).In(loc)
	_, offsetBefore := before.Zone()
	_, offsetAfter := wall.Add(24 * time.Hour).In(loc).Zone()
	early := wall.Add(-time.Duration(max(offsetBefore, offsetAfter)) * time.Second)
	late := wall.Add(-time.Duration(min(offsetBefore, offsetAfter)) * time.Second)
	if shows(late, wall, loc) {
		return late
	}
	if shows(early, wall, loc) {
		return early
	}
	_, skip := before.ZoneBounds()
	return skip.UTC()
}

func shows(t, wall time.Time, loc *time.Location) bool {
	_, offset := t.In(loc).Zone()
	return t.Add(time.Duration(offset) * time.Second).Equal(wall)
}
