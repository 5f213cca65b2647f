package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gelombang/gelombang/payment"
)

// upload is what is known of a batch's file as a whole. Until something is known of an
// order alone, it goes with its file.
type upload struct {
	State payment.State `json:"state,omitempty"` // empty: submitted
	// First and Last are when it was first and last marked to be handed over, and Handed how
	// many hand-overs may have left.
	First  time.Time `json:"first,omitzero"`
	Last   time.Time `json:"last,omitzero"`
	Handed int64     `json:"handed,omitempty"`
	// Paid: the bank has said once that it executed the file.
	Paid    bool      `json:"paid,omitempty"`
	Code    string    `json:"code,omitempty"`
	Changed time.Time `json:"changed,omitzero"`
}

// FileState is what is known of the file of a released batch as a whole: submitted until
// something was said of it, then accepted, unknown or rejected. What was said of single
// orders is kept with them.
func (b *Batch) FileState() payment.State {
	if b.upload.State == "" {
		return payment.Submitted
	}
	return b.upload.State
}

// ofOrders is the state of the orders of which nothing else is known. While those of a
// rejected file are being rejected the others are unknown.
func (b *Batch) ofOrders() payment.State {
	if s := b.FileState(); s != payment.Rejected {
		return s
	}
	return payment.Unknown
}

// attempt is what answers about the file are judged by.
func (b *Batch) attempt() payment.Attempt {
	return payment.Attempt{Reference: b.MessageID, State: b.FileState(), Submitted: b.upload.First, Last: b.upload.Last, Paid: b.upload.Paid}
}

// unsent reports whether the file of a released batch is yet to be uploaded. What stops an
// entitlement before that comes first.
func (b *Batch) unsent() bool {
	return b.State == BatchSubmitted && b.MessageID != "" && b.upload.Handed == 0
}

// fileReference is how a message id stands among a bank's references.
func fileReference(messageID string) string { return "file/" + messageID }

// UploadBatch hands the file of a submitted batch over to its bank, which is among
// channels.Files: the bytes whose digest was released, under the message id that was released
// (Release). Before a byte leaves, the hand-over is stored with the batch. Whatever dies in
// between, and whoever else does the same at the same time, the file is handed over again only
// where the bank has declared that safe (payment.Capabilities.Next), and only as the same bytes;
// others are payment.ErrOtherFile, and nothing leaves.
//
// It reports the state of the file: "accepted", "rejected", or "unknown" where nobody knows
// whether it has arrived, which AskBatch goes after; "not-sent" if not one byte left,
// and the next call may send it; "taken" if another process has it; "incident" if the bank
// contradicts itself or a statement. Orders of which nothing is known alone go with
// their file; those of a file that is refused for good are rejected, as a job. A file that was
// answered is not sent again. A batch that holds a payment of which the entitlement is blocked or
// has lapsed is a *StateError, and so is one that was not released with a message id.
func (e *Engine[T]) UploadBatch(ctx context.Context, by By, number int64, channels Channels, body io.ReadSeeker) (string, error) {
	b, bank, err := e.uploadable(ctx, by, number, channels)
	if err != nil {
		return "", err
	}
	f := filer[T]{engine: e, by: by, bank: bank}
	if s := b.FileState(); s == payment.Accepted || s == payment.Rejected {
		return string(s), f.finish(ctx, &b)
	}
	again := b.upload.Handed > 0
	promised := bank.FileCapabilities()
	if again && promised.Next(b.attempt(), e.clock()) != payment.Resend {
		return f.take(ctx, number, payment.Answer{Reference: b.MessageID, Standing: payment.Unclear})
	}
	if err := e.free(ctx, number); err != nil {
		return "", err
	}
	attempt, now := b.attempt(), e.clock().UTC()
	if !again {
		b.upload.First, attempt.Submitted = now, now
	}
	b.upload.Last, b.upload.Handed = now, b.upload.Handed+1
	if err := f.write(ctx, &b, "file.sending"); err != nil {
		var stale *StaleError
		if errors.As(err, &stale) {
			return "taken", nil
		}
		return "", err
	}
	late := func() bool { return again && promised.Next(attempt, e.clock()) != payment.Resend }
	out, err := payment.UploadFile(ctx, timely{bank, late}, attempt, b.File, body, now)
	if err != nil || out.NotSent {
		return notSent, errors.Join(err, f.takeBack(ctx, number))
	}
	out.Answer.Reference = b.MessageID // no answer, or another file's, is an unclear one
	if out.Event == payment.Doubt {
		out.Answer.Standing = payment.Unclear
	}
	return f.take(ctx, number, out.Answer)
}

