package eligibility_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
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
			require.Len(t, d.Findings, 10)
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
		require.Len(t, d.Findings, test.rules, "%s %s", test.stage, test.asOf)
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
		conditions = append(conditions, eligibility.Not(leaf), eligibility.All(leaf, f.citizen.Is(true)),
			eligibility.Any(leaf, eligibility.Not(leaf)), eligibility.AtLeastN(1, leaf, leaves[0]))
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
			require.NotEmpty(t, c.Reason("id", d.Findings[0]))
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
		f.household.Equals(0), f.household.AtLeast(1), f.household.AtMost(1), f.income.Between(100, 200), f.income.Known(),
		f.birth.OnOrAfter(calendar.Of(2000, 2, 29)), f.birth.OnOrBefore(calendar.Of(2002, 1, 1)), f.birth.AgeAtLeast(18), f.birth.AgeAtMost(20), f.birth.Known(),
		f.category.In("seeker"), f.category.In("worker", "other"), f.category.Known(),
	}
}

// The compiled plan agrees with a slow oracle that reads the condition's JSON, over
// random nested conditions and random people.
func TestDecideAgreesWithOracle(t *testing.T) {
	f := newFacts()
	leaves := everyLeaf(f)
	random := rand.New(rand.NewPCG(1, 2))
	outcomes := map[eligibility.Outcome]int{}
	for range 1500 {
		condition := randomCondition(random, leaves, 3)
		c, err := eligibility.Compile(f.schema, eligibility.Policy{Name: "p", Rules: []eligibility.Rule{{Code: "r", Require: condition, Basis: eligibility.WithoutArticle("test"), At: always}}}, nil)
		require.NoError(t, err)
		data, err := json.Marshal(condition)
		require.NoError(t, err)
		var tree map[string]any
		require.NoError(t, json.Unmarshal(data, &tree))
		day := calendar.Of(2019, 2, 27).AddDays(random.IntN(800))
		plan := c.Plan("join", day)
		var d eligibility.Decision
		for range 60 {
			p := randomPerson(random, day)
			plan.Decide(&p, &d)
			want := oracle(tree, &p, day)
			require.Equal(t, want, d.Findings[0].Outcome, "%s", data)
			require.Equal(t, want == eligibility.Undecided, len(d.Findings[0].Missing) > 0)
			outcomes[want]++
		}
	}
	for _, o := range []eligibility.Outcome{eligibility.Pass, eligibility.Fail, eligibility.Undecided} {
		require.Greater(t, outcomes[o], 1000, "the control: every outcome occurs")
	}
}

func randomCondition(r *rand.Rand, leaves []eligibility.Condition, depth int) eligibility.Condition {
	if depth == 0 || r.IntN(3) == 0 {
		return leaves[r.IntN(len(leaves))]
	}
	parts := make([]eligibility.Condition, 1+r.IntN(3))
	for i := range parts {
		parts[i] = randomCondition(r, leaves, depth-1)
	}
	switch r.IntN(4) {
	case 0:
		return eligibility.All(parts...)
	case 1:
		return eligibility.Any(parts...)
	case 2:
		return eligibility.Not(parts[0])
	}
	return eligibility.AtLeastN(1+r.IntN(len(parts)), parts...)
}

func randomValue[T any](r *rand.Rand, v T) eligibility.Value[T] {
	switch r.IntN(12) {
	case 0:
		return eligibility.Unknown[T](eligibility.Cause(r.IntN(4)))
	case 1:
		return eligibility.NotApplicable[T]()
	}
	return eligibility.Known(v)
}

func randomPerson(r *rand.Rand, day calendar.Date) person {
	yes := func() eligibility.Value[bool] { return randomValue(r, r.IntN(2) == 0) }
	observation := func() eligibility.Observation[bool] {
		return eligibility.Observation[bool]{Value: yes(), On: day.AddDays(-170 - r.IntN(20))}
	}
	codes := []string{"seeker", "laid_off", "worker", "other", "??"}
	return person{
		Birth:   randomValue(r, calendar.Of(1998, 2, 20).AddDays(r.IntN(1800))),
		Citizen: yes(), Student: observation(), Official: observation(), Category: randomValue(r, codes[r.IntN(len(codes))]),
		Household: randomValue(r, int64(r.IntN(3))), Awards: randomValue(r, int64(r.IntN(2))), Revoked: yes(),
		Aid: observation(), Subsidy: observation(), Grant: observation(), Matched: yes(), Income: randomValue(r, int64(50+r.IntN(200))),
	}
}

