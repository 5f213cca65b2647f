package quota

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// script runs Python code in one process, with the folder of verify_draw.py and
// a folder of its own as arguments. Without Python the test is left out.
func script(t *testing.T, code, folder string) string {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	out, err := exec.Command(python, "-c", "import sys\nsys.path.insert(0, sys.argv[1])\nsys.dont_write_bytecode = True\nimport verify_draw\n"+code,
		filepath.Join("..", "examples", "verifydraw"), folder).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// bustedPlan spoils a plan in one to three places, or in none.
func bustedPlan(r *rand.Rand) []byte {
	p := randomPlan(r)
	pool := &p.Pools[r.IntN(len(p.Pools))]
	word := func(good ...string) string {
		return append(good, "", "open", "nonsense", "g1", "-x", "ü", strings.Repeat("x", 65))[r.IntN(len(good)+7)]
	}
	number := func(good ...int64) int64 {
		return append(good, -1, -3, 0, 1, 2, 255, 256, 65536, 65537, 70000, 1<<31-1, 1<<31, 1<<32-1, 1<<32, 1<<40, 1<<40+1)[r.IntN(len(good)+16)]
	}
	reserve := func() *Reserve {
		if len(pool.Reserves) == 0 {
			pool.Reserves = []Reserve{{"g1", 0, Guarantee, ""}}
		}
		return &pool.Reserves[r.IntN(len(pool.Reserves))]
	}
	group := func() *Group { return &p.Groups[r.IntN(3)] }
	text := func(data []byte, old, with string) []byte { return bytes.Replace(data, []byte(old), []byte(with), 1) }
	var late []func([]byte) []byte // changes of the text
	spoil := []func(){
		func() { p.Name = word("a") },
		func() { p.Order = Order(word("open-first", "reserved-first")) },
		func() { p.HouseholdCap = int(number()) },
		func() { p.Limits = []string{word("two"), word("one", "two")} },
		func() { p.Limits = strings.Split(strings.Repeat("a,", r.IntN(3))+"b", ",") },
		func() { p.Ticket = Ticket(word("person", "household")) },
		func() { p.Tiers = int(number()) },
		func() { p.Key = Key(word("lottery", "score", "arrival")) },
		func() { p.Counting = Counting(word("once", "all")) },
		func() { p.Waiting = number() },
		func() { p.SmallestCell = int(number()) },
		func() { p.SmallCells = SmallCells(word("refuse", "merge")) },
		func() { p.Witnesses = int(number(100, 101)) },
		func() { group().Code = word("g4") },
		func() { group().Meaning = Audience(word("public", "auditors")) },
		func() { group().Public = word("one line", "two\nlines", "line\u2028", strings.Repeat("é", 2049)) },
		func() { group().Within = word("g2", "g3") },
		func() { p.Groups = append(p.Groups, *group()) },
		func() {
			for i := range 30 + r.IntN(3) {
				p.Groups = append(p.Groups, Group{Code: fmt.Sprint("more", i), Meaning: ForAuditors})
			}
		},
		func() { pool.ID = word("p1", "x") },
		func() { pool.Parent = word("n", "r1", "p1") },
		func() { pool.Seats = number() },
		func() { pool.Spill = append(pool.Spill, word("n", "r1", pool.ID)) },
		func() { pool.Spill = nil },
		func() {
			if r.IntN(4) == 0 {
				p.Pools = nil
			}
		},
		func() { reserve().Group = word("g2", "g3") },
		func() { reserve().Seats = number() },
		func() { reserve().Kind = Kind(word("guarantee", "set-aside")) },
		func() { reserve().Unfilled = Unfilled(word("keep", "spill")) },
		func() { pool.Reserves = append(pool.Reserves, *reserve()) },
		func() { late = append(late, func(b []byte) []byte { return text(b, "{", "{\n  \"groups\": [],") }) },
		func() {
			late = append(late, func(b []byte) []byte { return text(b, `"tiers"`, `"key": "",`+"\n"+`  "tiers"`) })
		},
		func() {
			late = append(late, func(b []byte) []byte { return text(b, `"name": "test",`, `"ticket": "person",`) })
		},
		func() { late = append(late, func(b []byte) []byte { return text(b, `"tiers": 1,`, `"tiers": 1.0,`) }) },
		func() { late = append(late, func(b []byte) []byte { return text(b, `"tiers": 1,`, `"tiers": true,`) }) },
		func() { late = append(late, func(b []byte) []byte { return text(b, `"g1"`, `"g1" `) }) },
		func() {
			late = append(late, func(b []byte) []byte { return text(b, `"pools": [`, `"pools": null, "x": [`) })
		},
		func() { late = append(late, func(b []byte) []byte { return text(b, `"Name"`, `"name"`) }) },
		func() { late = append(late, func(b []byte) []byte { return append(b, '\n') }) },
		func() {
			late = append(late, func(b []byte) []byte {
				return text(b, "\"id\": \"n\",\n      \"seats\"", "\"seats\": 0,\n      \"id\"")
			})
		},
	}
	for range r.IntN(4) {
		spoil[r.IntN(len(spoil))]()
	}
	data, err := p.Encode()
	if err != nil {
		panic(err)
	}
	for _, change := range late {
		data = change(data)
	}
	return data
}

// The script takes the plans that the library takes, in their canonical form,
// and no others.
func TestPythonReadsPlansByTheSameRules(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	r := rand.New(rand.NewPCG(8, 1))
	dir, want := t.TempDir(), &strings.Builder{}
	good, bad := 0, 0
	for i := range 4000 {
		data := bustedPlan(r)
		folder := filepath.Join(dir, fmt.Sprint(i))
		require.NoError(t, os.Mkdir(folder, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(folder, PlanFile), data, 0o600))
		p, err := ParsePlan(data)
		if err == nil {
			again, _ := p.Encode()
			if bytes.Equal(again, data) {
				good++
				fmt.Fprintln(want, i, "taken")
				continue
			}
		}
		bad++
		fmt.Fprintln(want, i, "refused")
	}
	got := script(t, `
for i in range(4000):
    try:
        verify_draw.read_plan("%s/%d" % (sys.argv[2], i))
        print(i, "taken")
    except verify_draw.Difference as e:
        print(i, "refused")
`, dir)
	wants, gots := strings.Split(want.String(), "\n"), strings.Split(got, "\n")
	require.Len(t, gots, len(wants))
	for i := range wants {
		if wants[i] != gots[i] {
			data, _ := os.ReadFile(filepath.Join(dir, fmt.Sprint(i), PlanFile))
			_, err := ParsePlan(data)
			t.Fatalf("the library: %s, the script: %s\n%v\n%s", wants[i], gots[i], err, data)
		}
	}
	require.Greater(t, good, 500)
	require.Greater(t, bad, 1000)
}

// The script offers a seat that comes back in the order in which Promote does.
func TestPythonPromotesInTheSameOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 2))
	offered, reserved := 0, 0
	for range 12 {
		p := randomPlan(r)
		p.Waiting = 1 + r.Int64N(4)
		proof := randomProof(t, r, p, 20+r.IntN(60))
		dir := t.TempDir()
		for name, f := range proofFiles(t, proof) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), f.Data, 0o600))
		}
		want := &strings.Builder{}
		for pool := range p.Pools {
			for group := int8(-1); int(group) < len(p.Groups); group++ {
				gone := map[int]bool{}
				none := Holders{Household: func(uint32) int { return 0 }, Gone: func(at int) bool { return gone[at] }}
				for {
					at, ok := proof.Result.Promote(Vacancy{int32(pool), group}, none)
					if !ok {
						break
					}
					gone[at] = true
					offered++
					if proof.Result.Outcome(at).Reason == WaitingReserve {
						reserved++
						require.GreaterOrEqual(t, group, int8(0))
					}
					fmt.Fprintln(want, p.Pools[pool].ID, p.seat(group), proof.Roll.candidates[at].Label)
				}
			}
		}
		require.Equal(t, want.String(), script(t, `
selection = verify_draw.verify(sys.argv[2])[-1]
for pool in selection.pools:
    for seat in ["open"] + [g["code"] for g in selection.plan["groups"]]:
        for person in selection.next(pool["id"], seat):
            print(pool["id"], seat, person["label"])
`, dir))
	}
	require.Greater(t, offered, 200)
	require.Positive(t, reserved)
}
