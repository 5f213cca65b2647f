package iso20022

import (
	"crypto/sha256"

	"github.com/gelombang/gelombang/payment"
)

// references remembers which references a file has had. One of payment.Reference costs
// a bit, as long as their numbers are close together, so that memory hardly grows
// with the file; any other text costs 16 bytes. Both are limited.
type references struct {
	pages  map[page]*[pageItems / 64]uint64
	last   page // the page of the last reference, which the next is mostly on
	bits   *[pageItems / 64]uint64
	others map[[16]byte]struct{}
}

type page struct {
	batch, items int64
	generation   int
}

const (
	pageItems = 1 << 15
	maxPages  = 4_096     // of 4 KiB
	maxOthers = 1_000_000 // about 40 MiB
)

// add reports whether a reference is new, and whether there is room for it.
func (r *references) add(s string) (isNew, fits bool) {
	batch, item, generation, err := payment.ParseReference(s)
	if err != nil {
		return r.addOther(s)
	}
	at := page{batch, item / pageItems, generation}
	if r.bits == nil || at != r.last {
		if !r.turn(at) {
			return true, false
		}
	}
	word, bit := item%pageItems/64, uint64(1)<<(item%64)
	isNew = r.bits[word]&bit == 0
	r.bits[word] |= bit
	return isNew, true
}

// turn opens a page.
func (r *references) turn(to page) bool {
	if r.pages == nil {
		r.pages = map[page]*[pageItems / 64]uint64{}
	}
	bits := r.pages[to]
	if bits == nil {
		if len(r.pages) == maxPages {
			return false
		}
		bits = new([pageItems / 64]uint64)
		r.pages[to] = bits
	}
	r.last, r.bits = to, bits
	return true
}

func (r *references) addOther(s string) (isNew, fits bool) {
	if r.others == nil {
		r.others = map[[16]byte]struct{}{}
	}
	digest := sha256.Sum256([]byte(s))
	key := [16]byte(digest[:16])
	if _, had := r.others[key]; had {
		return false, true
	}
	if len(r.others) == maxOthers {
		return true, false
	}
	r.others[key] = struct{}{}
	return true, true
}
