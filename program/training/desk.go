package training

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/ledger"
)

// Events are the events of the agency's table that a desk fires. One that is empty is
// not fired: then what happens to a voucher is no step of its case.
//
// A purchase and a refund that the table refuses do not happen. A completion, a
// certificate and a review for which the table has no move from the case's state are
// kept without a step: those of a second course may have nothing to move. Where a guard
// refuses them, they do not happen either.
type Events struct {
	Bought, Refunded, Completed, Certified, Reviewed program.Event
}

// Setup is what a desk needs of its program.
type Setup struct {
	// Benefit is the balance that vouchers are bought with. Empty: courses have no price.
	Benefit string
	Events  Events
	Rules   Rules
	// Partners are the institutions and platforms, and Stakes who owns whom.
	Partners []Partner
	Stakes   []Stake
	// Platforms are reached by the ids of their partners. One that is missing is not
	// called: it calls back.
	Platforms map[string]Platform
	// Zone is that of the days on which courses are sold and certificates issued.
	Zone string
}

// Desk sells vouchers and follows them, for one program: on the engine's store, in the
// engine's transactions. Like an engine it may be used by several goroutines, and there
// may be any number of them.
type Desk[T any] struct {
	engine *program.Engine[T]
	keys   program.Keyring
	setup  Setup
	clock  func() time.Time
	random io.Reader
	zone   *time.Location
}

// NewDesk checks a setup against the program's table and returns a desk. The error has
// every fault: *program.FieldError, joined.
func NewDesk[T any](engine *program.Engine[T], keys program.Keyring, around program.Surroundings, setup Setup) (*Desk[T], error) {
	if engine == nil || keys == nil || around.Clock == nil || around.Random == nil {
		return nil, errors.New("training: a desk needs an engine, a keyring, a clock and randomness")
	}
	d := &Desk[T]{engine: engine, keys: keys, setup: setup, clock: around.Clock, random: around.Random}
	faults := partnerFaults(setup.Partners, setup.Stakes)
	add := func(field, rule string) { faults = append(faults, &program.FieldError{Field: field, Rule: rule}) }
	var err error
	if d.zone, err = calendar.Zone(setup.Zone); err != nil {
		add("Zone", "is not a known zone")
	}
	for id, p := range setup.Platforms {
		if d.partner(id, PlatformKind) == nil || p == nil {
			add("Platforms."+id, "is not a platform among the partners")
		}
	}
	r := setup.Rules
	if r.MinHours < 0 || r.MinReview < 0 || r.MinReview > 1000 || r.Control < 0 || r.Control > 1000 || r.Attendance < 0 || r.Attendance > 100 {
		add("Rules", "have hours of zero or more, a review and a share up to 1000, and an attendance up to 100")
	}
	d.tableFaults(add)
	return d, errors.Join(faults...)
}

// tableFaults holds the events against the table: what is bought is paid for.
func (d *Desk[T]) tableFaults(add func(field, rule string)) {
	table, events := d.engine.Lifecycle().Table(), d.setup.Events
	if d.setup.Benefit != "" && (events.Bought == "" || events.Refunded == "") {
		add("Events", "has Bought and Refunded where a balance is spent")
	}
	for _, e := range []struct {
		field  string
		event  program.Event
		effect string
	}{
		{"Bought", events.Bought, program.EffectSpend}, {"Refunded", events.Refunded, program.EffectRefund},
		{"Completed", events.Completed, ""}, {"Certified", events.Certified, ""}, {"Reviewed", events.Reviewed, ""},
	} {
		known := e.event == ""
		for _, m := range table.Moves {
			if e.event == "" || m.On != e.event {
				continue
			}
			known = true
			wants := program.Effect{Name: e.effect, Arg: d.setup.Benefit}
			if e.effect != "" && d.setup.Benefit != "" && !slices.Contains(m.Do, wants) {
				add("Events."+e.field, fmt.Sprintf("leads to %q without %s of %s", string(m.To), e.effect, d.setup.Benefit))
			}
		}
		if !known {
			add("Events."+e.field, fmt.Sprintf("%q is in no move of the table", string(e.event)))
		}
	}
}

func (d *Desk[T]) partner(id string, kind PartnerKind) *Partner {
	for i, p := range d.setup.Partners {
		if p.ID == id && p.Kind == kind {
			return &d.setup.Partners[i]
		}
	}
	return nil
}

// Kinds of records.
const (
	courseKind      = "course"
	voucherKind     = "voucher"
	certificateKind = "certificate"
)

