package gelombang_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/gelombang/gelombang/"

// arrows says which packages of this module each package may import. Leaves
// import the foundation only; nothing imports upwards.
var arrows = map[string][]string{
	"program/calendar":              {},
	"program/ledger":                {},
	"program/identity":              {"program/calendar"},
	"program/wording":               {"program/calendar"},
	"program/lifecycle":             {"program/calendar", "program/wording"},
	"eligibility":                   {"program/calendar", "program/wording"},
	"quota":                         {"program/calendar", "program/ledger"},
	"payment":                       {"program/calendar", "program/identity", "program/ledger", "program/lifecycle", "program/wording"},
	"payment/paymenttest":           {"payment", "program/identity"},
	"payment/snap":                  {"payment", "program/identity"},
	"payment/iso20022":              {"payment", "program/calendar", "program/identity", "program/ledger", "program/lifecycle", "program/wording"},
	"program":                       {"eligibility", "payment", "program/calendar", "program/identity", "program/ledger", "program/lifecycle", "program/wording", "quota"},
	"program/memstore":              {"program", "program/ledger"},
	"program/sqlstore":              {"program", "program/ledger"},
	"program/programtest":           {"program", "program/ledger"},
	"program/training/trainingtest": {"program/training"},
	"program/training":              {"eligibility", "payment", "program", "program/calendar", "program/identity", "program/ledger", "program/lifecycle"},
}

func TestImportArrows(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}:{{join .Imports " "}}`, "./...").Output()
	require.NoError(t, err)
	seen := 0
	for line := range strings.Lines(string(out)) {
		path, imports, _ := strings.Cut(strings.TrimSpace(line), ":")
		name, ours := strings.CutPrefix(path, module)
		if !ours {
			continue // the root itself has tests only
		}
		allowed, known := arrows[name]
		require.True(t, known, "package %s is not in the plan of the house", name)
		seen++
		for _, i := range strings.Fields(imports) {
			if inner, ours := strings.CutPrefix(i, module); ours {
				require.True(t, slices.Contains(allowed, inner), "%s imports %s", name, inner)
			}
		}
	}
	require.Equal(t, len(arrows), seen, "a package of the plan is missing")
}

// The library needs these modules and no others; what its users' builds
// contain is shorter still.
func TestModules(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./...").Output()
	require.NoError(t, err)
	modules := strings.Fields(string(out))
	slices.Sort(modules)
	require.Equal(t, []string{"github.com/gelombang/gelombang", "github.com/google/uuid", "golang.org/x/mod", "golang.org/x/text"}, slices.Compact(modules))
	out, err = exec.Command("go", "list", "-deps", "-test", "-f", "{{with .Module}}{{.Path}}{{end}}", "./...").Output()
	require.NoError(t, err)
	modules = strings.Fields(string(out))
	slices.Sort(modules)
	for _, m := range slices.Compact(modules) {
		require.Contains(t, []string{"github.com/gelombang/gelombang", "github.com/google/uuid", "golang.org/x/mod", "golang.org/x/text",
			"github.com/stretchr/testify", "go.yaml.in/yaml/v3"}, m, "tests need another module")
	}
}
