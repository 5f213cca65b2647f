package snap_test

import (
	"context"
	"fmt"
	"time"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/payment/snap"
)

// printer tells what the bank of an example objects to.
type printer struct{}

func (printer) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// An account is asked for, an order is handed over, its answer is lost, and the bank is asked.
func Example() {
	b := newBank(printer{}) // a server that checks signatures
	defer b.server.Close()
	b.cut = func(s seen) bool { return s.service == "18" } // it executes the order, and the line breaks
	at := noon()

	client, err := snap.New(config(b, at), &snap.Options{
		Promises: payment.Capabilities{StatusMemory: 60 * 24 * time.Hour},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	order := transfer("B7I1G1X")
	known, err := client.Resolve(ctx, order.To)
	fmt.Println(known.Exists, known.Holder, known.Holder.Similarity(order.To.Holder) > 600, err)

	outcomes := payment.Dispatch(ctx, client, []payment.Transfer{order}, at.now(), at.now())
	fmt.Println(outcomes[0].Reference, outcomes[0].Event)

	attempt := payment.Attempt{Reference: "B7I1G1X", State: payment.Unknown, Submitted: at.now()}
	fmt.Println(client.Capabilities().Next(attempt, at.now()))
	answer, err := client.Enquire(ctx, attempt.Reference)
	fmt.Println(answer.Standing, answer.Code, err)
	// Output:
	// true Name(****) true <nil>
	// B7I1G1X doubt
	// ask
	// paid 2003600/00 <nil>
}
