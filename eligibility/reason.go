package eligibility

import (
	_ "embed"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/wording"
)

//go:embed texts.json
var defaultTexts []byte

// DefaultTexts are the package's own sentences, in Indonesian and English. An agency
// that adds a language translates all of them.
func DefaultTexts() (wording.Texts, error) { return wording.ParseTexts(defaultTexts) }

// ruleTexts are a rule's sentences in one language, rendered once.
type ruleTexts struct {
	pass, fail string
	unknown    []string            // between these comes what is missing
	words      map[string]*byCause // that a fact is missing
	ready      map[string]*byCause // the sentence where nothing else is
}

// Reason tells a reader of lang (see wording.Catalogue.Match) what a finding says: the
// requirement, whether it is met, what is still needed, and the basis. It holds no
// personal value. The finding is one of this policy's own decisions; for another it
// is "".
func (c *Compiled[E]) Reason(lang string, f Finding) string {
	if f.rule == nil {
		return ""
	}
	texts, ok := f.rule.texts[lang]
	if !ok {
		lang = c.texts.Match(lang)
		texts = f.rule.texts[lang]
	}
	switch f.Outcome {
	case Pass:
		return texts.pass
	case Fail:
		return texts.fail
	}
	return texts.undecided(f.Missing)
}

// undecided names the evidence. Where one fact is missing, the sentence is ready.
func (t *ruleTexts) undecided(missing []Missing) string {
	if len(missing) == 1 {
		if ready := t.ready[missing[0].Fact]; ready != nil {
			return ready[missing[0].Cause%Cause(len(causes))]
		}
	}
	var buf [256]byte
	list := buf[:0]
	for i, m := range missing {
		if i > 0 {
			list = append(list, "; "...)
		}
		if words := t.words[m.Fact]; words != nil {
			list = append(list, words[m.Cause%Cause(len(causes))]...)
		}
	}
	return strings.Join(t.unknown, string(list))
}

// byCause are texts that a fact is missing.
type byCause [len(causes)]string

// wordMissing words all evidence that the rule can ask for.
func (t *ruleTexts) wordMissing(w *writer, d *dictionaries, facts []uint8) {
	t.words, t.ready = map[string]*byCause{}, map[string]*byCause{}
	for _, i := range facts {
		f := &d.facts[i]
		words, ready := new(byCause), new(byCause)
		for cause := range causes {
			words[cause] = w.missing(Missing{f.name, f.source, Cause(cause)})
			ready[cause] = strings.Join(t.unknown, words[cause])
		}
		t.words[f.name], t.ready[f.name] = words, ready
	}
}

// compileTexts merges the default sentences with the agency's and checks that these
// belong to something.
func compileTexts(d *dictionaries, p *Policy, agency wording.Texts) (*wording.Catalogue, []Fault) {
	own, err := DefaultTexts()
	if err != nil {
		return nil, []Fault{{"texts", "texts", err.Error()}}
	}
	catalogue, err := wording.Compile(own, agency)
	if err != nil {
		return nil, []Fault{{"texts", "texts", err.Error()}}
	}
	known := map[string]bool{}
	for _, r := range p.Rules {
		known["rule."+r.Code] = true
	}
	for _, f := range d.facts {
		known["fact."+f.name] = true
		known["source."+f.source] = f.source != ""
		for _, code := range f.codes {
			known["code."+f.name+"."+code] = true
		}
	}
	for key := range own["id"] {
		known[key] = true
	}
	var faults []Fault
	reported := map[string]bool{}
	for _, messages := range agency {
		for key := range messages {
			if reported[key] {
				continue
			}
			reported[key] = true
			faults = append(faults, checkText(catalogue, key, known[key])...)
		}
	}
	for _, lang := range catalogue.Languages() {
		w := writer{texts: catalogue, lang: lang}
		if months := strings.Split(w.text("eligibility.months"), monthsApart); len(months) != 12 {
			faults = append(faults, Fault{"texts.eligibility.months", "texts", "is not twelve months in " + quote(lang) + ", with a comma between"})
		}
	}
	slices.SortFunc(faults, func(a, b Fault) int { return strings.Compare(a.Path, b.Path) })
	return catalogue, faults
}

func checkText(catalogue *wording.Catalogue, key string, known bool) []Fault {
	if !known {
		return []Fault{{"texts." + key, "texts", "belongs to no rule, fact or source"}}
	}
	var faults []Fault
	for _, name := range catalogue.Placeholders(key) {
		if strings.HasPrefix(key, "eligibility.") || strings.HasPrefix(key, "rule.") && name == "basis" {
			continue
		}
		faults = append(faults, Fault{"texts." + key, "texts", "there is no value for {" + name + "}"})
	}
	return faults
}

