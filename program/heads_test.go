package program_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/memstore"
)

// Firms get an amount for each worker; the budget is taken for what each gets, and no
// more; one without a worker is entitled to nothing.
func TestBenefitPerHead(t *testing.T) {
	p := admittingProgram()
	p.Benefits = payment.Benefits{payment.PerHead("wages", payment.Rupiah(600), 5)}
	heads := map[string]int64{"Orang 0": 3, "Orang 1": 0, "Orang 2": 9}
	p.Heads = map[string]func(*program.Case[details]) int64{
		"wages": func(c *program.Case[details]) int64 { return heads[c.Applicant.Person.Name.Reveal()] },
	}
	p.Lifecycle.Moves[0].Do = []program.Effect{{Name: program.EffectEntitle, Arg: "wages"}}
	s := newStory(memstore.New())
	s.now = day(1)
	e, err := s.engineOf(t, p)
	require.NoError(t, err)
	ctx, by := t.Context(), program.By{Actor: "officer"}
	require.NoError(t, e.Fund(ctx, by, payment.Rupiah(10_000)))
	require.NoError(t, e.PlanWave(ctx, by, program.WaveOrder{Number: 1, Opens: day(1), Closes: day(9), Plan: admittingPlan("open-first", "")}))
	require.NoError(t, e.OpenWave(ctx, by, 1))
	for i := range 3 {
		id, err := e.Register(ctx, by, madePerson(i))
		require.NoError(t, err)
		_, err = e.Join(ctx, by, 1, id)
		require.NoError(t, err)
	}
	counts, err := e.CheckAll(ctx, by, "check", 1, "joined")
	require.NoError(t, err)
	require.EqualValues(t, 2, counts["entitled.wages"])
	require.Equal(t, payment.Rupiah(600*(3+5)).Units, counts["entitled_amount.wages"], "nine workers, but five at most")
	clean(t, e)
	balances, err := e.TrialBalance(ctx, day(30))
	require.NoError(t, err)
	require.Contains(t, balances, program.Balance{Account: "entitled/wages", Units: payment.Rupiah(4800).Units})
}

// A benefit per head without a count of heads is a fault, and so is the other way round.
func TestHeadsAreDeclared(t *testing.T) {
	p := testProgram()
	p.Benefits = append(p.Benefits, payment.PerHead("wages", payment.Rupiah(600), 5))
	p.Heads = map[string]func(*program.Case[details]) int64{"cash": func(*program.Case[details]) int64 { return 1 }}
	_, err := newStory(memstore.New()).engineOf(t, p)
	require.ErrorContains(t, err, "Heads.wages is missing")
	require.ErrorContains(t, err, "Heads.cash is of no benefit per head")
}
