package program

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/eligibility"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/lifecycle"
	"github.com/gelombang/gelombang/quota"
)

// StageScreen is the stage whose legal date is the wave's. At every other
// stage the rules of the day decide.
const StageScreen = "screen"

// CheckAll lets the policy decide every case of a wave that is in a state with
// a check, as a job, and moves each along its branch. Cases that stay are
// counted under "stay.VERDICT"; rules that failed under "failed.RULE", evidence
// that is missing under "missing.FACT.CAUSE".
func (e *Engine[T]) CheckAll(ctx context.Context, by By, job string, wave int64, states ...State) (Counts, error) {
	w, err := e.Wave(ctx, wave)
	if err != nil {
		return nil, err
	}
	var stages []string
	for _, name := range states {
		before := len(stages)
		for _, ed := range e.editions {
			if s, ok := ed.machine.State(name); ok && s.Check != nil {
				stages = append(stages, s.Check.At)
			}
		}
		if len(stages) == before {
			return nil, &FieldError{"states", fmt.Sprintf("%q has no check", name)}
		}
	}
	pages := e.casesAhead(&w, states, func(ctx context.Context, cases []*Case[T]) error { return e.ready(ctx, cases, stages...) })
	defer pages.stop()
	return e.runParts(ctx, by, job, "check", []any{wave, states}, everyCase(wave), func(ctx context.Context, ask ask) (chunk, error) {
		pages.drop(ask)
		if err := e.again(ctx, ask, &w); err != nil {
			return chunk{}, err
		}
		cases, next, err := pages.get(ctx, ask)
		if err != nil {
			return chunk{}, err
		}
		s := e.newSteps(ctx, by.Actor, &w)
		d := decider[T]{engine: e, at: s.at}
		for _, c := range cases {
			if ask.refused != nil {
				s.refused(&c.Application, "bounds")
				continue
			}
			check := e.stateOf(&c.Application).Check
			if check == nil { // the state has one in another edition only
				s.counts["refused.no-check"]++
				continue
			}
			if err := s.check(c, check, &d); err != nil {
				return chunk{}, err
			}
		}
		return s.chunk(next, next == nil, len(cases)), nil
	})
}

// ready reads all that the facts of some stages may ask about cases.
func (e *Engine[T]) ready(ctx context.Context, cases []*Case[T], stages ...string) error {
	if err := e.openPeople(ctx, cases); err != nil {
		return err
	}
	// A candidate's placement says what the household holds already.
	placing := slices.Contains(stages, StageScreen) && e.program.draws()
	if placing || slices.ContainsFunc(stages, e.asksLimits) {
		return e.countAwards(ctx, cases)
	}
	return nil
}

// decider keeps the plans of the policy that a chunk needs.
type decider[T any] struct {
	engine   *Engine[T]
	at       time.Time
	plans    map[string]*eligibility.Plan[Case[T]]
	decision eligibility.Decision
}

func (d *decider[T]) decide(c *Case[T], stage string) *eligibility.Decision {
	plan := d.plans[stage]
	if plan == nil {
		asOf := calendar.DateOf(d.at, d.engine.zone)
		if stage == StageScreen {
			asOf = c.Wave.body.Legal
		}
		plan = d.engine.policy.Plan(stage, asOf)
		if d.plans == nil {
			d.plans = map[string]*eligibility.Plan[Case[T]]{}
		}
		d.plans[stage] = plan
	}
	plan.Decide(c, &d.decision)
	return &d.decision
}

// check decides a case at a stage and moves it along the branch.
func (s *steps[T]) check(c *Case[T], check *Check, d *decider[T]) error {
	decision := d.decide(c, check.At)
	event := check.Pending
	switch decision.Verdict {
	case eligibility.Eligible:
		event = check.Eligible
	case eligibility.Ineligible:
		event = check.Ineligible
	}
	s.countFindings(decision)
	record := decisionRecord(decision)
	number := c.Application.version // each decision writes the application
	if event == lifecycle.Stay {
		s.counts["stay."+decision.Verdict.String()]++
		if string(c.Application.decision) != string(record) {
			c.Application.decision = record
			if err := s.keep(c, decision, number, record); err != nil {
				return err
			}
			return s.put(c)
		}
		return nil
	}
	why, err := s.fire(c, Report{Event: event}, nil)
	if err != nil {
		return err
	}
	if len(why) > 0 {
		s.refused(&c.Application, why[0].Code)
		return nil
	}
	c.Application.decision = record
	if err := s.keep(c, decision, number, record); err != nil {
		return err
	}
	now := editionState{c.Application.Edition, c.Application.State}
	if (s.engine.onRoll[now] || s.engine.waiting[now]) && !c.Application.Placed {
		if err := s.engine.placeCase(c); err != nil {
			return err
		}
	}
	return s.put(c)
}

func (s *steps[T]) countFindings(d *eligibility.Decision) {
	s.counts["verdict."+d.Stage+"."+d.Verdict.String()]++
	for i := range d.Len() {
		switch d.Outcome(i) {
		case eligibility.Fail:
			s.counts["failed."+d.Rule(i)]++
		case eligibility.Undecided:
			for _, m := range d.Finding(i).Missing {
				s.counts["missing."+m.Fact+"."+m.Cause.String()]++
			}
		}
	}
}

