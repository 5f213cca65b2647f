package main

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/program/lifecycle"
)

// This file is the citizen's side. A citizen's pages never name the person: whose data is
// shown follows from the session alone.

const shortestPassword, longestPassword = 10, 128

// signUp makes an account, and shows its recovery code. A login that is taken is refused by the same page as one that
// is not a login: the page says nothing that signing in would not.
func (p *portal) signUp(c *call) error {
	if c.r.Method == http.MethodGet {
		return c.page(http.StatusOK, "signup", nil)
	}
	login, password := c.form("login"), c.r.PostFormValue("password")
	faults := map[string]string{}
	if at := strings.LastIndex(login, "@"); at < 1 || at == len(login)-1 || len(login) > 200 || strings.ContainsAny(login, " \t<>\"") {
		faults["login"] = "form.login.shape"
	}
	if key := passwordFault(login, password); key != "" {
		faults["password"] = key
	}
	if len(faults) == 0 {
		me, err := c.accounts.signUp(c.ctx(), login, password, "citizen", "")
		switch {
		case errors.Is(err, errLoginTaken):
			faults["login"] = "form.login.taken"
		case err != nil:
			return err
		default:
			code, err := c.accounts.giveCode(c.ctx(), me.ID)
			if err != nil {
				return err
			}
			if err := c.begin(me); err != nil {
				return err
			}
			c.me = me
			return c.showCode(code, "first", "/saya")
		}
	}
	return c.pageWith(http.StatusUnprocessableEntity, "signup", nil, faults)
}

// common reports a password that everybody tries first.
func common(password string) bool {
	lower := strings.ToLower(password)
	for _, bad := range []string{"password", "1234567890", "0987654321", "qwertyuiop", "indonesia", "bismillah", "sayangkamu", "katasandi", "aaaaaaaaaa"} {
		if strings.Contains(lower, bad) && len(lower) < len(bad)+4 {
			return true
		}
	}
	return strings.Trim(lower, lower[:1]) == ""
}

// enter starts a session, and goes on to a page.
func (c *call) enter(me *account, to string) error {
	if err := c.begin(me); err != nil {
		return err
	}
	return c.redirect(to)
}

// begin starts a session under a token that nobody had before.
func (c *call) begin(me *account) error {
	if c.sess != "" {
		if err := c.accounts.end(c.ctx(), c.sess); err != nil {
			return err
		}
	}
	token, err := c.accounts.begin(c.ctx(), me.ID)
	if err != nil {
		return err
	}
	c.setSession(c.w, token)
	return nil
}

func (p *portal) signIn(c *call) error { return c.signInAs("citizen", "signin", "/saya") }

func (c *call) signInAs(kind, page, to string) error {
	data := map[string]any{"Federated": c.signing != nil}
	if c.r.Method == http.MethodGet {
		return c.page(http.StatusOK, page, data)
	}
	me, err := c.accounts.signIn(c.ctx(), c.form("login"), c.r.PostFormValue("password"))
	if errors.Is(err, errSignIn) || err == nil && me.Kind != kind {
		return c.pageWith(http.StatusUnprocessableEntity, page, data, map[string]string{"login": "form.signin.wrong"})
	}
	if err != nil {
		return err
	}
	return c.enter(me, to)
}

func (p *portal) signOut(c *call) error {
	if c.sess != "" {
		if err := c.accounts.end(c.ctx(), c.sess); err != nil {
			return err
		}
	}
	c.setSession(c.w, "")
	c.w.Header().Set("Clear-Site-Data", `"cache", "storage"`)
	return c.redirect("/")
}

// caseView is one application as its applicant sees it.
type caseView struct {
	program.Application
	Wave     program.Wave
	Due      time.Time
	Todo     string // the key of what to do now; empty: nothing
	Lines    []lifecycle.Line
	Balance  int64
	Account  program.AccountTrust
	Linked   bool
	Appeals  []program.Appeal
	Texts    []string
	May      map[string]bool
	Course   []course
	InDraw   bool
	Findings []finding
	Verdict  string
	Courses  []course
}

// finding is one rule as somebody reads it.
type finding struct{ Code, Outcome, Text string }

