package program

import (
	"context"
	"time"
)

// Health is what an operator watches, beside ReaderLag and Log.Lag.
type Health struct {
	// Overdue is the earliest deadline that has passed and was not fired yet; zero if
	// there is none. Tick fires it.
	Overdue time.Time
	// Jobs are those that are not at their end.
	Jobs []JobHealth
	// AppealsOverdue is how many appeals should have been decided, up to 1,000.
	AppealsOverdue int
}

// JobHealth is where a job stands that is not at its end.
type JobHealth struct {
	Name string
	// State is "running" or "paused".
	State string
	Done  int64
	// Parts is how many parts the job has, Left how many are not done, and Taken how
	// many of these a process has. A job with Left and without Taken stands still.
	Parts, Left, Taken int
}

// Health reads what an operator watches. An error says that the store does not answer.
func (e *Engine[T]) Health(ctx context.Context) (Health, error) {
	var h Health
	now := e.clock().UTC()
	due, running, err := e.NextDue(ctx)
	if err != nil {
		return h, err
	}
	if running && !now.Before(due) {
		h.Overdue = due
	}
	appeals, _, err := e.store.Page(ctx, Scan{Table: TableAppeals, Index: 1, Below: now.UnixMicro() + 1, Limit: 1000})
	if err != nil {
		return h, err
	}
	h.AppealsOverdue = len(appeals.Rows)
	scan := Scan{Table: TableJobs, Column: "state", Only: []any{jobRunning, jobPaused}, Limit: 1000}
	for {
		rows, next, err := e.store.Page(ctx, scan)
		if err != nil {
			return h, err
		}
		for _, row := range rows.Rows {
			if intOf(row.Values[1]) != 0 {
				continue
			}
			j, err := e.loadJob(ctx, textOf(row.Values[0]))
			if err != nil {
				return h, err
			}
			h.Jobs = append(h.Jobs, j.health())
		}
		if next == nil {
			return h, nil
		}
		scan.After = next
	}
}

func (j *job) health() JobHealth {
	h := JobHealth{Name: j.name, State: j.head.state, Done: j.counts()[doneCount], Parts: len(j.parts)}
	for _, p := range j.parts {
		if p.state == jobDone {
			continue
		}
		h.Left++
		if p.owner != "" {
			h.Taken++
		}
	}
	return h
}
