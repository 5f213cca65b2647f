package quota

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
)

// redone makes the proof again with another plan, manifest or seed, all digests
// fitting.
func redone(t testing.TB, p *Proof, plan func(*Plan), manifest func(*Manifest), seed func(*Seed)) (*Proof, error) {
	newPlan, m, s := *p.Plan, *p.Manifest, *p.Seed
	plan(&newPlan)
	roll, err := NewRoll(&newPlan, p.Roll.candidates)
	require.NoError(t, err)
	manifest(&m)
	frozen, err := Freeze(&newPlan, roll, m)
	if err != nil {
		return nil, err
	}
	s.Manifest, err = frozen.Digest()
	require.NoError(t, err)
	seed(&s)
	result, err := Draw(&newPlan, roll, frozen, &s, nil)
	return &Proof{Plan: &newPlan, Roll: roll, Manifest: frozen, Seed: &s, Result: result}, err
}

// python runs the script on a proof. It is not ok where there is no Python.
func python(t testing.TB, files fstest.MapFS) (out string, passed, ok bool) {
	path, err := exec.LookPath("python3")
	if err != nil {
		return "", false, false
	}
	dir := t.TempDir()
	for name, f := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), f.Data, 0o600))
	}
	text, err := exec.Command(path, filepath.Join("..", "examples", "verifydraw", "verify_draw.py"), dir).CombinedOutput()
	return string(text), err == nil, true
}

// bothRefuse says that the library and the script refuse a proof and name the
// file.
func bothRefuse(t testing.TB, files fstest.MapFS, file string) {
	require.ErrorContains(t, VerifyProof(files), file)
	if out, passed, ok := python(t, files); ok {
		require.False(t, passed, out)
		require.Contains(t, out, file)
	}
}

func bothAccept(t testing.TB, files fstest.MapFS, says string) {
	require.NoError(t, VerifyProof(files))
	if out, passed, ok := python(t, files); ok {
		require.True(t, passed, out)
		require.Contains(t, out, says)
	}
}

func nothing[T any](*T) {}

// Where the plan demands a witness, no manifest is frozen without one; and a
// proof whose manifest leaves the witnesses out is refused though all its
// digests fit. The control: a plan that demands none.
func TestThePlanDemandsWitnesses(t *testing.T) {
	good := witnessedProof(t, rand.New(rand.NewPCG(5, 1)))
	none := func(m *Manifest) { m.Witnesses = nil }
	bare, err := redone(t, good, nothing, none, nothing)
	require.NoError(t, err)
	bothAccept(t, proofFiles(t, bare), "witnesses: none")

	_, err = redone(t, good, func(p *Plan) { p.Witnesses = 1 }, none, nothing)
	require.ErrorContains(t, err, "demands 1")

	// The same by hand: a plan that demands one, under a manifest that has none.
	demanding := *bare
	plan, m, seed := *bare.Plan, *bare.Manifest, *bare.Seed
	plan.Witnesses = 1
	m.Plan, err = plan.Digest()
	require.NoError(t, err)
	seed.Manifest, err = m.Digest()
	require.NoError(t, err)
	demanding.Plan, demanding.Manifest, demanding.Seed = &plan, &m, &seed
	bothRefuse(t, proofFiles(t, &demanding), ManifestFile)
	_, err = Draw(&plan, bare.Roll, &m, &seed, nil)
	require.ErrorContains(t, err, "demands 1")
}

// The fallback speaks where the manifest has one, and the checkers say so. A
// seed that claims one which the manifest does not have is refused.
func TestFallback(t *testing.T) {
	good := witnessedProof(t, rand.New(rand.NewPCG(5, 2)))
	none := func(m *Manifest) { m.Witnesses = nil }
	failed := func(s *Seed) { s.Fallback = true }
	used, err := redone(t, good, nothing, none, failed)
	require.NoError(t, err)
	require.EqualValues(t, 2000, used.Manifest.Source.Spoke(used.Seed).Round)
	bothAccept(t, proofFiles(t, used), "FALLBACK: check that the source published nothing until 2020-08-12T19:00:00Z")

	without := func(m *Manifest) { m.Witnesses, m.Source.Fallback = nil, nil }
	_, err = redone(t, good, nothing, without, failed)
	require.ErrorContains(t, err, "seed.fallback")
	files := proofFiles(t, used)
	unknown := bytes.Replace(files[ManifestFile].Data, []byte("not-published"), []byte("not-welcome"), 1)
	files[ManifestFile].Data = unknown
	bothRefuse(t, files, ManifestFile)
}

