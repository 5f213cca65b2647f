package payment

import (
	"math"
	"math/bits"
	"strconv"
	"strings"

	"github.com/gelombang/gelombang/program/wording"
)

// Money is an amount in minor units of an ISO 4217 currency. The rupiah has
// two decimals there: its units are sen. It may be negative, and is comparable
// with ==. The zero Money has no currency; it can be added to any amount.
type Money struct {
	Units    int64  `json:"units"`
	Currency string `json:"currency"`
}

// IDR is the rupiah's code in ISO 4217.
const IDR = "IDR"

// Rupiah returns an amount of whole rupiah. Beyond ±92,233,720,368,547,758
// rupiah, which Money cannot hold, it returns the zero Money, which has no
// currency and does not validate.
func Rupiah(n int64) Money {
	if n > math.MaxInt64/100 || n < math.MinInt64/100 {
		return Money{}
	}
	return Money{n * 100, IDR}
}

// MoneyRule names what an operation with money broke.
type MoneyRule string

// The rules of money.
const (
	MoneyOverflow  MoneyRule = "overflow"  // the result does not fit
	MoneyCurrency  MoneyRule = "currency"  // no ISO 4217 code, or two different ones
	MoneyForm      MoneyRule = "form"      // the text is not written as it must be
	MoneyPrecision MoneyRule = "precision" // the text has a fraction of a minor unit
	MoneyShares    MoneyRule = "shares"    // a share is negative, or all are zero
)

// MoneyError says which rule an operation broke. It repeats no amount.
type MoneyError struct {
	Op   string
	Rule MoneyRule
}

func (e *MoneyError) Error() string { return "payment: money: " + e.Op + ": " + string(e.Rule) }

// Validate checks that the currency is three capital letters. The error is a
// *MoneyError.
func (m Money) Validate() error {
	if _, ok := exponent(m.Currency); !ok {
		return &MoneyError{"validate", MoneyCurrency}
	}
	return nil
}

// Add returns m + n. The error is a *MoneyError: overflow or currency.
func (m Money) Add(n Money) (Money, error) {
	currency, ok := common(m, n)
	if !ok {
		return Money{}, &MoneyError{"add", MoneyCurrency}
	}
	sum := m.Units + n.Units
	if (sum > m.Units) != (n.Units > 0) {
		return Money{}, &MoneyError{"add", MoneyOverflow}
	}
	return Money{sum, currency}, nil
}

// Sub returns m - n. The error is a *MoneyError: overflow or currency.
func (m Money) Sub(n Money) (Money, error) {
	currency, ok := common(m, n)
	if !ok {
		return Money{}, &MoneyError{"sub", MoneyCurrency}
	}
	rest := m.Units - n.Units
	if (rest < m.Units) != (n.Units > 0) {
		return Money{}, &MoneyError{"sub", MoneyOverflow}
	}
	return Money{rest, currency}, nil
}

func common(m, n Money) (string, bool) {
	switch {
	case m.Currency == n.Currency, n == Money{}:
		return m.Currency, true
	case m == Money{}:
		return n.Currency, true
	}
	return "", false
}

// Mul returns m times n. The error is a *MoneyError: overflow.
func (m Money) Mul(n int64) (Money, error) {
	high, low := bits.Mul64(magnitude(m.Units), magnitude(n))
	units, ok := signed(low, (m.Units < 0) != (n < 0))
	if high != 0 || !ok {
		return Money{}, &MoneyError{"mul", MoneyOverflow}
	}
	return Money{units, m.Currency}, nil
}

