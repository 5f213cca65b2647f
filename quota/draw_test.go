package quota

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
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

// The example of draft-thomson-elegy-vrs-00, appendix B, as given there: both
// lists of keys, and the chain of one-time codes.
func TestKeysOfTheDraft(t *testing.T) {
	ninth, eighth := "5346f2efb5397a6788fc1f1d9c05c6d3f2abe9b7d16d8592a3695b6dbe9f2456", "2f70f884997ce80771adbefbbbc6c71a1b921da71896c25ca0f64966bfd0c8ce"
	for code, list := range map[string][][2]string{
		ninth: {
			{"lavenderblush", "002ed527ae0a44a86c205d1cdba"}, {"blue", "03f710be2b61a6f9c3f89aa5ab5"},
			{"darkgoldenrod", "08bab81380d7f0769cecf9969a8"}, {"mediumvioletred", "0c26494fa81f3aed8a9f66e77b7"},
			{"bisque", "0e1af5d1ccfd44de075cc0bb6d5"}, {"lightpink", "13a07cc9abf3b737e49a62b0634"},
		},
		eighth: {
			{"aqua", "00d1c59a9f1b581060a9e732e91"}, {"darkgray", "02b514b0b1807bfe086db524f40"},
			{"cornflowerblue", "0337add95eac62a356b020a273a"},
		},
	} {
		salt, err := hex.DecodeString(code)
		require.NoError(t, err)
		keys := NewKeys(salt, []byte("1.2.3.4.5.6./1.2.3.4.5.6./1.2.3.4.5.6./"))
		for _, want := range list {
			key := keys.Key([]byte(want[0]))
			require.True(t, strings.HasPrefix(hex.EncodeToString(key[:]), want[1]), want[0])
		}
		require.Zero(t, testing.AllocsPerRun(100, func() { keys.Key([]byte("blue")) }))
	}
	secret := []byte("totally not a bikeshed")
	var chain []string
	for range 10 {
		sum := sha256.Sum256(secret)
		secret = sum[:]
		chain = append(chain, hex.EncodeToString(secret))
	}
	require.Equal(t, []string{eighth, ninth, "950ea08d8d5fd3ae415b9967aba7a48aba39ca62a4d98f2e7fe25cb1b8f8c488"}, chain[7:])
}

// The worked example of RFC 3797, section 6: the key string, and all sixteen
// selections that it prints.
func TestRFC3797(t *testing.T) {
	drawers := []Drawer{
		{Name: "a", Count: 1, High: 9999}, {Name: "b", Count: 5, High: 99}, {Name: "c", Count: 6, High: 99},
	}
	who := []string{"notary"}
	seed := Seed{Witnessed: []Reading{{[]uint32{9319}, who}, {[]uint32{2, 5, 12, 8, 10}, who}, {[]uint32{9, 18, 26, 34, 41, 45}, who}}}
	text, err := seed.numbers(drawers)
	require.NoError(t, err)
	require.Equal(t, "9319./2.5.8.10.12./9.18.26.34.41.45./", string(text))
	picked, err := PickRFC3797(string(text), 25, 16)
	require.NoError(t, err)
	require.Equal(t, []int{17, 7, 2, 16, 25, 23, 8, 24, 19, 13, 22, 5, 18, 9, 1, 4}, picked)
	_, err = PickRFC3797("", 3, 4)
	require.Error(t, err)
}

