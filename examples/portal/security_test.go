package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// actors are everybody who may knock at a route.
var actors = []string{"nobody", "citizen", "sari", "budi", "rahma", "token-none", "token-read", "token-cases", "token-pay"}

// Who may do what: every route, by every actor, against testdata/authorisation.txt. A route that is
// not in the file fails, and so does a line without a route. Run with PORTAL_WRITE=1 to write the
// file anew, and read the difference.
func TestAuthorisation(t *testing.T) {
	s := newSite(t)
	for _, scope := range []string{scopeRead, scopeCases, scopePay} {
		s.p.tokens[tokenHash("token "+scope)] = machineToken{"test", []string{scope}}
	}
	nowhere := strings.NewReplacer("{$}", "", "{wave}", "999", "{applicant}", "00000000-0000-4000-8000-000000000000", "{number}", "1", "{batch}", "999", "{event}", "certify", "{act}", "open", "{name}", "portal.css", "{file}", "roll.tsv")
	got := map[string]string{}
	for _, r := range s.p.routes() {
		var may []string
		for _, actor := range actors {
			if s.may(actor, r, nowhere.Replace(r.path)) {
				may = append(may, actor)
			}
		}
		got[r.method+" "+r.path] = strings.Join(may, " ")
	}
	const file = "testdata/authorisation.txt"
	if os.Getenv("PORTAL_WRITE") != "" {
		var lines []string
		for k, v := range got {
			lines = append(lines, k+" : "+v)
		}
		sort.Strings(lines)
		require.NoError(t, os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644))
	}
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	want := map[string]string{}
	for line := range strings.Lines(string(data)) {
		route, may, ok := strings.Cut(strings.TrimSpace(line), " : ")
		if ok {
			want[route] = may
		} else {
			want[strings.TrimSuffix(route, " :")] = ""
		}
	}
	require.Equal(t, want, got)
}

// may asks a route as somebody, and reports whether that was allowed: whatever is answered then, it is not that the
// actor has to sign in or has no right.
func (s *site) may(actor string, r route, path string) bool {
	b := s.browser()
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	method := http.MethodGet
	if r.method == http.MethodPost {
		method = http.MethodPost
	}
	q, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(""))
	require.NoError(s.t, err)
	q.Header.Set("Sec-Fetch-Site", "same-origin")
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	switch actor {
	case "nobody", "token-none":
		if actor == "token-none" {
			q.Header.Set("Authorization", "Bearer nonsense")
		}
	case "token-read":
		q.Header.Set("Authorization", "Bearer token "+scopeRead)
	case "token-cases":
		q.Header.Set("Authorization", "Bearer token "+scopeCases)
	case "token-pay":
		q.Header.Set("Authorization", "Bearer token "+scopePay)
	default:
		id := actor
		if actor == "citizen" {
			id = "c-agus"
		}
		token, err := s.p.accounts.begin(s.t.Context(), id)
		require.NoError(s.t, err)
		q.AddCookie(&http.Cookie{Name: plainCookie, Value: token})
	}
	b.do(q)
	to := b.header.Get("Location")
	signIn := b.status == http.StatusSeeOther && (to == "/masuk" || to == "/petugas/masuk")
	hidden := strings.HasPrefix(r.path, "/petugas/oidc") // it is not there without a provider
	return b.status != http.StatusUnauthorized && b.status != http.StatusForbidden && !signIn || hidden
}

