package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gelombang/gelombang/program"
)

// jobs runs what takes long, in the background. What runs is written down first: a job that
// a process did not finish goes on when the next one starts, after the last chunk. Processes that share a
// database share the work of each job, and take over the part of one that died.
type jobs struct {
	p      *portal
	ctx    context.Context
	cancel context.CancelFunc
	all    sync.WaitGroup
	mu     sync.Mutex
	done   map[string]int64
	mine   map[string]bool // what this process works on
}

func newJobs(p *portal) *jobs {
	ctx, cancel := context.WithCancel(context.Background())
	return &jobs{p: p, ctx: ctx, cancel: cancel, done: map[string]int64{}, mine: map[string]bool{}}
}

// stop ends what runs, at the next chunk.
func (j *jobs) stop() {
	j.mu.Lock()
	j.cancel() // nothing is begun after this
	j.mu.Unlock()
	j.all.Wait()
}

// progress hears from the engine.
func (j *jobs) progress(p program.Progress) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.done[p.Job] = p.Done
}

// jobArgs is what a job needs to go on.
type jobArgs struct {
	Wave  int64               `json:"wave,omitempty"`
	Order *program.BatchOrder `json:"order,omitempty"`
	File  string              `json:"file,omitempty"`
	Batch int64               `json:"batch,omitempty"`
}

// start writes a job down and begins it. A job of the same name that was started before goes on.
func (j *jobs) start(ctx context.Context, name, kind, actor string, args jobArgs) error {
	text, err := json.Marshal(args)
	if err != nil {
		return err
	}
	a := j.p.accounts
	if _, err := a.exec(ctx, `INSERT INTO portal_jobs (name, kind, args, actor, started, ended, fault) VALUES (?,?,?,?,?,0,'')
		ON CONFLICT (name) DO UPDATE SET ended = 0, fault = ''`, name, kind, string(text), actor, a.clock().Unix()); err != nil {
		return err
	}
	j.run(name, kind, actor, args)
	return nil
}

// run works on a job, unless this process does already, or is ending.
func (j *jobs) run(name, kind, actor string, args jobArgs) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.mine[name] || j.ctx.Err() != nil {
		return
	}
	j.mine[name] = true
	j.all.Go(func() {
		defer func() {
			j.mu.Lock()
			defer j.mu.Unlock()
			delete(j.mine, name)
		}()
		err := j.work(j.ctx, name, kind, program.By{Actor: actor}, args)
		if j.ctx.Err() != nil {
			return // the next process goes on
		}
		fault := ""
		if err != nil {
			fault = jobFault(err)
			j.p.logger.Error("job", "job", name, "error", err.Error())
		}
		a := j.p.accounts
		if _, err := a.exec(context.WithoutCancel(j.ctx), `UPDATE portal_jobs SET ended = ?, fault = ? WHERE name = ?`, a.clock().Unix(), fault, name); err != nil {
			j.p.logger.Error("job", "job", name, "error", err.Error())
		}
	})
}

// jobFault is the key of the text that says why a job ended.
func jobFault(err error) string {
	switch {
	case errors.Is(err, program.ErrPaused), errors.Is(err, program.ErrStopped):
		return "job.fault.stopped"
	}
	if key := paymentFault(err); key != "" {
		return key
	}
	return "job.fault.other"
}

func (j *jobs) work(ctx context.Context, name, kind string, by program.By, args jobArgs) error {
	e := j.p.engine
	var err error
	switch kind {
	case "screen":
		if _, err = e.CheckAll(ctx, by, name, args.Wave, joined); err == nil {
			_, err = e.CheckAll(ctx, by, name+" pending", args.Wave, pending)
		}
	case "leave-out":
		_, err = e.FireAll(ctx, by, name, program.FireOrder[Jobseeker]{Wave: args.Wave, States: []program.State{pending}, Sealed: true,
			Report: func(*program.Case[Jobseeker]) (program.Report, bool) { return program.Report{Event: leaveOut}, true }})
	case "announce":
		_, err = e.Announce(ctx, by, name, args.Wave)
	case "tick":
		_, err = e.Tick(ctx, by, name, args.Wave)
	case "prepare":
		_, err = e.PrepareBatch(ctx, by, *args.Order)
	case "reconcile":
		err = j.p.reconcile(ctx, by, name, args.File)
	case jobReferAlike:
		err = j.p.referAlike(ctx, by)
	default:
		err = fmt.Errorf("unknown job %s", kind)
	}
	return err
}

// resume goes on with what was not finished: what was begun before this process started, and, called again
// and again, what another process began.
func (j *jobs) resume(ctx context.Context) error {
	all, err := j.list(ctx, true)
	if err != nil {
		return err
	}
	for _, one := range all {
		j.run(one.Name, one.Kind, one.Actor, one.Args)
	}
	return nil
}

// jobView is a job as officers see it.
type jobView struct {
	Name, Kind, Actor, Fault string
	Args                     jobArgs
	Started                  time.Time
	Running                  bool
	Done                     int64
	Counts                   program.Counts
}

func (j *jobs) list(ctx context.Context, running bool) ([]jobView, error) {
	a := j.p.accounts
	rows, err := a.db.QueryContext(ctx, a.q(`SELECT name, kind, args, actor, started, ended, fault FROM portal_jobs WHERE ended = 0 OR ? = 0 ORDER BY started DESC, name LIMIT 100`), boolInt(running))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []jobView
	for rows.Next() {
		var v jobView
		var args string
		var started, ended int64
		if err := rows.Scan(&v.Name, &v.Kind, &args, &v.Actor, &started, &ended, &v.Fault); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(args), &v.Args); err != nil {
			return nil, err
		}
		v.Started, v.Running = time.Unix(started, 0), ended == 0
		all = append(all, v)
	}
	return all, rows.Err()
}

// known fills in how far the jobs are.
func (j *jobs) known(ctx context.Context, all []jobView) error {
	for i := range all {
		name := all[i].Name
		if all[i].Kind == "prepare" {
			name = fmt.Sprintf("batch/%d/prepare", all[i].Args.Order.Number)
		}
		counts, _, err := j.p.engine.JobStatus(ctx, name)
		if err != nil && !errors.Is(err, program.ErrNotFound) {
			return err
		}
		all[i].Counts, all[i].Done = counts, counts["done"]
	}
	return nil
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
