package paymenttest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gelombang/gelombang/payment"
)

type testCase struct {
	name string
	why  string
	run  func(*suite)
}

var cases = []testCase{
	{"capabilities never change", "a decision made on them today must hold tomorrow", (*suite).capabilities},
	{"an account is resolved", "a payment to nobody is stopped before it is made", (*suite).resolve},
	{"a full batch is executed once", "what is handed over is executed as it is", (*suite).batch},
	{"nothing was sent", "only then may an order be sent anew", (*suite).noConnection},
	{"an ended context sends nothing", "the caller who gave up is not surprised", (*suite).ended},
	{"the request is lost", "a time-out is not a failure: the same order may go out again, under the same reference", (*suite).requestLost},
	{"the answer is lost", "a time-out is not a failure: the money may have gone", (*suite).answerLost},
	{"the server fails", "5xx says nothing of the order", (*suite).serverError},
	{"200 with garbage", "an answer that cannot be read is no answer", (*suite).garbage},
	{"409", "that there is such a reference does not say what became of it", (*suite).conflict},
	{"another reference is echoed", "an answer about somebody else's order proves nothing of this one", (*suite).wrongReference},
	{"a batch is answered in part", "an order without an answer is unknown", (*suite).partialAnswer},
	{"late execution after not found", "absence proves nothing before the finality has passed", (*suite).late},
	{"a replay to the end of the window", "inside half of its memory the provider never executes twice", (*suite).replay},
	{"past the window", "nothing is sent again that the provider may have forgotten", (*suite).pastWindow},
	{"an enquiry fails", "only the provider itself can say that it knows no such order", (*suite).enquiryLost},
	{"a refusal is for good", "the next attempt is made on the strength of it", (*suite).refusal},
	{"taken, then refused", "taken is not paid", (*suite).refusedLater},
	{"a standing that flips", "who said paid and then refused is not believed: a person looks", (*suite).flips},
	{"settled, then returned", "what was executed was not refused; the statement's credit returns it", (*suite).comeback},
	{"a statement", "it alone settles: every movement is on it once, and it balances", (*suite).statement},
	{"no statement yet", "that there is none proves nothing", (*suite).noStatement},
	{"a call-back", "it says what an enquiry would say", (*suite).callBack},
	{"a call-back that comes twice", "the second changes nothing", (*suite).duplicateCallBack},
	{"call-backs in the wrong order", "the older one takes nothing back", (*suite).reorderedCallBacks},
	{"a call-back before the answer", "each is judged in the state that it meets", (*suite).earlyCallBack},
	{"a forged call-back", "nobody but the provider says that something was paid", (*suite).forgedCallBack},
	{"many at once", "the methods may be called by any number of goroutines", (*suite).concurrent},
}

// TestProvider runs every case, each on a bench that open makes: its far side knows
// no order. A case about what the provider does not promise, or about a fault that
// the far side cannot have, is skipped with the reason.
func TestProvider(t *testing.T, open func(t *testing.T) Bench) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("why it matters: %s", c.why)
				}
			})
			c.run(newSuite(t, t.Context(), open(t)))
		})
	}
}

func (s *suite) capabilities() {
	s.submit(s.order())
	s.pass(time.Hour)
	if now := s.Provider.Capabilities(); now != s.c {
		s.Fatalf("Capabilities were %+v and are %+v", s.c, now)
	}
	if s.c.ReplaySafe && s.c.KeyMemory <= 0 {
		s.Fatalf("ReplaySafe without a KeyMemory promises nothing")
	}
}

func (s *suite) resolve() {
	got, err := s.Provider.Resolve(s.ctx, s.To)
	s.keepsSecret(err)
	if err != nil || !got.Exists {
		s.Fatalf("Resolve of an account that can receive: exists %v, error %v", got.Exists, err)
	}
	if s.c.NameEvidence == got.Holder.IsZero() {
		s.Fatalf("NameEvidence is %v, and the holder is given: %v", s.c.NameEvidence, !got.Holder.IsZero())
	}
	if s.Nobody.Number.IsZero() {
		return
	}
	got, err = s.Provider.Resolve(s.ctx, s.Nobody)
	if err == nil && got.Exists {
		s.Fatalf("Resolve of nobody's account: it exists")
	}
}

