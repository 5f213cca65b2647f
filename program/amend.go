package program

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Correction says what is wrong in a registration, and how it is right.
type Correction[T any] struct {
	// Correct changes the person, the details, or both. It may be called again if somebody
	// else was first.
	Correct func(*Person, *T)
	// Reason says why, without a personal value: "name as on the identity card".
	Reason string
}

// Amendment is a correction as it is kept: sealed with the person's key.
type Amendment struct {
	At     time.Time
	Actor  string
	Reason string
	// Fields names what was corrected: "Person.Name", "Details".
	Fields []string
	// Old and New hold the values of the fields, as JSON, for those who may see them.
	Old, New map[string]string
}

// Format keeps the values of an amendment out of every print.
func (a Amendment) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "Amendment(%s)", strings.Join(a.Fields, ", "))
}

// MarshalJSON writes the names of the fields only.
func (a Amendment) MarshalJSON() ([]byte, error) { return json.Marshal(a.Fields) }

// Amend corrects what is known of an applicant. What was there before is kept beside it,
// with who changed it and why; decisions that were made stay as they are. A national
// identifier that another registration has is a *RegistrationError; so is one that
// becomes empty. A correction that changes nothing is a *FieldError.
//
// Under its key a correction is known by the applicant and the reason: given again it is
// answered without a look at Correct, whatever was corrected since.
//
// Payout accounts have rules of their own and cannot be corrected so.
func (e *Engine[T]) Amend(ctx context.Context, by By, applicant uuid.UUID, correction Correction[T]) error {
	if correction.Reason == "" {
		return &FieldError{"Reason", "is missing"}
	}
	cmd := command{by, "amend", []any{applicant, correction.Reason}}
	for {
		if done, err := e.answered(ctx, cmd); done || err != nil {
			return err
		}
		a, err := e.Applicant(ctx, applicant)
		if err != nil {
			return err
		}
		if a.State == Erased {
			return &StateError{What: "applicant " + applicant.String(), State: string(Erased), Event: "amend"}
		}
		fixed, err := e.Applicant(ctx, applicant) // not a copy: details may share memory
		if err != nil {
			return err
		}
		correction.Correct(&fixed.Person, &fixed.Details)
		old, err := amendable(&a)
		if err != nil {
			return err
		}
		now, err := amendable(&fixed)
		if err != nil {
			return err
		}
		amendment := Amendment{At: e.clock().UTC(), Actor: by.Actor, Reason: correction.Reason, Old: map[string]string{}, New: map[string]string{}}
		for _, field := range sortedKeys(old) {
			if old[field] != now[field] {
				amendment.Fields = append(amendment.Fields, field)
				amendment.Old[field], amendment.New[field] = old[field], now[field]
			}
		}
		if len(amendment.Fields) == 0 {
			return &FieldError{"Correct", "changes nothing"}
		}
		if !reflect.DeepEqual(a.Person.Payout, fixed.Person.Payout) {
			return &FieldError{"Person.Payout", "is not corrected so: report the account with an event of the case"}
		}
		stale, err := e.amend(ctx, cmd, &a, &fixed, &amendment)
		if !stale {
			return err
		}
	}
}

// amendable writes the fields that can be corrected.
func amendable[T any](a *Applicant[T]) (map[string]string, error) {
	details, err := json.Marshal(a.Details)
	p := &a.Person
	return map[string]string{
		"Person.Name": p.Name.Reveal(), "Person.National": p.National.Reveal(), "Person.Family": p.Family.Reveal(),
		"Person.Birth": p.Birth.String(), "Person.Phone": p.Phone.Reveal(), "Person.Device": p.Device.Reveal(), "Details": string(details),
	}, err
}

func (e *Engine[T]) amend(ctx context.Context, cmd command, a, fixed *Applicant[T], amendment *Amendment) (stale bool, err error) {
	rows, err := e.reindexed(ctx, a, fixed)
	if err != nil {
		return false, err
	}
	moved := e.newShares(cmd.Actor)
	if err := moved.changed(ctx, a.ID, &a.Person, &fixed.Person); err != nil {
		return false, err
	}
	rows = append(rows, moved.rows...)
	row, err := e.applicantRow(fixed)
	if err != nil {
		return false, err
	}
	before, err := e.Amendments(ctx, a.ID)
	if err != nil {
		return false, err
	}
	number := int64(len(before) + 1)
	plain, err := json.Marshal([]map[string]string{amendment.Old, amendment.New})
	if err != nil {
		return false, err
	}
	sealed, err := seal(a.aead, e.random, plain, amendmentBound(a.ID, number))
	if err != nil {
		return false, err
	}
	rows = append(rows, row, Row{Table: TableAmendments, Values: []any{idValue(a.ID), number, amendment.At.UnixMicro(), amendment.Actor,
		amendment.Reason, strings.Join(amendment.Fields, ","), sealed}})
	change := Change{Home: a.ID, Rows: sorted(rows), Postings: moved.posts.posting()}
	if len(change.Postings) > 0 {
		id, err := e.ids.next(amendment.At)
		if err != nil {
			return false, err
		}
		change.Postings[0].ID = "amend/" + id.String()
	}
	_, err = e.carryOut(ctx, cmd, change, "amended",
		map[string]any{"applicants": []string{shortID(a.ID)}, "fields": amendment.Fields, "reason": amendment.Reason})
	var changed *StaleError
	return errors.As(err, &changed), e.refusal(err)
}

