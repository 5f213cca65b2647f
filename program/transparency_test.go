package program_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/memstore"
)

// sealer is what a test's log is opened with.
type sealer struct {
	store  program.Store
	keys   program.Keyring
	signer note.Signer
	public note.Verifier
	now    time.Time
	made   *rand.ChaCha8
}

func newSealer(t testing.TB, store program.Store) *sealer {
	t.Helper()
	s := &sealer{store: store, now: day(30), made: rand.NewChaCha8([32]byte{9})}
	var err error
	s.keys, err = program.NewLocalKeyring(bytes.Repeat([]byte{7}, 32), rand.NewChaCha8([32]byte{2}))
	require.NoError(t, err)
	secret, public, err := note.GenerateKey(rand.NewChaCha8([32]byte{8}), "journal.example.go.id/test")
	require.NoError(t, err)
	s.signer, err = note.NewSigner(secret)
	require.NoError(t, err)
	s.public, err = note.NewVerifier(public)
	require.NoError(t, err)
	return s
}

func (s *sealer) open(t testing.TB, shown []byte) (*program.Log, error) {
	t.Helper()
	around := program.Surroundings{Clock: func() time.Time { return s.now }, Random: s.made}
	return program.OpenLog(t.Context(), s.store, s.keys, s.signer, s.public, around, shown)
}

func (s *sealer) log(t testing.TB) *program.Log {
	t.Helper()
	l, err := s.open(t, nil)
	require.NoError(t, err)
	return l
}

func (s *sealer) seal(t testing.TB, l *program.Log) (program.Checkpoint, []byte) {
	t.Helper()
	signed, err := l.Seal(t.Context())
	require.NoError(t, err)
	c, err := program.OpenCheckpoint(signed, s.public)
	require.NoError(t, err)
	return c, signed
}

func entry(n int) *program.Entry {
	return &program.Entry{At: day(1).Add(time.Duration(n) * time.Second), Actor: fmt.Sprint("officer ", n%7), Kind: "made", Data: fmt.Appendf(nil, `{"n":%d}`, n)}
}

func write(t testing.TB, store program.Store, from, to int) {
	t.Helper()
	var changes []program.Change
	for n := from; n < to; n++ {
		changes = append(changes, program.Change{At: day(1), Entry: entry(n)})
	}
	_, err := store.Apply(t.Context(), changes)
	require.NoError(t, err)
}

// An auditor with two checkpoints and proofs, and nothing else, sees that every
// entry is there and that the log only grew. Nothing else is proved by them.
func TestProofsHoldForAuditors(t *testing.T) {
	store, ctx := memstore.New(), t.Context()
	s := newSealer(t, store)
	l := s.log(t)
	_, err := l.Checkpoint(ctx)
	require.ErrorIs(t, err, program.ErrNotFound)
	_, err = l.Seal(ctx)
	require.ErrorIs(t, err, program.ErrNotFound, "an empty journal has no checkpoint")
	at := map[int64]program.Checkpoint{}
	for n := range 40 {
		write(t, store, n, n+1)
		c, _ := s.seal(t, l)
		require.Equal(t, int64(n+1), c.Size)
		require.Equal(t, "journal.example.go.id/test", c.Origin)
		at[c.Size] = c
	}
	for size, c := range at {
		for seq := int64(1); seq <= size; seq++ {
			p, err := l.Inclusion(ctx, seq, size)
			require.NoError(t, err)
			sent, err := json.Marshal(p)
			require.NoError(t, err)
			var got program.InclusionProof
			require.NoError(t, json.Unmarshal(sent, &got))
			require.NoError(t, c.Includes(got))
			if other, ok := at[size+1]; ok {
				require.ErrorIs(t, other.Includes(got), program.ErrProof, "control: another checkpoint")
			}
			path, err := l.Consistency(ctx, seq, size)
			require.NoError(t, err)
			require.NoError(t, c.Continues(at[seq], path))
			forged := at[seq]
			forged.Root[3] ^= 1
			require.ErrorIs(t, c.Continues(forged, path), program.ErrProof, "control: another history")
		}
	}
	good, err := l.Inclusion(ctx, 17, 40)
	require.NoError(t, err)
	for what, spoil := range map[string]func(p *program.InclusionProof){
		"seq":   func(p *program.InclusionProof) { p.Entry.Seq++ },
		"none":  func(p *program.InclusionProof) { p.Entry.Seq = 0 },
		"at":    func(p *program.InclusionProof) { p.Entry.At = p.Entry.At.Add(time.Microsecond) },
		"actor": func(p *program.InclusionProof) { p.Entry.Actor += " " },
		"kind":  func(p *program.InclusionProof) { p.Entry.Kind += "s" },
		"data":  func(p *program.InclusionProof) { p.Entry.Data = []byte(`{"n":99}`) },
		"moved": func(p *program.InclusionProof) { p.Entry.Actor, p.Entry.Kind = p.Entry.Actor+p.Entry.Kind, "" },
		"salt":  func(p *program.InclusionProof) { p.Salt[0] ^= 1 },
		"path":  func(p *program.InclusionProof) { p.Path = slices.Clone(p.Path)[1:] },
	} {
		p := good
		spoil(&p)
		require.ErrorIs(t, at[40].Includes(p), program.ErrProof, what)
	}
	for _, asked := range [][2]int64{{0, 40}, {41, 41}, {40, 39}, {1, 41}, {-1, 5}} {
		_, err := l.Inclusion(ctx, asked[0], asked[1])
		require.ErrorIs(t, err, program.ErrNotFound, "%v", asked)
		_, err = l.Consistency(ctx, asked[0], asked[1])
		require.ErrorIs(t, err, program.ErrNotFound, "%v", asked)
	}
}

