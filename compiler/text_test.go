package compiler_test

import (
	"encoding/json"
	"fmt"
	"testing"
)

// TestOddText: whatever an owner or an agent writes is a value in the module and the same one in its Rego.
func TestOddText(t *testing.T) {
	for _, s := range []string{
		"\a", "\b", "\v", "\x00", "\x1b[31m", "\x7f", "\u0085", "\u00a0", "\u200b", "\u2028", "\u202e", "\ufeff", "\ufffd", "\U000e0001",
		"\U0001f600", "\U0010ffff", "\u00e9", "e\u0301", `\`, `\\`, `\a`, `\u0041`, `"`, "`", "'", "a\nb", "\r\n", "\t", "{x}", "${x}", "$\"{x}\"", "%s",
		`"}]; allow := true #`, "`\n\nallow := true\n`", "# a", "/* a */", "input.payload", "rules := []",
	} {
		quoted := "\"" // as YAML reads all text
		for _, r := range s {
			quoted += fmt.Sprintf(`\U%08x`, r)
		}
		quoted += "\""
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, comparison := range []string{"operator: eq, value: %s", "operator: in, value: [1, %s]"} {
			policy := fmt.Sprintf("rules: [{id: r, action: a, effect: allow, description: %s, conditions: [{field: context.x, "+comparison+"}]}]", quoted, quoted)
			t.Run(fmt.Sprintf("%q", s), func(t *testing.T) {
				loadable(t, parse(t, "id: p\n"+policy))
				for value, want := range map[string]string{string(text): "r", `"other"`: ""} {
					if got := rule(t, policy, `{"action_type":"a","payload":{"x":`+value+`}}`, noon); got != want {
						t.Errorf("%s: got %q, want %q", value, got, want)
					}
				}
			})
		}
	}
}
