package eligibility_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/program/calendar"
)

func compiled(t testing.TB) *eligibility.Compiled[person] {
	f := newFacts()
	c, err := eligibility.Compile(f.schema, f.policy(), nil)
	require.NoError(t, err)
	return c
}

func TestDecide(t *testing.T) {
	c := compiled(t)
	for _, test := range []struct {
		name   string
		change func(*person)
		want   eligibility.Verdict
		text   string // of the findings that did not pass
	}{
		{"everything met", func(p *person) {}, eligibility.Eligible, ""},
		{"eighteen today", func(p *person) { p.Birth = eligibility.Known(calendar.Of(2002, 8, 8)) }, eligibility.Eligible, ""},
		{"eighteen tomorrow", func(p *person) { p.Birth = eligibility.Known(calendar.Of(2002, 8, 9)) }, eligibility.Ineligible, "; adult: fail"},
		{"a birth date that does not exist", func(p *person) { p.Birth = eligibility.Known(calendar.Of(1990, 2, 30)) }, eligibility.Pending, "; adult: unknown birth(conflicting)"},
		{"answer of 90 days ago", func(p *person) { p.Official.On = asOf.AddDays(-90) }, eligibility.Eligible, ""},
		{"answer of 91 days ago", func(p *person) { p.Official.On = asOf.AddDays(-91) }, eligibility.Pending, "; not-an-official: unknown official(expired, bkn)"},
		{"an old yes is no proof either", func(p *person) { p.Official = observed(true); p.Official.On = asOf.AddDays(-91) }, eligibility.Pending, "; not-an-official: unknown official(expired, bkn)"},
		{"answer without a date", func(p *person) { p.Official.On = calendar.Date{} }, eligibility.Pending, "; not-an-official: unknown official(expired, bkn)"},
		{"answer without a limit never ages", func(p *person) { p.Aid.On = calendar.Date{} }, eligibility.Eligible, ""},
		{"source down", func(p *person) { p.Student.Value = eligibility.Unknown[bool](eligibility.SourceDown) }, eligibility.Pending, "; not-a-student: unknown student(source-down, dapodik)"},
		{"a code outside the dictionary", func(p *person) { p.Category = eligibility.Known("astronaut") }, eligibility.Pending, "; category: unknown category(conflicting)"},
		{"not applicable is not a pass", func(p *person) { p.Official.Value = eligibility.NotApplicable[bool]() }, eligibility.Ineligible, "; not-an-official: fail"},
		{"one failing part decides all", func(p *person) {
			p.Awards = eligibility.Known[int64](1)
			p.Revoked = eligibility.Unknown[bool](eligibility.NotAsked)
		}, eligibility.Ineligible, "; first-time: fail"},
		{"aid of one kind decides any", func(p *person) {
			p.Aid = eligibility.Observation[bool]{}
			p.Grant = observed(true)
		}, eligibility.Ineligible, "; no-other-aid: fail"},
		{"two answers missing", func(p *person) { p.Aid, p.Grant = eligibility.Observation[bool]{}, eligibility.Observation[bool]{} }, eligibility.Pending, "; no-other-aid: unknown aid(not-asked, dtks) grant(not-asked, kemenkop)"},
		{"a failure outweighs what is unknown", func(p *person) { *p = person{Citizen: eligibility.Known(false)} }, eligibility.Ineligible, "; citizen: fail; adult: unknown birth(not-asked)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := sri()
			test.change(&p)
			d := c.Decide(&p, "join", asOf)
			require.Equal(t, test.want, d.Verdict, d)
			require.Equal(t, 10, d.Len())
			require.True(t, strings.HasPrefix(d.String(), "semi-aid join as of 2020-08-08: "+test.want.String()+test.text), d.String())
		})
	}
}

// The rules are those of the stage and of the legal date.
func TestRulesOfStageAndDate(t *testing.T) {
	c := compiled(t)
	p := sri()
	for _, test := range []struct {
		stage string
		asOf  calendar.Date
		rules int
		want  eligibility.Verdict
	}{
		{"join", calendar.Of(2020, 7, 8), 10, eligibility.Eligible},
		{"payout", asOf, 8, eligibility.Eligible},
		{"payout", calendar.Of(2020, 10, 31), 8, eligibility.Pending}, // answers of 1 August are 91 days old
		{"join", calendar.Of(2023, 2, 16), 10, eligibility.Pending},
		{"join", calendar.Of(2023, 2, 17), 9, eligibility.Pending}, // the rule on other aid has ended
		// Without rules nothing was decided, and nothing fails open.
		{"join", calendar.Of(2020, 7, 7), 0, eligibility.Pending},
		{"lunch", asOf, 0, eligibility.Pending},
		{"join", calendar.Date{}, 0, eligibility.Pending},
	} {
		d := c.Decide(&p, test.stage, test.asOf)
		require.Equal(t, test.rules, d.Len(), "%s %s", test.stage, test.asOf)
		require.Equal(t, test.want, d.Verdict, d)
	}
	require.Equal(t, eligibility.Pending, c.Decide(nil, "join", asOf).Verdict)
}

