package program

import (
	"context"
	"errors"

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
	for i, step := range a.Trail {
		history[i] = lifecycle.Record[State, Event]{At: step.At, Event: step.Event, To: step.To}
	}
	e.machine.Retrace(history)
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
	if e.teller == nil {
		return nil, ErrNoTexts
	}
	history, err := e.History(ctx, wave, applicant)
	if err != nil {
		return nil, err
	}
	return e.teller.Timeline(lang, reader, history)
}
