package dbtest_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/program/sqlstore"
	"github.com/gelombang/gelombang/program/sqlstore/dbtest"
)

// crowdProgram lets cases go to and fro, each step with an effect.
func crowdProgram() *program.Program[canary] {
	facts := program.NewFacts[canary]()
	notify := []program.Effect{{Name: program.EffectNotify, Arg: "moved"}}
	return &program.Program[canary]{
		ID: "crowd", Facts: facts, Zone: "Asia/Jakarta",
		Policy: eligibility.Policy{Name: "crowd", Rules: []eligibility.Rule{{
			Code: "adult", Require: facts.BirthDate.AgeAtLeast(18), At: []string{"screen"}, Basis: eligibility.WithoutArticle("adults")}}},
		Lifecycle: program.Table{Name: "crowd", Version: 1, Start: "here",
			States: program.States{{State: "here", Next: lifecycle.Officer}, {State: "there", Next: lifecycle.Officer}, {State: "gone", Final: true}},
			Moves: program.Moves{
				{On: "go", From: []program.State{"here"}, To: "there", Do: notify},
				{On: "come", From: []program.State{"there"}, To: "here", Do: notify},
				{On: "leave", From: []program.State{"here", "there"}, To: "gone"},
			}},
	}
}

// crowd gives n made people, cheaply.
type crowd struct{ n int }

func (c crowd) Next(_ context.Context, done int64, limit int) ([]program.Registration[canary], error) {
	var some []program.Registration[canary]
	for i := int(done); i < c.n && len(some) < limit; i++ {
		some = append(some, program.Registration[canary]{Details: canary{"Sukamaju"}, Person: program.Person{
			Name: identity.NewName("Siti Aminah"), National: identity.NewSecret(fmt.Sprintf("317101%010d", i)), Family: identity.NewSecret(fmt.Sprintf("317102%010d", i/3)),
			Birth: calendar.Of(1990, time.January, 1), Phone: identity.NewSecret(fmt.Sprintf("0812%08d", i)),
			Payout: program.Payout{Provider: "BNINIDJA", Account: identity.NewSecret(fmt.Sprintf("%012d", i)), Holder: identity.NewName("Siti Aminah")}}})
	}
	return some, nil
}

func crowdEngine(b testing.TB, store program.Store, chunk int) *program.Engine[canary] {
	b.Helper()
	keys, err := program.NewLocalKeyring(bytes.Repeat([]byte{9}, 32), rand.Reader)
	require.NoError(b, err)
	e, err := program.NewEngine(crowdProgram(), store, keys, program.Surroundings{Clock: time.Now, Random: rand.Reader}, &program.Options{Chunk: chunk})
	require.NoError(b, err)
	return e
}

// gather registers n people and lets them join a standing intake.
func gather(b testing.TB, e *program.Engine[canary], n int) {
	b.Helper()
	ctx, by := b.Context(), program.By{Actor: "desk"}
	require.NoError(b, e.PlanWave(ctx, by, program.WaveOrder{Number: 1, Opens: time.Now().Add(-time.Hour), Legal: calendar.Of(2026, time.January, 1)}))
	require.NoError(b, e.OpenWave(ctx, by, 1))
	_, err := e.RegisterAll(ctx, by, "register", crowd{n})
	require.NoError(b, err)
	_, err = e.JoinAll(ctx, by, "join", 1, nil)
	require.NoError(b, err)
}

// BenchmarkImport1M registers a million people: identities sealed with a key each, found by
// digests, with their journal. It reports people a second.
func BenchmarkImport1M(b *testing.B) {
	const n = 1_000_000
	for range b.N {
		b.StopTimer()
		store, _ := dbtest.OpenSQLite(b, nil)
		e := crowdEngine(b, store, 10_000)
		b.StartTimer()
		counts, err := e.RegisterAll(b.Context(), program.By{Actor: "desk"}, "register", crowd{n})
		require.NoError(b, err)
		require.EqualValues(b, n, counts["registered"])
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "people/s")
}

// BenchmarkBulkTransitions moves 100,000 cases by one step, 10,000 in a transaction: with
// the engine, and the bare SQL that this comes down to, read and written the same way.
func BenchmarkBulkTransitions(b *testing.B) {
	const n = 100_000
	each := func(b *testing.B, store *sqlstore.Store, db *sql.DB, bare func(b *testing.B, db *sql.DB, to string)) {
		e := crowdEngine(b, store, 10_000)
		gather(b, e, n)
		turn := 0
		b.Run("engine", func(b *testing.B) {
			for range b.N {
				from, event := program.State("here"), program.Event("go")
				if turn%2 == 1 {
					from, event = "there", "come"
				}
				turn++
				counts, err := e.FireAll(b.Context(), program.By{Actor: "desk"}, fmt.Sprint("move ", turn), program.FireOrder[canary]{Wave: 1, States: []program.State{from}, Sealed: true,
					Report: func(*program.Case[canary]) (program.Report, bool) { return program.Report{Event: event}, true }})
				require.NoError(b, err)
				require.EqualValues(b, n, counts["done"])
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "cases/s")
		})
		b.Run("bare", func(b *testing.B) {
			for i := range b.N {
				bare(b, db, []string{"yonder", "hither"}[i%2])
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "cases/s")
		})
	}
	b.Run("sqlite", func(b *testing.B) {
		store, db := dbtest.OpenSQLite(b, nil)
		each(b, store, db, bareSQLite)
	})
	b.Run("postgres", func(b *testing.B) {
		store, db := dbtest.OpenPostgreSQL(b, postgres(b), nil)
		each(b, store, db, barePostgreSQL)
	})
}

