package program_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/memstore"
)

// A reader gets every entry, in order, from where it was; another reader has a
// place of its own.
func TestAReaderGoesOnWhereItWas(t *testing.T) {
	store, ctx := memstore.New(), t.Context()
	var got []int64
	handle := func(_ context.Context, entries []program.Entry) error {
		for _, entry := range entries {
			got = append(got, entry.Seq)
		}
		return nil
	}
	require.NoError(t, program.Follow(ctx, store, "outbox", handle))
	require.Empty(t, got, "an empty journal has nothing to follow")
	for n, end := range []int{1, 2, 99, 100, 101, 350, 350} {
		if before := len(got); end > before {
			write(t, store, before, end)
		}
		require.NoError(t, program.Follow(ctx, store, "outbox", handle), n)
		require.Len(t, got, end)
	}
	for i, seq := range got {
		require.Equal(t, int64(i+1), seq)
	}
	got = nil
	require.NoError(t, program.Follow(ctx, store, "statistics", handle))
	require.Len(t, got, 350)
	var field *program.FieldError
	require.ErrorAs(t, program.Follow(ctx, store, "", handle), &field)
}

// Whatever fails, at random, in the handler or before or after the place is
// stored: each entry comes at least once, never one before those in front of it
// came, and once only if nothing fails.
func TestEachEntryComesAtLeastOnce(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	again := 0
	for range 200 {
		store := &hooked{Store: memstore.New()}
		total := 1 + random.IntN(600)
		write(t, store, 0, total)
		fail := func() error {
			if random.IntN(4) == 0 {
				return errCut
			}
			return nil
		}
		store.before, store.after = fail, fail
		var last int64 // the largest that was handled
		handle := func(_ context.Context, entries []program.Entry) error {
			for _, entry := range entries {
				if entry.Seq <= last {
					again++
					continue
				}
				require.Equal(t, last+1, entry.Seq)
				last = entry.Seq
			}
			return fail()
		}
		for program.Follow(t.Context(), store, "outbox", handle) != nil {
		}
		require.Equal(t, int64(total), last)
	}
	require.Positive(t, again, "control: some came again")
}

