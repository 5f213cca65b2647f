package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloudflare/circl/sign/bls"
	"github.com/stretchr/testify/require"

	"github.com/gelombang/gelombang/quota"
)

// Round 657413 of quicknet, as printed in the README of drand-verify for Python.
const (
	quicknetSignature  = "b713718a38ae728dfd477991af2822e08d2f305e47718cef9f7848ce4050e7be41076862b98fad56e91a6b85b89cd97b"
	quicknetRandomness = "fc1873a13f3545aeade8401532ef5519920652eee6b0d2b19ca12643b87b3587"
)

// Two published rounds of the League of Entropy are good; the same with another
// round, or one bit changed, are not.
func TestPublishedRoundsOfDrand(t *testing.T) {
	for _, round := range []struct {
		chain, previous, signature, randomness string
		number                                 uint64
	}{
		{quicknet, "", quicknetSignature, quicknetRandomness, 657413},
		{defaultNet, "8ed588f2a7716fb1349e2d9803da5db0005e98a83783c353d4a08f183236a9ad91d70ddb01266f4b7c576983db464b430e65680b9e0098552758afd6c1e6afcb77e3f62fe1b93d42d1cb63abbb2205512fe12fbf74ea9c5ac3b8f5c1e283a1d8",
			"a696b9409ababce45749c3a4ec369074453dd4a79967734e1390d969c8ad8d98897d217b9121e92c8ddebbddda8d92f900e3bd6bf9deb166863b1a19390d743f82774001487594c5c09e581db7365f02b70a2c8cc41ce32446ef08e4890c4754",
			"647c07b2abbf7ff2afb4d670214f565e5cd9f9c91bfdcecb59a21f3c78d73920", 3311596},
	} {
		beacon := &quota.Beacon{Name: "drand", Chain: round.chain, Round: round.number}
		seed := &quota.Seed{Beacon: round.randomness, Signature: round.signature, Previous: round.previous}
		require.NoError(t, verifyBeacon(beacon, seed))
		signature, err := hex.DecodeString(round.signature)
		require.NoError(t, err)
		sum := sha256.Sum256(signature)
		require.Equal(t, round.randomness, hex.EncodeToString(sum[:]))

		beacon.Round++
		require.ErrorContains(t, verifyBeacon(beacon, seed), "not that of the round")
		beacon.Round--
		signature[len(signature)-1] ^= 1
		seed.Signature = hex.EncodeToString(signature)
		require.Error(t, verifyBeacon(beacon, seed))
	}
}

// A chain of one key, made here: what it signs is good for its key only.
func TestAChainMadeHere(t *testing.T) {
	ikm := make([]byte, 32)
	_, err := rand.Read(ikm)
	require.NoError(t, err)
	private, err := bls.KeyGen[bls.KeyG2SigG1](ikm, nil, nil)
	require.NoError(t, err)
	public, err := private.PublicKey().MarshalBinary()
	require.NoError(t, err)
	message := sha256.Sum256(binary.BigEndian.AppendUint64(nil, 7))
	signature := hex.EncodeToString(bls.Sign(private, message[:]))
	require.NoError(t, verifyRound[bls.KeyG2SigG1](hex.EncodeToString(public), 7, "", signature))
	require.Error(t, verifyRound[bls.KeyG2SigG1](hex.EncodeToString(public), 8, "", signature))
	require.Error(t, verifyRound[bls.KeyG2SigG1](quicknetKey, 7, "", signature))
}

// makeDraw writes a proof with the published round of quicknet as its seed, and
// the proof of one person.
func makeDraw(t *testing.T) (dir, person string) {
	dir, person, _, _ = makeWitnessed(t)
	return dir, person
}

