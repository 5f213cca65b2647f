package wording_test

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/wording"
)

var working = wording.Texts{
	"id": {"seat": "{name}, kursi Anda nomor {seat}.", "days": "{n} hari", "brace": "{{{n}}}"},
	"en": {"seat": "{name}, your seat is {seat}.", "days": "{n} {n|one day|other days}", "brace": "{{{n}}}"},
}

func TestText(t *testing.T) {
	c, err := wording.Compile(working)
	require.NoError(t, err)
	for _, w := range []struct {
		lang, key string
		args      []wording.Arg
		want      string
	}{
		{"id", "seat", []wording.Arg{{"seat", "12"}, {"name", "Sri"}}, "Sri, kursi Anda nomor 12."},
		{"en-GB", "seat", []wording.Arg{{"seat", "12"}, {"name", "Sri"}}, "Sri, your seat is 12."},
		{"en", "days", []wording.Arg{{"n", "1"}}, "1 day"},
		{"en", "days", []wording.Arg{{"n", "2"}}, "2 days"},
		{"en", "days", []wording.Arg{{"n", "10000001"}}, "10000001 days"},
		{"en", "days", []wording.Arg{{"n", "many"}}, "many days"},
		{"id", "days", []wording.Arg{{"n", "1"}}, "1 hari"},
		{"fr", "days", []wording.Arg{{"n", "1"}}, "1 hari"},
		{"de;q=0.9, en;q=0.8", "days", []wording.Arg{{"n", "1"}}, "1 day"},
		{"", "days", []wording.Arg{{"n", "1"}}, "1 hari"},
		{"en", "brace", []wording.Arg{{"n", "{x}"}}, "{{x}}"},
	} {
		got, err := c.Text(w.lang, w.key, w.args...)
		require.NoError(t, err)
		require.Equal(t, w.want, got)
	}
}

// A text that cannot be written whole is an error, never half a sentence.
func TestTextRefuses(t *testing.T) {
	c, err := wording.Compile(working)
	require.NoError(t, err)
	var fault *wording.TextError
	got, err := c.Text("en", "nothing")
	require.ErrorAs(t, err, &fault)
	require.Empty(t, got)
	got, err = c.Text("en", "seat", wording.Arg{Name: "name", Value: "Sri"})
	require.ErrorAs(t, err, &fault)
	require.ErrorContains(t, err, "{seat}")
	require.Empty(t, got)
	_, err = new(wording.Catalogue).Text("en", "seat")
	require.Error(t, err)
}

func TestCompileReportsEveryFault(t *testing.T) {
	_, err := wording.Compile(
		wording.Texts{
			"id": {"a": "{x}", "only": "ya", "open": "{x", "close": "x}", "form": "{n|some s|other s}", "bad": "{X y}"},
			"en": {"a": "{x} {y}", "open": "{{", "close": "x", "form": "{n|one s}", "bad": "b", "twice": "1"},
			"??": {"a": "b"},
		},
		wording.Texts{"id": {"twice": "1"}, "en": {"twice": "2"}},
	)
	require.Error(t, err)
	joined, ok := err.(interface{ Unwrap() []error })
	require.True(t, ok)
	rules := map[string]int{}
	for _, each := range joined.Unwrap() {
		var fault *wording.Fault
		require.True(t, errors.As(each, &fault))
		rules[fault.Rule+" "+fault.Lang+" "+fault.Key]++
	}
	for _, want := range []string{
		"placeholders id a", "missing en only", "template id open", "template id close", "form id form",
		"plural en form", "template id bad", "twice en twice", "language ?? ",
	} {
		require.Contains(t, rules, want, err)
	}
}

func TestParseTexts(t *testing.T) {
	texts, err := wording.ParseTexts([]byte(`{"id": {"a": "b"}, "en": {"a": "c"}}`))
	require.NoError(t, err)
	require.Equal(t, wording.Texts{"id": {"a": "b"}, "en": {"a": "c"}}, texts)
	for _, bad := range []string{
		``, `[]`, `{"id": 1}`, `{"id": {"a": 1}}`, `{"id": {"a": "b", "a": "c"}}`, `{"id": {}, "id": {}}`, `{} {}`, `{"id": {"a": "b"`,
	} {
		_, err := wording.ParseTexts([]byte(bad))
		var fault *wording.Fault
		require.ErrorAs(t, err, &fault, bad)
	}
}

func TestRupiah(t *testing.T) {
	for amount, want := range map[int64]string{
		0: "Rp0", 999: "Rp999", 1000: "Rp1.000", 3_550_000: "Rp3.550.000", -50_000: "-Rp50.000",
		1<<53 + 1:     "Rp9.007.199.254.740.993",
		math.MaxInt64: "Rp9.223.372.036.854.775.807",
		math.MinInt64: "-Rp9.223.372.036.854.775.808",
	} {
		require.Equal(t, want, wording.Rupiah(amount))
	}
}

