package identity

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/gelombang/gelombang/program/calendar"
)

// NIK is an Indonesian identity number (Nomor Induk Kependudukan): 16 digits with
// the place of first registration, the birth date as it was then (day plus 40
// for women) and a serial. It never prints; see Reveal.
//
// A NIK does not prove citizenship, and not where its holder lives. It is kept when a
// birth date is corrected, so a difference is a warning, never a refusal.
type NIK struct {
	hidden
}

// KK is the number of an Indonesian family card (Kartu Keluarga): 16 digits with
// the place, the date of recording and a serial. It never prints; see Reveal. It
// changes when a family splits or moves.
type KK struct {
	hidden
}

func (n NIK) String() string               { return nikMask }
func (n NIK) GoString() string             { return nikMask }
func (n NIK) Format(f fmt.State, _ rune)   { printMask(f, nikMask) }
func (n NIK) LogValue() slog.Value         { return slog.StringValue(nikMask) }
func (n NIK) MarshalText() ([]byte, error) { return []byte(nikMask), nil }
func (n NIK) MarshalJSON() ([]byte, error) { return []byte(`"` + nikMask + `"`), nil }

// Equal reports whether both are the same number.
func (n NIK) Equal(other NIK) bool { return n.same(other.hidden) }

func (k KK) String() string               { return kkMask }
func (k KK) GoString() string             { return kkMask }
func (k KK) Format(f fmt.State, _ rune)   { printMask(f, kkMask) }
func (k KK) LogValue() slog.Value         { return slog.StringValue(kkMask) }
func (k KK) MarshalText() ([]byte, error) { return []byte(kkMask), nil }
func (k KK) MarshalJSON() ([]byte, error) { return []byte(`"` + kkMask + `"`), nil }

// Equal reports whether both are the same number.
func (k KK) Equal(other KK) bool { return k.same(other.hidden) }

// FormatError says which rule of the format a number breaks. It never holds the number.
type FormatError struct {
	Field string // "nik" or "kk"
	Rule  Rule
}

func (e *FormatError) Error() string { return e.Field + ": " + string(e.Rule) }

// Rule is a rule of the format of a NIK or KK.
type Rule string

// The rules. The first that is broken is reported.
const (
	SixteenDigits Rule = "sixteen-digits" // exactly 16 characters 0 to 9
	ProvinceCode  Rule = "province-code"  // one of Kemendagri's 38 provinces
	BirthDay      Rule = "birth-day"      // 01 to 31, or 41 to 71 for women
	BirthMonth    Rule = "birth-month"    // 01 to 12
	BirthDate     Rule = "birth-date"     // a day that exists in 19YY or 20YY
	Serial        Rule = "serial"         // not 0000
)

// Warnings is a set of oddities that an officer may look at. None of them makes a
// number wrong. The zero value is the empty set.
type Warnings uint8

// The warnings.
const (
	BirthDateDiffers Warnings = 1 << iota // the declared birth date is not the number's
	SexDiffers                            // the declared sex is not the number's
	RegencyZero                           // the regency code is 00; regencies begin at 01, cities at 71
	DistrictZero                          // the district code is 00; districts begin at 01
	RecordedDate                          // a family card's recording date is no date
	SerialZero                            // a family card's serial is 0000
)

var warningCodes = [...]string{"birth-date-differs", "sex-differs", "regency-zero", "district-zero", "recorded-date", "serial-zero"}

// Has reports whether all the given warnings are in the set.
func (w Warnings) Has(all Warnings) bool { return w&all == all }

// Codes returns the codes of the set, in a fixed order.
func (w Warnings) Codes() []string {
	var codes []string
	for i, code := range warningCodes {
		if w.Has(1 << i) {
			codes = append(codes, code)
		}
	}
	return codes
}

// String returns the codes with commas between.
func (w Warnings) String() string { return strings.Join(w.Codes(), ",") }

// ParseNIK checks the format of an identity number and hides it. The input is
// exactly 16 digits, without spaces or points. Errors are *FormatError.
func ParseNIK(s string) (NIK, Warnings, error) {
	if rule := nikRule(s); rule != "" {
		return NIK{}, 0, &FormatError{"nik", rule}
	}
	return NIK{conceal(s)}, placeWarnings(s), nil
}

