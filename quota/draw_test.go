package quota

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"math/bits"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
)

// The example of draft-thomson-elegy-vrs-00, as given there.
func TestKeysOfTheDraft(t *testing.T) {
	code, _ := hex.DecodeString("5346f2efb5397a6788fc1f1d9c05c6d3f2abe9b7d16d8592a3695b6dbe9f2456")
	keys := NewKeys(code, []byte("1.2.3.4.5.6./1.2.3.4.5.6./1.2.3.4.5.6./"))
	for label, want := range map[string]string{
		"lavenderblush": "002ed527ae0a44a86c205d1cdba", "blue": "03f710be2b61a6f9c3f89aa5ab5",
		"darkgoldenrod": "08bab81380d7f0769cecf9969a8", "lightpink": "13a07cc9abf3b737e49a62b0634",
	} {
		key := keys.Key([]byte(label))
		require.True(t, strings.HasPrefix(hex.EncodeToString(key[:]), want), label)
	}
	require.Zero(t, testing.AllocsPerRun(100, func() { keys.Key([]byte("blue")) }))
}

// The key string of RFC 3797, section 6.
func TestNumbersAsInRFC3797(t *testing.T) {
	drawers := []Drawer{
		{Name: "a", Count: 1, High: 9999}, {Name: "b", Count: 5, High: 99}, {Name: "c", Count: 6, High: 99},
	}
	who := []string{"notary"}
	seed := Seed{Witnessed: []Reading{{[]uint32{9319}, who}, {[]uint32{2, 5, 12, 8, 10}, who}, {[]uint32{9, 18, 26, 34, 41, 45}, who}}}
	text, err := seed.numbers(drawers)
	require.NoError(t, err)
	require.Equal(t, "9319./2.5.8.10.12./9.18.26.34.41.45./", string(text))
}

func randomPlan(r *rand.Rand) *Plan {
	p := &Plan{
		Name: "test", Order: []Order{OpenFirst, ReservedFirst}[r.IntN(2)], Ticket: []Ticket{PerPerson, PerHousehold}[r.IntN(2)],
		HouseholdCap: r.IntN(3), Tiers: 1 + r.IntN(2), Waiting: r.Int64N(4),
		Groups: []Group{{"g1", ForAuditors, ""}, {"g2", ForPublic, "second"}, {"g3", ForAuditors, ""}},
	}
	ids := []string{"n", "p1", "p2", "r1", "r2", "r3"}
	parents := []string{"", "n", "n", "p1", "p1", "p2"}
	for i, id := range ids {
		pool := Pool{ID: id, Parent: parents[i], Seats: r.Int64N(9)}
		left := pool.Seats
		for _, other := range r.Perm(len(ids))[:r.IntN(3)] {
			if other != i {
				pool.Spill = append(pool.Spill, ids[other])
			}
		}
		for _, g := range r.Perm(3)[:r.IntN(4)] {
			n := Reserve{Group: p.Groups[g].Code, Seats: r.Int64N(left + 1), Kind: Guarantee}
			left -= n.Seats
			if r.IntN(2) == 0 {
				n.Kind, n.Unfilled = SetAside, []Unfilled{Keep, ToOpen, ToSpill}[r.IntN(3)]
				if n.Unfilled == ToSpill && len(pool.Spill) == 0 {
					n.Unfilled = ToOpen
				}
			}
			pool.Reserves = append(pool.Reserves, n)
		}
		p.Pools = append(p.Pools, pool)
	}
	return p
}

func randomCandidates(r *rand.Rand, p *Plan, n int) []Candidate {
	cs := make([]Candidate, n)
	for i := range cs {
		c := &cs[i]
		for k := range c.Label {
			c.Label[k] = byte(r.Uint32())
		}
		c.Commitment[0] = byte(i)
		c.Pool, c.Tier = int32(r.IntN(len(p.Pools))), uint16(r.IntN(p.Tiers))
		if len(p.Groups) > 0 {
			c.Groups = r.Uint32() & r.Uint32() & (1<<len(p.Groups) - 1)
		}
		if c.Household = uint32(r.IntN(n)); c.Household%7 == 1 {
			c.Held = 1
		}
	}
	return cs
}

