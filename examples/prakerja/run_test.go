package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/payment/iso20022"
	"github.com/gelombang/gelombang/quota"
)

// perform runs the program in a folder and returns what it prints.
func perform(folder string, args ...string) (string, error) {
	var out bytes.Buffer
	args = append([]string{"-db", filepath.Join(folder, "p.db"), "-out", filepath.Join(folder, "out")}, args...)
	err := command(context.Background(), args, &out, io.Discard, false)
	return out.String(), err
}

func performed(t testing.TB, folder string, args ...string) string {
	t.Helper()
	out, err := perform(folder, args...)
	require.NoError(t, err)
	return out
}

// digests are those of every file under a folder.
func digests(t testing.TB, folder string) map[string][32]byte {
	t.Helper()
	all := map[string][32]byte{}
	require.NoError(t, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(folder, path)
		all[name] = sha256.Sum256(data)
		return err
	}))
	return all
}

// ask reads one number from the database.
func ask(t testing.TB, folder, query string) int64 {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(folder, "p.db"))
	require.NoError(t, err)
	defer db.Close()
	var n int64
	require.NoError(t, db.QueryRow(query).Scan(&n))
	return n
}

// told finds the number that the summary has for a label.
func told(t testing.TB, summary, label string) int64 {
	t.Helper()
	m := regexp.MustCompile(regexp.QuoteMeta(label) + ` *([0-9.]+)`).FindStringSubmatch(summary)
	require.NotNil(t, m, "%s is in the summary", label)
	n, err := strconv.ParseInt(strings.ReplaceAll(m[1], ".", ""), 10, 64)
	require.NoError(t, err)
	return n
}

// A wave from registration to the bank: the numbers add up, the files are there,
// anyone can draw again, and a second run changes nothing.
func TestWaveFromEndToEnd(t *testing.T) {
	folder := t.TempDir()
	out := filepath.Join(folder, "out")
	first := performed(t, folder, "-n", "1500")

	t.Run("the summary agrees with the database", func(t *testing.T) {
		count := func(query string) int64 { return ask(t, folder, "SELECT count(*) FROM "+query) }
		require.Equal(t, count("applicants"), told(t, first, "/ registered"))
		require.Equal(t, count("applications"), told(t, first, "/ joined"))
		require.Equal(t, int64(600), told(t, first, "/ selected"), "40 seats for every 100 people are all taken")
		require.Equal(t, count("applications WHERE seat IS NOT NULL"), told(t, first, "/ selected"))
		require.Equal(t, count("applications WHERE state = 'revoked'"), told(t, first, "/ revoked"))
		require.Equal(t, count("applications WHERE state = 'done'"), told(t, first, "/ done"))
		var ends int64
		for _, label := range []string{"/ pending, left out", "/ ineligible", "/ not drawn", "/ revoked", "/ unfinished", "/ done"} {
			ends += told(t, first, label)
		}
		ends += count("applications WHERE state IN ('referred','lapsed')")
		require.Equal(t, told(t, first, "/ joined"), ends, "everybody who joined is somewhere at the end")
		require.Equal(t, int64(1500), told(t, first, "/ registered")+int64(bytes.Count(contents(t, out, "rejects.csv"), []byte("\n")))-1,
			"everybody is registered or in rejects.csv")
		require.Equal(t, ask(t, folder, "SELECT sum(amount)/100 FROM payments WHERE state = 'settled'"), told(t, first, "paid out: Rp"))
		require.Contains(t, first, "Verified")
		require.Contains(t, first, madeNotice)
		require.Contains(t, first, weightNote)
	})
	t.Run("the draw can be redone", func(t *testing.T) {
		require.NoError(t, quota.VerifyProof(os.DirFS(filepath.Join(out, "draw"))))
	})
	t.Run("a changed result is found out", func(t *testing.T) {
		copied := t.TempDir()
		require.NoError(t, os.CopyFS(copied, os.DirFS(filepath.Join(out, "draw"))))
		changed := bytes.Replace(contents(t, out, "draw/result.tsv"), []byte("waiting"), []byte("drawn-open"), 1)
		require.NoError(t, os.WriteFile(filepath.Join(copied, "result.tsv"), changed, 0o600))
		require.Error(t, quota.VerifyProof(os.DirFS(copied)))
	})
	t.Run("the bank's files hold every payment once", func(t *testing.T) { checkBank(t, folder) })
	t.Run("the report tells the legal basis of each rule", func(t *testing.T) {
		page := string(contents(t, out, "report.html"))
		require.Contains(t, page, "Permenko 11/2020, Pasal / Article 2(4)b")
		require.Contains(t, page, "policy without a known article")
		require.Contains(t, page, "The applicant must be at least 18 years old.")
		require.NotContains(t, page, "{basis}")
	})
	t.Run("the second run changes nothing and says so", func(t *testing.T) {
		before, entries := digests(t, out), ask(t, folder, "SELECT count(*) FROM journal")
		second := performed(t, folder, "-n", "1500")
		require.Contains(t, second, "nothing changed")
		require.NotContains(t, first, "nothing changed")
		require.Equal(t, before, digests(t, out))
		require.Equal(t, entries, ask(t, folder, "SELECT count(*) FROM journal"))
	})
	t.Run("files that are gone come back as they were", func(t *testing.T) {
		before := digests(t, out)
		require.NoError(t, os.RemoveAll(out))
		require.NotContains(t, performed(t, folder, "-n", "1500"), "nothing changed")
		after := digests(t, out)
		delete(before, reportFile) // tells how long the run took
		delete(after, reportFile)
		require.Equal(t, before, after)
	})
	t.Run("other settings are refused", func(t *testing.T) {
		_, err := perform(folder, "-n", "1500", "-seed", "5")
		require.ErrorContains(t, err, "other settings")
	})
	t.Run("without its key the database is not touched", func(t *testing.T) {
		require.NoError(t, os.Remove(filepath.Join(folder, "p.db.key")))
		_, err := perform(folder, "-n", "1500")
		require.ErrorContains(t, err, "cannot be read without it")
		require.NoFileExists(t, filepath.Join(folder, "p.db.key"))
	})
}

