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
			}
		}
		if s.Check != nil {
			k.checkBranches(s.State, *s.Check, where)
		}
	}
}

func (k *compiler[S, E, C]) checkTerm(t calendar.Term, where string) {
	c, err := calendar.NewCounter(t, k.options.Holidays)
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
	if c.Ineligible == Stay {
		k.fault(FaultCheck, where, "whoever is found ineligible cannot stay")
	}
}

func (k *compiler[S, E, C]) hasMove(from S, on E) bool { return k.mentioned[mention[S, E]{from, on}] }

func (k *compiler[S, E, C]) checkMoves() {
	standing := k.standing()
	if standing[k.table.Start] {
		k.fault(FaultClock, "start", "a case cannot begin where a deadline stands still")
	}
	for _, v := range k.table.Moves {
		k.checkNames(v)
	}
	for _, v := range k.moves {
		k.checkClock(v, standing)
		for _, from := range v.From {
			s := k.table.States[k.states[from]]
			if s.Final {
				k.fault(FaultAfterFinal, moveWhere(v), "starts from %q, which is final", string(from))
			}
			if k.clock[v.On] && (s.Within == nil || s.Within.Fires != v.On) {
				k.fault(FaultClockByHands, moveWhere(v), "%q is fired by a deadline, but %q has none that fires it", string(v.On), string(from))
			}
		}
	}
	for at, moves := range k.cells {
		if len(moves) > 1 {
			k.checkOrder(k.table.States[at/len(k.names)].State, k.names[at%len(k.names)], moves)
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

// standing returns the states in which a deadline stands still.
func (k *compiler[S, E, C]) standing() map[S]bool {
	states := map[S]bool{}
	for _, v := range k.moves {
		if v.Clock == Suspend {
			states[v.To] = true
		}
	}
	return states
}

// checkClock holds that a deadline is there wherever a move needs one.
func (k *compiler[S, E, C]) checkClock(v Move[S, E], standing map[S]bool) {
	where := moveWhere(v)
	if v.Extend != nil {
		k.checkTerm(*v.Extend, where)
		if v.Clock != Continue {
			k.fault(FaultClock, where, "extends a deadline that it does not continue")
		}
	}
	to := k.table.States[k.states[v.To]]
	switch v.Clock {
	case Restart:
		if standing[v.To] {
			k.fault(FaultClock, where, "leads without a deadline to where one stands still")
		}
		return
	case Suspend:
		if to.Within != nil {
			k.fault(FaultClock, where, "suspends a deadline in a state that has its own")
		}
	case Continue:
		if to.Within == nil {
			k.fault(FaultClock, where, "continues a deadline in a state that has none")
		}
	default:
		k.fault(FaultClock, where, "%q is not known", string(v.Clock))
	}
	if k.clock[v.On] {
		k.fault(FaultClock, where, "a deadline that has passed cannot go on or stand still")
	}
	for _, from := range v.From {
		s := k.table.States[k.states[from]]
		switch {
		case s.Within == nil && !standing[from]:
			k.fault(FaultClock, where, "in %q there is no deadline", string(from))
		case s.Within != nil && to.Within != nil && s.Within.Fires != to.Within.Fires:
			k.fault(FaultClock, where, "the deadline of %q fires %q, that of %q another event", string(from), string(s.Within.Fires), string(v.To))
		}
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
	}
}

func (k *compiler[S, E, C]) checkPaths() {
	approves := func(v Move[S, E]) bool {
		return slices.ContainsFunc(v.Do, func(e Effect) bool { return e.Name == k.table.Approval })
	}
	reached := k.reach(func(Move[S, E]) bool { return true })
	unapproved := k.reach(func(v Move[S, E]) bool { return !approves(v) })
	for i, s := range k.table.States {
		if !reached[i] {
			k.fault(FaultUnreachable, stateWhere(s.State), "no path leads here from %q", string(k.table.Start))
		}
		if !s.Final && len(k.leaves[i]) == 0 {
			k.fault(FaultDeadEnd, stateWhere(s.State), "not final, and nothing leads on")
		}
		if s.Payable && k.table.Approval != "" && unapproved[i] {
			k.fault(FaultApproval, stateWhere(s.State), "payable, and can be reached without effect %q", k.table.Approval)
		}
		if k.clockReturns(i) {
			k.fault(FaultClockCycle, stateWhere(s.State), "the clock alone leads back here, for ever")
		}
	}
}

// reach returns which states can be reached from the start by allowed moves.
func (k *compiler[S, E, C]) reach(allow func(Move[S, E]) bool) []bool {
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

// clockReturns reports whether deadlines alone can lead from a state back to
// it.
func (k *compiler[S, E, C]) clockReturns(start int) bool {
	seen := map[int]bool{}
	queue := []int{start}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		for _, at := range k.leaves[s] {
			to := k.states[k.moves[at].To]
			if !k.clock[k.moves[at].On] || seen[to] {
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
	for _, v := range k.table.Moves {
		for _, name := range v.Needs {
			k.checkText(guardKey(name), moveWhere(v))
		}
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
