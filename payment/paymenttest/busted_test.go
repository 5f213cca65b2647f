package paymenttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/identity"
)

// recorder is a reporter that remembers how a case ended.
type recorder struct{ failed, skipped string }

func (r *recorder) Helper() {}
func (r *recorder) Fatalf(format string, args ...any) {
	r.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}
func (r *recorder) Skip(args ...any) {
	r.skipped = fmt.Sprint(args...)
	runtime.Goexit()
}

func record(t *testing.T, run func(*suite), b Bench) *recorder {
	r, done := &recorder{}, make(chan struct{})
	go func() {
		defer close(done)
		run(newSuite(r, t.Context(), b))
	}()
	<-done
	return r
}

// busted is a provider that spoils what a Faulty says, as a careless adapter would.
type busted struct {
	*Faulty
	submit  func(orders []payment.Transfer, answers []payment.Answer, err error) ([]payment.Answer, error)
	enquire func(a payment.Answer, err error) (payment.Answer, error)
	notice  func(f *Faulty, header map[string][]string, body []byte) (payment.Answer, error)
	resolve *payment.Resolution
	ctx     context.Context
	changes int
	// statement spoils the number that is asked for, a line, or the error.
	sequence int64
	line     func(payment.Line) []payment.Line
	read     func(error) error
}

func (b *busted) Statement(ctx context.Context, sequence int64, each func(payment.Line) error) (payment.Statement, error) {
	s, err := b.Faulty.Statement(ctx, sequence+b.sequence, func(l payment.Line) error {
		lines := []payment.Line{l}
		if b.line != nil {
			lines = b.line(l)
		}
		for _, l := range lines {
			if err := each(l); err != nil {
				return err
			}
		}
		return nil
	})
	if b.read != nil {
		err = b.read(err)
	}
	return s, err
}

func (b *busted) Capabilities() payment.Capabilities {
	c := b.Faulty.Capabilities()
	if b.changes > 0 {
		b.changes++
		c.Finality += time.Duration(b.changes) * time.Hour
	}
	return c
}

func (b *busted) Resolve(ctx context.Context, to payment.Account) (payment.Resolution, error) {
	if b.resolve != nil {
		return *b.resolve, nil
	}
	return b.Faulty.Resolve(ctx, to)
}

func (b *busted) Submit(ctx context.Context, orders []payment.Transfer) ([]payment.Answer, error) {
	if b.ctx != nil {
		ctx = b.ctx
	}
	answers, err := b.Faulty.Submit(ctx, orders)
	if b.submit != nil {
		return b.submit(orders, answers, err)
	}
	return answers, err
}

func (b *busted) Enquire(ctx context.Context, reference string) (payment.Answer, error) {
	a, err := b.Faulty.Enquire(ctx, reference)
	if b.enquire != nil {
		return b.enquire(a, err)
	}
	return a, err
}

func (b *busted) Notice(header map[string][]string, body []byte) (payment.Answer, error) {
	if b.notice != nil {
		return b.notice(b.Faulty, header, body)
	}
	return b.Faulty.Notice(header, body)
}

var all = payment.Capabilities{ReplaySafe: true, KeyMemory: 48 * time.Hour, StatusMemory: 240 * time.Hour, Finality: 72 * time.Hour, BatchSize: 50, NameEvidence: true}

// on answers every order with a standing if the call had an error.
func on(standing payment.Standing) func([]payment.Transfer, []payment.Answer, error) ([]payment.Answer, error) {
	return func(orders []payment.Transfer, answers []payment.Answer, err error) ([]payment.Answer, error) {
		if err == nil {
			return answers, nil
		}
		answers = nil
		for _, t := range orders {
			answers = append(answers, payment.Answer{Reference: t.Reference, Standing: standing, Code: "?"})
		}
		return answers, nil
	}
}

// echo puts our own reference on whatever was answered.
func echo(orders []payment.Transfer, answers []payment.Answer, err error) ([]payment.Answer, error) {
	for i := range answers {
		answers[i].Reference = orders[i].Reference
	}
	return answers, err
}

// fill answers for those that were not answered.
func fill(orders []payment.Transfer, answers []payment.Answer, err error) ([]payment.Answer, error) {
	for i := len(answers); i < len(orders) && err == nil; i++ {
		answers = append(answers, payment.Answer{Reference: orders[i].Reference, Standing: payment.Taken})
	}
	return answers, err
}

