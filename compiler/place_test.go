package compiler_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/openleash/openleash-go/compiler"
)

// TestPlaces: what is wrong, where exactly, and what was probably meant; all of it at once, in order.
func TestPlaces(t *testing.T) {
	rule := func(keys string) string { return "rules:\n  - {action: a, effect: allow, " + keys + "}\n" }
	limit := func(constraints string) string { return rule("constraints: {" + constraints + "}") }
	nots := func(n int) string {
		return rule("when: " + strings.Repeat("{not: ", n) + "{match: {path: $.payload.x, op: exists}}" + strings.Repeat("}", n))
	}
	for _, tc := range []struct {
		name, src string
		want      []string // line:column code, and what is suggested
	}{
		{"half a letter", "id: p\nname: \u00e9\u4e16\U0001f600 \xff\nrules: []\n", []string{"2:11 invalid_utf8"}},
		{"half a letter behind CRLF", "id: p\r\nrules: []\r\nname: a\xc3\r\n", []string{"3:8 invalid_utf8"}},
		{"a letter that ends too soon", "rules: []\nname: \xe4\xb8", []string{"2:7 invalid_utf8"}},
		{"a letter spelled too long", "name: \xc0\xaf\nrules: []\n", []string{"1:7 invalid_utf8"}},
		{"20,000 lists", "rules: " + strings.Repeat("[", 20_000), []string{"1:1 invalid_yaml"}},
		{"20,000 lists that end", "rules: " + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), []string{"1:1 invalid_yaml"}},
		{"the deepest when", nots(compiler.MaxDepth - 5), nil},
		{"a when that is deeper", nots(compiler.MaxDepth - 4), []string{"2:215 too_deep", "2:221 too_deep", "2:234 too_deep", "2:238 too_deep"}},
		{"100,000 rules", "rules:\n" + strings.Repeat("- 1\n", 100_000), []string{"2:1 too_many_rules"}},
		{"a rule too many", "rules:\n" + strings.Repeat("- 1\n", compiler.MaxRules+1), []string{"2:1 too_many_rules"}},
		{"only white space", " \n\n  \n", []string{"1:1 empty_file"}},
		{"text alone", "rules", []string{"1:1 wrong_type"}},
		{"an empty second document", "rules: []\n---\n", []string{"2:1 several_documents"}},
		{"a tag of text", "name: !!str 5\nrules: []\n", []string{"1:7 tag"}},
		{"an anchor without an alias", "name: &a x\nrules: []\n", []string{"1:7 anchor"}},
		{"a merge", "rules:\n  - <<: {effect: allow}\n    action: a\n    effect: allow\n", []string{"2:5 wrong_key"}},
		{"a key twice in a rule", "rules:\n  - action: a\n    effect: allow\n    action: b\n", []string{"4:5 duplicate_key"}},
		{"a key behind letters of several bytes", "rules:\n  - {description: \u4e16\u754c, action: a, effect: allow, efect: deny}\n", []string{"2:49 unknown_key effect"}},
		{"a key nearly right", "gaurdrail: true\nrules: []\n", []string{"1:1 unknown_key guardrail"}},
		{"an operator nearly right", rule("conditions: [{field: context.x, operator: gtee, value: 1}]"), []string{"2:74 unknown_operator gte"}},
		{"an effect nearly right", "rules:\n  - {action: a, effect: ALOW}\n", []string{"2:25 unknown_effect allow"}},
		{"an obligation nearly right", rule("obligations: [{type: HUMAN_APROVAL}]"), []string{"2:53 unknown_obligation HUMAN_APPROVAL"}},
		{"a limit in quotes", limit(`amount_max: "5000"`), []string{"2:58 wrong_type"}},
		{"a limit below nothing", limit("amount_max: -1"), []string{"2:58 out_of_range"}},
		{"a limit of half a cent", limit("amount_min: 0.5"), []string{"2:58 out_of_range"}},
		{"a limit with an exponent", limit("amount_max: 5e3"), []string{"2:58 out_of_range"}},
		{"a limit as programmers write it", limit("amount_max: 1_000"), []string{"2:58 invalid_number"}},
		{"a limit as programs write it", limit("amount_max: 0x10"), []string{"2:58 invalid_number"}},
		{"a limit as the old wrote it", limit("amount_max: 010"), []string{"2:58 invalid_number"}},
		{"a limit beyond exact integers", limit("amount_max: 9007199254740993"), []string{"2:58 invalid_number"}},
		{"a limit without an end", limit("amount_max: .inf"), []string{"2:58 invalid_number"}},
		{"an hour that no day has", limit(`schedule: {hours: "25:00-26:00"}`), []string{"2:64 invalid_hours"}},
		{"a zone that is a path", limit(`schedule: {hours: "09:00-17:00", timezone: ../../etc/passwd}`), []string{"2:89 unknown_timezone"}},
		{"a rule id twice", "rules:\n  - {id: r, action: a, effect: deny}\n  - {id: r, action: b, effect: deny}\n", []string{"3:5 duplicate_id"}},
		{"an id that the next rule gets", "rules:\n  - {id: rule_2, action: a, effect: deny}\n  - {action: b, effect: deny}\n", []string{"3:5 duplicate_id"}},
		{"all at once, in order", "gaurdrail: true\nrules:\n  - effect: ALOW\n    action: a..b\nid: a/b\nbudgets:\n  - {id: b, limit: 1.5, window: dya}\n", []string{
			"1:1 unknown_key guardrail", "3:13 unknown_effect allow", "4:13 invalid_action", "5:5 invalid_id",
			"7:5 missing_key", "7:20 out_of_range", "7:33 unknown_window day"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, ds := compiler.Parse("p.yaml", []byte(tc.src))
			if (p == nil) != (ds.Err() != nil) {
				t.Errorf("policy %v with errors %v", p, ds.Err())
			}
			var got []string
			for _, d := range ds.Errors() {
				got = append(got, strings.TrimSpace(fmt.Sprintf("%d:%d %s %s", d.Pos.Line, d.Pos.Column, d.Code, d.Suggestion)))
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q\n%.300v", got, tc.want, ds)
			}
		})
	}
}
