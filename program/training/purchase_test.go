package training_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/training"
)

// reasons are the codes of a refusal.
func reasons(t *testing.T, err error) []string {
	t.Helper()
	var no *training.RefusedError
	require.ErrorAs(t, err, &no)
	var codes []string
	for _, r := range no.Reasons {
		codes = append(codes, r.Code)
	}
	return codes
}

func (s *shop) clean() {
	s.t.Helper()
	for _, verify := range []func() ([]program.Breach, error){
		func() ([]program.Breach, error) { return s.engine.Verify(s.t.Context()) },
		func() ([]program.Breach, error) { return s.desk.Verify(s.t.Context()) },
	} {
		breaches, err := verify()
		require.NoError(s.t, err)
		require.Empty(s.t, breaches)
	}
}

// A course that breaks rules is not offered, with every rule that it breaks.
func TestWhatIsNotOffered(t *testing.T) {
	s, ctx := newShop(t, nil), t.Context()
	short := course("short", 100)
	short.Hours, short.Review = 14, 599
	require.Equal(t, []string{training.CodeHours, training.CodeReview}, reasons(t, s.desk.Offer(ctx, officer, short)))
	own := course("own", 100)
	own.Institution = "kursus" // the platform has 300 of a thousand of it
	require.Equal(t, []string{training.CodeConflict}, reasons(t, s.desk.Offer(ctx, officer, own)))
	stranger := course("stranger", 100)
	stranger.Institution = "nobody"
	require.Equal(t, []string{training.CodePartner}, reasons(t, s.desk.Offer(ctx, officer, stranger)))
	require.Equal(t, []string{training.CodePrice}, reasons(t, s.desk.Offer(ctx, officer, course("free", 0))))
	wrong := course("wrong", 100)
	wrong.Capacity = 0
	var field *program.FieldError
	require.ErrorAs(t, s.desk.Offer(ctx, officer, wrong), &field)
	require.Equal(t, "Course.Capacity", field.Field)
	require.NoError(t, s.desk.Offer(ctx, officer, course("good", 100)), "control")
	require.NoError(t, s.desk.Offer(ctx, officer, course("good", 100)), "the same again changes nothing")
}

// What is bought costs what it cost at the purchase, whatever the price is later; a
// refund gives that back.
func TestThePriceIsFrozen(t *testing.T) {
	s, ctx := newShop(t, nil), t.Context()
	require.NoError(t, s.desk.Offer(ctx, officer, course("barista", 400_000)))
	_, err := s.desk.Buy(ctx, officer, s.order("V-1", "barista"))
	require.NoError(t, err)
	require.NoError(t, s.desk.Offer(ctx, officer, course("barista", 500_000)))
	v, err := s.desk.Buy(ctx, officer, s.order("V-2", "barista"))
	require.NoError(t, err)
	require.Equal(t, payment.Rupiah(500_000), v.Price)
	require.EqualValues(t, 100_000, s.left())
	_, err = s.desk.Refund(ctx, officer, "V-1", "ill")
	require.NoError(t, err)
	require.EqualValues(t, 500_000, s.left())
	s.clean()
}

// Several courses are bought with one balance, to the last rupiah and never above it.
func TestNeverAboveTheBalance(t *testing.T) {
	s, ctx := newShop(t, nil), t.Context()
	for id, price := range map[string]int64{"dear": 1_000_001, "big": 600_000, "rest": 400_000, "cheap": 1} {
		require.NoError(t, s.desk.Offer(ctx, officer, course(id, price)))
	}
	_, err := s.desk.Buy(ctx, officer, s.order("V-0", "dear"))
	require.Equal(t, []string{training.CodeBalance}, reasons(t, err))
	_, err = s.desk.Voucher(ctx, "V-0")
	require.ErrorIs(t, err, program.ErrNotFound)
	for i, id := range []string{"big", "rest"} {
		_, err = s.desk.Buy(ctx, officer, s.order(fmt.Sprint("V-", i+1), id))
		require.NoError(t, err)
	}
	require.Zero(t, s.left())
	_, err = s.desk.Buy(ctx, officer, s.order("V-3", "cheap"))
	require.Equal(t, []string{training.CodeBalance}, reasons(t, err))
	s.clean()
}

