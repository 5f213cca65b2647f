package payment

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/calendar"
)

var normalScheme = calendar.Of(2023, time.February, 17)

// twoEditions is a program whose amounts changed on one day.
func twoEditions() Benefits {
	return Benefits{
		Balance("training", Rupiah(1_000_000)).Expires("12-15").Between(calendar.Date{}, normalScheme, "first"),
		Instalments("incentive", 4, Rupiah(600_000)).Monthly().Between(calendar.Date{}, normalScheme, "first"),
		Balance("training", Rupiah(3_500_000)).Expires("12-15").Between(normalScheme, calendar.Date{}, "second"),
		Instalments("incentive", 1, Rupiah(600_000)).Between(normalScheme, calendar.Date{}, "second"),
	}
}

// What is promised is what was in force on the day, on the basis of that day.
func TestAmountsFollowTheDay(t *testing.T) {
	b := twoEditions()
	require.NoError(t, b.Validate())
	require.Equal(t, []string{"training", "incentive"}, b.Names())
	for day, want := range map[calendar.Date]struct{ total, basis string }{
		normalScheme.AddDays(-1): {"Rp3.400.000", "first"}, normalScheme: {"Rp4.100.000", "second"},
	} {
		of := b.On(day)
		require.Len(t, of, 2)
		total, err := of.Total()
		require.NoError(t, err)
		require.Equal(t, want.total, total.String(), day)
		training, ok := of.Find("training")
		require.True(t, ok)
		require.Equal(t, want.basis, training.Basis)
	}
	require.Empty(t, b.On(calendar.Date{}), "no day, no benefit")
	_, ok := b.On(normalScheme).Find("survey")
	require.False(t, ok)
}

// Editions of one name never overlap, and are of one kind and currency.
func TestEditionsThatDoNotFit(t *testing.T) {
	for field, change := range map[string]func(Benefits){
		"From":            func(b Benefits) { b[0].Until = normalScheme.AddDays(1) },
		"Until":           func(b Benefits) { b[2].Until = b[2].From },
		"Kind":            func(b Benefits) { b[0].Kind = SurveyKind; b[0].LastDay = "" },
		"Amount.Currency": func(b Benefits) { b[2].Amount.Currency = "USD" },
	} {
		b := twoEditions()
		change(b)
		var fault *BenefitError
		require.True(t, errors.As(b.Validate(), &fault), field)
		require.Equal(t, field, fault.Field)
	}
	open := Benefits{Balance("a", Rupiah(1)), Balance("a", Rupiah(2))}
	require.Error(t, open.Validate(), "two without a period are in force together")
}

func TestSchedules(t *testing.T) {
	monthly := Instalments("incentive", 4, Rupiah(600_000)).Monthly()
	due, err := monthly.Schedule(calendar.Of(2020, 10, 31), 0)
	require.NoError(t, err)
	require.Equal(t, []Due{{1, calendar.Of(2020, 10, 31), Rupiah(600_000)}, {2, calendar.Of(2020, 11, 30), Rupiah(600_000)},
		{3, calendar.Of(2020, 12, 31), Rupiah(600_000)}, {4, calendar.Of(2021, 1, 31), Rupiah(600_000)}}, due)
	surveys := PerSurvey("survey", 3, Rupiah(50_000))
	due, err = surveys.Schedule(calendar.Of(2020, 10, 31), 3)
	require.NoError(t, err)
	require.Equal(t, []Due{{3, calendar.Of(2020, 10, 31), Rupiah(50_000)}}, due)
	for number, b := range map[int]Benefit{1: Balance("training", Rupiah(1)), 4: surveys} {
		var fault *ScheduleError
		_, err := b.Schedule(calendar.Of(2020, 1, 1), number)
		require.ErrorAs(t, err, &fault)
	}
	bad := Benefits{{Name: "A b", Kind: "gift", LastDay: "02-29"}, {Name: "A b"}}
	require.GreaterOrEqual(t, len(bad.Validate().(interface{ Unwrap() []error }).Unwrap()), 10)
}

// A balance can be used on its last day, and not on the next; what is granted after the
// last day of a year lapses with the next year's.
func TestTheLastDayOfABalance(t *testing.T) {
	b := Balance("training", Rupiah(1_000_000)).Expires("12-15")
	for granted, want := range map[calendar.Date]calendar.Date{
		calendar.Of(2020, 8, 22): calendar.Of(2020, 12, 15), calendar.Of(2020, 12, 15): calendar.Of(2020, 12, 15),
		calendar.Of(2020, 12, 16): calendar.Of(2021, 12, 15),
	} {
		last, ok := b.Lapses(granted)
		require.True(t, ok)
		require.Equal(t, want, last)
	}
	_, ok := Balance("training", Rupiah(1)).Lapses(calendar.Of(2020, 1, 1))
	require.False(t, ok, "without a last day it does not lapse")
	_, ok = b.Lapses(calendar.Date{})
	require.False(t, ok)
}
