package iso20022

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
)

// The yardsticks: what encoding/xml makes of the same files with plain structs, which
// have the fields that the files have, and no more.

type plainOther struct {
	ID string `xml:"Id>Othr>Id"`
}

type plainAmount struct {
	Currency string `xml:"Ccy,attr"`
	Value    string `xml:",chardata"`
}

type plainOrders struct {
	XMLName xml.Name `xml:"urn:iso:std:iso:20022:tech:xsd:pain.001.001.09 Document"`
	Message string   `xml:"CstmrCdtTrfInitn>GrpHdr>MsgId"`
	Created string   `xml:"CstmrCdtTrfInitn>GrpHdr>CreDtTm"`
	Count   int      `xml:"CstmrCdtTrfInitn>GrpHdr>NbOfTxs"`
	Sum     string   `xml:"CstmrCdtTrfInitn>GrpHdr>CtrlSum"`
	Orders  []struct {
		Reference string      `xml:"PmtId>EndToEndId"`
		Amount    plainAmount `xml:"Amt>InstdAmt"`
		Agent     string      `xml:"CdtrAgt>FinInstnId>BICFI"`
		Name      string      `xml:"Cdtr>Nm"`
		Account   plainOther  `xml:"CdtrAcct"`
		Text      string      `xml:"RmtInf>Ustrd"`
	} `xml:"CstmrCdtTrfInitn>PmtInf>CdtTrfTxInf"`
}

type plainStatement struct {
	Entries []struct {
		Amount    plainAmount `xml:"Amt"`
		Direction string      `xml:"CdtDbtInd"`
		Status    string      `xml:"Sts>Cd"`
		Booked    string      `xml:"BookgDt>Dt"`
		Reference string      `xml:"NtryDtls>TxDtls>Refs>EndToEndId"`
		Account   plainOther  `xml:"NtryDtls>TxDtls>RltdPties>CdtrAcct"`
	} `xml:"BkToCstmrStmt>Stmt>Ntry"`
}

// BenchmarkPain001XML encodes a document of 100,000 orders that is made before.
func BenchmarkPain001XML(b *testing.B) {
	var file bytes.Buffer
	writeOrders(b, &file, Pain001V09, 100_000)
	var doc plainOrders
	if err := xml.Unmarshal(file.Bytes(), &doc); err != nil || len(doc.Orders) != 100_000 {
		b.Fatal(len(doc.Orders), err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := xml.NewEncoder(io.Discard).Encode(doc); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCamt053XML decodes 100,000 entries.
func BenchmarkCamt053XML(b *testing.B) {
	var file bytes.Buffer
	writeStatement(b, &file, 100_000)
	b.SetBytes(int64(file.Len()))
	b.ReportAllocs()
	for b.Loop() {
		var doc plainStatement
		if err := xml.NewDecoder(bytes.NewReader(file.Bytes())).Decode(&doc); err != nil || len(doc.Entries) != 100_000 {
			b.Fatal(len(doc.Entries), err)
		}
	}
}

// Memory does not grow with the file: four times the file needs what the file needs,
// within what the collector leaves lying. The control, which keeps every entry, needs more
// for more.
func TestMemoryDoesNotGrowWithTheFile(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	const (
		limit  = 16 << 20
		leeway = 12 << 20 // what the collector may be behind; the control needs 45 MiB more
		small  = 30_000
		large  = 4 * small
	)
	statements, reports := map[int]string{}, map[int]string{}
	for _, n := range []int{small, large} {
		var statement, report strings.Builder
		writeStatement(t, &statement, n)
		writeReport(t, &report, n)
		statements[n], reports[n] = statement.String(), report.String()
	}
	for what, work := range map[string]func(n int) error{
		"statement": func(n int) error {
			entries := 0
			err := ReadCamt053(strings.NewReader(statements[n]), StatementHandler{Entry: func(Entry) error { entries++; return nil }})
			require.Equal(t, n, entries)
			return err
		},
		"report": func(n int) error {
			orders := 0
			err := ReadPain002(strings.NewReader(reports[n]), StatusHandler{Order: func(OrderStatus) error { orders++; return nil }})
			require.Equal(t, n, orders)
			return err
		},
		"orders": func(n int) error { writeOrders(t, io.Discard, Pain001V09, n); return nil },
	} {
		first, second := peak(t, func() error { return work(small) }), peak(t, func() error { return work(large) })
		t.Logf("%s: %d KiB for %d records, %d KiB for %d", what, first>>10, small, second>>10, large)
		require.Less(t, second, first+leeway, what)
		require.Less(t, second, uint64(limit), what)
	}
	control := func(n int) uint64 {
		return peak(t, func() error {
			var doc plainStatement
			return xml.NewDecoder(strings.NewReader(statements[n])).Decode(&doc)
		})
	}
	require.Greater(t, control(large), control(small)+leeway, "control")
}

// writeReport writes a status report in which every order is rejected.
func writeReport(t *testing.T, w io.StringWriter, n int) {
	say := func(s string) {
		_, err := w.WriteString(s)
		require.NoError(t, err)
	}
	say("<Document><CstmrPmtStsRpt><OrgnlPmtInfAndSts><OrgnlPmtInfId>P1</OrgnlPmtInfId>")
	for i := range n {
		reference, err := payment.Reference(12, int64(i+1), 1)
		require.NoError(t, err)
		say("<TxInfAndSts><OrgnlEndToEndId>" + reference + "</OrgnlEndToEndId><TxSts>RJCT</TxSts></TxInfAndSts>")
	}
	say("</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>")
}
