package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/payment/iso20022"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
)

// bank is where the treasury's account is kept. The orders that it is sent are
// as a real one takes them. The bank itself is a simulation: it pays everything
// on the day it is asked to, and returns what goes to a wallet that bounces.
type bank struct {
	folder string
	run    *run
	opened payment.Money // what the account held before the first batch
}

// The agency's names in files. They are made up, as the numbers are.
const (
	debtor        = "KARTU PRAKERJA (DEMONSTRASI)"
	debtorAccount = "0000000004"
	account       = "treasury" // the agency's own name for it
	bounced       = "AC04"     // ISO 20022: closed account number
)

func (b *bank) orders(batch int64) string {
	return filepath.Join(b.folder, "pain001", fmt.Sprintf("batch-%d.xml", batch))
}

func (b *bank) statements(batch int64) string {
	return filepath.Join(b.folder, "camt053", fmt.Sprintf("statement-%d.xml", batch))
}

// sent is what the simulation keeps of an order: 16 bytes for each.
type sent struct {
	units      int64
	generation int16
	bounces    bool
}

// exchange gets the bank's statement of a batch's file. Repeated, it writes the same
// files.
func (b *bank) exchange(ctx context.Context, e *program.Engine[Jobseeker], batch program.Batch, orders []sent, at time.Time) (program.Statement, error) {
	if orders == nil {
		var err error
		if orders, err = b.resend(ctx, e, batch, at); err != nil {
			return program.Statement{}, err
		}
	}
	if err := b.simulate(batch, orders, at); err != nil {
		return program.Statement{}, err
	}
	return readStatement(b.statements(batch.Number))
}

// complete writes the files of a batch that was settled before, if one of them is
// gone.
func (b *bank) complete(ctx context.Context, e *program.Engine[Jobseeker], batch program.Batch, at time.Time) error {
	if exists(b.statements(batch.Number)) && (batch.Count == 0 || exists(b.orders(batch.Number))) {
		return nil
	}
	orders, err := b.resend(ctx, e, batch, at)
	if err != nil {
		return err
	}
	return b.simulate(batch, orders, at)
}

// resend writes the file of a submitted batch again. Another file than the one that
// was released would be another order to the bank.
func (b *bank) resend(ctx context.Context, e *program.Engine[Jobseeker], batch program.Batch, at time.Time) ([]sent, error) {
	orders, file, err := b.send(ctx, e, batch, at)
	if err == nil && file != batch.File {
		err = fmt.Errorf("batch %d: its file is not the one that was released", batch.Number)
	}
	return orders, err
}

// send writes the file of orders that a real bank would take, and returns its
// digest. A batch of nobody has none.
func (b *bank) send(ctx context.Context, e *program.Engine[Jobseeker], batch program.Batch, at time.Time) ([]sent, [32]byte, error) {
	if batch.Count == 0 { // an earlier run's file may be there
		if err := os.Remove(b.orders(batch.Number)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, [32]byte{}, err
		}
		return nil, [32]byte{}, nil
	}
	if err := b.run.learn(ctx); err != nil {
		return nil, [32]byte{}, err
	}
	digest := sha256.New()
	orders := make([]sent, 0, batch.Count)
	err := writeFile(b.orders(batch.Number), func(w io.Writer) error {
		file, err := iso20022.NewPain001Writer(io.MultiWriter(w, digest), iso20022.Pain001V09, iso20022.Pain001Header{
			MessageID: fmt.Sprintf("PRAKERJA-4-%d", batch.Number), Created: at, InitiatingParty: debtor, DebtorName: debtor,
			DebtorAccount: identity.NewSecret(debtorAccount), DebtorAgent: providers["BNI"], Requested: executes(at),
			Count: batch.Count, Sum: batch.Total,
		})
		if err != nil {
			return err
		}
		err = e.WriteBatch(ctx, batch.Number, func(o program.Order) error {
			holder, err := b.holder(ctx, e, o)
			if err != nil {
				return err
			}
			_, _, generation, err := payment.ParseReference(o.Reference)
			if err != nil {
				return err
			}
			orders = append(orders, sent{o.Amount.Units, int16(generation), b.bounces(o)})
			return file.Add(iso20022.Transaction{EndToEndID: o.Reference, Amount: o.Amount, CreditorName: holder,
				CreditorAccount: o.Payout.Account, CreditorAgent: providers[o.Payout.Provider], Remittance: remittance(batch)})
		})
		if err != nil {
			return err
		}
		return file.Close()
	})
	return orders, [32]byte(digest.Sum(nil)), err
}

// holder is the name on the account: the applicant's own if no other was given.
func (b *bank) holder(ctx context.Context, e *program.Engine[Jobseeker], o program.Order) (identity.Secret, error) {
	if !o.Payout.Holder.IsZero() {
		return identity.NewSecret(o.Payout.Holder.Reveal()), nil
	}
	a, err := e.Applicant(ctx, o.Applicant)
	return identity.NewSecret(a.Person.Name.Reveal()), err
}

