package ledger

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// FormatLegs writes legs as a store keeps them, a line each: account, amount, minimum
// and maximum in decimal, with tabs between.
func FormatLegs(legs []Leg) []byte {
	b := make([]byte, 0, len(legs)*48)
	for _, l := range legs {
		b = append(b, l.Account...)
		for _, n := range []int64{l.Amount, l.Bounds.Min, l.Bounds.Max} {
			b = append(b, '\t')
			b = strconv.AppendInt(b, n, 10)
		}
		b = append(b, '\n')
	}
	return b
}

// ParseLegs reads what FormatLegs wrote. The error is a *FormatError.
func ParseLegs(b []byte) ([]Leg, error) {
	var legs []Leg
	for line := range bytes.Lines(b) {
		parts := strings.Split(strings.TrimSuffix(string(line), "\n"), "\t")
		if len(parts) != 4 {
			return nil, &FormatError{Line: len(legs) + 1, Rule: "has four fields"}
		}
		var n [3]int64
		for i := range n {
			var err error
			if n[i], err = strconv.ParseInt(parts[i+1], 10, 64); err != nil {
				return nil, &FormatError{Line: len(legs) + 1, Rule: "has three whole numbers"}
			}
		}
		legs = append(legs, Leg{Account: Account(parts[0]), Amount: n[0], Bounds: Bounds{Min: n[1], Max: n[2]}})
	}
	return legs, nil
}

// FormatError says which line of stored legs, from 1, breaks which rule.
type FormatError struct {
	Line int
	Rule string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("ledger: stored legs: line %d %s", e.Line, e.Rule)
}

// Sums adds postings up, in any order: what was posted to each account. It is how a
// trial balance is made from the postings alone. The zero Sums is ready.
type Sums struct {
	posted  map[Account]int64
	pending map[string][]Leg
	waiting map[string]bool
}

// Add adds one posting. A pending one counts when its Post is added, before or after
// it. The error is an *InvalidError: legs that do not balance, or a sum that does not
// fit.
func (s *Sums) Add(p Posting) error {
	if s.posted == nil {
		s.posted, s.pending, s.waiting = map[Account]int64{}, map[string][]Leg{}, map[string]bool{}
	}
	if err := p.Validate(); err != nil {
		return err
	}
	switch p.Kind {
	case Direct:
		return s.sum(p.ID, p.Legs)
	case Pending:
		if s.waiting[p.ID] {
			delete(s.waiting, p.ID)
			return s.sum(p.ID, p.Legs)
		}
		s.pending[p.ID] = p.Legs
	case Post:
		legs, known := s.pending[p.Of]
		if !known {
			s.waiting[p.Of] = true
			return nil
		}
		delete(s.pending, p.Of)
		return s.sum(p.ID, legs)
	}
	return nil
}

func (s *Sums) sum(id string, legs []Leg) error {
	for _, l := range legs {
		if overflows(s.posted[l.Account], l.Amount) {
			return &InvalidError{Posting: id, Rule: "does not fit the sum of its account"}
		}
		s.posted[l.Account] += l.Amount
	}
	return nil
}

// Each gives every account with what was posted to it, in no order.
func (s *Sums) Each(yield func(Account, int64) bool) {
	for a, n := range s.posted {
		if !yield(a, n) {
			return
		}
	}
}