func randomProof(t testing.TB, r *rand.Rand, p *Plan, n int) *Proof {
	require.NoError(t, p.Validate())
	roll, err := NewRoll(p, randomCandidates(r, p, n))
	require.NoError(t, err)
	m := Manifest{
		Program: "prakerja", Wave: "4", Number: 1, Frozen: time.Date(2020, 8, 12, 17, 0, 0, 0, time.UTC),
		Source: Source{Beacon: &Beacon{"drand", "52db9ba7", 1000}},
	}
	seed := &Seed{Beacon: fmt.Sprintf("%032x%032x", r.Uint64(), r.Uint64())}
	if r.IntN(2) == 0 {
		m.Source = Source{Witnessed: []Drawer{{"dice", 60, 1, 6, true, 150}, {"lotto", 6, 1, 49, false, 23}}}
		dice := Reading{Witnesses: []string{"notary"}}
		for range 60 {
			dice.Numbers = append(dice.Numbers, 1+r.Uint32N(6))
		}
		seed = &Seed{Witnessed: []Reading{dice, {[]uint32{44, 5, 8, 1, 19, 30}, []string{"notary"}}}}
	}
	manifest, err := Freeze(p, roll, m)
	require.NoError(t, err)
	seed.Manifest, err = manifest.Digest()
	require.NoError(t, err)
	result, err := Draw(p, roll, manifest, seed)
	require.NoError(t, err)
	return &Proof{p, roll, manifest, seed, result}
}

type memoryFile struct {
	bytes.Buffer
	done func([]byte)
}

func (f *memoryFile) Close() error { f.done(f.Bytes()); return nil }

func proofFiles(t testing.TB, p *Proof) fstest.MapFS {
	files := fstest.MapFS{}
	require.NoError(t, WriteProof(func(name string) (io.WriteCloser, error) {
		return &memoryFile{done: func(b []byte) { files[name] = &fstest.MapFile{Data: b} }}, nil
	}, p))
	return files
}

// One changed byte of any file is refused, and the file is named.
func TestProofRefusesAnyChangedByte(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	files := proofFiles(t, randomProof(t, r, randomPlan(r), 8))
	require.NoError(t, VerifyProof(files))
	for name, file := range files {
		for i := range file.Data {
			file.Data[i] ^= 1
			require.Error(t, VerifyProof(files), "%s byte %d", name, i)
			file.Data[i] ^= 1
		}
		whole := file.Data
		file.Data = append(slices.Clone(whole), '\n')
		require.Error(t, VerifyProof(files), name)
		file.Data = whole[:len(whole)-1]
		require.Error(t, VerifyProof(files), name)
		file.Data = whole
	}
	require.NoError(t, VerifyProof(files))
	files[ResultFile].Data[len(files[ResultFile].Data)-2] ^= 1
	var e *ProofError
	require.ErrorAs(t, VerifyProof(files), &e)
	require.Equal(t, ResultFile, e.File)
	require.Equal(t, 10, e.Line)
}

// The Python script, which shares no code, agrees with the library.
func TestPythonAgrees(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	r := rand.New(rand.NewPCG(2, 2))
	script := filepath.Join("..", "examples", "verifydraw", "verify_draw.py")
	for k := range 12 {
		dir := t.TempDir()
		files := proofFiles(t, randomProof(t, r, randomPlan(r), r.IntN(80)))
		require.NoError(t, VerifyProof(files))
		for name, f := range files {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), f.Data, 0o600))
		}
		out, err := exec.Command(python, script, dir).CombinedOutput()
		require.NoError(t, err, "%d %s", k, out)
		name := []string{PlanFile, RollFile, ManifestFile, SeedFile, ResultFile, MovesFile}[k%6]
		changed := slices.Clone(files[name].Data)
		changed[r.IntN(len(changed))] ^= 1
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), changed, 0o600))
		out, err = exec.Command(python, script, dir).CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), "REFUSED")
	}
}

// Shuffling the roll changes nothing; seats add up; households keep their cap.
func TestDrawInvariants(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 300 {
		p := randomPlan(r)
		proof := randomProof(t, r, p, r.IntN(60))
		shuffled := slices.Clone(proof.Roll.candidates)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		roll, err := NewRoll(p, shuffled)
		require.NoError(t, err)
		again, err := Draw(p, roll, proof.Manifest, proof.Seed)
		require.NoError(t, err)
		require.Equal(t, proof.Result, again)

		var seats, unfilled int64
		for i := range p.Pools {
			seats += p.Pools[i].Seats
			unfilled += again.Unfilled[i]
		}
		require.Equal(t, seats, again.Accepted()+unfilled)
		count := map[uint32]int{}
		for i, o := range again.Outcomes {
			c := roll.candidates[i]
			if !o.Accepted() {
				continue
			}
			count[c.Household]++
			if p.HouseholdCap > 0 && c.Household > 0 {
				require.LessOrEqual(t, count[c.Household]+int(c.Held), p.HouseholdCap)
			}
			if o.Group >= 0 {
				require.Equal(t, uint32(1), c.Groups>>o.Group&1)
			}
		}
	}
}

