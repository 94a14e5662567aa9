package inert_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/openleash/openleash-go/internal/inert"
)

func TestDeceptiveCharactersAreSpeltOut(t *testing.T) {
	for in, want := range map[string]string{
		"a\u200bb": "a⟨U+200B⟩b", "\u202egnp": "⟨U+202E⟩gnp", "x\U000e0041": "x⟨U+E0041⟩", "\x1b[2J": "⟨U+001B⟩[2J",
		"\u0085": "⟨U+0085⟩", "\u2028": "⟨U+2028⟩", "\u3164": "⟨U+3164⟩", "\u034f": "⟨U+034F⟩", "\U000e0101": "⟨U+E0101⟩", "\ufeff": "⟨U+FEFF⟩",
		"a\nb\tc": "a\nb\tc", "👩‍👧 ❤️ Zoë, 注文": "👩‍👧 ❤️ Zoë, 注文", "\xff": "\ufffd",
	} {
		if got := inert.Text(in); got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
		text, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		shown := inert.JSON(string(text))
		var before, after string
		if err := json.Unmarshal(text, &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(shown), &after); err != nil || after != before || strings.ContainsFunc(shown, inert.Deceptive) {
			t.Errorf("JSON(%s) = %s: %v", text, shown, err)
		}
	}
	if got := inert.Line("a\nb\tc"); got != "a⟨U+000A⟩b⟨U+0009⟩c" {
		t.Errorf("Line keeps %q", got)
	}
}
