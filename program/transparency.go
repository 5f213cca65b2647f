package program

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Log is the transparency log over a store's journal: a Merkle tree (RFC 6962) of
// salted commitments to the entries, and checkpoints that it signs. Whoever
// keeps a checkpoint can have it proved later that an entry was there, and that
// nothing before it was changed.
//
// Any number of processes may have a log over one store; one of them seals at a
// time. A Log is safe for use by several goroutines.
type Log struct {
	store    Store
	keys     Keyring
	signer   note.Signer
	verifier note.Verifier
	clock    func() time.Time
	owner    []byte // names this Log in the lease

	mu   sync.Mutex
	seen Checkpoint // the largest checkpoint that was shown to this Log
}

const (
	sealChunk = 4000 // entries that are sealed in one transaction
	sealLease = time.Minute
)

// ErrSealing says that another process is sealing. Try again later: a process
// that died keeps nobody out for longer than a minute.
var ErrSealing = errors.New("program: another process is sealing the journal")

// RollbackError says that the store's log is not what was shown before: it was
// restored from an older copy, or history was written anew. Nothing should go on
// with it. Retrying cannot help.
type RollbackError struct {
	// Shown is the size of the checkpoint that was shown, Stored that of the
	// store's log. If Stored is not the smaller one, the log has other entries.
	Shown, Stored int64
}

func (e *RollbackError) Error() string {
	if e.Stored < e.Shown {
		return fmt.Sprintf("program: a checkpoint of %d entries was shown before, the store's log has %d", e.Shown, e.Stored)
	}
	return fmt.Sprintf("program: the store's log of %d entries does not continue the checkpoint of %d that was shown before", e.Stored, e.Shown)
}

// HistoryError says that the stored history is not as it was written. Retrying
// cannot help.
type HistoryError struct {
	// Seq is the entry of the journal at which it shows.
	Seq int64
	// Rule is "missing" (there is no such entry), "order" (another stands in its
	// place), "changed" (it is not what was sealed) or "hashes" (the log's own
	// hashes do not agree with each other or with its checkpoint).
	Rule string
}

func (e *HistoryError) Error() string {
	return fmt.Sprintf("program: the journal's history is not as it was written: entry %d, %s", e.Seq, e.Rule)
}

// OpenLog returns the log over a store's journal. The signer's name is the log's
// name in checkpoints; the verifier is the signer's (note.GenerateKey makes a
// pair). Keys salt the commitments: they must be those of the engine.
//
// Shown is the last checkpoint that left this log, kept where whoever can write
// the database cannot write: with another agency, in print. It is nil the first
// time only. The log is refused (*RollbackError) if it is older than what was
// shown, or another. Further errors are ErrCheckpoint, for what was shown or
// for what is stored, *HistoryError, and the store's.
func OpenLog(ctx context.Context, store Store, keys Keyring, signer note.Signer, verifier note.Verifier, around Surroundings, shown []byte) (*Log, error) {
	if store == nil || keys == nil || signer == nil || verifier == nil || around.Clock == nil || around.Random == nil {
		return nil, errors.New("program: a log needs a store, a keyring, a signer with its verifier, a clock and randomness")
	}
	if signer.Name() != verifier.Name() || signer.KeyHash() != verifier.KeyHash() {
		return nil, &FieldError{"verifier", "is not the signer's"}
	}
	l := &Log{store: store, keys: keys, signer: signer, verifier: verifier, clock: around.Clock, owner: make([]byte, 16)}
	if _, err := io.ReadFull(around.Random, l.owner); err != nil {
		return nil, fmt.Errorf("program: randomness: %w", err)
	}
	if shown != nil {
		c, err := OpenCheckpoint(shown, verifier)
		if err != nil {
			return nil, fmt.Errorf("shown: %w", err)
		}
		l.seen = c
	}
	_, err := l.head(ctx)
	return l, err
}

