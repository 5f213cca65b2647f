package sqlstore

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
)

// The states that SQL allows are those of the lifecycle tables.
func TestSQLAllowsTheStatesOfTheTables(t *testing.T) {
	ddl, err := migrations.ReadFile("migrations/0001.sql")
	require.NoError(t, err)
	var registrations, waves, batches, payments []string
	for _, s := range program.RegistrationTable().States {
		registrations = append(registrations, string(s.State))
	}
	for _, s := range program.WaveTable().States {
		waves = append(waves, string(s.State))
	}
	for _, s := range program.BatchTable().States {
		batches = append(batches, string(s.State))
	}
	for _, s := range payment.Table().States {
		payments = append(payments, string(s.State))
	}
	for table, want := range map[string][]string{"applicants": registrations, "waves": waves, "batches": batches, "payments": payments} {
		found := regexp.MustCompile(`(?s)CREATE TABLE ` + table + ` \(.*?state +TEXT NOT NULL CHECK \(state IN\s*\(([^)]*)\)`).FindSubmatch(ddl)
		require.NotNil(t, found, table)
		got := strings.Split(strings.ReplaceAll(string(found[1]), "'", ""), ",")
		require.ElementsMatch(t, want, got, table)
	}
}

// The dead states of a payment are those in which SQL lets another one live.
func TestSQLKnowsWhichPaymentsAreDead(t *testing.T) {
	ddl, err := migrations.ReadFile("migrations/0001.sql")
	require.NoError(t, err)
	var dead []string
	for _, s := range payment.Table().States {
		if s.State.Dead() {
			dead = append(dead, string(s.State))
		}
	}
	found := regexp.MustCompile(`ended IS NOT NULL\) = \(state IN \(([^)]*)\)`).FindSubmatch(ddl)
	require.NotNil(t, found)
	require.ElementsMatch(t, dead, strings.Split(strings.ReplaceAll(string(found[1]), "'", ""), ","))
}
