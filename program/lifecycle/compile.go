package lifecycle

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/wording"
)

// CompileOptions are what Compile may know beyond the table.
type CompileOptions struct {
	// Effects lists the effects that somebody can carry out. Nil: any name.
	Effects []string
	// Holdings lists what can be held. Nil: any name.
	Holdings []Holding
	// Holidays are the days that business-day terms skip.
	Holidays calendar.Holidays
	// Texts must have a text for every state (its Wording), every event
	// (the table's EventTexts and its name) and every guard ("guard." and its name). Nil:
	// wording is not checked.
	Texts *wording.Catalogue
}

// Compile checks a table against its guards and options and makes a machine
// of a copy of it. The error is of type Faults and holds every fault at once. Only
// what follows from paths (what is unreachable, a dead end, what guards leave open)
// is not said while a state is unknown: the paths are not known then.
func Compile[S, E ~string, C any](t Table[S, E], guards map[string]Guard[C], options CompileOptions) (*Machine[S, E, C], error) {
	k := &compiler[S, E, C]{table: t.clone(), guards: guards, options: options}
	k.index()
	k.checkStates()
	k.checkMoves()
	if !k.unresolved {
		k.checkPaths()
	}
	k.checkWording()
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
	// unresolved says that a state is unknown: paths are not known.
	unresolved bool
	moves      []placed[S, E]
	states     map[S]int
	events     map[E]int
	names      []E        // events in the order of the moves
	clock      map[E]bool // fired by a deadline
	cells      [][]int    // by state and event: moves, in their order
	leaves     [][]int    // by state: moves
	// mentioned has each state with each event for which it has a move, even one
	// that leads to an unknown state.
	mentioned map[mention[S, E]]bool
}

// placed is a move of the table, with the states of its sets; unknown ones are left
// out.
type placed[S, E ~string] struct {
	Move[S, E]
	where string // in the table, for faults
}

type mention[S, E ~string] struct {
	from S
	on   E
}

func (k *compiler[S, E, C]) fault(rule FaultRule, where, format string, args ...any) {
	k.faults = append(k.faults, Fault{Rule: rule, Where: where, Note: fmt.Sprintf(format, args...)})
}

func stateWhere[S ~string](s S) string { return "state " + quoted(s) }

// moveWhere names a move by its place, its event and its states.
func moveWhere[S, E ~string](i int, v Move[S, E]) string {
	from := make([]string, len(v.From))
	for j, s := range v.From {
		from[j] = quoted(s)
	}
	return fmt.Sprintf("move %d on %q from %s to %q", i+1, string(v.On), strings.Join(from, ", "), string(v.To))
}

func quoted[S ~string](s S) string { return fmt.Sprintf("%q", string(s)) }

// index finds the names; what follows relies on their being known.
func (k *compiler[S, E, C]) index() {
	k.states, k.events, k.clock, k.mentioned = map[S]int{}, map[E]int{}, map[E]bool{}, map[mention[S, E]]bool{}
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
	k.indexSets()
	for i, v := range k.table.Moves {
		where := moveWhere(i, v)
		if v.On == "" || v.On == Stay {
			k.fault(FaultUnnamed, where, "an event has a name, which is not %q", Stay)
		}
		if _, known := k.events[v.On]; !known {
			k.events[v.On] = len(k.names)
			k.names = append(k.names, v.On)
		}
		if len(v.From) == 0 {
			k.fault(FaultName, where, "starts from no state")
			k.unresolved = true
		}
		v.From = slices.DeleteFunc(k.table.Sources(v), func(from S) bool { return !k.known(from, where) })
		if k.known(v.To, where) {
			k.moves = append(k.moves, placed[S, E]{v, where})
		}
		for _, from := range v.From {
			k.mentioned[mention[S, E]{from, v.On}] = true
		}
	}
	k.known(k.table.Start, "start")
	k.fillCells()
}

