// Command asntraining admits civil servants to a training as they are nominated, without
// a draw and without cash, on a SQLite file. See README.md in this folder.
package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/examples/internal/demo"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/training"
)

func main() {
	demo.Main(func(ctx context.Context, db string, out io.Writer) error {
		_, err := tell(ctx, db, out)
		return err
	})
}

const year = 2026 // the standing intake of the year

// made is a civil servant of the story, in the order of nomination.
type made struct {
	name, agency, group string
	nominated, active   bool
}

func officials() []made {
	return []made{
		{"Ani", "health", "III", true, true}, {"Budi", "health", "III", true, true}, {"Cici", "health", "IV", true, true},
		{"Dodi", "health", "II", true, true}, {"Eka", "health", "III", true, true}, {"Fitri", "religion", "III", true, true},
		{"Gani", "religion", "III", true, true}, {"Hana", "religion", "II", true, true}, {"Imam", "statistics", "IV", true, true},
		{"Joko", "statistics", "III", true, true}, {"Kiki", "statistics", "III", false, true}, {"Lina", "health", "III", true, false},
	}
}

// story is the demonstration around the program.
type story struct {
	demo.Teller
	engine *program.Engine[Official]
	desk   *training.Desk[Official]
	key    ed25519.PrivateKey // the platform's
	clock  *demo.Clock
	people map[string]uuid.UUID
	counts map[string]program.Counts
	hours  map[string]int
}

var officer, superior, platform = program.By{Actor: "officer"}, program.By{Actor: "superior"}, program.By{Actor: "belajar"}

func tell(ctx context.Context, db string, out io.Writer) (*story, error) {
	p, err := definition()
	if err != nil {
		return nil, err
	}
	s := &story{Teller: demo.Teller{Writer: out}, clock: &demo.Clock{}, people: map[string]uuid.UUID{}, counts: map[string]program.Counts{}, hours: map[string]int{}}
	s.clock.On(year, time.February, 2)
	engine, keys, done, err := demo.Engine(ctx, p, db, s.clock)
	if err != nil {
		return nil, err
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, errors.Join(err, done())
	}
	s.engine, s.key = engine, private
	s.desk, err = training.NewDesk(engine, keys, program.Surroundings{Clock: s.clock.Tell, Random: rand.Reader}, partners(public))
	if err != nil {
		return nil, errors.Join(err, done())
	}
	for _, chapter := range []func(context.Context) error{s.offer, s.nominate, s.enrol, s.learn, s.end} {
		if err = chapter(ctx); err != nil {
			break
		}
	}
	return s, errors.Join(err, done())
}

// offer: a course whose platform owns its institution is not sold.
func (s *story) offer(ctx context.Context) error {
	s.Step(s.clock.Now, "the course")
	var no *training.RefusedError
	if err := s.desk.Offer(ctx, officer, literacy("daughter")); !errors.As(err, &no) {
		return fmt.Errorf("a course with a conflict of interest is sold: %w", err)
	}
	s.Say("  The course of Daughter is refused: %s. Its platform owns 40%% of it.", no.Reasons[0].Code)
	if err := s.desk.Offer(ctx, officer, literacy("academy")); err != nil {
		return err
	}
	s.Say("  The course of Academy is on offer: %d hours in %d sessions.", literacy("academy").Hours, literacy("academy").Sessions)
	if err := s.engine.PlanWave(ctx, officer, program.WaveOrder{Number: year, Opens: s.clock.Now, Legal: calendar.Of(year, 1, 1), Plan: plan()}); err != nil {
		return err
	}
	return s.engine.OpenWave(ctx, officer, year)
}

