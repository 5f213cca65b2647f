package eligibility_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/program/calendar"
)

// A parameter has periods and a basis of its own; the rule stays as it is.
func TestParamsFollowTheLegalDate(t *testing.T) {
	f := newFacts()
	decree := func(n string) eligibility.Basis { return eligibility.Article("Decree "+n, "1") }
	p := eligibility.Policy{Name: "p",
		Params: []eligibility.Param{
			{Name: "limit", Value: 3_000_000_00, Currency: "IDR", Basis: decree("1"), Until: calendar.Of(2021, 1, 1)},
			{Name: "limit", Value: 4_000_000_00, Currency: "IDR", Basis: decree("2"), From: calendar.Of(2021, 1, 1)},
		},
		Rules: []eligibility.Rule{{Code: "income", Require: f.income.AtMostParam("limit"), Basis: eligibility.Article("Law 1", "2"), At: always}}}
	c, err := eligibility.Compile(f.schema, p, nil)
	require.NoError(t, err)
	someone := person{Income: eligibility.Known[int64](3_500_000_00)}
	before, after := c.Decide(&someone, "join", calendar.Of(2020, 12, 31)), c.Decide(&someone, "join", calendar.Of(2021, 1, 1))
	require.Equal(t, eligibility.Ineligible, before.Verdict)
	require.Equal(t, eligibility.Eligible, after.Verdict)
	require.Equal(t, "Not met: income is at most Rp3.000.000. Basis: Law 1, Article 2; Decree 1, Article 1.", c.Reason("en", before.Finding(0)))
	require.Equal(t, p.Params[1:], after.Finding(0).Params())

	people := eligibility.Population(f.schema, []person{someone, {Income: eligibility.Known[int64](4_500_000_00)}, {}})
	tallies, err := eligibility.Impact(c, "join", calendar.Of(2021, 1, 1), "limit", []int64{1_00, 4_000_000_00, 5_000_000_00}, people)
	require.NoError(t, err)
	require.Equal(t, []eligibility.Tally{{Pending: 1, Ineligible: 2}, {Pending: 1, Eligible: 1, Ineligible: 1}, {Pending: 1, Eligible: 2}}, tallies)
	_, err = eligibility.Impact(c, "join", asOf, "nothing", []int64{1}, people)
	require.Equal(t, []string{"params: param"}, faultsOf(t, err))
}

// An old decision is made again with what was known then.
func TestKnownAt(t *testing.T) {
	f := newFacts()
	rule := func(most int64, known, from, until calendar.Date) eligibility.Rule {
		return eligibility.Rule{Code: "household", Require: f.household.AtMost(most), Basis: eligibility.WithoutArticle("x"), At: always, Known: known, From: from, Until: until}
	}
	day := calendar.Of
	c, err := eligibility.Compile(f.schema, eligibility.Policy{Name: "p", Rules: []eligibility.Rule{
		rule(1, calendar.Date{}, calendar.Date{}, calendar.Date{}),
		rule(2, day(2020, 6, 1), day(2020, 3, 1), day(2021, 1, 1)), // with effect for the past
	}}, nil)
	require.NoError(t, err)
	two := person{Household: eligibility.Known[int64](2)}
	for _, test := range []struct {
		legal, known calendar.Date
		want         eligibility.Verdict
		rules        int
	}{
		{day(2020, 4, 1), day(2020, 5, 31), eligibility.Ineligible, 1}, // as it was decided then
		{day(2020, 4, 1), day(2020, 6, 1), eligibility.Eligible, 1},
		{day(2020, 4, 1), calendar.Date{}, eligibility.Eligible, 1},
		{day(2020, 2, 1), calendar.Date{}, eligibility.Ineligible, 1},
		{day(2021, 1, 1), calendar.Date{}, eligibility.Ineligible, 1}, // after the later edition the first stands
		{day(2021, 1, 1), day(2020, 5, 31), eligibility.Ineligible, 1},
	} {
		var d eligibility.Decision
		c.PlanKnown("join", test.legal, test.known).Decide(&two, &d)
		require.Equal(t, test.want, d.Verdict, "%v", test)
		require.Equal(t, test.rules, d.Len(), "%v", test)
	}
}

// The legal date is the day in the policy's own zone.
func TestLegalDateInZone(t *testing.T) {
	f := newFacts()
	p := f.policy()
	at := time.Date(2023, 2, 16, 18, 0, 0, 0, time.UTC)
	for zone, want := range map[string]calendar.Date{"": calendar.Of(2023, 2, 16), "Asia/Jakarta": calendar.Of(2023, 2, 17)} {
		p.Zone = zone
		c, err := eligibility.Compile(f.schema, p, nil)
		require.NoError(t, err)
		require.Equal(t, want, c.LegalDate(at))
	}
	p.Zone = "Local"
	_, err := eligibility.Compile(f.schema, p, nil)
	require.Equal(t, []string{"zone: zone"}, faultsOf(t, err))
}

