package program

import (
	"github.com/google/uuid"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/ledger"
)

// PaymentCaps are caps on what is paid, whatever the entitlements say: the net under
// a mistake in the program. A zero cap does not limit.
type PaymentCaps struct {
	// Person is the most that one payee may ever be paid in cash, net of what did not
	// reach them. A payment above it is not prepared, and counted under
	// "refused.bounds".
	Person payment.Money
	// Day is the most that may be released in one day of the program's zone. A batch
	// above it cannot be released (*ledger.BoundError).
	Day payment.Money
	// Account is the most that may ever be paid in cash to one account or wallet,
	// whoever has it, net of what came back. Accounts are known again by a keyed digest,
	// and named by internal ids.
	Account payment.Money
}

func (c PaymentCaps) faults(add func(field, rule string, args ...any)) {
	for field, most := range map[string]payment.Money{"Caps.Person": c.Person, "Caps.Day": c.Day, "Caps.Account": c.Account} {
		if most != (payment.Money{}) && (most.Units <= 0 || most.Validate() != nil) {
			add(field, "is above zero, in an ISO 4217 currency")
		}
	}
}

// prepared counts a payment against the caps that there are; dead takes back what was
// counted, whatever the caps are by then.
func (c PaymentCaps) prepared(p *paymentRow, posts postings) {
	if c.Person != (payment.Money{}) {
		p.marks |= markCapPerson
		countCap("cap/person", p.payee, p.amount.Units, ledger.Between(0, c.Person.Units), posts)
	}
	if c.Account != (payment.Money{}) && p.account != uuid.Nil {
		p.marks |= markCapAccount
		countCap("cap/account", p.account, p.amount.Units, ledger.Between(0, c.Account.Units), posts)
	}
}

// honoured counts what was paid, whether or not it should have been.
func (c PaymentCaps) honoured(p *paymentRow, posts postings) {
	most := payment.Money{Units: 1 << 62, Currency: p.amount.Currency}
	for _, cap := range []*payment.Money{&c.Person, &c.Account} {
		if *cap != (payment.Money{}) {
			*cap = most
		}
	}
	c.prepared(p, posts)
}

func (c PaymentCaps) dead(p *paymentRow, posts postings) {
	if p.marks.has(markCapPerson) {
		countCap("cap/person", p.payee, -p.amount.Units, ledger.Free(), posts)
	}
	if p.marks.has(markCapAccount) {
		countCap("cap/account", p.account, -p.amount.Units, ledger.Free(), posts)
	}
	p.marks &^= markCapPerson | markCapAccount
}

func countCap(total ledger.Account, whose uuid.UUID, units int64, bounds ledger.Bounds, posts postings) {
	posts.add(total+"/"+ledger.Account(shortID(whose)), units, bounds)
	posts.add(total, -units, ledger.Free())
}

// released counts a batch against the cap of the day.
func (c PaymentCaps) released(b *Batch, day calendar.Date, posts postings) {
	if c.Day == (payment.Money{}) || b.Total.Units == 0 {
		return
	}
	posts.add(ledger.Account("cap/day/"+day.String()), b.Total.Units, ledger.Between(0, c.Day.Units))
	posts.add("cap/day", -b.Total.Units, ledger.Free())
}
