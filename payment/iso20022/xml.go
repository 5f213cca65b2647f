package iso20022

import (
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gelombang/gelombang/payment"
)

// FileError says why a file is refused. Offset counts bytes from the beginning.
type FileError struct {
	Rule   FileRule
	Offset int64
	// Path is the element's place in the message, without its values.
	Path string
	Err  error
}

func (e *FileError) Error() string {
	return fmt.Sprintf("iso20022: refused at byte %d: %s %s", e.Offset, e.Rule, e.Path)
}

// Unwrap gives what is behind it, and payment.ErrBadFile if it is the file's own fault.
func (e *FileError) Unwrap() []error {
	var all []error
	if e.Rule != RuleRead {
		all = append(all, payment.ErrBadFile)
	}
	if e.Err != nil {
		all = append(all, e.Err)
	}
	return all
}

// FileRule names what a file must fulfil.
type FileRule string

// The rules of files.
const (
	RuleSyntax    FileRule = "syntax"    // not well-formed XML in UTF-8
	RuleDirective FileRule = "directive" // a DOCTYPE or other directive
	RuleRoot      FileRule = "root"      // no root, a second one, or text outside it
	RuleMessage   FileRule = "message"   // not the message, or not a version of it, that is read
	RuleDepth     FileRule = "depth"     // deeper than 40 elements
	RuleWidth     FileRule = "width"     // over 1 MiB from one record to the next, or more than 10,000,000 records
	RuleLength    FileRule = "length"    // a token over 64 KiB, or a value over 512 bytes
	RuleTwice     FileRule = "twice"     // a value that may be there once is there twice
	RuleSplit     FileRule = "split"     // a value interrupted by a comment or an instruction
	RuleValue     FileRule = "value"     // an amount, date or code that cannot be read, or is missing
	RuleSum       FileRule = "sum"       // a sum or a count is not that of its parts
	RuleCurrency  FileRule = "currency"  // an amount in another currency than the account's
	RuleReference FileRule = "reference" // a reference that names two things
	RuleRead      FileRule = "read"      // the file could not be read
)

const (
	maxDepth   = 40
	maxToken   = 64 << 10
	maxValue   = 512
	maxBetween = 1 << 20    // bytes from one record to the next
	maxRecords = 10_000_000 // statements, entries and their parts, blocks and orders
)

// source hands single bytes to the tokeniser and limits what one token may use.
type source struct {
	r     io.Reader
	buf   []byte
	i, n  int
	left  int
	err   error
	empty int
}

var errToken = errors.New("iso20022: a token is over 64 KiB")

