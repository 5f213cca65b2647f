// Package programtest proves that a store keeps its promises. Whoever writes a
// program.Store runs it in a test:
//
//	func TestStore(t *testing.T) {
//		programtest.TestStore(t, func(t *testing.T, clock func() time.Time) program.Store { return open(t, clock) })
//	}
//
// Each case says in its name and its failure what a store owes to its callers.
package programtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/ledger"
)

var start = time.Date(2020, time.August, 8, 5, 0, 0, 0, time.UTC)

// TestStore runs every case on stores that open makes: each must be empty, have the
// given clock for its own, and be closed by the test's clean-up.
func TestStore(t *testing.T, open func(t *testing.T, clock func() time.Time) program.Store) {
	cases := []struct {
		name string
		why  string
		run  func(*suite)
	}{
		{"rows come back as they were written", "every kind of value, and none, survives", (*suite).roundTrip},
		{"only changed columns are written", "a writer who says what changed does not undo what others wrote", (*suite).changedColumns},
		{"a row is inserted once", "version 0 means that the row does not exist yet", (*suite).insertOnce},
		{"a stale version is refused", "two writers who read the same row cannot both win", (*suite).staleVersion},
		{"an expected row must have its version", "a change is decided on rows that it does not write", (*suite).expected},
		{"a row that goes is gone", "what must be forgotten is deleted, once, by whoever read it last", (*suite).gone},
		{"a row has every column", "what is written short would be read wrong", (*suite).shortRow},
		{"a change is whole or not at all", "a refused change leaves nothing behind", (*suite).whole},
		{"a refused change leaves the others", "changes in one Apply are independent", (*suite).others},
		{"the first answer is replayed", "a repeated command is carried out once", (*suite).replay},
		{"another payload under a key is a conflict", "a key belongs to one command", (*suite).keyConflict},
		{"a refusal is not stored under the key", "the command can be tried again", (*suite).refusalNotStored},
		{"no account leaves its bounds", "the last seat is given once", (*suite).bounds},
		{"no account goes over the numbers", "the ends of what is counted are bounds too", (*suite).ends},
		{"a stale row is heard of first", "whoever reads again may find that it fits", (*suite).staleFirst},
		{"what is carried out has its answer", "whatever way a store finds to write it", (*suite).answers},
		{"a posting is made once", "its id is its idempotency key", (*suite).postingOnce},
		{"a pending posting is posted or voided once", "what is reserved is not available", (*suite).pending},
		{"a pending posting expires", "expired holds need no sweeper", (*suite).expiry},
		{"an expiry counts in microseconds", "what a store keeps is what a caller repeats", (*suite).expiryCut},
		{"a posting is reversed once", "a mistake is taken back as a whole, and never twice", (*suite).reversal},
		{"pages follow the key", "a cursor continues without gap or repeat", (*suite).pages},
		{"pages end where they should", "a job's part has a first and a last place", (*suite).between},
		{"pages filter", "only rows with the asked values come", (*suite).filters},
		{"pages follow a further index", "rows without a value are not in it", (*suite).secondIndex},
		{"a unique value has one live owner", "at most one live payment for an entitlement", (*suite).unique},
		{"postings can be read", "an auditor adds them up again", (*suite).postings},
		{"the journal is in order", "1, 2, 3, and only for what was carried out", (*suite).journal},
		{"many changes at once are as one by one", "callers who share a transaction notice nothing of each other", (*suite).together},
		{"one bad change fails alone", "whoever shares its transaction is not hurt", (*suite).badAlone},
		{"a clock that is off writes nothing", "a process whose clock is wrong would let deadlines pass", (*suite).clockOff},
		{"the store's clock decides what has expired", "there is one clock for all processes", (*suite).oneClock},
		{"a reader of the journal misses nothing", "entries are numbered in the order in which they can be seen", (*suite).journalMeanwhile},
		{"the last seats among many", "concurrent takers get exactly what is there", (*suite).lastSeats},
		{"the last seats held by many", "concurrent holds, posts and voids never give a seat twice", (*suite).lastHolds},
		{"one hold is resolved by many", "a post and a void of one hold: one of them counts", (*suite).oneHold},
		{"one posting is reversed by many", "money comes back once", (*suite).reversedByMany},
		{"a cancelled context does nothing", "the caller who gave up is not surprised", (*suite).cancelled},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := &suite{T: t, ctx: t.Context(), now: start}
			s.open = func() program.Store { return open(t, func() time.Time { return s.now }) }
			s.store = s.open()
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("why it matters: %s", c.why)
				}
			})
			c.run(s)
		})
	}
}

type suite struct {
	*testing.T
	ctx   context.Context
	store program.Store
	now   time.Time // the store's clock
	open  func() program.Store
}

func (s *suite) apply(changes ...program.Change) []program.Outcome {
	s.Helper()
	for i := range changes {
		if changes[i].At.IsZero() {
			changes[i].At = s.now
		}
	}
	outcomes, err := s.store.Apply(s.ctx, changes)
	if err != nil {
		s.Fatalf("Apply: %v", err)
	}
	if len(outcomes) != len(changes) {
		s.Fatalf("Apply: %d outcomes for %d changes", len(outcomes), len(changes))
	}
	return outcomes
}

func (s *suite) done(changes ...program.Change) {
	s.Helper()
	for i, o := range s.apply(changes...) {
		if o.Refusal != nil {
			s.Fatalf("change %d: %v", i, o.Refusal)
		}
	}
}

func refusedAs[E error](s *suite, o program.Outcome) E {
	s.Helper()
	var want E
	if !errors.As(o.Refusal, &want) {
		s.Fatalf("refusal %v, want a %T", o.Refusal, want)
	}
	return want
}

func (s *suite) load(keys ...program.Key) []program.Row {
	s.Helper()
	rows, err := s.store.Load(s.ctx, program.Query{Keys: keys})
	if err != nil {
		s.Fatalf("Load: %v", err)
	}
	return rows.Rows
}

func (s *suite) balance(a ledger.Account) ledger.Balance {
	s.Helper()
	b, err := s.store.Balances(s.ctx, a)
	if err != nil {
		s.Fatalf("Balances: %v", err)
	}
	return b[0]
}

func id(n byte) []byte {
	b := uuid.UUID{6: 0x70, 8: 0x80, 15: n}
	return b[:]
}

