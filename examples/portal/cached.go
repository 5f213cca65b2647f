package main

import (
	"sync"
	"time"
)

// cached keeps values that cost much for a time. Whoever asks while one is made waits for it:
// it is made once, however many ask.
type cached[K comparable, V any] struct {
	mu   sync.Mutex
	have map[K]*kept[V]
}

type kept[V any] struct {
	mu    sync.Mutex
	value V
	made  time.Time
}

// get returns the value of a key, made by produce if there is none or it is older than age.
func (c *cached[K, V]) get(key K, now time.Time, age time.Duration, produce func() (V, error)) (V, error) {
	c.mu.Lock()
	if c.have == nil {
		c.have = map[K]*kept[V]{}
	}
	k := c.have[key]
	if k == nil {
		k = &kept[V]{}
		c.have[key] = k
	}
	c.mu.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.made.IsZero() && now.Sub(k.made) < age && !now.Before(k.made) {
		return k.value, nil
	}
	v, err := produce()
	if err != nil {
		return k.value, err
	}
	k.value, k.made = v, now
	return v, nil
}