func (s *source) ReadByte() (byte, error) {
	if s.left <= 0 {
		return 0, errToken
	}
	s.left--
	for s.i >= s.n {
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	c := s.buf[s.i]
	s.i++
	return c, nil
}

func (s *source) fill() error {
	if s.err != nil {
		return s.err
	}
	s.i = 0
	s.n, s.err = s.r.Read(s.buf)
	if s.n > 0 {
		s.empty = 0
		return nil
	}
	if s.empty++; s.err == nil && s.empty > 100 {
		s.err = io.ErrNoProgress
	}
	return s.err
}

// Read serves only those who do not ask for single bytes.
func (s *source) Read(p []byte) (int, error) {
	for i := range p {
		c, err := s.ReadByte()
		if err != nil {
			return i, err
		}
		p[i] = c
	}
	return len(p), nil
}

// field is what a reader wants to know of an element; 0 is nothing.
type field int

// node is an element of a message that matters to a reader. Other elements are
// passed over.
type node struct {
	name     string
	field    field
	many     bool
	record   bool
	children []*node
}

// grow adds a path such as "Stmt+/Bal*/Amt" to the tree: * marks an element that
// may be repeated, + one that may be repeated as often as there are records.
func (n *node) grow(path string, f field) {
	for part := range strings.SplitSeq(path, "/") {
		name, record := strings.CutSuffix(part, "+")
		name, many := strings.CutSuffix(name, "*")
		i := slices.IndexFunc(n.children, func(c *node) bool { return c.name == name })
		if i < 0 {
			i = len(n.children)
			n.children = append(n.children, &node{name: name, many: many || record, record: record})
		}
		n = n.children[i]
	}
	n.field = f
}

// frame is an element that is open.
type frame struct {
	name, prefix string
	node         *node
	seen         uint64
}

type parser struct {
	src      source
	dec      *xml.Decoder
	stack    []frame
	text     []byte
	prefix   string // of the message's elements
	space    string
	version  Version
	currency string // of the last element that had one
	split    bool
	rooted   bool
	record   int64 // the offset of the last record
	records  int64 // and how many there were
	limit    int64 // of records; 0: maxRecords
	open     func(field) error
	value    func(field, []byte) error
	shut     func(field) error
}

func (p *parser) refuse(rule FileRule, err error) error {
	var names []string
	for _, f := range p.stack {
		if f.node != nil {
			names = append(names, f.name)
		}
	}
	return &FileError{Rule: rule, Offset: p.dec.InputOffset(), Path: strings.Join(names, "/"), Err: err}
}

const namespace = "urn:iso:std:iso:20022:tech:xsd:"

// run reads a whole file of one message. A file without a namespace is taken to
// be of the message that is read, since some banks leave it out.
func (p *parser) run(r io.Reader, root *node, versions ...Version) error {
	p.src = source{r: r, buf: make([]byte, 64<<10)}
	p.dec = xml.NewDecoder(&p.src)
	limit := cmp.Or(p.limit, maxRecords)
	for {
		p.src.left = maxToken
		token, err := p.dec.RawToken()
		if err == io.EOF {
			if len(p.stack) > 0 || !p.rooted {
				return p.refuse(RuleRoot, nil)
			}
			return nil
		}
		if err != nil {
			return p.tokenError(err)
		}
		if p.dec.InputOffset()-p.record > maxBetween || p.records > limit {
			return p.refuse(RuleWidth, nil)
		}
		switch t := token.(type) {
		case xml.StartElement:
			err = p.start(t, root, versions)
		case xml.EndElement:
			err = p.end(t)
		case xml.CharData:
			err = p.chars(t)
		case xml.Directive:
			err = p.refuse(RuleDirective, nil)
		default:
			p.split = true
		}
		if err != nil {
			return err
		}
	}
}

func (p *parser) tokenError(err error) error {
	var syntax *xml.SyntaxError
	switch {
	case errors.Is(err, errToken):
		return p.refuse(RuleLength, nil)
	case errors.As(err, &syntax), p.src.err == nil, p.src.err == io.EOF:
		return p.refuse(RuleSyntax, nil) // its text could repeat what is in the file
	}
	return p.refuse(RuleRead, err)
}

func (p *parser) start(t xml.StartElement, root *node, versions []Version) error {
	if len(p.stack) >= maxDepth {
		return p.refuse(RuleDepth, nil)
	}
	next := frame{name: t.Name.Local, prefix: t.Name.Space}
	if len(p.stack) == 0 {
		if p.rooted {
			return p.refuse(RuleRoot, nil)
		}
		p.rooted = true
		if err := p.message(t, versions); err != nil {
			return err
		}
		next.node = root
		p.stack = append(p.stack, next)
		return nil
	}
	parent := &p.stack[len(p.stack)-1]
	if parent.node != nil && next.prefix == p.prefix && !p.otherSpace(t) {
		for i, child := range parent.node.children {
			if child.name != next.name {
				continue
			}
			next.node = child
			if !child.many && parent.seen&(1<<i) != 0 {
				return p.refuse(RuleTwice, nil)
			}
			parent.seen |= 1 << i
		}
	}
	p.stack = append(p.stack, next)
	if len(p.stack) == 2 && next.node == nil {
		return p.refuse(RuleMessage, nil)
	}
	if next.node != nil && next.node.record {
		p.record = p.dec.InputOffset()
		p.records++
	}
	if next.node == nil || next.node.field == 0 {
		return nil
	}
	p.text, p.split, p.currency = p.text[:0], false, ""
	for _, a := range t.Attr {
		if a.Name.Local == "Ccy" {
			p.currency = a.Value
		}
	}
	if p.open == nil {
		return nil
	}
	return p.open(next.node.field)
}

// message finds the version in the root's namespace.
func (p *parser) message(t xml.StartElement, versions []Version) error {
	if t.Name.Local != "Document" {
		return p.refuse(RuleMessage, nil)
	}
	p.prefix = t.Name.Space
	for _, a := range t.Attr {
		if p.prefix == "" && a.Name.Space == "" && a.Name.Local == "xmlns" || p.prefix != "" && a.Name.Space == "xmlns" && a.Name.Local == p.prefix {
			p.space = a.Value
		}
	}
	if p.space == "" && p.prefix == "" {
		return nil
	}
	p.version = Version(strings.TrimPrefix(p.space, namespace))
	if !strings.HasPrefix(p.space, namespace) || !slices.Contains(versions, p.version) {
		return p.refuse(RuleMessage, nil)
	}
	return nil
}

// otherSpace reports whether an element redefines the message's prefix.
func (p *parser) otherSpace(t xml.StartElement) bool {
	for _, a := range t.Attr {
		isOurs := a.Name.Space == "" && a.Name.Local == "xmlns" && p.prefix == "" || a.Name.Space == "xmlns" && a.Name.Local == p.prefix
		if isOurs && a.Value != p.space {
			return true
		}
	}
	return false
}

func (p *parser) chars(t xml.CharData) error {
	if len(p.stack) == 0 {
		if strings.TrimSpace(strings.TrimPrefix(string(t), "\ufeff")) != "" {
			return p.refuse(RuleRoot, nil)
		}
		return nil
	}
	top := p.stack[len(p.stack)-1].node
	if top == nil || top.field == 0 {
		return nil
	}
	if len(p.text)+len(t) > maxValue {
		if len(strings.TrimSpace(string(t))) > 0 {
			return p.refuse(RuleLength, nil)
		}
		return nil
	}
	p.text = append(p.text, t...)
	return nil
}

func (p *parser) end(t xml.EndElement) error {
	if len(p.stack) == 0 {
		return p.refuse(RuleSyntax, nil)
	}
	top := p.stack[len(p.stack)-1]
	if top.name != t.Name.Local || top.prefix != t.Name.Space {
		return p.refuse(RuleSyntax, nil)
	}
	if top.node != nil && top.node.field != 0 {
		if err := p.leave(top.node); err != nil {
			return err
		}
	}
	p.stack = p.stack[:len(p.stack)-1]
	return nil
}

func (p *parser) leave(n *node) error {
	text := trimmed(p.text)
	p.text = p.text[:0]
	if len(text) > 0 {
		if p.split {
			return p.refuse(RuleSplit, nil)
		}
		if err := p.value(n.field, text); err != nil {
			return err
		}
	}
	if p.shut == nil {
		return nil
	}
	return p.shut(n.field)
}

func trimmed(b []byte) []byte {
	for len(b) > 0 && b[0] <= ' ' {
		b = b[1:]
	}
	for len(b) > 0 && b[len(b)-1] <= ' ' {
		b = b[:len(b)-1]
	}
	return b
}
