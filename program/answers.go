package program

import (
	"context"
	"encoding/hex"
	"iter"

	"github.com/gelombang/gelombang/payment"
)

// Answers are what a bank or wallet says of submitted payments before its statement
// does: a pain.002 file, or what a provider answered to calls.
type Answers struct {
	// Digest is the SHA-256 of the file, or of what else names these answers: they
	// are taken once.
	Digest [32]byte
	// From names the bank or provider that says so, as in Release.To and
	// Channels.Providers.
	From string
	// Each gives the answers in order; each call gives them from the start.
	Each func() iter.Seq2[payment.Answer, error]
}

// TakeAnswers takes answers, as a job: payment.Capabilities.Judge says what each does to
// its payment. A payment that is refused for good is rejected, and its amount goes
// back to what is entitled; one of which the answer proves nothing is unknown, and
// keeps its reservation. That the provider does not know a payment proves nothing
// here, however late. Only a statement settles. Answers that change nothing are
// counted under "unchanged", those about no payment under "orphan", those about a payment
// that was not given to Answers.From under "foreign", and those that
// contradict what is final or blocked under "incident"; the last three are listed in the journal.
func (e *Engine[T]) TakeAnswers(ctx context.Context, by By, job string, answers Answers) (Counts, error) {
	if answers.From == "" {
		return nil, &FieldError{"Answers.From", "is missing"}
	}
	each := &onward[payment.Answer]{each: answers.Each}
	defer each.close()
	var before *answerer[T] // of the chunk before, which may not be written yet
	return e.runJob(ctx, by, job, "answers", answers.Digest, func(ctx context.Context, a ask) (chunk, error) {
		var done int64
		if a.after != nil {
			done = intOf(a.after[0])
		}
		some, err := each.from(done, a.limit)
		if err != nil {
			return chunk{}, err
		}
		w := answerer[T]{payments: payments[T]{engine: e}, answers: answers, first: done, last: done + int64(len(some)),
			posts: postings{}, counts: Counts{doneCount: int64(len(some))}}
		references, theirs := make([]string, len(some)), make([]theirsKey, len(some))
		for i, answer := range some {
			references[i], theirs[i] = answer.Reference, theirsKey{answers.From, answer.Theirs}
		}
		if err := w.load(ctx, references); err != nil {
			return chunk{}, err
		}
		if err := w.loadTheirs(ctx, theirs); err != nil {
			return chunk{}, err
		}
		if !a.first && before != nil && before.last == done {
			w.follow(&before.payments)
		}
		for i, answer := range some {
			if err := w.take(done+int64(i), answer, a.refused); err != nil {
				return chunk{}, err
			}
		}
		before = &w
		return w.chunk(len(some) < a.limit)
	})
}

// answerer takes the answers of a chunk.
type answerer[T any] struct {
	payments[T]
	answers     Answers
	first, last int64
	posts       postings
	counts      Counts
	others      []answerNote
}

// answerNote lists an answer that a person must look at.
type answerNote struct {
	Answer int64  `json:"answer"`
	Kind   string `json:"kind"`
	Batch  int64  `json:"batch,omitempty"`
	Item   int64  `json:"item,omitempty"`
}

func (w *answerer[T]) note(at int64, kind string, p *paymentRow) {
	w.counts[kind]++
	n := answerNote{Answer: at, Kind: kind}
	if p != nil {
		n.Batch, n.Item = p.batch, p.item
	}
	w.others = append(w.others, n)
}

func (w *answerer[T]) take(at int64, answer payment.Answer, refused error) error {
	p := w.find(answer.Reference)
	switch {
	case p == nil:
		w.note(at, "orphan", nil)
		return nil
	case refused != nil:
		w.note(at, "refused", p)
		return nil
	}
	became, err := w.payments.take(p, w.answers.From, answer, payment.Capabilities{}, payment.Proof{}, w.posts)
	if became == incident || became == foreign {
		w.note(at, became, p)
		return nil
	}
	w.counts[became]++
	return err
}

func (w *answerer[T]) chunk(last bool) (chunk, error) {
	wrote, err := w.written()
	data := struct {
		Answers string        `json:"answers"`
		Batches []*movedItems `json:"batches,omitempty"`
		Others  []answerNote  `json:"others,omitempty"`
	}{hex.EncodeToString(w.answers.Digest[:]), wrote.moved, w.others}
	return chunk{expect: wrote.expect, rows: sorted(wrote.rows), posts: w.posts.posting(), kind: "answers.taken", data: data, counts: w.counts, next: Cursor{w.last}, last: last}, err
}
