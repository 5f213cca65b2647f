package calendar

import (
	"cmp"
	"fmt"
	"time"
)

// Date is a civil date in the Gregorian calendar, without a time or a zone.
// Dates are comparable with == and may be map keys. The zero Date means "not
// set"; it writes itself as an empty text.
type Date struct {
	Year  int        // 1 to 9999
	Month time.Month // 1 to 12
	Day   int        // 1 to 31, within the month
}

// Of returns the date as given. It does not check it: see Valid.
func Of(year int, month time.Month, day int) Date {
	return Date{year, month, day}
}

// Parse reads a date in ISO 8601 form, "2020-08-08". Any other form, and a day
// that does not exist, is a *DateError.
func Parse(s string) (Date, error) {
	if len(s) != 10 || s[4] != '-' || s[7] != '-' {
		return Date{}, &DateError{Rule: "form"}
	}
	year, ok1 := digits(s[0:4])
	month, ok2 := digits(s[5:7])
	day, ok3 := digits(s[8:10])
	if !ok1 || !ok2 || !ok3 {
		return Date{}, &DateError{Rule: "form"}
	}
	d := Date{year, time.Month(month), day}
	if !d.Valid() {
		return Date{}, &DateError{Rule: "no-such-day"}
	}
	return d, nil
}

func digits(s string) (int, bool) {
	n := 0
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// DateError says why a text is not a date. It does not repeat the text, which
// may be someone's birth date.
type DateError struct {
	Rule string // "form" or "no-such-day"
}

func (e *DateError) Error() string {
	if e.Rule == "no-such-day" {
		return "calendar: there is no such day"
	}
	return "calendar: a date is written as 2006-01-02"
}

// DateOf returns the date that a clock in loc shows at t. A nil loc is UTC.
func DateOf(t time.Time, loc *time.Location) Date {
	if loc == nil {
		loc = time.UTC
	}
	year, month, day := t.In(loc).Date()
	return Date{year, month, day}
}

// IsZero reports whether the date is not set.
func (d Date) IsZero() bool { return d == Date{} }

// Valid reports whether the day exists, in the years 1 to 9999.
func (d Date) Valid() bool {
	return d.Year >= 1 && d.Year <= 9999 && d.Month >= 1 && d.Month <= 12 &&
		d.Day >= 1 && d.Day <= DaysIn(d.Year, d.Month)
}

// DaysIn returns the number of days of a month, and 0 for a month that does not exist.
func DaysIn(year int, month time.Month) int {
	switch month {
	case 1, 3, 5, 7, 8, 10, 12:
		return 31
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 0
}

// String writes the date in ISO 8601 form, and "" for the zero Date.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	if !d.Valid() {
		return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day)
	}
	digit := func(n int) byte { return byte('0' + n%10) }
	y, m := d.Year, int(d.Month)
	return string([]byte{digit(y / 1000), digit(y / 100), digit(y / 10), digit(y), '-', digit(m / 10), digit(m), '-', digit(d.Day / 10), digit(d.Day)})
}

// MarshalText writes what String writes. A day that does not exist, which could
// not be read again, is a *DateError.
func (d Date) MarshalText() ([]byte, error) {
	if !d.IsZero() && !d.Valid() {
		return nil, &DateError{Rule: "no-such-day"}
	}
	return []byte(d.String()), nil
}

// UnmarshalText reads what Parse reads, and an empty text as the zero Date.
func (d *Date) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Date{}
		return nil
	}
	read, err := Parse(string(text))
	if err != nil {
		return err
	}
	*d = read
	return nil
}

// Compare returns -1 when d is before e, 0 when they are the same day, 1 when after.
func (d Date) Compare(e Date) int {
	return cmp.Compare(d.order(), e.order())
}

// Before reports whether d is an earlier day than e.
func (d Date) Before(e Date) bool { return d.order() < e.order() }

func (d Date) order() int { return d.Year<<9 | int(d.Month)<<5 | d.Day }

// AddDays returns the date n days later, or earlier when n is negative.
func (d Date) AddDays(n int) Date { return fromDayNumber(d.dayNumber() + n) }

// AddMonths returns the same day n months later. When that month is too short
// it is the month's last day: one month after 31 January is 28 or 29 February.
func (d Date) AddMonths(n int) Date {
	months := d.Year*12 + int(d.Month) - 1 + n
	year, month := floorDiv(months, 12)
	to := Date{year, time.Month(month + 1), d.Day}
	to.Day = min(to.Day, DaysIn(to.Year, to.Month))
	return to
}

// DaysSince returns the number of days from e to d. It is negative when d is earlier.
func (d Date) DaysSince(e Date) int { return d.dayNumber() - e.dayNumber() }

// Weekday returns the day of the week.
func (d Date) Weekday() time.Weekday {
	_, day := floorDiv(d.dayNumber()+4, 7) // 1 January 1970 was a Thursday
	return time.Weekday(day)
}

// AgeAt returns the full years between the birth date d and the day at. A year is
// full on the birthday; for someone born on 29 February it is full on 1 March
// of a common year. It is negative before birth.
func (d Date) AgeAt(at Date) int {
	age := at.Year - d.Year
	if int(at.Month)<<5|at.Day < int(d.Month)<<5|d.Day {
		age--
	}
	return age
}

// dayNumber counts days from 1 January 1970 in the proleptic Gregorian calendar.
// The years begin in March, so that the leap day is a year's last (Howard
// Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil).
func (d Date) dayNumber() int {
	year, month := d.Year, int(d.Month)
	if month <= 2 {
		year--
		month += 12
	}
	era, inEra := floorDiv(year, 400)
	dayOfYear := (153*(month-3)+2)/5 + d.Day - 1
	dayOfEra := inEra*365 + inEra/4 - inEra/100 + dayOfYear
	return era*146097 + dayOfEra - 719468
}

func fromDayNumber(n int) Date {
	era, dayOfEra := floorDiv(n+719468, 146097)
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36524 - dayOfEra/146096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	month := (5*dayOfYear + 2) / 153
	d := Date{era*400 + yearOfEra, time.Month(month + 3), dayOfYear - (153*month+2)/5 + 1}
	if d.Month > 12 {
		d.Month -= 12
		d.Year++
	}
	return d
}

func floorDiv(a, b int) (quotient, remainder int) {
	quotient, remainder = a/b, a%b
	if remainder < 0 {
		quotient--
		remainder += b
	}
	return quotient, remainder
}
