package paymenttest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/identity"
)

// upload is a file that a Faulty has received.
type upload struct {
	digest   [sha256.Size]byte
	received time.Time
	hidden   bool
	orders   []string
}

// FileCapabilities returns the Capabilities of the options.
func (f *Faulty) FileCapabilities() payment.Capabilities { return f.options.Capabilities }

// File writes orders as a Faulty reads them.
func (f *Faulty) File(messageID string, orders []payment.Transfer) []byte {
	b := fmt.Appendf(nil, "%s %d\n", messageID, len(orders))
	for _, t := range orders {
		b = fmt.Appendf(b, "%s %d %s %s %s\n", t.Reference, t.Amount.Units, t.Amount.Currency, t.To.Institution, t.To.Number.Reveal())
	}
	return b
}

// Upload takes a file that File has written, unless a fault is in the way. A file that
// breaks off is none.
func (f *Faulty) Upload(ctx context.Context, file payment.File) (payment.Answer, error) {
	if err := ctx.Err(); err != nil {
		return payment.Answer{}, fmt.Errorf("%w: %w", payment.ErrNotSent, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.happens(NoConnection) {
		return payment.Answer{}, fmt.Errorf("dial: %w", payment.ErrNotSent)
	}
	body, err := io.ReadAll(file.Body)
	if err != nil {
		return payment.Answer{}, err
	}
	if f.happens(RequestLost) {
		return payment.Answer{}, errTimeout
	}
	late := f.happens(Late)
	answer := f.receive(file.MessageID, body, late)
	if late {
		return payment.Answer{}, errTimeout
	}
	answers, err := f.reply([]payment.Answer{answer})
	if err != nil || len(answers) == 0 {
		return payment.Answer{}, err
	}
	return answers[0], nil
}

func (f *Faulty) receive(messageID string, body []byte, late bool) payment.Answer {
	answer := payment.Answer{Reference: messageID, Standing: payment.Taken}
	before, c := f.files[messageID], f.options.Capabilities
	if before != nil && c.ReplaySafe && !f.options.ForgetsKeys && f.now.Before(before.received.Add(c.KeyMemory)) {
		if before.digest != sha256.Sum256(body) {
			answer.Standing, answer.Code = payment.Unclear, "DU01"
		}
		return answer
	}
	orders, err := readFile(messageID, body)
	if err != nil || f.happens(Refusal) {
		answer.Standing, answer.Code = payment.Refused, "FF01"
		return answer
	}
	u := &upload{digest: sha256.Sum256(body), received: f.now, hidden: late}
	f.files[messageID] = u
	for _, t := range orders {
		f.take(t, late)
		u.orders = append(u.orders, t.Reference)
	}
	return answer
}

var errFile = errors.New("paymenttest: no file of orders")

func readFile(messageID string, body []byte) ([]payment.Transfer, error) {
	r := bytes.NewReader(body)
	var id string
	var n int
	if _, err := fmt.Fscanf(r, "%s %d\n", &id, &n); err != nil || id != messageID || n < 0 || n > len(body) {
		return nil, errFile
	}
	orders := make([]payment.Transfer, n)
	for i := range orders {
		var number string
		t := &orders[i]
		if _, err := fmt.Fscanf(r, "%s %d %s %s %s\n", &t.Reference, &t.Amount.Units, &t.Amount.Currency, &t.To.Institution, &number); err != nil {
			return nil, errFile
		}
		t.To.Number = identity.NewSecret(number)
	}
	if r.Len() > 0 {
		return nil, errFile
	}
	return orders, nil
}

// EnquireFile finds a file within StatusMemory.
func (f *Faulty) EnquireFile(ctx context.Context, messageID string) (payment.Answer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return payment.Answer{}, err
	}
	if f.happens(EnquiryLost) {
		return payment.Answer{}, errServer
	}
	u := f.files[messageID]
	if u == nil || u.hidden && f.waits(u) || !f.now.Before(u.received.Add(f.options.Capabilities.StatusMemory)) {
		return payment.Answer{Reference: messageID, Standing: payment.Absent}, nil
	}
	return payment.Answer{Reference: messageID, Standing: payment.Taken}, nil
}

// waits: no order of the file was executed yet.
func (f *Faulty) waits(u *upload) bool {
	for _, reference := range u.orders {
		if f.orders[reference].out > 0 {
			return false
		}
	}
	return true
}

// FileBench is a provider of files with the far side that it talks to.
type FileBench struct {
	Provider payment.FileProvider
	Far      FarSide
	// File writes orders as the bank wants them, under a message id. The same orders
	// make the same bytes.
	File func(messageID string, orders []payment.Transfer) []byte
	// Start, To and Amount are as in a Bench.
	Start  time.Time
	To     payment.Account
	Amount payment.Money
}

// FileBench returns the Faulty as a FileBench of its own.
func (f *Faulty) FileBench() FileBench {
	b := f.Bench()
	return FileBench{Provider: f, Far: f, File: f.File, Start: b.Start, To: b.To, Amount: b.Amount}
}

type fileCase struct {
	name string
	why  string
	run  func(*fileSuite)
}

var fileCases = []fileCase{
	{"capabilities never change", "a decision made on them today must hold tomorrow", (*fileSuite).capabilities},
	{"a file is executed once", "what is handed over is executed as it is", (*fileSuite).whole},
	{"nothing was sent", "only then may a file be sent anew", (*fileSuite).noConnection},
	{"an ended context sends nothing", "the caller who gave up is not surprised", (*fileSuite).ended},
	{"a file breaks off", "half a list is not the list that was approved", (*fileSuite).breaksOff},
	{"the request is lost", "a time-out is not a failure", (*fileSuite).requestLost},
	{"the answer is lost", "the money may have gone: all of its orders are unknown", unanswered(AnswerLost)},
	{"the server fails", "5xx says nothing of the file", unanswered(ServerError)},
	{"200 with garbage", "an answer that cannot be read is no answer", unanswered(Garbage)},
	{"409", "that there is such a message id does not say what became of it", unanswered(Conflict)},
	{"another message id is echoed", "an answer about another file proves nothing of this one", unanswered(WrongReference)},
	{"late execution after not found", "absence proves nothing before the finality has passed", (*fileSuite).late},
	{"the same bytes to the end of the window", "inside half of its memory the bank never executes twice", (*fileSuite).again},
	{"other bytes under the message id", "what comes again is byte for byte what came before", (*fileSuite).otherBytes},
	{"a refusal is for good", "the next file is made on the strength of it", (*fileSuite).refusal},
	{"an enquiry fails", "only the bank itself can say that it knows no such file", (*fileSuite).enquiryLost},
}

// TestFileProvider runs every case about files, each on a bench that open makes. What the
// bank does not promise, or its far side cannot do wrong, is skipped with the reason.
func TestFileProvider(t *testing.T, open func(t *testing.T) FileBench) {
	for _, c := range fileCases {
		t.Run(c.name, func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("why it matters: %s", c.why)
				}
			})
			c.run(newFileSuite(t, t.Context(), open(t)))
		})
	}
}

