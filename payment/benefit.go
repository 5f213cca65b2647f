package payment

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gelombang/gelombang/program/calendar"
)

// Benefit is one thing that a program promises to everybody it accepts, as
// plain data. Make it with Balance, Instalments, PerSurvey, PerTerm or PerHead.
type Benefit struct {
	// Name is short and permanent: letters a to z, digits and -.
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
	// Amount is the whole balance, or one instalment. It is above zero.
	Amount Money `json:"amount"`
	// Count is the number of instalments, surveys or terms, 1 to 1000, or the most heads. A
	// balance has 1.
	Count int `json:"count"`
	// EachMonth says that instalments fall due a month apart. Otherwise all
	// are due on the first day.
	EachMonth bool `json:"each_month,omitempty"`
	// LastDay is the day of the year, "12-15", after which a balance lapses.
	// Empty: it does not lapse.
	LastDay string `json:"last_day,omitempty"`
	// Basis is the legal basis of the amount, as it is cited.
	Basis string `json:"basis,omitempty"`
	// From is the first day on which the benefit is as it says here, and Until the
	// first day no longer. Zero: without beginning, without end. A change makes
	// another Benefit of the same name, whose period begins where this one ends.
	From  calendar.Date `json:"from,omitzero"`
	Until calendar.Date `json:"until,omitzero"`
}

// Kind says how a benefit is given.
type Kind string

// The kinds of benefits.
const (
	// BalanceKind is not cash: it is spent with vouchers.
	BalanceKind Kind = "balance"
	// InstalmentKind is cash, in one or more parts that one event unlocks.
	InstalmentKind Kind = "instalments"
	// SurveyKind is cash, a part for each survey that is filled in, or each term.
	SurveyKind Kind = "survey"
)

// Balance promises an amount that is spent, not paid out.
func Balance(name string, amount Money) Benefit {
	return Benefit{Name: name, Kind: BalanceKind, Amount: amount, Count: 1}
}

// Expires returns the benefit with a last day in every year, "12-15".
func (b Benefit) Expires(lastDay string) Benefit {
	b.LastDay = lastDay
	return b
}

// Instalments promises n payments of the same amount.
func Instalments(name string, n int, each Money) Benefit {
	return Benefit{Name: name, Kind: InstalmentKind, Amount: each, Count: n}
}

// Monthly returns the benefit with its instalments a month apart.
func (b Benefit) Monthly() Benefit {
	b.EachMonth = true
	return b
}

// PerSurvey promises an amount for each of n surveys.
func PerSurvey(name string, n int, each Money) Benefit {
	return Benefit{Name: name, Kind: SurveyKind, Amount: each, Count: n}
}

// Between returns the benefit as it is in a period, from a day up to and not including
// another, on a legal basis. A zero day leaves that side open.
func (b Benefit) Between(from, until calendar.Date, basis string) Benefit {
	b.From, b.Until, b.Basis = from, until, basis
	return b
}

// covers reports whether a day is in the benefit's period.
func (b Benefit) covers(day calendar.Date) bool {
	return day.Valid() && !day.Before(b.From) && (b.Until.IsZero() || day.Before(b.Until))
}

// Due is one entitlement that a schedule makes.
type Due struct {
	Number int // 1 to the benefit's Count
	Due    calendar.Date
	Amount Money
}

// Schedule returns the entitlements that an event on the day start unlocks. For
// instalments these are all of them, the first due on start and, if monthly,
// each next one a month later, on the month's last day if it is too short. For
// surveys and terms it is the one with the given number; for heads it is one for that
// number of heads. The error is a *ScheduleError.
func (b Benefit) Schedule(start calendar.Date, number int) ([]Due, error) {
	switch {
	case !start.Valid():
		return nil, &ScheduleError{b.Name, "start is no date"}
	case b.Count < 1 || b.Count > b.Kind.most():
		return nil, &ScheduleError{b.Name, "count is from 1 to 1000, of heads to 1000000"}
	case b.Kind == InstalmentKind:
		return b.instalments(start)
	case b.Kind == HeadKind:
		return b.heads(start, number)
	case b.Kind != SurveyKind:
		return nil, &ScheduleError{b.Name, "only cash has a schedule"}
	case number < 1 || number > b.Count:
		return nil, &ScheduleError{b.Name, fmt.Sprintf("number is from 1 to %d", b.Count)}
	}
	return []Due{{number, start, b.Amount}}, nil
}

func (b Benefit) instalments(start calendar.Date) ([]Due, error) {
	due := make([]Due, b.Count)
	for i := range due {
		due[i] = Due{i + 1, start, b.Amount}
		if b.EachMonth {
			due[i].Due = start.AddMonths(i)
		}
	}
	if !due[len(due)-1].Due.Valid() {
		return nil, &ScheduleError{b.Name, "ends in the years 1 to 9999"}
	}
	return due, nil
}

// ScheduleError says why a benefit makes no entitlement.
type ScheduleError struct{ Benefit, Rule string }

func (e *ScheduleError) Error() string {
	return fmt.Sprintf("payment: benefit %q: schedule: %s", e.Benefit, e.Rule)
}

