// Package payment pays what a program promises: the right amount, once.
//
// A Benefit is what the program promises. Its schedule makes entitlements,
// each with a number, a due date and an amount:
//
//	incentive := payment.Instalments("incentive", 4, payment.Rupiah(600_000)).Monthly()
//	due, err := incentive.Schedule(calendar.Of(2020, 10, 31), 0)
//	// 1: 2020-10-31  2: 2020-11-30  3: 2020-12-31  4: 2021-01-31, Rp600.000 each
//
// When amounts change by law, another benefit of the same name follows, with its own
// period and basis; Benefits.On is the scheme of a day.
//
// An entitlement is unique. A payment is one attempt to settle it, and moves
// through the states of Table. While one payment of an entitlement is live
// there is no other: only a dead one (rejected, returned, cancelled) allows the
// next generation, with a Reference of its own. An outcome that is not known is
// live.
//
// A batch is approved as a digest over its payments, in order (NextDigest), by
// somebody who did not prepare it (Separate). What the bank says happened is
// checked as a whole (Last.Gate) before each line is put in exactly one class
// (Classify).
//
// A Provider is a bank or wallet that is reached by calls. Dispatch hands over
// transfers that were stored as submitted before; Judge says what an answer proves
// of one, and Next what may be done about one that no answer proves: the same order
// again under the same reference where the provider has declared that safe, an
// enquiry, or to await the statement. Nothing is ever sent under a new reference while
// an attempt is open. A FileProvider takes files; UploadFile sees to it that what leaves is,
// byte for byte, what was released. A Matcher matches the lines of a statement.
//
// Money is an integer of minor units. No binary fractions are used anywhere.
// But for Dispatch and UploadFile, which call the provider that they are given, the package is pure: it
// reads no clock, stores nothing and sends nothing.
package payment
