package program

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/ledger"
)

// Call is one call of a partner who verifies something: who was asked, what for, about
// how many people, and what it costs. It has nothing personal.
type Call struct {
	// Source is who is asked: letters, digits and . _ -.
	Source string `json:"source"`
	// Purpose is what is asked for, such as the names of facts.
	Purpose string `json:"purpose"`
	// People is how many people the call is about.
	People int64 `json:"people"`
	// Cost is what the partner charges for it; zero if nothing.
	Cost payment.Money `json:"cost"`
}

// Posts are what counts a call in the ledger: in own/calls/SOURCE, own/called/SOURCE
// (people) and own/cost/SOURCE (minor units).
func (c Call) Posts() ([]Post, error) {
	if !recordName(c.Source, 40) || c.People < 0 || c.Cost.Units < 0 || c.Cost != (payment.Money{}) && c.Cost.Validate() != nil {
		return nil, &FieldError{"Call", "has a source of letters, digits and . _ -, and people and a cost of zero or more"}
	}
	var posts []Post
	for name, n := range map[string]int64{"calls": 1, "called": c.People, "cost": c.Cost.Units} {
		if n > 0 {
			total := ledger.Account("own/" + name)
			posts = append(posts, Post{From: total, To: total + "/" + ledger.Account(c.Source), Amount: n, Bounds: ledger.Free()})
		}
	}
	return posts, nil
}

// CountCall enters a call into the register, before it is made: what was asked and
// charged is known even if the process dies while it waits for the answer.
func (e *Engine[T]) CountCall(ctx context.Context, by By, c Call) error {
	if strings.TrimSpace(c.Purpose) == "" {
		return &FieldError{"Call.Purpose", "is missing"}
	}
	posts, err := c.Posts()
	if err != nil {
		return err
	}
	cmd := command{by, "call", c}
	if done, err := e.answered(ctx, cmd); done || err != nil {
		return err
	}
	sums := postings{}
	for _, p := range posts {
		if err := sums.own(p); err != nil {
			return err
		}
	}
	change := Change{Postings: sums.posting()}
	id, err := e.ids.next(e.clock())
	if err != nil {
		return err
	}
	change.Postings[0].ID = "call/" + id.String()
	_, err = e.carryOut(ctx, cmd, change, "called", c)
	return err
}

// Cost is what all calls of one source have cost.
type Cost struct {
	Source string
	Calls  int64
	People int64
	Units  int64 // minor units of the program's currency
}

// Costs adds up the calls of each source, in the order asked.
func (e *Engine[T]) Costs(ctx context.Context, sources ...string) ([]Cost, error) {
	accounts := make([]ledger.Account, 0, 3*len(sources))
	for _, s := range sources {
		accounts = append(accounts, ledger.Account("own/calls/"+s), ledger.Account("own/called/"+s), ledger.Account("own/cost/"+s))
	}
	all, err := e.Balances(ctx, accounts...)
	if err != nil {
		return nil, err
	}
	costs := make([]Cost, len(sources))
	for i, s := range sources {
		costs[i] = Cost{s, all[3*i], all[3*i+1], all[3*i+2]}
	}
	return costs, nil
}

// Called gives every call in the register to each, with when it was made and who made
// it, in the order of the journal.
func Called(ctx context.Context, store Store, each func(at time.Time, actor string, c Call) error) error {
	var after int64
	for {
		entries, err := store.Journal(ctx, after, 1000)
		if err != nil || len(entries) == 0 {
			return err
		}
		for _, entry := range entries {
			after = entry.Seq
			if entry.Kind != "called" {
				continue
			}
			var c Call
			if err := json.Unmarshal(entry.Data, &c); err != nil {
				return err
			}
			if err := each(entry.At, entry.Actor, c); err != nil {
				return err
			}
		}
	}
}
