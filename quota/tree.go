package quota

import (
	"crypto/sha256"
	"math/bits"
)

// tree is the Merkle tree of RFC 6962, section 2.1, over lines without their
// newline. It keeps one digest for each level.
type tree struct {
	n     uint64
	peaks []Digest // of full subtrees, the largest first
	buf   []byte
}

func (t *tree) add(line []byte) {
	t.buf = append(append(t.buf[:0], 0), line...)
	sum := Digest(sha256.Sum256(t.buf))
	for k := t.n; k&1 == 1; k >>= 1 {
		last := len(t.peaks) - 1
		sum = join(t.peaks[last], sum)
		t.peaks = t.peaks[:last]
	}
	t.peaks = append(t.peaks, sum)
	t.n++
}

func (t *tree) root() Digest {
	if t.n == 0 {
		return sha256.Sum256(nil)
	}
	last := len(t.peaks) - 1
	sum := t.peaks[last]
	for last--; last >= 0; last-- {
		sum = join(t.peaks[last], sum)
	}
	return sum
}

func join(left, right Digest) Digest {
	var b [65]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[33:], right[:])
	return sha256.Sum256(b[:])
}

// treePath is the audit path of RFC 6962, section 2.1.1, from the line at the
// given place up to the root of n lines.
func treePath(n, at int, line func(i int) []byte) []Digest {
	if n <= 1 {
		return nil
	}
	k := split(n)
	if at < k {
		return append(treePath(k, at, line), subtree(k, n, line))
	}
	right := func(i int) []byte { return line(k + i) }
	return append(treePath(n-k, at-k, right), subtree(0, k, line))
}

// split is the largest power of two below n.
func split(n int) int { return 1 << (bits.Len(uint(n-1)) - 1) }

func subtree(from, to int, line func(i int) []byte) Digest {
	var t tree
	for i := from; i < to; i++ {
		t.add(line(i))
	}
	return t.root()
}

// treeRoot is the root that a line at a place of n lines has with a path. It
// is not ok where the path is not as long as it must be.
func treeRoot(n, at int, line []byte, path []Digest) (root Digest, ok bool) {
	if at < 0 || at >= n {
		return Digest{}, false
	}
	if n == 1 {
		var t tree
		t.add(line)
		return t.root(), len(path) == 0
	}
	if len(path) == 0 {
		return Digest{}, false
	}
	k, last := split(n), path[len(path)-1]
	if at < k {
		root, ok = treeRoot(k, at, line, path[:len(path)-1])
		return join(root, last), ok
	}
	root, ok = treeRoot(n-k, at-k, line, path[:len(path)-1])
	return join(last, root), ok
}
