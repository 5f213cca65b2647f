package program

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/lifecycle"
)

// Retention says how long a program keeps what it knows of a person.
type Retention struct {
	// Years after the person's last step, or the registration of somebody who never
	// joined, until everything personal is erased. Zero: for ever; then Erase refuses
	// everybody who has a case.
	Years int
	// Basis is the legal basis of the term.
	Basis eligibility.Basis
	// Bars are the rules that outlive a person's data.
	Bars []Bar
}

// Bar keeps somebody who was erased from registering again, where a law demands that:
// an award that is given once in a life. What is kept is a keyed mark of the national
// identifier, and nothing else.
type Bar struct {
	// Limit names the program's limit by which somebody had a seat.
	Limit string
	// Years after the erasure until the mark is deleted; zero: never.
	Years int
	// Basis is the legal basis of the bar.
	Basis eligibility.Basis
}

// basisText cites a legal basis.
func basisText(b eligibility.Basis) string {
	if b.Policy != "" {
		return b.Policy
	}
	return strings.TrimSpace(b.Instrument + " " + b.Article)
}

func (r *Retention) faults(limits []Limit, add func(field, rule string, args ...any)) {
	if r.Years < 0 {
		add("Retention.Years", "is zero or more")
	}
	for _, b := range r.Bars {
		if !slices.ContainsFunc(limits, func(l Limit) bool { return l.Name == b.Limit }) {
			add("Retention.Bars", "name %q, which is no limit of the program", b.Limit)
		}
		if b.Years < 0 {
			add("Retention.Bars", "last for zero years or more")
		}
	}
}

// RetentionError says until when a person's data has to be kept.
type RetentionError struct {
	// Applicant is the internal id.
	Applicant uuid.UUID
	// Until is the first instant at which it may be erased; zero if a case is not at its
	// end or money is on its way.
	Until time.Time
	// Why names what is in the way: "retention", "case-open", "payment-open",
	// "appeal-open", "edition-unknown".
	Why string
	// Err is the *EditionError where a case is under a version of the lifecycle that the
	// program does not have, so that nobody can tell whether it is at its end; else nil.
	Err error
}

// Unwrap gives Err.
func (e *RetentionError) Unwrap() error { return e.Err }

func (e *RetentionError) Error() string {
	text := fmt.Sprintf("program: applicant %s cannot be erased: %s", e.Applicant, e.Why)
	if !e.Until.IsZero() {
		text += " until " + e.Until.Format(time.DateOnly)
	}
	if e.Err != nil {
		text += ": whether a case is at its end cannot be told: " + e.Err.Error()
	}
	return text
}

// Erase destroys the key of a person, and the digests by which the person is found. What
// was sealed under the key can never be read again, in no copy of the database either,
// once the copies of the table person_keys are gone. Ids, states, amounts and the
// journal stay, so that seats and money still add up and proofs stay valid. A mark stays
// where a bar demands it. The error is a *RetentionError where that is too early.
func (e *Engine[T]) Erase(ctx context.Context, by By, applicant uuid.UUID) error {
	cmd := command{by, "erase", applicant}
	for {
		if done, err := e.answered(ctx, cmd); done || err != nil {
			return err
		}
		err := e.erase(ctx, cmd, applicant)
		var stale *StaleError
		if !errors.As(err, &stale) {
			return err
		}
	}
}

func (e *Engine[T]) erase(ctx context.Context, cmd command, applicant uuid.UUID) error {
	out, err := e.newErasure(ctx, []uuid.UUID{applicant})
	if err != nil {
		return err
	}
	a := out.people[applicant]
	if a == nil {
		return fmt.Errorf("applicant %s: %w", applicant, ErrNotFound)
	}
	if err := out.erase(ctx, a); err != nil {
		return err
	}
	change := Change{Home: applicant, Rows: out.written(), Postings: out.shares.posts.posting()}
	if len(change.Postings) > 0 {
		change.Postings[0].ID = "erase/" + shortID(applicant)
	}
	_, err = e.carryOut(ctx, cmd, change, "erased", out.note())
	return err
}

