package program_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/program/memstore"
)

func secret(n byte) []byte { return bytes.Repeat([]byte{n}, 32) }

// engineUnder is an engine of the story with other secrets, and a changed program.
func (s *story) engineUnder(t testing.TB, secrets program.Secrets, change func(*program.Program[details])) *program.Engine[details] {
	t.Helper()
	keys, err := secrets.Keyring(rand.NewChaCha8([32]byte{2}))
	require.NoError(t, err)
	p := testProgram()
	if change != nil {
		change(p)
	}
	e, err := program.NewEngine(p, s.store, keys, program.Surroundings{Clock: func() time.Time { return s.now }, Random: s.made}, &program.Options{Chunk: s.chunk, Worker: s.worker})
	require.NoError(t, err)
	return e
}

// tableRows reads a whole table.
func tableRows(t testing.TB, store program.Store, table program.TableID) []program.Row {
	t.Helper()
	rows, next, err := store.Page(t.Context(), program.Scan{Table: table, Limit: 100_000})
	require.NoError(t, err)
	require.Nil(t, next)
	return rows.Rows
}

// everybody lists the ids of all applicants.
func everybody(t testing.TB, store program.Store) []uuid.UUID {
	var ids []uuid.UUID
	for _, row := range tableRows(t, store, program.TableApplicants) {
		ids = append(ids, uuid.UUID(row.Values[0].([]byte)))
	}
	return ids
}

func keeps(years int) func(*program.Program[details]) {
	return func(p *program.Program[details]) {
		basis := eligibility.Article("Law 1", "9")
		p.Retention = program.Retention{Years: years, Basis: basis, Bars: []program.Bar{{Limit: "once", Years: 10, Basis: basis}}}
	}
}

var by = program.By{Actor: "officer"}

// After retention ends everybody at the end of a case is erased: key and digests are gone,
// seats, money and journal still add up, and who had an award cannot register again until
// the bar ends.
func TestErasure(t *testing.T) {
	s := newStory(memstore.New())
	require.NoError(t, s.run(t))
	one := program.Secrets{Master: secret(7)}
	people := map[uuid.UUID]program.Applicant[details]{}
	awarded := map[uuid.UUID]bool{}
	e := s.engineUnder(t, one, keeps(5))
	for _, id := range everybody(t, s.store) {
		a, err := e.Applicant(t.Context(), id)
		require.NoError(t, err)
		people[id] = a
		if c, err := e.Application(t.Context(), 1, id); err == nil {
			awarded[id] = c.SeatState != ""
		}
	}
	early, err := e.EraseAll(t.Context(), by, "too early")
	require.NoError(t, err)
	require.Positive(t, early["kept.retention"])
	require.Positive(t, early["kept.case-open"], "somebody waits for evidence")

	s.now = s.now.AddDate(6, 0, 0)
	counts, err := e.EraseAll(t.Context(), by, "erase")
	require.NoError(t, err)
	require.Equal(t, early["kept.retention"], counts["erased"])
	keys := map[uuid.UUID]bool{}
	for _, row := range tableRows(t, s.store, program.TablePersonKeys) {
		keys[uuid.UUID(row.Values[0].([]byte))] = true
	}
	owners := map[string]bool{}
	for _, row := range tableRows(t, s.store, program.TableIndex) {
		owners[string(row.Values[2].([]byte))] = true
	}
	barred, again := 0, 0
	for id, before := range people {
		a, err := e.Applicant(t.Context(), id)
		require.NoError(t, err)
		if a.State != program.Erased {
			require.True(t, keys[id])
			require.True(t, owners[string(id[:])], "%s can be found no more", id)
			continue
		}
		require.True(t, a.Person.Name.IsZero())
		require.False(t, keys[id], "the key is there")
		require.False(t, owners[string(id[:])], "somebody who was erased can be found")
		decisions, err := e.Decisions(t.Context(), 1, id)
		require.NoError(t, err)
		for _, d := range decisions {
			_, err := e.Redecide(t.Context(), d)
			require.ErrorIs(t, err, program.ErrSealed, "what was decided on can still be read")
			require.NotZero(t, d.Commitment)
		}
		_, err = e.Register(t.Context(), by, program.Registration[details]{Person: before.Person})
		var refused *program.RegistrationError
		if awarded[id] {
			require.ErrorAs(t, err, &refused)
			require.Equal(t, "barred", refused.Rule)
			barred++
		} else {
			require.NoError(t, err)
			again++
		}
	}
	require.Positive(t, barred)
	require.Positive(t, again)
	s.verify(t)
	bars := len(tableRows(t, s.store, program.TableBars))
	require.Equal(t, barred, bars)

	s.now = s.now.AddDate(10, 0, 1)
	dropped, err := e.DropBars(t.Context(), by, "drop")
	require.NoError(t, err)
	require.EqualValues(t, bars, dropped["dropped"])
	for id, before := range people {
		if a, err := e.Applicant(t.Context(), id); err == nil && a.State == program.Erased && awarded[id] {
			_, err := e.Register(t.Context(), by, program.Registration[details]{Person: before.Person})
			require.NoError(t, err, "the bar is over")
			break
		}
	}
}

