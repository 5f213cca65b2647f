package trainingtest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/gelombang/gelombang/program/training"
)

// FarSide is the other end of a platform, in a test.
type FarSide interface {
	// Fault lets a fault happen once, the next time that it can; false if the far side
	// cannot have it.
	Fault(Fault) bool
	// Advance moves the far side's clock.
	Advance(time.Duration)
	// Enrolled counts how often somebody was enrolled by a voucher.
	Enrolled(voucher string) int
	// Attend has the holder of a voucher attend a session, or miss it; Complete has the course
	// completed, and TurnAway has it not held for the voucher.
	Attend(voucher string, session int, present bool)
	Complete(voucher string)
	TurnAway(voucher string)
	// Notices gives the call-backs that were made since it was last asked.
	Notices() []Signed
}

// Signed is a call-back as it comes.
type Signed struct {
	Body      []byte
	Signature string
}

// Bench is a platform with its far side, for one case. It sells at least one course
// with two sessions or more.
type Bench struct {
	Platform training.Platform
	Far      FarSide
	// Partner is the platform as a partner, with its key; without one everything about
	// call-backs is skipped.
	Partner training.Partner
	// Start is what the far side's clock shows.
	Start time.Time
}

// reporter is what the cases need of a *testing.T.
type reporter interface {
	Helper()
	Fatalf(format string, args ...any)
	Skip(args ...any)
}

var _ reporter = (*testing.T)(nil)

type suite struct {
	reporter
	Bench
	ctx context.Context
	now time.Time
}

type benchCase struct {
	name, why string
	run       func(*suite)
}

func cases() []benchCase {
	return []benchCase{
		{"the catalogue can be read again", "prices are frozen at the purchase, from what is read", (*suite).catalogue},
		{"a voucher enrols once", "a call whose answer is missing is made again", (*suite).enrolOnce},
		{"a lost request enrols later", "nobody loses a seat for a time-out", (*suite).lost},
		{"a number belongs to one course and price", "a changed price would be charged", (*suite).oneCourse},
		{"a course that is not sold is refused", "money would leave for nothing", (*suite).notSold},
		{"an unknown voucher is unknown", "that nobody knows it is an answer", (*suite).unknown},
		{"attendance and completion are told", "incentives follow from them", (*suite).progress},
		{"a course that is not held is told", "the price goes back", (*suite).turnedAway},
		{"the list has every voucher of its time once", "it makes up for lost call-backs", (*suite).list},
		{"a list that breaks off is an error", "a half list looks like one with vouchers missing", (*suite).brokenList},
		{"what a call-back says is what is asked", "both ways lead to the same", (*suite).notices},
		{"a call-back is the platform's alone", "whoever can forge one can pay", (*suite).forged},
		{"a cancelled context does nothing", "the caller who gave up is not surprised", (*suite).cancelled},
	}
}

// TestPlatform runs every case on benches that open makes: a fresh one for each.
func TestPlatform(t *testing.T, open func(t *testing.T) Bench) {
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			b := open(t)
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("why it matters: %s", c.why)
				}
			})
			c.run(&suite{reporter: t, Bench: b, ctx: t.Context(), now: b.Start})
		})
	}
}

// course finds a course to test with.
func (s *suite) course() training.Course {
	s.Helper()
	for _, c := range s.courses() {
		if c.Sessions >= 2 {
			return c
		}
	}
	s.Fatalf("the catalogue has no course with two sessions")
	return training.Course{}
}

func (s *suite) courses() []training.Course {
	s.Helper()
	var all []training.Course
	if err := s.Platform.Catalogue(s.ctx, func(c training.Course) error { all = append(all, c); return nil }); err != nil {
		s.Fatalf("Catalogue: %v", err)
	}
	return all
}

func (s *suite) voucher(number string) training.Redemption {
	s.Helper()
	c := s.course()
	return training.Redemption{Voucher: number, Course: c.ID, Price: c.Price}
}

func (s *suite) redeem(number string) training.Redemption {
	s.Helper()
	r := s.voucher(number)
	if err := s.Platform.Redeem(s.ctx, r); err != nil {
		s.Fatalf("Redeem: %v", err)
	}
	return r
}

func (s *suite) tell(number string) training.Progress {
	s.Helper()
	p, err := s.Platform.Progress(s.ctx, number)
	if err != nil {
		s.Fatalf("Progress: %v", err)
	}
	return p
}

func (s *suite) enrolled(number string, want int) {
	s.Helper()
	if n := s.Far.Enrolled(number); n != want {
		s.Fatalf("voucher %s enrolled %d times, want %d", number, n, want)
	}
}

