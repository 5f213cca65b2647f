package main

import (
	"bytes"
	"crypto/sha256"
	"sort"
	"strings"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/quota"
)

// tree is the Merkle tree of RFC 6962 over the lines of a file, all its levels kept: a
// person's path is read off, however many ask.
type tree struct {
	lines  []string
	levels [][][32]byte
}

// newTree makes the tree over the lines of a TSV file, without its header.
func newTree(file []byte) *tree {
	lines := strings.Split(strings.TrimSuffix(string(file), "\n"), "\n")[1:]
	t := &tree{lines: lines}
	level := make([][32]byte, len(lines))
	for i, line := range lines {
		level[i] = sha256.Sum256(append([]byte{0}, line...))
	}
	for t.levels = append(t.levels, level); len(level) > 1; t.levels = append(t.levels, level) {
		next := make([][32]byte, 0, (len(level)+1)/2)
		for i := 0; i+1 < len(level); i += 2 {
			next = append(next, sha256.Sum256(bytes.Join([][]byte{{1}, level[i][:], level[i+1][:]}, nil)))
		}
		if len(level)%2 == 1 {
			next = append(next, level[len(level)-1])
		}
		level = next
	}
	return t
}

// path is the audit path of line i, section 2.1.1.
func (t *tree) path(i int) []quota.Digest {
	path := []quota.Digest{}
	for _, level := range t.levels[:len(t.levels)-1] {
		if sibling := i ^ 1; sibling < len(level) {
			path = append(path, level[sibling])
		}
		i /= 2
	}
	return path
}

// personProofOf shows one line of the roll and of the result. The error is ErrNotFound for a label that is
// not on the roll.
func personProofOf(f *proofFiles, label quota.Label) (*quota.PersonProof, error) {
	text := label.String()
	at := sort.Search(len(f.roll.lines), func(i int) bool { return f.roll.lines[i] >= text })
	if at == len(f.roll.lines) || !strings.HasPrefix(f.roll.lines[at], text+"\t") {
		return nil, program.ErrNotFound
	}
	return &quota.PersonProof{At: at, Roll: f.roll.lines[at], Result: f.result.lines[at], RollPath: f.roll.path(at), ResultPath: f.result.path(at)}, nil
}
