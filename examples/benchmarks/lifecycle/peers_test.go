// Package lifecycle compares the state machine with its peers on the same work:
// ten moves through a lifecycle of twelve states, one guard and one effect each,
// the state loaded from outside for every move, as a service loads a row.
package lifecycle

import (
	"context"
	"fmt"
	"testing"

	"github.com/looplab/fsm"
	"github.com/qmuntal/stateless"

	"github.com/gelombang/gelombang/program/lifecycle"
)

var states = []string{"joined", "pending", "in_roll", "selected", "accepted", "in_training", "certified", "reviewed", "paid", "surveyed", "done", "ineligible"}

var events = []string{"missing", "passed", "drawn", "accept", "buy", "certify", "review", "pay", "survey", "finish"}

// person is the case; effects counts what moves did.
type person struct {
	state         string
	score, needed int
	effects       int
}

func report(b *testing.B, effects int) {
	if effects != b.N*len(events) {
		b.Fatalf("%d effects of %d moves", effects, b.N*len(events))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(events)), "ns/move")
}

func machine(b *testing.B) *lifecycle.Machine[string, string, *person] {
	t := lifecycle.Table[string, string]{Name: "bench", Version: 1, Start: states[0]}
	for i, s := range states {
		t.States = append(t.States, lifecycle.State[string, string]{State: s, Final: i >= 10})
	}
	for i, e := range events {
		t.Moves = append(t.Moves, lifecycle.Move[string, string]{On: e, From: []string{states[i]}, To: states[i+1],
			Needs: []string{"enough"}, Do: []lifecycle.Effect{{Name: "count"}}})
	}
	t.Moves = append(t.Moves, lifecycle.Move[string, string]{On: "fail", From: []string{"pending"}, To: "ineligible"})
	enough := func(p *person, _ lifecycle.Moment, why []lifecycle.Reason) []lifecycle.Reason {
		if p.score < p.needed {
			why = append(why, lifecycle.Reason{Code: "too-few-points"})
		}
		return why
	}
	m, err := lifecycle.Compile(t, map[string]lifecycle.Guard[*person]{"enough": enough}, lifecycle.CompileOptions{})
	if err != nil {
		b.Fatal(err)
	}
	return m
}

func BenchmarkGelombang(b *testing.B) {
	m, p := machine(b), &person{score: 9, needed: 7}
	why := make([]lifecycle.Reason, 0, 4)
	b.ReportAllocs()
	for b.Loop() {
		for i, e := range events {
			p.state = states[i]
			step, _ := m.Fire(p.state, e, p, lifecycle.Moment{}, why[:0])
			p.state = step.To
			p.effects += len(step.Do)
		}
	}
	report(b, p.effects)
}

// BenchmarkGelombangResolved: the same, the names resolved once.
func BenchmarkGelombangResolved(b *testing.B) {
	m, p := machine(b), &person{score: 9, needed: 7}
	why := make([]lifecycle.Reason, 0, 4)
	rows := make([][2]int, len(events))
	for i, e := range events {
		rows[i] = [2]int{m.StateAt(states[i]), m.EventAt(e)}
	}
	b.ReportAllocs()
	for b.Loop() {
		for i := range rows {
			p.state = states[i]
			step, _ := m.FireAt(rows[i][0], rows[i][1], p, lifecycle.Moment{}, why[:0])
			p.state = step.To
			p.effects += len(step.Do)
		}
	}
	report(b, p.effects)
}

// BenchmarkSwitch: the same moves as a service without a library writes them.
func BenchmarkSwitch(b *testing.B) {
	p := &person{score: 9, needed: 7}
	b.ReportAllocs()
	for b.Loop() {
		for i, e := range events {
			p.state = states[i]
			to := bySwitch(p, e)
			if to == "" {
				b.Fatal("refused")
			}
			p.state = to
			p.effects++
		}
	}
	report(b, p.effects)
}

//go:noinline
func bySwitch(p *person, on string) string {
	to := ""
	switch p.state {
	case "joined":
		if on == "missing" {
			to = "pending"
		}
	case "pending":
		switch on {
		case "passed":
			to = "in_roll"
		case "fail":
			return "ineligible"
		}
	case "in_roll":
		if on == "drawn" {
			to = "selected"
		}
	case "selected":
		if on == "accept" {
			to = "accepted"
		}
	case "accepted":
		if on == "buy" {
			to = "in_training"
		}
	case "in_training":
		if on == "certify" {
			to = "certified"
		}
	case "certified":
		if on == "review" {
			to = "reviewed"
		}
	case "reviewed":
		if on == "pay" {
			to = "paid"
		}
	case "paid":
		if on == "survey" {
			to = "surveyed"
		}
	case "surveyed":
		if on == "finish" {
			to = "done"
		}
	}
	if to == "" || p.score < p.needed {
		return ""
	}
	return to
}

// BenchmarkStateless: one machine whose state lives outside, as the library offers.
func BenchmarkStateless(b *testing.B) {
	p := &person{score: 9, needed: 7}
	m := stateless.NewStateMachineWithExternalStorage(
		func(context.Context) (stateless.State, error) { return p.state, nil },
		func(_ context.Context, s stateless.State) error { p.state = s.(string); return nil },
		stateless.FiringImmediate)
	for i, e := range events {
		m.Configure(states[i]).Permit(e, states[i+1], func(context.Context, ...any) bool { return p.score >= p.needed })
		m.Configure(states[i+1]).OnEntry(func(context.Context, ...any) error { p.effects++; return nil })
	}
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		for i, e := range events {
			p.state = states[i]
			if err := m.FireCtx(ctx, e); err != nil {
				b.Fatal(err)
			}
		}
	}
	report(b, p.effects)
}

// BenchmarkLooplab: a machine holds one case's state, so it is made for each
// stored case. One callback is the guard of all events, and one the effect of all
// states: the least that the library needs.
func BenchmarkLooplab(b *testing.B) {
	looplab(b, func(before, enter fsm.Callback) fsm.Callbacks {
		return fsm.Callbacks{"before_event": before, "enter_state": enter}
	})
}

// BenchmarkLooplabByName: the same with a guard for each event and an effect for each
// state, by their names, as the tables of the others have them. Every one is read
// again for each stored case.
func BenchmarkLooplabByName(b *testing.B) {
	looplab(b, func(before, enter fsm.Callback) fsm.Callbacks {
		calls := fsm.Callbacks{}
		for i, e := range events {
			calls["before_"+e], calls["enter_"+states[i+1]] = before, enter
		}
		return calls
	})
}

func looplab(b *testing.B, callbacks func(before, enter fsm.Callback) fsm.Callbacks) {
	p := &person{score: 9, needed: 7}
	var rows fsm.Events
	for i, e := range events {
		rows = append(rows, fsm.EventDesc{Name: e, Src: []string{states[i]}, Dst: states[i+1]})
	}
	calls := callbacks(func(_ context.Context, e *fsm.Event) {
		if p.score < p.needed {
			e.Cancel(fmt.Errorf("too few points"))
		}
	}, func(context.Context, *fsm.Event) { p.effects++ })
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		for i, e := range events {
			m := fsm.NewFSM(states[i], rows, calls)
			if err := m.Event(ctx, e); err != nil {
				b.Fatal(err)
			}
		}
	}
	report(b, p.effects)
}
