package program_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/memstore"
)

// twin lets another process come first, when a wave is about to be read or written for
// the nth time.
type twin struct {
	program.Store
	n     int
	first func()
}

func (s *twin) comes(about bool) {
	if about {
		if s.n--; s.n == 0 {
			s.first()
		}
	}
}

func (s *twin) Load(ctx context.Context, q program.Query) (program.Rows, error) {
	s.comes(slices.ContainsFunc(q.Keys, func(k program.Key) bool { return k.Table == program.TableWaves }))
	return s.Store.Load(ctx, q)
}

func (s *twin) Apply(ctx context.Context, changes []program.Change) ([]program.Outcome, error) {
	for _, c := range changes {
		s.comes(slices.ContainsFunc(c.Rows, func(r program.Row) bool { return r.Table == program.TableWaves }))
	}
	return s.Store.Apply(ctx, changes)
}

// Of two processes that end an announcement in the same instant the second hears that it is
// done, with the same counts, wherever the first comes between.
func TestTwoEndAnAnnouncement(t *testing.T) {
	for n := 1; ; n++ {
		s := newStory(memstore.New())
		s.until = 6
		require.NoError(t, s.run(t))
		s.now = day(7)
		by := program.By{Actor: "planner"}
		other := s.engine(t)
		require.NoError(t, s.draw(t.Context(), other, by))
		store := &twin{Store: s.store, n: n}
		s.store = store
		e := s.engine(t)
		var first program.Counts
		store.first = func() {
			var err error
			first, err = other.Announce(t.Context(), by, "announce", 1)
			require.NoError(t, err)
		}
		second, err := e.Announce(t.Context(), by, "announce", 1)
		require.NoError(t, err, n)
		w, err := e.Wave(t.Context(), 1)
		require.NoError(t, err)
		require.Equal(t, program.WaveAnnounced, w.State)
		if store.n > 0 {
			require.Greater(t, n, 3, "it was read, read again and written")
			return
		}
		require.NotEmpty(t, first)
		require.Equal(t, first, second, n)
	}
}
