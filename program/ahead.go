package program

import "context"

// ahead fetches the next page of a job while the job works on this one. Only
// what the job itself will not change before may be fetched so.
type ahead[V any] struct {
	fetch   func(ctx context.Context, a ask) (V, Cursor, error)
	waiting *fetching[V]
}

type fetching[V any] struct {
	ctx    context.Context
	cancel context.CancelFunc
	limit  int
	after  Cursor
	until  Cursor
	done   chan struct{}
	page   V
	next   Cursor
	err    error
}

func newAhead[V any](fetch func(ctx context.Context, a ask) (V, Cursor, error)) *ahead[V] {
	return &ahead[V]{fetch: fetch}
}

// get returns the page after a cursor and begins to fetch the one behind it.
func (h *ahead[V]) get(ctx context.Context, a ask) (V, Cursor, error) {
	f := h.waiting
	if a.first || f == nil || f.limit != a.limit || !sameCursor(f.after, a.after) || !sameCursor(f.until, a.until) {
		h.stop()
		f = h.start(ctx, a)
	}
	<-f.done
	f.cancel()
	h.waiting = nil
	if f.err == nil && f.next != nil {
		h.waiting = h.start(ctx, ask{after: f.next, until: a.until, limit: a.limit})
	}
	return f.page, f.next, f.err
}

func (h *ahead[V]) start(ctx context.Context, a ask) *fetching[V] {
	f := &fetching[V]{limit: a.limit, after: a.after, until: a.until, done: make(chan struct{})}
	f.ctx, f.cancel = context.WithCancel(ctx)
	go func() {
		defer close(f.done)
		f.page, f.next, f.err = h.fetch(f.ctx, a)
	}()
	return f
}

// drop forgets what is being fetched if the job begins or begins anew.
func (h *ahead[V]) drop(a ask) {
	if a.first {
		h.stop()
	}
}

// stop ends what is being fetched and waits for it. The job calls it at its
// end.
func (h *ahead[V]) stop() {
	if h.waiting != nil {
		h.waiting.cancel()
		<-h.waiting.done
		h.waiting = nil
	}
}

func sameCursor(a, b Cursor) bool {
	if len(a) != len(b) || (a == nil) != (b == nil) {
		return false
	}
	for i := range a {
		if !same(a[i], b[i]) {
			return false
		}
	}
	return true
}
