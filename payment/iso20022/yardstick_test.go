package iso20022

import (
	"bytes"
	"encoding/xml"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
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

// Memory does not grow with the file: what is kept of an entry is let go with it. The
// control keeps all of them.
func TestMemoryDoesNotGrowWithTheFile(t *testing.T) {
	const limit = 16 << 20
	var file bytes.Buffer
	writeStatement(t, &file, 60_000)
	entries := 0
	require.Less(t, peak(t, func() error {
		return ReadCamt053(bytes.NewReader(file.Bytes()), StatementHandler{Entry: func(Entry) error { entries++; return nil }})
	}), uint64(limit))
	require.Equal(t, 60_000, entries)
	require.Less(t, peak(t, func() error { writeOrders(t, io.Discard, Pain001V09, 60_000); return nil }), uint64(limit))
	require.Greater(t, peak(t, func() error {
		var doc plainStatement
		return xml.NewDecoder(bytes.NewReader(file.Bytes())).Decode(&doc)
	}), uint64(limit), "control")
}
