package snap_test

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/payment/snap"
	"github.com/gelombang/gelombang/program/identity"
)

// bank is a server that keeps to the text of the standard. It checks headers and
// signatures with code of its own, remembers orders by partnerReferenceNo, and refuses an
// X-EXTERNAL-ID that it has met on the same day.
type bank struct {
	t      interface{ Errorf(string, ...any) }
	server *httptest.Server
	secret string
	public *rsa.PublicKey

	inHex, asymmetric bool
	prefix            string
	expires           string // expiresIn as JSON, `"900"` if empty
	// forgets: the calls are not kept.
	forgets bool
	// say, if set, may answer in the bank's place; status 0 leaves it to the bank.
	say func(s seen) (status int, body string)
	// cut, if set, breaks the connection after the request was read and the order taken.
	cut func(s seen) bool

	mu       sync.Mutex
	tokens   int            // fetched so far; the last one is valid
	fetching int            // requests for a token that are under way
	external map[string]int // by day and id
	executed map[string]int // by partnerReferenceNo
	calls    []seen
}

// seen is one transaction request.
type seen struct {
	path, service, external, signed, signature, body string
	fields                                           map[string]any
	n                                                int // 1 for the first of this path
}

var key = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // a test without a key is no test
	}
	return k
})

var services = map[string]string{
	"/v1.0/account-inquiry-internal": "15", "/v1.0/account-inquiry-external": "16",
	"/v1.0/transfer-intrabank": "17", "/v1.0/transfer-interbank": "18", "/v1.0/transfer/status": "36",
}

func newBank(t interface{ Errorf(string, ...any) }) *bank {
	b := &bank{t: t, secret: "rahasia", public: &key().PublicKey, external: map[string]int{}, executed: map[string]int{}}
	b.server = httptest.NewUnstartedServer(b)
	b.server.Config.ErrorLog = log.New(io.Discard, "", 0) // broken connections are what some tests are about
	b.server.StartTLS()
	return b
}

func (b *bank) token() string { return fmt.Sprintf("token-%d", b.tokens) }

