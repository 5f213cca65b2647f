package ledger

import (
	"math"
	"slices"
	"time"
)

// Account names one balance. Names are chosen by the caller from internal
// ids, never from a national identifier or an index derived from one.
// An account comes into being with its first posting, with balance zero.
type Account string

// Limits of an account that has no bound on one side.
const (
	NoMin int64 = math.MinInt64
	NoMax int64 = math.MaxInt64
)

// Bounds are the balances an account may have, both ends included. The zero
// value is the strictest: the account may only be zero.
type Bounds struct{ Min, Max int64 }

// Free returns bounds that allow every balance.
func Free() Bounds { return Bounds{NoMin, NoMax} }

// AtLeast returns bounds with a lower end only.
func AtLeast(minimum int64) Bounds { return Bounds{minimum, NoMax} }

// Between returns bounds with both ends.
func Between(minimum, maximum int64) Bounds { return Bounds{minimum, maximum} }

// Leg moves Amount units into Account, or out of it if Amount is negative.
// The bounds of the account travel with the leg.
type Leg struct {
	Account Account `json:"account"`
	Amount  int64   `json:"amount"`
	Bounds  Bounds  `json:"bounds"`
}

// Kind says what a posting does. The zero value posts at once.
type Kind uint8

const (
	// Direct changes balances at once.
	Direct Kind = iota
	// Pending reserves: what goes out is no longer available, what comes in
	// is not available yet. It ends with a Post, a Void, or its expiry.
	Pending
	// Post carries out the pending posting that it names in Of.
	Post
	// Void gives up the pending posting that it names in Of.
	Void
)

// Posting is one movement between accounts. Its legs sum to zero.
type Posting struct {
	// ID is the idempotency key: the same posting again has the same answer,
	// another posting under the same ID is a conflict.
	ID   string `json:"id"`
	Kind Kind   `json:"kind,omitempty"`
	// Of names the pending posting of a Post or Void, or the posting that a
	// Direct one reverses (Reversal). Post and Void have no legs of their own.
	Of   string `json:"of,omitempty"`
	Legs []Leg  `json:"legs,omitempty"`
	// Expires is the instant from which a Pending posting no longer holds
	// anything. Zero means never. It counts in whole microseconds: what is below is cut.
	Expires time.Time `json:"expires,omitzero"`
}

// expires is the instant that counts.
func (p Posting) expires() time.Time { return p.Expires.Truncate(time.Microsecond) }

// Reversal returns the posting that undoes another: the same legs the other way. For a
// Direct posting these are its own, for a Post those of the pending posting that it carried
// out. Nothing is deleted: both stay. The bounds hold for it as for any posting, so what
// was spent since cannot be taken back.
//
// A posting is reversed once, and only as a whole; a reversal is a posting and can be
// reversed in turn.
func Reversal(id, of string, legs []Leg) Posting {
	p := Posting{ID: id, Of: of, Legs: make([]Leg, len(legs))}
	for i, l := range legs {
		l.Amount = -l.Amount
		p.Legs[i] = l
	}
	return p
}

// CheckReversal reports what is wrong with a posting that reverses another, whose legs are
// given as for Reversal. That it is the first is for the store to hold. The error is a *ReversalError.
func (p Posting) CheckReversal(of Kind, legs []Leg) error {
	if of != Direct && of != Post {
		return &ReversalError{ID: p.ID, Of: p.Of, Rule: "was not posted"}
	}
	if !slices.Equal(p.Legs, Reversal(p.ID, p.Of, legs).Legs) {
		return &ReversalError{ID: p.ID, Of: p.Of, Rule: "has other legs"}
	}
	return nil
}
