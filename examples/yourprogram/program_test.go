package main

import (
	"bytes"
	"crypto/rand"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/memstore"
)

// A kiosk that nobody visits within thirty days loses its seat to the next who waits.
func TestASeatGoesToTheNextWhoWaits(t *testing.T) {
	now := time.Date(2026, time.March, 2, 3, 0, 0, 0, time.UTC)
	definition, err := kioskGrant()
	require.NoError(t, err)
	keys, err := program.NewLocalKeyring(make([]byte, 32), rand.Reader)
	require.NoError(t, err)
	e, err := program.NewEngine(definition, memstore.New(), keys,
		program.Surroundings{Clock: func() time.Time { return now }, Random: rand.Reader}, nil)
	require.NoError(t, err)

	ctx, by := t.Context(), program.By{Actor: "test"}
	require.NoError(t, e.Fund(ctx, by, payment.Rupiah(10_000_000)))
	require.NoError(t, e.PlanWave(ctx, by, program.WaveOrder{Number: 1, Opens: now, Legal: calendar.Of(2026, time.March, 2), Plan: plan()}))
	require.NoError(t, e.OpenWave(ctx, by, 1))
	var ids []uuid.UUID
	for _, owner := range []program.Registration[Kiosk]{kiosk("Sari", "3171016005850001", "north", 1), kiosk("Joko", "3171012005850002", "north", 1)} {
		id, err := e.Register(ctx, by, owner)
		require.NoError(t, err)
		_, err = e.Join(ctx, by, 1, id)
		require.NoError(t, err)
		ids = append(ids, id)
		now = now.Add(time.Minute)
	}
	_, err = e.CheckAll(ctx, by, "check", 1, "joined")
	require.NoError(t, err)
	admitted, err := e.Admit(ctx, by, 1, 10)
	require.NoError(t, err)
	require.Equal(t, ids[:1], admitted, "the north has one seat, and Sari came first")

	now = now.AddDate(0, 0, 31)
	_, err = e.Tick(ctx, by, "tick 1", 1)
	require.NoError(t, err)
	admitted, err = e.Admit(ctx, by, 1, 10)
	require.NoError(t, err)
	require.Equal(t, ids[1:], admitted)
	breaches, err := e.Verify(ctx)
	require.NoError(t, err)
	require.Empty(t, breaches)
}

// The first day can be run again: the second time changes nothing.
func TestTheFirstDayRunsTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kiosk.db")
	var first, second bytes.Buffer
	require.NoError(t, run(t.Context(), path, &first))
	require.NoError(t, run(t.Context(), path, &second))
	require.Contains(t, first.String(), "Sari: granted\nJoko: waiting\n")
	require.Contains(t, second.String(), "Sari: granted\nJoko: waiting\n")
}
