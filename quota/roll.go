package quota

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"math"
	"math/bits"
	"slices"
	"strconv"
)

// Label is the random receipt of one candidate: 16 bytes from a good random
// source, handed out before the seed exists. Never an identifier or its hash.
type Label [16]byte

func (l Label) String() string { return hex.EncodeToString(l[:]) }

// Candidate is one line of the roll, 68 bytes in memory.
type Candidate struct {
	Label Label
	// Commitment is SHA-256(salt || canonical record) of the caller's record of
	// the person, which the person or an auditor can open.
	Commitment Digest
	// Pool is the home pool: its position in Plan.Pools.
	Pool int32
	// Household is a pseudonym made for this draw. 0 means none.
	Household uint32
	// Number is the score or the place of arrival, where Plan.Key says so, and
	// otherwise 0.
	Number uint32
	// Groups has bit i set for a member of Plan.Groups[i].
	Groups uint32
	// Tier is below Plan.Tiers; lower comes first.
	Tier uint16
	// Held is how many seats the household holds before the draw. All lines of
	// a household say the same.
	Held uint8
}

// Roll is the frozen list of candidates in the order of their labels.
type Roll struct {
	candidates []Candidate
	marks      rollMarks
}

// rollMarks are what a manifest says of a roll.
type rollMarks struct {
	plan, digest, tree Digest
	count              int
}

// Candidates are in the order of their labels. Do not change them.
func (r *Roll) Candidates() []Candidate { return r.candidates }

// find returns the place of a label.
func (r *Roll) find(label Label) (at int, found bool) {
	return slices.BinarySearchFunc(r.candidates, label, func(c Candidate, l Label) int { return bytes.Compare(c.Label[:], l[:]) })
}

// RollError is a fault of a roll. Line counts from 1, the header included; in a
// roll made in memory it is the line that the candidate would have.
type RollError struct {
	Line int
	Rule string
}

func (e *RollError) Error() string { return fmt.Sprintf("quota: roll line %d: %s", e.Line, e.Rule) }

// NewRoll takes over candidates, sorts them by label and checks them against
// the plan. Where the plan says so, it merges cells that are too small. Errors:
// *RollError, and Faults for a plan that is not valid.
func NewRoll(p *Plan, candidates []Candidate) (*Roll, error) {
	byLabel := func(a, b Candidate) int { return bytes.Compare(a.Label[:], b.Label[:]) }
	if !slices.IsSortedFunc(candidates, byLabel) {
		slices.SortFunc(candidates, byLabel)
	}
	if p.SmallCells == MergeSmall && p.Validate() == nil {
		p.mergeSmall(candidates)
	}
	r := &Roll{candidates: candidates}
	out := NewRollWriter(io.Discard, p)
	for i := range candidates {
		if err := out.Add(&candidates[i]); err != nil {
			return nil, err
		}
	}
	var err error
	if r.marks, err = out.finish(); err != nil {
		return nil, err
	}
	return r, nil
}

// rollCheck checks line after line.
type rollCheck struct {
	plan   *Plan
	fault  error    // what is wrong with the plan
	around []uint32 // by group: the groups that it is within
	chain  []uint32 // by pool: the groups that must nest in each person
	loose  bool     // do not hold households against each other
	n      int
	last   Label
	held   map[uint32]uint8
	cells  map[[2]uint32]int // people by pool and groups, where small cells are refused
}

func newRollCheck(p *Plan) rollCheck {
	if err := p.Validate(); err != nil {
		return rollCheck{plan: p, fault: err}
	}
	k := rollCheck{plan: p, around: p.around()}
	if p.Counting != CountAll {
		return k
	}
	bit := p.groupBits()
	k.chain = make([]uint32, len(p.Pools))
	for i := range p.Pools {
		for _, r := range p.Pools[i].Reserves {
			if r.Kind == Guarantee {
				k.chain[i] |= 1 << bit[r.Group]
			}
		}
	}
	return k
}

// around returns for each group the groups that it is within.
func (p *Plan) around() []uint32 {
	bit := p.groupBits()
	around := make([]uint32, len(p.Groups))
	for i, g := range p.Groups {
		if g.Within != "" {
			up := bit[g.Within]
			around[i] = around[up] | 1<<up
		}
	}
	return around
}

// nests says whether the groups are those of one person: each with the groups
// around it, and those that must nest in one chain.
func (k *rollCheck) nests(c *Candidate) bool {
	var chain uint32
	if k.chain != nil {
		chain = c.Groups & k.chain[c.Pool]
	}
	for rest := c.Groups; rest != 0; rest &= rest - 1 {
		g := bits.TrailingZeros32(rest)
		if k.around[g]&^c.Groups != 0 {
			return false
		}
		if chain>>g&1 == 1 {
			inside := chain & (1<<g - 1) // groups around come first in the plan
			if inside&^k.around[g] != 0 {
				return false
			}
		}
	}
	return true
}

