// Package inert makes text of agents and other strangers safe to show, in a terminal and in a browser.
//
// Characters that move, hide or reverse what is around them are spelt out, as ⟨U+202E⟩. So what people read is what
// was written. All output for people goes through here; JSON for programs keeps its value.
package inert

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text spells out deceptive characters; line breaks and tabs stay. Bytes that are not text become the replacement
// character.
func Text(s string) string {
	if !strings.ContainsFunc(s, Deceptive) && utf8.ValidString(s) {
		return s
	}
	return spell(s, Deceptive)
}

// Line is Text on one line: line breaks and tabs are spelt out too.
func Line(s string) string {
	return spell(s, func(r rune) bool { return r == '\n' || r == '\t' || Deceptive(r) })
}

func spell(s string, which func(rune) bool) string {
	var b strings.Builder
	for _, r := range s {
		if which(r) {
			fmt.Fprintf(&b, "⟨U+%04X⟩", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// JSON escapes deceptive characters in a JSON text, whose value stays the same.
func JSON(text string) string {
	if !strings.ContainsFunc(text, Deceptive) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case !Deceptive(r):
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// Deceptive says whether a character changes how others look, or is not seen: controls other than a line break and a
// tab, and format and other invisible characters, other than those of emoji.
func Deceptive(r rune) bool {
	switch r {
	case '\n', '\t', '\u200d', '\ufe0e', '\ufe0f':
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
}
