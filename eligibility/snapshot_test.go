package eligibility_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/program/calendar"
)

// everyFact is a policy of which each rule reads one fact of a thing.
func everyFact(t testing.TB, s *eligibility.Schema[thing]) *eligibility.Compiled[thing] {
	var rules []string
	for _, require := range []string{
		`{"fact":"flag","is":true}`, `{"fact":"seen-flag","is":false}`, `{"fact":"count","at_least":1}`, `{"fact":"seen-count","at_most":3}`,
		`{"fact":"amount","at_least":{"units":1,"currency":"IDR"}}`, `{"fact":"seen-amount","at_most":{"units":3,"currency":"USD"}}`,
		`{"fact":"born","age_at_least":18}`, `{"fact":"seen-born","known":true}`, `{"fact":"kind","in":["a","b"]}`, `{"fact":"region","in":["r000","r149"]}`,
		`{"fact":"seen-kind","in":["c"]}`, `{"fact":"skills","has_any":["sew","teach"]}`, `{"fact":"seen-skills","has_all":["weld"]}`, `{"fact":"even","holds":true}`,
	} {
		rules = append(rules, `{"code":"r`+string(rune('a'+len(rules)))+`","require":`+require+`,"basis":{"policy":"x"},"at":["join"]}`)
	}
	p, err := eligibility.ParsePolicy([]byte(`{"name":"p","rules":[` + strings.Join(rules, ",") + `]}`))
	require.NoError(t, err)
	c, err := eligibility.Compile(s, p, nil)
	require.NoError(t, err)
	return c
}

func fullThing() thing {
	k := func() slot { return slot{state: 'k', on: asOf.AddDays(-seenDays)} }
	x := thing{k(), k(), k(), k(), k(), k(), k(), k(), k(), k(), k(), k(), k()}
	x.flag.yes = true
	x.count.n, x.seenCount.n, x.amount.n, x.seenAmount.n = math.MinInt64, math.MaxInt64, -1, 2
	x.born.day, x.seenBorn.day = calendar.Of(2002, 8, 8), calendar.Of(9999, 12, 31)
	x.kind.code, x.region.code, x.seenKind.code = "e", "r149", "c"
	x.skills.codes, x.seenSkills.codes = []string{"teach", "sew"}, []string{}
	return x
}

func sameFindings(t testing.TB, want, got *eligibility.Decision) {
	require.Equal(t, want.String(), got.String())
	require.Equal(t, want.Missing(), got.Missing())
	for i := range want.Len() {
		a, b := want.Finding(i), got.Finding(i)
		require.Equal(t, a.Outcome, b.Outcome)
		require.Equal(t, a.Missing, b.Missing)
		one, ok := a.Actual()
		other, known := b.Actual()
		require.Equal(t, ok, known)
		require.Equal(t, one, other)
	}
}

// A decision from the snapshot of its facts has the same verdict and findings, and
// the same snapshot.
func TestDecideFromFacts(t *testing.T) {
	for _, schema := range []*eligibility.Schema[thing]{thingSchema(), thingSchemaTogether()} {
		plan := everyFact(t, schema).Plan("join", asOf)
		one, nothing, none := fullThing(), thing{}, fullThing()
		for _, s := range nothing.slots() {
			s.state, s.cause = 'u', eligibility.SourceDown
		}
		for _, s := range none.slots() {
			s.state = 'n'
		}
		for _, someone := range []*thing{&one, &nothing, &none, nil} {
			var d, again eligibility.Decision
			plan.Decide(someone, &d)
			facts := d.AppendFacts([]byte("before"))
			require.NoError(t, plan.DecideFacts(facts[6:], &again))
			sameFindings(t, &d, &again)
			require.Equal(t, facts[6:], again.AppendFacts(nil))
		}
	}
	require.Empty(t, new(eligibility.Decision).AppendFacts(nil))
}

// A snapshot holds what the rules read and nothing else: neither another fact nor the
// value of an answer that was too old.
func TestFactsHoldNoMore(t *testing.T) {
	c := compiled(t)
	p := sri()
	var d eligibility.Decision
	c.Plan("join", asOf).Decide(&p, &d)
	all := len(d.AppendFacts(nil))
	c.Plan("payout", asOf).Decide(&p, &d)
	require.Less(t, len(d.AppendFacts(nil)), all)
	require.Less(t, all, 64)
	yes, no := sri(), sri()
	yes.Official, no.Official = observed(true), observed(false)
	late := c.Plan("join", asOf.AddDays(200))
	var other eligibility.Decision
	late.Decide(&yes, &d)
	late.Decide(&no, &other)
	require.Equal(t, d.AppendFacts(nil), other.AppendFacts(nil))
	c.Plan("join", asOf).Decide(&yes, &d)
	c.Plan("join", asOf).Decide(&no, &other)
	require.NotEqual(t, d.AppendFacts(nil), other.AppendFacts(nil), "the control")
}