func (k *rollCheck) next(c *Candidate) error {
	if k.fault != nil {
		return k.fault
	}
	k.n++
	line := k.n + 1
	switch {
	case k.n >= math.MaxInt32:
		return &RollError{line, "too many lines"}
	case k.n > 1 && bytes.Compare(c.Label[:], k.last[:]) <= 0:
		return &RollError{line, "label not greater than the one before"}
	case c.Pool < 0 || int(c.Pool) >= len(k.plan.Pools):
		return &RollError{line, "unknown pool"}
	case int(c.Tier) >= k.plan.Tiers:
		return &RollError{line, "tier not in the plan"}
	case c.Groups>>len(k.plan.Groups) != 0:
		return &RollError{line, "unknown group"}
	case !k.nests(c):
		return &RollError{line, "groups do not nest as the plan says"}
	case c.Number != 0 && (k.plan.Key == "" || k.plan.Key == Lottery):
		return &RollError{line, "a number in a lottery"}
	case c.Household == 0 && c.Held != 0:
		return &RollError{line, "held without a household"}
	}
	k.last = c.Label
	if k.plan.SmallestCell > 1 {
		if k.cells == nil {
			k.cells = map[[2]uint32]int{}
		}
		k.cells[[2]uint32{uint32(c.Pool), c.Groups}]++
	}
	return k.household(c, line)
}

// end checks what only the whole roll shows.
func (k *rollCheck) end() error {
	if k.fault != nil {
		return k.fault
	}
	for _, n := range k.cells {
		if n < k.plan.SmallestCell {
			return &RollError{k.n + 1, "a cell of pool and groups has fewer people than smallest_cell"}
		}
	}
	return nil
}

// household holds the lines of one household against each other. Without a cap
// nothing depends on it.
func (k *rollCheck) household(c *Candidate, line int) error {
	if k.loose || c.Household == 0 || k.plan.HouseholdCap == 0 {
		return nil
	}
	if k.held == nil {
		k.held = map[uint32]uint8{}
	}
	held, seen := k.held[c.Household]
	if seen && held != c.Held {
		return &RollError{line, "held differs from an earlier line of the household"}
	}
	if !seen {
		k.held[c.Household] = c.Held
	}
	return nil
}

const rollHeader = "label\tpool\ttier\tnumber\thousehold\theld\tgroups\tcommitment\n"

// RollWriter writes roll.tsv as a stream. Make one with NewRollWriter.
type RollWriter struct {
	out   *bufio.Writer
	sum   hash.Hash
	tree  tree
	check rollCheck
	line  []byte
}

// NewRollWriter writes the header. The plan must be valid.
func NewRollWriter(w io.Writer, p *Plan) *RollWriter {
	sum := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(w, sum), 1<<16)
	out.WriteString(rollHeader) // an error stays with out, and Close returns it
	return &RollWriter{out: out, sum: sum, check: newRollCheck(p)}
}

// Add writes one candidate. Labels must grow from one to the next. Errors:
// *RollError, or what the writer says.
func (w *RollWriter) Add(c *Candidate) error {
	if err := w.check.next(c); err != nil {
		return err
	}
	w.line = appendLine(w.line[:0], w.check.plan, c)
	w.tree.add(w.line[:len(w.line)-1])
	_, err := w.out.Write(w.line)
	return err
}

// Close writes what is left, and returns the digest and the number of
// candidates. It does not close the writer below.
func (w *RollWriter) Close() (Digest, int, error) {
	marks, err := w.finish()
	return marks.digest, marks.count, err
}

func (w *RollWriter) finish() (rollMarks, error) {
	if err := w.out.Flush(); err != nil {
		return rollMarks{}, err
	}
	if err := w.check.end(); err != nil {
		return rollMarks{}, err
	}
	plan, err := w.check.plan.Digest()
	return rollMarks{plan, Digest(w.sum.Sum(nil)), w.tree.root(), w.check.n}, err
}

func appendLine(b []byte, p *Plan, c *Candidate) []byte {
	b = hex.AppendEncode(b, c.Label[:])
	b = append(b, '\t')
	b = append(b, p.Pools[c.Pool].ID...)
	b = append(b, '\t')
	b = strconv.AppendUint(b, uint64(c.Tier), 10)
	b = append(b, '\t')
	b = strconv.AppendUint(b, uint64(c.Number), 10)
	b = append(b, '\t')
	b = strconv.AppendUint(b, uint64(c.Household), 10)
	b = append(b, '\t')
	b = strconv.AppendUint(b, uint64(c.Held), 10)
	b = append(b, '\t')
	b = appendGroups(b, p, c.Groups)
	b = append(b, '\t')
	b = hex.AppendEncode(b, c.Commitment[:])
	return append(b, '\n')
}

func appendGroups(b []byte, p *Plan, groups uint32) []byte {
	if groups == 0 {
		return append(b, '-')
	}
	for rest := groups; rest != 0; rest &= rest - 1 {
		if rest != groups {
			b = append(b, ',')
		}
		b = append(b, p.Groups[bits.TrailingZeros32(rest)].Code...)
	}
	return b
}

// WriteTSV writes roll.tsv and returns its digest.
func (r *Roll) WriteTSV(w io.Writer, p *Plan) (Digest, error) {
	out := NewRollWriter(w, p)
	for i := range r.candidates {
		if err := out.Add(&r.candidates[i]); err != nil {
			return Digest{}, err
		}
	}
	digest, _, err := out.Close()
	return digest, err
}

