package payment

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"time"
)

// FileProvider is a bank that takes orders as files. A provider may be both. Whoever
// connects one implements it; paymenttest.TestFileProvider proves it.
//
// A file is known by its message id, as an order is by its reference: Capabilities.Next
// and Judge decide about it with the message id as the Attempt's reference, and what
// follows holds for every order in it that has no answer of its own. What the bank says
// of single orders comes as a status report, and is judged by itself.
type FileProvider interface {
	// FileCapabilities says what the bank promises of files. ReplaySafe: a file that comes
	// again, byte for byte, under its message id within KeyMemory is not executed again.
	// It never changes.
	FileCapabilities() Capabilities
	// Upload hands over a file. The Answer's Reference is the message id, as the bank
	// echoes it. An error leaves the file unknown, unless it is ErrNotSent.
	Upload(ctx context.Context, f File) (Answer, error)
	// EnquireFile asks what became of the file with the message id.
	EnquireFile(ctx context.Context, messageID string) (Answer, error)
}

// File is one file of orders on its way.
type File struct {
	// MessageID is what the bank knows the file by, as it is written in it.
	MessageID string
	// Digest is the SHA-256 of the bytes that were released.
	Digest [sha256.Size]byte
	Size   int64
	// Body gives the bytes once. It fails instead of ending if they are not those of
	// the digest: a file that breaks off is none.
	Body io.Reader
}

// ErrOtherFile is wrapped by an error of UploadFile if the bytes are not those that were
// released under the message id.
var ErrOtherFile = errors.New("payment: the file is not the one that was released")

// UploadFile hands over a file, for the first time or again, and judges the answer. The
// attempt has the message id as its reference; it must have been stored as submitted, with
// the digest, before. What leaves is byte for byte what has the digest: the body is read
// twice, and before the first reading has shown that, nothing is sent. Otherwise the error
// is ErrOtherFile, or that of the body, and nothing was sent.
//
// The event of the outcome is to be fired on every order of the file: a file that is unknown
// makes its orders unknown.
func UploadFile(ctx context.Context, p FileProvider, a Attempt, digest [sha256.Size]byte, body io.ReadSeeker, now time.Time) (Outcome, error) {
	notSent := Outcome{Reference: a.Reference, NotSent: true}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return notSent, err
	}
	sum := sha256.New()
	size, err := io.Copy(sum, body)
	if err != nil {
		return notSent, err
	}
	if [sha256.Size]byte(sum.Sum(nil)) != digest {
		return notSent, ErrOtherFile
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return notSent, err
	}
	if ctx.Err() != nil {
		return notSent, ctx.Err()
	}
	c := p.FileCapabilities()
	checked := &checkedBody{r: body, digest: digest, sum: sha256.New(), left: size}
	answer, err := p.Upload(ctx, File{MessageID: a.Reference, Digest: digest, Size: size, Body: checked})
	if errors.Is(err, ErrNotSent) {
		return notSent, nil
	}
	if err != nil || checked.broken {
		answer = Answer{Reference: a.Reference, Standing: Unclear, Code: answer.Code}
	}
	return c.Judge(a, answer, Proof{}, now), nil
}

// checkedBody gives bytes on. It keeps the last of them back if they are not those of the
// digest.
type checkedBody struct {
	r      io.Reader
	digest [sha256.Size]byte
	sum    hash.Hash
	left   int64
	broken bool
}

func (c *checkedBody) Read(p []byte) (int, error) {
	if c.broken {
		return 0, ErrOtherFile
	}
	n, err := c.r.Read(p)
	_, _ = c.sum.Write(p[:n]) // a hash never fails
	c.left -= int64(n)
	ended := c.left == 0 && n > 0 || errors.Is(err, io.EOF)
	if c.left < 0 || ended && [sha256.Size]byte(c.sum.Sum(nil)) != c.digest {
		c.broken = true
		return 0, ErrOtherFile
	}
	return n, err
}
