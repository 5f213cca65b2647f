package eligibility

import (
	"encoding/json"
	"slices"
	"unicode/utf8"

	"github.com/gelombang/gelombang/program/calendar"
)

// ParsePolicy reads a policy from JSON in the form that Policy.MarshalJSON writes:
//
//	{"name": "perpres-76", "zone": "Asia/Jakarta",
//	 "params": [{"name": "income-limit", "value": {"units": 500000000, "currency": "IDR"},
//	   "basis": {"policy": "decision of the Committee"}, "from": "2021-01-01"}],
//	 "rules": [
//	  {"code": "adult", "require": {"fact": "birth", "age_at_least": 18},
//	   "basis": {"instrument": "Permenko 11/2020", "article": "2(4)b"},
//	   "from": "2020-07-08", "at": ["join", "screen"]},
//	  {"code": "adult", "repeal": true, "from": "2030-01-01",
//	   "basis": {"policy": {"id": "contoh", "en": "an example"}}},
//	  {"code": "income", "require": {"fact": "income", "at_most": {"param": "income-limit"}},
//	   "basis": {"policy": "an example"}, "from": "2021-01-01", "known": "2020-12-20",
//	   "at": ["join"], "severity": "notice"}],
//	 "cases": [{"rule": "adult", "at": "join", "as_of": "2020-08-08",
//	   "facts": {"birth": "2002-08-09"}, "want": "fail"}]}
//
// It checks the form: a key that is unknown, missing or there twice and a value
// of the wrong type are reported, all at once, each a *Fault with its path.
// Compile checks the meaning against a schema.
func ParsePolicy(data []byte) (Policy, error) {
	if !utf8.Valid(data) {
		return Policy{}, joined([]Fault{{"policy", "text", "is not UTF-8"}})
	}
	tree, err := parseTree(data)
	if err != nil {
		return Policy{}, joined([]Fault{{"policy", "json", err.Error()}})
	}
	r := &parser{}
	p := r.policy(tree)
	if len(r.faults) > 0 {
		return Policy{}, joined(r.faults)
	}
	return p, nil
}

// parser takes values out of a tree and notes what does not fit.
type parser struct {
	faults []Fault
}

func (r *parser) fault(path, rule, detail string) {
	r.faults = append(r.faults, Fault{path, rule, detail})
}

