package main

import (
	"encoding/csv"
	"errors"
	"io"
	"strconv"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/identity"
)

// readEmployers reads the employers' files, joined into one: a line for each worker, the
// lines of a firm together. A firm whose lines cannot be read is refused with the first
// field and rule that is wrong, and never with a value; the others go on.
func readEmployers(file io.Reader) (program.Registrations[Firm], error) {
	lines := csv.NewReader(file)
	lines.FieldsPerRecord = 7 // nib, firm, bank, account, member, insured, wage
	if _, err := lines.Read(); err != nil {
		return nil, errors.New("employers: there is no heading")
	}
	var all program.Registrations[Firm]
	var last string
	seen := map[string]bool{}
	for {
		line, err := lines.Read()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, errors.New("employers: a line does not have seven fields")
		}
		if line[0]+line[1] != last {
			last = line[0] + line[1]
			all = append(all, firm(line))
		}
		r := &all[len(all)-1]
		w, fault := worker(line)
		if fault != nil && r.Fault == nil {
			r.Fault = fault
		}
		w.Elsewhere = seen[w.Member]
		seen[w.Member] = true
		r.Details.Workers = append(r.Details.Workers, w)
	}
}

func firm(line []string) program.Registration[Firm] {
	r := program.Registration[Firm]{Person: program.Person{
		Name: identity.NewName(line[1]), National: identity.NewSecret(line[0]),
		Payout: program.Payout{Provider: line[2], Account: identity.NewSecret(line[3]), Holder: identity.NewName(line[1])},
	}}
	if !digits(line[0], 13) {
		r.Fault = &program.RegistrationError{Field: "nib", Rule: "not-13-digits"}
	}
	return r
}

func worker(line []string) (Worker, *program.RegistrationError) {
	w := Worker{Member: line[4], Insured: line[5] == "yes"}
	if !digits(w.Member, 11) {
		return w, &program.RegistrationError{Field: "member", Rule: "not-11-digits"}
	}
	if line[6] == "" {
		return w, nil // not given
	}
	wage, err := strconv.ParseInt(line[6], 10, 64)
	if err != nil || wage < 1 || wage > 1_000_000_000 {
		return w, &program.RegistrationError{Field: "wage", Rule: "not-an-amount"}
	}
	w.Wage = wage
	return w, nil
}

func digits(s string, n int) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) == n
}
