package program

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/quota"
)

// Appeals are a program's rules for objections. An appeal moves its case: filing,
// upholding and dismissing are events of the lifecycle, so that the table says what
// happens meanwhile, and deadlines can stand still. Where nothing is said there are no
// appeals.
type Appeals struct {
	// Against are the states that can be objected to.
	Against []State
	// File is how long after a case came into such a state.
	File calendar.Term
	// Decide is how long after filing the agency has to decide.
	Decide calendar.Term
	// Filed, Upheld and Dismissed are fired by FileAppeal and DecideAppeal, and by
	// nobody else. Upheld may lead into a state that holds a seat: the wave says where
	// it comes from (WaveOrder.AppealSeats, AppealsNext).
	Filed, Upheld, Dismissed Event
	// Again allows another appeal where Dismissed leads into a state that can be objected
	// to. Otherwise there is one appeal about one decision: a case that stands where a
	// dismissal, or a withdrawal, has put it cannot be objected to until something else
	// decides about it.
	Again bool
}

func (r *Appeals) faults(t *Table, add func(field, rule string, args ...any)) {
	if len(r.Against) == 0 {
		return
	}
	for name, event := range map[string]Event{"Filed": r.Filed, "Upheld": r.Upheld, "Dismissed": r.Dismissed} {
		if !slices.ContainsFunc(t.Moves, func(m move) bool { return m.On == event }) {
			add("Appeals."+name, "is an event of the lifecycle")
		}
	}
	if r.File.Validate() != nil || r.Decide.Validate() != nil {
		add("Appeals", "have terms for filing and for deciding")
	}
}

// events reports whether an event belongs to appeals.
func (r *Appeals) events(e Event) bool {
	return len(r.Against) > 0 && (e == r.Filed || e == r.Upheld || e == r.Dismissed)
}

// AppealState is the state of an appeal.
type AppealState string

// The states of an appeal.
const (
	AppealFiled     AppealState = "filed"
	AppealUpheld    AppealState = "upheld"
	AppealDismissed AppealState = "dismissed"
	AppealWithdrawn AppealState = "withdrawn"
)

// Appeal is one objection to what was decided about a case.
type Appeal struct {
	Wave      int64
	Applicant uuid.UUID
	// Number counts the appeals of a case, from 1.
	Number int64
	State  AppealState
	// Against is the state that was objected to.
	Against State
	Filed   time.Time
	// Due is until when it has to be decided; zero once it is.
	Due time.Time
	// Decided, Actor and Reason say how it ended.
	Decided       time.Time
	Actor, Reason string

	sealed  []byte
	version int64
}

// AppealError says why an appeal is not possible.
type AppealError struct {
	// Rule is "not-against", "too-late", "filed-before", "decided-before" for a second
	// appeal about one decision (Appeals.Again), "not-open" or "no-seat".
	Rule string
}

func (e *AppealError) Error() string { return "program: appeal: " + e.Rule }

// FileAppeal objects to what was decided about a case, and returns the number of the appeal.
// What the applicant says is sealed with the person's key. The error is an *AppealError, or
// a *RefusedError of the lifecycle.
func (e *Engine[T]) FileAppeal(ctx context.Context, by By, wave int64, applicant uuid.UUID, says string) (int64, error) {
	text, err := e.personal(ctx, by, applicant, "appeal", says)
	if err != nil {
		return 0, err
	}
	cmd := command{by, "appeal.file", []any{wave, applicant, text}}
	var number int64
	if done, err := e.firstAnswer(ctx, cmd, &number); done || err != nil {
		return number, err
	}
	before, err := e.Appeals(ctx, wave, applicant)
	if err != nil {
		return 0, err
	}
	c, s, err := e.oneCase(ctx, by, wave, applicant)
	if err != nil {
		return 0, err
	}
	rules, a := &e.program.Appeals, &c.Application
	if !slices.Contains(rules.Against, a.State) {
		return 0, &AppealError{"not-against"}
	}
	last, err := rules.File.Due(a.Entered, e.program.Holidays)
	if err != nil {
		return 0, err
	}
	due, err := rules.Decide.Due(s.at, e.program.Holidays)
	switch {
	case err != nil:
		return 0, err
	case !s.at.Before(last):
		return 0, &AppealError{"too-late"}
	case slices.ContainsFunc(before, func(b Appeal) bool { return b.State == AppealFiled }):
		return 0, &AppealError{"filed-before"}
	case !rules.Again && a.last() == rules.Dismissed:
		return 0, &AppealError{"decided-before"}
	}
	appeal := Appeal{Wave: wave, Applicant: applicant, Number: int64(len(before) + 1), State: AppealFiled, Against: a.State, Filed: s.at, Due: due}
	if appeal.sealed, err = seal(c.Applicant.aead, e.random, []byte(says), appeal.bound()); err != nil {
		return 0, err
	}
	if err := s.appeal(c, rules.Filed, &appeal, ""); err != nil {
		return 0, err
	}
	number = appeal.Number
	err = s.answer(cmd, applicant, &number)
	return number, err
}

