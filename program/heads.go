package program

import (
	"math"

	"github.com/gelombang/gelombang/payment"
)

// number is which part of a benefit a case is entitled to: the report's number, or the
// heads that it counts for.
func (p *Program[T]) number(b payment.Benefit, c *Case[T]) int {
	if b.Kind != payment.HeadKind {
		return c.Report.Number
	}
	return int(min(p.Heads[b.Name](c), math.MaxInt32))
}

// headFaults: every benefit per head says how they are counted, and no other does.
func (p *Program[T]) headFaults(add func(field, rule string, args ...any)) {
	for _, b := range p.Benefits {
		if b.Kind == payment.HeadKind && p.Heads[b.Name] == nil {
			add("Heads."+b.Name, "is missing: the benefit is for each head")
		}
	}
	for _, name := range sortedKeys(p.Heads) {
		if b, known := p.Benefits.Find(name); !known || b.Kind != payment.HeadKind {
			add("Heads."+name, "is of no benefit per head")
		}
	}
}
