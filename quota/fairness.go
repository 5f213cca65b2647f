package quota

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Chance is the probability that one person of a cell gets a seat: of those who
// share home pool, tier and groups. Without a household cap the lottery treats
// them alike. With one, those who have a household have less than those who have
// none, or whose household is alone: the cell's probability is their mean.
type Chance struct {
	Pool   int32
	Tier   uint16
	Groups uint32
	People int64
	// Seats over Of is the probability: exact, or seen in the simulation.
	Seats, Of int64
	// Exact says that the plan has a closed form here. Otherwise Error is the
	// half-width, in millionths, around Seats/Of in which the cell's mean
	// probability lies, in 99 of 100 reports (Hoeffding's inequality).
	Exact bool
	Error int64
}

// Millionths is the probability, rounded down; 0 where Seats over Of is none.
func (c Chance) Millionths() int64 {
	if c.Of <= 0 || c.Seats < 0 || c.Seats > c.Of {
		return 0
	}
	hi, lo := bits.Mul64(uint64(c.Seats), 1_000_000)
	millionths, _ := bits.Div64(hi, lo, uint64(c.Of))
	return int64(millionths)
}

// Fairness reports everybody's chance, by cell, before anyone draws. Where a
// pool has neither reserves nor a household cap, and nothing spills to it, the
// chance is exact: seats over people, tier by tier. Elsewhere it is counted in
// so many draws under keys that are made from seed and are not those of the
// draw. Errors: Faults for a plan that is not a lottery, a roll of another plan, or no
// draws, or more than a million.
func Fairness(p *Plan, r *Roll, draws int, seed []byte) ([]Chance, error) {
	var f Faults
	if p.Key != "" && p.Key != Lottery {
		f.add("plan.key", "is not a lottery: who has which score decides, not chance")
	}
	if plan, err := p.Digest(); err != nil || plan != r.marks.plan {
		f.add("roll", "was made for another plan")
	}
	if draws < 1 || draws > 1_000_000 {
		f.add("draws", "must be 1 to 1000000")
	}
	if len(f) > 0 {
		return nil, f
	}
	type cell struct {
		pool   int32
		tier   uint16
		groups uint32
	}
	of := func(c *Candidate) cell { return cell{c.Pool, c.Tier, c.Groups} }
	places := map[cell]int{}
	var chances []Chance
	tiers := make([]map[uint16]int64, len(p.Pools))
	for i := range r.candidates {
		c := &r.candidates[i]
		at, seen := places[of(c)]
		if !seen {
			at = len(chances)
			places[of(c)] = at
			chances = append(chances, Chance{Pool: c.Pool, Tier: c.Tier, Groups: c.Groups})
		}
		chances[at].People++
		if tiers[c.Pool] == nil {
			tiers[c.Pool] = map[uint16]int64{}
		}
		tiers[c.Pool][c.Tier]++
	}
	simulated, closed := false, p.closed()
	for i := range chances {
		c := &chances[i]
		if c.Exact = closed[c.Pool]; !c.Exact {
			c.Of, c.Error = c.People*int64(draws), root(2_649_200_000_000/int64(draws))
			simulated = true
			continue
		}
		left := p.Pools[c.Pool].Seats
		for tier := range c.Tier {
			left -= min(left, tiers[c.Pool][tier])
		}
		c.Of = tiers[c.Pool][c.Tier]
		c.Seats = min(left, c.Of)
	}
	for draw := range draws {
		if !simulated {
			break
		}
		result := Select(p, r, NewKeys(seed, binary.BigEndian.AppendUint64([]byte("fairness"), uint64(draw))))
		for i := range result.draw.kept {
			e := &result.draw.kept[i]
			if c := &chances[places[of(&r.candidates[e.at])]]; e.outcome().Accepted() && !c.Exact {
				c.Seats++
			}
		}
	}
	return chances, nil
}

// closed says for each pool whether its chances have the closed form.
func (p *Plan) closed() []bool {
	all := make([]bool, len(p.Pools))
	if p.HouseholdCap > 0 || p.Ticket == PerHousehold {
		return all
	}
	spilled, parent := map[string]bool{}, map[string]string{}
	for i := range p.Pools {
		parent[p.Pools[i].ID] = p.Pools[i].Parent
		for _, to := range p.Pools[i].Spill {
			spilled[to] = true
		}
	}
	for i := range p.Pools {
		all[i] = len(p.Pools[i].Reserves) == 0
		for at := p.Pools[i].ID; at != ""; at = parent[at] {
			all[i] = all[i] && !spilled[at]
		}
	}
	return all
}

// MonotoneError says that a share has fewer seats when there is one more to
// divide.
type MonotoneError struct {
	Key   string
	Seats int64
}

func (e *MonotoneError) Error() string {
	return fmt.Sprintf("quota: %s has fewer of %d seats than of one fewer", e.Key, e.Seats)
}

// Monotone checks that a larger quota never takes a seat from a pool: that no
// share has fewer seats of each total up to most than of one fewer, from least
// on. Errors: *MonotoneError, and those of Apportion.
func Monotone(least, most int64, shares []Share, opts *ApportionOptions) error {
	var before []int64
	for seats := least; seats <= most; seats++ {
		got, err := Apportion(seats, shares, opts)
		if err != nil {
			return err
		}
		for i := range before {
			if got[i] < before[i] {
				return &MonotoneError{shares[i].Key, seats}
			}
		}
		before = got
	}
	return nil
}
