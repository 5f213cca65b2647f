package eligibility

import (
	"fmt"

	"github.com/gelombang/gelombang/program/calendar"
)

// BlockSize is how many people a Block holds at most.
const BlockSize = 1024

const blockWords = BlockSize / 64

// Block holds up to BlockSize people in columns: for each fact of the schema what is
// known of it and its values, one person after the other. It does not say why a
// fact is unknown; for that ask a Plan about the one person.
//
// What is in a block does not depend on a date: one block serves plans of any day.
// Filling it costs more than deciding, so that it pays to keep it when several
// plans are asked. A block is filled by one goroutine, and may then be read by many.
type Block[E any] struct {
	schema  *Schema[E]
	inside  veil[columns]
	readers *readers[E]
	n       int
}

// columns are a block's facts, and room to read one person.
type columns struct {
	of  []column
	row Row
}

// column is one fact of the people of a block. Of its slices those are there that
// the fact's kind needs.
type column struct {
	about   *about
	known   [blockWords]uint64 // there is a value
	without [blockWords]uint64 // the fact does not apply
	yes     [blockWords]uint64 // of a bool
	n       []int64            // of numbers, amounts and sets of codes
	small   []int32            // of dates (their order) and codes (their position)
	on      []int32            // when the source was asked, if answers grow old
}

// NewBlock returns an empty block for the facts that the schema has now.
func NewBlock[E any](s *Schema[E]) *Block[E] {
	inside := &columns{of: make([]column, len(s.facts))}
	b := &Block[E]{schema: s, inside: veiled(inside)}
	inside.row.begin(s.known())
	which := make([]uint8, len(s.facts))
	for i := range s.facts {
		which[i] = uint8(i)
		c := &inside.of[i]
		c.about = &s.facts[i].about
		switch c.about.kind {
		case intKind, moneyKind, codesKind:
			c.n = make([]int64, BlockSize)
		case dateKind, codeKind:
			c.small = make([]int32, BlockSize)
		}
		if c.about.maxDays > 0 {
			c.on = make([]int32, BlockSize)
		}
	}
	b.readers = newReaders(s.facts, s.read, which, calendar.Date{})
	return b
}

// Format writes that there are facts, never what is known of them.
func (b Block[E]) Format(s fmt.State, _ rune) { printMask(s) }

// Len returns the number of people in the block.
func (b *Block[E]) Len() int { return b.n }

// Reset empties the block.
func (b *Block[E]) Reset() { b.n = 0 }

// Add reads the facts of a person into the block. It returns false, and does nothing,
// when the block is full. Nothing is known of a nil person.
func (b *Block[E]) Add(e *E) bool {
	if b.n >= BlockSize {
		return false
	}
	inside := b.inside.get()
	row := &inside.row
	if e == nil {
		row.forget()
	} else {
		b.readers.read(e, row)
	}
	for i := range inside.of {
		inside.of[i].put(b.n, row.cell(uint8(i)))
	}
	b.n++
	return true
}

func (c *column) put(row int, from cell) {
	word, bit := row/64%blockWords, uint64(1)<<(row%64)
	isKnown, without := bit&-uint64(from.state&known), bit&-uint64(from.state&notApplicable>>1)
	c.known[word] = c.known[word]&^bit | isKnown
	c.without[word] = c.without[word]&^bit | without
	switch {
	case c.n != nil:
		c.n[row] = from.n
	case c.small != nil:
		c.small[row] = int32(from.n)
	default:
		c.yes[word] = c.yes[word]&^bit | bit&-uint64(from.n&1)
	}
	if c.on != nil {
		c.on[row] = from.on
	}
}

// cell returns what a column says of one row, within the limits.
func (c *column) cell(row int, within limits) cell {
	word, bit := row/64%blockWords, row%64
	out := cell{state: state(c.known[word]>>bit&1 | c.without[word]>>bit&1<<1)}
	switch {
	case c.n != nil:
		out.n = c.n[row]
	case c.small != nil:
		out.n = int64(c.small[row])
	default:
		out.n = int64(c.yes[word] >> bit & 1)
	}
	if c.on != nil {
		out.on = c.on[row]
		out.expire(within.fresh)
	}
	out.bornBy(within.latest)
	return out
}

// Population puts people into as many blocks as they need.
func Population[E any](s *Schema[E], people []E) []*Block[E] {
	var blocks []*Block[E]
	for i := range people {
		if i%BlockSize == 0 {
			blocks = append(blocks, NewBlock(s))
		}
		blocks[len(blocks)-1].Add(&people[i])
	}
	return blocks
}
