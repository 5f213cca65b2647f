package snap_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/payment/snap"
	"github.com/gelombang/gelombang/program/identity"
)

var _ payment.Provider = (*snap.Client)(nil)

func start(t *testing.T, o *snap.Options) (*bank, *clock, *snap.Client) {
	t.Helper()
	b, at := newBank(t), noon()
	t.Cleanup(b.server.Close)
	return b, at, connect(t, b, at, o)
}

func connect(t *testing.T, b *bank, at *clock, o *snap.Options) *snap.Client {
	t.Helper()
	client, err := snap.New(config(b, at), o)
	require.NoError(t, err)
	return client
}

func submit(t *testing.T, c *snap.Client, reference string) payment.Answer {
	t.Helper()
	answers, err := c.Submit(t.Context(), []payment.Transfer{transfer(reference)})
	require.NoError(t, err)
	require.Len(t, answers, 1)
	return answers[0]
}

// What is sent is, byte by byte, what the standard shows; what is signed is its formula.
func TestGoldenRequests(t *testing.T) {
	b, _, client := start(t, nil)
	answer := submit(t, client, "B7I1G1X")
	require.Equal(t, payment.Answer{Reference: "B7I1G1X", Standing: payment.Paid, Code: "2001800", Theirs: "2026030900001"}, answer)
	_, err := client.Enquire(t.Context(), "B7I1G1X")
	require.NoError(t, err)
	_, err = client.Resolve(t.Context(), transfer("").To)
	require.NoError(t, err)

	require.Len(t, b.calls, 3)
	require.Equal(t, "/v1.0/transfer-interbank", b.calls[0].path)
	require.Equal(t, `{"partnerReferenceNo":"B7I1G1X","amount":{"value":"600000.00","currency":"IDR"},`+
		`"beneficiaryAccountName":"Siti Aminah & Co <1>","beneficiaryAccountNo":"888801000157508","beneficiaryBankCode":"014",`+
		`"sourceAccountNo":"001901000378301","transactionDate":"2026-03-09T12:00:00+07:00"}`, b.calls[0].body)
	require.Equal(t, goldenSigned, b.calls[0].signed)
	require.Equal(t, goldenSignature, b.calls[0].signature)
	require.Equal(t, `{"originalPartnerReferenceNo":"B7I1G1X","serviceCode":"18"}`, b.calls[1].body)
	require.Equal(t, `{"beneficiaryBankCode":"014","beneficiaryAccountNo":"888801000157508"}`, b.calls[2].body)
}

// The digest and the signature were made with openssl, not with this package.
const (
	goldenSigned    = "POST:/v1.0/transfer-interbank:token-1:f75b85b50f0705ca768cea92733ca3a4a4d8a6f4c566c88d6484662285f724bc:2026-03-09T12:00:00+07:00"
	goldenSignature = "IAcX0FC3c5sHsKu1NTmPMsWupUV1omTU8eF4uf8kJ6wEz6ifgMbzIzeXaQdbzAK64HuSbT7kcbeENT4FJT+HGA=="
)

// The variants of the signature, of the paths and of the service reach the bank as it expects.
func TestVariants(t *testing.T) {
	for name, c := range map[string]struct {
		options snap.Options
		set     func(*bank)
		path    string
	}{
		"hexadecimal": {snap.Options{HexToken: true, HexSignature: true}, func(b *bank) { b.inHex = true }, "/v1.0/transfer-interbank"},
		"asymmetric":  {snap.Options{Asymmetric: true}, func(b *bank) { b.asymmetric = true }, "/v1.0/transfer-interbank"},
		"prefix":      {snap.Options{}, func(b *bank) { b.prefix = "/snap" }, "/v1.0/transfer-interbank"},
		"intrabank":   {snap.Options{Intrabank: true}, func(*bank) {}, "/v1.0/transfer-intrabank"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t)
			defer b.server.Close()
			c.set(b)
			client := connect(t, b, noon(), &c.options)
			require.Equal(t, payment.Paid, submit(t, client, "B7I1G1X").Standing)
			require.Equal(t, c.path, b.calls[0].path)
			require.Equal(t, !c.options.Intrabank, strings.Contains(b.calls[0].body, "beneficiaryBankCode"))
			known, err := client.Resolve(t.Context(), transfer("").To)
			require.NoError(t, err)
			require.Equal(t, "SITI AMINAH", known.Holder.Reveal())
			require.Equal(t, c.options.Asymmetric, b.tokens == 0)
		})
	}
}

