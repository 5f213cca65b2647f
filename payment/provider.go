package payment

import (
	"context"
	"errors"
	"time"

	"github.com/gelombang/gelombang/program/identity"
)

// Provider is a bank or wallet that is reached by calls. Whoever connects one
// implements it; package paymenttest proves it. Its methods may be called by any
// number of goroutines.
type Provider interface {
	// Capabilities says what the provider promises. It never changes.
	Capabilities() Capabilities
	// Resolve asks whose account it is, before anything is paid. The error means
	// that nobody knows now.
	Resolve(ctx context.Context, to Account) (Resolution, error)
	// Submit hands over orders, at most BatchSize of them, and returns what the
	// provider answered of each; an order without an answer is not known. An error
	// leaves all orders without an answer unknown, unless it is ErrNotSent.
	Submit(ctx context.Context, orders []Transfer) ([]Answer, error)
	// Enquire asks what became of the order with the reference.
	Enquire(ctx context.Context, reference string) (Answer, error)
	// Statement gives each line of the statement with the running number, in order, and
	// returns its sums, for Last.Gate. The same number always brings the same. The error
	// wraps ErrNoStatement if there is none of this number yet, or the provider gives
	// none by calls; an error that each returns ends it and is returned. After any error
	// the lines count for nothing.
	Statement(ctx context.Context, sequence int64, each func(Line) error) (Statement, error)
}

// Notifier is a Provider that also calls back.
type Notifier interface {
	Provider
	// Notice reads one call of the provider's, after it has verified that it is the
	// provider's. With an error nothing follows from it. What it says is judged like
	// any other answer: notices come twice, in any order, and before the answer of
	// Submit.
	Notice(header map[string][]string, body []byte) (Answer, error)
}

// ErrNoStatement is wrapped by an error of Provider.Statement where there is nothing to
// read.
var ErrNoStatement = errors.New("payment: there is no such statement")

// ErrNotSent is wrapped by an error of Submit when not one byte of the orders has
// left: the connection, or leave to use it, could not be had. Only then is it certain that nothing was paid.
var ErrNotSent = errors.New("payment: nothing was sent")

// Account is where money goes. It never prints.
type Account struct {
	// Institution is the bank's or wallet's code, such as a BIC.
	Institution string
	Number      identity.Secret
	Holder      identity.Name
	// National is the payee's national identifier or registration number, for a Resolve
	// that compares it; zero: there is none to compare. An order does not have it.
	National identity.Secret
}

// Transfer is one order to a provider.
type Transfer struct {
	// Reference is what the order is known by. A provider that takes only shorter ones
	// sends Compact of it, and answers with this one again. None is ever cut.
	Reference string
	Amount    Money
	To        Account
}

// Resolution is what a provider knows of an account: evidence, not a decision.
type Resolution struct {
	// Exists says that the account is there and can receive.
	Exists bool
	// Holder is the name under which it is kept; zero if the provider does not
	// say (Capabilities.NameEvidence).
	Holder identity.Name
	// Identity says whether the holder's national identifier is the one that was asked about.
	Identity Match
}

// Match is what a provider says of two identifiers.
type Match string

// What a provider can say.
const (
	// Unsaid: it does not compare them.
	Unsaid Match = ""
	// SamePerson and OtherPerson: it has compared them.
	SamePerson  Match = "same"
	OtherPerson Match = "other"
)

// Standing is what a provider says of one payment.
type Standing string

// The standings. An adapter maps its provider's codes to them; a code that its
// documents do not list, an HTTP status of 5xx, a time-out and an answer that
// cannot be read are Unclear.
const (
	// Taken: the order is in execution. It may yet fail.
	Taken Standing = "taken"
	// Paid: the provider says that it has executed the order. Only the statement
	// settles it.
	Paid Standing = "paid"
	// Refused: the provider says for good that it will never execute the order.
	Refused Standing = "refused"
	// Absent: the provider knows no such order. By itself it proves nothing.
	Absent Standing = "absent"
	// Unclear: anything else.
	Unclear Standing = "unclear"
)

// Answer is what a provider says of one order.
type Answer struct {
	// Reference is the order's, as the provider echoes it.
	Reference string
	Standing  Standing
	// Code is the provider's own, for FailureOf and for the record.
	Code string
	// Theirs is the provider's own reference, if it gives one.
	Theirs string
}

// Capabilities are what a provider promises. A zero field promises nothing.
type Capabilities struct {
	// ReplaySafe: an order that is sent again under the same reference, within
	// KeyMemory, is not executed again.
	ReplaySafe bool
	KeyMemory  time.Duration
	// StatusMemory is how long Enquire knows an order. Zero: it cannot be asked.
	StatusMemory time.Duration
	// Finality is how long after an order was last handed over it can still be
	// executed. Zero: for ever.
	Finality time.Duration
	// BatchSize is the largest number of orders in one call. Zero: one.
	BatchSize int
	// Least and Most bound an order's amount, both included, where not zero.
	Least, Most Money
	// NameEvidence: Resolve gives the holder's name.
	NameEvidence bool
}

// Accepts reports whether an amount is within the provider's bounds.
func (c Capabilities) Accepts(amount Money) bool {
	return (c.Least == Money{} || amount.Currency == c.Least.Currency && amount.Units >= c.Least.Units) &&
		(c.Most == Money{} || amount.Currency == c.Most.Currency && amount.Units <= c.Most.Units)
}
