package program

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// Registration is one person who asks to be registered.
type Registration[T any] struct {
	Person   Person
	Details  T
	Evidence map[string]Evidence
	// Fault, if not nil, says why the source could not read this one: it is
	// refused and counted, and the rest goes on.
	Fault *RegistrationError
}

// Format keeps a registration out of every print.
func (r Registration[T]) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "Registration(****)") }

// LogValue keeps a registration out of every log.
func (r Registration[T]) LogValue() slog.Value { return slog.StringValue("Registration(****)") }

// MarshalJSON keeps a registration out of every document.
func (r Registration[T]) MarshalJSON() ([]byte, error) { return []byte(`"Registration(****)"`), nil }

// RegistrationError says why somebody cannot be registered.
type RegistrationError struct {
	// Field is "National", "Name", "Phone", "Device", "By.Actor".
	Field string
	// Rule is "missing", "registered-before" for a national identifier that
	// another registration has, "barred" for one that was erased and may not come
	// again, or "shared" or "too-many" where a limit of the program's Sharing is reached.
	Rule string
}

func (e *RegistrationError) Error() string {
	return fmt.Sprintf("program: registration: %s: %s", e.Field, e.Rule)
}

// Register registers one person and returns the internal id. A national
// identifier that is registered already is a *RegistrationError. Repeated under its key
// after the person was erased, it is an *ErasedError: nobody is registered a second time
// without saying so.
func (e *Engine[T]) Register(ctx context.Context, by By, r Registration[T]) (uuid.UUID, error) {
	if by.Actor == "" {
		return uuid.Nil, &FieldError{"By.Actor", "is missing"}
	}
	for {
		// Repeated under its key, the command is answered with the id that the
		// first one gave, whatever became of the person since.
		id, done, err := e.registeredBefore(ctx, by, &r.Person)
		if done || err != nil {
			return id, err
		}
		in := e.newIntake(1)
		in.shares.actor = by.Actor
		if err := in.look(ctx, []Registration[T]{r}); err != nil {
			return uuid.Nil, err
		}
		a, err := in.add(0, r)
		if err != nil {
			return uuid.Nil, err
		}
		cmd, err := registering(by, a.key, &r.Person)
		if err != nil {
			return uuid.Nil, err
		}
		answer, err := json.Marshal(a.ID)
		if err != nil {
			return uuid.Nil, err
		}
		change := Change{Home: a.ID, Rows: sorted(slices.Concat(in.rows, in.shares.rows)), Postings: in.shares.posts.posting(), Answer: answer}
		if len(change.Postings) > 0 {
			change.Postings[0].ID = "register/" + a.ID.String()
		}
		_, err = e.carryOut(ctx, cmd, change, "registered", registeredData{Applicants: in.ids})
		var stale *StaleError
		var conflict *KeyConflictError
		switch {
		case err == nil:
			return a.ID, nil
		case errors.As(err, &conflict):
			// Another call under this key was first. Its fingerprint is of a key that was
			// made for the person there: only with that it can be compared.
		case !errors.As(err, &stale):
			return uuid.Nil, e.refusal(err)
		}
	}
}

// registering is the command that registers somebody. Its fingerprint is of the person's
// own key, so that it goes with the person.
func registering(by By, key []byte, p *Person) (command, error) {
	mark, err := ownMark(key, indexNational, p.National.Reveal())
	return command{by, "register", mark}, err
}

// registeredBefore answers a registration that was carried out before under its key. The
// error is an *ErasedError if the person was erased since.
func (e *Engine[T]) registeredBefore(ctx context.Context, by By, p *Person) (id uuid.UUID, done bool, err error) {
	if by.Key == "" {
		return uuid.Nil, false, nil
	}
	first, err := e.store.Load(ctx, Query{Command: by.Key})
	if err != nil || !first.Answered {
		return uuid.Nil, false, err
	}
	if json.Unmarshal(first.Answer, &id) != nil { // of another kind of command
		return uuid.Nil, false, &KeyConflictError{Key: by.Key}
	}
	a, err := e.Applicant(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return uuid.Nil, false, &KeyConflictError{Key: by.Key}
	}
	if err != nil {
		return uuid.Nil, false, err
	}
	if a.State == Erased {
		return uuid.Nil, false, &ErasedError{id}
	}
	cmd, err := registering(by, a.key, p)
	if err == nil {
		err = e.sameCommand(cmd, first)
	}
	if err != nil {
		return uuid.Nil, false, err
	}
	return id, true, nil
}

// registeredData is the data of a "registered" entry.
type registeredData struct {
	Applicants []string  `json:"applicants"`
	Refused    []Refusal `json:"refused,omitempty"`
}

