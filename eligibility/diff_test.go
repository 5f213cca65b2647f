package eligibility_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/eligibility"
)

// Diff, over columns, tells what deciding about everybody twice by row would tell.
func TestDiffAgreesWithRows(t *testing.T) {
	f := newFacts()
	old, next := f.policy(), f.policy()
	next.Rules[1].Require = eligibility.All(f.birth.AgeAtLeast(20), f.birth.AgeAtMost(60))
	next.Rules[9].Require = f.income.AtLeast(0)
	next.Rules = append(next.Rules[:4:4], next.Rules[5:]...) // officials may join
	a, err := eligibility.Compile(f.schema, old, nil)
	require.NoError(t, err)
	b, err := eligibility.Compile(f.schema, next, nil)
	require.NoError(t, err)
	people := population(5000)
	var want eligibility.Difference
	from, to := a.Plan("join", asOf), b.Plan("join", asOf)
	var x, y eligibility.Decision
	moved := map[int][2]eligibility.Verdict{}
	for i := range people {
		from.Decide(&people[i], &x)
		to.Decide(&people[i], &y)
		want.Moved[x.Verdict][y.Verdict]++
		if x.Verdict != y.Verdict {
			moved[i] = [2]eligibility.Verdict{x.Verdict, y.Verdict}
		}
	}
	blocks := eligibility.Population(f.schema, people)
	alone := map[string]int{}
	got, err := eligibility.Diff(from, to, blocks, func(c eligibility.Change) {
		require.Equal(t, moved[c.Row], [2]eligibility.Verdict{c.From, c.To})
		require.NotEmpty(t, c.Rules, "%v", c)
		if len(c.Rules) == 1 {
			alone[c.Rules[0]]++
		}
		delete(moved, c.Row)
	})
	require.NoError(t, err)
	require.Empty(t, moved)
	require.Equal(t, want.Moved, got.Moved)
	require.Equal(t, len(people), got.New.Eligible+got.New.Ineligible+got.New.Pending)
	for _, r := range got.Rules {
		require.Equal(t, alone[r.Rule], r.ByItself, r.Rule)
		changed := r.Fails+r.Passes+r.Unknown > 0
		require.Equal(t, r.Rule == "adult" || r.Rule == "income" || r.Rule == "not-an-official", changed, r.Rule)
	}
	same, err := eligibility.Diff(from, from, blocks, func(eligibility.Change) { t.Fatal("nobody changes") })
	require.NoError(t, err)
	require.Equal(t, same.Old, same.New)
	_, err = eligibility.Diff(from, to, eligibility.Population(newFacts().schema, people[:1]), nil)
	require.ErrorIs(t, err, eligibility.ErrSchema)
}

// A change names every rule whose outcome differs, whether few or many rules vary.
func TestAChangeNamesItsRules(t *testing.T) {
	people := population(3000)
	for _, varying := range []int{2, 6, 7, 10} {
		f := newFacts()
		old, next := f.policy(), f.policy()
		for i := range next.Rules[:varying] {
			next.Rules[i].Require = eligibility.Not(next.Rules[i].Require)
		}
		a, err := eligibility.Compile(f.schema, old, nil)
		require.NoError(t, err)
		b, err := eligibility.Compile(f.schema, next, nil)
		require.NoError(t, err)
		from, to := a.Plan("join", asOf), b.Plan("join", asOf)
		var x, y eligibility.Decision
		changes := 0
		_, err = eligibility.Diff(from, to, eligibility.Population(f.schema, people), func(c eligibility.Change) {
			from.Decide(&people[c.Row], &x)
			to.Decide(&people[c.Row], &y)
			var want []string
			for i, r := range old.Rules {
				if x.Outcome(i) != y.Outcome(i) {
					want = append(want, r.Code)
				}
			}
			require.Equal(t, want, c.Rules)
			changes++
		})
		require.NoError(t, err)
		require.Positive(t, changes)
	}
}

// Coverage shows the rules that never fire.
func TestCoverage(t *testing.T) {
	f := newFacts()
	c, err := eligibility.Compile(f.schema, f.policy(), nil)
	require.NoError(t, err)
	people := population(3000)
	rules, err := eligibility.Coverage(c.Plan("join", asOf), eligibility.Population(f.schema, people))
	require.NoError(t, err)
	var fired []string
	for _, r := range rules {
		require.Equal(t, len(people), r.Pass+r.Fail+r.Unknown)
		require.LessOrEqual(t, r.Alone, r.Fail)
		if r.Fail > 0 {
			fired = append(fired, r.Rule)
		}
	}
	require.Equal(t, []string{"adult", "not-a-student", "not-an-official", "household", "income"}, fired)
}

// A block is used again, and deciding about it allocates nothing.
func TestBlocks(t *testing.T) {
	f := newFacts()
	c, err := eligibility.Compile(f.schema, f.policy(), nil)
	require.NoError(t, err)
	block := eligibility.NewBlock(f.schema)
	people := population(eligibility.BlockSize)
	for i := range people {
		require.True(t, block.Add(&people[i]))
	}
	require.False(t, block.Add(&people[0]))
	plan := c.Plan("join", asOf)
	var o eligibility.Outcomes
	require.Zero(t, o.Len())
	require.NoError(t, plan.DecideBlock(block, &o))
	require.Zero(t, testing.AllocsPerRun(10, func() { _ = plan.DecideBlock(block, &o) }))
	require.Equal(t, eligibility.BlockSize, o.Len())
	block.Reset()
	require.True(t, block.Add(nil))
	require.NoError(t, plan.DecideBlock(block, &o))
	require.Equal(t, eligibility.Tally{Pending: 1}, o.Tally())
	require.Equal(t, []uint64{1}, o.AppendUnknown(nil, 0))
	require.Equal(t, []uint64{0}, o.Fail(0))
}

// A rule that only its severity changes is the one that moves people.
func TestDiffNamesARuleThatNoLongerDecides(t *testing.T) {
	f := newFacts()
	old, next := f.policy(), f.policy()
	next.Rules[9].Severity = eligibility.Notice
	var plans [2]*eligibility.Plan[person]
	for i, p := range []eligibility.Policy{old, next} {
		c, err := eligibility.Compile(f.schema, p, nil)
		require.NoError(t, err)
		plans[i] = c.Plan("join", asOf)
	}
	people := eligibility.Population(f.schema, population(2000))
	for _, way := range [][2]int{{0, 1}, {1, 0}} {
		moved := 0
		sum, err := eligibility.Diff(plans[way[0]], plans[way[1]], people, func(c eligibility.Change) {
			moved++
			require.Equal(t, []string{"income"}, c.Rules)
		})
		require.NoError(t, err)
		require.Positive(t, moved)
		for _, r := range sum.Rules {
			require.Equal(t, r.Rule == "income", r.ByItself > 0, r.Rule)
			if r.Rule == "income" {
				require.Equal(t, moved, r.ByItself)
			}
		}
	}
}
