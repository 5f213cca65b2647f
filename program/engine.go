package program

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/program/wording"
)

// Engine carries out the commands of one program on one store. It is safe for
// use by several goroutines, and any number of engines may work on one store.
type Engine[T any] struct {
	program *Program[T]
	store   Store
	observe Observer
	keys    Keyring
	clock   func() time.Time
	random  io.Reader
	ids     idMaker
	log     *slog.Logger
	chunk   int
	watch   func(Progress)
	workers workers

	zone         *time.Location
	machine      *lifecycle.Machine[State, Event, *Case[T]] // of the present edition
	editions     map[int]*edition[T]                        // by version
	registration *lifecycle.Machine[ApplicantState, registrationEvent, any]
	waves        *lifecycle.Machine[WaveState, waveEvent, any]
	batches      *lifecycle.Machine[BatchState, batchEvent, any]
	payTable     *lifecycle.Machine[payment.State, payment.Event, any]
	policy       *eligibility.Compiled[Case[T]]
	texts        *wording.Catalogue
	own          *wording.Catalogue // of the library, with those of payments
	trail        trailCodecs
	rollIn       []State // states from which Drawn moves, in any edition
	onRoll       map[editionState]bool
	waiting      map[editionState]bool // from which Admitted moves

	lastRoll lastRoll
}

// Options are what an engine may be given beyond what it needs.
type Options struct {
	// Logger, if not nil, hears what jobs do. It never hears personal data.
	Logger *slog.Logger
	// Chunk is how many cases a job writes in one transaction; 0 means 4,000.
	Chunk int
	// Progress, if not nil, hears after each chunk of a job. It is called on
	// the job's goroutine.
	Progress func(Progress)
	// Worker names this process among those that work on the same jobs. One that starts
	// again under its name goes on at once with what it had begun; two processes must
	// not have the same. Empty: a name of its own.
	Worker string
	// Lease is after how long the part of a job on which nobody got on is taken from the
	// process that has it; 0 means 15 seconds.
	Lease time.Duration
	// Observer, if not nil, hears of commands, chunks and calls of the store.
	Observer Observer
}

// Surroundings are what an engine takes from its process: time and randomness
// are given, never taken.
type Surroundings struct {
	// Clock tells the time: time.Now in production.
	Clock func() time.Time
	// Random gives randomness: crypto/rand.Reader in production. It may be read
	// by several goroutines at once.
	Random io.Reader
}

// NewEngine checks the program as a whole and returns an engine for it. The
// error holds every fault at once: Faults, lifecycle.Faults, faults of the
// policy and of the wording.
func NewEngine[T any](p *Program[T], store Store, keys Keyring, around Surroundings, options *Options) (*Engine[T], error) {
	if p == nil || store == nil || keys == nil || around.Clock == nil || around.Random == nil {
		return nil, errors.New("program: an engine needs a program, a store, a keyring, a clock and randomness")
	}
	if options == nil {
		options = &Options{}
	}
	e := &Engine[T]{program: p, keys: keys, clock: around.Clock, random: around.Random, ids: idMaker{random: around.Random},
		log: options.Logger, chunk: options.Chunk, watch: options.Progress}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if e.chunk <= 0 {
		e.chunk = 4000
	}
	e.workers.name, e.workers.lease = options.Worker, options.Lease
	if e.workers.name == "" {
		id, err := e.ids.next(e.clock())
		if err != nil {
			return nil, err
		}
		e.workers.name = shortID(id)
	}
	if e.workers.lease <= 0 {
		e.workers.lease = 15 * time.Second
	}
	if e.observe = options.Observer; e.observe == nil {
		e.observe = silent{}
	}
	e.store = Grouped(watched{store, e.observe})
	if faults := p.faults(); len(faults) > 0 {
		return nil, faults
	}
	if err := e.compile(); err != nil {
		return nil, err
	}
	pinned, err := newEditionStore(e.store, e.clock, p.tables())
	if err != nil {
		return nil, err
	}
	e.store = pinned
	return e, nil
}