// A wrong secret is noticed by the bank: the check of the signatures is none that always agrees.
func TestBankNoticesAWrongSignature(t *testing.T) {
	noticed := &counter{}
	b := newBank(noticed)
	defer b.server.Close()
	b.secret = "another"
	submit(t, connect(t, b, noon(), nil), "B7I1G1X")
	require.Equal(t, 1, noticed.n)
}

type counter struct{ n int }

func (c *counter) Errorf(string, ...any) { c.n++ }

// Every answer to a transfer, and what it means.
func TestTransferAnswers(t *testing.T) {
	success := func(rest string) string { return `{"responseCode":"2001800","referenceNo":"9"` + rest + `}` }
	for _, c := range []struct {
		name    string
		status  int
		body    string
		options snap.Options
		want    payment.Standing
	}{
		{"paid", 200, success(""), snap.Options{}, payment.Paid},
		{"received only", 200, success(""), snap.Options{Queues: true}, payment.Taken},
		{"paid, all echoed", 200, success(`,"partnerReferenceNo":"B7I1G1X","amount":{"value":"600000.00","currency":"IDR"}`), snap.Options{}, payment.Paid},
		{"another reference", 200, success(`,"partnerReferenceNo":"B7I2G1X"`), snap.Options{}, payment.Unclear},
		{"reference is no text", 200, success(`,"partnerReferenceNo":7`), snap.Options{}, payment.Unclear},
		{"another amount", 200, success(`,"amount":{"value":"600001.00","currency":"IDR"}`), snap.Options{}, payment.Unclear},
		{"another currency", 200, success(`,"amount":{"value":"600000.00","currency":"USD"}`), snap.Options{}, payment.Unclear},
		{"success without a reference", 200, code("2001800"), snap.Options{}, payment.Unclear},
		{"code of another service", 200, `{"responseCode":"2001700","referenceNo":"9"}`, snap.Options{}, payment.Unclear},
		{"code of another status", 202, success(""), snap.Options{}, payment.Unclear},
		{"200 that says refused", 200, code("4041811"), snap.Options{}, payment.Unclear},
		{"in progress", 202, code("2021800"), snap.Options{}, payment.Taken},
		{"unlisted success", 200, code("2001801"), snap.Options{}, payment.Unclear},
		{"bad request", 400, code("4001800"), snap.Options{}, payment.Unclear},
		{"invalid format", 400, code("4001801"), snap.Options{}, payment.Refused},
		{"missing field", 400, code("4001802"), snap.Options{}, payment.Refused},
		{"unauthorized", 401, code("4011800"), snap.Options{}, payment.Unclear},
		{"limit", 403, code("4031802"), snap.Options{}, payment.Unclear},
		{"fraud", 403, code("4031803"), snap.Options{}, payment.Unclear},
		{"cut-off", 403, code("4031806"), snap.Options{}, payment.Unclear},
		{"dormant", 403, code("4031809"), snap.Options{}, payment.Refused},
		{"no funds", 403, code("4031814"), snap.Options{}, payment.Refused},
		{"no funds of a replay", 403, code("4031814"), snap.Options{Promises: payment.Capabilities{ReplaySafe: true}}, payment.Unclear},
		{"not permitted", 403, code("4031815"), snap.Options{}, payment.Unclear},
		{"not permitted, by contract", 403, code("4031815"), snap.Options{Refusals: []string{"40315"}}, payment.Refused},
		{"inactive", 403, code("4031818"), snap.Options{}, payment.Refused},
		{"not found", 404, code("4041801"), snap.Options{}, payment.Unclear},
		{"no such account", 404, code("4041811"), snap.Options{}, payment.Refused},
		{"no such account, elsewhere", 404, code("4041711"), snap.Options{}, payment.Unclear},
		{"not supported", 405, code("4051800"), snap.Options{}, payment.Unclear},
		{"too many", 429, code("4291800"), snap.Options{}, payment.Unclear},
		{"general error", 500, code("5001800"), snap.Options{}, payment.Unclear},
		{"external error", 500, code("5001802"), snap.Options{}, payment.Unclear},
		{"time-out", 504, code("5041800"), snap.Options{}, payment.Unclear},
		{"redirect", 307, code("3071800"), snap.Options{}, payment.Unclear},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, _, client := start(t, &c.options)
			b.say = func(seen) (int, string) { return c.status, c.body }
			answers, _ := client.Submit(t.Context(), []payment.Transfer{transfer("B7I1G1X")})
			require.Len(t, answers, 1)
			require.Equal(t, c.want, answers[0].Standing)
			require.Equal(t, "B7I1G1X", answers[0].Reference)
			require.Len(t, b.calls, 1, "a transfer is sent once")
		})
	}
}

