package program_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/payment/paymenttest"
	"github.com/gelombang/gelombang/program"
)

// postbox is a wallet whose batches go out as uploaded files.
type postbox struct {
	*wallet
	t    *testing.T
	file []byte // of the last batch that was released
	refs []string
	all  payment.Money
}

var (
	forgetful = payment.Capabilities{StatusMemory: 240 * time.Hour, Finality: 48 * time.Hour}
	replays   = payment.Capabilities{ReplaySafe: true, KeyMemory: 24 * time.Hour, StatusMemory: 240 * time.Hour, Finality: 48 * time.Hour}
)

func newPostbox(t *testing.T, promised payment.Capabilities) *postbox {
	p := &postbox{wallet: newWallet(t, 1, promised, nil), t: t}
	p.send(1)
	return p
}

// send prepares, approves, writes and releases the n-th batch.
func (p *postbox) send(n int64) program.Counts {
	ctx := p.t.Context()
	counts, err := p.engine.PrepareBatch(ctx, actor("preparer"), program.BatchOrder{Number: n, Wave: 1, Benefit: "cash", Instalment: 1, Again: n > 1})
	require.NoError(p.t, err)
	b, err := p.engine.Batch(ctx, n)
	require.NoError(p.t, err)
	require.NoError(p.t, p.engine.ApproveBatch(ctx, actor("approver"), n, b.Digest))
	var orders []payment.Transfer
	p.refs, p.all = nil, b.Total
	require.NoError(p.t, p.engine.WriteBatch(ctx, n, func(o program.Order) error {
		orders = append(orders, payment.Transfer{Reference: o.Reference, Amount: o.Amount,
			To: payment.Account{Institution: o.Payout.Provider, Number: o.Payout.Account}})
		p.refs = append(p.refs, o.Reference)
		return nil
	}))
	id := fmt.Sprint("PRAKERJA-", n)
	p.file = p.far.File(id, orders)
	require.NoError(p.t, p.engine.SubmitBatch(ctx, actor("releaser"), n, program.Release{File: sha256.Sum256(p.file), To: "BANK", MessageID: id}))
	return counts
}

func (p *postbox) banks() program.Channels {
	return program.Channels{Files: map[string]payment.FileProvider{"BANK": p.far}}
}

func (p *postbox) upload(body []byte) (string, error) {
	return p.engine.UploadBatch(p.t.Context(), actor("sender"), 1, p.banks(), bytes.NewReader(body))
}

func (p *postbox) uploads(want string) {
	p.t.Helper()
	became, err := p.upload(p.file)
	require.NoError(p.t, err)
	require.Equal(p.t, want, became)
}

func (p *postbox) asks(want string) {
	p.t.Helper()
	counts, err := p.engine.AskBatch(p.t.Context(), actor("asker"), 1, p.banks())
	require.NoError(p.t, err)
	require.Equal(p.t, program.Counts{want: 1}, counts)
}

// executed: the bank has paid each order so many times.
func (p *postbox) executed(times int) {
	p.t.Helper()
	for _, reference := range p.refs {
		out, _ := p.far.Moved(reference)
		require.Equal(p.t, times, out, reference)
	}
}

// states counts what somebody who looks at the open payments sees.
func (p *postbox) states() map[payment.State]int {
	all := map[payment.State]int{}
	require.NoError(p.t, p.engine.OpenItems(p.t.Context(), func(o program.OpenItem) error {
		if o.Batch > 0 {
			all[o.State]++
		}
		return nil
	}))
	return all
}

