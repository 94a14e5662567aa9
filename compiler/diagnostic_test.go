package compiler_test

import (
	"strings"
	"testing"

	"github.com/openleash/openleash-go/compiler"
)

// TestSnippet: the caret stands under its character, or not at all.
func TestSnippet(t *testing.T) {
	for _, tc := range []struct{ src, want string }{
		{"{name: \"éé\", foo: 1, rules: []}", "    1 | {name: \"éé\", foo: 1, rules: []}\n                     ^\n"},
		{"{name: \"" + strings.Repeat("x", 300) + "\", foo: 1, rules: []}", "    1 | {name: \"" + strings.Repeat("x", 152) + "\n"},
	} {
		_, ds := compiler.Parse("p.yaml", []byte(tc.src))
		var out strings.Builder
		ds.Render(&out, func(string) []byte { return []byte(tc.src) })
		if _, snippet, _ := strings.Cut(out.String(), "\n"); len(ds) != 1 || snippet != tc.want {
			t.Errorf("got\n%swant\n%s", snippet, tc.want)
		}
	}
}
