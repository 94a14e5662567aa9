package compiler_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/openleash/openleash-go/compiler"
)

// TestSetHeader edits each before.yaml as edits.json says, in the line ends of Unix and of Windows.
func TestSetHeader(t *testing.T) {
	golden(t, "header", func(t *testing.T, in map[string]string) []txtar.File {
		var edits map[string]any
		if err := json.Unmarshal([]byte(in["edits.json"]), &edits); err != nil {
			t.Fatal(err)
		}
		before := in["before.yaml"]
		after, err := compiler.SetHeader([]byte(before), edits)
		if err != nil {
			return []txtar.File{text("error", []byte(err.Error()))}
		}
		windows, err := compiler.SetHeader([]byte(strings.ReplaceAll(before, "\n", "\r\n")), edits)
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.ReplaceAll(string(after), "\n", "\r\n"); string(windows) != want {
			t.Errorf("with CRLF: got %q, want %q", windows, want)
		}
		_, ds := compiler.Parse("p.yaml", after)
		if err := ds.Err(); err != nil {
			t.Errorf("what comes out is no policy: %v", err)
		}
		return []txtar.File{text("after.yaml", after)}
	})
}

// TestSetHeaderLast: a file whose last line does not end.
func TestSetHeaderLast(t *testing.T) {
	for _, tc := range []struct{ before, after string }{
		{"rules: []\nenabled: false", "rules: []\nenabled: true\n"},
		{"rules: []", "enabled: true\nrules: []"},
	} {
		got, err := compiler.SetHeader([]byte(tc.before), map[string]any{"enabled": true})
		if err != nil || string(got) != tc.after {
			t.Errorf("%q: got %q, %v", tc.before, got, err)
		}
	}
}

func FuzzSetHeader(f *testing.F) {
	for _, s := range []string{walkThrough, "---\n# c\nid: x # y\nrules: []\n", "  rules: []\r\n  name: |\r\n    # t\r\n\r\n", "\r\r\rrules: []", "? rules\n: []", "{rules: []}"} {
		f.Add(s, "new")
	}
	f.Fuzz(func(t *testing.T, src, name string) {
		out, err := compiler.SetHeader([]byte(src), map[string]any{"name": name, "rank": nil, "applies_to": map[string]any{"groups": []string{"g"}}})
		if err != nil {
			return
		}
		again, err := compiler.SetHeader(out, map[string]any{"name": name, "rank": nil, "applies_to": map[string]any{"groups": []string{"g"}}})
		if err != nil || string(again) != string(out) {
			t.Fatalf("once: %q, twice: %q, %v", out, again, err)
		}
	})
}
