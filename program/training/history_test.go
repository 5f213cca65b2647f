package training_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/training"
	"github.com/gelombang/gelombang/program/training/trainingtest"
)

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
