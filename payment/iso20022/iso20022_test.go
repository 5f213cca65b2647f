package iso20022

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"runtime"
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

// writeOrders checks its errors itself: a benchmark that called an assertion for every
// order would measure that.
func writeOrders(t testing.TB, w io.Writer, version Version, n int) {
	p, err := NewPain001Writer(w, version, header(int64(n)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		reference, err := payment.Reference(12, int64(i+1), 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Add(order(reference)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
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
	require.Len(t, entries, 5)
	for i, units := range []int64{310, 320, 320} { // one entry of another currency in three parts
		require.Equal(t, payment.Money{Units: units, Currency: "CHF"}, entries[2+i].Amount)
		require.Equal(t, int64(i+1), entries[2+i].Part)
		require.Equal(t, payment.Money{Units: 20_000_000, Currency: "SEK"}, entries[2+i].Total)
		require.True(t, entries[2+i].Credit)
	}
	require.NoError(t, ReadPain002(sample(t, "svapnil-nordea-pain_002_v3_txn_reject"), s))
	require.NoError(t, ReadPain002(sample(t, "svapnil-goldman_sachs-pain_002_v3_accepted"), s))
	require.Len(t, orders, 3)
	require.Equal(t, "NARR", orders[0].Reason)
	require.Equal(t, payment.Reject, Outcome(orders[0].Status))
	require.Equal(t, payment.Accept, Outcome(orders[2].Status))
}

// The samples are what they say: valid under their schemas. Goldman Sachs's is not, and is
// read all the same.
func TestSamplesAreValid(t *testing.T) {
	for name, schema := range map[string]string{
		"genkgo-camt053.v2.minimal.ultimate": "camt.053.001.02", "genkgo-camt053.v8": "camt.053.001.08", "genkgo-camt054.v8": "camt.054.001.08",
		"svapnil-nordea-pain_002_v3_txn_reject": "pain.002.001.03",
		"own-camt.054.001.02":                   "camt.054.001.02", "own-pain.002.001.10": "pain.002.001.10",
	} {
		b, err := io.ReadAll(sample(t, name))
		require.NoError(t, err)
		validate(t, schema, b)
	}
}

// A status report of the newer version: who is paid, who is not and why, and of whom
// nothing is known.
func TestReport10(t *testing.T) {
	var file FileStatus
	var orders []OrderStatus
	require.NoError(t, ReadPain002(sample(t, "own-pain.002.001.10"), StatusHandler{
		File:  func(f FileStatus) error { file = f; return nil },
		Order: func(o OrderStatus) error { orders = append(orders, o); return nil },
		Block: func(OrderStatus) error { t.Error("the block has its orders"); return nil }}))
	require.Equal(t, FileStatus{Version: "pain.002.001.10", MessageID: "REPORT-1", OriginalMessageID: "BATCH-12", Status: "PART"}, file)
	block := OrderStatus{BlockID: "BATCH-12", BlockStatus: "PART"}
	want := []OrderStatus{block, block, block}
	want[0].EndToEndID, want[0].Status, want[0].ServicerReference = "B12I1G1A", "ACSC", "BANK-1"
	want[1].EndToEndID, want[1].Status, want[1].Reason = "B12I2G12", "RJCT", "AC06"
	want[2].EndToEndID, want[2].Status = "B12I3G1R", "PDNG"
	require.Equal(t, want, orders)
	events := []payment.Event{payment.Accept, payment.Reject, payment.Doubt}
	for i, o := range orders {
		require.Equal(t, events[i], Outcome(o.Status))
	}
}

// A notice of the older version: one entry for two orders, and one that came back.
func TestNotice02(t *testing.T) {
	var head Statement
	var got []Entry
	var totals Totals
	require.NoError(t, ReadCamt054(sample(t, "own-camt.054.001.02"), StatementHandler{
		Statement: func(s Statement) error { head = s; return nil },
		Entry:     func(e Entry) error { got = append(got, e); return nil },
		End:       func(sums Totals) error { totals = sums; return nil }}))
	require.Equal(t, []any{Version("camt.054.001.02"), "NOTICE-1", "N1", int64(3), "0012345678"},
		[]any{head.Version, head.MessageID, head.ID, head.Sequence, head.Account.Reveal()})
	require.Equal(t, Totals{Entries: 2, Net: payment.Rupiah(-600_000)}, totals)
	require.Len(t, got, 3)
	for i, e := range got[:2] {
		require.Equal(t, []any{int64(1), int64(i + 1), i == 1, payment.Rupiah(600_000), payment.Rupiah(1_200_000), false, Booked},
			[]any{e.Number, e.Part, e.LastPart, e.Amount, e.Total, e.Credit, e.Status})
		require.Equal(t, []any{calendar.Of(2020, 11, 3), "BANK-7"}, []any{e.Booked, e.ServicerReference})
	}
	require.Equal(t, []string{"B12I1G1A", "B12I2G12", "B12I2G12"}, []string{got[0].EndToEndID, got[1].EndToEndID, got[2].EndToEndID})
	back := got[2]
	require.Equal(t, []any{true, "AC04", "BANK-9", calendar.Of(2020, 11, 5), "NL26VAYB8060476890", payment.Rupiah(600_000)},
		[]any{back.Credit, back.Reason, back.ServicerReference, back.Booked, back.CreditorAccount.Reveal(), back.Amount})
}

func sample(t testing.TB, name string) io.Reader {
	b, err := os.ReadFile("testdata/samples/" + name + ".xml")
	require.NoError(t, err)
	return bytes.NewReader(b)
}

const (
	statementHead = `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt><Id>S1</Id>`
	statementFoot = `</Stmt></BkToCstmrStmt></Document>`
)

// debit is an entry with what follows its status.
func debit(amount, rest string) string {
	return `<Ntry><Amt Ccy="IDR">` + amount + `</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>` + rest + `</Ntry>`
}

func TestRefusedFiles(t *testing.T) {
	const head, foot = statementHead, statementFoot
	entry := func(amount string) string { return head + debit(amount, "") + foot }
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
		{RuleValue, strings.Replace(entry("1.00"), "DBIT", "OUT", 1)}, {RuleValue, strings.Replace(entry("1.00"), "<Id>S1</Id>", "", 1)},
		{RuleLength, entry(strings.Repeat("1", 600))}, {RuleLength, entry(strings.Repeat("1", 70_000))},
		{RuleDepth, head + strings.Repeat("<a>", 50)},
		{RuleSyntax, strings.Replace(entry("1.00"), "</Amt>", "</Amnt>", 1)}, {RuleSyntax, entry("&x;")},
	} {
		var refused *FileError
		require.ErrorAs(t, ReadCamt053(strings.NewReader(c.file), StatementHandler{}), &refused, "%s %.200s", c.rule, c.file)
		require.Equal(t, c.rule, refused.Rule, "%.200s", c.file)
	}
}

// What a statement says of itself is true, or the file is refused as a whole. What is
// not wrong, though unusual, is read.
func TestAStatementThatContradictsItself(t *testing.T) {
	part := func(amount, rest string) string {
		return `<TxDtls><Amt Ccy="IDR">` + amount + `</Amt>` + rest + `</TxDtls>`
	}
	parts := func(all ...string) string { return "<NtryDtls>" + strings.Join(all, "") + "</NtryDtls>" }
	summary := func(what, count, sum string) string {
		return "<TxsSummry><" + what + "><NbOfNtries>" + count + "</NbOfNtries><Sum>" + sum + "</Sum></" + what + "></TxsSummry>"
	}
	const charges = "<Chrgs><TtlChrgsAndTaxAmt Ccy=\"IDR\">1</TtlChrgsAndTaxAmt></Chrgs>"
	const opening = `<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="USD">1</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>`
	credit := strings.Replace(debit("3", ""), "DBIT", "CRDT", 1)
	dollars := strings.Replace(debit("3", ""), "IDR", "USD", 1)
	for name, c := range map[string]struct {
		rule FileRule // empty: it is read
		body string
	}{
		"parts add up":                      {"", debit("3.00", parts(part("1", ""), part("2", "")))},
		"parts do not add up":               {RuleSum, debit("3", parts(part("1", ""), part("1", "")))},
		"one part is less":                  {RuleSum, debit("3", parts(part("2", "")))},
		"parts in two details":              {"", debit("3", parts(part("1", ""))+parts(part("2", "")))},
		"parts overflow":                    {RuleSum, debit("3", parts(part("90000000000000000", ""), part("90000000000000000", "")))},
		"a part the other way":              {"", debit("1", parts(part("2", "<CdtDbtInd>DBIT</CdtDbtInd>"), part("1", "<CdtDbtInd>CRDT</CdtDbtInd>")))},
		"a part the other way, not added":   {RuleSum, debit("3", parts(part("2", "<CdtDbtInd>DBIT</CdtDbtInd>"), part("1", "<CdtDbtInd>CRDT</CdtDbtInd>")))},
		"charges between":                   {"", debit("3", parts(part("1", charges), part("1", "")))},
		"charges of the entry":              {"", debit("3", charges+parts(part("2", "")))},
		"a part in another currency":        {"", debit("3", strings.Replace(parts(part("1", "")), "IDR", "USD", 1))},
		"summary":                           {"", summary("TtlNtries", "2", "6.00") + debit("3", "") + credit},
		"summary counts one too many":       {RuleSum, summary("TtlNtries", "3", "6") + debit("3", "") + credit},
		"summary adds too much":             {RuleSum, summary("TtlNtries", "2", "6.01") + debit("3", "") + credit},
		"credits of the summary":            {RuleSum, summary("TtlCdtNtries", "2", "6") + debit("3", "") + credit},
		"debits of the summary":             {RuleSum, summary("TtlDbtNtries", "1", "4") + debit("3", "") + credit},
		"an unreadable summary":             {RuleSum, summary("TtlDbtNtries", "one", "3") + debit("3", "")},
		"a summary of nothing":              {"", summary("TtlNtries", "0", "0")},
		"another currency than the account": {RuleCurrency, "<Acct><Ccy>USD</Ccy></Acct>" + debit("3", "")},
		"another than the opening balance":  {RuleCurrency, opening + debit("3", "")},
		"another than the entry before":     {RuleCurrency, debit("3", "") + dollars},
		"a second statement":                {"", "</Stmt><Stmt><Id>S2</Id>" + dollars},
		"the same statement again":          {RuleReference, debit("3", "") + "</Stmt><Stmt><Id>S1</Id>" + debit("3", "")},
	} {
		err := ReadCamt053(strings.NewReader(statementHead+c.body+statementFoot), StatementHandler{})
		if c.rule == "" {
			require.NoError(t, err, name)
			continue
		}
		var refused *FileError
		require.ErrorAs(t, err, &refused, name)
		require.Equal(t, c.rule, refused.Rule, name)
	}
}

// One reference is one order in a file of orders and in a report about them, whatever
// stands between the two.
func TestAReferenceNamesOneOrder(t *testing.T) {
	var b bytes.Buffer
	p, err := NewPain001Writer(&b, Pain001V09, header(4))
	require.NoError(t, err)
	first, err := payment.Reference(12, 1, 1)
	require.NoError(t, err)
	far, err := payment.Reference(12, 900_000, 1)
	require.NoError(t, err)
	next, err := payment.Reference(12, 1, 2)
	require.NoError(t, err)
	for _, reference := range []string{first, far, next, "another"} {
		require.NoError(t, p.Add(order(reference)))
	}
	for _, reference := range []string{first, far, next, "another"} {
		var fault *FieldError
		require.ErrorAs(t, p.Add(order(reference)), &fault)
		require.Equal(t, "EndToEndID", fault.Field)
	}
	require.NoError(t, p.Close(), "what was refused is not in the file")

	report := func(block string, references ...string) string {
		var all strings.Builder
		for _, r := range references {
			all.WriteString("<TxInfAndSts><OrgnlEndToEndId>" + r + "</OrgnlEndToEndId><TxSts>RJCT</TxSts></TxInfAndSts>")
		}
		return "<OrgnlPmtInfAndSts><OrgnlPmtInfId>" + block + "</OrgnlPmtInfId>" + all.String() + "</OrgnlPmtInfAndSts>"
	}
	for name, c := range map[string]struct {
		rule FileRule
		body string
	}{
		"two orders":                {"", report("P1", first, "x")},
		"one order twice":           {RuleReference, report("P1", first, "x", first)},
		"another's order twice":     {RuleReference, report("P1", "x", first, "x")},
		"in another block":          {RuleReference, report("P1", first) + report("P2", first)},
		"one block twice":           {RuleReference, report("P1", first) + report("P1", far)},
		"a block without a name":    {RuleValue, report("", first)},
		"orders of others":          {"", report("P1", "NOTPROVIDED", first, "NOTPROVIDED")},
		"an order without any name": {RuleValue, report("P1", "")},
	} {
		err := ReadPain002(strings.NewReader("<Document><CstmrPmtStsRpt>"+c.body+"</CstmrPmtStsRpt></Document>"), StatusHandler{})
		if c.rule == "" {
			require.NoError(t, err, name)
			continue
		}
		var refused *FileError
		require.ErrorAs(t, err, &refused, name)
		require.Equal(t, c.rule, refused.Rule, name)
	}
}

// The memory for references is limited: a hundred thousand of ours take four pages, and
// what would take more than is there is refused.
func TestReferencesAreLimited(t *testing.T) {
	var r references
	for i := range int64(100_000) {
		reference, err := payment.Reference(7, i+1, 1)
		require.NoError(t, err)
		isNew, fits := r.add(reference)
		require.True(t, isNew && fits)
	}
	require.Len(t, r.pages, 4)
	require.Empty(t, r.others)
	for i := range int64(maxPages) {
		reference, err := payment.Reference(8+i, 1, 1)
		require.NoError(t, err)
		_, fits := r.add(reference)
		require.Equal(t, i < maxPages-4, fits)
	}
}

func FuzzReadCamt053(f *testing.F) {
	for _, name := range []string{"genkgo-camt053.v8", "genkgo-camt053.v2.minimal.ultimate", "genkgo-camt054.v8", "own-camt.054.001.02"} {
		b, _ := io.ReadAll(sample(f, name))
		f.Add(b)
	}
	f.Add([]byte(statementHead + debit("1.00", "") + statementFoot))
	f.Fuzz(func(t *testing.T, b []byte) {
		bounded(t, b, func() {
			_ = ReadCamt053(bytes.NewReader(b), StatementHandler{})
			_ = ReadCamt054(bytes.NewReader(b), StatementHandler{})
		})
	})
}

func FuzzReadPain002(f *testing.F) {
	for _, name := range []string{"svapnil-nordea-pain_002_v3_txn_reject", "svapnil-goldman_sachs-pain_002_v3_accepted", "own-pain.002.001.10"} {
		b, _ := io.ReadAll(sample(f, name))
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		bounded(t, b, func() { _ = ReadPain002(bytes.NewReader(b), StatusHandler{}) })
	})
}

// bounded fails if work on an input allocates more than a megabyte and 256 bytes for
// each of its bytes: all that was ever allocated is more than what was in use at once.
func bounded(t *testing.T, input []byte, work func()) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	work()
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20+256*uint64(len(input)) {
		t.Fatalf("%d bytes are allocated for an input of %d", used, len(input))
	}
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
