package program

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gelombang/gelombang/program/lifecycle"
)

// edition is one version of the lifecycle's table, made ready. A case is decided
// under the one that it is pinned to.
type edition[T any] struct {
	entitles map[edge][]string // the benefits to which a move entitles
	spends   map[edge][]string // the balances that it spends from
	refunds  map[edge][]string // the balances to which something comes back
	lapses   map[edge][]string // and those of which it gives back what is left
	table    Table
	machine  *lifecycle.Machine[State, Event, *Case[T]]
	teller   *lifecycle.Teller[State, Event] // nil without texts
}

// EditionError says that a case, or a store, has an edition of the lifecycle that
// is not the program's.
type EditionError struct {
	Edition int
	// Rule is "unknown" if the program has no table of this version, neither as its
	// Lifecycle nor among the Earlier ones; "changed" if the store was used with
	// another table under this version, which needs a new one.
	Rule string
}

func (e *EditionError) Error() string {
	if e.Rule == "changed" {
		return fmt.Sprintf("program: the store was used with another table as version %d of the lifecycle", e.Edition)
	}
	return fmt.Sprintf("program: version %d of the lifecycle is not among the program's tables", e.Edition)
}

// tables are the program's editions, the present one first.
func (p *Program[T]) tables() []Table { return append([]Table{p.Lifecycle}, p.Earlier...) }

// under returns the edition that a case is pinned to. Every case that was read has
// one that is known.
func (e *Engine[T]) under(a *Application) *edition[T] { return e.editions[a.Edition] }

// stateOf returns the attributes of a case's state.
func (e *Engine[T]) stateOf(a *Application) lifecycle.State[State, Event] {
	s, _ := e.under(a).machine.State(a.State)
	return s
}

// editionState is a state as one edition has it.
type editionState struct {
	edition int
	state   State
}

// compileEditions makes a machine of every edition.
func (e *Engine[T]) compileEditions(options lifecycle.CompileOptions) error {
	e.editions, e.trail, e.onRoll = map[int]*edition[T]{}, trailCodecs{}, map[editionState]bool{}
	e.waiting = map[editionState]bool{}
	var all []error
	for _, table := range e.program.tables() {
		ed := &edition[T]{table: table}
		var err error
		ed.machine, err = lifecycle.Compile(table, e.program.Guards, options)
		if err != nil {
			all = append(all, fmt.Errorf("version %d: %w", table.Version, err))
			continue
		}
		if options.Texts != nil {
			ed.teller, err = lifecycle.NewTeller(table, options.Texts, e.program.Zone)
			all = append(all, err)
		}
		ed.entitles = movesThat(EffectEntitle, table, ed.machine)
		ed.refunds = movesThat(EffectRefund, table, ed.machine)
		ed.spends, ed.lapses = movesThat(EffectSpend, table, ed.machine), movesThat(EffectLapse, table, ed.machine)
		e.editions[table.Version] = ed
		e.trail[table.Version] = newTrailCodec(table)
		for _, s := range table.States {
			for row := range ed.machine.Rows(s.State) {
				if row.Event == Admitted {
					e.waiting[editionState{table.Version, s.State}] = true
				}
				if row.Event == Drawn {
					e.onRoll[editionState{table.Version, s.State}] = true
					e.rollIn = append(e.rollIn, s.State)
				}
			}
		}
	}
	return errors.Join(all...)
}

// editionStore is a store that belongs to editions of the lifecycle: it keeps the
// digest of each, since stored trails name states and events by their places in the
// table. Before its first use the digests are compared, and before its first write
// those that are new are kept.
type editionStore struct {
	Store
	clock    func() time.Time
	rows     []Row // of the program's editions
	mu       sync.Mutex
	missing  []Row
	compared atomic.Bool
	kept     atomic.Bool
}

func newEditionStore(store Store, clock func() time.Time, tables []Table) (*editionStore, error) {
	s := &editionStore{Store: store, clock: clock}
	for _, t := range tables {
		body, err := json.Marshal(t)
		if err != nil {
			return nil, fmt.Errorf("program: lifecycle: %w", err)
		}
		digest := sha256.Sum256(body)
		s.rows = append(s.rows, Row{Table: TableEditions, Values: []any{int64(t.Version), digest[:], body}})
	}
	return s, nil
}

// compare reads the store's editions. The error is an *EditionError if one is
// another table than the program's.
func (s *editionStore) compare(ctx context.Context) error {
	if s.compared.Load() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.compareLocked(ctx)
}

func (s *editionStore) compareLocked(ctx context.Context) error {
	keys := make([]Key, len(s.rows))
	for i, row := range s.rows {
		keys[i] = Key{TableEditions, row.Values[:1]}
	}
	found, err := s.Store.Load(ctx, Query{Keys: keys})
	if err != nil {
		return err
	}
	s.missing = nil
	for _, row := range s.rows {
		known := false
		for _, f := range found.Rows {
			if f.Values[0] != row.Values[0] {
				continue
			}
			if known = true; !bytes.Equal(bytesOf(f.Values[1]), bytesOf(row.Values[1])) {
				return &EditionError{Edition: int(intOf(row.Values[0])), Rule: "changed"}
			}
		}
		if !known {
			s.missing = append(s.missing, row)
		}
	}
	s.compared.Store(true)
	return nil
}

// keep writes the editions that the store does not have yet.
func (s *editionStore) keep(ctx context.Context) error {
	if s.kept.Load() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if err := s.compareLocked(ctx); err != nil {
			return err
		}
		if len(s.missing) == 0 {
			s.kept.Store(true)
			return nil
		}
		outcomes, err := s.Store.Apply(ctx, []Change{{At: s.clock().UTC(), Rows: s.missing}})
		if err != nil {
			return err
		}
		var stale *StaleError // another process was first: what it kept is compared
		if why := outcomes[0].Refusal; why != nil && !errors.As(why, &stale) {
			return why
		}
	}
}

func (s *editionStore) Apply(ctx context.Context, changes []Change) ([]Outcome, error) {
	if err := s.keep(ctx); err != nil {
		return nil, err
	}
	return s.Store.Apply(ctx, changes)
}

func (s *editionStore) Load(ctx context.Context, q Query) (Rows, error) {
	if err := s.compare(ctx); err != nil {
		return Rows{}, err
	}
	return s.Store.Load(ctx, q)
}

func (s *editionStore) Page(ctx context.Context, scan Scan) (Rows, Cursor, error) {
	if err := s.compare(ctx); err != nil {
		return Rows{}, nil, err
	}
	return s.Store.Page(ctx, scan)
}
