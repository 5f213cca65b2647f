package program_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/memstore"
	"github.com/gelombang/gelombang/program/programtest"
)

// unasked are people of whom nothing is known: every fourth is an official, and the
// register knows nobody whose number is a multiple of seven.
type unasked struct{ n int }

func (p unasked) Next(_ context.Context, done int64, limit int) ([]program.Registration[details], error) {
	var some []program.Registration[details]
	for i := int(done); i < p.n && len(some) < limit; i++ {
		some = append(some, program.Registration[details]{Details: details{Pool: "north"}, Person: program.Person{
			Name: identity.NewName(fmt.Sprint("Orang ", i)), National: identity.NewSecret(national(i)), Birth: calendar.Of(1990, time.March, 1)}})
	}
	return some, nil
}

func bknTruth(n int) map[string]map[string]bool {
	truth := map[string]map[string]bool{}
	for i := range n {
		if i%7 != 0 {
			truth[national(i)] = map[string]bool{"official": i%4 == 0}
		}
	}
	return truth
}

// inquiry is a wave of people of whom nothing is known, with a verifier. It runs in a
// bubble: waits take no time.
type inquiry struct {
	*story
	t      *testing.T
	e      *program.Engine[details]
	far    *programtest.FaultyVerifier
	caller *program.Caller
	sweeps int
}

const asked = 40

func newInquiry(t *testing.T, batch int) *inquiry {
	q := &inquiry{story: newStory(memstore.New()), t: t}
	q.now, q.chunk = day(1), 50
	q.e = q.engine(t)
	ctx := t.Context()
	_, err := q.e.RegisterAll(ctx, program.By{Actor: "registrar"}, "register", unasked{asked})
	require.NoError(t, err)
	require.NoError(t, q.e.PlanWave(ctx, program.By{Actor: "planner"}, program.WaveOrder{Number: 1, Opens: day(1), Closes: day(20), Plan: testPlan()}))
	require.NoError(t, q.e.OpenWave(ctx, program.By{Actor: "planner"}, 1))
	q.far = programtest.NewFaultyVerifier(program.VerifierTerms{Source: "bkn", Facts: []string{"official"}, Batch: batch, Fresh: 30 * 24 * time.Hour, Later: 48 * time.Hour,
		PerCall: payment.Rupiah(100), PerPerson: payment.Rupiah(10)}, day(1), bknTruth(asked))
	q.caller, err = program.NewCaller(q.far, func() time.Time { return q.now }, nil)
	require.NoError(t, err)
	return q
}

func (q *inquiry) joinAll() {
	_, err := q.e.JoinAll(q.t.Context(), program.By{Actor: "registrar"}, "join", 1, nil)
	require.NoError(q.t, err)
}

func (q *inquiry) sweep(job string) (program.Counts, error) {
	return q.e.AskVerifier(q.t.Context(), program.By{Actor: "sweeper"}, job, program.VerifyOrder{Wave: 1, States: []program.State{"joined"}, Caller: q.caller})
}

// screen checks everybody and counts where they stand then.
func (q *inquiry) screen() program.Counts {
	q.sweeps++
	counts, err := q.e.CheckAll(q.t.Context(), program.By{Actor: "screener"}, fmt.Sprint("screen ", q.sweeps), 1, "joined")
	require.NoError(q.t, err)
	return counts
}

func (q *inquiry) cost() program.Cost {
	costs, err := q.e.Costs(q.t.Context(), "bkn")
	require.NoError(q.t, err)
	return costs[0]
}

