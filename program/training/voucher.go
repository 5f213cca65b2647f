package training

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/calendar"
)

// VoucherState is the state of a voucher.
type VoucherState string

// The states of a voucher. It goes from Sold to Redeemed, Completed and Certified, in
// this order; a Sold or Redeemed one may be Refunded.
const (
	Sold      VoucherState = "sold"
	Redeemed  VoucherState = "redeemed"
	Completed VoucherState = "completed"
	Certified VoucherState = "certified"
	Refunded  VoucherState = "refunded"
)

// open reports whether the voucher's course is not at its end.
func (s VoucherState) open() bool { return s == Sold || s == Redeemed }

// Voucher is one purchase of a course. What was agreed at the purchase is in it, and
// stays as it was whatever becomes of the course's price.
type Voucher struct {
	// Number is the agency's: 1 to 64 letters, digits and -.
	Number    string    `json:"number"`
	Wave      int64     `json:"wave"`
	Applicant uuid.UUID `json:"applicant"`

	Course      string        `json:"course"`
	Title       string        `json:"title"`
	Platform    string        `json:"platform"`
	Institution string        `json:"institution"`
	Hours       int           `json:"hours"`
	Sessions    int           `json:"sessions"`
	Price       payment.Money `json:"price"`

	State  VoucherState `json:"state"`
	Bought time.Time    `json:"bought"`
	// Proofs are the evidence of attendance, in the order in which it came.
	Proofs []Attendance `json:"proofs,omitempty"`
	// Claimed is when the platform said that the course was completed: it counts once
	// the attendance proves it.
	Claimed time.Time `json:"claimed,omitzero"`
	// Ended is when the course was completed, by the rules.
	Ended time.Time `json:"ended,omitzero"`
	// Certificate is what the public register has of it; nil before Certified.
	Certificate *PublicCertificate `json:"certificate,omitempty"`
	// Rating is the holder's; nil before there is one.
	Rating *Rating `json:"rating,omitempty"`
	// Why is the reason of a refund.
	Why string `json:"why,omitempty"`

	version int64
}

// Attendance is one proof that a session was attended, or was not.
type Attendance struct {
	// Session counts from 1.
	Session int  `json:"session"`
	Present bool `json:"present"`
	// Seen is when it was observed; UTC.
	Seen time.Time `json:"seen"`
	// Source says who says so: a platform's id, or a verifier's.
	Source string `json:"source"`
	// Method is how it was observed: "face", "qr", "log".
	Method string `json:"method"`
	// Final says that an officer has looked: it outweighs all others, and the last one
	// counts. A platform's never is.
	Final bool `json:"final,omitempty"`
}

// Rating is what a holder says of a course. The text of a review stays with the
// agency: it may say who wrote it.
type Rating struct {
	// Stars are 1 to 5.
	Stars int `json:"stars"`
	// Written is how many characters the review had.
	Written int       `json:"written"`
	At      time.Time `json:"at"`
}

// Progress is what a platform says of one voucher. All of it is said each time, so
// that a lost, late or repeated message does no harm.
type Progress struct {
	Voucher string        `json:"voucher"`
	Course  string        `json:"course"`
	Price   payment.Money `json:"price"`
	// State is Redeemed, Completed, or Refunded for a course that the platform cannot
	// hold.
	State VoucherState `json:"state"`
	// At is when the state was entered; UTC.
	At         time.Time    `json:"at"`
	Attendance []Attendance `json:"attendance,omitempty"`
}

// maxProofs is how many proofs a session can have.
const maxProofs = 8

// Session says what is known of the attendance of one session.
func (v *Voucher) session(n int) (present bool, why string) {
	said, final := 0, false
	for _, p := range v.Proofs {
		if p.Session != n || final && !p.Final {
			continue
		}
		if p.Final {
			said, final = 0, true
		}
		if p.Present {
			said |= 1
		} else {
			said |= 2
		}
	}
	switch said {
	case 1:
		return true, ""
	case 3:
		return false, CodeContradicted
	}
	return false, CodeSession
}

