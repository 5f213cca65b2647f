package program_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/memstore"
)

// joinedStory is a story on the day on which people have joined, in small chunks.
func joinedStory(t *testing.T, store program.Store) *story {
	s := newStory(store)
	s.until, s.chunk = 4, 1
	require.NoError(t, s.run(t))
	s.now = day(5)
	require.NoError(t, s.engine(t).CloseWave(t.Context(), program.By{Actor: "planner", Key: "close"}, 1))
	return s
}

// worker is another process on the story's store, with a name of its own.
func (s *story) another(t *testing.T, n byte, store program.Store) *program.Engine[details] {
	mine := newStory(store)
	mine.made, mine.chunk, mine.now, mine.worker = rand.NewChaCha8([32]byte{100 + n}), 1, s.now, ""
	return mine.engine(t)
}

// countingStore counts the chunks that one process has written, and can die.
type countingStore struct {
	program.Store
	mu     sync.Mutex
	chunks int
	dies   int // at this chunk; 0 for never
}

var errDied = errors.New("the process died")

func (s *countingStore) Apply(ctx context.Context, changes []program.Change) ([]program.Outcome, error) {
	s.mu.Lock()
	if changes[0].Entry != nil && changes[0].Entry.Kind == "stepped" {
		s.chunks++
	}
	dead := s.dies > 0 && s.chunks >= s.dies
	s.mu.Unlock()
	if dead {
		return nil, errDied
	}
	return s.Store.Apply(ctx, changes)
}

// Ten processes share a job: each case is stepped once, and more than one of them works.
func TestTenProcessesShareAJob(t *testing.T) {
	store := memstore.New()
	s := joinedStory(t, store)
	const processes = 10
	stores := make([]*countingStore, processes)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for n := range stores {
		stores[n] = &countingStore{Store: store}
		e := s.another(t, byte(n), stores[n])
		wg.Go(func() {
			<-start
			if _, err := e.CheckAll(t.Context(), program.By{Actor: "policy"}, "screen", 1, "joined"); err != nil {
				t.Errorf("process %d: %v", n, err)
			}
		})
	}
	close(start)
	wg.Wait()
	counts, finished, err := s.engine(t).JobStatus(t.Context(), "screen")
	require.NoError(t, err)
	require.True(t, finished)
	joined, _, err := s.engine(t).JobStatus(t.Context(), "join")
	require.NoError(t, err)
	require.Equal(t, joined["state.joined"], counts["done"], "each case was dealt with once")
	worked := 0
	for _, one := range stores {
		if one.chunks > 0 {
			worked++
		}
	}
	require.Greater(t, worked, 1, "one process did all of it")
	s.verify(t)
}

// A process that dies leaves its part to the others, once its lease is over.
func TestThePartOfADeadProcessIsTakenOver(t *testing.T) {
	store := memstore.New()
	s := joinedStory(t, store)
	dying := &countingStore{Store: store, dies: 3}
	by := program.By{Actor: "policy"}
	_, err := s.another(t, 1, dying).CheckAll(t.Context(), by, "screen", 1, "joined")
	require.ErrorIs(t, err, errDied)
	before, finished, err := s.engine(t).JobStatus(t.Context(), "screen")
	require.NoError(t, err)
	require.False(t, finished)
	require.EqualValues(t, 2, before["done"])
	counts, err := s.another(t, 2, store).CheckAll(t.Context(), by, "screen", 1, "joined")
	require.NoError(t, err)
	joined, _, err := s.engine(t).JobStatus(t.Context(), "join")
	require.NoError(t, err)
	require.Equal(t, joined["state.joined"], counts["done"])
	s.verify(t)
}