// A released file is uploaded once, its orders go with it, and the statement settles them.
func TestAFileIsUploaded(t *testing.T) {
	p := newPostbox(t, forgetful)
	n := len(p.refs)
	require.Equal(t, map[payment.State]int{payment.Submitted: n}, p.states())
	b, err := p.engine.Batch(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, "PRAKERJA-1", b.MessageID)
	require.Equal(t, sha256.Sum256(p.file), b.File, "message id and digest are there before a byte leaves")

	p.uploads("accepted")
	for range 2 {
		p.uploads("accepted") // and is not sent again: this bank would execute it twice
	}
	require.Equal(t, map[payment.State]int{payment.Accepted: n}, p.states())
	p.wait(24 * time.Hour)
	p.executed(1)
	p.asks("unchanged")
	p.statement(t.Context(), t, 1)
	require.Empty(t, p.states())
	require.NoError(t, p.engine.CloseBatch(t.Context(), actor("clerk"), 1))
	p.verify(t)
}

// A file whose answer is missing makes its orders unknown. It is handed over again only where
// the bank has declared that safe, and only as the same bytes.
func TestAnUnknownFile(t *testing.T) {
	for _, fault := range []paymenttest.Fault{paymenttest.AnswerLost, paymenttest.ServerError, paymenttest.Garbage, paymenttest.WrongReference} {
		for _, promised := range []payment.Capabilities{forgetful, replays} {
			p := newPostbox(t, promised)
			p.far.Fault(fault)
			p.uploads("unknown")
			require.Equal(t, map[payment.State]int{payment.Unknown: len(p.refs)}, p.states())
			held, err := p.store.Balances(t.Context(), "paying/cash/1")
			require.NoError(t, err)
			require.Equal(t, p.all.Units, held[0].Posted, "the reservation is held")
			next, err := p.engine.PrepareBatch(t.Context(), actor("preparer"), program.BatchOrder{Number: 2, Wave: 1, Benefit: "cash", Instalment: 1, Again: true})
			require.NoError(t, err)
			require.Zero(t, next["payments"], "no other payment is made")

			if promised.ReplaySafe {
				became, err := p.upload(append(bytes.Clone(p.file), '\n'))
				require.ErrorIs(t, err, payment.ErrOtherFile)
				require.Equal(t, "not-sent", became)
				p.uploads("accepted")
			} else {
				p.uploads("unknown")
				p.asks("accepted")
			}
			p.wait(24 * time.Hour)
			p.executed(1)
			p.statement(t.Context(), t, 1)
			require.Empty(t, p.states())
			p.verify(t)
		}
	}
}

// Nothing that was not released leaves, and what did not leave may be sent anew.
func TestAFileThatWasNotSent(t *testing.T) {
	p := newPostbox(t, forgetful)
	became, err := p.upload([]byte("another file"))
	require.ErrorIs(t, err, payment.ErrOtherFile)
	require.Equal(t, "not-sent", became)
	p.far.Fault(paymenttest.NoConnection)
	p.uploads("not-sent")
	p.executed(0)
	p.uploads("accepted")
	p.wait(24 * time.Hour)
	p.executed(1)

	ctx := t.Context()
	var state *program.StateError
	var field *program.FieldError
	_, err = p.engine.UploadBatch(ctx, actor("sender"), 1, program.Channels{}, bytes.NewReader(p.file))
	require.ErrorAs(t, err, &field, "nobody is that bank")
	d := newPaydesk(t)
	d.release(1)
	_, err = d.UploadBatch(ctx, actor("sender"), 1, p.banks(), bytes.NewReader(p.file))
	require.ErrorAs(t, err, &state, "it has no message id")
	_, err = d.AskBatch(ctx, actor("asker"), 1, p.banks())
	require.ErrorAs(t, err, &state)
	require.ErrorAs(t, d.SubmitBatch(ctx, actor("releaser"), 2, program.Release{MessageID: "M"}), &field)
}