// Everybody is asked about once, in batches; evidence has its source and time; who is
// unknown stays unknown; each call is in the register, with its cost.
func TestAskingAVerifier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newInquiry(t, 6)
		q.joinAll()
		counts, err := q.sweep("ask 1")
		require.NoError(t, err)
		require.Equal(t, program.Counts{"done": asked, "answered": asked}, counts)
		calls, people, units := int64(0), int64(0), int64(0)
		require.NoError(t, program.Called(t.Context(), q.store, func(at time.Time, actor string, c program.Call) error {
			require.Equal(t, "sweeper", actor)
			require.Equal(t, "official", c.Purpose)
			calls, people, units = calls+1, people+c.People, units+c.Cost.Units
			return nil
		}))
		require.Equal(t, program.Cost{Source: "bkn", Calls: calls, People: people, Units: units}, q.cost())
		require.EqualValues(t, asked, people)
		require.EqualValues(t, q.far.Calls(), calls)
		require.Equal(t, payment.Rupiah(100*calls+10*asked).Units, units)
		require.NoError(t, q.e.Cases(t.Context(), 1, []program.State{"joined"}, true, func(c *program.Case[details]) error {
			e := c.Applicant.Evidence["official"]
			require.Equal(t, "bkn", e.Source)
			require.Equal(t, day(1), e.Seen)
			return nil
		}))
		counts = q.screen()
		// 0, 4, 8 .. 36 are officials; 0, 7, 14 .. 35 are not known; 0 and 28 are both.
		require.EqualValues(t, 8, counts["state.out"])
		require.EqualValues(t, 26, counts["state.in_roll"])
		left := 0
		require.NoError(t, q.e.Cases(t.Context(), 1, []program.State{"joined"}, false, func(*program.Case[details]) error { left++; return nil }))
		require.Equal(t, 6, left, "who is not known is pending")
		clean(t, q.e)
	})
}

// A fresh answer is not asked for again; an old one is.
func TestFreshness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newInquiry(t, 50)
		q.joinAll()
		for sweep, want := range []program.Counts{{"done": asked, "answered": asked}, {"done": asked, "fresh": asked}, {"done": asked, "answered": asked}} {
			if sweep == 2 {
				q.now = day(1).Add(30 * 24 * time.Hour)
				q.far.Advance(30 * 24 * time.Hour)
			}
			counts, err := q.sweep(fmt.Sprint("ask ", sweep))
			require.NoError(t, err)
			require.Equal(t, want, counts)
		}
	})
}

// While the partner is dead people join, nobody passes a check and nobody is refused. The
// job stands still, and goes on when the partner is back.
func TestADeadPartner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newInquiry(t, 6)
		q.far.Set(func(f *programtest.FaultyVerifier) { f.Dead = true })
		q.joinAll()
		var down *program.DownError
		_, err := q.sweep("ask 1")
		require.ErrorAs(t, err, &down)
		require.Equal(t, program.DownError{Source: "bkn", Until: q.now.Add(time.Minute)}, *down)
		calls := q.far.Calls()
		_, err = q.sweep("ask 1")
		require.ErrorAs(t, err, &down)
		require.Equal(t, calls, q.far.Calls(), "it is left in peace")
		counts := q.screen()
		require.Zero(t, counts["state.in_roll"]+counts["state.out"], "nothing fails open, and nothing closed")

		late := program.Registration[details]{Details: details{Pool: "north"}, Person: program.Person{
			Name: identity.NewName("Late"), National: identity.NewSecret(national(asked + 1)), Birth: calendar.Of(1990, time.March, 1)}}
		id, err := q.e.Register(t.Context(), program.By{Actor: "registrar"}, late)
		require.NoError(t, err)
		_, err = q.e.Join(t.Context(), program.By{Actor: "registrar"}, 1, id)
		require.NoError(t, err, "joining goes on")

		q.far.Set(func(f *programtest.FaultyVerifier) { f.Dead = false })
		q.now = q.now.Add(time.Minute)
		counts, err = q.sweep("ask 1")
		require.NoError(t, err)
		require.EqualValues(t, asked+1, counts["done"])
		unanswered := counts["unanswered"]
		require.LessOrEqual(t, unanswered, int64(5))
		counts, err = q.sweep("ask 2")
		require.NoError(t, err)
		require.Equal(t, unanswered, counts["answered"], "who was passed over is asked about by the next job")
		counts = q.screen()
		require.EqualValues(t, 26, counts["state.in_roll"])
		clean(t, q.e)
	})
}

