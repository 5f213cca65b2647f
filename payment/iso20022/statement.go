package iso20022

import (
	"io"
	"strconv"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
)

// Statement is the head of a statement or notice.
type Statement struct {
	Version   Version // empty if the file has no namespace
	MessageID string
	ID        string
	// Sequence is the bank's electronic sequence number; 0 if it gives none.
	Sequence int64
	Account  identity.Secret
	// Opening and Closing are the booked balances (OPBD, or PRCD if there is no
	// OPBD; CLBD), below zero if overdrawn. Zero if there are none.
	Opening, Closing payment.Money
}

// Entry is one movement on an account. An entry that the bank booked for several
// transactions comes as several, its parts.
type Entry struct {
	// Number counts the entries of the statement from 1, Part the transactions
	// in it from 1; it is 0 if the bank names none. LastPart marks the last.
	Number, Part int64
	LastPart     bool
	// Amount is that of the part, Total that of the whole entry. Both are zero or
	// more.
	Amount, Total payment.Money
	// Credit says that money came in. It is the entry's, and already accounts
	// for Reversal.
	Credit   bool
	Reversal bool
	// Status is the bank's: BOOK is final, PDNG and INFO are not.
	Status string
	// Booked is the date as the bank writes it, in its own zone. Zero: none.
	Booked calendar.Date
	// ServicerReference is the bank's own, EndToEndID the payer's.
	ServicerReference string
	EndToEndID        string
	// CreditorAccount is the payee's, if the bank names it.
	CreditorAccount identity.Secret
	// Reason is the code of a return (ExternalReturnReason1Code).
	Reason string
}

// Booked is the status of an entry that is final.
const Booked = "BOOK"

// Totals are what the entries of a statement add up to.
type Totals struct {
	Entries int64
	// Net is credits less debits of booked entries.
	Net payment.Money
}

// StatementHandler takes a file apart as it is read. A nil function is passed
// over. An error that one returns ends the reading and is returned as it is.
type StatementHandler struct {
	Statement func(Statement) error
	Entry     func(Entry) error
	End       func(Totals) error
}

// ReadCamt053 reads a file of statements. Errors are *FileError, and those of
// the handler.
func ReadCamt053(r io.Reader, h StatementHandler) error {
	return newStatements(h).run(r, camt053, "camt.053.001.02", "camt.053.001.08")
}

// ReadCamt054 reads a file of notices, which have no balances. Errors are
// *FileError, and those of the handler.
func ReadCamt054(r io.Reader, h StatementHandler) error {
	return newStatements(h).run(r, camt054, "camt.054.001.02", "camt.054.001.08")
}

const (
	fStatement field = iota + 1
	fMessageID
	fID
	fSequence
	fAccount
	fBalance
	fBalanceType
	fBalanceAmount
	fBalanceSign
	fEntry
	fAmount
	fSign
	fReversal
	fStatus
	fBooked
	fServicer
	fDetails
	fPartServicer
	fEndToEnd
	fPartAmount
	fPartTxAmount
	fCreditorAccount
	fReason
)

var (
	camt053 = statementTree("BkToCstmrStmt", "Stmt*")
	camt054 = statementTree("BkToCstmrDbtCdtNtfctn", "Ntfctn*")
)

