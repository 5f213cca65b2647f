package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program"
)

// How many people join in a second, from a second process. PORTAL_LOAD is how many people; TEST_DATABASE_URL
// adds PostgreSQL. The second process is this test again, with PORTAL_LOAD_CHILD.

const together = 64 // requests under way at once

func TestLoad(t *testing.T) {
	if what := os.Getenv("PORTAL_LOAD_CHILD"); what != "" {
		child(t, what)
		return
	}
	n, _ := strconv.Atoi(os.Getenv("PORTAL_LOAD"))
	if n == 0 {
		t.Skip("PORTAL_LOAD is how many people join")
	}
	databases := map[string]string{"SQLite": ""}
	if address := os.Getenv("TEST_DATABASE_URL"); address != "" {
		databases["PostgreSQL"] = emptyDatabase(t, address)
	}
	for name, db := range databases {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, func(x *settings) {
				x.most = 256
				if db != "" {
					x.db = db
				}
			})
			people, tokens := s.crowd(n)
			s.standing(3, n)
			s.standing(4, n)

			began := time.Now()
			s.joinAlone(3, people)
			alone := float64(n) / time.Since(began).Seconds()

			front := httpListener(t, s)
			joins := s.second("join", front, tokens, together)
			counts := s.inWave(4)
			t.Logf("%s: engine alone %.0f joins/s; by way of the portal %.0f/s, p50 %v, p99 %v, %d errors, %d of %d joined",
				name, alone, joins.Rate, joins.P50, joins.P99, joins.Errors, counts, n)
			require.Zero(t, joins.Errors)
			require.Equal(t, n, counts, "a lost join")

			ups := s.second("signup", front, []string{fmt.Sprint(min(n, 300))}, 4)
			t.Logf("%s: sign-ups %.0f/s, p50 %v, p99 %v, %d errors", name, ups.Rate, ups.P50, ups.P99, ups.Errors)
			require.Zero(t, ups.Errors)

			// Far more at once than there are places: some hear so, at once, with a time to wait; the
			// others are served as before.
			s.p.places = make(chan struct{}, 16)
			over := s.second("read", front, tokens, 512)
			t.Logf("%s: overload: %d served with p99 %v, %d refused with p99 %v, %d errors", name, over.Served, over.P99, over.Refused, over.RefusedP99, over.Errors)
			require.Zero(t, over.Errors)
			require.Positive(t, over.Refused)
		})
	}
}

// emptyDatabase is the address of a schema of its own.
func emptyDatabase(t *testing.T, address string) string {
	db, err := sql.Open("pgx", address)
	require.NoError(t, err)
	defer db.Close()
	name := fmt.Sprintf("portal_%d", time.Now().UnixNano())
	_, err = db.ExecContext(t.Context(), "CREATE DATABASE "+name)
	require.NoError(t, err)
	u, err := url.Parse(address)
	require.NoError(t, err)
	u.Path = "/" + name
	t.Chdir(t.TempDir()) // the key file is beside the process
	return u.String()
}

// crowd registers people and signs them in, without passwords: those cost what they cost, and are measured apart.
func (s *site) crowd(n int) ([]uuid.UUID, []string) {
	ctx := s.t.Context()
	_, err := s.p.engine.RegisterAll(ctx, program.By{Actor: "load"}, "load", madeSource{300_000, int64(n), s.p.time.now()})
	require.NoError(s.t, err)
	var people []uuid.UUID
	var after program.Cursor
	for {
		rows, next, err := s.p.store.Page(ctx, program.Scan{Table: program.TableApplicants, After: after, Limit: 5000})
		require.NoError(s.t, err)
		for _, r := range rows.Rows {
			people = append(people, uuid.UUID(r.Values[0].([]byte)))
		}
		if next == nil {
			break
		}
		after = next
	}
	people = people[len(people)-n:] // ids grow with time
	tx, err := s.p.accounts.db.BeginTx(ctx, nil)
	require.NoError(s.t, err)
	now := s.p.time.now().Unix()
	var tokens []string
	for i, id := range people {
		token, name := newToken(), fmt.Sprintf("c-load-%d", i)
		_, err := tx.ExecContext(ctx, s.p.accounts.q(`INSERT INTO portal_accounts (id, login, kind, roles, hash, applicant, fails, locked, created) VALUES (?,?,'citizen','','',?,0,0,?)`), name, name, id.String(), now)
		require.NoError(s.t, err)
		_, err = tx.ExecContext(ctx, s.p.accounts.q(`INSERT INTO portal_sessions (token, account, created, seen) VALUES (?,?,?,?)`), tokenHash(token), name, now, now)
		require.NoError(s.t, err)
		tokens = append(tokens, token)
	}
	require.NoError(s.t, tx.Commit())
	return people, tokens
}