// as says a standing instead of another.
func as(from, to payment.Standing) func([]payment.Transfer, []payment.Answer, error) ([]payment.Answer, error) {
	return func(_ []payment.Transfer, answers []payment.Answer, err error) ([]payment.Answer, error) {
		for i := range answers {
			if answers[i].Standing == from {
				answers[i].Standing = to
			}
		}
		return answers, err
	}
}

func always(standing payment.Standing) func(payment.Answer, error) (payment.Answer, error) {
	return func(a payment.Answer, _ error) (payment.Answer, error) {
		return payment.Answer{Reference: a.Reference, Standing: standing}, nil
	}
}

func unverified(f *Faulty, _ map[string][]string, body []byte) (payment.Answer, error) {
	return f.Notice(map[string][]string{signatureHeader: {f.sign(body)}}, body)
}

// Every case of the suite finds the fault that it is there for, in a provider that
// passes but for that.
func TestBustedProvidersFail(t *testing.T) {
	var once int
	for name, b := range map[string]struct {
		finds string
		o     func(*FaultyOptions)
		busted
	}{
		"promises that change":               {finds: "capabilities never change", busted: busted{changes: 1}},
		"an account without its holder":      {finds: "an account is resolved", busted: busted{resolve: &payment.Resolution{Exists: true}}},
		"everybody's account exists":         {finds: "an account is resolved", busted: busted{resolve: &payment.Resolution{Exists: true, Holder: identity.NewName("Siti")}}},
		"a refusal that is not one":          {finds: "a full batch is executed once", busted: busted{submit: as(payment.Taken, payment.Refused)}},
		"no connection is a time-out":        {finds: "nothing was sent", busted: busted{submit: hideNotSent}},
		"the context is not looked at":       {finds: "an ended context sends nothing", busted: busted{ctx: context.Background()}},
		"a time-out refuses":                 {finds: "the request is lost", busted: busted{submit: on(payment.Refused)}},
		"a time-out was not sent":            {finds: "the answer is lost", busted: busted{submit: notSent}},
		"5xx refuses":                        {finds: "the server fails", busted: busted{submit: on(payment.Refused)}},
		"200 is success":                     {finds: "200 with garbage", busted: busted{submit: on(payment.Taken)}},
		"409 refuses":                        {finds: "409", busted: busted{submit: as(payment.Unclear, payment.Refused)}},
		"the echo is not read":               {finds: "another reference is echoed", busted: busted{submit: echo}},
		"who was left out was taken":         {finds: "a batch is answered in part", busted: busted{submit: fill}},
		"not found is refused":               {finds: "late execution after not found", busted: busted{enquire: refuseAbsent}},
		"keys are forgotten":                 {finds: "a replay to the end of the window", o: func(o *FaultyOptions) { o.ForgetsKeys = true }},
		"a failed enquiry is not found":      {finds: "an enquiry fails", busted: busted{enquire: always(payment.Absent)}},
		"a refusal is only a doubt":          {finds: "a refusal is for good", busted: busted{submit: as(payment.Refused, payment.Unclear)}},
		"a later refusal is not read":        {finds: "taken, then refused", busted: busted{enquire: always(payment.Taken)}},
		"what came back was refused":         {finds: "settled, then returned", busted: busted{enquire: always(payment.Refused)}},
		"a call-back without a reference":    {finds: "a call-back", busted: busted{notice: nameless}},
		"a call-back is read once":           {finds: "a call-back that comes twice", busted: busted{notice: readOnce(&once)}},
		"an older call-back refuses":         {finds: "call-backs in the wrong order", busted: busted{notice: refuseTaken}},
		"an early call-back refuses":         {finds: "a call-back before the answer", busted: busted{notice: refuses}},
		"an older statement":                 {finds: "a statement", busted: busted{sequence: -1}},
		"a line is left out":                 {finds: "a statement", busted: busted{line: func(payment.Line) []payment.Line { return nil }}},
		"a debit is a credit":                {finds: "a statement", busted: busted{line: turned}},
		"an error of the reader is lost":     {finds: "a statement", busted: busted{read: func(error) error { return nil }}},
		"no statement is an empty one":       {finds: "no statement yet", busted: busted{read: func(error) error { return nil }}},
		"a statement that is not read":       {finds: "no statement yet", busted: busted{read: noneOf}},
		"signatures are not looked at":       {finds: "a forged call-back", busted: busted{notice: unverified}},
		"an account number in an error":      {finds: "an ended context sends nothing", busted: busted{submit: leak}},
		"an account number in a lost answer": {finds: "the answer is lost", busted: busted{submit: leak}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, c := range cases {
				if c.name != b.finds {
					continue
				}
				require.Empty(t, record(t, c.run, faultyBench(nil)), "the provider itself passes, without being skipped")
				provider, bench := b.busted, faultyBench(b.o)
				provider.Faulty = bench.Provider.(*Faulty)
				bench.Provider = &provider
				r := record(t, c.run, bench)
				require.NotEmpty(t, r.failed, "skipped: %s", r.skipped)
				require.NotContains(t, r.failed, "0812000001")
				return
			}
			t.Fatalf("there is no case %q", b.finds)
		})
	}
}

