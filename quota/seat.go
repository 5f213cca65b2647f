package quota

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gelombang/gelombang/program/ledger"
)

// Place is where seats are kept apart from others: one kind of seat of one
// pool in one wave. Each place has these accounts of program/ledger:
//
//	account                              balance                                bounds
//	seat/WAVE/POOL/KIND/issued           minus the seats that the plan issued   minus those of the plan, to 0
//	seat/WAVE/POOL/KIND/moved            minus seats in, plus seats out,        none
//	                                     inside the wave
//	seat/WAVE/POOL/KIND/carried-in       minus seats from earlier waves         at most 0
//	seat/WAVE/POOL/KIND/carried-out      plus seats to later waves              at least 0
//	seat/WAVE/POOL/KIND/left             seats that nobody has                  at least 0
//	seat/WAVE/POOL/KIND/held             seats offered, not yet confirmed       at least 0
//	seat/WAVE/POOL/KIND/granted          seats that somebody has                at least 0
//
// The seven add up to zero after every posting. So granted + held + left is
// always the cap of the place, which is -(issued + moved + carried-in +
// carried-out), and over all places and waves it is what was issued, since every
// movement between two places leaves the sum of moved, and that of both carried,
// unchanged.
//
// Two more accounts trace seats that were carried: seat/WAVE/POOL/KIND/from/EARLIER
// is how many came from an earlier wave, and seat/EARLIER/POOL/KIND/to/WAVE is minus
// how many went there. See From and To.
type Place struct {
	// Wave and Pool have the letters of a pool ID.
	Wave, Pool string
	// Kind is a group code for its set-aside seats. Empty means open seats,
	// those that fill a guarantee included.
	Kind string
}

// Balance is one of the accounts of a place.
type Balance string

const (
	Issued     Balance = "issued"
	Moved      Balance = "moved"
	CarriedIn  Balance = "carried-in"
	CarriedOut Balance = "carried-out"
	Left       Balance = "left"
	Held       Balance = "held"
	Granted    Balance = "granted"
)

// Balances are all accounts that add up to zero, in the order of Place.
func Balances() []Balance {
	return []Balance{Issued, Moved, CarriedIn, CarriedOut, Left, Held, Granted}
}

// Account is the name of an account of the place.
func (p Place) Account(b Balance) ledger.Account {
	kind := p.Kind
	if kind == "" {
		kind = openSeat
	}
	return ledger.Account("seat/" + p.Wave + "/" + p.Pool + "/" + kind + "/" + string(b))
}

// From is the account of how many seats of the place came from an earlier wave.
func (p Place) From(earlier string) ledger.Account { return p.Account(Balance("from/" + earlier)) }

// To is the account of minus how many seats of the place went to a later wave.
func (p Place) To(later string) ledger.Account { return p.Account(Balance("to/" + later)) }

func (p Place) leg(b Balance, n int64) ledger.Leg {
	bounds := ledger.AtLeast(0)
	switch b {
	case CarriedIn:
		bounds = ledger.Between(ledger.NoMin, 0)
	case Moved:
		bounds = ledger.Free()
	}
	return ledger.Leg{Account: p.Account(b), Amount: n, Bounds: bounds}
}

func (p Place) check(f *Faults, field string) {
	if !validID(p.Wave) {
		f.add(field+".wave", idRule)
	}
	if !validID(p.Pool) {
		f.add(field+".pool", idRule)
	}
	if p.Kind != "" && !validID(p.Kind) {
		f.add(field+".kind", idRule)
	}
}

// Issue opens a wave: every seat of the plan comes into being, in one posting
// under the caller's id. A plan of no seats is refused. Errors: Faults. A wave is
// issued once: under another id, or with another plan, the posting is a
// *ledger.BoundError.
func Issue(id string, p *Plan, wave string) (ledger.Posting, error) {
	if err := p.Validate(); err != nil {
		return ledger.Posting{}, err
	}
	var f Faults
	Place{wave, "x", ""}.check(&f, "place")
	var legs []ledger.Leg
	for i := range p.Pools {
		pool := &p.Pools[i]
		open := pool.Seats
		for _, r := range pool.Reserves {
			if r.Kind == SetAside {
				open -= r.Seats
				legs = issue(legs, Place{wave, pool.ID, r.Group}, r.Seats)
			}
		}
		legs = issue(legs, Place{wave, pool.ID, ""}, open)
	}
	if len(legs) == 0 {
		f.add("plan", "has no seats")
	}
	return posting(id, legs, f)
}

