package program_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/memstore"
)

func alikeEngine(t testing.TB) (*program.Engine[details], func(p program.Person) uuid.UUID) {
	s := newStory(memstore.New())
	s.now, s.chunk = day(1), 10
	e, err := s.engineOf(t, testProgram())
	require.NoError(t, err)
	n := 0
	return e, func(p program.Person) uuid.UUID {
		n++
		p.National = identity.NewSecret(national(n))
		id, err := e.Register(t.Context(), program.By{Actor: "registrar"}, program.Registration[details]{Person: p, Details: details{Pool: "north"}})
		require.NoError(t, err)
		return id
	}
}

func findAlike(t testing.TB, e *program.Engine[details], o *program.AlikeOptions) map[[2]uuid.UUID]program.Alike {
	found := map[[2]uuid.UUID]program.Alike{}
	require.NoError(t, e.FindAlike(t.Context(), o, func(a program.Alike) error {
		key := [2]uuid.UUID{a.Applicants[0], a.Applicants[1]}
		require.NotContains(t, found, key, "each pair once")
		found[key] = a
		return nil
	}))
	return found
}

// Two registrations of one person are found across spellings, and by what they share; two
// people who have a name or a birthday in common are not.
func TestFindAlike(t *testing.T) {
	e, add := alikeEngine(t)
	person := func(name string, born calendar.Date, phone, family string) program.Person {
		return program.Person{Name: identity.NewName(name), Birth: born, Phone: identity.NewSecret(phone), Family: identity.NewSecret(family)}
	}
	born := calendar.Of(1990, time.March, 1)
	ridwan := add(person("H. Moh. Ridwan", born, "", ""))
	again := add(person("Ridwan Muhammad", born, "", ""))
	add(person("Muhammad Ridwan", calendar.Of(1971, time.March, 1), "", "")) // another birthday
	add(person("Siti Aminah", born, "", ""))
	ani := add(person("Ani", calendar.Of(1980, 1, 1), "0811", ""))
	budi := add(person("Budi", calendar.Of(1981, 1, 1), "0811", ""))
	nur := add(person("Nur Hayati", calendar.Of(1980, 5, 1), "", "kk"))
	nurhayati := add(person("Nurhayati", calendar.Of(1980, 1, 5), "", "kk")) // day and month changed places
	add(person("Joko", calendar.Of(1999, 5, 1), "", "kk"))
	found := findAlike(t, e, nil)
	require.Equal(t, map[[2]uuid.UUID]program.Alike{
		{ridwan, again}:  {Applicants: []uuid.UUID{ridwan, again}, Signs: []string{"alike-name", "same-birth"}, Score: 980},
		{ani, budi}:      {Applicants: []uuid.UUID{ani, budi}, Signs: []string{"same-phone"}, Score: 0},
		{nur, nurhayati}: {Applicants: []uuid.UUID{nur, nurhayati}, Signs: []string{"alike-name", "same-family"}, Score: 980},
	}, found)
}

// What is found is what comparing everybody with everybody would find.
func TestFindAlikeMissesNothing(t *testing.T) {
	e, add := alikeEngine(t)
	random := rand.New(rand.NewPCG(3, 3))
	first := []string{"Muhammad", "Moh.", "M.", "Siti", "Nur", "Nurhayati", "Ahmad", "H. Ahmad", "Dewi"}
	last := []string{"Ridwan", "Ridwn", "Aminah", "Hayati", "Fauzi", "Fauzy", "R.", ""}
	people := map[uuid.UUID]program.Person{}
	var ids []uuid.UUID
	some := func(kind string, n int) identity.Secret {
		if random.IntN(3) > 0 {
			return identity.Secret{}
		}
		return identity.NewSecret(fmt.Sprint(kind, random.IntN(n)))
	}
	for range 120 {
		p := program.Person{Name: identity.NewName(strings.TrimSpace(first[random.IntN(len(first))] + " " + last[random.IntN(len(last))])),
			Birth: calendar.Of(1990, time.March, 1+random.IntN(4)), Phone: some("p", 60), Device: some("d", 60), Family: some("f", 20),
			Payout: program.Payout{Provider: "BANK", Account: some("a", 60)}}
		id := add(p)
		people[id], ids = p, append(ids, id)
	}
	want := 0
	found := findAlike(t, e, nil)
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	shares := func(a, b identity.Secret) bool { return !a.IsZero() && a.Equal(b) }
	for i, a := range ids {
		for _, b := range ids[i+1:] {
			p, q := people[a], people[b]
			name := p.Name.Similarity(q.Name) >= 850
			alike := name && (p.Birth == q.Birth || shares(p.Family, q.Family)) || shares(p.Phone, q.Phone) || shares(p.Device, q.Device) || shares(p.Payout.Account, q.Payout.Account)
			_, got := found[[2]uuid.UUID{a, b}]
			require.Equal(t, alike, got, "%s %s", p.Name.Reveal(), q.Name.Reveal())
			if alike {
				want++
			}
		}
	}
	require.Greater(t, want, 50, "control")
}