// EraseAll erases everybody whose data need not be kept any longer, as a job, whose
// name is new each time. The counts are "erased", and "kept.WHY" for the others.
func (e *Engine[T]) EraseAll(ctx context.Context, by By, job string) (Counts, error) {
	return e.runParts(ctx, by, job, "erase", nil, &Scan{Table: TableApplicants}, func(ctx context.Context, ask ask) (chunk, error) {
		ask.limit = min(ask.limit, 500) // each of them is looked up in every wave
		rows, next, err := e.store.Page(ctx, Scan{Table: TableApplicants, After: ask.after, Through: ask.until, Limit: ask.limit})
		if err != nil {
			return chunk{}, err
		}
		c := chunk{next: next, last: next == nil, counts: Counts{doneCount: int64(len(rows.Rows))}}
		var ids []uuid.UUID
		for _, row := range rows.Rows {
			if ApplicantState(textOf(row.Values[1])) != Erased {
				ids = append(ids, idOf(row.Values[0]))
			}
		}
		out, err := e.newErasure(ctx, ids)
		if err != nil {
			return chunk{}, err
		}
		for _, id := range ids {
			if ask.refused != nil {
				c.counts["kept.refused"]++
				continue
			}
			err := out.erase(ctx, out.people[id])
			if why, kept := err.(*RetentionError); kept {
				c.counts["kept."+why.Why]++
			} else if err != nil {
				return chunk{}, err
			}
		}
		c.rows, c.posts = out.written(), out.shares.posts.posting()
		c.counts["erased"] = int64(len(out.ids))
		if len(out.ids) > 0 {
			c.kind, c.data = "erased", out.note()
		}
		return c, nil
	})
}

// DropBars deletes the marks whose term is over, as a job, whose name is new each time.
func (e *Engine[T]) DropBars(ctx context.Context, by By, job string) (Counts, error) {
	return e.runParts(ctx, by, job, "drop bars", nil, &Scan{Table: TableBars}, func(ctx context.Context, ask ask) (chunk, error) {
		rows, next, err := e.store.Page(ctx, Scan{Table: TableBars, After: ask.after, Through: ask.until, Limit: ask.limit})
		if err != nil {
			return chunk{}, err
		}
		c := chunk{kind: "bars.dropped", next: next, last: next == nil, counts: Counts{doneCount: int64(len(rows.Rows))}}
		for _, row := range rows.Rows {
			if !barredNow(row, e.clock()) {
				row.Gone = true
				c.rows = append(c.rows, row)
				c.counts["dropped"]++
			}
		}
		c.data = map[string]any{"bars": c.counts["dropped"]}
		return c, nil
	})
}

// barMark is the mark under which a bar keeps a national identifier; nil if the program
// has no bars.
func (e *Engine[T]) barMark(national string) []byte {
	if len(e.program.Retention.Bars) == 0 {
		return nil
	}
	mark := e.keys.Mark("bar", national)
	return mark[:]
}

func barredNow(row Row, now time.Time) bool {
	return row.Values[2] == nil || now.Before(moment(row.Values[2]))
}

// waveNumbers lists the waves that there are.
func (e *Engine[T]) waveNumbers(ctx context.Context) ([]int64, error) {
	var numbers []int64
	scan := Scan{Table: TableWaves, Limit: 1000}
	for {
		rows, next, err := e.store.Page(ctx, scan)
		if err != nil {
			return nil, err
		}
		for _, row := range rows.Rows {
			numbers = append(numbers, intOf(row.Values[0]))
		}
		if next == nil {
			return numbers, nil
		}
		scan.After = next
	}
}

// casesOf reads the applications of people in all waves, without their trails: so also
// those under versions of the lifecycle that the program does not have any more.
func (e *Engine[T]) casesOf(ctx context.Context, waves []int64, ids []uuid.UUID) (map[uuid.UUID][]Application, error) {
	keys := make([]Key, 0, len(waves)*len(ids))
	for _, w := range waves {
		for _, id := range ids {
			keys = append(keys, applicationKey(w, id))
		}
	}
	found, err := e.store.Load(ctx, Query{Keys: keys})
	if err != nil {
		return nil, err
	}
	all := map[uuid.UUID][]Application{}
	for _, row := range found.Rows {
		a := applicationHead(row)
		all[a.Applicant] = append(all[a.Applicant], a)
	}
	return all, nil
}