func applicant(n byte, version int64) program.Row {
	return program.Row{Table: program.TableApplicants, Version: version,
		Values: []any{id(n), "registered", start.UnixMicro(), nil, []byte{1, 0, 255, n}}}
}

func applicantKey(n byte) program.Key {
	return program.Key{Table: program.TableApplicants, Values: []any{id(n)}}
}

func job(name string, part int64, version int64) program.Row {
	return program.Row{Table: program.TableJobs, Version: version, Values: []any{name, part, "running", nil, nil, nil, []byte("{}"), []byte{1}}}
}

func jobKey(name string, part int64) program.Key {
	return program.Key{Table: program.TableJobs, Values: []any{name, part}}
}

func posting(id string, from, to ledger.Account, amount int64) ledger.Posting {
	return ledger.Posting{ID: id, Legs: []ledger.Leg{
		{Account: from, Amount: -amount, Bounds: ledger.AtLeast(0)},
		{Account: to, Amount: amount, Bounds: ledger.AtLeast(0)},
	}}
}

func issue(amount int64) program.Change {
	return program.Change{Postings: []ledger.Posting{{ID: "issue", Legs: []ledger.Leg{
		{Account: "issued", Amount: -amount, Bounds: ledger.Free()},
		{Account: "left", Amount: amount, Bounds: ledger.AtLeast(0)},
	}}}}
}

func (s *suite) roundTrip() {
	want := applicant(1, 0)
	want.Values[3] = id(9)
	s.done(program.Change{Rows: []program.Row{want, applicant(2, 0)}})
	rows := s.load(applicantKey(1), applicantKey(2), applicantKey(3))
	if len(rows) != 2 {
		s.Fatalf("%d rows, want 2: a row that does not exist is left out", len(rows))
	}
	for i, w := range []program.Row{want, applicant(2, 0)} {
		w.Version = 1
		if !reflect.DeepEqual(rows[i], w) {
			s.Errorf("row %d is %v, want %v", i, rows[i], w)
		}
	}
}

func (s *suite) changedColumns() {
	s.done(program.Change{Rows: []program.Row{applicant(1, 0), applicant(2, 0)}})
	changed := applicant(1, 1)
	changed.Values[1], changed.Values[4], changed.Changed = "barred", []byte("not written"), 1<<1
	other := applicant(2, 1)
	other.Values[4], other.Changed = []byte("written"), 1<<4
	s.done(program.Change{Rows: []program.Row{changed, other}})
	rows := s.load(applicantKey(1), applicantKey(2))
	want1, want2 := applicant(1, 2), applicant(2, 2)
	want1.Values[1], want2.Values[4] = "barred", []byte("written")
	if !reflect.DeepEqual(rows, []program.Row{want1, want2}) {
		s.Errorf("rows are %v, want %v and %v", rows, want1, want2)
	}
}

func (s *suite) insertOnce() {
	s.done(program.Change{Rows: []program.Row{applicant(1, 0)}})
	stale := refusedAs[*program.StaleError](s, s.apply(program.Change{Rows: []program.Row{applicant(2, 0), applicant(1, 0)}})[0])
	if stale.Table != "applicants" || stale.Row != 1 {
		s.Errorf("refusal names table %s row %d, want applicants row 1", stale.Table, stale.Row)
	}
	if got := len(s.load(applicantKey(2))); got != 0 {
		s.Errorf("the row beside the refused one was written")
	}
}

func (s *suite) staleVersion() {
	s.done(program.Change{Rows: []program.Row{applicant(1, 0)}})
	changed := applicant(1, 1)
	changed.Values[1] = "barred"
	s.done(program.Change{Rows: []program.Row{changed}})
	refusedAs[*program.StaleError](s, s.apply(program.Change{Rows: []program.Row{applicant(1, 1)}})[0])
	refusedAs[*program.StaleError](s, s.apply(program.Change{Rows: []program.Row{applicant(7, 1)}})[0])
	rows := s.load(applicantKey(1))
	if rows[0].Version != 2 || rows[0].Values[1] != "barred" {
		s.Errorf("the row is %v, want version 2, barred", rows[0])
	}
}

func (s *suite) expected() {
	s.done(program.Change{Rows: []program.Row{applicant(1, 0)}})
	on := func(version int64) program.Change {
		return program.Change{Expect: []program.Expected{{Key: applicantKey(1), Version: version}}, Rows: []program.Row{applicant(2, 0)}}
	}
	stale := refusedAs[*program.StaleError](s, s.apply(on(2))[0])
	if stale.Table != "applicants" || stale.Row != 0 {
		s.Errorf("refusal names table %s row %d, want applicants row 0", stale.Table, stale.Row)
	}
	if len(s.load(applicantKey(2))) != 0 {
		s.Errorf("a change decided on another version was carried out")
	}
	s.done(on(1))
	missing := program.Change{Expect: []program.Expected{{Key: applicantKey(9), Version: 1}}}
	refusedAs[*program.StaleError](s, s.apply(missing)[0])
}

func (s *suite) gone() {
	s.done(program.Change{Rows: []program.Row{job("a", 0, 0), job("a", 1, 0), job("b", 0, 0)}})
	leave := func(name string, part, version int64) program.Row {
		return program.Row{Table: program.TableJobs, Version: version, Gone: true, Values: []any{name, part}}
	}
	refusedAs[*program.StaleError](s, s.apply(program.Change{Rows: []program.Row{leave("a", 0, 1), leave("a", 1, 2)}})[0])
	if n := len(s.load(jobKey("a", 0), jobKey("a", 1))); n != 2 {
		s.Errorf("%d rows are left, want 2: one of them had another version", n)
	}
	s.done(program.Change{Rows: []program.Row{leave("a", 0, 1), leave("a", 1, 1)}})
	if n := len(s.load(jobKey("a", 0), jobKey("a", 1), jobKey("b", 0))); n != 1 {
		s.Errorf("%d rows are left, want 1", n)
	}
	refusedAs[*program.StaleError](s, s.apply(program.Change{Rows: []program.Row{leave("a", 0, 1)}})[0])
	s.done(program.Change{Rows: []program.Row{job("a", 0, 0)}}) // it can come again
}

