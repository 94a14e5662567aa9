package compiler_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/openleash/openleash-go/compiler"
)

var example = regexp.MustCompile("(?s)```(yaml|text)\n(.*?)```")

// TestDocumentation holds the examples of docs/policy-language.md to the compiler: the policies compile
// without a warning that they do not speak of, and the error shown is the error given.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile("../docs/policy-language.md")
	if err != nil {
		t.Fatal(err)
	}
	policies := 0
	for _, m := range example.FindAllStringSubmatch(string(text), -1) {
		if m[1] == "text" {
			broken := "id: pol_shopping\nrules:\n  - action: a\n    effect: require_aproval\n"
			_, ds := compiler.Parse("shopping.yaml", []byte(broken))
			var out strings.Builder
			ds.Render(&out, func(string) []byte { return []byte(broken) })
			if out.String() != m[2] {
				t.Errorf("the error is\n%s", out.String())
			}
			continue
		}
		policies++
		if _, ds := compiler.Parse("example.yaml", []byte(m[2])); ds.Err() != nil {
			t.Errorf("%s\n%v", m[2], ds.Err())
		}
	}
	if policies < 8 {
		t.Errorf("found %d policies", policies)
	}
}