func contents(t testing.TB, folder, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, name))
	require.NoError(t, err)
	return data
}

// checkBank reads the statements back: each leads from the balance of the one
// before to the next, and its debits are the orders of its batch.
func checkBank(t testing.TB, folder string) {
	t.Helper()
	out := filepath.Join(folder, "out")
	var closing payment.Money
	seen := map[string]bool{}
	for n := range int64(8) {
		b := &bank{folder: out}
		st, err := readStatement(b.statements(n + 1))
		require.NoError(t, err)
		if n > 0 {
			require.Equal(t, closing, st.Opening)
		}
		closing = st.Closing
		debits := 0
		for line, err := range st.Lines() {
			require.NoError(t, err)
			if line.Credit {
				require.Equal(t, "AC04", line.Code)
				require.True(t, seen[line.Reference], "only what was paid is returned")
				continue
			}
			require.False(t, seen[line.Reference], "no reference comes twice")
			seen[line.Reference] = true
			debits++
		}
		orders := contents(t, out, filepath.Join("pain001", filepath.Base(b.orders(n+1))))
		require.Equal(t, debits, bytes.Count(orders, []byte("<EndToEndId>")))
		for line := range st.Lines() { // again from the start, and not to the end
			require.True(t, seen[line.Reference])
			break
		}
	}
	require.Equal(t, ask(t, folder, "SELECT count(*) FROM payments"), int64(len(seen)))
	require.Zero(t, ask(t, folder, "SELECT count(*) FROM payments WHERE state NOT IN ('settled','returned')"))
}

// A statement that breaks off is still handed to Reconcile, which puts it aside on the error of its lines.
func TestStatementThatBreaksOffIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.xml")
	require.NoError(t, os.WriteFile(path, []byte(`<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt>`), 0o600))
	st, err := readStatement(path)
	require.NoError(t, err)
	require.NotZero(t, st.Digest)
	var broken *iso20022.FileError
	var got error
	for _, err := range st.Lines() {
		got = err
	}
	require.ErrorAs(t, got, &broken)
	require.ErrorIs(t, got, payment.ErrBadFile)
}

// What is written by -write-people is read by -applicants; lines that cannot be
// read go to rejects.csv with line, field and rule, and the rest goes on.
func TestPeopleFromFile(t *testing.T) {
	folder := t.TempDir()
	people := filepath.Join(folder, "people.csv")
	require.Empty(t, performed(t, folder, "-n", "600", "-write-people", people))
	require.NoFileExists(t, filepath.Join(folder, "p.db"))
	made := t.TempDir()
	performed(t, made, "-n", "600")
	performed(t, folder, "-applicants", people)
	for _, query := range []string{"applicants", "applications", "applications WHERE state = 'ineligible'"} {
		require.Equal(t, ask(t, made, "SELECT count(*) FROM "+query), ask(t, folder, "SELECT count(*) FROM "+query), query)
	}

	busted := t.TempDir()
	lines := strings.Split(string(contents(t, folder, "people.csv")), "\n")
	lines[3], lines[5] = "only,three,fields", strings.Repeat("x", 100)
	lines[7] = strings.ReplaceAll(lines[7], lines[7][:4], `"`+lines[7][:4])
	path := filepath.Join(busted, "busted.csv")
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600))
	performed(t, busted, "-applicants", path)
	rejects := string(contents(t, filepath.Join(busted, "out"), "rejects.csv"))
	require.True(t, strings.HasPrefix(rejects, "line,field,rule\n"))
	for _, want := range []string{"\n4,line,number-of-fields\n", "\n6,line,number-of-fields\n", "\n8,line,quote\n"} {
		require.Contains(t, rejects, want)
	}
	require.NotContains(t, rejects, "xxx", "no value is told")
	require.Greater(t, ask(t, busted, "SELECT count(*) FROM applicants"), int64(500))
}

func BenchmarkWave(b *testing.B) {
	const people = 5000
	for b.Loop() {
		_, err := perform(b.TempDir(), "-n", strconv.Itoa(people))
		require.NoError(b, err)
	}
	b.ReportMetric(float64(people*b.N)/b.Elapsed().Seconds(), "applicants/s")
	b.ReportMetric(0, "ns/op")
}