// A notice is reported and never decides, in a row and in columns.
func TestNoticesNeverDecide(t *testing.T) {
	f := newFacts()
	rules := []eligibility.Rule{
		{Code: "citizen", Require: f.citizen.Is(true), Basis: eligibility.WithoutArticle("x"), At: always},
		{Code: "rich", Require: f.income.AtMost(1_00), Basis: eligibility.WithoutArticle("x"), At: always, Severity: eligibility.Notice},
	}
	c, err := eligibility.Compile(f.schema, eligibility.Policy{Name: "p", Rules: rules}, nil)
	require.NoError(t, err)
	d := c.Decide(ptr(sri()), "join", asOf)
	require.Equal(t, eligibility.Eligible, d.Verdict)
	require.Equal(t, eligibility.Fail, d.Outcome(1))
	require.Equal(t, eligibility.Notice, d.Finding(1).Severity())
	require.Empty(t, d.Missing())
	only, err := eligibility.Compile(f.schema, eligibility.Policy{Name: "p", Rules: rules[1:]}, nil)
	require.NoError(t, err)
	require.Equal(t, eligibility.Pending, only.Decide(ptr(sri()), "join", asOf).Verdict, "nothing decided: nothing fails open")
	var o eligibility.Outcomes
	require.NoError(t, only.Plan("join", asOf).DecideBlock(eligibility.Population(f.schema, []person{sri()})[0], &o))
	require.Equal(t, eligibility.Pending, o.Verdict(0))
}

func ptr[T any](v T) *T { return &v }

func TestEditionFaults(t *testing.T) {
	f := newFacts()
	basis := eligibility.WithoutArticle("x")
	day := calendar.Of
	income := eligibility.Rule{Code: "income", Require: f.income.AtMostParam("limit"), Basis: basis, At: always, From: day(2020, 1, 1)}
	limit := eligibility.Param{Name: "limit", Value: 1_00, Currency: "IDR", Basis: basis}
	plain := func(c eligibility.Condition) eligibility.Rule {
		return eligibility.Rule{Code: "r", Require: c, Basis: basis, At: always}
	}
	for _, test := range []struct {
		name   string
		params []eligibility.Param
		rule   eligibility.Rule
		want   string
	}{
		{"no such parameter", nil, income, "rules[0].require: param"},
		{"in another currency", []eligibility.Param{{Name: "limit", Value: 1, Basis: basis}}, income, "params[0].value: currency"},
		{"an impossible age", []eligibility.Param{{Name: "age", Value: 151, Basis: basis}}, plain(f.birth.AgeAtLeastParam("age")), "params[0].value: range"},
		{"without basis", []eligibility.Param{{Name: "limit", Value: 1, Currency: "IDR"}}, income, "params[0].basis: basis"},
		{"begins too late", []eligibility.Param{{Name: "limit", Value: 1, Currency: "IDR", Basis: basis, From: day(2020, 1, 2)}}, income, "rules[0]: gap"},
		{"ends too early", []eligibility.Param{{Name: "limit", Value: 1, Currency: "IDR", Basis: basis, Until: day(2030, 1, 2)}}, income, "rules[0]: gap"},
		{"known too late", []eligibility.Param{{Name: "limit", Value: 1, Currency: "IDR", Basis: basis, Known: day(2030, 1, 2)}}, income, "rules[0]: gap"},
		{"overlap", []eligibility.Param{limit, {Name: "limit", Value: 2, Currency: "IDR", Basis: basis, From: day(2021, 1, 1)}}, income, "params[1]: overlap"},
		{"in no currency", nil, plain(eligibility.NewSchema[person]().Int("income", nil).AtMost(5)), "rules[0].require: currency"},
		{"can never pass", nil, plain(eligibility.All(f.birth.AgeAtLeast(18), f.birth.AgeAtMost(17))), "rules[0].require: constant"},
		{"can never fail", nil, plain(eligibility.Any(f.household.AtMost(3), f.citizen.Is(true), f.household.AtLeast(3))), "rules[0].require: constant"},
		{"never both codes", nil, plain(eligibility.All(f.category.In("seeker"), f.category.In("worker"))), "rules[0].require: constant"},
		{"no such day between", nil, plain(eligibility.All(f.birth.OnOrAfter(day(2021, 3, 1)), f.birth.OnOrBefore(day(2021, 2, 28)))), "rules[0].require: constant"},
		{"nested", nil, plain(eligibility.AtLeastN(2, f.citizen.Is(true), eligibility.Not(f.citizen.Is(true)))), "rules[0].require: constant"},
		{"the parameter makes it so", []eligibility.Param{{Name: "age", Value: 17, Basis: basis}}, plain(eligibility.All(f.birth.AgeAtLeast(18), f.birth.AgeAtMostParam("age"))), "rules[0].require: constant"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := eligibility.Compile(f.schema, eligibility.Policy{Name: "p", Params: test.params, Rules: []eligibility.Rule{test.rule}}, nil)
			require.Equal(t, []string{test.want}, faultsOf(t, err))
		})
	}
	_, err := eligibility.Compile(f.schema, eligibility.Policy{Name: "p", Params: []eligibility.Param{limit}, Rules: []eligibility.Rule{income}}, nil)
	require.NoError(t, err, "the control")
}

