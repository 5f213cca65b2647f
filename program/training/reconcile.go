package training

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/lifecycle"
)

const codeNoMove = lifecycle.CodeNoMove

// Difference is a voucher of which the platform and we say something else.
type Difference struct {
	Voucher string
	// Kind is "unknown-here": the platform has a voucher that was not sold;
	// "unknown-there": the platform does not list one that it had redeemed;
	// "listed-twice"; or a code of what the platform says and does not count, such as
	// CodeOther, CodeRefunded, CodeTooLate.
	Kind string
}

// Reconciliation is what a platform's own list has shown.
type Reconciliation struct {
	// Listed is how many vouchers the platform listed, and Learned how many of them told
	// something that no call-back had.
	Listed, Learned int
	// Differences are for an officer to settle with the platform, in order.
	Differences []Difference
}

// Reconcile goes through a platform's own list of the vouchers that were redeemed from
// an instant until before another. What call-backs have lost is made up for; what does
// not agree is returned. Vouchers that were bought before from count as listed in an earlier
// period.
func (d *Desk[T]) Reconcile(ctx context.Context, by program.By, platform string, from, before time.Time) (Reconciliation, error) {
	var out Reconciliation
	p := d.setup.Platforms[platform]
	if p == nil {
		return out, &program.FieldError{Field: "Platforms." + platform, Rule: "is missing"}
	}
	differs := func(voucher, kind string) { out.Differences = append(out.Differences, Difference{voucher, kind}) }
	listed := map[string]bool{}
	err := p.List(ctx, from, before, func(progress Progress) error {
		out.Listed++
		if listed[progress.Voucher] {
			differs(progress.Voucher, "listed-twice")
			return nil
		}
		listed[progress.Voucher] = true
		v, err := d.Voucher(ctx, progress.Voucher)
		if errors.Is(err, program.ErrNotFound) || err == nil && v.Platform != platform {
			differs(progress.Voucher, "unknown-here")
			return nil
		}
		if err != nil {
			return err
		}
		next, why, err := d.learn(ctx, by, progress)
		if err != nil {
			var no *program.RefusedError
			if errors.As(err, &no) {
				differs(progress.Voucher, no.Reasons[0].Code)
				return nil
			}
			return err
		}
		if next.version != v.version {
			out.Learned++
		}
		for _, r := range why {
			differs(progress.Voucher, r.Code)
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	err = d.each(ctx, program.RecordScan{Kind: voucherKind}, func(v Voucher) error {
		if v.Platform == platform && v.State != Sold && v.State != Refunded && !v.Bought.Before(from) && v.Bought.Before(before) && !listed[v.Number] {
			differs(v.Number, "unknown-there")
		}
		return nil
	})
	slices.SortStableFunc(out.Differences, func(a, b Difference) int { return strings.Compare(a.Voucher, b.Voucher) })
	return out, err
}
