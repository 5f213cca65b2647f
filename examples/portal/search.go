package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/identity"
)

// This file is how officers find a person by the national number.

// search finds a case by the national number. Whoever searches gives the password again and says
// what for. The number is in no address, no log and no journal entry.
func (p *portal) search(c *call) error {
	data := map[string]any{"Reasons": reasons["search"]}
	if c.r.Method == http.MethodGet {
		return c.page(http.StatusOK, "search", data)
	}
	nik, faults, err := c.asked()
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		return c.pageWith(http.StatusUnprocessableEntity, "search", data, faults)
	}
	until := c.wall().Add(p.floor)
	found, err := p.byNational(c.ctx(), nik)
	if err != nil {
		return err
	}
	more := []any{"found", found != uuid.Nil}
	if found != uuid.Nil {
		more = append(more, "applicant", found)
	}
	if faults, err := c.because("search", "search.national", "applicant", more...); err != nil {
		return err
	} else if len(faults) > 0 {
		return c.pageWith(http.StatusUnprocessableEntity, "search", data, faults)
	}
	apps, err := p.applications(c.ctx(), found)
	if err != nil {
		return err
	}
	data["Asked"], data["Found"], data["Cases"], data["Applicant"] = true, found != uuid.Nil, apps, found.String()
	if found != uuid.Nil {
		a, err := c.engine.Applicant(c.ctx(), found)
		if err != nil {
			return err
		}
		data["Name"], data["State"] = a.Person.Name.Reveal(), string(a.State)
	}
	p.wait(c.ctx(), until)
	return c.page(http.StatusOK, "search", data)
}

// asked reads the number that an officer asks for, who gives the password again.
func (c *call) asked() (identity.NIK, map[string]string, error) {
	faults := map[string]string{}
	nik, _, err := identity.ParseNIK(strings.ReplaceAll(c.form("nik"), " ", ""))
	if err != nil {
		faults["nik"] = formatFault(err, "nik")
	}
	return nik, faults, c.reauthenticate(faults)
}

// byNational is the applicant of a national number; uuid.Nil if there is none.
func (p *portal) byNational(ctx context.Context, nik identity.NIK) (uuid.UUID, error) {
	digest := p.keys.Index("national", nik.Reveal())
	rows, err := p.store.Load(ctx, program.Query{Keys: []program.Key{{Table: program.TableIndex, Values: []any{"national", digest[:]}}}})
	if err != nil || len(rows.Rows) != 1 {
		return uuid.Nil, err
	}
	return uuid.UUID(rows.Rows[0].Values[2].([]byte)), nil
}

// freshFor is how long ago somebody who has no password here may have signed in, before what is serious.
const freshFor = 5 * time.Minute

// reauthenticate asks an officer for the password again, or, of one who signs in elsewhere, that this was just now.
func (c *call) reauthenticate(faults map[string]string) error {
	if c.me.Federated() {
		if c.time.now().Sub(c.me.Since) > freshFor {
			faults["password"] = "form.password.elsewhere"
		}
		return nil
	}
	err := c.accounts.confirm(c.ctx(), c.me.ID, c.r.PostFormValue("password"))
	if errors.Is(err, errSignIn) {
		faults["password"] = "form.password.wrong"
		return nil
	}
	return err
}
