package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
)

// site is a portal under test, on SQLite, with the demonstration's data.
type site struct {
	t   *testing.T
	p   *portal
	url string
	log *strings.Builder
}

// newSite starts a portal. Nothing waits: what the portal waits for is counted.
func newSite(t *testing.T, change ...func(*settings)) *site {
	t.Helper()
	s := settings{config: config{demo: true}, db: filepath.Join(t.TempDir(), "portal.db"), people: 120}
	for _, c := range change {
		c(&s)
	}
	x := &site{t: t, log: &strings.Builder{}}
	p, closeAll, err := open(t.Context(), s, slog.New(slog.NewTextHandler(x.log, nil)))
	require.NoError(t, err)
	p.wait = func(context.Context, time.Time) {}
	require.NoError(t, p.seedDemo(t.Context(), s.people))
	server := httptest.NewServer(p.handler())
	t.Cleanup(func() {
		server.Close()
		p.jobs.stop()
		require.NoError(t, closeAll())
	})
	x.p, x.url = p, server.URL
	return x
}

// browser is one person's browser, without JavaScript.
type browser struct {
	*site
	client *http.Client
	// page and status are what was answered last.
	page   string
	status int
	at     string
	header http.Header
}

func (s *site) browser() *browser {
	jar, err := cookiejar.New(nil)
	require.NoError(s.t, err)
	return &browser{site: s, client: &http.Client{Jar: jar}}
}

// as is the browser of somebody who has signed in.
func (s *site) as(login string) *browser {
	b := s.browser()
	path := "/masuk"
	for _, a := range demoAccounts {
		if a.Login == login && a.Kind == "officer" {
			path = "/petugas/masuk"
		}
	}
	b.post(path, "login", login, "password", demoPassword)
	require.Equal(s.t, http.StatusOK, b.status, b.page)
	return b
}

func (b *browser) do(r *http.Request) *browser {
	b.t.Helper()
	answer, err := b.client.Do(r)
	require.NoError(b.t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(b.t, err)
	b.page, b.status, b.at, b.header = string(body), answer.StatusCode, answer.Request.URL.Path, answer.Header
	return b
}

func (b *browser) get(path string) *browser {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.url+path, nil)
	require.NoError(b.t, err)
	r.Header.Set("Accept-Language", "en")
	return b.do(r)
}

// post sends a form: names and values in turn.
func (b *browser) post(path string, fields ...string) *browser {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+path, strings.NewReader(form.Encode()))
	require.NoError(b.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Accept-Language", "en")
	return b.do(r)
}

// ok wants an answer with some words in it.
func (b *browser) ok(words ...string) *browser {
	b.t.Helper()
	return b.refused(http.StatusOK, words...)
}

// refused wants a status and some words.
func (b *browser) refused(status int, words ...string) *browser {
	b.t.Helper()
	require.Equal(b.t, status, b.status, mainOf(b.page))
	for _, w := range words {
		require.True(b.t, strings.Contains(b.page, w), "%q is not in\n%s", w, mainOf(b.page))
	}
	return b
}

// mainOf is what a page says, without what is around it.
func mainOf(page string) string {
	_, rest, found := strings.Cut(page, "<main")
	if !found {
		return page
	}
	text, _, _ := strings.Cut(rest, "</main>")
	return text
}

func (m madePerson) form(more ...string) []string {
	return append([]string{"nik", m.NIK, "kk", m.KK, "name", m.Name, "birth", m.Birth.String(), "province", m.Province, "category", m.Category, "truth", "yes"}, more...)
}

// jobsEnd waits until no job runs any more.
func (s *site) jobsEnd() {
	s.t.Helper()
	s.p.jobs.all.Wait()
	all, err := s.p.jobs.list(s.t.Context(), false)
	require.NoError(s.t, err)
	for _, j := range all {
		require.False(s.t, j.Running, j.Name)
		require.Empty(s.t, j.Fault, j.Name)
	}
}

const reason = "schedule"

var digestShape = regexp.MustCompile(`name="digest" value="([0-9a-f]{64})"`)

