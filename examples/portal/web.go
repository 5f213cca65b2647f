package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/gelombang/gelombang/program"
)

// who may use a route.
type who uint8

const (
	anyone  who = iota + 1
	citizen     // signed in as a citizen
	officer     // signed in as an officer with the route's role
	machine     // a program with a token of the route's role
)

// Roles of officers, and of programs.
const (
	roleWaves   = "waves"   // plans, opens, closes, draws
	roleCases   = "cases"   // sees cases, decides appeals, judges referrals, searches
	rolePrepare = "prepare" // prepares batches, takes statements
	roleApprove = "approve" // approves batches
	roleRelease = "release" // releases batches to the bank
	roleAny     = "any"     // every officer
	scopeCases  = "cases.write"
	scopeRead   = "read"
	scopePay    = "payments.read"
)

// route is one row of the table of routes: the only way in. The authorisation test walks the
// same table.
type route struct {
	method, path string
	who          who
	role         string
	do           func(*call) error
	// body is the most bytes of a request's body; zero: 64 KiB.
	body int64
	// tight marks what costs a password hash or guesses at something: few are allowed.
	tight bool
	// free marks what a probe asks, which is answered however busy it is.
	free bool
}

// call is one request.
type call struct {
	*portal
	w    http.ResponseWriter
	r    *http.Request
	lang string
	me   *account
	at   *route
	sess string // the session's token
}

func (c *call) ctx() context.Context { return c.r.Context() }

// form is a field of the form that was sent.
func (c *call) form(name string) string { return strings.TrimSpace(c.r.PostFormValue(name)) }

// by is who gives a command. The key is the one of the form that was sent: sent twice, it is
// carried out once.
func (c *call) by() program.By {
	by := program.By{Actor: c.me.ID}
	if key := c.form("key"); key != "" && len(key) <= 64 {
		by.Key = "form/" + c.me.ID + "/" + key
	}
	return by
}

// fault is an answer other than a page: a status, and the key of the text that explains it.
type fault struct {
	status int
	key    string
}

func (f *fault) Error() string { return fmt.Sprintf("%d %s", f.status, f.key) }

var (
	errNoPage    = &fault{http.StatusNotFound, "fault.not-found"}
	errForbidden = &fault{http.StatusForbidden, "fault.forbidden"}
	errSlow      = &fault{http.StatusTooManyRequests, "fault.too-many"}
	errOverload  = &fault{http.StatusServiceUnavailable, "fault.busy"}
	errForm      = &fault{http.StatusBadRequest, "fault.form"}
)

// faultOf says what a citizen is told about an error.
func faultOf(err error) *fault {
	var f *fault
	var tooLarge *http.MaxBytesError
	var stale *program.StaleError
	var refused *program.RefusedError
	var state *program.StateError
	var conflict *program.KeyConflictError
	var erased *program.ErasedError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &tooLarge):
		return &fault{http.StatusRequestEntityTooLarge, "fault.too-large"}
	case errors.Is(err, program.ErrNotFound):
		return errNoPage
	case errors.Is(err, errBusy):
		return errOverload
	case errors.As(err, &stale), errors.As(err, &conflict):
		return &fault{http.StatusConflict, "fault.changed"}
	case errors.As(err, &refused), errors.As(err, &state), errors.As(err, &erased):
		return &fault{http.StatusConflict, "fault.not-now"}
	}
	return &fault{http.StatusInternalServerError, "fault.internal"}
}

// handler makes the whole site of the table of routes.
func (p *portal) handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range p.routes() {
		mux.Handle(r.method+" "+r.path, p.serve(r))
	}
	mux.Handle("/", p.serve(route{method: "", path: "/", who: anyone, do: func(*call) error { return errNoPage }}))
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(p.serve(route{path: "cross-origin", who: anyone, do: func(*call) error { return errForbidden }}))
	return p.outer(cross.Handler(mux))
}

// status remembers what was answered.
type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	if s.code == 0 {
		s.code = code
	}
	s.ResponseWriter.WriteHeader(code)
}

func (s *status) Write(b []byte) (int, error) {
	if s.code == 0 {
		s.code = http.StatusOK
	}
	return s.ResponseWriter.Write(b)
}

func (s *status) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// outer is around everything: the headers of every answer, and the log. The log has the route and
// never the path, the query, the address or a name: none of them may hold a person.
func (p *portal) outer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := p.wall()
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; worker-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if p.config.https {
			h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
		}
		s := &status{ResponseWriter: w}
		defer func() {
			if v := recover(); v != nil {
				p.logger.Error("panic", "route", r.Pattern, "stack", string(debug.Stack()))
				if s.code == 0 {
					http.Error(s, "500", http.StatusInternalServerError)
				}
			}
			p.logger.Info("request", "method", r.Method, "route", r.Pattern, "status", s.code, "ms", p.wall().Sub(began).Milliseconds())
		}()
		next.ServeHTTP(s, r)
	})
}

// serve answers one route: limits first, then who it is, then what is asked.
func (p *portal) serve(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{portal: p, w: w, r: r, at: &rt, lang: p.language(r)}
		if err := p.admitted(c); err != nil {
			c.fail(err)
		}
	})
}

