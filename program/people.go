package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"

	"github.com/google/uuid"
)

// Applicant reads an applicant. The error is ErrNotFound if there is none, and
// ErrSealed if the stored data was tampered with.
func (e *Engine[T]) Applicant(ctx context.Context, id uuid.UUID) (Applicant[T], error) {
	people, err := e.people(ctx, []uuid.UUID{id})
	if err != nil {
		return Applicant[T]{}, err
	}
	a, ok := people[id]
	if !ok {
		return Applicant[T]{}, fmt.Errorf("applicant %s: %w", id, ErrNotFound)
	}
	return *a, nil
}

// people reads and opens applicants: many of them in two halves at once.
func (e *Engine[T]) people(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*Applicant[T], error) {
	if len(ids) < 500 {
		return e.somePeople(ctx, ids)
	}
	var first, second map[uuid.UUID]*Applicant[T]
	err := both(
		func() (err error) { first, err = e.somePeople(ctx, ids[:len(ids)/2]); return err },
		func() (err error) { second, err = e.somePeople(ctx, ids[len(ids)/2:]); return err },
	)
	if err == nil {
		maps.Copy(first, second)
	}
	return first, err
}

// both does two things at once and waits for both.
func both(one, other func() error) error {
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = other()
	}()
	first := one()
	<-done
	return errors.Join(first, err)
}

func (e *Engine[T]) somePeople(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*Applicant[T], error) {
	keys := make([]Key, 0, 2*len(ids))
	for _, id := range ids {
		keys = append(keys, Key{TableApplicants, []any{idValue(id)}})
	}
	for _, id := range ids {
		keys = append(keys, Key{TablePersonKeys, []any{idValue(id)}})
	}
	rows, err := e.store.Load(ctx, Query{Keys: keys})
	if err != nil {
		return nil, err
	}
	people := make(map[uuid.UUID]*Applicant[T], len(ids))
	for _, row := range rows.Rows {
		if row.Table == TableApplicants {
			people[idOf(row.Values[0])] = &Applicant[T]{ID: idOf(row.Values[0]), State: ApplicantState(textOf(row.Values[1])),
				Registered: moment(row.Values[2]), Household: idOf(row.Values[3]), sealed: bytesOf(row.Values[4]), version: row.Version}
		}
	}
	for _, row := range rows.Rows {
		if row.Table != TablePersonKeys {
			continue
		}
		if a := people[idOf(row.Values[0])]; a != nil && a.State != Erased {
			if err := e.open(a, bytesOf(row.Values[1])); err != nil {
				return nil, fmt.Errorf("applicant %s: %w", a.ID, err)
			}
		}
	}
	return people, nil
}

// open unseals what was read of an applicant.
func (e *Engine[T]) open(a *Applicant[T], wrapped []byte) error {
	key, err := e.keys.Unwrap(a.ID, wrapped)
	if err != nil {
		return err
	}
	a.key = key
	if a.aead, err = newAEAD(key); err != nil {
		return err
	}
	plain, err := unseal(a.aead, a.sealed, boundTo(a.ID, "applicant"))
	if err != nil {
		return err
	}
	return a.decode(plain)
}

// boundTo is what sealed data is bound to: the person and the column.
func boundTo(id uuid.UUID, column string) []byte {
	return append(append(make([]byte, 0, len(id)+len(column)), id[:]...), column...)
}

// applicantRow seals the applicant anew.
func (e *Engine[T]) applicantRow(a *Applicant[T]) (Row, error) {
	if a.aead == nil {
		return Row{}, fmt.Errorf("program: applicant %s was not opened and cannot be written", a.ID)
	}
	plain, err := a.encode()
	if err != nil {
		return Row{}, err
	}
	sealed, err := seal(a.aead, e.random, plain, boundTo(a.ID, "applicant"))
	if err != nil {
		return Row{}, err
	}
	return Row{Table: TableApplicants, Version: a.version, Values: []any{
		idValue(a.ID), string(a.State), a.Registered.UnixMicro(), idValue(a.Household), sealed,
	}}, nil
}

// newKey gives a new applicant a key, and returns the row that keeps it.
func (e *Engine[T]) newKey(a *Applicant[T]) (Row, error) {
	key := make([]byte, 32)
	if _, err := io.ReadFull(e.random, key); err != nil {
		return Row{}, fmt.Errorf("program: randomness: %w", err)
	}
	wrapped, err := e.keys.Wrap(a.ID, key)
	if err != nil {
		return Row{}, err
	}
	a.key = key
	if a.aead, err = newAEAD(key); err != nil {
		return Row{}, err
	}
	return Row{Table: TablePersonKeys, Values: []any{idValue(a.ID), wrapped, e.keys.Name()}}, nil
}
