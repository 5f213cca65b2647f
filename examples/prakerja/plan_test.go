package main

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/quota"
)

func places(t testing.TB) *geography {
	t.Helper()
	g, err := loadGeography()
	require.NoError(t, err)
	return g
}

func TestGeographyIsWholeMapOf2020(t *testing.T) {
	g := places(t)
	require.Len(t, g.Provinces, 34)
	require.Len(t, g.Regencies, 514)
	var people int64
	for _, p := range g.Provinces {
		people += p.People
	}
	require.EqualValues(t, 270_203_917, people, "the official total of the census")

	i, known := g.find("31.71")
	require.True(t, known)
	require.Equal(t, "Kota Adm. Jakarta Pusat", strings.Replace(g.Regencies[i].Name, "Administrasi", "Adm.", 1))
	require.Equal(t, "DKI Jakarta", g.Provinces[g.Regencies[i].Province].Name)
}

func TestYoungProvincesCountAsThoseOf2020(t *testing.T) {
	g := places(t)
	moved := 0
	for _, r := range g.Regencies {
		if home := g.Provinces[r.Province].Code; home != r.Code[:2] {
			moved++
			require.Contains(t, []string{"91", "92"}, home, "only provinces of Papua are younger")
		}
	}
	require.Positive(t, moved)
}

func TestWaveFourHas640000And160000(t *testing.T) {
	plan, err := buildPlan(800_000, places(t))
	require.NoError(t, err)
	all, affected := planTotals(plan)
	require.EqualValues(t, 800_000, all)
	require.EqualValues(t, 640_000, affected)
	require.Len(t, plan.Pools, 1+34+514)
}

func TestPlanTotalsHoldForAnyNumberOfSeats(t *testing.T) {
	g := places(t)
	random := rand.New(rand.NewPCG(4, 2020))
	for _, seats := range []int64{1, 2, 3, 4, 5, 33, 34, 514, 515, 999, 16_000, 1 + random.Int64N(1_000_000), 1 + random.Int64N(1_000_000_000)} {
		plan, err := buildPlan(seats, g)
		require.NoError(t, err, seats)
		all, affected := planTotals(plan)
		require.Equal(t, seats, all)
		require.Equal(t, seats*80/100, affected)
		for _, p := range plan.Pools {
			for _, r := range p.Reserves {
				require.LessOrEqual(t, r.Seats, p.Seats, p.ID)
			}
		}
	}
}

func TestSeatsOfProvincesFollowPeople(t *testing.T) {
	g := places(t)
	plan, err := buildPlan(800_000, g)
	require.NoError(t, err)
	seats := map[string]int64{}
	for _, p := range plan.Pools {
		if len(p.Spill) > 0 {
			seats[p.Spill[0]] += p.Seats
		}
	}
	for _, p := range g.Provinces {
		quotaOf := float64(p.People) * 800_000 / 270_203_917
		require.InDelta(t, quotaOf, float64(seats[p.Code]), 1, p.Name)
	}
}

func TestPlanOfNoSeatsIsRefusedInOneSentence(t *testing.T) {
	for _, seats := range []int64{0, -5, mostSeats + 1} {
		_, err := buildPlan(seats, places(t))
		require.ErrorContains(t, err, "a plan needs 1 to")
		require.NotContains(t, err.Error(), "\n")
	}
}

func planTotals(plan *quota.Plan) (all, affected int64) {
	for _, p := range plan.Pools {
		all += p.Seats
		for _, r := range p.Reserves {
			affected += r.Seats
		}
	}
	return all, affected
}