func statementTree(message, statement string) *node {
	root := &node{name: "Document"}
	root.grow(message+"/GrpHdr/MsgId", fMessageID)
	for _, p := range []struct {
		path string
		f    field
	}{
		{"", fStatement}, {"/Id", fID}, {"/ElctrncSeqNb", fSequence}, {"/Acct/Id/IBAN", fAccount}, {"/Acct/Id/Othr/Id", fAccount},
		{"/Bal*", fBalance}, {"/Bal*/Tp/CdOrPrtry/Cd", fBalanceType}, {"/Bal*/Amt", fBalanceAmount}, {"/Bal*/CdtDbtInd", fBalanceSign},
		{"/Ntry*", fEntry}, {"/Ntry*/Amt", fAmount}, {"/Ntry*/CdtDbtInd", fSign}, {"/Ntry*/RvslInd", fReversal},
		{"/Ntry*/Sts", fStatus}, {"/Ntry*/Sts/Cd", fStatus}, {"/Ntry*/BookgDt/Dt", fBooked}, {"/Ntry*/BookgDt/DtTm", fBooked},
		{"/Ntry*/AcctSvcrRef", fServicer}, {"/Ntry*/NtryDtls*/TxDtls*", fDetails},
		{"/Ntry*/NtryDtls*/TxDtls*/Refs/AcctSvcrRef", fPartServicer}, {"/Ntry*/NtryDtls*/TxDtls*/Refs/EndToEndId", fEndToEnd},
		{"/Ntry*/NtryDtls*/TxDtls*/Amt", fPartAmount}, {"/Ntry*/NtryDtls*/TxDtls*/AmtDtls/TxAmt/Amt", fPartTxAmount},
		{"/Ntry*/NtryDtls*/TxDtls*/RltdPties/CdtrAcct/Id/IBAN", fCreditorAccount},
		{"/Ntry*/NtryDtls*/TxDtls*/RltdPties/CdtrAcct/Id/Othr/Id", fCreditorAccount},
		{"/Ntry*/NtryDtls*/TxDtls*/RtrInf/Rsn/Cd", fReason}, {"/Ntry*/NtryDtls*/TxDtls*/RtrInf/Rsn/Prtry", fReason},
	} {
		root.grow(message+"/"+statement+p.path, p.f)
	}
	return root
}

type statements struct {
	parser
	handler   StatementHandler
	statement Statement
	announced bool
	totals    Totals
	previous  payment.Money // a PRCD balance stands in for a missing OPBD

	balanceType string
	balance     payment.Money
	balanceSign string

	entry Entry // what all parts share
	sign  string
	part  Entry
	whole bool // the part has an amount of its own
	parts int64
}

func newStatements(h StatementHandler) *statements {
	s := &statements{handler: h}
	s.open, s.value, s.shut = s.opened, s.valued, s.closed
	return s
}

func (s *statements) opened(f field) error {
	switch f {
	case fStatement:
		s.statement = Statement{Version: s.version, MessageID: s.statement.MessageID}
		s.announced, s.totals, s.previous = false, Totals{}, payment.Money{}
	case fBalance:
		if s.announced {
			return s.refuse(RuleValue, nil)
		}
		s.balanceType, s.balance, s.balanceSign = "", payment.Money{}, ""
	case fEntry:
		s.totals.Entries++
		s.entry, s.sign, s.parts = Entry{Number: s.totals.Entries}, "", 0
		return s.announce()
	case fDetails:
		if s.parts > 0 {
			if err := s.emit(false); err != nil {
				return err
			}
		}
		if s.parts == 0 {
			if err := s.checkEntry(); err != nil {
				return err
			}
		}
		s.parts++
		s.part, s.whole = s.entry, false
		s.part.Part = s.parts
	}
	return nil
}

func (s *statements) announce() error {
	if s.announced {
		return nil
	}
	s.announced = true
	if s.statement.Opening == (payment.Money{}) {
		s.statement.Opening = s.previous
	}
	if s.handler.Statement == nil {
		return nil
	}
	return s.handler.Statement(s.statement)
}

// checkEntry checks what an entry has to say before its parts.
func (s *statements) checkEntry() error {
	if s.entry.Total.Currency == "" || s.sign == "" || s.entry.Status == "" {
		return s.refuse(RuleValue, nil)
	}
	s.entry.Credit = s.sign == "CRDT"
	s.entry.Amount = s.entry.Total
	return nil
}

