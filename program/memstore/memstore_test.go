package memstore_test

import (
	"testing"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/memstore"
	"github.com/gelombang/gelombang/program/programtest"
)

func TestStore(t *testing.T) {
	programtest.TestStore(t, func(*testing.T) program.Store { return memstore.New() })
}
