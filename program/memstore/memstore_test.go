package memstore_test

import (
	"testing"
	"time"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/memstore"
	"github.com/gelombang/gelombang/program/programtest"
)

func TestStore(t *testing.T) {
	programtest.TestStore(t, func(_ *testing.T, clock func() time.Time) program.Store { return memstore.NewAt(clock) })
}
