package proof

import (
	"bytes"
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// maxInteger is the largest integer up to which a double holds every one (RFC 7493, section 2.2).
const maxInteger = 1<<53 - 1

// appendNumber appends the canonical form (RFC 8785, section 3.2.2.3) of a JSON number and reports
// whether it is the same number.
func appendNumber(dst, raw []byte) ([]byte, bool) {
	if isShortInteger(raw) {
		return append(dst, raw...), true
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || math.Abs(f) > maxInteger {
		return dst, false
	}
	if f == 0 {
		return append(dst, '0'), len(decimalOf(raw).digits) == 0
	}
	start := len(dst)
	dst = jsontext.AppendFloat(dst, f, 64)
	return dst, decimalOf(raw).equal(decimalOf(dst[start:]))
}

// isShortInteger reports whether raw is an integer that is canonical and exact as it stands.
func isShortInteger(raw []byte) bool {
	digits := bytes.TrimPrefix(raw, []byte("-"))
	if len(digits) > 15 || digits[0] == '0' && len(raw) > 1 {
		return false
	}
	for _, d := range digits {
		if d < '0' || d > '9' {
			return false
		}
	}
	return true
}

// decimal is the number 0.digits × 10^exponent. Its digits neither start nor end with a zero, so that
// two decimals are equal iff their fields are; zero has none.
type decimal struct {
	negative bool
	digits   []byte
	exponent int
}

// decimalOf reads a JSON number. An exponent that no double reaches is cut to one that none reaches
// either.
func decimalOf(raw []byte) decimal {
	var d decimal
	raw, d.negative = bytes.CutPrefix(raw, []byte("-"))
	mantissa := raw
	if e := bytes.IndexAny(raw, "eE"); e >= 0 {
		mantissa = raw[:e]
		exponent, err := strconv.Atoi(string(raw[e+1:]))
		if err != nil || exponent > 1<<20 || exponent < -1<<20 {
			exponent = 1 << 30
		}
		d.exponent = exponent
	}
	whole, fraction, _ := bytes.Cut(mantissa, []byte("."))
	d.exponent += len(whole)
	digits := make([]byte, 0, 24)
	digits = append(append(digits, whole...), fraction...)
	for len(digits) > 0 && digits[0] == '0' {
		digits = digits[1:]
		d.exponent--
	}
	d.digits = bytes.TrimRight(digits, "0")
	return d
}

func (d decimal) equal(o decimal) bool {
	return d.negative == o.negative && d.exponent == o.exponent && bytes.Equal(d.digits, o.digits)
}