// nominate: superiors nominate one after the other, and seats are given as they do.
func (s *story) nominate(ctx context.Context) error {
	s.Step(s.clock.Now, "nominations")
	for i, m := range officials() {
		s.clock.Now = s.clock.Now.Add(time.Hour)
		evidence := map[string]program.Evidence{"active": {Source: "personnel-register", Seen: s.clock.Now, Value: m.active}}
		if m.nominated {
			evidence["nominated"] = program.Evidence{Source: "superior", Seen: s.clock.Now, Value: true}
		}
		id, err := s.engine.Register(ctx, superior, program.Registration[Official]{
			Person:  program.Person{Name: identity.NewName(m.name), National: identity.NewSecret(fmt.Sprintf("31710101018000%02d", i))},
			Details: Official{Agency: m.agency, Group: m.group}, Evidence: evidence,
		})
		if err != nil {
			return err
		}
		s.people[m.name] = id
		if _, err := s.engine.Join(ctx, superior, year, id); err != nil {
			return err
		}
	}
	c, err := s.engine.CheckAll(ctx, officer, "check", year, nominated)
	if err != nil {
		return err
	}
	s.counts["check"] = c
	s.Say("  %d are nominated: %d may have a seat, %d is not in active service, of %d the superior has said nothing yet.", len(officials()), c["state.waiting"], c["state.refused"], c["stay.pending"])
	return s.admit(ctx)
}

// admit gives the free seats, and tells who has one and who waits.
func (s *story) admit(ctx context.Context) error {
	got, err := s.engine.Admit(ctx, officer, year, 100)
	if err != nil {
		return err
	}
	for _, id := range got {
		a, err := s.engine.Application(ctx, year, id)
		if err != nil {
			return err
		}
		s.Say("  %s has a seat: %s.", s.name(id), a.Seat)
	}
	var wait []string
	err = s.engine.Cases(ctx, year, []program.State{waiting}, false, func(c *program.Case[Official]) error {
		wait = append(wait, s.name(c.Application.Applicant))
		return nil
	})
	s.Say("  Waiting: %s.", strings.Join(wait, ", "))
	return err
}

func (s *story) name(id uuid.UUID) string {
	for name, other := range s.people {
		if other == id {
			return name
		}
	}
	return ""
}

// enrol: who does not enrol in ten days loses the seat to the next.
func (s *story) enrol(ctx context.Context) error {
	s.clock.On(year, time.February, 6)
	s.Step(s.clock.Now, "enrolment")
	for _, name := range []string{"Ani", "Dodi", "Fitri", "Hana", "Imam"} { // Budi does not
		if err := s.buy(ctx, name); err != nil {
			return err
		}
	}
	var no *program.RefusedError
	if err := s.buy(ctx, "Cici"); !errors.As(err, &no) {
		return fmt.Errorf("somebody enrolled without a seat: %w", err)
	}
	s.Say("  Five enrol. Cici, who waits, is refused: %s.", no.Reasons[0].Code)
	s.clock.On(year, time.February, 16)
	c, err := s.engine.Tick(ctx, program.By{Actor: "clock"}, "not enrolled", year)
	if err != nil {
		return err
	}
	s.counts["not enrolled"] = c
	s.Say("  Ten days later %d seat comes back: Budi has not enrolled.", c["state.lapsed"])
	if err := s.admit(ctx); err != nil {
		return err
	}
	return s.buy(ctx, "Cici")
}

func (s *story) buy(ctx context.Context, name string) error {
	_, err := s.desk.Buy(ctx, officer, training.Order{Voucher: "V-" + name, Wave: year, Applicant: s.people[name], Course: literacy("academy").ID})
	return err
}

// notice is what the platform calls back with: the sessions of a voucher that were attended.
func (s *story) notice(name string, sessions ...int) (body []byte, signature string, err error) {
	p := training.Progress{Voucher: "V-" + name, Course: literacy("academy").ID, State: training.Completed, At: s.clock.Now}
	for _, n := range sessions {
		p.Attendance = append(p.Attendance, training.Attendance{Session: n, Present: true, Seen: s.clock.Now, Method: "log"})
	}
	return training.SignNotice(s.key, training.Notice{Platform: "belajar", Progress: p})
}