// Finished says why a voucher's course does not count as completed; nil if it does. A
// session that one source affirms and another denies is not attended, until an officer
// says so for good (Attendance.Final).
func (r Rules) Finished(v Voucher) []Reason {
	need, attended := r.Attendance, 0
	if need == 0 {
		need = 100
	}
	var why []Reason
	for n := 1; n <= v.Sessions; n++ {
		present, code := v.session(n)
		if present {
			attended++
		} else if !slices.Contains(why, Reason{Code: code}) {
			why = append(why, Reason{Code: code})
		}
	}
	if attended*100 >= need*v.Sessions {
		why = nil
	}
	if v.Claimed.IsZero() {
		why = append(why, Reason{Code: CodeUnclaimed})
	}
	return why
}

// Learn adds what a platform says of a voucher, at an instant, and returns the voucher
// as it is then. What was known is never taken back, so that the same said again, or
// what was true before, changes nothing. The reasons say what of it does not count; a
// course is completed once the platform has said so and the rules are kept.
// What the platform cannot hold is to be refunded by the caller.
func (r Rules) Learn(v Voucher, p Progress, at time.Time) (Voucher, []Reason) {
	if p.Voucher != v.Number || p.Course != v.Course || p.Price != v.Price {
		return v, []Reason{{Code: CodeOther}}
	}
	if p.At.After(at.Add(tolerance)) {
		return v, []Reason{{Code: CodeFuture}}
	}
	if v.State == Refunded {
		if p.State == Refunded {
			return v, nil
		}
		return v, []Reason{{Code: CodeRefunded}}
	}
	if p.State == Refunded && !v.State.open() {
		return v, []Reason{{Code: CodeTooLate}}
	}
	if v.State == Sold && (p.State == Redeemed || p.State == Completed) {
		v.State = Redeemed
	}
	why := v.prove(v.Platform, p.Attendance, at, false)
	if p.State == Completed && v.Claimed.IsZero() {
		v.Claimed = p.At.UTC()
	}
	return r.settle(v, at), why
}

// settle completes a voucher that the rules let be completed.
func (r Rules) settle(v Voucher, at time.Time) Voucher {
	if v.State == Redeemed && len(r.Finished(v)) == 0 {
		v.State, v.Ended = Completed, at.UTC()
	}
	return v
}

// tolerance is how far a partner's clock may be ahead.
const tolerance = 5 * time.Minute

// prove adds proofs of a source that are new.
func (v *Voucher) prove(source string, proofs []Attendance, at time.Time, final bool) []Reason {
	var why []Reason
	v.Proofs = slices.Clone(v.Proofs)
	for _, p := range proofs {
		p.Source, p.Seen, p.Final = source, p.Seen.UTC().Truncate(time.Second), p.Final && final
		same := func(q Attendance) bool {
			return q.Session == p.Session && q.Present == p.Present && q.Source == p.Source && q.Method == p.Method && !p.Final
		}
		n := 0
		for _, q := range v.Proofs {
			if q.Session == p.Session {
				n++
			}
		}
		switch {
		case p.Session < 1 || p.Session > v.Sessions:
			why = append(why, Reason{Code: CodeUnknown})
		case p.Seen.After(at.Add(tolerance)):
			why = append(why, Reason{Code: CodeFuture})
		case slices.ContainsFunc(v.Proofs, same):
		case n >= maxProofs && !p.Final:
			why = append(why, Reason{Code: CodeTooMany})
		default:
			v.Proofs = append(v.Proofs, p)
		}
	}
	return why
}

// voucherOf makes the voucher of a purchase.
func voucherOf(c Course, o Order, at time.Time) Voucher {
	return Voucher{Number: o.Voucher, Wave: o.Wave, Applicant: o.Applicant, Course: c.ID, Title: c.Title, Platform: c.Platform, Institution: c.Institution,
		Hours: c.Hours, Sessions: c.Sessions, Price: c.Price, State: Sold, Bought: at}
}

// CreditedHours adds up the hours of courses that were completed from a first to a last
// day, in a zone.
func CreditedHours(vouchers []Voucher, zone *time.Location, from, until calendar.Date) int {
	hours := 0
	for _, v := range vouchers {
		if v.Ended.IsZero() {
			continue
		}
		if on := calendar.DateOf(v.Ended, zone); !on.Before(from) && !until.Before(on) {
			hours += v.Hours
		}
	}
	return hours
}
