package eligibility

import (
	"github.com/gelombang/gelombang/program/calendar"
)

// Schema is the list of the facts that rules may ask about an E. Facts are named
// in the letters a to z, digits, _ and -. Faults of a declaration are reported
// by Compile. A schema is built once, before it is used.
type Schema[E any] struct {
	facts  []fact[E]
	index  map[string]int
	faults []Fault
}

// NewSchema returns a schema without facts.
func NewSchema[E any]() *Schema[E] {
	return &Schema[E]{index: map[string]int{}}
}

type kind uint8

const (
	boolKind kind = iota
	intKind
	moneyKind
	dateKind
	codeKind
	evidenceKind // a bool with the day on which it was observed
)

var kinds = [...]string{"bool", "int", "money", "date", "code", "evidence"}

// fact is a declared fact with the one reader of its kind.
type fact[E any] struct {
	name, source string
	kind         kind
	maxDays      int
	codes        []string
	position     map[string]int

	readBool     func(*E) Value[bool]
	readInt      func(*E) Value[int64]
	readDate     func(*E) Value[calendar.Date]
	readCode     func(*E) Value[string]
	readEvidence func(*E) Observation[bool]
}

// Bool declares a fact that is true or false. The getter must be pure: the same
// person gives the same value. A rule that no condition can express is a Bool
// whose getter computes it.
func (s *Schema[E]) Bool(name string, get func(*E) Value[bool]) BoolFact {
	s.add(fact[E]{name: name, kind: boolKind, readBool: get}, get == nil)
	return BoolFact{Fact{name}}
}

// Int declares a fact that is a whole number.
func (s *Schema[E]) Int(name string, get func(*E) Value[int64]) IntFact {
	s.add(fact[E]{name: name, kind: intKind, readInt: get}, get == nil)
	return IntFact{Fact{name}}
}

// Money declares a fact that is an amount in whole rupiah.
func (s *Schema[E]) Money(name string, get func(*E) Value[int64]) IntFact {
	s.add(fact[E]{name: name, kind: moneyKind, readInt: get}, get == nil)
	return IntFact{Fact{name}}
}

// Date declares a fact that is a civil date.
func (s *Schema[E]) Date(name string, get func(*E) Value[calendar.Date]) DateFact {
	s.add(fact[E]{name: name, kind: dateKind, readDate: get}, get == nil)
	return DateFact{Fact{name}}
}

// Code declares a fact that is one of the given codes. A value that is not among
// them is read as unknown (Conflicting).
func (s *Schema[E]) Code(name string, codes []string, get func(*E) Value[string]) CodeFact {
	position := make(map[string]int, len(codes))
	for i, code := range codes {
		if _, twice := position[code]; twice || code == "" {
			s.faults = append(s.faults, Fault{"facts." + name, "codes", "a code is empty or comes twice"})
		}
		position[code] = i
	}
	if len(codes) == 0 {
		s.faults = append(s.faults, Fault{"facts." + name, "codes", "there are none"})
	}
	s.add(fact[E]{name: name, kind: codeKind, readCode: get, codes: append([]string(nil), codes...), position: position}, get == nil)
	return CodeFact{Fact{name}}
}

// Evidence declares a yes or no that a source is asked for, and for how many days an
// answer holds: with maxDays 90, an answer of 1 January may be used for decisions
// as of 1 April of a common year, and is unknown (Expired) the day after. With
// maxDays 0 an answer never grows old. An answer without a date is expired where
// maxDays is set.
func (s *Schema[E]) Evidence(name, source string, maxDays int, get func(*E) Observation[bool]) BoolFact {
	if source == "" {
		s.faults = append(s.faults, Fault{"facts." + name, "source", "is empty"})
	}
	if maxDays < 0 || maxDays > 36600 {
		s.faults = append(s.faults, Fault{"facts." + name, "max-days", "is from 0 to 36600"})
	}
	s.add(fact[E]{name: name, source: source, kind: evidenceKind, maxDays: maxDays, readEvidence: get}, get == nil)
	return BoolFact{Fact{name}}
}

func (s *Schema[E]) add(f fact[E], noGetter bool) {
	path := "facts." + f.name
	if !isCode(f.name) {
		s.faults = append(s.faults, Fault{path, "name", "has the letters a to z, digits, _ and -"})
	}
	if noGetter {
		s.faults = append(s.faults, Fault{path, "getter", "is missing"})
	}
	if s.index == nil {
		s.index = map[string]int{}
	}
	if _, twice := s.index[f.name]; twice {
		s.faults = append(s.faults, Fault{path, "twice", "the fact is declared twice"})
		return
	}
	s.index[f.name] = len(s.facts)
	s.facts = append(s.facts, f)
}

func isCode(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return s != ""
}
