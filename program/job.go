package program

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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

// ErrStopped says that an operator has stopped the job for good.
var ErrStopped = errors.New("program: the job was stopped")

// JobStatus reads what a job has done so far, in whatever processes. The error is
// ErrNotFound if it was never started.
func (e *Engine[T]) JobStatus(ctx context.Context, job string) (counts Counts, finished bool, err error) {
	j, err := e.loadJob(ctx, job)
	if err != nil {
		return nil, false, err
	}
	if j.head.version == 0 {
		return nil, false, fmt.Errorf("job %s: %w", job, ErrNotFound)
	}
	return j.counts(), j.head.state == jobDone, nil
}

// PauseJob pauses a running job. When it returns, no process writes another chunk of
// the job, until ResumeJob.
func (e *Engine[T]) PauseJob(ctx context.Context, by By, job string) error {
	return e.setJob(ctx, by, job, jobPaused, jobRunning)
}

// ResumeJob lets a paused job be run again.
func (e *Engine[T]) ResumeJob(ctx context.Context, by By, job string) error {
	return e.setJob(ctx, by, job, jobRunning, jobPaused)
}

// StopJob ends a running or paused job for good: what it has done stays, the rest is
// left. When it returns, no process writes another chunk of the job.
func (e *Engine[T]) StopJob(ctx context.Context, by By, job string) error {
	return e.setJob(ctx, by, job, jobStopped, jobRunning, jobPaused)
}

func (e *Engine[T]) setJob(ctx context.Context, by By, job, to string, from ...string) error {
	cmd := command{by, "job." + to, job}
	for {
		if done, err := e.answered(ctx, cmd); done || err != nil {
			return err
		}
		j, err := e.loadJob(ctx, job)
		if err != nil {
			return err
		}
		if j.head.version == 0 {
			return fmt.Errorf("job %s: %w", job, ErrNotFound)
		}
		if !slices.Contains(from, j.head.state) {
			return &StateError{What: "job " + job, State: j.head.state, Event: to}
		}
		j.head.state = to
		row, err := j.head.row(job)
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
	jobStopped = "stopped"
	jobDone    = "done"
)

// doneCount is the count of all items, whatever became of them.
const doneCount = "done"

// ask is what a job's work is asked for: the next chunk after a cursor.
type ask struct {
	after Cursor
	until Cursor // the last place of the part; nil for one without an end
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

// runJob runs a job whose chunks follow one another, to its end. While one chunk is
// being written the next is prepared. It may be called again, by any process, and
// continues where the last committed chunk ended; once finished it only returns the
// counts. A name belongs to one operation and its arguments: for others it is a
// *KeyConflictError.
func (e *Engine[T]) runJob(ctx context.Context, by By, name, op string, args any, work func(context.Context, ask) (chunk, error)) (Counts, error) {
	return e.runParts(ctx, by, name, op, args, nil, work)
}

// runParts is runJob for a job whose items are independent: those of a scan, which is
// cut into parts that several processes work on, each on its own.
func (e *Engine[T]) runParts(ctx context.Context, by By, name, op string, args any, over *Scan, work func(context.Context, ask) (chunk, error)) (Counts, error) {
	if by.Actor == "" {
		return nil, &FieldError{"By.Actor", "is missing"}
	}
	mark, err := e.fingerprint(command{by, op, args})
	if err != nil {
		return nil, err
	}
	r := &jobRun[T]{engine: e, by: by, work: work}
	for {
		if r.job, err = e.loadJob(ctx, name); err != nil {
			return nil, err
		}
		switch head := &r.job.head; {
		case head.version == 0:
			err = r.plan(ctx, mark, over)
		case !bytes.Equal(head.mark, mark):
			return nil, &KeyConflictError{Key: name}
		case head.state == jobDone:
			return r.job.counts(), nil
		case head.state == jobPaused:
			return r.job.counts(), fmt.Errorf("job %s: %w", name, ErrPaused)
		case head.state == jobStopped:
			return r.job.counts(), fmt.Errorf("job %s: %w", name, ErrStopped)
		default:
			err = r.step(ctx)
		}
		if err != nil {
			return r.job.counts(), fmt.Errorf("job %s: %w", name, err)
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