// Seal adds the entries that are not in the log yet, and returns the signed
// checkpoint over all of them. Publish it: what nobody outside has seen binds
// nobody. Each chunk of entries is one transaction; a process that dies leaves a
// log that is whole, and the next goes on.
//
// The errors are ErrSealing, *HistoryError if the journal is not what was sealed
// before, *RollbackError if the log is not what this Log has seen before,
// ErrNotFound if the journal is empty, and the store's.
func (l *Log) Seal(ctx context.Context) ([]byte, error) {
	for {
		h, err := l.head(ctx)
		if err != nil {
			return nil, err
		}
		now := l.clock().UTC()
		if h.until.After(now) && !bytes.Equal(h.owner, l.owner) {
			return nil, ErrSealing
		}
		hashes, more, err := l.read(ctx, &h)
		if err != nil {
			return nil, err
		}
		if len(hashes) == 0 {
			return h.signed, h.missing()
		}
		switch won, err := l.write(ctx, &h, hashes, more, now); {
		case err != nil:
			return nil, err
		case won && !more:
			return h.signed, nil
		}
	}
}

// read takes the next chunk of entries into the tree of a head, and returns the
// hashes to store. It reports whether the journal may have more.
func (l *Log) read(ctx context.Context, h *logHead) (hashes []Row, more bool, err error) {
	position := tlog.StoredHashCount(h.size)
	for h.tree.size-h.size < sealChunk {
		last, entries, err := journalAfter(ctx, l.store, h.tree.size)
		if err != nil || len(entries) == 0 {
			return hashes, false, err
		}
		if h.size > 0 && h.tree.size == h.size && leafOf(l.keys, &last) != h.last {
			return nil, false, &HistoryError{h.size, "changed"}
		}
		for i := range entries {
			for _, hash := range h.tree.add(leafOf(l.keys, &entries[i])) {
				hashes = append(hashes, Row{Table: TableLogHashes, Values: []any{position, hash[:]}})
				position++
			}
		}
	}
	rest, err := l.store.Journal(ctx, h.tree.size, 1)
	return hashes, len(rest) > 0, err
}

// write stores a chunk with its signed checkpoint. The version of the head fences
// it: of two that seal at once, one is refused and writes nothing. While there is
// more to seal it keeps the lease, which spares others work in vain.
func (l *Log) write(ctx context.Context, h *logHead, hashes []Row, more bool, now time.Time) (won bool, err error) {
	c := Checkpoint{Origin: l.signer.Name(), Size: h.tree.size, Root: h.tree.root()}
	if h.signed, err = note.Sign(&note.Note{Text: c.text()}, l.signer); err != nil {
		return false, fmt.Errorf("program: sign a checkpoint: %w", err)
	}
	h.owner, h.until = nil, time.Time{}
	if more {
		h.owner, h.until = l.owner, now.Add(sealLease)
	}
	outcomes, err := l.store.Apply(ctx, []Change{{At: now, Rows: append([]Row{h.row()}, hashes...)}})
	if err != nil {
		return false, err
	}
	var stale *StaleError
	if errors.As(outcomes[0].Refusal, &stale) {
		if stale.Row > 0 { // the place of a hash is taken, but the head does not know it
			return false, &HistoryError{h.size + 1, "hashes"}
		}
		return false, nil
	}
	if outcomes[0].Refusal != nil {
		return false, outcomes[0].Refusal
	}
	l.saw(c)
	return true, nil
}

// Checkpoint returns the last signed checkpoint. The error is ErrNotFound if
// nothing is sealed yet, or one that OpenLog gives.
func (l *Log) Checkpoint(ctx context.Context) ([]byte, error) {
	h, err := l.head(ctx)
	if err != nil {
		return nil, err
	}
	return h.signed, h.missing()
}

// Inclusion proves that the entry with a number is in the log at the checkpoint
// of a size. The errors are ErrNotFound if there is no such entry in it,
// *HistoryError if the entry is not what was sealed, and the store's.
func (l *Log) Inclusion(ctx context.Context, seq, size int64) (InclusionProof, error) {
	if err := l.has(ctx, seq, size); err != nil {
		return InclusionProof{}, err
	}
	entries, err := l.store.Journal(ctx, seq-1, 1)
	if err != nil {
		return InclusionProof{}, err
	}
	if len(entries) == 0 || entries[0].Seq != seq {
		return InclusionProof{}, &HistoryError{seq, "missing"}
	}
	p := InclusionProof{Entry: entries[0], Salt: saltOf(l.keys, digestOf(&entries[0]))}
	reader := hashesIn(ctx, l.store)
	if p.Path, err = tlog.ProveRecord(size, seq-1, reader); err != nil {
		return InclusionProof{}, err
	}
	root, err := tlog.TreeHash(size, reader)
	if err != nil {
		return InclusionProof{}, err
	}
	if (Checkpoint{Size: size, Root: root}).Includes(p) != nil {
		return InclusionProof{}, &HistoryError{seq, "changed"}
	}
	return p, nil
}

