package program

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/program/wording"
)

// OwnFile is everything that a program knows of one person, in words: what the person has
// a right to see. It prints as a mask; Write and WriteJSON give it to the person.
type OwnFile struct{ Sections []FileSection }

// FileSection is a part of an OwnFile.
type FileSection struct {
	Title string     `json:"title"`
	Lines []FileLine `json:"lines"`
}

// FileLine is one thing that is known.
type FileLine struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Format keeps the file out of every print.
func (f OwnFile) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "OwnFile(****)") }

// LogValue keeps the file out of every log.
func (f OwnFile) LogValue() slog.Value { return slog.StringValue("OwnFile(****)") }

// MarshalJSON keeps the file out of documents that it is not meant for: see WriteJSON.
func (f OwnFile) MarshalJSON() ([]byte, error) { return []byte(`"OwnFile(****)"`), nil }

// Write writes the file as plain text.
func (f OwnFile) Write(w io.Writer) error {
	var b strings.Builder
	for i, s := range f.Sections {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(s.Title + "\n")
		for _, l := range s.Lines {
			b.WriteString("  " + strings.TrimSuffix(l.Name+": "+strings.ReplaceAll(l.Value, "\n", " "), ": ") + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteJSON writes the file as JSON, for taking it elsewhere.
func (f OwnFile) WriteJSON(w io.Writer) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(f.Sections)
}

// OwnFile gathers what is known of an applicant, in Indonesian ("id") or English ("en"):
// the person and the account, what was observed, each case with its steps, the decisions
// with their reasons and legal bases, payments, appeals, corrections, and how long it is
// kept. That it was given is in the journal. The error is ErrNotFound if there is no such
// applicant, and a *StateError for one who was erased.
func (e *Engine[T]) OwnFile(ctx context.Context, by By, applicant uuid.UUID, lang string) (OwnFile, error) {
	a, err := e.Applicant(ctx, applicant)
	if err != nil {
		return OwnFile{}, err
	}
	if a.State == Erased {
		return OwnFile{}, &StateError{What: "applicant " + applicant.String(), State: string(Erased), Event: "file"}
	}
	f := &fileWriter[T]{engine: e, lang: e.own.Match(lang)}
	f.person(&a)
	waves, err := e.waveNumbers(ctx)
	if err != nil {
		return OwnFile{}, err
	}
	for _, w := range waves {
		if err := f.wave(ctx, w, applicant); err != nil {
			return OwnFile{}, err
		}
	}
	amendments, err := e.Amendments(ctx, applicant)
	if err != nil {
		return OwnFile{}, err
	}
	f.amendments(amendments)
	f.retention()
	if _, err := e.carryOut(ctx, command{By{Actor: by.Actor, OnBehalf: by.OnBehalf}, "file", applicant}, Change{Home: applicant}, "file.given",
		map[string]any{"applicants": []string{shortID(applicant)}}); err != nil {
		return OwnFile{}, err
	}
	return f.file, errors.Join(f.faults...)
}

// fileWriter writes an OwnFile.
type fileWriter[T any] struct {
	engine *Engine[T]
	lang   string
	file   OwnFile
	faults []error
}

// text is one of the library's own texts.
func (f *fileWriter[T]) text(key string, args ...wording.Arg) string {
	text, err := f.engine.own.Text(f.lang, key, args...)
	if err != nil {
		f.faults = append(f.faults, err)
	}
	return text
}

// named is an agency's text for a key, or the name itself.
func (f *fileWriter[T]) named(key, name string) string {
	if !f.engine.texts.Has(key) {
		return name
	}
	text, err := f.engine.texts.Text(f.lang, key)
	if err != nil {
		f.faults = append(f.faults, err)
	}
	return text
}

func (f *fileWriter[T]) section(key string, args ...wording.Arg) {
	f.file.Sections = append(f.file.Sections, FileSection{Title: f.text(key, args...), Lines: []FileLine{}})
}

func (f *fileWriter[T]) line(name, value string) {
	if value == "" {
		return
	}
	s := &f.file.Sections[len(f.file.Sections)-1]
	s.Lines = append(s.Lines, FileLine{name, value})
}

func (f *fileWriter[T]) minute(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return wording.Minute(f.lang, t, f.engine.zone)
}

func (f *fileWriter[T]) person(a *Applicant[T]) {
	p := &a.Person
	f.section("file.person")
	f.line(f.text("file.name"), p.Name.Reveal())
	f.line(f.text("file.national"), p.National.Reveal())
	f.line(f.text("file.family"), p.Family.Reveal())
	if !p.Birth.IsZero() {
		f.line(f.text("file.birth"), wording.Date(f.lang, p.Birth))
	}
	f.line(f.text("file.phone"), p.Phone.Reveal())
	f.line(f.text("file.registered"), f.minute(a.Registered))
	f.line(f.text("file.state"), f.text("registration."+string(a.State)))
	if !p.Payout.Account.IsZero() {
		f.line(f.text("file.account"), strings.TrimSpace(p.Payout.Provider+" "+p.Payout.Account.Reveal()+" "+p.Payout.Holder.Reveal()))
	}
	var details map[string]any
	if data, err := json.Marshal(a.Details); err == nil && json.Unmarshal(data, &details) == nil {
		for _, field := range sortedKeys(details) {
			f.line(f.named("details."+field, field), fmt.Sprint(details[field]))
		}
	}
	f.section("file.observed")
	for _, fact := range sortedKeys(a.Evidence) {
		seen := a.Evidence[fact]
		key := map[bool]string{true: "file.yes", false: "file.no"}[seen.Value]
		if seen.Unknown != "" {
			key = "file.unknown"
		}
		f.line(f.named("fact."+fact, fact), f.text("file.seen", wording.Arg{Name: "value", Value: f.text(key)},
			wording.Arg{Name: "source", Value: f.named("source."+seen.Source, seen.Source)}, wording.Arg{Name: "when", Value: f.minute(seen.Seen)}))
	}
}

// wave writes what there is of one wave.
func (f *fileWriter[T]) wave(ctx context.Context, wave int64, applicant uuid.UUID) error {
	e := f.engine
	a, err := e.Application(ctx, wave, applicant)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	f.section("file.wave", wording.Arg{Name: "wave", Value: strconv.FormatInt(wave, 10)})
	f.line(f.text("file.receipt"), fmt.Sprintf("%x", a.Receipt))
	f.line(f.text("file.seat"), a.Seat)
	f.line(f.text("file.deadline"), f.minute(a.Due))
	lines, err := e.Timeline(ctx, wave, applicant, f.lang, lifecycle.Applicant)
	switch {
	case errors.Is(err, ErrNoTexts): // a program without words has its names
		for _, step := range a.Trail {
			f.line(f.minute(step.At), string(step.To))
		}
	case err != nil:
		return err
	}
	for _, l := range lines {
		f.line(l.When, strings.TrimSpace(l.Text+" "+l.Due))
	}
	if err := f.decisions(ctx, wave, applicant); err != nil {
		return err
	}
	if err := f.payments(ctx, wave, applicant); err != nil {
		return err
	}
	appeals, err := e.Appeals(ctx, wave, applicant)
	if err != nil {
		return err
	}
	for _, appeal := range appeals {
		text, err := e.AppealText(ctx, appeal)
		if err != nil {
			return err
		}
		f.line(f.text("file.appeal", wording.Arg{Name: "when", Value: f.minute(appeal.Filed)}), text)
		f.line(f.text("file.answer"), f.text("file.appeal-"+string(appeal.State)))
		f.line(f.text("file.reason"), appeal.Reason)
	}
	return nil
}

func (f *fileWriter[T]) decisions(ctx context.Context, wave int64, applicant uuid.UUID) error {
	kept, err := f.engine.Decisions(ctx, wave, applicant)
	if err != nil {
		return err
	}
	for _, k := range kept {
		d, err := f.engine.Redecide(ctx, k)
		var other *PolicyError
		if errors.As(err, &other) { // by a policy that this program does not have: its record
			f.line(f.text("file.decision"), string(k.Record))
			continue
		}
		if err != nil {
			return err
		}
		f.line(f.text("file.decision"), f.text("file.verdict", wording.Arg{Name: "verdict", Value: f.text("file." + d.Verdict.String())},
			wording.Arg{Name: "stage", Value: f.named("stage."+d.Stage, d.Stage)}, wording.Arg{Name: "date", Value: wording.Date(f.lang, d.AsOf)}))
		for i := range d.Len() {
			if d.Outcome(i) != eligibility.Pass {
				f.line(f.text("file.because"), f.engine.policy.Reason(f.lang, d.Finding(i)))
			}
		}
	}
	return nil
}

func (f *fileWriter[T]) payments(ctx context.Context, wave int64, applicant uuid.UUID) error {
	all, err := f.engine.Entitlements(ctx, wave, applicant)
	if err != nil {
		return err
	}
	for _, owed := range all {
		f.line(f.text("file.owed", wording.Arg{Name: "benefit", Value: f.named("benefit."+owed.Benefit, owed.Benefit)},
			wording.Arg{Name: "number", Value: strconv.Itoa(owed.Number)}), owed.Amount.String()+", "+wording.Date(f.lang, owed.Due))
		for _, p := range owed.Payments {
			text := f.text("payment." + string(p.State))
			if p.Failure != "" {
				text += " " + f.text(p.Failure.Wording())
			}
			f.line(f.minute(p.Since), text)
		}
	}
	return nil
}

func (f *fileWriter[T]) amendments(all []Amendment) {
	if len(all) == 0 {
		return
	}
	f.section("file.corrections")
	for _, m := range all {
		for _, field := range m.Fields {
			f.line(f.minute(m.At)+", "+field, m.Old[field]+" → "+m.New[field]+" ("+m.Reason+", "+m.Actor+")")
		}
	}
}

func (f *fileWriter[T]) retention() {
	r := f.engine.program.Retention
	f.section("file.kept")
	years := f.text("file.for-ever")
	if r.Years > 0 {
		years = f.text("file.years", wording.Arg{Name: "years", Value: strconv.Itoa(r.Years)})
	}
	f.line(f.text("file.term"), years)
	f.line(f.text("file.basis"), basisText(r.Basis))
	for _, b := range r.Bars {
		f.line(f.text("file.bar"), b.Limit+", "+basisText(b.Basis))
	}
}