// fileSuite follows one file of three orders, as a caller does.
type fileSuite struct {
	*suite
	files   payment.FileProvider
	attempt *attempt
	orders  []payment.Transfer
	body    []byte
}

func newFileSuite(r reporter, ctx context.Context, b FileBench) *fileSuite {
	s := &suite{reporter: r, Bench: Bench{Far: b.Far, Start: b.Start, To: b.To, Amount: b.Amount}, ctx: ctx, c: b.Provider.FileCapabilities(), now: b.Start}
	if s.Amount == (payment.Money{}) {
		s.Amount = s.c.Least
	}
	if s.Amount == (payment.Money{}) {
		s.Amount = payment.Rupiah(10_000)
	}
	f := &fileSuite{suite: s, files: b.Provider, orders: s.orders(3),
		attempt: &attempt{Attempt: payment.Attempt{Reference: "FILE-1", State: payment.Submitted, Submitted: s.now}}}
	f.body = b.File("FILE-1", f.orders)
	return f
}

// upload hands the file over, for the first time or again.
func (s *fileSuite) upload() {
	s.Helper()
	out, err := payment.UploadFile(s.ctx, secretFiles{s.files, s.suite}, s.attempt.Attempt, sha256.Sum256(s.body), bytes.NewReader(s.body), s.now)
	if err != nil {
		s.Fatalf("UploadFile: %v", err)
	}
	s.attempt.apply(s.suite, out)
}

func (s *fileSuite) executed(times int) {
	s.Helper()
	for _, t := range s.orders {
		s.moved(&attempt{Attempt: payment.Attempt{Reference: t.Reference}}, times, 0)
	}
}

func (s *fileSuite) ask() payment.Answer {
	s.Helper()
	answer, err := s.files.EnquireFile(s.ctx, s.attempt.Reference)
	s.keepsSecret(err)
	if err != nil {
		return payment.Answer{Reference: s.attempt.Reference, Standing: payment.Unclear}
	}
	s.attempt.judge(s.suite, answer, payment.Proof{Through: s.now})
	return answer
}

func (s *fileSuite) capabilities() {
	s.upload()
	s.pass(time.Hour)
	if now := s.files.FileCapabilities(); now != s.c {
		s.Fatalf("FileCapabilities were %+v and are %+v", s.c, now)
	}
}

func (s *fileSuite) whole() {
	s.upload()
	s.state(s.attempt, payment.Accepted, payment.Unknown)
	s.pass(24 * time.Hour)
	s.executed(1)
}

func (s *fileSuite) noConnection() {
	s.fault(NoConnection)
	s.upload()
	if !s.attempt.last.NotSent {
		s.Fatalf("Upload does not say ErrNotSent when the connection cannot be made")
	}
	s.executed(0)
	s.whole()
}

