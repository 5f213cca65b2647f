package training_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/training"
	"github.com/gelombang/gelombang/program/training/trainingtest"
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

// A call-back counts only from the voucher's own platform, of the voucher as it was sold.
func TestWhoseWordCounts(t *testing.T) {
	s, ctx := newShop(t, nil), t.Context()
	require.NoError(t, s.desk.Offer(ctx, officer, course("barista", 300_000)))
	v, err := s.desk.Buy(ctx, officer, s.order("V-1", "barista"))
	require.NoError(t, err)
	body, signature, err := training.SignNotice(s.signer, training.Notice{Platform: "pijar", Progress: training.Progress{Voucher: "V-1", Course: "barista", Price: v.Price, State: training.Redeemed, At: s.now}})
	require.NoError(t, err)
	stranger := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{3}, 32))
	_, forged, err := training.SignNotice(stranger, training.Notice{Platform: "pijar"})
	require.NoError(t, err)
	for rule, sent := range map[string][2]string{
		"signature": {string(body), forged}, "platform": {strings.Replace(string(body), "pijar", "nobod", 1), signature},
		"format": {string(body) + "{}", signature}, "size": {strings.Repeat("x", 1<<20+1), signature},
	} {
		_, _, err = s.desk.Take(ctx, officer, []byte(sent[0]), sent[1])
		var no *training.NoticeError
		require.ErrorAs(t, err, &no)
		require.Equal(t, rule, no.Rule)
	}
	other := v
	other.Platform = "other"
	_, _, err = s.says(other, training.Completed, attended(1, 2)...)
	require.Equal(t, []string{training.CodeOther}, reasons(t, err))
	dearer := v
	dearer.Price = payment.Rupiah(900_000)
	_, why, err := s.says(dearer, training.Completed, attended(1, 2)...)
	require.NoError(t, err)
	require.Equal(t, training.CodeOther, why[0].Code)
	v, err = s.desk.Voucher(ctx, "V-1")
	require.NoError(t, err)
	require.Equal(t, training.Sold, v.State)
	require.Empty(t, v.Proofs)
	_, _, err = s.desk.Prove(ctx, officer, "V-1", "pijar", attended(1))
	require.Error(t, err, "nobody proves in a platform's name")
	_, _, err = s.desk.Take(ctx, officer, body, signature)
	require.NoError(t, err, "control")
}

// A session that one affirms and another denies is not attended until an officer has
// looked; a platform cannot say that it was an officer.
func TestContradictedAttendance(t *testing.T) {
	s, ctx := newShop(t, nil), t.Context()
	require.NoError(t, s.desk.Offer(ctx, officer, course("barista", 300_000)))
	v, err := s.desk.Buy(ctx, officer, s.order("V-1", "barista"))
	require.NoError(t, err)
	_, _, err = s.desk.Prove(ctx, officer, "V-1", "face-check", []training.Attendance{{Session: 2, Seen: day(1), Method: "face"}})
	require.NoError(t, err)
	said := attended(1, 2)
	said[1].Final = true
	v, _, err = s.says(v, training.Completed, said...)
	require.NoError(t, err)
	require.Equal(t, []training.Reason{{Code: training.CodeContradicted}}, s.setup.Rules.Finished(v))
	v, _, err = s.desk.Prove(ctx, officer, "V-1", "inspector", []training.Attendance{{Session: 2, Present: true, Seen: day(1), Method: "interview", Final: true}})
	require.NoError(t, err)
	require.Equal(t, training.Completed, v.State)
}