// offer is a course as it is kept.
type offer struct {
	Course
	// Cancelled says why the course is not held; empty if it is.
	Cancelled string `json:"cancelled,omitempty"`
	By        string `json:"by"`
}

// RefusedError says why something is not possible with a course or a voucher.
type RefusedError struct {
	// What is "course" or "voucher", and ID its id or number.
	What, ID string
	Reasons  []Reason
}

func (e *RefusedError) Error() string {
	codes := make([]string, len(e.Reasons))
	for i, r := range e.Reasons {
		codes[i] = r.Code
	}
	return "training: " + e.What + " " + e.ID + ": " + strings.Join(codes, " ")
}

func refused(what, id string, why []Reason) error {
	if len(why) == 0 {
		return nil
	}
	return &RefusedError{what, id, why}
}

// Offer puts a course on sale, or changes one that is: vouchers that were sold stay as
// they are. The error is a *program.FieldError for a course that is wrong by itself, or
// a *RefusedError with every rule that it breaks.
func (d *Desk[T]) Offer(ctx context.Context, by program.By, c Course) error {
	if err := c.Validate(); err != nil {
		return err
	}
	why := d.setup.Rules.Admit(c, d.setup.Rules.conflicts(d.setup.Stakes, c))
	if d.partner(c.Platform, PlatformKind) == nil || d.partner(c.Institution, Institution) == nil {
		why = append(why, Reason{Code: CodePartner})
	}
	if (d.setup.Benefit == "") != (c.Price.Units == 0) {
		why = append(why, Reason{Code: CodePrice})
	}
	before, version, err := d.offered(ctx, c.ID)
	switch {
	case errors.Is(err, program.ErrNotFound):
	case err != nil:
		return err
	case before.Cancelled != "":
		why = append(why, Reason{Code: CodeCancelled})
	case before.Course == c:
		return refused("course", c.ID, why)
	}
	if len(why) > 0 {
		return refused("course", c.ID, why)
	}
	return d.putOffer(ctx, by, offer{Course: c, By: by.Actor}, version)
}

func (d *Desk[T]) putOffer(ctx context.Context, by program.By, o offer, version int64) error {
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	return d.engine.Attach(ctx, by, program.Attached{Records: []program.Record{{Kind: courseKind, Name: o.ID, Of: "platform." + o.Platform, Body: body, Version: version}}})
}

func (d *Desk[T]) offered(ctx context.Context, id string) (offer, int64, error) {
	var o offer
	r, err := d.engine.Record(ctx, courseKind, id)
	if err != nil {
		return o, 0, err
	}
	return o, r.Version, json.Unmarshal(r.Body, &o)
}

// Course returns a course that is or was on sale, and why it was cancelled; empty if it
// was not. The error wraps program.ErrNotFound if there is none.
func (d *Desk[T]) Course(ctx context.Context, id string) (c Course, cancelled string, err error) {
	o, _, err := d.offered(ctx, id)
	return o.Course, o.Cancelled, err
}

// Courses gives every course that is or was on sale to each.
func (d *Desk[T]) Courses(ctx context.Context, each func(c Course, cancelled string) error) error {
	return d.engine.Records(ctx, program.RecordScan{Kind: courseKind}, func(r program.Record) error {
		var o offer
		if err := json.Unmarshal(r.Body, &o); err != nil {
			return err
		}
		return each(o.Course, o.Cancelled)
	})
}

// Order is a wish to buy a course.
type Order struct {
	// Voucher is the number of the voucher, given by the agency: 1 to 64 letters, digits
	// and -. The same order under the same number buys once.
	Voucher   string
	Wave      int64
	Applicant uuid.UUID
	Course    string
	// At is when it was bought, if that is not now: see program.Report.At.
	At time.Time
}

// Buy buys a course: the price leaves the balance, a seat of the course is taken and
// the voucher is made, all of it or nothing. The same order again returns the voucher
// as it is by now. The error is a *RefusedError (the course is not sold, is full,
// or costs more than the balance has), a *program.RefusedError if the lifecycle does not
// allow it, or a *program.KeyConflictError if the number is another order's.
func (d *Desk[T]) Buy(ctx context.Context, by program.By, o Order) (Voucher, error) {
	if !voucherNumber(o.Voucher) {
		return Voucher{}, &program.FieldError{Field: "Order.Voucher", Rule: "is 1 to 64 letters, digits and -"}
	}
	for {
		v, err := d.Voucher(ctx, o.Voucher)
		if err == nil {
			if v.Wave != o.Wave || v.Applicant != o.Applicant || v.Course != o.Course {
				return Voucher{}, &program.KeyConflictError{Key: o.Voucher}
			}
			return v, nil
		}
		if !errors.Is(err, program.ErrNotFound) {
			return Voucher{}, err
		}
		v, err = d.buy(ctx, by, o)
		var stale *program.StaleError
		if !errors.As(err, &stale) {
			return v, err
		}
	}
}

