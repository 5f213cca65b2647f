package paymenttest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/payment/paymenttest"
	"github.com/gelombang/gelombang/program/identity"
)

// A provider over HTTP, as an agency would write it, against a far side that is a
// test server: the suite finds no fault in it.
func TestAProviderOverHTTP(t *testing.T) {
	paymenttest.TestProvider(t, func(t *testing.T) paymenttest.Bench {
		siti := payment.Account{Institution: "WALLET", Number: identity.NewSecret("0812000001"), Holder: identity.NewName("Siti Aminah")}
		far := &wire{Faulty: paymenttest.NewFaulty(start, payment.Rupiah(0), 3, &paymenttest.FaultyOptions{Capabilities: generous, Accounts: []payment.Account{siti}}),
			faults: map[paymenttest.Fault]bool{}}
		server := httptest.NewServer(far)
		t.Cleanup(server.Close)
		w := &wallet{url: server.URL, far: far, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: far.dial}}}
		b := far.Bench()
		b.Provider, b.Far = w, far
		return b
	})
}

// wire is a far side whose faults happen on the wire.
type wire struct {
	*paymenttest.Faulty
	mu     sync.Mutex
	faults map[paymenttest.Fault]bool
}

func (w *wire) Fault(f paymenttest.Fault) bool {
	switch f {
	case paymenttest.NoConnection, paymenttest.RequestLost, paymenttest.AnswerLost, paymenttest.ServerError, paymenttest.Garbage,
		paymenttest.Conflict, paymenttest.EnquiryLost:
		w.mu.Lock()
		defer w.mu.Unlock()
		w.faults[f] = true
		return true
	}
	return w.Faulty.Fault(f)
}

func (w *wire) happens(f paymenttest.Fault) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.faults[f]
	delete(w.faults, f)
	return now
}

func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if w.happens(paymenttest.NoConnection) {
		return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("refused")}
	}
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

// wireOrder is an order on the wire.
type wireOrder struct {
	Reference, Institution, Number, Currency string
	Units                                    int64
}

func (w *wire) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/status" {
		if w.happens(paymenttest.EnquiryLost) {
			http.Error(rw, "no such page", http.StatusNotFound)
			return
		}
		answer, err := w.Enquire(r.Context(), r.URL.Query().Get("reference"))
		reply(rw, answer, err)
		return
	}
	if r.URL.Path == "/statement" {
		w.statement(rw, r)
		return
	}
	var orders []wireOrder
	if w.happens(paymenttest.RequestLost) || json.NewDecoder(r.Body).Decode(&orders) != nil {
		panic(http.ErrAbortHandler)
	}
	transfers := make([]payment.Transfer, len(orders))
	for i, o := range orders {
		transfers[i] = payment.Transfer{Reference: o.Reference, Amount: payment.Money{Units: o.Units, Currency: o.Currency},
			To: payment.Account{Institution: o.Institution, Number: identity.NewSecret(o.Number)}}
	}
	answers, err := w.Submit(r.Context(), transfers)
	switch {
	case w.happens(paymenttest.AnswerLost):
		panic(http.ErrAbortHandler)
	case w.happens(paymenttest.ServerError):
		http.Error(rw, "bad gateway", http.StatusBadGateway)
	case w.happens(paymenttest.Garbage):
		fmt.Fprint(rw, "<html>welcome")
	case w.happens(paymenttest.Conflict):
		http.Error(rw, "duplicate reference", http.StatusConflict)
	default:
		reply(rw, answers, err)
	}
}

func (w *wire) statement(rw http.ResponseWriter, r *http.Request) {
	if w.happens(paymenttest.EnquiryLost) {
		http.Error(rw, "no such page", http.StatusNotFound)
		return
	}
	var out struct {
		Sums  payment.Statement
		Lines []payment.Line
	}
	sequence, err := strconv.ParseInt(r.URL.Query().Get("sequence"), 10, 64)
	if err == nil {
		out.Sums, err = w.Statement(r.Context(), sequence, func(l payment.Line) error { out.Lines = append(out.Lines, l); return nil })
	}
	if errors.Is(err, payment.ErrNoStatement) {
		err = nil
	}
	reply(rw, out, err)
}

func reply(rw http.ResponseWriter, value any, err error) {
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_ = json.NewEncoder(rw).Encode(value)
}

// wallet is the provider.
type wallet struct {
	url    string
	client *http.Client
	far    *wire // for what this test does not put on the wire
}

func (w *wallet) Capabilities() payment.Capabilities { return generous }

func (w *wallet) Resolve(ctx context.Context, to payment.Account) (payment.Resolution, error) {
	return w.far.Resolve(ctx, to)
}

func (w *wallet) Notice(header map[string][]string, body []byte) (payment.Answer, error) {
	return w.far.Notice(header, body)
}

func (w *wallet) Submit(ctx context.Context, orders []payment.Transfer) ([]payment.Answer, error) {
	body := make([]wireOrder, len(orders))
	for i, t := range orders {
		body[i] = wireOrder{t.Reference, t.To.Institution, t.To.Number.Reveal(), t.Amount.Currency, t.Amount.Units}
	}
	var answers []payment.Answer
	err := w.call(ctx, http.MethodPost, "/orders", body, &answers)
	return answers, err
}

func (w *wallet) Statement(ctx context.Context, sequence int64, each func(payment.Line) error) (payment.Statement, error) {
	var got struct {
		Sums  payment.Statement
		Lines []payment.Line
	}
	if err := w.call(ctx, http.MethodGet, fmt.Sprint("/statement?sequence=", sequence), nil, &got); err != nil {
		return payment.Statement{}, err
	}
	if got.Sums.Sequence != sequence {
		return payment.Statement{}, payment.ErrNoStatement
	}
	for _, line := range got.Lines {
		if err := each(line); err != nil {
			return payment.Statement{}, err
		}
	}
	return got.Sums, nil
}

func (w *wallet) Enquire(ctx context.Context, reference string) (payment.Answer, error) {
	var answer payment.Answer
	err := w.call(ctx, http.MethodGet, "/status?reference="+reference, nil, &answer)
	return answer, err
}

func (w *wallet) call(ctx context.Context, method, path string, body, into any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, w.url+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	response, err := w.client.Do(request)
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return fmt.Errorf("%w: %w", payment.ErrNotSent, err)
	}
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("HTTP status %d", response.StatusCode)
	}
	return json.NewDecoder(response.Body).Decode(into)
}
