package program

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
)

// Signs by which people are alike. They are reasons for somebody to look, never a
// decision.
const (
	SamePhone   = "same-phone"
	SameDevice  = "same-device"
	SameAccount = "same-account"
	SameBirth   = "same-birth"
	SameFamily  = "same-family"
	AlikeName   = "alike-name"
)

// Alike are people who may be one, or who share what one person has.
type Alike struct {
	// Applicants are two, or as many as share something where those are too many to be
	// compared with each other; in order.
	Applicants []uuid.UUID
	// Signs say why, in order.
	Signs []string
	// Score is how much the names of two are alike, 0 to 1000 (identity.Name.Similarity).
	Score int
}

// AlikeOptions say what is looked for.
type AlikeOptions struct {
	// Least is the least score by which two names are alike; 0 means 850.
	Least int
	// Group is how many who share something are still compared two by two; more are given
	// as one. 0 means 20.
	Group int
}

// FindAlike compares everybody who is registered, or barred, with everybody, and gives
// each pair to each that may be one person: whose names are alike across spellings and
// who were born on one day or are of one family; and those who share a phone, a device or
// a payout account, whatever their names. Two of one family who share a phone say so by
// SameFamily. The order is that of the ids.
//
// Nobody is compared with everybody: only those who have a birth date and an initial, or something they
// share, in common. It reads and opens everybody once and keeps some 300 bytes of each,
// the name among them, in memory while it runs. Options may be nil.
func (e *Engine[T]) FindAlike(ctx context.Context, o *AlikeOptions, each func(Alike) error) error {
	s := &alikeSearch{least: 850, group: 20, blocks: map[string][]int32{}}
	if o != nil && o.Least > 0 {
		s.least = o.Least
	}
	if o != nil && o.Group > 0 {
		s.group = o.Group
	}
	scan := Scan{Table: TableApplicants, Column: "state", Only: []any{string(Registered), string(Barred)}, Limit: e.chunk}
	for {
		rows, next, err := e.store.Page(ctx, scan)
		if err != nil {
			return err
		}
		ids := make([]uuid.UUID, len(rows.Rows))
		for i, row := range rows.Rows {
			ids[i] = idOf(row.Values[0])
		}
		people, err := e.people(ctx, ids)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if a := people[id]; a != nil && a.aead != nil {
				s.add(id, &a.Person)
			}
		}
		if scan.After = next; next == nil {
			return s.compare(ctx, each)
		}
	}
}

type alikeSearch struct {
	least, group int
	people       []alikePerson
	blocks       map[string][]int32 // positions of those who have something in common
}

type alikePerson struct {
	id      uuid.UUID
	name    identity.Name
	birth   calendar.Date
	family  string
	phone   string
	device  string
	account string
}

func (s *alikeSearch) add(id uuid.UUID, p *Person) {
	n := int32(len(s.people))
	a := alikePerson{id: id, name: p.Name, birth: p.Birth, family: p.Family.Reveal(), phone: p.Phone.Reveal(), device: p.Device.Reveal()}
	if !p.Payout.Account.IsZero() {
		a.account = p.Payout.Provider + "/" + p.Payout.Account.Reveal()
	}
	s.people = append(s.people, a)
	block := func(kind, value string) {
		if value != "" {
			s.blocks[kind+value] = append(s.blocks[kind+value], n)
		}
	}
	block("f", a.family)
	block("p", a.phone)
	block("d", a.device)
	block("a", a.account)
	if p.Birth.IsZero() {
		return
	}
	initials := map[rune]bool{}
	for word := range strings.SplitSeq(p.Name.Normalised(), " ") {
		first, size := utf8.DecodeRuneInString(word)
		if size > 0 && !initials[first] {
			initials[first] = true
			block("b", p.Birth.String()+string(first))
		}
	}
}

// compare gives what is alike in each block, every pair once: in the first of the blocks
// that both are in.
func (s *alikeSearch) compare(ctx context.Context, each func(Alike) error) error {
	var found []Alike
	seen := map[[2]int32]bool{}
	for _, name := range sortedKeys(s.blocks) {
		if err := ctx.Err(); err != nil {
			return err
		}
		block := s.blocks[name]
		if sign := map[byte]string{'p': SamePhone, 'd': SameDevice, 'a': SameAccount}[name[0]]; sign != "" && len(block) > s.group {
			all := Alike{Signs: []string{sign}}
			for _, n := range block {
				all.Applicants = append(all.Applicants, s.people[n].id)
			}
			found = append(found, all)
			continue
		}
		for i, a := range block {
			for _, b := range block[i+1:] {
				if seen[[2]int32{a, b}] {
					continue
				}
				if alike, ok := s.pair(&s.people[a], &s.people[b]); ok {
					seen[[2]int32{a, b}] = true
					found = append(found, alike)
				}
			}
		}
	}
	for i := range found {
		slices.SortFunc(found[i].Applicants, compareIDs)
	}
	slices.SortFunc(found, func(a, b Alike) int { return slices.CompareFunc(a.Applicants, b.Applicants, compareIDs) })
	for _, a := range found {
		if err := each(a); err != nil {
			return err
		}
	}
	return nil
}

func compareIDs(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) }

func (s *alikeSearch) pair(a, b *alikePerson) (Alike, bool) {
	found := Alike{Applicants: []uuid.UUID{a.id, b.id}, Score: a.name.Similarity(b.name)}
	same := func(x, y, sign string) bool {
		if x == "" || x != y {
			return false
		}
		found.Signs = append(found.Signs, sign)
		return true
	}
	name := found.Score >= s.least
	if name {
		found.Signs = append(found.Signs, AlikeName)
	}
	account := same(a.account, b.account, SameAccount)
	birth := !a.birth.IsZero() && a.birth == b.birth
	if birth {
		found.Signs = append(found.Signs, SameBirth)
	}
	device := same(a.device, b.device, SameDevice)
	family := same(a.family, b.family, SameFamily)
	phone := same(a.phone, b.phone, SamePhone)
	return found, account || device || phone || name && (birth || family)
}
