package quota

// tally counts the seats of each household. A household never has more than
// the cap, which is at most 255. Pseudonyms are usually small numbers: then a
// byte for each is less than a map, and faster.
type tally struct {
	greatest uint32
	dense    []uint8
	sparse   map[uint32]uint8
}

// densePerEntry is how many bytes of counts there may be for each candidate.
const densePerEntry = 16

// note says that the household is one of those to be counted.
func (t *tally) note(household uint32) { t.greatest = max(t.greatest, household) }

// begin makes room for the households that were noted, of n candidates.
func (t *tally) begin(n int) {
	if int64(t.greatest) < densePerEntry*int64(n) {
		t.dense = make([]uint8, t.greatest+1)
		return
	}
	t.sparse = make(map[uint32]uint8, n/2)
}

// of is how many seats a household has; 0 for one that was not noted.
func (t *tally) of(household uint32) int {
	if t.dense == nil {
		return int(t.sparse[household])
	}
	if int64(household) >= int64(len(t.dense)) {
		return 0
	}
	return int(t.dense[household])
}

// add counts one more seat, and returns how many the household has.
func (t *tally) add(household uint32) int {
	if t.dense == nil {
		t.sparse[household]++
		return int(t.sparse[household])
	}
	t.dense[household]++
	return int(t.dense[household])
}