func (e *Engine[T]) compile() error {
	p := e.program
	var all []error
	var err error
	e.zone, err = calendar.Zone(p.Zone)
	all = append(all, err)
	reasons, err := eligibility.DefaultTexts()
	all = append(all, err)
	steps, err := lifecycle.DefaultTexts()
	all = append(all, err)
	own, err := DefaultTexts()
	all = append(all, err)
	e.texts, err = wording.Compile(reasons, steps, own, p.Texts)
	all = append(all, err)
	options := lifecycle.CompileOptions{
		Effects:  slices.Concat(ownEffects(), sortedKeys(p.Effects)),
		Holdings: []lifecycle.Holding{Seat},
		Holidays: p.Holidays,
	}
	if e.texts != nil && len(p.Texts) > 0 {
		options.Texts = e.texts
	}
	all = append(all, e.compileEditions(options))
	all = append(all, e.compileFixed())
	e.policy, err = eligibility.Compile(p.Facts.Schema, p.Policy, &eligibility.Options{Texts: ruleTexts(p.Texts)})
	all = append(all, err)
	for _, limit := range p.Facts.limits {
		if !slices.ContainsFunc(p.Limits, func(l Limit) bool { return l.Name == limit }) {
			all = append(all, &FieldError{"Facts", fmt.Sprintf("asks for limit %q, which the program does not have", limit)})
		}
	}
	if err := errors.Join(all...); err != nil {
		return err
	}
	e.machine = e.editions[p.Lifecycle.Version].machine
	return nil
}

// compileFixed makes the machines of the library's own tables. They are held to
// their texts, and to what is carried out and held.
func (e *Engine[T]) compileFixed() error {
	own, err := ownCatalogue()
	if err != nil {
		return err
	}
	e.own = own
	none := lifecycle.CompileOptions{Texts: own, Effects: []string{}, Holdings: []lifecycle.Holding{}}
	paid := lifecycle.CompileOptions{Texts: own, Effects: []string{payment.EffectReserve, payment.EffectPost, payment.EffectVoid, payment.EffectRepay},
		Holdings: []lifecycle.Holding{payment.Reservation}}
	var errs [4]error
	e.waves, errs[0] = lifecycle.Compile(WaveTable(), map[string]lifecycle.Guard[any]{}, none)
	e.registration, errs[1] = lifecycle.Compile(RegistrationTable(), map[string]lifecycle.Guard[any]{}, none)
	e.batches, errs[2] = lifecycle.Compile(BatchTable(), map[string]lifecycle.Guard[any]{}, none)
	e.payTable, errs[3] = lifecycle.Compile(payment.Table(), map[string]lifecycle.Guard[any]{}, paid)
	return errors.Join(errs[:]...)
}

// ruleTexts picks the texts that package eligibility reads.
func ruleTexts(all wording.Texts) wording.Texts {
	picked := wording.Texts{}
	for lang, texts := range all {
		for key, text := range texts {
			for _, prefix := range []string{"rule.", "fact.", "code.", "source."} {
				if len(key) > len(prefix) && key[:len(prefix)] == prefix {
					if picked[lang] == nil {
						picked[lang] = map[string]string{}
					}
					picked[lang][key] = text
				}
			}
		}
	}
	return picked
}

// Policy returns the compiled policy, for explaining decisions.
func (e *Engine[T]) Policy() *eligibility.Compiled[Case[T]] { return e.policy }

// Lifecycle returns the compiled lifecycle, the present edition, for drawing and
// explaining it.
func (e *Engine[T]) Lifecycle() *lifecycle.Machine[State, Event, *Case[T]] { return e.machine }