// Accounts that people were paid to are forgotten with the last of their payees.
func TestAccountsAreForgottenWithTheirPayees(t *testing.T) {
	for _, shared := range []bool{false, true} {
		s := newStory(memstore.New())
		s.payees.PerAccount = 100
		s.change = func(p *program.Program[details]) { p.Retention.Years = 1 }
		s.sharedAccount = shared
		require.NoError(t, s.run(t))
		marks := func() (accounts, pairs int) {
			for _, row := range tableRows(t, s.store, program.TableIndex) {
				switch row.Values[0] {
				case "account":
					accounts++
				case "payee":
					pairs++
				}
			}
			return accounts, pairs
		}
		accounts, pairs := marks()
		require.Positive(t, pairs)
		if shared {
			require.Equal(t, 1, accounts)
		} else {
			require.Equal(t, pairs, accounts)
		}
		s.now = s.now.AddDate(2, 0, 0)
		s.chunk = 2 // several go together, and the last of them alone
		counts, err := s.engine(t).EraseAll(t.Context(), by, "erase")
		require.NoError(t, err)
		require.Positive(t, counts["erased"])
		accounts, pairs = marks()
		require.Zero(t, accounts+pairs)
		s.verify(t)
	}
}

// A household's digest goes with its last member.
func TestAHouseholdIsForgottenWithItsLastMember(t *testing.T) {
	s := newStory(memstore.New())
	s.now = day(1)
	e := s.engineUnder(t, program.Secrets{Master: secret(7)}, nil)
	var ids []uuid.UUID
	for i := range 3 {
		id, err := e.Register(t.Context(), by, madePerson(i)) // one family
		require.NoError(t, err)
		ids = append(ids, id)
	}
	require.Len(t, tableRows(t, s.store, program.TableIndex), 4)
	for i, left := range []int{3, 2, 0} {
		require.NoError(t, e.Erase(t.Context(), program.By{Actor: "officer", Key: fmt.Sprint("erase ", i)}, ids[i]), "nobody has joined: nothing has to be kept")
		require.Len(t, tableRows(t, s.store, program.TableIndex), left)
	}
	require.NoError(t, e.Erase(t.Context(), program.By{Actor: "officer", Key: "erase 2"}, ids[2]), "given again under its key")
	var state *program.StateError
	require.ErrorAs(t, e.Erase(t.Context(), by, ids[2]), &state)
}