// Every answer to a status enquiry.
func TestStatusAnswers(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   payment.Standing
		code   string
	}{
		{"success", 200, latest("B7I1G1X", "00"), payment.Paid, "2003600/00"},
		{"initiated", 200, latest("B7I1G1X", "01"), payment.Taken, "2003600/01"},
		{"paying", 200, latest("B7I1G1X", "02"), payment.Taken, "2003600/02"},
		{"pending", 200, latest("B7I1G1X", "03"), payment.Taken, "2003600/03"},
		{"refunded", 200, latest("B7I1G1X", "04"), payment.Unclear, "2003600/04"},
		{"cancelled", 200, latest("B7I1G1X", "05"), payment.Refused, "2003600/05"},
		{"failed", 200, latest("B7I1G1X", "06"), payment.Refused, "2003600/06"},
		{"not found", 200, latest("B7I1G1X", "07"), payment.Absent, "2003600/07"},
		{"unlisted", 200, latest("B7I1G1X", "08"), payment.Unclear, "2003600/08"},
		{"long", 200, latest("B7I1G1X", "006"), payment.Unclear, "2003600"},
		{"of another order", 200, latest("B7I2G1X", "06"), payment.Unclear, "2003600"},
		{"of another service", 200, strings.Replace(latest("B7I1G1X", "06"), `"18"`, `"17"`, 1), payment.Unclear, "2003600"},
		{"none", 200, code("2003600"), payment.Unclear, "2003600"},
		{"no such transaction", 404, code("4043601"), payment.Absent, "4043601"},
		{"no such account", 404, code("4043611"), payment.Unclear, "4043611"},
		{"no funds", 403, code("4033614"), payment.Unclear, "4033614"},
		{"time-out", 504, code("5043600"), payment.Unclear, "5043600"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, _, client := start(t, nil)
			b.say = func(seen) (int, string) { return c.status, c.body }
			answer, err := client.Enquire(t.Context(), "B7I1G1X")
			require.NoError(t, err)
			require.Equal(t, c.want, answer.Standing)
			require.Equal(t, c.code, answer.Code)
			require.Equal(t, "B7I1G1X", answer.Reference)
		})
	}
}

// Whose account it is: known, not there, or nobody knows now.
func TestResolve(t *testing.T) {
	for _, c := range []struct {
		name           string
		status         int
		body           string
		exists, unsure bool
	}{
		{"there", 0, "", true, false},
		{"invalid", 404, code("4041611"), false, false},
		{"dormant", 403, code("4031609"), false, false},
		{"inactive", 403, code("4031618"), false, false},
		{"another number", 200, `{"responseCode":"2001600","beneficiaryAccountName":"A","beneficiaryAccountNo":"1"}`, false, true},
		{"no name", 200, code("2001600"), false, true},
		{"time-out", 504, code("5041600"), false, true},
		{"garbage", 200, "<html>", false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, _, client := start(t, nil)
			b.say = func(seen) (int, string) { return c.status, c.body }
			known, err := client.Resolve(t.Context(), transfer("").To)
			require.Equal(t, c.unsure, err != nil)
			require.Equal(t, c.exists, known.Exists)
			require.Equal(t, c.exists, !known.Holder.IsZero())
		})
	}
}

