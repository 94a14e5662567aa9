package money

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/bojanz/currency"
)

// Max is the largest amount in minor units, 2^53-1: what a JSON number holds exactly.
const Max = 1<<53 - 1

// Exponent returns how many decimal digits the minor unit of a currency has, and false for a code that is
// not in ISO 4217.
func Exponent(code string) (int, bool) {
	digits, ok := currency.GetDigits(code)
	return int(digits), ok
}

// Format writes an amount in its currency's own unit with grouped thousands, such as "1,234.50 USD" or
// "5,000 JPY". An amount without a known currency is written in minor units, and says so.
func Format(minor int64, code string) string {
	if code == "" {
		return Group(minor) + " minor units"
	}
	exponent, ok := Exponent(code)
	if !ok {
		return Group(minor) + " minor units of " + code
	}
	return Decimal(minor, exponent) + " " + code
}

// Decimal writes a whole number of units of 10^-exponent exactly, with all its digits after the point and
// grouped thousands: Decimal(123450, 2) is "1,234.50".
func Decimal(minor int64, exponent int) string {
	sign, digits := split(minor)
	if exponent == 0 {
		return sign + grouped(digits)
	}
	if missing := exponent + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	point := len(digits) - exponent
	return sign + grouped(digits[:point]) + "." + digits[point:]
}

// Group writes a whole number with grouped thousands, such as "1,234".
func Group(n int64) string {
	sign, digits := split(n)
	return sign + grouped(digits)
}

func split(n int64) (sign, digits string) {
	if n >= 0 {
		return "", strconv.FormatInt(n, 10)
	}
	return "-", strconv.FormatUint(-uint64(n), 10) // exact for the smallest int64 too
}

func grouped(digits string) string {
	var b strings.Builder
	for i, d := range []byte(digits) {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(d)
	}
	return b.String()
}

// Parse reads an amount as people type it, "50.00 EUR", "EUR 50" or "5,000 JPY", and returns minor units
// from 0 to Max and the currency. The error says what is wrong in words for the person who typed it.
func Parse(text string) (minor int64, code string, err error) {
	words := strings.Fields(text)
	if len(words) != 2 {
		return 0, "", errors.New("write an amount and its currency, such as 50.00 EUR")
	}
	number, code := words[0], words[1]
	if _, ok := Exponent(strings.ToUpper(number)); ok {
		number, code = code, number
	}
	code = strings.ToUpper(code)
	minor, err = ParseIn(number, code)
	return minor, code, err
}

// ParseIn reads an amount of a currency, such as "1,234.50" of USD, and returns minor units from 0 to Max.
// Commas may group thousands; more digits than the currency has are an error, never rounded.
func ParseIn(number, code string) (int64, error) {
	exponent, ok := Exponent(code)
	if !ok {
		return 0, fmt.Errorf("%s is not a currency of ISO 4217", strconv.Quote(code))
	}
	whole, fraction, pointed := strings.Cut(number, ".")
	whole, ok = ungrouped(whole)
	if !ok || pointed && !digitsOnly(fraction) {
		return 0, fmt.Errorf("%s is not an amount; write it such as 1,234.50", strconv.Quote(number))
	}
	if len(fraction) > exponent { // also zeros: 5.000 EUR may be meant as five thousand
		return 0, fmt.Errorf("%s has %s after the point", code, digitCount(exponent))
	}
	minor, err := strconv.ParseUint(whole+fraction+strings.Repeat("0", exponent-len(fraction)), 10, 64)
	if err != nil || minor > Max {
		return 0, fmt.Errorf("%s is more than the largest amount, %s", number, Decimal(Max, exponent))
	}
	return int64(minor), nil
}

// ungrouped removes the commas of a whole number that is grouped by thousands, or not grouped at all.
func ungrouped(s string) (string, bool) {
	groups := strings.Split(s, ",")
	for i, g := range groups {
		right := len(g) == 3 || i == 0 && (len(groups) == 1 || len(g) < 3)
		if !right || !digitsOnly(g) {
			return "", false
		}
	}
	return strings.Join(groups, ""), true
}

func digitsOnly(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func digitCount(n int) string {
	switch n {
	case 0:
		return "no digits"
	case 1:
		return "at most 1 digit"
	}
	return fmt.Sprintf("at most %d digits", n)
}
