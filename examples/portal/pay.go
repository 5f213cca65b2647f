package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/payment/iso20022"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
)

// This file is the officer's desk for money: one prepares, another approves, a third releases.

const (
	treasury   = "treasury" // the agency's own name for its account
	treasuryNo = "0000000026"
	payer      = "PELATIHAN KERJA (DEMONSTRASI)"
	bankName   = "BNI"
)

// bics are the institutions' codes in payment orders; those of demonstration wallets are made up.
var bics = map[string]string{"BNI": "BNINIDJA", "BRI": "BRINIDJA", "Mandiri": "BMRIIDJA", "OVO-demo": "OVODIDJ1"}

// paymentFault is the key of the text for an error about money; empty if it is none.
func paymentFault(err error) string {
	var same *payment.SameHandsError
	var gate *payment.GateError
	var seen *program.SeenError
	var changed *program.NotApprovedError
	var file *iso20022.FileError
	switch {
	case errors.As(err, &same):
		return "fault.same-hands"
	case errors.As(err, &gate):
		return "fault.statement"
	case errors.As(err, &seen):
		return "fault.statement-seen"
	case errors.As(err, &changed):
		return "fault.not-approved"
	case errors.As(err, &file):
		return "fault.file"
	}
	return ""
}

func moneyFault(err error) error {
	if key := paymentFault(err); key != "" {
		return &fault{http.StatusConflict, key}
	}
	return err
}

func (p *portal) batches(ctx context.Context) ([]program.Batch, error) {
	var all []program.Batch
	var after program.Cursor
	for {
		rows, next, err := p.store.Page(ctx, program.Scan{Table: program.TableBatches, After: after, Limit: 500})
		if err != nil {
			return nil, err
		}
		for _, r := range rows.Rows {
			b, err := p.engine.Batch(ctx, r.Values[0].(int64))
			if err != nil {
				return nil, err
			}
			all = append(all, b)
		}
		if next == nil {
			return all, nil
		}
		after = next
	}
}

func (p *portal) batchList(c *call) error {
	all, err := p.batches(c.ctx())
	if err != nil {
		return err
	}
	waves, err := p.waves(c.ctx())
	if err != nil {
		return err
	}
	data := map[string]any{"Batches": all, "Waves": waves, "Reasons": reasons["payment"], "May": c.me.has(rolePrepare)}
	return c.page(http.StatusOK, "batches", data)
}

func (p *portal) prepare(c *call) error {
	all, err := p.batches(c.ctx())
	if err != nil {
		return err
	}
	waves, err := p.waves(c.ctx())
	if err != nil {
		return err
	}
	wave, err := strconv.ParseInt(c.form("wave"), 10, 64)
	if err != nil {
		return errForm
	}
	if _, err := c.engine.Wave(c.ctx(), wave); err != nil {
		return err
	}
	number := int64(1)
	for _, b := range all {
		number = max(number, b.Number+1)
	}
	if faults, err := c.because("payment", "batch.prepare", fmt.Sprintf("batch %d", number)); err != nil {
		return err
	} else if len(faults) > 0 {
		return c.pageWith(http.StatusUnprocessableEntity, "batches", map[string]any{"Batches": all, "Waves": waves, "Reasons": reasons["payment"], "May": true}, faults)
	}
	order := &program.BatchOrder{Number: number, Wave: wave, Benefit: "incentive", Instalment: 1, Again: c.form("reason") == "again"}
	if err := p.jobs.start(c.ctx(), fmt.Sprintf("batch/%d/prepare", number), "prepare", c.me.ID, jobArgs{Order: order}); err != nil {
		return err
	}
	return c.redirect("/petugas/pekerjaan")
}

func (c *call) batch() (program.Batch, error) {
	n, err := strconv.ParseInt(c.r.PathValue("batch"), 10, 64)
	if err != nil {
		return program.Batch{}, errNoPage
	}
	return c.engine.Batch(c.ctx(), n)
}

func (c *call) batchData(b program.Batch) map[string]any {
	return map[string]any{"B": b, "Digest": fmt.Sprintf("%x", b.Digest), "File": fmt.Sprintf("%x", b.File), "Reasons": reasons["payment"], "Demo": c.config.demo}
}

func (p *portal) batchDesk(c *call) error {
	b, err := c.batch()
	if err != nil {
		return err
	}
	return c.page(http.StatusOK, "batch", c.batchData(b))
}

