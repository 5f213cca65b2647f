package iso20022

import "strings"

// Transliterate writes a text in the characters that banks take everywhere: a
// to z, A to Z, 0 to 9, space and / - ? : ( ) . , ' + (the SWIFT character set
// x, without line breaks). Accents are dropped from Latin letters, and ligatures
// are written out: ß is ss, æ is ae. "&" becomes "+", "_" and all dashes "-",
// all quotation marks "'", and any white space one space. Nothing else is
// replaced and nothing is left out: any other character is a *FieldError.
// Spaces at both ends are cut.
func Transliterate(s string) (string, error) {
	b, ok := appendLatin(nil, s)
	if !ok {
		return "", &FieldError{"text", "has a character that banks do not take"}
	}
	return string(b), nil
}

func appendLatin(b []byte, s string) ([]byte, bool) {
	s = strings.TrimSpace(s)
	start := len(b)
	for _, r := range s {
		if r < 128 && plain[r] {
			b = append(b, byte(r))
			continue
		}
		isMark := r >= 0x300 && r <= 0x36f
		if isMark && len(b) > start {
			continue // an accent that follows its letter
		}
		replacement, ok := latin[r]
		if !ok {
			return b, false
		}
		b = append(b, replacement...)
	}
	return b, true
}

var plain = plainTable()

func plainTable() (t [128]bool) {
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 /-?:().,'+" {
		t[c] = true
	}
	return t
}

var latin = latinTable()

func latinTable() map[rune]string {
	t := map[rune]string{}
	for to, from := range map[string]string{
		"A": "ÀÁÂÃÄÅĀĂĄ", "C": "ÇĆĈĊČ", "D": "ĎĐÐ", "E": "ÈÉÊËĒĔĖĘĚ", "G": "ĜĞĠĢ", "H": "ĤĦ", "I": "ÌÍÎÏĨĪĬĮİ",
		"J": "Ĵ", "K": "Ķ", "L": "ĹĻĽĿŁ", "N": "ÑŃŅŇ", "O": "ÒÓÔÕÖØŌŎŐ", "R": "ŔŖŘ", "S": "ŚŜŞŠȘ", "T": "ŢŤŦȚ",
		"U": "ÙÚÛÜŨŪŬŮŰŲ", "W": "Ŵ", "Y": "ÝŶŸ", "Z": "ŹŻŽ",
		"a": "àáâãäåāăą", "c": "çćĉċč", "d": "ďđð", "e": "èéêëēĕėęě", "g": "ĝğġģ", "h": "ĥħ", "i": "ìíîïĩīĭįı",
		"j": "ĵ", "k": "ķ", "l": "ĺļľŀł", "n": "ñńņň", "o": "òóôõöøōŏő", "r": "ŕŗř", "s": "śŝşšș", "t": "ţťŧț",
		"u": "ùúûüũūŭůűų", "w": "ŵ", "y": "ýÿŷ", "z": "źżž",
		"AE": "Æ", "ae": "æ", "OE": "Œ", "oe": "œ", "ss": "ß", "TH": "Þ", "th": "þ",
		"+": "&", "-": "_‐‑‒–—―−", "'": "\"`´‘’‚‛“”„ʼʻ", " ": "\t\n\r\u00a0\u2009\u202f",
	} {
		for _, r := range from {
			t[r] = to
		}
	}
	return t
}
