package ledger

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// InvalidError says that a posting breaks a rule by itself.
type InvalidError struct {
	Posting string
	Rule    string
}

func (e *InvalidError) Error() string {
	return fmt.Sprintf("ledger: posting %q: %s", e.Posting, e.Rule)
}

// BoundError says that an account would leave its bounds. Nothing was posted.
type BoundError struct {
	Posting string
	Account Account
}

func (e *BoundError) Error() string {
	return fmt.Sprintf("ledger: posting %q: account %q would leave its bounds", e.Posting, e.Account)
}

// ConflictError says that another posting was made under the same ID.
type ConflictError struct{ ID string }

func (e *ConflictError) Error() string {
	return fmt.Sprintf("ledger: posting %q: made before with other arguments", e.ID)
}

// ResolvedError says that the pending posting in Of is unknown, was resolved
// before, or has expired.
type ResolvedError struct{ ID, Of string }

func (e *ResolvedError) Error() string {
	return fmt.Sprintf("ledger: posting %q: %q is not pending", e.ID, e.Of)
}

// ReversalError says why a posting does not reverse the one in Of: it is unknown, was not
// posted, has other legs, or was reversed before.
type ReversalError struct{ ID, Of, Rule string }

func (e *ReversalError) Error() string {
	return fmt.Sprintf("ledger: posting %q does not reverse %q, which %s", e.ID, e.Of, e.Rule)
}

// Validate checks the rules that a posting must keep by itself: an ID; legs on
// different accounts, none of amount zero, that sum to zero; and for a Post or
// Void the posting that it resolves instead. The error is an *InvalidError.
func (p Posting) Validate() error {
	invalid := func(rule string) error { return &InvalidError{Posting: p.ID, Rule: rule} }
	if p.ID == "" {
		return invalid("has no ID")
	}
	switch p.Kind {
	case Post, Void:
		if p.Of == "" || len(p.Legs) > 0 || !p.Expires.IsZero() {
			return invalid("a post or void names a pending posting and has no legs and no expiry")
		}
		return nil
	case Direct:
		if !p.Expires.IsZero() {
			return invalid("only a pending posting expires")
		}
	case Pending:
		if p.Of != "" {
			return invalid("a pending posting is of no other")
		}
	default:
		return invalid("unknown kind")
	}
	return p.validateLegs(invalid)
}

func (p Posting) validateLegs(invalid func(string) error) error {
	if len(p.Legs) < 2 {
		return invalid("has fewer than two legs")
	}
	var sum int64
	seen := make(map[Account]bool, len(p.Legs))
	for _, leg := range p.Legs {
		if leg.Account == "" || leg.Amount == 0 || leg.Amount == math.MinInt64 {
			return invalid("a leg has an account and an amount other than zero")
		}
		if strings.ContainsAny(string(leg.Account), "\t\r\n") {
			return invalid("an account's name has no tab and no line break")
		}
		if seen[leg.Account] {
			return invalid("two legs on one account")
		}
		if overflows(sum, leg.Amount) {
			return invalid("the sum of the legs overflows")
		}
		seen[leg.Account] = true
		sum += leg.Amount
	}
	if sum != 0 {
		return invalid("the legs do not sum to zero")
	}
	return nil
}

// Equal reports whether two postings say the same. Bounds are part of it, and the expiry in
// whole microseconds.
func (p Posting) Equal(q Posting) bool {
	return p.ID == q.ID && p.Kind == q.Kind && p.Of == q.Of &&
		p.expires().Equal(q.expires()) && slices.Equal(p.Legs, q.Legs)
}
