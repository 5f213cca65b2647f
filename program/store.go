package program

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/program/ledger"
)

// Store keeps the rows, balances and journal of one program. Whoever writes a
// store proves it with package programtest; whoever uses the library passes a
// store to [NewEngine] and calls nothing here.
//
// Any error from a method means that the outcome is unknown. The same value
// may be sent again: Apply gives each change at most once.
type Store interface {
	// Apply carries out the changes in order, in one transaction that is
	// durable when Apply returns. Each change is whole or not at all; a
	// refused one leaves the others as they are. There is one outcome for
	// each change. The store has a clock of its own, by which pending postings
	// expire; where a change's At is far from it, Apply does nothing and
	// returns a *ClockError.
	Apply(ctx context.Context, changes []Change) ([]Outcome, error)
	// Load reads rows by key, and the stored answer to a command, in one
	// snapshot. Rows that do not exist are left out.
	Load(ctx context.Context, q Query) (Rows, error)
	// Page reads up to scan.Limit rows in the order of an index. The cursor
	// continues the scan; it is nil when nothing is left.
	Page(ctx context.Context, scan Scan) (Rows, Cursor, error)
	// Journal reads up to limit entries with a Seq above after, in order.
	Journal(ctx context.Context, after int64, limit int) ([]Entry, error)
	// Balances reads accounts in one snapshot, in the order asked.
	Balances(ctx context.Context, accounts ...ledger.Account) ([]ledger.Balance, error)
}

// Change is a transaction as data: everything that one command writes.
type Change struct {
	// Key is the idempotency key of a command. A change with a key that was
	// carried out before is not carried out again: its outcome has the first
	// answer. Empty: the rows' versions alone fence the change.
	Key string
	// Fingerprint tells whether the payload under a key is the same.
	Fingerprint []byte
	// Home is the applicant whom the change concerns; zero for a change that
	// concerns many.
	Home uuid.UUID
	// At is the instant of the change by the clock of the process.
	At time.Time
	// Expect lists rows that must have their version, and are not written: what
	// the change was decided on.
	Expect   []Expected
	Rows     []Row
	Postings []ledger.Posting
	// Entry is written to the journal; nil for a change that is not a step of
	// the program.
	Entry *Entry
	// Answer is stored under Key and returned when the command is repeated.
	Answer []byte
}

// Expected is a row that must have a version. Row in a *StaleError counts the
// expected rows first.
type Expected struct {
	Key
	Version int64
}

// Row is a row to write. Values follow the columns of the table, without the
// version.
type Row struct {
	Table  TableID
	Values []any
	// Version is the version that the row has now and loses: 0 for a row that
	// does not exist yet. The written row has Version + 1.
	Version int64
	// Changed has bit i set if column i gets a new value; a store need not write
	// the others. Zero: every column but the key's. It is not for new rows.
	Changed uint32
	// Gone says that the row is deleted. Only the values of its key count then.
	Gone bool
}

// Changes reports whether column i, which is not part of the key, is written.
func (r *Row) Changes(i int) bool { return r.Changed == 0 || r.Changed&(1<<i) != 0 }

// Outcome says what became of a change.
type Outcome struct {
	// Refusal is nil when the change was carried out, now or before. Otherwise
	// it is a *StaleError, a *KeyConflictError, or an error of package ledger.
	Refusal error
	// Replayed says that the change was carried out before.
	Replayed bool
	// Answer is the change's answer, or the first one if it was replayed.
	Answer []byte
}

// ClockError says that the instant of a change is so far from the clock of the store
// that nothing which it decides could be trusted: a deadline would pass too early or too
// late. Nothing was written.
//
// Either the clock of the process is off, or the change waited longer than ClockTolerance
// to be written, behind a long transaction. The engine does not take a later instant for
// it by itself: what the change says was decided at the earlier one, on deadlines and
// waves as they were. The same command given again decides anew; where only the wait was
// in the way that helps, and where the clock is off it is a ClockError again.
type ClockError struct {
	// Ahead is how far the process is ahead of the store; below zero: behind.
	Ahead time.Duration
}

func (e *ClockError) Error() string {
	if e.Ahead > 0 {
		return fmt.Sprintf("program: the clock of this process is %s ahead of the store's: set it right", e.Ahead)
	}
	return fmt.Sprintf("program: the change is of %s ago by the store's clock: it waited to be written, and can be given again; or the clock of this process is behind: set it right", -e.Ahead)
}

// ClockTolerance is how far the clock of a process may be from that of a store.
const ClockTolerance = time.Minute

// CheckClock returns a *ClockError if a change was made by a clock that is further
// than ClockTolerance from the store's. It is for those who write a store.
func CheckClock(changes []Change, now time.Time) error {
	for i := range changes {
		if ahead := changes[i].At.Sub(now); ahead.Abs() > ClockTolerance {
			return &ClockError{Ahead: ahead.Round(time.Second)}
		}
	}
	return nil
}

// UndoneError is an error of Apply after which it is certain that nothing was written:
// the transaction was taken back. A store that knows that says so.
type UndoneError struct{ Err error }

func (e *UndoneError) Error() string { return e.Err.Error() }

// Unwrap gives what went wrong.
func (e *UndoneError) Unwrap() error { return e.Err }

// StaleError says that a row did not have the expected version, or that
// another row has the same unique value. Reading again and deciding again can
// help.
type StaleError struct {
	Table string
	// Row is the position in Change.Rows, behind those of Change.Expect.
	Row int
}

func (e *StaleError) Error() string {
	return fmt.Sprintf("program: row %d: the row in table %s was changed meanwhile", e.Row, e.Table)
}

// KeyConflictError says that an idempotency key was used before for another
// payload. Retrying cannot help.
type KeyConflictError struct{ Key string }

func (e *KeyConflictError) Error() string {
	return fmt.Sprintf("program: key %q was used for another command", e.Key)
}

// Query asks for rows by key and for a stored answer.
type Query struct {
	// Command is an idempotency key; empty for none.
	Command string
	Keys    []Key
}

// Key names one row: the values of the table's key columns.
type Key struct {
	Table  TableID
	Values []any
}

// Scan asks for a page of a table in the order of one of its indexes.
type Scan struct {
	Table TableID
	// Index is the position in the table's list of scans; 0 is the key.
	Index int
	// Equal holds the leading columns of the index at these values.
	Equal []any
	// Below, if not nil, keeps the first column after Equal under this value.
	Below any
	// Only, if not empty, keeps rows whose Column has one of these values.
	Only   []any
	Column string
	After  Cursor
	// Through, if not nil, is the last place of the scan.
	Through Cursor
	// Skip passes over so many rows before the first: to find places without reading
	// what lies between.
	Skip  int
	Limit int
}

// Cursor is a place in a scan: the values of the index's columns.
type Cursor []any

// Rows is what was read. Found rows have the version they were read at.
type Rows struct {
	Rows []Row
	// Answered says that the command was carried out; Answer and Fingerprint
	// are those of the first time.
	Answered            bool
	Answer, Fingerprint []byte
}

// Entry is one entry of the journal: what one change did. Times are UTC.
type Entry struct {
	// Seq is given by the store: 1, 2, 3, in the order of commit, without gaps
	// for a reader.
	Seq   int64     `json:"seq"`
	At    time.Time `json:"at"`
	Actor string    `json:"actor"`
	// Kind names what happened: "registered", "stepped", "wave.closed".
	Kind string `json:"kind"`
	// Data is JSON and holds no personal data, only internal ids.
	Data []byte `json:"data"`
}
