package iso20022

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
)

// Version is an edition of a message.
type Version string

// The versions that Pain001Writer writes.
const (
	Pain001V03 Version = "pain.001.001.03"
	Pain001V09 Version = "pain.001.001.09"
)

// Pain001Header is what a file of payment orders says once. Every field is
// required.
type Pain001Header struct {
	// MessageID names the file, in 1 to 35 characters. It also names its one
	// block of payments.
	MessageID string
	Created   time.Time
	// InitiatingParty and DebtorName have 1 to 140 characters.
	InitiatingParty string
	DebtorName      string
	// DebtorAccount is the account that pays, of 1 to 34 characters, at the
	// bank whose BIC is DebtorAgent.
	DebtorAccount identity.Secret
	DebtorAgent   string
	// Requested is the day on which the bank is asked to pay.
	Requested calendar.Date
	// Count and Sum are the totals of all transactions. Close checks them.
	Count int64
	Sum   payment.Money
}

// Transaction is one payment order.
type Transaction struct {
	// EndToEndID is the payment's reference, in 1 to 35 characters.
	EndToEndID string
	Amount     payment.Money
	// CreditorName has 1 to 140 characters once it is transliterated. It is
	// never cut.
	CreditorName identity.Secret
	// CreditorAccount is a bank account or a wallet, of 1 to 34 characters.
	CreditorAccount identity.Secret
	// CreditorAgent is the BIC of the payee's bank. Empty: not given.
	CreditorAgent string
	// Remittance is what the payee reads, of at most 140 characters. Empty:
	// not given.
	Remittance string
}

// Pain001Writer writes one file of payment orders.
type Pain001Writer struct {
	out      output
	header   Pain001Header
	count    int64
	sum      payment.Money
	bic      [2]string
	finished bool
	seen     references
}

// NewPain001Writer writes the head of a file. The error is a *FieldError, or
// that of w.
func NewPain001Writer(w io.Writer, version Version, header Pain001Header) (*Pain001Writer, error) {
	p := &Pain001Writer{out: output{w: w, buf: make([]byte, 0, blockSize+4096)}, header: header}
	date := [2]string{"<ReqdExctnDt>", "</ReqdExctnDt>"}
	switch version {
	case Pain001V03:
		p.bic = [2]string{"<BIC>", "</BIC>"}
	case Pain001V09:
		p.bic = [2]string{"<BICFI>", "</BICFI>"}
		date = [2]string{"<ReqdExctnDt><Dt>", "</Dt></ReqdExctnDt>"}
	default:
		return nil, &FieldError{"version", "is pain.001.001.03 or pain.001.001.09"}
	}
	var f fault
	checkAmount(&f, "Sum", header.Sum, header.Sum.Currency, 1)
	if header.Count < 1 || header.Count > 999_999_999_999_999 {
		f.add("Count", "is from 1 to 999,999,999,999,999")
	}
	if year := header.Created.UTC().Year(); header.Created.IsZero() || year < 1 || year > 9999 {
		f.add("Created", "is in the years 1 to 9999")
	}
	if !header.Requested.Valid() {
		f.add("Requested", "is a date")
	}
	p.writeHead(&f, version, date)
	if f.err != nil {
		return nil, f.err
	}
	return p, p.out.flushBlock()
}

func (p *Pain001Writer) writeHead(f *fault, version Version, date [2]string) {
	o, h := &p.out, &p.header
	o.raw(xmlHead)
	o.raw(string(version))
	o.id(f, `"><CstmrCdtTrfInitn><GrpHdr><MsgId>`, "</MsgId><CreDtTm>", "MessageID", h.MessageID, 35)
	o.time(h.Created)
	o.raw("</CreDtTm>")
	p.writeTotals()
	o.text(f, "<InitgPty><Nm>", "</Nm></InitgPty></GrpHdr>", "InitiatingParty", h.InitiatingParty, 140)
	o.id(f, "<PmtInf><PmtInfId>", "</PmtInfId><PmtMtd>TRF</PmtMtd>", "MessageID", h.MessageID, 35)
	p.writeTotals()
	o.raw(date[0])
	o.date(h.Requested)
	o.raw(date[1])
	o.text(f, "<Dbtr><Nm>", "</Nm></Dbtr>", "DebtorName", h.DebtorName, 140)
	o.id(f, "<DbtrAcct><Id><Othr><Id>", "</Id></Othr></Id></DbtrAcct>", "DebtorAccount", h.DebtorAccount.Reveal(), 34)
	o.raw("<DbtrAgt><FinInstnId>")
	o.bic(f, p.bic[0], p.bic[1], "DebtorAgent", h.DebtorAgent)
	o.raw("</FinInstnId></DbtrAgt>\n")
}

