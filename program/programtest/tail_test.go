package programtest

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/memstore"
)

// late shows the newest entry but one before the one that it follows, as a store
// does that numbers entries when they are written and not when they commit.
type late struct {
	program.Store
	calls atomic.Int64
}

func (s *late) Journal(ctx context.Context, after int64, limit int) ([]program.Entry, error) {
	entries, err := s.Store.Journal(ctx, after, limit)
	if s.calls.Add(1)%2 == 1 && len(entries) > 1 {
		entries = slices.Delete(entries, len(entries)-2, len(entries)-1)
	}
	return entries, err
}

// Control: the check of the suite catches a store that shows entries out of turn.
func TestAStoreWithGapsIsCaught(t *testing.T) {
	if err := tail(t.Context(), memstore.New(), 4, 25); err != nil {
		t.Fatal(err)
	}
	if err := tail(t.Context(), &late{Store: memstore.New()}, 4, 25); err == nil {
		t.Fatal("a store that shows a later entry first was not caught")
	}
}
