package lifecycle_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/program/wording"
)

// tableFile is a table in testdata with the faults it has: the rule that a busted_*
// file breaks stands in its name, its faults are read by people.
type tableFile struct {
	About    string              `json:"about"`
	Guards   []string            `json:"guards"`
	Effects  []string            `json:"effects"`
	Holdings []lifecycle.Holding `json:"holdings"`
	Texts    wording.Texts       `json:"texts,omitempty"`
	Table    table               `json:"table"`
	Faults   []string            `json:"faults"`
}

func (f tableFile) compile(t testing.TB) error {
	guards := map[string]lifecycle.Guard[int]{}
	for _, name := range f.Guards {
		guards[name] = agrees
	}
	options := lifecycle.CompileOptions{Effects: f.Effects, Holdings: f.Holdings}
	if f.Texts != nil {
		texts, err := wording.Compile(f.Texts)
		require.NoError(t, err)
		options.Texts = texts
	}
	_, err := lifecycle.Compile(f.Table, guards, options)
	return err
}

func agrees(_ int, _ lifecycle.Moment, why []lifecycle.Reason) []lifecycle.Reason { return why }

func readTables(t testing.TB, pattern string) map[string]tableFile {
	paths, err := filepath.Glob(filepath.Join("testdata", pattern))
	require.NoError(t, err)
	files := map[string]tableFile{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		var f tableFile
		require.NoError(t, json.Unmarshal(data, &f), path)
		files[strings.TrimSuffix(filepath.Base(path), ".json")] = f
	}
	return files
}

func TestWorkingTablesCompile(t *testing.T) {
	files := readTables(t, "working_*.json")
	require.NotEmpty(t, files)
	for name, f := range files {
		require.NoError(t, f.compile(t), name)
	}
}

// Every rule has a busted table, and each table's faults are all there and no more.
func TestEveryFaultIsFound(t *testing.T) {
	missing := map[string]bool{}
	for _, rule := range tableRules {
		missing[string(rule)] = true
	}
	for name, f := range readTables(t, "busted_*.json") {
		var faults lifecycle.Faults
		require.ErrorAs(t, f.compile(t), &faults, name)
		rule, _, _ := strings.Cut(strings.TrimPrefix(name, "busted_"), "_")
		delete(missing, rule)
		var got []string
		found := false
		for _, fault := range faults {
			got = append(got, fault.String())
			found = found || string(fault.Rule) == rule
		}
		require.True(t, found, "%s: %s", name, got)
		if *update {
			f.Faults = got
			data, err := json.MarshalIndent(f, "", " ")
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join("testdata", name+".json"), append(data, '\n'), 0o644))
		}
		require.Equal(t, f.Faults, got, name)
	}
	require.Empty(t, missing, "rules without a busted table")
}

var tableRules = []lifecycle.FaultRule{
	lifecycle.FaultName, lifecycle.FaultDuplicate, lifecycle.FaultUnnamed, lifecycle.FaultUnreachable, lifecycle.FaultDeadEnd,
	lifecycle.FaultAfterFinal, lifecycle.FaultAmbiguous, lifecycle.FaultGuard, lifecycle.FaultEffect, lifecycle.FaultHolding,
	lifecycle.FaultDeadline, lifecycle.FaultClock, lifecycle.FaultClockByHands, lifecycle.FaultClockCycle, lifecycle.FaultKeeps,
	lifecycle.FaultCheck, lifecycle.FaultApproval, lifecycle.FaultWording,
}

// A name that is wrong hides no other fault.
func TestFaultsAreReportedAllAtOnce(t *testing.T) {
	b := permit()
	b.Moves[0].To = "nowhere"
	b.Moves[1].Needs = []string{"nobody"}
	b.States[3].Keeps = false
	b.States[1].Within.Term.Days = 3
	_, err := lifecycle.Compile(b, permitGuards(), lifecycle.CompileOptions{})
	var faults lifecycle.Faults
	require.ErrorAs(t, err, &faults)
	require.Len(t, faults, 4, "%v", faults)
}

func TestATableIsPureData(t *testing.T) {
	for _, original := range []table{permit(), teacher()} {
		data, err := json.Marshal(original)
		require.NoError(t, err)
		var back table
		require.NoError(t, json.Unmarshal(data, &back))
		require.Equal(t, original, back)
	}
}

func TestTheEmptyTableIsRefused(t *testing.T) {
	_, err := lifecycle.Compile(table{}, map[string]lifecycle.Guard[int]{}, lifecycle.CompileOptions{})
	var faults lifecycle.Faults
	require.ErrorAs(t, err, &faults, "the empty table is a fault, never a panic")
	require.Len(t, faults, 2)
}
