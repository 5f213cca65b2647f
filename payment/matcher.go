package payment

import (
	"iter"
	"math"
)

// Expected is a payment that a statement may show.
type Expected struct {
	Reference string
	// Theirs is the provider's own reference, if it gave one.
	Theirs string
	State  State
	Amount Money
	// Destination is the keyed digest of the account, as in BatchItem.
	Destination [32]byte
	// Debited and Credited say that an earlier statement has shown the payment's
	// debit, and the credit of its return.
	Debited, Credited bool
	// Twice says that more than one debit was shown, less the credits.
	Twice bool
}

// Matcher matches the lines of statements with payments, in memory: exactly, on the
// end-to-end reference and failing that on the provider's, and exclusively, so
// that what one line has shown no other line shows again. A reference of the provider's
// that two payments have finds neither. It needs about 80 bytes
// for a payment with a Reference of this package and no reference of the
// provider's. It is for one goroutine.
type Matcher struct {
	currency string
	states   []State
	blocks   [][]expectedItem // blocks, so that growing moves nothing
	n        int
	slots    []uint32         // position + 1 of the item with the key, open addressing
	odd      map[string]int32 // references that are not of this package
	theirs   map[string]int32 // -1: two payments have it
}

const blockBits = 12

func (m *Matcher) item(i int) *expectedItem {
	return &m.blocks[i>>blockBits][i&(1<<blockBits-1)]
}

type expectedItem struct {
	key         referenceKey
	units       int64
	destination [32]byte
	state       uint8 // position in states
	flags       uint8
	out         uint8 // debits less credits, at most 255
}

const (
	flagDebited = 1 << iota
	flagCredited
	flagForeign  // in another currency: no line of the account has its amount
	flagOdd      // has no key: it is found by odd
	flagSettled  // a line has settled it,
	flagReturned // and another returned it
)

// referenceKey is a Reference in sixteen bytes.
type referenceKey struct{ batch, item uint64 }

func keyOf(reference string) (referenceKey, bool) {
	batch, item, generation, err := ParseReference(reference)
	if err != nil {
		return referenceKey{}, false
	}
	return referenceKey{uint64(batch), uint64(item)<<16 | uint64(generation)}, true
}

func (k referenceKey) hash() uint64 {
	h := k.batch*0x9e3779b97f4a7c15 ^ k.item*0xc2b2ae3d27d4eb4f
	return h ^ h>>29
}

