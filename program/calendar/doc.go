// Package calendar counts days the way offices do: civil dates, business
// days, terms that end at a stated minute of a stated zone, and ages.
//
// A Date is a day without a clock or a zone. A Term is plain data that says how
// long something may take. Term.Due turns it into the first instant after the
// term has passed:
//
//	window := calendar.Term{Days: 30, CountStart: true, Until: "23:59", Zone: "Asia/Jakarta"}
//	due, err := window.Due(announced, calendar.Holidays{})
//	// announced 24 August 2021 -> due 2021-09-22T17:00:00Z, which is 24:00 in Jakarta
//
// Whether the first day counts is a field of the term. Offices differ, and the
// two readings are one day apart.
//
// The four Indonesian zones and UTC are built in, so that a program runs the
// same on a machine without a time zone database. The package reads no clock.
package calendar
