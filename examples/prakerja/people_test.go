package main

import (
	"context"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/identity"
)

func made(t testing.TB, seed uint64, n int64) *madePeople {
	t.Helper()
	m, err := newMadePeople(seed, n, places(t))
	require.NoError(t, err)
	return m
}

func TestMadePeopleAreTheSameFromAnyStart(t *testing.T) {
	m := made(t, 7, 1000)
	all, err := m.Next(t.Context(), 0, 5000)
	require.NoError(t, err)
	require.Len(t, all, 1000)
	for _, at := range []struct {
		done  int64
		limit int
	}{{0, 1}, {1, 10}, {500, 250}, {990, 10}, {990, 100}, {1000, 10}, {2000, 10}} {
		some, err := made(t, 7, 1000).Next(t.Context(), at.done, at.limit)
		require.NoError(t, err)
		from, to := min(at.done, 1000), min(at.done+int64(at.limit), 1000)
		require.True(t, reflect.DeepEqual(all[from:to], some) || len(some) == 0 && from == to)
	}
	require.Equal(t, m.row(999), made(t, 7, 100_000).row(999), "nor do they depend on how many there are")
	require.NotEqual(t, m.row(1), made(t, 8, 1000).row(1), "another seed makes others")
}

func TestMadePeopleStopWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := made(t, 7, 10).Next(ctx, 0, 10)
	require.ErrorIs(t, err, context.Canceled)
}

func TestNumberOfMadePeopleIsBounded(t *testing.T) {
	for _, n := range []int64{0, -1, mostMade + 1} {
		_, err := newMadePeople(1, n, places(t))
		require.ErrorContains(t, err, "people can be made")
	}
}

// The shares are those that the comment of madePeople documents.
func TestMadePeopleHaveTheDocumentedFaults(t *testing.T) {
	const n = 100_000
	m := made(t, 1, n)
	faults, seen, households := map[string]int{}, map[string]int64{}, map[string]int{}
	joins, affected, noAccount, unknown, twice, crowded, alike := 0, 0, 0, 0, 0, 0, 0
	for i := range int64(n) {
		p := m.row(i)
		r := p.registration(m.places)
		if r.Fault != nil {
			faults[r.Fault.Field+" "+r.Fault.Rule]++
			continue
		}
		if _, before := seen[p.NIK]; before {
			twice++
			kind, of := m.lot(i)
			require.Equal(t, again, kind, "only those meant to share a NIK")
			require.NotEqual(t, m.row(of).Name, p.Name)
			if identity.NewName(m.row(of).Name).Similarity(identity.NewName(p.Name)) >= 600 {
				alike++
			}
			continue
		}
		seen[p.NIK] = i
		if households[p.KK]++; households[p.KK] == 3 {
			crowded++
		}
		if r.Details.Joins {
			joins++
		}
		if r.Details.Affected {
			affected++
		}
		if r.Person.Payout.Provider == "" {
			noAccount++
		}
		if len(r.Evidence) < 4 || r.Evidence["official"].Unknown+r.Evidence["student"].Unknown+r.Evidence["social-aid"].Unknown+r.Evidence["citizen"].Unknown != "" {
			unknown++
		}
	}
	about := func(want, have int) {
		t.Helper()
		require.InEpsilon(t, want, have, 0.15)
	}
	about(800, faults["nik sixteen-digits"])
	about(300, faults["nik province-code"])
	about(300, faults["nik birth-date"])
	about(400, faults["kk sixteen-digits"])
	require.Len(t, faults, 4, "%v", faults)
	about(1200, twice)
	about(twice, alike)
	about(63_000*97/100, joins)
	about(68_000*97/100, affected)
	about(3_000, noAccount)
	about(3_800, unknown)
	require.Greater(t, crowded, 300, "households of three or more")
}

func TestMadePeopleOfOneHouseholdLiveTogether(t *testing.T) {
	m := made(t, 3, 20_000)
	home := map[string]string{}
	shared := 0
	for i := range m.n {
		p := m.row(i)
		if len(p.KK) != 16 {
			continue
		}
		if at, known := home[p.KK]; known {
			shared++
			require.Equal(t, at, p.Regency)
		}
		home[p.KK] = p.Regency
	}
	require.Greater(t, shared, 1000)
}

func TestMadeNIKsStayUniqueBeyondOneRound(t *testing.T) {
	m := made(t, 5, 3*serials*districts)
	seen := map[string]int64{}
	for i := int64(0); i < m.n; i++ {
		if i%(serials*districts) > 300 {
			continue
		}
		if kind, _ := m.lot(i); kind != ordinary && kind != kin {
			continue
		}
		nik := m.row(i).NIK
		require.NotContains(t, seen, nik)
		seen[nik] = i
	}
}

func BenchmarkMadePeople(b *testing.B) {
	m := made(b, 1, mostMade)
	b.ReportAllocs()
	var people []program.Registration[Jobseeker]
	for i := 0; i < b.N; i += 1000 {
		people, _ = m.Next(context.Background(), int64(i), min(1000, b.N-i))
	}
	_ = people
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "people/s")
}
