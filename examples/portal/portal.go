package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"html/template"
	"log/slog"
	"sort"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
)

// config is what whoever starts the portal decides.
type config struct {
	// demo: demonstration data, a clock that can be moved, and a bank that is a simulation.
	demo bool
	// https: the portal is reached over TLS, by way of a proxy.
	https, behindProxy bool
	// rate is how many requests a second one address may send; zero: any number.
	rate float64
	// most is how many requests are answered at once.
	most int
}

// portal is the service.
type portal struct {
	config    config
	engine    *engine
	store     program.Store
	accounts  *accounts
	keys      program.Keyring
	register  PopulationRegister
	signing   OfficerSignIn // nil: officers have passwords
	log       *program.Log  // nil: no transparency log
	receipts  ed25519.PrivateKey
	logger    *slog.Logger
	time      *clock
	catalogue *texts
	pages     map[string]map[string]*template.Template
	limits    *limits
	places    chan struct{}
	jobs      *jobs
	tokens    map[string]machineToken // by the digest of the token
	draining  atomic.Bool
	counts    cached[int64, *statistics]
	seats     cached[int64, *seatTable]
	proofs    cached[int64, *proofFiles]
	// floor is how long an answer about an identity takes, whatever it is.
	floor time.Duration
	// wait waits until an instant of the wall clock; tests look at what they are asked.
	wait func(ctx context.Context, until time.Time)
	// alone keeps other processes from setting up the same database, until what it returns is called.
	alone func(context.Context) (func() error, error)
	// wall is the wall clock, which nobody moves.
	wall func() time.Time
}

// newPortal makes a portal of its parts. The engine and the store are the caller's.
func newPortal(c config, p *program.Program[Jobseeker], e *engine, store program.Store, a *accounts, keys program.Keyring, t *clock, logger *slog.Logger) (*portal, error) {
	if c.most == 0 {
		c.most = 256
	}
	x := &portal{config: c, engine: e, store: program.Grouped(store), accounts: a, keys: keys, register: madePopulation{}, logger: logger, time: t,
		limits: newLimits(c.rate), places: make(chan struct{}, c.most), wall: time.Now, floor: 250 * time.Millisecond, tokens: map[string]machineToken{}}
	x.wait = func(ctx context.Context, until time.Time) {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	seed := keys.Mark("portal-receipt-key", programID)
	x.receipts = ed25519.NewKeyFromSeed(seed[:])
	var err error
	if x.catalogue, err = catalogue(p); err != nil {
		return nil, err
	}
	x.jobs = newJobs(x)
	return x, x.parse()
}

// waves lists all waves, the latest first.
func (p *portal) waves(ctx context.Context) ([]program.Wave, error) {
	var all []program.Wave
	var after program.Cursor
	for {
		rows, next, err := p.store.Page(ctx, program.Scan{Table: program.TableWaves, After: after, Limit: 1000})
		if err != nil {
			return nil, err
		}
		for _, row := range rows.Rows {
			w, err := p.engine.Wave(ctx, row.Values[0].(int64))
			if err != nil {
				return nil, err
			}
			all = append(all, w)
		}
		if next == nil {
			break
		}
		after = next
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Number > all[j].Number })
	return all, nil
}

// note writes into the journal who did something and why: the library's own entries say what
// was done, and the reason is the agency's. It holds no personal data.
func (p *portal) note(ctx context.Context, actor, kind string, data map[string]any) error {
	body, err := json.Marshal(data)
	if err != nil {
		return err
	}
	out, err := p.store.Apply(ctx, []program.Change{{At: p.time.now(), Entry: &program.Entry{At: p.time.now().UTC(), Actor: actor, Kind: "portal." + kind, Data: body}}})
	if err == nil {
		err = out[0].Refusal
	}
	return err
}

// application reads one's application in a wave; the error is ErrNotFound if there is none.
func (c *call) application(wave int64) (program.Application, error) {
	if c.me.Applicant == uuid.Nil {
		return program.Application{}, program.ErrNotFound
	}
	return c.engine.Application(c.ctx(), wave, c.me.Applicant)
}

// applications are those of a person, the latest first.
func (p *portal) applications(ctx context.Context, person uuid.UUID) ([]program.Application, error) {
	if person == uuid.Nil {
		return nil, nil
	}
	waves, err := p.waves(ctx)
	if err != nil {
		return nil, err
	}
	var all []program.Application
	for _, w := range waves {
		a, err := p.engine.Application(ctx, w.Number, person)
		if errors.Is(err, program.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

// paid is one payment as its payee sees it.
type paid struct {
	Benefit     string
	Wave        int64
	Number      int64
	Units       int64
	State       string // of package payment; empty while none was prepared
	Failure     string // the key of a text; empty if it did not fail
	Due         time.Time
	Changed     time.Time
	Batch, Item int64
}

// payments are what a person was promised, and what became of it.
func (p *portal) payments(ctx context.Context, person uuid.UUID) ([]paid, error) {
	cases, err := p.applications(ctx, person)
	if err != nil {
		return nil, err
	}
	var all []paid
	for _, a := range cases {
		keys := []program.Key{{Table: program.TableEntitlements, Values: []any{"incentive", int64(1), a.Wave, person[:]}}}
		found, err := p.store.Load(ctx, program.Query{Keys: keys})
		if err != nil {
			return nil, err
		}
		for _, row := range found.Rows {
			one := paid{Benefit: "incentive", Wave: a.Wave, Number: 1, Units: row.Values[4].(int64), Due: time.UnixMicro(row.Values[6].(int64))}
			tries, _, err := p.store.Page(ctx, program.Scan{Table: program.TablePayments, Index: 1, Equal: []any{"incentive", int64(1), a.Wave, person[:]}, Limit: 100})
			if err != nil {
				return nil, err
			}
			if len(tries.Rows) == 0 {
				all = append(all, one)
			}
			for _, t := range tries.Rows {
				this := one
				this.Batch, this.Item, this.State = t.Values[0].(int64), t.Values[1].(int64), t.Values[2].(string)
				this.Changed = time.UnixMicro(t.Values[12].(int64))
				if code, _ := t.Values[11].(string); code != "" {
					this.Failure = payment.FailureOf(code).Wording()
				}
				all = append(all, this)
			}
		}
	}
	return all, nil
}
