package quota

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"io"
	"strconv"
)

// The files of a proof folder.
const (
	PlanFile         = "plan.json"
	ManifestFile     = "manifest.json"
	WitnessesFile    = "witnesses.json"
	SeedFile         = "seed.json"
	RollFile         = "roll.tsv"
	RemovalsFile     = "removals.tsv"
	ResultFile       = "result.tsv"
	MovesFile        = "moves.tsv"
	AnnouncementFile = "announcement.json"
)

// Proof is everything that anyone needs to redo a draw.
type Proof struct {
	Plan     *Plan
	Roll     *Roll
	Manifest *Manifest
	Seed     *Seed
	Result   *Result
	// Attestations are what the witnesses of the manifest signed.
	Attestations []Attestation
	// Removals are those that the draw was given.
	Removals []Removal
}

// Announcement is what is published with the result: the digests of all that
// came after the manifest, and of the manifest itself. Its own digest stands for
// the whole draw.
type Announcement struct {
	Manifest  Digest `json:"manifest"`
	Witnesses Digest `json:"witnesses"`
	Seed      Digest `json:"seed"`
	Removals  Digest `json:"removals"`
	Result    Digest `json:"result"`
	// Tree is the root of the Merkle tree over the lines of the result.
	Tree   Digest `json:"tree"`
	Moves  Digest `json:"moves"`
	Count  int    `json:"count"`
	Seated int64  `json:"seated"`
}

// ParseAnnouncement reads announcement.json.
func ParseAnnouncement(data []byte) (*Announcement, error) {
	a := new(Announcement)
	return a, parseJSON(data, a)
}

// Digest is the SHA-256 of the canonical JSON. Publish it with the result.
func (a *Announcement) Digest() (Digest, error) {
	data, err := encodeJSON(a)
	return sha256.Sum256(data), err
}

// WriteProof writes the files of a proof, each as a stream, through create,
// which is given the name of a file. The same draw gives the same bytes. It
// does not check the draw: VerifyProof does. Errors: Faults for a result of
// another roll or of DrawStream, which has no outcomes, *RollError for a roll of
// another plan, and those of create.
func WriteProof(create func(name string) (io.WriteCloser, error), p *Proof) error {
	if p.Result.draw == nil || p.Result.roll != p.Roll {
		return Faults{{"result", "is not that of the roll, or of DrawStream"}}
	}
	_, err := p.write(func(name string, write func(io.Writer) error) error {
		return writeFile(create, name, write)
	})
	return err
}

// write gives each file to put, and returns the announcement.
func (p *Proof) write(put func(name string, write func(io.Writer) error) error) (*Announcement, error) {
	a := &Announcement{Count: len(p.Roll.candidates), Seated: p.Result.Seated}
	var result tree
	files := []struct {
		name   string
		digest *Digest
		write  func(io.Writer) error
	}{
		{PlanFile, nil, func(w io.Writer) error { return writeJSON(w, p.Plan) }},
		{RollFile, nil, func(w io.Writer) error { _, err := p.Roll.WriteTSV(w, p.Plan); return err }},
		{ManifestFile, &a.Manifest, func(w io.Writer) error { return writeJSON(w, p.Manifest) }},
		{WitnessesFile, &a.Witnesses, func(w io.Writer) error { return writeJSON(w, witnessed{p.Attestations}) }},
		{SeedFile, &a.Seed, func(w io.Writer) error { return writeJSON(w, p.Seed) }},
		{RemovalsFile, &a.Removals, func(w io.Writer) error { return writeRemovals(w, p.Removals) }},
		{ResultFile, &a.Result, func(w io.Writer) error { return writeResult(w, p, &result) }},
		{MovesFile, &a.Moves, func(w io.Writer) error { return writeMoves(w, p) }},
		{AnnouncementFile, nil, func(w io.Writer) error { a.Tree = result.root(); return writeJSON(w, a) }},
	}
	for _, f := range files {
		sum := sha256.New()
		err := put(f.name, func(w io.Writer) error { return f.write(io.MultiWriter(w, sum)) })
		if err != nil {
			return nil, err
		}
		if f.digest != nil {
			*f.digest = Digest(sum.Sum(nil))
		}
	}
	return a, nil
}

