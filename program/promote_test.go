package program_test

import (
	"bytes"
	"crypto/ed25519"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/program/memstore"
	"github.com/gelombang/gelombang/quota"
)

// waitingProgram is the tests' program with waiting lists: whoever is not
// selected waits. Half of the people are of group g.
func waitingProgram() *program.Program[details] {
	p := testProgram()
	t := &p.Lifecycle
	t.States = append(t.States, program.States{{State: "waiting", Next: lifecycle.Engine}}...)
	for i := range t.Moves {
		if t.Moves[i].On == program.NotSelected {
			t.Moves[i].To = "waiting"
		}
	}
	t.Moves = append(t.Moves,
		program.Moves{{On: program.Promoted, From: []program.State{"waiting"}, To: "accepted", Do: []program.Effect{{Name: "entitle", Arg: "balance"}}}}...)
	p.Place = func(c *program.Case[details]) program.Placement {
		place := program.Placement{Pool: c.Applicant.Details.Pool}
		if c.Application.Receipt[1] < 128 {
			place.Groups = []string{"g"}
		}
		return place
	}
	return p
}

func waitingPlan(waiting int64) *quota.Plan {
	return &quota.Plan{Name: "test-1", Ticket: quota.PerPerson, Tiers: 1, HouseholdCap: 1, Limits: []string{"household", "once"}, Waiting: waiting,
		Order: quota.OpenFirst, Groups: []quota.Group{{Code: "g", Meaning: quota.ForAuditors}}, Pools: []quota.Pool{
			{ID: "all"},
			{ID: "north", Parent: "all", Seats: 6, Reserves: []quota.Reserve{{Group: "g", Seats: 3, Kind: quota.SetAside, Unfilled: quota.Keep}}},
			{ID: "south", Parent: "all", Seats: 3},
		}}
}

// drawnStory is a story of a program with waiting lists up to the announcement of
// wave 1.
func drawnStory(t testing.TB, plan *quota.Plan) (*story, *program.Engine[details]) {
	s := newStory(memstore.New())
	s.now = day(1)
	e, err := s.engineOf(t, waitingProgram())
	require.NoError(t, err)
	runWave(t, s, e, 1, plan, func(i int) bool { return true })
	return s, e
}

// runWave runs a wave from its plan to its announcement.
func runWave(t testing.TB, s *story, e *program.Engine[details], wave int64, plan *quota.Plan, joins func(int) bool) {
	ctx, by := t.Context(), program.By{Actor: "planner"}
	job := func(_ program.Counts, err error) { require.NoError(t, err) }
	opens := s.now
	if wave == 1 {
		require.NoError(t, e.Fund(ctx, program.By{Actor: "treasury", Key: "fund"}, payment.Rupiah(100_000)))
		job(e.RegisterAll(ctx, by, "register", people{n: 120}))
	}
	if plan != nil {
		require.NoError(t, e.PlanWave(ctx, by, program.WaveOrder{Number: wave, Opens: opens, Closes: opens.AddDate(0, 0, 1), Plan: plan}))
	}
	name := string(rune('0' + wave))
	require.NoError(t, e.OpenWave(ctx, by, wave))
	s.now = opens.Add(time.Hour)
	n := 0
	job(e.JoinAll(ctx, by, "join"+name, wave, func(a *program.Applicant[details]) bool { n++; return joins(n) }))
	s.now = opens.AddDate(0, 0, 1)
	require.NoError(t, e.CloseWave(ctx, by, wave))
	job(e.CheckAll(ctx, by, "screen"+name, wave, "joined"))
	s.now = s.now.Add(time.Hour)
	require.NoError(t, e.Freeze(ctx, by, wave, program.FreezeOrder{Number: 1, Due: s.now.Add(time.Hour), Source: quota.Source{Beacon: &quota.Beacon{Name: "test", Chain: "test", Round: 7}}}))
	w, err := e.Wave(ctx, wave)
	require.NoError(t, err)
	digest, err := w.Manifest().Digest()
	require.NoError(t, err)
	s.now = s.now.Add(time.Hour)
	require.NoError(t, e.Draw(ctx, by, wave, program.DrawOrder{Seed: &quota.Seed{Manifest: digest, Beacon: strings.Repeat("5a", 32)}}))
	job(e.Announce(ctx, by, "announce"+name, wave))
}

