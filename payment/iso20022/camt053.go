package iso20022

import (
	"io"
	"strconv"
	"time"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/calendar"
)

// Camt053Writer writes one statement of camt.053.001.08, as a bank does. It is
// made for simulations and tests.
type Camt053Writer struct {
	out      output
	balance  payment.Money
	closing  payment.Money
	finished bool
}

// NewCamt053Writer writes the head of a statement made at created over the day
// booked. Statement.Version and a Sequence below 1 are not written. The error is
// a *FieldError, or that of w.
func NewCamt053Writer(w io.Writer, s Statement, created time.Time, booked calendar.Date) (*Camt053Writer, error) {
	c := &Camt053Writer{out: output{w: w, buf: make([]byte, 0, blockSize+4096)}, balance: s.Opening, closing: s.Closing}
	var f fault
	checkAmount(&f, "Opening", s.Opening, s.Opening.Currency, -maxUnits)
	checkAmount(&f, "Closing", s.Closing, s.Opening.Currency, -maxUnits)
	if year := created.UTC().Year(); year < 1 || year > 9999 || !booked.Valid() {
		f.add("created", "and booked are in the years 1 to 9999")
	}
	o := &c.out
	o.raw(xmlHead)
	o.id(&f, `camt.053.001.08"><BkToCstmrStmt><GrpHdr><MsgId>`, "</MsgId><CreDtTm>", "MessageID", s.MessageID, 35)
	o.time(created)
	o.id(&f, "</CreDtTm></GrpHdr><Stmt><Id>", "</Id>", "ID", s.ID, 35)
	if s.Sequence > 0 {
		o.raw("<ElctrncSeqNb>")
		o.buf = strconv.AppendInt(o.buf, s.Sequence, 10)
		o.raw("</ElctrncSeqNb>")
	}
	o.id(&f, "<Acct><Id><Othr><Id>", "</Id></Othr></Id></Acct>", "Account", s.Account.Reveal(), 34)
	c.writeBalance("OPBD", s.Opening, booked)
	c.writeBalance("CLBD", s.Closing, booked)
	if f.err != nil {
		return nil, f.err
	}
	return c, o.flushBlock()
}

func (c *Camt053Writer) writeBalance(code string, m payment.Money, day calendar.Date) {
	o := &c.out
	o.raw("<Bal><Tp><CdOrPrtry><Cd>")
	o.raw(code)
	o.raw(`</Cd></CdOrPrtry></Tp><Amt Ccy="`)
	credit := m.Units >= 0
	if !credit {
		m.Units = -m.Units
	}
	o.amount(m)
	o.raw("</Amt>")
	o.sign(credit)
	o.raw("<Dt><Dt>")
	o.date(day)
	o.raw("</Dt></Dt></Bal>\n")
}

func (o *output) sign(credit bool) {
	if credit {
		o.raw("<CdtDbtInd>CRDT</CdtDbtInd>")
		return
	}
	o.raw("<CdtDbtInd>DBIT</CdtDbtInd>")
}

// Add writes a booked entry of one transaction: Amount, Credit, Reversal, Booked,
// and, if they are not empty, the references, CreditorAccount and Reason. The
// other fields follow from these. After a *FieldError or a *payment.MoneyError
// the file is as it was.
func (c *Camt053Writer) Add(e Entry) error {
	o, mark := &c.out, len(c.out.buf)
	if o.err != nil || c.finished {
		return c.isClosed()
	}
	var f fault
	checkAmount(&f, "Amount", e.Amount, c.balance.Currency, 0)
	signed := e.Amount
	if !e.Credit {
		signed.Units = -signed.Units
	}
	balance, err := c.balance.Add(signed)
	if err != nil {
		return err
	}
	if !e.Booked.Valid() {
		f.add("Booked", "is a date")
	}
	c.writeEntry(&f, e)
	if f.err != nil {
		o.buf = o.buf[:mark]
		return f.err
	}
	c.balance = balance
	return o.flushBlock()
}

func (c *Camt053Writer) writeEntry(f *fault, e Entry) {
	o := &c.out
	o.raw(`<Ntry><Amt Ccy="`)
	o.amount(e.Amount)
	o.raw("</Amt>")
	o.sign(e.Credit)
	if e.Reversal {
		o.raw("<RvslInd>true</RvslInd>")
	}
	o.raw("<Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>")
	if e.Booked.Valid() {
		o.date(e.Booked)
	}
	o.raw("</Dt></BookgDt>")
	if e.ServicerReference != "" {
		o.id(f, "<AcctSvcrRef>", "</AcctSvcrRef>", "ServicerReference", e.ServicerReference, 35)
	}
	o.raw("<BkTxCd/><NtryDtls><TxDtls>")
	if e.EndToEndID != "" {
		o.id(f, "<Refs><EndToEndId>", "</EndToEndId></Refs>", "EndToEndID", e.EndToEndID, 35)
	}
	if !e.CreditorAccount.IsZero() {
		o.id(f, "<RltdPties><CdtrAcct><Id><Othr><Id>", "</Id></Othr></Id></CdtrAcct></RltdPties>", "CreditorAccount", e.CreditorAccount.Reveal(), 34)
	}
	if e.Reason != "" {
		o.id(f, "<RtrInf><Rsn><Cd>", "</Cd></Rsn></RtrInf>", "Reason", e.Reason, 4)
	}
	o.raw("</TxDtls></NtryDtls></Ntry>\n")
}

func (c *Camt053Writer) isClosed() error {
	if c.out.err != nil {
		return c.out.err
	}
	return &FieldError{"file", "is closed"}
}

// Close ends the file. If the entries do not lead from the opening balance to
// the closing one the error is a *FieldError and the file is left without its
// end.
func (c *Camt053Writer) Close() error {
	if c.out.err != nil || c.finished {
		return c.isClosed()
	}
	c.finished = true
	if c.balance != c.closing {
		return &FieldError{"Closing", "is the opening balance and all entries"}
	}
	c.out.raw("</Stmt></BkToCstmrStmt></Document>\n")
	return c.out.flush()
}
