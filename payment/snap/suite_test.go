package snap_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/payment/paymenttest"
	"github.com/gelombang/gelombang/payment/snap"
	"github.com/gelombang/gelombang/program/identity"
)

// The client keeps what a provider owes, against a bank that speaks SNAP over TLS and
// has every fault of the suite. The suite's refusal is one of Submit's, which a bank
// that repeats safely does not give: so the contract here is that of one that does not.
func TestProvider(t *testing.T) {
	paymenttest.TestProvider(t, func(t *testing.T) paymenttest.Bench {
		return bench(t, snap.Options{Promises: payment.Capabilities{
			StatusMemory: 30 * 24 * time.Hour, Finality: 48 * time.Hour, NameEvidence: true}})
	})
}

// The same, against a bank that only queues orders and promises nothing.
func TestProviderThatPromisesNothing(t *testing.T) {
	paymenttest.TestProvider(t, func(t *testing.T) paymenttest.Bench {
		return bench(t, snap.Options{Queues: true, Promises: payment.Capabilities{NameEvidence: true}})
	})
}

// A client that took any error for "not sent" would fail the suite's cases of lost
// answers: the far side's faults do happen on the wire.
func TestTheFarSideHasItsFaults(t *testing.T) {
	for fault, executed := range map[paymenttest.Fault]int{paymenttest.NoConnection: 0, paymenttest.RequestLost: 0,
		paymenttest.AnswerLost: 1, paymenttest.ServerError: 1, paymenttest.Garbage: 1, paymenttest.Conflict: 1, paymenttest.WrongReference: 1} {
		b := bench(t, snap.Options{})
		require.True(t, b.Far.Fault(fault))
		_, err := b.Provider.Submit(t.Context(), []payment.Transfer{{Reference: "B1I1G1X", Amount: payment.Rupiah(10_000), To: b.To}})
		require.Equal(t, fault == paymenttest.NoConnection, errors.Is(err, payment.ErrNotSent), fault)
		b.Far.Advance(24 * time.Hour)
		out, _ := b.Far.Moved("B1I1G1X")
		require.Equal(t, executed, out, fault)
	}
}

// far is the suite's far side: a bank that speaks SNAP, whose books are a Faulty's.
type far struct {
	*paymenttest.Faulty
	clock  *clock
	mu     sync.Mutex
	faults map[paymenttest.Fault]bool
	cut    bool // break this connection
}

func bench(t *testing.T, o snap.Options) paymenttest.Bench {
	f, _, client := farAndNear(t, o, 5, nil, true)
	suite := f.Bench()
	suite.Provider, suite.Far = client, f
	return suite
}

// farAndNear makes a bank whose books go wrong at the rates, and the client of it.
func farAndNear(t *testing.T, o snap.Options, seed uint64, rates map[paymenttest.Fault]int, onceEach bool) (*far, *bank, *snap.Client) {
	b, at := newBank(t), noon()
	t.Cleanup(b.server.Close)
	siti := payment.Account{Institution: "014", Number: identity.NewSecret("888801000157508"), Holder: identity.NewName("Siti Aminah")}
	f := &far{clock: at, faults: map[paymenttest.Fault]bool{}, Faulty: paymenttest.NewFaulty(at.now(), payment.Rupiah(0), seed,
		&paymenttest.FaultyOptions{Capabilities: o.Promises, Accounts: []payment.Account{siti}, Rates: rates})}
	b.say, b.cut = f.say, func(seen) bool { return f.happens(&f.cut) }
	c := config(b, at)
	transport := b.server.Client().Transport.(*http.Transport).Clone()
	transport.DisableKeepAlives = onceEach // a connection for every request, so that each can fail
	transport.DialContext = f.dial
	c.HTTP = &http.Client{Transport: transport}
	client, err := snap.New(c, &o)
	require.NoError(t, err)
	return f, b, client
}

