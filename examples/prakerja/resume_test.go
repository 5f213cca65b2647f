package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/quota"
)

// asCommand makes the test binary the program itself, so that it can be killed.
const asCommand = "PRAKERJA_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func process(ctx context.Context, folder string, args ...string) *exec.Cmd {
	args = append([]string{"-db", filepath.Join(folder, "p.db"), "-out", filepath.Join(folder, "out")}, args...)
	cmd := exec.CommandContext(ctx, os.Args[0], args...) // killed when ctx ends, as by kill -9
	cmd.Env = append(os.Environ(), asCommand+"=1")
	cmd.Dir = folder
	return cmd
}

// Killed at any moment, the same command continues where it stopped: nobody is
// registered, drawn, paid or counted twice.
func TestKilledRunContinues(t *testing.T) {
	undisturbed, killed := t.TempDir(), t.TempDir()
	args := []string{"-n", "1200", "-chunk", "150"}
	began := time.Now()
	want := performed(t, undisturbed, args...)
	whole := time.Since(began)

	dice := rand.New(rand.NewPCG(4, 5))
	var kills int
	var out []byte
	for {
		patience := whole/50 + time.Duration(dice.Int64N(int64(whole/8)))
		if kills >= 12 {
			patience = time.Minute
		}
		ctx, stop := context.WithTimeout(t.Context(), patience)
		var err error
		out, err = process(ctx, killed, args...).Output()
		timeout := ctx.Err() != nil
		stop()
		if err == nil {
			break
		}
		require.True(t, timeout, "it did not end by itself: %v %s", err, out)
		kills++
	}
	require.Greater(t, kills, 3, "it was killed")
	got := string(out)
	for _, label := range []string{"/ registered", "/ joined", "/ eligible", "/ selected", "/ ineligible", "/ not drawn"} {
		require.Equal(t, told(t, want, label), told(t, got, label), label)
	}
	require.Contains(t, got, "Verified")
	require.Zero(t, ask(t, killed, `SELECT count(*) FROM (SELECT 1 FROM payments WHERE state = 'settled'
		GROUP BY benefit, number, wave, applicant HAVING count(*) > 1)`), "no entitlement is paid twice")
	require.NoError(t, quota.VerifyProof(os.DirFS(filepath.Join(killed, "out", "draw"))))
	checkBank(t, killed)
	left, err := filepath.Glob(filepath.Join(killed, "out", "*", ".unfinished-*"))
	require.NoError(t, err)
	require.Empty(t, left)
	require.Contains(t, performed(t, killed, args...), "nothing changed")
}

// Ctrl-C is not a fault: the run says how to go on.
func TestInterruptedRunSaysHowToGoOn(t *testing.T) {
	folder := t.TempDir()
	cmd := process(t.Context(), folder, "-n", "20000", "-chunk", "200")
	var said bytes.Buffer
	cmd.Stderr = &said
	lines, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = lines.Read(make([]byte, 1)) // a first stage is under way
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	_, _ = io.Copy(io.Discard, lines)
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	require.Equal(t, 130, exit.ExitCode(), said.String())
	require.Equal(t, "Stopped. Nothing is lost: the same command continues where it stopped.\n", said.String())
	require.NoFileExists(t, filepath.Join(folder, "out", reportFile))
}

// What cannot work ends with one sentence and a code that is not zero, and
// leaves nothing behind.
func TestBadInputIsOneSentence(t *testing.T) {
	inputs := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(inputs, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	for _, c := range []struct {
		name string
		args []string
		says string
	}{
		{"a missing column", []string{"-applicants", write("column.csv", "name,nik\nA,1\n")}, `has no column "kk"`},
		{"an empty file", []string{"-applicants", write("empty.csv", "")}, "is empty"},
		{"a header alone", []string{"-applicants", write("header.csv", header+"\n")}, "no applicants"},
		{"no file", []string{"-applicants", filepath.Join(inputs, "none.csv")}, "cannot be opened"},
		{"an unknown flag", []string{"-nonsense"}, "-nonsense"},
		{"a word too many", []string{"-n", "600", "nonsense"}, "is not a flag"},
		{"nobody", []string{"-n", "0"}, "-n is 1 or more"},
		{"too few people", []string{"-n", "2"}, "too few"},
		{"more seats than people", []string{"-n", "100", "-seats", "101"}, "cannot be filled"},
		{"fewer seats than none", []string{"-seats", "-1"}, "below zero"},
		{"a folder that does not exist", []string{"-n", "100", "-db", filepath.Join(inputs, "none", "p.db")}, "does not exist"},
		{"a folder instead of a file", []string{"-n", "100", "-db", inputs}, "is a folder"},
		{"no database", []string{"-n", "100", "-db", write("text.db", "this is a text and it is not a database, however long it may be")}, "not a database"},
		{"a file instead of a folder", []string{"-n", "100", "-out", write("out", "")}, "is a file"},
		{"a server that does not answer", []string{"-n", "100", "-db", "postgres://clerk:hunter2@127.0.0.1:1/p"}, "does not answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			folder := t.TempDir()
			out, err := process(t.Context(), folder, c.args...).CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, 1, exit.ExitCode())
			require.Regexp(t, `^prakerja: [^\n]+\n$`, string(out))
			require.Contains(t, string(out), c.says)
			require.NotContains(t, string(out), "hunter2")
			left, err := os.ReadDir(folder)
			require.NoError(t, err)
			require.Empty(t, left, fmt.Sprint(left))
		})
	}
}