func (s *suite) pass(d time.Duration) {
	s.Far.Advance(d)
	s.now = s.now.Add(d)
}

func (s *suite) catalogue() {
	all := s.courses()
	seen := map[string]bool{}
	for _, c := range all {
		if err := c.Validate(); err != nil {
			s.Fatalf("course %s: %v", c.ID, err)
		}
		if seen[c.ID] {
			s.Fatalf("course %s is there twice", c.ID)
		}
		seen[c.ID] = true
	}
	if again := s.courses(); !slices.Equal(all, again) {
		s.Fatalf("the catalogue is another one when it is read again")
	}
	stop := errors.New("stop")
	if err := s.Platform.Catalogue(s.ctx, func(training.Course) error { return stop }); !errors.Is(err, stop) {
		s.Fatalf("an error of each is not returned: %v", err)
	}
}

func (s *suite) enrolOnce() {
	r := s.voucher("V-1")
	if !s.Far.Fault(AnswerLost) {
		s.Skip("the far side cannot lose an answer")
	}
	if err := s.Platform.Redeem(s.ctx, r); err == nil || errors.Is(err, training.ErrRefused) {
		s.Fatalf("a lost answer is %v, want an error that is no refusal", err)
	}
	s.redeem("V-1")
	s.redeem("V-1")
	s.enrolled("V-1", 1)
}

func (s *suite) lost() {
	r := s.voucher("V-1")
	if !s.Far.Fault(RequestLost) {
		s.Skip("the far side cannot lose a request")
	}
	if err := s.Platform.Redeem(s.ctx, r); err == nil || errors.Is(err, training.ErrRefused) {
		s.Fatalf("a lost request is %v, want an error that is no refusal", err)
	}
	s.enrolled("V-1", 0)
	s.redeem("V-1")
	s.enrolled("V-1", 1)
}

func (s *suite) oneCourse() {
	r := s.redeem("V-1")
	r.Price.Units++
	if err := s.Platform.Redeem(s.ctx, r); !errors.Is(err, training.ErrRefused) {
		s.Fatalf("the same number with another price is %v, want ErrRefused", err)
	}
	s.enrolled("V-1", 1)
}

func (s *suite) notSold() {
	r := s.voucher("V-1")
	r.Course = "no-such-course"
	if err := s.Platform.Redeem(s.ctx, r); !errors.Is(err, training.ErrRefused) {
		s.Fatalf("a course that is not sold is %v, want ErrRefused", err)
	}
	s.enrolled("V-1", 0)
}

func (s *suite) unknown() {
	if _, err := s.Platform.Progress(s.ctx, "V-404"); !errors.Is(err, training.ErrUnknown) {
		s.Fatalf("an unknown voucher is %v, want ErrUnknown", err)
	}
	s.redeem("V-1")
	if s.Far.Fault(ServerError) {
		if _, err := s.Platform.Progress(s.ctx, "V-1"); err == nil || errors.Is(err, training.ErrUnknown) {
			s.Fatalf("a call that failed is %v, want an error that is not ErrUnknown", err)
		}
	}
}

func (s *suite) progress() {
	r := s.redeem("V-1")
	if p := s.tell("V-1"); p.Voucher != r.Voucher || p.Course != r.Course || p.Price != r.Price || p.State != training.Redeemed || len(p.Attendance) != 0 {
		s.Fatalf("a voucher that was redeemed is told as %+v", p)
	}
	s.pass(time.Hour)
	s.Far.Attend("V-1", 1, true)
	s.pass(time.Hour)
	s.Far.Attend("V-1", 2, false)
	s.Far.Complete("V-1")
	p := s.tell("V-1")
	if p.State != training.Completed || !p.At.Equal(s.now) {
		s.Fatalf("a completed course is told as %s at %s", p.State, p.At)
	}
	if len(p.Attendance) != 2 || p.Attendance[0].Session != 1 || !p.Attendance[0].Present || p.Attendance[1].Session != 2 || p.Attendance[1].Present {
		s.Fatalf("the attendance of session 1, and the absence from 2, are told as %+v", p.Attendance)
	}
	for i, a := range p.Attendance {
		if want := s.Start.Add(time.Duration(i+1) * time.Hour); !a.Seen.Equal(want) || a.Method == "" {
			s.Fatalf("session %d was seen at %s by %q, want %s by a method", a.Session, a.Seen, a.Method, want)
		}
	}
}