func (s *suite) batch() {
	size := max(1, s.c.BatchSize)
	if size > 100 {
		size = 100
	}
	for _, a := range s.submit(s.orders(size)...) {
		s.state(a, payment.Accepted, payment.Unknown)
	}
	s.pass(24 * time.Hour)
	for n := range s.items {
		reference, _ := payment.Reference(1, n+1, 1)
		s.moved(&attempt{Attempt: payment.Attempt{Reference: reference}}, 1, 0)
	}
}

func (s *suite) noConnection() {
	s.fault(NoConnection)
	t := s.order()
	a := s.submit(t)[0]
	if !a.last.NotSent {
		s.Fatalf("Submit does not say ErrNotSent when the connection cannot be made")
	}
	s.moved(a, 0, 0)
	a = s.submit(t)[0]
	s.pass(24 * time.Hour)
	s.state(a, payment.Accepted, payment.Unknown)
	s.moved(a, 1, 0)
}

func (s *suite) ended() {
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	t := s.order()
	answers, err := s.Provider.Submit(ctx, []payment.Transfer{t})
	s.keepsSecret(err)
	if err == nil {
		s.Fatalf("Submit in an ended context: %d answers and no error", len(answers))
	}
	s.pass(24 * time.Hour)
	s.moved(&attempt{Attempt: payment.Attempt{Reference: t.Reference}}, 0, 0)
}

// sent says that bytes may have left: never ErrNotSent, never a refusal.
func (s *suite) sent(a *attempt) {
	s.Helper()
	if a.last.NotSent {
		s.Fatalf("Submit says ErrNotSent although the request was sent")
	}
	s.state(a, payment.Unknown)
}

func (s *suite) requestLost() {
	s.fault(RequestLost)
	t := s.order()
	a := s.submit(t)[0]
	s.sent(a)
	s.moved(a, 0, 0)
	if s.c.Next(a.Attempt, s.now) == payment.Resend {
		s.resend(a, t)
		s.pass(24 * time.Hour)
		s.moved(a, 1, 0)
		return
	}
	s.ask(a, payment.Proof{Through: s.now})
	s.state(a, payment.Unknown)
}

// executedUnanswered: the order is executed once, and the caller does not know.
func (s *suite) executedUnanswered(f Fault) {
	s.Helper()
	s.fault(f)
	t := s.order()
	a := s.submit(t)[0]
	s.sent(a)
	s.learns(a, t)
}

// learns: sending again and asking find out that it was executed, once.
func (s *suite) learns(a *attempt, t payment.Transfer) {
	s.Helper()
	if s.c.Next(a.Attempt, s.now) == payment.Resend {
		s.resend(a, t)
		s.state(a, payment.Accepted, payment.Unknown)
	}
	s.pass(24 * time.Hour)
	s.moved(a, 1, 0)
	if s.c.StatusMemory > 24*time.Hour {
		if got := s.ask(a, payment.Proof{}); got.Standing != payment.Paid && got.Standing != payment.Taken {
			s.Fatalf("an enquiry within StatusMemory says %q of an executed order", got.Standing)
		}
	}
}

func (s *suite) answerLost()  { s.executedUnanswered(AnswerLost) }
func (s *suite) serverError() { s.executedUnanswered(ServerError) }
func (s *suite) garbage()     { s.executedUnanswered(Garbage) }

func (s *suite) conflict() {
	s.fault(Conflict)
	t := s.order()
	a := s.submit(t)[0]
	if a.last.NotSent {
		s.Fatalf("Submit says ErrNotSent although the request was sent")
	}
	s.state(a, payment.Unknown, payment.Accepted)
	s.learns(a, t)
}

