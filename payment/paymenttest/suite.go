package paymenttest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/gelombang/gelombang/payment"
)

// reporter is what the cases need of a *testing.T.
type reporter interface {
	Helper()
	Fatalf(format string, args ...any)
	Skip(args ...any)
}

var _ reporter = (*testing.T)(nil)

type suite struct {
	reporter
	Bench
	ctx   context.Context
	c     payment.Capabilities
	now   time.Time
	items int64
}

func newSuite(r reporter, ctx context.Context, b Bench) *suite {
	s := &suite{reporter: r, Bench: b, ctx: ctx, c: b.Provider.Capabilities(), now: b.Start}
	if s.Amount == (payment.Money{}) {
		s.Amount = s.c.Least
	}
	if s.Amount == (payment.Money{}) {
		s.Amount = payment.Rupiah(10_000)
	}
	return s
}

func (s *suite) orders(n int) []payment.Transfer {
	orders := make([]payment.Transfer, n)
	for i := range orders {
		s.items++
		reference, err := payment.Reference(1, s.items, 1)
		if err != nil {
			s.Fatalf("Reference: %v", err)
		}
		orders[i] = payment.Transfer{Reference: reference, Amount: s.Amount, To: s.To}
	}
	return orders
}

func (s *suite) order() payment.Transfer { return s.orders(1)[0] }

func (s *suite) pass(d time.Duration) {
	s.Far.Advance(d)
	s.now = s.now.Add(d)
}

func (s *suite) fault(f Fault) {
	if !s.Far.Fault(f) {
		s.Skip("the far side cannot have the fault " + string(f))
	}
}

func (s *suite) promise(has bool, sentence string) {
	if !has {
		s.Skip("the provider does not promise " + sentence)
	}
}

// submit hands orders over as a caller does, and follows their attempts.
func (s *suite) submit(orders ...payment.Transfer) []*attempt {
	s.Helper()
	outcomes := payment.Dispatch(s.ctx, secretive{s.Provider, s}, orders, s.now, s.now)
	attempts := make([]*attempt, len(orders))
	for i, o := range outcomes {
		attempts[i] = &attempt{Attempt: payment.Attempt{Reference: o.Reference, State: payment.Submitted, Submitted: s.now}, last: o}
		attempts[i].apply(s, o)
	}
	return attempts
}

// attempt follows what the answers make of one order.
type attempt struct {
	payment.Attempt
	last payment.Outcome
}

func (a *attempt) judge(s *suite, answer payment.Answer, proof payment.Proof) payment.Outcome {
	s.Helper()
	out := s.c.Judge(a.Attempt, answer, proof, s.now)
	a.apply(s, out)
	return out
}

func (a *attempt) apply(s *suite, out payment.Outcome) {
	s.Helper()
	a.last = out
	a.Paid = a.Paid || out.Answer.Reference == a.Reference && out.Answer.Standing == payment.Paid
	if out.Event == "" {
		return
	}
	to, ok := after(a.State, out.Event)
	if !ok {
		s.Fatalf("%s of a payment that is %s", out.Event, a.State)
	}
	a.State = to
}

// after is the state that the table of payments leads to.
func after(from payment.State, on payment.Event) (payment.State, bool) {
	for _, move := range payment.Table().Moves {
		if move.On != on {
			continue
		}
		for _, s := range move.From {
			if s == from {
				return move.To, true
			}
		}
	}
	return "", false
}

// resend hands the same order over again, and judges what is said of it.
func (s *suite) resend(a *attempt, t payment.Transfer) {
	s.Helper()
	out := payment.Dispatch(s.ctx, secretive{s.Provider, s}, []payment.Transfer{t}, a.Submitted, s.now)[0]
	if !out.NotSent {
		a.judge(s, out.Answer, payment.Proof{})
	}
}

// ask enquires; an error leaves everything as it is.
func (s *suite) ask(a *attempt, proof payment.Proof) payment.Answer {
	s.Helper()
	answer, err := s.Provider.Enquire(s.ctx, a.Reference)
	s.keepsSecret(err)
	if err != nil {
		return payment.Answer{Reference: a.Reference, Standing: payment.Unclear}
	}
	a.judge(s, answer, proof)
	return answer
}

func (s *suite) moved(a *attempt, out, back int) {
	s.Helper()
	if o, b := s.Far.Moved(a.Reference); o != out || b != back {
		s.Fatalf("money went out %d times and came back %d times, want %d and %d", o, b, out, back)
	}
}

func (s *suite) state(a *attempt, allowed ...payment.State) {
	s.Helper()
	for _, want := range allowed {
		if a.State == want {
			return
		}
	}
	s.Fatalf("the payment is %s (answer %q, code %q), want one of %v", a.State, a.last.Answer.Standing, a.last.Answer.Code, allowed)
}

// keepsSecret fails if an error prints the number of the account.
func (s *suite) keepsSecret(err error) {
	s.Helper()
	if number := s.To.Number.Reveal(); err != nil && number != "" && strings.Contains(err.Error(), number) {
		s.Fatalf("the error prints the number of an account")
	}
}

// secretive looks at every error of Submit.
type secretive struct {
	payment.Provider
	s *suite
}

func (p secretive) Submit(ctx context.Context, orders []payment.Transfer) ([]payment.Answer, error) {
	answers, err := p.Provider.Submit(ctx, orders)
	p.s.keepsSecret(err)
	return answers, err
}
