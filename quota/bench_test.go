package quota

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// national is a roll of n candidates in 514 pools with about 800,000 seats for
// ten million, two seats for a household and four groups: a set-aside, two
// guarantees and a set-aside that few can fill.
func national(tb testing.TB, n int) (*Plan, []Candidate) {
	p := &Plan{
		Name: "national", Ticket: PerPerson, Tiers: 1, HouseholdCap: 2, Order: OpenFirst, Waiting: 100,
		Groups: []Group{{Code: "a", Meaning: ForAuditors}, {Code: "b", Meaning: ForAuditors}, {Code: "c", Meaning: ForAuditors}, {Code: "d", Meaning: ForAuditors}},
		Pools:  []Pool{{ID: "ID"}},
	}
	seats := int64(1556) * int64(n) / 10_000_000
	for _, s := range regencies(tb) {
		p.Pools = append(p.Pools, Pool{ID: s.Key, Parent: "ID", Seats: seats, Spill: []string{"ID"}, Reserves: []Reserve{
			{"a", seats / 2, SetAside, ToOpen}, {"b", seats / 50, Guarantee, ""}, {"c", seats / 20, Guarantee, ""}, {"d", seats / 100, SetAside, ToSpill},
		}})
	}
	require.NoError(tb, p.Validate())
	r := rand.New(rand.NewPCG(1, 9))
	cs := make([]Candidate, n)
	for i := range cs {
		c := &cs[i]
		// Labels grow, as they must, and are random behind that.
		for k := range 4 {
			c.Label[k] = byte(i >> (8 * (3 - k)))
			c.Label[4+k], c.Commitment[k] = byte(r.Uint32()), byte(r.Uint32())
		}
		c.Pool = 1 + int32(r.IntN(len(p.Pools)-1))
		c.Household = 1 + uint32(r.IntN(n))
		for g, oneIn := range []int{2, 30, 10, 50} {
			if r.IntN(oneIn) == 0 {
				c.Groups |= 1 << g
			}
		}
	}
	return p, cs
}

// frozen makes the manifest and the seed of a roll.
func frozen(tb testing.TB, p *Plan, roll *Roll) (*Manifest, *Seed) {
	m, err := Freeze(p, roll, Manifest{
		Program: "bench", Wave: "1", Number: 1, Frozen: time.Date(2020, 8, 12, 17, 0, 0, 0, time.UTC),
		Source: Source{Beacon: &Beacon{Name: "test", Chain: "test", Round: 1}},
	})
	require.NoError(tb, err)
	digest, err := m.Digest()
	require.NoError(tb, err)
	return m, &Seed{Manifest: digest, Beacon: fmt.Sprintf("%064x", 1)}
}

// peak runs f and returns the most memory that was in use at once beyond what
// was in use before. It looks every millisecond, and garbage counts.
func peak(f func()) uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before, most := m.HeapInuse, m.HeapInuse
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse)
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	})
	f()
	close(stop)
	wg.Wait()
	return most - before
}

func benchmarkDraw(b *testing.B, n int) {
	p, cs := national(b, n)
	roll, err := NewRoll(p, cs)
	require.NoError(b, err)
	m, seed := frozen(b, p, roll)
	most := peak(func() {
		result, err := Draw(p, roll, m, seed, nil)
		require.NoError(b, err)
		b.ReportMetric(float64(result.Seated), "seats")
	})
	for b.Loop() {
		if _, err := Draw(p, roll, m, seed, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(most)/(1<<20), "peak-MiB")
}

func benchmarkKeys(b *testing.B, n int) {
	p, cs := national(b, n)
	keys := NewKeys([]byte("salt"), []byte("seed"))
	for b.Loop() {
		for i := range cs {
			keys.of(cs[i].Label, cs[i].Household, p.Ticket)
		}
	}
}

func BenchmarkDraw10M(b *testing.B)     { benchmarkDraw(b, 10_000_000) }
func BenchmarkKeysOnly10M(b *testing.B) { benchmarkKeys(b, 10_000_000) }
func BenchmarkDraw1M(b *testing.B)      { benchmarkDraw(b, 1_000_000) }
func BenchmarkKeysOnly1M(b *testing.B)  { benchmarkKeys(b, 1_000_000) }

// The streamed form reads the roll from a file: about 80,000 seats of rolls of which
// one is four times the other, where only the seats should show in the peak; and the
// whole nation's ten million with its 800,000.
func BenchmarkDrawStream(b *testing.B) {
	for _, c := range []struct {
		n     int
		seats int64 // of each of 514 pools
	}{{1_000_000, 155}, {4_000_000, 155}, {10_000_000, 1556}} {
		b.Run(fmt.Sprintf("roll=%dM/seats=%d", c.n/1_000_000, 514*c.seats), func(b *testing.B) { benchmarkStream(b, c.n, c.seats) })
	}
}

func benchmarkStream(b *testing.B, n int, seats int64) {
	p, cs := national(b, n)
	for i := range p.Pools[1:] {
		pool := &p.Pools[i+1]
		pool.Seats = seats
		for k, part := range []int64{2, 50, 20, 100} {
			pool.Reserves[k].Seats = seats / part
		}
	}
	p.Waiting = 10
	roll, err := NewRoll(p, cs)
	require.NoError(b, err)
	m, seed := frozen(b, p, roll)
	path := b.TempDir() + "/roll.tsv"
	f, err := os.Create(path)
	require.NoError(b, err)
	_, err = roll.WriteTSV(f, p)
	require.NoError(b, err)
	require.NoError(b, f.Close())
	roll, cs = nil, nil
	draw := func() {
		_, err := DrawStream(p, m, seed, func() (io.ReadCloser, error) { return os.Open(path) },
			func(*Candidate, Outcome) error { return nil }, nil)
		require.NoError(b, err)
	}
	most := peak(draw)
	for b.Loop() {
		draw()
	}
	b.ReportMetric(float64(most)/(1<<20), "peak-MiB")
}

// The streamed form decides as the other does.
func TestStreamEqualsDraw(t *testing.T) {
	p, cs := national(t, 50_000)
	roll, err := NewRoll(p, cs)
	require.NoError(t, err)
	m, seed := frozen(t, p, roll)
	want, err := Draw(p, roll, m, seed, nil)
	require.NoError(t, err)
	var file bytes.Buffer
	_, err = roll.WriteTSV(&file, p)
	require.NoError(t, err)
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(file.Bytes())), nil }
	var streamed []Outcome
	each := func(_ *Candidate, o Outcome) error { streamed = append(streamed, o); return nil }
	got, err := DrawStream(p, m, seed, open, each, nil)
	require.NoError(t, err)
	require.Equal(t, outcomes(want), streamed)
	require.Equal(t, want.Moves, got.Moves)
	require.Equal(t, want.Unfilled, got.Unfilled)
	require.Positive(t, got.Seated)
	// The control: one byte of a commitment, and it is another roll.
	file.Bytes()[file.Len()-2] ^= 1
	_, err = DrawStream(p, m, seed, open, each, nil)
	require.Error(t, err)
}
