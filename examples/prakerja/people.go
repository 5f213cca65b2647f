package main

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"github.com/gelombang/gelombang/program"
)

// madePeople makes people up: nobody of them exists. Person i is a function of
// the seed and of i alone, so that a source can start anywhere, and the same
// command makes the same people again.
//
// Of 1,000 people about:
//
//	  4  have a letter in the NIK           refused: nik, sixteen-digits
//	  4  have a NIK of fifteen digits       refused: nik, sixteen-digits
//	  3  have a NIK of no known province    refused: nik, province-code
//	  3  have a NIK of 30 February          refused: nik, birth-date
//	  4  have a KK of thirteen digits       refused: kk, sixteen-digits
//	 12  register again, the name spelled otherwise: refused as registered before
//	 90  belong to the household (KK) of somebody before them; some are the
//	     third or fourth there
//	  5  have a birth date that was corrected and is not that of the NIK
//	 20  are under 18, 12 over 64
//	 12  are officials, 25 students, 60 get social aid, 2 are no citizens
//	 38  have at least one fact that nobody asked for or whose source was down
//	 20  were not asked for their category
//	370  do not join the wave: on 16 April 2020, of 3.29 million people with a
//	     verified NIK 2.07 million had joined
//	 68  in a hundred are on the list of affected workers, 56 to 80 by regency
//	 30  have linked no account
//	 80  never buy a training (L), 20 have a wallet that bounces (W), 10 drop
//	     out of the training (D), 20 never review it (N), 100 skip surveys (S)
//
// Where they live follows the weights of the seat plan, with noise: some
// regencies have fewer candidates than seats and others many more.
type madePeople struct {
	seed   uint64
	n      int64
	places *geography
	names  nameParts
	// upTo[i] is the weight of the regencies up to i; affected[i] is the share
	// of affected workers there, in a hundred.
	upTo     []uint64
	affected []uint64
}

// mostMade is how many people can be made with a NIK and KK that nobody else
// has: see numbers.
const mostMade = serials * districts * daysUsed

func newMadePeople(seed uint64, n int64, g *geography) (*madePeople, error) {
	if n < 1 || n > mostMade {
		return nil, fmt.Errorf("1 to %d people can be made, and %d were asked for", int64(mostMade), n)
	}
	names, err := loadNames()
	if err != nil {
		return nil, err
	}
	m := &madePeople{seed: seed, n: n, places: g, names: names}
	villages := make([]int64, len(g.Provinces))
	for _, r := range g.Regencies {
		villages[r.Province] += r.Villages
	}
	var sum uint64
	for i, r := range g.Regencies {
		luck := newThrows(seed^0x7265676e, int64(i))
		noise := 60 + luck.below(80)
		if luck.below(100) < 8 {
			noise /= 4
		}
		people := uint64(g.Provinces[r.Province].People * r.Villages / villages[r.Province])
		sum += people * noise
		m.upTo = append(m.upTo, sum)
		m.affected = append(m.affected, 56+luck.below(25))
	}
	return m, nil
}

// Next makes the next people.
func (m *madePeople) Next(ctx context.Context, done int64, limit int) ([]program.Registration[Jobseeker], error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	some := make([]program.Registration[Jobseeker], 0, max(0, min(int64(limit), m.n-done)))
	for i := done; i < m.n && len(some) < limit; i++ {
		row := m.row(i)
		some = append(some, row.registration(m.places))
	}
	return some, nil
}

// role is what is peculiar about a person.
type role uint8

const (
	ordinary role = iota
	letterInNIK
	shortNIK
	unknownProvince
	noSuchBirthday
	shortKK
	again // somebody before, with the name spelled otherwise
	kin   // of the household of somebody before
)

// lot throws who person i is, and for again and kin of whom.
func (m *madePeople) lot(i int64) (role, int64) {
	d := newThrows(m.seed^0x726f6c65, i)
	u := d.below(1000)
	switch {
	case u < 4:
		return letterInNIK, i
	case u < 8:
		return shortNIK, i
	case u < 11:
		return unknownProvince, i
	case u < 14:
		return noSuchBirthday, i
	case u < 18:
		return shortKK, i
	case u < 30:
		if other := i - 1 - int64(d.below(5000)); other >= 0 {
			if r, _ := m.lot(other); r == ordinary || r == kin {
				return again, other
			}
		}
	case u < 120:
		if other := i - 1 - int64(d.below(60)); other >= 0 {
			return kin, other
		}
	}
	return ordinary, i
}

// row makes person i as a line of a file of applicants.
func (m *madePeople) row(i int64) row {
	r, of := m.lot(i)
	if r == again {
		first := m.row(of)
		first.Ref = i
		first.Phone = phone(i)
		if first.Holder != "" {
			first.Holder = first.Name
		}
		d := newThrows(m.seed, i)
		first.Name = spelledOtherwise(first.Name, d.next())
		return first
	}
	d := newThrows(m.seed, i)
	head := m.headOf(i)
	home := m.home(head)
	woman := d.below(100) < 54
	p := row{Ref: i, Name: m.names.make(&d, woman), Regency: m.places.Regencies[home].Code, Phone: phone(i), Observed: "2020-07-" + two(1+d.below(31))}
	m.numbers(&p, &d, i, head, home, woman)
	m.situation(&p, &d, home)
	m.account(&p, &d, i)
	p.Habits = habits(&d)
	p.spoil(r)
	return p
}