func (s *fileSuite) ended() {
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	if _, err := s.files.Upload(ctx, s.file(bytes.NewReader(s.body))); err == nil {
		s.Fatalf("Upload in an ended context has no error")
	}
	s.pass(24 * time.Hour)
	s.executed(0)
}

func (s *fileSuite) file(body io.Reader) payment.File {
	return payment.File{MessageID: s.attempt.Reference, Digest: sha256.Sum256(s.body), Size: int64(len(s.body)), Body: body}
}

func (s *fileSuite) breaksOff() {
	half := io.MultiReader(bytes.NewReader(s.body[:len(s.body)/2]), broken{})
	if _, err := s.files.Upload(s.ctx, s.file(half)); err == nil {
		s.Fatalf("Upload of a file that breaks off has no error")
	}
	s.pass(24 * time.Hour)
	s.executed(0)
}

// broken is the end of a file that is not the one that was released.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, payment.ErrOtherFile }

// sent says that bytes may have left: never ErrNotSent, never a refusal.
func (s *fileSuite) sent() {
	s.Helper()
	if s.attempt.last.NotSent {
		s.Fatalf("Upload says ErrNotSent although the file was sent")
	}
	s.state(s.attempt, payment.Unknown)
}

func (s *fileSuite) requestLost() {
	s.fault(RequestLost)
	s.upload()
	s.sent()
	s.executed(0)
	if s.c.Next(s.attempt.Attempt, s.now) != payment.Resend {
		s.ask()
		s.state(s.attempt, payment.Unknown)
		return
	}
	s.upload()
	s.pass(24 * time.Hour)
	s.executed(1)
}

// unanswered: the file is executed once, and the caller does not know; the same bytes
// again, and an enquiry, find out.
func unanswered(f Fault) func(*fileSuite) {
	return func(s *fileSuite) {
		s.fault(f)
		s.upload()
		s.sent()
		if s.c.Next(s.attempt.Attempt, s.now) == payment.Resend {
			s.upload()
			s.state(s.attempt, payment.Accepted, payment.Unknown)
		}
		s.pass(24 * time.Hour)
		s.executed(1)
		if s.c.StatusMemory > 24*time.Hour {
			if got := s.ask(); got.Standing != payment.Paid && got.Standing != payment.Taken {
				s.Fatalf("an enquiry within StatusMemory says %q of an executed file", got.Standing)
			}
		}
	}
}

func (s *fileSuite) late() {
	s.fault(Late)
	s.upload()
	s.sent()
	s.ask()
	s.state(s.attempt, payment.Unknown, payment.Accepted)
	s.pass(max(s.c.Finality, 30*24*time.Hour))
	s.executed(1)
}

func (s *fileSuite) again() {
	s.promise(s.c.ReplaySafe, "that a file can be sent again")
	s.upload()
	for range 3 {
		s.upload()
	}
	s.pass(s.c.KeyMemory/2 - 1)
	s.upload()
	s.pass(24*time.Hour + s.c.Finality)
	s.executed(1)
}

// otherBytes: the library sends none; a bank that gets them from elsewhere must not let
// the caller believe that they are what it knows, nor that nothing was paid.
func (s *fileSuite) otherBytes() {
	s.promise(s.c.ReplaySafe, "that a message id is remembered")
	s.upload()
	other := append(bytes.Clone(s.body), s.body...)
	file := s.file(bytes.NewReader(other))
	file.Digest, file.Size = sha256.Sum256(other), int64(len(other))
	answer, err := s.files.Upload(s.ctx, file)
	s.keepsSecret(err)
	if err == nil && answer.Standing != payment.Unclear {
		s.Fatalf("other bytes under a message id that is known: %q", answer.Standing)
	}
	s.pass(24 * time.Hour)
	s.executed(1)
}

func (s *fileSuite) refusal() {
	s.fault(Refusal)
	s.upload()
	s.state(s.attempt, payment.Rejected)
	if s.attempt.last.Answer.Code == "" {
		s.Fatalf("a refusal without the bank's code: nobody knows who must act")
	}
	s.pass(24*time.Hour + s.c.KeyMemory + s.c.Finality)
	s.executed(0)
}

func (s *fileSuite) enquiryLost() {
	s.promise(s.c.StatusMemory > 0, "that it can be asked")
	s.upload()
	s.fault(EnquiryLost)
	answer, err := s.files.EnquireFile(s.ctx, s.attempt.Reference)
	s.keepsSecret(err)
	if err == nil && answer.Standing != payment.Unclear {
		s.Fatalf("an enquiry without a readable answer says %q", answer.Standing)
	}
}

// secretFiles looks at every error of Upload.
type secretFiles struct {
	payment.FileProvider
	s *suite
}

func (p secretFiles) Upload(ctx context.Context, f payment.File) (payment.Answer, error) {
	answer, err := p.FileProvider.Upload(ctx, f)
	p.s.keepsSecret(err)
	return answer, err
}
