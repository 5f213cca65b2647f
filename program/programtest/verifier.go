package programtest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gelombang/gelombang/program"
)

// VerifierBench is a verifier with its far side, for one case.
type VerifierBench struct {
	Verifier program.Verifier
	Far      VerifierFarSide
	// Known is somebody whom the verifier knows, with what Truth says of them; Stranger is
	// somebody whom it does not know.
	Known, Stranger program.Person
	Truth           map[string]bool
}

// VerifierFault is something that goes wrong once.
type VerifierFault string

// The faults of a verifier.
const (
	// AskLost: the call times out and nothing was heard.
	AskLost VerifierFault = "ask-lost"
	// AnswersLost: the call times out after it was heard.
	AnswersLost VerifierFault = "answers-lost"
	// AnswersLate: answers that would come at once come later.
	AnswersLate VerifierFault = "answers-late"
	// AnswersPartial: half of the questions get no answer.
	AnswersPartial VerifierFault = "answers-partial"
	// AnswersStray: the answers are of references that nobody asked about.
	AnswersStray VerifierFault = "answers-stray"
	// AnswersTwice: each question gets two answers that differ.
	AnswersTwice VerifierFault = "answers-twice"
)

// VerifierFarSide is the other end of a verifier, in a test.
type VerifierFarSide interface {
	// Fault lets a fault happen once, with the next call; false if the far side cannot
	// have it.
	Fault(VerifierFault) bool
	// Advance moves the far side's clock.
	Advance(time.Duration)
}

type verifierCase struct {
	name, why string
	run       func(*verifierSuite)
}

func verifierCases() []verifierCase {
	return []verifierCase{
		{"the terms never change", "costs and freshness are counted by them", (*verifierSuite).terms},
		{"who is known is answered", "each fact that was promised", (*verifierSuite).known},
		{"who is unknown is unknown", "an unknown person who is a no would pass every exclusion: nothing fails open", (*verifierSuite).stranger},
		{"the same reference is the same question", "a call whose answer is missing is made again", (*verifierSuite).again},
		{"a lost call is an error", "silence that looks like an answer would be kept as one", (*verifierSuite).lost},
		{"a full batch is answered", "each answer has its question's reference", (*verifierSuite).batch},
		{"what comes later is collected", "a partner may take days", (*verifierSuite).later},
		{"no error shows who was asked about", "errors are logged", (*verifierSuite).secret},
		{"a cancelled context is an error", "the caller who gave up is not answered", (*verifierSuite).cancelled},
	}
}

// TestVerifier runs every case on benches that open makes: a fresh one for each.
func TestVerifier(t *testing.T, open func(t *testing.T) VerifierBench) {
	for _, c := range verifierCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("why it matters: %s", c.why)
				}
			})
			c.run(&verifierSuite{reporter: t, VerifierBench: open(t), ctx: t.Context()})
		})
	}
}

// reporter is what the cases need of a *testing.T.
type reporter interface {
	Helper()
	Fatalf(format string, args ...any)
	Skip(args ...any)
}

type verifierSuite struct {
	reporter
	VerifierBench
	ctx context.Context
}

// ask asks about somebody, told only what the terms need.
func (s *verifierSuite) ask(reference string, p program.Person) ([]program.VerifierAnswer, error) {
	return s.Verifier.Ask(s.ctx, []program.Question{{Reference: reference, Person: s.Verifier.Terms().Needs.Of(p)}})
}

// answer asks until there is an answer, and collects it if it comes later.
func (s *verifierSuite) answer(reference string, p program.Person) program.VerifierAnswer {
	s.Helper()
	answers, err := s.ask(reference, p)
	if err != nil {
		s.Fatalf("Ask: %v", err)
	}
	return s.one(reference, answers)
}

func (s *verifierSuite) one(reference string, answers []program.VerifierAnswer) program.VerifierAnswer {
	s.Helper()
	if len(answers) != 1 || answers[0].Reference != reference {
		s.Fatalf("there are %d answers, want one with the question's reference", len(answers))
	}
	if !answers[0].Awaited {
		return answers[0]
	}
	later := s.Verifier.Terms().Later
	if later == 0 {
		s.Fatalf("an answer is to come later, and the terms say that all come at once")
	}
	s.Far.Advance(later)
	collected, err := s.Verifier.Collect(s.ctx, []string{reference})
	if err != nil {
		s.Fatalf("Collect: %v", err)
	}
	if len(collected) != 1 || collected[0].Awaited || collected[0].Reference != reference {
		s.Fatalf("after the time that answers may take, %d are collected, want one", len(collected))
	}
	return collected[0]
}