func writeFile(create func(string) (io.WriteCloser, error), name string, write func(io.Writer) error) error {
	w, err := create(name)
	if err != nil {
		return err
	}
	if err := write(w); err != nil {
		w.Close()
		return err
	}
	return w.Close()
}

func writeJSON(w io.Writer, v any) error {
	data, err := encodeJSON(v)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

const (
	removalsHeader = "label\treason\n"
	resultHeader   = "label\treason\tpool\tseat\tposition\n"
	movesHeader    = "round\torigin\tfrom\tseat\tto\tseats\n"
)

func writeRemovals(w io.Writer, all []Removal) error {
	b := []byte(removalsHeader)
	for _, r := range all {
		b = append(b, r.Label.String()+"\t"+r.Reason+"\n"...)
	}
	_, err := w.Write(b)
	return err
}

// readRemovals reads what writeRemovals writes; line is 0 if all is well.
func readRemovals(data []byte) (all []Removal, line int, rule string) {
	lines := bytes.Split(data, []byte{'\n'})
	if len(lines) < 2 || string(lines[0])+"\n" != removalsHeader || len(lines[len(lines)-1]) > 0 {
		return nil, 1, "not the header, or no newline at the end"
	}
	for i, text := range lines[1 : len(lines)-1] {
		label, reason, found := bytes.Cut(text, []byte{'\t'})
		r := Removal{Reason: string(reason)}
		if !found || decodeHex(r.Label[:], label) != nil {
			return nil, i + 2, "not a label and a reason"
		}
		all = append(all, r)
	}
	return all, 0, ""
}

func writeResult(w io.Writer, p *Proof, lines *tree) error {
	out := bufio.NewWriterSize(w, 1<<16)
	out.WriteString(resultHeader) // Flush returns the error
	var b []byte
	err := p.Result.draw.each(p.Roll.scan, func(c *Candidate, o Outcome) error {
		b = appendOutcome(b[:0], p.Plan, c.Label, o)
		lines.add(b[:len(b)-1])
		_, err := out.Write(b)
		return err
	})
	if err != nil {
		return err
	}
	return out.Flush()
}

func appendOutcome(b []byte, p *Plan, label Label, o Outcome) []byte {
	b = append(b, label.String()...)
	b = append(b, '\t')
	b = append(b, o.Reason.String()...)
	b = append(b, '\t')
	b = append(b, p.Pools[o.Pool].ID...)
	b = append(b, '\t')
	b = append(b, o.seat(p)...)
	b = append(b, '\t')
	b = strconv.AppendUint(b, uint64(o.Position), 10)
	return append(b, '\n')
}

func (o *Outcome) seat(p *Plan) string {
	if !o.Accepted() {
		return "-"
	}
	return p.seat(o.Group)
}

// seat is the name of a kind of seat: a group code, or open.
func (p *Plan) seat(group int8) string {
	if group < 0 {
		return openSeat
	}
	return p.Groups[group].Code
}

func writeMoves(w io.Writer, p *Proof) error {
	b := []byte(movesHeader)
	for _, m := range p.Result.Moves {
		b = strconv.AppendInt(b, int64(m.Round), 10)
		for _, text := range []string{p.Plan.Pools[m.Origin].ID, p.Plan.Pools[m.From].ID, p.Plan.seat(m.Group), p.Plan.Pools[m.To].ID} {
			b = append(b, '\t')
			b = append(b, text...)
		}
		b = append(b, '\t')
		b = strconv.AppendInt(b, m.Seats, 10)
		b = append(b, '\n')
	}
	_, err := w.Write(b)
	return err
}
