package eligibility_test

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/wording"
)

// faultsOf returns "path: rule" of every fault joined in err.
func faultsOf(t *testing.T, err error) []string {
	t.Helper()
	require.Error(t, err)
	joined, ok := err.(interface{ Unwrap() []error })
	require.True(t, ok)
	var all []string
	for _, each := range joined.Unwrap() {
		var fault *eligibility.Fault
		require.True(t, errors.As(each, &fault))
		all = append(all, fault.Path+": "+fault.Rule)
	}
	return all
}

func TestCompileReportsEveryFault(t *testing.T) {
	f := newFacts()
	other := eligibility.NewSchema[person]().Bool("unheard-of", func(*person) eligibility.Value[bool] { return eligibility.Known(true) })
	wrongKind := eligibility.NewSchema[person]().Bool("birth", func(*person) eligibility.Value[bool] { return eligibility.Known(true) })
	basis := eligibility.WithoutArticle("test")
	require := func(c eligibility.Condition) eligibility.Rule {
		return eligibility.Rule{Code: "r", Require: c, Basis: basis, At: always}
	}
	ok := f.citizen.Is(true)
	for _, test := range []struct {
		name  string
		rules []eligibility.Rule
		want  []string
	}{
		{"no rules", nil, []string{"rules: empty"}},
		{"empty rule", []eligibility.Rule{{}}, []string{"rules[0].code: name", "rules[0].basis: basis", "rules[0].at: empty", "rules[0].require: condition"}},
		{"unknown fact", []eligibility.Rule{require(other.Is(true))}, []string{"rules[0].require: fact"}},
		{"wrong kind", []eligibility.Rule{require(wrongKind.Is(true))}, []string{"rules[0].require: kind"}},
		{"nested path", []eligibility.Rule{require(eligibility.All(ok, eligibility.Not(f.category.In("x"))))}, []string{"rules[0].require.all[1].not[0]: code"}},
		{"empty all", []eligibility.Rule{require(eligibility.All())}, []string{"rules[0].require.all: empty"}},
		{"empty any", []eligibility.Rule{require(eligibility.Any())}, []string{"rules[0].require.any: empty"}},
		{"none of", []eligibility.Rule{require(eligibility.AtLeastN(0, ok))}, []string{"rules[0].require.n_of: range"}},
		{"more than given", []eligibility.Rule{require(eligibility.AtLeastN(2, ok))}, []string{"rules[0].require.n_of: range"}},
		{"empty range", []eligibility.Rule{require(f.income.Between(2, 1))}, []string{"rules[0].require: range"}},
		{"every number", []eligibility.Rule{require(f.income.AtLeast(math.MinInt64))}, []string{"rules[0].require: constant"}},
		{"every code", []eligibility.Rule{require(f.category.In("seeker", "laid_off", "worker", "other"))}, []string{"rules[0].require: constant"}},
		{"no code", []eligibility.Rule{require(f.category.In())}, []string{"rules[0].require: empty"}},
		{"impossible ages", []eligibility.Rule{require(eligibility.Any(f.birth.AgeAtLeast(0), f.birth.AgeAtMost(-1), f.birth.AgeAtLeast(151)))}, []string{"rules[0].require.any[0]: range", "rules[0].require.any[1]: range", "rules[0].require.any[2]: range"}},
		{"no such day", []eligibility.Rule{require(f.birth.OnOrAfter(calendar.Of(2021, 2, 29)))}, []string{"rules[0].require: date"}},
		{"overlapping periods", []eligibility.Rule{
			{Code: "r", Require: ok, Basis: basis, At: always, From: calendar.Of(2022, 1, 1)},
			{Code: "r", Require: ok, Basis: basis, At: always, Until: calendar.Of(2022, 1, 2)},
		}, []string{"rules[0]: overlap"}},
		{"empty period", []eligibility.Rule{{Code: "r", Require: ok, Basis: basis, At: always, From: calendar.Of(2022, 1, 1), Until: calendar.Of(2022, 1, 1)}}, []string{"rules[0].until: period"}},
		{"unknown stage", []eligibility.Rule{{Code: "r", Require: ok, Basis: basis, At: []string{"join", "lunch", "join"}}}, []string{"rules[0].at[1]: stage", "rules[0].at[2]: stage"}},
		{"two bases", []eligibility.Rule{{Code: "r", Require: ok, Basis: eligibility.Basis{Instrument: "a", Article: "b", Policy: "c"}, At: always}}, []string{"rules[0].basis: basis"}},
		{"instrument without article", []eligibility.Rule{{Code: "r", Require: ok, Basis: eligibility.Article("Perpres 1", ""), At: always}}, []string{"rules[0].basis: basis"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := eligibility.Compile(f.schema, eligibility.Policy{Name: "p", Rules: test.rules}, nil)
			got := faultsOf(t, err)
			if len(got) != len(test.want) {
				t.Fatal(got)
			}
			for i := range got {
				if got[i] != test.want[i] {
					t.Fatal(got)
				}
			}
		})
	}
}

