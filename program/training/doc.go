// Package training is for programs that pay for courses, or count them: partners and
// who owns them, courses, vouchers bought with a balance, attendance, and certificates
// that anybody can check.
//
// # A desk
//
// A [Desk] stands on a program's engine, and its store. The agency's own lifecycle table
// says what a purchase, a completion or a review does to a case:
//
//	{On: "buy", From: from("holder"), To: "learning", Do: do("spend", "training")},
//	{On: "refund", From: from("learning"), To: "holder", Do: do("refund", "training")},
//	{On: "complete", From: from("learning"), To: "trained"},
//
// and the setup says which of its events the desk fires:
//
//	desk, err := training.NewDesk(engine, keys, around, training.Setup{
//		Benefit: "training", Zone: "Asia/Jakarta",
//		Events: training.Events{Bought: "buy", Refunded: "refund", Completed: "complete"},
//		Rules:  training.Rules{MinHours: 15, Control: 250},
//		Partners: []training.Partner{
//			{ID: "pijar", Kind: training.PlatformKind, Name: "Pijar", Key: key},
//			{ID: "lpk", Kind: training.Institution, Name: "LPK"},
//		},
//	})
//
// One course, with errors left out. Two sessions have to be attended, and the platform
// proves one:
//
//	desk.Offer(ctx, officer, course)
//	v, err := desk.Buy(ctx, officer, training.Order{Voucher: "V-1", Wave: 1, Applicant: ani, Course: "barista"})
//	fmt.Println(v.State, v.Price)
//	v, _, err = desk.Take(ctx, officer, body, signature) // a call-back: completed, session 1 attended
//	fmt.Println(v.State, rules.Finished(v))
//	v, _, err = desk.Prove(ctx, officer, "V-1", "inspector", proofs) // session 2
//	fmt.Println(v.State)
//
// prints
//
//	sold Rp700.000
//	redeemed [{ session-missing}]
//	completed
//
// A program without money has no Benefit, and courses without a price; one whose cases
// do not move with courses has no Events. Then vouchers, seats, attendance and hours
// ([CreditedHours]) are kept all the same.
//
// # What a purchase is
//
// [Desk.Buy] takes the price out of the balance, a seat out of the course's capacity and
// writes the voucher, in one transaction with the step of the case. It never takes more
// than the balance has, and a number buys once. The voucher has the price and the course
// as they were. [Desk.Refund] and [Desk.CancelCourse] give the price back: to the balance, or
// to the budget if a step has let the balance lapse.
//
// # What a platform says
//
// Whoever connects a platform implements [Platform] and proves it with package
// trainingtest. A platform tells the whole [Progress] of a voucher each time, by a signed
// call-back ([Desk.Take]), or when its list is gone through ([Desk.Reconcile]). What is known
// is never taken back, so that a message which comes twice, late or out of order does no
// harm: there is nothing to remember and nothing to expire. A platform speaks for its own
// vouchers only, as they were sold. Its word that a course was completed counts once
// the sessions have proofs ([Rules.Finished]); one that is affirmed and denied is not attended
// until an officer has looked.
//
// # Certificates
//
// [Desk.Certify] gives a [Certificate] for its holder. The public register has its number, a
// SHA-256 and nothing personal; whoever is shown the certificate's document checks it with
// [CheckCertificate]. The salt in the document is computed from the keys, so that nobody
// finds a holder from the register by trying names.
//
// # Who owns whom
//
// [Conflicts] finds every owner who controls both a platform and an institution, through
// holdings of holdings, split shares and circles. A course with one is not offered.
//
// [Desk.Verify] holds seats, money and certificates against each other.
package training
