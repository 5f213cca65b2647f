package program

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/gelombang/gelombang/payment"
)

// HoldPayments holds payments of a prepared or approved batch back, by their items,
// for a reason. The rest is another list under the same number: what was approved is
// not approved any more, its reservation is given back, and the batch is approved anew
// by people who did not hold anything back. The entitlements that were held back are
// paid by no batch until two people release them (Resolve).
//
// It is a command and then a job; after an interruption it is called again with the
// same arguments. At most 1,000 items are held back at once.
func (e *Engine[T]) HoldPayments(ctx context.Context, by By, number int64, items []int64, reason string) (Counts, error) {
	items = slices.Compact(slices.Sorted(slices.Values(items)))
	if len(items) == 0 || len(items) > 1000 || items[0] < 1 {
		return nil, &FieldError{"items", "are 1 to 1,000 numbers of 1 or more"}
	}
	if reason == "" {
		return nil, &FieldError{"reason", "is missing"}
	}
	cmd := command{by, "batch.hold", []any{number, items, reason}}
	var revision int64 // the list that it makes
	done, err := e.firstAnswer(ctx, cmd, &revision)
	if err != nil {
		return nil, err
	}
	if !done {
		if revision, err = e.hold(ctx, cmd, number, items); err != nil {
			return nil, err
		}
	}
	b, err := e.Batch(ctx, number)
	if err != nil {
		return nil, err
	}
	job := fmt.Sprintf("batch/%s/revise/%d", b.name(), revision)
	return e.runJob(ctx, by, job, "revise", []int64{number, revision}, func(ctx context.Context, a ask) (chunk, error) {
		return e.reviseChunk(ctx, b, a)
	})
}

// hold holds items back, unless they are, and returns the revision of the list without them.
func (e *Engine[T]) hold(ctx context.Context, cmd command, number int64, items []int64) (int64, error) {
	held, err := e.held(ctx, number, items)
	if err != nil {
		return 0, err
	}
	if !held {
		if err := e.moveBatch(ctx, cmd, number, fixed("hold"), func(b *Batch, c *Change) error {
			if err := e.holdBack(ctx, cmd.By, b, items, c); err != nil {
				return err
			}
			c.Answer = strconv.AppendInt(nil, b.Revision, 10)
			return nil
		}); err != nil {
			return 0, err
		}
	}
	b, err := e.Batch(ctx, number)
	return b.Revision, err
}

// held reports whether all items are held back already. Some of them is an error.
func (e *Engine[T]) held(ctx context.Context, number int64, items []int64) (bool, error) {
	found, err := e.items(ctx, number, items)
	if err != nil {
		return false, err
	}
	n := 0
	for i := range found {
		if found[i].marks.has(markHeld) {
			n++
		}
	}
	if n > 0 && n < len(found) {
		return false, &FieldError{"items", "are held back in part already"}
	}
	return n > 0, nil
}

func (e *Engine[T]) items(ctx context.Context, number int64, items []int64) ([]paymentRow, error) {
	keys := make([]Key, len(items))
	for i, item := range items {
		keys[i] = Key{TablePayments, []any{number, item}}
	}
	rows, err := e.store.Load(ctx, Query{Keys: keys})
	if err != nil {
		return nil, err
	}
	if len(rows.Rows) != len(items) {
		return nil, fmt.Errorf("items of batch %d: %w", number, ErrNotFound)
	}
	found := make([]paymentRow, len(rows.Rows))
	for i, row := range rows.Rows {
		found[i] = paymentOf(row)
	}
	return found, nil
}

func (e *Engine[T]) holdBack(ctx context.Context, by By, b *Batch, items []int64, c *Change) error {
	posts := postings{}
	if b.signatures(roleApprove) > 0 {
		if err := e.unreserve(ctx, b, posts); err != nil {
			return err
		}
		b.Signatures = slices.DeleteFunc(b.Signatures, func(s payment.Signature) bool { return s.Role == roleApprove })
	}
	set := payments[T]{engine: e}
	ids := make([]paymentID, len(items))
	for i, item := range items {
		ids[i] = paymentID{b.Number, item}
	}
	if err := set.loadIDs(ctx, ids); err != nil {
		return err
	}
	for _, id := range ids {
		p := set.known[id]
		if p == nil {
			return fmt.Errorf("items of batch %d: %w", b.Number, ErrNotFound)
		}
		if err := e.movePayment(p, e.clock().UTC(), payment.Cancel); err != nil {
			return err
		}
		if err := set.stop(ctx, p, markHeld); err != nil {
			return err
		}
		e.program.Caps.dead(p, posts)
	}
	w, err := set.written()
	if err != nil {
		return err
	}
	c.Rows, c.Expect = w.rows, w.expect
	b.post(c, posts, "hold")
	b.Revision++
	b.sign(roleHold, by)
	return nil
}

// unreserve gives back what is reserved for a batch of which nothing was submitted.
func (e *Engine[T]) unreserve(ctx context.Context, b *Batch, posts postings) error {
	left, err := e.store.Balances(ctx, b.paying())
	if err != nil {
		return err
	}
	if left[0].Posted > 0 {
		posts.move(b.paying(), entitledAccount(b.Benefit), left[0].Posted)
	}
	return nil
}

// reviseChunk adds up what is left of a batch. The running sums are in the cursor.
func (e *Engine[T]) reviseChunk(ctx context.Context, b Batch, a ask) (chunk, error) {
	b.Count, b.Total.Units, b.Digest = 0, 0, [32]byte{}
	var after Cursor
	if a.after != nil {
		n := len(a.after) - 3
		after = a.after[:n]
		b.Count, b.Total.Units = intOf(a.after[n]), intOf(a.after[n+1])
		copy(b.Digest[:], bytesOf(a.after[n+2]))
	}
	orders, next, err := e.sealedOrders(ctx, b.Number, ask{after: after, limit: a.limit})
	if err != nil {
		return chunk{}, err
	}
	for i := range orders {
		if orders[i].state == payment.Cancelled {
			continue
		}
		order, destination, err := e.openOrder(&orders[i])
		if err != nil {
			return chunk{}, fmt.Errorf("payment %d/%d: %w", orders[i].batch, orders[i].item, err)
		}
		if b.Total, err = b.Total.Add(order.Amount); err != nil {
			return chunk{}, err
		}
		b.Count++
		b.Digest = payment.NextDigest(b.Digest, payment.BatchItem{Reference: order.Reference, Amount: order.Amount, Destination: destination})
	}
	c := chunk{counts: Counts{doneCount: int64(len(orders))}, next: next, last: next == nil}
	if next != nil {
		c.next = append(append(Cursor{}, next...), b.Count, b.Total.Units, append([]byte(nil), b.Digest[:]...))
		return c, nil
	}
	if err := fireBatch(e.batches, &b, "revised", Moment{At: e.clock()}); err != nil {
		return chunk{}, err
	}
	row, err := b.row()
	c.rows, c.kind, c.data = []Row{row}, "batch.prepared", batchNote(&b)
	return c, err
}