// makeWitnessed is makeDraw, and the signed receipt of that person with the
// agency's key in hexadecimal.
func makeWitnessed(t *testing.T) (dir, person, receipt, key string) {
	plan := &quota.Plan{
		Name: "small", Ticket: quota.PerPerson, Tiers: 1, HouseholdCap: 2, Waiting: 2, Order: quota.OpenFirst,
		Groups: []quota.Group{{Code: "g1", Meaning: quota.ForAuditors}},
		Pools: []quota.Pool{
			{ID: "nation"},
			{ID: "north", Parent: "nation", Seats: 4, Spill: []string{"nation"}, Reserves: []quota.Reserve{{Group: "g1", Seats: 1, Kind: quota.SetAside, Unfilled: quota.ToOpen}}},
			{ID: "south", Parent: "nation", Seats: 9, Spill: []string{"nation"}},
		},
	}
	var candidates []quota.Candidate
	for i := range 24 {
		sum := sha256.Sum256([]byte{byte(i)})
		candidates = append(candidates, quota.Candidate{
			Label: quota.Label(sum[:16]), Commitment: quota.Commit(sum, []byte("record")), Pool: 1 + int32(i%4)/3,
			Household: uint32(i % 9), Groups: uint32(i % 2),
		})
	}
	roll, err := quota.NewRoll(plan, candidates)
	require.NoError(t, err)
	notary, notaryKey, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	agency, agencyKey, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	manifest, err := quota.Freeze(plan, roll, quota.Manifest{
		Program: "test", Wave: "1", Number: 1, Frozen: time.Date(2023, 9, 14, 0, 0, 0, 0, time.UTC),
		Due: time.Date(2023, 9, 15, 11, 0, 3, 0, time.UTC), Witnesses: []quota.Witness{{Name: "notary", Key: quota.Digest(notary)}},
		Source: quota.Source{Beacon: &quota.Beacon{Name: "drand-quicknet", Chain: quicknet, Round: 657413}},
	})
	require.NoError(t, err)
	seed := &quota.Seed{Beacon: quicknetRandomness, Signature: quicknetSignature}
	seed.Manifest, err = manifest.Digest()
	require.NoError(t, err)
	result, err := quota.Draw(plan, roll, manifest, seed, nil)
	require.NoError(t, err)
	at := manifest.Frozen.Add(time.Hour)
	proof := &quota.Proof{Plan: plan, Roll: roll, Manifest: manifest, Seed: seed, Result: result, Attestations: []quota.Attestation{
		{Witness: "notary", Manifest: seed.Manifest, At: at, Signature: hex.EncodeToString(ed25519.Sign(notaryKey, quota.AttestationText(seed.Manifest, at)))},
	}}
	dir = t.TempDir()
	create := func(name string) (io.WriteCloser, error) { return os.Create(filepath.Join(dir, name)) }
	require.NoError(t, quota.WriteProof(create, proof))
	one, err := quota.NewPersonProof(proof, roll.Candidates()[5].Label)
	require.NoError(t, err)
	data, err := one.Encode()
	require.NoError(t, err)
	person = filepath.Join(t.TempDir(), "person.json")
	require.NoError(t, os.WriteFile(person, data, 0o600))
	fifth := roll.Candidates()[5]
	handed := &quota.Receipt{Program: "test", Wave: "1", Label: fifth.Label, Commitment: fifth.Commitment, Issued: at}
	require.NoError(t, quota.SignReceipt(agencyKey, handed))
	data, err = handed.Encode()
	require.NoError(t, err)
	receipt = filepath.Join(t.TempDir(), "receipt.json")
	require.NoError(t, os.WriteFile(receipt, data, 0o600))
	return dir, person, receipt, hex.EncodeToString(agency)
}

// A receipt is good for its line, its draw and the agency's key: both programs
// take it, and refuse it under another key or with any byte changed.
func TestBothProgramsCheckAReceipt(t *testing.T) {
	dir, person, receipt, key := makeWitnessed(t)
	whole, err := os.ReadFile(receipt)
	require.NoError(t, err)
	other := strings.Repeat("ab", 32)
	for name, check := range checkers(t) {
		out, ok := check(dir, person, receipt, key)
		require.True(t, ok, "%s: %s", name, out)
		require.Equal(t, 3, strings.Count(out, "OK this"), out)
		for _, wrong := range []string{other, key[2:], "zz", strings.ToUpper(key) + "00"} {
			out, ok = check(dir, person, receipt, wrong)
			require.False(t, ok, "%s: %s", name, out)
			require.Contains(t, out, "REFUSED")
		}
		for at := 0; at < len(whole); at += 7 {
			changed := bytes.Clone(whole)
			changed[at] ^= 1
			require.NoError(t, os.WriteFile(receipt, changed, 0o600))
			out, ok = check(dir, person, receipt, key)
			require.False(t, ok, "%s: byte %d: %s", name, at, out)
			require.Contains(t, out, "REFUSED")
		}
		require.NoError(t, os.WriteFile(receipt, whole, 0o600))
	}
}

