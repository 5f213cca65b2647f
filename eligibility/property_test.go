package eligibility_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/program/calendar"
)

// slot is what a test knows of one fact: more than the package can see.
type slot struct {
	state byte // 'u' unknown, 'k' known, 'n' not applicable
	cause eligibility.Cause
	yes   bool
	n     int64
	day   calendar.Date
	code  string
	codes []string
	on    calendar.Date
}

func value[T any](s *slot, v T) eligibility.Value[T] {
	switch s.state {
	case 'u':
		return eligibility.Unknown[T](s.cause)
	case 'n':
		return eligibility.NotApplicable[T]()
	}
	return eligibility.Known(v)
}

func observation[T any](s *slot, v T) eligibility.Observation[T] {
	return eligibility.Observation[T]{Value: value(s, v), On: s.on}
}

// thing has a fact of every kind, by itself and from a source, and a rule in Go.
type thing struct {
	flag, seenFlag, count, seenCount, amount, seenAmount, born, seenBorn, kind, region, seenKind, skills, seenSkills slot
}

var (
	kindCodes  = []string{"a", "b", "c", "d", "e"}
	skillCodes = []string{"sew", "weld", "cook", "drive", "teach"}
)

func regionCodes() []string {
	codes := make([]string, 150)
	for i := range codes {
		codes[i] = fmt.Sprintf("r%03d", i)
	}
	return codes
}

const seenDays = 30

func thingSchema() *eligibility.Schema[thing] {
	s := eligibility.NewSchema[thing]()
	office := s.Source("office", seenDays)
	s.Bool("flag", func(t *thing) eligibility.Value[bool] { return value(&t.flag, t.flag.yes) })
	office.Bool("seen-flag", func(t *thing) eligibility.Observation[bool] { return observation(&t.seenFlag, t.seenFlag.yes) })
	count := s.Int("count", func(t *thing) eligibility.Value[int64] { return value(&t.count, t.count.n) })
	office.Int("seen-count", func(t *thing) eligibility.Observation[int64] { return observation(&t.seenCount, t.seenCount.n) })
	s.Money("amount", eligibility.IDR(), func(t *thing) eligibility.Value[int64] { return value(&t.amount, t.amount.n) })
	office.Money("seen-amount", usd, func(t *thing) eligibility.Observation[int64] { return observation(&t.seenAmount, t.seenAmount.n) })
	s.Date("born", func(t *thing) eligibility.Value[calendar.Date] { return value(&t.born, t.born.day) })
	office.Date("seen-born", func(t *thing) eligibility.Observation[calendar.Date] { return observation(&t.seenBorn, t.seenBorn.day) })
	s.Code("kind", kindCodes, func(t *thing) eligibility.Value[string] { return value(&t.kind, t.kind.code) })
	s.Code("region", regionCodes(), func(t *thing) eligibility.Value[string] { return value(&t.region, t.region.code) })
	office.Code("seen-kind", kindCodes, func(t *thing) eligibility.Observation[string] { return observation(&t.seenKind, t.seenKind.code) })
	s.Codes("skills", skillCodes, func(t *thing) eligibility.Value[[]string] { return value(&t.skills, t.skills.codes) })
	office.Codes("seen-skills", skillCodes, func(t *thing) eligibility.Observation[[]string] {
		return observation(&t.seenSkills, t.seenSkills.codes)
	})
	addEven(s, count)
	return s
}

var usd = eligibility.Currency{Code: "USD", Digits: 2}

func addEven(s *eligibility.Schema[thing], count eligibility.IntFact) eligibility.GoFact {
	return s.Go("even", eligibility.GoRule[thing]{Facts: []eligibility.Fact{count.Fact},
		Reason: map[string]string{"id": "jumlahnya genap", "en": "the number is even"},
		Decide: func(t *thing) eligibility.Outcome { return evenOutcome(&t.count) }})
}