// One roll for a wave: another draw has a number above 1 and a reason, and the
// first has none.
func TestNumberAndReasonBelongTogether(t *testing.T) {
	good := witnessedProof(t, rand.New(rand.NewPCG(5, 3)))
	for _, wrong := range []func(*Manifest){
		func(m *Manifest) { m.Number = 1 }, func(m *Manifest) { m.Reason = "" }, func(m *Manifest) { m.Number = 0 },
	} {
		bad := *good
		m, seed := *good.Manifest, *good.Seed
		wrong(&m)
		var err error
		seed.Manifest, err = m.Digest()
		require.NoError(t, err)
		bad.Manifest, bad.Seed = &m, &seed
		bothRefuse(t, proofFiles(t, &bad), ManifestFile)
	}
}

func TestManifestRefusesWhatCountsTwice(t *testing.T) {
	good := *witnessedProof(t, rand.New(rand.NewPCG(5, 4))).Manifest
	other := Witness{Name: "press", Key: Digest{9}}
	for field, change := range map[string]func(*Manifest){
		"witnesses[1]":           func(m *Manifest) { m.Witnesses = []Witness{m.Witnesses[0], {"press", m.Witnesses[0].Key}} },
		"witnesses[2]":           func(m *Manifest) { m.Witnesses = []Witness{m.Witnesses[0], other, {"press", Digest{8}}} },
		"witnesses[0]":           func(m *Manifest) { m.Witnesses = []Witness{{"press", Digest{}}} },
		"source.fallback.until":  func(m *Manifest) { m.Source.Fallback.Until = m.Due.Add(-time.Second) },
		"source.fallback.beacon": func(m *Manifest) { m.Source.Fallback.Beacon.Round = m.Source.Beacon.Round },
	} {
		m := good
		fallback := *good.Source.Fallback
		m.Source.Fallback = &fallback
		change(&m)
		var f Faults
		require.ErrorAs(t, m.Validate(), &f)
		require.Equal(t, field, f[0].Field)
	}
}

// A label that is not on the roll cannot be removed: neither draw takes it.
func TestRemovalsAreOnTheRoll(t *testing.T) {
	p := randomProof(t, rand.New(rand.NewPCG(5, 5)), randomPlan(rand.New(rand.NewPCG(5, 6))), 20)
	var file bytes.Buffer
	_, err := p.Roll.WriteTSV(&file, p.Plan)
	require.NoError(t, err)
	open := func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(file.String())), nil }
	each := func(*Candidate, Outcome) error { return nil }
	for label, refused := range map[Label]bool{p.Roll.candidates[3].Label: false, {}: true} {
		opts := &DrawOptions{Removals: []Removal{{label, "age"}}}
		_, err := Draw(p.Plan, p.Roll, p.Manifest, p.Seed, opts)
		require.Equal(t, refused, err != nil, err)
		_, err = DrawStream(p.Plan, p.Manifest, p.Seed, open, each, opts)
		require.Equal(t, refused, err != nil, err)
	}
}

// A field that the rules do not know, and a number with a fraction, are refused
// by both checkers.
func TestUnknownFieldsAreRefused(t *testing.T) {
	good := witnessedProof(t, rand.New(rand.NewPCG(5, 7)))
	for _, file := range []string{PlanFile, ManifestFile, SeedFile} {
		files := proofFiles(t, good)
		files[file].Data = append(bytes.TrimSuffix(files[file].Data, []byte("\n}\n")), ",\n  \"extra\": 1\n}\n"...)
		bothRefuse(t, files, file)
	}
	files := proofFiles(t, good)
	files[ManifestFile].Data = bytes.Replace(files[ManifestFile].Data, []byte("\"number\": 2"), []byte("\"number\": 2.0"), 1)
	bothRefuse(t, files, ManifestFile)
}
