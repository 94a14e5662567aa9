package money

import (
	"math"
	"strings"
	"testing"

	"github.com/bojanz/currency"
	"pgregory.net/rapid"
)

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		minor int64
		code  string
		want  string
	}{
		{5000, "JPY", "5,000 JPY"},
		{5000, "KWD", "5.000 KWD"},
		{5000, "USD", "50.00 USD"},
		{123456789, "EUR", "1,234,567.89 EUR"},
		{5, "EUR", "0.05 EUR"},
		{0, "EUR", "0.00 EUR"},
		{1234, "CLF", "0.1234 CLF"},
		{5000, "IQD", "5.000 IQD"}, // CLDR says 0 digits
		{-1234567, "USD", "-12,345.67 USD"},
		{math.MinInt64, "JPY", "-9,223,372,036,854,775,808 JPY"},
		{5000, "", "5,000 minor units"},
		{5000, "QQQ", "5,000 minor units of QQQ"},
		{999, "", "999 minor units"},
	} {
		if got := Format(c.minor, c.code); got != c.want {
			t.Errorf("Format(%d, %q) = %q, want %q", c.minor, c.code, got, c.want)
		}
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text  string
		minor int64
		code  string
		err   string // part of the error
	}{
		{"50.00 EUR", 5000, "EUR", ""},
		{"50 eur", 5000, "EUR", ""},
		{"EUR 50.5", 5050, "EUR", ""},
		{" 5,000  JPY ", 5000, "JPY", ""},
		{"5.000 KWD", 5000, "KWD", ""},
		{"1,234,567.89 USD", 123456789, "USD", ""},
		{"0 USD", 0, "USD", ""},
		{"50.00", 0, "", "such as 50.00 EUR"},
		{"50.00 EUR EUR", 0, "", "such as 50.00 EUR"},
		{"1,23 EUR", 0, "", "not an amount"},
		{",123 EUR", 0, "", "not an amount"},
		{"1,234.5,6 EUR", 0, "", "not an amount"},
		{"-1 EUR", 0, "", "not an amount"},
		{"1e3 EUR", 0, "", "not an amount"},
		{"+1 EUR", 0, "", "not an amount"},
		{"1. EUR", 0, "", "not an amount"},
		{".5 EUR", 0, "", "not an amount"},
		{"٥ EUR", 0, "", "not an amount"},
		{"1.005 USD", 0, "", "at most 2 digits"},
		{"5.000 EUR", 0, "", "at most 2 digits"},
		{"50.00 JPY", 0, "", "no digits"},
		{"1.234,50 EUR", 0, "", "not an amount"},
		{"1.5 JPY", 0, "", "no digits"},
		{"50 QQQ", 0, "", "not a currency"},
		{"90,071,992,547,409.91 USD", Max, "USD", ""},
		{"90,071,992,547,409.92 USD", 0, "", "largest amount"},
		{strings.Repeat("9", 400) + " USD", 0, "", "largest amount"},
	} {
		minor, code, err := Parse(c.text)
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("Parse(%q): %v, want an error with %q", c.text, err, c.err)
			}
		case err != nil || minor != c.minor || code != c.code:
			t.Errorf("Parse(%q) = %d %s, %v", c.text, minor, code, err)
		}
	}
}

// What Format writes, Parse reads back, in every currency.
func TestFormatAndParseAgree(t *testing.T) {
	codes := currency.GetCurrencyCodes()
	rapid.Check(t, func(t *rapid.T) {
		minor := rapid.Int64Range(0, Max).Draw(t, "minor")
		code := rapid.SampledFrom(codes).Draw(t, "code")
		text := Format(minor, code)
		if got, in, err := Parse(text); err != nil || got != minor || in != code {
			t.Fatalf("%d %s is written %q, which is read as %d %s, %v", minor, code, text, got, in, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"50.00 EUR", "EUR 50", "1,234.5 USD", "5,000 JPY", "1e9 KWD", ".. USD", "\x00 USD"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		minor, code, err := Parse(s)
		if err != nil {
			return
		}
		if minor < 0 || minor > Max {
			t.Errorf("Parse(%q) = %d", s, minor)
		}
		if again, in, err := Parse(Format(minor, code)); err != nil || again != minor || in != code {
			t.Errorf("Parse(%q) = %d %s, which is not read back: %d %s, %v", s, minor, code, again, in, err)
		}
	})
}
