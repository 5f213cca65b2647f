package lifecycle

import (
	"fmt"
	"strings"
)

// Faults is every fault that Compile found in a table.
type Faults []Fault

// Fault is one thing wrong with a table: the rule that is broken, and the
// state, move or name it concerns.
type Fault struct {
	Rule  FaultRule
	Where string
	Note  string
}

// FaultRule names a rule that a table must keep.
type FaultRule string

// The rules of a table.
const (
	// FaultName: a state that is not declared, a set that is used by no move,
	// a table without name or version.
	FaultName FaultRule = "unknown-name"
	// FaultDuplicate: a state declared twice, or a set called like a state.
	FaultDuplicate FaultRule = "duplicate"
	// FaultUnnamed: a state, event, guard, effect or set without a name.
	FaultUnnamed FaultRule = "unnamed"
	// FaultUnreachable: no path leads from the start to the state.
	FaultUnreachable FaultRule = "unreachable"
	// FaultDeadEnd: a state that is not final, and that nothing leads out of; or
	// from which, in a table with final states, none can be reached.
	FaultDeadEnd FaultRule = "dead-end"
	// FaultAfterFinal: a move that starts from a final state.
	FaultAfterFinal FaultRule = "move-after-final"
	// FaultAmbiguous: several moves for one state and event, without guards
	// and an order that decide between them.
	FaultAmbiguous FaultRule = "ambiguous"
	// FaultShadowed: a move that is never taken, since one before it needs no more
	// guards than it does.
	FaultShadowed FaultRule = "shadowed"
	// FaultGuard: a guard that is not given.
	FaultGuard FaultRule = "unknown-guard"
	// FaultEffect: an effect that nobody carries out.
	FaultEffect FaultRule = "unknown-effect"
	// FaultHolding: something that cannot be held.
	FaultHolding FaultRule = "unknown-holding"
	// FaultDeadline: a deadline without a move, with guards that could leave the
	// case without any, or with an impossible term.
	FaultDeadline FaultRule = "deadline"
	// FaultClock: a move that suspends, continues or extends a deadline that
	// cannot be running, or that the new state would count in another manner.
	FaultClock FaultRule = "clock"
	// FaultClockByHands: an event that a deadline fires in one state, in a
	// state without that deadline.
	FaultClockByHands FaultRule = "clock-event-shared"
	// FaultClockCycle: a cycle that the clock alone drives, for ever. A loop with a
	// guard, such as a reminder that is sent three times, ends when the guard says
	// so.
	FaultClockCycle FaultRule = "clock-cycle"
	// FaultKeeps: a final state that still holds something and does not keep
	// it, or keeps nothing.
	FaultKeeps FaultRule = "final-holds"
	// FaultCheck: a check without its stage or its three branches, with branches
	// that are the same, or with guards that could keep somebody who is ineligible.
	FaultCheck FaultRule = "check"
	// FaultApproval: a payable state that can be reached without the effect
	// that the table names as its Approval.
	FaultApproval FaultRule = "payable-without-approval"
	// FaultWording: a state, event or guard without a text.
	FaultWording FaultRule = "wording"
	// FaultMigration: a migration that is not total, or not lawful.
	FaultMigration FaultRule = "migration"
)

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.String()
	}
	return "lifecycle: " + strings.Join(lines, "; ")
}

func (f Fault) String() string {
	return fmt.Sprintf("%s: %s: %s", f.Where, f.Rule, f.Note)
}