func (p *portal) home(c *call) error {
	apps, err := p.applications(c.ctx(), c.me.Applicant)
	if err != nil {
		return err
	}
	waves, err := p.waves(c.ctx())
	if err != nil {
		return err
	}
	var open []program.Wave
	for _, w := range waves {
		joinedIt := slices.ContainsFunc(apps, func(a program.Application) bool { return a.Wave == w.Number })
		if w.State == program.WaveOpen && !joinedIt {
			open = append(open, w)
		}
	}
	data := map[string]any{"Open": open, "Known": c.me.Applicant != uuid.Nil}
	if c.me.Applicant != uuid.Nil {
		a, err := c.engine.Applicant(c.ctx(), c.me.Applicant)
		if err != nil {
			return err
		}
		data["Name"], data["State"] = a.Person.Name.Reveal(), string(a.State)
	}
	var views []map[string]any
	for _, a := range apps {
		views = append(views, map[string]any{"Wave": a.Wave, "State": string(a.State), "Due": a.Due, "Todo": todo(a.State)})
	}
	data["Cases"] = views
	return c.page(http.StatusOK, "me", data)
}

// todo is the key of what the applicant does next.
func todo(s program.State) string {
	switch s {
	case ineligible:
		return "todo.appeal"
	case accepted:
		return "todo.buy"
	case training:
		return "todo.train"
	case graduated:
		return "todo.account"
	}
	return ""
}

// mostTries is how often a day somebody may give an identity: enough for a slip, too few
// to guess.
const mostTries = 5

// identify takes who somebody is. Every refusal after the form's own rules has one answer, in
// one time: whether a number is unknown, belongs to another card or is registered already,
// nobody can tell from it.
func (p *portal) identify(c *call) error {
	if c.me.Applicant != uuid.Nil {
		return c.redirect("/saya")
	}
	data := map[string]any{"Provinces": provinces, "Categories": categories}
	if c.r.Method == http.MethodGet {
		return c.page(http.StatusOK, "identity", data)
	}
	reg, faults := c.registration()
	if len(faults) > 0 {
		return c.pageWith(http.StatusUnprocessableEntity, "identity", data, faults)
	}
	until := c.wall().Add(p.floor)
	more, err := c.accounts.try(c.ctx(), c.me.ID, mostTries)
	if err != nil {
		return err
	}
	id, ok := uuid.Nil, false
	if more {
		if id, ok, err = p.enrol(c, reg); err != nil {
			return err
		}
	}
	p.wait(c.ctx(), until)
	switch {
	case !more:
		return c.pageWith(http.StatusUnprocessableEntity, "identity", data, map[string]string{"nik": "form.identity.tries"})
	case !ok:
		return c.pageWith(http.StatusUnprocessableEntity, "identity", data, map[string]string{"nik": "form.identity.no-match"})
	}
	if err := c.accounts.attach(c.ctx(), c.me.ID, id); err != nil {
		return err
	}
	return c.redirect("/saya/kelayakan")
}

// enrol registers somebody whom the population register knows.
func (p *portal) enrol(c *call, reg program.Registration[Jobseeker]) (uuid.UUID, bool, error) {
	match, err := p.register.Match(c.ctx(), reg.Person)
	if err != nil {
		return uuid.Nil, false, err
	}
	if reg.Evidence, err = p.register.Ask(c.ctx(), reg.Person, p.time.now()); err != nil {
		return uuid.Nil, false, err
	}
	if !match {
		return uuid.Nil, false, nil
	}
	id, err := p.engine.Register(c.ctx(), program.By{Actor: c.me.ID, Key: "register/" + c.me.ID}, reg)
	var known *program.RegistrationError
	var conflict *program.KeyConflictError
	if errors.As(err, &known) || errors.As(err, &conflict) {
		return uuid.Nil, false, nil
	}
	return id, err == nil, err
}

// registration reads the form of an identity, with every fault of it.
func (c *call) registration() (program.Registration[Jobseeker], map[string]string) {
	faults := map[string]string{}
	var r program.Registration[Jobseeker]
	nik, _, err := identity.ParseNIK(strings.ReplaceAll(c.form("nik"), " ", ""))
	if err != nil {
		faults["nik"] = formatFault(err, "nik")
	}
	kk, _, err := identity.ParseKK(strings.ReplaceAll(c.form("kk"), " ", ""))
	if err != nil {
		faults["kk"] = formatFault(err, "kk")
	}
	name := c.form("name")
	if name == "" || utf8.RuneCountInString(name) > 100 {
		faults["name"] = "form.name.missing"
	}
	birth, err := calendar.Parse(c.form("birth"))
	if err != nil {
		faults["birth"] = "form.birth.shape"
	} else if today := c.engine.Policy().LegalDate(c.time.now()); !birth.Before(today) || birth.Year < 1900 {
		faults["birth"] = "form.birth.range"
	}
	place := c.form("province")
	if !slices.ContainsFunc(provinces, func(p province) bool { return p.Code == place }) {
		faults["province"] = "form.province.choose"
	}
	category := c.form("category")
	if !slices.Contains(categories, category) {
		faults["category"] = "form.category.choose"
	}
	if c.form("truth") == "" {
		faults["truth"] = "form.truth"
	}
	r.Person = program.Person{Name: identity.NewName(name), National: identity.NewSecret(nik.Reveal()), Family: identity.NewSecret(kk.Reveal()), Birth: birth}
	r.Details = Jobseeker{Province: place, Category: category}
	return r, faults
}