// A course has as many holders as seats; one who gives the voucher back makes room.
func TestCapacity(t *testing.T) {
	s, ctx := newShop(t, nil), t.Context()
	require.NoError(t, s.desk.Offer(ctx, officer, course("barista", 100)))
	for i := range 3 {
		o := s.order(fmt.Sprint("V-", i), "barista")
		o.Applicant = s.holder(fmt.Sprint("Person ", i))
		_, err := s.desk.Buy(ctx, officer, o)
		if i < 2 {
			require.NoError(t, err)
			continue
		}
		require.Equal(t, []string{training.CodeFull}, reasons(t, err))
		_, err = s.desk.Refund(ctx, officer, "V-0", "moved")
		require.NoError(t, err)
		_, err = s.desk.Buy(ctx, officer, o)
		require.NoError(t, err)
	}
	s.clean()
}

// It is sold on its first and its last day, and neither before nor after.
func TestThePeriodOffered(t *testing.T) {
	s, ctx := newShop(t, nil), t.Context()
	c := course("barista", 100)
	c.From, c.Until = calendar.Of(2026, 3, 5), calendar.Of(2026, 3, 6)
	require.NoError(t, s.desk.Offer(ctx, officer, c))
	for i, now := range []struct {
		at   time.Time
		sold bool
	}{
		{time.Date(2026, 3, 4, 16, 59, 59, 0, time.UTC), false}, {time.Date(2026, 3, 4, 17, 0, 0, 0, time.UTC), true}, // midnight in Jakarta
		{time.Date(2026, 3, 6, 16, 59, 59, 0, time.UTC), true}, {time.Date(2026, 3, 6, 17, 0, 0, 0, time.UTC), false},
	} {
		s.now = now.at
		_, err := s.desk.Buy(ctx, officer, s.order(fmt.Sprint("V-", i), "barista"))
		if now.sold {
			require.NoError(t, err)
			continue
		}
		require.Equal(t, []string{training.CodeNotOffered}, reasons(t, err))
	}
}