// Nobody is erased whose money is on its way, also for what the program does not pay any
// more, nor while nobody can tell whether a case is at its end.
func TestNobodyIsErasedWhileSomethingMayBeOpen(t *testing.T) {
	s := newStory(memstore.New())
	ctx := t.Context()
	s.change = func(p *program.Program[details]) { p.Retention.Years = 1 }
	s.until = 21
	require.NoError(t, s.run(t))
	s.now = time.Date(2020, time.November, 20, 3, 0, 0, 0, time.UTC)
	_, err := s.engine(t).PrepareBatch(ctx, by, program.BatchOrder{Number: 3, Wave: 1, Benefit: "cash", Instalment: 2})
	require.NoError(t, err)
	b, err := s.engine(t).Batch(ctx, 3)
	require.NoError(t, err)
	require.Positive(t, b.Count, "control: payments that nothing became of")
	s.until = 0
	require.NoError(t, s.run(t))
	s.now = s.now.AddDate(3, 0, 0)
	var waits uuid.UUID
	s.change = func(p *program.Program[details]) {
		p.Retention.Years = 1
		p.Benefits[1] = payment.Instalments("cash", 1, payment.Rupiah(600)).Monthly()
	}
	for _, row := range tableRows(t, s.store, program.TablePayments) {
		if row.Values[0] == int64(3) {
			waits = uuid.UUID(row.Values[6].([]byte))
		}
	}
	var kept *program.RetentionError
	require.ErrorAs(t, s.engine(t).Erase(ctx, by, waits), &kept)
	require.Equal(t, "payment-open", kept.Why)

	s.change = func(p *program.Program[details]) {
		p.Retention.Years = 1
		p.Lifecycle.Version = 2
	}
	e := s.engine(t)
	require.ErrorAs(t, e.Erase(ctx, by, waits), &kept)
	require.Equal(t, "edition-unknown", kept.Why)
	var unknown *program.EditionError
	require.ErrorAs(t, kept, &unknown)
	require.ErrorContains(t, kept, "whether a case is at its end cannot be told: program: version 1 of the lifecycle is not among the program's tables")
	require.ErrorAs(t, e.Withdraw(ctx, by, waits), &unknown)
	counts, err := e.EraseAll(ctx, by, "erase")
	require.NoError(t, err)
	require.Positive(t, counts["erased"], "who never joined")
	require.Positive(t, counts["kept.edition-unknown"])
	s.change = nil
	s.verify(t)
}

// meanwhile is a store where something happens just before the next write.
type meanwhile struct {
	program.Store
	happens func()
}

func (m *meanwhile) Apply(ctx context.Context, changes []program.Change) ([]program.Outcome, error) {
	if happens := m.happens; happens != nil {
		m.happens = nil
		happens()
	}
	return m.Store.Apply(ctx, changes)
}

// families counts the digests by which households are found.
func families(t *testing.T, store program.Store) (n int) {
	for _, row := range tableRows(t, store, program.TableIndex) {
		if row.Values[0] == "family" {
			n++
		}
	}
	return n
}

// The digest goes with the last member and not before, whoever comes or goes at the same
// moment, and however: erased, or corrected into another family.
func TestAHouseholdIsForgottenWhateverHappensMeanwhile(t *testing.T) {
	ctx := t.Context()
	moved := program.Correction[details]{Reason: "moved", Correct: func(p *program.Person, _ *details) { p.Family = identity.NewSecret("family 99") }}
	type desk = *program.Engine[details]
	erase := func(e desk, id uuid.UUID) error { return e.Erase(ctx, by, id) }
	amend := func(e desk, id uuid.UUID) error { return e.Amend(ctx, by, id, moved) }
	comes := func(e desk, _ uuid.UUID) error { _, err := e.Register(ctx, by, madePerson(2)); return err }
	comesToo := func(e desk, _ uuid.UUID) error {
		_, err := e.RegisterAll(ctx, by, "late", &some{[]program.Registration[details]{madePerson(2)}})
		return err
	}
	comesTwice := func(e desk, _ uuid.UUID) error {
		two := madePerson(501)
		two.Person.Family = madePerson(0).Person.Family
		counts, err := e.RegisterAll(ctx, by, "late", &some{[]program.Registration[details]{madePerson(2), two}})
		require.Equal(t, int64(2), counts["registered"])
		return err
	}
	for name, c := range map[string]struct {
		members         int
		first, meantime func(desk, uuid.UUID) error
		left            int
	}{
		"both are erased":             {2, erase, erase, 0},
		"one is erased, one moves":    {2, erase, amend, 1},
		"one moves, one is erased":    {2, amend, erase, 1},
		"both move":                   {2, amend, amend, 1},
		"the last moves":              {1, amend, nil, 1},
		"the last goes, somebody new": {1, erase, comes, 1},
		"the last moves, one comes":   {1, amend, comes, 2},
		"one comes, the last goes":    {1, comes, erase, 1},
		"a job brings one":            {1, erase, comesToo, 1},
		"a job brings two":            {1, comesTwice, nil, 1},
		"a job brings one too late":   {1, comesToo, erase, 1},
	} {
		s := newStory(memstore.New())
		s.now = day(1)
		hook := &meanwhile{Store: s.store}
		other := s.engine(t)
		s.store = hook
		e := s.engine(t)
		var ids []uuid.UUID
		for i := range c.members {
			id, err := e.Register(ctx, by, madePerson(i))
			require.NoError(t, err)
			ids = append(ids, id)
		}
		if c.meantime != nil {
			hook.happens = func() { require.NoError(t, c.meantime(other, ids[len(ids)-1]), name) }
		}
		entries := func() int {
			all, err := s.store.Journal(ctx, 0, 1000)
			require.NoError(t, err)
			return len(all)
		}
		written := entries()
		require.NoError(t, c.first(e, ids[0]), name)
		if c.meantime == nil {
			require.Equal(t, written+1, entries(), "%s: in one piece", name)
		}
		require.Nil(t, hook.happens)
		require.Equal(t, c.left, families(t, s.store), name)
		// Who comes now belongs to whoever is there.
		before := map[uuid.UUID]bool{}
		for _, id := range everybody(t, s.store) {
			a, err := e.Applicant(ctx, id)
			require.NoError(t, err)
			if a.State != program.Erased {
				before[a.Household] = true
			}
		}
		require.Len(t, before, c.left, name)
		newcomer := madePerson(500)
		newcomer.Person.Family = madePerson(0).Person.Family
		id, err := e.Register(ctx, by, newcomer)
		require.NoError(t, err)
		a, err := e.Applicant(ctx, id)
		require.NoError(t, err)
		if slices.Contains([]string{"the last goes, somebody new", "the last moves, one comes", "one comes, the last goes", "a job brings two", "a job brings one", "a job brings one too late"}, name) {
			require.True(t, before[a.Household], name)
		} else {
			require.False(t, before[a.Household], name)
		}
	}
}

