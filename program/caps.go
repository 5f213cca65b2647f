package program

import (
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
}

func (c PaymentCaps) faults(add func(field, rule string, args ...any)) {
	for field, most := range map[string]payment.Money{"Caps.Person": c.Person, "Caps.Day": c.Day} {
		if most != (payment.Money{}) && (most.Units <= 0 || most.Validate() != nil) {
			add(field, "is above zero, in an ISO 4217 currency")
		}
	}
}

// prepared counts a payment against its payee's cap; dead takes it back.
func (c PaymentCaps) prepared(p *paymentRow, posts postings) { c.count(p, p.amount.Units, posts) }
func (c PaymentCaps) dead(p *paymentRow, posts postings)     { c.count(p, -p.amount.Units, posts) }

func (c PaymentCaps) count(p *paymentRow, units int64, posts postings) {
	if c.Person == (payment.Money{}) {
		return
	}
	posts.add(ledger.Account("cap/person/"+shortID(p.key.person)), units, ledger.Between(0, c.Person.Units))
	posts.add("cap/person", -units, ledger.Free())
}

// released counts a batch against the cap of the day.
func (c PaymentCaps) released(b *Batch, day calendar.Date, posts postings) {
	if c.Day == (payment.Money{}) || b.Total.Units == 0 {
		return
	}
	posts.add(ledger.Account("cap/day/"+day.String()), b.Total.Units, ledger.Between(0, c.Day.Units))
	posts.add("cap/day", -b.Total.Units, ledger.Free())
}
