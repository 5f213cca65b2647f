package main

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/memstore"
)

// The demonstration program is one that the library takes.
func TestDefinition(t *testing.T) {
	p, err := definition()
	require.NoError(t, err)
	keys, err := program.NewLocalKeyring(make([]byte, 32), rand.Reader)
	require.NoError(t, err)
	_, err = program.NewEngine(p, memstore.New(), keys, program.Surroundings{Clock: time.Now, Random: rand.Reader}, nil)
	require.NoError(t, err)
	_, err = buildPlan(1, 400)
	require.NoError(t, err)
}