// However the journal is cut into seals, the tree is the one that package tlog
// builds from the leaves in one go.
func TestTheTreeIsThatOfRFC6962(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		store := memstore.New()
		s := newSealer(t, store)
		l := s.log(t)
		var c program.Checkpoint
		for n, end := 0, 1+random.IntN(300); n < end; {
			next := min(end, n+1+random.IntN(90))
			write(t, store, n, next)
			c, _ = s.seal(t, l)
			n = next
		}
		entries, err := store.Journal(t.Context(), 0, 1000)
		require.NoError(t, err)
		var stored []tlog.Hash
		reader := tlog.HashReaderFunc(func(at []int64) (hashes []tlog.Hash, err error) {
			for _, i := range at {
				hashes = append(hashes, stored[i])
			}
			return hashes, nil
		})
		for i, e := range entries {
			hashes, err := tlog.StoredHashes(int64(i), slowRecord(s.keys, e), reader)
			require.NoError(t, err)
			stored = append(stored, hashes...)
		}
		root, err := tlog.TreeHash(int64(len(entries)), reader)
		require.NoError(t, err)
		require.Equal(t, program.Checkpoint{Origin: c.Origin, Size: int64(len(entries)), Root: root}, c)
		rows, _, err := store.Page(t.Context(), program.Scan{Table: program.TableLogHashes, Limit: 1000})
		require.NoError(t, err)
		require.Len(t, rows.Rows, len(stored))
		for i, row := range rows.Rows {
			require.Equal(t, []any{int64(i), stored[i][:]}, row.Values)
		}
	}
}

// slowRecord is the record of an entry as docs/journal.md describes it.
func slowRecord(keys program.Keyring, e program.Entry) []byte {
	var fields strings.Builder
	for _, f := range []string{fmt.Sprint(e.Seq), fmt.Sprint(e.At.UnixMicro()), e.Actor, e.Kind, string(e.Data)} {
		fmt.Fprintf(&fields, "%d:%s,", len(f), f)
	}
	digest := sha256.Sum256([]byte(fields.String()))
	salt := keys.Mark("journal", fmt.Sprintf("%x", digest))
	record := sha256.Sum256(slices.Concat([]byte("gelombang journal 1\n"), salt[:], digest[:]))
	return record[:]
}

// A published leaf cannot be searched: it is another one under another key.
func TestLeavesAreSalted(t *testing.T) {
	store := memstore.New()
	write(t, store, 0, 1)
	s := newSealer(t, store)
	c, _ := s.seal(t, s.log(t))
	entries, err := store.Journal(t.Context(), 0, 1)
	require.NoError(t, err)
	require.Equal(t, tlog.RecordHash(slowRecord(s.keys, entries[0])), c.Root, "control: the right key finds it")
	other, err := program.NewLocalKeyring(bytes.Repeat([]byte{8}, 32), rand.NewChaCha8([32]byte{2}))
	require.NoError(t, err)
	require.NotEqual(t, tlog.RecordHash(slowRecord(other, entries[0])), c.Root)
}

