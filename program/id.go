package program

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// idMaker makes UUIDs of version 7 (RFC 9562, section 6.2, method 1): the time,
// a counter for ids of one millisecond, and random bits. Ids made one after
// another are in order, so that their rows arrive in the order of their keys.
type idMaker struct {
	random io.Reader

	mu      sync.Mutex
	ms      int64
	counter uint64 // 42 bits
}

const counterBits = 42

func (m *idMaker) next(now time.Time) (uuid.UUID, error) {
	var random [12]byte
	if _, err := io.ReadFull(m.random, random[:]); err != nil {
		return uuid.Nil, fmt.Errorf("program: randomness: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if ms := now.UnixMilli(); ms > m.ms {
		// The counter starts in its lower half, so that it has room.
		m.ms, m.counter = ms, binary.BigEndian.Uint64(random[:8])>>(64-counterBits+1)
	} else if m.counter++; m.counter >= 1<<counterBits {
		m.ms, m.counter = m.ms+1, 0
	}
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(m.ms)<<16|7<<12|m.counter>>30)
	binary.BigEndian.PutUint64(id[8:], 2<<62|m.counter&(1<<30-1)<<32|uint64(binary.BigEndian.Uint32(random[8:])))
	return id, nil
}

// shortID writes an id in 22 letters, digits, - and _, for names of accounts
// and for the journal.
func shortID(id uuid.UUID) string { return base64.RawURLEncoding.EncodeToString(id[:]) }

func sortedKeys[V any](m map[string]V) []string {
	if len(m) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(m))
}
