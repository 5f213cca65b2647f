package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The page docs/your-program.md is these files: its blocks, put together by name in their
// order, are the files that are compiled and tested here, and its output is what the
// first run prints.
func TestThePageIsTheProgram(t *testing.T) {
	page, err := os.ReadFile("../../docs/your-program.md")
	require.NoError(t, err)
	parts := map[string][]string{}
	for _, block := range regexp.MustCompile("(?ms)^`([a-z_.]+)`\n\n```[a-z]*\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		parts[block[1]] = append(parts[block[1]], block[2])
	}
	require.NotEmpty(t, parts)
	for _, name := range []string{"program.go", "policy.json", "main.go", "program_test.go"} {
		file, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, string(file), strings.Join(parts[name], "\n"), name)
		delete(parts, name)
	}
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), filepath.Join(t.TempDir(), "kiosk.db"), &out))
	require.Equal(t, out.String(), strings.Join(parts["output"], ""))
	delete(parts, "output")
	require.Empty(t, parts, "a block of no file")
}
