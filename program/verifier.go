package program

import (
	"context"
	"encoding/hex"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/payment"
)

// Verifier is a partner who knows something of people: a population register, an
// employers' register. Whoever connects one implements it; package programtest proves
// it. Its methods may be called by any number of goroutines.
type Verifier interface {
	// Terms say what the verifier is asked and what it costs. They never change.
	Terms() VerifierTerms
	// Ask hands over questions, at most Terms().Batch of them, each with a reference of
	// its own, and returns what is known of each, in any order; a question without an answer is not
	// known. The same reference again is the same question. The error means that nothing is
	// known of any; it wraps ErrRefusedCall if the verifier was there and would not take
	// these questions.
	Ask(ctx context.Context, questions []Question) ([]VerifierAnswer, error)
	// Collect returns the answers to questions that were asked before and whose answers
	// were to come later, as far as they are there. It is called only for verifiers whose
	// Terms have a Later.
	Collect(ctx context.Context, references []string) ([]VerifierAnswer, error)
}

// ErrRefusedCall is wrapped by an error of a Verifier that was there and would not take
// the questions: asking the same again cannot help.
var ErrRefusedCall = errors.New("program: the verifier refuses the call")

// VerifierTerms are what a verifier is asked, and on what terms.
type VerifierTerms struct {
	// Source is its name in evidence and in the register of calls: letters, digits and
	// . _ -, at most 40 bytes.
	Source string
	// Facts are the yes-or-no facts that it answers (Facts.Observed).
	Facts []string
	// Needs says what of a person it is told; nothing else is.
	Needs PersonParts
	// Batch is the largest number of questions in one call; 0 means one.
	Batch int
	// Fresh is how long after it was seen an answer holds until it is asked again; 0 means
	// for ever, but for one that says that it is unknown, which is asked again each time.
	Fresh time.Duration
	// Later is how long an answer may take that does not come at once; after it the
	// question is asked again. 0: all answers come at once.
	Later time.Duration
	// PerCall and PerPerson are what it charges for a call of Ask, and for each question
	// in it; zero for nothing.
	PerCall, PerPerson payment.Money
}

// PersonParts are parts of a Person.
type PersonParts uint8

// The parts of a Person that a verifier can be told.
const (
	PartName PersonParts = 1 << iota
	PartNational
	PartFamily
	PartBirth
	PartPhone
	PartPayout
)

// Of returns the parts of a person, and nothing else of it.
func (n PersonParts) Of(p Person) Person {
	var some Person
	if n&PartName != 0 {
		some.Name = p.Name
	}
	if n&PartNational != 0 {
		some.National = p.National
	}
	if n&PartFamily != 0 {
		some.Family = p.Family
	}
	if n&PartBirth != 0 {
		some.Birth = p.Birth
	}
	if n&PartPhone != 0 {
		some.Phone = p.Phone
	}
	if n&PartPayout != 0 {
		some.Payout = p.Payout
	}
	return some
}

// Question is one person whom a verifier is asked about.
type Question struct {
	// Reference is the same whenever this verifier is asked about this person, and
	// tells nobody else anything.
	Reference string
	// Person has what the verifier's Needs name.
	Person Person
}

// VerifierAnswer is what a verifier says of one question.
type VerifierAnswer struct {
	Reference string
	// Awaited says that the answer comes later, by Collect. Nothing else counts then.
	Awaited bool
	// Seen is of when the data is; zero or in the future means now.
	Seen time.Time
	// Facts are the answers. One that is missing is unknown.
	Facts map[string]VerifierFact
}

// VerifierFact is a yes or no, or why there is none.
type VerifierFact struct {
	Value bool
	// Unknown says why there is no value, such as "not-found"; empty if there is one.
	Unknown string
}

func (t *VerifierTerms) validate() error {
	fault := func(field, rule string) error { return &FieldError{"VerifierTerms." + field, rule} }
	switch {
	case !recordName(t.Source, 40):
		return fault("Source", "is 1 to 40 letters, digits and . _ -")
	case len(t.Facts) == 0:
		return fault("Facts", "are missing")
	case t.Batch < 0 || t.Fresh < 0 || t.Later < 0:
		return fault("Batch, Fresh, Later", "are zero or more")
	}
	for _, cost := range []payment.Money{t.PerCall, t.PerPerson} {
		if cost.Units < 0 || cost != (payment.Money{}) && cost.Validate() != nil {
			return fault("PerCall, PerPerson", "are zero or more, in an ISO 4217 currency")
		}
	}
	return nil
}

