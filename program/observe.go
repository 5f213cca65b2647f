package program

import (
	"context"
	"encoding/json"
	"maps"

	"github.com/google/uuid"
)

// ObserveAll asks a source again about the applicants of a wave's cases in the
// given states, as a job: what observe returns is kept as evidence, beside or
// in place of what was there. Nil leaves an applicant as is.
func (e *Engine[T]) ObserveAll(ctx context.Context, by By, job string, wave int64, states []State, observe func(*Applicant[T]) map[string]Evidence) (Counts, error) {
	w, err := e.Wave(ctx, wave)
	if err != nil {
		return nil, err
	}
	pages := e.casesAhead(&w, states, e.openPeople)
	defer pages.stop()
	return e.runParts(ctx, by, job, "observe", []any{wave, states}, everyCase(wave), func(ctx context.Context, ask ask) (chunk, error) {
		cases, next, err := pages.get(ctx, ask)
		if err != nil {
			return chunk{}, err
		}
		out := chunk{kind: "observed", next: next, last: next == nil, counts: Counts{doneCount: int64(len(cases))}}
		var ids []string
		for _, c := range cases {
			row, changed, err := e.observed(&c.Applicant, observe(&c.Applicant))
			if err != nil {
				return chunk{}, err
			}
			if changed {
				out.rows = append(out.rows, row)
				ids = append(ids, shortID(c.Applicant.ID))
				out.counts["observed"]++
			}
		}
		out.data = map[string]any{"applicants": ids}
		return out, nil
	})
}

// Observe keeps evidence about one applicant.
func (e *Engine[T]) Observe(ctx context.Context, by By, applicant uuid.UUID, evidence map[string]Evidence) error {
	seen, err := json.Marshal(evidence)
	if err != nil {
		return err
	}
	mark, err := e.personal(ctx, by, applicant, "observe", string(seen))
	if err != nil {
		return err
	}
	cmd := command{by, "observe", []any{applicant, mark}}
	if done, err := e.answered(ctx, cmd); done || err != nil {
		return err
	}
	a, err := e.Applicant(ctx, applicant)
	if err != nil {
		return err
	}
	row, changed, err := e.observed(&a, evidence)
	if err != nil || !changed {
		return err
	}
	_, err = e.carryOut(ctx, cmd, Change{Home: applicant, Rows: []Row{row}}, "observed", map[string]any{"applicants": []string{shortID(applicant)}})
	return err
}

func (e *Engine[T]) observed(a *Applicant[T], evidence map[string]Evidence) (Row, bool, error) {
	if len(evidence) == 0 {
		return Row{}, false, nil
	}
	if a.Evidence == nil {
		a.Evidence = map[string]Evidence{}
	}
	maps.Copy(a.Evidence, evidence)
	row, err := e.applicantRow(a)
	return row, true, err
}
