package main

import (
	"bytes"
	"encoding/csv"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
)

const header = "name,nik,kk,birth_date,regency,category,affected,phone,provider,account,holder,citizen,official,student,social_aid,joins,habits"

const good = "Siti Contoh,3171014501900001,3171010101100001,1990-01-05,31.71,seeker,yes,080012345678,OVO,080012345678,,yes,no,no,no,yes,"

func file(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "people.csv")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func read(t testing.TB, text string) []program.Registration[Jobseeker] {
	t.Helper()
	s, err := openPeople(file(t, text), places(t))
	require.NoError(t, err)
	defer s.Close()
	all, err := s.Next(t.Context(), 0, 1000)
	require.NoError(t, err)
	return all
}

func TestLineOfFileBecomesRegistration(t *testing.T) {
	all := read(t, header+"\n"+good+"\n")
	require.Len(t, all, 1)
	r := all[0]
	require.Nil(t, r.Fault)
	require.Equal(t, "Siti Contoh", r.Person.Name.Reveal())
	require.Equal(t, "3171014501900001", r.Person.National.Reveal())
	require.Equal(t, "1990-01-05", r.Person.Birth.String())
	require.Equal(t, "OVO", r.Person.Payout.Provider)
	require.Equal(t, "Siti Contoh", r.Person.Payout.Holder.Reveal())
	require.Equal(t, Jobseeker{Regency: "31.71", Category: "seeker", Affected: true, Joins: true}, r.Details)
	require.True(t, r.Evidence["citizen"].Value)
	require.Equal(t, "dapodik", r.Evidence["student"].Source)
}

func TestMalformedLineIsRefusedAndTheRestGoesOn(t *testing.T) {
	swap := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for _, c := range []struct{ name, line, field, rule string }{
		{"too few fields", "a,b,c", "line", "number-of-fields"},
		{"too many fields", good + ",x", "line", "number-of-fields"},
		{"quote left open", `"` + good, "line", "quote"},
		{"quote inside", swap("Siti", `Si"ti`), "line", "quote"},
		{"text after a quote", swap("Siti Contoh", `"Siti"x`), "line", "quote"},
		{"not UTF-8", swap("Siti", "Sit\xff"), "line", "text"},
		{"too long", swap("Siti", strings.Repeat("x", 3*mostLine)), "line", "too-long"},
		{"empty", "", "line", "empty"},
		{"no name", swap("Siti Contoh", " "), "name", "missing"},
		{"name that banks do not take", swap("Siti Contoh", "シティ"), "name", "characters"},
		{"holder that banks do not take", swap("080012345678,,", "080012345678,シティ,"), "holder", "characters"},
		{"letter in NIK", swap("3171014501900001", "31710145O1900001"), "nik", "sixteen-digits"},
		{"30 February", swap("3171014501900001", "3171013002900001"), "nik", "birth-date"},
		{"no such province", swap("3171014501900001", "9971014501900001"), "nik", "province-code"},
		{"short KK", swap("3171010101100001", "317101010110001"), "kk", "sixteen-digits"},
		{"date of another form", swap("1990-01-05", "05/01/1990"), "birth_date", "form"},
		{"no such day", swap("1990-01-05", "1990-02-30"), "birth_date", "no-such-day"},
		{"unknown regency", swap("31.71", "31.99"), "regency", "unknown"},
		{"unknown category", swap("seeker", "student"), "category", "unknown"},
		{"affected is no answer", swap(",yes,0800", ",maybe,0800"), "affected", "yes-or-no"},
		{"joins is no answer", strings.TrimSuffix(good, "yes,") + ",", "joins", "yes-or-no"},
		{"unknown source answer", swap(",no,no,no,", ",no,perhaps,no,"), "student", "yes-no-down-or-empty"},
		{"phone", swap("080012345678", "call me"), "phone", "digits"},
		{"provider", swap("OVO", "XYZ"), "provider", "unknown"},
		{"account without provider", swap("OVO", ""), "provider", "unknown"},
		{"provider without account", swap("OVO,080012345678", "OVO,"), "account", "digits"},
		{"habit", good + "Q", "habits", "unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := read(t, header+"\n"+good+"\n"+c.line+"\n"+good+"\n")
			require.Len(t, all, 3)
			require.Nil(t, all[0].Fault)
			require.Equal(t, &program.RegistrationError{Field: c.field, Rule: c.rule}, all[1].Fault)
			require.Nil(t, all[2].Fault, "the next line is read")
			require.EqualValues(t, 2, all[2].Details.Ref)
		})
	}
}

