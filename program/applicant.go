package program

import (
	"crypto/cipher"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
)

// Person is the identity of an applicant. It is sealed with the person's own
// key, outside the agency's details, and never prints.
type Person struct {
	Name identity.Name
	// National is the canonical national identifier: a NIK's sixteen digits.
	// It is unique: one registration for each.
	National identity.Secret
	// Family is the identifier that a household shares, such as a KK number.
	// Zero: the applicant shares none.
	Family identity.Secret
	Birth  calendar.Date
	Phone  identity.Secret
	// Device is what the agency's app knows a phone or computer by. Zero: not known.
	Device identity.Secret
	// Payout is where money goes. Zero: not linked yet.
	Payout Payout
}

// Payout is a bank account or wallet.
type Payout struct {
	// Provider is the institution's code, such as a BIC.
	Provider string
	Account  identity.Secret
	Holder   identity.Name
}

// Format keeps a person out of every print.
func (p Person) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, personMask) }

// LogValue keeps a person out of every log.
func (p Person) LogValue() slog.Value { return slog.StringValue(personMask) }

// MarshalJSON keeps a person out of every document.
func (p Person) MarshalJSON() ([]byte, error) { return []byte(`"` + personMask + `"`), nil }

const personMask = "Person(****)"

// Applicant is a person, household or firm that registers. T is the agency's
// own details; they are sealed with the person and must survive a round trip
// through JSON.
type Applicant[T any] struct {
	ID     uuid.UUID
	Person Person
	// Details are the agency's.
	Details T
	// Evidence is what was observed about the applicant, by fact.
	Evidence map[string]Evidence
	// Household is an internal id that members of one family share; zero for
	// an applicant without a family identifier.
	Household  uuid.UUID
	Registered time.Time
	State      ApplicantState
	// Account is what is known of the payout account.
	Account AccountTrust

	version int64
	sealed  []byte
	key     []byte      // the person's own; nil of somebody erased
	aead    cipher.AEAD // under it
}

// Format keeps an applicant out of every print but for the internal id.
func (a Applicant[T]) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "Applicant(%s)", a.ID) }

// LogValue logs the internal id only.
func (a Applicant[T]) LogValue() slog.Value {
	return slog.StringValue("Applicant(" + a.ID.String() + ")")
}

// MarshalJSON writes the internal id only.
func (a Applicant[T]) MarshalJSON() ([]byte, error) { return json.Marshal(a.ID) }

// Evidence is one observation about an applicant.
type Evidence struct {
	// Source says who was asked.
	Source string `json:"source"`
	// Seen is when the source said so; UTC.
	Seen time.Time `json:"seen"`
	// Value is the observed value. It counts only if Unknown is empty.
	Value bool `json:"value"`
	// Unknown says why there is no value: "source-down", "conflicting".
	Unknown string `json:"unknown,omitempty"`
}

// sealedVersion is the first byte of sealed applicants.
const sealedVersion = 1

// encode writes what is sealed of an applicant.
func (a *Applicant[T]) encode() ([]byte, error) {
	details, err := json.Marshal(a.Details)
	if err != nil {
		return nil, fmt.Errorf("program: details: %w", err)
	}
	p := &a.Person
	b := make([]byte, 1, 256+len(details))
	b[0] = sealedVersion
	for _, s := range []string{
		p.Name.Reveal(), p.National.Reveal(), p.Family.Reveal(), p.Birth.String(), p.Phone.Reveal(), p.Device.Reveal(),
		p.Payout.Provider, p.Payout.Account.Reveal(), p.Payout.Holder.Reveal(),
	} {
		b = appendText(b, s)
	}
	b = append(binary.AppendUvarint(b, uint64(len(details))), details...)
	b = a.Account.append(b)
	b = binary.AppendUvarint(b, uint64(len(a.Evidence)))
	for _, fact := range sortedKeys(a.Evidence) {
		e := a.Evidence[fact]
		b = appendText(appendText(b, fact), e.Source)
		b = binary.AppendVarint(b, e.Seen.UnixMicro())
		value := byte(0)
		if e.Value {
			value = 1
		}
		b = appendText(append(b, value), e.Unknown)
	}
	return b, nil
}

