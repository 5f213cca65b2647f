package program

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/program/calendar"
)

// Decided is a decision of the policy as it is kept: what was decided, and, sealed with
// the person's key, the facts on which. As long as the key exists it can be made again
// from them; afterwards Commitment shows that a record is the one that was kept.
type Decided struct {
	Wave      int64
	Applicant uuid.UUID
	// Stage and Number tell the decisions of one case apart. A decision about a payment
	// has the number of its batch, below zero.
	Stage  string
	Number int64
	At     time.Time
	// Record is JSON: the policy and its digest, the legal date, the verdict, and the
	// rules that failed or could not be decided. It has no personal value.
	Record []byte
	// Commitment is the SHA-256 of a random salt and the facts.
	Commitment [32]byte

	sealed []byte
}

const saltSize = 16

// keep adds the row of a decision that was made about a case whose applicant is open.
func (s *steps[T]) keep(c *Case[T], d *eligibility.Decision, number int64, record []byte) error {
	aead := c.Applicant.aead
	if aead == nil {
		return nil // decided without facts of the person: there is nothing to keep
	}
	salted := make([]byte, saltSize, 256)
	if _, err := io.ReadFull(s.engine.random, salted); err != nil {
		return fmt.Errorf("program: randomness: %w", err)
	}
	salted = d.AppendFacts(salted)
	commitment := sha256.Sum256(salted)
	a := &c.Application
	sealed, err := seal(aead, s.engine.random, salted, decisionBound(a.Wave, a.Applicant, d.Stage, number))
	if err != nil {
		return err
	}
	s.rows = append(s.rows, Row{Table: TableDecisions, Values: []any{a.Wave, idValue(a.Applicant), d.Stage, number, s.at.UnixMicro(), record, sealed, commitment[:]}})
	return nil
}

func decisionBound(wave int64, applicant uuid.UUID, stage string, number int64) []byte {
	return boundTo(applicant, fmt.Sprintf("decision/%d/%s/%d", wave, stage, number))
}

// Decisions reads the decisions that were kept about a case, oldest first.
func (e *Engine[T]) Decisions(ctx context.Context, wave int64, applicant uuid.UUID) ([]Decided, error) {
	var all []Decided
	scan := Scan{Table: TableDecisions, Equal: []any{wave, idValue(applicant)}, Limit: 100}
	for {
		rows, next, err := e.store.Page(ctx, scan)
		if err != nil {
			return nil, err
		}
		for _, row := range rows.Rows {
			v := row.Values
			all = append(all, Decided{Wave: wave, Applicant: applicant, Stage: textOf(v[2]), Number: intOf(v[3]), At: moment(v[4]),
				Record: bytesOf(v[5]), sealed: bytesOf(v[6]), Commitment: [32]byte(bytesOf(v[7]))})
		}
		if next == nil {
			slices.SortStableFunc(all, func(a, b Decided) int { return a.At.Compare(b.At) })
			return all, nil
		}
		scan.After = next
	}
}

// Redecide makes a kept decision again, from the facts that it was made on. The error is
// ErrSealed if the person was erased or the facts were changed, *PolicyError if the
// program's policy is not the one that decided, and ErrDecision if the verdict comes out
// otherwise.
func (e *Engine[T]) Redecide(ctx context.Context, kept Decided) (eligibility.Decision, error) {
	var d eligibility.Decision
	var record struct {
		Policy  string        `json:"policy"`
		Digest  string        `json:"digest"`
		AsOf    calendar.Date `json:"as_of"`
		Verdict string        `json:"verdict"`
	}
	if err := json.Unmarshal(kept.Record, &record); err != nil {
		return d, fmt.Errorf("program: the record of a decision cannot be read: %w", err)
	}
	people, err := e.people(ctx, []uuid.UUID{kept.Applicant})
	if err != nil {
		return d, err
	}
	a := people[kept.Applicant]
	if a == nil || a.aead == nil {
		return d, ErrSealed
	}
	salted, err := unseal(a.aead, kept.sealed, decisionBound(kept.Wave, kept.Applicant, kept.Stage, kept.Number))
	if err != nil {
		return d, err
	}
	if len(salted) < saltSize || sha256.Sum256(salted) != kept.Commitment {
		return d, ErrSealed
	}
	if e.policy.Digest() != record.Digest {
		return d, &PolicyError{Policy: record.Policy, Digest: record.Digest}
	}
	plan := e.policy.Plan(kept.Stage, record.AsOf)
	if err := plan.DecideFacts(salted[saltSize:], &d); err != nil {
		return d, err
	}
	if d.Verdict.String() != record.Verdict {
		return d, ErrDecision
	}
	return d, nil
}

// ErrDecision says that a decision, made again, comes out otherwise than its record says.
var ErrDecision = fmt.Errorf("program: the decision comes out otherwise than it was kept")

// PolicyError says that a decision was made by another policy than the program has: make
// it again with an engine that has that one.
type PolicyError struct{ Policy, Digest string }

func (e *PolicyError) Error() string {
	return fmt.Sprintf("program: the decision was made by policy %s with digest %s", e.Policy, e.Digest)
}
