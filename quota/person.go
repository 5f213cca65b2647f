package quota

import (
	"fmt"
	"strings"
)

// PersonProof shows one person's line of the roll and of the result, to whoever
// has the manifest and the announcement and nothing else.
type PersonProof struct {
	// At is the place in the roll and in the result, from 0.
	At int `json:"at"`
	// Roll and Result are the two lines, without their newline.
	Roll       string   `json:"roll"`
	RollPath   []Digest `json:"roll_path"`
	Result     string   `json:"result"`
	ResultPath []Digest `json:"result_path"`
}

// NewPersonProof makes the proof for a label. It goes through the whole roll.
// Errors: Faults for a label that is not on the roll, or a result of another roll
// or of DrawStream.
func NewPersonProof(p *Proof, label Label) (*PersonProof, error) {
	if p.Result.draw == nil || p.Result.roll != p.Roll {
		return nil, Faults{{"result", "is not that of the roll, or of DrawStream"}}
	}
	all := p.Roll.candidates
	at, found := p.Roll.find(label)
	if !found {
		return nil, Faults{{"label", "is not on the roll"}}
	}
	roll := func(i int) []byte {
		line := appendLine(nil, p.Plan, &all[i])
		return line[:len(line)-1]
	}
	result := func(i int) []byte {
		line := appendOutcome(nil, p.Plan, all[i].Label, p.Result.Outcome(i))
		return line[:len(line)-1]
	}
	return &PersonProof{
		At: at, Roll: string(roll(at)), Result: string(result(at)),
		RollPath: treePath(len(all), at, roll), ResultPath: treePath(len(all), at, result),
	}, nil
}

// ParsePersonProof reads a proof of one person. It refuses unknown fields.
func ParsePersonProof(data []byte) (*PersonProof, error) {
	x := new(PersonProof)
	if err := parseJSON(data, x); err != nil {
		return nil, fmt.Errorf("quota: person: %w", err)
	}
	return x, nil
}

// Encode returns the canonical JSON, as Plan.Encode does.
func (x *PersonProof) Encode() ([]byte, error) { return encodeJSON(x) }

// Verify checks that the lines are those of the roll and of the result, and of
// one person. Errors: Faults.
func (x *PersonProof) Verify(m *Manifest, a *Announcement) error {
	var f Faults
	digest, err := m.Digest()
	if err != nil {
		return err
	}
	if a.Manifest != digest {
		f.add("announcement.manifest", "is not the digest of the manifest")
	}
	if root, ok := treeRoot(m.Count, x.At, []byte(x.Roll), x.RollPath); !ok || root != m.Tree {
		f.add("roll", "is not a line of the roll at this place")
	}
	if root, ok := treeRoot(a.Count, x.At, []byte(x.Result), x.ResultPath); !ok || root != a.Tree {
		f.add("result", "is not a line of the result at this place")
	}
	if a.Count != m.Count {
		f.add("result", "has not as many lines as the roll")
	}
	label, _, _ := strings.Cut(x.Roll, "\t")
	if other, _, _ := strings.Cut(x.Result, "\t"); other != label {
		f.add("result", "is of another label")
	}
	return f.err()
}

// Holds checks that the line of the roll is that of a receipt, which is of this
// draw and was issued before its seed could be known: before Due, or where that
// is not given, not after the freeze. That the receipt is the agency's,
// VerifyReceipt checks. Errors: Faults.
func (x *PersonProof) Holds(m *Manifest, r *Receipt) error {
	var f Faults
	if r.Program != m.Program || r.Wave != m.Wave {
		f.add("receipt", "is of another program or wave")
	}
	if m.spoken(r.Issued) {
		f.add("receipt.issued", "is not before the seed")
	}
	if !strings.HasPrefix(x.Roll, r.Label.String()+"\t") || !strings.HasSuffix(x.Roll, "\t"+r.Commitment.String()) {
		f.add("receipt", "has not the label and the commitment of the line")
	}
	return f.err()
}