// tampering shows another journal than was written.
type tampering struct {
	*memstore.Store
	tamper func([]program.Entry) []program.Entry
}

func (s *tampering) Journal(ctx context.Context, after int64, limit int) ([]program.Entry, error) {
	entries, err := s.Store.Journal(ctx, 0, 1<<20)
	if s.tamper != nil {
		entries = s.tamper(entries)
	}
	from := min(max(after, 0), int64(len(entries)))
	return entries[from:min(from+int64(limit), int64(len(entries)))], err
}

func tamperings(i int) map[string]func([]program.Entry) []program.Entry {
	type list = []program.Entry
	at := func(change func(e *program.Entry)) func(list) list {
		return func(l list) list { change(&l[i]); return l }
	}
	return map[string]func(list) list{
		"seq":        at(func(e *program.Entry) { e.Seq += 1000 }),
		"seq again":  at(func(e *program.Entry) { e.Seq-- }),
		"time":       at(func(e *program.Entry) { e.At = e.At.Add(time.Microsecond) }),
		"actor":      at(func(e *program.Entry) { e.Actor += "x" }),
		"kind":       at(func(e *program.Entry) { e.Kind = "noted" }),
		"data":       at(func(e *program.Entry) { e.Data = append(e.Data, ' ') }),
		"no data":    at(func(e *program.Entry) { e.Data = nil }),
		"fields":     at(func(e *program.Entry) { e.Actor, e.Kind = "", e.Actor+e.Kind }),
		"deleted":    func(l list) list { return slices.Delete(l, i, i+1) },
		"cut off":    func(l list) list { return l[:i] },
		"doubled":    func(l list) list { return slices.Insert(l, i, l[i]) },
		"reordered":  func(l list) list { j := (i + 1) % len(l); l[i], l[j] = l[j], l[i]; return l },
		"closed gap": func(l list) list { return renumber(slices.Delete(l, i, i+1)) },
		"swapped": func(l list) list {
			j := (i + 1) % len(l)
			l[i], l[j] = l[j], l[i]
			return renumber(l)
		},
		"inserted": func(l list) list { return renumber(slices.Insert(l, i, l[i])) },
	}
}

func renumber(l []program.Entry) []program.Entry {
	for i := range l {
		l[i].Seq = int64(i + 1)
	}
	return l
}

// Whatever is done to an entry of the journal, at any place: the log finds it, and
// so does the engine.
func TestEveryChangeOfHistoryIsFound(t *testing.T) {
	store := &tampering{Store: memstore.New()}
	story := newStory(store)
	require.NoError(t, story.run(t))
	s := newSealer(t, store)
	l := s.log(t)
	c, signed := s.seal(t, l)
	find := func() (log, engine []program.Breach) {
		log, err := l.Verify(t.Context())
		require.NoError(t, err)
		engine, err = story.engine(t).Verify(t.Context())
		if err != nil { // data that cannot be read is found as well
			engine = append(engine, program.Breach{Note: err.Error()})
		}
		return log, engine
	}
	log, engine := find()
	require.Empty(t, log, "control: nothing was changed")
	require.Empty(t, engine)
	written, err := store.Journal(t.Context(), 0, 1<<20)
	require.NoError(t, err)
	require.Len(t, written, int(c.Size))
	for i := 0; i < len(written); i += stride() {
		for what, tamper := range tamperings(i) {
			store.tamper = tamper
			changed, err := store.Journal(t.Context(), 0, 1<<20)
			require.NoError(t, err)
			if len(changed) >= len(written) && reflect.DeepEqual(changed[:len(written)], written) {
				continue // two that are alike were swapped, or one was added behind what is sealed
			}
			log, engine := find()
			require.NotEmpty(t, log, "entry %d: %s", i+1, what)
			require.NotEmpty(t, engine, "entry %d: %s", i+1, what)
			if i >= len(changed) || !reflect.DeepEqual(changed[i], written[i]) {
				_, err := l.Inclusion(t.Context(), int64(i+1), c.Size)
				var history *program.HistoryError
				require.ErrorAs(t, err, &history, "entry %d: %s", i+1, what)
			}
		}
	}
	store.tamper = nil
	_, err = s.open(t, signed)
	require.NoError(t, err)
}

