package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
)

// Several real processes on one database. PORTAL_PROCESSES is how many made people take part: enough that a job
// lasts until somebody can be killed in it. TEST_DATABASE_URL adds PostgreSQL.

// process is a portal that runs by itself. As a site it is what browsers talk to.
type process struct {
	*site
	cmd  *exec.Cmd
	said *strings.Builder
	ends chan error
}

// until waits for a condition, and fails if it does not come.
func until(t *testing.T, what string, most time.Duration, is func() bool) {
	t.Helper()
	for end := time.Now().Add(most); !is(); time.Sleep(2 * time.Millisecond) {
		require.True(t, time.Now().Before(end), "waited %v in vain: %s", most, what)
	}
}

// begin starts a process, and returns what waits until it listens.
func begin(t *testing.T, binary, dir, db, name, people string) func() *process {
	t.Helper()
	x := &process{cmd: exec.Command(binary, "-db", db, "-worker", name, "-people", people, "-listen", "127.0.0.1:0", "-rate", "0"), said: &strings.Builder{}, ends: make(chan error, 1)}
	x.cmd.Dir = dir
	var failed bytes.Buffer
	x.cmd.Stderr = &failed
	out, err := x.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, x.cmd.Start())
	address := make(chan string, 1)
	go func() {
		for in := bufio.NewScanner(out); in.Scan(); {
			fmt.Fprintln(x.said, in.Text())
			if at, ok := strings.CutPrefix(in.Text(), "Listening on "); ok {
				address <- at
			}
		}
		x.ends <- x.cmd.Wait()
	}()
	t.Cleanup(func() {
		x.cmd.Process.Kill() // what ended already is not there any more
	})
	return func() *process {
		t.Helper()
		select {
		case at := <-address:
			x.site = &site{t: t, url: at}
		case err := <-x.ends:
			t.Fatalf("process %s ended: %v\n%s\n%s", name, err, x.said, failed.String())
		case <-time.After(3 * time.Minute):
			t.Fatalf("process %s does not listen: %s", name, x.said)
		}
		return x
	}
}

// kill ends a process without asking it.
func (x *process) kill() {
	x.t.Helper()
	require.NoError(x.t, x.cmd.Process.Kill())
	require.Error(x.t, <-x.ends)
}

// stop ends it as an operator does.
func (x *process) stop() {
	x.t.Helper()
	require.NoError(x.t, x.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(x.t, <-x.ends)
	require.Contains(x.t, x.said.String(), "every request that was begun was answered")
}

// at is the same browser, with the same cookies, at another process.
func (b *browser) atProcess(x *process) *browser { return &browser{site: x.site, client: b.client} }

func TestProcesses(t *testing.T) {
	people := os.Getenv("PORTAL_PROCESSES")
	if people == "" {
		t.Skip("PORTAL_PROCESSES is how many made people take part")
	}
	binary := filepath.Join(t.TempDir(), "portal")
	text, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, string(text))
	t.Run("SQLite", func(t *testing.T) {
		t.Chdir(t.TempDir())
		dir, err := os.Getwd()
		require.NoError(t, err)
		severalProcesses(t, binary, dir, filepath.Join(dir, "portal.db"), people)
	})
	if address := os.Getenv("TEST_DATABASE_URL"); address != "" {
		t.Run("PostgreSQL", func(t *testing.T) {
			db := emptyDatabase(t, address)
			dir, err := os.Getwd() // the key file is there
			require.NoError(t, err)
			severalProcesses(t, binary, dir, db, people)
		})
	}
}

