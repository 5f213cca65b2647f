package quota

import "strings"

// Fault is one thing wrong with a value: the field by its path, such as
// "pools[3].spill[0]", and the rule it breaks.
type Fault struct {
	Field string `json:"field"`
	Rule  string `json:"rule"`
}

// Faults is the error of a value that is checked as a whole: every fault at
// once, in the order of the fields. Match it with errors.As.
type Faults []Fault

// Error lists the faults, one after another.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, x := range f {
		lines[i] = x.Field + ": " + x.Rule
	}
	return "quota: " + strings.Join(lines, "; ")
}

func (f *Faults) add(field, rule string) { *f = append(*f, Fault{field, rule}) }

func (f Faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return f
}
