package payment

import (
	"errors"
	"flag"
	"math"
	"math/big"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/program/wording"
)

var update = flag.Bool("update", false, "write golden files")

func TestMoneyText(t *testing.T) {
	for text, m := range map[string]Money{
		"Rp3.550.000": Rupiah(3_550_000), "Rp3.550.000,50": {355_000_050, IDR}, "-Rp0,05": {-5, IDR}, "Rp0": Rupiah(0),
		"JPY 2.700": {2700, "JPY"}, "USD 1.250,75": {125_075, "USD"}, "-Rp92.233.720.368.547.758,08": {math.MinInt64, IDR},
	} {
		require.Equal(t, text, m.String())
		read, err := ParseMoney(text)
		require.NoError(t, err, text)
		require.Equal(t, m, read)
	}
	require.Equal(t, wording.Rupiah(3_550_000), Rupiah(3_550_000).String(), "both write the same")
	for _, text := range []string{"", "Rp", "Rp 5", "Rp3550000", "Rp1,00", "Rp1,5", "-Rp0", "Rp01", "1.000", "Rp99.999.999.999.999.999.999", "+Rp1"} {
		_, err := ParseMoney(text)
		var fault *MoneyError
		require.ErrorAs(t, err, &fault, text)
	}
}

func TestDecimal(t *testing.T) {
	require.Equal(t, "600000.00", Rupiah(600_000).Decimal())
	for text, units := range map[string]int64{"600000.00": 60_000_000, "1": 100, "1.5": 150, "1.50000": 150, "92233720368547758.07": math.MaxInt64} {
		m, err := ParseDecimal(text, IDR)
		require.NoError(t, err, text)
		require.Equal(t, units, m.Units)
	}
	for _, text := range []string{"", "1.", ".5", "-1", "+1", "1e2", "1,0", " 1", "1.001", "1.000000", "92233720368547758.08"} {
		_, err := ParseDecimal(text, IDR)
		require.Error(t, err, text)
	}
}

// Checked arithmetic agrees with integers that cannot overflow.
func TestMoneyArithmetic(t *testing.T) {
	edges := []int64{math.MinInt64, math.MinInt64 + 1, -3, -1, 0, 1, 2, 100, math.MaxInt64 / 2, math.MaxInt64 - 1, math.MaxInt64}
	for _, a := range edges {
		for _, b := range edges {
			x, y := big.NewInt(a), big.NewInt(b)
			m, n := Money{a, IDR}, Money{b, IDR}
			same := func(got Money, err error, want *big.Int) {
				require.Equal(t, want.IsInt64(), err == nil, "%d %d", a, b)
				if err == nil {
					require.Equal(t, want.Int64(), got.Units)
				}
			}
			got, err := m.Add(n)
			same(got, err, new(big.Int).Add(x, y))
			got, err = m.Sub(n)
			same(got, err, new(big.Int).Sub(x, y))
			got, err = m.Mul(b)
			same(got, err, new(big.Int).Mul(x, y))
		}
		parts, err := Money{a, IDR}.Allocate(1, 0, 1, 1)
		require.NoError(t, err)
		require.Equal(t, a, parts[0].Units+parts[1].Units+parts[2].Units+parts[3].Units)
		require.Zero(t, parts[1].Units)
	}
	_, err := Rupiah(1).Add(Money{1, "USD"})
	require.Equal(t, &MoneyError{"add", MoneyCurrency}, err)
}

func TestReference(t *testing.T) {
	check, ok := checkCharacter("A12425GABC1234002") // the worked example of the Global Release Identifier standard
	require.True(t, ok)
	require.Equal(t, byte('M'), check)
	for _, c := range []struct {
		batch, item int64
		generation  int
	}{{1, 1, 1}, {12, 345, 1}, {MaxBatch, MaxItem, MaxGeneration}} {
		s, err := Reference(c.batch, c.item, c.generation)
		require.NoError(t, err)
		require.Regexp(t, `^[A-Z0-9]{1,35}$`, s)
		batch, item, generation, err := ParseReference(s)
		require.NoError(t, err)
		require.Equal(t, c, struct {
			batch, item int64
			generation  int
		}{batch, item, generation})
		for i := range s {
			for _, r := range []byte(alphabet) {
				if wrong := s[:i] + string(r) + s[i+1:]; wrong != s {
					_, _, _, err := ParseReference(wrong)
					require.Error(t, err, wrong)
				}
			}
		}
	}
	_, err := Reference(MaxBatch+1, 1, 1)
	require.Equal(t, &ReferenceError{"batch"}, err)
}

