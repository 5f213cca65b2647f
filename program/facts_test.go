package program_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
)

// Evidence without a value is unknown for the reason that it gives: whoever was not asked
// is asked, and not sent away because a source is down.
func TestObservedKeepsTheCause(t *testing.T) {
	f := program.NewFacts[struct{}]()
	official := f.Observed("official", "bkn", 90)
	c, err := eligibility.Compile(f.Schema, eligibility.Policy{Name: "p", Rules: []eligibility.Rule{
		{Code: "r", Require: official.Is(false), Basis: eligibility.WithoutArticle("x"), At: []string{"join"}}}}, nil)
	require.NoError(t, err)
	for code, want := range map[string]eligibility.Cause{"not-asked": eligibility.NotAsked, "source-down": eligibility.SourceDown,
		"expired": eligibility.Expired, "conflicting": eligibility.Conflicting, "timeout": eligibility.SourceDown} {
		var someone program.Case[struct{}]
		someone.Applicant.Evidence = map[string]program.Evidence{"official": {Source: "bkn", Seen: time.Date(2020, 8, 1, 0, 0, 0, 0, time.UTC), Unknown: code}}
		d := c.Decide(&someone, "join", calendar.Of(2020, 8, 8))
		require.Equal(t, []eligibility.Missing{{Fact: "official", Source: "bkn", Cause: want}}, d.Missing(), code)
	}
}
