package program

import (
	"context"
	"slices"

	"github.com/google/uuid"
)

// This file keeps the digest by which a household is found from its first member to its
// last. Whoever comes to a household or leaves it writes the rows of the digest: of two
// who decide on them at once the second decides again, and nobody comes to a household
// whose digest goes.

// household is a household to which somebody comes.
type household struct {
	id      uuid.UUID
	rows    []Row // by which it is found
	touched bool  // they are written
}

// found adds a row by which it is found. A row that several asked for comes several times.
func (h *household) found(row Row) {
	if !slices.ContainsFunc(h.rows, func(r Row) bool { return same(r.Values[1], row.Values[1]) }) {
		h.rows = append(h.rows, row)
	}
}

// touch returns the rows to write, once.
func (h *household) touch() []Row {
	if h.touched {
		return nil
	}
	h.touched = true
	return h.rows
}

// next is the household as it will be once what is written was applied.
func (h *household) next() *household {
	n := &household{id: h.id, rows: slices.Clone(h.rows)}
	for i := range n.rows {
		n.rows[i].Version++
	}
	return n
}

// departures gathers who leaves households together.
type departures[T any] struct {
	engine *Engine[T]
	left   map[uuid.UUID]int
	found  map[uuid.UUID][]Row
}

func (e *Engine[T]) newDepartures() departures[T] {
	return departures[T]{engine: e, left: map[uuid.UUID]int{}, found: map[uuid.UUID][]Row{}}
}

// leave takes one member away. The rows by which the household is found were read before
// its members are counted here.
func (d *departures[T]) leave(ctx context.Context, household uuid.UUID, rows []Row) error {
	d.left[household]++
	left := d.left[household]
	members, _, err := d.engine.store.Page(ctx, Scan{Table: TableApplicants, Index: 1, Equal: []any{idValue(household)}, Limit: left + 1})
	for i := range rows {
		rows[i].Gone = len(members.Rows) <= left
	}
	d.found[household] = rows
	return err
}

// rows are what is written for all who leave.
func (d *departures[T]) rows() []Row {
	var all []Row
	for _, rows := range d.found {
		all = append(all, rows...)
	}
	return all
}
