package lifecycle

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// Migration maps the states of one version of a table to those of another, as
// data. A case keeps the version under which it was started until a migration
// moves it.
type Migration[S ~string] struct {
	// From and To are versions.
	From int `json:"from"`
	To   int `json:"to"`
	// States has every state of the old version.
	States map[S]S `json:"states"`
	// Anew lists old states whose deadline ends with the migration: the new
	// state's, if it has one, begins. Without it a deadline goes on as it is, so
	// the new state's must fire the same event and count in the same manner.
	Anew []S `json:"anew,omitempty"`
}

// Instance is where a case stands, and under which version.
type Instance[S ~string] struct {
	// ID names the case in a preview.
	ID      string
	State   S
	Version int
}

// Preview is what a migration would do to a set of cases.
type Preview[S ~string] struct {
	// Flows counts the cases that move, by old and new state.
	Flows []Flow[S]
	// Stranded counts the cases that no mapping moves, by their state: the
	// state has none, or the case is pinned to another version.
	Stranded []Flow[S]
	// Cases are the ids of the first hundred stranded ones.
	Cases []string
}

// Flow counts cases.
type Flow[S ~string] struct {
	Version  int
	From, To S
	Cases    int64
}

const maxStranded = 100

// Preview counts which cases would move where, and which would be stranded. The
// migration may be a draft that is not total yet. Nothing is changed.
func (g Migration[S]) Preview(cases iter.Seq[Instance[S]]) Preview[S] {
	flows, stranded := map[Flow[S]]int64{}, map[Flow[S]]int64{}
	var p Preview[S]
	for c := range cases {
		if to, ok := g.States[c.State]; ok && c.Version == g.From {
			flows[Flow[S]{Version: c.Version, From: c.State, To: to}]++
			continue
		}
		stranded[Flow[S]{Version: c.Version, From: c.State}]++
		if len(p.Cases) < maxStranded {
			p.Cases = append(p.Cases, c.ID)
		}
	}
	p.Flows, p.Stranded = sortedFlows(flows), sortedFlows(stranded)
	return p
}

func sortedFlows[S ~string](counts map[Flow[S]]int64) []Flow[S] {
	var all []Flow[S]
	for f, n := range counts {
		f.Cases = n
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b Flow[S]) int {
		if a.Version != b.Version {
			return a.Version - b.Version
		}
		return strings.Compare(string(a.From), string(b.From))
	})
	return all
}

// Migrator moves cases from one version of a table to another.
type Migrator[S, E ~string, C any] struct {
	machine *Machine[S, E, C]
	rows    map[S]*Row[S, E]
	anew    map[S]bool
	none    Row[S, E]
	from    int
}

