package quota

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestApportionMethods(t *testing.T) {
	// Six states of 10,000 people, 36 seats: the example by which Balinski and
	// Young tell the methods apart.
	shares := []Share{
		{Key: "a", Weight: 27744}, {Key: "b", Weight: 25178}, {Key: "c", Weight: 19951},
		{Key: "d", Weight: 14610}, {Key: "e", Weight: 9225}, {Key: "f", Weight: 3292},
	}
	want := map[Method][]int64{
		Adams:          {10, 9, 7, 5, 3, 2},
		HuntingtonHill: {10, 9, 7, 6, 3, 1},
		Webster:        {10, 9, 8, 5, 3, 1},
		Jefferson:      {11, 9, 7, 5, 3, 1},
		Hamilton:       {10, 9, 7, 5, 4, 1},
	}
	for method, seats := range want {
		got, err := Apportion(36, shares, &ApportionOptions{Method: method})
		require.NoError(t, err)
		require.Equal(t, seats, got, method)
	}
}

// oracle serves seats one by one to the greatest claim, in exact fractions,
// and reports a tie at the cut.
func oracle(seats int64, shares []Share, m Method) (got []int64, tie bool) {
	got = make([]int64, len(shares))
	for i, s := range shares {
		got[i] = s.Min
		seats -= s.Min
	}
	// The square of the claim; a zero divisor is a claim of its own class.
	claim := func(i int) (bool, *big.Rat) {
		n, w := got[i], shares[i].Weight
		half := map[Method][2]int64{Webster: {2*n + 1, 2*n + 1}, Jefferson: {n + 1, n + 1}, Adams: {n, n}, HuntingtonHill: {n, n + 1}}[m]
		square := new(big.Int).Mul(big.NewInt(w), big.NewInt(w))
		under := new(big.Int).Mul(big.NewInt(half[0]), big.NewInt(half[1]))
		if under.Sign() == 0 {
			return true, new(big.Rat).SetInt(square)
		}
		return false, new(big.Rat).SetFrac(square, under)
	}
	best := func() (int, bool) {
		at, equal := -1, false
		for i, s := range shares {
			if s.Weight == 0 || s.Max > 0 && got[i] >= s.Max {
				continue
			}
			if at < 0 {
				at = i
				continue
			}
			z1, c1 := claim(i)
			z2, c2 := claim(at)
			order := c1.Cmp(c2)
			if z1 != z2 {
				order = map[bool]int{true: 1, false: -1}[z1]
			}
			if order > 0 {
				at, equal = i, false
			} else if order == 0 {
				equal = true
			}
		}
		return at, equal
	}
	for ; seats > 0; seats-- {
		i, _ := best()
		got[i]++
		if seats > 1 {
			continue
		}
		// After the last one: is somebody left with the same claim?
		got[i]--
		z, last := claim(i)
		got[i]++
		if next, _ := best(); next >= 0 {
			got2, c := claim(next)
			tie = got2 == z && c.Cmp(last) == 0
		}
	}
	return got, tie
}

func TestApportionEqualsOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	ties, plain := 0, 0
	for range 4000 {
		method := []Method{Webster, Jefferson, Adams, HuntingtonHill}[r.IntN(4)]
		shares := make([]Share, 1+r.IntN(7))
		var room int64
		least := int64(0)
		for i := range shares {
			s := &shares[i]
			s.Key = fmt.Sprint(i)
			s.Weight = r.Int64N([]int64{6, 100, 1 << 40, math.MaxInt64 / 8}[r.IntN(4)])
			if r.IntN(3) == 0 {
				s.Min = r.Int64N(4)
			}
			if r.IntN(3) == 0 {
				s.Max = s.Min + 1 + r.Int64N(5)
			}
			least += s.Min
			room += min(s.ceiling(), 60)
		}
		if room < least {
			continue
		}
		seats := least + r.Int64N(room-least+1)
		want, tie := oracle(seats, shares, method)
		got, err := Apportion(seats, shares, &ApportionOptions{Method: method})
		if tie {
			ties++
			var e *TieError
			require.ErrorAs(t, err, &e)
			require.Greater(t, int64(len(e.Keys)), e.Seats)
			checkTieRules(t, r, seats, shares, method, e)
			continue
		}
		plain++
		require.NoError(t, err)
		require.Equal(t, want, got, "%v %d %v", method, seats, shares)
	}
	require.Greater(t, ties, 10)
	require.Greater(t, plain, 1000)
}

