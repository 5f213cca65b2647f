package iso20022

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/identity"
)

// endless gives a head and then the same text again and again.
type endless struct {
	head io.Reader
	more string
	read int64
}

func (e *endless) Read(p []byte) (int, error) {
	n, err := e.head.Read(p)
	if n > 0 || !errors.Is(err, io.EOF) {
		return n, err
	}
	for n < len(p) {
		n += copy(p[n:], e.more)
	}
	e.read += int64(n)
	return n, nil
}

// A file without an end is refused while it is small, whatever never ends in it.
func TestFilesWithoutAnEnd(t *testing.T) {
	var good bytes.Buffer
	writeStatement(t, &good, 1)
	head, _, found := strings.Cut(good.String(), "<Ntry>")
	require.True(t, found)
	kinds := map[string]struct {
		head func(string) string // of a statement, as one of this kind
		read func(io.Reader) error
	}{
		"camt.053": {func(s string) string { return s }, func(r io.Reader) error { return ReadCamt053(r, StatementHandler{}) }},
		"camt.054": {strings.NewReplacer("camt.053", "camt.054", "BkToCstmrStmt", "BkToCstmrDbtCdtNtfctn", "Stmt>", "Ntfctn>").Replace,
			func(r io.Reader) error { return ReadCamt054(r, StatementHandler{}) }},
		"pain.002": {strings.NewReplacer(head, `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.03"><CstmrPmtStsRpt><GrpHdr><MsgId>1</MsgId></GrpHdr>`,
			"<Ntry><Amt>", "<OrgnlGrpInfAndSts><OrgnlMsgId>", "<Ntry", "<OrgnlGrpInfAndSts").Replace,
			func(r io.Reader) error { return ReadPain002(r, StatusHandler{}) }},
	}
	for name, c := range map[string]struct{ head, more string }{
		"nesting":          {head, "<a>"},
		"a text":           {head + "<Ntry><Amt>", "1"},
		"white space":      {"", " "},
		"a name":           {head + "<", "a"},
		"attributes":       {head + "<Ntry ", `a="b" `},
		"one attribute":    {head + `<Ntry a="`, "b"},
		"a comment":        {head + "<!--", "x"},
		"an instruction":   {head + "<?x ", "x"},
		"CDATA":            {head + "<Ntry><Amt><![CDATA[", "1"},
		"a document type":  {"<!DOCTYPE x [", "<!ENTITY a 'b'>"},
		"a second root":    {good.String(), "<Document/>"},
		"elements":         {head, "<a/>"},
		"balances":         {head, "<Bal/>"},
		"empty entries":    {head, "<Ntry/>"},
		"empty statements": {head, "</Stmt><Stmt>"},
		"comments":         {head, "<!-- -->"},
		"long comments":    {head, "<!-- " + strings.Repeat("x", 60_000) + " -->"},
		"instructions":     {head + "<a>", "<?x?>"},
		"parts of a text":  {head + "<a>", "<![CDATA[x]]>"},
		"leaves of a tree": {head + "<a>", "<b><c/><c/></b>"},
		"reasons":          {head + "<OrgnlPmtInfAndSts><TxInfAndSts>", "<StsRsnInf><Rsn><Cd>AC04</Cd></Rsn></StsRsnInf>"},
		"comments in sums": {head + "<Ntry><Amt>1<!-- -->", "1<!-- -->"},
	} {
		for kind, as := range kinds {
			t.Run(name+"/"+kind, func(t *testing.T) {
				e := &endless{head: strings.NewReader(as.head(c.head)), more: c.more}
				var refused *FileError
				used := peak(t, func() error {
					if err := as.read(e); !errors.As(err, &refused) {
						t.Errorf("%v is no *FileError", err)
					}
					return nil
				})
				require.Less(t, used, uint64(64<<20))
				// The slowest machine reads these in less than a second.
				require.Less(t, e.read, int64(2<<20), "it is refused early")
				require.NotEqual(t, RuleMessage, refused.Rule, "control: it is of the kind that is read")
			})
		}
	}
}

// Records may go on, since memory does not grow with them, but not for ever: a file that
// has one more than there may be is refused there.
func TestRecordsAreCounted(t *testing.T) {
	const limit = 1_000
	entries, orders := statementHead, `<Document><CstmrPmtStsRpt><OrgnlPmtInfAndSts><OrgnlPmtInfId>P</OrgnlPmtInfId>`
	for i := range limit - 1 { // the statement, and the block, are records too
		entries += debit(strconv.Itoa(i), "")
		orders += "<TxInfAndSts><OrgnlEndToEndId>R" + strconv.Itoa(i) + "</OrgnlEndToEndId></TxInfAndSts>"
	}
	for _, c := range []struct {
		file, more, foot string
		read             func(string) error
	}{
		{entries, debit("1", ""), statementFoot, func(file string) error {
			s := newStatements(StatementHandler{})
			s.limit = limit
			return s.run(strings.NewReader(file), camt053, "camt.053.001.08")
		}},
		{orders, "<TxInfAndSts><OrgnlEndToEndId>X</OrgnlEndToEndId></TxInfAndSts>", "</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>", func(file string) error {
			s := newStatuses(StatusHandler{})
			s.limit = limit
			return s.run(strings.NewReader(file), pain002)
		}},
	} {
		require.NoError(t, c.read(c.file+c.foot), "control: as many as there may be")
		var refused *FileError
		require.ErrorAs(t, c.read(c.file+c.more+c.foot), &refused)
		require.Equal(t, RuleWidth, refused.Rule)
	}
}

// A hundred thousand orders with names of every kind make a valid file of both versions. A
// name that a bank cannot take is refused, and never cut or left out.
func TestHostileNamesMakeAValidFile(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	if _, err := exec.LookPath("xmllint"); err != nil {
		t.Skip("xmllint is not installed: files are not validated against their schemas")
	}
	pool := []rune("abc ABC 012 .,-'\"&<>/\\%$#@!*=~`^[]{}|;:?+()_éüñßøæłşğıçčžđþœŐűÅ\t\n\u00a0\u200b\u202e王م")
	const n = manyOrders
	for _, version := range []Version{Pain001V03, Pain001V09} {
		r := rand.New(rand.NewPCG(7, uint64(len(version))))
		cmd := exec.Command("xmllint", "--nonet", "--noout", "--stream", "--schema", "testdata/xsd/"+string(version)+".xsd", "-")
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		in, err := cmd.StdinPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		p, err := NewPain001Writer(in, version, header(n))
		require.NoError(t, err)
		refused := 0
		for i := range n {
			reference, err := payment.Reference(12, int64(i+1), 1)
			require.NoError(t, err)
			o := order(reference)
			for {
				name := make([]rune, 1+r.IntN(30))
				for j := range name {
					name[j] = pool[r.IntN(len(pool))]
				}
				o.CreditorName = identity.NewSecret(string(name))
				err := p.Add(o)
				if err == nil {
					break
				}
				var fault *FieldError
				require.ErrorAs(t, err, &fault)
				require.Equal(t, "CreditorName", fault.Field)
				refused++
			}
		}
		require.NoError(t, p.Close())
		require.NoError(t, in.Close())
		require.NoError(t, cmd.Wait(), said.String())
		require.NotZero(t, refused)
	}
}
