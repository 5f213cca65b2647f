package program_test

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/memstore"
)

// One of each state, for tests that need a case to try something on.
func anyIn(t *testing.T, e *program.Engine[details], state program.State) uuid.UUID {
	t.Helper()
	var id uuid.UUID
	require.NoError(t, e.Cases(t.Context(), 1, []program.State{state}, false, func(c *program.Case[details]) error {
		id = c.Application.Applicant
		return nil
	}))
	require.NotEqual(t, uuid.Nil, id, "nobody is in state %s", state)
	return id
}

func TestOnlyThePolicyPassesACheck(t *testing.T) {
	s := newStory(memstore.New())
	s.until = 4
	require.NoError(t, s.run(t))
	e := s.engine(t)
	err := e.Fire(t.Context(), program.By{Actor: "partner"}, 1, anyIn(t, e, "joined"), program.Report{Event: "passed"})
	var refused *program.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "check-only", refused.Reasons[0].Code)
	counts, err := e.FireAll(t.Context(), program.By{Actor: "partner"}, "sneak", program.FireOrder[details]{Wave: 1, Sealed: true,
		Report: func(*program.Case[details]) (program.Report, bool) { return program.Report{Event: "passed"}, true }})
	require.NoError(t, err)
	require.Equal(t, counts["done"], counts["refused.check-only"])
}

func TestAJobNameBelongsToItsArguments(t *testing.T) {
	s := newStory(memstore.New())
	require.NoError(t, s.run(t))
	e, ctx, by := s.engine(t), t.Context(), program.By{Actor: "preparer"}
	var conflict *program.KeyConflictError
	_, err := e.PrepareBatch(ctx, by, program.BatchOrder{Number: 1, Wave: 1, Benefit: "cash", Instalment: 2})
	require.ErrorAs(t, err, &conflict)
	_, err = e.CheckAll(ctx, by, "join", 1, "joined")
	require.ErrorAs(t, err, &conflict)
	_, err = e.CheckAll(ctx, by, "screen", 1, "joined")
	require.NoError(t, err, "control: the same job again is no conflict")
}

// Whoever can write the database cannot change what is paid after approval.
func TestWhatIsWrittenIsWhatWasApproved(t *testing.T) {
	s := newStory(memstore.New())
	s.until = 20
	require.NoError(t, s.run(t))
	e, ctx := s.engine(t), t.Context()
	paid := 0
	count := func(program.Order) error { paid++; return nil }
	require.NoError(t, e.WriteBatch(ctx, 1, count))
	require.Positive(t, paid)
	rows, _, err := s.store.Page(ctx, program.Scan{Table: program.TablePayments, Equal: []any{int64(1)}, Limit: 1})
	require.NoError(t, err)
	forged := rows.Rows[0]
	forged.Values[8] = forged.Values[8].(int64) * 10
	outcomes, err := s.store.Apply(ctx, []program.Change{{Rows: []program.Row{forged}}})
	require.NoError(t, err)
	require.NoError(t, outcomes[0].Refusal)
	var not *program.NotApprovedError
	require.ErrorAs(t, e.WriteBatch(ctx, 1, count), &not)
}

func TestDetailsThatWouldBeLostAreRefused(t *testing.T) {
	type masked struct {
		Account identity.Secret `json:"account"`
	}
	type hidden struct{ account string }
	require.Empty(t, hidden{}.account)
	keys, err := program.NewLocalKeyring(bytes.Repeat([]byte{7}, 32), rand.NewChaCha8([32]byte{2}))
	require.NoError(t, err)
	around := program.Surroundings{Clock: func() time.Time { return day(1) }, Random: rand.NewChaCha8([32]byte{3})}
	var faults program.Faults
	_, err = program.NewEngine(&program.Program[masked]{ID: "x", Facts: program.NewFacts[masked]()}, memstore.New(), keys, around, nil)
	require.ErrorAs(t, err, &faults)
	require.ErrorContains(t, err, "T.Account would not survive")
	_, err = program.NewEngine(&program.Program[hidden]{ID: "x", Facts: program.NewFacts[hidden]()}, memstore.New(), keys, around, nil)
	require.ErrorContains(t, err, "T.account would not survive")
}

