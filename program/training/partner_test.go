package training_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program/training"
)

// Control passes through holdings of holdings, split shares and circles; a small share
// controls nobody.
func TestConflicts(t *testing.T) {
	for name, c := range map[string]struct {
		stakes []training.Stake
		owners []string
	}{
		"strangers":           {nil, nil},
		"platform owns":       {[]training.Stake{{Owner: "p", Owned: "i", PerMille: 250}}, []string{"p"}},
		"a small share":       {[]training.Stake{{Owner: "p", Owned: "i", PerMille: 249}}, nil},
		"institution owns":    {[]training.Stake{{Owner: "i", Owned: "p", PerMille: 1000}}, []string{"i"}},
		"a holding owns both": {[]training.Stake{{Owner: "h", Owned: "i", PerMille: 300}, {Owner: "h", Owned: "p", PerMille: 300}}, []string{"h"}},
		"through a daughter":  {[]training.Stake{{Owner: "p", Owned: "d", PerMille: 600}, {Owner: "d", Owned: "i", PerMille: 300}}, []string{"p"}},
		"split over two":      {[]training.Stake{{Owner: "p", Owned: "d", PerMille: 600}, {Owner: "d", Owned: "i", PerMille: 150}, {Owner: "p", Owned: "i", PerMille: 100}}, []string{"p"}},
		"a circle":            {[]training.Stake{{Owner: "a", Owned: "b", PerMille: 600}, {Owner: "b", Owned: "a", PerMille: 600}, {Owner: "a", Owned: "p", PerMille: 300}, {Owner: "b", Owned: "i", PerMille: 300}}, []string{"a", "b"}},
		"two owners":          {[]training.Stake{{Owner: "x", Owned: "p", PerMille: 500}, {Owner: "y", Owned: "i", PerMille: 500}}, nil},
	} {
		var owners []string
		for _, conflict := range training.Conflicts(c.stakes, 250, "p", "i") {
			owners = append(owners, conflict.Owner)
		}
		require.Equal(t, c.owners, owners, name)
	}
}

// Whom somebody controls is the smallest set that is closed under ownership: all sets are
// tried.
func TestControlIsTheSmallestClosedSet(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 4))
	names := []string{"p", "i", "x", "y", "z"}
	for range 2000 {
		var stakes []training.Stake
		for range random.IntN(8) {
			s := training.Stake{Owner: names[random.IntN(5)], Owned: names[random.IntN(5)], PerMille: 1 + random.IntN(500)}
			if s.Owner != s.Owned {
				stakes = append(stakes, s)
			}
		}
		var want []string
		for o, owner := range names {
			least := 1<<5 - 1
			for set := range 1 << 5 {
				if set>>o&1 == 1 && closed(names, stakes, set) {
					least &= set
				}
			}
			used := owner == "p" || owner == "i"
			for _, s := range stakes {
				used = used || s.Owner == owner
			}
			if used && least&3 == 3 {
				want = append(want, owner)
			}
		}
		var got []string
		for _, c := range training.Conflicts(stakes, 400, "p", "i") {
			got = append(got, c.Owner)
		}
		require.ElementsMatch(t, want, got, "%v", stakes)
	}
}

func closed(names []string, stakes []training.Stake, set int) bool {
	for n, name := range names {
		sum := 0
		for _, s := range stakes {
			for o, owner := range names {
				if s.Owned == name && s.Owner == owner && set>>o&1 == 1 {
					sum += s.PerMille
				}
			}
		}
		if sum >= 400 && set>>n&1 == 0 {
			return false
		}
	}
	return true
}