func turned(l payment.Line) []payment.Line {
	l.Credit = !l.Credit
	return []payment.Line{l}
}

func noneOf(err error) error {
	if err != nil {
		err = payment.ErrNoStatement
	}
	return err
}

// bustedFiles is a provider of files that spoils what a Faulty says.
type bustedFiles struct {
	*Faulty
	changes bool
	file    func(payment.File) payment.File
	ctx     context.Context
	answer  func(payment.Answer, error) (payment.Answer, error)
	enquire func(payment.Answer, error) (payment.Answer, error)
	calls   int
}

func (b *bustedFiles) FileCapabilities() payment.Capabilities {
	c := b.Faulty.FileCapabilities()
	if b.calls++; b.changes {
		c.Finality += time.Duration(b.calls) * time.Hour
	}
	return c
}

func (b *bustedFiles) Upload(ctx context.Context, f payment.File) (payment.Answer, error) {
	if b.ctx != nil {
		ctx = b.ctx
	}
	if b.file != nil {
		f = b.file(f)
	}
	a, err := b.Faulty.Upload(ctx, f)
	if b.answer != nil {
		a, err = b.answer(a, err)
		a.Reference = f.MessageID
	}
	return a, err
}

func (b *bustedFiles) EnquireFile(ctx context.Context, id string) (payment.Answer, error) {
	a, err := b.Faulty.EnquireFile(ctx, id)
	if b.enquire != nil {
		return b.enquire(a, err)
	}
	return a, err
}

// fails answers an error with a standing.
func fails(standing payment.Standing) func(payment.Answer, error) (payment.Answer, error) {
	return func(a payment.Answer, err error) (payment.Answer, error) {
		if err != nil {
			return payment.Answer{Standing: standing, Code: "?"}, nil
		}
		return a, nil
	}
}

// The same for files.
func TestBustedFileProvidersFail(t *testing.T) {
	whole := func(f payment.File) payment.File { // reads what there is, and does not look at the error
		b, _ := io.ReadAll(f.Body)
		head, _, _ := bytes.Cut(b, []byte("\n"))
		lines := bytes.SplitAfter(b[min(len(b), len(head)+1):], []byte("\n"))
		out := fmt.Appendf(nil, "%s %d\n", f.MessageID, max(0, len(lines)-1))
		f.Body = bytes.NewReader(append(out, bytes.Join(lines[:max(0, len(lines)-1)], nil)...))
		return f
	}
	for name, b := range map[string]struct {
		finds string
		o     func(*FaultyOptions)
		bustedFiles
	}{
		"promises that change": {finds: "capabilities never change", bustedFiles: bustedFiles{changes: true}},
		"everything is refused": {finds: "a file is executed once", bustedFiles: bustedFiles{answer: func(payment.Answer, error) (payment.Answer, error) {
			return payment.Answer{Standing: payment.Refused}, nil
		}}},
		"no connection is a time-out":  {finds: "nothing was sent", bustedFiles: bustedFiles{answer: func(a payment.Answer, err error) (payment.Answer, error) { return a, hidden(err) }}},
		"the context is not looked at": {finds: "an ended context sends nothing", bustedFiles: bustedFiles{ctx: context.Background()}},
		"half a file is a file":        {finds: "a file breaks off", bustedFiles: bustedFiles{file: whole}},
		"a time-out refuses":           {finds: "the request is lost", bustedFiles: bustedFiles{answer: fails(payment.Refused)}},
		"a time-out was not sent":      {finds: "the answer is lost", bustedFiles: bustedFiles{answer: func(a payment.Answer, err error) (payment.Answer, error) { return a, unsent(err) }}},
		"5xx refuses":                  {finds: "the server fails", bustedFiles: bustedFiles{answer: fails(payment.Refused)}},
		"200 is success":               {finds: "200 with garbage", bustedFiles: bustedFiles{answer: fails(payment.Taken)}},
		"409 was not sent":             {finds: "409", bustedFiles: bustedFiles{answer: func(a payment.Answer, err error) (payment.Answer, error) { return a, payment.ErrNotSent }}},
		"the echo is not read":         {finds: "another message id is echoed", bustedFiles: bustedFiles{answer: func(a payment.Answer, err error) (payment.Answer, error) { return a, err }}},
		"not found is refused":         {finds: "late execution after not found", bustedFiles: bustedFiles{enquire: refuseAbsent}},
		"keys are forgotten":           {finds: "the same bytes to the end of the window", o: func(o *FaultyOptions) { o.ForgetsKeys = true }},
		"other bytes are taken": {finds: "other bytes under the message id", bustedFiles: bustedFiles{answer: func(payment.Answer, error) (payment.Answer, error) {
			return payment.Answer{Standing: payment.Taken}, nil
		}}},
		"a refusal is only a doubt": {finds: "a refusal is for good", bustedFiles: bustedFiles{answer: func(payment.Answer, error) (payment.Answer, error) {
			return payment.Answer{Standing: payment.Unclear}, nil
		}}},
		"a failed enquiry is not found": {finds: "an enquiry fails", bustedFiles: bustedFiles{enquire: always(payment.Absent)}},
	} {
		t.Run(name, func(t *testing.T) {
			i := slices.IndexFunc(fileCases, func(c fileCase) bool { return c.name == b.finds })
			require.GreaterOrEqual(t, i, 0)
			bench := faultyBench(nil).Provider.(*Faulty).FileBench()
			require.Empty(t, recordFile(t, fileCases[i].run, bench), "the provider itself passes, without being skipped")
			bench = faultyBench(b.o).Provider.(*Faulty).FileBench()
			provider := b.bustedFiles
			provider.Faulty = bench.Provider.(*Faulty)
			bench.Provider = &provider
			r := recordFile(t, fileCases[i].run, bench)
			require.NotEmpty(t, r.failed, "skipped: %s", r.skipped)
			require.NotContains(t, r.failed, "0812000001")
		})
	}
}