// thingSchemaTogether has the same facts, of which one function reads all but two.
func thingSchemaTogether() *eligibility.Schema[thing] {
	s := eligibility.NewSchema[thing]()
	office := s.Source("office", seenDays)
	flag, seenFlag := s.Bool("flag", nil), office.Bool("seen-flag", nil)
	count, seenCount := s.Int("count", nil), office.Int("seen-count", nil)
	amount, seenAmount := s.Money("amount", eligibility.IDR(), nil), office.Money("seen-amount", usd, nil)
	born, seenBorn := s.Date("born", nil), office.Date("seen-born", nil)
	s.Code("kind", kindCodes, func(t *thing) eligibility.Value[string] { return value(&t.kind, t.kind.code) })
	region, seenKind := s.Code("region", regionCodes(), nil), office.Code("seen-kind", kindCodes, nil)
	skills := s.Codes("skills", skillCodes, nil)
	office.Codes("seen-skills", skillCodes, func(t *thing) eligibility.Observation[[]string] {
		return observation(&t.seenSkills, t.seenSkills.codes)
	})
	addEven(s, count)
	s.Read(func(t *thing, row *eligibility.Row) {
		row.Asked(seenFlag.Fact, t.seenFlag.on) // before or after the value
		row.Bool(flag, value(&t.flag, t.flag.yes))
		row.Bool(seenFlag, value(&t.seenFlag, t.seenFlag.yes))
		row.Int(count, value(&t.count, t.count.n))
		row.Int(seenCount, value(&t.seenCount, t.seenCount.n))
		row.Asked(seenCount.Fact, t.seenCount.on)
		row.Money(amount, value(&t.amount, t.amount.n))
		row.Money(seenAmount, value(&t.seenAmount, t.seenAmount.n))
		row.Asked(seenAmount.Fact, t.seenAmount.on)
		row.Date(born, value(&t.born, t.born.day))
		row.Date(seenBorn, value(&t.seenBorn, t.seenBorn.day))
		row.Asked(seenBorn.Fact, t.seenBorn.on)
		row.Code(region, value(&t.region, t.region.code))
		row.Code(seenKind, value(&t.seenKind, t.seenKind.code))
		row.Asked(seenKind.Fact, t.seenKind.on)
		row.Codes(skills, value(&t.skills, t.skills.codes))
	})
	return s
}

func evenOutcome(s *slot) eligibility.Outcome {
	switch {
	case s.state != 'k' || s.n == 3:
		return eligibility.Undecided
	case s.n%2 == 0:
		return eligibility.Pass
	}
	return eligibility.Fail
}

// slow is a condition as the oracle sees it, read from JSON.
type slow struct {
	op, fact  string
	yes       bool
	low, high int64
	day       calendar.Date
	codes     []string
	of        []slow
}

func readSlow(t testing.TB, tree map[string]any) slow {
	if fact, ok := tree["fact"].(string); ok {
		for op, limit := range tree {
			if op != "fact" {
				s := slow{op: op, fact: fact}
				s.limit(t, limit)
				return s
			}
		}
	}
	s := slow{}
	for op, parts := range tree {
		switch list := parts.(type) {
		case []any:
			for _, part := range list {
				s.of = append(s.of, readSlow(t, part.(map[string]any)))
			}
		case map[string]any:
			s.of = []slow{readSlow(t, list)}
		case float64:
			s.low = int64(list)
			continue
		}
		s.op = op
	}
	return s
}

func (s *slow) limit(t testing.TB, tree any) {
	switch v := tree.(type) {
	case bool:
		s.yes = v
	case float64:
		s.low, s.high = int64(v), int64(v)
	case string:
		day, err := calendar.Parse(v)
		require.NoError(t, err)
		s.day = day
	case map[string]any:
		s.limit(t, v["units"])
	case []any:
		if _, ok := v[0].(string); ok {
			for _, code := range v {
				s.codes = append(s.codes, code.(string))
			}
			return
		}
		var second slow
		s.limit(t, v[0])
		second.limit(t, v[1])
		s.high = second.high
	}
}

func (s *slow) outcome(t *thing, legal calendar.Date) eligibility.Outcome {
	if s.fact != "" {
		return s.leaf(t, legal)
	}
	pass, fail := 0, 0
	for i := range s.of {
		switch s.of[i].outcome(t, legal) {
		case eligibility.Pass:
			pass++
		case eligibility.Fail:
			fail++
		}
	}
	n := len(s.of)
	switch s.op {
	case "not":
		return [...]eligibility.Outcome{0: eligibility.Undecided, 1: eligibility.Fail, 2: eligibility.Pass}[pass+2*fail]
	case "all":
		return kleene(pass == n, fail > 0)
	case "any":
		return kleene(pass > 0, fail == n)
	}
	return kleene(int64(pass) >= s.low, int64(n-fail) < s.low)
}