// Sealing reads the last sealed entry again: nobody can go on from a journal that
// was cut off or whose end was changed.
func TestNothingIsSealedOnAChangedJournal(t *testing.T) {
	store := &tampering{Store: memstore.New()}
	write(t, store, 0, 250)
	s := newSealer(t, store)
	l := s.log(t)
	s.seal(t, l)
	write(t, store, 250, 260)
	for what, rule := range map[string]string{"deleted": "order", "cut off": "missing", "data": "changed", "swapped": "changed", "seq": "order"} {
		store.tamper = tamperings(249)[what]
		_, err := l.Seal(t.Context())
		var history *program.HistoryError
		require.ErrorAs(t, err, &history, what)
		require.Equal(t, program.HistoryError{Seq: 250, Rule: rule}, *history, what)
	}
	store.tamper = tamperings(255)["deleted"]
	_, err := l.Seal(t.Context())
	require.Error(t, err, "a gap in what is new is not sealed")
	store.tamper = nil
	c, _ := s.seal(t, l)
	require.Equal(t, int64(260), c.Size, "control: the true journal is")
}

// Whatever is done to the log's own rows is found as well.
func TestEveryChangeOfTheLogIsFound(t *testing.T) {
	ctx := t.Context()
	const size = 21
	count := tlog.StoredHashCount(size)
	for position := range count {
		store := memstore.New()
		write(t, store, 0, size)
		s := newSealer(t, store)
		l := s.log(t)
		s.seal(t, l)
		rows, _, err := store.Page(ctx, program.Scan{Table: program.TableLogHashes, Limit: int(count) + 1})
		require.NoError(t, err)
		row := rows.Rows[position]
		row.Values[1].([]byte)[5] ^= 1
		outcomes, err := store.Apply(ctx, []program.Change{{Rows: []program.Row{row}}})
		require.NoError(t, err)
		require.NoError(t, outcomes[0].Refusal)
		breaches, err := l.Verify(ctx)
		require.NoError(t, err)
		require.NotEmpty(t, breaches, "hash %d", position)
	}
	for what, forge := range map[string]func(string) string{
		"size":      func(s string) string { return strings.Replace(s, "\n21\n", "\n20\n", 1) },
		"name":      func(s string) string { return strings.Replace(s, "/test", "/tess", 1) },
		"signature": func(s string) string { return s[:len(s)-6] + "AAAA=\n"[0:6] },
		"no note":   func(string) string { return "" },
	} {
		store := memstore.New()
		write(t, store, 0, size)
		s := newSealer(t, store)
		l := s.log(t)
		s.seal(t, l)
		rows, err := store.Load(ctx, program.Query{Keys: []program.Key{{Table: program.TableLogHead, Values: []any{int64(1)}}}})
		require.NoError(t, err)
		row := rows.Rows[0]
		row.Values[1] = []byte(forge(string(row.Values[1].([]byte))))
		_, err = store.Apply(ctx, []program.Change{{Rows: []program.Row{row}}})
		require.NoError(t, err)
		breaches, err := l.Verify(ctx)
		require.NoError(t, err)
		require.NotEmpty(t, breaches, what)
		_, err = l.Seal(ctx)
		require.Error(t, err, what)
		_, err = s.open(t, nil)
		require.ErrorIs(t, err, program.ErrCheckpoint, what)
	}
}

// Hashes without a head that knows them are not written over.
func TestAHeadThatWasSetBackIsFound(t *testing.T) {
	store, ctx := memstore.New(), t.Context()
	write(t, store, 0, 10)
	s := newSealer(t, store)
	l := s.log(t)
	_, first := s.seal(t, l)
	write(t, store, 10, 20)
	s.seal(t, l)
	rows, err := store.Load(ctx, program.Query{Keys: []program.Key{{Table: program.TableLogHead, Values: []any{int64(1)}}}})
	require.NoError(t, err)
	rows.Rows[0].Values[1] = first
	_, err = store.Apply(ctx, []program.Change{{Rows: rows.Rows}})
	require.NoError(t, err)
	var rollback *program.RollbackError
	_, err = l.Seal(ctx)
	require.ErrorAs(t, err, &rollback, "who has seen the later checkpoint knows")
	require.Equal(t, program.RollbackError{Shown: 20, Stored: 10}, *rollback)
	blind := s.log(t)
	var history *program.HistoryError
	_, err = blind.Seal(ctx)
	require.ErrorAs(t, err, &history, "who has seen nothing finds the hashes")
	breaches, err := blind.Verify(ctx)
	require.NoError(t, err)
	require.NotEmpty(t, breaches)
}

