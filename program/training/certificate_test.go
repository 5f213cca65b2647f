package training_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/training"
)

// The public register and what is stored of vouchers say nothing of a person; a
// certificate that is changed in one letter, revoked or another's does not count.
func TestCertificates(t *testing.T) {
	s, ctx := newShop(t, nil), t.Context()
	require.NoError(t, s.desk.Offer(ctx, officer, course("barista", 300_000)))
	v, err := s.desk.Buy(ctx, officer, s.order("V-1", "barista"))
	require.NoError(t, err)
	_, _, err = s.says(v, training.Completed, attended(1, 2)...)
	require.NoError(t, err)
	c, err := s.desk.Certify(ctx, officer, "V-1")
	require.NoError(t, err)
	require.Len(t, c.Number, 16)
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", c, c, &c), "Ani")
	doc, err := c.Document()
	require.NoError(t, err)
	require.Contains(t, string(doc), "Ani", "control: the document has the name")
	public, err := s.desk.Certificate(ctx, c.Number)
	require.NoError(t, err)
	seen := 0
	for _, kind := range []string{"course", "voucher", "certificate"} {
		require.NoError(t, s.engine.Records(ctx, program.RecordScan{Kind: kind}, func(r program.Record) error {
			seen++
			require.NotContains(t, string(r.Body), "Ani")
			return nil
		}))
	}
	require.Equal(t, 3, seen)

	rule := func(doc []byte, p training.PublicCertificate) string {
		_, err := training.CheckCertificate(doc, p)
		var no *training.CertificateError
		require.ErrorAs(t, err, &no)
		return no.Rule
	}
	require.Equal(t, "digest", rule(bytes.Replace(doc, []byte("Ani"), []byte("Adi"), 1), public))
	require.Equal(t, "format", rule(append([]byte(" "), doc...), public))
	stranger := public
	stranger.Number = "ANOTHERNUMBERXXX"
	require.Equal(t, "number", rule(doc, stranger))
	require.NoError(t, s.desk.RevokeCertificate(ctx, officer, "V-1", "issued by mistake"))
	require.NoError(t, s.desk.RevokeCertificate(ctx, officer, "V-1", "issued by mistake"))
	public, err = s.desk.Certificate(ctx, c.Number)
	require.NoError(t, err)
	require.Equal(t, "revoked", rule(doc, public))
	again, err := s.desk.Certify(ctx, officer, "V-1")
	require.NoError(t, err)
	require.NotEqual(t, c.Number, again.Number)
	s.clean()
}

// The digest of a document can be computed in any language: these bytes are for ever.
func TestTheDocumentIsForEver(t *testing.T) {
	doc := `{"format":"gelombang-certificate-1","number":"GEZDGNBVGY3TQOJQ","holder":"Siti <Aminah> & Co","course":"barista","title":"Barista","institution":"lpk","hours":20,"issued":"2026-03-02","salt":"000102030405060708090a0b0c0d0e0f"}`
	c, err := training.ParseCertificate([]byte(doc))
	require.NoError(t, err)
	again, err := c.Document()
	require.NoError(t, err)
	require.Equal(t, doc, string(again))
	public, err := c.Public()
	require.NoError(t, err)
	require.Equal(t, "d352ce514f5c6a353f6eaa65b974fd066e133191c1ff1ab857ff7ebd49368207", public.Digest)
}

func FuzzParseCertificate(f *testing.F) {
	c := training.Certificate{Number: "X", Title: "<&>\u2028\xff"}
	doc, err := c.Document()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(doc)
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := training.ParseCertificate(data); err == nil {
			again, err := c.Document()
			require.NoError(t, err)
			require.Equal(t, string(data), string(again))
		}
	})
}