// Lapses returns the last day on which a balance granted on the given day can
// be used: the first LastDay that is not before it, so what is granted on the LastDay
// itself lapses when that day ends. It reports false if the
// benefit does not lapse, or LastDay or the day is no date.
func (b Benefit) Lapses(granted calendar.Date) (calendar.Date, bool) {
	month, day, ok := dayOfYear(b.LastDay)
	if !ok || !granted.Valid() {
		return calendar.Date{}, false
	}
	last := calendar.Of(granted.Year, month, day)
	if last.Before(granted) {
		last.Year++
	}
	return last, last.Valid()
}

// dayOfYear reads "12-15". 29 February is refused: it is not in every year.
func dayOfYear(s string) (time.Month, int, bool) {
	d, err := calendar.Parse("2001-" + s)
	return d.Month, d.Day, err == nil
}

// Total returns what the benefit amounts to when all of it is given. It is the
// zero Money where Validate finds that it does not fit.
func (b Benefit) Total() Money {
	total, err := b.Amount.Mul(int64(b.Count))
	if err != nil {
		return Money{}
	}
	return total
}

// Benefits are all that a program promises, in all editions: benefits of one name are
// of one kind and currency, and their periods do not overlap.
type Benefits []Benefit

// On returns the benefits as they are on a day, each name at most once. It is the
// scheme of that day.
func (b Benefits) On(day calendar.Date) Benefits {
	var of Benefits
	for _, benefit := range b {
		if benefit.covers(day) {
			of = append(of, benefit)
		}
	}
	return of
}

// Names returns the names of all benefits, each once.
func (b Benefits) Names() []string {
	var names []string
	for _, benefit := range b {
		if !slices.Contains(names, benefit.Name) {
			names = append(names, benefit.Name)
		}
	}
	return names
}

// Find returns the first edition of a name. It says what kind of benefit it is; which
// amount is right on a day only On says.
func (b Benefits) Find(name string) (Benefit, bool) {
	for _, benefit := range b {
		if benefit.Name == name {
			return benefit, true
		}
	}
	return Benefit{}, false
}

// Total returns what all benefits amount to for one person. Where there are several
// editions it is asked of those of one day (On). The error is a
// *MoneyError: overflow, or more than one currency.
func (b Benefits) Total() (Money, error) {
	var total Money
	for _, benefit := range b {
		each, err := benefit.Amount.Mul(int64(benefit.Count))
		if err != nil {
			return Money{}, err
		}
		if total, err = total.Add(each); err != nil {
			return Money{}, err
		}
	}
	return total, nil
}

// BenefitError says which field of which benefit breaks which rule.
type BenefitError struct{ Benefit, Field, Rule string }

func (e *BenefitError) Error() string {
	return fmt.Sprintf("payment: benefit %q: %s %s", e.Benefit, e.Field, e.Rule)
}

// Validate reports every fault, each a *BenefitError, joined.
func (b Benefits) Validate() error {
	var faults []error
	for i, benefit := range b {
		faults = append(faults, benefit.faults()...)
		for _, other := range b[:i] {
			if other.Name == benefit.Name {
				faults = append(faults, editionFaults(other, benefit)...)
			}
		}
	}
	return errors.Join(faults...)
}

// editionFaults are those of two editions of one name beside each other.
func editionFaults(a, b Benefit) []error {
	var faults []error
	if a.Kind != b.Kind {
		faults = append(faults, &BenefitError{b.Name, "Kind", "is the same in every edition"})
	}
	if a.Amount.Currency != b.Amount.Currency {
		faults = append(faults, &BenefitError{b.Name, "Amount.Currency", "is the same in every edition"})
	}
	apart := !a.Until.IsZero() && !b.From.Before(a.Until) || !b.Until.IsZero() && !a.From.Before(b.Until)
	if !apart {
		faults = append(faults, &BenefitError{b.Name, "From", "is not in the period of another edition"})
	}
	return faults
}

const maxCount = 1000

func (b Benefit) faults() []error {
	var faults []error
	check := func(ok bool, field, rule string) {
		if !ok {
			faults = append(faults, &BenefitError{b.Name, field, rule})
		}
	}
	check(shortName(b.Name), "Name", "is letters a to z, digits and -")
	check(b.Kind == BalanceKind || b.Kind == InstalmentKind || b.Kind == SurveyKind || b.Kind == HeadKind, "Kind", "is balance, instalments, survey or per-head")
	check(b.Amount.Units > 0, "Amount", "is above zero")
	check(b.Amount.Validate() == nil, "Amount.Currency", "is an ISO 4217 code")
	check(b.Count >= 1 && b.Count <= b.Kind.most(), "Count", "is from 1 to 1000, of heads to 1000000")
	check(b.Kind != BalanceKind || b.Count == 1, "Count", "of a balance is 1")
	check(!b.EachMonth || b.Kind == InstalmentKind, "EachMonth", "is for instalments")
	check(b.LastDay == "" || b.Kind == BalanceKind, "LastDay", "is for a balance")
	_, _, isDay := dayOfYear(b.LastDay)
	check(b.LastDay == "" || isDay, "LastDay", "is a day of every year, such as 12-15")
	check(b.From.IsZero() || b.From.Valid(), "From", "is a date")
	check(b.Until.IsZero() || b.Until.Valid() && b.From.Before(b.Until), "Until", "is a date after From")
	_, err := b.Amount.Mul(int64(b.Count))
	check(err == nil, "Amount", "times Count does not fit")
	return faults
}

func shortName(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}
