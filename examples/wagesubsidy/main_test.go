package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
)

// The whole story comes out as its files say, figure by figure, and the store is whole.
func TestStory(t *testing.T) {
	var out bytes.Buffer
	s, err := tell(t.Context(), filepath.Join(t.TempDir(), "program.db"), &out)
	require.NoError(t, err, out.String())
	for job, want := range map[string]program.Counts{
		"register":     {"registered": 308, "refused.not-13-digits": 1, "refused.not-an-amount": 1, "refused.registered-before": 1},
		"join":         {"state.received": 308},
		"decide":       {"state.granted": 305, "state.refused": 2, "stay.pending": 1, "failed.has-workers": 1, "failed.no-arrears": 1, "missing.arrears.source-down": 1},
		"decide again": {"state.granted": 1},
		"prepare 1":    {"payments": 306},
		"settle 1":     {"settled": 306, "returned": 2},
		"prepare 2":    {"payments": 1, "second-look": 1, "paid-before": 304},
		"settle 2":     {"settled": 1, "returned": 0},
		"prepare 3":    {"payments": 1, "paid-before": 305},
		"settle 3":     {"settled": 1, "returned": 0},
		"audit":        {"state.recovering": 2},
		"overdue":      {"state.referred": 1},
		"finish":       {"state.closed": 304},
	} {
		for kind, n := range want {
			require.Equal(t, n, s.counts[job][kind], "%s: %s\n%s", job, kind, out.String())
		}
	}
	// 600 made workers, and those of the files: 2 + 1 + 1 + 3 + 4 + 2.
	heads := int64(600 + 13)
	require.Equal(t, payment.Rupiah(600_000*heads).Units, s.counts["prepare 1"]["payments_amount"])
	repaid := int64(4)
	require.Equal(t, payment.Rupiah(600_000*(heads-repaid)).Units, s.counts["books"]["paid/wages"], "what was returned was paid again, and one firm paid back")
	require.Equal(t, payment.Rupiah(500_000_000-600_000*(heads-repaid)).Units, s.counts["books"]["budget/available"])
	require.Zero(t, s.counts["books"]["entitled/wages"])
	require.Contains(t, out.String(), "Checked: seats, limits, journal and money add up.")
}

// A file of whatever bytes is read, or refused as a whole or firm by firm; no value of it
// is in an error.
func FuzzReadEmployers(f *testing.F) {
	f.Add(employersCSV)
	f.Add("a,b,c,d,e,f,g\n1,2\n")
	f.Add("nib,firm,bank,account,member,insured,wage\n8120000000001,x,y,z,70000000001,yes,99999999999999999999\n")
	f.Fuzz(func(t *testing.T, file string) {
		firms, err := readEmployers(strings.NewReader(file))
		if err != nil {
			require.LessOrEqual(t, len(err.Error()), 60)
			return
		}
		for _, r := range firms {
			require.NotEmpty(t, r.Details.Workers)
			require.True(t, r.Fault != nil || digits(r.Person.National.Reveal(), 13))
			for _, w := range r.Details.Workers {
				require.True(t, r.Fault != nil || w.Wage >= 0 && digits(w.Member, 11))
			}
		}
	})
}
