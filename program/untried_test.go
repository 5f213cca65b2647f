package program_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/memstore"
)

// listened is a keyring that remembers every digest that it gave, and of what: all that
// somebody with its keys could compute of a right guess.
type listened struct {
	program.Keyring
	mu    sync.Mutex
	given map[[32]byte]string
	bars  map[[32]byte]bool
}

func (h *listened) note(kind, value string, digest [32]byte) [32]byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.given[digest] = value
	h.bars[digest] = kind == "bar"
	return digest
}

func (h *listened) Mark(kind, value string) [32]byte {
	return h.note(kind, value, h.Keyring.Mark(kind, value))
}

func (h *listened) Index(kind, value string) [32]byte {
	return h.note(kind, value, h.Keyring.Index(kind, value))
}

// about lists the digests that follow from values alone, also those of digests.
func (h *listened) about(values []string) [][32]byte {
	var all [][32]byte
	for range 3 {
		for digest, of := range h.given {
			if !slices.Contains(all, digest) && !h.bars[digest] && slices.ContainsFunc(values, func(v string) bool { return speaksOf(of, v) }) {
				all = append(all, digest)
				list, _ := json.Marshal(digest)
				values = append(values, string(list), string(digest[:]), hex.EncodeToString(digest[:]))
			}
		}
	}
	return all
}

// speaksOf reports whether a value has another in it: "family 3" is not in "family 30".
func speaksOf(of, v string) bool {
	_, behind, found := strings.Cut(of, v)
	return found && (behind == "" || behind[0] < '0' || behind[0] > '9')
}

// noted is a store that remembers the keys of commands.
type noted struct {
	program.Store
	keys map[string]bool
}

func (n *noted) Apply(ctx context.Context, changes []program.Change) ([]program.Outcome, error) {
	for _, c := range changes {
		n.keys[c.Key] = true
	}
	return n.Store.Apply(ctx, changes)
}

// dump is everything that the store has.
func (n *noted) dump(t *testing.T) []byte {
	var all bytes.Buffer
	for _, table := range program.Tables() {
		for _, row := range tableRows(t, n.Store, table.ID) {
			for _, v := range row.Values {
				if b, ok := v.([]byte); ok {
					v = string(b)
				}
				fmt.Fprintln(&all, v)
			}
		}
	}
	entries, err := n.Journal(t.Context(), 0, 100_000)
	require.NoError(t, err)
	for _, e := range entries {
		all.Write(e.Data)
	}
	for key := range n.keys {
		first, err := n.Load(t.Context(), program.Query{Command: key})
		require.NoError(t, err)
		all.Write(first.Fingerprint)
		all.Write(first.Answer)
	}
	return all.Bytes()
}

func inDump(dump []byte, digests [][32]byte) (n int) {
	for _, d := range digests {
		if bytes.Contains(dump, d[:16]) || bytes.Contains(dump, []byte(hex.EncodeToString(d[:16]))) {
			n++
		}
	}
	return n
}

// rollRecord is the record that a line of the roll commits to, as anybody writes it who
// guesses right.
func rollRecord(t *testing.T, a *program.Applicant[details], c *program.Application) []byte {
	record, err := json.Marshal(struct {
		Name      string        `json:"name"`
		National  string        `json:"national"`
		Birth     calendar.Date `json:"birth"`
		Pool      string        `json:"pool"`
		Groups    []string      `json:"groups"`
		Tier      int           `json:"tier"`
		Number    uint32        `json:"number"`
		Household string        `json:"household"`
		Held      int64         `json:"held"`
	}{a.Person.Name.Reveal(), a.Person.National.Reveal(), a.Person.Birth, c.Placement.Pool, c.Placement.Groups, c.Placement.Tier, c.Placement.Number, a.Household.String(), 0})
	require.NoError(t, err)
	return record
}