// A compact reference is another spelling of the same numbers: shorter, never cut, and no two
// have one.
func TestCompact(t *testing.T) {
	seen := map[string]string{}
	for _, batch := range []int64{1, 2, 7, 35, 36, 999, 1_000, 123_456_789, MaxBatch - 1, MaxBatch} {
		for _, item := range []int64{1, 9, 10, 1_000, 344_963, MaxItem - 1, MaxItem} {
			for _, generation := range []int{1, 2, 36, MaxGeneration} {
				plain, err := Reference(batch, item, generation)
				require.NoError(t, err)
				short, err := Compact(plain)
				require.NoError(t, err)
				require.Regexp(t, `^C[A-Z0-9]{2,17}$`, short)
				require.Empty(t, seen[short], "%s and %s", seen[short], plain)
				seen[short] = plain
				b, i, g, err := ParseReference(short)
				require.NoError(t, err, short)
				require.Equal(t, []any{batch, item, generation}, []any{b, i, g})
				again, err := Compact(short)
				require.NoError(t, err)
				require.Equal(t, short, again)
			}
		}
	}
	plain, _ := Reference(7, 123, 1)
	short, _ := Compact(plain)
	for i := range short {
		for _, r := range []byte(alphabet) {
			if wrong := short[:i] + string(r) + short[i+1:]; wrong != short {
				_, _, _, err := ParseReference(wrong)
				require.Error(t, err, wrong)
			}
		}
	}
	for _, s := range []string{"", "C", "CC", "C0", "C00", "CZZZZZZZZZZZZZZZZ0", "another"} {
		_, err := Compact(s)
		require.Error(t, err, s)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("B12I345G1Q")
	f.Add("C5YC7VXHQX8")
	f.Add("Rp1.000,50")
	f.Add("600000.00")
	f.Fuzz(func(t *testing.T, s string) {
		bounded(t, len(s), func() {
			_, _ = ParseMoney(s)
			_, _ = ParseDecimal(s, IDR)
			_, _ = Compact(s)
		})
		if m, err := ParseMoney(s); err == nil {
			require.Equal(t, s, m.String())
		}
		if batch, item, generation, err := ParseReference(s); err == nil {
			again, _ := Reference(batch, item, generation)
			if s[0] == 'C' {
				again, _ = Compact(again)
			}
			require.Equal(t, s, again)
		}
	})
}

func TestTable(t *testing.T) {
	catalogue, err := wording.Compile(Texts())
	require.NoError(t, err)
	_, err = lifecycle.Compile(Table(), map[string]lifecycle.Guard[any]{}, lifecycle.CompileOptions{
		Effects: []string{EffectReserve, EffectPost, EffectVoid, EffectRepay}, Holdings: []lifecycle.Holding{Reservation},
		Texts: catalogue})
	require.NoError(t, err)
	for _, s := range Table().States {
		require.Equal(t, s.Final, s.State.Dead(), "what is final is dead: %s", s.State)
	}
	require.True(t, State("?").Live())
	const golden = "testdata/payment.mmd"
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, []byte(Table().Mermaid()), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), Table().Mermaid())
}

func TestBatch(t *testing.T) {
	a := BatchItem{Reference: "B1I1G1X", Amount: Rupiah(1)}
	b := a
	b.Destination[0] = 1
	zero := [32]byte{}
	require.NotEqual(t, NextDigest(zero, a), NextDigest(zero, b), "a changed destination changes the digest")
	require.NotEqual(t, NextDigest(NextDigest(zero, a), b), NextDigest(NextDigest(zero, b), a), "order counts")
	require.NoError(t, Separate(Signature{Role: "maker", Actor: "a"}, Signature{Role: "checker", Actor: "b"}))
	err := Separate(Signature{Role: "maker", Actor: "a"}, Signature{Role: "checker", Actor: "b", OnBehalf: "a"})
	require.Equal(t, &SameHandsError{"maker", "checker"}, err)
}

