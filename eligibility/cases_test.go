package eligibility_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/eligibility"
)

const workingFile = `{"name":"p","rules":[
	{"code":"adult","require":{"fact":"birth","age_at_least":18},"basis":{"policy":"x"},"at":["join"]},
	{"code":"student","require":{"fact":"student","is":false},"basis":{"policy":"x"},"at":["join"]}],
"cases":[
	{"rule":"adult","at":"join","as_of":"2020-08-08","facts":{"birth":"2002-08-08"},"want":"pass"},
	{"rule":"adult","at":"join","as_of":"2020-08-08","facts":{"birth":"2002-08-09"},"want":"fail"},
	{"rule":"adult","at":"join","as_of":"2020-08-08","facts":{},"want":"unknown"},
	{"rule":"student","at":"join","as_of":"2020-08-08","facts":{"student":false},"want":"pass"},
	{"rule":"student","at":"join","as_of":"2020-08-08","facts":{"student":{"not_applicable":true}},"want":"fail"},
	{"rule":"student","at":"join","as_of":"2020-08-08","facts":{"student":{"value":true,"on":"2019-08-08"}},"want":"unknown"}]}`

// A policy file proves each rule with a case that passes, one that fails and one that
// is unknown; otherwise it does not load.
func TestLoad(t *testing.T) {
	schema := newFacts().schema
	c, err := eligibility.Load(schema, []byte(workingFile), nil)
	require.NoError(t, err)
	p, err := eligibility.ParsePolicy([]byte(workingFile))
	require.NoError(t, err)
	without := p
	without.Cases = nil
	plain, err := eligibility.Compile(schema, without, nil)
	require.NoError(t, err)
	require.Equal(t, plain.Digest(), c.Digest(), "cases are not part of the digest")
	again, err := p.MarshalJSON()
	require.NoError(t, err)
	_, err = eligibility.Load(schema, again, nil)
	require.NoError(t, err)

	for _, busted := range []struct{ name, old, new, want string }{
		{"no cases", workingFile[strings.Index(workingFile, `,
"cases"`):], "}", `rules[0]: case`},
		{"no unknown case", `"facts":{},"want":"unknown"`, `"facts":{"birth":"2000-01-01"},"want":"pass"`, "rules[0]: case"},
		{"a case that fails", `"2002-08-09"`, `"2002-08-08"`, "cases[1]: case"},
		{"no such fact", `{"student":false}`, `{"studies":false}`, "cases[3].facts: fact"},
		{"wrong kind", `{"student":false}`, `{"student":"no"}`, "cases[3].facts.student: value"},
		{"no such cause", `{"student":false}`, `{"student":{"unknown":"tired"}}`, "cases[3].facts.student: value"},
		{"no such rule", `{"rule":"student","at":"join","as_of":"2020-08-08","facts":{"student":false}`, `{"rule":"pupil","at":"join","as_of":"2020-08-08","facts":{"student":false}`, "cases[3].rule: rule"},
		{"no such outcome", `"want":"unknown"}]`, `"want":"perhaps"}]`, "cases[5].want: outcome"},
	} {
		t.Run(busted.name, func(t *testing.T) {
			file := strings.Replace(workingFile, busted.old, busted.new, 1)
			require.NotEqual(t, workingFile, file)
			_, err := eligibility.Load(schema, []byte(file), nil)
			require.Contains(t, faultsOf(t, err), busted.want)
		})
	}
}

// Each edition of a parameter is proved by a case on either side of it.
func TestLoadWantsCasesForEachLimit(t *testing.T) {
	schema := newFacts().schema
	file := `{"name":"p","params":[
		{"name":"age","value":18,"basis":{"policy":"x"},"until":"2021-01-01"},
		{"name":"age","value":21,"basis":{"policy":"y"},"from":"2021-01-01"},
		{"name":"age","value":99,"basis":{"policy":"z"},"from":"2031-01-01","known":"2030-01-01"}],
	"rules":[{"code":"adult","require":{"fact":"birth","age_at_least":{"param":"age"}},"basis":{"policy":"x"},"at":["join"],"until":"2031-01-01"}],
	"cases":[
		{"rule":"adult","at":"join","as_of":"2020-08-08","facts":{"birth":"2002-08-08"},"want":"pass"},
		{"rule":"adult","at":"join","as_of":"2020-08-08","facts":{"birth":"2002-08-09"},"want":"fail"},
		{"rule":"adult","at":"join","as_of":"2020-08-08","facts":{},"want":"unknown"},
		{"rule":"adult","at":"join","as_of":"2023-08-08","facts":{"birth":"2002-08-08"},"want":"pass"},
		{"rule":"adult","at":"join","as_of":"2023-08-08","facts":{"birth":"2002-08-09"},"want":"fail"}]}`
	_, err := eligibility.Load(schema, []byte(file), nil)
	require.NoError(t, err)
	_, err = eligibility.Load(schema, []byte(strings.ReplaceAll(file, "2023-08-08", "2020-08-08")), nil)
	require.Equal(t, []string{"params[1]: case", "params[1]: case"}, faultsOf(t, err))
}