// standing opens a wave.
func (s *site) standing(wave int64, seats int) {
	ctx, now := s.t.Context(), s.p.time.now()
	plan, err := buildPlan(wave, int64(max(seats, 100)))
	require.NoError(s.t, err)
	require.NoError(s.t, s.p.engine.Fund(ctx, program.By{Actor: "load", Key: fmt.Sprint("fund", wave)}, payment.Rupiah(perRecipient)))
	require.NoError(s.t, s.p.engine.PlanWave(ctx, program.By{Actor: "load"}, program.WaveOrder{Number: wave, Opens: now, Closes: now.AddDate(0, 0, 1), Plan: plan}))
	require.NoError(s.t, s.p.engine.OpenWave(ctx, program.By{Actor: "load"}, wave))
}

// joinAlone has the engine do what the portal will ask of it.
func (s *site) joinAlone(wave int64, people []uuid.UUID) {
	var all sync.WaitGroup
	var next, failed atomic.Int64
	for range together {
		all.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(people) {
					return
				}
				if _, err := s.p.engine.Join(context.Background(), program.By{Actor: "c-load", Key: fmt.Sprintf("alone/%d", i)}, wave, people[i]); err != nil {
					failed.Add(1)
				}
			}
		})
	}
	all.Wait()
	require.Zero(s.t, failed.Load())
}

func (s *site) inWave(wave int64) int {
	n := 0
	require.NoError(s.t, s.p.engine.Cases(s.t.Context(), wave, []program.State{joined}, false, func(*program.Case[Jobseeker]) error { n++; return nil }))
	return n
}

// httpListener serves as the command does, with its times.
func httpListener(t *testing.T, s *site) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := s.p.server()
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return "http://" + listener.Addr().String()
}

type measured struct {
	Rate                    float64
	P50, P99, RefusedP99    time.Duration
	Served, Refused, Errors int
}

// second runs the second process.
func (s *site) second(what, address string, lines []string, workers int) measured {
	s.t.Helper()
	dir := s.t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	require.NoError(s.t, os.WriteFile(in, []byte(strings.Join(lines, "\n")), 0o600))
	program, err := os.Executable()
	require.NoError(s.t, err)
	c := exec.CommandContext(s.t.Context(), program, "-test.run", "^TestLoad$")
	c.Env = append(os.Environ(), "PORTAL_LOAD_CHILD="+strings.Join([]string{what, address, in, out, fmt.Sprint(workers)}, " "))
	text, err := c.CombinedOutput()
	require.NoError(s.t, err, string(text))
	var m measured
	require.NoError(s.t, json.Unmarshal(must(os.ReadFile(out)), &m))
	return m
}

// child is the second process: it knows addresses and tokens, and nothing else.
func child(t *testing.T, what string) {
	args := strings.Fields(what)
	workers := must(strconv.Atoi(args[4]))
	f, err := os.Open(args[2])
	require.NoError(t, err)
	defer f.Close()
	var lines []string
	for in := bufio.NewScanner(f); in.Scan(); {
		lines = append(lines, in.Text())
	}
	n := len(lines)
	if args[0] == "signup" {
		n = must(strconv.Atoi(lines[0]))
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers, MaxConnsPerHost: workers}, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ask := func(i int) *http.Request {
		post := func(path string, form url.Values) *http.Request {
			r := must(http.NewRequest(http.MethodPost, args[1]+path, strings.NewReader(form.Encode())))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			return r
		}
		var r *http.Request
		switch args[0] {
		case "join":
			r = post("/saya/gabung", url.Values{"wave": {"4"}})
		case "read":
			r = must(http.NewRequest(http.MethodGet, args[1]+"/saya/gelombang/4", nil))
		default:
			return post("/daftar", url.Values{"login": {fmt.Sprintf("beban-%d@contoh.test", i)}, "password": {"kopi tubruk manis"}})
		}
		r.AddCookie(&http.Cookie{Name: plainCookie, Value: lines[i]})
		return r
	}
	took, codes := make([]time.Duration, n), make([]int, n)
	var next atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for range workers {
		all.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				r, start := ask(i), time.Now()
				answer, err := client.Do(r)
				if err != nil {
					continue
				}
				answer.Body.Close()
				took[i], codes[i] = time.Since(start), answer.StatusCode
				if codes[i] == http.StatusServiceUnavailable && answer.Header.Get("Retry-After") == "" {
					codes[i] = 0
				}
			}
		})
	}
	all.Wait()
	m := measured{Rate: float64(n) / time.Since(began).Seconds()}
	var served, refused []time.Duration
	for i, code := range codes {
		switch code {
		case http.StatusSeeOther, http.StatusOK:
			served = append(served, took[i])
		case http.StatusServiceUnavailable:
			refused = append(refused, took[i])
		default:
			m.Errors++
		}
	}
	at := func(all []time.Duration, percent int) time.Duration {
		if len(all) == 0 {
			return 0
		}
		slices.Sort(all)
		return all[len(all)*percent/100].Round(100 * time.Microsecond)
	}
	m.Served, m.Refused = len(served), len(refused)
	m.P50, m.P99, m.RefusedP99 = at(served, 50), at(served, 99), at(refused, 99)
	if args[0] != "read" {
		m.Errors += m.Refused
	}
	require.NoError(t, os.WriteFile(args[3], must(json.Marshal(m)), 0o600))
}
