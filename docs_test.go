package gelombang_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every block of Go on these pages is part of a file that is compiled and run.
func TestCodeOnPagesIsCompiled(t *testing.T) {
	for page, files := range map[string][]string{
		"docs/platforms.md": {"program/training/trainingtest/http_test.go", "program/training/example_test.go"},
		"docs/verifiers.md": {"program/verifier_example_test.go"},
		"docs/abuse.md":     {"program/sharing_test.go"},
	} {
		var code string
		for _, f := range files {
			data, err := os.ReadFile(f)
			require.NoError(t, err)
			code += unindented(string(data)) + "\n"
		}
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		blocks := strings.Split(string(text), "```go\n")[1:]
		require.NotEmpty(t, blocks, page)
		for _, b := range blocks {
			block, _, _ := strings.Cut(b, "```")
			require.Contains(t, code, unindented(block), page)
		}
	}
}

func unindented(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "\n")
}
