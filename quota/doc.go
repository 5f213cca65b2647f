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
// of candidates, each under a random receipt. Freeze makes the Manifest, which
// is published before the Seed exists. Draw redoes itself from these four and
// from nothing else; WriteProof writes them for everybody, and VerifyProof, or
// the script examples/verifydraw/verify_draw.py, checks them. The protocol is
// written byte by byte in docs/draw.md, with what it does not protect against.
//
// Issue, Hold, Confirm, Release, Grant, Return, Spill and Carry return postings
// for program/ledger; the accounts are in the comment of Place.
//
// Nothing here reads a clock or makes randomness, and nothing prints.
package quota