// A rule in Go names its facts and its reason, says what is missing, and is not asked
// about somebody of whom none of its facts is known.
func TestGoRule(t *testing.T) {
	s := eligibility.NewSchema[person]()
	awards := s.Int("awards", func(p *person) eligibility.Value[int64] { return p.Awards })
	revoked := s.Bool("revoked", func(p *person) eligibility.Value[bool] { return p.Revoked })
	reason := map[string]string{"id": "catatan penerima bersih", "en": "the record is clean"}
	clean := s.Go("clean-record", eligibility.GoRule{Facts: []eligibility.Fact{awards.Fact, revoked.Fact}, Reason: reason,
		Decide: func(g eligibility.Given) eligibility.Outcome {
			n, ok := g.Int(awards).Get()
			_, known := g.Bool(revoked).Get()
			switch {
			case ok && n > 5:
				return eligibility.Fail
			case !ok || !known:
				return eligibility.Undecided
			}
			return eligibility.Pass
		}})
	policy := eligibility.Policy{Name: "p", Rules: []eligibility.Rule{{Code: "clean", Require: clean.Holds(), Basis: eligibility.WithoutArticle("x"), At: always}}}
	c, err := eligibility.Compile(s, policy, nil)
	require.NoError(t, err)
	d := c.Decide(&person{Awards: eligibility.Known[int64](6)}, "join", asOf)
	require.Equal(t, "Not met: the record is clean. Basis: policy without a known article: x.", c.Reason("en", d.Finding(0)))
	d = c.Decide(&person{Awards: eligibility.Known[int64](1)}, "join", asOf)
	require.Equal(t, []eligibility.Missing{{Fact: "revoked"}}, d.Missing())
	d = c.Decide(&person{}, "join", asOf)
	require.Equal(t, []eligibility.Missing{{Fact: "awards"}, {Fact: "revoked"}}, d.Missing())

	bad := eligibility.NewSchema[person]()
	bad.Go("nameless", eligibility.GoRule{})
	_, err = eligibility.Compile(bad, policy, nil)
	require.Equal(t, []string{"facts.nameless: facts", "facts.nameless: reason", "facts.nameless: decide", "rules[0].require: fact"}, faultsOf(t, err))
	half := eligibility.NewSchema[person]()
	n := half.Int("awards", func(p *person) eligibility.Value[int64] { return p.Awards })
	half.Go("clean-record", eligibility.GoRule{Facts: []eligibility.Fact{n.Fact}, Reason: map[string]string{"id": "x"}, Decide: func(eligibility.Given) eligibility.Outcome { return eligibility.Pass }})
	_, err = eligibility.Compile(half, policy, nil)
	require.Equal(t, []string{"rules[0]: texts"}, faultsOf(t, err))
}

// Sources register what they provide, and how fresh it must be.
func TestSources(t *testing.T) {
	require.Equal(t, []eligibility.Provision{
		{Source: "dapodik", Fact: "student", Kind: "bool", MaxDays: 180}, {Source: "bkn", Fact: "official", Kind: "bool", MaxDays: 90},
		{Source: "dtks", Fact: "aid", Kind: "bool"}, {Source: "bpjs", Fact: "subsidy", Kind: "bool"}, {Source: "kemenkop", Fact: "grant", Kind: "bool"},
	}, newFacts().schema.Sources())
}

