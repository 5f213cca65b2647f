package program

import (
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// eachEntry reads the whole journal in order. Entries that are out of order are
// breaches.
func eachEntry(ctx context.Context, store Store, found *breaches, each func(*Entry) error) error {
	var after int64
	for {
		entries, err := store.Journal(ctx, after, journalPage)
		if err != nil {
			return err
		}
		before := after
		for i := range entries {
			e := &entries[i]
			if e.Seq != after+1 {
				found.add("journal", fmt.Sprintf("entry %d", e.Seq), "comes after %d", after)
			}
			after = max(after, e.Seq)
			if err := each(e); err != nil {
				return err
			}
		}
		if len(entries) < journalPage || after == before {
			return nil
		}
	}
}

// logCheck holds a journal against its log, entry by entry, and builds the log's
// tree again from its leaves. A nil one, of a store without a log, finds nothing.
type logCheck struct {
	store Store
	keys  Keyring
	found *breaches
	size  int64
	root  tlog.Hash

	tree     frontier
	position int64 // of the next hash
	page     []Row
	after    Cursor
	all      bool // no page is left to read
	broken   bool // a hash is missing: what follows cannot be compared
}

func newLogCheck(ctx context.Context, store Store, keys Keyring, found *breaches) (*logCheck, error) {
	h, err := storedHead(ctx, store)
	if tampered(err) {
		found.add("journal", "log", "%v", err)
		return nil, nil
	}
	if err != nil || h.version == 0 {
		return nil, err
	}
	return &logCheck{store: store, keys: keys, found: found, size: h.size, root: h.root}, nil
}

// entry compares the next entry of the journal.
func (c *logCheck) entry(ctx context.Context, e *Entry) error {
	if c == nil || e.Seq <= c.tree.size || e.Seq > c.size {
		return nil // out of order, which eachEntry has found, or not sealed yet
	}
	if err := c.skip(ctx, e.Seq-1); err != nil || c.broken {
		return err
	}
	leaf, err := c.leaf(ctx)
	if err == nil && !c.broken && leaf != leafOf(c.keys, e) {
		c.found.add("journal", fmt.Sprintf("entry %d", e.Seq), "is not what was sealed")
	}
	return err
}

// skip passes over leaves whose entries are not in the journal.
func (c *logCheck) skip(ctx context.Context, to int64) error {
	for c.tree.size < to && !c.broken {
		if _, err := c.leaf(ctx); err != nil {
			return err
		}
		if !c.broken {
			c.found.add("journal", fmt.Sprintf("entry %d", c.tree.size), "was sealed and is not in the journal")
		}
	}
	return nil
}

// end checks what is left when the journal has ended.
func (c *logCheck) end(ctx context.Context) error {
	if c == nil {
		return nil
	}
	if err := c.skip(ctx, c.size); err != nil || c.broken {
		return err
	}
	if c.tree.root() != c.root {
		c.found.add("journal", "log", "its hashes do not have the root of its checkpoint")
	}
	_, more, err := c.row(ctx)
	if err != nil || !more {
		return err
	}
	h, err := storedHead(ctx, c.store)
	if err == nil && h.size <= c.size { // otherwise more was sealed meanwhile
		c.found.add("journal", "log", "it has more hashes than its checkpoint covers")
	}
	return err
}

// leaf takes the next leaf into the tree and compares the hashes above it.
func (c *logCheck) leaf(ctx context.Context) (tlog.Hash, error) {
	leaf, err := c.hash(ctx)
	if err != nil || c.broken {
		return leaf, err
	}
	for _, want := range c.tree.add(leaf)[1:] {
		got, err := c.hash(ctx)
		if err != nil || c.broken {
			return leaf, err
		}
		if got != want {
			c.found.add("journal", fmt.Sprintf("log hash %d", c.position-1), "does not follow from those below it")
		}
	}
	return leaf, nil
}

// hash reads the hash at the next position.
func (c *logCheck) hash(ctx context.Context) (tlog.Hash, error) {
	row, ok, err := c.row(ctx)
	if err != nil {
		return tlog.Hash{}, err
	}
	if !ok || intOf(row.Values[0]) != c.position || len(bytesOf(row.Values[1])) != tlog.HashSize {
		c.broken = true
		c.found.add("journal", fmt.Sprintf("log hash %d", c.position), "is missing")
		return tlog.Hash{}, nil
	}
	c.position++
	return tlog.Hash(bytesOf(row.Values[1])), nil
}

func (c *logCheck) row(ctx context.Context) (Row, bool, error) {
	if len(c.page) == 0 && !c.all {
		rows, next, err := c.store.Page(ctx, Scan{Table: TableLogHashes, After: c.after, Limit: sealChunk})
		if err != nil {
			return Row{}, false, err
		}
		c.page, c.after, c.all = rows.Rows, next, next == nil
	}
	if len(c.page) == 0 {
		return Row{}, false, nil
	}
	row := c.page[0]
	c.page = c.page[1:]
	return row, true, nil
}