// NewMatcher returns a matcher for statements of an account in the currency. Two
// payments with one reference are a *ReferenceError.
func NewMatcher(currency string, expected iter.Seq[Expected]) (*Matcher, error) {
	m := &Matcher{currency: currency, odd: map[string]int32{}, theirs: map[string]int32{}, slots: make([]uint32, 64)}
	for e := range expected {
		if err := m.add(e); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *Matcher) add(e Expected) error {
	if _, twice := m.find(e.Reference); twice {
		return &ReferenceError{"twice"}
	}
	it := expectedItem{units: e.Amount.Units, destination: e.Destination, state: m.stateCode(e.State),
		flags: flagIf(e.Debited, flagDebited) | flagIf(e.Credited, flagCredited) | flagIf(e.Amount.Currency != m.currency, flagForeign)}
	switch { // what the statements before have left open
	case e.Twice:
		it.out = 2
	case (e.Debited || e.State == Settled) && !e.Credited:
		it.out = 1
	}
	key, ok := keyOf(e.Reference)
	if it.key = key; ok {
		if 2*m.n >= len(m.slots) {
			m.grow()
		}
		m.place(key, uint32(m.n)+1)
	} else {
		it.flags |= flagOdd
		m.odd[e.Reference] = int32(m.n)
	}
	if _, twice := m.theirs[e.Theirs]; e.Theirs != "" {
		m.theirs[e.Theirs] = int32(m.n)
		if twice {
			m.theirs[e.Theirs] = -1
		}
	}
	if m.n&(1<<blockBits-1) == 0 {
		m.blocks = append(m.blocks, make([]expectedItem, 0, 1<<blockBits))
	}
	last := &m.blocks[len(m.blocks)-1]
	*last = append(*last, it)
	m.n++
	return nil
}

func flagIf(on bool, bit uint8) uint8 {
	if on {
		return bit
	}
	return 0
}

func (m *Matcher) stateCode(s State) uint8 {
	for i, known := range m.states {
		if known == s {
			return uint8(i)
		}
	}
	m.states = append(m.states, s)
	return uint8(len(m.states) - 1)
}

func (m *Matcher) grow() {
	m.slots = make([]uint32, 4*len(m.slots))
	for i := range m.n {
		if it := m.item(i); it.flags&flagOdd == 0 {
			m.place(it.key, uint32(i)+1)
		}
	}
}

func (m *Matcher) place(key referenceKey, value uint32) {
	mask := uint64(len(m.slots) - 1)
	i := key.hash() & mask
	for m.slots[i] != 0 {
		i = (i + 1) & mask
	}
	m.slots[i] = value
}

func (m *Matcher) find(reference string) (int32, bool) {
	key, ok := keyOf(reference)
	if !ok {
		at, ok := m.odd[reference]
		return at, ok
	}
	mask := uint64(len(m.slots) - 1)
	for i := key.hash() & mask; m.slots[i] != 0; i = (i + 1) & mask {
		if at := int(m.slots[i] - 1); m.item(at).key == key {
			return int32(at), true
		}
	}
	return 0, false
}

// Match puts a line in its class (see Classify), and remembers what it has shown.
// The position is that of the payment among the expected; -1 for an orphan.
func (m *Matcher) Match(line Line) (Class, int) {
	at, ok := m.find(line.Reference)
	if !ok && line.Theirs != "" {
		at, ok = m.theirs[line.Theirs]
	}
	if !ok || at < 0 {
		return Classify(line, nil), -1
	}
	it := m.item(int(at))
	found := Found{State: m.states[it.state], Amount: Money{it.units, m.currency}, Destination: it.destination,
		Debited: it.flags&flagDebited != 0, Credited: it.flags&flagCredited != 0 && it.out == 0, Twice: it.out > 1}
	if it.flags&flagForeign != 0 {
		found.Amount.Currency = ""
	}
	switch {
	case it.flags&flagReturned != 0:
		found.State = Returned
	case it.flags&flagSettled != 0:
		found.State = Settled
	}
	class := Classify(line, &found)
	it.flags |= flagIf(class == Matched, flagSettled) | flagIf(class == ReturnedLine && found.State == Settled, flagReturned)
	switch {
	case line.Credit && class != OrphanCredit:
		it.flags |= flagCredited
		it.out -= min(it.out, 1)
	case !line.Credit:
		it.flags |= flagDebited
		it.out += min(math.MaxUint8-it.out, 1)
	}
	return class, int(at)
}

// Missing yields the positions of the payments that were handed over and that no
// line, of these statements or an earlier one, has shown.
func (m *Matcher) Missing() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range m.n {
			if m.open(i) && !yield(i) {
				return
			}
		}
	}
}

// open reports whether a payment may still be shown for the first time.
func (m *Matcher) open(i int) bool {
	it := m.item(i)
	s := m.states[it.state]
	return s.submitted() && s != Settled && it.flags&flagDebited == 0
}

// Propose yields the positions of missing payments that an orphan debit might be:
// of the same amount, and to the same account if the line names one. It is for a
// person to judge: nothing is matched.
func (m *Matcher) Propose(line Line) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range m.Missing() {
			it := m.item(i)
			same := line.Destination == [32]byte{} || line.Destination == it.destination
			if !line.Credit && same && it.flags&flagForeign == 0 && line.Amount == (Money{it.units, m.currency}) && !yield(i) {
				return
			}
		}
	}
}