// However often the partner dies and comes back, in the end everybody has an answer and
// the register has every call that the partner has had.
func TestAPartnerThatComesAndGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newInquiry(t, 3)
		q.joinAll()
		for i := range 60 {
			q.far.Set(func(f *programtest.FaultyVerifier) { f.Dead = i%3 != 2 })
			if i%5 == 0 {
				q.far.Fault(programtest.AnswersLost)
			}
			if i%7 == 0 {
				q.far.Fault(programtest.AnswersPartial)
			}
			q.now = q.now.Add(2 * time.Minute)
			_, err := q.sweep(fmt.Sprint("ask ", i/10))
			var down *program.DownError
			if err != nil {
				require.ErrorAs(t, err, &down)
			}
		}
		q.far.Set(func(f *programtest.FaultyVerifier) { f.Dead = false })
		q.now = q.now.Add(2 * time.Minute)
		_, err := q.sweep("ask 5")
		require.NoError(t, err)
		for i := range 20 { // until no fault is left
			_, err := q.sweep(fmt.Sprint("last ", i))
			require.NoError(t, err)
		}
		counts, err := q.sweep("control")
		require.NoError(t, err)
		require.Equal(t, program.Counts{"done": asked, "fresh": asked}, counts)
		require.EqualValues(t, q.far.Calls(), q.cost().Calls)
		clean(t, q.e)
	})
}

// One question that the partner cannot bear stops nobody else.
func TestAPoisonedQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newInquiry(t, 40)
		q.joinAll()
		q.far.Set(func(f *programtest.FaultyVerifier) { f.Poison = map[string]bool{national(3): true, national(20): true} })
		counts, err := q.sweep("ask 1")
		require.NoError(t, err)
		require.Equal(t, program.Counts{"done": asked, "answered": asked - 2, "unanswered": 2}, counts)
		q.screen()
		pending := 0
		require.NoError(t, q.e.Cases(t.Context(), 1, []program.State{"joined"}, true, func(c *program.Case[details]) error {
			if c.Applicant.Evidence["official"].Unknown == program.UnknownSourceDown {
				pending++
			}
			return nil
		}))
		require.Equal(t, 2, pending)
	})
}

// Answers that come later are collected, and asked for again only when they are late.
func TestAnswersThatComeLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newInquiry(t, 10)
		q.joinAll()
		q.far.Set(func(f *programtest.FaultyVerifier) { f.Late = true })
		counts, err := q.sweep("ask 1")
		require.NoError(t, err)
		require.Equal(t, program.Counts{"done": asked, "awaited": asked}, counts)
		calls := q.far.Calls()
		require.Zero(t, q.screen()["state.in_roll"], "what is awaited is unknown")
		pass := func(d time.Duration) { q.now = q.now.Add(d); q.far.Advance(d) }
		pass(47 * time.Hour)
		counts, err = q.sweep("ask 2")
		require.NoError(t, err)
		require.Equal(t, program.Counts{"done": asked, "awaited": asked}, counts)
		q.far.Advance(time.Hour)
		counts, err = q.sweep("ask 3")
		require.NoError(t, err)
		require.Equal(t, program.Counts{"done": asked, "answered": asked}, counts)
		require.Equal(t, calls, q.far.Calls(), "collecting is not asking")
		require.EqualValues(t, 26, q.screen()["state.in_roll"])
	})
}

// What a partner says twice and differently, or of somebody else, is not believed.
func TestAnswersThatDoNotFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for fault, want := range map[programtest.VerifierFault]string{
			programtest.AnswersTwice: program.UnknownConflicting, programtest.AnswersStray: program.UnknownSourceDown,
		} {
			q := newInquiry(t, asked)
			q.joinAll()
			q.far.Fault(fault)
			counts, err := q.sweep("ask")
			require.NoError(t, err)
			if fault == programtest.AnswersStray {
				require.EqualValues(t, asked, counts["stray"])
			}
			n := 0
			require.NoError(t, q.e.Cases(t.Context(), 1, []program.State{"joined"}, true, func(c *program.Case[details]) error {
				if e := c.Applicant.Evidence["official"]; e.Unknown == want {
					n++
				}
				return nil
			}))
			require.Greater(t, n, 30, string(fault))
			require.Zero(t, q.screen()["state.in_roll"])
		}
	})
}

// A partner that does not answer leaves what was known as it was.
func TestSilenceErasesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newInquiry(t, 50)
		q.joinAll()
		_, err := q.sweep("ask 1")
		require.NoError(t, err)
		q.now = day(1).Add(31 * 24 * time.Hour)
		q.far.Fault(programtest.AnswersPartial)
		counts, err := q.sweep("ask 2")
		require.NoError(t, err)
		require.EqualValues(t, asked/2, counts["unanswered"])
		require.NoError(t, q.e.Cases(t.Context(), 1, []program.State{"joined"}, true, func(c *program.Case[details]) error {
			require.NotEqual(t, program.UnknownSourceDown, c.Applicant.Evidence["official"].Unknown)
			return nil
		}))
	})
}