// Where the program asks for less than all sessions, so many are enough.
func TestThreeOfFourSessions(t *testing.T) {
	r := training.Rules{Attendance: 75}
	v := training.Voucher{Sessions: 4, Claimed: day(1)}
	for n := 1; n <= 3; n++ {
		require.NotEmpty(t, r.Finished(v))
		v.Proofs = append(v.Proofs, attended(n)...)
	}
	require.Empty(t, r.Finished(v))
	require.NotEmpty(t, training.Rules{}.Finished(v), "no rule means all of them")
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

// The public register and what is stored of vouchers say nothing of a person; a
// certificate that is changed in one letter, revoked or another's does not count.
func TestCertificates(t *testing.T) {
	s, ctx := newShop(t, nil), t.Context()
	require.NoError(t, s.desk.Offer(ctx, officer, course("barista", 300_000)))
	v, err := s.desk.Buy(ctx, officer, s.order("V-1", "barista"))
	require.NoError(t, err)
	_, _, err = s.says(v, training.Completed, attended(1, 2)...)
	require.NoError(t, err)
	c, err := s.desk.Certify(ctx, officer, "V-1")
	require.NoError(t, err)
	require.Len(t, c.Number, 16)
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", c, c, &c), "Ani")
	doc, err := c.Document()
	require.NoError(t, err)
	require.Contains(t, string(doc), "Ani", "control: the document has the name")
	public, err := s.desk.Certificate(ctx, c.Number)
	require.NoError(t, err)
	seen := 0
	for _, kind := range []string{"course", "voucher", "certificate"} {
		require.NoError(t, s.engine.Records(ctx, program.RecordScan{Kind: kind}, func(r program.Record) error {
			seen++
			require.NotContains(t, string(r.Body), "Ani")
			return nil
		}))
	}
	require.Equal(t, 3, seen)

	rule := func(doc []byte, p training.PublicCertificate) string {
		_, err := training.CheckCertificate(doc, p)
		var no *training.CertificateError
		require.ErrorAs(t, err, &no)
		return no.Rule
	}
	require.Equal(t, "digest", rule(bytes.Replace(doc, []byte("Ani"), []byte("Adi"), 1), public))
	require.Equal(t, "format", rule(append([]byte(" "), doc...), public))
	stranger := public
	stranger.Number = "ANOTHERNUMBERXXX"
	require.Equal(t, "number", rule(doc, stranger))
	require.NoError(t, s.desk.RevokeCertificate(ctx, officer, "V-1", "issued by mistake"))
	require.NoError(t, s.desk.RevokeCertificate(ctx, officer, "V-1", "issued by mistake"))
	public, err = s.desk.Certificate(ctx, c.Number)
	require.NoError(t, err)
	require.Equal(t, "revoked", rule(doc, public))
	again, err := s.desk.Certify(ctx, officer, "V-1")
	require.NoError(t, err)
	require.NotEqual(t, c.Number, again.Number)
	s.clean()
}

// The digest of a document can be computed in any language: these bytes are for ever.
func TestTheDocumentIsForEver(t *testing.T) {
	doc := `{"format":"gelombang-certificate-1","number":"GEZDGNBVGY3TQOJQ","holder":"Siti <Aminah> & Co","course":"barista","title":"Barista","institution":"lpk","hours":20,"issued":"2026-03-02","salt":"000102030405060708090a0b0c0d0e0f"}`
	c, err := training.ParseCertificate([]byte(doc))
	require.NoError(t, err)
	again, err := c.Document()
	require.NoError(t, err)
	require.Equal(t, doc, string(again))
	public, err := c.Public()
	require.NoError(t, err)
	require.Equal(t, "DIGEST", public.Digest)
}

// Random histories of purchases, refunds, cancelled courses and a platform that loses
// calls and call-backs, sends them twice and out of order: the money is what a model
// says, and after the platform's own list was gone through both agree.
func TestRandomHistories(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { randomHistory(t, seed) })
	}
}

