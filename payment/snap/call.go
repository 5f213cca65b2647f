package snap

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/identity"
)

// The service codes of the standard that this package uses.
const (
	internalInquiry = "15"
	externalInquiry = "16"
	intrabank       = "17"
	interbank       = "18"
	status          = "36"
	accessToken     = "73"
)

type amount struct {
	Value    string `json:"value"`
	Currency string `json:"currency"`
}

type inquiryRequest struct {
	Bank   string `json:"beneficiaryBankCode,omitempty"`
	Number string `json:"beneficiaryAccountNo"`
}

type transferRequest struct {
	Reference string `json:"partnerReferenceNo"`
	Amount    amount `json:"amount"`
	Name      string `json:"beneficiaryAccountName,omitempty"`
	Number    string `json:"beneficiaryAccountNo"`
	Bank      string `json:"beneficiaryBankCode,omitempty"`
	Source    string `json:"sourceAccountNo"`
	Date      string `json:"transactionDate"`
}

type statusRequest struct {
	Reference string `json:"originalPartnerReferenceNo"`
	Service   string `json:"serviceCode"`
}

// submit sends one transfer. Where the bank does not promise that a replay is safe,
// the X-EXTERNAL-ID of a reference is the same all day, so that a second request by
// mistake meets a second barrier (409 00).
//
// A 401 with the case codes 01 or 03 says that the token does not exist or has
// expired. The request was turned away before anybody looked at the order, and RFC
// 6750 (section 3.1, invalid_token) lets a client repeat it with a new token: this
// is repeated, once. Any other 401 is not.
func (c *Client) submit(ctx context.Context, t payment.Transfer) (reply, error) {
	reference, err := c.wire(t.Reference)
	if err != nil {
		return reply{}, errors.Join(err, payment.ErrNotSent)
	}
	now := c.c.Clock()
	request := transferRequest{
		Reference: reference, Amount: amount{t.Amount.Decimal(), t.Amount.Currency},
		Name: t.To.Holder.Reveal(), Number: t.To.Number.Reveal(), Bank: t.To.Institution,
		Source: c.c.Source.Reveal(), Date: timestamp(now),
	}
	if c.o.Intrabank {
		request.Name, request.Bank = "", ""
	}
	attempt := ""
	if c.o.Promises.ReplaySafe {
		attempt = c.attempt(now)
	}
	return c.exchange(ctx, call{c.o.Paths.Transfer, c.service, reference, attempt}, request, reply.tokenRefused)
}

// enquire asks for the status of a transfer.
func (c *Client) enquire(ctx context.Context, reference string) (reply, error) {
	reference, err := c.wire(reference)
	if err != nil {
		return reply{}, err
	}
	return c.ask(ctx, c.o.Paths.Status, status, reference, statusRequest{reference, c.service})
}

// ask sends a question. It may be repeated whatever a 401 says.
func (c *Client) ask(ctx context.Context, path, service, reference string, request any) (reply, error) {
	any401 := func(reply) bool { return true }
	return c.exchange(ctx, call{path, service, reference, c.attempt(c.c.Clock())}, request, any401)
}

// attempt tells apart the requests of one day: by the instant, and by a count for
// those of one instant.
func (c *Client) attempt(now time.Time) string {
	return strconv.FormatInt(now.UnixNano(), 10) + "." + strconv.FormatUint(c.calls.Add(1), 10)
}

// call says what is called; the last two make its X-EXTERNAL-ID.
type call struct{ path, service, reference, attempt string }

// exchange makes the call. If it meets a 401 it forgets the token, and calls once
// more if again allows that of the answer.
func (c *Client) exchange(ctx context.Context, to call, request any, again func(reply) bool) (reply, error) {
	body, err := marshal(request)
	if err != nil {
		return reply{}, errors.Join(err, payment.ErrNotSent)
	}
	token, err := c.bearer(ctx)
	if err != nil {
		return reply{}, errors.Join(err, payment.ErrNotSent)
	}
	r, err := c.send(ctx, to, token, body)
	if c.o.Asymmetric || r.status != http.StatusUnauthorized {
		return r, err
	}
	c.token.drop(ctx, token)
	if !again(r) {
		return r, err
	}
	fresh, tokenErr := c.bearer(ctx)
	if tokenErr != nil {
		return r, err
	}
	to.attempt += "/2"
	r2, err2 := c.send(ctx, to, fresh, body)
	if errors.Is(err2, payment.ErrNotSent) {
		return r, err // something was sent: the first request
	}
	return r2, err2
}