// By says who gives a command.
type By struct {
	// Actor is an officer's, a partner's or a process's name in the journal.
	Actor string
	// OnBehalf names the officer who delegated the power, if anybody did. Where two
	// people are asked for, neither may stand behind the other.
	OnBehalf string
	// Key is the idempotency key. A command that is repeated under its key is
	// not carried out again; the same key for another command is a
	// *KeyConflictError. Empty: no protection but the state of things.
	Key string
}

// command is one call of a public method: who, what, and with which arguments.
type command struct {
	By
	op      string
	payload any
}

// answered reports whether the command was carried out before.
func (e *Engine[T]) answered(ctx context.Context, cmd command) (bool, error) {
	if cmd.Actor == "" {
		return false, &FieldError{"By.Actor", "is missing"}
	}
	if cmd.Key == "" {
		return false, nil
	}
	rows, err := e.store.Load(ctx, Query{Command: cmd.Key})
	if err != nil || !rows.Answered {
		return false, err
	}
	return true, e.sameCommand(cmd, rows)
}

// sameCommand holds a command against the fingerprint of the one that was carried out
// under its key.
func (e *Engine[T]) sameCommand(cmd command, first Rows) error {
	mark, err := e.fingerprint(cmd)
	if err == nil && !bytes.Equal(mark, first.Fingerprint) {
		err = &KeyConflictError{Key: cmd.Key}
	}
	return err
}

// ErasedError says that a person was erased: what a command says of the person can be
// held against nothing any more, so that it is neither carried out nor answered. Where the
// command had been carried out under its key, it was about this applicant.
type ErasedError struct{ Applicant uuid.UUID }

func (e *ErasedError) Error() string {
	return fmt.Sprintf("program: applicant %s was erased: a command with personal values can be compared with nothing any more", e.Applicant)
}

// personal stands in a command's payload for a value about a person: a mark under the
// person's own key, so that the fingerprint says nothing once that is destroyed. Then the
// error is an *ErasedError. Without an idempotency key no fingerprint is kept.
func (e *Engine[T]) personal(ctx context.Context, by By, applicant uuid.UUID, kind, value string) ([32]byte, error) {
	if by.Key == "" {
		return [32]byte{}, nil
	}
	a, err := e.Applicant(ctx, applicant)
	if err != nil {
		return [32]byte{}, err
	}
	if a.State == Erased {
		return [32]byte{}, &ErasedError{applicant}
	}
	return ownMark(a.key, kind, value)
}

// fingerprint tells payloads apart. It is keyed, so that nobody who reads the
// store can search it; what a payload has of a person is a mark of the person's own.
func (e *Engine[T]) fingerprint(cmd command) ([]byte, error) {
	data, err := json.Marshal(cmd.payload)
	if err != nil {
		return nil, fmt.Errorf("program: payload of %s: %w", cmd.op, err)
	}
	mark := e.keys.Mark("command/"+cmd.op, string(data))
	return mark[:], nil
}

// carryOut applies the change of a command, with a journal entry.
// The outcome says whether the command had been carried out before, and has the
// answer of the first time.
func (e *Engine[T]) carryOut(ctx context.Context, cmd command, c Change, kind string, data any) (out Outcome, err error) {
	mark, err := e.fingerprint(cmd)
	if err != nil {
		return Outcome{}, err
	}
	note, err := json.Marshal(data)
	if err != nil {
		return Outcome{}, err
	}
	c.Key, c.Fingerprint, c.At = cmd.Key, mark, e.clock().UTC()
	c.Entry = &Entry{At: c.At, Actor: cmd.Actor, Kind: kind, Data: note}
	ctx, end := e.observe.Begin(ctx, "command."+cmd.op)
	defer func() { end(err) }()
	for {
		outcomes, err := e.store.Apply(ctx, []Change{c})
		if err != nil {
			return Outcome{}, err
		}
		var stale *StaleError
		if errors.As(outcomes[0].Refusal, &stale) && stale.Table == "commands" {
			continue // the same command was first, and has its answer now
		}
		return outcomes[0], outcomes[0].Refusal
	}
}
