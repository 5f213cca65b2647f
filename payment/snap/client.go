package snap

import (
	"cmp"
	"context"
	"crypto/rsa"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/identity"
)

// Config is what the agency and its bank exchange when they sign their contract.
// All of it is required, except Secret where Options.Asymmetric is set.
type Config struct {
	// BaseURL is the bank's address before the path of a service, "https" only:
	// "https://api.bank.example". What path it has belongs to every signed path.
	BaseURL string
	// ClientKey is the client id (X-CLIENT-KEY) that fetches tokens.
	ClientKey string
	// PartnerID (X-PARTNER-ID) has at most 36 characters, ChannelID (CHANNEL-ID) at most 5.
	PartnerID, ChannelID string
	// Secret is the client secret, the key of the symmetric signature.
	Secret identity.Secret
	// Key is the agency's private RSA key of 2048 bits or more. The bank has the public one.
	Key *rsa.PrivateKey
	// Source is the account that pays, at most 19 characters.
	Source identity.Secret
	// Clock says what time it is. It may be called by any number of goroutines.
	Clock func() time.Time
	// HTTP makes the calls. It must not repeat a request on its own. Redirects are
	// not followed, whatever it says of them.
	HTTP *http.Client
}

// Options are what differs from bank to bank. The zero value is the standard.
type Options struct {
	// Promises is what the bank's contract says of memory, finality and bounds.
	// The zero value promises nothing. BatchSize is always one. ReplaySafe may be
	// set only if the bank looks for the partnerReferenceNo before anything else; an
	// order may then have been sent before, so no answer of Submit is a refusal.
	Promises payment.Capabilities
	// Intrabank: the accounts to be paid are kept by the bank itself. The
	// services are then account-inquiry-internal and transfer-intrabank.
	Intrabank bool
	// Asymmetric: transactions are signed with Key and carry no token.
	Asymmetric bool
	// HexToken and HexSignature: the signature of the token request, and that of
	// a transaction, are written in lower case hexadecimal instead of Base64.
	HexToken, HexSignature bool
	// Queues: a transfer's 200 says that the order was received, not executed.
	Queues bool
	// Refusals are further codes of a transfer that the contract calls final, as
	// HTTP status and case code: "40315". They must begin with 4, and cannot be
	// 401, 404 01, 404 18, 408, 409 or 429, which never prove that nothing was paid.
	Refusals []string
	// ReferenceLength is the longest partnerReferenceNo that the bank takes, at most
	// 64. Zero: 64. A longer reference of payment.Reference's is sent as payment.Compact
	// writes it, which fits from 18 on; its statement has it so too, and
	// payment.ParseReference reads it.
	ReferenceLength int
	// Paths of the services, where the bank's differ from the standard's.
	Paths Paths
}

// Paths are appended to Config.BaseURL. An empty one is the standard's.
type Paths struct{ Token, Inquiry, Transfer, Status string }

// Client is a payment.Provider. Any number of goroutines may use one.
type Client struct {
	c       Config
	o       Options
	http    http.Client
	token   cache
	calls   atomic.Uint64
	service string // of a transfer
}

// New makes a client. It makes no call. The error joins a *FieldError for every fault.
func New(c Config, o *Options) (*Client, error) {
	if o == nil {
		o = &Options{}
	}
	if err := validate(c, o); err != nil {
		return nil, err
	}
	client := &Client{c: c, o: *o, http: *c.HTTP, token: newCache()}
	client.c.BaseURL = strings.TrimSuffix(c.BaseURL, "/")
	client.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.o.Refusals = slices.Clone(o.Refusals)
	client.o.Promises.BatchSize = 1
	client.service = interbank
	inquiry, transfer := "/v1.0/account-inquiry-external", "/v1.0/transfer-interbank"
	if o.Intrabank {
		client.service = intrabank
		inquiry, transfer = "/v1.0/account-inquiry-internal", "/v1.0/transfer-intrabank"
	}
	client.o.Paths = Paths{
		Token:    cmp.Or(o.Paths.Token, "/v1.0/access-token/b2b"),
		Inquiry:  cmp.Or(o.Paths.Inquiry, inquiry),
		Transfer: cmp.Or(o.Paths.Transfer, transfer),
		Status:   cmp.Or(o.Paths.Status, "/v1.0/transfer/status"),
	}
	return client, nil
}

