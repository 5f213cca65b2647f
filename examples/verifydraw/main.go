// Verifydraw redoes a draw from its proof folder and names the first
// difference. The folder has the files of docs/draw.md.
//
//	go run ./examples/verifydraw DIR
//	go run ./examples/verifydraw DIR PERSON.json
//	go run ./examples/verifydraw DIR PERSON.json RECEIPT.json KEY
//
// With PERSON.json it checks one person instead: that the two lines in it are in
// the trees of the manifest and of the announcement; with RECEIPT.json also that
// this is the receipt of that line, signed with KEY (64 hexadecimal digits, as the
// agency has published them). If the seed is a round of a chain of the League of
// Entropy, its signature is checked too.
//
// Exit code: 0 the result follows from the roll, the plan and the seed; 1 it
// does not; 2 wrong usage. verify_draw.py does the same without this library,
// but cannot check the signature of a round.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/gelombang/gelombang/quota"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, complaints io.Writer) int {
	var err error
	switch len(args) {
	case 1:
		err = verify(os.DirFS(args[0]), out)
	case 2:
		err = verifyPerson(os.DirFS(args[0]), args[1], nil, out)
	case 4:
		err = verifyPerson(os.DirFS(args[0]), args[1], args[2:], out)
	default:
		fmt.Fprintln(complaints, "usage: verifydraw DIR [PERSON.json [RECEIPT.json KEY]]")
		return 2
	}
	if err != nil {
		fmt.Fprintln(out, "REFUSED", err)
		return 1
	}
	return 0
}

func verify(dir fs.FS, out io.Writer) error {
	if err := quota.VerifyProof(dir); err != nil {
		return err
	}
	manifest, err := read(dir, quota.ManifestFile, quota.ParseManifest)
	if err != nil {
		return err
	}
	seed, err := read(dir, quota.SeedFile, quota.ParseSeed)
	if err != nil {
		return err
	}
	beacon := manifest.Source.Spoke(seed)
	said := "seed: compare with the numbers that the witnesses published"
	if beacon != nil {
		err := verifyBeacon(beacon, seed)
		var unchecked errUnchecked
		if err != nil && !errors.As(err, &unchecked) {
			return fmt.Errorf("%s: round %d of %s: %w", quota.SeedFile, beacon.Round, beacon.Name, err)
		}
		said = fmt.Sprintf("seed: round %d of %s, its signature is good", beacon.Round, beacon.Name)
		if err != nil {
			said = fmt.Sprintf("seed: compare with round %d of %s; %s", beacon.Round, beacon.Name, unchecked.Error())
		}
	}
	fmt.Fprintf(out, "OK draw %d of wave %s: the result follows from the roll, the plan and the seed\n", manifest.Number, manifest.Wave)
	if err := digests(dir, manifest, out); err != nil {
		return err
	}
	for _, w := range manifest.Witnesses {
		fmt.Fprintf(out, "witness %s: signed in time with the key %s   compare with the witness's published key\n", w.Name, w.Key)
	}
	return remarks(dir, manifest, seed, said, out)
}

// verifyPerson checks one person's proof, and the receipt if it is given: the
// path of the receipt and the agency's key.
func verifyPerson(dir fs.FS, path string, receipt []string, out io.Writer) error {
	manifest, err := read(dir, quota.ManifestFile, quota.ParseManifest)
	if err != nil {
		return err
	}
	announcement, err := read(dir, quota.AnnouncementFile, quota.ParseAnnouncement)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	person, err := quota.ParsePersonProof(data)
	if err != nil {
		return err
	}
	if err := person.Verify(manifest, announcement); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	fmt.Fprintf(out, "OK this line is on the roll:   %s\nOK this line is in the result: %s\n", person.Roll, person.Result)
	if receipt != nil {
		if err := verifyReceipt(manifest, person, receipt[0], receipt[1]); err != nil {
			return fmt.Errorf("%s: %w", receipt[0], err)
		}
		fmt.Fprintln(out, "OK this is the receipt of that line, signed before the seed; compare the key with the one that the agency has published")
	}
	return digests(dir, manifest, out)
}

func verifyReceipt(manifest *quota.Manifest, person *quota.PersonProof, path, key string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	receipt, err := quota.ParseReceipt(data)
	if err != nil {
		return err
	}
	var public quota.Digest
	if err := public.UnmarshalText([]byte(key)); err != nil {
		return fmt.Errorf("KEY: %w", err)
	}
	if err := quota.VerifyReceipt(public[:], receipt); err != nil {
		return err
	}
	return person.Holds(manifest, receipt)
}

// remarks prints what a reader should know of a draw that is in order.
func remarks(dir fs.FS, manifest *quota.Manifest, seed *quota.Seed, said string, out io.Writer) error {
	removals, err := fs.ReadFile(dir, quota.RemovalsFile)
	if err != nil {
		return err
	}
	if len(manifest.Witnesses) == 0 {
		fmt.Fprintln(out, "witnesses: none, and the plan demands none: nothing here shows that the roll was there before the seed")
	}
	if n := bytes.Count(removals, []byte{'\n'}) - 1; n > 0 {
		fmt.Fprintf(out, "removals: %d after the roll was frozen, each with its reason in %s\n", n, quota.RemovalsFile)
	}
	if manifest.Number > 1 {
		fmt.Fprintf(out, "draw %d of the wave, because: %s\n", manifest.Number, manifest.Reason)
	}
	if seed.Fallback {
		fmt.Fprintf(out, "FALLBACK: check that the source published nothing until %s\n", manifest.Source.Fallback.Until.Format(time.RFC3339))
	}
	fmt.Fprintln(out, said)
	if b := manifest.Source.Spoke(seed); b != nil {
		if _, known := b.Time(); !known {
			fmt.Fprintf(out, "time: NOT checked, the chain is not known here: look up that the round was not published before %s\n", spokeAfter(manifest, seed).Format(time.RFC3339))
		}
	}
	return nil
}

// spokeAfter is the instant before which the beacon of the seed must not have
// spoken.
func spokeAfter(m *quota.Manifest, s *quota.Seed) time.Time {
	switch {
	case s.Fallback:
		return m.Source.Fallback.Until
	case m.Due.IsZero():
		return m.Frozen
	}
	return m.Due
}

// digests prints what was published elsewhere.
func digests(dir fs.FS, manifest *quota.Manifest, out io.Writer) error {
	digest, err := manifest.Digest()
	if err != nil {
		return err
	}
	announcement, err := read(dir, quota.AnnouncementFile, quota.ParseAnnouncement)
	if err != nil {
		return err
	}
	announced, err := announcement.Digest()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "manifest %s   compare with what was published before the draw\n", digest)
	fmt.Fprintf(out, "announcement %s   compare with what was published with the result\n", announced)
	return nil
}

func read[T any](dir fs.FS, name string, parse func([]byte) (*T, error)) (*T, error) {
	data, err := fs.ReadFile(dir, name)
	if err != nil {
		return nil, err
	}
	return parse(data)
}
