package payment

import (
	"context"
	"errors"
	"time"
)

// Attempt is what is kept of one payment while its outcome is open.
type Attempt struct {
	Reference string
	State     State
	// Submitted is when it was first marked as submitted, before any byte left.
	Submitted time.Time
	// Last is when it was last handed over; zero: at Submitted.
	Last time.Time
	// Paid: the provider has said once that it executed the order.
	Paid bool
	// Blocked: a statement has shown a debit for it that is not simply its own. No
	// answer rejects it.
	Blocked bool
}

// Proof is what the statements show of an attempt that no answer proves.
type Proof struct {
	// Through is the instant up to which statements are there without a gap, each
	// balanced (Last.Gate). None of them shows the attempt.
	Through time.Time
	// Orphan says that they show a debit of the attempt's amount that belongs to no
	// payment. It may be the attempt, so nothing is proved.
	Orphan bool
}

// Action is what may be done next about an attempt whose outcome is open.
type Action string

// The actions. There is no action that gives up, and none that makes a new
// reference.
const (
	// Nothing: its outcome is not open.
	Nothing Action = "nothing"
	// Resend the same order under the same reference.
	Resend Action = "resend"
	// Ask the provider (Provider.Enquire).
	Ask Action = "ask"
	// Await the statement: the provider can no longer be asked.
	Await Action = "await"
)

// Next says what may be done at an instant about an attempt that has no final
// answer. The same order is sent again only where the provider declares it safe, and
// only within half of its memory, so that a slow clock or a slow network does not
// outlast it.
func (c Capabilities) Next(a Attempt, now time.Time) Action {
	switch {
	case a.State != Submitted && a.State != Unknown:
		return Nothing
	case c.ReplaySafe && now.Before(a.Submitted.Add(c.KeyMemory/2)) && !now.Before(a.Submitted):
		return Resend
	case now.Before(a.Submitted.Add(c.StatusMemory)):
		return Ask
	}
	return Await
}

// Outcome is what an answer, or the lack of one, does to an attempt.
type Outcome struct {
	Reference string
	// Event to fire on the payment; empty if nothing changes.
	Event Event
	// Incident says that the provider contradicts what it said for good, or what
	// the statement showed: a person must look. No event follows.
	Incident bool
	// Answer that led to it; zero if there was none.
	Answer Answer
	// NotSent: not one byte of this call left. If there was no call before, the order
	// may be sent again as it is, marked as submitted anew.
	NotSent bool
}

// Judge decides what an answer does to an attempt. An answer that echoes another
// reference, and whatever is not clear, makes the attempt unknown. Paid is not
// settled: the statement settles. A refusal rejects. Absent rejects only when the
// provider can no longer execute the order and statements without a gap, beyond that
// instant, do not show it. An answer that contradicts a dead or settled payment
// is an incident. So is a refusal, or no memory, of what was said to be paid, and
// whatever would reject what a statement has blocked.
func (c Capabilities) Judge(a Attempt, answer Answer, proof Proof, now time.Time) Outcome {
	out := Outcome{Reference: a.Reference, Answer: answer}
	standing := answer.Standing
	if answer.Reference != a.Reference {
		standing = Unclear
	}
	if a.State != Submitted && a.State != Unknown && a.State != Accepted {
		out.Incident = contradicts(a.State, standing)
		return out
	}
	switch {
	case (standing == Refused || standing == Absent) && a.Paid:
		out.Incident = true
	case standing == Taken || standing == Paid:
		if a.State != Accepted {
			out.Event = Accept
		}
	case standing == Refused:
		out.Event = Reject
	case standing == Absent:
		out.Event = c.absent(a, proof, now)
	default:
		out.Event = doubt(a.State)
	}
	if a.Blocked && out.Event == Reject {
		out.Event, out.Incident = "", true
	}
	return out
}

