package program

import (
	"time"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/program/calendar"
)

// Facts are the facts that a program's policy may ask about a case. It embeds
// the schema of package eligibility, to which the agency adds its own facts,
// and has those that every program needs.
type Facts[T any] struct {
	*eligibility.Schema[Case[T]]
	// BirthDate is the applicant's, "birth-date"; unknown if it was not given.
	BirthDate eligibility.DateFact
	// AdmissionDate is the legal date of the case's wave, "admission-date": a rule that
	// is asked again later, as before a payout, can spare those who were admitted before it.
	AdmissionDate eligibility.DateFact

	limits []string // asked by Taken
	taken  []string // names of the facts that ask them
}

// NewFacts returns the facts that every program has.
func NewFacts[T any]() *Facts[T] {
	f := &Facts[T]{Schema: eligibility.NewSchema[Case[T]]()}
	f.BirthDate = f.Date("birth-date", func(c *Case[T]) eligibility.Value[calendar.Date] {
		if c.Applicant.Person.Birth.IsZero() {
			return eligibility.Unknown[calendar.Date](eligibility.NotAsked)
		}
		return eligibility.Known(c.Applicant.Person.Birth)
	})
	f.AdmissionDate = f.Date("admission-date", func(c *Case[T]) eligibility.Value[calendar.Date] {
		if c.Wave.body.Legal.IsZero() {
			return eligibility.Unknown[calendar.Date](eligibility.NotAsked)
		}
		return eligibility.Known(c.Wave.body.Legal)
	})
	return f
}

// Observed adds a yes or no that comes from the applicant's evidence: source is
// who must have been asked, maxDays for how long an answer holds (0: for ever).
func (f *Facts[T]) Observed(name, source string, maxDays int) eligibility.BoolFact {
	return f.Source(source, maxDays).Bool(name, func(c *Case[T]) eligibility.Observation[bool] {
		e, ok := c.Applicant.Evidence[name]
		switch {
		case !ok || e.Source != source:
			return eligibility.Observation[bool]{}
		case e.Unknown != "":
			return eligibility.Observation[bool]{Value: eligibility.Unknown[bool](causeOf(e.Unknown))}
		}
		return eligibility.Observation[bool]{Value: eligibility.Known(e.Value), On: dateIn(e.Seen, c.zone)}
	})
}

// Taken adds the number of seats that a limit of the program counts so far for
// the applicant or the household, without the case's own. It reads the account
// that taking a seat posts to.
func (f *Facts[T]) Taken(name, limit string) eligibility.IntFact {
	f.limits, f.taken = append(f.limits, limit), append(f.taken, name)
	return f.Int(name, func(c *Case[T]) eligibility.Value[int64] {
		n, known := c.awards[limit]
		if !known {
			return eligibility.Unknown[int64](eligibility.NotAsked)
		}
		return eligibility.Known(n)
	})
}

// causeOf reads why a source gave no answer. A code that is not one of package
// eligibility's says that the source could not answer.
func causeOf(code string) eligibility.Cause {
	for cause := eligibility.NotAsked; cause <= eligibility.Conflicting; cause++ {
		if cause.String() == code {
			return cause
		}
	}
	return eligibility.SourceDown
}

func dateIn(t time.Time, zone *time.Location) calendar.Date {
	if zone == nil {
		zone = time.UTC
	}
	return calendar.DateOf(t, zone)
}
