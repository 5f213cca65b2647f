package program_test

import (
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/memstore"
)

// What a case is entitled to is what was promised on the legal date of its wave, however
// late the event comes; of a wave for whose date nothing was promised nobody gets anything.
func TestAmountsAreThoseOfTheWavesLegalDate(t *testing.T) {
	change := calendar.Of(2026, time.March, 20)
	ctx, now := t.Context(), time.Date(2026, time.March, 2, 2, 0, 0, 0, time.UTC)
	p := seedGrant()
	p.Benefits = payment.Benefits{
		payment.Instalments("grant", 1, payment.Rupiah(500_000)).Between(calendar.Of(2026, time.March, 10), change, "first"),
		payment.Instalments("grant", 2, payment.Rupiah(700_000)).Between(change, calendar.Date{}, "second"),
	}
	keys, err := program.NewLocalKeyring(make([]byte, 32), rand.Reader)
	require.NoError(t, err)
	e, err := program.NewEngine(p, memstore.New(), keys, program.Surroundings{Clock: func() time.Time { return now }, Random: rand.Reader}, nil)
	require.NoError(t, err)
	by := program.By{Actor: "officer"}
	require.NoError(t, e.Fund(ctx, by, payment.Rupiah(10_000_000)))
	ani, err := e.Register(ctx, by, farmer("Ani", "3171014101900001", 2))
	require.NoError(t, err)
	for i, wave := range []struct {
		legal calendar.Date
		want  payment.Money // of this wave and those before
	}{{change.AddDays(-1), payment.Rupiah(500_000)}, {change, payment.Rupiah(1_900_000)}, {calendar.Of(2026, time.March, 9), payment.Money{}}} {
		n := int64(i + 1)
		require.NoError(t, e.PlanWave(ctx, by, program.WaveOrder{Number: n, Opens: now, Closes: now.AddDate(0, 2, 0), Legal: wave.legal}))
		require.NoError(t, e.OpenWave(ctx, by, n))
		_, err := e.Join(ctx, by, n, ani)
		require.NoError(t, err)
		_, err = e.CheckAll(ctx, by, "screen wave "+wave.legal.String(), n, "joined")
		require.NoError(t, err)
		err = e.Fire(ctx, by, n, ani, program.Report{Event: "visit"})
		if wave.want == (payment.Money{}) {
			var fault *program.FieldError
			require.True(t, errors.As(err, &fault), "%v", err)
			require.Equal(t, "benefit", fault.Field)
			continue
		}
		require.NoError(t, err)
		balances, err := e.TrialBalance(ctx, time.Time{})
		require.NoError(t, err)
		found := false
		for _, b := range balances {
			if b.Account == "entitled/grant" {
				found = true
				require.Equal(t, wave.want.Units, b.Units)
			}
		}
		require.True(t, found)
	}
}
