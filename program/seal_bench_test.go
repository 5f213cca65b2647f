package program

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/lifecycle"
)

// emptyStore has nothing in it.
type emptyStore struct{ Store }

func (emptyStore) Load(context.Context, Query) (Rows, error) { return Rows{}, nil }

// BenchmarkIntake makes the rows of new people, with all that is looked up.
func BenchmarkIntake(b *testing.B) {
	e, people := benchPeople(b)
	b.ReportAllocs()
	for done := 0; done < b.N; done += len(people) {
		in := e.newIntake(len(people))
		if err := in.look(b.Context(), people); err != nil {
			b.Fatal(err)
		}
		for i := range people {
			if _, err := in.add(i, people[i]); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkSealAndIndex gives one new person a key, wraps it, seals the person with it, and
// computes the digests of the national and the family number.
func BenchmarkSealAndIndex(b *testing.B) {
	e, people := benchPeople(b)
	b.ReportAllocs()
	for i := range b.N {
		r := &people[i%len(people)]
		a := Applicant[benchDetails]{ID: uuid.UUID{15: byte(i)}, Person: r.Person, Details: r.Details, State: Registered}
		if _, err := e.newKey(&a); err != nil {
			b.Fatal(err)
		}
		if _, err := e.applicantRow(&a); err != nil {
			b.Fatal(err)
		}
		e.indexed(indexNational, r.Person.National.Reveal())
		e.indexed(indexFamily, r.Person.Family.Reveal())
	}
}

type benchDetails struct {
	Village string `json:"village"`
}

func benchPeople(b *testing.B) (*Engine[benchDetails], []Registration[benchDetails]) {
	b.Helper()
	facts := NewFacts[benchDetails]()
	keys, err := NewLocalKeyring(bytes.Repeat([]byte{9}, 32), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	e, err := NewEngine(&Program[benchDetails]{ID: "bench", Facts: facts, Zone: "Asia/Jakarta",
		Policy: eligibility.Policy{Name: "bench", Rules: []eligibility.Rule{{Code: "adult", Require: facts.BirthDate.AgeAtLeast(18),
			At: []string{"screen"}, Basis: eligibility.WithoutArticle("adults")}}},
		Lifecycle: Table{Name: "bench", Version: 1, Start: "here", States: States{{State: "here", Next: lifecycle.Officer}, {State: "gone", Final: true}},
			Moves: Moves{{On: "leave", From: []State{"here"}, To: "gone"}}},
	}, emptyStore{}, keys, Surroundings{Clock: time.Now, Random: rand.Reader}, nil)
	if err != nil {
		b.Fatal(err)
	}
	const together = 1000
	people := make([]Registration[benchDetails], together)
	for i := range people {
		people[i] = Registration[benchDetails]{Details: benchDetails{"Sukamaju"}, Person: Person{Name: identity.NewName("Siti Aminah"),
			National: identity.NewSecret(fmt.Sprintf("317101%010d", i)), Family: identity.NewSecret(fmt.Sprintf("317102%010d", i)),
			Birth: calendar.Of(1990, time.January, 1), Phone: identity.NewSecret("081200000000"),
			Payout: Payout{Provider: "BNINIDJA", Account: identity.NewSecret("001234567890"), Holder: identity.NewName("Siti Aminah")}}}
	}
	b.ResetTimer()
	return e, people
}
