package program

import (
	"errors"
	"iter"
)

// onward reads a sequence onwards, and anew when a job goes back.
type onward[V any] struct {
	each func() iter.Seq2[V, error]
	at   int64
	next func() (V, error, bool)
	stop func()
}

func (r *onward[V]) from(position int64, limit int) ([]V, error) {
	if r.next == nil || position != r.at {
		r.close()
		r.next, r.stop = iter.Pull2(r.each())
		for r.at = 0; r.at < position; r.at++ {
			if _, err, ok := r.next(); err != nil || !ok {
				return nil, errors.Join(err, errShort)
			}
		}
	}
	some := make([]V, 0, limit)
	for len(some) < limit {
		v, err, ok := r.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		some = append(some, v)
		r.at++
	}
	return some, nil
}

func (r *onward[V]) close() {
	if r.stop != nil {
		r.stop()
	}
	r.next, r.stop, r.at = nil, nil, 0
}
