package quota

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
)

// Plan says how many seats there are, for whom, and what becomes of those that
// nobody takes. It is data: the same plan as JSON is part of every proof.
type Plan struct {
	// Name identifies the plan, such as "prakerja-4".
	Name string `json:"name"`
	// Groups are the groups that reserves are for, at most 32. Their order is
	// the order of the bits in Candidate.Groups.
	Groups []Group `json:"groups,omitempty"`
	// Order says which seats a candidate who could have either takes. There is
	// no default: it must be given when any pool has a set-aside.
	Order Order `json:"order,omitempty"`
	// HouseholdCap is how many seats one household may hold, at most 255,
	// counting those that it holds already. 0 means no cap.
	HouseholdCap int `json:"household_cap,omitempty"`
	// Limits names the program's limits that the plan must respect, such as
	// "two-per-household", at most 100. A draw itself respects HouseholdCap; the
	// program's engine holds a plan against the limits that it names.
	Limits []string `json:"limits,omitempty"`
	// Ticket says who has one place in the order: each person, or each household,
	// whose members then stand next to each other. The latter needs a HouseholdCap:
	// with 1, each household has one chance; with 2, two of its members are drawn
	// together.
	Ticket Ticket `json:"ticket"`
	// Tiers is the number of tiers, at least 1. Everybody of tier 0 comes before
	// anybody of tier 1, and so on.
	Tiers int `json:"tiers"`
	// Key says what orders the candidates of one tier. Empty is a lottery.
	Key Key `json:"key,omitempty"`
	// Counting says for how many guarantees one person counts. Empty is one.
	Counting Counting `json:"counting,omitempty"`
	// Waiting is how many candidates of each pool may wait for a returned seat, and
	// how many of each group that has a reserve in the pool or above it may wait
	// for one of its seats.
	Waiting int64 `json:"waiting,omitempty"`
	// SmallestCell is how many people at least must share pool and groups in the
	// roll, which is public. 0 and 1 allow every cell.
	SmallestCell int `json:"smallest_cell,omitempty"`
	// SmallCells says what becomes of a smaller cell. Empty is refuse.
	SmallCells SmallCells `json:"small_cells,omitempty"`
	// Witnesses is how many people or offices outside the agency must have signed
	// the manifest before the seed is due, at most 100. 0 demands none: then
	// nothing in the proof shows that the roll was there before the seed.
	Witnesses int `json:"witnesses,omitempty"`
	// Pools are the pools of seats. They form one or more trees.
	Pools []Pool `json:"pools"`
}

// Group is a group of people with reserved seats, under an opaque code.
type Group struct {
	Code string `json:"code"`
	// Meaning says to whom the meaning of the code is told.
	Meaning Audience `json:"meaning"`
	// Public is that meaning, only where Meaning is ForPublic.
	Public string `json:"public,omitempty"`
	// Within names the group that has all members of this one, if there is
	// such a group: in the roll, whoever is in this group is in that one too.
	Within string `json:"within,omitempty"`
}

// Pool is a bounded set of seats. Candidates have one home pool.
type Pool struct {
	ID     string `json:"id"`
	Parent string `json:"parent,omitempty"`
	// Seats counts all seats of the pool itself, reserved ones included and
	// those of its children not.
	Seats    int64     `json:"seats"`
	Reserves []Reserve `json:"reserves,omitempty"`
	// Spill names the pools to which unfilled seats move, one after another,
	// typically the province and then the nation. Empty means keep.
	Spill []string `json:"spill,omitempty"`
}

// Reserve is a number of seats of one pool for one group.
type Reserve struct {
	Group string `json:"group"`
	Seats int64  `json:"seats"`
	Kind  Kind   `json:"kind"`
	// Unfilled says what becomes of set-aside seats that nobody of the group
	// takes. It must be given for a set-aside, and not for a guarantee.
	Unfilled Unfilled `json:"unfilled,omitempty"`
}

// Key is what orders the candidates of one tier.
type Key string

const (
	// Lottery is the keyed hash of the label alone.
	Lottery Key = "lottery"
	// Score puts the higher Candidate.Number first; the lottery decides among
	// equal ones.
	Score Key = "score"
	// Arrival puts the lower Candidate.Number first; the lottery decides among
	// equal ones.
	Arrival Key = "arrival"
)