// choose serves the last tied claims by a rule, by a plain second way: got is what
// all have without the tied ones.
func choose(got []int64, shares []Share, tied []int, n int64, rule TieRule) []int64 {
	lot := func(i int) string {
		if rule.ByKey {
			return shares[i].Key
		}
		h := hmac.New(sha256.New, rule.Lot)
		h.Write([]byte(shares[i].Key))
		return string(h.Sum(nil))
	}
	got = slices.Clone(got)
	for range n {
		best := -1
		for at, i := range tied {
			if i >= 0 && (best < 0 || lot(i) < lot(tied[best])) {
				best = at
			}
		}
		got[tied[best]]++
		tied = slices.Delete(slices.Clone(tied), best, best+1)
	}
	return got
}

// A tie rule picks the share that it says: the oracle without the tied claims, and
// those that the error names by the rule.
func checkTieRules(t *testing.T, r *rand.Rand, seats int64, shares []Share, method Method, tie *TieError) {
	// One seat less for each that is tied for: the oracle then stops before the tie.
	before, cut := oracle(seats-tie.Seats, shares, method)
	require.False(t, cut, "the claims before the tie are not tied")
	var tied []int
	for i, s := range shares {
		if slices.Contains(tie.Keys, s.Key) {
			tied = append(tied, i)
		}
	}
	require.Len(t, tied, len(tie.Keys))
	for _, rule := range []TieRule{{ByKey: true}, {Lot: []byte("seed")}} {
		got, err := Apportion(seats, shares, &ApportionOptions{Method: method, Tie: rule})
		require.NoError(t, err)
		require.Equal(t, choose(before, shares, tied, tie.Seats, rule), got, "%v %d %v", method, seats, shares)
	}
	for _, rule := range []TieRule{{ByKey: true}, {Lot: []byte("seed")}} {
		opts := &ApportionOptions{Method: method, Tie: rule}
		got, err := Apportion(seats, shares, opts)
		require.NoError(t, err)
		var sum int64
		byKey := map[string]int64{}
		for i, n := range got {
			sum += n
			byKey[shares[i].Key] = n
			require.Equal(t, n, shares[i].clip(n))
		}
		require.Equal(t, seats, sum)
		shuffled := slices.Clone(shares)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		again, err := Apportion(seats, shuffled, opts)
		require.NoError(t, err)
		for i, n := range again {
			require.Equal(t, byKey[shuffled[i].Key], n)
		}
	}
}

func TestHamiltonEqualsOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		shares := make([]Share, 1+r.IntN(6))
		total := new(big.Int)
		for i := range shares {
			shares[i] = Share{Key: fmt.Sprint(i), Weight: 1 + r.Int64N([]int64{9, 1 << 60}[r.IntN(2)])}
			total.Add(total, big.NewInt(shares[i].Weight))
		}
		seats := r.Int64N(50)
		rule := []TieRule{{ByKey: true}, {Lot: []byte("seed")}}[r.IntN(2)]
		got, err := Apportion(seats, shares, &ApportionOptions{Method: Hamilton, Tie: rule})
		require.NoError(t, err)
		checkHamiltonTie(t, seats, shares, total, rule, got)
		// Whoever got the rounded-up number has a remainder at least as large as
		// whoever did not, and the sum is exact.
		var sum int64
		var least, most *big.Int
		for i, s := range shares {
			q, rest := new(big.Int).DivMod(new(big.Int).Mul(big.NewInt(s.Weight), big.NewInt(seats)), total, new(big.Int))
			sum += got[i]
			switch got[i] - q.Int64() {
			case 1:
				if least == nil || rest.Cmp(least) < 0 {
					least = rest
				}
			case 0:
				if most == nil || rest.Cmp(most) > 0 {
					most = rest
				}
			default:
				t.Fatal("not the quota rounded down or up")
			}
		}
		require.Equal(t, seats, sum)
		if least != nil && most != nil {
			require.GreaterOrEqual(t, least.Cmp(most), 0)
		}
	}
}

