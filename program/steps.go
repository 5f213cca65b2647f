package program

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/quota"
)

// steps gathers what a set of decided moves writes: rows, postings and the
// journal entry, to be applied as one change.
type steps[T any] struct {
	engine *Engine[T]
	ctx    context.Context // of the chunk or command that gathers them
	wave   *Wave
	at     time.Time
	actor  string
	behalf string // who delegated the power to the actor

	rows      []Row
	posts     postings
	groups    []stepGroup
	index     map[stepKind]int
	notes     map[string][]string
	records   []RecordNote
	unchanged []Expected
	refuse    map[string][]string
	counts    Counts
	why       []Reason
}

// stepKind and stepGroup are how the journal writes steps: cases that made the
// same move together.
type stepKind struct {
	Wave  int64 `json:"wave"`
	Event Event `json:"event,omitempty"`
	From  State `json:"from,omitempty"`
	To    State `json:"to"`
	// Edition is the version of the table that decided.
	Edition int `json:"edition"`
	// AsOf is the instant for which a late report was decided; zero if that is the
	// entry's own.
	AsOf time.Time `json:"as_of,omitzero"`
}

type stepGroup struct {
	stepKind
	Cases []string `json:"cases"`
}

// stepData is the data of a "stepped" entry.
type stepData struct {
	Steps []stepGroup `json:"steps"`
	// Notices lists by template whom to tell what.
	Notices map[string][]string `json:"notices,omitempty"`
	// Notes are those of the agency's own effects.
	Notes map[string][]string `json:"notes,omitempty"`
	// Records are those that were written with the steps.
	Records []RecordNote `json:"records,omitempty"`
	// Refused lists by reason the cases of a job that stayed as they were.
	Refused map[string][]string `json:"refused,omitempty"`
}

// newSteps begins to gather steps of cases of one wave. They are decided on the
// wave as it was read, and never before the instant at which its roll was
// frozen.
func (e *Engine[T]) newSteps(ctx context.Context, actor string, w *Wave) *steps[T] {
	at := e.clock().UTC()
	if frozen := w.body.Frozen; !at.After(frozen) {
		at = frozen.Add(time.Microsecond)
	}
	return &steps[T]{engine: e, ctx: ctx, wave: w, at: at, actor: actor, posts: postings{}, index: map[stepKind]int{},
		notes: map[string][]string{}, refuse: map[string][]string{}, counts: Counts{}}
}

// refused counts a case that stays as it is, and names it in the journal.
func (s *steps[T]) refused(a *Application, reason string) {
	s.counts["refused."+reason]++
	s.refuse[reason] = append(s.refuse[reason], shortID(a.Applicant))
}

// fire decides the report's event for the case and gathers what follows. The
// reasons are nil if the move was made; they are valid until the next call.
func (s *steps[T]) fire(c *Case[T], report Report, fired *lifecycle.Running) ([]Reason, error) {
	a := &c.Application
	c.Report = report
	at := s.moment(a, report)
	at.Fired = fired
	step, why := s.engine.under(a).machine.Fire(a.State, report.Event, c, at, s.why[:0])
	s.why = why
	if len(why) > 0 {
		return why, nil
	}
	for _, effect := range step.Do {
		if effect.Name == EffectSpend && s.lapsed(a, report, effect.Arg) {
			s.why = append(s.why, Reason{Code: CodeBalanceLapsed})
			return s.why, nil
		}
	}
	s.enter(a, TrailStep{Event: report.Event, To: step.To, AsOf: at.At}, step.Running(at))
	if slices.Contains(step.Releases, Seat) {
		s.releaseSeat(a)
	}
	if slices.Contains(step.Takes, Seat) {
		if err := s.takeSeat(a); err != nil {
			return nil, err
		}
	}
	for _, effect := range step.Do {
		if err := s.carryOut(c, effect); err != nil {
			return nil, err
		}
	}
	return nil, s.attach(&c.Report.Attached)
}

// moment is when a report about a case is decided: now, or, if it comes after the
// case's deadline and tells of something before it, then.
func (s *steps[T]) moment(a *Application, report Report) Moment {
	at := Moment{At: s.at, Actor: s.actor, Entry: int64(len(a.Trail))}
	if a.Due.IsZero() {
		return at
	}
	at.Running = &lifecycle.Running{Entry: at.Entry, Due: a.Due, Since: a.Paused}
	late := a.Paused.IsZero() && !s.at.Before(a.Due)
	if late && report.At.Before(a.Due) && !report.At.Before(a.Entered) {
		at.At = report.At
	}
	return at
}

