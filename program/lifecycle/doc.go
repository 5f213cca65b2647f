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
// without a database. step.Record is what to keep of the step for good.
//
// # Deadlines
//
// A state's Within starts to run when the state is entered. Its caller stores
// step.Running and, when it is due, fires the event with the Moment's Fired. Such
// an event is the clock's alone, and belongs to one entry into a state: when the
// case has moved on, or has come back, it cannot fire. Once a deadline has passed,
// nothing but its own event is possible, however late the clock comes by; so the
// last move for that event has no guard. The next state's deadline counts from when
// the clock came by.
//
// A move may let the deadline stand still ([Suspend]), let it go on with the days
// that were left ([Continue]), or put it off (Extend). It goes on only as a deadline
// of the same event, unit, zone and time of day:
//
//	{On: "ask", From: []State{"review"}, To: "suspended", Clock: lifecycle.Suspend},
//	{On: "answer", From: []State{"suspended"}, To: "review", Clock: lifecycle.Continue},
//
// # Explaining
//
// [Machine.Options] says which events are possible now and why the others are not.
// A [Teller] puts that, and the timeline of a case, into words: for the citizen
// and for the officer, in every language of a catalogue.
//
// # Changing a table
//
// A case keeps the version under which it was started. [Machine.Replay] tries a
// draft table on recorded histories and lists the moves that it would refuse or
// end elsewhere. A [Migration] maps old states to new; [Migration.Preview] counts
// who would go where and who would be stranded, [CompileMigration] checks it
// total and lawful, and the [Migrator] then decides case by case. Deadlines go on
// as they are, unless the migration lists a state in Anew.
//
// [Explore] holds an invariant on everything that can happen in a table and gives
// the shortest counterexample; [Machine.Paths] yields every path, for driving a
// real system along them.
package lifecycle
