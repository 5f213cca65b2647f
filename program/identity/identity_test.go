package identity_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
)

const (
	woman = "3273054808020001" // born 8 August 2002
	man   = "9171012902000042" // born 29 February 2000
)

func TestParseNIK(t *testing.T) {
	for _, c := range []struct {
		name, in string
		rule     identity.Rule
		warnings identity.Warnings
	}{
		{"woman", woman, "", 0},
		{"man", man, "", 0},
		{"short", "327305480802000", identity.SixteenDigits, 0},
		{"long", woman + "0", identity.SixteenDigits, 0},
		{"empty", "", identity.SixteenDigits, 0},
		{"points", "32.73.05480802.0", identity.SixteenDigits, 0},
		{"other digits", strings.Repeat("٣", 8), identity.SixteenDigits, 0},
		{"no such province", "9773054808020001", identity.ProvinceCode, 0}, // 97 exists only at the statistics office
		{"province 00", "0073054808020001", identity.ProvinceCode, 0},
		{"day 00", "3273050008020001", identity.BirthDay, 0},
		{"day 40", "3273054008020001", identity.BirthDay, 0},
		{"day 32", "3273053208020001", identity.BirthDay, 0},
		{"day 72", "3273057208020001", identity.BirthDay, 0},
		{"day 71", "3273057108020001", "", 0},
		{"month 00", "3273050800020001", identity.BirthMonth, 0},
		{"month 13", "3273050813020001", identity.BirthMonth, 0},
		{"31 April", "3273053104020001", identity.BirthDate, 0},
		{"29 February 01", "3273052902010001", identity.BirthDate, 0},
		{"29 February 00 is that of 2000", "3273052902000001", "", 0},
		{"serial 0000", "3273054808020000", identity.Serial, 0},
		{"regency 00", "3200054808020001", "", identity.RegencyZero},
		{"district 00", "3273004808020001", "", identity.DistrictZero},
	} {
		t.Run(c.name, func(t *testing.T) {
			nik, warnings, err := identity.ParseNIK(c.in)
			if c.rule != "" {
				var fault *identity.FormatError
				require.ErrorAs(t, err, &fault)
				require.Equal(t, identity.FormatError{Field: "nik", Rule: c.rule}, *fault)
				require.True(t, nik.IsZero())
				if c.in != "" {
					require.NotContains(t, err.Error(), c.in)
				}
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.warnings, warnings)
			require.Equal(t, c.in, nik.Reveal())
		})
	}
}

// The provinces are the 38 of the Ministry of Home Affairs, code by code.
func TestTheProvincesAreThoseOfTheMinistry(t *testing.T) {
	ministry := map[string]string{
		"11": "Aceh", "12": "Sumatera Utara", "13": "Sumatera Barat", "14": "Riau", "15": "Jambi", "16": "Sumatera Selatan", "17": "Bengkulu", "18": "Lampung",
		"19": "Kep. Bangka Belitung", "21": "Kep. Riau", "31": "DKI Jakarta", "32": "Jawa Barat", "33": "Jawa Tengah", "34": "DI Yogyakarta", "35": "Jawa Timur",
		"36": "Banten", "51": "Bali", "52": "NTB", "53": "NTT", "61": "Kalimantan Barat", "62": "Kalimantan Tengah", "63": "Kalimantan Selatan",
		"64": "Kalimantan Timur", "65": "Kalimantan Utara", "71": "Sulawesi Utara", "72": "Sulawesi Tengah", "73": "Sulawesi Selatan", "74": "Sulawesi Tenggara",
		"75": "Gorontalo", "76": "Sulawesi Barat", "81": "Maluku", "82": "Maluku Utara", "91": "Papua", "92": "Papua Barat", "93": "Papua Selatan",
		"94": "Papua Tengah", "95": "Papua Pegunungan", "96": "Papua Barat Daya",
	}
	require.Len(t, ministry, 38)
	for n := range 100 {
		code := fmt.Sprintf("%02d", n)
		_, _, err := identity.ParseNIK(code + woman[2:])
		require.Equal(t, ministry[code] != "", err == nil, "%s %s", code, ministry[code])
		_, _, err = identity.ParseKK(code + "73050102150003"[0:14])
		require.Equal(t, ministry[code] != "", err == nil, "%s %s", code, ministry[code])
	}
}

func TestParseKK(t *testing.T) {
	_, warnings, err := identity.ParseKK("3273050102150003")
	require.NoError(t, err)
	require.Zero(t, warnings)
	_, warnings, err = identity.ParseKK("3273054802150000") // no plus forty on a family card
	require.NoError(t, err)
	require.Equal(t, "recorded-date,serial-zero", warnings.String())
	_, _, err = identity.ParseKK("9973050102150003")
	require.Equal(t, "kk: province-code", err.Error())
}