// batchAct returns the handler of one step of a batch: each has a role of its own.
func (p *portal) batchAct(act string) func(*call) error {
	return func(c *call) error {
		b, err := c.batch()
		if err != nil {
			return err
		}
		faults := map[string]string{}
		if err := c.reauthenticate(faults); err != nil {
			return err
		}
		if len(faults) == 0 {
			if faults, err = c.because("payment", "batch."+act, fmt.Sprintf("batch %d", b.Number)); err != nil {
				return err
			}
		}
		if len(faults) > 0 {
			return c.pageWith(http.StatusUnprocessableEntity, "batch", c.batchData(b), faults)
		}
		switch act {
		case "approve": // what was shown is approved, not what is there by now
			if c.form("digest") != fmt.Sprintf("%x", b.Digest) {
				return &fault{http.StatusConflict, "fault.changed"}
			}
			err = c.engine.ApproveBatch(c.ctx(), c.by(), b.Number, b.Digest)
		case "release":
			var sum [32]byte
			if _, sum, err = p.bankFile(c.ctx(), b); err == nil {
				err = c.engine.SubmitBatch(c.ctx(), c.by(), b.Number, program.Release{File: sum, To: bankName})
			}
		case "close":
			err = c.engine.CloseBatch(c.ctx(), c.by(), b.Number)
		}
		if err != nil {
			return moneyFault(err)
		}
		return c.redirect(fmt.Sprintf("/petugas/pembayaran/%d", b.Number))
	}
}

// bankFile writes the file of orders of a batch: the same bytes each time.
func (p *portal) bankFile(ctx context.Context, b program.Batch) ([]byte, [32]byte, error) {
	var out bytes.Buffer
	created := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(b.Number))
	file, err := iso20022.NewPain001Writer(&out, iso20022.Pain001V09, iso20022.Pain001Header{
		MessageID: fmt.Sprintf("%s-%d-%d", programID, b.Number, b.Revision), Created: created, InitiatingParty: payer, DebtorName: payer,
		DebtorAccount: identity.NewSecret(treasuryNo), DebtorAgent: bics[bankName], Requested: calendar.Of(created.Year(), created.Month(), created.Day()),
		Count: b.Count, Sum: b.Total,
	})
	if err != nil {
		return nil, [32]byte{}, err
	}
	err = p.engine.WriteBatch(ctx, b.Number, func(o program.Order) error {
		a, err := p.engine.Applicant(ctx, o.Applicant)
		if err != nil {
			return err
		}
		return file.Add(iso20022.Transaction{EndToEndID: o.Reference, Amount: o.Amount, CreditorName: identity.NewSecret(a.Person.Name.Reveal()),
			CreditorAccount: o.Payout.Account, CreditorAgent: bics[o.Payout.Provider], Remittance: fmt.Sprintf("%s %d", b.Benefit, b.Instalment)})
	})
	if err != nil {
		return nil, [32]byte{}, err
	}
	if err := file.Close(); err != nil {
		return nil, [32]byte{}, err
	}
	return out.Bytes(), sha256.Sum256(out.Bytes()), nil
}

// bankOrders gives the released file to whoever releases: it has account numbers in it.
func (p *portal) bankOrders(c *call) error {
	b, err := c.batch()
	if err != nil {
		return err
	}
	if b.State != program.BatchSubmitted && b.State != program.BatchClosed {
		return &fault{http.StatusConflict, "fault.not-now"}
	}
	data, sum, err := p.bankFile(c.ctx(), b)
	if err != nil {
		return moneyFault(err)
	}
	if sum != b.File {
		return &fault{http.StatusConflict, "fault.not-approved"}
	}
	if err := p.note(c.ctx(), c.me.ID, "export", map[string]any{"what": "bank-file", "batch": b.Number}); err != nil {
		return err
	}
	c.download("application/xml", fmt.Sprintf("pain001-%d.xml", b.Number))
	_, err = c.w.Write(data)
	return err
}

func (p *portal) differences(c *call) error {
	items := []program.OpenItem{}
	if err := c.engine.OpenItems(c.ctx(), func(i program.OpenItem) error {
		if len(items) < 500 {
			items = append(items, i)
		}
		return nil
	}); err != nil {
		return err
	}
	return c.page(http.StatusOK, "differences", map[string]any{"Items": items, "Reasons": reasons["payment"], "May": c.me.has(rolePrepare)})
}

// mostStatement is the largest statement that is taken.
const mostStatement = 8 << 20

