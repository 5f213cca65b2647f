// Package iso20022 compares writing payment orders and reading statements with
// moov-io/iso20022, which makes a whole document in memory.
package iso20022

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/moov-io/iso20022/pkg/document"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/payment/iso20022"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
)

const n = 100_000

func reference(tb testing.TB, i int) string {
	r, err := payment.Reference(12, int64(i+1), 1)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func orders(tb testing.TB, w io.Writer) {
	file, err := iso20022.NewPain001Writer(w, iso20022.Pain001V09, iso20022.Pain001Header{
		MessageID: "BATCH-12", Created: time.Date(2020, 11, 2, 3, 0, 0, 0, time.UTC), InitiatingParty: "Manajemen Pelaksana",
		DebtorName: "Kas Negara", DebtorAccount: identity.NewSecret("0012345678"), DebtorAgent: "BNINIDJA", Requested: calendar.Of(2020, 11, 3),
		Count: n, Sum: payment.Rupiah(600_000 * n)})
	if err != nil {
		tb.Fatal(err)
	}
	for i := range n {
		if err := file.Add(iso20022.Transaction{EndToEndID: reference(tb, i), Amount: payment.Rupiah(600_000), CreditorName: identity.NewSecret("Siti Nurhaliza"),
			CreditorAccount: identity.NewSecret("9988776655"), CreditorAgent: "CENAIDJA", Remittance: "Insentif 1"}); err != nil {
			tb.Fatal(err)
		}
	}
	if err := file.Close(); err != nil {
		tb.Fatal(err)
	}
}

func statement(tb testing.TB) []byte {
	var b bytes.Buffer
	day := calendar.Of(2020, 11, 2)
	file, err := iso20022.NewCamt053Writer(&b, iso20022.Statement{MessageID: "M1", ID: "S1", Sequence: 7, Account: identity.NewSecret("0012345678"),
		Opening: payment.Rupiah(600_000 * n), Closing: payment.Rupiah(0)}, time.Date(2020, 11, 2, 3, 0, 0, 0, time.UTC), day)
	if err != nil {
		tb.Fatal(err)
	}
	for i := range n {
		if err := file.Add(iso20022.Entry{Amount: payment.Rupiah(600_000), Booked: day, EndToEndID: reference(tb, i), CreditorAccount: identity.NewSecret("9988776655")}); err != nil {
			tb.Fatal(err)
		}
	}
	if err := file.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func BenchmarkWriteGelombang(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		orders(b, io.Discard)
	}
}

// The document is made before: only writing it counts.
func BenchmarkWriteMoov(b *testing.B) {
	var file bytes.Buffer
	orders(b, &file)
	// It knows the next version, whose elements are the same here.
	doc, err := document.ParseIso20022Document(bytes.Replace(file.Bytes(), []byte("pain.001.001.09"), []byte("pain.001.001.10"), 1))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		data, err := xml.Marshal(doc)
		if err != nil || bytes.Count(data, []byte("<CdtTrfTxInf>")) != n {
			b.Fatal(len(data), err)
		}
	}
}

func BenchmarkReadGelombang(b *testing.B) {
	file := statement(b)
	b.ReportAllocs()
	for b.Loop() {
		entries := 0
		err := iso20022.ReadCamt053(bytes.NewReader(file), iso20022.StatementHandler{Entry: func(iso20022.Entry) error { entries++; return nil }})
		if err != nil || entries != n {
			b.Fatal(entries, err)
		}
	}
}

func BenchmarkReadMoov(b *testing.B) {
	file := statement(b)
	b.ReportAllocs()
	for b.Loop() {
		doc, err := document.ParseIso20022Document(file)
		if err != nil {
			b.Fatal(fmt.Errorf("%T: %w", doc, err))
		}
	}
}