// Fault keeps the faults of the wire; the others are the books'.
func (f *far) Fault(fault paymenttest.Fault) bool {
	switch fault {
	case paymenttest.NoConnection, paymenttest.RequestLost, paymenttest.AnswerLost, paymenttest.ServerError,
		paymenttest.Garbage, paymenttest.Conflict, paymenttest.WrongReference, paymenttest.EnquiryLost:
		f.mu.Lock()
		defer f.mu.Unlock()
		f.faults[fault] = true
		return true
	case paymenttest.PartialAnswer:
		return false // one order in a call
	}
	return f.Faulty.Fault(fault)
}

func (f *far) has(fault paymenttest.Fault) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.faults[fault]
	delete(f.faults, fault)
	return now
}

func (f *far) happens(flag *bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := *flag
	*flag = false
	return now
}

func (f *far) breakOff() (int, string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cut = true
	return http.StatusOK, "{}"
}

func (f *far) Advance(d time.Duration) {
	f.clock.move(d)
	f.Faulty.Advance(d)
}

// CloseBooks makes none: the client reads no statements.
func (f *far) CloseBooks() (payment.Statement, []payment.Line) { return payment.Statement{}, nil }

// CallBack makes none: the client takes none.
func (f *far) CallBack(string) (map[string][]string, []byte) { return nil, nil }

func (f *far) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if f.has(paymenttest.NoConnection) {
		return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("refused")}
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

// say answers in the bank's place, from the books.
func (f *far) say(s seen) (int, string) {
	text := func(field string) string { v, _ := s.fields[field].(string); return v }
	to := payment.Account{Institution: text("beneficiaryBankCode"), Number: identity.NewSecret(text("beneficiaryAccountNo"))}
	switch s.service {
	case "16":
		found, err := f.Resolve(context.Background(), to)
		if err != nil || !found.Exists {
			return 404, code("4041611")
		}
		return 0, ""
	case "18":
		return f.transfer(text("partnerReferenceNo"), to, s)
	}
	if f.has(paymenttest.EnquiryLost) {
		return 500, code("5003600")
	}
	reference := text("originalPartnerReferenceNo")
	answer, err := f.Enquire(context.Background(), reference)
	if err != nil {
		return f.breakOff()
	}
	return status(reference, answer.Standing)
}

func (f *far) transfer(reference string, to payment.Account, s seen) (int, string) {
	if f.has(paymenttest.RequestLost) {
		return f.breakOff()
	}
	money, _ := s.fields["amount"].(map[string]any)
	value, _ := money["value"].(string)
	amount, err := payment.ParseDecimal(value, "IDR")
	if err != nil {
		return 400, code("4001801")
	}
	answers, err := f.Submit(context.Background(), []payment.Transfer{{Reference: reference, Amount: amount, To: to}})
	switch {
	case err != nil, f.has(paymenttest.AnswerLost):
		return f.breakOff()
	case f.has(paymenttest.ServerError):
		return 500, code("5001800")
	case f.has(paymenttest.Garbage):
		return 200, "<html>SITI AMINAH"
	case f.has(paymenttest.Conflict):
		return 409, code("4091801")
	case f.has(paymenttest.WrongReference):
		reference = "B9I9G9X"
	}
	switch answers[0].Standing {
	case payment.Paid:
		return 200, fmt.Sprintf(`{"responseCode":"2001800","referenceNo":"9","partnerReferenceNo":%q,"amount":{"value":%q,"currency":"IDR"}}`, reference, value)
	case payment.Taken:
		return 202, fmt.Sprintf(`{"responseCode":"2021800","partnerReferenceNo":%q}`, reference)
	case payment.Refused:
		return 404, code("4041811")
	}
	return 500, code("5001801")
}

// status is the bank's answer to an enquiry.
func status(reference string, standing payment.Standing) (int, string) {
	switch standing {
	case payment.Paid:
		return 200, latest(reference, "00")
	case payment.Taken:
		return 200, latest(reference, "03")
	case payment.Refused:
		return 200, latest(reference, "06")
	case payment.Absent:
		return 404, code("4043601")
	}
	return 500, code("5003600")
}
