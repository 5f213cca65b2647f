package training

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/ledger"
)

// Verify reads every course, voucher and certificate and checks them against the ledger
// and each other: that each course's seats are those of its vouchers and not above its
// capacity, that each platform has got the prices of its vouchers and no more, and that
// each certificate in the public register is a voucher's or revoked. It returns every
// breach. Run it while nothing is being written, beside Engine.Verify.
func (d *Desk[T]) Verify(ctx context.Context) ([]program.Breach, error) {
	var found []program.Breach
	breach := func(invariant, where, format string, args ...any) {
		found = append(found, program.Breach{Invariant: invariant, Where: where, Note: fmt.Sprintf(format, args...)})
	}
	seated, spent, digests := map[string]int64{}, map[string]int64{}, map[string]string{}
	err := d.each(ctx, program.RecordScan{Kind: voucherKind}, func(v Voucher) error {
		if v.State != Refunded {
			seated[v.Course]++
			spent[v.Platform] += v.Price.Units
		}
		if (v.State == Certified) != (v.Certificate != nil) {
			breach("certificates", v.Number, "is %s", v.State)
		}
		if v.Certificate != nil {
			digests[v.Certificate.Number] = v.Certificate.Digest
		}
		return nil
	})
	if err != nil {
		return found, err
	}
	err = d.Courses(ctx, func(c Course, _ string) error {
		taken, err := d.engine.Balances(ctx, seats(c.ID))
		if err == nil && -taken[0] != seated[c.ID] {
			breach("seats", c.ID, "%d seats are taken, by %d vouchers", -taken[0], seated[c.ID])
		}
		return err
	})
	if err != nil {
		return found, err
	}
	for _, p := range d.setup.Partners {
		if p.Kind != PlatformKind || d.setup.Benefit == "" {
			continue
		}
		got, err := d.engine.Balances(ctx, ledger.Account("spent/"+d.setup.Benefit+"/"+p.ID))
		if err != nil {
			return found, err
		}
		if got[0] != spent[p.ID] {
			breach("money", p.ID, "has %d, and its vouchers cost %d", got[0], spent[p.ID])
		}
	}
	err = d.engine.Records(ctx, program.RecordScan{Kind: certificateKind}, func(r program.Record) error {
		var p PublicCertificate
		if err := json.Unmarshal(r.Body, &p); err != nil {
			return err
		}
		if digest, known := digests[p.Number]; p.Number != r.Name || known != (p.Revoked == "") || known && digest != p.Digest {
			breach("certificates", r.Name, "is not that of a voucher")
		}
		delete(digests, p.Number)
		return nil
	})
	for number := range digests {
		breach("certificates", number, "is not in the register")
	}
	return found, err
}