// TakeFileAnswer takes what a bank says of a file as a whole, by its message id: the group
// status of a pain.002 file. From names the bank, as in Release.To. It reports the file's new
// state, "unchanged", "incident", or "orphan" for a message id that is not ours. That the bank
// knows no such file proves nothing here: AskBatch asks.
func (e *Engine[T]) TakeFileAnswer(ctx context.Context, by By, from string, answer payment.Answer) (string, error) {
	if by.Actor == "" {
		return "", &FieldError{"By.Actor", "is missing"}
	}
	if from == "" {
		return "", &FieldError{"from", "is missing"}
	}
	rows, err := e.store.Load(ctx, Query{Keys: []Key{{TableProviderReferences, []any{from, fileReference(answer.Reference)}}}})
	if err != nil {
		return "", err
	}
	if len(rows.Rows) == 0 {
		return "orphan", nil
	}
	f := filer[T]{engine: e, by: by}
	return f.take(ctx, intOf(rows.Rows[0].Values[2]), answer)
}

// uploadable reads a batch whose file is uploaded, and its bank.
func (e *Engine[T]) uploadable(ctx context.Context, by By, number int64, channels Channels) (Batch, payment.FileProvider, error) {
	if by.Actor == "" {
		return Batch{}, nil, &FieldError{"By.Actor", "is missing"}
	}
	b, err := e.Batch(ctx, number)
	if err != nil {
		return Batch{}, nil, err
	}
	state := string(b.State)
	if b.State == BatchSubmitted {
		state = "released without a message id"
	}
	if b.State != BatchSubmitted || b.MessageID == "" {
		return Batch{}, nil, &StateError{What: "batch " + b.name(), State: state, Event: "upload"}
	}
	bank := channels.Files[b.To]
	if bank == nil {
		return Batch{}, nil, &FieldError{"Channels.Files", fmt.Sprintf("does not have %q, which batch %d was released to", b.To, number)}
	}
	return b, bank, nil
}

// timely hands nothing over after its time.
type timely struct {
	payment.FileProvider
	late func() bool
}

func (t timely) Upload(ctx context.Context, f payment.File) (payment.Answer, error) {
	if t.late() {
		return payment.Answer{}, payment.ErrNotSent
	}
	return t.FileProvider.Upload(ctx, f)
}

// filer keeps what becomes of files.
type filer[T any] struct {
	engine *Engine[T]
	by     By
	bank   payment.FileProvider // nil: an answer that came by itself
}

// ask asks a bank about a file that may have left.
func (f *filer[T]) ask(ctx context.Context, b *Batch) (string, error) {
	attempt := b.attempt()
	switch attempt.State {
	case payment.Rejected:
		return string(payment.Rejected), f.finish(ctx, b)
	case payment.Accepted:
		attempt.State = payment.Unknown // what was taken on may still fail
	}
	answer := payment.Answer{Reference: b.MessageID, Standing: payment.Unclear}
	became := string(payment.Await)
	if f.bank.FileCapabilities().Next(attempt, f.engine.clock()) != payment.Await {
		said, err := f.bank.EnquireFile(ctx, b.MessageID)
		if err == nil && said.Reference == b.MessageID {
			return f.take(ctx, b.Number, said)
		}
		became = "unanswered"
	}
	if b.FileState() != payment.Submitted {
		return became, nil
	}
	return f.take(ctx, b.Number, answer) // whoever handed it over has died
}

// take judges an answer in the state that the file is in now, and keeps it. What a call has
// brought is written even if the context has ended.
func (f *filer[T]) take(ctx context.Context, number int64, answer payment.Answer) (string, error) {
	e, kept := f.engine, context.WithoutCancel(ctx)
	for tries := 0; ; tries++ {
		b, err := e.Batch(kept, number)
		if err != nil {
			return "", err
		}
		out, err := f.judge(kept, &b, answer)
		if err != nil {
			return "", err
		}
		paid := answer.Standing == payment.Paid && answer.Reference == b.MessageID && !b.upload.Paid
		switch {
		case out.Incident:
			return incident, nil
		case out.Event == "" && !paid:
			if b.FileState() == payment.Unknown && f.bank != nil {
				return string(payment.Unknown), nil
			}
			return "unchanged", f.finish(ctx, &b)
		case out.Event != "":
			step, why := e.payTable.Fire(b.FileState(), out.Event, nil, Moment{At: e.clock()}, nil)
			if len(why) > 0 {
				return "", &StateError{What: "the file of batch " + b.name(), State: string(b.FileState()), Event: string(out.Event)}
			}
			b.upload.State, b.upload.Code, b.upload.Changed = step.To, answer.Code, e.clock().UTC()
		}
		b.upload.Paid = b.upload.Paid || paid
		err = f.write(kept, &b, "file.answered")
		var stale *StaleError
		if errors.As(err, &stale) && tries < 100 {
			continue
		}
		if err != nil {
			return "", err
		}
		b.version++
		return string(b.FileState()), f.finish(ctx, &b)
	}
}

