package paymenttest

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gelombang/gelombang/payment"
)

// posted is what the far side has booked since its last statement.
type posted struct {
	sequence         int64
	opening, closing payment.Money
	lines            []payment.Line
}

func (p *posted) add(o *order, credit bool) {
	line := payment.Line{Reference: o.reference, Theirs: fmt.Sprint("F", o.number), Credit: credit, Amount: o.amount}
	units := -o.amount.Units
	if credit {
		line.Code, units = "AC04", o.amount.Units
	}
	p.lines = append(p.lines, line)
	p.closing.Units += units
}

// books are a statement that was made.
type books struct {
	sums  payment.Statement
	lines []payment.Line
}

// CloseBooks makes the next statement of the account: its sums and lines since the last, or
// since the start. Statements are numbered from 1; payment.Last and
// payment.Matcher take them as they are, and Statement gives them again.
func (f *Faulty) CloseBooks() (payment.Statement, []payment.Line) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := &f.posted
	p.sequence++
	net := payment.Money{Units: p.closing.Units - p.opening.Units, Currency: p.closing.Currency}
	made := books{payment.Statement{Sequence: p.sequence, Opening: p.opening, Closing: p.closing, Net: net}, p.lines}
	f.statements = append(f.statements, made)
	p.opening, p.lines = p.closing, nil
	return made.sums, made.lines
}

// Statement gives a statement that CloseBooks has made.
func (f *Faulty) Statement(ctx context.Context, sequence int64, each func(payment.Line) error) (payment.Statement, error) {
	if err := ctx.Err(); err != nil {
		return payment.Statement{}, err
	}
	f.mu.Lock()
	statements, lost := f.statements, f.happens(EnquiryLost)
	f.mu.Unlock()
	switch {
	case lost:
		return payment.Statement{}, errServer
	case sequence < 1 || sequence > int64(len(statements)):
		return payment.Statement{}, payment.ErrNoStatement
	}
	made := statements[sequence-1]
	for _, line := range made.lines {
		if err := each(line); err != nil {
			return payment.Statement{}, err
		}
	}
	return made.sums, nil
}

// notice is the body of a Faulty's call.
type notice struct {
	Reference string           `json:"reference"`
	Standing  payment.Standing `json:"standing"`
	Code      string           `json:"code,omitempty"`
	Theirs    string           `json:"theirs"`
}

const signatureHeader = "X-Signature"

var errForged = errors.New("paymenttest: the notice is not the provider's")

// CallBack makes the call about an order, signed with HMAC-SHA256; none about an order
// that it does not know or does not show.
func (f *Faulty) CallBack(reference string) (header map[string][]string, body []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.orders[reference]
	if o == nil || o.hidden {
		return nil, nil
	}
	a := f.answer(o)
	body, err := json.Marshal(notice{a.Reference, a.Standing, a.Code, a.Theirs})
	if err != nil {
		return nil, nil
	}
	return map[string][]string{signatureHeader: {f.sign(body)}}, body
}

// Notice reads what CallBack made, and nothing else.
func (f *Faulty) Notice(header map[string][]string, body []byte) (payment.Answer, error) {
	given := header[signatureHeader]
	if len(given) != 1 || !hmac.Equal([]byte(given[0]), []byte(f.sign(body))) {
		return payment.Answer{}, errForged
	}
	var n notice
	if err := json.Unmarshal(body, &n); err != nil {
		return payment.Answer{}, errForged
	}
	return payment.Answer{Reference: n.Reference, Standing: n.Standing, Code: n.Code, Theirs: n.Theirs}, nil
}

func (f *Faulty) sign(body []byte) string {
	mac := hmac.New(sha256.New, f.key)
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}
