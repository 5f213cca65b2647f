package main

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/quota"
)

// The check in the browser comes to the library's result for random plans with everything that a plan can have, and
// refuses each where one seat was changed.
func TestBrowserRandomDraws(t *testing.T) {
	ctx := chromium(t)
	s := newSite(t)
	b := s.tab(ctx, 800, 600, "en").open("/")
	script := must(staticFiles.ReadFile("static/draw-worker.js"))
	b.run(chromedp.Evaluate(string(script)+"\n;0", nil))
	r := rand.New(rand.NewPCG(4, 48))
	var proofs []map[string][]byte
	for range 300 {
		proofs = append(proofs, randomProof(t, r))
	}
	for len(proofs) > 0 {
		some := proofs[:50]
		proofs = proofs[50:]
		var found []string
		b.run(chromedp.Evaluate(`(async (all) => {
			const files = (p) => Object.fromEntries(Object.entries(p).map(([n, d]) => [n, Uint8Array.from(atob(d), (c) => c.charCodeAt(0))]));
			const out = [];
			for (const p of all) {
				out.push(await drawCheck.checkWhole(files(p), () => {}).then(() => "ok", (e) => e.stack));
				const bad = files(p), text = new TextDecoder().decode(bad["result.tsv"]);
				bad["result.tsv"] = new TextEncoder().encode(text.replace(/\t(open|g1|g2|g3)\t0\n/, "\t-\t0\n"));
				if (text.length !== bad["result.tsv"].length) out.push(await drawCheck.checkWhole(bad, () => {}).then(() => "taken", () => "ok"));
			}
			return out;
		})(`+string(must(json.Marshal(some)))+`)`, &found, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
		require.Greater(t, len(found), 50)
		for _, f := range found {
			require.Equal(t, "ok", f)
		}
	}
}

// The largest roll that a browser is asked to draw again, of 200,000 people, is done while the page stays usable.
func TestBrowserLargeDraw(t *testing.T) {
	ctx := chromium(t)
	s := newSite(t)
	plan, err := buildPlan(1, 80_000)
	require.NoError(t, err)
	folder, r := t.TempDir(), rand.New(rand.NewPCG(4, 48))
	candidates := randomCandidates(r, plan, 200_000)
	for i := range candidates {
		candidates[i].Held = 0
	}
	var paths []string
	for name, data := range proofOf(t, r, plan, candidates) {
		paths = append(paths, filepath.Join(folder, name))
		require.NoError(t, os.WriteFile(paths[len(paths)-1], data, 0o644))
	}
	b := s.tab(ctx, 800, 600, "en").open("/undian/1")
	b.run(chromedp.Evaluate(`window.slowest = 0; (() => { let last = performance.now(); setInterval(() => { const now = performance.now(); slowest = Math.max(slowest, now - last); last = now; }, 20); })()`, nil))
	began := time.Now()
	b.run(chromedp.SetUploadFiles("#proof-files", paths, chromedp.ByQuery), chromedp.WaitVisible(`#check-result[data-state=good]`, chromedp.ByQuery))
	var slowest float64
	b.run(chromedp.Evaluate(`slowest`, &slowest))
	t.Logf("200,000 people drawn again in %v; the page answered after at most %.0f ms", time.Since(began).Round(time.Millisecond), slowest)
}

func randomProof(t *testing.T, r *rand.Rand) map[string][]byte {
	p := randomPlan(r)
	require.NoError(t, p.Validate())
	return proofOf(t, r, p, randomCandidates(r, p, 1+r.IntN(90)))
}

// proofOf draws, and returns the files of the proof.
func proofOf(t *testing.T, r *rand.Rand, p *quota.Plan, candidates []quota.Candidate) map[string][]byte {
	roll, err := quota.NewRoll(p, candidates)
	require.NoError(t, err)
	m, err := quota.Freeze(p, roll, quota.Manifest{Program: "p", Wave: "4", Number: 1, Frozen: time.Date(2026, 8, 12, 17, 0, 0, 0, time.UTC),
		Source: quota.Source{Witnessed: []quota.Drawer{{Name: "dice", Count: 60, Low: 0, High: 9, Ordered: true, Bits: 190}}}})
	require.NoError(t, err)
	digest, err := m.Digest()
	require.NoError(t, err)
	numbers := make([]uint32, 60)
	for i := range numbers {
		numbers[i] = r.Uint32N(10)
	}
	seed := &quota.Seed{Manifest: digest, Witnessed: []quota.Reading{{Numbers: numbers, Witnesses: []string{"a", "b"}}}}
	var removals []quota.Removal
	if r.IntN(3) == 0 {
		removals = append(removals, quota.Removal{Label: candidates[0].Label, Reason: "withdrawn"})
	}
	result, err := quota.Draw(p, roll, m, seed, &quota.DrawOptions{Removals: removals})
	require.NoError(t, err)
	files := map[string][]byte{}
	require.NoError(t, quota.WriteProof(func(name string) (io.WriteCloser, error) {
		return &proofBuffer{done: func(b []byte) { files[name] = b }}, nil
	}, &quota.Proof{Plan: p, Roll: roll, Manifest: m, Seed: seed, Result: result, Removals: removals}))
	return files
}

func randomPlan(r *rand.Rand) *quota.Plan {
	p := &quota.Plan{
		Name: "test", Order: []quota.Order{quota.OpenFirst, quota.ReservedFirst}[r.IntN(2)], Ticket: []quota.Ticket{quota.PerPerson, quota.PerHousehold}[r.IntN(2)],
		HouseholdCap: r.IntN(3), Tiers: 1 + r.IntN(2), Waiting: r.Int64N(4), Counting: []quota.Counting{"", quota.CountOnce, quota.CountAll}[r.IntN(3)],
		Groups: []quota.Group{{Code: "g1", Meaning: quota.ForAuditors}, {Code: "g2", Meaning: quota.ForPublic, Public: "second", Within: "g1"}, {Code: "g3", Meaning: quota.ForAuditors}},
	}
	if p.Counting == quota.CountAll {
		p.Groups[2].Within = "g1"
	}
	if p.Ticket == quota.PerPerson {
		p.Key = []quota.Key{"", quota.Lottery, quota.Score, quota.Arrival}[r.IntN(4)]
	} else {
		p.HouseholdCap = 1 + r.IntN(2)
	}
	ids, parents := []string{"n", "p1", "p2", "r1", "r2", "r3"}, []string{"", "n", "n", "p1", "p1", "p2"}
	for i, id := range ids {
		pool := quota.Pool{ID: id, Parent: parents[i], Seats: r.Int64N(9)}
		left := pool.Seats
		for _, other := range r.Perm(len(ids))[:r.IntN(3)] {
			if other != i {
				pool.Spill = append(pool.Spill, ids[other])
			}
		}
		for _, g := range r.Perm(3)[:r.IntN(4)] {
			n := quota.Reserve{Group: p.Groups[g].Code, Seats: r.Int64N(left + 1), Kind: quota.Guarantee}
			left -= n.Seats
			if r.IntN(2) == 0 {
				n.Kind, n.Unfilled = quota.SetAside, []quota.Unfilled{quota.Keep, quota.ToOpen, quota.ToSpill}[r.IntN(3)]
				if n.Unfilled == quota.ToSpill && len(pool.Spill) == 0 {
					n.Unfilled = quota.ToOpen
				}
			}
			pool.Reserves = append(pool.Reserves, n)
		}
		p.Pools = append(p.Pools, pool)
	}
	return p
}

func randomCandidates(r *rand.Rand, p *quota.Plan, n int) []quota.Candidate {
	all := make([]quota.Candidate, n)
	for i := range all {
		c := &all[i]
		for k := range c.Label {
			c.Label[k] = byte(r.Uint32())
		}
		c.Commitment[0] = byte(i)
		c.Pool, c.Tier = int32(r.IntN(len(p.Pools))), uint16(r.IntN(p.Tiers))
		c.Groups = r.Uint32() & r.Uint32() & (1<<len(p.Groups) - 1)
		if p.Counting == quota.CountAll && c.Groups>>1&1 == 1 {
			c.Groups &^= 4 // beside g2
		}
		if c.Groups&2 != 0 || c.Groups&4 != 0 && p.Groups[2].Within == "g1" {
			c.Groups |= 1
		}
		if p.Key == quota.Score || p.Key == quota.Arrival {
			c.Number = r.Uint32N(9)
		}
		if c.Household = uint32(r.IntN(n)); c.Household%7 == 1 {
			c.Held = 1
		}
	}
	return all
}