// Refusal says which registration of a source was refused, and why.
type Refusal struct {
	// Position counts from 0 in the source.
	Position int64  `json:"position"`
	Field    string `json:"field"`
	Rule     string `json:"rule"`
}

// Source gives registrations to RegisterAll. Next returns up to limit of them
// after the first done; fewer only at the end. It may be called again for the
// same part, after a crash, and then gives the same.
type Source[T any] interface {
	Next(ctx context.Context, done int64, limit int) ([]Registration[T], error)
}

// RegisterAll registers everybody a source has, as a job that can be stopped
// and run again. The counts are "registered" and "refused.RULE"; who was refused
// is in the journal, where Refusals reads it.
func (e *Engine[T]) RegisterAll(ctx context.Context, by By, job string, source Source[T]) (Counts, error) {
	var before *intake[T] // of the chunk before, which may not be written yet
	return e.runJob(ctx, by, job, "register", nil, func(ctx context.Context, a ask) (chunk, error) {
		var done int64
		if a.after != nil {
			done = intOf(a.after[0])
		}
		people, err := source.Next(ctx, done, a.limit)
		if err != nil {
			return chunk{}, err
		}
		in := e.newIntake(len(people))
		in.shares.actor = by.Actor
		if err := in.look(ctx, people); err != nil {
			return chunk{}, err
		}
		if !a.first && before != nil && before.last == done {
			in.follow(before)
		}
		in.last, before = done+int64(len(people)), in
		counts, data := Counts{doneCount: int64(len(people))}, registeredData{}
		for i, r := range people {
			if bound := e.refusal(a.refused); a.refused != nil && r.Fault == nil {
				errors.As(bound, &r.Fault) // a limit that this one would break
			}
			_, err := in.add(i, r)
			var why *RegistrationError
			switch {
			case errors.As(err, &why):
				counts["refused."+why.Rule]++
				data.Refused = append(data.Refused, Refusal{done + int64(i), why.Field, why.Rule})
			case err != nil:
				return chunk{}, err
			default:
				counts["registered"]++
			}
		}
		in.sortIndex()
		data.Applicants = in.ids
		return chunk{rows: sorted(append(in.rows, in.shares.rows...)), posts: in.shares.posts.posting(), kind: "registered", data: data, counts: counts,
			next: Cursor{in.last}, last: len(people) < a.limit}, nil
	})
}

// Refusals gives every registration that jobs refused to each, in the order of
// the journal. Positions count within each job's source.
func (e *Engine[T]) Refusals(ctx context.Context, each func(Refusal) error) error {
	var after int64
	for {
		entries, err := e.store.Journal(ctx, after, 100)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			after = entry.Seq
			if entry.Kind != "registered" {
				continue
			}
			var data registeredData
			if err := json.Unmarshal(entry.Data, &data); err != nil {
				return fmt.Errorf("program: journal entry %d cannot be read: %w", entry.Seq, err)
			}
			for _, r := range data.Refused {
				if err := each(r); err != nil {
					return err
				}
			}
		}
		if len(entries) < 100 {
			return nil
		}
	}
}

// intake turns registrations into rows, after a look at who is known already.
type intake[T any] struct {
	engine     *Engine[T]
	nationals  []indexed
	families   []indexed
	applicants map[[32]byte]uuid.UUID
	households map[[32]byte]*household
	barred     map[[32]byte]bool
	fresh      map[[32]byte]uuid.UUID // of applicants who are new
	last       int64                  // position in the source after this intake
	shares     *shares[T]
	rows       []Row
	ids        []string
}

func (e *Engine[T]) newIntake(n int) *intake[T] {
	return &intake[T]{engine: e, shares: e.newShares(""), nationals: make([]indexed, n), families: make([]indexed, n), barred: map[[32]byte]bool{},
		fresh: map[[32]byte]uuid.UUID{}, applicants: make(map[[32]byte]uuid.UUID, n), households: make(map[[32]byte]*household, n)}
}

