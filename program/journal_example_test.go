package program_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/memstore"
)

// An agency sends events out, seals its journal, and proves an entry to an
// auditor who has only a checkpoint and the log's public key.
func ExampleOpenLog() {
	ctx, store := context.Background(), memstore.New()
	keys, err := program.NewLocalKeyring(make([]byte, 32), rand.Reader) // a real master key is secret
	must(err)
	around := program.Surroundings{Clock: time.Now, Random: rand.Reader}
	engine, err := program.NewEngine(seedGrant(), store, keys, around, nil)
	must(err)
	must(engine.Fund(ctx, program.By{Actor: "treasury"}, payment.Rupiah(10_000_000)))

	// The outbox.
	must(program.Follow(ctx, store, "outbox", func(_ context.Context, entries []program.Entry) error {
		for _, e := range entries {
			event, err := program.CloudEvent("/programs/seed-grant", "id.go.example.", e)
			if err != nil {
				return err
			}
			fmt.Println(len(event) > 0, e.Seq, e.Kind) // send it
		}
		return nil
	}))

	// The log. Its key is made once; the secret half stays with the sealer.
	secret, public, err := note.GenerateKey(rand.Reader, "journal.example.go.id/seed-grant")
	must(err)
	signer, err := note.NewSigner(secret)
	must(err)
	verifier, err := note.NewVerifier(public)
	must(err)
	log, err := program.OpenLog(ctx, store, keys, signer, verifier, around, nil) // nil: the first time only
	must(err)
	signed, err := log.Seal(ctx)
	must(err) // publish signed
	proof, err := log.Inclusion(ctx, 1, 1)
	must(err)

	// The auditor.
	checkpoint, err := program.OpenCheckpoint(signed, verifier)
	must(err)
	fmt.Println(checkpoint.Origin, checkpoint.Size, checkpoint.Includes(proof))
	proof.Entry.Actor = "somebody else"
	fmt.Println(checkpoint.Includes(proof))
	// Output:
	// true 1 funded
	// journal.example.go.id/seed-grant 1 <nil>
	// program: the proof does not hold: entry 1 in a log of 1
}
