package program

// TableID names one of the store's tables.
type TableID uint8

// The tables of a store.
const (
	TableWaves TableID = iota
	TableApplicants
	TablePersonKeys
	TableIndex
	TableApplications
	TableEntitlements
	TableBatches
	TablePayments
	TableStatements
	TableJobs
	TablePostings
	TableBars
	TableDecisions
	TableAmendments
	TableAppeals
	TableReaders
	TableLogHashes
	TableLogHead
	TableEditions
	TableBankAccounts
	TableSuspense
	TableProviderReferences
	TableRecords
)

// Kind is the type of a column: Int is int64, Text is string, Bytes is []byte.
type Kind uint8

// The kinds of columns. A nullable column holds nil as well.
const (
	Int Kind = iota
	Text
	Bytes
)

// Column describes a column of a table.
type Column struct {
	Name string
	Kind Kind
	Null bool
}

// TableSpec describes a table to the writer of a store. Every table has a
// column "version" besides the listed ones.
type TableSpec struct {
	ID      TableID
	Name    string
	Columns []Column
	// Key is the number of leading columns that are the key.
	Key int
	// Scans lists the further indexes in whose order the table can be read;
	// the columns of the key break ties. Rows with nil in the first column are
	// not in the index.
	Scans [][]string
	// Unique lists columns whose values no two rows may share while the column
	// Ended, if named, holds nil.
	Unique [][]string
	Ended  string
	// ReadOnly says that a Change's postings alone write it. A Change with a row of it
	// is refused (*StaleError).
	ReadOnly bool
}

