package payment

import "errors"

// Statement is what a bank says of an account over a period, in sums.
type Statement struct {
	// Sequence is the bank's running number, 1 or more.
	Sequence int64
	// Opening and Closing are the booked balances; below zero if overdrawn.
	Opening, Closing Money
	// Net is the sum of the booked entries: credits less debits.
	Net Money
}

// Last is what was reconciled before: the closing balance and the number of the
// last statement that passed. Before the first statement both are given by hand:
// the balance from which the books begin, and the number before the first.
type Last struct {
	Sequence int64
	Closing  Money
}

// Gate checks a statement as a whole, before any of its lines is looked at. If
// it fails the whole file is put aside. Whether the same file was seen before is
// for the caller to say, by its digest. All faults are reported, each a
// *GateError, joined.
func (l Last) Gate(s Statement) error {
	var faults []error
	check := func(ok bool, rule GateRule) {
		if !ok {
			faults = append(faults, &GateError{rule})
		}
	}
	check(l.Closing.Validate() == nil && s.Opening.Currency == l.Closing.Currency &&
		s.Closing.Currency == l.Closing.Currency && (s.Net == Money{} || s.Net.Currency == l.Closing.Currency), GateCurrency)
	check(s.Sequence-1 == l.Sequence, GateSequence)
	check(s.Opening == l.Closing, GateOpening)
	sum, err := s.Opening.Add(s.Net)
	check(err == nil && sum == s.Closing, GateSum)
	return errors.Join(faults...)
}

// GateRule names what a statement must fulfil.
type GateRule string

// The rules of the gate.
const (
	GateCurrency GateRule = "currency" // all sums in the account's currency
	GateSequence GateRule = "sequence" // follows the last statement
	GateOpening  GateRule = "opening"  // opening is the last closing balance
	GateSum      GateRule = "sum"      // opening and entries make the closing balance
	GateFile     GateRule = "file"     // the file is what it must be (ErrBadFile)
)

// ErrBadFile is wrapped by an error of whoever reads a file if the file is not what it
// must be, however often it is read: not one that another reading might not have.
var ErrBadFile = errors.New("payment: the file is not what it must be")

// GateError names the rule that a statement breaks.
type GateError struct{ Rule GateRule }

func (e *GateError) Error() string { return "payment: statement: " + string(e.Rule) }

// Line is one line of a statement.
type Line struct {
	// Reference is the end-to-end reference, Theirs the bank's own, and Code the
	// reason of a return, all as the bank wrote them. Classify looks at none.
	Reference, Theirs, Code string
	// Credit says that money came in. A reversed credit is a debit, and the
	// other way round: the caller gives the direction in which money moved.
	Credit bool
	// Amount is above zero.
	Amount Money
	// Destination is the keyed digest of the account that the line names, as in
	// BatchItem. Zero: it names none.
	Destination [32]byte
}

// Found is the payment that has the line's reference.
type Found struct {
	State       State
	Amount      Money
	Destination [32]byte
	// Debited and Credited say that an earlier line has shown the payment's
	// debit, and a credit of all that was debited.
	Debited, Credited bool
	// Twice says that earlier lines have shown more than one debit, less the credits
	// that took one back.
	Twice bool
}

// Class is what a line of a statement is. Every line has exactly one.
type Class string

// The classes of lines.
const (
	Matched         Class = "matched"           // the payment settles
	ReturnedLine    Class = "returned"          // what a payment's debit took came back
	WrongAmount     Class = "wrong-amount"      // another amount or currency
	WrongAccount    Class = "wrong-account"     // another destination
	Duplicate       Class = "duplicate"         // an earlier line said the same, or a second debit came back
	OrphanDebit     Class = "orphan-debit"      // money left without a payment
	OrphanCredit    Class = "orphan-credit"     // money came without a payment that left
	RejectedButPaid Class = "rejected-but-paid" // paid although it was dead or not submitted
)

// Classify puts a line in its class. Found is nil if no payment has the line's
// reference. The worse class wins: a second debit is a duplicate whatever its
// amount. What no line shows at the end is missing; that is for the caller to
// list.
func Classify(line Line, found *Found) Class {
	if line.Credit {
		return classifyCredit(line, found)
	}
	switch {
	case found == nil:
		return OrphanDebit
	case found.debited():
		return Duplicate
	case !found.State.submitted():
		return RejectedButPaid
	case line.Amount != found.Amount:
		return WrongAmount
	case line.Destination != [32]byte{} && line.Destination != found.Destination:
		return WrongAccount
	}
	return Matched
}

func classifyCredit(line Line, found *Found) Class {
	switch {
	case found == nil:
		return OrphanCredit
	case found.Twice:
		return Duplicate
	case found.Credited || found.State == Returned:
		return Duplicate
	case !found.debited():
		return OrphanCredit
	case line.Amount != found.Amount:
		return WrongAmount
	}
	return ReturnedLine
}

// submitted reports whether the bank may rightly pay.
func (s State) submitted() bool {
	return s == Submitted || s == Accepted || s == Unknown || s == Settled
}

// debited: a settled payment was seen on a statement, and so was a returned one.
func (f *Found) debited() bool {
	return f.Debited || f.State == Settled || f.State == Returned
}
