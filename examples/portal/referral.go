package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/program"
)

// This file is the list of referrals: what the search for shared accounts, phones and alike
// people has found, for an officer to judge. The list names nobody; whoever has to see a
// person goes by way of the search, which asks what for.

const (
	referralsAtOnce = 25
	// peopleAtOnce is how many of a referral's people a page names: where hundreds share an
	// account, some are enough to look at.
	peopleAtOnce, peopleInList = 100, 4
)

var referralShape = regexp.MustCompile(`\A[0-9a-f]{32}\z`)

// referralStates are the values of the filter, in its order.
var referralStates = []string{string(program.ReferralOpen), string(program.ReferralConfirmed), string(program.ReferralDismissed)}

// referralView is a referral with the cases of its people.
type referralView struct {
	program.Referral
	People []referred
	More   int // people beyond those
}

// referred is one of the people, by the number alone.
type referred struct {
	Applicant uuid.UUID
	Cases     []caseRow
}

// referralViews reads the cases of the first of each referral's people.
func (p *portal) referralViews(ctx context.Context, all []program.Referral, most int) ([]referralView, error) {
	waves, err := p.waves(ctx)
	if err != nil {
		return nil, err
	}
	var keys []program.Key
	asked := map[uuid.UUID]bool{}
	for _, r := range all {
		for _, id := range r.Applicants[:min(most, len(r.Applicants))] {
			if asked[id] {
				continue
			}
			asked[id] = true
			for _, w := range waves {
				keys = append(keys, program.Key{Table: program.TableApplications, Values: []any{w.Number, id[:]}})
			}
		}
	}
	cases := map[uuid.UUID][]caseRow{}
	if len(keys) > 0 {
		found, err := p.store.Load(ctx, program.Query{Keys: keys})
		if err != nil {
			return nil, err
		}
		for _, row := range found.Rows {
			id := uuid.UUID(row.Values[1].([]byte))
			cases[id] = append(cases[id], caseRow{Wave: row.Values[0].(int64), Applicant: id, State: row.Values[2].(string)})
		}
	}
	var views []referralView
	for _, r := range all {
		v := referralView{Referral: r, More: max(0, len(r.Applicants)-most)}
		for _, id := range r.Applicants[:min(most, len(r.Applicants))] {
			v.People = append(v.People, referred{id, cases[id]})
		}
		views = append(views, v)
	}
	return views, nil
}

// referralPage is one page of the list, from after an id; next is empty at the end.
func (p *portal) referralPage(ctx context.Context, state program.ReferralState, after string) (all []program.Referral, next string, err error) {
	err = p.engine.Referrals(ctx, state, func(r program.Referral) error {
		switch {
		case r.ID <= after:
			return nil
		case len(all) == referralsAtOnce:
			next = all[len(all)-1].ID
			return errEnough
		}
		all = append(all, r)
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return all, next, err
}

// referrals lists them, and begins a search.
func (p *portal) referrals(c *call) error {
	state, after := c.r.URL.Query().Get("keadaan"), c.r.URL.Query().Get("setelah")
	if state == "" {
		state = string(program.ReferralOpen)
	}
	if !slices.Contains(referralStates, state) || after != "" && !referralShape.MatchString(after) {
		return errNoPage
	}
	all, next, err := p.referralPage(c.ctx(), program.ReferralState(state), after)
	if err != nil {
		return err
	}
	views, err := p.referralViews(c.ctx(), all, peopleInList)
	if err != nil {
		return err
	}
	running, err := p.jobs.list(c.ctx(), true)
	if err != nil {
		return err
	}
	searching := slices.ContainsFunc(running, func(j jobView) bool { return j.Kind == jobReferAlike })
	data := map[string]any{"All": views, "State": state, "States": referralStates, "Next": next, "Reasons": reasons["referral-search"], "Searching": searching}
	if c.r.Method == http.MethodGet {
		return c.page(http.StatusOK, "referrals", data)
	}
	if !searching { // one is enough, and finds what another would
		if faults, err := c.because("referral-search", "referrals.search", "referrals"); err != nil {
			return err
		} else if len(faults) > 0 {
			return c.pageWith(http.StatusUnprocessableEntity, "referrals", data, faults)
		}
		if err := p.jobs.start(c.ctx(), fmt.Sprintf("%s-%d", jobReferAlike, p.time.now().Unix()), jobReferAlike, c.me.ID, jobArgs{}); err != nil {
			return err
		}
	}
	return c.redirect("/petugas/pekerjaan")
}

// jobReferAlike is the kind of a job that looks for alike people and what they share.
const jobReferAlike = "refer-alike"

// referAlike puts what it finds on the list. What it found is in the journal.
func (p *portal) referAlike(ctx context.Context, by program.By) error {
	counts, err := p.engine.ReferAlike(ctx, by, nil)
	if err != nil {
		return err
	}
	return p.note(ctx, by.Actor, "referrals.searched", map[string]any{"found": counts["found"], "referred": counts["referred"]})
}

// referral reads the referral in the path.
func (c *call) referral() (program.Referral, error) {
	var r program.Referral
	id := c.r.PathValue("referral")
	if !referralShape.MatchString(id) {
		return r, errNoPage
	}
	record, err := c.engine.Record(c.ctx(), "referral", id)
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(record.Body, &r)
}

// referralDesk shows one referral, and takes the judgement.
func (p *portal) referralDesk(c *call) error {
	r, err := c.referral()
	if err != nil {
		return err
	}
	views, err := p.referralViews(c.ctx(), []program.Referral{r}, peopleAtOnce)
	if err != nil {
		return err
	}
	own := r.By == c.me.ID
	data := map[string]any{"R": views[0], "Own": own, "Reasons": reasons["referral"]}
	if c.r.Method == http.MethodGet {
		return c.page(http.StatusOK, "referral-desk", data)
	}
	verdict, known := map[string]program.ReferralState{"confirm": program.ReferralConfirmed, "dismiss": program.ReferralDismissed}[c.form("verdict")]
	reason := strings.TrimSpace(c.form("reason") + " " + c.form("document"))
	switch {
	case r.State == verdict && r.JudgedBy == c.me.ID && r.Note == reason: // the same form again
		return c.redirect("/petugas/rujukan")
	case r.State != program.ReferralOpen:
		return &fault{http.StatusConflict, "fault.referral.judged"}
	case own:
		return &fault{http.StatusForbidden, "fault.referral.own"}
	case !known:
		return c.pageWith(http.StatusUnprocessableEntity, "referral-desk", data, map[string]string{"verdict": "form.verdict.choose"})
	}
	if faults, err := c.because("referral", "referral."+c.form("verdict"), "referral "+r.ID); err != nil {
		return err
	} else if len(faults) > 0 {
		return c.pageWith(http.StatusUnprocessableEntity, "referral-desk", data, faults)
	}
	err = c.engine.JudgeReferral(c.ctx(), c.by(), r.ID, verdict, reason)
	var state *program.StateError
	if errors.As(err, &state) { // somebody was faster
		return &fault{http.StatusConflict, "fault.referral.judged"}
	}
	if err != nil {
		return err
	}
	return c.redirect("/petugas/rujukan")
}
