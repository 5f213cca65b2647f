package program

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/ledger"
	"github.com/gelombang/gelombang/quota"
)

// Breach is an invariant that the stored data does not keep.
type Breach struct {
	// Invariant is "seats", "limits", "journal" or "money".
	Invariant string
	Where     string
	Note      string
}

func (b Breach) String() string { return b.Invariant + ": " + b.Where + ": " + b.Note }

// Verify reads a whole store and checks what data can show: that every pool's
// seats add up to its cap and to the cases that have them, that no limit is
// exceeded, that every step of every case is in the journal once, that the journal is what was sealed
// if there is a transparency log ([Log]), that what is entitled, paid and being paid adds up by benefit and batch, that the budget sums to
// zero, no balance is outside its benefit, and what the cases were given is what is left to them, what was
// spent and what has lapsed, that each bank's account is what its
// last statement says, with no statement missing and every unit in suspense on a line, and that the caps
// count what was paid. It returns every breach, at most 1,000. Run it while nothing
// is being written.
func (e *Engine[T]) Verify(ctx context.Context) ([]Breach, error) {
	v := &verifier[T]{engine: e, steps: map[caseID]int32{}, want: map[ledger.Account]int64{}}
	m := &verifier[T]{engine: e, want: map[ledger.Account]int64{}}
	cases := func() error {
		for _, check := range []func(context.Context) error{v.applications, v.journal, v.seats, v.balances} {
			if err := check(ctx); err != nil {
				return err
			}
		}
		return nil
	}
	money := func() error {
		if err := m.money(ctx); err != nil {
			return err
		}
		return m.balances(ctx)
	}
	err := both(cases, money)
	v.spent(m)
	return append(v.breaches, m.breaches...), err
}

type caseID struct {
	wave      int64
	applicant uuid.UUID
}

type verifier[T any] struct {
	engine   *Engine[T]
	steps    map[caseID]int32         // steps that the journal must have
	want     map[ledger.Account]int64 // balances that follow from the rows
	legal    map[int64]calendar.Date  // of the waves that balances were given in
	held     []heldBalance            // that are yet to be looked at
	sums     map[string]balanceSums   // by benefit
	breaches breaches
}

func (v *verifier[T]) breach(invariant, where, format string, args ...any) {
	v.breaches.add(invariant, where, format, args...)
}

// breaches are the first thousand that were found.
type breaches []Breach

func (b *breaches) add(invariant, where, format string, args ...any) {
	if len(*b) < 1000 {
		*b = append(*b, Breach{invariant, where, fmt.Sprintf(format, args...)})
	}
}

// scan reads a whole table, the next page while this one is looked at.
func (v *verifier[T]) scan(ctx context.Context, scan Scan, each func(Row) error) error {
	pages := newAhead(func(ctx context.Context, a ask) (Rows, Cursor, error) {
		scan := scan
		scan.After, scan.Limit = a.after, a.limit
		return v.engine.store.Page(ctx, scan)
	})
	defer pages.stop()
	a := ask{limit: v.engine.chunk}
	for {
		rows, next, err := pages.get(ctx, a)
		if err != nil {
			return err
		}
		for _, row := range rows.Rows {
			if err := each(row); err != nil {
				return err
			}
		}
		if next == nil {
			return nil
		}
		a.after = next
	}
}

func (v *verifier[T]) applications(ctx context.Context) error {
	err := v.scan(ctx, Scan{Table: TableApplications}, func(row Row) error {
		a, err := applicationOf(row, v.engine.trail)
		if err != nil {
			return err
		}
		where := fmt.Sprintf("application %d/%s", a.Wave, a.Applicant)
		v.steps[caseID{a.Wave, a.Applicant}] = int32(len(a.Trail))
		if len(a.Trail) == 0 || a.Trail[len(a.Trail)-1].To != a.State {
			v.breach("journal", where, "its state is not the last of its trail")
		}
		if state, ok := v.engine.under(&a).machine.State(a.State); ok {
			holds := a.SeatState == "held" || a.SeatState == "granted"
			if holds != (len(state.Holds) > 0) {
				v.breach("seats", where, "state %s and seat %q do not agree", a.State, a.SeatState)
			}
		}
		v.wantSeat(&a)
		return v.balancesOf(ctx, &a)
	})
	if err != nil {
		return err
	}
	return v.lookAtBalances(ctx)
}

