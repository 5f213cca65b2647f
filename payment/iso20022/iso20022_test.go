package iso20022

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
)

var made = time.Date(2020, 11, 2, 3, 0, 0, 0, time.UTC)

func header(n int64) Pain001Header {
	return Pain001Header{MessageID: "BATCH-12", Created: made, InitiatingParty: "Manajemen Pelaksana", DebtorName: "Kas & Negara",
		DebtorAccount: identity.NewSecret("0012345678"), DebtorAgent: "BNINIDJA", Requested: calendar.Of(2020, 11, 3),
		Count: n, Sum: payment.Rupiah(600_000 * n)}
}

func order(reference string) Transaction {
	return Transaction{EndToEndID: reference, Amount: payment.Rupiah(600_000), CreditorName: identity.NewSecret("Siti Nurhaliza"),
		CreditorAccount: identity.NewSecret("9988776655"), CreditorAgent: "CENAIDJA", Remittance: "Insentif 1"}
}

func writeOrders(t testing.TB, w io.Writer, version Version, n int) {
	p, err := NewPain001Writer(w, version, header(int64(n)))
	require.NoError(t, err)
	for i := range n {
		reference, err := payment.Reference(12, int64(i+1), 1)
		require.NoError(t, err)
		require.NoError(t, p.Add(order(reference)))
	}
	require.NoError(t, p.Close())
}

func validate(t *testing.T, schema string, file []byte) {
	lint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint is not installed: files are not validated against their schemas")
	}
	cmd := exec.Command(lint, "--nonet", "--noout", "--schema", "testdata/xsd/"+schema+".xsd", "-")
	cmd.Stdin = bytes.NewReader(file)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}

func TestOrdersAreValid(t *testing.T) {
	for _, version := range []Version{Pain001V03, Pain001V09} {
		var b bytes.Buffer
		p, err := NewPain001Writer(&b, version, header(3))
		require.NoError(t, err)
		for i, name := range []string{"O'Brien", "Ñandú \"X\" & Søn—ß", strings.Repeat("a", 140)} {
			o := order("REF" + strconv.Itoa(i))
			o.CreditorName = identity.NewSecret(name)
			require.NoError(t, p.Add(o))
		}
		require.NoError(t, p.Close())
		require.Contains(t, b.String(), "<Nm>Nandu 'X' + Son-ss</Nm>")
		validate(t, string(version), b.Bytes())
	}
}

// A refused order leaves the file as it was; what banks do not take is never left out.
func TestRefusedOrders(t *testing.T) {
	for name, change := range map[string]func(*Transaction){
		"EndToEndID":      func(o *Transaction) { o.EndToEndID = strings.Repeat("A", 36) },
		"CreditorName":    func(o *Transaction) { o.CreditorName = identity.NewSecret("王") },
		"CreditorAccount": func(o *Transaction) { o.CreditorAccount = identity.NewSecret("<1>") },
		"CreditorAgent":   func(o *Transaction) { o.CreditorAgent = "bca" },
		"Remittance":      func(o *Transaction) { o.Remittance = strings.Repeat("x", 141) },
		"Amount":          func(o *Transaction) { o.Amount = payment.Rupiah(0) },
	} {
		var b, want bytes.Buffer
		p, err := NewPain001Writer(&b, Pain001V09, header(1))
		require.NoError(t, err)
		bad := order("R1")
		change(&bad)
		var fault *FieldError
		require.ErrorAs(t, p.Add(bad), &fault, name)
		require.Equal(t, name, fault.Field)
		require.NoError(t, p.Add(order("B12I1G1"+"X")))
		require.NoError(t, p.Close())
		q, err := NewPain001Writer(&want, Pain001V09, header(1))
		require.NoError(t, err)
		require.NoError(t, q.Add(order("B12I1G1X")))
		require.NoError(t, q.Close())
		require.Equal(t, want.String(), b.String())
	}
}

