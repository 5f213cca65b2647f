package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
	"github.com/gelombang/gelombang/program/ledger"
)

// This file is the interface for other programs: partners, other agencies, the agency's own
// data warehouse. openapi.json describes it, and a test holds both equal.

//go:embed openapi.json
var openAPI []byte

// machineToken is a program that may use the interface.
type machineToken struct {
	Name   string
	Scopes []string
}

// recogniseMachine finds whose token was given.
func (p *portal) recogniseMachine(c *call) error {
	token, ok := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer ")
	who, known := p.tokens[tokenHash(token)]
	if !ok || !known {
		c.w.Header().Set("WWW-Authenticate", `Bearer realm="portal"`)
		return &fault{http.StatusUnauthorized, "fault.token"}
	}
	if !slices.Contains(who.Scopes, c.at.role) {
		return errForbidden
	}
	c.me = &account{ID: "api:" + who.Name, Kind: "machine"}
	return nil
}

// problem answers as RFC 9457 has it. Detail never holds what was sent.
func (c *call) problem(f *fault, err error) {
	name := strings.TrimPrefix(f.key, "fault.")
	body := map[string]any{"type": "tag:gelombang.example,2026:problem:" + name, "title": c.words("en", f.key), "status": f.status}
	var refused *program.RefusedError
	if errors.As(err, &refused) {
		var codes []string
		for _, r := range refused.Reasons {
			codes = append(codes, r.Code)
		}
		body["reasons"] = codes
	}
	var field *fieldFault
	if errors.As(err, &field) {
		body["field"], body["rule"] = field.field, field.rule
	}
	c.w.Header().Set("Content-Type", "application/problem+json")
	c.w.WriteHeader(f.status)
	json.NewEncoder(c.w).Encode(body)
}

// fieldFault says which field of a body breaks which rule. It is a 422.
type fieldFault struct{ field, rule string }

func (e *fieldFault) Error() string { return e.field + ": " + e.rule }
func (e *fieldFault) Unwrap() error { return &fault{http.StatusUnprocessableEntity, "fault.field"} }

// download says that the answer is a file, of this type and name.
func (c *call) download(kind, name string) {
	c.w.Header().Set("Content-Type", kind)
	c.w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
}

func (c *call) json(status int, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(status)
	_, err = c.w.Write(append(data, '\n'))
	return err
}

func (p *portal) apiDocument(c *call) error {
	c.w.Header().Set("Content-Type", "application/json")
	_, err := c.w.Write(openAPI)
	return err
}

// waveBody is a wave in the interface.
type waveBody struct {
	Number int64      `json:"number"`
	State  string     `json:"state"`
	Opens  time.Time  `json:"opens"`
	Closes *time.Time `json:"closes,omitempty"`
	Seats  *seatsBody `json:"seats,omitempty"`
}

type seatsBody struct {
	Cap    int64      `json:"cap"`
	Left   int64      `json:"left"`
	ByPool []poolBody `json:"by_pool"`
}

type poolBody struct {
	Pool string `json:"pool"`
	Cap  int64  `json:"cap"`
	Left int64  `json:"left"`
}

func bodyOf(w program.Wave) waveBody {
	b := waveBody{Number: w.Number, State: string(w.State), Opens: w.Opens}
	if !w.Closes.IsZero() {
		b.Closes = &w.Closes
	}
	return b
}