// headOf finds who came first of a household.
func (m *madePeople) headOf(i int64) int64 {
	for {
		r, of := m.lot(i)
		if r != kin && r != again {
			return i
		}
		i = of
	}
}

// home is where a household lives: a position in the map.
func (m *madePeople) home(head int64) int {
	d := newThrows(m.seed^0x686f6d65, head)
	at := d.below(m.upTo[len(m.upTo)-1])
	return sort.Search(len(m.upTo), func(i int) bool { return m.upTo[i] > at })
}

const (
	serials   = 9999
	districts = 40
	daysUsed  = 28
)

// numbers makes NIK, KK and birth date. Nobody shares a NIK by chance, nor do
// two households a KK: the serial, the district and then the day of the date
// count up with the number of the person.
func (m *madePeople) numbers(p *row, d *throws, i, head int64, home int, woman bool) {
	birth := m.day(i, 2020-m.age(d), 1+d.below(12))
	p.Birth = birth.iso()
	if d.below(1000) < 5 {
		corrected := birth
		corrected.year--
		p.Birth = corrected.iso()
	}
	from := home
	if d.below(100) < 12 { // first registered elsewhere
		from = int(d.below(uint64(len(m.places.Regencies))))
	}
	inNIK := birth
	if woman {
		inNIK.day += 40
	}
	p.NIK = m.number(from, i, inNIK)
	recorded := newThrows(m.seed^0x6b61727475, head)
	p.KK = m.number(home, head, m.day(head, 2005+recorded.below(15), 1+recorded.below(12)))
}

// dayOf is a date, the day perhaps plus 40.
type dayOf struct{ year, month, day uint64 }

func (d dayOf) iso() string { return four(d.year) + "-" + two(d.month) + "-" + two(d.day) }

func (m *madePeople) day(i int64, year, month uint64) dayOf {
	rounds := uint64(i / (serials * districts))
	start := newThrows(m.seed^0x646179, i%(serials*districts))
	return dayOf{year, month, 1 + (start.below(daysUsed)+rounds)%daysUsed}
}

// number is region, district, date and serial. The two digits of the province
// are those of 2020, when all of these numbers existed already.
func (m *madePeople) number(region int, i int64, date dayOf) string {
	r := m.places.Regencies[region]
	district := 1 + uint64(i)/serials%districts
	return m.places.Provinces[r.Province].Code + r.Code[3:] + two(district) +
		two(date.day) + two(date.month) + two(date.year%100) + four(1+uint64(i)%serials)
}

// age in 2020. Of the holders of 2023, 36% were 18 to 25 and 33% 26 to 35.
func (m *madePeople) age(d *throws) uint64 {
	u := d.below(1000)
	switch {
	case u < 20:
		return 15 + d.below(3)
	case u < 375:
		return 18 + d.below(8)
	case u < 705:
		return 26 + d.below(10)
	case u < 890:
		return 36 + d.below(10)
	case u < 988:
		return 46 + d.below(19)
	}
	return 66 + d.below(10)
}

// situation is what the agency asks for and what the sources say.
func (m *madePeople) situation(p *row, d *throws, home int) {
	affected := d.below(100) < m.affected[home]
	p.Affected = yesNo(affected)
	kinds, u := [...]string{"laid_off", "worker", "seeker"}, d.below(100)
	limits := [2]uint64{10, 45}
	if affected {
		limits = [2]uint64{55, 90}
	}
	switch {
	case u < limits[0]:
		p.Category = kinds[0]
	case u < limits[1]:
		p.Category = kinds[1]
	default:
		p.Category = kinds[2]
	}
	if d.below(1000) < 20 {
		p.Category = ""
	}
	p.Citizen = observed(d, 2, 3, 2)
	if p.Citizen == "yes" { // the rare answer, and here it is the bad one
		p.Citizen = "no"
	} else if p.Citizen == "no" {
		p.Citizen = "yes"
	}
	p.Official = observed(d, 12, 6, 4)
	p.Student = observed(d, 25, 8, 5)
	p.SocialAid = observed(d, 60, 6, 4)
	p.Joins = yesNo(d.below(1000) >= 370)
}

// observed throws an observation: of 1000, so many yes, so many that nobody
// asked for, so many whose source was down, the rest no.
func observed(d *throws, yes, unasked, down uint64) string {
	u := d.below(1000)
	switch {
	case u < yes:
		return "yes"
	case u < yes+unasked:
		return ""
	case u < yes+unasked+down:
		return "down"
	}
	return "no"
}

