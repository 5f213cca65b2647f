package wording

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/language"
)

// Texts are templates by language tag (BCP 47: "id", "en") and key.
type Texts map[string]map[string]string

// Arg is the value of one placeholder.
type Arg struct {
	Name, Value string
}

// Catalogue is a checked set of texts. Its texts never change and it may be used by any
// number of goroutines. The zero Catalogue has no texts.
type Catalogue struct {
	tags    []string // tags[0] is the language for readers of no other
	matcher language.Matcher
	texts   map[string]map[string]template
	wishes  *wishes
}

// wishes remembers what readers wished for and got. It is an upper bound: whoever
// wishes something new all the time fills no memory.
type wishes struct {
	mu   sync.RWMutex
	tags map[string]string
}

const mostWishes = 1000

func (w *wishes) get(wish string) (string, bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	tag, ok := w.tags[wish]
	return tag, ok
}

func (w *wishes) put(wish, tag string) {
	if len(wish) > 200 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.tags) < mostWishes {
		w.tags[strings.Clone(wish)] = tag
	}
}

// Compile merges sources, a library's texts and an agency's for example, and checks
// them: every language has the same keys with the same placeholders, no key comes
// twice, every template can be read. A source may lack a language only if the
// other sources supply none of it either. All faults are reported, each a *Fault,
// joined.
//
// Readers of an unknown language get Indonesian if it is among the texts, and
// otherwise the first language in alphabetical order.
func Compile(sources ...Texts) (*Catalogue, error) {
	c := &Catalogue{texts: map[string]map[string]template{}}
	var faults []Fault
	for _, source := range sources {
		for tag, messages := range source {
			faults = append(faults, c.add(tag, messages)...)
		}
	}
	faults = append(faults, c.compare()...)
	if len(faults) > 0 {
		return nil, joined(faults)
	}
	c.index()
	return c, nil
}

// Fault is one defect of a catalogue. Lang or Key is empty when the fault is not
// about one of them.
type Fault struct {
	Lang, Key string
	Rule      string // "language", "template", "twice", "missing", "placeholders", "plural", "form"
	Detail    string
}

func (f *Fault) Error() string {
	return fmt.Sprintf("wording: %s %q: %s: %s", f.Lang, f.Key, f.Rule, f.Detail)
}

func joined(faults []Fault) error {
	slices.SortFunc(faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Lang, b.Lang), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Detail, b.Detail))
	})
	errs := make([]error, len(faults))
	for i := range faults {
		errs[i] = &faults[i]
	}
	return errors.Join(errs...)
}

func (c *Catalogue) add(tag string, messages map[string]string) []Fault {
	parsed, err := language.Parse(tag)
	if err != nil || parsed == language.Und {
		return []Fault{{Lang: tag, Rule: "language", Detail: "is not a language tag"}}
	}
	if c.texts[tag] == nil {
		c.texts[tag] = map[string]template{}
	}
	var faults []Fault
	for key, text := range messages {
		if _, twice := c.texts[tag][key]; twice {
			faults = append(faults, Fault{tag, key, "twice", "two sources have this key"})
			continue
		}
		t, problems := parseTemplate(text, parsed)
		for _, problem := range problems {
			faults = append(faults, Fault{tag, key, problem.rule, problem.detail})
		}
		c.texts[tag][key] = t
	}
	return faults
}

// compare holds all languages to the union of their keys and placeholders.
func (c *Catalogue) compare() []Fault {
	tags := slices.Sorted(maps.Keys(c.texts))
	keys := map[string]bool{}
	for _, tag := range tags {
		for key := range c.texts[tag] {
			keys[key] = true
		}
	}
	var faults []Fault
	for key := range keys {
		names := map[string]bool{}
		for _, tag := range tags {
			for _, name := range c.texts[tag][key].names {
				names[name] = true
			}
		}
		for _, tag := range tags {
			t, ok := c.texts[tag][key]
			if !ok {
				faults = append(faults, Fault{tag, key, "missing", "another language has this key"})
				continue
			}
			for name := range names {
				if !slices.Contains(t.names, name) {
					faults = append(faults, Fault{tag, key, "placeholders", "another language has {" + name + "}"})
				}
			}
		}
	}
	return faults
}

func (c *Catalogue) index() {
	c.tags = slices.Sorted(maps.Keys(c.texts))
	if i := slices.Index(c.tags, "id"); i > 0 {
		c.tags = slices.Insert(slices.Delete(c.tags, i, i+1), 0, "id")
	}
	tags := make([]language.Tag, len(c.tags))
	for i, tag := range c.tags {
		tags[i] = language.Make(tag)
	}
	if len(tags) > 0 {
		c.matcher = language.NewMatcher(tags)
		c.wishes = &wishes{tags: map[string]string{}}
	}
}

// Languages returns the language tags of the texts. Readers of no other language get the first.
func (c *Catalogue) Languages() []string { return slices.Clone(c.tags) }

// Match returns the catalogue's language for a reader. The wish is a tag such as
// "id-ID" or an Accept-Language header. It returns "" for an empty catalogue.
func (c *Catalogue) Match(wish string) string {
	if _, ok := c.texts[wish]; ok {
		return wish
	}
	if c.matcher == nil {
		return ""
	}
	if tag, ok := c.wishes.get(wish); ok {
		return tag
	}
	tag := c.tags[0]
	if wanted, _, err := language.ParseAcceptLanguage(wish); err == nil {
		_, i, _ := c.matcher.Match(wanted...)
		tag = c.tags[i]
	}
	c.wishes.put(wish, tag)
	return tag
}

// Has reports whether the key exists.
func (c *Catalogue) Has(key string) bool {
	if len(c.tags) == 0 {
		return false
	}
	_, ok := c.texts[c.tags[0]][key]
	return ok
}

// Keys returns the keys that begin with a prefix, sorted.
func (c *Catalogue) Keys(prefix string) []string {
	if len(c.tags) == 0 {
		return nil
	}
	var keys []string
	for key := range c.texts[c.tags[0]] {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Placeholders returns the names in a key's templates, sorted.
func (c *Catalogue) Placeholders(key string) []string {
	if !c.Has(key) {
		return nil
	}
	return slices.Clone(c.texts[c.tags[0]][key].names)
}

// Text writes the text of a key for a reader of lang (see Match). The errors are
// *TextError: the key does not exist, or an argument that the text needs is not
// given. Arguments that it does not need are ignored.
func (c *Catalogue) Text(lang, key string, args ...Arg) (string, error) {
	buf, err := c.AppendText(nil, lang, key, args...)
	return string(buf), err
}

// AppendText appends what Text returns. After an error dst is returned unchanged.
func (c *Catalogue) AppendText(dst []byte, lang, key string, args ...Arg) ([]byte, error) {
	messages, ok := c.texts[lang]
	if !ok {
		messages = c.texts[c.Match(lang)]
	}
	t, ok := messages[key]
	if !ok {
		return dst, &TextError{Key: key, Rule: "no such key"}
	}
	out, missing := t.append(dst, args)
	if missing != "" {
		return dst, &TextError{Key: key, Rule: "argument {" + missing + "} is not given"}
	}
	return out, nil
}

// TextError says why a text could not be written.
type TextError struct {
	Key, Rule string
}

func (e *TextError) Error() string {
	return "wording: " + strings.ToValidUTF8(e.Key, "?") + ": " + e.Rule
}