func TestCloseChecksTotals(t *testing.T) {
	var b bytes.Buffer
	p, err := NewPain001Writer(&b, Pain001V03, header(2))
	require.NoError(t, err)
	require.NoError(t, p.Add(order("R1")))
	var totals *TotalsError
	require.ErrorAs(t, p.Close(), &totals)
	require.NotContains(t, b.String(), "</Document>")
}

func writeStatement(t testing.TB, w io.Writer, n int) {
	s := Statement{MessageID: "M1", ID: "S1", Sequence: 7, Account: identity.NewSecret("0012345678"),
		Opening: payment.Rupiah(600_000 * int64(n)), Closing: payment.Rupiah(0)}
	c, err := NewCamt053Writer(w, s, made, calendar.Of(2020, 11, 2))
	require.NoError(t, err)
	for i := range n {
		reference, err := payment.Reference(12, int64(i+1), 1)
		require.NoError(t, err)
		require.NoError(t, c.Add(Entry{Amount: payment.Rupiah(600_000), Booked: calendar.Of(2020, 11, 2), EndToEndID: reference,
			CreditorAccount: identity.NewSecret("9988776655")}))
	}
	require.NoError(t, c.Close())
}

func TestStatementRoundTrip(t *testing.T) {
	var b bytes.Buffer
	s := Statement{MessageID: "M1", ID: "S1", Sequence: 7, Account: identity.NewSecret("0012345678"),
		Opening: payment.Rupiah(-100), Closing: payment.Rupiah(400)}
	c, err := NewCamt053Writer(&b, s, made, calendar.Of(2020, 11, 2))
	require.NoError(t, err)
	in := Entry{Amount: payment.Rupiah(500), Credit: true, Reversal: true, Booked: calendar.Of(2020, 11, 2), EndToEndID: "R1",
		ServicerReference: "X9", Reason: "AC04", CreditorAccount: identity.NewSecret("998")}
	require.NoError(t, c.Add(in))
	require.NoError(t, c.Close())
	validate(t, "camt.053.001.08", b.Bytes())
	var got []Entry
	var head Statement
	var totals Totals
	require.NoError(t, ReadCamt053(iotest(&b), StatementHandler{
		Statement: func(s Statement) error { head = s; return nil },
		Entry:     func(e Entry) error { got = append(got, e); return nil },
		End:       func(sums Totals) error { totals = sums; return nil }}))
	require.Equal(t, Version("camt.053.001.08"), head.Version)
	require.Equal(t, []payment.Money{s.Opening, s.Closing}, []payment.Money{head.Opening, head.Closing})
	require.Len(t, got, 1)
	require.True(t, got[0].CreditorAccount.Equal(in.CreditorAccount))
	require.Equal(t, []any{in.Amount, true, true, "R1", "X9", "AC04", Booked, in.Booked},
		[]any{got[0].Amount, got[0].Credit, got[0].Reversal, got[0].EndToEndID, got[0].ServicerReference, got[0].Reason, got[0].Status, got[0].Booked})
	last := payment.Last{Sequence: 6, Closing: s.Opening}
	require.NoError(t, last.Gate(payment.Statement{Sequence: head.Sequence, Opening: head.Opening, Closing: head.Closing, Net: totals.Net}))
}

// iotest hides everything but Read.
func iotest(r io.Reader) io.Reader { return struct{ io.Reader }{r} }

func TestSamples(t *testing.T) {
	var entries []Entry
	var orders []OrderStatus
	h := StatementHandler{Entry: func(e Entry) error { entries = append(entries, e); return nil }}
	s := StatusHandler{Order: func(o OrderStatus) error { orders = append(orders, o); return nil }}
	for _, name := range []string{"genkgo-camt053.v2.minimal.ultimate", "genkgo-camt053.v8"} {
		require.NoError(t, ReadCamt053(sample(t, name), h), name)
	}
	require.Len(t, entries, 2)
	require.Equal(t, payment.Money{Units: 885, Currency: "EUR"}, entries[1].Amount)
	require.Equal(t, "MUELL/FINP/RA12345", entries[1].EndToEndID)
	require.NoError(t, ReadCamt054(sample(t, "genkgo-camt054.v8"), h))
	require.NoError(t, ReadPain002(sample(t, "svapnil-nordea-pain_002_v3_txn_reject"), s))
	require.NoError(t, ReadPain002(sample(t, "svapnil-goldman_sachs-pain_002_v3_accepted"), s))
	require.Len(t, orders, 3)
	require.Equal(t, "NARR", orders[0].Reason)
	require.Equal(t, payment.Reject, Outcome(orders[0].Status))
	require.Equal(t, payment.Accept, Outcome(orders[2].Status))
}