func randomPlan(r *rand.Rand) *Plan {
	p := &Plan{
		Name: "test", Order: []Order{OpenFirst, ReservedFirst}[r.IntN(2)], Ticket: []Ticket{PerPerson, PerHousehold}[r.IntN(2)],
		HouseholdCap: r.IntN(3), Tiers: 1 + r.IntN(2), Waiting: r.Int64N(4), Counting: []Counting{"", CountOnce, CountAll}[r.IntN(3)],
		Groups: []Group{{Code: "g1", Meaning: ForAuditors}, {Code: "g2", Meaning: ForPublic, Public: "second", Within: "g1"}, {Code: "g3", Meaning: ForAuditors}},
	}
	if p.Counting == CountAll {
		p.Groups[2].Within = "g1" // beside g2: nobody may be in both where both are guaranteed
	}
	if p.Ticket == PerPerson {
		p.Key = []Key{"", Lottery, Score, Arrival}[r.IntN(4)]
	} else {
		p.HouseholdCap = 1 + r.IntN(2)
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
		for g, up := range p.around() {
			if p.Counting == CountAll && g == 2 && c.Groups>>1&1 == 1 {
				c.Groups &^= 1 << g
			}
			if c.Groups>>g&1 == 1 {
				c.Groups |= up
			}
		}
		if p.Key == Score || p.Key == Arrival {
			c.Number = r.Uint32N(9)
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
	var removals []Removal
	if n > 1 && r.IntN(2) == 0 {
		removals = []Removal{{roll.candidates[r.IntN(n)].Label, "found ineligible: age"}}
	}
	result, err := Draw(p, roll, manifest, seed, &DrawOptions{Removals: removals})
	require.NoError(t, err)
	return &Proof{Plan: p, Roll: roll, Manifest: manifest, Seed: seed, Result: result, Removals: removals}
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
	proof := witnessedProof(t, r)
	files := proofFiles(t, proof)
	require.Len(t, files, 9)
	require.NoError(t, VerifyProof(files))
	refused := func(name, what string) {
		var e *ProofError
		require.ErrorAs(t, VerifyProof(files), &e, "%s %s", name, what)
		require.Contains(t, e.Error(), name, what)
	}
	for name, file := range files {
		whole := file.Data
		for i := range whole {
			file.Data = slices.Clone(whole)
			file.Data[i] ^= 1
			refused(name, fmt.Sprint("byte ", i))
		}
		file.Data = append(slices.Clone(whole), '\n')
		refused(name, "one more")
		file.Data = whole[:len(whole)-1]
		refused(name, "one less")
		file.Data = whole
	}
	require.NoError(t, VerifyProof(files))
	files[ResultFile].Data[len(files[ResultFile].Data)-2] ^= 1
	var e *ProofError
	require.ErrorAs(t, VerifyProof(files), &e)
	require.Equal(t, ResultFile, e.File)
	require.Equal(t, 9, e.Line)
}

// A result of DrawStream has no outcomes: no proof is written of it, and it is an
// error and no panic.
func TestAStreamedResultHasNoProof(t *testing.T) {
	p := randomProof(t, rand.New(rand.NewPCG(5, 8)), randomPlan(rand.New(rand.NewPCG(5, 9))), 20)
	var file bytes.Buffer
	_, err := p.Roll.WriteTSV(&file, p.Plan)
	require.NoError(t, err)
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(file.Bytes())), nil }
	streamed := *p
	streamed.Result, err = DrawStream(p.Plan, p.Manifest, p.Seed, open, func(*Candidate, Outcome) error { return nil }, &DrawOptions{Removals: p.Removals})
	require.NoError(t, err)
	var f Faults
	create := func(string) (io.WriteCloser, error) { return nil, io.ErrClosedPipe }
	require.ErrorAs(t, WriteProof(create, &streamed), &f)
	_, err = NewPersonProof(&streamed, p.Roll.candidates[0].Label)
	require.ErrorAs(t, err, &f)
	streamed.Roll = nil
	require.ErrorAs(t, WriteProof(create, &streamed), &f)
	_, ok := streamed.Result.Promote(Vacancy{0, -1}, Holders{})
	require.False(t, ok)
}

// witnessedProof is a small proof with a witness and a removal.
func witnessedProof(t testing.TB, r *rand.Rand) *Proof {
	p := randomPlan(r)
	roll, err := NewRoll(p, randomCandidates(r, p, 8))
	require.NoError(t, err)
	public, private, err := ed25519.GenerateKey(rand.NewChaCha8([32]byte{1}))
	require.NoError(t, err)
	frozen := time.Date(2020, 8, 12, 17, 0, 0, 0, time.UTC)
	code := [32]byte{7}
	commitment := Digest(sha256.Sum256(code[:]))
	m, err := Freeze(p, roll, Manifest{
		Program: "prakerja", Wave: "4", Number: 2, Reason: "the first beacon failed", Frozen: frozen, Due: frozen.Add(time.Hour), Code: &commitment,
		Witnesses: []Witness{{Name: "notary", Key: Digest(public)}}, Source: Source{Beacon: &Beacon{"drand", "52db9ba7", 1000}, Fallback: &Fallback{NotPublished, frozen.Add(2 * time.Hour), Beacon{"drand", "52db9ba7", 2000}}},
	})
	require.NoError(t, err)
	digest, err := m.Digest()
	require.NoError(t, err)
	at := frozen.Add(time.Minute)
	attestation := Attestation{Witness: "notary", Manifest: digest, At: at, Signature: hex.EncodeToString(ed25519.Sign(private, AttestationText(digest, at)))}
	seed := &Seed{Manifest: digest, Beacon: strings.Repeat("ab", 32), Code: hex.EncodeToString(code[:])}
	removals := []Removal{{roll.candidates[3].Label, "found ineligible: age"}}
	result, err := Draw(p, roll, m, seed, &DrawOptions{Removals: removals})
	require.NoError(t, err)
	return &Proof{Plan: p, Roll: roll, Manifest: m, Seed: seed, Result: result, Removals: removals, Attestations: []Attestation{attestation}}
}

