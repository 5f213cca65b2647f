package iso20022

import (
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"time"
)

// peak is the most memory in use while work runs, beyond what was in use before, in
// bytes. The collector runs often, so that it is what is needed and not what is left.
func peak(b testing.TB, work func() error) uint64 {
	defer debug.SetGCPercent(debug.SetGCPercent(5))
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	var most atomic.Uint64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			if now.HeapAlloc > before.HeapAlloc {
				most.Store(max(most.Load(), now.HeapAlloc-before.HeapAlloc))
			}
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	err := work()
	close(stop)
	<-stopped
	if err != nil {
		b.Fatal(err)
	}
	return most.Load()
}
