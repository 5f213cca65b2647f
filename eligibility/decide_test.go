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

// Someone of whom nothing is known is pending under every operator and combination.
func TestNothingKnownIsPending(t *testing.T) {
	f := newFacts()
	leaves := everyLeaf(f)
	conditions := append([]eligibility.Condition{}, leaves...)
	for _, leaf := range leaves {
		conditions = append(conditions, eligibility.Not(leaf), eligibility.All(leaf, f.matched.Is(true)),
			eligibility.Any(leaf, f.revoked.Is(true)), eligibility.AtLeastN(2, leaf, f.revoked.Is(true), f.matched.Is(false)))
	}
	for _, cause := range []eligibility.Cause{eligibility.NotAsked, eligibility.SourceDown, eligibility.Expired, eligibility.Conflicting} {
		for _, condition := range conditions {
			c, err := eligibility.Compile(f.schema, eligibility.Policy{Name: "p", Rules: []eligibility.Rule{{Code: "r", Require: condition, Basis: eligibility.WithoutArticle("test"), At: always}}}, nil)
			require.NoError(t, err)
			p := nothingKnown(cause)
			d := c.Decide(&p, "join", asOf)
			require.Equal(t, eligibility.Pending, d.Verdict, d)
			require.NotEmpty(t, d.Missing())
			require.Equal(t, cause, d.Missing()[0].Cause)
			require.NotEmpty(t, c.Reason("id", d.Finding(0)))
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
		if v, ok := f.Actual(); ok {
			actual[f.Rule()] = v
		}
	}
	require.Equal(t, map[string]string{"citizen": "true", "adult": "1997-03-14", "not-a-student": "false", "category": "laid_off",
		"not-an-official": "false", "household": "0", "matched": "true", "income": "Rp2.345.678"}, actual)
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
