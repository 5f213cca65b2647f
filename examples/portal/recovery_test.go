package main

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var codeShape = regexp.MustCompile(`<code id="code">((?:[0-9A-HJKMNP-TV-Z]{4}-){6}[0-9A-HJKMNP-TV-Z]{4})</code>`)

// code is the recovery code on the page that was answered last.
func (b *browser) code() string {
	b.t.Helper()
	m := codeShape.FindStringSubmatch(b.page)
	require.NotNil(b.t, m, mainOf(b.page))
	return m[1]
}

const (
	nova               = "nova@contoh.test"
	oldWords, newWords = "kopi tubruk manis", "teh tawar hangat"
)

// The code that was shown at signing up changes the password once, ends every session, and is replaced by another.
func TestRecovery(t *testing.T) {
	s := newSite(t)
	me := s.browser()
	me.post("/daftar", "login", nova, "password", oldWords).ok("Recovery code", "We cannot show it again")
	first := me.code()
	me.get("/saya").ok("Give your identity")
	elsewhere := s.browser()
	elsewhere.post("/masuk", "login", nova, "password", oldWords).ok()
	account, err := s.p.accounts.signIn(t.Context(), nova, oldWords)
	require.NoError(t, err)

	lost := s.browser()
	lost.get("/masuk").ok(`href="/masuk/pulihkan"`)
	lost.post("/masuk/pulihkan", "login", nova, "code", first, "password", "short").refused(422, "too short")
	lost.post("/masuk/pulihkan", "login", nova, "code", first, "password", "1234567890").refused(422, "too easy")
	lost.post("/masuk/pulihkan", "login", nova, "code", first, "password", nova).refused(422, "too easy")
	copied := strings.ToLower(strings.NewReplacer("-", " ", "0", "o", "1", "l").Replace(first)) // as people copy it
	lost.post("/masuk/pulihkan", "login", " Nova@contoh.test", "code", copied, "password", newWords).ok("everybody was signed out")
	second := lost.code()
	require.NotEqual(t, first, second)
	require.Equal(t, "/masuk", lost.get("/saya").at, "nobody is signed in by it")
	require.Equal(t, "/masuk", me.get("/saya").at)
	require.Equal(t, "/masuk", elsewhere.get("/saya").at)
	me.post("/masuk", "login", nova, "password", oldWords).refused(422)
	me.post("/masuk", "login", nova, "password", newWords).ok("Give your identity")

	lost.post("/masuk/pulihkan", "login", nova, "code", first, "password", oldWords).refused(422, "not right")
	me.get("/saya").ok() // a wrong code ends nothing

	// Another code, for the password; the one before is worth nothing then.
	me.post("/saya/kode", "password", "wrong words here").refused(422, "password is not right")
	me.post("/saya/kode", "password", newWords).ok("The old code is worth nothing")
	third := me.code()
	lost.post("/masuk/pulihkan", "login", nova, "code", second, "password", oldWords).refused(422)
	lost.post("/masuk/pulihkan", "login", nova, "code", third, "password", oldWords).ok()
	fourth := lost.code()

	// It is in the journal that, and nowhere what.
	journal := s.journal()
	require.Equal(t, 2, strings.Count(journal, account.ID+` portal.password {"what":"recovered"}`))
	require.Equal(t, 1, strings.Count(journal, account.ID+` portal.password {"what":"new recovery code"}`))
	var kept string
	require.NoError(t, s.p.accounts.row(t.Context(), `SELECT code FROM portal_recoveries WHERE account = ?`, account.ID).Scan(&kept))
	require.Len(t, kept, 64)
	for _, code := range []string{first, second, third, fourth} {
		for _, text := range []string{code, readCode(code)} {
			require.NotContains(t, journal, text)
			require.NotContains(t, s.log.String(), text)
			require.NotContains(t, kept, text)
		}
	}
	require.NotContains(t, journal, nova)
	require.NotContains(t, s.log.String(), nova)
}