// takeStatement takes a bank's statement (camt.053). It is read as a whole before it is kept.
func (p *portal) takeStatement(c *call) error {
	again := func(faults map[string]string) error {
		return c.pageWith(http.StatusUnprocessableEntity, "differences", map[string]any{"Items": []program.OpenItem{}, "Reasons": reasons["payment"], "May": true}, faults)
	}
	file, _, err := c.r.FormFile("statement")
	if err != nil {
		return again(map[string]string{"statement": "form.statement"})
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, mostStatement))
	if err != nil {
		return err
	}
	if _, err := readStatement(data); err != nil {
		return again(map[string]string{"statement": "form.statement"})
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(data))
	if faults, err := c.because("payment", "statement.take", "statement "+sum[:12]); err != nil {
		return err
	} else if len(faults) > 0 {
		return again(faults)
	}
	if _, err := c.accounts.exec(c.ctx(), `INSERT INTO portal_files (name, body, created) VALUES (?,?,?) ON CONFLICT DO NOTHING`, sum, base64.StdEncoding.EncodeToString(data), p.time.now().Unix()); err != nil {
		return err
	}
	if err := p.jobs.start(c.ctx(), "statement-"+sum[:16], "reconcile", c.me.ID, jobArgs{File: sum}); err != nil {
		return err
	}
	return c.redirect("/petugas/pekerjaan")
}

// reconcile is the job that takes a statement that was kept.
func (p *portal) reconcile(ctx context.Context, by program.By, job, file string) error {
	var text string
	if err := p.accounts.row(ctx, `SELECT body FROM portal_files WHERE name = ?`, file).Scan(&text); err != nil {
		return err
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return err
	}
	st, err := readStatement(data)
	if err != nil {
		return err
	}
	_, err = p.engine.Reconcile(ctx, by, job, st)
	return err
}

var errEnough = errors.New("enough was read")

func readStatement(data []byte) (program.Statement, error) {
	st := program.Statement{Account: treasury, Channel: bankName, Digest: sha256.Sum256(data)}
	lines := 0
	err := iso20022.ReadCamt053(bytes.NewReader(data), iso20022.StatementHandler{
		Statement: func(head iso20022.Statement) error {
			st.ID, st.Sequence, st.Opening, st.Closing = head.ID, head.Sequence, head.Opening, head.Closing
			return nil
		},
		Entry: func(iso20022.Entry) error { lines++; return nil },
	})
	if err == nil && st.ID == "" {
		err = errors.New("no statement in it")
	}
	st.Lines = func() iter.Seq2[payment.Line, error] {
		return func(yield func(payment.Line, error) bool) {
			err := iso20022.ReadCamt053(bytes.NewReader(data), iso20022.StatementHandler{Entry: func(e iso20022.Entry) error {
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
	return st, err
}

// demoStatement is what a bank would say of a released batch: everything was paid, one
// payment in ten came back, and a fee was booked that nobody ordered.
func (p *portal) demoStatement(c *call) error {
	if !c.config.demo {
		return errNoPage
	}
	b, err := c.batch()
	if err != nil {
		return err
	}
	data, err := p.simulateBank(c.ctx(), b)
	if err != nil {
		return moneyFault(err)
	}
	c.download("application/xml", fmt.Sprintf("camt053-%d.xml", b.Number))
	_, err = c.w.Write(data)
	return err
}

const bankFee = 2500

func (p *portal) simulateBank(ctx context.Context, b program.Batch) ([]byte, error) {
	var entries []iso20022.Entry
	day := calendar.Of(p.time.now().Year(), p.time.now().Month(), p.time.now().Day())
	paid, back := int64(0), int64(0)
	err := p.engine.WriteBatch(ctx, b.Number, func(o program.Order) error {
		entries = append(entries, iso20022.Entry{Amount: o.Amount, Booked: day, EndToEndID: o.Reference})
		paid += o.Amount.Units
		if strings.HasSuffix(o.Payout.Account.Reveal(), "13") || o.Payout.Account.IsZero() {
			entries = append(entries, iso20022.Entry{Amount: o.Amount, Booked: day, EndToEndID: o.Reference, Credit: true, Reason: "AC04"})
			back += o.Amount.Units
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	fee := payment.Rupiah(bankFee)
	entries = append(entries, iso20022.Entry{Amount: fee, Booked: day, EndToEndID: fmt.Sprintf("FEE-%d", b.Number)})
	sequence, opening := int64(1), payment.Rupiah(1_000_000_000_000)
	rows, _, err := p.store.Page(ctx, program.Scan{Table: program.TableStatements, Limit: 1000})
	if err != nil {
		return nil, err
	}
	for _, r := range rows.Rows {
		if s := r.Values[2].(int64); s >= sequence {
			sequence, opening.Units = s+1, r.Values[4].(int64)
		}
	}
	closing := opening
	closing.Units += back - paid - fee.Units
	var out bytes.Buffer
	w, err := iso20022.NewCamt053Writer(&out, iso20022.Statement{MessageID: fmt.Sprintf("SIM-%d", b.Number), ID: fmt.Sprintf("SIM-%d-%d", b.Number, sequence),
		Sequence: sequence, Account: identity.NewSecret(treasuryNo), Opening: opening, Closing: closing}, p.time.now(), day)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if err := w.Add(e); err != nil {
			return nil, err
		}
	}
	err = w.Close()
	return out.Bytes(), err
}
