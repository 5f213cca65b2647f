package ledger_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/ledger"
)

var now = time.Date(2020, time.August, 8, 5, 0, 0, 0, time.UTC)

func move(id string, from, to ledger.Account, amount int64) ledger.Posting {
	return ledger.Posting{ID: id, Legs: []ledger.Leg{
		{Account: from, Amount: -amount, Bounds: ledger.AtLeast(0)},
		{Account: to, Amount: amount, Bounds: ledger.AtLeast(0)},
	}}
}

func issue(id string, to ledger.Account, amount int64) ledger.Posting {
	return ledger.Posting{ID: id, Legs: []ledger.Leg{
		{Account: "issued", Amount: -amount, Bounds: ledger.Free()},
		{Account: to, Amount: amount, Bounds: ledger.AtLeast(0)},
	}}
}

func TestAPostingThatBreaksARuleByItselfIsRefused(t *testing.T) {
	for name, p := range map[string]ledger.Posting{
		"no id":            {Legs: move("", "a", "b", 1).Legs},
		"one leg":          {ID: "x", Legs: []ledger.Leg{{Account: "a", Amount: 1}}},
		"not balanced":     {ID: "x", Legs: []ledger.Leg{{Account: "a", Amount: 1}, {Account: "b", Amount: -2}}},
		"zero leg":         {ID: "x", Legs: []ledger.Leg{{Account: "a"}, {Account: "b"}}},
		"account twice":    {ID: "x", Legs: []ledger.Leg{{Account: "a", Amount: 1}, {Account: "a", Amount: -1}}},
		"sum overflows":    {ID: "x", Legs: []ledger.Leg{{Account: "a", Amount: math.MaxInt64}, {Account: "b", Amount: 1}, {Account: "c", Amount: math.MinInt64 + 1}, {Account: "d", Amount: -1}}},
		"line break":       {ID: "x", Legs: move("", "a\n", "b", 1).Legs},
		"post with legs":   {ID: "x", Kind: ledger.Post, Of: "y", Legs: move("", "a", "b", 1).Legs},
		"post of nothing":  {ID: "x", Kind: ledger.Post},
		"direct expiry":    {ID: "x", Legs: move("", "a", "b", 1).Legs, Expires: now},
		"unknown kind":     {ID: "x", Kind: 9, Legs: move("", "a", "b", 1).Legs},
		"pending of other": {ID: "x", Kind: ledger.Pending, Of: "y", Legs: move("", "a", "b", 1).Legs},
	} {
		var book ledger.Book
		var invalid *ledger.InvalidError
		require.ErrorAs(t, book.Apply(now, p), &invalid, name)
	}
}

func TestABatchOfPostingsIsAllOrNothing(t *testing.T) {
	var book ledger.Book
	require.NoError(t, book.Apply(now, issue("issue", "left", 2)))
	err := book.Apply(now, move("a", "left", "held", 1), move("b", "left", "held", 2))
	var bound *ledger.BoundError
	require.ErrorAs(t, err, &bound)
	require.Equal(t, ledger.BoundError{Posting: "b", Account: "left"}, *bound)
	require.Equal(t, int64(2), book.Balance("left").Posted)
	require.NoError(t, book.Apply(now, move("a", "left", "held", 2)), "the id of what was taken back is free")
}

func TestBalancesNeverOverflow(t *testing.T) {
	var book ledger.Book
	big := issue("one", "left", math.MaxInt64)
	require.NoError(t, book.Apply(now, big))
	var bound *ledger.BoundError
	require.ErrorAs(t, book.Apply(now, issue("two", "left", 1)), &bound)
}

// model is the ledger as one would write it on paper.
type model struct {
	posted  map[ledger.Account]int64
	pending map[string]ledger.Posting
	made    map[string]ledger.Posting
}

func (m *model) reserved(a ledger.Account, at time.Time) (out, in int64) {
	for _, p := range m.pending {
		if !p.Expires.IsZero() && !at.Before(p.Expires) {
			continue
		}
		for _, l := range p.Legs {
			if l.Account == a && l.Amount < 0 {
				out -= l.Amount
			} else if l.Account == a {
				in += l.Amount
			}
		}
	}
	return out, in
}