// Periods of one code may touch: Until is the first day no longer in force.
func TestPeriodsMayTouch(t *testing.T) {
	f := newFacts()
	change := calendar.Of(2023, 2, 17)
	c, err := eligibility.Compile(f.schema, eligibility.Policy{Name: "p", Rules: []eligibility.Rule{
		{Code: "age", Require: f.birth.AgeAtLeast(18), Basis: eligibility.WithoutArticle("before"), At: always, Until: change},
		{Code: "age", Require: eligibility.All(f.birth.AgeAtLeast(18), f.birth.AgeAtMost(64)), Basis: eligibility.WithoutArticle("after"), At: always, From: change},
	}}, nil)
	require.NoError(t, err)
	p := person{Birth: eligibility.Known(calendar.Of(1957, 1, 1))}
	require.Equal(t, eligibility.Eligible, c.Decide(&p, "join", change.AddDays(-1)).Verdict)
	d := c.Decide(&p, "join", change)
	require.Equal(t, eligibility.Ineligible, d.Verdict)
	require.Equal(t, "after", d.Finding(0).Basis().Policy)
}

func TestSchemaFaults(t *testing.T) {
	s := eligibility.NewSchema[person]()
	yes := s.Bool("yes", func(*person) eligibility.Value[bool] { return eligibility.Known(true) })
	s.Int("yes", func(*person) eligibility.Value[int64] { return eligibility.Known[int64](1) })
	s.Bool("No name", nil)
	s.Code("code", []string{"a", "a"}, func(*person) eligibility.Value[string] { return eligibility.Known("a") })
	s.Code("none", nil, func(*person) eligibility.Value[string] { return eligibility.Known("a") })
	s.Source("", -1).Bool("proof", func(*person) eligibility.Observation[bool] { return eligibility.Observation[bool]{} })
	_, err := eligibility.Compile(s, eligibility.Policy{Name: "p", Rules: []eligibility.Rule{{Code: "r", Require: yes.Is(true), Basis: eligibility.WithoutArticle("t"), At: always}}}, nil)
	require.Equal(t, []string{"facts.yes: twice", "facts.No name: name", "facts.code: codes", "facts.none: codes", "facts.proof: source", "facts.proof: max-days", "facts.No name: getter"}, faultsOf(t, err))
	_, err = eligibility.Compile[person](nil, eligibility.Policy{}, nil)
	require.Error(t, err)
}

// Go and JSON give the same value, and so the same digest.
func TestPolicyRoundTrip(t *testing.T) {
	f := newFacts()
	policy := f.policy()
	policy.Rules = append(policy.Rules, eligibility.Rule{Code: "every-operator", Require: eligibility.AtLeastN(2, everyLeaf(f)...), Basis: eligibility.Article("<a> & b", "1"), At: always})
	data, err := json.Marshal(policy)
	require.NoError(t, err)
	read, err := eligibility.ParsePolicy(data)
	require.NoError(t, err)
	require.Equal(t, policy, read)
	built, err := eligibility.Compile(f.schema, policy, nil)
	require.NoError(t, err)
	loaded, err := eligibility.Compile(f.schema, read, nil)
	require.NoError(t, err)
	require.Equal(t, built.Digest(), loaded.Digest())
	read.Rules[1].Require = f.birth.AgeAtLeast(19)
	changed, err := eligibility.Compile(f.schema, read, nil)
	require.NoError(t, err)
	require.NotEqual(t, built.Digest(), changed.Digest())
	require.Equal(t, built.Digest(), built.Decide(&person{}, "join", asOf).Digest)
	leaf, err := json.Marshal(f.category.In("worker", "seeker", "worker"))
	require.NoError(t, err)
	require.Equal(t, `{"fact":"category","in":["seeker","worker"]}`, string(leaf))
}