func TestGate(t *testing.T) {
	last := Last{Sequence: 6, Closing: Rupiah(100)}
	good := Statement{Sequence: 7, Opening: Rupiah(100), Closing: Rupiah(40), Net: Rupiah(-60)}
	require.NoError(t, last.Gate(good))
	for rule, s := range map[GateRule]Statement{
		GateSequence: {8, Rupiah(100), Rupiah(40), Rupiah(-60)}, GateOpening: {7, Rupiah(90), Rupiah(30), Rupiah(-60)},
		GateSum: {7, Rupiah(100), Rupiah(41), Rupiah(-60)}, GateCurrency: {7, Rupiah(100), Rupiah(40), Money{-60, "USD"}},
	} {
		var fault *GateError
		require.True(t, errors.As(last.Gate(s), &fault))
		require.Equal(t, rule, fault.Rule)
	}
}

func TestClassify(t *testing.T) {
	to, other := [32]byte{1}, [32]byte{2}
	found := func(s State, debited, credited bool) *Found {
		return &Found{s, Rupiah(5), to, debited, credited, false}
	}
	for _, c := range []struct {
		line  Line
		found *Found
		want  Class
	}{
		{Line{Credit: false, Amount: Rupiah(5), Destination: to}, found(Submitted, false, false), Matched},
		{Line{Credit: false, Amount: Rupiah(5), Destination: [32]byte{}}, found(Unknown, false, false), Matched},
		{Line{Credit: false, Amount: Rupiah(6), Destination: to}, found(Submitted, false, false), WrongAmount},
		{Line{Credit: true, Amount: Rupiah(5)}, &Found{Settled, Rupiah(5), to, true, false, true}, Duplicate}, // the payee keeps one
		{Line{Credit: false, Amount: Rupiah(5), Destination: other}, found(Accepted, false, false), WrongAccount},
		{Line{Credit: false, Amount: Rupiah(6), Destination: to}, found(Settled, true, false), Duplicate},
		{Line{Credit: false, Amount: Rupiah(5), Destination: to}, found(Rejected, false, false), RejectedButPaid},
		{Line{Credit: false, Amount: Rupiah(5), Destination: to}, nil, OrphanDebit},
		{Line{Credit: true, Amount: Rupiah(5), Destination: to}, nil, OrphanCredit},
		{Line{Credit: true, Amount: Rupiah(5), Destination: to}, found(Submitted, false, false), OrphanCredit},
		{Line{Credit: true, Amount: Rupiah(5), Destination: to}, found(Settled, true, false), ReturnedLine},
		{Line{Credit: true, Amount: Rupiah(4), Destination: to}, found(Settled, true, false), WrongAmount},
		{Line{Credit: true, Amount: Rupiah(5), Destination: to}, found(Returned, true, true), Duplicate},
	} {
		require.Equal(t, c.want, Classify(c.line, c.found), "%+v", c)
	}
}

func TestBandsSayHowManyApprove(t *testing.T) {
	bands := Bands{{Rupiah(1_000), 2}, {Rupiah(5_000), 3}}
	require.NoError(t, bands.Validate())
	for total, want := range map[Money]int{Rupiah(1_000): 1, Rupiah(1_001): 2, Rupiah(5_001): 3, {Units: 1, Currency: "USD"}: 3} {
		require.Equal(t, want, bands.Approvers(total), total.String())
	}
	require.Equal(t, 1, Bands(nil).Approvers(Rupiah(1)))
	require.Error(t, Bands{{Rupiah(1), 11}}.Validate())
	require.Error(t, Bands{{Money{Units: 1, Currency: "rupiah"}, 1}}.Validate())
}

// bounded fails if work on an input allocates more than a megabyte and 256 bytes for
// each of its bytes: all that was ever allocated is more than what was in use at once.
func bounded(t *testing.T, input int, work func()) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	work()
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20+256*uint64(input) {
		t.Fatalf("%d bytes are allocated for an input of %d", used, input)
	}
}
