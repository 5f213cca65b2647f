// Package eligibility_test compares the package eligibility with general rule engines: the
// same ten rules over the same thirteen facts of the same people, 1.5% of them
// unknown. It measures and does not judge.
package eligibility_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"
	"github.com/google/cel-go/cel"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/program/calendar"
)

// person holds the thirteen facts.
type person struct {
	birth                     eligibility.Value[calendar.Date]
	citizen, revoked, matched eligibility.Value[bool]
	student, official         eligibility.Value[bool]
	aid, subsidy, grant       eligibility.Value[bool]
	category                  eligibility.Value[string]
	household, awards, income eligibility.Value[int64]
}

var asOf = calendar.Of(2020, 8, 8)

func maybe[T any](r *rand.Rand, v T) eligibility.Value[T] {
	if r.IntN(1000) < 15 {
		return eligibility.Unknown[T](eligibility.NotAsked)
	}
	return eligibility.Known(v)
}

func people(n int) []person {
	r := rand.New(rand.NewPCG(3, 4))
	rare := func(oneIn int) eligibility.Value[bool] { return maybe(r, r.IntN(oneIn) == 0) }
	all := make([]person, n)
	for i := range all {
		all[i] = person{
			birth: maybe(r, calendar.Of(1950, 1, 1).AddDays(r.IntN(20_000))), citizen: maybe(r, true), revoked: rare(50), matched: maybe(r, true),
			student: rare(10), official: rare(20), aid: rare(20), subsidy: rare(20), grant: rare(20),
			category:  maybe(r, []string{"seeker", "laid_off", "worker", "other"}[r.IntN(4)]),
			household: maybe(r, int64(r.IntN(3))), awards: maybe(r, int64(r.IntN(8)/7)), income: maybe(r, int64(r.IntN(60_000_000))*100),
		}
	}
	return all
}

func compiled(t testing.TB) (*eligibility.Schema[person], *eligibility.Plan[person]) {
	s := eligibility.NewSchema[person]()
	birth, category := s.Date("birth", nil), s.Code("category", []string{"seeker", "laid_off", "worker", "other"}, nil)
	citizen, revoked, matched := s.Bool("citizen", nil), s.Bool("revoked", nil), s.Bool("matched", nil)
	student, official := s.Bool("student", nil), s.Bool("official", nil)
	aid, subsidy, grant := s.Bool("aid", nil), s.Bool("subsidy", nil), s.Bool("grant", nil)
	household, awards, income := s.Int("household", nil), s.Int("awards", nil), s.Money("income", eligibility.IDR(), nil)
	s.Read(func(p *person, row *eligibility.Row) {
		row.Date(birth, p.birth)
		row.Bool(citizen, p.citizen)
		row.Bool(revoked, p.revoked)
		row.Bool(matched, p.matched)
		row.Bool(student, p.student)
		row.Bool(official, p.official)
		row.Bool(aid, p.aid)
		row.Bool(subsidy, p.subsidy)
		row.Bool(grant, p.grant)
		row.Code(category, p.category)
		row.Int(household, p.household)
		row.Int(awards, p.awards)
		row.Money(income, p.income)
	})
	policy := eligibility.Policy{Name: "peers"}
	for i, c := range []eligibility.Condition{
		citizen.Is(true), birth.AgeAtLeast(18), student.Is(false), category.In("seeker", "laid_off", "worker"), official.Is(false), household.AtMost(1),
		eligibility.All(awards.Equals(0), revoked.Is(false)), eligibility.Not(eligibility.Any(aid.Is(true), subsidy.Is(true), grant.Is(true))),
		matched.Is(true), income.Between(0, 50_000_000_00),
	} {
		policy.Rules = append(policy.Rules, eligibility.Rule{Code: "r" + strconv.Itoa(i), Require: c, Basis: eligibility.WithoutArticle("a benchmark"), At: []string{"join"}})
	}
	c, err := eligibility.Compile(s, policy, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s, c.Plan("join", asOf)
}

// rules are the ten rules as expressions that cel-go and expr both read. The birth
// date is a number, 20020808: eighteen years before the legal date.
var rules = [10]string{
	"citizen", "birth <= 20020808", "!student", `category in ["seeker", "laid_off", "worker"]`, "!official", "household <= 1",
	"awards == 0 && !revoked", "!(aid || subsidy || grant)", "matched", "income >= 0 && income <= 5000000000",
}

var names = [13]string{"birth", "citizen", "revoked", "matched", "student", "official", "aid", "subsidy", "grant", "category", "household", "awards", "income"}

// facts returns the facts that are known, and the names of the others.
func (p *person) facts() (map[string]any, []string) {
	m := map[string]any{}
	var unknown []string
	if d, ok := p.birth.Get(); ok {
		m["birth"] = int64(d.Year*10000 + int(d.Month)*100 + d.Day)
	}
	put(m, "citizen", p.citizen)
	put(m, "revoked", p.revoked)
	put(m, "matched", p.matched)
	put(m, "student", p.student)
	put(m, "official", p.official)
	put(m, "aid", p.aid)
	put(m, "subsidy", p.subsidy)
	put(m, "grant", p.grant)
	put(m, "category", p.category)
	put(m, "household", p.household)
	put(m, "awards", p.awards)
	put(m, "income", p.income)
	for _, name := range names {
		if _, ok := m[name]; !ok {
			unknown = append(unknown, name)
		}
	}
	return m, unknown
}

func put[T any](m map[string]any, name string, v eligibility.Value[T]) {
	if value, ok := v.Get(); ok {
		m[name] = value
	}
}

const crowd = 1024

func BenchmarkGelombangRow(b *testing.B) {
	_, plan := compiled(b)
	all := people(crowd)
	var d eligibility.Decision
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		plan.Decide(&all[i%crowd], &d)
	}
}