// bounces: some made people's wallets are closed. Accounts at the bank are not.
func (b *bank) bounces(o program.Order) bool {
	return o.Payout.Provider != "BNI" && strings.Contains(b.run.habits[o.Applicant], "W")
}

func remittance(b program.Batch) string {
	return fmt.Sprintf("Prakerja %s %d", b.Benefit, b.Instalment)
}

// simulate writes the statement that a bank would: a debit for every order, and
// a credit with the reason for every one that comes back.
func (b *bank) simulate(batch program.Batch, orders []sent, at time.Time) error {
	opening := b.balance(batch.Number)
	closing := opening
	for _, o := range orders {
		if !o.bounces {
			closing.Units -= o.units
		}
	}
	head := iso20022.Statement{MessageID: fmt.Sprintf("SIMULATION-%d", batch.Number), ID: fmt.Sprintf("SIMULATION-%d", batch.Number),
		Sequence: batch.Number, Account: identity.NewSecret(debtorAccount), Opening: opening, Closing: closing}
	day := executes(at)
	return writeFile(b.statements(batch.Number), func(w io.Writer) error {
		file, err := iso20022.NewCamt053Writer(w, head, at, day)
		if err != nil {
			return err
		}
		for i, o := range orders {
			reference, err := payment.Reference(batch.Number, int64(i)+1, int(o.generation))
			if err != nil {
				return err
			}
			entry := iso20022.Entry{Amount: payment.Money{Units: o.units, Currency: opening.Currency}, Booked: day, EndToEndID: reference}
			if err := file.Add(entry); err != nil {
				return err
			}
			if !o.bounces {
				continue
			}
			entry.Credit, entry.Reason = true, bounced
			if err := file.Add(entry); err != nil {
				return err
			}
		}
		return file.Close()
	})
}

// balance is what the account holds before a batch: it follows from the
// batches before.
func (b *bank) balance(batch int64) payment.Money {
	m := b.opened
	for n := range batch {
		c := b.run.counts[fmt.Sprintf("batch/%d/reconcile", n)]
		m.Units -= c["settled_amount"] - c["returned_amount"]
	}
	return m
}

// errEnough ends the reading of a file of which enough is known.
var errEnough = errors.New("enough was read")

// readStatement takes a bank's file: its head now, and its lines as often as
// they are asked for.
func readStatement(path string) (program.Statement, error) {
	digest, err := digestOf(path)
	if err != nil {
		return program.Statement{}, err
	}
	st := program.Statement{Account: account, Digest: digest, Lines: func() iter.Seq2[payment.Line, error] { return linesOf(path) }}
	err = readCamt(path, iso20022.StatementHandler{Statement: func(head iso20022.Statement) error {
		st.ID, st.Sequence, st.Opening, st.Closing = head.ID, head.Sequence, head.Opening, head.Closing
		return errEnough
	}})
	if errors.Is(err, errEnough) || errors.Is(err, payment.ErrBadFile) { // Reconcile puts that aside
		err = nil
	}
	return st, err
}

// linesOf reads the booked entries of a statement one after the other.
func linesOf(path string) iter.Seq2[payment.Line, error] {
	return func(yield func(payment.Line, error) bool) {
		err := readCamt(path, iso20022.StatementHandler{Entry: func(e iso20022.Entry) error {
			if e.Status != iso20022.Booked {
				return nil
			}
			if !yield(payment.Line{Reference: e.EndToEndID, Code: e.Reason, Credit: e.Credit, Amount: e.Amount}, nil) {
				return errEnough
			}
			return nil
		}})
		if err != nil && !errors.Is(err, errEnough) {
			yield(payment.Line{}, err)
		}
	}
}

func readCamt(path string, handler iso20022.StatementHandler) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return iso20022.ReadCamt053(f, handler)
}

func digestOf(path string) (digest [sha256.Size]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return digest, err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return digest, err
	}
	return [sha256.Size]byte(sum.Sum(nil)), nil
}

// executes returns the day on which the bank executes a file that it is given at an
// instant. Its cut-off is made up. The holidays are the public ones of the months in which the
// wave is paid, without days of joint leave; a real bank gives its own calendar.
func executes(at time.Time) calendar.Date {
	holidays := calendar.NewHolidays(
		calendar.Of(2020, time.August, 17), calendar.Of(2020, time.August, 20), calendar.Of(2020, time.October, 29), calendar.Of(2020, time.December, 25),
		calendar.Of(2021, time.January, 1), calendar.Of(2021, time.February, 12), calendar.Of(2021, time.March, 11), calendar.Of(2021, time.April, 2),
	)
	return payment.CutOff{Hour: 15, Zone: time.FixedZone("WIB", 7*3600), Holidays: holidays}.Execution(at)
}
