package main

import (
	"sync/atomic"
	"time"
)

// clock is the wall clock, moved: a demonstration shows in a minute what takes months. A
// real service is given time.Now.
type clock struct {
	base  func() time.Time
	moved atomic.Int64 // nanoseconds
}

func (c *clock) now() time.Time { return c.base().Add(time.Duration(c.moved.Load())) }
