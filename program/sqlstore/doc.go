// Package sqlstore keeps a program in an SQL database: SQLite for one machine,
// PostgreSQL for many. It imports no driver; the caller opens the database
// with modernc.org/sqlite, or with github.com/jackc/pgx/v5/stdlib, which takes
// slices as arrays.
//
//	db, err := sql.Open("sqlite", "prakerja.db") // modernc.org/sqlite
//	store, err := sqlstore.Open(ctx, db, sqlstore.SQLite, nil)
//	engine, err := program.NewEngine(p, store, keyring, around, nil)
//
// Every change is one transaction, guarded by conditional updates and unique
// keys, never by an isolation level alone. What SQL can hold of the library's
// invariants the schema holds: one application per applicant and wave, one
// live payment per entitlement, approvers other than preparers.
package sqlstore