// Someone of whom nothing is known is pending under every operator and combination, also
// with a parameter, and the list of evidence has all facts that were asked, and why each
// is unknown.
func TestNothingKnownIsPending(t *testing.T) {
	f := newFacts()
	leaves := append(everyLeaf(f), f.household.AtLeastParam("number"), f.household.AtMostParam("number"), f.income.AtLeastParam("money"), f.income.AtMostParam("money"),
		f.birth.AgeAtLeastParam("number"), f.birth.AgeAtMostParam("number"))
	params := []eligibility.Param{{Name: "number", Value: 18, Basis: eligibility.WithoutArticle("test")}, {Name: "money", Value: 18_00, Currency: "IDR", Basis: eligibility.WithoutArticle("test")}}
	conditions := append([]eligibility.Condition{}, leaves...)
	for _, leaf := range leaves {
		conditions = append(conditions, eligibility.Not(leaf), eligibility.All(leaf, f.matched.Is(true)),
			eligibility.Any(leaf, f.revoked.Is(true)), eligibility.AtLeastN(2, leaf, f.revoked.Is(true), f.matched.Is(false)))
	}
	for _, cause := range []eligibility.Cause{eligibility.NotAsked, eligibility.SourceDown, eligibility.Expired, eligibility.Conflicting} {
		for _, condition := range conditions {
			c, err := eligibility.Compile(f.schema, eligibility.Policy{Name: "p", Params: params, Rules: []eligibility.Rule{{Code: "r", Require: condition, Basis: eligibility.WithoutArticle("test"), At: always}}}, nil)
			require.NoError(t, err)
			p := nothingKnown(cause)
			d := c.Decide(&p, "join", asOf)
			require.Equal(t, eligibility.Pending, d.Verdict, d)
			var asked []string
			for _, m := range d.Missing() {
				asked = append(asked, m.Fact)
				require.Equal(t, cause, m.Cause)
				require.Contains(t, c.Reason("id", d.Finding(0)), m.Fact)
			}
			require.Equal(t, condition.Facts(), asked)
			require.Equal(t, d.Missing(), d.Finding(0).Missing)
		}
	}
}

// The evidence is listed for the other operators too: sets of codes and rules in Go.
func TestNothingKnownOfSetsAndGoRules(t *testing.T) {
	for _, make := range []func() *eligibility.Schema[thing]{thingSchema, thingSchemaTogether} {
		schema := make()
		for _, test := range []struct {
			require, missing string
		}{
			{`{"fact":"skills","has_any":["sew"]}`, "skills(not-asked)"},
			{`{"fact":"skills","has_all":["sew","cook"]}`, "skills(not-asked)"},
			{`{"fact":"skills","known":true}`, "skills(not-asked)"},
			{`{"fact":"seen-skills","has_any":["weld"]}`, "seen-skills(not-asked, office)"},
			{`{"fact":"seen-skills","has_all":["weld"]}`, "seen-skills(not-asked, office)"},
			{`{"fact":"even","holds":true}`, "count(not-asked)"},
			{`{"fact":"seen-count","at_least":1}`, "seen-count(not-asked, office)"},
		} {
			for _, form := range []string{`%s`, `{"not":%s}`, `{"all":[%s,{"fact":"flag","is":true}]}`, `{"any":[%s,{"fact":"flag","is":true}]}`, `{"at_least":2,"of":[%s,{"fact":"flag","is":true},{"fact":"kind","in":["a"]}]}`} {
				p, err := eligibility.ParsePolicy([]byte(`{"name":"p","rules":[{"code":"r","require":` + fmt.Sprintf(form, test.require) + `,"basis":{"policy":"x"},"at":["join"]}]}`))
				require.NoError(t, err)
				c, err := eligibility.Compile(schema, p, nil)
				require.NoError(t, err)
				var nobody thing
				for _, each := range nobody.slots() {
					each.state = 'u'
				}
				d := c.Decide(&nobody, "join", asOf)
				require.Equal(t, eligibility.Pending, d.Verdict, d)
				require.Equal(t, test.missing, d.Missing()[0].String(), form)
				require.NotEmpty(t, c.Reason("id", d.Finding(0)))
				require.Contains(t, c.Reason("en", d.Finding(0)), d.Missing()[0].Fact)
			}
		}
	}
}