const bareChunk = 10_000

// bareRow is what a step reads and writes of a case.
type bareRow struct {
	applicant []byte
	trail     []byte
	version   int64
}

func barePage(b *testing.B, q interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}, query string, after []byte) []bareRow {
	b.Helper()
	rows, err := q.QueryContext(b.Context(), query, after)
	require.NoError(b, err)
	defer rows.Close()
	all := make([]bareRow, 0, bareChunk)
	for rows.Next() {
		var r bareRow
		require.NoError(b, rows.Scan(&r.applicant, &r.trail, &r.version))
		all = append(all, r)
	}
	require.NoError(b, rows.Err())
	return all
}

// bareEntry is a journal entry of the size that the engine's has.
func bareEntry(rows []bareRow) []byte {
	data := make([]byte, 0, len(rows)*54)
	for _, r := range rows {
		data = fmt.Appendf(data, "%x,%x", r.applicant[:13], r.applicant[:13])
	}
	return data
}

func bareSQLite(b *testing.B, db *sql.DB, to string) {
	b.Helper()
	conn, err := db.Conn(b.Context())
	require.NoError(b, err)
	defer conn.Close()
	for _, pragma := range []string{"PRAGMA busy_timeout = 10000", "PRAGMA synchronous = FULL", "PRAGMA cache_size = -131072", "PRAGMA wal_autocheckpoint = 20000"} {
		_, err := conn.ExecContext(b.Context(), pragma)
		require.NoError(b, err)
	}
	update, err := conn.PrepareContext(b.Context(), "UPDATE applications SET version = version + 1, state = ?, entered = ?, trail = ? WHERE wave = 1 AND applicant = ? AND version = ?")
	require.NoError(b, err)
	defer update.Close()
	after, at := []byte{}, time.Now().UnixMicro()
	for {
		rows := barePage(b, conn, fmt.Sprint("SELECT applicant, trail, version FROM applications WHERE wave = 1 AND applicant > ? ORDER BY applicant LIMIT ", bareChunk), after)
		if len(rows) == 0 {
			return
		}
		after = rows[len(rows)-1].applicant
		_, err := conn.ExecContext(b.Context(), "BEGIN IMMEDIATE")
		require.NoError(b, err)
		for _, r := range rows {
			_, err := update.ExecContext(b.Context(), to, at, append(r.trail, 1, 1, 1, 1, 1), r.applicant, r.version)
			require.NoError(b, err)
		}
		bareJournal(b, conn, "?, ?, 'a', 'stepped', ?", bareEntry(rows), at)
		_, err = conn.ExecContext(b.Context(), "COMMIT")
		require.NoError(b, err)
	}
}

func bareJournal(b *testing.B, conn *sql.Conn, values string, data []byte, at int64) {
	b.Helper()
	var seq int64
	require.NoError(b, conn.QueryRowContext(b.Context(), "UPDATE journal_head SET seq = seq + 1 RETURNING seq").Scan(&seq))
	_, err := conn.ExecContext(b.Context(), "INSERT INTO journal (seq, at, actor, kind, data) VALUES ("+values+")", seq, at, data)
	require.NoError(b, err)
}

func barePostgreSQL(b *testing.B, db *sql.DB, to string) {
	b.Helper()
	conn, err := db.Conn(b.Context())
	require.NoError(b, err)
	defer conn.Close()
	after, at := []byte{}, time.Now().UnixMicro()
	for {
		rows := barePage(b, conn, fmt.Sprint("SELECT applicant, trail, version FROM applications WHERE wave = 1 AND applicant > $1 ORDER BY applicant LIMIT ", bareChunk), after)
		if len(rows) == 0 {
			return
		}
		after = rows[len(rows)-1].applicant
		ids, trails, versions := make([][]byte, len(rows)), make([][]byte, len(rows)), make([]int64, len(rows))
		for i, r := range rows {
			ids[i], trails[i], versions[i] = r.applicant, append(r.trail, 1, 1, 1, 1, 1), r.version
		}
		_, err := conn.ExecContext(b.Context(), "BEGIN")
		require.NoError(b, err)
		res, err := conn.ExecContext(b.Context(), `UPDATE applications AS t SET version = t.version + 1, state = $1, entered = $2, trail = v.trail
FROM unnest($3::bytea[], $4::bytea[], $5::bigint[]) AS v (applicant, trail, version) WHERE t.wave = 1 AND t.applicant = v.applicant AND t.version = v.version`, to, at, ids, trails, versions)
		require.NoError(b, err)
		changed, err := res.RowsAffected()
		require.NoError(b, err)
		require.EqualValues(b, len(rows), changed)
		bareJournal(b, conn, "$1, $2, 'a', 'stepped', $3", bareEntry(rows), at)
		_, err = conn.ExecContext(b.Context(), "COMMIT")
		require.NoError(b, err)
	}
}
