package main

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/wording"
)

//go:embed texts/ui.json
var uiTexts []byte

//go:embed templates
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

// texts are two catalogues: the portal's own words go before those of the program and the library,
// so that neither has to know the other's keys.
type texts struct{ own, program *wording.Catalogue }

// catalogue checks that every text is there in every language.
func catalogue(p *program.Program[Jobseeker]) (*texts, error) {
	ui, err := wording.ParseTexts(uiTexts)
	if err != nil {
		return nil, err
	}
	library, err := program.DefaultTexts()
	if err != nil {
		return nil, err
	}
	var t texts
	if t.own, err = wording.Compile(ui); err != nil {
		return nil, err
	}
	t.program, err = wording.Compile(library, p.Texts, payment.Texts())
	return &t, err
}

func (t *texts) has(key string) bool { return t.own.Has(key) || t.program.Has(key) }

func (t *texts) text(lang, key string, args ...wording.Arg) (string, error) {
	if t.own.Has(key) {
		return t.own.Text(lang, key, args...)
	}
	return t.program.Text(lang, key, args...)
}

// words writes a text; the arguments are names and values in turn.
func (p *portal) words(lang, key string, args ...any) string {
	var given []wording.Arg
	for i := 0; i+1 < len(args); i += 2 {
		given = append(given, wording.Arg{Name: fmt.Sprint(args[i]), Value: fmt.Sprint(args[i+1])})
	}
	text, err := p.catalogue.text(lang, key, given...)
	if err != nil {
		p.logger.Error("a text is missing", "key", key)
		return key
	}
	return text
}

func (c *call) text(key string, args ...any) string { return c.words(c.lang, key, args...) }

var wib = time.FixedZone("WIB", 7*3600)

// parse makes the templates of every language.
func (p *portal) parse() error {
	p.pages = map[string]map[string]*template.Template{}
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return err
	}
	versions := map[string]string{}
	assets, err := fs.Glob(staticFiles, "static/*")
	if err != nil {
		return err
	}
	for _, name := range assets {
		data, err := staticFiles.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		versions[path.Base(name)] = "/static/" + path.Base(name) + "?v=" + hex.EncodeToString(sum[:6])
	}
	for _, lang := range p.catalogue.own.Languages() {
		location, err := time.LoadLocation(jakarta)
		if err != nil {
			location = wib
		}
		funcs := template.FuncMap{
			"t":    func(key string, args ...any) string { return p.words(lang, key, args...) },
			"has":  func(key string) bool { return p.catalogue.has(key) },
			"date": func(d calendar.Date) string { return wording.Date(lang, d) },
			"minute": func(at time.Time) string {
				if at.IsZero() {
					return "–"
				}
				return wording.Minute(lang, at, location)
			},
			"until": func(at time.Time) string { // the last minute in which it is not too late
				return wording.Minute(lang, at.Add(-time.Second), location)
			},
			"rp":       func(units int64) string { return payment.Money{Units: units, Currency: "IDR"}.String() },
			"rupiah":   wording.Rupiah,
			"province": provinceName,
			"asset":    func(name string) string { return versions[name] },
			"newkey":   func() string { return newToken()[:22] },
			"percent": func(n, of int64) int64 {
				if of == 0 {
					return 0
				}
				return n * 100 / of
			},
			"sub": func(a, b int64) int64 { return a - b },
			"add": func(a, b int64) int64 { return a + b },
			"dict": func(pairs ...any) map[string]any {
				m := map[string]any{}
				for i := 0; i+1 < len(pairs); i += 2 {
					m[fmt.Sprint(pairs[i])] = pairs[i+1]
				}
				return m
			},
		}
		p.pages[lang] = map[string]*template.Template{}
		for _, name := range names {
			base := strings.TrimSuffix(path.Base(name), ".html")
			if base == "layout" {
				continue
			}
			t, err := template.New("layout.html").Funcs(funcs).ParseFS(templateFiles, "templates/layout.html", name)
			if err != nil {
				return err
			}
			p.pages[lang][base] = t
		}
	}
	return nil
}

// view is what a template sees.
type view struct {
	Lang, Other string
	Me          *account
	Path        string
	Page        string
	Title       string
	Demo        bool
	Moved       bool
	Now         time.Time
	Data        any
	// Faults are the faults of a form, by field, and in the order of the page; Values what was sent.
	Faults map[string]string
	Order  []fieldKey
	Values map[string]string
}

// fieldKey is a field with the key of a text.
type fieldKey struct{ Field, Key string }

// fields are in the order in which forms have them.
var fields = []string{"login", "code", "nik", "kk", "name", "birth", "province", "category", "truth", "institution", "number", "course", "says", "opens", "closes", "seats", "kept", "numbers", "verdict", "statement", "reason", "document", "password"}

func inOrder(faults map[string]string) []fieldKey {
	var all []fieldKey
	for _, f := range fields {
		if key := faults[f]; key != "" {
			all = append(all, fieldKey{f, key})
		}
	}
	return all
}

// page writes a page.
func (c *call) page(status int, name string, data any) error {
	return c.pageWith(status, name, data, nil)
}

// pageWith writes a page with the faults of its form.
func (c *call) pageWith(status int, name string, data any, faults map[string]string) error {
	v := view{Lang: c.lang, Other: "en", Me: c.me, Path: c.r.URL.Path, Page: name, Demo: c.config.demo, Moved: c.time.moved.Load() != 0,
		Now: c.time.now(), Data: data, Faults: faults, Order: inOrder(faults), Values: map[string]string{}}
	if c.lang == "en" {
		v.Other = "id"
	}
	if c.r.Method == http.MethodPost {
		for field, values := range c.r.PostForm {
			if field != "password" && len(values) > 0 {
				v.Values[field] = values[0]
			}
		}
	}
	var b bytes.Buffer
	if err := c.pages[c.lang][name].ExecuteTemplate(&b, "layout.html", v); err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	c.w.WriteHeader(status)
	_, err := c.w.Write(b.Bytes())
	return err
}

// language is the reader's: what was chosen, or else what the browser asks for.
func (p *portal) language(r *http.Request) string {
	wish := r.Header.Get("Accept-Language")
	if chosen, err := r.Cookie("portal_lang"); err == nil {
		wish = chosen.Value
	}
	return p.catalogue.own.Match(wish)
}

// choose keeps the language that was chosen.
func (p *portal) choose(c *call) error {
	lang := c.catalogue.own.Match(c.r.PostFormValue("to"))
	http.SetCookie(c.w, &http.Cookie{Name: "portal_lang", Value: lang, Path: "/", MaxAge: 365 * 86400, HttpOnly: true, Secure: c.config.https, SameSite: http.SameSiteStrictMode})
	back := c.r.PostFormValue("back")
	if !strings.HasPrefix(back, "/") || strings.HasPrefix(back, "//") || strings.ContainsAny(back, "\\\r\n") {
		back = "/"
	}
	return c.redirect(back)
}

// static gives the stylesheet and the scripts. Their address changes with their content.
func (p *portal) static(c *call) error {
	name := c.r.PathValue("name")
	data, err := staticFiles.ReadFile("static/" + name)
	if err != nil {
		return errNoPage
	}
	kinds := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	kind, known := kinds[path.Ext(name)]
	if !known {
		return errNoPage
	}
	c.w.Header().Set("Content-Type", kind)
	c.w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, err = c.w.Write(data)
	return err
}
