package lifecycle

import (
	"slices"
	"strings"
	"time"

	"github.com/gelombang/gelombang/program/calendar"
)

// This file holds the rules of a table, but for those of its names.

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
		if s.Within != nil {
			k.checkTerm(s.Within.Term, where)
			if !k.hasMove(s.State, s.Within.Fires) {
				k.fault(FaultDeadline, where, "its deadline fires %q, for which it has no move", string(s.Within.Fires))
			} else if k.guarded(s.State, s.Within.Fires) {
				k.fault(FaultDeadline, where, "its deadline fires %q, whose guards could all refuse: the last move needs none", string(s.Within.Fires))
			}
		}
		if s.Check != nil {
			k.checkBranches(s.State, *s.Check, where)
		}
	}
}

func (k *compiler[S, E, C]) checkTerm(t calendar.Term, where string) {
	c, err := calendar.NewCounter(t, calendar.Holidays{})
	if err == nil {
		_, err = c.Due(time.Unix(0, 0).UTC())
	}
	if err != nil {
		k.fault(FaultDeadline, where, "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
}

func (k *compiler[S, E, C]) checkBranches(s S, c Check[E], where string) {
	if c.At == "" {
		k.fault(FaultCheck, where, "its check names no stage")
	}
	branches := []struct {
		name  string
		event E
	}{{"eligible", c.Eligible}, {"ineligible", c.Ineligible}, {"pending", c.Pending}}
	for _, b := range branches {
		switch {
		case b.event == "":
			k.fault(FaultCheck, where, "its check has no branch for %s; write %q to stay", b.name, Stay)
		case b.event != Stay && !k.hasMove(s, b.event):
			k.fault(FaultCheck, where, "its check fires %q, for which it has no move", string(b.event))
		case k.clock[b.event]:
			k.fault(FaultCheck, where, "its check fires %q, which is the clock's", string(b.event))
		}
	}
	switch {
	case c.Ineligible == Stay:
		k.fault(FaultCheck, where, "whoever is found ineligible cannot stay")
	case c.Ineligible != "" && (c.Ineligible == c.Eligible || c.Ineligible == c.Pending):
		k.fault(FaultCheck, where, "its check does with whoever is ineligible what it does with others")
	case k.guarded(s, c.Ineligible):
		k.fault(FaultCheck, where, "its check fires %q, whose guards could keep whoever is ineligible: the last move needs none", string(c.Ineligible))
	}
	if c.Eligible != "" && c.Eligible != Stay && c.Eligible == c.Pending {
		k.fault(FaultCheck, where, "its check does with whoever is pending what it does with whoever is eligible")
	}
}

// guarded reports whether the guards of an event's moves could all refuse: the
// last of them, the only one that is always left, has one.
func (k *compiler[S, E, C]) guarded(from S, on E) bool {
	e, ok := k.events[on]
	if !ok || k.unresolved {
		return false
	}
	moves := k.cells[k.states[from]*len(k.names)+e]
	return len(moves) > 0 && len(k.moves[moves[len(moves)-1]].Needs) > 0
}

func (k *compiler[S, E, C]) hasMove(from S, on E) bool { return k.mentioned[mention[S, E]{from, on}] }

func (k *compiler[S, E, C]) checkMoves() {
	standing := k.table.standing()
	if _, stands := standing[k.table.Start]; stands {
		k.fault(FaultClock, "start", "a case cannot begin where a deadline stands still")
	}
	k.checkStanding(standing)
	for i, v := range k.table.Moves {
		k.checkNames(v, moveWhere(i, v))
	}
	for _, v := range k.moves {
		k.checkClock(v, standing)
		k.checkExtend(v)
		for _, from := range v.From {
			s := k.table.States[k.states[from]]
			if s.Final {
				k.fault(FaultAfterFinal, v.where, "starts from %q, which is final", string(from))
			}
			if k.clock[v.On] && (s.Within == nil || s.Within.Fires != v.On) {
				k.fault(FaultClockByHands, v.where, "%q is fired by a deadline, but %q has none that fires it", string(v.On), string(from))
			}
		}
	}
	for at, moves := range k.cells {
		if len(moves) > 1 {
			k.checkOrder(k.table.States[at/len(k.names)].State, k.names[at%len(k.names)], moves)
		}
	}
}

func (k *compiler[S, E, C]) checkNames(v Move[S, E], where string) {
	for _, name := range v.Needs {
		if name == "" {
			k.fault(FaultUnnamed, where, "a guard has a name")
		} else if k.guards[name] == nil {
			k.fault(FaultGuard, where, "guard %q is not given", name)
		}
	}
	for _, effect := range v.Do {
		if effect.Name == "" {
			k.fault(FaultUnnamed, where, "an effect has a name")
		} else if k.options.Effects != nil && !slices.Contains(k.options.Effects, effect.Name) {
			k.fault(FaultEffect, where, "nobody carries out effect %q", effect.Name)
		}
	}
}

// checkClock holds that a deadline is there wherever a move needs one, and that
// the one that goes on is the new state's.
func (k *compiler[S, E, C]) checkClock(v placed[S, E], standing map[S][]S) {
	to := k.table.States[k.states[v.To]]
	switch v.Clock {
	case Restart:
		if _, stands := standing[v.To]; stands {
			k.fault(FaultClock, v.where, "leads without a deadline to where one stands still")
		}
		return
	case Suspend:
		if to.Within != nil {
			k.fault(FaultClock, v.where, "suspends a deadline in a state that has its own")
		}
	case Continue:
		if to.Within == nil {
			k.fault(FaultClock, v.where, "continues a deadline in a state that has none")
		}
	default:
		k.fault(FaultClock, v.where, "%q is not known", string(v.Clock))
	}
	if k.clock[v.On] {
		k.fault(FaultClock, v.where, "a deadline that has passed cannot go on or stand still")
	}
	for _, from := range v.From {
		s := k.table.States[k.states[from]]
		sources, stands := standing[from]
		switch {
		case s.Within == nil && !stands:
			k.fault(FaultClock, v.where, "in %q there is no deadline", string(from))
		case s.Within != nil:
			sources = []S{from}
		}
		for _, source := range sources {
			k.checkTakeover(v, source, to)
		}
	}
}

// checkStanding holds that the deadlines that stand still in one state are all in
// one manner: which of them a case has cannot be seen there.
func (k *compiler[S, E, C]) checkStanding(standing map[S][]S) {
	for _, s := range k.table.States {
		sources := standing[s.State]
		for _, other := range sources[min(1, len(sources)):] {
			first, second := k.table.States[k.states[sources[0]]].Within, k.table.States[k.states[other]].Within
			if note := differs(first, second); note != "" {
				k.fault(FaultClock, stateWhere(s.State), "deadlines of %q and %q stand still here: %s", string(sources[0]), string(other), note)
			}
		}
	}
}

// checkTakeover holds that a state's deadline, which a move continues, is in the
// manner of the new state's: the same event, unit, zone and time of day.
func (k *compiler[S, E, C]) checkTakeover(v placed[S, E], source S, to State[S, E]) {
	i, known := k.states[source]
	if !known || v.Clock != Continue || to.Within == nil {
		return
	}
	old, next := k.table.States[i].Within.manner(), to.Within.manner()
	switch {
	case old.fires != next.fires:
		k.fault(FaultClock, v.where, "the deadline of %q fires %q, that of %q another event", string(source), string(old.fires), string(v.To))
	case old != next:
		k.fault(FaultClock, v.where, "the deadline of %q is in %s, that of %q in %s", string(source), old, string(v.To), next)
	}
}

// checkExtend holds that an extension counts as the deadline does.
func (k *compiler[S, E, C]) checkExtend(v placed[S, E]) {
	if v.Extend == nil {
		return
	}
	k.checkTerm(*v.Extend, v.where)
	if v.Clock != Continue {
		k.fault(FaultClock, v.where, "extends a deadline that it does not continue")
	}
	if v.Extend.CountStart {
		k.fault(FaultClock, v.where, "extends from the last day of the deadline, which does not count again")
	}
	within := k.table.States[k.states[v.To]].Within
	if within == nil {
		return
	}
	own, of := *v.Extend, within.Term
	if own.Zone != "" && own.Zone != of.Zone || own.Until != "" && own.Until != of.Until {
		k.fault(FaultClock, v.where, "extends in another zone or to another time of day than its deadline has")
	}
	if (own.For != 0) != (of.For != 0) {
		k.fault(FaultClock, v.where, "extends days by a duration, or a duration by days")
	}
}

// checkOrder: of several moves for one state and event the guards decide, in
// a declared order; only the last may be without a guard.
func (k *compiler[S, E, C]) checkOrder(from S, on E, moves []int) {
	where := "moves on " + quoted(on) + " from " + quoted(from)
	for i, at := range moves {
		v := k.moves[at]
		if v.Order <= 0 || i > 0 && v.Order == k.moves[moves[i-1]].Order {
			k.fault(FaultAmbiguous, where, "several, without a declared order")
		}
		if len(v.Needs) == 0 && i < len(moves)-1 {
			k.fault(FaultAmbiguous, where, "one without a guard stands before another")
		}
		for _, earlier := range moves[:i] {
			needs := k.moves[earlier].Needs
			if len(needs) > 0 && k.moves[earlier].Order < v.Order && !slices.ContainsFunc(needs, func(name string) bool { return !slices.Contains(v.Needs, name) }) {
				k.fault(FaultShadowed, v.where, "is never taken from %q: the one of order %d agrees whenever it does", string(from), k.moves[earlier].Order)
			}
		}
	}
}

func (k *compiler[S, E, C]) checkPaths() {
	approves := func(v placed[S, E]) bool {
		return slices.ContainsFunc(v.Do, func(e Effect) bool { return e.Name == k.table.Approval })
	}
	reached := k.reach(func(placed[S, E]) bool { return true })
	unapproved := k.reach(func(v placed[S, E]) bool { return !approves(v) })
	ends := k.ends()
	for i, s := range k.table.States {
		if k.states[s.State] != i {
			continue // declared twice: the last one counts
		}
		where := stateWhere(s.State)
		if !reached[i] {
			k.fault(FaultUnreachable, where, "no path leads here from %q", string(k.table.Start))
		}
		leads := func(at int) bool { return k.moves[at].To != s.State }
		switch {
		case s.Final:
		case !slices.ContainsFunc(k.leaves[i], leads):
			k.fault(FaultDeadEnd, where, "not final, and nothing leads on")
		case ends != nil && !ends[i]:
			k.fault(FaultDeadEnd, where, "no final state can be reached from here")
		}
		if s.Payable && k.table.Approval != "" && unapproved[i] {
			k.fault(FaultApproval, where, "payable, and can be reached without effect %q", k.table.Approval)
		}
		if k.clockReturns(i) {
			k.fault(FaultClockCycle, where, "the clock alone leads back here, for ever")
		}
	}
}

// reach returns which states can be reached from the start by allowed moves.
func (k *compiler[S, E, C]) reach(allow func(placed[S, E]) bool) []bool {
	seen := make([]bool, len(k.table.States))
	queue := []int{k.states[k.table.Start]}
	seen[queue[0]] = true
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		for _, at := range k.leaves[s] {
			to := k.states[k.moves[at].To]
			if !seen[to] && allow(k.moves[at]) {
				seen[to] = true
				queue = append(queue, to)
			}
		}
	}
	return seen
}

// ends returns from which states a final one can be reached; nil for a table
// without final states.
func (k *compiler[S, E, C]) ends() []bool {
	into := make([][]int, len(k.table.States)) // by state: where moves to it start
	for s, moves := range k.leaves {
		for _, at := range moves {
			to := k.states[k.moves[at].To]
			into[to] = append(into[to], s)
		}
	}
	seen := make([]bool, len(k.table.States))
	var queue []int
	for i, s := range k.table.States {
		if s.Final {
			seen[i] = true
			queue = append(queue, i)
		}
	}
	if len(queue) == 0 {
		return nil
	}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		for _, from := range into[s] {
			if !seen[from] {
				seen[from] = true
				queue = append(queue, from)
			}
		}
	}
	return seen
}

