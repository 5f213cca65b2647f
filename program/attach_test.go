package program_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/program/memstore"
)

// Records are written together with what moves between accounts, or not at all; who
// decided on an older version is refused; the journal has digests and not bodies.
func TestRecords(t *testing.T) {
	s := newStory(memstore.New())
	s.now = day(1)
	e := s.engine(t)
	ctx, by := t.Context(), program.By{Actor: "officer"}
	whose := uuid.UUID{1}
	record := func(name, body string, version int64) program.Record {
		return program.Record{Kind: "note", Name: name, Applicant: whose, Of: "group", Body: []byte(body), Version: version}
	}
	move := func(n int64) []program.Post {
		return []program.Post{{From: "own/left", To: "own/taken", Amount: n, Bounds: ledger.Between(-3, 0)}}
	}
	require.NoError(t, e.Attach(ctx, by, program.Attached{Records: []program.Record{record("a", "first words", 0)}, Posts: move(2)}))
	var bound *ledger.BoundError
	require.ErrorAs(t, e.Attach(ctx, by, program.Attached{Records: []program.Record{record("b", "x", 0)}, Posts: move(2)}), &bound)
	_, err := e.Record(ctx, "note", "b")
	require.ErrorIs(t, err, program.ErrNotFound, "all or nothing")
	var stale *program.StaleError
	require.ErrorAs(t, e.Attach(ctx, by, program.Attached{Records: []program.Record{record("a", "x", 0)}}), &stale)
	require.NoError(t, e.Attach(ctx, by, program.Attached{Records: []program.Record{record("a", "second words", 1)}}))
	require.ErrorAs(t, e.Attach(ctx, by, program.Attached{Records: []program.Record{record("b", "x", 0)}, Unchanged: []program.Record{record("a", "", 1)}}), &stale)
	require.NoError(t, e.Attach(ctx, program.By{Actor: "officer", Key: "k"}, program.Attached{Records: []program.Record{record("b", "x", 0)}, Unchanged: []program.Record{record("a", "", 2)}}))
	require.NoError(t, e.Attach(ctx, program.By{Actor: "officer", Key: "k"}, program.Attached{Records: []program.Record{record("b", "x", 0)}, Unchanged: []program.Record{record("a", "", 2)}}), "the same command again")
	for _, which := range []program.RecordScan{{Kind: "note"}, {Kind: "note", Applicant: whose}, {Kind: "note", Of: "group"}} {
		var names []string
		require.NoError(t, e.Records(ctx, which, func(r program.Record) error {
			names = append(names, r.Name+" "+string(r.Body))
			return nil
		}))
		require.Equal(t, []string{"a second words", "b x"}, names)
	}
	require.NoError(t, e.Records(ctx, program.RecordScan{Kind: "note", Of: "another"}, func(program.Record) error { t.Fatal("another's"); return nil }))
	entries, err := s.store.Journal(ctx, 0, 100)
	require.NoError(t, err)
	digests := 0
	for _, entry := range entries {
		require.NotContains(t, string(entry.Data), "words")
		if entry.Kind == "recorded" {
			digests++
		}
	}
	require.Equal(t, 3, digests)
	var field *program.FieldError
	for _, bad := range []program.Attached{
		{Records: []program.Record{{Kind: "note", Name: "with space"}}}, {Records: []program.Record{{Name: "n"}}},
		{Posts: []program.Post{{From: "budget/available", To: "own/x", Amount: 1}}}, {Posts: []program.Post{{From: "own/x", To: "own/y"}}},
	} {
		require.ErrorAs(t, e.Attach(ctx, by, bad), &field)
	}
	clean(t, e)
}
