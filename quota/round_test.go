package quota

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	quicknet   = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"
	defaultNet = "8990e7a9aaed2ffed73dbd7092123d6f289930540d7651336225dc172e51b2ce"
)

// When rounds are published: round 1 at the genesis of its chain, which drand's
// /info gives in seconds, and each other so many periods later.
func TestWhenRoundsSpeak(t *testing.T) {
	for _, want := range []struct {
		chain string
		round uint64
		at    string
	}{
		{quicknet, 1, "2023-08-23T15:09:27Z"}, {quicknet, 657413, "2023-09-15T11:00:03Z"},
		{defaultNet, 1, "2020-07-22T15:17:30Z"}, {defaultNet, 3311596, "2023-09-15T11:55:00Z"},
	} {
		at, known := (&Beacon{"drand", want.chain, want.round}).Time()
		require.True(t, known)
		require.Equal(t, want.at, at.Format(time.RFC3339))
	}
	for _, b := range []Beacon{{"drand", "other", 7}, {"drand", quicknet, 0}, {"drand", quicknet, maxRound + 1}} {
		_, known := b.Time()
		require.False(t, known)
	}
}

// withManifest makes the proof again under another manifest, all digests
// fitting, whether the manifest is good or not.
func withManifest(t testing.TB, good *Proof, change func(*Manifest)) *Proof {
	bad, m, seed := *good, *good.Manifest, *good.Seed
	change(&m)
	var err error
	seed.Manifest, err = m.Digest()
	require.NoError(t, err)
	bad.Manifest, bad.Seed, bad.Attestations = &m, &seed, nil
	return &bad
}

// A round of a known chain that spoke before the roll was frozen, or before it
// was due, or of a fallback before its time: nobody freezes it, and both checkers
// refuse it though every digest fits. The controls speak one round later.
func TestARoundThatHasSpokenIsRefused(t *testing.T) {
	good := witnessedProof(t, rand.New(rand.NewPCG(6, 1)))
	spoke := time.Date(2023, 9, 15, 11, 0, 3, 0, time.UTC) // round 657413 of quicknet
	base := func(frozen, due time.Time) func(*Manifest) {
		return func(m *Manifest) {
			m.Witnesses, m.Frozen, m.Due = nil, frozen, due
			m.Source = Source{Beacon: &Beacon{"drand", quicknet, 657413}}
		}
	}
	fallback := func(until time.Time, chain string, round uint64) func(*Manifest) {
		return func(m *Manifest) {
			base(spoke.Add(-time.Hour), spoke)(m)
			m.Source.Fallback = &Fallback{NotPublished, until, Beacon{"drand", chain, round}}
		}
	}
	for name, c := range map[string]struct {
		change  func(*Manifest)
		refused bool
	}{
		"days before the freeze":      {base(spoke.Add(120*time.Hour), spoke.Add(144*time.Hour)), true},
		"at the freeze":               {base(spoke, time.Time{}), true},
		"after the freeze":            {base(spoke.Add(-time.Second), time.Time{}), false},
		"before due":                  {base(spoke.Add(-time.Hour), spoke.Add(time.Second)), true},
		"when due":                    {base(spoke.Add(-time.Hour), spoke), false},
		"a fallback on another chain": {fallback(spoke.Add(time.Hour), defaultNet, 1000), true},
		"a fallback at until":         {fallback(spoke.Add(3*time.Second), quicknet, 657414), true},
		"a fallback after until":      {fallback(spoke.Add(2*time.Second), quicknet, 657414), false},
		"a round beyond all time":     {func(m *Manifest) { base(spoke.Add(-time.Hour), spoke)(m); m.Source.Beacon.Round = maxRound + 1 }, true},
		"a fallback without due":      {func(m *Manifest) { fallback(spoke.Add(time.Hour), quicknet, 9657414)(m); m.Due = time.Time{} }, true},
		"a fallback of witnessed dice": {func(m *Manifest) {
			fallback(spoke.Add(time.Hour), quicknet, 9657414)(m)
			m.Source.Beacon, m.Source.Witnessed = nil, []Drawer{{"dice", 60, 1, 6, true, 150}}
		}, true},
	} {
		m := *good.Manifest
		c.change(&m)
		_, err := Freeze(good.Plan, good.Roll, m)
		require.Equal(t, c.refused, err != nil, "%s: %v", name, err)
		if !c.refused {
			again, err := redone(t, good, nothing, c.change, nothing)
			require.NoError(t, err, name)
			bothAccept(t, proofFiles(t, again), "NOT checked here")
			continue
		}
		bothRefuse(t, proofFiles(t, withManifest(t, good, c.change)), ManifestFile)
	}
}

// Of a chain that is not known nobody here can tell when it spoke: the script
// says so.
func TestUnknownChainsAreSaidToBeUnchecked(t *testing.T) {
	good := witnessedProof(t, rand.New(rand.NewPCG(6, 2)))
	bothAccept(t, proofFiles(t, good), "look up that the round was not published before 2020-08-12T18:00:00Z")
}

// The seed of a beacon: the randomness is the SHA-256 of the signature, and there
// is no previous signature without one.
func TestSeedOfABeacon(t *testing.T) {
	source := &Source{Beacon: &Beacon{"drand", "local", 7}}
	beacon, signature := sum("sig"), hex.EncodeToString([]byte("sig"))
	for _, c := range []struct {
		seed  Seed
		fault string
	}{
		{Seed{Beacon: beacon, Signature: signature}, ""},
		{Seed{Beacon: beacon, Signature: signature, Previous: "00"}, ""},
		{Seed{Beacon: beacon}, ""},
		{Seed{Beacon: beacon, Signature: signature + "00"}, "seed.signature"},
		{Seed{Beacon: beacon, Signature: "0"}, "seed.signature"},
		{Seed{Beacon: beacon, Previous: "00"}, "seed.previous"},
		{Seed{Beacon: beacon, Signature: signature, Previous: "0X"}, "seed.previous"},
		{Seed{Beacon: beacon[:30]}, "seed.beacon"},
		{Seed{Beacon: "zz" + beacon}, "seed.beacon"},
		{Seed{Beacon: beacon, Witnessed: []Reading{{}}}, "seed.witnessed"},
		{Seed{Beacon: beacon, Fallback: true}, "seed.fallback"},
	} {
		_, err := c.seed.randomness(source)
		if c.fault == "" {
			require.NoError(t, err)
			continue
		}
		var f Faults
		require.ErrorAs(t, err, &f, c.fault)
		require.Equal(t, c.fault, f[0].Field)
	}
}

func sum(text string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
}