// A witness who signed after the seed was due, or another manifest, or with
// another key, is refused; and so is a manifest whose witness did not sign.
func TestWitnesses(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	good := witnessedProof(t, r)
	bothAccept(t, proofFiles(t, good), "witness notary: signed in time with the key "+good.Manifest.Witnesses[0].Key.String())
	for _, change := range map[string]func(*Attestation){
		"late":      func(a *Attestation) { a.At = good.Manifest.Due },
		"early":     func(a *Attestation) { a.At = good.Manifest.Frozen.Add(-time.Second) },
		"other":     func(a *Attestation) { a.Manifest[0] ^= 1 },
		"signature": func(a *Attestation) { a.Signature = strings.Repeat("0", 128) },
		"text":      func(a *Attestation) { a.Signature = "zz" },
		"second":    func(a *Attestation) { a.At = a.At.Add(time.Second) },
		"name":      func(a *Attestation) { a.Witness = "operator" },
	} {
		bad := *good
		bad.Attestations = slices.Clone(good.Attestations)
		change(&bad.Attestations[0])
		bothRefuse(t, proofFiles(t, &bad), WitnessesFile)
	}
	missing := *good
	missing.Attestations = nil
	bothRefuse(t, proofFiles(t, &missing), WitnessesFile)
}

// A second draw of a wave says why; the floor of entropy is enforced; a
// one-time code is the one that was committed to.
func TestManifestRefuses(t *testing.T) {
	good := *witnessedProof(t, rand.New(rand.NewPCG(1, 3))).Manifest
	require.NoError(t, good.Validate())
	for field, change := range map[string]func(*Manifest){
		"reason":           func(m *Manifest) { m.Reason = "" },
		"due":              func(m *Manifest) { m.Due = time.Time{} },
		"number":           func(m *Manifest) { m.Number = 0 },
		"source.witnessed": func(m *Manifest) { m.Source = Source{Witnessed: []Drawer{{"dice", 49, 1, 6, true, 126}}} },
	} {
		m := good
		change(&m)
		var f Faults
		require.ErrorAs(t, m.Validate(), &f)
		require.Equal(t, field, f[0].Field)
	}
	enough := good
	enough.Source = Source{Witnessed: []Drawer{{"dice", 50, 1, 6, true, 129}}}
	require.NoError(t, enough.Validate(), "the control: one die more")
	seed := &Seed{Beacon: strings.Repeat("ab", 32), Code: strings.Repeat("00", 32)}
	var err error
	seed.Manifest, err = good.Digest()
	require.NoError(t, err)
	_, err = good.keys(seed)
	require.ErrorContains(t, err, "seed.code")
}

// The Python script, which shares no code, agrees with the library.
func TestPythonAgrees(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	r := rand.New(rand.NewPCG(2, 2))
	script := filepath.Join("..", "examples", "verifydraw", "verify_draw.py")
	for k := range 18 {
		dir := t.TempDir()
		files := proofFiles(t, randomProof(t, r, randomPlan(r), r.IntN(80)))
		require.NoError(t, VerifyProof(files))
		for name, f := range files {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), f.Data, 0o600))
		}
		out, err := exec.Command(python, script, dir).CombinedOutput()
		require.NoError(t, err, "%d %s", k, out)
		name := []string{PlanFile, RollFile, ManifestFile, SeedFile, ResultFile, MovesFile, RemovalsFile, WitnessesFile, AnnouncementFile}[k%9]
		changed := slices.Clone(files[name].Data)
		changed[r.IntN(len(changed))] ^= 1
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), changed, 0o600))
		out, err = exec.Command(python, script, dir).CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), "REFUSED")
		require.Contains(t, string(out), name)
	}
}