func formatFault(err error, field string) string {
	var f *identity.FormatError
	if errors.As(err, &f) {
		return "form." + field + "." + string(f.Rule)
	}
	return "form." + field + ".sixteen-digits"
}

// findings are the rules of a stage about somebody, as they stand now.
func (c *call) findings(stage string, w program.Wave) ([]finding, eligibility.Verdict, error) {
	person, err := c.engine.Applicant(c.ctx(), c.me.Applicant)
	if err != nil {
		return nil, 0, err
	}
	one := &program.Case[Jobseeker]{Applicant: person, Wave: w, Application: program.Application{Applicant: person.ID, Household: person.Household}}
	d, err := c.engine.Explain(c.ctx(), one, stage, c.engine.Policy().LegalDate(c.time.now()))
	if err != nil {
		return nil, 0, err
	}
	return c.told(d), d.Verdict, nil
}

func (c *call) told(d eligibility.Decision) []finding {
	var all []finding
	for _, f := range d.Findings() {
		basis := strings.TrimSpace(f.Basis().Instrument + " " + c.text("finding.article", "article", f.Basis().Article))
		text := c.text(f.ReasonKey(), "basis", basis)
		for _, m := range f.Missing {
			text += " " + c.text("finding.missing", "fact", c.text("fact."+m.Fact), "source", c.text("source."+m.Source))
		}
		all = append(all, finding{Code: f.Rule(), Outcome: f.Outcome.String(), Text: text})
	}
	return all
}

func (p *portal) eligible(c *call) error {
	if c.me.Applicant == uuid.Nil {
		return c.redirect("/saya/identitas")
	}
	all, verdict, err := c.findings("join", program.Wave{})
	if err != nil {
		return err
	}
	waves, err := p.waves(c.ctx())
	if err != nil {
		return err
	}
	waves = slices.DeleteFunc(waves, func(w program.Wave) bool {
		_, err := c.application(w.Number)
		return w.State != program.WaveOpen || err == nil
	})
	return c.page(http.StatusOK, "eligible", map[string]any{"Findings": all, "Verdict": verdict.String(), "Open": waves})
}

func (p *portal) join(c *call) error {
	if c.me.Applicant == uuid.Nil {
		return c.redirect("/saya/identitas")
	}
	wave, err := strconv.ParseInt(c.form("wave"), 10, 64)
	if err != nil {
		return errForm
	}
	_, err = c.engine.Join(c.ctx(), program.By{Actor: c.me.ID, Key: fmt.Sprintf("join/%d/%s", wave, c.me.ID)}, wave, c.me.Applicant)
	var why *program.JoinError
	switch {
	case errors.As(err, &why) && why.Rule == "joined-before":
	case errors.As(err, &why):
		return &fault{http.StatusConflict, "fault.join"}
	case err != nil:
		return err
	}
	return c.redirect(fmt.Sprintf("/saya/gelombang/%d", wave))
}

func (c *call) wave() (int64, error) {
	n, err := strconv.ParseInt(c.r.PathValue("wave"), 10, 64)
	if err != nil {
		return 0, errNoPage
	}
	return n, nil
}

// mine reads the case of the person who asks.
func (c *call) mine() (*caseView, error) {
	wave, err := c.wave()
	if err != nil {
		return nil, err
	}
	a, err := c.application(wave)
	if err != nil {
		return nil, err
	}
	v := &caseView{Application: a, Due: a.Due, Todo: todo(a.State), May: map[string]bool{}, Courses: courses}
	if v.Wave, err = c.engine.Wave(c.ctx(), wave); err != nil {
		return nil, err
	}
	if v.Lines, err = c.engine.Timeline(c.ctx(), wave, a.Applicant, c.lang, lifecycle.Applicant); err != nil {
		return nil, err
	}
	options, err := c.engine.Options(c.ctx(), wave, a.Applicant, c.lang, program.Report{})
	if err != nil {
		return nil, err
	}
	for _, o := range options {
		v.May[string(o.Event)] = o.Possible
	}
	if v.Appeals, err = c.engine.Appeals(c.ctx(), wave, a.Applicant); err != nil {
		return nil, err
	}
	v.May["appeal"] = a.State == ineligible
	person, err := c.engine.Applicant(c.ctx(), a.Applicant)
	if err != nil {
		return nil, err
	}
	v.Account, v.Linked = person.Account, !person.Person.Payout.Account.IsZero()
	v.InDraw = a.Placed && (v.Wave.State == program.WaveDrawn || v.Wave.State == program.WaveAnnounced)
	if v.Balance, err = c.balanceOf(wave); err != nil {
		return nil, err
	}
	if decided, err := c.engine.Decisions(c.ctx(), wave, a.Applicant); err != nil {
		return nil, err
	} else if len(decided) > 0 {
		d, err := c.engine.Redecide(c.ctx(), decided[len(decided)-1])
		if err == nil {
			v.Findings, v.Verdict = c.told(d), d.Verdict.String()
		}
	}
	return v, nil
}

