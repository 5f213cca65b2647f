// Package quota divides seats, draws lots for them in a way that anyone can
// check, and keeps count of them afterwards.
//
// Apportion divides seats over regions in exact integers:
//
//	seats, err := quota.Apportion(10, []quota.Share{
//		{Key: "north", Weight: 52},
//		{Key: "south", Weight: 31},
//		{Key: "islands", Weight: 4, Min: 1},
//	}, nil)
//	// [6 3 1]
//
// A Plan says, as data, how many seats each pool has, which are reserved for
// whom, and what becomes of those that nobody takes. A Roll is the frozen list
// of candidates, each under a random label, for which they hold a signed
// Receipt. Fairness tells everybody's chance before anyone draws. Freeze makes
// the Manifest, whose digest witnesses sign before the Seed exists. Draw decides
// from these and from nothing else; DrawStream does so for a roll that is not in
// memory. WriteProof writes all of it for everybody, and VerifyProof, or the
// script examples/verifydraw/verify_draw.py, redoes it; NewPersonProof shows one
// person's lines without the others. The protocol is written byte by byte in
// docs/draw.md, with what it does not protect against. Promote says who gets a
// seat that came back.
//
// Issue, Hold, Confirm, ConfirmPart, Release, Extend, Grant, Revoke, Spill, Carry
// and CloseWave return postings for program/ledger; the accounts are in the
// comment of Place. CloseWave carries all that is left of a wave to a later one.
//
// Nothing here reads a clock or makes randomness, and nothing prints.
package quota