const xmlHead = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:`

func (p *Pain001Writer) writeTotals() {
	o := &p.out
	o.raw("<NbOfTxs>")
	o.buf = strconv.AppendInt(o.buf, p.header.Count, 10)
	o.raw("</NbOfTxs><CtrlSum>")
	o.money(p.header.Sum)
	o.raw("</CtrlSum>")
}

// Add writes one transaction. If a field cannot be written the error is a
// *FieldError, the file is as it was, and other transactions may follow. A reference
// that the file has already is such an error. Of those that payment.Reference made, any number
// may come; of others, a million.
func (p *Pain001Writer) Add(t Transaction) error {
	if p.out.err != nil || p.finished {
		return p.closed()
	}
	sum, err := p.sum.Add(t.Amount)
	if err != nil {
		return err
	}
	o, mark := &p.out, len(p.out.buf)
	var f fault
	checkAmount(&f, "Amount", t.Amount, p.header.Sum.Currency, 1)
	o.id(&f, "<CdtTrfTxInf><PmtId><EndToEndId>", `</EndToEndId></PmtId><Amt><InstdAmt Ccy="`, "EndToEndID", t.EndToEndID, 35)
	o.amount(t.Amount)
	o.raw("</InstdAmt></Amt>")
	if t.CreditorAgent != "" {
		o.raw("<CdtrAgt><FinInstnId>")
		o.bic(&f, p.bic[0], p.bic[1], "CreditorAgent", t.CreditorAgent)
		o.raw("</FinInstnId></CdtrAgt>")
	}
	o.text(&f, "<Cdtr><Nm>", "</Nm></Cdtr>", "CreditorName", t.CreditorName.Reveal(), 140)
	o.id(&f, "<CdtrAcct><Id><Othr><Id>", "</Id></Othr></Id></CdtrAcct>", "CreditorAccount", t.CreditorAccount.Reveal(), 34)
	if t.Remittance != "" {
		o.text(&f, "<RmtInf><Ustrd>", "</Ustrd></RmtInf>", "Remittance", t.Remittance, 140)
	}
	o.raw("</CdtTrfTxInf>\n")
	if f.err == nil {
		isNew, fits := p.seen.add(t.EndToEndID)
		if !isNew {
			f.add("EndToEndID", "is not in the file yet")
		}
		if !fits {
			f.add("EndToEndID", "is one of a million, or a payment.Reference")
		}
	}
	if f.err != nil {
		o.buf = o.buf[:mark]
		return f.err
	}
	p.count, p.sum = p.count+1, sum
	return o.flushBlock()
}

func (p *Pain001Writer) closed() error {
	if p.out.err != nil {
		return p.out.err
	}
	return &FieldError{"file", "is closed"}
}

// Close ends the file. If count or sum are not those of the header the error is
// a *TotalsError and the file is left without its end, so that nobody can read it.
func (p *Pain001Writer) Close() error {
	if p.out.err != nil || p.finished {
		return p.closed()
	}
	p.finished = true
	if p.count != p.header.Count || p.sum != p.header.Sum {
		return &TotalsError{Promised: p.header.Count, Written: p.count}
	}
	p.out.raw("</PmtInf></CstmrCdtTrfInitn></Document>\n")
	return p.out.flush()
}

// TotalsError says that a file's totals are not those of its header. If the
// counts agree the sums do not.
type TotalsError struct{ Promised, Written int64 }

func (e *TotalsError) Error() string {
	if e.Promised == e.Written {
		return "iso20022: the sum is not that of the header"
	}
	return fmt.Sprintf("iso20022: the header promises %d, written are %d", e.Promised, e.Written)
}
