package iso20022

import (
	"fmt"
	"io"
	"time"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/calendar"
)

// FieldError says which field cannot be written, or read, and why. It repeats
// no value.
type FieldError struct{ Field, Rule string }

func (e *FieldError) Error() string { return fmt.Sprintf("iso20022: %s %s", e.Field, e.Rule) }

// output gathers bytes and hands them on in blocks. Its first error stays.
type output struct {
	w   io.Writer
	buf []byte
	err error
}

const blockSize = 32 << 10

func (o *output) flush() error {
	if o.err == nil && len(o.buf) > 0 {
		_, o.err = o.w.Write(o.buf)
	}
	o.buf = o.buf[:0]
	return o.err
}

func (o *output) flushBlock() error {
	if len(o.buf) < blockSize {
		return o.err
	}
	return o.flush()
}

func (o *output) raw(s string) { o.buf = append(o.buf, s...) }

func (o *output) money(m payment.Money) { o.buf = m.AppendDecimal(o.buf) }

func (o *output) amount(m payment.Money) {
	o.raw(m.Currency)
	o.raw(`">`)
	o.money(m)
}

func (o *output) date(d calendar.Date) {
	year, month, day := d.Year, int(d.Month), d.Day
	o.buf = append(o.buf, byte('0'+year/1000), byte('0'+year/100%10), byte('0'+year/10%10), byte('0'+year%10), '-',
		byte('0'+month/10), byte('0'+month%10), '-', byte('0'+day/10), byte('0'+day%10))
}

func (o *output) time(t time.Time) { o.buf = t.UTC().AppendFormat(o.buf, "2006-01-02T15:04:05Z") }

// fault keeps the first fault that was found, so that fields can be written one
// after the other.
type fault struct{ err error }

func (f *fault) add(field, rule string) {
	if f.err == nil {
		f.err = &FieldError{field, rule}
	}
}

// text writes an element with a transliterated text of 1 to max characters.
func (o *output) text(f *fault, open, shut, field, s string, max int) {
	o.raw(open)
	start := len(o.buf)
	var ok bool
	if o.buf, ok = appendLatin(o.buf, s); !ok {
		f.add(field, "has a character that banks do not take")
	}
	if size := len(o.buf) - start; size < 1 || size > max {
		f.add(field, fmt.Sprintf("has 1 to %d characters", max))
	}
	o.raw(shut)
}

// id writes an identification, which is never transliterated: it must come back
// as it went out.
func (o *output) id(f *fault, open, shut, field, s string, max int) {
	if len(s) < 1 || len(s) > max {
		f.add(field, fmt.Sprintf("has 1 to %d characters", max))
	}
	for i := range len(s) {
		if s[i] >= 128 || !plain[s[i]] || s[i] == '\'' {
			f.add(field, "has only letters, digits, spaces and / - ? : ( ) . , +")
			break
		}
	}
	if len(s) > 0 && (s[0] == '/' || s[len(s)-1] == '/' || s[0] == ' ' || s[len(s)-1] == ' ') {
		f.add(field, "begins and ends with neither / nor a space")
	}
	o.raw(open)
	o.raw(s)
	o.raw(shut)
}

// bic checks the stricter form of both versions (ISO 9362): six letters, two
// letters or digits, and three more for a branch.
func (o *output) bic(f *fault, open, shut, field, s string) {
	ok := len(s) == 8 || len(s) == 11
	for i := range len(s) {
		letter := s[i] >= 'A' && s[i] <= 'Z'
		digit := s[i] >= '0' && s[i] <= '9' && i >= 6
		ok = ok && (letter || digit) && (i != 6 || s[i] > '1') && (i != 7 || s[i] != 'O')
	}
	if !ok {
		f.add(field, "is a BIC of 8 or 11 characters")
	}
	o.raw(open)
	o.raw(s)
	o.raw(shut)
}

// maxUnits is the largest amount that the schemas hold: 18 digits.
const maxUnits = 999_999_999_999_999_999

func checkAmount(f *fault, field string, m payment.Money, currency string, least int64) {
	if m.Validate() != nil || m.Currency != currency {
		f.add(field, "is in the currency of the file")
	}
	if m.Units < least || m.Units > maxUnits {
		f.add(field, "is above zero and has at most 18 digits")
	}
}
