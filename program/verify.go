package program

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/payment"
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
// exceeded, that every step of every case is in the journal once, and that what
// is entitled, paid and being paid adds up by benefit and batch. It returns every breach, at most 1,000. Run it while nothing
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
	breaches []Breach
}

func (v *verifier[T]) breach(invariant, where, format string, args ...any) {
	if len(v.breaches) < 1000 {
		v.breaches = append(v.breaches, Breach{invariant, where, fmt.Sprintf(format, args...)})
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
	return v.scan(ctx, Scan{Table: TableApplications}, func(row Row) error {
		a, err := applicationOf(row, v.engine.trail)
		if err != nil {
			return err
		}
		where := fmt.Sprintf("application %d/%s", a.Wave, a.Applicant)
		v.steps[caseID{a.Wave, a.Applicant}] = int32(len(a.Trail))
		if len(a.Trail) == 0 || a.Trail[len(a.Trail)-1].To != a.State {
			v.breach("journal", where, "its state is not the last of its trail")
		}
		if state, ok := v.engine.machine.State(a.State); ok {
			holds := a.SeatState == "held" || a.SeatState == "granted"
			if holds != (len(state.Holds) > 0) {
				v.breach("seats", where, "state %s and seat %q do not agree", a.State, a.SeatState)
			}
		}
		v.wantSeat(&a)
		return nil
	})
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

// journal counts off the steps of every case.
func (v *verifier[T]) journal(ctx context.Context) error {
	var after int64
	for {
		entries, err := v.engine.store.Journal(ctx, after, 100)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if entry.Seq != after+1 {
				v.breach("journal", fmt.Sprintf("entry %d", entry.Seq), "comes after %d", after)
			}
			after = entry.Seq
			if entry.Kind == "stepped" {
				if err := v.stepped(entry); err != nil {
					return err
				}
			}
		}
		if len(entries) < 100 {
			break
		}
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
		if err != nil || w.body.Plan == nil {
			return err
		}
		for _, at := range places(&w) {
			kinds := []quota.Balance{quota.Issued, quota.Moved, quota.Carried, quota.Left, quota.Held, quota.Granted}
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

// place checks one place: the six balances in the order of seats.
func (v *verifier[T]) place(where string, accounts []ledger.Account, b []ledger.Balance) {
	limit := -(b[0].Posted + b[1].Posted + b[2].Posted)
	left, held, granted := b[3].Posted, b[4].Posted, b[5].Posted
	if left < 0 || held < 0 || granted < 0 || left+held+granted != limit {
		v.breach("seats", where, "%d left, %d held and %d granted are not the cap of %d", left, held, granted, limit)
	}
	if held != v.want[accounts[4]] || granted != v.want[accounts[5]] {
		v.breach("seats", where, "%d held and %d granted, but cases have %d and %d", held, granted, v.want[accounts[4]], v.want[accounts[5]])
	}
	delete(v.want, accounts[4])
	delete(v.want, accounts[5])
}

func places(w *Wave) []quota.Place {
	var all []quota.Place
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
	type sums struct {
		batch        Batch
		count, total int64
	}
	batches := map[int64]*sums{}
	if err := v.scan(ctx, Scan{Table: TableEntitlements}, func(row Row) error {
		v.want[entitledAccount(textOf(row.Values[0]))] += intOf(row.Values[4])
		return nil
	}); err != nil {
		return err
	}
	if err := v.scan(ctx, Scan{Table: TableBatches}, func(row Row) error {
		b, err := batchOf(row)
		if err != nil {
			return err
		}
		batches[b.Number] = &sums{batch: b}
		v.want[b.paying()] += 0
		if err := b.separate(); err != nil {
			v.breach("money", "batch "+b.name(), "%v", err)
		}
		return nil
	}); err != nil {
		return err
	}
	var last entitlementKey
	live := 0
	if err := v.scan(ctx, Scan{Table: TablePayments, Index: 1}, func(row Row) error {
		p := paymentOf(row)
		if p.key != last {
			last, live = p.key, 0
		}
		if p.state.Live() {
			live++
		}
		where := p.name()
		if live > 1 {
			v.breach("money", where, "a second live payment of one entitlement")
		}
		b := batches[p.batch]
		if b == nil {
			v.breach("money", where, "its batch does not exist")
			return nil
		}
		if p.marks.has(markHeld) {
			return nil
		}
		b.count, b.total = b.count+1, b.total+p.amount.Units
		v.wantPayment(&b.batch, &p)
		return nil
	}); err != nil {
		return err
	}
	for _, b := range batches {
		if b.batch.State == BatchRevising {
			continue
		}
		if b.count != b.batch.Count || b.total != b.batch.Total.Units {
			v.breach("money", "batch "+b.batch.name(), "%d payments of %d units, but it says %d of %d", b.count, b.total, b.batch.Count, b.batch.Total.Units)
		}
	}
	return v.banks(ctx)
}

// banks compares each account with its bank's last statement, and what the banks have
// cleared with what was paid.
func (v *verifier[T]) banks(ctx context.Context) error {
	last := map[string]Row{}
	if err := v.scan(ctx, Scan{Table: TableStatements}, func(row Row) error {
		account := textOf(row.Values[1])
		if before, seen := last[account]; !seen || intOf(row.Values[2]) > intOf(before.Values[2]) {
			last[account] = row
		}
		return nil
	}); err != nil {
		return err
	}
	var cleared, paid int64
	for account, row := range last {
		if textOf(row.Values[5]) != "matched" {
			return nil // it is being taken
		}
		v.want[bankAccount(account)] += intOf(row.Values[4])
		b, err := v.engine.store.Balances(ctx, clearedAccount(account))
		if err != nil {
			return err
		}
		cleared += b[0].Posted
	}
	for _, benefit := range v.engine.program.Benefits {
		paid += v.want[paidAccount(benefit.Name)]
	}
	if cleared != paid {
		v.breach("money", "banks", "they have cleared %d units, but %d were paid", cleared, paid)
	}
	return nil
}

// wantPayment: once its batch is approved, a payment's amount has left what is
// entitled; it is with the batch, or paid, or back.
func (v *verifier[T]) wantPayment(b *Batch, p *paymentRow) {
	if !b.reserved() {
		return
	}
	switch p.state {
	case payment.Rejected, payment.Returned, payment.Cancelled:
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