// A rule in Go runs in its cases, from the facts that it names.
func TestCasesRunRulesInGo(t *testing.T) {
	file := `{"name":"p","rules":[{"code":"even","require":{"fact":"seen-even","holds":true},"basis":{"policy":"x"},"at":["join"]}],"cases":[
		{"rule":"even","at":"join","as_of":"2020-08-08","facts":{"seen-count":2},"want":"pass"},
		{"rule":"even","at":"join","as_of":"2020-08-08","facts":{"seen-count":1},"want":"fail"},
		{"rule":"even","at":"join","as_of":"2020-08-08","facts":{"seen-count":{"value":2,"on":"2020-01-01"}},"want":"unknown"}]}`
	_, err := eligibility.Load(thingSchema(), []byte(file), nil)
	require.NoError(t, err)
	_, err = eligibility.Load(thingSchema(), []byte(strings.Replace(file, `"seen-count":2`, `"seen-count":4,"seen-even":"fail"`, 1)), nil)
	require.Equal(t, []string{"cases[0].facts.seen-even: value", "rules[0]: case"}, faultsOf(t, err))
	_, err = eligibility.Load(thingSchema(), []byte(strings.Replace(file, `"seen-count":2`, `"seen-count":5`, 1)), nil)
	require.Equal(t, []string{"cases[0]: case", "rules[0]: case"}, faultsOf(t, err))
}

// A policy that loads never fails when it runs, in a row or in columns, and decides
// nothing about somebody of whom nothing is known.
func FuzzLoad(f *testing.F) {
	f.Add(workingFile)
	f.Add(strings.Replace(workingFile, `"rules"`, `"params":[{"name":"a","value":{"units":1,"currency":"IDR"},"basis":{"policy":"x"},"known":"2020-01-01"}],"rules"`, 1))
	f.Add(`{"name":"p","zone":"Asia/Jakarta","rules":[{"code":"a","severity":"notice","require":{"at_least":2,"of":[{"fact":"skills","has_any":["sew"]},{"fact":"skills","has_all":["weld","sew"]},{"fact":"even","holds":true}]},"basis":{"policy":"x"},"at":["join"]}]}`)
	schema := thingSchema()
	persons := newFacts().schema
	good := sri()
	f.Fuzz(func(t *testing.T, data string) {
		if c, err := eligibility.Load(persons, []byte(data), nil); err == nil {
			runLoaded(t, c, persons, &good, &person{})
		}
		p, err := eligibility.ParsePolicy([]byte(data))
		if err != nil {
			return
		}
		c, err := eligibility.Compile(schema, p, nil)
		if err != nil {
			return
		}
		var nobody thing
		for _, s := range nobody.slots() {
			s.state = 'u'
		}
		full := fullThing()
		runLoaded(t, c, schema, &full, &nobody)
	})
}

// runLoaded decides by row, by block and from a snapshot, and words every finding.
func runLoaded[E any](t *testing.T, c *eligibility.Compiled[E], schema *eligibility.Schema[E], someone, nobody *E) {
	block := eligibility.NewBlock(schema)
	require.True(t, block.Add(someone) && block.Add(nobody))
	for _, stage := range eligibility.Stages() {
		plan := c.Plan(stage, asOf)
		var d, again eligibility.Decision
		var o eligibility.Outcomes
		require.NoError(t, plan.DecideBlock(block, &o))
		for row, e := range []*E{someone, nobody} {
			plan.Decide(e, &d)
			require.Equal(t, d.Verdict, o.Verdict(row))
			require.NoError(t, plan.DecideFacts(d.AppendFacts(nil), &again))
			require.Equal(t, d.String(), again.String())
			for _, finding := range d.Findings() {
				require.NotEmpty(t, c.Reason("en", finding))
				require.NotEmpty(t, c.Reason("id-ID", finding))
			}
		}
		require.Equal(t, eligibility.Pending, d.Verdict, "nothing is known of nobody")
	}
}
