package snap_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/payment/snap"
)

// What cannot be read, does not come or comes too late is unclear, and nothing of it is in the error.
func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		say func(seen) (int, string)
		cut bool
	}{
		"garbage 200":          {say: func(seen) (int, string) { return 200, "<html>SITI AMINAH</html>" }},
		"empty 200":            {say: func(seen) (int, string) { return 200, "" }},
		"name twice":           {say: func(seen) (int, string) { return 404, `{"responseCode":"2001800","responseCode":"4041811"}` }},
		"two objects":          {say: func(seen) (int, string) { return 404, code("4041811") + "{}" }},
		"cut off":              {say: func(seen) (int, string) { return 404, `{"responseCode":"4041811"` }},
		"too long":             {say: func(seen) (int, string) { return 404, code("4041811") + strings.Repeat(" ", 1<<20) }},
		"no UTF-8":             {say: func(seen) (int, string) { return 404, `{"responseCode":"4041811","x":"` + "\xff" + `"}` }},
		"closes after reading": {cut: true},
	} {
		t.Run(name, func(t *testing.T) {
			b, _, client := start(t, nil)
			b.say = c.say
			b.cut = func(seen) bool { return c.cut }
			answers, err := client.Submit(t.Context(), []payment.Transfer{transfer("B7I1G1X")})
			var fault *snap.Error
			require.ErrorAs(t, err, &fault)
			require.NotErrorIs(t, err, payment.ErrNotSent)
			require.Equal(t, []payment.Answer{{Reference: "B7I1G1X", Standing: payment.Unclear}}, answers)
			require.Len(t, b.calls, 1)
			for _, personal := range []string{"SITI", "Siti", "8888", "0019", "rahasia", "token-"} {
				require.NotContains(t, err.Error(), personal)
				require.NotContains(t, fmt.Sprintf("%+v", err), personal)
			}
		})
	}
}

// After a dial error nothing was sent. When the context ends while the bank works, it may have been.
func TestNotSentAndDeadline(t *testing.T) {
	b, at, client := start(t, nil)
	submit(t, client, "B7I1G1X") // the token is there
	release := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b.say = func(seen) (int, string) { cancel(); <-release; return 0, "" }
	answers, err := client.Submit(ctx, []payment.Transfer{transfer("B7I2G1X")})
	close(release)
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, payment.ErrNotSent)
	require.Equal(t, payment.Unclear, answers[0].Standing)

	answers, err = client.Submit(ctx, []payment.Transfer{transfer("B7I3G1X")})
	require.ErrorIs(t, err, payment.ErrNotSent, "the context was over before")
	require.Empty(t, answers)

	c := config(b, at)
	for name, dial := range map[string]int{"for the token": 0, "for the transfer": 1} {
		t.Run(name, func(t *testing.T) {
			c.HTTP = refusing(b, dial)
			client, err := snap.New(c, nil)
			require.NoError(t, err)
			answers, err := client.Submit(t.Context(), []payment.Transfer{transfer("B7I4G1X")})
			require.ErrorIs(t, err, payment.ErrNotSent)
			require.Empty(t, answers)
			outcome := payment.Dispatch(t.Context(), client, []payment.Transfer{transfer("B7I4G1X")}, at.now(), at.now())
			require.Equal(t, []payment.Outcome{{Reference: "B7I4G1X", NotSent: true}}, outcome)
		})
	}
}

// refusing makes a client whose connections fail after the first few. Each request has its own.
func refusing(b *bank, connections int) *http.Client {
	transport := b.server.Client().Transport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	made := 0
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if made++; made > connections {
			return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("refused")}
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	return &http.Client{Transport: transport}
}

// A duplicate is a reason to ask, not a refusal; what the enquiry denies stays unclear.
func TestDuplicate(t *testing.T) {
	for _, duplicate := range []string{"4091800", "4091801", "4041818"} {
		for latestStatus, want := range map[string]payment.Standing{
			"00": payment.Paid, "03": payment.Taken, "06": payment.Unclear, "07": payment.Unclear, "04": payment.Unclear,
		} {
			b, _, client := start(t, nil)
			b.say = func(s seen) (int, string) {
				if s.service == "36" {
					return 200, latest("B7I1G1X", latestStatus)
				}
				status := 409
				if duplicate == "4041818" {
					status = 404
				}
				return status, code(duplicate)
			}
			require.Equal(t, want, submit(t, client, "B7I1G1X").Standing, "%s %s", duplicate, latestStatus)
			require.Len(t, b.calls, 2)
		}
	}
	b, _, client := start(t, nil) // the order that the bank knows went to another account
	b.say = func(s seen) (int, string) {
		if s.service == "36" {
			return 200, strings.Replace(latest("B7I1G1X", "00"), "{", `{"beneficiaryAccountNo":"1",`, 1)
		}
		return 409, code("4091801")
	}
	require.Equal(t, payment.Unclear, submit(t, client, "B7I1G1X").Standing)
}

// A 401 brings one new token. A question is repeated once; a transfer only if the
// token itself was refused, and never twice.
func TestUnauthorized(t *testing.T) {
	for _, c := range []struct {
		name             string
		code             string // of the 401
		times            int    // how often it is said
		transfers, asked int    // how often the bank is called
		want             payment.Standing
	}{
		{"token expired", "01", 1, 2, 2, payment.Paid},
		{"token not found", "03", 1, 2, 2, payment.Paid},
		{"unauthorized", "00", 1, 1, 2, payment.Unclear},
		{"customer's token", "02", 1, 1, 2, payment.Unclear},
		{"again and again", "01", 9, 2, 2, payment.Unclear},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, _, client := start(t, nil)
			b.say = func(s seen) (int, string) {
				if s.n <= c.times {
					return 401, code("401" + s.service + c.code)
				}
				return 0, ""
			}
			require.Equal(t, c.want, submit(t, client, "B7I1G1X").Standing)
			require.Len(t, b.calls, c.transfers)
			_, err := client.Enquire(t.Context(), "B7I1G1X")
			require.NoError(t, err)
			require.Len(t, b.calls, c.transfers+c.asked)
			require.LessOrEqual(t, b.executed["B7I1G1X"], 1)
			require.Greater(t, b.tokens, 1)
		})
	}
}

// If the repetition after a 401 cannot be sent, the first request was: the answer is
// unclear, not "nothing was sent".
func TestRepetitionNotSent(t *testing.T) {
	for name, connections := range map[string]int{"no new token": 2, "no second transfer": 3} {
		t.Run(name, func(t *testing.T) {
			b, at, _ := start(t, nil)
			b.say = func(s seen) (int, string) { return 401, code("401" + s.service + "01") }
			c := config(b, at)
			c.HTTP = refusing(b, connections)
			client, err := snap.New(c, nil)
			require.NoError(t, err)
			answer := submit(t, client, "B7I1G1X")
			require.Equal(t, payment.Answer{Reference: "B7I1G1X", Standing: payment.Unclear, Code: "4011801"}, answer)
			require.Len(t, b.calls, 1)
		})
	}
}