func TestParsePolicyReportsEveryFault(t *testing.T) {
	_, err := eligibility.ParsePolicy([]byte(`{"name": 1, "extra": 2, "rules": [
		{"code": "a", "require": {"fact": "x", "at_least": 1.5}, "basis": {"policy": "p", "article": "1"}, "at": "join", "from": "2021-02-29"},
		{"code": "b", "require": {"any": [{"fact": "x", "near": 1}, {"all": [], "not": {}}, 7]}, "basis": {"policy": "p"}, "at": []}]}`))
	require.ElementsMatch(t, []string{
		"name: type", "policy: key", "rules[0].require.at_least: type", "rules[0].basis: basis", "rules[0].at: type", "rules[0].from: date",
		"rules[1].require.any[0].near: operator", "rules[1].require.any[1]: key", "rules[1].require.any[2]: type",
	}, faultsOf(t, err))
	for _, bad := range []string{``, `null`, `{"name": "a", "name": "b", "rules": []}`, `{"name": "a", "rules": []} 1`, strings.Repeat(`[`, 200)} {
		_, err := eligibility.ParsePolicy([]byte(bad))
		require.Error(t, err, bad)
	}
}

var agency = wording.Texts{
	"id": {"rule.adult": "Anda belum berusia 18 tahun ({basis}).", "fact.student": "status pelajar", "source.dapodik": "data pokok pendidikan", "fact.income": "penghasilan", "code.category.seeker": "pencari kerja"},
	"en": {"rule.adult": "You are not yet 18 ({basis}).", "fact.student": "student status", "source.dapodik": "the schools register", "fact.income": "income", "code.category.seeker": "job seeker"},
}

// What citizens read is in testdata/reasons.txt.
func TestReasons(t *testing.T) {
	f := newFacts()
	policy := f.policy()
	for i, leaf := range everyLeaf(f) {
		policy.Rules = append(policy.Rules, eligibility.Rule{Code: "leaf-" + string(rune('a'+i)), Require: eligibility.AtLeastN(1, leaf), Basis: eligibility.WithoutArticle("test"), At: []string{"accept"}})
	}
	c, err := eligibility.Compile(f.schema, policy, &eligibility.Options{Texts: agency})
	require.NoError(t, err)
	var out strings.Builder
	good, child, nobody := sri(), person{Birth: eligibility.Known(asOf)}, person{}
	for _, lang := range []string{"id", "en"} {
		for _, each := range []struct {
			p     *person
			stage string
		}{{&good, "join"}, {&child, "payout"}, {&nobody, "join"}, {&good, "accept"}} {
			d := c.Decide(each.p, each.stage, asOf)
			for _, finding := range d.Findings() {
				out.WriteString(c.Reason(lang, finding) + "\n")
			}
		}
	}
	if os.Getenv("UPDATE") != "" {
		require.NoError(t, os.WriteFile("testdata/reasons.txt", []byte(out.String()), 0o644))
	}
	want, err := os.ReadFile("testdata/reasons.txt")
	require.NoError(t, err)
	require.Equal(t, string(want), out.String())
	d := c.Decide(&nobody, "join", asOf)
	require.Equal(t, c.Reason("en", d.Finding(2)), c.Reason("en-GB", d.Finding(2)))
	require.Equal(t, c.Reason("id", d.Finding(2)), c.Reason("fr", d.Finding(2)))
	require.Empty(t, c.Reason("id", eligibility.Finding{}))
}

func TestTextFaults(t *testing.T) {
	f := newFacts()
	for _, texts := range []wording.Texts{
		{"id": {"rule.adult": "x"}},
		{"id": {"rule.nobody": "x"}, "en": {"rule.nobody": "x"}},
		{"id": {"rule.adult": "{age}"}, "en": {"rule.adult": "{age}"}},
		{"id": {"fact.birth": "{basis}"}, "en": {"fact.birth": "{basis}"}},
		{"id": {"eligibility.pass": "x"}, "en": {"eligibility.pass": "x"}},
		{"jv": {"rule.adult": "x"}},
	} {
		_, err := eligibility.Compile(f.schema, f.policy(), &eligibility.Options{Texts: texts})
		require.Error(t, err, texts)
		require.Contains(t, strings.Join(faultsOf(t, err), " "), "texts")
	}
}

