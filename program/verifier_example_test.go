package program_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/memstore"
	"github.com/gelombang/gelombang/program/programtest"
)

// Register is a population register that is reached over HTTP.
type Register struct {
	Base   string
	Client *http.Client
}

// Terms are those of the contract with the register.
func (r *Register) Terms() program.VerifierTerms {
	return program.VerifierTerms{
		Source: "register", Facts: []string{"alive"}, Needs: program.PartNational,
		Batch: 100, Fresh: 30 * 24 * time.Hour, PerPerson: payment.Rupiah(1_000),
	}
}

// Ask sends the questions of one call. Whom the register does not know it leaves out, and that
// is not a no.
func (r *Register) Ask(ctx context.Context, questions []program.Question) ([]program.VerifierAnswer, error) {
	numbers := map[string]string{}
	for _, q := range questions {
		numbers[q.Reference] = q.Person.National.Reveal()
	}
	data, err := json.Marshal(numbers)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.Base+"/alive", bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	response, err := r.Client.Do(request)
	if err != nil {
		return nil, errors.New("register: the call failed")
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusBadRequest:
		return nil, program.ErrRefusedCall
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("register: status %d", response.StatusCode)
	}
	var alive map[string]bool
	if err := json.NewDecoder(http.MaxBytesReader(nil, response.Body, 1<<20)).Decode(&alive); err != nil {
		return nil, errors.New("register: the answer cannot be read")
	}
	answers := make([]program.VerifierAnswer, 0, len(questions))
	for _, q := range questions {
		fact := program.VerifierFact{Unknown: "not-found"}
		if value, known := alive[q.Reference]; known {
			fact = program.VerifierFact{Value: value}
		}
		answers = append(answers, program.VerifierAnswer{Reference: q.Reference, Facts: map[string]program.VerifierFact{"alive": fact}})
	}
	return answers, nil
}

// Collect has nothing: all answers come at once.
func (r *Register) Collect(context.Context, []string) ([]program.VerifierAnswer, error) {
	return nil, nil
}

// fakeRegister is the far side: it knows one person, and has faults.
type fakeRegister struct {
	*httptest.Server
	known string
	next  programtest.VerifierFault
}

func newFakeRegister(known string) *fakeRegister {
	f := &fakeRegister{known: known}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fault := f.next
		f.next = ""
		if fault != "" {
			w.WriteHeader(http.StatusGatewayTimeout)
			return
		}
		var numbers map[string]string
		if err := json.NewDecoder(r.Body).Decode(&numbers); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		alive := map[string]bool{}
		for reference, number := range numbers {
			if number == f.known {
				alive[reference] = true
			}
		}
		_ = json.NewEncoder(w).Encode(alive)
	}))
	return f
}

func (f *fakeRegister) Advance(time.Duration) {}

func (f *fakeRegister) Fault(fault programtest.VerifierFault) bool {
	if fault != programtest.AskLost && fault != programtest.AnswersLost {
		return false
	}
	f.next = fault
	return true
}

func TestRegister(t *testing.T) {
	programtest.TestVerifier(t, func(t *testing.T) programtest.VerifierBench {
		far := newFakeRegister("3171014101900001")
		t.Cleanup(far.Close)
		return programtest.VerifierBench{
			Verifier: &Register{far.URL, far.Client()}, Far: far,
			Known:    program.Person{National: identity.NewSecret("3171014101900001")},
			Stranger: program.Person{National: identity.NewSecret("3171014101900002")},
			Truth:    map[string]bool{"alive": true},
		}
	})
}

// A register is asked about everybody who has joined; whom it does not know stays pending.
func ExampleEngine_AskVerifier() {
	far := newFakeRegister("3171014101900001")
	defer far.Close()
	ctx, now := context.Background(), time.Date(2026, time.March, 2, 2, 0, 0, 0, time.UTC)
	p := seedGrant()
	alive := p.Facts.Observed("alive", "register", 90)
	p.Policy.Rules = append(p.Policy.Rules, eligibility.Rule{Code: "alive", Require: alive.Is(true), At: []string{"screen"},
		Basis: eligibility.WithoutArticle("applicants are alive")})
	keys, err := program.NewLocalKeyring(make([]byte, 32), rand.Reader)
	must(err)
	clock := func() time.Time { return now }
	engine, err := program.NewEngine(p, memstore.New(), keys, program.Surroundings{Clock: clock, Random: rand.Reader}, nil)
	must(err)
	officer := program.By{Actor: "officer"}
	must(engine.PlanWave(ctx, officer, program.WaveOrder{Number: 1, Opens: now, Closes: now.AddDate(0, 1, 0)}))
	must(engine.OpenWave(ctx, officer, 1))
	for _, number := range []string{"3171014101900001", "3171014101900002"} {
		id, err := engine.Register(ctx, officer, program.Registration[Farmer]{Person: program.Person{
			Name: identity.NewName("Ani"), National: identity.NewSecret(number), Birth: calendar.Of(1990, 1, 1)}})
		must(err)
		_, err = engine.Join(ctx, officer, 1, id)
		must(err)
	}

	caller, err := program.NewCaller(&Register{far.URL, far.Client()}, clock, nil)
	must(err)
	counts, err := engine.AskVerifier(ctx, officer, "ask the register 1", program.VerifyOrder{Wave: 1, States: []program.State{"joined"}, Caller: caller})
	must(err)
	fmt.Println("answered:", counts["answered"])
	counts, err = engine.CheckAll(ctx, officer, "screen wave 1", 1, "joined")
	must(err)
	fmt.Println("screened:", counts["state.screened"])
	costs, err := engine.Costs(ctx, "register")
	must(err)
	fmt.Println("calls:", costs[0].Calls, "people:", costs[0].People, "cost:", payment.Money{Units: costs[0].Units, Currency: payment.IDR})
	// Output:
	// answered: 2
	// screened: 1
	// calls: 1 people: 2 cost: Rp2.000
}
