package program

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// RotateKeys puts every person under the keys that the keyring uses now, as a job: the
// person's key is wrapped anew and the person can be found by the new digests. People's
// data is not touched. The steps of a rotation, in order:
//
//  1. every process gets a keyring with the new master key, and the one before as
//     Secrets.Former: it writes and finds under both;
//  2. RotateKeys;
//  3. every process gets a keyring without the former key;
//  4. RetireKeys, which deletes the digests under other keys.
//
// The counts are "rotated", and "erased" for people of whom there is nothing left.
func (e *Engine[T]) RotateKeys(ctx context.Context, by By, job string) (Counts, error) {
	return e.runParts(ctx, by, job, "rotate", e.keys.Name(), &Scan{Table: TableApplicants}, func(ctx context.Context, ask ask) (chunk, error) {
		rows, next, err := e.store.Page(ctx, Scan{Table: TableApplicants, After: ask.after, Through: ask.until, Limit: ask.limit})
		if err != nil {
			return chunk{}, err
		}
		out := chunk{kind: "keys.rotated", next: next, last: next == nil, counts: Counts{doneCount: int64(len(rows.Rows))}}
		ids := make([]uuid.UUID, 0, len(rows.Rows))
		for _, row := range rows.Rows {
			if ApplicantState(textOf(row.Values[1])) == Erased {
				out.counts["erased"]++
				continue
			}
			ids = append(ids, idOf(row.Values[0]))
		}
		if err := e.rotate(ctx, ids, &out); err != nil {
			return chunk{}, err
		}
		out.data = map[string]any{"under": e.keys.Name(), "people": out.counts["rotated"]}
		sorted(out.rows)
		return out, nil
	})
}

// rotate adds what is written to put people under the present keys.
func (e *Engine[T]) rotate(ctx context.Context, ids []uuid.UUID, out *chunk) error {
	people, err := e.people(ctx, ids)
	if err != nil {
		return err
	}
	keys := make([]Key, len(ids))
	var digests []Key
	owned := map[string]Row{}
	for i, id := range ids {
		keys[i] = Key{TablePersonKeys, []any{idValue(id)}}
		for _, x := range e.indexesOf(people[id]) {
			digests = append(digests, Key{TableIndex, []any{x.kind, append([]byte(nil), x.digest[:]...)}})
			owned[x.kind+string(x.digest[:])] = indexRow(x.kind, x.digest, x.owner, x.name)
		}
	}
	found, err := e.store.Load(ctx, Query{Keys: append(keys, digests...)})
	if err != nil {
		return err
	}
	for _, row := range found.Rows {
		if row.Table == TableIndex {
			delete(owned, textOf(row.Values[0])+string(bytesOf(row.Values[1])))
			continue
		}
		id := idOf(row.Values[0])
		if textOf(row.Values[2]) == e.keys.Name() {
			continue
		}
		key, err := e.keys.Unwrap(id, bytesOf(row.Values[1]))
		if err != nil {
			return fmt.Errorf("applicant %s: %w", id, err)
		}
		wrapped, err := e.keys.Wrap(id, key)
		if err != nil {
			return err
		}
		out.rows = append(out.rows, Row{Table: TablePersonKeys, Version: row.Version, Values: []any{row.Values[0], wrapped, e.keys.Name()}})
		out.counts["rotated"]++
	}
	for _, name := range sortedKeys(owned) {
		out.rows = append(out.rows, owned[name])
	}
	return nil
}

// ownedIndex is a digest with whom it stands for.
type ownedIndex struct {
	indexed
	owner uuid.UUID
}

// indexesOf lists the digests by which a person and the household are found.
func (e *Engine[T]) indexesOf(a *Applicant[T]) []ownedIndex {
	all := []ownedIndex{{e.indexed(indexNational, a.Person.National.Reveal()), a.ID}}
	if family := a.Person.Family.Reveal(); family != "" && a.Household != uuid.Nil {
		all = append(all, ownedIndex{e.indexed(indexFamily, family), a.Household})
	}
	return all
}

// RetireKeys deletes the digests under keys that are no longer used, as a job: the last
// step of a rotation. The error is a *StateError while the keyring still knows former
// keys, or while somebody's key is wrapped with them.
func (e *Engine[T]) RetireKeys(ctx context.Context, by By, job string) (Counts, error) {
	if former, _ := e.keys.Former(indexNational, ""); former != "" {
		return nil, &StateError{What: "the rotation of keys", State: "under way", Event: "retire"}
	}
	scan := Scan{Table: TablePersonKeys, Limit: e.chunk}
	for {
		rows, next, err := e.store.Page(ctx, scan)
		if err != nil {
			return nil, err
		}
		for _, row := range rows.Rows {
			if textOf(row.Values[2]) != e.keys.Name() {
				return nil, &StateError{What: "applicant " + idOf(row.Values[0]).String(), State: "under former keys", Event: "retire"}
			}
		}
		if next == nil {
			break
		}
		scan.After = next
	}
	return e.runParts(ctx, by, job, "retire", e.keys.Name(), &Scan{Table: TableIndex}, func(ctx context.Context, ask ask) (chunk, error) {
		rows, next, err := e.store.Page(ctx, Scan{Table: TableIndex, After: ask.after, Through: ask.until, Limit: ask.limit})
		if err != nil {
			return chunk{}, err
		}
		out := chunk{kind: "keys.retired", next: next, last: next == nil, counts: Counts{doneCount: int64(len(rows.Rows))}}
		for _, row := range rows.Rows {
			if under := textOf(row.Values[3]); under != e.keys.Name() && under != underMarks {
				row.Gone = true
				out.rows = append(out.rows, row)
				out.counts["retired"]++
			}
		}
		out.data = map[string]any{"under": e.keys.Name(), "digests": out.counts["retired"]}
		return out, nil
	})
}
