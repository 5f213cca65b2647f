package snap_test

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/payment/paymenttest"
	"github.com/gelombang/gelombang/payment/snap"
)

// harsh is what goes wrong at the bank and on the wire, of a thousand calls or orders.
var harsh = map[paymenttest.Fault]int{
	paymenttest.RequestLost: 60, paymenttest.AnswerLost: 40, paymenttest.ServerError: 20, paymenttest.Garbage: 10,
	paymenttest.Conflict: 10, paymenttest.Refusal: 20, paymenttest.RefusedLater: 20, paymenttest.Late: 40,
	paymenttest.Comeback: 10, paymenttest.EnquiryLost: 50,
}

// caller pays people through the client, one payment after the other for each, and keeps
// to Dispatch, Next and Judge.
type caller struct {
	t        *testing.T
	far      *far
	client   *snap.Client
	promised payment.Capabilities
	impolite bool // an unanswered payment is made again under another reference
	now      time.Time
	proof    payment.Proof
	people   [][]*made
	byName   map[[3]int64]*made
	wrong    map[string]int
}

type made struct {
	payment.Attempt
	debited bool
}

const (
	generations = 5
	batch       = 700_000_000_000 // so large that most references must go out compact
)

// numbers are what a reference says, in either spelling.
func numbers(t *testing.T, reference string) [3]int64 {
	batch, item, generation, err := payment.ParseReference(reference)
	require.NoError(t, err)
	return [3]int64{batch, item, int64(generation)}
}

func (c *caller) pay(who int) {
	all := c.people[who]
	if len(all) > 0 && (all[len(all)-1].State.Live() || len(all) == generations) {
		return
	}
	c.create(who)
}

func (c *caller) create(who int) {
	reference, err := payment.Reference(batch, int64(who+1), len(c.people[who])+1)
	require.NoError(c.t, err)
	m := &made{Attempt: payment.Attempt{Reference: reference, State: payment.Submitted, Submitted: c.now}}
	c.people[who], c.byName[numbers(c.t, reference)] = append(c.people[who], m), m
	out := payment.Dispatch(c.t.Context(), c.client, []payment.Transfer{transfer(reference)}, c.now, c.now)[0]
	c.apply(m, out)
	if c.impolite && m.State == payment.Unknown && len(c.people[who]) < generations {
		c.create(who)
	}
}

func (c *caller) apply(m *made, out payment.Outcome) {
	m.Paid = m.Paid || out.Answer.Reference == m.Reference && out.Answer.Standing == payment.Paid
	for _, move := range payment.Table().Moves {
		for _, from := range move.From {
			if move.On == out.Event && from == m.State {
				m.State = move.To
				return
			}
		}
	}
	if out.Event != "" {
		c.wrong["a move that the table has not"]++
	}
}

func (c *caller) chase(m *made) {
	if c.promised.Next(m.Attempt, c.now) != payment.Ask && m.State != payment.Accepted {
		return
	}
	if answer, err := c.client.Enquire(c.t.Context(), m.Reference); err == nil {
		c.apply(m, c.promised.Judge(m.Attempt, answer, c.proof, c.now))
	}
}

func (c *caller) day() {
	for who := range c.people {
		c.pay(who)
	}
	c.far.Advance(24 * time.Hour)
	c.now = c.now.Add(24 * time.Hour)
	_, lines := c.far.Faulty.CloseBooks()
	for _, line := range lines {
		m := c.byName[numbers(c.t, line.Reference)]
		switch {
		case line.Credit:
			m.State = payment.Returned
		case m.debited || m.State.Dead():
			c.wrong["a debit that nobody expects"]++
		default:
			m.debited, m.State = true, payment.Settled
		}
	}
	c.proof.Through = c.now
	for _, all := range c.people {
		for _, m := range all {
			if m.State == payment.Submitted || m.State == payment.Accepted || m.State == payment.Unknown {
				c.chase(m)
			}
		}
	}
}

// wire is a reference as the bank gets it.
func wire(reference string) string {
	if short, err := payment.Compact(reference); err == nil && len(reference) > payment.MaxCompact {
		return short
	}
	return reference
}

// twice counts the people to whom money went more than once, net of what came back.
func (c *caller) twice() (twice, paid int) {
	for _, all := range c.people {
		net := 0
		for _, m := range all {
			out, back := c.far.Moved(wire(m.Reference))
			net += out - back
		}
		if net > 1 {
			twice++
		}
		if net > 0 {
			paid++
		}
	}
	return twice, paid
}

func simulate(t *testing.T, people int, impolite bool) *caller {
	promises := payment.Capabilities{StatusMemory: 20 * 24 * time.Hour, Finality: 72 * time.Hour}
	f, b, client := farAndNear(t, snap.Options{ReferenceLength: payment.MaxCompact, Promises: promises}, 11, harsh, false)
	b.forgets = true
	c := &caller{t: t, far: f, client: client, promised: client.Capabilities(), impolite: impolite, now: f.clock.now(),
		people: make([][]*made, people), byName: map[[3]int64]*made{}, wrong: map[string]int{}}
	for range 16 {
		c.day()
	}
	return c
}

// Through the real client, over a wire that loses and a bank that is late, nobody is paid
// twice and nearly everybody is paid. PAYMENTTEST_PAYMENTS says how many there are. The control,
// which makes a new reference on a time-out, pays some of them twice.
func TestNobodyIsPaidTwiceOverTheWire(t *testing.T) {
	people := 300
	if text, ok := os.LookupEnv("PAYMENTTEST_PAYMENTS"); ok {
		var err error
		people, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	c := simulate(t, people, false)
	twice, paid := c.twice()
	require.Zero(t, twice)
	require.Empty(t, c.wrong)
	require.NotEqual(t, c.people[99][0].Reference, wire(c.people[99][0].Reference), "references go out compact")
	require.Greater(t, paid, people*97/100)

	control := simulate(t, people, true)
	twice, _ = control.twice()
	require.NotZero(t, twice, "control")
}