// A rule in Go is given facts as the plan sees them: an answer that is too old is unknown
// to it, in a row and in columns, and so is a fact that it does not name.
func TestGoRuleSeesNoOldAnswer(t *testing.T) {
	s := eligibility.NewSchema[person]()
	official := s.Source("bkn", 90).Bool("official", func(p *person) eligibility.Observation[bool] { return p.Official })
	citizen := s.Bool("citizen", func(p *person) eligibility.Value[bool] { return p.Citizen })
	matched := s.Bool("matched", func(p *person) eligibility.Value[bool] { return p.Matched })
	private := s.Go("private", eligibility.GoRule{Facts: []eligibility.Fact{official.Fact, citizen.Fact}, Reason: map[string]string{"id": "x", "en": "x"},
		Decide: func(g eligibility.Given) eligibility.Outcome {
			if _, ok := g.Bool(matched).Get(); ok {
				return eligibility.Fail // it is not named
			}
			switch yes, ok := g.Bool(official).Get(); {
			case !ok:
				return eligibility.Undecided
			case yes:
				return eligibility.Fail
			}
			return eligibility.Pass
		}})
	c, err := eligibility.Compile(s, eligibility.Policy{Name: "p", Rules: []eligibility.Rule{{Code: "private", Require: private.Holds(), Basis: eligibility.WithoutArticle("x"), At: always}}}, nil)
	require.NoError(t, err)
	p := sri() // a citizen, asked on 2020-08-01
	blocks := eligibility.Population(s, []person{p})
	for _, test := range []struct {
		legal calendar.Date
		want  eligibility.Verdict
	}{{asOf, eligibility.Eligible}, {calendar.Of(2020, 10, 30), eligibility.Eligible}, {calendar.Of(2020, 10, 31), eligibility.Pending}} {
		plan := c.Plan("join", test.legal)
		var d, again eligibility.Decision
		var o eligibility.Outcomes
		plan.Decide(&p, &d)
		require.NoError(t, plan.DecideBlock(blocks[0], &o))
		require.Equal(t, test.want, d.Verdict, d)
		require.Equal(t, test.want, o.Verdict(0), test.legal)
		first := c.Decide(&p, "join", asOf)
		require.NoError(t, plan.DecideFacts(first.AppendFacts(nil), &again))
		require.Equal(t, test.want, again.Verdict, "from what was known at first")
	}
	d := c.Decide(&p, "join", calendar.Of(2020, 10, 31))
	require.Equal(t, []eligibility.Missing{{Fact: "official", Source: "bkn", Cause: eligibility.Expired}}, d.Missing())
}

// An edition that became known later corrects its own period and ends nothing: only a
// repeal, with its basis, takes a rule out of force.
func TestOnlyARepealEndsARule(t *testing.T) {
	f := newFacts()
	day := calendar.Of
	rules := []eligibility.Rule{
		{Code: "clean", Require: f.revoked.Is(false), Basis: eligibility.WithoutArticle("first"), At: always},
		{Code: "clean", Require: eligibility.Any(f.revoked.Is(false), f.citizen.Is(true)), Basis: eligibility.WithoutArticle("corrected"), At: always,
			From: day(2020, 3, 1), Until: day(2020, 7, 1), Known: day(2021, 1, 1)},
	}
	barred := person{Revoked: eligibility.Known(true), Citizen: eligibility.Known(true)}
	repealed := append(append([]eligibility.Rule{}, rules...), eligibility.Rule{Code: "clean", Repeal: true, Basis: eligibility.Article("Perpres 1", "2"), From: day(2023, 1, 1), Known: day(2022, 12, 1)})
	for _, test := range []struct {
		rules  []eligibility.Rule
		legal  calendar.Date
		known  calendar.Date
		passes bool
		asked  int
	}{
		{rules, day(2020, 2, 29), calendar.Date{}, false, 1},
		{rules, day(2020, 3, 1), calendar.Date{}, true, 1},
		{rules, day(2020, 3, 1), day(2020, 12, 31), false, 1},
		{rules, day(2020, 7, 1), calendar.Date{}, false, 1},
		{rules, day(2030, 1, 1), calendar.Date{}, false, 1},
		{repealed, day(2022, 12, 31), calendar.Date{}, false, 1},
		{repealed, day(2023, 1, 1), day(2022, 11, 30), false, 1},
		{repealed, day(2023, 1, 1), calendar.Date{}, false, 0},
		{repealed, day(2020, 3, 1), calendar.Date{}, true, 1},
	} {
		c, err := eligibility.Compile(f.schema, eligibility.Policy{Name: "p", Rules: test.rules}, nil)
		require.NoError(t, err)
		var d eligibility.Decision
		c.PlanKnown("join", test.legal, test.known).Decide(&barred, &d)
		require.Equal(t, test.asked, d.Len(), "%v", test.legal)
		require.Equal(t, test.passes, d.Verdict == eligibility.Eligible, "%v", test.legal)
	}
	wrong := repealed[2]
	wrong.At, wrong.Require = always, f.citizen.Is(true)
	_, err := eligibility.Compile(f.schema, eligibility.Policy{Name: "p", Rules: []eligibility.Rule{rules[0], wrong}}, nil)
	require.Equal(t, []string{"rules[1].repeal: repeal"}, faultsOf(t, err))
	wrong = repealed[2]
	wrong.Known, wrong.Basis = calendar.Date{}, eligibility.Basis{}
	_, err = eligibility.Compile(f.schema, eligibility.Policy{Name: "p", Rules: []eligibility.Rule{rules[0], wrong}}, nil)
	require.Equal(t, []string{"rules[1].basis: basis", "rules[1]: overlap"}, faultsOf(t, err), "known from the first, the rule itself ends")
}