func voucherNumber(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

func (d *Desk[T]) buy(ctx context.Context, by program.By, o Order) (Voucher, error) {
	course, version, err := d.offered(ctx, o.Course)
	if errors.Is(err, program.ErrNotFound) {
		return Voucher{}, refused("course", o.Course, []Reason{{Code: CodeNotOffered}})
	}
	if err != nil {
		return Voucher{}, err
	}
	at := d.clock().UTC()
	when := at
	if !o.At.IsZero() && o.At.Before(at) {
		when = o.At.UTC()
	}
	why := course.sold(calendar.DateOf(when, d.zone))
	if course.Cancelled != "" {
		why = []Reason{{Code: CodeCancelled}}
	}
	if d.setup.Benefit != "" {
		left, err := d.engine.Left(ctx, o.Wave, o.Applicant, d.setup.Benefit)
		if err != nil {
			return Voucher{}, err
		}
		if course.Price.Units > left {
			why = append(why, Reason{Code: CodeBalance})
		}
	}
	if len(why) > 0 {
		return Voucher{}, refused("course", o.Course, why)
	}
	v := voucherOf(course.Course, o, when)
	seat := program.Post{From: seats(v.Course), To: "own/seats", Amount: 1, Bounds: ledger.Between(-course.Capacity, 0)}
	err = d.write(ctx, by, &v, d.setup.Events.Bought, false, program.Attached{
		Posts:     []program.Post{seat},
		Unchanged: []program.Record{{Kind: courseKind, Name: v.Course, Version: version}},
	}, o.At)
	var bound *ledger.BoundError
	if errors.As(err, &bound) {
		code := CodeBalance
		if bound.Account == seats(v.Course) {
			code = CodeFull
		}
		return Voucher{}, refused("course", o.Course, []Reason{{Code: code}})
	}
	return v, err
}

// seats is the account of a course: minus how many hold a voucher for it.
func seats(course string) ledger.Account { return ledger.Account("own/seats/" + course) }

// write writes a voucher, with the step that goes with it. A lenient event that the
// table has no move for from the case's state is left out.
func (d *Desk[T]) write(ctx context.Context, by program.By, v *Voucher, on program.Event, lenient bool, with program.Attached, at time.Time) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	with.Records = append(with.Records, program.Record{Kind: voucherKind, Name: v.Number, Applicant: v.Applicant, Of: "course." + v.Course, Body: body, Version: v.version})
	if on != "" {
		err = d.engine.Fire(ctx, by, v.Wave, v.Applicant, program.Report{Event: on, At: at, Amount: v.Price.Units, Party: v.Platform, Attached: with})
		var no *program.RefusedError
		if !lenient || !errors.As(err, &no) || no.Reasons[0].Code != codeNoMove {
			return d.written(v, err)
		}
	}
	return d.written(v, d.engine.Attach(ctx, by, with))
}

func (d *Desk[T]) written(v *Voucher, err error) error {
	if err == nil {
		v.version++
	}
	return err
}

// Voucher reads one voucher. The error wraps program.ErrNotFound if there is none.
func (d *Desk[T]) Voucher(ctx context.Context, number string) (Voucher, error) {
	r, err := d.engine.Record(ctx, voucherKind, number)
	if err != nil {
		return Voucher{}, err
	}
	return readVoucher(r)
}

func readVoucher(r program.Record) (Voucher, error) {
	v := Voucher{version: r.Version}
	return v, json.Unmarshal(r.Body, &v)
}

// Vouchers reads what an applicant has bought, in the order of the numbers.
func (d *Desk[T]) Vouchers(ctx context.Context, applicant uuid.UUID) ([]Voucher, error) {
	var all []Voucher
	return all, d.each(ctx, program.RecordScan{Kind: voucherKind, Applicant: applicant}, func(v Voucher) error {
		all = append(all, v)
		return nil
	})
}

func (d *Desk[T]) each(ctx context.Context, which program.RecordScan, each func(Voucher) error) error {
	return d.engine.Records(ctx, which, func(r program.Record) error {
		v, err := readVoucher(r)
		if err != nil {
			return err
		}
		return each(v)
	})
}

