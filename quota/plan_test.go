package quota

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// Every rule of a plan, broken alone, is reported under its field and alone; and
// all of them broken in one plan are reported together.
func TestPlanReportsEveryFault(t *testing.T) {
	base := func() *Plan {
		return &Plan{Name: "x", Order: OpenFirst, Tiers: 1, Ticket: PerPerson,
			Groups: []Group{{Code: "a", Meaning: ForAuditors}, {Code: "b", Meaning: ForPublic, Public: "b"}},
			Pools: []Pool{
				{ID: "p", Parent: "q", Seats: 5, Spill: []string{"q"}, Reserves: []Reserve{{"a", 1, SetAside, Keep}, {"b", 1, Guarantee, ""}}},
				{ID: "q", Seats: 2},
			}}
	}
	require.NoError(t, base().Validate())
	many := func(n int) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprint("x", i))
		}
		return all
	}
	first := func(p *Plan) *Pool { return &p.Pools[0] }
	for i, c := range []struct {
		field string
		spoil func(*Plan)
	}{
		{"name", func(p *Plan) { p.Name = "a b" }},
		{"order", func(p *Plan) { p.Order = "random" }},
		{"order", func(p *Plan) { p.Order = "" }},
		{"household_cap", func(p *Plan) { p.HouseholdCap = -1 }},
		{"household_cap", func(p *Plan) { p.HouseholdCap = 256 }},
		{"household_cap", func(p *Plan) { p.Ticket = PerHousehold }},
		{"limits[0]", func(p *Plan) { p.Limits = []string{""} }},
		{"limits[1]", func(p *Plan) { p.Limits = []string{"two", "two"} }},
		{"limits[100]", func(p *Plan) { p.Limits = many(101) }},
		{"ticket", func(p *Plan) { p.Ticket = "" }},
		{"tiers", func(p *Plan) { p.Tiers = 0 }},
		{"tiers", func(p *Plan) { p.Tiers = 65537 }},
		{"key", func(p *Plan) { p.Key = "age" }},
		{"key", func(p *Plan) { p.Key, p.Ticket, p.HouseholdCap = Score, PerHousehold, 1 }},
		{"counting", func(p *Plan) { p.Counting = "twice" }},
		{"waiting", func(p *Plan) { p.Waiting = -1 }},
		{"waiting", func(p *Plan) { p.Waiting = 1 << 32 }},
		{"smallest_cell", func(p *Plan) { p.SmallestCell = -1 }},
		{"smallest_cell", func(p *Plan) { p.SmallestCell = 1 << 31 }},
		{"small_cells", func(p *Plan) { p.SmallCells, p.SmallestCell = "hide", 2 }},
		{"small_cells", func(p *Plan) { p.SmallCells = MergeSmall }},
		{"witnesses", func(p *Plan) { p.Witnesses = -1 }},
		{"witnesses", func(p *Plan) { p.Witnesses = 101 }},
		{"pools", func(p *Plan) { p.Pools = nil }},
		{"groups", func(p *Plan) {
			first(p).Reserves = nil
			for _, code := range many(31) {
				p.Groups = append(p.Groups, Group{Code: code, Meaning: ForAuditors})
			}
		}},
		{"groups[1].code", func(p *Plan) { p.Groups[1].Code, first(p).Reserves = "a", nil }},
		{"groups[1].code", func(p *Plan) { p.Groups[1].Code, first(p).Reserves = "open", nil }},
		{"groups[1].code", func(p *Plan) { p.Groups[1].Code, first(p).Reserves = "é", nil }},
		{"groups[0].meaning", func(p *Plan) { p.Groups[0].Meaning = "all" }},
		{"groups[0].public", func(p *Plan) { p.Groups[0].Public = "a" }},
		{"groups[1].public", func(p *Plan) { p.Groups[1].Public = "" }},
		{"groups[1].public", func(p *Plan) { p.Groups[1].Public = "two\nlines" }},
		{"groups[0].within", func(p *Plan) { p.Groups[0].Within = "b" }},
		{"groups[1].within", func(p *Plan) { p.Groups[1].Within = "b" }},
		{"pools[1].id", func(p *Plan) {
			p.Pools = append(p.Pools[:1], Pool{ID: "q q"})
			first(p).Parent, first(p).Spill = "", nil
		}},
		{"pools[2].id", func(p *Plan) { p.Pools = append(p.Pools, Pool{ID: "q"}) }},
		{"pools[0].parent", func(p *Plan) { first(p).Parent = "none" }},
		{"pools[0].parent", func(p *Plan) { p.Pools[1].Parent = "p" }},
		{"pools[1].parent", func(p *Plan) { p.Pools[1].Parent, first(p).Parent = "q", "" }},
		{"pools[1].seats", func(p *Plan) { p.Pools[1].Seats = -1 }},
		{"pools[1].seats", func(p *Plan) { p.Pools[1].Seats = maxSeats + 1 }},
		{"pools[0].spill[1]", func(p *Plan) { first(p).Spill = []string{"q", "none"} }},
		{"pools[0].spill[1]", func(p *Plan) { first(p).Spill = []string{"q", "q"} }},
		{"pools[0].spill[0]", func(p *Plan) { first(p).Spill = []string{"p"} }},
		{"pools[0].spill", func(p *Plan) {
			first(p).Spill = many(101)
			for _, id := range many(101) {
				p.Pools = append(p.Pools, Pool{ID: id})
			}
		}},
		{"pools[0].reserves[0].group", func(p *Plan) { first(p).Reserves[0].Group = "z" }},
		{"pools[0].reserves[1].group", func(p *Plan) { first(p).Reserves[1].Group = "a" }},
		{"pools[0].reserves[0].seats", func(p *Plan) { first(p).Reserves[0].Seats = -1 }},
		{"pools[0].reserves[1].seats", func(p *Plan) { first(p).Reserves[1].Seats = 5 }},
		{"pools[0].reserves[0].kind", func(p *Plan) { first(p).Reserves[0] = Reserve{"a", 1, "some", ""} }},
		{"pools[0].reserves[0].unfilled", func(p *Plan) { first(p).Reserves[0].Unfilled = "" }},
		{"pools[0].reserves[0].unfilled", func(p *Plan) { first(p).Reserves[0].Unfilled, first(p).Spill = ToSpill, nil }},
		{"pools[0].reserves[1].unfilled", func(p *Plan) { first(p).Reserves[1].Unfilled = Keep }},
	} {
		p := base()
		c.spoil(p)
		var f Faults
		require.ErrorAs(t, p.Validate(), &f, "%d %s", i, c.field)
		require.Len(t, f, 1, "%d %v", i, f)
		require.Equal(t, c.field, f[0].Field, "%d %v", i, f)
	}
	all := &Plan{Order: "x", HouseholdCap: -1, Limits: []string{""}, Key: "x", Counting: "x", Waiting: -1, SmallestCell: -1, SmallCells: "x", Witnesses: -1,
		Groups: []Group{{Code: "open", Public: "x", Within: "a"}},
		Pools: []Pool{
			{ID: "p", Parent: "none", Seats: -1, Spill: []string{"p", "none"}, Reserves: []Reserve{{"z", -1, SetAside, ""}, {"z", 1, "x", ""}, {"y", 0, Guarantee, Keep}}},
			{ID: "p", Parent: "p"}, {},
		}}
	var f Faults
	require.ErrorAs(t, all.Validate(), &f)
	found := map[string]bool{}
	for _, x := range f {
		found[x.Field] = true
	}
	for _, field := range []string{"name", "order", "household_cap", "limits[0]", "ticket", "tiers", "key", "counting", "waiting", "smallest_cell", "small_cells", "witnesses",
		"groups[0].code", "groups[0].meaning", "groups[0].public", "groups[0].within", "pools[1].id", "pools[2].id", "pools[0].parent", "pools[0].seats", "pools[0].spill[0]",
		"pools[0].spill[1]", "pools[0].reserves[0].group", "pools[0].reserves[0].seats", "pools[0].reserves[0].unfilled", "pools[0].reserves[1].group",
		"pools[0].reserves[1].seats", "pools[0].reserves[1].kind", "pools[0].reserves[2].unfilled"} {
		require.True(t, found[field], "%s %v", field, f)
	}
}

