package sqlstore

import (
	"context"
	"embed"
	"fmt"
)

//go:embed migrations/*.sql
var migrations embed.FS

// schemaVersion is the number of the newest migration.
const schemaVersion = 1

// TooNewError says that a newer release of the library has written the
// database. Use that release.
type TooNewError struct{ Found, Known int }

func (e *TooNewError) Error() string {
	return fmt.Sprintf("sqlstore: the database has schema %d, this release knows up to %d: use a newer release", e.Found, e.Known)
}

// migrate brings the schema up to date in one transaction, which both
// databases allow: a process killed half way leaves nothing behind.
func (s *Store) migrate(ctx context.Context) error {
	return s.transaction(ctx, func(tx *transaction) error {
		if lock := s.dialect.lockSchema(); lock != "" {
			if err := tx.run(lock); err != nil {
				return err
			}
		}
		version, err := tx.schemaVersion()
		if err != nil {
			return err
		}
		if version > schemaVersion {
			return &TooNewError{Found: version, Known: schemaVersion}
		}
		for n := version + 1; n <= schemaVersion; n++ {
			ddl, err := migrations.ReadFile(fmt.Sprintf("migrations/%04d.sql", n))
			if err != nil {
				return err
			}
			if err := tx.run(s.dialect.schema(string(ddl))); err != nil {
				return fmt.Errorf("sqlstore: migration %d: %w", n, err)
			}
		}
		if version == schemaVersion {
			return nil
		}
		_, err = tx.exec(s.dialect.sql("UPDATE gelombang_schema SET version = ?"), schemaVersion)
		return err
	})
}

func (tx *transaction) schemaVersion() (int, error) {
	var found int
	row := tx.conn.QueryRowContext(tx.ctx, tx.store.dialect.hasTable(), "gelombang_schema")
	if err := row.Scan(&found); err != nil {
		return 0, fmt.Errorf("sqlstore: look for the schema: %w", err)
	}
	if found == 0 {
		if err := tx.run("CREATE TABLE gelombang_schema (version INTEGER NOT NULL)"); err != nil {
			return 0, err
		}
		return 0, tx.run("INSERT INTO gelombang_schema VALUES (0)")
	}
	var version int
	if err := tx.conn.QueryRowContext(tx.ctx, "SELECT version FROM gelombang_schema").Scan(&version); err != nil {
		return 0, fmt.Errorf("sqlstore: read the schema's version: %w", err)
	}
	return version, nil
}
