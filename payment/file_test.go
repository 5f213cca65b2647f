package payment_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
)

// mailbox is a bank that takes files: it keeps what it got whole.
type mailbox struct {
	answer payment.Answer
	err    error
	calls  int
	got    []byte
}

func (m *mailbox) FileCapabilities() payment.Capabilities {
	return payment.Capabilities{ReplaySafe: true, KeyMemory: 48 * time.Hour}
}

func (m *mailbox) Upload(_ context.Context, f payment.File) (payment.Answer, error) {
	m.calls++
	b, err := io.ReadAll(f.Body)
	if err != nil {
		return payment.Answer{}, err
	}
	if int64(len(b)) != f.Size || sha256.Sum256(b) != f.Digest {
		return payment.Answer{}, errors.New("not what was announced")
	}
	m.got = b
	return m.answer, m.err
}

func (m *mailbox) EnquireFile(context.Context, string) (payment.Answer, error) {
	return m.answer, m.err
}

// changing is a file that is another one when it is read again.
type changing struct {
	bytes.Reader
	readings int
}

func (c *changing) Seek(offset int64, whence int) (int64, error) {
	if c.readings++; c.readings > 1 {
		c.Reset([]byte("orderX"))
	}
	return c.Reader.Seek(offset, whence)
}

// A file leaves byte for byte as it was released, or not at all; without a clear answer all of
// its orders are unknown.
func TestUploadFile(t *testing.T) {
	at := time.Date(2020, 11, 2, 3, 0, 0, 0, time.UTC)
	released := []byte("orders")
	digest := sha256.Sum256(released)
	attempt := payment.Attempt{Reference: "M1", State: payment.Submitted, Submitted: at}
	upload := func(m *mailbox, body io.ReadSeeker) (payment.Outcome, error) {
		return payment.UploadFile(t.Context(), m, attempt, digest, body, at)
	}
	taken := payment.Answer{Reference: "M1", Standing: payment.Taken}
	for name, c := range map[string]struct {
		bank mailbox
		want payment.Outcome
	}{
		"taken":              {mailbox{answer: taken}, payment.Outcome{Event: payment.Accept}},
		"refused for good":   {mailbox{answer: payment.Answer{Reference: "M1", Standing: payment.Refused}}, payment.Outcome{Event: payment.Reject}},
		"the answer is lost": {mailbox{err: errors.New("time-out")}, payment.Outcome{Event: payment.Doubt}},
		"an answer and an error": {mailbox{answer: payment.Answer{Reference: "M1", Standing: payment.Refused}, err: errors.New("cut off")},
			payment.Outcome{Event: payment.Doubt}},
		"another file's answer": {mailbox{answer: payment.Answer{Reference: "M2", Standing: payment.Taken}}, payment.Outcome{Event: payment.Doubt}},
		"no such file":          {mailbox{answer: payment.Answer{Reference: "M1", Standing: payment.Absent}}, payment.Outcome{Event: payment.Doubt}},
		"nothing was sent":      {mailbox{err: payment.ErrNotSent}, payment.Outcome{NotSent: true}},
	} {
		out, err := upload(&c.bank, bytes.NewReader(released))
		require.NoError(t, err, name)
		require.Equal(t, []any{"M1", c.want.Event, c.want.NotSent}, []any{out.Reference, out.Event, out.NotSent}, name)
		require.Equal(t, released, c.bank.got, name)
	}

	m := &mailbox{answer: taken}
	again := attempt
	again.State = payment.Unknown
	out, err := payment.UploadFile(t.Context(), m, again, digest, bytes.NewReader(released), at)
	require.NoError(t, err)
	require.Equal(t, payment.Accept, out.Event, "the same bytes again")

	m = &mailbox{answer: taken}
	for _, other := range []string{"order", "orders ", "Orders", ""} {
		out, err = upload(m, bytes.NewReader([]byte(other)))
		require.ErrorIs(t, err, payment.ErrOtherFile)
		require.True(t, out.NotSent)
	}
	require.Zero(t, m.calls, "not one byte of another file leaves")

	c := &changing{}
	c.Reset(released)
	out, err = upload(m, c)
	require.NoError(t, err)
	require.Equal(t, payment.Doubt, out.Event, "a file that changes on the way breaks off")
	require.Empty(t, m.got)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	out, err = payment.UploadFile(ended, m, attempt, digest, bytes.NewReader(released), at)
	require.ErrorIs(t, err, context.Canceled)
	require.True(t, out.NotSent)
}