// Tables describes every table of a store, in the order of their ids.
func Tables() []TableSpec {
	return []TableSpec{
		{ID: TableWaves, Name: "waves", Key: 1, Columns: []Column{
			{Name: "wave", Kind: Int}, {Name: "state", Kind: Text},
			{Name: "opens", Kind: Int}, {Name: "closes", Kind: Int, Null: true}, {Name: "body", Kind: Bytes},
		}},
		{ID: TableApplicants, Name: "applicants", Key: 1, Columns: []Column{
			{Name: "applicant", Kind: Bytes}, {Name: "state", Kind: Text}, {Name: "registered", Kind: Int},
			{Name: "household", Kind: Bytes, Null: true}, {Name: "sealed", Kind: Bytes, Null: true},
		}, Scans: [][]string{{"household"}}},
		{ID: TablePersonKeys, Name: "person_keys", Key: 1, Columns: []Column{
			{Name: "applicant", Kind: Bytes}, {Name: "wrapped", Kind: Bytes}, {Name: "under", Kind: Text},
		}},
		{ID: TableIndex, Name: "blind_index", Key: 2, Columns: []Column{
			{Name: "kind", Kind: Text}, {Name: "digest", Kind: Bytes}, {Name: "owner", Kind: Bytes}, {Name: "under", Kind: Text},
		}},
		{ID: TableApplications, Name: "applications", Key: 2, Columns: []Column{
			{Name: "wave", Kind: Int}, {Name: "applicant", Kind: Bytes},
			{Name: "state", Kind: Text}, {Name: "edition", Kind: Int}, {Name: "entered", Kind: Int},
			{Name: "due", Kind: Int, Null: true}, {Name: "receipt", Kind: Bytes}, {Name: "household", Kind: Bytes, Null: true},
			{Name: "pool", Kind: Text, Null: true}, {Name: "groups", Kind: Text, Null: true}, {Name: "tier", Kind: Int},
			{Name: "held", Kind: Int}, {Name: "commitment", Kind: Bytes, Null: true}, {Name: "seat", Kind: Text, Null: true}, {Name: "seat_state", Kind: Text, Null: true},
			{Name: "decision", Kind: Bytes, Null: true}, {Name: "trail", Kind: Bytes},
			{Name: "paused_due", Kind: Int, Null: true}, {Name: "paused_since", Kind: Int, Null: true},
			{Name: "rank_number", Kind: Int},
		}, Scans: [][]string{{"due"}}},
		{ID: TableEntitlements, Name: "entitlements", Key: 4, Columns: []Column{
			{Name: "benefit", Kind: Text}, {Name: "number", Kind: Int}, {Name: "wave", Kind: Int}, {Name: "applicant", Kind: Bytes},
			{Name: "amount", Kind: Int}, {Name: "currency", Kind: Text}, {Name: "due", Kind: Int}, {Name: "created", Kind: Int},
			{Name: "stopped", Kind: Int}, {Name: "lapsed", Kind: Int, Null: true},
		}},
		{ID: TableBatches, Name: "batches", Key: 1, Columns: []Column{
			{Name: "batch", Kind: Int}, {Name: "state", Kind: Text}, {Name: "benefit", Kind: Text}, {Name: "number", Kind: Int},
			{Name: "wave", Kind: Int}, {Name: "count", Kind: Int}, {Name: "total", Kind: Int}, {Name: "currency", Kind: Text},
			{Name: "preparer", Kind: Text}, {Name: "approver", Kind: Text, Null: true},
			{Name: "releaser", Kind: Text, Null: true}, {Name: "body", Kind: Bytes},
		}},
		{ID: TablePayments, Name: "payments", Key: 2, Columns: []Column{
			{Name: "batch", Kind: Int}, {Name: "item", Kind: Int}, {Name: "state", Kind: Text},
			{Name: "benefit", Kind: Text}, {Name: "number", Kind: Int}, {Name: "wave", Kind: Int}, {Name: "applicant", Kind: Bytes},
			{Name: "generation", Kind: Int}, {Name: "amount", Kind: Int}, {Name: "currency", Kind: Text},
			{Name: "destination", Kind: Bytes}, {Name: "code", Kind: Text, Null: true}, {Name: "changed", Kind: Int},
			{Name: "ended", Kind: Int, Null: true}, {Name: "submitted", Kind: Int, Null: true},
			{Name: "marks", Kind: Int}, {Name: "proposal", Kind: Bytes, Null: true}, {Name: "channel", Kind: Text, Null: true},
			{Name: "sent", Kind: Int, Null: true}, {Name: "handed", Kind: Int},
			{Name: "debits", Kind: Int}, {Name: "credits", Kind: Int}, {Name: "account", Kind: Bytes, Null: true}, {Name: "payee", Kind: Bytes, Null: true},
			{Name: "claim_due", Kind: Int, Null: true},
		}, Scans: [][]string{{"benefit", "number", "wave", "applicant", "generation"}},
			Unique: [][]string{{"benefit", "number", "wave", "applicant"}},
			Ended:  "ended"},
		{ID: TableStatements, Name: "statements", Key: 1, Columns: []Column{
			{Name: "digest", Kind: Bytes}, {Name: "account", Kind: Text}, {Name: "sequence", Kind: Int},
			{Name: "opening", Kind: Int}, {Name: "closing", Kind: Int}, {Name: "state", Kind: Text}, {Name: "body", Kind: Bytes},
		}},
		// Part 0 is the job as a whole; the others are what is worked on.
		{ID: TableJobs, Name: "jobs", Key: 2, Columns: []Column{
			{Name: "job", Kind: Text}, {Name: "part", Kind: Int}, {Name: "state", Kind: Text}, {Name: "owner", Kind: Text, Null: true},
			{Name: "cursor", Kind: Bytes, Null: true}, {Name: "until", Kind: Bytes, Null: true}, {Name: "counts", Kind: Bytes}, {Name: "mark", Kind: Bytes},
		}},
		// A posting as it was carried out, with the time of its Change; the legs are as
		// ledger.FormatLegs writes them.
		{ID: TablePostings, Name: "postings", Key: 1, ReadOnly: true, Columns: []Column{
			{Name: "id", Kind: Text}, {Name: "kind", Kind: Int}, {Name: "of_id", Kind: Text}, {Name: "at", Kind: Int}, {Name: "legs", Kind: Bytes},
		}},
		// What is left of somebody who was erased and may not come again.
		{ID: TableBars, Name: "bars", Key: 1, Columns: []Column{
			{Name: "mark", Kind: Bytes}, {Name: "name", Kind: Text}, {Name: "until", Kind: Int, Null: true}, {Name: "basis", Kind: Text},
		}},
		// What a decision was made on, sealed, and what commits to it.
		{ID: TableDecisions, Name: "decisions", Key: 4, Columns: []Column{
			{Name: "wave", Kind: Int}, {Name: "applicant", Kind: Bytes}, {Name: "stage", Kind: Text}, {Name: "number", Kind: Int},
			{Name: "at", Kind: Int}, {Name: "record", Kind: Bytes}, {Name: "sealed", Kind: Bytes}, {Name: "commitment", Kind: Bytes},
		}},
		{ID: TableAmendments, Name: "amendments", Key: 2, Columns: []Column{
			{Name: "applicant", Kind: Bytes}, {Name: "number", Kind: Int}, {Name: "at", Kind: Int}, {Name: "actor", Kind: Text},
			{Name: "reason", Kind: Text}, {Name: "fields", Kind: Text}, {Name: "sealed", Kind: Bytes},
		}},
		{ID: TableAppeals, Name: "appeals", Key: 3, Columns: []Column{
			{Name: "wave", Kind: Int}, {Name: "applicant", Kind: Bytes}, {Name: "number", Kind: Int}, {Name: "state", Kind: Text},
			{Name: "filed", Kind: Int}, {Name: "due", Kind: Int, Null: true}, {Name: "against", Kind: Text}, {Name: "sealed", Kind: Bytes},
			{Name: "decided", Kind: Int, Null: true}, {Name: "actor", Kind: Text, Null: true}, {Name: "reason", Kind: Text, Null: true},
		}, Scans: [][]string{{"due"}}},
		{ID: TableReaders, Name: "readers", Key: 1, Columns: []Column{
			{Name: "reader", Kind: Text}, {Name: "seq", Kind: Int},
		}},
		// The hashes of the log's tree, at the positions that tlog.StoredHashIndex gives.
		{ID: TableLogHashes, Name: "log_hashes", Key: 1, Columns: []Column{
			{Name: "position", Kind: Int}, {Name: "hash", Kind: Bytes},
		}},
		// One row: the last checkpoint, and until when who is sealing more.
		{ID: TableLogHead, Name: "log_head", Key: 1, Columns: []Column{
			{Name: "one", Kind: Int}, {Name: "checkpoint", Kind: Bytes}, {Name: "owner", Kind: Bytes, Null: true}, {Name: "until", Kind: Int, Null: true},
		}},
		// The tables of the lifecycle under which the store was used, as JSON, and their
		// SHA-256.
		{ID: TableEditions, Name: "editions", Key: 1, Columns: []Column{
			{Name: "edition", Kind: Int}, {Name: "digest", Kind: Bytes}, {Name: "body", Kind: Bytes},
		}},
		// Where the statements of an account stand: each is written with its first line
		// and its last, so that they come one after another.
		{ID: TableBankAccounts, Name: "bank_accounts", Key: 1, Columns: []Column{
			{Name: "account", Kind: Text}, {Name: "sequence", Kind: Int}, {Name: "closing", Kind: Int}, {Name: "currency", Kind: Text},
			{Name: "state", Kind: Text}, {Name: "until", Kind: Int, Null: true}, {Name: "digest", Kind: Bytes}, {Name: "channel", Kind: Text, Null: true},
		}},
		// Lines that stand in suspense. Standing holds the account until a line is
		// cleared. Units are what the account lost, below zero what it got.
		{ID: TableSuspense, Name: "suspense", Key: 3, Columns: []Column{
			{Name: "account", Kind: Text}, {Name: "sequence", Kind: Int}, {Name: "line", Kind: Int}, {Name: "standing", Kind: Text, Null: true},
			{Name: "class", Kind: Text}, {Name: "units", Kind: Int}, {Name: "currency", Kind: Text},
			{Name: "batch", Kind: Int, Null: true}, {Name: "item", Kind: Int, Null: true}, {Name: "since", Kind: Int},
		}, Scans: [][]string{{"standing"}}},
		// The payments by the references that a provider gave them. Batch and item are
		// zero where it gave one to two.
		{ID: TableProviderReferences, Name: "provider_references", Key: 2, Columns: []Column{
			{Name: "channel", Kind: Text}, {Name: "theirs", Kind: Text}, {Name: "batch", Kind: Int}, {Name: "item", Kind: Int},
		}},
		// What is kept beside the cases (Record).
		{ID: TableRecords, Name: "records", Key: 2, Columns: []Column{
			{Name: "kind", Kind: Text}, {Name: "name", Kind: Text}, {Name: "applicant", Kind: Bytes, Null: true},
			{Name: "part_of", Kind: Text, Null: true}, {Name: "body", Kind: Bytes},
		}, Scans: [][]string{{"applicant"}, {"part_of"}}},
	}
}