// Amounts of any currency are exact, to the last minor unit.
func TestAmount(t *testing.T) {
	for _, test := range []struct {
		currency string
		decimals int
		units    int64
		want     string
	}{
		{"IDR", 2, 3_550_000_00, "Rp3.550.000"}, {"IDR", 2, 3_550_000_50, "Rp3.550.000,50"}, {"IDR", 2, -5, "-Rp0,05"}, {"IDR", 0, 5, "Rp5"},
		{"IDR", 0, math.MinInt64, "-Rp9.223.372.036.854.775.808"}, {"IDR", 2, math.MinInt64, "-Rp92.233.720.368.547.758,08"},
		{"USD", 2, 1_250_75, "USD 1.250,75"}, {"USD", 2, -1_250_00, "-USD 1.250"}, {"JPY", 0, 1_250, "JPY 1.250"}, {"KWD", 3, 1, "KWD 0,001"},
	} {
		require.Equal(t, test.want, wording.Amount(test.currency, test.decimals, test.units))
	}
}

func FuzzRupiah(f *testing.F) {
	f.Add(int64(0))
	f.Add(int64(math.MinInt64))
	f.Fuzz(func(t *testing.T, n int64) {
		back := strings.NewReplacer("Rp", "", ".", "").Replace(wording.Rupiah(n))
		require.Equal(t, big.NewInt(n).String(), back)
	})
}

func FuzzCatalogue(f *testing.F) {
	f.Add(`{"id": {"a": "{x}"}, "en": {"a": "{x|one y|other z}"}}`)
	f.Add(`{"id": {"a": "{{"}}`)
	f.Fuzz(func(t *testing.T, data string) {
		texts, err := wording.ParseTexts([]byte(data))
		if err != nil {
			return
		}
		c, err := wording.Compile(texts)
		if err != nil {
			return
		}
		for tag, messages := range texts {
			for key := range messages {
				var args []wording.Arg
				for _, name := range c.Placeholders(key) {
					args = append(args, wording.Arg{Name: name, Value: "1"})
				}
				_, err := c.Text(tag, key, args...)
				require.NoError(t, err)
			}
		}
	})
}

func TestDate(t *testing.T) {
	d := calendar.Of(2020, 8, 8)
	for lang, want := range map[string]string{
		"id": "8 Agustus 2020", "id-ID": "8 Agustus 2020", "en": "8 August 2020", "en-US": "8 August 2020",
		"id-ID,en;q=0.5": "8 Agustus 2020", "": "8 Agustus 2020", "%": "8 Agustus 2020", "fr": "8 Agustus 2020", "ms": "8 Agustus 2020",
		"jv": "8 Agustus 2020", "fr,en;q=0.5": "8 August 2020", "en-GB": "8 August 2020",
	} {
		require.Equal(t, want, wording.Date(lang, d), lang)
	}
	// A catalogue in both languages gives a reader the language of the dates.
	c, err := wording.Compile(wording.Texts{"id": {"a": "Agustus"}, "en": {"a": "August"}})
	require.NoError(t, err)
	for _, lang := range []string{"id", "en", "", "%", "fr", "ms", "jv", "en-GB", "fr,en;q=0.5", "de-CH,id;q=0.3", "zh-TW"} {
		month, err := c.Text(lang, "a")
		require.NoError(t, err)
		require.Contains(t, wording.Date(lang, d), " "+month+" ", lang)
	}
	require.Empty(t, wording.Date("id", calendar.Date{}))
}

func ExampleCatalogue_Text() {
	catalogue, err := wording.Compile(wording.Texts{
		"id": {"paid": "{amount} dibayarkan pada {day}."},
		"en": {"paid": "{amount} was paid on {day}."},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, lang := range catalogue.Languages() {
		text, err := catalogue.Text(lang, "paid",
			wording.Arg{Name: "amount", Value: wording.Rupiah(600_000)},
			wording.Arg{Name: "day", Value: wording.Date(lang, calendar.Of(2020, 8, 8))})
		fmt.Println(text, err)
	}
	// Output:
	// Rp600.000 dibayarkan pada 8 Agustus 2020. <nil>
	// Rp600.000 was paid on 8 August 2020. <nil>
}

// A reader gets the same language the second time, and after thousands of other wishes.
func TestMatchIsRemembered(t *testing.T) {
	c, err := wording.Compile(wording.Texts{"id": {"a": "x"}, "en": {"a": "y"}})
	require.NoError(t, err)
	for range 2 {
		require.Equal(t, "en", c.Match("en-GB,id;q=0.5"))
		require.Equal(t, "id", c.Match("id-ID"))
		require.Equal(t, "id", c.Match("%"))
		for i := range 3000 {
			require.Equal(t, "en", c.Match(fmt.Sprintf("en-GB;q=0.9,id;q=0.%03d", i%800)))
		}
	}
}
