package eligibility_test

import (
	"fmt"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/program/calendar"
)

func Example() {
	type Jobseeker struct {
		Birth   calendar.Date
		Studies eligibility.Observation[bool]
	}
	s := eligibility.NewSchema[Jobseeker]()
	birth := s.Date("birth", func(j *Jobseeker) eligibility.Value[calendar.Date] {
		if j.Birth.IsZero() {
			return eligibility.Unknown[calendar.Date](eligibility.NotAsked)
		}
		return eligibility.Known(j.Birth)
	})
	student := s.Source("dapodik", 180).Bool("student", func(j *Jobseeker) eligibility.Observation[bool] {
		return j.Studies
	})
	policy := eligibility.Policy{Name: "permenko-11", Rules: []eligibility.Rule{
		{Code: "adult", Require: birth.AgeAtLeast(18), Basis: eligibility.Article("Permenko 11/2020", "2(4)b"),
			From: calendar.Of(2020, 7, 8), At: eligibility.Stages()},
		{Code: "not-a-student", Require: student.Is(false), Basis: eligibility.Article("Permenko 11/2020", "2(4)c"),
			From: calendar.Of(2020, 7, 8), At: eligibility.Stages()},
	}}
	compiled, err := eligibility.Compile(s, policy, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	d := compiled.Decide(&Jobseeker{Birth: calendar.Of(2004, 1, 1)}, "join", calendar.Of(2020, 8, 8))
	fmt.Println(d)
	fmt.Println(compiled.Reason("en", d.Finding(0)))
	fmt.Println(compiled.Reason("id", d.Finding(1)))
	// Output:
	// permenko-11 join as of 2020-08-08: ineligible; adult: fail; not-a-student: unknown student(not-asked, dapodik)
	// Not met: age by birth is at least 18 years. Basis: Permenko 11/2020, Article 2(4)b.
	// Belum dapat dinilai: student: tidak. Masih diperlukan: student (belum ditanyakan; sumber: dapodik). Dasar: Permenko 11/2020, Pasal 2(4)c.
}

func ExampleDiff() {
	type Jobseeker struct{ Birth calendar.Date }
	s := eligibility.NewSchema[Jobseeker]()
	birth := s.Date("birth", func(j *Jobseeker) eligibility.Value[calendar.Date] { return eligibility.Known(j.Birth) })
	plan := func(c eligibility.Condition) *eligibility.Plan[Jobseeker] {
		compiled, err := eligibility.Compile(s, eligibility.Policy{Name: "ages", Rules: []eligibility.Rule{
			{Code: "age", Require: c, Basis: eligibility.WithoutArticle("an example"), At: []string{"join"}}}}, nil)
		if err != nil {
			fmt.Println(err)
			return nil
		}
		return compiled.Plan("join", calendar.Of(2023, 2, 17))
	}
	people := eligibility.Population(s, []Jobseeker{{calendar.Of(1950, 1, 1)}, {calendar.Of(1990, 1, 1)}})
	d, err := eligibility.Diff(plan(birth.AgeAtLeast(18)), plan(eligibility.All(birth.AgeAtLeast(18), birth.AgeAtMost(64))), people, func(c eligibility.Change) {
		fmt.Println("person", c.Row, c.From, "to", c.To, "by", c.Rules)
	})
	fmt.Println(d.New.Eligible, "of", d.Old.Eligible, "stay eligible;", err)
	// Output:
	// person 0 eligible to ineligible by [age]
	// 1 of 2 stay eligible; <nil>
}
