package program

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/quota"
)

// Wave is a numbered intake: people may join from Opens up to and not
// including Closes.
type Wave struct {
	Number int64
	State  WaveState
	// Opens and Closes are UTC. Closes is zero for a standing intake.
	Opens, Closes time.Time

	body    waveBody
	version int64
}

// Plan returns the wave's plan of seats; nil for a wave without one.
func (w *Wave) Plan() *quota.Plan { return w.body.Plan }

// Manifest returns the draw's manifest, nil before the roll is frozen.
func (w *Wave) Manifest() *quota.Manifest { return w.body.Manifest }

// Seed returns the draw's seed, nil before the draw.
func (w *Wave) Seed() *quota.Seed { return w.body.Seed }

type waveBody struct {
	Plan        *quota.Plan     `json:"plan,omitempty"`
	Legal       calendar.Date   `json:"legal"`
	Frozen      time.Time       `json:"frozen,omitzero"`
	Manifest    *quota.Manifest `json:"manifest,omitempty"`
	Seed        *quota.Seed     `json:"seed,omitempty"`
	AppealSeats int64           `json:"appeal_seats,omitempty"`
	AppealsNext bool            `json:"appeals_next,omitempty"`
	// Attestations and Removals came with the seed.
	Attestations []quota.Attestation `json:"attestations,omitempty"`
	Removals     []quota.Removal     `json:"removals,omitempty"`
}

func (w *Wave) name() string { return strconv.FormatInt(w.Number, 10) }

// WaveState is the state of a wave.
type WaveState string

// The states of a wave, in order.
const (
	WavePlanned WaveState = "planned"
	WaveOpen    WaveState = "open"
	WaveClosed  WaveState = "closed"
	// WaveFreezing: the instant of freezing is fixed, the roll is being read.
	WaveFreezing  WaveState = "freezing"
	WaveFrozen    WaveState = "frozen"
	WaveDrawn     WaveState = "drawn"
	WaveAnnounced WaveState = "announced"
)

type waveEvent string

// WaveTable is the fixed lifecycle of a wave.
func WaveTable() lifecycle.Table[WaveState, waveEvent] {
	move := func(on waveEvent, from, to WaveState) lifecycle.Move[WaveState, waveEvent] {
		return lifecycle.Move[WaveState, waveEvent]{On: on, From: []WaveState{from}, To: to}
	}
	state := func(s WaveState) lifecycle.State[WaveState, waveEvent] {
		return lifecycle.State[WaveState, waveEvent]{State: s, Next: lifecycle.Officer, Final: s == WaveAnnounced, Wording: "wave." + string(s)}
	}
	return lifecycle.Table[WaveState, waveEvent]{
		Name: "wave", Version: 1, Start: WavePlanned, EventTexts: "wave.event.",
		States: []lifecycle.State[WaveState, waveEvent]{
			state(WavePlanned), state(WaveOpen), state(WaveClosed), state(WaveFreezing), state(WaveFrozen), state(WaveDrawn), state(WaveAnnounced),
		},
		Moves: []lifecycle.Move[WaveState, waveEvent]{
			move("open", WavePlanned, WaveOpen), move("close", WaveOpen, WaveClosed), move("fix", WaveClosed, WaveFreezing), move("freeze", WaveFreezing, WaveFrozen),
			move("draw", WaveFrozen, WaveDrawn), move("announce", WaveDrawn, WaveAnnounced),
		},
	}
}

// WaveOrder is what an officer decides about a new wave.
type WaveOrder struct {
	Number        int64
	Opens, Closes time.Time
	// Plan is how many seats there are, and for whom.
	Plan *quota.Plan
	// Legal is the date whose rules screen the wave; zero: the day it closes.
	Legal calendar.Date
	// AppealSeats are seats beside the plan, which no draw gives: those of appeals that
	// are upheld.
	AppealSeats int64
	// AppealsNext says that appeals against this wave take their seats in the next wave
	// that keeps some.
	AppealsNext bool
}

