package program

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/ledger"
)

// Accounts of an account at a bank. What the bank holds is what it opened with, less
// what was cleared, which is what was paid net of returns, less what stands in
// suspense: the lines that belong to no payment of ours.
func bankAccount(name string) ledger.Account     { return ledger.Account("bank/" + name) }
func openedAccount(name string) ledger.Account   { return ledger.Account("opened/" + name) }
func clearedAccount(name string) ledger.Account  { return ledger.Account("cleared/" + name) }
func suspenseAccount(name string) ledger.Account { return ledger.Account("suspense/" + name) }

// bankRow is where the statements of an account stand.
type bankRow struct {
	account  string
	sequence int64
	closing  payment.Money
	matching bool
	until    time.Time // up to which matched statements reach without a gap; zero: nobody said
	digest   [32]byte  // of the last statement
	channel  string
	version  int64
}

func (r *bankRow) row() Row {
	state := "matched"
	if r.matching {
		state = "matching"
	}
	return Row{Table: TableBankAccounts, Version: r.version, Values: []any{
		r.account, r.sequence, r.closing.Units, r.closing.Currency, state, micros(r.until), r.digest[:], textValue(r.channel),
	}}
}

func bankOf(row Row) bankRow {
	v := row.Values
	r := bankRow{account: textOf(v[0]), sequence: intOf(v[1]), closing: payment.Money{Units: intOf(v[2]), Currency: textOf(v[3])},
		matching: textOf(v[4]) == "matching", until: moment(v[5]), channel: textOf(v[7]), version: row.Version}
	copy(r.digest[:], bytesOf(v[6]))
	return r
}

// bank reads where the statements of an account stand; a version of zero: there are none.
func (e *Engine[T]) bank(ctx context.Context, account string) (bankRow, error) {
	rows, err := e.store.Load(ctx, Query{Keys: []Key{{TableBankAccounts, []any{account}}}})
	if err != nil || len(rows.Rows) == 0 {
		return bankRow{account: account}, err
	}
	return bankOf(rows.Rows[0]), nil
}

// banks reads all accounts that have statements.
func (e *Engine[T]) banks(ctx context.Context) ([]bankRow, error) {
	var all []bankRow
	var after Cursor
	for {
		rows, next, err := e.store.Page(ctx, Scan{Table: TableBankAccounts, After: after, Limit: 1000})
		if err != nil {
			return nil, err
		}
		for _, row := range rows.Rows {
			all = append(all, bankOf(row))
		}
		if after = next; next == nil {
			return all, nil
		}
	}
}

// lineID names a line of a statement; lines are counted from 1.
type lineID struct {
	account        string
	sequence, line int64
}

func (l lineID) posting() string {
	return "statement/" + l.account + "/" + strconv.FormatInt(l.sequence, 10) + "/" + strconv.FormatInt(l.line, 10)
}

func (l lineID) key() Key { return Key{TableSuspense, []any{l.account, l.sequence, l.line}} }

// suspenseRow is a line that stands in suspense, or did.
type suspenseRow struct {
	lineID
	standing bool
	class    payment.Class
	amount   payment.Money // what the account lost; below zero what it got
	of       paymentID     // whose reference it has; zero: nobody's
	since    time.Time
	version  int64
	touched  bool
}

func (r *suspenseRow) row() Row {
	var standing, batch, item any
	if r.standing {
		standing = r.account
	}
	if r.of != (paymentID{}) {
		batch, item = r.of.batch, r.of.item
	}
	return Row{Table: TableSuspense, Version: r.version, Values: []any{
		r.account, r.sequence, r.line, standing, string(r.class), r.amount.Units, r.amount.Currency, batch, item, r.since.UnixMicro(),
	}}
}

func suspenseOf(row Row) suspenseRow {
	v := row.Values
	return suspenseRow{lineID: lineID{textOf(v[0]), intOf(v[1]), intOf(v[2])}, standing: v[3] != nil, class: payment.Class(textOf(v[4])),
		amount: payment.Money{Units: intOf(v[5]), Currency: textOf(v[6])}, of: paymentID{intOf(v[7]), intOf(v[8])}, since: moment(v[9]), version: row.Version}
}

// standing gives the lines that stand in suspense, of one account or, if it is empty, of
// all.
func (e *Engine[T]) standing(ctx context.Context, account string, each func(suspenseRow) error) error {
	var equal []any
	if account != "" {
		equal = []any{account}
	}
	var after Cursor
	for {
		rows, next, err := e.store.Page(ctx, Scan{Table: TableSuspense, Index: 1, Equal: equal, After: after, Limit: e.chunk})
		if err != nil {
			return err
		}
		for _, row := range rows.Rows {
			if err := each(suspenseOf(row)); err != nil {
				return err
			}
		}
		if after = next; next == nil {
			return nil
		}
	}
}

// standingLine reads a line that stands in suspense. The error is ErrNotFound if none
// of that number does.
func (e *Engine[T]) standingLine(ctx context.Context, id lineID) (suspenseRow, error) {
	rows, err := e.store.Load(ctx, Query{Keys: []Key{id.key()}})
	if err != nil {
		return suspenseRow{}, err
	}
	for _, row := range rows.Rows {
		if r := suspenseOf(row); r.standing {
			return r, nil
		}
	}
	return suspenseRow{}, fmt.Errorf("line %d of statement %d in suspense: %w", id.line, id.sequence, ErrNotFound)
}

// orphans adds up how many debits of each amount stand in suspense without a payment.
func (e *Engine[T]) orphans(ctx context.Context, account string) (map[payment.Money]int, error) {
	all := map[payment.Money]int{}
	err := e.standing(ctx, account, func(r suspenseRow) error {
		if r.of == (paymentID{}) && r.amount.Units > 0 {
			all[r.amount]++
		}
		return nil
	})
	return all, err
}

// proofs says what the statements prove of payments that go through a channel: those of
// every account that the channel's statements are of. Without such an account they prove
// nothing.
type proofs struct {
	through time.Time
	orphans map[payment.Money]int
}

func (e *Engine[T]) proofs(ctx context.Context) (map[string]proofs, error) {
	banks, err := e.banks(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string]proofs{}
	for _, b := range banks {
		orphans, err := e.orphans(ctx, b.account)
		if err != nil {
			return nil, err
		}
		p, seen := all[b.channel]
		if !seen {
			p = proofs{b.until, map[payment.Money]int{}}
		}
		if b.until.Before(p.through) {
			p.through = b.until
		}
		for amount, n := range orphans {
			p.orphans[amount] += n
		}
		all[b.channel] = p
	}
	return all, nil
}

func (p proofs) of(amount payment.Money) payment.Proof {
	return payment.Proof{Through: p.through, Orphan: p.orphans[amount] > 0}
}
