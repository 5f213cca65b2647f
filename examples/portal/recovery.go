package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"database/sql"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

// This file is what a citizen does who has forgotten the password: a code that was shown once, at signing up,
// and that the citizen keeps on paper. It needs no channel, and no address that somebody could take over. Who has lost
// the code too comes to the office, where two officers see the card.

// A code is 28 letters and digits in seven groups: 140 random bits. The letters are those that nobody takes for a digit.
const (
	codeLetters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	codeLength  = 28
	codeGroup   = 4
)

func newCode() string {
	b := make([]byte, codeLength)
	rand.Read(b) // it never fails
	for i := range b {
		b[i] = codeLetters[b[i]%byte(len(codeLetters))] // 256 is eight times 32
	}
	return string(b)
}

// writtenCode is a code as people copy it.
func writtenCode(code string) string {
	var groups []string
	for i := 0; i < len(code); i += codeGroup {
		groups = append(groups, code[i:i+codeGroup])
	}
	return strings.Join(groups, "-")
}

var codeReader = strings.NewReplacer("-", "", " ", "", "O", "0", "I", "1", "L", "1")

// readCode reads what somebody copied from paper.
func readCode(text string) string { return codeReader.Replace(strings.ToUpper(text)) }

// codeMark is what is stored of a code.
func (a *accounts) codeMark(id, code string) string {
	sum := a.keys.Mark("portal-recovery", id+"/"+code)
	return hex.EncodeToString(sum[:])
}

// giveCode gives an account a new code. The one before is worth nothing any more.
func (a *accounts) giveCode(ctx context.Context, id string) (string, error) {
	code := newCode()
	_, err := a.exec(ctx, `INSERT INTO portal_recoveries (account, code, fails, locked, created) VALUES (?,?,0,0,?)
		ON CONFLICT (account) DO UPDATE SET code = excluded.code, fails = 0, locked = 0, created = excluded.created`, id, a.codeMark(id, code), a.clock().Unix())
	return code, err
}

var errRecover = errors.New("login or code is wrong, or it was tried too often")

// recover gives the citizen of a login and a code another password, ends every session, and returns the next code. The
// code is good once. Whatever is wrong, the answer is errRecover, after the same work: the new password is hashed for nobody
// too. Written is called before anything is kept, for the journal.
func (a *accounts) recover(ctx context.Context, login, code, password string, written func(id string) error) (string, error) {
	var id, want string
	var locked int64
	err := a.row(ctx, `SELECT a.id, r.code, r.locked FROM portal_accounts a JOIN portal_recoveries r ON r.account = a.id WHERE a.login = ? AND a.kind = 'citizen'`,
		a.login(login)).Scan(&id, &want, &locked)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", err
	}
	over, err := a.turn(ctx)
	if err != nil {
		return "", err
	}
	hash, err := hashPassword(password)
	over()
	if err != nil {
		return "", err
	}
	have, now := a.codeMark(id, readCode(code)), a.clock()
	right := subtle.ConstantTimeCompare([]byte(have), []byte(want)) == 1
	switch {
	case right && now.Unix() >= locked:
		return a.replace(ctx, id, have, hash, written)
	case now.Unix() < locked:
		id = "" // it stays locked as long as it was
	}
	// The same statement in every case: it changes nothing for nobody.
	_, err = a.exec(ctx, `UPDATE portal_recoveries SET fails = CASE WHEN fails + 1 >= ? THEN 0 ELSE fails + 1 END,
		locked = CASE WHEN fails + 1 >= ? THEN ? ELSE locked END WHERE account = ?`, mostFails, mostFails, now.Add(lockedFor).Unix(), id)
	return "", errors.Join(errRecover, err)
}

// replace keeps a new password and a new code, in the place of a code that nobody used meanwhile.
func (a *accounts) replace(ctx context.Context, id, used, hash string, written func(id string) error) (string, error) {
	tx, err := a.db.BeginTx(ctx, nil)
	if err != nil {
		return "", err
	}
	defer tx.Rollback()
	next := newCode()
	done, err := tx.ExecContext(ctx, a.q(`UPDATE portal_recoveries SET code = ?, fails = 0, locked = 0, created = ? WHERE account = ? AND code = ?`), a.codeMark(id, next), a.clock().Unix(), id, used)
	if err != nil {
		return "", err
	}
	if n, err := done.RowsAffected(); err != nil || n != 1 {
		return "", errors.Join(errRecover, err)
	}
	if _, err := tx.ExecContext(ctx, a.q(`UPDATE portal_accounts SET hash = ?, fails = 0, locked = 0 WHERE id = ?`), hash, id); err != nil {
		return "", err
	}
	if _, err := tx.ExecContext(ctx, a.q(`DELETE FROM portal_sessions WHERE account = ?`), id); err != nil {
		return "", err
	}
	if err := written(id); err != nil {
		return "", err
	}
	return next, tx.Commit()
}

