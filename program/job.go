package program

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/gelombang/gelombang/program/ledger"
)

// Counts are what a job did, by kind: "ineligible", "rule.adult".
type Counts map[string]int64

// Progress tells how far a job is.
type Progress struct {
	Job string
	// Done is how many items the job has dealt with since it was first started.
	Done int64
	// Finished says that nothing is left.
	Finished bool
}

// ErrPaused says that an operator has paused the job.
var ErrPaused = errors.New("program: the job is paused")

// JobStatus reads what a job has done so far. The error is ErrNotFound if it
// was never started.
func (e *Engine[T]) JobStatus(ctx context.Context, job string) (counts Counts, finished bool, err error) {
	r := &jobRun{store: e.store, name: job}
	if err := r.load(ctx); err != nil {
		return nil, false, err
	}
	if r.version == 0 {
		return nil, false, fmt.Errorf("job %s: %w", job, ErrNotFound)
	}
	return r.counts, r.state == jobDone, nil
}

// PauseJob stops a running job, in whatever process it runs, before its next
// chunk.
func (e *Engine[T]) PauseJob(ctx context.Context, by By, job string) error {
	return e.setJob(ctx, by, job, jobRunning, jobPaused)
}

// ResumeJob lets a paused job be run again.
func (e *Engine[T]) ResumeJob(ctx context.Context, by By, job string) error {
	return e.setJob(ctx, by, job, jobPaused, jobRunning)
}

func (e *Engine[T]) setJob(ctx context.Context, by By, job, from, to string) error {
	cmd := command{by, "job." + to, job}
	for {
		if done, err := e.answered(ctx, cmd); done || err != nil {
			return err
		}
		r := &jobRun{store: e.store, name: job}
		if err := r.load(ctx); err != nil {
			return err
		}
		if r.version == 0 {
			return fmt.Errorf("job %s: %w", job, ErrNotFound)
		}
		if r.state != from {
			return &StateError{What: "job " + job, State: r.state, Event: to}
		}
		r.state = to
		row, err := r.row(r.cursor, r.counts)
		if err != nil {
			return err
		}
		_, err = e.carryOut(ctx, cmd, Change{Rows: []Row{row}}, "job."+to, map[string]string{"job": job})
		var stale *StaleError
		if !errors.As(err, &stale) {
			return err
		}
	}
}

const (
	jobRunning = "running"
	jobPaused  = "paused"
	jobDone    = "done"
)

// doneCount is the count of all items, whatever became of them.
const doneCount = "done"

// ask is what a job's work is asked for: the next chunk after a cursor.
type ask struct {
	after Cursor
	limit int
	// refused, if not nil, says why the next item could not be carried out by
	// itself: it must be passed over and counted.
	refused error
	// first says that what was prepared before this may not have been written.
	first bool
}

// chunk is what one transaction of a job writes.
type chunk struct {
	expect []Expected
	rows   []Row
	posts  []ledger.Posting // their ids are given by the job
	kind   string           // of the journal entry; empty for none
	data   any
	counts Counts
	next   Cursor
	last   bool
}

// jobRun carries out a job: chunk after chunk, each with the job's own row, so
// that a chunk is written once, whoever works on the job and whatever dies.
type jobRun struct {
	store   Store
	name    string
	state   string
	cursor  Cursor
	counts  Counts
	mark    []byte
	version int64
}

// runJob runs a job to its end. While one chunk is being written the next is
// prepared. It may be called again, by any process, and continues where the
// last committed chunk ended; once finished it only returns the counts. A name
// belongs to one operation and its arguments: for others it is a
// *KeyConflictError.
func (e *Engine[T]) runJob(ctx context.Context, by By, name, op string, args any, work func(context.Context, ask) (chunk, error)) (Counts, error) {
	if by.Actor == "" {
		return nil, &FieldError{"By.Actor", "is missing"}
	}
	mark, err := e.fingerprint(command{by, op, args})
	if err != nil {
		return nil, err
	}
	r := &jobRun{store: e.store, name: name}
	next := ask{limit: e.chunk}
	seen := int64(-1)
	for attempts := 0; ; attempts++ {
		if err := r.load(ctx); err != nil {
			return nil, err
		}
		if r.version != seen { // somebody got on with the job
			attempts, seen = 0, r.version
		}
		if r.version > 0 && !bytes.Equal(r.mark, mark) {
			return nil, &KeyConflictError{Key: name}
		}
		r.mark = mark
		if r.state == jobDone {
			return r.counts, nil
		}
		if r.state == jobPaused {
			return r.counts, fmt.Errorf("job %s: %w", name, ErrPaused)
		}
		next.after, next.first = r.cursor, true
		refusal, err := e.runChunks(ctx, by, r, next, work)
		if err != nil {
			return r.counts, fmt.Errorf("job %s: %w", name, err)
		}
		if r.version > seen {
			attempts, seen = 0, r.version
		}
		next = nextAsk(next, refusal, e.chunk, attempts)
		if attempts > 64 {
			return r.counts, fmt.Errorf("job %s: no progress: %w", name, refusal)
		}
	}
}