func (a *Applicant[T]) decode(b []byte) error {
	if len(b) == 0 || b[0] != sealedVersion {
		return errors.New("program: sealed applicant: written by another release")
	}
	r := textReader{b[1:], nil}
	a.Person = Person{
		Name:     identity.NewName(r.text()),
		National: identity.NewSecret(r.text()),
		Family:   identity.NewSecret(r.text()),
	}
	birth := r.text()
	a.Person.Phone = identity.NewSecret(r.text())
	a.Person.Device = identity.NewSecret(r.text())
	a.Person.Payout = payoutOf(&r)
	details := r.text()
	a.Account = trustOf(&r)
	n := r.uvarint()
	a.Evidence = make(map[string]Evidence, min(n, 64))
	for range n {
		fact, e := r.text(), Evidence{Source: r.text()}
		e.Seen = time.UnixMicro(r.varint()).UTC()
		e.Value = r.byte() == 1
		e.Unknown = r.text()
		if r.err != nil {
			break
		}
		a.Evidence[fact] = e
	}
	if r.err != nil {
		return r.err
	}
	if birth != (calendar.Date{}).String() {
		var err error
		if a.Person.Birth, err = calendar.Parse(birth); err != nil {
			return errors.New("program: sealed applicant: the birth date cannot be read")
		}
	}
	if err := json.Unmarshal([]byte(details), &a.Details); err != nil {
		return errors.New("program: sealed applicant: the details do not fit the agency's type")
	}
	return nil
}

func (t *AccountTrust) append(b []byte) []byte {
	b = appendText(appendText(appendMoment(b, t.Replaced), t.ReplacedBy.Actor), t.ReplacedBy.OnBehalf)
	b = appendText(appendMoment(b, t.Checked), t.CheckedBy)
	exists := byte(0)
	if t.Exists {
		exists = 1
	}
	b = appendText(binary.AppendVarint(append(b, exists), int64(t.Score)), string(t.Identity))
	return appendText(b, t.Confirmed)
}

func trustOf(r *textReader) AccountTrust {
	t := AccountTrust{Replaced: r.moment(), ReplacedBy: payment.Signature{Actor: r.text(), OnBehalf: r.text()}}
	if !t.Replaced.IsZero() {
		t.ReplacedBy.Role = roleReport
	}
	t.Checked, t.CheckedBy = r.moment(), r.text()
	t.Exists = r.byte() == 1
	t.Score = int(r.varint())
	t.Identity = payment.Match(r.text())
	t.Confirmed = r.text()
	return t
}

func appendMoment(b []byte, at time.Time) []byte {
	if at.IsZero() {
		return binary.AppendVarint(b, 0)
	}
	return binary.AppendVarint(b, at.UnixMicro())
}

// moment reads what appendMoment wrote.
func (r *textReader) moment() time.Time {
	if at := r.varint(); at != 0 {
		return time.UnixMicro(at).UTC()
	}
	return time.Time{}
}

func payoutOf(r *textReader) Payout {
	return Payout{Provider: r.text(), Account: identity.NewSecret(r.text()), Holder: identity.NewName(r.text())}
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// textReader reads what appendText and its kind wrote; after the first fault
// it gives zero values.
type textReader struct {
	rest []byte
	err  error
}

var errShort = errors.New("program: stored data ends early")

func (r *textReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *textReader) varint() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *textReader) byte() byte {
	if len(r.rest) == 0 {
		r.fail()
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *textReader) text() string {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.fail()
		return ""
	}
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}

func (r *textReader) fail() {
	r.rest = nil
	if r.err == nil {
		r.err = errShort
	}
}
