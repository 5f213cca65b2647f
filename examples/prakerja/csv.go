package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gelombang/gelombang/payment/iso20022"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
)

// columns are those of a file of applicants, in the order in which they are
// written. When a file is read any order will do.
//
//	name        as on the identity card
//	nik         16 digits
//	kk          16 digits
//	birth_date  2006-01-02
//	regency     code of the domicile under Kemendagri, 31.71
//	category    seeker, laid_off or worker; empty: not asked
//	affected    yes or no: on the ministry's list of affected workers
//	phone       digits, perhaps with + in front; may be empty
//	provider    BNI, OVO, GOPAY or LINKAJA; empty: no account is linked
//	account     digits; empty where, and only where, provider is
//	holder      name of the account's holder; empty: the applicant's name
//	citizen     what the register of citizens says: yes, no, down (it did not
//	            answer) or empty (nobody asked)
//	official    what the register of officials says, likewise
//	student     what the register of students says, likewise
//	social_aid  what the register of social aid says, likewise
//	joins       yes or no: joins the wave
//	habits      how the person behaves later: none or more of the letters L (never
//	            buys), W (the wallet bounces), D (drops out), N (never reviews),
//	            S (skips surveys)
//
// Two more columns may be missing: ref (a number of the caller's; else the
// position in the file, from 0) and observed (the date of what the registers
// say; else 2020-07-31).
var columns = []string{
	"name", "nik", "kk", "birth_date", "regency", "category", "affected", "phone", "provider", "account", "holder",
	"citizen", "official", "student", "social_aid", "joins", "habits",
}

var moreColumns = []string{"ref", "observed"}

// row is a line of a file of applicants, as it is written there.
type row struct {
	Ref                                   int64
	Name, NIK, KK, Birth                  string
	Regency, Category, Affected           string
	Phone, Provider, Account, Holder      string
	Citizen, Official, Student, SocialAid string
	Joins, Habits                         string
	Observed                              string // date of what the registers say
}

// providers are the partners, with what stands for their BIC in files. An eighth
// character 0 marks a test code, so that no file of the example can be taken for
// a real one.
var providers = map[string]string{"BNI": "BNINIDJ0", "OVO": "OVOPIDJ0", "GOPAY": "GOPYIDJ0", "LINKAJA": "LNKAIDJ0"}

const mostLine = 64 << 10

// registration reads the row. What cannot be read becomes its Fault, which
// names field and rule and never the value.
func (p *row) registration(g *geography) program.Registration[Jobseeker] {
	r := program.Registration[Jobseeker]{Details: Jobseeker{Ref: p.Ref, Regency: p.Regency, Category: p.Category, Habits: p.Habits}}
	if why := p.read(&r, g); why != nil {
		return program.Registration[Jobseeker]{Fault: why}
	}
	return r
}

func (p *row) read(r *program.Registration[Jobseeker], g *geography) *program.RegistrationError {
	if strings.TrimSpace(p.Name) == "" {
		return fault("name", "missing")
	}
	if !bankable(p.Name) {
		return fault("name", "characters")
	}
	nik, _, err := identity.ParseNIK(p.NIK)
	if err != nil {
		return formatFault(err)
	}
	kk, _, err := identity.ParseKK(p.KK)
	if err != nil {
		return formatFault(err)
	}
	birth, why := date("birth_date", p.Birth)
	if why != nil {
		return why
	}
	if _, known := g.find(p.Regency); !known {
		return fault("regency", "unknown")
	}
	if !slices.Contains([]string{"", "seeker", "laid_off", "worker"}, p.Category) {
		return fault("category", "unknown")
	}
	for _, c := range []struct {
		field, value string
		to           *bool
	}{{"affected", p.Affected, &r.Details.Affected}, {"joins", p.Joins, &r.Details.Joins}} {
		if c.value != "yes" && c.value != "no" {
			return fault(c.field, "yes-or-no")
		}
		*c.to = c.value == "yes"
	}
	if strings.Trim(p.Habits, "LWDNS") != "" {
		return fault("habits", "unknown")
	}
	if r.Evidence, why = p.evidence(); why != nil {
		return why
	}
	r.Person = program.Person{Name: identity.NewName(p.Name), National: identity.NewSecret(nik.Reveal()), Family: identity.NewSecret(kk.Reveal()), Birth: birth}
	if p.Phone != "" && !digits(strings.TrimPrefix(p.Phone, "+")) {
		return fault("phone", "digits")
	}
	r.Person.Phone = identity.NewSecret(p.Phone)
	return p.payout(&r.Person)
}

