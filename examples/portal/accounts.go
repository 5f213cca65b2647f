package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/argon2"

	"github.com/gelombang/gelombang/program"
)

// accounts keeps what the portal itself has to know: who may sign in, and as what. What
// belongs to the program is in the program's store. The two meet in an account's applicant.
type accounts struct {
	db       *sql.DB
	postgres bool
	keys     program.Keyring
	clock    func() time.Time
	hashing  chan struct{} // at most so many password hashes at once
	decoy    string        // the hash that is checked for a login that does not exist
	whose    *sql.Stmt     // whose a session is: asked at every request
}

// schema is the same for both databases.
const schema = `
CREATE TABLE IF NOT EXISTS portal_accounts (
  id TEXT PRIMARY KEY, login TEXT NOT NULL UNIQUE, kind TEXT NOT NULL CHECK (kind IN ('citizen','officer')),
  roles TEXT NOT NULL, hash TEXT NOT NULL, applicant TEXT UNIQUE, fails BIGINT NOT NULL, locked BIGINT NOT NULL, created BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS portal_sessions (
  token TEXT PRIMARY KEY, account TEXT NOT NULL, created BIGINT NOT NULL, seen BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS portal_recoveries (
  account TEXT PRIMARY KEY, code TEXT NOT NULL, fails BIGINT NOT NULL, locked BIGINT NOT NULL, created BIGINT NOT NULL);
CREATE INDEX IF NOT EXISTS portal_sessions_account ON portal_sessions (account);
CREATE TABLE IF NOT EXISTS portal_tries (
  account TEXT NOT NULL, day TEXT NOT NULL, n BIGINT NOT NULL, PRIMARY KEY (account, day));
CREATE TABLE IF NOT EXISTS portal_answers (
  id TEXT PRIMARY KEY, print TEXT NOT NULL, status BIGINT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, created BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS portal_first_hands (
  act TEXT PRIMARY KEY, actor TEXT NOT NULL, what TEXT NOT NULL, created BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS portal_jobs (
  name TEXT PRIMARY KEY, kind TEXT NOT NULL, args TEXT NOT NULL, actor TEXT NOT NULL, started BIGINT NOT NULL, ended BIGINT NOT NULL, fault TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS portal_files (
  name TEXT PRIMARY KEY, body TEXT NOT NULL, created BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS portal_settings (
  name TEXT PRIMARY KEY, value TEXT NOT NULL);
`

// openAccounts prepares the tables. The caller keeps db.
func openAccounts(ctx context.Context, db *sql.DB, postgres bool, keys program.Keyring, clock func() time.Time) (*accounts, error) {
	a := &accounts{db: db, postgres: postgres, keys: keys, clock: clock, hashing: make(chan struct{}, 2)}
	db.SetMaxOpenConns(8) // beside those of the program's store
	db.SetMaxIdleConns(8) // opening one anew costs more than what it is asked
	for _, statement := range strings.Split(schema, ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return nil, err
		}
	}
	var err error
	if a.whose, err = db.PrepareContext(ctx, a.q(`SELECT a.id, a.kind, a.roles, a.applicant, s.created, s.seen FROM portal_sessions s JOIN portal_accounts a ON a.id = s.account WHERE s.token = ?`)); err != nil {
		return nil, err
	}
	a.decoy, err = hashPassword("a password that nobody has")
	return a, err
}

