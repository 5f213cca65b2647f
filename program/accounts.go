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
	return e.keys.Index("account-number", number.Reveal())
}

// Accounts are known again by marks, which never change: what was paid to an account
// before its payee got another one could not be put under new keys.
const (
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
	if rules.PerAccount > 0 {
		countCap("cap/payees", item.account, 1, ledger.Between(0, int64(rules.PerAccount)), p.posts)
	}
	if rules.Accounts > 0 {
		countCap("cap/accounts", item.payee, 1, ledger.Between(0, int64(rules.Accounts)), p.posts)
	}
	return nil
}

func (p *preparer[T]) index(kind string, digest [32]byte, owner uuid.UUID) {
	p.accounts.rows[digest] = true
	p.rows = append(p.rows, indexRow(kind, digest, owner, underMarks))
}
