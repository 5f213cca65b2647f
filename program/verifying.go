package program

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/google/uuid"
)

// VerifyOrder says whom to ask a verifier about.
type VerifyOrder struct {
	// Wave and States name the cases whose applicants are asked about. Wave 0 means
	// everybody who is registered, whether or not in a wave.
	Wave   int64
	States []State
	Caller *Caller
}

// AskVerifier asks a verifier about applicants, as a job, and keeps what it says as
// evidence with its source and time. There is no queue that could be lost: who has to be
// asked follows from the evidence. Whoever has a fresh answer is passed over; an
// answer that was to come later is collected; the rest is asked, in batches. A question that gets no
// answer leaves the evidence as it is, or unknown where there is none.
//
// When the verifier is down the error is a *DownError and the job stays where it is: what
// was answered is kept, and the same job goes on when it is called again. Meanwhile
// people join; their evidence is unknown, and no check passes them.
//
// Each call is entered into the register before it is made (Costs, Called). The counts
// are "fresh", "answered", "awaited", "unanswered", and "stray" for answers to what was
// not asked.
func (e *Engine[T]) AskVerifier(ctx context.Context, by By, job string, order VerifyOrder) (Counts, error) {
	if order.Caller == nil {
		return nil, &FieldError{"VerifyOrder.Caller", "is missing"}
	}
	scan := Scan{Table: TableApplicants, Column: "state", Only: []any{string(Registered)}}
	over := &Scan{Table: TableApplicants}
	if order.Wave != 0 {
		over = everyCase(order.Wave)
		scan = Scan{Table: TableApplications, Equal: over.Equal, Column: "state"}
		for _, s := range order.States {
			scan.Only = append(scan.Only, string(s))
		}
	}
	args := []any{order.Wave, order.States, order.Caller.terms.Source}
	return e.runParts(ctx, by, job, "ask", args, over, func(ctx context.Context, ask ask) (chunk, error) {
		page := scan
		page.After, page.Through, page.Limit = ask.after, ask.until, ask.limit
		// What a chunk was told is lost with it: it is a few calls.
		page.Limit = min(page.Limit, 8*order.Caller.terms.Batch)
		rows, next, err := e.store.Page(ctx, page)
		if err != nil {
			return chunk{}, err
		}
		ids := make([]uuid.UUID, len(rows.Rows))
		for i, row := range rows.Rows {
			ids[i] = idOf(row.Values[0])
			if order.Wave != 0 {
				ids[i] = idOf(row.Values[1])
			}
		}
		people, err := e.people(ctx, ids)
		if err != nil {
			return chunk{}, err
		}
		out := chunk{next: next, last: next == nil, counts: Counts{}}
		if ask.refused != nil { // this one cannot be written now
			out.counts["refused.stale"], out.counts[doneCount] = int64(len(ids)), int64(len(ids))
			return out, nil
		}
		done, err := e.askPage(ctx, by, order.Caller, ids, people, &out)
		if done == 0 && len(ids) > 0 {
			return chunk{}, err
		}
		if err != nil { // what was answered is kept, and the next chunk fails
			out.last = false
			out.next = rows.Rows[done-1].Values[:len(over.Equal)+1]
		}
		out.counts[doneCount] = int64(done)
		return out, nil
	})
}

// AskVerifierAbout asks a verifier about one applicant now, as a command: for somebody
// who waits. It returns "fresh", "answered", "awaited" or "unanswered".
func (e *Engine[T]) AskVerifierAbout(ctx context.Context, by By, applicant uuid.UUID, c *Caller) (string, error) {
	cmd := command{by, "ask-one", []any{applicant, c.terms.Source}}
	var first string
	if done, err := e.firstAnswer(ctx, cmd, &first); err != nil || done {
		return first, err
	}
	people, err := e.people(ctx, []uuid.UUID{applicant})
	if err != nil {
		return "", err
	}
	if a := people[applicant]; a == nil || a.aead == nil {
		return "", fmt.Errorf("applicant %s: %w", applicant, ErrNotFound)
	}
	var out chunk
	out.counts = Counts{}
	// The key is of the evidence that is kept, not of the call.
	if _, err := e.askPage(ctx, By{Actor: by.Actor, OnBehalf: by.OnBehalf}, c, []uuid.UUID{applicant}, people, &out); err != nil {
		return "", err
	}
	said := ""
	for _, s := range []string{"fresh", "answered", "awaited", "unanswered"} {
		if out.counts[s] > 0 {
			said = s
			break
		}
	}
	if len(out.rows) == 0 {
		return said, nil
	}
	answer, err := json.Marshal(said)
	if err != nil {
		return "", err
	}
	_, err = e.carryOut(ctx, cmd, Change{Home: applicant, Rows: out.rows, Answer: answer}, "observed", out.data)
	return said, err
}

