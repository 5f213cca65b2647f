package program

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"sync"

	"github.com/google/uuid"
)

// Keyring wraps the key of each person, and computes the keyed digests by which
// people are found. [LocalKeyring] keeps its secrets in memory; an agency with a key
// service implements its own. Implementations are safe for use by several goroutines.
//
// Its keys rotate: see [Engine.RotateKeys].
type Keyring interface {
	// Name names the keys that Wrap and Index use now. It says nothing about them.
	Name() string
	// Wrap encrypts a person's key, bound to the person.
	Wrap(applicant uuid.UUID, key []byte) ([]byte, error)
	// Unwrap is the reverse, also of what was wrapped with the former keys while a
	// rotation is under way. It fails if the bytes were changed or are another
	// person's.
	Unwrap(applicant uuid.UUID, wrapped []byte) ([]byte, error)
	// Index computes a keyed digest of a value, so that equal values can be
	// found without storing them. Different kinds never give equal digests.
	Index(kind, value string) [32]byte
	// Former is Index with the keys before, and their name, while a rotation is under
	// way; otherwise the name is empty.
	Former(kind, value string) (name string, digest [32]byte)
	// Mark computes a keyed digest with a key that never changes: for fingerprints,
	// pseudonyms, and bars. Different kinds never give equal marks.
	Mark(kind, value string) [32]byte
}

// Secrets are the keys of a LocalKeyring, 32 random bytes each.
type Secrets struct {
	// Master wraps the keys of people, and indexes them. It can be rotated.
	Master []byte
	// Former is the master key before, from the beginning of a rotation until
	// [Engine.RetireKeys]; nil otherwise.
	Former []byte
	// Marks gives marks. It never changes; nil means that it is Master. So whoever
	// rotates a first master key keeps it here.
	Marks []byte
}

// LocalKeyring is a Keyring with its secrets in memory.
type LocalKeyring struct {
	now    masterKey
	former *masterKey
	marks  *digester
	random io.Reader
}

// masterKey is what is derived from one master key.
type masterKey struct {
	name  string
	wrap  cipher.AEAD
	index *digester
}

// NewLocalKeyring returns a keyring with one secret for everything: a master key of 32
// bytes that was never rotated. Random gives the nonces: crypto/rand.Reader in
// production.
func NewLocalKeyring(master []byte, random io.Reader) (*LocalKeyring, error) {
	return Secrets{Master: master}.Keyring(random)
}

// Keyring returns the keyring of the secrets. Random gives the nonces.
func (s Secrets) Keyring(random io.Reader) (*LocalKeyring, error) {
	if random == nil {
		return nil, errors.New("program: a keyring needs a source of randomness")
	}
	if s.Former != nil && (s.Marks == nil || bytes.Equal(s.Former, s.Master)) {
		return nil, errors.New("program: a rotation goes from one master key to another, and Marks stays what it was")
	}
	if s.Marks == nil {
		s.Marks = s.Master
	}
	k := &LocalKeyring{random: random}
	var err, err2 error
	k.now, err = newMasterKey(s.Master)
	if s.Former != nil {
		k.former = new(masterKey)
		*k.former, err2 = newMasterKey(s.Former)
	}
	marks, err3 := derive(s.Marks, "gelombang marks")
	k.marks = newDigester(marks)
	if err := errors.Join(err, err2, err3); err != nil {
		return nil, err
	}
	return k, nil
}

func newMasterKey(master []byte) (masterKey, error) {
	wrap, err := derive(master, "gelombang wrap")
	if err != nil {
		return masterKey{}, err
	}
	index, err := derive(master, "gelombang index")
	if err != nil {
		return masterKey{}, err
	}
	name, err := derive(master, "gelombang name")
	if err != nil {
		return masterKey{}, err
	}
	aead, err := newAEAD(wrap)
	return masterKey{name: hex.EncodeToString(name[:4]), wrap: aead, index: newDigester(index)}, err
}

func derive(secret []byte, purpose string) ([]byte, error) {
	if len(secret) != 32 {
		return nil, errors.New("program: a secret of a keyring has 32 bytes")
	}
	return hkdf.Key(sha256.New, secret, nil, purpose, 32)
}

// Name implements Keyring.
func (k *LocalKeyring) Name() string { return k.now.name }

// Wrap implements Keyring with AES-256-GCM.
func (k *LocalKeyring) Wrap(applicant uuid.UUID, key []byte) ([]byte, error) {
	return seal(k.now.wrap, k.random, key, applicant[:])
}

// Unwrap implements Keyring.
func (k *LocalKeyring) Unwrap(applicant uuid.UUID, wrapped []byte) ([]byte, error) {
	key, err := unseal(k.now.wrap, wrapped, applicant[:])
	if err != nil && k.former != nil {
		return unseal(k.former.wrap, wrapped, applicant[:])
	}
	return key, err
}

// Index implements Keyring with HMAC-SHA256.
func (k *LocalKeyring) Index(kind, value string) [32]byte { return k.now.index.digest(kind, value) }

// Former implements Keyring.
func (k *LocalKeyring) Former(kind, value string) (string, [32]byte) {
	if k.former == nil {
		return "", [32]byte{}
	}
	return k.former.name, k.former.index.digest(kind, value)
}

// Mark implements Keyring with HMAC-SHA256.
func (k *LocalKeyring) Mark(kind, value string) [32]byte { return k.marks.digest(kind, value) }

// ownMark is a mark under a person's own key: what must be known again as long as the
// person is known, and what nobody can make of a guess once the key is destroyed.
func ownMark(key []byte, kind, value string) ([32]byte, error) {
	if key == nil {
		return [32]byte{}, ErrSealed
	}
	marks, err := hkdf.Expand(sha256.New, key, "gelombang person's marks", 32)
	if err != nil {
		return [32]byte{}, err
	}
	return newDigester(marks).digest(kind, value), nil
}

// digester computes HMAC-SHA256 under one key. What follows from the key alone is worked
// out once and used again.
type digester struct{ ready sync.Pool }

// digestRoom is what one digest needs, so that it allocates nothing.
type digestRoom struct {
	mac  hash.Hash
	text []byte
	sum  [32]byte
}

func newDigester(key []byte) *digester {
	return &digester{sync.Pool{New: func() any { return &digestRoom{mac: hmac.New(sha256.New, key)} }}}
}

func (d *digester) digest(kind, value string) [32]byte {
	r := d.ready.Get().(*digestRoom)
	defer d.ready.Put(r)
	r.mac.Reset()
	r.text = append(strconv.AppendInt(r.text[:0], int64(len(kind)), 10), ':')
	r.text = append(append(r.text, kind...), value...)
	r.mac.Write(r.text)
	clear(r.text) // nothing personal stays behind
	r.mac.Sum(r.sum[:0])
	return r.sum
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