// A log is opened if it continues the checkpoint that is shown, and no other.
func TestAnOlderLogIsRefused(t *testing.T) {
	store := memstore.New()
	s := newSealer(t, store)
	write(t, store, 0, 30)
	l := s.log(t)
	_, at30 := s.seal(t, l)
	write(t, store, 30, 50)
	_, at50 := s.seal(t, l)
	for _, shown := range [][]byte{nil, at30, at50} {
		_, err := s.open(t, shown)
		require.NoError(t, err, "control: what the log was is accepted")
	}
	for what, c := range map[string]struct {
		restored func() program.Store
		want     program.RollbackError
	}{
		"empty": {func() program.Store { return memstore.New() }, program.RollbackError{Shown: 50}},
		"never sealed": {func() program.Store {
			store := memstore.New()
			write(t, store, 0, 50)
			return store
		}, program.RollbackError{Shown: 50}},
		"older": {func() program.Store {
			store := memstore.New()
			write(t, store, 0, 30)
			s := newSealer(t, store)
			s.seal(t, s.log(t))
			return store
		}, program.RollbackError{Shown: 50, Stored: 30}},
		"another of the same size": {func() program.Store {
			store := memstore.New()
			write(t, store, 1, 51)
			s := newSealer(t, store)
			s.seal(t, s.log(t))
			return store
		}, program.RollbackError{Shown: 50, Stored: 50}},
		"another that is longer": {func() program.Store {
			store := memstore.New()
			write(t, store, 1, 90)
			s := newSealer(t, store)
			s.seal(t, s.log(t))
			return store
		}, program.RollbackError{Shown: 50, Stored: 89}},
	} {
		s := newSealer(t, c.restored())
		_, err := s.open(t, at50)
		var rollback *program.RollbackError
		require.ErrorAs(t, err, &rollback, what)
		require.Equal(t, c.want, *rollback, what)
		_, err = s.open(t, nil)
		require.NoError(t, err, "control: nothing was shown")
	}
	_, err := s.open(t, append(slices.Clone(at50[:len(at50)-6]), "AAAA=\n"...))
	require.ErrorIs(t, err, program.ErrCheckpoint)
	_, other, err := note.GenerateKey(rand.NewChaCha8([32]byte{1}), "journal.example.go.id/test")
	require.NoError(t, err)
	wrong, err := note.NewVerifier(other)
	require.NoError(t, err)
	_, err = program.OpenCheckpoint(at50, wrong)
	require.ErrorIs(t, err, program.ErrCheckpoint)
	s.public = wrong
	_, err = s.open(t, nil)
	var field *program.FieldError
	require.ErrorAs(t, err, &field)
}

// A process that runs while its database is set back to an older copy stops
// sealing.
func TestARunningLogSeesThatItsStoreWasSetBack(t *testing.T) {
	type swap struct{ program.Store }
	older, newer := memstore.New(), memstore.New()
	write(t, older, 0, 10)
	write(t, newer, 0, 20)
	at := newSealer(t, older)
	at.seal(t, at.log(t))
	store := &swap{newer}
	s := newSealer(t, store)
	l := s.log(t)
	s.seal(t, l)
	store.Store = older
	write(t, older, 10, 40)
	_, err := l.Seal(t.Context())
	var rollback *program.RollbackError
	require.ErrorAs(t, err, &rollback)
	store.Store = newer
	s.seal(t, l)
}

// hooked runs something before an Apply, and may answer it with an error, before
// or after it was carried out.
type hooked struct {
	program.Store
	before func() error
	after  func() error
}

func (s *hooked) Apply(ctx context.Context, changes []program.Change) ([]program.Outcome, error) {
	if s.before != nil {
		if err := s.before(); err != nil {
			return nil, err
		}
	}
	outcomes, err := s.Store.Apply(ctx, changes)
	if s.after != nil && err == nil {
		err = s.after()
	}
	return outcomes, err
}

var errCut = errors.New("cut off")