// Hold keeps n seats for somebody until an instant, under the caller's id: a
// pending posting. Nobody else can have them, and from that instant on they are
// left again by themselves: whoever posts next finds them so, and no sweeper is
// needed. The same id with the same arguments has the same answer; with others
// it is a *ledger.ConflictError. Too few seats is a *ledger.BoundError, and an
// instant that is not after the one of posting a *ledger.ResolvedError. Errors
// here and below: Faults, for n under 1, an empty id or a place that has no
// name.
func Hold(id string, at Place, n int64, until time.Time) (ledger.Posting, error) {
	p, err := inside(id, at, Left, Granted, n)
	if err == nil && until.IsZero() {
		return ledger.Posting{}, Faults{{"until", "missing: a hold ends by itself"}}
	}
	p.Kind, p.Expires = ledger.Pending, until
	return p, err
}

// Confirm grants all seats of a hold, under an id of its own. A hold is resolved
// once: after a Confirm or a Release, or from its last instant on, this and the
// next three are a *ledger.ResolvedError.
func Confirm(id, hold string) (ledger.Posting, error) { return resolve(id, hold, ledger.Post) }

// Release gives up a hold: its seats are left again.
func Release(id, hold string) (ledger.Posting, error) { return resolve(id, hold, ledger.Void) }

// ConfirmPart grants n seats of a hold, which is what Hold or Extend returned, and
// gives up the others. The postings are applied together. The first is the hold
// itself: a posting that was applied changes nothing, and one that is not what was
// held under its id is a *ledger.ConflictError. Errors: Faults for more seats than
// the hold has.
func ConfirmPart(id string, hold ledger.Posting, n int64) ([]ledger.Posting, error) {
	grant, release, err := instead(id, hold)
	if err != nil {
		return nil, err
	}
	if n < 1 || n > hold.Legs[1].Amount {
		return nil, Faults{{"seats", "must be 1 to those of the hold"}}
	}
	grant.Legs[0].Amount, grant.Legs[1].Amount = -n, n
	return []ledger.Posting{hold, release, grant}, nil
}

// Extend keeps the seats of a hold, which is what Hold or Extend returned, until
// another instant. From then on they are held under id. The postings are applied
// together; the first and the last return what they do in ConfirmPart and Hold.
func Extend(id string, hold ledger.Posting, until time.Time) ([]ledger.Posting, error) {
	again, release, err := instead(id, hold)
	if err != nil {
		return nil, err
	}
	if until.IsZero() {
		return nil, Faults{{"until", "missing: a hold ends by itself"}}
	}
	again.Kind, again.Expires = ledger.Pending, until
	return []ledger.Posting{hold, release, again}, nil
}

// instead gives up a hold, and returns a posting with its legs that grants them.
func instead(id string, hold ledger.Posting) (next, release ledger.Posting, err error) {
	var f Faults
	if id == "" {
		f.add("id", "missing")
	}
	legs := slices.Clone(hold.Legs)
	if hold.Kind != ledger.Pending || len(legs) != 2 || legs[1].Amount < 1 || legs[0].Amount != -legs[1].Amount {
		f.add("hold", "is not a hold")
	} else if at, ok := strings.CutSuffix(string(legs[0].Account), string(Left)); !ok || string(legs[1].Account) != at+string(Granted) {
		f.add("hold", "is not a hold")
	}
	if err := f.err(); err != nil {
		return next, release, err
	}
	release, err = Release(id+"/release", hold.ID)
	return ledger.Posting{ID: id, Legs: legs}, release, err
}

func resolve(id, hold string, kind ledger.Kind) (ledger.Posting, error) {
	var f Faults
	if id == "" {
		f.add("id", "missing")
	}
	if hold == "" || hold == id {
		f.add("hold", "missing, or the id itself")
	}
	if err := f.err(); err != nil {
		return ledger.Posting{}, err
	}
	return ledger.Posting{ID: id, Kind: kind, Of: hold}, nil
}

// Stats is how many seats of a place are where. Held and confirmed seats are
// never more than the cap: Held + Granted + Left = Cap.
type Stats struct{ Cap, Left, Held, Granted int64 }

// StatsOf reads the accounts of a place. Balances are as of an instant: a hold
// that ended since then still counts as held until somebody posts.
func StatsOf(at Place, balance func(ledger.Account) ledger.Balance) Stats {
	left := balance(at.Account(Left))
	var in int64
	for _, b := range []Balance{Issued, Moved, CarriedIn, CarriedOut} {
		in += balance(at.Account(b)).Posted
	}
	return Stats{
		Cap: -in, Left: left.Available(), Held: left.Out + balance(at.Account(Held)).Posted,
		Granted: balance(at.Account(Granted)).Posted,
	}
}

// Grant grants n seats that are left, as a draw does.
func Grant(id string, at Place, n int64) (ledger.Posting, error) {
	return inside(id, at, Left, Granted, n)
}

// Revoke takes back n seats that were granted: they are left again, for the
// waiting list or to be carried to a later wave.
func Revoke(id string, at Place, n int64) (ledger.Posting, error) {
	return inside(id, at, Granted, Left, n)
}

