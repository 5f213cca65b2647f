// Package identity holds what says who someone is: national identity numbers that
// never print, secrets of the same kind, and names and how alike two of them are.
//
// A NIK is the 16 digit number of a resident of Indonesia. Once parsed it cannot
// reach a log by accident: every way of printing it gives a mask.
//
//	nik, warnings, err := identity.ParseNIK("3273054808020001")
//	fmt.Printf("%v %+v", nik, struct{ N identity.NIK }{nik}) // NIK(****) {N:NIK(****)}
//	nik.Reveal()                                              // the digits, for sealing and for a keyed index
//	nik.Compare(declaredBirth, identity.Female)               // warnings when they differ
//
// The format proves nothing: the number has no check digit, and only a match with
// the population register shows that it belongs to someone. Nor does it say where
// someone lives: the first six digits are the place of first registration. So
// the package does not offer a province of a NIK.
//
// Names are compared for the search for duplicates. The score is evidence for an
// officer to look at, never a decision:
//
//	identity.NewName("H. Moh. Ridwan").Similarity(identity.NewName("Ridwan Muhammad")) // 980
package identity
