package paymenttest_test

import (
	"testing"
	"time"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/payment/paymenttest"
	"github.com/gelombang/gelombang/program/identity"
)

var start = time.Date(2020, time.October, 31, 5, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

var generous = payment.Capabilities{ReplaySafe: true, KeyMemory: 2 * day, StatusMemory: 10 * day, Finality: 3 * day, BatchSize: 50, NameEvidence: true}

func TestFaultyIsAProvider(t *testing.T) {
	siti := payment.Account{Institution: "FAULTY", Number: identity.NewSecret("0812000001"), Holder: identity.NewName("Siti Aminah")}
	for name, o := range map[string]*paymenttest.FaultyOptions{
		"one that promises nothing": nil,
		"one that promises all":     {Capabilities: generous, Accounts: []payment.Account{siti}},
		"one that can only be asked": {Capabilities: payment.Capabilities{StatusMemory: 10 * day, Finality: 2 * day,
			Least: payment.Rupiah(20_000), Most: payment.Rupiah(50_000)}},
	} {
		t.Run(name, func(t *testing.T) {
			paymenttest.TestProvider(t, func(*testing.T) paymenttest.Bench {
				return paymenttest.NewFaulty(start, payment.Rupiah(0), 1, o).Bench()
			})
			paymenttest.TestFileProvider(t, func(*testing.T) paymenttest.FileBench {
				return paymenttest.NewFaulty(start, payment.Rupiah(0), 1, o).FileBench()
			})
		})
	}
}
