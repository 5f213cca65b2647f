package lifecycle_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/lifecycle"
)

// candidate is what the guards of the teacher-training application look at.
type candidate struct {
	degree, referees int
	conditionsMet    bool
}

// teacher is a table from another field: an application for teacher training. The
// provider must decide in time, or the application is rejected by default; an
// interview does not stop that clock. The candidate must answer an offer in time, or it
// is declined by default.
func teacher() table {
	within := func(days int, fires event) *lifecycle.Deadline[event] {
		return &lifecycle.Deadline[event]{Fires: fires, Term: calendar.Term{BusinessDays: days, Until: "17:00", Zone: "Asia/Jakarta"}}
	}
	place := []lifecycle.Holding{"place"}
	tell := func(template string) []lifecycle.Effect {
		return []lifecycle.Effect{{Name: "notify", Arg: template}}
	}
	return table{
		Name: "teacher-application", Version: 1, Start: "unsubmitted",
		States: []lifecycle.State[state, event]{
			{State: "unsubmitted", Next: lifecycle.Applicant},
			{State: "awaiting-decision", Next: lifecycle.Partner, Within: within(40, "reject-by-default")},
			{State: "interviewing", Next: lifecycle.Partner, Within: within(40, "reject-by-default")},
			{State: "offered", Holds: place, Next: lifecycle.Applicant, Within: within(10, "decline-by-default")},
			{State: "conditions-pending", Holds: place, Next: lifecycle.Partner},
			{State: "deferred", Holds: place, Next: lifecycle.Partner},
			{State: "recruited", Holds: place, Final: true, Keeps: true},
			{State: "conditions-not-met", Final: true},
			{State: "rejected", Final: true},
			{State: "declined", Final: true},
			{State: "withdrawn", Final: true},
		},
		Sets: map[state][]state{
			"undecided": {"awaiting-decision", "interviewing"},
			"accepted":  {"conditions-pending", "deferred"},
		},
		Moves: []lifecycle.Move[state, event]{
			{On: "submit", From: []state{"unsubmitted"}, To: "awaiting-decision", Needs: []string{"has-degree", "has-referees"}},
			{On: "interview", From: []state{"awaiting-decision"}, To: "interviewing", Clock: lifecycle.Continue, Do: tell("interview")},
			{On: "offer", From: []state{"undecided"}, To: "offered", Do: tell("offer")},
			{On: "reject", From: []state{"undecided"}, To: "rejected", Do: tell("rejected")},
			{On: "reject-by-default", From: []state{"undecided"}, To: "rejected", Do: tell("rejected-by-default")},
			{On: "accept", From: []state{"offered"}, To: "conditions-pending", Do: tell("accepted")},
			{On: "decline", From: []state{"offered"}, To: "declined"},
			{On: "decline-by-default", From: []state{"offered"}, To: "declined", Do: tell("declined-by-default")},
			{On: "defer", From: []state{"conditions-pending"}, To: "deferred"},
			{On: "reinstate", From: []state{"deferred"}, To: "conditions-pending"},
			{On: "confirm", From: []state{"conditions-pending"}, To: "recruited", Needs: []string{"conditions-met"}},
			{On: "fail-conditions", From: []state{"conditions-pending"}, To: "conditions-not-met"},
			{On: "withdraw", From: []state{"undecided", "offered", "accepted"}, To: "withdrawn"},
		},
	}
}

func teacherMachine(t testing.TB) *lifecycle.Machine[state, event, *candidate] {
	unless := func(ok func(*candidate) bool, code string) lifecycle.Guard[*candidate] {
		return func(c *candidate, _ lifecycle.Moment, why []lifecycle.Reason) []lifecycle.Reason {
			if !ok(c) {
				why = append(why, lifecycle.Reason{Code: code})
			}
			return why
		}
	}
	m, err := lifecycle.Compile(teacher(), map[string]lifecycle.Guard[*candidate]{
		"has-degree":     unless(func(c *candidate) bool { return c.degree > 0 }, "no-degree"),
		"has-referees":   unless(func(c *candidate) bool { return c.referees >= 2 }, "too-few-referees"),
		"conditions-met": unless(func(c *candidate) bool { return c.conditionsMet }, "conditions-open"),
	}, lifecycle.CompileOptions{Holdings: []lifecycle.Holding{"place"}, Effects: []string{"notify"}})
	require.NoError(t, err)
	return m
}

func TestTeacherOfferIsDeclinedByDefault(t *testing.T) {
	s := begin(t, teacherMachine(t), wib(9, 1, 9))
	require.Equal(t, []string{"no-degree", "too-few-referees"}, s.fire(wib(9, 1, 10), "candidate", "submit", &candidate{referees: 1}))
	ready := &candidate{degree: 1, referees: 2}
	require.Empty(t, s.fire(wib(9, 1, 10), "candidate", "submit", ready))
	due := s.running.Due
	require.Equal(t, "2021-10-27T10:01:00Z", due.Format("2006-01-02T15:04:05Z"), "forty business days, until and with 17:00 WIB")
	require.Empty(t, s.fire(wib(9, 20, 10), "provider", "interview", ready))
	require.Equal(t, due, s.running.Due, "an interview does not stop the clock")
	require.Empty(t, s.fire(wib(10, 27, 17), "provider", "offer", ready), "17:00 is still inside")
	require.Equal(t, []lifecycle.Holding{"place"}, s.history[3].Takes)
	require.Equal(t, "2021-11-10T10:01:00Z", s.running.Due.Format("2006-01-02T15:04:05Z"))
	require.Equal(t, []string{lifecycle.CodeNotDue}, s.tick(wib(11, 10, 17), ready))
	require.Empty(t, s.tick(wib(11, 10, 18), ready))
	require.Equal(t, state("declined"), s.state)
	require.Equal(t, []lifecycle.Holding{"place"}, s.history[4].Releases)
}

func TestTeacherIsRecruitedAfterADeferral(t *testing.T) {
	s := begin(t, teacherMachine(t), wib(9, 1, 9))
	c := &candidate{degree: 1, referees: 2}
	for _, on := range []event{"submit", "offer", "accept", "defer", "reinstate"} {
		require.Empty(t, s.fire(wib(9, 2, 9), "x", on, c), on)
	}
	require.Equal(t, []string{"conditions-open"}, s.fire(wib(9, 3, 9), "provider", "confirm", c))
	c.conditionsMet = true
	require.Empty(t, s.fire(wib(9, 3, 9), "provider", "confirm", c))
	var taken, released int
	for _, r := range s.history {
		taken, released = taken+len(r.Takes), released+len(r.Releases)
	}
	require.Equal(t, []int{1, 0}, []int{taken, released}, "the place was taken once, and is kept")
}