func (s *suite) shortRow() {
	short := applicant(1, 0)
	short.Values = short.Values[:3]
	if _, err := s.store.Apply(s.ctx, []program.Change{{At: s.now, Rows: []program.Row{short}}}); err == nil {
		s.Errorf("a row with too few values was written")
	}
	if len(s.load(applicantKey(1))) != 0 {
		s.Errorf("a row with too few values can be read")
	}
}

func (s *suite) whole() {
	s.done(issue(1))
	c := program.Change{Key: "k", Rows: []program.Row{applicant(1, 0)}, Postings: []ledger.Posting{posting("p1", "left", "held", 1), posting("p2", "left", "held", 1)},
		Entry: &program.Entry{At: start, Actor: "a", Kind: "k", Data: []byte("{}")}}
	bound := refusedAs[*ledger.BoundError](s, s.apply(c)[0])
	if bound.Account != "left" || bound.Posting != "p2" {
		s.Errorf("refusal names %s of %s, want left of p2", bound.Account, bound.Posting)
	}
	if len(s.load(applicantKey(1))) != 0 || s.balance("left").Posted != 1 || s.balance("held").Posted != 0 {
		s.Errorf("a refused change left something behind")
	}
	if entries, err := s.store.Journal(s.ctx, 0, 10); err != nil || len(entries) != 0 {
		s.Errorf("a refused change is in the journal: %v %v", entries, err)
	}
}

func (s *suite) others() {
	s.done(issue(1))
	outcomes := s.apply(
		program.Change{Rows: []program.Row{applicant(1, 0)}, Postings: []ledger.Posting{posting("p1", "left", "held", 1)}},
		program.Change{Rows: []program.Row{applicant(2, 0)}, Postings: []ledger.Posting{posting("p2", "left", "held", 1)}},
		program.Change{Rows: []program.Row{applicant(3, 0)}},
	)
	if outcomes[0].Refusal != nil || outcomes[2].Refusal != nil {
		s.Errorf("changes beside the refused one: %v %v", outcomes[0].Refusal, outcomes[2].Refusal)
	}
	refusedAs[*ledger.BoundError](s, outcomes[1])
	if n := len(s.load(applicantKey(1), applicantKey(2), applicantKey(3))); n != 2 {
		s.Errorf("%d rows, want those of the first and the third change", n)
	}
}

func (s *suite) replay() {
	c := program.Change{Key: "join-1", Fingerprint: []byte{1}, Rows: []program.Row{applicant(1, 0)}, Answer: []byte("first")}
	s.done(c)
	c.Answer = []byte("second")
	o := s.apply(c)[0]
	if o.Refusal != nil || !o.Replayed || string(o.Answer) != "first" {
		s.Errorf("outcome %+v, want the first answer replayed", o)
	}
	rows, err := s.store.Load(s.ctx, program.Query{Command: "join-1"})
	if err != nil || !rows.Answered || string(rows.Answer) != "first" || !bytes.Equal(rows.Fingerprint, []byte{1}) {
		s.Errorf("Load answers %+v %v", rows, err)
	}
	if rows, err = s.store.Load(s.ctx, program.Query{Command: "join-2"}); err != nil || rows.Answered {
		s.Errorf("a command that never was is answered")
	}
}

func (s *suite) keyConflict() {
	s.done(program.Change{Key: "k", Fingerprint: []byte{1}, Rows: []program.Row{applicant(1, 0)}})
	o := s.apply(program.Change{Key: "k", Fingerprint: []byte{2}, Rows: []program.Row{applicant(2, 0)}})[0]
	refusedAs[*program.KeyConflictError](s, o)
	if len(s.load(applicantKey(2))) != 0 {
		s.Errorf("the conflicting change was carried out")
	}
}

func (s *suite) refusalNotStored() {
	c := program.Change{Key: "k", Fingerprint: []byte{1}, Postings: []ledger.Posting{posting("p", "left", "held", 1)}}
	refusedAs[*ledger.BoundError](s, s.apply(c)[0])
	s.done(issue(1))
	if o := s.apply(c)[0]; o.Refusal != nil || o.Replayed {
		s.Errorf("second try: %+v", o)
	}
}

func (s *suite) bounds() {
	s.done(issue(2))
	cap1 := func(id string) program.Change {
		return program.Change{Postings: []ledger.Posting{{ID: id, Legs: []ledger.Leg{
			{Account: "left", Amount: -1, Bounds: ledger.AtLeast(0)},
			{Account: "household", Amount: 1, Bounds: ledger.Between(0, 1)},
		}}}}
	}
	s.done(cap1("a"))
	bound := refusedAs[*ledger.BoundError](s, s.apply(cap1("b"))[0])
	if bound.Account != "household" {
		s.Errorf("refused by %s, want household", bound.Account)
	}
	if s.balance("left").Posted != 1 {
		s.Errorf("the other leg of a refused posting was written")
	}
	invalid := program.Change{Postings: []ledger.Posting{{ID: "c", Legs: []ledger.Leg{{Account: "left", Amount: 1, Bounds: ledger.Free()}}}}}
	refusedAs[*ledger.InvalidError](s, s.apply(invalid)[0])
}

func (s *suite) postingOnce() {
	s.done(issue(5))
	s.done(program.Change{Postings: []ledger.Posting{posting("p", "left", "held", 2)}})
	s.done(program.Change{Postings: []ledger.Posting{posting("p", "left", "held", 2)}})
	if got := s.balance("held").Posted; got != 2 {
		s.Errorf("held %d, want 2: the posting was made twice", got)
	}
	refusedAs[*ledger.ConflictError](s, s.apply(program.Change{Postings: []ledger.Posting{posting("p", "left", "held", 3)}})[0])
}

func (s *suite) pending() {
	s.done(issue(3))
	hold := posting("hold", "left", "held", 2)
	hold.Kind = ledger.Pending
	s.done(program.Change{Postings: []ledger.Posting{hold}})
	if got := s.balance("left"); got != (ledger.Balance{Posted: 3, Out: 2}) {
		s.Errorf("left is %+v while pending", got)
	}
	refusedAs[*ledger.BoundError](s, s.apply(program.Change{Postings: []ledger.Posting{posting("p", "left", "held", 2)}})[0])
	s.done(program.Change{Postings: []ledger.Posting{{ID: "post", Kind: ledger.Post, Of: "hold"}}})
	if left, held := s.balance("left"), s.balance("held"); left != (ledger.Balance{Posted: 1}) || held != (ledger.Balance{Posted: 2}) {
		s.Errorf("left %+v, held %+v after the post", left, held)
	}
	refusedAs[*ledger.ResolvedError](s, s.apply(program.Change{Postings: []ledger.Posting{{ID: "void", Kind: ledger.Void, Of: "hold"}}})[0])
	hold.ID, hold.Legs[0].Amount, hold.Legs[1].Amount = "hold2", -1, 1
	s.done(program.Change{Postings: []ledger.Posting{hold, {ID: "void2", Kind: ledger.Void, Of: "hold2"}}})
	if left := s.balance("left"); left != (ledger.Balance{Posted: 1}) {
		s.Errorf("left %+v after the void", left)
	}
}

