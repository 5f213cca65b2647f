package lifecycle

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/wording"
)

//go:embed texts.json
var defaultTexts []byte

// DefaultTexts are the package's own sentences, in Indonesian and English. They
// belong into the catalogue that a Teller gets. An agency that adds a language
// translates all of them.
func DefaultTexts() (wording.Texts, error) { return wording.ParseTexts(defaultTexts) }

// argDue is the placeholder in the text of a state with a deadline: the last
// minute inside it.
const argDue = "due"

func guardKey(name string) string  { return "guard." + name }
func reasonKey(code string) string { return "reason." + code }

// Teller says in words what happens to cases of one table. It never changes and
// may be used by any number of goroutines.
type Teller[S, E ~string] struct {
	table  Table[S, E]
	states map[S]State[S, E]
	texts  *wording.Catalogue
	zone   *time.Location
}

// NewTeller makes a Teller for the table of a machine that was compiled with the
// same catalogue as its Texts. Instants are told in the zone, an IANA name. The
// errors are Faults with the package's own texts that the catalogue lacks, and
// those of calendar.Zone.
func NewTeller[S, E ~string](t Table[S, E], texts *wording.Catalogue, zone string) (*Teller[S, E], error) {
	loc, err := calendar.Zone(zone)
	if err != nil {
		return nil, err
	}
	own, err := DefaultTexts()
	if err != nil {
		return nil, err
	}
	var faults Faults
	for key := range own["en"] {
		if texts == nil || !texts.Has(key) {
			faults = append(faults, Fault{FaultWording, "texts", fmt.Sprintf("no text %q; compile DefaultTexts with the rest", key)})
		}
	}
	if len(faults) > 0 {
		slices.SortFunc(faults, func(a, b Fault) int { return strings.Compare(a.Note, b.Note) })
		return nil, faults
	}
	w := &Teller[S, E]{table: t, states: map[S]State[S, E]{}, texts: texts, zone: loc}
	for _, s := range t.States {
		w.states[s.State] = s
	}
	return w, nil
}

// Line is one step of a timeline in words.
type Line struct {
	// When is the date and minute of the step.
	When string
	// Text says what happened and where the case stands now.
	Text string
	// Due says until when something must happen; empty without a deadline.
	Due string
}

// Timeline tells the history of a case in the reader's language (see
// wording.Catalogue.Match). The officer reads each step with its names, its actor
// and all that followed; everybody else what it means. The error is a
// *wording.TextError for a text that is missing.
func (w *Teller[S, E]) Timeline(lang string, reader Party, history []Record[S, E]) ([]Line, error) {
	lines := make([]Line, len(history))
	for i, r := range history {
		t := w.sentences(lang)
		if reader == Officer {
			tellOfficer(t, r)
		} else {
			w.tellCitizen(t, r)
		}
		lines[i] = Line{When: wording.Minute(t.lang, r.At, w.zone), Text: strings.Join(t.said, " "), Due: t.deadline(r.Due, r.Since)}
		if t.err != nil {
			return nil, t.err
		}
	}
	return lines, nil
}

// Answer says of an event whether it is possible now.
type Answer[E ~string] struct {
	Event    E
	Possible bool
	// Title is the event's text.
	Title string
	// Text says that it is possible, or every reason why not.
	Text string
}

// Explain puts what Machine.Options found into words: which events are possible
// now and, for those that are not, why. A reason is told by the text "reason." and
// its code, or else by that of its guard. The error is a *wording.TextError.
func (w *Teller[S, E]) Explain(lang string, options []Option[E]) ([]Answer[E], error) {
	answers := make([]Answer[E], len(options))
	for i, o := range options {
		t := w.sentences(lang)
		title := t.text(w.table.eventKey(o.Event))
		for _, reason := range o.Reasons {
			t.reason(reason)
		}
		text := t.text("lifecycle.possible")
		if len(o.Reasons) > 0 {
			text = t.text("lifecycle.refused", wording.Arg{Name: "reasons", Value: strings.Join(t.said, " ")})
		}
		if t.err != nil {
			return nil, t.err
		}
		answers[i] = Answer[E]{Event: o.Event, Possible: len(o.Reasons) == 0, Title: title, Text: text}
	}
	return answers, nil
}

