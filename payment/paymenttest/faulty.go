package paymenttest

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/identity"
)

// FaultyOptions say what a Faulty promises, and what goes wrong.
type FaultyOptions struct {
	Capabilities payment.Capabilities
	// Rates are how many of a thousand calls or orders have a fault.
	Rates map[Fault]int
	// Accounts that exist. None: every account does.
	Accounts []payment.Account
	// ForgetsKeys breaks the promise of ReplaySafe: an order that comes again is
	// executed again.
	ForgetsKeys bool
}

// Faulty is a provider in memory, and its own far side: it keeps accounts, executes
// orders, forgets them, and has faults. Its clock is moved by Advance alone, and the
// same seed and calls have the same faults. It keeps the promises of its
// Capabilities, whatever else goes wrong, unless told to break one.
type Faulty struct {
	mu      sync.Mutex
	options FaultyOptions
	now     time.Time
	random  *rand.Rand
	key     []byte // of the notices
	script  map[Fault]int
	orders  map[string]*order
	due     schedule
	posted  posted

	statements []books
	files      map[string]*upload
}

type order struct {
	reference string
	amount    payment.Money
	received  time.Time
	standing  payment.Standing
	code      string
	out, back int
	hidden    bool // not found when asked for: it is executed late
	flips     bool
	number    int // of the far side's own reference
}

var (
	_ payment.Notifier = (*Faulty)(nil)
	_ FarSide          = (*Faulty)(nil)

	_ payment.FileProvider = (*Faulty)(nil)
)

// NewFaulty returns a provider whose clock stands at start, and whose account holds
// the opening balance, which it may overdraw. Options may be nil: it then promises
// nothing and has no faults but those that Fault asks for.
func NewFaulty(start time.Time, opening payment.Money, seed uint64, o *FaultyOptions) *Faulty {
	f := &Faulty{now: start, random: rand.New(rand.NewPCG(seed, 0)), key: fmt.Appendf(nil, "notices of %d", seed),
		script: map[Fault]int{}, orders: map[string]*order{}, files: map[string]*upload{}, posted: posted{opening: opening, closing: opening}}
	if o != nil {
		f.options = *o
	}
	return f
}

// Capabilities returns those of the options.
func (f *Faulty) Capabilities() payment.Capabilities { return f.options.Capabilities }

// Resolve finds an account among those of the options.
func (f *Faulty) Resolve(ctx context.Context, to payment.Account) (payment.Resolution, error) {
	if err := ctx.Err(); err != nil {
		return payment.Resolution{}, err
	}
	kept, ok := f.account(to)
	if !ok {
		return payment.Resolution{}, nil
	}
	r := payment.Resolution{Exists: true}
	if f.options.Capabilities.NameEvidence {
		r.Holder = kept.Holder
	}
	return r, nil
}

func (f *Faulty) account(to payment.Account) (payment.Account, bool) {
	for _, a := range f.options.Accounts {
		if a.Institution == to.Institution && a.Number.Equal(to.Number) {
			return a, true
		}
	}
	return to, len(f.options.Accounts) == 0
}

// The errors of a Faulty's calls.
var (
	errTimeout    = errors.New("paymenttest: the call timed out")
	errServer     = errors.New("paymenttest: the server failed")
	errUnreadable = errors.New("paymenttest: the answer cannot be read")
	errTooMany    = errors.New("paymenttest: more orders than one call takes")
)

// Submit takes orders, unless a fault is in the way.
func (f *Faulty) Submit(ctx context.Context, orders []payment.Transfer) ([]payment.Answer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", payment.ErrNotSent, err)
	}
	if len(orders) > max(1, f.options.Capabilities.BatchSize) {
		return nil, fmt.Errorf("%w: %w", payment.ErrNotSent, errTooMany)
	}
	switch {
	case f.happens(NoConnection):
		return nil, fmt.Errorf("dial: %w", payment.ErrNotSent)
	case f.happens(RequestLost):
		return nil, errTimeout
	}
	late := f.happens(Late)
	answers := make([]payment.Answer, 0, len(orders))
	for _, t := range orders {
		answers = append(answers, f.take(t, late))
	}
	if late {
		return nil, errTimeout
	}
	return f.reply(answers)
}

// reply loses or spoils the answers of a call.
func (f *Faulty) reply(answers []payment.Answer) ([]payment.Answer, error) {
	switch {
	case f.happens(AnswerLost):
		return nil, errTimeout
	case f.happens(ServerError):
		return nil, errServer
	case f.happens(Garbage):
		return nil, errUnreadable
	case f.happens(Conflict):
		for i, a := range answers {
			answers[i] = payment.Answer{Reference: a.Reference, Standing: payment.Unclear, Code: "409"}
		}
	case f.happens(PartialAnswer):
		return answers[:len(answers)/2], nil
	case len(answers) > 0 && f.happens(WrongReference):
		answers[0].Reference = "X" + answers[0].Reference
	}
	return answers, nil
}

// happens reports whether a fault that was asked for, or drawn, happens now.
func (f *Faulty) happens(fault Fault) bool {
	if f.script[fault] > 0 {
		f.script[fault]--
		return true
	}
	rate := f.options.Rates[fault]
	return rate > 0 && f.random.IntN(1000) < rate
}