func kleene(pass, fail bool) eligibility.Outcome {
	switch {
	case pass:
		return eligibility.Pass
	case fail:
		return eligibility.Fail
	}
	return eligibility.Undecided
}

func (s *slow) leaf(t *thing, legal calendar.Date) eligibility.Outcome {
	var at *slot
	switch s.fact {
	case "flag":
		at = &t.flag
	case "seen-flag":
		at = &t.seenFlag
	case "count":
		at = &t.count
	case "seen-count":
		at = &t.seenCount
	case "amount":
		at = &t.amount
	case "seen-amount":
		at = &t.seenAmount
	case "born":
		at = &t.born
	case "seen-born":
		at = &t.seenBorn
	case "kind":
		at = &t.kind
	case "region":
		at = &t.region
	case "seen-kind":
		at = &t.seenKind
	case "skills":
		at = &t.skills
	case "seen-skills":
		at = &t.seenSkills
	case "even":
		return evenOutcome(&t.count)
	}
	switch {
	case at.state == 'u' || strings.HasPrefix(s.fact, "seen-") && (at.on.IsZero() || legal.DaysSince(at.on) > seenDays):
		return eligibility.Undecided
	case at.state == 'k' && strings.HasSuffix(s.fact, "born") && !at.day.Valid():
		return eligibility.Undecided
	case at.state == 'k' && (at.code == "??" || slices.Contains(at.codes, "??")):
		return eligibility.Undecided
	case at.state == 'n':
		return eligibility.Fail
	}
	holds := s.holds(at, legal)
	return kleene(holds, !holds)
}

func (s *slow) holds(at *slot, legal calendar.Date) bool {
	has := func(code string) bool { return slices.Contains(at.codes, code) }
	switch s.op {
	case "is":
		return at.yes == s.yes
	case "equals":
		return at.n == s.low
	case "at_least":
		return at.n >= s.low
	case "at_most":
		return at.n <= s.low
	case "between":
		return at.n >= s.low && at.n <= s.high
	case "in":
		return slices.Contains(s.codes, at.code)
	case "has_any":
		return slices.ContainsFunc(s.codes, has)
	case "has_all":
		return !slices.ContainsFunc(s.codes, func(code string) bool { return !has(code) })
	case "on_or_after":
		return at.day.Compare(s.day) >= 0
	case "on_or_before":
		return at.day.Compare(s.day) <= 0
	case "age_at_least":
		return int64(at.day.AgeAt(legal)) >= s.low
	case "age_at_most":
		return int64(at.day.AgeAt(legal)) <= s.low
	}
	return true // known
}

// randomLeaf writes a comparison of any operator as JSON.
func randomLeaf(r *rand.Rand, legal calendar.Date) string {
	seen := [...]string{"", "seen-"}[r.IntN(2)]
	n := func() int { return r.IntN(7) - 1 }
	money := func(n int) string {
		return fmt.Sprintf(`{"units":%d,"currency":"%s"}`, n, map[string]string{"": "IDR", "seen-": "USD"}[seen])
	}
	some := func(codes []string) string {
		data, _ := json.Marshal(pickCodes(r, codes, 1))
		return string(data)
	}
	number := [...]string{"equals", "at_least", "at_most"}[r.IntN(3)]
	switch r.IntN(14) {
	case 0:
		return fmt.Sprintf(`{"fact":"%sflag","is":%t}`, seen, r.IntN(2) == 0)
	case 1:
		return fmt.Sprintf(`{"fact":"%scount","%s":%d}`, seen, number, n())
	case 2:
		low := n()
		return fmt.Sprintf(`{"fact":"%scount","between":[%d,%d]}`, seen, low, low+r.IntN(3))
	case 3:
		return fmt.Sprintf(`{"fact":"%samount","%s":%s}`, seen, number, money(n()))
	case 4:
		low := n()
		return fmt.Sprintf(`{"fact":"%samount","between":[%s,%s]}`, seen, money(low), money(low+r.IntN(3)))
	case 5:
		return fmt.Sprintf(`{"fact":"%sborn","%s":"%s"}`, seen, [...]string{"on_or_after", "on_or_before"}[r.IntN(2)], bornAround(r, legal))
	case 6:
		return fmt.Sprintf(`{"fact":"%sborn","%s":%d}`, seen, [...]string{"age_at_least", "age_at_most"}[r.IntN(2)], 18+r.IntN(3))
	case 7:
		return fmt.Sprintf(`{"fact":"%skind","in":%s}`, seen, some(kindCodes))
	case 8:
		return fmt.Sprintf(`{"fact":"region","in":%s}`, some(regionCodes()))
	case 9:
		return fmt.Sprintf(`{"fact":"%sskills","has_any":%s}`, seen, some(skillCodes))
	case 10:
		return fmt.Sprintf(`{"fact":"%sskills","has_all":%s}`, seen, some(skillCodes))
	case 11:
		return `{"fact":"even","holds":true}`
	case 12:
		return fmt.Sprintf(`{"fact":"%s","known":true}`, [...]string{"flag", "seen-count", "amount", "born", "seen-kind", "region", "skills"}[r.IntN(7)])
	}
	return fmt.Sprintf(`{"fact":"%sflag","is":true}`, seen)
}