// some is a source of a few.
type some struct {
	of []program.Registration[details]
}

func (s *some) Next(_ context.Context, done int64, limit int) ([]program.Registration[details], error) {
	return s.of[done:min(len(s.of), int(done)+limit)], nil
}

// While keys are rotated people are found under both, by processes that know the new keys
// and by those that do not yet; at the end nothing is left under the old ones.
func TestKeysAreRotated(t *testing.T) {
	s := newStory(memstore.New())
	s.until = 4
	require.NoError(t, s.run(t))
	old := s.engineUnder(t, program.Secrets{Master: secret(7)}, nil)
	both := s.engineUnder(t, program.Secrets{Master: secret(8), Former: secret(7), Marks: secret(7)}, nil)
	fresh := s.engineUnder(t, program.Secrets{Master: secret(8), Marks: secret(7)}, nil)
	ids := everybody(t, s.store)
	salt, err := old.RollSalt(t.Context(), 1, ids[0])
	require.NoError(t, err)

	registered := func(e *program.Engine[details], i int) string {
		_, err := e.Register(t.Context(), by, program.Registration[details]{Person: madePerson(i).Person})
		if err == nil {
			return "new"
		}
		return err.Error()
	}
	before := "program: registration: National: registered-before"
	require.Equal(t, before, registered(both, 0))
	require.Equal(t, "new", registered(both, 100))
	require.Equal(t, before, registered(old, 100), "a process with the old keys finds who came under the new ones")
	require.Equal(t, "new", registered(old, 101))
	require.Equal(t, before, registered(both, 101))

	var state *program.StateError
	_, err = both.RetireKeys(t.Context(), by, "retire")
	require.ErrorAs(t, err, &state, "the rotation is under way")
	_, err = fresh.RetireKeys(t.Context(), by, "retire")
	require.ErrorAs(t, err, &state, "somebody's key is under the old ones")
	counts, err := both.RotateKeys(t.Context(), by, "rotate")
	require.NoError(t, err)
	require.EqualValues(t, len(ids)+1, counts["rotated"], "all but the one who came under the new keys")

	for _, id := range everybody(t, s.store) {
		_, err := fresh.Applicant(t.Context(), id)
		require.NoError(t, err)
	}
	for _, i := range []int{0, 100, 101} {
		require.Equal(t, before, registered(fresh, i))
	}
	retired, err := fresh.RetireKeys(t.Context(), by, "retire")
	require.NoError(t, err)
	require.Positive(t, retired["retired"])
	for _, row := range tableRows(t, s.store, program.TableIndex) {
		require.NotEqual(t, tableUnder(t, program.Secrets{Master: secret(7)}), row.Values[3])
	}
	require.Equal(t, before, registered(fresh, 100))
	again, err := fresh.RollSalt(t.Context(), 1, ids[0])
	require.NoError(t, err)
	require.Equal(t, salt, again, "what is published does not change")
	counts, _, err = fresh.JobStatus(t.Context(), "join")
	require.NoError(t, err)
	joined, err := fresh.JoinAll(t.Context(), program.By{Actor: "registrar"}, "join", 1, nil)
	require.NoError(t, err, "the job is known under its name as before")
	require.Equal(t, counts, joined)
}

