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

// What was posted is reversed once, as a whole, by the same legs the other way: directly,
// or after having been pending. The bounds hold, and what is refused leaves nothing behind.
func TestAPostingIsReversedOnce(t *testing.T) {
	var book ledger.Book
	paid := move("paid", "left", "out", 5)
	held := move("held", "left", "out", 2)
	held.Kind = ledger.Pending
	require.NoError(t, book.Apply(now, issue("issue", "left", 10), paid, held, ledger.Posting{ID: "post", Kind: ledger.Post, Of: "held"}))
	refused := func(rule string, p ledger.Posting) {
		t.Helper()
		var reversal *ledger.ReversalError
		require.ErrorAs(t, book.Apply(now, p), &reversal)
		require.Equal(t, ledger.ReversalError{ID: p.ID, Of: p.Of, Rule: rule}, *reversal)
	}
	refused("is unknown", ledger.Reversal("r", "nothing", paid.Legs))
	refused("was not posted", ledger.Reversal("r", "held", held.Legs))
	refused("has other legs", ledger.Posting{ID: "r", Of: "paid", Legs: paid.Legs})
	part := ledger.Reversal("r", "paid", paid.Legs)
	part.Legs[0].Amount, part.Legs[1].Amount = 1, -1
	refused("has other legs", part)

	back := ledger.Reversal("back", "paid", paid.Legs)
	var bound *ledger.BoundError
	require.ErrorAs(t, book.Apply(now, back, move("spent", "out", "gone", 7)), &bound, "all or nothing")
	require.NoError(t, book.Apply(now, back), "a reversal that was taken back may come again")
	require.NoError(t, book.Apply(now, back), "the same again changes nothing")
	refused("was reversed before", ledger.Reversal("again", "paid", paid.Legs))
	require.NoError(t, book.Apply(now, ledger.Reversal("back2", "post", held.Legs)))
	require.Equal(t, int64(10), book.Balance("left").Posted)
	require.Zero(t, book.Balance("out").Posted)
	require.NoError(t, book.Apply(now, ledger.Reversal("forth", "back", back.Legs)), "a reversal is a posting")
	require.NoError(t, book.Apply(now, move("spent", "out", "gone", 3)))
	require.ErrorAs(t, book.Apply(now, ledger.Reversal("late", "forth", paid.Legs)), &bound, "what was spent cannot be taken back")
}

// An expiry counts in whole microseconds, as stores keep it: a posting that comes again
// with its nanoseconds is the same one.
func TestAnExpiryIsCutToMicroseconds(t *testing.T) {
	var book ledger.Book
	require.NoError(t, book.Apply(now, issue("issue", "left", 1)))
	hold := move("hold", "left", "held", 1)
	hold.Kind, hold.Expires = ledger.Pending, now.Add(time.Second+999)
	require.NoError(t, book.Apply(now, hold))
	again := hold
	again.Expires = now.Add(time.Second)
	require.NoError(t, book.Apply(now, hold, again))
	again.Expires = now.Add(time.Second + time.Microsecond)
	var conflict *ledger.ConflictError
	require.ErrorAs(t, book.Apply(now, again), &conflict)
	require.Equal(t, int64(1), book.Balance("left").Out)
	require.NoError(t, book.Apply(now.Add(time.Second), move("take", "left", "held", 1)), "it holds nothing from that microsecond on")
	require.NoError(t, book.Apply(now.Add(time.Hour), hold), "the same again changes nothing, however late")
	late := hold
	late.ID = "late"
	var resolved *ledger.ResolvedError
	require.ErrorAs(t, book.Apply(now.Add(time.Second), late), &resolved, "and cannot begin then")
}

// model is the ledger as one would write it on paper.
type model struct {
	posted  map[ledger.Account]int64
	pending map[string]ledger.Posting
	made    map[string]ledger.Posting
	undone  map[string]bool
}

// reverses reports whether a posting undoes what was posted and not undone yet.
func (m *model) reverses(p ledger.Posting) bool {
	of, ok := m.made[p.Of]
	legs := of.Legs
	if of.Kind == ledger.Post {
		legs = m.made[of.Of].Legs
	}
	if !ok || m.undone[p.Of] || of.Kind == ledger.Pending || of.Kind == ledger.Void || len(legs) != len(p.Legs) {
		return false
	}
	for i, l := range legs {
		if l.Account != p.Legs[i].Account || l.Amount != -p.Legs[i].Amount || l.Bounds != p.Legs[i].Bounds {
			return false
		}
	}
	return true
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
		if p.Of != "" && !m.reverses(p) {
			return false
		}
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
		if p.Of != "" {
			m.undone[p.Of] = true
		}
	}
	m.made[p.ID] = p
	return true
}

// Random histories: the book does what the model does, and the bounds hold
// after every step.
func TestTheBookEqualsAModel(t *testing.T) {
	reversals := 0
	defer func() { require.NotZero(t, reversals) }()
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 7))
		var book ledger.Book
		m := &model{posted: map[ledger.Account]int64{}, pending: map[string]ledger.Posting{}, made: map[string]ledger.Posting{}, undone: map[string]bool{}}
		at := now
		start := issue("issue", "a", 20)
		require.NoError(t, book.Apply(at, start))
		require.True(t, m.apply(at, start))
		for step := range 200 {
			at = at.Add(time.Duration(r.IntN(3)) * time.Second)
			p := randomPosting(r, step, at)
			if r.IntN(4) == 0 { // reverse something, which may be anything
				of := fmt.Sprint("p", r.IntN(step+1))
				legs := m.made[of].Legs
				if m.made[of].Kind == ledger.Post {
					legs = m.made[m.made[of].Of].Legs
				}
				if len(legs) > 0 {
					p = ledger.Reversal(p.ID, of, legs)
				}
			}
			reversals += len(m.undone)
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
