package paymenttest

import (
	"bytes"
	"sync"
	"time"

	"github.com/gelombang/gelombang/payment"
)

func (s *suite) callBack() {
	a := s.submit(s.order())[0]
	s.pass(24 * time.Hour)
	p, header, body := s.notice(a.Reference)
	answer := s.read(p, header, body)
	if answer.Reference != a.Reference || answer.Standing != payment.Taken && answer.Standing != payment.Paid {
		s.Fatalf("a call-back about an executed order says %q, with the right reference: %v", answer.Standing, answer.Reference == a.Reference)
	}
}

func (s *suite) duplicateCallBack() {
	a := s.submit(s.order())[0]
	s.pass(24 * time.Hour)
	p, header, body := s.notice(a.Reference)
	first := s.read(p, header, body)
	a.judge(s, first, payment.Proof{})
	if second := s.read(p, header, body); second != first {
		s.Fatalf("the same call-back says %q, then %q", first.Standing, second.Standing)
	}
	if out := a.judge(s, first, payment.Proof{}); out.Event != "" || out.Incident {
		s.Fatalf("the second call-back has the event %q, incident %v", out.Event, out.Incident)
	}
}

func (s *suite) reorderedCallBacks() {
	for range 8 { // some may be executed at once, and have only one thing to say
		a := s.submit(s.order())[0]
		p, header, body := s.notice(a.Reference)
		s.pass(24 * time.Hour)
		_, header2, body2 := s.notice(a.Reference)
		a.judge(s, s.read(p, header2, body2), payment.Proof{})
		out := a.judge(s, s.read(p, header, body), payment.Proof{})
		s.state(a, payment.Accepted)
		if out.Event != "" || out.Incident {
			s.Fatalf("the older call-back has the event %q, incident %v", out.Event, out.Incident)
		}
	}
}

func (s *suite) earlyCallBack() {
	t := s.order()
	answers, err := s.Provider.Submit(s.ctx, []payment.Transfer{t})
	if err != nil || len(answers) != 1 {
		s.Fatalf("Submit: %d answers, error %v", len(answers), err)
	}
	p, header, body := s.notice(t.Reference)
	a := &attempt{Attempt: payment.Attempt{Reference: t.Reference, State: payment.Submitted, Submitted: s.now}}
	a.judge(s, s.read(p, header, body), payment.Proof{})
	a.judge(s, answers[0], payment.Proof{})
	s.state(a, payment.Accepted)

	unsent := &attempt{Attempt: payment.Attempt{Reference: t.Reference, State: payment.Approved}}
	if out := unsent.judge(s, s.read(p, header, body), payment.Proof{}); out.Event != "" || !out.Incident {
		s.Fatalf("a call-back about a payment that was not submitted: event %q, incident %v", out.Event, out.Incident)
	}
}

func (s *suite) forgedCallBack() {
	two := s.submit(s.order(), s.order())
	s.pass(24 * time.Hour)
	p, header, body := s.notice(two[0].Reference)
	_, other, _ := s.notice(two[1].Reference)
	refuse := func(what string, header map[string][]string, body []byte) {
		s.Helper()
		answer, err := p.Notice(header, body)
		s.keepsSecret(err)
		if err == nil {
			s.Fatalf("a call-back %s is believed: %q", what, answer.Standing)
		}
	}
	refuse("without its headers", nil, body)
	refuse("with the headers of another", other, body)
	refuse("without its body", header, nil)
	refuse("that goes on", header, append(bytes.Clone(body), body...))
	for i := range body {
		changed := bytes.Clone(body)
		changed[i] ^= 1
		refuse("with another character", header, changed)
	}
}

func (s *suite) concurrent() {
	orders := s.orders(8)
	var all sync.WaitGroup
	for _, t := range orders {
		all.Add(1)
		go func() {
			defer all.Done()
			_, _ = s.Provider.Submit(s.ctx, []payment.Transfer{t}) // what counts is what moved
			_, _ = s.Provider.Enquire(s.ctx, t.Reference)
			_, _ = s.Provider.Resolve(s.ctx, t.To)
		}()
	}
	all.Wait()
	s.pass(24 * time.Hour)
	for _, t := range orders {
		s.moved(&attempt{Attempt: payment.Attempt{Reference: t.Reference}}, 1, 0)
	}
}

// notice makes the call-back about an order now.
func (s *suite) notice(reference string) (payment.Notifier, map[string][]string, []byte) {
	s.Helper()
	p, ok := s.Provider.(payment.Notifier)
	if !ok {
		s.Skip("the provider does not call back: it is no payment.Notifier")
	}
	header, body := s.Far.CallBack(reference)
	if body == nil {
		s.Skip("the far side makes no call-back")
	}
	return p, header, body
}

func (s *suite) read(p payment.Notifier, header map[string][]string, body []byte) payment.Answer {
	s.Helper()
	answer, err := p.Notice(header, body)
	s.keepsSecret(err)
	if err != nil {
		s.Fatalf("Notice of a genuine call-back: %v", err)
	}
	return answer
}