// A difference from the declared birth date or sex is a warning, never an error.
func TestCompare(t *testing.T) {
	nik, _, err := identity.ParseNIK(woman)
	require.NoError(t, err)
	require.Zero(t, nik.Compare(calendar.Of(2002, 8, 8), identity.Female))
	require.Zero(t, nik.Compare(calendar.Of(1902, 8, 8), identity.Female))
	require.Zero(t, nik.Compare(calendar.Date{}, identity.SexUnknown))
	require.Equal(t, identity.BirthDateDiffers, nik.Compare(calendar.Of(2002, 8, 9), identity.Female))
	require.Equal(t, identity.SexDiffers|identity.BirthDateDiffers, nik.Compare(calendar.Of(2003, 8, 8), identity.Male))
	require.Zero(t, identity.NIK{}.Compare(calendar.Of(2003, 8, 8), identity.Male))
}

// No way of printing, inside any shape of value, shows a digit of the number.
func TestNothingPrints(t *testing.T) {
	nik, _, err := identity.ParseNIK(woman)
	require.NoError(t, err)
	kk, _, err := identity.ParseKK("3273050102150003")
	require.NoError(t, err)
	secret := identity.NewSecret("0812-555-0001")
	name := identity.NewName("Sri Wahyuni")
	type inner struct {
		nik    identity.NIK // unexported: fmt does not ask the methods
		kk     identity.KK
		secret identity.Secret
		name   identity.Name
	}
	type outer struct {
		NIK    identity.NIK
		KK     identity.KK
		Secret identity.Secret
		Name   identity.Name
		inner  inner
	}
	value := outer{nik, kk, secret, name, inner{nik, kk, secret, name}}
	leaks := func(text string) bool {
		for _, part := range []string{"3273", "808020", "010215", "0812", "555", "Sri", "wahyuni", "Wahyuni", "51 50 55 51"} {
			if strings.Contains(text, part) {
				return true
			}
		}
		return false
	}
	require.True(t, leaks(fmt.Sprintf("%+v", struct{ s string }{woman})), "the control must leak")
	addresses := regexp.MustCompile(`\b(0[xX])?[0-9a-fA-F]{9,12}\b|\b[0-9]{13,15}\b`) // no number here is as long
	timeless := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}
	printed := 0
	check := func(text string) {
		printed++
		text = addresses.ReplaceAllString(text, "address") // its digits are chance
		require.False(t, leaks(text), text)
	}
	for _, v := range []any{nik, kk, secret, name, &nik, &name, value, &value, []outer{value}, map[string]outer{"a": value}, []any{nik, kk, secret, name}, errors.Join(fmt.Errorf("%v", nik))} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%10.3s", "%T"} {
			check(fmt.Sprintf(verb, v))
		}
		check(fmt.Sprint(v))
		data, err := json.Marshal(v)
		require.NoError(t, err)
		check(string(data))
		var buf bytes.Buffer
		slog.New(slog.NewJSONHandler(&buf, timeless)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&buf, timeless)).Info("x", "v", v)
		check(buf.String())
	}
	type row struct{ N identity.NIK }
	data, err := xml.Marshal(row{nik})
	require.NoError(t, err)
	check(string(data))
	require.Greater(t, printed, 100)
	require.Equal(t, `{"N":"NIK(****)"}`, string(must(json.Marshal(struct{ N identity.NIK }{nik}))))
	require.Equal(t, "{N:NIK(****)}", fmt.Sprintf("%+v", struct{ N identity.NIK }{nik}))
}

func must(data []byte, err error) []byte {
	if err != nil {
		return []byte(err.Error())
	}
	return data
}

func TestEqual(t *testing.T) {
	a, _, err := identity.ParseNIK(woman)
	require.NoError(t, err)
	b, _, err := identity.ParseNIK(woman)
	require.NoError(t, err)
	c, _, err := identity.ParseNIK(man)
	require.NoError(t, err)
	require.True(t, a.Equal(b))
	require.False(t, a.Equal(c))
	require.False(t, a.Equal(identity.NIK{}))
	require.True(t, identity.NewSecret("").IsZero())
	require.True(t, identity.NewSecret("x").Equal(identity.NewSecret("x")))
}