// nextAsk halves the chunk until the item that is refused stands alone. A stale
// row is first read again; if that does not help it is such an item too.
func nextAsk(last ask, refusal error, full, attempts int) ask {
	var stale *StaleError
	switch {
	case refusal == nil:
		return ask{limit: full}
	case errors.As(refusal, &stale) && attempts < 3:
		return ask{limit: last.limit}
	case last.limit == 1 && last.refused == nil:
		return ask{limit: 1, refused: refusal}
	case last.refused != nil:
		return ask{limit: 1}
	}
	return ask{limit: max(1, last.limit/2)}
}

type prepared struct {
	chunk
	err error
}

// runChunks prepares and applies chunks until the job is done or a chunk is
// refused.
func (e *Engine[T]) runChunks(ctx context.Context, by By, r *jobRun, first ask, work func(context.Context, ask) (chunk, error)) (refusal, err error) {
	ctx, stop := context.WithCancel(ctx)
	ready := make(chan prepared)
	go prepare(ctx, first, work, ready)
	defer func() {
		stop()
		for range ready { // wait until the goroutine has ended
		}
	}()
	applied := 0
	for p := range ready {
		if p.err != nil {
			return nil, p.err
		}
		if refusal, err = e.applyChunk(ctx, by, r, p.chunk); refusal != nil || err != nil || p.last {
			return refusal, err
		}
		applied++
		if first.limit < e.chunk && applied == 4 {
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

func (e *Engine[T]) applyChunk(ctx context.Context, by By, r *jobRun, c chunk) (refusal, err error) {
	counts := Counts{}
	for _, m := range []Counts{r.counts, c.counts} {
		for k, n := range m {
			counts[k] += n
		}
	}
	state := r.state
	if c.last {
		r.state = jobDone
	}
	row, err := r.row(c.next, counts)
	r.state = state
	if err != nil {
		return nil, err
	}
	at := e.clock().UTC()
	change := Change{At: at, Expect: c.expect, Rows: append(c.rows, row), Postings: c.posts}
	for i := range change.Postings {
		if change.Postings[i].ID != "" {
			continue // it derives from what it is about
		}
		change.Postings[i].ID = r.name + "/" + strconv.FormatInt(r.version, 10) + "/" + strconv.Itoa(i)
	}
	if c.kind != "" {
		data, err := json.Marshal(c.data)
		if err != nil {
			return nil, err
		}
		change.Entry = &Entry{At: at, Actor: by.Actor, Kind: c.kind, Data: data}
	}
	outcomes, err := e.store.Apply(ctx, []Change{change})
	if err != nil {
		return nil, err
	}
	if outcomes[0].Refusal != nil {
		return outcomes[0].Refusal, nil
	}
	r.version, r.cursor, r.counts = r.version+1, c.next, counts
	if c.last {
		r.state = jobDone
	}
	e.log.DebugContext(ctx, "job", "job", r.name, "done", counts[doneCount], "finished", c.last)
	if e.watch != nil {
		e.watch(Progress{Job: r.name, Done: counts[doneCount], Finished: c.last})
	}
	return nil, nil
}

func (r *jobRun) load(ctx context.Context) error {
	rows, err := r.store.Load(ctx, Query{Keys: []Key{{TableJobs, []any{r.name, int64(0)}}}})
	if err != nil {
		return err
	}
	if len(rows.Rows) == 0 {
		r.state, r.cursor, r.counts, r.version = jobRunning, nil, Counts{}, 0
		return nil
	}
	v := rows.Rows[0].Values
	r.state, r.version, r.counts, r.mark = textOf(v[2]), rows.Rows[0].Version, Counts{}, bytesOf(v[5])
	if r.cursor, err = decodeCursor(bytesOf(v[3])); err != nil {
		return err
	}
	return json.Unmarshal(bytesOf(v[4]), &r.counts)
}

func (r *jobRun) row(cursor Cursor, counts Counts) (Row, error) {
	data, err := json.Marshal(counts)
	if err != nil {
		return Row{}, err
	}
	place, err := encodeCursor(cursor)
	if err != nil {
		return Row{}, err
	}
	return Row{Table: TableJobs, Version: r.version, Values: []any{r.name, int64(0), r.state, bytesValue(place), data, r.mark}}, nil
}

// encodeCursor writes a cursor as JSON texts that begin with their kind.
func encodeCursor(c Cursor) ([]byte, error) {
	if c == nil {
		return nil, nil
	}
	texts := make([]string, len(c))
	for i, v := range c {
		switch x := v.(type) {
		case int64:
			texts[i] = "i" + strconv.FormatInt(x, 10)
		case string:
			texts[i] = "s" + x
		case []byte:
			texts[i] = "b" + base64.StdEncoding.EncodeToString(x)
		default:
			return nil, fmt.Errorf("program: a cursor holds a %T", v)
		}
	}
	return json.Marshal(texts)
}

func decodeCursor(data []byte) (Cursor, error) {
	if data == nil {
		return nil, nil
	}
	fault := errors.New("program: a stored cursor cannot be read")
	var texts []string
	if json.Unmarshal(data, &texts) != nil {
		return nil, fault
	}
	c := make(Cursor, len(texts))
	for i, t := range texts {
		if t == "" {
			return nil, fault
		}
		var err error
		switch t[0] {
		case 'i':
			c[i], err = strconv.ParseInt(t[1:], 10, 64)
		case 'b':
			c[i], err = base64.StdEncoding.DecodeString(t[1:])
		default:
			c[i] = t[1:]
		}
		if err != nil {
			return nil, fault
		}
	}
	return c, nil
}
