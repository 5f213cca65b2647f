package quota

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// ReceiptFormat is the version of Receipt.
const ReceiptFormat = "gelombang-receipt-1"

// Receipt is what an applicant is handed, signed, before the seed exists. With
// it nobody can deal out labels afterwards: whoever holds a receipt can show
// that the roll has another commitment under the label, or has no such label.
type Receipt struct {
	Format     string    `json:"format"`
	Program    string    `json:"program"`
	Wave       string    `json:"wave"`
	Label      Label     `json:"label"`
	Commitment Digest    `json:"commitment"`
	Issued     time.Time `json:"issued"`
	// Signature is Ed25519, in hexadecimal, over the canonical JSON of all the
	// rest, without this field.
	Signature string `json:"signature,omitempty"`
}

// ParseReceipt reads a receipt from JSON. It refuses unknown fields; VerifyReceipt
// checks the rest.
func ParseReceipt(data []byte) (*Receipt, error) {
	r := new(Receipt)
	if err := parseJSON(data, r); err != nil {
		return nil, fmt.Errorf("quota: receipt: %w", err)
	}
	return r, nil
}

// Encode returns the canonical JSON, as Plan.Encode does: what the applicant is
// handed.
func (r *Receipt) Encode() ([]byte, error) { return encodeJSON(r) }

// MarshalText and UnmarshalText make a label hexadecimal in JSON.
func (l Label) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

func (l *Label) UnmarshalText(text []byte) error { return decodeHex(l[:], text) }

// Commit is the commitment to a record under a random salt: SHA-256 of the salt
// and the record. Without the salt it says nothing about the record.
func Commit(salt [32]byte, record []byte) Digest {
	h := sha256.New()
	h.Write(salt[:])
	h.Write(record)
	return Digest(h.Sum(nil))
}

// SignReceipt fills in the format and the signature. Errors: Faults for names
// that are not IDs or an instant that is not UTC in whole seconds.
func SignReceipt(key ed25519.PrivateKey, r *Receipt) error {
	r.Format = ReceiptFormat
	text, err := r.signed()
	if err != nil {
		return err
	}
	if len(key) != ed25519.PrivateKeySize {
		return Faults{{"key", "is not an Ed25519 key"}}
	}
	r.Signature = hex.EncodeToString(ed25519.Sign(key, text))
	return nil
}

// VerifyReceipt checks a receipt and its signature. Errors: Faults.
func VerifyReceipt(key ed25519.PublicKey, r *Receipt) error {
	text, err := r.signed()
	if err != nil {
		return err
	}
	var signature [ed25519.SignatureSize]byte
	if len(key) != ed25519.PublicKeySize || decodeHex(signature[:], []byte(r.Signature)) != nil || !ed25519.Verify(key, text, signature[:]) {
		return Faults{{"receipt", "the signature is not of this key and this receipt"}}
	}
	return nil
}

// signed is what the signature of a receipt covers.
func (r *Receipt) signed() ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	bare := *r
	bare.Signature = ""
	return encodeJSON(&bare)
}

func (r *Receipt) check() error {
	var f Faults
	if r.Format != ReceiptFormat {
		f.add("receipt.format", "must be "+ReceiptFormat)
	}
	if !validID(r.Program) || !validID(r.Wave) {
		f.add("receipt", "program and wave "+idRule)
	}
	if !wholeUTC(r.Issued) {
		f.add("receipt.issued", "must be given, in UTC and whole seconds")
	}
	return f.err()
}

func wholeUTC(t time.Time) bool {
	_, offset := t.Zone()
	return offset == 0 && t.Nanosecond() == 0 && !t.IsZero() && t.Year() > 0
}

// Witness is somebody outside the agency with whom the digest of the manifest
// is lodged before the seed exists.
type Witness struct {
	Name string `json:"name"`
	// Key is the Ed25519 key with which the witness signs. It is as the operator
	// has written it: whoever checks compares it with the key that the witness
	// itself has published.
	Key Digest `json:"key"`
}

// Attestation says that a witness had the digest of a manifest at an instant.
type Attestation struct {
	Witness  string    `json:"witness"`
	Manifest Digest    `json:"manifest"`
	At       time.Time `json:"at"`
	// Signature is Ed25519, in hexadecimal, of the attestation as text; see
	// AttestationText.
	Signature string `json:"signature"`
}

type witnessed struct {
	Attestations []Attestation `json:"attestations"`
}

// AttestationText is what a witness signs: one line for the format, the digest
// and the instant.
func AttestationText(manifest Digest, at time.Time) []byte {
	return fmt.Appendf(nil, "gelombang-witness-1\n%s\n%s\n", manifest, at.UTC().Format(time.RFC3339))
}

// Attested checks that every witness of the manifest signed it in time: not
// before it was frozen, and before the seed was due. There is one attestation
// for each witness, in their order. Errors: Faults.
func (m *Manifest) Attested(all []Attestation) error {
	digest, err := m.Digest()
	if err != nil {
		return err
	}
	var f Faults
	if len(all) != len(m.Witnesses) {
		f.add("attestations", "not one for each witness of the manifest")
		return f
	}
	for i, a := range all {
		field := fmt.Sprintf("attestations[%d]", i)
		w := m.Witnesses[i]
		if a.Witness != w.Name || a.Manifest != digest {
			f.add(field, "is not of this witness and this manifest")
			continue
		}
		if !wholeUTC(a.At) || a.At.Before(m.Frozen) || !a.At.Before(m.Due) {
			f.add(field, "is not between the freeze and the seed")
		}
		var signature [ed25519.SignatureSize]byte
		if decodeHex(signature[:], []byte(a.Signature)) != nil ||
			!ed25519.Verify(w.Key[:], AttestationText(a.Manifest, a.At), signature[:]) {
			f.add(field, "the signature is not that of the witness")
		}
	}
	return f.err()
}
