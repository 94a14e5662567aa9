package gui

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestInert(t *testing.T) {
	for in, want := range map[string]string{
		"plain":               "plain",
		"two\nlines\tand":     "two\nlines\tand",
		"a\u202egnp.exe":      "a⟨U+202E⟩gnp.exe",
		"zero\u200bwidth":     "zero⟨U+200B⟩width",
		"bell\a":              "bell⟨U+0007⟩",
		"👩\u200d🚀":            "👩\u200d🚀",
		"bad \xff byte":       "bad � byte",
		"<b>&amp;</b>":        "<b>&amp;</b>", // escaping is html/template's
		"line\u2028separator": "line⟨U+2028⟩separator",
	} {
		if got := inert(in); got != want {
			t.Errorf("inert(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestInertNeverLeavesADeceptiveCharacter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.String().Draw(t, "text") + "\u202e" + string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		for _, out := range []string{inert(in), short(in)} {
			if !utf8.ValidString(out) || strings.ContainsFunc(out, deceptive) {
				t.Fatalf("%q", out)
			}
		}
		if n := utf8.RuneCountInString(short(in)); n > maxShown {
			t.Fatalf("%d runes", n)
		}
	})
}

// The code of a currency may come from an agent.
func TestAmountShowsNoDeceptiveCode(t *testing.T) {
	if got := amount(100, "zz\u202ez"); strings.ContainsFunc(got, deceptive) || !strings.HasPrefix(got, "100 minor units of ") {
		t.Errorf("%q", got)
	}
	if got := amount(-150, "USD"); got != "-1.50 USD" {
		t.Errorf("%q", got)
	}
}

func TestAgo(t *testing.T) {
	now := time.Date(2026, 4, 10, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{0: "just now", time.Minute: "1 minute ago", 119 * time.Minute: "1 hour ago",
		47 * time.Hour: "47 hours ago", 72 * time.Hour: "3 days ago", -time.Hour: "in 1 hour"} {
		if got := ago(now, now.Add(-d)); got != want {
			t.Errorf("%s before: %q, want %q", d, got, want)
		}
	}
}

func FuzzOwnPath(f *testing.F) {
	for _, s := range []string{"/gui/agents?q=a", "//evil.example/gui/", "https://evil.example/gui/", "/gui/../v1/owner", `/gui/\evil.example`, "javascript:alert(1)", "/gui/login"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := ownPath(s)
		if !strings.HasPrefix(got, "/gui/") || strings.Contains(got, `\`) || strings.ContainsAny(got, "\r\n") {
			t.Errorf("ownPath(%q) = %q", s, got)
		}
	})
}

func FuzzReadAction(f *testing.F) {
	f.Add([]byte(`{"action_type":"purchase.order","payload":{"amount_minor":4500,"currency":"USD","a":{"b":[1]}}}`))
	f.Add([]byte(`{"payload":{"amount":1e400}}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		a := readAction(raw)
		if a.Counts && a.Currency == "" {
			t.Errorf("counts %d of no currency", a.Minor)
		}
	})
}
