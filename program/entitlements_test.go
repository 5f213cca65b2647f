package program_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/memstore"
)

// What cases are told to have been paid adds up to what the books say was paid; a
// returned payment is followed by the one that settled it.
func TestEntitlementsOfACase(t *testing.T) {
	s := newStory(memstore.New())
	require.NoError(t, s.run(t))
	e, ctx := s.engine(t), t.Context()
	var paid, entitled int64
	again := 0
	require.NoError(t, e.Cases(ctx, 1, []program.State{"done", "out", "revoked"}, false, func(c *program.Case[details]) error {
		all, err := e.Entitlements(ctx, 1, c.Application.Applicant)
		require.NoError(t, err)
		if c.Application.State != "done" {
			require.Empty(t, all)
			return nil
		}
		require.Len(t, all, 2, "two instalments")
		for i, one := range all {
			require.Equal(t, "cash", one.Benefit)
			require.Equal(t, i+1, one.Number)
			entitled += one.Amount.Units
			for j, p := range one.Payments {
				if p.State == payment.Returned {
					require.Equal(t, payment.FailureOf("AC04"), p.Failure)
					require.Zero(t, j)
					again++
				} else {
					require.Equal(t, payment.Settled, p.State)
					paid += one.Amount.Units
				}
			}
		}
		return nil
	}))
	require.NotZero(t, again)
	balances, err := e.TrialBalance(ctx, day(30))
	require.NoError(t, err)
	require.Contains(t, balances, program.Balance{Account: "paid/cash", Units: paid})
	require.Contains(t, balances, program.Balance{Account: "entitled/cash", Units: entitled - paid})
	_, err = e.Entitlements(ctx, 1, uuid.Nil)
	require.ErrorIs(t, err, program.ErrNotFound)
}
