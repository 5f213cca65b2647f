package program

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/ledger"
)

// Sharing is a limit on how many registrations may share something, for ever or in a
// time: one phone per person, ten registrations from one device in a day, three hundred
// by one officer. It holds from when it is declared, for each registration and for each
// correction of a phone; FindAlike finds those that were there before. For payout
// accounts see Payees.
type Sharing struct {
	// Name is part of the account's name: letters a to z, digits and -.
	Name string
	Of   Attribute
	Max  int64
	// Within, if not zero, counts registrations in windows of this length, from
	// 1970 on in UTC. Where two windows meet there can be up to twice as many. Zero
	// counts those that share it now, however long ago they came.
	Within time.Duration
	// Basis is the legal basis of the limit.
	Basis eligibility.Basis
}

// Attribute is what registrations can share.
type Attribute string

// The attributes. OfActor is who registers, By.Actor; the others are of a Person. Who
// does not have one shares none.
const (
	OfPhone  Attribute = "phone"
	OfDevice Attribute = "device"
	OfActor  Attribute = "actor"
)

func (p *Program[T]) sharingFaults(add func(field, rule string, args ...any)) {
	names := map[string]bool{}
	for _, s := range p.Sharing {
		if !shortName(s.Name) || names[s.Name] {
			add("Sharing", "have names of letters a to z, digits and -, each once")
		}
		names[s.Name] = true
		switch {
		case s.Of != OfPhone && s.Of != OfDevice && s.Of != OfActor:
			add("Sharing."+s.Name, "is of a phone, a device or an actor")
		case s.Max < 1 || s.Within < 0:
			add("Sharing."+s.Name, "needs a Max of 1 or more and a time of zero or more")
		case s.Of == OfActor && s.Within == 0:
			add("Sharing."+s.Name, "counts an actor's registrations in a time")
		}
	}
}

// account counts who shares a value.
func (s *Sharing) account(value string, at time.Time) ledger.Account {
	window := "now"
	if s.Within > 0 {
		window = strconv.FormatInt(at.UnixMicro()/s.Within.Microseconds(), 10)
	}
	return ledger.Account("share/" + s.Name + "/" + window + "/" + value)
}

func (s *Sharing) count(value string, n int64, at time.Time, posts postings) {
	bounds := ledger.Between(0, s.Max)
	if n < 0 {
		bounds = ledger.AtLeast(0)
	}
	posts.add(s.account(value, at), n, bounds)
	posts.add(ledger.Account("share/"+s.Name), -n, ledger.Free())
}

// shares gathers what registrations share.
type shares[T any] struct {
	engine *Engine[T]
	actor  string
	values map[string]*sharedValue // by attribute and mark
	left   map[string]int          // who goes, by the value's id
	rows   []Row
	posts  postings
}

// sharedValue is a value that registrations share, under an internal id.
type sharedValue struct {
	id      string
	version int64
	touched bool // its row is written
}

// shared is one attribute of a person: the keyed mark by which it is known. Marks never
// change, so that keys can be rotated.
type shared struct {
	of   Attribute
	mark string
}

const (
	valueKind  = "shared."
	holderKind = "holder."
)

func (e *Engine[T]) sharedOf(p *Person) []shared {
	var all []shared
	for _, a := range []struct {
		of    Attribute
		value identity.Secret
	}{{OfPhone, p.Phone}, {OfDevice, p.Device}} {
		if a.value.IsZero() || !slices.ContainsFunc(e.program.Sharing, func(s Sharing) bool { return s.Of == a.of }) {
			continue
		}
		mark := e.keys.Mark("shared/"+string(a.of), a.value.Reveal())
		all = append(all, shared{a.of, hex.EncodeToString(mark[:])})
	}
	return all
}

func (e *Engine[T]) newShares(actor string) *shares[T] {
	return &shares[T]{engine: e, actor: actor, values: map[string]*sharedValue{}, left: map[string]int{}, posts: postings{}}
}

// look reads the values that people share.
func (s *shares[T]) look(ctx context.Context, people ...*Person) error {
	var keys []Key
	for _, p := range people {
		for _, a := range s.engine.sharedOf(p) {
			keys = append(keys, Key{TableRecords, []any{valueKind + string(a.of), a.mark}})
		}
	}
	if len(keys) == 0 {
		return nil
	}
	found, err := s.engine.store.Load(ctx, Query{Keys: keys})
	for _, row := range found.Rows {
		s.values[textOf(row.Values[0])+textOf(row.Values[1])] = &sharedValue{id: string(bytesOf(row.Values[4])), version: row.Version}
	}
	return err
}

// follow takes over what is written by the chunk before.
func (s *shares[T]) follow(before *shares[T]) {
	for name, v := range before.values {
		if v.touched {
			s.values[name] = &sharedValue{id: v.id, version: v.version + 1}
		}
	}
}

// add counts one registration.
func (s *shares[T]) add(applicant uuid.UUID, p *Person) error {
	at := s.engine.clock()
	for i := range s.engine.program.Sharing {
		if limit := &s.engine.program.Sharing[i]; limit.Of == OfActor {
			sum := sha256.Sum256([]byte(s.actor))
			limit.count(base64.RawURLEncoding.EncodeToString(sum[:16]), 1, at, s.posts)
		}
	}
	for _, a := range s.engine.sharedOf(p) {
		if err := s.hold(applicant, a, at); err != nil {
			return err
		}
	}
	return nil
}