// marshal writes JSON without spaces and without escapes for HTML: what is signed
// is what is sent.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, &FieldError{"request", "must be writable as JSON"}
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// send makes one transaction call.
func (c *Client) send(ctx context.Context, to call, token identity.Secret, body []byte) (reply, error) {
	now := c.c.Clock()
	at := timestamp(now)
	address, err := url.Parse(c.c.BaseURL + to.path)
	if err != nil {
		return reply{}, errors.Join(&FieldError{"base url", "must be an address"}, payment.ErrNotSent)
	}
	signature, err := c.signCall(http.MethodPost, address.EscapedPath(), token.Reveal(), body, at)
	if err != nil {
		return reply{}, errors.Join(err, payment.ErrNotSent)
	}
	header := http.Header{}
	if !c.o.Asymmetric {
		header.Set("Authorization", "Bearer "+token.Reveal())
	}
	header.Set("X-TIMESTAMP", at)
	header.Set("X-SIGNATURE", signature)
	header.Set("X-PARTNER-ID", c.c.PartnerID)
	header.Set("X-EXTERNAL-ID", externalID(to.service, to.reference, to.attempt, now))
	header.Set("CHANNEL-ID", c.c.ChannelID)
	return c.post(ctx, address.String(), to.service, header, body)
}

// post sends a body and reads the answer.
func (c *Client) post(ctx context.Context, address, service string, header http.Header, body []byte) (reply, error) {
	name := names[service]
	if ctx.Err() != nil {
		return reply{}, &Error{Call: name, Rule: NotSent, cause: errors.Join(ctx.Err(), payment.ErrNotSent)}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return reply{}, &Error{Call: name, Rule: NotSent, cause: payment.ErrNotSent}
	}
	header.Set("Content-Type", "application/json")
	request.Header = header
	response, err := c.http.Do(request)
	if err != nil {
		return reply{}, lost(name, err)
	}
	defer func() { _ = response.Body.Close() }() // the answer has been read; nothing follows from it
	r, err := read(response.StatusCode, service, response.Body)
	if err != nil {
		return r, &Error{Call: name, Rule: Unreadable, Status: response.StatusCode, cause: err}
	}
	return r, nil
}

// lost tells a call that never began from one whose answer is missing.
func lost(name string, err error) error {
	var operation *net.OpError
	if errors.As(err, &operation) && operation.Op == "dial" {
		return &Error{Call: name, Rule: NotSent, cause: errors.Join(err, payment.ErrNotSent)}
	}
	return &Error{Call: name, Rule: NoAnswer, cause: err}
}

var names = map[string]string{
	internalInquiry: "inquiry", externalInquiry: "inquiry",
	intrabank: "transfer", interbank: "transfer", status: "status", accessToken: "token",
}

// Rule says how a call failed.
type Rule string

// The rules.
const (
	NotSent    Rule = "not sent"   // the connection could not be made
	NoAnswer   Rule = "no answer"  // time-out, or the connection broke
	Unreadable Rule = "unreadable" // the answer is not what the standard describes, or too long
	Undecided  Rule = "undecided"  // the answer is readable and decides nothing
	NoToken    Rule = "no token"   // the bank gave no access token
)

// Error is a call that did not bring what was asked. Its text has no personal data,
// and nothing that the bank wrote but a code of seven digits.
type Error struct {
	Call   string // "token", "inquiry", "transfer", "status"
	Rule   Rule
	Status int    // of HTTP; zero if there was no answer
	Code   string // the bank's responseCode; empty if there was none
	cause  error
}

func (e *Error) Error() string {
	text := "snap: " + e.Call + ": " + string(e.Rule)
	if e.Status != 0 {
		text += ", HTTP " + strconv.Itoa(e.Status)
	}
	if e.Code != "" {
		text += ", code " + e.Code
	}
	return text
}

// Unwrap gives the cause: payment.ErrNotSent, context.DeadlineExceeded, an error of net.
func (e *Error) Unwrap() error { return e.cause }