// seats are the cases that have a seat or had one, by its name.
func seats(t testing.TB, e *program.Engine[details], wave int64) map[uuid.UUID]program.Application {
	all := map[uuid.UUID]program.Application{}
	require.NoError(t, e.Cases(t.Context(), wave, []program.State{"accepted", "bought", "revoked", "waiting", "out", "done", "failed", "in_roll", "joined"}, false, func(c *program.Case[details]) error {
		all[c.Application.Applicant] = c.Application
		return nil
	}))
	return all
}

func clean(t testing.TB, e *program.Engine[details]) {
	t.Helper()
	breaches, err := e.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, breaches)
}

// Seats that come back go to the first who wait and fit, in the order that the
// proof gives; nobody loses a seat, no household has two, and the books and the
// journal agree. A repeated command has the first answer.
func TestPromotionFromTheWaitingList(t *testing.T) {
	s, e := drawnStory(t, waitingPlan(4))
	ctx := t.Context()
	clean(t, e)
	before := seats(t, e, 1)
	var bound *ledger.BoundError
	order := program.PromoteOrder{Pool: "north", Group: "g", Seats: 2}
	_, err := e.Promote(ctx, program.By{Actor: "clerk"}, 1, order)
	require.ErrorAs(t, err, &bound, "no seat is left: nobody is displaced")

	// Ten days later everybody's offer is over: all seats come back.
	s.now = s.now.AddDate(0, 0, 12)
	_, err = e.Tick(ctx, program.By{Actor: "clock"}, "overdue", 1)
	require.NoError(t, err)
	clean(t, e)
	by := program.By{Actor: "clerk", Key: "promote-1"}
	promoted, err := e.Promote(ctx, by, 1, order)
	require.NoError(t, err)
	require.NotEmpty(t, promoted)
	again, err := e.Promote(ctx, by, 1, order)
	require.NoError(t, err)
	require.Equal(t, promoted, again)
	order.Seats = 1
	var conflict *program.KeyConflictError
	_, err = e.Promote(ctx, by, 1, order)
	require.ErrorAs(t, err, &conflict)
	clean(t, e)

	after := seats(t, e, 1)
	households := map[uuid.UUID]int{}
	for id, a := range after {
		was := before[id]
		if a.State == "accepted" {
			households[a.Household]++
			require.Equal(t, "held", a.SeatState)
			require.Equal(t, program.State("waiting"), was.State)
			require.Equal(t, "north/g", a.Seat)
			require.Contains(t, a.Placement.Groups, "g")
			require.Contains(t, promoted, id)
		} else if was.SeatState == "" {
			require.Empty(t, a.SeatState)
		}
	}
	for household, n := range households {
		require.LessOrEqual(t, n, 1, household)
	}
	open, err := e.Promote(ctx, program.By{Actor: "clerk"}, 1, program.PromoteOrder{Pool: "south", Seats: 3})
	require.NoError(t, err)
	require.NotEmpty(t, open)
	for _, id := range open {
		require.Equal(t, "south", seats(t, e, 1)[id].Placement.Pool)
	}
	clean(t, e)
	entries, err := s.store.Journal(ctx, 0, 10_000)
	require.NoError(t, err)
	last := entries[len(entries)-1]
	require.Equal(t, "stepped", last.Kind)
	require.Contains(t, string(last.Data), `"promoted"`)
	var refused *program.RefusedError
	require.ErrorAs(t, e.Fire(ctx, program.By{Actor: "clerk"}, 1, open[0], program.Report{Event: program.Promoted}), &refused, "only Promote gives a seat")

	var field *program.FieldError
	for _, wrong := range []program.PromoteOrder{{Pool: "west", Seats: 1}, {Pool: "north", Group: "h", Seats: 1}, {Pool: "north"}, {Pool: "north", Group: "g", Only: "g", Seats: 1}} {
		_, err = e.Promote(ctx, program.By{Actor: "clerk"}, 1, wrong)
		require.ErrorAs(t, err, &field)
	}
}

// A lifecycle that gives a seat by promotion to somebody who has one is refused.
func TestPromotionGivesASeatOnce(t *testing.T) {
	p := waitingProgram()
	p.Lifecycle.Moves[len(p.Lifecycle.Moves)-1].From = []program.State{"bought"}
	_, err := newStory(memstore.New()).engineOf(t, p)
	require.ErrorContains(t, err, "promoted")
}

