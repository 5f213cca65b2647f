package program

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// This file is what an auditor needs: no store, no keys but the log's public one.

// Checkpoint says that a log has so many entries, and what they are. Two logs
// with one root have the same entries in the same order.
type Checkpoint struct {
	// Origin names the log. It is the name of the key that signs for it.
	Origin string
	// Size is how many entries of the journal are in the log, 1 or more: those
	// with a Seq from 1 to Size.
	Size int64
	// Root is the root of the Merkle tree over the entries (RFC 6962).
	Root tlog.Hash
}

// ErrCheckpoint says that a text is not a checkpoint that the log's key has
// signed.
var ErrCheckpoint = errors.New("program: not a signed checkpoint of this log")

// ErrProof says that a proof does not show what it should.
var ErrProof = errors.New("program: the proof does not hold")

// OpenCheckpoint reads a signed checkpoint (c2sp.org/tlog-checkpoint in a
// c2sp.org/signed-note) and checks its signature. Signatures of others, such as
// witnesses, may stand beside it. The error is ErrCheckpoint, with what is wrong.
func OpenCheckpoint(signed []byte, log note.Verifier) (Checkpoint, error) {
	n, err := note.Open(signed, note.VerifierList(log))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	c, ok := parseCheckpoint(n.Text)
	if !ok || c.Origin != log.Name() {
		return Checkpoint{}, fmt.Errorf("%w: its text is of another kind or another log", ErrCheckpoint)
	}
	return c, nil
}

// text is the checkpoint as it is signed. Parsing gives it back.
func (c Checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, c.Root)
}

// parseCheckpoint reads the text of a checkpoint. Lines behind the third are
// extensions, which other logs may have: this one has none, and refuses them.
func parseCheckpoint(text string) (Checkpoint, bool) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 {
		return Checkpoint{}, false
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 1 {
		return Checkpoint{}, false
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return Checkpoint{}, false
	}
	c := Checkpoint{Origin: lines[0], Size: size, Root: tlog.Hash(root)}
	return c, c.Origin != "" && c.text() == text
}

// InclusionProof shows to whoever has a checkpoint that an entry is in the log.
// It opens this entry only: no other can be found from it. It can be kept and
// sent as JSON.
type InclusionProof struct {
	Entry Entry     `json:"entry"`
	Salt  tlog.Hash `json:"salt"`
	// Path is the audit path of RFC 6962.
	Path tlog.RecordProof `json:"path"`
}

// Includes checks that the entry of a proof is in the log at this checkpoint. The
// error is ErrProof.
func (c Checkpoint) Includes(p InclusionProof) error {
	leaf := tlog.RecordHash(commitment(p.Salt, digestOf(&p.Entry)))
	if p.Entry.Seq < 1 || tlog.CheckRecord(p.Path, c.Size, c.Root, p.Entry.Seq-1, leaf) != nil {
		return fmt.Errorf("%w: entry %d in a log of %d", ErrProof, p.Entry.Seq, c.Size)
	}
	return nil
}

// Continues checks that the log at this checkpoint is the log at an older one and
// what was added to it: nothing was changed, moved or taken away. The path is
// what [Log.Consistency] gives for the two sizes. The error is ErrProof.
func (c Checkpoint) Continues(old Checkpoint, path tlog.TreeProof) error {
	if c.Origin != old.Origin || tlog.CheckTree(path, c.Size, c.Root, old.Size, old.Root) != nil {
		return fmt.Errorf("%w: from a log of %d to one of %d", ErrProof, old.Size, c.Size)
	}
	return nil
}

// digestOf is the SHA-256 of an entry: its number, its time in microseconds since
// 1970, its actor, kind and data, each as a netstring (length in decimal, colon,
// the bytes, comma).
func digestOf(e *Entry) [32]byte {
	var b []byte
	for _, field := range []string{strconv.FormatInt(e.Seq, 10), strconv.FormatInt(e.At.UnixMicro(), 10), e.Actor, e.Kind, string(e.Data)} {
		b = append(strconv.AppendInt(b, int64(len(field)), 10), ':')
		b = append(append(b, field...), ',')
	}
	return sha256.Sum256(b)
}

// commitment is the record of an entry in the log. It says nothing to whoever
// does not know the salt.
func commitment(salt tlog.Hash, digest [32]byte) []byte {
	b := append([]byte("gelombang journal 1\n"), salt[:]...)
	sum := sha256.Sum256(append(b, digest[:]...))
	return sum[:]
}
