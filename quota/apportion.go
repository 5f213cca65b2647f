package quota

import (
	"bytes"
	"cmp"
	"container/heap"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
)

// Share is one claimant to seats: a province, a regency, a list.
type Share struct {
	// Key names the share. Keys are unique; tie rules use them.
	Key string
	// Weight is what seats are in proportion to, at least 0: people, villages,
	// votes. A share of weight 0 gets its Min and no more.
	Weight int64
	// Min is the least number of seats, at least 0.
	Min int64
	// Max is the greatest number of seats. 0 means no limit.
	Max int64
}

// Method is a rule for rounding proportional shares to whole seats. See
// Balinski and Young, Fair Representation (2nd ed., 2001), for what each favours.
type Method uint8

const (
	// Webster (Sainte-Lague) favours neither small nor large shares.
	Webster Method = iota
	// Hamilton (largest remainder) has no meaning with bounds, and with it a
	// share can lose a seat when the total grows.
	Hamilton
	// Jefferson (D'Hondt) favours large shares.
	Jefferson
	// Adams favours small shares: each of positive weight gets one first.
	Adams
	// HuntingtonHill (geometric mean) gives each of positive weight one first.
	HuntingtonHill
)

// TieRule decides which of several equal claims get the last seats. The zero
// value decides nothing: a tie is then a *TieError.
type TieRule struct {
	// ByKey prefers the smaller key, compared as bytes.
	ByKey bool
	// Lot, if not empty, is a seed: the smaller HMAC-SHA256(Lot, key) is
	// preferred. Take it from a public source named in advance.
	Lot []byte
}

// ApportionOptions are the optional arguments of Apportion.
type ApportionOptions struct {
	Method Method
	Tie    TieRule
}

// Branch is a share with shares below it: a province with its regencies.
type Branch struct {
	Share
	Below []Share
}

// BranchError says in which branch of ApportionTree the seats could not be divided.
// Err is one of the errors of Apportion.
type BranchError struct {
	Key string
	Err error
}

func (e *BranchError) Error() string {
	return "quota: below " + e.Key + ": " + strings.TrimPrefix(e.Err.Error(), "quota: ")
}

// Unwrap gives the error to errors.As and errors.Is.
func (e *BranchError) Unwrap() error { return e.Err }

// ApportionTree divides seats over two levels: over the branches, and those of each
// branch over the shares below it, by the same method. A branch gets at least what
// the minima below it add up to, and at most what the shares below it can absorb,
// even if its own bounds are wider: what can be divided is. Both answers have the
// order of the arguments; each row of below adds up to the branch's number exactly.
//
// Errors: as Apportion for the branches, and *BranchError for what is below one.
func ApportionTree(seats int64, branches []Branch, opts *ApportionOptions) (above []int64, below [][]int64, err error) {
	shares := make([]Share, len(branches))
	for i, b := range branches {
		if shares[i], err = b.within(); err != nil {
			return nil, nil, err
		}
	}
	if above, err = Apportion(seats, shares, opts); err != nil {
		return nil, nil, err
	}
	below = make([][]int64, len(branches))
	for i, b := range branches {
		if below[i], err = Apportion(above[i], b.Below, opts); err != nil {
			return nil, nil, &BranchError{b.Key, err}
		}
	}
	return above, below, nil
}

// within is the share of the branch with its bounds narrowed by those below.
func (b *Branch) within() (Share, error) {
	s := b.Share
	if s.Min < 0 || s.Max < 0 {
		return s, nil // Apportion says so
	}
	var least, most int64
	for _, x := range b.Below {
		least += min(max(x.Min, 0), maxSeats)
		most = min(most+min(max(x.ceiling(), 0), 2*maxSeats), 2*maxSeats)
	}
	s.Min = max(s.Min, least)
	if most < 2*maxSeats && (s.Max == 0 || most < s.Max) {
		s.Max = most
	}
	switch {
	case s.Max == 0 && most == 0: // it can take none: 0 as a Max would be no limit
		s.Weight = 0
	case s.Max > 0 && s.Max < s.Min:
		return s, &BranchError{b.Key, &UnassignedError{s.Min, s.Min - s.Max}}
	}
	return s, nil
}

// InfeasibleError says that the minima need more seats than there are.
type InfeasibleError struct{ Seats int64 }