// Seats that nobody has at the end of a wave are carried into the plan of a later
// one and drawn there: no seat appears or vanishes, the later wave says which one
// lost them, and the proof of its draw holds.
func TestSeatsOfAWaveAreCarriedToALaterOne(t *testing.T) {
	s, e := drawnStory(t, waitingPlan(0))
	ctx, by := t.Context(), program.By{Actor: "planner", Key: "carry"}
	var state *program.StateError
	s.now = s.now.AddDate(0, 0, 12)
	_, err := e.Tick(ctx, program.By{Actor: "clock"}, "overdue", 1)
	require.NoError(t, err)
	none := waitingPlan(0)
	none.Pools = []quota.Pool{{ID: "north"}, {ID: "south"}}
	require.NoError(t, e.PlanWave(ctx, program.By{Actor: "planner"}, program.WaveOrder{Number: 2, Opens: s.now, Closes: s.now.AddDate(0, 0, 1), Plan: none}))
	_, err = e.CarryOver(ctx, program.By{Actor: "planner"}, 2, 1, "north")
	require.Error(t, err, "not back in time")
	_, err = e.CarryOver(ctx, program.By{Actor: "planner"}, 1, 2, "west")
	var field *program.FieldError
	require.ErrorAs(t, err, &field)

	carried, err := e.CarryOver(ctx, by, 1, 2, "south")
	require.NoError(t, err)
	require.EqualValues(t, 9, carried, "every seat of wave 1 came back")
	again, err := e.CarryOver(ctx, by, 1, 2, "south")
	require.NoError(t, err)
	require.Equal(t, carried, again, "the same again has the first answer")
	nothing, err := e.CarryOver(ctx, program.By{Actor: "planner"}, 1, 2, "south")
	require.NoError(t, err)
	require.Zero(t, nothing)
	clean(t, e)
	w, err := e.Wave(ctx, 2)
	require.NoError(t, err)
	require.Equal(t, carried, w.Plan().Pools[1].Seats)
	south := quota.Place{Wave: "2", Pool: "south"}
	balances, err := s.store.Balances(ctx, south.From("1"), south.Account(quota.Left), south.Account(quota.Issued))
	require.NoError(t, err)
	require.EqualValues(t, 9, balances[0].Posted, "traced to the wave that lost them")
	require.EqualValues(t, 9, balances[1].Posted)
	require.Zero(t, balances[2].Posted, "the restored wave has no seat of its own")
	entries, err := s.store.Journal(ctx, 0, 10_000)
	require.NoError(t, err)
	require.Equal(t, "wave.carried", entries[len(entries)-1].Kind)
	require.Contains(t, string(entries[len(entries)-1].Data), `"seats":9`)

	runWave(t, s, e, 2, nil, func(int) bool { return true })
	clean(t, e)
	files := map[string]*bytes.Buffer{}
	require.NoError(t, e.WriteProof(ctx, 2, func(name string) (io.WriteCloser, error) {
		files[name] = &bytes.Buffer{}
		return nopCloser{files[name]}, nil
	}))
	dir := t.TempDir()
	writeFiles(t, dir, files)
	require.NoError(t, quota.VerifyProof(dirFS(dir)))
	_, err = e.CarryOver(ctx, program.By{Actor: "planner"}, 1, 2, "south")
	require.ErrorAs(t, err, &state, "too late: it is drawn")
}

// Between the freeze and the seed everybody on the roll can have a signed receipt:
// it is that of the line in the proof. Before and after there is none.
func TestReceiptsAreHandedOutBeforeTheSeed(t *testing.T) {
	s := newStory(memstore.New())
	s.until = 5
	require.NoError(t, s.run(t))
	ctx, e := t.Context(), s.engine(t)
	public, private, err := ed25519.GenerateKey(rand.NewChaCha8([32]byte{3}))
	require.NoError(t, err)
	var some []uuid.UUID
	var left uuid.UUID
	for id, a := range seats(t, e, 1) {
		if a.State == "in_roll" {
			some = append(some, id)
		} else {
			left = id
		}
	}
	var state *program.StateError
	_, err = e.Receipt(ctx, 1, some[0], private)
	require.ErrorAs(t, err, &state, "the roll is not frozen")
	s.now = day(6)
	require.NoError(t, e.Freeze(ctx, program.By{Actor: "planner"}, 1, program.FreezeOrder{Number: 1, Due: day(7), Source: quota.Source{Beacon: &quota.Beacon{Name: "test", Chain: "test", Round: 7}}}))
	s.now = day(6).Add(time.Hour)
	receipts := map[uuid.UUID]*quota.Receipt{}
	for _, id := range some {
		receipts[id], err = e.Receipt(ctx, 1, id, private)
		require.NoError(t, err)
		require.NoError(t, quota.VerifyReceipt(public, receipts[id]))
		require.NoError(t, e.OpenCommitment(ctx, 1, id))
	}
	_, err = e.Receipt(ctx, 1, left, private)
	require.ErrorIs(t, err, program.ErrNotFound)
	s.now = day(7)
	_, err = e.Receipt(ctx, 1, some[0], private)
	require.ErrorAs(t, err, &state, "the seed may be known")
	require.NoError(t, s.draw(ctx, e, program.By{Actor: "planner"}))
	files := map[string]*bytes.Buffer{}
	require.NoError(t, e.WriteProof(ctx, 1, func(name string) (io.WriteCloser, error) {
		files[name] = &bytes.Buffer{}
		return nopCloser{files[name]}, nil
	}))
	roll := files[quota.RollFile].String()
	for _, r := range receipts {
		require.Contains(t, roll, "\n"+r.Label.String()+"\t")
		require.Contains(t, roll, "\t"+r.Commitment.String()+"\n")
	}
	require.Equal(t, len(receipts), strings.Count(roll, "\n")-1)
}

