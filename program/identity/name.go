package identity

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Name is a person's name. It never prints; see Reveal.
// The zero Name is empty.
type Name struct {
	hidden
}

// NewName hides a name. When names are compared, case,
// accents and punctuation do not count. Titles (H., Drs.), degrees after the name (S.Pd.,
// SE), bin and binti are left out, and the short forms of Muhammad and Abdul are
// written out. What follows a comma and is no degree belongs to the name: "Fauzi,
// Ahmad". At most the first eight words count.
func NewName(text string) Name {
	if text == "" {
		return Name{}
	}
	return Name{hidden{text: &text}}
}

func (n Name) String() string               { return nameMask }
func (n Name) GoString() string             { return nameMask }
func (n Name) Format(f fmt.State, _ rune)   { printMask(f, nameMask) }
func (n Name) LogValue() slog.Value         { return slog.StringValue(nameMask) }
func (n Name) MarshalText() ([]byte, error) { return []byte(nameMask), nil }
func (n Name) MarshalJSON() ([]byte, error) { return []byte(`"` + nameMask + `"`), nil }

// Normalised returns the words that are compared, with spaces between. It is
// personal data like the name; use it for a keyed index. Never log it.
func (n Name) Normalised() string {
	return strings.Join(nameWords(n.Reveal()), " ")
}

// compared cuts the words into buf, which has room for all of them.
func (n Name) compared(buf *[maxWords]string) []string {
	words := buf[:0]
	for rest := n.Normalised(); rest != ""; {
		var word string
		word, rest, _ = strings.Cut(rest, " ")
		words = append(words, word)
	}
	return words
}

// Similarity says how alike two names are, from 0 (nothing in common, or one is
// empty) to 1000 (the same after normalising). It is symmetric. Each word is
// paired with at most one of the other name so that the sum is greatest:
//
//   - the same word counts in full;
//   - an initial against a word that begins with it counts 700 of 1000;
//   - words that differ by a few letters count by how many;
//   - a word without a partner counts nothing;
//   - a word that the other name writes as two, "Nurhayati" and "Nur Hayati", is the
//     same word, and costs 20 in all;
//   - the same words in another order score 980.
//
// Longer words weigh more. The score is evidence for a person to look at.
func (n Name) Similarity(other Name) int {
	var bufA, bufB [maxWords]string
	a, b := n.compared(&bufA), other.compared(&bufB)
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	if slices.Equal(a, b) {
		return 1000
	}
	score := similarity(a, b)
	var joinedA, joinedB [maxWords]string
	a, togetherA := joined(a, b, &joinedA)
	b, togetherB := joined(b, a, &joinedB)
	if togetherA || togetherB {
		score = max(score, similarity(a, b)-spacePenalty)
	}
	if score == 1000 {
		return 1000 - orderPenalty
	}
	return score
}

func similarity(a, b []string) int {
	if len(a) > len(b) {
		a, b = b, a
	}
	return 1000 * bestPairing(a, b) / (1000 * (weight(a) + weight(b)))
}

// joined writes neighbours together that so are a word of the other name.
func joined(words, other []string, buf *[maxWords]string) (out []string, any bool) {
	out = buf[:0]
	for i := 0; i < len(words); i++ {
		if i+1 < len(words) && slices.ContainsFunc(other, func(w string) bool { return isJoint(w, words[i], words[i+1]) }) {
			out, any = append(out, words[i]+words[i+1]), true
			i++
			continue
		}
		out = append(out, words[i])
	}
	return out, any
}

func isJoint(w, a, b string) bool {
	return len(w) == len(a)+len(b) && w[:len(a)] == a && w[len(a):] == b
}

const (
	maxWords     = 8
	initialScore = 700
	leastAlike   = 600 // words less alike than this are different words
	orderPenalty = 20
	spacePenalty = 20
)

func weight(words []string) int {
	total := 0
	for _, w := range words {
		total += utf8.RuneCountInString(w)
	}
	return total
}

// bestPairing returns the greatest sum of word score times the letters of both words,
// over all pairings: a table over the sets of words of b already taken.
func bestPairing(a, b []string) int {
	var best [1 << maxWords]int
	full := 1 << len(b)
	for _, word := range a {
		for taken := full - 1; taken >= 0; taken-- {
			for j := range b {
				if taken&(1<<j) == 0 {
					continue
				}
				gain := wordScore(word, b[j]) * (utf8.RuneCountInString(word) + utf8.RuneCountInString(b[j]))
				best[taken] = max(best[taken], best[taken&^(1<<j)]+gain)
			}
		}
	}
	return best[full-1]
}