func nothingKnown(cause eligibility.Cause) person {
	no := eligibility.Unknown[bool](cause)
	observation := eligibility.Observation[bool]{Value: no}
	n := eligibility.Unknown[int64](cause)
	return person{eligibility.Unknown[calendar.Date](cause), no, observation, observation, eligibility.Unknown[string](cause), n, n, no, observation, observation, observation, no, n}
}

func everyLeaf(f facts) []eligibility.Condition {
	return []eligibility.Condition{
		f.citizen.Is(true), f.citizen.Is(false), f.student.Is(false), f.aid.Is(true), f.citizen.Known(), f.student.Known(),
		f.household.Equals(0), f.household.AtLeast(1), f.household.AtMost(1), f.income.Between(100_00, 200_00), f.income.Known(),
		f.birth.OnOrAfter(calendar.Of(2000, 2, 29)), f.birth.OnOrBefore(calendar.Of(2002, 1, 1)), f.birth.AgeAtLeast(18), f.birth.AgeAtMost(20), f.birth.Known(),
		f.category.In("seeker"), f.category.In("worker", "other"), f.category.Known(),
	}
}

// A finding gives the person's value when asked, and never when printed.
func TestActualNeverPrints(t *testing.T) {
	c := compiled(t)
	p := sri()
	p.Category = eligibility.Known("laid_off")
	d := c.Decide(&p, "join", asOf)
	actual := map[string]string{}
	for _, f := range d.Findings() {
		for _, fact := range f.Facts() {
			if v, ok := f.Actual(fact); ok {
				actual[f.Rule()] += fact + "=" + v + " "
			}
		}
	}
	require.Equal(t, map[string]string{"citizen": "citizen=true ", "adult": "birth=1997-03-14 ", "not-a-student": "student=false ", "category": "category=laid_off ",
		"not-an-official": "official=false ", "household": "household=0 ", "first-time": "awards=0 revoked=false ", "no-other-aid": "aid=false subsidy=false grant=false ",
		"matched": "matched=true ", "income": "income=Rp2.345.678 "}, actual)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "d", d, "f", d.Finding(1))
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "d", d, "all", d.Findings())
	data, err := json.Marshal(d)
	require.NoError(t, err)
	for _, text := range []string{
		string(data), log.String(), fmt.Sprintf("%v %+v %#v %s %d %x", d, d, d, d, d, d),
		fmt.Sprintf("%v %+v %#v %s %d", d.Findings(), &d, d.Finding(1), d.Finding(9), d.Findings()), fmt.Sprintf("%v %+v %#v %d", p, p, p.Birth, p.Income),
		c.Reason("en", d.Finding(9)), c.Reason("id", d.Finding(1)),
	} {
		for _, value := range []string{"1997", "2345678", "2.345.678", `"laid_off"}`} {
			require.NotContains(t, text, value)
		}
	}
	require.Contains(t, fmt.Sprintf("%+v", struct{ v int }{2345678}), "2345678", "the control")
}

func TestPlanDoesNotAllocate(t *testing.T) {
	plan := compiled(t).Plan("join", asOf)
	var d eligibility.Decision
	p, nobody := sri(), person{}
	plan.Decide(&nobody, &d)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		plan.Decide(&p, &d)
		plan.Decide(&nobody, &d)
	}))
}

// Someone who is not yet born on the legal date has no age: the date is wrong, and
// neither an upper limit nor its negation passes.
func TestNobodyIsYoungerThanNought(t *testing.T) {
	f := newFacts()
	for _, condition := range []eligibility.Condition{f.birth.AgeAtMost(5), eligibility.Not(f.birth.AgeAtMost(5)), f.birth.AgeAtLeast(5), eligibility.Not(f.birth.AgeAtLeast(5)),
		eligibility.Any(f.birth.AgeAtMost(5), f.birth.OnOrAfter(asOf))} {
		c, err := eligibility.Compile(f.schema, eligibility.Policy{Name: "p", Rules: []eligibility.Rule{{Code: "r", Require: condition, Basis: eligibility.WithoutArticle("x"), At: always}}}, nil)
		require.NoError(t, err)
		plan := c.Plan("join", asOf)
		for day, want := range map[calendar.Date]bool{asOf.AddDays(1): false, calendar.Of(2203, 1, 1): false, asOf: true, asOf.AddDays(-1): true} {
			p := person{Birth: eligibility.Known(day)}
			var d eligibility.Decision
			var o eligibility.Outcomes
			plan.Decide(&p, &d)
			require.NoError(t, plan.DecideBlock(eligibility.Population(f.schema, []person{p})[0], &o))
			require.Equal(t, want, d.Verdict != eligibility.Pending, d)
			require.Equal(t, d.Verdict, o.Verdict(0))
			if !want {
				require.Equal(t, "birth(conflicting)", d.Missing()[0].String())
			}
		}
	}
}

