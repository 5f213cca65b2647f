package main

import (
	"encoding/csv"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/program/calendar"
)

// persona is one line of testdata/policy_personas.csv, by column.
type persona map[string]string

func (p persona) flag(column string) eligibility.Value[bool] {
	if p[column] == "" {
		return eligibility.Unknown[bool](eligibility.NotAsked)
	}
	return eligibility.Known(p[column] == "yes")
}

func policySchema() *eligibility.Schema[persona] {
	s := eligibility.NewSchema[persona]()
	for fact, column := range map[string]string{"citizen": "citizen", "student": "student", "official": "official", "revoked": "revoked",
		"matched": "matched", "social-aid": "dtks", "wage-subsidy": "bsu", "micro-grant": "bpum"} {
		s.Bool(fact, func(p *persona) eligibility.Value[bool] { return p.flag(column) })
	}
	for fact, column := range map[string]string{"household-awards": "household", "awards": "awards"} {
		s.Int(fact, func(p *persona) eligibility.Value[int64] {
			n, err := strconv.ParseInt((*p)[column], 10, 64)
			if err != nil {
				return eligibility.Unknown[int64](eligibility.NotAsked)
			}
			return eligibility.Known(n)
		})
	}
	for fact, column := range map[string]string{"birth-date": "birth", "admission-date": "admission"} {
		s.Date(fact, func(p *persona) eligibility.Value[calendar.Date] {
			day, err := calendar.Parse((*p)[column])
			if err != nil {
				return eligibility.Unknown[calendar.Date](eligibility.NotAsked)
			}
			return eligibility.Known(day)
		})
	}
	s.Code("category", []string{"seeker", "laid_off", "worker", "own_account", "none"}, func(p *persona) eligibility.Value[string] {
		if (*p)["category"] == "" {
			return eligibility.Unknown[string](eligibility.NotAsked)
		}
		return eligibility.Known((*p)["category"])
	})
	return s
}

// The policy files load, with their cases, and decide the personas at their dates.
func TestPolicyFiles(t *testing.T) {
	schema := policySchema()
	policies := map[string]*eligibility.Compiled[persona]{}
	for _, name := range []string{"prakerja-2020", "prakerja-2021-2022", "prakerja-2023"} {
		data, err := os.ReadFile("policies/" + name + ".json")
		require.NoError(t, err)
		policies[name], err = eligibility.Load(schema, data, nil)
		require.NoError(t, err, name)
		busted := strings.Replace(string(data), `"want": "fail"`, `"want": "pass"`, 1)
		_, err = eligibility.Load(schema, []byte(busted), nil)
		require.Error(t, err, "the control: a file whose case is wrong does not load")
	}
	file, err := os.Open("testdata/policy_personas.csv")
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	lines, err := csv.NewReader(file).ReadAll()
	require.NoError(t, err)
	require.Greater(t, len(lines), 15)
	for _, line := range lines[1:] {
		p := persona{}
		for i, column := range lines[0] {
			p[column] = line[i]
		}
		t.Run(p["persona"], func(t *testing.T) {
			legal, err := calendar.Parse(p["legal"])
			require.NoError(t, err)
			d := policies[p["file"]].Decide(&p, p["stage"], legal)
			var not []string
			for i := range d.Len() {
				if d.Outcome(i) != eligibility.Pass {
					not = append(not, d.Rule(i))
				}
			}
			require.Equal(t, p["verdict"], d.Verdict.String(), d)
			require.Equal(t, p["not passed"], strings.Join(not, " "))
		})
	}
}
