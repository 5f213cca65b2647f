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
			require.Contains(t, []string{"seat", "limit", "lapsed"}, class)
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

// An account's statement begins where the one before ended, and ends at the balance.
func TestAccountStatement(t *testing.T) {
	s := newStory(memstore.New())
	require.NoError(t, s.run(t))
	e, ctx := s.engine(t), t.Context()
	for _, account := range []ledger.Account{"budget/available", "entitled/cash", "bank/treasury", "nobody's"} {
		closing, moved := int64(0), 0
		from := time.Time{}
		for _, until := range []time.Time{day(5), day(20), day(21), day(60)} {
			st, err := e.AccountStatement(ctx, account, from, until)
			require.NoError(t, err)
			require.Equal(t, closing, st.Opening)
			sum := st.Opening
			for i, m := range st.Movements {
				require.False(t, m.At.Before(from) || !m.At.Before(until))
				require.True(t, i == 0 || !m.At.Before(st.Movements[i-1].At))
				sum += m.Units
			}
			require.Equal(t, sum, st.Closing)
			closing, from, moved = st.Closing, until, moved+len(st.Movements)
		}
		held, err := s.store.Balances(ctx, account)
		require.NoError(t, err)
		require.Equal(t, held[0].Posted, closing, account)
		require.Equal(t, account != "nobody's", moved > 0)
	}
}

// A reservation counts when it is carried out, not before.
func TestAReservationIsNotOnAStatement(t *testing.T) {
	s := newStory(memstore.New())
	e, ctx := s.engine(t), t.Context()
	legs := []ledger.Leg{{Account: "own/a", Amount: -7, Bounds: ledger.Free()}, {Account: "own/b", Amount: 7, Bounds: ledger.Free()}}
	for i, p := range []ledger.Posting{{ID: "p2", Kind: ledger.Pending, Legs: legs}, {ID: "p1", Kind: ledger.Post, Of: "p2"}, {ID: "p3", Kind: ledger.Pending, Legs: legs}} {
		outcomes, err := s.store.Apply(ctx, []program.Change{{At: day(i + 1), Postings: []ledger.Posting{p}}})
		require.NoError(t, err)
		require.NoError(t, outcomes[0].Refusal)
	}
	st, err := e.AccountStatement(ctx, "own/b", day(1), day(9))
	require.NoError(t, err)
	require.Equal(t, program.AccountStatement{Closing: 7, Movements: []program.Movement{{Posting: "p1", At: day(2), Units: 7}}}, st)
}

// Every payment that is open has somebody who must act, and an age.
func TestOpenItems(t *testing.T) {
	s, e, b := prepared(t, nil)
	ctx := t.Context()
	items := func() map[int64]string {
		all := map[int64]string{}
		require.NoError(t, e.OpenItems(ctx, func(o program.OpenItem) error {
			require.False(t, o.Since.IsZero())
			require.Positive(t, o.Amount.Units)
			all[o.Item] = o.Why + " " + string(o.Owner)
			return nil
		}))
		return all
	}
	require.Empty(t, items(), "nothing has left")
	_, err := e.HoldPayments(ctx, actor("auditor"), 1, []int64{1}, "a letter")
	require.NoError(t, err)
	require.Equal(t, map[int64]string{1: "held officer"}, items())
	b, err = e.Batch(ctx, 1)
	require.NoError(t, err)
	require.NoError(t, e.ApproveBatch(ctx, actor("approver"), 1, b.Digest))
	require.NoError(t, e.SubmitBatch(ctx, actor("releaser"), 1, byFile))
	all := items()
	require.Len(t, all, int(b.Count)+1)
	require.Equal(t, "in-transit partner", all[2])
	_, err = e.Resolve(ctx, actor("one"), program.Resolve{Batch: 1, Item: 2, As: program.NeverPaid, Evidence: "letter 1"})
	require.NoError(t, err)
	var third string
	require.NoError(t, e.WriteBatch(ctx, 1, func(o program.Order) error {
		if third == "" && strings.HasPrefix(o.Reference, "B1I3G") {
			third = o.Reference
		}
		return nil
	}))
	_, err = e.TakeAnswers(ctx, actor("clerk"), "answers", program.Answers{From: "BANK", Digest: [32]byte{1}, Each: each([]payment.Answer{{Reference: third, Standing: payment.Unclear}})})
	require.NoError(t, err)
	all = items()
	require.Equal(t, "proposed officer", all[2])
	require.Equal(t, "unknown officer", all[3])
	s.verify(t)
}