// Every edition that overlaps an earlier one is reported, not neighbours only.
func TestEveryOverlapIsReported(t *testing.T) {
	f := newFacts()
	edition := func(from, until int) eligibility.Rule {
		return eligibility.Rule{Code: "r", Require: f.citizen.Is(true), Basis: eligibility.WithoutArticle("x"), At: always, From: calendar.Of(from, 1, 1), Until: calendar.Of(until, 1, 1)}
	}
	_, err := eligibility.Compile(f.schema, eligibility.Policy{Name: "p", Rules: []eligibility.Rule{edition(2020, 2030), edition(2021, 2022), edition(2023, 2024), edition(2030, 2031)}}, nil)
	require.Equal(t, []string{"rules[1]: overlap", "rules[2]: overlap"}, faultsOf(t, err))
}

// A rule for a cohort passes in some years only, and is not constant for that; one that
// no day can pass is, also in one period of its parameter.
func TestConstantIsOfAWholePeriod(t *testing.T) {
	f := newFacts()
	day := calendar.Of
	cohort := []eligibility.Condition{f.birth.OnOrAfter(day(2007, 1, 1)), f.birth.OnOrBefore(day(2007, 12, 31))}
	basis := eligibility.WithoutArticle("x")
	age := func(n int64, from, until calendar.Date) eligibility.Param {
		return eligibility.Param{Name: "age", Value: n, Basis: basis, From: from, Until: until}
	}
	compile := func(c eligibility.Condition, from, until calendar.Date, params ...eligibility.Param) error {
		_, err := eligibility.Compile(f.schema, eligibility.Policy{Name: "p", Params: params, Rules: []eligibility.Rule{{Code: "r", Require: c, Basis: basis, At: always, From: from, Until: until}}}, nil)
		return err
	}
	grown := eligibility.All(append(cohort, f.birth.AgeAtLeast(18), f.birth.AgeAtMost(25))...)
	byParam := eligibility.All(append(cohort, f.birth.AgeAtLeastParam("age"), f.birth.AgeAtMost(25))...)
	never := calendar.Date{}
	require.NoError(t, compile(grown, day(2020, 1, 1), never))
	require.NoError(t, compile(grown, never, never))
	require.NoError(t, compile(grown, never, day(2100, 1, 1)))
	require.NoError(t, compile(grown, day(2020, 1, 1), day(2025, 1, 2)))
	require.NoError(t, compile(byParam, day(2020, 1, 1), never, age(18, never, never)))
	require.NoError(t, compile(byParam, day(2020, 1, 1), never, age(18, never, day(2030, 1, 1)), age(20, day(2030, 1, 1), never)))
	for _, err := range []error{
		compile(grown, day(2020, 1, 1), day(2025, 1, 1)), // it ends a day too early
		compile(grown, day(2034, 1, 1), never),           // it begins a day too late
		compile(byParam, day(2020, 1, 1), never, age(26, never, never)),
		compile(byParam, day(2020, 1, 1), never, age(18, never, day(2030, 1, 1)), age(26, day(2030, 1, 1), never)),
	} {
		require.Equal(t, []string{"rules[0].require: constant"}, faultsOf(t, err))
	}
}

// A dictionary of the greatest size is checked in one pass.
func BenchmarkCompileGreatestDictionary(b *testing.B) {
	codes := make([]string, 65_535)
	for i := range codes {
		codes[i] = strconv.Itoa(i)
	}
	s := eligibility.NewSchema[person]()
	place := s.Code("place", codes, func(p *person) eligibility.Value[string] { return p.Category })
	for b.Loop() {
		_, err := eligibility.Compile(s, eligibility.Policy{Name: "p", Rules: []eligibility.Rule{{Code: "r", Require: place.In("7", "65534"), Basis: eligibility.WithoutArticle("x"), At: always}}}, nil)
		require.NoError(b, err)
	}
}