// Allocate splits m by shares, which are 0 or more and not all 0. The parts
// add up to m exactly, and each is within one minor unit of its exact share.
// The boundary between two parts is the cumulative share, rounded towards
// zero: 100 in three equal shares is 33, 33, 34. The error is a *MoneyError.
func (m Money) Allocate(shares ...int64) ([]Money, error) {
	var total int64
	for _, share := range shares {
		if share < 0 {
			return nil, &MoneyError{"allocate", MoneyShares}
		}
		if total > math.MaxInt64-share {
			return nil, &MoneyError{"allocate", MoneyOverflow}
		}
		total += share
	}
	if total == 0 {
		return nil, &MoneyError{"allocate", MoneyShares}
	}
	parts := make([]Money, len(shares))
	var reached, given uint64
	for i, share := range shares {
		reached += uint64(share)
		upTo := magnitude(m.Units) // reached == total: all of it
		if reached < uint64(total) {
			high, low := bits.Mul64(magnitude(m.Units), reached)
			upTo, _ = bits.Div64(high, low, uint64(total))
		}
		units, _ := signed(upTo-given, m.Units < 0)
		parts[i] = Money{units, m.Currency}
		given = upTo
	}
	return parts, nil
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

func signed(size uint64, negative bool) (int64, bool) {
	if negative {
		return int64(-size), size <= 1<<63
	}
	return int64(size), size <= math.MaxInt64
}

// String writes the amount in the official Indonesian style (EYD V): "Rp3.550.000",
// with sen only if there are any, "Rp3.550.000,50", and "-Rp50.000" below
// zero. Other currencies have their code before the number: "USD 1.250,75". A
// currency that is none shows as "?".
func (m Money) String() string {
	decimals, ok := exponent(m.Currency)
	if !ok {
		return "? " + strconv.FormatInt(m.Units, 10)
	}
	return wording.Amount(m.Currency, decimals, m.Units)
}

func appendFraction(b []byte, fraction uint64, decimals int) []byte {
	for unit := powers[decimals] / 10; unit > 0; unit /= 10 {
		b = append(b, byte('0'+fraction/unit%10))
	}
	return b
}

func (m Money) split(decimals int) (whole, fraction uint64) {
	size := magnitude(m.Units)
	return size / powers[decimals], size % powers[decimals]
}

// ParseMoney reads exactly what String writes, and nothing else: a point
// between thousands is required, a comma before the sen, no space after "Rp".
// The error is a *MoneyError.
func ParseMoney(s string) (Money, error) {
	fail := func(rule MoneyRule) (Money, error) { return Money{}, &MoneyError{"parse", rule} }
	rest, negative := strings.CutPrefix(s, "-")
	currency := IDR
	number, isRupiah := strings.CutPrefix(rest, "Rp")
	if !isRupiah {
		currency, number, _ = strings.Cut(rest, " ")
	}
	decimals, ok := exponent(currency)
	if !ok {
		return fail(MoneyCurrency)
	}
	whole, fraction, hasFraction := strings.Cut(number, ",")
	if hasFraction && len(fraction) != decimals {
		return fail(MoneyForm)
	}
	digits := strings.ReplaceAll(whole, ".", "") + fraction
	if !isDigits(digits) {
		return fail(MoneyForm)
	}
	if !hasFraction {
		digits += "0000"[:decimals]
	}
	size, err := strconv.ParseUint(digits, 10, 64)
	units, fits := signed(size, negative)
	if err != nil || !fits {
		return fail(MoneyOverflow)
	}
	m := Money{units, currency}
	if m.String() != s {
		return fail(MoneyForm)
	}
	return m, nil
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// Decimal writes the amount as ISO 20022 messages do, with all decimals of the
// currency and without its code: "600000.00".
func (m Money) Decimal() string { return string(m.AppendDecimal(nil)) }

// AppendDecimal appends what Decimal returns.
func (m Money) AppendDecimal(b []byte) []byte {
	decimals, _ := exponent(m.Currency)
	whole, fraction := m.split(decimals)
	if m.Units < 0 {
		b = append(b, '-')
	}
	b = strconv.AppendUint(b, whole, 10)
	if decimals == 0 {
		return b
	}
	return appendFraction(append(b, '.'), fraction, decimals)
}

// ParseDecimal reads the amount of an ISO 20022 message: digits, and after a
// point at most 5 more; no sign, no exponent, no space. Digits beyond the
// currency's decimals must be zero. The error is a *MoneyError.
func ParseDecimal(s, currency string) (Money, error) {
	fail := func(rule MoneyRule) (Money, error) { return Money{}, &MoneyError{"parse decimal", rule} }
	decimals, ok := exponent(currency)
	if !ok {
		return fail(MoneyCurrency)
	}
	whole, fraction, hasFraction := strings.Cut(s, ".")
	if !isDigits(whole) || hasFraction && (!isDigits(fraction) || len(fraction) > 5) {
		return fail(MoneyForm)
	}
	if len(fraction) > decimals {
		if strings.Trim(fraction[decimals:], "0") != "" {
			return fail(MoneyPrecision)
		}
		fraction = fraction[:decimals]
	}
	var units int64
	for i := range len(whole) + decimals {
		digit := byte('0')
		if i < len(whole) {
			digit = whole[i]
		} else if i-len(whole) < len(fraction) {
			digit = fraction[i-len(whole)]
		}
		value := int64(digit - '0')
		if units > (math.MaxInt64-value)/10 {
			return fail(MoneyOverflow)
		}
		units = units*10 + value
	}
	return Money{units, currency}, nil
}

var powers = [...]uint64{1, 10, 100, 1000, 10000}

// exponent returns the number of decimals of a currency (ISO 4217, column
// "minor unit"). Codes that are not listed have two, as almost all do.
func exponent(currency string) (int, bool) {
	if currency == IDR {
		return 2, true
	}
	if len(currency) != 3 {
		return 0, false
	}
	for i := range 3 {
		if currency[i] < 'A' || currency[i] > 'Z' {
			return 0, false
		}
	}
	switch currency {
	case "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF":
		return 0, true
	case "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND":
		return 3, true
	case "CLF", "UYW":
		return 4, true
	}
	return 2, true
}
