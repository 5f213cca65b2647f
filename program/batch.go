package program

import (
	"context"
	"fmt"
	"strconv"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/program/lifecycle"
)

// Batch is a set of payments that is approved as a whole or not at all.
type Batch struct {
	Number     int64
	State      BatchState
	Benefit    string
	Instalment int
	Wave       int64
	Count      int64
	Total      payment.Money
	// Digest covers every payment of the batch, in order: reference, amount
	// and destination. It is what the approver approves.
	Digest             [32]byte
	Preparer, Approver string

	version int64
}

// BatchState is the state of a batch.
type BatchState string

// The states of a batch.
const (
	BatchPreparing BatchState = "preparing"
	BatchPrepared  BatchState = "prepared"
	BatchApproved  BatchState = "approved"
	BatchSubmitted BatchState = "submitted"
	BatchClosed    BatchState = "closed"
	// BatchCancelling: it will not be paid; its payments are being cancelled.
	BatchCancelling BatchState = "cancelling"
	BatchCancelled  BatchState = "cancelled"
)

type batchEvent string

// BatchTable is the fixed lifecycle of a batch.
func BatchTable() lifecycle.Table[BatchState, batchEvent] {
	state := func(s BatchState, final bool) lifecycle.State[BatchState, batchEvent] {
		return lifecycle.State[BatchState, batchEvent]{State: s, Final: final, Next: lifecycle.Officer}
	}
	move := func(on batchEvent, to BatchState, from ...BatchState) lifecycle.Move[BatchState, batchEvent] {
		return lifecycle.Move[BatchState, batchEvent]{On: on, From: from, To: to}
	}
	return lifecycle.Table[BatchState, batchEvent]{
		Name: "batch", Version: 1, Start: BatchPreparing,
		States: []lifecycle.State[BatchState, batchEvent]{
			state(BatchPreparing, false), state(BatchPrepared, false), state(BatchApproved, false),
			state(BatchSubmitted, false), state(BatchClosed, true),
			state(BatchCancelling, false), state(BatchCancelled, true),
		},
		Moves: []lifecycle.Move[BatchState, batchEvent]{
			move("prepare", BatchPrepared, BatchPreparing), move("approve", BatchApproved, BatchPrepared),
			move("submit", BatchSubmitted, BatchApproved), move("close", BatchClosed, BatchSubmitted),
			move("cancel", BatchCancelling, BatchPrepared, BatchApproved), move("cancelled", BatchCancelled, BatchCancelling),
		},
	}
}

func (b *Batch) row() Row {
	return Row{Table: TableBatches, Version: b.version, Values: []any{
		b.Number, string(b.State), b.Benefit, int64(b.Instalment), b.Wave, b.Count, b.Total.Units, b.Total.Currency,
		b.Preparer, textValue(b.Approver), append([]byte(nil), b.Digest[:]...),
	}}
}

func batchOf(row Row) Batch {
	v := row.Values
	b := Batch{Number: intOf(v[0]), State: BatchState(textOf(v[1])), Benefit: textOf(v[2]), Instalment: int(intOf(v[3])), Wave: intOf(v[4]),
		Count: intOf(v[5]), Total: payment.Money{Units: intOf(v[6]), Currency: textOf(v[7])}, Preparer: textOf(v[8]), Approver: textOf(v[9]),
		version: row.Version}
	copy(b.Digest[:], bytesOf(v[10]))
	return b
}

// Batch reads a batch. The error is ErrNotFound if there is none.
func (e *Engine[T]) Batch(ctx context.Context, number int64) (Batch, error) {
	rows, err := e.store.Load(ctx, Query{Keys: []Key{{TableBatches, []any{number}}}})
	if err != nil {
		return Batch{}, err
	}
	if len(rows.Rows) == 0 {
		return Batch{}, fmt.Errorf("batch %d: %w", number, ErrNotFound)
	}
	return batchOf(rows.Rows[0]), nil
}

func (b *Batch) name() string { return batchName(b.Number) }

func batchName(number int64) string { return strconv.FormatInt(number, 10) }

// paying holds what an approved batch has reserved and not settled yet.
func (b *Batch) paying() ledger.Account {
	return payingAccount(b.Benefit, b.Number)
}

func payingAccount(benefit string, batch int64) ledger.Account {
	return ledger.Account("paying/" + benefit + "/" + batchName(batch))
}

func paidAccount(benefit string) ledger.Account { return ledger.Account("paid/" + benefit) }

// ApproveBatch approves a prepared batch. The approver is not the preparer, and
// names the digest of what is approved. The batch's total is reserved out of
// what is entitled.
func (e *Engine[T]) ApproveBatch(ctx context.Context, by By, number int64, digest [32]byte) error {
	return e.moveBatch(ctx, by, number, "approve", digest, func(b *Batch, c *Change) error {
		if b.Preparer == by.Actor {
			return &FieldError{"By.Actor", "prepared the batch and cannot approve it"}
		}
		if b.Digest != digest {
			return &FieldError{"digest", "is not that of the prepared batch"}
		}
		b.Approver = by.Actor
		if b.Total.Units > 0 {
			posts := postings{}
			posts.move(entitledAccount(b.Benefit), b.paying(), b.Total.Units)
			c.Postings = posts.posting()
			c.Postings[0].ID = "batch/" + b.name() + "/approve"
		}
		return nil
	})
}

// moveBatch fires an event of the batch's lifecycle.
func (e *Engine[T]) moveBatch(ctx context.Context, by By, number int64, event batchEvent, payload any, change func(*Batch, *Change) error) error {
	cmd := command{by, "batch." + string(event), []any{number, payload}}
	if done, err := e.answered(ctx, cmd); done || err != nil {
		return err
	}
	b, err := e.Batch(ctx, number)
	if err != nil {
		return err
	}
	step, why := e.batches.Fire(b.State, event, nil, Moment{At: e.clock(), Actor: by.Actor}, nil)
	if len(why) > 0 {
		return &StateError{What: "batch " + b.name(), State: string(b.State), Event: string(event)}
	}
	b.State = step.To
	c := Change{}
	if change != nil {
		if err := change(&b, &c); err != nil {
			return err
		}
	}
	c.Rows = append(c.Rows, b.row())
	_, err = e.carryOut(ctx, cmd, c, "batch."+string(step.To), map[string]any{"batch": number, "count": b.Count, "units": b.Total.Units})
	return err
}

// SubmitBatch records that the payments of an approved batch are submitted. Only
// then may a file or a call with these payments leave: WriteBatch gives them.
func (e *Engine[T]) SubmitBatch(ctx context.Context, by By, number int64) error {
	return e.moveBatch(ctx, by, number, "submit", nil, nil)
}

// CloseBatch closes a submitted batch of which nothing is open any more.
func (e *Engine[T]) CloseBatch(ctx context.Context, by By, number int64) error {
	b, err := e.Batch(ctx, number)
	if err != nil {
		return err
	}
	left, err := e.store.Balances(ctx, b.paying())
	if err != nil {
		return err
	}
	if b.State == BatchSubmitted && left[0].Posted != 0 {
		return &StateError{What: "batch " + b.name(), State: "still open", Event: "close"}
	}
	return e.moveBatch(ctx, by, number, "close", nil, nil)
}