// checkHamiltonTie says that a tie is an error without a rule, exactly where the
// remainders at the cut are equal, and that the rule then picks.
func checkHamiltonTie(t *testing.T, seats int64, shares []Share, total *big.Int, rule TieRule, got []int64) {
	floor, rest := make([]int64, len(shares)), make([]*big.Int, len(shares))
	left := seats
	order := make([]int, len(shares))
	for i, s := range shares {
		q, m := new(big.Int).DivMod(new(big.Int).Mul(big.NewInt(s.Weight), big.NewInt(seats)), total, new(big.Int))
		floor[i], rest[i], order[i] = q.Int64(), m, i
		left -= floor[i]
	}
	_, err := Apportion(seats, shares, &ApportionOptions{Method: Hamilton})
	var tie *TieError
	slices.SortStableFunc(order, func(a, b int) int { return rest[b].Cmp(rest[a]) })
	if left == 0 || left == int64(len(shares)) || rest[order[left-1]].Cmp(rest[order[left]]) != 0 {
		require.NoError(t, err)
		return
	}
	require.ErrorAs(t, err, &tie)
	cut := rest[order[left]]
	var tied []int
	for i := range shares {
		switch rest[i].Cmp(cut) {
		case 1:
			floor[i]++
			left--
		case 0:
			tied = append(tied, i)
		}
	}
	require.Equal(t, left, tie.Seats)
	require.Len(t, tie.Keys, len(tied))
	require.Equal(t, choose(floor, shares, tied, left, rule), got)
}

// At national scale, and at the greatest, the answer has its certificate: with the
// sum exact, nobody's last seat had a lower claim than anybody's next. That is what
// a divisor method is, in exact fractions.
func TestApportionAtScaleHasItsCertificate(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for _, method := range []Method{Webster, Jefferson, Adams, HuntingtonHill} {
		for _, seats := range []int64{800_000, 1<<40 - 7, 1 << 40} {
			shares := regencies(t)
			wild := make([]Share, 300)
			for i := range wild {
				wild[i] = Share{Key: fmt.Sprint(i), Weight: 1 + r.Int64N(math.MaxInt64/int64(len(wild))-1)>>r.IntN(50)}
				if r.IntN(4) == 0 {
					wild[i].Min = r.Int64N(900)
				}
				if r.IntN(4) == 0 {
					wild[i].Max = wild[i].Min + 1 + r.Int64N(seats)
				}
			}
			for _, shares := range [][]Share{shares, wild} {
				got, err := Apportion(seats, shares, &ApportionOptions{Method: method, Tie: TieRule{ByKey: true}})
				require.NoError(t, err)
				certified(t, seats, shares, method, got)
				// The control: half of what the largest has, moved to another, is none.
				from := slices.Index(got, slices.Max(got))
				to := slices.IndexFunc(shares, func(s Share) bool { return s.Max == 0 && s.Weight < shares[from].Weight })
				got[from], got[to] = got[from]-got[from]/2, got[to]+got[from]/2
				require.False(t, certificate(shares, method, got))
			}
		}
	}
}

func certified(t *testing.T, seats int64, shares []Share, method Method, got []int64) {
	var sum int64
	for i, n := range got {
		sum += n
		require.Equal(t, n, shares[i].clip(n))
	}
	require.Equal(t, seats, sum)
	require.True(t, certificate(shares, method, got))
}