// A number is one voucher: the same order again is answered with it, another order is a
// conflict, and of many at once one buys.
func TestOneNumberOneVoucher(t *testing.T) {
	s, ctx := newShop(t, nil), t.Context()
	c := course("barista", 100_000)
	c.Capacity = 100
	require.NoError(t, s.desk.Offer(ctx, officer, c))
	require.NoError(t, s.desk.Offer(ctx, officer, course("other", 100_000)))
	var wg sync.WaitGroup
	errs := make([]error, 20)
	for i := range errs {
		wg.Go(func() { _, errs[i] = s.desk.Buy(ctx, officer, s.order("V-1", "barista")) })
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	require.EqualValues(t, 900_000, s.left())
	_, err := s.desk.Buy(ctx, officer, s.order("V-1", "other"))
	var conflict *program.KeyConflictError
	require.ErrorAs(t, err, &conflict)
	s.clean()
}

// Many buy many courses at once with one balance: what is bought is never above it.
func TestManyPurchasesAtOnce(t *testing.T) {
	s, ctx := newShop(t, nil), t.Context()
	c := course("barista", 150_000)
	c.Capacity = 5
	require.NoError(t, s.desk.Offer(ctx, officer, c))
	var wg sync.WaitGroup
	var mu sync.Mutex
	bought, full := 0, 0
	for i := range 20 {
		wg.Go(func() {
			_, err := s.desk.Buy(ctx, officer, s.order(fmt.Sprint("V-", i), "barista"))
			mu.Lock()
			defer mu.Unlock()
			var no *training.RefusedError
			switch {
			case err == nil:
				bought++
			case errors.As(err, &no):
				full++
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 5, bought)
	require.Equal(t, 15, full)
	require.EqualValues(t, 250_000, s.left())
	s.clean()
}

// A refund goes to the balance; once the balance has lapsed, to the budget. It is given
// once, and a completed course is not given back.
func TestWhereARefundGoes(t *testing.T) {
	s, ctx := newShop(t, nil), t.Context()
	require.NoError(t, s.desk.Offer(ctx, officer, course("barista", 300_000)))
	for _, v := range []string{"V-1", "V-2"} {
		_, err := s.desk.Buy(ctx, officer, s.order(v, "barista"))
		require.NoError(t, err)
	}
	_, err := s.desk.Refund(ctx, officer, "V-1", "ill")
	require.NoError(t, err)
	_, err = s.desk.Refund(ctx, officer, "V-1", "ill")
	require.NoError(t, err)
	require.EqualValues(t, 700_000, s.left())
	require.NoError(t, s.engine.Fire(ctx, officer, 1, s.ani, program.Report{Event: "end"}))
	require.Zero(t, s.left())
	_, err = s.desk.Refund(ctx, officer, "V-2", "too late")
	require.NoError(t, err)
	require.Zero(t, s.left(), "the balance has lapsed")
	left, err := s.engine.Balances(ctx, "budget/available")
	require.NoError(t, err)
	require.Equal(t, payment.Rupiah(100_000_000).Units, left[0])
	s.clean()
}

// What is refunded after the last day of the balance, which nobody can spend any more, goes
// back to the budget too.
func TestARefundAfterTheLastDay(t *testing.T) {
	s := newShop(t, func(p *program.Program[details], _ *training.Setup) { p.Benefits[0] = p.Benefits[0].Expires("03-20") })
	ctx := t.Context()
	require.NoError(t, s.desk.Offer(ctx, officer, course("barista", 300_000)))
	buy := func(voucher string) {
		_, err := s.desk.Buy(ctx, officer, s.order(voucher, "barista"))
		require.NoError(t, err)
	}
	available := func() int64 {
		left, err := s.engine.Balances(ctx, "budget/available")
		require.NoError(t, err)
		return left[0]
	}
	before := available()
	s.now = day(20)
	buy("V-1")
	_, err := s.desk.Refund(ctx, officer, "V-1", "ill")
	require.NoError(t, err)
	require.EqualValues(t, 1_000_000, s.left(), "on the last day")
	require.Equal(t, before, available())
	buy("V-2")
	s.now = day(21)
	_, err = s.desk.Refund(ctx, officer, "V-2", "cancelled")
	require.NoError(t, err)
	require.EqualValues(t, 700_000, s.left())
	require.Equal(t, before+payment.Rupiah(300_000).Units, available())
	s.clean()
}

func TestACompletedCourseIsNotGivenBack(t *testing.T) {
	s, ctx := newShop(t, nil), t.Context()
	require.NoError(t, s.desk.Offer(ctx, officer, course("barista", 300_000)))
	v, err := s.desk.Buy(ctx, officer, s.order("V-1", "barista"))
	require.NoError(t, err)
	v, _, err = s.says(v, training.Completed, attended(1, 2)...)
	require.NoError(t, err)
	require.Equal(t, training.Completed, v.State)
	_, err = s.desk.Refund(ctx, officer, "V-1", "changed my mind")
	require.Equal(t, []string{training.CodeTooLate}, reasons(t, err))
	_, why, err := s.says(v, training.Refunded)
	require.NoError(t, err)
	require.Equal(t, training.CodeTooLate, why[0].Code)
	s.clean()
}

// A cancelled course is refunded to everybody who has not completed it, and not sold
// any more; who has completed it keeps what was paid.
func TestACancelledCourse(t *testing.T) {
	s, ctx := newShop(t, nil), t.Context()
	c := course("barista", 300_000)
	c.Capacity = 10
	require.NoError(t, s.desk.Offer(ctx, officer, c))
	for i := range 5 {
		o := s.order(fmt.Sprint("V-", i), "barista")
		if i > 0 {
			o.Applicant = s.holder(fmt.Sprint("Person ", i))
		}
		v, err := s.desk.Buy(ctx, officer, o)
		require.NoError(t, err)
		if i == 4 {
			_, _, err = s.says(v, training.Completed, attended(1, 2)...)
			require.NoError(t, err)
		}
	}
	for range 2 {
		out, err := s.desk.CancelCourse(ctx, officer, "barista", "no teacher")
		require.NoError(t, err)
		require.Equal(t, training.Cancellation{Refunded: 4, Completed: 1, Refused: map[string][]training.Reason{}}, out)
	}
	require.EqualValues(t, 1_000_000, s.left())
	_, err := s.desk.Buy(ctx, officer, s.order("V-9", "barista"))
	require.Equal(t, []string{training.CodeCancelled}, reasons(t, err))
	require.Equal(t, []string{training.CodeCancelled}, reasons(t, s.desk.Offer(ctx, officer, course("barista", 1))))
	s.clean()
}

// A platform that cannot hold a course says so, and the price goes back.
func TestThePlatformTurnsAway(t *testing.T) {
	s, ctx := newShop(t, nil), t.Context()
	require.NoError(t, s.desk.Offer(ctx, officer, course("barista", 300_000)))
	v, err := s.desk.Buy(ctx, officer, s.order("V-1", "barista"))
	require.NoError(t, err)
	v, _, err = s.says(v, training.Refunded)
	require.NoError(t, err)
	require.Equal(t, training.Refunded, v.State)
	require.EqualValues(t, 1_000_000, s.left())
	_, why, err := s.says(v, training.Completed, attended(1, 2)...)
	require.NoError(t, err)
	require.Equal(t, training.CodeRefunded, why[0].Code)
	s.clean()
}

// A program without money and without steps of its own for courses: vouchers are kept
// all the same, with their seats and hours.
func TestWithoutMoneyAndSteps(t *testing.T) {
	s := newShop(t, func(_ *program.Program[details], setup *training.Setup) {
		setup.Benefit, setup.Events = "", training.Events{}
	})
	ctx := t.Context()
	c := course("literacy", 0)
	c.Price, c.Capacity = payment.Money{}, 1
	require.NoError(t, s.desk.Offer(ctx, officer, c))
	v, err := s.desk.Buy(ctx, officer, s.order("V-1", "literacy"))
	require.NoError(t, err)
	o := s.order("V-2", "literacy")
	o.Applicant = s.holder("Budi")
	_, err = s.desk.Buy(ctx, officer, o)
	require.Equal(t, []string{training.CodeFull}, reasons(t, err))
	_, _, err = s.says(v, training.Completed, attended(1, 2)...)
	require.NoError(t, err)
	_, err = s.desk.Certify(ctx, officer, "V-1")
	require.NoError(t, err)
	require.Equal(t, program.State("holder"), s.state(s.ani))
	all, err := s.desk.Vouchers(ctx, s.ani)
	require.NoError(t, err)
	require.Equal(t, 20, training.CreditedHours(all, time.UTC, calendar.Of(2026, 1, 1), calendar.Of(2026, 12, 31)))
	require.Zero(t, training.CreditedHours(all, time.UTC, calendar.Of(2025, 1, 1), calendar.Of(2025, 12, 31)))
	s.clean()
}

// What is wrong with a setup is said at once, whole.
func TestASetupIsChecked(t *testing.T) {
	s := newShop(t, nil)
	bad := s.setup
	bad.Zone, bad.Benefit = "Nowhere", "cash"
	bad.Events.Reviewed = "no-such-event"
	bad.Partners = append(bad.Partners, training.Partner{ID: "Bad ID"})
	bad.Stakes = append(bad.Stakes, training.Stake{Owner: "x", Owned: "kursus", PerMille: 800})
	bad.Platforms = map[string]training.Platform{"nobody": nil}
	_, err := training.NewDesk(s.engine, s.keys, program.Surroundings{Clock: time.Now, Random: rand.NewChaCha8([32]byte{})}, bad)
	for _, part := range []string{"Zone", "Events.Bought", "Events.Refunded", "Events.Reviewed", "Partners[4].ID", "Partners[4].Kind", "Stakes[1]", "Platforms.nobody"} {
		require.ErrorContains(t, err, part)
	}
}