// Whether nobody has the login, it has no code, it is an officer's, or the code is wrong: one answer, the same work, and the
// same time.
func TestRecoveryEqualAnswers(t *testing.T) {
	s := newSite(t)
	var waited atomic.Int64
	s.p.wait = func(context.Context, time.Time) { waited.Add(1) }
	me := s.browser()
	me.post("/daftar", "login", nova, "password", oldWords).ok()
	right, wrong := me.code(), writtenCode(newCode())
	var answers []string
	for _, login := range []string{nova, "nobody@contoh.test", "siti@contoh.test", "sari@contoh.test"} {
		b := s.browser()
		b.post("/masuk/pulihkan", "login", login, "code", wrong, "password", newWords).refused(422, "not right")
		answers = append(answers, strings.ReplaceAll(b.page, login, "…"))
		require.Equal(t, answers[0], answers[len(answers)-1], login)
	}
	require.EqualValues(t, len(answers), waited.Load(), "each answer waits for the same instant")
	alike(t, func(known bool) {
		login := "nobody@contoh.test"
		if known {
			login = nova
		}
		_, err := s.p.accounts.recover(t.Context(), login, wrong, newWords, nil)
		require.ErrorIs(t, err, errRecover)
	})
	s.p.time.moved.Store(int64(lockedFor + time.Second)) // so many tries have locked the account

	// The right code of one is nothing for another.
	other := s.browser()
	other.post("/daftar", "login", "lain@contoh.test", "password", oldWords).ok()
	other.post("/masuk/pulihkan", "login", "lain@contoh.test", "code", right, "password", newWords).refused(422)

	// A right one waits as long as a wrong one.
	waited.Store(0)
	s.browser().post("/masuk/pulihkan", "login", nova, "code", right, "password", newWords).ok()
	require.EqualValues(t, 1, waited.Load())
}

// Trying is slowed for each account and for each address.
func TestRecoveryLimits(t *testing.T) {
	s := newSite(t)
	me := s.browser()
	me.post("/daftar", "login", nova, "password", oldWords).ok()
	code := me.code()
	for range mostFails {
		me.post("/masuk/pulihkan", "login", nova, "code", "0000", "password", newWords).refused(422)
	}
	locked := me.post("/masuk/pulihkan", "login", nova, "code", code, "password", newWords).refused(422, "tried too often").page
	require.NotContains(t, locked, "everybody was signed out")
	s.browser().post("/masuk", "login", nova, "password", oldWords).ok() // who knows the password is not kept out by it
	s.p.time.moved.Store(int64(lockedFor + time.Second))
	me.post("/masuk/pulihkan", "login", nova, "code", code, "password", newWords).ok()

	s.p.limits = slowly(newLimits(20))
	codes := map[int]int{}
	for range 15 {
		codes[s.browser().post("/masuk/pulihkan", "login", "x@contoh.test", "code", "x", "password", newWords).status]++
	}
	require.Positive(t, codes[http.StatusTooManyRequests], "%v", codes)
	require.Positive(t, codes[http.StatusUnprocessableEntity], "%v", codes)
}