func wordScore(a, b string) int {
	if a == b {
		return 1000
	}
	first, size := utf8.DecodeRuneInString(a)
	second, otherSize := utf8.DecodeRuneInString(b)
	if size == len(a) || otherSize == len(b) {
		if first == second {
			return initialScore
		}
		return 0
	}
	ra, rb := []rune(a), []rune(b)
	longest := max(len(ra), len(rb))
	if longest > 64 {
		return 0
	}
	score := 1000 * (longest - editDistance(ra, rb)) / longest
	if score < leastAlike {
		return 0
	}
	return score
}

// editDistance counts insertions, deletions, changes and swaps of neighbours
// (optimal string alignment).
func editDistance(a, b []rune) int {
	var rows [3][65]int
	before, last, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// nameWords: of what follows a comma, degrees do not count. Before it, degrees follow
// the name: "M.T. Haryono" has initials, "Haryono M.T." a degree.
func nameWords(text string) []string {
	first, rest, _ := strings.Cut(strings.TrimLeft(text, " ,"), ",")
	fields := split(first)
	kept := wordsOf(withoutDegrees(fields), true)
	if len(kept) == 0 { // someone may be called by what is a title elsewhere
		kept = wordsOf(fields, false)
	}
	for part := range strings.SplitSeq(rest, ",") {
		for _, field := range split(part) {
			if !degrees[compact(field)] {
				kept = append(kept, wordsOf([]string{field}, true)...)
			}
		}
	}
	return kept[:min(len(kept), maxWords)]
}

// withoutDegrees cuts degrees off the end, also "S. Pd" and "SPd", but never all.
func withoutDegrees(fields []string) []string {
	for n := len(fields); n > 1; n = len(fields) {
		switch {
		case degrees[compact(fields[n-1])]:
			fields = fields[:n-1]
		case n > 2 && len(fields[n-2]) == 1 && degrees[fields[n-2]+compact(fields[n-1])]:
			fields = fields[:n-2]
		default:
			return fields
		}
	}
	return fields
}

func compact(field string) string { return strings.ReplaceAll(field, ".", "") }

func wordsOf(fields []string, leaveOut bool) []string {
	var words []string
	for _, field := range fields {
		initials := len(field) == 2*strings.Count(field, ".")+1 && len(field) > 1 // "s.h": no haji among them
		for w := range strings.SplitSeq(field, ".") {
			w = writtenOut(w)
			if w != "" && !(leaveOut && titles[w] && !initials) {
				words = append(words, w)
			}
		}
	}
	return words
}

// split folds case and accents and cuts at everything that is not a letter or a
// digit. A point inside a word stays ("s.pd"), so that degrees are recognised.
func split(text string) []string {
	var folded strings.Builder
	for _, r := range norm.NFKD.String(strings.ToValidUTF8(text, "")) {
		switch {
		case unicode.Is(unicode.Mn, r) || r == '\'' || r == '’' || r == '‘' || r == '`' || r == 'ʼ':
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			folded.WriteRune(unicode.ToLower(unicode.ToUpper(r)))
		case r == '.':
			folded.WriteRune('.')
		default:
			folded.WriteRune(' ')
		}
	}
	var fields []string
	for field := range strings.FieldsSeq(folded.String()) {
		if field = strings.Trim(field, "."); field != "" {
			fields = append(fields, field)
		}
	}
	return fields
}

func writtenOut(word string) string {
	switch word {
	case "moh", "mohd", "mhd", "mohammad", "mohamad", "mohammed", "mohamed", "muh", "muhd", "muhamad", "muhammed", "muchammad", "muchamad",
		"mochammad", "mochamad", "moch", "much", "md", "moehammad", "moehamad", "moehamed":
		return "muhammad"
	case "abd", "abdl", "abdoel":
		return "abdul"
	}
	return word
}

func wordSet(words string) map[string]bool {
	set := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		set[w] = true
	}
	return set
}

// titles are left out wherever they stand, as are the words for son and daughter of.
// Single letters are initials, but for h (haji), which precedes very many names.
var titles = wordSet(`
	h hj haji hajah hajjah kh kyai kiai ust ustaz ustadz ustadzah
	bin binti bt bte
	dr dra drs drg drh ir prof apt
	bapak ibu bpk sdr sdri tn ny nn`)

// degrees, without their points.
var degrees = wordSet(`
	spd mpd sh mh se mm skom mkom st mt ssos msos msi ssi sag mag sip sked skep sp sikom mikom
	spdi mpdi shi sei amd amdkeb amdkep phd mba msc bsc skm sstp sth spsi sfarm sds skp spt stp`)
