package quota

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"time"
)

// EntropyFloor is the least entropy of a seed, in bits.
const EntropyFloor = 128

// Source names the public randomness before it exists. Exactly one of Beacon
// and Witnessed is given.
type Source struct {
	Beacon    *Beacon  `json:"beacon,omitempty"`
	Witnessed []Drawer `json:"witnessed,omitempty"`
	// Fallback is what speaks if the source itself fails. Without one, a source
	// that failed needs a new draw with its own manifest.
	Fallback *Fallback `json:"fallback,omitempty"`
}

// Fallback is a second source, named in advance together with the condition
// under which it counts. That the condition was met, Seed.Fallback claims and
// anyone can look up; nothing in a proof can show it.
type Fallback struct {
	Condition Condition `json:"condition"`
	// Until is how long the source has to speak, in UTC and whole seconds, not
	// before Manifest.Due.
	Until time.Time `json:"until"`
	// Beacon is another beacon, or a later round of the same one. It must speak
	// after Until: of a chain whose rhythm is known (Beacon.Time) that is checked.
	Beacon Beacon `json:"beacon"`
}

// Condition is what must have happened for a fallback to count.
type Condition string

// NotPublished: the source gave nothing until Fallback.Until. It is the only
// condition: one that the agency could bring about would be a second chance. So
// only a beacon can have a fallback: numbers that are read for the agency, it
// could keep back.
const NotPublished Condition = "not-published"

// Beacon is one future round of a public randomness beacon, such as drand.
type Beacon struct {
	Name string `json:"name"`
	// Chain is what identifies the beacon's key, such as drand's chain hash.
	Chain string `json:"chain"`
	Round uint64 `json:"round"`
}

// Time is when the round is published, if the chain is one whose rhythm is known
// here: quicknet and the default chain of the League of Entropy, by their chain
// hashes. https://docs.drand.love has their parameters. A manifest whose round
// speaks before it should is refused; of another chain, nobody here can tell.
func (b *Beacon) Time() (at time.Time, known bool) {
	genesis, period := b.rhythm()
	if period == 0 || b.Round == 0 || b.Round > maxRound {
		return time.Time{}, false
	}
	return time.Unix(genesis+int64(b.Round-1)*period, 0).UTC(), true
}

// rhythm is when round 1 was, and how far rounds are apart, in seconds of Unix
// time. A period of 0 is not known.
func (b *Beacon) rhythm() (genesis, period int64) {
	switch b.Chain {
	case "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971": // quicknet
		return 1692803367, 3
	case "8990e7a9aaed2ffed73dbd7092123d6f289930540d7651336225dc172e51b2ce": // default
		return 1595431050, 30
	}
	return 0, 0
}

// maxRound is some 100,000 years away.
const maxRound = 1 << 40

// Drawer is one source of numbers that witnesses read and type: a lottery, a
// number of dice.
type Drawer struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
	// Low and High bound each number, both included.
	Low  uint32 `json:"low"`
	High uint32 `json:"high"`
	// Ordered keeps the order in which the numbers fell, and allows equal ones
	// (dice). Otherwise they are distinct, and sorted (lottery balls).
	Ordered bool `json:"ordered"`
	// Bits is the stated entropy. It cannot be more than Count such numbers can
	// have; whether they really have it is for the witnesses to judge.
	Bits int `json:"bits"`
}

// Seed is what the source gave. It is written when the draw is due.
type Seed struct {
	// Manifest is the digest of the manifest that named the source.
	Manifest Digest `json:"manifest"`
	// Beacon is the randomness of the round in lower-case hexadecimal, at least
	// 16 bytes.
	Beacon string `json:"beacon,omitempty"`
	// Signature of a drand round in hexadecimal: Beacon is its SHA-256, which is
	// checked. The signature itself is not checked here: it needs pairings on
	// BLS12-381. The program examples/verifydraw does it.
	Signature string `json:"signature,omitempty"`
	// Previous is the signature of the round before, in a chain that has it in
	// what it signs.
	Previous string `json:"previous,omitempty"`
	// Witnessed are the numbers, one reading for each Drawer, in that order.
	Witnessed []Reading `json:"witnessed,omitempty"`
	// Fallback says that the source failed as Source.Fallback says, and that this
	// is what the beacon of the fallback gave.
	Fallback bool `json:"fallback,omitempty"`
	// Code is the one-time code whose SHA-256 the manifest gives, 32 bytes in
	// lower-case hexadecimal.
	Code string `json:"code,omitempty"`
}