// The answer is lost shortly before midnight, and the order is sent again after it:
// the X-EXTERNAL-ID is new, the partnerReferenceNo is not, and the bank pays once.
// The same retry before midnight meets the bank's check of the X-EXTERNAL-ID.
func TestRetryAcrossMidnightInWIB(t *testing.T) {
	for _, c := range []struct {
		name  string
		later time.Duration
		days  [2]string
		code  string // of the bank's second answer
	}{
		{"across midnight", 20 * time.Second, [2]string{"20260309", "20260310"}, "4091801"},
		{"before midnight", 5 * time.Second, [2]string{"20260309", "20260309"}, "4091800"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, at, client := start(t, nil)
			at.move(11*time.Hour + 59*time.Minute + 50*time.Second) // 23:59:50 WIB, 16:59:50 UTC
			b.cut = func(s seen) bool { return s.service == "18" && s.n == 1 }
			answers, err := client.Submit(t.Context(), []payment.Transfer{transfer("B7I1G1X")})
			require.Error(t, err)
			require.Equal(t, payment.Unclear, answers[0].Standing)

			at.move(c.later)
			answer := submit(t, client, "B7I1G1X")
			require.Equal(t, payment.Paid, answer.Standing, "the bank knows it, so it was asked")
			require.Equal(t, "2003600/00", answer.Code)

			require.Len(t, b.calls, 3)
			first, second := b.calls[0], b.calls[1]
			require.Equal(t, c.days, [2]string{first.external[:8], second.external[:8]})
			require.Equal(t, c.days[0] == c.days[1], first.external == second.external)
			require.Equal(t, "B7I1G1X", first.fields["partnerReferenceNo"])
			require.Equal(t, "B7I1G1X", second.fields["partnerReferenceNo"])
			require.Equal(t, "/v1.0/transfer/status", b.calls[2].path)
			require.Equal(t, 1, b.executed["B7I1G1X"])
		})
	}
}

// Where a replay is safe, each sending of a day has an id of its own; questions always have.
func TestExternalIDsOfOneDay(t *testing.T) {
	b, _, client := start(t, &snap.Options{Promises: payment.Capabilities{ReplaySafe: true, KeyMemory: time.Hour}})
	for range 3 {
		require.Equal(t, payment.Paid, submit(t, client, "B7I1G1X").Standing)
		_, err := client.Enquire(t.Context(), "B7I1G1X")
		require.NoError(t, err)
	}
	ids := map[string]bool{}
	for _, s := range b.calls {
		require.Len(t, s.external, 36)
		require.False(t, ids[s.external])
		ids[s.external] = true
	}
	require.Len(t, ids, 8) // 3 transfers, 3 enquiries, and 2 that Submit made
	require.Equal(t, 1, b.executed["B7I1G1X"])
}

// The token is kept for nine tenths of its life, as text or as number.
func TestTokenLife(t *testing.T) {
	for _, expires := range []string{`"900"`, `900`} {
		b, at, client := start(t, nil)
		b.expires = expires
		for i, c := range []struct {
			move   time.Duration
			tokens int
		}{{0, 1}, {809 * time.Second, 1}, {time.Second, 2}, {809 * time.Second, 2}} {
			at.move(c.move)
			submit(t, client, fmt.Sprintf("B7I%dG1X", i+1))
			require.Equal(t, c.tokens, b.tokens)
		}
	}
	for _, expires := range []string{`""`, `"x"`, `-1`, `0`, `null`, `9.5`, `{}`} {
		b, _, client := start(t, nil)
		b.expires = expires
		_, err := client.Submit(t.Context(), []payment.Transfer{transfer("B7I1G1X")})
		require.ErrorIs(t, err, payment.ErrNotSent, expires)
		require.Empty(t, b.calls)
	}
}