// checkers are the two programs. The second is left out where there is no Python.
func checkers(t *testing.T) map[string]func(args ...string) (string, bool) {
	all := map[string]func(args ...string) (string, bool){
		"verifydraw": func(args ...string) (string, bool) {
			var out bytes.Buffer
			code := run(args, &out, &out)
			return out.String(), code == 0
		},
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Log("python3 is not installed: verify_draw.py was not run")
		return all
	}
	all["verify_draw.py"] = func(args ...string) (string, bool) {
		out, err := exec.Command(python, append([]string{"verify_draw.py"}, args...)...).CombinedOutput()
		return string(out), err == nil
	}
	return all
}

func TestBothProgramsCheckADraw(t *testing.T) {
	dir, person := makeDraw(t)
	for name, check := range checkers(t) {
		out, ok := check(dir)
		require.True(t, ok, "%s: %s", name, out)
		require.Contains(t, out, "OK draw 1 of wave 1")
		require.Contains(t, out, "witness notary: signed in time with the key")
		require.Contains(t, out, "compare with the witness's published key")
		require.NotContains(t, out, "time: NOT checked", "the rhythm of quicknet is known")
		if name == "verifydraw" {
			require.Contains(t, out, "its signature is good")
		} else {
			require.Contains(t, out, "its signature was NOT checked here")
		}
		out, ok = check(dir, person)
		require.True(t, ok, "%s: %s", name, out)
		require.Equal(t, 2, strings.Count(out, "OK this line"))
		_, ok = check()
		require.False(t, ok)
	}
}

// One changed byte of any file: refused, and the file is named.
func TestBothProgramsNameTheChangedFile(t *testing.T) {
	dir, person := makeDraw(t)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 9)
	for name, check := range checkers(t) {
		for _, entry := range entries {
			path := filepath.Join(dir, entry.Name())
			whole, err := os.ReadFile(path)
			require.NoError(t, err)
			for _, at := range []int{0, len(whole) / 4, len(whole) / 3, len(whole) / 2, len(whole) * 3 / 4, len(whole) - 1} {
				changed := bytes.Clone(whole)
				changed[at] ^= 1
				require.NoError(t, os.WriteFile(path, changed, 0o600))
				out, ok := check(dir)
				what := fmt.Sprintf("%s: %s byte %d: %s", name, entry.Name(), at, out)
				require.False(t, ok, what)
				require.Contains(t, out, "REFUSED", what)
				require.Contains(t, out, entry.Name(), what)
			}
			require.NoError(t, os.Remove(path))
			out, ok := check(dir)
			require.False(t, ok)
			require.Contains(t, out, entry.Name())
			require.NoError(t, os.WriteFile(path, whole, 0o600))
		}
		data, err := os.ReadFile(person)
		require.NoError(t, err)
		for _, at := range []int{15, 60, len(data) / 2, len(data) - 20} {
			changed := bytes.Clone(data)
			changed[at] ^= 1
			other := filepath.Join(t.TempDir(), "person.json")
			require.NoError(t, os.WriteFile(other, changed, 0o600))
			out, ok := check(dir, other)
			require.False(t, ok, "%s byte %d: %s", name, at, out)
		}
	}
}

// A forged seed of a chain whose key is known is refused, though all digests
// fit: it is made into a draw of its own.
func TestAForgedRoundIsRefused(t *testing.T) {
	seed := &quota.Seed{Beacon: quicknetRandomness, Signature: quicknetSignature}
	beacon := &quota.Beacon{Name: "drand", Chain: quicknet, Round: 657414}
	require.Error(t, verifyBeacon(beacon, seed))
	beacon.Chain = "local"
	var unchecked errUnchecked
	require.ErrorAs(t, verifyBeacon(beacon, seed), &unchecked)
	bare := &quota.Seed{Beacon: quicknetRandomness}
	beacon.Chain, beacon.Round = quicknet, 657413
	err := verifyBeacon(beacon, bare)
	require.ErrorContains(t, err, "no signature", "a round of a known chain never goes unchecked")
	require.False(t, errors.As(err, &unchecked))
}
