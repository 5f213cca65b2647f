package main

import (
	"fmt"
	"time"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
)

// people are 240 made applicants. Who they are follows from their number, and so does
// what they do later: nobody is real.
func people() program.Registrations[Student] {
	var all program.Registrations[Student]
	for n := range 240 {
		s := Student{Score: 500 + int64(n*37%450), Income: 2_500_000 + 10_000*int64(n), Frontier: n%6 == 1, Disability: n%31 == 3}
		if s.Frontier { // schools there are worse: without a guarantee few would be chosen
			s.Score -= 150 * s.Score / 1000
		}
		birth := calendar.Of(2005+n%3, time.Month(1+n%12), 1+n%28)
		switch n {
		case 40: // too old
			birth = calendar.Of(2001, time.May, 4)
		case 41: // income is not shown
			s.Income = 0
		case 42: // the result of the test is not there
			s.Score = 0
		case 43: // above the ceiling
			s.Income = 9_000_000
		}
		all = append(all, program.Registration[Student]{
			Person:  program.Person{Name: identity.NewName(fmt.Sprintf("Siswa %03d", n)), National: identity.NewSecret(fmt.Sprintf("317101010105%04d", n)), Birth: birth},
			Details: s,
		})
	}
	return all
}

func account(n int) *program.Payout {
	return &program.Payout{Provider: "BRI", Account: identity.NewSecret(fmt.Sprintf("50000%05d", n))}
}

// number is an applicant's, from the name.
func number(c *program.Case[Student]) (n int) {
	_, _ = fmt.Sscanf(c.Applicant.Person.Name.Reveal(), "Siswa %d", &n)
	return n
}
