package program

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"
)

// This file lets any number of processes work on one job. A job is cut into parts once,
// when it starts. A process takes a part, works on it chunk by chunk, and takes the
// next. Each chunk writes the part's own row in the same transaction, so it is written
// once, whoever works on the part and whatever dies; and each chunk expects the row of
// the whole job as it was, so that a pause holds from the moment it is given.
//
// There is no leader and no clock is compared. A process that finds all parts taken
// watches them: one whose row nobody has written for the length of a lease belongs to a
// process that died, and is taken over. If that one was only slow, its next chunk is
// refused and it looks for another part.

// chunksOfPart is how many chunks a part has.
const chunksOfPart = 8

// job is a job as it is stored.
type job struct {
	name  string
	head  part
	parts []part
}

// part is a row of a job: the whole of it (number 0), or what one process works on.
type part struct {
	number        int64
	state, owner  string
	cursor, until Cursor
	counts        Counts
	mark          []byte
	version       int64
}

// counts adds up what all parts did.
func (j *job) counts() Counts {
	all := Counts{}
	for i := range j.parts {
		for k, n := range j.parts[i].counts {
			all[k] += n
		}
	}
	return all
}

func (e *Engine[T]) loadJob(ctx context.Context, name string) (job, error) {
	j := job{name: name, head: part{state: jobRunning, counts: Counts{}}}
	scan := Scan{Table: TableJobs, Equal: []any{name}, Limit: 1000}
	for {
		rows, next, err := e.store.Page(ctx, scan)
		if err != nil {
			return j, err
		}
		for _, row := range rows.Rows {
			p, err := partOf(row)
			if err != nil {
				return j, err
			}
			if p.number == 0 {
				j.head = p
			} else {
				j.parts = append(j.parts, p)
			}
		}
		if next == nil {
			return j, nil
		}
		scan.After = next
	}
}

func partOf(row Row) (part, error) {
	v := row.Values
	p := part{number: intOf(v[1]), state: textOf(v[2]), owner: textOf(v[3]), counts: Counts{}, mark: bytesOf(v[7]), version: row.Version}
	var err, err2 error
	p.cursor, err = decodeCursor(bytesOf(v[4]))
	p.until, err2 = decodeCursor(bytesOf(v[5]))
	return p, errors.Join(err, err2, json.Unmarshal(bytesOf(v[6]), &p.counts))
}

func (p *part) row(job string) (Row, error) {
	counts, err := json.Marshal(p.counts)
	if err != nil {
		return Row{}, err
	}
	cursor, err := encodeCursor(p.cursor)
	if err != nil {
		return Row{}, err
	}
	until, err := encodeCursor(p.until)
	return Row{Table: TableJobs, Version: p.version, Values: []any{job, p.number, p.state, textValue(p.owner), bytesValue(cursor), bytesValue(until), counts, p.mark}}, err
}

// workers are the parts that this process works on, and its name.
type workers struct {
	name  string
	lease time.Duration

	mu   sync.Mutex
	busy map[string]bool
}

// take reserves a part within the process.
func (w *workers) take(key string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy[key] {
		return false
	}
	if w.busy == nil {
		w.busy = map[string]bool{}
	}
	w.busy[key] = true
	return true
}

func (w *workers) leave(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.busy, key)
}

// jobRun is one call's work on a job.
type jobRun[T any] struct {
	engine *Engine[T]
	by     By
	work   func(context.Context, ask) (chunk, error)
	job    job
	// watched is how often a part that another process has was seen unchanged.
	watched map[int64]sighting
	// lost is how often a part was taken over from this run: each time it waits twice as
	// long before it takes one over, so that two slow processes do not take turns for ever.
	lost int
}

type sighting struct {
	version int64
	times   int
}

// plan writes the job and its parts. Somebody else may be first.
func (r *jobRun[T]) plan(ctx context.Context, mark []byte, over *Scan) error {
	ends, err := r.engine.cut(ctx, over)
	if err != nil {
		return err
	}
	parts := []part{{state: jobRunning, mark: mark}}
	var from Cursor
	for _, until := range ends {
		parts = append(parts, part{number: int64(len(parts)), state: jobRunning, cursor: from, until: until, mark: mark})
		from = until
	}
	rows := make([]Row, len(parts))
	for i := range parts {
		parts[i].counts = Counts{}
		if rows[i], err = parts[i].row(r.job.name); err != nil {
			return err
		}
	}
	return r.write(ctx, Change{Rows: rows})
}

