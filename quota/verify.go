package quota

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// ProofError is the first thing wrong with a proof: the file, the line from 1
// (0 for the file as a whole), and the rule. Where a file is not that of which
// another has the digest, nobody can tell which of the two was changed: the rule
// then names the other.
type ProofError struct {
	File string
	Line int
	Rule string
}

func (e *ProofError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("quota: proof: %s: %s", e.File, e.Rule)
	}
	return fmt.Sprintf("quota: proof: %s line %d: %s", e.File, e.Line, e.Rule)
}

// VerifyProof redoes the draw of a proof folder and compares every byte. nil
// means that the result follows from the roll, the plan and the seed. It does
// not say that the manifest was published in time, that the keys of the witnesses
// are theirs, or that the seed is what the source gave: compare Manifest.Digest
// and the keys with what was published, and the seed with its source. Nor does it
// say when a beacon spoke whose Time is not known. Errors: *ProofError, or what the file system says.
func VerifyProof(fsys fs.FS) error {
	p := &Proof{}
	manifest, err := readJSON(fsys, ManifestFile, ParseManifest)
	if err != nil {
		return err
	}
	plan, err := readJSON(fsys, PlanFile, ParsePlan)
	if err != nil {
		return err
	}
	seed, err := readJSON(fsys, SeedFile, ParseSeed)
	if err != nil {
		return err
	}
	announcement, err := readJSON(fsys, AnnouncementFile, ParseAnnouncement)
	if err != nil {
		return err
	}
	p.Plan, p.Manifest, p.Seed = plan.value, manifest.value, seed.value
	if err := oneManifest(manifest.digest, seed.value.Manifest, announcement.value.Manifest); err != nil {
		return err
	}
	if plan.digest != p.Manifest.Plan {
		return &ProofError{PlanFile, 0, "its digest is not that in manifest.json"}
	}
	if err := p.Manifest.meets(p.Plan); err != nil {
		return &ProofError{ManifestFile, 0, err.Error()}
	}
	keys, err := p.Manifest.keys(p.Seed)
	if err != nil {
		return &ProofError{SeedFile, 0, err.Error()}
	}
	if seed.digest != announcement.value.Seed {
		return &ProofError{SeedFile, 0, "its digest is not that in announcement.json"}
	}
	if p.Roll, err = readRoll(fsys, p.Plan, p.Manifest); err != nil {
		return err
	}
	names, err := readJSON(fsys, WitnessesFile, func(data []byte) (*witnessed, error) {
		w := new(witnessed)
		return w, parseJSON(data, w)
	})
	if err != nil {
		return err
	}
	p.Attestations = names.value.Attestations
	if err := p.Manifest.Attested(p.Attestations); err != nil {
		return &ProofError{WitnessesFile, 0, err.Error()}
	}
	if names.digest != announcement.value.Witnesses {
		return &ProofError{WitnessesFile, 0, "its digest is not that in announcement.json"}
	}
	removed, err := p.readRemovals(fsys, announcement.value.Removals)
	if err != nil {
		return err
	}
	if p.Result, err = sel(p.Plan, p.Roll, keys, removed); err != nil {
		return err
	}
	_, err = p.write(func(name string, write func(io.Writer) error) error {
		if name == RollFile {
			return nil // read line by line above, and held against the manifest
		}
		return compareFile(fsys, name, write)
	})
	return err
}

// oneManifest holds the digest of the manifest against those in two other files:
// which of the three stands alone.
func oneManifest(have, seed, announced Digest) error {
	switch {
	case have == seed && have == announced:
		return nil
	case seed == announced:
		return &ProofError{ManifestFile, 0, "its digest is not that in seed.json and announcement.json"}
	case have == announced:
		return &ProofError{SeedFile, 0, "manifest is not the digest of manifest.json"}
	case have == seed:
		return &ProofError{AnnouncementFile, 0, "manifest is not the digest of manifest.json"}
	}
	return &ProofError{ManifestFile, 0, "its digest, and those in seed.json and announcement.json, are three"}
}