func TestSimilarity(t *testing.T) {
	for _, c := range []struct {
		a, b     string
		min, max int
	}{
		{"Sri Wahyuni", "SRI  WAHYUNI", 1000, 1000},
		{"H. Moh. Ridwan", "Muhammad Ridwan", 1000, 1000},
		{"Drs. Ahmad Fauzi, M.Pd.", "ahmad fauzi", 1000, 1000},
		{"Ahmad Fauzi S.Pd", "Ahmad Fauzi", 1000, 1000},
		{"Siti binti Ahmad", "Siti Ahmad", 1000, 1000},
		{"José", "Jose", 1000, 1000},
		{"Ma'ruf", "Ma’ruf", 1000, 1000},
		{"Ridwan Muhammad", "Muhammad Ridwan", 980, 980},
		{"Muhammad R.", "Muhammad Ridwan", 850, 950},
		{"M. Ridwan", "Muhammad Ridwan", 800, 950},
		{"Sri Wahyuni", "Sri Wahyunni", 900, 990},
		{"Budi Santoso", "Budi Santosa", 850, 990},
		{"Budi Santoso", "Budi", 400, 600},
		{"Budi Santoso", "Agus Wijaya", 0, 100},
		{"", "Budi", 0, 0},
		{"...", "Budi", 0, 0},
		{"Haji", "Haji", 1000, 1000},
		{"M.T. Haryono", "M. T. Haryono", 1000, 1000}, // initials, not a degree
		{"M.T. Haryono, M.T.", "M.T. Haryono", 1000, 1000},
		{"Nurhayati", "Nur Hayati", 980, 980},
		{"Nur Hayati Siregar", "Siregar Nurhayati", 960, 980},
		{"Nur Hayati", "Nur Hidayat", 200, 600},
		{"Mhd. Ridwan", "Muhammad Ridwan", 1000, 1000},
		{"Muchamad Ridwan", "Moehammad Ridwan", 1000, 1000},
		{"Fauzi, Ahmad", "Ahmad Fauzi", 980, 980},
		{"Fauzi, Ahmad, S.E., M.M.", "Ahmad Fauzi", 980, 980},
		{"Ahmad Fauzi, SE", "Ahmad Fauzi", 1000, 1000},
		{"Ahmad Fauzi SE MM", "Ahmad Fauzi", 1000, 1000},
		{"AHMAD FAUZI SPD", "Ahmad Fauzi", 1000, 1000},
		{"Ahmad Fauzi S. Pd.", "Ahmad Fauzi", 1000, 1000},
		{"SH. Mintardja", "S.H. Mintardja", 980, 980},
		{"H.Ridwan", "Ridwan", 1000, 1000},
		{"Moh.Ridwan", "Muhammad Ridwan", 1000, 1000},
	} {
		a, b := identity.NewName(c.a), identity.NewName(c.b)
		got := a.Similarity(b)
		require.GreaterOrEqual(t, got, c.min, "%s / %s", c.a, c.b)
		require.LessOrEqual(t, got, c.max, "%s / %s", c.a, c.b)
		require.Equal(t, got, b.Similarity(a), "%s / %s", c.a, c.b)
	}
}

func FuzzName(f *testing.F) {
	f.Add("H. Moh. Ridwan", "M. Ridwan")
	f.Add("\xff..,", "İ ı ß ǅ")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := identity.NewName(a), identity.NewName(b)
		score := x.Similarity(y)
		require.True(t, score >= 0 && score <= 1000)
		require.Equal(t, score, y.Similarity(x))
		if x.Normalised() != "" {
			require.Equal(t, 1000, x.Similarity(x))
		}
	})
}

func FuzzNumbers(f *testing.F) {
	f.Add(woman)
	f.Add(man)
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		nik, _, err := identity.ParseNIK(s)
		if err == nil {
			require.Equal(t, s, nik.Reveal())
			_, _, err := identity.ParseKK(s)
			require.NoError(t, err)
		}
		kk, _, err := identity.ParseKK(s)
		if err == nil {
			require.Equal(t, s, kk.Reveal())
		}
	})
}

func BenchmarkParseNIK(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		nik, _, err := identity.ParseNIK(woman)
		if err != nil || nik.IsZero() {
			b.Fatal(err)
		}
	}
}

func BenchmarkSimilarity(b *testing.B) {
	x, y := identity.NewName("Muhammad Ridwan Kamil"), identity.NewName("M. Ridwan Kamal")
	b.ReportAllocs()
	for b.Loop() {
		x.Similarity(y)
	}
}

func ExampleParseNIK() {
	nik, warnings, err := identity.ParseNIK("3273054808020001")
	fmt.Println(nik, warnings.Codes(), err)
	fmt.Println(nik.Compare(calendar.Of(2002, 8, 9), identity.Female))
	_, _, err = identity.ParseNIK("9773054808020001")
	fmt.Println(err)
	// Output:
	// NIK(****) [] <nil>
	// birth-date-differs
	// nik: province-code
}

func ExampleName_Similarity() {
	fmt.Println(identity.NewName("H. Moh. Ridwan").Similarity(identity.NewName("Ridwan Muhammad")))
	// Output: 980
}