func (v *verifier[T]) wantSeat(a *Application) {
	if a.SeatState == "" {
		return
	}
	at := place(a)
	switch a.SeatState {
	case "held":
		v.want[at.Account(quota.Held)]++
	case "granted":
		v.want[at.Account(quota.Granted)]++
	}
	for _, l := range v.engine.program.Limits {
		if account, ok := l.account(a); ok && (l.Ever || a.SeatState != "returned") {
			v.want[account]++
			if v.want[account] > l.Max {
				v.breach("limits", string(account), "above %d", l.Max)
			}
		}
	}
}

// journal counts off the steps of every case, and holds each entry against the
// log.
func (v *verifier[T]) journal(ctx context.Context) error {
	check, err := newLogCheck(ctx, v.engine.store, v.engine.keys, &v.breaches)
	if err != nil {
		return err
	}
	if err := eachEntry(ctx, v.engine.store, &v.breaches, func(e *Entry) error {
		if e.Kind == "stepped" {
			if err := v.stepped(*e); err != nil {
				return err
			}
		}
		return check.entry(ctx, e)
	}); err != nil {
		return err
	}
	if err := check.end(ctx); err != nil {
		return err
	}
	for id, left := range v.steps {
		if left != 0 {
			v.breach("journal", fmt.Sprintf("application %d/%s", id.wave, id.applicant), "%d steps more than in the journal", left)
		}
	}
	v.steps = nil
	return nil
}

func (v *verifier[T]) stepped(entry Entry) error {
	var data stepData
	if err := json.Unmarshal(entry.Data, &data); err != nil {
		return fmt.Errorf("program: journal entry %d cannot be read: %w", entry.Seq, err)
	}
	for _, group := range data.Steps {
		for _, short := range group.Cases {
			raw, err := base64.RawURLEncoding.DecodeString(short)
			if err != nil {
				return fmt.Errorf("program: journal entry %d: %w", entry.Seq, err)
			}
			id, err := uuid.FromBytes(raw)
			if err != nil {
				return fmt.Errorf("program: journal entry %d: %w", entry.Seq, err)
			}
			c := caseID{group.Wave, id}
			left, known := v.steps[c]
			if !known {
				v.breach("journal", "application of "+id.String(), "is in the journal only")
				continue
			}
			v.steps[c] = left - 1
		}
	}
	return nil
}

// seats holds every place against its cap and against the cases.
func (v *verifier[T]) seats(ctx context.Context) error {
	return v.scan(ctx, Scan{Table: TableWaves}, func(row Row) error {
		w, err := waveOf(row)
		if err != nil {
			return err
		}
		for _, at := range places(&w) {
			kinds := quota.Balances()
			accounts := make([]ledger.Account, len(kinds))
			for i, kind := range kinds {
				accounts[i] = at.Account(kind)
			}
			b, err := v.engine.store.Balances(ctx, accounts...)
			if err != nil {
				return err
			}
			v.place(string(at.Account("")), accounts, b)
		}
		return nil
	})
}

// place checks one place: its balances in the order of quota.Balances.
func (v *verifier[T]) place(where string, accounts []ledger.Account, b []ledger.Balance) {
	limit := -(b[0].Posted + b[1].Posted + b[2].Posted + b[3].Posted)
	left, held, granted := b[4].Posted, b[5].Posted, b[6].Posted
	if left < 0 || held < 0 || granted < 0 || left+held+granted != limit {
		v.breach("seats", where, "%d left, %d held and %d granted are not the cap of %d", left, held, granted, limit)
	}
	if held != v.want[accounts[5]] || granted != v.want[accounts[6]] {
		v.breach("seats", where, "%d held and %d granted, but cases have %d and %d", held, granted, v.want[accounts[5]], v.want[accounts[6]])
	}
	delete(v.want, accounts[5])
	delete(v.want, accounts[6])
}

func places(w *Wave) []quota.Place {
	var all []quota.Place
	if w.body.AppealSeats > 0 {
		all = append(all, appealPlace(w.Number))
	}
	if w.body.Plan == nil {
		return all
	}
	for _, p := range w.body.Plan.Pools {
		all = append(all, quota.Place{Wave: w.name(), Pool: p.ID})
		for _, r := range p.Reserves {
			if r.Kind == quota.SetAside {
				all = append(all, quota.Place{Wave: w.name(), Pool: p.ID, Kind: r.Group})
			}
		}
	}
	return all
}