// PlanWave creates a wave and issues its seats. A plan of no seats is for a wave
// of seats that others lost: CarryOver. Errors: quota.Faults, a *FieldError,
// *KeyConflictError, *StaleError if the wave exists.
func (e *Engine[T]) PlanWave(ctx context.Context, by By, order WaveOrder) error {
	cmd := command{by, "wave.plan", order}
	if done, err := e.answered(ctx, cmd); done || err != nil {
		return err
	}
	if order.Number < 0 {
		return &FieldError{"Number", "is not below zero"}
	}
	if !order.Closes.IsZero() && !order.Closes.After(order.Opens) {
		return &FieldError{"Closes", "is after Opens"}
	}
	if order.Legal.IsZero() {
		if order.Closes.IsZero() {
			return &FieldError{"Legal", "is needed by a wave that does not close"}
		}
		order.Legal = calendar.DateOf(order.Closes.Add(-time.Microsecond), e.zone)
	}
	w := Wave{Number: order.Number, State: WavePlanned, Opens: order.Opens.UTC(), Closes: order.Closes.UTC(),
		body: waveBody{Plan: order.Plan, Legal: order.Legal, AppealSeats: order.AppealSeats, AppealsNext: order.AppealsNext}}
	var postings []ledger.Posting
	if order.Plan != nil {
		if err := e.planFits(order.Plan); err != nil {
			return err
		}
	}
	if order.Plan != nil && planSeats(order.Plan) > 0 { // others come by CarryOver
		issue, err := quota.Issue("wave/"+w.name()+"/issue", order.Plan, w.name())
		if err != nil {
			return err
		}
		postings = append(postings, issue)
	}
	if order.AppealSeats < 0 {
		return &FieldError{"AppealSeats", "is not below zero"}
	}
	if order.AppealSeats > 0 {
		at := appealPlace(w.Number)
		postings = append(postings, ledger.Posting{ID: "wave/" + w.name() + "/appeals", Legs: []ledger.Leg{
			{Account: at.Account(quota.Issued), Amount: -order.AppealSeats, Bounds: ledger.Between(-order.AppealSeats, 0)},
			{Account: at.Account(quota.Left), Amount: order.AppealSeats, Bounds: ledger.AtLeast(0)}}})
	}
	row, err := w.row()
	if err != nil {
		return err
	}
	_, err = e.carryOut(ctx, cmd, Change{Rows: []Row{row}, Postings: postings}, "wave.planned", map[string]any{"wave": w.Number})
	return err
}

// planFits checks a plan, and holds it against the program's limits that it names.
func (e *Engine[T]) planFits(p *quota.Plan) error {
	if err := p.Validate(); err != nil {
		return err
	}
	if err := e.program.planAdmits(p); err != nil {
		return err
	}
	for _, name := range p.Limits {
		i := slices.IndexFunc(e.program.Limits, func(l Limit) bool { return l.Name == name })
		if i < 0 {
			return &FieldError{"Plan.Limits", fmt.Sprintf("names %q, which the program does not have", name)}
		}
		if l := e.program.Limits[i]; l.Per == PerHousehold && int64(p.HouseholdCap) != l.Max {
			return &FieldError{"Plan.HouseholdCap", fmt.Sprintf("is not the %d of limit %q, which the plan must respect", l.Max, name)}
		}
	}
	return nil
}

func planSeats(p *quota.Plan) (seats int64) {
	for i := range p.Pools {
		seats += p.Pools[i].Seats
	}
	return seats
}

// OpenWave lets people join.
func (e *Engine[T]) OpenWave(ctx context.Context, by By, wave int64) error {
	return e.moveWave(ctx, by, wave, "open", nil, nil)
}

// CloseWave ends joining.
func (e *Engine[T]) CloseWave(ctx context.Context, by By, wave int64) error {
	return e.moveWave(ctx, by, wave, "close", nil, nil)
}

// Wave reads a wave. The error is ErrNotFound if there is none.
func (e *Engine[T]) Wave(ctx context.Context, wave int64) (Wave, error) {
	rows, err := e.store.Load(ctx, Query{Keys: []Key{{TableWaves, []any{wave}}}})
	if err != nil {
		return Wave{}, err
	}
	if len(rows.Rows) == 0 {
		return Wave{}, fmt.Errorf("wave %d: %w", wave, ErrNotFound)
	}
	return waveOf(rows.Rows[0])
}

// ErrNotFound says that there is no such wave, applicant, application, batch
// or job.
var ErrNotFound = errors.New("program: not found")

// StateError says that a wave or a batch is not in a state in which the
// command is possible.
type StateError struct {
	What  string
	State string
	Event string
}

func (e *StateError) Error() string {
	return fmt.Sprintf("program: %s is %s: %s is not possible", e.What, e.State, e.Event)
}

// moveWave fires an event of the wave's lifecycle; change adds to it.
func (e *Engine[T]) moveWave(ctx context.Context, by By, number int64, event waveEvent, payload any, change func(*Wave, *Change) error) error {
	cmd := command{by, "wave." + string(event), []any{number, payload}}
	if done, err := e.answered(ctx, cmd); done || err != nil {
		return err
	}
	w, err := e.Wave(ctx, number)
	if err != nil {
		return err
	}
	c := Change{}
	step, why := e.waves.Fire(w.State, event, nil, Moment{At: e.clock(), Actor: by.Actor}, nil)
	if len(why) > 0 {
		return &StateError{What: "wave " + w.name(), State: string(w.State), Event: string(event)}
	}
	w.State = step.To
	if change != nil {
		if err := change(&w, &c); err != nil {
			return err
		}
	}
	row, err := w.row()
	if err != nil {
		return err
	}
	c.Rows = append(c.Rows, row)
	_, err = e.carryOut(ctx, cmd, c, "wave."+string(step.To), map[string]any{"wave": number, "from": step.From, "to": step.To})
	return err
}