// hold has an applicant share a value.
func (s *shares[T]) hold(applicant uuid.UUID, a shared, at time.Time) error {
	v, err := s.touch(a)
	if err != nil {
		return err
	}
	s.rows = append(s.rows, Row{Table: TableRecords, Values: []any{holderKind + string(a.of), shortID(applicant), idValue(applicant), v.id, []byte(a.mark)}})
	for i := range s.engine.program.Sharing {
		if limit := &s.engine.program.Sharing[i]; limit.Of == a.of {
			limit.count(v.id, 1, at, s.posts)
		}
	}
	return nil
}

// touch writes the row of a value, so that nobody else can take it away meanwhile.
func (s *shares[T]) touch(a shared) (*sharedValue, error) {
	name := valueKind + string(a.of) + a.mark
	v := s.values[name]
	if v == nil {
		id, err := s.engine.ids.next(s.engine.clock())
		if err != nil {
			return nil, err
		}
		v = &sharedValue{id: shortID(id)}
		s.values[name] = v
	}
	if !v.touched {
		v.touched = true
		s.rows = append(s.rows, Row{Table: TableRecords, Version: v.version, Values: []any{valueKind + string(a.of), a.mark, nil, nil, []byte(v.id)}})
	}
	return v, nil
}

// changed moves what a corrected person shares.
func (s *shares[T]) changed(ctx context.Context, applicant uuid.UUID, was, is *Person) error {
	old, now := s.engine.sharedOf(was), s.engine.sharedOf(is)
	if slices.Equal(old, now) {
		return nil
	}
	if err := s.look(ctx, is); err != nil {
		return err
	}
	left, err := s.leave(ctx, applicant, func(of Attribute, mark string) bool { return slices.Contains(now, shared{of, mark}) })
	if err != nil {
		return err
	}
	for _, a := range now {
		if slices.Contains(old, a) {
			continue
		}
		if err := s.hold(applicant, a, s.engine.clock()); err != nil {
			return err
		}
		// A row that goes and comes again under its key is one that changes.
		if version, there := left[a.of]; there {
			last := &s.rows[len(s.rows)-1]
			last.Version = version
			s.rows = slices.DeleteFunc(s.rows, func(r Row) bool { return r.Gone && textOf(r.Values[0]) == holderKind+string(a.of) })
		}
	}
	return nil
}

// leave takes an applicant away from what is shared, but for what is kept, and deletes what
// nobody shares any more. It returns the versions of the rows that go.
func (s *shares[T]) leave(ctx context.Context, applicant uuid.UUID, keep func(Attribute, string) bool) (map[Attribute]int64, error) {
	gone := map[Attribute]int64{}
	var keys []Key
	for _, of := range []Attribute{OfPhone, OfDevice} {
		keys = append(keys, Key{TableRecords, []any{holderKind + string(of), shortID(applicant)}})
	}
	held, err := s.engine.store.Load(ctx, Query{Keys: keys})
	if err != nil {
		return nil, err
	}
	for _, row := range held.Rows {
		of, mark := Attribute(strings.TrimPrefix(textOf(row.Values[0]), holderKind)), string(bytesOf(row.Values[4]))
		if keep(of, mark) {
			continue
		}
		value := textOf(row.Values[3])
		if err := s.release(ctx, of, mark, value); err != nil {
			return nil, err
		}
		for i := range s.engine.program.Sharing {
			if limit := &s.engine.program.Sharing[i]; limit.Of == of && limit.Within == 0 {
				limit.count(value, -1, s.engine.clock(), s.posts)
			}
		}
		row.Gone = true
		s.rows = append(s.rows, row)
		gone[of] = row.Version
	}
	return gone, nil
}

// release writes the row of a value that somebody leaves, so that nobody else decides on
// it meanwhile, or deletes it after the last.
func (s *shares[T]) release(ctx context.Context, of Attribute, mark, value string) error {
	s.left[value]++
	others, _, err := s.engine.store.Page(ctx, Scan{Table: TableRecords, Index: 2, Equal: []any{value, holderKind + string(of)}, Limit: s.left[value] + 1})
	if err != nil {
		return err
	}
	last := len(others.Rows) <= s.left[value]
	for i := range s.rows {
		if v := s.rows[i].Values; textOf(v[0]) == valueKind+string(of) && textOf(v[1]) == mark {
			s.rows[i].Gone = last
			return nil
		}
	}
	found, err := s.engine.store.Load(ctx, Query{Keys: []Key{{TableRecords, []any{valueKind + string(of), mark}}}})
	for _, row := range found.Rows {
		row.Gone = last
		s.rows = append(s.rows, row)
	}
	return err
}

// refusal turns the refusal of a bound into what is told of a registration.
func (e *Engine[T]) refusal(err error) error {
	var bound *ledger.BoundError
	if !errors.As(err, &bound) {
		return err
	}
	for _, s := range e.program.Sharing {
		if strings.HasPrefix(string(bound.Account), "share/"+s.Name+"/") {
			field := map[Attribute]string{OfPhone: "Phone", OfDevice: "Device", OfActor: "By.Actor"}[s.Of]
			if s.Within > 0 {
				return &RegistrationError{field, "too-many"}
			}
			return &RegistrationError{field, "shared"}
		}
	}
	return err
}