func TestFileOfAnOfficeSuiteIsAccepted(t *testing.T) {
	plain := read(t, header+"\n"+good+"\n"+good+"\n")
	for name, text := range map[string]string{
		"byte order mark":   "\ufeff" + header + "\n" + good + "\n" + good + "\n",
		"CRLF":              header + "\r\n" + good + "\r\n" + good + "\r\n",
		"no last line end":  header + "\n" + good + "\n" + good,
		"quotes":            strings.ReplaceAll(header+"\n"+good+"\n"+good+"\n", "Siti Contoh", `"Siti Contoh"`),
		"capitals in names": strings.ToUpper(header) + "\n" + good + "\n" + good + "\n",
	} {
		require.True(t, reflect.DeepEqual(plain, read(t, text)), name)
	}
}

func TestFileThatCannotBeReadIsOneClearSentence(t *testing.T) {
	for _, c := range []struct{ text, says string }{
		{"", "people.csv is empty: its first line must name the columns"},
		{"\n", `people.csv has no column "name"`},
		{header + "\n", "people.csv has a header and no applicants"},
		{strings.Replace(header, "nik,", "", 1) + "\n" + good, `people.csv has no column "nik"`},
		{header + ",nik\n" + good, `people.csv has the column "nik" twice`},
		{header + ",shoe\n" + good, `people.csv has a column "shoe" that is not known`},
		{strings.ReplaceAll(header, ",", ";") + "\n", "people.csv: the columns are separated by semicolons, and must be by commas"},
	} {
		_, err := openPeople(file(t, c.text), places(t))
		require.EqualError(t, err, c.says)
	}
	_, err := openPeople(filepath.Join(t.TempDir(), "none.csv"), places(t))
	require.ErrorContains(t, err, "the file of applicants cannot be opened")
	_, err = openPeople(t.TempDir(), places(t))
	require.ErrorContains(t, err, "cannot be read")
}

func TestMadePeopleSurviveTheirFile(t *testing.T) {
	m := made(t, 11, 3000)
	want, err := m.Next(t.Context(), 0, 3000)
	require.NoError(t, err)
	var text bytes.Buffer
	require.NoError(t, writeApplicants(&text, m))
	s, err := openPeople(file(t, text.String()), m.places)
	require.NoError(t, err)
	defer s.Close()
	n, err := s.count(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 3000, n)
	for _, done := range []int64{0, 1000, 2000, 500, 2990, 3000, 0} { // also backwards
		some, err := s.Next(t.Context(), done, 1000)
		require.NoError(t, err)
		require.True(t, reflect.DeepEqual(want[done:min(done+1000, 3000)], some) || done == 3000 && len(some) == 0, done)
	}
}

func TestRejectsNameLineFieldAndRule(t *testing.T) {
	var out bytes.Buffer
	r, err := newRejects(&out, 2)
	require.NoError(t, err)
	require.NoError(t, r.add(program.Refusal{Position: 0, Field: "nik", Rule: "birth-date"}))
	require.NoError(t, r.add(program.Refusal{Position: 41, Field: "line", Rule: "quote"}))
	require.NoError(t, r.flush())
	require.Equal(t, "line,field,rule\n2,nik,birth-date\n43,line,quote\n", out.String())
}

// Whatever fields accepts, encoding/csv reads the same way, and every line that
// encoding/csv reads as one record without line breaks is accepted.
func FuzzFields(f *testing.F) {
	for _, seed := range []string{"", "a,b", `"a",b`, `"a""b",c`, `"a`, `a"b`, `"a"b`, ",", `""`, good} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		values, rule := fields(line, nil)
		if rule == "text" || line == "" {
			return
		}
		r := csv.NewReader(strings.NewReader(line))
		r.FieldsPerRecord = -1
		want, err := r.Read()
		if rule != "" {
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		require.Equal(t, want, values)
		_, err = r.Read()
		require.Equal(t, io.EOF, err)
	})
}