func BenchmarkGelombangColumns(b *testing.B) {
	s, plan := compiled(b)
	blocks := eligibility.Population(s, people(crowd))
	var o eligibility.Outcomes
	b.ReportAllocs()
	for b.Loop() {
		if err := plan.DecideBlock(blocks[0], &o); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/crowd, "ns/person")
}

// celPrograms are the ten rules, compiled and optimised.
func celPrograms(t testing.TB) []cel.Program {
	options := []cel.EnvOption{}
	kinds := map[string]*cel.Type{"birth": cel.IntType, "category": cel.StringType, "household": cel.IntType, "awards": cel.IntType, "income": cel.IntType}
	for _, name := range names {
		kind := kinds[name]
		if kind == nil {
			kind = cel.BoolType
		}
		options = append(options, cel.Variable(name, kind))
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		t.Fatal(err)
	}
	var programs []cel.Program
	for _, rule := range rules {
		ast, issues := env.Compile(rule)
		if issues.Err() != nil {
			t.Fatal(issues.Err())
		}
		p, err := env.Program(ast, cel.EvalOptions(cel.OptOptimize, cel.OptPartialEval))
		if err != nil {
			t.Fatal(err)
		}
		programs = append(programs, p)
	}
	return programs
}

// celPeople are inputs made ready, so that only evaluation is timed.
func celPeople(t testing.TB, all []person) []cel.PartialActivation {
	var inputs []cel.PartialActivation
	for i := range all {
		m, unknown := all[i].facts()
		var patterns []*cel.AttributePatternType
		for _, name := range unknown {
			patterns = append(patterns, cel.AttributePattern(name))
		}
		in, err := cel.PartialVars(m, patterns...)
		if err != nil {
			t.Fatal(err)
		}
		inputs = append(inputs, in)
	}
	return inputs
}

// celPerson is a person read where it is: the least that cel-go needs to begin where
// this library begins, and used again for the next one.
type celPerson struct {
	*person
	patterns map[string]*cel.AttributePatternType
	unknown  []*cel.AttributePatternType
}