func pickCodes(r *rand.Rand, codes []string, least int) []string {
	var some []string
	for len(some) < least {
		for _, code := range codes {
			if r.IntN(3) == 0 {
				some = append(some, code)
			}
		}
	}
	return some
}

func bornAround(r *rand.Rand, legal calendar.Date) calendar.Date {
	return legal.AddMonths(-12 * (18 + r.IntN(3))).AddDays(r.IntN(5) - 2)
}

func randomTree(r *rand.Rand, legal calendar.Date, depth int) string {
	if depth == 0 || r.IntN(3) == 0 {
		return randomLeaf(r, legal)
	}
	parts := make([]string, 1+r.IntN(4))
	for i := range parts {
		parts[i] = randomTree(r, legal, depth-1)
	}
	list := "[" + strings.Join(parts, ",") + "]"
	switch r.IntN(4) {
	case 0:
		return `{"all":` + list + `}`
	case 1:
		return `{"any":` + list + `}`
	case 2:
		return `{"not":` + parts[0] + `}`
	}
	return fmt.Sprintf(`{"at_least":%d,"of":%s}`, 1+r.IntN(len(parts)), list)
}

func (t *thing) slots() []*slot {
	return []*slot{&t.flag, &t.seenFlag, &t.count, &t.seenCount, &t.amount, &t.seenAmount, &t.born, &t.seenBorn, &t.kind, &t.region, &t.seenKind, &t.skills, &t.seenSkills}
}

func randomThing(r *rand.Rand, t *thing, legal calendar.Date) {
	for _, s := range t.slots() {
		*s = slot{state: "kkkkkkkkkun"[r.IntN(11)], yes: r.IntN(2) == 0, n: int64(r.IntN(7) - 1)}
		s.cause = eligibility.Cause(r.IntN(4))
		if r.IntN(40) > 0 {
			s.on = legal.AddDays(-r.IntN(seenDays + 4))
		}
	}
	for _, s := range []*slot{&t.born, &t.seenBorn} {
		s.day = bornAround(r, legal)
		if r.IntN(40) == 0 {
			s.day = calendar.Of(2001, 2, 29)
		}
	}
	t.kind.code, t.seenKind.code = kindCodes[r.IntN(5)], kindCodes[r.IntN(5)]
	t.region.code = regions[r.IntN(len(regions))]
	t.skills.codes, t.seenSkills.codes = pickCodes(r, skillCodes, 0), pickCodes(r, skillCodes, 0)
	switch r.IntN(40) {
	case 0:
		t.kind.code, t.region.code = "??", "??"
	case 1:
		t.skills.codes = append(t.skills.codes, "??")
	}
}

var regions = regionCodes()

