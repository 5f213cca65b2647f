package quota

import (
	"bufio"
	"crypto/sha256"
	"io"
	"strconv"
)

// The files of a proof folder.
const (
	PlanFile     = "plan.json"
	ManifestFile = "manifest.json"
	SeedFile     = "seed.json"
	RollFile     = "roll.tsv"
	ResultFile   = "result.tsv"
	MovesFile    = "moves.tsv"
)

// Proof is everything that anyone needs to redo a draw.
type Proof struct {
	Plan     *Plan
	Roll     *Roll
	Manifest *Manifest
	Seed     *Seed
	Result   *Result
}

// WriteProof writes the six files, each as a stream, through create, which is
// given the name of a file. The same draw gives the same bytes. It does not
// check the draw: VerifyProof does. Errors: Faults for a result of another
// roll, *RollError for a roll of another plan, and those of create.
func WriteProof(create func(name string) (io.WriteCloser, error), p *Proof) error {
	if len(p.Result.Outcomes) != len(p.Roll.candidates) {
		return Faults{{"result", "is not that of the roll"}}
	}
	seed, err := p.Seed.Encode()
	if err != nil {
		return err
	}
	files := []struct {
		name  string
		write func(io.Writer) error
	}{
		{PlanFile, func(w io.Writer) error { return writeJSON(w, p.Plan) }},
		{RollFile, func(w io.Writer) error { _, err := p.Roll.WriteTSV(w, p.Plan); return err }},
		{ManifestFile, func(w io.Writer) error { return writeJSON(w, p.Manifest) }},
		{SeedFile, func(w io.Writer) error { _, err := w.Write(seed); return err }},
		{ResultFile, func(w io.Writer) error { return writeResult(w, p, sha256.Sum256(seed)) }},
		{MovesFile, func(w io.Writer) error { return writeMoves(w, p) }},
	}
	for _, f := range files {
		if err := writeFile(create, f.name, f.write); err != nil {
			return err
		}
	}
	return nil
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
	resultHeader = "label\trank\treason\tpool\tseat\tposition\n"
	movesHeader  = "round\torigin\tfrom\tseat\tto\tseats\n"
)

// writeResult names the seed in its first line, so that the chain of digests
// is whole: result, seed, manifest, roll and plan.
func writeResult(w io.Writer, p *Proof, seed Digest) error {
	out := bufio.NewWriterSize(w, 1<<16)
	out.WriteString("seed\t" + seed.String() + "\n" + resultHeader) // Flush returns the error
	var b []byte
	for i := range p.Result.Outcomes {
		o := &p.Result.Outcomes[i]
		b = append(b[:0], p.Roll.candidates[i].Label.String()...)
		b = append(b, '\t')
		b = strconv.AppendUint(b, uint64(o.Rank), 10)
		b = append(b, '\t')
		b = append(b, o.Reason.String()...)
		b = append(b, '\t')
		b = append(b, p.Plan.Pools[o.Pool].ID...)
		b = append(b, '\t')
		b = append(b, o.seat(p.Plan)...)
		b = append(b, '\t')
		b = strconv.AppendUint(b, uint64(o.Position), 10)
		b = append(b, '\n')
		if _, err := out.Write(b); err != nil {
			return err
		}
	}
	return out.Flush()
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
