package lifecycle_test

import (
	"fmt"
	"strings"

	"github.com/gelombang/gelombang/program/lifecycle"
)

func ExampleCompile() {
	t := table{
		Name: "ticket", Version: 1, Start: "open",
		States: []lifecycle.State[state, event]{
			{State: "open", Next: lifecycle.Officer},
			{State: "answered", Final: true},
		},
		Moves: []lifecycle.Move[state, event]{
			{On: "answer", From: []state{"open"}, To: "answered", Needs: []string{"read"}},
		},
	}
	read := func(pages int, _ lifecycle.Moment, why []lifecycle.Reason) []lifecycle.Reason {
		if pages == 0 {
			why = append(why, lifecycle.Reason{Code: "not-read"})
		}
		return why
	}
	m, err := lifecycle.Compile(t, map[string]lifecycle.Guard[int]{"read": read}, lifecycle.CompileOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, why := m.Fire("open", "answer", 0, lifecycle.Moment{}, nil)
	fmt.Println(why)
	step, _ := m.Fire("open", "answer", 1, lifecycle.Moment{}, nil)
	fmt.Println(step.From, "to", step.To)
	fmt.Print(strings.SplitAfter(t.Mermaid(), "\n")[2])
	// Output:
	// [{read not-read}]
	// open to answered
	//     open --> answered: answer [read]
}

// No seat is held twice, and none is given back that was not taken.
func ExampleExplore() {
	t := table{
		Name: "careless", Version: 1, Start: "joined",
		States: []lifecycle.State[state, event]{
			{State: "joined"}, {State: "accepted"}, {State: "revoked", Final: true},
		},
		Moves: []lifecycle.Move[state, event]{
			{On: "accept", From: []state{"joined"}, To: "accepted", Do: []lifecycle.Effect{{Name: "take-seat"}}},
			{On: "appeal", From: []state{"accepted"}, To: "joined"},
			{On: "revoke", From: []state{"accepted"}, To: "revoked", Do: []lifecycle.Effect{{Name: "return-seat"}}},
		},
	}
	m, err := lifecycle.Compile(t, map[string]lifecycle.Guard[int]{}, lifecycle.CompileOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	found := lifecycle.Explore(m, 0, func(seats int, r *lifecycle.Row[state, event]) (int, error) {
		for _, effect := range r.Do {
			if effect.Name == "take-seat" {
				seats++
			}
			if effect.Name == "return-seat" {
				seats--
			}
		}
		if seats > 1 {
			return seats, fmt.Errorf("%d seats are held", seats)
		}
		return seats, nil
	}, 20)
	for _, r := range found.Counterexample.Path {
		fmt.Println(r.From, r.Event, r.To)
	}
	fmt.Println(found.Counterexample.Err)
	// Output:
	// joined accept accepted
	// accepted appeal joined
	// joined accept accepted
	// 2 seats are held
}
