package ledger

import (
	"container/heap"
	"math"
	"slices"
	"time"
)

// Balance is what an account holds.
type Balance struct {
	// Posted is the sum of all that was posted.
	Posted int64
	// Out and In are what pending postings would take out and bring in; both
	// are zero or more.
	Out, In int64
}

// Available is what may still be taken out: posted less reserved.
func (b Balance) Available() int64 { return b.Posted - b.Out }

// Book keeps accounts in memory. The zero Book is empty and ready. It is not
// safe for use by several goroutines at once.
type Book struct {
	accounts map[Account]Balance
	postings map[string]*record
	expiring expiries
}

type record struct {
	posting Posting
	open    bool // a pending posting that was not resolved yet

	reversed bool
}

// Apply carries out the postings in order, all of them or none, as of now:
// pending postings that expired by then hold nothing any more. It reports
// *InvalidError, *BoundError, *ConflictError, *ResolvedError or *ReversalError. A posting that
// was applied before, with the same arguments, changes nothing.
func (b *Book) Apply(now time.Time, postings ...Posting) error {
	if b.accounts == nil {
		b.accounts, b.postings = map[Account]Balance{}, map[string]*record{}
	}
	b.expire(now)
	undo := undoLog{accounts: map[Account]Balance{}}
	for _, p := range postings {
		if err := b.apply(now, p, &undo); err != nil {
			b.revert(&undo)
			return err
		}
	}
	for _, id := range undo.added {
		if r := b.postings[id]; r.open && !r.posting.Expires.IsZero() {
			heap.Push(&b.expiring, expiry{r.posting.expires(), id})
		}
	}
	return nil
}

// Balance returns the balance of an account; zero if it was never used.
func (b *Book) Balance(a Account) Balance { return b.accounts[a] }

// Accounts returns the names of all accounts, in order.
func (b *Book) Accounts() []Account {
	names := make([]Account, 0, len(b.accounts))
	for a := range b.accounts {
		names = append(names, a)
	}
	slices.Sort(names)
	return names
}

type undoLog struct {
	accounts map[Account]Balance
	added    []string
	resolved []string
	reversed []string
}

func (b *Book) revert(u *undoLog) {
	for a, old := range u.accounts {
		if old == (Balance{}) {
			delete(b.accounts, a)
			continue
		}
		b.accounts[a] = old
	}
	for _, id := range u.added {
		delete(b.postings, id)
	}
	for _, id := range u.resolved {
		if r := b.postings[id]; r != nil {
			r.open = true
		}
	}
	for _, id := range u.reversed {
		if r := b.postings[id]; r != nil {
			r.reversed = false
		}
	}
}

func (b *Book) apply(now time.Time, p Posting, u *undoLog) error {
	if err := p.Validate(); err != nil {
		return err
	}
	if before, ok := b.postings[p.ID]; ok {
		if before.posting.Equal(p) {
			return nil
		}
		return &ConflictError{ID: p.ID}
	}
	moves, err := b.moves(now, p, u)
	if err != nil {
		return err
	}
	for _, m := range moves {
		if err := b.move(p.ID, m, u); err != nil {
			return err
		}
	}
	b.postings[p.ID] = &record{posting: p, open: p.Kind == Pending}
	u.added = append(u.added, p.ID)
	return nil
}

// moves lists what a posting does to each account.
func (b *Book) moves(now time.Time, p Posting, u *undoLog) ([]Movement, error) {
	if p.Kind == Direct || p.Kind == Pending {
		if p.Kind == Pending && !p.Expires.IsZero() && !now.Before(p.expires()) {
			return nil, &ResolvedError{ID: p.ID, Of: p.ID}
		}
		if p.Of != "" {
			if err := b.reverse(p, u); err != nil {
				return nil, err
			}
		}
		return p.Movements(nil), nil
	}
	r, ok := b.postings[p.Of]
	if !ok || !r.open {
		return nil, &ResolvedError{ID: p.ID, Of: p.Of}
	}
	r.open = false
	u.resolved = append(u.resolved, p.Of)
	return p.Movements(r.posting.Legs), nil
}

