package quota

import (
	"crypto/sha256"
	"fmt"
	"time"
)

// ManifestFormat is the version of the protocol in docs/draw.md.
const ManifestFormat = "gelombang-draw-3"

// Manifest fixes a draw before its seed exists. Publish its digest outside the
// agency before that moment.
type Manifest struct {
	Format  string `json:"format"`
	Program string `json:"program"`
	Wave    string `json:"wave"`
	// Number counts the draws of the wave from 1. A second draw needs a Reason.
	Number int    `json:"number"`
	Reason string `json:"reason,omitempty"`
	Plan   Digest `json:"plan"`
	Roll   Digest `json:"roll"`
	// Tree is the root of the Merkle tree over the lines of the roll, so that one
	// person can be shown to be on it without the roll.
	Tree   Digest `json:"tree"`
	Count  int    `json:"count"`
	Source Source `json:"source"`
	// Code is the SHA-256 of a secret one-time code, if the draw uses one.
	Code *Digest `json:"code,omitempty"`
	// Frozen is when the roll was closed, in UTC and whole seconds.
	Frozen time.Time `json:"frozen"`
	// Due is the instant before which the source says nothing, in UTC and whole
	// seconds. It must be given where there are witnesses, who sign before it, or a
	// fallback. Of a chain whose rhythm is known (Beacon.Time) it is checked that
	// the round is not published before Due; of other sources it is a promise.
	Due time.Time `json:"due,omitzero"`
	// Witnesses outside the agency have the digest of the manifest before then:
	// at least as many as the plan demands.
	Witnesses []Witness `json:"witnesses,omitempty"`
}

// Freeze fills in the format and the digests of plan and roll, and validates.
// m has the other fields. The roll must have been made for the plan. Errors:
// Faults.
func Freeze(p *Plan, r *Roll, m Manifest) (*Manifest, error) {
	var err error
	if m.Plan, err = p.Digest(); err != nil {
		return nil, err
	}
	if m.Plan != r.marks.plan {
		return nil, Faults{{"roll", "was made for another plan"}}
	}
	m.Format, m.Count, m.Roll, m.Tree = ManifestFormat, r.marks.count, r.marks.digest, r.marks.tree
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return &m, m.meets(p)
}

// ParseManifest reads manifest.json and validates it.
func ParseManifest(data []byte) (*Manifest, error) {
	m := new(Manifest)
	if err := parseJSON(data, m); err != nil {
		return nil, fmt.Errorf("quota: manifest: %w", err)
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return m, nil
}

// Validate returns nil or Faults.
func (m *Manifest) Validate() error {
	var f Faults
	if m.Format != ManifestFormat {
		f.add("format", "must be "+ManifestFormat)
	}
	if !validID(m.Program) {
		f.add("program", idRule)
	}
	if !validID(m.Wave) {
		f.add("wave", idRule)
	}
	if m.Number < 1 || m.Number > 1_000_000 {
		f.add("number", "must be 1 to 1000000")
	}
	if (m.Number > 1) != (m.Reason != "") || !validText(m.Reason) {
		f.add("reason", "must be one line of text, given for a draw after the first and for no other")
	}
	if m.Count < 0 {
		f.add("count", "negative")
	}
	if !wholeUTC(m.Frozen) {
		f.add("frozen", "must be given, in UTC and whole seconds")
	}
	if !m.Due.IsZero() && (!wholeUTC(m.Due) || !m.Due.After(m.Frozen)) || m.Due.IsZero() && len(m.Witnesses) > 0 {
		f.add("due", "must be after frozen, in UTC and whole seconds, and given where there are witnesses")
	}
	m.checkWitnesses(&f)
	m.Source.check(&f)
	m.checkRounds(&f)
	return f.err()
}

// checkRounds holds the instants at which beacons speak, where they are known,
// against those of the manifest: a round that has spoken could be chosen for
// whom it draws.
func (m *Manifest) checkRounds(f *Faults) {
	if b := m.Source.Beacon; b != nil {
		if at, known := b.Time(); known && (!at.After(m.Frozen) || at.Before(m.Due)) {
			f.add("source.beacon.round", "speaks at "+at.Format(time.RFC3339)+": it must be after frozen, and not before due")
		}
	}
	b := m.Source.Fallback
	if b == nil {
		return
	}
	if m.Due.IsZero() || b.Until.Before(m.Due) {
		f.add("source.fallback.until", "must not be before due, which must be given")
	}
	if at, known := b.Beacon.Time(); known && !at.After(b.Until) {
		f.add("source.fallback.beacon.round", "speaks at "+at.Format(time.RFC3339)+": it must be after until")
	}
}

// spoken says whether the seed may be known at an instant: from Due on, or where
// that is not given, after the freeze.
func (m *Manifest) spoken(at time.Time) bool {
	if m.Due.IsZero() {
		return at.After(m.Frozen)
	}
	return !at.Before(m.Due)
}

// checkWitnesses counts nobody twice.
func (m *Manifest) checkWitnesses(f *Faults) {
	if len(m.Witnesses) > maxNamed {
		f.add("witnesses", "more than 100")
		return
	}
	names, keys := map[string]bool{}, map[Digest]bool{{}: true}
	for i, w := range m.Witnesses {
		field := fmt.Sprintf("witnesses[%d]", i)
		if !validID(w.Name) {
			f.add(field+".name", idRule)
		}
		if names[w.Name] || keys[w.Key] {
			f.add(field, "needs a name and a key that no other witness has")
		}
		names[w.Name], keys[w.Key] = true, true
	}
}

// meets checks that the manifest has what the plan demands.
func (m *Manifest) meets(p *Plan) error {
	if len(m.Witnesses) < p.Witnesses {
		return Faults{{"witnesses", fmt.Sprintf("the plan demands %d, there are %d", p.Witnesses, len(m.Witnesses))}}
	}
	return nil
}

// Encode returns the canonical JSON, as Plan.Encode does.
func (m *Manifest) Encode() ([]byte, error) { return encodeJSON(m) }

// Digest is the SHA-256 of the canonical JSON. Publish it before the seed exists.
func (m *Manifest) Digest() (Digest, error) {
	data, err := m.Encode()
	return sha256.Sum256(data), err
}

// keys checks that the seed is the one that the manifest announced.
func (m *Manifest) keys(s *Seed) (*Keys, error) {
	digest, err := m.Digest()
	if err != nil {
		return nil, err
	}
	if s.Manifest != digest {
		return nil, Faults{{"seed.manifest", "is not the digest of manifest.json"}}
	}
	randomness, err := s.randomness(&m.Source)
	if err != nil {
		return nil, err
	}
	salt, err := s.salt(m)
	if err != nil {
		return nil, err
	}
	return NewKeys(salt, randomness), nil
}
