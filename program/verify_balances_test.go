package program_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/program/memstore"
)

// What a case was given is what is left to it, was spent and has lapsed; who never bought has
// spent nothing, and of a lapsed balance nothing is left. The control forges what no row tells of:
// the amount of a purchase.
func TestVerifyHoldsBalancesAgainstCases(t *testing.T) {
	for name, c := range map[string]struct {
		until    int
		of       program.State // whose balance
		to, from ledger.Account
		want     string
	}{
		"given back by hand":           {9, "bought", "budget/available", "", "were given"},
		"lapsed and still there":       {19, "revoked", "", "spent/balance/shop", "that has lapsed"},
		"spent without a purchase":     {9, "accepted", "spent/balance/shop", "", "no step spends"},
		"more than the benefit gives":  {9, "accepted", "", "spent/balance/shop", "no step spends"},
		"another party's (control)":    {9, "bought", "spent/balance/shop", "", ""},
		"the first after the deadline": {19, "bought", "lapsed", "lapsed/balance", "were given"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(memstore.New())
			s.until = c.until
			require.NoError(t, s.run(t))
			s.verify(t)
			own := ledger.Account("")
			for _, row := range tableRows(t, s.store, program.TableApplications) {
				if row.Values[2] == string(c.of) {
					own = ledger.Account("balance/balance/1/" + base64.RawURLEncoding.EncodeToString(row.Values[1].([]byte)))
				}
			}
			require.NotEmpty(t, own)
			if c.to == "" {
				c.to = own
			}
			if c.from == "" {
				c.from = own
			}
			outcomes, err := s.store.Apply(t.Context(), []program.Change{{At: s.now, Postings: []ledger.Posting{{ID: "by hand", Legs: []ledger.Leg{
				{Account: c.from, Amount: -payment.Rupiah(1).Units, Bounds: ledger.Free()}, {Account: c.to, Amount: payment.Rupiah(1).Units, Bounds: ledger.Free()}}}}}})
			require.NoError(t, err)
			require.NoError(t, outcomes[0].Refusal)
			breaches, err := s.engine(t).Verify(t.Context())
			require.NoError(t, err)
			var notes []string
			for _, b := range breaches {
				require.Equal(t, "money", b.Invariant)
				notes = append(notes, b.Note)
			}
			if c.want == "" {
				require.Empty(t, notes)
				return
			}
			require.Contains(t, strings.Join(notes, "; "), c.want)
		})
	}
}