// decisionRecord is what is kept of a decision with the case: enough to say
// what was decided under which rules, and to decide it again. It holds no
// personal value.
func decisionRecord(d *eligibility.Decision) []byte {
	b := make([]byte, 0, 192)
	b = append(b, `{"policy":`...)
	b = strconv.AppendQuote(b, d.Policy)
	b = append(b, `,"digest":`...)
	b = strconv.AppendQuote(b, d.Digest)
	b = append(b, `,"stage":`...)
	b = strconv.AppendQuote(b, d.Stage)
	b = append(b, `,"as_of":`...)
	b = strconv.AppendQuote(b, d.AsOf.String())
	b = append(b, `,"verdict":`...)
	b = strconv.AppendQuote(b, d.Verdict.String())
	b = appendRules(b, "failed", d, eligibility.Fail)
	b = appendRules(b, "undecided", d, eligibility.Undecided)
	return append(b, '}')
}

func appendRules(b []byte, name string, d *eligibility.Decision, outcome eligibility.Outcome) []byte {
	first := true
	for i := range d.Len() {
		if d.Outcome(i) != outcome {
			continue
		}
		if first {
			b = append(append(append(b, `,"`...), name...), `":[`...)
		} else {
			b = append(b, ',')
		}
		first = false
		b = strconv.AppendQuote(b, d.Rule(i))
	}
	if !first {
		b = append(b, ']')
	}
	return b
}

// Explain decides a case again at a stage, as of a date, without moving it.
func (e *Engine[T]) Explain(ctx context.Context, c *Case[T], stage string, asOf calendar.Date) (eligibility.Decision, error) {
	cases := []*Case[T]{c}
	if err := e.ready(ctx, cases, stage); err != nil {
		return eligibility.Decision{}, err
	}
	return e.policy.Decide(c, stage, asOf), nil
}

// placeCase computes where a candidate stands, and commits to who it is.
func (e *Engine[T]) placeCase(c *Case[T]) error {
	a := &c.Application
	a.Placement = e.program.Place(c)
	a.Placed = true
	if plan := c.Wave.body.Plan; plan != nil {
		if err := a.Placement.fits(plan); err != nil {
			return err
		}
	}
	for _, l := range e.program.Limits {
		if l.Per == PerHousehold {
			a.held = max(a.held, c.awards[l.Name])
		}
	}
	record, err := e.rollRecord(c)
	if err != nil {
		return err
	}
	salt, err := c.rollSalt()
	if err != nil {
		return err
	}
	sum := sha256.Sum256(append(salt[:], record...))
	a.commitment = sum[:]
	return nil
}

// fits checks a placement against the plan. The agency's Place is wrong if it
// does not: nothing is written, so that it can be mended.
func (p Placement) fits(plan *quota.Plan) error {
	if !slices.ContainsFunc(plan.Pools, func(q quota.Pool) bool { return q.ID == p.Pool }) {
		return &FieldError{"Placement.Pool", fmt.Sprintf("%q is not in the wave's plan", p.Pool)}
	}
	for _, code := range p.Groups {
		if !slices.ContainsFunc(plan.Groups, func(g quota.Group) bool { return g.Code == code }) {
			return &FieldError{"Placement.Groups", fmt.Sprintf("%q is not in the wave's plan", code)}
		}
	}
	if p.Tier < 0 || p.Tier >= plan.Tiers {
		return &FieldError{"Placement.Tier", "is not in the wave's plan"}
	}
	if p.Number != 0 && (plan.Key == "" || plan.Key == quota.Lottery) {
		return &FieldError{"Placement.Number", "is given, but the wave's plan is a lottery"}
	}
	return nil
}

// RollSalt is the salt of an applicant's commitment on a wave's roll. It is given to
// the citizen, or to an auditor, who then can open the commitment. It comes from the
// person's own key: of somebody who was erased it is ErrSealed, and nobody can try
// guesses against the roll any more, with whatever key.
func (e *Engine[T]) RollSalt(ctx context.Context, wave int64, applicant uuid.UUID) ([32]byte, error) {
	c, err := e.onRollOf(ctx, wave, applicant)
	if err != nil {
		return [32]byte{}, err
	}
	return c.rollSalt()
}

// onRollOf reads a case with its applicant, to open what the roll commits to.
func (e *Engine[T]) onRollOf(ctx context.Context, wave int64, applicant uuid.UUID) (*Case[T], error) {
	a, err := e.Application(ctx, wave, applicant)
	if err != nil {
		return nil, err
	}
	c := &Case[T]{Application: a, zone: e.zone}
	return c, e.openPeople(ctx, []*Case[T]{c})
}

func (c *Case[T]) rollSalt() ([32]byte, error) {
	a := &c.Application
	return ownMark(c.Applicant.key, "roll-salt", string(binary.BigEndian.AppendUint64(nil, uint64(a.Wave)))+string(a.Receipt[:]))
}

// rollRecord is the canonical record of a candidate: JSON with these fields in
// this order. Household is the id that the agency knows it by, empty for none, and
// held is how many seats it had when the candidate was placed.
func (e *Engine[T]) rollRecord(c *Case[T]) ([]byte, error) {
	a := &c.Application
	household := ""
	if a.Household != uuid.Nil {
		household = a.Household.String()
	}
	return json.Marshal(struct {
		Name     string        `json:"name"`
		National string        `json:"national"`
		Birth    calendar.Date `json:"birth"`
		Pool     string        `json:"pool"`
		Groups   []string      `json:"groups"`
		Tier     int           `json:"tier"`
		// Number, Household and Held are what else of the line decides.
		Number    uint32 `json:"number"`
		Household string `json:"household"`
		Held      int64  `json:"held"`
	}{c.Applicant.Person.Name.Reveal(), c.Applicant.Person.National.Reveal(), c.Applicant.Person.Birth,
		a.Placement.Pool, a.Placement.Groups, a.Placement.Tier, a.Placement.Number, household, a.held})
}