func renderRule(d *dictionaries, catalogue *wording.Catalogue, r *ruleInfo) (map[string]ruleTexts, error) {
	all := map[string]ruleTexts{}
	for _, lang := range catalogue.Languages() {
		w := writer{texts: catalogue, lang: lang}
		args := []wording.Arg{{Name: "requirement", Value: requirement(&w, d, r.require)}, {Name: "basis", Value: w.bases(r)}}
		var t ruleTexts
		t.pass = w.text("eligibility.pass", args...)
		if key := "rule." + r.code; catalogue.Has(key) {
			t.fail = w.text(key, args...)
		} else {
			t.fail = w.text("eligibility.fail", args...)
		}
		const here = "\x00missing\x00"
		unknown := w.text("eligibility.unknown", append(args, wording.Arg{Name: "missing", Value: here})...)
		t.unknown = strings.Split(unknown, here)
		t.wordMissing(&w, d, r.facts)
		if w.err != nil {
			return nil, w.err
		}
		all[lang] = t
	}
	return all, nil
}

// writer writes texts of one language and keeps the first error.
type writer struct {
	texts *wording.Catalogue
	lang  string
	err   error
}

func (w *writer) text(key string, args ...wording.Arg) string {
	text, err := w.texts.Text(w.lang, key, args...)
	if err != nil && w.err == nil {
		w.err = err
	}
	return text
}

// label is the agency's name for a fact or a source, or else the name itself.
func (w *writer) label(room, name string) string {
	if key := room + name; w.texts.Has(key) {
		return w.text(key)
	}
	return name
}

// bases writes where the rule comes from, and where its parameters do.
func (w *writer) bases(r *ruleInfo) string {
	texts := []string{w.basis(r.basis)}
	for _, p := range r.params {
		if text := w.basis(p.Basis); !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, "; ")
}

func (w *writer) basis(b Basis) string {
	policy := b.Policy
	if b.Policies != nil {
		policy = b.Policies[w.lang]
	}
	if policy != "" {
		return w.text("eligibility.basis.policy", wording.Arg{Name: "policy", Value: policy})
	}
	return w.text("eligibility.basis.article", wording.Arg{Name: "instrument", Value: b.Instrument}, wording.Arg{Name: "article", Value: b.Article})
}

// date writes a day with the months of the language.
func (w *writer) date(day calendar.Date) string {
	months := strings.Split(w.text("eligibility.months"), monthsApart)
	if len(months) != 12 {
		return ""
	}
	return w.text("eligibility.date", wording.Arg{Name: "day", Value: strconv.Itoa(day.Day)},
		wording.Arg{Name: "month", Value: months[day.Month-1]}, wording.Arg{Name: "year", Value: strconv.Itoa(day.Year)})
}

const monthsApart = ", "

func (w *writer) missing(m Missing) string {
	args := []wording.Arg{
		{Name: "fact", Value: w.label("fact.", m.Fact)},
		{Name: "cause", Value: w.text("eligibility.cause." + m.Cause.String())},
	}
	if m.Source == "" {
		return w.text("eligibility.missing", args...)
	}
	return w.text("eligibility.missing.source", append(args, wording.Arg{Name: "source", Value: w.label("source.", m.Source)})...)
}

func requirement(w *writer, d *dictionaries, c Condition) string {
	key := "eligibility." + opNames[c.op]
	if c.op >= opAll {
		parts := make([]string, len(c.of))
		for i, part := range c.of {
			parts[i] = requirement(w, d, part)
		}
		return w.text(key, wording.Arg{Name: "of", Value: strings.Join(parts, "; ")}, wording.Arg{Name: "n", Value: strconv.FormatInt(c.low, 10)})
	}
	f := &d.facts[d.index[c.fact]]
	if f.kind == goKind {
		return w.reason(f)
	}
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	if f.kind == moneyKind {
		number = func(n int64) string { return wording.Amount(f.currency.Code, f.currency.Digits, n) }
	}
	limit := ""
	switch c.op {
	case opIs:
		key += "." + strconv.FormatBool(c.yes)
	case opEquals, opAtLeast, opAgeAtLeast:
		limit = number(c.low)
	case opAtMost, opAgeAtMost:
		limit = number(c.high)
	case opOnOrAfter, opOnOrBefore:
		limit = w.date(c.day)
	}
	return w.text(key, wording.Arg{Name: "fact", Value: w.label("fact.", c.fact)}, wording.Arg{Name: "limit", Value: limit},
		wording.Arg{Name: "low", Value: number(c.low)}, wording.Arg{Name: "high", Value: number(c.high)},
		wording.Arg{Name: "codes", Value: w.codes(c)})
}

func (w *writer) codes(c Condition) string {
	codes := make([]string, len(c.codes))
	for i, code := range c.codes {
		codes[i] = code
		if key := "code." + c.fact + "." + code; w.texts.Has(key) {
			codes[i] = w.text(key)
		}
	}
	return strings.Join(codes, ", ")
}

// reason is what a rule in Go says that it requires.
func (w *writer) reason(f *about) string {
	text := f.reason[w.lang]
	if text == "" && w.err == nil {
		w.err = errors.New("the rule in Go " + quote(f.name) + " has no reason in " + quote(w.lang))
	}
	return text
}
