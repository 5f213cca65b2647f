package wording

import (
	"strconv"
	"time"

	"golang.org/x/text/language"

	"github.com/gelombang/gelombang/program/calendar"
)

// Rupiah writes an amount in whole rupiah in the official Indonesian style
// (no space after Rp, a point between thousands), "Rp3.550.000", and
// "-Rp50.000" below zero. It is exact for every int64.
func Rupiah(rupiah int64) string {
	return string(AppendRupiah(nil, rupiah))
}

// AppendRupiah appends what Rupiah returns.
func AppendRupiah(dst []byte, rupiah int64) []byte { return AppendAmount(dst, "IDR", 0, rupiah) }

// Amount writes an amount in minor units of a currency (ISO 4217), which has that many
// decimals, 0 to 18, in the official Indonesian style: "Rp3.550.000", with sen only if
// there are any, "Rp3.550.000,50", and "-Rp50.000" below zero. Other currencies have
// their code before the number: "USD 1.250,75". It is exact for every int64.
func Amount(currency string, decimals int, units int64) string {
	return string(AppendAmount(nil, currency, decimals, units))
}

// AppendAmount appends what Amount returns.
func AppendAmount(dst []byte, currency string, decimals int, units int64) []byte {
	size := uint64(units)
	if units < 0 {
		dst = append(dst, '-')
		size = -size
	}
	if currency == "IDR" {
		dst = append(dst, "Rp"...)
	} else {
		dst = append(append(dst, currency...), ' ')
	}
	scale := uint64(1)
	for range min(max(decimals, 0), 18) {
		scale *= 10
	}
	dst = appendGrouped(dst, size/scale)
	if rest := size % scale; rest != 0 {
		dst = append(dst, ',')
		for scale /= 10; scale > 0; scale /= 10 {
			dst = append(dst, byte('0'+rest/scale%10))
		}
	}
	return dst
}

func appendGrouped(dst []byte, n uint64) []byte {
	var buf [20]byte
	digits := strconv.AppendUint(buf[:0], n, 10)
	for i, digit := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			dst = append(dst, '.')
		}
		dst = append(dst, digit)
	}
	return dst
}

// Date writes a date in words: "8 August 2020" for readers of English, "8 Agustus 2020"
// for all others, who read Indonesian as Catalogue.Match says. lang is a tag or an
// Accept-Language header. A date that does not exist is "".
func Date(lang string, d calendar.Date) string {
	if !d.Valid() {
		return ""
	}
	month := bulan[d.Month-1]
	if readsEnglish(lang) {
		month = d.Month.String()
	}
	return strconv.Itoa(d.Day) + " " + month + " " + strconv.Itoa(d.Year)
}

var bulan = [12]string{"Januari", "Februari", "Maret", "April", "Mei", "Juni", "Juli", "Agustus", "September", "Oktober", "November", "Desember"}

// readsEnglish: among Indonesian and English a reader is better off with the latter.
func readsEnglish(lang string) bool {
	switch lang {
	case "id":
		return false
	case "en":
		return true
	}
	wanted, _, err := language.ParseAcceptLanguage(lang)
	if err != nil {
		return false
	}
	_, i, _ := language.NewMatcher([]language.Tag{language.Indonesian, language.English}).Match(wanted...)
	return i == 1
}

// Minute writes an instant to the minute, as a clock in loc shows it: "22
// September 2021, 23:59 WIB" for readers of English, "22 September 2021 pukul 23.59 WIB"
// for all others (see Date). A nil loc is UTC.
func Minute(lang string, t time.Time, loc *time.Location) string {
	if loc == nil {
		loc = time.UTC
	}
	layout, joint := "15.04 MST", " pukul "
	if readsEnglish(lang) {
		layout, joint = "15:04 MST", ", "
	}
	date := Date(lang, calendar.DateOf(t, loc))
	if date == "" {
		return ""
	}
	return date + joint + t.In(loc).Format(layout)
}
