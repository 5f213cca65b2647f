package program

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"
)

// Keyring wraps the key of each person, and computes the blind indexes by
// which people are found. [LocalKeyring] keeps the master key in memory; an
// agency with a key service implements its own. Implementations are safe for
// use by several goroutines.
type Keyring interface {
	// Wrap encrypts a person's key, bound to the person.
	Wrap(applicant uuid.UUID, key []byte) ([]byte, error)
	// Unwrap is the reverse. It fails if the bytes were changed or are another
	// person's.
	Unwrap(applicant uuid.UUID, wrapped []byte) ([]byte, error)
	// Index computes a keyed digest of a value, so that equal values can be
	// found without storing them. Different kinds never give equal digests.
	Index(kind, value string) [32]byte
}

// LocalKeyring is a Keyring with its master key in memory.
type LocalKeyring struct {
	wrap   cipher.AEAD
	index  []byte
	random io.Reader
}

// NewLocalKeyring derives the keys for wrapping and for indexing from a master
// key of 32 bytes. Random gives the nonces: crypto/rand.Reader in production.
func NewLocalKeyring(master []byte, random io.Reader) (*LocalKeyring, error) {
	if len(master) != 32 {
		return nil, errors.New("program: the master key has 32 bytes")
	}
	if random == nil {
		return nil, errors.New("program: a keyring needs a source of randomness")
	}
	wrapKey, err := hkdf.Key(sha256.New, master, nil, "gelombang wrap", 32)
	if err != nil {
		return nil, err
	}
	indexKey, err := hkdf.Key(sha256.New, master, nil, "gelombang index", 32)
	if err != nil {
		return nil, err
	}
	aead, err := newAEAD(wrapKey)
	if err != nil {
		return nil, err
	}
	return &LocalKeyring{wrap: aead, index: indexKey, random: random}, nil
}

// Wrap implements Keyring with AES-256-GCM.
func (k *LocalKeyring) Wrap(applicant uuid.UUID, key []byte) ([]byte, error) {
	return seal(k.wrap, k.random, key, applicant[:])
}

// Unwrap implements Keyring.
func (k *LocalKeyring) Unwrap(applicant uuid.UUID, wrapped []byte) ([]byte, error) {
	return unseal(k.wrap, wrapped, applicant[:])
}

// Index implements Keyring with HMAC-SHA256.
func (k *LocalKeyring) Index(kind, value string) [32]byte {
	mac := hmac.New(sha256.New, k.index)
	fmt.Fprintf(mac, "%d:%s", len(kind), kind)
	io.WriteString(mac, value)
	return [32]byte(mac.Sum(nil))
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// seal encrypts and puts the nonce in front. What it is bound to must be given
// again to unseal.
func seal(aead cipher.AEAD, random io.Reader, plain, boundTo []byte) ([]byte, error) {
	out := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain)+aead.Overhead())
	if _, err := io.ReadFull(random, out); err != nil {
		return nil, fmt.Errorf("program: randomness: %w", err)
	}
	return aead.Seal(out, out, plain, boundTo), nil
}

// ErrSealed says that sealed data cannot be opened: it was changed, belongs
// elsewhere, or the key is another one.
var ErrSealed = errors.New("program: sealed data cannot be opened")

func unseal(aead cipher.AEAD, sealed, boundTo []byte) ([]byte, error) {
	n := aead.NonceSize()
	if len(sealed) < n {
		return nil, ErrSealed
	}
	plain, err := aead.Open(nil, sealed[:n], sealed[n:], boundTo)
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}
