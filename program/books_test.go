package program_test

import (
	"bytes"
	"encoding/csv"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/program/memstore"
)

// The trial balance of a story sums to zero, at its end and on every day before.
func TestTrialBalance(t *testing.T) {
	s := newStory(memstore.New())
	require.NoError(t, s.run(t))
	e, ctx := s.engine(t), t.Context()
	for n := range 31 {
		lines, err := e.TrialBalance(ctx, day(n+1))
		require.NoError(t, err)
		require.Zero(t, total(lines), "day %d", n+1)
	}
	end, err := e.TrialBalance(ctx, time.Time{})
	require.NoError(t, err)
	units := map[string]int64{}
	for _, l := range end {
		units[l.Account] = l.Units
	}
	require.Zero(t, total(end))
	money := int64(0)
	for name, n := range units {
		switch class, _, _ := strings.Cut(name, "/"); class {
		case "budget", "balance", "entitled", "paying", "spent", "paid":
			money += n
		case "bank", "opened", "cleared", "suspense":
		default:
			require.Contains(t, []string{"seat", "limit"}, class)
		}
	}
	require.Zero(t, money, "the program's money stays among its own accounts")
	require.Zero(t, units["bank/treasury"]+units["opened/treasury"]+units["cleared/treasury"]+units["suspense/treasury"])
	require.Equal(t, units["paid/cash"], units["cleared/treasury"])
	require.Positive(t, units["paid/cash"])
	require.NotContains(t, units, "balance/balance/1", "balances of people stand on one line")

	earlier, err := e.TrialBalance(ctx, day(4))
	require.NoError(t, err)
	require.NotEqual(t, end, earlier)
}

func total(lines []program.Balance) int64 {
	sum := int64(0)
	for _, l := range lines {
		sum += l.Units
	}
	return sum
}

// What an auditor loads adds up to the trial balance, and tells no secrets.
func TestTheAccountsAreWritten(t *testing.T) {
	s := newStory(memstore.New())
	require.NoError(t, s.run(t))
	e, ctx := s.engine(t), t.Context()
	var file bytes.Buffer
	require.NoError(t, e.WriteAccounts(ctx, &file))
	require.NotContains(t, file.String(), "317101", "no national identifier")
	rows, err := csv.NewReader(bytes.NewReader(file.Bytes())).ReadAll()
	require.NoError(t, err)
	require.Equal(t, []string{"posting", "time", "kind", "of", "account", "amount"}, rows[0])
	sums := map[string]int64{}
	for _, row := range rows[1:] {
		_, err := time.Parse(time.RFC3339Nano, row[1])
		require.NoError(t, err)
		require.Equal(t, "direct", row[2], "the engine reserves with accounts, not with pending postings")
		n, err := strconv.ParseInt(row[5], 10, 64)
		require.NoError(t, err)
		sums[row[4]] += n
	}
	for account, n := range sums {
		held, err := s.store.Balances(ctx, ledger.Account(account))
		require.NoError(t, err)
		require.Equal(t, held[0].Posted, n, account)
	}
}

func TestFundsGoBackToTheTreasury(t *testing.T) {
	s := newStory(memstore.New())
	require.NoError(t, s.run(t))
	e, ctx := s.engine(t), t.Context()
	available := func() int64 {
		b, err := s.store.Balances(ctx, "budget/available")
		require.NoError(t, err)
		return b[0].Posted
	}
	left := available()
	require.Greater(t, left, int64(1))
	money := func(units int64) payment.Money { return payment.Money{Units: units, Currency: payment.IDR} }
	var bound *ledger.BoundError
	require.ErrorAs(t, e.ReturnFunds(ctx, actor("treasurer"), 2020, money(left+1)), &bound)
	by := program.By{Actor: "treasurer", Key: "year-2020"}
	for range 2 { // once
		require.NoError(t, e.ReturnFunds(ctx, by, 2020, money(left-1)))
		require.Equal(t, int64(1), available(), "what is not returned is carried over")
	}
	var field *program.FieldError
	require.ErrorAs(t, e.ReturnFunds(ctx, actor("treasurer"), 2020, money(0)), &field)
	s.verify(t)
}