// judge holds an answer against what is known of the file and of its orders: a file of
// which an order was executed, or taken on alone, was not refused.
func (f *filer[T]) judge(ctx context.Context, b *Batch, answer payment.Answer) (payment.Outcome, error) {
	e, attempt := f.engine, b.attempt()
	var promised payment.Capabilities
	var proof payment.Proof
	if f.bank != nil {
		promised = f.bank.FileCapabilities()
	}
	if answer.Standing == payment.Refused || answer.Standing == payment.Absent {
		var err error
		if attempt.Blocked, err = e.executed(ctx, b.Number); err != nil {
			return payment.Outcome{}, err
		}
		all, err := e.proofs(ctx)
		if err != nil {
			return payment.Outcome{}, err
		}
		shown := all[b.To]
		proof = payment.Proof{Through: shown.through, Orphan: len(shown.orphans) > 0} // whatever its amount: banks book files in one
	}
	return promised.Judge(attempt, answer, proof, e.clock().UTC()), nil
}

// executed reports whether anything shows that a bank has dealt with an order of a batch.
func (e *Engine[T]) executed(ctx context.Context, number int64) (bool, error) {
	var after Cursor
	for {
		found, next, err := e.store.Page(ctx, Scan{Table: TablePayments, Equal: []any{number}, After: after, Limit: e.chunk})
		if err != nil {
			return false, err
		}
		for _, row := range found.Rows {
			p := paymentOf(row)
			if p.debits > 0 || p.marks.has(markSaidPaid) || p.state == payment.Accepted || p.state == payment.Settled || p.state == payment.Returned {
				return true, nil
			}
		}
		if after = next; next == nil {
			return false, nil
		}
	}
}

// takeBack keeps that a hand-over that was marked has not left.
func (f *filer[T]) takeBack(ctx context.Context, number int64) error {
	ctx = context.WithoutCancel(ctx)
	for tries := 0; ; tries++ {
		b, err := f.engine.Batch(ctx, number)
		if err != nil {
			return err
		}
		if b.upload.Handed--; b.upload.Handed < 0 {
			return errors.New("program: a hand-over was taken back that was not marked")
		}
		err = f.write(ctx, &b, "file.not-sent")
		var stale *StaleError
		if errors.As(err, &stale) && tries < 100 {
			continue
		}
		return err
	}
}

func (f *filer[T]) write(ctx context.Context, b *Batch, kind string) error {
	row, err := b.row()
	if err != nil {
		return err
	}
	_, err = f.engine.carryOut(ctx, command{By{Actor: f.by.Actor, OnBehalf: f.by.OnBehalf}, kind, nil}, Change{Rows: []Row{row}}, kind, map[string]any{
		"batch": b.Number, "message": b.MessageID, "file": hexOf(b.File), "handed": b.upload.Handed, "state": b.FileState()})
	return err
}

// finish rejects the orders of a file that was refused for good, as a job. What was said
// of an order alone comes first.
func (f *filer[T]) finish(ctx context.Context, b *Batch) error {
	if b.FileState() != payment.Rejected {
		return nil
	}
	e := f.engine
	_, err := e.runJob(ctx, f.by, "batch/"+b.name()+"/file-rejected", "file-rejected", b.Number, func(ctx context.Context, a ask) (chunk, error) {
		found, next, err := e.store.Page(ctx, Scan{Table: TablePayments, Equal: []any{b.Number}, After: a.after, Limit: a.limit})
		if err != nil {
			return chunk{}, err
		}
		set, posts := payments[T]{engine: e}, postings{}
		ids := make([]paymentID, len(found.Rows))
		for i, row := range found.Rows {
			ids[i] = paymentID{intOf(row.Values[0]), intOf(row.Values[1])}
		}
		if err := set.loadIDs(ctx, ids); err != nil {
			return chunk{}, err
		}
		c := chunk{kind: "file.rejected", next: next, last: next == nil, counts: Counts{doneCount: int64(len(ids))}}
		var others []int64
		for _, id := range ids {
			p := set.known[id]
			if a.refused != nil || p.state == payment.Accepted || p.state == payment.Settled {
				c.counts[incident]++
				others = append(others, p.item)
				continue
			}
			became, err := set.take(p, b.To, payment.Answer{Standing: payment.Refused, Code: b.upload.Code}, payment.Capabilities{}, payment.Proof{}, posts)
			if err != nil {
				return chunk{}, err
			}
			if c.counts[became]++; became == incident {
				others = append(others, p.item)
			}
		}
		w, err := set.written()
		c.rows, c.expect, c.posts = sorted(w.rows), w.expect, posts.posting()
		c.data = map[string]any{"batches": w.moved, "incidents": others}
		return c, err
	})
	return err
}
