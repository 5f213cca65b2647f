package program

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/program/wording"
)

// State and Event are the names of an application's lifecycle.
type (
	State string
	Event string
)

// The lifecycle's types for an application, so that an agency's table needs no
// type parameters. They are those of package lifecycle.
type (
	Table    = lifecycle.Table[State, Event]
	States   = []lifecycle.State[State, Event]
	Sets     = map[State][]State
	Moves    = []lifecycle.Move[State, Event]
	move     = lifecycle.Move[State, Event]
	Check    = lifecycle.Check[Event]
	Deadline = lifecycle.Deadline[Event]
	Holds    = []lifecycle.Holding
	Effect   = lifecycle.Effect
	Reason   = lifecycle.Reason
	Moment   = lifecycle.Moment
)

// Seat is what a state holds that holds a seat.
const Seat lifecycle.Holding = "seat"

// Events that the engine fires itself. A table that has a move for Drawn takes
// part in draws; the cases in its From states are the roll.
const (
	Drawn       Event = "drawn"
	NotSelected Event = "not-selected"
	// Promoted gives a seat that came back to somebody who was not selected. A table
	// that has a move for it has waiting lists; see Promote.
	Promoted Event = "promoted"
)

// Effects that the engine carries out. Arg names a benefit or a template.
const (
	// EffectEntitle creates the entitlements of a benefit, or opens a balance.
	EffectEntitle = "entitle"
	// EffectSpend takes the report's amount out of a balance.
	EffectSpend = "spend"
	// EffectRefund takes the report's amount back from the report's party: into the
	// balance, or into the budget if a step has let the balance lapse before.
	EffectRefund = "refund"
	// EffectLapse gives what is left of a balance back to the budget.
	EffectLapse = "lapse"
	// EffectConfirmSeat turns the held seat into a granted one.
	EffectConfirmSeat = "confirm-seat"
	// EffectBar bars the applicant from applying again.
	EffectBar = "bar"
	// EffectNotify tells the applicant, with the template in Arg. The notice is
	// in the journal; the agency's sender reads it there.
	EffectNotify = "notify"
)

func ownEffects() []string {
	return []string{EffectEntitle, EffectSpend, EffectRefund, EffectLapse, EffectConfirmSeat, EffectBar, EffectNotify}
}

// Program is the definition of a program: data, checked as a whole by
// NewEngine. T is the agency's own details of an applicant.
type Program[T any] struct {
	// ID is short and permanent: letters a to z, digits and -.
	ID        string
	Lifecycle Table
	// Earlier are the earlier versions of Lifecycle under which cases still stand.
	// A case is decided under the version that it began with, until Migrate moves
	// it. Guards, effects, benefits and texts serve them all.
	Earlier []Table
	Facts   *Facts[T]
	Policy  eligibility.Policy
	// Place says where a candidate stands in the draw: computed when the case
	// passes its screening, and stored.
	Place func(*Case[T]) Placement
	// Limits are caps that hold when a seat is taken.
	Limits []Limit
	// Sharing are caps on registrations that share a phone, a device or who registers.
	Sharing []Sharing
	// Benefits are what the program promises.
	Benefits payment.Benefits
	// Heads says for each benefit per head (payment.PerHead), by its name, for how many
	// heads a case gets it: the workers of a firm. It is a pure function of the case.
	Heads map[string]func(*Case[T]) int64
	// Caps limit what is paid to a person, and in a day.
	Caps PaymentCaps
	// Payees are the rules for who is paid, and to which accounts.
	Payees Payees
	// Payee says who is paid for an applicant, where that is not the applicant or the
	// household (Payees.Of): a guardian, or a firm. One without a National means the applicant.
	// Nil: nobody is paid for another. It is a pure function.
	Payee func(*Applicant[T]) Payee
	// Approvals say how many people approve a batch, by its total.
	Approvals payment.Bands
	// ClaimDays is how many days a payee has to pay back what is claimed back
	// (Resolve, ClaimBack). Zero: nothing is claimed back.
	ClaimDays int
	// UnclaimedDays is how many days after it fell due an entitlement that was not paid goes
	// back to the budget (LapseEntitlements). Zero: never.
	UnclaimedDays int
	// Guards and Effects are the agency's own, by the names in the table.
	Guards  map[string]Guard[T]
	Effects map[string]EffectFunc[T]
	// Retention says how long what is known of people is kept.
	Retention Retention
	// Appeals are the rules for objections to a decision.
	Appeals Appeals
	// Zone is the IANA name of the zone in which legal dates are counted.
	Zone     string
	Holidays calendar.Holidays
	// Texts are the agency's wording: reasons of rules, states, notices.
	Texts wording.Texts
}

// Guard refuses a move by appending reasons. It is a pure function.
type Guard[T any] = lifecycle.Guard[*Case[T]]