// What is kept of people shows in no way of printing, also inside structs that are not
// this package's and print their unexported fields.
func TestNothingKeptPrints(t *testing.T) {
	f := newFactsTogether()
	c, err := eligibility.Compile(f.schema, f.policy(), nil)
	require.NoError(t, err)
	p := sri()
	d := c.Decide(&p, "join", asOf)
	blocks := eligibility.Population(f.schema, []person{p})
	var row eligibility.Row
	s := eligibility.NewSchema[person]()
	birth := s.Date("birth", nil)
	s.Read(func(p *person, r *eligibility.Row) { r.Date(birth, p.Birth); row = *r })
	only, err := eligibility.Compile(s, eligibility.Policy{Name: "p", Rules: []eligibility.Rule{{Code: "r", Require: birth.AgeAtLeast(18), Basis: eligibility.WithoutArticle("x"), At: always}}}, nil)
	require.NoError(t, err)
	only.Decide(&p, "join", asOf)
	number := fmt.Sprint(1997<<9 | 3<<5 | 14) // how the birth date is kept
	for _, v := range []any{
		d, &d, struct{ d eligibility.Decision }{d}, struct{ d *eligibility.Decision }{&d}, []struct{ d eligibility.Decision }{{d}},
		struct{ f eligibility.Finding }{d.Finding(1)}, struct{ all []eligibility.Finding }{d.Findings()},
		row, &row, *blocks[0], blocks[0], blocks, struct{ b eligibility.Block[person] }{*blocks[0]}, struct{ b *eligibility.Block[person] }{blocks[0]},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
			text := fmt.Sprintf(verb, v)
			require.NotContains(t, text, number)
			require.NotContains(t, text, "1997")
		}
		data, err := json.Marshal(v)
		require.NoError(t, err)
		require.NotContains(t, string(data), "1997")
	}
	require.Contains(t, fmt.Sprintf("%+v", struct{ n int }{1997<<9 | 3<<5 | 14}), number, "the control")
}

// A finding says what was asked of whom and why: key, limit, basis and parameters.
func TestFindingSaysAll(t *testing.T) {
	f := newFacts()
	basis := eligibility.Article("Decree 1", "2")
	c, err := eligibility.Compile(f.schema, eligibility.Policy{Name: "p",
		Params: []eligibility.Param{{Name: "limit", Value: 3_000_000_00, Currency: "IDR", Basis: eligibility.WithoutArticle("decision")}},
		Rules:  []eligibility.Rule{{Code: "means", Require: eligibility.Any(f.income.AtMostParam("limit"), f.student.Is(true)), Basis: basis, At: always, Severity: eligibility.Notice}}}, nil)
	require.NoError(t, err)
	p := sri()
	p.Income = eligibility.Known[int64](4_000_000_50)
	p.Student = eligibility.Observation[bool]{}
	d := c.Decide(&p, "join", asOf)
	found := d.Finding(0)
	require.Equal(t, "rule.means", found.ReasonKey())
	require.Equal(t, basis, found.Basis())
	require.Equal(t, []string{"income", "student"}, found.Facts())
	value, ok := found.Actual("income")
	require.True(t, ok)
	require.Equal(t, "Rp4.000.000,50", value)
	_, ok = found.Actual("student")
	require.False(t, ok)
	_, ok = found.Actual("citizen")
	require.False(t, ok, "the rule does not look at it")
	limit, err := json.Marshal(found.Limit())
	require.NoError(t, err)
	require.Equal(t, `{"any":[{"at_most":{"currency":"IDR","units":300000000},"fact":"income"},{"fact":"student","is":true}]}`, string(limit))
	data, err := json.Marshal(found)
	require.NoError(t, err)
	require.JSONEq(t, `{"rule":"means","outcome":"unknown","basis":{"instrument":"Decree 1","article":"2"},"limit":`+string(limit)+`,
		"notice":true,"missing":[{"fact":"student","source":"dapodik","cause":"not-asked"}]}`, string(data))
}