// DecideAppeal upholds or dismisses an appeal; the reason has no personal value. Upheld, the
// case moves by Appeals.Upheld, and takes a seat if that leads to one: one that its wave keeps
// for appeals, or of the next wave. If there is none left the error is an *AppealError with
// rule "no-seat", and the appeal stays open.
func (e *Engine[T]) DecideAppeal(ctx context.Context, by By, wave int64, applicant uuid.UUID, number int64, uphold bool, reason string) error {
	state, event := AppealDismissed, e.program.Appeals.Dismissed
	if uphold {
		state, event = AppealUpheld, e.program.Appeals.Upheld
	}
	return e.endAppeal(ctx, command{by, "appeal.decide", []any{wave, applicant, number, uphold, reason}}, wave, applicant, number, state, event, reason)
}

// WithdrawAppeal takes an appeal back, on the applicant's wish.
func (e *Engine[T]) WithdrawAppeal(ctx context.Context, by By, wave int64, applicant uuid.UUID, number int64) error {
	cmd := command{by, "appeal.withdraw", []any{wave, applicant, number}}
	return e.endAppeal(ctx, cmd, wave, applicant, number, AppealWithdrawn, e.program.Appeals.Dismissed, "withdrawn")
}

func (e *Engine[T]) endAppeal(ctx context.Context, cmd command, wave int64, applicant uuid.UUID, number int64, state AppealState, event Event, reason string) error {
	if done, err := e.answered(ctx, cmd); done || err != nil {
		return err
	}
	if reason == "" {
		return &FieldError{"reason", "is missing"}
	}
	all, err := e.Appeals(ctx, wave, applicant)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(a Appeal) bool { return a.Number == number })
	if i < 0 {
		return fmt.Errorf("appeal %d: %w", number, ErrNotFound)
	}
	appeal := &all[i]
	if appeal.State != AppealFiled {
		return &AppealError{"not-open"}
	}
	c, s, err := e.oneCase(ctx, cmd.By, wave, applicant)
	if err != nil {
		return err
	}
	seat := ""
	if state == AppealUpheld {
		if seat, err = e.appealSeat(ctx, c); err != nil {
			return err
		}
	}
	appeal.State, appeal.Due, appeal.Decided, appeal.Actor, appeal.Reason = state, time.Time{}, s.at, cmd.Actor, reason
	if err := s.appeal(c, event, appeal, seat); errors.Is(err, errNoSeat) {
		return &AppealError{"no-seat"}
	} else if err != nil {
		return err
	}
	_, err = s.single(cmd, applicant)
	var bound *ledger.BoundError
	if errors.As(err, &bound) && strings.Contains(string(bound.Account), appealPool) {
		return &AppealError{"no-seat"}
	}
	return err
}

// oneCase reads a case with its applicant, to be moved.
func (e *Engine[T]) oneCase(ctx context.Context, by By, wave int64, applicant uuid.UUID) (*Case[T], *steps[T], error) {
	w, err := e.Wave(ctx, wave)
	if err != nil {
		return nil, nil, err
	}
	a, err := e.Application(ctx, wave, applicant)
	if err != nil {
		return nil, nil, err
	}
	c := &Case[T]{Application: a, Wave: w, zone: e.zone}
	cases := []*Case[T]{c}
	if err := errors.Join(e.openPeople(ctx, cases), e.readBalances(ctx, cases)); err != nil {
		return nil, nil, err
	}
	if c.Applicant.aead == nil {
		return nil, nil, ErrSealed
	}
	return c, e.newSteps(ctx, by.Actor, &w), nil
}