func (r *parser) object(tree any, path string, allowed ...string) map[string]any {
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

func (r *parser) text(tree any, path string) string {
	s, ok := tree.(string)
	if !ok {
		r.fault(path, "type", "a string is expected")
	}
	return s
}

func (r *parser) list(tree any, path string) []any {
	list, ok := tree.([]any)
	if !ok {
		r.fault(path, "type", "a list is expected")
	}
	return list
}

func (r *parser) number(tree any, path string) int64 {
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

func (r *parser) date(tree any, path string) calendar.Date {
	d, err := calendar.Parse(r.text(tree, path))
	if err != nil {
		r.fault(path, "date", "a date is written as 2006-01-02")
	}
	return d
}

func (r *parser) texts(tree any, path string) []string {
	var texts []string
	for i, item := range r.list(tree, path) {
		texts = append(texts, r.text(item, path+at(i)))
	}
	return texts
}

func (r *parser) policy(tree any) Policy {
	object := r.object(tree, "policy", "name", "zone", "params", "rules", "cases")
	p := Policy{Name: r.text(object["name"], "name")}
	if zone, ok := object["zone"]; ok {
		p.Zone = r.text(zone, "zone")
	}
	for i, item := range r.optional(object, "params") {
		p.Params = append(p.Params, r.param(item, "params"+at(i)))
	}
	for i, item := range r.list(object["rules"], "rules") {
		p.Rules = append(p.Rules, r.rule(item, "rules"+at(i)))
	}
	for i, item := range r.optional(object, "cases") {
		p.Cases = append(p.Cases, r.policyCase(item, "cases"+at(i)))
	}
	return p
}

func (r *parser) optional(object map[string]any, key string) []any {
	if tree, ok := object[key]; ok {
		return r.list(tree, key)
	}
	return nil
}

func (r *parser) param(tree any, path string) Param {
	object := r.object(tree, path, "name", "value", "basis", "from", "until", "known")
	limit := r.limit(object["value"], path+".value")
	if limit.param != "" {
		r.fault(path+".value", "type", "a parameter has a value of its own")
	}
	return Param{
		Name: r.text(object["name"], path+".name"), Value: limit.n, Currency: limit.currency,
		Basis: r.basis(object["basis"], path+".basis"),
		From:  r.day(object, "from", path), Until: r.day(object, "until", path), Known: r.day(object, "known", path),
	}
}

func (r *parser) rule(tree any, path string) Rule {
	object := r.object(tree, path, "code", "require", "repeal", "basis", "from", "until", "known", "at", "severity")
	rule := Rule{
		Code:  r.text(object["code"], path+".code"),
		Basis: r.basis(object["basis"], path+".basis"),
		From:  r.day(object, "from", path), Until: r.day(object, "until", path), Known: r.day(object, "known", path),
	}
	if repeal, ok := object["repeal"]; ok {
		if rule.Repeal = r.boolean(repeal, path+".repeal"); !rule.Repeal {
			r.fault(path+".repeal", "type", "is true, or left out")
		}
		for _, key := range []string{"require", "at", "severity"} {
			if _, there := object[key]; there {
				r.fault(path, "repeal", "a repeal has no "+key)
			}
		}
		return rule
	}
	rule.Require = r.condition(object["require"], path+".require")
	rule.At = r.texts(object["at"], path+".at")
	if severity, ok := object["severity"]; ok {
		switch r.text(severity, path+".severity") {
		case "bar":
		case "notice":
			rule.Severity = Notice
		default:
			r.fault(path+".severity", "severity", "is bar or notice")
		}
	}
	return rule
}

func (r *parser) policyCase(tree any, path string) Case {
	object := r.object(tree, path, "rule", "at", "as_of", "known", "facts", "want")
	c := Case{
		Rule: r.text(object["rule"], path+".rule"), At: r.text(object["at"], path+".at"),
		AsOf: r.date(object["as_of"], path+".as_of"), Known: r.day(object, "known", path),
	}
	facts, ok := object["facts"].(map[string]any)
	if !ok {
		r.fault(path+".facts", "type", "an object is expected")
	}
	c.Facts = facts
	want := r.text(object["want"], path+".want")
	switch want {
	case Pass.String():
		c.Want = Pass
	case Fail.String():
		c.Want = Fail
	case Undecided.String():
	default:
		r.fault(path+".want", "outcome", "is pass, fail or unknown")
	}
	return c
}

// day reads a date that may be left out.
func (r *parser) day(object map[string]any, key, path string) calendar.Date {
	if tree, ok := object[key]; ok {
		return r.date(tree, path+"."+key)
	}
	return calendar.Date{}
}

func (r *parser) basis(tree any, path string) Basis {
	object := r.object(tree, path, "instrument", "article", "policy")
	if policy, ok := object["policy"]; ok {
		if len(object) > 1 {
			r.fault(path, "basis", "is an instrument with its article, or a policy without a known article")
		}
		if byLanguage, ok := policy.(map[string]any); ok {
			texts := map[string]string{}
			for lang, text := range byLanguage {
				texts[lang] = r.text(text, path+".policy."+lang)
			}
			return Basis{Policies: texts}
		}
		return WithoutArticle(r.text(policy, path+".policy"))
	}
	return Article(r.text(object["instrument"], path+".instrument"), r.text(object["article"], path+".article"))
}

func (r *parser) condition(tree any, path string) Condition {
	object, ok := tree.(map[string]any)
	if !ok {
		r.fault(path, "type", "a condition is an object")
		return Condition{}
	}
	if _, leaf := object["fact"]; !leaf {
		return r.combination(object, path)
	}
	fact := Fact{name: r.text(object["fact"], path+".fact")}
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

func (r *parser) comparison(f Fact, name string, limit any, path string) Condition {
	path += "." + name
	switch name {
	case "is":
		return BoolFact{f}.Is(r.boolean(limit, path))
	case "known", "holds":
		if !r.boolean(limit, path) {
			r.fault(path, "type", "is true; use not")
		}
		if name == "holds" {
			return GoFact{f}.Holds()
		}
		return f.Known()
	case "equals":
		return r.limited(f, opEquals, limit, path)
	case "at_least":
		return r.limited(f, opAtLeast, limit, path)
	case "at_most":
		return r.limited(f, opAtMost, limit, path)
	case "age_at_least":
		return r.limited(f, opAgeAtLeast, limit, path)
	case "age_at_most":
		return r.limited(f, opAgeAtMost, limit, path)
	case "between":
		return r.between(f, limit, path)
	case "in":
		return CodeFact{f}.In(r.texts(limit, path)...)
	case "has_any":
		return CodesFact{f}.HasAny(r.texts(limit, path)...)
	case "has_all":
		return CodesFact{f}.HasAll(r.texts(limit, path)...)
	case "on_or_after":
		return DateFact{f}.OnOrAfter(r.date(limit, path))
	case "on_or_before":
		return DateFact{f}.OnOrBefore(r.date(limit, path))
	}
	r.fault(path, "operator", "there is no operator "+quote(name))
	return Condition{}
}

// limit is a number, an amount in a currency, or a parameter's name.
type limit struct {
	n               int64
	currency, param string
}

func (r *parser) limit(tree any, path string) limit {
	object, ok := tree.(map[string]any)
	if !ok {
		return limit{n: r.number(tree, path)}
	}
	if name, ok := object["param"]; ok {
		r.object(tree, path, "param")
		return limit{param: r.name(name, path+".param")}
	}
	r.object(tree, path, "units", "currency")
	return limit{n: r.number(object["units"], path+".units"), currency: r.name(object["currency"], path+".currency")}
}

func (r *parser) limited(f Fact, o op, tree any, path string) Condition {
	l := r.limit(tree, path)
	c := Condition{op: o, fact: f.name}
	if l.param == "" {
		return withLimit(c, l.n, l.currency)
	}
	if o == opEquals {
		r.fault(path, "param", "equals takes no parameter")
	}
	c.param = l.param
	return c
}

func (r *parser) between(f Fact, tree any, path string) Condition {
	ends := r.list(tree, path)
	if len(ends) != 2 {
		r.fault(path, "type", "two limits are expected")
		return Condition{}
	}
	low, high := r.limit(ends[0], path+at(0)), r.limit(ends[1], path+at(1))
	if low.param != "" || high.param != "" {
		r.fault(path, "param", "between takes no parameter; use at_least and at_most")
	}
	if low.currency != high.currency {
		r.fault(path, "currency", "both ends are in one")
	}
	return compare(f, low.currency, opBetween, low.n, high.n)
}

// name reads a text that is not empty.
func (r *parser) name(tree any, path string) string {
	s := r.text(tree, path)
	if s == "" {
		r.fault(path, "empty", "is empty")
	}
	return s
}

func (r *parser) boolean(tree any, path string) bool {
	b, ok := tree.(bool)
	if !ok {
		r.fault(path, "type", "true or false is expected")
	}
	return b
}

func (r *parser) combination(object map[string]any, path string) Condition {
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

func (r *parser) conditions(tree any, path string) []Condition {
	var of []Condition
	for i, part := range r.list(tree, path) {
		of = append(of, r.condition(part, path+at(i)))
	}
	return of
}