func (s *suite) wrongReference() {
	s.fault(WrongReference)
	t := s.order()
	a := s.submit(t)[0]
	s.sent(a)
	s.learns(a, t)
}

func (s *suite) partialAnswer() {
	s.promise(s.c.BatchSize > 1, "more than one order in a call")
	s.fault(PartialAnswer)
	unknown := 0
	attempts := s.submit(s.orders(2)...)
	for _, a := range attempts {
		s.state(a, payment.Accepted, payment.Unknown)
		if a.State == payment.Unknown {
			unknown++
		}
	}
	if unknown == 0 {
		s.Fatalf("every order has an answer, although the far side answered only some")
	}
	s.pass(24 * time.Hour)
	for _, a := range attempts {
		s.moved(a, 1, 0)
	}
}

func (s *suite) late() {
	s.fault(Late)
	a := s.submit(s.order())[0]
	s.sent(a)
	if s.ask(a, payment.Proof{Through: s.now}).Standing == payment.Absent {
		s.state(a, payment.Unknown)
	}
	if s.c.Finality == 0 {
		s.pass(30 * 24 * time.Hour)
		s.moved(a, 1, 0)
		s.ask(a, payment.Proof{Through: s.now})
		s.state(a, payment.Unknown, payment.Accepted)
		return
	}
	s.pass(s.c.Finality / 2)
	s.ask(a, payment.Proof{Through: s.now})
	s.state(a, payment.Unknown, payment.Accepted)
	s.pass(s.c.Finality - s.c.Finality/2)
	s.moved(a, 1, 0)
	s.pass(s.c.KeyMemory + s.c.Finality)
	s.moved(a, 1, 0)
}

func (s *suite) replay() {
	s.promise(s.c.ReplaySafe, "that a reference can be sent again")
	t := s.order()
	a := s.submit(t)[0]
	for range 3 {
		s.resend(a, t)
	}
	s.pass(s.c.KeyMemory/2 - 1)
	a.State = payment.Unknown
	if s.c.Next(a.Attempt, s.now) != payment.Resend {
		s.Fatalf("Next does not resend within half of KeyMemory")
	}
	s.resend(a, t)
	s.state(a, payment.Accepted, payment.Unknown)
	s.pass(24*time.Hour + s.c.Finality)
	s.moved(a, 1, 0)
}

func (s *suite) pastWindow() {
	a := s.submit(s.order())[0]
	a.State = payment.Unknown
	s.pass(s.c.KeyMemory / 2)
	if s.c.Next(a.Attempt, s.now) == payment.Resend {
		s.Fatalf("an order is sent again after half of KeyMemory")
	}
	s.pass(s.c.KeyMemory + s.c.StatusMemory)
	if next := s.c.Next(a.Attempt, s.now); next != payment.Await {
		s.Fatalf("after all memories Next says %q", next)
	}
	s.pass(24*time.Hour + s.c.Finality)
	s.moved(a, 1, 0)
}

func (s *suite) enquiryLost() {
	s.promise(s.c.StatusMemory > 0, "that it can be asked")
	a := s.submit(s.order())[0]
	s.pass(s.c.Finality)
	s.fault(EnquiryLost)
	answer, err := s.Provider.Enquire(s.ctx, a.Reference)
	s.keepsSecret(err)
	if err == nil && answer.Standing != payment.Unclear {
		s.Fatalf("an enquiry without a readable answer says %q", answer.Standing)
	}
}

func (s *suite) refusal() {
	s.fault(Refusal)
	a := s.submit(s.order())[0]
	s.state(a, payment.Rejected)
	if a.last.Answer.Code == "" {
		s.Fatalf("a refusal without the provider's code: nobody knows who must act")
	}
	s.pass(24*time.Hour + s.c.KeyMemory + s.c.Finality)
	s.moved(a, 0, 0)
}

