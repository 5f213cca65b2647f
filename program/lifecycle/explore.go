package lifecycle

import (
	"iter"
	"slices"
)

// Path is a way from the start state, row by row. Guards are not asked: every
// row of the table that starts where the one before ended may follow.
type Path[S, E ~string] []*Row[S, E]

// Paths yields every path from the start state of up to the given number of
// moves, the empty one first and shorter ones before longer ones that begin with
// them. Their number grows quickly with the bound. A test can drive a real system
// along them. The path is used again for the next one: clone it to keep it.
func (m *Machine[S, E, C]) Paths(bound int) iter.Seq[Path[S, E]] {
	return func(yield func(Path[S, E]) bool) {
		m.walk(m.states.at(m.table.Start), bound, nil, yield)
	}
}

func (m *Machine[S, E, C]) walk(state, bound int, path Path[S, E], yield func(Path[S, E]) bool) bool {
	if !yield(path) {
		return false
	}
	if len(path) >= bound {
		return true
	}
	for row := range m.rowsFrom(state) {
		if !m.walk(m.states.at(row.To), bound, append(path, row), yield) {
			return false
		}
	}
	return true
}

// Rows yields the rows of the table that start from a state, alternatives in
// their order; none for a state that is not in the table.
func (m *Machine[S, E, C]) Rows(state S) iter.Seq[*Row[S, E]] {
	i := m.states.at(state)
	if i < 0 {
		return func(func(*Row[S, E]) bool) {}
	}
	return m.rowsFrom(i)
}

func (m *Machine[S, E, C]) rowsFrom(state int) iter.Seq[*Row[S, E]] {
	return func(yield func(*Row[S, E]) bool) {
		for _, v := range m.cells[state*m.width : (state+1)*m.width] {
			for ; v != nil; v = v.next {
				if !yield(&v.row) {
					return
				}
			}
		}
	}
}

// Counterexample is a path that breaks an invariant.
type Counterexample[S, E ~string] struct {
	Path Path[S, E]
	Err  error
}

// Exploration is how far Explore came.
type Exploration[S, E ~string] struct {
	// Counterexample is a shortest one; nil if the invariant holds.
	Counterexample *Counterexample[S, E]
	// Seen is the number of pairs of a state and a memory that were reached,
	// and Depth the longest of the shortest paths to them.
	Seen, Depth int
	// Complete says that nothing lies beyond the bound.
	Complete bool
}

// Explore holds an invariant on everything that can happen in a table. A memory
// M says what matters of the past, such as how many seats are held: after returns
// the memory after a row, or an error if the row breaks the invariant. Each pair
// of state and memory is looked at once, shortest paths first, so cycles do no
// harm; the bound, in moves, is for memories that never repeat.
func Explore[S, E ~string, C any, M comparable](m *Machine[S, E, C], begin M, after func(M, *Row[S, E]) (M, error), bound int) Exploration[S, E] {
	type point struct {
		state  int
		memory M
	}
	type visit struct {
		point
		row   *Row[S, E]
		from  int
		depth int
	}
	visits := []visit{{point: point{m.states.at(m.table.Start), begin}, from: -1}}
	seen := map[point]bool{visits[0].point: true}
	path := func(i int) Path[S, E] {
		var p Path[S, E]
		for ; visits[i].row != nil; i = visits[i].from {
			p = append(p, visits[i].row)
		}
		slices.Reverse(p)
		return p
	}
	found := Exploration[S, E]{Complete: true}
	for i := 0; i < len(visits); i++ {
		v := visits[i]
		found.Depth = v.depth
		for row := range m.rowsFrom(v.state) {
			if v.depth >= bound {
				found.Complete = false
				break
			}
			memory, err := after(v.memory, row)
			if err != nil {
				found.Seen = len(visits)
				found.Counterexample = &Counterexample[S, E]{Path: append(path(i), row), Err: err}
				return found
			}
			next := point{m.states.at(row.To), memory}
			if !seen[next] {
				seen[next] = true
				visits = append(visits, visit{next, row, i, v.depth + 1})
			}
		}
	}
	found.Seen = len(visits)
	return found
}