// passwordFault is the key of what is wrong with a new password; empty if nothing is.
func passwordFault(login, password string) string {
	switch n := utf8.RuneCountInString(password); {
	case n < shortestPassword:
		return "form.password.short"
	case n > longestPassword:
		return "form.password.long"
	case common(password) || strings.EqualFold(password, login):
		return "form.password.common"
	}
	return ""
}

// showCode is the page that shows a code, once: what is stored is not the code.
func (c *call) showCode(code, lead, to string) error {
	return c.page(http.StatusOK, "code", map[string]any{"Code": writtenCode(code), "Lead": lead, "To": to})
}

// recoverAccount takes a login, the code and a new password. Whether an account exists nobody can tell from the
// answer or its time. Nobody is signed in by it.
func (p *portal) recoverAccount(c *call) error {
	if c.r.Method == http.MethodGet {
		return c.page(http.StatusOK, "recover", nil)
	}
	login, password := c.form("login"), c.r.PostFormValue("password")
	if key := passwordFault(login, password); key != "" {
		return c.pageWith(http.StatusUnprocessableEntity, "recover", nil, map[string]string{"password": key})
	}
	until := c.wall().Add(p.floor)
	next, err := c.accounts.recover(c.ctx(), login, c.form("code"), password, func(id string) error {
		return p.note(c.ctx(), id, "password", map[string]any{"what": "recovered"})
	})
	if err != nil && !errors.Is(err, errRecover) {
		return err
	}
	p.wait(c.ctx(), until)
	if err != nil {
		return c.pageWith(http.StatusUnprocessableEntity, "recover", nil, map[string]string{"code": "form.code.wrong"})
	}
	c.setSession(c.w, "")
	c.me = nil
	return c.showCode(next, "recovered", "/masuk")
}

// newCodePage gives a signed-in citizen another code, for the password.
func (p *portal) newCodePage(c *call) error {
	if c.r.Method == http.MethodGet {
		return c.page(http.StatusOK, "code-new", nil)
	}
	if err := c.accounts.confirm(c.ctx(), c.me.ID, c.r.PostFormValue("password")); errors.Is(err, errSignIn) {
		return c.pageWith(http.StatusUnprocessableEntity, "code-new", nil, map[string]string{"password": "form.password.wrong"})
	} else if err != nil {
		return err
	}
	if err := p.note(c.ctx(), c.me.ID, "password", map[string]any{"what": "new recovery code"}); err != nil {
		return err
	}
	code, err := c.accounts.giveCode(c.ctx(), c.me.ID)
	if err != nil {
		return err
	}
	return c.showCode(code, "again", "/saya/data")
}

// codeDesk is for a citizen at the office who has lost password and code. Two officers see the card, on one day and each
// for themselves; the second is shown a new code, to print and hand over. It changes nothing else, and is of no use without
// the login, which no officer can see: a digest is all that is kept of it.
func (p *portal) codeDesk(c *call) error {
	data := map[string]any{"Reasons": reasons["code"]}
	if c.r.Method == http.MethodGet {
		return c.page(http.StatusOK, "code-desk", data)
	}
	nik, faults, err := c.asked()
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		return c.pageWith(http.StatusUnprocessableEntity, "code-desk", data, faults)
	}
	until := c.wall().Add(p.floor)
	applicant, err := p.byNational(c.ctx(), nik)
	if err != nil {
		return err
	}
	whose, err := c.accounts.ofApplicant(c.ctx(), applicant)
	if err != nil {
		return err
	}
	action, subject, act, first := "code.nobody", "nobody", "", ""
	if whose != nil {
		subject = "account " + whose.ID
		act = "code/" + whose.ID + "/" + c.time.now().In(wib).Format(time.DateOnly)
		if first, _, err = c.accounts.firstHand(c.ctx(), act); err != nil {
			return err
		}
		action = "code.first"
		if first != "" && first != c.me.ID {
			action = "code.second"
		}
	}
	if faults, err := c.because("code", action, subject); err != nil {
		return err
	} else if len(faults) > 0 {
		return c.pageWith(http.StatusUnprocessableEntity, "code-desk", data, faults)
	}
	switch action {
	case "code.first":
		if err := c.accounts.keepFirstHand(c.ctx(), act, c.me.ID, "card"); err != nil {
			return err
		}
	case "code.second":
		if taken, err := c.accounts.takeFirstHand(c.ctx(), act, first); err != nil {
			return err
		} else if !taken {
			return &fault{http.StatusConflict, "fault.code.taken"}
		}
		if err := p.note(c.ctx(), c.me.ID, "password", map[string]any{"what": "new recovery code, at the office", "account": whose.ID, "first": first}); err != nil {
			return err
		}
		code, err := c.accounts.giveCode(c.ctx(), whose.ID)
		if err != nil {
			return err
		}
		p.wait(c.ctx(), until)
		return c.showCode(code, "office", "/petugas")
	}
	p.wait(c.ctx(), until)
	data["Said"] = action
	return c.page(http.StatusOK, "code-desk", data)
}