// Whoever has the keys of marks and of the index, and the whole database, can try guesses
// about the living. About somebody who was erased a right guess looks like any other: in
// digests, in fingerprints of commands, and on the roll.
func TestNoGuessCanBeTriedAboutWhoWasErased(t *testing.T) {
	own, err := program.NewLocalKeyring(secret(7), rand.NewChaCha8([32]byte{2}))
	require.NoError(t, err)
	ring := &listened{Keyring: own, given: map[[32]byte]string{}, bars: map[[32]byte]bool{}}
	store := &noted{memstore.New(), map[string]bool{}}
	s := newStory(store)
	s.keys, s.payees.PerAccount = ring, 100
	s.change = func(p *program.Program[details]) {
		withAppeals(p)
		keeps(1)(p)
		p.Sharing = []program.Sharing{{Name: "phone", Of: program.OfPhone, Max: 1}}
	}
	s.until = 1
	require.NoError(t, s.run(t))
	ctx := t.Context()
	key := func(k string) program.By { return program.By{Actor: "officer", Key: k} }
	ada := madePerson(200)
	ada.Person.Phone = identity.NewSecret("0812-ada-first")
	adasID, err := s.engine(t).Register(ctx, key("register ada"), ada)
	require.NoError(t, err)
	s.until = 21
	require.NoError(t, s.run(t))
	e := s.engine(t)
	require.NoError(t, e.Amend(ctx, key("amend ada"), adasID, program.Correction[details]{Reason: "new phone",
		Correct: func(p *program.Person, _ *details) { p.Phone = identity.NewSecret("0812-ada-second") }}))
	evidence := map[string]program.Evidence{"official": {Source: "bkn", Seen: s.now, Value: false}}
	require.NoError(t, e.Observe(ctx, key("observe ada"), adasID, evidence))

	said := map[uuid.UUID]string{}
	ids := everybody(t, store)
	for i, id := range ids {
		says := fmt.Sprint("objection of person ", i)
		switch c, err := e.Application(ctx, 1, id); {
		case err != nil:
		case c.State == "bought":
			require.NoError(t, e.Fire(ctx, key("relink "+id.String()), 1, id, program.Report{Event: "relink",
				Account: &program.Payout{Provider: "BANK", Account: identity.NewSecret(fmt.Sprint("another account ", i))}}))
		case c.State == "out" && s.now.Sub(c.Entered).Hours() < 9*24:
			_, err := e.FileAppeal(ctx, key("appeal "+id.String()), 1, id, says)
			require.NoError(t, err)
			said[id] = says
			require.NoError(t, e.DecideAppeal(ctx, by, 1, id, 1, false, "looked at again"))
		}
	}
	s.until = 0
	require.NoError(t, s.run(t))
	_, err = e.Tick(ctx, by, "silent", 1)
	require.NoError(t, err)

	values := map[uuid.UUID][]string{adasID: {"0812-ada-first"}}
	commitments, records := map[uuid.UUID][32]byte{}, map[uuid.UUID][]byte{}
	for _, row := range tableRows(t, store, program.TableApplications) {
		id := uuid.UUID(row.Values[1].([]byte))
		if sum, placed := row.Values[12].([]byte); placed {
			commitments[id] = [32]byte(sum)
		}
	}
	shares := map[string][]uuid.UUID{}
	for _, id := range ids {
		a, err := e.Applicant(ctx, id)
		require.NoError(t, err)
		p := &a.Person
		shares[p.Family.Reveal()] = append(shares[p.Family.Reveal()], id)
		for _, v := range []string{p.National.Reveal(), p.Phone.Reveal(), p.Payout.Account.Reveal(), said[id]} {
			if v != "" {
				values[id] = append(values[id], v)
			}
		}
		if _, placed := commitments[id]; !placed {
			continue
		}
		c, err := e.Application(ctx, 1, id)
		require.NoError(t, err)
		records[id] = rollRecord(t, &a, &c)
		salt, err := e.RollSalt(ctx, 1, id)
		require.NoError(t, err)
		if sum := sha256.Sum256(append(salt[:], records[id]...)); sum != commitments[id] {
			delete(records, id) // corrected since: the record was another
		}
	}
	require.Greater(t, len(records), 20, "control: with the salt a guess is told right")
	before := store.dump(t)

	s.now = s.now.AddDate(3, 0, 0)
	_, err = e.EraseAll(ctx, by, "erase")
	require.NoError(t, err)
	after := store.dump(t)
	erased, found := 0, 0
	var a program.Applicant[details]
	for _, id := range ids {
		if a, err = e.Applicant(ctx, id); a.State != program.Erased {
			require.NoError(t, err)
			require.Positive(t, inDump(after, ring.about(values[id])), "control: of the living guesses can be tried")
			continue
		}
		erased++
		about := ring.about(values[id])
		found += inDump(before, about)
		require.Zero(t, inDump(after, about), "a guess can be tried")
		if _, err := e.RollSalt(ctx, 1, id); !errors.Is(err, program.ErrNotFound) {
			require.ErrorIs(t, err, program.ErrSealed)
		}
		for digest := range ring.given {
			require.NotEqual(t, commitments[id], sha256.Sum256(append(digest[:], records[id]...)), "a salt that the keyring gives")
		}
	}
	for family, members := range shares {
		if !slices.ContainsFunc(members, func(id uuid.UUID) bool { a, _ := e.Applicant(ctx, id); return a.State != program.Erased }) {
			require.Zero(t, inDump(after, ring.about([]string{family})), "a family can be guessed")
		}
	}
	require.Greater(t, erased, 20)
	require.Greater(t, found, erased, "control: before, guesses could be tried")
	breaches, err := e.Verify(ctx)
	require.NoError(t, err)
	require.Empty(t, breaches)

	// What needs the person's key to be compared says that the person was erased; the rest
	// is answered as before.
	var gone *program.ErasedError
	_, err = e.Register(ctx, key("register ada"), ada)
	require.ErrorAs(t, err, &gone, "not a second registration")
	require.Equal(t, adasID, gone.Applicant)
	require.ErrorAs(t, e.Observe(ctx, key("observe ada"), adasID, evidence), &gone)
	require.NoError(t, e.Amend(ctx, key("amend ada"), adasID, program.Correction[details]{Reason: "new phone"}))
}