// everyByte runs the script's own main for each byte of each file, changed, and
// prints those that it took, or whose file it did not name.
const everyByte = `
import contextlib, io, os, sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
import verify_draw
folder, tried = sys.argv[2], 0
def run():
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = verify_draw.main([folder])
    return code, out.getvalue()
assert run()[0] == 0, run()[1]
for name in sorted(os.listdir(folder)):
    path = os.path.join(folder, name)
    whole = open(path, "rb").read()
    for at in range(len(whole)):
        open(path, "wb").write(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
        code, out = run()
        tried += 1
        if code != 1 or not out.startswith("REFUSED ") or name not in out:
            print("TAKEN", name, at, out)
    open(path, "wb").write(whole)
print("tried", tried)
`

// Of a proof with a witness, a removal, a fallback and a one-time code the script
// refuses every changed byte of every file, and names the file.
func TestPythonRefusesAnyChangedByte(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	dir, size := t.TempDir(), 0
	for name, f := range proofFiles(t, witnessedProof(t, rand.New(rand.NewPCG(1, 1)))) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), f.Data, 0o600))
		size += len(f.Data)
	}
	out, err := exec.Command(python, "-c", everyByte, filepath.Join("..", "examples", "verifydraw"), dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, fmt.Sprintf("tried %d\n", size), string(out))
}

