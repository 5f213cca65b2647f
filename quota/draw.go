package quota

import (
	"fmt"
	"io"
)

// DrawOptions are the optional arguments of a draw.
type DrawOptions struct {
	// Removals are people on the roll who may not be drawn any more. They are
	// published with their reasons, and move nobody else. A label that is not on
	// the roll is an error.
	Removals []Removal
}

// Removal takes one person out of a draw after the roll was frozen.
type Removal struct {
	Label Label `json:"label"`
	// Reason is one line of text, as published: a rule, never a person.
	Reason string `json:"reason"`
}

// Draw checks that plan, roll and seed are those of the manifest, and selects.
// The roll must have been made for this plan. What it needs in memory beyond the
// roll grows with the seats and waiting places of a lottery of at most 64 tiers; by
// score, by arrival or with more tiers it is 36 bytes for each candidate. Errors:
// Faults.
func Draw(p *Plan, r *Roll, m *Manifest, s *Seed, opts *DrawOptions) (*Result, error) {
	keys, removed, err := ready(p, m, s, opts)
	if err != nil {
		return nil, err
	}
	if err := m.fits(&r.marks); err != nil {
		return nil, err
	}
	for label := range removed {
		if _, found := r.find(label); !found {
			return nil, errNotOnRoll
		}
	}
	return sel(p, r, keys, removed)
}

var errNotOnRoll = Faults{{"removals", "a label is not on the roll"}}

// Select ranks the roll and applies the plan. The plan must be valid, and the
// roll made for it. Use Draw for a draw that anyone shall check: Select alone
// takes any keys.
func Select(p *Plan, r *Roll, keys *Keys) *Result {
	result, _ := sel(p, r, keys, nil) // a roll in memory reads without errors
	return result
}

func sel(p *Plan, r *Roll, keys *Keys, removed map[Label]bool) (*Result, error) {
	s, err := newOrder(p, r.candidates, keys, removed).run(r.scan)
	if err != nil {
		return nil, err
	}
	result := s.result()
	result.roll, result.draw = r, s
	return result, nil
}

func (r *Roll) scan(visit func(at uint32, c *Candidate) error) error {
	for i := range r.candidates {
		if err := visit(uint32(i), &r.candidates[i]); err != nil {
			return err
		}
	}
	return nil
}

// DrawStream is Draw for a roll that is not held in memory. It opens roll.tsv
// several times, reads it as a stream, and calls each for every candidate in
// the order of the roll; they count only if it ends without an error. The result
// has no outcomes. What it keeps in memory
// grows with the seats and waiting places of a lottery of at most 64 tiers, not
// with the roll; for other plans it keeps all candidates without their
// commitments. It does not hold Held of the lines of one household against each
// other: making and verifying a roll do. Errors: as Draw, *RollError, and those
// of open, of reading and of each.
func DrawStream(p *Plan, m *Manifest, s *Seed, open func() (io.ReadCloser, error), each func(*Candidate, Outcome) error, opts *DrawOptions) (*Result, error) {
	keys, removed, err := ready(p, m, s, opts)
	if err != nil {
		return nil, err
	}
	first := true
	read := func(visit func(at uint32, c *Candidate) error) error {
		found := 0
		marks, err := readStream(p, open, first, func(at uint32, c *Candidate) error {
			if removed[c.Label] {
				found++
			}
			return visit(at, c)
		})
		if err == nil && !first {
			marks.tree = m.Tree
		}
		first = false
		if err != nil {
			return err
		}
		if found != len(removed) {
			return errNotOnRoll
		}
		return m.fits(&marks)
	}
	done, err := newOrder(p, nil, keys, removed).run(read)
	if err != nil {
		return nil, err
	}
	if err := done.each(read, each); err != nil {
		return nil, err
	}
	return done.result(), nil
}

// scan visits the candidates of a roll in its order, as often as it is called.
type scan func(visit func(at uint32, c *Candidate) error) error

func readStream(p *Plan, open func() (io.ReadCloser, error), withTree bool, visit func(at uint32, c *Candidate) error) (rollMarks, error) {
	f, err := open()
	if err != nil {
		return rollMarks{}, err
	}
	defer f.Close()
	in := NewRollReader(f, p)
	in.check.loose, in.tree = true, &tree{}
	lines := in.tree
	if !withTree {
		in.tree = nil
	}
	var c Candidate
	for at := uint32(0); ; at++ {
		err := in.Next(&c)
		if err == io.EOF {
			in.tree = lines
			return in.marks()
		}
		if err != nil {
			return rollMarks{}, err
		}
		if err := visit(at, &c); err != nil {
			return rollMarks{}, err
		}
	}
}

// ready checks what a draw needs before it reads the roll.
func ready(p *Plan, m *Manifest, s *Seed, opts *DrawOptions) (*Keys, map[Label]bool, error) {
	if err := p.Validate(); err != nil {
		return nil, nil, err
	}
	if err := m.Validate(); err != nil {
		return nil, nil, err
	}
	if digest, err := p.Digest(); err != nil {
		return nil, nil, err
	} else if digest != m.Plan {
		return nil, nil, Faults{{"manifest.plan", "is not the digest of the plan"}}
	}
	if err := m.meets(p); err != nil {
		return nil, nil, err
	}
	keys, err := m.keys(s)
	if err != nil || opts == nil {
		return keys, nil, err
	}
	removed, err := removals(opts.Removals)
	return keys, removed, err
}

func removals(all []Removal) (map[Label]bool, error) {
	var f Faults
	removed := make(map[Label]bool, len(all))
	for i, r := range all {
		field := fmt.Sprintf("removals[%d]", i)
		if removed[r.Label] {
			f.add(field, "label removed twice")
		}
		if r.Reason == "" || !validText(r.Reason) {
			f.add(field, "reason must be one line of text")
		}
		removed[r.Label] = true
	}
	return removed, f.err()
}

// fits holds a roll against what the manifest says of it.
func (m *Manifest) fits(r *rollMarks) error {
	var f Faults
	if r.plan != m.Plan {
		f.add("roll", "was made for another plan")
	}
	if r.digest != m.Roll || r.count != m.Count || r.tree != m.Tree {
		f.add("manifest.roll", "is not the digest, the tree or the count of the roll")
	}
	return f.err()
}