// Consistency proves that the log at one size continues the log at a smaller one
// ([Checkpoint.Continues]). The errors are ErrNotFound if the log has not had
// these sizes, and the store's.
func (l *Log) Consistency(ctx context.Context, old, size int64) (tlog.TreeProof, error) {
	if err := l.has(ctx, old, size); err != nil {
		return nil, err
	}
	return tlog.ProveTree(size, old, hashesIn(ctx, l.store))
}

// has checks 1 <= part <= size <= the size of the log.
func (l *Log) has(ctx context.Context, part, size int64) error {
	h, err := l.head(ctx)
	if err != nil {
		return err
	}
	if part < 1 || part > size || size > h.size {
		return fmt.Errorf("log of %d entries: %d in %d: %w", h.size, part, size, ErrNotFound)
	}
	return nil
}

// Lag says how far the log is behind the journal.
func (l *Log) Lag(ctx context.Context) (Lag, error) {
	h, err := l.head(ctx)
	if err != nil {
		return Lag{}, err
	}
	return lagBehind(ctx, l.store, h.size)
}

// Verify reads the whole journal and the whole log and compares every entry with
// its leaf, every hash with those below it, and the root with the signed
// checkpoint, which must continue what was shown. It returns every breach, at
// most 1,000. It may run while others write and seal. [Engine.Verify] compares as
// well, but knows no signature.
func (l *Log) Verify(ctx context.Context) ([]Breach, error) {
	var found breaches
	if _, err := l.head(ctx); tampered(err) {
		found.add("journal", "log", "%v", err)
	} else if err != nil {
		return nil, err
	}
	check, err := newLogCheck(ctx, l.store, l.keys, &found)
	if err != nil {
		return nil, err
	}
	err = eachEntry(ctx, l.store, &found, func(e *Entry) error { return check.entry(ctx, e) })
	if err == nil {
		err = check.end(ctx)
	}
	return found, err
}

// tampered tells what was found from what could not be read.
func tampered(err error) bool {
	var rollback *RollbackError
	var history *HistoryError
	return errors.As(err, &rollback) || errors.As(err, &history) || errors.Is(err, ErrCheckpoint)
}

// head reads the log's head and holds it against all that is known: its
// signature, its hashes, and what was shown before.
func (l *Log) head(ctx context.Context) (logHead, error) {
	l.mu.Lock()
	seen := l.seen // before the store is read: what is stored may be newer, never older
	l.mu.Unlock()
	h, err := storedHead(ctx, l.store)
	if err != nil {
		return logHead{}, err
	}
	if h.size < seen.Size {
		return logHead{}, &RollbackError{seen.Size, h.size}
	}
	if h.version == 0 {
		return h, nil
	}
	now, err := OpenCheckpoint(h.signed, l.verifier)
	if err != nil {
		return logHead{}, fmt.Errorf("stored: %w", err)
	}
	if err := h.load(ctx, l.store); err != nil {
		return logHead{}, err
	}
	if seen.Size > 0 && now != seen {
		path, err := tlog.ProveTree(now.Size, seen.Size, hashesIn(ctx, l.store))
		if err != nil {
			return logHead{}, err
		}
		if now.Continues(seen, path) != nil {
			return logHead{}, &RollbackError{seen.Size, h.size}
		}
	}
	l.saw(now)
	return h, nil
}

func (l *Log) saw(c Checkpoint) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.Size > l.seen.Size {
		l.seen = c
	}
}

// logHead is the stored head of a log: its last checkpoint and who is sealing.
type logHead struct {
	size    int64 // 0 if nothing is sealed yet, and the version too
	root    tlog.Hash
	signed  []byte
	owner   []byte
	until   time.Time
	version int64

	tree frontier  // of the sealed entries; sealing grows it
	last tlog.Hash // leaf of the last sealed entry
}

func (h *logHead) row() Row {
	return Row{Table: TableLogHead, Version: h.version, Values: []any{int64(1), h.signed, bytesValue(h.owner), micros(h.until)}}
}

func (h *logHead) missing() error {
	if h.version == 0 {
		return fmt.Errorf("checkpoint: %w", ErrNotFound)
	}
	return nil
}