func (s *suite) refusedLater() {
	s.promise(s.c.StatusMemory > 24*time.Hour, "to answer enquiries for more than a day")
	s.fault(RefusedLater)
	a := s.submit(s.order())[0]
	s.state(a, payment.Accepted, payment.Unknown)
	s.pass(24 * time.Hour)
	s.ask(a, payment.Proof{})
	s.state(a, payment.Rejected)
	s.pass(s.c.KeyMemory + s.c.Finality)
	s.moved(a, 0, 0)
}

func (s *suite) flips() {
	s.promise(s.c.StatusMemory > 0, "that it can be asked")
	s.fault(Flips)
	a := s.submit(s.order())[0]
	s.state(a, payment.Accepted)
	s.moved(a, 1, 0)
	if !a.Paid {
		s.Skip("the far side's answer is not \"paid\": nothing is contradicted")
	}
	answer := s.ask(a, payment.Proof{})
	s.state(a, payment.Accepted, payment.Unknown)
	if answer.Standing == payment.Refused && !a.last.Incident {
		s.Fatalf("paid, then refused, and nobody is told")
	}
}

// books makes the far side's next statement.
func (s *suite) books() (payment.Statement, []payment.Line) {
	s.Helper()
	sums, lines := s.Far.CloseBooks()
	if sums.Sequence == 0 {
		s.Skip("the far side gives no statement by calls")
	}
	return sums, lines
}

func (s *suite) statement() {
	before, _ := s.books()
	attempts := s.submit(s.orders(min(3, max(1, s.c.BatchSize)))...)
	s.pass(24 * time.Hour)
	sums, booked := s.books()
	for range 2 {
		var lines []payment.Line
		got, err := s.Provider.Statement(s.ctx, sums.Sequence, func(l payment.Line) error { lines = append(lines, l); return nil })
		s.keepsSecret(err)
		if err != nil || got != sums {
			s.Fatalf("statement %d is not as the far side made it: error %v", sums.Sequence, err)
		}
		if len(lines) != len(booked) {
			s.Fatalf("the statement has %d lines, %d were given", len(booked), len(lines))
		}
		if err := (payment.Last{Sequence: before.Sequence, Closing: before.Closing}).Gate(got); err != nil {
			s.Fatalf("the statement does not follow the one before: %v", err)
		}
		for _, a := range attempts {
			debits := 0
			for _, l := range lines {
				if l.Reference == a.Reference && !l.Credit && l.Amount == s.Amount {
					debits++
				}
			}
			if debits != 1 {
				s.Fatalf("the statement has %d debits of an order that was executed once", debits)
			}
		}
	}
	stop := errors.New("stop")
	if _, err := s.Provider.Statement(s.ctx, sums.Sequence, func(payment.Line) error { return stop }); !errors.Is(err, stop) {
		s.Fatalf("an error of who takes the lines is not given back: %v", err)
	}
}

func (s *suite) noStatement() {
	none := func(payment.Line) error { return nil }
	sums, _ := s.Far.CloseBooks()
	_, err := s.Provider.Statement(s.ctx, sums.Sequence+1, none)
	s.keepsSecret(err)
	if !errors.Is(err, payment.ErrNoStatement) {
		s.Fatalf("a statement that was not made yet is not ErrNoStatement: %v", err)
	}
	s.books()
	s.fault(EnquiryLost)
	if _, err = s.Provider.Statement(s.ctx, sums.Sequence, none); err == nil || errors.Is(err, payment.ErrNoStatement) {
		s.Fatalf("a statement that could not be read is said to be there, or not to be: %v", err)
	}
}

func (s *suite) comeback() {
	s.fault(Comeback)
	a := s.submit(s.order())[0]
	s.pass(4 * 24 * time.Hour)
	s.moved(a, 1, 1)
	a.State = payment.Settled // as the statement's debit has it
	if s.c.StatusMemory > 4*24*time.Hour && s.ask(a, payment.Proof{}).Standing == payment.Refused {
		s.Fatalf("an order that was executed and came back is said to be refused")
	}
	s.state(a, payment.Settled)
}
