package program_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/memstore"
)

// A policy file whose cases do not come out as they say is refused; the same with right
// cases is a program's policy.
func TestPolicyFileIsProved(t *testing.T) {
	const file = `{"name":"p","rules":[{"code":"adult","require":{"fact":"birth-date","age_at_least":18},"basis":{"policy":"x"},"at":["screen"]}],"cases":[
		{"rule":"adult","at":"screen","as_of":"2026-01-01","facts":{"birth-date":"2000-01-01"},"want":"pass"},
		{"rule":"adult","at":"screen","as_of":"2026-01-01","facts":{"birth-date":"2020-01-01"},"want":"fail"},
		{"rule":"adult","at":"screen","as_of":"2026-01-01","facts":{},"want":"unknown"}]}`
	policy, err := program.NewFacts[details]().Load([]byte(file))
	require.NoError(t, err)
	require.Equal(t, "p", policy.Name)
	require.Len(t, policy.Rules, 1)
	_, err = program.NewFacts[details]().Load([]byte(file[:len(file)-5] + `x"}]}`))
	require.Error(t, err)
}

// Registrations give the same part each time, and less only at their end.
func TestRegistrationsAsASource(t *testing.T) {
	var all program.Registrations[details]
	for i := range 9 {
		all = append(all, madePerson(i))
	}
	e := newStory(memstore.New()).engine(t)
	counts, err := e.RegisterAll(t.Context(), program.By{Actor: "registrar"}, "register", all)
	require.NoError(t, err)
	require.EqualValues(t, 9, counts["registered"])
	for _, at := range []struct{ done, want int }{{0, 4}, {7, 2}, {9, 0}, {12, 0}} {
		some, err := all.Next(t.Context(), int64(at.done), 4)
		require.NoError(t, err)
		require.Len(t, some, at.want)
	}
}
