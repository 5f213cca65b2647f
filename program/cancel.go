package program

import (
	"context"

	"github.com/gelombang/gelombang/payment"
)

// CancelBatch cancels a prepared or approved batch, for a reason, and then every
// payment in it, as a job. Nothing of it has left, and nothing will. What was
// reserved for it goes back to what is entitled, and its entitlements can be paid by
// another batch (BatchOrder.Again). A submitted batch cannot be cancelled: that is a
// *StateError.
func (e *Engine[T]) CancelBatch(ctx context.Context, by By, number int64, reason string) (Counts, error) {
	if reason == "" {
		return nil, &FieldError{"reason", "is missing"}
	}
	b, err := e.Batch(ctx, number)
	if err != nil {
		return nil, err
	}
	if b.State != BatchCancelling && b.State != BatchCancelled {
		cmd := command{by, "batch.cancel", []any{number, reason}}
		if err := e.moveBatch(ctx, cmd, number, fixed("cancel"), func(b *Batch, c *Change) error {
			posts := postings{}
			err := e.unreserve(ctx, b, posts)
			b.post(c, posts, "cancel")
			return err
		}); err != nil {
			return nil, err
		}
	}
	return e.runJob(ctx, by, "batch/"+b.name()+"/cancel", "cancel", number, func(ctx context.Context, a ask) (chunk, error) {
		return e.cancelChunk(ctx, number, a)
	})
}

func (e *Engine[T]) cancelChunk(ctx context.Context, number int64, a ask) (chunk, error) {
	found, next, err := e.store.Page(ctx, Scan{Table: TablePayments, Equal: []any{number}, After: a.after, Limit: a.limit})
	if err != nil {
		return chunk{}, err
	}
	now, moved := e.clock().UTC(), movedItems{Batch: number}
	var rows []Row
	posts := postings{}
	for _, row := range found.Rows {
		p := paymentOf(row)
		if p.state == payment.Cancelled { // it was held back before
			continue
		}
		if err := e.movePayment(&p, now, payment.Cancel); err != nil {
			return chunk{}, err
		}
		e.program.Caps.dead(&p, posts)
		rows = append(rows, p.row())
		moved.add(string(p.state), p.item)
	}
	c := chunk{rows: rows, posts: posts.posting(), kind: "payments.cancelled", data: moved, counts: Counts{doneCount: int64(len(rows))}, next: next, last: next == nil}
	if !c.last {
		return c, nil
	}
	b, err := e.Batch(ctx, number)
	if err != nil {
		return chunk{}, err
	}
	if err := fireBatch(e.batches, &b, "cancelled", Moment{At: now}); err != nil {
		return chunk{}, err
	}
	last, err := b.row()
	c.rows = sorted(append(c.rows, last))
	return c, err
}