func nikRule(s string) Rule {
	if rule := commonRule(s); rule != "" {
		return rule
	}
	day, month, year := two(s, 6), two(s, 8), two(s, 10)
	if day > 40 {
		day -= 40
	}
	switch {
	case day < 1 || day > 31:
		return BirthDay
	case month < 1 || month > 12:
		return BirthMonth
	case !inEitherCentury(year, month, day):
		return BirthDate
	case s[12:] == "0000":
		return Serial
	}
	return ""
}

// ParseKK checks the format of a family card number and hides it. Errors are
// *FormatError with the rules SixteenDigits and ProvinceCode.
func ParseKK(s string) (KK, Warnings, error) {
	if rule := commonRule(s); rule != "" {
		return KK{}, 0, &FormatError{"kk", rule}
	}
	warnings := placeWarnings(s)
	if !inEitherCentury(two(s, 10), two(s, 8), two(s, 6)) {
		warnings |= RecordedDate
	}
	if s[12:] == "0000" {
		warnings |= SerialZero
	}
	return KK{conceal(s)}, warnings, nil
}

// conceal copies the digits, so that a long text they were cut from can be freed.
func conceal(s string) hidden {
	own := strings.Clone(s)
	return hidden{text: &own}
}

func commonRule(s string) Rule {
	if len(s) != 16 {
		return SixteenDigits
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return SixteenDigits
		}
	}
	if !provinces[two(s, 0)] {
		return ProvinceCode
	}
	return ""
}

func placeWarnings(s string) Warnings {
	var w Warnings
	if two(s, 2) == 0 {
		w |= RegencyZero
	}
	if two(s, 4) == 0 {
		w |= DistrictZero
	}
	return w
}

func two(s string, at int) int { return int(s[at]-'0')*10 + int(s[at+1]-'0') }

// inEitherCentury: the number has two digits of the year, so 29 February 00 is the
// one of 2000.
func inEitherCentury(year, month, day int) bool {
	if month < 1 || month > 12 || day < 1 {
		return false
	}
	longest := max(calendar.DaysIn(1900+year, time.Month(month)), calendar.DaysIn(2000+year, time.Month(month)))
	return day <= longest
}

// provinces are the 38 codes of the Ministry of Home Affairs (Kemendagri). The
// statistics office uses other codes for Papua; a NIK never has those.
var provinces = func() (table [100]bool) {
	for _, code := range [...]int{
		11, 12, 13, 14, 15, 16, 17, 18, 19, 21, // Aceh to Kepulauan Riau
		31, 32, 33, 34, 35, 36, // Java
		51, 52, 53, // Bali, NTB, NTT
		61, 62, 63, 64, 65, // Kalimantan
		71, 72, 73, 74, 75, 76, // Sulawesi
		81, 82, // Maluku
		91, 92, 93, 94, 95, 96, // Papua
	} {
		table[code] = true
	}
	return table
}()

// Sex as it is declared. The zero value is unknown.
type Sex uint8

// The sexes that a NIK tells apart.
const (
	SexUnknown Sex = iota
	Female
	Male
)

// Compare returns BirthDateDiffers and SexDiffers where the declared birth date and
// sex are not those in the number. The two digits of the year are read as the
// century of the declared date. A zero birth, an unknown sex and a zero NIK are
// not compared.
func (n NIK) Compare(birth calendar.Date, sex Sex) Warnings {
	if n.IsZero() {
		return 0
	}
	s := n.Reveal()
	day, numberSex := two(s, 6), Male
	if day > 40 {
		day, numberSex = day-40, Female
	}
	var w Warnings
	if !birth.IsZero() && (birth.Day != day || int(birth.Month) != two(s, 8) || birth.Year%100 != two(s, 10)) {
		w |= BirthDateDiffers
	}
	if sex != SexUnknown && sex != numberSex {
		w |= SexDiffers
	}
	return w
}
