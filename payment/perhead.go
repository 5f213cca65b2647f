package payment

import "github.com/gelombang/gelombang/program/calendar"

// HeadKind is cash, once, an amount for each head that the applicant counts for: the
// workers of a firm, the members of a household.
const HeadKind Kind = "per-head"

// PerHead promises an amount for each head, for at most so many heads of one applicant,
// 1 to 1,000,000: what is above is not paid. How many heads an applicant counts for is
// the program's to say.
func PerHead(name string, each Money, most int) Benefit {
	return Benefit{Name: name, Kind: HeadKind, Amount: each, Count: most}
}

// PerTerm promises an amount for each of n terms, which the report of a term's number
// unlocks: grades, attendance. It is of SurveyKind.
func PerTerm(name string, n int, each Money) Benefit {
	return Benefit{Name: name, Kind: SurveyKind, Amount: each, Count: n}
}

// most is the highest Count of a kind of benefit.
func (k Kind) most() int {
	if k == HeadKind {
		return 1_000_000
	}
	return maxCount
}

// heads is the one entitlement for a number of heads; none for no head.
func (b Benefit) heads(start calendar.Date, heads int) ([]Due, error) {
	if heads < 0 {
		return nil, &ScheduleError{b.Name, "heads are zero or more"}
	}
	if heads == 0 {
		return nil, nil
	}
	amount, err := b.Amount.Mul(int64(min(heads, b.Count)))
	if err != nil {
		return nil, err
	}
	return []Due{{1, start, amount}}, nil
}