// limit is how many items a page has.
func (c *call) limit() (int, error) {
	text := c.r.URL.Query().Get("limit")
	if text == "" {
		return 50, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 500 {
		return 0, &fieldFault{"limit", "1-to-500"}
	}
	return n, nil
}

// cursor reads an opaque place in a list.
func (c *call) cursor() (string, error) {
	data, err := base64.RawURLEncoding.DecodeString(c.r.URL.Query().Get("cursor"))
	if err != nil {
		return "", &fieldFault{"cursor", "not-one-of-ours"}
	}
	return string(data), nil
}

func cursorOf(place string) string { return base64.RawURLEncoding.EncodeToString([]byte(place)) }

func (p *portal) apiWaves(c *call) error {
	limit, err := c.limit()
	if err != nil {
		return err
	}
	after, err := c.cursor()
	if err != nil {
		return err
	}
	waves, err := p.waves(c.ctx())
	if err != nil {
		return err
	}
	items, next := []waveBody{}, ""
	for _, w := range waves { // the latest first
		if n, err := strconv.ParseInt(after, 10, 64); err == nil && w.Number >= n {
			continue
		}
		if len(items) == limit {
			next = cursorOf(strconv.FormatInt(items[limit-1].Number, 10))
			break
		}
		items = append(items, bodyOf(w))
	}
	return c.json(http.StatusOK, listBody{items, next})
}

type listBody struct {
	Items any    `json:"items"`
	Next  string `json:"next,omitempty"`
}

func (p *portal) apiWave(c *call) error {
	w, err := c.aWave()
	if err != nil {
		return err
	}
	b := bodyOf(w)
	seats, err := p.seatsOf(c.ctx(), w)
	if err != nil {
		return err
	}
	b.Seats = &seatsBody{Cap: seats.Cap, Left: seats.Left, ByPool: []poolBody{}}
	for _, r := range seats.Rows {
		b.Seats.ByPool = append(b.Seats.ByPool, poolBody{r.Code, r.Cap, r.Left})
	}
	return c.json(http.StatusOK, b)
}

// applicationBody is a case in the interface: internal ids and states, nothing personal.
type applicationBody struct {
	Wave      int64      `json:"wave"`
	Applicant uuid.UUID  `json:"applicant"`
	State     string     `json:"state"`
	Entered   time.Time  `json:"entered"`
	Due       *time.Time `json:"due,omitempty"`
	Receipt   string     `json:"receipt,omitempty"`
}

func applicationOf(a program.Application) applicationBody {
	b := applicationBody{Wave: a.Wave, Applicant: a.Applicant, State: string(a.State), Entered: a.Entered, Receipt: hex.EncodeToString(a.Receipt[:])}
	if !a.Due.IsZero() {
		b.Due = &a.Due
	}
	return b
}

// aPageOfCases reads the cases of the wave that the request names, in a state if one is
// named, from its cursor on.
func (p *portal) aPageOfCases(c *call, state string) (w program.Wave, rows []caseRow, next uuid.UUID, err error) {
	if w, err = c.aWave(); err != nil {
		return w, nil, next, err
	}
	limit, err := c.limit()
	if err != nil {
		return w, nil, next, err
	}
	place, err := c.cursor()
	if err != nil {
		return w, nil, next, err
	}
	after := uuid.Nil
	if place != "" {
		if after, err = uuid.Parse(place); err != nil {
			return w, nil, next, &fieldFault{"cursor", "not-one-of-ours"}
		}
	}
	rows, next, err = p.cases(c.ctx(), w.Number, state, after, limit)
	return w, rows, next, err
}

func (p *portal) apiCases(c *call) error {
	_, rows, next, err := p.aPageOfCases(c, c.r.URL.Query().Get("state"))
	if err != nil {
		return err
	}
	items := []applicationBody{}
	for _, r := range rows {
		b := applicationBody{Wave: r.Wave, Applicant: r.Applicant, State: r.State, Entered: r.Entered.UTC()}
		if !r.Due.IsZero() {
			due := r.Due.UTC()
			b.Due = &due
		}
		items = append(items, b)
	}
	out := listBody{Items: items}
	if next != uuid.Nil {
		out.Next = cursorOf(next.String())
	}
	return c.json(http.StatusOK, out)
}

func (p *portal) apiCase(c *call) error {
	wave, id, err := c.person()
	if err != nil {
		return err
	}
	a, err := c.engine.Application(c.ctx(), wave, id)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, applicationOf(a))
}

