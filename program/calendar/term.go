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
// the day after. A term that would have passed before it begins, because its only day
// has no time left, ends a day later (for business days on the next business day).
type Term struct {
	Days         int           // calendar days, 1 to 36600
	BusinessDays int           // days other than Saturday, Sunday and holidays, 1 to 36600 (Monday to Friday is the only week)
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

// FieldHolidays is the Field of a *TermError for business days that are counted
// where the holidays are not known.
const FieldHolidays = "Holidays"

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

// Holidays is a set of dates that are not business days. The zero value has no
// dates and covers every year: a program that chooses it leaves out Saturdays and
// Sundays only.
type Holidays struct {
	days          map[Date]struct{}
	from, through Date // the days for which the set is complete; zero: all
}

// NewHolidays returns the set of the given dates. It is taken to be complete for
// the years from its first date to its last. A term in business days that is
// counted beyond them is a *TermError, since the holidays there are not known:
// they would be counted as business days. See Covering.
func NewHolidays(dates ...Date) Holidays {
	h := Holidays{days: make(map[Date]struct{}, len(dates))}
	for i, d := range dates {
		h.days[d] = struct{}{}
		if i == 0 || d.Year < h.from.Year {
			h.from = Of(d.Year, time.January, 1)
		}
		if i == 0 || d.Year > h.through.Year {
			h.through = Of(d.Year, time.December, 31)
		}
	}
	return h
}

// Covering returns the same dates, declared to be complete from one day through
// another.
func (h Holidays) Covering(from, through Date) Holidays {
	return Holidays{h.days, from, through}
}

// Covers reports whether the set is complete on a day.
func (h Holidays) Covers(d Date) bool {
	return h.from.IsZero() || !d.Before(h.from) && !h.through.Before(d)
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
