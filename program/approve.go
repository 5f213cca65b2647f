package program

import (
	"context"
	"encoding/hex"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/lifecycle"
)

// ApproveBatch approves a prepared batch. The approver had no hand in it before, not
// even by delegation (*payment.SameHandsError), and names the digest of what is
// approved. Where the program's bands ask for several approvers the batch is approved
// by the last of them. Its total is then reserved out of what is entitled.
func (e *Engine[T]) ApproveBatch(ctx context.Context, by By, number int64, digest [32]byte) error {
	event := func(b *Batch) batchEvent {
		if b.signatures(roleApprove)+1 < e.program.Approvals.Approvers(b.Total) {
			return "sign"
		}
		return "approve"
	}
	return e.moveBatch(ctx, command{by, "batch.approve", []any{number, digest}}, number, event, func(b *Batch, c *Change) error {
		if err := b.apart(roleApprove, by); err != nil {
			return err
		}
		if b.Digest != digest {
			return &FieldError{"digest", "is not that of the prepared batch"}
		}
		b.sign(roleApprove, by)
		if b.State == BatchApproved && b.Total.Units > 0 {
			posts := postings{}
			posts.move(entitledAccount(b.Benefit), b.paying(), b.Total.Units)
			b.post(c, posts, "approve")
		}
		return nil
	})
}

// SubmitBatch releases an approved batch: it records that its payments are submitted,
// before a byte of them leaves. Who releases it neither prepared nor approved it.
// The release says how it leaves, which is signed off with it. A batch that holds a
// payment of which the entitlement is blocked, held back or lapsed is not released: that is a
// *StateError, and HoldPayments takes it out.
func (e *Engine[T]) SubmitBatch(ctx context.Context, by By, number int64, release Release) error {
	if (release.File == [32]byte{}) != (release.To == "") {
		return &FieldError{"Release", "has a file and the bank it is for, or neither"}
	}
	if release.MessageID != "" && release.File == [32]byte{} || len(release.MessageID) > 35 {
		return &FieldError{"Release.MessageID", "has at most 35 characters, and is of a file"}
	}
	return e.moveBatch(ctx, command{by, "batch.submit", []any{number, release}}, number, fixed("submit"), func(b *Batch, c *Change) error {
		if err := b.apart(roleRelease, by); err != nil {
			return err
		}
		if err := e.free(ctx, number); err != nil {
			return err
		}
		b.sign(roleRelease, by)
		b.File, b.To, b.MessageID, b.Released = release.File, release.To, release.MessageID, e.clock().UTC()
		if err := e.nameFile(ctx, b, c); err != nil {
			return err
		}
		posts := postings{}
		e.program.Caps.released(b, calendar.DateOf(e.clock(), e.zone), posts)
		b.post(c, posts, "release")
		return nil
	})
}

// Release says how a batch leaves. The zero Release: by calls (SendBatch).
type Release struct {
	// File is the SHA-256 of the bank's file that WriteBatch wrote: a file with another
	// digest must never be sent for the batch.
	File [32]byte
	// To names the bank that the file is for, as in Answers.From.
	To string
	// MessageID is what the bank knows the file by, as it is written in it, for
	// UploadBatch: each file to a bank has its own. Empty: the file is carried by hand.
	MessageID string
}

// nameFile keeps whose a message id is. Each is used once.
func (e *Engine[T]) nameFile(ctx context.Context, b *Batch, c *Change) error {
	if b.MessageID == "" {
		return nil
	}
	values := []any{b.To, fileReference(b.MessageID), b.Number, int64(0)}
	before, err := e.store.Load(ctx, Query{Keys: []Key{{TableProviderReferences, values[:2]}}})
	if err != nil {
		return err
	}
	if len(before.Rows) > 0 {
		return &FieldError{"Release.MessageID", "is another file's"}
	}
	c.Rows = append(c.Rows, Row{Table: TableProviderReferences, Values: values})
	return nil
}

