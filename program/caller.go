package program

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Patience is how a verifier is called: how often it is tried, and when it is left in
// peace. The zero value is ready.
type Patience struct {
	// Tries is how often one call is tried before it counts as failed; 0 means 3.
	Tries int
	// First is how long to wait before the second try; each wait is twice the one before,
	// up to Most. 0 means 200 milliseconds and 30 seconds.
	First, Most time.Duration
	// Timeout is how long one try may take; 0 means 30 seconds.
	Timeout time.Duration
	// Failures is after how many failed calls about a single person, one after
	// another, the verifier is held to be down; 0 means 5. A call about several that fails
	// is made again in halves, so that one question that it cannot bear stops nobody else.
	Failures int
	// Rest is how long a verifier that is down is not called; 0 means a minute.
	Rest time.Duration
	// Jitter gives a number from 0 to below 1 by which a wait is shortened, to at least
	// half: math/rand/v2.Float64 in production, so that processes do not come back
	// together. Nil: waits are whole.
	Jitter func() float64
}

// Caller calls a verifier with patience. It is safe for use by several goroutines: one
// for each verifier and process.
type Caller struct {
	verifier Verifier
	terms    VerifierTerms
	patience Patience
	clock    func() time.Time

	mu       sync.Mutex
	failures int
	until    time.Time
}

// NewCaller returns a caller of a verifier. Patience may be nil. The error is a
// *FieldError if the verifier's terms are not valid.
func NewCaller(v Verifier, clock func() time.Time, p *Patience) (*Caller, error) {
	if v == nil || clock == nil {
		return nil, errors.New("program: a caller needs a verifier and a clock")
	}
	c := &Caller{verifier: v, terms: v.Terms(), clock: clock}
	if p != nil {
		c.patience = *p
	}
	positive := func(d *time.Duration, otherwise time.Duration) {
		if *d <= 0 {
			*d = otherwise
		}
	}
	positive(&c.patience.First, 200*time.Millisecond)
	positive(&c.patience.Most, 30*time.Second)
	positive(&c.patience.Timeout, 30*time.Second)
	positive(&c.patience.Rest, time.Minute)
	if c.patience.Tries <= 0 {
		c.patience.Tries = 3
	}
	if c.patience.Failures <= 0 {
		c.patience.Failures = 5
	}
	c.terms.Batch = max(1, c.terms.Batch)
	return c, c.terms.validate()
}

// DownError says that a verifier does not answer and is not called until an instant.
type DownError struct {
	Source string
	Until  time.Time
}

func (e *DownError) Error() string {
	return fmt.Sprintf("program: %s does not answer and is not called until %s", e.Source, e.Until.UTC().Format(time.RFC3339))
}

// Down reports whether the verifier is held to be down, and until when.
func (c *Caller) Down() (until time.Time, down bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.until, c.clock().Before(c.until)
}

func (c *Caller) check() error {
	if until, down := c.Down(); down {
		return &DownError{c.terms.Source, until}
	}
	return nil
}

// failed counts a call about one person that failed; answered ends the count.
func (c *Caller) failed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failures++; c.failures >= c.patience.Failures {
		// After the rest one more failure is enough.
		c.until, c.failures = c.clock().Add(c.patience.Rest), c.patience.Failures-1
	}
}

func (c *Caller) answered() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures, c.until = 0, time.Time{}
}

// try makes one call, again where it fails, with waits between. Before is told of each
// try.
func (c *Caller) try(ctx context.Context, before func() error, call func(context.Context) error) error {
	wait := c.patience.First
	for n := 1; ; n++ {
		if err := before(); err != nil {
			return err
		}
		within, cancel := context.WithTimeout(ctx, c.patience.Timeout)
		err := call(within)
		cancel()
		if err == nil || errors.Is(err, ErrRefusedCall) || ctx.Err() != nil || n == c.patience.Tries {
			return err
		}
		if err := c.pause(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, c.patience.Most)
	}
}

func (c *Caller) pause(ctx context.Context, wait time.Duration) error {
	if c.patience.Jitter != nil {
		wait -= time.Duration(float64(wait) * c.patience.Jitter() / 2)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// item is one question and what was said to it.
type item struct {
	applicant uuid.UUID
	question  Question
	said      []VerifierAnswer
}

// exchange makes a call about some items, in halves where it fails. The items up to done
// are dealt with, whether or not they were answered; the error says why the rest is not.
func (c *Caller) exchange(ctx context.Context, items []item, before func(people int) error, call func(context.Context, []item) ([]VerifierAnswer, error)) (done, stray int, err error) {
	if err := c.check(); err != nil {
		return 0, 0, err
	}
	var own error // of the register: not the verifier's fault
	var answers []VerifierAnswer
	err = c.try(ctx, func() error { own = before(len(items)); return own }, func(ctx context.Context) (err error) {
		answers, err = call(ctx, items)
		return err
	})
	switch {
	case own != nil:
		return 0, 0, own
	case ctx.Err() != nil:
		return 0, 0, ctx.Err()
	case err == nil:
		c.answered()
		return len(items), assign(items, answers), nil
	case len(items) > 1:
		half := len(items) / 2
		done, stray, err = c.exchange(ctx, items[:half], before, call)
		if err != nil {
			return done, stray, err
		}
		more, other, err := c.exchange(ctx, items[half:], before, call)
		return half + more, stray + other, err
	case errors.Is(err, ErrRefusedCall):
		c.answered() // it is there
	default:
		c.failed()
	}
	return 1, 0, nil
}

// assign gives each answer to its question, and counts those that belong to none.
func assign(items []item, answers []VerifierAnswer) (stray int) {
	byReference := make(map[string]int, len(items))
	for i := range items {
		byReference[items[i].question.Reference] = i
	}
	for _, a := range answers {
		i, ok := byReference[a.Reference]
		if !ok {
			stray++
			continue
		}
		items[i].said = append(items[i].said, a)
	}
	return stray
}