func (p *portal) admitted(c *call) error {
	rt := c.at
	if !rt.free && !p.limits.allow(p.address(c.r), rt.tight) {
		return errSlow
	}
	if c.r.Method == http.MethodPost {
		most := rt.body
		if most == 0 {
			most = 64 << 10
		}
		// The whole body is read before a place is taken: a slow sender keeps nobody out.
		body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, most))
		if err != nil {
			return err
		}
		c.r.Body = io.NopCloser(bytes.NewReader(body))
		if kind, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type")); kind == "multipart/form-data" {
			if err := c.r.ParseMultipartForm(most); err != nil {
				return errForm
			}
		}
	}
	if !rt.free {
		select {
		case p.places <- struct{}{}:
			defer func() { <-p.places }()
		default:
			return errOverload
		}
	}
	if err := p.recognise(c); err != nil {
		return err
	}
	return rt.do(c)
}

const (
	plainCookie = "portal_session"
	hostCookie  = "__Host-portal_session"
)

func (p *portal) cookieName() string {
	if p.config.https {
		return hostCookie
	}
	return plainCookie
}

// recognise finds who asks, and refuses whom the route is not for.
func (p *portal) recognise(c *call) error {
	rt := c.at
	if rt.who == machine {
		return p.recogniseMachine(c)
	}
	if rt.free {
		return nil
	}
	if cookie, err := c.r.Cookie(p.cookieName()); err == nil && len(cookie.Value) == 43 {
		me, err := p.accounts.session(c.ctx(), cookie.Value)
		if err != nil {
			return err
		}
		c.me, c.sess = me, cookie.Value
	}
	switch rt.who {
	case citizen:
		if c.me == nil {
			return c.toSignIn()
		}
		if !c.me.citizen() {
			return errForbidden
		}
	case officer:
		if c.me == nil {
			return c.toSignIn()
		}
		if !c.me.officer() || rt.role != roleAny && !c.me.has(rt.role) {
			return errForbidden
		}
	}
	return nil
}

// errAnswered says that the answer was written already.
var errAnswered = errors.New("answered")

func (c *call) toSignIn() error {
	to := "/masuk"
	if c.at.who == officer {
		to = "/petugas/masuk"
	}
	c.redirect(to)
	return errAnswered
}

func (c *call) redirect(to string) error {
	http.Redirect(c.w, c.r, to, http.StatusSeeOther)
	return nil
}

// fail answers with what went wrong.
func (c *call) fail(err error) {
	if errors.Is(err, errAnswered) {
		return
	}
	f := faultOf(err)
	if f.status == http.StatusInternalServerError && c.ctx().Err() == nil {
		c.logger.Error("failed", "route", c.at.path, "error", err.Error())
	}
	if f.status == http.StatusServiceUnavailable || f.status == http.StatusTooManyRequests {
		c.w.Header().Set("Retry-After", fmt.Sprint(1+c.wall().Nanosecond()%4)) // not all at once
	}
	if c.at.who == machine || strings.HasPrefix(c.at.path, "/api/") {
		c.problem(f, err)
		return
	}
	if f.status == http.StatusServiceUnavailable { // the cheapest page there is
		c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		c.w.WriteHeader(f.status)
		io.WriteString(c.w, c.text(f.key)+"\n")
		return
	}
	if err := c.page(f.status, "fault", map[string]any{"Key": f.key, "Status": f.status}); err != nil {
		c.logger.Error("the page of a fault", "error", err.Error())
	}
}

// limits are how much one address may ask for.
type limits struct {
	each, tight rate.Limit
	burst       int
	mu          sync.Mutex
	known       map[string]*rate.Limiter
}

// newLimits allows so many requests a second from each address, and a twentieth of that where
// it is tight. Zero allows everything.
func newLimits(each float64) *limits {
	l := &limits{each: rate.Limit(each), tight: rate.Limit(each / 20), burst: int(4 * each), known: map[string]*rate.Limiter{}}
	if each == 0 {
		l.each = rate.Inf
	}
	return l
}

func (l *limits) allow(address string, tight bool) bool {
	if l.each == rate.Inf {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.known) > 100_000 { // forgetting is better than growing
		l.known = map[string]*rate.Limiter{}
	}
	each, burst := l.each, l.burst
	if tight {
		address, each, burst = "tight "+address, l.tight, max(l.burst/8, 5)
	}
	one := l.known[address]
	if one == nil {
		one = rate.NewLimiter(each, burst)
		l.known[address] = one
	}
	return one.Allow()
}

// address is whom the limits count. Behind a proxy it is the last address that the proxy
// wrote; what stands before it, anybody could have written.
func (p *portal) address(r *http.Request) string {
	if p.config.behindProxy {
		all := strings.Split(r.Header.Get("X-Forwarded-For"), ",")
		return strings.TrimSpace(all[len(all)-1])
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func (p *portal) setSession(w http.ResponseWriter, token string) {
	c := &http.Cookie{Name: p.cookieName(), Value: token, Path: "/", HttpOnly: true, Secure: p.config.https, SameSite: http.SameSiteStrictMode}
	if token == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// server is the HTTP server with the times that a slow client has.
func (p *portal) server() *http.Server {
	return &http.Server{
		Handler: p.handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 20 * time.Second, WriteTimeout: 60 * time.Second,
		IdleTimeout: 60 * time.Second, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // it names addresses
	}
}

// serveUntil serves until the context ends, and then finishes what was begun.
func (p *portal) serveUntil(ctx context.Context, listener net.Listener) error {
	s := p.server()
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	p.draining.Store(true)
	end, stop := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer stop()
	err := s.Shutdown(end)
	p.jobs.stop()
	return err
}
