package program_test

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/program/memstore"
	"github.com/gelombang/gelombang/quota"
)

// admittingProgram admits as people come: whoever passes the check waits for a seat,
// and may give it up.
func admittingProgram() *program.Program[details] {
	p := testProgram()
	in := func(s ...program.State) []program.State { return s }
	seat := program.Holds{program.Seat}
	p.Lifecycle = program.Table{
		Name: "test", Version: 1, Start: "joined",
		States: program.States{
			{State: "joined", Next: lifecycle.Engine, Check: &program.Check{At: "join", Eligible: "passed", Ineligible: "failed", Pending: lifecycle.Stay}},
			{State: "queued", Next: lifecycle.Engine},
			{State: "out", Final: true},
			{State: "seated", Holds: seat, Next: lifecycle.Applicant},
			{State: "gave_up", Next: lifecycle.Applicant},
			{State: "done", Holds: seat, Final: true, Keeps: true},
		},
		Moves: program.Moves{
			{On: "passed", From: in("joined"), To: "queued"},
			{On: "failed", From: in("joined"), To: "out"},
			{On: program.Admitted, From: in("queued"), To: "seated", Needs: []string{"not-thirteenth"}},
			{On: "give-up", From: in("seated"), To: "gave_up"},
			{On: "again", From: in("gave_up"), To: "out"},
			{On: "finish", From: in("seated"), To: "done"},
		},
	}
	p.Benefits = nil
	p.Guards = map[string]program.Guard[details]{"not-thirteenth": func(c *program.Case[details], _ program.Moment, why []program.Reason) []program.Reason {
		if c.Applicant.Person.Name.Reveal() == "Orang 13" {
			return append(why, program.Reason{Code: "thirteenth"})
		}
		return why
	}}
	p.Policy.Rules = []eligibility.Rule{{Code: "adult", Require: p.Facts.BirthDate.AgeAtLeast(18), Basis: eligibility.Article("Law 1", "2"), At: []string{"join"}}}
	p.Limits = []program.Limit{{Name: "household", Per: program.PerHousehold, Max: 1}}
	p.Place = func(c *program.Case[details]) program.Placement {
		n := number(c.Applicant.Person.Name)
		place := program.Placement{Pool: c.Applicant.Details.Pool, Tier: n % 2}
		if n%3 == 0 {
			place.Groups = []string{"g"}
		}
		if c.Wave.Plan().Key != "" {
			place.Number = uint32(n % 5)
		}
		return place
	}
	return p
}

func number(name identity.Name) (n int) {
	_, _ = fmt.Sscanf(name.Reveal(), "Orang %d", &n)
	return n
}

func admittingPlan(order quota.Order, key quota.Key) *quota.Plan {
	return &quota.Plan{Name: "standing", Ticket: quota.PerPerson, Tiers: 2, Order: order, Key: key, Groups: []quota.Group{{Code: "g", Meaning: quota.ForAuditors}},
		Pools: []quota.Pool{
			{ID: "all", Seats: 3, Reserves: []quota.Reserve{{Group: "g", Seats: 1, Kind: quota.SetAside, Unfilled: quota.Keep}}},
			{ID: "north", Parent: "all", Seats: 5, Reserves: []quota.Reserve{{Group: "g", Seats: 2, Kind: quota.SetAside, Unfilled: quota.Keep}}},
			{ID: "south", Parent: "all", Seats: 4},
		}}
}

// model is the tests' own picture of a standing intake: who waits, and what is left.
type model struct {
	order     quota.Order
	key       quota.Key
	left      map[string]int
	waiting   []*waiter
	household map[string]int
	seats     map[uuid.UUID]string
	families  map[uuid.UUID]string
}

type waiter struct {
	id      uuid.UUID
	n, tick int
	receipt [16]byte
	family  string
}

func newModel(order quota.Order, key quota.Key) *model {
	return &model{order: order, key: key, left: map[string]int{"all/open": 2, "all/g": 1, "north/open": 3, "north/g": 2, "south/open": 4},
		household: map[string]int{}, seats: map[uuid.UUID]string{}, families: map[uuid.UUID]string{}}
}

