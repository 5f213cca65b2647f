package paymenttest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/payment/paymenttest"
	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/program/lifecycle"
)

// rules are what a caller must keep. Each can be broken on purpose.
type rules struct {
	newReferenceOnTimeout bool // an unanswered payment is made again under another reference
	rejectOnAbsent        bool // the first "not found" rejects
	finalityFromFirst     bool // the finality is counted from the first hand-over, though the order was sent again
	resendForever         bool // the same order is sent again, however long ago it was
	sharedLines           bool // what one line has shown another may show again
}

const (
	price       = 600_000_00 // in minor units
	generations = 6
	chunk       = 500
)

var amount = payment.Money{Units: price, Currency: "IDR"}

// caller pays people through a provider. Its fields are what it has committed; what
// it holds in local variables is lost when it crashes.
type caller struct {
	rules
	ctx      context.Context
	provider *paymenttest.Faulty
	c        payment.Capabilities
	machine  *lifecycle.Machine[payment.State, payment.Event, struct{}]
	random   *rand.Rand // of the crashes and the mail
	now      time.Time
	book     ledger.Book
	payments []paid
	people   []person
	open     []int // payments that were submitted and are not over
	last     payment.Last
	proof    payment.Proof
	days     int
	crashes  int
	mail     []call
	broken   map[string]int // what is not as it must be, and how often
	classes  map[payment.Class]int
}

// paid is one payment; its attempt is embedded.
type paid struct {
	payment.Attempt
	person            int
	generation        int
	settlements       int
	debited, credited bool
}

// person is one entitlement.
type person struct {
	latest  int
	blocked bool // somebody must look: no further payment
}

type call struct {
	header map[string][]string
	body   []byte
}

func newCaller(ctx context.Context, provider *paymenttest.Faulty, people int, seed uint64, broken rules) *caller {
	machine, err := lifecycle.Compile(payment.Table(), map[string]lifecycle.Guard[struct{}]{}, lifecycle.CompileOptions{})
	if err != nil {
		panic(err)
	}
	c := &caller{rules: broken, ctx: ctx, provider: provider, c: provider.Capabilities(), machine: machine,
		random: rand.New(rand.NewPCG(seed, 1)), now: start, last: payment.Last{Closing: payment.Rupiah(0)},
		broken: map[string]int{}, classes: map[payment.Class]int{}}
	c.post(ledger.Posting{ID: "envelope", Legs: []ledger.Leg{
		{Account: "treasury", Amount: -int64(people) * price, Bounds: ledger.Free()},
		{Account: "envelope", Amount: int64(people) * price, Bounds: ledger.AtLeast(0)}}})
	return c
}

func (c *caller) post(p ledger.Posting) {
	if err := c.book.Apply(c.now, p); err != nil {
		c.broken[fmt.Sprintf("the ledger refuses: %T", err)]++
	}
}

// fire moves a payment and carries out the effects. The line names the posting.
func (c *caller) fire(i int, event payment.Event, line string) {
	p := &c.payments[i]
	step, why := c.machine.Fire(p.State, event, struct{}{}, lifecycle.Moment{At: c.now}, nil)
	if len(why) > 0 {
		c.broken[fmt.Sprintf("the table refuses %s of %s", event, p.State)]++
		return
	}
	p.State = step.To
	for _, e := range step.Do {
		c.effect(e.Name, p.Reference, line)
	}
}

func (c *caller) effect(name, reference, line string) {
	pending := reference + "/reserve"
	switch name {
	case payment.EffectReserve:
		c.post(ledger.Posting{ID: pending, Kind: ledger.Pending, Legs: []ledger.Leg{
			{Account: "envelope", Amount: -price, Bounds: ledger.AtLeast(0)},
			{Account: "paid", Amount: price, Bounds: ledger.AtLeast(0)}}})
	case payment.EffectPost:
		c.post(ledger.Posting{ID: line, Kind: ledger.Post, Of: pending})
	case payment.EffectVoid:
		c.post(ledger.Posting{ID: reference + "/void", Kind: ledger.Void, Of: pending})
	case payment.EffectRepay:
		c.post(ledger.Posting{ID: line, Legs: []ledger.Leg{
			{Account: "paid", Amount: -price, Bounds: ledger.AtLeast(0)},
			{Account: "envelope", Amount: price, Bounds: ledger.AtLeast(0)}}})
	}
}