// certificate says that the lowest claim that was served is at least the highest
// that was not. Claims are compared as their squares.
func certificate(shares []Share, method Method, got []int64) bool {
	type value struct {
		endless bool // the divisor is 0
		square  *big.Rat
	}
	claim := func(i int, n int64) value {
		p, q := 2*n+1, 2*n+1
		switch method {
		case Jefferson:
			p, q = n+1, n+1
		case Adams:
			p, q = n, n
		case HuntingtonHill:
			p, q = n, n+1
		}
		square := new(big.Int).Mul(big.NewInt(shares[i].Weight), big.NewInt(shares[i].Weight))
		under := new(big.Int).Mul(big.NewInt(p), big.NewInt(q))
		if under.Sign() == 0 {
			return value{true, new(big.Rat).SetInt(square)}
		}
		return value{false, new(big.Rat).SetFrac(square, under)}
	}
	less := func(a, b value) bool {
		return !a.endless && b.endless || a.endless == b.endless && a.square.Cmp(b.square) < 0
	}
	var served, next *value
	for i, n := range got {
		if n > shares[i].Min {
			if c := claim(i, n-1); served == nil || less(c, *served) {
				served = &c
			}
		}
		if n < shares[i].ceiling() {
			if c := claim(i, n); next == nil || less(*next, c) {
				next = &c
			}
		}
	}
	return served == nil || next == nil || !less(*served, *next)
}

// Over two levels both sums are exact and every bound is kept, also where only the
// bounds below a branch say what it can take.
func TestApportionTree(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 1))
	divided, narrowed := 0, 0
	for range 3000 {
		branches := make([]Branch, 1+r.IntN(5))
		for i := range branches {
			b := &branches[i]
			b.Share = Share{Key: fmt.Sprint("b", i), Weight: r.Int64N(50)}
			if r.IntN(4) == 0 {
				b.Max = 1 + r.Int64N(12)
			}
			for k := range r.IntN(5) {
				s := Share{Key: fmt.Sprint("s", k), Weight: r.Int64N(20), Min: r.Int64N(2)}
				if r.IntN(3) == 0 {
					s.Max = s.Min + 1 + r.Int64N(4)
				}
				b.Below = append(b.Below, s)
			}
		}
		seats := r.Int64N(40)
		above, below, err := ApportionTree(seats, branches, &ApportionOptions{Tie: TieRule{ByKey: true}})
		if err != nil {
			var infeasible *InfeasibleError
			var unassigned *UnassignedError
			require.True(t, errors.As(err, &infeasible) || errors.As(err, &unassigned), "%v", err)
			// It is true: the least or the most that all can take does not fit.
			var least, most int64
			impossible := false
			for _, b := range branches {
				s, err := b.within()
				impossible = impossible || err != nil
				least, most = least+s.Min, min(most+min(s.ceiling(), 100), 1000)
			}
			require.True(t, impossible || least > seats || most < seats, "%v %d %v", err, seats, branches)
			continue
		}
		divided++
		var sum int64
		for i, n := range above {
			sum += n
			var inner int64
			for k, m := range below[i] {
				inner += m
				require.Equal(t, m, branches[i].Below[k].clip(m))
			}
			require.Equal(t, n, inner)
			within, err := branches[i].within()
			require.NoError(t, err)
			require.Equal(t, n, within.clip(n))
			require.True(t, branches[i].Max == 0 || n <= branches[i].Max)
		}
		require.Equal(t, seats, sum)
		plain := make([]Share, len(branches))
		for i, b := range branches {
			plain[i] = b.Share
		}
		if bare, err := Apportion(seats, plain, &ApportionOptions{Tie: TieRule{ByKey: true}}); err != nil || !slices.Equal(bare, above) {
			narrowed++
		}
	}
	require.Greater(t, divided, 500)
	require.Greater(t, narrowed, 100)

	two := []Branch{{Share{Key: "p", Weight: 1}, []Share{{Key: "a", Weight: 1, Min: 1}, {Key: "b", Weight: 1}}}}
	_, _, err := ApportionTree(4, two, nil)
	require.NoError(t, err)
	var branch *BranchError
	var tie *TieError
	_, _, err = ApportionTree(2, []Branch{{Share{Key: "p", Weight: 1}, []Share{{Key: "a", Weight: 1}, {Key: "b", Weight: 1}, {Key: "c", Weight: 1}}}}, nil)
	require.ErrorAs(t, err, &branch)
	require.ErrorAs(t, err, &tie)
	require.Equal(t, "p", branch.Key)
	var f Faults
	_, _, err = ApportionTree(4, two, &ApportionOptions{Method: Hamilton})
	require.ErrorAs(t, err, &f, "bounds with Hamilton, also below")
}

