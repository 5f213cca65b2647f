package lifecycle

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gelombang/gelombang/program/calendar"
)

// Mermaid draws the table as a Mermaid state diagram.
func (t Table[S, E]) Mermaid() string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n")
	ids := t.mermaidIDs(&b)
	fmt.Fprintf(&b, "    [*] --> %s\n", ids[t.Start])
	for _, v := range t.Moves {
		for _, from := range t.Sources(v) {
			fmt.Fprintf(&b, "    %s --> %s: %s\n", ids[from], ids[v.To], mermaidText(t.label(v)))
		}
	}
	for _, s := range t.States {
		if s.Final {
			fmt.Fprintf(&b, "    %s --> [*]\n", ids[s.State])
		}
	}
	return b.String()
}

// mermaidIDs gives every state an identifier that Mermaid can read, and declares
// those that differ from the name.
func (t Table[S, E]) mermaidIDs(b *strings.Builder) map[S]string {
	ids := map[S]string{}
	for i, s := range t.States {
		ids[s.State] = string(s.State)
		if strings.Trim(string(s.State), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" || mermaidWord(string(s.State)) {
			ids[s.State] = fmt.Sprintf("s%d", i+1)
			fmt.Fprintf(b, "    state \"%s\" as s%d\n", mermaidText(string(s.State)), i+1)
		}
	}
	return ids
}

// mermaidWord reports whether a name means something else to Mermaid, or looks
// like an identifier that is made for another state.
func mermaidWord(name string) bool {
	switch strings.ToLower(name) {
	case "", "state", "end", "note", "class", "classdef", "click", "href", "style", "direction", "as", "scale", "default", "hide", "title", "acctitle", "accdescr", "statediagram":
		return true
	}
	digits, made := strings.CutPrefix(name, "s")
	return made && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// mermaidText writes a text so that nothing in it ends the label: Mermaid reads
// #CODE; as the character.
func mermaidText(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			b.WriteByte(' ')
		case r == '"' || r == '#' || r == ';' || r == ':' || r == '<' || r == '>' || r == '%' || r < ' ':
			fmt.Fprintf(&b, "#%d;", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// markdownCell writes a text so that it stays in one cell of a Markdown table.
func markdownCell(s string) string {
	return strings.NewReplacer("\\", "\\\\", "|", "\\|", "\r\n", " ", "\n", " ", "\r", " ").Replace(s)
}

// DOT draws the table for Graphviz.
func (t Table[S, E]) DOT() string {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %q {\n    rankdir=LR\n    node [shape=box]\n", t.Name)
	for _, s := range t.States {
		if s.Final {
			fmt.Fprintf(&b, "    %q [peripheries=2]\n", string(s.State))
		}
	}
	for _, v := range t.Moves {
		for _, from := range t.Sources(v) {
			fmt.Fprintf(&b, "    %q -> %q [label=%q%s]\n", string(from), string(v.To), t.label(v), t.line(v))
		}
	}
	b.WriteString("}\n")
	return b.String()
}

// Markdown writes the table of states and the table of moves.
func (t Table[S, E]) Markdown() string {
	var b strings.Builder
	b.WriteString("| state | holds | who acts next | deadline | check | marks |\n|---|---|---|---|---|---|\n")
	for _, s := range t.States {
		markdownRow(&b, string(s.State), joined(s.Holds), string(s.Next), s.deadlineCell(), s.checkCell(), s.marks())
	}
	if len(t.Sets) > 0 {
		b.WriteString("\n| set | states |\n|---|---|\n")
		for _, name := range slices.Sorted(maps.Keys(t.Sets)) {
			markdownRow(&b, string(name), joined(t.Sets[name]))
		}
	}
	b.WriteString("\n| on | from | to | needs | does | deadline |\n|---|---|---|---|---|---|\n")
	for _, v := range t.Moves {
		markdownRow(&b, string(v.On), joined(v.From), string(v.To), strings.Join(v.Needs, ", "), strings.Join(effectTexts(v.Do), ", "), clockCell(v))
	}
	return b.String()
}

func markdownRow(b *strings.Builder, cells ...string) {
	b.WriteString("|")
	for _, text := range cells {
		b.WriteString(" " + markdownCell(text) + " |")
	}
	b.WriteString("\n")
}

// label names the event, the guards, and the clock where it is the clock's.
func (t Table[S, E]) label(v Move[S, E]) string {
	text := string(v.On)
	if t.byClock(v) {
		text += " (deadline)"
	}
	if len(v.Needs) > 0 {
		text += " [" + strings.Join(v.Needs, ", ") + "]"
	}
	return text
}

func (t Table[S, E]) line(v Move[S, E]) string {
	if t.byClock(v) {
		return " style=dashed"
	}
	return ""
}

func (t Table[S, E]) byClock(v Move[S, E]) bool {
	return slices.ContainsFunc(t.States, func(s State[S, E]) bool { return s.Within != nil && s.Within.Fires == v.On })
}

func (s State[S, E]) deadlineCell() string {
	if s.Within == nil {
		return ""
	}
	return fmt.Sprintf("%s, then %s", termText(s.Within.Term), s.Within.Fires)
}

func termText(t calendar.Term) string {
	var text string
	switch {
	case t.For != 0:
		return t.For.String()
	case t.BusinessDays != 0:
		text = fmt.Sprintf("%d business days", t.BusinessDays)
	case t.Months != 0:
		text = fmt.Sprintf("%d months", t.Months)
	default:
		text = fmt.Sprintf("%d days", t.Days)
	}
	if t.CountStart {
		text += " from the same day"
	}
	if t.Until != "" {
		text += " until " + t.Until
	}
	if t.Zone != "" {
		text += " " + t.Zone
	}
	return text
}

func clockCell[S, E ~string](v Move[S, E]) string {
	if v.Extend == nil {
		return string(v.Clock)
	}
	return string(v.Clock) + ", later by " + termText(*v.Extend)
}

func (s State[S, E]) checkCell() string {
	if s.Check == nil {
		return ""
	}
	return fmt.Sprintf("%s: %s / %s / %s", s.Check.At, s.Check.Eligible, s.Check.Ineligible, s.Check.Pending)
}

func (s State[S, E]) marks() string {
	var marks []string
	for _, m := range []struct {
		on   bool
		name string
	}{{s.Final, "final"}, {s.Keeps, "keeps"}, {s.Payable, "payable"}} {
		if m.on {
			marks = append(marks, m.name)
		}
	}
	return strings.Join(marks, ", ")
}

func texts[N ~string](all []N) []string {
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = string(s)
	}
	return names
}

func joined[N ~string](all []N) string { return strings.Join(texts(all), ", ") }

func effectTexts(all []Effect) []string {
	names := make([]string, len(all))
	for i, e := range all {
		names[i] = e.Name
		if e.Arg != "" {
			names[i] += "(" + e.Arg + ")"
		}
	}
	return names
}
