package program

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/gelombang/gelombang/program/ledger"
)

// Observer hears what an engine does, for metrics and traces. It is called by many
// goroutines at once, and never with personal data. The module examples has one for
// OpenTelemetry.
type Observer interface {
	// Begin is called when something begins: "command.join", "job.chunk",
	// "store.apply". What happens within it gets the returned context; end is called
	// once, when it is over, with its error.
	Begin(ctx context.Context, what string, attrs ...slog.Attr) (inner context.Context, end func(error))
}

// silent observes nothing.
type silent struct{}

func (silent) Begin(ctx context.Context, _ string, _ ...slog.Attr) (context.Context, func(error)) {
	return ctx, func(error) {}
}

// StoreError says that the store failed. If it failed to write (Op is "apply"), nobody
// knows whether the change was carried out: the same command, given again with its key,
// is carried out once and says so.
type StoreError struct {
	// Op is what was asked of the store: "apply", "load", "page", "journal", "balances".
	Op  string
	Err error
}

func (e *StoreError) Error() string { return fmt.Sprintf("program: store: %s: %v", e.Op, e.Err) }

// Unwrap gives the store's own error.
func (e *StoreError) Unwrap() error { return e.Err }

// CanRetry reports whether giving the same command again, with the same key, can help.
// It can where the store failed (*StoreError), where somebody else was first
// (*StaleError), and, once that is mended, where a clock was wrong (*ClockError). It
// cannot where a command was refused for what it asks.
func CanRetry(err error) bool {
	var store *StoreError
	var stale *StaleError
	var clock *ClockError
	return errors.As(err, &store) || errors.As(err, &stale) || errors.As(err, &clock)
}

// watched is the store as the engine uses it: its failures have a type, and an observer
// hears of every call.
type watched struct {
	Store
	observer Observer
}

func (w watched) Apply(ctx context.Context, changes []Change) ([]Outcome, error) {
	ctx, end := w.observer.Begin(ctx, "store.apply", slog.Int("changes", len(changes)))
	outcomes, err := w.Store.Apply(ctx, changes)
	return outcomes, storeError("apply", err, end)
}

func (w watched) Load(ctx context.Context, q Query) (Rows, error) {
	ctx, end := w.observer.Begin(ctx, "store.load", slog.Int("keys", len(q.Keys)))
	rows, err := w.Store.Load(ctx, q)
	return rows, storeError("load", err, end)
}

func (w watched) Page(ctx context.Context, scan Scan) (Rows, Cursor, error) {
	ctx, end := w.observer.Begin(ctx, "store.page", slog.Int("limit", scan.Limit))
	rows, next, err := w.Store.Page(ctx, scan)
	return rows, next, storeError("page", err, end)
}

func (w watched) Journal(ctx context.Context, after int64, limit int) ([]Entry, error) {
	ctx, end := w.observer.Begin(ctx, "store.journal", slog.Int("limit", limit))
	entries, err := w.Store.Journal(ctx, after, limit)
	return entries, storeError("journal", err, end)
}

func (w watched) Balances(ctx context.Context, accounts ...ledger.Account) ([]ledger.Balance, error) {
	ctx, end := w.observer.Begin(ctx, "store.balances", slog.Int("accounts", len(accounts)))
	balances, err := w.Store.Balances(ctx, accounts...)
	return balances, storeError("balances", err, end)
}

func storeError(op string, err error, end func(error)) error {
	if err != nil {
		err = &StoreError{Op: op, Err: err}
	}
	end(err)
	return err
}