// enter makes a step of a case: it goes into the trail and the journal.
func (s *steps[T]) enter(a *Application, step TrailStep, deadline lifecycle.Running) {
	kind := stepKind{Wave: a.Wave, Event: step.Event, From: a.State, To: step.To, Edition: a.Edition}
	step.At, step.Edition = s.at, a.Edition
	if step.AsOf.Before(s.at) {
		step.AsOf = step.AsOf.UTC().Truncate(time.Microsecond)
		kind.AsOf = step.AsOf
	}
	a.State, a.Entered, a.Due, a.Paused = step.To, step.AsOf, deadline.Due, deadline.Since
	a.Trail = append(a.Trail, step)
	i, known := s.index[kind]
	if !known {
		i = len(s.groups)
		s.index[kind] = i
		s.groups = append(s.groups, stepGroup{stepKind: kind})
	}
	s.groups[i].Cases = append(s.groups[i].Cases, shortID(a.Applicant))
	s.counts["state."+string(step.To)]++
}

// put writes the case's application, and the applicant if a step changed it,
// once, after its steps.
func (s *steps[T]) put(c *Case[T]) error {
	s.rows = append(s.rows, c.Application.row(s.engine.trail))
	if !c.rewrite {
		return nil
	}
	row, err := s.engine.applicantRow(&c.Applicant)
	s.rows = append(s.rows, row)
	return err
}

// expect is what the steps were decided on: the wave, and records that came with reports.
func (s *steps[T]) expect() []Expected {
	return append([]Expected{{Key: Key{TableWaves, []any{s.wave.Number}}, Version: s.wave.version}}, s.unchanged...)
}

// place splits a seat's name into its place in the ledger. A seat of another wave than
// the case's has its number in front: "5:_appeals/open".
func place(a *Application) quota.Place {
	wave, name := strconv.FormatInt(a.Wave, 10), a.Seat
	if other, rest, found := strings.Cut(a.Seat, ":"); found {
		wave, name = other, rest
	}
	pool, kind, _ := strings.Cut(name, "/")
	if kind == openKind {
		kind = ""
	}
	return quota.Place{Wave: wave, Pool: pool, Kind: kind}
}

const openKind = "open"

func seatName(p quota.Place) string {
	if p.Kind == "" {
		return p.Pool + "/" + openKind
	}
	return p.Pool + "/" + p.Kind
}

// seatIn names a seat of a wave, for a case of another one maybe.
func seatIn(wave, ofCase int64, p quota.Place) string {
	if wave == ofCase {
		return seatName(p)
	}
	return strconv.FormatInt(wave, 10) + ":" + seatName(p)
}

// errNoSeat says that a move takes a seat, but nothing gave the case one.
var errNoSeat = errors.New("program: a move takes a seat, but the case was given none")

func (s *steps[T]) takeSeat(a *Application) error {
	if a.Seat == "" {
		return errNoSeat
	}
	at := place(a)
	s.posts.move(at.Account(quota.Left), at.Account(quota.Held), 1)
	counted := a.SeatState == "returned" // by what counts for ever, for this case
	a.SeatState = "held"
	for _, l := range s.engine.program.Limits {
		if account, ok := l.account(a); ok && !(l.Ever && counted) {
			s.posts.add(account, 1, ledger.Between(0, l.Max))
			s.posts.add(l.total(), -1, ledger.Free())
		}
	}
	return nil
}

func (s *steps[T]) releaseSeat(a *Application) {
	at := place(a)
	from := quota.Held
	if a.SeatState == "granted" {
		from = quota.Granted
	}
	s.posts.move(at.Account(from), at.Account(quota.Left), 1)
	a.SeatState = "returned"
	for _, l := range s.engine.program.Limits {
		if account, ok := l.account(a); ok && !l.Ever {
			s.posts.add(account, -1, ledger.Between(0, l.Max))
			s.posts.add(l.total(), 1, ledger.Free())
		}
	}
	s.counts["seat.returned"]++
}

// account is the ledger account that counts for the applicant or household.
func (l Limit) account(a *Application) (ledger.Account, bool) {
	if l.Per == PerHousehold {
		if a.Household == uuid.Nil {
			return "", false
		}
		return ledger.Account("limit/" + l.Name + "/" + shortID(a.Household)), true
	}
	return ledger.Account("limit/" + l.Name + "/" + shortID(a.Applicant)), true
}