func (b *bank) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, b.prefix)
	if !ok || r.Method != "POST" || r.Header.Get("Content-Type") != "application/json" {
		b.t.Errorf("%s %s %s", r.Method, r.URL.Path, r.Header.Get("Content-Type"))
	}
	if !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+07:00$`).MatchString(r.Header.Get("X-TIMESTAMP")) {
		b.t.Errorf("X-TIMESTAMP %q", r.Header.Get("X-TIMESTAMP"))
	}
	w.Header().Set("Content-Type", "application/json")
	if path == "/v1.0/access-token/b2b" {
		b.giveToken(w, r, body)
		return
	}
	b.transact(w, r, path, body)
}

// Signature of the token request: SHA256withRSA(Private_Key, client_ID + "|" + X-TIMESTAMP).
func (b *bank) giveToken(w http.ResponseWriter, r *http.Request, body []byte) {
	b.mu.Lock()
	b.fetching++
	if b.fetching > 1 {
		b.t.Errorf("two requests for a token at once")
	}
	b.mu.Unlock()
	b.verifyRSA(r.Header.Get("X-CLIENT-KEY")+"|"+r.Header.Get("X-TIMESTAMP"), r.Header.Get("X-SIGNATURE"))
	if string(body) != `{"grantType":"client_credentials"}` || r.Header.Get("X-CLIENT-KEY") != "kunci" {
		b.t.Errorf("token request %s", body)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fetching--
	b.tokens++
	expires := b.expires
	if expires == "" {
		expires = `"900"`
	}
	fmt.Fprintf(w, `{"responseCode":"2007300","responseMessage":"Successful","accessToken":"%s","tokenType":"Bearer","expiresIn":%s}`, b.token(), expires)
}

func (b *bank) transact(w http.ResponseWriter, r *http.Request, path string, body []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := seen{path: path, service: services[path], external: r.Header.Get("X-EXTERNAL-ID"), body: string(body), signature: r.Header.Get("X-SIGNATURE")}
	if json.Unmarshal(body, &s.fields) != nil || s.service == "" {
		b.t.Errorf("request %s %s", path, body)
	}
	if r.Header.Get("X-PARTNER-ID") != "82150" || r.Header.Get("CHANNEL-ID") != "95221" || !regexp.MustCompile(`^\d{1,36}$`).MatchString(s.external) {
		b.t.Errorf("headers %v", r.Header)
	}
	bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.signed = b.verify(r, bearer, body)
	if !b.forgets {
		for _, c := range b.calls {
			if c.path == path {
				s.n++
			}
		}
		s.n++
		b.calls = append(b.calls, s)
	}
	status, answer := b.answer(s, bearer, r.Header.Get("X-TIMESTAMP")[:10])
	if b.cut != nil && b.cut(s) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close()
		}
		return
	}
	if status == http.StatusTemporaryRedirect {
		w.Header().Set("Location", r.URL.Path)
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, answer)
}

// verify checks X-SIGNATURE and returns stringToSign =
// HTTPMethod:EndpointUrl:AccessToken:Lowercase(HexEncode(SHA-256(minify(RequestBody)))):TimeStamp,
// without the token where the signature is asymmetric.
func (b *bank) verify(r *http.Request, bearer string, body []byte) string {
	var minified bytes.Buffer
	if json.Compact(&minified, body) != nil {
		b.t.Errorf("body %s", body)
	}
	sum := sha256.Sum256(minified.Bytes())
	hash := strings.ToLower(hex.EncodeToString(sum[:]))
	given := r.Header.Get("X-SIGNATURE")
	if b.asymmetric {
		if bearer != "" {
			b.t.Errorf("a token with an asymmetric signature")
		}
		text := r.Method + ":" + r.URL.Path + ":" + hash + ":" + r.Header.Get("X-TIMESTAMP")
		b.verifyRSA(text, given)
		return text
	}
	text := r.Method + ":" + r.URL.Path + ":" + bearer + ":" + hash + ":" + r.Header.Get("X-TIMESTAMP")
	mac := hmac.New(sha512.New, []byte(b.secret))
	mac.Write([]byte(text))
	if !hmac.Equal(mac.Sum(nil), b.decode(given)) {
		b.t.Errorf("signature of %s", text)
	}
	return text
}

func (b *bank) verifyRSA(text, given string) {
	sum := sha256.Sum256([]byte(text))
	if err := rsa.VerifyPKCS1v15(b.public, crypto.SHA256, sum[:], b.decode(given)); err != nil {
		b.t.Errorf("signature of %s: %v", text, err)
	}
}

func (b *bank) decode(s string) []byte {
	decode := base64.StdEncoding.DecodeString
	if b.inHex {
		decode = hex.DecodeString
	}
	raw, err := decode(s)
	if err != nil {
		b.t.Errorf("signature %q: %v", s, err)
	}
	return raw
}

func (b *bank) answer(s seen, bearer, day string) (int, string) {
	if b.say != nil {
		if status, body := b.say(s); status != 0 {
			return status, body
		}
	}
	if !b.asymmetric && bearer != b.token() {
		return 401, code("401" + s.service + "01")
	}
	if b.external[day+s.external]++; b.external[day+s.external] > 1 {
		return 409, code("409" + s.service + "00")
	}
	switch s.service {
	case "15", "16":
		return 200, fmt.Sprintf(`{"responseCode":"200%s00","responseMessage":"Successful","beneficiaryAccountName":"SITI AMINAH","beneficiaryAccountNo":%q}`, s.service, s.fields["beneficiaryAccountNo"])
	case "17", "18":
		reference := s.fields["partnerReferenceNo"].(string)
		if b.executed[reference] > 0 {
			return 409, code("409" + s.service + "01")
		}
		b.executed[reference]++
		return 200, fmt.Sprintf(`{"responseCode":"200%s00","responseMessage":"Successful","referenceNo":"2026030900001","partnerReferenceNo":%q,"amount":{"value":%q,"currency":"IDR"}}`,
			s.service, reference, s.fields["amount"].(map[string]any)["value"])
	}
	reference := s.fields["originalPartnerReferenceNo"].(string)
	if b.executed[reference] == 0 {
		return 404, code("4043601")
	}
	return 200, latest(reference, "00")
}

func code(c string) string {
	return `{"responseCode":"` + c + `","responseMessage":"SITI AMINAH 888801000157508"}`
}

func latest(reference, status string) string {
	return fmt.Sprintf(`{"responseCode":"2003600","responseMessage":"Successful","originalReferenceNo":"2026030900001","originalPartnerReferenceNo":%q,"serviceCode":"18","latestTransactionStatus":%q}`, reference, status)
}

// clock is moved by hand.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// noon is 12:00:00 WIB on 9 March 2026.
func noon() *clock { return &clock{at: time.Date(2026, 3, 9, 5, 0, 0, 0, time.UTC)} }

func config(b *bank, c *clock) snap.Config {
	return snap.Config{
		BaseURL: b.server.URL + b.prefix, ClientKey: "kunci", PartnerID: "82150", ChannelID: "95221",
		Secret: identity.NewSecret("rahasia"), Key: key(), Source: identity.NewSecret("001901000378301"),
		Clock: c.now, HTTP: b.server.Client(),
	}
}

func transfer(reference string) payment.Transfer {
	return payment.Transfer{Reference: reference, Amount: payment.Rupiah(600_000), To: payment.Account{
		Institution: "014", Number: identity.NewSecret("888801000157508"), Holder: identity.NewName("Siti Aminah & Co <1>")}}
}