// reverse marks the posting that another reverses.
func (b *Book) reverse(p Posting, u *undoLog) error {
	of := b.postings[p.Of]
	if of == nil {
		return &ReversalError{ID: p.ID, Of: p.Of, Rule: "is unknown"}
	}
	legs := of.posting.Legs
	if of.posting.Kind == Post {
		legs = b.postings[of.posting.Of].posting.Legs
	}
	if err := p.CheckReversal(of.posting.Kind, legs); err != nil {
		return err
	}
	if of.reversed {
		return &ReversalError{ID: p.ID, Of: p.Of, Rule: "was reversed before"}
	}
	of.reversed = true
	u.reversed = append(u.reversed, p.Of)
	return nil
}

func (b *Book) move(id string, m Movement, u *undoLog) error {
	old := b.accounts[m.Account]
	next, ok := m.On(old)
	if !ok {
		return &BoundError{Posting: id, Account: m.Account}
	}
	if _, saved := u.accounts[m.Account]; !saved {
		u.accounts[m.Account] = old
	}
	b.accounts[m.Account] = next
	return nil
}

func (b *Book) expire(now time.Time) {
	for len(b.expiring) > 0 && !now.Before(b.expiring[0].at) {
		e := heap.Pop(&b.expiring).(expiry)
		r := b.postings[e.id]
		if r == nil || !r.open {
			continue
		}
		r.open = false
		for _, m := range (Posting{Kind: Void}).Movements(r.posting.Legs) {
			b.accounts[m.Account], _ = m.On(b.accounts[m.Account])
		}
	}
}

type expiry struct {
	at time.Time
	id string
}

type expiries []expiry

func (e expiries) Len() int           { return len(e) }
func (e expiries) Less(i, j int) bool { return e[i].at.Before(e[j].at) }
func (e expiries) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *expiries) Push(x any)        { *e = append(*e, x.(expiry)) }
func (e *expiries) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// Movement is what one posting does to one account: the change of each part
// of its balance, and the bounds that must hold afterwards. Stores write
// movements; everybody else writes postings.
type Movement struct {
	Account         Account
	Posted, Out, In int64
	Bounds          Bounds
	// Frees says that the movement only gives up a reservation, which no
	// bound can refuse.
	Frees bool
}

// Movements lists what a posting does to the accounts of its legs; for a Post
// or Void these are the legs of the pending posting that it resolves.
func (p Posting) Movements(pending []Leg) []Movement {
	legs := p.Legs
	if p.Kind == Post || p.Kind == Void {
		legs = pending
	}
	moves := make([]Movement, len(legs))
	for i, leg := range legs {
		m := Movement{Account: leg.Account, Bounds: leg.Bounds, Frees: p.Kind == Void}
		if p.Kind == Direct || p.Kind == Post {
			m.Posted = leg.Amount
		}
		var reserved int64
		switch p.Kind {
		case Pending:
			reserved = 1
		case Post, Void:
			reserved = -1
		}
		if leg.Amount < 0 {
			m.Out = reserved * -leg.Amount
		} else {
			m.In = reserved * leg.Amount
		}
		moves[i] = m
	}
	return moves
}

// On returns the balance after the movement, and whether the bounds allow it:
// what is posted less what may go out is not below the minimum, and what is
// posted plus what may come in is not above the maximum.
func (m Movement) On(b Balance) (Balance, bool) {
	next := Balance{Posted: b.Posted + m.Posted, Out: b.Out + m.Out, In: b.In + m.In}
	if m.Frees {
		return next, true
	}
	if overflows(b.Posted, m.Posted) || overflows(b.Out, m.Out) || overflows(b.In, m.In) ||
		overflows(next.Posted, -next.Out) || overflows(next.Posted, next.In) {
		return b, false
	}
	ok := next.Posted-next.Out >= m.Bounds.Min && next.Posted+next.In <= m.Bounds.Max
	return next, ok
}

func overflows(a, b int64) bool {
	return b > 0 && a > math.MaxInt64-b || b < 0 && a < math.MinInt64-b
}
