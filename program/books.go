package program

import (
	"cmp"
	"context"
	"encoding/csv"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/ledger"
)

// Balance is one line of a trial balance.
type Balance struct {
	// Account is an account, or the part of their names that many of one kind share:
	// the balances of a benefit stand on one line, not on one for each person.
	Account string
	// Units are minor units of money, seats or awards.
	Units int64
}

// TrialBalance adds up all postings that were made before an instant, or all of them
// if it is zero. The lines are in the order of their names and sum to zero; an
// unposted reservation is in none. The program's money is in
//
//	budget/appropriated   what Fund gave, below zero
//	budget/returned/YEAR  what went back to the treasury
//	budget/available      what nobody has a claim to
//	balance/BENEFIT       commitments: balances that can be spent,
//	entitled/BENEFIT      instalments that were earned,
//	paying/BENEFIT        and what approved batches pay
//	spent/BENEFIT         cash that went out: to partners,
//	paid/BENEFIT          and to payees, net of returns
//
// and the bank's in bank/, opened/, cleared/ and suspense/ of each account. Lapsed/BENEFIT counts
// what went back to the budget out of balances, against lapsed. It reads
// every posting: for a nation it takes minutes.
func (e *Engine[T]) TrialBalance(ctx context.Context, before time.Time) ([]Balance, error) {
	var sums ledger.Sums
	err := e.eachPosting(ctx, func(p ledger.Posting, at time.Time) error {
		if !before.IsZero() && !at.Before(before) {
			return nil
		}
		return sums.Add(p)
	})
	if err != nil {
		return nil, err
	}
	lines := map[string]int64{}
	for account, units := range sums.Each {
		lines[line(account)] += units
	}
	var all []Balance
	for name, units := range lines {
		if units != 0 {
			all = append(all, Balance{name, units})
		}
	}
	slices.SortFunc(all, func(a, b Balance) int { return cmp.Compare(a.Account, b.Account) })
	return all, nil
}

// line is the line of a trial balance on which an account stands.
func line(account ledger.Account) string {
	name := string(account)
	keep := 2
	switch class, _, _ := strings.Cut(name, "/"); class {
	case "balance", "paying", "limit", "cap", "share", "spent":
	default:
		return name
	}
	for i := range len(name) {
		if name[i] == '/' {
			if keep--; keep == 0 {
				return name[:i]
			}
		}
	}
	return name
}

// eachPosting gives every posting, in the order of their ids.
func (e *Engine[T]) eachPosting(ctx context.Context, each func(ledger.Posting, time.Time) error) error {
	var after Cursor
	for {
		rows, next, err := e.store.Page(ctx, Scan{Table: TablePostings, After: after, Limit: e.chunk})
		if err != nil {
			return err
		}
		for _, row := range rows.Rows {
			v := row.Values
			legs, err := ledger.ParseLegs(bytesOf(v[4]))
			if err != nil {
				return err
			}
			p := ledger.Posting{ID: textOf(v[0]), Kind: ledger.Kind(intOf(v[1])), Of: textOf(v[2]), Legs: legs}
			if err := each(p, moment(v[3])); err != nil {
				return err
			}
		}
		if after = next; next == nil {
			return nil
		}
	}
}

// WriteAccounts writes every leg of every posting as CSV (RFC 4180), which
// spreadsheets and audit programs load: posting, time (UTC, RFC 3339), kind ("direct",
// "pending", "post", "void"), the posting that it resolves, account, amount in minor
// units. A post and a void have one line and no account: they carry out, or give up,
// the legs of the pending posting. Accounts are named by internal ids.
func (e *Engine[T]) WriteAccounts(ctx context.Context, w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write([]string{"posting", "time", "kind", "of", "account", "amount"}); err != nil {
		return err
	}
	kinds := []string{"direct", "pending", "post", "void"}
	err := e.eachPosting(ctx, func(p ledger.Posting, at time.Time) error {
		head := []string{p.ID, at.UTC().Format(time.RFC3339Nano), kinds[int(p.Kind)%len(kinds)], p.Of}
		if len(p.Legs) == 0 {
			return out.Write(append(head, "", ""))
		}
		for _, l := range p.Legs {
			if err := out.Write(append(head, string(l.Account), strconv.FormatInt(l.Amount, 10))); err != nil {
				return err
			}
		}
		return nil
	})
	out.Flush()
	return cmp.Or(err, out.Error())
}

// ReturnFunds gives an amount that nobody has a claim to back to the treasury, for a
// fiscal year. What is not returned is carried over. More than is available is a
// *ledger.BoundError.
func (e *Engine[T]) ReturnFunds(ctx context.Context, by By, year int, amount payment.Money) error {
	cmd := command{by, "return-funds", []any{year, amount}}
	if done, err := e.answered(ctx, cmd); done || err != nil {
		return err
	}
	if amount.Units <= 0 || year < 1 || year > 9999 {
		return &FieldError{"amount, year", "are an amount above zero and a year from 1 to 9999"}
	}
	if err := e.program.inCurrency(amount); err != nil {
		return err
	}
	id, err := e.ids.next(e.clock())
	if err != nil {
		return err
	}
	_, err = e.carryOut(ctx, cmd, Change{Postings: []ledger.Posting{{ID: "return/" + id.String(), Legs: []ledger.Leg{
		{Account: budgetLeft, Amount: -amount.Units, Bounds: ledger.AtLeast(0)},
		{Account: ledger.Account("budget/returned/" + strconv.Itoa(year)), Amount: amount.Units, Bounds: ledger.AtLeast(0)},
	}}}}, "funds-returned", map[string]any{"year": year, "units": amount.Units, "currency": amount.Currency})
	return err
}

// Movement is one leg of a posting on an account.
type Movement struct {
	Posting string
	At      time.Time
	Units   int64
}

// AccountStatement is what was posted to one account of the ledger in a time.
type AccountStatement struct {
	Opening, Closing int64
	// Movements are in the order of time.
	Movements []Movement
}

func (s *AccountStatement) add(m Movement, from, before time.Time) {
	switch {
	case !m.At.Before(before):
		return
	case m.At.Before(from):
		s.Opening += m.Units
	default:
		s.Movements = append(s.Movements, m)
	}
	s.Closing += m.Units
}

// AccountStatement tells what was posted to an account from one instant until before
// another. Reservations are not in it. It reads every posting.
func (e *Engine[T]) AccountStatement(ctx context.Context, account ledger.Account, from, before time.Time) (AccountStatement, error) {
	var s AccountStatement
	pending, posted := map[string]int64{}, map[string]Movement{}
	err := e.eachPosting(ctx, func(p ledger.Posting, at time.Time) error {
		var units int64
		for _, l := range p.Legs {
			if l.Account == account {
				units += l.Amount
			}
		}
		switch {
		case p.Kind == ledger.Post:
			posted[p.Of] = Movement{Posting: p.ID, At: at}
		case units == 0:
		case p.Kind == ledger.Pending:
			pending[p.ID] = units
		case p.Kind == ledger.Direct:
			s.add(Movement{p.ID, at, units}, from, before)
		}
		return nil
	})
	for id, units := range pending {
		if m, ok := posted[id]; ok {
			m.Units = units
			s.add(m, from, before)
		}
	}
	slices.SortFunc(s.Movements, func(a, b Movement) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Posting, b.Posting)) })
	return s, err
}
