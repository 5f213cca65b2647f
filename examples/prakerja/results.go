package main

import (
	"context"
	"fmt"
	"io"

	"github.com/gelombang/gelombang/payment"
)

const each = 3_550_000

var _ payment.Money

func (r *run) results(ctx context.Context, s settings, in *input, geo *geography, w io.Writer) error {
	for _, st := range r.steps() {
		if c := r.counts[st.name]; c != nil {
			fmt.Fprintln(w, st.name, c)
		}
	}
	for n := range 9 {
		fmt.Fprintln(w, r.counts[fmt.Sprintf("batch/%d/prepare", n)], r.counts[fmt.Sprintf("batch/%d/reconcile", n)])
	}
	return nil
}