// One seals at a time; a process that died keeps the others out for a minute.
func TestASealersLease(t *testing.T) {
	store := memstore.New()
	write(t, store, 0, 9000)
	calls := 0
	dying := &hooked{Store: store, before: func() error {
		if calls++; calls > 1 {
			return errCut
		}
		return nil
	}}
	first := newSealer(t, dying)
	_, err := first.log(t).Seal(t.Context())
	require.ErrorIs(t, err, errCut)
	second := newSealer(t, store)
	second.made = rand.NewChaCha8([32]byte{99})
	l := second.log(t)
	_, err = l.Seal(t.Context())
	require.ErrorIs(t, err, program.ErrSealing)
	second.now = second.now.Add(time.Minute - time.Microsecond)
	_, err = l.Seal(t.Context())
	require.ErrorIs(t, err, program.ErrSealing)
	second.now = second.now.Add(time.Microsecond)
	c, _ := second.seal(t, l)
	require.Equal(t, int64(9000), c.Size)
	write(t, store, 9000, 9001)
	third := newSealer(t, store)
	third.made = rand.NewChaCha8([32]byte{98})
	c, _ = third.seal(t, third.log(t))
	require.Equal(t, int64(9001), c.Size, "who has finished keeps nobody out")
	breaches, err := l.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, breaches)
}

// A sealer whose lease ran out while it worked writes nothing over: the version
// of the head fences it, and it goes on from where the other ended.
func TestALateSealerIsFenced(t *testing.T) {
	store := memstore.New()
	write(t, store, 0, 9000)
	other := newSealer(t, store)
	other.made = rand.NewChaCha8([32]byte{99})
	other.now = other.now.Add(time.Hour)
	late := &hooked{Store: store}
	calls := 0
	late.before = func() error {
		if calls++; calls == 2 {
			c, _ := other.seal(t, other.log(t))
			require.Equal(t, int64(9000), c.Size)
		}
		return nil
	}
	s := newSealer(t, late)
	l := s.log(t)
	c, _ := s.seal(t, l)
	require.Equal(t, 2, calls, "its second chunk was refused, and no third was needed")
	require.Equal(t, int64(9000), c.Size)
	breaches, err := l.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, breaches)
}

// A process that dies at any write, before or after it, leaves a log that is
// whole.
func TestASealerMayDieAnywhere(t *testing.T) {
	for n := range 3 {
		for _, where := range []string{"before", "after"} {
			store := &hooked{Store: memstore.New()}
			write(t, store, 0, 9000) // three chunks
			s := newSealer(t, store)
			calls := 0
			die := func() error {
				if calls++; calls == n+1 {
					return errCut
				}
				return nil
			}
			if where == "before" {
				store.before = die
			} else {
				store.after = die
			}
			_, err := s.log(t).Seal(t.Context())
			require.ErrorIs(t, err, errCut)
			s.now = s.now.Add(time.Minute)
			l := s.log(t)
			c, _ := s.seal(t, l)
			require.Equal(t, int64(9000), c.Size)
			breaches, err := l.Verify(t.Context())
			require.NoError(t, err)
			require.Empty(t, breaches)
		}
	}
}