func (p *row) payout(to *program.Person) *program.RegistrationError {
	if p.Provider == "" && p.Account == "" {
		return nil
	}
	_, known := providers[p.Provider]
	switch {
	case !known:
		return fault("provider", "unknown")
	case !digits(p.Account):
		return fault("account", "digits")
	}
	to.Payout = program.Payout{Provider: p.Provider, Account: identity.NewSecret(p.Account), Holder: to.Name}
	if p.Holder != "" && p.Holder != p.Name {
		if !bankable(p.Holder) {
			return fault("holder", "characters")
		}
		to.Payout.Holder = identity.NewName(p.Holder)
	}
	return nil
}

// bankable reports whether banks take a name: nobody is to find out after the
// draw that a payment cannot be written.
func bankable(name string) bool {
	plain, err := iso20022.Transliterate(name)
	return err == nil && plain != "" && len(plain) <= 140
}

func (p *row) evidence() (map[string]program.Evidence, *program.RegistrationError) {
	seen := calendar.Of(2020, time.July, 31)
	if p.Observed != "" {
		var why *program.RegistrationError
		if seen, why = date("observed", p.Observed); why != nil {
			return nil, why
		}
	}
	at := time.Date(seen.Year, seen.Month, seen.Day, 0, 0, 0, 0, time.UTC)
	all := make(map[string]program.Evidence, 4)
	for _, o := range [...]struct{ field, fact, source, value string }{
		{"citizen", "citizen", "dukcapil", p.Citizen},
		{"official", "official", "bkn", p.Official},
		{"student", "student", "dapodik", p.Student},
		{"social_aid", "social-aid", "dtks", p.SocialAid},
	} {
		switch o.value {
		case "":
		case "yes", "no":
			all[o.fact] = program.Evidence{Source: o.source, Seen: at, Value: o.value == "yes"}
		case "down":
			all[o.fact] = program.Evidence{Source: o.source, Seen: at, Unknown: "source-down"}
		default:
			return nil, fault(o.field, "yes-no-down-or-empty")
		}
	}
	return all, nil
}

func fault(field, rule string) *program.RegistrationError {
	return &program.RegistrationError{Field: field, Rule: rule}
}

func formatFault(err error) *program.RegistrationError {
	var format *identity.FormatError
	if errors.As(err, &format) {
		return fault(format.Field, string(format.Rule))
	}
	return fault("nik", "format")
}

func date(field, text string) (calendar.Date, *program.RegistrationError) {
	d, err := calendar.Parse(text)
	var why *calendar.DateError
	if errors.As(err, &why) {
		return d, fault(field, why.Rule)
	}
	return d, nil
}

func digits(s string) bool {
	return s != "" && len(s) <= 34 && strings.Trim(s, "0123456789") == ""
}

// csvPeople reads a file of applicants. Every line after the header is one
// applicant, so that one malformed line does not hide the next: line breaks
// inside quotes are not allowed. A byte order mark and CRLF are.
type csvPeople struct {
	path    string
	places  *geography
	columns []string // of the header
	file    *os.File
	lines   *bufio.Reader
	at      int64 // applicants read so far
}

// openPeople opens a file of applicants and checks its header. Errors are one
// sentence each.
func openPeople(path string, g *geography) (*csvPeople, error) {
	s := &csvPeople{path: path, places: g}
	if err := s.reopen(); err != nil {
		return nil, err
	}
	if _, err := s.lines.Peek(1); err != nil {
		s.Close()
		return nil, fmt.Errorf("%s has a header and no applicants", s.name())
	}
	return s, nil
}