func (in *intake[T]) look(ctx context.Context, people []Registration[T]) error {
	var keys, bars []Key
	former := map[[32]byte][32]byte{}
	add := func(x indexed) {
		keys = append(keys, x.keys()...)
		if x.former != "" {
			former[x.formerDigest] = x.digest
		}
	}
	for i, r := range people {
		if r.Fault != nil {
			continue
		}
		if national := r.Person.National.Reveal(); national != "" {
			in.nationals[i] = in.engine.indexed(indexNational, national)
			add(in.nationals[i])
			if mark := in.engine.barMark(national); mark != nil {
				bars = append(bars, Key{TableBars, []any{mark}})
			}
		}
		if family := r.Person.Family.Reveal(); family != "" {
			in.families[i] = in.engine.indexed(indexFamily, family)
			add(in.families[i])
		}
	}
	if len(in.engine.program.Sharing) > 0 {
		persons := make([]*Person, len(people))
		for i := range people {
			persons[i] = &people[i].Person
		}
		if err := in.shares.look(ctx, persons...); err != nil {
			return err
		}
	}
	rows, err := in.engine.store.Load(ctx, Query{Keys: append(keys, bars...)})
	if err != nil {
		return err
	}
	for _, row := range rows.Rows {
		if row.Table == TableBars {
			if barredNow(row, in.engine.clock()) {
				in.barred[[32]byte(bytesOf(row.Values[0]))] = true
			}
			continue
		}
		digest := [32]byte(bytesOf(row.Values[1]))
		if now, known := former[digest]; known {
			digest = now
		}
		if textOf(row.Values[0]) == indexNational {
			in.applicants[digest] = idOf(row.Values[2])
			continue
		}
		if in.households[digest] == nil {
			in.households[digest] = &household{id: idOf(row.Values[2])}
		}
		in.households[digest].found(row)
	}
	return nil
}

// follow takes over who comes in the chunk before.
func (in *intake[T]) follow(before *intake[T]) {
	in.shares.follow(before.shares)
	for i := range in.nationals {
		if id, ok := before.fresh[in.nationals[i].digest]; ok {
			in.applicants[in.nationals[i].digest] = id
		}
		if h := before.households[in.families[i].digest]; h != nil && h.touched {
			in.households[in.families[i].digest] = h.next()
		}
	}
}

func (in *intake[T]) known(i int) uuid.UUID { return in.applicants[in.nationals[i].digest] }

func (in *intake[T]) add(i int, r Registration[T]) (*Applicant[T], error) {
	if r.Fault != nil {
		return nil, r.Fault
	}
	if r.Person.National.Reveal() == "" {
		return nil, &RegistrationError{"National", "missing"}
	}
	if r.Person.Name.Reveal() == "" {
		return nil, &RegistrationError{"Name", "missing"}
	}
	if _, before := in.applicants[in.nationals[i].digest]; before {
		return nil, &RegistrationError{"National", "registered-before"}
	}
	e := in.engine
	if mark := e.barMark(r.Person.National.Reveal()); mark != nil && in.barred[[32]byte(mark)] {
		return nil, &RegistrationError{"National", "barred"}
	}
	now := e.clock().UTC()
	id, err := e.ids.next(now)
	if err != nil {
		return nil, err
	}
	a := Applicant[T]{ID: id, Person: r.Person, Details: r.Details, Evidence: r.Evidence, Registered: now, State: Registered}
	if a.Household, err = in.household(i); err != nil {
		return nil, err
	}
	keyRow, err := e.newKey(&a)
	if err != nil {
		return nil, err
	}
	row, err := e.applicantRow(&a)
	if err != nil {
		return nil, err
	}
	if err := in.shares.add(id, &r.Person); err != nil {
		return nil, err
	}
	in.applicants[in.nationals[i].digest], in.fresh[in.nationals[i].digest] = id, id
	in.rows = append(append(in.rows, row, keyRow), in.nationals[i].rows(id)...)
	in.ids = append(in.ids, shortID(id))
	return &a, nil
}

// household returns the id that the family identifier stands for, and makes
// one for a family that is seen for the first time.
func (in *intake[T]) household(i int) (uuid.UUID, error) {
	x := in.families[i]
	if x.kind == "" {
		return uuid.Nil, nil
	}
	h := in.households[x.digest]
	if h == nil {
		id, err := in.engine.ids.next(in.engine.clock())
		if err != nil {
			return uuid.Nil, err
		}
		h = &household{id: id, rows: x.rows(id)}
		in.households[x.digest] = h
	}
	in.rows = append(in.rows, h.touch()...)
	return h.id, nil
}

// sortIndex puts the rows of the index in the order of their digests, so that
// neighbours in the store are written together.
func (in *intake[T]) sortIndex() {
	slices.SortStableFunc(in.rows, func(a, b Row) int {
		if a.Table != TableIndex || b.Table != TableIndex {
			return cmp.Compare(a.Table, b.Table)
		}
		if c := strings.Compare(textOf(a.Values[0]), textOf(b.Values[0])); c != 0 {
			return c
		}
		return bytes.Compare(bytesOf(a.Values[1]), bytesOf(b.Values[1]))
	})
}
