package training

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gelombang/gelombang/payment"
)

// Platform is what a partner implements that sells courses. Package trainingtest proves
// it. Its methods may be called by any number of goroutines, and none is given anything
// personal: a voucher's number is all that the platform knows of its holder.
type Platform interface {
	// Catalogue gives every course that the platform sells to each. An error of each
	// ends it and is returned.
	Catalogue(ctx context.Context, each func(Course) error) error
	// Redeem enrols the holder of a voucher. The same voucher again enrols nobody
	// else and is no error. The error wraps ErrRefused if the platform will not take it:
	// another course or price under a number that it knows, or a course that it does not
	// have. After any other error nobody knows, and Redeem is called again.
	Redeem(ctx context.Context, r Redemption) error
	// Progress tells of one voucher: attendance and completion. The error wraps
	// ErrUnknown if the platform has no such voucher.
	Progress(ctx context.Context, voucher string) (Progress, error)
	// List gives the progress of every voucher that was redeemed from an instant until
	// before another to each, once. An error of each ends it and is returned.
	List(ctx context.Context, from, before time.Time, each func(Progress) error) error
}

// Redemption is what a platform is told of a voucher.
type Redemption struct {
	Voucher string        `json:"voucher"`
	Course  string        `json:"course"`
	Price   payment.Money `json:"price"`
}

// Errors that a Platform wraps.
var (
	ErrRefused = errors.New("training: the platform refuses the voucher")
	ErrUnknown = errors.New("training: the platform has no such voucher")
)

// Notice is a call-back: a platform tells of the progress of a voucher. It is harmless
// to hear one twice, late, or after a later one.
type Notice struct {
	Platform string   `json:"platform"`
	Progress Progress `json:"progress"`
}

// noticeDomain is what is signed before the body, so that a signature is of a notice
// and nothing else.
const noticeDomain = "gelombang-training-notice-1\n"

// SignNotice writes a notice and signs it: what a platform sends as the body of a call,
// and the signature, in base64, for a header.
func SignNotice(key ed25519.PrivateKey, n Notice) (body []byte, signature string, err error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, "", &NoticeError{"key"}
	}
	if body, err = json.Marshal(n); err != nil {
		return nil, "", err
	}
	return body, base64.StdEncoding.EncodeToString(ed25519.Sign(key, append([]byte(noticeDomain), body...))), nil
}

// NoticeError says why a call-back does not count.
type NoticeError struct {
	// Rule is "size", "format", "platform", "key" or "signature".
	Rule string
}

func (e *NoticeError) Error() string { return "training: notice: " + e.Rule }

// maxNotice is the largest body of a notice, in bytes.
const maxNotice = 1 << 20

// OpenNotice verifies that a call-back comes from the partner that it names and reads
// it. The error is a *NoticeError.
func OpenNotice(partners []Partner, body []byte, signature string) (Notice, error) {
	if len(body) > maxNotice {
		return Notice{}, &NoticeError{"size"}
	}
	var n Notice
	read := json.NewDecoder(strings.NewReader(string(body)))
	read.DisallowUnknownFields()
	if err := read.Decode(&n); err != nil || !utf8.Valid(body) {
		return Notice{}, &NoticeError{"format"}
	}
	if _, err := read.Token(); err != io.EOF {
		return Notice{}, &NoticeError{"format"}
	}
	for _, p := range partners {
		if p.ID != n.Platform || p.Kind != PlatformKind {
			continue
		}
		if len(p.Key) != ed25519.PublicKeySize {
			return Notice{}, &NoticeError{"key"}
		}
		made, err := base64.StdEncoding.Strict().DecodeString(signature)
		if err != nil || !ed25519.Verify(p.Key, append([]byte(noticeDomain), body...), made) {
			return Notice{}, &NoticeError{"signature"}
		}
		return n, nil
	}
	return Notice{}, &NoticeError{"platform"}
}