// oracle decides from the JSON form, one case after the other.
func oracle(c map[string]any, p *person, day calendar.Date) eligibility.Outcome {
	var of []any
	need := 0
	switch {
	case c["not"] != nil:
		return [...]eligibility.Outcome{eligibility.Undecided, eligibility.Fail, eligibility.Pass}[oracle(c["not"].(map[string]any), p, day)]
	case c["all"] != nil:
		of = c["all"].([]any)
		need = len(of)
	case c["any"] != nil:
		of, need = c["any"].([]any), 1
	case c["of"] != nil:
		of, need = c["of"].([]any), int(c["at_least"].(float64))
	default:
		return oracleLeaf(c, p, day)
	}
	least, most := 0, 0
	for _, part := range of {
		switch oracle(part.(map[string]any), p, day) {
		case eligibility.Pass:
			least++
			most++
		case eligibility.Undecided:
			most++
		}
	}
	if least >= need {
		return eligibility.Pass
	}
	if most < need {
		return eligibility.Fail
	}
	return eligibility.Undecided
}

func oracleLeaf(c map[string]any, p *person, day calendar.Date) eligibility.Outcome {
	number := func(key string) int64 { return int64(c[key].(float64)) }
	parse := func(key string) calendar.Date {
		d, err := calendar.Parse(c[key].(string))
		if err != nil {
			panic(err)
		}
		return d
	}
	switch c["fact"] {
	case "citizen":
		return oracleValue(p.Citizen, c, func(v bool) bool { return v == c["is"] })
	case "student":
		if _, ok := p.Student.Value.Get(); (ok || isNotApplicable(p.Student.Value)) && day.DaysSince(p.Student.On) > 180 {
			return eligibility.Undecided
		}
		return oracleValue(p.Student.Value, c, func(v bool) bool { return v == c["is"] })
	case "aid":
		return oracleValue(p.Aid.Value, c, func(v bool) bool { return v == c["is"] })
	case "birth":
		return oracleValue(p.Birth, c, func(v calendar.Date) bool {
			switch {
			case c["on_or_after"] != nil:
				return v.Compare(parse("on_or_after")) >= 0
			case c["on_or_before"] != nil:
				return v.Compare(parse("on_or_before")) <= 0
			case c["age_at_least"] != nil:
				return int64(v.AgeAt(day)) >= number("age_at_least")
			}
			return int64(v.AgeAt(day)) <= number("age_at_most")
		})
	case "category":
		if v, ok := p.Category.Get(); ok && v == "??" {
			return eligibility.Undecided
		}
		return oracleValue(p.Category, c, func(v string) bool { return strings.Contains(fmt.Sprint(c["in"]), v) })
	case "household", "income":
		value := p.Household
		if c["fact"] == "income" {
			value = p.Income
		}
		return oracleValue(value, c, func(v int64) bool {
			low, high := int64(math.MinInt64), int64(math.MaxInt64)
			switch {
			case c["equals"] != nil:
				low, high = number("equals"), number("equals")
			case c["at_least"] != nil:
				low = number("at_least")
			case c["at_most"] != nil:
				high = number("at_most")
			case c["between"] != nil:
				ends := c["between"].([]any)
				low, high = int64(ends[0].(float64)), int64(ends[1].(float64))
			}
			return low <= v && v <= high
		})
	}
	panic(c["fact"])
}

func isNotApplicable[T any](v eligibility.Value[T]) bool { return fmt.Sprint(v) == "not-applicable" }

func oracleValue[T any](v eligibility.Value[T], c map[string]any, holds func(T) bool) eligibility.Outcome {
	got, ok := v.Get()
	switch {
	case isNotApplicable(v):
		return eligibility.Fail
	case !ok:
		return eligibility.Undecided
	case c["known"] == true || holds(got):
		return eligibility.Pass
	}
	return eligibility.Fail
}

// A finding gives the person's value when asked, and never when printed.
func TestActualNeverPrints(t *testing.T) {
	c := compiled(t)
	p := sri()
	p.Category = eligibility.Known("laid_off")
	d := c.Decide(&p, "join", asOf)
	actual := map[string]string{}
	for _, f := range d.Findings {
		if v, ok := f.Actual(); ok {
			actual[f.Rule()] = v
		}
	}
	require.Equal(t, map[string]string{"citizen": "true", "adult": "1997-03-14", "not-a-student": "false", "category": "laid_off",
		"not-an-official": "false", "household": "0", "matched": "true", "income": "Rp2.345.678"}, actual)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "d", d, "f", d.Findings[1])
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "d", d, "all", d.Findings)
	data, err := json.Marshal(d)
	require.NoError(t, err)
	for _, text := range []string{
		string(data), log.String(), fmt.Sprintf("%v %+v %#v %s %d %x", d, d, d, d, d, d),
		fmt.Sprintf("%v %+v %#v %s %d", d.Findings, &d, d.Findings[1], d.Findings[9], d.Findings), fmt.Sprintf("%v %+v %#v %d", p, p, p.Birth, p.Income),
		c.Reason("en", d.Findings[9]), c.Reason("id", d.Findings[1]),
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
