package snap

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
)

// endless gives spaces for ever, and counts what was taken.
type endless struct{ taken int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.taken += len(p)
	return len(p), nil
}

// An answer without an end is given up after 1 MiB, not kept.
func TestReadIsBounded(t *testing.T) {
	body := &endless{}
	_, err := read(200, interbank, body)
	require.ErrorIs(t, err, errLong)
	require.LessOrEqual(t, body.taken, 2*maxBody)
	exact := `{"responseCode":"2001800"}`
	_, err = read(200, interbank, strings.NewReader(exact+strings.Repeat(" ", maxBody-len(exact))))
	require.NoError(t, err)
}

// An X-EXTERNAL-ID has 36 digits, and follows from the day in WIB, service, reference and attempt.
func TestExternalID(t *testing.T) {
	last := time.Date(2026, 3, 9, 16, 59, 59, 999_999_999, time.UTC)
	ids := map[string]bool{}
	for _, at := range []time.Time{last, last.Add(1)} {
		for _, service := range []string{interbank, status} {
			for _, reference := range []string{"A1", "A"} {
				for _, attempt := range []string{"", "/2", "1"} {
					id := externalID(service, reference, attempt, at)
					require.Regexp(t, `^[0-9]{36}$`, id)
					require.Equal(t, id, externalID(service, reference, attempt, at.In(wib)))
					require.False(t, ids[id])
					ids[id] = true
				}
			}
		}
	}
	require.Equal(t, "20260309", externalID(interbank, "A", "", last)[:8])
	require.Equal(t, "20260310", externalID(interbank, "A", "", last.Add(1))[:8])
}

// Whatever a bank writes, the reader does not panic; what it takes is one JSON
// object for encoding/json too; and nothing is refused for good, or paid, unless
// the HTTP status, the service and a listed case code say so.
func FuzzRead(f *testing.F) {
	f.Add(200, `{"responseCode":"2001800","referenceNo":"9"}`)
	f.Add(404, `{"responseCode":"4041811","responseMessage":"x"}`)
	f.Add(200, `{"responseCode":"2001800","amount":{"value":"1.00","currency":"IDR"},"partnerReferenceNo":null}`)
	f.Add(200, `{"a":1,"a":2}`)
	f.Add(200, "[{}]")
	order := payment.Transfer{Reference: "A", Amount: payment.Rupiah(1)}
	client := &Client{service: interbank}
	f.Fuzz(func(t *testing.T, httpStatus int, body string) {
		var r reply
		var err error
		bounded(t, len(body), func() { r, err = read(httpStatus, interbank, strings.NewReader(body)) })
		if err != nil {
			require.Empty(t, r.code)
			return
		}
		var object map[string]any
		require.NoError(t, json.NewDecoder(bytes.NewBufferString(body)).Decode(&object))
		require.Equal(t, object["responseCode"], r.code)
		a := client.judge(r, order)
		require.Equal(t, "A", a.Reference)
		switch a.Standing {
		case payment.Paid:
			require.Equal(t, 200, httpStatus)
			require.Equal(t, "2001800", a.Code)
			require.NotEmpty(t, a.Theirs)
		case payment.Refused:
			require.True(t, httpStatus >= 400 && httpStatus < 500)
			require.True(t, strings.HasPrefix(a.Code, strconv.Itoa(httpStatus)+interbank))
		case payment.Taken:
			require.Equal(t, "2021800", a.Code)
		default:
			require.Equal(t, payment.Unclear, a.Standing)
		}
		found := client.found(r, "A")
		require.Equal(t, "A", found.Reference)
		if found.Standing == payment.Refused {
			require.Contains(t, []any{"05", "06"}, object["latestTransactionStatus"])
		}
	})
}

// A body that breaks off is no answer, however far it came.
func TestReadBrokenBody(t *testing.T) {
	broken := io.MultiReader(strings.NewReader(`{"responseCode":"4041811"}`), failing{})
	_, err := read(404, interbank, broken)
	require.ErrorIs(t, err, errBroken)
}

var errBroken = errors.New("broken")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errBroken }

// bounded fails if work on an input allocates more than a megabyte and 256 bytes for
// each of its bytes: all that was ever allocated is more than what was in use at once.
func bounded(t *testing.T, input int, work func()) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	work()
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20+256*uint64(input) {
		t.Fatalf("%d bytes are allocated for an input of %d", used, input)
	}
}
