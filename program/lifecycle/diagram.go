package lifecycle

import (
	"fmt"
	"strings"

	"github.com/gelombang/gelombang/program/calendar"
)

// Mermaid draws the table as a Mermaid state diagram.
func (t Table[S, E]) Mermaid() string {
	var b strings.Builder
	fmt.Fprintf(&b, "stateDiagram-v2\n    [*] --> %s\n", t.Start)
	for _, v := range t.Moves {
		for _, from := range v.From {
			fmt.Fprintf(&b, "    %s --> %s: %s\n", from, v.To, label(v))
		}
	}
	for _, s := range t.States {
		if s.Final {
			fmt.Fprintf(&b, "    %s --> [*]\n", s.State)
		}
	}
	return b.String()
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
		for _, from := range v.From {
			fmt.Fprintf(&b, "    %q -> %q [label=%q]\n", string(from), string(v.To), label(v))
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
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n",
			s.State, joined(s.Holds), s.Next, s.deadlineCell(), s.checkCell(), s.marks())
	}
	b.WriteString("\n| on | from | to | needs | does |\n|---|---|---|---|---|\n")
	for _, v := range t.Moves {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n",
			v.On, joined(v.From), v.To, strings.Join(v.Needs, ", "), effects(v.Do))
	}
	return b.String()
}

func label[S, E ~string](v Move[S, E]) string {
	if len(v.Needs) == 0 {
		return string(v.On)
	}
	return string(v.On) + " [" + strings.Join(v.Needs, ", ") + "]"
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

func joined[S ~string](all []S) string {
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}

func effects(all []Effect) string {
	names := make([]string, len(all))
	for i, e := range all {
		names[i] = e.Name
		if e.Arg != "" {
			names[i] += "(" + e.Arg + ")"
		}
	}
	return strings.Join(names, ", ")
}
