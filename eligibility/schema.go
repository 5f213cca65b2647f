package eligibility

import (
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/gelombang/gelombang/program/calendar"
)

// Schema is the list of the facts that rules may ask about an E, at most 256. Facts are named
// in the letters a to z, digits, _ and -. Faults of a declaration are reported
// by Compile. A schema is built once, before it is used.
//
// The functions that read a fact must be pure: the same person gives the same
// value. A fact of the schema itself is a Value; one that a Source provides is
// an Observation, with the day on which the source was asked. A fact without a
// function is read by that of Read, together with others.
type Schema[E any] struct {
	facts  []fact[E]
	index  map[string]int
	faults []Fault
	read   func(*E, *Row)
	id     *identity
}

const maxFacts = 256

// NewSchema returns a schema without facts.
func NewSchema[E any]() *Schema[E] {
	return &Schema[E]{index: map[string]int{}}
}

// Currency is what a money fact is counted in.
type Currency struct {
	Code   string // ISO 4217, "IDR"
	Digits int    // decimals of its minor unit, 0 to 4: 2 for the rupiah, which has 100 sen
}

// IDR is the rupiah. Amounts are in sen, as in package payment.
func IDR() Currency { return Currency{Code: "IDR", Digits: 2} }

// Provision says that a source provides a fact, and how fresh an answer must be.
type Provision struct {
	Source, Fact, Kind string
	MaxDays            int // days for which an answer holds; 0: for ever
}

// Sources returns what all sources provide, in the order of declaration.
func (s *Schema[E]) Sources() []Provision {
	var all []Provision
	for i := range s.facts {
		if f := &s.facts[i].about; f.source != "" {
			all = append(all, Provision{f.source, f.name, kinds[f.kind], f.maxDays})
		}
	}
	return all
}

// Source is who is asked for facts, and for how many days an answer holds. With
// maxDays 90, an answer of 1 January may be used for decisions as of 1 April of a
// common year, and is unknown (Expired) the day after. With maxDays 0 an answer
// never grows old. An answer without a date is expired where maxDays is set.
type Source[E any] struct {
	schema  *Schema[E]
	name    string
	maxDays int
}

// Source returns a source of facts; its methods declare what it provides. A source
// whose answers hold differently long for different facts is asked for twice.
func (s *Schema[E]) Source(name string, maxDays int) Source[E] {
	return Source[E]{s, name, maxDays}
}

// Bool declares a fact that is true or false.
func (s *Schema[E]) Bool(name string, get func(*E) Value[bool]) BoolFact {
	return BoolFact{s.add(fact[E]{about: about{name: name, kind: boolKind}, b: getter[E, bool]{value: get}}, get != nil)}
}

// Bool declares a fact that is true or false.
func (s Source[E]) Bool(name string, get func(*E) Observation[bool]) BoolFact {
	return BoolFact{s.add(fact[E]{about: about{name: name, kind: boolKind}, b: getter[E, bool]{seen: get}}, get != nil)}
}

// Int declares a fact that is a whole number.
func (s *Schema[E]) Int(name string, get func(*E) Value[int64]) IntFact {
	return IntFact{s.add(fact[E]{about: about{name: name, kind: intKind}, n: getter[E, int64]{value: get}}, get != nil)}
}

// Int declares a fact that is a whole number.
func (s Source[E]) Int(name string, get func(*E) Observation[int64]) IntFact {
	return IntFact{s.add(fact[E]{about: about{name: name, kind: intKind}, n: getter[E, int64]{seen: get}}, get != nil)}
}

// Money declares a fact that is an amount in minor units of the currency.
func (s *Schema[E]) Money(name string, in Currency, get func(*E) Value[int64]) MoneyFact {
	return MoneyFact{s.add(fact[E]{about: about{name: name, kind: moneyKind, currency: in}, n: getter[E, int64]{value: get}}, get != nil), in.Code}
}