func randomHistory(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 5))
	courses := []training.Course{course("a", 100_000), course("b", 350_000), course("c", 50_000)}
	for i := range courses {
		courses[i].Capacity = 6
	}
	far := trainingtest.NewFaulty("pijar", day(1), seed, &trainingtest.FaultyOptions{Courses: courses, Rates: map[trainingtest.Fault]int{
		trainingtest.RequestLost: 100, trainingtest.AnswerLost: 100, trainingtest.ServerError: 100,
		trainingtest.NoticeLost: 300, trainingtest.NoticeTwice: 200, trainingtest.NoticesReversed: 200}})
	s := newShop(t, func(p *program.Program[details], setup *training.Setup) {
		setup.Partners[0] = far.Partner()
		setup.Platforms = map[string]training.Platform{"pijar": far}
		for i, m := range p.Lifecycle.Moves {
			if m.On == "buy" && m.To == "learning" && len(m.From) == 1 && m.From[0] == "learning" {
				p.Lifecycle.Moves[i].From = []program.State{"learning", "trained"}
			}
			if m.On == "refund" && m.To == "holder" {
				p.Lifecycle.Moves[i].From, p.Lifecycle.Moves[i].To = []program.State{"learning", "trained"}, "learning"
			}
		}
	})
	ctx := t.Context()
	for _, c := range courses {
		require.NoError(t, s.desk.Offer(ctx, officer, c))
	}
	holders := []uuid.UUID{s.ani, s.holder("Budi"), s.holder("Citra")}
	spent := map[uuid.UUID]int64{} // the model: by holder
	price := map[string]int64{"a": 100_000, "b": 350_000, "c": 50_000}
	live := map[string]training.Order{}
	var numbers []string
	again := func(do func() error) {
		for range 50 {
			if err := do(); err == nil || errors.Is(err, training.ErrRefused) {
				return
			}
		}
		t.Fatal("a faulty platform answers in the end")
	}
	take := func() {
		for _, n := range far.Notices() {
			_, _, err := s.desk.Take(ctx, officer, n.Body, n.Signature)
			var no *program.RefusedError
			if err != nil && !errors.As(err, &no) {
				require.NoError(t, err)
			}
		}
	}
	for i := range 120 {
		s.now = s.now.Add(time.Minute)
		far.Advance(time.Minute)
		switch random.IntN(6) {
		case 0, 1:
			o := training.Order{Voucher: fmt.Sprint("V-", i), Wave: 1, Applicant: holders[random.IntN(len(holders))], Course: []string{"a", "b", "c"}[random.IntN(3)]}
			seated := 0
			for _, l := range live {
				if l.Course == o.Course {
					seated++
				}
			}
			_, err := s.desk.Buy(ctx, officer, o)
			if fits := spent[o.Applicant]+price[o.Course] <= 1_000_000 && seated < 6; !fits {
				require.Error(t, err)
				break
			}
			require.NoError(t, err)
			spent[o.Applicant] += price[o.Course]
			live[o.Voucher] = o
			numbers = append(numbers, o.Voucher)
		case 2:
			if len(numbers) == 0 {
				break
			}
			number := numbers[random.IntN(len(numbers))]
			_, err := s.desk.Refund(ctx, officer, number, "asked for")
			if v, e := s.desk.Voucher(ctx, number); e == nil && v.State == training.Refunded && err == nil {
				if o, there := live[number]; there {
					spent[o.Applicant] -= price[o.Course]
					delete(live, number)
				}
			}
		case 3:
			if len(numbers) > 0 {
				number := numbers[random.IntN(len(numbers))]
				if v, _ := s.desk.Voucher(ctx, number); v.State == training.Sold {
					again(func() error { _, err := s.desk.Redeem(ctx, officer, number); return err })
				}
			}
		case 4:
			if len(numbers) > 0 {
				number := numbers[random.IntN(len(numbers))]
				far.Attend(number, 1+random.IntN(2), true)
				if random.IntN(2) == 0 {
					far.Attend(number, 1, true)
					far.Attend(number, 2, true)
					far.Complete(number)
				}
			}
		case 5:
			take()
		}
	}
	take()
	for i, id := range holders {
		left, err := s.engine.Left(ctx, 1, id, "training")
		require.NoError(t, err)
		require.Equal(t, 1_000_000-spent[id], left/100, "holder %d", i)
	}
	s.clean()
	var out training.Reconciliation
	again(func() (err error) {
		out, err = s.desk.Reconcile(ctx, officer, "pijar", day(1), s.now.Add(time.Hour))
		return err
	})
	for _, difference := range out.Differences {
		v, err := s.desk.Voucher(ctx, difference.Voucher)
		require.NoError(t, err)
		require.Equal(t, training.CodeRefunded, difference.Kind, "%+v %s", difference, v.State)
	}
	for number := range live {
		v, err := s.desk.Voucher(ctx, number)
		require.NoError(t, err)
		var said training.Progress
		again(func() (err error) {
			said, err = far.Progress(ctx, number)
			if errors.Is(err, training.ErrUnknown) {
				return nil
			}
			return err
		})
		if said.State == training.Completed {
			require.Contains(t, []training.VoucherState{training.Completed, training.Redeemed}, v.State)
			require.Equal(t, said.State == training.Completed && len(s.setup.Rules.Finished(v)) == 0, v.State == training.Completed)
		}
	}
	again(func() (err error) {
		out, err = s.desk.Reconcile(ctx, officer, "pijar", day(1), s.now.Add(time.Hour))
		return err
	})
	require.Zero(t, out.Learned, "gone through again, the list tells nothing new")
	s.clean()
}

// Whatever order messages come in, and however often, what is known in the end is the
// same.
func TestLearningHasNoOrder(t *testing.T) {
	rules := training.Rules{}
	sold := training.Voucher{Number: "V-1", Course: "a", Sessions: 3, State: training.Sold, Platform: "pijar"}
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		var messages []training.Progress
		var proofs []training.Attendance
		for n := range 1 + random.IntN(3) {
			proofs = append(proofs, attended(n+1)...)
			messages = append(messages, training.Progress{Voucher: "V-1", Course: "a", State: training.Redeemed, At: day(1), Attendance: proofs[:len(proofs):len(proofs)]})
		}
		if random.IntN(2) == 0 {
			messages = append(messages, training.Progress{Voucher: "V-1", Course: "a", State: training.Completed, At: day(1), Attendance: proofs})
		}
		learn := func(order []int) training.VoucherState {
			v := sold
			for _, i := range order {
				v, _ = rules.Learn(v, messages[i], day(2))
			}
			require.Len(t, v.Proofs, len(proofs))
			return v.State
		}
		var order, shuffled []int
		for i := range messages {
			order = append(order, i)
			shuffled = append(shuffled, i, i)
		}
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		require.Equal(t, learn(order), learn(shuffled))
	}
}

