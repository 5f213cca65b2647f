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
	// Credit says that money came in. It is the part's own if the bank says so, or else
	// the entry's, and already accounts for Reversal.
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
// the handler. What the file says of itself must be true: the parts of an entry add up
// to it, unless the bank names charges or another currency; its summary counts and adds what
// is there; all entries are in the account's currency; no two statements
// have one Id. That the balances are too, and that the entries lead from one to the other, is for
// payment.Last.Gate. An end-to-end reference may come twice: a payment that came back
// has two entries, and that a payment was made twice is for payment.Classify to find.
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
	fAccountCurrency
	fSummaryCount
	fSummarySum
	fCreditCount
	fCreditSum
	fDebitCount
	fDebitSum
	fCharges
	fPartSign
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
	camt053 = statementTree("BkToCstmrStmt", "Stmt+")
	camt054 = statementTree("BkToCstmrDbtCdtNtfctn", "Ntfctn+")
)

func statementTree(message, statement string) *node {
	root := &node{name: "Document"}
	root.grow(message+"/GrpHdr/MsgId", fMessageID)
	for _, p := range []struct {
		path string
		f    field
	}{
		{"", fStatement}, {"/Id", fID}, {"/ElctrncSeqNb", fSequence}, {"/Acct/Id/IBAN", fAccount}, {"/Acct/Id/Othr/Id", fAccount},
		{"/Acct/Ccy", fAccountCurrency},
		{"/TxsSummry/TtlNtries/NbOfNtries", fSummaryCount}, {"/TxsSummry/TtlNtries/Sum", fSummarySum},
		{"/TxsSummry/TtlCdtNtries/NbOfNtries", fCreditCount}, {"/TxsSummry/TtlCdtNtries/Sum", fCreditSum},
		{"/TxsSummry/TtlDbtNtries/NbOfNtries", fDebitCount}, {"/TxsSummry/TtlDbtNtries/Sum", fDebitSum},
		{"/Ntry+/Chrgs*", fCharges}, {"/Ntry+/NtryDtls*/TxDtls+/Chrgs*", fCharges}, {"/Ntry+/NtryDtls*/TxDtls+/CdtDbtInd", fPartSign},
		{"/Bal*", fBalance}, {"/Bal*/Tp/CdOrPrtry/Cd", fBalanceType}, {"/Bal*/Amt", fBalanceAmount}, {"/Bal*/CdtDbtInd", fBalanceSign},
		{"/Ntry+", fEntry}, {"/Ntry+/Amt", fAmount}, {"/Ntry+/CdtDbtInd", fSign}, {"/Ntry+/RvslInd", fReversal},
		{"/Ntry+/Sts", fStatus}, {"/Ntry+/Sts/Cd", fStatus}, {"/Ntry+/BookgDt/Dt", fBooked}, {"/Ntry+/BookgDt/DtTm", fBooked},
		{"/Ntry+/AcctSvcrRef", fServicer}, {"/Ntry+/NtryDtls*/TxDtls+", fDetails},
		{"/Ntry+/NtryDtls*/TxDtls+/Refs/AcctSvcrRef", fPartServicer}, {"/Ntry+/NtryDtls*/TxDtls+/Refs/EndToEndId", fEndToEnd},
		{"/Ntry+/NtryDtls*/TxDtls+/Amt", fPartAmount}, {"/Ntry+/NtryDtls*/TxDtls+/AmtDtls/TxAmt/Amt", fPartTxAmount},
		{"/Ntry+/NtryDtls*/TxDtls+/RltdPties/CdtrAcct/Id/IBAN", fCreditorAccount},
		{"/Ntry+/NtryDtls*/TxDtls+/RltdPties/CdtrAcct/Id/Othr/Id", fCreditorAccount},
		{"/Ntry+/NtryDtls*/TxDtls+/RtrInf/Rsn/Cd", fReason}, {"/Ntry+/NtryDtls*/TxDtls+/RtrInf/Rsn/Prtry", fReason},
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
	accountIn string        // the account's currency
	summary   [3]summary
	ids       references

	balanceType string
	balance     payment.Money
	balanceSign string

	entry Entry // what all parts share
	sign  string
	part  Entry
	whole bool // the part has an amount of its own
	parts int64

	partSign string
	charged  bool          // the entry or a part names charges
	foreign  bool          // a part is in another currency
	sum      payment.Money // of the parts, in the entry's direction
}

// summary is what a statement says of all its entries, of the credits and of the debits
// (0, 1, 2), and what they are.
type summary struct {
	count, sum string // as written; empty: not said
	counted    int64
	added      payment.Money
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
		s.accountIn, s.summary = "", [3]summary{}
	case fBalance:
		if s.announced {
			return s.refuse(RuleValue, nil)
		}
		s.balanceType, s.balance, s.balanceSign = "", payment.Money{}, ""
	case fEntry:
		s.totals.Entries++
		s.entry, s.sign, s.parts = Entry{Number: s.totals.Entries}, "", 0
		s.charged, s.foreign, s.sum = false, false, payment.Money{}
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
		s.part, s.whole, s.partSign = s.entry, false, ""
		s.part.Part = s.parts
	case fCharges:
		s.charged = true
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
	if !s.inCurrency(s.entry.Total) {
		return s.refuse(RuleCurrency, nil)
	}
	s.entry.Credit = s.sign == "CRDT"
	s.entry.Amount = s.entry.Total
	return nil
}

// inCurrency reports whether an amount is in the account's currency. Where the account
// does not say which that is, its first balance or entry does.
func (s *statements) inCurrency(m payment.Money) bool {
	if s.accountIn == "" {
		s.accountIn = m.Currency
	}
	return m.Currency == s.accountIn
}

// emit hands out the part that is open. Several parts need an amount each; one
// part has that of the entry.
func (s *statements) emit(last bool) error {
	s.part.LastPart = last
	if s.partSign != "" {
		s.part.Credit = s.partSign == "CRDT"
	}
	if s.whole && s.addPart() != nil {
		return s.refuse(RuleSum, nil)
	}
	if last && s.whole && !s.charged && !s.foreign && s.sum != s.part.Total {
		return s.refuse(RuleSum, nil)
	}
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

// addPart adds the part to the sum of its entry.
func (s *statements) addPart() (err error) {
	signed := s.part.Amount
	if signed.Currency != s.part.Total.Currency {
		s.foreign = true
		return nil
	}
	if s.part.Credit != s.entry.Credit {
		signed.Units = -signed.Units
	}
	s.sum, err = s.sum.Add(signed)
	return err
}

func (s *statements) closed(f field) error {
	switch f {
	case fBalance:
		return s.endBalance()
	case fEntry:
		return s.endEntry()
	case fStatement:
		return s.endStatement()
	}
	return nil
}

func (s *statements) endStatement() error {
	if err := s.announce(); err != nil {
		return err
	}
	if err := s.once(&s.ids, s.statement.ID); err != nil {
		return err
	}
	for _, said := range s.summary {
		if !said.holds(s.accountIn) {
			return s.refuse(RuleSum, nil)
		}
	}
	if s.handler.End == nil {
		return nil
	}
	return s.handler.End(s.totals)
}

// holds reports whether what is said is what is there.
func (t summary) holds(currency string) bool {
	if t.count != "" {
		if n, err := strconv.ParseInt(t.count, 10, 64); err != nil || n != t.counted {
			return false
		}
	}
	if t.sum == "" || currency == "" {
		return true // a sum without any entry has no currency
	}
	m, err := payment.ParseDecimal(t.sum, currency)
	return err == nil && m.Units == t.added.Units
}

// count adds an entry to the sums that the summary is held against.
func (s *statements) count() error {
	of := 2
	if s.entry.Credit {
		of = 1
	}
	for _, i := range []int{0, of} {
		t := &s.summary[i]
		t.counted++
		var err error
		if t.added, err = t.added.Add(s.entry.Total); err != nil {
			return s.refuse(RuleSum, nil)
		}
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
	if s.accountIn == "" {
		s.accountIn = s.balance.Currency
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
		s.part, s.partSign, s.whole = s.entry, "", false
	}
	if err := s.count(); err != nil {
		return err
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
	case fAccountCurrency:
		s.accountIn = string(text)
	case fSummaryCount:
		s.summary[0].count = string(text)
	case fSummarySum:
		s.summary[0].sum = string(text)
	case fCreditCount:
		s.summary[1].count = string(text)
	case fCreditSum:
		s.summary[1].sum = string(text)
	case fDebitCount:
		s.summary[2].count = string(text)
	case fDebitSum:
		s.summary[2].sum = string(text)
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
	case fPartSign:
		s.partSign, err = signOf(text)
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