// emit hands out the part that is open. Several parts need an amount each; one
// part has that of the entry.
func (s *statements) emit(last bool) error {
	s.part.LastPart = last
	if last && s.parts <= 1 {
		s.part.Amount = s.part.Total
	} else if !s.whole {
		return s.refuse(RuleValue, nil)
	}
	if s.handler.Entry == nil {
		return nil
	}
	return s.handler.Entry(s.part)
}

func (s *statements) closed(f field) error {
	switch f {
	case fBalance:
		return s.endBalance()
	case fEntry:
		return s.endEntry()
	case fStatement:
		if err := s.announce(); err != nil || s.handler.End == nil {
			return err
		}
		return s.handler.End(s.totals)
	}
	return nil
}

func (s *statements) endBalance() error {
	target := &s.previous
	switch s.balanceType {
	case "OPBD":
		target = &s.statement.Opening
	case "CLBD":
		target = &s.statement.Closing
	case "PRCD":
	default:
		return nil
	}
	if s.balance.Currency == "" || s.balanceSign == "" || target.Currency != "" {
		return s.refuse(RuleValue, nil)
	}
	if s.balanceSign == "DBIT" {
		s.balance.Units = -s.balance.Units
	}
	*target = s.balance
	return nil
}

func (s *statements) endEntry() error {
	if s.parts == 0 {
		if err := s.checkEntry(); err != nil {
			return err
		}
		s.part = s.entry
	}
	if s.entry.Status == Booked {
		signed := s.entry.Total
		if !s.entry.Credit {
			signed.Units = -signed.Units
		}
		net, err := s.totals.Net.Add(signed)
		if err != nil {
			return s.refuse(RuleValue, err)
		}
		s.totals.Net = net
	}
	return s.emit(true)
}

func (s *statements) valued(f field, text []byte) error {
	var err error
	switch f {
	case fMessageID:
		s.statement.MessageID = string(text)
	case fID:
		s.statement.ID = string(text)
	case fSequence:
		s.statement.Sequence, err = strconv.ParseInt(string(text), 10, 64)
	case fAccount:
		s.statement.Account = identity.NewSecret(string(text))
	case fBalanceType:
		s.balanceType = string(text)
	case fBalanceAmount:
		s.balance, err = payment.ParseDecimal(string(text), s.currency)
	case fBalanceSign:
		s.balanceSign, err = signOf(text)
	default:
		err = s.entryValue(f, text)
	}
	if err != nil {
		return s.refuse(RuleValue, nil)
	}
	return nil
}

func (s *statements) entryValue(f field, text []byte) (err error) {
	switch f {
	case fAmount:
		s.entry.Total, err = payment.ParseDecimal(string(text), s.currency)
	case fSign:
		s.sign, err = signOf(text)
	case fReversal:
		s.entry.Reversal = string(text) == "true" || string(text) == "1"
	case fStatus:
		s.entry.Status = status(text)
	case fBooked:
		s.entry.Booked, err = calendar.Parse(string(text[:min(10, len(text))]))
	case fServicer:
		s.entry.ServicerReference = string(text)
	case fPartServicer:
		s.part.ServicerReference = string(text)
	case fEndToEnd:
		s.part.EndToEndID = string(text)
	case fPartAmount:
		s.part.Amount, err = payment.ParseDecimal(string(text), s.currency)
		s.whole = true
	case fPartTxAmount:
		if !s.whole {
			s.part.Amount, err = payment.ParseDecimal(string(text), s.currency)
			s.whole = true
		}
	case fCreditorAccount:
		s.part.CreditorAccount = identity.NewSecret(string(text))
	case fReason:
		s.part.Reason = string(text)
	}
	return err
}

func status(text []byte) string {
	if string(text) == Booked {
		return Booked
	}
	return string(text)
}

func signOf(text []byte) (string, error) {
	switch string(text) {
	case "CRDT":
		return "CRDT", nil
	case "DBIT":
		return "DBIT", nil
	}
	return "", &FieldError{"CdtDbtInd", "is CRDT or DBIT"}
}
