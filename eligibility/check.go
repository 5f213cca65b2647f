package eligibility

import (
	"math"
	"slices"
)

const (
	oldest = 150 // years; an age limit beyond it decides nothing
	deep   = 32  // conditions inside conditions
	widest = 4096
)

// checkForm reports the faults of a condition against the facts it names. A limit
// that is a parameter's has been put in before, or is checked with each edition.
func (d *dictionaries) checkForm(c Condition, path string, depth int) []Fault {
	if depth > deep {
		return []Fault{{path, "deep", "more than 32 conditions inside one another"}}
	}
	if c.op == noOp {
		return []Fault{{path, "condition", "is missing"}}
	}
	if c.op >= opAll {
		return d.checkCombination(c, path, depth)
	}
	i, ok := d.index[c.fact]
	if !ok {
		return []Fault{{path, "fact", "there is no fact " + quote(c.fact)}}
	}
	f := &d.facts[i]
	if !suits(c.op, f.kind) {
		return []Fault{{path, "kind", opNames[c.op] + " cannot be asked of " + quote(f.name) + ", a " + kinds[f.kind]}}
	}
	if c.param != "" {
		return nil
	}
	if (f.kind == moneyKind && c.op != opKnown || c.currency != "") && c.currency != f.currency.Code {
		return []Fault{{path, "currency", quote(f.name) + " is in " + quote(f.currency.Code) + ", the limit in " + quote(c.currency)}}
	}
	return checkLimit(c, f.codes, path)
}

func (d *dictionaries) checkCombination(c Condition, path string, depth int) []Fault {
	var faults []Fault
	path += "." + opNames[c.op]
	if len(c.of) == 0 {
		faults = append(faults, Fault{path, "empty", "has no condition"})
	}
	if len(c.of) > widest {
		faults = append(faults, Fault{path, "size", "has more than 4096 conditions"})
	}
	if c.op == opNot && len(c.of) > 1 {
		faults = append(faults, Fault{path, "size", "has more than one condition"})
	}
	if c.op == opNOf && (c.low < 1 || c.low > int64(len(c.of))) {
		faults = append(faults, Fault{path, "range", "the number is from 1 to the number of conditions"})
	}
	for i, part := range c.of {
		faults = append(faults, d.checkForm(part, path+at(i), depth+1)...)
	}
	return faults
}

func suits(o op, k kind) bool {
	switch o {
	case opIs:
		return k == boolKind
	case opEquals, opAtLeast, opAtMost, opBetween:
		return k == intKind || k == moneyKind
	case opIn:
		return k == codeKind
	case opHasAny, opHasAll:
		return k == codesKind
	case opOnOrAfter, opOnOrBefore, opAgeAtLeast, opAgeAtMost:
		return k == dateKind
	case opHolds:
		return k == goKind
	}
	return o == opKnown && k != goKind
}

// checkLimit refuses limits that no value or every value meets: such a comparison
// decides nothing, and is a slip of the pen.
func checkLimit(c Condition, codes []string, path string) []Fault {
	switch c.op {
	case opEquals, opAtLeast, opAtMost, opBetween:
		if c.low > c.high {
			return []Fault{{path, "range", "is empty"}}
		}
		if c.low == math.MinInt64 && c.high == math.MaxInt64 {
			return []Fault{{path, "constant", "every number is in the range"}}
		}
	case opAgeAtLeast:
		if c.low < 1 || c.low > oldest {
			return []Fault{{path, "range", "an age is from 1 to 150"}}
		}
	case opAgeAtMost:
		if c.high < 0 || c.high >= oldest {
			return []Fault{{path, "range", "a greatest age is from 0 to 149"}}
		}
	case opOnOrAfter, opOnOrBefore:
		if !c.day.Valid() {
			return []Fault{{path, "date", "does not exist"}}
		}
	case opIn, opHasAny, opHasAll:
		return checkCodes(c, codes, path)
	}
	return nil
}

func checkCodes(c Condition, codes []string, path string) []Fault {
	var faults []Fault
	for _, code := range c.codes {
		if !slices.Contains(codes, code) {
			faults = append(faults, Fault{path, "code", quote(code) + " is not a code of " + quote(c.fact)})
		}
	}
	if len(c.codes) == 0 {
		faults = append(faults, Fault{path, "empty", "has no code"})
	}
	if len(faults) == 0 && c.op == opIn && len(c.codes) == len(codes) {
		faults = append(faults, Fault{path, "constant", "every code is in the list; use known"})
	}
	return faults
}