// A citizen sees nothing of another: whose data is shown follows from the session, and no path names anybody.
func TestAnotherPersonsObject(t *testing.T) {
	s := newSite(t)
	siti, nobody := s.as("siti@contoh.test"), s.browser()
	nobody.post("/daftar", "login", "lain@contoh.test", "password", "kopi tubruk manis").ok()
	for _, r := range s.p.routes() {
		if r.who != citizen {
			continue
		}
		require.NotContains(t, r.path, "{applicant}", "a citizen's path that names a person")
		if !strings.Contains(r.path, "{wave}") {
			continue
		}
		path := strings.ReplaceAll(r.path, "{wave}", "1")
		if r.method == http.MethodGet {
			nobody.get(path).refused(404)
		} else {
			nobody.post(path, "course", "web", "says", "give me that of siti", "key", "x").refused(404)
		}
	}
	siti.get("/saya/gelombang/1").ok("Accepted") // it is there, for whose it is
	me, err := s.p.accounts.byID(t.Context(), "c-agus")
	require.NoError(t, err)
	for _, path := range []string{"/petugas/kasus/1/" + me.Applicant.String(), "/petugas/keberatan/1/" + me.Applicant.String() + "/1"} {
		siti.get(path).refused(403)
	}
	siti.get("/saya/gelombang/1/bukti?applicant=" + me.Applicant.String()).ok() // and is still that of siti
	a, err := s.p.engine.Application(t.Context(), 1, me.Applicant)
	require.NoError(t, err)
	require.NotContains(t, siti.page, fmt.Sprintf("%x", a.Receipt))
}

// A form that another site sends is refused, whoever is signed in.
func TestCrossSite(t *testing.T) {
	s := newSite(t)
	siti := s.as("siti@contoh.test")
	for _, r := range s.p.routes() {
		if r.method != http.MethodPost || r.who == machine {
			continue
		}
		q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+strings.NewReplacer("{wave}", "1", "{batch}", "1").Replace(r.path), strings.NewReader(""))
		require.NoError(t, err)
		q.Header.Set("Sec-Fetch-Site", "cross-site")
		siti.do(q).refused(403)
		q.Header.Del("Sec-Fetch-Site")
		q.Header.Set("Origin", "https://elsewhere.example")
		siti.do(q).refused(403)
	}
	siti.get("/saya").ok()
}

// Every answer has the headers, and no page has a script or a style in it.
func TestHeaders(t *testing.T) {
	s := newSite(t)
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|javascript:|<script(?:\s*>|[^>]*>[^<])`)
	outside := regexp.MustCompile(`(?:src|href|action)="(?:https?:)?//`)
	for _, who := range []string{"", "siti@contoh.test", "sari@contoh.test", "rahma@contoh.test"} {
		b := s.browser()
		if who != "" {
			b = s.as(who)
		}
		for _, r := range s.p.routes() {
			if r.method != http.MethodGet {
				continue
			}
			b.get(strings.NewReplacer("{$}", "", "{wave}", "1", "{batch}", "1", "{name}", "portal.css", "{file}", "roll.tsv").Replace(r.path))
			require.Contains(t, b.header.Get("Content-Security-Policy"), "default-src 'none'", r.path)
			require.NotContains(t, b.header.Get("Content-Security-Policy"), "unsafe", r.path)
			require.Equal(t, "nosniff", b.header.Get("X-Content-Type-Options"), r.path)
			require.Equal(t, "same-origin", b.header.Get("Cross-Origin-Opener-Policy"), r.path)
			if r.path != "/static/{name}" {
				require.Equal(t, "no-store", b.header.Get("Cache-Control"), r.path)
			}
			if strings.HasPrefix(b.header.Get("Content-Type"), "text/html") {
				require.False(t, inline.MatchString(b.page), "%s: %s", r.path, inline.FindString(b.page))
				require.False(t, outside.MatchString(b.page), "%s names another host", r.path)
				require.Less(t, len(b.page), 100_000, r.path)
			}
		}
	}
}