func tableUnder(t *testing.T, s program.Secrets) string {
	keys, err := s.Keyring(rand.NewChaCha8([32]byte{2}))
	require.NoError(t, err)
	return keys.Name()
}

// A decision that was kept can be made again from the facts on which it was made, whatever
// was observed since; what was tampered with, or decided by another policy, is said.
func TestDecisionsAreMadeAgain(t *testing.T) {
	s := newStory(memstore.New())
	s.until = 5
	require.NoError(t, s.run(t))
	e := s.engine(t)
	verdicts := map[eligibility.Verdict]int{}
	var kept []program.Decided
	for _, id := range everybody(t, s.store) {
		// The source says otherwise now.
		require.NoError(t, e.Observe(t.Context(), by, id, map[string]program.Evidence{"official": {Source: "bkn", Seen: s.now, Value: true}}))
		decisions, err := e.Decisions(t.Context(), 1, id)
		require.NoError(t, err)
		for _, d := range decisions {
			again, err := e.Redecide(t.Context(), d)
			require.NoError(t, err)
			verdicts[again.Verdict]++
			require.NotContains(t, string(d.Record), "1990")
		}
		kept = append(kept, decisions...)
	}
	require.Len(t, verdicts, 3, "people of all three kinds: %v", verdicts)
	screened, _, err := e.JobStatus(t.Context(), "screen")
	require.NoError(t, err)
	require.EqualValues(t, screened["done"], len(kept), "each decision was kept")

	swapped := kept[0]
	swapped.Applicant = kept[1].Applicant
	_, err = e.Redecide(t.Context(), swapped)
	require.ErrorIs(t, err, program.ErrSealed)
	lied := kept[0]
	lied.Commitment[0]++
	_, err = e.Redecide(t.Context(), lied)
	require.ErrorIs(t, err, program.ErrSealed)
	forged := kept[0]
	forged.Record = bytes.Replace(forged.Record, []byte(`"verdict":"`), []byte(`"verdict":"not `), 1)
	_, err = e.Redecide(t.Context(), forged)
	require.ErrorIs(t, err, program.ErrDecision)
	other := s.engineUnder(t, program.Secrets{Master: secret(7)}, func(p *program.Program[details]) { p.Policy.Rules = p.Policy.Rules[:2] })
	_, err = other.Redecide(t.Context(), kept[0])
	var policy *program.PolicyError
	require.ErrorAs(t, err, &policy)
}

