package payment

import (
	"time"

	"github.com/gelombang/gelombang/program/calendar"
)

// CutOff is until when on a business day a bank executes what it is given on the same
// day, in the bank's own time.
type CutOff struct {
	Hour, Minute int
	Zone         *time.Location
	Holidays     calendar.Holidays
}

// Execution returns the day on which the bank executes an order that it is given at an
// instant: that day if it is a business day and the cut-off is not over, otherwise the
// next business day. An instant at the cut-off is too late. Without a Zone it is UTC.
func (c CutOff) Execution(at time.Time) calendar.Date {
	zone := c.Zone
	if zone == nil {
		zone = time.UTC
	}
	day := calendar.DateOf(at, zone)
	local := at.In(zone)
	late := local.Hour() > c.Hour || local.Hour() == c.Hour && local.Minute() >= c.Minute
	if late {
		day = day.AddDays(1)
	}
	for range 366 { // a calendar without a business day in a year is a mistake
		if c.Holidays.BusinessDay(day) {
			break
		}
		day = day.AddDays(1)
	}
	return day
}