// sentences gathers sentences in one language; the first error stops it.
type sentences struct {
	texts *wording.Catalogue
	zone  *time.Location
	lang  string
	said  []string
	err   error
}

func (w *Teller[S, E]) sentences(lang string) *sentences {
	return &sentences{texts: w.texts, zone: w.zone, lang: w.texts.Match(lang)}
}

func (t *sentences) text(key string, args ...wording.Arg) string {
	if t.err != nil {
		return ""
	}
	text, err := t.texts.Text(t.lang, key, args...)
	t.err = err
	return text
}

func (t *sentences) say(key string, args ...wording.Arg) {
	t.said = append(t.said, t.text(key, args...))
}

func (t *sentences) sayNames(key string, names []string) {
	if len(names) > 0 {
		t.say(key, wording.Arg{Name: "names", Value: strings.Join(names, ", ")})
	}
}

func (t *sentences) reason(r Reason) {
	key := reasonKey(r.Code)
	if !t.texts.Has(key) && r.Guard != "" {
		key = guardKey(r.Guard)
	}
	if text := t.text(key); !slices.Contains(t.said, text) {
		t.said = append(t.said, text)
	}
}

// lastMinute is the last minute inside a deadline.
func (t *sentences) lastMinute(due time.Time) string {
	return wording.Minute(t.lang, due.Add(-1), t.zone)
}

func (t *sentences) deadline(due, since time.Time) string {
	switch {
	case !since.IsZero():
		return t.text("lifecycle.suspended", wording.Arg{Name: "since", Value: wording.Minute(t.lang, since, t.zone)})
	case !due.IsZero():
		return t.text("lifecycle.due", wording.Arg{Name: argDue, Value: t.lastMinute(due)})
	}
	return ""
}

func (w *Teller[S, E]) tellCitizen(t *sentences, r Record[S, E]) {
	s := w.states[r.To]
	if r.Event != "" {
		t.say(w.table.eventKey(r.Event))
	}
	if r.Due.IsZero() {
		t.say(s.wordingKey())
	} else {
		t.say(s.wordingKey(), wording.Arg{Name: argDue, Value: t.lastMinute(r.Due)})
	}
	if s.Next != "" && s.Next != Applicant {
		t.say("lifecycle.next", wording.Arg{Name: "party", Value: t.text("party." + string(s.Next))})
	}
}

func tellOfficer[S, E ~string](t *sentences, r Record[S, E]) {
	event, to := wording.Arg{Name: "event", Value: string(r.Event)}, wording.Arg{Name: "to", Value: string(r.To)}
	from, version := wording.Arg{Name: "from", Value: string(r.From)}, wording.Arg{Name: "version", Value: strconv.Itoa(r.Version)}
	switch {
	case r.Event != "":
		t.say("lifecycle.step", event, from, to)
	case r.From != "":
		t.say("lifecycle.migrated", version, from, to)
	default:
		event.Value = t.text("lifecycle.began")
		t.say("lifecycle.first", event, to)
	}
	if r.Actor != "" {
		t.say("lifecycle.by", wording.Arg{Name: "actor", Value: r.Actor})
	}
	if !r.Noted.IsZero() {
		t.say("lifecycle.noted", wording.Arg{Name: "noted", Value: wording.Minute(t.lang, r.Noted, t.zone)})
	}
	t.sayNames("lifecycle.needed", r.Needs)
	t.sayNames("lifecycle.takes", texts(r.Takes))
	t.sayNames("lifecycle.releases", texts(r.Releases))
	t.sayNames("lifecycle.does", effectTexts(r.Do))
	if r.Event != "" || r.From == "" {
		t.say("lifecycle.version", version)
	}
}
