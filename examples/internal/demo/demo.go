// Package demo is what the small examples share: a database in a file, a clock that
// their story moves, officers, and a bank that is made up. It is no part of the library.
package demo

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/sqlstore"
)

// Clock is the time of a story.
type Clock struct{ Now time.Time }

// Tell is what an engine is given.
func (c *Clock) Tell() time.Time { return c.Now }

// On moves the clock to nine in the morning of a day in Jakarta.
func (c *Clock) On(year int, month time.Month, day int) {
	c.Now = time.Date(year, month, day, 9, 0, 0, 0, time.FixedZone("WIB", 7*3600))
}

// Main runs a story on a new SQLite file, in a new folder unless -db names one.
func Main(story func(ctx context.Context, db string, out io.Writer) error) {
	db := flag.String("db", "", "a new SQLite `file`; empty: in a new folder")
	flag.Parse()
	err := run(*db, story)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(db string, story func(context.Context, string, io.Writer) error) error {
	if db == "" {
		folder, err := os.MkdirTemp("", "gelombang-")
		if err != nil {
			return err
		}
		db = filepath.Join(folder, "program.db")
	}
	if _, err := os.Stat(db); err == nil {
		return fmt.Errorf("%s is there already: a story begins with an empty database", db)
	}
	if err := story(context.Background(), db, os.Stdout); err != nil {
		return err
	}
	fmt.Println("\nThe database is", db)
	return nil
}

// Engine opens a program on a SQLite file. The master key is made for the story and
// then forgotten, with which nobody can read the people in the file any more: a real
// program keeps it in a key service.
func Engine[T any](ctx context.Context, p *program.Program[T], db string, clock *Clock) (*program.Engine[T], program.Keyring, func() error, error) {
	file, err := sql.Open("sqlite", db)
	if err != nil {
		return nil, nil, nil, err
	}
	store, err := sqlstore.Open(ctx, file, sqlstore.SQLite, &sqlstore.Options{Clock: clock.Tell})
	if err != nil {
		return nil, nil, nil, errors.Join(err, file.Close())
	}
	done := func() error { return errors.Join(store.Close(), file.Close()) }
	master := make([]byte, 32)
	if _, err := rand.Read(master); err != nil {
		return nil, nil, nil, errors.Join(err, done())
	}
	keys, err := program.NewLocalKeyring(master, rand.Reader)
	if err != nil {
		return nil, nil, nil, errors.Join(err, done())
	}
	engine, err := program.NewEngine(p, store, keys, program.Surroundings{Clock: clock.Tell, Random: rand.Reader}, nil)
	if err != nil {
		return nil, nil, nil, errors.Join(err, done())
	}
	return engine, keys, done, nil
}

// Bank is the treasury's bank, made up: it pays every order, and sends the money back
// where the account is closed.
type Bank struct {
	// Closed are the account numbers to which nothing can be paid.
	Closed map[string]bool

	balance  payment.Money
	sequence int64
	lines    []payment.Line
}

// NewBank opens the treasury's account with an amount.
func NewBank(balance payment.Money) *Bank { return &Bank{Closed: map[string]bool{}, balance: balance} }

// Receive books money that somebody pays in. The line has no reference of ours.
func (b *Bank) Receive(amount payment.Money) {
	b.lines = append(b.lines, payment.Line{Credit: true, Amount: amount})
}

// order books what one order does.
func (b *Bank) order(o program.Order) {
	b.lines = append(b.lines, payment.Line{Reference: o.Reference, Amount: o.Amount})
	if b.Closed[o.Payout.Account.Reveal()] {
		b.lines = append(b.lines, payment.Line{Reference: o.Reference, Amount: o.Amount, Credit: true, Code: "AC04"})
	}
}

// Statement ends the bank's day.
func (b *Bank) Statement(until time.Time) program.Statement {
	lines := b.lines
	b.lines = nil
	b.sequence++
	st := program.Statement{ID: fmt.Sprintf("statement %d", b.sequence), Account: "treasury", Channel: "BANK", Sequence: b.sequence,
		Opening: b.balance, Closing: b.balance, Until: until}
	for _, l := range lines {
		if l.Credit {
			st.Closing.Units += l.Amount.Units
		} else {
			st.Closing.Units -= l.Amount.Units
		}
	}
	b.balance = st.Closing
	st.Digest = sha256.Sum256(fmt.Append(nil, st.ID, lines))
	st.Lines = func() iter.Seq2[payment.Line, error] {
		return func(yield func(payment.Line, error) bool) {
			for _, l := range lines {
				if !yield(l, nil) {
					return
				}
			}
		}
	}
	return st
}

// Pay takes one batch from its preparation to the bank's statement: Siti prepares, Budi
// approves, Rina releases. It returns what was prepared and what the statement says.
func Pay[T any](ctx context.Context, e *program.Engine[T], b *Bank, clock *Clock, order program.BatchOrder) (prepared, settled program.Counts, err error) {
	if prepared, err = e.PrepareBatch(ctx, program.By{Actor: "siti"}, order); err != nil {
		return nil, nil, err
	}
	batch, err := e.Batch(ctx, order.Number)
	if err != nil {
		return nil, nil, err
	}
	if err := e.ApproveBatch(ctx, program.By{Actor: "budi"}, order.Number, batch.Digest); err != nil {
		return nil, nil, err
	}
	file := sha256.New()
	if err := e.WriteBatch(ctx, order.Number, func(o program.Order) error {
		_, err := fmt.Fprintln(file, o.Reference, o.Amount, o.Payout.Account.Reveal())
		b.order(o)
		return err
	}); err != nil {
		return nil, nil, err
	}
	release := program.Release{File: [32]byte(file.Sum(nil)), To: "BANK"}
	if batch.Count == 0 { // nothing leaves
		release = program.Release{}
	}
	if err := e.SubmitBatch(ctx, program.By{Actor: "rina"}, order.Number, release); err != nil {
		return nil, nil, err
	}
	clock.Now = clock.Now.Add(8 * time.Hour)
	if settled, err = Reconcile(ctx, e, b, clock); err != nil {
		return nil, nil, err
	}
	return prepared, settled, e.CloseBatch(ctx, program.By{Actor: "siti"}, order.Number)
}

// Reconcile takes the bank's next statement.
func Reconcile[T any](ctx context.Context, e *program.Engine[T], b *Bank, clock *Clock) (program.Counts, error) {
	st := b.Statement(clock.Now)
	return e.Reconcile(ctx, program.By{Actor: "siti"}, st.ID, st)
}

// Teller writes the account of a story.
type Teller struct{ io.Writer }

// Say writes a line.
func (t Teller) Say(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) }

// Step begins a part of the story.
func (t Teller) Step(at time.Time, title string) {
	fmt.Fprintf(t, "\n%s  %s\n", at.In(time.FixedZone("WIB", 7*3600)).Format("2 January 2006"), strings.ToUpper(title))
}

// Verified ends a story: the whole store is checked.
func Verified[T any](ctx context.Context, t Teller, e *program.Engine[T]) error {
	breaches, err := e.Verify(ctx)
	if err != nil {
		return err
	}
	for _, b := range breaches {
		t.Say("  broken: %s", b)
	}
	if len(breaches) > 0 {
		return fmt.Errorf("%d invariants are broken", len(breaches))
	}
	t.Say("  Checked: seats, limits, journal and money add up.")
	return nil
}
