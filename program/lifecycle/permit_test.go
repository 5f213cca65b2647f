package lifecycle_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/lifecycle"
)

type (
	state string
	event string
	table = lifecycle.Table[state, event]
	row   = lifecycle.Row[state, event]
)

// permitFile is what the guards of the permit look at.
type permitFile struct {
	visits, hours int
	hopeless      bool
}

// permit is a table from another field: a building permit, with a term for the
// office that stands still while the applicant owes papers, can be extended once
// the office has looked, and grants the permit when it is silent; and an appeal.
func permit() table {
	within := func(term calendar.Term, fires event) *lifecycle.Deadline[event] {
		term.Zone = "Asia/Jakarta"
		return &lifecycle.Deadline[event]{Fires: fires, Term: term}
	}
	slot := []lifecycle.Holding{"slot"}
	seal := []lifecycle.Effect{{Name: "sign", Arg: "seal"}}
	return table{
		Name: "permit", Version: 2, Start: "filed", Approval: "sign",
		States: []lifecycle.State[state, event]{
			{State: "filed", Next: lifecycle.Engine, Check: &lifecycle.Check[event]{At: "screen", Eligible: "complete", Ineligible: "reject", Pending: lifecycle.Stay}},
			{State: "review", Holds: slot, Next: lifecycle.Officer, Within: within(calendar.Term{BusinessDays: 14}, "silent")},
			{State: "suspended", Holds: slot, Next: lifecycle.Applicant},
			{State: "granted", Holds: slot, Final: true, Keeps: true, Payable: true},
			{State: "rejected", Next: lifecycle.Applicant, Within: within(calendar.Term{Days: 30}, "appeal-lapsed")},
			{State: "appealed", Next: lifecycle.Officer},
			{State: "closed", Final: true},
		},
		Sets: map[state][]state{"pending": {"filed", "review", "suspended"}},
		Moves: []lifecycle.Move[state, event]{
			{On: "complete", From: []state{"filed"}, To: "review"},
			{On: "reject", From: []state{"pending"}, To: "rejected"},
			{On: "withdraw", From: []state{"pending", "appealed"}, To: "closed"},
			{On: "ask", From: []state{"review"}, To: "suspended", Clock: lifecycle.Suspend},
			{On: "remind", From: []state{"suspended"}, To: "suspended", Clock: lifecycle.Suspend},
			{On: "answer", From: []state{"suspended"}, To: "review", Clock: lifecycle.Continue},
			{On: "extend", From: []state{"review"}, To: "review", Needs: []string{"inspected"}, Clock: lifecycle.Continue, Extend: &calendar.Term{BusinessDays: 5, Zone: "Asia/Jakarta"}},
			{On: "decide", From: []state{"review"}, To: "granted", Needs: []string{"inspected", "long-enough"}, Do: seal, Order: 1},
			{On: "decide", From: []state{"review"}, To: "rejected", Needs: []string{"hopeless"}, Order: 2},
			{On: "silent", From: []state{"review"}, To: "granted", Do: seal},
			{On: "appeal", From: []state{"rejected"}, To: "appealed"},
			{On: "appeal-lapsed", From: []state{"rejected"}, To: "closed"},
			{On: "uphold", From: []state{"appealed"}, To: "granted", Do: seal},
			{On: "dismiss", From: []state{"appealed"}, To: "closed"},
		},
	}
}

func permitGuards() map[string]lifecycle.Guard[permitFile] {
	unless := func(ok func(permitFile) bool, code string) lifecycle.Guard[permitFile] {
		return func(c permitFile, _ lifecycle.Moment, why []lifecycle.Reason) []lifecycle.Reason {
			if !ok(c) {
				why = append(why, lifecycle.Reason{Code: code})
			}
			return why
		}
	}
	return map[string]lifecycle.Guard[permitFile]{
		"inspected":   unless(func(c permitFile) bool { return c.visits > 0 }, "not-inspected"),
		"long-enough": unless(func(c permitFile) bool { return c.hours >= 8 }, "too-short"),
		"hopeless":    unless(func(c permitFile) bool { return c.hopeless }, "not-hopeless"),
	}
}

func permitMachine(t testing.TB) *lifecycle.Machine[state, event, permitFile] {
	t.Helper()
	m, err := lifecycle.Compile(permit(), permitGuards(), lifecycle.CompileOptions{Texts: permitTexts(t)})
	require.NoError(t, err)
	return m
}

// story is a caller of a machine: it keeps what a service keeps of one case.
type story[C any] struct {
	t       testing.TB
	m       *lifecycle.Machine[state, event, C]
	state   state
	running lifecycle.Running
	history []lifecycle.Record[state, event]
}

func begin[C any](t testing.TB, m *lifecycle.Machine[state, event, C], at time.Time) *story[C] {
	running, err := m.Begin(at)
	require.NoError(t, err)
	first := lifecycle.Record[state, event]{Entry: 1, At: at, Actor: "counter", Version: m.Table().Version, To: m.Table().Start, Due: running.Due}
	return &story[C]{t, m, m.Table().Start, running, []lifecycle.Record[state, event]{first}}
}