// The orders of a file that is refused for good are rejected, and the next batch pays them,
// under another message id. What was said of an order alone comes first.
func TestAFileThatIsRefused(t *testing.T) {
	p := newPostbox(t, forgetful)
	ctx := t.Context()
	p.far.Fault(paymenttest.Refusal)
	p.uploads("rejected")
	p.uploads("rejected")
	n := len(p.refs)
	require.Equal(t, map[payment.State]int{payment.Rejected: n}, p.states())
	require.Equal(t, int64(n), p.send(2)["payments"])
	p.verify(t)

	// The answer to a file also comes by itself.
	said := func(from, id string, standing payment.Standing) string {
		became, err := p.engine.TakeFileAnswer(ctx, actor("clerk"), from, payment.Answer{Reference: id, Standing: standing, Code: "FF01"})
		require.NoError(t, err)
		return became
	}
	require.Equal(t, "orphan", said("BANK", "PRAKERJA-9", payment.Refused))
	require.Equal(t, "orphan", said("OTHER", "PRAKERJA-2", payment.Refused))
	require.Equal(t, "unknown", said("BANK", "PRAKERJA-2", payment.Absent), "it proves nothing")
	require.Equal(t, "accepted", said("BANK", "PRAKERJA-2", payment.Taken))
	counts, err := p.engine.TakeAnswers(ctx, actor("clerk"), "own", program.Answers{From: "BANK", Digest: [32]byte{3},
		Each: each([]payment.Answer{{Reference: p.refs[0], Standing: payment.Taken}})})
	require.NoError(t, err)
	require.Equal(t, int64(1), counts["accepted"], "it is kept of the order itself")
	require.Equal(t, "incident", said("BANK", "PRAKERJA-2", payment.Refused), "one of its orders was taken on")
	require.Equal(t, map[payment.State]int{payment.Accepted: n}, p.states())
	counts, err = p.engine.TakeAnswers(ctx, actor("clerk"), "own refusal", program.Answers{From: "BANK", Digest: [32]byte{4},
		Each: each([]payment.Answer{{Reference: p.refs[0], Standing: payment.Refused, Code: "AC04"}})})
	require.NoError(t, err)
	require.Equal(t, int64(1), counts["rejected"])
	require.Equal(t, "rejected", said("BANK", "PRAKERJA-2", payment.Refused))
	p.verify(t)
	var field *program.FieldError
	require.Equal(t, int64(n), p.sendAs(3, "PRAKERJA-2", &field), "a message id is one file's")
}

// sendAs releases a batch under a message id that must be refused.
func (p *postbox) sendAs(n int64, id string, field **program.FieldError) int64 {
	ctx := p.t.Context()
	counts, err := p.engine.PrepareBatch(ctx, actor("preparer"), program.BatchOrder{Number: n, Wave: 1, Benefit: "cash", Instalment: 1, Again: true})
	require.NoError(p.t, err)
	b, err := p.engine.Batch(ctx, n)
	require.NoError(p.t, err)
	require.NoError(p.t, p.engine.ApproveBatch(ctx, actor("approver"), n, b.Digest))
	require.ErrorAs(p.t, p.engine.SubmitBatch(ctx, actor("releaser"), n, program.Release{File: [32]byte{1}, To: "BANK", MessageID: id}), field)
	require.Equal(p.t, "Release.MessageID", (*field).Field)
	return counts["payments"]
}

// That the bank knows no such file proves nothing, until it can no longer execute it and
// statements beyond that are there which show nothing.
func TestAFileThatTheBankDoesNotKnow(t *testing.T) {
	p := newPostbox(t, forgetful)
	p.far.Fault(paymenttest.RequestLost)
	p.uploads("unknown")
	p.asks("unknown")
	p.wait(49 * time.Hour)
	p.asks("unknown") // there is no statement yet
	p.statement(t.Context(), t, 1)
	p.asks("rejected")
	p.executed(0)
	require.Equal(t, map[payment.State]int{payment.Rejected: len(p.refs)}, p.states())
	p.verify(t)

	// One that is executed late is not rejected on the same word.
	p = newPostbox(t, forgetful)
	p.far.Fault(paymenttest.Late)
	p.uploads("unknown")
	p.asks("unknown")
	p.wait(49 * time.Hour)
	p.statement(t.Context(), t, 1)
	p.executed(1)
	require.Empty(t, p.states())
	p.verify(t)
}

