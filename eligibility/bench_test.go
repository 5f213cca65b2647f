package eligibility_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/program/calendar"
)

// population returns people of whom 1.5% of the facts are unknown.
func population(n int) []person {
	r := rand.New(rand.NewPCG(3, 4))
	people := make([]person, n)
	for i := range people {
		p := sri()
		p.Birth = eligibility.Known(calendar.Of(1950, 1, 1).AddDays(r.IntN(20_000)))
		p.Income = eligibility.Known(int64(r.IntN(60_000_000) * 100))
		p.Household = eligibility.Known(int64(r.IntN(3)))
		p.Student, p.Official = observed(r.IntN(10) == 0), observed(r.IntN(20) == 0)
		forget(r, &p)
		people[i] = p
	}
	return people
}

func forget(r *rand.Rand, p *person) {
	lost := func() bool { return r.IntN(1000) < 15 }
	for _, o := range []*eligibility.Observation[bool]{&p.Student, &p.Official, &p.Aid, &p.Subsidy, &p.Grant} {
		if lost() {
			*o = eligibility.Observation[bool]{}
		}
	}
	for _, v := range []*eligibility.Value[bool]{&p.Citizen, &p.Revoked, &p.Matched} {
		if lost() {
			*v = eligibility.Value[bool]{}
		}
	}
	for _, v := range []*eligibility.Value[int64]{&p.Household, &p.Awards, &p.Income} {
		if lost() {
			*v = eligibility.Value[int64]{}
		}
	}
	if lost() {
		p.Birth = eligibility.Value[calendar.Date]{}
	}
	if lost() {
		p.Category = eligibility.Value[string]{}
	}
}

// BenchmarkDecideRow decides with facts that one function reads; BenchmarkDecideRowByGetters
// with a function for each fact.
func BenchmarkDecideRow(b *testing.B)          { benchmarkRow(b, newFactsTogether()) }
func BenchmarkDecideRowByGetters(b *testing.B) { benchmarkRow(b, newFacts()) }

func benchmarkRow(b *testing.B, f facts) {
	c, err := eligibility.Compile(f.schema, f.policy(), nil)
	if err != nil {
		b.Fatal(err)
	}
	plan := c.Plan("join", asOf)
	var d eligibility.Decision
	crowds(b, func(p *person) { plan.Decide(p, &d) })
}

// crowds decides about people who stay in the processor's caches, and about a million
// who come from memory, one after the other.
func crowds(b *testing.B, decide func(*person)) {
	for _, n := range []int{4096, 1_000_000} {
		b.Run(fmt.Sprintf("people=%d", n), func(b *testing.B) {
			people := population(n)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				decide(&people[i])
				if i++; i == n {
					i = 0
				}
			}
		})
	}
}

// handFinding is what a hand-written function reports of a rule: the outcome, and what
// an undecided rule still needs.
type handFinding struct {
	outcome eligibility.Outcome
	asks    uint8 // how many of missing
	missing [3]handMissing
}

type handMissing struct {
	fact  string
	cause eligibility.Cause
}

func BenchmarkHandWritten(b *testing.B) {
	var findings [10]handFinding
	rules := newHandRules(asOf)
	crowds(b, func(p *person) { rules.decide(p, &findings) })
}

