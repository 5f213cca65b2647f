package program

import (
	"context"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/ledger"
)

// Destination is the keyed digest by which a line of a statement names the account of a
// payee (payment.Line.Destination). Nobody finds the number from it without the keys.
func (e *Engine[T]) Destination(number identity.Secret) [32]byte {
	return e.keys.Mark("account-number", number.Reveal())
}

// Accounts are known again by marks, which never change: what was paid to an account
// before its payee got another one could not be put under new keys.
const (
	payeesOfAccount ledger.Account = "cap/payees"

	indexAccount = "account" // an account or wallet, to its internal id
	indexPayee   = "payee"   // an account and a payee who was paid to it
	underMarks   = "marks"   // no key that rotates
)

// accountBook gives the accounts that a chunk pays to their internal ids.
type accountBook struct {
	ids  map[[32]byte]uuid.UUID
	rows map[[32]byte]bool // what is in the index by kind
}

func accountValue(payout *Payout) string {
	return string(appendText(nil, payout.Provider)) + payout.Account.Reveal()
}

// accountBook reads the ids of the cases' accounts, nil if the program counts none. A
// new account has a zero one until it is paid to.
func (e *Engine[T]) accountBook(ctx context.Context, cases []*Case[T]) (*accountBook, error) {
	p := e.program.Payees
	if p.PerAccount == 0 && p.Accounts == 0 && e.program.Caps.Account == (payment.Money{}) {
		return nil, nil
	}
	book := &accountBook{ids: map[[32]byte]uuid.UUID{}, rows: map[[32]byte]bool{}}
	var keys []Key
	ask := func(kind string, digest [32]byte) { keys = append(keys, Key{TableIndex, []any{kind, digest[:]}}) }
	for _, c := range cases {
		if payout := &c.Applicant.Person.Payout; !payout.Account.IsZero() {
			ask(indexAccount, e.keys.Mark(indexAccount, accountValue(payout)))
			ask(indexPayee, e.pairDigest(payout, e.payeeOf(&c.Applicant)))
		}
	}
	found, err := e.store.Load(ctx, Query{Keys: keys})
	for _, row := range found.Rows {
		digest := [32]byte(bytesOf(row.Values[1]))
		book.rows[digest] = true
		if textOf(row.Values[0]) == indexAccount {
			book.ids[digest] = idOf(row.Values[2])
		}
	}
	return book, err
}

func (e *Engine[T]) pairDigest(payout *Payout, payee uuid.UUID) [32]byte {
	return e.keys.Mark(indexPayee, string(payee[:])+accountValue(payout))
}

// countAccount names the account that a payment goes to, and counts the payee among
// those who are paid to it.
func (p *preparer[T]) countAccount(item *paymentRow, payout *Payout) error {
	book := p.accounts
	if book == nil {
		return nil
	}
	account, pair := p.engine.keys.Mark(indexAccount, accountValue(payout)), p.engine.pairDigest(payout, item.payee)
	if !book.rows[account] {
		id, err := p.engine.ids.next(p.at)
		if err != nil {
			return err
		}
		book.ids[account] = id
		p.index(indexAccount, account, id)
	}
	item.account = book.ids[account]
	if book.rows[pair] {
		return nil
	}
	p.index(indexPayee, pair, item.account)
	rules := p.engine.program.Payees
	most := ledger.NoMax // counted all the same: who is erased last takes the account's mark along
	if rules.PerAccount > 0 {
		most = int64(rules.PerAccount)
	}
	countCap(payeesOfAccount, item.account, 1, ledger.Between(0, most), p.posts)
	if rules.Accounts > 0 {
		countCap("cap/accounts", item.payee, 1, ledger.Between(0, int64(rules.Accounts)), p.posts)
	}
	return nil
}

func (p *preparer[T]) index(kind string, digest [32]byte, owner uuid.UUID) {
	p.accounts.rows[digest] = true
	p.rows = append(p.rows, indexRow(kind, digest, owner, underMarks))
}

// forgetAccounts gathers what forgets the accounts that a person was paid to: the mark that
// the person was, and that of the account if nobody else was.
func (x *erasure[T]) forgetAccounts(ctx context.Context, a *Applicant[T], paid []paymentRow) error {
	e := x.engine
	for i := range paid {
		p := &paid[i]
		if p.account == uuid.Nil {
			continue // accounts were not counted
		}
		reference, err := payment.Reference(p.batch, p.item, int(p.generation))
		if err != nil {
			return err
		}
		plain, err := unseal(a.aead, p.destination, boundTo(a.ID, "destination/"+reference))
		if err != nil {
			return err
		}
		r := textReader{plain, nil}
		payout := payoutOf(&r)
		if r.err != nil {
			return r.err
		}
		pair, account := e.pairDigest(&payout, p.payee), e.keys.Mark(indexAccount, accountValue(&payout))
		found, err := e.store.Load(ctx, Query{Keys: []Key{{TableIndex, []any{indexPayee, pair[:]}}, {TableIndex, []any{indexAccount, account[:]}}}})
		if err != nil {
			return err
		}
		b, err := e.store.Balances(ctx, payeesOfAccount+"/"+ledger.Account(shortID(p.account)))
		if err != nil {
			return err
		}
		left := b[0].Posted - x.forgotten[p.account]
		for _, row := range found.Rows {
			key := textOf(row.Values[0]) + string(bytesOf(row.Values[1]))
			if x.gone[key] || textOf(row.Values[0]) == indexAccount && left > 1 {
				continue
			}
			row.Gone, x.gone[key] = true, true
			x.rows = append(x.rows, row)
			if textOf(row.Values[0]) == indexPayee {
				x.forgotten[p.account]++
				countCap(payeesOfAccount, p.account, -1, ledger.AtLeast(0), x.shares.posts)
			}
		}
	}
	return nil
}
