package program

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/program/lifecycle"
)

// History returns the steps of a case, oldest first, with what followed from each.
// A case does not remember who acted: the journal does. The error is ErrNotFound
// if there is no such application.
func (e *Engine[T]) History(ctx context.Context, wave int64, applicant uuid.UUID) ([]lifecycle.Record[State, Event], error) {
	a, err := e.Application(ctx, wave, applicant)
	if err != nil {
		return nil, err
	}
	history := make([]lifecycle.Record[State, Event], len(a.Trail))
	editions := map[int]bool{}
	for i, step := range a.Trail {
		r := lifecycle.Record[State, Event]{At: step.AsOf, Event: step.Event, To: step.To, Version: step.Edition, Due: step.due, Since: step.since}
		if step.AsOf.Before(step.At) {
			r.Noted = step.At
		}
		history[i], editions[step.Edition] = r, true
	}
	for version := range editions {
		e.editions[version].machine.Retrace(history)
	}
	if last := len(history) - 1; last >= 0 { // what is stored goes before what is computed
		history[last].Due, history[last].Since = a.Due, a.Paused
	}
	return history, nil
}

// ErrNoTexts is returned where words are asked of a program without Texts.
var ErrNoTexts = errors.New("program: the program has no texts")

// Timeline tells the history of a case in words, in the reader's language: to an
// officer with all that followed, to everybody else what it means. The errors are
// those of History, and ErrNoTexts.
func (e *Engine[T]) Timeline(ctx context.Context, wave int64, applicant uuid.UUID, lang string, reader lifecycle.Party) ([]lifecycle.Line, error) {
	if e.editions[e.program.Lifecycle.Version].teller == nil {
		return nil, ErrNoTexts
	}
	history, err := e.History(ctx, wave, applicant)
	if err != nil {
		return nil, err
	}
	var lines []lifecycle.Line
	for i, r := range history { // each by the table under which it was decided
		told, err := e.editions[r.Version].teller.Timeline(lang, reader, history[i:i+1])
		if err != nil {
			return nil, err
		}
		lines = append(lines, told...)
	}
	return lines, nil
}

// Option is an event of a case's present state: possible now, or refused for the
// reasons.
type Option struct {
	Event    Event
	Possible bool
	Reasons  []Reason
	// Title and Text are the event and the answer in words; empty in a program
	// without Texts.
	Title, Text string
}

// Options says which events Fire would make happen to a case now, and of the others
// why not, in the reader's language. The events of the clock are left out. The
// report is the one that would come with each event: guards may look at its details,
// its Event is filled in. What an effect would refuse, such as a purchase above the
// balance, is known only when it is tried. The error is ErrNotFound if there is no
// such application.
func (e *Engine[T]) Options(ctx context.Context, wave int64, applicant uuid.UUID, lang string, report Report) ([]Option, error) {
	c, err := e.readCase(ctx, wave, applicant)
	if err != nil {
		return nil, err
	}
	s := e.newSteps(ctx, "", &c.Wave)
	ed := e.under(&c.Application)
	var found []lifecycle.Option[Event]
	for row := range ed.machine.Rows(c.Application.State) {
		known := func(o lifecycle.Option[Event]) bool { return o.Event == row.Event }
		if row.Clock || slices.ContainsFunc(found, known) {
			continue
		}
		report.Event = row.Event
		found = append(found, lifecycle.Option[Event]{Event: row.Event, Reasons: slices.Clone(s.refusal(c, report))})
	}
	options := make([]Option, len(found))
	for i, o := range found {
		options[i] = Option{Event: o.Event, Possible: len(o.Reasons) == 0, Reasons: o.Reasons}
	}
	if ed.teller == nil {
		return options, nil
	}
	answers, err := ed.teller.Explain(lang, found)
	if err != nil {
		return nil, err
	}
	for i, a := range answers {
		options[i].Title, options[i].Text = a.Title, a.Text
	}
	return options, nil
}

// refusal says why somebody's report is refused; nothing if it is not. The reasons
// are valid until the next call.
func (s *steps[T]) refusal(c *Case[T], report Report) []Reason {
	if why := s.reserved(&c.Application, report.Event); why != nil {
		return why
	}
	c.Report = report
	_, s.why = s.engine.under(&c.Application).machine.Fire(c.Application.State, report.Event, c, s.moment(&c.Application, report), s.why[:0])
	return s.why
}

// reserved gives the reason why nobody may report an event: it is the draw's, or
// the policy's.
func (s *steps[T]) reserved(a *Application, event Event) []Reason {
	switch {
	case event == Admitted:
		return []Reason{{Code: CodeAdmitOnly}}
	case event.engineOnly():
		return []Reason{{Code: CodeDrawOnly}}
	case s.engine.program.Appeals.events(event):
		return []Reason{{Code: CodeAppealOnly}}
	case s.engine.checkOnly(a, event):
		return []Reason{{Code: CodeCheckOnly}}
	}
	return nil
}