func (c *call) balanceOf(wave int64) (int64, error) {
	b, err := c.store.Balances(c.ctx(), balanceAccount("training", wave, c.me.Applicant))
	if err != nil {
		return 0, err
	}
	return b[0].Posted, nil
}

func (p *portal) myCase(c *call) error {
	v, err := c.mine()
	if err != nil {
		return err
	}
	return c.page(http.StatusOK, "case", v)
}

func (p *portal) letter(c *call) error {
	v, err := c.mine()
	if err != nil {
		return err
	}
	person, err := c.engine.Applicant(c.ctx(), v.Applicant)
	if err != nil {
		return err
	}
	return c.page(http.StatusOK, "letter", map[string]any{"Case": v, "Name": person.Person.Name.Reveal(), "Masked": mask(person.Person.National.Reveal())})
}

// mask keeps the first two and the last two digits of a number.
func mask(number string) string {
	if len(number) < 6 {
		return "••••"
	}
	return number[:2] + strings.Repeat("•", len(number)-4) + number[len(number)-2:]
}

// course is what a partner sells. An agency reads them from its partners.
type course struct {
	Code, Partner string
	Price         int64
}

var courses = []course{
	{"barista", "kopi-nusantara", 850_000}, {"bookkeeping", "akuntansi-kita", 1_200_000}, {"solar", "energi-surya", 1_950_000}, {"web", "kelas-kode", 1_500_000},
}

func (p *portal) buy(c *call) error {
	v, err := c.mine()
	if err != nil {
		return err
	}
	if c.r.Method == http.MethodGet {
		return c.page(http.StatusOK, "courses", v)
	}
	i := slices.IndexFunc(courses, func(x course) bool { return x.Code == c.form("course") })
	if i < 0 {
		return c.pageWith(http.StatusUnprocessableEntity, "courses", v, map[string]string{"course": "form.course.choose"})
	}
	err = c.engine.Fire(c.ctx(), c.by(), v.Application.Wave, c.me.Applicant, program.Report{Event: buy, Party: courses[i].Partner, Amount: payment.Rupiah(courses[i].Price).Units})
	var bound *ledger.BoundError
	if errors.As(err, &bound) {
		return &fault{http.StatusConflict, "fault.balance"}
	}
	if err != nil {
		return err
	}
	return c.redirect(fmt.Sprintf("/saya/gelombang/%d", v.Application.Wave))
}

// institutions are where money can go, by the code that a payment order takes.
var institutions = []string{"BNI", "BRI", "Mandiri", "OVO-demo"}

func (p *portal) link(c *call) error {
	v, err := c.mine()
	if err != nil {
		return err
	}
	data := map[string]any{"Case": v, "Institutions": institutions}
	if c.r.Method == http.MethodGet {
		return c.page(http.StatusOK, "account", data)
	}
	faults := map[string]string{}
	if !slices.Contains(institutions, c.form("institution")) {
		faults["institution"] = "form.institution.choose"
	}
	number := strings.ReplaceAll(c.form("number"), " ", "")
	if len(number) < 8 || len(number) > 20 || strings.Trim(number, "0123456789") != "" {
		faults["number"] = "form.account.shape"
	}
	// A payout account is what a thief would change: the password is asked again.
	if len(faults) == 0 {
		if err := c.accounts.confirm(c.ctx(), c.me.ID, c.r.PostFormValue("password")); errors.Is(err, errSignIn) {
			faults["password"] = "form.password.wrong"
		} else if err != nil {
			return err
		}
	}
	if len(faults) > 0 {
		return c.pageWith(http.StatusUnprocessableEntity, "account", data, faults)
	}
	err = c.engine.Fire(c.ctx(), c.by(), v.Application.Wave, c.me.Applicant, program.Report{Event: relink,
		Account: &program.Payout{Provider: c.form("institution"), Account: identity.NewSecret(number)}})
	if err != nil {
		return err
	}
	return c.redirect(fmt.Sprintf("/saya/gelombang/%d", v.Application.Wave))
}