// Capabilities returns Options.Promises with a batch size of one.
func (c *Client) Capabilities() payment.Capabilities { return c.o.Promises }

// Resolve asks whose account it is. An account that the bank calls invalid, dormant
// or inactive does not exist. The error is an *Error, or a *FieldError if the
// account does not fit the standard.
func (c *Client) Resolve(ctx context.Context, to payment.Account) (payment.Resolution, error) {
	if err := c.account(to); err != nil {
		return payment.Resolution{}, err
	}
	service := externalInquiry
	request := inquiryRequest{Bank: to.Institution, Number: to.Number.Reveal()}
	if c.o.Intrabank {
		service, request.Bank = internalInquiry, ""
	}
	r, err := c.ask(ctx, c.o.Paths.Inquiry, service, "", request)
	switch {
	case err != nil:
		return payment.Resolution{}, err
	case r.is("20000") && r.said("beneficiaryAccountNo", request.Number) && r.text("beneficiaryAccountName") != "":
		return payment.Resolution{Exists: true, Holder: identity.NewName(r.text("beneficiaryAccountName"))}, nil
	case r.is("40411"), r.is("40309"), r.is("40318"):
		return payment.Resolution{}, nil
	}
	return payment.Resolution{}, &Error{Call: "inquiry", Rule: Undecided, Status: r.status, Code: r.code}
}

// Submit hands over one order. Its reference is the partnerReferenceNo, as it is or compact
// (Options.ReferenceLength). The
// error wraps payment.ErrNotSent if nothing of the order has left: it does not fit
// the standard (*FieldError), no token could be had, or the connection could not be
// made. Any other error comes with the answer payment.Unclear. If the bank has
// met the reference before, Submit enquires at once.
func (c *Client) Submit(ctx context.Context, orders []payment.Transfer) ([]payment.Answer, error) {
	if len(orders) == 0 {
		return nil, nil
	}
	if len(orders) > 1 {
		return nil, errors.Join(&FieldError{"orders", "at most one"}, payment.ErrNotSent)
	}
	order := orders[0]
	if err := c.order(order); err != nil {
		return nil, errors.Join(err, payment.ErrNotSent)
	}
	r, err := c.submit(ctx, order)
	if errors.Is(err, payment.ErrNotSent) {
		return nil, err
	}
	answer := payment.Answer{Reference: order.Reference, Standing: payment.Unclear}
	if err == nil {
		answer = c.judge(r, order)
	}
	if r.metBefore() {
		answer = c.second(ctx, order, answer)
	}
	return []payment.Answer{answer}, err
}

// second enquires about an order that the bank has met before. Only that it is
// being executed, or was, is taken over; what else the enquiry says
// contradicts that the bank knows it.
func (c *Client) second(ctx context.Context, t payment.Transfer, first payment.Answer) payment.Answer {
	r, err := c.enquire(ctx, t.Reference)
	if err != nil || !r.saidAmount(t.Amount) || !r.said("beneficiaryAccountNo", t.To.Number.Reveal()) {
		return first
	}
	if a := c.found(r, t.Reference); a.Standing == payment.Paid || a.Standing == payment.Taken {
		return a
	}
	return first
}

// Enquire asks for the status of the transfer with the reference. An error comes
// with the answer payment.Unclear; it is an *Error, or a *FieldError.
func (c *Client) Enquire(ctx context.Context, reference string) (payment.Answer, error) {
	answer := payment.Answer{Reference: reference, Standing: payment.Unclear}
	if _, err := c.wire(reference); err != nil {
		return answer, err
	}
	r, err := c.enquire(ctx, reference)
	if err != nil {
		return answer, err
	}
	return c.found(r, reference), nil
}

// Statement gives none: the standard's service for it has no running number, and names no
// reference of ours, so that nothing follows from it. The bank's file (package iso20022)
// settles. The error is payment.ErrNoStatement.
func (c *Client) Statement(context.Context, int64, func(payment.Line) error) (payment.Statement, error) {
	return payment.Statement{}, payment.ErrNoStatement
}

// FieldError says what is wrong with one field. It repeats no value.
type FieldError struct{ Field, Rule string }

