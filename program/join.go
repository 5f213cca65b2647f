package program

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"
)

// JoinError says why an applicant cannot join a wave.
type JoinError struct {
	// Rule is "not-open", "joined-before" or "applicant-" and a state.
	Rule string
}

func (e *JoinError) Error() string { return "program: join: " + e.Rule }

// Join enters one applicant into an open wave and returns the application with
// its receipt. The error is a *JoinError if that is not possible.
func (e *Engine[T]) Join(ctx context.Context, by By, wave int64, applicant uuid.UUID) (Application, error) {
	cmd := command{by, "join", []any{wave, applicant}}
	done, err := e.answered(ctx, cmd)
	if err != nil {
		return Application{}, err
	}
	if done {
		return e.Application(ctx, wave, applicant)
	}
	w, err := e.joinable(ctx, wave)
	if err != nil {
		return Application{}, err
	}
	rows, err := e.store.Load(ctx, Query{Keys: []Key{{TableApplicants, []any{idValue(applicant)}}, applicationKey(wave, applicant)}})
	if err != nil {
		return Application{}, err
	}
	if len(rows.Rows) == 0 || rows.Rows[0].Table != TableApplicants {
		return Application{}, fmt.Errorf("applicant %s: %w", applicant, ErrNotFound)
	}
	if len(rows.Rows) > 1 {
		return Application{}, &JoinError{"joined-before"}
	}
	s := e.newSteps(ctx, by.Actor, &w)
	a, err := s.join(w, rows.Rows[0])
	if err != nil {
		return Application{}, err
	}
	replayed, err := s.single(cmd, applicant)
	if replayed {
		return e.Application(ctx, wave, applicant) // another call was first: its receipt counts
	}
	return a, err
}

// JoinAll enters every registered applicant that the wish picks into a wave,
// as a job. Whoever cannot join is counted under "refused.RULE".
func (e *Engine[T]) JoinAll(ctx context.Context, by By, job string, wave int64, wish func(*Applicant[T]) bool) (Counts, error) {
	switch _, finished, err := e.JobStatus(ctx, job); {
	case err != nil && !errors.Is(err, ErrNotFound):
		return nil, err
	case finished:
		return e.runJob(ctx, by, job, "join", wave, nil)
	}
	w, err := e.joinable(ctx, wave)
	if err != nil {
		return nil, err
	}
	return e.runParts(ctx, by, job, "join", wave, &Scan{Table: TableApplicants}, func(ctx context.Context, ask ask) (chunk, error) {
		if w, err = e.joinable(ctx, wave); err != nil {
			return chunk{}, err
		}
		rows, next, err := e.store.Page(ctx, Scan{Table: TableApplicants, After: ask.after, Through: ask.until, Limit: ask.limit})
		if err != nil {
			return chunk{}, err
		}
		ids, keys := make([]uuid.UUID, len(rows.Rows)), make([]Key, len(rows.Rows))
		for i, row := range rows.Rows {
			ids[i] = idOf(row.Values[0])
			keys[i] = applicationKey(wave, ids[i])
		}
		before, err := e.store.Load(ctx, Query{Keys: keys})
		if err != nil {
			return chunk{}, err
		}
		joined := make(map[uuid.UUID]bool, len(before.Rows))
		for _, row := range before.Rows {
			joined[idOf(row.Values[1])] = true
		}
		people := map[uuid.UUID]*Applicant[T]{}
		if wish != nil {
			if people, err = e.people(ctx, ids); err != nil {
				return chunk{}, err
			}
		}
		s := e.newSteps(ctx, by.Actor, &w)
		for i, row := range rows.Rows {
			switch {
			case ask.refused != nil:
				s.counts["refused.stale"]++
			case wish != nil && (people[ids[i]] == nil || !wish(people[ids[i]])):
				s.counts["not-joining"]++
			case joined[ids[i]]:
				s.counts["refused.joined-before"]++
			default:
				_, err := s.join(w, row)
				var why *JoinError
				if errors.As(err, &why) {
					s.counts["refused."+why.Rule]++
				} else if err != nil {
					return chunk{}, err
				}
			}
		}
		return s.chunk(next, next == nil, len(rows.Rows)), nil
	})
}

func (e *Engine[T]) joinable(ctx context.Context, wave int64) (Wave, error) {
	w, err := e.Wave(ctx, wave)
	if err != nil {
		return w, err
	}
	now := e.clock()
	if w.State != WaveOpen || now.Before(w.Opens) || !w.Closes.IsZero() && !now.Before(w.Closes) {
		return w, &JoinError{"not-open"}
	}
	return w, nil
}

// join begins a case.
func (s *steps[T]) join(w Wave, applicant Row) (Application, error) {
	if state := textOf(applicant.Values[1]); state != string(Registered) {
		return Application{}, &JoinError{"applicant-" + state}
	}
	table := s.engine.program.Lifecycle
	a := Application{Wave: w.Number, Applicant: idOf(applicant.Values[0]), Household: idOf(applicant.Values[3]), Edition: table.Version}
	if _, err := io.ReadFull(s.engine.random, a.Receipt[:]); err != nil {
		return Application{}, fmt.Errorf("program: randomness: %w", err)
	}
	deadline, err := s.engine.machine.Begin(s.at)
	if err != nil {
		return Application{}, err
	}
	// Decided on the applicant as it was: nobody joins who is erased or barred meanwhile.
	s.unchanged = append(s.unchanged, Expected{Key: Key{TableApplicants, applicant.Values[:1]}, Version: applicant.Version})
	s.enter(&a, TrailStep{To: table.Start, AsOf: s.at}, deadline)
	s.rows = append(s.rows, a.row(s.engine.trail))
	return a, nil
}

// Application reads one application. The error is ErrNotFound if there is
// none.
func (e *Engine[T]) Application(ctx context.Context, wave int64, applicant uuid.UUID) (Application, error) {
	rows, err := e.store.Load(ctx, Query{Keys: []Key{applicationKey(wave, applicant)}})
	if err != nil {
		return Application{}, err
	}
	if len(rows.Rows) == 0 {
		return Application{}, fmt.Errorf("application %d/%s: %w", wave, applicant, ErrNotFound)
	}
	return applicationOf(rows.Rows[0], e.trail)
}