// Spill moves n seats that are left to another place of the same wave.
func Spill(id string, from, to Place, n int64) (ledger.Posting, error) {
	var f Faults
	if from.Wave != to.Wave {
		f.add("to.wave", "is another wave: use Carry")
	}
	return between(id, from, to, Moved, Moved, n, f)
}

// Carry moves n seats that are left to a pool of a later wave, and notes in the
// accounts From and To where they come from. Which wave is later, the caller
// knows.
func Carry(id string, from, to Place, n int64) (ledger.Posting, error) {
	var f Faults
	if from.Wave == to.Wave {
		f.add("to.wave", "is the same wave: use Spill")
	}
	p, err := between(id, from, to, CarriedOut, CarriedIn, n, f)
	if err != nil {
		return p, err
	}
	p.Legs = append(p.Legs,
		ledger.Leg{Account: from.To(to.Wave), Amount: -n, Bounds: ledger.Between(ledger.NoMin, 0)},
		ledger.Leg{Account: to.From(from.Wave), Amount: n, Bounds: ledger.AtLeast(0)})
	return p, nil
}

// CloseWave returns the postings that carry all seats that are left in the
// places of a wave to a later one: those that nobody used, those of holds whose
// time is over, and those that were revoked. to says where the seats of a place
// go: all to one pool, or each to its own.
//
// balance must be as of the closing, so that no hold counts whose time is over:
// a Book has them after Apply, be it of no postings. Seats that are held or
// granted stay. If they come back later, close again: the ids follow from id,
// the place and what went out of it so far, which never shrinks. So the same
// closing has the same postings, and one that was applied leaves nothing to carry.
//
// Errors: Faults, for no id, places of several waves, one twice, or a target
// that Carry refuses.
func CloseWave(id string, places []Place, balance func(ledger.Account) ledger.Balance, to func(Place) Place) ([]ledger.Posting, error) {
	var f Faults
	if id == "" {
		f.add("id", "missing")
	}
	seen := make(map[ledger.Account]bool, len(places))
	var all []ledger.Posting
	for i, from := range places {
		left := from.Account(Left)
		if seen[left] || from.Wave != places[0].Wave {
			f.add(fmt.Sprintf("places[%d]", i), "is named twice, or of another wave")
		}
		seen[left] = true
		n := balance(left).Available()
		if n <= 0 {
			continue
		}
		carried := balance(from.Account(CarriedOut)).Posted
		p, err := Carry(fmt.Sprintf("%s/%s/%d", id, left, carried), from, to(from), n)
		var wrong Faults
		if errors.As(err, &wrong) {
			for _, x := range wrong {
				f.add(fmt.Sprintf("places[%d].%s", i, x.Field), x.Rule)
			}
		}
		all = append(all, p)
	}
	if err := f.err(); err != nil {
		return nil, err
	}
	return all, nil
}

// Places returns where the seats of a movement come from and go to.
func (m Move) Places(p *Plan, wave string) (from, to Place) {
	from = Place{wave, p.Pools[m.From].ID, ""}
	if m.Group >= 0 {
		from.Kind = p.Groups[m.Group].Code
	}
	return from, Place{wave, p.Pools[m.To].ID, ""}
}

// Place returns where the seat of an accepted candidate is kept.
func (o Outcome) Place(p *Plan, wave string) Place {
	at := Place{wave, p.Pools[o.Pool].ID, ""}
	if o.Reason == DrawnSetAside {
		at.Kind = p.Groups[o.Group].Code
	}
	return at
}

func issue(legs []ledger.Leg, at Place, n int64) []ledger.Leg {
	if n == 0 {
		return legs
	}
	once := at.leg(Issued, -n)
	once.Bounds = ledger.Between(-n, 0)
	return append(legs, once, at.leg(Left, n))
}

func inside(id string, at Place, from, to Balance, n int64) (ledger.Posting, error) {
	var f Faults
	at.check(&f, "place")
	checkSeats(&f, n)
	return posting(id, []ledger.Leg{at.leg(from, -n), at.leg(to, n)}, f)
}

func between(id string, from, to Place, out, in Balance, n int64, f Faults) (ledger.Posting, error) {
	from.check(&f, "from")
	to.check(&f, "to")
	checkSeats(&f, n)
	if from.Account(Left) == to.Account(Left) {
		f.add("to", "is the place where the seats are")
	}
	return posting(id, []ledger.Leg{
		from.leg(Left, -n), from.leg(out, n),
		to.leg(in, -n), to.leg(Left, n),
	}, f)
}

func checkSeats(f *Faults, n int64) {
	if n < 1 || n > maxSeats {
		f.add("seats", "must be 1 to 2^40")
	}
}

func posting(id string, legs []ledger.Leg, f Faults) (ledger.Posting, error) {
	if id == "" {
		f.add("id", "missing")
	}
	if err := f.err(); err != nil {
		return ledger.Posting{}, err
	}
	return ledger.Posting{ID: id, Legs: legs}, nil
}