// once carries out a write under its Idempotency-Key: sent again, it has the first answer, also when the
// first was never heard. The same key for something else is refused.
func (p *portal) once(do func(*call) (int, any, error)) func(*call) error {
	return func(c *call) error {
		key := c.r.Header.Get("Idempotency-Key")
		if len(key) < 8 || len(key) > 128 {
			return &fieldFault{"Idempotency-Key", "8-to-128-characters"}
		}
		if kind := c.r.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") {
			return &fault{http.StatusUnsupportedMediaType, "fault.media"}
		}
		body, err := io.ReadAll(c.r.Body)
		if err != nil {
			return err
		}
		sum := p.keys.Mark("portal-idempotency", c.r.Method+" "+c.r.URL.Path+"\n"+string(body))
		print, id := hex.EncodeToString(sum[:]), c.me.ID+"/"+key
		status, kind, text, err := p.claimAnswer(c.ctx(), id, print)
		if err != nil {
			return err
		}
		if status == 0 {
			c.r.Body = io.NopCloser(bytes.NewReader(body))
			code, value, err := do(c)
			if err != nil {
				// Nothing was carried out, or nobody knows: the engine's own key tells the next time.
				if err := p.dropAnswer(c.ctx(), id); err != nil {
					return err
				}
				return err
			}
			data, err := json.Marshal(value)
			if err != nil {
				return err
			}
			status, kind, text = code, "application/json", string(data)
			if _, err := p.accounts.exec(c.ctx(), `UPDATE portal_answers SET status = ?, kind = ?, body = ? WHERE id = ?`, status, kind, text, id); err != nil {
				return err
			}
		} else {
			c.w.Header().Set("Idempotent-Replayed", "true")
		}
		c.w.Header().Set("Content-Type", kind)
		c.w.WriteHeader(status)
		_, err = io.WriteString(c.w, text+"\n")
		return err
	}
}

// claimAnswer takes a key, or returns the answer that was given under it. A claim that was not
// answered within a minute is of a process that died.
func (p *portal) claimAnswer(ctx context.Context, id, print string) (status int, kind, text string, err error) {
	now := p.wall().Unix()
	n, err := p.accounts.exec(ctx, `INSERT INTO portal_answers (id, print, status, kind, body, created) VALUES (?,?,0,'','',?) ON CONFLICT DO NOTHING`, id, print, now)
	if err != nil || n == 1 {
		return 0, "", "", err
	}
	var have string
	var created int64
	err = p.accounts.row(ctx, `SELECT print, status, kind, body, created FROM portal_answers WHERE id = ?`, id).Scan(&have, &status, &kind, &text, &created)
	switch {
	case errors.Is(err, sql.ErrNoRows): // given back between the two statements
		return 0, "", "", &fault{http.StatusConflict, "fault.in-progress"}
	case err != nil:
		return 0, "", "", err
	case have != print:
		return 0, "", "", &fault{http.StatusUnprocessableEntity, "fault.key-reused"}
	case status == 0 && now-created < 60:
		return 0, "", "", &fault{http.StatusConflict, "fault.in-progress"}
	}
	return status, kind, text, nil
}

func (p *portal) dropAnswer(ctx context.Context, id string) error {
	_, err := p.accounts.exec(context.WithoutCancel(ctx), `DELETE FROM portal_answers WHERE id = ? AND status = 0`, id)
	return err
}

// engineKey is the engine's idempotency key of a request.
func (c *call) engineKey() program.By {
	return program.By{Actor: c.me.ID, Key: c.me.ID + "/" + c.r.Header.Get("Idempotency-Key")}
}

