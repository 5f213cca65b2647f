package quota

import (
	"crypto/md5" // RFC 3797 names it
	"encoding/binary"
	"slices"
)

// PickRFC3797 selects as RFC 3797, section 4, does: n of the numbers 1 to pool,
// from a key string such as "9319./2.5.8.10.12./9.18.26.34.41.45./". It is for
// small choices by hand, such as which auditors look at which pool. A draw does
// not use it: removing one number moves the others, and it is made with MD5.
// Errors: Faults for a pool of more than 65535 or n beyond the pool.
func PickRFC3797(key string, pool, n int) ([]int, error) {
	if pool < 0 || pool > 65535 || n < 0 || n > pool {
		return nil, Faults{{"pool", "must be 0 to 65535, and n at most that"}}
	}
	left := make([]int, pool)
	for i := range left {
		left[i] = i + 1
	}
	picked := make([]int, n)
	for i := range picked {
		var index [2]byte
		binary.BigEndian.PutUint16(index[:], uint16(i))
		sum := md5.Sum(slices.Concat(index[:], []byte(key), index[:]))
		at := 0
		for _, b := range sum {
			at = (at<<8 + int(b)) % len(left)
		}
		picked[i] = left[at]
		left = slices.Delete(left, at, at+1)
	}
	return picked, nil
}