func severalProcesses(t *testing.T, binary, dir, db, people string) {
	// Two start together on a fresh database, and both come up; the demonstration is made once.
	first, second := begin(t, binary, dir, db, "one", people), begin(t, binary, dir, db, "two", people)
	one, two := first(), second()

	// The test looks into the database by itself, and does no work there.
	eye, closeAll, err := open(t.Context(), settings{config: config{demo: true}, db: db, worker: "eye"}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, closeAll()) })
	one.p, two.p = eye, eye
	cases := func(wave int64) map[uuid.UUID]program.State {
		all := map[uuid.UUID]program.State{}
		var every []program.State
		for _, s := range table().States {
			every = append(every, s.State)
		}
		require.NoError(t, eye.engine.Cases(t.Context(), wave, every, false, func(c *program.Case[Jobseeker]) error {
			all[c.Application.Applicant] = c.Application.State
			return nil
		}))
		return all
	}
	require.Equal(t, people, fmt.Sprint(len(cases(1))))
	waves, err := eye.waves(t.Context())
	require.NoError(t, err)
	require.Len(t, waves, 2)

	// Who signed in at one is known at the other, and signed out at both.
	siti := one.as("siti@contoh.test")
	siti.atProcess(two).get("/saya/gelombang/1").ok("Accepted")
	siti.atProcess(two).post("/keluar").ok()
	require.Equal(t, "/masuk", siti.get("/saya").at)

	// A citizen signs up at one, gives the identity at the other, and joins at both at once: one case.
	who := ordinary(firstFree, 1)[0]
	me := one.browser()
	me.post("/daftar", "login", "nova@contoh.test", "password", "kopi tubruk manis").ok()
	me.atProcess(two).post("/saya/identitas", who.form()...).ok("You are eligible")
	both := map[*process]*browser{one: me.atProcess(one), two: me.atProcess(two)}
	atOnce(func(x *process) { both[x].post("/saya/gabung", "wave", "2", "key", "join") }, one, two)
	for _, b := range both {
		b.ok("You have joined")
		b.get("/saya/gelombang/2").ok("You have joined")
	}
	account, err := eye.accounts.signIn(t.Context(), "nova@contoh.test", "kopi tubruk manis")
	require.NoError(t, err)
	history, err := eye.engine.History(t.Context(), 2, account.Applicant)
	require.NoError(t, err)
	require.Len(t, history, 1, "one case, that joined once")

	// A program sends the same request, with the same key, to both at once: one answer.
	for i := range int64(10) {
		one.sameKey(two, i)
	}

	// A job is begun at one, which is killed in the middle: the other completes it.
	sari := one.as("sari@contoh.test")
	sari.post("/petugas/gelombang/2/langkah/close", "reason", reason).ok()
	inWave := cases(2)
	sari.post("/petugas/gelombang/2/langkah/screen", "reason", reason)
	const job = "wave-2-screen"
	until(t, "the job begins", time.Minute, func() bool {
		counts, _, err := eye.engine.JobStatus(t.Context(), job)
		return err == nil && counts["done"] > 0
	})
	one.kill()
	counts, finished, err := eye.engine.JobStatus(t.Context(), job)
	require.NoError(t, err)
	require.False(t, finished, "the job was over before the process died: more people are needed")
	t.Logf("killed when %d of %d cases were done", counts["done"], len(inWave))
	budi := two.as("budi@contoh.test")
	budi.get("/petugas/pekerjaan").ok(job)
	until(t, "the other process completes the job", 2*time.Minute, func() bool {
		running, err := eye.jobs.list(t.Context(), true)
		require.NoError(t, err)
		return len(running) == 0
	})
	counts, finished, err = eye.engine.JobStatus(t.Context(), job)
	require.NoError(t, err)
	require.True(t, finished)
	require.EqualValues(t, len(inWave), counts["done"])
	budi.get("/petugas/pekerjaan").ok(job, "Ended")

	// Each case was decided once, and everything adds up.
	for id, state := range cases(2) {
		require.NotEqual(t, joined, state, id)
	}
	decided := stepsIn(t, eye, 2, passed, failed, missing)
	require.Len(t, decided, len(inWave))
	for id, n := range decided {
		require.Equal(t, 1, n, id)
	}
	breaches, err := eye.engine.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, breaches)

	// It starts again under its name, and everybody is known there still.
	one = begin(t, binary, dir, db, "one", people)()
	one.p = eye
	sari.atProcess(one).get("/petugas/gelombang/2").ok("Fix the roll")
	me.atProcess(one).get("/saya/gelombang/2").ok()
	one.stop()
	two.stop()
}

// atOnce does something at several processes at the same time.
func atOnce(do func(*process), all ...*process) {
	var done sync.WaitGroup
	begin := make(chan struct{})
	for _, x := range all {
		done.Go(func() {
			<-begin
			do(x)
		})
	}
	close(begin)
	done.Wait()
}

// sameKey registers somebody at one process, and has both asked at once to join: one is answered, the other hears the same
// or that it is under way; who asks again hears the same.
func (x *process) sameKey(other *process, i int64) {
	x.t.Helper()
	ask := func(to *process, path, key string, body any) (int, string) {
		r, err := http.NewRequestWithContext(context.WithoutCancel(x.t.Context()), http.MethodPost, to.url+path, bytes.NewReader(must(json.Marshal(body))))
		if err != nil {
			return 0, err.Error()
		}
		r.Header.Set("Authorization", "Bearer "+demoToken)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", key)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0, err.Error()
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			return 0, err.Error()
		}
		return answer.StatusCode, string(text)
	}
	who := ordinary(firstFree+1000*(i+1), 1)[0]
	code, text := ask(x, "/api/v1/registrations", fmt.Sprintf("register-%d", i), map[string]any{"nik": who.NIK, "kk": who.KK, "name": who.Name, "birth": who.Birth.String(), "province": who.Province, "category": who.Category})
	require.Equal(x.t, http.StatusCreated, code, text)
	var reg struct{ Applicant uuid.UUID }
	require.NoError(x.t, json.Unmarshal([]byte(text), &reg))
	var mu sync.Mutex
	answers := map[int][]string{}
	join := func(to *process) {
		code, text := ask(to, "/api/v1/waves/2/applications", fmt.Sprintf("join-at-once-%d", i), map[string]any{"applicant": reg.Applicant})
		mu.Lock()
		defer mu.Unlock()
		answers[code] = append(answers[code], text)
	}
	atOnce(join, x, other, x, other)
	require.Len(x.t, append(answers[http.StatusCreated], answers[http.StatusConflict]...), 4, "%v", answers)
	require.NotEmpty(x.t, answers[http.StatusCreated], "%v", answers)
	join(x)
	join(other)
	for _, text := range answers[http.StatusCreated] {
		require.Equal(x.t, answers[http.StatusCreated][0], text)
	}
	require.GreaterOrEqual(x.t, len(answers[http.StatusCreated]), 3, "%v", answers)
}

// stepsIn counts, in the journal, how often each case of a wave took one of some steps. The journal has short ids.
func stepsIn(t *testing.T, p *portal, wave int64, events ...program.Event) map[string]int {
	t.Helper()
	wanted := map[program.Event]bool{}
	for _, e := range events {
		wanted[e] = true
	}
	took := map[string]int{}
	for after := int64(0); ; {
		some, err := p.store.Journal(t.Context(), after, 1000)
		require.NoError(t, err)
		if len(some) == 0 {
			return took
		}
		for _, e := range some {
			after = e.Seq
			var data struct {
				Steps []struct {
					Wave  int64
					Event program.Event
					Cases []string
				}
			}
			if json.Unmarshal(e.Data, &data) != nil {
				continue // entries of another shape
			}
			for _, s := range data.Steps {
				for _, id := range s.Cases {
					if s.Wave == wave && wanted[s.Event] {
						took[id]++
					}
				}
			}
		}
	}
}