// cost is what a call about so many people is charged.
func (t *VerifierTerms) cost(people int) (payment.Money, error) {
	each, err := t.PerPerson.Mul(int64(people))
	if err != nil {
		return payment.Money{}, err
	}
	return t.PerCall.Add(each)
}

// standing is how an applicant stands with a verifier.
type standing uint8

const (
	toAsk standing = iota
	fresh
	awaited
)

// awaitedFact is the name under which evidence remembers that an answer is to come.
func (t *VerifierTerms) awaitedFact() string { return "awaited/" + t.Source }

// standing tells whether an applicant must be asked about.
func (t *VerifierTerms) standing(evidence map[string]Evidence, now time.Time) standing {
	if asked, waits := evidence[t.awaitedFact()]; waits && t.Later > 0 && now.Before(asked.Seen.Add(t.Later)) {
		return awaited
	}
	for _, fact := range t.Facts {
		e, ok := evidence[fact]
		silent := e.Unknown == UnknownSourceDown || e.Unknown == UnknownConflicting || e.Unknown != "" && t.Fresh == 0
		if !ok || e.Source != t.Source || silent || t.Fresh > 0 && !now.Before(e.Seen.Add(t.Fresh)) {
			return toAsk
		}
	}
	return fresh
}

// Codes of evidence that has no value.
const (
	// UnknownSourceDown: the verifier did not answer.
	UnknownSourceDown = "source-down"
	// UnknownConflicting: the verifier said two things at once.
	UnknownConflicting = "conflicting"
	// UnknownAwaited: the answer is to come.
	UnknownAwaited = "awaited"
)

// learn puts what a verifier said into the evidence about a person, and returns what it
// was: "answered", "awaited" or "unanswered". No answer leaves what is known, and says
// of the rest that the source was down. What is older than what is known changes nothing.
func (t *VerifierTerms) learn(evidence map[string]Evidence, said []VerifierAnswer, now time.Time) string {
	if len(said) == 0 {
		for _, fact := range t.Facts {
			if _, known := evidence[fact]; !known {
				evidence[fact] = Evidence{Source: t.Source, Seen: now, Unknown: UnknownSourceDown}
			}
		}
		return "unanswered"
	}
	if said[0].Awaited && t.Later > 0 {
		evidence[t.awaitedFact()] = Evidence{Source: t.Source, Seen: now, Unknown: UnknownAwaited}
		return "awaited"
	}
	delete(evidence, t.awaitedFact())
	for _, fact := range t.Facts {
		next := t.said(fact, said, now)
		if before, known := evidence[fact]; known && before.Source == t.Source && before.Unknown == "" && next.Seen.Before(before.Seen) {
			continue
		}
		evidence[fact] = next
	}
	return "answered"
}

// said is what the answers to one question say of a fact.
func (t *VerifierTerms) said(fact string, answers []VerifierAnswer, now time.Time) Evidence {
	var all Evidence
	for i, a := range answers {
		e := Evidence{Source: t.Source, Seen: a.Seen.UTC()}
		if a.Seen.IsZero() || a.Seen.After(now) {
			e.Seen = now
		}
		f, ok := a.Facts[fact]
		switch {
		case !ok || a.Awaited:
			e.Unknown = UnknownSourceDown
		case f.Unknown != "":
			e.Unknown = f.Unknown
		default:
			e.Value = f.Value
		}
		if i > 0 && (e.Value != all.Value || e.Unknown != all.Unknown) {
			return Evidence{Source: t.Source, Seen: now, Unknown: UnknownConflicting}
		}
		all = e
	}
	return all
}

// reference names an applicant to a verifier.
func (e *Engine[T]) reference(source string, applicant uuid.UUID) string {
	mark := e.keys.Mark("verifier/"+source, shortID(applicant))
	return hex.EncodeToString(mark[:16])
}
