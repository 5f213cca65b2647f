package program_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/program/memstore"
)

// An operator sees deadlines that nobody has fired, and jobs that are not at their end.
func TestHealth(t *testing.T) {
	store := memstore.New()
	s := joinedStory(t, store)
	e := s.engine(t)
	h, err := e.Health(t.Context())
	require.NoError(t, err)
	require.Equal(t, program.Health{}, h)

	_, err = s.another(t, 1, &countingStore{Store: store, dies: 3}).CheckAll(t.Context(), program.By{Actor: "policy"}, "screen", 1, "joined")
	require.ErrorIs(t, err, errDied)
	require.NoError(t, e.PauseJob(t.Context(), by, "screen"))
	h, err = e.Health(t.Context())
	require.NoError(t, err)
	require.Len(t, h.Jobs, 1)
	job := h.Jobs[0]
	require.Equal(t, program.JobHealth{Name: "screen", State: "paused", Done: 2, Parts: job.Parts, Left: job.Parts, Taken: 1}, job)
	require.Greater(t, job.Parts, 1)

	after := newStory(store)
	after.now = day(6)
	require.NoError(t, e.ResumeJob(t.Context(), by, "screen"))
	require.NoError(t, after.run(t))
	h, err = after.engine(t).Health(t.Context())
	require.NoError(t, err)
	require.Empty(t, h.Jobs)
	require.Zero(t, h.Overdue)

	early := newStory(memstore.New())
	early.until = 7
	require.NoError(t, early.run(t))
	early.now = day(25)
	h, err = early.engine(t).Health(t.Context())
	require.NoError(t, err)
	require.Equal(t, day(7).Add(10*24*time.Hour).Truncate(24*time.Hour).Add(17*time.Hour), h.Overdue, "ten days after the announcement, at midnight in Jakarta")
}

// heard is an observer that keeps what it hears.
type heard struct {
	mu    sync.Mutex
	begun map[string]int
	ended map[string]int
	err   map[string]error
}

func (h *heard) Begin(ctx context.Context, what string, attrs ...slog.Attr) (context.Context, func(error)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.begun[what]++
	return ctx, func(err error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.ended[what]++
		if err != nil && !errors.Is(err, context.Canceled) { // what was read ahead and is not needed
			h.err[what] = err
		}
	}
}

// An observer hears the beginning and the end of everything, once each, with its error.
func TestAnObserverHears(t *testing.T) {
	ears := &heard{begun: map[string]int{}, ended: map[string]int{}, err: map[string]error{}}
	s := newStory(memstore.New())
	s.ears = ears
	require.NoError(t, s.run(t))
	require.Equal(t, ears.begun, ears.ended)
	for _, what := range []string{"command.wave.plan", "command.fund", "job.chunk", "store.apply", "store.load", "store.page", "store.balances"} {
		require.Positive(t, ears.begun[what], "%s: %v", what, ears.begun)
	}
	require.Empty(t, ears.err)
	s.store = &faulty{Store: s.store, at: 1}
	err := s.engine(t).Fund(t.Context(), by, s.fund)
	require.ErrorIs(t, err, errPower)
	require.ErrorIs(t, ears.err["store.apply"], errPower)
	require.ErrorIs(t, ears.err["command.fund"], errPower)
}

// A caller can tell what it makes sense to try again.
func TestWhatCanBeTriedAgain(t *testing.T) {
	s := newStory(memstore.New())
	s.now = day(1)
	s.store = &faulty{Store: s.store, at: 1}
	failed := s.engine(t).Fund(t.Context(), by, s.fund)
	var store *program.StoreError
	require.ErrorAs(t, failed, &store)
	require.Equal(t, "apply", store.Op)
	for _, err := range []error{failed, &program.StaleError{}, &program.ClockError{}} {
		require.True(t, program.CanRetry(err), "%v", err)
	}
	for _, err := range []error{nil, errors.New("x"), &program.KeyConflictError{}, &program.RefusedError{}, &program.FieldError{}, &ledger.BoundError{}, program.ErrNotFound} {
		require.False(t, program.CanRetry(err), "%v", err)
	}
}