// change reads a voucher, lets decide change it, and writes it, again if it was changed
// meanwhile. Nothing is written if decide returns false.
func (d *Desk[T]) change(ctx context.Context, number string, decide func(*Voucher) (write func() error, err error)) (Voucher, error) {
	for {
		v, err := d.Voucher(ctx, number)
		if err != nil {
			return Voucher{}, err
		}
		write, err := decide(&v)
		if err != nil || write == nil {
			return v, err
		}
		var stale *program.StaleError
		if err := write(); !errors.As(err, &stale) {
			return v, err
		}
	}
}

// Redeem tells a voucher's platform that its holder comes, and keeps that it was told.
// It may be called again until it succeeds: the platform enrols once. The error is the
// platform's, or a *RefusedError for a voucher that was refunded.
func (d *Desk[T]) Redeem(ctx context.Context, by program.By, number string) (Voucher, error) {
	v, err := d.Voucher(ctx, number)
	if err != nil {
		return v, err
	}
	platform := d.setup.Platforms[v.Platform]
	switch {
	case v.State == Refunded:
		return v, refused("voucher", number, []Reason{{Code: CodeRefunded}})
	case v.State != Sold:
		return v, nil
	case platform == nil:
		return v, &program.FieldError{Field: "Platforms." + v.Platform, Rule: "is missing"}
	}
	if err := platform.Redeem(ctx, Redemption{v.Number, v.Course, v.Price}); err != nil {
		return v, err
	}
	v, _, err = d.learn(ctx, by, Progress{Voucher: v.Number, Course: v.Course, Price: v.Price, State: Redeemed, At: d.clock().UTC()})
	return v, err
}

// Take hears one call-back: it verifies who speaks, and keeps what is said of a voucher.
// It may come twice, late or out of order. The reasons say what of it does not count.
// The error is a *NoticeError if the call is not a platform's; wraps program.ErrNotFound
// if there is no such voucher; and is a *RefusedError if it is another platform's.
func (d *Desk[T]) Take(ctx context.Context, by program.By, body []byte, signature string) (Voucher, []Reason, error) {
	n, err := OpenNotice(d.setup.Partners, body, signature)
	if err != nil {
		return Voucher{}, nil, err
	}
	return d.hear(ctx, by, n.Platform, n.Progress)
}

// hear keeps what a platform says of a voucher of its own.
func (d *Desk[T]) hear(ctx context.Context, by program.By, platform string, p Progress) (Voucher, []Reason, error) {
	v, err := d.Voucher(ctx, p.Voucher)
	if err != nil {
		return Voucher{}, nil, err
	}
	if v.Platform != platform {
		return Voucher{}, nil, refused("voucher", p.Voucher, []Reason{{Code: CodeOther}})
	}
	return d.learn(ctx, by, p)
}

func (d *Desk[T]) learn(ctx context.Context, by program.By, p Progress) (Voucher, []Reason, error) {
	var why []Reason
	v, err := d.change(ctx, p.Voucher, func(v *Voucher) (func() error, error) {
		at := d.clock().UTC()
		before := *v
		if *v, why = d.setup.Rules.Learn(before, p, at); len(why) > 0 && why[0].Code == CodeOther {
			return nil, nil
		}
		if p.State == Refunded && v.State.open() {
			return d.refund(ctx, by, v, "platform")
		}
		return d.completion(ctx, by, before, v), nil
	})
	return v, why, err
}

// completion writes a voucher that has changed, with the step of its completion.
func (d *Desk[T]) completion(ctx context.Context, by program.By, before Voucher, v *Voucher) func() error {
	var on program.Event
	switch {
	case v.State == Completed && before.State != Completed:
		on = d.setup.Events.Completed
	case v.State == before.State && len(v.Proofs) == len(before.Proofs) && v.Claimed.Equal(before.Claimed):
		return nil
	}
	return func() error { return d.write(ctx, by, v, on, true, program.Attached{}, time.Time{}) }
}

