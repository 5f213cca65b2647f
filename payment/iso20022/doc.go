// Package iso20022 writes payment orders for banks and reads what banks answer,
// as streams: memory does not grow with the file.
//
//	Pain001Writer   pain.001.001.03 and .09   payment orders
//	ReadPain002     pain.002.001.03 and .10   status of orders
//	ReadCamt053     camt.053.001.02 and .08   statements
//	ReadCamt054     camt.054.001.02 and .08   notices of single entries
//	Camt053Writer   camt.053.001.08           a bank's side, for simulations
//
// Writers use only the characters that every bank takes: see Transliterate.
// Readers refuse, with a typed error, a DOCTYPE, a second root, over-deep and over-wide
// documents, over-long tokens, a value that is there twice or is interrupted by
// a comment, sums and counts that are not those of their parts, an entry in another currency
// than its account's, and a reference that names two orders or two statements. They stop early: a file
// that never ends is refused after at most 1 MiB that brings nothing new, or
// after ten million records. They do not check a file against its schema, and leave the balances
// of a statement to payment.Last.Gate. What was handed out before an error came
// must not be kept: a file counts as a whole or not at all.
package iso20022
