// Package paymenttest proves that a provider can be paid through without paying
// anybody twice. Whoever connects a bank or wallet runs it in a test:
//
//	func TestProvider(t *testing.T) {
//		paymenttest.TestProvider(t, func(t *testing.T) paymenttest.Bench {
//			bank := newFakeBank(t) // a test server with faults, and a clock that the suite moves
//			return paymenttest.Bench{
//				Provider: wallet.New(bank.URL, bank.Clock),
//				Far:      bank,
//				Start:    bank.Now(),
//				To:       payment.Account{Institution: "WALLET", Number: identity.NewSecret("0812000001")},
//			}
//		})
//	}
//
// TestFileProvider does the same for a bank that takes files.
//
// A Bench is the provider and its far side. The FarSide has five methods: make a
// fault happen once, move the clock, count how often money moved for a reference,
// make a call-back, and close the books. Each case loses, spoils or delays one thing, lets
// payment.Dispatch, Judge and Next decide as a caller would, and compares what the
// caller then believes with what has moved. What a provider does not promise in its
// Capabilities, or a far side cannot do wrong, is skipped with a sentence; so is
// everything about call-backs for a provider that is no payment.Notifier.
//
// Faulty is a provider in memory for the tests of a caller:
//
//	f := paymenttest.NewFaulty(start, payment.Rupiah(0), 7, &paymenttest.FaultyOptions{
//		Capabilities: payment.Capabilities{ReplaySafe: true, KeyMemory: 48 * time.Hour, BatchSize: 50},
//		Rates:        map[paymenttest.Fault]int{paymenttest.AnswerLost: 20}, // of a thousand calls
//	})
//	outcomes := payment.Dispatch(ctx, f, transfers, start, start)
//	f.Advance(24 * time.Hour)
//	statement, lines := f.CloseBooks() // for payment.Last and payment.Matcher
//
// It has no clock and no randomness but those that it is given, so that a test which
// fails fails again. It keeps what it promises, unless told to break it.
//
// A provider that breaks a promise cannot be made safe by its caller: one that says
// Refused for good and pays, or declares ReplaySafe and executes again, pays somebody
// twice. The suite is there to find that before any money moves.
package paymenttest