func hidden(err error) error {
	if errors.Is(err, payment.ErrNotSent) {
		return errTimeout
	}
	return err
}

func unsent(err error) error {
	if err != nil {
		return payment.ErrNotSent
	}
	return nil
}

func recordFile(t *testing.T, run func(*fileSuite), b FileBench) *recorder {
	r, done := &recorder{}, make(chan struct{})
	go func() {
		defer close(done)
		run(newFileSuite(r, t.Context(), b))
	}()
	<-done
	return r
}

func faultyBench(change func(*FaultyOptions)) Bench {
	o := &FaultyOptions{Capabilities: all, Accounts: []payment.Account{{Institution: "FAULTY", Number: identity.NewSecret("0812000001"), Holder: identity.NewName("Siti Aminah")}}}
	if change != nil {
		change(o)
	}
	return NewFaulty(time.Date(2020, time.October, 31, 5, 0, 0, 0, time.UTC), payment.Rupiah(0), 1, o).Bench()
}

func hideNotSent(_ []payment.Transfer, answers []payment.Answer, err error) ([]payment.Answer, error) {
	if errors.Is(err, payment.ErrNotSent) {
		err = errTimeout
	}
	return answers, err
}

func notSent(_ []payment.Transfer, answers []payment.Answer, err error) ([]payment.Answer, error) {
	if err != nil {
		err = payment.ErrNotSent
	}
	return answers, err
}

func leak(orders []payment.Transfer, answers []payment.Answer, err error) ([]payment.Answer, error) {
	if err != nil {
		err = fmt.Errorf("order to %s: %w", orders[0].To.Number.Reveal(), err)
	}
	return answers, err
}

func refuseAbsent(a payment.Answer, err error) (payment.Answer, error) {
	if a.Standing == payment.Absent {
		a.Standing = payment.Refused
	}
	return a, err
}

func nameless(f *Faulty, header map[string][]string, body []byte) (payment.Answer, error) {
	a, err := f.Notice(header, body)
	a.Reference = ""
	return a, err
}

func readOnce(n *int) func(*Faulty, map[string][]string, []byte) (payment.Answer, error) {
	return func(f *Faulty, header map[string][]string, body []byte) (payment.Answer, error) {
		if *n++; *n > 1 {
			return payment.Answer{}, errForged
		}
		return f.Notice(header, body)
	}
}

func refuseTaken(f *Faulty, header map[string][]string, body []byte) (payment.Answer, error) {
	a, err := f.Notice(header, body)
	if a.Standing == payment.Taken {
		a.Standing = payment.Refused
	}
	return a, err
}

func refuses(f *Faulty, header map[string][]string, body []byte) (payment.Answer, error) {
	a, err := f.Notice(header, body)
	a.Standing = payment.Refused
	return a, err
}