// create makes the next payment of a person, and commits it as submitted.
func (c *caller) create(who, generation int) int {
	reference, err := payment.Reference(int64(c.days)+1, int64(who)+1, generation)
	if err != nil {
		panic(err)
	}
	i := len(c.payments)
	c.payments = append(c.payments, paid{Attempt: payment.Attempt{Reference: reference, State: payment.Created, Submitted: c.now},
		person: who, generation: generation})
	c.people[who].latest = i
	c.fire(i, payment.Approve, "")
	c.fire(i, payment.Submit, "")
	c.open = append(c.open, i)
	return i
}

// pay creates payments for new people, and the next one for those whose last is
// dead, and dispatches them.
func (c *caller) pay(newcomers int) {
	var made []int
	for who := range c.people {
		p := &c.people[who]
		last := &c.payments[p.latest]
		if !p.blocked && last.State.Dead() && last.generation < generations {
			made = append(made, c.create(who, last.generation+1))
		}
	}
	for range newcomers {
		c.people = append(c.people, person{})
		made = append(made, c.create(len(c.people)-1, 1))
	}
	c.dispatch(made, 3)
}

// dispatch hands over payments that were just marked as submitted, in chunks; what
// was not sent is marked anew and tried again.
func (c *caller) dispatch(all []int, tries int) {
	var notSent []int
	for len(all) > 0 && tries > 0 {
		n := min(chunk, len(all))
		notSent = append(notSent, c.dispatchChunk(all[:n])...)
		all = all[n:]
	}
	if len(notSent) > 0 && tries > 1 && !c.crash() {
		for _, i := range notSent {
			c.payments[i].Submitted = c.now
		}
		c.dispatch(notSent, tries-1)
	}
}

func (c *caller) crash() bool {
	if c.random.IntN(20) > 0 {
		return false
	}
	c.crashes++
	return true
}

func (c *caller) dispatchChunk(all []int) (notSent []int) {
	if c.crash() {
		return nil // before the call: nothing was sent, and nobody remembers that
	}
	transfers := make([]payment.Transfer, len(all))
	for n, i := range all {
		transfers[n] = transfer(&c.payments[i])
	}
	outcomes := payment.Dispatch(c.ctx, c.provider, transfers, c.now, c.now)
	if c.crash() {
		return nil // before anything of it is committed
	}
	if c.crash() {
		outcomes = outcomes[:len(outcomes)/2]
	}
	for n, out := range outcomes {
		if out.NotSent {
			notSent = append(notSent, all[n])
			continue
		}
		c.commit(all[n], out)
	}
	return notSent
}

func transfer(p *paid) payment.Transfer {
	return payment.Transfer{Reference: p.Reference, Amount: amount}
}

func (c *caller) commit(i int, out payment.Outcome) {
	p := &c.payments[i]
	p.Paid = p.Paid || out.Answer.Reference == p.Reference && out.Answer.Standing == payment.Paid
	if out.Incident {
		c.people[p.person].blocked = true
	}
	if out.Event != "" {
		c.fire(i, out.Event, "")
	}
	if c.newReferenceOnTimeout && p.State == payment.Unknown && c.people[p.person].latest == i && p.generation < generations {
		c.dispatch([]int{c.create(p.person, p.generation+1)}, 1)
	}
}

