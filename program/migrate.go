package program

import (
	"context"
	"fmt"
	"slices"

	"github.com/gelombang/gelombang/program/lifecycle"
)

// Migration maps the states of one version of the lifecycle to those of another.
type Migration = lifecycle.Migration[State]

// PreviewMigration counts which cases of a wave a migration would move where, and
// which it would strand. The migration may be a draft, and its tables need not be
// the program's yet. Nothing is changed.
func (e *Engine[T]) PreviewMigration(ctx context.Context, wave int64, g Migration) (lifecycle.Preview[State], error) {
	var failed error
	p := g.Preview(func(yield func(lifecycle.Instance[State]) bool) {
		a := ask{limit: e.chunk}
		for {
			rows, next, err := e.store.Page(ctx, Scan{Table: TableApplications, Equal: []any{wave}, After: a.after, Limit: a.limit})
			if err != nil {
				failed = err
				return
			}
			for _, row := range rows.Rows {
				v := row.Values
				if !yield(lifecycle.Instance[State]{ID: idOf(v[1]).String(), State: State(textOf(v[2])), Version: int(intOf(v[3]))}) {
					return
				}
			}
			if next == nil {
				return
			}
			a.after = next
		}
	})
	if failed != nil {
		return lifecycle.Preview[State]{}, failed
	}
	return p, nil
}

// Migrate moves the cases of a wave from one version of the lifecycle to another,
// as a job: each case is moved by a step of its own, which is in its trail and in
// the journal. The counts are "migrated"; "already" for cases that have the new
// version; and "stranded.STATE" for those that stay, since they have a third version
// or no deadline where the table has one.
//
// The error is an *EditionError if a version is not among the program's tables;
// lifecycle.Faults if the migration is not total or not lawful; Faults if it would
// give a seat or put a case on the roll; and a *StateError between the freezing of
// the roll and the announcement, when the roll must stay as it is.
func (e *Engine[T]) Migrate(ctx context.Context, by By, job string, wave int64, g Migration) (Counts, error) {
	w, err := e.Wave(ctx, wave)
	if err != nil {
		return nil, err
	}
	migrator, err := e.migrator(g)
	if err != nil {
		return nil, err
	}
	return e.runParts(ctx, by, job, "migrate", []any{wave, g}, everyCase(wave), func(ctx context.Context, ask ask) (chunk, error) {
		if err := e.again(ctx, ask, &w); err != nil {
			return chunk{}, err
		}
		if slices.Contains([]WaveState{WaveFreezing, WaveFrozen, WaveDrawn}, w.State) {
			return chunk{}, &StateError{What: "wave " + w.name(), State: string(w.State), Event: "migrate"}
		}
		p, err := e.scanCases(ctx, w, nil, ask)
		if err != nil {
			return chunk{}, err
		}
		s := e.newSteps(ctx, by.Actor, &w)
		for _, c := range p.cases {
			if ask.refused != nil {
				s.refused(&c.Application, "bounds")
				continue
			}
			if err := s.migrate(c, g, migrator); err != nil {
				return chunk{}, err
			}
		}
		return s.chunk(p.next, p.next == nil, len(p.cases)), nil
	})
}

// migrator checks a migration against both tables, and against what only a draw or
// a check may do.
func (e *Engine[T]) migrator(g Migration) (*lifecycle.Migrator[State, Event, *Case[T]], error) {
	for _, version := range []int{g.From, g.To} {
		if e.editions[version] == nil {
			return nil, &EditionError{Edition: version, Rule: "unknown"}
		}
	}
	from, to := e.editions[g.From], e.editions[g.To]
	migrator, err := lifecycle.CompileMigration(g, from.table, to.machine)
	if err != nil {
		return nil, err
	}
	var faults Faults
	for _, old := range from.table.States {
		next, _ := to.machine.State(g.States[old.State])
		where := fmt.Sprintf("Migration.States.%s", old.State)
		if slices.Contains(next.Holds, Seat) && !slices.Contains(old.Holds, Seat) {
			faults = append(faults, &FieldError{where, "would take a seat, which only a draw gives"})
		}
		if e.onRoll[editionState{g.To, next.State}] && !e.onRoll[editionState{g.From, old.State}] {
			faults = append(faults, &FieldError{where, "would lead onto the roll without a check"})
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return migrator, nil
}

// migrate moves one case, or counts why it stays.
func (s *steps[T]) migrate(c *Case[T], g Migration, migrator *lifecycle.Migrator[State, Event, *Case[T]]) error {
	a := &c.Application
	if a.Edition == g.To {
		s.counts["already"]++
		return nil
	}
	at := s.moment(a, Report{})
	step, why := migrator.Step(lifecycle.Instance[State]{ID: a.Applicant.String(), State: a.State, Version: a.Edition}, at)
	if len(why) > 0 {
		s.counts["stranded."+string(a.State)]++
		return nil
	}
	deadline := step.Running(at)
	a.Edition = g.To
	s.enter(a, TrailStep{To: step.To, AsOf: s.at, due: deadline.Due, since: deadline.Since}, deadline)
	if slices.Contains(step.Releases, Seat) {
		s.releaseSeat(a)
	}
	s.counts["migrated"]++
	return s.put(c)
}