// A session is new at each sign-in, ends when it is not used, at the latest after its time, and at signing out.
func TestSessions(t *testing.T) {
	s := newSite(t)
	siti := s.as("siti@contoh.test")
	token := func(b *browser) string {
		for _, c := range b.client.Jar.Cookies(must(http.NewRequest(http.MethodGet, s.url, nil)).URL) {
			if c.Name == plainCookie {
				return c.Value
			}
		}
		return ""
	}
	first := token(siti)
	siti.post("/masuk", "login", "siti@contoh.test", "password", demoPassword).ok()
	require.NotEqual(t, first, token(siti))
	old := s.browser()
	old.client.Jar.SetCookies(must(http.NewRequest(http.MethodGet, s.url, nil)).URL, []*http.Cookie{{Name: plainCookie, Value: first}})
	require.Equal(t, "/masuk", old.get("/saya").at, "the session before signing in again is over")

	s.p.time.moved.Store(int64(20 * time.Minute))
	require.Equal(t, "/saya", siti.get("/saya").at)
	s.p.time.moved.Store(int64(51 * time.Minute)) // more than 30 minutes without use
	require.Equal(t, "/masuk", siti.get("/saya").at)

	s.p.time.moved.Store(0)
	siti = s.as("siti@contoh.test")
	for at := time.Duration(0); at <= citizenMost; at += 20 * time.Minute {
		s.p.time.moved.Store(int64(at))
		siti.get("/saya")
	}
	s.p.time.moved.Store(int64(citizenMost + time.Minute))
	require.Equal(t, "/masuk", siti.get("/saya").at, "no session is longer than this")

	s.p.time.moved.Store(0)
	siti = s.as("siti@contoh.test")
	before := token(siti)
	siti.post("/keluar").ok()
	old.client.Jar.SetCookies(must(http.NewRequest(http.MethodGet, s.url, nil)).URL, []*http.Cookie{{Name: plainCookie, Value: before}})
	require.Equal(t, "/masuk", old.get("/saya").at)
	var n int
	require.NoError(t, s.p.accounts.row(t.Context(), `SELECT COUNT(*) FROM portal_sessions WHERE token = ?`, before).Scan(&n))
	require.Zero(t, n, "the token itself is nowhere")
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Over TLS the cookie is for TLS and for this host alone.
func TestCookies(t *testing.T) {
	s := newSite(t, func(x *settings) { x.https = true })
	b := s.browser()
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	b.post("/masuk", "login", "siti@contoh.test", "password", demoPassword)
	cookie := b.header.Get("Set-Cookie")
	for _, part := range []string{hostCookie + "=", "HttpOnly", "Secure", "SameSite=Strict", "Path=/"} {
		require.Contains(t, cookie, part)
	}
	require.NotEmpty(t, b.header.Get("Strict-Transport-Security"))
}

// Whether a NIK is unknown, is on another card or is registered already, the answer is the same, and so
// is the time that it takes.
func TestEqualAnswersAboutIdentities(t *testing.T) {
	s := newSite(t)
	var waited atomic.Int64
	s.p.floor = time.Hour // nobody really waits: each answer waits for an instant that comes after the work
	s.p.wait = func(_ context.Context, until time.Time) {
		assert.Greater(t, time.Until(until), time.Minute)
		waited.Add(1)
	}
	me := s.browser()
	me.post("/daftar", "login", "nova@contoh.test", "password", "kopi tubruk manis").ok()
	known, free := made(3), ordinary(firstFree, 1)[0]
	other := free
	other.KK = made(firstFree + 38).KK
	unknown := free
	unknown.NIK = free.NIK[:12] + "9998"
	var answers []string
	for _, m := range []madePerson{known, other, unknown} {
		me.post("/saya/identitas", m.form()...).refused(422, "could not be connected")
		page := mainOf(me.page)
		for _, own := range []string{m.NIK, m.KK, m.Name, m.Birth.String()} {
			page = strings.ReplaceAll(page, own, "…")
		}
		page = regexp.MustCompile(` (selected|checked)`).ReplaceAllString(page, "")
		answers = append(answers, page)
	}
	require.Equal(t, answers[0], answers[1])
	require.Equal(t, answers[1], answers[2])
	require.EqualValues(t, 3, waited.Load())
	// Guessing ends after a few tries, also for what would be right.
	me.post("/saya/identitas", known.form()...).refused(422)
	me.post("/saya/identitas", known.form()...).refused(422)
	me.post("/saya/identitas", free.form()...).refused(422, "five times")
}

// Signing in says the same of a login that nobody has and of a wrong password, hashes a password for
// both, and locks an account that is guessed at.
func TestSignIn(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.post("/masuk", "login", "siti@contoh.test", "password", "wrong password").refused(422)
	wrong := strings.ReplaceAll(b.page, "siti@contoh.test", "…")
	b.post("/masuk", "login", "nobody@contoh.test", "password", "wrong password").refused(422)
	require.Equal(t, wrong, strings.ReplaceAll(b.page, "nobody@contoh.test", "…"))
	alike(t, func(known bool) {
		login := "nobody@contoh.test"
		if known {
			login = "siti@contoh.test"
		}
		_, err := s.p.accounts.signIn(t.Context(), login, "wrong password")
		require.ErrorIs(t, err, errSignIn)
	})
	for range mostFails {
		b.post("/masuk", "login", "agus@contoh.test", "password", "wrong password").refused(422)
	}
	b.post("/masuk", "login", "agus@contoh.test", "password", demoPassword).refused(422, "locked")
	s.p.time.moved.Store(int64(lockedFor + time.Second))
	b.post("/masuk", "login", "agus@contoh.test", "password", demoPassword).ok()
	// An officer does not sign in at the citizens' door, nor the other way round.
	s.browser().post("/masuk", "login", "sari@contoh.test", "password", demoPassword).refused(422)
	s.browser().post("/petugas/masuk", "login", "siti@contoh.test", "password", demoPassword).refused(422)
}

// alike holds that something takes as long in both cases: the best times of each, turn by
// turn, until they are near, or were often enough not to be.
func alike(t *testing.T, do func(bool)) {
	t.Helper()
	best := map[bool]time.Duration{true: time.Hour, false: time.Hour}
	for n := 1; n <= 20; n++ {
		for _, known := range []bool{true, false} {
			began := time.Now()
			do(known)
			best[known] = min(best[known], time.Since(began))
		}
		if n >= 3 && max(best[true], best[false]) < 3*min(best[true], best[false]) {
			return
		}
	}
	t.Errorf("%v against %v", best[true], best[false])
}

// A login and a password are nowhere in the database as they were typed.
func TestAccountsAreDigests(t *testing.T) {
	s := newSite(t)
	rows, err := s.p.accounts.db.QueryContext(t.Context(), `SELECT id || login || hash FROM portal_accounts`)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var text string
		require.NoError(t, rows.Scan(&text))
		require.NotContains(t, text, "@")
		require.NotContains(t, text, demoPassword)
	}
	require.NoError(t, rows.Err())
}

