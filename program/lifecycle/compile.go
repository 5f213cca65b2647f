package lifecycle

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gelombang/gelombang/program/calendar"
)

// CompileOptions are what Compile may know beyond the table.
type CompileOptions struct {
	// Effects lists the effects that somebody can carry out. Nil: any name.
	Effects []string
	// Holdings lists what can be held. Nil: any name.
	Holdings []Holding
	// Holidays are the days that business-day terms skip.
	Holidays calendar.Holidays
	// Untold returns the languages in which a wording key has no text. Nil:
	// wording is not checked.
	Untold func(key string) []string
}

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
	FaultName         FaultRule = "unknown-name"
	FaultDuplicate    FaultRule = "duplicate"
	FaultUnreachable  FaultRule = "unreachable"
	FaultDeadEnd      FaultRule = "dead-end"
	FaultAfterFinal   FaultRule = "move-after-final"
	FaultAmbiguous    FaultRule = "ambiguous"
	FaultUnnamed      FaultRule = "unnamed"
	FaultGuard        FaultRule = "unknown-guard"
	FaultEffect       FaultRule = "unknown-effect"
	FaultHolding      FaultRule = "unknown-holding"
	FaultDeadline     FaultRule = "deadline"
	FaultClockCycle   FaultRule = "clock-cycle"
	FaultKeeps        FaultRule = "final-holds"
	FaultCheck        FaultRule = "check"
	FaultApproval     FaultRule = "payable-without-approval"
	FaultWording      FaultRule = "wording"
	FaultClockByHands FaultRule = "clock-event-shared"
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

// Compile checks a table against its guards and options and makes a machine
// of it. The error is of type Faults and holds every fault at once.
func Compile[S, E ~string, C any](t Table[S, E], guards map[string]Guard[C], options CompileOptions) (*Machine[S, E, C], error) {
	k := &compiler[S, E, C]{table: t, guards: guards, options: options}
	k.index()
	if len(k.faults) == 0 {
		k.checkStates()
		k.checkMoves()
		k.checkPaths()
	}
	if len(k.faults) > 0 {
		slices.SortFunc(k.faults, func(a, b Fault) int { return strings.Compare(a.String(), b.String()) })
		return nil, slices.Compact(k.faults)
	}
	return k.machine(), nil
}

type compiler[S, E ~string, C any] struct {
	table   Table[S, E]
	guards  map[string]Guard[C]
	options CompileOptions
	faults  Faults
	states  map[S]int
	events  map[E]int
	names   []E
	clock   map[E]bool
}

func (k *compiler[S, E, C]) fault(rule FaultRule, where, format string, args ...any) {
	k.faults = append(k.faults, Fault{Rule: rule, Where: where, Note: fmt.Sprintf(format, args...)})
}

func stateWhere[S ~string](s S) string { return "state " + quoted(s) }

func moveWhere[S, E ~string](v Move[S, E]) string {
	return "move " + quoted(v.On) + " to " + quoted(v.To)
}

func quoted[S ~string](s S) string { return fmt.Sprintf("%q", string(s)) }

// index finds the names; what follows relies on their being known.
func (k *compiler[S, E, C]) index() {
	k.states, k.events, k.clock = map[S]int{}, map[E]int{}, map[E]bool{}
	if k.table.Name == "" || k.table.Version < 1 {
		k.fault(FaultName, "table", "a table has a name and a version of 1 or more")
	}
	for i, s := range k.table.States {
		if s.State == "" {
			k.fault(FaultUnnamed, fmt.Sprintf("state number %d", i+1), "a state has a name")
		}
		if _, twice := k.states[s.State]; twice {
			k.fault(FaultDuplicate, stateWhere(s.State), "declared twice")
		}
		k.states[s.State] = i
		if s.Within != nil {
			k.clock[s.Within.Fires] = true
		}
	}
	for _, v := range k.table.Moves {
		if v.On == "" || v.On == Stay {
			k.fault(FaultUnnamed, moveWhere(v), "an event has a name, which is not %q", Stay)
		}
		if _, known := k.events[v.On]; !known {
			k.events[v.On] = len(k.names)
			k.names = append(k.names, v.On)
		}
		if len(v.From) == 0 {
			k.fault(FaultName, moveWhere(v), "starts from no state")
		}
		for _, from := range v.From {
			k.known(from, moveWhere(v))
		}
		k.known(v.To, moveWhere(v))
	}
	k.known(k.table.Start, "start")
}

func (k *compiler[S, E, C]) known(s S, where string) {
	if _, ok := k.states[s]; !ok {
		k.fault(FaultName, where, "state %q is not declared", string(s))
	}
}

