package snap

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/gelombang/gelombang/payment"
)

// refusals are the answers to a transfer that are final without a word in the
// contract, as HTTP status and case code. The standard's list calls no code of a
// transfer final. Those here are what it lists as a fault of the request or of the
// account and what Midtrans documents as a refusal; for 5xx it
// says to ask first.
var refusals = []string{
	"40001", // Invalid Field Format
	"40002", // Invalid Mandatory Field
	"40309", // Dormant Account
	"40314", // Insufficient Funds
	"40318", // Inactive Card/Account/Customer
	"40411", // Invalid Card/Account/Customer
}

// mayRefuse reports whether a contract can call a code final.
func mayRefuse(code string) bool {
	if len(code) != 5 || code[0] != '4' || !digits(code) {
		return false
	}
	switch code[:3] {
	case "401", "408", "409", "429":
		return false
	}
	return code != "40401" && code != "40418"
}

// judge maps the answer to a transfer.
func (c *Client) judge(r reply, t payment.Transfer) payment.Answer {
	a := payment.Answer{Reference: t.Reference, Standing: payment.Unclear, Code: r.code, Theirs: r.theirs("referenceNo")}
	if wire, err := c.wire(t.Reference); err != nil || !r.said("partnerReferenceNo", wire) || !r.saidAmount(t.Amount) {
		return a
	}
	switch {
	case r.is("20000") && a.Theirs != "" && c.o.Queues, r.is("20200"):
		a.Standing = payment.Taken
	case r.is("20000") && a.Theirs != "":
		a.Standing = payment.Paid
	case !c.o.Promises.ReplaySafe && (slices.ContainsFunc(refusals, r.is) || slices.ContainsFunc(c.o.Refusals, r.is)):
		a.Standing = payment.Refused
	}
	return a
}

// found maps the answer to a status enquiry.
func (c *Client) found(r reply, reference string) payment.Answer {
	a := payment.Answer{Reference: reference, Standing: payment.Unclear, Code: r.code, Theirs: r.theirs("originalReferenceNo")}
	if wire, err := c.wire(reference); err != nil || !r.said("originalPartnerReferenceNo", wire) || !r.said("serviceCode", c.service) {
		return a
	}
	switch {
	case r.is("40401"):
		a.Standing = payment.Absent
	case r.is("20000"):
		latest := r.text("latestTransactionStatus")
		if len(latest) == 2 && digits(latest) {
			a.Code += "/" + latest
		}
		a.Standing = standing(latest)
	}
	return a
}

// standing maps latestTransactionStatus. Refunded (04) is unclear: the order was
// executed and then returned, which the statement shows.
func standing(latest string) payment.Standing {
	switch latest {
	case "00": // Success
		return payment.Paid
	case "01", "02", "03": // Initiated, Paying, Pending
		return payment.Taken
	case "05", "06": // Canceled, Failed
		return payment.Refused
	case "07": // Not found
		return payment.Absent
	}
	return payment.Unclear
}

// FailureOf maps the code of an answer to a transfer ("4041811") to who must act. A
// code that is not listed is payment.Unexplained.
func FailureOf(code string) payment.Failure {
	if len(code) != 7 {
		return payment.Unexplained
	}
	switch code[:3] + code[5:] {
	case "40411":
		return payment.AccountUnknown
	case "40309", "40318":
		return payment.AccountUnusable
	case "40314":
		return payment.NoFunds
	case "40302":
		return payment.AmountRefused
	case "40303", "40315":
		return payment.NotAllowed
	case "40402", "40403":
		return payment.BankUnknown
	case "40901":
		return payment.SentTwice
	}
	return payment.Unexplained
}

// reply is an answer of the bank's that can be read.
type reply struct {
	status int
	code   string // seven digits; empty if there is none
	fields map[string]json.RawMessage
}

const maxBody = 1 << 20

var (
	errLong     = errors.New("snap: more than 1 MiB")
	errForm     = errors.New("snap: not one JSON object with each name once")
	errMismatch = errors.New("snap: the code is not that of this status and service")
)

// read reads an answer of at most 1 MiB. Its responseCode must be the HTTP status,
// the service and a case code; only a token that was given may have none.
func read(status int, service string, body io.Reader) (reply, error) {
	r := reply{status: status}
	data, err := io.ReadAll(io.LimitReader(body, maxBody+1))
	if err != nil {
		return r, err
	}
	if len(data) > maxBody {
		return r, errLong
	}
	fields, err := object(data)
	if err != nil {
		return r, err
	}
	r.fields = fields
	code := r.text("responseCode")
	if code == "" && fields["responseCode"] == nil && service == accessToken {
		return r, nil
	}
	if len(code) != 7 || !digits(code) || code[:3] != strconv.Itoa(status) || code[3:5] != service {
		return r, errMismatch
	}
	r.code = code
	return r, nil
}

// object reads one JSON object. A name that is there twice has no one value.
func object(data []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if first, err := d.Token(); err != nil || first != json.Delim('{') || !utf8.Valid(data) {
		return nil, errForm
	}
	fields := map[string]json.RawMessage{}
	for d.More() {
		token, err := d.Token()
		name, ok := token.(string)
		if err != nil || !ok || fields[name] != nil {
			return nil, errForm
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return nil, errForm
		}
		fields[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, errForm
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errForm
	}
	return fields, nil
}

// is reports whether the answer has the HTTP status and case code.
func (r reply) is(code string) bool {
	return len(r.code) == 7 && r.code[:3] == code[:3] && r.code[5:] == code[3:]
}

// metBefore: the bank has met the X-EXTERNAL-ID today, or the partnerReferenceNo. Of
// 404 18 (same reference, other parameters) the standard says that a transfer
// counts as successful.
func (r reply) metBefore() bool { return r.is("40900") || r.is("40901") || r.is("40418") }

// tokenRefused: the token does not exist or has expired, said in so many words.
func (r reply) tokenRefused() bool { return r.is("40101") || r.is("40103") }

// text returns a field that is a text, and "" for any other.
func (r reply) text(field string) string {
	var s string
	if json.Unmarshal(r.fields[field], &s) != nil {
		return ""
	}
	return s
}

// said reports whether a field, if it is there at all, has the value.
func (r reply) said(field, want string) bool {
	raw := r.fields[field]
	return raw == nil || string(raw) == "null" || r.text(field) == want
}

// saidAmount reports whether the amount, if it is there at all, is the order's.
func (r reply) saidAmount(want payment.Money) bool {
	raw := r.fields["amount"]
	if raw == nil || string(raw) == "null" {
		return true
	}
	var said amount
	if json.Unmarshal(raw, &said) != nil {
		return false
	}
	got, err := payment.ParseDecimal(said.Value, said.Currency)
	return err == nil && got == want
}

// theirs returns the bank's own reference if it is fit for a record.
func (r reply) theirs(field string) string {
	if s := r.text(field); printable(s, maxReference) {
		return s
	}
	return ""
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
