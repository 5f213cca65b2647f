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

// A policy that loads never fails when it runs, in a row or in columns, and decides
// nothing about somebody of whom nothing is known.
func FuzzLoad(f *testing.F) {
	f.Add(workingFile)
	f.Add(strings.Replace(workingFile, `"rules"`, `"params":[{"name":"a","value":{"units":1,"currency":"IDR"},"basis":{"policy":"x"},"known":"2020-01-01"}],"rules"`, 1))
	f.Add(`{"name":"p","zone":"Asia/Jakarta","rules":[{"code":"a","severity":"notice","require":{"at_least":2,"of":[{"fact":"skills","has_any":["sew"]},{"fact":"skills","has_all":["weld","sew"]},{"fact":"even","holds":true}]},"basis":{"policy":"x"},"at":["join"]}]}`)
	schema := thingSchema()
	persons := newFacts().schema
	f.Fuzz(func(t *testing.T, data string) {
		_, _ = eligibility.Load(persons, []byte(data), nil) // it must not panic
		p, err := eligibility.ParsePolicy([]byte(data))
		if err != nil {
			return
		}
		c, err := eligibility.Compile(schema, p, nil)
		if err != nil {
			return
		}
		plan := c.Plan("join", asOf)
		var d eligibility.Decision
		plan.Decide(&thing{}, &d)
		for _, finding := range d.Findings() {
			require.NotEmpty(t, c.Reason("en", finding))
		}
		var nobody thing
		for _, s := range []*slot{&nobody.flag, &nobody.seenFlag, &nobody.count, &nobody.seenCount, &nobody.amount, &nobody.seenAmount, &nobody.born, &nobody.seenBorn, &nobody.kind, &nobody.region, &nobody.seenKind, &nobody.skills, &nobody.seenSkills} {
			s.state = 'u'
		}
		plan.Decide(&nobody, &d)
		require.Equal(t, eligibility.Pending, d.Verdict)
		var o eligibility.Outcomes
		require.NoError(t, plan.DecideBlock(eligibility.Population(schema, []thing{nobody})[0], &o))
		require.Equal(t, eligibility.Pending, o.Verdict(0))
	})
}