// What very many share is one finding, not all pairs of it.
func TestAKioskIsOneFinding(t *testing.T) {
	e, add := alikeEngine(t)
	for i := range 30 {
		add(program.Person{Name: identity.NewName(fmt.Sprint("Orang ", i)), Device: identity.NewSecret("kiosk")})
	}
	n := 0
	require.NoError(t, e.FindAlike(t.Context(), nil, func(a program.Alike) error {
		require.Len(t, a.Applicants, 30)
		n++
		return nil
	}))
	require.Equal(t, 1, n)
	require.Len(t, findAlike(t, e, &program.AlikeOptions{Group: 30}), 30*29/2)
}

// What is found goes onto the list once, with its reasons; an officer who did not refer
// it judges it, once; judged, it does not come back.
func TestReferrals(t *testing.T) {
	e, add := alikeEngine(t)
	ctx, search, officer := t.Context(), program.By{Actor: "search"}, program.By{Actor: "officer"}
	for _, name := range []string{"Ani", "Budi", "Citra"} {
		add(program.Person{Name: identity.NewName(name), Phone: identity.NewSecret("0811")})
	}
	for _, want := range []program.Counts{{"found": 3, "referred": 3}, {"found": 3}} {
		counts, err := e.ReferAlike(ctx, search, nil)
		require.NoError(t, err)
		require.Equal(t, want, counts)
	}
	list := func(state program.ReferralState) (all []program.Referral) {
		require.NoError(t, e.Referrals(ctx, state, func(r program.Referral) error { all = append(all, r); return nil }))
		return all
	}
	open := list(program.ReferralOpen)
	require.Len(t, open, 3)
	require.Equal(t, []string{"same-phone"}, open[0].Reasons)
	var state *program.StateError
	require.ErrorAs(t, e.JudgeReferral(ctx, search, open[0].ID, program.ReferralConfirmed, "seen"), &state, "whoever refers does not judge")
	require.NoError(t, e.JudgeReferral(ctx, officer, open[0].ID, program.ReferralDismissed, "a family's phone"))
	require.NoError(t, e.JudgeReferral(ctx, officer, open[0].ID, program.ReferralDismissed, "a family's phone"))
	require.ErrorAs(t, e.JudgeReferral(ctx, officer, open[0].ID, program.ReferralConfirmed, "after all"), &state)
	require.NoError(t, e.JudgeReferral(ctx, officer, open[1].ID, program.ReferralConfirmed, "one person, two cards"))
	require.Len(t, list(program.ReferralOpen), 1)
	require.Len(t, list(program.ReferralDismissed), 1)
	require.Len(t, list(program.ReferralConfirmed), 1)
	counts, err := e.ReferAlike(ctx, search, nil)
	require.NoError(t, err)
	require.Equal(t, program.Counts{"found": 3}, counts)
	var field *program.FieldError
	_, err = e.Refer(ctx, officer, nil, []string{"x"}, 0)
	require.ErrorAs(t, err, &field)
	clean(t, e)
}