// The hand-written function of the benchmark gives the same verdicts, outcomes and
// missing evidence.
func TestHandWrittenAgrees(t *testing.T) {
	together := newFactsTogether()
	c, err := eligibility.Compile(together.schema, together.policy(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var d eligibility.Decision
	var findings [10]handFinding
	rules := newHandRules(asOf)
	for _, plan := range []*eligibility.Plan[person]{compiled(t).Plan("join", asOf), c.Plan("join", asOf)} {
		for _, p := range population(20_000) {
			plan.Decide(&p, &d)
			if got := rules.decide(&p, &findings); got != d.Verdict {
				t.Fatal(got, d)
			}
			for i := range findings {
				if findings[i].outcome != d.Outcome(i) {
					t.Fatal(i, findings[i], d)
				}
				missing := d.Finding(i).Missing
				if int(findings[i].asks) != len(missing) {
					t.Fatal(i, findings[i], missing)
				}
				for k, m := range missing {
					if findings[i].missing[k] != (handMissing{m.Fact, m.Cause}) {
						t.Fatal(i, findings[i], missing)
					}
				}
			}
		}
	}
}

// handRules are the ten rules in one function, with what depends on the day worked out
// once, as a plan has it.
type handRules struct {
	asOf, bornBy, student, official calendar.Date // the last birth of an adult, the first answers that are fresh
}

func newHandRules(asOf calendar.Date) handRules {
	return handRules{asOf, asOf.AddMonths(-12 * 18), asOf.AddDays(-180), asOf.AddDays(-90)}
}

func (r *handRules) decide(p *person, out *[10]handFinding) eligibility.Verdict {
	fail, pending := false, false
	set := func(i int, known, holds bool) {
		f := &out[i]
		f.asks = 0
		switch {
		case !known:
			f.outcome, pending = eligibility.Undecided, true
		case holds:
			f.outcome = eligibility.Pass
		default:
			f.outcome, fail = eligibility.Fail, true
		}
	}
	ask := func(i int, fact string, cause eligibility.Cause) {
		f := &out[i]
		f.missing[f.asks] = handMissing{fact, cause}
		f.asks++
	}
	evidence := func(i int, o *eligibility.Observation[bool], fresh calendar.Date, fact string) {
		v, ok := o.Value.Get()
		switch {
		case !ok:
			set(i, false, false)
			ask(i, fact, why(o.Value))
		case o.On.Before(fresh):
			set(i, false, false)
			ask(i, fact, eligibility.Expired)
		default:
			set(i, true, !v)
		}
	}
	citizen, ok := p.Citizen.Get()
	if set(0, ok, citizen); !ok {
		ask(0, "citizen", why(p.Citizen))
	}
	birth, ok := p.Birth.Get()
	unborn := ok && r.asOf.Before(birth)
	switch set(1, ok && !unborn, !r.bornBy.Before(birth)); {
	case unborn:
		ask(1, "birth", eligibility.Conflicting)
	case !ok:
		ask(1, "birth", why(p.Birth))
	}
	evidence(2, &p.Student, r.student, "student")
	category, ok := p.Category.Get()
	if set(3, ok, category == "seeker" || category == "laid_off" || category == "worker"); !ok {
		ask(3, "category", why(p.Category))
	}
	evidence(4, &p.Official, r.official, "official")
	household, ok := p.Household.Get()
	if set(5, ok, household <= 1); !ok {
		ask(5, "household", why(p.Household))
	}
	awards, ok1 := p.Awards.Get()
	revoked, ok2 := p.Revoked.Get()
	bad := ok1 && awards != 0 || ok2 && revoked
	if set(6, bad || ok1 && ok2, !bad); !bad {
		if !ok1 {
			ask(6, "awards", why(p.Awards))
		}
		if !ok2 {
			ask(6, "revoked", why(p.Revoked))
		}
	}
	aid, ok1 := p.Aid.Value.Get()
	subsidy, ok2 := p.Subsidy.Value.Get()
	grant, ok3 := p.Grant.Value.Get()
	bad = ok1 && aid || ok2 && subsidy || ok3 && grant
	if set(7, bad || ok1 && ok2 && ok3, !bad); !bad {
		if !ok1 {
			ask(7, "aid", why(p.Aid.Value))
		}
		if !ok2 {
			ask(7, "subsidy", why(p.Subsidy.Value))
		}
		if !ok3 {
			ask(7, "grant", why(p.Grant.Value))
		}
	}
	matched, ok := p.Matched.Get()
	if set(8, ok, matched); !ok {
		ask(8, "matched", why(p.Matched))
	}
	income, ok := p.Income.Get()
	if set(9, ok, income >= 0 && income <= 50_000_000_00); !ok {
		ask(9, "income", why(p.Income))
	}
	switch {
	case fail:
		return eligibility.Ineligible
	case pending:
		return eligibility.Pending
	}
	return eligibility.Eligible
}

// why is the cause of an unknown value.
func why[T comparable](v eligibility.Value[T]) eligibility.Cause {
	for _, cause := range []eligibility.Cause{eligibility.SourceDown, eligibility.Expired, eligibility.Conflicting} {
		if v == eligibility.Unknown[T](cause) {
			return cause
		}
	}
	return eligibility.NotAsked
}

func BenchmarkReason(b *testing.B) {
	c := compiled(b)
	passes, fails, nobody := sri(), person{}, person{}
	fails = person{Birth: eligibility.Known(asOf), Citizen: eligibility.Known(false), Student: observed(true), Official: observed(true), Category: eligibility.Known("other"),
		Household: eligibility.Known[int64](2), Awards: eligibility.Known[int64](1), Revoked: eligibility.Known(true), Aid: observed(true), Subsidy: observed(true), Grant: observed(true),
		Matched: eligibility.Known(false), Income: eligibility.Known[int64](-1)}
	for _, each := range []struct {
		name string
		p    *person
		want eligibility.Outcome
	}{{"pass", &passes, eligibility.Pass}, {"fail", &fails, eligibility.Fail}, {"unknown", &nobody, eligibility.Undecided}} {
		for _, lang := range []string{"en", "id-ID", "id-ID,id;q=0.9,en;q=0.8"} {
			b.Run(each.name+"/"+lang, func(b *testing.B) {
				d := c.Decide(each.p, "join", asOf)
				findings := d.Findings()
				for _, f := range findings {
					if f.Outcome != each.want {
						b.Fatal(f)
					}
				}
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					if c.Reason(lang, findings[i%10]) == "" {
						b.Fatal("no reason")
					}
					i++
				}
			})
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	f := newFacts()
	p := f.policy()
	for b.Loop() {
		if _, err := eligibility.Compile(f.schema, p, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkColumns decides about blocks that are filled already; the time is per
// person. See BenchmarkFill for the other part.
func BenchmarkColumns(b *testing.B) {
	f := newFacts()
	c, err := eligibility.Compile(f.schema, f.policy(), nil)
	if err != nil {
		b.Fatal(err)
	}
	blocks := eligibility.Population(f.schema, population(1_000_000/eligibility.BlockSize*eligibility.BlockSize))
	plan := c.Plan("join", asOf)
	var o eligibility.Outcomes
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if err := plan.DecideBlock(blocks[i%len(blocks)], &o); err != nil {
			b.Fatal(err)
		}
		i++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/eligibility.BlockSize, "ns/person")
}

func BenchmarkFill(b *testing.B)          { benchmarkFill(b, newFactsTogether()) }
func BenchmarkFillByGetters(b *testing.B) { benchmarkFill(b, newFacts()) }

func benchmarkFill(b *testing.B, f facts) {
	people := population(4096)
	block := eligibility.NewBlock(f.schema)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if !block.Add(&people[i&4095]) {
			block.Reset()
		}
		i++
	}
}

// BenchmarkDiff compares two editions of the policy that differ in two rules, over a
// million people in blocks that are filled already, and one in eight changes: with
// counts only, and with a call for each who changes. The time is per person.
func BenchmarkDiff(b *testing.B) {
	f := newFacts()
	old, next := f.policy(), f.policy()
	next.Rules[1].Require = eligibility.All(f.birth.AgeAtLeast(18), f.birth.AgeAtMost(64))
	next.Rules[9].Require = f.income.Between(0, 40_000_000_00)
	var plans [2]*eligibility.Plan[person]
	for i, p := range []eligibility.Policy{old, next} {
		c, err := eligibility.Compile(f.schema, p, nil)
		if err != nil {
			b.Fatal(err)
		}
		plans[i] = c.Plan("join", asOf)
	}
	people := population(1_000_000)
	blocks := eligibility.Population(f.schema, people)
	changed := 0 // kept, so that the call does something
	for name, each := range map[string]func(eligibility.Change){"counts": nil, "names": func(eligibility.Change) { changed++ }} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := eligibility.Diff(plans[0], plans[1], blocks, each); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(people)), "ns/person")
		})
	}
}
