package payment

import (
	"errors"
	"flag"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/program/wording"
)

var update = flag.Bool("update", false, "write golden files")

func TestNoBinaryFractions(t *testing.T) {
	binary := regexp.MustCompile(`\bfloat(32|64)\b|\bParseFloat\b`)
	require.Regexp(t, binary, "var x float64", "the control is found")
	for _, pattern := range []string{"*.go", "iso20022/*.go"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, name := range files {
			source, err := os.ReadFile(name)
			require.NoError(t, err)
			if filepath.Base(name) != "payment_test.go" {
				require.NotRegexp(t, binary, string(source), name)
			}
		}
	}
}

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

func scheme(balance int64, months, surveys int) Benefits {
	return Benefits{Balance("training", Rupiah(balance)).Expires("12-15"),
		Instalments("incentive", months, Rupiah(600_000)).Monthly(), PerSurvey("survey", surveys, Rupiah(50_000))}
}

func TestSchemes(t *testing.T) {
	for want, b := range map[string]Benefits{"Rp3.550.000": scheme(1_000_000, 4, 3), "Rp4.200.000": scheme(3_500_000, 1, 2)} {
		require.NoError(t, b.Validate())
		total, err := b.Total()
		require.NoError(t, err)
		require.Equal(t, want, total.String())
	}
	b := scheme(1_000_000, 4, 3)
	due, err := b[1].Schedule(calendar.Of(2020, 10, 31), 0)
	require.NoError(t, err)
	require.Equal(t, []Due{{1, calendar.Of(2020, 10, 31), Rupiah(600_000)}, {2, calendar.Of(2020, 11, 30), Rupiah(600_000)},
		{3, calendar.Of(2020, 12, 31), Rupiah(600_000)}, {4, calendar.Of(2021, 1, 31), Rupiah(600_000)}}, due)
	due, err = b[2].Schedule(calendar.Of(2020, 10, 31), 3)
	require.NoError(t, err)
	require.Equal(t, []Due{{3, calendar.Of(2020, 10, 31), Rupiah(50_000)}}, due)
	for i, number := range map[int]int{0: 1, 2: 4} {
		var fault *ScheduleError
		_, err := b[i].Schedule(calendar.Of(2020, 1, 1), number)
		require.ErrorAs(t, err, &fault)
	}
	last, ok := b[0].Lapses(calendar.Of(2020, 12, 16))
	require.True(t, ok)
	require.Equal(t, calendar.Of(2021, 12, 15), last)
	bad := Benefits{{Name: "A b", Kind: "gift", LastDay: "02-29"}, {Name: "A b"}}
	require.GreaterOrEqual(t, len(bad.Validate().(interface{ Unwrap() []error }).Unwrap()), 10)
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

func FuzzParse(f *testing.F) {
	f.Add("B12I345G1Q")
	f.Add("Rp1.000,50")
	f.Add("600000.00")
	f.Fuzz(func(t *testing.T, s string) {
		if m, err := ParseMoney(s); err == nil {
			require.Equal(t, s, m.String())
		}
		if batch, item, generation, err := ParseReference(s); err == nil {
			again, _ := Reference(batch, item, generation)
			require.Equal(t, s, again)
		}
		_, _ = ParseDecimal(s, IDR)
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

func TestFailures(t *testing.T) {
	require.Equal(t, AccountUnusable, FailureOf("AC04"))
	require.Equal(t, Unexplained, FailureOf("ZZ99"))
	require.Equal(t, lifecycle.Applicant, FailureOf("BE01").Actor())
	require.Equal(t, lifecycle.Officer, FailureOf("AM04").Actor())
	for _, code := range []string{"AC01", "AC04", "AC06", "BE01", "MD07", "RC01", "AM02", "AM04", "AM05", "AG01", "?"} {
		require.Contains(t, Texts()["id"], FailureOf(code).Wording())
	}
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
