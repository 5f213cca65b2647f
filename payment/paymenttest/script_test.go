package paymenttest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/lifecycle"
)

// scripted answers from bytes: any answer at all.
type scripted struct {
	script []byte
}

func (s *scripted) next() int {
	if len(s.script) == 0 {
		return 0
	}
	b := s.script[0]
	s.script = s.script[1:]
	return int(b)
}

func (s *scripted) Capabilities() payment.Capabilities {
	return payment.Capabilities{ReplaySafe: true, KeyMemory: 2 * day, StatusMemory: 5 * day, Finality: 3 * day, BatchSize: 3}
}

func (s *scripted) Resolve(context.Context, payment.Account) (payment.Resolution, error) {
	return payment.Resolution{}, nil
}

func (s *scripted) answer() payment.Answer {
	standings := []payment.Standing{payment.Taken, payment.Paid, payment.Refused, payment.Absent, payment.Unclear, "", "perhaps"}
	return payment.Answer{Reference: fmt.Sprint("R", s.next()%5), Standing: standings[s.next()%len(standings)]}
}

func (s *scripted) err() error {
	switch s.next() % 6 {
	case 0:
		return fmt.Errorf("dial: %w", payment.ErrNotSent)
	case 1:
		return errors.New("time-out")
	}
	return nil
}

func (s *scripted) Submit(context.Context, []payment.Transfer) ([]payment.Answer, error) {
	answers := make([]payment.Answer, s.next()%6)
	for i := range answers {
		answers[i] = s.answer()
	}
	return answers, s.err()
}

func (s *scripted) Enquire(context.Context, string) (payment.Answer, error) {
	return s.answer(), s.err()
}

func (s *scripted) Statement(context.Context, int64, func(payment.Line) error) (payment.Statement, error) {
	return payment.Statement{}, payment.ErrNoStatement
}

// Whatever a provider answers, and whenever, no judgement is a move that the table
// refuses, and none rejects what is absent before the finality has passed.
func FuzzAnyAnswerIsAMoveOfTheTable(f *testing.F) {
	for _, seed := range []string{"", "\x03\x00\x00\x01\x01\x02\x02\x05", "\x05\x00\x02\x00\x01\x01\x03\x01\x04\x02\x00\x03\x03\x00", "the same order again, and asked, and asked"} {
		f.Add([]byte(seed))
	}
	machine, err := lifecycle.Compile(payment.Table(), map[string]lifecycle.Guard[struct{}]{}, lifecycle.CompileOptions{})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, script []byte) {
		p := &scripted{script[:min(len(script), 4096)]}
		c, now := p.Capabilities(), start
		attempts, transfers := make([]payment.Attempt, 4), make([]payment.Transfer, 4)
		for i := range attempts {
			reference := fmt.Sprint("R", i)
			attempts[i] = payment.Attempt{Reference: reference, State: payment.Submitted, Submitted: now}
			transfers[i] = payment.Transfer{Reference: reference, Amount: payment.Rupiah(1)}
		}
		apply := func(a *payment.Attempt, out payment.Outcome) {
			require.Equal(t, a.Reference, out.Reference)
			require.False(t, out.NotSent && out.Event != "", "what was not sent is as it was")
			if out.Event == "" {
				return
			}
			require.False(t, out.Incident, "an incident moves nothing")
			if out.Event == payment.Reject && out.Answer.Standing == payment.Absent {
				require.False(t, now.Before(start.Add(c.Finality+c.KeyMemory/2)), "absent proves nothing yet")
			}
			step, why := machine.Fire(a.State, out.Event, struct{}{}, lifecycle.Moment{At: now}, nil)
			require.Empty(t, why, "%s of %s", out.Event, a.State)
			a.State = step.To
		}
		for i, out := range payment.Dispatch(t.Context(), p, transfers, now, now) {
			apply(&attempts[i], out)
		}
		for len(p.script) > 0 {
			now = now.Add(time.Duration(p.next()%24) * time.Hour)
			proof := payment.Proof{Through: now.Add(-time.Duration(p.next()%48) * time.Hour)}
			i := p.next() % len(attempts)
			a := &attempts[i]
			switch c.Next(*a, now) {
			case payment.Resend:
				if out := payment.Dispatch(t.Context(), p, transfers[i:i+1], a.Submitted, now)[0]; !out.NotSent {
					apply(a, c.Judge(*a, out.Answer, proof, now))
				}
			default: // asked, or told without having asked
				if answer, err := p.Enquire(t.Context(), a.Reference); err == nil {
					a.Paid = a.Paid || answer.Standing == payment.Paid && answer.Reference == a.Reference
					apply(a, c.Judge(*a, answer, proof, now))
				}
			}
		}
	})
}
