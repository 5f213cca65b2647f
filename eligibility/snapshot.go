package eligibility

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strconv"
)

// snapshotVersion is the first byte of a snapshot. After it come eight bytes that
// name the facts, and then each fact that the plan reads, in the order of the
// schema: a byte with its state (bits 0 and 1), the cause (2 and 3) and what a
// truth value is (4), and where there is a value, the value: a varint for numbers,
// amounts and dates, a length and a text for a code, their number before that for
// a set. Last comes the day on which the source was asked, if its answers grow old.
const snapshotVersion = 1

// AppendFacts appends a snapshot of what the decision was made on: what was known of
// each fact that its plan reads, and nothing else. Plan.DecideFacts decides from it
// again. Of an answer that was too old no value is kept. It is personal data: seal it
// before it is stored, and never log it.
//
// The same facts always give the same bytes. A zero Decision has no snapshot: b is
// returned as it is.
func (d *Decision) AppendFacts(b []byte) []byte {
	if d.plan == nil {
		return b
	}
	b = append(b, snapshotVersion)
	b = append(b, d.plan.named[:]...)
	for _, i := range d.plan.reads {
		if f := &d.plan.facts.facts[i]; f.kind != goKind {
			b = f.appendCell(b, d.row.get().cell(i))
		}
	}
	return b
}

func (a *about) appendCell(b []byte, c cell) []byte {
	head := c.state
	if c.state == known && a.kind == boolKind {
		head |= state(c.n&1) * truth
	}
	b = append(b, byte(head))
	if c.state.unknown() {
		return b
	}
	if c.state == known {
		b = a.appendValue(b, c.n)
	}
	if a.maxDays > 0 {
		b = binary.AppendUvarint(b, uint64(c.on))
	}
	return b
}

func (a *about) appendValue(b []byte, n int64) []byte {
	switch a.kind {
	case intKind, moneyKind, dateKind:
		return binary.AppendVarint(b, n)
	case codeKind:
		return appendText(b, a.codes[n])
	case codesKind:
		codes := a.codesIn(n)
		slices.Sort(codes) // so that a dictionary in another order changes nothing
		b = binary.AppendUvarint(b, uint64(len(codes)))
		for _, code := range codes {
			b = appendText(b, code)
		}
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// FactsError says why a snapshot cannot be decided from. It never holds a value.
type FactsError struct {
	// Rule is "version" for a format that is not known, "facts" for a snapshot of other facts
	// than the plan reads, "code" for a code that is no longer in the dictionary, and
	// "form" for bytes that AppendFacts did not write.
	Rule string
	Fact string // the fact at which it was noticed; may be empty
}

func (e *FactsError) Error() string {
	text := "eligibility: a snapshot of facts: " + e.Rule
	if e.Fact != "" {
		text += ": " + quote(e.Fact)
	}
	return text
}

// DecideFacts overwrites d with a decision from a snapshot that Decision.AppendFacts
// made. A plan of the same rules, stage and legal date gives the verdict and the
// findings of the decision that the snapshot is of; another plan that reads the same facts
// gives its own. An answer that is too old on the plan's legal date is expired; one
// that was too old when the snapshot was made stays so.
//
// Facts are those of the same names, kinds, currencies and sources, in the order of
// the schema; a schema may get more facts and more codes. The error is a *FactsError, and
// d is then a zero Decision, which is Pending.
func (p *Plan[E]) DecideFacts(facts []byte, d *Decision) error {
	if d.plan != p.plan {
		d.begin(p.plan)
	}
	row := d.row.get()
	if err := p.readFacts(facts, row); err != nil {
		*d = Decision{}
		return err
	}
	d.decide(row)
	return nil
}

func (p *plan) readFacts(b []byte, row *Row) error {
	row.forget()
	if len(b) == 0 || b[0] != snapshotVersion {
		return &FactsError{Rule: "version"}
	}
	b, same := bytes.CutPrefix(b[1:], p.named[:])
	if !same {
		return &FactsError{Rule: "facts"}
	}
	s := snapshot{rest: b}
	for _, i := range p.reads {
		f := &p.facts.facts[i]
		if f.kind == goKind {
			continue // it is asked again
		}
		c := s.cell(f)
		if s.broken != "" {
			return &FactsError{Rule: s.broken, Fact: f.name}
		}
		if f.maxDays > 0 {
			c.expire(f.freshFrom(p.asOf))
		}
		row.put(i, c)
	}
	if len(s.rest) > 0 {
		return &FactsError{Rule: "form"}
	}
	return nil
}

// snapshot reads what AppendFacts writes, and nothing else.
type snapshot struct {
	rest   []byte
	broken string // the first rule that is broken
}

func (s *snapshot) fail(rule string) {
	if s.broken == "" {
		s.broken = rule
	}
}

func (s *snapshot) cell(f *about) cell {
	if len(s.rest) == 0 {
		s.fail("form")
		return cell{}
	}
	head := s.rest[0]
	s.rest = s.rest[1:]
	c := cell{state: state(head) % truth, n: int64(head / byte(truth))}
	isBool := c.state == known && f.kind == boolKind
	if !c.state.unknown() && c.state > notApplicable || c.n > asNumber(isBool) {
		s.fail("form")
	}
	if c.state == known && !isBool {
		c.n = s.value(f)
	}
	if !c.state.unknown() && f.maxDays > 0 {
		on := s.uvarint()
		if on > lastDay {
			s.fail("form")
		}
		c.on = int32(on & lastDay)
	}
	return c
}

func (s *snapshot) value(f *about) int64 {
	switch f.kind {
	case codeKind:
		return int64(s.code(f))
	case codesKind:
		return s.set(f)
	}
	n := s.varint()
	if f.kind == dateKind && (n < 0 || n > lastDay || !dayOf(n).Valid()) {
		s.fail("form")
	}
	return n
}

func (s *snapshot) set(f *about) int64 {
	var set uint64
	last := ""
	for count := s.uvarint(); count > 0 && s.broken == ""; count-- {
		at := s.code(f)
		if s.broken != "" {
			break
		}
		if f.codes[at] <= last {
			s.fail("form")
		}
		last = f.codes[at]
		set |= 1 << (at & 63)
	}
	return int64(set)
}

func (s *snapshot) code(f *about) int {
	size := s.uvarint()
	if size > uint64(len(s.rest)) {
		s.fail("form")
		return 0
	}
	at := f.positionOf(string(s.rest[:size]))
	s.rest = s.rest[size:]
	if at < 0 {
		s.fail("code")
		return 0
	}
	return at
}

func (s *snapshot) uvarint() uint64 {
	n, size := binary.Uvarint(s.rest)
	if size <= 0 || size > 1 && s.rest[size-1] == 0 { // there is a shorter form
		s.fail("form")
		return 0
	}
	s.rest = s.rest[size:]
	return n
}

func (s *snapshot) varint() int64 {
	n := s.uvarint()
	return int64(n>>1) ^ -int64(n&1)
}

// factsName names facts by what a snapshot of them depends on.
func (d *dictionaries) factsName(which []uint8) (name [8]byte) {
	var b []byte
	for _, i := range which {
		f := &d.facts[i]
		if f.kind == goKind {
			continue
		}
		for _, part := range []string{f.name, kinds[f.kind], f.currency.Code, strconv.Itoa(f.currency.Digits), f.source, strconv.FormatBool(f.maxDays > 0)} {
			b = appendText(b, part)
		}
	}
	sum := sha256.Sum256(b)
	copy(name[:], sum[:])
	return name
}