// take receives one order, for the first time or again.
func (f *Faulty) take(t payment.Transfer, late bool) payment.Answer {
	o := f.orders[t.Reference]
	if o != nil && f.remembers(o) {
		return f.answer(o)
	}
	if o == nil {
		o = &order{reference: t.Reference, number: len(f.orders) + 1}
		f.orders[t.Reference] = o
	}
	o.amount, o.received, o.standing, o.hidden = t.Amount, f.now, payment.Taken, late
	if _, ok := f.account(t.To); !ok {
		o.standing, o.code = payment.Refused, "AC01"
		return f.answer(o)
	}
	f.decide(o)
	return f.answer(o)
}

// decide says what becomes of an order.
func (f *Faulty) decide(o *order) {
	switch {
	case o.hidden:
		f.later(f.lateness(), o, (*Faulty).execute)
	case f.happens(Refusal):
		o.standing, o.code = payment.Refused, "AC04"
	case f.happens(RefusedLater):
		f.later(12*time.Hour, o, (*Faulty).refuse)
	case f.happens(Flips):
		o.flips = true
		f.execute(o)
	case f.random.IntN(2) == 0:
		f.execute(o)
	default:
		f.later(time.Hour, o, (*Faulty).execute)
	}
}

func (f *Faulty) remembers(o *order) bool {
	c := f.options.Capabilities
	return c.ReplaySafe && !f.options.ForgetsKeys && f.now.Before(o.received.Add(c.KeyMemory))
}

// lateness is the last moment of the finality.
func (f *Faulty) lateness() time.Duration {
	if final := f.options.Capabilities.Finality; final > 0 {
		return final - 1
	}
	return 72 * time.Hour
}

func (f *Faulty) execute(o *order) {
	o.standing, o.hidden = payment.Paid, false
	o.out++
	f.posted.add(o, false)
	if f.happens(DoubleBooked) {
		f.posted.add(o, false)
	}
	if f.happens(Comeback) {
		f.later(time.Duration(1+f.random.IntN(71))*time.Hour, o, (*Faulty).comeBack)
	}
}

func (f *Faulty) refuse(o *order) { o.standing, o.code = payment.Refused, "AC06" }

func (f *Faulty) comeBack(o *order) {
	o.back++
	f.posted.add(o, true)
}

// answer is what the far side says of an order now.
func (f *Faulty) answer(o *order) payment.Answer {
	return payment.Answer{Reference: o.reference, Standing: o.standing, Code: o.code, Theirs: fmt.Sprint("F", o.number)}
}

// Enquire finds an order within StatusMemory.
func (f *Faulty) Enquire(ctx context.Context, reference string) (payment.Answer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return payment.Answer{}, err
	}
	if f.happens(EnquiryLost) {
		return payment.Answer{}, errServer
	}
	o := f.orders[reference]
	if o == nil || o.hidden || !f.now.Before(o.received.Add(f.options.Capabilities.StatusMemory)) {
		return payment.Answer{Reference: reference, Standing: payment.Absent}, nil
	}
	a := f.answer(o)
	if o.flips {
		a.Standing = payment.Refused
	}
	return a, nil
}

// Fault makes a fault happen once. A Faulty can have all of them.
func (f *Faulty) Fault(fault Fault) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.script[fault]++
	return true
}

// Advance moves the clock and executes what is due on the way.
func (f *Faulty) Advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	until := f.now.Add(d)
	for len(f.due) > 0 && !f.due[0].at.After(until) {
		next := heap.Pop(&f.due).(duty)
		f.now = next.at
		next.do(f, next.order)
	}
	f.now = until
}

// Moved counts executions and returns.
func (f *Faulty) Moved(reference string) (out, back int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if o := f.orders[reference]; o != nil {
		return o.out, o.back
	}
	return 0, 0
}

// Bench returns the Faulty as a Bench of its own: provider and far side are one.
func (f *Faulty) Bench() Bench {
	b := Bench{Provider: f, Far: f, Start: f.now, To: payment.Account{Institution: "FAULTY", Number: identity.NewSecret("0812000001"), Holder: identity.NewName("Siti Aminah")}}
	if len(f.options.Accounts) > 0 {
		b.To = f.options.Accounts[0]
		b.Nobody = payment.Account{Institution: b.To.Institution, Number: identity.NewSecret(b.To.Number.Reveal() + "9")}
	}
	return b
}

func (f *Faulty) later(after time.Duration, o *order, do func(*Faulty, *order)) {
	heap.Push(&f.due, duty{f.now.Add(after), o, do})
}

// duty is something that the far side does at its time.
type duty struct {
	at    time.Time
	order *order
	do    func(*Faulty, *order)
}

type schedule []duty

func (s schedule) Len() int { return len(s) }
func (s schedule) Less(i, j int) bool {
	if !s[i].at.Equal(s[j].at) {
		return s[i].at.Before(s[j].at)
	}
	return s[i].order.number < s[j].order.number
}
func (s schedule) Swap(i, j int) { s[i], s[j] = s[j], s[i] }
func (s *schedule) Push(x any)   { *s = append(*s, x.(duty)) }
func (s *schedule) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}
