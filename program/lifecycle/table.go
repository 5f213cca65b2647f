package lifecycle

import (
	"maps"
	"slices"

	"github.com/gelombang/gelombang/program/calendar"
)

// Table is a lifecycle as pure data: guards and effects are names. Version
// says which edition of the table a case was started under.
type Table[S, E ~string] struct {
	Name    string `json:"name"`
	Version int    `json:"version"`
	// Start is the state in which a case begins.
	Start  S             `json:"start"`
	States []State[S, E] `json:"states"`
	// Sets names sets of states once, such as "after-acceptance". A set's name
	// may stand in a move's From, where its states would stand.
	Sets  map[S][]S    `json:"sets,omitempty"`
	Moves []Move[S, E] `json:"moves"`
	// Approval names an effect without which no payable state may be reached.
	// Empty: the table demands none.
	Approval string `json:"approval,omitempty"`
	// EventTexts begins the keys of the events' citizen texts. Empty: "event.".
	EventTexts string `json:"eventTexts,omitempty"`
}

// State is one row of the table of states and their attributes.
type State[S, E ~string] struct {
	State S `json:"state"`
	// Holds lists what a case in this state holds. It is taken on entering
	// the first state that holds it and released on leaving the last.
	Holds []Holding `json:"holds,omitempty"`
	// Final says that nothing happens after this state. A final state that
	// holds something must say that it Keeps it.
	Final bool `json:"final,omitempty"`
	Keeps bool `json:"keeps,omitempty"`
	// Payable says that entitlements of a case in this state may be paid.
	Payable bool `json:"payable,omitempty"`
	// Next says who acts next.
	Next Party `json:"next,omitempty"`
	// Within is the deadline that starts to run on entering the state.
	Within *Deadline[E] `json:"within,omitempty"`
	// Check is the policy decision that is due in this state.
	Check *Check[E] `json:"check,omitempty"`
	// Wording is the key of the citizen's text. Empty: "state." and the name.
	Wording string `json:"wording,omitempty"`
}

// Holding names something a state holds: a seat, an amount of a budget.
type Holding string

// Party is who is expected to act next on a case.
type Party string

// The parties of a case.
const (
	Applicant Party = "applicant"
	Officer   Party = "officer"
	Partner   Party = "partner"
	Engine    Party = "engine"
)

// Deadline fires an event when its term, counted from the entry into the
// state, has passed. Such an event is the clock's: nobody else can fire it. Guards
// may choose between several moves for it, but the last of them has no guard, since
// nothing else is possible once the deadline has passed.
type Deadline[E ~string] struct {
	Fires E             `json:"fires"`
	Term  calendar.Term `json:"term"`
}

// Stay, as a branch of a Check, leaves the case in its state.
const Stay = "stay"

// Check is a point at which the policy decides, at the named stage, and the
// case branches. Each branch is an event, or Stay. The branches differ, but that
// whoever is eligible may stay as whoever is pending does: such a check, as that
// before a payout, only looks whether somebody has to leave.
type Check[E ~string] struct {
	At         string `json:"at"`
	Eligible   E      `json:"eligible"`
	Ineligible E      `json:"ineligible"`
	Pending    E      `json:"pending"`
}

// Move is one row of the table of moves: on the event, from any of the
// states, to another, if every guard in Needs agrees.
type Move[S, E ~string] struct {
	On E `json:"on"`
	// From lists states, and sets of states.
	From  []S      `json:"from"`
	To    S        `json:"to"`
	Needs []string `json:"needs,omitempty"`
	Do    []Effect `json:"do,omitempty"`
	// Order ranks several moves for the same state and event: the lowest
	// whose guards agree is taken. Zero where there is only one. If its deadline
	// cannot be set, the event is refused; no other move is taken in its place.
	Order int `json:"order,omitempty"`
	// Clock says what becomes of the deadline that runs. Empty: it ends, and
	// the one of the new state begins.
	Clock Clock `json:"clock,omitempty"`
	// Extend, with Continue, makes the deadline later by a term. Its zone and time
	// of day are the deadline's, and may be left out.
	Extend *calendar.Term `json:"extend,omitempty"`
}

// Effect names what follows from a move, with an argument. The machine hands
// it on; the engine carries it out in its transaction.
type Effect struct {
	Name string `json:"name"`
	Arg  string `json:"arg,omitempty"`
}

func (s State[S, E]) wordingKey() string {
	if s.Wording != "" {
		return s.Wording
	}
	return "state." + string(s.State)
}

func (t Table[S, E]) eventKey(name E) string {
	if t.EventTexts != "" {
		return t.EventTexts + string(name)
	}
	return "event." + string(name)
}

// Sources returns the states that a move starts from, sets replaced by their
// states, each once.
func (t Table[S, E]) Sources(v Move[S, E]) []S {
	var states []S
	for _, name := range v.From {
		members, isSet := t.Sets[name]
		if !isSet || slices.ContainsFunc(t.States, func(s State[S, E]) bool { return s.State == name }) {
			members = []S{name}
		}
		for _, s := range members {
			if !slices.Contains(states, s) {
				states = append(states, s)
			}
		}
	}
	return states
}

// clone copies a table, so that nobody else can change it.
func (t Table[S, E]) clone() Table[S, E] {
	t.States, t.Moves, t.Sets = slices.Clone(t.States), slices.Clone(t.Moves), maps.Clone(t.Sets)
	for i := range t.States {
		s := &t.States[i]
		s.Holds, s.Within, s.Check = slices.Clone(s.Holds), copied(s.Within), copied(s.Check)
	}
	for name, states := range t.Sets {
		t.Sets[name] = slices.Clone(states)
	}
	for i := range t.Moves {
		v := &t.Moves[i]
		v.From, v.Needs, v.Do, v.Extend = slices.Clone(v.From), slices.Clone(v.Needs), slices.Clone(v.Do), copied(v.Extend)
	}
	return t
}

func copied[V any](v *V) *V {
	if v == nil {
		return nil
	}
	c := *v
	return &c
}
