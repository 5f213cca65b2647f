package program

import (
	"context"
	"errors"
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

// WriteBatch gives the payments of an approved batch to write, in order: the same each
// time. Of a submitted one only if it was released as a file. What is written while the batch is only approved must not leave
// before SubmitBatch has signed its digest. What write does with the destination is its own
// responsibility: it is not sealed any more. A payment of which the entitlement is
// blocked is a *StateError. After an error nothing that was
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
	if b.State != BatchApproved && b.File == [32]byte{} {
		return &StateError{What: "batch " + b.name(), State: "released for calls", Event: "write"}
	}
	_, err = e.approved(ctx, b, func(o *sealedOrder, order Order) error {
		if !o.claim.payable() {
			return &StateError{What: o.name(), State: "blocked", Event: "write"}
		}
		return write(order)
	})
	return err
}

// approved gives the payments of a batch in order. At the end it is a
// *NotApprovedError if they are not those that were approved. It returns the digests
// after each page, to which whoever reads them again holds what is read.
func (e *Engine[T]) approved(ctx context.Context, b Batch, each func(*sealedOrder, Order) error) ([][32]byte, error) {
	pages := newAhead(func(ctx context.Context, a ask) ([]sealedOrder, Cursor, error) {
		return e.sealedOrders(ctx, b.Number, a)
	})
	defer pages.stop()
	var digest [32]byte
	var after [][32]byte
	a := ask{limit: e.chunk, first: true}
	for {
		orders, next, err := pages.get(ctx, a)
		if err != nil {
			return nil, err
		}
		if digest, err = e.openOrders(orders, digest); err != nil {
			return nil, err
		}
		after = append(after, digest)
		for i := range orders {
			if orders[i].state == payment.Cancelled {
				continue // held back
			}
			if err := each(&orders[i], orders[i].order); err != nil {
				return nil, err
			}
		}
		if next == nil {
			break
		}
		a = ask{after: next, limit: e.chunk}
	}
	if digest != b.Digest {
		return nil, &NotApprovedError{Batch: b.Number}
	}
	return after, nil
}

// openOrders unseals a page of orders, but for those that were held back, and adds them
// to the digest of the batch.
func (e *Engine[T]) openOrders(orders []sealedOrder, digest [32]byte) ([32]byte, error) {
	for i := range orders {
		o := &orders[i]
		if o.state == payment.Cancelled {
			continue
		}
		order, destination, err := e.openOrder(o)
		if err != nil {
			return digest, fmt.Errorf("%s: %w", o.name(), err)
		}
		o.order = order
		digest = payment.NextDigest(digest, payment.BatchItem{Reference: order.Reference, Amount: order.Amount, Destination: destination})
	}
	return digest, nil
}

// NotApprovedError says that the stored payments of a batch are not those that
// were approved. Nothing that was written of them may be used.
type NotApprovedError struct{ Batch int64 }

func (e *NotApprovedError) Error() string {
	return fmt.Sprintf("program: batch %d: its payments are not those that were approved", e.Batch)
}

// sealedOrder is a payment with its person's wrapped key and its entitlement, and the
// order once it was opened.
type sealedOrder struct {
	paymentRow
	wrapped []byte
	claim   entitlementRow
	order   Order
}

func (e *Engine[T]) sealedOrders(ctx context.Context, batch int64, a ask) ([]sealedOrder, Cursor, error) {
	rows, next, err := e.store.Page(ctx, Scan{Table: TablePayments, Equal: []any{batch}, After: a.after, Limit: a.limit})
	if err != nil {
		return nil, nil, err
	}
	orders, keys := make([]sealedOrder, len(rows.Rows)), make([]Key, 0, 2*len(rows.Rows))
	for i, row := range rows.Rows {
		orders[i].paymentRow = paymentOf(row)
		keys = append(keys, Key{TablePersonKeys, []any{row.Values[6]}})
	}
	for i := range orders {
		keys = append(keys, orders[i].key.key())
	}
	found, err := e.store.Load(ctx, Query{Keys: keys})
	if err != nil {
		return nil, nil, err
	}
	wrapped := make(map[uuid.UUID][]byte, len(rows.Rows))
	claims := make(map[entitlementKey]entitlementRow, len(rows.Rows))
	for _, row := range found.Rows {
		if row.Table == TablePersonKeys {
			wrapped[idOf(row.Values[0])] = bytesOf(row.Values[1])
			continue
		}
		r := entitlementOf(row)
		claims[r.key] = r
	}
	for i := range orders {
		orders[i].wrapped, orders[i].claim = wrapped[orders[i].key.person], claims[orders[i].key]
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
	digest, err := ownMark(key, "destination", string(plain))
	return order, digest, errors.Join(err, r.err)
}
