package eligibility_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/eligibility"
)

// A function that reads facts together cannot be used wrongly without an error.
func TestReadFaults(t *testing.T) {
	type schema = *eligibility.Schema[person]
	type row = *eligibility.Row
	foreign := eligibility.NewSchema[person]().Bool("citizen", nil)
	for _, test := range []struct {
		name    string
		declare func(s schema, citizen, student eligibility.BoolFact)
		want    []string
	}{
		{"no function", func(schema, eligibility.BoolFact, eligibility.BoolFact) {}, []string{"facts.citizen: getter", "facts.student: getter"}},
		{"a nil function", func(s schema, _, _ eligibility.BoolFact) { s.Read(nil) }, []string{"facts: reader", "facts.citizen: getter", "facts.student: getter"}},
		{"two functions", func(s schema, citizen, student eligibility.BoolFact) {
			read := func(p *person, r row) {
				r.Bool(citizen, p.Citizen)
				r.Bool(student, p.Student.Value)
				r.Asked(student.Fact, p.Student.On)
			}
			s.Read(read)
			s.Read(read)
		}, []string{"facts: reader"}},
		{"a fact is left out", func(s schema, _, student eligibility.BoolFact) {
			s.Read(func(p *person, r row) { r.Bool(student, p.Student.Value); r.Asked(student.Fact, p.Student.On) })
		}, []string{"facts.citizen: getter"}},
		{"without the day", func(s schema, citizen, student eligibility.BoolFact) {
			s.Read(func(p *person, r row) { r.Bool(citizen, p.Citizen); r.Bool(student, p.Student.Value) })
		}, []string{"facts.student: reader"}},
		{"a fact of another schema", func(s schema, _, student eligibility.BoolFact) {
			s.Read(func(p *person, r row) {
				r.Bool(foreign, p.Citizen)
				r.Bool(student, p.Student.Value)
				r.Asked(student.Fact, p.Student.On)
			})
		}, []string{"facts: reader", "facts.citizen: getter"}},
		{"a fact with its own function", func(s schema, citizen, student eligibility.BoolFact) {
			own := s.Bool("own", func(p *person) eligibility.Value[bool] { return p.Matched })
			s.Read(func(p *person, r row) {
				r.Bool(citizen, p.Citizen)
				r.Bool(own, p.Citizen)
				r.Bool(student, p.Student.Value)
				r.Asked(student.Fact, p.Student.On)
			})
		}, []string{"facts.own: reader"}},
		{"a panic", func(s schema, _, _ eligibility.BoolFact) {
			s.Read(func(*person, row) { panic("not for nobody") })
		}, []string{"facts: reader"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := eligibility.NewSchema[person]()
			citizen, student := s.Bool("citizen", nil), s.Source("dapodik", 180).Bool("student", nil)
			test.declare(s, citizen, student)
			_, err := eligibility.Compile(s, eligibility.Policy{Name: "p", Rules: []eligibility.Rule{{Code: "r", Require: citizen.Is(true), Basis: eligibility.WithoutArticle("t"), At: always}}}, nil)
			require.Equal(t, test.want, faultsOf(t, err))
		})
	}
}

// What the function leaves out for somebody is unknown, also after somebody of whom
// it was known; and so is a fact of another schema.
func TestReadFailsClosed(t *testing.T) {
	s := eligibility.NewSchema[person]()
	citizen, student := s.Bool("citizen", nil), s.Source("dapodik", 180).Bool("student", nil)
	foreign := eligibility.NewSchema[person]().Bool("citizen", nil)
	s.Read(func(p *person, r *eligibility.Row) {
		if _, ok := p.Awards.Get(); ok { // one who has been here before
			r.Bool(foreign, eligibility.Known(true))
			r.Bool(student, eligibility.Known(false)) // and the day is forgotten
			return
		}
		r.Bool(citizen, p.Citizen)
		r.Bool(student, p.Student.Value)
		r.Asked(student.Fact, p.Student.On)
	})
	c, err := eligibility.Compile(s, eligibility.Policy{Name: "p", Rules: []eligibility.Rule{
		{Code: "citizen", Require: citizen.Is(true), Basis: eligibility.WithoutArticle("t"), At: always},
		{Code: "student", Require: student.Is(false), Basis: eligibility.WithoutArticle("t"), At: always},
	}}, nil)
	require.NoError(t, err)
	plan := c.Plan("join", asOf)
	known := sri()
	known.Awards = eligibility.Unknown[int64](eligibility.NotAsked)
	again := sri()
	var d eligibility.Decision
	plan.Decide(&known, &d)
	require.Equal(t, eligibility.Eligible, d.Verdict, "the control")
	plan.Decide(&again, &d)
	require.Equal(t, eligibility.Pending, d.Verdict)
	require.Equal(t, []eligibility.Missing{{Fact: "citizen", Cause: eligibility.NotAsked}, {Fact: "student", Source: "dapodik", Cause: eligibility.Expired}}, d.Missing())
	var o eligibility.Outcomes
	require.NoError(t, plan.DecideBlock(eligibility.Population(s, []person{known, again})[0], &o))
	require.Equal(t, []eligibility.Verdict{eligibility.Eligible, eligibility.Pending}, []eligibility.Verdict{o.Verdict(0), o.Verdict(1)})
	require.Zero(t, testing.AllocsPerRun(100, func() { plan.Decide(&known, &d) }))
}