// What stops an entitlement between the release and the upload comes first.
func TestABlockStopsAFile(t *testing.T) {
	p := newPostbox(t, forgetful)
	ctx := t.Context()
	p.far.Fault(paymenttest.Refusal)
	p.uploads("rejected")
	dead := p.refs[0]
	p.send(2)
	unit := payment.Money{Units: p.all.Units / int64(len(p.refs)), Currency: p.all.Currency}
	closing, err := payment.Rupiah(50_000).Sub(unit)
	require.NoError(t, err)
	debit := func() { // of what was refused
		_, err := p.story.engine(t).Reconcile(ctx, actor("clerk"), "statement", program.Statement{Account: "wallet", Channel: "BANK", Sequence: 1, Until: p.now,
			Opening: payment.Rupiah(50_000), Closing: closing, Digest: [32]byte{7}, Lines: each([]payment.Line{{Reference: dead, Amount: unit}})})
		require.NoError(t, err)
	}
	second := func() (string, error) {
		return p.engine.UploadBatch(ctx, actor("sender"), 2, p.banks(), bytes.NewReader(p.file))
	}
	p.store.Store = &unguarded{Store: p.store.Store, before: debit}
	became, err := second()
	require.NoError(t, err)
	require.Equal(t, "taken", became, "the statement came between the look and the upload")
	p.executed(0)
	_, err = second()
	var state *program.StateError
	require.ErrorAs(t, err, &state)
	require.Equal(t, "blocked", state.State)
	p.executed(0)
	p.verify(t)
}

// Whatever call of the store dies while a file is uploaded, before its write or after, the file is
// executed once and everything is settled in the end. The control is a sender that does not
// remember that it sent, and pays twice.
func TestAnUploadThatDiesAnywhere(t *testing.T) {
	for name, promised := range map[string]payment.Capabilities{"replay-safe": replays, "ask only": forgetful} {
		for _, fault := range []paymenttest.Fault{"", paymenttest.AnswerLost, paymenttest.RequestLost, paymenttest.Refusal} {
			died := 0
			for at := 1; at < 8; at++ {
				for _, written := range []bool{false, true} {
					p := newPostbox(t, promised)
					if fault != "" {
						p.far.Fault(fault)
					}
					p.store.calls, p.store.at, p.store.written = 0, at, written
					if _, err := p.upload(p.file); err != nil {
						died++
					}
					p.store.at = 0
					p.engine = p.story.engine(t) // another process
					for range 3 {
						_, err := p.upload(p.file)
						require.NoError(t, err)
						_, err = p.engine.AskBatch(t.Context(), actor("asker"), 1, p.banks())
						require.NoError(t, err)
						p.wait(25 * time.Hour)
					}
					p.statement(t.Context(), t, 1)
					_, err := p.engine.AskBatch(t.Context(), actor("asker"), 1, p.banks())
					require.NoError(t, err)
					where := fmt.Sprint(name, " ", fault, " ", at, " ", written)
					b, err := p.engine.Batch(t.Context(), 1)
					require.NoError(t, err)
					require.NotEqual(t, payment.Unknown, b.FileState(), where)
					times := 1
					if b.FileState() == payment.Rejected {
						times = 0
						require.Equal(t, map[payment.State]int{payment.Rejected: len(p.refs)}, p.states(), where)
					} else {
						require.Empty(t, p.states(), where)
					}
					p.executed(times)
					p.verify(t)
				}
			}
			require.GreaterOrEqual(t, died, 4, "%s %s: control: it died before and after both writes", name, fault)
		}
	}
	p := newPostbox(t, forgetful)
	for range 2 {
		_, err := p.far.Upload(context.Background(), payment.File{MessageID: "PRAKERJA-1", Digest: sha256.Sum256(p.file), Size: int64(len(p.file)), Body: bytes.NewReader(p.file)})
		require.NoError(t, err)
	}
	p.wait(24 * time.Hour)
	p.executed(2)
}