func (p *Proof) readRemovals(fsys fs.FS, digest Digest) (map[Label]bool, error) {
	data, err := fs.ReadFile(fsys, RemovalsFile)
	if err != nil {
		return nil, err
	}
	all, line, rule := readRemovals(data)
	if rule != "" {
		return nil, &ProofError{RemovalsFile, line, rule}
	}
	if sha256.Sum256(data) != digest {
		return nil, &ProofError{RemovalsFile, 0, "its digest is not that in announcement.json"}
	}
	p.Removals = all
	removed, err := removals(all)
	if err != nil {
		return nil, &ProofError{RemovalsFile, 0, err.Error()}
	}
	for label := range removed {
		if _, found := p.Roll.find(label); !found {
			return nil, &ProofError{RemovalsFile, 0, "a label that is not on the roll"}
		}
	}
	return removed, nil
}

type document[T any] struct {
	value  *T
	digest Digest
}

// readJSON reads one file and holds it against its canonical form.
func readJSON[T any](fsys fs.FS, name string, parse func([]byte) (*T, error)) (document[T], error) {
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return document[T]{}, err
	}
	value, err := parse(data)
	if err != nil {
		return document[T]{}, &ProofError{name, 0, err.Error()}
	}
	canonical, err := encodeJSON(value)
	if err != nil {
		return document[T]{}, &ProofError{name, 0, err.Error()}
	}
	c := comparer{in: bufio.NewReader(bytes.NewReader(data)), name: name, line: 1, rule: "not canonical JSON"}
	if _, err := c.Write(canonical); err != nil {
		return document[T]{}, err
	}
	return document[T]{value, sha256.Sum256(data)}, c.end()
}

func readRoll(fsys fs.FS, p *Plan, m *Manifest) (*Roll, error) {
	f, err := fsys.Open(RollFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	roll, digest, err := ReadRoll(f, p)
	var fault *RollError
	if errors.As(err, &fault) {
		return nil, &ProofError{RollFile, fault.Line, fault.Rule}
	}
	if err != nil {
		return nil, err
	}
	if digest != m.Roll {
		return nil, &ProofError{RollFile, 0, "its digest is not that in manifest.json"}
	}
	if len(roll.candidates) != m.Count {
		return nil, &ProofError{ManifestFile, 0, "count is not the number of lines of the roll"}
	}
	if roll.marks.tree != m.Tree {
		return nil, &ProofError{ManifestFile, 0, "tree is not the root over the lines of the roll"}
	}
	return roll, nil
}

// compareFile holds a file against what write writes.
func compareFile(fsys fs.FS, name string, write func(io.Writer) error) error {
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	c := comparer{in: bufio.NewReaderSize(f, 1<<16), name: name, line: 1, rule: "differs from the draw done again"}
	if err := write(&c); err != nil {
		return err
	}
	return c.end()
}

// comparer is a writer that compares with a file instead of writing.
type comparer struct {
	in   *bufio.Reader
	name string
	line int
	rule string
	buf  []byte
}

func (c *comparer) Write(want []byte) (int, error) {
	if cap(c.buf) < len(want) {
		c.buf = make([]byte, len(want))
	}
	have := c.buf[:len(want)]
	n, err := io.ReadFull(c.in, have)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return 0, err
	}
	if n == len(want) && bytes.Equal(have, want) {
		c.line += bytes.Count(want, []byte{'\n'})
		return n, nil
	}
	same := 0
	for same < n && have[same] == want[same] {
		same++
	}
	line := c.line + bytes.Count(want[:same], []byte{'\n'})
	return 0, &ProofError{c.name, line, c.rule}
}

// end refuses what the file has beyond what was written.
func (c *comparer) end() error {
	_, err := c.in.ReadByte()
	if err == io.EOF {
		return nil
	}
	if err != nil {
		return err
	}
	return &ProofError{c.name, c.line, c.rule}
}
