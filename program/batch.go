package program

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

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
	// and destination. It is what the approvers approve.
	Digest [32]byte
	// Revision counts how often payments were held back. Each makes another list,
	// which is approved anew.
	Revision int64
	// Signatures are who had a hand in it, in order. The roles are "prepare", "hold",
	// "approve" and "release".
	Signatures []payment.Signature
	// File is the SHA-256 of the file that was released to the bank, and To names the
	// bank; zero if the batch is not released, or is paid by calls.
	File [32]byte
	To   string
	// MessageID is what the bank knows the file by; empty if it is not uploaded.
	MessageID string
	// Released is when it was released; zero if it was not.
	Released time.Time

	upload  upload
	version int64
}

// The roles of a batch's signatures.
const (
	rolePrepare = "prepare"
	roleHold    = "hold"
	roleApprove = "approve"
	roleRelease = "release"
	roleReport  = "report" // who reports an account that replaces another
)

func (b *Batch) sign(role string, by By) {
	b.Signatures = append(b.Signatures, payment.Signature{Role: role, Actor: by.Actor, OnBehalf: by.OnBehalf})
}

// signedAs returns the actor of the first signature in a role, empty if there is
// none.
func (b *Batch) signedAs(role string) string {
	for _, s := range b.Signatures {
		if s.Role == role {
			return s.Actor
		}
	}
	return ""
}

// separate reports whether one person stands behind two roles. Several may have
// prepared it or held payments back.
func (b *Batch) separate() error {
	for i, s := range b.Signatures {
		if s.Role != roleApprove && s.Role != roleRelease {
			continue
		}
		for j, t := range b.Signatures {
			if i != j {
				if err := payment.Separate(t, s); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (b *Batch) signatures(role string) int {
	n := 0
	for _, s := range b.Signatures {
		if s.Role == role {
			n++
		}
	}
	return n
}

// apart checks that whoever gives the command stands behind no other signature.
func (b *Batch) apart(role string, by By) error {
	for _, s := range b.Signatures {
		if err := payment.Separate(s, payment.Signature{Role: role, Actor: by.Actor, OnBehalf: by.OnBehalf}); err != nil {
			return fmt.Errorf("program: batch %s: %w", b.name(), err)
		}
	}
	return nil
}

// reserved reports whether the batch's total was reserved: it was approved, and not
// cancelled since.
func (b *Batch) reserved() bool {
	switch b.State {
	case BatchApproved, BatchSubmitted, BatchClosed:
		return true
	}
	return false
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
	// BatchRevising: payments were held back, and its list is made anew.
	BatchRevising BatchState = "revising"
	// BatchCancelling: it will not be paid; its payments are being cancelled.
	BatchCancelling BatchState = "cancelling"
	BatchCancelled  BatchState = "cancelled"
)

type batchEvent string

// BatchTable is the fixed lifecycle of a batch.
func BatchTable() lifecycle.Table[BatchState, batchEvent] {
	state := func(s BatchState, final bool) lifecycle.State[BatchState, batchEvent] {
		return lifecycle.State[BatchState, batchEvent]{State: s, Final: final, Next: lifecycle.Officer, Wording: "batch." + string(s)}
	}
	move := func(on batchEvent, to BatchState, from ...BatchState) lifecycle.Move[BatchState, batchEvent] {
		return lifecycle.Move[BatchState, batchEvent]{On: on, From: from, To: to}
	}
	return lifecycle.Table[BatchState, batchEvent]{
		Name: "batch", Version: 1, Start: BatchPreparing, EventTexts: "batch.event.",
		States: []lifecycle.State[BatchState, batchEvent]{
			state(BatchPreparing, false), state(BatchPrepared, false), state(BatchApproved, false),
			state(BatchRevising, false), state(BatchSubmitted, false), state(BatchClosed, true),
			state(BatchCancelling, false), state(BatchCancelled, true),
		},
		Moves: []lifecycle.Move[BatchState, batchEvent]{
			move("prepare", BatchPrepared, BatchPreparing), move("sign", BatchPrepared, BatchPrepared),
			move("approve", BatchApproved, BatchPrepared),
			move("hold", BatchRevising, BatchPrepared, BatchApproved), move("revised", BatchPrepared, BatchRevising),
			move("submit", BatchSubmitted, BatchApproved), move("close", BatchClosed, BatchSubmitted),
			move("cancel", BatchCancelling, BatchPrepared, BatchApproved), move("cancelled", BatchCancelled, BatchCancelling),
		},
	}
}

// batchBody is what is stored of a batch beside its columns.
type batchBody struct {
	Digest     []byte              `json:"digest"`
	Revision   int64               `json:"revision,omitempty"`
	Signatures []payment.Signature `json:"signatures"`
	File       []byte              `json:"file,omitempty"`
	To         string              `json:"to,omitempty"`
	MessageID  string              `json:"message,omitempty"`
	Upload     *upload             `json:"upload,omitempty"`
	Released   time.Time           `json:"released,omitzero"`
}

func (b *Batch) row() (Row, error) {
	body := batchBody{Digest: b.Digest[:], Revision: b.Revision, Signatures: b.Signatures, To: b.To, MessageID: b.MessageID, Released: b.Released}
	if b.upload != (upload{}) {
		body.Upload = &b.upload
	}
	if b.File != [32]byte{} {
		body.File = b.File[:]
	}
	data, err := json.Marshal(body)
	return Row{Table: TableBatches, Version: b.version, Values: []any{
		b.Number, string(b.State), b.Benefit, int64(b.Instalment), b.Wave, b.Count, b.Total.Units, b.Total.Currency,
		b.signedAs(rolePrepare), textValue(b.signedAs(roleApprove)), textValue(b.signedAs(roleRelease)), data,
	}}, err
}

func batchOf(row Row) (Batch, error) {
	v := row.Values
	b := Batch{Number: intOf(v[0]), State: BatchState(textOf(v[1])), Benefit: textOf(v[2]), Instalment: int(intOf(v[3])), Wave: intOf(v[4]),
		Count: intOf(v[5]), Total: payment.Money{Units: intOf(v[6]), Currency: textOf(v[7])}, version: row.Version}
	var body batchBody
	if err := json.Unmarshal(bytesOf(v[11]), &body); err != nil {
		return Batch{}, fmt.Errorf("program: batch %s: %w", b.name(), err)
	}
	b.Revision, b.Signatures, b.To, b.Released, b.MessageID = body.Revision, body.Signatures, body.To, body.Released, body.MessageID
	if body.Upload != nil {
		b.upload = *body.Upload
	}
	copy(b.Digest[:], body.Digest)
	copy(b.File[:], body.File)
	return b, nil
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
	return batchOf(rows.Rows[0])
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
