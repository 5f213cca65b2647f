// Package ledger keeps double-entry balances that cannot leave their bounds.
//
// A [Posting] moves units between accounts; its legs sum to zero. The bounds
// of an account travel with the leg, so that an account needs no opening: the
// last seat of a pool is an account that may not go below zero, a household
// that may have two awards is an account that may not go above two, and a
// budget is an account like the first.
//
//	var book ledger.Book
//	seats := []ledger.Leg{
//		{Account: "seats/left", Amount: -1, Bounds: ledger.AtLeast(0)},
//		{Account: "seats/held", Amount: 1, Bounds: ledger.AtLeast(0)},
//	}
//	err := book.Apply(now, ledger.Posting{ID: "seat-1", Legs: seats})
//
// A posting is applied once: its ID is the idempotency key. A [Pending]
// posting reserves and is later carried out by a [Post] or given up by a
// [Void]; it may expire. Nothing is ever changed or deleted: what was wrong is
// reversed by another posting ([Reversal]), once and as a whole.
//
// [Book] keeps accounts in memory. A store runs the same [Movement]s inside
// its transaction.
package ledger
