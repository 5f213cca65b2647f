package calendar

import (
	"errors"
	"time"
)

// Term is how long something may take, as plain comparable data. Exactly one of
// Days, BusinessDays, Months and For is set.
//
// A term of days or months ends on its last day, at the time in Until. With
// CountStart the day on which the term begins is day one; without it, day one is
// the day after.
type Term struct {
	Days         int           // calendar days, 1 to 36600
	BusinessDays int           // days other than Saturday, Sunday and holidays, 1 to 36600
	Months       int           // calendar months, 1 to 1200; too short a month ends on its last day
	For          time.Duration // a plain duration; the other fields stay empty

	CountStart bool   // the start day is the first day
	Until      string // "" end of the day; "15:04" or "15:04:05": that minute or second is still inside
	Zone       string // whose days are counted; an IANA name, "" is UTC
}

// TermError says which field of a term breaks which rule.
type TermError struct {
	Field, Rule string
}

func (e *TermError) Error() string { return "calendar: term: " + e.Field + " " + e.Rule }

const (
	maxDays   = 36600
	maxMonths = 1200
	maxFor    = maxDays * 24 * time.Hour
)

// Validate reports every fault of the term, each a *TermError, joined.
func (t Term) Validate() error {
	faults := t.lengthFaults()
	if _, err := parseUntil(t.Until); err != nil {
		faults = append(faults, err)
	}
	if _, err := Zone(t.Zone); err != nil {
		faults = append(faults, err)
	}
	if t.For != 0 && (t.CountStart || t.Until != "" || t.Zone != "") {
		faults = append(faults, &TermError{"For", "stands alone: without CountStart, Until and Zone"})
	}
	return errors.Join(faults...)
}

func (t Term) lengthFaults() []error {
	var faults []error
	set := 0
	for _, length := range []struct {
		field    string
		got, max int64
		rule     string
	}{
		{"Days", int64(t.Days), maxDays, "is from 1 to 36600"},
		{"BusinessDays", int64(t.BusinessDays), maxDays, "is from 1 to 36600"},
		{"Months", int64(t.Months), maxMonths, "is from 1 to 1200"},
		{"For", int64(t.For), int64(maxFor), "is positive and at most 36600 days"},
	} {
		if length.got == 0 {
			continue
		}
		set++
		if length.got < 0 || length.got > length.max {
			faults = append(faults, &TermError{length.field, length.rule})
		}
	}
	if set != 1 {
		faults = append(faults, &TermError{"Days", "or BusinessDays, Months or For: exactly one is set"})
	}
	return faults
}

// Due returns the first instant, in UTC, after a term that begins at start has
// passed: NewCounter and Counter.Due in one. Errors are those of both.
func (t Term) Due(start time.Time, holidays Holidays) (time.Time, error) {
	c, err := NewCounter(t, holidays)
	if err != nil {
		return time.Time{}, err
	}
	return c.Due(start)
}

// parseUntil returns the time of day at which the term has passed.
func parseUntil(s string) (time.Duration, error) {
	fault := &TermError{"Until", "is empty, 15:04 or 15:04:05"}
	switch len(s) {
	case 0:
		return 24 * time.Hour, nil
	case 5, 8:
	default:
		return 0, fault
	}
	h, ok1 := digits(s[0:2])
	m, ok2 := digits(s[3:5])
	if !ok1 || !ok2 || h > 23 || m > 59 || s[2] != ':' {
		return 0, fault
	}
	at := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
	if len(s) == 5 {
		return at + time.Minute, nil
	}
	sec, ok := digits(s[6:8])
	if !ok || sec > 59 || s[5] != ':' {
		return 0, fault
	}
	return at + time.Duration(sec+1)*time.Second, nil
}

// Holidays is a set of dates that are not business days. The zero value is empty.
type Holidays struct {
	days map[Date]struct{}
}

// NewHolidays returns the set of the given dates.
func NewHolidays(dates ...Date) Holidays {
	days := make(map[Date]struct{}, len(dates))
	for _, d := range dates {
		days[d] = struct{}{}
	}
	return Holidays{days}
}

// Has reports whether the date is in the set.
func (h Holidays) Has(d Date) bool {
	_, ok := h.days[d]
	return ok
}

// BusinessDay reports whether offices work on the date: Monday to Friday and no holiday.
func (h Holidays) BusinessDay(d Date) bool {
	day := d.Weekday()
	return day != time.Saturday && day != time.Sunday && !h.Has(d)
}

// nth returns the n-th business day, counting from the given day on.
func (h Holidays) nth(day Date, n int) Date {
	for {
		if h.BusinessDay(day) {
			n--
		}
		if n <= 0 {
			return day
		}
		day = day.AddDays(1)
	}
}
