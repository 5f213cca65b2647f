package wording

import (
	"strconv"
	"strings"
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
func AppendRupiah(dst []byte, rupiah int64) []byte {
	size := uint64(rupiah)
	if rupiah < 0 {
		dst = append(dst, '-')
		size = -size
	}
	var buf [20]byte
	digits := strconv.AppendUint(buf[:0], size, 10)
	dst = append(dst, "Rp"...)
	for i, digit := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			dst = append(dst, '.')
		}
		dst = append(dst, digit)
	}
	return dst
}

// Date writes a date in words: "8 Agustus 2020" for readers of Indonesian (and
// Malay), "8 August 2020" for all others. A date that does not exist is "".
func Date(lang string, d calendar.Date) string {
	if !d.Valid() {
		return ""
	}
	month := d.Month.String()
	if readsIndonesian(lang) {
		month = bulan[d.Month-1]
	}
	return strconv.Itoa(d.Day) + " " + month + " " + strconv.Itoa(d.Year)
}

var bulan = [12]string{"Januari", "Februari", "Maret", "April", "Mei", "Juni", "Juli", "Agustus", "September", "Oktober", "November", "Desember"}

func readsIndonesian(lang string) bool {
	switch lang {
	case "id":
		return true
	case "en":
		return false
	}
	if strings.ContainsAny(lang, ",;") {
		tags, _, err := language.ParseAcceptLanguage(lang)
		if err != nil || len(tags) == 0 {
			return false
		}
		return isIndonesian(tags[0])
	}
	return isIndonesian(language.Make(lang))
}

func isIndonesian(tag language.Tag) bool {
	base, _ := tag.Base()
	return base.String() == "id" || base.String() == "ms"
}

// Minute writes an instant to the minute, as a clock in loc shows it: "22
// September 2021 pukul 23.59 WIB" for readers of Indonesian (and Malay), "22
// September 2021, 23:59 WIB" for all others. A nil loc is UTC.
func Minute(lang string, t time.Time, loc *time.Location) string {
	if loc == nil {
		loc = time.UTC
	}
	layout, joint := "15:04 MST", ", "
	if readsIndonesian(lang) {
		layout, joint = "15.04 MST", " pukul "
	}
	date := Date(lang, calendar.DateOf(t, loc))
	if date == "" {
		return ""
	}
	return date + joint + t.In(loc).Format(layout)
}