func newCELPerson() *celPerson {
	p := &celPerson{patterns: map[string]*cel.AttributePatternType{}}
	for _, name := range names {
		p.patterns[name] = cel.AttributePattern(name)
	}
	return p
}

// begin takes the next person, and lists what is unknown.
func (p *celPerson) begin(next *person) {
	p.person, p.unknown = next, p.unknown[:0]
	note(p, "birth", &next.birth)
	note(p, "citizen", &next.citizen)
	note(p, "revoked", &next.revoked)
	note(p, "matched", &next.matched)
	note(p, "student", &next.student)
	note(p, "official", &next.official)
	note(p, "aid", &next.aid)
	note(p, "subsidy", &next.subsidy)
	note(p, "grant", &next.grant)
	note(p, "category", &next.category)
	note(p, "household", &next.household)
	note(p, "awards", &next.awards)
	note(p, "income", &next.income)
}

func note[T any](p *celPerson, name string, v *eligibility.Value[T]) {
	if _, ok := v.Get(); !ok {
		p.unknown = append(p.unknown, p.patterns[name])
	}
}

func (p *celPerson) ResolveName(name string) (any, bool) {
	switch name {
	case "birth":
		d, ok := p.birth.Get()
		return int64(d.Year*10000 + int(d.Month)*100 + d.Day), ok
	case "citizen":
		return found(p.citizen)
	case "revoked":
		return found(p.revoked)
	case "matched":
		return found(p.matched)
	case "student":
		return found(p.student)
	case "official":
		return found(p.official)
	case "aid":
		return found(p.aid)
	case "subsidy":
		return found(p.subsidy)
	case "grant":
		return found(p.grant)
	case "category":
		return found(p.category)
	case "household":
		return found(p.household)
	case "awards":
		return found(p.awards)
	case "income":
		return found(p.income)
	}
	return nil, false
}

func found[T any](v eligibility.Value[T]) (any, bool) {
	value, ok := v.Get()
	return value, ok
}

func (p *celPerson) Parent() cel.Activation { return nil }

// AsPartialActivation is how cel-go asks whether something may be unknown.
func (p *celPerson) AsPartialActivation() (cel.PartialActivation, bool) { return p, true }

func (p *celPerson) UnknownAttributePatterns() []*cel.AttributePatternType { return p.unknown }