// storedHead reads the head. It does not know the signature, and not the hashes.
func storedHead(ctx context.Context, store Store) (logHead, error) {
	rows, err := store.Load(ctx, Query{Keys: []Key{{TableLogHead, []any{int64(1)}}}})
	if err != nil || len(rows.Rows) == 0 {
		return logHead{}, err
	}
	v := rows.Rows[0].Values
	h := logHead{signed: bytesOf(v[1]), owner: bytesOf(v[2]), until: moment(v[3]), version: rows.Rows[0].Version}
	text, _, _ := strings.Cut(string(h.signed), "\n\n")
	c, ok := parseCheckpoint(text + "\n")
	if !ok {
		return logHead{}, fmt.Errorf("stored: %w", ErrCheckpoint)
	}
	h.size, h.root = c.Size, c.Root
	return h, nil
}

// load reads the tree of a head from its hashes, which must have the head's root.
func (h *logHead) load(ctx context.Context, store Store) error {
	h.tree.size = h.size
	positions := []int64{tlog.StoredHashIndex(0, h.size-1)}
	var levels []int
	for level := range h.tree.at {
		if h.size>>level&1 == 1 {
			levels = append(levels, level)
			positions = append(positions, tlog.StoredHashIndex(level, h.size>>level-1))
		}
	}
	hashes, err := hashesIn(ctx, store).ReadHashes(positions)
	if err != nil {
		return err
	}
	h.last = hashes[0]
	for i, level := range levels {
		h.tree.at[level] = hashes[i+1]
	}
	if h.tree.root() != h.root {
		return &HistoryError{h.size, "hashes"}
	}
	return nil
}

// frontier is a Merkle tree of which only what can still grow is kept: the
// complete subtree of each level.
type frontier struct {
	size int64
	at   [63]tlog.Hash // at[k] if bit k of the size is set
}

// add appends a leaf and returns the hashes that follow from it, in the order in
// which package tlog stores them.
func (f *frontier) add(leaf tlog.Hash) []tlog.Hash {
	hashes := append(make([]tlog.Hash, 0, 2), leaf)
	level := 0
	for ; f.size>>level&1 == 1; level++ {
		leaf = tlog.NodeHash(f.at[level], leaf)
		hashes = append(hashes, leaf)
	}
	f.at[level] = leaf
	f.size++
	return hashes
}

// root is the root of a tree that is not empty.
func (f *frontier) root() tlog.Hash {
	level := bits.TrailingZeros64(uint64(f.size))
	root := f.at[level]
	for level++; level < len(f.at); level++ {
		if f.size>>level&1 == 1 {
			root = tlog.NodeHash(f.at[level], root)
		}
	}
	return root
}

// hashesIn reads the hashes of a log by their positions.
func hashesIn(ctx context.Context, store Store) tlog.HashReader {
	return tlog.HashReaderFunc(func(positions []int64) ([]tlog.Hash, error) {
		if len(positions) == 0 {
			return nil, nil
		}
		keys := make([]Key, len(positions))
		for i, p := range positions {
			keys[i] = Key{TableLogHashes, []any{p}}
		}
		rows, err := store.Load(ctx, Query{Keys: keys})
		if err != nil {
			return nil, err
		}
		found := make(map[int64]tlog.Hash, len(rows.Rows))
		for _, row := range rows.Rows {
			if hash := bytesOf(row.Values[1]); len(hash) == tlog.HashSize {
				found[intOf(row.Values[0])] = tlog.Hash(hash)
			}
		}
		hashes := make([]tlog.Hash, len(positions))
		for i, p := range positions {
			hash, ok := found[p]
			if !ok {
				level, n := tlog.SplitStoredHashIndex(p)
				return nil, &HistoryError{(n + 1) << level, "hashes"}
			}
			hashes[i] = hash
		}
		return hashes, nil
	})
}

// leafOf is the leaf of an entry in the log.
func leafOf(keys Keyring, e *Entry) tlog.Hash {
	digest := digestOf(e)
	return tlog.RecordHash(commitment(saltOf(keys, digest), digest))
}

// saltOf is an entry's salt. It follows from the entry and a key, so that it need
// not be stored, and an entry that was written twice differently has two.
func saltOf(keys Keyring, digest [32]byte) tlog.Hash {
	return keys.Mark("journal", hex.EncodeToString(digest[:]))
}
