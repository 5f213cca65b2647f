package wording

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// template is a text cut at its placeholders.
type template struct {
	parts []part
	names []string // sorted, each once
	tag   language.Tag
}

// part is a literal, a placeholder (name), or a choice by the plural form of name.
type part struct {
	literal string
	name    string
	forms   []form
}

type form struct {
	form plural.Form
	text string
}

type problem struct{ rule, detail string }

func parseTemplate(text string, tag language.Tag) (template, []problem) {
	t := template{tag: tag}
	var problems []problem
	names := map[string]bool{}
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			t.parts = append(t.parts, part{literal: literal.String()})
			literal.Reset()
		}
	}
	for text != "" {
		i := strings.IndexAny(text, "{}")
		if i < 0 {
			i = len(text)
		}
		literal.WriteString(text[:i])
		text = text[i:]
		if text == "" {
			break
		}
		if strings.HasPrefix(text, "{{") || strings.HasPrefix(text, "}}") {
			literal.WriteByte(text[0])
			text = text[2:]
			continue
		}
		end := strings.IndexAny(text[1:], "{}") + 1
		if text[0] == '}' || end == 0 || text[end] != '}' {
			problems = append(problems, problem{"template", "a brace has no partner; write {{ or }} for a brace"})
			break
		}
		flush()
		p, faults := parsePlaceholder(text[1:end])
		problems = append(problems, faults...)
		t.parts = append(t.parts, p)
		names[p.name] = true
		text = text[end+1:]
	}
	flush()
	t.names = slices.Sorted(maps.Keys(names))
	return t, problems
}

func parsePlaceholder(inside string) (part, []problem) {
	fields := strings.Split(inside, "|")
	p := part{name: fields[0]}
	var problems []problem
	if !isName(p.name) {
		problems = append(problems, problem{"template", fmt.Sprintf("{%s}: a name has the letters a to z, digits and _", p.name)})
	}
	for _, field := range fields[1:] {
		word, text, _ := strings.Cut(field, " ")
		f, ok := pluralForms[word]
		if !ok {
			problems = append(problems, problem{"form", fmt.Sprintf("{%s}: %q is not zero, one, two, few, many or other", p.name, word)})
			continue
		}
		p.forms = append(p.forms, form{f, text})
	}
	if len(p.forms) > 0 && !slices.ContainsFunc(p.forms, func(f form) bool { return f.form == plural.Other }) {
		problems = append(problems, problem{"plural", fmt.Sprintf("{%s}: the form other is missing", p.name)})
	}
	return p, problems
}

var pluralForms = map[string]plural.Form{
	"zero": plural.Zero, "one": plural.One, "two": plural.Two,
	"few": plural.Few, "many": plural.Many, "other": plural.Other,
}

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return s != ""
}

func (t template) append(dst []byte, args []Arg) (out []byte, missing string) {
	for i := range t.parts {
		p := &t.parts[i]
		if p.name == "" {
			dst = append(dst, p.literal...)
			continue
		}
		at := 0
		for at < len(args) && args[at].Name != p.name {
			at++
		}
		if at == len(args) {
			return dst, p.name
		}
		value := args[at].Value
		if p.forms != nil {
			value = p.choose(t.tag, value)
		}
		dst = append(dst, value...)
	}
	return dst, ""
}

// choose returns the text for the plural form of a whole number; anything else is "other".
func (p *part) choose(tag language.Tag, value string) string {
	wanted := plural.Other
	if n, ok := wholeNumber(value); ok {
		wanted = plural.Cardinal.MatchPlural(tag, n, 0, 0, 0, 0)
	}
	other := ""
	for _, f := range p.forms {
		if f.form == wanted {
			return f.text
		}
		if f.form == plural.Other {
			other = f.text
		}
	}
	return other
}

// wholeNumber returns the number that plural rules look at: for long numbers the
// last seven digits, which is what CLDR's rules need at most (they ask for n
// modulo 1,000,000 and compare with small numbers).
func wholeNumber(s string) (int, bool) {
	s = strings.TrimPrefix(s, "-")
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	s = strings.TrimLeft(s, "0")
	big := len(s) > 7
	if big {
		s = s[len(s)-7:]
	}
	n := 0
	for i := range len(s) {
		n = n*10 + int(s[i]-'0')
	}
	if big && n < 1_000_000 {
		n += 10_000_000
	}
	return n, true
}