// A correction keeps what was there before, who changed it and why; nothing of it prints, and
// the person is found under what is right.
func TestCorrections(t *testing.T) {
	s := newStory(memstore.New())
	s.now = day(1)
	e := s.engine(t)
	ani, err := e.Register(t.Context(), by, madePerson(0))
	require.NoError(t, err)
	budi, err := e.Register(t.Context(), by, madePerson(1))
	require.NoError(t, err)
	right := program.By{Actor: "desk", Key: "fix-1"}
	correct := program.Correction[details]{Reason: "as on the card", Correct: func(p *program.Person, d *details) {
		p.National, p.Birth, d.Pool = identity.NewSecret(national(500)), calendar.Of(1991, time.May, 2), "south"
	}}
	require.NoError(t, e.Amend(t.Context(), right, ani, correct))
	require.NoError(t, e.Amend(t.Context(), right, ani, correct), "given again under its key")
	a, err := e.Applicant(t.Context(), ani)
	require.NoError(t, err)
	require.Equal(t, calendar.Of(1991, time.May, 2), a.Person.Birth)
	require.Equal(t, "south", a.Details.Pool)
	all, err := e.Amendments(t.Context(), ani)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, []string{"Details", "Person.Birth", "Person.National"}, all[0].Fields)
	require.Equal(t, national(0), all[0].Old["Person.National"])
	require.Equal(t, national(500), all[0].New["Person.National"])
	require.Equal(t, "desk", all[0].Actor)
	printed, err := json.Marshal(all)
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprintf("%v %+v %#v %s", all[0], all, all, printed), national(0))

	var field *program.FieldError
	require.ErrorAs(t, e.Amend(t.Context(), by, ani, correct), &field, "it changes nothing any more")
	var refused *program.RegistrationError
	require.ErrorAs(t, e.Amend(t.Context(), by, budi, program.Correction[details]{Reason: "r",
		Correct: func(p *program.Person, _ *details) { p.National = identity.NewSecret(national(500)) }}), &refused, "that is somebody else's")
	_, err = e.Register(t.Context(), by, madePerson(0))
	require.NoError(t, err, "the number that was wrong is free")
	require.NoError(t, e.Amend(t.Context(), by, budi, program.Correction[details]{Reason: "moved",
		Correct: func(p *program.Person, _ *details) { p.Family = identity.NewSecret("family 99") }}))
	moved, err := e.Applicant(t.Context(), budi)
	require.NoError(t, err)
	require.NotEqual(t, a.Household, moved.Household)
	entries, err := s.store.Journal(t.Context(), 0, 1000)
	require.NoError(t, err)
	for _, entry := range entries {
		require.NotContains(t, string(entry.Data), national(500))
	}
}

// Who has no open case may withdraw, and come back.
func TestWithdrawal(t *testing.T) {
	s := newStory(memstore.New())
	s.until = 4
	require.NoError(t, s.run(t))
	e := s.engine(t)
	joined, free := 0, 0
	for _, id := range everybody(t, s.store) {
		_, err := e.Application(t.Context(), 1, id)
		leave := e.Withdraw(t.Context(), by, id)
		if err == nil {
			var state *program.StateError
			require.ErrorAs(t, leave, &state, "the case is open")
			joined++
			continue
		}
		require.NoError(t, leave)
		_, err = e.Join(t.Context(), by, 1, id)
		var refused *program.JoinError
		require.ErrorAs(t, err, &refused)
		require.NoError(t, e.Return(t.Context(), by, id))
		_, err = e.Join(t.Context(), by, 1, id)
		require.NoError(t, err)
		free++
	}
	require.Positive(t, joined)
	require.Positive(t, free)
}

// withAppeals lets whoever was not chosen object for ten days.
func withAppeals(p *program.Program[details]) {
	table := &p.Lifecycle
	for i := range table.States {
		if table.States[i].State == "out" {
			table.States[i] = lifecycle.State[program.State, program.Event]{State: "out", Next: lifecycle.Applicant,
				Within: &program.Deadline{Fires: "silent", Term: calendar.Term{Days: 10, Zone: "Asia/Jakarta"}}}
		}
	}
	in := func(s ...program.State) []program.State { return s }
	table.States = append(table.States, program.States{
		{State: "appealed", Next: lifecycle.Officer}, {State: "closed", Final: true},
	}...)
	table.Moves = append(table.Moves, program.Moves{
		{On: "silent", From: in("out"), To: "closed"},
		{On: "object", From: in("out"), To: "appealed"},
		{On: "upheld", From: in("appealed"), To: "accepted", Do: []program.Effect{{Name: "entitle", Arg: "balance"}}},
		{On: "dismissed", From: in("appealed"), To: "closed"},
	}...)
	p.Appeals = program.Appeals{Against: in("out"), Filed: "object", Upheld: "upheld", Dismissed: "dismissed",
		File:   calendar.Term{Days: 10, Zone: "Asia/Jakarta"},
		Decide: calendar.Term{Days: 14, Zone: "Asia/Jakarta"}}
}

