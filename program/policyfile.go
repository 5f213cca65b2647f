package program

import (
	"context"

	"github.com/gelombang/gelombang/eligibility"
)

// Load reads a policy file that asks about these facts, and proves it: its cases come
// out as they say (eligibility.Load). Declare the facts first. The error lists every
// fault.
func (f *Facts[T]) Load(file []byte) (eligibility.Policy, error) {
	if _, err := eligibility.Load(f.Schema, file, nil); err != nil {
		return eligibility.Policy{}, err
	}
	return eligibility.ParsePolicy(file)
}

// Registrations are a Source in memory, for a file that is small enough to be read at
// once.
type Registrations[T any] []Registration[T]

// Next implements Source.
func (r Registrations[T]) Next(_ context.Context, done int64, limit int) ([]Registration[T], error) {
	from := min(done, int64(len(r)))
	return r[from:min(from+int64(limit), int64(len(r)))], nil
}
