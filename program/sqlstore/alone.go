package sqlstore

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/ledger"
)

// alone carries out changes that only make new postings, with one statement that is its
// own transaction: seats that are given as people come. It says whether they all fit.
// If one of them does not, nothing was written, and somebody has to look which.
func (s *Store) alone(ctx context.Context, changes []program.Change) (bool, error) {
	var postings []program.Row
	var moves []ledger.Movement
	after, before := int64(math.MinInt64), int64(math.MaxInt64)
	for i := range changes {
		c := &changes[i]
		if !onlyNew(c) {
			return false, nil
		}
		// A little less than what CheckClock allows: it cuts what is below a microsecond.
		after = max(after, c.At.Add(-program.ClockTolerance).UnixMicro()+1)
		before = min(before, c.At.Add(program.ClockTolerance).UnixMicro()-1)
		for _, p := range c.Postings {
			if p.Validate() != nil {
				return false, nil
			}
			if !p.Expires.IsZero() {
				before = min(before, p.Expires.UnixMicro()-1)
			}
			postings = append(postings, postingRow(c.At, p))
			moves = append(moves, p.Movements(nil)...)
		}
	}
	all, ok := demands(moves)
	if !ok || len(postings) == 0 {
		return false, nil
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	fits, err := s.dialect.postAlone(context.WithoutCancel(ctx), s, after, before, postings, all)
	if certain(err) {
		return false, nil
	}
	return fits, err
}

// certain reports whether the server itself says that a statement has failed: then nothing of
// it was kept. Of a connection that ends (08, 57) nobody knows.
func certain(err error) bool {
	var coded interface{ SQLState() string }
	return errors.As(err, &coded) && !strings.HasPrefix(coded.SQLState(), "08") && !strings.HasPrefix(coded.SQLState(), "57")
}

// onlyNew reports whether a change only makes postings that are about no other.
func onlyNew(c *program.Change) bool {
	return c.Key == "" && c.Entry == nil && len(c.Rows)+len(c.Expect) == 0 &&
		!slices.ContainsFunc(c.Postings, func(p ledger.Posting) bool { return p.Of != "" })
}