// Many goroutines share one token, and every order is executed once.
func TestManyAtOnce(t *testing.T) {
	b, _, client := start(t, nil)
	var wait sync.WaitGroup
	for i := range 64 {
		wait.Go(func() {
			reference := fmt.Sprintf("B7I%dG1X", i+1)
			answers, err := client.Submit(context.Background(), []payment.Transfer{transfer(reference)})
			if err != nil || answers[0].Standing != payment.Paid {
				t.Errorf("%v %v", answers, err)
			}
			if a, err := client.Enquire(context.Background(), reference); err != nil || a.Standing != payment.Paid {
				t.Errorf("%v %v", a, err)
			}
		})
	}
	wait.Wait()
	require.Equal(t, 1, b.tokens)
	require.Len(t, b.executed, 64)
	for reference, times := range b.executed {
		require.Equal(t, 1, times, reference)
	}
}

// A reference that is too long for the bank goes out in its compact spelling, all of it, and
// comes back as it was; what does not fit even so is never cut.
func TestShortReferences(t *testing.T) {
	long, err := payment.Reference(payment.MaxBatch, payment.MaxItem, payment.MaxGeneration)
	require.NoError(t, err)
	short, err := payment.Compact(long)
	require.NoError(t, err)
	b, _, client := start(t, &snap.Options{ReferenceLength: payment.MaxCompact})
	answer := submit(t, client, long)
	require.Equal(t, []any{long, payment.Paid}, []any{answer.Reference, answer.Standing})
	answer, err = client.Enquire(t.Context(), long)
	require.NoError(t, err)
	require.Equal(t, []any{long, payment.Paid}, []any{answer.Reference, answer.Standing})
	require.Equal(t, map[string]int{short: 1}, b.executed)
	require.Contains(t, b.calls[1].body, short)
	submit(t, client, "B7I1G1X")
	require.Equal(t, 1, b.executed["B7I1G1X"], "what fits goes out as it is")

	for _, c := range []struct {
		length    int
		reference string
	}{{payment.MaxCompact - 1, long}, {payment.MaxCompact, strings.Repeat("A", 19)}, {payment.MaxCompact, short}} {
		before := len(b.calls)
		client := connect(t, b, noon(), &snap.Options{ReferenceLength: c.length})
		_, err := client.Submit(t.Context(), []payment.Transfer{transfer(c.reference)})
		require.ErrorIs(t, err, payment.ErrNotSent)
		require.Equal(t, []string{"reference"}, fields(err))
		require.Len(t, b.calls, before)
	}
	_, err = client.Statement(t.Context(), 1, nil)
	require.ErrorIs(t, err, payment.ErrNoStatement)
}

// What does not fit the standard is refused before anything is sent, with every fault.
func TestOrderFaults(t *testing.T) {
	b, _, client := start(t, &snap.Options{ReferenceLength: 20, Promises: payment.Capabilities{Most: payment.Rupiah(1_000_000)}})
	for name, c := range map[string]struct {
		change func(*payment.Transfer)
		fields []string
	}{
		"long reference":  {func(o *payment.Transfer) { o.Reference = strings.Repeat("A", 21) }, []string{"reference"}},
		"reference":       {func(o *payment.Transfer) { o.Reference = "B7-1" }, []string{"reference"}},
		"no reference":    {func(o *payment.Transfer) { o.Reference = "" }, []string{"reference"}},
		"no amount":       {func(o *payment.Transfer) { o.Amount.Units = 0 }, []string{"amount"}},
		"another":         {func(o *payment.Transfer) { o.Amount.Currency = "USD" }, []string{"amount", "amount"}},
		"too much":        {func(o *payment.Transfer) { o.Amount = payment.Rupiah(1_000_001) }, []string{"amount"}},
		"nothing to whom": {func(o *payment.Transfer) { o.To = payment.Account{} }, []string{"holder", "institution", "number"}},
		"name too long":   {func(o *payment.Transfer) { o.To.Holder = identity.NewName(strings.Repeat("é", 101)) }, []string{"holder"}},
		"name, no UTF-8":  {func(o *payment.Transfer) { o.To.Holder = identity.NewName("Siti\xff") }, []string{"holder"}},
		"line in name":    {func(o *payment.Transfer) { o.To.Holder = identity.NewName("Siti\nA") }, []string{"holder"}},
		"line in number":  {func(o *payment.Transfer) { o.To.Number = identity.NewSecret("1\n2") }, []string{"number"}},
	} {
		t.Run(name, func(t *testing.T) {
			order := transfer("B7I1G1X")
			c.change(&order)
			_, err := client.Submit(t.Context(), []payment.Transfer{order})
			require.ErrorIs(t, err, payment.ErrNotSent)
			require.Equal(t, c.fields, fields(err))
			require.NotContains(t, err.Error(), "Siti")
			require.NotContains(t, err.Error(), "8888")
		})
	}
	_, err := client.Submit(t.Context(), []payment.Transfer{transfer("A"), transfer("B")})
	require.Equal(t, []string{"orders"}, fields(err))
	_, err = client.Enquire(t.Context(), "B7-1")
	require.Equal(t, []string{"reference"}, fields(err))
	require.Empty(t, b.calls)
	require.Zero(t, b.tokens)
}

