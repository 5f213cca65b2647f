package eligibility_test

import (
	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/program/calendar"
)

// person holds thirteen facts as they come, known or not. The zero person is one of
// whom nothing is known.
type person struct {
	Birth     eligibility.Value[calendar.Date]
	Citizen   eligibility.Value[bool]
	Student   eligibility.Observation[bool]
	Official  eligibility.Observation[bool]
	Category  eligibility.Value[string]
	Household eligibility.Value[int64]
	Awards    eligibility.Value[int64]
	Revoked   eligibility.Value[bool]
	Aid       eligibility.Observation[bool]
	Subsidy   eligibility.Observation[bool]
	Grant     eligibility.Observation[bool]
	Matched   eligibility.Value[bool]
	Income    eligibility.Value[int64]
}

type facts struct {
	schema                              *eligibility.Schema[person]
	birth                               eligibility.DateFact
	citizen, student, official, revoked eligibility.BoolFact
	aid, subsidy, grant, matched        eligibility.BoolFact
	category                            eligibility.CodeFact
	household, awards                   eligibility.IntFact
	income                              eligibility.MoneyFact
}

func newFacts() facts {
	s := eligibility.NewSchema[person]()
	return facts{
		schema:    s,
		birth:     s.Date("birth", func(p *person) eligibility.Value[calendar.Date] { return p.Birth }),
		citizen:   s.Bool("citizen", func(p *person) eligibility.Value[bool] { return p.Citizen }),
		student:   s.Source("dapodik", 180).Bool("student", func(p *person) eligibility.Observation[bool] { return p.Student }),
		official:  s.Source("bkn", 90).Bool("official", func(p *person) eligibility.Observation[bool] { return p.Official }),
		category:  s.Code("category", []string{"seeker", "laid_off", "worker", "other"}, func(p *person) eligibility.Value[string] { return p.Category }),
		household: s.Int("household", func(p *person) eligibility.Value[int64] { return p.Household }),
		awards:    s.Int("awards", func(p *person) eligibility.Value[int64] { return p.Awards }),
		revoked:   s.Bool("revoked", func(p *person) eligibility.Value[bool] { return p.Revoked }),
		aid:       s.Source("dtks", 0).Bool("aid", func(p *person) eligibility.Observation[bool] { return p.Aid }),
		subsidy:   s.Source("bpjs", 0).Bool("subsidy", func(p *person) eligibility.Observation[bool] { return p.Subsidy }),
		grant:     s.Source("kemenkop", 0).Bool("grant", func(p *person) eligibility.Observation[bool] { return p.Grant }),
		matched:   s.Bool("matched", func(p *person) eligibility.Value[bool] { return p.Matched }),
		income:    s.Money("income", eligibility.IDR(), func(p *person) eligibility.Value[int64] { return p.Income }),
	}
}

// newFactsTogether declares the same facts, read by one function.
func newFactsTogether() facts {
	s := eligibility.NewSchema[person]()
	f := facts{
		schema:    s,
		birth:     s.Date("birth", nil),
		citizen:   s.Bool("citizen", nil),
		student:   s.Source("dapodik", 180).Bool("student", nil),
		official:  s.Source("bkn", 90).Bool("official", nil),
		category:  s.Code("category", []string{"seeker", "laid_off", "worker", "other"}, nil),
		household: s.Int("household", nil),
		awards:    s.Int("awards", nil),
		revoked:   s.Bool("revoked", nil),
		aid:       s.Source("dtks", 0).Bool("aid", nil),
		subsidy:   s.Source("bpjs", 0).Bool("subsidy", nil),
		grant:     s.Source("kemenkop", 0).Bool("grant", nil),
		matched:   s.Bool("matched", nil),
		income:    s.Money("income", eligibility.IDR(), nil),
	}
	s.Read(func(p *person, row *eligibility.Row) {
		row.Date(f.birth, p.Birth)
		row.Bool(f.citizen, p.Citizen)
		row.Bool(f.student, p.Student.Value)
		row.Asked(f.student.Fact, p.Student.On)
		row.Bool(f.official, p.Official.Value)
		row.Asked(f.official.Fact, p.Official.On)
		row.Code(f.category, p.Category)
		row.Int(f.household, p.Household)
		row.Int(f.awards, p.Awards)
		row.Bool(f.revoked, p.Revoked)
		row.Bool(f.aid, p.Aid.Value)
		row.Bool(f.subsidy, p.Subsidy.Value)
		row.Bool(f.grant, p.Grant.Value)
		row.Bool(f.matched, p.Matched)
		row.Money(f.income, p.Income)
	})
	return f
}

var always = eligibility.Stages()

// policy has ten rules over thirteen facts.
func (f facts) policy() eligibility.Policy {
	perpres := func(article string) eligibility.Basis { return eligibility.Article("Perpres 76/2020", article) }
	permenko := func(article string) eligibility.Basis { return eligibility.Article("Permenko 11/2020", article) }
	from := calendar.Of(2020, 7, 8)
	return eligibility.Policy{Name: "semi-aid", Rules: []eligibility.Rule{
		{Code: "citizen", Require: f.citizen.Is(true), Basis: perpres("3(4)a"), From: from, At: always},
		{Code: "adult", Require: f.birth.AgeAtLeast(18), Basis: permenko("2(4)b"), From: from, At: always},
		{Code: "not-a-student", Require: f.student.Is(false), Basis: permenko("2(4)c"), From: from, At: always},
		{Code: "category", Require: f.category.In("seeker", "laid_off", "worker"), Basis: permenko("2(2)-(3)"), From: from, At: always},
		{Code: "not-an-official", Require: f.official.Is(false), Basis: permenko("2(5)"), From: from, At: always},
		{Code: "household", Require: f.household.AtMost(1), Basis: eligibility.WithoutArticle("two recipients per family card"), From: from, At: []string{"join", "screen", "accept"}},
		{Code: "first-time", Require: eligibility.All(f.awards.Equals(0), f.revoked.Is(false)), Basis: permenko("17"), From: from, At: []string{"join", "screen", "accept"}},
		{Code: "no-other-aid", Require: eligibility.Not(eligibility.Any(f.aid.Is(true), f.subsidy.Is(true), f.grant.Is(true))), Basis: eligibility.WithoutArticle("no second social assistance"), From: from, Until: calendar.Of(2023, 2, 17), At: always},
		{Code: "matched", Require: f.matched.Is(true), Basis: eligibility.WithoutArticle("number matches the population register"), From: from, At: always},
		{Code: "income", Require: f.income.Between(0, 50_000_000_00), Basis: eligibility.WithoutArticle("a limit made up for the test"), From: from, At: always},
	}}
}

var asOf = calendar.Of(2020, 8, 8)

func observed(v bool) eligibility.Observation[bool] {
	return eligibility.Observation[bool]{Value: eligibility.Known(v), On: calendar.Of(2020, 8, 1)}
}

// sri meets every rule.
func sri() person {
	return person{
		Birth: eligibility.Known(calendar.Of(1997, 3, 14)), Citizen: eligibility.Known(true),
		Student: observed(false), Official: observed(false), Category: eligibility.Known("seeker"),
		Household: eligibility.Known[int64](0), Awards: eligibility.Known[int64](0), Revoked: eligibility.Known(false),
		Aid: observed(false), Subsidy: observed(false), Grant: observed(false),
		Matched: eligibility.Known(true), Income: eligibility.Known[int64](2_345_678_00),
	}
}