// money adds up entitlements and payments. Payments are read in the order of
// their entitlements, so that those of one stand together.
func (v *verifier[T]) money(ctx context.Context) error {
	batches, stopped, err := v.claims(ctx)
	if err != nil {
		return err
	}
	var last entitlementKey
	live, paid := 0, 0
	if err := v.scan(ctx, Scan{Table: TablePayments, Index: 1}, func(row Row) error {
		p := paymentOf(row)
		if p.key != last {
			last, live, paid = p.key, 0, 0
		}
		if p.state.Live() {
			live++
		}
		if p.state == payment.Settled || p.marks.has(markHonoured) {
			paid++
		}
		where := p.name()
		if live > 1 {
			v.breach("money", where, "a second live payment of one entitlement")
		}
		if paid > 1 {
			v.breach("money", where, "a second payment of one entitlement that was paid")
		}
		if p.marks.has(markStopped) {
			stopped[p.key]--
			if stopped[p.key] == 0 {
				delete(stopped, p.key)
			}
		}
		b := batches[p.batch]
		if b == nil {
			v.breach("money", where, "its batch does not exist")
			return nil
		}
		v.wantPayment(&b.batch, &p)
		if !p.marks.has(markHeld) {
			b.count, b.total = b.count+1, b.total+p.amount.Units
		}
		return nil
	}); err != nil {
		return err
	}
	for key, n := range stopped {
		v.breach("money", "entitlement "+key.benefit+" of "+key.person.String(), "stopped by %d payments more than there are", n)
	}
	for _, b := range batches {
		if b.batch.State == BatchRevising || b.batch.State == BatchPreparing {
			continue
		}
		if b.count != b.batch.Count || b.total != b.batch.Total.Units {
			v.breach("money", "batch "+b.batch.name(), "%d payments of %d units, but it says %d of %d", b.count, b.total, b.batch.Count, b.batch.Total.Units)
		}
	}
	if err := v.banks(ctx); err != nil {
		return err
	}
	return v.budget(ctx)
}

// batchSums are what a batch's payments add up to.
type batchSums struct {
	batch        Batch
	count, total int64
}

// claims reads the entitlements and the batches, and how many payments stop an entitlement.
func (v *verifier[T]) claims(ctx context.Context) (map[int64]*batchSums, map[entitlementKey]int64, error) {
	stopped := map[entitlementKey]int64{}
	if err := v.scan(ctx, Scan{Table: TableEntitlements}, func(row Row) error {
		r := entitlementOf(row)
		v.want[entitledAccount(r.key.benefit)] += 0
		if r.lapsed.IsZero() {
			v.want[entitledAccount(r.key.benefit)] += r.amount.Units
		}
		if r.stopped != 0 {
			stopped[r.key] = r.stopped
		}
		return nil
	}); err != nil {
		return nil, nil, err
	}
	batches := map[int64]*batchSums{}
	err := v.scan(ctx, Scan{Table: TableBatches}, func(row Row) error {
		b, err := batchOf(row)
		if err != nil {
			return err
		}
		batches[b.Number] = &batchSums{batch: b}
		v.want[b.paying()] += 0
		if err := b.separate(); err != nil {
			v.breach("money", "batch "+b.name(), "%v", err)
		}
		return nil
	})
	return batches, stopped, err
}

// banks compares each account with its bank's last statement and with the lines that
// stand in suspense, and what the banks have cleared with what was paid.
func (v *verifier[T]) banks(ctx context.Context) error {
	banks, err := v.engine.banks(ctx)
	if err != nil {
		return err
	}
	var cleared, paid int64
	for _, bank := range banks {
		if bank.matching {
			return nil // it is being taken
		}
		v.want[bankAccount(bank.account)] += bank.closing.Units
		v.want[suspenseAccount(bank.account)] += 0
		b, err := v.engine.store.Balances(ctx, clearedAccount(bank.account))
		if err != nil {
			return err
		}
		cleared += b[0].Posted
	}
	if err := v.engine.standing(ctx, "", func(r suspenseRow) error {
		v.want[suspenseAccount(r.account)] += r.amount.Units
		return nil
	}); err != nil {
		return err
	}
	if err := v.statements(ctx, banks); err != nil {
		return err
	}
	for _, name := range v.engine.program.Benefits.Names() {
		v.want[paidAccount(name)] += 0
		paid += v.want[paidAccount(name)]
	}
	if cleared != paid {
		v.breach("money", "banks", "they have cleared %d units, but %d were paid", cleared, paid)
	}
	return nil
}