// A policy that loads and compiles never fails when it runs.
func FuzzPolicy(f *testing.F) {
	data, err := json.Marshal(newFacts().policy())
	require.NoError(f, err)
	f.Add(string(data))
	f.Add(`{"name":"p","rules":[{"code":"r","require":{"at_least":1,"of":[{"fact":"category","known":true}]},"basis":{"policy":"x"},"at":["join"]}]}`)
	f.Add(`{"name":"p","rules":[{"code":"r","require":{"fact":"income","between":[1,2]},"basis":{"policy":"x"},"at":["join"]}]}`)
	facts := newFacts()
	f.Fuzz(func(t *testing.T, data string) {
		p, err := eligibility.ParsePolicy([]byte(data))
		if err != nil {
			return
		}
		again, err := json.Marshal(p)
		require.NoError(t, err)
		read, err := eligibility.ParsePolicy(again)
		require.NoError(t, err)
		require.Equal(t, len(p.Rules), len(read.Rules))
		c, err := eligibility.Compile(facts.schema, p, nil)
		if err != nil {
			return
		}
		good, nobody := sri(), person{}
		c.Decide(&good, "join", asOf)
		d := c.Decide(&nobody, "join", asOf)
		require.Equal(t, eligibility.Pending, d.Verdict)
		for _, finding := range d.Findings() {
			require.NotEmpty(t, c.Reason("id", finding))
		}
	})
}

// The canonical form of a whole policy: what a digest is of may not change unseen.
func TestCanonicalPolicy(t *testing.T) {
	f := newFacts()
	p := f.policy()
	p.Zone = "Asia/Jakarta"
	p.Params = []eligibility.Param{{Name: "limit", Value: 1, Currency: "IDR", Basis: eligibility.WithoutArticleIn(map[string]string{"id": "<a> & b", "en": "a & b"}), Until: calendar.Of(2030, 1, 1), Known: calendar.Of(2020, 1, 1)}}
	p.Rules = append(p.Rules, eligibility.Rule{Code: "every-operator", Require: eligibility.AtLeastN(2, everyLeaf(f)...), Basis: eligibility.Article("<a> & b", "1"), At: always, Severity: eligibility.Notice},
		eligibility.Rule{Code: "adult", Repeal: true, Basis: eligibility.WithoutArticle("x"), From: calendar.Of(2023, 1, 1), Known: calendar.Of(2022, 12, 1)})
	p.Cases = []eligibility.Case{{Rule: "adult", At: "join", AsOf: asOf, Facts: map[string]any{"birth": "2002-08-08"}, Want: eligibility.Pass}}
	data, err := p.MarshalJSON()
	require.NoError(t, err)
	if os.Getenv("UPDATE") != "" {
		require.NoError(t, os.WriteFile("testdata/policy.json", data, 0o644))
	}
	golden, err := os.ReadFile("testdata/policy.json")
	require.NoError(t, err)
	require.Equal(t, string(golden), string(data))
	plain, err := json.Marshal(p)
	require.NoError(t, err)
	require.Equal(t, string(data), string(plain), "encoding/json writes the same bytes")
	read, err := eligibility.ParsePolicy(data)
	require.NoError(t, err)
	again, err := read.MarshalJSON()
	require.NoError(t, err)
	require.Equal(t, string(data), string(again))
}

// What JSON cannot say is an error: it would be written like something else.
func TestWhatJSONCannotSay(t *testing.T) {
	f := newFacts()
	rule := func(basis eligibility.Basis) eligibility.Policy {
		return eligibility.Policy{Name: "p", Rules: []eligibility.Rule{{Code: "r", Require: f.citizen.Is(true), Basis: basis, At: always}}}
	}
	for _, basis := range []eligibility.Basis{eligibility.WithoutArticle("\xff"), eligibility.Article("\xfe", "1"), eligibility.Article("a", "\xfe"), eligibility.WithoutArticleIn(map[string]string{"id": "\xff", "en": "x"})} {
		_, err := rule(basis).MarshalJSON()
		require.Error(t, err)
		_, err = eligibility.Compile(f.schema, rule(basis), nil)
		require.Equal(t, []string{"rules[0].basis: text"}, faultsOf(t, err))
	}
	_, err := json.Marshal(f.category.In("\xff"))
	require.Error(t, err)
	p := rule(eligibility.WithoutArticle("x"))
	p.Cases = []eligibility.Case{{Rule: "r", Facts: map[string]any{"income": math.NaN()}}}
	_, err = p.MarshalJSON()
	require.Error(t, err)
	_, err = eligibility.ParsePolicy([]byte("{\"name\":\"p\",\"rules\":[{\"code\":\"r\",\"require\":{\"fact\":\"citizen\",\"is\":true},\"basis\":{\"policy\":\"\xff\"},\"at\":[\"join\"]}]}"))
	require.Equal(t, []string{"policy: text"}, faultsOf(t, err))
}