// over reports whether a case is at its end. The error is an *EditionError if its version
// of the lifecycle is not known.
func (e *Engine[T]) over(a *Application) (bool, error) {
	if e.under(a) == nil {
		return false, &EditionError{Edition: a.Edition, Rule: "unknown"}
	}
	return e.stateOf(a).Final, nil
}

// instalment is what a batch pays.
type instalment struct {
	benefit string
	number  int64
}

// paidIn lists what was ever paid in each wave, whatever the program's benefits are now.
func (e *Engine[T]) paidIn(ctx context.Context) (map[int64][]instalment, error) {
	all := map[int64][]instalment{}
	scan := Scan{Table: TableBatches, Limit: 1000}
	for {
		rows, next, err := e.store.Page(ctx, scan)
		if err != nil {
			return nil, err
		}
		for _, row := range rows.Rows {
			wave, paid := intOf(row.Values[4]), instalment{textOf(row.Values[2]), intOf(row.Values[3])}
			if !slices.Contains(all[wave], paid) {
				all[wave] = append(all[wave], paid)
			}
		}
		if next == nil {
			return all, nil
		}
		scan.After = next
	}
}

// erasure gathers what is written to erase people.
type erasure[T any] struct {
	engine *Engine[T]
	at     time.Time
	waves  []int64
	paid   map[int64][]instalment // by wave

	people  map[uuid.UUID]*Applicant[T]
	cases   map[uuid.UUID][]Application
	keys    map[uuid.UUID]Row
	indexes map[string]Row
	leaving departures[T]

	bars      map[string]int64    // versions of marks that an earlier erasure left
	gone      map[string]bool     // marks of accounts that go
	forgotten map[uuid.UUID]int64 // payees of an account who go

	shares *shares[T]
	rows   []Row
	ids    []string
}

func (e *Engine[T]) newErasure(ctx context.Context, ids []uuid.UUID) (*erasure[T], error) {
	waves, err := e.waveNumbers(ctx)
	if err != nil {
		return nil, err
	}
	paid, err := e.paidIn(ctx)
	if err != nil {
		return nil, err
	}
	x := &erasure[T]{engine: e, at: e.clock().UTC(), waves: waves, paid: paid, shares: e.newShares(""), leaving: e.newDepartures()}
	return x, x.read(ctx, ids)
}

// written are all rows.
func (x *erasure[T]) written() []Row {
	return sorted(slices.Concat(x.rows, x.leaving.rows(), x.shares.rows))
}

func (x *erasure[T]) read(ctx context.Context, ids []uuid.UUID) (err error) {
	e := x.engine
	if x.people, err = e.people(ctx, ids); err != nil {
		return err
	}
	if x.cases, err = e.casesOf(ctx, x.waves, ids); err != nil {
		return err
	}
	x.keys, x.indexes = map[uuid.UUID]Row{}, map[string]Row{}
	x.gone, x.forgotten, x.bars = map[string]bool{}, map[uuid.UUID]int64{}, map[string]int64{}
	var keys, digests []Key
	for _, id := range ids {
		a := x.people[id]
		if a == nil || a.State == Erased {
			continue
		}
		keys = append(keys, Key{TablePersonKeys, []any{idValue(id)}})
		if mark := e.barMark(a.Person.National.Reveal()); mark != nil {
			keys = append(keys, Key{TableBars, []any{mark}})
		}
		for _, o := range e.indexesOf(a) {
			digests = append(digests, o.keys()...)
		}
	}
	found, err := e.store.Load(ctx, Query{Keys: append(keys, digests...)})
	if err != nil {
		return err
	}
	for _, row := range found.Rows {
		if row.Table == TablePersonKeys {
			x.keys[idOf(row.Values[0])] = row
		} else if row.Table == TableBars {
			x.bars[string(bytesOf(row.Values[0]))] = row.Version
		} else {
			x.indexes[textOf(row.Values[0])+string(bytesOf(row.Values[1]))] = row
		}
	}
	return nil
}

