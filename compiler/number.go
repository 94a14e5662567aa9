package compiler

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// maxSafeInteger is 2^53-1: beyond it, canonical JSON (RFC 8785) cannot tell integers apart.
const maxSafeInteger = 1<<53 - 1

// checkNumber refuses what is no JSON number, and what canonical JSON would change.
func checkNumber(text string) error {
	if !jsonNumber.MatchString(text) {
		return fmt.Errorf("%q must be written as a plain decimal number, such as 12.5", text)
	}
	changed := fmt.Errorf("%s cannot be kept exactly; numbers have at most 17 significant digits and integers are at most %d", clipped(text), maxSafeInteger)
	if len(text) > 64 {
		return changed
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) {
		return changed
	}
	if f == 0 && strings.ContainsAny(strings.FieldsFunc(text, func(r rune) bool { return r == 'e' || r == 'E' })[0], "123456789") {
		return changed // too small for a double
	}
	written, ok1 := new(big.Rat).SetString(text)
	kept, ok2 := new(big.Rat).SetString(strconv.FormatFloat(f, 'g', -1, 64))
	if !ok1 || !ok2 || written.Cmp(kept) != 0 {
		return changed
	}
	if written.IsInt() && !strings.ContainsAny(text, ".eE") && math.Abs(f) > maxSafeInteger {
		return changed
	}
	return nil
}

// compareNumbers compares two numbers that checkNumber has passed, exactly.
func compareNumbers(a, b json.Number) int {
	x, _ := new(big.Rat).SetString(a.String())
	y, _ := new(big.Rat).SetString(b.String())
	return x.Cmp(y)
}