// A compiled policy is a copy: what it was made from may change afterwards.
func TestCompiledDoesNotChange(t *testing.T) {
	f := newFacts()
	reason := map[string]string{"id": "sebab", "en": "why"}
	odd := f.schema.Go("odd", eligibility.GoRule{Facts: []eligibility.Fact{f.citizen.Fact}, Reason: reason, Decide: func(eligibility.Given) eligibility.Outcome { return eligibility.Pass }})
	basis := eligibility.WithoutArticleIn(map[string]string{"id": "dasar", "en": "ground"})
	p := f.policy()
	p.Rules = append(p.Rules, eligibility.Rule{Code: "odd", Require: odd.Holds(), Basis: basis, At: []string{"join"}})
	c, err := eligibility.Compile(f.schema, p, nil)
	require.NoError(t, err)
	someone := sri()
	before := c.Decide(&someone, "join", asOf)
	p.Rules[10].At[0], reason["en"], basis.Policies["en"] = "lunch", "changed", "changed"
	p.Rules[0].Code = "changed"
	before.Finding(10).Basis().Policies["en"] = "changed"
	after := c.Decide(&someone, "join", asOf)
	require.Equal(t, before.String(), after.String())
	require.Equal(t, 11, after.Len())
	require.Equal(t, "Met: why. Basis: policy without a known article: ground.", c.Reason("en", after.Finding(10)))
	require.Equal(t, "Terpenuhi: sebab. Dasar: kebijakan tanpa pasal yang diketahui: dasar.", c.Reason("id", after.Finding(10)))
	tallies, err := eligibility.Impact(c, "join", asOf, "none", nil, nil)
	require.NoError(t, err)
	require.Empty(t, tallies)
}

// An agency's third language has months and bases of its own, or the policy does not
// compile.
func TestThirdLanguage(t *testing.T) {
	own, err := eligibility.DefaultTexts()
	require.NoError(t, err)
	jv := map[string]string{}
	for key, text := range own["id"] {
		jv[key] = text
	}
	jv["eligibility.months"] = "Jn, Fb, Mr, Ap, Mi, Jni, Jl, Ag, Sp, Ok, Nv, Ds"
	f := newFacts()
	policy := func(basis eligibility.Basis) eligibility.Policy {
		return eligibility.Policy{Name: "p", Rules: []eligibility.Rule{{Code: "r", Require: f.birth.OnOrBefore(calendar.Of(2002, 8, 8)), Basis: basis, At: always}}}
	}
	basis := map[string]string{"id": "kebijakan", "en": "policy", "jv": "kawicaksanan"}
	c, err := eligibility.Compile(f.schema, policy(eligibility.WithoutArticleIn(basis)), &eligibility.Options{Texts: wording.Texts{"jv": jv}})
	require.NoError(t, err)
	p := sri()
	d := c.Decide(&p, "join", asOf)
	require.Equal(t, "Terpenuhi: birth pada atau sebelum 8 Ag 2002. Dasar: kebijakan tanpa pasal yang diketahui: kawicaksanan.", c.Reason("jv", d.Finding(0)))
	require.Equal(t, "Terpenuhi: birth pada atau sebelum 8 Agustus 2002. Dasar: kebijakan tanpa pasal yang diketahui: kebijakan.", c.Reason("id-ID", d.Finding(0)))
	require.Equal(t, "Met: birth is on or before 8 August 2002. Basis: policy without a known article: policy.", c.Reason("en-GB,id;q=0.5", d.Finding(0)))

	delete(basis, "jv")
	_, err = eligibility.Compile(f.schema, policy(eligibility.WithoutArticleIn(basis)), &eligibility.Options{Texts: wording.Texts{"jv": jv}})
	require.Equal(t, []string{"rules[0].basis.policy: texts"}, faultsOf(t, err))
	jv["eligibility.months"] = "Jn, Fb"
	_, err = eligibility.Compile(f.schema, policy(eligibility.WithoutArticle("x")), &eligibility.Options{Texts: wording.Texts{"jv": jv}})
	require.Equal(t, []string{"texts.eligibility.months: texts"}, faultsOf(t, err))
}
