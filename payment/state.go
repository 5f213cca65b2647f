package payment

import "github.com/gelombang/gelombang/program/lifecycle"

// State is where a payment stands.
type State string

// The states of a payment.
const (
	Created   State = "created"
	Approved  State = "approved"  // its amount is reserved
	Submitted State = "submitted" // written down before any byte leaves
	Accepted  State = "accepted"  // the provider took it on
	Settled   State = "settled"   // the statement shows the debit
	Rejected  State = "rejected"  // finally: it will never be paid
	Returned  State = "returned"  // it was paid, and the money came back
	Unknown   State = "unknown"   // it may have been paid: nobody can say yet
	Cancelled State = "cancelled" // before it was submitted
)

// Event is what happens to a payment.
type Event string

// The events of a payment.
const (
	Approve Event = "approve"
	Submit  Event = "submit"
	Accept  Event = "accept"
	Settle  Event = "settle"
	Reject  Event = "reject" // on proof only: a final answer, never a time-out
	Return  Event = "return"
	Doubt   Event = "doubt" // a time-out, an unlisted code, an unreadable answer
	Cancel  Event = "cancel"
)

// Effects of the payment's moves on the ledger, and what a payment holds.
const (
	EffectReserve = "reserve" // a pending posting out of the envelope
	EffectPost    = "post"    // the pending posting becomes final
	EffectVoid    = "void"    // the pending posting is given back
	EffectRepay   = "repay"   // a new posting; the old one stays

	Reservation lifecycle.Holding = "reservation"
)

// Dead reports whether a payment in this state can never pay (any more), so
// that the next generation may be made.
func (s State) Dead() bool { return s == Rejected || s == Returned || s == Cancelled }

// Live reports whether a payment in this state has paid or may still pay. No
// other payment of the same entitlement may be made. A state that is not in the
// table is live.
func (s State) Live() bool { return !s.Dead() }

// Table is the lifecycle of a payment. It is the same for every program.
func Table() lifecycle.Table[State, Event] {
	return lifecycle.Table[State, Event]{
		Name: "payment", Version: 1, Start: Created, EventTexts: "payment.event.",
		States: []lifecycle.State[State, Event]{
			open(Created, lifecycle.Officer),
			open(Approved, lifecycle.Officer, Reservation),
			open(Submitted, lifecycle.Partner, Reservation),
			open(Accepted, lifecycle.Partner, Reservation),
			open(Unknown, lifecycle.Officer, Reservation),
			open(Settled, lifecycle.Partner),
			closed(Rejected), closed(Returned), closed(Cancelled),
		},
		Moves: []lifecycle.Move[State, Event]{
			move(Approve, Approved, EffectReserve, Created),
			move(Submit, Submitted, "", Approved),
			move(Accept, Accepted, "", Submitted, Unknown),
			move(Settle, Settled, EffectPost, Submitted, Accepted, Unknown),
			move(Reject, Rejected, EffectVoid, Submitted, Accepted, Unknown),
			move(Doubt, Unknown, "", Submitted, Accepted),
			move(Return, Returned, EffectRepay, Settled),
			{On: Cancel, From: []State{Created}, To: Cancelled},
			move(Cancel, Cancelled, EffectVoid, Approved),
		},
	}
}

func open(s State, next lifecycle.Party, holds ...lifecycle.Holding) lifecycle.State[State, Event] {
	return lifecycle.State[State, Event]{State: s, Holds: holds, Next: next, Wording: "payment." + string(s)}
}

func closed(s State) lifecycle.State[State, Event] {
	return lifecycle.State[State, Event]{State: s, Final: true, Wording: "payment." + string(s)}
}

func move(on Event, to State, effect string, from ...State) lifecycle.Move[State, Event] {
	m := lifecycle.Move[State, Event]{On: on, From: from, To: to}
	if effect != "" {
		m.Do = []lifecycle.Effect{{Name: effect}}
	}
	return m
}