// erase gathers the erasure of one person, or says why it must wait.
func (x *erasure[T]) erase(ctx context.Context, a *Applicant[T]) error {
	e := x.engine
	if a.State == Erased {
		return &StateError{What: "applicant " + a.ID.String(), State: string(Erased), Event: string(erase)}
	}
	paid, err := x.mayErase(ctx, a)
	if err != nil {
		return err
	}
	if err := x.forgetAccounts(ctx, a, paid); err != nil {
		return err
	}
	step, why := e.registration.Fire(a.State, erase, nil, Moment{At: x.at}, nil)
	if len(why) > 0 {
		return &StateError{What: "applicant " + a.ID.String(), State: string(a.State), Event: string(erase)}
	}
	for _, o := range e.indexesOf(a) {
		var found []Row
		for _, digest := range [][32]byte{o.digest, o.formerDigest} {
			if row, there := x.indexes[o.kind+string(digest[:])]; there {
				row.Gone = true
				found = append(found, row)
			}
		}
		if o.kind != indexFamily {
			x.rows = append(x.rows, found...)
		} else if err := x.leaving.leave(ctx, a.Household, found); err != nil {
			return err
		}
	}
	if row, there := x.keys[a.ID]; there {
		row.Gone = true
		x.rows = append(x.rows, row)
	}
	x.rows = append(x.rows, Row{Table: TableApplicants, Version: a.version,
		Values: []any{idValue(a.ID), string(step.To), a.Registered.UnixMicro(), nil, nil}})
	if len(e.program.Sharing) > 0 {
		if _, err := x.shares.leave(ctx, a.ID, func(Attribute, string) bool { return false }); err != nil {
			return err
		}
	}
	x.keepBars(a)
	x.ids = append(x.ids, shortID(a.ID))
	return nil
}

// mayErase says what is in the way, and returns what was paid.
func (x *erasure[T]) mayErase(ctx context.Context, a *Applicant[T]) (paid []paymentRow, err error) {
	e, last := x.engine, a.Registered
	for i := range x.cases[a.ID] {
		c := &x.cases[a.ID][i]
		over, err := e.over(c)
		if err != nil {
			return nil, &RetentionError{Applicant: a.ID, Why: "edition-unknown", Err: err}
		}
		if !over {
			return nil, &RetentionError{Applicant: a.ID, Why: "case-open"}
		}
		if c.Entered.After(last) {
			last = c.Entered
		}
		some, err := x.nothingOpen(ctx, c)
		if err != nil {
			return nil, err
		}
		paid = append(paid, some...)
	}
	if len(x.cases[a.ID]) == 0 && e.program.Retention.Years == 0 {
		return nil, nil // who never joined may leave at once
	}
	if e.program.Retention.Years == 0 {
		return nil, &RetentionError{Applicant: a.ID, Why: "retention"}
	}
	if until := last.In(e.zone).AddDate(e.program.Retention.Years, 0, 0).UTC(); x.at.Before(until) {
		return nil, &RetentionError{Applicant: a.ID, Until: until, Why: "retention"}
	}
	return paid, nil
}

// nothingOpen looks for money on its way and undecided appeals, and returns what was paid.
func (x *erasure[T]) nothingOpen(ctx context.Context, c *Application) (paid []paymentRow, err error) {
	e := x.engine
	for _, p := range x.paid[c.Wave] {
		some, err := e.generations(ctx, entitlementKey{p.benefit, p.number, c.Wave, c.Applicant})
		if err != nil {
			return nil, err
		}
		for i := range some {
			if some[i].state.Live() && some[i].state != payment.Settled {
				return nil, &RetentionError{Applicant: c.Applicant, Why: "payment-open"}
			}
		}
		paid = append(paid, some...)
	}
	appeals, err := e.Appeals(ctx, c.Wave, c.Applicant)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(appeals, func(a Appeal) bool { return a.State == AppealFiled }) {
		return nil, &RetentionError{Applicant: c.Applicant, Why: "appeal-open"}
	}
	return paid, nil
}