// Reading is the numbers of one Drawer, as they fell.
type Reading struct {
	Numbers []uint32 `json:"numbers"`
	// Witnesses says who read them: names of offices or roles, as published.
	Witnesses []string `json:"witnesses"`
}

// ParseSeed reads seed.json. It refuses unknown fields. Whether the seed is
// that of a manifest, Draw checks.
func ParseSeed(data []byte) (*Seed, error) {
	s := new(Seed)
	if err := parseJSON(data, s); err != nil {
		return nil, fmt.Errorf("quota: seed: %w", err)
	}
	return s, nil
}

// Encode returns the canonical JSON, as Plan.Encode does.
func (s *Seed) Encode() ([]byte, error) { return encodeJSON(s) }

func (s *Source) check(f *Faults) {
	if (s.Beacon != nil) == (len(s.Witnessed) > 0) {
		f.add("source", "must have a beacon or witnessed numbers, and not both")
	}
	if s.Beacon != nil {
		s.Beacon.check(f, "source.beacon")
	}
	s.checkFallback(f)
	if s.Beacon != nil || len(s.Witnessed) == 0 {
		return
	}
	total := 0
	for i, d := range s.Witnessed {
		field := fmt.Sprintf("source.witnessed[%d]", i)
		if rule := d.fault(); rule != "" {
			f.add(field, rule)
			continue
		}
		total += d.Bits
	}
	if total < EntropyFloor {
		f.add("source.witnessed", fmt.Sprintf("%d bits of stated entropy, the floor is %d", total, EntropyFloor))
	}
}

func (d Drawer) fault() string {
	switch {
	case !validID(d.Name):
		return "name " + idRule
	case d.Count < 1 || d.Count > 1000:
		return "count must be 1 to 1000"
	case d.High < d.Low:
		return "high is below low"
	case d.Bits < 0 || d.Bits > 32000:
		return "bits must be 0 to 32000"
	case d.outcomes().BitLen() <= d.Bits:
		return "states more bits than such numbers can have"
	}
	return ""
}

func (b *Beacon) check(f *Faults, field string) {
	if !validID(b.Name) || !validID(b.Chain) || b.Round == 0 {
		f.add(field, "needs name, chain and round")
	}
	if _, period := b.rhythm(); period > 0 && b.Round > maxRound {
		f.add(field+".round", "is more than 2^40")
	}
}

func (s *Source) checkFallback(f *Faults) {
	b := s.Fallback
	if b == nil {
		return
	}
	if b.Condition != NotPublished {
		f.add("source.fallback.condition", "must be not-published")
	}
	if !wholeUTC(b.Until) {
		f.add("source.fallback.until", "must be given, in UTC and whole seconds")
	}
	b.Beacon.check(f, "source.fallback.beacon")
	if s.Beacon == nil {
		f.add("source.fallback", "only where the source is a beacon: witnessed numbers the agency could keep back, and so choose between two seeds")
	}
	if s.Beacon != nil && s.Beacon.Chain == b.Beacon.Chain && b.Beacon.Round <= s.Beacon.Round {
		f.add("source.fallback.beacon", "must be another beacon or a later round")
	}
}

// Spoke returns the beacon that the seed is of: that of the source, or of its
// fallback where the seed says so. nil is witnessed numbers.
func (s *Source) Spoke(seed *Seed) *Beacon {
	if seed.Fallback && s.Fallback != nil {
		return &s.Fallback.Beacon
	}
	return s.Beacon
}

// outcomes is how many different results there can be; n bits need 2^n.
func (d Drawer) outcomes() *big.Int {
	span := int64(d.High) - int64(d.Low) + 1
	if d.Ordered {
		return new(big.Int).Exp(big.NewInt(span), big.NewInt(int64(d.Count)), nil)
	}
	if int64(d.Count) > span {
		return new(big.Int)
	}
	return new(big.Int).Binomial(span, int64(d.Count))
}

