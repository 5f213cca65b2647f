package trainingtest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/training"
)

var start = time.Date(2026, time.March, 2, 2, 0, 0, 0, time.UTC)

func bench(change func(*FaultyOptions)) Bench {
	o := &FaultyOptions{Courses: []training.Course{{ID: "barista", Institution: "lpk", Title: "Barista", Mode: training.Online, Hours: 20, Sessions: 2,
		Price: payment.Rupiah(500_000), Capacity: 10, Review: 800, From: calendar.Of(2026, 1, 1), Until: calendar.Of(2026, 12, 31)}}}
	if change != nil {
		change(o)
	}
	f := NewFaulty("school", start, 7, o)
	return Bench{Platform: f, Far: f, Partner: f.Partner(), Start: start}
}

func TestTheFaultyPlatformKeepsItsPromises(t *testing.T) {
	TestPlatform(t, func(t *testing.T) Bench { return bench(nil) })
}

// listener hears what a case says instead of a test.
type listener struct{ said string }

func (l *listener) Helper() {}
func (l *listener) Fatalf(format string, args ...any) {
	l.said = fmt.Sprintf(format, args...)
	panic(l)
}
func (l *listener) Skip(...any) { panic(l) }

// Each broken promise is found by the case that is there for it: the control of the suite.
func TestBrokenPromisesAreFound(t *testing.T) {
	for name, busted := range map[string]struct {
		change func(*FaultyOptions)
		found  []string
	}{
		"enrols again":   {func(o *FaultyOptions) { o.EnrolsAgain = true }, []string{"a voucher enrols once"}},
		"takes anything": {func(o *FaultyOptions) { o.TakesAnything = true }, []string{"a number belongs to one course and price", "a course that is not sold is refused"}},
		"lists open":     {func(o *FaultyOptions) { o.ListsOpen = true }, []string{"the list has every voucher of its time once"}},
		"another key":    {func(o *FaultyOptions) { o.Unsigned = true }, []string{"what a call-back says is what is asked", "a call-back is the platform's alone"}},
		"wrong courses":  {func(o *FaultyOptions) { o.Courses[0].Hours = 0 }, []string{"the catalogue can be read again"}},
		"nothing broken": {func(*FaultyOptions) {}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var found []string
			for _, c := range cases() {
				l := &listener{}
				func() {
					defer func() {
						if r := recover(); r != nil && r != any(l) {
							panic(r)
						}
					}()
					b := bench(busted.change)
					c.run(&suite{reporter: l, Bench: b, ctx: t.Context(), now: b.Start})
				}()
				if l.said != "" {
					found = append(found, c.name)
				}
			}
			require.Equal(t, busted.found, found)
		})
	}
}

// The same seed and calls have the same faults.
func TestFaultsAreRepeatable(t *testing.T) {
	run := func() []string {
		f := NewFaulty("school", start, 3, &FaultyOptions{Courses: bench(nil).Platform.(*Faulty).options.Courses,
			Rates: map[Fault]int{RequestLost: 200, AnswerLost: 200, NoticeLost: 200, NoticeTwice: 200, NoticesReversed: 300}})
		var seen []string
		for i := range 50 {
			seen = append(seen, fmt.Sprint(f.Redeem(t.Context(), training.Redemption{Voucher: fmt.Sprint("V-", i), Course: "barista", Price: payment.Rupiah(500_000)})))
		}
		for _, n := range f.Notices() {
			seen = append(seen, string(n.Body))
		}
		return seen
	}
	first := run()
	require.Equal(t, first, run())
	require.True(t, slices.Contains(first, "<nil>") && slices.Contains(first, errTimeout.Error()), "control: there are faults, and not only faults")
}