// slowly makes limits that nobody can wait out during a test.
func slowly(l *limits) *limits {
	l.each, l.tight = 1e-6, 1e-6
	return l
}

// One address may ask so much and no more; what it asks too much is refused with a time to wait.
func TestRateLimit(t *testing.T) {
	s := newSite(t)
	s.p.limits = slowly(newLimits(5))
	b, refused := s.browser(), 0
	for range 40 {
		if b.get("/masuk").status == http.StatusTooManyRequests {
			refused++
			require.NotEmpty(t, b.header.Get("Retry-After"))
		}
	}
	require.Positive(t, refused)
	s.p.limits = slowly(newLimits(20))
	codes := map[int]int{}
	for range 15 {
		codes[b.post("/masuk", "login", "x@contoh.test", "password", "x").status]++
	}
	require.Positive(t, codes[http.StatusTooManyRequests], "guessing is refused earlier than reading: %v", codes)
	require.Equal(t, http.StatusOK, b.get("/").status)
}

// A body that is too large is refused.
func TestBodyLimit(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.post("/masuk", "login", strings.Repeat("x", 70_000)).refused(http.StatusRequestEntityTooLarge)
	sari := s.as("sari@contoh.test")
	sari.upload("/petugas/rekening-koran", "statement", strings.Repeat("x", mostStatement+100_000)).refused(http.StatusRequestEntityTooLarge)
}