// Two processes that follow as one reader miss nothing, and the place never goes
// back.
func TestTwoMayFollowAsOneReader(t *testing.T) {
	store, ctx := memstore.New(), t.Context()
	write(t, store, 0, 2000)
	var mu sync.Mutex
	seen := map[int64]int{}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := program.Follow(ctx, store, "outbox", func(_ context.Context, entries []program.Entry) error {
				mu.Lock()
				defer mu.Unlock()
				for _, entry := range entries {
					seen[entry.Seq]++
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Len(t, seen, 2000)
	lag, err := program.ReaderLag(ctx, store, "outbox")
	require.NoError(t, err)
	require.Zero(t, lag)
}

// A reader that was ahead of a journal that was set back does not pass over what
// is written there now.
func TestAReaderSeesThatTheJournalWasSetBack(t *testing.T) {
	store := &tampering{Store: memstore.New()}
	write(t, store, 0, 120)
	handled := 0
	handle := func(_ context.Context, entries []program.Entry) error { handled += len(entries); return nil }
	require.NoError(t, program.Follow(t.Context(), store, "outbox", handle))
	store.tamper = func(l []program.Entry) []program.Entry { return l[:50] }
	var history *program.HistoryError
	require.ErrorAs(t, program.Follow(t.Context(), store, "outbox", handle), &history)
	require.Equal(t, program.HistoryError{Seq: 120, Rule: "missing"}, *history)
	require.Equal(t, 120, handled)
}

func TestLagCountsWhatWaits(t *testing.T) {
	store, ctx := memstore.New(), t.Context()
	s := newSealer(t, store)
	l := s.log(t)
	for n := range 70 {
		lag, err := program.ReaderLag(ctx, store, "outbox")
		require.NoError(t, err)
		sealed, err := l.Lag(ctx)
		require.NoError(t, err)
		require.Equal(t, lag, sealed)
		want := program.Lag{Entries: int64(n)}
		if n > 0 {
			want.Since = entry(0).At
		}
		require.Equal(t, want, lag)
		write(t, store, n, n+1)
	}
	s.seal(t, l)
	sealed, err := l.Lag(ctx)
	require.NoError(t, err)
	require.Zero(t, sealed)
	write(t, store, 70, 73)
	sealed, err = l.Lag(ctx)
	require.NoError(t, err)
	require.Equal(t, program.Lag{Entries: 3, Since: entry(70).At}, sealed)
}

// Every entry of a story is an event.
func TestEveryEntryIsAnEvent(t *testing.T) {
	s := newStory(memstore.New())
	require.NoError(t, s.run(t))
	entries, err := s.store.Journal(t.Context(), 0, 1000)
	require.NoError(t, err)
	for _, e := range entries {
		event, err := program.CloudEvent("/programs/test", "id.go.example.", e)
		require.NoError(t, err)
		members := checkEvent(t, event)
		data, err := json.Marshal(members["data"])
		require.NoError(t, err)
		require.JSONEq(t, string(e.Data), string(data))
	}
}

// An event is the same in every release: who has had it knows it again by its
// id.
func TestEventsAreAsBefore(t *testing.T) {
	var all bytes.Buffer
	for i, e := range []program.Entry{
		{At: day(1), Actor: "planner", Kind: "wave.planned", Data: []byte(`{"wave":1}`)},
		{At: day(2).Add(1500 * time.Microsecond), Actor: "petugas Ω <a&b>", Kind: "stepped", Data: []byte(`{"steps":[{"wave":1,"event":"buy","from":"accepted","to":"bought","cases":["AXOn9j-Ac1eM8H6gJXloNA"]}]}`)},
		{At: day(3), Actor: "clock", Kind: "ticked"},
	} {
		e.Seq = int64(i + 1)
		event, err := program.CloudEvent("/programs/test", "id.go.example.", e)
		require.NoError(t, err)
		checkEvent(t, event)
		all.Write(append(event, '\n'))
	}
	const file = "testdata/events.jsonl"
	if *update {
		require.NoError(t, os.WriteFile(file, all.Bytes(), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), all.String())
}

var (
	attributeName = regexp.MustCompile(`^[a-z0-9]+$`)
	dateTime      = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`)
)

// checkEvent holds an event against the rules of CloudEvents 1.0.2 and its JSON
// format: sections 3 of both.
func checkEvent(t *testing.T, event []byte) map[string]any {
	t.Helper()
	require.True(t, utf8.Valid(event))
	var members map[string]any
	require.NoError(t, json.Unmarshal(event, &members))
	for _, name := range []string{"specversion", "id", "source", "type"} {
		require.NotEmpty(t, members[name], "a required attribute")
	}
	require.Equal(t, "1.0", members["specversion"])
	for name, value := range members {
		require.Regexp(t, attributeName, name)
		if name == "data" {
			continue
		}
		text, ok := value.(string)
		require.True(t, ok, "%s is a text", name)
		require.NotEmpty(t, text, name)
		for _, r := range text {
			bad := r < 0x20 || r >= 0x7f && r <= 0x9f || r >= 0xfdd0 && r <= 0xfdef || r&0xffff >= 0xfffe
			require.False(t, bad, "%s has the character %U", name, r)
		}
	}
	_, err := url.Parse(members["source"].(string))
	require.NoError(t, err)
	require.Regexp(t, dateTime, members["time"])
	_, err = time.Parse(time.RFC3339Nano, members["time"].(string))
	require.NoError(t, err)
	_, data := members["data"]
	require.Equal(t, data, members["datacontenttype"] == "application/json")
	require.NotContains(t, members, "data_base64")
	return members
}

func TestEventsThatCannotBe(t *testing.T) {
	good := *entry(1)
	good.Seq = 7
	for what, c := range map[string]struct {
		source, prefix string
		change         func(e *program.Entry)
		field          string
	}{
		"good":           {source: "/p"},
		"no source":      {field: "source"},
		"bad source":     {source: "a b", field: "source"},
		"worse source":   {source: "%zz", field: "source"},
		"no type":        {source: "/p", change: func(e *program.Entry) { e.Kind = "" }, field: "Kind"},
		"bad type":       {source: "/p", prefix: "a\nb", field: "Kind"},
		"far future":     {source: "/p", change: func(e *program.Entry) { e.At = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, field: "At"},
		"no JSON":        {source: "/p", change: func(e *program.Entry) { e.Data = []byte("{") }, field: "Data"},
		"not UTF-8":      {source: "/p", change: func(e *program.Entry) { e.Data = []byte("\"\xff\"") }, field: "Data"},
		"no data":        {source: "/p", change: func(e *program.Entry) { e.Data = nil }},
		"odd actor":      {source: "/p", change: func(e *program.Entry) { e.Actor = "a\x00\xffb\ufffe" }},
		"no actor":       {source: "/p", change: func(e *program.Entry) { e.Actor = "" }},
		"nanoseconds":    {source: "/p", change: func(e *program.Entry) { e.At = e.At.Add(1999 * time.Nanosecond) }},
		"another offset": {source: "/p", change: func(e *program.Entry) { e.At = e.At.In(time.FixedZone("", 7*3600)) }},
	} {
		e := good
		if c.change != nil {
			c.change(&e)
		}
		event, err := program.CloudEvent(c.source, c.prefix, e)
		if c.field == "" {
			require.NoError(t, err, what)
			members := checkEvent(t, event)
			require.Equal(t, "7", members["id"])
			require.Equal(t, "0000000000000000007", members["sequence"])
			continue
		}
		var field *program.FieldError
		require.ErrorAs(t, err, &field, what)
		require.Equal(t, c.field, field.Field, what)
	}
}

// Whatever is in an entry becomes an event that keeps the rules, or an error.
func FuzzCloudEvent(f *testing.F) {
	f.Add("/p", "id.go.", int64(1), int64(0), "officer", "made", []byte(`{"a":"<b>"}`))
	f.Add("urn:x", "", int64(-1), int64(1)<<62, "\x7f\xff", "\u0085", []byte(`"`+"\u2028"+`"`))
	f.Fuzz(func(t *testing.T, source, prefix string, seq, at int64, actor, kind string, data []byte) {
		e := program.Entry{Seq: seq, At: time.UnixMicro(at), Actor: actor, Kind: kind, Data: data}
		event, err := program.CloudEvent(source, prefix, e)
		if err != nil {
			return
		}
		members := checkEvent(t, event)
		require.Equal(t, strconv.FormatInt(seq, 10), members["id"])
		require.Equal(t, fmt.Sprint(prefix, kind), members["type"])
	})
}