func amendmentBound(id uuid.UUID, number int64) []byte {
	return boundTo(id, fmt.Sprintf("amendment/%d", number))
}

// reindexed moves the digests by which a person is found, and the household.
func (e *Engine[T]) reindexed(ctx context.Context, a, fixed *Applicant[T]) ([]Row, error) {
	was, is := a.Person.National.Reveal(), fixed.Person.National.Reveal()
	sameFamily := a.Person.Family.Reveal() == fixed.Person.Family.Reveal()
	switch {
	case is == "":
		return nil, &RegistrationError{"National", "missing"}
	case fixed.Person.Name.IsZero():
		return nil, &RegistrationError{"Name", "missing"}
	}
	in := e.newIntake(1)
	if err := in.look(ctx, []Registration[T]{{Person: fixed.Person}}); err != nil {
		return nil, err
	}
	if was != is {
		if in.known(0) != uuid.Nil {
			return nil, &RegistrationError{"National", "registered-before"}
		}
		if mark := e.barMark(is); mark != nil && in.barred[[32]byte(mark)] {
			return nil, &RegistrationError{"National", "barred"}
		}
		old := e.indexed(indexNational, was)
		found, err := e.store.Load(ctx, Query{Keys: old.keys()})
		if err != nil {
			return nil, err
		}
		for _, row := range found.Rows {
			row.Gone = true
			in.rows = append(in.rows, row)
		}
		in.rows = append(in.rows, in.nationals[0].rows(a.ID)...)
	}
	if sameFamily {
		return in.rows, nil
	}
	var err error
	if fixed.Household, err = in.household(0); err != nil {
		return nil, err
	}
	left, err := e.leftFamily(ctx, a)
	return append(in.rows, left...), err
}

// leftFamily is what is written where somebody leaves a household.
func (e *Engine[T]) leftFamily(ctx context.Context, a *Applicant[T]) ([]Row, error) {
	family := a.Person.Family.Reveal()
	if family == "" || a.Household == uuid.Nil {
		return nil, nil
	}
	old := e.indexed(indexFamily, family)
	found, err := e.store.Load(ctx, Query{Keys: old.keys()})
	if err != nil {
		return nil, err
	}
	leaving := e.newDepartures()
	err = leaving.leave(ctx, a.Household, found.Rows)
	return leaving.rows(), err
}

// Amendments reads the corrections of an applicant, oldest first. Of somebody who was
// erased the values are gone: Old and New are nil.
func (e *Engine[T]) Amendments(ctx context.Context, applicant uuid.UUID) ([]Amendment, error) {
	people, err := e.people(ctx, []uuid.UUID{applicant})
	if err != nil {
		return nil, err
	}
	a := people[applicant]
	if a == nil {
		return nil, fmt.Errorf("applicant %s: %w", applicant, ErrNotFound)
	}
	var all []Amendment
	scan := Scan{Table: TableAmendments, Equal: []any{idValue(applicant)}, Limit: 100}
	for {
		rows, next, err := e.store.Page(ctx, scan)
		if err != nil {
			return nil, err
		}
		for _, row := range rows.Rows {
			v := row.Values
			m := Amendment{At: moment(v[2]), Actor: textOf(v[3]), Reason: textOf(v[4]), Fields: strings.Split(textOf(v[5]), ",")}
			if a.aead != nil {
				plain, err := unseal(a.aead, bytesOf(v[6]), amendmentBound(applicant, intOf(v[1])))
				if err != nil {
					return nil, err
				}
				values := []*map[string]string{&m.Old, &m.New}
				if err := json.Unmarshal(plain, &values); err != nil {
					return nil, errors.New("program: a kept amendment cannot be read")
				}
			}
			all = append(all, m)
		}
		if next == nil {
			return all, nil
		}
		scan.After = next
	}
}