// The whole way of one citizen and three officers, by forms alone: what a browser without
// JavaScript can do.
func TestJourney(t *testing.T) {
	s := newSite(t)
	who := ordinary(firstFree, 1)[0]
	me := s.browser()
	me.post("/daftar", "login", "nova@contoh.test", "password", "short").refused(422, "too short")
	me.post("/daftar", "login", "nova@contoh.test", "password", "kopi tubruk manis").ok("Recovery code")
	me.get("/saya").ok("Give your identity")
	me.post("/saya/identitas", "nik", "12345", "kk", "x").refused(422, "exactly 16 digits", "Write your name", "Declare that")
	me.post("/saya/identitas", who.form()...).ok("You are eligible", "Peraturan Demonstrasi 1/2026")
	me.post("/saya/gabung", "wave", "2").ok("You have joined")
	me.post("/saya/gabung", "wave", "2").ok("You have joined") // again: nothing happens twice

	sari, budi, rahma := s.as("sari@contoh.test"), s.as("budi@contoh.test"), s.as("rahma@contoh.test")
	sari.post("/petugas/gelombang/2/langkah/close").refused(422, "Choose the reason")
	sari.post("/petugas/gelombang/2/langkah/close", "reason", reason, "form", "close", "document", "ND-12/2026").ok("Check the conditions")
	rahma.post("/petugas/gelombang/2/langkah/screen", "reason", reason).refused(403)
	sari.post("/petugas/gelombang/2/langkah/screen", "reason", reason)
	s.jobsEnd()
	sari.get("/petugas/gelombang/2").ok("Fix the roll")
	sari.post("/petugas/gelombang/2/langkah/leave-out", "reason", reason)
	s.jobsEnd()
	sari.post("/petugas/gelombang/2/langkah/freeze", "reason", reason).ok("Digits that were read")
	me.get("/saya/gelombang/2").ok("on the roll")
	me.get("/saya/gelombang/2/tanda-terima").ok("gelombang-receipt-1", `"signature"`)

	// Two people read the numbers, not before the time, and both the same.
	numbers := strings.Repeat("271828", 10)
	sari.post("/petugas/gelombang/2/undian", "numbers", numbers, "reason", reason).refused(422, "may not be read yet")
	sari.post("/petugas/demo/waktu", "by", "10m").ok()
	sari.post("/petugas/gelombang/2/undian", "numbers", numbers, "reason", reason).ok("Waiting for the second officer")
	sari.post("/petugas/gelombang/2/undian", "numbers", numbers, "reason", reason).ok("Waiting for the second officer")
	budi.post("/petugas/gelombang/2/undian", "numbers", strings.Repeat("1", 60), "reason", reason).refused(422, "not those of the first officer")
	budi.post("/petugas/gelombang/2/undian", "numbers", numbers, "reason", reason).ok("Announce the results")
	sari.post("/petugas/gelombang/2/langkah/announce", "reason", reason)
	s.jobsEnd()

	account, err := s.p.accounts.signIn(t.Context(), "nova@contoh.test", "kopi tubruk manis")
	require.NoError(t, err)
	mine, err := s.p.engine.Application(t.Context(), 2, account.Applicant)
	require.NoError(t, err)
	me.get("/saya/gelombang/2").ok("The draw:")
	me.get("/saya/gelombang/2/bukti").ok(fmt.Sprintf("%x", mine.Receipt))
	s.browser().get("/undian/2").ok("Draw again", "sari, budi")

	// Siti was accepted in the first wave: the same form, sent twice, buys once.
	siti := s.as("siti@contoh.test")
	siti.post("/saya/gelombang/1/rekening", "institution", "BRI", "number", "8800112233", "password", "wrong").refused(422, "password is not right")
	siti.post("/saya/gelombang/1/rekening", "institution", "BRI", "number", "8800112233", "password", demoPassword, "key", "link-1").ok("Change the account")
	siti.post("/saya/gelombang/1/kursus", "course", "web", "key", "buy-1").ok("in training")
	siti.post("/saya/gelombang/1/kursus", "course", "web", "key", "buy-1").ok("in training")
	citizen, err := s.p.accounts.byID(t.Context(), "c-siti")
	require.NoError(t, err)
	desk := fmt.Sprintf("/petugas/kasus/1/%s", citizen.Applicant)
	sari.get(desk).ok("Record a finished course", "Peraturan Demonstrasi 1/2026 article 3(1)b")
	sari.post(desk+"/certify", "reason", "partner-report", "form", "certify").ok("Graduated")

	// Money: one prepares, another approves, a third releases.
	sari.post("/petugas/pembayaran", "wave", "1", "reason", "due")
	s.jobsEnd()
	page := budi.get("/petugas/pembayaran/2").ok("Approve").page
	digest := digestShape.FindStringSubmatch(page)[1]
	sari.post("/petugas/pembayaran/2/setujui", "digest", digest, "reason", "checked", "password", demoPassword).refused(403)
	budi.post("/petugas/pembayaran/2/setujui", "digest", strings.Repeat("0", 64), "reason", "checked", "password", demoPassword).refused(409)
	budi.post("/petugas/pembayaran/2/setujui", "digest", digest, "reason", "checked", "password", "wrong").refused(422)
	budi.post("/petugas/pembayaran/2/setujui", "digest", digest, "reason", "checked", "password", demoPassword).ok("budi")
	rahma.post("/petugas/pembayaran/2/lepas", "reason", "due", "password", demoPassword).ok("rahma", "pain.001")
	rahma.get("/petugas/pembayaran/2/berkas").ok("8800112233")
	require.NotContains(t, sari.get("/petugas/pembayaran/2").page, "8800112233")
	statement := sari.get("/petugas/pembayaran/2/rekening-koran-demo").ok("camt.053").page
	sari.upload("/petugas/rekening-koran", "statement", "not a statement", "reason", "due").refused(422, "can be read")
	sari.upload("/petugas/rekening-koran", "statement", statement, "reason", "due")
	s.jobsEnd()
	siti.get("/saya/pembayaran").ok("Paid", "Rp600.000")
	sari.get("/petugas/selisih").ok("In suspense") // the bank's fee, that nobody ordered

	// Nothing of it is wrong, and nothing personal is in the log or the journal.
	breaches, err := s.p.engine.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, breaches)
	journal := s.journal()
	for _, secret := range []string{who.NIK, who.KK, who.Name, "nova@contoh.test", "8800112233", demoPassword} {
		require.NotContains(t, s.log.String(), secret)
		require.NotContains(t, journal, secret)
	}
	require.Contains(t, journal, `"document":"ND-12/2026"`)
	require.Contains(t, journal, `"reason":"checked"`)
}

