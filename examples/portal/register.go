package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"github.com/gelombang/gelombang/program"
	"github.com/gelombang/gelombang/program/calendar"
	"github.com/gelombang/gelombang/program/identity"
)

// PopulationRegister says whether an identity is one that the population register knows, and
// what other registers say about the person. The portal has madePopulation; an agency
// implements it with the services that it is connected to. An implementation takes the same
// time for a number that it knows and one that it does not.
type PopulationRegister interface {
	// Match reports whether number, family card, name and birth date are found together.
	Match(ctx context.Context, p program.Person) (bool, error)
	// Ask returns what the registers say about somebody who was matched.
	Ask(ctx context.Context, p program.Person, at time.Time) (map[string]program.Evidence, error)
}

// madePopulation are people who do not exist. A made NIK has a regency that does not exist
// (99), so that it cannot be anybody's, and a real one is not found here: nobody should
// enter a real one into a demonstration.
type madePopulation struct{}

// madePerson is one of them.
type madePerson struct {
	NIK, KK, Name string
	Birth         calendar.Date
	Province      string
	Category      string
	// Student, Official and Down say what the registers answer.
	Student, Official, Down bool
}

var (
	givenNames  = []string{"Adi", "Agus", "Ayu", "Bambang", "Citra", "Dewi", "Eko", "Fitri", "Gilang", "Hana", "Indra", "Joko", "Kartika", "Lestari", "Made", "Nur", "Putri", "Rizky", "Sari", "Tri", "Umi", "Wahyu", "Yanti", "Zainal"}
	familyNames = []string{"Abdullah", "Basuki", "Damanik", "Effendi", "Firmansyah", "Ginting", "Hidayat", "Iskandar", "Kurniawan", "Lubis", "Mulyani", "Nugroho", "Pratama", "Rahayu", "Saputra", "Siregar", "Tanjung", "Utami", "Wibowo", "Yuliana"}
)

// made returns person i, which is a function of i alone.
func made(i int64) madePerson {
	h := sha256.Sum256(fmt.Appendf(nil, "made person %d", i))
	at := func(n int) int { return int(binary.BigEndian.Uint16(h[2*n:])) }
	place := provinces[i%int64(len(provinces))]
	rest := i / int64(len(provinces))
	district, serial := rest%90+1, rest/90+1
	birth := calendar.Of(1968+at(0)%38, time.Month(1+at(1)%12), 1+at(2)%28)
	day := birth.Day
	if at(3)%2 == 0 {
		day += 40 // women
	}
	number := func(day, year int) string {
		return fmt.Sprintf("%s99%02d%02d%02d%02d%04d", place.Code, district, day, int(birth.Month), year%100, serial)
	}
	p := madePerson{
		NIK: number(day, birth.Year), Birth: birth, Province: place.Code,
		KK:       fmt.Sprintf("%s99%02d%02d%02d%02d%04d", place.Code, district, 1+at(4)%28, 1+at(5)%12, 10+at(6)%14, serial),
		Name:     givenNames[at(7)%len(givenNames)] + " " + familyNames[at(8)%len(familyNames)],
		Category: []string{"seeker", "laid_off", "worker", "own_account", "seeker", "laid_off"}[at(9)%6],
	}
	switch at(10) % 25 {
	case 0, 1:
		p.Student = true
	case 2:
		p.Official = true
	case 3:
		p.Down = true
	}
	return p
}

// whoIs finds a made person by the number.
func whoIs(nik string) (madePerson, bool) {
	if len(nik) != 16 || nik[2:4] != "99" {
		nik = "1199010101010001" // the same work for every number
	}
	place := 0
	for i, p := range provinces {
		if p.Code == nik[:2] {
			place = i
		}
	}
	district, err1 := strconv.ParseInt(nik[4:6], 10, 64)
	serial, err2 := strconv.ParseInt(nik[12:], 10, 64)
	if err1 != nil || err2 != nil || district < 1 || district > 90 || serial < 1 {
		district, serial = 1, 1
	}
	p := made(((serial-1)*90+district-1)*int64(len(provinces)) + int64(place))
	return p, p.NIK == nik
}

func (madePopulation) Match(_ context.Context, p program.Person) (bool, error) {
	who, found := whoIs(p.National.Reveal())
	sameCard := p.Family.Equal(identity.NewSecret(who.KK))
	sameName := p.Name.Similarity(identity.NewName(who.Name)) >= 900
	return found && sameCard && sameName && p.Birth == who.Birth, nil
}

func (madePopulation) Ask(_ context.Context, p program.Person, at time.Time) (map[string]program.Evidence, error) {
	who, _ := whoIs(p.National.Reveal())
	return who.evidence(at), nil
}

func (who madePerson) evidence(at time.Time) map[string]program.Evidence {
	e := map[string]program.Evidence{
		"citizen":  {Source: "dukcapil", Seen: at, Value: true},
		"student":  {Source: "dapodik", Seen: at, Value: who.Student},
		"official": {Source: "bkn", Seen: at, Value: who.Official},
	}
	if who.Down {
		e["student"] = program.Evidence{Source: "dapodik", Seen: at, Unknown: "source-down"}
	}
	return e
}

func (who madePerson) person() program.Person {
	return program.Person{Name: identity.NewName(who.Name), National: identity.NewSecret(who.NIK), Family: identity.NewSecret(who.KK), Birth: who.Birth}
}

func (who madePerson) registration(at time.Time) program.Registration[Jobseeker] {
	return program.Registration[Jobseeker]{Person: who.person(), Evidence: who.evidence(at), Details: Jobseeker{Province: who.Province, Category: who.Category}}
}

// ordinary returns the first n made people from i on about whom the registers say nothing
// peculiar.
func ordinary(i int64, n int) []madePerson {
	var all []madePerson
	for ; len(all) < n; i++ {
		if p := made(i); !p.Student && !p.Official && !p.Down {
			all = append(all, p)
		}
	}
	return all
}