func (c *caller) judge(i int, answer payment.Answer) {
	p := &c.payments[i]
	attempt, capabilities, proof := p.Attempt, c.c, c.proof
	switch {
	case c.rejectOnAbsent:
		capabilities.Finality, capabilities.ReplaySafe, proof.Through = 1, false, c.now
	case c.finalityFromFirst:
		capabilities.ReplaySafe = false
	}
	c.commit(i, capabilities.Judge(attempt, answer, proof, c.now))
}

// chase does what may be done about every payment whose outcome is open.
func (c *caller) chase() {
	open := c.open[:0]
	for _, i := range c.open {
		if s := c.payments[i].State; s.Live() && s != payment.Settled {
			open = append(open, i)
		}
	}
	c.open = open
	for _, i := range append([]int(nil), open...) {
		action := c.c.Next(c.payments[i].Attempt, c.now)
		if c.resendForever && action != payment.Nothing {
			action = payment.Resend
		}
		switch action {
		case payment.Resend:
			p := &c.payments[i]
			out := payment.Dispatch(c.ctx, c.provider, []payment.Transfer{transfer(p)}, p.Submitted, c.now)[0]
			if !out.NotSent && !c.crash() {
				c.judge(i, out.Answer)
			}
		case payment.Ask:
			c.ask(i)
		}
	}
}

func (c *caller) ask(i int) {
	answer, err := c.provider.Enquire(c.ctx, c.payments[i].Reference)
	if err == nil && !c.crash() {
		c.judge(i, answer)
	}
}

// listen takes the provider's call-backs: late, in any order, some twice, some forged.
func (c *caller) listen() {
	for _, i := range c.open {
		if c.random.IntN(8) == 0 {
			if header, body := c.provider.CallBack(c.payments[i].Reference); body != nil {
				c.mail = append(c.mail, call{header, body})
			}
		}
	}
	for range len(c.mail) / 2 {
		n := c.random.IntN(len(c.mail))
		m := c.mail[n]
		if c.random.IntN(4) > 0 {
			c.mail[n] = c.mail[len(c.mail)-1]
			c.mail = c.mail[:len(c.mail)-1]
		}
		if c.random.IntN(10) == 0 {
			m.body = append([]byte(" "), m.body...)
		}
		answer, err := c.provider.Notice(m.header, m.body)
		if err != nil {
			continue
		}
		if i, ok := c.find(answer.Reference); ok {
			c.judge(i, answer)
		}
	}
}

func (c *caller) find(reference string) (int, bool) {
	_, item, _, err := payment.ParseReference(reference)
	if err != nil || int(item) > len(c.people) {
		return 0, false
	}
	i := c.people[item-1].latest
	return i, c.payments[i].Reference == reference
}

// reconcile takes the day's statement. It is one transaction: a crash before it is
// committed leaves nothing, and the file is read again.
func (c *caller) reconcile(s payment.Statement, lines []payment.Line) {
	if err := c.last.Gate(s); err != nil {
		c.broken["the gate refuses a statement"]++
		return
	}
	matcher, err := payment.NewMatcher("IDR", func(yield func(payment.Expected) bool) {
		for i := range c.payments {
			if !yield(c.expected(i)) {
				return
			}
		}
	})
	if err != nil {
		c.broken["two payments with one reference"]++
		return
	}
	found := make([]struct {
		class payment.Class
		at    int
	}, len(lines))
	for n, line := range lines {
		found[n].class, found[n].at = matcher.Match(line)
		if at := found[n].at; c.sharedLines && at >= 0 {
			e := c.expected(at)
			found[n].class = payment.Classify(line, &payment.Found{State: e.State, Amount: e.Amount, Debited: e.Debited || line.Credit})
		}
	}
	if c.crash() {
		c.reconcile(s, lines)
		return
	}
	for n, line := range lines {
		c.settle(fmt.Sprintf("%d/%d", s.Sequence, n), line, found[n].class, found[n].at)
	}
	c.last = payment.Last{Sequence: s.Sequence, Closing: s.Closing}
	c.proof.Through = c.now
	for at := range matcher.Missing() {
		if p := &c.payments[at]; p.State == payment.Accepted && c.now.Before(p.Submitted.Add(c.c.StatusMemory)) {
			c.ask(at) // taken, and not there: it may have been refused since
		}
	}
}