// journal is everything that is in the journal.
func (s *site) journal() string {
	var b strings.Builder
	for after := int64(0); ; {
		some, err := s.p.store.Journal(s.t.Context(), after, 1000)
		require.NoError(s.t, err)
		if len(some) == 0 {
			return b.String()
		}
		for _, e := range some {
			fmt.Fprintf(&b, "%s %s %s\n", e.Actor, e.Kind, e.Data)
			after = e.Seq
		}
	}
}

// upload sends a file in a form.
func (b *browser) upload(path, name, content string, fields ...string) *browser {
	b.t.Helper()
	const edge = "edge-of-a-part"
	var body strings.Builder
	for i := 0; i+1 < len(fields); i += 2 {
		fmt.Fprintf(&body, "--%s\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n", edge, fields[i], fields[i+1])
	}
	fmt.Fprintf(&body, "--%s\r\nContent-Disposition: form-data; name=%q; filename=\"f.xml\"\r\n\r\n%s\r\n--%s--\r\n", edge, name, content, edge)
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+path, strings.NewReader(body.String()))
	require.NoError(b.t, err)
	r.Header.Set("Content-Type", "multipart/form-data; boundary="+edge)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Accept-Language", "en")
	return b.do(r)
}

// An objection is filed by its citizen, decided by an officer, and gives a kept seat.
func TestAppeal(t *testing.T) {
	s := newSite(t)
	agus := s.as("agus@contoh.test")
	agus.get("/saya/gelombang/1").ok("You can object", "Not met")
	agus.post("/saya/gelombang/1/keberatan", "says", "no").refused(422, "10 to 2,000")
	agus.post("/saya/gelombang/1/keberatan", "says", "The register is out of date: I left school.", "key", "a").ok("Your objection is being examined")
	agus.post("/saya/gelombang/1/keberatan/tarik", "key", "b").ok("This decision is final")
	require.NotContains(t, s.journal(), "left school")

	s = newSite(t)
	agus = s.as("agus@contoh.test")
	agus.post("/saya/gelombang/1/keberatan", "says", "The register is out of date: I left school.", "key", "a").ok()
	budi := s.as("budi@contoh.test")
	me, err := s.p.accounts.byID(t.Context(), "c-agus")
	require.NoError(t, err)
	path := fmt.Sprintf("/petugas/keberatan/1/%s/1", me.Applicant)
	budi.get("/petugas/keberatan").ok(path)
	budi.get(path).ok("I left school")
	budi.post(path, "reason", "evidence-shown").refused(422)
	budi.post(path, "verdict", "uphold", "reason", "evidence-shown", "document", "BA-3/2026").ok()
	budi.post(path, "verdict", "uphold", "reason", "evidence-shown", "document", "BA-3/2026").refused(409, "decided already")
	agus.get("/saya/gelombang/1").ok("you are accepted", "Upheld")
	breaches, err := s.p.engine.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, breaches)
}

// What is kept about a person is given to that person, who gives the password again.
func TestOwnFileAndWithdrawal(t *testing.T) {
	s := newSite(t)
	wati := s.as("wati@contoh.test")
	wati.post("/saya/data/unduh", "password", "wrong").refused(422)
	wati.post("/saya/data/unduh", "password", demoPassword).ok(`"title"`, `"lines"`, "Rp600.000")
	wati.post("/saya/data/unduh", "password", demoPassword, "as", "text").ok("Peraturan Demonstrasi 1/2026", "Rp600.000")
	require.Contains(t, s.journal(), "file.given")
	siti := s.as("siti@contoh.test")
	siti.post("/saya/data/mundur", "password", demoPassword).refused(409, "still open")
	siti.post("/saya/gelombang/1/keluar", "key", "k").ok("You have left this wave")
	siti.post("/saya/data/mundur", "password", demoPassword, "key", "w").ok("You have withdrawn")
}