// cut returns the last places of a scan's parts; the last has none.
func (e *Engine[T]) cut(ctx context.Context, over *Scan) ([]Cursor, error) {
	if over == nil {
		return []Cursor{nil}, nil
	}
	var ends []Cursor
	scan := *over
	scan.Skip, scan.Limit = chunksOfPart*e.chunk-1, 1
	for {
		_, next, err := e.store.Page(ctx, scan)
		if err != nil {
			return nil, err
		}
		ends = append(ends, next)
		if next == nil {
			return ends, nil
		}
		scan.After = next
	}
}

// write applies a change of the job's rows. That somebody else was first is no error.
func (r *jobRun[T]) write(ctx context.Context, c Change) error {
	c.At = r.engine.clock().UTC()
	outcomes, err := r.engine.store.Apply(ctx, []Change{c})
	if err != nil {
		return err
	}
	var stale *StaleError
	if errors.As(outcomes[0].Refusal, &stale) {
		return nil
	}
	return outcomes[0].Refusal
}

// expectHead holds the job as a whole: it was neither paused nor stopped.
func (r *jobRun[T]) expectHead() Expected {
	return Expected{Key: Key{TableJobs, []any{r.job.name, int64(0)}}, Version: r.job.head.version}
}

// step works on one part, or waits, or finishes the job.
func (r *jobRun[T]) step(ctx context.Context) error {
	left := false
	for i := range r.job.parts {
		p := &r.job.parts[i]
		if p.state == jobDone {
			continue
		}
		left = true
		if !r.free(p) {
			continue
		}
		key := r.job.name + "/" + strconv.FormatInt(p.number, 10)
		if !r.engine.workers.take(key) {
			continue
		}
		defer r.engine.workers.leave(key)
		return r.take(ctx, p)
	}
	if left {
		return r.wait(ctx)
	}
	return r.finish(ctx)
}

// free reports whether nobody else works on a part.
func (r *jobRun[T]) free(p *part) bool {
	if p.owner == "" || p.owner == r.engine.workers.name {
		return true
	}
	seen := r.watched[p.number]
	return seen.version == p.version && seen.times > watches<<r.lost
}

// watches is how often a part is looked at during a lease.
const watches = 50

// wait waits a moment, and watches whether those who have the other parts write.
func (r *jobRun[T]) wait(ctx context.Context) error {
	timer := time.NewTimer(r.engine.workers.lease / watches)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	}
	if r.watched == nil {
		r.watched = map[int64]sighting{}
	}
	for _, p := range r.job.parts {
		seen := r.watched[p.number]
		if seen.version != p.version {
			seen = sighting{version: p.version}
		}
		seen.times++
		r.watched[p.number] = seen
	}
	return nil
}

// finish ends the job: all parts are done.
func (r *jobRun[T]) finish(ctx context.Context) error {
	head := r.job.head
	head.state = jobDone
	row, err := head.row(r.job.name)
	if err != nil {
		return err
	}
	if err := r.write(ctx, Change{Rows: []Row{row}}); err != nil {
		return err
	}
	r.progress(r.job.counts()[doneCount], true)
	return nil
}

func (r *jobRun[T]) progress(done int64, finished bool) {
	if r.engine.watch != nil {
		r.engine.watch(Progress{Job: r.job.name, Done: done, Finished: finished})
	}
}

// take makes a part this process's own and works on it, to its end or until another
// has it. Who is told to stop leaves the part to the others at once.
func (r *jobRun[T]) take(ctx context.Context, p *part) error {
	number := p.number
	if p.owner != r.engine.workers.name {
		if err := r.own(ctx, *p, r.engine.workers.name); err != nil {
			return err
		}
		var err error
		if p, err = r.again(ctx, number); p == nil || err != nil {
			return err
		}
	}
	next := ask{limit: r.engine.chunk}
	seen := p.version
	for attempts := 0; ; attempts++ {
		next.after, next.until, next.first = p.cursor, p.until, true
		refusal, err := r.chunks(ctx, p, next)
		if ctx.Err() != nil && p.state == jobRunning {
			return errors.Join(err, r.own(context.WithoutCancel(ctx), *p, ""))
		}
		if err != nil || p.state == jobDone {
			return err
		}
		if p, err = r.again(ctx, number); p == nil || err != nil {
			return err
		}
		if p.version > seen { // the part got on
			attempts, seen = 0, p.version
		}
		next = nextAsk(next, refusal, r.engine.chunk, attempts)
		if attempts > 64 {
			return fmt.Errorf("no progress: %w", refusal)
		}
	}
}