// RollReader reads roll.tsv as a stream and accepts the canonical form only:
// what it reads, a RollWriter would write byte for byte.
type RollReader struct {
	in     *bufio.Reader
	sum    hash.Hash
	check  rollCheck
	pools  map[string]int32
	groups map[string]int
	head   bool
	tree   *tree // made only where it is asked for
}

// NewRollReader makes a reader. The plan must be valid.
func NewRollReader(r io.Reader, p *Plan) *RollReader {
	sum := sha256.New()
	k := &RollReader{
		in: bufio.NewReaderSize(io.TeeReader(r, sum), 1<<16), sum: sum, check: newRollCheck(p),
		pools: make(map[string]int32, len(p.Pools)), groups: make(map[string]int, len(p.Groups)),
	}
	for i := range p.Pools {
		k.pools[p.Pools[i].ID] = int32(i)
	}
	for i, g := range p.Groups {
		k.groups[g.Code] = i
	}
	return k
}

// Next reads the next candidate into c. Errors: io.EOF after the last one,
// *RollError, or what the reader below says.
func (r *RollReader) Next(c *Candidate) error {
	if !r.head {
		line, err := r.in.ReadSlice('\n')
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return err
		}
		if string(line) != rollHeader {
			return &RollError{1, "not the header"}
		}
		r.head = true
	}
	line, err := r.in.ReadSlice('\n')
	at := r.check.n + 2
	switch {
	case err == io.EOF && len(line) == 0:
		return cmp.Or(r.check.end(), io.EOF)
	case err == io.EOF:
		return &RollError{at, "no newline at the end"}
	case err == bufio.ErrBufferFull:
		return &RollError{at, "line too long"}
	case err != nil:
		return err
	}
	line = line[:len(line)-1]
	if rule := r.parse(line, c); rule != "" {
		return &RollError{at, rule}
	}
	if r.tree != nil {
		r.tree.add(line)
	}
	return r.check.next(c)
}

// Digest is the SHA-256 of all that was read; after io.EOF, of the file.
func (r *RollReader) Digest() Digest { return Digest(r.sum.Sum(nil)) }

// marks are those of a file that was read to its end.
func (r *RollReader) marks() (rollMarks, error) {
	plan, err := r.check.plan.Digest()
	return rollMarks{plan, r.Digest(), r.tree.root(), r.check.n}, err
}

// parse returns the rule that the line breaks, or "".
func (r *RollReader) parse(line []byte, c *Candidate) string {
	var field [8][]byte
	for i := range field {
		before, after, more := bytes.Cut(line, []byte{'\t'})
		if more == (i == len(field)-1) {
			return "not eight fields"
		}
		field[i], line = before, after
	}
	*c = Candidate{}
	if decodeHex(c.Label[:], field[0]) != nil {
		return "label is not 32 lower-case hexadecimal digits"
	}
	pool, known := r.pools[string(field[1])]
	if !known {
		return "unknown pool"
	}
	tier, ok1 := canonicalUint(field[2], math.MaxUint16)
	number, ok2 := canonicalUint(field[3], math.MaxUint32)
	household, ok3 := canonicalUint(field[4], math.MaxUint32)
	held, ok4 := canonicalUint(field[5], math.MaxUint8)
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return "tier, number, household or held is not a canonical number in range"
	}
	c.Pool, c.Tier, c.Number, c.Household, c.Held = pool, uint16(tier), uint32(number), uint32(household), uint8(held)
	if !r.parseGroups(field[6], c) {
		return "groups are not codes of the plan in its order"
	}
	if decodeHex(c.Commitment[:], field[7]) != nil {
		return "commitment is not 64 lower-case hexadecimal digits"
	}
	return ""
}

func (r *RollReader) parseGroups(text []byte, c *Candidate) bool {
	if string(text) == "-" {
		return true
	}
	last := -1
	for more := true; more; {
		var code []byte
		code, text, more = bytes.Cut(text, []byte{','})
		bit, known := r.groups[string(code)]
		if !known || bit <= last {
			return false
		}
		last = bit
		c.Groups |= 1 << bit
	}
	return true
}

// canonicalUint reads decimal digits without a leading zero.
func canonicalUint(text []byte, limit uint64) (uint64, bool) {
	if len(text) == 0 || len(text) > 10 || text[0] == '0' && len(text) > 1 {
		return 0, false
	}
	var n uint64
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, n <= limit
}

// ReadRoll reads a whole roll.tsv and its digest. Errors: as RollReader.Next.
func ReadRoll(r io.Reader, p *Plan) (*Roll, Digest, error) {
	in := NewRollReader(r, p)
	in.tree = &tree{}
	roll := &Roll{}
	var c Candidate
	for {
		err := in.Next(&c)
		if err == io.EOF {
			roll.marks, err = in.marks()
			return roll, roll.marks.digest, err
		}
		if err != nil {
			return nil, Digest{}, err
		}
		roll.candidates = append(roll.candidates, c)
	}
}