// admit walks the whole queue, and takes the first place that each person has.
func (m *model) admit(most int) []uuid.UUID {
	slices.SortFunc(m.waiting, func(a, b *waiter) int {
		byNumber := 0
		switch m.key {
		case quota.Score:
			byNumber = b.n%5 - a.n%5
		case quota.Arrival:
			byNumber = a.n%5 - b.n%5
		}
		return cmp.Or(a.n%2-b.n%2, byNumber, a.tick-b.tick, slices.Compare(a.receipt[:], b.receipt[:]))
	})
	var got []uuid.UUID
	var rest []*waiter
	for _, w := range m.waiting {
		seat := m.find(w)
		if len(got) == most || seat == "" || w.n == 13 || m.household[w.family] > 0 {
			rest = append(rest, w)
			continue
		}
		m.left[seat]--
		m.household[w.family]++
		m.seats[w.id], m.families[w.id] = seat, w.family
		got = append(got, w.id)
	}
	m.waiting = rest
	return got
}

func (m *model) find(w *waiter) string {
	var all []string
	for _, pool := range []string{[]string{"north", "south"}[w.n%2], "all"} {
		open, reserved := pool+"/open", pool+"/g"
		switch {
		case w.n%3 != 0 || pool == "south":
			all = append(all, open)
		case m.order == quota.ReservedFirst:
			all = append(all, reserved, open)
		default:
			all = append(all, open, reserved)
		}
	}
	for _, seat := range all {
		if m.left[seat] > 0 {
			return seat
		}
	}
	return ""
}

func (m *model) giveUp(id uuid.UUID) {
	m.left[m.seats[id]]++
	m.household[m.families[id]]--
	delete(m.seats, id)
}