func (e *InfeasibleError) Error() string {
	return fmt.Sprintf("quota: the minima add up to more than %d seats", e.Seats)
}

// UnassignedError says that the maxima (and shares of weight 0) cannot absorb
// all seats, and how many would be left.
type UnassignedError struct{ Seats, Unassigned int64 }

func (e *UnassignedError) Error() string {
	return fmt.Sprintf("quota: %d of %d seats cannot be assigned under the maxima", e.Unassigned, e.Seats)
}

// TieError says that the shares Keys have equal claims to the last Seats
// seats, fewer than there are keys, and that no tie rule was given.
type TieError struct {
	Keys  []string
	Seats int64
}

func (e *TieError) Error() string {
	return fmt.Sprintf("quota: %d seats for %d equal claims: %s", e.Seats, len(e.Keys), strings.Join(e.Keys, ", "))
}

// Apportion divides seats, at most 2^40, over shares in proportion to weight, within the
// bounds of each share. The answer has the order of shares and adds up to seats
// exactly; it does not depend on the order of shares. Arithmetic is exact.
//
// Errors: Faults for impossible arguments (also bounds with Hamilton),
// *InfeasibleError, *UnassignedError, *TieError.
func Apportion(seats int64, shares []Share, opts *ApportionOptions) ([]int64, error) {
	if opts == nil {
		opts = &ApportionOptions{}
	}
	if err := checkShares(seats, shares, opts.Method); err != nil {
		return nil, err
	}
	if err := checkRoom(seats, shares); err != nil {
		return nil, err
	}
	if opts.Method == Hamilton {
		return hamilton(seats, shares, opts.Tie)
	}
	d := division{shares: shares, method: opts.Method}
	d.start(seats)
	d.fill(seats)
	return d.settle(opts.Tie)
}

func checkShares(seats int64, shares []Share, method Method) error {
	var f Faults
	if seats < 0 || seats > maxSeats {
		f.add("seats", "must be 0 to 2^40")
	}
	if method > HuntingtonHill {
		f.add("method", "unknown")
	}
	seen := make(map[string]bool, len(shares))
	var total uint64
	for i, s := range shares {
		field := fmt.Sprintf("shares[%d]", i)
		if seen[s.Key] {
			f.add(field+".key", "used twice")
		}
		seen[s.Key] = true
		if s.Weight < 0 {
			f.add(field+".weight", "negative")
		}
		if s.Min < 0 {
			f.add(field+".min", "negative")
		}
		if s.Max < 0 || s.Max > 0 && s.Max < s.Min {
			f.add(field+".max", "negative or below min")
		}
		if method == Hamilton && (s.Min != 0 || s.Max != 0) {
			f.add(field, "Hamilton takes no bounds: its remainders are of exact quotas, which bounds change; use a divisor method")
		}
		if total <= math.MaxInt64 {
			total += uint64(max(s.Weight, 0))
		}
	}
	if total > math.MaxInt64 {
		f.add("shares", "weights add up to more than 2^63-1")
	}
	return f.err()
}

// checkRoom holds the sum of minima, and of what can be absorbed, against seats.
func checkRoom(seats int64, shares []Share) error {
	need, room := seats, seats
	for _, s := range shares {
		if s.Min > need {
			return &InfeasibleError{seats}
		}
		need -= s.Min
		room -= min(room, s.ceiling())
	}
	if room > 0 {
		return &UnassignedError{seats, room}
	}
	return nil
}

// ceiling is the most seats that s can take.
func (s Share) ceiling() int64 {
	if s.Weight == 0 {
		return s.Min
	}
	if s.Max == 0 {
		return math.MaxInt64
	}
	return s.Max
}

// division is a divisor method at work: seats go one by one to the highest
// weight/divisor(seats), where the divisor grows with the seats already held.
type division struct {
	shares []Share
	method Method
	got    []int64
	heap   []int // shares that can take one more, highest claim first
}