// own writes who has a part, if nobody has written it since.
func (r *jobRun[T]) own(ctx context.Context, p part, owner string) error {
	p.owner = owner
	row, err := p.row(r.job.name)
	if err != nil {
		return err
	}
	return r.write(ctx, Change{Expect: []Expected{r.expectHead()}, Rows: []Row{row}})
}

// again reads the job again, and returns the part, or nil if it is no longer this
// process's to work on.
func (r *jobRun[T]) again(ctx context.Context, number int64) (*part, error) {
	j, err := r.engine.loadJob(ctx, r.job.name)
	if err != nil {
		return nil, err
	}
	r.job = j
	i := slices.IndexFunc(j.parts, func(q part) bool { return q.number == number })
	if i < 0 {
		return nil, nil
	}
	p := &r.job.parts[i]
	if j.head.state != jobRunning || p.state != jobRunning {
		return nil, nil
	}
	if p.owner != r.engine.workers.name {
		r.lost = min(r.lost+1, 10)
		return nil, nil
	}
	return p, nil
}

type prepared struct {
	chunk
	err error
}

// chunks prepares and applies chunks until the part is done or a chunk is refused.
func (r *jobRun[T]) chunks(ctx context.Context, p *part, first ask) (refusal, err error) {
	ctx, stop := context.WithCancel(ctx)
	ready := make(chan prepared)
	go prepare(ctx, first, r.work, ready)
	defer func() {
		stop()
		for range ready { // wait until the goroutine has ended
		}
	}()
	applied := 0
	for c := range ready {
		if c.err != nil {
			return nil, c.err
		}
		if refusal, err = r.apply(ctx, p, c.chunk); refusal != nil || err != nil || c.last {
			return refusal, err
		}
		applied++
		if first.limit < r.engine.chunk && applied == 4 {
			return nil, nil // the refused item is behind: back to full chunks
		}
	}
	return nil, ctx.Err()
}

func prepare(ctx context.Context, next ask, work func(context.Context, ask) (chunk, error), ready chan<- prepared) {
	defer close(ready)
	for {
		c, err := work(ctx, next)
		select {
		case ready <- prepared{c, err}:
		case <-ctx.Done():
			return
		}
		if err != nil || c.last {
			return
		}
		next.after, next.refused, next.first = c.next, nil, false
	}
}

// apply writes one chunk of a part.
func (r *jobRun[T]) apply(ctx context.Context, p *part, c chunk) (refusal, err error) {
	next := *p
	next.cursor, next.counts = c.next, Counts{}
	for _, m := range []Counts{p.counts, c.counts} {
		for k, n := range m {
			next.counts[k] += n
		}
	}
	if c.last {
		next.state = jobDone
	}
	row, err := next.row(r.job.name)
	if err != nil {
		return nil, err
	}
	at := r.engine.clock().UTC()
	change := Change{At: at, Expect: append(c.expect, r.expectHead()), Rows: append(c.rows, row), Postings: c.posts}
	for i := range change.Postings {
		if change.Postings[i].ID != "" {
			continue // it derives from what it is about
		}
		change.Postings[i].ID = fmt.Sprintf("%s/%d/%d/%d", r.job.name, p.number, p.version, i)
	}
	if c.kind != "" {
		data, err := json.Marshal(c.data)
		if err != nil {
			return nil, err
		}
		change.Entry = &Entry{At: at, Actor: r.by.Actor, Kind: c.kind, Data: data}
	}
	within, end := r.engine.observe.Begin(ctx, "job.chunk", slog.String("job", r.job.name), slog.Int64("items", c.counts[doneCount]))
	outcomes, err := r.engine.store.Apply(within, []Change{change})
	end(err)
	if err != nil {
		return nil, err
	}
	if outcomes[0].Refusal != nil {
		return outcomes[0].Refusal, nil
	}
	next.version++
	*p = next
	done := r.job.counts()[doneCount]
	r.engine.log.DebugContext(ctx, "job", "job", r.job.name, "part", p.number, "done", done)
	r.progress(done, false)
	return nil, nil
}