func TestApportionRefuses(t *testing.T) {
	two := []Share{{Key: "a", Weight: 1, Min: 3}, {Key: "b", Weight: 1, Min: 3}}
	var infeasible *InfeasibleError
	_, err := Apportion(5, two, nil)
	require.ErrorAs(t, err, &infeasible)

	capped := []Share{{Key: "a", Weight: 1, Max: 2}, {Key: "b", Weight: 9, Max: 3}, {Key: "c", Min: 1}}
	var unassigned *UnassignedError
	_, err = Apportion(10, capped, nil)
	require.ErrorAs(t, err, &unassigned)
	require.EqualValues(t, 4, unassigned.Unassigned)
	got, err := Apportion(6, capped, nil) // the control: with four fewer it goes
	require.NoError(t, err)
	require.Equal(t, []int64{2, 3, 1}, got)

	var faults Faults
	_, err = Apportion(6, capped, &ApportionOptions{Method: Hamilton})
	require.ErrorAs(t, err, &faults)
	require.Contains(t, err.Error(), "Hamilton takes no bounds")

	_, err = Apportion(-1, []Share{{Key: "a", Weight: -1, Min: -1, Max: -1}, {Key: "a", Weight: 1}}, &ApportionOptions{Method: 9})
	require.ErrorAs(t, err, &faults)
	require.Len(t, faults, 6)

	var tie *TieError
	_, err = Apportion(1, []Share{{Key: "b", Weight: 1}, {Key: "a", Weight: 1}}, nil)
	require.ErrorAs(t, err, &tie)
	require.Equal(t, []string{"a", "b"}, tie.Keys)
}

func TestApportionExtremes(t *testing.T) {
	half := int64(math.MaxInt64 / 2)
	shares := []Share{{Key: "a", Weight: half}, {Key: "b", Weight: half}, {Key: "c", Weight: 1}}
	for _, method := range []Method{Webster, Jefferson, Hamilton} {
		got, err := Apportion(1000, shares, &ApportionOptions{Method: method})
		require.NoError(t, err)
		require.Equal(t, []int64{500, 500, 0}, got)
	}
	// The shares are 2^62 times apart, and there are many seats.
	got, err := Apportion(maxSeats, []Share{{Key: "a", Weight: 1 << 62}, {Key: "b", Weight: 1}}, nil)
	require.NoError(t, err)
	require.Equal(t, []int64{maxSeats, 0}, got)
	_, err = Apportion(maxSeats+1, shares, nil)
	require.Error(t, err)
	got, err = Apportion(0, nil, nil)
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestWideProductEqualsBig(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	word := func() uint64 { return []uint64{r.Uint64(), math.MaxUint64, 0, 1}[r.IntN(4)] }
	toBig := func(words ...uint64) *big.Int {
		n := new(big.Int)
		for _, w := range words {
			n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(w))
		}
		return n
	}
	for range 10000 {
		x, y := u128{word(), word()}, u128{word(), word()}
		p := wide(x, y)
		want := new(big.Int).Mul(toBig(x.hi, x.lo), toBig(y.hi, y.lo))
		require.Zero(t, want.Cmp(toBig(p[:]...)))
	}
}

// table reads a CSV of testdata, without its header.
func table(t testing.TB, name string) [][]string {
	f, err := os.Open("testdata/" + name)
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	return rows[1:]
}

func regencies(t testing.TB) []Share {
	var shares []Share
	for _, row := range table(t, "regencies.csv") {
		n, err := strconv.ParseInt(row[4], 10, 64)
		require.NoError(t, err)
		shares = append(shares, Share{Key: row[0], Weight: n, Min: 1})
	}
	return shares
}

func BenchmarkApportion514(b *testing.B) {
	shares := regencies(b)
	require.Len(b, shares, 514)
	opts := &ApportionOptions{Tie: TieRule{ByKey: true}}
	for b.Loop() {
		if _, err := Apportion(800_000, shares, opts); err != nil {
			b.Fatal(err)
		}
	}
}