func (p *portal) leaveWave(c *call) error {
	v, err := c.mine()
	if err != nil {
		return err
	}
	if err := c.engine.Fire(c.ctx(), c.by(), v.Application.Wave, c.me.Applicant, program.Report{Event: leave}); err != nil {
		return err
	}
	return c.redirect(fmt.Sprintf("/saya/gelombang/%d", v.Application.Wave))
}

const longestAppeal = 2000

func (p *portal) appeal(c *call) error {
	v, err := c.mine()
	if err != nil {
		return err
	}
	if c.r.Method == http.MethodGet {
		return c.page(http.StatusOK, "appeal", v)
	}
	says := c.form("says")
	if n := utf8.RuneCountInString(says); n < 10 || n > longestAppeal {
		return c.pageWith(http.StatusUnprocessableEntity, "appeal", v, map[string]string{"says": "form.appeal.length"})
	}
	_, err = c.engine.FileAppeal(c.ctx(), c.by(), v.Application.Wave, c.me.Applicant, says)
	var why *program.AppealError
	if errors.As(err, &why) {
		return &fault{http.StatusConflict, "fault.appeal." + why.Rule}
	}
	if err != nil {
		return err
	}
	return c.redirect(fmt.Sprintf("/saya/gelombang/%d", v.Application.Wave))
}

func (p *portal) withdrawAppeal(c *call) error {
	v, err := c.mine()
	if err != nil {
		return err
	}
	for _, a := range v.Appeals {
		if a.State == program.AppealFiled {
			if err := c.engine.WithdrawAppeal(c.ctx(), c.by(), a.Wave, c.me.Applicant, a.Number); err != nil {
				return err
			}
		}
	}
	return c.redirect(fmt.Sprintf("/saya/gelombang/%d", v.Application.Wave))
}

func (p *portal) myPayments(c *call) error {
	all, err := p.payments(c.ctx(), c.me.Applicant)
	if err != nil {
		return err
	}
	return c.page(http.StatusOK, "payments", map[string]any{"Payments": all})
}

func (p *portal) myData(c *call) error {
	data := map[string]any{"Known": c.me.Applicant != uuid.Nil}
	if c.me.Applicant != uuid.Nil {
		a, err := c.engine.Applicant(c.ctx(), c.me.Applicant)
		if err != nil {
			return err
		}
		data["State"] = string(a.State)
	}
	return c.page(http.StatusOK, "data", data)
}

func (p *portal) withdraw(c *call) error {
	if c.me.Applicant == uuid.Nil {
		return errNoPage
	}
	if err := c.accounts.confirm(c.ctx(), c.me.ID, c.r.PostFormValue("password")); errors.Is(err, errSignIn) {
		return c.pageWith(http.StatusUnprocessableEntity, "data", map[string]any{"Known": true, "State": string(program.Registered)}, map[string]string{"password": "form.password.wrong"})
	} else if err != nil {
		return err
	}
	err := c.engine.Withdraw(c.ctx(), c.by(), c.me.Applicant)
	var open *program.StateError
	if errors.As(err, &open) {
		return &fault{http.StatusConflict, "fault.withdraw"}
	}
	if err != nil {
		return err
	}
	return c.redirect("/saya/data")
}

// ownFile is everything that is kept about the person who asks, as text or as JSON. That it was given is
// in the journal.
func (p *portal) ownFile(c *call) error {
	if c.me.Applicant == uuid.Nil {
		return errNoPage
	}
	if err := c.accounts.confirm(c.ctx(), c.me.ID, c.r.PostFormValue("password")); errors.Is(err, errSignIn) {
		return c.pageWith(http.StatusUnprocessableEntity, "data", map[string]any{"Known": true, "State": string(program.Registered)}, map[string]string{"password": "form.password.wrong"})
	} else if err != nil {
		return err
	}
	file, err := c.engine.OwnFile(c.ctx(), program.By{Actor: c.me.ID}, c.me.Applicant, c.lang)
	if err != nil {
		return err
	}
	if c.form("as") == "text" {
		c.download("text/plain; charset=utf-8", "data-saya.txt")
		return file.Write(c.w)
	}
	c.download("application/json; charset=utf-8", "data-saya.json")
	return file.WriteJSON(c.w)
}
