package dbtest_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/sqlstore"
	"github.com/gelombang/gelombang/program/sqlstore/dbtest"
)

// both runs a test on a fresh database of each kind.
func both(t *testing.T, run func(t *testing.T, store *sqlstore.Store, db *sql.DB, kind sqlstore.Database)) {
	t.Run("SQLite", func(t *testing.T) {
		store, db := dbtest.OpenSQLite(t, nil)
		run(t, store, db, sqlstore.SQLite)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		store, db := dbtest.OpenPostgreSQL(t, postgres(t), nil)
		run(t, store, db, sqlstore.PostgreSQL)
	})
}

// The tables in SQL have the columns that the catalogue promises, and a version.
func TestSchemaIsTheCatalogue(t *testing.T) {
	both(t, func(t *testing.T, _ *sqlstore.Store, db *sql.DB, _ sqlstore.Database) {
		for _, spec := range program.Tables() {
			rows, err := db.Query("SELECT * FROM " + spec.Name + " LIMIT 0")
			require.NoError(t, err)
			got, err := rows.Columns()
			require.NoError(t, err)
			require.NoError(t, rows.Close())
			var want []string
			for _, c := range spec.Columns {
				want = append(want, c.Name)
			}
			if spec.ReadOnly { // the store keeps more of it
				require.Subset(t, got, append(want, "version"), spec.Name)
				continue
			}
			require.ElementsMatch(t, append(want, "version"), got, spec.Name)
		}
	})
}

func TestAnOlderReleaseIsRefused(t *testing.T) {
	both(t, func(t *testing.T, _ *sqlstore.Store, db *sql.DB, kind sqlstore.Database) {
		_, err := db.Exec("UPDATE gelombang_schema SET version = 99")
		require.NoError(t, err)
		_, err = sqlstore.Open(t.Context(), db, kind, nil)
		var tooNew *sqlstore.TooNewError
		require.ErrorAs(t, err, &tooNew)
		require.Equal(t, 99, tooNew.Found)
	})
}

// Several processes that start together on an empty database all get it ready.
func TestManyMayStartTogether(t *testing.T) {
	for range 20 {
		startTogether(t, filepath.Join(t.TempDir(), "together.db"))
	}
}

func startTogether(t *testing.T, path string) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, 6)
	start := make(chan struct{})
	for i := range errs {
		wg.Go(func() {
			<-start
			db, err := sql.Open("sqlite", path)
			if err != nil {
				errs[i] = err
				return
			}
			defer db.Close()
			store, err := sqlstore.Open(t.Context(), db, sqlstore.SQLite, nil)
			if err == nil {
				err = store.Close()
			}
			errs[i] = err
		})
	}
	close(start)
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
}

// SQL itself holds what it can of the invariants, whoever writes.
func TestSQLHoldsInvariants(t *testing.T) {
	both(t, func(t *testing.T, _ *sqlstore.Store, db *sql.DB, _ sqlstore.Database) {
		for name, statement := range map[string]string{
			"approver is not the preparer": "INSERT INTO batches VALUES (1,'approved','b',1,4,0,0,'IDR','same','same',NULL,'',1)",
			"approved needs an approver":   "INSERT INTO batches VALUES (1,'approved','b',1,4,0,0,'IDR','one',NULL,NULL,'',1)",
			"releaser is neither of them":  "INSERT INTO batches VALUES (1,'submitted','b',1,4,0,0,'IDR','one','two','two','',1)",
			"released needs a releaser":    "INSERT INTO batches VALUES (1,'submitted','b',1,4,0,0,'IDR','one','two',NULL,'',1)",
			"a wave closes after it opens": "INSERT INTO waves VALUES (4,'open',10,5,'',1)",
			"a wave's state is known":      "INSERT INTO waves VALUES (4,'ajar',10,20,'',1)",
			"a version is above zero":      "INSERT INTO waves VALUES (4,'open',10,20,'',0)",
		} {
			_, err := db.Exec(statement)
			require.Error(t, err, name)
		}
		_, err := db.Exec("INSERT INTO waves VALUES (4,'open',10,20,'',1)")
		require.NoError(t, err, "control: a good row is taken")
	})
}

func TestAnUnusableDatabaseIsSaidPlainly(t *testing.T) {
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "no", "folder", "x.db"))
	require.NoError(t, err)
	defer db.Close()
	_, err = sqlstore.Open(t.Context(), db, sqlstore.SQLite, nil)
	require.Error(t, err)
	db.SetMaxOpenConns(2)
	_, err = sqlstore.Open(t.Context(), db, sqlstore.SQLite, nil)
	require.ErrorContains(t, err, fmt.Sprint(2))
	_, err = sqlstore.Open(t.Context(), db, 9, nil)
	require.Error(t, err)
}