func (s *story[C]) moment(at time.Time, actor string) lifecycle.Moment {
	return lifecycle.Moment{At: at, Actor: actor, Entry: int64(len(s.history)), Running: &s.running}
}

// fire makes a move, or returns the codes of the reasons why not.
func (s *story[C]) fire(at time.Time, actor string, on event, c C) []string {
	return s.keep(on, c, s.moment(at, actor))
}

// tick lets the clock come by.
func (s *story[C]) tick(at time.Time, c C) []string {
	within, ok := s.m.State(s.state)
	require.True(s.t, ok)
	require.NotNil(s.t, within.Within)
	moment := s.moment(at, "clock")
	fired := s.running
	moment.Fired = &fired
	return s.keep(within.Within.Fires, c, moment)
}

func (s *story[C]) keep(on event, c C, moment lifecycle.Moment) []string {
	step, why := s.m.Fire(s.state, on, c, moment, nil)
	if len(why) > 0 {
		require.Empty(s.t, step.To)
		codes := make([]string, len(why))
		for i, r := range why {
			codes[i] = r.Code
		}
		return codes
	}
	s.history = append(s.history, step.Record(moment))
	s.state, s.running = step.To, step.Running(moment)
	return nil
}

// wib is a moment in Jakarta.
func wib(month time.Month, day, hour int) time.Time {
	return time.Date(2021, month, day, hour-7, 0, 0, 0, time.UTC)
}

// September 2021 begins on a Wednesday. Fourteen business days after 1 September
// end with 21 September.
func TestPermitIsSuspendedExtendedAndGrantedBySilence(t *testing.T) {
	s := begin(t, permitMachine(t), wib(9, 1, 9))
	require.Empty(t, s.fire(wib(9, 1, 9), "screening", "complete", permitFile{}))
	require.Equal(t, wib(9, 22, 0), s.running.Due)

	// On Friday 10 September papers are missing: seven business days are left.
	require.Empty(t, s.fire(wib(9, 10, 15), "officer-7", "ask", permitFile{}))
	require.Equal(t, wib(9, 10, 15), s.running.Since)
	require.Empty(t, s.fire(wib(9, 20, 9), "officer-7", "remind", permitFile{}))
	require.Equal(t, wib(9, 10, 15), s.running.Since, "it has stood still since the first letter")
	require.Equal(t, []string{lifecycle.CodeNoMove}, s.fire(wib(9, 30, 9), "officer-7", "decide", permitFile{visits: 1, hours: 8}))

	// They come on Thursday 30 September: the seven days begin on Friday.
	require.Empty(t, s.fire(wib(9, 30, 11), "applicant", "answer", permitFile{}))
	require.Equal(t, wib(10, 12, 0), s.running.Due)
	require.Zero(t, s.running.Since)

	require.Equal(t, []string{"not-inspected"}, s.fire(wib(10, 4, 9), "officer-7", "extend", permitFile{}))
	require.Empty(t, s.fire(wib(10, 4, 9), "officer-7", "extend", permitFile{visits: 1}))
	require.Equal(t, wib(10, 19, 0), s.running.Due)

	// Nobody can extend what has passed, even if the clock has not come by yet.
	require.Equal(t, []string{lifecycle.CodePassed}, s.fire(wib(10, 19, 8), "officer-7", "extend", permitFile{visits: 1}))
	require.Equal(t, []string{lifecycle.CodePassed}, s.fire(wib(10, 19, 8), "officer-7", "ask", permitFile{}))
	require.Equal(t, []string{lifecycle.CodeNotDue}, s.tick(wib(10, 18, 23), permitFile{}))
	require.Empty(t, s.tick(wib(10, 19, 8), permitFile{}))
	require.Equal(t, state("granted"), s.state)
	golden(t, "permit_timeline.txt", timelines(t, s.m.Table(), permitTexts(t), s.history))
}

func TestPermitIsRefusedAndWonOnAppeal(t *testing.T) {
	s := begin(t, permitMachine(t), wib(9, 1, 9))
	require.Empty(t, s.fire(wib(9, 1, 9), "screening", "complete", permitFile{}))
	require.Equal(t, []string{"not-inspected", "too-short", "not-hopeless"}, s.fire(wib(9, 2, 9), "officer-7", "decide", permitFile{}))
	require.Empty(t, s.fire(wib(9, 2, 9), "officer-7", "decide", permitFile{hopeless: true}))
	require.Equal(t, state("rejected"), s.state)
	require.Equal(t, wib(10, 3, 0), s.running.Due, "thirty days to appeal")
	require.Equal(t, []lifecycle.Holding{"slot"}, s.history[2].Releases)
	require.Empty(t, s.fire(wib(10, 2, 23), "applicant", "appeal", permitFile{}))
	require.Zero(t, s.running, "the term for the appeal is over")
	require.Empty(t, s.fire(wib(11, 2, 9), "board", "uphold", permitFile{}))
	require.Equal(t, state("granted"), s.state)
	require.Equal(t, []lifecycle.Holding{"slot"}, s.history[4].Takes)
}