// Money declares a fact that is an amount in minor units of the currency.
func (s Source[E]) Money(name string, in Currency, get func(*E) Observation[int64]) MoneyFact {
	return MoneyFact{s.add(fact[E]{about: about{name: name, kind: moneyKind, currency: in}, n: getter[E, int64]{seen: get}}, get != nil), in.Code}
}

// Date declares a fact that is a civil date. A day that does not exist is read as
// unknown (Conflicting).
func (s *Schema[E]) Date(name string, get func(*E) Value[calendar.Date]) DateFact {
	return DateFact{s.add(fact[E]{about: about{name: name, kind: dateKind}, d: getter[E, calendar.Date]{value: get}}, get != nil)}
}

// Date declares a fact that is a civil date.
func (s Source[E]) Date(name string, get func(*E) Observation[calendar.Date]) DateFact {
	return DateFact{s.add(fact[E]{about: about{name: name, kind: dateKind}, d: getter[E, calendar.Date]{seen: get}}, get != nil)}
}

// Code declares a fact that is one of the given codes, at most 65,535. A value that is
// not among them is read as unknown (Conflicting).
func (s *Schema[E]) Code(name string, codes []string, get func(*E) Value[string]) CodeFact {
	return CodeFact{s.add(fact[E]{about: dictionary(name, codeKind, codes), c: getter[E, string]{value: get}}, get != nil)}
}

// Code declares a fact that is one of the given codes.
func (s Source[E]) Code(name string, codes []string, get func(*E) Observation[string]) CodeFact {
	return CodeFact{s.add(fact[E]{about: dictionary(name, codeKind, codes), c: getter[E, string]{seen: get}}, get != nil)}
}

// Codes declares a fact that is a set of the given codes, at most 64; a set with one
// that is not among them is read as unknown (Conflicting).
func (s *Schema[E]) Codes(name string, codes []string, get func(*E) Value[[]string]) CodesFact {
	return CodesFact{s.add(fact[E]{about: dictionary(name, codesKind, codes), cs: getter[E, []string]{value: get}}, get != nil)}
}

// Codes declares a fact that is a set of the given codes.
func (s Source[E]) Codes(name string, codes []string, get func(*E) Observation[[]string]) CodesFact {
	return CodesFact{s.add(fact[E]{about: dictionary(name, codesKind, codes), cs: getter[E, []string]{seen: get}}, get != nil)}
}

// GoRule is a requirement that no condition can express, written in Go.
type GoRule struct {
	// Facts are those that Decide looks at, declared before; it is given no others.
	// When all of them are unknown Decide is not asked: the outcome is Undecided.
	// What is unknown among them is the evidence to ask for.
	Facts []Fact
	// Reason says to citizens what is required, by language. There is one in each
	// language of the policy's texts.
	Reason map[string]string
	// Decide must be pure: the same facts give the same outcome. It may be called by
	// several goroutines.
	Decide func(Given) Outcome
}

// Go declares a requirement written in Go. It is the way out of the closed set of
// conditions, and costs what the function costs, also for each person in columns.
func (s *Schema[E]) Go(name string, rule GoRule) GoFact {
	a := about{name: name, kind: goKind, reason: maps.Clone(rule.Reason), decide: rule.Decide}
	path := "facts." + name
	if len(rule.Facts) == 0 {
		s.faults = append(s.faults, Fault{path, "facts", "a rule in Go names the facts it looks at"})
	}
	for _, each := range rule.Facts {
		i, ok := s.index[each.name]
		if !ok || s.facts[i].kind == goKind {
			s.faults = append(s.faults, Fault{path, "facts", quote(each.name) + " is not a fact declared before"})
			continue
		}
		a.asks = append(a.asks, uint8(i))
	}
	if len(rule.Reason) == 0 {
		s.faults = append(s.faults, Fault{path, "reason", "is missing"})
	}
	if rule.Decide == nil {
		s.faults = append(s.faults, Fault{path, "decide", "is missing"})
	}
	return GoFact{s.add(fact[E]{about: a}, true)}
}

