package quota

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// Keys makes the key of each label. It is the function of
// draft-thomson-elegy-vrs-00, sections 2.4 and 2.5:
//
//	PRK = HKDF-Extract(salt = one-time code, IKM = randomness)
//	key = HKDF-Expand(PRK, info = label, L = 32)
//
// with SHA-256, where HKDF-Expand for 32 bytes is HMAC-SHA256(PRK, info || 0x01)
// (RFC 5869). The key of a label depends on no other label. A Keys is not safe
// for concurrent use: its state is used again for each label.
type Keys struct {
	mac hash.Hash
	buf []byte
}

// NewKeys extracts the pseudorandom key.
func NewKeys(salt, randomness []byte) *Keys {
	extract := hmac.New(sha256.New, salt)
	extract.Write(randomness)
	return &Keys{mac: hmac.New(sha256.New, extract.Sum(nil))}
}

// Key returns the key of a label, any bytes. Candidates are drawn from the
// smallest key to the greatest, compared as bytes.
func (k *Keys) Key(label []byte) [32]byte {
	k.mac.Reset()
	k.buf = append(append(k.buf[:0], label...), 1)
	k.mac.Write(k.buf)
	k.buf = k.mac.Sum(k.buf[:0])
	return [32]byte(k.buf)
}

// of is the key of a candidate: of the receipt, or where each household has
// one ticket, of the household's pseudonym as four bytes, big-endian.
func (k *Keys) of(label Label, household uint32, t Ticket) [32]byte {
	if t == PerHousehold && household != 0 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], household)
		return k.Key(b[:])
	}
	return k.Key(label[:])
}