func (k *compiler[S, E, C]) checkStates() {
	for _, s := range k.table.States {
		where := stateWhere(s.State)
		if s.Final && len(s.Holds) > 0 && !s.Keeps {
			k.fault(FaultKeeps, where, "final, still holds something and does not keep it")
		}
		if s.Keeps && (!s.Final || len(s.Holds) == 0) {
			k.fault(FaultKeeps, where, "keeps is for a final state that holds something")
		}
		for _, h := range s.Holds {
			if k.options.Holdings != nil && !slices.Contains(k.options.Holdings, h) {
				k.fault(FaultHolding, where, "nothing called %q can be held", string(h))
			}
		}
		k.checkDeadline(s, where)
		k.checkBranches(s, where)
		k.checkWording(s, where)
	}
}

func (k *compiler[S, E, C]) checkDeadline(s State[S, E], where string) {
	if s.Within == nil {
		return
	}
	if !k.hasMove(s.State, s.Within.Fires) {
		k.fault(FaultDeadline, where, "its deadline fires %q, for which it has no move", string(s.Within.Fires))
	}
	if err := s.Within.Term.Validate(); err != nil {
		k.fault(FaultDeadline, where, "%v", err)
		return
	}
	if _, err := s.Within.Term.Due(time.Unix(0, 0).UTC(), k.options.Holidays); err != nil {
		k.fault(FaultDeadline, where, "%v", err)
	}
}

func (k *compiler[S, E, C]) checkBranches(s State[S, E], where string) {
	if s.Check == nil {
		return
	}
	if s.Check.At == "" {
		k.fault(FaultCheck, where, "its check names no stage")
	}
	branches := []struct {
		name  string
		event E
	}{{"eligible", s.Check.Eligible}, {"ineligible", s.Check.Ineligible}, {"pending", s.Check.Pending}}
	for _, b := range branches {
		switch {
		case b.event == "":
			k.fault(FaultCheck, where, "its check has no branch for %s; write %q to stay", b.name, Stay)
		case b.event != Stay && !k.hasMove(s.State, b.event):
			k.fault(FaultCheck, where, "its check fires %q, for which it has no move", string(b.event))
		case k.clock[b.event]:
			k.fault(FaultCheck, where, "its check fires %q, which is the clock's", string(b.event))
		}
	}
	if s.Check.Ineligible == Stay {
		k.fault(FaultCheck, where, "whoever is found ineligible cannot stay")
	}
}

func (k *compiler[S, E, C]) checkWording(s State[S, E], where string) {
	if k.options.Untold == nil {
		return
	}
	for _, lang := range k.options.Untold(s.wordingKey()) {
		k.fault(FaultWording, where, "no text %q in %s", s.wordingKey(), lang)
	}
}

func (k *compiler[S, E, C]) hasMove(from S, on E) bool {
	return slices.ContainsFunc(k.table.Moves, func(v Move[S, E]) bool {
		return v.On == on && slices.Contains(v.From, from)
	})
}

func (k *compiler[S, E, C]) checkMoves() {
	type cell struct {
		from S
		on   E
	}
	cells := map[cell][]Move[S, E]{}
	for _, v := range k.table.Moves {
		k.checkNames(v)
		for _, from := range v.From {
			cells[cell{from, v.On}] = append(cells[cell{from, v.On}], v)
			s := k.table.States[k.states[from]]
			if s.Final {
				k.fault(FaultAfterFinal, moveWhere(v), "starts from %q, which is final", string(from))
			}
			if k.clock[v.On] && (s.Within == nil || s.Within.Fires != v.On) {
				k.fault(FaultClockByHands, moveWhere(v), "%q is fired by a deadline, but %q has none that fires it", string(v.On), string(from))
			}
		}
	}
	for c, moves := range cells {
		if len(moves) > 1 {
			k.checkOrder(c.from, c.on, moves)
		}
	}
}

func (k *compiler[S, E, C]) checkNames(v Move[S, E]) {
	for _, name := range v.Needs {
		if name == "" {
			k.fault(FaultUnnamed, moveWhere(v), "a guard has a name")
		} else if k.guards[name] == nil {
			k.fault(FaultGuard, moveWhere(v), "guard %q is not given", name)
		}
	}
	for _, effect := range v.Do {
		if effect.Name == "" {
			k.fault(FaultUnnamed, moveWhere(v), "an effect has a name")
		} else if k.options.Effects != nil && !slices.Contains(k.options.Effects, effect.Name) {
			k.fault(FaultEffect, moveWhere(v), "nobody carries out effect %q", effect.Name)
		}
	}
}