func TestASeatComesFromADrawOnly(t *testing.T) {
	p := testProgram()
	p.Lifecycle.Moves[0].To = "accepted" // passed leads straight to a seat
	keys, err := program.NewLocalKeyring(bytes.Repeat([]byte{7}, 32), rand.NewChaCha8([32]byte{2}))
	require.NoError(t, err)
	_, err = program.NewEngine(p, memstore.New(), keys, program.Surroundings{Clock: func() time.Time { return day(1) }, Random: rand.NewChaCha8([32]byte{3})}, nil)
	require.ErrorContains(t, err, "takes a seat, which only a draw or Admit gives")
}

// Sets of states change nothing: who is on the roll, and who has a seat, follows from
// the states that they stand for.
func TestASetHidesNoWayAroundTheDraw(t *testing.T) {
	s := newStory(memstore.New())
	for want, bust := range map[string]func(*program.Table){
		`"sneak" from "joined" leads onto the roll without a check`: func(b *program.Table) {
			b.Moves = append(b.Moves, program.Moves{{On: "sneak", From: []program.State{"joined"}, To: "in_roll"}}...)
		},
		`"sneak" from "in_roll" takes a seat, which only a draw or Admit gives`: func(b *program.Table) {
			b.Moves = append(b.Moves, program.Moves{{On: "sneak", From: []program.State{"roll"}, To: "bought"}}...)
		},
	} {
		p := testProgram()
		p.Lifecycle.Sets = program.Sets{"roll": {"in_roll"}}
		for i := range p.Lifecycle.Moves {
			if p.Lifecycle.Moves[i].On == program.Drawn {
				p.Lifecycle.Moves[i].From = []program.State{"roll"}
			}
		}
		_, err := s.engineOf(t, p)
		require.NoError(t, err, "control")
		bust(&p.Lifecycle)
		_, err = s.engineOf(t, p)
		require.ErrorContains(t, err, want)
	}
}

// A repeated command under its key has the receipt of the first.
func TestJoiningTwiceGivesOneReceipt(t *testing.T) {
	s := newStory(memstore.New())
	s.until = 2
	require.NoError(t, s.run(t))
	s.now = day(3)
	e, ctx := s.engine(t), t.Context()
	id, err := e.Register(ctx, program.By{Actor: "registrar"}, madePerson(61))
	require.NoError(t, err)
	by := program.By{Actor: "citizen", Key: "join-61"}
	first, err := e.Join(ctx, by, 1, id)
	require.NoError(t, err)
	again, err := e.Join(ctx, by, 1, id)
	require.NoError(t, err)
	require.Equal(t, first.Receipt, again.Receipt)
	_, err = e.Join(ctx, program.By{Actor: "citizen"}, 1, id)
	var why *program.JoinError
	require.ErrorAs(t, err, &why)
	require.Equal(t, "joined-before", why.Rule)
}

// Several processes that run one job deal with each person once.
func TestManyMayWorkOnOneJob(t *testing.T) {
	store := memstore.New()
	s := newStory(store)
	s.until = 2
	s.chunk = 3
	require.NoError(t, s.run(t))
	var wg sync.WaitGroup
	for n := range 6 {
		mine := newStory(store)
		mine.made, mine.chunk, mine.now, mine.worker = rand.NewChaCha8([32]byte{byte(10 + n)}), 1, day(3), ""
		e := mine.engine(t)
		wg.Go(func() {
			counts, err := e.JoinAll(t.Context(), program.By{Actor: "registrar"}, "join", 1, nil)
			if err != nil || counts["done"] == 0 {
				t.Errorf("process %d: %v %v", n, counts, err)
			}
		})
	}
	wg.Wait()
	counts, finished, err := s.engine(t).JobStatus(t.Context(), "join")
	require.NoError(t, err)
	require.True(t, finished)
	registered, _, err := s.engine(t).JobStatus(t.Context(), "register")
	require.NoError(t, err)
	require.Equal(t, registered["registered"], counts["state.joined"])
	s.verify(t)
}