// Prove keeps proofs of attendance that do not come from the platform: a verifier's, or
// an officer's. Source says whose they are. A call that costs something is entered into the
// register before it is made: Engine.CountCall. The reasons say which proofs do not
// count.
func (d *Desk[T]) Prove(ctx context.Context, by program.By, number, source string, proofs []Attendance) (Voucher, []Reason, error) {
	if source == "" || d.partner(source, PlatformKind) != nil {
		return Voucher{}, nil, &program.FieldError{Field: "source", Rule: "is no platform: those are heard by Take"}
	}
	var why []Reason
	v, err := d.change(ctx, number, func(v *Voucher) (func() error, error) {
		if v.State == Refunded {
			return nil, refused("voucher", number, []Reason{{Code: CodeRefunded}})
		}
		at := d.clock().UTC()
		before := *v
		why = v.prove(source, proofs, at, true)
		*v = d.setup.Rules.settle(*v, at)
		return d.completion(ctx, by, before, v), nil
	})
	return v, why, err
}

// Refund gives a voucher back: the price returns to the balance, or to the budget if
// the balance has lapsed, and the course has a seat more. A voucher that was refunded stays
// as it is. The error is a *RefusedError if its course was completed, or a
// *program.RefusedError if the lifecycle does not allow it.
func (d *Desk[T]) Refund(ctx context.Context, by program.By, number, reason string) (Voucher, error) {
	if reason == "" {
		return Voucher{}, &program.FieldError{Field: "reason", Rule: "is missing"}
	}
	return d.change(ctx, number, func(v *Voucher) (func() error, error) { return d.refund(ctx, by, v, reason) })
}

func (d *Desk[T]) refund(ctx context.Context, by program.By, v *Voucher, reason string) (func() error, error) {
	switch {
	case v.State == Refunded:
		return nil, nil
	case !v.State.open():
		return nil, refused("voucher", v.Number, []Reason{{Code: CodeTooLate}})
	}
	v.State, v.Why = Refunded, reason
	seat := program.Post{From: "own/seats", To: seats(v.Course), Amount: 1, Bounds: ledger.AtLeast(0)}
	return func() error {
		return d.write(ctx, by, v, d.setup.Events.Refunded, false, program.Attached{Posts: []program.Post{seat}}, time.Time{})
	}, nil
}

// Cancellation is what became of the vouchers of a cancelled course.
type Cancellation struct {
	// Refunded were given back now or before; Completed keep what they have.
	Refunded, Completed int
	// Refused are numbers that the lifecycle did not let be refunded, with the reasons:
	// an officer must look.
	Refused map[string][]Reason
}

// CancelCourse takes a course off sale for good and refunds every voucher that is not
// completed. It may be called again after an interruption, and goes on.
func (d *Desk[T]) CancelCourse(ctx context.Context, by program.By, course, reason string) (Cancellation, error) {
	out := Cancellation{Refused: map[string][]Reason{}}
	if reason == "" {
		return out, &program.FieldError{Field: "reason", Rule: "is missing"}
	}
	o, version, err := d.offered(ctx, course)
	if err != nil {
		return out, err
	}
	if o.Cancelled == "" {
		o.Cancelled, o.By = reason, by.Actor
		if err := d.putOffer(ctx, by, o, version); err != nil {
			return out, err
		}
	}
	// Whoever bought has read the course as it was before, or not at all: nobody is missed.
	err = d.each(ctx, program.RecordScan{Kind: voucherKind, Of: "course." + course}, func(v Voucher) error {
		if v.State.open() {
			v, err = d.Refund(ctx, program.By{Actor: by.Actor, OnBehalf: by.OnBehalf}, v.Number, reason)
			var no *program.RefusedError
			if errors.As(err, &no) {
				out.Refused[v.Number] = no.Reasons
				return nil
			}
			var late *RefusedError // it was completed meanwhile
			if err != nil && !errors.As(err, &late) {
				return err
			}
		}
		if v.State == Refunded {
			out.Refunded++
		} else {
			out.Completed++
		}
		return nil
	})
	return out, err
}

// Certify issues the certificate of a completed voucher: its number and digest go into
// the public register. The same voucher again gives the same certificate. The error is a
// *RefusedError if the course was not completed, and a *CertificateError with the rule
// "digest" if the holder's name was changed since: then it is revoked and another issued.
func (d *Desk[T]) Certify(ctx context.Context, by program.By, number string) (Certificate, error) {
	var c Certificate
	v, err := d.change(ctx, number, func(v *Voucher) (func() error, error) {
		if v.State == Certified {
			return nil, nil
		}
		if v.State != Completed {
			return nil, refused("voucher", number, append(d.setup.Rules.Finished(*v), Reason{Code: CodeUnclaimed})[:1])
		}
		id, err := certificateNumber(d.random)
		if err != nil {
			return nil, err
		}
		issued := calendar.DateOf(d.clock(), d.zone)
		if c, err = d.certificate(ctx, *v, id, issued); err != nil {
			return nil, err
		}
		public, err := c.Public()
		if err != nil {
			return nil, err
		}
		body, err := json.Marshal(public)
		if err != nil {
			return nil, err
		}
		v.State, v.Certificate = Certified, &public
		with := program.Attached{Records: []program.Record{{Kind: certificateKind, Name: id, Body: body}}}
		return func() error { return d.write(ctx, by, v, d.setup.Events.Certified, true, with, time.Time{}) }, nil
	})
	if err != nil {
		return Certificate{}, err
	}
	if c, err = d.certificate(ctx, v, v.Certificate.Number, v.Certificate.Issued); err != nil {
		return Certificate{}, err
	}
	public, err := c.Public()
	if err == nil && public.Digest != v.Certificate.Digest {
		err = &CertificateError{"digest"}
	}
	if err != nil {
		return Certificate{}, err
	}
	return c, nil
}

