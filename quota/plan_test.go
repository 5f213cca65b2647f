package quota

import (
	"bytes"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPlanReportsEveryFault(t *testing.T) {
	p := &Plan{Name: "x", Tiers: 1, Ticket: PerPerson, HouseholdCap: -1,
		Groups: []Group{{Code: "a", Meaning: ForAuditors}, {Code: "a", Meaning: ""}},
		Pools: []Pool{
			{ID: "p", Parent: "q", Seats: 2, Spill: []string{"none", "p"}, Reserves: []Reserve{{"a", 3, SetAside, ""}, {"z", -1, Guarantee, Keep}}},
			{ID: "q", Parent: "p", Seats: -1}, {ID: "q", Parent: "none"},
		}}
	var f Faults
	require.ErrorAs(t, p.Validate(), &f)
	for _, field := range []string{"order", "household_cap", "groups[1].code", "groups[1].meaning", "pools[0].spill[0]",
		"pools[0].spill[1]", "pools[0].reserves[0].seats", "pools[0].reserves[0].unfilled", "pools[0].reserves[1].group",
		"pools[0].reserves[1].seats", "pools[0].reserves[1].unfilled", "pools[1].seats", "pools[2].id", "pools[2].parent", "pools[0].parent"} {
		found := false
		for _, x := range f {
			found = found || x.Field == field
		}
		require.True(t, found, field)
	}
}

// waveFour is wave 4 of Kartu Prakerja: 800,000 seats, 80 in 100 set aside for
// affected workers. The real regional formula is not public: by population and
// then by villages is an illustration.
func waveFour(t testing.TB) *Plan {
	var provinces []Share
	for _, row := range table(t, "population_2020.csv") {
		n, err := strconv.ParseInt(row[2], 10, 64)
		require.NoError(t, err)
		provinces = append(provinces, Share{Key: row[0], Weight: n})
	}
	seats, err := Apportion(800_000, provinces, nil)
	require.NoError(t, err)
	below := map[string][]Share{}
	for _, row := range table(t, "regencies.csv") {
		n, err := strconv.ParseInt(row[4], 10, 64)
		require.NoError(t, err)
		below[row[2]] = append(below[row[2]], Share{Key: row[0], Weight: n})
	}
	p := &Plan{Name: "prakerja-4", Groups: []Group{{Code: "affected", Meaning: ForPublic, Public: "affected workers"}}, Order: OpenFirst,
		HouseholdCap: 2, Ticket: PerPerson, Tiers: 1, Waiting: 1000, Pools: []Pool{{ID: "ID"}}}
	for i, province := range provinces {
		p.Pools = append(p.Pools, Pool{ID: province.Key, Parent: "ID"})
		shares, err := Apportion(seats[i], below[province.Key], &ApportionOptions{Tie: TieRule{ByKey: true}})
		require.NoError(t, err)
		for k, n := range shares {
			p.Pools = append(p.Pools, Pool{ID: below[province.Key][k].Key, Parent: province.Key, Seats: n,
				Reserves: []Reserve{{"affected", n * 8 / 10, SetAside, ToOpen}}, Spill: []string{province.Key, "ID"}})
		}
	}
	return p
}

func TestWaveFour(t *testing.T) {
	p := waveFour(t)
	require.NoError(t, p.Validate())
	require.Len(t, p.Pools, 1+34+514)
	var seats int64
	for i := range p.Pools {
		seats += p.Pools[i].Seats
	}
	require.EqualValues(t, 800_000, seats)
	data, err := p.Encode()
	require.NoError(t, err)
	again, err := ParsePlan(data)
	require.NoError(t, err)
	require.Equal(t, p, again)
}

// A roll with a cell too small to publish is refused, whoever writes or reads it.
func TestSmallCellsAreRefused(t *testing.T) {
	p := &Plan{Name: "x", Tiers: 1, Ticket: PerPerson, SmallestCell: 2, Groups: []Group{{Code: "g", Meaning: ForAuditors}}, Pools: []Pool{{ID: "a"}}}
	three := func(groups uint32) []Candidate {
		return []Candidate{{Label: Label{1}}, {Label: Label{2}}, {Label: Label{3}, Groups: groups}}
	}
	var e *RollError
	_, err := NewRoll(p, three(1))
	require.ErrorAs(t, err, &e)
	roll, err := NewRoll(p, three(0))
	require.NoError(t, err, "the control: merged")
	var file bytes.Buffer
	_, err = roll.WriteTSV(&file, p)
	require.NoError(t, err)
	p.SmallestCell = 4
	_, _, err = ReadRoll(&file, p)
	require.ErrorAs(t, err, &e)
}

func FuzzPlan(f *testing.F) {
	f.Add([]byte(`{"name":"x","ticket":"person","tiers":1,"pools":[{"id":"a","seats":1}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParsePlan(data)
		if err != nil {
			return
		}
		canonical, err := p.Encode()
		require.NoError(t, err)
		again, err := ParsePlan(canonical)
		require.NoError(t, err)
		twice, err := again.Encode()
		require.NoError(t, err)
		require.Equal(t, canonical, twice)
	})
}

// What the reader accepts, the writer writes byte for byte.
func FuzzRoll(f *testing.F) {
	p := &Plan{Name: "x", Tiers: 2, Ticket: PerPerson, Groups: []Group{{Code: "g", Meaning: ForAuditors}, {Code: "h", Meaning: ForAuditors}}, Pools: []Pool{{ID: "a"}}}
	f.Add([]byte(rollHeader + strings.Repeat("0", 32) + "\ta\t1\t0\t7\t0\tg,h\t" + strings.Repeat("0", 64) + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		roll, digest, err := ReadRoll(bytes.NewReader(data), p)
		if err != nil {
			return
		}
		var out bytes.Buffer
		again, err := roll.WriteTSV(&out, p)
		require.NoError(t, err)
		require.Equal(t, data, out.Bytes())
		require.Equal(t, digest, again)
	})
}

func FuzzSeed(f *testing.F) {
	f.Add([]byte(`{"manifest":"` + strings.Repeat("0", 64) + `","witnessed":[{"numbers":[1],"witnesses":["n"]}]}`))
	source := &Source{Witnessed: []Drawer{{"dice", 1, 1, 6, true, 2}}}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseSeed(data)
		if err != nil {
			return
		}
		text, err := s.randomness(source)
		require.Equal(t, err == nil, len(text) == 3 && err == nil)
	})
}

// What is read as removals is written byte for byte.
func FuzzRemovals(f *testing.F) {
	f.Add([]byte(removalsHeader + strings.Repeat("0", 32) + "\tage\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, _, rule := readRemovals(data)
		if rule != "" {
			return
		}
		var out bytes.Buffer
		require.NoError(t, writeRemovals(&out, all))
		require.Equal(t, data, out.Bytes())
	})
}