// read decodes a body that has known fields only.
func (c *call) read(into any) error {
	d := json.NewDecoder(c.r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil || d.More() {
		return &fieldFault{"body", "json-of-the-documented-shape"}
	}
	return nil
}

func (p *portal) apiRegister(c *call) (int, any, error) {
	var in struct {
		NIK      string `json:"nik"`
		KK       string `json:"kk"`
		Name     string `json:"name"`
		Birth    string `json:"birth"`
		Province string `json:"province"`
		Category string `json:"category"`
	}
	if err := c.read(&in); err != nil {
		return 0, nil, err
	}
	nik, _, err := identity.ParseNIK(in.NIK)
	if err != nil {
		return 0, nil, &fieldFault{"nik", formatFault(err, "nik")}
	}
	kk, _, err := identity.ParseKK(in.KK)
	if err != nil {
		return 0, nil, &fieldFault{"kk", formatFault(err, "kk")}
	}
	birth, err := calendar.Parse(in.Birth)
	if err != nil {
		return 0, nil, &fieldFault{"birth", "yyyy-mm-dd"}
	}
	switch {
	case in.Name == "" || len(in.Name) > 200:
		return 0, nil, &fieldFault{"name", "1-to-200"}
	case !slices.ContainsFunc(provinces, func(x province) bool { return x.Code == in.Province }):
		return 0, nil, &fieldFault{"province", "a-code"}
	case !slices.Contains(categories, in.Category):
		return 0, nil, &fieldFault{"category", "one-of-the-documented"}
	}
	reg := program.Registration[Jobseeker]{Details: Jobseeker{Province: in.Province, Category: in.Category},
		Person: program.Person{Name: identity.NewName(in.Name), National: identity.NewSecret(nik.Reveal()), Family: identity.NewSecret(kk.Reveal()), Birth: birth}}
	match, err := p.register.Match(c.ctx(), reg.Person)
	if err != nil {
		return 0, nil, err
	}
	if reg.Evidence, err = p.register.Ask(c.ctx(), reg.Person, p.time.now()); err != nil {
		return 0, nil, err
	}
	var id uuid.UUID
	if match {
		id, err = c.engine.Register(c.ctx(), c.engineKey(), reg)
	}
	var known *program.RegistrationError
	if !match || errors.As(err, &known) { // one answer for both
		return 0, nil, &fault{http.StatusConflict, "fault.identity"}
	}
	if err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, map[string]any{"applicant": id}, nil
}

func (p *portal) apiJoin(c *call) (int, any, error) {
	wave, err := c.wave()
	if err != nil {
		return 0, nil, err
	}
	var in struct {
		Applicant uuid.UUID `json:"applicant"`
	}
	if err := c.read(&in); err != nil {
		return 0, nil, err
	}
	a, err := c.engine.Join(c.ctx(), c.engineKey(), wave, in.Applicant)
	var why *program.JoinError
	if errors.As(err, &why) {
		return 0, nil, &fault{http.StatusConflict, "fault.join"}
	}
	if err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, applicationOf(a), nil
}

// partnerEvents are what programs of others report.
var partnerEvents = []program.Event{buy, certify}

func (p *portal) apiEvent(c *call) (int, any, error) {
	wave, id, err := c.person()
	if err != nil {
		return 0, nil, err
	}
	var in struct {
		Event  string    `json:"event"`
		Amount int64     `json:"amount"`
		Party  string    `json:"party"`
		At     time.Time `json:"at"`
	}
	if err := c.read(&in); err != nil {
		return 0, nil, err
	}
	if !slices.Contains(partnerEvents, program.Event(in.Event)) {
		return 0, nil, &fieldFault{"event", "one-of-the-documented"}
	}
	if in.Amount < 0 || in.Amount > 1<<40 {
		return 0, nil, &fieldFault{"amount", "zero-or-more"}
	}
	err = c.engine.Fire(c.ctx(), c.engineKey(), wave, id, program.Report{Event: program.Event(in.Event), Amount: in.Amount, Party: in.Party, At: in.At})
	var bound *ledger.BoundError
	if errors.As(err, &bound) {
		return 0, nil, &fault{http.StatusConflict, "fault.balance"}
	}
	if err != nil {
		return 0, nil, err
	}
	a, err := c.engine.Application(c.ctx(), wave, id)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, applicationOf(a), nil
}

// apiEvents is the feed of the journal as CloudEvents, in its batch format. Whoever follows keeps
// the last sequence and asks for what is after it: at least once, in order.
func (p *portal) apiEvents(c *call) error {
	limit, err := c.limit()
	if err != nil {
		return err
	}
	after, err := strconv.ParseInt("0"+c.r.URL.Query().Get("after"), 10, 64)
	if err != nil {
		return &fieldFault{"after", "a-sequence"}
	}
	entries, err := p.store.Journal(c.ctx(), after, limit)
	if err != nil {
		return err
	}
	events := []json.RawMessage{}
	for _, e := range entries {
		data, err := program.CloudEvent("/programs/"+programID, "example.gelombang.", e)
		if err != nil {
			return err
		}
		events = append(events, data)
	}
	data, err := json.Marshal(events)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/cloudevents-batch+json")
	_, err = c.w.Write(data)
	return err
}

// apiDisburse is an approved batch as the message that G2P Connect's POST /disburse takes: for an
// agency whose payments go through such a bridge in the place of a bank's file. It is built from the
// orders that were approved, so it holds account numbers, and has a scope of its own.
func (p *portal) apiDisburse(c *call) error {
	b, err := c.batch()
	if err != nil {
		return err
	}
	list := []map[string]any{}
	err = c.engine.WriteBatch(c.ctx(), b.Number, func(o program.Order) error {
		a, err := c.engine.Applicant(c.ctx(), o.Applicant)
		if err != nil {
			return err
		}
		list = append(list, map[string]any{
			"reference_id": o.Reference, "payer_fa": "account_no:" + treasuryNo + "@" + bics[bankName], "payer_name": payer,
			"payee_fa": "account_no:" + o.Payout.Account.Reveal() + "@" + bics[o.Payout.Provider], "payee_name": a.Person.Name.Reveal(),
			"amount": o.Amount.Decimal(), "currency_code": o.Amount.Currency, "purpose": b.Benefit, "note": fmt.Sprintf("%s %d", b.Benefit, b.Instalment), "locale": "id",
		})
		return nil
	})
	var state *program.StateError
	if errors.As(err, &state) {
		return &fault{http.StatusConflict, "fault.not-now"}
	}
	if err != nil {
		return moneyFault(err)
	}
	if err := p.note(c.ctx(), c.me.ID, "export", map[string]any{"what": "g2p-disburse", "batch": b.Number}); err != nil {
		return err
	}
	now := p.time.now().UTC().Format(time.RFC3339)
	sum := sha256.Sum256(fmt.Appendf(nil, "%d/%x", b.Number, b.Digest))
	message := hex.EncodeToString(sum[:16]) // the same batch is the same message
	return c.json(http.StatusOK, map[string]any{
		"signature": "",
		"header": map[string]any{"version": "1.0.0", "message_id": message, "message_ts": now, "action": "disburse", "sender_id": programID,
			"receiver_id": bankName, "total_count": len(list), "is_msg_encrypted": false},
		"message": map[string]any{"transaction_id": fmt.Sprintf("%s-%d", programID, b.Number), "disbursements": list},
	})
}

// apiEnrolment is who is in the program, as the records of the DCI standard for integrated
// beneficiary registries: internal ids in the place of national ones.
func (p *portal) apiEnrolment(c *call) error {
	w, rows, next, err := p.aPageOfCases(c, "")
	if err != nil {
		return err
	}
	records := []map[string]any{}
	for _, r := range rows {
		if r.Seat == "" {
			continue
		}
		status := "inactive"
		if r.Seat != "returned" && r.State != string(done) {
			status = "active"
		}
		records = append(records, map[string]any{
			"assistance_unit": "individual",
			"member": map[string]any{"@type": "Member", "member_identifier": []map[string]string{
				{"identifier_type": "programme-internal", "identifier_value": r.Applicant.String()}}},
			"programme_identifier": []map[string]string{{"programme_name": "Pelatihan Kerja (demonstrasi)", "programme_code": programID}},
			"enrollment_date":      r.Entered.UTC().Format(time.RFC3339),
			"enrollment_status":    status,
			"status_change_date":   []string{r.Entered.UTC().Format(time.RFC3339)},
			"benefits": []map[string]string{{"benefit_name": "training", "benefit_amount": payment.Rupiah(3_500_000).Decimal(), "currency": "IDR",
				"date_received": r.Entered.UTC().Format(time.DateOnly)}},
		})
	}
	data := map[string]any{"version": "1.0.0", "reg_records": records}
	out := map[string]any{"reference_id": fmt.Sprintf("%s-wave-%d", programID, w.Number), "timestamp": p.time.now().UTC().Format(time.RFC3339), "status": "succ", "locale": "ind", "data": data}
	if next != uuid.Nil {
		out["pagination"] = map[string]any{"next": cursorOf(next.String())}
	}
	return c.json(http.StatusOK, out)
}