func (s *csvPeople) name() string { return filepath.Base(s.path) }

// Close closes the file.
func (s *csvPeople) Close() error { return s.file.Close() }

// reopen opens the file at the first applicant.
func (s *csvPeople) reopen() error {
	if s.file != nil {
		s.file.Close() // it was only read
	}
	file, err := os.Open(s.path)
	if err != nil {
		return fmt.Errorf("the file of applicants cannot be opened: %w", err)
	}
	s.file, s.lines, s.at = file, bufio.NewReaderSize(file, mostLine), 0
	header, err := s.line()
	if err == io.EOF {
		err = fmt.Errorf("%s is empty: its first line must name the columns", s.name())
	} else if err == nil {
		s.columns, err = s.header(header)
	} else {
		err = fmt.Errorf("%s cannot be read: %w", s.name(), err)
	}
	if err != nil {
		file.Close()
	}
	return err
}

func (s *csvPeople) header(line string) ([]string, error) {
	names, rule := fields(strings.TrimPrefix(line, "\ufeff"), nil)
	if rule != "" {
		return nil, fmt.Errorf("%s: the header cannot be read: %s", s.name(), rule)
	}
	if len(names) == 1 && strings.Contains(names[0], ";") {
		return nil, fmt.Errorf("%s: the columns are separated by semicolons, and must be by commas", s.name())
	}
	for i := range names {
		names[i] = strings.ToLower(strings.TrimSpace(names[i]))
	}
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return nil, fmt.Errorf("%s has the column %q twice", s.name(), name)
		}
	}
	for _, name := range columns {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("%s has no column %q", s.name(), name)
		}
	}
	for _, name := range names {
		if !slices.Contains(columns, name) && !slices.Contains(moreColumns, name) {
			return nil, fmt.Errorf("%s has a column %q that is not known", s.name(), name)
		}
	}
	return names, nil
}

var errLong = errors.New("a line of more than 64 KiB")

// line reads one line without its end. A line that is too long is skipped and
// errLong.
func (s *csvPeople) line() (string, error) {
	text, err := s.lines.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		for err == bufio.ErrBufferFull {
			_, err = s.lines.ReadSlice('\n')
		}
		if err == nil || err == io.EOF {
			return "", errLong
		}
	}
	if err != nil && (err != io.EOF || len(text) == 0) {
		return "", err
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
}

// Next reads the next applicants.
func (s *csvPeople) Next(ctx context.Context, done int64, limit int) ([]program.Registration[Jobseeker], error) {
	if err := s.seek(ctx, done); err != nil {
		return nil, err
	}
	var some []program.Registration[Jobseeker]
	for values := make([]string, 0, len(s.columns)); len(some) < limit; s.at++ {
		line, err := s.line()
		switch {
		case err == io.EOF:
			return some, nil
		case err == errLong:
			some = append(some, program.Registration[Jobseeker]{Fault: fault("line", "too-long")})
			continue
		case err != nil:
			return nil, fmt.Errorf("%s cannot be read: %w", s.name(), err)
		}
		some = append(some, s.registration(line, values))
	}
	return some, nil
}

// seek goes to a position, from the start of the file if need be.
func (s *csvPeople) seek(ctx context.Context, done int64) error {
	if done < s.at {
		if err := s.reopen(); err != nil {
			return err
		}
	}
	for ; s.at < done; s.at++ {
		if err := ctx.Err(); s.at%10_000 == 0 && err != nil {
			return err
		}
		if _, err := s.line(); err == io.EOF {
			return nil
		} else if err != nil && err != errLong {
			return fmt.Errorf("%s cannot be read: %w", s.name(), err)
		}
	}
	return ctx.Err()
}

// count counts the applicants, for a progress bar.
func (s *csvPeople) count(ctx context.Context) (int64, error) {
	if err := s.seek(ctx, 1<<62); err != nil {
		return 0, err
	}
	n := s.at
	return n, s.reopen()
}