// One who waits is asked about at once, whether or not in a wave; everybody can be.
func TestAskingAboutOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newInquiry(t, 5)
		id, err := q.e.Register(t.Context(), program.By{Actor: "registrar"}, program.Registration[details]{Person: program.Person{
			Name: identity.NewName("Ani"), National: identity.NewSecret(national(1000))}})
		require.NoError(t, err)
		for _, want := range []string{"answered", "fresh"} {
			said, err := q.e.AskVerifierAbout(t.Context(), program.By{Actor: "desk"}, id, q.caller)
			require.NoError(t, err)
			require.Equal(t, want, said)
		}
		counts, err := q.e.AskVerifier(t.Context(), program.By{Actor: "sweeper"}, "everybody", program.VerifyOrder{Caller: q.caller})
		require.NoError(t, err)
		require.Equal(t, program.Counts{"done": asked + 1, "answered": asked, "fresh": 1}, counts)
	})
}

// teller tells what a verifier is shown.
type teller struct {
	*programtest.FaultyVerifier
	seen func(program.Question)
}

func (v teller) Ask(ctx context.Context, questions []program.Question) ([]program.VerifierAnswer, error) {
	for _, q := range questions {
		v.seen(q)
	}
	return v.FaultyVerifier.Ask(ctx, questions)
}

// A verifier is told what it needs and nothing else, under a name that only it knows.
func TestWhatAVerifierIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newInquiry(t, 5)
		q.joinAll()
		references := map[string]bool{}
		caller, err := program.NewCaller(teller{q.far, func(question program.Question) {
			require.Empty(t, question.Person.Name.Reveal())
			require.NotEmpty(t, question.Person.National.Reveal())
			require.Len(t, question.Reference, 32)
			references[question.Reference] = true
		}}, func() time.Time { return q.now }, nil)
		require.NoError(t, err)
		q.caller = caller
		_, err = q.sweep("ask")
		require.NoError(t, err)
		require.Len(t, references, asked)
	})
}

// Waits double up to the most and are shortened by chance; a call that is refused is not
// made again.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newInquiry(t, 1)
		id, err := q.e.Register(t.Context(), program.By{Actor: "registrar"}, program.Registration[details]{Person: program.Person{
			Name: identity.NewName("Ani"), National: identity.NewSecret(national(1000))}})
		require.NoError(t, err)
		q.far.Set(func(f *programtest.FaultyVerifier) { f.Dead = true })
		for _, c := range []struct {
			jitter func() float64
			want   time.Duration
		}{{nil, 1 + 2 + 3 + 3}, {func() float64 { return 0.5 }, (1 + 2 + 3 + 3) * 3 / 4}} {
			caller, err := program.NewCaller(q.far, func() time.Time { return q.now }, &program.Patience{Tries: 5, First: time.Second, Most: 3 * time.Second, Jitter: c.jitter})
			require.NoError(t, err)
			began := time.Now()
			_, err = q.e.AskVerifierAbout(t.Context(), program.By{Actor: "desk"}, id, caller)
			require.NoError(t, err)
			waited := time.Since(began)
			require.GreaterOrEqual(t, waited, c.want*time.Second)
			require.Less(t, waited, (c.want+1)*time.Second)
		}
		refusing := refuser{q.far}
		caller, err := program.NewCaller(refusing, func() time.Time { return q.now }, nil)
		require.NoError(t, err)
		began := time.Now()
		for range 20 {
			_, err = q.e.AskVerifierAbout(t.Context(), program.By{Actor: "desk"}, id, caller)
			require.NoError(t, err)
		}
		require.Zero(t, time.Since(began))
		_, down := caller.Down()
		require.False(t, down, "who refuses is there")
	})
}

type refuser struct{ *programtest.FaultyVerifier }

func (refuser) Ask(context.Context, []program.Question) ([]program.VerifierAnswer, error) {
	return nil, fmt.Errorf("no: %w", program.ErrRefusedCall)
}