// certificate makes the certificate of a voucher. The salt is computed, not stored.
func (d *Desk[T]) certificate(ctx context.Context, v Voucher, number string, issued calendar.Date) (Certificate, error) {
	a, err := d.engine.Applicant(ctx, v.Applicant)
	if err != nil {
		return Certificate{}, err
	}
	salt := d.keys.Mark("training-certificate", number)
	return Certificate{number, a.Person.Name, v.Course, v.Title, v.Institution, v.Hours, issued, [16]byte(salt[:16])}, nil
}

// Certificate reads the public register. The error wraps program.ErrNotFound if no
// certificate has the number. A service shows the answer to anybody.
func (d *Desk[T]) Certificate(ctx context.Context, number string) (PublicCertificate, error) {
	p, _, err := d.registered(ctx, number)
	return p, err
}

func (d *Desk[T]) registered(ctx context.Context, number string) (PublicCertificate, int64, error) {
	var p PublicCertificate
	r, err := d.engine.Record(ctx, certificateKind, number)
	if err != nil {
		return p, 0, err
	}
	return p, r.Version, json.Unmarshal(r.Body, &p)
}

// RevokeCertificate says in the public register that a voucher's certificate does not
// count any more, and why; the voucher is completed again, so that another can be
// issued. The reason is public: it says nothing of the holder.
func (d *Desk[T]) RevokeCertificate(ctx context.Context, by program.By, number, reason string) error {
	if reason == "" {
		return &program.FieldError{Field: "reason", Rule: "is missing"}
	}
	_, err := d.change(ctx, number, func(v *Voucher) (func() error, error) {
		if v.State != Certified {
			return nil, nil
		}
		public, version, err := d.registered(ctx, v.Certificate.Number)
		if err != nil {
			return nil, err
		}
		public.Revoked = reason
		body, err := json.Marshal(public)
		if err != nil {
			return nil, err
		}
		v.State, v.Certificate = Completed, nil
		with := program.Attached{Records: []program.Record{{Kind: certificateKind, Name: public.Number, Body: body, Version: version}}}
		return func() error { return d.write(ctx, by, v, "", true, with, time.Time{}) }, nil
	})
	return err
}

// Review keeps a holder's rating of a completed course, and how long the review was; the text is
// the caller's to keep. It is given once. The error is a *RefusedError if the course was
// not completed.
func (d *Desk[T]) Review(ctx context.Context, by program.By, number string, stars int, text string) (Voucher, error) {
	if stars < 1 || stars > 5 {
		return Voucher{}, &program.FieldError{Field: "stars", Rule: "are 1 to 5"}
	}
	return d.change(ctx, number, func(v *Voucher) (func() error, error) {
		switch {
		case v.Rating != nil:
			return nil, nil
		case v.State != Completed && v.State != Certified:
			return nil, refused("voucher", number, append(d.setup.Rules.Finished(*v), Reason{Code: CodeUnclaimed})[:1])
		}
		v.Rating = &Rating{Stars: stars, Written: len([]rune(strings.TrimSpace(text))), At: d.clock().UTC()}
		return func() error {
			return d.write(ctx, by, v, d.setup.Events.Reviewed, true, program.Attached{}, time.Time{})
		}, nil
	})
}

// Spent returns what a platform was paid in vouchers, less refunds.
func (d *Desk[T]) Spent(ctx context.Context, platform, currency string) (payment.Money, error) {
	all, err := d.engine.Balances(ctx, ledger.Account("spent/"+d.setup.Benefit+"/"+platform))
	if err != nil {
		return payment.Money{}, err
	}
	return payment.Money{Units: all[0], Currency: currency}, nil
}
