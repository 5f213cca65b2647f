package paymenttest

import (
	"time"

	"github.com/gelombang/gelombang/payment"
)

// Bench is a provider with the far side that it talks to.
type Bench struct {
	Provider payment.Provider
	Far      FarSide
	// Start is the instant at which the far side's clock stands.
	Start time.Time
	// To is an account that can receive.
	To payment.Account
	// Nobody is an account that does not exist. Zero: the far side has none.
	Nobody payment.Account
	// Amount of one order. Zero: the provider's least, or Rp10.000.
	Amount payment.Money
}

// FarSide is the bank or wallet behind a provider: a test server whose faults and
// clock the suite moves. Whoever connects a provider writes one; Faulty is one.
type FarSide interface {
	// Fault makes a fault happen once, at the next call that it can happen to. It
	// reports false if the far side cannot have it: the case is then skipped.
	Fault(Fault) bool
	// Advance moves the far side's clock: what is due is executed, what is too old
	// is forgotten.
	Advance(time.Duration)
	// Moved counts how often money was sent out for a reference, and how often it
	// came back.
	Moved(reference string) (out, back int)
	// CallBack makes the call that the far side would make about a reference now,
	// for Notifier.Notice. Without a body it makes none.
	CallBack(reference string) (header map[string][]string, body []byte)
	// CloseBooks makes the account's next statement and returns what is on it, for
	// Provider.Statement. A zero Statement: the far side gives none by calls.
	CloseBooks() (payment.Statement, []payment.Line)
}

// Fault is one thing that goes wrong at the far side or on the way to it.
type Fault string

// The faults. Those of a request happen to the next Submit, EnquiryLost to the next
// Enquire. An order that is executed is executed within a day, unless it is Late.
const (
	// NoConnection: the connection cannot be made.
	NoConnection Fault = "no-connection"
	// RequestLost: the request is sent and does not arrive; the call times out.
	RequestLost Fault = "request-lost"
	// AnswerLost: the orders are executed; the call times out.
	AnswerLost Fault = "answer-lost"
	// ServerError: the orders are executed; the answer is a server's error (HTTP 5xx).
	ServerError Fault = "server-error"
	// Garbage: the orders are executed; the answer says success (HTTP 200), but
	// cannot be read.
	Garbage Fault = "garbage"
	// Conflict: the orders are executed; the answer says that there was such a
	// reference before (HTTP 409).
	Conflict Fault = "conflict"
	// WrongReference: the orders are executed; the answer of one of them echoes a
	// reference that nobody sent.
	WrongReference Fault = "wrong-reference"
	// PartialAnswer: all orders are executed; the answer has fewer of them.
	PartialAnswer Fault = "partial-answer"
	// Refusal: an order is refused for good.
	Refusal Fault = "refusal"
	// RefusedLater: an order is taken, and refused for good before the day is over.
	RefusedLater Fault = "refused-later"
	// Late: the call times out; the far side knows nothing of the orders when
	// asked, and executes them just within the finality, or three days later.
	Late Fault = "late"
	// Flips: an order is answered as paid and executed; when asked for, the far
	// side says that it refused it.
	Flips Fault = "flips"
	// Comeback: an order is executed, and returned within three days.
	Comeback Fault = "comeback"
	// EnquiryLost: the answer of an enquiry, or of a call for a statement, is a server's
	// error or cannot be read.
	EnquiryLost Fault = "enquiry-lost"
	// DoubleBooked: the statement shows the debit of an order twice.
	DoubleBooked Fault = "double-booked"
)
