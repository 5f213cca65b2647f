package paymenttest_test

import (
	"maps"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/payment/paymenttest"
)

// harsh is what goes wrong in a simulation, of a thousand calls or orders.
var harsh = map[paymenttest.Fault]int{
	paymenttest.NoConnection: 20, paymenttest.RequestLost: 60, paymenttest.AnswerLost: 40, paymenttest.ServerError: 20,
	paymenttest.Garbage: 10, paymenttest.Conflict: 10, paymenttest.WrongReference: 20, paymenttest.PartialAnswer: 30,
	paymenttest.Refusal: 20, paymenttest.RefusedLater: 20, paymenttest.Late: 40, paymenttest.Comeback: 10,
	paymenttest.EnquiryLost: 50, paymenttest.DoubleBooked: 3,
}

// simulate pays people for ten days and waits until nothing moves any more.
func simulate(t *testing.T, seed uint64, people int, o paymenttest.FaultyOptions, broken rules) *caller {
	c := newCaller(t.Context(), paymenttest.NewFaulty(start, payment.Rupiah(0), seed, &o), people, seed, broken)
	for range 10 {
		c.day(people / 10)
	}
	quiet := 0 // days in which nothing was open: a payment comes back within three
	for c.days < 70 && quiet < 4 {
		if c.day(0); c.ends()["open"] > 0 {
			quiet = -1
		}
		quiet++
	}
	return c
}

// payments is how many people are paid in a simulation: as many as the environment
// variable PAYMENTTEST_PAYMENTS says, or else as many as take a few seconds.
func payments(t *testing.T, ordinary int) int {
	text, ok := os.LookupEnv("PAYMENTTEST_PAYMENTS")
	if !ok {
		return ordinary
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// Whatever is lost, late or forged, and wherever the caller crashes, nobody is paid
// twice, the books are right on every day, and every payment ends.
func TestNobodyIsPaidTwice(t *testing.T) {
	asked := generous
	asked.ReplaySafe = false
	for name, try := range map[string]struct {
		capabilities payment.Capabilities
		people       int
	}{
		"a provider that is safe to repeat": {generous, manyPeople},
		"one that can only be asked":        {asked, 10_000},
	} {
		t.Run(name, func(t *testing.T) {
			n := payments(t, try.people)
			s := simulate(t, 7, n, paymenttest.FaultyOptions{Capabilities: try.capabilities, Rates: harsh}, rules{})
			require.Empty(t, s.broken)
			ends := s.ends()
			t.Logf("%d people, %d payments, %d crashes; ends %v, lines %v", n, len(s.payments), s.crashes, ends, s.classes)
			require.Zero(t, ends["open"], "everything ends settled, rejected or with a person")
			require.Greater(t, ends["settled"], n*98/100, "and nearly everybody is paid")
			require.NotZero(t, s.crashes)
			require.NotZero(t, s.classes[payment.ReturnedLine])
		})
	}
}

// The same for other histories and other promises.
func TestNobodyIsPaidTwiceWhateverTheSeed(t *testing.T) {
	for seed := range uint64(12) {
		c := generous
		c.ReplaySafe = seed%2 == 0
		c.KeyMemory = time.Duration(1+seed%5) * 12 * time.Hour
		c.StatusMemory = time.Duration(seed%4) * 4 * day
		c.Finality = time.Duration(seed%3) * 2 * day
		s := simulate(t, seed, 1_000, paymenttest.FaultyOptions{Capabilities: c, Rates: harsh}, rules{})
		require.Empty(t, s.broken, "seed %d, %+v", seed, c)
		require.Zero(t, s.ends()["open"], "seed %d, %+v, %v", seed, c, s.ends())
	}
}

// A simulation that fails fails again: it follows from its seed alone.
func TestASeedMakesOneHistory(t *testing.T) {
	o := paymenttest.FaultyOptions{Capabilities: generous, Rates: harsh}
	first, second := simulate(t, 7, 500, o, rules{}), simulate(t, 7, 500, o, rules{})
	require.Equal(t, first.payments, second.payments)
	require.Equal(t, first.last, second.last)
}

// The controls: with one rule broken the same simulation breaks an invariant, at the size
// at which it holds with every rule kept.
func TestWithoutARuleSomebodyIsPaidTwice(t *testing.T) {
	asked := generous
	asked.ReplaySafe = false
	twice := "somebody is paid twice"
	lossy := maps.Clone(harsh)
	lossy[paymenttest.RequestLost], lossy[paymenttest.Late] = 300, 200
	for name, c := range map[string]struct {
		options paymenttest.FaultyOptions
		rules   rules
		breaks  string
	}{
		"a new reference on time-out":                          {paymenttest.FaultyOptions{Capabilities: generous}, rules{newReferenceOnTimeout: true}, twice},
		"a provider that is not safe to repeat, but says so":   {paymenttest.FaultyOptions{Capabilities: generous, ForgetsKeys: true}, rules{}, twice},
		"the first not found rejects":                          {paymenttest.FaultyOptions{Capabilities: asked}, rules{rejectOnAbsent: true}, twice},
		"the finality is counted from the first of many calls": {paymenttest.FaultyOptions{Capabilities: generous, Rates: lossy}, rules{finalityFromFirst: true}, twice},
		"a replay past the window":                             {paymenttest.FaultyOptions{Capabilities: generous}, rules{resendForever: true}, twice},
		"two lines settle one payment":                         {paymenttest.FaultyOptions{Capabilities: generous}, rules{sharedLines: true}, "a payment is settled twice"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.options.Rates == nil {
				c.options.Rates = harsh
			}
			n := payments(t, 2_000)
			keeps := simulate(t, 7, n, paymenttest.FaultyOptions{Capabilities: c.options.Capabilities, Rates: c.options.Rates}, rules{})
			require.Empty(t, keeps.broken, "with every rule kept")
			s := simulate(t, 7, n, c.options, c.rules)
			t.Log(s.broken)
			require.NotZero(t, s.broken[c.breaks])
		})
	}
}
