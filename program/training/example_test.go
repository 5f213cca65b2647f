package training_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/memstore"
	"github.com/gelombang/gelombang/program/training"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// One course from its offer to the public check of its certificate. The program is that of
// this package's tests, cardProgram.
func Example() {
	ctx, now := context.Background(), day(2)
	around := program.Surroundings{Clock: func() time.Time { return now }, Random: rand.NewChaCha8([32]byte{1})} // crypto/rand.Reader in production
	keys, err := program.NewLocalKeyring(make([]byte, 32), around.Random)
	must(err)
	engine, err := program.NewEngine(cardProgram(), memstore.New(), keys, around, nil)
	must(err)
	signer := ed25519.NewKeyFromSeed(make([]byte, 32)) // the platform's own
	rules := training.Rules{MinHours: 15, Control: 250}
	desk, err := training.NewDesk(engine, keys, around, training.Setup{
		Benefit: "training", Zone: "Asia/Jakarta",
		Events: training.Events{Bought: "buy", Refunded: "refund", Completed: "complete"},
		Rules:  rules,
		Partners: []training.Partner{
			{ID: "pijar", Kind: training.PlatformKind, Name: "Pijar", Key: signer.Public().(ed25519.PublicKey)},
			{ID: "lpk", Kind: training.Institution, Name: "LPK"},
		},
	})
	must(err)

	// Ani holds a balance of a million.
	must(engine.Fund(ctx, officer, payment.Rupiah(10_000_000)))
	must(engine.PlanWave(ctx, officer, program.WaveOrder{Number: 1, Opens: now, Closes: now.AddDate(0, 1, 0)}))
	must(engine.OpenWave(ctx, officer, 1))
	ani, err := engine.Register(ctx, officer, program.Registration[details]{Person: program.Person{
		Name: identity.NewName("Ani"), National: identity.NewSecret("3171014101900001")}})
	must(err)
	_, err = engine.Join(ctx, officer, 1, ani)
	must(err)
	must(engine.Fire(ctx, officer, 1, ani, program.Report{Event: "admit"}))

	must(desk.Offer(ctx, officer, training.Course{ID: "barista", Platform: "pijar", Institution: "lpk", Title: "Barista", Mode: training.Hybrid,
		Hours: 20, Sessions: 2, Price: payment.Rupiah(700_000), Capacity: 30, From: calendar.Of(2026, 3, 1), Until: calendar.Of(2026, 3, 31)}))
	v, err := desk.Buy(ctx, officer, training.Order{Voucher: "V-1", Wave: 1, Applicant: ani, Course: "barista"})
	must(err)
	fmt.Println(v.State, v.Price)

	body, signature, err := training.SignNotice(signer, training.Notice{Platform: "pijar", Progress: training.Progress{
		Voucher: "V-1", Course: "barista", Price: v.Price, State: training.Completed, At: now,
		Attendance: []training.Attendance{{Session: 1, Present: true, Seen: now, Method: "face"}}}})
	must(err)
	v, _, err = desk.Take(ctx, officer, body, signature)
	must(err)
	fmt.Println(v.State, rules.Finished(v))
	v, _, err = desk.Prove(ctx, officer, "V-1", "inspector", []training.Attendance{{Session: 2, Present: true, Seen: now, Method: "visit"}})
	must(err)
	fmt.Println(v.State)

	certificate, err := desk.Certify(ctx, officer, "V-1")
	must(err)
	document, err := certificate.Document() // for Ani, with her name
	must(err)
	public, err := desk.Certificate(ctx, certificate.Number) // for everybody
	must(err)
	_, err = training.CheckCertificate(document, public)
	fmt.Println("certificate:", err)
	_, err = training.CheckCertificate(bytes.Replace(document, []byte("Ani"), []byte("Adi"), 1), public)
	fmt.Println("another's name:", err)
	// Output:
	// sold Rp700.000
	// redeemed [{ session-missing}]
	// completed
	// certificate: <nil>
	// another's name: training: certificate: digest
}

// A platform's holding owns a third of an institution: one hand is in both.
func ExampleConflicts() {
	stakes := []training.Stake{
		{Owner: "holding", Owned: "pijar", PerMille: 900},
		{Owner: "holding", Owned: "daughter", PerMille: 510},
		{Owner: "daughter", Owned: "lpk", PerMille: 330},
	}
	fmt.Println(training.Conflicts(stakes, 250, "pijar", "lpk"))
	fmt.Println(training.Conflicts(stakes, 250, "pijar", "another"))
	// Output:
	// [{pijar lpk holding}]
	// []
}