// appealStory runs a program with appeals to the announcement; appeals take their seats as the
// wave says.
func appealStory(t *testing.T, seats int64, next bool, changes ...func(*program.Program[details])) (*story, *program.Engine[details], []uuid.UUID) {
	s := newStory(memstore.New())
	s.now = day(1)
	e := s.engineUnder(t, program.Secrets{Master: secret(7)}, func(p *program.Program[details]) {
		for _, change := range append([]func(*program.Program[details]){withAppeals}, changes...) {
			change(p)
		}
	})
	ctx := t.Context()
	require.NoError(t, e.Fund(ctx, by, payment.Rupiah(100_000)))
	require.NoError(t, e.PlanWave(ctx, by, program.WaveOrder{Number: 1, Opens: day(2), Closes: day(5), Plan: testPlan(), AppealSeats: seats, AppealsNext: next}))
	require.NoError(t, e.PlanWave(ctx, by, program.WaveOrder{Number: 2, Opens: day(20), Closes: day(25), Plan: testPlan(), AppealSeats: 1}))
	require.NoError(t, e.OpenWave(ctx, program.By{Actor: "planner", Key: "open"}, 1))
	_, err := e.RegisterAll(ctx, by, "register", people{n: 60})
	require.NoError(t, err)
	s.now = day(3)
	_, err = e.JoinAll(ctx, by, "join", 1, nil)
	require.NoError(t, err)
	s.now = day(5)
	require.NoError(t, e.CloseWave(ctx, by, 1))
	_, err = e.CheckAll(ctx, by, "screen", 1, "joined")
	require.NoError(t, err)
	var out []uuid.UUID
	require.NoError(t, e.Cases(ctx, 1, []program.State{"out"}, false, func(c *program.Case[details]) error {
		out = append(out, c.Application.Applicant)
		return nil
	}))
	require.Greater(t, len(out), 5)
	return s, e, out
}

// An appeal that is upheld takes a seat that the wave keeps for appeals, and never one more;
// until it is decided the case stands where the table puts it, and only an appeal moves it.
func TestAppeals(t *testing.T) {
	s, e, out := appealStory(t, 1, false)
	ctx := t.Context()
	file := program.By{Actor: "citizen", Key: "appeal-1"}
	number, err := e.FileAppeal(ctx, file, 1, out[0], "saya bukan pegawai negeri")
	require.NoError(t, err)
	again, err := e.FileAppeal(ctx, file, 1, out[0], "saya bukan pegawai negeri")
	require.NoError(t, err)
	require.Equal(t, number, again)
	var refused *program.RefusedError
	require.ErrorAs(t, e.Fire(ctx, by, 1, out[0], program.Report{Event: "upheld"}), &refused)
	require.Equal(t, program.CodeAppealOnly, refused.Reasons[0].Code)
	var appeal *program.AppealError
	_, err = e.FileAppeal(ctx, by, 1, out[0], "noch einmal")
	require.ErrorAs(t, err, &appeal)
	open, err := e.OpenAppeals(ctx, 10)
	require.NoError(t, err)
	require.Len(t, open, 1)
	require.Equal(t, day(5).AddDate(0, 0, 14).Truncate(24*time.Hour).Add(17*time.Hour), open[0].Due, "midnight in Jakarta, fourteen days later")
	text, err := e.AppealText(ctx, open[0])
	require.NoError(t, err)
	require.Contains(t, text, "pegawai")
	require.NotContains(t, fmt.Sprintf("%+v", open), "pegawai")

	decide := func(id uuid.UUID, number int64, uphold bool) error {
		return e.DecideAppeal(ctx, program.By{Actor: "committee"}, 1, id, number, uphold, "source was wrong")
	}
	require.NoError(t, decide(out[0], 1, true))
	a, err := e.Application(ctx, 1, out[0])
	require.NoError(t, err)
	require.Equal(t, program.State("accepted"), a.State)
	require.Equal(t, "held", a.SeatState)
	require.ErrorAs(t, decide(out[0], 1, true), &appeal)
	require.Equal(t, "not-open", appeal.Rule)

	_, err = e.FileAppeal(ctx, by, 1, out[1], "saya juga")
	require.NoError(t, err)
	require.ErrorAs(t, decide(out[1], 1, true), &appeal, "there was one seat")
	require.Equal(t, "no-seat", appeal.Rule)
	require.NoError(t, decide(out[1], 1, false))
	_, err = e.FileAppeal(ctx, by, 1, out[2], "salah paham")
	require.NoError(t, err)
	require.NoError(t, e.WithdrawAppeal(ctx, by, 1, out[2], 1))
	s.now = day(5).AddDate(0, 0, 11)
	_, err = e.FileAppeal(ctx, by, 1, out[3], "terlambat")
	require.ErrorAs(t, err, &appeal)
	require.Equal(t, "too-late", appeal.Rule)
	breaches, err := e.Verify(ctx)
	require.NoError(t, err)
	require.Empty(t, breaches)
	entries, err := s.store.Journal(ctx, 0, 1000)
	require.NoError(t, err)
	for _, entry := range entries {
		require.NotContains(t, string(entry.Data), "pegawai")
	}
}