// fields lists the fields of every FieldError in an error.
func fields(err error) []string {
	if fault, ok := err.(*snap.FieldError); ok {
		return []string{fault.Field}
	}
	var found []string
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, inner := range joined.Unwrap() {
			found = append(found, fields(inner)...)
		}
	}
	return found
}

// A configuration is checked as a whole.
func TestConfigFaults(t *testing.T) {
	_, err := snap.New(snap.Config{}, nil)
	require.Equal(t, []string{"base url", "client key", "partner id", "channel id", "secret", "key", "source", "clock", "http"}, fields(err))
	b, _, _ := start(t, nil)
	for _, refusal := range []string{"40101", "40900", "40418", "40401", "50000", "20000", "42900", "4031", ""} {
		_, err = snap.New(config(b, noon()), &snap.Options{Refusals: []string{"40315", refusal}})
		require.Equal(t, []string{"refusals"}, fields(err), refusal)
	}
	c := config(b, noon())
	for _, url := range []string{"http://a.example", "https://u:p@a.example", "https://", "https://a.example?x=1"} {
		c.BaseURL = url
		_, err = snap.New(c, nil)
		require.Equal(t, []string{"base url"}, fields(err), url)
	}
	_, err = snap.New(config(b, noon()), &snap.Options{Paths: snap.Paths{Token: "token"}})
	require.Equal(t, []string{"paths"}, fields(err))
	client := connect(t, b, noon(), &snap.Options{Promises: payment.Capabilities{BatchSize: 50}})
	require.Equal(t, payment.Capabilities{BatchSize: 1}, client.Capabilities())
	require.Equal(t, payment.Capabilities{BatchSize: 1}, connect(t, b, noon(), nil).Capabilities())
}

// Every code has one who must act; an unlisted one is nobody's by name.
func TestFailureOf(t *testing.T) {
	for code, want := range map[string]payment.Failure{
		"4041811": payment.AccountUnknown, "4031809": payment.AccountUnusable, "4031718": payment.AccountUnusable,
		"4031814": payment.NoFunds, "4031802": payment.AmountRefused, "4031815": payment.NotAllowed, "4041803": payment.BankUnknown,
		"4091801": payment.SentTwice, "5001800": payment.Unexplained, "": payment.Unexplained, "2003600/06": payment.Unexplained,
	} {
		require.Equal(t, want, snap.FailureOf(code), code)
	}
}

// Nothing of a client prints.
func TestClientDoesNotPrint(t *testing.T) {
	b, at, client := start(t, nil)
	submit(t, client, "B7I1G1X")
	for _, text := range []string{fmt.Sprintf("%+v", client), fmt.Sprintf("%+v", config(b, at))} {
		for _, secret := range []string{"rahasia", "token-1", "0019010", key().D.String()} {
			require.NotContains(t, text, secret)
		}
	}
}
