package payment

import (
	"math/bits"
	"strconv"
	"strings"
)

// The largest numbers that a reference can hold.
const (
	MaxBatch      = 999_999_999_999
	MaxItem       = 999_999_999
	MaxGeneration = 999
)

// Reference names one payment to the bank: the attempt number generation to
// settle an entitlement, as item of a batch. The same numbers always make the
// same reference, and different numbers different ones. All numbers begin at 1.
//
// It is "B", the batch, "I", the item, "G", the generation, all in decimal, and
// a check character by ISO/IEC 7064 MOD 37,36, which catches every single
// wrong character. It has at most 28 capital letters and digits, so it fits the
// 35 of an ISO 20022 end-to-end identification. The error is a *ReferenceError.
func Reference(batch, item int64, generation int) (string, error) {
	switch {
	case batch < 1 || batch > MaxBatch:
		return "", &ReferenceError{"batch"}
	case item < 1 || item > MaxItem:
		return "", &ReferenceError{"item"}
	case generation < 1 || generation > MaxGeneration:
		return "", &ReferenceError{"generation"}
	}
	var buf [28]byte
	b := strconv.AppendInt(append(buf[:0], 'B'), batch, 10)
	b = strconv.AppendInt(append(b, 'I'), item, 10)
	b = strconv.AppendInt(append(b, 'G'), int64(generation), 10)
	check, _ := checkCharacter(string(b))
	return string(append(b, check)), nil
}

// ParseReference reads what Reference or Compact wrote, and nothing else. The error is a
// *ReferenceError.
func ParseReference(s string) (batch, item int64, generation int, err error) {
	if s != "" && s[0] == 'C' {
		return parseCompact(s)
	}
	if len(s) < 7 || len(s) > 28 || s[0] != 'B' {
		return 0, 0, 0, &ReferenceError{"form"}
	}
	body := s[:len(s)-1]
	if check, ok := checkCharacter(body); !ok || check != s[len(s)-1] {
		return 0, 0, 0, &ReferenceError{"check"}
	}
	first, rest, _ := strings.Cut(body[1:], "I")
	second, third, _ := strings.Cut(rest, "G")
	batch, ok1 := number(first, MaxBatch)
	item, ok2 := number(second, MaxItem)
	n, ok3 := number(third, MaxGeneration)
	if !ok1 || !ok2 || !ok3 {
		return 0, 0, 0, &ReferenceError{"form"}
	}
	return batch, item, int(n), nil
}

// MaxCompact is the greatest length of what Compact returns.
const MaxCompact = 18

// Compact writes a reference of Reference's in at most 18 characters, for a bank that takes
// only short ones. Different references have different compact forms, and ParseReference
// reads both: it is another spelling, not a cut. The error is a *ReferenceError.
//
// It is "C", then the three numbers as one, in base 36, and a check character as before.
func Compact(reference string) (string, error) {
	batch, item, generation, err := ParseReference(reference)
	if err != nil {
		return "", err
	}
	high, low := bits.Mul64(uint64(batch), (MaxGeneration+1)*(MaxItem+1))
	low, carry := bits.Add64(low, uint64(generation)*(MaxItem+1)+uint64(item), 0)
	high += carry
	var buf [MaxCompact]byte
	at := len(buf) - 1 // the last is the check character's
	for high > 0 || low > 0 {
		var digit uint64
		high, digit = high/36, high%36
		low, digit = bits.Div64(digit, low, 36)
		at--
		buf[at] = alphabet[digit]
	}
	at--
	buf[at] = 'C'
	check, _ := checkCharacter(string(buf[at : len(buf)-1]))
	buf[len(buf)-1] = check
	return string(buf[at:]), nil
}

func parseCompact(s string) (batch, item int64, generation int, err error) {
	if len(s) < 3 || len(s) > MaxCompact {
		return 0, 0, 0, &ReferenceError{"form"}
	}
	body := s[:len(s)-1]
	if check, ok := checkCharacter(body); !ok || check != s[len(s)-1] {
		return 0, 0, 0, &ReferenceError{"check"}
	}
	var high, low uint64
	for i := 1; i < len(body); i++ {
		overflow, carry := uint64(0), uint64(0)
		overflow, low = bits.Mul64(low, 36)
		low, carry = bits.Add64(low, uint64(strings.IndexByte(alphabet, body[i])), 0)
		high = high*36 + overflow + carry
	}
	if body[1] == '0' || high >= (MaxGeneration+1)*(MaxItem+1) {
		return 0, 0, 0, &ReferenceError{"form"}
	}
	first, rest := bits.Div64(high, low, (MaxGeneration+1)*(MaxItem+1))
	batch, item, generation = int64(min(first, MaxBatch+1)), int64(rest%(MaxItem+1)), int(rest/(MaxItem+1))
	if batch < 1 || batch > MaxBatch || item < 1 || generation < 1 {
		return 0, 0, 0, &ReferenceError{"form"}
	}
	return batch, item, generation, nil
}

// number reads a decimal from 1 to most, without leading zeros.
func number(s string, most int64) (n int64, ok bool) {
	if s == "" || s[0] == '0' || len(s) > 12 {
		return 0, false
	}
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, n <= most
}

// ReferenceError says what is wrong with a reference: "batch", "item" and
// "generation" are numbers out of range, "form" a text that is no reference,
// "check" one that was changed on its way.
type ReferenceError struct{ Rule string }

func (e *ReferenceError) Error() string { return "payment: reference: " + e.Rule }

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// checkCharacter is the hybrid system MOD 37,36 of ISO/IEC 7064.
func checkCharacter(s string) (byte, bool) {
	p := 36
	for i := range len(s) {
		value := int(s[i]) - '0'
		if value > 9 {
			value = int(s[i]) - 'A' + 10
		}
		if value < 0 || value > 35 || s[i] > '9' && s[i] < 'A' {
			return 0, false
		}
		if p = (p + value) % 36; p == 0 {
			p = 36
		}
		p = p * 2 % 37
	}
	return alphabet[(37-p)%36], true
}
