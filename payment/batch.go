package payment

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// BatchItem is what an approver approves of one payment.
type BatchItem struct {
	Reference string
	Amount    Money
	// Destination is a keyed digest of the account and its holder, so that a
	// changed destination changes the batch's digest without telling anybody
	// what it is.
	Destination [32]byte
}

// NextDigest adds one item to the digest of a batch. The digest of a batch is
// that of its items in order, beginning with zeros. It can be kept and resumed
// at any item:
//
//	digest = SHA-256("gelombang-batch-1" || previous || len || reference ||
//	                 units || len || currency || destination)
//
// Lengths and units are 8 bytes, the most significant first.
func NextDigest(prev [32]byte, item BatchItem) [32]byte {
	var buf [192]byte
	b := append(buf[:0], "gelombang-batch-1"...)
	b = append(b, prev[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(len(item.Reference)))
	b = append(b, item.Reference...)
	b = binary.BigEndian.AppendUint64(b, uint64(item.Amount.Units))
	b = binary.BigEndian.AppendUint64(b, uint64(len(item.Amount.Currency)))
	b = append(b, item.Amount.Currency...)
	b = append(b, item.Destination[:]...)
	return sha256.Sum256(b)
}

// Signature is one step of a batch and who took it. OnBehalf names the person
// who delegated it, if anybody did.
type Signature struct {
	Role     string `json:"role"`
	Actor    string `json:"actor"`
	OnBehalf string `json:"on_behalf,omitempty"`
}

// Separate checks that no person stands behind two of the signatures, not even
// by delegation: the maker is not the checker. The error is a *SameHandsError.
func Separate(signatures ...Signature) error {
	for i, s := range signatures {
		if s.Actor == "" {
			return &SameHandsError{s.Role, ""}
		}
		for _, t := range signatures[:i] {
			if s.shares(t.Actor) || s.shares(t.OnBehalf) {
				return &SameHandsError{t.Role, s.Role}
			}
		}
	}
	return nil
}

func (s Signature) shares(person string) bool {
	return person != "" && (s.Actor == person || s.OnBehalf == person)
}

// Band says how many people must approve a batch whose total is above an amount.
type Band struct {
	Above     Money `json:"above"`
	Approvers int   `json:"approvers"`
}

// Bands are the bands of approval, by amount. Where none applies one person
// approves.
type Bands []Band

// Approvers returns how many people must approve a total: as many as the
// strictest band says that applies, at least one. A band in another currency
// applies, because nobody can say that it does not.
func (b Bands) Approvers(total Money) int {
	need := 1
	for _, band := range b {
		if total.Currency != band.Above.Currency || total.Units > band.Above.Units {
			need = max(need, band.Approvers)
		}
	}
	return need
}

// Validate reports every fault, each a *BandError, joined.
func (b Bands) Validate() error {
	var faults []error
	for i, band := range b {
		if band.Above.Units < 0 || band.Above.Validate() != nil {
			faults = append(faults, &BandError{i, "Above", "is zero or more, in an ISO 4217 currency"})
		}
		if band.Approvers < 1 || band.Approvers > maxApprovers {
			faults = append(faults, &BandError{i, "Approvers", "is from 1 to 10"})
		}
	}
	return errors.Join(faults...)
}

const maxApprovers = 10

// BandError says which field of which band, counted from 0, breaks which rule.
type BandError struct {
	Band        int
	Field, Rule string
}

func (e *BandError) Error() string {
	return fmt.Sprintf("payment: band %d: %s %s", e.Band, e.Field, e.Rule)
}

// SameHandsError names two roles that one person took. If Other is empty nobody
// took the first.
type SameHandsError struct{ Role, Other string }

func (e *SameHandsError) Error() string {
	if e.Other == "" {
		return fmt.Sprintf("payment: role %q has no actor", e.Role)
	}
	return fmt.Sprintf("payment: roles %q and %q are taken by the same person", e.Role, e.Other)
}