// start gives every share seats that it gets in the end for certain, and
// leaves only about one for each share to be given one by one. For a rate of
// seats per weight, every method rounds weight*rate to its floor or to the
// next integer. While the sum of the latter is within seats, the rate is not
// above the final one, and the floor is a lower bound.
func (d *division) start(seats int64) {
	// A rate is rate/2^shift. At the first shift it is above any final rate.
	shift := 62 - bits.Len64(uint64(seats)) + bits.Len64(uint64(d.lightest())) - 1
	for shift < 126 && !d.within(seats, 1<<61, shift) {
		shift++
	}
	low, high := uint64(0), uint64(1)<<62
	for high-low > 1 {
		mid := low + (high-low)/2
		if d.within(seats, mid, shift) {
			low = mid
		} else {
			high = mid
		}
	}
	d.got = make([]int64, len(d.shares))
	found := d.within(seats, low, shift)
	for i, s := range d.shares {
		d.got[i] = s.Min
		if found {
			d.got[i] = s.clip(product(s.Weight, low, shift))
		}
	}
}

func (d *division) lightest() int64 {
	least := int64(math.MaxInt64)
	for _, s := range d.shares {
		if s.Weight > 0 {
			least = min(least, s.Weight)
		}
	}
	return least
}

func (d *division) within(seats int64, rate uint64, shift int) bool {
	left := seats
	for _, s := range d.shares {
		n := product(s.Weight, rate, shift)
		if n < math.MaxInt64 {
			n++
		}
		n = s.clip(n)
		if n > left {
			return false
		}
		left -= n
	}
	return true
}

// clip keeps n within the bounds of s.
func (s Share) clip(n int64) int64 { return max(s.Min, min(n, s.ceiling())) }

// product is the floor of weight*rate/2^shift, at most 2^63-1, for a shift of
// 0 to 127.
func product(weight int64, rate uint64, shift int) int64 {
	hi, lo := bits.Mul64(uint64(weight), rate)
	if shift >= 64 {
		return int64(min(hi>>(shift-64), math.MaxInt64))
	}
	if hi>>shift != 0 {
		return math.MaxInt64
	}
	return int64(min(hi<<(64-shift)|lo>>shift, math.MaxInt64))
}

// fill gives the seats that start left, one by one.
func (d *division) fill(seats int64) {
	for i, s := range d.shares {
		seats -= d.got[i]
		if d.got[i] < s.ceiling() {
			d.heap = append(d.heap, i)
		}
	}
	heap.Init(d)
	for ; seats > 0; seats-- {
		i := d.heap[0]
		d.got[i]++
		if d.got[i] < d.shares[i].ceiling() {
			heap.Fix(d, 0)
		} else {
			heap.Pop(d)
		}
	}
}

// settle finds the claims that are equal to the last one served, and lets the
// tie rule choose among them.
func (d *division) settle(rule TieRule) ([]int64, error) {
	last := -1
	for i, s := range d.shares {
		if d.got[i] > s.Min && (last < 0 || d.compare(i, d.got[i]-1, last, d.got[last]-1) < 0) {
			last = i
		}
	}
	if last < 0 {
		return d.got, nil
	}
	at := d.got[last] - 1
	var tied []int
	var served int64
	for i, s := range d.shares {
		if d.got[i] > s.Min && d.compare(i, d.got[i]-1, last, at) == 0 {
			tied = append(tied, i)
			served++
		} else if d.got[i] < s.ceiling() && d.compare(i, d.got[i], last, at) == 0 {
			tied = append(tied, i)
		}
	}
	if served == int64(len(tied)) {
		return d.got, nil
	}
	chosen, err := rule.choose(d.shares, tied, served)
	if err != nil {
		return nil, err
	}
	for _, i := range tied {
		if d.got[i] > d.shares[i].Min && d.compare(i, d.got[i]-1, last, at) == 0 && i != last {
			d.got[i]--
		}
	}
	d.got[last]--
	for _, i := range chosen {
		d.got[i]++
	}
	return d.got, nil
}

// choose returns the n of tied that the rule prefers.
func (r TieRule) choose(shares []Share, tied []int, n int64) ([]int, error) {
	if len(r.Lot) > 0 {
		lot := func(i int) []byte {
			h := hmac.New(sha256.New, r.Lot)
			h.Write([]byte(shares[i].Key))
			return h.Sum(nil)
		}
		slices.SortFunc(tied, func(a, b int) int { return bytes.Compare(lot(a), lot(b)) })
		return tied[:n], nil
	}
	slices.SortFunc(tied, func(a, b int) int { return strings.Compare(shares[a].Key, shares[b].Key) })
	if r.ByKey {
		return tied[:n], nil
	}
	keys := make([]string, len(tied))
	for i, t := range tied {
		keys[i] = shares[t].Key
	}
	return nil, &TieError{Keys: keys, Seats: n}
}

