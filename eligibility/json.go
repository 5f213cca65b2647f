package eligibility

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/gelombang/gelombang/program/calendar"
)

// MarshalJSON writes the condition in canonical JSON: keys sorted, no white space,
// codes sorted.
func (c Condition) MarshalJSON() ([]byte, error) { return canonical(c.tree()), nil }

// MarshalJSON writes the policy in canonical JSON.
func (p Policy) MarshalJSON() ([]byte, error) { return canonical(p.tree()), nil }

// canonical encodes maps, slices, strings, integers and bools, which cannot fail.
func canonical(tree any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(tree); err != nil {
		return []byte("null")
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

func (p Policy) tree() any {
	rules := make([]any, len(p.Rules))
	for i, r := range p.Rules {
		tree := map[string]any{"code": r.Code, "require": r.Require.tree(), "basis": r.Basis.tree(), "at": append([]string{}, r.At...)}
		if !r.From.IsZero() {
			tree["from"] = r.From.String()
		}
		if !r.Until.IsZero() {
			tree["until"] = r.Until.String()
		}
		rules[i] = tree
	}
	return map[string]any{"name": p.Name, "rules": rules}
}

func (b Basis) tree() any {
	if b.Policy != "" {
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
		tree[opNames[c.op]] = c.low
	case opAtMost, opAgeAtMost:
		tree[opNames[c.op]] = c.high
	case opBetween:
		tree["between"] = []int64{c.low, c.high}
	case opIn:
		tree["in"] = append([]string{}, c.codes...)
	case opKnown:
		tree["known"] = true
	case opOnOrAfter, opOnOrBefore:
		tree[opNames[c.op]] = c.day.String()
	}
	return tree
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

// ParsePolicy reads a policy from JSON in the form that Policy.MarshalJSON writes:
//
//	{"name": "perpres-76", "rules": [{
//	  "code": "adult", "require": {"fact": "birth", "age_at_least": 18},
//	  "basis": {"instrument": "Perpres 76/2020", "article": "3(4)b"},
//	  "from": "2020-07-08", "at": ["join", "screen"]}]}
//
// It checks the form: a key that is unknown, missing or there twice and a value
// of the wrong type are reported, all at once, each a *Fault with its path.
// Compile checks the meaning against a schema.
func ParsePolicy(data []byte) (Policy, error) {
	tree, err := parseTree(data)
	if err != nil {
		return Policy{}, joined([]Fault{{"policy", "json", err.Error()}})
	}
	r := &reader{}
	p := r.policy(tree)
	if len(r.faults) > 0 {
		return Policy{}, joined(r.faults)
	}
	return p, nil
}

// reader takes values out of a tree and notes what does not fit.
type reader struct {
	faults []Fault
}

func (r *reader) fault(path, rule, detail string) {
	r.faults = append(r.faults, Fault{path, rule, detail})
}

func (r *reader) object(tree any, path string, allowed ...string) map[string]any {
	object, ok := tree.(map[string]any)
	if !ok {
		r.fault(path, "type", "an object is expected")
		return nil
	}
	for key := range object {
		if !slices.Contains(allowed, key) {
			r.fault(path, "key", "there is no key "+quote(key))
		}
	}
	return object
}

func (r *reader) text(tree any, path string) string {
	s, ok := tree.(string)
	if !ok {
		r.fault(path, "type", "a string is expected")
	}
	return s
}

func (r *reader) list(tree any, path string) []any {
	list, ok := tree.([]any)
	if !ok {
		r.fault(path, "type", "a list is expected")
	}
	return list
}

func (r *reader) number(tree any, path string) int64 {
	number, ok := tree.(json.Number)
	if !ok {
		r.fault(path, "type", "a whole number is expected")
		return 0
	}
	n, err := number.Int64()
	if err != nil {
		r.fault(path, "type", "a whole number of 64 bits is expected")
	}
	return n
}

func (r *reader) date(tree any, path string) calendar.Date {
	d, err := calendar.Parse(r.text(tree, path))
	if err != nil {
		r.fault(path, "date", "a date is written as 2006-01-02")
	}
	return d
}

func (r *reader) texts(tree any, path string) []string {
	var texts []string
	for i, item := range r.list(tree, path) {
		texts = append(texts, r.text(item, path+at(i)))
	}
	return texts
}

func (r *reader) policy(tree any) Policy {
	object := r.object(tree, "policy", "name", "rules")
	p := Policy{Name: r.text(object["name"], "name")}
	for i, item := range r.list(object["rules"], "rules") {
		p.Rules = append(p.Rules, r.rule(item, "rules"+at(i)))
	}
	return p
}

func (r *reader) rule(tree any, path string) Rule {
	object := r.object(tree, path, "code", "require", "basis", "from", "until", "at")
	rule := Rule{
		Code:    r.text(object["code"], path+".code"),
		Require: r.condition(object["require"], path+".require"),
		Basis:   r.basis(object["basis"], path+".basis"),
		At:      r.texts(object["at"], path+".at"),
	}
	if from, ok := object["from"]; ok {
		rule.From = r.date(from, path+".from")
	}
	if until, ok := object["until"]; ok {
		rule.Until = r.date(until, path+".until")
	}
	return rule
}

func (r *reader) basis(tree any, path string) Basis {
	object := r.object(tree, path, "instrument", "article", "policy")
	if policy, ok := object["policy"]; ok {
		if len(object) > 1 {
			r.fault(path, "basis", "is an instrument with its article, or a policy without a known article")
		}
		return WithoutArticle(r.text(policy, path+".policy"))
	}
	return Article(r.text(object["instrument"], path+".instrument"), r.text(object["article"], path+".article"))
}

func (r *reader) condition(tree any, path string) Condition {
	object, ok := tree.(map[string]any)
	if !ok {
		r.fault(path, "type", "a condition is an object")
		return Condition{}
	}
	if _, leaf := object["fact"]; !leaf {
		return r.combination(object, path)
	}
	fact := Fact{r.text(object["fact"], path+".fact")}
	if len(object) != 2 {
		r.fault(path, "key", "a comparison has a fact and one operator")
		return Condition{}
	}
	for name, limit := range object {
		if name != "fact" {
			return r.comparison(fact, name, limit, path)
		}
	}
	return Condition{}
}

func (r *reader) comparison(f Fact, name string, limit any, path string) Condition {
	path += "." + name
	switch name {
	case "is":
		return BoolFact{f}.Is(r.boolean(limit, path))
	case "known":
		if !r.boolean(limit, path) {
			r.fault(path, "type", "known is true; use not")
		}
		return f.Known()
	case "equals":
		return IntFact{f}.Equals(r.number(limit, path))
	case "at_least":
		return IntFact{f}.AtLeast(r.number(limit, path))
	case "at_most":
		return IntFact{f}.AtMost(r.number(limit, path))
	case "between":
		ends := r.list(limit, path)
		if len(ends) != 2 {
			r.fault(path, "type", "two numbers are expected")
			return Condition{}
		}
		return IntFact{f}.Between(r.number(ends[0], path+at(0)), r.number(ends[1], path+at(1)))
	case "in":
		return CodeFact{f}.In(r.texts(limit, path)...)
	case "on_or_after":
		return DateFact{f}.OnOrAfter(r.date(limit, path))
	case "on_or_before":
		return DateFact{f}.OnOrBefore(r.date(limit, path))
	case "age_at_least":
		return DateFact{f}.AgeAtLeast(r.years(limit, path))
	case "age_at_most":
		return DateFact{f}.AgeAtMost(r.years(limit, path))
	}
	r.fault(path, "operator", "there is no operator "+quote(name))
	return Condition{}
}

func (r *reader) boolean(tree any, path string) bool {
	b, ok := tree.(bool)
	if !ok {
		r.fault(path, "type", "true or false is expected")
	}
	return b
}

func (r *reader) years(tree any, path string) int {
	n := r.number(tree, path)
	if n < math.MinInt32 || n > math.MaxInt32 {
		r.fault(path, "range", "an age is from 0 to 150")
		return 0
	}
	return int(n)
}

func (r *reader) combination(object map[string]any, path string) Condition {
	if of, ok := object["of"]; ok && len(object) == 2 {
		if n, ok := object["at_least"]; ok {
			c := AtLeastN(0, r.conditions(of, path+".n_of")...)
			c.low = r.number(n, path+".at_least")
			return c
		}
	}
	if len(object) != 1 {
		r.fault(path, "key", "a condition is a comparison with a fact, or one of all, any, not, at_least with of")
		return Condition{}
	}
	for name, parts := range object {
		switch name {
		case "all":
			return All(r.conditions(parts, path+".all")...)
		case "any":
			return Any(r.conditions(parts, path+".any")...)
		case "not":
			return Not(r.condition(parts, path+".not[0]"))
		}
		r.fault(path, "operator", "there is no operator "+quote(name))
	}
	return Condition{}
}

func (r *reader) conditions(tree any, path string) []Condition {
	var of []Condition
	for i, part := range r.list(tree, path) {
		of = append(of, r.condition(part, path+at(i)))
	}
	return of
}

// parseTree decodes JSON strictly: one value, no key twice, not too deep. The
// standard decoder would keep the last of two keys silently.
func parseTree(data []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	tree, err := parseValue(dec, 0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than one value")
	}
	return tree, nil
}

func parseValue(dec *json.Decoder, depth int) (any, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	if depth > 4*deep {
		return nil, errors.New("it is nested too deeply")
	}
	switch token {
	case json.Delim('{'):
		return parseObject(dec, depth)
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			item, err := parseValue(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, item)
		}
		_, err := dec.Token()
		return list, err
	}
	return token, nil
}

func parseObject(dec *json.Decoder, depth int) (any, error) {
	object := map[string]any{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, err
		}
		key, ok := token.(string)
		if !ok {
			return nil, errors.New("a key is expected")
		}
		if _, twice := object[key]; twice {
			return nil, fmt.Errorf("the key %s comes twice", quote(strings.ToValidUTF8(key, "?")))
		}
		if object[key], err = parseValue(dec, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := dec.Token()
	return object, err
}
