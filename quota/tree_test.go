package quota

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The tree of RFC 6962 as its section 2.1 defines it, by recursion.
func plainTree(lines [][]byte) Digest {
	var t tree
	if len(lines) < 2 {
		for _, line := range lines {
			t.add(line)
		}
		return t.root()
	}
	k := 1
	for 2*k < len(lines) {
		k *= 2
	}
	return join(plainTree(lines[:k]), plainTree(lines[k:]))
}

func TestTree(t *testing.T) {
	var empty tree
	root := empty.root()
	require.Equal(t, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", hex.EncodeToString(root[:]))
	var lines [][]byte
	line := func(i int) []byte { return lines[i] }
	for n := range 40 {
		var all tree
		for _, l := range lines {
			all.add(l)
		}
		require.Equal(t, plainTree(lines), all.root(), n)
		for at := range lines {
			path := treePath(n, at, line)
			root, ok := treeRoot(n, at, lines[at], path)
			require.True(t, ok)
			require.Equal(t, all.root(), root, "%d of %d", at, n)
			// Controls: another line, another place, a path too short.
			root, ok = treeRoot(n, at, []byte("other"), path)
			require.False(t, ok && root == all.root())
			root, ok = treeRoot(n, (at+1)%n, lines[at], path)
			require.False(t, n > 1 && ok && root == all.root())
			if len(path) > 0 {
				_, ok = treeRoot(n, at, lines[at], path[1:])
				require.False(t, ok)
			}
		}
		lines = append(lines, fmt.Append(nil, "line ", n))
	}
}

// A person's proof holds for the person's receipt, and for no other.
func TestPersonProof(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	for range 20 {
		proof := randomProof(t, r, randomPlan(r), 1+r.IntN(40))
		files := proofFiles(t, proof)
		a, err := ParseAnnouncement(files[AnnouncementFile].Data)
		require.NoError(t, err)
		at := r.IntN(len(proof.Roll.candidates))
		c := &proof.Roll.candidates[at]
		x, err := NewPersonProof(proof, c.Label)
		require.NoError(t, err)
		data, err := x.Encode()
		require.NoError(t, err)
		x, err = ParsePersonProof(data)
		require.NoError(t, err)
		require.NoError(t, x.Verify(proof.Manifest, a))
		m := proof.Manifest
		good := Receipt{Program: m.Program, Wave: m.Wave, Label: c.Label, Commitment: c.Commitment, Issued: m.Frozen}
		require.NoError(t, x.Holds(m, &good))
		for name, change := range map[string]func(*Receipt){
			"commitment": func(r *Receipt) { r.Commitment = Digest{255} },
			"label":      func(r *Receipt) { r.Label = Label{255} },
			"program":    func(r *Receipt) { r.Program = "another" },
			"wave":       func(r *Receipt) { r.Wave = "5" },
			"late":       func(r *Receipt) { r.Issued = m.Frozen.Add(time.Second) },
		} {
			bad := good
			change(&bad)
			require.Error(t, x.Holds(m, &bad), name)
		}
		due := *m
		due.Due = m.Frozen.Add(time.Hour)
		good.Issued = due.Due.Add(-time.Second)
		require.NoError(t, x.Holds(&due, &good), "after the freeze, and before the seed is due")
		good.Issued = due.Due
		require.Error(t, x.Holds(&due, &good))
		other := *a
		other.Manifest[0] ^= 1
		require.ErrorContains(t, x.Verify(m, &other), "announcement.manifest")
		lie := *x
		lie.Result = lie.Result[:len(lie.Result)-1] + "9"
		require.Equal(t, lie.Result == x.Result, lie.Verify(proof.Manifest, a) == nil)
		_, err = NewPersonProof(proof, Label{1})
		require.Error(t, err)
	}
}

func FuzzPersonProof(f *testing.F) {
	r := rand.New(rand.NewPCG(9, 9))
	proof := randomProof(f, r, randomPlan(r), 9)
	a, err := ParseAnnouncement(proofFiles(f, proof)[AnnouncementFile].Data)
	require.NoError(f, err)
	x, err := NewPersonProof(proof, proof.Roll.candidates[4].Label)
	require.NoError(f, err)
	data, err := x.Encode()
	require.NoError(f, err)
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		y, err := ParsePersonProof(data)
		if err != nil || y.Verify(proof.Manifest, a) != nil {
			return
		}
		// What is taken is a line of the roll and its result, whole.
		require.Less(t, y.At, len(proof.Roll.candidates))
		want, err := NewPersonProof(proof, proof.Roll.candidates[y.At].Label)
		require.NoError(t, err)
		require.Equal(t, want, y)
	})
}