// A standing intake gives seats in the order that its plan says, to whoever comes and to
// whoever waits when seats come back; limits and guards hold, nobody is displaced, and
// the books agree. A model that walks the whole queue gives the same seats to the same
// people.
func TestAdmissionAsPeopleCome(t *testing.T) {
	for _, key := range []quota.Key{"", quota.Arrival, quota.Score} {
		for seed := range uint64(6) {
			random := rand.New(rand.NewPCG(seed, 8))
			order := []quota.Order{quota.OpenFirst, quota.ReservedFirst}[seed%2]
			ctx, by := t.Context(), program.By{Actor: "desk"}
			s := newStory(memstore.New())
			s.now = day(1)
			e, err := s.engineOf(t, admittingProgram())
			require.NoError(t, err)
			require.NoError(t, e.PlanWave(ctx, by, program.WaveOrder{Number: 1, Opens: day(1), Legal: calendar.Of(2026, time.January, 1), Plan: admittingPlan(order, key)}))
			require.NoError(t, e.OpenWave(ctx, by, 1))
			m := newModel(order, key)
			n := 0
			for step := range 60 {
				s.now = s.now.Add(time.Hour)
				switch random.IntN(4) {
				case 0, 1: // some people come
					for range 1 + random.IntN(3) {
						r := madePerson(n)
						r.Fault, r.Person.National, r.Person.Birth = nil, identity.NewSecret(national(n)), calendar.Of(1990, time.March, 1)
						id, err := e.Register(ctx, by, r)
						require.NoError(t, err)
						a, err := e.Join(ctx, by, 1, id)
						require.NoError(t, err)
						m.waiting = append(m.waiting, &waiter{id, n, step, a.Receipt, r.Person.Family.Reveal()})
						n++
					}
					_, err := e.CheckAll(ctx, by, fmt.Sprint("check ", step), 1, "joined")
					require.NoError(t, err)
				case 2: // somebody gives up
					if len(m.seats) > 0 {
						id := slices.MinFunc(slices.Collect(maps.Keys(m.seats)), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
						require.NoError(t, e.Fire(ctx, by, 1, id, program.Report{Event: "give-up"}))
						m.giveUp(id)
					}
				default:
					most := 1 + random.IntN(7)
					once := program.By{Actor: "desk", Key: fmt.Sprint("admit ", step)}
					want := m.admit(most)
					got, err := e.Admit(ctx, once, 1, most)
					require.NoError(t, err)
					require.Equal(t, want, got, "key %q, seed %d, step %d", key, seed, step)
					if len(got) > 0 {
						again, err := e.Admit(ctx, once, 1, most)
						require.NoError(t, err)
						require.Equal(t, got, again, "repeated under its key")
					}
					for _, id := range got {
						a, err := e.Application(ctx, 1, id)
						require.NoError(t, err)
						require.Equal(t, m.seats[id], a.Seat)
					}
				}
			}
			require.NotEmpty(t, m.seats)
			clean(t, e)
		}
	}
}

// Only Admit admits, only into a wave that takes people, and only as many as one change
// can hold.
func TestAdmissionIsTheEngines(t *testing.T) {
	ctx, by := t.Context(), program.By{Actor: "desk"}
	s := newStory(memstore.New())
	s.now = day(1)
	e, err := s.engineOf(t, admittingProgram())
	require.NoError(t, err)
	standing := program.WaveOrder{Number: 1, Opens: day(1), Legal: calendar.Of(2026, time.January, 1), Plan: admittingPlan(quota.OpenFirst, "")}
	var field *program.FieldError
	guaranteed := standing
	guaranteed.Plan = admittingPlan(quota.OpenFirst, "")
	guaranteed.Plan.Pools[0].Reserves[0].Kind, guaranteed.Plan.Pools[0].Reserves[0].Unfilled = quota.Guarantee, ""
	require.ErrorAs(t, e.PlanWave(ctx, by, guaranteed), &field, "a guarantee is for a draw")
	require.Equal(t, "Plan", field.Field)
	require.NoError(t, e.PlanWave(ctx, by, standing))
	var state *program.StateError
	_, err = e.Admit(ctx, by, 1, 1)
	require.ErrorAs(t, err, &state, "the wave is not open")
	require.NoError(t, e.OpenWave(ctx, by, 1))
	for _, most := range []int{0, 1 << 30} {
		_, err = e.Admit(ctx, by, 1, most)
		require.ErrorAs(t, err, &field)
	}
	nobody, err := e.Admit(ctx, by, 1, 1)
	require.NoError(t, err)
	require.Empty(t, nobody)
	id, err := e.Register(ctx, by, madePerson(1))
	require.NoError(t, err)
	_, err = e.Join(ctx, by, 1, id)
	require.NoError(t, err)
	_, err = e.CheckAll(ctx, by, "check", 1, "joined")
	require.NoError(t, err)
	var refused *program.RefusedError
	require.ErrorAs(t, e.Fire(ctx, by, 1, id, program.Report{Event: program.Admitted}), &refused)
	require.Equal(t, program.CodeAdmitOnly, refused.Reasons[0].Code)
	require.NoError(t, e.CloseWave(ctx, by, 1))
	got, err := e.Admit(ctx, by, 1, 1)
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{id}, got, "who joined before the end can still be admitted")
	clean(t, e)
}

// A table that would give a seat to somebody who was not checked, twice, or without a
// place to stand in is refused.
func TestAdmissionNeedsACheck(t *testing.T) {
	for want, spoil := range map[string]func(*program.Program[details]){
		`"sneak" from "gave_up" leads to waiting for a seat without a check`: func(p *program.Program[details]) {
			p.Lifecycle.Moves = append(p.Lifecycle.Moves, program.Moves{{On: "sneak", From: []program.State{"gave_up"}, To: "queued"}}...)
		},
		`come into a state that holds a seat, not "out"`: func(p *program.Program[details]) { p.Lifecycle.Moves[2].To = "out" },
		`come from a state without a seat, not "seated"`: func(p *program.Program[details]) {
			p.Lifecycle.Moves[2].From = append(p.Lifecycle.Moves[2].From, "seated")
		},
		"nobody waits for a seat in the first state": func(p *program.Program[details]) { p.Lifecycle.Start = "queued" },
		"either draws or admits": func(p *program.Program[details]) {
			p.Lifecycle.Moves = append(p.Lifecycle.Moves, program.Moves{{On: program.Drawn, From: []program.State{"queued"}, To: "seated"}}...)
		},
		"Place is missing": func(p *program.Program[details]) { p.Place = nil },
	} {
		p := admittingProgram()
		spoil(p)
		_, err := newStory(memstore.New()).engineOf(t, p)
		require.ErrorContains(t, err, want)
	}
}