// CompileMigration checks a migration against both versions of the table. The
// error is of type Faults: every old state has a new one, final states become
// final ones and others do not, no case becomes payable by migration where the
// new table demands an approval, and every deadline goes on as the new state's or
// ends because Anew says so. Only a case whose deadline stands still comes to where
// deadlines stand still.
func CompileMigration[S, E ~string, C any](g Migration[S], old Table[S, E], to *Machine[S, E, C]) (*Migrator[S, E, C], error) {
	x := &Migrator[S, E, C]{machine: to, rows: map[S]*Row[S, E]{}, anew: map[S]bool{}, from: g.From}
	var faults Faults
	fault := func(where, format string, args ...any) {
		faults = append(faults, Fault{Rule: FaultMigration, Where: where, Note: fmt.Sprintf(format, args...)})
	}
	if old.Name != to.table.Name || g.From != old.Version || g.To != to.table.Version || g.From == g.To {
		fault("migration", "it leads from version %d to %d, the tables are %q of version %d and %q of version %d",
			g.From, g.To, old.Name, old.Version, to.table.Name, to.table.Version)
	}
	for _, s := range g.Anew {
		x.anew[s] = true
	}
	takeover := newTakeover(old, to.table)
	known := map[S]bool{}
	for _, s := range old.States {
		known[s.State] = true
		next, mapped := g.States[s.State]
		into, declared := to.State(next)
		where := stateWhere(s.State)
		switch {
		case !mapped:
			fault(where, "has no new state")
			continue
		case !declared:
			fault(where, "its new state %q is not in version %d", string(next), g.To)
			continue
		case s.Final != into.Final:
			fault(where, "a final state becomes a final one, and only a final one does")
		case into.Payable && !s.Payable && to.table.Approval != "":
			fault(where, "would become payable without effect %q", to.table.Approval)
		}
		if note := takeover.fault(s.State, next, x.anew[s.State]); note != "" {
			fault(where, "%s", note)
		}
		x.rows[s.State] = &Row[S, E]{From: s.State, To: next, Version: g.To,
			Takes: without(into.Holds, s.Holds), Releases: without(s.Holds, into.Holds)}
	}
	for _, s := range slices.Sorted(maps.Keys(g.States)) {
		if !known[s] {
			fault(stateWhere(s), "is not in version %d", g.From)
		}
	}
	for _, s := range slices.Sorted(maps.Keys(x.anew)) {
		if !known[s] {
			fault(stateWhere(s), "is not in version %d", g.From)
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return x, nil
}

// takeover tells which deadlines of one table go on as those of another.
type takeover[S, E ~string] struct {
	old, to           map[S]*Deadline[E]
	oldStands, stands map[S][]S
}

func newTakeover[S, E ~string](old, to Table[S, E]) takeover[S, E] {
	return takeover[S, E]{old.deadlines(), to.deadlines(), old.standing(), to.standing()}
}

func (t Table[S, E]) deadlines() map[S]*Deadline[E] {
	all := map[S]*Deadline[E]{}
	for _, s := range t.States {
		if s.Within != nil {
			all[s.State] = s.Within
		}
	}
	return all
}

// fault says why the deadline of an old state cannot go on in a new one; empty if
// it can, or if there is none.
func (t takeover[S, E]) fault(old, next S, anew bool) string {
	sources, stood := t.oldStands[old]
	targets, stands := t.stands[next]
	own, within := t.old[old], t.to[next]
	switch {
	case stands && (!stood || anew):
		return fmt.Sprintf("comes without a deadline that stands still to %q, where one does", string(next))
	case anew && own == nil && !stood:
		return "has no deadline that could begin anew"
	case anew, own == nil && !stood:
		return ""
	case stood && !stands:
		return fmt.Sprintf("its deadline stands still, which it cannot in %q", string(next))
	case own != nil && within == nil:
		return fmt.Sprintf("its deadline goes on, but %q has none", string(next))
	}
	if own != nil {
		return unlike(differs(own, within))
	}
	for _, source := range sources {
		for _, target := range targets {
			if note := unlike(differs(t.old[source], t.to[target])); note != "" {
				return note
			}
		}
	}
	return ""
}

func unlike(note string) string {
	if note == "" {
		return ""
	}
	return "its deadline cannot go on as the new one: " + note
}

// differs says how the manners of two deadlines differ; empty if they do not.
func differs[E ~string](one, other *Deadline[E]) string {
	if one == nil || other == nil || one.manner() == other.manner() {
		return ""
	}
	return fmt.Sprintf("one fires %q in %s, the other %q in %s", string(one.Fires), one.manner(), string(other.Fires), other.manner())
}

// Step decides the migration of one case. A deadline goes on as it is, running or
// standing still, unless the state is in Anew; a case that had none gets the new
// state's. Refused, with CodeUnknown, is a case of another version or of no known
// state; with CodeStale one whose deadline belongs to an earlier entry; and with
// CodeNoDeadline one that should have a deadline and has none. The latter two can be
// no case of the old table.
func (x *Migrator[S, E, C]) Step(c Instance[S], at Moment) (Step[S, E], []Reason) {
	row, ok := x.rows[c.State]
	if !ok || c.Version != x.from {
		return Step[S, E]{Row: &x.none}, []Reason{{Code: CodeUnknown}}
	}
	due, suspended, code := x.deadline(x.machine.states.at(row.To), x.anew[c.State], at)
	if code != "" {
		return Step[S, E]{Row: &x.none}, []Reason{{Code: code}}
	}
	return Step[S, E]{row, due, suspended}, nil
}

func (x *Migrator[S, E, C]) deadline(to int, anew bool, at Moment) (due int64, suspended bool, code string) {
	starts, stands := x.machine.starts[to], x.machine.stands[to]
	if was := at.Running; !anew && was != nil && !was.Due.IsZero() {
		if was.Entry != at.Entry {
			return 0, false, CodeStale
		}
		if suspended = !was.Since.IsZero(); suspended != stands || !suspended && starts == nil {
			return 0, false, CodeNoDeadline
		}
		due, code = micros(was.Due, nil)
		return due, suspended, code
	}
	if stands {
		return 0, false, CodeNoDeadline
	}
	if starts != nil {
		due, code = micros(starts.Due(at.At))
	}
	return due, false, code
}