// A plan by score is drawn by score: the number of a placement reaches the roll.
// In a lottery a number is refused, so that nobody believes that it counts.
func TestAPlanByScoreIsDrawnByScore(t *testing.T) {
	for _, key := range []quota.Key{quota.Score, quota.Arrival, quota.Lottery} {
		s := newStory(memstore.New())
		s.now = day(1)
		p := waitingProgram()
		f := program.NewFacts[details]() // without a limit for households
		p.Facts, p.Limits = f, p.Limits[:1]
		p.Policy.Rules = []eligibility.Rule{{Code: "adult", Require: f.BirthDate.AgeAtLeast(18), Basis: eligibility.Article("Law 1", "2"), At: []string{"screen", "payout"}}}
		p.Place = func(c *program.Case[details]) program.Placement {
			return program.Placement{Pool: "all", Number: 1 + uint32(c.Application.Receipt[2])}
		}
		plan := &quota.Plan{Name: "score", Ticket: quota.PerPerson, Tiers: 1, Key: key, Pools: []quota.Pool{{ID: "all", Seats: 7}}}
		e, err := s.engineOf(t, p)
		require.NoError(t, err)
		ctx, by := t.Context(), program.By{Actor: "planner"}
		if key == quota.Lottery {
			_, err = e.RegisterAll(ctx, by, "register", people{n: 20})
			require.NoError(t, err)
			require.NoError(t, e.PlanWave(ctx, by, program.WaveOrder{Number: 1, Opens: s.now, Closes: day(2), Plan: plan}))
			require.NoError(t, e.OpenWave(ctx, by, 1))
			_, err = e.JoinAll(ctx, by, "join", 1, func(*program.Applicant[details]) bool { return true })
			require.NoError(t, err)
			s.now = day(2)
			require.NoError(t, e.CloseWave(ctx, by, 1))
			_, err = e.CheckAll(ctx, by, "screen", 1, "joined")
			require.ErrorContains(t, err, "Placement.Number")
			continue
		}
		runWave(t, s, e, 1, plan, func(int) bool { return true })
		var with, without []uint32
		for _, a := range seats(t, e, 1) {
			switch {
			case a.SeatState == "held":
				with = append(with, a.Placement.Number)
			case a.Placed:
				without = append(without, a.Placement.Number)
			}
		}
		require.Len(t, with, 7)
		require.NotEmpty(t, without)
		if key == quota.Score {
			require.GreaterOrEqual(t, slices.Min(with), slices.Max(without))
		} else {
			require.LessOrEqual(t, slices.Max(with), slices.Min(without))
		}
		clean(t, e)
	}
}

// A plan that names a limit of the program respects it, or is refused.
func TestPlansRespectTheLimitsThatTheyName(t *testing.T) {
	s := newStory(memstore.New())
	s.now = day(1)
	ctx, e := t.Context(), s.engine(t)
	for name, change := range map[string]func(*quota.Plan){
		"no such limit": func(p *quota.Plan) { p.Limits = []string{"none"} },
		"another cap":   func(p *quota.Plan) { p.Limits, p.HouseholdCap = []string{"household"}, 2 },
		"no cap":        func(p *quota.Plan) { p.Limits, p.HouseholdCap = []string{"household"}, 0 },
		"":              func(p *quota.Plan) { p.Limits = []string{"household", "once"} },
	} {
		plan := testPlan()
		change(plan)
		err := e.PlanWave(ctx, program.By{Actor: "planner"}, program.WaveOrder{Number: 1, Opens: day(2), Closes: day(5), Plan: plan})
		var field *program.FieldError
		if name != "" {
			require.ErrorAs(t, err, &field, name)
		} else {
			require.NoError(t, err, "the control")
		}
	}
}