// Facts are decided about again by a changed policy, as of another day, and with a
// schema that has more facts and more codes.
func TestFactsOutliveTheirPolicy(t *testing.T) {
	c := compiled(t)
	p := sri()
	var d, again eligibility.Decision
	c.Plan("join", asOf).Decide(&p, &d)
	require.Equal(t, eligibility.Eligible, d.Verdict)
	facts := d.AppendFacts(nil)
	require.NoError(t, c.Plan("join", asOf.AddDays(100)).DecideFacts(facts, &again))
	require.Equal(t, "semi-aid join as of 2020-11-16: pending; not-an-official: unknown official(expired, bkn)", again.String())
	f := newFacts()
	f.schema.Bool("one-more", func(*person) eligibility.Value[bool] { return eligibility.NotApplicable[bool]() })
	policy := f.policy()
	policy.Rules[1].Require = f.birth.AgeAtLeast(40)
	changed, err := eligibility.Compile(f.schema, policy, nil)
	require.NoError(t, err)
	require.NoError(t, changed.Plan("join", asOf).DecideFacts(facts, &again))
	require.Equal(t, eligibility.Ineligible, again.Verdict)
	require.Equal(t, eligibility.Fail, again.Outcome(1))
}

func TestFactsRefused(t *testing.T) {
	plan := everyFact(t, thingSchema()).Plan("join", asOf)
	one := fullThing()
	var d eligibility.Decision
	plan.Decide(&one, &d)
	facts := d.AppendFacts(nil)
	changed := func(at int, to byte) []byte {
		b := append([]byte{}, facts...)
		b[at] = to
		return b
	}
	for _, test := range []struct {
		name  string
		facts []byte
		rule  string
	}{
		{"nothing", nil, "version"},
		{"another format", changed(0, 2), "version"},
		{"other facts", changed(3, facts[3]^1), "facts"},
		{"cut short", facts[:len(facts)-1], "form"},
		{"only a name", facts[:9], "form"},
		{"too long", append(append([]byte{}, facts...), 0), "form"},
		{"a state that does not exist", changed(9, 3), "form"},
		{"a cause of what is known", changed(9, 1|1<<2), "form"},
		{"more than true", changed(9, 1|2<<4), "form"},
		{"a code that is gone", []byte(strings.Replace(string(facts), "r149", "r150", 1)), "code"},
	} {
		t.Run(test.name, func(t *testing.T) {
			again := d
			err := plan.DecideFacts(test.facts, &again)
			var fault *eligibility.FactsError
			require.ErrorAs(t, err, &fault)
			require.Equal(t, test.rule, fault.Rule)
			require.NotContains(t, err.Error(), "r150")
			require.Zero(t, again.Len(), "nothing of an earlier decision is left")
			require.Equal(t, eligibility.Pending, again.Verdict)
		})
	}
	stages := compiled(t)
	p := sri()
	other := stages.Decide(&p, "payout", asOf)
	err := stages.Plan("join", asOf).DecideFacts(other.AppendFacts(nil), new(eligibility.Decision))
	require.EqualError(t, err, "eligibility: a snapshot of facts: facts")
	require.NoError(t, stages.Plan("payout", asOf).DecideFacts(other.AppendFacts(nil), new(eligibility.Decision)), "the control")
}

// Whatever bytes decide, decide the same again from the snapshot of that decision.
func FuzzFacts(f *testing.F) {
	plan := everyFact(f, thingSchema()).Plan("join", asOf)
	one := fullThing()
	var d eligibility.Decision
	for _, someone := range []*thing{&one, nil} {
		plan.Decide(someone, &d)
		f.Add(d.AppendFacts(nil)[9:])
	}
	plan.Decide(nil, &d)
	name := d.AppendFacts(nil)[:9]
	f.Fuzz(func(t *testing.T, facts []byte) {
		var first, second eligibility.Decision
		if plan.DecideFacts(append(name[:9:9], facts...), &first) != nil {
			_ = plan.DecideFacts(facts, &first)
			return
		}
		kept := first.AppendFacts(nil)
		require.NoError(t, plan.DecideFacts(kept, &second))
		sameFindings(t, &first, &second)
		require.Equal(t, kept, second.AppendFacts(nil))
	})
}

func BenchmarkDecideFacts(b *testing.B) {
	plan := compiled(b).Plan("join", asOf)
	p := sri()
	var d eligibility.Decision
	plan.Decide(&p, &d)
	facts := d.AppendFacts(nil)
	b.ReportAllocs()
	for b.Loop() {
		if err := plan.DecideFacts(facts, &d); err != nil {
			b.Fatal(err)
		}
		facts = d.AppendFacts(facts[:0])
	}
}
