package program

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
)

// ReferralState is the state of a referral.
type ReferralState string

// The states of a referral: one that is open waits for an officer, who confirms or
// dismisses it, for good.
const (
	ReferralOpen      ReferralState = "open"
	ReferralConfirmed ReferralState = "confirmed"
	ReferralDismissed ReferralState = "dismissed"
)

// Referral is something about one or more applicants that an officer must judge. It
// changes nothing by itself: what follows from a confirmed one, the officer does.
type Referral struct {
	// ID follows from the applicants and the reasons: what was referred is not referred again.
	ID         string      `json:"id"`
	Applicants []uuid.UUID `json:"applicants"`
	// Reasons are codes, such as those of Alike.
	Reasons []string      `json:"reasons"`
	Score   int           `json:"score,omitempty"`
	State   ReferralState `json:"state"`
	Opened  time.Time     `json:"opened"`
	By      string        `json:"by"`
	// Judged is when and by whom it was judged, and Note why: nothing personal.
	Judged   time.Time `json:"judged,omitzero"`
	JudgedBy string    `json:"judged_by,omitempty"`
	Note     string    `json:"note,omitempty"`
}

const referralKind = "referral"

func (r *Referral) record(version int64) (Record, error) {
	body, err := json.Marshal(r)
	return Record{Kind: referralKind, Name: r.ID, Of: string(r.State), Body: body, Version: version}, err
}

// Refer puts applicants on the list of referrals, for reasons, and returns the referral;
// one that is there already, open or judged, stays as it is. Reasons are codes of letters, digits
// and . _ -.
func (e *Engine[T]) Refer(ctx context.Context, by By, applicants []uuid.UUID, reasons []string, score int) (Referral, error) {
	r, _, err := e.refer(ctx, by, applicants, reasons, score)
	return r, err
}

// refer also reports whether the referral is new.
func (e *Engine[T]) refer(ctx context.Context, by By, applicants []uuid.UUID, reasons []string, score int) (Referral, bool, error) {
	applicants, reasons = slices.Clone(applicants), slices.Clone(reasons)
	slices.SortFunc(applicants, compareIDs)
	applicants = slices.Compact(applicants)
	slices.Sort(reasons)
	reasons = slices.Compact(reasons)
	if len(applicants) == 0 || len(reasons) == 0 || slices.ContainsFunc(reasons, func(r string) bool { return !recordName(r, 40) }) {
		return Referral{}, false, &FieldError{"Referral", "has applicants, and reasons of letters, digits and . _ -"}
	}
	sum := sha256.New()
	for _, id := range applicants {
		sum.Write(id[:])
	}
	for _, r := range reasons {
		sum.Write([]byte(r + "\n"))
	}
	r := Referral{ID: hex.EncodeToString(sum.Sum(nil)[:16]), Applicants: applicants, Reasons: reasons, Score: score, State: ReferralOpen, Opened: e.clock().UTC(), By: by.Actor}
	for {
		before, _, err := e.referral(ctx, r.ID)
		if !errors.Is(err, ErrNotFound) {
			return before, false, err
		}
		record, err := r.record(0)
		if err != nil {
			return r, false, err
		}
		err = e.Attach(ctx, by, Attached{Records: []Record{record}})
		var stale *StaleError
		if !errors.As(err, &stale) {
			return r, err == nil, err
		}
	}
}

// ReferAlike refers everybody whom FindAlike finds. What was referred before, and judged,
// is not referred again. The counts are "found" and "referred". It may be called again after
// an interruption.
func (e *Engine[T]) ReferAlike(ctx context.Context, by By, o *AlikeOptions) (Counts, error) {
	counts := Counts{}
	by.Key = ""
	err := e.FindAlike(ctx, o, func(a Alike) error {
		counts["found"]++
		_, isNew, err := e.refer(ctx, by, a.Applicants, a.Signs, a.Score)
		if isNew {
			counts["referred"]++
		}
		return err
	})
	return counts, err
}

func (e *Engine[T]) referral(ctx context.Context, id string) (Referral, int64, error) {
	var r Referral
	record, err := e.Record(ctx, referralKind, id)
	if err != nil {
		return r, 0, err
	}
	return r, record.Version, json.Unmarshal(record.Body, &r)
}

// Referrals gives every referral in a state to each, in the order of their ids.
func (e *Engine[T]) Referrals(ctx context.Context, state ReferralState, each func(Referral) error) error {
	return e.Records(ctx, RecordScan{Kind: referralKind, Of: string(state)}, func(record Record) error {
		var r Referral
		if err := json.Unmarshal(record.Body, &r); err != nil {
			return err
		}
		return each(r)
	})
}

// JudgeReferral closes an open referral: confirmed or dismissed, with a note that says why
// and has nothing personal. Whoever referred it does not judge it. One that was judged
// is a *StateError.
func (e *Engine[T]) JudgeReferral(ctx context.Context, by By, id string, verdict ReferralState, note string) error {
	if verdict != ReferralConfirmed && verdict != ReferralDismissed || note == "" {
		return &FieldError{"verdict, note", "are confirmed or dismissed, and a note"}
	}
	for {
		r, version, err := e.referral(ctx, id)
		if err != nil {
			return err
		}
		if r.State != ReferralOpen {
			if r.State == verdict && r.JudgedBy == by.Actor && r.Note == note {
				return nil // the same again
			}
			return &StateError{What: "referral " + id, State: string(r.State), Event: string(verdict)}
		}
		if by.Actor == r.By || by.OnBehalf == r.By {
			return &StateError{What: "referral " + id, State: "referred by the same hands", Event: string(verdict)}
		}
		r.State, r.Judged, r.JudgedBy, r.Note = verdict, e.clock().UTC(), by.Actor, note
		record, err := r.record(version)
		if err != nil {
			return err
		}
		err = e.Attach(ctx, by, Attached{Records: []Record{record}})
		var stale *StaleError
		if !errors.As(err, &stale) {
			return err
		}
	}
}