// Counting says for how many guarantees one person counts.
type Counting string

const (
	// CountOnce counts a person for one guarantee, whatever their groups.
	CountOnce Counting = "once"
	// CountAll counts a person for the guarantees of all their groups. It is
	// allowed only where groups nest: with each group of a person all others
	// are Within it or around it.
	CountAll Counting = "all"
)

// Order is the order in which seats are offered to a candidate who could
// have either.
type Order string

const (
	// OpenFirst offers open seats first: group members who rank high leave the
	// reserve to others of the group.
	OpenFirst Order = "open-first"
	// ReservedFirst offers reserved seats first.
	ReservedFirst Order = "reserved-first"
)

// Ticket says who has one place in the lottery.
type Ticket string

const (
	PerPerson    Ticket = "person"
	PerHousehold Ticket = "household"
)

// Audience says to whom the meaning of a group code is told.
type Audience string

const (
	ForPublic   Audience = "public"
	ForAuditors Audience = "auditors"
)

// SmallCells is what becomes of a cell of pool and groups that is too small to
// publish.
type SmallCells string

const (
	// RefuseSmall refuses a roll that has one.
	RefuseSmall SmallCells = "refuse"
	// MergeSmall lets NewRoll take groups off the lines of a pool that has one:
	// those without a reserve in the pool or above it, which decide nothing
	// there. If a cell is still too small, the roll is refused: groups with
	// reserves cannot be merged without taking seats from somebody.
	MergeSmall SmallCells = "merge"
)

// Kind is what a reserve promises.
type Kind string

const (
	// Guarantee promises that at least so many seats go to the group, if it has
	// the candidates and no household cap keeps them out. Each person counts for one
	// guarantee only, or with CountAll for all of their groups'.
	Guarantee Kind = "guarantee"
	// SetAside keeps seats that only the group may take. Of several that are for a
	// candidate, the first in the plan's order is charged, also where that leaves
	// another unfilled.
	SetAside Kind = "set-aside"
)

// Unfilled is what becomes of set-aside seats that nobody of the group takes.
type Unfilled string

const (
	// Keep leaves them unfilled.
	Keep Unfilled = "keep"
	// ToOpen makes them open seats of the same pool; if nobody takes them
	// there, they spill with its open seats.
	ToOpen Unfilled = "open"
	// ToSpill moves them along the spill list at once, as open seats.
	ToSpill Unfilled = "spill"
)

// Digest is a SHA-256 sum. As text it is 64 lower-case hexadecimal digits.
type Digest [32]byte

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText and UnmarshalText make a digest hexadecimal in JSON.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func (d *Digest) UnmarshalText(text []byte) error { return decodeHex(d[:], text) }

// ParsePlan reads a plan from JSON. It refuses unknown fields and anything
// after the plan, and validates. Errors: Faults, or what encoding/json says.
func ParsePlan(data []byte) (*Plan, error) {
	p := new(Plan)
	if err := parseJSON(data, p); err != nil {
		return nil, fmt.Errorf("quota: plan: %w", err)
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return p, nil
}

// Encode returns the canonical JSON of the plan, which is what its digest
// covers: fields in the order of the Go type, two spaces of indent, and a
// final newline.
func (p *Plan) Encode() ([]byte, error) { return encodeJSON(p) }

// Digest is the SHA-256 of the canonical JSON.
func (p *Plan) Digest() (Digest, error) {
	data, err := p.Encode()
	return sha256.Sum256(data), err
}

func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}

func parseJSON(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("data after the value")
	}
	return nil
}

// decodeHex reads exactly len(dst) bytes of lower-case hexadecimal.
func decodeHex(dst, text []byte) error {
	if len(text) != 2*len(dst) {
		return fmt.Errorf("want %d hexadecimal digits, have %d", 2*len(dst), len(text))
	}
	for i := range dst {
		hi, lo := hexDigit(text[2*i]), hexDigit(text[2*i+1])
		if hi > 15 || lo > 15 {
			return fmt.Errorf("not lower-case hexadecimal")
		}
		dst[i] = hi<<4 | lo
	}
	return nil
}

func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}
