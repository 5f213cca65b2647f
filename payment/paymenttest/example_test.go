package paymenttest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/payment/paymenttest"
)

// An answer is lost. The same order goes out again under the same reference, and is
// executed once.
func ExampleFaulty() {
	ctx := context.Background()
	f := paymenttest.NewFaulty(start, payment.Rupiah(0), 1, &paymenttest.FaultyOptions{
		Capabilities: payment.Capabilities{ReplaySafe: true, KeyMemory: 48 * time.Hour},
	})
	orders := []payment.Transfer{{Reference: "B1I1G1B", Amount: payment.Rupiah(600_000)}}

	f.Fault(paymenttest.AnswerLost)
	first := payment.Dispatch(ctx, f, orders, start, start)[0]
	fmt.Println("first:", first.Event)

	a := payment.Attempt{Reference: "B1I1G1B", State: payment.Unknown, Submitted: start}
	f.Advance(6 * time.Hour)
	now := start.Add(6 * time.Hour)
	fmt.Println("next:", f.Capabilities().Next(a, now))
	again := payment.Dispatch(ctx, f, orders, start, now)[0]
	fmt.Println("again:", f.Capabilities().Judge(a, again.Answer, payment.Proof{}, now).Event)

	out, back := f.Moved("B1I1G1B")
	fmt.Println("money moved:", out, "back:", back)
	statement, lines := f.CloseBooks()
	fmt.Println(statement.Closing, len(lines), lines[0].Amount)
	// Output:
	// first: doubt
	// next: resend
	// again: accept
	// money moved: 1 back: 0
	// -Rp600.000 1 Rp600.000
}