func sample(t testing.TB, name string) io.Reader {
	b, err := os.ReadFile("testdata/samples/" + name + ".xml")
	require.NoError(t, err)
	return bytes.NewReader(b)
}

func TestRefusedFiles(t *testing.T) {
	const head, foot = `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt>`, `</Stmt></BkToCstmrStmt></Document>`
	entry := func(amount string) string {
		return head + `<Ntry><Amt Ccy="IDR">` + amount + `</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts></Ntry>` + foot
	}
	require.NoError(t, ReadCamt053(strings.NewReader(entry("1.00")), StatementHandler{}), "the control is read")
	for _, c := range []struct {
		rule FileRule
		file string
	}{
		{RuleDirective, `<!DOCTYPE Document>` + entry("1.00")},
		{RuleRoot, entry("1.00") + "<Document/>"}, {RuleRoot, ""}, {RuleRoot, entry("1.00") + "x"}, {RuleRoot, head},
		{RuleMessage, strings.Replace(entry("1.00"), "001.08", "001.99", 1)},
		{RuleMessage, "<Document><Other/></Document>"},
		{RuleSplit, entry("1<!-- -->0.00")}, {RuleSplit, entry("1<?x?>0.00")},
		{RuleTwice, entry(`1.00</Amt><Amt Ccy="IDR">2.00`)},
		{RuleValue, entry("-1.00")}, {RuleValue, entry("1e3")}, {RuleValue, entry("1.001")}, {RuleValue, entry("")},
		{RuleValue, strings.Replace(entry("1.00"), "DBIT", "OUT", 1)},
		{RuleLength, entry(strings.Repeat("1", 600))}, {RuleLength, entry(strings.Repeat("1", 70_000))},
		{RuleDepth, head + strings.Repeat("<a>", 50)},
		{RuleSyntax, strings.Replace(entry("1.00"), "</Amt>", "</Amnt>", 1)}, {RuleSyntax, entry("&x;")},
	} {
		var refused *FileError
		require.ErrorAs(t, ReadCamt053(strings.NewReader(c.file), StatementHandler{}), &refused, "%s %.200s", c.rule, c.file)
		require.Equal(t, c.rule, refused.Rule, "%.200s", c.file)
	}
}

func FuzzReadCamt053(f *testing.F) {
	b, _ := io.ReadAll(sample(f, "genkgo-camt053.v8"))
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = ReadCamt053(bytes.NewReader(b), StatementHandler{})
		_ = ReadCamt054(bytes.NewReader(b), StatementHandler{})
	})
}

func FuzzReadPain002(f *testing.F) {
	b, _ := io.ReadAll(sample(f, "svapnil-nordea-pain_002_v3_txn_reject"))
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) { _ = ReadPain002(bytes.NewReader(b), StatusHandler{}) })
}

func BenchmarkPain001(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		writeOrders(b, io.Discard, Pain001V09, 100_000)
	}
}

func BenchmarkCamt053(b *testing.B) {
	var file bytes.Buffer
	writeStatement(b, &file, 100_000)
	b.SetBytes(int64(file.Len()))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		err := ReadCamt053(bytes.NewReader(file.Bytes()), StatementHandler{Entry: func(Entry) error { n++; return nil }})
		if err != nil || n != 100_000 {
			b.Fatal(n, err)
		}
	}
}
