package program

import "github.com/gelombang/gelombang/program/lifecycle"

// ApplicantState is the state of a registration.
type ApplicantState string

// The states of a registration.
const (
	Registered ApplicantState = "registered"
	// Barred: may not apply again.
	Barred ApplicantState = "barred"
	// Withdrawn: left on the applicant's own wish.
	Withdrawn ApplicantState = "withdrawn"
	// Erased: nothing personal is left.
	Erased ApplicantState = "erased"
)

type registrationEvent string

const (
	bar       registrationEvent = "bar"
	reinstate registrationEvent = "reinstate"
	withdraw  registrationEvent = "withdraw"
	back      registrationEvent = "return"
	erase     registrationEvent = "erase"
)

// RegistrationTable is the fixed lifecycle of a registration. Barring somebody
// who is barred already changes nothing; nothing leads back from erasure.
func RegistrationTable() lifecycle.Table[ApplicantState, registrationEvent] {
	type (
		state = lifecycle.State[ApplicantState, registrationEvent]
		move  = lifecycle.Move[ApplicantState, registrationEvent]
	)
	return lifecycle.Table[ApplicantState, registrationEvent]{
		Name: "registration", Version: 1, Start: Registered, EventTexts: "registration.event.",
		States: []state{
			{State: Registered, Next: lifecycle.Applicant, Wording: "registration.registered"},
			{State: Barred, Next: lifecycle.Officer, Wording: "registration.barred"},
			{State: Withdrawn, Next: lifecycle.Applicant, Wording: "registration.withdrawn"},
			{State: Erased, Final: true, Wording: "registration.erased"},
		},
		Sets: map[ApplicantState][]ApplicantState{"known": {Registered, Barred, Withdrawn}},
		Moves: []move{
			{On: bar, From: []ApplicantState{"known"}, To: Barred},
			{On: reinstate, From: []ApplicantState{Barred}, To: Registered},
			{On: withdraw, From: []ApplicantState{Registered}, To: Withdrawn},
			{On: back, From: []ApplicantState{Withdrawn}, To: Registered},
			{On: erase, From: []ApplicantState{"known"}, To: Erased},
		},
	}
}