func (s *suite) ends() {
	most := posting("issue", "issued", "left", math.MaxInt64)
	most.Legs[0].Bounds = ledger.Free()
	s.done(program.Change{Postings: []ledger.Posting{most, posting("there", "left", "held", 1), posting("back", "held", "left", 1)}}) // all accounts are there
	all := posting("all", "left", "held", math.MaxInt64)
	all.Legs[0].Bounds = ledger.AtLeast(1)
	refusedAs[*ledger.BoundError](s, s.apply(program.Change{Postings: []ledger.Posting{all}})[0])
	more := posting("more", "issued", "left", 1)
	more.Legs[0].Bounds, more.Legs[1].Bounds = ledger.Free(), ledger.Free()
	refusedAs[*ledger.BoundError](s, s.apply(program.Change{Postings: []ledger.Posting{more}})[0])
	all.ID, all.Legs[0].Amount, all.Legs[1].Amount = "but one", 1-math.MaxInt64, math.MaxInt64-1
	s.done(program.Change{Postings: []ledger.Posting{all}})
	if left, held := s.balance("left").Posted, s.balance("held").Posted; left != 1 || held != math.MaxInt64-1 {
		s.Errorf("left %d, held %d", left, held)
	}
}

func (s *suite) staleFirst() {
	s.done(issue(1), program.Change{Rows: []program.Row{applicant(1, 0)}})
	s.done(program.Change{Rows: []program.Row{applicant(1, 1)}, Postings: []ledger.Posting{posting("seat", "left", "held", 1)}})
	again := posting("seat of a twin", "left", "held", 1) // there is none, because the first has it
	refusedAs[*program.StaleError](s, s.apply(program.Change{Rows: []program.Row{applicant(1, 1)}, Postings: []ledger.Posting{again}})[0])
	s.done(program.Change{Postings: []ledger.Posting{posting("free", "held", "left", 1)}})
	seat := func(n byte) program.Change {
		return program.Change{Rows: []program.Row{applicant(n, 0)}, Postings: []ledger.Posting{posting(fmt.Sprint("seat ", n), "left", "held", 1)}}
	}
	late := seat(2) // the same row, and no seat is left: it is not said to be full
	late.Postings[0].ID = "another"
	outcomes := s.apply(seat(2), late, seat(3))
	if outcomes[0].Refusal != nil {
		s.Errorf("the first: %v", outcomes[0].Refusal)
	}
	refusedAs[*program.StaleError](s, outcomes[1])
	refusedAs[*ledger.BoundError](s, outcomes[2])
}

func (s *suite) answers() {
	if none := s.apply(); len(none) != 0 {
		s.Errorf("no change has %d outcomes", len(none))
	}
	s.done(issue(3))
	for i, c := range []program.Change{{Postings: []ledger.Posting{posting("a", "left", "held", 1)}},
		{Postings: []ledger.Posting{posting("b", "left", "held", 1)}}, {Rows: []program.Row{applicant(1, 0)}}} {
		c.Answer = []byte{byte(i), 7}
		if o := s.apply(c)[0]; o.Refusal != nil || !bytes.Equal(o.Answer, c.Answer) {
			s.Errorf("change %d: %+v", i, o)
		}
	}
}

func (s *suite) expiry() {
	s.done(issue(1))
	hold := posting("hold", "left", "held", 1)
	hold.Kind, hold.Expires = ledger.Pending, start.Add(time.Minute)
	s.done(program.Change{Postings: []ledger.Posting{hold}})
	take := program.Change{Postings: []ledger.Posting{posting("p", "left", "held", 1)}}
	s.now = start.Add(time.Minute - time.Microsecond)
	refusedAs[*ledger.BoundError](s, s.apply(take)[0])
	s.now = start.Add(time.Minute)
	s.done(take)
	refusedAs[*ledger.ResolvedError](s, s.apply(program.Change{Postings: []ledger.Posting{{ID: "late", Kind: ledger.Post, Of: "hold"}}})[0])
	if left, held := s.balance("left"), s.balance("held"); left != (ledger.Balance{}) || held != (ledger.Balance{Posted: 1}) {
		s.Errorf("left %+v, held %+v", left, held)
	}
}

func (s *suite) expiryCut() {
	s.done(issue(3))
	hold := posting("hold", "left", "held", 1)
	hold.Kind, hold.Expires = ledger.Pending, start.Add(time.Minute+999)
	s.done(program.Change{Postings: []ledger.Posting{hold}})
	s.done(program.Change{Postings: []ledger.Posting{hold}})
	other := hold
	other.Expires = hold.Expires.Add(time.Microsecond)
	refusedAs[*ledger.ConflictError](s, s.apply(program.Change{Postings: []ledger.Posting{other}})[0])
	if left := s.balance("left"); left != (ledger.Balance{Posted: 3, Out: 1}) {
		s.Errorf("left %+v, want one reserved", left)
	}
	s.now = start.Add(time.Minute)
	s.done(program.Change{Postings: []ledger.Posting{posting("p", "left", "held", 2)}})
	s.now = start.Add(time.Hour)
	s.done(program.Change{Postings: []ledger.Posting{hold}}) // the same again, however late
	other.ID = "late"
	refusedAs[*ledger.ResolvedError](s, s.apply(program.Change{Postings: []ledger.Posting{other}})[0])
}

