package program_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

type nopCloser struct{ *bytes.Buffer }

func (nopCloser) Close() error { return nil }

func writeFiles(t testing.TB, dir string, files map[string]*bytes.Buffer) {
	t.Helper()
	for name, data := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data.Bytes(), 0o644))
	}
}

func dirFS(dir string) fs.FS { return os.DirFS(dir) }