func (e *FieldError) Error() string { return "snap: " + e.Field + ": " + e.Rule }

// faults collects what is wrong.
type faults []error

func (f *faults) want(ok bool, field, rule string) {
	if !ok {
		*f = append(*f, &FieldError{field, rule})
	}
}

func validate(c Config, o *Options) error {
	var f faults
	base, err := url.Parse(c.BaseURL)
	f.want(err == nil && base.Scheme == "https" && base.Host != "" && base.User == nil && base.RawQuery == "" && base.Fragment == "",
		"base url", "https, with a host, without user, query and fragment")
	f.want(printable(c.ClientKey, 256), "client key", "1 to 256 visible characters")
	f.want(printable(c.PartnerID, 36), "partner id", "1 to 36 visible characters")
	f.want(printable(c.ChannelID, 5), "channel id", "1 to 5 visible characters")
	f.want(o.Asymmetric || !c.Secret.IsZero(), "secret", "required")
	f.want(c.Key != nil && c.Key.N != nil && c.Key.N.BitLen() >= 2048, "key", "RSA of at least 2048 bits")
	f.want(printable(c.Source.Reveal(), 19), "source", "1 to 19 visible characters")
	f.want(c.Clock != nil, "clock", "required")
	f.want(c.HTTP != nil, "http", "required")
	f.want(o.ReferenceLength >= 0 && o.ReferenceLength <= maxReference, "reference length", "0 to 64")
	for _, code := range o.Refusals {
		f.want(mayRefuse(code), "refusals", "4xx and a case code, of a kind that can prove a refusal")
	}
	for _, path := range []string{o.Paths.Token, o.Paths.Inquiry, o.Paths.Transfer, o.Paths.Status} {
		f.want(path == "" || path[0] == '/' && printable(path, 256) && !strings.ContainsAny(path, "?#%"), "paths", "begin with a slash, no query")
	}
	return errors.Join(f...)
}

const maxReference = 64

func (c *Client) order(t payment.Transfer) error {
	var f faults
	if _, err := c.wire(t.Reference); err != nil {
		f = append(f, err)
	}
	f.want(t.Amount.Currency == payment.IDR && t.Amount.Units > 0 && t.Amount.Units < 10_000_000_000_000_000, "amount", "rupiah, above zero, at most 16 digits")
	f.want(c.o.Promises.Accepts(t.Amount), "amount", "within the bounds of the contract")
	f.want(c.o.Intrabank || holder(t.To.Holder.Reveal()), "holder", "1 to 100 characters, none of them a control")
	if err := c.account(t.To); err != nil {
		f = append(f, err)
	}
	return errors.Join(f...)
}

func (c *Client) account(to payment.Account) error {
	var f faults
	f.want(c.o.Intrabank || printable(to.Institution, 11), "institution", "1 to 11 visible characters")
	f.want(printable(to.Number.Reveal(), 34), "number", "1 to 34 visible characters")
	return errors.Join(f...)
}

// wire returns a reference as the bank gets it: as it is if it fits, or else compact. It is
// never cut. A text that only looks like a compact reference is refused where those are in
// use, so that no two orders are one to the bank.
func (c *Client) wire(s string) (string, error) {
	for i := range len(s) {
		if c := s[i] | 0x20; (c < 'a' || c > 'z') && (s[i] < '0' || s[i] > '9') {
			return "", &FieldError{"reference", "letters and digits only"}
		}
	}
	most := cmp.Or(c.o.ReferenceLength, maxReference)
	short, err := payment.Compact(s)
	switch {
	case s == "" || len(s) > most && (err != nil || len(short) > most):
		return "", &FieldError{"reference", "as long as the bank takes; it is never cut"}
	case short == s && c.o.ReferenceLength > 0:
		return "", &FieldError{"reference", "as payment.Reference writes it; it is made compact here"}
	case len(s) > most:
		return short, nil
	}
	return s, nil
}

// holder reports whether a name goes into a request unchanged.
func holder(s string) bool {
	n := utf8.RuneCountInString(s)
	return n > 0 && n <= 100 && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// printable reports whether s has 1 to most characters, all visible ASCII.
func printable(s string, most int) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= most
}
