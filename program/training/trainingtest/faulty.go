package trainingtest

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/gelombang/gelombang/program/training"
)

// Fault is something that goes wrong once.
type Fault string

// The faults.
const (
	// RequestLost: the call times out and has done nothing.
	RequestLost Fault = "request-lost"
	// AnswerLost: the call times out after it was carried out.
	AnswerLost Fault = "answer-lost"
	// ServerError: the call fails and has done nothing.
	ServerError Fault = "server-error"
	// NoticeLost, NoticeTwice, NoticesReversed: the next call-back does not come, comes
	// twice, comes after the one that follows it.
	NoticeLost      Fault = "notice-lost"
	NoticeTwice     Fault = "notice-twice"
	NoticesReversed Fault = "notices-reversed"
)

// FaultyOptions say what a Faulty sells, and what goes wrong.
type FaultyOptions struct {
	// Courses are what it sells; their Platform becomes the Faulty's id.
	Courses []training.Course
	// Rates are how many of a thousand calls or notices have a fault.
	Rates map[Fault]int
	// EnrolsAgain breaks the promise that a voucher enrols once, TakesAnything that a
	// number belongs to one course and price, ListsOpen that a list ends before its
	// second instant, and Unsigned that a notice is signed with the partner's key.
	EnrolsAgain, TakesAnything, ListsOpen, Unsigned bool
}

// Faulty is a platform in memory, and its own far side. Its clock is moved by Advance
// alone, and the same seed and calls have the same faults. It keeps its promises
// whatever else goes wrong, unless told to break one.
type Faulty struct {
	mu      sync.Mutex
	id      string
	options FaultyOptions
	now     time.Time
	random  *rand.Rand
	key     ed25519.PrivateKey
	script  map[Fault]int
	held    map[string]*enrolment
	order   []string
	notices []Signed
	kept    *Signed // one that comes after the next
}

type enrolment struct {
	progress training.Progress
	redeemed time.Time
	count    int
}

var (
	_ training.Platform = (*Faulty)(nil)
	_ FarSide           = (*Faulty)(nil)
)

// NewFaulty returns a platform whose clock stands at start. Its key follows from the seed.
// Options may be nil: it then sells nothing.
func NewFaulty(id string, start time.Time, seed uint64, o *FaultyOptions) *Faulty {
	f := &Faulty{id: id, now: start, random: rand.New(rand.NewPCG(seed, 0)), script: map[Fault]int{}, held: map[string]*enrolment{}}
	var keySeed [ed25519.SeedSize]byte
	copy(keySeed[:], fmt.Sprintf("%s/%d", id, seed))
	f.key = ed25519.NewKeyFromSeed(keySeed[:])
	if o != nil {
		f.options = *o
		f.options.Courses = slices.Clone(o.Courses)
		for i := range f.options.Courses {
			f.options.Courses[i].Platform = id
		}
	}
	return f
}

// Partner is the platform as a partner, with the key that verifies its notices.
func (f *Faulty) Partner() training.Partner {
	return training.Partner{ID: f.id, Kind: training.PlatformKind, Name: f.id, Key: f.key.Public().(ed25519.PublicKey)}
}

var (
	errTimeout = errors.New("trainingtest: the call timed out")
	errServer  = errors.New("trainingtest: the server failed")
)

// before has the faults of a call that does nothing.
func (f *Faulty) before(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case f.happens(RequestLost):
		return errTimeout
	case f.happens(ServerError):
		return errServer
	}
	return nil
}

func (f *Faulty) happens(fault Fault) bool {
	if f.script[fault] > 0 {
		f.script[fault]--
		return true
	}
	rate := f.options.Rates[fault]
	return rate > 0 && f.random.IntN(1000) < rate
}

// Catalogue gives the courses of the options.
func (f *Faulty) Catalogue(ctx context.Context, each func(training.Course) error) error {
	f.mu.Lock()
	err := f.before(ctx)
	courses := slices.Clone(f.options.Courses)
	f.mu.Unlock()
	if err != nil {
		return err
	}
	for _, c := range courses {
		if err := each(c); err != nil {
			return err
		}
	}
	return nil
}