// waveFour is wave 4 of Kartu Prakerja: 800,000 seats, 80 in 100 set aside for
// affected workers. The real regional formula is not public: by population and
// then by villages is an illustration.
func waveFour(t testing.TB) *Plan {
	below := map[string][]Share{}
	for _, row := range table(t, "regencies.csv") {
		n, err := strconv.ParseInt(row[4], 10, 64)
		require.NoError(t, err)
		below[row[2]] = append(below[row[2]], Share{Key: row[0], Weight: n})
	}
	var provinces []Branch
	for _, row := range table(t, "population_2020.csv") {
		n, err := strconv.ParseInt(row[2], 10, 64)
		require.NoError(t, err)
		provinces = append(provinces, Branch{Share{Key: row[0], Weight: n}, below[row[0]]})
	}
	_, seats, err := ApportionTree(800_000, provinces, &ApportionOptions{Tie: TieRule{ByKey: true}})
	require.NoError(t, err)
	p := &Plan{Name: "prakerja-4", Groups: []Group{{Code: "affected", Meaning: ForPublic, Public: "affected workers"}}, Order: OpenFirst,
		HouseholdCap: 2, Ticket: PerPerson, Tiers: 1, Waiting: 1000, Pools: []Pool{{ID: "ID"}}}
	for i, province := range provinces {
		p.Pools = append(p.Pools, Pool{ID: province.Key, Parent: "ID"})
		for k, n := range seats[i] {
			p.Pools = append(p.Pools, Pool{ID: province.Below[k].Key, Parent: province.Key, Seats: n,
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

// Whatever seed is read, the randomness that it gives is what its source says: of
// witnessed numbers the key string of these very numbers, of a beacon the bytes of
// the value, which is the SHA-256 of the signature if there is one; and the salt is
// the code that the manifest commits to.
func FuzzSeed(f *testing.F) {
	zero := strings.Repeat("0", 64)
	f.Add([]byte(`{"manifest":"` + zero + `","witnessed":[{"numbers":[1],"witnesses":["n"]},{"numbers":[3,2],"witnesses":["n"]}]}`))
	f.Add([]byte(`{"manifest":"` + zero + `","beacon":"` + sum("sig") + `","signature":"` + hex.EncodeToString([]byte("sig")) + `","previous":"00"}`))
	f.Add([]byte(`{"manifest":"` + zero + `","beacon":"` + zero + `","fallback":true,"code":"` + strings.Repeat("07", 32) + `"}`))
	f.Add([]byte(`{"manifest":"` + zero + `","beacon":"` + zero + `","previous":"00"}`))
	witnessed := &Source{Witnessed: []Drawer{{"die", 1, 1, 6, true, 2}, {"balls", 2, 1, 9, false, 5}}}
	beacon := &Source{Beacon: &Beacon{"drand", "x", 1}, Fallback: &Fallback{NotPublished, noon, Beacon{"drand", "x", 2}}}
	code := sha256.Sum256(bytes.Repeat([]byte{7}, 32))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseSeed(data)
		if err != nil {
			return
		}
		if text, err := s.randomness(witnessed); err == nil {
			a, b := s.Witnessed[0].Numbers, s.Witnessed[1].Numbers
			require.False(t, s.Fallback || s.Beacon != "" || s.Signature != "" || s.Previous != "")
			require.Equal(t, fmt.Sprintf("%d./%d.%d./", a[0], min(b[0], b[1]), max(b[0], b[1])), string(text))
			require.True(t, a[0] >= 1 && a[0] <= 6 && b[0] != b[1] && max(b[0], b[1]) <= 9 && min(b[0], b[1]) >= 1)
			require.NotEmpty(t, s.Witnessed[0].Witnesses)
		}
		if value, err := s.randomness(beacon); err == nil {
			require.Equal(t, s.Beacon, hex.EncodeToString(value))
			require.True(t, len(value) >= 16 && len(value) <= 1024 && len(s.Witnessed) == 0)
			if signature, err := hex.DecodeString(s.Signature); s.Signature != "" {
				require.NoError(t, err)
				require.Equal(t, s.Beacon, sum(string(signature)))
			}
			require.True(t, s.Previous == "" || s.Signature != "")
			require.Equal(t, s.Fallback, beacon.Spoke(s).Round == 2)
		}
		committed := &Manifest{Format: ManifestFormat, Code: (*Digest)(&code)}
		if salt, err := s.salt(committed); err == nil {
			require.Equal(t, bytes.Repeat([]byte{7}, 32), salt)
		}
		salt, err := s.salt(&Manifest{Format: ManifestFormat, Program: "p", Wave: "1", Number: 2})
		require.Equal(t, s.Code == "", err == nil)
		require.True(t, err != nil || string(salt) == ManifestFormat+"/p/1/2")
	})
}

// A manifest that is read encodes to one that is read as the same, and says nothing
// that Validate refuses.
func FuzzManifest(f *testing.F) {
	m := witnessedProof(f, rand.New(rand.NewPCG(4, 4))).Manifest
	data, err := m.Encode()
	require.NoError(f, err)
	f.Add(data)
	f.Add(bytes.Replace(data, []byte("52db9ba7"), []byte(quicknet), 2))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseManifest(data)
		if err != nil {
			return
		}
		require.NoError(t, m.Validate())
		for _, b := range []*Beacon{m.Source.Beacon} {
			if b == nil {
				require.Nil(t, m.Source.Fallback)
				continue
			}
			if at, known := b.Time(); known {
				require.True(t, at.After(m.Frozen) && !at.Before(m.Due))
			}
		}
		again, err := m.Encode()
		require.NoError(t, err)
		twice, err := ParseManifest(again)
		require.NoError(t, err)
		require.Equal(t, m, twice)
	})
}

// An announcement or a receipt that is read encodes to what is read as the same.
func FuzzAnnouncementAndReceipt(f *testing.F) {
	f.Add(proofFiles(f, witnessedProof(f, rand.New(rand.NewPCG(4, 4))))[AnnouncementFile].Data)
	r := &Receipt{Format: ReceiptFormat, Program: "p", Wave: "1", Issued: noon}
	data, err := r.Encode()
	require.NoError(f, err)
	f.Add(data)
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)).Public().(ed25519.PublicKey)
	f.Fuzz(func(t *testing.T, data []byte) {
		if a, err := ParseAnnouncement(data); err == nil {
			again, err := encodeJSON(a)
			require.NoError(t, err)
			twice, err := ParseAnnouncement(again)
			require.NoError(t, err)
			require.Equal(t, a, twice)
		}
		if r, err := ParseReceipt(data); err == nil {
			require.Error(t, VerifyReceipt(key, r), "nobody has signed it")
			again, err := r.Encode()
			if err != nil { // an instant that JSON cannot say
				return
			}
			twice, err := ParseReceipt(again)
			require.NoError(t, err)
			require.True(t, r.Issued.Equal(twice.Issued))
		}
	})
}

// Whatever is in witnesses.json, a proof passes only with what the witness signed.
func FuzzWitnesses(f *testing.F) {
	files := proofFiles(f, witnessedProof(f, rand.New(rand.NewPCG(4, 4))))
	good := files[WitnessesFile].Data
	f.Add(good)
	f.Add([]byte(`{"attestations":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		folder := maps.Clone(files)
		folder[WitnessesFile] = &fstest.MapFile{Data: data}
		require.Equal(t, bytes.Equal(data, good), VerifyProof(folder) == nil)
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