// Control passes through holdings of holdings, split shares and circles; a small share
// controls nobody.
func TestConflicts(t *testing.T) {
	for name, c := range map[string]struct {
		stakes []training.Stake
		owners []string
	}{
		"strangers":           {nil, nil},
		"platform owns":       {[]training.Stake{{Owner: "p", Owned: "i", PerMille: 250}}, []string{"p"}},
		"a small share":       {[]training.Stake{{Owner: "p", Owned: "i", PerMille: 249}}, nil},
		"institution owns":    {[]training.Stake{{Owner: "i", Owned: "p", PerMille: 1000}}, []string{"i"}},
		"a holding owns both": {[]training.Stake{{Owner: "h", Owned: "i", PerMille: 300}, {Owner: "h", Owned: "p", PerMille: 300}}, []string{"h"}},
		"through a daughter":  {[]training.Stake{{Owner: "p", Owned: "d", PerMille: 600}, {Owner: "d", Owned: "i", PerMille: 300}}, []string{"p"}},
		"split over two":      {[]training.Stake{{Owner: "p", Owned: "d", PerMille: 600}, {Owner: "d", Owned: "i", PerMille: 150}, {Owner: "p", Owned: "i", PerMille: 100}}, []string{"p"}},
		"a circle":            {[]training.Stake{{Owner: "a", Owned: "b", PerMille: 600}, {Owner: "b", Owned: "a", PerMille: 600}, {Owner: "a", Owned: "p", PerMille: 300}, {Owner: "b", Owned: "i", PerMille: 300}}, []string{"a", "b"}},
		"two owners":          {[]training.Stake{{Owner: "x", Owned: "p", PerMille: 500}, {Owner: "y", Owned: "i", PerMille: 500}}, nil},
	} {
		var owners []string
		for _, conflict := range training.Conflicts(c.stakes, 250, "p", "i") {
			owners = append(owners, conflict.Owner)
		}
		require.Equal(t, c.owners, owners, name)
	}
}

// Whom somebody controls is the smallest set that is closed under ownership: all sets are
// tried.
func TestControlIsTheSmallestClosedSet(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 4))
	names := []string{"p", "i", "x", "y", "z"}
	for range 2000 {
		var stakes []training.Stake
		for range random.IntN(8) {
			s := training.Stake{Owner: names[random.IntN(5)], Owned: names[random.IntN(5)], PerMille: 1 + random.IntN(500)}
			if s.Owner != s.Owned {
				stakes = append(stakes, s)
			}
		}
		var want []string
		for o, owner := range names {
			least := 1<<5 - 1
			for set := range 1 << 5 {
				if set>>o&1 == 1 && closed(names, stakes, set) {
					least &= set
				}
			}
			used := owner == "p" || owner == "i"
			for _, s := range stakes {
				used = used || s.Owner == owner
			}
			if used && least&3 == 3 {
				want = append(want, owner)
			}
		}
		var got []string
		for _, c := range training.Conflicts(stakes, 400, "p", "i") {
			got = append(got, c.Owner)
		}
		require.ElementsMatch(t, want, got, "%v", stakes)
	}
}

func closed(names []string, stakes []training.Stake, set int) bool {
	for n, name := range names {
		sum := 0
		for _, s := range stakes {
			for o, owner := range names {
				if s.Owned == name && s.Owner == owner && set>>o&1 == 1 {
					sum += s.PerMille
				}
			}
		}
		if sum >= 400 && set>>n&1 == 0 {
			return false
		}
	}
	return true
}

func FuzzOpenNotice(f *testing.F) {
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	partners := []training.Partner{{ID: "p", Kind: training.PlatformKind, Key: key.Public().(ed25519.PublicKey)}}
	body, signature, err := training.SignNotice(key, training.Notice{Platform: "p", Progress: training.Progress{Voucher: "V", Attendance: attended(1)}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body, signature)
	f.Add([]byte(`{"platform":"p"}`), "")
	f.Fuzz(func(t *testing.T, data []byte, made string) {
		if _, err := training.OpenNotice(partners, data, made); err == nil && (!bytes.Equal(data, body) || made != signature) {
			t.Fatal("something else than what was signed is verified")
		}
	})
}

func FuzzParseCertificate(f *testing.F) {
	c := training.Certificate{Number: "X", Title: "<&>\u2028\xff"}
	doc, err := c.Document()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(doc)
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := training.ParseCertificate(data); err == nil {
			again, err := c.Document()
			require.NoError(t, err)
			require.Equal(t, string(data), string(again))
		}
	})
}