// Redeem enrols the holder of a voucher, once.
func (f *Faulty) Redeem(ctx context.Context, r training.Redemption) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.before(ctx); err != nil {
		return err
	}
	known := slices.ContainsFunc(f.options.Courses, func(c training.Course) bool { return c.ID == r.Course && c.Price == r.Price })
	e := f.held[r.Voucher]
	if e != nil && (e.progress.Course != r.Course || e.progress.Price != r.Price) {
		known = false
	}
	if !known && !f.options.TakesAnything {
		return fmt.Errorf("voucher %s: %w", r.Voucher, training.ErrRefused)
	}
	if e == nil {
		e = &enrolment{progress: training.Progress{Voucher: r.Voucher, Course: r.Course, Price: r.Price, State: training.Redeemed, At: f.now}, redeemed: f.now, count: 1}
		f.held[r.Voucher] = e
		f.order = append(f.order, r.Voucher)
		f.notify(e)
	} else if f.options.EnrolsAgain {
		e.count++
	}
	if f.happens(AnswerLost) {
		return errTimeout
	}
	return nil
}

// Progress tells of one voucher.
func (f *Faulty) Progress(ctx context.Context, voucher string) (training.Progress, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.before(ctx); err != nil {
		return training.Progress{}, err
	}
	if f.happens(AnswerLost) {
		return training.Progress{}, errTimeout
	}
	e := f.held[voucher]
	if e == nil {
		return training.Progress{}, fmt.Errorf("voucher %s: %w", voucher, training.ErrUnknown)
	}
	return e.copy(), nil
}

func (e *enrolment) copy() training.Progress {
	p := e.progress
	p.Attendance = slices.Clone(p.Attendance)
	return p
}

// List tells of every voucher that was redeemed in a time.
func (f *Faulty) List(ctx context.Context, from, before time.Time, each func(training.Progress) error) error {
	f.mu.Lock()
	err := f.before(ctx)
	var some []training.Progress
	for _, v := range f.order {
		e := f.held[v]
		if !e.redeemed.Before(from) && (e.redeemed.Before(before) || f.options.ListsOpen && e.redeemed.Equal(before)) {
			some = append(some, e.copy())
		}
	}
	lost := f.happens(AnswerLost)
	f.mu.Unlock()
	if err != nil {
		return err
	}
	for i, p := range some {
		if lost && i == len(some)/2 {
			return errTimeout
		}
		if err := each(p); err != nil {
			return err
		}
	}
	if lost {
		return errTimeout
	}
	return nil
}

// notify makes a call-back, unless a fault is in the way.
func (f *Faulty) notify(e *enrolment) {
	key := f.key
	if f.options.Unsigned {
		key = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	}
	body, signature, err := training.SignNotice(key, training.Notice{Platform: f.id, Progress: e.copy()})
	if err != nil || f.happens(NoticeLost) {
		return
	}
	made := []Signed{{body, signature}}
	if f.happens(NoticeTwice) {
		made = append(made, made[0])
	}
	if f.kept == nil && f.happens(NoticesReversed) {
		f.kept = &made[0]
		return
	}
	f.notices = append(f.notices, made...)
	if f.kept != nil {
		f.notices, f.kept = append(f.notices, *f.kept), nil
	}
}

// Fault lets a fault happen once, the next time that it can.
func (f *Faulty) Fault(fault Fault) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.script[fault]++
	return true
}

// Advance moves the clock.
func (f *Faulty) Advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

// Enrolled counts how often somebody was enrolled by a voucher.
func (f *Faulty) Enrolled(voucher string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e := f.held[voucher]; e != nil {
		return e.count
	}
	return 0
}

// Attend has a session attended, or missed.
func (f *Faulty) Attend(voucher string, session int, present bool) {
	f.step(voucher, func(e *enrolment) {
		e.progress.Attendance = append(e.progress.Attendance, training.Attendance{Session: session, Present: present, Seen: f.now, Source: f.id, Method: "log"})
	})
}

// Complete has a course completed.
func (f *Faulty) Complete(voucher string) { f.enter(voucher, training.Completed) }

// TurnAway has a course not held for a voucher.
func (f *Faulty) TurnAway(voucher string) { f.enter(voucher, training.Refunded) }

func (f *Faulty) enter(voucher string, state training.VoucherState) {
	f.step(voucher, func(e *enrolment) { e.progress.State, e.progress.At = state, f.now })
}

func (f *Faulty) step(voucher string, change func(*enrolment)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e := f.held[voucher]; e != nil {
		change(e)
		f.notify(e)
	}
}

// Notices gives the call-backs that were made since it was last asked, in the order in
// which they come.
func (f *Faulty) Notices() []Signed {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kept != nil {
		f.notices, f.kept = append(f.notices, *f.kept), nil
	}
	made := f.notices
	f.notices = nil
	return made
}
