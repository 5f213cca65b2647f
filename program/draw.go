package program

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/quota"
)

// FreezeOrder is what must be said before the randomness exists.
type FreezeOrder struct {
	// Number counts the draws of the wave, from 1; a second needs a Reason.
	Number int
	Reason string
	// Source is the randomness, named in advance.
	Source quota.Source
	// Due is the instant before which the source says nothing, in UTC and whole
	// seconds. It must be given where there are Witnesses or a fallback, and for
	// receipts after the freeze.
	Due time.Time
	// Witnesses outside the agency sign the manifest before Due: at least as
	// many as the plan demands.
	Witnesses []quota.Witness
}

// Freeze makes the roll of a closed wave: everybody who passed the screening,
// and nobody after. The manifest holds the roll's digest; publish it before the
// randomness exists.
//
// It first fixes the instant: from then on no step that was decided before can
// be written. Then it reads the roll. If it is cut off between, the next call
// goes on with the same instant.
func (e *Engine[T]) Freeze(ctx context.Context, by By, wave int64, order FreezeOrder) error {
	w, err := e.Wave(ctx, wave)
	if err != nil {
		return err
	}
	if w.State == WaveClosed {
		if w.body.Plan == nil {
			return &FieldError{"Plan", "is missing: the wave cannot be drawn"}
		}
		// Clocks of processes differ by up to ClockTolerance from the store's: an
		// instant that no step can have had so far. Later steps are put behind it.
		frozen := e.clock().UTC().Add(2 * ClockTolerance).Truncate(time.Microsecond)
		if err := e.moveWave(ctx, By{Actor: by.Actor}, wave, "fix", nil, func(w *Wave, _ *Change) error {
			w.body.Frozen = frozen
			return nil
		}); err != nil {
			return err
		}
		if w, err = e.Wave(ctx, wave); err != nil {
			return err
		}
	}
	return e.moveWave(ctx, by, wave, "freeze", order, func(w *Wave, _ *Change) error {
		roll, err := e.roll(ctx, *w)
		if err != nil {
			return err
		}
		w.body.Manifest, err = quota.Freeze(w.body.Plan, roll, quota.Manifest{
			Program: e.program.ID, Wave: w.name(), Number: order.Number, Reason: order.Reason,
			Source: order.Source, Frozen: w.body.Frozen.Truncate(time.Second), Due: order.Due, Witnesses: order.Witnesses,
		})
		return err
	})
}

// lastRoll keeps the roll that was read last: once frozen it never changes.
type lastRoll struct {
	mu     sync.Mutex
	wave   int64
	frozen time.Time
	roll   *quota.Roll
}

// roll returns who was on a wave's roll at the instant of freezing.
func (e *Engine[T]) roll(ctx context.Context, w Wave) (*quota.Roll, error) {
	e.lastRoll.mu.Lock()
	defer e.lastRoll.mu.Unlock()
	last := &e.lastRoll
	if last.roll != nil && last.wave == w.Number && last.frozen.Equal(w.body.Frozen) {
		return last.roll, nil
	}
	roll, err := e.readRoll(ctx, w, w.body.Frozen)
	if err == nil {
		last.wave, last.frozen, last.roll = w.Number, w.body.Frozen, roll
	}
	return roll, err
}

// readRoll reads who was on the roll at an instant, in any later state.
func (e *Engine[T]) readRoll(ctx context.Context, w Wave, frozen time.Time) (*quota.Roll, error) {
	reader := rollReader{plan: w.body.Plan, pools: map[string]int32{}, groups: map[string]uint32{}, households: map[uuid.UUID]*rollHousehold{}}
	for i, p := range reader.plan.Pools {
		reader.pools[p.ID] = int32(i)
	}
	for i, g := range reader.plan.Groups {
		reader.groups[g.Code] = 1 << i
	}
	a := ask{limit: e.chunk}
	for {
		rows, next, err := e.store.Page(ctx, Scan{Table: TableApplications, Equal: []any{w.Number}, After: a.after, Limit: a.limit})
		if err != nil {
			return nil, err
		}
		for _, row := range rows.Rows {
			application, err := applicationOf(row, e.trail)
			if err != nil {
				return nil, err
			}
			if !application.Placed || !e.onRoll[application.stateAt(frozen)] {
				continue
			}
			if err := reader.add(&application); err != nil {
				return nil, err
			}
		}
		if next == nil {
			break
		}
		a.after = next
	}
	reader.nameHouseholds(func(id uuid.UUID) [32]byte { return e.keys.Mark("roll-household/"+w.name(), string(id[:])) })
	return quota.NewRoll(w.body.Plan, reader.candidates)
}

type rollReader struct {
	plan       *quota.Plan
	pools      map[string]int32
	groups     map[string]uint32
	candidates []quota.Candidate
	members    []uuid.UUID // by candidate
	households map[uuid.UUID]*rollHousehold
}