// statements looks for a gap between the statements of an account.
func (v *verifier[T]) statements(ctx context.Context, banks []bankRow) error {
	type run struct{ first, last, n, closing int64 }
	runs := map[string]run{}
	if err := v.scan(ctx, Scan{Table: TableStatements}, func(row Row) error {
		if textOf(row.Values[5]) == quarantined {
			return nil
		}
		account, sequence := textOf(row.Values[1]), intOf(row.Values[2])
		r, seen := runs[account]
		if !seen || sequence < r.first {
			r.first = sequence
		}
		if !seen || sequence > r.last {
			r.last, r.closing = sequence, intOf(row.Values[4])
		}
		r.n++
		runs[account] = r
		return nil
	}); err != nil {
		return err
	}
	for _, b := range banks {
		r := runs[b.account]
		if r.last != b.sequence || r.closing != b.closing.Units || r.last-r.first+1 != r.n {
			v.breach("money", "statements of "+b.account, "%d from %d to %d that end at %d, but the last is %d and ends at %d",
				r.n, r.first, r.last, r.closing, b.sequence, b.closing.Units)
		}
		delete(runs, b.account)
	}
	for account := range runs {
		v.breach("money", "statements of "+account, "the account has none")
	}
	return nil
}

// budget adds up all postings: the program's money sums to zero, and so does each
// bank's account, no balance is outside what its benefit gives, and each total
// of the caps is what was counted of everybody.
func (v *verifier[T]) budget(ctx context.Context) error {
	var sums ledger.Sums
	if err := v.engine.eachPosting(ctx, func(p ledger.Posting, _ time.Time) error { return sums.Add(p) }); err != nil {
		return err
	}
	groups := map[string]int64{}
	var given, left int64
	for account, units := range sums.Each {
		switch account {
		case budgetGiven:
			given = units
		case budgetLeft:
			left = units
		}
		class, rest, _ := strings.Cut(string(account), "/")
		v.sumBalances(class, rest, units)
		switch class {
		case "budget", "balance", "entitled", "paying", "paid", "spent":
			groups["budget"] += units
		case "bank", "opened", "cleared", "suspense":
			groups["account "+rest] += units
		}
		if class == "balance" {
			name, _, _ := strings.Cut(rest, "/")
			if benefit, _ := v.engine.program.Benefits.Find(name); units < 0 || units > benefit.Amount.Units {
				v.breach("money", string(account), "%d units, of a benefit of %d", units, benefit.Amount.Units)
			}
		}
		if class == "budget" || class == "entitled" || class == "paying" || class == "paid" {
			if _, checked := v.want[account]; !checked { // what the rows say nothing of is as it was posted
				v.want[account] = units
			}
		}
	}
	for group, units := range groups {
		if units != 0 {
			v.breach("money", group, "its accounts add up to %d, not to zero", units)
		}
	}
	if given > 0 || left < 0 {
		v.breach("money", "budget", "%d appropriated and %d available", -given, left)
	}
	return nil
}

// wantPayment: once its batch is approved, a payment's amount has left what is
// entitled; it is with the batch, or paid, or back. A dead one that two people took
// as paid was paid out of what is entitled.
func (v *verifier[T]) wantPayment(b *Batch, p *paymentRow) {
	for mark, total := range map[marks]ledger.Account{markCapPerson: "cap/person", markCapAccount: "cap/account"} {
		if !p.marks.has(mark) {
			continue
		}
		whose := p.payee
		if mark == markCapAccount {
			whose = p.account
		}
		v.want[total] -= p.amount.Units
		v.want[total+"/"+ledger.Account(shortID(whose))] += p.amount.Units
	}
	if p.marks.has(markRepaid) { // it went back to the budget
		v.want[entitledAccount(b.Benefit)] -= p.amount.Units
		return
	}
	if p.marks.has(markHonoured) {
		v.want[entitledAccount(b.Benefit)] -= p.amount.Units
		v.want[paidAccount(b.Benefit)] += p.amount.Units
		return
	}
	if !b.reserved() || !p.state.Live() {
		return
	}
	v.want[entitledAccount(b.Benefit)] -= p.amount.Units
	if p.state == payment.Settled {
		v.want[paidAccount(b.Benefit)] += p.amount.Units
	} else {
		v.want[b.paying()] += p.amount.Units
	}
}

// balances compares what follows from the rows with the ledger.
func (v *verifier[T]) balances(ctx context.Context) error {
	accounts := make([]ledger.Account, 0, len(v.want))
	for a := range v.want {
		accounts = append(accounts, a)
	}
	const some = 2000
	for from := 0; from < len(accounts); from += some {
		part := accounts[from:min(from+some, len(accounts))]
		got, err := v.engine.store.Balances(ctx, part...)
		if err != nil {
			return err
		}
		for i, a := range part {
			if got[i].Posted != v.want[a] {
				kind := "money"
				if strings.HasPrefix(string(a), "limit/") {
					kind = "limits"
				}
				v.breach(kind, string(a), "the ledger has %d, the rows say %d", got[i].Posted, v.want[a])
			}
		}
	}
	return nil
}