// Once PauseJob has returned nothing more is written; resumed, the job ends as if it had
// not been paused. A stopped job stays as it is.
func TestAPauseHoldsAtOnce(t *testing.T) {
	store := memstore.New()
	s := joinedStory(t, store)
	by := program.By{Actor: "policy"}
	operator := s.engine(t)
	hold := func(pause func(context.Context, program.By, string) error, as error) int64 {
		acting := &actingStore{Store: store}
		acting.act = func() {
			require.NoError(t, pause(context.WithoutCancel(t.Context()), program.By{Actor: "operator"}, "screen"))
		}
		_, err := s.another(t, 3, acting).CheckAll(t.Context(), by, "screen", 1, "joined")
		require.ErrorIs(t, err, as)
		counts, finished, err := operator.JobStatus(t.Context(), "screen")
		require.NoError(t, err)
		require.False(t, finished)
		return counts["done"]
	}
	require.EqualValues(t, 1, hold(operator.PauseJob, program.ErrPaused), "the second chunk came after the pause")
	_, err := operator.CheckAll(t.Context(), by, "screen", 1, "joined")
	require.ErrorIs(t, err, program.ErrPaused)
	require.NoError(t, operator.ResumeJob(t.Context(), program.By{Actor: "operator"}, "screen"))
	done := hold(operator.StopJob, program.ErrStopped)
	require.EqualValues(t, 2, done)
	var state *program.StateError
	require.ErrorAs(t, operator.ResumeJob(t.Context(), program.By{Actor: "operator"}, "screen"), &state, "it was stopped for good")
	counts, err := operator.CheckAll(t.Context(), by, "screen again", 1, "joined")
	require.NoError(t, err)
	require.Positive(t, counts["done"])
	s.verify(t)
}

// actingStore does something once, before the second chunk is written.
type actingStore struct {
	program.Store
	act    func()
	chunks int
}

func (s *actingStore) Apply(ctx context.Context, changes []program.Change) ([]program.Outcome, error) {
	if changes[0].Entry != nil && changes[0].Entry.Kind == "stepped" {
		if s.chunks++; s.chunks == 2 {
			s.act()
		}
	}
	return s.Store.Apply(ctx, changes)
}

// The journal names each case that a job left as it was, with the reason.
func TestTheJournalNamesWhoWasRefused(t *testing.T) {
	store := memstore.New()
	s := joinedStory(t, store)
	counts, err := s.engine(t).FireAll(t.Context(), program.By{Actor: "officer"}, "buy too early", program.FireOrder[details]{
		Wave: 1, States: []program.State{"joined"},
		Report: func(*program.Case[details]) (program.Report, bool) { return program.Report{Event: "buy"}, true }})
	require.NoError(t, err)
	require.Positive(t, counts["done"])
	named := map[string]bool{}
	entries, err := store.Journal(t.Context(), 0, 10_000)
	require.NoError(t, err)
	for _, entry := range entries {
		var data struct {
			Refused map[string][]string `json:"refused"`
		}
		if entry.Kind != "stepped" {
			continue
		}
		require.NoError(t, json.Unmarshal(entry.Data, &data))
		for _, id := range data.Refused["no-move"] {
			named[id] = true
		}
	}
	require.EqualValues(t, counts["refused.no-move"], len(named), "%v", counts)
	require.Len(t, named, int(counts["done"]))
}

// Whoever is told to stop leaves the part to the others at once, and progress counts what
// all of them did.
func TestWhoStopsLeavesThePart(t *testing.T) {
	store := memstore.New()
	s := joinedStory(t, store)
	ctx, cancel := context.WithCancel(t.Context())
	stopping := &actingStore{Store: store, act: cancel}
	_, err := s.another(t, 1, stopping).CheckAll(ctx, by, "screen", 1, "joined")
	require.ErrorIs(t, err, context.Canceled)
	h, err := s.engine(t).Health(t.Context())
	require.NoError(t, err)
	require.Zero(t, h.Jobs[0].Taken)
	var told []program.Progress
	keys, err := program.NewLocalKeyring(secret(7), rand.NewChaCha8([32]byte{2}))
	require.NoError(t, err)
	e, err := program.NewEngine(testProgram(), store, keys, program.Surroundings{Clock: func() time.Time { return s.now }, Random: rand.NewChaCha8([32]byte{3})},
		&program.Options{Chunk: 1, Lease: time.Hour, Progress: func(p program.Progress) { told = append(told, p) }})
	require.NoError(t, err)
	counts, err := e.CheckAll(t.Context(), by, "screen", 1, "joined")
	require.NoError(t, err, "nobody waits an hour for who has stopped")
	for i := 1; i < len(told); i++ {
		require.GreaterOrEqual(t, told[i].Done, told[i-1].Done)
	}
	require.Greater(t, len(told), 10)
	require.Equal(t, program.Progress{Job: "screen", Done: counts["done"], Finished: true}, told[len(told)-1])
	require.Equal(t, h.Jobs[0].Done+1, told[0].Done)
}