// Removing one person moves no other: with the same keys, the order of all
// others is the same.
func TestRemovalMovesNobody(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	p := randomPlan(r)
	cs := randomCandidates(r, p, 50)
	keys := NewKeys([]byte("salt"), []byte("seed"))
	order := rank(cs, p.Ticket, keys)
	without := rank(cs[1:], p.Ticket, keys)
	order = slices.DeleteFunc(order, func(i uint32) bool { return i == 0 })
	for i := range without {
		require.Equal(t, order[i], without[i]+1)
	}
}

// Guarantees: the accepted set is the lexicographically best of those that
// fill the most guarantees, by trying all subsets.
func TestGuaranteesEqualBruteForce(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 300 {
		p := &Plan{Name: "g", Ticket: PerPerson, Tiers: 1, Groups: []Group{{"a", ForAuditors, ""}, {"b", ForAuditors, ""}, {"c", ForAuditors, ""}}}
		pool := Pool{ID: "x"}
		for _, g := range p.Groups {
			n := r.Int64N(3)
			pool.Reserves = append(pool.Reserves, Reserve{Group: g.Code, Seats: n, Kind: Guarantee})
			pool.Seats += n
		}
		pool.Seats += r.Int64N(3)
		p.Pools = []Pool{pool}
		cs := randomCandidates(r, p, 1+r.IntN(8))
		for i := range cs {
			cs[i].Groups, cs[i].Household, cs[i].Held = r.Uint32N(8), 0, 0
		}
		roll, err := NewRoll(p, cs)
		require.NoError(t, err)
		res := Select(p, roll, NewKeys(nil, []byte{1}))
		var got uint32
		groups := make([]uint32, len(cs)) // by rank
		for i, o := range res.Outcomes {
			groups[o.Rank-1] = roll.candidates[i].Groups
			if o.Accepted() {
				got |= 1 << (o.Rank - 1)
			}
		}
		require.Equal(t, bruteForce(pool, groups), got)
	}
}

// bruteForce tries every choice of as many candidates as fit, prefers more
// filled guarantees, and then the choice that is better by rank.
func bruteForce(pool Pool, groups []uint32) uint32 {
	size := min(int(pool.Seats), len(groups))
	best, filled := uint32(0), -1
	for set := uint32(0); set < 1<<len(groups); set++ {
		if bits.OnesCount32(set) != size {
			continue
		}
		room := []int64{pool.Reserves[0].Seats, pool.Reserves[1].Seats, pool.Reserves[2].Seats}
		n := most(set, groups, room)
		// Better by rank: the first difference is theirs, so the reversed bits are greater.
		if n > filled || n == filled && bits.Reverse32(set) > bits.Reverse32(best) {
			best, filled = set, n
		}
	}
	return best
}

func most(set uint32, groups []uint32, room []int64) int {
	if set == 0 {
		return 0
	}
	i := bits.TrailingZeros32(set)
	best := most(set&(set-1), groups, room)
	for g := range room {
		if groups[i]>>g&1 == 1 && room[g] > 0 {
			room[g]--
			best = max(best, 1+most(set&(set-1), groups, room))
			room[g]++
		}
	}
	return best
}

func million(b *testing.B) (*Plan, *Roll) {
	shares := regencies(b)
	p := &Plan{Name: "m", Ticket: PerPerson, Tiers: 1, HouseholdCap: 2, Order: OpenFirst, Groups: []Group{{"a", ForAuditors, ""}}}
	p.Pools = append(p.Pools, Pool{ID: "ID"})
	for _, s := range shares {
		p.Pools = append(p.Pools, Pool{ID: s.Key, Parent: "ID", Seats: 1556, Spill: []string{"ID"},
			Reserves: []Reserve{{"a", 1200, SetAside, ToOpen}}})
	}
	roll, err := NewRoll(p, randomCandidates(rand.New(rand.NewPCG(1, 9)), p, 1_000_000))
	require.NoError(b, err)
	return p, roll
}

func BenchmarkDraw1M(b *testing.B) {
	p, roll := million(b)
	keys := NewKeys([]byte("salt"), []byte("seed"))
	b.ReportAllocs()
	for b.Loop() {
		Select(p, roll, keys)
	}
}

func BenchmarkKeysOnly1M(b *testing.B) {
	p, roll := million(b)
	keys := NewKeys([]byte("salt"), []byte("seed"))
	for b.Loop() {
		for i := range roll.candidates {
			keys.of(&roll.candidates[i], p.Ticket)
		}
	}
}