func (s Source[E]) add(f fact[E], getter bool) Fact {
	path := "facts." + f.name
	if s.name == "" || !utf8.ValidString(s.name) {
		s.schema.faults = append(s.schema.faults, Fault{path, "source", "is empty or not UTF-8"})
	}
	if s.maxDays < 0 || s.maxDays > 36600 {
		s.schema.faults = append(s.schema.faults, Fault{path, "max-days", "is from 0 to 36600"})
	}
	f.source, f.maxDays = s.name, s.maxDays
	return s.schema.add(f, getter)
}

func (s *Schema[E]) add(f fact[E], getter bool) Fact {
	path := "facts." + f.name
	if !isCode(f.name) {
		s.faults = append(s.faults, Fault{path, "name", "has the letters a to z, digits, _ and -"})
	}
	s.faults = append(s.faults, f.check(path)...)
	if s.index == nil {
		s.index = map[string]int{}
	}
	if s.id == nil {
		s.id = new(identity)
	}
	if _, twice := s.index[f.name]; twice {
		s.faults = append(s.faults, Fault{path, "twice", "the fact is declared twice"})
		return Fact{name: f.name}
	}
	if len(s.facts) == maxFacts {
		s.faults = append(s.faults, Fault{path, "size", "there are too many facts"})
		return Fact{name: f.name}
	}
	f.alone = getter
	s.index[f.name] = len(s.facts)
	s.facts = append(s.facts, f)
	return Fact{name: f.name, at: uint8(len(s.facts) - 1), of: s.id}
}

// known returns the descriptions of the facts that are declared so far.
func (s *Schema[E]) known() *dictionaries {
	d := &dictionaries{index: map[string]int{}, of: s.id}
	for i := range s.facts {
		d.facts = append(d.facts, s.facts[i].about)
		d.index[s.facts[i].name] = i
	}
	return d
}

// dictionaries describes facts without saying how they are read.
type dictionaries struct {
	facts []about
	index map[string]int
	of    *identity
}

// about describes a fact.
type about struct {
	name     string
	kind     kind
	source   string
	maxDays  int
	currency Currency
	codes    []string
	position map[string]int
	reason   map[string]string // of a rule in Go
	asks     []uint8           // facts that a rule in Go looks at
	decide   func(Given) Outcome
}

// isTruth: its value is true or false.
func (a *about) isTruth() bool { return a.kind == boolKind || a.kind == goKind }

type kind uint8

const (
	boolKind kind = iota
	intKind
	moneyKind
	dateKind
	codeKind
	codesKind
	goKind
)

var kinds = [...]string{"bool", "int", "money", "date", "code", "codes", "go"}

func dictionary(name string, k kind, codes []string) about {
	a := about{name: name, kind: k, codes: slices.Clone(codes), position: make(map[string]int, len(codes))}
	for i, code := range codes {
		a.position[code] = i
	}
	return a
}

func (a *about) check(path string) []Fault {
	var faults []Fault
	most := 0
	switch a.kind {
	case moneyKind:
		if len(a.currency.Code) != 3 || a.currency.Digits < 0 || a.currency.Digits > 4 {
			faults = append(faults, Fault{path, "currency", "is a code of three letters with 0 to 4 digits"})
		}
		return faults
	case codeKind:
		most = 1<<16 - 1
	case codesKind:
		most = 64
	default:
		return nil
	}
	if len(a.codes) == 0 {
		faults = append(faults, Fault{path, "codes", "there are none"})
	}
	if len(a.codes) > most {
		faults = append(faults, Fault{path, "codes", "there are too many"})
	}
	if _, empty := a.position[""]; empty || len(a.position) < len(a.codes) {
		faults = append(faults, Fault{path, "codes", "a code is empty or comes twice"})
	}
	if slices.ContainsFunc(a.codes, func(code string) bool { return !utf8.ValidString(code) }) {
		faults = append(faults, Fault{path, "text", "a code is not UTF-8"})
	}
	return faults
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
