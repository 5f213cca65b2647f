package eligibility

import (
	"encoding/json"
	"errors"
	"slices"
	"unicode/utf8"

	"github.com/gelombang/gelombang/program/calendar"
)

// MarshalJSON writes the condition in canonical JSON: keys sorted, no white space,
// codes sorted, and <, > and & escaped as json.Marshal does, which so gives the same
// bytes. The error says that a text is not UTF-8.
func (c Condition) MarshalJSON() ([]byte, error) { return canonical(c.tree()) }

// MarshalJSON writes the policy in canonical JSON (see Condition.MarshalJSON), with its
// cases. The error says that a text is not UTF-8, or a case has a value that JSON lacks.
func (p Policy) MarshalJSON() ([]byte, error) { return canonical(p.tree()) }

// canonical encodes a tree of maps, slices, strings, integers and bools, and of what a
// Case holds.
func canonical(tree any) ([]byte, error) {
	if !isUTF8(tree) {
		return nil, errors.New("eligibility: a text is not UTF-8")
	}
	return json.Marshal(tree)
}

// isUTF8 looks at the texts of a tree. Others would all be written alike.
func isUTF8(tree any) bool {
	switch v := tree.(type) {
	case string:
		return utf8.ValidString(v)
	case []string:
		return !slices.ContainsFunc(v, func(s string) bool { return !utf8.ValidString(s) })
	case []any:
		return !slices.ContainsFunc(v, func(item any) bool { return !isUTF8(item) })
	case map[string]string:
		for key, item := range v {
			if !utf8.ValidString(key) || !utf8.ValidString(item) {
				return false
			}
		}
	case map[string]any:
		for key, item := range v {
			if !utf8.ValidString(key) || !isUTF8(item) {
				return false
			}
		}
	}
	return true
}

func (p *Policy) tree() map[string]any {
	tree := map[string]any{"name": p.Name}
	if p.Zone != "" {
		tree["zone"] = p.Zone
	}
	params := make([]any, len(p.Params))
	for i := range p.Params {
		params[i] = p.Params[i].tree()
	}
	rules := make([]any, len(p.Rules))
	for i := range p.Rules {
		rules[i] = p.Rules[i].tree()
	}
	cases := make([]any, len(p.Cases))
	for i := range p.Cases {
		cases[i] = p.Cases[i].tree()
	}
	tree["rules"] = rules
	if len(params) > 0 {
		tree["params"] = params
	}
	if len(cases) > 0 {
		tree["cases"] = cases
	}
	return tree
}

func (r *Rule) tree() any {
	if r.Repeal {
		return withDays(map[string]any{"code": r.Code, "repeal": true, "basis": r.Basis.tree()}, r.edition())
	}
	tree := map[string]any{"code": r.Code, "require": r.Require.tree(), "basis": r.Basis.tree(), "at": append([]string{}, r.At...)}
	if r.Severity != Bar {
		tree["severity"] = r.Severity.String()
	}
	return withDays(tree, r.edition())
}

func (p *Param) tree() any {
	return withDays(map[string]any{"name": p.Name, "value": limitTree(p.Value, p.Currency), "basis": p.Basis.tree()}, p.edition())
}

func withDays(tree map[string]any, e edition) map[string]any {
	for key, day := range map[string]calendar.Date{"from": e.from, "until": e.until, "known": e.known} {
		if !day.IsZero() {
			tree[key] = day.String()
		}
	}
	return tree
}

func (b Basis) tree() any {
	switch {
	case b.Policies != nil:
		return map[string]any{"policy": b.Policies}
	case b.Policy != "":
		return map[string]any{"policy": b.Policy}
	}
	return map[string]any{"instrument": b.Instrument, "article": b.Article}
}

func (c Condition) tree() any {
	if c.op >= opAll {
		return c.combinationTree()
	}
	tree := map[string]any{"fact": c.fact}
	switch c.op {
	case opIs:
		tree["is"] = c.yes
	case opEquals, opAtLeast, opAgeAtLeast:
		tree[opNames[c.op]] = c.limitTree(c.low)
	case opAtMost, opAgeAtMost:
		tree[opNames[c.op]] = c.limitTree(c.high)
	case opBetween:
		tree["between"] = []any{c.limitTree(c.low), c.limitTree(c.high)}
	case opIn, opHasAny, opHasAll:
		tree[opNames[c.op]] = append([]string{}, c.codes...)
	case opKnown, opHolds:
		tree[opNames[c.op]] = true
	case opOnOrAfter, opOnOrBefore:
		tree[opNames[c.op]] = c.day.String()
	}
	return tree
}

func (c Condition) limitTree(n int64) any {
	if c.param != "" {
		return map[string]any{"param": c.param}
	}
	return limitTree(n, c.currency)
}

func limitTree(n int64, currency string) any {
	if currency != "" {
		return map[string]any{"units": n, "currency": currency}
	}
	return n
}

func (c Condition) combinationTree() any {
	parts := make([]any, len(c.of))
	for i, part := range c.of {
		parts[i] = part.tree()
	}
	switch {
	case c.op == opNot && len(parts) == 1:
		return map[string]any{"not": parts[0]}
	case c.op == opNOf:
		return map[string]any{"at_least": c.low, "of": parts}
	}
	return map[string]any{opNames[c.op]: parts}
}
