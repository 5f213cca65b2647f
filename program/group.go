package program

import (
	"context"
	"errors"
	"runtime"
	"sync"
)

// Grouped returns the store such that small changes of concurrent callers share a
// transaction: each has its own outcome, and one that cannot be written hurts nobody
// else. An engine groups its commands so by itself; this is for a service that writes
// changes of its own, such as seats that are given as people come.
//
// Whoever comes first carries out all that wait; who comes meanwhile waits for the next
// turn, which one of those takes over. So there is no delay while there is little to
// do, and no goroutine.
func Grouped(store Store) Store { return &grouped{Store: store} }

type grouped struct {
	Store

	mu      sync.Mutex
	busy    bool
	waiting []*waiter
}

// Apply implements Store. Several changes, and large ones, are a transaction of their own.
func (g *grouped) Apply(ctx context.Context, changes []Change) ([]Outcome, error) {
	if len(changes) != 1 || !small(&changes[0]) {
		return g.Store.Apply(ctx, changes)
	}
	outcome, err := g.apply(ctx, changes[0])
	if err != nil {
		return nil, err
	}
	return []Outcome{outcome}, nil
}

// small reports whether a change is like those of one command.
func small(c *Change) bool { return len(c.Rows) <= 16 && len(c.Postings) <= 16 }

// waiter is a change that waits, and what became of it.
type waiter struct {
	change Change
	ready  chan bool // true: carried out; false: it is this one's turn to carry out
	done   Outcome
	err    error
}

// mostTogether is how many changes share a transaction at most.
const mostTogether = 256

// manyTurns is how often others are let go first without anybody coming: a few microseconds,
// little beside what it takes to write.
const manyTurns = 16

// apply carries out one change. The error means that the outcome is unknown, or, if the
// context ended before the change had its turn, that nothing was written.
func (g *grouped) apply(ctx context.Context, change Change) (Outcome, error) {
	if err := ctx.Err(); err != nil {
		return Outcome{}, err
	}
	w := &waiter{change: change, ready: make(chan bool, 1)}
	g.mu.Lock()
	if g.busy {
		g.waiting = append(g.waiting, w)
		g.mu.Unlock()
		select {
		case carriedOut := <-w.ready:
			if carriedOut {
				return w.done, w.err
			}
		case <-ctx.Done():
			return g.leave(ctx, w)
		}
		g.mu.Lock()
	}
	g.busy = true
	// Those whom the last turn has answered may be about to ask again. Without this
	// whoever is the first of them would go alone, and every second transaction have
	// one change.
	for alone, before := 0, -1; alone < manyTurns && len(g.waiting) < mostTogether; {
		if alone++; before < len(g.waiting) {
			alone, before = 0, len(g.waiting)
		}
		g.mu.Unlock()
		runtime.Gosched()
		g.mu.Lock()
	}
	some := append([]*waiter{w}, g.take(mostTogether-1)...)
	g.mu.Unlock()
	// The others did not ask to be cancelled with this caller.
	g.carryOut(context.WithoutCancel(ctx), some)
	g.pass()
	return w.done, w.err
}

// take removes up to n waiters from the queue.
func (g *grouped) take(n int) []*waiter {
	n = min(n, len(g.waiting))
	some := g.waiting[:n:n]
	g.waiting = g.waiting[n:]
	return some
}

// pass gives the turn to the next in the queue.
func (g *grouped) pass() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.busy = len(g.waiting) > 0
	if g.busy {
		g.take(1)[0].ready <- false
	}
}

// leave takes a caller out of the queue who does not want to wait any longer. One who
// was taken up already has its answer shortly.
func (g *grouped) leave(ctx context.Context, w *waiter) (Outcome, error) {
	g.mu.Lock()
	for i, other := range g.waiting {
		if other == w {
			g.waiting = append(g.waiting[:i:i], g.waiting[i+1:]...)
			g.mu.Unlock()
			return Outcome{}, ctx.Err()
		}
	}
	g.mu.Unlock()
	if carriedOut := <-w.ready; carriedOut {
		return w.done, w.err
	}
	g.pass()
	return Outcome{}, ctx.Err()
}

// carryOut applies changes together. If that fails each is applied by itself, so that
// one whose values the store cannot take hurts nobody else. Where nobody knows whether
// the set was written, only those with a key are: the others' callers must know.
func (g *grouped) carryOut(ctx context.Context, some []*waiter) {
	changes := make([]Change, len(some))
	for i, w := range some {
		changes[i] = w.change
	}
	outcomes, err := g.Store.Apply(ctx, changes)
	for i, w := range some {
		switch {
		case err == nil:
			w.done = outcomes[i]
		case len(some) == 1 || w.change.Key == "" && !undone(err):
			w.err = err
		default:
			alone, err := g.Store.Apply(ctx, changes[i:i+1])
			if w.err = err; err == nil {
				w.done = alone[0]
			}
		}
	}
	for _, w := range some[1:] {
		w.ready <- true
	}
}

// undone reports whether it is certain that nothing was written.
func undone(err error) bool {
	var certain *UndoneError
	var clock *ClockError
	return errors.As(err, &certain) || errors.As(err, &clock)
}