func (s *suite) reversal() {
	paid, held := posting("paid", "left", "held", 2), posting("hold", "left", "held", 1)
	held.Kind = ledger.Pending
	s.done(issue(5))
	s.done(program.Change{Postings: []ledger.Posting{paid, held, {ID: "post", Kind: ledger.Post, Of: "hold"}}})
	refused := func(p ledger.Posting) {
		s.Helper()
		refusedAs[*ledger.ReversalError](s, s.apply(program.Change{Postings: []ledger.Posting{p}})[0])
	}
	refused(ledger.Reversal("r", "nothing", paid.Legs))
	refused(ledger.Reversal("r", "hold", held.Legs))
	refused(ledger.Posting{ID: "r", Of: "paid", Legs: paid.Legs})
	back := ledger.Reversal("back", "paid", paid.Legs)
	refusedAs[*ledger.BoundError](s, s.apply(program.Change{Postings: []ledger.Posting{back, posting("p", "held", "left", 2)}})[0])
	s.done(program.Change{Postings: []ledger.Posting{back}})
	s.done(program.Change{Postings: []ledger.Posting{back}})
	refused(ledger.Reversal("again", "paid", paid.Legs))
	s.done(program.Change{Postings: []ledger.Posting{ledger.Reversal("back2", "post", held.Legs)}})
	if left, held := s.balance("left").Posted, s.balance("held").Posted; left != 5 || held != 0 {
		s.Errorf("left %d, held %d after both reversals, want 5 and 0", left, held)
	}
}

func (s *suite) pages() {
	var rows []program.Row
	for part := range int64(5) {
		rows = append(rows, job("b", 4-part, 0), job("a", part, 0))
	}
	s.done(program.Change{Rows: rows})
	var got []string
	scan := program.Scan{Table: program.TableJobs, Limit: 3}
	for {
		page, next, err := s.store.Page(s.ctx, scan)
		if err != nil {
			s.Fatalf("Page: %v", err)
		}
		for _, row := range page.Rows {
			got = append(got, fmt.Sprint(row.Values[0], row.Values[1]))
		}
		if next == nil {
			break
		}
		scan.After = next
	}
	want := "[a0 a1 a2 a3 a4 b0 b1 b2 b3 b4]"
	if fmt.Sprint(got) != want {
		s.Errorf("pages gave %v, want %s", got, want)
	}
}

func (s *suite) between() {
	var rows []program.Row
	for part := range int64(9) {
		rows = append(rows, job("a", part, 0))
	}
	s.done(program.Change{Rows: append(rows, job("b", 0, 0))})
	page := func(scan program.Scan) string {
		scan.Table = program.TableJobs
		found, next, err := s.store.Page(s.ctx, scan)
		if err != nil {
			s.Fatalf("Page: %v", err)
		}
		var got []string
		for _, row := range found.Rows {
			got = append(got, fmt.Sprint(row.Values[0], row.Values[1]))
		}
		return fmt.Sprint(got, next)
	}
	through := program.Cursor{"a", int64(5)}
	for _, c := range []struct {
		scan program.Scan
		want string
	}{
		{program.Scan{Equal: []any{"a"}, After: program.Cursor{"a", int64(2)}, Through: through, Limit: 9}, "[a3 a4 a5] []"},
		{program.Scan{After: program.Cursor{"a", int64(4)}, Through: through, Limit: 9}, "[a5] []"},
		{program.Scan{Equal: []any{"a"}, After: through, Through: through, Limit: 9}, "[] []"},
		{program.Scan{Equal: []any{"a"}, Skip: 3, Limit: 1}, "[a3] [a 3]"},
		{program.Scan{Equal: []any{"a"}, After: program.Cursor{"a", int64(3)}, Skip: 3, Limit: 1}, "[a7] [a 7]"},
		{program.Scan{Equal: []any{"a"}, Skip: 9, Limit: 1}, "[] []"},
		{program.Scan{Through: program.Cursor{"b", int64(0)}, Skip: 8, Limit: 5}, "[a8 b0] []"},
	} {
		if got := page(c.scan); got != c.want {
			s.Errorf("scan %+v gave %s, want %s", c.scan, got, c.want)
		}
	}
}

func (s *suite) filters() {
	paused := job("a", 2, 0)
	paused.Values[2] = "done"
	s.done(program.Change{Rows: []program.Row{job("a", 1, 0), paused, job("a", 3, 0), job("b", 1, 0)}})
	page, next, err := s.store.Page(s.ctx, program.Scan{Table: program.TableJobs, Equal: []any{"a"}, Below: int64(3),
		Column: "state", Only: []any{"paused", "done"}, Limit: 10})
	if err != nil || next != nil || len(page.Rows) != 1 || page.Rows[0].Values[1] != int64(2) {
		s.Errorf("page %v %v %v, want the paused part of a", page.Rows, next, err)
	}
	if _, _, err := s.store.Page(s.ctx, program.Scan{Table: program.TableJobs}); err == nil {
		s.Errorf("a scan without a limit is refused")
	}
}

// application is the n-th applicant's row in wave 4.
func application(n byte, state string, due any) program.Row {
	return program.Row{Table: program.TableApplications, Values: []any{int64(4), id(n), state, int64(1), int64(0), due,
		id(n), nil, nil, nil, int64(0), int64(0), nil, nil, nil, nil, []byte{}, nil, nil, int64(0)}}
}

func (s *suite) secondIndex() {
	wave := program.Row{Table: program.TableWaves, Values: []any{int64(4), "open", int64(0), nil, []byte("{}")}}
	rows := []program.Row{wave}
	for n, due := range []any{int64(30), nil, int64(10), int64(20)} {
		rows = append(rows, applicant(byte(n), 0))
		rows = append(rows, application(byte(n), "joined", due))
	}
	s.done(program.Change{Rows: rows})
	scan := program.Scan{Table: program.TableApplications, Index: 1, Below: int64(30), Limit: 1}
	var got []any
	for {
		page, next, err := s.store.Page(s.ctx, scan)
		if err != nil {
			s.Fatalf("Page: %v", err)
		}
		for _, row := range page.Rows {
			got = append(got, row.Values[5])
		}
		if next == nil {
			break
		}
		scan.After = next
	}
	if !reflect.DeepEqual(got, []any{int64(10), int64(20)}) {
		s.Errorf("due %v, want 10 and 20", got)
	}
}

