package training_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/memstore"
	"github.com/gelombang/gelombang/program/training"
)

type details struct{}

// cardProgram gives a balance, lets courses be bought with it, and pays once after the
// first certificate and review.
func cardProgram() *program.Program[details] {
	from := func(s ...program.State) []program.State { return s }
	do := func(name, arg string) []program.Effect { return []program.Effect{{Name: name, Arg: arg}} }
	facts := program.NewFacts[details]()
	return &program.Program[details]{
		ID: "card", Facts: facts, Zone: "Asia/Jakarta",
		Policy: eligibility.Policy{Name: "card", Rules: []eligibility.Rule{{Code: "adult", Require: facts.BirthDate.AgeAtLeast(18),
			At: []string{"payout"}, Basis: eligibility.WithoutArticle("applicants are adults")}}},
		Benefits: payment.Benefits{payment.Balance("training", payment.Rupiah(1_000_000)), payment.Instalments("cash", 1, payment.Rupiah(600_000))},
		Lifecycle: program.Table{
			Name: "card", Version: 1, Start: "joined",
			States: program.States{
				{State: "joined"}, {State: "holder"}, {State: "learning"}, {State: "trained"}, {State: "certified"},
				{State: "paid", Payable: true}, {State: "over"}, {State: "closed", Final: true},
			},
			Sets: program.Sets{"any": {"holder", "learning", "trained", "certified", "paid"}},
			Moves: program.Moves{
				{On: "admit", From: from("joined"), To: "holder", Do: do("entitle", "training")},
				{On: "buy", From: from("holder"), To: "learning", Do: do("spend", "training")},
				{On: "buy", From: from("learning"), To: "learning", Do: do("spend", "training")},
				{On: "refund", From: from("learning"), To: "holder", Do: do("refund", "training")},
				{On: "refund", From: from("over"), To: "over", Do: do("refund", "training")},
				{On: "close", From: from("over"), To: "closed"},
				{On: "complete", From: from("learning"), To: "trained"},
				{On: "certify", From: from("trained"), To: "certified"},
				{On: "review", From: from("certified"), To: "paid", Do: do("entitle", "cash")},
				{On: "end", From: from("any"), To: "over", Do: do("lapse", "training")},
			},
		},
	}
}

func day(n int) time.Time { return time.Date(2026, time.March, n, 3, 0, 0, 0, time.UTC) }

// shop is a desk on a movable clock, with one holder.
type shop struct {
	t      *testing.T
	now    time.Time
	store  program.Store
	engine *program.Engine[details]
	desk   *training.Desk[details]
	keys   program.Keyring
	ani    uuid.UUID
	signer ed25519.PrivateKey
	setup  training.Setup
	people int
}

var officer = program.By{Actor: "officer"}

func newShop(t *testing.T, change func(*program.Program[details], *training.Setup)) *shop {
	s := &shop{t: t, now: day(1), store: memstore.New()}
	s.signer = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, 32))
	public := s.signer.Public().(ed25519.PublicKey)
	p := cardProgram()
	s.setup = training.Setup{
		Benefit: "training", Zone: "Asia/Jakarta",
		Events: training.Events{Bought: "buy", Refunded: "refund", Completed: "complete", Certified: "certify", Reviewed: "review"},
		Rules:  training.Rules{MinHours: 15, MinReview: 600, Control: 250},
		Partners: []training.Partner{
			{ID: "pijar", Kind: training.PlatformKind, Name: "Pijar", Key: public}, {ID: "other", Kind: training.PlatformKind, Name: "Other", Key: public},
			{ID: "lpk", Kind: training.Institution, Name: "LPK"}, {ID: "kursus", Kind: training.Institution, Name: "Kursus"},
		},
		Stakes: []training.Stake{{Owner: "pijar", Owned: "kursus", PerMille: 300}},
	}
	if change != nil {
		change(p, &s.setup)
	}
	keys, err := program.NewLocalKeyring(bytes.Repeat([]byte{7}, 32), rand.Reader)
	require.NoError(t, err)
	s.keys = keys
	around := program.Surroundings{Clock: func() time.Time { return s.now }, Random: rand.Reader}
	s.engine, err = program.NewEngine(p, s.store, keys, around, nil)
	require.NoError(t, err)
	s.desk, err = training.NewDesk(s.engine, keys, around, s.setup)
	require.NoError(t, err)
	ctx := t.Context()
	require.NoError(t, s.engine.Fund(ctx, officer, payment.Rupiah(100_000_000)))
	require.NoError(t, s.engine.PlanWave(ctx, officer, program.WaveOrder{Number: 1, Opens: s.now, Closes: s.now.AddDate(0, 6, 0)}))
	require.NoError(t, s.engine.OpenWave(ctx, officer, 1))
	s.ani = s.holder("Ani")
	return s
}

