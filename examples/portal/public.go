package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/mod/sumdb/note"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/quota"
)

// This file is what everybody may see.

func balanceAccount(benefit string, wave int64, person uuid.UUID) ledger.Account {
	return ledger.Account("balance/" + benefit + "/" + strconv.FormatInt(wave, 10) + "/" + base64.RawURLEncoding.EncodeToString(person[:]))
}

// seatRow is the seats of one province.
type seatRow struct {
	Code             string
	Cap, Taken, Left int64
}

type seatTable struct {
	Rows             []seatRow
	Cap, Taken, Left int64
	Most             int64 // the largest Cap, for the bars
}

// seatsOf reads the seats of a wave by province: what the ledger says now.
func (p *portal) seatsOf(ctx context.Context, w program.Wave) (*seatTable, error) {
	return p.seats.get(w.Number, p.wall(), 3*time.Second, func() (*seatTable, error) {
		t := &seatTable{}
		plan := w.Plan()
		if plan == nil {
			return t, nil
		}
		wave := strconv.FormatInt(w.Number, 10)
		var accounts []ledger.Account
		for _, pool := range plan.Pools {
			for _, kind := range []string{"", laidOff} {
				at := quota.Place{Wave: wave, Pool: pool.ID, Kind: kind}
				accounts = append(accounts, at.Account(quota.Left), at.Account(quota.Held), at.Account(quota.Granted))
			}
		}
		have, err := p.store.Balances(ctx, accounts...)
		if err != nil {
			return nil, err
		}
		for i, pool := range plan.Pools {
			r := seatRow{Code: pool.ID}
			for _, b := range [][]ledger.Balance{have[6*i : 6*i+3], have[6*i+3 : 6*i+6]} {
				r.Left += b[0].Posted
				r.Taken += b[1].Posted + b[2].Posted
			}
			r.Cap = r.Left + r.Taken
			if pool.ID == nation && r.Cap == 0 {
				continue
			}
			t.Rows = append(t.Rows, r)
			t.Cap, t.Taken, t.Left, t.Most = t.Cap+r.Cap, t.Taken+r.Taken, t.Left+r.Left, max(t.Most, r.Cap)
		}
		return t, nil
	})
}

// smallest is the smallest count of people that is published.
const smallest = 5

// statistics are counts of people of one wave. A count below smallest is not there, nor one from
// which it could be worked out.
type statistics struct {
	Total    int64
	States   []cell
	Rows     []statRow
	Eligible int64
	Selected int64
}

type cell struct {
	Name  string
	N     int64
	Small bool
}

type statRow struct {
	Code               string
	Eligible, Selected cell
}

// suppress says which of some counts, whose sum is published, are not: those below smallest,
// and, where one alone or too few people would be left unpublished, the next smallest.
func suppress(counts []int64) []bool {
	hide := make([]bool, len(counts))
	var n, sum int64
	for i, c := range counts {
		if c < smallest {
			hide[i], n, sum = true, n+1, sum+c
		}
	}
	for n > 0 && (n < 2 || sum < smallest) {
		next := -1
		for i, c := range counts {
			if !hide[i] && (next < 0 || c < counts[next]) {
				next = i
			}
		}
		if next < 0 {
			break
		}
		hide[next], n, sum = true, n+1, sum+counts[next]
	}
	return hide
}

func cells(names []string, counts []int64) []cell {
	hide := suppress(counts)
	all := make([]cell, len(names))
	for i := range names {
		all[i] = cell{names[i], counts[i], hide[i]}
		if hide[i] {
			all[i].N = 0 // what is not shown is not there
		}
	}
	return all
}