// Of many who use one code at once, one changes the password; and where the journal cannot be written, nobody does.
func TestRecoveryAtOnce(t *testing.T) {
	s := newSite(t)
	a := s.p.accounts
	account, err := a.signUp(t.Context(), nova, oldWords, "citizen", "")
	require.NoError(t, err)
	code, err := a.giveCode(t.Context(), account.ID)
	require.NoError(t, err)
	broken := errors.New("no journal")
	_, err = a.recover(t.Context(), nova, code, newWords, func(string) error { return broken })
	require.ErrorIs(t, err, broken)
	_, err = a.signIn(t.Context(), nova, oldWords)
	require.NoError(t, err)

	var all sync.WaitGroup
	var good, bad atomic.Int64
	for range 6 {
		all.Go(func() {
			_, err := a.recover(t.Context(), nova, code, newWords, func(string) error { return nil })
			for errors.Is(err, errBusy) { // others hash
				_, err = a.recover(t.Context(), nova, code, newWords, func(string) error { return nil })
			}
			switch {
			case err == nil:
				good.Add(1)
			case errors.Is(err, errRecover):
				bad.Add(1)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1, good.Load())
	require.EqualValues(t, 5, bad.Load())
	_, err = a.signIn(t.Context(), nova, newWords)
	require.NoError(t, err)
}

// A code has 140 bits, whatever its letters; both languages say what it is for.
func TestRecoveryCode(t *testing.T) {
	require.Len(t, codeLetters, 32)
	seen := map[rune]bool{}
	for range 200 {
		code := newCode()
		require.Len(t, code, codeLength)
		require.Equal(t, code, readCode(writtenCode(code)))
		for _, r := range code {
			seen[r] = true
		}
	}
	require.Len(t, seen, len(codeLetters), "every letter comes")
	s := newSite(t)
	b := s.browser()
	b.post("/bahasa", "to", "id", "back", "/masuk/pulihkan").ok("Lupa kata sandi", "Kode pemulihan", "Kata sandi baru")
	b.post("/daftar", "login", nova, "password", oldWords).ok("Kami tidak dapat menampilkannya lagi")
	code := b.code()
	b.post("/masuk/pulihkan", "login", nova, "code", "0", "password", newWords).refused(422, "kode tidak benar")
	b.post("/masuk/pulihkan", "login", nova, "code", code, "password", newWords).ok("Kata sandi sudah diganti")
}

// Who has lost the code too comes to the office: two officers see the card, on one day, and the second is shown a new code.
func TestRecoveryAtTheOffice(t *testing.T) {
	s := newSite(t)
	me, who := s.browser(), ordinary(firstFree, 1)[0]
	me.post("/daftar", "login", nova, "password", oldWords).ok()
	old := me.code()
	me.post("/saya/identitas", who.form()...).ok()
	account, err := s.p.accounts.signIn(t.Context(), nova, oldWords)
	require.NoError(t, err)
	sari, budi, rahma := s.as("sari@contoh.test"), s.as("budi@contoh.test"), s.as("rahma@contoh.test")
	asks := func(more ...string) []string {
		return append([]string{"nik", who.NIK, "reason", "card-seen", "password", demoPassword}, more...)
	}
	sari.get("/petugas/cari").ok(`href="/petugas/kode"`)
	rahma.post("/petugas/kode", asks()...).refused(http.StatusForbidden)
	sari.post("/petugas/kode", "nik", who.NIK, "password", demoPassword).refused(422, "Choose the reason")
	sari.post("/petugas/kode", "nik", who.NIK, "reason", "audit", "password", demoPassword).refused(422, "Choose the reason")
	sari.post("/petugas/kode", "nik", who.NIK, "reason", "card-seen", "password", "wrong").refused(422, "password is not right")
	sari.post("/petugas/kode", "nik", "123", "reason", "card-seen", "password", demoPassword).refused(422, "16 digits")
	budi.post("/petugas/kode", asks()...).ok("Now another officer")
	budi.post("/petugas/kode", asks()...).ok("Now another officer") // nobody is their own second

	// What was seen yesterday is over.
	s.p.time.moved.Add(int64(24 * time.Hour))
	me, sari, budi = s.browser(), s.as("sari@contoh.test"), s.as("budi@contoh.test")
	sari.post("/petugas/kode", asks()...).ok("Now another officer")
	lost := s.browser()
	budi.post("/petugas/kode", asks("document", "BA-9/2026")...).ok("Print this page")
	code := budi.code()
	require.Contains(t, budi.header.Get("Cache-Control"), "no-store")
	lost.post("/masuk/pulihkan", "login", nova, "code", old, "password", newWords).refused(422, "not right")
	me.post("/masuk", "login", nova, "password", oldWords).ok() // the password is the citizen's to change
	lost.post("/masuk/pulihkan", "login", nova, "code", code, "password", newWords).ok("everybody was signed out")
	lost.post("/masuk", "login", nova, "password", newWords).ok()
	require.Equal(t, "/masuk", me.get("/saya").at)
	sari.post("/petugas/kode", asks()...).ok("Now another officer") // each code takes two hands again

	// Nobody, and somebody without an account.
	sari.post("/petugas/kode", "nik", made(firstFree+5000).NIK, "reason", "card-seen", "password", demoPassword).ok("no account")
	budi.post("/petugas/kode", "nik", made(secondWave).NIK, "reason", "card-seen", "password", demoPassword).ok("no account")

	journal := s.journal()
	require.Equal(t, 1, strings.Count(journal, `"what":"new recovery code, at the office"`))
	require.Contains(t, journal, `budi portal.password {"account":"`+account.ID+`","first":"sari","what":"new recovery code, at the office"}`)
	require.Equal(t, 4, strings.Count(journal, `"action":"code.first"`))
	require.Equal(t, 1, strings.Count(journal, `"action":"code.second"`))
	require.Equal(t, 2, strings.Count(journal, `"action":"code.nobody"`))
	for _, secret := range []string{who.NIK, who.Name, nova, code, readCode(code)} {
		require.NotContains(t, journal, secret)
		require.NotContains(t, s.log.String(), secret)
	}
}

// Of many who are second at once, one is shown a code.
func TestOneSecondHand(t *testing.T) {
	s := newSite(t)
	a := s.p.accounts
	require.NoError(t, a.keepFirstHand(t.Context(), "act", "sari", "card"))
	var all sync.WaitGroup
	var taken atomic.Int64
	for range 8 {
		all.Go(func() {
			if ok, err := a.takeFirstHand(t.Context(), "act", "sari"); err == nil && ok {
				taken.Add(1)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1, taken.Load())
	first, _, err := a.firstHand(t.Context(), "act")
	require.NoError(t, err)
	require.Empty(t, first)
}