// appeal fires an event of an appeal, and writes both. If the move takes a seat, it is the
// given one.
func (s *steps[T]) appeal(c *Case[T], event Event, appeal *Appeal, seat string) error {
	a := &c.Application
	had, before := a.Seat, a.SeatState
	if before != "held" && before != "granted" {
		a.Seat = seat
	}
	from := a.State
	why, err := s.fire(c, Report{Event: event}, nil)
	if err != nil {
		return err
	}
	if len(why) > 0 {
		return &RefusedError{Event: event, State: from, Reasons: slices.Clone(why)}
	}
	if a.SeatState == before {
		a.Seat = had // none was taken
	}
	s.rows = append(s.rows, appeal.row())
	s.notes["note.appeal."+string(appeal.State)] = append(s.notes["note.appeal."+string(appeal.State)], shortID(a.Applicant))
	return s.put(c)
}

// appealPool is the pool of seats that a wave keeps for appeals. No plan can have a pool of
// this name.
const appealPool = "_appeals"

func appealPlace(wave int64) quota.Place {
	return quota.Place{Wave: strconv.FormatInt(wave, 10), Pool: appealPool}
}

// appealSeat says where the seat of an upheld appeal would be. Whether the move takes one is
// the lifecycle's to say.
func (e *Engine[T]) appealSeat(ctx context.Context, c *Case[T]) (string, error) {
	w := c.Wave
	wave := w.Number
	if w.body.AppealsNext {
		numbers, err := e.waveNumbers(ctx)
		if err != nil {
			return "", err
		}
		wave = -1
		for _, n := range numbers {
			if n <= w.Number {
				continue
			}
			next, err := e.Wave(ctx, n)
			if err != nil {
				return "", err
			}
			if next.body.AppealSeats > 0 {
				wave = n
				break
			}
		}
	} else if w.body.AppealSeats == 0 {
		wave = -1
	}
	if wave < 0 {
		return "", nil
	}
	return seatIn(wave, w.Number, appealPlace(wave)), nil
}

func (a *Appeal) bound() []byte {
	return boundTo(a.Applicant, fmt.Sprintf("appeal/%d/%d", a.Wave, a.Number))
}

func (a *Appeal) row() Row {
	return Row{Table: TableAppeals, Version: a.version, Values: []any{a.Wave, idValue(a.Applicant), a.Number, string(a.State),
		micros(a.Filed), micros(a.Due), string(a.Against), a.sealed, micros(a.Decided), textValue(a.Actor), textValue(a.Reason)}}
}

func appealOf(row Row) Appeal {
	v := row.Values
	return Appeal{Wave: intOf(v[0]), Applicant: idOf(v[1]), Number: intOf(v[2]), State: AppealState(textOf(v[3])), Filed: moment(v[4]), Due: moment(v[5]),
		Against: State(textOf(v[6])), sealed: bytesOf(v[7]), Decided: moment(v[8]), Actor: textOf(v[9]), Reason: textOf(v[10]), version: row.Version}
}

// Appeals reads the appeals of a case, oldest first.
func (e *Engine[T]) Appeals(ctx context.Context, wave int64, applicant uuid.UUID) ([]Appeal, error) {
	rows, _, err := e.store.Page(ctx, Scan{Table: TableAppeals, Equal: []any{wave, idValue(applicant)}, Limit: 1000})
	if err != nil {
		return nil, err
	}
	all := make([]Appeal, len(rows.Rows))
	for i, row := range rows.Rows {
		all[i] = appealOf(row)
	}
	return all, nil
}

// OpenAppeals reads the appeals that wait for a decision, the most urgent first.
func (e *Engine[T]) OpenAppeals(ctx context.Context, limit int) ([]Appeal, error) {
	rows, _, err := e.store.Page(ctx, Scan{Table: TableAppeals, Index: 1, Limit: max(limit, 1)})
	if err != nil {
		return nil, err
	}
	all := make([]Appeal, len(rows.Rows))
	for i, row := range rows.Rows {
		all[i] = appealOf(row)
	}
	return all, nil
}

// AppealText opens what the applicant says in an appeal, for whoever decides it.
func (e *Engine[T]) AppealText(ctx context.Context, a Appeal) (string, error) {
	person, err := e.Applicant(ctx, a.Applicant)
	if err != nil {
		return "", err
	}
	if person.aead == nil {
		return "", ErrSealed
	}
	text, err := unseal(person.aead, a.sealed, a.bound())
	return string(text), err
}
