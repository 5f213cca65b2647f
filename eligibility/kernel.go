package eligibility

import (
	"math"
	"math/bits"
)

// column evaluates the test for a column, 64 rows to a word.
func (t *test) column(c *column, pass, fail []uint64) {
	yes, no := pass, fail
	if t.out[holds] == Fail {
		yes, no = fail, pass
	}
	if t.out[holds] == Undecided {
		clear(pass)
		clear(fail)
		return
	}
	t.match(c, yes)
	aging := c.on != nil && t.fresh > beforeAllDays
	for w := range yes {
		known, without := c.known[w], c.without[w]
		if aging {
			fresh := inRange32(words32(c.on, w), t.fresh, uint32(afterAllDays-int64(t.fresh)))
			known, without = known&fresh, without&fresh
		}
		if t.latest < afterAllDays {
			known &= inRange32(words32(c.small, w), 0, uint32(t.latest))
		}
		match := yes[w]
		yes[w], no[w] = known&match, known&^match|without
	}
}

// match sets the rows whose value is one that the test asks for. Those of unknown
// values are set as it happens.
func (t *test) match(c *column, out []uint64) {
	switch {
	case t.kind == inRange && t.span == math.MaxUint64:
		for w := range out {
			out[w] = ^uint64(0)
		}
	case c.n != nil:
		t.matchNumbers(c.n, out)
	case c.small != nil:
		t.matchSmall(c.small, out)
	default:
		flip := uint64(0)
		if t.low == 0 {
			flip = ^uint64(0)
		}
		for w := range out {
			out[w] = c.yes[w] ^ flip
		}
	}
}

func (t *test) matchNumbers(n []int64, out []uint64) {
	for w := range out {
		v := (*[64]int64)(n[64*w:])
		switch t.kind {
		case inRange:
			out[w] = inRange64(v, t.low, t.span)
		case hasAny:
			out[w] = ^zeroWhere(v, t.span, 0)
		default:
			out[w] = zeroWhere(v, t.span, t.span)
		}
	}
}

func (t *test) matchSmall(n []int32, out []uint64) {
	for w := range out {
		v := words32(n, w)
		switch t.kind {
		case inRange:
			out[w] = inRange32(v, int32(t.low), uint32(t.span))
		case inMask:
			out[w] = inMask32(v, t.span)
		default:
			out[w] = inWords32(v, t.words)
		}
	}
}

func words32(n []int32, word int) *[64]int32 { return (*[64]int32)(n[64*word:]) }

// inRange64 has a bit for each value from low to low+span. Four parts of the word are
// filled side by side, since each bit waits for the one before it.
func inRange64(v *[64]int64, low int64, span uint64) uint64 {
	var a, b, c, d uint64
	for i := 15; i >= 0; i-- {
		a = beyond(a, uint64(v[i]-low), span)
		b = beyond(b, uint64(v[i+16]-low), span)
		c = beyond(c, uint64(v[i+32]-low), span)
		d = beyond(d, uint64(v[i+48]-low), span)
	}
	return ^(a | b<<16 | c<<32 | d<<48)
}

func inRange32(v *[64]int32, low int32, span uint32) uint64 {
	var a, b, c, d uint64
	for i := 15; i >= 0; i-- {
		a = beyond(a, uint64(uint32(v[i]-low)), uint64(span))
		b = beyond(b, uint64(uint32(v[i+16]-low)), uint64(span))
		c = beyond(c, uint64(uint32(v[i+32]-low)), uint64(span))
		d = beyond(d, uint64(uint32(v[i+48]-low)), uint64(span))
	}
	return ^(a | b<<16 | c<<32 | d<<48)
}

// beyond shifts a bit into a word: 1 when n is more than most. It is a comparison and an
// addition with carry.
func beyond(word, n, most uint64) uint64 {
	_, more := bits.Sub64(most, n, 0)
	word, _ = bits.Add64(word, word, more)
	return word
}

// within is 1 when n is at most most.
func within(n, most uint64) uint64 {
	if n <= most {
		return 1
	}
	return 0
}

// zeroWhere has a bit for each value whose bits of the mask are those of want.
func zeroWhere(v *[64]int64, mask, want uint64) uint64 {
	var a, b, c, d uint64
	for i := 15; i >= 0; i-- {
		a = beyond(a, uint64(v[i])&mask^want, 0)
		b = beyond(b, uint64(v[i+16])&mask^want, 0)
		c = beyond(c, uint64(v[i+32])&mask^want, 0)
		d = beyond(d, uint64(v[i+48])&mask^want, 0)
	}
	return ^(a | b<<16 | c<<32 | d<<48)
}

func inMask32(v *[64]int32, mask uint64) uint64 {
	var a, b, c, d uint64
	for i := 15; i >= 0; i-- {
		a = a<<1 | mask>>(v[i]&63)&1
		b = b<<1 | mask>>(v[i+16]&63)&1
		c = c<<1 | mask>>(v[i+32]&63)&1
		d = d<<1 | mask>>(v[i+48]&63)&1
	}
	return a | b<<16 | c<<32 | d<<48
}

func inWords32(v *[64]int32, set []uint64) uint64 {
	var out uint64
	for i, n := range v {
		out |= set[uint32(n)/64%uint32(len(set))] >> (n & 63) & 1 << i
	}
	return out
}
