package identity

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// Secret is a text that never prints: an account number, a phone, an address.
// Every way of printing gives "Secret(****)"; only Reveal gives the text. The
// zero Secret is empty and means "not given".
//
// Secrets are compared with Equal; == and map keys do not compile.
type Secret struct {
	hidden
}

// NewSecret hides a text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{hidden{text: &text}}
}

// Equal reports whether both hide the same text. It takes the same time for every
// pair of texts of one length.
func (s Secret) Equal(other Secret) bool { return s.same(other.hidden) }

func (s Secret) String() string               { return secretMask }
func (s Secret) GoString() string             { return secretMask }
func (s Secret) Format(f fmt.State, _ rune)   { printMask(f, secretMask) }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(secretMask) }
func (s Secret) MarshalText() ([]byte, error) { return []byte(secretMask), nil }
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + secretMask + `"`), nil }

const (
	secretMask = "Secret(****)"
	nikMask    = "NIK(****)"
	kkMask     = "KK(****)"
	nameMask   = "Name(****)"
)

// hidden keeps the text behind a pointer, because fmt prints the unexported fields
// of a struct without asking their methods: it then shows an address, not the
// text. (It must point to a string: fmt may follow a pointer to a slice.) The function array makes == a compile error, since it would compare addresses.
type hidden struct {
	_    [0]func()
	text *string
}

// Reveal returns the hidden text, "" for a zero value. It is meant for sealing, for
// computing a keyed index and for handing the value to a partner. Never log it.
func (h hidden) Reveal() string {
	if h.text == nil {
		return ""
	}
	return *h.text
}

// IsZero reports whether nothing is hidden.
func (h hidden) IsZero() bool { return h.text == nil }

func (h hidden) same(other hidden) bool {
	return subtle.ConstantTimeCompare([]byte(h.Reveal()), []byte(other.Reveal())) == 1
}

func printMask(f fmt.State, mask string) {
	_, _ = io.WriteString(f, mask) // fmt.State keeps no error that a formatter could report
}