// BenchmarkCEL begins where BenchmarkGelombangRow begins: with a person.
func BenchmarkCEL(b *testing.B) {
	programs, all := celPrograms(b), people(crowd)
	in := newCELPerson()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		in.begin(&all[i%crowd])
		for _, p := range programs {
			if _, _, err := p.Eval(in); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkCELReady begins with inputs that were made ready before: evaluation alone.
func BenchmarkCELReady(b *testing.B) {
	programs, inputs := celPrograms(b), celPeople(b, people(crowd))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		for _, p := range programs {
			if _, _, err := p.Eval(inputs[i%crowd]); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// Both give the same outcomes: the comparison compares the same work.
func TestCELAgrees(t *testing.T) {
	_, plan := compiled(t)
	all := people(crowd)
	programs, inputs, in := celPrograms(t), celPeople(t, all), newCELPerson()
	var d eligibility.Decision
	for i := range all {
		plan.Decide(&all[i], &d)
		in.begin(&all[i])
		for k, p := range programs {
			for _, given := range []cel.Activation{inputs[i], in} {
				if want := celOutcome(t, p, given); d.Outcome(k) != want {
					t.Fatal(i, rules[k], d.Outcome(k), want)
				}
			}
		}
	}
}

func celOutcome(t *testing.T, p cel.Program, in cel.Activation) eligibility.Outcome {
	out, _, err := p.Eval(in)
	if err != nil {
		t.Fatal(err)
	}
	v, known := out.Value().(bool)
	switch {
	case !known:
		return eligibility.Undecided
	case v:
		return eligibility.Pass
	}
	return eligibility.Fail
}

// expr has no unknown: it is asked about people of whom everything is known.
func exprPrograms(t testing.TB) []*vm.Program {
	var programs []*vm.Program
	for _, rule := range rules {
		p, err := expr.Compile(rule, expr.AsBool(), expr.AllowUndefinedVariables())
		if err != nil {
			t.Fatal(err)
		}
		programs = append(programs, p)
	}
	return programs
}

func BenchmarkExpr(b *testing.B) {
	programs := exprPrograms(b)
	_, inputs := knownPeople()
	var machine vm.VM
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		for _, p := range programs {
			if _, err := machine.Run(p, inputs[i%len(inputs)]); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// expr says the same of everybody of whom everything is known.
func TestExprAgrees(t *testing.T) {
	_, plan := compiled(t)
	programs := exprPrograms(t)
	all, inputs := knownPeople()
	var machine vm.VM
	var d eligibility.Decision
	var seen [3]int
	for i := range all {
		plan.Decide(&all[i], &d)
		for k, p := range programs {
			got, err := machine.Run(p, inputs[i])
			if err != nil {
				t.Fatal(err)
			}
			if want := d.Outcome(k); (want == eligibility.Pass) != got.(bool) || want == eligibility.Undecided {
				t.Fatal(i, rules[k], want, got)
			}
			seen[d.Outcome(k)]++
		}
	}
	if seen[eligibility.Pass] == 0 || seen[eligibility.Fail] == 0 {
		t.Fatal("the control: rules pass and fail", seen)
	}
}

func knownPeople() (all []person, inputs []map[string]any) {
	for _, p := range people(crowd) {
		if m, unknown := p.facts(); len(unknown) == 0 {
			all, inputs = append(all, p), append(inputs, m)
		}
	}
	return all, inputs
}

// opaRules collect the rules that fail; an undefined input makes a rule undefined.
const opaRules = `package p
fails contains 0 if input.citizen == false
fails contains 1 if input.birth > 20020808
fails contains 2 if input.student
fails contains 3 if not input.category in {"seeker", "laid_off", "worker"}
fails contains 4 if input.official
fails contains 5 if input.household > 1
fails contains 6 if input.awards != 0
fails contains 6 if input.revoked
fails contains 7 if input.aid
fails contains 7 if input.subsidy
fails contains 7 if input.grant
fails contains 8 if input.matched == false
fails contains 9 if input.income < 0
fails contains 9 if input.income > 5000000000
`

func opaQuery(t testing.TB, ctx context.Context) rego.PreparedEvalQuery {
	query, err := rego.New(rego.Query("data.p.fails"), rego.Module("p.rego", opaRules)).PrepareForEval(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return query
}

func BenchmarkOPA(b *testing.B) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	query := opaQuery(b, ctx)
	_, inputs := knownPeople()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := query.Eval(ctx, rego.EvalInput(inputs[i%len(inputs)])); err != nil {
			b.Fatal(err)
		}
	}
}

// OPA says the same of everybody of whom everything is known.
func TestOPAAgrees(t *testing.T) {
	_, plan := compiled(t)
	query := opaQuery(t, t.Context())
	all, inputs := knownPeople()
	all = append(all, all[0])
	all[len(all)-1].income = eligibility.Known[int64](-1)
	below, _ := all[len(all)-1].facts()
	inputs = append(inputs, below)
	var d eligibility.Decision
	for i := range all {
		plan.Decide(&all[i], &d)
		results, err := query.Eval(t.Context(), rego.EvalInput(inputs[i]))
		if err != nil {
			t.Fatal(err)
		}
		fails := map[string]bool{}
		for _, rule := range results[0].Expressions[0].Value.([]any) {
			fails[fmt.Sprint(rule)] = true
		}
		for k := range rules {
			if (d.Outcome(k) == eligibility.Fail) != fails[strconv.Itoa(k)] {
				t.Fatal(i, rules[k], d.Outcome(k), fails)
			}
		}
	}
}