func (s *verifierSuite) terms() {
	t := s.Verifier.Terms()
	if _, err := program.NewCaller(s.Verifier, time.Now, nil); err != nil {
		s.Fatalf("the terms are not valid: %v", err)
	}
	s.answer("a", s.Known)
	if again := s.Verifier.Terms(); !reflect.DeepEqual(t, again) {
		s.Fatalf("the terms are %+v, and then %+v", t, again)
	}
}

func (s *verifierSuite) truth(a program.VerifierAnswer) {
	s.Helper()
	for _, fact := range s.Verifier.Terms().Facts {
		want, ok := s.Truth[fact]
		if !ok {
			s.Fatalf("the bench has no truth for %q", fact)
		}
		if got := a.Facts[fact]; got.Unknown != "" || got.Value != want {
			s.Fatalf("%q is %+v, want %v", fact, got, want)
		}
	}
}

func (s *verifierSuite) known() { s.truth(s.answer("a", s.Known)) }

func (s *verifierSuite) stranger() {
	a := s.answer("a", s.Stranger)
	for fact, said := range a.Facts {
		if said.Unknown == "" {
			s.Fatalf("%q is %v of somebody whom the verifier does not know", fact, said.Value)
		}
	}
}

func (s *verifierSuite) again() {
	first := s.answer("a", s.Known)
	if second := s.answer("a", s.Known); !reflect.DeepEqual(first.Facts, second.Facts) {
		s.Fatalf("asked again it says %+v, and before %+v", second.Facts, first.Facts)
	}
}

func (s *verifierSuite) lost() {
	for _, fault := range []VerifierFault{AskLost, AnswersLost} {
		if !s.Far.Fault(fault) {
			s.Skip("the far side cannot have the fault " + string(fault))
		}
		answers, err := s.ask("a", s.Known)
		if err == nil {
			s.Fatalf("%s is no error, and %d answers", fault, len(answers))
		}
		if errors.Is(err, program.ErrRefusedCall) {
			s.Fatalf("%s is a refusal, which is not tried again", fault)
		}
	}
	s.truth(s.answer("a", s.Known))
}

func (s *verifierSuite) batch() {
	t := s.Verifier.Terms()
	n := max(1, min(t.Batch, 50))
	questions := make([]program.Question, n)
	for i := range questions {
		p := s.Known
		if i%2 == 1 {
			p = s.Stranger
		}
		questions[i] = program.Question{Reference: fmt.Sprint("q-", i), Person: t.Needs.Of(p)}
	}
	answers, err := s.Verifier.Ask(s.ctx, questions)
	if err != nil {
		s.Fatalf("Ask: %v", err)
	}
	seen := map[string]bool{}
	for _, a := range answers {
		if seen[a.Reference] {
			s.Fatalf("%s is answered twice", a.Reference)
		}
		seen[a.Reference] = true
		i := slices.IndexFunc(questions, func(q program.Question) bool { return q.Reference == a.Reference })
		if i < 0 {
			s.Fatalf("there is an answer to %s, which was not asked", a.Reference)
		}
		if i%2 == 0 && !a.Awaited {
			s.truth(a)
		}
	}
	if len(seen) != n {
		s.Fatalf("of %d questions %d are answered", n, len(seen))
	}
}

func (s *verifierSuite) later() {
	if s.Verifier.Terms().Later == 0 {
		s.Skip("all answers come at once")
	}
	if !s.Far.Fault(AnswersLate) {
		s.Skip("the far side cannot be late")
	}
	answers, err := s.ask("a", s.Known)
	if err != nil {
		s.Fatalf("Ask: %v", err)
	}
	if len(answers) != 1 || !answers[0].Awaited {
		s.Fatalf("what comes later is not said to be awaited")
	}
	if early, err := s.Verifier.Collect(s.ctx, []string{"a", "never-asked"}); err != nil || slices.ContainsFunc(early, func(a program.VerifierAnswer) bool { return a.Reference != "a" }) {
		s.Fatalf("before it is there, and with a reference that was never asked, Collect gives %d answers and %v", len(early), err)
	}
	s.truth(s.one("a", answers))
}

func (s *verifierSuite) secret() {
	if !s.Far.Fault(AskLost) {
		s.Skip("the far side cannot lose a call")
	}
	_, err := s.ask("a", s.Known)
	if err == nil {
		s.Fatalf("a lost call is no error")
	}
	for _, secret := range []string{s.Known.National.Reveal(), s.Known.Name.Reveal(), s.Known.Family.Reveal(), s.Known.Phone.Reveal(), s.Known.Payout.Account.Reveal()} {
		if secret != "" && strings.Contains(err.Error(), secret) {
			s.Fatalf("the error shows something of the person")
		}
	}
}

func (s *verifierSuite) cancelled() {
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	if _, err := s.Verifier.Ask(ctx, []program.Question{{Reference: "a", Person: s.Verifier.Terms().Needs.Of(s.Known)}}); err == nil {
		s.Fatalf("Ask under a cancelled context is no error")
	}
}