// EffectFunc carries out an agency's own effect by writing into out. It is
// called again if the transaction has to be repeated, so it must do nothing
// else.
type EffectFunc[T any] func(c *Case[T], arg string, out *Writer) error

// Placement is where a candidate stands in a draw.
type Placement struct {
	// Pool is the ID of the candidate's home pool in the wave's plan.
	Pool string
	// Groups are the codes of the plan's groups that the candidate belongs to.
	Groups []string
	// Tier comes first if lower; 0 in a plan without tiers.
	Tier int
	// Number is the score, or the place of arrival, where the plan's Key is one of
	// those: a higher score comes first, and a lower place. 0 in a lottery.
	Number uint32
}

// Limit is a cap on how many seats one applicant or household may have.
type Limit struct {
	// Name is part of the account's name: letters a to z, digits and -.
	Name string
	Per  Per
	Max  int64
	// Ever says that the award counts for ever, even if the seat is returned.
	Ever bool
	// Basis is the legal basis of the cap.
	Basis eligibility.Basis
}

// Per says whom a limit counts.
type Per uint8

// Whom a limit can count.
const (
	PerPerson Per = iota + 1
	PerHousehold
)

// Faults is everything that is wrong with a program.
type Faults []error

func (f Faults) Error() string { return "program: " + errors.Join(f...).Error() }

// Unwrap gives the faults to errors.As and errors.Is.
func (f Faults) Unwrap() []error { return f }

// FieldError says which field breaks which rule.
type FieldError struct{ Field, Rule string }

func (e *FieldError) Error() string { return e.Field + " " + e.Rule }

func (p *Program[T]) faults() Faults {
	var f Faults
	add := func(field, rule string, args ...any) {
		f = append(f, &FieldError{field, fmt.Sprintf(rule, args...)})
	}
	if !shortName(p.ID) {
		add("ID", "is made of letters a to z, digits and -")
	}
	if p.Facts == nil {
		add("Facts", "is missing: NewFacts makes one")
	}
	if p.Place == nil && (p.draws() || p.admits()) {
		add("Place", "is missing, and the lifecycle gives seats")
	}
	names := map[string]bool{}
	for _, l := range p.Limits {
		if !shortName(l.Name) || names[l.Name] {
			add("Limits", "have names of letters a to z, digits and -, each once")
		}
		names[l.Name] = true
		if l.Max < 1 || l.Per != PerPerson && l.Per != PerHousehold {
			add("Limits."+l.Name, "needs a Max of 1 or more and whom it counts")
		}
	}
	for name, f := range p.Effects {
		if f == nil {
			add("Effects."+name, "is nil")
		}
		if slices.Contains(ownEffects(), name) {
			add("Effects."+name, "is an effect of the engine's own")
		}
	}
	if _, err := calendar.Zone(p.Zone); err != nil {
		add("Zone", "is not a known zone")
	}
	p.headFaults(add)
	p.sharingFaults(add)
	p.Caps.faults(add)
	p.Retention.faults(p.Limits, add)
	p.Appeals.faults(&p.Lifecycle, add)
	if p.Payees.Cooling < 0 || p.Payees.LeastScore < 0 || p.Payees.LeastScore > 1000 {
		add("Payees", "has a cooling period of zero or more and a score from 0 to 1000")
	}
	if p.Payee != nil && p.Payees.Of == PerHousehold {
		add("Payee", "and Payees.Of cannot both say who is paid")
	}
	if p.Payees.PerAccount < 0 || p.Payees.Accounts < 0 || p.Payees.Of > PerHousehold {
		add("Payees", "has limits of zero or more, and counts persons or households")
	}
	if p.ClaimDays < 0 || p.UnclaimedDays < 0 {
		add("ClaimDays, UnclaimedDays", "are zero or more")
	}
	if _, err := p.currency(); err != nil {
		add("Benefits", "and caps are in one currency")
	}
	if err := p.Approvals.Validate(); err != nil {
		f = append(f, err)
	}
	if err := p.Benefits.Validate(); err != nil {
		f = append(f, err)
	}
	for _, where := range lossyFields(reflect.TypeFor[T](), "T", nil) {
		add(where, "would not survive being stored as JSON")
	}
	versions := map[int]bool{}
	for _, t := range p.tables() {
		if versions[t.Version] || t.Name != p.Lifecycle.Name {
			add("Earlier", "are tables of the lifecycle's name, each of another version")
		}
		versions[t.Version] = true
		f = slices.Concat(f, p.effectFaults(t), p.seatFaults(t))
	}
	return f
}

