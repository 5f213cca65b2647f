package programtest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/identity"
)

func verifierBench(change func(*FaultyVerifier)) VerifierBench {
	known := program.Person{Name: identity.NewName("Ani"), National: identity.NewSecret("3171014101900001")}
	stranger := program.Person{Name: identity.NewName("Budi"), National: identity.NewSecret("3171010101900002")}
	truth := map[string]bool{"official": false, "alive": true}
	f := NewFaultyVerifier(program.VerifierTerms{Source: "register", Facts: []string{"official", "alive"}, Batch: 10, Later: 48 * time.Hour},
		start, map[string]map[string]bool{known.National.Reveal(): truth})
	if change != nil {
		change(f)
	}
	return VerifierBench{Verifier: f, Far: f, Known: known, Stranger: stranger, Truth: truth}
}

func TestTheFaultyVerifierKeepsItsPromises(t *testing.T) {
	TestVerifier(t, func(t *testing.T) VerifierBench { return verifierBench(nil) })
	TestVerifier(t, func(t *testing.T) VerifierBench { return verifierBench(func(f *FaultyVerifier) { f.Late = true }) })
}

type caseListener struct{ said string }

func (l *caseListener) Helper() {}
func (l *caseListener) Fatalf(format string, args ...any) {
	l.said = fmt.Sprintf(format, args...)
	panic(l)
}
func (l *caseListener) Skip(...any) { panic(l) }

// bustedVerifier breaks one promise.
type bustedVerifier struct {
	*FaultyVerifier
	ask func(ctx context.Context, q []program.Question) ([]program.VerifierAnswer, error)
}

func (b bustedVerifier) Ask(ctx context.Context, q []program.Question) ([]program.VerifierAnswer, error) {
	return b.ask(ctx, q)
}

// Each broken promise is found by the case that is there for it.
func TestBrokenVerifiersAreFound(t *testing.T) {
	for name, busted := range map[string]struct {
		ask   func(f *FaultyVerifier, ctx context.Context, q []program.Question) ([]program.VerifierAnswer, error)
		found string
	}{
		"guesses": {func(f *FaultyVerifier, ctx context.Context, q []program.Question) ([]program.VerifierAnswer, error) {
			answers, err := f.Ask(ctx, q)
			for i := range answers {
				for fact, said := range answers[i].Facts {
					answers[i].Facts[fact] = program.VerifierFact{Value: said.Value} // what is unknown becomes a no
				}
			}
			return answers, err
		}, "who is unknown is unknown"},
		"swallows errors": {func(f *FaultyVerifier, ctx context.Context, q []program.Question) ([]program.VerifierAnswer, error) {
			answers, err := f.Ask(ctx, q)
			if errors.Is(err, errVerifierDown) {
				return nil, nil
			}
			return answers, err
		}, "a lost call is an error"},
		"half a batch": {func(f *FaultyVerifier, ctx context.Context, q []program.Question) ([]program.VerifierAnswer, error) {
			return f.Ask(ctx, q[:(len(q)+1)/2])
		}, "a full batch is answered"},
		"shows the number": {func(f *FaultyVerifier, ctx context.Context, q []program.Question) ([]program.VerifierAnswer, error) {
			answers, err := f.Ask(ctx, q)
			if err != nil {
				err = fmt.Errorf("asking about %s: %w", q[0].Person.National.Reveal(), err)
			}
			return answers, err
		}, "no error shows who was asked about"},
		"ignores the context": {func(f *FaultyVerifier, _ context.Context, q []program.Question) ([]program.VerifierAnswer, error) {
			return f.Ask(context.Background(), q)
		}, "a cancelled context is an error"},
	} {
		t.Run(name, func(t *testing.T) {
			found := map[string]string{}
			for _, c := range verifierCases() {
				l := &caseListener{}
				func() {
					defer func() {
						if r := recover(); r != nil && r != any(l) {
							panic(r)
						}
					}()
					b := verifierBench(nil)
					f := b.Verifier.(*FaultyVerifier)
					b.Verifier = bustedVerifier{f, func(ctx context.Context, q []program.Question) ([]program.VerifierAnswer, error) {
						return busted.ask(f, ctx, q)
					}}
					c.run(&verifierSuite{reporter: l, VerifierBench: b, ctx: t.Context()})
				}()
				if l.said != "" {
					found[c.name] = l.said
				}
			}
			if found[busted.found] == "" {
				t.Fatalf("found %v, want %q", found, busted.found)
			}
		})
	}
}
