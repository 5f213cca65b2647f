package main

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/identity"
)

// listed are the referrals in a state.
func (s *site) listed(state program.ReferralState) []program.Referral {
	s.t.Helper()
	var all []program.Referral
	require.NoError(s.t, s.p.engine.Referrals(s.t.Context(), state, func(r program.Referral) error { all = append(all, r); return nil }))
	return all
}

// with is the open referral that has a sign.
func (s *site) with(sign string) program.Referral {
	s.t.Helper()
	for _, r := range s.listed(program.ReferralOpen) {
		if strings.Contains(strings.Join(r.Reasons, " "), sign) {
			return r
		}
	}
	s.t.Fatalf("no open referral has the sign %s", sign)
	return program.Referral{}
}

// What the search found is listed without anything personal, judged once, for a reason, by who may.
func TestReferrals(t *testing.T) {
	s := newSite(t)
	sari, budi, rahma := s.as("sari@contoh.test"), s.as("budi@contoh.test"), s.as("rahma@contoh.test")
	phone, twin := s.with(program.SamePhone), s.with(program.AlikeName)
	sari.get("/petugas").ok("referrals waiting")
	sari.get("/petugas/rujukan").ok("same telephone", "alike names; same birth date", fmt.Sprintf("/petugas/kasus/2/%s", twin.Applicants[0]), fmt.Sprint(twin.Score))
	require.NotContains(t, sari.page, "<td>Confirmed")
	path := "/petugas/rujukan/" + twin.ID
	sari.get(path).ok("alike names; same birth date", fmt.Sprintf("/petugas/kasus/2/%s", twin.Applicants[1]))
	for i := range int64(4) {
		who := made(secondWave + i)
		for _, page := range []string{"/petugas/rujukan", path, "/petugas/rujukan/" + phone.ID} {
			sari.get(page)
			for _, secret := range []string{who.Name, strings.ToUpper(who.Name), who.NIK, who.KK, who.Birth.String(), "+62800"} {
				require.NotContains(t, sari.page, secret)
			}
		}
	}
	sari.get("/petugas/rujukan?keadaan=nonsense").refused(404)
	sari.get("/petugas/rujukan?setelah=nonsense").refused(404)
	sari.get("/petugas/rujukan/" + strings.Repeat("0", 32)).refused(404)
	rahma.get("/petugas/rujukan").refused(403)
	rahma.get(path).refused(403)
	rahma.post("/petugas/rujukan", "reason", "audit").refused(403)
	rahma.post(path, "verdict", "confirm", "reason", "one-person").refused(403)

	sari.post(path, "reason", "one-person").refused(422, "Choose the decision")
	sari.post(path, "verdict", "confirm").refused(422, "Choose the reason")
	sari.post(path, "verdict", "confirm", "reason", "schedule").refused(422, "Choose the reason")
	sari.post(path, "verdict", "confirm", "reason", "one-person", "document", made(secondWave).NIK).refused(422, "no identity number")
	require.Len(t, s.listed(program.ReferralConfirmed), 0)
	sari.post(path, "verdict", "confirm", "reason", "one-person", "document", "BA-7/2026", "key", "k").ok()
	sari.post(path, "verdict", "confirm", "reason", "one-person", "document", "BA-7/2026", "key", "k").ok() // the same form, sent twice
	sari.post(path, "verdict", "dismiss", "reason", "different-people", "key", "l").refused(409, "judged already")
	budi.post(path, "verdict", "confirm", "reason", "one-person", "document", "BA-7/2026", "key", "m").refused(409, "judged already")
	budi.get(path).ok("This referral was judged", "sari", "one-person BA-7/2026")
	budi.get("/petugas/rujukan?keadaan=confirmed").ok(path)
	require.NotContains(t, budi.get("/petugas/rujukan").page, path)
	judged := s.listed(program.ReferralConfirmed)
	require.Len(t, judged, 1)
	require.Equal(t, "sari", judged[0].JudgedBy)
	journal := s.journal()
	require.Equal(t, 1, strings.Count(journal, `"action":"referral.confirm"`), "once, and not for what was refused")
	require.Equal(t, 2, strings.Count(journal, `"name":"`+twin.ID+`"`), "opened, and judged")
	require.Regexp(t, regexp.MustCompile(`sari recorded [^\n]*"name":"`+twin.ID+`"`), journal)
	require.NotContains(t, journal, "+62800")
	breaches, err := s.p.engine.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, breaches)
}

// An officer starts the search with a reason; what it finds, another officer judges, and what was judged is not found again.
func TestReferralSearch(t *testing.T) {
	s := newSite(t)
	sari, budi := s.as("sari@contoh.test"), s.as("budi@contoh.test")
	before := len(s.listed(program.ReferralOpen))
	first := s.with(program.SamePhone)
	sari.post("/petugas/rujukan/"+first.ID, "verdict", "dismiss", "reason", "shared-in-family").ok()

	// Two more who share a telephone.
	for i := range int64(2) {
		r := ordinary(firstFree+500*i, 1)[0].registration(s.p.time.now())
		r.Person.Phone = identity.NewSecret("+6280000000002")
		_, err := s.p.engine.Register(t.Context(), program.By{Actor: "test"}, r)
		require.NoError(t, err)
	}
	sari.post("/petugas/rujukan").refused(422, "Choose the reason")
	sari.post("/petugas/rujukan", "reason", "audit").ok(jobReferAlike)
	s.jobsEnd()
	require.Len(t, s.listed(program.ReferralOpen), before, "one was dismissed, one is new")
	require.Contains(t, s.journal(), `sari portal.referrals.searched`)
	mine := s.with(program.SamePhone)
	path := "/petugas/rujukan/" + mine.ID
	sari.get("/petugas/rujukan").ok("No cases.") // they have not joined
	sari.get(path).ok("another officer judges it")
	sari.post(path, "verdict", "dismiss", "reason", "shared-in-family").refused(http.StatusForbidden, "another officer has to judge it")
	require.NotContains(t, s.journal(), "referral "+mine.ID, "a judgement that was refused has no reason")
	budi.post(path, "verdict", "dismiss", "reason", "shared-in-family").ok()
	budi.get("/petugas/rujukan?keadaan=dismissed").ok(path, "/petugas/rujukan/"+first.ID)
}

// A long list comes in pages, and each referral is on one of them.
func TestReferralPages(t *testing.T) {
	s := newSite(t)
	people := s.with(program.SamePhone).Applicants
	for i := range 2*referralsAtOnce + 3 {
		_, err := s.p.engine.Refer(t.Context(), program.By{Actor: "audit-office"}, people[:1], []string{fmt.Sprintf("tip-%d", i)}, 0)
		require.NoError(t, err)
	}
	all := map[string]bool{}
	sari := s.as("sari@contoh.test")
	next := "/petugas/rujukan"
	for pages := 0; next != ""; pages++ {
		require.Less(t, pages, 10)
		sari.get(next).ok()
		require.Less(t, len(sari.page), 100_000)
		for _, m := range regexp.MustCompile(`href="/petugas/rujukan/([0-9a-f]{32})"`).FindAllStringSubmatch(sari.page, -1) {
			require.False(t, all[m[1]])
			all[m[1]] = true
		}
		next = ""
		if m := regexp.MustCompile(`href="(/petugas/rujukan\?keadaan=open&amp;setelah=[0-9a-f]{32})"`).FindStringSubmatch(sari.page); m != nil {
			next = strings.ReplaceAll(m[1], "&amp;", "&")
		}
	}
	require.Len(t, all, len(s.listed(program.ReferralOpen)))
}
