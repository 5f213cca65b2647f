package program

import (
	"context"
	"crypto/ed25519"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/quota"
)

// Receipt returns what an applicant on the roll is handed, signed with the agency's
// key, between the freeze and the instant at which the seed is due: the label under
// which the applicant is drawn, and the commitment to the applicant's record. With it
// nobody can deal out labels afterwards. It changes nothing, and can be asked for
// again. Errors: a *StateError where the wave is not frozen, was drawn, or was frozen
// without a Due or is due already, so that nothing would show that the receipt came
// first; ErrNotFound for somebody who is not on the roll.
func (e *Engine[T]) Receipt(ctx context.Context, wave int64, applicant uuid.UUID, key ed25519.PrivateKey) (*quota.Receipt, error) {
	w, err := e.Wave(ctx, wave)
	if err != nil {
		return nil, err
	}
	now := e.clock().UTC().Truncate(time.Second)
	if m := w.body.Manifest; w.State != WaveFrozen || m == nil || !now.Before(m.Due) {
		return nil, &StateError{What: "wave " + w.name(), State: string(w.State), Event: "receipt"}
	}
	a, err := e.Application(ctx, wave, applicant)
	if err != nil {
		return nil, err
	}
	if !a.Placed || !e.onRoll[a.stateAt(w.body.Frozen)] {
		return nil, ErrNotFound
	}
	r := &quota.Receipt{Program: e.program.ID, Wave: w.name(), Label: a.Receipt, Issued: now}
	copy(r.Commitment[:], a.commitment)
	return r, quota.SignReceipt(key, r)
}