// account gives a bank account or a wallet. Numbers are not shared.
func (m *madePeople) account(p *row, d *throws, i int64) {
	if d.below(1000) < 30 {
		return
	}
	p.Holder = p.Name
	switch u := d.below(100); {
	case u < 30:
		p.Provider, p.Account = "BNI", fmt9(uint64(i)*48271%1_000_000_000)
		return
	case u < 60:
		p.Provider = "OVO"
	case u < 85:
		p.Provider = "GOPAY"
	default:
		p.Provider = "LINKAJA"
	}
	p.Account = p.Phone
}

// phone numbers begin with 0800, as no mobile number does.
func phone(i int64) string { return "0800" + fmt9(uint64(i) * 48271 % 1_000_000_000)[1:] }

// fmt9 writes a 1 and nine digits.
func fmt9(n uint64) string { return decimal(1_000_000_000+n, 10) }

// habits says how the person behaves after acceptance.
func habits(d *throws) string {
	var b [4]byte
	out := b[:0]
	u := d.below(1000)
	switch {
	case u < 80:
		return "L"
	case u < 90:
		out = append(out, 'D')
	case u < 110:
		out = append(out, 'N')
	}
	if d.below(1000) < 20 {
		out = append(out, 'W')
	}
	if d.below(1000) < 100 {
		out = append(out, 'S')
	}
	return string(out)
}

// spoil makes the numbers wrong.
func (p *row) spoil(r role) {
	switch r {
	case letterInNIK:
		p.NIK = p.NIK[:9] + "O" + p.NIK[10:]
	case shortNIK:
		p.NIK = p.NIK[:15]
	case unknownProvince:
		p.NIK = "99" + p.NIK[2:]
	case noSuchBirthday:
		p.NIK = p.NIK[:6] + "3002" + p.NIK[10:]
	case shortKK:
		p.KK = p.KK[:13]
	}
}

// nameParts are parts of names: for men and for women to begin with, for women
// to go on, for all to go on.
type nameParts struct{ m, f, g, s []string }

func loadNames() (nameParts, error) {
	var names nameParts
	text, err := data.ReadFile("data/names.txt")
	if err != nil {
		return names, err
	}
	for line := range strings.Lines(string(text)) {
		kind, parts, _ := strings.Cut(line, ":")
		switch kind {
		case "m":
			names.m = strings.Fields(parts)
		case "f":
			names.f = strings.Fields(parts)
		case "g":
			names.g = strings.Fields(parts)
		case "s":
			names.s = strings.Fields(parts)
		}
	}
	if min(len(names.m), len(names.f), len(names.g), len(names.s)) == 0 {
		return names, fmt.Errorf("names.txt: a list of names is missing")
	}
	return names, nil
}

// make puts a name together: one word for some, two or three for most.
func (n *nameParts) make(d *throws, woman bool) string {
	first, second := n.m, n.s
	if woman {
		first = n.f
		if d.below(100) < 60 {
			second = n.g
		}
	}
	name := pick(d, first)
	switch u := d.below(100); {
	case u < 8:
		return name
	case u < 72:
		return name + " " + pick(d, second)
	}
	middle := pick(d, first)
	if middle == name {
		return name + " " + pick(d, second)
	}
	return name + " " + middle + " " + pick(d, second)
}

func pick(d *throws, from []string) string { return from[d.below(uint64(len(from)))] }

// spelledOtherwise writes a name as somebody else would: in the old spelling, with
// a short form, a title, in capitals.
func spelledOtherwise(name string, how uint64) string {
	changes := [...]func(string) string{
		strings.ToUpper,
		func(s string) string { return "H. " + s },
		func(s string) string { return strings.Replace(s, "u", "oe", 1) },
		func(s string) string { return strings.Replace(s, "Muhammad", "Moh.", 1) },
		func(s string) string { return strings.Replace(strings.Replace(s, "y", "j", 1), "J", "Dj", 1) },
		func(s string) string { return s + ", S.Pd." },
	}
	for range changes {
		if other := changes[how%uint64(len(changes))](name); other != name {
			return other
		}
		how++
	}
	return name + "."
}

// throws are the random numbers that belong to one number under one seed: SplitMix64
// (Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, 2014).
type throws struct{ state uint64 }

func newThrows(seed uint64, i int64) throws {
	return throws{mix(mix(seed+golden) + uint64(i)*golden)}
}

const golden = 0x9e3779b97f4a7c15

func (d *throws) next() uint64 {
	d.state += golden
	return mix(d.state)
}

// below throws a number from 0 to n-1. The bias, n of 2^64, does not show.
func (d *throws) below(n uint64) uint64 { return d.next() % n }

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func two(n uint64) string { return decimal(n, 2) }

func four(n uint64) string { return decimal(n, 4) }

// decimal writes the last digits of a number, with zeros in front.
func decimal(n uint64, digits int) string {
	var b [20]byte
	for i := digits - 1; i >= 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return string(b[:digits])
}