// compare says whether the claim of share a to one more than m seats is lower
// (-1), equal (0) or higher (+1) than that of b to one more than n. Where the
// divisor is 0, claims are without limit, and weight decides among them.
func (d *division) compare(a int, m int64, b int, n int64) int {
	p, q := d.divisor(m), d.divisor(n)
	v, w := uint64(d.shares[a].Weight), uint64(d.shares[b].Weight)
	switch {
	case p.zero() && q.zero():
		return cmp.Compare(v, w)
	case p.zero():
		return 1
	case q.zero():
		return -1
	case d.method == HuntingtonHill:
		return wide(square(v), q).compare(wide(square(w), p))
	}
	return times(v, q.lo).compare(times(w, p.lo))
}

// divisor is the divisor of a claim to one more than n seats; for
// HuntingtonHill its square.
func (d *division) divisor(n int64) u128 {
	s := uint64(n)
	switch d.method {
	case Jefferson:
		return u128{0, s + 1}
	case Adams:
		return u128{0, s}
	case HuntingtonHill:
		return times(s, s+1)
	}
	return u128{0, 2*s + 1}
}

// Len, Less, Swap, Push and Pop make a heap of the shares that can take more.
func (d *division) Len() int { return len(d.heap) }
func (d *division) Less(i, j int) bool {
	a, b := d.heap[i], d.heap[j]
	return d.compare(a, d.got[a], b, d.got[b]) > 0
}
func (d *division) Swap(i, j int) { d.heap[i], d.heap[j] = d.heap[j], d.heap[i] }
func (d *division) Push(x any)    { d.heap = append(d.heap, x.(int)) }
func (d *division) Pop() any {
	last := d.heap[len(d.heap)-1]
	d.heap = d.heap[:len(d.heap)-1]
	return last
}

// hamilton gives every share the floor of its quota, and the rest to the
// largest remainders.
func hamilton(seats int64, shares []Share, rule TieRule) ([]int64, error) {
	var total uint64
	for _, s := range shares {
		total += uint64(s.Weight)
	}
	got := make([]int64, len(shares))
	if total == 0 {
		return got, nil
	}
	rest := make([]uint64, len(shares))
	order := make([]int, len(shares))
	left := seats
	for i, s := range shares {
		hi, lo := bits.Mul64(uint64(s.Weight), uint64(seats))
		quotient, remainder := bits.Div64(hi, lo, total)
		got[i], rest[i], order[i] = int64(quotient), remainder, i
		left -= got[i]
	}
	if left == 0 {
		return got, nil
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(rest[b], rest[a]) })
	cut := rest[order[left-1]]
	var tied []int
	for _, i := range order {
		if rest[i] > cut {
			got[i]++
			left--
		} else if rest[i] == cut {
			tied = append(tied, i)
		}
	}
	if left < int64(len(tied)) {
		chosen, err := rule.choose(shares, tied, left)
		if err != nil {
			return nil, err
		}
		tied = chosen
	}
	for _, i := range tied {
		got[i]++
	}
	return got, nil
}

// u128 and u256 are unsigned integers, high word first.
type u128 struct{ hi, lo uint64 }
type u256 [4]uint64

func (x u128) zero() bool { return x.hi|x.lo == 0 }

func (x u128) compare(y u128) int {
	return cmp.Or(cmp.Compare(x.hi, y.hi), cmp.Compare(x.lo, y.lo))
}

func (x u256) compare(y u256) int { return slices.Compare(x[:], y[:]) }

func times(x, y uint64) u128 {
	hi, lo := bits.Mul64(x, y)
	return u128{hi, lo}
}

func square(x uint64) u128 { return times(x, x) }

// wide is the product of two 128-bit numbers.
func wide(x, y u128) u256 {
	ll, lh := times(x.lo, y.lo), times(x.lo, y.hi)
	hl, hh := times(x.hi, y.lo), times(x.hi, y.hi)
	w1, c1 := bits.Add64(ll.hi, lh.lo, 0)
	w2, c2 := bits.Add64(hh.lo, lh.hi, c1)
	w3 := hh.hi + c2
	w1, c1 = bits.Add64(w1, hl.lo, 0)
	w2, c2 = bits.Add64(w2, hl.hi, c1)
	return u256{w3 + c2, w2, w1, ll.lo}
}
