package program_test

import (
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/payment/iso20022"
	"github.com/gelombang/gelombang/program"
)

// A statement's file that is not what it must be is put aside whole, once, with an entry in
// the journal. A file that could not be read now is not: the control.
func TestAFileThatIsNoStatementIsPutAside(t *testing.T) {
	d := newPaydesk(t)
	ctx := t.Context()
	lines := d.release(1)
	st := d.next(lines...)
	broken := func(why error) program.Statement {
		file := program.Statement{Account: "treasury", Digest: [32]byte{66}}
		file.Lines = func() iter.Seq2[payment.Line, error] {
			return func(yield func(payment.Line, error) bool) {
				if yield(lines[0], nil) {
					yield(payment.Line{}, why)
				}
			}
		}
		return file
	}
	quarantined := func() (all []string) {
		entries, err := d.story.store.Journal(ctx, 0, 10_000)
		require.NoError(t, err)
		for _, entry := range entries {
			if entry.Kind == "statement.quarantined" {
				all = append(all, string(entry.Data))
			}
		}
		return all
	}
	why := iso20022.ReadCamt053(strings.NewReader("<!DOCTYPE x><Document/>"), iso20022.StatementHandler{})
	var file *iso20022.FileError
	require.ErrorAs(t, why, &file)

	disk := errors.New("the disk is gone")
	_, err := d.Reconcile(ctx, actor("clerk"), "bad", broken(disk))
	require.ErrorIs(t, err, disk)
	require.Empty(t, quarantined())
	var gate *payment.GateError
	for range 2 {
		_, err = d.Reconcile(ctx, actor("clerk"), "bad", broken(why))
		require.ErrorAs(t, err, &gate)
		require.Equal(t, payment.GateFile, gate.Rule)
		require.ErrorAs(t, err, &file, "where it is wrong")
		require.Len(t, quarantined(), 1)
	}
	require.Contains(t, quarantined()[0], `"rules":["file"]`)
	counts, err := d.Reconcile(ctx, actor("clerk"), "good", st)
	require.NoError(t, err)
	require.Equal(t, int64(len(lines)), counts["class.matched"], "nothing of it was taken")
	d.verify(t)
}

// Only what the bytes say is the file's fault; that they could not be read is not.
func TestWhatIsTheFilesFault(t *testing.T) {
	why := iso20022.ReadCamt053(iotest{errors.New("disk")}, iso20022.StatementHandler{})
	require.Error(t, why)
	require.NotErrorIs(t, why, payment.ErrBadFile)
	require.ErrorIs(t, iso20022.ReadCamt053(strings.NewReader("<Document>"), iso20022.StatementHandler{}), payment.ErrBadFile)
}

type iotest struct{ err error }

func (r iotest) Read([]byte) (int, error) { return 0, r.err }
