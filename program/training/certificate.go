package training

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
)

// Certificate is what its holder has and shows. Only the holder's name is personal, and
// it does not print; Document reveals it.
type Certificate struct {
	// Number is 16 random letters and digits: nobody finds another by counting.
	Number string
	Holder identity.Name
	// Course is its id, Title its title at the purchase; Institution is the partner's id.
	Course, Title, Institution string
	Hours                      int
	Issued                     calendar.Date
	// Salt is 16 bytes, so that nobody finds the holder by trying names.
	Salt [16]byte
}

// Format keeps a certificate's holder out of every print.
func (c Certificate) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "Certificate("+c.Number+")")
}

// PublicCertificate is what everybody may read of a certificate: it has no personal
// data, and says nothing of the holder to whoever does not have the certificate.
type PublicCertificate struct {
	Number string `json:"number"`
	// Digest is the SHA-256, in hexadecimal, of the certificate's document.
	Digest string        `json:"digest"`
	Issued calendar.Date `json:"issued"`
	// Revoked says why it does not count any more; empty if it does.
	Revoked string `json:"revoked,omitempty"`
}

// document is the certificate as JSON, in this order of fields.
type document struct {
	Format      string        `json:"format"`
	Number      string        `json:"number"`
	Holder      string        `json:"holder"`
	Course      string        `json:"course"`
	Title       string        `json:"title"`
	Institution string        `json:"institution"`
	Hours       int           `json:"hours"`
	Issued      calendar.Date `json:"issued"`
	Salt        string        `json:"salt"`
}

const certificateFormat = "gelombang-certificate-1"

// Document writes the certificate for its holder, with the name: what a QR code on it
// has. It is UTF-8 JSON without spaces, and its SHA-256 is the public digest.
func (c Certificate) Document() ([]byte, error) {
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	valid := func(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
	err := out.Encode(document{certificateFormat, valid(c.Number), valid(c.Holder.Reveal()), valid(c.Course), valid(c.Title), valid(c.Institution), c.Hours, c.Issued, hex.EncodeToString(c.Salt[:])})
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// Public returns what the public register has of the certificate.
func (c Certificate) Public() (PublicCertificate, error) {
	doc, err := c.Document()
	if err != nil {
		return PublicCertificate{}, err
	}
	sum := sha256.Sum256(doc)
	return PublicCertificate{Number: c.Number, Digest: hex.EncodeToString(sum[:]), Issued: c.Issued}, nil
}

// CertificateError says why a certificate does not count.
type CertificateError struct {
	// Rule is "format", "number", "digest" or "revoked".
	Rule string
}

func (e *CertificateError) Error() string { return "training: certificate: " + e.Rule }

// CheckCertificate checks the document of a certificate against what the register has
// under its number, and returns what it says. The error is a *CertificateError: one
// letter of a name changed is enough.
func CheckCertificate(doc []byte, public PublicCertificate) (Certificate, error) {
	c, err := ParseCertificate(doc)
	if err != nil {
		return Certificate{}, err
	}
	sum := sha256.Sum256(doc)
	switch {
	case c.Number != public.Number:
		return Certificate{}, &CertificateError{"number"}
	case subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum[:])), []byte(public.Digest)) != 1:
		return Certificate{}, &CertificateError{"digest"}
	case public.Revoked != "":
		return Certificate{}, &CertificateError{"revoked"}
	}
	return c, nil
}

// ParseCertificate reads a document, byte for byte as Document writes it. That it can be
// read proves nothing. The error is a *CertificateError.
func ParseCertificate(doc []byte) (Certificate, error) {
	fault := &CertificateError{"format"}
	if len(doc) > 4096 {
		return Certificate{}, fault
	}
	var d document
	if json.Unmarshal(doc, &d) != nil || d.Format != certificateFormat {
		return Certificate{}, fault
	}
	salt, err := hex.DecodeString(d.Salt)
	if err != nil || len(salt) != 16 {
		return Certificate{}, fault
	}
	c := Certificate{d.Number, identity.NewName(d.Holder), d.Course, d.Title, d.Institution, d.Hours, d.Issued, [16]byte(salt)}
	if again, err := c.Document(); err != nil || !bytes.Equal(again, doc) {
		return Certificate{}, fault
	}
	return c, nil
}

// certificateNumber draws a number: 80 random bits.
func certificateNumber(random io.Reader) (string, error) {
	var b [10]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("training: randomness: %w", err)
	}
	return base32.StdEncoding.EncodeToString(b[:]), nil
}