// learn: the platform tells of attendance. A call-back may come twice; one that somebody
// else has signed does not count.
func (s *story) learn(ctx context.Context) error {
	s.clock.On(year, time.March, 20)
	s.Step(s.clock.Now, "attendance")
	for _, name := range []string{"Ani", "Dodi", "Hana", "Imam", "Cici"} {
		sessions := []int{1, 2, 3, 4}
		if name == "Dodi" {
			sessions = []int{1, 2, 4}
		}
		body, signature, err := s.notice(name, sessions...)
		if err != nil {
			return err
		}
		for range 2 { // the platform calls twice
			if _, _, err := s.desk.Take(ctx, platform, body, signature); err != nil {
				return err
			}
		}
	}
	_, forger, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	own := s.key
	s.key = forger
	body, signature, err := s.notice("Fitri", 1, 2, 3, 4)
	s.key = own
	if err != nil {
		return err
	}
	var forged *training.NoticeError
	if _, _, err := s.desk.Take(ctx, platform, body, signature); !errors.As(err, &forged) {
		return fmt.Errorf("a forged call-back counts: %w", err)
	}
	s.Say("  The platform calls back for five, and each time twice: it counts once. A call for Fitri that another key signed is refused (%s).", forged.Rule)
	v, err := s.desk.Voucher(ctx, "V-Dodi")
	if err != nil {
		return err
	}
	s.Say("  Dodi's course is not completed: %s.", partners(nil).Rules.Finished(v)[0].Code)
	proof := []training.Attendance{{Session: 3, Present: true, Seen: s.clock.Now, Method: "paper list", Final: true}}
	if _, _, err := s.desk.Prove(ctx, officer, "V-Dodi", "officer", proof); err != nil {
		return err
	}
	s.Say("  The paper list shows Dodi in session 3: an officer enters it, and the course is completed.")
	return nil
}

// end: certificates, hours, and who never finished.
func (s *story) end(ctx context.Context) error {
	s.clock.On(year, time.April, 20)
	s.Step(s.clock.Now, "certificates and hours")
	for _, name := range []string{"Ani", "Cici", "Dodi", "Hana", "Imam"} {
		c, err := s.desk.Certify(ctx, officer, "V-"+name)
		if err != nil {
			return err
		}
		if name == "Ani" {
			if err := s.show(ctx, c); err != nil {
				return err
			}
		}
	}
	c, err := s.engine.Tick(ctx, program.By{Actor: "clock"}, "not finished", year)
	if err != nil {
		return err
	}
	s.counts["not finished"] = c
	s.Say("  %d has not finished in sixty days: Fitri. The seat comes back.", c["state.dropped"])
	if err := s.admit(ctx); err != nil {
		return err
	}
	zone := time.FixedZone("WIB", 7*3600)
	for _, m := range officials() {
		vouchers, err := s.desk.Vouchers(ctx, s.people[m.name])
		if err != nil {
			return err
		}
		if h := training.CreditedHours(vouchers, zone, calendar.Of(year, 1, 1), calendar.Of(year, 12, 31)); h > 0 {
			s.hours[m.name] = h
			s.Say("  %s: %d learning hours in %d.", m.name, h, year)
		}
	}
	breaches, err := s.desk.Verify(ctx)
	if err != nil || len(breaches) > 0 {
		return errors.Join(err, fmt.Errorf("vouchers: %v", breaches))
	}
	return demo.Verified(ctx, s.Teller, s.engine)
}

// show is what anybody does who is shown a certificate.
func (s *story) show(ctx context.Context, c training.Certificate) error {
	doc, err := c.Document()
	if err != nil {
		return err
	}
	public, err := s.desk.Certificate(ctx, c.Number)
	if err != nil {
		return err
	}
	if _, err := training.CheckCertificate(doc, public); err != nil {
		return err
	}
	var no *training.CertificateError
	if _, err := training.CheckCertificate([]byte(strings.Replace(string(doc), "Ani", "Oni", 1)), public); !errors.As(err, &no) {
		return fmt.Errorf("a changed certificate counts: %w", err)
	}
	s.Say("  Ani's certificate is what the public register has; with another name on it, it is not (%s).", no.Rule)
	return nil
}