// free checks that nothing stops an entitlement of a batch.
func (e *Engine[T]) free(ctx context.Context, number int64) error {
	a := ask{limit: e.chunk}
	for {
		rows, next, err := e.store.Page(ctx, Scan{Table: TablePayments, Equal: []any{number}, After: a.after, Limit: a.limit})
		if err != nil {
			return err
		}
		set := payments[T]{engine: e}
		var all []*paymentRow
		for _, row := range rows.Rows {
			if p := paymentOf(row); p.state != payment.Cancelled {
				all = append(all, &p)
			}
		}
		if err := set.loadEntitlements(ctx, all); err != nil {
			return err
		}
		for _, p := range all {
			if !set.entitlements[p.key].payable() {
				return &StateError{What: p.name(), State: "blocked", Event: "submit"}
			}
		}
		if a.after = next; next == nil {
			return nil
		}
	}
}

// CloseBatch closes a submitted batch of which nothing is open any more.
func (e *Engine[T]) CloseBatch(ctx context.Context, by By, number int64) error {
	return e.moveBatch(ctx, command{by, "batch.close", number}, number, fixed("close"), func(b *Batch, _ *Change) error {
		left, err := e.store.Balances(ctx, b.paying())
		if err == nil && left[0].Posted != 0 {
			err = &StateError{What: "batch " + b.name(), State: "still open", Event: "close"}
		}
		return err
	})
}

// post adds what was gathered to a change of the batch, once for each revision of it.
func (b *Batch) post(c *Change, posts postings, what string) {
	if c.Postings = posts.posting(); len(c.Postings) > 0 {
		c.Postings[0].ID = "batch/" + b.name() + "/" + what + "/" + batchName(b.Revision)
	}
}

func fixed(event batchEvent) func(*Batch) batchEvent {
	return func(*Batch) batchEvent { return event }
}

// moveBatch fires an event of the batch's lifecycle; change sees the batch in its new
// state.
func (e *Engine[T]) moveBatch(ctx context.Context, cmd command, number int64, event func(*Batch) batchEvent, change func(*Batch, *Change) error) error {
	if done, err := e.answered(ctx, cmd); done || err != nil {
		return err
	}
	b, err := e.Batch(ctx, number)
	if err != nil {
		return err
	}
	if err := fireBatch(e.batches, &b, event(&b), Moment{At: e.clock(), Actor: cmd.Actor}); err != nil {
		return err
	}
	c := Change{}
	if change != nil {
		if err := change(&b, &c); err != nil {
			return err
		}
	}
	row, err := b.row()
	if err != nil {
		return err
	}
	c.Rows = sorted(append(c.Rows, row))
	_, err = e.carryOut(ctx, cmd, c, "batch."+string(b.State), batchNote(&b))
	return err
}

func fireBatch(m *lifecycle.Machine[BatchState, batchEvent, any], b *Batch, event batchEvent, at Moment) error {
	step, why := m.Fire(b.State, event, nil, at, nil)
	if len(why) > 0 {
		return &StateError{What: "batch " + b.name(), State: string(b.State), Event: string(event)}
	}
	b.State = step.To
	return nil
}

// batchNote is what the journal says of a batch.
func batchNote(b *Batch) any {
	note := struct {
		Batch      int64               `json:"batch"`
		Count      int64               `json:"count"`
		Units      int64               `json:"units"`
		Digest     string              `json:"digest"`
		Revision   int64               `json:"revision,omitempty"`
		Signatures []payment.Signature `json:"signatures"`
		File       string              `json:"file,omitempty"`
		Message    string              `json:"message,omitempty"`
	}{Batch: b.Number, Count: b.Count, Units: b.Total.Units, Digest: hexOf(b.Digest), Revision: b.Revision, Signatures: b.Signatures, Message: b.MessageID}
	if b.File != [32]byte{} {
		note.File = hexOf(b.File)
	}
	return note
}

func hexOf(digest [32]byte) string { return hex.EncodeToString(digest[:]) }