// clockReturns reports whether deadlines alone can lead from a state back to
// it. A move with a guard does not count: the guard ends the loop, and the last
// move of a deadline, which has none, leads out.
func (k *compiler[S, E, C]) clockReturns(start int) bool {
	seen := map[int]bool{}
	queue := []int{start}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		for _, at := range k.leaves[s] {
			to := k.states[k.moves[at].To]
			if !k.clock[k.moves[at].On] || len(k.moves[at].Needs) > 0 || seen[to] {
				continue
			}
			if to == start {
				return true
			}
			seen[to] = true
			queue = append(queue, to)
		}
	}
	return false
}

func (k *compiler[S, E, C]) checkWording() {
	if k.options.Texts == nil {
		return
	}
	if len(k.options.Texts.Languages()) == 0 {
		k.fault(FaultWording, "texts", "there are none, in no language")
		return
	}
	for _, s := range k.table.States {
		allowed := []string{}
		if s.Within != nil {
			allowed = append(allowed, argDue)
		}
		k.checkText(s.wordingKey(), stateWhere(s.State), allowed...)
	}
	for _, name := range k.names {
		k.checkText(k.table.eventKey(name), "event "+quoted(name))
	}
	for i, v := range k.table.Moves {
		for _, name := range v.Needs {
			k.checkText(guardKey(name), moveWhere(i, v))
		}
	}
	for _, key := range k.options.Texts.Keys(reasonKey("")) {
		k.checkText(key, "reasons")
	}
}

// checkText holds that a text is there, and asks for nothing that a Teller
// cannot fill in.
func (k *compiler[S, E, C]) checkText(key, where string, allowed ...string) {
	if !k.options.Texts.Has(key) {
		for _, lang := range k.options.Texts.Languages() {
			k.fault(FaultWording, where, "no text %q in %s", key, lang)
		}
	}
	for _, name := range k.options.Texts.Placeholders(key) {
		if !slices.Contains(allowed, name) {
			k.fault(FaultWording, where, "text %q has a placeholder {%s}, which nothing fills", key, name)
		}
	}
}