// Shuffling the roll changes nothing; seats add up; households keep their cap;
// a reserve is filled where it can be.
func TestDrawInvariants(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	left, filled := 0, 0
	defer func() {
		require.Positive(t, left)
		require.Greater(t, filled, 100)
	}()
	for range 300 {
		p := randomPlan(r)
		proof := randomProof(t, r, p, r.IntN(60))
		shuffled := slices.Clone(proof.Roll.candidates)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		roll, err := NewRoll(p, shuffled)
		require.NoError(t, err)
		again, err := Draw(p, roll, proof.Manifest, proof.Seed, &DrawOptions{Removals: proof.Removals})
		require.NoError(t, err)
		same(t, proof.Result, again)

		var seats, unfilled int64
		for i := range p.Pools {
			seats += p.Pools[i].Seats
			unfilled += again.Unfilled[i]
		}
		require.Equal(t, seats, again.Seated+unfilled)
		if p.HouseholdCap == 0 {
			filled += reservesMet(t, p, again)
		}
		count := map[uint32]int{}
		for i, o := range outcomes(again) {
			c := roll.candidates[i]
			if !o.Accepted() && o.Reason != Removed && p.HouseholdCap == 0 {
				for _, m := range again.Moves {
					if m.From == c.Pool && m.Round < 2 {
						left++
						require.False(t, m.Group < 0 || c.Groups>>m.Group&1 == 1, "seats leave a reserve, or a pool, only when all it is for have one")
					}
				}
			}
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

// reservesMet says that in every pool as many guarantees are filled as any choice of
// its people could fill, and that a set-aside has a seat left, in the pool or moved
// out of it, only when all its people have one. It returns how many guarantees were
// filled. It holds where no household cap is.
func reservesMet(t *testing.T, p *Plan, result *Result) (filled int) {
	all := outcomes(result)
	for i := range p.Pools {
		pool, bit := &p.Pools[i], p.groupBits()
		var groups []uint32 // of the pool's people
		guaranteed, members := 0, make([]int64, len(p.Groups))
		seated, drawn := make([]int64, len(p.Groups)), make([]int64, len(p.Groups)) // members; those drawn for a guarantee
		aside := make([]int64, len(p.Groups))
		for at, o := range all {
			c := &result.roll.candidates[at]
			if int(c.Pool) != i || o.Reason == Removed {
				continue
			}
			groups = append(groups, c.Groups)
			if o.Reason == DrawnGuarantee {
				guaranteed++
			}
			if o.Reason == DrawnSetAside {
				aside[o.Group]++
			}
			for g := range p.Groups {
				n := int64(c.Groups >> g & 1)
				members[g] += n
				if o.Accepted() {
					seated[g] += n
				}
				if o.Reason == DrawnGuarantee {
					drawn[g] += n
				}
			}
		}
		var rooms []int64
		var of []int8
		for _, r := range pool.Reserves {
			g := bit[r.Group]
			switch {
			case r.Kind == SetAside:
				if aside[g] < r.Seats {
					require.Equal(t, members[g], seated[g], "a seat of the group is left, and one of it has none")
				}
			case p.Counting == CountAll:
				require.GreaterOrEqual(t, drawn[g], min(r.Seats, members[g]))
				filled += int(min(r.Seats, drawn[g]))
			default:
				rooms, of = append(rooms, r.Seats), append(of, g)
			}
		}
		if p.Counting != CountAll {
			require.Equal(t, matching(groups, of, rooms), guaranteed)
			filled += guaranteed
		}
	}
	return filled
}

// matching is how many people at most can each fill one place of a group of theirs.
func matching(groups []uint32, of []int8, rooms []int64) (size int) {
	holders := make([][]int, len(of))
	var place func(person int, seen []bool) bool
	place = func(person int, seen []bool) bool {
		for k, g := range of {
			if seen[k] || groups[person]>>g&1 == 0 {
				continue
			}
			seen[k] = true
			if int64(len(holders[k])) < rooms[k] {
				holders[k] = append(holders[k], person)
				return true
			}
			for at, other := range holders[k] {
				if place(other, seen) {
					holders[k][at] = person
					return true
				}
			}
		}
		return false
	}
	for person := range groups {
		if place(person, make([]bool, len(of))) {
			size++
		}
	}
	return size
}

// ranks are the places of all candidates in the order of the draw.
func ranks(p *Plan, roll *Roll, keys *Keys) []uint32 {
	d := newOrder(p, roll.candidates, keys, nil)
	var all []entry
	for i := range roll.candidates {
		c := &roll.candidates[i]
		all = append(all, entry{head: d.head(c), household: c.Household})
	}
	return d.sort(all, func(i uint32) Label { return roll.candidates[i].Label })
}

// outcomes are those of all candidates.
func outcomes(r *Result) []Outcome {
	all := make([]Outcome, len(r.roll.candidates))
	for i := range all {
		all[i] = r.Outcome(i)
	}
	return all
}

// same holds two results against each other.
func same(t *testing.T, want, got *Result) {
	require.Equal(t, outcomes(want), outcomes(got))
	require.Equal(t, want.Moves, got.Moves)
	require.Equal(t, want.Unfilled, got.Unfilled)
	require.Equal(t, want.Seated, got.Seated)
}

// Removing one person moves no other: with the same keys, the order of all
// others is the same.
func TestRemovalMovesNobody(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for range 50 {
		p := randomPlan(r)
		roll, err := NewRoll(p, randomCandidates(r, p, 50))
		require.NoError(t, err)
		keys := NewKeys([]byte("salt"), []byte("seed"))
		less, err := NewRoll(p, slices.Clone(roll.candidates[1:]))
		require.NoError(t, err)
		without := ranks(p, less, keys)
		order := slices.DeleteFunc(ranks(p, roll, keys), func(i uint32) bool { return i == 0 })
		for i := range without {
			require.Equal(t, order[i], without[i]+1)
		}
		// And by the draw: removed is the same as never there.
		some := map[Label]bool{roll.candidates[0].Label: true}
		got, err := sel(p, roll, keys, some)
		require.NoError(t, err)
		require.Equal(t, Removed, got.Outcome(0).Reason)
		require.Equal(t, outcomes(Select(p, less, keys)), outcomes(got)[1:])
	}
}

// Limits are a guess, and the result does not depend on it: with limits that
// keep nobody at first, and with no limits, it is the same.
func TestLimitsChangeNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	widened := 0
	for range 300 {
		p := randomPlan(r)
		roll, err := NewRoll(p, randomCandidates(r, p, r.IntN(900)))
		require.NoError(t, err)
		keys := NewKeys(nil, []byte{byte(r.Uint32())})
		draw := func(start func(*cell) int64) *Result {
			d := newOrder(p, roll.candidates, keys, nil)
			d.start = start
			s, err := d.run(roll.scan)
			require.NoError(t, err)
			for i := range d.cells {
				if start != nil && d.cells[i].keep > start(&d.cells[i]) {
					widened++
				}
			}
			result := s.result()
			result.roll, result.draw = roll, s
			return result
		}
		all := draw(func(c *cell) int64 { return c.total })
		same(t, all, draw(nil))
		same(t, all, draw(func(*cell) int64 { return 0 }))
		same(t, all, draw(func(*cell) int64 { return r.Int64N(6) }))
	}
	require.Greater(t, widened, 1000)
}