// checkOrder: of several moves for one state and event the guards decide, in
// a declared order; only the last may be without a guard.
func (k *compiler[S, E, C]) checkOrder(from S, on E, moves []Move[S, E]) {
	where := "moves on " + quoted(on) + " from " + quoted(from)
	slices.SortStableFunc(moves, func(a, b Move[S, E]) int { return a.Order - b.Order })
	for i, v := range moves {
		if v.Order <= 0 || i > 0 && v.Order == moves[i-1].Order {
			k.fault(FaultAmbiguous, where, "several, without a declared order")
		}
		if len(v.Needs) == 0 && i < len(moves)-1 {
			k.fault(FaultAmbiguous, where, "one without a guard stands before another")
		}
	}
}

func (k *compiler[S, E, C]) checkPaths() {
	reached := k.reach(func(Move[S, E]) bool { return true })
	approved := k.reach(func(v Move[S, E]) bool {
		return !slices.ContainsFunc(v.Do, func(e Effect) bool { return e.Name == k.table.Approval })
	})
	out := map[S]bool{}
	for _, v := range k.table.Moves {
		for _, from := range v.From {
			out[from] = true
		}
	}
	for _, s := range k.table.States {
		if !reached[s.State] {
			k.fault(FaultUnreachable, stateWhere(s.State), "no path leads here from %q", string(k.table.Start))
		}
		if !s.Final && !out[s.State] {
			k.fault(FaultDeadEnd, stateWhere(s.State), "not final, and nothing leads on")
		}
		if s.Payable && k.table.Approval != "" && approved[s.State] {
			k.fault(FaultApproval, stateWhere(s.State), "payable, and can be reached without effect %q", k.table.Approval)
		}
		if k.clockReturns(s.State) {
			k.fault(FaultClockCycle, stateWhere(s.State), "the clock alone leads back here, for ever")
		}
	}
}

func (k *compiler[S, E, C]) reach(allow func(Move[S, E]) bool) map[S]bool {
	seen := map[S]bool{k.table.Start: true}
	for grown := true; grown; {
		grown = false
		for _, v := range k.table.Moves {
			if seen[v.To] || !allow(v) || !slices.ContainsFunc(v.From, func(s S) bool { return seen[s] }) {
				continue
			}
			seen[v.To], grown = true, true
		}
	}
	return seen
}

// clockReturns reports whether deadlines alone can lead from a state back to
// it.
func (k *compiler[S, E, C]) clockReturns(start S) bool {
	seen := map[S]bool{}
	queue := []S{start}
	for len(queue) > 0 {
		s := k.table.States[k.states[queue[0]]]
		queue = queue[1:]
		if s.Within == nil {
			continue
		}
		for _, v := range k.table.Moves {
			if v.On != s.Within.Fires || !slices.Contains(v.From, s.State) {
				continue
			}
			if v.To == start {
				return true
			}
			if !seen[v.To] {
				seen[v.To] = true
				queue = append(queue, v.To)
			}
		}
	}
	return false
}

func (k *compiler[S, E, C]) machine() *Machine[S, E, C] {
	m := &Machine[S, E, C]{
		table:    k.table,
		holidays: k.options.Holidays,
		states:   k.states,
		events:   k.events,
		names:    k.names,
		clock:    make([]bool, len(k.names)),
		cells:    make([][]compiledMove[S, C], len(k.states)*len(k.names)),
	}
	for e := range k.clock {
		m.clock[k.events[e]] = true
	}
	moves := slices.Clone(k.table.Moves)
	slices.SortStableFunc(moves, func(a, b Move[S, E]) int { return a.Order - b.Order })
	for _, v := range moves {
		for _, from := range v.From {
			cell := k.states[from]*len(k.names) + k.events[v.On]
			m.cells[cell] = append(m.cells[cell], k.compiled(from, v))
		}
	}
	return m
}

func (k *compiler[S, E, C]) compiled(from S, v Move[S, E]) compiledMove[S, C] {
	to := k.states[v.To]
	before, after := k.table.States[k.states[from]].Holds, k.table.States[to].Holds
	c := compiledMove[S, C]{to: to, do: v.Do, takes: without(after, before), releases: without(before, after)}
	for _, name := range v.Needs {
		c.needs = append(c.needs, namedGuard[C]{name, k.guards[name]})
	}
	return c
}

func without(all, some []Holding) []Holding {
	var rest []Holding
	for _, h := range all {
		if !slices.Contains(some, h) {
			rest = append(rest, h)
		}
	}
	return rest
}
