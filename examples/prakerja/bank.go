package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"iter"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
)

type bank struct {
	folder  string
	run     *run
	lines   []payment.Line
	closing payment.Money
}

func (b *bank) send(ctx context.Context, e *program.Engine[Jobseeker], batch program.Batch) error {
	b.lines = nil
	return e.WriteBatch(ctx, batch.Number, func(o program.Order) error {
		b.lines = append(b.lines, payment.Line{Reference: o.Reference, Amount: o.Amount})
		for _, h := range b.run.habits[o.Applicant] {
			if h == 'W' && o.Payout.Provider != "BNI" {
				b.lines = append(b.lines, payment.Line{Reference: o.Reference, Amount: o.Amount, Credit: true, Code: "AC04"})
			}
		}
		return nil
	})
}
func (b *bank) statement(batch program.Batch) (program.Statement, error) {
	open := payment.Rupiah(1 << 50)
	for n := range batch.Number {
		c := b.run.counts[fmt.Sprintf("batch/%d/reconcile", n)]
		open.Units -= c["settled_amount"] - c["returned_amount"]
	}
	st := program.Statement{ID: fmt.Sprint(batch.Number), Account: "treasury", Sequence: batch.Number, Digest: sha256.Sum256(fmt.Append(nil, batch.Number)), Opening: open, Closing: open}
	for _, l := range b.lines {
		if l.Credit {
			st.Closing.Units += l.Amount.Units
		} else {
			st.Closing.Units -= l.Amount.Units
		}
	}
	st.Lines = func() iter.Seq2[payment.Line, error] {
		return func(y func(payment.Line, error) bool) {
			for _, l := range b.lines {
				if !y(l, nil) {
					return
				}
			}
		}
	}
	return st, nil
}