// Row, columns, a row's snapshot and a slow oracle that reads the conditions' JSON agree about a million
// random people, under random nested conditions with every operator, with facts read one
// by one and together.
func TestRowColumnsAndOracleAgree(t *testing.T) {
	policies := 1000
	if testing.Short() || racing {
		policies = 30
	}
	r := rand.New(rand.NewPCG(1, 2))
	schemas := []*eligibility.Schema[thing]{thingSchema(), thingSchemaTogether()}
	blocks := []*eligibility.Block[thing]{eligibility.NewBlock(schemas[0]), eligibility.NewBlock(schemas[1])}
	seen := agreement{t: t, people: make([]thing, eligibility.BlockSize), operators: map[string]int{}}
	for made := 0; made < policies; {
		schema, block := schemas[made%2], blocks[made%2]
		legal := calendar.Of(2019, 2, 27).AddDays(r.IntN(800))
		data := fmt.Sprintf(`{"name":"p","rules":[{"code":"a","require":%s,"basis":{"policy":"x"},"at":["join"]},{"code":"b","require":%s,"basis":{"policy":"x"},"at":["join"]},{"code":"c","severity":"notice","require":%s,"basis":{"policy":"x"},"at":["join"]}]}`,
			randomTree(r, legal, 3), randomTree(r, legal, 2), randomTree(r, legal, 1))
		p, err := eligibility.ParsePolicy([]byte(data))
		require.NoError(t, err, data)
		c, err := eligibility.Compile(schema, p, nil)
		if err != nil { // a random condition may be constant; such a rule does not load
			for _, fault := range faultsOf(t, err) {
				require.Regexp(t, "constant|size", fault, data)
			}
			seen.refused++
			continue
		}
		made++
		block.Reset()
		for i := range seen.people {
			randomThing(r, &seen.people[i], legal)
			require.True(t, block.Add(&seen.people[i]))
		}
		seen.compare(c, p, block, legal)
	}
	t.Logf("%d policies of 3 rules, %d people, %v, %d refused as constant", policies, policies*eligibility.BlockSize, seen.outcomes, seen.refused)
	require.Len(t, seen.operators, 18, "the control: every operator occurs")
	for _, n := range seen.outcomes {
		require.Greater(t, n, 1000, "the control: every outcome occurs")
	}
	require.Positive(t, seen.refused)
}

type agreement struct {
	t         *testing.T
	people    []thing
	outcomes  [3]int
	refused   int
	operators map[string]int
}

func (a *agreement) compare(c *eligibility.Compiled[thing], p eligibility.Policy, block *eligibility.Block[thing], legal calendar.Date) {
	var trees [3]slow
	for i, rule := range p.Rules {
		data, err := json.Marshal(rule.Require)
		require.NoError(a.t, err)
		var tree map[string]any
		require.NoError(a.t, json.Unmarshal(data, &tree))
		trees[i] = readSlow(a.t, tree)
		trees[i].note(a.operators)
	}
	plan := c.Plan("join", legal)
	var d, again eligibility.Decision
	var o eligibility.Outcomes
	var facts []byte
	require.NoError(a.t, plan.DecideBlock(block, &o))
	var tally eligibility.Tally
	for row := range a.people {
		plan.Decide(&a.people[row], &d)
		facts = d.AppendFacts(facts[:0])
		if err := plan.DecideFacts(facts, &again); err != nil {
			a.t.Fatal(err)
		}
		if row%64 == 0 {
			sameFindings(a.t, &d, &again)
		}
		var want [3]eligibility.Outcome
		for i := range trees {
			want[i] = trees[i].outcome(&a.people[row], legal)
			a.outcomes[want[i]]++
			if d.Outcome(i) != want[i] || o.Outcome(i, row) != want[i] || again.Outcome(i) != want[i] {
				a.t.Fatalf("row %v, columns %v, from a snapshot %v, oracle %v: %+v", d.Outcome(i), o.Outcome(i, row), again.Outcome(i), want[i], p.Rules[i].Require)
			}
			if row == 0 && want[i] == eligibility.Undecided && len(d.Finding(i).Missing) == 0 {
				a.t.Fatalf("undecided, and nothing is missing: %v", p.Rules[i].Require)
			}
		}
		verdict := eligibility.Pending
		switch {
		case want[0] == eligibility.Fail || want[1] == eligibility.Fail:
			verdict = eligibility.Ineligible
			tally.Ineligible++
		case want[0] == eligibility.Pass && want[1] == eligibility.Pass:
			verdict = eligibility.Eligible
			tally.Eligible++
		default:
			tally.Pending++
		}
		if d.Verdict != verdict || again.Verdict != verdict || o.Verdict(row) != verdict {
			a.t.Fatalf("row %v, columns %v, oracle %v", d.Verdict, o.Verdict(row), verdict)
		}
	}
	if o.Tally() != tally {
		a.t.Fatal(o.Tally(), tally)
	}
}

func (s *slow) note(operators map[string]int) {
	operators[s.op]++
	for i := range s.of {
		s.of[i].note(operators)
	}
}
