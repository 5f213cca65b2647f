package payment

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// plainMatch is the slow second way: a list searched from the front.
type plainMatch struct {
	all  []Expected
	outs map[int]*int // debits less credits
}

func (p *plainMatch) out(at int) *int {
	if p.outs == nil {
		p.outs = map[int]*int{}
	}
	if p.outs[at] == nil {
		n := 0
		switch e := p.all[at]; {
		case e.Twice:
			n = 2
		case (e.Debited || e.State == Settled) && !e.Credited:
			n = 1
		}
		p.outs[at] = &n
	}
	return p.outs[at]
}

func (p *plainMatch) match(line Line) (Class, int) {
	at := slices.IndexFunc(p.all, func(e Expected) bool { return e.Reference == line.Reference })
	if at < 0 && line.Theirs != "" {
		for i, e := range p.all { // the only one that has the reference
			switch {
			case e.Theirs != line.Theirs:
			case at >= 0:
				return Classify(line, nil), -1
			default:
				at = i
			}
		}
	}
	if at < 0 {
		return Classify(line, nil), -1
	}
	e := &p.all[at]
	out := p.out(at)
	class := Classify(line, &Found{e.State, e.Amount, e.Destination, e.Debited, e.Credited && *out == 0, *out > 1})
	switch {
	case class == Matched:
		e.State = Settled
	case class == ReturnedLine && e.State == Settled:
		e.State = Returned
	}
	if !line.Credit {
		e.Debited = true
		*out++
	} else if class != OrphanCredit {
		e.Credited = true
		*out = max(0, *out-1)
	}
	return class, at
}

func TestMatcherEqualsAPlainSearch(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	seen := map[Class]int{}
	for range 300 {
		all := randomExpected(r, 1+r.IntN(200))
		plain := &plainMatch{all: slices.Clone(all)}
		m, err := NewMatcher(IDR, slices.Values(all))
		require.NoError(t, err)
		for range 2 * len(all) {
			line := randomLine(r, all)
			wantClass, wantAt := plain.match(line)
			class, at := m.Match(line)
			require.Equal(t, wantClass, class)
			require.Equal(t, wantAt, at)
			seen[class]++
		}
		var want []int
		for i, e := range plain.all {
			if (e.State == Submitted || e.State == Accepted || e.State == Unknown) && !e.Debited {
				want = append(want, i)
			}
		}
		require.Equal(t, want, slices.Collect(m.Missing()))
	}
	for _, class := range []Class{Matched, ReturnedLine, WrongAmount, WrongAccount, Duplicate, OrphanDebit, OrphanCredit, RejectedButPaid} {
		require.Positive(t, seen[class], "control: %s was met", class)
	}
}

func randomExpected(r *rand.Rand, n int) []Expected {
	states := []State{Submitted, Submitted, Accepted, Unknown, Settled, Rejected, Returned, Approved}
	all := make([]Expected, n)
	for i := range all {
		reference, _ := Reference(int64(1+i%3), int64(1+i), 1+i%2)
		if r.IntN(10) == 0 {
			reference = fmt.Sprint("theirs-", i) // a reference that is not of this package
		}
		all[i] = Expected{Reference: reference, State: states[r.IntN(len(states))], Amount: Rupiah(int64(1 + r.IntN(3))), Destination: [32]byte{byte(r.IntN(3))}}
		if r.IntN(3) == 0 {
			all[i].Theirs = fmt.Sprint("T", i/(1+r.IntN(3))) // some have one together
		}
		if r.IntN(20) == 0 {
			all[i].Amount = Money{1, "USD"}
		}
		if r.IntN(10) == 0 {
			all[i].Debited, all[i].Twice = true, r.IntN(2) == 0
		}
	}
	return all
}

func randomLine(r *rand.Rand, all []Expected) Line {
	e := all[r.IntN(len(all))]
	line := Line{Reference: e.Reference, Credit: r.IntN(3) == 0, Amount: e.Amount, Destination: e.Destination}
	switch r.IntN(8) {
	case 0:
		line.Amount = Rupiah(int64(1 + r.IntN(3)))
	case 1:
		line.Destination = [32]byte{byte(r.IntN(3))}
	case 2:
		line.Reference, line.Theirs = "lost", e.Theirs
	case 3:
		line.Reference = fmt.Sprint("nobody's ", r.IntN(9))
	}
	if line.Amount.Currency != IDR {
		line.Amount.Currency = IDR // an account's statement is in its currency
	}
	return line
}

func TestProposalsAreForAPerson(t *testing.T) {
	one, _ := Reference(1, 1, 1)
	two, _ := Reference(1, 2, 1)
	m, err := NewMatcher(IDR, slices.Values([]Expected{
		{Reference: one, State: Submitted, Amount: Rupiah(5), Destination: [32]byte{1}},
		{Reference: two, State: Submitted, Amount: Rupiah(5), Destination: [32]byte{2}},
	}))
	require.NoError(t, err)
	orphan := Line{Reference: "garbled", Amount: Rupiah(5), Destination: [32]byte{2}}
	class, at := m.Match(orphan)
	require.Equal(t, OrphanDebit, class)
	require.Equal(t, -1, at)
	require.Equal(t, []int{1}, slices.Collect(m.Propose(orphan)))
	require.Equal(t, []int{0, 1}, slices.Collect(m.Missing()), "a proposal matches nothing")
	_, err = NewMatcher(IDR, slices.Values([]Expected{{Reference: one}, {Reference: one}}))
	require.Error(t, err)
}

// BenchmarkReconcile1M: a million payments against a million lines in another order.
func BenchmarkReconcile1M(b *testing.B) {
	const n = 1_000_000
	references := make([]string, n)
	for i := range references {
		references[i], _ = Reference(int64(1+i/10_000), int64(1+i%10_000), 1)
	}
	expected := func(yield func(Expected) bool) {
		for i, reference := range references {
			if !yield(Expected{Reference: reference, State: Submitted, Amount: Rupiah(600_000), Destination: [32]byte{byte(i)}}) {
				return
			}
		}
	}
	b.ReportAllocs() // B/op is all that the matcher needs
	for b.Loop() {
		m, err := NewMatcher(IDR, expected)
		if err != nil {
			b.Fatal(err)
		}
		matched := 0
		for i := range n {
			at := i * 7919 % n
			if class, _ := m.Match(Line{Reference: references[at], Amount: Rupiah(600_000), Destination: [32]byte{byte(at)}}); class == Matched {
				matched++
			}
		}
		if matched != n {
			b.Fatal(matched)
		}
	}
}