type rollHousehold struct {
	members int
	held    uint8
	name    uint32
}

func (r *rollReader) add(a *Application) error {
	c := quota.Candidate{Label: a.Receipt, Tier: uint16(a.Placement.Tier), Number: a.Placement.Number}
	copy(c.Commitment[:], a.commitment)
	pool, known := r.pools[a.Placement.Pool]
	if !known { // placeCase has checked it against this plan
		return &FieldError{"Placement.Pool", fmt.Sprintf("%q is not in the wave's plan", a.Placement.Pool)}
	}
	c.Pool = pool
	for _, code := range a.Placement.Groups {
		bit, known := r.groups[code]
		if !known {
			return &FieldError{"Placement.Groups", fmt.Sprintf("%q is not in the wave's plan", code)}
		}
		c.Groups |= bit
	}
	if a.Household != uuid.Nil {
		h := r.households[a.Household]
		if h == nil {
			h = &rollHousehold{}
			r.households[a.Household] = h
		}
		h.members++
		h.held = max(h.held, uint8(min(a.held, 255)))
	}
	r.candidates = append(r.candidates, c)
	r.members = append(r.members, a.Household)
	return nil
}

// nameHouseholds gives pseudonyms, in an order that only the agency's key can
// tell, to the households for which it matters: those with several candidates
// or with seats already.
func (r *rollReader) nameHouseholds(order func(uuid.UUID) [32]byte) {
	type named struct {
		mark [32]byte
		h    *rollHousehold
	}
	var several []named
	for id, h := range r.households {
		if h.members > 1 || h.held > 0 {
			several = append(several, named{order(id), h})
		}
	}
	slices.SortFunc(several, func(a, b named) int { return bytes.Compare(a.mark[:], b.mark[:]) })
	for i := range several {
		several[i].h.name = uint32(i + 1)
	}
	for i, id := range r.members {
		if h := r.households[id]; h != nil && h.name > 0 {
			r.candidates[i].Household, r.candidates[i].Held = h.name, h.held
		}
	}
	r.members, r.households = nil, nil
}

// DrawOrder is what a draw needs after the randomness exists.
type DrawOrder struct {
	// Seed must be of the source that the manifest names.
	Seed *quota.Seed
	// Attestations are what the witnesses of the manifest signed, in their order.
	Attestations []quota.Attestation
	// Removals are people who may not be drawn any more; they are published with
	// their reasons.
	Removals []quota.Removal
}

// Draw selects by the seed, and posts the movements of unfilled seats. The
// results reach the cases with Announce. Errors: quota.Faults for a seed of
// another source, a witness who did not sign in time, or a removal of somebody
// who is not on the roll.
func (e *Engine[T]) Draw(ctx context.Context, by By, wave int64, order DrawOrder) error {
	if order.Seed == nil {
		return &FieldError{"Seed", "is missing"}
	}
	return e.moveWave(ctx, by, wave, "draw", order, func(w *Wave, c *Change) error {
		if err := w.body.Manifest.Attested(order.Attestations); err != nil {
			return err
		}
		w.body.Seed, w.body.Attestations, w.body.Removals = order.Seed, order.Attestations, order.Removals
		drawn, err := e.redraw(ctx, *w, order.Seed)
		if err != nil {
			return err
		}
		c.Postings, err = spills(w, drawn.result.Moves)
		return err
	})
}