func (s *csvPeople) registration(line string, values []string) program.Registration[Jobseeker] {
	if line == "" {
		return program.Registration[Jobseeker]{Fault: fault("line", "empty")}
	}
	values, rule := fields(line, values[:0])
	if rule == "" && len(values) != len(s.columns) {
		rule = "number-of-fields"
	}
	if rule != "" {
		return program.Registration[Jobseeker]{Fault: fault("line", rule)}
	}
	p := row{Ref: s.at}
	for i, name := range s.columns {
		if name != "ref" {
			*p.cell(name) = strings.TrimSpace(values[i])
			continue
		}
		var err error
		if p.Ref, err = strconv.ParseInt(values[i], 10, 64); err != nil || p.Ref < 0 {
			return program.Registration[Jobseeker]{Fault: fault("ref", "number")}
		}
	}
	return p.registration(s.places)
}

// cell is where the value of a column goes.
func (p *row) cell(column string) *string {
	switch column {
	case "name":
		return &p.Name
	case "nik":
		return &p.NIK
	case "kk":
		return &p.KK
	case "birth_date":
		return &p.Birth
	case "regency":
		return &p.Regency
	case "category":
		return &p.Category
	case "affected":
		return &p.Affected
	case "phone":
		return &p.Phone
	case "provider":
		return &p.Provider
	case "account":
		return &p.Account
	case "holder":
		return &p.Holder
	case "citizen":
		return &p.Citizen
	case "official":
		return &p.Official
	case "student":
		return &p.Student
	case "social_aid":
		return &p.SocialAid
	case "joins":
		return &p.Joins
	case "habits":
		return &p.Habits
	}
	return &p.Observed
}

// fields cuts a line at its commas, as RFC 4180 says, and appends the fields to
// dst. The rule is what the line breaks: "quote", "text".
func fields(line string, dst []string) (values []string, rule string) {
	if !utf8.ValidString(line) || strings.ContainsAny(line, "\x00\r\n") {
		return dst, "text"
	}
	for {
		if !strings.HasPrefix(line, `"`) {
			value, rest, more := strings.Cut(line, ",")
			if strings.Contains(value, `"`) {
				return dst, "quote"
			}
			dst = append(dst, value)
			if !more {
				return dst, ""
			}
			line = rest
			continue
		}
		value, rest, closed := quoted(line[1:])
		if !closed || rest != "" && rest[0] != ',' {
			return dst, "quote"
		}
		dst = append(dst, value)
		if rest == "" {
			return dst, ""
		}
		line = rest[1:]
	}
}

// quoted reads up to the closing quote; two quotes stand for one.
func quoted(text string) (value, rest string, closed bool) {
	var whole strings.Builder
	for {
		before, after, found := strings.Cut(text, `"`)
		whole.WriteString(before)
		if !found {
			return "", "", false
		}
		if !strings.HasPrefix(after, `"`) {
			return whole.String(), after, true
		}
		whole.WriteByte('"')
		text = after[1:]
	}
}

// writeApplicants writes made people as a file of applicants.
func writeApplicants(w io.Writer, m *madePeople) error {
	out := csv.NewWriter(w)
	all := slices.Concat([]string{"ref"}, columns, []string{"observed"})
	if err := out.Write(all); err != nil {
		return err
	}
	line := make([]string, len(all))
	for i := range m.n {
		p := m.row(i)
		line[0] = strconv.FormatInt(p.Ref, 10)
		for j, column := range all[1:] {
			line[j+1] = *p.cell(column)
		}
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// rejects writes who was refused: the line, the field and the rule, never a
// value.
type rejects struct {
	out *csv.Writer
	// first is the line of the first applicant: 2 in a file with a header, 1
	// for made people.
	first int64
}

func newRejects(w io.Writer, first int64) (*rejects, error) {
	r := &rejects{csv.NewWriter(w), first}
	return r, r.out.Write([]string{"line", "field", "rule"})
}

func (r *rejects) add(refused program.Refusal) error {
	return r.out.Write([]string{strconv.FormatInt(refused.Position+r.first, 10), refused.Field, refused.Rule})
}

func (r *rejects) flush() error {
	r.out.Flush()
	return r.out.Error()
}