// keepBars leaves the marks that the program's bars demand.
func (x *erasure[T]) keepBars(a *Applicant[T]) {
	e := x.engine
	var names, bases []string
	until, forEver := time.Time{}, false
	for _, b := range e.program.Retention.Bars {
		i := slices.IndexFunc(e.program.Limits, func(l Limit) bool { return l.Name == b.Limit })
		limit := e.program.Limits[i]
		if !slices.ContainsFunc(x.cases[a.ID], func(c Application) bool {
			return c.SeatState != "" && (limit.Ever || c.SeatState != "returned")
		}) {
			continue
		}
		names, bases = append(names, b.Limit), append(bases, basisText(b.Basis))
		if b.Years == 0 {
			forEver = true
		} else if end := x.at.In(e.zone).AddDate(b.Years, 0, 0).UTC(); end.After(until) {
			until = end
		}
	}
	if len(names) == 0 {
		return
	}
	end := micros(until)
	if forEver {
		end = nil
	}
	mark := e.barMark(a.Person.National.Reveal())
	x.rows = append(x.rows, Row{Table: TableBars, Version: x.bars[string(mark)], Values: []any{mark, strings.Join(names, ","), end, strings.Join(bases, "; ")}})
}

func (x *erasure[T]) note() map[string]any {
	return map[string]any{"applicants": x.ids, "basis": basisText(x.engine.program.Retention.Basis)}
}

// Withdraw ends a registration on the applicant's own wish. Nothing is erased yet: see
// Erase. The error is a *StateError if a case is not at its end: first leave that; an
// *EditionError if that cannot be told.
func (e *Engine[T]) Withdraw(ctx context.Context, by By, applicant uuid.UUID) error {
	return e.moveRegistration(ctx, by, applicant, withdraw, func(ctx context.Context) error {
		waves, err := e.waveNumbers(ctx)
		if err != nil {
			return err
		}
		cases, err := e.casesOf(ctx, waves, []uuid.UUID{applicant})
		if err != nil {
			return err
		}
		for _, c := range cases[applicant] {
			over, err := e.over(&c)
			if err != nil {
				return err
			}
			if !over {
				return &StateError{What: fmt.Sprintf("the case in wave %d", c.Wave), State: string(c.State), Event: string(withdraw)}
			}
		}
		return nil
	})
}

// Return takes a withdrawal back.
func (e *Engine[T]) Return(ctx context.Context, by By, applicant uuid.UUID) error {
	return e.moveRegistration(ctx, by, applicant, back, nil)
}

// Reinstate lets somebody who was barred apply again.
func (e *Engine[T]) Reinstate(ctx context.Context, by By, applicant uuid.UUID) error {
	return e.moveRegistration(ctx, by, applicant, reinstate, nil)
}

func (e *Engine[T]) moveRegistration(ctx context.Context, by By, applicant uuid.UUID, event registrationEvent, check func(context.Context) error) error {
	cmd := command{by, "registration." + string(event), applicant}
	if done, err := e.answered(ctx, cmd); done || err != nil {
		return err
	}
	a, err := e.Applicant(ctx, applicant)
	if err != nil {
		return err
	}
	step, why := e.registration.Fire(a.State, event, nil, lifecycle.Moment{At: e.clock(), Actor: by.Actor}, nil)
	if len(why) > 0 {
		return &StateError{What: "applicant " + applicant.String(), State: string(a.State), Event: string(event)}
	}
	if check != nil {
		if err := check(ctx); err != nil {
			return err
		}
	}
	from := a.State
	a.State = step.To
	row, err := e.applicantRow(&a)
	if err != nil {
		return err
	}
	_, err = e.carryOut(ctx, cmd, Change{Home: applicant, Rows: []Row{row}}, "registration."+string(step.To),
		map[string]any{"applicants": []string{shortID(applicant)}, "from": from, "to": step.To})
	return err
}