// statisticsOf counts the cases of a wave. It reads all of them, at most once a minute.
func (p *portal) statisticsOf(ctx context.Context, wave int64) (*statistics, error) {
	return p.counts.get(wave, p.wall(), time.Minute, func() (*statistics, error) {
		states := map[program.State]int64{}
		passedHere, seatedHere := map[string]int64{}, map[string]int64{}
		var every []program.State
		for _, s := range table().States {
			every = append(every, s.State)
		}
		err := p.engine.Cases(ctx, wave, every, false, func(c *program.Case[Jobseeker]) error {
			a := &c.Application
			states[a.State]++
			if a.Placed {
				passedHere[a.Placement.Pool]++
				if a.SeatState != "" {
					seatedHere[a.Placement.Pool]++
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		s := &statistics{}
		var names []string
		var counts []int64
		for _, state := range every {
			if states[state] > 0 {
				names, counts = append(names, string(state)), append(counts, states[state])
				s.Total += states[state]
			}
		}
		s.States = cells(names, counts)
		var codes []string
		var ok, seated []int64
		for _, place := range provinces {
			codes = append(codes, place.Code)
			ok, seated = append(ok, passedHere[place.Code]), append(seated, seatedHere[place.Code])
			s.Eligible += passedHere[place.Code]
			s.Selected += seatedHere[place.Code]
		}
		first, second := cells(codes, ok), cells(codes, seated)
		for i, code := range codes {
			s.Rows = append(s.Rows, statRow{code, first[i], second[i]})
		}
		if s.Total < smallest {
			s.Total, s.States, s.Rows, s.Eligible, s.Selected = 0, nil, nil, 0, 0
		}
		return s, nil
	})
}

func (p *portal) front(c *call) error {
	waves, err := p.waves(c.ctx())
	if err != nil {
		return err
	}
	var views []map[string]any
	for _, w := range waves {
		if w.State == program.WavePlanned && len(views) > 0 && w.Opens.After(p.time.now().AddDate(0, 3, 0)) {
			continue
		}
		seats, err := p.seatsOf(c.ctx(), w)
		if err != nil {
			return err
		}
		views = append(views, map[string]any{"Wave": w, "Seats": seats})
	}
	return c.page(http.StatusOK, "front", map[string]any{"Waves": views})
}

// aWave reads the wave in the path.
func (c *call) aWave() (program.Wave, error) {
	n, err := c.wave()
	if err != nil {
		return program.Wave{}, err
	}
	return c.engine.Wave(c.ctx(), n)
}

func (p *portal) wavePage(c *call) error {
	w, err := c.aWave()
	if err != nil {
		return err
	}
	seats, err := p.seatsOf(c.ctx(), w)
	if err != nil {
		return err
	}
	return c.page(http.StatusOK, "wave", map[string]any{"Wave": w, "Seats": seats, "Drawn": drawn(w)})
}

func drawn(w program.Wave) bool {
	return w.State == program.WaveDrawn || w.State == program.WaveAnnounced
}

func (p *portal) statisticsPage(c *call) error {
	w, err := c.aWave()
	if err != nil {
		return err
	}
	s, err := p.statisticsOf(c.ctx(), w.Number)
	if err != nil {
		return err
	}
	return c.page(http.StatusOK, "statistics", map[string]any{"Wave": w, "S": s})
}

// proofFiles is the proof of one draw: it never changes.
type proofFiles struct {
	names        []string
	files        map[string][]byte
	roll, result *tree
}

type proofBuffer struct {
	bytes.Buffer
	done func([]byte)
}

func (b *proofBuffer) Close() error { b.done(b.Bytes()); return nil }

// proofOf writes a proof once and keeps it in memory. A service for millions writes it to files
// and has them served.
func (p *portal) proofOf(ctx context.Context, wave int64) (*proofFiles, error) {
	w, err := p.engine.Wave(ctx, wave)
	if err != nil {
		return nil, err
	}
	if !drawn(w) {
		return nil, program.ErrNotFound
	}
	return p.proofs.get(wave, p.wall(), 24*time.Hour, func() (*proofFiles, error) {
		f := &proofFiles{files: map[string][]byte{}}
		err := p.engine.WriteProof(ctx, wave, func(name string) (io.WriteCloser, error) {
			f.names = append(f.names, name)
			return &proofBuffer{done: func(b []byte) { f.files[name] = b }}, nil
		})
		if err != nil {
			return nil, err
		}
		slices.Sort(f.names)
		f.roll, f.result = newTree(f.files[quota.RollFile]), newTree(f.files[quota.ResultFile])
		return f, nil
	})
}

func (p *portal) drawPage(c *call) error {
	w, err := c.aWave()
	if err != nil {
		return err
	}
	data := map[string]any{"Wave": w, "Drawn": drawn(w)}
	if m := w.Manifest(); m != nil {
		digest, err := m.Digest()
		if err != nil {
			return err
		}
		data["Manifest"], data["Digest"] = m, digest.String()
	}
	if drawn(w) {
		f, err := p.proofOf(c.ctx(), w.Number)
		if err != nil {
			return err
		}
		var sizes []map[string]any
		for _, name := range f.names {
			sizes = append(sizes, map[string]any{"Name": name, "Size": len(f.files[name])})
		}
		a, err := quota.ParseAnnouncement(f.files[quota.AnnouncementFile])
		if err != nil {
			return err
		}
		digest, err := a.Digest()
		if err != nil {
			return err
		}
		data["Files"], data["Announcement"], data["AnnouncementDigest"], data["Seed"] = sizes, a, digest.String(), w.Seed()
	}
	return c.page(http.StatusOK, "draw", data)
}

func (p *portal) proofFile(c *call) error {
	n, err := c.wave()
	if err != nil {
		return err
	}
	f, err := p.proofOf(c.ctx(), n)
	if err != nil {
		return err
	}
	name := c.r.PathValue("file")
	data, ok := f.files[name]
	if !ok {
		return errNoPage
	}
	kind := "application/json"
	if strings.HasSuffix(name, ".tsv") {
		kind = "text/tab-separated-values; charset=utf-8"
	}
	c.download(kind, name)
	_, err = c.w.Write(data)
	return err
}

func (p *portal) proofZip(c *call) error {
	n, err := c.wave()
	if err != nil {
		return err
	}
	f, err := p.proofOf(c.ctx(), n)
	if err != nil {
		return err
	}
	c.download("application/zip", fmt.Sprintf("undian-%d.zip", n))
	z := zip.NewWriter(c.w)
	for _, name := range f.names {
		w, err := z.Create(name)
		if err != nil {
			return err
		}
		if _, err := w.Write(f.files[name]); err != nil {
			return err
		}
	}
	return z.Close()
}

// personProof shows one's own line of the roll and of the result.
func (p *portal) personProof(c *call) error {
	n, err := c.wave()
	if err != nil {
		return err
	}
	a, err := c.application(n)
	if err != nil {
		return err
	}
	f, err := p.proofOf(c.ctx(), n)
	if err != nil {
		return err
	}
	x, err := personProofOf(f, quota.Label(a.Receipt))
	if err != nil {
		return err
	}
	body, err := x.Encode()
	if err != nil {
		return err
	}
	c.download("application/json", fmt.Sprintf("bukti-%d.json", n))
	_, err = c.w.Write(body)
	return err
}

// receipt hands out one's own receipt, between the freeze and the draw.
func (p *portal) receipt(c *call) error {
	n, err := c.wave()
	if err != nil {
		return err
	}
	if _, err := c.application(n); err != nil {
		return err
	}
	r, err := c.engine.Receipt(c.ctx(), n, c.me.Applicant, p.receipts)
	if err != nil {
		return err
	}
	body, err := r.Encode()
	if err != nil {
		return err
	}
	c.download("application/json", fmt.Sprintf("tanda-terima-%d.json", n))
	_, err = c.w.Write(body)
	return err
}

// journalPage shows the last signed statement about the journal, and how far it reaches.
func (p *portal) journalPage(c *call) error {
	data := map[string]any{}
	if p.log != nil {
		signed, err := p.log.Checkpoint(c.ctx())
		if err != nil && !errors.Is(err, program.ErrNotFound) {
			return err
		}
		lag, err := p.log.Lag(c.ctx())
		if err != nil {
			return err
		}
		key, err := p.accounts.setting(c.ctx(), "log-verifier")
		if err != nil {
			return err
		}
		data["Checkpoint"], data["Lag"], data["Key"] = string(signed), lag, key
		if lines := strings.Split(string(signed), "\n"); len(lines) > 3 {
			data["Size"] = lines[1]
		}
	}
	return c.page(http.StatusOK, "journal", data)
}

func (p *portal) checkpointFile(c *call) error {
	if p.log == nil {
		return errNoPage
	}
	signed, err := p.log.Checkpoint(c.ctx())
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err = c.w.Write(signed)
	return err
}

// openLog opens the transparency log over the journal, with a key that is made the first time.
func (p *portal) openLog(ctx context.Context) error {
	name := programID + ".example"
	sum := p.keys.Mark("portal-log-key", name)
	signer, verifier, err := note.GenerateKey(bytes.NewReader(sum[:]), name)
	if err != nil {
		return err
	}
	s, err := note.NewSigner(signer)
	if err != nil {
		return err
	}
	v, err := note.NewVerifier(verifier)
	if err != nil {
		return err
	}
	shown, err := p.accounts.setting(ctx, "log-shown")
	if err != nil {
		return err
	}
	var before []byte
	if shown != "" {
		before = []byte(shown)
	}
	if p.log, err = program.OpenLog(ctx, p.store, p.keys, s, v, p.around(), before); err != nil {
		return err
	}
	return p.accounts.set(ctx, "log-verifier", verifier)
}

// seal publishes the journal up to now. In this demonstration the checkpoint is kept in the
// portal's own database; an agency gives it away, since who can write the database could write
// both.
func (p *portal) seal(ctx context.Context) error {
	signed, err := p.log.Seal(ctx)
	if errors.Is(err, program.ErrSealing) || errors.Is(err, program.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return p.accounts.set(ctx, "log-shown", string(signed))
}

func (p *portal) demoPage(c *call) error {
	if !c.config.demo {
		return errNoPage
	}
	return c.page(http.StatusOK, "demo", map[string]any{"People": ordinary(firstFree, 6), "Accounts": demoAccounts, "Password": demoPassword,
		"Student": firstLike(firstFree, func(m madePerson) bool { return m.Student })})
}

func firstLike(i int64, want func(madePerson) bool) madePerson {
	for ; ; i++ {
		if m := made(i); want(m) {
			return m
		}
	}
}

func (p *portal) health(c *call) error {
	if p.draining.Load() {
		c.w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, err := io.WriteString(c.w, "ok\n")
	return err
}
