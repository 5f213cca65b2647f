package program

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/ledger"
)

// Record is something that the agency, or a package above this one, keeps beside the
// cases: a voucher, a course, a referral. It is stored in the clear, so its body has
// no personal data, only internal ids.
type Record struct {
	// Kind and Name are the record's key: letters, digits and . _ - each, a name of at
	// most 200 bytes and a kind of at most 40.
	Kind, Name string
	// Applicant is whom it concerns; zero for nobody.
	Applicant uuid.UUID
	// Of groups records of a kind, such as the vouchers of one course; empty for none.
	Of   string
	Body []byte
	// Version is the version that was read, and 0 for a record that does not exist yet.
	// Where it is another by now, writing is a *StaleError.
	Version int64
}

// Post moves an amount above zero between two accounts of the agency's own, whose
// names begin with own/. Bounds are those of From afterwards; To is free.
type Post struct {
	From, To ledger.Account
	Amount   int64
	Bounds   ledger.Bounds
}

// Attached is what is written together with a step, or not at all.
type Attached struct {
	Records []Record
	Posts   []Post
	// Unchanged are records that were decided on and are not written: where one has another
	// version by now, nothing is written and the error is a *StaleError.
	Unchanged []Record
}

// Attach writes records and posts by themselves, as one command: all or nothing. The
// error is a *StaleError for a record that was changed meanwhile, or one of package ledger.
func (e *Engine[T]) Attach(ctx context.Context, by By, a Attached) error {
	cmd := command{by, "attach", a}
	if done, err := e.answered(ctx, cmd); done || err != nil {
		return err
	}
	posts := postings{}
	rows, notes, err := a.rows(posts)
	if err != nil {
		return err
	}
	change := Change{Expect: a.expect(), Rows: rows, Postings: posts.posting()}
	if len(a.Records) > 0 {
		change.Home = a.Records[0].Applicant
	}
	if len(change.Postings) > 0 {
		id, err := e.ids.next(e.clock())
		if err != nil {
			return err
		}
		change.Postings[0].ID = "attach/" + id.String()
	}
	_, err = e.carryOut(ctx, cmd, change, "recorded", map[string]any{"records": notes, "posts": a.Posts})
	return err
}

// RecordNote is what the journal has of a written record.
type RecordNote struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Version is the one that was written, from 1, and Digest the SHA-256 of the body.
	Version int64  `json:"version"`
	Digest  string `json:"digest"`
}

func (a *Attached) rows(posts postings) ([]Row, []RecordNote, error) {
	var rows []Row
	var notes []RecordNote
	for _, r := range a.Records {
		if !recordName(r.Kind, 40) || !recordName(r.Name, 200) || len(r.Of) > 200 {
			return nil, nil, &FieldError{"Record", "has a kind and a name of letters, digits and . _ -, of at most 40 and 200 bytes"}
		}
		body := append([]byte{}, r.Body...)
		rows = append(rows, Row{Table: TableRecords, Version: r.Version, Values: []any{r.Kind, r.Name, idValue(r.Applicant), textValue(r.Of), body}})
		digest := sha256.Sum256(body)
		notes = append(notes, RecordNote{r.Kind, r.Name, r.Version + 1, hex.EncodeToString(digest[:])})
	}
	for _, p := range a.Posts {
		if err := posts.own(p); err != nil {
			return nil, nil, err
		}
	}
	return sorted(rows), notes, nil
}

func (a *Attached) expect() []Expected {
	var all []Expected
	for _, r := range a.Unchanged {
		all = append(all, Expected{Key: Key{TableRecords, []any{r.Kind, r.Name}}, Version: r.Version})
	}
	return all
}

func recordName(s string, most int) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= most
}

// own adds a movement between accounts of the agency's own.
func (p postings) own(post Post) error {
	if !strings.HasPrefix(string(post.From), "own/") || !strings.HasPrefix(string(post.To), "own/") || post.From == post.To || post.Amount <= 0 {
		return &FieldError{"Post", "moves an amount above zero between two accounts that begin with own/"}
	}
	p.add(post.From, -post.Amount, post.Bounds)
	p.add(post.To, post.Amount, ledger.Free())
	return nil
}

// attach gathers what came with a report.
func (s *steps[T]) attach(a *Attached) error {
	rows, notes, err := a.rows(s.posts)
	s.rows, s.records, s.unchanged = append(s.rows, rows...), append(s.records, notes...), append(s.unchanged, a.expect()...)
	return err
}