// randomness returns the bytes that keys are extracted from.
func (s *Seed) randomness(source *Source) ([]byte, error) {
	if s.Fallback && source.Fallback == nil {
		return nil, Faults{{"seed.fallback", "the manifest names none"}}
	}
	if source.Spoke(s) == nil {
		return s.numbers(source.Witnessed)
	}
	if len(s.Witnessed) > 0 {
		return nil, Faults{{"seed.witnessed", "the source is a beacon"}}
	}
	value := make([]byte, len(s.Beacon)/2)
	if err := decodeHex(value, []byte(s.Beacon)); err != nil {
		return nil, Faults{{"seed.beacon", err.Error()}}
	}
	if len(value) < EntropyFloor/8 || len(value) > 1024 {
		return nil, Faults{{"seed.beacon", "must be 16 to 1024 bytes"}}
	}
	if s.Signature == "" {
		if s.Previous != "" {
			return nil, Faults{{"seed.previous", "without a signature"}}
		}
		return value, nil
	}
	if decodeHex(make([]byte, len(s.Previous)/2), []byte(s.Previous)) != nil {
		return nil, Faults{{"seed.previous", "not lower-case hexadecimal"}}
	}
	signature := make([]byte, len(s.Signature)/2)
	if err := decodeHex(signature, []byte(s.Signature)); err != nil {
		return nil, Faults{{"seed.signature", err.Error()}}
	}
	if sum := sha256.Sum256(signature); !bytes.Equal(sum[:], value) {
		return nil, Faults{{"seed.signature", "the beacon is not its SHA-256"}}
	}
	return value, nil
}

// numbers is the key string of RFC 3797, section 4: each number in decimal
// with a full stop after it, and a slash after each source.
func (s *Seed) numbers(drawers []Drawer) ([]byte, error) {
	var f Faults
	if s.Beacon != "" || s.Signature != "" || s.Previous != "" {
		f.add("seed.beacon", "the source is witnessed numbers")
	}
	if len(s.Witnessed) != len(drawers) {
		f.add("seed.witnessed", "not one reading for each source")
		return nil, f
	}
	var text []byte
	for i, d := range drawers {
		if rule := s.Witnessed[i].fault(d); rule != "" {
			f.add(fmt.Sprintf("seed.witnessed[%d]", i), rule)
		}
		text = s.Witnessed[i].appendTo(text, d.Ordered)
	}
	return text, f.err()
}

func (r Reading) fault(d Drawer) string {
	if len(r.Witnesses) == 0 {
		return "no witness"
	}
	for _, w := range r.Witnesses {
		if w == "" || !validText(w) {
			return "a witness must be one line of text"
		}
	}
	if len(r.Numbers) != d.Count {
		return "not as many numbers as announced"
	}
	seen := map[uint32]bool{}
	for _, n := range r.Numbers {
		if n < d.Low || n > d.High {
			return "a number out of range"
		}
		if seen[n] && !d.Ordered {
			return "the same number twice"
		}
		seen[n] = true
	}
	return ""
}

func (r Reading) appendTo(text []byte, ordered bool) []byte {
	numbers := r.Numbers
	if !ordered {
		numbers = slices.Sorted(slices.Values(numbers))
	}
	for _, n := range numbers {
		text = strconv.AppendUint(text, uint64(n), 10)
		text = append(text, '.')
	}
	return append(text, '/')
}

// salt is the one-time code if the manifest commits to one, and otherwise the
// name of the draw, so that two draws on one round have nothing in common.
func (s *Seed) salt(m *Manifest) ([]byte, error) {
	if m.Code == nil {
		if s.Code != "" {
			return nil, Faults{{"seed.code", "the manifest names no one-time code"}}
		}
		return fmt.Appendf(nil, "%s/%s/%s/%d", m.Format, m.Program, m.Wave, m.Number), nil
	}
	code := make([]byte, 32)
	if err := decodeHex(code, []byte(s.Code)); err != nil {
		return nil, Faults{{"seed.code", err.Error()}}
	}
	if sha256.Sum256(code) != *m.Code {
		return nil, Faults{{"seed.code", "its SHA-256 is not the code of the manifest, " + hex.EncodeToString(m.Code[:])}}
	}
	return code, nil
}