func (s *suite) postings() {
	first := ledger.Posting{ID: "p1", Legs: []ledger.Leg{{Account: "a", Amount: -5, Bounds: ledger.Free()}, {Account: "b", Amount: 5, Bounds: ledger.AtLeast(0)}}}
	second := ledger.Posting{ID: "p2", Kind: ledger.Pending, Legs: first.Legs}
	third := ledger.Posting{ID: "p3", Kind: ledger.Post, Of: "p2"}
	s.done(program.Change{At: start, Postings: []ledger.Posting{first}})
	s.done(program.Change{At: start.Add(time.Second), Postings: []ledger.Posting{second}}, program.Change{At: start, Postings: []ledger.Posting{first}})
	s.done(program.Change{At: start.Add(time.Minute), Postings: []ledger.Posting{third}})
	want := [][]any{
		{"p1", int64(ledger.Direct), "", start.UnixMicro(), ledger.FormatLegs(first.Legs)},
		{"p2", int64(ledger.Pending), "", start.Add(time.Second).UnixMicro(), ledger.FormatLegs(second.Legs)},
		{"p3", int64(ledger.Post), "p2", start.Add(time.Minute).UnixMicro(), ledger.FormatLegs(nil)},
	}
	var after program.Cursor
	for i := range want {
		rows, next, err := s.store.Page(s.ctx, program.Scan{Table: program.TablePostings, After: after, Limit: 1})
		if err != nil || len(rows.Rows) != 1 || !reflect.DeepEqual(rows.Rows[0].Values[:4], want[i][:4]) ||
			!bytes.Equal(rows.Rows[0].Values[4].([]byte), want[i][4].([]byte)) {
			s.Fatalf("posting %d is not as it was made: %v", i+1, err)
		}
		after = next
	}
	refusedAs[*program.StaleError](s, s.apply(program.Change{Rows: []program.Row{{Table: program.TablePostings, Values: want[0]}}})[0])
}

func (s *suite) unique() {
	payment := func(batch, item, generation int64, state string, version int64) program.Row {
		var ended any
		if state == "returned" {
			ended = start.UnixMicro()
		}
		return program.Row{Table: program.TablePayments, Version: version, Values: []any{batch, item, state,
			"incentive", int64(1), int64(4), id(1), generation, int64(100), "IDR", []byte{1}, nil, int64(0), ended, nil, int64(0), nil, nil, nil, int64(0), int64(0), int64(0), nil, nil, nil}}
	}
	batch := func(n int64) program.Row {
		return program.Row{Table: program.TableBatches, Values: []any{n, "preparing", "incentive", int64(1), int64(4), int64(0), int64(0), "IDR", "o", nil, nil, []byte{}}}
	}
	s.done(program.Change{Rows: []program.Row{
		{Table: program.TableWaves, Values: []any{int64(4), "open", int64(0), nil, []byte("{}")}},
		applicant(1, 0),
		application(1, "reviewed", nil),
		{Table: program.TableEntitlements, Values: []any{"incentive", int64(1), int64(4), id(1), int64(100), "IDR", int64(0), int64(0), int64(0), nil}},
		batch(1), batch(2), payment(1, 1, 1, "created", 0),
	}})
	refusedAs[*program.StaleError](s, s.apply(program.Change{Rows: []program.Row{payment(2, 1, 2, "created", 0)}})[0])
	s.done(program.Change{Rows: []program.Row{payment(1, 1, 1, "returned", 1)}})
	s.done(program.Change{Rows: []program.Row{payment(2, 1, 2, "created", 0)}})
}

func (s *suite) journal() {
	entry := func(kind string) *program.Entry {
		return &program.Entry{At: start, Actor: "officer", Kind: kind, Data: []byte(`{"n":1}`)}
	}
	s.done(program.Change{Entry: entry("one")}, program.Change{}, program.Change{Key: "k", Entry: entry("two")})
	s.done(program.Change{Key: "k", Entry: entry("again")})
	s.done(program.Change{Entry: entry("three")})
	entries, err := s.store.Journal(s.ctx, 0, 10)
	if err != nil || len(entries) != 3 {
		s.Fatalf("journal %v %v, want 3 entries", entries, err)
	}
	for i, kind := range []string{"one", "two", "three"} {
		want := *entry(kind)
		want.Seq = int64(i + 1)
		if !reflect.DeepEqual(entries[i], want) {
			s.Errorf("entry %d is %+v, want %+v", i, entries[i], want)
		}
	}
	if rest, err := s.store.Journal(s.ctx, 1, 1); err != nil || len(rest) != 1 || rest[0].Kind != "two" {
		s.Errorf("after 1, one entry: %v %v", rest, err)
	}
}

// together carries out the same random changes on two stores: on one all at once, on
// the other one by one. A change that has two reasons to be refused may name either.
func (s *suite) together() {
	random := rand.New(rand.NewPCG(1, 2))
	one, many := s.open(), s.store
	for round := range 40 {
		changes := make([]program.Change, 2+random.IntN(12))
		for i := range changes {
			changes[i] = s.anyChange(random, round)
		}
		got := s.apply(changes...)
		for i := range changes {
			s.store = one
			want := s.apply(changes[i])[0]
			s.store = many
			if got[i].Replayed != want.Replayed || !bytes.Equal(got[i].Answer, want.Answer) || (got[i].Refusal == nil) != (want.Refusal == nil) {
				s.Fatalf("round %d, change %d of %d: together %+v, alone %+v", round, i, len(changes), got[i], want)
			}
		}
		accounts := []ledger.Account{"issued", "a0", "a1", "a2"}
		x, err := one.Balances(s.ctx, accounts...)
		y, err2 := many.Balances(s.ctx, accounts...)
		if err != nil || err2 != nil || !reflect.DeepEqual(x, y) {
			s.Fatalf("round %d: balances together %v %v, alone %v %v", round, y, err2, x, err)
		}
		s.now = s.now.Add(time.Second)
	}
	p, err := one.Journal(s.ctx, 0, 10000)
	q, err2 := many.Journal(s.ctx, 0, 10000)
	if err != nil || err2 != nil || len(p) == 0 || !reflect.DeepEqual(p, q) {
		s.Errorf("journals differ: %d entries %v, %d entries %v", len(p), err, len(q), err2)
	}
}

