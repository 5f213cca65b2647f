package program

import (
	"context"
	"errors"
	"time"
)

// journalPage is how many entries are in memory at once: one can name thousands
// of cases.
const journalPage = 100

// Follow hands the entries of the journal that a reader has not had yet to handle,
// in order and without gaps, some at a time, and returns when there are no more.
// Call it again and again, as often as suits the reader. A reader is known by its
// name; a new one begins with the first entry. It needs no keys and no engine: the
// process that sends events out need not be one that can open personal data.
//
// A reader's place is stored after handle has returned nil. If handle fails, or
// the process dies, or two processes follow as one reader, entries come again:
// each comes at least once. [Entry.Seq] tells whether one was here before.
//
// The errors are those of handle, *HistoryError if the journal does not have what
// the reader has had before, *FieldError if the name is empty, and the store's.
func Follow(ctx context.Context, store Store, reader string, handle func(ctx context.Context, entries []Entry) error) error {
	if reader == "" {
		return &FieldError{"reader", "is missing"}
	}
	for {
		place, err := placeOf(ctx, store, reader)
		if err != nil {
			return err
		}
		_, entries, err := journalAfter(ctx, store, intOf(place.Values[1]))
		if err != nil || len(entries) == 0 {
			return err
		}
		if err := handle(ctx, entries); err != nil {
			return err
		}
		place.Values[1] = entries[len(entries)-1].Seq
		outcomes, err := store.Apply(ctx, []Change{{Rows: []Row{place}}})
		if err != nil {
			return err
		}
		var stale *StaleError // another process was first: go on from its place
		if err := outcomes[0].Refusal; err != nil && !errors.As(err, &stale) {
			return err
		}
	}
}

// placeOf reads where a reader is.
func placeOf(ctx context.Context, store Store, name string) (Row, error) {
	rows, err := store.Load(ctx, Query{Keys: []Key{{TableReaders, []any{name}}}})
	if err != nil || len(rows.Rows) == 0 {
		return Row{Table: TableReaders, Values: []any{name, int64(0)}}, err
	}
	return rows.Rows[0], nil
}

// journalAfter reads the next entries behind one, which must still be there; it
// is returned as last.
func journalAfter(ctx context.Context, store Store, after int64) (last Entry, entries []Entry, err error) {
	first := max(1, after)
	entries, err = store.Journal(ctx, first-1, journalPage)
	if err != nil {
		return Entry{}, nil, err
	}
	for i := range entries {
		if want := first + int64(i); entries[i].Seq != want {
			return Entry{}, nil, &HistoryError{want, "order"}
		}
	}
	if after == 0 {
		return Entry{}, entries, nil
	}
	if len(entries) == 0 {
		return Entry{}, nil, &HistoryError{after, "missing"}
	}
	return entries[0], entries[1:], nil
}

// Lag says how far somebody is behind the journal.
type Lag struct {
	// Entries is how many entries wait.
	Entries int64
	// Since is the time of the oldest of them; zero if none waits.
	Since time.Time
}

// ReaderLag says how far a reader is behind the journal. The error is the store's.
func ReaderLag(ctx context.Context, store Store, reader string) (Lag, error) {
	place, err := placeOf(ctx, store, reader)
	if err != nil {
		return Lag{}, err
	}
	return lagBehind(ctx, store, intOf(place.Values[1]))
}

// lagBehind finds the end of the journal by doubling its steps and then halving
// them: there are no gaps.
func lagBehind(ctx context.Context, store Store, after int64) (Lag, error) {
	next := func(n int64) ([]Entry, error) { return store.Journal(ctx, n, 1) }
	oldest, err := next(after)
	if err != nil || len(oldest) == 0 {
		return Lag{}, err
	}
	there, step := after+1, int64(1) // entry number there exists
	for grow := true; step > 0; {
		entries, err := next(there + step - 1)
		if err != nil {
			return Lag{}, err
		}
		if len(entries) > 0 {
			there += step
		} else {
			grow = false
		}
		if grow {
			step *= 2
		} else {
			step /= 2
		}
	}
	return Lag{Entries: there - after, Since: oldest[0].At}, nil
}