// q writes the placeholders of the database.
func (a *accounts) q(query string) string {
	if !a.postgres {
		return query
	}
	var b strings.Builder
	n := 0
	for _, r := range query {
		if r == '?' {
			n++
			b.WriteString("$" + strconv.Itoa(n))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func (a *accounts) exec(ctx context.Context, query string, args ...any) (int64, error) {
	r, err := a.db.ExecContext(ctx, a.q(query), args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (a *accounts) row(ctx context.Context, query string, args ...any) *sql.Row {
	return a.db.QueryRowContext(ctx, a.q(query), args...)
}

// account is who has signed in.
type account struct {
	// ID is the actor's name in the journal: it says nothing about a citizen.
	ID    string
	Kind  string
	Roles map[string]bool
	// Applicant is the registration of a citizen; zero before the identity was given.
	Applicant uuid.UUID
	// Since is when the session began.
	Since time.Time
}

// Federated says that the person signs in elsewhere, and has no password here.
func (a *account) Federated() bool { return a != nil && strings.HasPrefix(a.ID, federatedPrefix) }

const federatedPrefix = "oidc:"

func (a *account) citizen() bool { return a != nil && a.Kind == "citizen" }
func (a *account) officer() bool { return a != nil && a.Kind == "officer" }

// has reports whether an officer has a role.
func (a *account) has(role string) bool { return a.officer() && a.Roles[role] }

// Faults of signing up and in. None says whether an account exists.
var (
	errSignIn     = errors.New("login or password is wrong, or the account is locked")
	errLoginTaken = errors.New("the login is taken")
	errBusy       = errors.New("too much to do at once")
)

// login is how an account is found: a keyed digest, so that no address is stored.
func (a *accounts) login(text string) string {
	sum := a.keys.Mark("portal-login", strings.ToLower(strings.TrimSpace(text)))
	return hex.EncodeToString(sum[:])
}

// The cost of a password hash, as the OWASP password storage cheat sheet has it for argon2id.
const (
	argonTime, argonMemory, argonThreads = 2, 19 * 1024, 1
)

func hashPassword(password string) (string, error) {
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	sum := argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonThreads, 32)
	return base64.RawStdEncoding.EncodeToString(salt) + "$" + base64.RawStdEncoding.EncodeToString(sum), nil
}

func checkPassword(hash, password string) bool {
	head, tail, _ := strings.Cut(hash, "$")
	salt, err1 := base64.RawStdEncoding.DecodeString(head)
	want, err2 := base64.RawStdEncoding.DecodeString(tail)
	got := argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonThreads, 32)
	return err1 == nil && err2 == nil && subtle.ConstantTimeCompare(got, want) == 1
}

// hash waits its turn: a hash is meant to cost much, and must not take all there is.
func (a *accounts) turn(ctx context.Context) (func(), error) {
	wait, stop := context.WithTimeout(ctx, 3*time.Second)
	defer stop()
	select {
	case a.hashing <- struct{}{}:
		return func() { <-a.hashing }, nil
	case <-wait.Done():
		return nil, errBusy
	}
}

// signUp makes an account. The error is errLoginTaken, or errBusy.
func (a *accounts) signUp(ctx context.Context, login, password, kind string, id string, roles ...string) (*account, error) {
	over, err := a.turn(ctx)
	if err != nil {
		return nil, err
	}
	hash, err := hashPassword(password)
	over()
	if err != nil {
		return nil, err
	}
	if id == "" {
		id = "c-" + newToken()[:16]
	}
	n, err := a.exec(ctx, `INSERT INTO portal_accounts (id, login, kind, roles, hash, fails, locked, created) VALUES (?,?,?,?,?,0,0,?) ON CONFLICT DO NOTHING`,
		id, a.login(login), kind, strings.Join(roles, " "), hash, a.clock().Unix())
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, errLoginTaken
	}
	return a.byID(ctx, id)
}

// How often a password may be wrong, and for how long nobody can try then.
const (
	mostFails = 8
	lockedFor = 10 * time.Minute
)

// signIn finds the account of a login and a password. Whoever has no account waits as long
// as whoever has one, and hears the same.
func (a *accounts) signIn(ctx context.Context, login, password string) (*account, error) {
	var id, hash string
	var fails, locked int64
	err := a.row(ctx, `SELECT id, hash, fails, locked FROM portal_accounts WHERE login = ?`, a.login(login)).Scan(&id, &hash, &fails, &locked)
	known := err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	if !known {
		hash = a.decoy
	}
	over, err := a.turn(ctx)
	if err != nil {
		return nil, err
	}
	right := checkPassword(hash, password)
	over()
	now := a.clock()
	switch {
	case known && right && now.Unix() >= locked:
		if _, err := a.exec(ctx, `UPDATE portal_accounts SET fails = 0, locked = 0 WHERE id = ?`, id); err != nil {
			return nil, err
		}
		return a.byID(ctx, id)
	case now.Unix() < locked:
		id = "" // it stays locked as long as it was
	}
	// The same statement in every case: it changes nothing for nobody.
	_, err = a.exec(ctx, `UPDATE portal_accounts SET fails = CASE WHEN fails + 1 >= ? THEN 0 ELSE fails + 1 END,
		locked = CASE WHEN fails + 1 >= ? THEN ? ELSE locked END WHERE id = ?`, mostFails, mostFails, now.Add(lockedFor).Unix(), id)
	return nil, errors.Join(errSignIn, err)
}

// confirm checks the password of somebody who has signed in already.
func (a *accounts) confirm(ctx context.Context, id, password string) error {
	var hash string
	if err := a.row(ctx, `SELECT hash FROM portal_accounts WHERE id = ?`, id).Scan(&hash); err != nil {
		return err
	}
	over, err := a.turn(ctx)
	if err != nil {
		return err
	}
	defer over()
	if hash == "" || !checkPassword(hash, password) {
		return errSignIn
	}
	return nil
}

func (a *accounts) byID(ctx context.Context, id string) (*account, error) {
	return scanAccount(a.row(ctx, `SELECT id, kind, roles, applicant FROM portal_accounts WHERE id = ?`, id))
}

func scanAccount(row *sql.Row) (*account, error) {
	var x account
	var roles string
	var applicant sql.NullString
	if err := row.Scan(&x.ID, &x.Kind, &roles, &applicant); err != nil {
		return nil, err
	}
	x.Roles = map[string]bool{}
	for _, r := range strings.Fields(roles) {
		x.Roles[r] = true
	}
	if applicant.Valid {
		id, err := uuid.Parse(applicant.String)
		if err != nil {
			return nil, err
		}
		x.Applicant = id
	}
	return &x, nil
}

// attach gives an account its registration, once.
func (a *accounts) attach(ctx context.Context, id string, applicant uuid.UUID) error {
	n, err := a.exec(ctx, `UPDATE portal_accounts SET applicant = ? WHERE id = ? AND applicant IS NULL`, applicant.String(), id)
	if err == nil && n != 1 {
		err = fmt.Errorf("account %s has a registration", id)
	}
	return err
}

// ofApplicant is the account of a registration; nil if there is none.
func (a *accounts) ofApplicant(ctx context.Context, applicant uuid.UUID) (*account, error) {
	x, err := scanAccount(a.row(ctx, `SELECT id, kind, roles, applicant FROM portal_accounts WHERE applicant = ?`, applicant.String()))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return x, err
}

// try counts an attempt to give an identity, and reports whether another one is allowed today.
func (a *accounts) try(ctx context.Context, id string, most int64) (bool, error) {
	var n int64
	err := a.row(ctx, `INSERT INTO portal_tries (account, day, n) VALUES (?,?,1)
		ON CONFLICT (account, day) DO UPDATE SET n = portal_tries.n + 1 RETURNING n`, id, a.clock().UTC().Format(time.DateOnly)).Scan(&n)
	return n <= most, err
}

// How long a session lasts without use, and at most.
const (
	citizenIdle, citizenMost = 30 * time.Minute, 12 * time.Hour
	officerIdle, officerMost = 15 * time.Minute, 8 * time.Hour
)

func newToken() string {
	b := make([]byte, 32)
	rand.Read(b) // it never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// begin starts a session. What is stored is the token's digest: whoever reads the
// table cannot use it.
func (a *accounts) begin(ctx context.Context, id string) (string, error) {
	token, now := newToken(), a.clock().Unix()
	_, err := a.exec(ctx, `INSERT INTO portal_sessions (token, account, created, seen) VALUES (?,?,?,?)`, tokenHash(token), id, now, now)
	return token, err
}

// session finds whose session a token is; nil if it is nobody's, or over.
func (a *accounts) session(ctx context.Context, token string) (*account, error) {
	var x account
	var roles string
	var applicant sql.NullString
	var created, seen int64
	hash := tokenHash(token)
	err := a.whose.QueryRowContext(ctx, hash).Scan(&x.ID, &x.Kind, &roles, &applicant, &created, &seen)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	idle, most := citizenIdle, citizenMost
	if x.Kind == "officer" {
		idle, most = officerIdle, officerMost
	}
	now := a.clock()
	if now.Sub(time.Unix(seen, 0)) > idle || now.Sub(time.Unix(created, 0)) > most {
		return nil, a.end(ctx, token)
	}
	if now.Sub(time.Unix(seen, 0)) > time.Minute { // once a minute is enough
		if _, err := a.exec(ctx, `UPDATE portal_sessions SET seen = ? WHERE token = ?`, now.Unix(), hash); err != nil {
			return nil, err
		}
	}
	x.Since, x.Roles = time.Unix(created, 0), map[string]bool{}
	for _, r := range strings.Fields(roles) {
		x.Roles[r] = true
	}
	if applicant.Valid {
		if x.Applicant, err = uuid.Parse(applicant.String); err != nil {
			return nil, err
		}
	}
	return &x, nil
}

func (a *accounts) end(ctx context.Context, token string) error {
	_, err := a.exec(ctx, `DELETE FROM portal_sessions WHERE token = ?`, tokenHash(token))
	return err
}

// firstHand keeps what the first of two people did. It returns what another one did before;
// nobody is their own second.
func (a *accounts) firstHand(ctx context.Context, act string) (actor, what string, err error) {
	err = a.row(ctx, `SELECT actor, what FROM portal_first_hands WHERE act = ?`, act).Scan(&actor, &what)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return actor, what, err
}

func (a *accounts) keepFirstHand(ctx context.Context, act, actor, what string) error {
	_, err := a.exec(ctx, `INSERT INTO portal_first_hands (act, actor, what, created) VALUES (?,?,?,?)
		ON CONFLICT (act) DO UPDATE SET actor = excluded.actor, what = excluded.what, created = excluded.created`, act, actor, what, a.clock().Unix())
	return err
}

// takeFirstHand uses up what a first hand did: of several who are second at once, one may go on.
func (a *accounts) takeFirstHand(ctx context.Context, act, actor string) (bool, error) {
	n, err := a.exec(ctx, `DELETE FROM portal_first_hands WHERE act = ? AND actor = ?`, act, actor)
	return n == 1, err
}

func (a *accounts) setting(ctx context.Context, name string) (string, error) {
	var value string
	err := a.row(ctx, `SELECT value FROM portal_settings WHERE name = ?`, name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return value, err
}

func (a *accounts) set(ctx context.Context, name, value string) error {
	_, err := a.exec(ctx, `INSERT INTO portal_settings (name, value) VALUES (?,?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	return err
}

// federated is the account of an officer who signed in elsewhere: without a password, with the
// roles that the provider says now.
func (a *accounts) federated(ctx context.Context, who Officer) (*account, error) {
	var roles []string
	for _, r := range who.Roles {
		switch r {
		case roleWaves, roleCases, rolePrepare, roleApprove, roleRelease:
			roles = append(roles, r)
		}
	}
	if who.Subject == "" || len(who.Subject) > 100 || len(roles) == 0 {
		return nil, errForbidden
	}
	id := federatedPrefix + who.Subject
	if _, err := a.exec(ctx, `INSERT INTO portal_accounts (id, login, kind, roles, hash, fails, locked, created) VALUES (?,?,'officer',?,'',0,0,?)
		ON CONFLICT (id) DO UPDATE SET roles = excluded.roles`, id, a.login(id), strings.Join(roles, " "), a.clock().Unix()); err != nil {
		return nil, err
	}
	return a.byID(ctx, id)
}