// currency is that of all the program's money, empty if it pays nothing.
func (p *Program[T]) currency() (string, error) {
	var all string
	for _, b := range p.Benefits {
		if all == "" {
			all = b.Amount.Currency
		}
		if b.Amount.Currency != all {
			return "", &FieldError{"Benefits", "are in one currency"}
		}
	}
	for _, cap := range []payment.Money{p.Caps.Person, p.Caps.Day, p.Caps.Account} {
		if all != "" && cap != (payment.Money{}) && cap.Currency != all {
			return "", &FieldError{"Caps", "are in the benefits' currency"}
		}
	}
	return all, nil
}

// inCurrency checks that an amount is in the program's currency.
func (p *Program[T]) inCurrency(amount payment.Money) error {
	if own, err := p.currency(); err != nil || amount.Validate() != nil || own != "" && amount.Currency != own {
		return &FieldError{"amount", "is in the program's currency"}
	}
	return nil
}

// seatFaults: a seat comes from a draw or Admit, and the roll from a check.
func (p *Program[T]) seatFaults(t Table) Faults {
	var f Faults
	add := func(rule string, args ...any) { f = append(f, &FieldError{"Lifecycle", fmt.Sprintf(rule, args...)}) }
	states := map[State]lifecycle.State[State, Event]{}
	for _, s := range t.States {
		states[s.State] = s
	}
	holds := func(s State) bool { return slices.Contains(states[s].Holds, Seat) }
	for _, m := range t.Moves {
		if m.On == Promoted && (!holds(m.To) || slices.ContainsFunc(t.Sources(m), holds)) {
			add("whoever is promoted must come from a state without a seat into one that holds it, not %q", string(m.To))
		}
	}
	for _, rule := range admitFaults(t) {
		add("%s", rule)
	}
	inRoll := map[State]bool{}
	for _, m := range t.Moves {
		if m.On != Drawn {
			continue
		}
		for _, s := range t.Sources(m) {
			inRoll[s] = true
		}
		if !holds(m.To) {
			add("whoever is drawn must come into a state that holds a seat, not %q", string(m.To))
		}
	}
	if holds(t.Start) {
		add("the first state holds a seat, which only a draw or Admit gives")
	}
	for _, m := range t.Moves {
		for _, from := range t.Sources(m) {
			if m.On != Drawn && m.On != Promoted && m.On != Admitted && m.On != p.Appeals.Upheld && holds(m.To) && !holds(from) {
				add("%q from %q takes a seat, which only a draw or Admit gives", string(m.On), string(from))
			}
			check := states[from].Check
			if inRoll[m.To] && !inRoll[from] && (check == nil || check.Eligible != m.On) {
				add("%q from %q leads onto the roll without a check", string(m.On), string(from))
			}
		}
	}
	return f
}

func (p *Program[T]) effectFaults(t Table) Faults {
	var f Faults
	for _, move := range t.Moves {
		for _, e := range move.Do {
			benefit, known := p.Benefits.Find(e.Arg)
			isBalance := known && benefit.Kind == payment.BalanceKind
			switch {
			case e.Name == EffectEntitle && !known:
				f = append(f, &FieldError{"Lifecycle", fmt.Sprintf("entitles to %q, which is no benefit", e.Arg)})
			case (e.Name == EffectSpend || e.Name == EffectRefund || e.Name == EffectLapse) && !isBalance:
				f = append(f, &FieldError{"Lifecycle", fmt.Sprintf("spends, refunds or lapses %q, which is no balance", e.Arg)})
			}
		}
	}
	return f
}

func (p *Program[T]) draws() bool {
	draws := func(m lifecycle.Move[State, Event]) bool { return m.On == Drawn }
	return slices.ContainsFunc(p.tables(), func(t Table) bool { return slices.ContainsFunc(t.Moves, draws) })
}

func shortName(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return s != ""
}

// lossyFields lists the parts of a type that encoding/json would lose.
func lossyFields(t reflect.Type, where string, above []reflect.Type) []string {
	if slices.Contains(above, t) {
		return nil
	}
	back := reflect.PointerTo(t)
	if t.Implements(reflect.TypeFor[json.Marshaler]()) || t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		if back.Implements(reflect.TypeFor[json.Unmarshaler]()) || back.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
			return nil
		}
		return []string{where} // it can be written and not read: a mask, for example
	}
	above = append(above, t)
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return lossyFields(t.Elem(), where, above)
	case reflect.Map:
		return lossyFields(t.Elem(), where, above)
	case reflect.Chan, reflect.Func, reflect.Interface, reflect.UnsafePointer, reflect.Complex64, reflect.Complex128:
		return []string{where}
	case reflect.Struct:
		var lost []string
		for i := range t.NumField() {
			field := t.Field(i)
			if !field.IsExported() || field.Tag.Get("json") == "-" {
				lost = append(lost, where+"."+field.Name)
				continue
			}
			lost = append(lost, lossyFields(field.Type, where+"."+field.Name, above)...)
		}
		return lost
	}
	return nil
}