func (l Limit) total() ledger.Account { return ledger.Account("limit/" + l.Name) }

// carryOut gathers what one effect writes.
func (s *steps[T]) carryOut(c *Case[T], effect Effect) error {
	a := &c.Application
	switch effect.Name {
	case EffectEntitle:
		return s.entitle(c, effect.Arg)
	case EffectSpend:
		if c.Report.Amount <= 0 {
			return &FieldError{"Report.Amount", "is above zero for a purchase"}
		}
		s.posts.add(balanceAccount(a, effect.Arg), -c.Report.Amount, ledger.AtLeast(0))
		s.posts.add(ledger.Account("spent/"+effect.Arg+"/"+c.Report.Party), c.Report.Amount, ledger.Free())
		if c.balances != nil {
			c.balances[effect.Arg] -= c.Report.Amount
		}
	case EffectRefund:
		return s.refund(c, effect.Arg)
	case EffectLapse:
		if c.balances == nil {
			if err := s.engine.readBalances(s.ctx, []*Case[T]{c}); err != nil {
				return err
			}
		}
		if left := c.balances[effect.Arg]; left > 0 {
			s.posts.lapse(balanceAccount(a, effect.Arg), effect.Arg, left)
		}
	case EffectConfirmSeat:
		if a.SeatState == "held" {
			at := place(a)
			s.posts.move(at.Account(quota.Held), at.Account(quota.Granted), 1)
			a.SeatState = "granted"
		}
	case EffectBar:
		barred, why := s.engine.registration.Fire(c.Applicant.State, bar, nil, Moment{At: s.at, Actor: s.actor}, nil)
		if len(why) > 0 {
			return &StateError{What: "applicant " + c.Applicant.ID.String(), State: string(c.Applicant.State), Event: string(bar)}
		}
		c.Applicant.State, c.rewrite = barred.To, true
	case EffectNotify:
		s.notes["notice."+effect.Arg] = append(s.notes["notice."+effect.Arg], shortID(a.Applicant))
	default:
		return s.engine.program.Effects[effect.Name](c, effect.Arg, &Writer{id: shortID(a.Applicant), posts: s.posts, notes: s.notes})
	}
	return nil
}

// Writer is what an agency's own effect writes into.
type Writer struct {
	id    string
	posts postings
	notes map[string][]string
}

// Post moves an amount between two accounts of the agency's own, whose names
// begin with "own/". Neither may go below zero unless it is free.
func (w *Writer) Post(from, to ledger.Account, amount int64, fromBounds ledger.Bounds) error {
	return w.posts.own(Post{from, to, amount, fromBounds})
}

// Note lists the case under a name in the journal entry. Whoever follows the
// journal acts on it.
func (w *Writer) Note(name string) { w.notes["note."+name] = append(w.notes["note."+name], w.id) }

// Accounts of the program's money.
const (
	budgetGiven ledger.Account = "budget/appropriated"
	budgetLeft  ledger.Account = "budget/available"
)

func balanceAccount(a *Application, benefit string) ledger.Account {
	return ledger.Account("balance/" + benefit + "/" + strconv.FormatInt(a.Wave, 10) + "/" + shortID(a.Applicant))
}

func entitledAccount(benefit string) ledger.Account { return ledger.Account("entitled/" + benefit) }

// entitle takes a benefit out of the budget: a balance is opened, instalments
// become entitlements. The amounts are those of the wave's legal date. Who is entitled
// already is entitled to nothing more.
func (s *steps[T]) entitle(c *Case[T], name string) error {
	a := &c.Application
	b, ok := s.engine.program.Benefits.On(c.Wave.body.Legal).Find(name)
	if !ok {
		return &FieldError{"benefit", fmt.Sprintf("%q is unknown on the legal date of the wave", name)}
	}
	if s.entitledBefore(c, b) {
		s.counts["entitled-before."+name]++
		return nil
	}
	if b.Kind == payment.BalanceKind {
		s.posts.add(budgetLeft, -b.Amount.Units, ledger.AtLeast(0))
		s.posts.add(balanceAccount(a, name), b.Amount.Units, ledger.Between(0, b.Amount.Units))
		if c.balances != nil {
			c.balances[name] += b.Amount.Units
		}
		return nil
	}
	due, err := b.Schedule(c.Today(s.at), s.engine.program.number(b, c))
	if err != nil {
		return err
	}
	for _, d := range due {
		s.posts.add(budgetLeft, -d.Amount.Units, ledger.AtLeast(0))
		s.posts.add(entitledAccount(name), d.Amount.Units, ledger.AtLeast(0))
		s.rows = append(s.rows, Row{Table: TableEntitlements, Values: []any{
			name, int64(d.Number), a.Wave, idValue(a.Applicant), d.Amount.Units, d.Amount.Currency, dayNumber(d.Due), s.at.UnixMicro(), int64(0), nil,
		}})
		s.counts["entitled."+name]++
		s.counts["entitled_amount."+name] += d.Amount.Units
	}
	return nil
}

