package quota

import (
	"encoding/csv"
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
			checkTieRules(t, r, seats, shares, method)
			continue
		}
		plain++
		require.NoError(t, err)
		require.Equal(t, want, got, "%v %d %v", method, seats, shares)
	}
	require.Greater(t, ties, 10)
	require.Greater(t, plain, 1000)
}

// A tie rule makes the sum exact, and the answer is the same in every order.
func checkTieRules(t *testing.T, r *rand.Rand, seats int64, shares []Share, method Method) {
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
		got, err := Apportion(seats, shares, &ApportionOptions{Method: Hamilton, Tie: TieRule{ByKey: true}})
		require.NoError(t, err)
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
