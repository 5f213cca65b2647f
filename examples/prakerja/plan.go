package main

import (
	"fmt"

	"github.com/gelombang/gelombang/quota"
)

const (
	nation        = "id"       // the pool of the nation
	affectedGroup = "affected" // the reserve for affected workers
	// affectedPercent of every wave is for affected workers: 640,000 of the
	// 800,000 seats of wave 4.
	affectedPercent = 80
	mostSeats       = 1 << 40 // what package quota can count
)

// buildPlan divides the seats of a wave over the 514 regencies: first over the
// provinces of 2020 by their people, then inside each over its regencies by
// their villages, both by Webster's method, which favours neither large nor small.
// The real formula is not public: these weights are an illustration.
//
// In every regency about 80% of the seats are set aside for affected workers,
// and over the nation exactly 80%, a fraction of a seat going to everybody.
//
// Reserved seats are offered first. The rule of the wave is 80% for affected
// workers and 20% for everybody: had affected workers of a high rank taken open
// seats first, little of the 20% would have been left for the others. What the
// affected leave unfilled is open to everybody in the same regency, then in the
// province, then in the nation. Those two pools have no seats of their own.
func buildPlan(seats int64, g *geography) (*quota.Plan, error) {
	if seats < 1 || seats > mostSeats {
		return nil, fmt.Errorf("a plan needs 1 to %d seats, and %d were asked for", int64(mostSeats), seats)
	}
	all, err := g.divide(seats,
		func(p int) quota.Share { return quota.Share{Weight: g.Provinces[p].People} },
		func(r int) quota.Share { return quota.Share{Weight: g.Regencies[r].Villages} })
	if err != nil {
		return nil, err
	}
	// A place has at most as many reserved seats as it has seats. A Max of 0
	// means no limit, but a weight of 0 gets no seat anyhow.
	inProvince := make([]int64, len(g.Provinces))
	for i, r := range g.Regencies {
		inProvince[r.Province] += all[i]
	}
	affected, err := g.divide(seats/100*affectedPercent+seats%100*affectedPercent/100,
		func(p int) quota.Share { return quota.Share{Weight: inProvince[p], Max: inProvince[p]} },
		func(r int) quota.Share { return quota.Share{Weight: all[r], Max: all[r]} })
	if err != nil {
		return nil, err
	}
	plan := &quota.Plan{
		Name:         "prakerja-4",
		Groups:       []quota.Group{{Code: affectedGroup, Meaning: quota.ForPublic, Public: "Workers affected by the pandemic, on the list of the Ministry of Manpower"}},
		Order:        quota.ReservedFirst,
		HouseholdCap: 2,
		Ticket:       quota.PerPerson,
		Tiers:        1,
		// A tenth of the seats of a regency of middling size.
		Waiting: max(5, seats/int64(len(g.Regencies))/10),
		Pools:   g.pools(all, affected),
	}
	return plan, plan.Validate()
}

func (g *geography) pools(all, affected []int64) []quota.Pool {
	pools := []quota.Pool{{ID: nation}}
	for _, p := range g.Provinces {
		pools = append(pools, quota.Pool{ID: p.Code, Parent: nation})
	}
	for i, r := range g.Regencies {
		home := g.Provinces[r.Province].Code
		pools = append(pools, quota.Pool{
			ID: r.Code, Parent: home, Seats: all[i], Spill: []string{home, nation},
			Reserves: []quota.Reserve{{Group: affectedGroup, Seats: affected[i], Kind: quota.SetAside, Unfilled: quota.ToOpen}},
		})
	}
	return pools
}

// divide gives seats to provinces, and the seats of each province to its
// regencies, where the shares say by what weight. Of equal claims the smaller
// code is served first. The answer has the order of g.Regencies.
func (g *geography) divide(seats int64, ofProvince, ofRegency func(int) quota.Share) ([]int64, error) {
	options := &quota.ApportionOptions{Tie: quota.TieRule{ByKey: true}}
	shares := make([]quota.Share, len(g.Provinces))
	for i, p := range g.Provinces {
		shares[i] = ofProvince(i)
		shares[i].Key = p.Code
	}
	byProvince, err := quota.Apportion(seats, shares, options)
	if err != nil {
		return nil, fmt.Errorf("seats of the provinces: %w", err)
	}
	inside := make([][]int, len(g.Provinces))
	for i, r := range g.Regencies {
		inside[r.Province] = append(inside[r.Province], i)
	}
	got := make([]int64, len(g.Regencies))
	for p, members := range inside {
		shares = shares[:0]
		for _, r := range members {
			share := ofRegency(r)
			share.Key = g.Regencies[r].Code
			shares = append(shares, share)
		}
		some, err := quota.Apportion(byProvince[p], shares, options)
		if err != nil {
			return nil, fmt.Errorf("seats of the regencies of %s: %w", g.Provinces[p].Name, err)
		}
		for j, r := range members {
			got[r] = some[j]
		}
	}
	return got, nil
}
