package payment

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// binaryFractions are the places of a file that use floating point: a type, a literal, or
// a call that makes one.
func binaryFractions(t *testing.T, name string, source any) (found []string) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, source, 0)
	require.NoError(t, err)
	ast.Inspect(file, func(n ast.Node) bool {
		is := false
		switch n := n.(type) {
		case *ast.BasicLit:
			is = n.Kind == token.FLOAT || n.Kind == token.IMAG
		case *ast.Ident:
			switch n.Name {
			case "float32", "float64", "complex64", "complex128", "ParseFloat", "FormatFloat", "AppendFloat",
				"Float64", "Float32", "Seconds", "Minutes", "Hours", "SetFloat64", "NewFloat":
				is = true
			}
		}
		if is {
			found = append(found, set.Position(n.Pos()).String())
		}
		return true
	})
	return found
}

// No binary fractions are used where money is counted: in this package, in all below it,
// and in the ledger. Tests may measure.
func TestNoBinaryFractions(t *testing.T) {
	for what, line := range map[string]string{
		"a type": "var x float64", "an untyped literal": "const x = 1.5", "an exponent": "const x = 1e2", "a conversion": "var x = int64(float32(2))",
		"a reading": "var x, _ = strconv.ParseFloat(s, 64)", "a quotient of times": "var x = d.Hours()",
	} {
		require.NotEmpty(t, binaryFractions(t, "control.go", "package x\n"+line), "control: %s is found", what)
	}
	require.Empty(t, binaryFractions(t, "control.go", "package x\nconst x = 0x1E5 + 10 // 1.5"), "control: integers are not")
	files := 0
	for _, root := range []string{".", filepath.Join("..", "program", "ledger")} {
		require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files++
			require.Empty(t, binaryFractions(t, path, nil))
			return nil
		}))
	}
	require.Greater(t, files, 30, "all packages are looked at")
}