func (k *compiler[S, E, C]) indexSets() {
	for _, name := range slices.Sorted(maps.Keys(k.table.Sets)) {
		where := "set " + quoted(name)
		if name == "" {
			k.fault(FaultUnnamed, where, "a set has a name")
		}
		if _, taken := k.states[name]; taken {
			k.fault(FaultDuplicate, where, "a state has this name")
		}
		if len(k.table.Sets[name]) == 0 {
			k.fault(FaultName, where, "has no states")
			k.unresolved = true
		}
		for _, s := range k.table.Sets[name] {
			k.known(s, where)
		}
		used := func(v Move[S, E]) bool { return slices.Contains(v.From, name) }
		if !slices.ContainsFunc(k.table.Moves, used) {
			k.fault(FaultName, where, "is used by no move")
		}
	}
}

func (k *compiler[S, E, C]) known(s S, where string) bool {
	_, ok := k.states[s]
	if !ok {
		k.fault(FaultName, where, "state %q is not declared", string(s))
		k.unresolved = true
	}
	return ok
}

func (k *compiler[S, E, C]) fillCells() {
	k.cells = make([][]int, len(k.table.States)*len(k.names))
	k.leaves = make([][]int, len(k.table.States))
	order := make([]int, len(k.moves))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return k.moves[a].Order - k.moves[b].Order })
	for _, i := range order {
		for _, from := range k.moves[i].From {
			s := k.states[from]
			at := s*len(k.names) + k.events[k.moves[i].On]
			k.cells[at] = append(k.cells[at], i)
			k.leaves[s] = append(k.leaves[s], i)
		}
	}
}

// machine lays the checked table out for deciding.
func (k *compiler[S, E, C]) machine() *Machine[S, E, C] {
	states := make([]S, len(k.table.States))
	counters := make([]*calendar.Counter, len(k.table.States))
	for i, s := range k.table.States {
		states[i] = s.State
		if s.Within != nil {
			counters[i] = k.counter(s.Within.Term)
		}
	}
	m := &Machine[S, E, C]{
		table:  k.table,
		states: newNames(states),
		events: newNames(k.names),
		clock:  make([]bool, len(k.names)),
		width:  len(k.names),
		cells:  make([]*cell[S, E, C], len(k.cells)),
		starts: counters,
		stands: make([]bool, len(states)),
	}
	for s := range k.table.standing() {
		m.stands[k.states[s]] = true
	}
	for i, name := range k.names {
		m.clock[i] = k.clock[name]
	}
	for at, moves := range k.cells {
		for _, i := range slices.Backward(moves) {
			c := k.cell(states[at/m.width], k.moves[i].Move, counters)
			c.next = m.cells[at]
			c.plain = c.next == nil && !c.row.Clock && c.timed == timing{}
			m.cells[at] = c
		}
	}
	return m
}

func (k *compiler[S, E, C]) cell(from S, v Move[S, E], counters []*calendar.Counter) *cell[S, E, C] {
	to := k.states[v.To]
	before, after := k.table.States[k.states[from]].Holds, k.table.States[to].Holds
	c := &cell[S, E, C]{
		row: Row[S, E]{From: from, To: v.To, Event: v.On, Version: k.table.Version, Needs: v.Needs, Do: v.Do,
			Takes: without(after, before), Releases: without(before, after), Clock: k.clock[v.On]},
		timed: timing{clock: v.Clock, starts: counters[to]},
	}
	if v.Extend != nil {
		c.timed.extend = k.counter(extension(*v.Extend, k.table.States[to].Within))
	}
	for _, name := range v.Needs {
		c.guards = append(c.guards, k.guards[name])
	}
	return c
}

// counter makes a term ready that checkTerm has found good.
func (k *compiler[S, E, C]) counter(t calendar.Term) *calendar.Counter {
	c, err := calendar.NewCounter(t, k.options.Holidays)
	if err != nil {
		return nil
	}
	return c
}

// extension is the term of an Extend, in the manner of the deadline that it makes
// later.
func extension[E ~string](t calendar.Term, of *Deadline[E]) calendar.Term {
	if of != nil && t.For == 0 {
		t.Zone, t.Until = of.Term.Zone, of.Term.Until
	}
	return t
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