// anyChange is a change that often does not fit: few accounts, keys and rows.
func (s *suite) anyChange(random *rand.Rand, round int) program.Change {
	c := program.Change{At: s.now, Answer: []byte{byte(random.IntN(3))}, Entry: &program.Entry{At: s.now, Actor: "a", Kind: "k", Data: []byte("{}")}}
	if random.IntN(3) == 0 {
		c.Key, c.Fingerprint = fmt.Sprint("key ", random.IntN(40)), []byte{byte(random.IntN(8) / 7)}
	}
	account := func() ledger.Account { return ledger.Account(fmt.Sprint("a", random.IntN(3))) }
	id := func() string { return fmt.Sprint("p ", round, "/", random.IntN(30)) }
	for range random.IntN(3) {
		switch random.IntN(6) {
		case 0:
			c.Postings = append(c.Postings, ledger.Posting{ID: id(), Legs: []ledger.Leg{
				{Account: "issued", Amount: -3, Bounds: ledger.Free()}, {Account: account(), Amount: 3, Bounds: ledger.Between(0, 9)}}})
		case 1:
			hold := posting(id(), "a0", "a1", 1)
			hold.Kind = ledger.Pending
			if random.IntN(2) == 0 {
				hold.Expires = s.now.Add(time.Duration(random.IntN(3)) * time.Second)
			}
			c.Postings = append(c.Postings, hold)
		case 2:
			c.Postings = append(c.Postings, ledger.Posting{ID: id() + "!", Kind: ledger.Post + ledger.Kind(random.IntN(2)), Of: id()})
		default:
			if from, to := account(), account(); from != to {
				c.Postings = append(c.Postings, posting(id(), from, to, int64(1+random.IntN(2))))
			}
		}
	}
	if random.IntN(2) == 0 {
		c.Rows = append(c.Rows, job("j", int64(random.IntN(6)), int64(random.IntN(3))))
	}
	if random.IntN(4) == 0 {
		c.Expect = append(c.Expect, program.Expected{Key: jobKey("j", int64(random.IntN(6))), Version: int64(random.IntN(3))})
	}
	return c
}

func (s *suite) badAlone() {
	s.done(issue(1))
	bad := applicant(2, 0)
	bad.Values[1] = "no such state" // SQL refuses it with an error of its own; a store in memory may take it
	changes := []program.Change{
		{At: s.now, Key: "good", Rows: []program.Row{applicant(1, 0)}},
		{At: s.now, Key: "bad", Rows: []program.Row{bad}},
	}
	if _, err := s.store.Apply(s.ctx, changes); err != nil {
		if len(s.load(applicantKey(1), applicantKey(2))) != 0 {
			s.Errorf("Apply gives an error and has written")
		}
		s.done(changes[0]) // sent again by itself
	}
	if len(s.load(applicantKey(1))) != 1 {
		s.Errorf("the good change was not carried out")
	}
}

func (s *suite) clockOff() {
	for _, off := range []time.Duration{time.Hour, -time.Hour} {
		var wrong *program.ClockError
		for _, entry := range []*program.Entry{nil, {At: start, Actor: "a", Kind: "k", Data: []byte("{}")}} {
			_, err := s.store.Apply(s.ctx, []program.Change{{At: s.now.Add(off), Rows: []program.Row{applicant(1, 0)}, Entry: entry}})
			if !errors.As(err, &wrong) || wrong.Ahead != off {
				s.Errorf("a clock %s off: %v, want a *ClockError that says so", off, err)
			}
		}
	}
	s.done(issue(3))
	s.done(program.Change{Postings: []ledger.Posting{posting("first seat", "left", "held", 1)}}) // the accounts are there
	for _, off := range []time.Duration{time.Hour, -time.Hour} {
		var wrong *program.ClockError
		_, err := s.store.Apply(s.ctx, []program.Change{{At: s.now.Add(off), Postings: []ledger.Posting{posting("seat", "left", "held", 1)}}})
		if !errors.As(err, &wrong) || wrong.Ahead != off {
			s.Errorf("a seat by a clock %s off: %v, want a *ClockError that says so", off, err)
		}
	}
	if got := s.balance("left"); got.Available() != 2 {
		s.Errorf("a process whose clock is off has taken a seat: %+v", got)
	}
	if len(s.load(applicantKey(1))) != 0 {
		s.Errorf("a process whose clock is off has written")
	}
	s.done(program.Change{At: s.now.Add(30 * time.Second), Rows: []program.Row{applicant(1, 0)}}) // near enough
}

func (s *suite) oneClock() {
	s.done(issue(2))
	hold := posting("hold", "left", "held", 1)
	hold.Kind, hold.Expires = ledger.Pending, start.Add(10*time.Second)
	s.done(program.Change{Postings: []ledger.Posting{hold}})
	ahead := start.Add(30 * time.Second) // a process says that the hold has expired: the store knows better
	s.done(program.Change{At: ahead, Postings: []ledger.Posting{{ID: "confirm", Kind: ledger.Post, Of: "hold"}}})
	hold.ID = "hold2"
	s.done(program.Change{Postings: []ledger.Posting{hold}})
	s.now = start.Add(20 * time.Second)
	behind := start // and another that it has not
	refusedAs[*ledger.ResolvedError](s, s.apply(program.Change{At: behind, Postings: []ledger.Posting{{ID: "late", Kind: ledger.Post, Of: "hold2"}}})[0])
	if left := s.balance("left"); left.Available() != 1 {
		s.Errorf("left %+v after the expiry, want 1 available", left)
	}
}

func (s *suite) journalMeanwhile() {
	if err := tail(s.ctx, s.store, 8, 25); err != nil {
		s.Error(err)
	}
}

