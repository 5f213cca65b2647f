// Package eligibility decides whether a person may take part, by dated rules with
// their legal basis, and says why in the person's language.
//
// A Schema names the facts. Rules are conditions on facts, as data:
//
//	type Jobseeker struct{ Birth calendar.Date; Studies eligibility.Observation[bool] }
//
//	s := eligibility.NewSchema[Jobseeker]()
//	birth := s.Date("birth", func(j *Jobseeker) eligibility.Value[calendar.Date] {
//		if j.Birth.IsZero() {
//			return eligibility.Unknown[calendar.Date](eligibility.NotAsked)
//		}
//		return eligibility.Known(j.Birth)
//	})
//	student := s.Source("dapodik", 180).Bool("student", func(j *Jobseeker) eligibility.Observation[bool] {
//		return j.Studies
//	})
//	policy := eligibility.Policy{Name: "permenko-11", Rules: []eligibility.Rule{
//		{Code: "adult", Require: birth.AgeAtLeast(18), Basis: eligibility.Article("Permenko 11/2020", "2(4)b"),
//			From: calendar.Of(2020, 7, 8), At: eligibility.Stages()},
//		{Code: "not-a-student", Require: student.Is(false), Basis: eligibility.Article("Permenko 11/2020", "2(4)c"),
//			From: calendar.Of(2020, 7, 8), At: eligibility.Stages()},
//	}}
//	compiled, err := eligibility.Compile(s, policy, nil)
//
//	d := compiled.Decide(&Jobseeker{Birth: calendar.Of(2004, 1, 1)}, "join", calendar.Of(2020, 8, 8))
//	fmt.Println(d)
//	// permenko-11 join as of 2020-08-08: ineligible; adult: fail; not-a-student: unknown student(not-asked, dapodik)
//	fmt.Println(compiled.Reason("en", d.Finding(0)))
//	// Not met: age by birth is at least 18 years. Basis: Permenko 11/2020, Article 2(4)b.
//
// Every rule is asked, in Kleene's three-valued logic. A rule that fails makes the
// person ineligible; otherwise a rule that is undecided makes the decision
// pending, with the evidence to ask for; otherwise the person is eligible. Someone
// of whom nothing is known is always pending.
//
// The as-of date is the legal date: it chooses the rules and the values of
// parameters in force, and ages and the freshness of evidence are counted to it.
// PlanKnown takes the rules and parameters as they were known on an earlier day. With
// the facts of a decision, which Decision.AppendFacts gives and Plan.DecideFacts takes,
// an old decision is made again. Nothing reads a clock; LegalDate turns an instant into
// a day of the policy's zone.
//
// A policy can also be read from JSON (ParsePolicy), which gives the same value as
// building it in Go and so the same Digest. Load wants a policy file to carry its
// cases: for each rule one that passes, one that fails and one that is unknown.
// What cannot be decided is refused then and there: unknown facts and codes, empty
// ranges, rules that can never pass or never fail, overlapping periods. A requirement
// that no condition can express is written in Go (Schema.Go).
//
// To decide about many people, make a Plan once and give it one Decision to
// overwrite: that allocates nothing. Schema.Read declares one function for many
// facts, which is quicker than one for each. To ask several plans about the same people,
// put them into blocks of columns once (to fill a block costs as much as to decide
// by row) and ask Plan.DecideBlock, Diff (who is decided otherwise by a new
// policy, and by which rule), Coverage (which rules never fire) and Impact (what
// another value of a parameter does).
package eligibility
