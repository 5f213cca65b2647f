package quota

import (
	"bytes"
	"strconv"
	"strings"
	"testing"

	"github.com/gelombang/gelombang/program/ledger"
	"github.com/stretchr/testify/require"
)

func TestPlanReportsEveryFault(t *testing.T) {
	p := &Plan{Name: "x", Tiers: 1, Ticket: PerPerson, HouseholdCap: -1,
		Groups: []Group{{"a", ForAuditors, ""}, {"a", "", ""}},
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
	p := &Plan{Name: "prakerja-4", Groups: []Group{{"affected", ForPublic, "affected workers"}}, Order: OpenFirst,
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

// book applies postings in memory and holds bounds and sums.
type book map[ledger.Account]int64

func (b book) post(t *testing.T, p ledger.Posting, err error) bool {
	require.NoError(t, err)
	var sum int64
	for _, l := range p.Legs {
		if n := b[l.Account] + l.Amount; n < l.Bounds.Min || n > l.Bounds.Max {
			return false
		}
		sum += l.Amount
	}
	require.Zero(t, sum)
	for _, l := range p.Legs {
		b[l.Account] += l.Amount
	}
	return true
}

// granted + held + left = cap in every place, and left is never below zero.
func TestSeatsAreConserved(t *testing.T) {
	p := &Plan{Name: "x", Tiers: 1, Ticket: PerPerson, Pools: []Pool{{ID: "a", Seats: 5}, {ID: "b", Seats: 2}}}
	b := book{}
	post := func(ok bool) func(ledger.Posting, error) {
		return func(x ledger.Posting, err error) { require.Equal(t, ok, b.post(t, x, err)) }
	}
	a, other, later := Place{"11", "a", ""}, Place{"11", "b", ""}, Place{"17", "a", ""}
	post(true)(Issue("1", p, "11"))
	post(true)(Hold("2", a, 3))
	post(true)(Confirm("3", a, 2))
	post(true)(Release("4", a, 1))
	post(false)(Grant("5", a, 4)) // only 3 are left
	post(true)(Grant("6", a, 3))
	post(false)(Spill("7", a, other, 1))
	post(true)(Return("8", a, 2))
	post(true)(Spill("9", a, other, 1))
	post(true)(Carry("10", a, later, 1))
	for _, at := range []Place{a, other, later} {
		held := b[at.Account(Left)] + b[at.Account(Held)] + b[at.Account(Granted)]
		require.Equal(t, held, -(b[at.Account(Issued)] + b[at.Account(Moved)] + b[at.Account(Carried)]))
	}
	require.EqualValues(t, 1, b[later.Account(Left)])
	_, err := Carry("11", a, other, 0)
	var f Faults
	require.ErrorAs(t, err, &f)
	require.Len(t, f, 2)
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
	p := &Plan{Name: "x", Tiers: 2, Ticket: PerPerson, Groups: []Group{{"g", ForAuditors, ""}, {"h", ForAuditors, ""}}, Pools: []Pool{{ID: "a"}}}
	f.Add([]byte(rollHeader + strings.Repeat("0", 32) + "\ta\t1\t7\t0\tg,h\t" + strings.Repeat("0", 64) + "\n"))
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