// chunk returns what was gathered as a job's chunk.
func (s *steps[T]) chunk(next Cursor, last bool, done int) chunk {
	s.counts[doneCount] += int64(done)
	c := chunk{expect: s.expect(), rows: sorted(s.rows), posts: s.posts.posting(), counts: s.counts, next: next, last: last}
	if len(s.groups) > 0 || len(s.refuse) > 0 {
		c.kind, c.data = "stepped", s.data()
	}
	return c
}

func (s *steps[T]) data() stepData {
	d := stepData{Steps: s.groups, Records: s.records, Refused: s.refuse}
	for key, ids := range s.notes {
		target := &d.Notes
		name, isNotice := strings.CutPrefix(key, "notice.")
		if isNotice {
			target = &d.Notices
		} else {
			name = strings.TrimPrefix(key, "note.")
		}
		if *target == nil {
			*target = map[string][]string{}
		}
		(*target)[name] = ids
	}
	return d
}

// sorted puts rows of one table next to each other, in the order of the
// tables, so that what refers to another row comes after it.
func sorted(rows []Row) []Row {
	slices.SortStableFunc(rows, func(a, b Row) int {
		if a.Table != b.Table {
			return int(a.Table) - int(b.Table)
		}
		if c := cmp.Compare(min(a.Version, 1), min(b.Version, 1)); c != 0 {
			return c
		}
		return cmp.Compare(a.Changed, b.Changed)
	})
	return rows
}

// postings adds up what a set of steps moves on each account.
type postings map[ledger.Account]ledger.Leg

func (p postings) add(account ledger.Account, amount int64, bounds ledger.Bounds) {
	leg, used := p[account]
	if used {
		bounds = ledger.Between(max(bounds.Min, leg.Bounds.Min), min(bounds.Max, leg.Bounds.Max))
	}
	p[account] = ledger.Leg{Account: account, Amount: leg.Amount + amount, Bounds: bounds}
}

// move takes an amount from one account that may not go below zero to another.
func (p postings) move(from, to ledger.Account, amount int64) {
	p.add(from, -amount, ledger.AtLeast(0))
	p.add(to, amount, ledger.AtLeast(0))
}

// posting returns the sums as one posting without an ID, or none.
func (p postings) posting() []ledger.Posting {
	legs := make([]ledger.Leg, 0, len(p))
	for _, leg := range p {
		if leg.Amount != 0 {
			legs = append(legs, leg)
		}
	}
	if len(legs) == 0 {
		return nil
	}
	slices.SortFunc(legs, func(a, b ledger.Leg) int { return strings.Compare(string(a.Account), string(b.Account)) })
	return []ledger.Posting{{Legs: legs}}
}

// single applies the gathered steps as one command's change.
func (s *steps[T]) single(cmd command, home uuid.UUID) (replayed bool, err error) {
	out, err := s.carryOutAll(cmd, home, nil)
	return out.Replayed, err
}

// answer is single for a command with an answer, which is kept. If the command was
// carried out meanwhile, answer becomes that of the first time.
func (s *steps[T]) answer(cmd command, home uuid.UUID, answer any) error {
	data, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	out, err := s.carryOutAll(cmd, home, data)
	if err != nil || !out.Replayed {
		return err
	}
	return json.Unmarshal(out.Answer, answer)
}

func (s *steps[T]) carryOutAll(cmd command, home uuid.UUID, answer []byte) (Outcome, error) {
	c := Change{Home: home, Expect: s.expect(), Rows: sorted(s.rows), Postings: s.posts.posting(), Answer: answer}
	if len(c.Postings) > 0 {
		id, err := s.engine.ids.next(s.at)
		if err != nil {
			return Outcome{}, err
		}
		c.Postings[0].ID = "command/" + id.String()
	}
	return s.engine.carryOut(s.ctx, cmd, c, "stepped", s.data())
}