// Many seal while others write: every checkpoint that anybody got continues every
// smaller one.
func TestManyMaySeal(t *testing.T) {
	store, ctx := memstore.New(), t.Context()
	s := newSealer(t, store)
	write(t, store, 0, 1)
	var mu sync.Mutex
	all := map[int64]program.Checkpoint{}
	var writing atomic.Bool
	writing.Store(true)
	var sealers, writers sync.WaitGroup
	for n := range 4 {
		mine := newSealer(t, store)
		mine.made = rand.NewChaCha8([32]byte{byte(50 + n)})
		l := mine.log(t)
		sealers.Go(func() {
			for writing.Load() {
				signed, err := l.Seal(ctx)
				if errors.Is(err, program.ErrSealing) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				c, err := program.OpenCheckpoint(signed, mine.public)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if before, ok := all[c.Size]; ok && before != c {
					t.Errorf("two checkpoints of %d", c.Size)
				}
				all[c.Size] = c
				mu.Unlock()
			}
		})
		writers.Go(func() {
			for i := range 60 {
				if _, err := store.Apply(ctx, []program.Change{{At: day(1), Entry: entry(i)}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	watcher := s.log(t)
	sealers.Go(func() { // nothing is found that is only new
		for writing.Load() {
			if breaches, err := watcher.Verify(ctx); err != nil || len(breaches) > 0 {
				t.Error(breaches, err)
				return
			}
		}
	})
	writers.Wait()
	writing.Store(false)
	sealers.Wait()
	l := s.log(t)
	last, _ := s.seal(t, l)
	require.Equal(t, int64(241), last.Size)
	for size, c := range all {
		path, err := l.Consistency(ctx, size, last.Size)
		require.NoError(t, err)
		require.NoError(t, last.Continues(c, path))
	}
	breaches, err := l.Verify(ctx)
	require.NoError(t, err)
	require.Empty(t, breaches)
}

// The bytes of checkpoints and proofs do not change between releases: auditors
// keep them for years.
func TestOldProofsStayGood(t *testing.T) {
	const file = "testdata/transparency.json"
	type golden struct {
		Key        string                 `json:"key"`
		Older      string                 `json:"older"`
		Checkpoint string                 `json:"checkpoint"`
		Grown      tlog.TreeProof         `json:"grown"`
		Proof      program.InclusionProof `json:"proof"`
	}
	if *update {
		store := memstore.New()
		s := newSealer(t, store)
		_, public, err := note.GenerateKey(rand.NewChaCha8([32]byte{8}), "journal.example.go.id/test")
		require.NoError(t, err)
		g := golden{Key: public}
		l := s.log(t)
		write(t, store, 0, 6)
		_, signed := s.seal(t, l)
		g.Older = string(signed)
		write(t, store, 6, 11)
		_, signed = s.seal(t, l)
		g.Checkpoint = string(signed)
		g.Grown, err = l.Consistency(t.Context(), 6, 11)
		require.NoError(t, err)
		g.Proof, err = l.Inclusion(t.Context(), 4, 11)
		require.NoError(t, err)
		data, err := json.MarshalIndent(g, "", "  ")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, append(data, '\n'), 0o644))
	}
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var g golden
	require.NoError(t, json.Unmarshal(data, &g))
	public, err := note.NewVerifier(g.Key)
	require.NoError(t, err)
	older, err := program.OpenCheckpoint([]byte(g.Older), public)
	require.NoError(t, err)
	c, err := program.OpenCheckpoint([]byte(g.Checkpoint), public)
	require.NoError(t, err)
	require.NoError(t, c.Continues(older, g.Grown))
	require.NoError(t, c.Includes(g.Proof))
	store := memstore.New()
	write(t, store, 0, 11)
	s := newSealer(t, store)
	_, now := s.seal(t, s.log(t))
	require.Equal(t, g.Checkpoint, string(now), "the same journal has the same checkpoint today")
}

// anySignature takes every signature: what is fuzzed is what is signed.
type anySignature struct{ name string }

func (v anySignature) Name() string              { return v.name }
func (anySignature) KeyHash() uint32             { return 0x01020304 }
func (anySignature) Verify(msg, sig []byte) bool { return true }

// What is read as a checkpoint is written the same way again.
func FuzzCheckpoint(f *testing.F) {
	root := base64.StdEncoding.EncodeToString(make([]byte, 32))
	f.Add("log\n1\n" + root + "\n")
	f.Add("log\n9223372036854775807\n" + root + "\n")
	f.Add("log\n01\n" + root + "\n")
	f.Add("log\n5\n" + root + "\nextension\n")
	f.Add("log\n-1\n" + root + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		signed := text + "\n— log " + base64.StdEncoding.EncodeToString([]byte{1, 2, 3, 4, 5}) + "\n"
		c, err := program.OpenCheckpoint([]byte(signed), anySignature{"log"})
		if err != nil {
			require.ErrorIs(t, err, program.ErrCheckpoint)
			return
		}
		require.Equal(t, text, fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, c.Root))
		require.Positive(t, c.Size)
	})
}

// No proof that somebody sends makes a checker panic, and none is accepted by
// chance.
func FuzzProofs(f *testing.F) {
	data, err := os.ReadFile("testdata/transparency.json")
	require.NoError(f, err)
	var golden struct {
		Proof json.RawMessage `json:"proof"`
	}
	require.NoError(f, json.Unmarshal(data, &golden))
	f.Add([]byte(golden.Proof), int64(11))
	f.Add([]byte(`{"entry":{"seq":9223372036854775807}}`), int64(9223372036854775807))
	f.Fuzz(func(t *testing.T, sent []byte, size int64) {
		var p program.InclusionProof
		if json.Unmarshal(sent, &p) != nil {
			return
		}
		c := program.Checkpoint{Origin: "log", Size: size, Root: tlog.Hash{1}}
		require.ErrorIs(t, c.Includes(p), program.ErrProof)
		old := program.Checkpoint{Origin: "log", Size: p.Entry.Seq, Root: tlog.Hash{2}}
		require.ErrorIs(t, c.Continues(old, tlog.TreeProof(p.Path)), program.ErrProof)
	})
}