// spills posts the movements of unfilled seats in the order in which they
// happened.
func spills(w *Wave, moves []quota.Move) ([]ledger.Posting, error) {
	var all []ledger.Posting
	for i, m := range moves {
		if m.Seats == 0 {
			continue
		}
		from, to := m.Places(w.body.Plan, w.name())
		p, err := quota.Spill("wave/"+w.name()+"/spill/"+strconv.Itoa(i), from, to, m.Seats)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

type drawn struct {
	roll   *quota.Roll
	result *quota.Result
}

// redraw makes the draw from what is stored: the same each time.
func (e *Engine[T]) redraw(ctx context.Context, w Wave, seed *quota.Seed) (*drawn, error) {
	roll, err := e.roll(ctx, w)
	if err != nil {
		return nil, err
	}
	result, err := quota.Draw(w.body.Plan, roll, w.body.Manifest, seed, &quota.DrawOptions{Removals: w.body.Removals})
	if err != nil {
		return nil, err
	}
	return &drawn{roll, result}, nil
}

func (d *drawn) outcome(receipt [16]byte) (quota.Outcome, bool) {
	i, found := d.find(receipt)
	if !found {
		return quota.Outcome{}, false
	}
	return d.result.Outcome(i), true
}

// find returns the place of a receipt in the roll.
func (d *drawn) find(receipt [16]byte) (at int, found bool) {
	return slices.BinarySearchFunc(d.roll.Candidates(), receipt, func(c quota.Candidate, label [16]byte) int {
		return bytes.Compare(c.Label[:], label[:])
	})
}

// Announce gives every case on the roll its result, as a job: Drawn with a
// seat, or NotSelected; then the wave is announced. Whoever passed screening after the
// freeze is not on the roll: NotSelected too, counted under "not-on-roll", and Promote
// and Refill have no seat for them. A case whose household is full by now, through an
// appeal, does not get what the draw gave it: that seat stays open for Promote.
func (e *Engine[T]) Announce(ctx context.Context, by By, job string, wave int64) (Counts, error) {
	w, err := e.Wave(ctx, wave)
	if err != nil {
		return nil, err
	}
	if w.State != WaveDrawn && w.State != WaveAnnounced {
		return nil, &StateError{What: "wave " + w.name(), State: string(w.State), Event: "announce"}
	}
	var d *drawn
	pages := e.casesAhead(&w, e.rollIn, nil)
	defer pages.stop()
	counts, err := e.runParts(ctx, by, job, "announce", wave, everyCase(wave), func(ctx context.Context, ask ask) (chunk, error) {
		pages.drop(ask)
		if err := e.again(ctx, ask, &w); err != nil {
			return chunk{}, err
		}
		if d == nil {
			if d, err = e.redraw(ctx, w, w.body.Seed); err != nil {
				return chunk{}, err
			}
		}
		cases, next, err := pages.get(ctx, ask)
		if err != nil {
			return chunk{}, err
		}
		s := e.newSteps(ctx, by.Actor, &w)
		for _, c := range cases {
			if err := s.announce(c, d, ask.refused); err != nil {
				return chunk{}, err
			}
		}
		return s.chunk(next, next == nil, len(cases)), nil
	})
	if err != nil || w.State == WaveAnnounced {
		return counts, err
	}
	err = e.moveWave(ctx, By{Actor: by.Actor}, wave, "announce", nil, nil)
	var stale *StaleError
	var over *StateError
	if errors.As(err, &stale) || errors.As(err, &over) {
		// Another process may have ended the same job in the same instant.
		if now, again := e.Wave(ctx, wave); again == nil && now.State == WaveAnnounced {
			err = nil
		}
	}
	return counts, err
}

func (s *steps[T]) announce(c *Case[T], d *drawn, refused error) error {
	o, found := d.outcome(c.Application.Receipt)
	if !found {
		s.counts["not-on-roll"]++
	}
	event := NotSelected
	if found && o.Accepted() && refused == nil {
		event = Drawn
		c.Application.Seat, c.Application.SeatState = seatName(o.Place(c.Wave.body.Plan, c.Wave.name())), "held"
	}
	why, err := s.fire(c, Report{Event: event}, nil)
	if err != nil {
		return err
	}
	if len(why) > 0 {
		s.refused(&c.Application, why[0].Code)
		return nil
	}
	if refused != nil {
		s.refused(&c.Application, "limit")
	}
	if found {
		s.counts["draw."+o.Reason.String()]++
	}
	return s.put(c)
}

// WriteProof writes the proof of a drawn wave: all that anyone needs to draw
// again. Create opens the files by name; repeated, they have the same bytes.
func (e *Engine[T]) WriteProof(ctx context.Context, wave int64, create func(name string) (io.WriteCloser, error)) error {
	w, err := e.Wave(ctx, wave)
	if err != nil {
		return err
	}
	if w.body.Seed == nil {
		return &StateError{What: "wave " + w.name(), State: string(w.State), Event: "proof"}
	}
	d, err := e.redraw(ctx, w, w.body.Seed)
	if err != nil {
		return err
	}
	return quota.WriteProof(create, &quota.Proof{
		Plan: w.body.Plan, Roll: d.roll, Manifest: w.body.Manifest, Seed: w.body.Seed, Result: d.result,
		Attestations: w.body.Attestations, Removals: w.body.Removals,
	})
}

// OpenCommitment checks what the roll commits to for one application, as an
// auditor with the agency's consent does. Of somebody who was erased it is ErrSealed.
func (e *Engine[T]) OpenCommitment(ctx context.Context, wave int64, applicant uuid.UUID) error {
	c, err := e.onRollOf(ctx, wave, applicant)
	if err != nil {
		return err
	}
	salt, err := c.rollSalt()
	if err != nil {
		return err
	}
	record, err := e.rollRecord(c)
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(append(salt[:], record...)); !bytes.Equal(sum[:], c.Application.commitment) {
		return ErrCommitment
	}
	return nil
}

// ErrCommitment says that a person's record is not the one that the roll
// commits to.
var ErrCommitment = fmt.Errorf("program: the record is not the one on the roll")