// tail reads the journal while writers write to it, one to three entries in each
// transaction, and only ever asks for what is behind the last entry it saw: it
// must see every entry once.
func tail(ctx context.Context, store program.Store, writers, each int) error {
	var running sync.WaitGroup
	failed := make(chan error, writers)
	total := 0
	for w := range writers {
		for n := range each {
			total += 1 + (w+n)%3
		}
		running.Go(func() {
			for n := range each {
				changes := make([]program.Change, 1+(w+n)%3)
				for i := range changes {
					changes[i] = program.Change{At: start, Entry: &program.Entry{At: start, Actor: "writer", Kind: fmt.Sprint(w, "/", n, "/", i)}}
				}
				if _, err := store.Apply(ctx, changes); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	ended := make(chan struct{})
	go func() { running.Wait(); close(ended) }()
	var after int64
	kinds := map[string]bool{}
	for last := false; !last; {
		select {
		case <-ended: // what is read from here on is all there is
			last = true
		default:
		}
		for {
			entries, err := store.Journal(ctx, after, 7)
			if err != nil {
				return err
			}
			for _, e := range entries {
				if e.Seq != after+1 {
					return fmt.Errorf("entry %d comes after %d", e.Seq, after)
				}
				after, kinds[e.Kind] = e.Seq, true
			}
			if len(entries) < 7 {
				break
			}
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("a writer: %w", <-failed)
	}
	if len(kinds) != total || after != int64(total) {
		return fmt.Errorf("a reader has seen %d entries of %d", len(kinds), total)
	}
	return nil
}

func (s *suite) lastSeats() {
	const seats, takers, each = 20, 8, 10
	s.done(issue(seats))
	var wg sync.WaitGroup
	var mu sync.Mutex
	taken := 0
	for n := range takers {
		wg.Go(func() {
			for i := range each {
				outcomes, err := s.store.Apply(s.ctx, []program.Change{{At: start,
					Postings: []ledger.Posting{posting(fmt.Sprintf("%d/%d", n, i), "left", "held", 1)}}})
				if err != nil {
					s.Errorf("Apply: %v", err)
					return
				}
				var bound *ledger.BoundError
				mu.Lock()
				if outcomes[0].Refusal == nil {
					taken++
				} else if !errors.As(outcomes[0].Refusal, &bound) {
					s.Errorf("refusal %v, want a bound", outcomes[0].Refusal)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if left, held := s.balance("left").Posted, s.balance("held").Posted; taken != seats || left != 0 || held != seats {
		s.Errorf("%d takers were told yes, %d left, %d held; want %d, 0, %d", taken, left, held, seats, seats)
	}
}

// race runs takers at once and returns how many of their changes were carried out. The
// others must be refused as one of the errors of the ledger.
func (s *suite) race(takers int, make func(n int) []program.Change) (carried int) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	for n := range takers {
		wg.Go(func() {
			for _, c := range make(n) {
				c.At = start
				outcomes, err := s.store.Apply(s.ctx, []program.Change{c})
				if err != nil {
					s.Errorf("Apply: %v", err)
					return
				}
				var bound *ledger.BoundError
				var resolved *ledger.ResolvedError
				var reversal *ledger.ReversalError
				refusal := outcomes[0].Refusal
				mu.Lock()
				if refusal == nil {
					carried++
				} else if !errors.As(refusal, &bound) && !errors.As(refusal, &resolved) && !errors.As(refusal, &reversal) {
					s.Errorf("refusal %v, want one of the ledger", refusal)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return carried
}

// lastHolds: each taker holds a seat, and then posts or voids it. What was voided is there
// for others, so that in the end every seat is taken or left, and none twice.
func (s *suite) lastHolds() {
	const seats, takers, each = 10, 8, 8
	s.done(issue(seats))
	carried := s.race(takers, func(n int) []program.Change {
		var changes []program.Change
		for i := range each {
			hold := posting(fmt.Sprintf("hold %d/%d", n, i), "left", "held", 1)
			hold.Kind = ledger.Pending
			end := ledger.Posting{ID: fmt.Sprintf("end %d/%d", n, i), Kind: ledger.Post, Of: hold.ID}
			if (n+i)%2 == 0 {
				end.Kind = ledger.Void
			}
			changes = append(changes, program.Change{Postings: []ledger.Posting{hold}}, program.Change{Postings: []ledger.Posting{end}})
		}
		return changes
	})
	left, held := s.balance("left"), s.balance("held")
	if left.Out != 0 || held.In != 0 || left.Posted+held.Posted != seats || left.Posted < 0 || carried == 0 {
		s.Errorf("left %+v, held %+v of %d seats", left, held, seats)
	}
	var want int64 // those whose hold was carried out and posted
	for n := range takers {
		for i := range each {
			post := program.Change{Postings: []ledger.Posting{{ID: fmt.Sprintf("end %d/%d", n, i), Kind: ledger.Post, Of: fmt.Sprintf("hold %d/%d", n, i)}}}
			if (n+i)%2 != 0 && s.apply(post)[0].Refusal == nil { // it was made before: again, the same
				want++
			}
		}
	}
	if held.Posted != want {
		s.Errorf("%d seats are held, %d were posted", held.Posted, want)
	}
	// Whatever is left can be taken, and not one more.
	for n := range left.Posted {
		s.done(program.Change{Postings: []ledger.Posting{posting(fmt.Sprint("rest ", n), "left", "held", 1)}})
	}
	refusedAs[*ledger.BoundError](s, s.apply(program.Change{Postings: []ledger.Posting{posting("more", "left", "held", 1)}})[0])
}

func (s *suite) oneHold() {
	s.done(issue(1))
	hold := posting("hold", "left", "held", 1)
	hold.Kind = ledger.Pending
	s.done(program.Change{Postings: []ledger.Posting{hold}})
	carried := s.race(8, func(n int) []program.Change {
		kind := ledger.Post
		if n%2 == 0 {
			kind = ledger.Void
		}
		return []program.Change{{Postings: []ledger.Posting{{ID: fmt.Sprint("end ", n), Kind: kind, Of: "hold"}}}}
	})
	left, held := s.balance("left"), s.balance("held")
	if carried != 1 || left.Out != 0 || held.In != 0 || left.Posted+held.Posted != 1 {
		s.Errorf("%d resolved one hold: left %+v, held %+v", carried, left, held)
	}
}

func (s *suite) reversedByMany() {
	paid := posting("paid", "left", "held", 1)
	s.done(issue(9), program.Change{Postings: []ledger.Posting{paid}}, program.Change{Postings: []ledger.Posting{posting("other", "left", "held", 8)}})
	carried := s.race(8, func(n int) []program.Change {
		return []program.Change{{Postings: []ledger.Posting{ledger.Reversal(fmt.Sprint("back ", n), "paid", paid.Legs)}}}
	})
	if left := s.balance("left").Posted; carried != 1 || left != 1 {
		s.Errorf("%d reversed one posting, %d are left; want 1 and 1", carried, left)
	}
}

func (s *suite) cancelled() {
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	if _, err := s.store.Apply(ctx, []program.Change{{At: start, Rows: []program.Row{applicant(1, 0)}}}); err == nil {
		s.Errorf("Apply with a cancelled context gives an error")
	}
	if len(s.load(applicantKey(1))) != 0 {
		s.Errorf("Apply with a cancelled context wrote")
	}
}