// A search says what for, asks for the password again, and is in the journal without the number.
func TestSearch(t *testing.T) {
	s := newSite(t)
	sari, who := s.as("sari@contoh.test"), made(3)
	sari.post("/petugas/cari", "nik", who.NIK, "password", demoPassword).refused(422, "Choose the reason")
	sari.post("/petugas/cari", "nik", who.NIK, "reason", "audit", "password", "wrong").refused(422, "password is not right")
	sari.post("/petugas/cari", "nik", who.NIK, "reason", "audit", "document", who.NIK, "password", demoPassword).refused(422, "no identity number")
	sari.post("/petugas/cari", "nik", who.NIK, "reason", "audit", "password", demoPassword).ok(who.Name)
	sari.post("/petugas/cari", "nik", made(firstFree+1).NIK, "reason", "audit", "password", demoPassword).ok("no registration")
	journal := s.journal()
	require.NotContains(t, journal, who.NIK)
	require.Contains(t, journal, `"action":"search.national"`)
	require.NotContains(t, s.log.String(), who.NIK)
}

// A job that a process began goes on in the next one.
func TestJobsGoOn(t *testing.T) {
	s := newSite(t)
	sari := s.as("sari@contoh.test")
	sari.post("/petugas/gelombang/2/langkah/close", "reason", reason)
	s.p.jobs.cancel() // the process is ending
	sari.post("/petugas/gelombang/2/langkah/screen", "reason", reason)
	s.p.jobs.all.Wait()
	running, err := s.p.jobs.list(t.Context(), true)
	require.NoError(t, err)
	require.Len(t, running, 1)
	s.p.jobs = newJobs(s.p)
	require.NoError(t, s.p.jobs.resume(t.Context()))
	s.jobsEnd()
	sari.get("/petugas/pekerjaan").ok("wave-2-screen", "Ended")
	counts, finished, err := s.p.engine.JobStatus(t.Context(), "wave-2-screen")
	require.NoError(t, err)
	require.True(t, finished)
	require.NotZero(t, counts["done"])
}

// Statistics have no count below five, and none from which one could be worked out.
func TestSuppress(t *testing.T) {
	for _, c := range []struct {
		counts []int64
		hidden []bool
	}{
		{[]int64{10, 20}, []bool{false, false}},
		{[]int64{4, 20, 9}, []bool{true, false, true}}, // alone, the 4 would follow from the total
		{[]int64{2, 2, 30, 8}, []bool{true, true, false, true}},
		{[]int64{0, 0, 0, 30}, []bool{true, true, true, true}},
		{[]int64{4, 4, 30}, []bool{true, true, false}},
		{nil, []bool{}},
	} {
		require.Equal(t, c.hidden, suppress(c.counts), "%v", c.counts)
	}
	s := newSite(t)
	page := s.browser().get("/gelombang/1/statistik").ok("Too few to be shown").page
	for _, n := range []string{"1", "2", "3", "4"} {
		require.NotContains(t, page, `<td class="num">`+n+`</td>`)
	}
}

// No cell of an export is a formula.
func TestCellsOf(t *testing.T) {
	require.Equal(t, []string{"'=1+1", "'+1", "'-1", "'@x", "'\tx", "'\rx", "a=1", ""}, cellsOf("=1+1", "+1", "-1", "@x", "\tx", "\rx", "a=1", ""))
	s := newSite(t)
	s.as("sari@contoh.test").get("/petugas/gelombang/1/kasus.csv").ok("wave,applicant,state", "graduated")
}

// A proof of one person is that of the library, byte for byte.
func TestPersonProof(t *testing.T) {
	s := newSite(t)
	f, err := s.p.proofOf(t.Context(), 1)
	require.NoError(t, err)
	w, err := s.p.engine.Wave(t.Context(), 1)
	require.NoError(t, err)
	a := announcementOf(t, f)
	n := 0
	require.NoError(t, s.p.engine.Cases(t.Context(), 1, []program.State{accepted, notDrawn, training, graduated}, false, func(c *program.Case[Jobseeker]) error {
		x, err := personProofOf(f, c.Application.Receipt)
		require.NoError(t, err)
		n++
		return x.Verify(w.Manifest(), a)
	}))
	require.Greater(t, n, 50)
	_, err = personProofOf(f, [16]byte(uuid.New()))
	require.ErrorIs(t, err, program.ErrNotFound)
}