func (c *caller) expected(i int) payment.Expected {
	p := &c.payments[i]
	return payment.Expected{Reference: p.Reference, State: p.State, Amount: amount, Debited: p.debited, Credited: p.credited}
}

// settle does what the class of a line says.
func (c *caller) settle(id string, line payment.Line, class payment.Class, at int) {
	c.classes[class]++
	switch class {
	case payment.Matched:
		c.payments[at].debited = true
		c.payments[at].settlements++
		c.fire(at, payment.Settle, id)
	case payment.ReturnedLine:
		c.payments[at].credited = true
		c.fire(at, payment.Return, id)
	default: // an incident: into suspense, and a person looks
		units := line.Amount.Units
		if line.Credit {
			units = -units
		}
		c.post(ledger.Posting{ID: id, Legs: []ledger.Leg{
			{Account: "suspense", Amount: -units, Bounds: ledger.Free()},
			{Account: "left", Amount: units, Bounds: ledger.Free()}}})
		if at >= 0 {
			c.people[c.payments[at].person].blocked = true
		}
	}
}

// day is one day: pay, chase four times, reconcile, and check.
func (c *caller) day(newcomers int) {
	c.pay(newcomers)
	for range 4 {
		c.provider.Advance(6 * time.Hour)
		c.now = c.now.Add(6 * time.Hour)
		c.listen()
		c.chase()
		c.pay(0)
	}
	s, lines := c.provider.CloseBooks()
	c.reconcile(s, lines)
	c.check()
	c.days++
}

// check compares the books with the truth, and holds the invariants.
func (c *caller) check() {
	live, net := make([]int, len(c.people)), make([]int, len(c.people))
	var settled, reserved int64
	for i := range c.payments {
		p := &c.payments[i]
		out, back := c.provider.Moved(p.Reference)
		net[p.person] += out - back
		switch {
		case p.State == payment.Settled:
			settled++
		case p.State.Live():
			reserved++
		}
		if p.State.Live() {
			live[p.person]++
		}
		if p.settlements > 1 {
			c.broken["a payment is settled twice"]++
		}
	}
	for who := range c.people {
		if net[who] > 1 {
			c.broken["somebody is paid twice"]++
		}
		if live[who] > 1 {
			c.broken["two live payments of one entitlement"]++
		}
	}
	c.checkBooks(settled, reserved)
}

func (c *caller) checkBooks(settled, reserved int64) {
	must := func(ok bool, what string) {
		if !ok {
			c.broken[what]++
		}
	}
	var sum int64
	for _, a := range c.book.Accounts() {
		sum += c.book.Balance(a).Posted
	}
	paid, envelope := c.book.Balance("paid"), c.book.Balance("envelope")
	must(sum == 0, "the postings do not balance")
	must(paid.Posted == settled*price, "paid is not the sum of the settled payments")
	must(envelope.Out == reserved*price, "what is reserved is not the sum of the open payments")
	must(envelope.Available() >= 0 && paid.Posted <= int64(len(c.people))*price, "more is paid than the people are entitled to")
	must(paid.Posted+c.book.Balance("left").Posted == -c.last.Closing.Units, "the books and the bank's closing balance differ")
}

// ends counts how the entitlements stand at the end: settled, rejected for good,
// waiting for a person, or open although something may still be done.
func (c *caller) ends() map[string]int {
	ends := map[string]int{}
	for _, p := range c.people {
		last := &c.payments[p.latest]
		switch {
		case p.blocked:
			ends["person"]++
		case last.State == payment.Settled:
			ends["settled"]++
		case last.State.Dead():
			ends["rejected"]++
		case c.c.Next(last.Attempt, c.now) != payment.Await:
			ends["open"]++
		default:
			ends["person"]++
		}
	}
	return ends
}