// FaultyVerifier is a verifier in memory, and its own far side. It has no clock and no
// randomness: faults happen when they are asked for. It keeps what it promises, unless
// told to break it.
type FaultyVerifier struct {
	mu      sync.Mutex
	terms   program.VerifierTerms
	now     time.Time
	truth   map[string]map[string]bool // by national identifier
	script  map[VerifierFault]int
	waiting map[string]waitingAnswer
	calls   int

	// Dead has every call fail; Late has every answer come after Terms.Later.
	Dead, Late bool
	// Poison has calls fail that are about one of these national identifiers.
	Poison map[string]bool
	// Guesses breaks a promise: it says no of people whom it does not know.
	Guesses bool
}

type waitingAnswer struct {
	answer program.VerifierAnswer
	due    time.Time
}

var (
	_ program.Verifier = (*FaultyVerifier)(nil)
	_ VerifierFarSide  = (*FaultyVerifier)(nil)
)

// NewFaultyVerifier returns a verifier that knows the truth about people by their
// national identifiers, which its terms therefore need.
func NewFaultyVerifier(terms program.VerifierTerms, now time.Time, truth map[string]map[string]bool) *FaultyVerifier {
	terms.Needs |= program.PartNational
	return &FaultyVerifier{terms: terms, now: now, truth: truth, script: map[VerifierFault]int{}, waiting: map[string]waitingAnswer{}}
}

// Terms returns the terms that it was made with.
func (f *FaultyVerifier) Terms() program.VerifierTerms { return f.terms }

// Calls counts the calls of Ask.
func (f *FaultyVerifier) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// Set changes the verifier while it is in use.
func (f *FaultyVerifier) Set(change func(*FaultyVerifier)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// Fault lets a fault happen with the next call.
func (f *FaultyVerifier) Fault(fault VerifierFault) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.script[fault]++
	return true
}

// Advance moves the clock.
func (f *FaultyVerifier) Advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

func (f *FaultyVerifier) happens(fault VerifierFault) bool {
	if f.script[fault] == 0 {
		return false
	}
	f.script[fault]--
	return true
}

var errVerifierDown = errors.New("programtest: the verifier does not answer")

// Ask answers what it knows, unless a fault is in the way.
func (f *FaultyVerifier) Ask(ctx context.Context, questions []program.Question) ([]program.VerifierAnswer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(questions) > max(1, f.terms.Batch) {
		return nil, fmt.Errorf("too many questions: %w", program.ErrRefusedCall)
	}
	poisoned := slices.ContainsFunc(questions, func(q program.Question) bool { return f.Poison[q.Person.National.Reveal()] })
	if f.Dead || poisoned || f.happens(AskLost) {
		return nil, errVerifierDown
	}
	late := f.Late || f.happens(AnswersLate)
	var answers []program.VerifierAnswer
	for _, q := range questions {
		a := f.answer(q)
		if late && f.terms.Later > 0 {
			f.waiting[q.Reference] = waitingAnswer{a, f.now.Add(f.terms.Later)}
			a = program.VerifierAnswer{Reference: q.Reference, Awaited: true}
		}
		answers = append(answers, a)
	}
	switch {
	case f.happens(AnswersLost):
		return nil, errVerifierDown
	case f.happens(AnswersPartial):
		answers = answers[:len(answers)/2]
	case f.happens(AnswersStray):
		for i := range answers {
			answers[i].Reference = "stray-" + answers[i].Reference
		}
	case f.happens(AnswersTwice):
		for _, a := range slices.Clone(answers) {
			other := a
			other.Facts = map[string]program.VerifierFact{}
			for fact, said := range a.Facts {
				other.Facts[fact] = program.VerifierFact{Value: !said.Value}
			}
			answers = append(answers, other)
		}
	}
	return answers, nil
}

func (f *FaultyVerifier) answer(q program.Question) program.VerifierAnswer {
	a := program.VerifierAnswer{Reference: q.Reference, Seen: f.now, Facts: map[string]program.VerifierFact{}}
	truth, known := f.truth[q.Person.National.Reveal()]
	for _, fact := range f.terms.Facts {
		switch value, ok := truth[fact]; {
		case ok, !known && f.Guesses:
			a.Facts[fact] = program.VerifierFact{Value: value}
		default:
			a.Facts[fact] = program.VerifierFact{Unknown: "not-found"}
		}
	}
	return a
}

// Collect gives the answers that have come meanwhile.
func (f *FaultyVerifier) Collect(ctx context.Context, references []string) ([]program.VerifierAnswer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if f.Dead {
		return nil, errVerifierDown
	}
	var answers []program.VerifierAnswer
	for _, r := range references {
		if w, ok := f.waiting[r]; ok && !f.now.Before(w.due) {
			answers = append(answers, w.answer)
		}
	}
	return answers, nil
}