func (m *model) apply(at time.Time, p ledger.Posting) bool {
	if before, ok := m.made[p.ID]; ok {
		return before.Equal(p)
	}
	for id, old := range m.pending {
		if !old.Expires.IsZero() && !at.Before(old.Expires) {
			delete(m.pending, id)
		}
	}
	switch p.Kind {
	case ledger.Post, ledger.Void:
		old, ok := m.pending[p.Of]
		if !ok {
			return false
		}
		delete(m.pending, p.Of)
		if p.Kind == ledger.Post {
			for _, l := range old.Legs {
				m.posted[l.Account] += l.Amount
			}
		}
	default:
		for _, l := range p.Legs {
			out, in := m.reserved(l.Account, at)
			after := m.posted[l.Account] + l.Amount
			if p.Kind == ledger.Pending {
				after = m.posted[l.Account]
				if l.Amount < 0 {
					out -= l.Amount
				} else {
					in += l.Amount
				}
			}
			if after-out < l.Bounds.Min || after+in > l.Bounds.Max {
				return false
			}
		}
		if p.Kind == ledger.Pending {
			m.pending[p.ID] = p
			break
		}
		for _, l := range p.Legs {
			m.posted[l.Account] += l.Amount
		}
	}
	m.made[p.ID] = p
	return true
}

// Random histories: the book does what the model does, and the bounds hold
// after every step.
func TestTheBookEqualsAModel(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 7))
		var book ledger.Book
		m := &model{posted: map[ledger.Account]int64{}, pending: map[string]ledger.Posting{}, made: map[string]ledger.Posting{}}
		at := now
		start := issue("issue", "a", 20)
		require.NoError(t, book.Apply(at, start))
		require.True(t, m.apply(at, start))
		for step := range 200 {
			at = at.Add(time.Duration(r.IntN(3)) * time.Second)
			p := randomPosting(r, step, at)
			want := m.apply(at, p)
			got := book.Apply(at, p) == nil
			require.Equal(t, want, got, "seed %d step %d: %+v", seed, step, p)
			for _, a := range []ledger.Account{"a", "b", "c"} {
				b := book.Balance(a)
				require.GreaterOrEqual(t, b.Available(), int64(0), "seed %d step %d", seed, step)
				require.Equal(t, m.posted[a], b.Posted, "seed %d step %d", seed, step)
			}
		}
	}
}

func randomPosting(r *rand.Rand, step int, at time.Time) ledger.Posting {
	id := fmt.Sprint("p", r.IntN(step+2))
	if r.IntN(3) > 0 {
		id = fmt.Sprint("p", step)
	}
	names := []ledger.Account{"a", "b", "c"}
	r.Shuffle(3, func(i, j int) { names[i], names[j] = names[j], names[i] })
	p := move(id, names[0], names[1], 1+r.Int64N(6))
	p.Legs[1].Bounds = ledger.Between(0, 15)
	switch r.IntN(4) {
	case 0:
		p.Kind, p.Expires = ledger.Pending, at.Add(time.Duration(1+r.IntN(5))*time.Second)
	case 1:
		p = ledger.Posting{ID: id, Kind: ledger.Post + ledger.Kind(r.IntN(2)), Of: fmt.Sprint("p", r.IntN(step+1))}
	}
	return p
}

func BenchmarkPost(b *testing.B) {
	var book ledger.Book
	if err := book.Apply(now, issue("issue", "a", math.MaxInt64)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := book.Apply(now, move(fmt.Sprint(i), "a", "b", 1)); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleBook() {
	var book ledger.Book
	_ = book.Apply(now, issue("issue", "seats/left", 1))
	first := book.Apply(now, move("seat-1", "seats/left", "seats/held", 1))
	again := book.Apply(now, move("seat-1", "seats/left", "seats/held", 1))
	second := book.Apply(now, move("seat-2", "seats/left", "seats/held", 1))
	var bound *ledger.BoundError
	fmt.Println(first, again, errors.As(second, &bound))
	fmt.Println(second)
	fmt.Println(book.Balance("seats/held").Posted)
	// Output:
	// <nil> <nil> true
	// ledger: posting "seat-2": account "seats/left" would leave its bounds
	// 1
}
