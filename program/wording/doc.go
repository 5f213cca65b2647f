// Package wording keeps the texts that citizens read, in every language of a
// program, and writes amounts and dates the way they read them.
//
// Texts are data: for each language a map from key to template. Compile checks
// that all languages have the same keys and the same placeholders, and reports
// every fault at once:
//
//	catalogue, err := wording.Compile(wording.Texts{
//		"id": {"seat": "{name}, kursi Anda nomor {seat}.", "days": "{n} hari"},
//		"en": {"seat": "{name}, your seat is {seat}.", "days": "{n} {n|one day|other days}"},
//	})
//	text, err := catalogue.Text("en-GB", "seat", wording.Arg{Name: "name", Value: "Sri"}, wording.Arg{Name: "seat", Value: "12"})
//	// Sri, your seat is 12.
//
// A placeholder is {name}. {n|one day|other days} chooses by the plural form of
// n in that language (Unicode CLDR). {{ and }} write a brace.
//
// Arguments are strings: a year or a national number never passes through a
// number formatter. Rupiah, Date and Minute write what needs one:
//
//	wording.Rupiah(3_550_000)                          // Rp3.550.000
//	wording.Date("id", calendar.Of(2020, 8, 8))        // 8 Agustus 2020
package wording