// One decision is objected to once, also where a dismissal leads back to where the case
// stood, unless the program says otherwise. What decides again can be objected to again.
func TestOneAppealAboutOneDecision(t *testing.T) {
	for _, again := range []bool{false, true} {
		_, e, out := appealStory(t, 1, false, func(p *program.Program[details]) {
			for i := range p.Lifecycle.Moves {
				if p.Lifecycle.Moves[i].On == "dismissed" {
					p.Lifecycle.Moves[i].To = "out"
				}
			}
			p.Lifecycle.Moves = append(p.Lifecycle.Moves, program.Moves{{On: "looked at", From: []program.State{"out"}, To: "joined"}}...)
			p.Appeals.Again = again
		})
		ctx := t.Context()
		for i, id := range out[:2] { // dismissed, and withdrawn
			n, err := e.FileAppeal(ctx, by, 1, id, "not so")
			require.NoError(t, err)
			if i == 0 {
				require.NoError(t, e.DecideAppeal(ctx, by, 1, id, n, false, "so it is"))
			} else {
				require.NoError(t, e.WithdrawAppeal(ctx, by, 1, id, n))
			}
			_, err = e.FileAppeal(ctx, by, 1, id, "not so")
			if again {
				require.NoError(t, err)
				continue
			}
			var refused *program.AppealError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, "decided-before", refused.Rule)
			require.NoError(t, e.Fire(ctx, by, 1, id, program.Report{Event: "looked at"}))
			_, err = e.CheckAll(ctx, by, "check "+id.String(), 1, "joined")
			require.NoError(t, err)
			a, err := e.Application(ctx, 1, id)
			require.NoError(t, err)
			if a.State == "out" {
				_, err = e.FileAppeal(ctx, by, 1, id, "not so")
				require.NoError(t, err, "that is another decision")
			}
		}
		breaches, err := e.Verify(ctx)
		require.NoError(t, err)
		require.Empty(t, breaches)
	}
}

// A wave may say that its appeals take seats in the next wave.
func TestAppealsInTheNextWave(t *testing.T) {
	_, e, out := appealStory(t, 0, true)
	ctx := t.Context()
	for i, id := range out[:2] {
		_, err := e.FileAppeal(ctx, by, 1, id, "mohon ditinjau")
		require.NoError(t, err)
		err = e.DecideAppeal(ctx, by, 1, id, 1, true, "source was wrong")
		if i == 0 {
			require.NoError(t, err)
			a, err := e.Application(ctx, 1, id)
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(a.Seat, "2:"), "the seat is one of wave 2: %s", a.Seat)
			continue
		}
		var appeal *program.AppealError
		require.ErrorAs(t, err, &appeal)
		require.Equal(t, "no-seat", appeal.Rule)
	}
	breaches, err := e.Verify(ctx)
	require.NoError(t, err)
	require.Empty(t, breaches)
}

func TestRulesOfRetentionAndAppealsAreChecked(t *testing.T) {
	keys, err := program.NewLocalKeyring(secret(7), rand.NewChaCha8([32]byte{2}))
	require.NoError(t, err)
	p := testProgram()
	p.Retention = program.Retention{Years: -1, Bars: []program.Bar{{Limit: "nothing", Years: -1}}}
	p.Appeals = program.Appeals{Against: []program.State{"out"}, Filed: "no-such"}
	_, err = program.NewEngine(p, memstore.New(), keys, program.Surroundings{Clock: time.Now, Random: rand.NewChaCha8([32]byte{3})}, nil)
	for _, field := range []string{"Retention.Years", "Retention.Bars", "Appeals.Filed", "Appeals.Upheld", "Appeals.Dismissed", "Appeals have terms"} {
		require.ErrorContains(t, err, field)
	}
}