// When all places are taken, whoever comes hears so at once; probes are answered; nothing falls over.
func TestOverload(t *testing.T) {
	s := newSite(t, func(x *settings) { x.most = 2 })
	s.p.places <- struct{}{}
	s.p.places <- struct{}{}
	b := s.browser()
	b.get("/").refused(http.StatusServiceUnavailable, "very busy")
	require.NotEmpty(t, b.header.Get("Retry-After"))
	b.get("/api/v1/waves").refused(http.StatusServiceUnavailable, "problem:busy")
	b.get("/healthz").ok()
	<-s.p.places
	b.get("/").ok()
	<-s.p.places
}

// A sender who never finishes takes no place.
func TestSlowClient(t *testing.T) {
	s := newSite(t, func(x *settings) { x.most = 1 })
	address := strings.TrimPrefix(s.url, "http://")
	var slow []net.Conn
	for range 20 {
		c, err := net.Dial("tcp", address)
		require.NoError(t, err)
		_, err = fmt.Fprintf(c, "POST /masuk HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nlogin=")
		require.NoError(t, err)
		slow = append(slow, c)
	}
	s.browser().get("/").ok()
	for _, c := range slow {
		require.NoError(t, c.Close())
	}
}

// Shutting down loses no request that was begun, and begins none after.
func TestGracefulShutdown(t *testing.T) {
	s := newSite(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	inside, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s.p.wait = func(context.Context, time.Time) { // a request that is under way
		once.Do(func() { close(inside) })
		<-goOn
	}
	me := s.browser()
	me.post("/daftar", "login", "nova@contoh.test", "password", "kopi tubruk manis").ok()
	served := make(chan error, 1)
	go func() { served <- s.p.serveUntil(ctx, listener) }()
	answered := make(chan int, 1)
	go func() {
		form := strings.NewReader("nik=&kk=")
		q, _ := http.NewRequest(http.MethodPost, "http://"+listener.Addr().String()+"/saya/identitas", form)
		v := []string{}
		fields := ordinary(firstFree, 1)[0].form()
		for i := 0; i < len(fields); i += 2 {
			v = append(v, fields[i]+"="+strings.ReplaceAll(fields[i+1], " ", "+"))
		}
		q, _ = http.NewRequest(http.MethodPost, q.URL.String(), strings.NewReader(strings.Join(v, "&")))
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, c := range me.client.Jar.Cookies(must(http.NewRequest(http.MethodGet, s.url, nil)).URL) {
			q.AddCookie(c)
		}
		client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		answer, err := client.Do(q)
		if err != nil {
			answered <- 0
			return
		}
		answer.Body.Close()
		answered <- answer.StatusCode
	}()
	<-inside
	stop()
	for !s.p.draining.Load() {
		runtime.Gosched() // nothing else tells that the server has heard
	}
	close(goOn)
	require.Equal(t, http.StatusSeeOther, <-answered)
	require.NoError(t, <-served)
	_, err = net.Dial("tcp", listener.Addr().String())
	require.Error(t, err)
	me.get("/saya").ok("Hello")
}

// The log says what was asked and how it went, and nothing about anybody.
func TestLogHasNothingPersonal(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.get("/saya/gelombang/1?nik=3174011212900001")
	b.get("/nope/3174011212900001")
	b.post("/masuk", "login", "someone@contoh.test", "password", "secret words here")
	log := s.log.String()
	require.Contains(t, log, `route="GET /saya/gelombang/{wave}"`)
	for _, no := range []string{"3174011212900001", "someone@contoh.test", "secret words", "127.0.0.1"} {
		require.NotContains(t, log, no)
	}
}

// A language is chosen, and the way back leads nowhere else.
func TestLanguage(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.get("/").ok(`<html lang="en">`, "Waves of job training")
	b.post("/bahasa", "to", "id", "back", "/masuk").ok(`<html lang="id">`, "Kata sandi")
	require.Equal(t, "/masuk", b.at)
	for _, back := range []string{"//elsewhere.example", "https://elsewhere.example", "/\\elsewhere.example", ""} {
		require.Equal(t, "/", b.post("/bahasa", "to", "id", "back", back).at)
	}
}
