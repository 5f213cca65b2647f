package program

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/payment"
)

// Order is one payment as it goes to a provider.
type Order struct {
	// Applicant is the internal id of the payee.
	Applicant uuid.UUID
	Reference string
	Amount    payment.Money
	Payout    Payout
}

// WriteBatch gives the payments of an approved or submitted batch to write, in order:
// the same each time. What is written while the batch is only approved must not leave
// before SubmitBatch has signed its digest. What write does with the destination is its own
// responsibility: it is not sealed any more. After an error nothing that was
// written may be used: at the end it is a *NotApprovedError if what was given is
// not what was approved.
func (e *Engine[T]) WriteBatch(ctx context.Context, number int64, write func(Order) error) error {
	b, err := e.Batch(ctx, number)
	if err != nil {
		return err
	}
	if !b.reserved() {
		return &StateError{What: "batch " + b.name(), State: string(b.State), Event: "write"}
	}
	return e.approved(ctx, b, func(o *sealedOrder, order Order) error {
		if o.mark() == markBlocked {
			return &StateError{What: o.name(), State: string(markBlocked), Event: "write"}
		}
		if !o.submitted.IsZero() {
			return &StateError{What: o.name(), State: "sent by a call", Event: "write"}
		}
		return write(order)
	})
}

// approved gives the payments of a batch in order. At the end it is a
// *NotApprovedError if they are not those that were approved.
func (e *Engine[T]) approved(ctx context.Context, b Batch, each func(*sealedOrder, Order) error) error {
	pages := newAhead(func(ctx context.Context, a ask) ([]sealedOrder, Cursor, error) {
		return e.sealedOrders(ctx, b.Number, a)
	})
	defer pages.stop()
	var digest [32]byte
	a := ask{limit: e.chunk, first: true}
	for {
		orders, next, err := pages.get(ctx, a)
		if err != nil {
			return err
		}
		for _, o := range orders {
			if o.state == payment.Cancelled {
				continue // held back
			}
			order, destination, err := e.openOrder(&o)
			if err != nil {
				return fmt.Errorf("%s: %w", o.name(), err)
			}
			digest = payment.NextDigest(digest, payment.BatchItem{Reference: order.Reference, Amount: order.Amount, Destination: destination})
			if err := each(&o, order); err != nil {
				return err
			}
		}
		if next == nil {
			break
		}
		a = ask{after: next, limit: e.chunk}
	}
	if digest != b.Digest {
		return &NotApprovedError{Batch: b.Number}
	}
	return nil
}

// NotApprovedError says that the stored payments of a batch are not those that
// were approved. Nothing that was written of them may be used.
type NotApprovedError struct{ Batch int64 }

func (e *NotApprovedError) Error() string {
	return fmt.Sprintf("program: batch %d: its payments are not those that were approved", e.Batch)
}

// sealedOrder is a payment with its person's wrapped key.
type sealedOrder struct {
	paymentRow
	wrapped []byte
}

func (e *Engine[T]) sealedOrders(ctx context.Context, batch int64, a ask) ([]sealedOrder, Cursor, error) {
	rows, next, err := e.store.Page(ctx, Scan{Table: TablePayments, Equal: []any{batch}, After: a.after, Limit: a.limit})
	if err != nil {
		return nil, nil, err
	}
	orders, keys := make([]sealedOrder, len(rows.Rows)), make([]Key, len(rows.Rows))
	for i, row := range rows.Rows {
		orders[i].paymentRow = paymentOf(row)
		keys[i] = Key{TablePersonKeys, []any{row.Values[6]}}
	}
	found, err := e.store.Load(ctx, Query{Keys: keys})
	if err != nil {
		return nil, nil, err
	}
	wrapped := make(map[uuid.UUID][]byte, len(rows.Rows))
	for _, row := range found.Rows {
		wrapped[idOf(row.Values[0])] = bytesOf(row.Values[1])
	}
	for i := range orders {
		orders[i].wrapped = wrapped[orders[i].key.person]
	}
	return orders, next, nil
}

// openOrder unseals where a payment goes, and returns the keyed digest of it.
func (e *Engine[T]) openOrder(o *sealedOrder) (Order, [32]byte, error) {
	reference, err := payment.Reference(o.batch, o.item, int(o.generation))
	if err != nil {
		return Order{}, [32]byte{}, err
	}
	key, err := e.keys.Unwrap(o.key.person, o.wrapped)
	if err != nil {
		return Order{}, [32]byte{}, err
	}
	aead, err := newAEAD(key)
	if err != nil {
		return Order{}, [32]byte{}, err
	}
	plain, err := unseal(aead, o.destination, boundTo(o.key.person, "destination/"+reference))
	if err != nil {
		return Order{}, [32]byte{}, err
	}
	r := textReader{plain, nil}
	order := Order{Applicant: o.key.person, Reference: reference, Amount: o.amount, Payout: payoutOf(&r)}
	return order, e.keys.Mark("destination", string(plain)), r.err
}
