package training

import (
	"math"
	"slices"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
)

// Mode is how a course is held.
type Mode string

// Modes of courses.
const (
	Online  Mode = "online"
	Offline Mode = "offline"
	Hybrid  Mode = "hybrid"
)

// Unlimited is the capacity of a course that takes as many as come.
const Unlimited int64 = math.MaxInt64

// Course is what a platform sells and an institution gives.
type Course struct {
	// ID is permanent: letters a to z, digits and -.
	ID string `json:"id"`
	// Platform and Institution are the partners' ids.
	Platform    string `json:"platform"`
	Institution string `json:"institution"`
	Title       string `json:"title"`
	Mode        Mode   `json:"mode"`
	// Hours are what the course lasts, and what is credited for it; Sessions are what
	// somebody attends, numbered from 1.
	Hours    int `json:"hours"`
	Sessions int `json:"sessions"`
	// Price is in minor units; the zero Money for a course without one.
	Price payment.Money `json:"price"`
	// Capacity is how many may hold a voucher at once, 1 or more.
	Capacity int64 `json:"capacity"`
	// Review is what the agency's reviewers gave the course, 0 to 1000.
	Review int `json:"review"`
	// From and Until are the first and the last day on which it is sold.
	From  calendar.Date `json:"from"`
	Until calendar.Date `json:"until"`
}

// Validate checks a course by itself. The error is a *program.FieldError.
func (c Course) Validate() error {
	fault := func(field, rule string) error { return &program.FieldError{Field: "Course." + field, Rule: rule} }
	switch {
	case !shortName(c.ID):
		return fault("ID", "is made of letters a to z, digits and -")
	case !shortName(c.Platform):
		return fault("Platform", "is a partner's id")
	case !shortName(c.Institution):
		return fault("Institution", "is a partner's id")
	case c.Title == "" || len(c.Title) > 500:
		return fault("Title", "has 1 to 500 bytes")
	case c.Mode != Online && c.Mode != Offline && c.Mode != Hybrid:
		return fault("Mode", "is online, offline or hybrid")
	case c.Hours < 1 || c.Hours > 10_000:
		return fault("Hours", "are 1 to 10,000")
	case c.Sessions < 1 || c.Sessions > 1000:
		return fault("Sessions", "are 1 to 1,000")
	case c.Price.Units < 0 || c.Price != (payment.Money{}) && c.Price.Validate() != nil:
		return fault("Price", "is zero or more, in an ISO 4217 currency")
	case c.Capacity < 1:
		return fault("Capacity", "is 1 or more")
	case c.Review < 0 || c.Review > 1000:
		return fault("Review", "is 0 to 1000")
	case c.From.IsZero() || c.Until.Before(c.From):
		return fault("Until", "is not before From")
	}
	return nil
}

// Rules are the program's for courses and those who take them.
type Rules struct {
	// MinHours and MinReview are the least that a course has to be sold.
	MinHours, MinReview int
	// Modes are those that are sold; none means all.
	Modes []Mode
	// Control is the share, in per mille, from which one owner controls a partner. A
	// course is not sold where one owner controls platform and institution. Zero: nobody
	// looks at owners, but a platform never sells its own courses.
	Control int
	// Attendance is how many of a hundred sessions must be attended; 0 means all.
	Attendance int
	// Basis is the legal basis of the rules.
	Basis eligibility.Basis
}

// Reason is why something is not possible: a code for wording.
type Reason = program.Reason

// Codes of reasons.
const (
	CodeHours        = "hours-below"
	CodeReview       = "review-below"
	CodeMode         = "mode-not-sold"
	CodeConflict     = "conflict-of-interest"
	CodePartner      = "unknown-partner"
	CodeNotOffered   = "not-offered"
	CodeCancelled    = "course-cancelled"
	CodeFull         = "course-full"
	CodeBalance      = "above-balance"
	CodePrice        = "price"
	CodeSession      = "session-missing"
	CodeContradicted = "session-contradicted"
	CodeUnclaimed    = "not-completed"
	CodeRefunded     = "refunded"
	CodeOther        = "another-voucher"
	CodeFuture       = "in-the-future"
	CodeUnknown      = "unknown-session"
	CodeTooMany      = "too-many-proofs"
	CodeTooLate      = "completed-before"
)

// Admit says why a course may not be offered; nil if it may. Conflicts are those of its
// platform and institution.
func (r Rules) Admit(c Course, conflicts []Conflict) []Reason {
	var why []Reason
	refuse := func(refused bool, code string) {
		if refused {
			why = append(why, Reason{Code: code})
		}
	}
	refuse(c.Hours < r.MinHours, CodeHours)
	refuse(c.Review < r.MinReview, CodeReview)
	refuse(len(r.Modes) > 0 && !slices.Contains(r.Modes, c.Mode), CodeMode)
	refuse(len(conflicts) > 0 || c.Platform == c.Institution, CodeConflict)
	return why
}

// conflicts are those of a course under the rules.
func (r Rules) conflicts(stakes []Stake, c Course) []Conflict {
	if r.Control == 0 {
		return nil
	}
	return Conflicts(stakes, r.Control, c.Platform, c.Institution)
}

// sold says why a course is not sold on a day.
func (c Course) sold(on calendar.Date) []Reason {
	if on.Before(c.From) || c.Until.Before(on) {
		return []Reason{{Code: CodeNotOffered}}
	}
	return nil
}
