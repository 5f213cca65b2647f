// Package lifecycle is a state machine for durable cases: data, not code.
//
// A [Table] lists states with their attributes (what they hold, who acts next,
// the deadline that starts on entering) and moves (on which event, from which
// states, to which, under which named guards, with which named effects). The
// table knows no case type; it can be stored, compared and drawn:
//
//	t := lifecycle.Table[State, Event]{
//		Name: "ticket", Version: 1, Start: "open",
//		States: []lifecycle.State[State, Event]{
//			{State: "open", Next: lifecycle.Officer},
//			{State: "answered", Final: true},
//		},
//		Moves: []lifecycle.Move[State, Event]{
//			{On: "answer", From: []State{"open"}, To: "answered", Needs: []string{"read"}},
//		},
//	}
//
// [Compile] checks the whole table, reports every fault at once, and makes a
// [Machine] for one case type. The machine is pure. The caller owns the state
// and asks what an event would do:
//
//	step, why := machine.Fire("open", "answer", c, lifecycle.Moment{At: now}, nil)
//	if len(why) > 0 {
//		// refused: every reason, such as {read not-read}
//	}
//	// step.To is "answered"; step.Do lists the effects that the caller carries
//	// out with the new state, in one transaction.
//
// Nothing happens inside Fire, so a machine can be tested, drawn and explored
// without a database. A deadline is the clock's alone, and belongs to one entry
// into a state: when the case has moved on, or has come back, it cannot fire.
package lifecycle