func (s *shop) holder(name string) uuid.UUID {
	s.people++
	id, err := s.engine.Register(s.t.Context(), officer, program.Registration[details]{Person: program.Person{
		Name: identity.NewName(name), National: identity.NewSecret(fmt.Sprintf("31710141019%05d", s.people)), Birth: calendar.Of(1990, 1, 1)}})
	require.NoError(s.t, err)
	_, err = s.engine.Join(s.t.Context(), officer, 1, id)
	require.NoError(s.t, err)
	require.NoError(s.t, s.engine.Fire(s.t.Context(), officer, 1, id, program.Report{Event: "admit"}))
	return id
}

func course(id string, price int64) training.Course {
	return training.Course{ID: id, Platform: "pijar", Institution: "lpk", Title: "Barista", Mode: training.Hybrid, Hours: 20, Sessions: 2,
		Price: payment.Rupiah(price), Capacity: 2, Review: 800, From: calendar.Of(2026, 3, 1), Until: calendar.Of(2026, 3, 31)}
}

func (s *shop) order(voucher, course string) training.Order {
	return training.Order{Voucher: voucher, Wave: 1, Applicant: s.ani, Course: course}
}

func (s *shop) left() int64 {
	n, err := s.engine.Left(s.t.Context(), 1, s.ani, "training")
	require.NoError(s.t, err)
	return n / 100
}

func (s *shop) state(id uuid.UUID) program.State {
	a, err := s.engine.Application(s.t.Context(), 1, id)
	require.NoError(s.t, err)
	return a.State
}

func attended(sessions ...int) []training.Attendance {
	var all []training.Attendance
	for _, n := range sessions {
		all = append(all, training.Attendance{Session: n, Present: true, Seen: day(1), Method: "face"})
	}
	return all
}

func (s *shop) says(v training.Voucher, state training.VoucherState, proofs ...training.Attendance) (training.Voucher, []training.Reason, error) {
	body, signature, err := training.SignNotice(s.signer, training.Notice{Platform: v.Platform, Progress: training.Progress{
		Voucher: v.Number, Course: v.Course, Price: v.Price, State: state, At: s.now, Attendance: proofs}})
	require.NoError(s.t, err)
	return s.desk.Take(s.t.Context(), program.By{Actor: v.Platform}, body, signature)
}

// The whole way: offered, bought, attended, completed, certified, checked by the public,
// reviewed; the money and the lifecycle follow.
func TestTheWholeWay(t *testing.T) {
	s, ctx := newShop(t, nil), t.Context()
	require.NoError(t, s.desk.Offer(ctx, officer, course("barista", 700_000)))
	v, err := s.desk.Buy(ctx, officer, s.order("V-1", "barista"))
	require.NoError(t, err)
	require.EqualValues(t, 300_000, s.left())
	spent, err := s.desk.Spent(ctx, "pijar", payment.IDR)
	require.NoError(t, err)
	require.Equal(t, payment.Rupiah(700_000), spent)

	v, why, err := s.says(v, training.Redeemed, attended(1)...)
	require.NoError(t, err)
	require.Empty(t, why)
	require.Equal(t, training.Redeemed, v.State)
	v, _, err = s.says(v, training.Completed, attended(1)...)
	require.NoError(t, err)
	require.Equal(t, training.Redeemed, v.State, "the platform's word is not enough: a session has no proof")
	_, err = s.desk.Certify(ctx, officer, "V-1")
	var no *training.RefusedError
	require.ErrorAs(t, err, &no)
	require.Equal(t, training.CodeSession, no.Reasons[0].Code)

	v, _, err = s.desk.Prove(ctx, officer, "V-1", "face-check", attended(2))
	require.NoError(t, err)
	require.Equal(t, training.Completed, v.State)
	require.Equal(t, program.State("trained"), s.state(s.ani))

	c, err := s.desk.Certify(ctx, officer, "V-1")
	require.NoError(t, err)
	again, err := s.desk.Certify(ctx, officer, "V-1")
	require.NoError(t, err)
	require.Equal(t, c, again)
	doc, err := c.Document()
	require.NoError(t, err)
	public, err := s.desk.Certificate(ctx, c.Number)
	require.NoError(t, err)
	read, err := training.CheckCertificate(doc, public)
	require.NoError(t, err)
	require.Equal(t, "Ani", read.Holder.Reveal())

	_, err = s.desk.Review(ctx, officer, "V-1", 5, "Bagus sekali")
	require.NoError(t, err)
	require.Equal(t, program.State("paid"), s.state(s.ani))
	breaches, err := s.engine.Verify(ctx)
	require.NoError(t, err)
	require.Empty(t, breaches)
}