// askPage asks about a page of applicants and gathers what is written. Those up to done
// are dealt with.
func (e *Engine[T]) askPage(ctx context.Context, by By, c *Caller, ids []uuid.UUID, people map[uuid.UUID]*Applicant[T], out *chunk) (done int, err error) {
	now := e.clock().UTC()
	var written []string
	defer func() {
		if len(written) > 0 {
			out.kind, out.data = "observed", map[string]any{"source": c.terms.Source, "applicants": written}
		}
	}()
	for done < len(ids) {
		end, items, collect := e.nextItems(c, ids[done:], people, now)
		n := len(items)
		if n > 0 {
			var stray int
			n, stray, err = c.exchange(ctx, items, e.register(ctx, by, c, collect), func(ctx context.Context, some []item) ([]VerifierAnswer, error) {
				return c.call(ctx, some, collect)
			})
			if stray > 0 {
				out.counts["stray"] += int64(stray)
			}
		}
		place := 0
		for i, id := range ids[done : done+end] {
			a := people[id]
			if place == len(items) || items[place].applicant != id {
				if a != nil && a.aead != nil {
					out.counts["fresh"]++
				}
				continue
			}
			if place == n {
				return done + i, err
			}
			changed, err := e.learnFrom(c, a, items[place].said, collect, now, out)
			if err != nil {
				return done + i, err
			}
			place++
			if changed {
				written = append(written, shortID(id))
			}
		}
		if done += end; err != nil {
			return done, err
		}
	}
	return done, nil
}

// learnFrom puts what was said of an applicant into the evidence, and into what is written
// if it is new.
func (e *Engine[T]) learnFrom(c *Caller, a *Applicant[T], said []VerifierAnswer, collect bool, now time.Time, out *chunk) (bool, error) {
	before := maps.Clone(a.Evidence)
	if a.Evidence == nil {
		a.Evidence = map[string]Evidence{}
	}
	if collect && (len(said) == 0 || said[0].Awaited) {
		out.counts["awaited"]++ // it is still to come
		return false, nil
	}
	out.counts[c.terms.learn(a.Evidence, said, now)]++
	if maps.Equal(before, a.Evidence) {
		return false, nil
	}
	row, err := e.applicantRow(a)
	out.rows = append(out.rows, row)
	return true, err
}

// nextItems takes as many applicants as one call can be about: all to be asked, or all to
// be collected. End is how many it has passed.
func (e *Engine[T]) nextItems(c *Caller, ids []uuid.UUID, people map[uuid.UUID]*Applicant[T], now time.Time) (end int, items []item, collect bool) {
	for end < len(ids) && len(items) < c.terms.Batch {
		a := people[ids[end]]
		if a == nil || a.aead == nil {
			end++
			continue
		}
		how := c.terms.standing(a.Evidence, now)
		if how == fresh {
			end++
			continue
		}
		if len(items) > 0 && collect != (how == awaited) {
			break
		}
		collect = how == awaited
		items = append(items, item{question: Question{Reference: e.reference(c.terms.Source, a.ID), Person: c.terms.Needs.Of(a.Person)}, applicant: a.ID})
		end++
	}
	return end, items, collect
}

func (c *Caller) call(ctx context.Context, items []item, collect bool) ([]VerifierAnswer, error) {
	if collect {
		references := make([]string, len(items))
		for i := range items {
			references[i] = items[i].question.Reference
		}
		return c.verifier.Collect(ctx, references)
	}
	questions := make([]Question, len(items))
	for i := range items {
		questions[i] = items[i].question
	}
	return c.verifier.Ask(ctx, questions)
}

// register returns what enters each try into the register of calls. Collecting is free.
func (e *Engine[T]) register(ctx context.Context, by By, c *Caller, collect bool) func(people int) error {
	return func(people int) error {
		if collect {
			return nil
		}
		cost, err := c.terms.cost(people)
		if err != nil {
			return err
		}
		return e.CountCall(ctx, by, Call{Source: c.terms.Source, Purpose: strings.Join(c.terms.Facts, " "), People: int64(people), Cost: cost})
	}
}