// Record reads one record. The error is ErrNotFound if there is none.
func (e *Engine[T]) Record(ctx context.Context, kind, name string) (Record, error) {
	rows, err := e.store.Load(ctx, Query{Keys: []Key{{TableRecords, []any{kind, name}}}})
	if err != nil {
		return Record{}, err
	}
	if len(rows.Rows) == 0 {
		return Record{}, fmt.Errorf("%s %s: %w", kind, name, ErrNotFound)
	}
	return recordOf(rows.Rows[0]), nil
}

// RecordScan asks for records of one kind. At most one of Applicant and Of is given.
type RecordScan struct {
	Kind      string
	Applicant uuid.UUID
	Of        string
}

// Records gives every record that a scan asks for to each, in the order of their
// names.
func (e *Engine[T]) Records(ctx context.Context, which RecordScan, each func(Record) error) error {
	scan := Scan{Table: TableRecords, Equal: []any{which.Kind}, Limit: e.chunk}
	switch {
	case which.Applicant != uuid.Nil:
		scan.Index, scan.Equal = 1, []any{idValue(which.Applicant), which.Kind}
	case which.Of != "":
		scan.Index, scan.Equal = 2, []any{which.Of, which.Kind}
	}
	for {
		rows, next, err := e.store.Page(ctx, scan)
		if err != nil {
			return err
		}
		for _, row := range rows.Rows {
			if err := each(recordOf(row)); err != nil {
				return err
			}
		}
		if scan.After = next; next == nil {
			return nil
		}
	}
}

func recordOf(row Row) Record {
	v := row.Values
	return Record{Kind: textOf(v[0]), Name: textOf(v[1]), Applicant: idOf(v[2]), Of: textOf(v[3]), Body: bytesOf(v[4]), Version: row.Version}
}

// Balances reads accounts of the ledger in one snapshot, in the order asked: what is
// posted, without reservations.
func (e *Engine[T]) Balances(ctx context.Context, accounts ...ledger.Account) ([]int64, error) {
	all, err := e.store.Balances(ctx, accounts...)
	if err != nil {
		return nil, err
	}
	posted := make([]int64, len(all))
	for i, b := range all {
		posted[i] = b.Posted
	}
	return posted, nil
}

// Left returns what a case may still spend of a balance benefit, in minor units.
func (e *Engine[T]) Left(ctx context.Context, wave int64, applicant uuid.UUID, benefit string) (int64, error) {
	a := Application{Wave: wave, Applicant: applicant}
	all, err := e.store.Balances(ctx, balanceAccount(&a, benefit))
	if err != nil {
		return 0, err
	}
	return all[0].Available(), nil
}

// refund takes back what a case spent: it returns to the balance, or, once the case has
// taken a step that lets the balance lapse, to the budget.
func (s *steps[T]) refund(c *Case[T], benefit string) error {
	r := &c.Report
	if r.Amount <= 0 {
		return &FieldError{"Report.Amount", "is above zero for a refund"}
	}
	s.posts.add(ledger.Account("spent/"+benefit+"/"+r.Party), -r.Amount, ledger.AtLeast(0))
	if s.engine.lapsedIn(c.Application.Trail, benefit) || s.lapsed(&c.Application, Report{}, benefit) {
		s.posts.add(budgetLeft, r.Amount, ledger.AtLeast(0))
		s.posts.add(lapsedAccount(benefit), r.Amount, ledger.AtLeast(0))
		s.posts.add("lapsed", -r.Amount, ledger.Free())
		return nil
	}
	most, ok := s.engine.program.Benefits.On(c.Wave.body.Legal).Find(benefit)
	if !ok || most.Kind != payment.BalanceKind {
		return &FieldError{"benefit", fmt.Sprintf("%q is no balance on the legal date of the wave", benefit)}
	}
	s.posts.add(balanceAccount(&c.Application, benefit), r.Amount, ledger.Between(0, most.Amount.Units))
	if c.balances != nil {
		c.balances[benefit] += r.Amount
	}
	return nil
}

// lapsedIn reports whether a step of a trail let a balance lapse.
func (e *Engine[T]) lapsedIn(trail []TrailStep, benefit string) bool {
	for i := 1; i < len(trail); i++ {
		under := e.editions[trail[i].Edition]
		if under == nil || trail[i].Event == "" {
			continue
		}
		for row := range under.machine.Rows(trail[i-1].To) {
			if row.Event != trail[i].Event || row.To != trail[i].To {
				continue
			}
			for _, effect := range row.Do {
				if effect.Name == EffectLapse && effect.Arg == benefit {
					return true
				}
			}
		}
	}
	return false
}