func (s *suite) turnedAway() {
	s.redeem("V-1")
	s.Far.TurnAway("V-1")
	if p := s.tell("V-1"); p.State != training.Refunded {
		s.Fatalf("a course that is not held is told as %s", p.State)
	}
}

func (s *suite) listed(from, before time.Time) []training.Progress {
	s.Helper()
	var all []training.Progress
	if err := s.Platform.List(s.ctx, from, before, func(p training.Progress) error { all = append(all, p); return nil }); err != nil {
		s.Fatalf("List: %v", err)
	}
	slices.SortFunc(all, func(a, b training.Progress) int {
		if a.Voucher < b.Voucher {
			return -1
		}
		return 1
	})
	return all
}

func (s *suite) list() {
	s.redeem("V-1")
	s.pass(time.Hour)
	s.redeem("V-2")
	s.redeem("V-2")
	s.Far.Attend("V-2", 1, true)
	s.Far.Complete("V-2")
	s.pass(time.Hour)
	s.redeem("V-3")
	got := s.listed(s.Start, s.now)
	if len(got) != 2 || got[0].Voucher != "V-1" || got[1].Voucher != "V-2" {
		s.Fatalf("the list has %+v, want V-1 and V-2: what was redeemed at its end is not in it", got)
	}
	if want := s.tell("V-2"); !reflect.DeepEqual(got[1], want) {
		s.Fatalf("the list has %+v, and asked for it the platform says %+v", got[1], want)
	}
	if got := s.listed(s.now, s.now.Add(time.Hour)); len(got) != 1 || got[0].Voucher != "V-3" {
		s.Fatalf("the list that begins when V-3 was redeemed has %+v", got)
	}
	stop := errors.New("stop")
	if err := s.Platform.List(s.ctx, s.Start, s.now, func(training.Progress) error { return stop }); !errors.Is(err, stop) {
		s.Fatalf("an error of each is not returned: %v", err)
	}
}

func (s *suite) brokenList() {
	s.redeem("V-1")
	s.redeem("V-2")
	if !s.Far.Fault(AnswerLost) {
		s.Skip("the far side cannot lose an answer")
	}
	if err := s.Platform.List(s.ctx, s.Start, s.now.Add(time.Hour), func(training.Progress) error { return nil }); err == nil {
		s.Fatalf("a list that broke off is no error")
	}
}

// heard are the notices so far, verified.
func (s *suite) heard() []training.Notice {
	s.Helper()
	if s.Partner.Key == nil {
		s.Skip("the platform does not call back")
	}
	var all []training.Notice
	for _, made := range s.Far.Notices() {
		n, err := training.OpenNotice([]training.Partner{s.Partner}, made.Body, made.Signature)
		if err != nil {
			s.Fatalf("a call-back is not verified: %v", err)
		}
		all = append(all, n)
	}
	return all
}

func (s *suite) notices() {
	s.redeem("V-1")
	s.Far.Attend("V-1", 1, true)
	s.Far.Attend("V-1", 2, true)
	s.Far.Complete("V-1")
	all := s.heard()
	if len(all) == 0 {
		s.Fatalf("nothing was called back")
	}
	if last, want := all[len(all)-1].Progress, s.tell("V-1"); !reflect.DeepEqual(last, want) {
		s.Fatalf("the last call-back has %+v, and asked for it the platform says %+v", last, want)
	}
}

func (s *suite) forged() {
	if s.Partner.Key == nil {
		s.Skip("the platform does not call back")
	}
	s.redeem("V-1")
	made := s.Far.Notices()
	if len(made) == 0 {
		s.Fatalf("nothing was called back")
	}
	for _, m := range made {
		if _, err := training.OpenNotice([]training.Partner{s.Partner}, m.Body, m.Signature); err != nil {
			s.Fatalf("a call-back is not verified: %v", err)
		}
		changed := slices.Clone(m.Body)
		changed[len(changed)/2] ^= 1
		if _, err := training.OpenNotice([]training.Partner{s.Partner}, changed, m.Signature); err == nil {
			s.Fatalf("a call-back with a changed bit is verified")
		}
	}
}

func (s *suite) cancelled() {
	r := s.voucher("V-1")
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	if err := s.Platform.Redeem(ctx, r); err == nil {
		s.Fatalf("Redeem under a cancelled context is no error")
	}
	s.enrolled("V-1", 0)
	if err := s.Platform.List(ctx, s.Start, s.now.Add(time.Hour), func(training.Progress) error { return nil }); err == nil {
		s.Fatalf("List under a cancelled context is no error")
	}
}