// contradicts reports whether a provider says the opposite of what is final.
func contradicts(s State, standing Standing) bool {
	switch s {
	case Rejected, Cancelled, Created, Approved:
		return standing == Taken || standing == Paid
	case Settled:
		return standing == Refused
	}
	return false
}

func doubt(s State) Event {
	if s == Unknown {
		return ""
	}
	return Doubt
}

// absent counts the finality from the last instant at which the order may have been
// handed over: where it is sent again the first request that arrived may be the last
// one that Next allowed.
func (c Capabilities) absent(a Attempt, proof Proof, now time.Time) Event {
	last := a.Submitted
	if c.ReplaySafe {
		last = last.Add(c.KeyMemory / 2)
	}
	if a.Last.After(last) {
		last = a.Last
	}
	end := last.Add(c.Finality)
	if c.Finality > 0 && !now.Before(end) && !proof.Through.Before(end) && !proof.Orphan {
		return Reject
	}
	return doubt(a.State)
}

// Dispatch hands transfers over to a provider, in batches that it can take, and
// returns what became of each, in order. Before it is called every transfer must
// have been stored as submitted; what it returns is then stored. If the caller dies
// in between, the transfers are submitted without an answer, which is unknown.
//
// The outcomes are those of payments in Submitted. For one that is in another state,
// because it is sent again or a Notice came first, Judge decides on Outcome.Answer.
//
// A transfer whose answer is missing, given twice with different standings, or for
// another reference is unknown. Answers about nobody's reference are left out of
// consideration. An amount outside the provider's bounds is an error of the caller's:
// it belongs to no call, and comes back as not sent. Dispatch stops when the context
// ends; what was not handed over by then comes back as not sent.
func Dispatch(ctx context.Context, p Provider, transfers []Transfer, submitted, now time.Time) []Outcome {
	c := p.Capabilities()
	size := max(1, c.BatchSize)
	outcomes := make([]Outcome, 0, len(transfers))
	var batch []Transfer
	flush := func() {
		if len(batch) > 0 {
			outcomes = append(outcomes, hand(ctx, p, c, batch, submitted, now)...)
			batch = nil
		}
	}
	for _, t := range transfers {
		if !c.Accepts(t.Amount) {
			flush()
			outcomes = append(outcomes, Outcome{Reference: t.Reference, NotSent: true})
			continue
		}
		if batch = append(batch, t); len(batch) == size {
			flush()
		}
	}
	flush()
	return outcomes
}

// hand makes one call.
func hand(ctx context.Context, p Provider, c Capabilities, batch []Transfer, submitted, now time.Time) []Outcome {
	outcomes := make([]Outcome, len(batch))
	if ctx.Err() != nil {
		for i, t := range batch {
			outcomes[i] = Outcome{Reference: t.Reference, NotSent: true}
		}
		return outcomes
	}
	answers, err := p.Submit(ctx, batch)
	notSent := errors.Is(err, ErrNotSent) && len(answers) == 0
	said := bySingleReference(answers)
	for i, t := range batch {
		answer, ok := said[t.Reference]
		switch {
		case notSent:
			outcomes[i] = Outcome{Reference: t.Reference, NotSent: true}
		case !ok:
			outcomes[i] = Outcome{Reference: t.Reference, Event: Doubt}
		default:
			outcomes[i] = c.Judge(Attempt{Reference: t.Reference, State: Submitted, Submitted: submitted}, answer, Proof{}, now)
		}
	}
	return outcomes
}

// bySingleReference finds the answer of each reference; one that was answered in
// two ways is unclear.
func bySingleReference(answers []Answer) map[string]Answer {
	said := make(map[string]Answer, len(answers))
	for _, a := range answers {
		if before, twice := said[a.Reference]; twice && before.Standing != a.Standing {
			a = Answer{Reference: a.Reference, Standing: Unclear, Code: a.Code}
		}
		said[a.Reference] = a
	}
	return said
}
