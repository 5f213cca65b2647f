package payment

import (
	"crypto/sha256"
	"encoding/binary"
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
	Role, Actor, OnBehalf string
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

// SameHandsError names two roles that one person took. If Other is empty nobody
// took the first.
type SameHandsError struct{ Role, Other string }

func (e *SameHandsError) Error() string {
	if e.Other == "" {
		return fmt.Sprintf("payment: role %q has no actor", e.Role)
	}
	return fmt.Sprintf("payment: roles %q and %q are taken by the same person", e.Role, e.Other)
}
